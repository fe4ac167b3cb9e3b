"""Ranks of truths among the draws of their posteriors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.cases import Case, Simulation, quantities, simulate
from benchmarks.calibration.posteriors import KEPT, Posterior, of_lanes
from mixtures.types import Array

TOGETHER = 50
"""Data sets that one call of XLA draws from."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of the truths among the draws, and how well the sampler ran.

    Attributes
    ----------
    of : dict of ndarray of int, each (simulations,)
        Ranks by quantity, from 0 to ``n_draws``.
    n_draws : int
        Draws that each truth was ranked among.
    divergent : float
        Share of transitions that diverged.
    autocorrelation : dict of float
        Of successive kept draws, by quantity, the mean over the simulations.
    """

    of: dict[str, np.ndarray]
    n_draws: int
    divergent: float
    autocorrelation: dict[str, float]

    @property
    def size(self) -> int:
        """Number of simulations."""
        return len(next(iter(self.of.values())))

    def __add__(self, more: "Ranks") -> "Ranks":
        """Those of both sets of simulations."""
        share = more.size / (self.size + more.size)

        def mean(a: float, b: float) -> float:
            return a + share * (b - a)

        return Ranks(
            {name: np.concatenate([of, more.of[name]]) for name, of in self.of.items()},
            self.n_draws,
            mean(self.divergent, more.divergent),
            {name: mean(a, more.autocorrelation[name]) for name, a in self.autocorrelation.items()},
        )


def calibrate(
    case: Case,
    number: int,
    seed: int,
    posterior: Posterior = of_lanes,
    *,
    before: Ranks | None = None,
    on_progress: Callable[[Ranks], None] = lambda ranks: None,
) -> Ranks:
    """Simulate, draw posteriors and rank the truths.

    Parameters
    ----------
    case : Case
        What is simulated.
    number : int
        Number of simulations.
    seed : int
        Seed of simulations and chains.
    posterior : callable
        What draws, right or wrong.
    before : Ranks, optional
        Those of the first of these simulations, from an interrupted run.
    on_progress : callable
        Called with what is there, every few simulations.

    Returns
    -------
    Ranks
        Of every quantity.
    """
    simulations, ranks = simulate(case, number, seed), before
    for first in range(0 if ranks is None else ranks.size, number, TOGETHER):
        some = simulations[first : first + TOGETHER]
        draws, divergent = posterior(case, some, seed, first)
        more = _ranked(case, some, draws, divergent)
        ranks = more if ranks is None else ranks + more
        on_progress(ranks)
    assert ranks is not None
    return ranks


def _ranked(
    case: Case, simulations: Sequence[Simulation], draws: Sequence[Mapping[str, Array]], divergent: float
) -> Ranks:
    ranks: dict[str, list[int]] = {}
    successive: dict[str, list[float]] = {}
    for simulation, own in zip(simulations, draws, strict=True):
        truth = quantities(case, {n: v[None] for n, v in simulation.truth.items()}, simulation.X)
        for name, values in quantities(case, own, simulation.X).items():
            ranks.setdefault(name, []).append(int((values < truth[name][0]).sum()))
            successive.setdefault(name, []).append(float(np.corrcoef(values[1:], values[:-1])[0, 1]))
    return Ranks(
        {name: np.array(of) for name, of in ranks.items()},
        KEPT,
        divergent,
        {name: float(np.mean(of)) for name, of in successive.items()},
    )
