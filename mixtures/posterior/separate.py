"""Free variables that each belong to one cluster, as those that a loop over the clusters declares.

Such variables change places as wholes where clusters are exchanged. Which of them correspond is
found from the parameters of the mixture that each of them changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, permutations, product

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
    of: list[dict[object, list[str]]] = [{} for _ in range(k)]
    for name, values in changed.items():
        hit = [_clusters(x, y, axis, k) for x, y, axis in zip(base, values, axes, strict=True)]
        clusters = np.flatnonzero(np.any(hit, axis=0))
        if len(clusters) == 1:
            kind = (shapes[name], tuple(i for i, own in enumerate(hit) if own.any()))
            of[clusters[0]].setdefault(kind, []).append(name)
    counts = [{kind: len(names) for kind, names in own.items()} for own in of]
    if not of[0] or any(own != counts[0] for own in counts):
        return
    later = [permutations(own[kind]) for own in of[1:] for kind in of[0]]
    for chosen in islice(product(*later), MOST):
        by_cluster = [chosen[i : i + len(of[0])] for i in range(0, len(chosen), len(of[0]))]
        kinds = zip(of[0].values(), *by_cluster, strict=True)
        yield [group for kind in kinds for group in zip(*kind, strict=True)]


def _clusters(before: Array, after: Array, axis: int | None, k: int) -> Array:
    """Clusters (k,) of which a parameter changed; all, where it has no clusters."""
    moved = before != after
    if axis is None:
        return np.full(k, moved.any())
    return np.asarray(np.moveaxis(moved, axis, 0).reshape(k, -1).any(axis=1))
