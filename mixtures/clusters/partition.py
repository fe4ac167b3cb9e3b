"""Which rows belong together: answers that do not depend on the labels of the clusters.

The probability that two rows share a cluster is the same however clusters are
numbered, so co-clustering needs no alignment; the partition that fits it best is
an estimate of the clusters as sets of rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from mixtures.errors import InputError
from mixtures.types import Array

__all__ = ["point_partition"]

SEARCHED_ROWS = 2_000
"""Rows times starts of the search from each tree, at least one start."""


ROUNDING = 1e-8
"""Tolerance for the symmetry of a similarity and for the interval from 0 to 1."""


GAIN = 1e-10
"""Smallest gain of a move, relative to a row's share of the loss: more than rounding."""


def point_partition(similarity: Any, *, loss: str = "vi", candidates: Any = None) -> xr.DataArray:
    """Partition of the rows with the least posterior expected loss.

    Binder's loss counts the pairs that are wrongly joined or separated. The
    variation of information measures, in bits, the information that one partition
    lacks about the other; it favours fewer small clusters. Its average is replaced by
    Wade and Ghahramani's lower bound, which needs only the co-clustering matrix.

    The search starts from the best cuts of the trees of average and complete
    linkage, and from the candidates, and moves single rows until no move reduces
    the loss. It is deterministic and finds a local minimum; on small or clear
    problems this is the global one.

    Parameters
    ----------
    similarity : array_like or xarray.DataArray, shape (n, n)
        Probability that two rows share a cluster, from `coclustering`.
    loss : {"vi", "binder"}, default "vi"
        The loss.
    candidates : array_like of int, shape (m, n) or (n,), optional
        More partitions to start from, such as the labels of EM.

    Returns
    -------
    xarray.DataArray
        Cluster of every row, that of most rows first, with dim obs_id. Rows count
        once each, whatever their weights; attrs hold ``loss``, its expected value ``expected_loss``
        (pairs; bits per row)
        and ``n_clusters``.

    Raises
    ------
    InputError
        If the matrix is not a symmetric matrix of probabilities with ones on its
        diagonal, the loss is not known, or a candidate does not fit.

    References
    ----------
    Wade and Ghahramani (2018), *Bayesian Analysis* 13, 559-626, eq. 13.
    Binder (1978), *Biometrika* 65, 31-38.

    Examples
    --------
    >>> import mixtures as mx
    >>> partition = mx.point_partition([[1, 0.9, 0.2], [0.9, 1, 0.1], [0.2, 0.1, 1]])
    >>> partition.values.tolist(), partition.attrs["n_clusters"]
    ([0, 0, 1], 2)
    """
    if loss not in LOSSES:
        raise InputError(f"loss {loss!r} is not one of {', '.join(LOSSES)}")
    chosen, pi = LOSSES[loss], _check_similarity(similarity)
    starts = [_improved(pi, start, chosen) for start in _starts(pi, chosen, candidates)]
    values = [chosen.expected(pi, partition) for partition in starts]
    labels = _by_size(starts[int(np.argmin(values))])
    labelled = isinstance(similarity, xr.DataArray) and similarity.dims[0] in similarity.coords
    obs_id = similarity[similarity.dims[0]].values if labelled else np.arange(len(pi))
    return xr.DataArray(
        labels,
        {"obs_id": obs_id},
        ("obs_id",),
        name="partition",
        attrs={"loss": loss, "expected_loss": float(min(values)), "n_clusters": int(labels.max()) + 1},
    )


@dataclass(frozen=True)
class Loss:
    """Posterior expected loss of a partition, as a sum over rows.

    Attributes
    ----------
    part : callable
        A row's part, from the size of its cluster and the sum of its
        similarities to the rows of that cluster, including itself.
    rest : callable
        The part that does not depend on the partition, from the similarity matrix.
    per_row : bool
        Whether the loss is stated per row.
    """

    part: Callable[[Any, Any], Any]
    rest: Callable[[Array], float]
    per_row: bool

    def expected(self, pi: Array, labels: np.ndarray) -> float:
        """Expected loss of a partition."""
        together = labels[:, None] == labels
        total = self.part(together.sum(axis=1), (pi * together).sum(axis=1)).sum() + self.rest(pi)
        return float(total / len(pi) if self.per_row else total)


def _pairs(pi: Array) -> float:
    return float(pi.sum() - np.trace(pi)) / 2


LOSSES: Mapping[str, Loss] = {
    "binder": Loss(lambda size, own: (size + 1 - 2 * own) / 2, _pairs, per_row=False),
    "vi": Loss(
        lambda size, own: np.log2(size) - 2 * np.log2(own),
        lambda pi: float(np.log2(pi.sum(axis=1)).sum()),
        per_row=True,
    ),
}
"""Losses by their names in `point_partition`."""


