"""One iteration of EM against scikit-learn's, and against the floor: two products and an exponential."""

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import mixtures as mx
from benchmarks.rounds import Row, compare
from mixtures.data.reading import as_data
from mixtures.em.kernel import Kernel
from mixtures.em.kinds import Sample
from mixtures.em.starts import random_starts

SHAPES = ((1_000_000, 4, 2), (200_000, 10, 10), (50_000, 10, 30), (300, 4, 2))


def repeated(n: int) -> int:
    """Iterations timed together, so that short ones can be told from the clock."""
    return max(1, 100_000 // n)


def scikit_learn(X: np.ndarray, start: dict, iterations: int) -> Callable[[], float]:
    """Seconds an iteration, from the difference of a long and a short fit of the same start."""
    model = GaussianMixture(
        len(start["alpha"]), tol=0, means_init=start["mu"], weights_init=start["alpha"], init_params="random"
    )

    def fit(max_iter: int) -> float:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(max_iter=max_iter, random_state=1).fit(X)
        return time.perf_counter() - began

    return lambda: (fit(1 + iterations) - fit(1)) / iterations


def floor(n: int, k: int, d: int, chunk: int) -> Callable[[], float]:
    """The same products and exponentials, one thread, on numbers that lie in the cache."""
    p = 1 + d + d * (d + 1) // 2
    rng = np.random.default_rng(0)
    eta, phi, joint = rng.normal(size=(k, p)), rng.normal(size=(p, chunk)), np.empty((k, chunk))

    def run() -> float:
        began = time.perf_counter()
        for _ in range(max(1, n // chunk)):
            np.matmul(eta, phi, out=joint)
            np.exp(-np.abs(joint), out=joint)
            joint @ phi.T
        return (time.perf_counter() - began) * n / (max(1, n // chunk) * chunk)

    return run


def run() -> Iterator[Row]:
    """Every shape in turn."""
    for n, k, d in SHAPES:
        rng = np.random.default_rng(1)
        X = rng.normal(size=(n, d)) + 3 * rng.integers(0, k, size=(n, 1))
        data = as_data(X)
        spec = mx.resolve(mx.GMM(k), data)
        start = random_starts(spec, Sample.of(spec, data, rng), ["k-means"], rng)[0].params
        with threadpool_limits(1), Kernel(spec, data) as kernel:
            chunk = kernel.table.chunk

        def ours(spec=spec, data=data, start=start, n=n) -> float:
            with threadpool_limits(1), Kernel(spec, data) as kernel:
                began = time.perf_counter()
                for _ in range(repeated(n)):
                    passed = kernel.e_step(start, 1e-6)
                    assert passed is not None  # else the guard sent it to the slow form
                    spec.maximize(passed.statistics)
                return (time.perf_counter() - began) / repeated(n)

        def at_the_floor(n=n, k=k, d=d, chunk=chunk) -> float:
            with threadpool_limits(1):
                return floor(n, k, d, chunk)()

        peers = {
            "scikit-learn": scikit_learn(X, start, max(4, repeated(n))),
            "floor, one thread": at_the_floor,
        }
        name = f"EM iteration, n={n:,} K={k} D={d}"
        yield compare(name, "ns per row and cluster", 1e-9 * n * k, {"ours": ours, **peers})
