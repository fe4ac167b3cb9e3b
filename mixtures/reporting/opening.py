"""The first sections of a report: the data, and the model in words, formulas and a graph."""

import json
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mixtures.clusters.labelled import ALIGNED, label_state
from mixtures.data.known_labels import known_rows
from mixtures.data.matching import columns_of
from mixtures.data.patterns import patterns_of, seen_in
from mixtures.data.table import Data
from mixtures.density.kept import kept_text
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.families.questions import describe, hyperparameters
from mixtures.messages import are, counted, decimal
from mixtures.plot.graph import Node, draw_nodes, nodes_of
from mixtures.reporting.blocks import Block, Cell, Column, Figure, Formula, Paragraph, Section, Table, prose
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material

__all__ = ["data_section", "glance", "model_name", "model_section"]

WRITTEN = 8
"""A hyperparameter with up to this many values is written out."""


def model_name(spec: Mixture | None) -> str:
    """Name of a model, such as "Gaussian mixture with 2 clusters, full covariance"."""
    if spec is None:
        return "a model of your own"
    kind = getattr(spec, "covariance_type", None)
    name = f"{spec.family.title} mixture with {counted(spec.n_components, 'cluster')}"
    return name + (f", {kind} covariance" if kind else "")


def glance(material: Material) -> tuple[tuple[str, str], ...]:
    """Facts for the top of the page, each a name and a value."""
    cc, spec = material.cc, material.spec
    own = "" if spec is not None or material.known is None else f": {model_name(material.known.spec)}"
    facts = [("Model", f"{model_name(spec)}{own}")]
    if material.data is not None:
        facts.append(("Data", _size(material.data, spec)))
    if cc.em is not None:
        facts.append(("EM", prose(f"log-likelihood {cc.em.log_likelihood:.2f}")))
    if cc.names is not None:
        free = cc.em is None and cc.posterior is not None and label_state(cc.posterior)[0] == ALIGNED
        order = ". The model does not tell them apart: the order is that of the sample" if free else ""
        names = "; ".join(f"{k}: {name}" for k, name in enumerate(cc.names))
        facts.append(("Clusters", names + order))
    if cc.starts is not None:
        facts.append(("Optimum", f"reached by {cc.starts} starts"))
    if cc.posterior is not None:
        sizes = cc.posterior["posterior"].sizes
        drawn = f"{counted(sizes['chain'], 'chain')} of {counted(sizes['draw'], 'draw')}"
        facts.append(("Posterior", f"{drawn}, after warm-up"))
    return tuple(facts)


def _size(data: Data, spec: Mixture | None) -> str:
    weighted = "" if data.weights is None else f" with weights that sum to {decimal(data.total)}"
    exposed = getattr(spec, "exposure", None) is not None  # a column of its own, which is not fitted
    columns = f"{counted(data.n_features - exposed, 'column')}{' and the exposure' if exposed else ''}"
    return f"{counted(data.n_rows, 'row')}{weighted}, {columns}"


MOST_LEVELS = 12
"""The table of the data lists up to this many levels of an item."""


def data_section(material: Material) -> Section:
    """Show rows, columns, ranges, and the hash that identifies the data."""
    data, name = material.data, material.about.get("data", "")
    blocks: list[Block] = []
    if data is None:
        blocks.append(
            Paragraph(
                "The data were not available when this report was written, so the parts that need them are "
                f"left out. The model was fitted to the columns {', '.join(material.features)}."
            )
        )
    else:
        of = f" of {name}" if name else ""
        blocks += [
            Paragraph(f"{_size(data, material.spec)}{of}. {_what_is_missing(data)}{_labelled(data)}"),
            *_tables(data),
        ]
    if material.content_hash is not None:
        blocks.append(Paragraph(f"Content hash (SHA-256): {material.content_hash}", quiet=True))
    return Section("data", tuple(blocks))


def _labelled(data: Data) -> str:
    if data.labels is None:
        return ""
    return f" In {counted(int(known_rows(data.labels).sum()), 'row')} the cluster is known."


def _what_is_missing(data: Data) -> str:
    """Say how many cells are missing, in how many patterns, and what is assumed about them."""
    seen = seen_in(data)
    if not seen.cells:
        return "No cell is missing."
    patterns = patterns_of(data.values)
    complete = int(patterns.sizes[patterns.observed.all(axis=1)].sum())
    empty = f" {counted(seen.empty, 'row')} {are(seen.empty)} without an observed cell." if seen.empty else ""
    return (
        f"{counted(seen.cells, 'cell')} ({seen.share} of all) {are(seen.cells)} missing, in "
        f"{counted(len(patterns), 'pattern')} of observed columns; {counted(complete, 'row')} "
        f"{are(complete)} complete.{empty} Missing cells are integrated out, which assumes that they are "
        "missing at random, given the observed cells."
    )


def _tables(data: Data) -> list[Block]:
    levels = data.levels or (None,) * data.n_features
    numbers = [j for j, own in enumerate(levels) if own is None]
    categories = [j for j, own in enumerate(levels) if own is not None]
    each = ((_columns, numbers), (_levels, categories))
    return [table(columns_of(data, places)) for table, places in each if places]


