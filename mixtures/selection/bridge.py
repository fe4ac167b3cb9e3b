"""Bridge sampling of the marginal likelihood."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from math import factorial

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from mixtures.clusters.rules import Anchors, match_params
from mixtures.density.density import Density
from mixtures.em.fit import fit_em
from mixtures.families.gaussian_model import GMM
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.results.evidence import Evidence, standard_error_notes
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["bridge_sampling"]

ALL_LABELLINGS = 5
"""Largest number of clusters for which all K! labellings are used."""


PROPOSAL_COMPONENTS, DRAWS_PER_COORDINATE, PROPOSAL_TOLERANCE = 12, 8, 1e-2
"""Most Gaussians of a proposal, draws that each needs per coordinate, and EM's tolerance."""


BRIDGE_STEPS, BRIDGE_CLOSE = 1000, 1e-10
"""Largest number of iterations of the bridge, and the change (nats) at which they stop."""


@dataclass(frozen=True)
class _Proposal:
    """A Gaussian mixture in unconstrained coordinates, fitted by this package's EM."""

    spec: Mixture
    params: Mapping[str, Array]

    @classmethod
    def fitted(cls, x: Array, rng: np.random.Generator) -> "_Proposal":
        """Fit to draws (N, size), with as many components as they support, to cover tails and modes."""
        k = int(np.clip(len(x) // (DRAWS_PER_COORDINATE * x.shape[1]), 1, PROPOSAL_COMPONENTS))
        em = complete(fit_em(GMM(k), x, n_init=2, random_seed=rng, tol=PROPOSAL_TOLERANCE))
        return cls(em.spec, em.params)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draws as vectors (n, size)."""
        return self.spec.sample(self.params, n, rng)[0]

    def log_density(self, x: Array) -> Array:
        """Log density at vectors (n, size)."""
        return self.spec.log_likelihood(x, self.params)


class _Labellings:
    """A set S of labellings relative to a pivot, to which target and proposal are restricted.

    The pivot divides the parameter space into K! regions, one per labelling, by the
    cheapest assignment to it. The posterior is the same in each, so over the regions
    of S it integrates to |S| / K! of the marginal likelihood. To draw from it there,
    any draw is aligned and then relabelled by a random member of S. Relabelling
    preserves volume in alpha, mu, Sigma and p, but not in unconstrained coordinates,
    so densities are compared over the former. Anchored clusters, which have labelled
    rows, keep their labels: K counts the others.
    """

    def __init__(
        self, compiled: Density, spec: Mixture, pivot: Mapping[str, Array], anchored: Anchors = ()
    ) -> None:
        self.compiled, self.spec, self.pivot, self.anchored = compiled, spec, pivot, anchored
        free = np.setdiff1d(np.arange(spec.n_components), anchored)
        self.n_free = k = len(free)
        if k <= ALL_LABELLINGS:
            among = np.array(list(permutations(range(k))), dtype=np.intp)
        else:  # the neighbouring regions that a Gaussian overlaps
            swaps = [np.arange(k) for _ in range(k * (k - 1) // 2 + 1)]
            for order, pair in zip(swaps[1:], combinations(range(k), 2), strict=True):
                order[list(pair)] = pair[::-1]
            among = np.array(swaps)
        self.orders = np.tile(np.arange(spec.n_components), (len(among), 1))
        self.orders[:, free] = free[among]

    def aligned(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """Relabel draws to agree with the pivot."""
        return self.spec.relabel_each(params, self._order(params))

    def shuffled(self, params: Mapping[str, Array], rng: np.random.Generator) -> dict[str, Array]:
        """Relabel every draw by a random member of the set."""
        chosen = self.orders[rng.integers(len(self.orders), size=len(params["alpha"]))]
        return self.spec.relabel_each(params, chosen)

    def log_ratio(self, params: Mapping[str, Array], proposal: _Proposal) -> Array:
        """Log of target over proposal, both restricted to the set of labellings."""
        logs = []
        for order in self.orders:
            relabelled = self.spec.relabel_each(params, np.argsort(order))
            x = self.compiled.unconstrain_draws(_leading(relabelled))[0]
            logs.append(proposal.log_density(x) - self.compiled.constrain_with_jacobian(x)[1])
        log_proposal = logsumexp(logs, axis=0) - np.log(len(self.orders))
        log_target = self.compiled.log_densities(x)  # the same in every labelling
        images = factorial(self.n_free)
        if len(self.orders) < images:
            # a draw's order is the inverse of the labelling it lies in; the set holds every inverse
            inside = (self._order(params)[:, None, :] == self.orders).all(axis=-1).any(axis=-1)
            log_target = np.where(inside, log_target, -np.inf) + np.log(images / len(self.orders))
        return np.where(np.isnan(log_target), -np.inf, log_target) - log_proposal

    def _order(self, params: Mapping[str, Array]) -> np.ndarray:
        return match_params(
            self.spec.family,
            {name: params[name] for name in self.spec.dims},
            {name: self.pivot[name][None] for name in self.spec.dims},
            self.anchored,
        )


def bridge_sampling(
    compiled: Density,
    spec: Mixture,
    draws: Mapping[str, Array],
    rng: np.random.Generator,
    anchored: Anchors = (),
) -> Evidence:
    """Fit the proposal to the first half of every chain and use the second half for the bridge."""
    half = draws["alpha"].shape[1] // 2
    first = {name: x[:, :half].reshape(-1, *x.shape[2:]) for name, x in draws.items()}
    second = {name: x[:, half:].reshape(-1, *x.shape[2:]) for name, x in draws.items()}
    x = compiled.unconstrain_draws(_leading(first))[0]
    best = int(np.argmax(compiled.log_densities(x)))
    labellings = _Labellings(compiled, spec, {name: v[best] for name, v in first.items()}, anchored)
    proposal = _Proposal.fitted(compiled.unconstrain_draws(_leading(labellings.aligned(first)))[0], rng)

    chains = draws["alpha"].shape[0]
    drawn = compiled.constrain(proposal.draw(len(second["alpha"]), rng))
    at_posterior = labellings.log_ratio(labellings.shuffled(labellings.aligned(second), rng), proposal)
    at_proposal = labellings.log_ratio(labellings.shuffled(drawn, rng), proposal)
    log, error, r_hat = _cross(at_posterior.reshape(chains, -1), at_proposal)
    notes = standard_error_notes(error)
    if np.isnan(r_hat):
        notes += ("R-hat of the bridge could not be computed: draw two or more chains, and more draws",)
    elif not r_hat < TOLERANCES.rhat:
        notes += (f"R-hat of the bridge is {r_hat:.3f}: the chains disagree, draw more",)
    return Evidence(log, error, f"bridge over {len(labellings.orders)} labellings", notes)


def _leading(params: Mapping[str, Array]) -> dict[str, Array]:
    return {name: x[None] for name, x in params.items()}


def _cross(at_posterior: Array, at_proposal: Array) -> tuple[float, float, float]:
    """Bridge estimate from log ratios at draws (chain, draw) of the target and of the proposal.

    Return the log integral, its standard error by Frühwirth-Schnatter
    (2004), and R-hat of the terms that the chains contribute.
    """
    n_1, n_2 = at_posterior.size, at_proposal.size
    log, log_before = float(np.median(at_posterior)), np.inf
    effective = float(n_1)
    for _ in range(BRIDGE_STEPS):
        s_1, s_2 = np.log(effective / (effective + n_2)), np.log(n_2 / (effective + n_2))
        over = at_proposal - np.logaddexp(s_1 + at_proposal, s_2 + log)
        under = -np.logaddexp(s_1 + at_posterior, s_2 + log)
        terms = np.exp(under - under.max())
        log_before, log = log, float(logsumexp(over) - np.log(n_2) - logsumexp(under) + np.log(n_1))
        if not np.isfinite(log) or abs(log - log_before) < BRIDGE_CLOSE:
            break
        effective = min(float(n_1), float(array_stats.ess(terms, chain_axis=0, draw_axis=1, method="mean")))
    ratios = np.exp(over - over.max())
    relative = ratios.var() / ratios.mean() ** 2 / n_2 + terms.var() / terms.mean() ** 2 / effective
    r_hat = float(array_stats.rhat(terms, chain_axis=0, draw_axis=1))
    return log, float(np.sqrt(relative)), r_hat
