"""Labels of clusters: which cluster of one draw is which of another.

A mixture's likelihood does not know the labels of its clusters, so EM, MAP and
every posterior draw carry their own. `align` gives the draws of a DataTree one
set of labels, by any of the rules in `mixtures.relabelling` or by a key;
`unalign` gives them back the ones they were drawn with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from mixtures.data import Data, did_you_mean
from mixtures.errors import InputError
from mixtures.families import Mixture, Params, recognise, recognise_mixture
from mixtures.families.sampled import features_of
from mixtures.priors import Array
from mixtures.relabelling import Classified, by_allocations, by_parameters, by_probabilities
from mixtures.trees import entries

__all__ = ["METHODS", "align", "find_orders", "permutation", "unalign"]


@dataclass(frozen=True, eq=False)
class Sample:
    """A posterior sample to relabel, with what a method may ask of its model."""

    tree: xr.DataTree
    spec: Mixture | None
    X: Any
    weights: Any

    @cached_property
    def posterior(self) -> xr.Dataset:
        """The draws."""
        return self.tree["posterior"].to_dataset()

    @cached_property
    def labelled(self) -> list[str]:
        """Variables that have clusters."""
        return [str(name) for name, v in self.posterior.data_vars.items() if "cluster" in v.dims]

    @cached_property
    def dims(self) -> dict[str, tuple[Any, ...]]:
        """Dims of every variable, without chain and draw."""
        return {str(name): v.dims[2:] for name, v in self.posterior.data_vars.items()}

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Chains, draws, clusters."""
        chains, draws, clusters = (self.posterior.sizes[dim] for dim in ("chain", "draw", "cluster"))
        return chains, draws, clusters

    def classified(self) -> tuple[Mixture, Data]:
        """Model and rows, for methods that look at how the rows are classified."""
        spec = self.spec or recognise_mixture(self.dims, self.sizes[2])
        if spec is None:
            raise InputError("this posterior is not of a GMM or BMM: give the model, spec=...")
        if spec.n_components != self.sizes[2] or any(self.dims.get(n) != d for n, d in spec.dims.items()):
            raise InputError(f"the tree does not hold draws of {spec!r}; give the model that was sampled")
        X = _observed(self.tree) if self.X is None else self.X
        data = spec.of(features_of(self.tree), whose="the posterior is").read(X, self.weights).compressed
        for name, shape in spec.shapes(data.n_features).items():
            if self.posterior[name].shape[2:] != shape:
                raise InputError(f"X has {data.n_features} columns; the tree's {name} is of others")
        return spec, data


def _observed(tree: xr.DataTree) -> np.ndarray:
    """Rows that the tree itself holds."""
    group = tree["observed_data"].to_dataset() if "observed_data" in tree.children else xr.Dataset()
    tables = [v for v in group.data_vars.values() if v.ndim == 2]
    if len(tables) != 1:
        raise InputError("the tree's observed_data hold no one table of rows: give the data, X=...")
    return np.asarray(tables[0].values)


def _by_parameters(sample: Sample, to: Any) -> np.ndarray:
    family = recognise(sample.dims)
    draws, pivot = _draws_and_pivot(sample, sample.labelled if family is None else list(family.dims), to)
    return _where_finite(draws, sample.sizes[2], lambda finite: by_parameters(family, finite, pivot))


def _by_rows(rule: Callable[[Classified, Params], np.ndarray]) -> "Method":
    """Method by a rule that looks at how draws and pivot classify the rows."""

    def method(sample: Sample, to: Any) -> np.ndarray:
        spec, data = sample.classified()
        draws, pivot = _draws_and_pivot(sample, list(spec.dims), to)
        return _where_finite(
            draws, spec.n_components, lambda finite: rule(Classified(spec, data, finite), pivot)
        )

    return method


def _by_key(sample: Sample, to: Any) -> np.ndarray:
    key = to(sample.posterior) if callable(to) else _entry(sample, to)
    if not isinstance(key, xr.DataArray) or set(key.dims) != {"chain", "draw", "cluster"}:
        raise InputError("a key must give one number a cluster: a DataArray with dims chain, draw, cluster")
    return _where_finite(
        {"key": _stacked(key)}, sample.sizes[2], lambda finite: finite["key"].argsort(axis=1, kind="stable")
    )


Method = Callable[[Sample, Any], np.ndarray]

