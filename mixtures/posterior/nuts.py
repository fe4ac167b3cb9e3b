"""NUTS on a compiled log density, with the whole loop inside XLA.

Each chain calls XLA once for every few hundred draws, so chains run in parallel
threads, a progress bar moves between calls, and an interrupt keeps the draws so
far. If a chain fails, the others are kept. Warm-up is Stan's:
windows that adapt step size and a diagonal mass matrix (BlackJAX), in
coordinates that the caller may have whitened.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
from blackjax.adaptation.staged_adaptation import build_schedule
from blackjax.adaptation.step_size import dual_averaging_adaptation
from blackjax.mcmc.hmc import HMCState

from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import remembered
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.posterior.chains import Chains
from mixtures.types import Array

__all__ = ["Draws", "Frame", "Transitions", "compile_nuts", "run_nuts", "stages_of"]

CHUNK = 200
"""Transitions in one call of XLA."""


LATE = 10
"""A chain of an incomplete run is left out if another has this many times its draws."""


FIRST_STEP = 0.5
"""Step size that warm-up starts from, in coordinates of order one."""


STATISTICS = {
    "lp": float,
    "energy": float,
    "acceptance_rate": float,
    "step_size": float,
    "tree_depth": int,
    "n_steps": int,
    "diverging": bool,
}
"""Sampler statistics of every transition, with their types."""


@dataclass(frozen=True)
class Frame:
    """Coordinates of one chain: ``x = centre + basis y``, the start in ``y``.

    Attributes
    ----------
    centre : ndarray, shape (size,)
        Origin of the coordinates.
    basis : ndarray, shape (size, size) or (size,)
        Directions as columns, or one scale per coordinate.
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
        Unconstrained coordinates; after an incomplete run, of the chains that had
        come far, cut to the length of the shortest.
    statistics : dict of ndarray, each (chains, draws)
        lp, energy, acceptance_rate, step_size, tree_depth, n_steps, diverging.
    stopped : str
        Why there are fewer draws than requested, in words.
    status : Status
        The same as a value: an interrupt, or chains that failed.
    """

    x: Array
    statistics: dict[str, Array]
    stopped: str = ""
    status: Status = Status.WHOLE

    @classmethod
    def gathered(
        cls,
        x: Sequence[Array],
        statistics: Sequence[Mapping[str, Array]],
        interrupted: bool,
        failed: Mapping[int, BaseException],
    ) -> "Draws":
        """Keep the chains (draws, size) that came far, cut to the length of the shortest."""
        reasons = [INTERRUPTED] if interrupted else []
        stopped = "; ".join(reasons + [_failure(i, error) for i, error in failed.items()])
        lost = Status.CHAINS_LOST if failed else Status.WHOLE
        lengths = [len(each) for each in x]
        chosen = [i for i, n in enumerate(lengths) if n > max(lengths) / LATE]
        if not chosen:
            raise KeyboardInterrupt(f"{stopped} before any draw was kept")
        length = min(lengths[i] for i in chosen)
        stacked = {name: np.stack([statistics[i][name][:length] for i in chosen]) for name in statistics[0]}
        return cls(
            np.stack([x[i][:length] for i in chosen]),
            stacked,
            stopped,
            Status.INTERRUPTED if interrupted else lost,
        )


def run_nuts(
    compiled: CompiledModel,
    frames: list[Frame],
    how: Chains,
    seed: int,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Draw from the density of the unconstrained coordinates, one chain per frame.

    Parameters
    ----------
    compiled : CompiledModel
        The log density.
    frames : list of Frame
        Coordinates and start of every chain; all bases have the same shape.
    how : Chains
        Draws to keep and warm-up before them; ``cores`` is by default the number of processors.
    seed : int
        Seed of all chains.
    on_progress : callable, optional
        Called with the number of transitions done since the last call.

    Returns
    -------
    Draws
        Draws and sampler statistics; fewer than requested after an interrupt, or
        if some but not all chains failed.
    """
    transitions = _transitions(compiled.log_density, how.target_accept, how.max_treedepth)
    schedule = stages_of(how.tune, how.draws)
    stop = threading.Event()

    def chain(index: int) -> list[Any]:
        frame, key = frames[index], jax.random.fold_in(jax.random.key(seed), index)
        carry, kept = transitions.start(compiled, frame), []
        for i in range(0, len(schedule), CHUNK):
            if stop.is_set():
                break
            stages = schedule[i : i + CHUNK]
            carry, y, statistics = transitions.run(carry, jax.random.fold_in(key, i), stages, frame, compiled)
            kept.append((frame.to_x(y), statistics))
            on_progress(len(stages))
        return kept

    with ThreadPoolExecutor(min(len(frames), how.cores or cpu_count() or 1)) as pool:
        futures = [pool.submit(chain, i) for i in range(len(frames))]
        interrupted = False
        try:
            wait(futures)
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
            wait(futures)
        finally:
            stop.set()  # at a second interrupt they stop after their current chunk
    failed = {i: error for i, future in enumerate(futures) if (error := future.exception()) is not None}
    if len(failed) == len(futures):
        raise failed[0]
    chunks = [future.result() for i, future in enumerate(futures) if i not in failed]
    chains = [
        jax.tree.map(lambda *parts: np.concatenate(parts)[how.tune :], *kept) for kept in chunks if kept
    ]
    return Draws.gathered([x for x, _ in chains], [found for _, found in chains], interrupted, failed)


