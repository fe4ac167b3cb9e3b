"""Which axes of a model's free variables index clusters, and whether its density depends on their order.

The model itself shows this, whatever its axes are called. The parameters of its
mixtures are functions of the free variables. Entries along axes of the free
variables are exchanged, or whole variables that each belong to one cluster; this exchanges clusters
if every parameter of the mixture is exchanged along its own cluster axis. Then the density is compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixtures.clusters.labelled import FIXED, UNALIGNABLE
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.exchanges import (
    MIRRORS,
    DensityAt,
    Mirrored,
    Symmetry,
    Way,
    alike,
    evenly,
    exchangeable,
    exchanged,
    generators,
    taken,
)
from mixtures.posterior.free_variables import graph_of_free
from mixtures.posterior.mixture_nodes import cluster_axes, labelled_clusters, mixtures_of
from mixtures.posterior.separate import Group, correspondences
from mixtures.types import Array

__all__ = ["find_symmetry"]

JITTERS = (0.1, 0.01, 0.001)
"""Step sizes, in units of the coordinates, to points where no two clusters are equal by chance."""


WAYS = 4096
"""Largest number of choices of axes that are tried."""


Options = Mapping[str, Sequence[int | Group | Mirrored | None]]


UNEXCHANGED = (
    "no exchange of free variables, or of their entries, exchanges the clusters of {}; labels can be aligned "
    "where every parameter has one variable with an axis of clusters (shape=K), or one variable for each "
    "cluster, and the weights are a pm.Dirichlet, or [p, 1 - p] of two clusters"
)
"""Why the labels of a mixture of this name cannot be aligned."""


@dataclass(frozen=True, eq=False)
class _Targets:
    """Parameters of mixtures as functions of the free variables.

    Cluster axes are counted from the end; parameters that all clusters share have none.
    """

    evaluate: Callable[[Mapping[str, Array]], list[Array]]
    axes: tuple[int | None, ...]
    owners: tuple[int, ...]


def find_symmetry(compiled: CompiledModel, x: Array, named: Mapping[str, int] | None = None) -> Symmetry:
    """Find the clusters' axes of a model's free variables.

    Parameters
    ----------
    compiled : CompiledModel
        The model.
    x : ndarray, shape (..., size)
        Unconstrained coordinates of draws; the density is finite at the last.
    named : dict of str to int, optional
        Cluster axis of every free variable that has one, if it is known; only the density is then judged.

    Returns
    -------
    Symmetry
        The axes, and whether the labels can be aligned.
    """
    draws = x.reshape(-1, x.shape[-1])
    points = _generic_points(compiled, draws[-1])
    if points is None:
        return Symmetry(UNALIGNABLE, {}, "the log density is not finite about a draw")
    density = DensityAt.of(compiled, points, draws[evenly(len(draws))])
    mixtures = mixtures_of(compiled.model)
    if named is not None or not mixtures:
        return _by_name(density, named)
    targets = _targets(compiled, mixtures, points[0])
    values = targets.evaluate(points[0])
    lengths = {
        value.shape[axis] for value, axis in zip(values, targets.axes, strict=True) if axis is not None
    }
    names = ", ".join(str(v.name) for v in mixtures)
    several = f"{names} each have clusters of their own, and a draw has one permutation"
    if len(lengths) > 1:
        return Symmetry(UNALIGNABLE, {}, several)
    k = lengths.pop() if lengths else 1
    if k == 1:
        return Symmetry(FIXED, {}, "there is one cluster")
    if len(mixtures) == 1 and len(labelled_clusters(mixtures[0])) >= k - 1:
        return Symmetry(FIXED, {}, "known labels of rows say which cluster is which")
    if len(mixtures) == 1 and _n_constant(targets, points, k) >= k - 1:
        return Symmetry(FIXED, {}, "constants of the model tell its clusters apart")
    search, tried = _Search(compiled, targets, points, k), []
    for options in search.choices():
        apart = range(len(mixtures) if len(mixtures) > 1 else 0)
        alone = [way for i in apart for way in search.ways(search.of_one(options, i), i)]
        if (way := density.unchanged_by(alone, k)) is not None:
            return Symmetry(UNALIGNABLE, {}, several, possible=exchangeable(way))
        together = search.ways(options, None)
        if (way := density.unchanged_by(together, k)) is not None:
            return exchangeable(way)
        tried += [*together, *alone]
    if not tried:
        return Symmetry(UNALIGNABLE, {}, UNEXCHANGED.format(names))
    return density.fixed_or_changed(tried, k)


def _targets(compiled: CompiledModel, mixtures: Sequence[Any], point: Mapping[str, Array]) -> _Targets:
    parameters, axes, owners = [], [], []
    for i, rows in enumerate(mixtures):
        for x, axis in cluster_axes(rows):
            parameters.append(x)
            axes.append(axis)
            owners.append(i)
    function, arrays = graph_of_free(compiled, parameters)
    jitted = jax.jit(function)

    def evaluate(point: Mapping[str, Array]) -> list[Array]:
        return [
            np.asarray(x) for x in jitted([jnp.asarray(point[name]) for name in compiled.rv_shapes], arrays)
        ]

    own = [
        axis if x.ndim >= -axis and x.shape[axis] > 1 else None
        for x, axis in zip(evaluate(point), axes, strict=True)
    ]
    return _Targets(evaluate, tuple(own), tuple(owners))


def _n_constant(targets: _Targets, points: Sequence[Mapping[str, Array]], k: int) -> int:
    """Number of clusters whose parameters, weights aside, are constants, as the zeros beside counts are."""
    one, other = (targets.evaluate(point)[1:] for point in points)
    changes = [
        np.moveaxis(before != after, axis, 0).reshape(k, -1).any(axis=1)
        for before, after, axis in zip(one, other, targets.axes[1:], strict=True)
        if axis is not None
    ]
    return int(np.sum(~np.any(changes, axis=0))) if changes else 0


def _generic_points(compiled: CompiledModel, x: Array) -> tuple[dict[str, Array], dict[str, Array]] | None:
    """Free variables at two points near a given one, with no two entries equal."""
    rng = np.random.default_rng(0)
    for size in JITTERS:
        near = x + size * compiled.units(x) * rng.standard_normal((2, x.size))
        if all(np.isfinite(compiled.value_and_grad(one)[0]) for one in near):
            values = compiled.constrain(near)
            first, second = ({name: values[name][i] for name in compiled.rv_shapes} for i in range(2))
            return first, second
    return None


def _options(compiled: CompiledModel, k: int) -> dict[str, Sequence[int | Group | Mirrored | None]]:
    """Candidate cluster axes, including none, of every free variable that has any."""
    found: dict[str, list[int | Group | Mirrored | None]] = {
        name: [None, *(i for i, length in enumerate(shape) if length == k)]
        for name, shape in compiled.rv_shapes.items()
    }
    return {name: axes for name, axes in found.items() if len(axes) > 1}


@dataclass(frozen=True, eq=False)
class _Search:
    """Search for what moves with the clusters: axes of free variables, and variables of single clusters."""

    compiled: CompiledModel
    targets: _Targets
    points: tuple[dict[str, Array], dict[str, Array]]
    k: int

    @cached_property
    def base(self) -> list[Array]:
        """Parameters of the mixtures at the first point."""
        return self.targets.evaluate(self.points[0])

    @cached_property
    def changed(self) -> dict[str, list[Array]]:
        """The same with one free variable as at the second point, for every one."""
        point, other = self.points
        return {name: self.targets.evaluate({**point, name: other[name]}) for name in point}

    def choices(self) -> Iterator[Options]:
        """What may move: axes, and beside them separate variables in each way that they may correspond.

        In the end also numbers from which the weights of two clusters are computed, to their mirror images.
        """
        by_axis = _options(self.compiled, self.k)
        mirrors = {name: [*by_axis.get(name, [None]), *MIRRORS] for name in self._of_weights()}
        shapes, axes = self.compiled.rv_shapes, self.targets.axes
        for options in (by_axis, by_axis | mirrors) if mirrors else (by_axis,):
            for groups in chain([[]], correspondences(self.base, self.changed, axes, shapes, self.k)):
                yield {**options, **{name: [group] for group in groups for name in group}}

    def _of_weights(self) -> list[str]:
        """Free variables from which the weights of two clusters are computed."""
        owners = self.targets.owners
        weights = [owners.index(owner) for owner in dict.fromkeys(owners)] if self.k == 2 else []
        return [
            name
            for name, values in self.changed.items()
            if any(not np.array_equal(values[i], self.base[i]) for i in weights)
        ]

    def of_one(self, options: Options, only: int) -> Options:
        """The same choices, with separate variables of other mixtures left where they are."""

        def elsewhere(group: Group) -> bool:
            return any(
                owner != only and not np.array_equal(self.changed[name][i], self.base[i])
                for name in group
                for i, owner in enumerate(self.targets.owners)
            )

        return {
            name: [None] if isinstance(own[0], tuple) and elsewhere(own[0]) else own
            for name, own in options.items()
        }

    def ways(self, options: Options, only: int | None) -> list[Way]:
        """Find choices whose exchange exchanges the clusters of all mixtures, or of only one.

        The search goes parameter by parameter, so that only variables that affect it are tried together.
        """
        ways: list[Way] = [{}]
        targets, point = self.targets, self.points[0]
        for i, (value, axis, owner) in enumerate(zip(self.base, targets.axes, targets.owners, strict=True)):
            deciding = [name for name in options if not np.array_equal(self.changed[name][i], value)]
            moving = axis if only in (None, owner) else None
            ways = [
                way
                for start in ways
                for way in _longer(start, deciding, options)
                if all(
                    alike(targets.evaluate(exchanged(point, way, order))[i], taken(value, moving, order))
                    for order in generators(self.k)
                )
            ]
        rest = [
            name
            for name in options
            if all(np.array_equal(x, y) for x, y in zip(self.changed[name], self.base, strict=True))
        ]
        longest = [way for start in ways for way in _longer(start, rest, options)]
        return sorted(longest, key=lambda way: sum(axis is not None for axis in way.values()))


def _longer(way: Way, names: Sequence[str], options: Options) -> Iterator[Way]:
    """Extend a choice by every choice for more variables."""
    new = [name for name in names if name not in way]
    if np.prod([len(options[name]) for name in new]) <= WAYS:
        for axes in product(*(options[name] for name in new)):
            yield {**way, **dict(zip(new, axes, strict=True))}


def _by_name(density: DensityAt, named: Mapping[str, int] | None) -> Symmetry:
    """Axes of a model whose mixture is not found: those that are known, or have a dim named ``cluster``."""
    compiled = density.compiled
    dims = {rv.name: compiled.model.named_vars_to_dims.get(rv.name, ()) for rv in compiled.model.free_RVs}
    axes = {name: own.index("cluster") for name, own in dims.items() if "cluster" in own}
    if named is not None:
        axes = {name: axis for name, axis in named.items() if name in dims}
    if not axes:
        return Symmetry(
            UNALIGNABLE,
            {},
            "the model has no mixture of this package, no pm.Mixture of components of one kind, and no free "
            "variable a dim named 'cluster'; name the dims of clusters, dim=..., or order the clusters "
            "in the model (transform=pm.distributions.transforms.ordered)",
        )
    first = next(iter(axes))
    k = compiled.rv_shapes[first][axes[first]]
    unchanged = density.unchanged_by([axes], k) is not None
    return exchangeable(axes) if unchanged else density.fixed_or_changed([axes], k)
