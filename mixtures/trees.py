"""Results as xarray DataTrees with the dims that ArviZ's plots and tables use."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["draws_tree", "entries", "make_tree", "permutation", "point_tree", "sampler_stats"]

SAMPLE_DIMS = ("chain", "draw")


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
        # a density lacks the last dims of its variable
        arrays = {
            name: _array(name, x, (*leading, *list(dims.get(name, ()))[: np.ndim(x) - len(leading)]), coords)
            for name, x in variables.items()
        }
        tree[group] = xr.DataTree(xr.Dataset(arrays, attrs=_origin(leading)))
    return tree


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
    params: Mapping[str, Any], dims: Mapping[str, Sequence[str]], features: Sequence[str]
) -> xr.DataTree:
    """One-draw tree of a point estimate, to plot beside a posterior."""
    return draws_tree({name: np.asarray(x)[None, None] for name, x in params.items()}, dims, features)


def draws_tree(
    draws: Mapping[str, Any], dims: Mapping[str, Sequence[str]], features: Sequence[str]
) -> xr.DataTree:
    """Tree of a mixture's parameters (chain, draw, ...)."""
    clusters = np.arange(draws["alpha"].shape[2])
    coords = {"cluster": clusters, "feature": features, "feature_bis": features}
    return make_tree({"posterior": draws}, dims, coords)


def entries(
    shapes: Mapping[str, tuple[int, ...]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Sequence[Any]],
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return every entry of the parameters by its label; symmetric matrices give their lower triangle.

    Examples
    --------
    >>> shapes, dims = {"alpha": (2,), "p": (2, 1)}, {"alpha": ["cluster"], "p": ["cluster", "feature"]}
    >>> list(entries(shapes, dims, {"feature": ["heads"]}))
    ['alpha[0]', 'alpha[1]', 'p[0, heads]', 'p[1, heads]']
    """
    found = {}
    for name, shape in shapes.items():
        own = tuple(dims.get(name, ()))
        axes = [coords.get(dim) or range(n) for dim, n in zip(own, shape, strict=False)]
        axes = axes or [range(n) for n in shape]
        symmetric = own[-2:] == ("feature", "feature_bis")
        for index in np.ndindex(*shape):
            if not (symmetric and index[-1] > index[-2]):
                inside = ", ".join(str(axis[i]) for axis, i in zip(axes, index, strict=True))
                found[f"{name}[{inside}]" if inside else name] = (name, index)
    return found


def permutation(tree: xr.DataTree) -> np.ndarray | None:
    """Raw label of each aligned one (chain, draw, cluster); None if the tree is not aligned."""
    if "sample_stats" not in tree.children or "permutation" not in tree["sample_stats"].data_vars:
        return None
    return np.asarray(tree["sample_stats"]["permutation"].transpose("chain", "draw", "cluster"))


def sampler_stats(tree: xr.DataTree) -> xr.Dataset:
    """What the sampler recorded; empty if it recorded nothing."""
    return tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()
