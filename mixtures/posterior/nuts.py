"""NUTS on a compiled log density, with the whole loop inside XLA.

Each chain calls XLA once for every few hundred draws. Warm-up is Stan's: windows that adapt step size
and a diagonal mass matrix, in coordinates that the caller may have whitened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from mixtures.density.density import Density
from mixtures.density.memory import JaxFunction
from mixtures.posterior.chains import Chains
from mixtures.posterior.runs import Draws, Part, run_chains
from mixtures.types import Array

__all__ = ["CHUNK", "STATISTICS", "Frame", "Loop", "compile_nuts", "run_nuts", "stages_of"]

CHUNK = 200
"""Transitions in one call of XLA."""


FAST, SLOW, FAST_AT_END, SHORTEST = 75, 25, 50, 20
"""Lengths of Stan's windows: the first, the first slow one, the last; with fewer than 20 all is fast."""


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
        """Unconstrained coordinates of ``y (..., size)``; not finite where a chain ran off to infinity."""
        with np.errstate(over="ignore", invalid="ignore"):  # as in XLA; the draws are judged later
            return self.centre + (y * self.basis if self.basis.ndim == 1 else y @ self.basis.T)


def run_nuts(
    density: Density,
    frames: list[Frame],
    how: Chains,
    seed: int,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Draw from the density of the unconstrained coordinates, one chain per frame.

    Parameters
    ----------
    density : Density
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
    loop = Loop(density, frames[0].basis.ndim == 2, how.target_accept, how.max_treedepth)
    schedule = stages_of(how.tune, how.draws)

    def parts(index: int) -> Iterator[Part]:
        frame = frames[index]
        state = loop.start(frame)
        for i in range(0, len(schedule), CHUNK):
            state, y, statistics = loop.run(state, (seed, index, i), schedule[i : i + CHUNK], frame)
            yield frame.to_x(y), statistics

    chains = [parts(i) for i in range(len(frames))]
    return run_chains(chains, how.cores, tune=how.tune, on_progress=on_progress)


def stages_of(tune: int, draws: int) -> np.ndarray:
    """Stage of every transition (slow window, its end, tuning), shape (tune + draws, 3)."""
    schedule = np.zeros((tune + draws, 3), dtype=np.int32)
    if tune:
        schedule[:tune, :2] = _windows(tune)
        schedule[:tune, 2] = 1
    return schedule


def _windows(tune: int) -> np.ndarray:
    """Whether a warm-up transition is in a slow window, and whether it ends one, shape (tune, 2).

    Stan's windows: fast, slow ones each twice as long as the one before, fast.
    """
    windows = np.zeros((tune, 2), dtype=np.int32)
    if tune < SHORTEST:
        return windows
    first, length, last = FAST, SLOW, FAST_AT_END
    if first + length + last > tune:
        first, last = int(0.15 * tune), int(0.1 * tune)
        length = tune - first - last
    end = tune - last
    windows[first:end, 0] = 1
    while first < end:
        if 3 * length > end - first:  # no room for the next, twice as long
            length = end - first
        first += length
        windows[first - 1, 1] = 1
        length *= 2
    return windows


def compile_nuts(density: Density, frame: Frame, how: Chains) -> None:
    """Compile the program of `run_nuts` in advance, by running a chunk without transitions."""
    loop = Loop(density, frame.basis.ndim == 2, how.target_accept, how.max_treedepth)
    loop.run(loop.start(frame), (0, 0, 0), np.zeros((0, 3), dtype=np.int32), frame)


class Loop:
    """NUTS transitions with warm-up, as two programs over flat lists of arrays.

    They are for frames with a dense basis, or for those with one scale per coordinate.
    """

    def __init__(self, density: Density, dense: bool, target_accept: float, max_treedepth: int) -> None:
        self._density = density
        how = f"{'dense' if dense else 'diagonal'}-{target_accept!r}-{max_treedepth}"

        def begin(log_density: JaxFunction, arrays: Any) -> tuple[JaxFunction, Any]:
            from mixtures.posterior.transitions import begin_program  # loads BlackJAX

            return begin_program(log_density, density.size, target_accept, max_treedepth)

        def chunk(log_density: JaxFunction, arrays: Any) -> tuple[JaxFunction, Any]:
            from mixtures.posterior.transitions import chunk_program

            return chunk_program(log_density, arrays, density.size, dense, target_accept, max_treedepth)

        self._begin = density.extra(f"nuts-begin-{density.size}", begin)
        self._chunk, self._arrays = density.extra(f"nuts-{how}", chunk), density.program("gradient")[1]

    def start(self, frame: Frame) -> list[Any]:
        """State of a chain before its first transition: position, step size, mass matrix."""
        value, gradient = self._density.value_and_grad(frame.to_x(frame.start), jacobian=True)
        with np.errstate(over="ignore", invalid="ignore"):  # as in XLA; a chain cannot leave an endless slope
            in_frame = gradient * frame.basis if frame.basis.ndim == 1 else gradient @ frame.basis
        state: list[Any] = self._begin(frame.start, value, in_frame)
        return state

    def run(self, state: list[Any], stream: tuple[int, int, int], stages: np.ndarray, frame: Frame) -> Any:
        """Run a transition per row of ``stages`` (at most CHUNK); return state, positions, statistics.

        The random numbers are those of ``stream``: seed, chain and first transition.
        """
        padded = np.zeros((CHUNK, 3), dtype=np.int32)
        padded[: len(stages)] = stages
        state, *recorded = self._chunk(
            state, np.array(stream), padded, len(stages), frame.centre, frame.basis, self._arrays
        )
        return state, *jax.tree.map(lambda x: np.asarray(x)[: len(stages)], recorded)
