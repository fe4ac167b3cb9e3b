"""What draws the posteriors of simulated data: the sampler that is shipped, and faults that must be found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import mixtures as mx
from benchmarks.calibration.cases import Case, Simulation
from benchmarks.calibration.chains import draw_many, of_rows
from benchmarks.calibration.prior import draw_prior
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.families.mixture import Mixture
from mixtures.posterior.starts import em_starts
from mixtures.posterior.whitening import frames_at
from mixtures.types import Array

KEPT = 99
"""Draws that a truth is ranked among, so that ranks go from 0 to 99."""

THIN = 5
"""Transitions from one kept draw to the next."""

TUNE = 500
"""Warm-up as in `mx.sample`."""

EM_STARTS, EM_STEPS = 2, 50
"""A chain starts where EM has come to; fewer starts and steps than in `mx.sample` save time."""

Posterior = Callable[[Case, Sequence[Simulation], int, int], tuple[list[Mapping[str, Array]], float]]
"""Kept draws of every simulation and the share of divergences, given a seed and the first one's number."""


def of_lanes(
    case: Case,
    simulations: Sequence[Simulation],
    seed: int,
    first: int,
    *,
    spec: Mixture | None = None,
    fault: Callable[..., Any] | None = None,
) -> tuple[list[Mapping[str, Array]], float]:
    """Draw as `mx.sample` does, one chain from EM's best, all in one loop; ``spec`` may be a wrong one."""
    spec = spec or case.spec
    model = CompiledModel(mx.declare(spec, simulations[0].X))
    compiled, frames = of_rows(model, spec.family, [simulation.X for simulation in simulations]), []
    for i, (simulation, own) in enumerate(zip(simulations, compiled, strict=True), start=first):
        rng, data = np.random.default_rng([seed, i]), as_data(simulation.X)
        em = mx.fit_em(spec.for_mode(), data, n_init=EM_STARTS, max_iter=EM_STEPS, random_seed=rng)
        frames.extend(frames_at(own, em_starts(own, em, 1, rng, data), rng))
    x, statistics = draw_many(
        compiled, frames, draws=KEPT * THIN, tune=TUNE, seed=seed, first=first, fault=fault
    )
    params = model.constrain(x[:, THIN - 1 :: THIN])
    of_each = [{name: value[i] for name, value in params.items()} for i in range(len(simulations))]
    return of_each, statistics["diverging"].mean()


def of_sample(
    case: Case, simulations: Sequence[Simulation], seed: int, first: int
) -> tuple[list[Mapping[str, Array]], float]:
    """Draw by `mx.sample` itself, with its defaults; keep draws evenly from all chains."""
    found, diverging = [], []
    for i, simulation in enumerate(simulations, start=first):
        tree = mx.sample(
            case.spec, simulation.X, random_seed=np.random.default_rng([seed, i]), progressbar=False
        )
        posterior = {name: v.values.reshape(-1, *v.shape[2:]) for name, v in tree["posterior"].items()}
        even = np.linspace(0, len(posterior["alpha"]) - 1, KEPT).round().astype(int)
        found.append({name: value[even] for name, value in posterior.items()})
        diverging.append(float(tree["sample_stats"]["diverging"].mean()))
    return found, float(np.mean(diverging))


def of_prior(
    case: Case, simulations: Sequence[Simulation], seed: int, first: int
) -> tuple[list[Mapping[str, Array]], float]:
    """A fault to be found: draws that never saw the data."""
    found = []
    for i in range(first, first + len(simulations)):
        rng = np.random.default_rng([seed, i])
        draws = [draw_prior(case.spec, case.points.shape[1], rng) for _ in range(KEPT)]
        found.append({name: np.stack([draw[name] for draw in draws]) for name in draws[0]})
    return found, 0.0


def kappa_doubled(case: Case) -> Mixture:
    """A fault to be found: twice the prior count of the means."""
    return replace(case.spec, prior=replace(case.spec.prior, kappa=2 * case.spec.prior.kappa))


def without_jacobian(log_density: Callable[..., Any]) -> Callable[..., Any]:
    """A fault to be found: the density of the parameters, sampled as if it were that of the coordinates."""
    return lambda x, arrays, jacobian: log_density(x, arrays, 0.0 * jacobian)
