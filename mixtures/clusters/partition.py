"""Which rows belong together: answers that do not know the labels of the clusters.

The probability that two rows share a cluster is the same however clusters are
numbered, so co-clustering needs no alignment; a partition that suits it best is
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
"""Rows times starts that single rows are moved from, for each tree; at least one start."""


ROUNDING = 1e-8
"""How far a similarity may be from symmetry and from the interval 0 to 1."""


GAIN = 1e-10
"""What a move must gain to be made, in rows' shares of the loss: more than rounding."""


def point_partition(similarity: Any, *, loss: str = "vi", candidates: Any = None) -> xr.DataArray:
    """Partition of the rows that loses least, on average over the posterior.

    Binder's loss counts the pairs that are wrongly put together or apart. The
    variation of information measures what one partition does not tell of the
    other, in bits; it favours fewer small clusters. Its average is replaced by
    Wade and Ghahramani's lower bound, which needs the co-clustering matrix alone.

    The search starts from the best cuts of the trees of average and of complete
    linkage, and from the candidates, and moves single rows until no move is a
    gain. It is deterministic, and finds a local minimum, on small or clear
    problems the global one.

    Parameters
    ----------
    similarity : array_like or xarray.DataArray, shape (n, n)
        Probability of every two rows to share a cluster, from `coclustering`.
    loss : {"vi", "binder"}, default "vi"
        What to lose little of.
    candidates : array_like of int, shape (m, n) or (n,), optional
        Partitions to start from besides, such as the labels of EM.

    Returns
    -------
    xarray.DataArray
        Cluster of every row, the largest cluster first, with dim obs_id; attrs
        hold ``loss``, its expected value ``expected_loss`` (pairs; bits a row)
        and ``n_clusters``.

    Raises
    ------
    InputError
        If the matrix is not symmetric with ones on its diagonal and
        probabilities off it, the loss is not known, or a candidate does not fit.

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
    obs_id = similarity["obs_id"].values if isinstance(similarity, xr.DataArray) else np.arange(len(pi))
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
        similarities to the rows of it, itself among them.
    rest : callable
        What no partition changes, from the similarity matrix.
    per_row : bool
        Whether the loss is stated a row.
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
"""Losses by the name that `point_partition` takes."""


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
    """Partitions to improve: the best cuts of two trees, and those given."""
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
    """Loss, but for what no partition changes, after each number of merges of a tree, (n,)."""
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
        members[a] = members[b] = both[:0]  # what is merged is not asked for again
    return np.array(heights)


def _cut(merges: np.ndarray, n_merges: int) -> np.ndarray:
    """Labels after so many merges of a tree."""
    n = len(merges) + 1
    members = {i: [i] for i in range(n)}
    for new, (a, b) in enumerate(merges[:n_merges], start=n):
        members[new] = members.pop(a) + members.pop(b)
    labels = np.empty(n, dtype=int)
    for label, rows in enumerate(members.values()):
        labels[rows] = label
    return labels


def _improved(pi: Array, labels: np.ndarray, loss: Loss) -> np.ndarray:
    """Move single rows to where the loss is least, also to clusters of their own, until no move is a gain."""
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
            best = int(np.argmin(cost))  # of n clusters one is empty now
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
    """The same partition, clusters numbered by size, the largest first; of equals the one met first."""
    _, first, inverse, size = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    return np.argsort(order)[inverse]
