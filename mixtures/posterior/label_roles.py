"""How every variable of a model changes with the labels of its clusters, also those computed from others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from mixtures.clusters.labelled import Labelled, interchanged
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.exchanges import Symmetry, alike_in_draws, mirrored
from mixtures.posterior.free_variables import recompute
from mixtures.posterior.separate import Group
from mixtures.types import Array

__all__ = ["labelled_by"]

CLASSIFIED_DRAWS = 200
"""Number of draws used to test whether a function of the parameters is permuted with the labels."""


def labelled_by(
    compiled: CompiledModel, symmetry: Symmetry, draws: Mapping[str, Array], names: Sequence[str]
) -> Labelled:
    """How every variable changes with the labels, from draws (chain, draw, ...) of the free variables.

    The functions named are computed at draws with randomly permuted clusters. This shows
    which of them are permuted along an axis and which do not change.
    """
    flat = {name: v.reshape(-1, *v.shape[2:]) for name, v in draws.items()}
    n = len(next(iter(flat.values())))
    few = {name: v[None, :: -(-n // CLASSIFIED_DRAWS)] for name, v in flat.items()}
    axes, groups, functions = dict(symmetry.axes), symmetry.groups, set()
    if names and (axes or groups or symmetry.mirrored):
        first = next(iter(few))
        lengths = [len(group) for group in groups] + [few[v].shape[2 + axis] for v, axis in axes.items()]
        k = lengths[0] if lengths else 2
        sizes = few[first].shape[:2]
        order = np.random.default_rng(0).permuted(np.tile(np.arange(k), (*sizes, 1)), axis=-1)
        order[:, 0] = np.roll(np.arange(k), 1)
        before = recompute(compiled, few, names)
        moved = {**_permuted(few, axes, order), **interchanged(few, groups, order)}
        moved |= {name: mirrored(few[name], centre, order) for name, centre in symmetry.mirrored.items()}
        after = recompute(compiled, moved, names)
        for name in names:
            found = _axis_of(before[name], after[name], order)
            if found is None:
                functions.add(name)
            elif found >= 0:
                axes[name] = found
        groups = (*groups, *_groups_of(before, after, functions, order))
    functions -= {name for group in groups for name in group}
    free = frozenset(compiled.rv_shapes)
    return Labelled(
        axes, frozenset(functions), free, frozenset(names), groups=groups, mirrored=symmetry.mirrored
    )


def _permuted(draws: Mapping[str, Array], axes: Mapping[str, int], order: np.ndarray) -> dict[str, Array]:
    """Draws (chain, draw, ...) in another order (chain, draw, cluster) of their clusters."""
    return {name: _take_draws(v, axes[name], order) if name in axes else v for name, v in draws.items()}


def _take_draws(values: Array, axis: int, order: np.ndarray) -> Array:
    leading = np.moveaxis(values, 2 + axis, 2)
    index = order.reshape(*order.shape, *(1 for _ in leading.shape[3:]))
    return np.moveaxis(np.take_along_axis(leading, index, axis=2), 2, 2 + axis)


def _axis_of(before: Array, after: Array, order: np.ndarray) -> int | None:
    """Axis along which values were permuted with the order; -1 if unchanged; None if neither."""
    if alike_in_draws(after, before):
        return -1
    lengths = enumerate(before.shape[2:])
    along = [axis for axis, length in lengths if length == order.shape[-1]]
    return next((axis for axis in along if alike_in_draws(after, _take_draws(before, axis, order))), None)


def _groups_of(
    before: Mapping[str, Array], after: Mapping[str, Array], names: Iterable[str], order: np.ndarray
) -> Iterator[Group]:
    """Functions that take each other's values with the order, one of every cluster."""
    left, k = sorted(names), order.shape[-1]
    while left:
        cycle = [left.pop(0)]  # the first draw has every cluster moved by one
        while len(cycle) < k:
            taken = (x for x in left if alike_in_draws(after[x][:, :1], before[cycle[-1]][:, :1]))
            if (following := next(taken, None)) is None:
                break
            left.remove(following)
            cycle.append(following)
        turned = (tuple(cycle[i:] + cycle[:i]) for i in range(k if len(cycle) == k else 0))
        for group in turned:
            expected = interchanged(before, [group], order)
            if all(alike_in_draws(after[name], expected[name]) for name in group):
                yield group
                break
