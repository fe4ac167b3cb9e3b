"""Results as xarray DataTrees with the dims that ArviZ's plots and tables use."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind
from mixtures.errors import InputError
from mixtures.types import LEVELS

__all__ = [
    "ANCHORED",
    "SUM_ROUNDING",
    "check_sample",
    "draws_tree",
    "feature_dims",
    "feature_labels",
    "group_of",
    "item_dim",
    "labels_along",
    "labels_in",
    "level_table",
    "levels_in",
    "log_density_of",
    "make_tree",
    "permutation",
    "point_tree",
    "sampler_stats",
    "sorted_sample",
    "with_levels",
]

SAMPLE_DIMS = ("chain", "draw")


SUM_ROUNDING = 1e-5
"""Weights sum to one up to this; some samplers store 32-bit floats."""


ANCHORED = "anchored_clusters"
"""Attribute of a tree: clusters that have labelled rows, which no alignment moves."""


def check_sample(tree: Any) -> None:
    """Refuse what is not a posterior sample with chains and draws, such as what ``isel(draw=0)`` leaves."""
    check_kind(xr.DataTree, "a posterior sample, an xarray.DataTree", tree=tree)
    if "posterior" not in tree.children:
        raise InputError("the tree has no group posterior; give a sample")
    posterior = tree["posterior"].to_dataset()
    for dim in SAMPLE_DIMS:
        if dim not in posterior.dims:
            stacked = posterior[dim].dims if dim in posterior.coords else ()
            kept = f"unstack {stacked[0]}" if stacked else f"keep it by a list, as in tree.isel({dim}=[0])"
            raise InputError(f"the posterior has no dim {dim}; a sample has dims chain and draw: {kept}")
        if not posterior.sizes[dim]:
            raise InputError(f"the posterior has no {dim}s: give a sample with one at least")


def sorted_sample(tree: xr.DataTree) -> xr.DataTree:
    """Checked sample whose order somebody may have changed by ``isel``.

    Chains and draws come first, which they do not after ``unstack``. Both sides of matrices have the columns
    in the same order, and clusters that are numbered are in the order of their numbers, unless they are
    those of a user's model. A tree in order is returned itself; of
    another, only the groups that were not in order are new.
    """
    check_sample(tree)
    groups = {name: group.to_dataset() for name, group in tree.children.items()}
    ordered = {
        name: _sorted_group(group, clusters="labels" not in tree.attrs) for name, group in groups.items()
    }
    moved = {name: group for name, group in ordered.items() if group is not groups[name]}
    if not moved:
        return tree
    new = tree.copy()
    for name, group in moved.items():
        new[name].dataset = group
    return new


def _sorted_group(group: xr.Dataset, *, clusters: bool) -> xr.Dataset:
    new = group
    dims = (x.dims for x in group.data_vars.values() if {*SAMPLE_DIMS} <= {*x.dims})
    if any(own[:2] != SAMPLE_DIMS for own in dims):
        new = new.transpose(*SAMPLE_DIMS, ...)
    for bis in (dim for dim in map(str, group.dims) if dim.endswith("_bis") and dim in group.coords):
        dim = bis.removesuffix("_bis")
        rows, columns = (list(group[d].values) if d in group.coords else [] for d in (dim, bis))
        if dim not in group.dims or not rows or rows == columns:
            continue
        both = set(rows) & set(columns)
        if len(rows) != len(columns) or 0 < len(both) < len(rows):
            raise InputError(
                f"matrices of the sample have columns {', '.join(map(str, rows))} along {dim} and "
                f"{', '.join(map(str, columns))} along {bis}: select the same along both"
            )
        if both:  # else the two sides have labels of their own
            new = new.isel({bis: [columns.index(name) for name in rows]})
    if clusters and "cluster" in group.dims and "cluster" in group.coords:
        numbers = group["cluster"].values
        own = np.arange(len(numbers))
        if numbers.dtype.kind in "iuf" and not np.array_equal(numbers, own):
            order = np.argsort(numbers)
            new = new.isel(cluster=order) if np.array_equal(numbers[order], own) else new
    return new


def make_tree(
    groups: Mapping[str, Mapping[str, Any]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
) -> xr.DataTree:
    """Make a DataTree of groups of arrays; all but observed_data have leading axes (chain, draw).

    Parameters
    ----------
    groups : dict of dict of ndarray
        Arrays by group and name.
    dims : dict of sequence of str
        Dims of each variable, without chain and draw; a group of densities has
        the first of them.
    coords : dict
        Coordinate values of the dims.

    Returns
    -------
    xarray.DataTree
        The tree.
    """
    tree = xr.DataTree()
    for group, variables in groups.items():
        leading = () if group == "observed_data" else SAMPLE_DIMS
        tree[group] = group_of(variables, dims, coords, leading)
    return tree


def group_of(
    variables: Mapping[str, Any],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
    leading: Sequence[str],
) -> xr.DataTree:
    """Group of arrays, all with these leading axes; a density lacks the last dims of its variable."""
    arrays = {
        name: _array(name, x, (*leading, *list(dims.get(name, ()))[: np.ndim(x) - len(leading)]), coords)
        for name, x in variables.items()
    }
    dataset = xr.Dataset(arrays, attrs=_origin(leading))
    if "feature" in coords and "feature" not in dataset.dims and feature_dims(dataset.dims):
        dataset = dataset.assign_coords(feature=("feature", np.asarray(list(coords["feature"]))))
    if (item := item_dim(dataset)) and LEVELS in coords:
        known = zip(labels_along(dataset, item), coords[LEVELS], strict=True)
        dataset = with_levels(dataset, {name: own for name, own in known if own is not None})
    return xr.DataTree(dataset)


def feature_dims(dims: Iterable[Any]) -> list[str]:
    """Dims whose labels are columns of the data: of all, or of those of one kind.

    Examples
    --------
    >>> feature_dims(["chain", "cluster", "feature_gaussian", "feature_gaussian_bis"])
    ['feature_gaussian', 'feature_gaussian_bis']
    """
    return [str(dim) for dim in dims if str(dim) == "feature" or str(dim).startswith("feature_")]


def feature_labels(dataset: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Names of the columns along every dim of columns that has labels."""
    return {dim: tuple(map(str, dataset[dim].values)) for dim in feature_dims(dataset.coords)}


