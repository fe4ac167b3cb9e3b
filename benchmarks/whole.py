"""The whole default call of `fit_em` against scikit-learn's with ten starts: time, and height reached."""

import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from sklearn.datasets import load_iris, load_wine, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import mixtures as mx
from benchmarks.rounds import Row, compare
from mixtures.types import Array

TOLERANCES = {"scikit-learn": 1e-3, "scikit-learn, tol=1e-9": 1e-9}
"""scikit-learn's default, with which it stops before the limit, and one with which it comes near."""

NEAR = 10_000
"""Most rows with the second: it takes hours on more."""


def overlapping(n: int, k: int, d: int, apart: float = 2, rng: np.random.Generator | None = None) -> Array:
    """Unit normals around centres, as a rule, two standard deviations from the middle, or another number."""
    rng = np.random.default_rng(0) if rng is None else rng
    mu = rng.normal(0, apart, (k, d))
    return mu[rng.integers(k, size=n)] + rng.normal(size=(n, d))


@cache
def in_turn() -> tuple[Array, Array, Array]:
    """Three such tables, from one generator."""
    rng = np.random.default_rng(0)
    small = overlapping(10_000, 5, 5, rng=rng)
    narrow = overlapping(100_000, 4, 2, rng=rng)
    return small, narrow, overlapping(100_000, 10, 10, rng=rng)


SETS: dict[str, tuple[Callable[[], Array], int, int]] = {
    "faithful": (lambda: np.asarray(mx.datasets.faithful()), 2, 5),
    "iris": (lambda: np.asarray(load_iris().data), 3, 5),
    "wine": (lambda: np.asarray(load_wine().data), 3, 5),
    "blobs": (lambda: np.asarray(make_blobs(1000, 3, centers=4, random_state=0)[0]), 4, 5),
    "overlapping n=10,000 D=5": (lambda: in_turn()[0], 5, 3),
    "overlapping n=100,000 D=2": (lambda: in_turn()[1], 4, 3),
    "many optima n=100,000 D=2": (lambda: overlapping(100_000, 4, 2), 4, 1),
    "overlapping n=100,000 D=10": (lambda: in_turn()[2], 10, 3),
}
"""Data, number of clusters, and rounds; every round has a seed of its own."""


def run() -> Iterator[Row]:
    """Every data set in turn."""
    for name, (data, k, rounds) in SETS.items():
        yield _compared(name, data(), k, rounds)


def _compared(name: str, X: Array, k: int, rounds: int) -> Row:
    heights: dict[str, list[float]] = {}

    def timed(who: str, fit: Callable[[int], float]) -> float:
        own = heights.setdefault(who, [])
        began = time.perf_counter()
        own.append(fit(len(own)))
        return time.perf_counter() - began

    def ours(seed: int) -> float:
        return mx.fit_em(mx.GMM(k), X, random_seed=seed).log_likelihood

    def theirs(seed: int, tol: float) -> float:
        model = GaussianMixture(k, n_init=10, tol=tol, max_iter=10_000, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return float(model.fit(X).score(X) * len(X))

    ways = {"ours": lambda: timed("ours", ours)} | {
        peer: lambda peer=peer, tol=tol: timed(peer, lambda seed: theirs(seed, tol))
        for peer, tol in TOLERANCES.items()
        if peer == "scikit-learn" or len(X) <= NEAR
    }
    row = compare("", "s", 1.0, ways, rounds)
    best = {who: max(own) for who, own in heights.items()}
    nats = best["ours"] - best["scikit-learn"]
    return Row(f"whole default call, {name} K={k} ({nats:+.1f} nats)", row.unit, row.per, row.seconds)
