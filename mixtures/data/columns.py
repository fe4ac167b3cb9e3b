"""What the columns of a table hold, and what a model could make of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixtures.data.cells import NotNumbers, as_floats
from mixtures.data.numerals import Numerals, writings_of
from mixtures.data.scales import Scale, scales_of
from mixtures.errors import InputError

__all__ = ["ANSWERS", "Column", "Kind", "are_codes", "codes_among", "examine", "numbers_in", "writings_in"]

ANSWERS: Mapping[str, float] = {"yes": 1.0, "y": 1.0, "true": 1.0, "no": 0.0, "n": 0.0, "false": 0.0}
"""Words of answers, in any case, and the numbers that they are recoded to."""


FEWEST_IDS, MOST_CODES = 10, 20
"""Rows from which consecutive numbers are no coincidence; most texts that look like categories."""


SHOWN_TEXTS, SKEWED = 1000, 1.0
"""Cells examined of a column of text; skewness from which a positive column is called skewed."""


WEIGHTS = {"w", "wt", "wgt", "weight", "weights", "pweight", "fweight", "freq", "frequency", "gewicht"}
"""Names, in small letters, that columns of weights often have."""


REFUSED, CATEGORY = "refused", "category"
"""What becomes of a column that a model of numbers does not take, in words."""


class Kind(Enum):
    """What a column holds, in words, and what becomes of it: a model of numbers refuses a category."""

    BLANK = ("nothing", REFUSED)
    DATES = ("dates", REFUSED)
    ANSWERS = ("yes or no", CATEGORY)
    NUMERALS = ("numbers as text", REFUSED)
    CATEGORIES = ("categories", CATEGORY)
    TEXT = ("text", REFUSED)
    CONSTANT = ("one value", "number")
    BINARY = ("0 or 1", "0 or 1")
    CODES = ("1 or 2", "number")
    ID = ("row numbers", "left out")
    STEPS = ("steps of a scale", "number")
    COUNTS = ("counts", "number")
    WHOLE = ("whole numbers", "number")
    NUMBERS = ("numbers", "number")

    def __init__(self, words: str, read_as: str) -> None:
        self.words = words
        self.read_as = read_as

    @property
    def is_number(self) -> bool:
        """Whether a model of numbers takes such a column."""
        return self.read_as not in (REFUSED, CATEGORY)


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table, with its cells as they were read.

    Attributes
    ----------
    values : ndarray or None
        The cells as doubles, NaN where missing; None if they are not numbers.
    refusal : InputError or None
        Why they are not numbers.
    scale : Scale or None
        The scale whose range it shares with other columns.
    """

    name: str
    cells: pd.Series
    values: np.ndarray | None
    refusal: InputError | None = None
    scale: Scale | None = None

    @property
    def n_missing(self) -> int:
        """Number of missing cells."""
        return int(self.cells.isna().sum())

    @cached_property
    def different(self) -> int:
        """Number of different values, missing ones aside."""
        return int(self.cells.nunique())

    @property
    def varies(self) -> bool:
        """Whether it has several different values."""
        return self.different > 1

    @cached_property
    def known(self) -> np.ndarray:
        """The observed numbers, in ascending order."""
        own = np.empty(0) if self.values is None else self.values
        return np.sort(own[~np.isnan(own)])

    @cached_property
    def texts(self) -> list[str]:
        """The first observed cells as text, up to `SHOWN_TEXTS` of them."""
        return [str(cell).strip() for cell in self.cells.dropna().head(SHOWN_TEXTS)]

    @property
    def names_rows(self) -> bool:
        """Whether it is text or dates, most of them different: so that they name rows and form no groups."""
        return self.kind in (Kind.TEXT, Kind.DATES) and 2 * self.different > len(self.cells)

    @cached_property
    def kind(self) -> Kind:
        """The first of `KINDS` that fits."""
        return next(kind for kind, holds in KINDS if holds(self))

    @cached_property
    def writings(self) -> tuple[Numerals, ...]:
        """How its numbers may be written, if it holds numbers as text."""
        return writings_of(self.texts) if self.values is None else ()

    @cached_property
    def skewness(self) -> tuple[float, float]:
        """Skewness of the numbers, and that of their logarithms; NaN where there is none."""
        x = self.known
        if len(x) < 3 or x[0] == x[-1] or not np.isfinite(x[[0, -1]]).all():
            return np.nan, np.nan
        return _skewness(x), _skewness(np.log(x)) if x[0] > 0 else np.nan

    @property
    def is_called_weights(self) -> bool:
        """Whether it holds numbers under a name that weights of rows often have."""
        return self.kind.is_number and self.name.casefold() in WEIGHTS

    @property
    def wants_logarithm(self) -> bool:
        """Whether it is positive and skewed, and its logarithm far less so; not what is called weights."""
        as_it_is, after = self.skewness
        plain = self.kind in (Kind.NUMBERS, Kind.WHOLE, Kind.COUNTS) and not self.is_called_weights
        return bool(plain and as_it_is > SKEWED and abs(after) < as_it_is / 2)