def _check_similarity(similarity: Any) -> Array:
    pi = np.array(similarity, dtype=np.float64)
    if pi.ndim != 2 or pi.shape[0] != pi.shape[1] or not pi.size:
        raise InputError(f"similarity has shape {pi.shape}; it needs (rows, rows)")
    if not (np.isfinite(pi).all() and pi.min() >= -ROUNDING and pi.max() <= 1 + ROUNDING):
        raise InputError("similarity must hold probabilities, between 0 and 1")
    if not (np.allclose(pi, pi.T, atol=ROUNDING) and np.allclose(np.diagonal(pi), 1)):
        raise InputError("similarity must be symmetric, with ones on its diagonal")
    return np.clip((pi + pi.T) / 2, 0, 1)


def _starts(pi: Array, loss: Loss, candidates: Any) -> Iterator[np.ndarray]:
    """Partitions to improve: the best cuts of two trees, and the candidates."""
    n = len(pi)
    if n == 1:
        yield np.zeros(1, dtype=int)
        return
    distances = squareform(1 - pi, checks=False)
    for method in ("average", "complete"):
        merges = linkage(distances, method)[:, :2].astype(int)
        heights = _heights(pi, merges, loss)
        for cut in np.argsort(heights, kind="stable")[: max(1, SEARCHED_ROWS // n)]:
            yield _cut(merges, int(cut))
    if candidates is not None:
        given = np.atleast_2d(np.asarray(candidates))
        if given.ndim != 2 or given.shape[1] != n:
            raise InputError(f"candidates have shape {given.shape}; they need {n} labels each")
        for labels in np.unique(given, axis=0):
            yield np.unique(labels, return_inverse=True)[1]


def _heights(pi: Array, merges: np.ndarray, loss: Loss) -> Array:
    """Loss after each number of merges of a tree, (n,), without its constant part."""
    n = len(pi)
    members = [np.array([i]) for i in range(n)]
    own, part = np.ones(n), np.full(n, float(loss.part(1, 1.0)))
    heights = [part.sum()]
    for a, b in merges:
        left, right = members[a], members[b]
        between = pi[np.ix_(left, right)]
        own[left] += between.sum(axis=1)
        own[right] += between.sum(axis=0)
        both = np.concatenate([left, right])
        before = part[both].sum()
        part[both] = loss.part(len(both), own[both])
        heights.append(heights[-1] + part[both].sum() - before)
        members.append(both)
        members[a] = members[b] = both[:0]  # merged nodes are not needed again
    return np.array(heights)


def _cut(merges: np.ndarray, n_merges: int) -> np.ndarray:
    """Labels after a number of merges of a tree."""
    n = len(merges) + 1
    members = {i: [i] for i in range(n)}
    for new, (a, b) in enumerate(merges[:n_merges], start=n):
        members[new] = members.pop(a) + members.pop(b)
    labels = np.empty(n, dtype=int)
    for label, rows in enumerate(members.values()):
        labels[rows] = label
    return labels


def _improved(pi: Array, labels: np.ndarray, loss: Loss) -> np.ndarray:
    """Move single rows to the best cluster, or to a new one, until no move reduces the loss."""
    n = len(pi)
    labels = labels.copy()
    size = np.bincount(labels, minlength=n).astype(float)
    own = (pi * (labels[:, None] == labels)).sum(axis=1)
    moved = True
    while moved:
        moved = False
        for i in range(n if n > 1 else 0):
            home = labels[i]
            size[home] -= 1
            own[labels == home] -= pi[i, labels == home]
            others = np.arange(n) != i
            joined = loss.part(size[labels[others]] + 1, own[others] + pi[i, others])
            alone = loss.part(size[labels[others]], own[others])
            cost = np.bincount(labels[others], joined - alone, minlength=n)
            near = np.bincount(labels[others], pi[i, others], minlength=n)
            cost += loss.part(size + 1, near + 1)
            best = int(np.argmin(cost))  # of n clusters, one is empty now
            if cost[best] < cost[home] - GAIN:
                moved = True
            else:
                best = home
            own[labels == best] += pi[i, labels == best]
            own[i] = near[best] + 1
            labels[i] = best
            size[best] += 1
    return labels


def _by_size(labels: np.ndarray) -> np.ndarray:
    """The same partition with clusters numbered by size, the largest first; ties by first occurrence."""
    _, first, inverse, size = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    return np.argsort(order)[inverse]
