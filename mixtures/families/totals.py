"""Families with phi(x) = [1, x], which need no more from the rows than the totals of independent columns.

Where cells are missing, their factors drop out of the density, and phi(x) = [1, seen, x].
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mixtures.families.family import ExponentialFamily
from mixtures.types import Array, Params

__all__ = ["ColumnFamily", "ColumnForm", "ColumnTotals"]


@dataclass(frozen=True, eq=False)
class ColumnTotals:
    """Expected rows, and expected total of every feature, of each cluster.

    Attributes
    ----------
    count : ndarray, shape (..., K)
        Rows.
    total : ndarray, shape (..., K, D)
        Sum of the feature over them.
    cells : ndarray, shape (..., K, D), or None
        Rows in which the feature is observed, where cells are missing.
    """

    count: Array
    total: Array
    cells: Array | None = None

    @property
    def rows(self) -> Array:
        """Rows behind each total, shape (..., K, D), or (..., K, 1) if the same for all."""
        return self.count[..., None] if self.cells is None else self.cells

    def __add__(self, other: Self) -> Self:
        """Totals of both sets of rows."""
        complete = self.cells is None and other.cells is None
        cells = None if complete else self.rows + other.rows
        return replace(self, count=self.count + other.count, total=self.total + other.total, cells=cells)


@dataclass(frozen=True, eq=False)
class ColumnForm:
    """Components in natural form, the same for every pattern of observed columns.

    The log density of a cell is ``constant + slope x`` plus a function of x alone.

    Attributes
    ----------
    constant, slope : ndarray, shape (..., K, D)
        Its natural parameters.
    """

    constant: Array
    slope: Array

    @property
    def eta(self) -> Array:
        """[0, constant, slope], for a single pattern (..., 1, K, 1 + 2 D)."""
        none = np.zeros((*self.slope.shape[:-1], 1))
        return np.concatenate([none, self.constant, self.slope], axis=-1)[..., None, :, :]

    def statistics(self, sums: Array, location: Array, scale: Array) -> ColumnTotals:
        """Rows, cells and totals; such columns are not rescaled."""
        d = self.slope.shape[-1]
        return ColumnTotals(sums[..., 0, :, 0], sums[..., 0, :, 1 + d :], sums[..., 0, :, 1 : 1 + d])


class ColumnFamily(ExponentialFamily):
    """A family of independent columns with one parameter each; their totals are its statistics.

    Columns are never rescaled.
    """

    def features(self, X: Array, out: Array | None = None) -> Array:
        """phi(x) = [1, x]."""
        return np.concatenate([np.ones((1, X.shape[1])), X], out=out)

    def statistics(self, X: Array, r: Array) -> ColumnTotals:
        """Expected rows and totals of a chunk ``X (D, n)`` under ``r (..., K, n)``."""
        seen = ~np.isnan(X)
        if seen.all():
            return ColumnTotals(r.sum(axis=-1), r @ X.T)
        return ColumnTotals(r.sum(axis=-1), r @ np.where(seen, X, 0).T, r @ seen.T.astype(np.float64))

    def from_sums(self, sums: Array, location: Array, scale: Array) -> ColumnTotals:
        """The sums themselves."""
        return ColumnTotals(sums[..., 0], sums[..., 1:])

    def log_prior(self, params: Params) -> Array:
        """Log prior density of all entries of the parameter; 0 when flat."""
        (name,) = self.dims
        value = params[name]
        each = np.zeros_like(value) if self.prior is None else self.prior.log_density(value)
        return np.asarray(each.sum(axis=(-2, -1)))

    def observed_features(self, X: Array) -> Array:
        """phi(x) = [1, seen, x], 0 where a cell is missing."""
        seen = ~np.isnan(X)
        return np.concatenate([np.ones((1, X.shape[1])), seen, np.where(seen, X, 0)])

    def degenerate(self, params: Params, scale: Array) -> np.ndarray:
        """None: the likelihood of such columns is bounded."""
        (name,) = self.dims
        return np.zeros(params[name].shape[:-1], dtype=bool)
