"""How well rows can be told apart, and which items the clusters leave associated."""

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.arguments import cluster_names
from mixtures.clusters.classification import classification
from mixtures.data.table import Data
from mixtures.diagnostics.residuals import bivariate_residuals
from mixtures.families.mixture import Mixture
from mixtures.families.profiles import has_items
from mixtures.given import Parameters
from mixtures.reporting.blocks import Block, Paragraph, Table

__all__ = ["apart", "associations"]

MOST_CLUSTERS = 10
"""Largest number of clusters with a table of assignments."""


MOST_PAIRS = 10
"""Pairs of items that are listed."""


FIGURES = {
    "relative_entropy": "relative entropy",
    "entropy_r2": "entropy R²",
    "error": "classification error",
}


def apart(
    spec: Mixture, data: Data, params: Parameters, names: tuple[str, ...] | None, error: float
) -> list[Block]:
    """Entropies and error of the assignment of rows, and the rows assigned to each of several clusters.

    ``error`` is the expected share of wrong ones, told before, if probabilities are averaged over the draws.
    """
    if spec.n_components < 2:
        return []
    found = classification(spec, data, params)
    by_draw = "summary" in found.dims
    columns = ("mean", "lower", "upper") if by_draw else ("value",)
    titles = ("mean", "2.5%", "97.5%") if by_draw else columns
    source = "mixtures.classification" + ", draw by draw" * by_draw
    figures = pd.DataFrame(
        [[float(_at(found[name], column)) for column in columns] for name in FIGURES],
        index=list(FIGURES.values()),
        columns=list(titles),
    )
    own = f"{float(_at(found['error'], columns[0])):.1%}"
    shares = "rows" if data.weights is None else "total weight"
    words = (
        "The probability of a cluster for a row, in this report, is its mean over the posterior draws: "
        "doubt about parameters counts as doubt about rows too. The tables below assign rows anew in every "
        "draw, as if its parameters were the true ones, and summarise the draws. So where clusters overlap "
        f"they show less doubt: a classification error of {own} of the {shares}, not {error:.1%}."
    )
    blocks: list[Block] = [
        *([Paragraph(words, quiet=True)] if by_draw and f"{error:.1%}" != own else []),
        Table.of_frame(
            "How well the rows can be told apart",
            figures,
            formats=dict.fromkeys(titles, ".3f"),
            index="figure",
            source=f"{source}; entropies are 1 if no row is in doubt",
        ),
    ]
    if spec.n_components <= MOST_CLUSTERS:
        called = cluster_names(names, spec.n_components)
        mean = {
            name: np.asarray(_at(found[name], columns[0]))
            for name in ("alpha", "modal_share", "average_probability")
        }
        table = pd.DataFrame(mean["average_probability"], index=list(called), columns=list(called))
        table.insert(0, "assigned", mean["modal_share"])
        table.insert(0, "share", mean["alpha"])
        formats = {"share": ".1%", "assigned": ".1%", **dict.fromkeys(called, ".3f")}
        helps = {
            "share": "share of the cluster in the mixture",
            "assigned": f"share of the {shares} of which it is the likeliest cluster",
        }
        caption = (
            f"Share of the {shares} assigned to each cluster, and average probability of every cluster there"
        )
        blocks.append(
            Table.of_frame(caption, table, formats=formats, helps=helps, index="cluster", source=source)
        )
    return blocks


def _at(x: xr.DataArray, column: str) -> xr.DataArray:
    return x.sel(summary=column) if "summary" in x.dims else x


def associations(spec: Mixture, data: Data, tree: xr.DataTree, n_draws: int, random_seed: int) -> list[Block]:
    """Pairs of items with the largest residual associations; none for families other than BMM and LCA."""
    if not has_items(spec.family) or data.n_features < 2 or data.weights is not None:
        return []
    found = bivariate_residuals(tree, data, n_draws=n_draws, random_seed=random_seed)
    if not found.pairs:
        return []
    frame = found.to_frame().head(MOST_PAIRS).reset_index()
    return [
        Paragraph(
            "The model says that items are independent within a cluster. The bivariate residual of two items "
            "is large where the clusters do not explain how they are associated; it is judged by p."
        ),
        Table.of_frame(
            "Pairs of items with the largest bivariate residuals",
            frame[["residual", "p", "n_rows"]].set_axis(frame["first"] + ", " + frame["second"]),
            formats={"residual": ".2f", "p": ".3f"},
            helps={
                "p": "share of replicates that are at least as far off",
                "n_rows": "rows in which both items are observed",
            },
            index="items",
            source="mixtures.bivariate_residuals of the sample",
        ),
    ]
