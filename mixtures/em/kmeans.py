"""k-means for starting points: seeds by k-means++, moved by Lloyd's iterations."""

import numpy as np

from mixtures.types import Array

__all__ = ["kmeans", "kmeans_seeds", "nearest"]

MAX_ITER, SETTLED = 100, 1e-3
"""Largest number of Lloyd's iterations, and share of the rows that may still move: a start may be rough."""


def kmeans_seeds(rows: Array, k: int, rng: np.random.Generator, weights: Array | None = None) -> Array:
    """Seeds (K, D) by greedy k-means++: each is the best of ``2 + log K`` rows drawn by their distance.

    A row is drawn with probability proportional to its weight times its squared distance from
    the nearest seed so far; the best is the one that leaves the smallest sum of these.

    References
    ----------
    Arthur and Vassilvitskii (2007), *SODA*.
    """
    mass = np.ones(len(rows)) if weights is None else weights
    chosen = [int(rng.choice(len(rows), p=mass / mass.sum()))]
    closest = _squared_distances(rows, rows[chosen])[0]
    for _ in range(1, k):
        steps = np.cumsum(mass * closest)
        drawn = rng.random(2 + int(np.log(k))) * steps[-1]
        candidates = np.minimum(np.searchsorted(steps, drawn, side="right"), len(rows) - 1)
        left = np.minimum(closest, _squared_distances(rows, rows[candidates]))
        best = int(np.argmin(left @ mass))
        chosen.append(int(candidates[best]))
        closest = left[best]
    return rows[chosen]


def kmeans(rows: Array, centres: Array, weights: Array | None = None) -> np.ndarray:
    """Labels (n,) of Lloyd's partition from these centres; an emptied cluster takes the farthest row."""
    mass = np.ones(len(rows)) if weights is None else weights
    labels, weighted = np.full(len(rows), -1), mass[:, None] * rows
    for _ in range(MAX_ITER):
        before, labels = labels, nearest(rows, centres)
        member = (labels == np.arange(len(centres))[:, None]).astype(np.float64)
        count = member @ mass
        empty = np.flatnonzero(count == 0)
        if not len(empty) and np.count_nonzero(labels != before) <= SETTLED * len(rows):
            break
        centres = member @ weighted / np.where(count > 0, count, 1)[:, None]
        if len(empty):
            farthest = np.argsort(-mass * ((rows - centres[labels]) ** 2).sum(axis=1), kind="stable")
            centres[empty[: len(rows)]] = rows[farthest[: len(empty)]]
    return labels


def nearest(rows: Array, centres: Array) -> np.ndarray:
    """Label (n,) of the nearest centre."""
    # the squares of the rows are the same for all centres
    return np.asarray(((centres**2).sum(axis=1)[:, None] - 2 * centres @ rows.T).argmin(axis=0))


def _squared_distances(rows: Array, centres: Array) -> Array:
    """Squared distances (K, n), but for what rounding makes negative."""
    squares = (centres**2).sum(axis=1)[:, None] - 2 * centres @ rows.T + (rows**2).sum(axis=1)
    return np.maximum(squares, 0)
