"""Log density with its gradient against the plain model: ``pm.Mixture`` of multivariate normals."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
from pymc.sampling.jax import get_jaxified_logp

import mixtures as mx
from benchmarks.rounds import Row, compare
from mixtures.density.compiled import CompiledModel

SHAPES = ((400, 4, 2), (10_000, 4, 2), (10_000, 5, 10), (100_000, 4, 2))

LOOP = 60
"""Gradients of ours in one call."""


def plain(X: np.ndarray, k: int) -> pm.Model:
    """What the documentation of PyMC would have one write."""
    d = X.shape[1]
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(k))
        mu = [pm.Normal(f"mu_{j}", 0, 10, shape=d) for j in range(k)]
        chol = [
            pm.LKJCholeskyCov(f"chol_{j}", n=d, eta=2, sd_dist=pm.HalfNormal.dist(3, shape=d))[0]
            for j in range(k)
        ]
        components = [pm.MvNormal.dist(mu[j], chol=chol[j]) for j in range(k)]
        pm.Mixture("x", w=alpha, comp_dists=components, observed=X)
    return model


def plain_bernoulli(X: np.ndarray, k: int) -> pm.Model:
    """A sum over clusters by hand: `pm.Mixture` has no rows of several Bernoulli columns."""
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(k))
        p = pm.Beta("p", 2, 2, shape=(k, X.shape[1]))
        rows = pm.logp(pm.Bernoulli.dist(p), X[:, None]).sum(axis=-1)
        pm.Potential("x", pm.math.logsumexp(pm.math.log(alpha) + rows, axis=1).sum())
    return model


def in_a_loop(log_density: Any) -> Any:
    """Gradients one after the other, each where the last one points: none can be left out."""
    gradient = jax.value_and_grad(log_density)

    def step(_: int, x: Any, arrays: Any) -> Any:
        value, slope = gradient(x, arrays)
        return x + 1e-12 * (slope + value)

    return jax.jit(lambda x, arrays: jax.lax.fori_loop(0, LOOP, lambda i, y: step(i, y, arrays), x))


def by_jax(model: pm.Model) -> Any:
    """PyMC's own translation to JAX, as NumPyro and nutpie are given it, of one flat vector."""
    log_density = get_jaxified_logp(model)
    shapes = [v.shape for v in model.initial_point().values()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def of_vector(x: Any, _: Any) -> Any:
        return log_density(
            [part.reshape(shape) for part, shape in zip(jnp.split(x, ends), shapes, strict=True)]
        )

    return of_vector


def timed(call: Any, repeats: int) -> float:
    """Seconds per call, after one to warm up."""
    call()
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def run() -> Iterator[Row]:
    """Every shape in turn: PyMC's default is numba."""
    warnings.filterwarnings("ignore", category=UserWarning)
    for n, k, d in SHAPES:
        rng = np.random.default_rng(1)
        X = rng.normal(size=(n, d)) + 3 * rng.integers(0, k, size=(n, 1))
        repeats = max(5, 200_000 // (n * k))
        compiled = CompiledModel(mx.declare(mx.GMM(k), X))
        climb = in_a_loop(lambda x, arrays, log_density=compiled.log_density: log_density(x, arrays, 1.0))
        x = jnp.asarray(compiled.initial_point(0))

        def ours(climb=climb, x=x, compiled=compiled, repeats=repeats) -> float:
            return timed(lambda: climb(x, compiled.arrays).block_until_ready(), repeats // 50 + 1) / LOOP

        model = plain(X, k)
        function = model.logp_dlogp_function(ravel_inputs=True)
        function.set_extra_values({})
        point = np.concatenate([np.ravel(v) for v in model.initial_point().values()])

        def theirs(function=function, point=point, repeats=repeats) -> float:
            return timed(lambda: function(point), repeats)

        plain_climb, start = in_a_loop(by_jax(model)), jnp.asarray(point)

        def on_jax(climb=plain_climb, x=start, repeats=repeats) -> float:
            return timed(lambda: climb(x, 0.0).block_until_ready(), repeats // 50 + 1) / LOOP

        ways = {"ours": ours, "plain pm.Mixture": theirs, "plain pm.Mixture on JAX": on_jax}
        name = f"log density and gradient, n={n:,} K={k} D={d}"
        yield compare(name, "ns per row and cluster", 1e-9 * n * k, ways)