METHODS: Mapping[str, Method] = {
    "parameters": _by_parameters,
    "ecr": _by_rows(by_allocations),
    "stephens": _by_rows(by_probabilities),
    "order": _by_key,
}
"""Orders (draws, K) of the clusters of every draw, by the name that `align` takes."""


def find_orders(
    tree: xr.DataTree,
    to: Any,
    method: str,
    *,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
) -> np.ndarray:
    """Order (chain, draw, cluster) that relabels every draw, by a method of `align`."""
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise InputError(f"method {method!r} is not known{did_you_mean(method, METHODS)}; use {known}")
    sample = Sample(tree, spec, X, weights)
    if not sample.labelled:
        raise InputError("no posterior variable has a dim named 'cluster'; give the cluster axis that name")
    return METHODS[method](sample, to).reshape(sample.sizes)


def align(
    tree: xr.DataTree,
    to: Mapping[str, Any] | str | Callable[[xr.Dataset], xr.DataArray],
    method: str = "parameters",
    *,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
) -> xr.DataTree:
    """Relabel the clusters of every posterior draw, so that a label means one cluster throughout.

    Every variable with a ``cluster`` dim is permuted. Where clusters are well
    apart all methods give the same labels; where they overlap, summaries of
    clusters depend on the method (see `compare_labellings`).

    Parameters
    ----------
    tree : xarray.DataTree
        A posterior with dims (chain, draw, ...) and ``cluster``.
    to : dict of ndarray, str or callable
        What the labels agree with. Parameters of the pivot, such as
        ``em.params``; with ``method="order"`` a key: the name of a quantity with
        one number a cluster, such as ``"alpha"`` or ``"mu[waiting]"`` (or
        ``"mu[0]"`` where features have no names), or a function of the posterior
        Dataset that returns such a DataArray.
    method : {"parameters", "ecr", "stephens", "order"}, default "parameters"
        How draws are matched. By parameters: least total symmetric
        Kullback-Leibler divergence between components, which no change of units
        alters (standardised distances in a model that is not one of this
        package's). ECR: most rows stay in the cluster where the pivot has them.
        Stephens: the rows' classification probabilities come closest to their
        mean over the draws. Order: the key ascends with the label.
    spec : GMM or BMM, optional
        The model, for ECR and Stephens; told from the tree where it is this package's.
    X : array_like or frame, shape (n, D), optional
        The data, for ECR and Stephens; by default the tree's ``observed_data``.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows.

    Returns
    -------
    xarray.DataTree
        A new tree; ``sample_stats`` holds ``permutation (chain, draw, cluster)``,
        the raw label behind each aligned one.

    Raises
    ------
    InputError
        If no variable has a ``cluster`` dim, the pivot lacks a variable, the key
        is not one number a cluster, or the model or the data are missing.

    References
    ----------
    Stephens (2000), *JRSS B* 62; Papastamoulis and Iliopoulos (2010), *J. Comput.
    Graph. Stat.* 19; Papastamoulis (2016), *J. Stat. Software* 69.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> tree = mx.align(em.to_datatree(), to=em.params)
    >>> tree["sample_stats"]["permutation"].values.tolist()
    [[[0, 1]]]
    >>> by_waiting = mx.align(tree, to="mu[waiting]", method="order")
    >>> by_waiting["posterior"]["mu"].sel(feature="waiting").values.round().tolist()
    [[[54.0, 80.0]]]
    >>> tree = mx.align(tree, to=em.params, method="stephens", X=X)
    """
    return _permute(tree, find_orders(tree, to, method, spec=spec, X=X, weights=weights))


def unalign(tree: xr.DataTree) -> xr.DataTree:
    """Restore the labels that the sampler drew.

    Parameters
    ----------
    tree : xarray.DataTree
        An aligned tree.

    Returns
    -------
    xarray.DataTree
        A new tree with raw labels and without ``permutation``.

    Raises
    ------
    InputError
        If the tree is not aligned.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> raw = mx.unalign(mx.align(em.to_datatree(), to=em.params))
    """
    stored = permutation(tree)
    if stored is None:
        raise InputError("this tree is not aligned: its sample_stats hold no permutation")
    tree = _permute(tree, np.argsort(stored, axis=-1))
    stats = tree["sample_stats"].to_dataset().drop_vars("permutation")
    if all("cluster" not in v.dims for v in stats.data_vars.values()):
        stats = stats.drop_vars("cluster", errors="ignore")
    tree["sample_stats"] = xr.DataTree(stats)
    if not stats.data_vars:
        del tree["sample_stats"]
    return tree


