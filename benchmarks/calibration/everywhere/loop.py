"""Truths ranked among the draws of their posteriors, for anything that can be simulated."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from benchmarks.calibration.ranks import Ranks
from mixtures.types import Array

KEPT = 99
"""Draws that a truth is ranked among, so that ranks go from 0 to 99."""


class Named(Protocol):
    """What the docs and the store call a study."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def page(self) -> str:
        """The page of the docs that it is on."""


class Simulated(Named, Protocol):
    """A joint distribution of parameters and data, and what draws the posterior."""

    def simulate(self, rng: np.random.Generator) -> tuple[Mapping[str, Array], Any]:
        """Draw parameters from the prior, and data from them."""

    def draw(self, data: Any, rng: np.random.Generator) -> tuple[Mapping[str, Array], float] | None:
        """`KEPT` draws from the posterior, and the share of divergences; None if the sampler refuses."""

    def quantities(self, params: Mapping[str, Array], data: Any) -> dict[str, Array]:
        """What truths and draws are compared in, each (S,), from S sets of parameters."""


def calibrate(study: Simulated, seed: int, first: int, number: int) -> tuple[Ranks | None, int]:
    """Simulate, draw and rank; each simulation has a stream of its own, so that runs can be continued.

    Parameters
    ----------
    study : Simulated
        What is simulated, and what draws.
    seed : int
        Seed of all simulations.
    first, number : int
        Number of the first simulation, and how many.

    Returns
    -------
    ranks : Ranks or None
        None if the sampler refused all data sets.
    refused : int
        Number of data sets that it refused. Leaving these out keeps ranks uniform: whether
        data are refused does not depend on the truth but through the data.
    """
    ranks: Ranks | None = None
    refused = 0
    for i in range(first, first + number):
        rng = np.random.default_rng([seed, i])
        truth, data = study.simulate(rng)
        drawn = study.draw(data, rng)
        if drawn is None:
            refused += 1
            continue
        one = _ranked(study, truth, data, *drawn)
        ranks = one if ranks is None else ranks + one
    return ranks, refused


def _ranked(
    study: Simulated, truth: Mapping[str, Array], data: Any, draws: Mapping[str, Array], divergent: float
) -> Ranks:
    at_truth = study.quantities({name: value[None] for name, value in truth.items()}, data)
    of_draws = study.quantities(draws, data)
    ranks, successive = {}, {}
    for name, values in of_draws.items():
        ranks[name] = np.array([int((values < at_truth[name][0]).sum())])
        varies = np.ptp(values[1:]) > 0 and np.ptp(values[:-1]) > 0
        successive[name] = float(np.corrcoef(values[1:], values[:-1])[0, 1]) if varies else 1.0
    return Ranks(ranks, KEPT, divergent, successive)
