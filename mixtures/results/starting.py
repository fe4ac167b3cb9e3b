"""A fit as a start for another: its parameters, with the columns in the order of the new model."""

from typing import Any

import numpy as np

from mixtures.data.matching import places
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.messages import named
from mixtures.types import LEVELS, Array

__all__ = ["start_of"]


def start_of(spec: Mixture, start: Any) -> Any:
    """Parameters of a fit for a model that knows its columns; any other start as it is.

    Whatever has ``spec`` and ``params`` counts as a fit, so that EM need not load `MAPFit`.

    Raises
    ------
    InputError
        If the fit is of another kind of model, of other columns, or of other levels of a column.
    """
    other, own = getattr(start, "spec", None), spec.features or ()
    if not isinstance(other, Mixture):
        return start
    if type(other) is not type(spec) or other.dims != spec.dims:
        raise InputError(f"start is a fit of {other!r}; the model is {spec!r}")
    old, new = other.coords(other.features or own), spec.coords(own)
    _check_levels(spec, old, new)
    return {name: _moved(start.params[name], dims, old, new) for name, dims in spec.dims.items()}


def _moved(x: Array, dims: tuple[str, ...], old: dict[str, Any], new: dict[str, Any]) -> Array:
    for axis, dim in enumerate(dims):
        if dim.startswith("feature"):
            order = places(tuple(old[dim]), tuple(new[dim]), what="start has", whose="the model is")
            x = np.take(x, order, axis=axis)
    return x


def _check_levels(spec: Mixture, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse other levels of a column: the probabilities would be those of other answers."""
    for dims in spec.dims.values():
        if dims[-1:] != ("category",):
            continue
        known = dict(zip(old[dims[-2]], old[LEVELS], strict=True))
        for column, levels in zip(new[dims[-2]], new[LEVELS], strict=True):
            if column in known and None not in (known[column], levels) and known[column] != levels:
                raise InputError(
                    f"start has the levels {known[column]} of column {named(column)}, the data {levels}: "
                    "state levels= in both models"
                )