def _columns(data: Data) -> Table:
    columns = [column[~np.isnan(column)] for column in data.values.T]
    figures: dict[str, Any] = {
        "mean": [column.mean() for column in columns],
        "sd": [column.std(ddof=1) if len(column) > 1 else np.nan for column in columns],
        "lowest": [column.min() for column in columns],
        "median": [np.median(column) for column in columns],
        "highest": [column.max() for column in columns],
        "different values": [len(np.unique(column)) for column in columns],
    }
    if data.has_missing:
        figures["missing"] = [data.n_rows - len(column) for column in columns]
    frame = pd.DataFrame(figures, index=pd.Index(data.features, name="column"))
    whole: dict[str, str] = {name: "d" for name in ("different values", "missing") if name in figures}
    unweighted = "" if data.weights is None else ", every row counted once"
    return Table.of_frame(f"Columns, in their own units{unweighted}", frame, formats=whole)


def _levels(data: Data) -> Table:
    rows = []
    for feature, labels, column in zip(data.features, data.levels or (), data.values.T, strict=True):
        labels = labels or ()
        seen = column[~np.isnan(column)].astype(int)
        counts = np.bincount(seen, minlength=len(labels))
        shown = [f"{label}: {count:,}" for label, count in zip(labels, counts, strict=True)]
        more = f", and {len(shown) - MOST_LEVELS} more" if len(shown) > MOST_LEVELS else ""
        rows.append((feature, len(labels), ", ".join(shown[:MOST_LEVELS]) + more, data.n_rows - len(seen)))
    names = ["column", "number of levels", "rows of each level", "missing"]
    frame = pd.DataFrame(rows, columns=names).set_index("column")
    frame = frame if data.has_missing else frame.drop(columns="missing")
    return Table.of_frame(
        "Columns and their levels", frame, formats={"number of levels": "d", "missing": "d"}
    )


def model_section(material: Material) -> Section:
    """Show the model in words and formulas, its priors with their values, and its graph."""
    spec, data = material.spec, material.data
    if spec is None:
        text = "A PyMC model of your own: this report knows its variables, but not its formulas."
        return Section("model", (Paragraph(text),))
    words = describe(spec.family)
    k, d = spec.n_components, len(material.features)
    flat = (
        "" if spec.prior is not None else " There is no prior: the mode is the maximum likelihood estimate."
    )
    labelled = material.data is not None and material.data.labels is not None
    where = " where it is not known" if labelled else ""
    blocks: list[Block] = [
        Paragraph(
            f"Every row comes from one of {k} hidden clusters, cluster k with probability alpha[k]. Within a "
            f"cluster {words.components}. Which cluster a row comes from is summed out{where}; only the "
            f"{spec.parameter_count(d)} free parameters are estimated.{flat}"
        ),
        Formula(
            (
                r"p(x_i) = \sum_{k=1}^{K} \alpha_k \, p(x_i \mid z_i = k), \quad i = 1, \dots, n",
                words.density,
                r"\alpha \thicksim \operatorname{Dirichlet}(a, \dots, a)",
                *words.prior,
            )
        ),
        _priors(spec),
    ]
    if data is not None:
        blocks.append(_graph(spec, data))
    return Section("model", tuple(blocks))


def _priors(spec: Mixture) -> Table:
    of_weights, of_components = "Dirichlet: ", f"{type(spec.prior).__name__}: "
    rows = tuple(
        (
            Cell((of_weights if name == "weight_concentration" else of_components) + name),
            Cell(_written(value)),
            Cell("×".join(map(str, value.shape)) or "one number"),
        )
        for name, value in hyperparameters(spec).items()
    )
    columns = (Column("name", False), Column("value", False), Column("shape", False))
    return Table(
        "Priors, as they were used", columns, rows, "the model's spec.prior and weight_concentration"
    )


def _written(value: np.ndarray) -> str:
    flat = np.unique(value) if value.ndim < 2 else value.ravel()
    if len(flat) == 1:
        return f"{flat[0]:.4g}" + (" everywhere" if value.size > 1 else "")
    if value.ndim == 2 and value.size <= WRITTEN * 2:
        return "; ".join(", ".join(f"{x:.4g}" for x in row) for row in value)
    shown = ", ".join(f"{x:.4g}" for x in value.ravel()[:WRITTEN])
    return shown + (f", … ({value.size} in all)" if value.size > WRITTEN else "")


def _graph(spec: Mixture, data: Data) -> Figure:
    def declared() -> str:
        from mixtures.distributions.declare import declare  # PyMC, only now

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the verdict already says it
            return json.dumps([asdict(node) for node in nodes_of(declare(spec, data))])

    nodes = [Node(**each) for each in json.loads(kept_text(spec, data, "graph", declared))]
    variables = ", ".join(node.name for node in nodes if node.free)
    return Figure(
        drawn(lambda: draw_nodes(nodes)),
        f"Graph in which the observed rows x depend on {variables}",
        "The model in PyMC: ellipses are variables, boxes are the dims over which they repeat, and "
        "observed variables are shaded.",
    )
