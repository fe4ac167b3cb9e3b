"""How the methods of `align` find the order of the clusters in a tree's draws."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.labelled import Labelled, anchored_of
from mixtures.clusters.named import inner, suggested
from mixtures.clusters.rules import Classified, by_allocations, by_parameters, by_probabilities
from mixtures.data.table import Data
from mixtures.draws import features_of, named_after, rows_of
from mixtures.entries import entries
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import recognise, recognise_mixture
from mixtures.messages import counted, did_you_mean
from mixtures.trees import feature_labels, labels_in, log_density_of
from mixtures.types import Array, Params

__all__ = ["find_orders"]


@dataclass(frozen=True, eq=False)
class Sample:
    """A posterior sample to relabel, with what a method may need from its model."""

    tree: xr.DataTree
    spec: Mixture | None
    X: Any
    weights: Any
    missing: str | None
    roles: Labelled

    @cached_property
    def posterior(self) -> xr.Dataset:
        """The draws, with the cluster dim named ``cluster`` in every variable that has it."""
        return self.roles.canonical(self.tree["posterior"].to_dataset())

    @cached_property
    def anchored(self) -> np.ndarray:
        """Clusters that have labelled rows: they keep their labels."""
        return anchored_of(self.tree)

    @cached_property
    def labelled(self) -> list[str]:
        """Variables that have clusters; only free ones, if the model is known."""
        free = self.roles.alone or set(map(str, self.posterior.data_vars))
        return [str(n) for n, v in self.posterior.data_vars.items() if "cluster" in v.dims and n in free]

    @cached_property
    def dims(self) -> dict[str, tuple[Any, ...]]:
        """Dims of every variable, without chain and draw."""
        return {str(name): inner(v) for name, v in self.posterior.data_vars.items()}

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Chains, draws, clusters."""
        chains, draws, clusters = (self.posterior.sizes[dim] for dim in ("chain", "draw", "cluster"))
        return chains, draws, clusters

    def keyed(self, key: Callable[[xr.Dataset], Any]) -> Any:
        """Value of a key for the draws under their own dims."""
        posterior = self.tree["posterior"].to_dataset()
        found, clusters = key(posterior), self.roles.dims(posterior)
        if not isinstance(found, xr.DataArray) or len(dims := inner(found)) != 1 or dims[0] not in clusters:
            return found
        return found.drop_vars(dims[0], errors="ignore").swap_dims({dims[0]: "cluster"})

    def _recognised(self) -> Mixture:
        """The model whose parameters these are, of the columns that their dims have for labels."""
        spec = recognise_mixture(self.dims, self.sizes[2])
        if spec is None:
            raise InputError(
                "this posterior does not have the variables of a model of this package, by which this method "
                "classifies the rows: use method='parameters' or 'order', or give the model, spec=..."
            )
        return spec.with_columns(feature_labels(self.tree["posterior"].to_dataset()))

    def classified(self) -> tuple[Mixture, Data]:
        """Model and rows, for methods that use the classification of the rows."""
        spec = self.spec or self._recognised()
        if spec.n_components != self.sizes[2] or any(self.dims.get(n) != d for n, d in spec.dims.items()):
            raise InputError(f"the tree does not hold draws of {spec!r}; give the model that was sampled")
        spec = named_after(spec.of(features_of(self.tree), whose="the posterior is"), self.tree)
        rows = _observed(self.tree) if self.X is None else self.X
        data = spec.read(rows, self.weights, self.missing).compressed
        for name, shape in spec.shapes(data.n_features).items():
            if self.posterior[name].shape[2:] != shape:
                raise InputError(
                    f"X has {counted(data.n_features, 'column')}, and {name} in the tree another number"
                )
        return spec, data


def _observed(tree: xr.DataTree) -> Data:
    """Rows stored in the tree, without their known labels."""
    rows = rows_of(tree)
    if rows is None:
        raise InputError("the tree's observed_data do not hold a single table of rows: give the data, X=...")
    return replace(rows, labels=None)


def _by_parameters(sample: Sample, to: Any) -> np.ndarray:
    family = recognise(sample.dims)
    draws, pivot = _draws_and_pivot(sample, sample.labelled if family is None else list(family.dims), to)
    return _where_finite(
        draws, sample.sizes[2], lambda finite: by_parameters(family, finite, pivot, sample.anchored)
    )


def _by_rows(rule: Callable[[Classified, Params], np.ndarray]) -> "Method":
    """Make a method from a rule that compares how draws and pivot classify the rows."""

    def method(sample: Sample, to: Any) -> np.ndarray:
        spec, data = sample.classified()
        draws, pivot = _draws_and_pivot(sample, list(spec.dims), to)
        return _where_finite(
            draws,
            spec.n_components,
            lambda finite: rule(Classified(spec, data, finite, sample.anchored), pivot),
        )

    return method


def _by_key(sample: Sample, to: Any) -> np.ndarray:
    key = sample.keyed(to) if callable(to) else _entry(sample, to)
    if not isinstance(key, xr.DataArray) or set(key.dims) != {"chain", "draw", "cluster"}:
        raise InputError("a key must give one number per cluster: a DataArray with dims chain, draw, cluster")
    k = sample.sizes[2]
    free = np.setdiff1d(np.arange(k), sample.anchored)

    def ascending(finite: Mapping[str, Array]) -> np.ndarray:
        order = np.tile(np.arange(k), (len(finite["key"]), 1))
        order[:, free] = free[finite["key"][:, free].argsort(axis=1, kind="stable")]
        return order

    return _where_finite({"key": _stacked(key)}, k, ascending)


