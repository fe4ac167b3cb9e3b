"""Free variables that each belong to one cluster, as those that a loop over the clusters declares.

Such variables change places as wholes where clusters are exchanged. Which of them correspond is
found from the parameters of the mixture that each of them changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, permutations

import numpy as np

from mixtures.types import Array

__all__ = ["Group", "correspondences"]

Group = tuple[str, ...]
"""Variables that correspond, one of every cluster, in the clusters' order."""


MOST = 200
"""Largest number of correspondences that are tried."""


def correspondences(
    base: Sequence[Array],
    changed: Mapping[str, Sequence[Array]],
    axes: Sequence[int | None],
    shapes: Mapping[str, tuple[int, ...]],
    k: int,
) -> Iterator[list[Group]]:
    """Yield ways in which variables of single clusters may correspond, those in the model's order first.

    Parameters
    ----------
    base : sequence of ndarray
        Parameters of the mixtures at a point.
    changed : dict of str to sequence of ndarray
        The same with one free variable at another value, for every one.
    axes : sequence of int or None
        Cluster axis of every parameter.
    shapes : dict of str to tuple of int
        Shape of every free variable.
    k : int
        Number of clusters.
    """
    for by_entries in (True, False):  # entries may fail to move by rounding alone
        of: list[dict[object, list[str]]] = [{} for _ in range(k)]
        for name, values in changed.items():
            moved = [_moved(x, y, axis, k) for x, y, axis in zip(base, values, axes, strict=True)]
            clusters = np.flatnonzero(np.any([each.any(axis=1) for each in moved], axis=0))
            if len(clusters) == 1:
                entries = (each.any(axis=0) for each in moved)
                what = tuple(each.tobytes() if by_entries else bool(each.any()) for each in entries)
                of[clusters[0]].setdefault((shapes[name], what), []).append(name)
        counts = [{kind: len(names) for kind, names in own.items()} for own in of]
        if of[0] and all(own == counts[0] for own in counts):
            yield from islice(_pairings(of), MOST)
            return


def _pairings(of: Sequence[Mapping[object, list[str]]]) -> Iterator[list[Group]]:
    """Every way to pair the variables of the first cluster with those of the others, kind by kind."""
    for chosen in _choices([own[kind] for own in of[1:] for kind in of[0]]):
        by_cluster = [chosen[i : i + len(of[0])] for i in range(0, len(chosen), len(of[0]))]
        kinds = zip(of[0].values(), *by_cluster, strict=True)
        yield [group for kind in kinds for group in zip(*kind, strict=True)]


def _choices(lists: Sequence[Sequence[str]]) -> Iterator[tuple[Sequence[str], ...]]:
    """Every choice of an order for every list, one at a time: there may be too many to hold."""
    if not lists:
        yield ()
        return
    for first in permutations(lists[0]):
        for rest in _choices(lists[1:]):
            yield first, *rest


def _moved(before: Array, after: Array, axis: int | None, k: int) -> Array:
    """Which entries (k, ...) of a parameter changed; where it has no clusters, those of all."""
    moved = before != after
    if axis is None:
        return np.broadcast_to(moved.ravel(), (k, moved.size))
    return np.moveaxis(moved, axis, 0).reshape(k, -1)
