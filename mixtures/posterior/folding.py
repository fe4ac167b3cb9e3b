"""Proposals folded into one labelling, so that each posterior draw is counted once.

A posterior of K clusters has K! images of every mode, and a proposal covers one of them. So both
are compared within one region of the parameter space: where the nearest of all modes is nearest
under the labels as they stand. The region holds exactly one relabelling of every point,
whether clusters are apart or overlap, and the posterior within it integrates to 1/K! of the whole.

A proposal outside is relabelled into the region, if its relabelling is one of a chosen set S;
otherwise its weight is zero. The density of what is in the region is then the sum of the proposal's
densities at the images under S. This is exact for any S; without overlap S is the identity alone.
Relabelling keeps volumes of the parameters, but not of unconstrained coordinates, hence the Jacobians.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from mixtures.clusters.rules import Anchors, assign, pinned
from mixtures.density.density import Density
from mixtures.families.mixture import Mixture
from mixtures.posterior.proposal import Proposal
from mixtures.types import Array, Params

__all__ = ["Folded", "Region"]

MOST_LABELLINGS = 60
"""Relabellings in the set S at most, the most frequent ones."""


BATCH = 500
"""Vectors that are transformed at once."""


@dataclass(frozen=True, eq=False)
class Folded:
    """Proposals in the region.

    Attributes
    ----------
    x : ndarray, shape (N, size)
        Unconstrained coordinates, relabelled.
    inside : ndarray of bool, shape (N,)
        Whether each could be relabelled by a member of S; if not, it stands as it was.
    squared : ndarray, shape (N, S, m)
        Squared distances of every image from every mode.
    log_volume : ndarray, shape (N, S)
        Log of how much the coordinates' volume grows from each image to ``x``.
    """

    x: Array
    inside: np.ndarray
    squared: Array
    log_volume: Array

    def log_components(self, proposal: Proposal) -> Array:
        """Log densities (N, m) of the proposal's components, summed over the images."""
        logs = proposal.log_components(self.squared) + self.log_volume[..., None]
        return np.asarray(logsumexp(logs, axis=1))


@dataclass(frozen=True, eq=False)
class Region:
    """The region of the parameter space in which proposals and posterior are compared.

    Attributes
    ----------
    density : Density
        The log density.
    spec : Mixture
        The model.
    scale : ndarray
        Units of the columns, by which degenerate clusters are recognised.
    labellings : ndarray of int, shape (S, K)
        The set S: orders of the raw clusters, the identity first.
    anchored : sequence of int
        Clusters that have labelled rows: no relabelling moves them.
    """

    density: Density
    spec: Mixture
    scale: Array
    labellings: np.ndarray
    anchored: Anchors = ()

    @classmethod
    def identity(cls, density: Density, spec: Mixture, scale: Array, anchored: Anchors = ()) -> "Region":
        """Region with no relabelling but the identity."""
        return cls(density, spec, scale, np.arange(spec.n_components)[None], anchored)

    def widened(self, orders: np.ndarray) -> "Region":
        """Region with the relabellings (N, K) that were needed, the most frequent ones."""
        found, counts = np.unique(orders, axis=0, return_counts=True)
        identity = np.arange(orders.shape[1])
        others = (found != identity).any(axis=1)
        found, counts = found[others], counts[others]
        frequent = found[np.argsort(-counts, kind="stable")][: MOST_LABELLINGS - 1]
        return replace(self, labellings=np.vstack([identity[None], frequent]))

    def orders(self, proposal: Proposal, params: Params) -> np.ndarray:
        """Orders (N, K) that bring parameters (N, ...) into the region; -1 where they are degenerate."""
        sizes = [np.isfinite(x).reshape(len(x), -1).all(axis=1) for x in params.values()]
        sound = np.all(sizes, axis=0)
        sound[sound] = ~self.spec.family.degenerate(_rows(params, sound), self.scale).any(axis=-1)
        orders = np.full((len(sound), self.spec.n_components), -1)
        orders[sound] = _nearest(self.spec, proposal, _rows(params, sound), self.anchored)
        return orders

    def fold(self, proposal: Proposal, x: Array) -> Folded:
        """Relabel vectors (N, size) into the region."""
        params, log_jacobian = self.constrain(x)
        orders = self.orders(proposal, params)
        matches = (orders[:, None, :] == self.labellings).all(axis=-1)
        inside = matches.any(axis=1)
        moved = inside & ~matches[:, 0]
        x, log_jacobian = x.copy(), log_jacobian.copy()
        if moved.any():
            x[moved] = self._unconstrain(self.spec.relabel_each(_rows(params, moved), orders[moved]))
            again, log_jacobian[moved] = self.constrain(x[moved])
            for name, values in params.items():
                values[moved] = again[name]
        squared = [proposal.distances(x)]
        volumes = [np.zeros(len(x))]
        for order in self.labellings[1:]:
            image = self._unconstrain(self.spec.relabel_each(params, np.argsort(order)))
            squared.append(proposal.distances(image))
            volumes.append(log_jacobian - self.constrain(image)[1])
        return Folded(x, inside, np.stack(squared, axis=1), np.stack(volumes, axis=1))

    def constrain(self, x: Array) -> tuple[dict[str, Array], Array]:
        """Parameters (N, ...) at vectors (N, size), and the log Jacobian there."""
        parts = [self.density.constrain_with_jacobian(part) for part in _batches(x)]
        params = {name: np.concatenate([part[name] for part, _ in parts]) for name in self.spec.dims}
        log_jacobian = np.concatenate([part for _, part in parts])
        return {name: values[: len(x)] for name, values in params.items()}, log_jacobian[: len(x)]

    def _unconstrain(self, params: Params) -> Array:
        batches = zip(*(_batches(values) for values in params.values()), strict=True)
        parts = [
            self.density.unconstrain_draws({n: v[None] for n, v in zip(params, each, strict=True)})[0]
            for each in batches
        ]
        return np.concatenate(parts)[: len(params["alpha"])]


def _batches(x: Array) -> list[Array]:
    """Parts of one size, for which programs are compiled; the last is filled up."""
    return [np.resize(x[i : i + BATCH], (BATCH, *x.shape[1:])) for i in range(0, len(x), BATCH)]


def _nearest(spec: Mixture, proposal: Proposal, params: Params, anchored: Anchors) -> np.ndarray:
    """Orders of clusters that match the nearest mode, over all modes and labels."""
    orders, costs = [], []
    for peak in proposal.peaks:
        cost = pinned(spec.family.divergence(params, peak.params), anchored)
        order = assign(cost)
        orders.append(order)
        costs.append(np.take_along_axis(cost, order[:, None, :], axis=1)[:, 0].sum(axis=-1))
    nearest = np.argmin(costs, axis=0)
    return np.stack(orders)[nearest, np.arange(len(nearest))]


def _rows(params: Params, chosen: np.ndarray) -> dict[str, Array]:
    return {name: x[chosen] for name, x in params.items()}
