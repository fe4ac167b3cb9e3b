"""Split Hamiltonian Monte Carlo about the only mode of a posterior: the sampler ``"split_hmc"``.

Laplace's normal approximation at the mode is most of the density. Its part of the Hamiltonian is solved
exactly, and only the rest is integrated in steps (Shahbaba, Lan, Johnson and Neal 2014). Coordinates are
those in which the approximation is a standard normal, without which long steps are unstable (Casas,
Sanz-Serna and Shaw 2022, Statistics and Computing 32, 86). Its motion there is a rotation, and after a
quarter turn a draw hardly depends on the one before. Two steps, that is two gradients, are enough where the
posterior is near the approximation; warm-up raises their number until enough proposals are accepted.

All chains start at the mode's approximation, so they cannot reveal modes that no start of EM found.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import logsumexp

from mixtures.density.density import Density
from mixtures.density.memory import JaxFunction
from mixtures.errors import NoApproximation
from mixtures.interrupts import Status
from mixtures.posterior.chains import Chains
from mixtures.posterior.importance import pareto_k
from mixtures.posterior.nuts import CHUNK, Frame
from mixtures.posterior.peaks import Peak
from mixtures.posterior.runs import Drawn, Draws, Part, nothing_kept, run_chains
from mixtures.progress import counting
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["split_hmc"]

PILOT = 500
"""Draws of the approximation, weighed: chains start at some of them."""


STEPS, WARM_UP = (2, 3, 4, 6, 8), 50
"""Numbers of steps of a quarter turn, tried in this order, and transitions of every chain with each."""


def split_hmc(density: Density, peak: Peak, how: Chains, rng: np.random.Generator) -> Drawn:
    """Draw from the posterior about its mode, with steps enough for the acceptance rate that is asked for.

    Returns
    -------
    Drawn
        Draws with the statistics lp, energy, acceptance_rate, step_size, n_steps, diverging; fewer than
        requested after an interrupt, or if some but not all chains failed. The attributes are the
        transitions of each chain before them, and the evaluations of the density with and without its
        gradient, warm-up included.

    Raises
    ------
    NoApproximation
        If the posterior about the mode is too far from normal.
    """
    starts = _starts(density, peak, how.chains, rng)
    run = _Run(density, [Frame(peak.x, peak.widths, y) for y in starts], how, rng)
    n_steps, share, spent = 0, 0.0, 0
    for n_steps in STEPS:
        warm_up = run.on(WARM_UP, n_steps)
        if warm_up.status is Status.INTERRUPTED:
            raise nothing_kept()
        spent += int(warm_up.statistics["n_steps"].sum())
        share = float(warm_up.statistics["acceptance_rate"].mean())
        if share >= how.target_accept:
            break
    else:
        raise NoApproximation(
            f"too far from normal about its mode for split HMC: {share:.0%} of the proposals were accepted "
            f"with {n_steps} steps, fewer than target_accept={how.target_accept:g}"
        )
    tune = run.done
    with counting("split HMC", how.total, shown=how.progressbar) as on_progress:
        draws = run.on(how.draws, n_steps, on_progress)
    if draws.status is not Status.INTERRUPTED:
        _judge(draws)
    spent += int(draws.statistics["n_steps"].sum())
    return Drawn(draws, {"tune": tune, "n_gradients": spent, "n_densities": PILOT})


def _starts(density: Density, peak: Peak, chains: int, rng: np.random.Generator) -> Array:
    """Starts of the chains, drawn from the approximation and drawn again by their importance weights."""
    y = rng.standard_normal((PILOT, peak.x.size))
    log_density = density.log_densities(peak.x + y @ peak.widths.T, jacobian=True)
    log_weights = np.where(np.isfinite(log_density), log_density + (y**2).sum(axis=1) / 2, -np.inf)
    k = pareto_k(log_weights)
    if k > TOLERANCES.normal_pareto_k:
        raise NoApproximation(
            "too far from normal about its mode for split HMC: the Pareto k-hat of the importance weights "
            f"of the normal approximation is {k:.2f}, above {TOLERANCES.normal_pareto_k:g}"
        )
    return y[rng.choice(PILOT, size=chains, p=np.exp(log_weights - logsumexp(log_weights)))]


class _Run:
    """Chains that go on from where they are."""

    def __init__(self, density: Density, frames: list[Frame], how: Chains, rng: np.random.Generator) -> None:
        def build(log_density: JaxFunction, arrays: Any) -> tuple[JaxFunction, Any]:
            from mixtures.posterior.rotations import chunk_program  # loads BlackJAX

            return chunk_program(log_density, arrays, density.size)

        self._chunk = density.extra(f"split-hmc-{density.size}", build)
        self._arrays = density.program("gradient")[1]
        self._frames, self._cores, self._seed = frames, how.cores, int(rng.integers(2**31))
        self._states = [_state(density, frame) for frame in frames]
        self.done = 0

    def on(self, n: int, n_steps: int, on_progress: Callable[[int], None] = lambda done: None) -> Draws:
        """Make ``n`` transitions with every chain."""
        chains = [self._parts(i, n, n_steps) for i in range(len(self._frames))]
        draws = run_chains(chains, self._cores, on_progress=on_progress)
        self.done += n
        return draws

    def _parts(self, index: int, n: int, n_steps: int) -> Iterator[Part]:
        frame, first = self._frames[index], self.done
        for i in range(0, n, CHUNK):
            length, stream = min(CHUNK, n - i), np.array((self._seed, index, first + i))
            self._states[index], y, statistics = self._chunk(
                self._states[index], stream, length, n_steps, frame.centre, frame.basis, self._arrays
            )
            kept = {name: np.asarray(x)[:length] for name, x in statistics.items()}
            yield frame.to_x(np.asarray(y)[:length]), kept


def _state(density: Density, frame: Frame) -> list[Any]:
    """Position, log density and gradient at the start, in the frame's coordinates."""
    value, gradient = density.value_and_grad(frame.to_x(frame.start), jacobian=True)
    return [frame.start, np.float64(value), gradient @ frame.basis]


def _judge(draws: Draws) -> None:
    """Refuse chains that stick, disagree or diverge."""
    values = np.concatenate([draws.x, draws.statistics["lp"][..., None]], axis=-1)
    least = min(_ess(values[..., i]) for i in range(values.shape[-1])) / values[..., 0].size
    diverging = int(draws.statistics["diverging"].sum())
    if np.isnan(least):
        words = "there is no effective sample size, as chains do not move or have fewer than four draws"
    elif least < TOLERANCES.split_ess:
        words = (
            f"the effective sample size of a coordinate is {least:.1%} of the draws, "
            f"below {TOLERANCES.split_ess:.0%}"
        )
    elif diverging:
        words = f"{diverging} transitions diverged"
    else:
        return
    raise NoApproximation(f"too far from normal about its mode for split HMC: {words}")


def _ess(x: Array) -> float:
    """The smaller of bulk and tail effective sample size of a quantity (chains, draws)."""
    from arviz_stats.base import array_stats  # slow to load

    return min(
        float(array_stats.ess(x, chain_axis=0, draw_axis=1, method="bulk")),
        float(array_stats.ess(x, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
    )
