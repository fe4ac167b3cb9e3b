"""Do 95% intervals cover? ``python -m benchmarks.coverage --simulations 400``.

Two overlapping clusters, 2.5 standard deviations apart, 100 and 300 rows, by `mixtures.uncertainty`. Counts
are kept in ``benchmarks/coverage.json``; the same command goes on from them and prints the table that
``docs/trust.md`` shows. Four hundred simulations take two to three hours on two cores.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

import mixtures as mx

KEPT_IN = Path(__file__).with_name("coverage.json")
TRUTH = {
    "alpha": np.array([0.6, 0.4]),
    "mu": np.array([[0.0], [2.5]]),
    "sigma2": np.array([[1.0], [0.64]]),
}
SPEC = mx.GMM(2, covariance_type="diag")
ROWS = (100, 300)
METHODS = ("information", "laplace", "bootstrap", "nuts")
SYMMETRIC = "information, symmetric"
"""Estimate plus and minus 1.96 sds on every scale, for comparison: what `uncertainty` gave before."""


def covered(n: int, seed: int, n_resamples: int) -> dict[str, dict[str, list[bool]]]:
    """Which intervals of one data set cover, by method and parameter."""
    X, _ = SPEC.sample(TRUTH, n, np.random.default_rng([n, seed]))
    found = mx.uncertainty(
        SPEC, X, methods=METHODS, n_resamples=n_resamples, chains=2, random_seed=seed, progressbar=False
    )
    order = np.argsort(found.em.params["mu"][:, 0])  # cluster of the fit that is the truth's first, second
    covers: dict[str, dict[str, list[bool]]] = {}
    for name, values in TRUTH.items():
        labels = [label for label in found.table.index if label.startswith(f"{name}[")]
        for k, truth in zip(order, values.ravel(), strict=True):
            at, sd = found.table.loc[labels[k], ["EM", "information"]]
            ends = {method: tuple(found.intervals.loc[labels[k], method]) for method in METHODS}
            ends[SYMMETRIC] = (at - ndtri(0.975) * sd, at + ndtri(0.975) * sd)
            for method, (low, high) in ends.items():
                if np.isfinite(low + high):  # a method without an answer is not counted
                    covers.setdefault(method, {}).setdefault(name, []).append(bool(low <= truth <= high))
    return covers


def read() -> dict[str, Any]:
    """Counts of covered and all intervals, by rows, method and parameter."""
    if KEPT_IN.exists():
        kept: dict[str, Any] = json.loads(KEPT_IN.read_text(encoding="utf-8"))
        return kept
    return {str(n): {"simulations": 0, "counts": {}} for n in ROWS}


def table(kept: dict[str, Any]) -> str:
    """Share of intervals that cover, in percent."""
    heads = [f"{name}, n = {n}" for n in ROWS for name in TRUTH]
    lines = [f"| method | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for method in (SYMMETRIC, *METHODS):
        cells = []
        for n in ROWS:
            for name in TRUTH:
                inside, every = kept[str(n)]["counts"].get(method, {}).get(name, (0, 0))
                cells.append(f"{100 * inside / every:.0f}" if every else "")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    sizes = " and ".join(str(kept[str(n)]["simulations"]) for n in ROWS)
    return "\n".join([*lines, "", f"{sizes} simulations."])


def main() -> None:
    """Simulate what is left, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--simulations", type=int, default=400, help="data sets of each size")
    parser.add_argument("--resamples", type=int, default=200, help="replicates of the bootstrap")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after this time")
    options = parser.parse_args()
    kept, end = read(), time.monotonic() + 60 * options.minutes
    for seed in range(options.simulations):
        for n in ROWS:
            own = kept[str(n)]
            if seed < own["simulations"] or time.monotonic() > end:
                continue
            for method, of in covered(n, seed, options.resamples).items():
                for name, inside in of.items():
                    count = own["counts"].setdefault(method, {}).setdefault(name, [0, 0])
                    count[0] += sum(inside)
                    count[1] += len(inside)
            own["simulations"] = seed + 1
            KEPT_IN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(table(kept))


if __name__ == "__main__":
    main()
