"""What is calibrated: right posteriors, those of `mx.sample` itself, and faults that must be found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibration.cases import CASES, Case
from benchmarks.calibration.posteriors import (
    Posterior,
    kappa_doubled,
    of_lanes,
    of_prior,
    of_sample,
    without_jacobian,
)
from benchmarks.calibration.ranks import Ranks, calibrate

KEPT_IN = Path(__file__).with_name("ranks.npz")

SEED = 20180418
"""Of all experiments: simulations of one case are the same, whatever draws the posteriors."""

FEW_ROWS = 5
"""Rows of the data sets that faults are looked for in: with more, priors and Jacobians matter less."""

ONE_IN_FAULTS = 2
ONE_IN_SAMPLE = 20
"""Faults are found with fewer simulations; `mx.sample` itself takes longer for each."""


@dataclass(frozen=True)
class Experiment:
    """A case, what draws its posteriors, and one simulation in how many is used.

    The kind is "right", "fault", "control" (right, beside the faults) or "sample" (`mx.sample` itself).
    """

    name: str
    kind: str
    case: Case
    posterior: Posterior
    one_in: int = 1

    def run(
        self, number: int, before: Ranks | None, on_progress: Callable[[Ranks], None] = lambda ranks: None
    ) -> Ranks:
        """Rank the truths of ``number`` simulations, or of the first of them."""
        return calibrate(
            self.case, self.size(number), SEED, self.posterior, before=before, on_progress=on_progress
        )

    def size(self, number: int) -> int:
        """How many of ``number`` simulations this experiment uses."""
        return max(1, number // self.one_in)


def _experiments() -> Iterator[Experiment]:
    for case in CASES:
        yield Experiment(case.name, "right", case, of_lanes)
    few = replace(CASES[0], n_rows=FEW_ROWS)
    tight = partial(of_lanes, spec=kappa_doubled(few))
    flat = partial(of_lanes, fault=without_jacobian)
    yield Experiment("none, for comparison", "control", few, of_lanes, ONE_IN_FAULTS)
    yield Experiment("prior count of the means doubled", "fault", few, tight, ONE_IN_FAULTS)
    yield Experiment("Jacobian left out", "fault", few, flat, ONE_IN_FAULTS)
    yield Experiment("data ignored", "fault", few, of_prior, ONE_IN_FAULTS)
    for case in CASES:
        yield Experiment(f"{case.name}, mx.sample", "sample", case, of_sample, ONE_IN_SAMPLE)


EXPERIMENTS = tuple(_experiments())


def keep(found: dict[str, Ranks], path: Path = KEPT_IN) -> None:
    """Write the ranks of all experiments to one file, bytes instead of whole numbers."""
    arrays: dict[str, Any] = {}
    for name, ranks in found.items():
        arrays[f"{name}/quantities"] = np.array(list(ranks.of))
        arrays[f"{name}/ranks"] = np.array(list(ranks.of.values()), dtype=np.uint8)
        arrays[f"{name}/run"] = np.array([ranks.n_draws, ranks.divergent, *ranks.autocorrelation.values()])
    np.savez_compressed(path, **arrays)


def read(path: Path = KEPT_IN) -> dict[str, Ranks]:
    """Ranks by experiment, as `keep` wrote them."""
    with np.load(path, allow_pickle=False) as arrays:
        names = [key.removesuffix("/ranks") for key in arrays if key.endswith("/ranks")]
        found = {}
        for name in names:
            quantities, ranks = arrays[f"{name}/quantities"].tolist(), arrays[f"{name}/ranks"].astype(int)
            n_draws, divergent, *successive = arrays[f"{name}/run"].tolist()
            of = dict(zip(quantities, ranks, strict=True))
            autocorrelation = dict(zip(quantities, successive, strict=True))
            found[name] = Ranks(of, int(n_draws), divergent, autocorrelation)
    return found
