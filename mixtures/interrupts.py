"""Ctrl-C keeps what was found so far: in a result that says so, or on the interrupt itself.

Public functions return what there is. Inside, where one step builds on
another, the interrupt must go on: `complete` sees to that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

__all__ = ["INTERRUPTED", "Interrupted", "Status", "attaching", "complete", "status_of"]

INTERRUPTED = "interrupted"
"""Beginning of the note that tells a reader of an interrupt; `Status` tells the program."""


class Status(StrEnum):
    """Whether a result is complete, and if not, why."""

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
    """Whether Ctrl-C ended the computation of this result."""
    if hasattr(result, "interrupted"):
        return bool(result.interrupted)
    return status_of(result) is Status.INTERRUPTED


def status_of(tree: Any) -> Status:
    """Status of a sample, an xarray.DataTree."""
    return Status(tree.attrs.get("status", Status.WHOLE))


def complete[T](result: T) -> T:
    """Return a complete result; raise the interrupt again if Ctrl-C cut the result short."""
    if _is_interrupted(result):
        raise Interrupted(result)
    return result


@contextmanager
def attaching(result: Any) -> Iterator[None]:
    """Attach an earlier result to an interrupt of the steps that follow."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(result) from error
