"""A finite mixture: a family, a number of clusters, and a prior on their weights.

The one idea: a component is an exponential family,
``log f(x | theta_k) = h(x) + eta_k . phi(x)``, so the E-step's responsibilities
and the sums ``S = r phi(x)'`` over rows are all that EM needs from the data.
Inside, chunks of rows are feature-major: ``X (D, n)``, responsibilities ``r (K, n)``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from mixtures.arguments import check_whole
from mixtures.data.cells import as_numbers
from mixtures.data.known_labels import check_labels_fit, known_rows
from mixtures.data.levels import Categories
from mixtures.data.matching import matched, places_and_names
from mixtures.data.reading import as_data
from mixtures.data.rows import Rows
from mixtures.data.sources import as_rows
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.assignment import refuse_unassigned, share_out
from mixtures.families.columns import check_seen
from mixtures.families.family import Family
from mixtures.families.labelled import by_name
from mixtures.families.parameters import Parameter, shapes_of
from mixtures.families.priors import Prior
from mixtures.families.weights import DirichletWeights
from mixtures.messages import Option, worded
from mixtures.types import LEVELS, Array, Params

__all__ = ["Mixture"]

ROUNDING = 1e-9
"""How far weights that were divided by their sum may be from adding up to one."""


@dataclass(frozen=True)
class Mixture(ABC):
    """Specification of a finite mixture model: what is fitted, not a fit.

    Attributes
    ----------
    n_components : int
        Number of clusters K.
    prior : {"default"}, None or a prior of the family
        Prior of the components: the default resolved from data, none (maximum
        likelihood), or one of `mixtures.families.priors`.
    weight_concentration : float
        Concentration of the symmetric Dirichlet prior on the weights alpha.
    features : tuple of str, or None
        Names of the columns that the model is of, in the order of its prior and its
        parameters. `resolve` and every fit set them; data with names are then matched
        by name, whatever the order of their columns.
    """

    n_components: int
    _: KW_ONLY
    prior: Any = "default"
    weight_concentration: float = 1.0
    features: tuple[str, ...] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse options that are invalid for any data."""
        check_whole(1, n_components=self.n_components)
        concentration = self.weight_concentration
        if not (isinstance(concentration, Real) and 0 < concentration < np.inf):
            raise InputError(
                worded(Option("weight_concentration"), f" must be positive, got {concentration!r}")
            )
        if self.prior is None and concentration != 1:
            needed = Option("weight_concentration", 1)
            raise InputError(worded(Option("prior", None), " means maximum likelihood and needs ", needed))
        if self.features is not None:
            names = self.features if isinstance(self.features, list | tuple) else ()
            if not names or not all(isinstance(f, str) for f in names) or len(set(names)) < len(names):
                raise InputError(f"features must be different names of columns, got {self.features!r:.80}")
            object.__setattr__(self, "features", tuple(names))
        _ = self.family  # a wrong prior or covariance type is an error now, not at the first use

    @property
    @abstractmethod
    def family(self) -> Family:
        """The component family with its prior."""

    @property
    def weights(self) -> DirichletWeights:
        """The weights of the clusters with their prior."""
        return DirichletWeights(self.weight_concentration)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Name, dims and support of every parameter, the weights' first."""
        return (*self.weights.parameters, *self.family.parameters)

    @classmethod
    def variants(cls) -> Iterator[Self]:
        """One specification for every parametrisation of the model."""
        yield cls(1)

    @property
    def resolved(self) -> bool:
        """Whether the prior is concrete."""
        return self.prior.concrete if isinstance(self.prior, Prior) else not isinstance(self.prior, str)

    @property
    def categories(self) -> Categories:
        """Which columns hold the levels of categories."""
        return self.family.takes_categories

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dims of every parameter by name."""
        return {each.name: each.dims for each in self.parameters}

    def shapes(self, n_features: int) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter by name."""
        return shapes_of(self.parameters, self.family.sizes(self.n_components, n_features))

    def parameter_count(self, n_features: int) -> int:
        """Number of free parameters."""
        sizes = self.family.sizes(self.n_components, n_features)
        return sum(parameter.free_count(sizes) for parameter in self.parameters)

    def of(self, features: Sequence[str], *, whose: str = "the fit is") -> Self:
        """The same model with its columns in this order; its prior follows the names of the columns.

        A model without names takes these.
        """
        if self.features is None:
            return replace(self, features=tuple(features))
        order, names = places_and_names(self.features, features, what="the model has", whose=whose)
        prior = self.prior.in_order(order) if isinstance(self.prior, Prior) else self.prior
        return self if names == self.features else replace(self, prior=prior, features=names)

    def like(self, other: "Mixture") -> Self:
        """The same model, with unknown names and levels of its columns taken from another."""
        return self

    def with_levels(self, features: Sequence[str], levels: Sequence[Sequence[Any]]) -> Self:
        """The same model with the levels of these columns, if its family has levels and they are unknown."""
        return self

    def with_columns(self, labels: Mapping[str, Sequence[str]]) -> Self:
        """The same model of the columns that the dims of a sample have for labels, by dim."""
        return self

    @property
    def unnamed(self) -> Self:
        """The same model without names of columns: they go by position."""
        return replace(self, features=None)

    def ordered[R: Rows](self, rows: R, X: Any) -> R:
        """Rows read from X, with columns in the model's order if it knows their names.

        Labels of clusters that the model does not have are refused.
        """
        check_labels_fit(rows, self.n_components)
        return rows if self.features is None else matched(rows, self.features, X)

    def rows(self, X: Any, weights: Any = None, missing: str | None = None, labels: Any = None) -> Rows:
        """Rows that may be larger than memory: columns in the model's order and coding."""
        how: dict[str, Any] = {"missing": missing, "labels": labels, "categories": self.categories}
        return self.ordered(as_rows(X, weights, **how), X)

    def table(self, X: Any, weights: Any = None, missing: str | None = None, labels: Any = None) -> Data:
        """Rows in memory: columns in the model's order and coding."""
        how: dict[str, Any] = {"missing": missing, "labels": labels, "categories": self.categories}
        return self.ordered(as_data(X, weights, **how), X)

    def read(self, X: Any, weights: Any = None, missing: str | None = None, labels: Any = None) -> Data:
        """New rows in memory: columns in the model's order, cells checked as fitting checks them."""
        data = self.table(X, weights, missing, labels)
        self.family.check_rows(data)
        return data

    def named(self, rows: Rows) -> Self:
        """The model with the names of these rows' columns."""
        return replace(self, features=rows.features)

    def coords(self, features: Sequence[str]) -> dict[str, Any]:
        """Labels along every dim that parameters may have."""
        return {"cluster": range(self.n_components), "feature": features, "feature_bis": features}

    def coords_of(self, data: Data) -> dict[str, Any]:
        """Labels along every dim of a declared model of these rows."""
        known = self.coords(data.features)
        return {dim: tuple(known[dim]) for dim in known if dim != LEVELS} | {"obs_id": tuple(data.obs_id)}

    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse data that this model cannot be fitted to; return notes for the reader."""
        if data.n_rows < 2:
            raise InputError("the data have one row; a mixture needs at least two")
        if data.total < 1 + ROUNDING:
            raise InputError(
                f"weights sum to {data.total:g}; a row of weight 2 counts as two rows, so they sum to n"
            )
        if data.n_rows < self.n_components:
            k = Option("n_components", self.n_components, typed=str(self.n_components))
            what = f"{data.n_rows} rows cannot hold "
            raise InputError(worded(what, k, " clusters; lower ", Option("n_components")))
        if data.has_missing and not self.family.takes_missing:
            raise InputError(f"cells are missing, and a {type(self).__name__} cannot integrate them out")
        return (*check_seen(data), *self.family.check(data))

    def check_mode(self) -> None:
        """Refuse priors under which the log posterior has no finite maximum."""
        if self.for_mode() is not self:
            raise InputError(
                worded(
                    "concentrations below 1 (",
                    Option("weight_concentration"),
                    ", or those of a prior such as Beta) have no finite mode; raise them to 1 or more, or ",
                    Option("sample", said="use sample", typed="call mixtures.sample in Python"),
                    ", which takes them",
                )
            )

    def for_mode(self) -> Self:
        """Nearest specification with a finite mode: concentrations raised to 1 where below; else self."""
        family, weights = self.family.for_mode(), self.weights.for_mode()
        if weights == self.weights and family.prior is self.prior:
            return self
        return replace(self, weight_concentration=weights.concentration, prior=family.prior)

    def check_params(self, params: Params, n_features: int) -> dict[str, Array]:
        """Copy a user's parameters into arrays of the right names and shapes.

        Columns that frames and DataArrays name are matched by name, if the model knows its own.
        """
        shapes = self.shapes(n_features)
        names = list(params) if isinstance(params, Mapping) else type(params).__name__
        if set(names) != set(shapes):
            raise InputError(f"parameters {names} were given; this model has {list(shapes)}")
        arrays = {}
        labels = {} if self.features is None else self.coords(self.features)
        for name, shape in shapes.items():
            value = by_name(params[name], f"parameter {name}", self.dims[name], labels)
            arrays[name] = array = as_numbers(value, f"parameter {name} is not")
            if array.shape != shape:
                raise InputError(f"parameter {name} has shape {array.shape}; this model has {shape}")
            if not np.isfinite(array).all():
                raise InputError(f"parameter {name} is not finite")
        for each in self.parameters:
            if fault := each.support.fault(arrays[each.name]):
                raise InputError(f"parameter {each.name} {fault}")
            arrays[each.name] = each.support.exact(arrays[each.name])
        return arrays

    def inside(self, params: Params) -> dict[str, Array]:
        """Parameters moved off the boundary of their space, where unconstrained coordinates end."""
        return {**params, **{each.name: each.support.inside(params[each.name]) for each in self.parameters}}

    def log_joint(self, params: Params) -> Callable[[Array], Array]:
        """Log Pr(x_i, z_i = k) as a function of chunks, ``(D, n) -> (K, n)``."""
        density, weights = self.family.density(params), self.weights
        return lambda X: density(X) + weights.log_weights(params, X)

    def expect(self, params: Params | None, X: Array, r: Array) -> Any:
        """Expected complete-data statistics of a chunk ``X (D, n)`` under responsibilities ``r (K, n)``."""
        return self.family.expect(params, X, r)

    def log_likelihood(self, X: Any, params: Params) -> Array:
        """Log-likelihood of every row (n,), the hidden cluster summed out."""
        log_joint: Array = self.log_joint(params)(self.read(X).values.T)
        return np.asarray(logsumexp(log_joint, axis=0))

    def responsibilities(self, X: Any, params: Params) -> Array:
        """Posterior probability of each cluster for every row, shape (n, K)."""
        data = self.read(X)
        log_joint: Array = self.log_joint(params)(data.values.T)
        r = share_out(log_joint)
        refuse_unassigned(data, r, log_joint)
        return r.T

    def log_prior(self, params: Params) -> Array:
        """Log prior density (...) of every set of parameters, normalisers included."""
        return self.weights.log_prior(params) + self.family.log_prior(params)

    def maximize(self, stats: Any) -> dict[str, Array]:
        """M-step: the posterior mode given sufficient statistics, or many of them, in closed form."""
        return {**self.weights.maximize(stats.count), **self.family.maximize(stats)}

    def step_length(self, a: Params, b: Params, count: Array) -> Array:
        """Distance (...) of two parameter sets in standard deviations of the complete data.

        For an exponential family the quadratic form of the complete-data
        information is the symmetric Kullback-Leibler divergence, to second order.
        """
        weights = self.weights.distance(a, b)
        components = np.vecdot(count, self.family.distance(a, b))
        return np.asarray(np.sqrt(count.sum(axis=-1) * weights + components))

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        """Parameters with every number changed by this relative amount, to the side of larger effect."""
        return {**self.weights.perturbed(params, by), **self.family.perturbed(params, by)}

    def sample(
        self,
        params: Params,
        n: int,
        rng: np.random.Generator,
        labels: np.ndarray | None = None,
        like: Array | None = None,
    ) -> tuple[Array, np.ndarray]:
        """Draw n rows (n, D) and their clusters (n,); rows with known labels are of their cluster.

        What the model conditions on, as on an exposure, is that of the rows ``like (n, D)``.
        """
        z = self.weights.sample(params, n, rng)
        if labels is not None:
            z = np.where(known_rows(labels), labels, z)
        drawn = (
            self.family.sample(params, z, rng)
            if like is None
            else self.family.sample_like(like, params, z, rng)
        )
        return drawn, z

    def relabel(self, params: Params, order: np.ndarray) -> dict[str, Array]:
        """Parameters with the clusters in another order."""
        return {name: x[order] if "cluster" in self.dims[name] else x for name, x in params.items()}

    def relabel_each(self, params: Params, order: np.ndarray) -> dict[str, Array]:
        """Sets of parameters (N, ...), each with its clusters in an order (N, K), or all in one (K,)."""
        found = {name: params[name] for name in self.dims}
        order = np.broadcast_to(order, (len(found["alpha"]), self.n_components))
        for name, dims in self.dims.items():
            if "cluster" in dims:
                x = found[name]
                own = order.reshape(*order.shape, *(1,) * (x.ndim - 2))
                found[name] = np.take_along_axis(x, own, axis=1)
        return found

    def alike(self, single: Params) -> dict[str, Array]:
        """Parameters under which every cluster is this single one."""
        return self.relabel(single, np.zeros(self.n_components, dtype=int))
