"""Calibration at release size: ``python -m benchmarks.calibration --simulations 1000``.

Keeps all ranks in ``benchmarks/calibration/ranks.npz`` and writes from them
``docs/calibration.md`` and ``docs/images/calibration.svg``. After an interrupt
``--resume`` does what is left, if anything, and writes the page.
"""

import argparse
import time

from benchmarks.calibration.experiments import EXPERIMENTS, keep, read
from benchmarks.calibration.page import write
from benchmarks.calibration.ranks import Ranks


def main() -> None:
    """Run all experiments and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000, help="truths drawn for every case")
    parser.add_argument("--resume", action="store_true", help="keep the experiments that are there")
    options = parser.parse_args()
    found: dict[str, Ranks] = read() if options.resume else {}
    for experiment in EXPERIMENTS:
        name, began = experiment.name, time.perf_counter()

        def on_progress(ranks: Ranks, name: str = name, began: float = began) -> None:
            print(f"{name}: {ranks.size} simulations, {time.perf_counter() - began:.0f} s", flush=True)
            found[name] = ranks
            keep(found)

        if name not in found or found[name].size < experiment.size(options.simulations):
            experiment.run(options.simulations, found.get(name), on_progress)
    write(found)


if __name__ == "__main__":
    main()
