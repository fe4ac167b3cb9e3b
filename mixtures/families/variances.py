"""Covariance structures in which features do not covary: variances sigma2 of each cluster, or tied.

What each must define is in `structure`.
"""

from typing import Any, ClassVar

import numpy as np

from mixtures.families.priors import NormalInverseGamma
from mixtures.families.structure import Covariance
from mixtures.families.supports import POSITIVE
from mixtures.types import Array

__all__ = ["Diagonal", "Independent", "Spherical", "TiedDiagonal", "TiedSpherical"]


class Independent(Covariance):
    """Features do not covary within a cluster: scales are standard deviations."""

    parameter = "sigma2"
    support = POSITIVE
    prior_type = NormalInverseGamma
    core_ndim = 1

    def prior_scale(self, prior: NormalInverseGamma) -> Array:
        return np.asarray(prior.psi)

    def pairs(self, d: int) -> tuple[Any, Any]:
        return np.arange(d), np.arange(d)

    def products(self, X: Array, out: Array) -> None:
        np.multiply(X, X, out=out)

    def about_mean(self, sums: Array, count: Array, mean: Array) -> Array:
        return np.maximum(sums - count[..., None] * mean**2, 0)

    def natural(self, mu: Array, inverse: Array) -> tuple[Array, Array]:
        P = inverse**2
        return P * mu, -P / 2

    def squares(self, scale: Array) -> Array:
        return scale**2

    def rescaled(self, value: Array, scale: Array) -> Array:
        return value / scale**2

    def dependent(self, scatter: Array) -> list[int]:
        return []

    def outer(self, a: Array, w: Array) -> Array:
        return np.einsum("...kdn,...kdn,...kn->...kd", a, a, w)

    def between(self, apart: Array, rows: Array) -> Array:
        return apart**2 * rows

    def inverse(self, scale: Array) -> Array:
        return 1 / scale

    def apply(self, scale: Array, residuals: Array) -> Array:
        return scale[..., None] * residuals

    def diagonal(self, scale: Array) -> Array:
        return scale

    def distance(self, a: Array, b: Array, inverse_a: Array, inverse_b: Array) -> Array:
        return ((a * inverse_b - b * inverse_a) ** 2).sum(axis=-1) / 2

    def matrices(self, value: Array, k: int, d: int) -> Array:
        return self.variances(value, k, d)[..., None] * np.eye(d)

    def variances(self, value: Array, k: int, d: int) -> Array:
        return self.scale(value, k, d) ** 2

    def narrowest(self, value: Array, unit: Array, k: int) -> Array:
        return (self.scale(value, k, len(unit)) / unit).min(axis=-1)

    def without_digits(self, scale: Array) -> np.ndarray:
        return ~((scale > 0) & (scale < np.inf)).all(axis=-1)

    def log_prior(self, prior: NormalInverseGamma, value: Array, inverse: Array) -> Array:
        return prior.log_variance(value)

    def singular(self, value: Array, k: int, d: int) -> np.ndarray:
        return self.without_digits(self.scale(value, k, d))

    def largest_share(self, part: Array, whole: Array, k: int, d: int) -> Array:
        return (self.variances(part, k, d) / self.variances(whole, k, d)).max(axis=-1)


class Diagonal(Independent):
    """A variance for every cluster and feature: sigma2 (K, D)."""

    name = "diag"
    dims: ClassVar[tuple[str, ...]] = ("cluster", "feature")
    matrix = r"\operatorname{diag}(\sigma^2_{k1}, \dots, \sigma^2_{kD})"
    symbol = r"\sigma^2_{kd}"
    words = "a variance for every feature and no correlation between features"

    def default_prior(self, mean: Array, cov: Array, k: int) -> NormalInverseGamma:
        return NormalInverseGamma(mean, kappa=0.01, nu=3.0, psi=cov / k ** (2 / len(mean)))

    def check_prior(self, prior: NormalInverseGamma, d: int) -> NormalInverseGamma:
        return prior.broadcast(d, (d,))

    def scale(self, value: Array, k: int, d: int) -> Array:
        return np.sqrt(value)

    def pool(self, scatter: Array) -> Array:
        return scatter

    def divisor(self, rows: Array, d: int) -> Array:
        return rows

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return nu + 3


