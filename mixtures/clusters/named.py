"""Which dims of a posterior sample index clusters, by their names or by the weights along them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from mixtures.errors import InputError
from mixtures.messages import did_you_mean
from mixtures.trees import SUM_ROUNDING

__all__ = ["as_names", "axes_along", "cluster_dims", "inner", "suggested"]

CLUSTER = "cluster"
"""Dim of clusters in this package."""


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def inner(variable: xr.DataArray) -> tuple[Any, ...]:
    """Dims of one draw."""
    return tuple(dim for dim in variable.dims if dim not in ("chain", "draw"))


def axes_along(posterior: xr.Dataset, named: tuple[str, ...]) -> dict[str, int]:
    """Axis, not counting chain and draw, of every variable that has one of these dims.

    Raises
    ------
    InputError
        If a dim is unknown, the dims differ in length, or a variable has two of them.
    """
    own = {str(name): inner(variable) for name, variable in posterior.data_vars.items()}
    for dim in named:
        if dim not in posterior.dims:
            known = sorted({str(d) for dims in own.values() for d in dims})
            raise InputError(
                f"the posterior has no dim {dim!r}{did_you_mean(dim, known)}; its dims are {', '.join(known)}"
            )
    lengths = {dim: posterior.sizes[dim] for dim in named}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{dim} {length}" for dim, length in lengths.items())
        raise InputError(f"dims of the same clusters have the same length; these have {words}")
    axes = {}
    for name, dims in own.items():
        found = [axis for axis, dim in enumerate(dims) if dim in named]
        if len(found) > 1:
            raise InputError(f"{name} has two dims of clusters, {', '.join(dims[axis] for axis in found)}")
        if found:
            axes[name] = found[0]
    return axes


def cluster_dims(posterior: xr.Dataset) -> tuple[str, ...]:
    """Dims that index clusters: ``cluster``, or else the one named dim along which weights sum to one.

    A dim that PyMC numbered, such as ``w_dim_0``, belongs to one variable, so that it does not show which
    other variables have clusters; it is not taken.
    """
    if CLUSTER in posterior.dims:
        return (CLUSTER,)
    found = {dim for name, dim in _of_weights(posterior) if dim != f"{name}_dim_0"}
    return tuple(found) if len(found) == 1 else ()


def suggested(posterior: xr.Dataset) -> tuple[str, ...]:
    """Dims that may index clusters where none is known: as long as the weights, or as several others are."""
    weights = _of_weights(posterior)
    if not weights:
        return ()
    k = posterior.sizes[weights[0][1]]
    return tuple(
        dict.fromkeys(
            str(dim) for v in posterior.data_vars.values() for dim in inner(v) if posterior.sizes[dim] == k
        )
    )


def _of_weights(posterior: xr.Dataset) -> list[tuple[str, str]]:
    """Variables that are weights in every draw, each with its dim."""
    found = []
    for name, variable in posterior.data_vars.items():
        dims = inner(variable)
        if len(dims) == 1 and variable.sizes[dims[0]] > 1 and variable.dtype.kind == "f":
            total = variable.sum(dims[0])
            if (variable >= 0).all() and bool((np.abs(total - 1) < SUM_ROUNDING).all()):
                found.append((str(name), str(dims[0])))
    return found
