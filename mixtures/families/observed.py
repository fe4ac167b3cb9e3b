"""Gaussian components of rows with missing cells, which are integrated out.

A row's density is that of its observed cells, ``N(x_o | mu_o, Sigma_oo)``, whatever cells are missing,
which assumes that they are missing at random (Rubin 1976). Where features covary, the E-step
needs the mean and covariance of the missing cells given the observed ones,
``mu_m + Sigma_mo Sigma_oo^-1 (x_o - mu_o)`` and ``Sigma_mm - Sigma_mo Sigma_oo^-1 Sigma_om``. Rows are
grouped by their pattern: one factorisation for each pattern and cluster, with the block of the observed
columns embedded in the identity. Where they do not covary, missing factors drop out: these are the
defaults below, and structures with covariances register their own.

Little and Rubin, *Statistical Analysis with Missing Data*, 3rd ed. (2019), sections 8.2 and 11.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import Self

import numpy as np

from mixtures.data.patterns import patterns_of
from mixtures.families.covariance import COVARIANCES, Dense
from mixtures.families.statistics import GaussianStatistics, shares_of, stacked, statistics_of
from mixtures.families.structure import LOG_2PI, Covariance
from mixtures.types import Array

__all__ = [
    "Factored",
    "conditional_moments",
    "drawn_cells",
    "observed_log_density",
    "observed_statistics",
    "statistics_of_observed",
]

FACTORED_VALUES = 2**21
"""Number of entries of the matrices that are factored at once."""


# Features do not covary


@singledispatch
def observed_log_density(structure: Covariance, mu: Array, value: Array, X: Array) -> Array:
    """Log density (K, n) of the observed cells of rows ``X (D, n)``; 0 for a row without any."""
    sd, seen = structure.scale(value, *mu.shape), ~np.isnan(X)
    with np.errstate(over="ignore"):  # beyond the range of floats
        residuals = np.where(seen, X - mu[:, :, None], 0) / sd[:, :, None]
        constant = (np.log(sd) + LOG_2PI / 2) @ seen
        return -constant - np.einsum("kdn,kdn->kn", residuals, residuals) / 2


@singledispatch
def observed_statistics(
    structure: Covariance, mu: Array, value: Array, X: Array, r: Array
) -> GaussianStatistics:
    """Expected statistics of rows ``X (D, n)`` under ``r (K, n)`` and the parameters."""
    return statistics_of_observed(structure, X, r)


def statistics_of_observed(structure: Covariance, X: Array, r: Array) -> GaussianStatistics:
    """Count, mean and scatter of the observed cells of columns that do not covary."""
    seen = ~np.isnan(X)
    number = seen.sum(axis=1, keepdims=True)
    origin = np.where(seen, X, 0).sum(axis=1, keepdims=True) / np.maximum(number, 1)
    apart = np.where(seen, X - origin, 0)
    cells = r @ seen.T.astype(np.float64)
    mean = origin.T + shares_of(r @ apart.T, cells)
    residuals = np.where(seen, X - mean[..., None], 0)
    return GaussianStatistics(r.sum(axis=-1), mean, structure.outer(residuals, r), structure, cells)


@singledispatch
def conditional_moments(structure: Covariance, mu: Array, value: Array, X: Array) -> tuple[Array, Array]:
    """Mean and variance (K, D, n) of every cell given the observed ones of its row and the cluster."""
    seen, variance = ~np.isnan(X), structure.variances(value, *mu.shape)
    return np.where(seen, X, mu[:, :, None]), np.where(seen, 0, variance[:, :, None])


@singledispatch
def drawn_cells(
    structure: Covariance, mu: Array, value: Array, X: Array, z: np.ndarray, rng: np.random.Generator
) -> Array:
    """Rows (D, n) of the clusters ``z (n,)``, missing cells drawn given the observed ones."""
    sd = structure.scale(value, *mu.shape)
    return np.where(np.isnan(X), mu[z].T + sd[z].T * rng.standard_normal(X.shape), X)


# Features covary


@dataclass(frozen=True, eq=False)
class Factored:
    """Components restricted to patterns of observed columns; parameters may have leading axes.

    Attributes
    ----------
    observed : ndarray of bool, shape (S, D)
        The patterns.
    mu : ndarray, shape (..., K, D)
        Means.
    Sigma : ndarray, shape (..., K, D, D)
        Covariances.
    inverse : ndarray, shape (..., S, K, D, D)
        Inverse of the Cholesky factor of Sigma, but the identity in missing columns.
    """

    observed: np.ndarray
    mu: Array
    Sigma: Array
    inverse: Array

    @classmethod
    def of(cls, mu: Array, Sigma: Array, observed: np.ndarray) -> Self:
        """Factor the covariances for these patterns."""
        pairs = observed[:, None, :, None] & observed[:, None, None, :]
        embedded = np.where(pairs, Sigma[..., None, :, :, :], np.eye(mu.shape[-1]))
        return cls(observed, mu, Sigma, np.linalg.inv(np.linalg.cholesky(embedded)))

    @property
    def log_normaliser(self) -> Array:
        """The terms that do not depend on the row (..., S, K)."""
        half_log_det = -np.log(np.diagonal(self.inverse, axis1=-2, axis2=-1)).sum(axis=-1)
        return -half_log_det - self.observed.sum(axis=-1)[:, None] * LOG_2PI / 2

    @cached_property
    def precision(self) -> Array:
        """Inverse of the covariance of the observed columns, 0 in the others (..., S, K, D, D)."""
        pairs = self.observed[:, None, :, None] & self.observed[:, None, None, :]
        return np.where(pairs, self.inverse.mT @ self.inverse, 0)

    @cached_property
    def gain(self) -> Array:
        """Regression coefficients of all columns on the observed ones, (..., S, K, D, D)."""
        predicts = self.Sigma[..., None, :, :, :] @ self.precision
        return np.where(self.observed[:, None, :, None], np.eye(self.mu.shape[-1]), predicts)

    @cached_property
    def left(self) -> Array:
        """Covariance of the missing columns given the observed ones, 0 elsewhere (..., S, K, D, D)."""
        hidden = ~self.observed[:, None, :]
        Sigma = self.Sigma[..., None, :, :, :]
        left = Sigma - self.gain @ Sigma
        return np.where(hidden[..., None] & hidden[..., None, :], (left + left.mT) / 2, 0)

    def completed(
        self, structure: Covariance, count: Array, mean: Array, scatter: Array
    ) -> GaussianStatistics:
        """Statistics of all columns from those of the observed ones, pattern by pattern (..., S, K, ...)."""
        seen, gain, mu = self.observed[:, None, :], self.gain, self.mu[..., None, :, :]
        predicted = mu + (gain @ np.where(seen, mean - mu, 0)[..., None])[..., 0]
        mean = np.where(seen, mean, predicted)
        pairs = seen[..., None] & seen[..., None, :]
        scatter = gain @ np.where(pairs, scatter, 0) @ gain.mT + count[..., None, None] * self.left
        total = count.sum(axis=-2)
        centre = (shares_of(count, total[..., None, :])[..., None] * mean).sum(axis=-3)
        apart = np.moveaxis(mean - centre[..., None, :, :], -3, -1)  # (..., K, D, S)
        between = structure.outer(apart, count.mT)
        return GaussianStatistics(total, centre, scatter.sum(axis=-4) + between, structure)


def _factored(mu: Array, Sigma: Array, X: Array) -> Iterator[tuple[Factored, list[np.ndarray]]]:
    """Factor covariances (K, D, D) for the patterns of rows ``X (D, n)``, in batches, with their rows."""
    patterns = patterns_of(X.T)
    rows = [rows for _, rows in patterns.groups()]
    size = max(1, FACTORED_VALUES // Sigma.size)
    for first in range(0, len(patterns), size):
        some = slice(first, first + size)
        yield Factored.of(mu, Sigma, patterns.observed[some]), rows[some]


@observed_log_density.register
def _(structure: Dense, mu: Array, value: Array, X: Array) -> Array:
    found = np.empty((len(mu), X.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the range of floats
        for part, groups in _factored(mu, structure.matrices(value, *mu.shape), X):
            each = zip(part.observed, groups, part.inverse, part.log_normaliser, strict=True)
            for observed, rows, inverse, constant in each:
                residuals = np.where(observed[:, None], X[:, rows] - mu[:, :, None], 0)
                whitened = inverse @ residuals
                found[:, rows] = constant[:, None] - np.einsum("kdn,kdn->kn", whitened, whitened) / 2
    return found


@observed_statistics.register
def _(structure: Dense, mu: Array, value: Array, X: Array, r: Array) -> GaussianStatistics:
    total: GaussianStatistics | None = None
    filled = np.where(np.isnan(X), 0, X)
    for part, groups in _factored(mu, structure.matrices(value, *mu.shape), X):
        each = [statistics_of(COVARIANCES["full"], filled[:, rows], r[:, rows]) for rows in groups]
        found = part.completed(structure, *stacked(each))
        total = found if total is None else total + found
    assert total is not None  # chunks have rows
    return total


@conditional_moments.register
def _(structure: Dense, mu: Array, value: Array, X: Array) -> tuple[Array, Array]:
    mean, variance = np.empty((2, *mu.shape, X.shape[1]))
    for part, groups in _factored(mu, structure.matrices(value, *mu.shape), X):
        for observed, rows, gain, left in zip(part.observed, groups, part.gain, part.left, strict=True):
            given = X[:, rows]
            residuals = np.where(observed[:, None], given - mu[:, :, None], 0)
            mean[..., rows] = np.where(observed[:, None], given, mu[:, :, None] + gain @ residuals)
            variance[..., rows] = np.diagonal(left, axis1=-2, axis2=-1)[..., None]
    return mean, variance


@drawn_cells.register
def _(structure: Dense, mu: Array, value: Array, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
    filled, noise = X.copy(), np.asarray(rng.standard_normal(X.shape))
    for part, groups in _factored(mu, structure.matrices(value, *mu.shape), X):
        for observed, rows, gain, left in zip(part.observed, groups, part.gain, part.left, strict=True):
            hidden, seen = np.flatnonzero(~observed), np.flatnonzero(observed)
            factor = np.linalg.cholesky(left[:, hidden[:, None], hidden])
            k = z[rows]
            residuals = X[np.ix_(seen, rows)] - mu[k][:, seen].T
            predicted = np.einsum("nho,on->hn", gain[k][:, hidden[:, None], seen], residuals)
            own = np.einsum("nhg,gn->hn", factor[k], noise[np.ix_(hidden, rows)])
            filled[np.ix_(hidden, rows)] = mu[k][:, hidden].T + predicted + own
    return filled
