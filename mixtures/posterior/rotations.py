"""BlackJAX's HMC with the normal part of the density solved exactly, and the program of `split_hmc`."""

from typing import Any

import blackjax
import jax
import jax.numpy as jnp
from blackjax.mcmc.hmc import HMCState
from blackjax.mcmc.integrators import IntegratorState

from mixtures.density.memory import JaxFunction, remembered
from mixtures.posterior import nuts

__all__ = ["chunk_program"]

STATISTICS = {name: kind for name, kind in nuts.STATISTICS.items() if name != "tree_depth"}
"""Sampler statistics of every transition, with their types: those of NUTS, which alone has trees."""


QUARTER, SPREAD = jnp.pi / 2, 0.2
"""Mean angle of a transition: a quarter turn makes a normal position independent of the one before. Angles
differ from it by at most this share, so that no direction comes back to itself at every transition."""


def rotation(log_density: JaxFunction, kinetic_energy: JaxFunction) -> JaxFunction:
    """Integrator for a density close to a standard normal, in the place of BlackJAX's leapfrog.

    The motion of the normal is a rotation of position and momentum, which is made exactly. The
    gradient of what is left changes the momentum before and after it.
    """
    value_and_grad = jax.value_and_grad(log_density)

    def one_step(state: IntegratorState, angle: Any) -> IntegratorState:
        y, momentum, _, gradient = state
        momentum = momentum + angle / 2 * (gradient + y)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        y, momentum = y * cos + momentum * sin, momentum * cos - y * sin
        value, gradient = value_and_grad(y)
        return IntegratorState(y, momentum + angle / 2 * (gradient + y), value, gradient)

    return one_step


def chunk_program(log_density: JaxFunction, arrays: Any, size: int) -> tuple[JaxFunction, Any]:
    """Compiled transitions of one chunk, and arguments like its own.

    ``(state, stream, length, n_steps, centre, basis, arrays) -> (state, positions, statistics)``; the state
    is position, log density and gradient.
    """
    vector, number, whole = (
        jax.ShapeDtypeStruct(shape, kind) for shape, kind in (((size,), float), ((), float), ((), jnp.int64))
    )
    example = (
        [vector, number, vector],
        jax.ShapeDtypeStruct((3,), jnp.int64),
        whole,
        whole,
        vector,
        jax.ShapeDtypeStruct((size, size), float),
        jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arrays),
    )
    return _chunk(log_density), example


@remembered
def _chunk(log_density: JaxFunction) -> JaxFunction:
    kernel = blackjax.hmc.build_kernel(rotation)

    def chunk(
        state: Any, stream: Any, length: Any, n_steps: Any, centre: Any, basis: Any, arrays: Any
    ) -> tuple[Any, Any, Any]:
        seed, chain, first = stream
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), chain), first)
        size = centre.size

        def target(y: Any) -> Any:
            return log_density(centre + basis @ y, arrays, 1.0)

        def transition(i: Any, loop: Any) -> Any:
            state, positions, statistics = loop
            of_angle, of_move = jax.random.split(jax.random.fold_in(key, i))
            share = 1 + SPREAD * jax.random.uniform(of_angle, minval=-1.0, maxval=1.0)
            angle = QUARTER * share / n_steps
            new, info = kernel(of_move, state, target, angle, jnp.ones(size), n_steps)
            recorded = {
                "lp": new.logdensity,
                "energy": jnp.sum(info.momentum**2) / 2 - state.logdensity,
                "acceptance_rate": info.acceptance_rate,
                "step_size": angle,
                "n_steps": n_steps,
                "diverging": info.is_divergent,
            }
            statistics = {name: statistics[name].at[i].set(value) for name, value in recorded.items()}
            return new, positions.at[i].set(new.position), statistics

        positions = jnp.zeros((nuts.CHUNK, size))
        statistics = {name: jnp.zeros(nuts.CHUNK, kind) for name, kind in STATISTICS.items()}
        start = HMCState(*state), positions, statistics
        end, positions, statistics = jax.lax.fori_loop(0, length, transition, start)
        return list(end), positions, statistics

    return jax.jit(chunk)
