"""Posteriors as a user has them: in a new process, with cold and warm caches, and again in the process."""

from collections.abc import Iterator

from benchmarks.processes import Caches
from benchmarks.rounds import Row

OURS = """
import mixtures as mx
X = mx.datasets.blobs()
for shift in (0.0, 1.0, 2.0):
    with timed():
        mx.sample(mx.GMM(4), X + shift, random_seed=1, progressbar=False)
"""

PLAIN = """
import warnings
warnings.simplefilter("ignore")
import pymc as pm
import mixtures as mx
from benchmarks.density import plain
X = mx.datasets.blobs().to_numpy()
for shift in (0.0, 1.0):
    with timed(), plain(X + shift, 4):
        pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False, quiet=True)
"""

BY_PYMC = """
import warnings
warnings.simplefilter("ignore")
import numpy as np
import pymc as pm
import mixtures as mx
from benchmarks.density import plain, plain_bernoulli
coins = (np.random.default_rng(0).random((300, 6)) < np.repeat([[0.2], [0.7]], 150, axis=0)).astype(float)
rows = {{"GMM": mx.datasets.faithful().to_numpy(), "BMM": coins}}[{family!r}]
models = {{
    "declared": lambda X: mx.declare(mx.{family}(2), X),
    "plain": lambda X: {{"GMM": plain, "BMM": plain_bernoulli}}[{family!r}](X, 2),
}}
for X in (rows, rows[:-2]):
    with timed(), models[{which!r}](X):
        pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False, quiet=True)
"""
"""The default sampler of PyMC on a declared model, and on what its documentation would have one write."""

LARGE = """
import mixtures as mx
from benchmarks.whole import overlapping
X = overlapping({n}, {k}, {d}, {apart})
with timed():
    mx.sample(mx.GMM({k}), X, sampler="auto", random_seed=1, progressbar=False)
"""


def run() -> Iterator[Row]:
    """One round each, since caches are cold only once; then posteriors of many rows."""
    with Caches() as caches:
        for name in ("cold caches", "warm caches"):
            (whole, ours), (plain_whole, plain) = caches.run(OURS), caches.run(PLAIN)
            both = {"ours": [whole], "plain pm.Mixture": [plain_whole]}
            yield Row(f"blobs, 4 x 1000 draws, whole process, {name}", "s", 1.0, both)
        again = {"ours": ours[2:], "plain pm.Mixture": plain[1:]}
        yield Row("the same shapes again in the process", "s", 1.0, again)
    for family in ("GMM", "BMM"):
        with Caches() as caches:
            _, declared = caches.run(BY_PYMC.format(family=family, which="declared"))
        with Caches() as caches:
            _, plain = caches.run(BY_PYMC.format(family=family, which="plain"))
        for call, name in enumerate(("first call, cold caches", "other rows in the process")):
            both = {"ours": declared[call : call + 1], "plain PyMC": plain[call : call + 1]}
            yield Row(f"pm.sample on declare({family}(2), ...), {name}", "s", 1.0, both)
    for n, k, d, apart in ((10_000, 5, 5, 2), (100_000, 4, 2, 8)):
        program = LARGE.format(n=n, k=k, d=d, apart=apart)
        with Caches() as caches:
            caches.run(program)
            _, seconds = caches.run(program)
        name = f"mx.sample(sampler='auto'), n={n:,} K={k} D={d}, centres at {apart} sd, warm caches"
        yield Row(name, "s", 1.0, {"ours": seconds})
