"""Results as xarray DataTrees with the dims that ArviZ plots and tables read."""

from collections.abc import Mapping, Sequence
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

__all__ = ["make_tree", "point_tree"]


def make_tree(
    groups: Mapping[str, Mapping[str, Any]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
) -> xr.DataTree:
    """DataTree of groups of arrays; sampled groups have leading axes (chain, draw).

    Parameters
    ----------
    groups : dict of dict of ndarray
        Arrays by group and name.
    dims : dict of sequence of str
        Dims of each variable, without chain and draw.
    coords : dict
        Coordinate values of the dims.

    Returns
    -------
    xarray.DataTree
        The tree.
    """
    used = {dim for group in groups.values() for name in group for dim in dims.get(name, ())}
    return az.from_dict(
        {group: dict(variables) for group, variables in groups.items()},
        dims={name: list(d) for name, d in dims.items() if d},
        coords={dim: np.asarray(value) for dim, value in coords.items() if dim in used},
    )


def point_tree(
    params: Mapping[str, Any], dims: Mapping[str, Sequence[str]], features: Sequence[str]
) -> xr.DataTree:
    """One-draw tree of a point estimate, to plot beside a posterior."""
    coords = {"cluster": np.arange(len(params["alpha"])), "feature": features, "feature_bis": features}
    return make_tree({"posterior": {name: np.asarray(x)[None, None] for name, x in params.items()}}, dims, coords)
