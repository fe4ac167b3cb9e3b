"""Checks of JSON that a file holds; ``where`` is its place in the message."""

from typing import Any

from mixtures.errors import InputError

__all__ = ["check_keys", "expect"]


def expect(raw: Any, kind: type, where: str) -> Any:
    """Check that a JSON value is of a kind; true and false do not count as numbers."""
    if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
        raise InputError(f"{where} is {type(raw).__name__}, not {kind.__name__}")
    return raw


def check_keys(raw: Any, names: tuple[str, ...], where: str, required: int | None = None) -> None:
    """Refuse an object that lacks one of the names or has another one."""
    given = set(expect(raw, dict, where))
    if missing := sorted(set(names[:required]) - given):
        raise InputError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(given - set(names)):
        raise InputError(f"{where} has {unknown[0][:80]!r}, which nothing here knows")
