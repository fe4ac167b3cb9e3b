"""Starting points of MAP and of chains."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from mixtures.data.table import Data
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import known_value
from mixtures.density.search import climb, reach, require_density
from mixtures.distributions.marginal import MarginalMixtureRV
from mixtures.em.fit import fit_em
from mixtures.em.starts import random_partition, random_starts
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.posterior.target import MixtureTarget, ModelTarget, Target
from mixtures.results.em import EMFit
from mixtures.types import Array

__all__ = ["chain_starts", "em_starts", "model_starts", "partition_starts", "starts_of"]

MODEL_STARTS = 10
"""Starts of the search for the modes of a user's model; chains start at the highest."""


def partition_starts(
    compiled: CompiledModel, spec: Mixture, data: Data, n: int, rng: np.random.Generator
) -> list[Array]:
    """Starts from k-means and k-means++ partitions in turn, independent of EM."""
    return [compiled.unconstrain(spec.inside(params)) for params in random_starts(spec, data, n, rng)]


def model_starts(compiled: CompiledModel, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts for a user's model: its modes if the clusters were those of a k-means partition.

    PyMC's initial point makes all clusters equal, and no gradient separates them.
    So each start climbs from there on the complete-data log density of one of this
    package's mixtures. A model without one, or with parameters that vary by row,
    starts from the initial point plus normal noise.
    """
    model = compiled.model
    origin = compiled.initial_point(int(rng.integers(2**31)))
    mixtures = [v for v in model.observed_RVs if isinstance(v.owner.op, MarginalMixtureRV)]
    shared = [v for v in mixtures if v.ndim == 2 and v.owner.op.shared(v.owner.op.dist_params(v.owner))]
    if not shared:
        steps = rng.normal(size=(n, origin.size))
        return [origin + reach(compiled, origin, step) * step for step in steps]
    rows = shared[0]
    X = np.asarray(known_value(model.rvs_to_values[rows]), dtype=np.float64)
    standardised = X / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    k = compiled.shape_of(rows.owner.op.dist_params(rows.owner)[0])[-1]
    complete = compiled.complete(rows)
    partitions = [random_partition(standardised, k, rng, lloyd=i % 2 == 0) for i in range(n)]
    return [climb(partial(complete, r), origin) for r in partitions]


def starts_of(target: Target, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts of a search, for either kind of target."""
    if isinstance(target, MixtureTarget):
        return partition_starts(target.compiled, target.spec, target.data, n, rng)
    return model_starts(target.compiled, n, rng)


def chain_starts(
    target: Target, em: EMFit | None, chains: int, rng: np.random.Generator
) -> tuple[list[Array], Mapping[str, Array]]:
    """Start of every chain, and the pivot of the labels."""
    compiled = target.compiled
    if isinstance(target, ModelTarget):
        ends = [
            climb(compiled.value_and_grad, x) for x in model_starts(compiled, max(chains, MODEL_STARTS), rng)
        ]
        require_density(compiled, ends)  # without a density a search stays at its start
        heights = np.array([compiled.value_and_grad(x)[0] for x in ends])
        highest = [ends[i] for i in np.argsort(-heights) if np.isfinite(heights[i])]
        return [highest[i % len(highest)] for i in range(chains)], compiled.constrain(highest[0])
    spec = target.spec
    if em is None:
        em = complete(fit_em(spec.for_mode(), target.data, random_seed=rng))
    return em_starts(compiled, em, chains, rng), em.params


def em_starts(compiled: CompiledModel, em: EMFit, chains: int, rng: np.random.Generator) -> list[Array]:
    """Starts of chains from EM: its best fit, then the other restarts, with clusters in random order."""
    spec, best_first, starts = em.spec, em.restarts.order, []
    for chain in range(chains):
        params = em.params if chain == 0 else em.restarts.params[best_first[chain % len(best_first)]]
        relabelled = spec.relabel(params, rng.permutation(spec.n_components))
        starts.append(compiled.unconstrain(spec.inside(relabelled)))
    return starts
