"""Parameters as data: the name, the dims and the support of each, and what follows from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mixtures.families.supports import Support
from mixtures.types import Array, Params

__all__ = ["Parameter", "on_boundary", "shapes_of"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes
    ----------
    name : str
        Its name everywhere: in PyMC, in trees, in tables.
    dims : tuple of str
        Its axes, the cluster's first; one shared by the clusters has none.
    support : Support
        Which values it may take.
    """

    name: str
    dims: tuple[str, ...]
    support: Support

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Shape where the dims have these sizes."""
        return tuple(sizes[dim] for dim in self.dims)

    def free_count(self, sizes: Mapping[str, int]) -> int:
        """Number of free coordinates."""
        shape, core = self.shape(sizes), self.support.core_ndim
        split = len(shape) - core
        return int(np.prod(shape[:split], dtype=int)) * self.support.free_size(shape[split:])

    def independent(self, sizes: Mapping[str, int]) -> np.ndarray:
        """Which entries (*shape) a density is over: those that do not follow from the others."""
        shape = self.shape(sizes)
        core = shape[len(shape) - self.support.core_ndim :]
        return np.broadcast_to(self.support.independent(core), shape)

    def to_free(self, value: Array) -> Array:
        """Free coordinates of a value, or of many along leading axes, as one axis (..., m)."""
        axes = len(self.dims)
        free = self.support.to_free(value)
        inner = axes - self.support.core_ndim
        return free.reshape(*value.shape[: value.ndim - axes], -1) if inner else free

    def from_free(self, x: Array, sizes: Mapping[str, int]) -> Array:
        """Values (..., *shape) of free coordinates (..., m)."""
        shape, core = self.shape(sizes), self.support.core_ndim
        split = len(shape) - core
        size = self.support.free_size(shape[split:])
        return self.support.from_free(x.reshape(*x.shape[:-1], *shape[:split], size), shape[split:])


def shapes_of(parameters: Iterable[Parameter], sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by name."""
    return {each.name: each.shape(sizes) for each in parameters}


def on_boundary(parameters: Iterable[Parameter], params: Params) -> dict[str, np.ndarray]:
    """Which entries of each parameter sit on the boundary of its space, of those that can."""
    masks = {each.name: each.support.on_boundary(params[each.name]) for each in parameters}
    return {name: mask for name, mask in masks.items() if mask is not None}