def item_dim(dataset: xr.Dataset) -> str | None:
    """Dim of the columns whose levels are along the dim category, if there are such."""
    for variable in dataset.data_vars.values():
        if "category" in variable.dims and (own := feature_dims(variable.dims)):
            return own[-1]
    return None


def labels_in(dataset: xr.Dataset) -> dict[str, Any]:
    """Labels along every dim of a group, and those of the levels of each feature if it has them."""
    labels: dict[str, Any] = {
        str(dim): list(dataset[dim].values) for dim in dataset.dims if dim in dataset.coords
    }
    if (item := item_dim(dataset)) and (levels := levels_in(dataset)):
        codes = tuple(map(str, range(dataset.sizes["category"])))
        labels[LEVELS] = tuple(levels.get(name, codes) for name in labels_along(dataset, item))
    return labels


def with_levels(dataset: xr.Dataset, levels: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    """Keep the labels of each item's levels, by the item's name, as an attribute of the dim category.

    They are not a coordinate: ArviZ's tables want every coordinate in every variable.
    """
    if not levels:
        return dataset
    texts = {name: list(map(str, own)) for name, own in levels.items()}
    category = xr.Variable("category", dataset["category"].values, {LEVELS: json.dumps(texts)})
    return dataset.assign_coords(category=category)


def levels_in(dataset: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Labels of each item's levels, by the item's name; empty if the group does not hold them.

    Samples of earlier versions have them as a coordinate level (item, category).

    Examples
    --------
    >>> p = xr.DataArray([[0.2, 0.8]], {"feature": ["ill"], "category": [0, 1]})
    >>> one = xr.Dataset({"p": p})
    >>> levels_in(with_levels(one, {"ill": ("no", "yes")}))
    {'ill': ('no', 'yes')}
    """
    item = item_dim(dataset)
    if item and "level" in dataset.coords:
        rows = dataset["level"].transpose(item, "category").values
        own = zip(labels_along(dataset, item), rows, strict=True)
        return {name: _to_the_last(map(str, row)) for name, row in own}
    kept = dataset["category"].attrs.get(LEVELS) if "category" in dataset.coords else None
    if kept is None:
        return {}
    levels = {str(name): list(own) for name, own in json.loads(kept).items()}
    there = dataset["category"].values.ravel().tolist()  # some, or in another order, after a selection
    texts = tuple(map(str, there))
    if all(set(texts) <= set(own) for own in levels.values()) and len(set(map(tuple, levels.values()))) == 1:
        return dict.fromkeys(levels, texts)  # the coordinate has the labels, which all items share
    codes = there if all(isinstance(code, int) for code in there) else range(len(there))
    return {
        name: _to_the_last(own[code] if code < len(own) else "" for code in codes)
        for name, own in levels.items()
    }


def _to_the_last(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels without the empty ones at the end, of levels that an item does not have."""
    found = list(labels)
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def level_table(dataset: xr.Dataset, item: str, known: xr.Dataset | None = None) -> np.ndarray:
    """Labels (item, category) of the levels, or their codes; empty text where an item has no such level.

    They are those of another group of the same items, where that is given.
    """
    levels = levels_in(dataset if known is None else known)
    codes = labels_along(dataset, "category")
    rows = [levels.get(name, codes) for name in labels_along(dataset, item)]
    return np.array([[*own, *[""] * (len(codes) - len(own))] for own in rows])


def labels_along(dataset: xr.Dataset | xr.DataArray, dim: str) -> list[str]:
    """Labels along a dim as text, or positions where it has none."""
    labels = dataset[dim].values if dim in dataset.coords else range(dataset.sizes[dim])
    return list(map(str, labels))


def _array(name: str, values: Any, dims: Sequence[str], coords: Mapping[str, Any]) -> xr.DataArray:
    """Array with a coordinate for every dim; dims without a name are named after the variable."""
    values = np.asarray(values)
    named = [*dims, *(f"{name}_dim_{i}" for i in range(values.ndim - len(dims)))]
    labels = {
        dim: np.asarray(coords[dim]) if dim in coords else np.arange(n)
        for dim, n in zip(named, values.shape, strict=True)
    }
    return xr.DataArray(values, labels, named)


def _origin(leading: Sequence[str]) -> dict[str, Any]:
    """Attributes that ArviZ's schema requires of a group."""
    return {
        "created_at": datetime.now(UTC).isoformat(),
        "creation_library": "mixtures",
        "creation_library_version": version("pymc-mixtures"),
        "creation_library_language": "Python",
        "sample_dims": list(leading),
    }


def point_tree(
    params: Mapping[str, Any],
    dims: Mapping[str, Sequence[str]],
    features: Sequence[str],
    labels: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """One-draw tree of a point estimate, to plot beside a posterior."""
    draws = {name: np.asarray(x)[None, None] for name, x in params.items()}
    return draws_tree(draws, dims, features, labels)


def draws_tree(
    draws: Mapping[str, Any],
    dims: Mapping[str, Sequence[str]],
    features: Sequence[str],
    labels: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """Tree of a mixture's parameters (chain, draw, ...), with more labels of dims if given."""
    clusters = np.arange(draws["alpha"].shape[2])
    coords = {"cluster": clusters, "feature": features, "feature_bis": features, **(labels or {})}
    return make_tree({"posterior": draws}, dims, coords)


def permutation(tree: xr.DataTree) -> np.ndarray | None:
    """Raw label of each aligned one (chain, draw, cluster); None if the tree is not aligned."""
    if "sample_stats" not in tree.children or "permutation" not in tree["sample_stats"].data_vars:
        return None
    stored = tree["sample_stats"]["permutation"]
    whole = set(stored.dims) == {*SAMPLE_DIMS, "cluster"}
    values = np.asarray(stored.transpose(*SAMPLE_DIMS, "cluster")) if whole else np.empty(0)
    if not whole or (np.sort(values, axis=-1) != np.arange(stored.sizes["cluster"])).any():
        raise InputError(
            "the permutation in sample_stats does not hold every cluster once: select clusters from results, "
            "not from the sample that is given"
        )
    return values.astype(int)  # 32-bit floats where the whole tree was made so


def sampler_stats(tree: xr.DataTree) -> xr.Dataset:
    """What the sampler recorded; empty if it recorded nothing."""
    return tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()


def log_density_of(tree: xr.DataTree) -> xr.DataArray | None:
    """Log posterior density of every draw (chain, draw), as the sampler recorded it; None if it did not.

    PyMC and BlackJAX call it ``lp`` and nutpie ``logp``.
    """
    stats = sampler_stats(tree)
    return next((stats[name] for name in ("lp", "logp") if name in stats), None)
