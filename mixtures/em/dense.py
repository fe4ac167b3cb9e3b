"""Dense places in the rows, for starting points: small groups of rows that lie close together."""

import numpy as np
from scipy.spatial import cKDTree

from mixtures.types import Array

__all__ = ["dense_groups"]

CANDIDATES = 300
"""Largest number of rows among which the centres of the groups are looked for."""


def dense_groups(
    tree: cKDTree, shares: Array, k: int, size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Positions of k groups of rows, each a row in a dense place and the rows nearest to it.

    The scale of a row is its distance to the nearest row but ``size - 1``. Rows are drawn one after
    the other, by their squared distance to the nearest of those drawn so far in units of their
    scale: dense rows first, and then dense rows elsewhere.

    Parameters
    ----------
    tree : scipy.spatial.cKDTree
        The rows.
    shares : ndarray, shape (n,)
        Weights of the rows that may be drawn, 0 for the others; they add up to one.
    k : int
        Number of groups.
    size : int
        Rows in a group, at least 2 and at most n.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of ndarray of int
        Positions of the rows of each group. Groups may overlap.
    """
    some = min(CANDIDATES, int(np.count_nonzero(shares)))
    candidates = rng.choice(len(shares), some, replace=False, p=shares)
    rows = tree.data[candidates]
    scale = tree.query(rows, [size])[0][:, 0]
    scale[scale == 0] = scale[scale > 0].min() if scale.any() else 1.0  # equal rows
    chosen: list[int] = []
    nearest = np.ones(some)
    for _ in range(k):
        ratio = nearest / scale**2
        if not ratio.any():
            ratio = np.ones(some)  # all candidates are at places drawn already
        chosen.append(int(rng.choice(some, p=ratio / ratio.sum())))
        squares = ((rows - rows[chosen[-1]]) ** 2).sum(axis=1)
        nearest = squares if len(chosen) == 1 else np.minimum(nearest, squares)
    return list(tree.query(rows[chosen], size)[1])
