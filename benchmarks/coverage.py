"""Do 95% intervals cover? ``python -m benchmarks.coverage --simulations 400``.

Two overlapping clusters, 2.5 standard deviations apart, 100 and 300 rows, every method of `uncertainty`.
Counts are kept in ``benchmarks/coverage.json``; the same command goes on from them, and prints the table that
``docs/trust.md`` shows.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

import mixtures as mx
from mixtures.em.information import observed_information
from mixtures.errors import NoApproximation
from mixtures.results.em import EMFit
from mixtures.types import Array

KEPT_IN = Path(__file__).with_name("coverage.json")
TRUTH = {
    "alpha": np.array([0.6, 0.4]),
    "mu": np.array([[0.0], [2.5]]),
    "sigma2": np.array([[1.0], [0.64]]),
}
SPEC = mx.GMM(2, covariance_type="diag")
ROWS = (100, 300)
SYMMETRIC, INFORMATION = "estimate ± 1.96 sd", "information"
METHODS = (INFORMATION, "laplace", "bootstrap", "nuts")
Z = float(ndtri(0.975))
FEWEST = 20
"""Data sets below which no share is shown."""

Ends = dict[str, tuple[Array, Array]]


def by_information(em: EMFit, X: Array) -> dict[str, Ends]:
    """EM's own information, with the intervals of `uncertainty` and, for comparison, symmetric ones."""
    try:
        sd = observed_information(em.spec, X, em.params).sd
    except NoApproximation:
        return {}
    parameters = {each.name: each.support for each in em.spec.parameters}
    return {
        SYMMETRIC: {name: (x - Z * sd[name], x + Z * sd[name]) for name, x in em.params.items()},
        INFORMATION: {name: parameters[name].reach(x, sd[name], Z) for name, x in em.params.items()},
    }


def by_uncertainty(em: EMFit, X: Array, method: str, seed: int, n_resamples: int) -> dict[str, Ends]:
    """Another method of `uncertainty`."""
    found = mx.uncertainty(
        SPEC,
        X,
        em=em,
        methods=[method],
        n_resamples=n_resamples,
        chains=2,
        random_seed=seed,
        progressbar=False,
    )
    ends = {}
    for name, x in em.params.items():
        labels = [label for label in found.intervals.index if label.startswith(f"{name}[")]
        low, high = found.intervals.loc[labels, method].to_numpy().T
        ends[name] = (low.reshape(x.shape), high.reshape(x.shape))
    return {method: ends}


def covered(method: str, n: int, seed: int, n_resamples: int) -> dict[str, dict[str, list[bool]]]:
    """Which intervals of one data set cover, by method and parameter."""
    X, _ = SPEC.sample(TRUTH, n, np.random.default_rng([n, seed]))
    em = mx.fit_em(SPEC, X, start=TRUTH)  # what is tested are the intervals, not the search
    made = (
        by_information(em, X) if method == INFORMATION else by_uncertainty(em, X, method, seed, n_resamples)
    )
    order = np.argsort(em.params["mu"][:, 0])  # clusters of the fit that are the truth's first and second
    return {
        name: {
            parameter: ((low[order] <= truth) & (truth <= high[order])).ravel().tolist()
            for parameter, truth in TRUTH.items()
            for low, high in [ends[parameter]]
        }
        for name, ends in made.items()
    }


def read() -> dict[str, Any]:
    """Simulations done, and counts of covered and of all intervals, by method and rows."""
    if KEPT_IN.exists():
        kept: dict[str, Any] = json.loads(KEPT_IN.read_text(encoding="utf-8"))
        return kept
    return {"simulations": {}, "counts": {}}


def table(kept: dict[str, Any]) -> str:
    """Share of intervals that cover, in percent, and the number of data sets."""
    heads = ["method", *(f"{name}, n = {n}" for n in ROWS for name in TRUTH), "data sets"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for method in (SYMMETRIC, *METHODS):
        counts = [kept["counts"].get(f"{method}, {n}", {}).get(name) for n in ROWS for name in TRUTH]
        run = INFORMATION if method == SYMMETRIC else method
        sizes = {kept["simulations"].get(f"{run}, {n}", 0) for n in ROWS}
        shown = min(sizes) >= FEWEST
        cells = [f"{100 * count[0] / count[1]:.0f}" if count and shown else "" for count in counts]
        lines.append(f"| {' | '.join([method, *cells, ' and '.join(map(str, sorted(sizes)))])} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate what is left, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--simulations", type=int, default=400, help="data sets of each size")
    parser.add_argument("--resamples", type=int, default=200, help="replicates of the bootstrap")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, help="methods to run")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after this time")
    options = parser.parse_args()
    kept, end = read(), time.monotonic() + 60 * options.minutes
    for seed in range(options.simulations):
        for run in [(method, n) for n in ROWS for method in options.methods]:
            key = f"{run[0]}, {run[1]}"
            if seed < kept["simulations"].get(key, 0) or time.monotonic() > end:
                continue
            for method, of in covered(*run, seed, options.resamples).items():
                counts = kept["counts"].setdefault(f"{method}, {run[1]}", {})
                for name, inside in of.items():
                    before = counts.get(name, [0, 0])
                    counts[name] = [before[0] + sum(inside), before[1] + len(inside)]
            kept["simulations"][key] = seed + 1
            KEPT_IN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(table(kept))


if __name__ == "__main__":
    main()
