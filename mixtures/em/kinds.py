"""Kinds of starting points, which fail in different ways: each shares rows out among the clusters.

No kind of start finds every mode. k-means finds clusters that lie apart and misses those that
lie inside one another; neighbourhoods of random rows find clusters of different sizes;
hierarchies find small ones, and dense rows tight ones in a wide background. An optimum that
several kinds reach is better confirmed than one that a single kind reaches many times.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Self

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp, softmax

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.em.dense import dense_groups
from mixtures.em.kmeans import kmeans, kmeans_seeds, nearest
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["KINDS", "SOFTNESS", "Kind", "Sample", "random_partition", "swapped"]

START_ROWS = 20_000
"""Largest number of rows that the starts use."""


TREE_ROWS = 400
"""Largest number of rows in a hierarchy; the others go to the nearest cluster."""


SOFTNESS = 0.1
"""Share of each row spread at random over the clusters, so that none starts empty or degenerate."""


LOCAL = 0.01
"""The same for clusters that are to stay small: a larger share would make them as wide as the data."""


FAR_SWAPS, FEW_FAR = 0.3, 5
"""Share of the swaps that put a cluster at a row far away, and of how few such rows at the least."""


LOWEST = -1e300
"""Log joint density in place of minus infinity."""


RANK = 1e-8
"""Share of the largest singular value below which a direction of the standardised rows is left out."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows that the starts use, in units of order one.

    Attributes
    ----------
    rows : ndarray, shape (n, D)
        The rows; missing cells are at their mean given the observed ones, under a single cluster.
    weights : ndarray, shape (n,), or None
        Their weights, if they have some.
    location, scale : ndarray, shape (D,)
        Units of the columns.
    drawn_from : int
        Number of rows that these are a sample of; 0 if they are all.
    holes : ndarray of bool, shape (n, D), or None
        The cells that are missing, if any.
    single : dict of ndarray
        Parameters of that single cluster, if any are.
    labels : ndarray of int, shape (n,), or None
        The known clusters of the rows, -1 where it is not known, if any is.
    compared : callable
        Rows as their distances are taken, from the rows.
    """

    rows: Array
    weights: Array | None
    location: Array
    scale: Array
    drawn_from: int = 0
    holes: np.ndarray | None = None
    single: Params = field(default_factory=dict)
    labels: np.ndarray | None = None
    compared: Callable[[Array], Array] = field(default=np.asarray)

    @classmethod
    def of(cls, spec: Mixture, data: Rows, rng: np.random.Generator) -> Self:
        """All rows, or a subsample that keeps a start cheap; drawn once for all starts."""
        rows, weights, labels = data.subsample(START_ROWS, rng)
        units, compared = spec.family.units(data), spec.family.compared
        if not data.has_missing:
            return cls(rows, weights, *units, data.n_rows, labels=labels, compared=compared)
        single = spec.family.single(data)
        filled = spec.family.conditional(single, rows.T)[0][0].T
        return cls(filled, weights, *units, data.n_rows, np.isnan(rows), single, labels, compared)

    @property
    def observed_rows(self) -> Array:
        """The rows (n, D) as they are: NaN where a cell is missing."""
        return self.rows if self.holes is None else np.where(self.holes, np.nan, self.rows)

    def one_cluster(self, spec: Mixture) -> dict[str, Array] | None:
        """Parameters under which every cluster is that single one; None if no cell is missing."""
        return None if self.holes is None else spec.alike(self.single)

    def data(self) -> Data:
        """The rows as they are, to run EM on."""
        return as_data(self.observed_rows, self.weights, missing=INTEGRATE, labels=self.labels)

    def fewer(self, size: int, rng: np.random.Generator) -> "Sample":
        """A subsample of these rows, drawn by weight."""
        if len(self.rows) <= size:
            return self
        drawn = np.sort(self.draw(size, rng))
        return replace(
            self,
            rows=self.rows[drawn],
            weights=None,
            holes=None if self.holes is None else self.holes[drawn],
            labels=None if self.labels is None else self.labels[drawn],
        )

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of a subsample of rows, drawn by weight: a heavy row as often as it counts."""
        repeated = self.weights is not None
        return rng.choice(len(self.rows), size, replace=repeated, p=self.shares)

    @cached_property
    def shares(self) -> Array:
        """Weight of every row (n,), as shares that add up to one."""
        n = len(self.rows)
        return np.full(n, 1 / n) if self.weights is None else self.weights / self.weights.sum()

    @cached_property
    def standardised(self) -> Array:
        """Rows with every column in its units."""
        return (self.compared(self.rows) - self.location) / self.scale

    @cached_property
    def whitened(self) -> Array:
        """Rows rotated and scaled to the identity covariance, without directions of no variance."""
        z = self.standardised - self.shares @ self.standardised
        root = np.sqrt(self.shares)[:, None]
        _, size, axes = np.linalg.svd(root * z, full_matrices=False)
        kept = size > RANK * size[0]
        return np.asarray(z @ (axes[kept].T / size[kept]))

    @cached_property
    def trees(self) -> list[cKDTree]:
        """Rows to look for neighbours in: standardised, and whitened if they vary."""
        return [cKDTree(z) for z in (self.standardised, self.whitened) if z.shape[1]]

    @cached_property
    def hierarchies(self) -> dict[str, Array]:
        """Ward's hierarchy of all rows in each of two units."""
        return {units: _ward(getattr(self, units)) for units in ("standardised", "whitened")}

    @cached_property
    def complete_shares(self) -> Array:
        """Shares (n,) of the rows without missing cells alone, if there are some: filled cells lie close."""
        if self.holes is None:
            return self.shares
        shares = np.where(self.holes.any(axis=1), 0.0, self.shares)
        return shares / shares.sum() if shares.any() else self.shares


