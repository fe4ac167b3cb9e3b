"""Chains in parallel threads, and their raw draws.

Every chain is an iterator over the parts of its draws, each made by one call of XLA, so a progress bar
moves between parts, and an interrupt keeps the draws so far. If a chain fails, the others are kept.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import numpy as np

from mixtures.interrupts import INTERRUPTED, Status
from mixtures.types import Array

__all__ = ["Drawn", "Draws", "Part", "nothing_kept", "run_chains"]

LATE = 10
"""A chain of an incomplete run is left out if another has this many times its draws."""


Part = tuple[Array, Mapping[str, Array]]
"""Draws (n, size) of one chain, and its statistics (n,) by name."""


@dataclass(frozen=True)
class Draws:
    """Raw draws of all chains.

    Attributes
    ----------
    x : ndarray, shape (chains, draws, size)
        Unconstrained coordinates; after an incomplete run, of the chains that had
        come far, cut to the length of the shortest.
    statistics : dict of ndarray, each (chains, draws)
        The sampler's statistics.
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
        chains: Sequence[Part],
        interrupted: bool,
        failed: Mapping[int, BaseException],
    ) -> "Draws":
        """Keep the chains that came far, cut to the length of the shortest."""
        reasons = [INTERRUPTED] if interrupted else []
        for chain, error in failed.items():
            reasons.append(f"chain {chain} failed: {type(error).__name__}: {str(error)[:200]}")
        stopped = "; ".join(reasons)
        lost = Status.CHAINS_LOST if failed else Status.WHOLE
        longest = max((len(x) for x, _ in chains), default=0)
        kept = [(x, found) for x, found in chains if len(x) > longest / LATE]
        if not kept:
            raise nothing_kept(stopped)
        length = min(len(x) for x, _ in kept)
        return cls(
            np.stack([x[:length] for x, _ in kept]),
            {name: np.stack([found[name][:length] for _, found in kept]) for name in kept[0][1]},
            stopped,
            Status.INTERRUPTED if interrupted else lost,
        )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws by some sampler, and attributes of their tree."""

    draws: Draws
    attrs: Mapping[str, Any]


def nothing_kept(stopped: str = INTERRUPTED) -> KeyboardInterrupt:
    """Return the interrupt to raise where no draw was made before it."""
    return KeyboardInterrupt(f"{stopped} before any draw was kept")


def run_chains(
    chains: Sequence[Iterator[Part]],
    cores: int | None,
    *,
    tune: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Draws:
    """Run chains side by side.

    Parameters
    ----------
    chains : sequence of iterator
        The parts of every chain.
    cores : int or None
        Number of threads; by default the number of processors.
    tune : int, default 0
        Draws at the start of every chain that are left out.
    on_progress : callable, optional
        Called with the number of draws made since the last call.

    Returns
    -------
    Draws
        Fewer than requested after an interrupt, or if some but not all chains failed.
    """
    stop = threading.Event()

    def run(chain: Iterator[Part]) -> list[Part]:
        kept: list[Part] = []
        while not stop.is_set() and (part := next(chain, None)) is not None:
            kept.append(part)
            on_progress(len(part[0]))
        return kept

    with ThreadPoolExecutor(min(len(chains), cores or cpu_count() or 1)) as pool:
        futures = [pool.submit(run, chain) for chain in chains]
        interrupted = False
        try:
            wait(futures)
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
            wait(futures)
        finally:
            stop.set()  # at a second interrupt they stop after their current part
    failed = {i: error for i, future in enumerate(futures) if (error := future.exception()) is not None}
    if len(failed) == len(futures):
        raise failed[0]
    parts = [future.result() for i, future in enumerate(futures) if i not in failed]
    return Draws.gathered([_joined(each, tune) for each in parts if each], interrupted, failed)


def _joined(parts: Sequence[Part], tune: int) -> Part:
    """The parts of a chain as one, without its warm-up."""
    x = np.concatenate([part for part, _ in parts])[tune:]
    names = parts[0][1]
    return x, {name: np.concatenate([found[name] for _, found in parts])[tune:] for name in names}
