"""What a reader of a table should know before a fit, each cause once, with the option that helps."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mixtures.data.columns import Column, Kind, examine, writings_in
from mixtures.data.preparation import option_of, written_as
from mixtures.data.spoilt import codes_in, has_infinite, may_have_codes, signs_in, words_in
from mixtures.messages import counted, named, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["codes_told", "hints_for"]

LEFT_EMPTY = "leave such cells empty in the file if they are missing"
"""What to do about cells that stand for a missing number."""


TOTALS = {"total", "totals", "sum", "grand total", "average", "mean", "summe", "gesamt", "mittelwert"}
"""Words, in small letters, that mark the last line of a spreadsheet as no row."""


def hints_for(columns: Sequence[Column]) -> list[str]:
    """What a reader of the table should know, each cause once, with the option that helps."""
    found = []
    for holds, words in HINTS:
        own = [column for column in columns if holds(column)]
        if own:
            found.append(f"{shortened([column.name for column in own])}: {words(own)}")
    return [*found, *_lines_that_are_no_rows(columns)]


def _lines_that_are_no_rows(columns: Sequence[Column]) -> list[str]:
    """Lines of totals and lines without a cell, as spreadsheets leave them: they would count as rows."""
    filled = np.any([column.cells.notna().to_numpy() for column in columns], axis=0)
    places = np.flatnonzero(filled)
    found = []
    if len(places):
        last = [str(column.cells.iloc[places[-1]]).strip() for column in columns]
        words = [named(text) for text in last if text.rstrip(":").casefold() in TOTALS]
        if words:
            found.append(f"the last line says {words[0]}, and would count as a row: remove it in the file")
    if not filled.all():
        empty = counted(int((~filled).sum()), "line")
        found.append(f"{empty} without any cell would count as rows: remove them in the file")
    return found


def _is(*names: str) -> Callable[[Column], bool]:
    return lambda column: column.kind.name in names


def _has_gaps(column: Column) -> bool:
    return 0 < column.n_missing < len(column.cells)


def _option(option: str, rest: str) -> Callable[[Sequence[Column]], str]:
    """Words of a hint that names an option with all the columns."""

    def words(columns: Sequence[Column]) -> str:
        return f"{option_of(option, [column.name for column in columns])} {rest}"

    return words


def _names_rows(column: Column) -> bool:
    own = column.kind is Kind.TEXT and column.different == len(column.cells)
    return own and not (signs_in(column) or words_in(column))


def _signed(columns: Sequence[Column]) -> str:
    signs = dict.fromkeys(sign for column in columns for sign in signs_in(column).split())
    return f"numbers with the sign {' or '.join(signs)}: remove it in the file to have them read as numbers"


def _spoilt(columns: Sequence[Column]) -> str:
    words = dict.fromkeys(word for column in columns for word in words_in(column))
    return f"numbers but for {shortened([named(word) for word in words])}: {LEFT_EMPTY}"


def codes_told(frame: "pd.DataFrame") -> list[str]:
    """The hint on numbers that stand for missing ones, for a table of which nothing else is to be said."""
    some = [place for place, name in enumerate(frame.columns) if may_have_codes(frame.iloc[:, place])]
    own = [column for column in examine(frame.iloc[:, some]) if codes_in(column)]
    return [f"{shortened([column.name for column in own])}: {_coded(own)}"] if own else []


def _coded(columns: Sequence[Column]) -> str:
    codes = dict.fromkeys(codes_in(column) for column in columns)
    return f"{' or '.join(codes)} lies far from all other numbers: {LEFT_EMPTY}"


def _called(*names: str) -> Callable[[Column], bool]:
    return lambda column: column.kind.is_number and column.name.casefold() in names


def _names_of_rows(columns: Sequence[Column]) -> str:
    each = option_of("--id", [columns[0].name]) if len(columns) == 1 else "--id with one of them"
    return f"a text of its own in every row: {each} carries it into the table of predict"


def _skewed(columns: Sequence[Column]) -> str:
    before = ", ".join(f"{column.skewness[0]:.1f}" for column in columns[:5])
    after = ", ".join(f"{column.skewness[1]:.1f}" for column in columns[:5])
    names = [column.name for column in columns]
    logs = "its logarithm" if len(names) == 1 else "their logarithms"
    return f"skewed (skewness {before}; of {logs} {after}): {option_of('--log', names)} fits {logs}"


def _written(columns: Sequence[Column]) -> str:
    ways = writings_in(columns)
    offers = [f"{written_as(way)} reads them as numbers" for way in ways]
    return " or ".join(offers) or "numbers written in several ways"


def _ranges(columns: Sequence[Column]) -> str:
    return " or ".join(dict.fromkeys(column.scale.words for column in columns if column.scale))


def _steps(columns: Sequence[Column]) -> str:
    return (
        f"three or more columns share the range {_ranges(columns)}: taken for answers on a scale, proposed "
        "as categories, their order not used; as counts: --model mixed --kinds NAME=poisson; as numbers: "
        "--model gmm"
    )


def _counts_or_steps(columns: Sequence[Column]) -> str:
    return (
        f"three or more columns share the range {_ranges(columns)}, but few cells hold the greatest value: "
        "taken for counts; as answers on a scale: --model mixed --kinds NAME=categorical"
    )


HINTS: Sequence[tuple[Callable[[Column], bool], Callable[[Sequence[Column]], str]]] = (
    (_is("ID"), _option("--id", "carries it into the table of predict; --columns fits it")),
    (lambda column: bool(signs_in(column)), _signed),
    (lambda column: bool(words_in(column)), _spoilt),
    (lambda column: bool(codes_in(column)), _coded),
    (
        has_infinite,
        lambda _: f"infinite cells, which no model takes: {LEFT_EMPTY}",
    ),
    (_names_rows, _names_of_rows),
    (_is("TEXT", "DATES"), _option("--exclude", "or --numeric-only leaves out text and dates")),
    (_is("CATEGORIES"), _option("--exclude", "leaves out categories; --model mixed and lca take them")),
    (_is("NUMERALS"), _written),
    (_is("ANSWERS"), lambda _: "--recode reads yes as 1 and no as 0; --model mixed and lca take the words"),
    (_is("CODES"), lambda _: "for --model bmm, --recode reads 2 as 0; --model lca takes them as they are"),
    (_is("STEPS"), _steps),
    (lambda column: column.kind.name == "COUNTS" and column.scale is not None, _counts_or_steps),
    (
        lambda column: column.is_called_weights,
        _option("--weights", "if it says how often a row counts: it is then not fitted"),
    ),
    (
        _called("label", "labels", "class", "cluster", "group", "known"),
        _option("--labels", "if it holds known clusters, from 0; --exclude if it is not to be fitted"),
    ),
    (lambda column: not column.varies, _option("--exclude", "leaves out columns without information")),
    (lambda column: column.wants_logarithm, _skewed),
    (_has_gaps, lambda _: "cells are missing: --missing integrate"),
)
"""Columns that a hint is about, and its words."""
