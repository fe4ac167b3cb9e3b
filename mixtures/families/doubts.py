"""Features of the data that make a fit of Gaussian columns doubtful although it could be computed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.families.mixture import Mixture
from mixtures.messages import Cluster, Option, joined, named, worded
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["doubts"]

ROWS = 20_000
"""Largest number of rows that are examined."""

TRIMMED = 0.005
"""Share of the rows, those farthest from the median, that must not determine a column's scale."""


LISTED = 5
"""Clusters and columns that a doubt lists."""


FEWEST = 3
"""Rows that must share a value before it counts as repeated."""


def doubts(
    spec: Mixture, rows: Rows, params: Params, scale: Array | None = None, sample: Array | None = None
) -> tuple[str, ...]:
    """Doubts about a fit of these rows, in words; empty if there is none.

    Parameters
    ----------
    spec : Mixture
        The fitted model.
    rows : Rows
        The data.
    params : dict of ndarray
        The fit.
    scale : ndarray, shape (D,), optional
        Scale of the columns, as `Family.units` gives it; computed if not given.
    sample : ndarray, shape (m, D), optional
        Rows to examine; a subsample is drawn if not given.
    """
    parts = list(spec.family.gaussian_columns(rows))
    if not parts:
        return ()
    X = rows.subsample(ROWS, np.random.default_rng(0))[0] if sample is None else sample
    holes = bool(np.isnan(X).any())
    examined = Data(X, rows.features, np.arange(len(X)), has_missing=holes, levels=rows.levels)
    r = spec.responsibilities(examined, params)
    found: list[str] = []
    for family, own, at in parts:
        if family.prior is not None:
            unit = family.units(own)[1] if scale is None else scale[at]
            found += _far_rows(family, own, spec.n_components, X[:, at], unit)
        found += _single_values(X[:, at], r, own.features)
    return tuple(found)


def _far_rows(family: Any, rows: Rows, k: int, X: Array, scale: Array) -> Iterator[str]:
    """Columns whose scale, which a default prior uses, is determined by a few rows."""
    columns = [column[~np.isnan(column)] for column in X.T]
    kept = [_trimmed(column) for column in columns]
    if not all(len(column) for column in kept):
        return
    trimmed = family.covariance.unit(np.array([column.var() for column in kept]))
    shown = np.array(
        [
            column.std() > TOLERANCES.inflated_scale * few.std()
            for column, few in zip(columns, kept, strict=True)
        ]
    )
    inflated = np.flatnonzero(scale > TOLERANCES.inflated_scale * trimmed)
    if not len(inflated) or replace(family, prior="default").resolve(rows, k).prior != family.prior:
        return  # a stated prior has a scale of its own
    found: list[tuple[str, str]] = []
    for d in inflated:
        if shown.any() and not shown[d]:
            continue  # another column determines the common scale
        place = f"column {named(rows.features[d])}"
        if isinstance(rows, Data):
            farthest = np.zeros(rows.values.shape, dtype=bool)
            farthest[np.nanargmax(np.abs(rows.values[:, d] - np.median(columns[d]))), d] = True
            place = rows.locate(farthest)
        times = f"{scale[d] / trimmed[d]:,.0f} times as wide as" if trimmed[d] > 0 else "constant"
        found.append((place, f"the column is {times} without its farthest rows"))
    if not found:
        return
    far = " lies far from the others: ".join(found[0])
    if len(found) > 1:
        rest = f"; and {len(found) - LISTED} more" if len(found) > LISTED else ""
        far = f"cells lie far from the others ({'; '.join(map(': '.join, found[:LISTED]))}{rest})"
    yield (
        f"{far}, and the default prior takes its scale from that: correct or drop such rows, or state a prior"
    )


def _trimmed(column: Array) -> Array:
    """A column without the cells that are farthest from its median."""
    if not len(column):
        return column
    order = np.argsort(np.abs(column - np.median(column)), kind="stable")
    return column[order[: len(column) - max(1, int(TRIMMED * len(column)))]]


def _single_values(X: Array, r: Array, features: tuple[str, ...]) -> Iterator[str]:
    """Clusters that hold one repeated value of a column: narrower than what the column can resolve."""
    held: list[str] = []
    for d, name in enumerate(features):
        seen = ~np.isnan(X[:, d])
        values, place, count = np.unique(X[seen, d], return_inverse=True, return_counts=True)
        if count.max(initial=0) < FEWEST:
            continue
        size = r[seen].sum(axis=0)
        for k in range(len(size)):
            mass = np.bincount(place, weights=r[seen, k])
            if size[k] >= FEWEST and mass.max() > TOLERANCES.single_value * size[k]:
                value = f"{name} = {values[mass.argmax()]:g}"
                held.append(worded(Cluster(k), f": {named(value)[1:-1]}"))
    if held:
        yield worded(
            "clusters that hold a single value of a column (",
            joined(", ", held[:LISTED]),
            f" and {len(held) - LISTED} more" if len(held) > LISTED else "",
            ") are narrower than the data can resolve, and their spread there is not the data's: lower ",
            Option("n_components"),
            ", or model that column as categories",
        )
