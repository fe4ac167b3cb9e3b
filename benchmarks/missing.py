"""What missing cells cost: a tenth of them removed at random and integrated out, beside the complete rows."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import mixtures as mx
from benchmarks.rounds import Row, compare
from benchmarks.whole import overlapping
from mixtures.types import Array

K, D = 4, 5
SPEC = mx.GMM(K)


def run() -> Iterator[Row]:
    """One iteration, the whole call of EM, and a posterior that was compiled before."""
    for n in (10_000, 100_000):
        start = mx.fit_em(SPEC, overlapping(n, K, D), n_init=1, max_iter=50, random_seed=1).params
        yield _compared("EM iteration", n, lambda X, start=start: iteration(X, start), 3)
        yield _compared("fit_em, ten starts", n, lambda X: seconds(mx.fit_em, X), 1)
    _compared("", 1_000, sampled, 1)
    yield _compared("mx.sample", 1_000, sampled, 1)


def _compared(what: str, n: int, way: Callable[[Array], float], rounds: int) -> Row:
    X = overlapping(n, K, D)
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    ways = {"ours": lambda: way(holes), "complete rows": lambda: way(X)}
    return compare(f"{what}, n={n:,} K={K} D={D}, 10 % of the cells missing", "s", 1.0, ways, rounds)


def seconds(function: Callable[..., Any], X: Array, **options: Any) -> float:
    """Seconds of a call that integrates missing cells out."""
    began = time.perf_counter()
    function(SPEC, X, missing="integrate", random_seed=1, progressbar=False, **options)
    return time.perf_counter() - began


def iteration(X: Array, start: Any) -> float:
    """Seconds of one iteration, from the difference of a long and a short fit of the same start."""
    options = {"start": start, "accelerate": None, "tol": 1e-9}  # a smaller one needs the slower, exact pass
    return (seconds(mx.fit_em, X, max_iter=25, **options) - seconds(mx.fit_em, X, max_iter=5, **options)) / 20


def sampled(X: Array) -> float:
    """Seconds of 4 x 1000 draws."""
    return seconds(mx.sample, X)
