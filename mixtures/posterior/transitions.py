"""BlackJAX's NUTS transitions with warm-up, and the programs that `mixtures.posterior.nuts` runs."""

from collections.abc import Callable
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
from blackjax.adaptation.step_size import dual_averaging_adaptation
from blackjax.mcmc.hmc import HMCState

from mixtures.density.memory import JaxFunction, remembered
from mixtures.posterior.nuts import CHUNK, STATISTICS

__all__ = ["Transitions", "begin_program", "chunk_program"]

FIRST_STEP = 0.5
"""Step size that warm-up starts from, in coordinates of order one."""


class Transitions:
    """NUTS with warm-up for one log density ``(x, arrays, jacobian)``; options are those of `Chains`."""

    def __init__(self, log_density: Callable[..., Any], target_accept: float, max_treedepth: int) -> None:
        self._log_density = log_density
        self._max_treedepth = max_treedepth
        self._kernel = blackjax.nuts.build_kernel()
        self._step_init, self._step_update, self._step_final = dual_averaging_adaptation(target_accept)
        self._mass_init, self._mass_update, self._mass_final = mass_matrix_adaptation(is_diagonal_matrix=True)

    def begin(self, position: Any, value: Any, gradient: Any) -> Any:
        """State of a chain before its first transition: position, step size, mass matrix."""
        state = HMCState(position, value, gradient)
        return state, self._step_init(FIRST_STEP), self._mass_init(position.size)

    def chunk(self, carry: Any, key: Any, stages: Any, length: Any, geometry: Any, arrays: Any) -> Any:
        """A transition for each of the first ``length`` of CHUNK stages."""
        centre, basis = geometry

        def target(y: Any) -> Any:
            return self._log_density(centre + (y * basis if basis.ndim == 1 else basis @ y), arrays, 1.0)

        def transition(i: Any, loop: Any) -> Any:
            (state, step, mass), positions, statistics = loop
            stage, window_ends, tuning = stages[i]
            step_size = jnp.where(tuning, jnp.exp(step.log_step_size), self._step_final(step))
            state, info = self._kernel(
                jax.random.fold_in(key, i),
                state,
                target,
                step_size,
                mass.inverse_mass_matrix,
                self._max_treedepth,
            )
            step, mass = jax.lax.cond(
                tuning == 1,
                lambda s, m: self._adapt(s, m, state.position, info.acceptance_rate, stage, window_ends),
                lambda s, m: (s, m),
                step,
                mass,
            )
            recorded = {
                "lp": state.logdensity,
                "energy": info.energy,
                "acceptance_rate": info.acceptance_rate,
                "step_size": step_size,
                "tree_depth": info.num_trajectory_expansions,
                "n_steps": info.num_integration_steps,
                "diverging": info.is_divergent,
            }
            statistics = {name: statistics[name].at[i].set(value) for name, value in recorded.items()}
            return (state, step, mass), positions.at[i].set(state.position), statistics

        positions = jnp.zeros((CHUNK, carry[0].position.size))
        statistics = {name: jnp.zeros(CHUNK, dtype) for name, dtype in STATISTICS.items()}
        return jax.lax.fori_loop(0, length, transition, (carry, positions, statistics))

    def _adapt(self, step: Any, mass: Any, position: Any, accepted: Any, stage: Any, window_ends: Any) -> Any:
        """Adapt the step size always, the mass matrix in slow windows; restart both when a window ends."""
        step = self._step_update(step, accepted)
        mass = jax.lax.cond(stage == 1, lambda m: self._mass_update(m, position), lambda m: m, mass)
        return jax.lax.cond(
            window_ends == 1,
            lambda s, m: (self._step_init(self._step_final(s)), self._mass_final(m)),
            lambda s, m: (s, m),
            step,
            mass,
        )


_transitions = remembered(Transitions)


Number = jax.ShapeDtypeStruct((), float)


def _vector(size: int) -> Any:
    return jax.ShapeDtypeStruct((size,), float)


def begin_program(
    log_density: JaxFunction, size: int, target_accept: float, max_treedepth: int
) -> tuple[JaxFunction, Any]:
    """Compiled ``(position, value, gradient) -> state``, a flat list, and arguments like its own."""
    function = _begin(_transitions(log_density, target_accept, max_treedepth))
    return function, (_vector(size), Number, _vector(size))


@remembered
def _begin(transitions: Transitions) -> JaxFunction:
    return jax.jit(lambda *at: jax.tree.leaves(transitions.begin(*at)))


def chunk_program(
    log_density: JaxFunction,
    arrays: Any,
    size: int,
    dense: bool,
    target_accept: float,
    max_treedepth: int,
) -> tuple[JaxFunction, Any]:
    """Compiled transitions of one chunk over a flat state, and arguments like its own."""
    transitions = _transitions(log_density, target_accept, max_treedepth)
    state = jax.eval_shape(transitions.begin, _vector(size), Number, _vector(size))
    example = (
        jax.tree.leaves(state),
        jax.ShapeDtypeStruct((3,), jnp.int64),
        jax.ShapeDtypeStruct((CHUNK, 3), jnp.int32),
        jax.ShapeDtypeStruct((), jnp.int64),
        _vector(size),
        jax.ShapeDtypeStruct((size, size) if dense else (size,), float),
        jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arrays),
    )
    return _chunk(transitions, jax.tree.structure(state)), example


@remembered
def _chunk(transitions: Transitions, structure: Any) -> JaxFunction:
    def chunk(
        state: Any, stream: Any, stages: Any, length: Any, centre: Any, basis: Any, arrays: Any
    ) -> tuple[Any, Any, Any]:
        carry = jax.tree.unflatten(structure, state)
        seed, chain, first = stream
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), chain), first)
        carry, *recorded = transitions.chunk(carry, key, stages, length, (centre, basis), arrays)
        return jax.tree.leaves(carry), recorded[0], recorded[1]

    return jax.jit(chunk)
