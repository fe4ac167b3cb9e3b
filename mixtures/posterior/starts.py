"""Starting points of MAP and of chains."""

from collections.abc import Mapping
from itertools import cycle, islice

import numpy as np

from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.density.density import Density
from mixtures.density.search import climb, require_density
from mixtures.em.fit import fit_em
from mixtures.em.kinds import KINDS, Sample
from mixtures.em.starts import random_starts
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.posterior.peaks import rival_ends, rivals
from mixtures.posterior.target import MixtureTarget, Target
from mixtures.results.em import EMFit
from mixtures.types import Array

__all__ = ["chain_starts", "em_starts", "fit_of", "kinds_in_turn", "partition_starts", "starts_of"]

MODEL_STARTS = 10
"""Starts of the search for the modes of a user's model; chains start at the highest."""


def kinds_in_turn(n: int) -> list[str]:
    """Kinds of the starts of MAP: those of EM in turn, beginning with the second."""
    return list(islice(cycle(KINDS), 1, n + 1))


def partition_starts(
    density: Density, spec: Mixture, data: Data, n: int, rng: np.random.Generator
) -> list[Array]:
    """Starts of all kinds in turn, as they are drawn, without a step of EM."""
    starts = random_starts(spec, Sample.of(spec, data, rng), kinds_in_turn(n), rng)
    return [density.unconstrain(spec.inside(start.params)) for start in starts]


def starts_of(target: Target, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts of a search, for either kind of target."""
    if isinstance(target, MixtureTarget):
        return partition_starts(target.compiled, target.spec, target.data, n, rng)
    from mixtures.posterior.model_starts import model_starts  # loads PyMC

    return model_starts(target.compiled, n, rng)


def chain_starts(
    target: Target, em: EMFit | None, chains: int, rng: np.random.Generator
) -> tuple[list[Array], Mapping[str, Array]]:
    """Start of every chain, and the pivot of the labels."""
    if isinstance(target, MixtureTarget):
        em = fit_of(target, em, rng)
        return em_starts(target.compiled, em, chains, rng, target.data), em.params
    density = target.compiled
    ends = [climb(density.value_and_grad, x) for x in starts_of(target, max(chains, MODEL_STARTS), rng)]
    require_density(density, ends)  # without a density a search stays at its start
    heights = np.array([density.value_and_grad(x)[0] for x in ends])
    finite = [i for i in np.argsort(-heights) if np.isfinite(heights[i])]
    highest = [ends[i] for i in finite]
    first = [highest[0], *rival_ends(density, highest, heights[finite])]
    starts = [(first if i < len(first) else highest)[i % len(highest)] for i in range(chains)]
    return starts, density.constrain(highest[0])


def fit_of(target: MixtureTarget, em: EMFit | None, rng: np.random.Generator) -> EMFit:
    """The fit that is given, or else a new one."""
    return complete(fit_em(target.spec.for_mode(), target.data, random_seed=rng)) if em is None else em


def em_starts(density: Density, em: EMFit, chains: int, rng: np.random.Generator, data: Data) -> list[Array]:
    """Starts of chains from EM: its best fit, rival modes, then the other restarts.

    Clusters are in random order, but for anchored ones, which keep their places. NUTS seldom moves between
    modes: chains that all start at the best say nothing of others that hold as much of the posterior.
    """
    spec, best_first, starts = em.spec, em.restarts.order, []
    anchored = anchored_clusters(data)
    first = [em.params, *(rivals(density, em, data, chains) if chains > 1 else ())]
    for chain in range(chains):
        known = chain < len(first)
        params = first[chain] if known else em.restarts.params[best_first[chain % len(best_first)]]
        order = np.arange(spec.n_components)
        free = np.setdiff1d(order, anchored)
        order[free] = rng.permutation(free)
        relabelled = spec.relabel(params, order)
        starts.append(density.unconstrain(spec.inside(relabelled)))
    return starts
