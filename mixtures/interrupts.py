"""Ctrl-C: what was found so far is kept, in a result that says so or by the interrupt itself.

What a user calls gives what there is. Inside, where one step builds on
another, the interrupt must go on: `complete` sees to that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

__all__ = ["INTERRUPTED", "Interrupted", "Status", "attaching", "complete", "status_of"]

INTERRUPTED = "interrupted"
"""How the note begins that tells a reader of an interrupt; `Status` tells the program."""


class Status(StrEnum):
    """Whether a result is all that was asked for."""

    WHOLE = "whole"
    INTERRUPTED = "interrupted"
    CHAINS_LOST = "chains lost"


class Interrupted(KeyboardInterrupt):
    """An interrupt that carries what had been found by then.

    Attributes
    ----------
    partial : object
        A result, whole or not, or the state of a search.
    """

    def __init__(self, partial: Any) -> None:
        super().__init__(f"{INTERRUPTED}; the exception's attribute partial has what was found")
        self.partial = partial


def _is_interrupted(result: Any) -> bool:
    """Whether Ctrl-C ended what gave this result."""
    if hasattr(result, "interrupted"):
        return bool(result.interrupted)
    return status_of(result) is Status.INTERRUPTED


def status_of(tree: Any) -> Status:
    """Whether a sample, an xarray.DataTree, is all that was asked for."""
    return Status(tree.attrs.get("status", Status.WHOLE))


def complete[T](result: T) -> T:
    """A result that ran to its end; from one that did not, the interrupt goes on."""
    if _is_interrupted(result):
        raise Interrupted(result)
    return result


@contextmanager
def attaching(result: Any) -> Iterator[None]:
    """Attach what came before to an interrupt of what follows."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(result) from error
