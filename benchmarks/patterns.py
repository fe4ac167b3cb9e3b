"""A Bernoulli mixture of a million rows against its 1,024 patterns with their counts."""

import time
from collections.abc import Iterator

import numpy as np

import mixtures as mx
from benchmarks.rounds import Row, compare
from mixtures.data.reading import as_data


def run() -> Iterator[Row]:
    """EM and posterior; once before, so that both find everything compiled."""
    rng = np.random.default_rng(0)
    p = np.linspace(0.1, 0.9, 3)[:, None] + rng.uniform(-0.09, 0.09, (3, 10))
    X = (rng.random((1_000_000, 10)) < p[rng.choice(3, 1_000_000, p=[0.3, 0.3, 0.4])]).astype(np.int8)
    patterns = as_data(X).compressed

    def posterior(rows, weights=None) -> float:
        began = time.perf_counter()
        mx.sample(mx.BMM(3), rows, weights=weights, random_seed=1, progressbar=False)
        return time.perf_counter() - began

    posterior(X)
    posterior(patterns.values, patterns.weights)
    ways = {
        "ours": lambda: posterior(X),
        "patterns and counts": lambda: posterior(patterns.values, patterns.weights),
    }
    yield compare("BMM posterior, n=1,000,000 K=3 D=10", "s", 1.0, ways, rounds=3)
