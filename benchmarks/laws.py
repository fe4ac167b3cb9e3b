"""Does accelerated EM end where plain EM does, or higher? ``python -m benchmarks.laws --problems 1000``.

Random problems of every family and structure, small and overlapping. Each is fitted twice from the same
random responsibilities: by plain EM to the limit, and with the default acceleration. Prints how many end at
the same optimum, higher and lower, and every case that does not end at the same. ``docs/known.md`` shows it.
"""

import argparse
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

import mixtures as mx
from mixtures.families.mixture import Mixture
from mixtures.results.em import EMFit
from mixtures.types import Array

TOL, MOST = 1e-10, 50_000
"""Tolerance of plain EM, and the largest number of its iterations."""


SAME = 1e-6
"""Difference of log posteriors below which two optima are one (nats)."""


Make = Callable[[np.random.Generator, int], tuple[Mixture, Array]]
"""A model of K clusters, and rows for it."""


def gaussian(structure: str, prior: str | None) -> Make:
    """Normal clusters of random scales, from apart to nearly equal."""

    def make(rng: np.random.Generator, k: int) -> tuple[Mixture, Array]:
        d, n = int(rng.integers(1, 5)), int(rng.integers(30, 150))
        z, apart = rng.integers(k, size=n), rng.uniform(0, 3)
        mu, sd = apart * rng.normal(size=(k, d)), np.exp(rng.normal(0, 0.5, (k, d)))
        spec = mx.GMM(k, covariance_type=structure, prior=prior)
        return spec, mu[z] + sd[z] * rng.normal(size=(n, d))

    return make


def coins(rng: np.random.Generator, k: int) -> tuple[Mixture, Array]:
    """Rows of 3 to 8 coins."""
    n, d = int(rng.integers(30, 150)), int(rng.integers(3, 9))
    p = rng.beta(0.8, 0.8, (k, d))
    return mx.BMM(k, prior=_prior(rng)), (rng.random((n, d)) < p[rng.integers(k, size=n)]).astype(float)


def items(rng: np.random.Generator, k: int) -> tuple[Mixture, Array]:
    """Rows of 3 to 6 items with three levels."""
    n, d = int(rng.integers(30, 150)), int(rng.integers(3, 7))
    ends = rng.dirichlet(np.ones(3), (k, d)).cumsum(axis=-1)[rng.integers(k, size=n)]
    levels = (rng.random((n, d, 1)) > ends[..., :2]).sum(axis=-1)
    return mx.LCA(k, prior=_prior(rng), levels=range(3)), levels.astype(float)


def counts(rng: np.random.Generator, k: int) -> tuple[Mixture, Array]:
    """Rows of 2 to 5 counts."""
    n, d = int(rng.integers(30, 150)), int(rng.integers(2, 6))
    rate = rng.gamma(1.0, 5.0, (k, d)) + 0.1
    return mx.PMM(k, prior=_prior(rng)), rng.poisson(rate[rng.integers(k, size=n)]).astype(float)


def mixed(rng: np.random.Generator, k: int) -> tuple[Mixture, Array]:
    """Rows of two measurements, two coins and a count."""
    n = int(rng.integers(40, 150))
    z, apart = rng.integers(k, size=n), rng.uniform(0.5, 3)
    X = apart * rng.normal(size=(k, 2))[z] + rng.normal(size=(n, 2))
    coin = rng.random((n, 2)) < rng.beta(1, 1, (k, 2))[z]
    count = rng.poisson(rng.gamma(2.0, 3.0, k)[z])
    spec = mx.Mixed(k, gaussian=[0, 1], bernoulli=[2, 3], poisson=[4])
    return spec, np.column_stack([X, coin, count]).astype(float)


def _prior(rng: np.random.Generator) -> str | None:
    """The default prior, or a flat one."""
    return "default" if rng.random() < 0.5 else None


STRUCTURES = "full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"


MODELS: dict[str, Make] = {
    **{f"GMM, {name}": gaussian(name, "default") for name in STRUCTURES},
    **{f"GMM, {name}, flat prior": gaussian(name, None) for name in STRUCTURES},
    "BMM": coins,
    "LCA": items,
    "PMM": counts,
    "Mixed": mixed,
}


def problem(number: int) -> tuple[str, Mixture, Array, Array]:
    """A random problem: name of the model, model, rows, and responsibilities (n, K) to start from."""
    rng = np.random.default_rng(number)
    name, k = list(MODELS)[number % len(MODELS)], int(rng.integers(2, 5))
    spec, X = MODELS[name](rng, k)
    return name, spec, X, rng.dirichlet(np.full(k, 0.5), len(X))


def fitted(spec: Mixture, X: Array, start: Array, **options: object) -> EMFit | None:
    """A fit from one start; None if it collapsed."""
    try:
        return mx.fit_em(spec, X, start=start, **options)  # type: ignore[arg-type]
    except mx.CollapseError:
        return None


def compared(spec: Mixture, X: Array, start: Array) -> tuple[str, str]:
    """How accelerated EM ended beside plain EM, and the figures."""
    plain = fitted(spec, X, start, accelerate=None, tol=TOL, max_iter=MOST)
    fast = fitted(spec, X, start)
    if plain is None or fast is None:
        return (
            "both collapsed" if plain is fast else f"only the {'fast' if plain else 'plain'} collapsed"
        ), ""
    gain = fast.log_posterior - plain.log_posterior
    told = f"{gain:+.3g} nats; plain {plain.n_iter} iterations"
    told += "" if plain.converged else ", not converged"
    told += f"; fast {fast.n_iter}, " + ", ".join(f"{n} {how}" for how, n in Counter(fast.steps).items())
    told += "" if fast.converged else ", not converged"
    return ("same" if abs(gain) < SAME else "higher" if gain > 0 else "lower"), told


OUTCOMES = "same", "higher", "lower", "both collapsed", "only the fast collapsed", "only the plain collapsed"


def main() -> None:
    """Fit the problems and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first problem")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for number in range(options.first, options.first + options.problems):
        name, spec, X, start = problem(number)
        outcome, told = compared(spec, X, start)
        found[name][outcome] += 1
        if outcome not in ("same", "both collapsed"):
            print(
                f"problem {number}, {name}, K = {spec.n_components}, {X.shape}: {outcome} {told}", flush=True
            )
    print("| model | " + " | ".join(OUTCOMES) + " |", "|---" * (1 + len(OUTCOMES)) + "|", sep="\n")
    for name, count in found.items():
        print(f"| {name} | " + " | ".join(str(count[outcome]) for outcome in OUTCOMES) + " |")


if __name__ == "__main__":
    main()
