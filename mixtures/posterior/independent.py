"""Independent draws from a posterior whose modes are known: the sampler ``"laplace"``.

EM's restarts have found the modes, and the density's curvature at each gives a multivariate t. A
mixture of them proposes, and an independence Metropolis-Hastings chain corrects for how the
posterior differs: its draws have the posterior's distribution, not Laplace's approximation of it.
The Pareto k of the importance weights shows whether the proposal covers the posterior (Vehtari et
al. 2024). A mode that no start found is not covered, and no figure here can show that.

Proposals come from all modes, so chains move between modes as easily as within one, and the
weights also give the posterior mass of each mode and the marginal likelihood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil, lgamma
from operator import add
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from mixtures.clusters.rules import Anchors, match_params
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.rows import Rows
from mixtures.density.density import Density
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.posterior.chains import Chains
from mixtures.posterior.importance import acceptance, independence_chains, masses, pareto_k
from mixtures.posterior.peaks import Peak
from mixtures.posterior.runs import Drawn, Draws, nothing_kept
from mixtures.posterior.weighing import PILOT, Tuned, Weighed, tune
from mixtures.progress import track
from mixtures.results.em import EMFit
from mixtures.tolerances import TOLERANCES
from mixtures.trees import group_of
from mixtures.types import Array

__all__ = ["Independent", "independent_draws", "modes_of"]

PILOT_ERROR, EARLY_ERROR = 0.3, 0.1
"""How far above the limit the Pareto k may be: that of the pilot, which has few weights, and that of the
first proposals if there is no other sampler to fall back on."""


BLOCK = 1000
"""Proposals drawn and weighed between two updates of the progress bar."""


MOST_PROPOSALS = 10
"""Largest number of proposals per draw; the more there are, the fewer draws repeat the one before."""


ENOUGH = 4000
"""Smallest number of proposals, however few draws are kept: with fewer, the Pareto k is too uncertain."""


@dataclass(frozen=True, eq=False)
class Independent(Drawn):
    """Draws of independence chains, and what their proposals say about the posterior.

    Attributes
    ----------
    draws : Draws
        Draws of all chains, with the statistics lp, acceptance_rate, log_weight, mode.
    attrs : dict
        ``pareto_k``, that of the weights of all proposals; ``acceptance``, the share of them that the chains
        accepted; ``n_proposals``, those weighed, with those that tuned; ``log_evidence``, the log marginal
        likelihood by importance sampling, and its standard error ``log_evidence_se``.
    peaks : tuple of Peak
        The modes.
    mass, mass_se : ndarray, shape (m,)
        Posterior mass of each mode, with its standard error.
    """

    peaks: tuple[Peak, ...]
    mass: Array
    mass_se: Array


def independent_draws(
    density: Density,
    em: EMFit,
    rows: Rows,
    peaks: tuple[Peak, ...],
    how: Chains,
    rng: np.random.Generator,
) -> Independent:
    """Draw from the posterior by independence chains.

    Returns
    -------
    Independent
        Draws; fewer than requested after an interrupt.

    Raises
    ------
    NoApproximation
        If the proposals do not cover the posterior well enough.
    """
    spec, anchored = em.spec, anchored_clusters(rows)
    tuned = tune(density, spec, spec.family.units(rows)[1], peaks, rng, anchored)
    weights = tuned.pilot.log_weights
    _judge(pareto_k(weights) - PILOT_ERROR, 2 * acceptance(weights), tuned.pilot)
    chosen = rng.choice(len(weights), size=how.chains, p=np.exp(weights - logsumexp(weights)))
    first = tuned.pilot[chosen].under(tuned.region, tuned.proposal)
    by_efficiency = int(np.clip(np.round(1 / tuned.efficiency**2), 1, MOST_PROPOSALS))
    a_draw = max(by_efficiency, ceil(ENOUGH / how.total))
    made, status = _weigh(tuned, how.total * a_draw, rng, how)
    draws, share = _chains(first, made, how.chains, a_draw, rng)
    k = pareto_k((made if len(made.x) > PILOT else tuned.pilot).log_weights)
    try:
        _judge(k, share, made)
    except NoApproximation as error:
        if status is Status.INTERRUPTED:  # nobody waits for another sampler
            raise nothing_kept() from error
        raise
    log_evidence, log_evidence_se = _evidence(made.log_weights, spec.n_components - len(anchored))
    attrs = {
        "tune": 0,
        "pareto_k": k,
        "acceptance": share,
        "n_proposals": PILOT + len(made.x),
        "log_evidence": log_evidence,
        "log_evidence_se": log_evidence_se,
    }
    draws = replace(draws, stopped=INTERRUPTED if status is Status.INTERRUPTED else "", status=status)
    return Independent(draws, attrs, peaks, *masses(made.log_weights, made.mode, len(peaks)))


def _weigh(tuned: Tuned, n: int, rng: np.random.Generator, how: Chains) -> tuple[Weighed, Status]:
    """Draw and weigh ``n`` proposals, or as many as come before an interrupt.

    They are judged after 4000, 8000, ... proposals, so that few are made in vain.
    """
    made: list[Weighed] = []
    status, error = Status.WHOLE, 0.0 if how.may_fall_back else EARLY_ERROR
    looks = {ENOUGH * 2**i for i in range(n.bit_length()) if ENOUGH * 2**i < n}
    try:
        for begin in track(range(0, n, BLOCK), "independent draws", shown=how.progressbar):
            x = tuned.proposal.draw(min(BLOCK, n - begin), rng)
            made.append(Weighed.of(tuned.region, tuned.proposal, x))
            if begin + BLOCK in looks:
                some = reduce(add, made)
                _judge(pareto_k(some.log_weights) - error, acceptance(some.log_weights), some)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    if not made:
        raise nothing_kept()
    return reduce(add, made), status


def _chains(
    first: Weighed, made: Weighed, chains: int, a_draw: int, rng: np.random.Generator
) -> tuple[Draws, float]:
    """Run chains on the proposals and thin them; return the draws and the share of proposals accepted."""
    draws = len(made.x) // (chains * a_draw)
    if not draws:
        raise nothing_kept()
    by_step = made.log_weights[: draws * a_draw * chains].reshape(draws * a_draw, chains)
    uniform = np.log(rng.random(by_step.shape))
    states, accepted, probability = independence_chains(first.log_weights, by_step, uniform)
    place = (states + 1) * chains + np.arange(chains)
    kept = (first + made)[place[a_draw - 1 :: a_draw].T]
    statistics = {
        "lp": kept.log_density,
        "acceptance_rate": probability.reshape(draws, a_draw, chains).mean(axis=1).T,
        "log_weight": kept.log_weights,
        "mode": kept.mode,
    }
    return Draws(kept.x, statistics), float(accepted.mean())


def _judge(k: float, share: float, made: Weighed) -> None:
    """Refuse proposals that do not cover the posterior."""
    outside = float(np.isneginf(made.log_density).mean())
    if k > TOLERANCES.proposal_pareto_k:
        words = (
            f"the Pareto k-hat of their importance weights is {k:.2f}, above {TOLERANCES.proposal_pareto_k}"
        )
    elif share < TOLERANCES.proposal_acceptance:
        words = f"{share:.0%} of the proposals were accepted, fewer than {TOLERANCES.proposal_acceptance:.0%}"
        words += f", and {outside:.0%} had labels of another mode" if outside > share else ""
    else:
        return
    raise NoApproximation(f"too far from normal about its modes for independent draws: {words}")


def _evidence(log_weights: Array, n_free: int) -> tuple[float, float]:
    """Log marginal likelihood and its standard error: the region holds 1/K! of the posterior.

    K counts the clusters that can be exchanged, those without labelled rows.
    """
    n = len(log_weights)
    weights = np.exp(log_weights - log_weights.max())
    log_mean = float(logsumexp(log_weights) - np.log(n))
    return log_mean + lgamma(n_free + 1), float(weights.std() / weights.mean() / np.sqrt(n))


def modes_of(
    drawn: Independent,
    spec: Mixture,
    pivot: Mapping[str, Any],
    coords: Mapping[str, Sequence[Any]],
    anchored: Anchors = (),
) -> xr.DataTree:
    """Group with the mass of every mode and where it is, under the labels of the sample."""
    params = [
        spec.relabel(p.params, match_params(spec.family, p.params, pivot, anchored)) for p in drawn.peaks
    ]
    evidence = np.array([peak.log_evidence for peak in drawn.peaks])
    share = np.exp(evidence - evidence.max())
    variables = {
        "mass": drawn.mass,
        "mass_se": drawn.mass_se,
        "mass_laplace": share / share.sum(),
        "log_density": np.array([peak.log_density for peak in drawn.peaks]),
        **{name: np.stack([one[name] for one in params]) for name in spec.dims},
    }
    return group_of(variables, spec.dims, coords, ("mode",))
