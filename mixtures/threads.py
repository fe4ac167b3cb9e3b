"""One thread for linear algebra: on small matrices several wait for one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Context, or decorator, in which linear algebra has one thread, so that sums are in one order."""
    with _controller().limit(limits=1):
        yield


@cache
def _controller() -> ThreadpoolController:
    """The libraries loaded by now: to look for them takes longer than the steps of a small fit."""
    return ThreadpoolController()
