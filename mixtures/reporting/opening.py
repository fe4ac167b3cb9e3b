"""The first sections of a report: the data, and the model in words, formulas and a graph."""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from mixtures.data.table import Data
from mixtures.distributions.declare import declare
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.families.questions import describe, hyperparameters
from mixtures.plot.graph import model_graph
from mixtures.reporting.blocks import Block, Cell, Column, Figure, Formula, Paragraph, Section, Table
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material

__all__ = ["data_section", "glance", "model_name", "model_section"]

WRITTEN = 8
"""Largest number of values of a hyperparameter that are written out."""


def model_name(spec: Mixture | None) -> str:
    """Name of a model, such as "Gaussian mixture with 2 clusters, full covariance"."""
    if spec is None:
        return "a model of your own"
    kind = getattr(spec, "covariance_type", None)
    name = f"{type(spec.family).__name__} mixture with {spec.n_components} cluster"
    return name + "s" * (spec.n_components > 1) + (f", {kind} covariance" if kind else "")


def glance(material: Material) -> tuple[tuple[str, str], ...]:
    """Facts for the top of the page, each a name and a value."""
    cc, spec = material.cc, material.spec
    facts = [("Model", model_name(spec))]
    if material.data is not None:
        facts.append(("Data", _size(material.data)))
    if cc.em is not None:
        facts.append(("EM", f"log-likelihood {cc.em.log_likelihood:.2f}"))
    if cc.starts is not None:
        facts.append(("Optimum", f"reached by {cc.starts} starts"))
    if cc.posterior is not None:
        sizes = cc.posterior["posterior"].sizes
        facts.append(("Posterior", f"{sizes['chain']} chains of {sizes['draw']:,} draws, after warm-up"))
    return tuple(facts)


def _size(data: Data) -> str:
    return f"{data.n_rows:,} rows, {data.n_features:,} column{'s' * (data.n_features > 1)}"


def data_section(material: Material) -> Section:
    """Show rows, columns, ranges, and the hash that identifies the data."""
    data, name = material.data, material.about.get("data", "")
    blocks: list[Block] = []
    if data is None:
        blocks.append(
            Paragraph(
                "The data were not at hand when this report was written, so that what needs them is left "
                f"out. The model was fitted to the columns {', '.join(material.features)}."
            )
        )
    else:
        of = f" of {name}" if name else ""
        weighted = "" if data.weights is None else f" Their weights sum to {data.total:,g}."
        blocks += [
            Paragraph(
                f"{_size(data)}{of}. No cell is missing: rows with missing values are refused.{weighted}"
            ),
            _columns(data),
        ]
    if material.content_hash is not None:
        blocks.append(Paragraph(f"Content hash (SHA-256): {material.content_hash}", quiet=True))
    return Section("data", "Data", tuple(blocks))


def _columns(data: Data) -> Table:
    values = data.values
    frame = pd.DataFrame(
        {
            "mean": values.mean(axis=0),
            "sd": values.std(axis=0, ddof=1),
            "lowest": values.min(axis=0),
            "median": np.median(values, axis=0),
            "highest": values.max(axis=0),
            "different values": [len(np.unique(column)) for column in values.T],
        },
        index=pd.Index(data.features, name="column"),
    )
    return Table.of_frame("Columns, in their own units", frame, formats={"different values": "d"})


def model_section(material: Material) -> Section:
    """Show the model in words and formulas, its priors with their values, and its graph."""
    spec, data = material.spec, material.data
    if spec is None:
        text = "A PyMC model of your own, of which this report knows the variables and not the formulas."
        return Section("model", "Model", (Paragraph(text),))
    words = describe(spec.family)
    k, d = spec.n_components, len(material.features)
    flat = (
        "" if spec.prior is not None else " There is no prior: the mode is the maximum likelihood estimate."
    )
    blocks: list[Block] = [
        Paragraph(
            f"Every row comes from one of {k} hidden clusters, cluster k with probability alpha[k]. Within a "
            f"cluster {words.components}. Which cluster a row comes from is summed out, so that the "
            f"{spec.parameter_count(d)} free parameters are all there is to estimate.{flat}"
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
        blocks.append(_graph(spec, material))
    return Section("model", "Model", tuple(blocks))


def _priors(spec: Mixture) -> Table:
    rows = tuple(
        (Cell(owner + name), Cell(_written(value)), Cell("×".join(map(str, value.shape)) or "one number"))
        for owner, name, value in _owned(spec)
    )
    columns = (Column("name", False), Column("value", False), Column("shape", False))
    return Table(
        "Priors, as they were used", columns, rows, "the model's spec.prior and weight_concentration"
    )


def _owned(spec: Mixture) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every hyperparameter with its distribution."""
    for name, value in hyperparameters(spec).items():
        weights = name == "weight_concentration"
        yield "Dirichlet: " if weights else f"{type(spec.prior).__name__}: ", name, value


def _written(value: np.ndarray) -> str:
    """Write the numbers of an array: one if all are equal, and not too many."""
    flat = np.unique(value) if value.ndim < 2 else value.ravel()
    if len(flat) == 1:
        return f"{flat[0]:.4g}" + (" everywhere" if value.size > 1 else "")
    if value.ndim == 2 and value.size <= WRITTEN * 2:
        return "; ".join(", ".join(f"{x:.4g}" for x in row) for row in value)
    shown = ", ".join(f"{x:.4g}" for x in value.ravel()[:WRITTEN])
    return shown + (f", … ({value.size} in all)" if value.size > WRITTEN else "")


def _graph(spec: Mixture, material: Material) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)  # the verdict already says it
        model = declare(spec, material.pictured.data)
    variables = ", ".join(variable.name for variable in model.free_RVs)
    return Figure(
        drawn(lambda: model_graph(model)),
        f"Graph in which the observed rows x depend on {variables}",
        "The model as PyMC has it: ellipses are variables, boxes the dims that they repeat over, "
        "and what was observed is shaded.",
    )