def examine(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Look at every column of a table."""
    found = []
    for place, name in enumerate(frame.columns):
        cells, values, refusal = frame.iloc[:, place], None, None
        try:
            values = numbers_in(cells)
        except InputError as error:
            refusal = error
        found.append(Column(str(name), cells, values, refusal))
    scales = scales_of([column.known for column in found])
    return tuple(replace(column, scale=scale) for column, scale in zip(found, scales, strict=True))


def codes_among(columns: Sequence[Column]) -> dict[str, str]:
    """The columns of numbers that stand for categories, each with "categorical", its kind in `Mixed`."""
    return {column.name: "categorical" for column in columns if column.kind in (Kind.CODES, Kind.STEPS)}


def writings_in(columns: Sequence[Column]) -> tuple[Numerals, ...]:
    """How the numbers may be written in those columns that hold numbers as text."""
    return writings_of([text for column in columns if column.kind is Kind.NUMERALS for text in column.texts])


def numbers_in(cells: pd.Series) -> np.ndarray:
    """Cells as doubles, NaN where missing; a `NotNumbers` says what they hold instead."""
    array: Any = cells.to_numpy(dtype=object) if cells.dtype.kind not in "biufmM" else cells.to_numpy()
    return np.asarray(as_floats(array, str(cells.name), cells.index.to_numpy(), 0), dtype=np.float64)


def _skewness(x: np.ndarray) -> float:
    away = (x - x.mean()) / x.std()
    return float((away**3).mean())


def _are_dates(column: Column) -> bool:
    what = column.refusal.what if isinstance(column.refusal, NotNumbers) else ""
    return what == "dates or times" or (column.values is None and _look_like_dates(column.texts))


def _look_like_dates(texts: Sequence[str]) -> bool:
    """Whether texts are dates such as 2020-01-31 or 31.1.2020, perhaps with a time."""
    dates = pd.Series(texts, dtype=object).str.fullmatch(
        r"(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?"
    )
    return bool(len(texts)) and bool(dates.all())


def _are_ids(column: Column) -> bool:
    x = column.known
    if len(x) < FEWEST_IDS or column.n_missing or not np.isfinite(x[[0, -1]]).all():
        return False
    return bool(np.array_equal(x, np.floor(x[0]) + np.arange(len(x))))


def _are_categories(column: Column) -> bool:
    """Whether there are few different texts, each twice on average, unlike names of rows."""
    few = min(MOST_CODES, max(1, (len(column.cells) - column.n_missing) // 2))
    return column.values is None and column.different <= few


def _within(*allowed: float) -> Callable[[Column], bool]:
    return lambda column: bool(np.isin(column.known, allowed).all())


def are_codes(column: Column) -> bool:
    """Whether a column holds 2, and perhaps 1, and nothing else."""
    return len(column.known) > 0 and column.known[-1] == 2 and _within(1, 2)(column)


def _are_whole(column: Column) -> bool:
    return bool((column.known == np.floor(column.known)).all())


KINDS: Sequence[tuple[Kind, Callable[[Column], bool]]] = (
    (Kind.BLANK, lambda column: column.n_missing == len(column.cells)),
    (Kind.DATES, _are_dates),
    (Kind.ANSWERS, lambda c: c.values is None and {text.lower() for text in c.texts} <= ANSWERS.keys()),
    (Kind.NUMERALS, lambda column: bool(column.writings)),
    (Kind.CATEGORIES, _are_categories),
    (Kind.TEXT, lambda column: column.values is None),
    (Kind.CONSTANT, lambda column: bool((column.known[:1] == column.known[-1:]).all())),
    (Kind.BINARY, _within(0, 1)),
    (Kind.CODES, are_codes),
    (Kind.ID, _are_ids),
    (Kind.STEPS, lambda column: column.scale is not None and not column.scale.could_be_counts),
    (Kind.COUNTS, lambda column: _are_whole(column) and column.known[0] >= 0),
    (Kind.WHOLE, _are_whole),
    (Kind.NUMBERS, lambda column: True),
)
"""Kinds and their tests, in the order in which they are tried."""
