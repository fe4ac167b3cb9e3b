"""Soak: many crosschecks of random models in one process, and what the process holds on to meanwhile.

``python -m benchmarks.soak --crosschecks 200`` prints a line every ten crosschecks: resident memory,
threads, open files, child processes, and seconds. It exits with 1 if the second half of the run held more
memory at its height than the first half, by over a tenth, or more of any of the others. Every model has a
shape of its own, so nearly every crosscheck compiles anew, as in a long session with many data sets. Draws
are few: what is held does not depend on how many were thrown away. Needs Linux, whose ``/proc`` it reads.
"""

import argparse
import gc
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

import numpy as np

import mixtures as mx
from mixtures.errors import CollapseError
from mixtures.families.covariance import COVARIANCES

STATUS = Path("/proc/self/status")

GROWTH = 0.1
"""Share by which memory may grow."""

SHORT = {"n_init": 3, "draws": 40, "tune": 40, "chains": 2, "progressbar": False}


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    megabytes: float
    threads: int
    files: int
    children: int

    def grew_to(self, later: "Held") -> list[str]:
        """Names of what has become more; of memory, by more than a tenth."""
        names = [f.name for f in fields(self) if f.name != "megabytes"]
        more = [name for name in names if getattr(later, name) > getattr(self, name)]
        return more + (["megabytes"] if later.megabytes > (1 + GROWTH) * self.megabytes else [])


def held() -> Held:
    """What this process holds now, after garbage is collected."""
    gc.collect()
    status = STATUS.read_text(encoding="utf-8")
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    tasks = list(Path("/proc/self/task").iterdir())
    children = sum(len((task / "children").read_text(encoding="utf-8").split()) for task in tasks)
    files = len(os.listdir("/proc/self/fd"))
    return Held(int(resident.split()[1]) / 1024, threading.active_count(), files, children)


def models(seed: int) -> Iterator[tuple[mx.GMM | mx.BMM, np.ndarray]]:
    """Random specifications, each with rows drawn from two or three clusters."""
    rng = np.random.default_rng(seed)
    while True:
        k, d, n = int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.integers(40, 200))
        centre = rng.normal(scale=3, size=(3, d))[rng.integers(3, size=n)]
        if rng.random() < 0.6:
            yield (
                mx.GMM(k, covariance_type=str(rng.choice(list(COVARIANCES)))),
                centre + rng.normal(size=(n, d)),
            )
        else:
            yield mx.BMM(k), (rng.random((n, d)) < 1 / (1 + np.exp(-centre))).astype(float)


def soak(crosschecks: int, seed: int = 0, every: int = 10) -> list[Held]:
    """Run them, and say what is held after each."""
    found, began = [held()], time.perf_counter()
    for done, (spec, X) in enumerate(islice(models(seed), crosschecks), start=1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mx.IdentifiabilityWarning)
                mx.crosscheck(spec, X, random_seed=done, **SHORT)
        except (mx.InputError, CollapseError) as error:
            print(f"  {spec}: {error}")
        found.append(held())
        if done % every == 0:
            print(done, found[-1], f"{time.perf_counter() - began:.0f} s", flush=True)
    return found


def highest(found: list[Held]) -> Held:
    """The most that was held of anything."""
    return Held(*(max(getattr(each, f.name) for each in found) for f in fields(Held)))


def main() -> None:
    """Run the soak that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crosschecks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = soak(options.crosschecks, options.seed)
    half = len(found) // 2
    grown = highest(found[:half]).grew_to(highest(found[half:]))
    print(f"grew: {', '.join(grown)}" if grown else "flat")
    sys.exit(bool(grown))


if __name__ == "__main__":
    main()