def permutation(tree: xr.DataTree) -> np.ndarray | None:
    """Raw label behind each aligned one (chain, draw, cluster); None if the tree is not aligned."""
    if "sample_stats" not in tree.children or "permutation" not in tree["sample_stats"].data_vars:
        return None
    return np.asarray(tree["sample_stats"]["permutation"].transpose("chain", "draw", "cluster"))


def _draws_and_pivot(sample: Sample, names: list[str], to: Any) -> tuple[dict[str, Array], dict[str, Array]]:
    """Draws along one axis, and the pivot, of some variables."""
    if not isinstance(to, Mapping):
        raise InputError(f"to must be parameters of a pivot, such as em.params, got {type(to).__name__}")
    missing = [name for name in names if name not in to]
    if missing:
        raise InputError(f"the pivot lacks {', '.join(missing)}; pass parameters of the same model")
    posterior = sample.posterior
    draws = {name: _stacked(posterior[name]) for name in names}
    return draws, {name: _pivot(posterior[name], to[name]) for name in names}


def _where_finite(
    draws: Mapping[str, Array], n_components: int, relabel: Callable[[dict[str, Array]], np.ndarray]
) -> np.ndarray:
    """Orders of the draws that are finite; one that is not keeps its own labels."""
    n_draws = len(next(iter(draws.values())))
    numbers = [np.isfinite(x).reshape(n_draws, -1).all(axis=1) for x in draws.values()]
    matched = np.flatnonzero(np.all(numbers, axis=0))
    order = np.tile(np.arange(n_components), (n_draws, 1))
    if len(matched):
        order[matched] = relabel({name: x[matched] for name, x in draws.items()})
    return order


def _entry(sample: Sample, key: Any) -> xr.DataArray:
    """Quantity that a key names: "alpha", "mu[waiting]"."""
    inner = {name: tuple(dim for dim in dims if dim != "cluster") for name, dims in sample.dims.items()}
    posterior, coords = sample.posterior, sample.posterior.coords
    found = entries(
        {name: tuple(posterior.sizes[dim] for dim in inner[name]) for name in sample.labelled},
        inner,
        {str(dim): list(coords[dim].values) for dims in inner.values() for dim in dims if dim in coords},
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
    """Value of the pivot, its axes in the order of the stacked draws."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    array = np.asarray(value, dtype=np.float64)
    shape = tuple(variable.sizes[dim] for dim in dims)
    if array.shape != shape:
        raise InputError(f"the pivot's {variable.name} has shape {array.shape}; in the tree it has {shape}")
    return array.transpose([dims.index(dim) for dim in _cluster_first(variable)])


def _cluster_first(variable: xr.DataArray) -> list[Any]:
    """Dims of one draw, the cluster first."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    return sorted(dims, key=lambda dim: dim != "cluster")


def _permute(tree: xr.DataTree, order: np.ndarray) -> xr.DataTree:
    """Reorder every (chain, draw, cluster) variable, the permutation that may be there among them."""
    posterior = tree["posterior"].to_dataset()
    sampled = {
        name: group.to_dataset().map(_reordered, keep_attrs=True, order=order)
        for name, group in tree.children.items()
        if not name.startswith(("prior", "warmup"))  # draws of their own, in labels of their own
    }
    if permutation(tree) is None:
        stats = sampled.get("sample_stats", xr.Dataset())
        dims = ("chain", "draw", "cluster")
        coords = {dim: posterior.coords[dim].values for dim in dims if dim in posterior.coords}
        sampled["sample_stats"] = stats.assign_coords(coords).assign(permutation=(dims, order))
    new = tree.copy()
    for name, dataset in sampled.items():
        new[name] = xr.DataTree(dataset)
    return new


def _reordered(variable: xr.DataArray, order: np.ndarray) -> xr.DataArray:
    if not {"chain", "draw", "cluster"} <= set(variable.dims):
        return variable
    leading = variable.transpose("chain", "draw", "cluster", ...)
    index = order.reshape(*order.shape, *(1 for _ in leading.dims[3:]))
    moved = leading.copy(data=np.take_along_axis(leading.values, index, axis=2))
    return moved.transpose(*variable.dims)
