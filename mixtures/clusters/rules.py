"""Relabelling of draws on plain arrays: costs of labels, and the cheapest assignment of each draw.

Three rules share one assignment algorithm. A cluster gets the label of the pivot's
cluster with the nearest parameters, the label that keeps most rows in their cluster
under the pivot (ECR), or the label that keeps the classification probabilities of
the rows nearest to their mean over all draws (Stephens).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.draws import sets_of
from mixtures.errors import ConvergenceWarning
from mixtures.families.family import Family
from mixtures.families.mixture import Mixture
from mixtures.messages import warn
from mixtures.types import Array, Params

__all__ = [
    "Anchors",
    "Classified",
    "assign",
    "by_allocations",
    "by_parameters",
    "by_probabilities",
    "match_params",
    "pinned",
    "sweep",
]

Anchors = Sequence[int] | np.ndarray
"""Clusters that have labelled rows, whose labels are therefore fixed."""


DRAWS_AT_ONCE = 256
"""Draws whose pairwise divergences are held in memory at once."""


HELD = 8_000_000
"""Classification probabilities (draws x clusters x rows) held in memory at once."""


SWEEPS = 100
"""Largest number of sweeps of Stephens' algorithm over the draws."""


def assign(cost: Array) -> np.ndarray:
    """Cheapest assignment of clusters to pivot clusters.

    Parameters
    ----------
    cost : ndarray, shape (..., K, K)
        ``cost[..., i, j]`` of giving cluster ``i`` the pivot's label ``j``.

    Returns
    -------
    ndarray of int, shape (..., K)
        ``order[..., j]``: the cluster that gets label ``j``; ``x[order]`` relabels.
    """
    k = cost.shape[-1]
    flat = cost.reshape(-1, k, k)
    order = flat.argmin(axis=1)
    clashes = (np.sort(order, axis=1) != np.arange(k)).any(axis=1)  # in others the minima are the assignment
    for s in np.flatnonzero(clashes):
        order[s] = linear_sum_assignment(flat[s].T)[1]
    return order.reshape(cost.shape[:-1])


def pinned(cost: Array, anchored: Anchors) -> Array:
    """Costs (..., K, K) under which anchored clusters keep their labels.

    Examples
    --------
    >>> assign(pinned(np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), [1])).tolist()
    [2, 1, 0]
    """
    if not len(anchored):
        return cost
    free = ~np.isin(np.arange(cost.shape[-1]), anchored)
    return np.where(np.diag(~free), 0.0, np.where(free[:, None] & free, cost, np.inf))


def match_params(family: Family, params: Params, pivot: Params, anchored: Anchors = ()) -> np.ndarray:
    """Order of clusters that makes ``params (..., K, ...)`` closest to ``pivot``, shape (..., K).

    Anchored clusters keep their places.
    """
    return assign(pinned(family.divergence(params, pivot), anchored))


def by_parameters(family: Family | None, draws: Params, pivot: Params, anchored: Anchors = ()) -> np.ndarray:
    """Orders (draws, K) that minimise the total divergence from the pivot's clusters of the same label.

    Without a family the divergence is a standardised distance over all arrays.
    """
    if family is None:
        return _by_distance(draws, pivot, anchored)
    n_draws = len(next(iter(draws.values())))
    blocks = (slice(i, i + DRAWS_AT_ONCE) for i in range(0, n_draws, DRAWS_AT_ONCE))
    return np.concatenate(
        [match_params(family, {k: x[b] for k, x in draws.items()}, pivot, anchored) for b in blocks]
    )


