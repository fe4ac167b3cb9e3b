"""Time to 4 x 1000 draws of four blobs: from cold caches, from warm ones, and again in the same process."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.rounds import Row

OURS = """
import json, time
import mixtures as mx
X = mx.datasets.blobs()
times = []
for shift in (0.0, 1.0, 2.0):
    began = time.perf_counter()
    mx.sample(mx.GMM(4), X + shift, random_seed=1, progressbar=False)
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""

PLAIN = """
import json, time, warnings
warnings.simplefilter("ignore")
import pymc as pm
import mixtures as mx
from benchmarks.density import plain
X = mx.datasets.blobs().to_numpy()
times = []
for shift in (0.0, 1.0):
    began = time.perf_counter()
    with plain(X + shift, 4):
        pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False, quiet=True)
    times.append(time.perf_counter() - began)
print(json.dumps(times))
"""


def run() -> Iterator[Row]:
    """One round: the caches are cold only once."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
            "NUMBA_CACHE_DIR": f"{cache}/numba",
        }

        def process(program: str) -> list[float]:
            done = subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
            )
            return list(json.loads(done.stdout.splitlines()[-1]))

        for name in ("cold caches", "warm caches, new process"):
            ours, plain = process(OURS), process(PLAIN)
            yield Row(
                f"blobs, 4 x 1000 draws, {name}", "s", 1.0, {"ours": ours[:1], "plain pm.Mixture": plain[:1]}
            )
            if name != "cold caches":
                again = {"ours": ours[2:], "plain pm.Mixture": plain[1:]}
                yield Row("the same shapes again in the process", "s", 1.0, again)
