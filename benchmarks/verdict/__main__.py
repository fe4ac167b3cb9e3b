"""Is the verdict right? ``python -m benchmarks.verdict --cases 200``.

Keeps every outcome in ``benchmarks/verdict/outcomes.json`` and writes from them ``docs/verdict.md``. After an
interrupt the same command does what is left.
"""

import argparse
import time

from benchmarks.verdict.cases import GOOD, KINDS, Kind
from benchmarks.verdict.page import keep, read, write


def share(kind: Kind, cases: int) -> int:
    """How many of the simulated cases are of this kind: half are good, the others bad in equal parts."""
    simulated = [each for each in KINDS if each.n_cases is None]
    return cases // 2 if kind.accepted == GOOD else -(-cases // (2 * (len(simulated) - 1)))


def main() -> None:
    """Judge the cases that are left, the kinds in turn, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdict", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="number of simulated cases, half of them good")
    parser.add_argument("--kinds", nargs="+", help="names of kinds; all by default")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after this time")
    options = parser.parse_args()
    end, outcomes = time.monotonic() + 60 * options.minutes, read()
    asked = [kind for kind in KINDS if options.kinds is None or kind.name in options.kinds]
    counts = {kind.name: kind.n_cases or share(kind, options.cases) for kind in asked}
    turns = [(seed, kind) for kind in asked for seed in range(counts[kind.name])]
    turns.sort(key=lambda turn: turn[0] / counts[turn[1].name])
    for seed, kind in turns:
        done = outcomes.setdefault(kind.name, [])
        if seed < len(done) or time.monotonic() > end:
            continue
        done.append(kind.judge(seed))
        print(f"{kind.name} {seed}: {done[-1].state} {done[-1].reason}"[:140], flush=True)
        keep(outcomes)
    write(outcomes)


if __name__ == "__main__":
    main()
