"""Sequential Monte Carlo from the prior to the posterior, with HMC moves inside XLA."""

from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from mixtures.density.compiled import CompiledModel
from mixtures.density.memory import remembered
from mixtures.progress import track
from mixtures.types import Array

__all__ = ["smc_log_evidence"]

KEPT = 0.5
"""Effective share of the particles from one temperature to the next."""


MOVES, LEAPFROGS = 6, 8
"""HMC transitions at each temperature, and the steps of each."""


ACCEPTED = 0.7
"""Acceptance rate that the step size is adapted to."""


def smc_log_evidence(
    compiled: CompiledModel,
    concentration: float,
    rng: np.random.Generator,
    *,
    runs: int,
    particles: int,
    progressbar: bool,
) -> Array:
    """Log of unbiased estimates of the marginal likelihood, one per run; ``concentration`` of the weights."""
    shown = track(range(runs), "SMC", shown=progressbar)
    return np.array([_run(compiled, concentration, rng, particles) for _ in shown])


def _run(compiled: CompiledModel, concentration: float, rng: np.random.Generator, n: int) -> float:
    """Temper ``n`` particles; the evidence is the product of their mean incremental weights."""
    log_prior, prior_arrays = compiled.log_prior
    transitions = _transitions(compiled.log_density, log_prior)
    arrays = (compiled.arrays, prior_arrays)
    x = _prior_draws(compiled, concentration, rng, n)
    height = np.asarray(transitions.log_likelihood(x, *arrays))
    key, step, temperature, log_evidence = jax.random.key(int(rng.integers(2**31))), 0.3, 0.0, 0.0
    stage = 0
    while temperature < 1:
        rise = _rise(height, 1 - temperature)
        log_weights = rise * height
        log_evidence += float(logsumexp(log_weights) - np.log(n))
        temperature = min(1.0, temperature + rise)
        x = x[_systematic(np.exp(log_weights - logsumexp(log_weights)), rng)]
        scale = np.maximum(x.std(axis=0), 1e-12)
        stage += 1
        x, height, step = transitions.move(
            jax.random.fold_in(key, stage), x, temperature, step, scale, *arrays
        )
        x, height = np.asarray(x), np.asarray(height)
    return log_evidence


def _prior_draws(compiled: CompiledModel, concentration: float, rng: np.random.Generator, n: int) -> Array:
    """Unconstrained coordinates (n, size) of draws from the prior."""
    free = compiled.model.free_RVs
    seed = int(rng.integers(2**31))
    values = pm.draw(free, draws=n, random_seed=seed, mode="FAST_COMPILE")  # small graph, used once
    named = {v.name: value[None] for v, value in zip(free, values, strict=True)}
    named["alpha"] = _weights(concentration, named["alpha"].shape, rng)
    return compiled.unconstrain_draws(named)[0]


def _weights(concentration: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draws of a symmetric Dirichlet, none of them 0, as those of NumPy are at small concentrations."""
    boost = np.log1p(-rng.random(shape)) / concentration
    log_gamma = np.log(rng.standard_gamma(concentration + 1, shape)) + boost
    return np.maximum(softmax(log_gamma, axis=-1), np.finfo(float).tiny)


def _rise(height: Array, left: float) -> float:
    """Largest rise of the temperature that keeps enough particles effective (Del Moral et al. 2012).

    Those of likelihood 0 are lost at any rise.
    """
    height = height[np.isfinite(height)]

    def excess(rise: float) -> float:
        log_weights = rise * height
        ess = np.exp(2 * logsumexp(log_weights) - logsumexp(2 * log_weights))
        return float(ess - KEPT * len(height))

    return left if excess(left) >= 0 else float(brentq(excess, 0.0, left))


def _systematic(weights: Array, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: positions of the surviving particles."""
    n = len(weights)
    places = np.searchsorted(np.cumsum(weights), (rng.random() + np.arange(n)) / n)
    return np.minimum(places, n - 1)


class Transitions:
    """HMC over the tempered posterior, all particles at once.

    Parameters
    ----------
    log_density, log_prior : callable
        ``(x, arrays, jacobian) -> log density``.
    """

    def __init__(self, log_density: Any, log_prior: Any) -> None:
        self._log_density, self._log_prior = log_density, log_prior
        self._kernel = blackjax.hmc.build_kernel()
        self.move = jax.jit(self._move)
        self.log_likelihood = jax.jit(jax.vmap(self._log_likelihood, in_axes=(0, None, None)))

    def _log_likelihood(self, x: Any, arrays: Any, prior_arrays: Any) -> Any:
        value = self._log_density(x, arrays, 0.0) - self._log_prior(x, prior_arrays, 0.0)
        return jnp.where(jnp.isnan(value), -jnp.inf, value)

    def _move(
        self, key: Any, x: Any, temperature: Any, step: Any, scale: Any, arrays: Any, prior_arrays: Any
    ) -> Any:
        """Move the particles; return them, their log-likelihoods, and the next step size."""

        def target(y: Any) -> Any:
            prior = self._log_prior(y * scale, prior_arrays, 1.0)
            return prior + temperature * (self._log_density(y * scale, arrays, 1.0) - prior)

        def one(key: Any, state: Any, step: Any) -> Any:
            return self._kernel(key, state, target, step, jnp.ones(x.shape[1]), LEAPFROGS)

        def transition(i: Any, carry: Any) -> Any:
            states, step = carry
            keys = jax.random.split(jax.random.fold_in(key, i), len(x) + 1)
            jitter = jax.random.uniform(keys[0], minval=0.7, maxval=1.3)  # against periodic trajectories
            states, info = jax.vmap(one, in_axes=(0, 0, None))(keys[1:], states, step * jitter)
            accepted = jnp.nan_to_num(info.acceptance_rate).mean()
            return states, step * jnp.exp(accepted - ACCEPTED)

        states = jax.vmap(lambda y: blackjax.hmc.init(y, target))(x / scale)
        states, step = jax.lax.fori_loop(0, MOVES, transition, (states, step))
        moved = states.position * scale
        height = jax.vmap(self._log_likelihood, in_axes=(0, None, None))(moved, arrays, prior_arrays)
        return moved, height, step


_transitions = remembered(Transitions)
