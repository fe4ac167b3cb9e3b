"""NUTS over a compiled log density, the whole loop inside XLA.

Each chain is one call of XLA for every few hundred draws, so chains run side
by side in threads, a progress bar moves between calls, and an interrupt keeps
what was drawn. Warm-up is Stan's: windows that adapt step size and a diagonal
mass matrix (BlackJAX), in coordinates that the caller may have whitened.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from os import process_cpu_count
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
from blackjax.adaptation.staged_adaptation import build_schedule
from blackjax.adaptation.step_size import dual_averaging_adaptation

from mixtures.compiled import CompiledModel
from mixtures.priors import Array

__all__ = ["Draws", "Frame", "run_nuts"]

CHUNK = 200
"""Transitions in one call of XLA."""

STATISTICS = ("lp", "energy", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging")


@dataclass(frozen=True)
class Frame:
    """Coordinates of one chain: ``x = centre + basis y``, the start in ``y``.

    Attributes
    ----------
    centre : ndarray, shape (size,)
        Origin of the coordinates.
    basis : ndarray, shape (size, size) or (size,)
        Directions as columns, or one scale a coordinate.
    start : ndarray, shape (size,)
        Where the chain starts, in ``y``.
    """

    centre: Array
    basis: Array
    start: Array

    def to_x(self, y: Any) -> Any:
        """Unconstrained coordinates of ``y (..., size)``."""
        return self.centre + (y * self.basis if self.basis.ndim == 1 else y @ self.basis.T)


@dataclass(frozen=True)
class Draws:
    """Raw draws of all chains.

    Attributes
    ----------
    x : ndarray, shape (chains, draws, size)
        Unconstrained coordinates.
    statistics : dict of ndarray, each (chains, draws)
        lp, energy, acceptance_rate, step_size, tree_depth, n_steps, diverging.
    complete : bool
        False if the run was interrupted and the draws are fewer than asked for.
    """

    x: Array
    statistics: dict[str, Array]
    complete: bool


def run_nuts(
    compiled: CompiledModel,
    frames: list[Frame],
    *,
    draws: int,
    tune: int,
    seed: int,
    target_accept: float,
    max_treedepth: int,
    cores: int | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Draw from the density of the unconstrained coordinates, one chain a frame.

    Parameters
    ----------
    compiled : CompiledModel
        The log density.
    frames : list of Frame
        Coordinates and start of every chain, all with bases of one shape.
    draws, tune : int
        Draws to keep, and warm-up before them, a chain.
    seed : int
        Seed of all chains.
    target_accept : float
        Acceptance rate that warm-up aims at.
    max_treedepth : int
        A trajectory has at most ``2**max_treedepth - 1`` steps.
    cores : int, optional
        Chains that run at once; by default the processors at hand.
    on_progress : callable, optional
        Called with the number of transitions done since the last call.

    Returns
    -------
    Draws
        Draws and sampler statistics; fewer than asked for after an interrupt.
    """
    start_chain, run_chunk = _transitions(compiled.log_density, target_accept, max_treedepth)
    schedule = np.zeros((tune + draws, 3), dtype=np.int32)
    if tune:
        schedule[:tune, :2] = np.asarray(build_schedule(tune)).astype(np.int32)
        schedule[:tune, 2] = 1
    stop = threading.Event()

    def chain(index: int) -> list[Any]:
        frame = frames[index]
        frame = Frame(*(jnp.asarray(x) for x in (frame.centre, frame.basis, frame.start)))
        geometry = (frame.centre, frame.basis)
        carry = start_chain(frame.start, geometry, compiled.arrays)
        key = jax.random.fold_in(jax.random.key(seed), index)
        kept = []
        for i in range(0, tune + draws, CHUNK):
            if stop.is_set():
                break
            length = min(CHUNK, tune + draws - i)
            stages = np.zeros((CHUNK, 3), dtype=np.int32)
            stages[:length] = schedule[i : i + length]
            carry, y, statistics = run_chunk(
                carry, jax.random.fold_in(key, i), stages, length, geometry, compiled.arrays
            )
            kept.append(jax.tree.map(lambda x, n=length: np.asarray(x)[:n], (frame.to_x(y), statistics)))
            on_progress(length)
        return kept

    with ThreadPoolExecutor(min(len(frames), cores or process_cpu_count() or 1)) as pool:
        futures = [pool.submit(chain, i) for i in range(len(frames))]
        try:
            chunks = [future.result() for future in futures]
        except KeyboardInterrupt:
            stop.set()
            chunks = [future.result() for future in futures]
    chains = [
        jax.tree.map(lambda *parts: np.concatenate(parts)[tune:], *kept) if kept else None for kept in chunks
    ]
    length = min(0 if kept is None else len(kept[0]) for kept in chains)
    if length == 0:
        raise KeyboardInterrupt("interrupted before any draw was kept")
    stacked = jax.tree.map(lambda *parts: np.stack([part[:length] for part in parts]), *chains)
    return Draws(stacked[0], stacked[1], complete=length == draws)


