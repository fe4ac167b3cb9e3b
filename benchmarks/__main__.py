"""Timings as ratios taken in one run: ``python -m benchmarks`` (use an otherwise idle machine).

``posterior``: blobs (400 x 2, K=4), 4 chains x 1000 draws: from cold caches in
a new process, from warm ones, and again in the same process on other data.
``em``: one EM iteration against scikit-learn's, nanoseconds per row and cluster.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

POSTERIOR = """
import json, time
began = time.perf_counter()
import mixtures as mx
imported = time.perf_counter()
X = mx.datasets.blobs()
times = {"import": imported - began}
for name, shift in (("first", 0.0), ("same shapes again", 1.0), ("and again", 2.0)):
    t = time.perf_counter()
    tree = mx.sample(mx.GMM(4), X + shift, random_seed=1, progressbar=False)
    times[name] = time.perf_counter() - t
times["verdict"] = str(mx.diagnose(tree))
print(json.dumps(times))
"""


def posterior() -> None:
    """Time to 4 x 1000 draws, compiling included."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
            "NUMBA_CACHE_DIR": f"{cache}/numba",
        }
        for name in ("cold caches", "warm caches"):
            began = time.perf_counter()
            run = subprocess.run(
                [sys.executable, "-c", POSTERIOR], env=environment, capture_output=True, text=True, check=True
            )
            times = json.loads(run.stdout)
            listed = ", ".join(
                f"{k} {v:.2f} s" if isinstance(v, float) else f"{k}: {v}" for k, v in times.items()
            )
            print(f"{name}: process {time.perf_counter() - began:.2f} s ({listed})")


def em() -> None:
    """One EM iteration against scikit-learn's from the same start, the fastest of several rounds."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    import mixtures as mx
    from mixtures.data import as_data
    from mixtures.estep import e_step
    from mixtures.families.start import start_params

    for n, k, d in ((1_000_000, 4, 2), (200_000, 10, 10), (50_000, 10, 30), (272, 4, 2)):
        rng = np.random.default_rng(1)
        X = rng.normal(size=(n, d)) + 3 * rng.integers(0, k, size=(n, 1))
        data = as_data(X)
        spec = mx.resolve(mx.GMM(k), data)
        params = start_params(spec, data, rng, lloyd=False)
        ours, theirs = [], []
        for _ in range(3):
            began = time.perf_counter()
            repeats = max(1, 20_000 // n)
            for _ in range(repeats):
                spec.maximize(e_step(spec, data, params).statistics)
            ours.append((time.perf_counter() - began) / repeats)
            peer = GaussianMixture(
                k,
                tol=0,
                means_init=params["mu"],
                weights_init=params["alpha"],
                init_params="random",
                random_state=1,
            )
            times = []
            for iterations in (1, 4):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    began = time.perf_counter()
                    peer.set_params(max_iter=iterations).fit(X)
                    times.append(time.perf_counter() - began)
            theirs.append((times[1] - times[0]) / 3)
        ns = [1e9 * min(t) / (n * k) for t in (ours, theirs)]
        shape = f"n={n:>8} K={k:>2} D={d:>2}"
        print(f"{shape}: ours {ns[0]:7.1f}, scikit-learn {ns[1]:7.1f} ns, ratio {ns[1] / ns[0]:.1f}")


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    benchmarks = {"posterior": posterior, "em": em}
    for name in sys.argv[1:] or benchmarks:
        print(f"== {name}")
        benchmarks[name]()


if __name__ == "__main__":
    main()
