"""Is the verdict right? ``python -m benchmarks.verdict --cases 200``.

Keeps every outcome in ``benchmarks/verdict/outcomes.json`` and writes from them ``docs/verdict.md``. After an
interrupt the same command does what is left.
"""

import argparse
import time

from benchmarks.verdict.cases import KINDS
from benchmarks.verdict.page import keep, read, write


def main() -> None:
    """Judge the cases that are left, the kinds in turn, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdict", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="number of cases, half of them good")
    parser.add_argument("--kinds", nargs="+", help="names of kinds; all by default")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after this time")
    options = parser.parse_args()
    end, outcomes = time.monotonic() + 60 * options.minutes, read()
    bad = -(-options.cases // (2 * (len(KINDS) - 1)))
    asked = [kind for kind in KINDS if options.kinds is None or kind.name in options.kinds]
    turns = [(seed, kind) for seed in range(options.cases // 2) for kind in asked]
    turns.sort(key=lambda turn: turn[0] / (options.cases // 2 if turn[1].name == "good" else bad))
    for seed, kind in turns:
        done = outcomes.setdefault(kind.name, [])
        if seed < len(done) or (kind.name != "good" and seed >= bad) or time.monotonic() > end:
            continue
        done.append(kind.judge(seed))
        print(f"{kind.name} {seed}: {done[-1].state} {done[-1].reason}"[:140], flush=True)
        keep(outcomes)
    write(outcomes)


if __name__ == "__main__":
    main()
