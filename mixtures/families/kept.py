"""Parameters that keep what is computed from them, so that it is computed once."""

from collections.abc import Callable
from typing import Self

import numpy as np

from mixtures.types import Array, Params

__all__ = ["Kept", "kept"]


class Kept(dict[str, Array]):
    """Sets of parameters along a leading axis, with arrays that were computed from them.

    The arrays must not be changed in place.

    Parameters
    ----------
    params : mapping of str to ndarray
        The parameters.
    made : dict of str to ndarray, optional
        What has been computed, with the same leading axis.
    """

    def __init__(self, params: Params, made: dict[str, Array] | None = None) -> None:
        super().__init__(params)
        self.made = {} if made is None else made

    def of(self, which: np.ndarray) -> Self:
        """Some of the sets of parameters."""
        made = {name: x[which] for name, x in self.made.items()}
        return type(self)({name: x[which] for name, x in self.items()}, made)


def kept(params: Params, name: str, make: Callable[[], Array]) -> Array:
    """What has been computed from these parameters under a name; computed now if it has not."""
    if not isinstance(params, Kept):
        return make()
    if name not in params.made:
        params.made[name] = make()
    return params.made[name]
