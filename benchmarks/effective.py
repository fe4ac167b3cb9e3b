"""Effective draws a second against NumPyro: overlapping clusters, everything compiled before."""

import time
from collections.abc import Iterator

import arviz_stats.base as base
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, init_to_value

import mixtures as mx
from benchmarks.rounds import Row

N, K, D = 10_000, 4, 2
CHAINS, TUNE, DRAWS = 1, 100, 100


def overlapping() -> np.ndarray:
    """Clusters two standard deviations apart, on a ring."""
    rng = np.random.default_rng(1)
    angle = 2 * np.pi * rng.integers(0, K, size=N) / K
    return rng.normal(size=(N, D)) + 1.5 * np.column_stack([np.cos(angle), np.sin(angle)])


def model(X: np.ndarray) -> None:
    """What NumPyro's documentation would have one write: a `MixtureSameFamily`."""
    alpha = numpyro.sample("alpha", dist.Dirichlet(jnp.ones(K)))
    with numpyro.plate("cluster", K):
        mu = numpyro.sample("mu", dist.Normal(0, 10).expand([D]).to_event(1))
        sd = numpyro.sample("sd", dist.HalfNormal(3).expand([D]).to_event(1))
        chol = numpyro.sample("chol", dist.LKJCholesky(D, 2.0))
    components = dist.MultivariateNormal(mu, scale_tril=sd[..., None] * chol)
    mixture = dist.MixtureSameFamily(dist.Categorical(alpha), components)
    with numpyro.plate("rows", len(X)):
        numpyro.sample("x", mixture, obs=X)


def smallest_ess(mu: np.ndarray) -> float:
    """Smallest bulk ESS of the means, chain by chain and then added: labels may differ between chains."""
    flat = mu.reshape(*mu.shape[:2], -1)
    by_chain = [
        base.array_stats.ess(flat[[c]], chain_axis=0, draw_axis=1, method="bulk") for c in range(len(flat))
    ]
    return float(np.sum(by_chain, axis=0).min())


def run() -> Iterator[Row]:
    """One round of each, all compiled before: NumPyro takes minutes. Warm-up is included."""
    X = overlapping()
    em = mx.fit_em(mx.GMM(K), X, random_seed=1)

    def ours(seed: int) -> float:
        began = time.perf_counter()
        tree = mx.sample(
            mx.GMM(K), X, em=em, chains=CHAINS, random_seed=seed, log_likelihood=False, progressbar=False
        )
        seconds = time.perf_counter() - began
        return seconds / smallest_ess(tree["posterior"]["mu"].values)

    start = {"alpha": em.params["alpha"], "mu": em.params["mu"]}
    kernel = NUTS(model, init_strategy=init_to_value(values=start))
    mcmc = MCMC(
        kernel,
        num_warmup=TUNE,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="sequential",
        progress_bar=False,
        jit_model_args=True,
    )
    warm = MCMC(kernel, num_warmup=1, num_samples=1, num_chains=1, progress_bar=False, jit_model_args=True)
    warm.run(jax.random.key(0), X)

    def theirs(seed: int) -> float:
        began = time.perf_counter()
        mcmc.run(jax.random.key(seed), X)
        mu = np.asarray(mcmc.get_samples(group_by_chain=True)["mu"])
        return (time.perf_counter() - began) / smallest_ess(mu)

    ours(0)
    name = f"posterior, n={N:,} K={K} D={D} overlapping: time of an effective draw"
    yield Row(name, "ms", 1e-3, {"ours": [ours(1)], "NumPyro": [theirs(1)]})