class Spherical(Independent):
    """One variance for every cluster: sigma2 (K,)."""

    name = "spherical"
    dims: ClassVar[tuple[str, ...]] = ("cluster",)
    matrix, symbol = r"\sigma^2_k I", r"\sigma^2_k"
    words = "one variance in all directions"

    def default_prior(self, mean: Array, cov: Array, k: int) -> NormalInverseGamma:
        d = len(mean)
        return NormalInverseGamma(mean, kappa=0.01, nu=3.0, psi=cov.mean() / k ** (2 / d))

    def check_prior(self, prior: NormalInverseGamma, d: int) -> NormalInverseGamma:
        return prior.broadcast(d, (1,))

    def scale(self, value: Array, k: int, d: int) -> Array:
        sd = np.sqrt(value)[..., None]
        return np.broadcast_to(sd, (*sd.shape[:-1], d))

    def pool(self, scatter: Array) -> Array:
        return scatter.sum(axis=-1)

    def divisor(self, rows: Array, d: int) -> Array:
        return d // rows.shape[-1] * rows.sum(axis=-1)

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return d + nu + 2

    def unit(self, variance: Array) -> Array:
        return np.full(len(variance), np.sqrt(variance.mean()))

    def rescaled(self, value: Array, scale: Array) -> Array:
        return value / scale[0] ** 2


class TiedDiagonal(Diagonal):
    """A variance for every feature, shared by all clusters: sigma2 (D,); mclust's EEI.

    With the prior of `Diagonal`, one inverse gamma a feature, ``sigma2_d`` appears in the densities of
    n rows, K means and itself. Their logarithms add up to

    ``-(n + K + nu + 2) / 2 log sigma2_d - (psi_d + sum_k w_kd + c_kd) / (2 sigma2_d)``,

    with the scatter w about the clusters' means and c between these and the prior's. Hence the mode
    ``sigma2_d = (psi_d + sum_k w_kd + c_kd) / (n + K + nu + 2)``; that of `Tied` if D = 1.
    """

    name = "tied_diag"
    dims = ("feature",)
    matrix = r"\operatorname{diag}(\sigma^2_1, \dots, \sigma^2_D)"
    symbol = r"\sigma^2_d"
    words = "a variance for every feature, the same in all clusters, and no correlation between features"

    def scale(self, value: Array, k: int, d: int) -> Array:
        sd = np.sqrt(value)[..., None, :]
        return np.broadcast_to(sd, (*sd.shape[:-2], k, d))

    def pool(self, scatter: Array) -> Array:
        return scatter.sum(axis=-2)

    def divisor(self, rows: Array, d: int) -> Array:
        return rows.sum(axis=-2)

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return k + nu + 2


class TiedSpherical(Spherical):
    """One variance for all features and clusters: sigma2 (); mclust's EII.

    With one inverse gamma, ``sigma2`` is in the densities of n rows and K means of D features each,
    and of itself. Their logarithms add up to

    ``-(D (n + K) + nu + 2) / 2 log sigma2 - (psi + sum_k tr W_k + tr C_k) / (2 sigma2)``.

    Hence the mode ``sigma2 = (psi + sum_k tr W_k + tr C_k) / (D (n + K) + nu + 2)``.
    """

    name = "tied_spherical"
    dims = ()
    matrix, symbol = r"\sigma^2 I", r"\sigma^2"
    words = "one variance in all directions, the same in all clusters"

    def check_prior(self, prior: NormalInverseGamma, d: int) -> NormalInverseGamma:
        return prior.broadcast(d, ())

    def scale(self, value: Array, k: int, d: int) -> Array:
        sd = np.sqrt(value)[..., None, None]
        return np.broadcast_to(sd, (*sd.shape[:-2], k, d))

    def pool(self, scatter: Array) -> Array:
        return scatter.sum(axis=(-2, -1))

    def divisor(self, rows: Array, d: int) -> Array:
        return d // rows.shape[-1] * rows.sum(axis=(-2, -1))

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return d * k + nu + 2