@lru_cache(maxsize=64)
def _transitions(
    log_density: Callable[..., Any], target_accept: float, max_treedepth: int
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Compiled start of a chain, and compiled run of a chunk of transitions."""
    kernel = blackjax.nuts.build_kernel()
    step_init, step_update, step_final = dual_averaging_adaptation(target_accept)
    mass_init, mass_update, mass_final = mass_matrix_adaptation(is_diagonal_matrix=True)

    def density(geometry: Any, arrays: Any) -> Callable[[Any], Any]:
        centre, basis = geometry
        return lambda y: log_density(centre + (y * basis if basis.ndim == 1 else basis @ y), arrays, 1.0)

    def start(y: Any, geometry: Any, arrays: Any) -> Any:
        state = blackjax.nuts.init(y, density(geometry, arrays))
        return state, step_init(0.5), mass_init(y.size)

    def adapt(carry: Any, info: Any, stage: Any, window_ends: Any) -> Any:
        state, step, mass = carry
        step = step_update(step, info.acceptance_rate)
        mass = jax.lax.cond(stage == 1, lambda m: mass_update(m, state.position), lambda m: m, mass)

        def close(step: Any, mass: Any) -> Any:
            return step_init(step_final(step)), mass_final(mass)

        step, mass = jax.lax.cond(window_ends == 1, close, lambda s, m: (s, m), step, mass)
        return state, step, mass

    def run_chunk(carry: Any, key: Any, stages: Any, length: Any, geometry: Any, arrays: Any) -> Any:
        target = density(geometry, arrays)

        def transition(i: Any, loop: Any) -> Any:
            (state, step, mass), positions, statistics = loop
            stage, window_ends, tuning = stages[i]
            step_size = jnp.where(tuning, jnp.exp(step.log_step_size), step_final(step))
            state, info = kernel(
                jax.random.fold_in(key, i), state, target, step_size, mass.inverse_mass_matrix, max_treedepth
            )
            carry = jax.lax.cond(
                tuning == 1, lambda c: adapt(c, info, stage, window_ends), lambda c: c, (state, step, mass)
            )
            values = (
                state.logdensity,
                info.energy,
                info.acceptance_rate,
                step_size,
                info.num_trajectory_expansions,
                info.num_integration_steps,
                info.is_divergent,
            )
            recorded = {
                name: statistics[name].at[i].set(value) for name, value in zip(STATISTICS, values, strict=True)
            }
            return carry, positions.at[i].set(state.position), recorded

        positions = jnp.zeros((CHUNK, carry[0].position.size))
        dtypes = (float, float, float, float, int, int, bool)
        statistics = {name: jnp.zeros(CHUNK, dtype) for name, dtype in zip(STATISTICS, dtypes, strict=True)}
        return jax.lax.fori_loop(0, length, transition, (carry, positions, statistics))

    return jax.jit(start), jax.jit(run_chunk)