Kind = Callable[[Sample, int, np.random.Generator], Array]
"""Responsibilities (K, n) for the rows of a sample, weights left out; they need not add up to one."""


def random_partition(
    rows: Array, k: int, rng: np.random.Generator, *, lloyd: bool, weights: Array | None = None
) -> Array:
    """Responsibilities (K, n) that lean to a k-means++ partition of rows, clusters in random order."""
    seeds = kmeans_seeds(rows, k, rng, weights)
    labels = kmeans(rows, seeds, weights) if lloyd else nearest(rows, seeds)
    return _softened(labels, k, rng)


def _kmeans(units: str, lloyd: bool, sample: Sample, k: int, rng: np.random.Generator) -> Array:
    """k-means from k-means++ seeds, or the rows nearest to each seed (Arthur and Vassilvitskii 2007)."""
    return random_partition(getattr(sample, units), k, rng, lloyd=lloyd, weights=sample.weights)


def _random_rows(sample: Sample, k: int, rng: np.random.Generator) -> Array:
    """Clusters as wide as the data, each half-way from their mean to a random row."""
    r = np.full((k, len(sample.rows)), 0.5 / k)
    drawn = _rows(sample, k, rng)
    r[np.arange(k), drawn] += 0.5 / (k * sample.shares[drawn])
    return r


def _neighbourhoods(sample: Sample, k: int, rng: np.random.Generator) -> Array:
    """Random rows with the rows nearest to each, from few to half of them: small clusters and wide ones."""
    n = len(sample.rows)
    r = np.zeros((k, n))
    for cluster, row in enumerate(_rows(sample, k, rng)):
        near = _nearest_rows(sample, row, rng)
        r[cluster, near] = n / (k * len(near))
    return (1 - LOCAL) * r + LOCAL / k


