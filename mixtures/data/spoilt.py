"""Columns of numbers that something else is mixed into: signs, words, codes for missing cells, infinities."""

import re

import numpy as np
import pandas as pd

from mixtures.data.columns import Column
from mixtures.data.numerals import are_numbers

__all__ = ["codes_in", "has_infinite", "limits_in", "may_have_codes", "signs_in", "words_in"]

SIGNED = re.compile(r"[+-]?\s*([$€£¥]?)\s*(.*?)\s*([$€£¥%]?)", re.DOTALL)
"""A number with a sign before or after it."""


CODE = re.compile(r"-9|-?99+")
"""A number that often stands for a missing one."""


LIMIT = re.compile(r"(?:[<>]=?|[≤≥])\s*(.+)")
"""A limit of detection, which a value is below or above."""


MOST_WORDS, FEWEST_CODED = 3, 2
"""Different words up to which they look like codes; cells from which a number far from all others does."""


def signs_in(column: Column) -> str:
    """Signs of currency or per cent that stand with all the numbers of a column of text; empty if none do.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> cells = pd.DataFrame({"price": ["$1,250.00", "$3.50"], "share": ["3%", "none"]})
    >>> [signs_in(column) for column in examine(cells)]
    ['$', '']
    """
    if column.values is not None:
        return ""
    found = [match.groups() for text in column.texts if (match := SIGNED.fullmatch(text))]
    signs = dict.fromkeys(sign for before, _, after in found for sign in (before, after) if sign)
    return " ".join(signs) if signs and are_numbers([number for _, number, _ in found]) else ""


def words_in(column: Column) -> list[str]:
    """The few words among the numbers of a column of text; none for other columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> cells = pd.DataFrame({"x": ["1.5", ".", "2", "3"], "city": ["Bonn", "Ulm", "Ulm", "7"]})
    >>> [words_in(column) for column in examine(cells)]
    [['.'], []]
    """
    words: list[str] = []
    for text in dict.fromkeys([] if column.values is not None else column.texts):
        if not (_is_limit(text) or are_numbers([text])):
            words.append(text)
        if len(words) > MOST_WORDS:
            return []
    spoilt = sum(text in words for text in column.texts)
    return words if 0 < 2 * spoilt < len(column.texts) and _numbers_beside(words, column) else []


def limits_in(column: Column) -> list[str]:
    """Cells such as <0.4 among the numbers of a column of text, which say that a value is beyond a limit.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> cells = pd.DataFrame({"x": ["1.5", "<0.4", "2", "<0.4"], "age": ["<30", "<30", "30-50", ">50"]})
    >>> [limits_in(column) for column in examine(cells)]
    [['<0.4'], []]
    """
    limits = dict.fromkeys(text for text in column.texts if column.values is None and _is_limit(text))
    return list(limits) if limits and _numbers_beside(words_in(column), column) else []


def codes_in(column: Column) -> str:
    """A number such as -99 or 999 in several cells, farther from the others than they are from each other.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> cells = pd.DataFrame({"x": [-99, 1.5, 2.0, -99], "y": [1, 2, 99, 4]})
    >>> [codes_in(column) for column in examine(cells)]
    ['-99', '']
    """
    x = column.known
    for code in dict.fromkeys(x[[0, -1]]) if len(x) and not has_infinite(column) else ():
        rest = x[x != code]
        several = 0 < len(rest) <= len(x) - FEWEST_CODED
        if several and CODE.fullmatch(f"{code:g}") and np.abs(rest - code).min() > rest[-1] - rest[0]:
            return f"{code:g}"
    return ""


def may_have_codes(cells: pd.Series) -> bool:
    """Whether the least or the greatest number of a column could be such a number: a first, quick look."""
    if cells.dtype.kind not in "iuf" or not len(cells):
        return False
    return any(CODE.fullmatch(f"{end:g}") for end in (cells.min(), cells.max()))


def has_infinite(column: Column) -> bool:
    """Whether there are infinite cells among the numbers."""
    return bool(np.isinf(column.known).any())


def _is_limit(text: str) -> bool:
    match = LIMIT.fullmatch(text)
    return match is not None and are_numbers([match[1]])


def _numbers_beside(words: list[str], column: Column) -> bool:
    """Whether there are cells beside words and limits, all of them numbers."""
    numbers = [text for text in column.texts if text not in words and not _is_limit(text)]
    return bool(numbers) and are_numbers(numbers)
