"""Cells and tables that are not numbers, in words."""

import reprlib
from collections.abc import Sized
from datetime import date, time, timedelta
from numbers import Complex
from typing import Any

import numpy as np

from mixtures.messages import counted, row_name

__all__ = ["ADVICE", "cell_at", "kind_of", "shown", "why_no_array", "word_among"]

ADVICE = {
    "text": "drop the column or encode it as numbers",
    "complex numbers": "drop the column or split it into real and imaginary parts",
    "dates or times": "drop the column or turn it into numbers, such as days since the first",
}


def word_among(cells: np.ndarray, row: int) -> int:
    """The row of a cell to show of a column that holds no numbers: in numbers spoilt by words, a word."""
    if kind_of(cells[row]) != "text":
        return row
    return next((i for i, cell in enumerate(cells) if _is_word(cell)), row)


def cell_at(cell: Any, row: int, obs_id: np.ndarray, first: int = 0) -> str:
    """Show a cell and its row: "'four' in row 1"."""
    return f"{shown(cell)} in {row_name(row, obs_id, first)}"


def kind_of(cell: Any) -> str:
    """Say what a cell is that is not a number."""
    match cell:
        case str() | bytes():
            return "text"
        case Complex():
            return "complex numbers"
        case date() | time() | timedelta():
            return "dates or times"
    return f"{type(cell).__name__} objects"


def shown(cell: Any) -> str:
    """Show a cell on one line of reasonable length."""
    return " ".join(reprlib.repr(cell).split())


def _is_word(cell: Any) -> bool:
    if not isinstance(cell, str | bytes):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def why_no_array(X: Any, error: Exception) -> str:
    """Say why something cannot be made an array."""
    if isinstance(X, list | tuple):
        single = [not isinstance(row, Sized) or getattr(row, "ndim", 1) == 0 for row in X]
        widths = [1 if one else len(row) for one, row in zip(single, X, strict=True)]
        for i, width in enumerate(widths):
            if width != widths[0]:
                here = f"row {i} has {counted(width, 'value')}"
                return f"{here} but row 0 has {widths[0]}; give every row the same number"
    return f"{type(X).__name__} cannot be read as a table of numbers: {error}"
