"""Covariance structures of a Gaussian component: those with matrices Sigma here, the others in `variances`.

What each must define is in `structure`. No other code depends on which structure it is.
"""

from functools import cache
from typing import Any

import numpy as np

from mixtures.errors import InputError
from mixtures.families.priors import NormalInverseWishart
from mixtures.families.structure import Covariance
from mixtures.families.supports import POSITIVE_DEFINITE
from mixtures.families.variances import Diagonal, Spherical, TiedDiagonal, TiedSpherical
from mixtures.messages import Option, worded
from mixtures.tolerances import TOLERANCES
from mixtures.types import EPS, Array

__all__ = ["COVARIANCES", "Dense", "covariance"]


class Dense(Covariance):
    """Features covary: scales are lower Cholesky factors."""

    parameter = "Sigma"
    support = POSITIVE_DEFINITE
    prior_type = NormalInverseWishart
    core_ndim = 2

    def default_prior(self, mean: Array, cov: Array, k: int) -> NormalInverseWishart:
        d = len(mean)
        return NormalInverseWishart(mean, kappa=0.01, nu=d + 2.0, Psi=cov / k ** (2 / d))

    def check_prior(self, prior: NormalInverseWishart, d: int) -> NormalInverseWishart:
        return prior.broadcast(d)

    def prior_scale(self, prior: NormalInverseWishart) -> Array:
        return np.asarray(prior.Psi)

    def pairs(self, d: int) -> tuple[Any, Any]:
        return _upper(d)

    def products(self, X: Array, out: Array) -> None:
        first = 0
        for i in range(len(X)):
            last = first + len(X) - i
            np.multiply(X[i], X[i:], out=out[first:last])
            first = last

    def about_mean(self, sums: Array, count: Array, mean: Array) -> Array:
        d = mean.shape[-1]
        i, j = self.pairs(d)
        scatter = np.empty((*mean.shape, d))
        scatter[..., i, j] = scatter[..., j, i] = sums - count[..., None] * mean[..., i] * mean[..., j]
        return scatter

    def natural(self, mu: Array, inverse: Array) -> tuple[Array, Array]:
        P = inverse.mT @ inverse  # an inverse of Sigma itself loses twice as many digits
        i, j = self.pairs(mu.shape[-1])
        return (P @ mu[..., None])[..., 0], -P[..., i, j] * np.where(i == j, 0.5, 1.0)

    def squares(self, scale: Array) -> Array:
        return np.outer(scale, scale)

    def rescaled(self, value: Array, scale: Array) -> Array:
        return value / np.outer(scale, scale)

    def perturbed(self, value: Array, by: float) -> Array:
        return value * (1 + by * (2 * np.eye(value.shape[-1]) - 1))  # narrow ones are differences

    def dependent(self, scatter: Array) -> list[int]:
        sd = np.sqrt(scatter.diagonal())
        eigenvalues, vectors = np.linalg.eigh(scatter / sd[:, None] / sd)
        if eigenvalues[0] > TOLERANCES.singular * len(eigenvalues):
            return []
        return [int(d) for d in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-6)]

    def variances(self, value: Array, k: int, d: int) -> Array:
        return np.diagonal(self.matrices(value, k, d), axis1=-2, axis2=-1)

    def narrowest(self, value: Array, unit: Array, k: int) -> Array:
        values = np.linalg.eigvalsh(self.matrices(value, k, len(unit)) / np.outer(unit, unit))
        rounding = 10 * len(unit) * EPS * values[..., -1]  # with less, a Cholesky factor may fail
        return np.sqrt(np.where(values[..., 0] > rounding, values[..., 0], 0.0))

    def singular(self, value: Array, k: int, d: int) -> np.ndarray:
        Sigma = self.matrices(value, k, d)
        return self._singular(Sigma.reshape(-1, d, d)).reshape(Sigma.shape[:-2])

    def _singular(self, Sigma: Array) -> np.ndarray:
        """Which matrices (M, D, D) have no reliable Cholesky factor."""
        try:
            return self.without_digits(np.linalg.cholesky(Sigma))
        except np.linalg.LinAlgError:  # it does not say which: ask both halves
            if len(Sigma) == 1:
                return np.ones(1, dtype=bool)
            return np.concatenate([self._singular(half) for half in np.array_split(Sigma, 2)])

    def largest_share(self, part: Array, whole: Array, k: int, d: int) -> Array:
        ratio = np.linalg.solve(self.matrices(whole, k, d), self.matrices(part, k, d))
        return np.linalg.eigvals(ratio).real.max(axis=-1)

    def outer(self, a: Array, w: Array) -> Array:
        return (a * w[..., None, :]) @ a.swapaxes(-1, -2)

    def between(self, apart: Array, rows: Array) -> Array:
        return self.outer(apart[..., None], rows)

    def inverse(self, scale: Array) -> Array:
        return np.linalg.inv(scale)

    def without_digits(self, scale: Array) -> np.ndarray:
        enough = self.diagonal(scale) ** 2 > TOLERANCES.singular * np.vecdot(scale, scale)
        return ~enough.all(axis=-1)

    def log_prior(self, prior: NormalInverseWishart, value: Array, inverse: Array) -> Array:
        return prior.log_density_of_root(self.unshared(inverse))

    def unshared(self, inverse: Array) -> Array:
        """The inverse of each scale (..., D, D), those that are equal once."""
        return inverse

    def apply(self, scale: Array, residuals: Array) -> Array:
        return scale @ residuals

    def diagonal(self, scale: Array) -> Array:
        return np.diagonal(scale, axis1=-2, axis2=-1)

    def distance(self, a: Array, b: Array, inverse_a: Array, inverse_b: Array) -> Array:
        mismatch = inverse_b @ a - (inverse_a @ b).swapaxes(-1, -2)
        return (mismatch**2).sum(axis=(-2, -1)) / 2


