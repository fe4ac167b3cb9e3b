"""The contract of a component family."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.families.forms import ObservedForm
from mixtures.families.parameters import Parameter, on_boundary
from mixtures.types import Array, Params

if TYPE_CHECKING:
    from mixtures.families.blocks import Block

__all__ = ["IMPOSSIBLE", "LOG_NOTHING", "ExponentialFamily", "Family", "Statistics"]


IMPOSSIBLE = -1e300
"""Stands for log 0 where a matrix product would turn 0 x -inf into NaN; no sum comes near half of it."""


LOG_NOTHING = -1000.0
"""Stands for log 0 in natural parameters on a boundary: its exponential underflows to 0."""


class Statistics(Protocol):
    """Sufficient statistics of rows in K clusters: an additive value."""

    @property
    def count(self) -> Array:
        """Expected number of rows in each cluster, shape (..., K)."""

    def __add__(self, other: Self) -> Self:
        """Statistics of the union of two sets of rows."""


class Family(ABC):
    """What a component distribution must define for EM, MAP and the posterior.

    Shapes: chunks ``X (D, n)``, responsibilities ``r (K, n)``, parameters with
    the cluster axis first (a covariance tied over clusters has none). Where
    ``...`` is written, parameters and statistics may have leading axes: many
    sets, each with the result that it has alone.
    """

    prior: Any
    """The components' prior: "default" until resolved, or None."""

    @property
    def title(self) -> str:
        """Name in the title of a report, before the word mixture."""
        return type(self).__name__

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """Name, dims and support of every parameter; the update of each needs only those before it."""

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dims of every parameter by name."""
        return {each.name: each.dims for each in self.parameters}

    @property
    def updated_together(self) -> tuple[tuple[str, ...], ...]:
        """Names of the parameters in groups; the update of each needs those before it in its group."""
        return (tuple(self.dims),)

    def sizes(self, n_components: int, n_features: int) -> dict[str, int]:
        """Size of every dim that a parameter may have."""
        return {"cluster": n_components, "feature": n_features, "feature_bis": n_features}

    @property
    def parts(self) -> "tuple[Block, ...]":
        """The blocks of columns that are independent within a cluster, where there are several kinds."""
        return ()

    flat_is_proper: bool
    """Whether ``prior=None`` gives a proper posterior."""

    takes_categories: bool = False
    """Whether cells are the levels of categories, which data code as 0, 1, ..."""

    takes_missing: bool = False
    """Whether cells may be missing: density and expected statistics are then those of the observed ones,
    and `single`, `conditional` and `fill` are there."""

    by_pattern: bool = False
    """Whether the terms of a row's observed cells depend on which other columns are observed."""

    @abstractmethod
    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse data this family cannot model; return notes for the reader."""

    def check_rows(self, data: Data) -> None:
        """Refuse rows, even a single one, with cells outside the support; the error names them."""
        return

    @abstractmethod
    def resolve(self, data: Rows, n_components: int) -> Self:
        """Family with its prior resolved: defaults from the data, shapes checked."""

    @abstractmethod
    def for_mode(self) -> Self:
        """Family with the nearest prior under which a finite mode exists."""

    @abstractmethod
    def units(self, data: Rows) -> tuple[Array, Array]:
        """Location and scale of every feature, for coordinates of order one."""

    @abstractmethod
    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """Log density (K, n) as a textbook writes it."""

    @abstractmethod
    def density(self, params: Params) -> Callable[[Array], Array]:
        """Log density as a function of chunks, ``(D, n) -> (K, n)``, accurate to a few eps of its value."""

    @abstractmethod
    def expect(self, params: Params | None, X: Array, r: Array) -> Any:
        """Expected complete-data statistics of a chunk ``X (D, n)`` under responsibilities ``r (K, n)``.

        They may depend on the parameters, as where cells are missing. ``params`` is None where
        there are none yet and no cell is missing.
        """

    def single(self, data: Rows) -> dict[str, Array]:
        """Parameters of a single cluster, K = 1: the maximum likelihood estimate from the observed cells."""
        raise NotImplementedError

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """Mean and variance (K, D, n) of every cell given the cluster and the row's observed cells.

        An observed cell is its own mean, with a variance of 0.
        """
        raise NotImplementedError

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Rows (D, n) of the clusters ``z (n,)``, missing cells drawn given the observed ones."""
        raise NotImplementedError

    @abstractmethod
    def maximize(self, stats: Any) -> dict[str, Array]:
        """Posterior mode (..., K, ...) of the components given statistics, in closed form."""

    @abstractmethod
    def log_prior(self, params: Params) -> Array:
        """Log prior density (...) of the components' parameters, normaliser included."""

    @abstractmethod
    def sample(self, params: Params, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Rows (n, D) of the clusters ``z (n,)``."""

    def sample_like(self, rows: Array, params: Params, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Rows (n, D) of the clusters ``z (n,)`` that share with these what the model conditions on."""
        return self.sample(params, z, rng)

    def row_columns(self, n_columns: int) -> dict[str, Any]:
        """Columns of the rows, an index each, by the variable of a declared model that holds them.

        By default the observed rows ``x`` hold all.
        """
        return {"x": slice(None)}

    def compared(self, rows: Array) -> Array:
        """Rows (n, D) as starts compare them, by their distances in the family's units."""
        return rows

    @abstractmethod
    def moments(self, params: Params) -> tuple[Array, Array]:
        """Mean (K, D) and covariance (K, D, D) of every cluster's rows."""

    def margin(self, params: Params, features: Sequence[int]) -> dict[str, Array]:
        """Parameters of the rows' other features left out, which are those of the features themselves."""
        margin = {}
        for name, dims in self.dims.items():
            margin[name] = np.asarray(params[name])
            for axis in (place - len(dims) for place, dim in enumerate(dims) if dim.startswith("feature")):
                margin[name] = np.take(margin[name], features, axis=axis)
        return margin

    def marginal_family(self, features: Sequence[int]) -> "Family":
        """Family of rows of these features alone, without a prior; its parameters are those of `margin`."""
        alone: Family = replace(self, prior=None)  # type: ignore[type-var]
        return alone

    def marginal_moments(self, params: Params, features: Sequence[int]) -> tuple[Array, Array]:
        """Mean (K, d) and covariance (K, d, d) of some features of every cluster's rows."""
        return self.moments(self.margin(params, features))

    @abstractmethod
    def distance(self, a: Params, b: Params) -> Array:
        """Symmetric Kullback-Leibler divergence between the clusters of the same index, (..., K)."""

    def divergence(self, a: Params, b: Params) -> Array:
        """The same of every pair of clusters, (..., K, K).

        By default the distance, broadcast; a family with a parameter that clusters share must override this.
        """
        rows = {name: np.expand_dims(a[name], -len(dims)) for name, dims in self.dims.items()}
        columns = {name: np.expand_dims(b[name], -len(dims) - 1) for name, dims in self.dims.items()}
        return self.distance(rows, columns)

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        """Parameters with every number changed by this relative amount, to the side of larger effect."""
        return {name: params[name] * (1 + by) for name in self.dims}

    def on_boundary(self, params: Params) -> dict[str, np.ndarray]:
        """Which entries of each parameter sit on the boundary of their space, if any can."""
        return on_boundary(self.parameters, params)

    def bound_coordinates(self, params: Params) -> dict[str, np.ndarray]:
        """Which free coordinates of each parameter are those of entries on the boundary, if any can be."""
        supports = {parameter.name: parameter.support for parameter in self.parameters}
        return {name: ~supports[name].interior(mask) for name, mask in self.on_boundary(params).items()}

    def never_identified(self, n_components: int, data: Rows) -> str:
        """What data of this shape cannot identify, whatever the parameters, in words; else empty."""
        return ""

    def unidentified(self, params: Params, data: Rows | None = None) -> str:
        """What the data cannot identify near these parameters, in words; else empty.

        Data matter where cells are missing: by their patterns of observed columns.
        """
        return ""

    def gaussian_columns(self, rows: Rows) -> Iterator[tuple[Any, Rows, Any]]:
        """Gaussian columns among those of the rows: their family, the rows of them alone, and their index."""
        yield from ()

    def remarks(self, params: Params, count: Array) -> tuple[str, ...]:
        """Notes for the reader of a fit whose clusters hold ``count (K,)`` rows."""
        return ()

    @abstractmethod
    def degenerate(self, params: Params, scale: Array) -> np.ndarray:
        """Which clusters (..., K) are degenerate: the likelihood is unbounded there, or precision is lost.

        Only parameters of open support, such as variances, run off to there: EM does not ask where all of
        these are held.
        """

    def defects(self, params: Params, scale: Array) -> dict[int, str]:
        """Those clusters of one set of parameters, each with the reason in words."""
        found = np.flatnonzero(self.degenerate(params, scale))
        return {int(k): "its parameters are degenerate" for k in found}


class ExponentialFamily(Family):
    """A family of the form ``log f(x) = h(x) + eta . phi(x)``, which has the fast E-step.

    Its expected statistics are sums of ``r phi(x)``, which depend on no parameter.
    """

    @abstractmethod
    def features(self, X: Array, out: Array | None = None) -> Array:
        """Features phi(x), shape (P, n), the constant 1 first; monomials, written to ``out`` if given."""

    def base_measure(self, X: Array) -> Array:
        """Log of h(x), shape (n,): the part of the density without parameters."""
        return np.zeros(X.shape[1])

    monomial: bool = True
    """Whether the features are monomials of the columns, so that many of their products are equal."""

    @abstractmethod
    def natural(self, params: Params) -> Array:
        """Natural parameters eta, shape (..., K, P), the log-normaliser with the constant feature.

        On a boundary `LOG_NOTHING` stands for log 0.
        """

    @abstractmethod
    def statistics(self, X: Array, r: Array) -> Any:
        """Sufficient statistics of a chunk ``X (D, n)`` under responsibilities ``r (..., K, n)``."""

    def expect(self, params: Params | None, X: Array, r: Array) -> Any:
        """The sufficient statistics, whatever the parameters."""
        return self.statistics(X, r)

    def largest_features(self, furthest: Array) -> Array:
        """Largest size (P,) of every feature over rows whose columns reach ``furthest (D,)`` in size.

        Monomials are largest there; a family with other features must override this.
        """
        return np.abs(self.features(furthest[:, None]))[:, 0]

    def affine_units(self, data: Rows) -> tuple[Array, Array]:
        """Location and scale by which features are standardised; by default they are not."""
        return np.zeros(data.n_features), np.ones(data.n_features)

    def rescaled(self, params: Params, location: Array, scale: Array) -> Params:
        """Parameters of the rows ``(x - location) / scale`` in such units."""
        return params

    def observed_features(self, X: Array) -> Array:
        """Features (P, n) of rows with missing cells: those of the observed cells, 0 for the others."""
        raise NotImplementedError

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> ObservedForm:
        """Natural form for patterns ``observed (S, D)`` of rows in such units; sets along leading axes."""
        raise NotImplementedError

    @abstractmethod
    def from_sums(self, sums: Array, location: Array, scale: Array) -> Any:
        """Statistics from ``S = r phi(z)'``, shape (..., K, P), over rows ``z = (x - location) / scale``."""
