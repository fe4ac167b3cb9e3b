"""Texts in files: one that names options keeps them, so that whoever loads it spells them in his own way."""

from typing import Any

import numpy as np

from mixtures.errors import InputError
from mixtures.messages import Option, parts_of, worded
from mixtures.saving.checks import check_keys, expect

__all__ = ["read_text", "write_text"]


def write_text(text: str) -> str | list[Any]:
    """A text for JSON; its parts, if it names options.

    Examples
    --------
    >>> write_text("draw more"), write_text(worded("raise ", Option("n_init")))
    ('draw more', ['raise ', {'name': 'n_init'}])
    """
    parts = parts_of(text)
    if not any(isinstance(part, Option) for part in parts):
        return str(text)
    return [_written(part) if isinstance(part, Option) else str(part) for part in parts]


def _written(option: Option) -> dict[str, Any]:
    value = option.value.item() if isinstance(option.value, np.generic) else option.value
    given = {"name": option.name, "said": option.said, "typed": option.typed}
    written: dict[str, Any] = {name: text for name, text in given.items() if text}
    return written | ({"value": value} if option.is_set else {})


def read_text(raw: Any, where: str) -> str:
    """A text from JSON, or from its parts.

    Examples
    --------
    >>> read_text(["raise ", {"name": "n_init"}], "note")
    'raise n_init'
    """
    if not isinstance(raw, list):
        return str(expect(raw, str, where))
    parts = enumerate(raw)
    return worded(*(each if isinstance(each, str) else _read(each, f"{where}[{i}]") for i, each in parts))


def _read(raw: Any, where: str) -> Option:
    check_keys(raw, ("name", "said", "typed", "value"), where, 1)
    texts = {name: str(expect(text, str, f"{where}.{name}")) for name, text in raw.items() if name != "value"}
    value = raw.get("value", ...)
    if not (value is ... or value is None or isinstance(value, str | int | float)):
        raise InputError(f"{where}.value is {type(value).__name__}, not a text or a number")
    return Option(**texts, value=value)
