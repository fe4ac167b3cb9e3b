"""Calibration of everything: ``python -m benchmarks.calibration.everywhere --simulations 500``.

Keeps the ranks of every study in a file of its own in ``benchmarks/calibration/everywhere/store`` and writes
from them a page a family in ``docs/calibration``. What is kept is never drawn again: after an interrupt the
same command does what is left. A simulation of two clusters in the plane takes about 0.7 s of a
processor, larger ones more: five hundred of every study are meant for one night on two cores.
"""

import argparse
import time

from benchmarks.calibration.everywhere import store
from benchmarks.calibration.everywhere.loop import calibrate
from benchmarks.calibration.everywhere.pages import PAGES, write
from benchmarks.calibration.everywhere.studies import STUDIES

SEED = 20180418
TOGETHER = 10
"""Simulations of one study before the next has its turn: all grow together, and a stopped run covers all."""


def main() -> None:
    """Run what is left, and write the pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.everywhere", description=__doc__)
    parser.add_argument("--simulations", type=int, default=500, help="truths drawn for every study")
    parser.add_argument("--page", choices=list(PAGES), help="studies of one page only")
    parser.add_argument("--study", help="studies that have this in their name only")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after this time")
    options = parser.parse_args()
    asked = [s for s in STUDIES if options.page in (None, s.page) and (options.study or "") in s.name]
    end = time.monotonic() + 60 * options.minutes
    for target in range(TOGETHER, options.simulations + TOGETHER, TOGETHER):
        for study in asked:
            kept = store.read(study)
            wanted = max(1, min(target, options.simulations) // study.one_in)
            if kept.tried >= wanted or time.monotonic() > end:
                continue
            kept += calibrate(study, SEED, kept.tried, wanted - kept.tried)
            store.keep(study, kept)
            print(f"{study.page}, {study.name}: {kept.tried} simulations, {kept.refused} refused", flush=True)
    write()


if __name__ == "__main__":
    main()