class Full(Dense):
    """A covariance matrix of its own for every cluster: Sigma (K, D, D)."""

    name = "full"
    dims = ("cluster", "feature", "feature_bis")
    matrix = symbol = r"\Sigma_k"
    words = "a covariance matrix Sigma of its own"

    def matrices(self, value: Array, k: int, d: int) -> Array:
        return value

    def scale(self, value: Array, k: int, d: int) -> Array:
        return np.linalg.cholesky(value)

    def pool(self, scatter: Array) -> Array:
        return scatter

    def divisor(self, rows: Array, d: int) -> Array:
        return rows[..., None]

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return nu + d + 2


class Tied(Dense):
    """One covariance matrix shared by all clusters: Sigma (D, D)."""

    name = "tied"
    dims = ("feature", "feature_bis")
    matrix = symbol = r"\Sigma"
    words = "one covariance matrix Sigma for all clusters"

    def matrices(self, value: Array, k: int, d: int) -> Array:
        return np.broadcast_to(value[..., None, :, :], (*value.shape[:-2], k, d, d))

    def scale(self, value: Array, k: int, d: int) -> Array:
        chol = np.linalg.cholesky(value)
        return np.broadcast_to(chol[..., None, :, :], (*chol.shape[:-2], k, d, d))

    def unshared(self, inverse: Array) -> Array:
        return inverse[..., 0, :, :]

    def pool(self, scatter: Array) -> Array:
        return scatter.sum(axis=-3)

    def divisor(self, rows: Array, d: int) -> Array:
        return rows.sum(axis=-2)[..., None]

    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        return k + nu + d + 1


_upper = cache(np.triu_indices)
"""Index pairs i <= j, which every iteration needs."""


COVARIANCES: dict[str, Covariance] = {
    each.name: each for each in (Full(), Tied(), Diagonal(), Spherical(), TiedDiagonal(), TiedSpherical())
}
"""The structures by the name that `GMM` takes as ``covariance_type``."""


def covariance(name: str) -> Covariance:
    """Look a structure up by name."""
    try:
        return COVARIANCES[name]
    except (KeyError, TypeError):
        known = f" {name!r:.80} is not one of {', '.join(COVARIANCES)}"
        raise InputError(worded(Option("covariance_type"), known)) from None
