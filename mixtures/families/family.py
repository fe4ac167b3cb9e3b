"""The contract of a component family."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.types import Array, Params

__all__ = ["Family", "Statistics"]


class Statistics(Protocol):
    """Sufficient statistics of rows in K clusters: an additive value."""

    @property
    def count(self) -> Array:
        """Expected number of rows in each cluster, shape (K,)."""

    def __add__(self, other: Self) -> Self:
        """Statistics of the union of two sets of rows."""


class Family(ABC):
    """What a component distribution must say for EM, MAP and posterior to work.

    Shapes: chunks ``X (D, n)``, responsibilities ``r (K, n)``, parameters with
    the cluster axis first (a covariance tied over clusters has none).
    """

    prior: Any
    """The components' prior: "default" until resolved, or None."""

    @property
    @abstractmethod
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Dims of every parameter, in reading order: each update needs only those before it."""

    flat_is_proper: ClassVar[bool]
    """Whether ``prior=None`` leaves a posterior that integrates."""

    @abstractmethod
    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse data this family cannot model; return notes on what a reader should know."""

    def check_rows(self, data: Data) -> None:
        """Refuse rows, if only one, that no component could make: cells outside the support, named."""
        return

    @abstractmethod
    def resolve(self, data: Rows, n_components: int) -> Self:
        """Family with its prior made concrete: defaults from the data, shapes checked."""

    @abstractmethod
    def for_mode(self) -> Self:
        """Family with the nearest prior under which a finite mode exists."""

    @abstractmethod
    def units(self, data: Rows) -> tuple[Array, Array]:
        """Location and scale of every feature, for coordinates of order one."""

    @abstractmethod
    def parameter_shapes(self, n_components: int, n_features: int) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter."""

    @abstractmethod
    def check_params(self, params: Params) -> None:
        """Refuse parameters, finite and of the right shapes, that no component can have."""

    @abstractmethod
    def parameter_count(self, n_components: int, n_features: int) -> int:
        """Number of free parameters of the components."""

    @abstractmethod
    def features(self, X: Array, out: Array | None = None) -> Array:
        """Features phi(x), shape (P, n), the constant 1 first; monomials, written to ``out`` if given."""

    def base_measure(self, X: Array) -> Array:
        """Log of h(x), shape (n,): what of the density no parameter touches."""
        return np.zeros(X.shape[1])

    @abstractmethod
    def natural(self, params: Params) -> Array:
        """Natural parameters eta, shape (K, P), the log-normaliser with the constant feature."""

    @abstractmethod
    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """Log density (K, n) as a textbook writes it."""

    @abstractmethod
    def density(self, params: Params) -> Callable[[Array], Array]:
        """Log density as a function of chunks, ``(D, n) -> (K, n)``, right to a few eps of itself."""

    @abstractmethod
    def statistics(self, X: Array, r: Array) -> Any:
        """Sufficient statistics of a chunk under responsibilities."""

    def affine_units(self, data: Rows) -> tuple[Array, Array]:
        """Location and scale of features that the family lets one shift and scale; none by default."""
        return np.zeros(data.n_features), np.ones(data.n_features)

    def rescaled(self, params: Params, location: Array, scale: Array) -> Params:
        """Parameters of the rows ``(x - location) / scale`` in such units."""
        return params

    @abstractmethod
    def from_sums(self, sums: Array, location: Array, scale: Array) -> Any:
        """Statistics from ``S = r phi(z)'``, shape (K, P), over rows ``z = (x - location) / scale``."""

    @abstractmethod
    def maximize(self, stats: Any) -> dict[str, Array]:
        """Posterior mode of the components given statistics, in closed form."""

    @abstractmethod
    def log_prior(self, params: Params) -> float:
        """Log prior density of the components' parameters, normaliser included."""

    @abstractmethod
    def sample(self, params: Params, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Rows (n, D) of the clusters ``z (n,)``."""

    @abstractmethod
    def moments(self, params: Params) -> tuple[Array, Array]:
        """Mean (K, D) and covariance (K, D, D) of every cluster's rows."""

    @abstractmethod
    def distance(self, a: Params, b: Params) -> Array:
        """Symmetric Kullback-Leibler divergence of each cluster from its namesake, (..., K)."""

    @abstractmethod
    def divergence(self, a: Params, b: Params) -> Array:
        """The same of every pair of clusters, (..., K, K)."""

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        """Parameters with every number changed by this share of it, to the side that shows most."""
        return {name: params[name] * (1 + by) for name in self.dims}

    def inside(self, params: Params) -> dict[str, Array]:
        """Parameters moved off the boundary of their space, if they can reach one."""
        return dict(params)

    def on_boundary(self, params: Params) -> dict[str, np.ndarray]:
        """Which entries of each parameter sit on the boundary of their space, if any can."""
        return {}

    def never_identified(self, n_components: int, data: Rows) -> str:
        """What data of this shape can never tell, whatever the parameters, in words; empty if nothing."""
        return ""

    def unidentified(self, params: Params) -> str:
        """What the data can never tell about parameters like these, in words; empty if nothing."""
        return ""

    def remarks(self, params: Params, count: Array) -> tuple[str, ...]:
        """What a reader should know of a fit whose clusters hold ``count (K,)`` rows."""
        return ()

    @abstractmethod
    def defects(self, params: Params, scale: Array) -> dict[int, str]:
        """Clusters whose parameters are degenerate, each with the reason."""