def _nearest_rows(sample: Sample, row: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of the rows nearest to one: a random number of them, from few to half of all."""
    n, d = sample.rows.shape
    few = min(2 * (d + 1), n)
    return _nearest(sample, row, few, max(n / 2, few), rng)


def _nearest(sample: Sample, row: int, fewest: int, most: float, rng: np.random.Generator) -> np.ndarray:
    """Positions of the rows nearest to one, a random number of them, on the scale of logarithms."""
    z, size = sample.standardised, int(np.exp(rng.uniform(np.log(fewest), np.log(most))))
    return np.argpartition(((z - z[row]) ** 2).sum(axis=1), size - 1)[:size]


def _dense_rows(sample: Sample, k: int, rng: np.random.Generator) -> Array:
    """Small clusters at dense rows, one after the other elsewhere; the wider ones share what is left."""
    n, d = sample.rows.shape
    wide = 1 if rng.random() < 0.5 else int(rng.integers(1, max(2, k)))
    fewest = min(2 * (d + 1), n)
    size = int(np.exp(rng.uniform(np.log(fewest), np.log(max(n / (2 * k), fewest)))))
    r = np.zeros((k, n))
    tree = sample.trees[rng.integers(len(sample.trees))]
    for cluster, near in enumerate(dense_groups(tree, sample.complete_shares, k - wide, size, rng)):
        r[wide + cluster, near] = 1
    left = np.flatnonzero(~r.any(axis=0))
    rest = left if sample.shares[left].any() else np.arange(n)
    rows = sample.standardised[rest]
    r[nearest(rows, kmeans_seeds(rows, wide, rng, sample.shares[rest])), rest] = 1
    return (1 - LOCAL) * r + LOCAL / k


def _hierarchy(sample: Sample, k: int, rng: np.random.Generator) -> Array:
    """Ward's hierarchical clustering of at most `TREE_ROWS` rows, in one of two units."""
    from scipy.cluster.hierarchy import fcluster  # imported only now: slow to load

    units = "whitened" if rng.random() < 0.5 else "standardised"
    rows = getattr(sample, units)
    if len(rows) <= TREE_ROWS:
        return _softened(fcluster(sample.hierarchies[units], k, "maxclust") - 1, k, rng)
    some = rows[sample.draw(TREE_ROWS, rng)]
    labels = fcluster(_ward(some), k, "maxclust") - 1
    centres = np.stack([some[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    return _softened(nearest(rows, centres), k, rng)


def _ward(rows: Array) -> Array:
    """Ward's hierarchy of rows, as SciPy writes it."""
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import pdist

    return np.asarray(ward(pdist(rows)))


def swapped(sample: Sample, joint: Array, rng: np.random.Generator, *, may_be_alone: bool = False) -> Array:
    """Responsibilities (K, n) of a fit with one cluster taken away and another put around a random row.

    Of the fit, which has two clusters or more, the log joint densities ``joint (K, n)`` are given. The new
    cluster is in the place of the old one, and weights of rows are left out. Where rows ``may_be_alone``
    in a cluster, every few swaps put it at one of the rows that are the least likely, with few others.

    References
    ----------
    Zhao, Hautamäki, Kärkkäinen and Fränti (2012), *Pattern Recognition Letters* 33 (random swaps).
    """
    k = len(joint)
    cluster = int(rng.integers(k))
    finite = np.maximum(joint, LOWEST)  # rows impossible under all others may go to any
    new = np.zeros(joint.shape[1])
    if may_be_alone and rng.random() < FAR_SWAPS:
        near = _far_rows(sample, logsumexp(finite, axis=0), rng)
    else:
        near = _nearest_rows(sample, int(_rows(sample, 1, rng)[0]), rng)
    new[near] = 1 - LOCAL
    others = softmax(np.delete(finite, cluster, axis=0), axis=0)
    r = np.insert(others * (1 - new), cluster, new, axis=0)
    return (1 - LOCAL) * r + LOCAL / k


def _far_rows(sample: Sample, density: Array, rng: np.random.Generator) -> np.ndarray:
    """Positions of one of the rows of the lowest log density (n,), and of few near it, or none."""
    n, d = sample.rows.shape
    there = np.flatnonzero(sample.shares)
    lowest = there[np.argsort(density[there])[: max(FEW_FAR, len(there) // 50)]]
    return _nearest(sample, int(rng.choice(lowest)), 1, min(2 * (d + 1), n), rng)


def _rows(sample: Sample, k: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of k different rows, drawn by weight; fewer if there are fewer."""
    heavy = int(np.count_nonzero(sample.shares))
    return rng.choice(len(sample.rows), k, replace=heavy < k, p=sample.shares)


def _softened(labels: np.ndarray, k: int, rng: np.random.Generator) -> Array:
    """Responsibilities (K, n) that lean to labels, clusters in random order."""
    order = rng.permutation(k)
    r = SOFTNESS * rng.dirichlet(np.ones(k), size=len(labels)).T
    r[order[labels], np.arange(len(labels))] += 1 - SOFTNESS
    return r


KINDS: dict[str, Kind] = {
    "k-means": partial(_kmeans, "standardised", True),
    "random rows": _random_rows,
    "dense rows": _dense_rows,
    "whitened k-means++": partial(_kmeans, "whitened", False),
    "neighbourhoods": _neighbourhoods,
    "hierarchical": _hierarchy,
    "k-means++": partial(_kmeans, "standardised", False),
}
"""Kinds by the name that the record of the restarts gives them, in the order in which they take turns."""
