"""Exchanges of clusters: what they do to free variables, and whether the density notices them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations, product
from typing import Self

import numpy as np

from mixtures.clusters.labelled import EXCHANGEABLE, FIXED, UNALIGNABLE
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.separate import Group
from mixtures.types import Array

__all__ = [
    "MIRRORS",
    "DensityAt",
    "Mirrored",
    "Symmetry",
    "Way",
    "alike",
    "alike_in_draws",
    "evenly",
    "exchangeable",
    "exchanged",
    "generators",
    "mirrored",
    "taken",
]

DRAWS = 50
"""Largest number of draws at which the density is compared: supports may agree at one and not at others."""


EXCHANGES = 500
"""About how many exchanges are tried before labels are called fixed; at two points at least."""


ALL_ORDERS = 4
"""Number of clusters up to which every order is tried; pairs change places where there are more."""


@dataclass(frozen=True)
class Mirrored:
    """A variable that becomes ``2 centre - value`` where two clusters change places."""

    centre: float


MIRRORS = (Mirrored(0.5), Mirrored(0.0))
"""That of ``p`` with the weights ``[p, 1 - p]``, and that of its log odds."""


Way = Mapping[str, int | Group | Mirrored | None]
"""What moves with the clusters, for every variable: an axis, it with others of its kind, it by itself to
its mirror image, or nothing."""


@dataclass(frozen=True)
class Symmetry:
    """Whether a model's density depends on the order of its clusters.

    Attributes
    ----------
    state : str
        ``"exchangeable"``: it does not. ``"fixed"``: only one order has positive
        density, wherever it was computed, or rows with known labels or constants tell the
        clusters apart. ``"unalignable"``: neither, or the clusters' axes were not found.
    axes : dict of str to int
        Cluster axis of every free variable that has one; for exchangeable models only.
    why : str
        Why labels cannot be aligned, in words; empty if they can.
    groups : tuple of tuple of str
        Free variables that change places as wholes: one of every cluster, in the clusters' order.
    mirrored : dict of str to float
        Free variables that are mirrored at a value where two clusters change places, as ``p`` is at one half
        if the weights are ``[p, 1 - p]``.
    possible : Symmetry or None
        Of an unalignable model: an exchange of its clusters that has a positive density, if one was found.
    """

    state: str
    axes: Mapping[str, int]
    why: str = ""
    groups: tuple[Group, ...] = ()
    mirrored: Mapping[str, float] = field(default_factory=dict)
    possible: "Symmetry | None" = None


@dataclass(frozen=True, eq=False)
class DensityAt:
    """The log density at some points, held against that after an exchange of clusters there."""

    compiled: CompiledModel
    points: tuple[dict[str, Array], ...]
    before: tuple[float, ...]

    @classmethod
    def of(cls, compiled: CompiledModel, generic: Iterable[dict[str, Array]], draws: Array) -> Self:
        """The density at generic points, and at those draws where it is finite."""
        values = compiled.constrain(draws)
        points = [*generic, *({name: x[i] for name, x in values.items()} for i in range(len(draws)))]
        heights = [_height(compiled, {name: point[name] for name in compiled.rv_shapes}) for point in points]
        finite = [pair for pair in zip(points, heights, strict=True) if np.isfinite(pair[1])]
        return cls(compiled, tuple(point for point, _ in finite), tuple(height for _, height in finite))

    def unchanged_by(self, ways: Sequence[Way], k: int) -> Way | None:
        """Find the first choice whose exchanges leave the density unchanged at every point."""
        return next(
            (way for way in ways if all(self._is_unchanged(way, order) for order in generators(k))), None
        )

    def _is_unchanged(self, way: Way, order: np.ndarray) -> bool:
        pairs = zip(self.points, self.before, strict=True)
        return all(
            np.isclose(before, _height(self.compiled, exchanged(point, way, order)), rtol=1e-7, atol=1e-7)
            for point, before in pairs
        )

    def fixed_or_changed(self, ways: Sequence[Way], k: int) -> Symmetry:
        """Tell labels that are fixed, as no exchange of clusters has a density, from others."""
        why, orders = "the model's density changes when its clusters are exchanged", _every_order(k)
        n = min(len(self.points), max(2, EXCHANGES // (len(ways) * len(orders))))
        some = [self.points[i] for i in np.linspace(0, len(self.points) - 1, n).round().astype(int)]
        for point, way, order in product(some, ways, orders):
            if np.isfinite(_height(self.compiled, exchanged(point, way, order))):
                return Symmetry(UNALIGNABLE, {}, why, possible=exchangeable(way))
        return Symmetry(FIXED, {}, "the model allows a single order of the clusters")


def evenly(n: int) -> np.ndarray:
    """Places of a few of ``n`` draws, the last among them."""
    return np.unique(np.linspace(0, n - 1, DRAWS).round().astype(int))


def _height(compiled: CompiledModel, point: Mapping[str, Array]) -> float:
    return compiled.value_and_grad(compiled.unconstrain(point))[0]


def exchangeable(way: Way) -> Symmetry:
    """The symmetry of a model whose clusters change places in this way."""
    axes = {name: axis for name, axis in way.items() if isinstance(axis, int)}
    groups = dict.fromkeys(own for own in way.values() if isinstance(own, tuple))
    mirrors = {name: own.centre for name, own in way.items() if isinstance(own, Mirrored)}
    return Symmetry(EXCHANGEABLE, axes, groups=tuple(groups), mirrored=mirrors)


def generators(k: int) -> list[np.ndarray]:
    """Two permutations that generate all others."""
    return [_swapped(k, 0, 1), np.roll(np.arange(k), 1)][: 1 if k == 2 else 2]


def _every_order(k: int) -> list[np.ndarray]:
    """Every other order of the clusters; of pairs only where there are many."""
    if k <= ALL_ORDERS:
        return [np.array(order) for order in list(permutations(range(k)))[1:]]
    return [_swapped(k, i, j) for i, j in combinations(range(k), 2)]


def _swapped(k: int, i: int, j: int) -> np.ndarray:
    order = np.arange(k)
    order[[i, j]] = [j, i]
    return order


def exchanged(point: Mapping[str, Array], way: Way, order: np.ndarray) -> dict[str, Array]:
    """Free variables with their clusters in another order."""
    new = {}
    for name, v in point.items():
        own = way.get(name)
        if isinstance(own, tuple):
            new[name] = point[own[order[own.index(name)]]]
        elif isinstance(own, Mirrored):
            new[name] = mirrored(v, own.centre, order)
        else:
            new[name] = taken(v, own, order)
    return new


def mirrored(value: Array, centre: float, order: np.ndarray) -> Array:
    """Values (..., *rest), mirrored at a centre where the order (..., 2) of two clusters is reversed."""
    turned = order[..., 0] != 0
    turned = turned.reshape((*turned.shape, *(1,) * (np.ndim(value) - turned.ndim)))
    return np.where(turned, 2 * centre - value, value)


def taken(value: Array, axis: int | None, order: np.ndarray) -> Array:
    """A value in another order along the axis of clusters, if it has one."""
    return value if axis is None else np.take(value, order, axis=axis)


def alike(a: Array, b: Array) -> bool:
    """Whether values are equal up to rounding."""
    largest = np.abs(b[np.isfinite(b)]).max(initial=0)
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=1e-7, atol=1e-10 * largest, equal_nan=True))


def alike_in_draws(a: Array, b: Array) -> bool:
    """The same of draws (chain, draw, ...), where a huge value of one draw excuses nothing in the others."""
    if a.shape != b.shape:
        return False
    a, b = np.asarray(a, float), np.asarray(b, float)  # they may be truth values
    sizes = np.where(np.isfinite(b), np.abs(b), 0).reshape(*b.shape[:2], -1).max(axis=-1, initial=0)
    scale = np.maximum(sizes, np.median(sizes)).reshape(*sizes.shape, *(1,) * (b.ndim - 2))
    with np.errstate(invalid="ignore", over="ignore"):  # equal infinite values are close below
        near = np.abs(a - b) <= 1e-10 * scale
    return bool((near | np.isclose(a, b, rtol=1e-7, atol=0, equal_nan=True)).all())
