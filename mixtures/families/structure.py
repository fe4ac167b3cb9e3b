"""The contract of a covariance structure for K Gaussians.

A structure defines which numbers a covariance has, how they are estimated from
scatter, and how they whiten residuals. A scale is what whitens: lower Cholesky
factors (..., K, D, D) where features covary, standard deviations (..., K, D)
where they do not; nothing but `matrices` then makes matrices of D x D. Leading
axes are many sets of parameters.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from mixtures.families.supports import Support
from mixtures.types import Array

__all__ = ["LOG_2PI", "Covariance"]

LOG_2PI = float(np.log(2 * np.pi))


class Covariance(ABC):
    """How the covariances of K Gaussians in D dimensions are parametrised."""

    name: ClassVar[str]
    parameter: ClassVar[str]
    support: ClassVar[Support]
    dims: ClassVar[tuple[str, ...]]
    prior_type: ClassVar[type]
    core_ndim: ClassVar[int]
    """Axes of one cluster's scale."""

    matrix: ClassVar[str]
    """The covariance of a cluster in a formula."""

    symbol: ClassVar[str]
    """The parameter in a formula."""

    words: ClassVar[str]
    """What a cluster has, in words."""

    @abstractmethod
    def default_prior(self, mean: Array, cov: Array, k: int) -> Any:
        """Prior of Fraley and Raftery (2007) from a covariance (D, D), or variances (D,) if none covary."""

    @abstractmethod
    def check_prior(self, prior: Any, d: int) -> Any:
        """The prior with its hyperparameters checked and in full shape."""

    @abstractmethod
    def prior_scale(self, prior: Any) -> Array:
        """Scatter that the prior adds."""

    @abstractmethod
    def pairs(self, d: int) -> tuple[Any, Any]:
        """Index pairs i <= j of the features whose products are in phi(x)."""

    @abstractmethod
    def products(self, X: Array, out: Array) -> None:
        """Write those products of the rows of ``X (D, n)``, pair by pair."""

    @abstractmethod
    def about_mean(self, sums: Array, count: Array, mean: Array) -> Array:
        """Scatter about the mean from the sums (..., K, P) of those products."""

    @abstractmethod
    def natural(self, mu: Array, inverse: Array) -> tuple[Array, Array]:
        """``P mu``, and the coefficients of those products; precisions P from the inverse of the scale."""

    @abstractmethod
    def squares(self, scale: Array) -> Array:
        """Factor of the scatter when feature d is multiplied by ``scale (D,)``."""

    @abstractmethod
    def rescaled(self, value: Array, scale: Array) -> Array:
        """The parameter when every feature is divided by its scale."""

    def perturbed(self, value: Array, by: float) -> Array:
        """The parameter with every entry changed by this relative amount, to the side of larger effect."""
        return value * (1 + by)

    @abstractmethod
    def dependent(self, scatter: Array) -> list[int]:
        """Columns that make a scatter, (D, D) or (D,), singular."""

    @abstractmethod
    def matrices(self, value: Array, k: int, d: int) -> Array:
        """Covariance matrices (..., K, D, D), for textbook formulas and figures."""

    @abstractmethod
    def variances(self, value: Array, k: int, d: int) -> Array:
        """Their diagonals (..., K, D)."""

    @abstractmethod
    def narrowest(self, value: Array, unit: Array, k: int) -> Array:
        """Smallest standard deviation of every cluster (..., K) in any direction, in units ``unit (D,)``."""

    @abstractmethod
    def singular(self, value: Array, k: int, d: int) -> np.ndarray:
        """Which covariances (..., K) are singular up to rounding."""

    @abstractmethod
    def without_digits(self, scale: Array) -> np.ndarray:
        """The same from their scales."""

    @abstractmethod
    def log_prior(self, prior: Any, value: Array, inverse: Array) -> Array:
        """Log prior density of the parameter, matrix by matrix or number by number.

        ``inverse`` is that of the scale.
        """

    @abstractmethod
    def largest_share(self, part: Array, whole: Array, k: int, d: int) -> Array:
        """Largest variance (..., K) in any direction, relative to the variance ``whole`` there."""

    @abstractmethod
    def scale(self, value: Array, k: int, d: int) -> Array:
        """Scale of every cluster (..., K, D, D) or (..., K, D): what whitens residuals."""

    @abstractmethod
    def pool(self, scatter: Array) -> Array:
        """Scatter of all clusters, pooled as the structure shares it."""

    @abstractmethod
    def divisor(self, rows: Array, d: int) -> Array:
        """Rows behind each entry of the pooled scatter, from those of every mean (..., K, 1 or D)."""

    @abstractmethod
    def prior_divisor(self, nu: float, k: int, d: int) -> float:
        """The term that the prior of mean and covariance adds to the divisor of the mode."""

    @abstractmethod
    def outer(self, a: Array, w: Array) -> Array:
        """Scatter ``sum_i w_ki a_ki a_ki'`` of residuals ``a (..., K, D, n)``, weights ``w (..., K, n)``."""

    @abstractmethod
    def between(self, apart: Array, rows: Array) -> Array:
        """Scatter from differences of means ``apart (..., K, D)``, of this many rows (..., K, 1 or D)."""

    @abstractmethod
    def inverse(self, scale: Array) -> Array:
        """Inverse of a scale."""

    @abstractmethod
    def apply(self, scale: Array, residuals: Array) -> Array:
        """Multiply residuals (..., D, n) by a scale or its inverse."""

    @abstractmethod
    def diagonal(self, scale: Array) -> Array:
        """Diagonal of a scale: conditional standard deviations (..., K, D)."""

    @abstractmethod
    def distance(self, a: Array, b: Array, inverse_a: Array, inverse_b: Array) -> Array:
        """Symmetric Kullback-Leibler divergence of centred Gaussians from their scales and the inverses.

        With ``M = b^-1 a`` it is ``|M - M^-T|^2 / 2``, free of cancellation.
        """

    def unit(self, variance: Array) -> Array:
        """Scale of every feature in which coordinates are of order one."""
        return np.sqrt(variance)