Method = Callable[[Sample, Any], np.ndarray]


METHODS: Mapping[str, Method] = {
    "parameters": _by_parameters,
    "ecr": _by_rows(by_allocations),
    "stephens": _by_rows(by_probabilities),
    "order": _by_key,
}
"""Methods that return orders (draws, K) of the clusters of every draw, by their names in `align`."""


def find_orders(
    tree: xr.DataTree,
    to: Any,
    method: str,
    *,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
    missing: str | None = None,
    roles: Labelled | None = None,
    dim: str | Iterable[str] | None = None,
) -> np.ndarray:
    """Order (chain, draw, cluster) that relabels every draw, by a method of `align`."""
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise InputError(f"method {method!r} is not known{did_you_mean(method, METHODS)}; use {known}")
    sample = Sample(tree, spec, X, weights, missing, roles or Labelled.of(tree, dim))
    if not sample.labelled:
        likely = suggested(sample.posterior)
        raise InputError(
            "no posterior variable has a dim named 'cluster', and the tree does not say which axis is the "
            "clusters'; pass model=, the pymc.Model that was sampled, or name the dims"
            + (f", such as dim={list(likely)}" if likely else ", dim=...")
        )
    if to is None and METHODS[method] is not _by_key:
        to = _densest(sample)
    try:
        return METHODS[method](sample, to).reshape(sample.sizes)
    except np.linalg.LinAlgError:
        raise InputError("covariances of the pivot or of a draw are not positive definite") from None


def _densest(sample: Sample) -> dict[str, Array]:
    """Draw of the highest log density, as a pivot; a tree without densities is refused."""
    density = log_density_of(sample.tree)
    if density is None:
        raise InputError(
            "the tree records no log density, so that no draw can serve as pivot: give parameters to align to"
        )
    finite = density.where(np.isfinite(density), -np.inf).transpose("chain", "draw").values
    chain, draw = np.unravel_index(int(finite.argmax()), finite.shape)
    one = sample.posterior.isel(chain=int(chain), draw=int(draw))
    return {str(name): v.values for name, v in one.data_vars.items()}


def _draws_and_pivot(sample: Sample, names: list[str], to: Any) -> tuple[dict[str, Array], dict[str, Array]]:
    """Draws along one axis, and the pivot, of some variables."""
    if not isinstance(to, Mapping):
        raise InputError(f"to must be parameters of a pivot, such as em.params, got {type(to).__name__}")
    to = sample.roles.joined(to)
    missing = [name for name in names if name not in to]
    if missing:
        raise InputError(f"the pivot lacks {', '.join(missing)}; pass parameters of the same model")
    posterior = sample.posterior
    draws = {name: _stacked(posterior[name]) for name in names}
    return draws, {name: _pivot(posterior[name], to[name]) for name in names}


def _where_finite(
    draws: Mapping[str, Array], n_components: int, relabel: Callable[[dict[str, Array]], np.ndarray]
) -> np.ndarray:
    """Orders of the finite draws; a draw that is not finite keeps its labels."""
    n_draws = len(next(iter(draws.values())))
    numbers = [np.isfinite(x).reshape(n_draws, -1).all(axis=1) for x in draws.values()]
    matched = np.flatnonzero(np.all(numbers, axis=0))
    order = np.tile(np.arange(n_components), (n_draws, 1))
    if len(matched):
        order[matched] = relabel({name: x[matched] for name, x in draws.items()})
    return order


def _entry(sample: Sample, key: Any) -> xr.DataArray:
    """Quantity named by a key such as "alpha" or "mu[waiting]"."""
    inner = {name: tuple(dim for dim in dims if dim != "cluster") for name, dims in sample.dims.items()}
    posterior = sample.posterior
    found = entries(
        {name: tuple(posterior.sizes[dim] for dim in inner[name]) for name in sample.labelled},
        inner,
        labels_in(posterior),
    )
    if key not in found:
        raise InputError(
            f"no key {key!r}{did_you_mean(str(key), found)}; keys are {', '.join(list(found)[:8])}, "
            "or a function of the posterior"
        )
    name, index = found[key]
    return posterior[name].isel(dict(zip(inner[name], index, strict=True)))


def _stacked(variable: xr.DataArray) -> Array:
    """Draws along one axis, the cluster axis (if there is one) next."""
    values = variable.transpose("chain", "draw", *_cluster_first(variable)).values
    return values.reshape(-1, *values.shape[2:]).astype(np.float64)


def _pivot(variable: xr.DataArray, value: Any) -> Array:
    """Value of the pivot, with its axes in the order of the stacked draws."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    array = np.asarray(value, dtype=np.float64)
    shape = tuple(variable.sizes[dim] for dim in dims)
    if array.shape != shape:
        raise InputError(f"the pivot's {variable.name} has shape {array.shape}; in the tree it has {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"the pivot's {variable.name} is not finite")
    return array.transpose([dims.index(dim) for dim in _cluster_first(variable)])


def _cluster_first(variable: xr.DataArray) -> list[Any]:
    """Dims of one draw, with the cluster first."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    return sorted(dims, key=lambda dim: dim != "cluster")
