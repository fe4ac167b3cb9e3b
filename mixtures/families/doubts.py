"""What in the data makes a fit doubtful though it could be computed; a new family need not answer."""

from collections.abc import Iterator
from functools import singledispatch

import numpy as np

from mixtures.data import Data
from mixtures.families.covariance import covariance
from mixtures.families.gaussian import Gaussian
from mixtures.families.mixture import Family, Mixture, Params
from mixtures.priors import Array
from mixtures.rows import Rows
from mixtures.tolerances import TOLERANCES
from mixtures.wording import named, shortened

__all__ = ["doubts"]

LOOKED_AT = 20_000
"""Rows at most in which single values are looked for."""

TRIMMED = 0.005
"""Share of the rows, those farthest from the median, that a column's scale must not hang on."""

FEWEST = 3
"""Rows that must share a value before it counts as repeated."""


def doubts(spec: Mixture, rows: Rows, params: Params) -> tuple[str, ...]:
    """Doubts about a fit of these rows, in words; empty if there is none."""
    return tuple(_doubts(spec.family, spec, rows, params))


@singledispatch
def _doubts(family: Family, spec: Mixture, rows: Rows, params: Params) -> Iterator[str]:
    yield from ()


@_doubts.register
def _gaussian_doubts(family: Gaussian, spec: Mixture, rows: Rows, params: Params) -> Iterator[str]:
    X, _ = rows.subsample(LOOKED_AT, np.random.default_rng(0))
    if family.prior is not None:
        yield from _far_rows(rows, X)
    yield from _single_values(X, spec.responsibilities(X, params), rows.features)


def _far_rows(rows: Rows, X: Array) -> Iterator[str]:
    """Columns whose standard deviation, from which a default prior takes its scale, is made by a few rows."""
    sd = Gaussian(covariance("diag")).units(rows)[1]
    distance = np.abs(X - np.median(X, axis=0))
    n_far = max(1, int(TRIMMED * len(X)))
    for d in range(X.shape[1]):
        kept = np.argsort(distance[:, d], kind="stable")[:-n_far]
        without = X[kept, d].std() if len(kept) else sd[d]
        if not sd[d] > TOLERANCES.inflated_scale * without:
            continue
        place = f"column {named(rows.features[d])}"
        if isinstance(rows, Data):
            farthest = np.zeros(rows.values.shape, dtype=bool)
            farthest[np.abs(rows.values[:, d] - np.median(X[:, d])).argmax(), d] = True
            place = rows.locate(farthest)
        times = f"{sd[d] / without:,.0f} times as wide as" if without > 0 else "wide where it is constant"
        yield (
            f"{place} lies far from the others: the column is {times} without its farthest rows, and a "
            "default prior takes its scale from that; correct or drop such rows, or state a prior"
        )


def _single_values(X: Array, r: Array, features: tuple[str, ...]) -> Iterator[str]:
    """Clusters that hold one repeated value of a column: narrower than what the column can resolve."""
    held: list[str] = []
    size = r.sum(axis=0)
    for d, name in enumerate(features):
        values, place, count = np.unique(X[:, d], return_inverse=True, return_counts=True)
        if count.max() < FEWEST:
            continue
        for k in range(len(size)):
            mass = np.bincount(place, weights=r[:, k])
            if size[k] >= FEWEST and mass.max() > TOLERANCES.single_value * size[k]:
                held.append(f"cluster {k}: {name} = {values[mass.argmax()]:g}")
    if held:
        yield (
            f"clusters that hold a single value of a column ({shortened(held, 5)}) are narrower than the "
            "data can resolve, and their spread there is the prior's: lower n_components, or model that "
            "column as categories"
        )
