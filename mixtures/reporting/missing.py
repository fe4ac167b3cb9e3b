"""The section on missing cells: their patterns, and which estimates lean on them."""

import numpy as np
import pandas as pd

from mixtures.data.table import Data
from mixtures.em.missing_information import missing_information
from mixtures.entries import entries
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.plot.patterns import missing_patterns
from mixtures.reporting.blocks import Block, Figure, Paragraph, Section, Table
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit

__all__ = ["missing_section"]

LISTED = 12
"""Parameters listed, those with the largest fractions."""


SEED = 0
"""Seed of the completions, so that a report is the same each time."""


FRACTION = "fraction missing"


def missing_section(material: Material) -> Section | None:
    """Show the patterns of missing cells, and the fraction of information that is missing with them."""
    data, spec, em = material.data, material.spec, material.cc.em
    if data is None or not np.isnan(data.values).any():
        return None
    pictured = material.pictured.data
    source = drawn(lambda: missing_patterns(pictured))
    blocks: list[Block] = [
        Figure(
            source,
            "Patterns of observed and missing cells, the most frequent on top",
            "Which columns were observed together, and in how many rows.",
        )
    ]
    if spec is not None and em is not None:
        blocks += _leaning(material.cc, spec, em, data)
    return Section("missing", tuple(blocks))


def _leaning(cc: Crosscheck, spec: Mixture, em: EMFit, data: Data) -> list[Block]:
    """Table of the parameters that lose the most information, after a sentence on each cluster."""
    try:
        fractions = missing_information(spec, data, em.params, random_seed=SEED)
    except NoApproximation as error:
        return [Paragraph(f"How much information is missing with them is not known: {error}.")]
    shapes = {name: em.params[name].shape for name in fractions}
    places = entries(shapes, spec.dims, spec.coords(data.features))
    rows = [
        (label, em.params[name][index], fractions[name][index], _cluster(spec, name, index))
        for label, (name, index) in places.items()
        if np.isfinite(fractions[name][index])
    ]
    frame = pd.DataFrame(rows, columns=["parameter", "EM", FRACTION, "cluster"]).set_index("parameter")
    frame = cc.relabelled(frame)
    frame = frame.sort_values(FRACTION, ascending=False, kind="stable")
    table = Table.of_frame(
        "Parameters that lean most on the missing cells",
        frame[["EM", FRACTION]].head(LISTED),
        formats={FRACTION: ".0%"},
        helps={FRACTION: "one minus the ratio of the variances with all cells observed and as it is"},
        source="Orchard and Woodbury (1972); Louis (1982); Meng and Rubin (1991)",
    )
    words = (
        "The fraction of missing information of a parameter says how much smaller its variance would be, had "
        f"all cells been observed. {_most(cc, frame)} What is missing because clusters are hidden does not "
        "count here. Where the fraction is large, the estimate rests on the assumption that cells are "
        "missing at random."
    )
    return [Paragraph(words), table]


def _cluster(spec: Mixture, name: str, index: tuple[int, ...]) -> int:
    """Cluster of an entry, or -1 if it is one of all clusters."""
    dims = spec.dims[name]
    return index[dims.index("cluster")] if "cluster" in dims else -1


def _most(cc: Crosscheck, frame: pd.DataFrame) -> str:
    first = frame[frame["cluster"] >= 0].groupby("cluster")[FRACTION].idxmax()
    each = [f"{cc.in_words(label)}, {frame.loc[label, FRACTION]:.0%}" for label in first]
    return f"In each cluster it is largest for: {'; '.join(each)}." if each else ""
