"""How time and memory grow with rows, clusters, features and workers: a figure, and its numbers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dask.array as da
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_limits

import mixtures as mx
from benchmarks.em import scikit_learn
from benchmarks.rounds import Row
from mixtures.data.reading import as_data
from mixtures.em.kernel import Kernel
from mixtures.em.kinds import Sample
from mixtures.em.starts import random_starts
from mixtures.plot.style import COLOURS

AXES: dict[str, Sequence[tuple[int, int, int]]] = {
    "rows n (K=4, D=2)": [(n, 4, 2) for n in (300, 1_000, 10_000, 100_000, 1_000_000)],
    "clusters K (n=50,000, D=4)": [(50_000, k, 4) for k in (1, 2, 5, 10, 20, 40)],
    "features D (n=20,000, K=4)": [(20_000, 4, d) for d in (1, 2, 5, 10, 20, 40)],
}
ROUNDS = 3
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "scaling.svg"

MEMORY = """
import resource, sys
import numpy as np
import mixtures as mx
from mixtures.data.datasets import faithful
n = int(sys.argv[1])
mx.fit_em(mx.GMM(2), faithful(), n_init=1, max_iter=3, random_seed=1)
X = np.random.default_rng(0).normal(size=(n, 4))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mx.fit_em(mx.GMM(4), X, n_init=1, max_iter=3, random_seed=1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, X.nbytes / 2**20)
"""


def ways(n: int, k: int, d: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """An iteration of ours and of scikit-learn's from the same start, in seconds."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, d)) + 3 * rng.integers(0, k, size=(n, 1))
    data = as_data(X)
    spec = mx.resolve(mx.GMM(k), data)
    start = random_starts(spec, Sample.of(spec, data, rng), ["k-means"], rng)[0].params
    iterations = max(8, 100_000 // n)  # a difference of two fits: enough to stand out of their noise

    def ours() -> float:
        with threadpool_limits(1), Kernel(spec, data) as kernel:
            began = time.perf_counter()
            for _ in range(iterations):
                passed = kernel.e_step(start, 1e-6)
                assert passed is not None
                spec.maximize(passed.statistics)
            return (time.perf_counter() - began) / iterations

    return ours, scikit_learn(X, start, iterations)


def curves(axes: Sequence[plt.Axes]) -> Iterator[Row]:
    """One panel per axis: nanoseconds per row, medians over the rounds."""
    for place, (axis, (label, shapes)) in enumerate(zip(axes, AXES.items(), strict=True)):
        rows = []
        for n, k, d in shapes:
            ours, theirs = ways(n, k, d)
            seconds = [(ours(), theirs()) for _ in range(ROUNDS)]
            both = {"ours": [s[0] for s in seconds], "scikit-learn": [s[1] for s in seconds]}
            rows.append(Row(f"EM iteration, n={n:,} K={k} D={d}", "ns per row", 1e-9 * n, both))
            yield rows[-1]
        along = [shape[place] for shape in shapes]
        for name, colour in zip(("ours", "scikit-learn"), COLOURS, strict=False):
            axis.loglog(along, [row.figures()[name] for row in rows], "o-", color=colour, label=name)
        axis.set(xlabel=label, ylabel="EM iteration, ns per row")
        axis.legend(frameon=False)


def memory(axis: plt.Axes) -> None:
    """Peak memory that a fit adds to the data."""
    sizes, peaks, data = (10_000, 100_000, 1_000_000, 4_000_000), [], []
    for n in sizes:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, check=True
        )
        peak, own = (float(x) for x in done.stdout.split())
        peaks.append(max(peak, 0.1))
        data.append(own)
    axis.loglog(sizes, peaks, "o-", color=COLOURS[0], label="peak memory of a fit beyond the data")
    axis.loglog(sizes, data, "o--", color=COLOURS[1], label="the data")
    axis.set(xlabel="rows n (K=4, D=4)", ylabel="MiB")
    axis.legend(frameon=False)


def workers(axis: plt.Axes) -> Iterator[Row]:
    """Iterations of EM over a Dask array, by the number of worker processes with one thread each."""
    n, numbers, medians = 4_000_000, sorted({1, 2, (os.cpu_count() or 2) // 2, os.cpu_count() or 2}), []
    for number in numbers:
        with (
            LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster),
        ):
            X = da.random.default_rng(0).normal(size=(n, 4), chunks=(n // 16, 4)).persist()
            start = mx.fit_em(mx.GMM(4), X, n_init=1, max_iter=1, random_seed=1).params

            def iterations(count: int, X=X, start=start) -> float:
                began = time.perf_counter()
                mx.fit_em(mx.GMM(4), X, start=start, max_iter=count)
                return time.perf_counter() - began

            seconds = [(iterations(12) - iterations(2)) / 10 for _ in range(ROUNDS)]
        yield Row(f"EM iteration on Dask, n={n:,} K=4 D=4, {number} workers", "s", 1.0, {"ours": seconds})
        medians.append(np.median(seconds))
    axis.plot(numbers, medians, "o-", color=COLOURS[0])
    axis.set(xlabel="workers", ylabel="EM iteration on Dask, s", xticks=numbers, ylim=(0, None))


def run() -> Iterator[Row]:
    """All curves; the figure goes to the docs."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    yield from curves(axes[0])
    memory(axes[1, 0])
    yield from workers(axes[1, 1])
    axes[1, 2].axis("off")
    figure.savefig(FIGURE)
