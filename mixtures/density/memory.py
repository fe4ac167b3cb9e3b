"""Compiled functions that a process remembers, until all are discarded."""

import ctypes
import gc
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

__all__ = ["GRAPHS_KEPT", "JaxFunction", "discard", "remembered"]

JaxFunction = Callable[..., Any]


GRAPHS_KEPT = int(os.environ.get("MIXTURES_GRAPHS_KEPT", "24"))
"""Graphs compiled before all are discarded: those of about six models, half a gigabyte of programs.

The tests keep more, for many of them compile the same models.
"""


_memories: list[Any] = []


def remembered[**P, T](f: Callable[P, T], most: int = GRAPHS_KEPT) -> Callable[P, T]:
    """Cache a function of compiled functions until `discard`."""
    memory: Any = lru_cache(maxsize=most)(f)
    _memories.append(memory)
    remembering: Callable[P, T] = memory
    return remembering


def discard() -> None:
    """Discard what is remembered, and JAX's own caches.

    These, shared by the whole process, keep traces even of deleted functions. The
    memory that the compiler freed is scattered over the heap; glibc is asked to return it.
    """
    for memory in _memories:
        memory.cache_clear()
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
