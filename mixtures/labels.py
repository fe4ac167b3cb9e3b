"""Labels of clusters: which cluster of one answer is which of another.

A mixture's likelihood does not know the labels of its clusters, so EM, MAP and
every posterior draw carry their own. Here they are matched to a pivot, by
assignment on a divergence that does not change with the units of the data.
Plain arrays first, then the DataTree shell: `align` and `unalign`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from mixtures.data import InputError
from mixtures.families import Family, Params, recognise
from mixtures.priors import Array

__all__ = ["align", "assign", "match_params", "unalign"]

DRAWS_AT_ONCE = 256
"""Draws whose pairwise divergences are held in memory at once."""


def assign(cost: Array) -> np.ndarray:
    """Cheapest assignment of clusters to pivot clusters.

    Parameters
    ----------
    cost : ndarray, shape (..., K, K)
        ``cost[..., i, j]`` of calling cluster ``i`` by the pivot's label ``j``.

    Returns
    -------
    ndarray of int, shape (..., K)
        ``order[..., j]``: the cluster that gets label ``j``; ``x[order]`` relabels.
    """
    k = cost.shape[-1]
    flat = cost.reshape(-1, k, k)
    order = flat.argmin(axis=1)
    clashes = (np.sort(order, axis=1) != np.arange(k)).any(axis=1)  # elsewhere each minimum is its own
    for s in np.flatnonzero(clashes):
        order[s] = linear_sum_assignment(flat[s].T)[1]
    return order.reshape(cost.shape[:-1])


def match_params(family: Family, params: Params, pivot: Params) -> np.ndarray:
    """Order of clusters that makes ``params (..., K, ...)`` closest to ``pivot``, shape (..., K)."""
    return assign(family.divergence(params, pivot))


def align(tree: xr.DataTree, to: Mapping[str, Any], method: str = "parameters") -> xr.DataTree:
    """Relabel the clusters of every posterior draw to agree with a pivot.

    Each draw of each chain is assigned to the pivot by the least total symmetric
    Kullback-Leibler divergence between components, which no change of units
    alters. Every variable with a ``cluster`` dim is permuted. A model that is
    not one of this package's is matched on standardised distances of all its
    variables with a ``cluster`` dim instead.

    Parameters
    ----------
    tree : xarray.DataTree
        A posterior with dims (chain, draw, ...) and ``cluster``.
    to : dict of ndarray
        Parameters of the pivot, such as ``em.params``.
    method : {"parameters"}
        How draws are matched.

    Returns
    -------
    xarray.DataTree
        A new tree; ``sample_stats`` holds ``permutation (chain, draw, cluster)``,
        the raw label behind each aligned one.

    Raises
    ------
    InputError
        If no variable has a ``cluster`` dim, or the pivot lacks a variable.

    References
    ----------
    Stephens (2000), *JRSS B* 62; Papastamoulis (2016), *J. Stat. Software* 69.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> tree = mx.align(em.to_datatree(), to=em.params)
    >>> tree["sample_stats"]["permutation"].values.tolist()
    [[[0, 1]]]
    """
    if method != "parameters":
        raise InputError(f"method {method!r} is not known; use 'parameters'")
    posterior = tree["posterior"].to_dataset()
    labelled = [str(name) for name, v in posterior.data_vars.items() if "cluster" in v.dims]
    if not labelled:
        raise InputError("no posterior variable has a dim named 'cluster'; give the cluster axis that name")
    family = recognise({str(name): v.dims[2:] for name, v in posterior.data_vars.items()})
    names = labelled if family is None else list(family.dims)
    missing = [name for name in names if name not in to]
    if missing:
        raise InputError(f"the pivot lacks {', '.join(missing)}; pass parameters of the same model")
    draws = {name: _stacked(posterior[name]) for name in names}
    pivot = {name: _pivot(posterior[name], to[name]) for name in names}
    sizes = [posterior.sizes[dim] for dim in ("chain", "draw", "cluster")]
    order = np.tile(np.arange(sizes[2]), (sizes[0] * sizes[1], 1))
    numbers = [np.isfinite(x).reshape(len(order), -1).all(axis=1) for x in draws.values()]
    matched = np.flatnonzero(np.all(numbers, axis=0))  # a draw that is not finite keeps its own labels
    if family is None:
        order[matched] = assign(_standardised_cost({k: x[matched] for k, x in draws.items()}, pivot))
    else:
        for i in range(0, len(matched), DRAWS_AT_ONCE):
            block = matched[i : i + DRAWS_AT_ONCE]
            order[block] = match_params(family, {k: x[block] for k, x in draws.items()}, pivot)
    return _permute(tree, order.reshape(sizes))


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
    stored = _permutation(tree)
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


def _permutation(tree: xr.DataTree) -> np.ndarray | None:
    if "sample_stats" not in tree.children or "permutation" not in tree["sample_stats"].data_vars:
        return None
    return np.asarray(tree["sample_stats"]["permutation"].transpose("chain", "draw", "cluster"))


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


def _standardised_cost(draws: Mapping[str, Array], pivot: Mapping[str, Array]) -> Array:
    """Squared distances (draws, K, K) over all variables, scaled by their spread over draws and clusters."""
    cost: Any = 0.0
    for name, x in draws.items():
        rows = x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))
        spread = rows.std(axis=(0, 1))
        scale = np.where(spread > 0, spread, 1.0)
        target = pivot[name].reshape(rows.shape[1:])
        cost = cost + (((rows[:, :, None] - target) / scale) ** 2).sum(axis=-1)
    return np.asarray(cost)


def _permute(tree: xr.DataTree, order: np.ndarray) -> xr.DataTree:
    """Reorder every (chain, draw, cluster) variable, the permutation that may be there among them."""
    posterior = tree["posterior"].to_dataset()
    sampled = {
        name: group.to_dataset().map(_reordered, keep_attrs=True, order=order)
        for name, group in tree.children.items()
        if not name.startswith(("prior", "warmup"))  # draws of their own, in labels of their own
    }
    if _permutation(tree) is None:
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
