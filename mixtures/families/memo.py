"""Parameters that keep what is computed from them, so that it is computed once."""

from collections.abc import Callable
from typing import Self

import numpy as np

from mixtures.types import Array, Params

__all__ = ["MemoParams", "memoised"]


class MemoParams(dict[str, Array]):
    """Sets of parameters along a leading axis, with arrays that were computed from them.

    The arrays must not be changed in place.

    Parameters
    ----------
    params : mapping of str to ndarray
        The parameters.
    memo : dict of str to ndarray, optional
        What has been computed from them by name, with the same leading axis.
    """

    def __init__(self, params: Params, memo: dict[str, Array] | None = None) -> None:
        super().__init__(params)
        self.memo = {} if memo is None else memo

    def subset(self, which: np.ndarray) -> Self:
        """Some of the sets of parameters."""
        memo = {name: x[which] for name, x in self.memo.items()}
        return type(self)({name: x[which] for name, x in self.items()}, memo)


def memoised(params: Params, name: str, compute: Callable[[], Array]) -> Array:
    """What has been computed from these parameters under a name; computed now if it has not."""
    if not isinstance(params, MemoParams):
        return compute()
    if name not in params.memo:
        params.memo[name] = compute()
    return params.memo[name]
