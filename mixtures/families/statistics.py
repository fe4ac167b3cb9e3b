"""Sufficient statistics of Gaussian components: counts, means and scatter, added without cancellation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from mixtures.families.structure import Covariance
from mixtures.types import Array

__all__ = ["GaussianStatistics", "shares_of", "stacked", "statistics_of"]


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Count, mean and scatter about the mean of every cluster: ``S = r phi(X)'``, centred.

    Adding pools two sets of rows without cancellation (Chan, Golub and LeVeque 1983).

    Attributes
    ----------
    count : ndarray, shape (..., K)
        Rows of every cluster.
    mean : ndarray, shape (..., K, D)
        Their mean.
    scatter : ndarray
        Their scatter, in the form of the structure.
    covariance : Covariance
        The structure.
    cells : ndarray, shape (..., K, D), or None
        Rows in which the column is observed, where cells of columns that do not covary are missing:
        mean and scatter are then those of the observed cells.
    """

    count: Array
    mean: Array
    scatter: Array
    covariance: Covariance = field(repr=False)
    cells: Array | None = None

    @property
    def rows(self) -> Array:
        """Rows behind each mean, shape (..., K, D), or (..., K, 1) if they are the same for all columns."""
        return self.count[..., None] if self.cells is None else self.cells

    @property
    def variance(self) -> Array:
        """Variance of every feature over all clusters' rows about their own means, shape (..., D)."""
        scatter = self.covariance.diagonal(self.scatter)
        return scatter.sum(axis=-2) / self.rows.sum(axis=-2)

    def __add__(self, other: Self) -> Self:
        """Statistics of both sets of rows."""
        count = self.count + other.count
        rows = self.rows + other.rows
        share = shares_of(other.rows, rows)
        apart = other.mean - self.mean
        return replace(
            self,
            count=count,
            mean=self.mean + share * apart,
            scatter=self.scatter + other.scatter + self.covariance.between(apart, self.rows * share),
            cells=None if self.cells is None and other.cells is None else rows,
        )


def shares_of(part: Array, whole: Array) -> Array:
    """Shares of a total; 0 where the total is 0."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)


def stacked(parts: Sequence[GaussianStatistics]) -> tuple[Array, Array, Array]:
    """Counts, means and scatters of several parts, along a leading axis."""
    count, mean, scatter = zip(*((part.count, part.mean, part.scatter) for part in parts), strict=True)
    return np.stack(count), np.stack(mean), np.stack(scatter)


def statistics_of(structure: Covariance, X: Array, r: Array) -> GaussianStatistics:
    """Weighted count, mean and scatter of complete rows ``X (D, n)`` under ``r (..., K, n)``."""
    count = r.sum(axis=-1)
    origin = X.mean(axis=1, keepdims=True)
    rows, shift = count[..., None], np.zeros((*count.shape, len(X)))
    np.divide(r @ (X - origin).T, rows, out=shift, where=rows > 0)
    mean = origin.T + shift
    return GaussianStatistics(count, mean, structure.outer(X - mean[..., None], r), structure)
