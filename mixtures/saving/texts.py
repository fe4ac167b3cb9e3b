"""Texts in files: one that names options or clusters keeps them, so that whoever loads it words them."""

from typing import Any

import numpy as np

from mixtures.errors import InputError
from mixtures.messages import Cluster, Option, Part, parts_of, worded
from mixtures.saving.checks import check_keys, expect

__all__ = ["read_text", "write_text"]


def write_text(text: str) -> str | list[Any]:
    """A text for JSON; its parts, if it names options or clusters.

    Examples
    --------
    >>> write_text("draw more"), write_text(worded("raise ", Option("n_init")))
    ('draw more', ['raise ', {'name': 'n_init'}])
    """
    parts = parts_of(text)
    if not any(isinstance(part, Option | Cluster) for part in parts):
        return str(text)
    return [_written(part) for part in parts]


def _written(part: Part) -> str | dict[str, Any]:
    match part:
        case Cluster():
            return {"number": part.number, "name": part.name, "begins": part.begins}
        case Option():
            value = part.value.item() if isinstance(part.value, np.generic) else part.value
            given = {"name": part.name, "said": part.said, "typed": part.typed}
            written: dict[str, Any] = {name: text for name, text in given.items() if text}
            return written | ({"value": value} if part.is_set else {})
    return str(part)


def read_text(raw: Any, where: str) -> str:
    """A text from JSON, or from its parts.

    Examples
    --------
    >>> read_text(["raise ", {"name": "n_init"}], "note")
    'raise n_init'
    >>> read_text([{"number": 1, "name": "", "begins": False}, " is small"], "note")
    'cluster 1 is small'
    """
    if not isinstance(raw, list):
        return str(expect(raw, str, where))
    return worded(*(_read(part, f"{where}[{i}]") for i, part in enumerate(raw)))


def _read(raw: Any, where: str) -> Part:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, dict) and "number" in raw:
        check_keys(raw, tuple(CLUSTER), where)
        return Cluster(**{name: expect(raw[name], kind, f"{where}.{name}") for name, kind in CLUSTER.items()})
    check_keys(raw, ("name", "said", "typed", "value"), where, 1)
    texts = {name: str(expect(text, str, f"{where}.{name}")) for name, text in raw.items() if name != "value"}
    value = raw.get("value", ...)
    if not (value is ... or value is None or isinstance(value, str | int | float)):
        raise InputError(f"{where}.value is {type(value).__name__}, not a text or a number")
    return Option(**texts, value=value)


CLUSTER: dict[str, type] = {"number": int, "name": str, "begins": bool}
"""What is kept of a cluster."""
