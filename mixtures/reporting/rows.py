"""The section on the rows: how certain their clusters are, and which are least certain."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.data.table import Data
from mixtures.families.questions import marginals
from mixtures.plot.membership import responsibilities as draw_responsibilities
from mixtures.reporting.blocks import Block, Download, Figure, Paragraph, Section, Table, csv_uri
from mixtures.reporting.classes import apart
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material, values_of_rows, weight_of_rows
from mixtures.results.profiles import ClusterFigure

__all__ = ["SURE", "rows_section"]

LEAST_WRONG, LEAST_SHARE = 0.1, 0.001
"""Expected number of rows in a wrong cluster, and share of their weight, that is still told as a figure."""


UNSURE_ROWS, SHOWN_FEATURES = 12, 3
"""Numbers of least certain rows listed, and of their features shown."""


MOST_DOWNLOADED = 5000
"""Rows up to which the page holds a table of all, to be downloaded."""


SURE = 0.9
"""Probability above which a label is called sure."""


def rows_section(material: Material) -> Section:
    """Show how certain the labels of the rows are, and list the least certain rows."""
    known, data, found = material.known, material.data, material.assigned
    if known is None or data is None or found is None:
        text = "Which cluster a row belongs to needs the model and the data, and is left out."
        return Section("rows", (Paragraph(text),))
    spec, sure = known.spec, found["label_probability"].values
    unsure, wrong = int((sure < SURE).sum()), float(np.sum(1 - sure))
    expected = f"{wrong:,.1f}" if wrong >= LEAST_WRONG else f"fewer than {LEAST_WRONG}"
    error = float(np.average(1 - sure, weights=data.weights))
    much = f"{error:.1%}" if error >= LEAST_SHARE else f"below {LEAST_SHARE:.1%}"
    heavy = "" if data.weights is None else f", {much} of the total weight,"
    blocks: list[Block] = [
        Paragraph(
            f"Every row is given its likeliest cluster. For {unsure:,} of {data.n_rows:,} rows its "
            f"probability is below {SURE:.0%}; if the model is right, {expected} rows{heavy} are "
            "expected to have a wrong one."
        )
    ]
    blocks += apart(spec, data, known.params, material.cc.names, error)
    if marginals(spec.family, [material.point]) is not None and spec.n_components > 1:
        blocks.append(_map_of_doubt(material))
    if data.n_rows <= MOST_DOWNLOADED:
        called = found if material.cc.names is None else found.named(material.cc.names)
        words = "Download the cluster of every row as CSV, with its probability."
        blocks.append(Download(csv_uri(called.to_frame()), "clusters-of-rows.csv", words))
    if spec.n_components > 1:
        blocks.append(_least_sure(data, found, material.cc.names, material.described.figures))
    return Section("rows", tuple(blocks))


def _map_of_doubt(material: Material) -> Figure:
    shown = material.pictured
    assert shown.data is not None
    source = drawn(lambda: draw_responsibilities(shown.cc, shown.data))
    if shown.data.n_features == 1:
        caption = (
            "Probability of every cluster over the feature, with its 95% interval where there is a sample."
        )
    else:
        caption = "The larger and the more mixed in colour a point, the less certain its cluster."
    return Figure(source, "Rows by the probability of their cluster", caption)


def _least_sure(
    data: Data, found: xr.Dataset, names: Sequence[str] | None, figures: Sequence[ClusterFigure]
) -> Table:
    sure, r = found["label_probability"].values, found["responsibilities"].values
    chosen = np.argsort(sure, kind="stable")[:UNSURE_ROWS]
    label = found["label"].values[chosen]
    second = np.argsort(-r[chosen], axis=1)[:, 1]
    called = [*map(str, range(r.shape[1]))] if names is None else names
    columns: dict[str, object] = {"cluster": [called[k] for k in label], "p(cluster)": sure[chosen]}
    if "lower" in found:
        bounds = (found[name].values[chosen, label] for name in ("lower", "upper"))
        columns |= dict(zip(("2.5%", "97.5%"), bounds, strict=True))
    columns |= {"next": [called[k] for k in second], "p(next)": r[chosen, second]}
    columns |= weight_of_rows(data, chosen)
    columns |= values_of_rows(data, chosen, columns, SHOWN_FEATURES, figures)
    frame = pd.DataFrame(columns, index=pd.Index([str(data.obs_id[i]) for i in chosen], name="row"))
    formats = dict.fromkeys(("p(cluster)", "2.5%", "97.5%", "p(next)"), ".3f")
    return Table.of_frame(
        f"The {len(chosen)} rows whose cluster is least certain",
        frame,
        formats=formats,
        helps={
            "cluster": "the likeliest cluster of the row",
            "p(cluster)": "the probability that it is right, and its interval",
            "next": "the second most likely cluster",
            "p(next)": "the probability of that one",
        },
        source="mixtures.responsibilities of the sample",
    )
