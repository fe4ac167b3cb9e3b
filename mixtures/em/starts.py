"""Starting points: random partitions of the data, turned into parameters by one M-step."""

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from mixtures.data.rows import Rows
from mixtures.em.kmeans import kmeans, kmeans_seeds, nearest
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["random_partition", "random_starts", "split_starts", "start_sample"]

Sample = tuple[Array, Array | None]
"""Rows (n, D), and their weights if they have some."""

START_ROWS = 20_000
"""Rows at most that the starts look at."""


SOFTNESS = 0.1
"""Share of each row spread at random over the clusters, so that none starts empty or degenerate."""


def start_sample(data: Rows, rng: np.random.Generator) -> Sample:
    """Rows and weights that starts look at: the same for all of them, read once."""
    return data.subsample(START_ROWS, rng)


def random_starts(
    spec: Mixture,
    data: Rows,
    n: int,
    rng: np.random.Generator,
    sample: Sample | None = None,
) -> Iterator[dict[str, Array]]:
    """Parameters from k-means++ partitions (Arthur and Vassilvitskii 2007) in standardised units.

    In turn k-means runs from the seeds, or their nearest neighbours are the partition.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    data : Rows
        Checked data.
    n : int
        Number of starts.
    rng : numpy.random.Generator
        Source of randomness.
    sample : (ndarray, ndarray or None), optional
        Rows and weights that the starts look at; a subsample by default.

    Yields
    ------
    dict of ndarray
        Parameters, the clusters in random order.
    """
    location, scale = spec.family.units(data)
    rows, weights = start_sample(data, rng) if sample is None else sample
    standardised = (rows - location) / scale
    for i in range(n):
        r = random_partition(standardised, spec.n_components, rng, lloyd=i % 2 == 0, weights=weights)
        yield spec.maximize(spec.expect(None, rows.T, r if weights is None else r * weights))


def split_starts(
    spec: Mixture, fewer: Params, data: Rows, rng: np.random.Generator
) -> Iterator[dict[str, Array]]:
    """Parameters of K clusters from K - 1, each of which is split in turn.

    The first is one with two clusters in the place of one: no better and no
    worse than K - 1, whatever EM makes of it.

    Parameters
    ----------
    spec : Mixture
        A resolved model of K clusters.
    fewer : dict of ndarray
        Parameters of K - 1 clusters of the same family.
    data : Rows
        Checked data.
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    dict of ndarray
        Parameters, the parts of the split cluster last.
    """
    k = spec.n_components - 1
    largest = int(np.argmax(fewer["alpha"]))
    halves = spec.relabel(fewer, np.array([*range(k), largest]))
    alpha = halves["alpha"].copy()
    alpha[largest] = alpha[-1] = alpha[largest] / 2
    yield {**halves, "alpha": alpha}
    location, scale = spec.family.units(data)
    rows, weights = start_sample(data, rng)
    r = softmax(spec.log_joint(fewer)(rows.T), axis=0)
    r = r if weights is None else r * weights
    for cluster in range(k):
        if np.count_nonzero(r[cluster] > SOFTNESS) < 2:
            continue  # nothing to split
        parts = random_partition((rows - location) / scale, 2, rng, lloyd=True, weights=r[cluster])
        split = np.vstack([np.delete(r, cluster, axis=0), r[cluster] * parts])
        yield spec.maximize(spec.expect(None, rows.T, split))


def random_partition(
    rows: Array, k: int, rng: np.random.Generator, *, lloyd: bool, weights: Array | None = None
) -> Array:
    """Responsibilities (K, n) that lean to a k-means++ partition of rows, clusters in random order."""
    with threadpool_limits(1):
        seeds = kmeans_seeds(rows, k, rng, weights)
        labels = kmeans(rows, seeds, weights) if lloyd else nearest(rows, seeds)
    order = rng.permutation(k)
    r = SOFTNESS * rng.dirichlet(np.ones(k), size=len(rows)).T
    r[order[labels], np.arange(len(rows))] += 1 - SOFTNESS
    return r
