"""Parameters whose axes carry the names of columns or levels: matched to the model's by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from narwhals.dependencies import is_pandas_series

from mixtures.data.matching import OF_FRAMES, has_names, places
from mixtures.errors import InputError
from mixtures.messages import shortened
from mixtures.types import LEVELS

__all__ = ["by_name"]


def by_name(value: Any, what: str, dims: Sequence[str], labels: Mapping[str, Sequence[Any]]) -> Any:
    """A parameter with its columns and levels in the model's order; one without names as it is.

    Parameters
    ----------
    value : array_like, Series, frame or DataArray
        The parameter. A frame is of the last two axes, with labels for its columns and its index; a Series
        is of the last axis, with labels for its index. A DataArray has them for coordinates; dims with
        other names are those that are left, counted from the last.
    what : str
        What it is called in messages, such as "parameter mu".
    dims : sequence of str
        Dims of its axes.
    labels : dict of sequence
        Labels along every dim.

    Raises
    ------
    InputError
        If a column of the model is missing, or there is one that it does not have.
    """
    if hasattr(value, "coords") and hasattr(value, "transpose"):
        unknown = [dim for dim in value.dims if dim not in dims]
        free = [dim for dim in dims if dim not in value.dims]
        if len(unknown) > len(free):
            return value
        value = value.rename(dict(zip(reversed(unknown), reversed(free), strict=False)))
        moved = value.transpose(*[dim for dim in dims if dim in value.dims])
        given = {dim: moved[dim].values for dim in moved.dims if dim in moved.coords}
        array = moved.values.reshape([moved.sizes.get(dim, 1) for dim in dims])
    elif hasattr(value, "columns") and len(dims) > 1:
        dims = dims[-2:]
        given, array = {dims[1]: value.columns, dims[0]: getattr(value, "index", ())}, np.asarray(value)
    elif is_pandas_series(value) and dims and value.size > 1:
        dims = dims[-1:]
        given, array = {dims[0]: value.index}, np.asarray(value)
    else:
        return value
    for axis, dim in enumerate(dims):
        if dim.startswith("feature") and dim in given and dim in labels:
            own = [str(label) for label in given[dim]]
            model = tuple(map(str, labels[dim]))
            if len(own) == 1 and not has_names(own):
                continue  # one value for all columns
            order = places(own, model, what=f"{what} has", whose="the model is")
            array = np.take(array, order, axis=axis)
        elif dim == "category" and dim in given and LEVELS in labels:
            array = np.take(
                array, _levels([str(label) for label in given[dim]], labels[LEVELS], what), axis=axis
            )
    return array


def _levels(own: Sequence[str], of_items: Sequence[Sequence[Any]], what: str) -> list[int]:
    """Positions of the levels that all items have among those given; numbers count from the first."""
    first, *others = [tuple(map(str, levels)) for levels in of_items]
    alike = all(levels == first for levels in others)
    if alike and sorted(own) == sorted(first):
        return [own.index(level) for level in first]
    if has_names(own, OF_FRAMES):
        rest = f"those of the model are {shortened(first)}" if alike else "those of the items differ"
        raise InputError(f"{what} has the levels {shortened(own)}; {rest}: give an array")
    return list(range(len(own)))
