"""The plane in which the clusters of a fit lie furthest apart."""

import numpy as np

from mixtures.types import Array

__all__ = ["separating_plane"]

NOTHING = 1e-9
"""Share of the largest spread of the means below which a direction does not separate them."""


def separating_plane(alpha: Array, mean: Array, covariance: Array) -> Array:
    """Directions (D, 2) that separate K clusters best, by their weights (K,), means and covariances.

    They are Fisher's linear discriminants, the directions in which the means are furthest apart in units
    of the average covariance W. K clusters have K - 1 at most; where there are fewer than two, the next
    direction is that in which the covariances differ most from W (Scrucca 2010). Within the clusters, rows
    have variance 1 along each direction on average, and are uncorrelated.

    References
    ----------
    Fisher (1936), *Annals of Eugenics* 7, 179-188; Scrucca (2010), *Statistics and Computing* 20, 471-484.

    Examples
    --------
    >>> mean = np.array([[0.0, 0, 0], [0, 4, 0], [0, 0, 2]])
    >>> np.abs(separating_plane(np.full(3, 1 / 3), mean, np.tile(np.eye(3), (3, 1, 1)))).round(2)[0]
    array([0., 0.])
    """
    within = np.tensordot(alpha, covariance, 1)
    scale = np.linalg.cholesky(within)
    apart = np.linalg.solve(scale, (mean - alpha @ mean).T)
    between = (apart * alpha) @ apart.T
    values, vectors = np.linalg.eigh(between)
    separating = vectors[:, ::-1][:, : min(2, int((values > NOTHING * values[-1]).sum()))]
    if separating.shape[1] < 2:
        whitened = np.linalg.solve(scale, np.linalg.solve(scale, covariance).swapaxes(-1, -2))
        unlike = whitened - np.eye(len(within))
        rest = np.eye(len(within)) - separating @ separating.T
        shape = rest @ np.einsum("k,kij,kjl->il", alpha, unlike, unlike) @ rest
        others = np.linalg.eigh(shape - separating @ separating.T)[1][:, ::-1]
        separating = np.column_stack([separating, others])[:, :2]
    plane = np.linalg.solve(scale.T, separating)
    return np.asarray(plane * np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]]))