def _failure(chain: int, error: BaseException) -> str:
    """Describe a chain that failed."""
    return f"chain {chain} failed: {type(error).__name__}: {str(error)[:200]}"


def stages_of(tune: int, draws: int) -> np.ndarray:
    """Stage of every transition (slow window, its end, tuning), shape (tune + draws, 3)."""
    schedule = np.zeros((tune + draws, 3), dtype=np.int32)
    if tune:
        schedule[:tune, :2] = np.asarray(build_schedule(tune)).astype(np.int32)
        schedule[:tune, 2] = 1
    return schedule


def compile_nuts(compiled: CompiledModel, frame: Frame, target_accept: float, max_treedepth: int) -> None:
    """Compile the program of `run_nuts` in advance, by running a chunk without transitions."""
    transitions = _transitions(compiled.log_density, target_accept, max_treedepth)
    transitions.run(
        transitions.start(compiled, frame),
        jax.random.key(0),
        np.zeros((0, 3), dtype=np.int32),
        frame,
        compiled,
    )


class Transitions:
    """NUTS transitions with warm-up, compiled for one log density.

    Parameters
    ----------
    log_density : callable
        ``(x, arrays, jacobian) -> log density``.
    target_accept : float
        Acceptance rate that warm-up aims at.
    max_treedepth : int
        A trajectory has at most ``2**max_treedepth - 1`` steps.
    """

    def __init__(self, log_density: Callable[..., Any], target_accept: float, max_treedepth: int) -> None:
        self._log_density = log_density
        self._max_treedepth = max_treedepth
        self._kernel = blackjax.nuts.build_kernel()
        self._step_init, self._step_update, self._step_final = dual_averaging_adaptation(target_accept)
        self._mass_init, self._mass_update, self._mass_final = mass_matrix_adaptation(is_diagonal_matrix=True)
        self._run_chunk = jax.jit(self.chunk)

    def start(self, compiled: CompiledModel, frame: Frame) -> Any:
        """State of a chain before its first transition: position, step size, mass matrix."""
        value, gradient = compiled.value_and_grad(frame.to_x(frame.start), jacobian=True)
        in_frame = gradient * frame.basis if frame.basis.ndim == 1 else gradient @ frame.basis
        state = HMCState(jnp.asarray(frame.start), jnp.asarray(value), jnp.asarray(in_frame))
        return state, self._step_init(FIRST_STEP), self._mass_init(frame.start.size)

    def run(self, carry: Any, key: Any, stages: np.ndarray, frame: Frame, compiled: CompiledModel) -> Any:
        """Run a transition per row of ``stages`` (at most CHUNK); return state, positions, statistics."""
        padded = np.zeros((CHUNK, 3), dtype=np.int32)
        padded[: len(stages)] = stages
        geometry = (jnp.asarray(frame.centre), jnp.asarray(frame.basis))
        carry, *recorded = self._run_chunk(carry, key, padded, len(stages), geometry, compiled.arrays)
        return carry, *jax.tree.map(lambda x: np.asarray(x)[: len(stages)], recorded)

    def chunk(self, carry: Any, key: Any, stages: Any, length: Any, geometry: Any, arrays: Any) -> Any:
        """The function that `run` compiles: a transition for each of the first ``length`` of CHUNK stages."""
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
