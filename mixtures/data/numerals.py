"""Numbers as people write them: with decimal commas, and marks between thousands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mixtures.errors import InputError
from mixtures.messages import Option, worded

__all__ = ["AS_IN_PYTHON", "MISSING", "Numerals", "are_numbers", "writings_of"]

DECIMALS, THOUSANDS = (".", ","), (",", ".", " ", "'", "\N{RIGHT SINGLE QUOTATION MARK}", "_")


BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
"""Characters that a space between thousands may be."""


TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
"""Words that pandas reads as truth values."""


MISSING = frozenset(
    [
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    ]
)
"""Words that pandas reads as a missing value."""


LONGEST_WHOLE = 18
"""Digits of a whole number that surely fits 64 bits."""


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a text file are written.

    Attributes
    ----------
    decimal : {".", ","}
        The mark before decimals.
    thousands : str, optional
        The mark between groups of three digits: a comma, point, space, apostrophe or underscore.
    """

    decimal: str = "."
    thousands: str | None = None

    def __post_init__(self) -> None:
        """Refuse marks that no number has."""
        if self.decimal not in DECIMALS:
            raise InputError(worded(Option("decimal"), f" is {self.decimal!r:.80}; it is '.' or ','"))
        if self.thousands is not None and self.thousands not in THOUSANDS:
            what = f" is {self.thousands!r:.80}; it is a comma, point, space, apostrophe or underscore"
            raise InputError(worded(Option("thousands"), what))
        if self.thousands == self.decimal:
            raise InputError(
                worded(
                    Option("decimal"),
                    " and ",
                    Option("thousands"),
                    f" are both {self.decimal!r}; one mark cannot be both: say ",
                    Option("decimal", ",", "decimal=',' (--decimal , on the command line)"),
                    " too if thousands are set apart by points",
                )
            )

    @property
    def usual(self) -> bool:
        """Whether numbers are written as in Python."""
        return self == Numerals()

    @property
    def _groups(self) -> str:
        return "" if self.thousands is None else (BLANKS if self.thousands == " " else self.thousands)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a number looks like; thousands are in groups of three, or not separated."""
        point = re.escape(self.decimal)
        groups = rf"\d{{1,3}}(?:[{re.escape(self._groups)}]\d{{3}})+|" if self._groups else ""
        return re.compile(rf"[+-]?(?:(?:{groups}\d+)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?", re.ASCII)

    def fit(self, texts: Sequence[str]) -> bool:
        """Whether all texts are numbers in this writing."""
        return all(map(self.pattern.fullmatch, texts))

    def plain(self, text: str) -> str:
        """A number as Python writes it."""
        for mark in self._groups:
            text = text.replace(mark, "")
        return text.replace(self.decimal, ".")

    def read(self, column: pd.Series) -> pd.Series:
        """A column of text as numbers or truth values, if all its cells are such; else as it is."""
        cells = column.dropna().str.strip()
        if len(cells) and set(cells) <= TRUTH.keys():
            known = cells.map(TRUTH)
            return known.astype(bool) if len(known) == len(column) else known.reindex(column.index)
        if not self.fit(cells):
            return column
        texts = cells.map(self.plain)
        digits = texts.str.lstrip("+-")
        if len(texts) == len(column) and all(t.isdigit() and len(t) <= LONGEST_WHOLE for t in digits):
            return texts.map(int).astype(np.int64)
        return texts.map(float).astype(np.float64).reindex(column.index)


AS_IN_PYTHON = Numerals()
"""Points before decimals, and nothing between thousands."""


GUESSES = tuple(
    Numerals(decimal, thousands)
    for decimal, thousands in ((",", None), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"))
)
"""Writings that are tried on text, the likeliest first."""


def are_numbers(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers, in one writing."""
    return AS_IN_PYTHON.fit(texts) or bool(writings_of(texts))


def writings_of(texts: Sequence[str]) -> tuple[Numerals, ...]:
    """The ways in which all texts are numbers, the likeliest first; none if there is none.

    Examples
    --------
    >>> writings_of(["1,5", "12,25"])
    (Numerals(decimal=',', thousands=None),)
    >>> [each.plain("1,234") for each in writings_of(["1,234", "5"])]
    ['1.234', '1234']
    """
    if not len(texts):
        return ()
    marks = {c for text in texts for c in text} - set("0123456789+-eE")
    there = marks | {" "} if marks & set(BLANKS) else marks
    return tuple(
        each
        for each in GUESSES
        if (each.decimal == "." or each.decimal in there)
        and (each.thousands is None or each.thousands in there)
        and each.fit(texts)
    )
