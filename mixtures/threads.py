"""One thread for linear algebra: on small matrices several wait for one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Context, or decorator, in which linear algebra has one thread, so that sums are in one order.

    Most libraries have one setting for the process: where several Python threads are inside, it is that
    of before the first of them once the last has left.
    """
    own = _INSIDE.enter()
    try:
        yield
    finally:
        _INSIDE.leave(own)


class _Inside:
    """How many contexts are open, and the numbers of threads before the first of them."""

    def __init__(self) -> None:
        self.lock, self.count = Lock(), 0
        self.before: list[Any] = []

    def enter(self) -> list[Any]:
        """Set all libraries to one thread; return what they had here."""
        with self.lock:
            own = [library.num_threads for library in _libraries()]
            if not self.count:
                self.before = own
            for library in _libraries():
                library.set_num_threads(1)
            self.count += 1
        return own

    def leave(self, own: list[Any]) -> None:
        """Restore what a Python thread had of its own, and what the process had if nobody is left."""
        with self.lock:
            self.count -= 1
            for library, mine, first in zip(_libraries(), own, self.before, strict=True):
                if "openmp" in (library.user_api, getattr(library, "threading_layer", "")):
                    library.set_num_threads(mine)
                elif not self.count:
                    _free(library)
                    library.set_num_threads(first)
                    _free(library)


def _free(library: Any) -> None:
    """Let any Python thread set the library: threadpoolctl reserves it to the first, where it can."""
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread(force=True)


_INSIDE = _Inside()


@cache
def _libraries() -> list[Any]:
    """The libraries loaded by now: to look for them takes longer than the steps of a small fit."""
    return list(ThreadpoolController().lib_controllers)