@dataclass(frozen=True, eq=False)
class Classified:
    """Probability of each cluster for each row under many draws, computed block by block.

    Attributes
    ----------
    spec : Mixture
        The model; its prior is not used.
    data : Data
        Rows, with their weights if they have any.
    draws : dict of ndarray, shape (S, ...)
        Parameters of every draw.
    anchored : sequence of int
        Clusters whose labels are fixed.
    """

    spec: Mixture
    data: Data
    draws: Params
    anchored: Anchors = ()

    @property
    def n_draws(self) -> int:
        """Number of draws S."""
        return len(self.draws["alpha"])

    def at(self, params: Params) -> Array:
        """Probabilities (K, n) at one set of parameters."""
        log_joint = self.spec.log_joint(params)
        return np.concatenate(
            [softmax(log_joint(rows.T), axis=0) for _, rows in self.data.blocks(BLOCK_ROWS)], axis=1
        )

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield slices of draws with their probabilities (draws, K, n), computed again in each sweep."""
        step = max(1, HELD // (self.spec.n_components * self.data.n_rows))
        if step >= self.n_draws:
            yield slice(None), self._all
            return
        for first in range(0, self.n_draws, step):
            block = range(first, min(first + step, self.n_draws))
            yield slice(block.start, block.stop), self._of(block)

    @cached_property
    def _all(self) -> Array:
        """Probabilities of all draws, stored if they fit into one block."""
        return self._of(range(self.n_draws))

    def _of(self, block: range) -> Array:
        return np.stack([self.at(one) for one in sets_of(self.draws, block)])


def by_allocations(classified: Classified, pivot: Params) -> np.ndarray:
    """Orders (draws, K) that leave most rows in the cluster where the pivot has them.

    A row's allocation is its most probable cluster. Papastamoulis and Iliopoulos
    (2010), *J. Comput. Graph. Stat.* 19, the ECR algorithm.
    """
    labels = np.arange(classified.spec.n_components)[:, None]
    members = (classified.at(pivot).argmax(axis=0) == labels) * classified.data.counts
    order = np.empty((classified.n_draws, len(labels)), dtype=np.intp)
    for block, probabilities in classified.blocks():
        allocated = probabilities.argmax(axis=1)[:, None] == labels
        order[block] = assign(pinned(-(allocated @ members.T), classified.anchored))
    return order


def by_probabilities(classified: Classified, pivot: Params) -> np.ndarray:
    """Orders (draws, K) that bring classification probabilities closest to their mean, sweep by sweep.

    The first sweep uses the pivot's probabilities as the mean, so that labels
    are the pivot's. Stephens (2000), *JRSS B* 62, algorithm 2.
    """
    mean = classified.at(pivot)
    order, mean = sweep(classified, mean)
    for _ in range(SWEEPS - 1):
        before = order
        order, mean = sweep(classified, mean)
        if np.array_equal(order, before):
            return order
    words = f"Stephens' algorithm still changes labels after {SWEEPS} sweeps"
    warn(words, ConvergenceWarning)
    return order


def sweep(classified: Classified, mean: Array) -> tuple[np.ndarray, Array]:
    """Orders closest to ``mean (K, n)`` in Kullback-Leibler divergence, and the mean under them."""
    log_mean = np.log(np.maximum(mean, np.finfo(float).tiny)) * classified.data.counts
    order = np.empty((classified.n_draws, len(mean)), dtype=np.intp)
    total = np.zeros_like(mean)
    for block, probabilities in classified.blocks():
        cost = -(probabilities @ log_mean.T)  # the entropy of a draw is the same in any order
        order[block] = assign(pinned(cost, classified.anchored))
        total += np.take_along_axis(probabilities, order[block][..., None], axis=1).sum(axis=0)
    return order, total / classified.n_draws


def _by_distance(draws: Mapping[str, Array], pivot: Mapping[str, Array], anchored: Anchors) -> np.ndarray:
    """Orders (draws, K) of least squared distance from the pivot, with every entry standardised.

    The unit is the spread within matched clusters, so that entries which do not
    distinguish clusters count little. The first match uses all variables or one of
    them; of the resulting matches, the one with the least spread is used.
    """
    k = len(next(iter(pivot.values())))
    parts = {name: x.reshape(len(x), k, -1) for name, x in draws.items()}
    targets = {name: pivot[name].reshape(k, -1) for name in draws}
    flat, target = (np.concatenate(list(each.values()), axis=-1) for each in (parts, targets))
    spread = _positive(flat.std(axis=(0, 1)), 1.0)
    starts = [assign(pinned(_squared(flat, target, spread), anchored))]
    for name, x in parts.items() if len(parts) > 1 else ():
        squared = _squared(x, targets[name], _positive(x.std(axis=(0, 1)), 1.0))
        starts.append(assign(pinned(squared, anchored)))

    def within(order: np.ndarray) -> Array:
        matched = np.take_along_axis(flat, order[..., None], axis=1)
        return _positive(np.sqrt(matched.var(axis=0).mean(axis=0)), spread)

    def settled(order: np.ndarray) -> np.ndarray:
        for _ in range(SWEEPS):
            before, order = order, assign(pinned(_squared(flat, target, within(order)), anchored))
            if np.array_equal(order, before):
                break
        return order

    return min(map(settled, starts), key=lambda order: float(np.log(within(order) / spread).sum()))


def _positive(spread: Array, otherwise: Any) -> Array:
    return np.where(spread > 0, spread, otherwise)


def _squared(flat: Array, target: Array, spread: Array) -> Array:
    """Squared distances (draws, K, K) of clusters (draws, K, entries) from the pivot's (K, entries)."""
    centre = target.mean(axis=0)
    x, y = (flat - centre) / spread, (target - centre) / spread
    return np.asarray((x**2).sum(axis=-1)[..., None] - 2 * x @ y.T + (y**2).sum(axis=-1))
