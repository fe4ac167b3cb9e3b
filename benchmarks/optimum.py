"""Latent classes against StepMix, and a Gaussian one against scikit-learn: time to the same optimum."""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from stepmix.stepmix import StepMix

import mixtures as mx
from benchmarks.rounds import Row, compare
from mixtures.families.mixture import Mixture
from mixtures.types import Array

NEAR = 1e-3
"""Nats within which two optima are one."""


def classes(spec: Mixture, X: Array, measurement: str, what: str) -> Row:
    """Ten starts of a latent class model, each stopped when it gains little: who is there first."""
    best = mx.fit_em(spec, X, random_seed=1).log_likelihood

    def ours() -> float:
        began = time.perf_counter()
        em = mx.fit_em(spec, X, random_seed=2)
        seconds = time.perf_counter() - began
        assert abs(em.log_likelihood - best) < NEAR
        return seconds

    def theirs() -> float:
        began = time.perf_counter()
        model = StepMix(
            spec.n_components,
            measurement=measurement,
            n_init=10,
            max_iter=10_000,
            abs_tol=1e-9,
            rel_tol=0,
            random_state=2,
            progress_bar=0,
        )
        model.fit(X)
        seconds = time.perf_counter() - began
        assert abs(model.score(X) * len(X) - best) < NEAR
        return seconds

    return compare(f"{what} to the optimum, 10 starts", "s", 1.0, {"ours": ours, "StepMix": theirs}, 3)


def bernoulli() -> Row:
    """Three classes, twelve items of yes or no."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, size=(3, 12))
    X = (rng.random((5000, 12)) < p[rng.choice(3, 5000)]).astype(np.float64)
    return classes(mx.BMM(3, prior=None), X, "binary", "BMM, n=5,000 K=3 D=12,")


def categorical() -> Row:
    """Four classes, twenty items of four answers."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), size=(4, 20))
    z = rng.choice(4, 5000)
    X = (rng.random((5000, 20, 1)) > p[z].cumsum(axis=2)[:, :, :3]).sum(axis=2)
    return classes(mx.LCA(4, prior=None), X, "categorical", "LCA, n=5,000 K=4, 20 items of 4 answers,")


def gaussian() -> Iterator[Row]:
    """One start of overlapping clusters until the same optimum is reached."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 3)) + 2.5 * rng.integers(0, 3, size=(20_000, 1))
    spec = mx.GMM(3, prior=None)
    best = mx.fit_em(spec, X, random_seed=1)
    start = dict(best.restarts.params[int(best.restarts.order[-1])])
    start["mu"] = start["mu"] + 0.5 * rng.normal(size=start["mu"].shape)

    def ours(accelerate: str | None = None) -> float:
        began = time.perf_counter()
        em = mx.fit_em(spec, X, start=start, accelerate=accelerate)
        seconds = time.perf_counter() - began
        assert abs(em.log_likelihood - best.log_likelihood) < NEAR
        return seconds

    def theirs() -> float:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(
                3,
                tol=1e-12,
                max_iter=100_000,
                weights_init=start["alpha"],
                means_init=start["mu"],
                precisions_init=np.linalg.inv(start["Sigma"]),
            ).fit(X)
        seconds = time.perf_counter() - began
        assert abs(model.score(X) * len(X) - best.log_likelihood) < NEAR
        return seconds

    ways = {"ours": ours, "ours, squarem": lambda: ours("squarem"), "scikit-learn": theirs}
    yield compare("GMM to the optimum, n=20,000 K=3 D=3 overlapping", "s", 1.0, ways, 3)


def run() -> Iterator[Row]:
    """All of them."""
    yield bernoulli()
    yield categorical()
    yield from gaussian()
