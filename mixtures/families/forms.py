"""Natural parameters of components of which only some columns are observed, and the way back.

The density of a row's observed cells is of the form ``exp(eta . phi)`` too, with natural parameters
of its own for every pattern of observed columns, and what is expected of the missing cells is affine
in the observed ones. So sums ``S = r phi'``, one for each pattern, are again all that EM needs from the rows.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mixtures.families.observed import Factored
from mixtures.families.statistics import GaussianStatistics, shares_of
from mixtures.families.structure import LOG_2PI, Covariance
from mixtures.types import Array

__all__ = ["DenseForm", "IndependentForm", "ObservedForm"]


class ObservedForm(Protocol):
    """Components in natural form, for patterns of observed columns."""

    @property
    def eta(self) -> Array:
        """Natural parameters (..., S, K, P) for each of the patterns."""

    def statistics(self, sums: Array, location: Array, scale: Array) -> Any:
        """Expected statistics from ``S = r phi(z)'`` (..., S, K, P) over ``z = (x - location) / scale``."""


@dataclass(frozen=True, eq=False)
class DenseForm:
    """Gaussians whose features covary.

    Attributes
    ----------
    structure : Covariance
        Of the covariances.
    seen : Factored
        The components, restricted to the patterns.
    log_scale : ndarray, shape (D,)
        Logarithm of the units of the rows.
    """

    structure: Covariance
    seen: Factored
    log_scale: Array

    @property
    def eta(self) -> Array:
        """[log-normaliser, P mu, -P_ij (halved on the diagonal)], precisions P of the observed columns."""
        mu, P = self.seen.mu[..., None, :, :], self.seen.precision
        linear = (P @ mu[..., None])[..., 0]
        i, j = self.structure.pairs(mu.shape[-1])
        quadratic = -P[..., i, j] * np.where(i == j, 0.5, 1.0)
        units = (self.seen.observed @ self.log_scale)[:, None]
        constant = self.seen.log_normaliser - (linear * mu).sum(axis=-1) / 2 - units
        return np.concatenate([constant[..., None], linear, quadratic], axis=-1)

    def statistics(self, sums: Array, location: Array, scale: Array) -> GaussianStatistics:
        """Count, mean and scatter of all columns."""
        d = len(location)
        count, first = sums[..., 0], sums[..., 1 : 1 + d]
        mean = shares_of(first, count[..., None])
        scatter = self.structure.about_mean(sums[..., 1 + d :], count, mean)
        found = self.seen.completed(self.structure, count, mean, scatter)
        return GaussianStatistics(
            found.count,
            location + scale * found.mean,
            found.scatter * self.structure.squares(scale),
            self.structure,
        )


@dataclass(frozen=True, eq=False)
class IndependentForm:
    """Gaussians whose features do not covary: one form for all patterns, with phi(x) = [1, seen, x, x^2].

    Attributes
    ----------
    structure : Covariance
        Of the variances.
    mu, sd : ndarray, shape (..., K, D)
        Means and standard deviations.
    log_scale : ndarray, shape (D,)
        Logarithm of the units of the rows.
    """

    structure: Covariance
    mu: Array
    sd: Array
    log_scale: Array

    @property
    def eta(self) -> Array:
        """[0, log-normaliser of each column, P mu, -P / 2]."""
        linear, quadratic = self.structure.natural(self.mu, self.structure.inverse(self.sd))
        each = -linear * self.mu / 2 - np.log(self.sd) - LOG_2PI / 2 - self.log_scale
        none = np.zeros((*each.shape[:-1], 1))
        return np.concatenate([none, each, linear, quadratic], axis=-1)[..., None, :, :]

    def statistics(self, sums: Array, location: Array, scale: Array) -> GaussianStatistics:
        """Count, and cells, mean and scatter of every column."""
        count, *rest = np.split(sums[..., 0, :, :], [1, *(1 + len(scale) * np.arange(1, 3))], axis=-1)
        cells, first, second = rest
        mean = shares_of(first, cells)
        scatter = np.maximum(second - cells * mean**2, 0) * self.structure.squares(scale)
        return GaussianStatistics(count[..., 0], location + scale * mean, scatter, self.structure, cells)
