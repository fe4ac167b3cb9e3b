"""What a reader of a table should know before a fit, each cause once, with the option that helps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixtures.data.columns import Column, Kind, examine, writings_in
from mixtures.data.lines import last_lines, without_units
from mixtures.data.preparation import option_of, option_with, written_as
from mixtures.data.roles import (
    exposure_in,
    is_called_id,
    known_in_part,
    known_labels,
    labels_rows,
    pair_of_labels,
    repeats_labels,
)
from mixtures.data.spoilt import codes_in, has_infinite, limits_in, may_have_codes, signs_in, words_in
from mixtures.messages import named, shortened, them

__all__ = ["hints_for", "told_of_fits"]

LEFT_EMPTY = "leave such cells empty in the file if they are missing"
"""What to do about cells that stand for a missing number."""


MOST_QUOTED = 10
"""Cells that a hint quotes."""


@dataclass(frozen=True)
class Hint:
    """Whether it is about a column, its words for such columns, and those where no other could be fitted."""

    holds: Callable[[Column], bool]
    words: Callable[[Sequence[Column]], str]
    alone: str | None = None


def hints_for(columns: Sequence[Column]) -> list[str]:
    """What a reader of the table should know, each cause once, with the option that helps."""
    below = without_units(columns)
    found = [] if below is None else ["row 0 looks like units: remove that line in the file"]
    columns = columns if below is None else below
    known = known_in_part(columns)
    plain = [column for column in columns if column not in known or not column.kind.is_number]
    to_fit = [column for column in columns if not labels_rows(column)]
    for hint in HINTS:
        own = [column for column in plain if hint.holds(column)]
        alone = hint.alone is not None and own == to_fit
        if own:
            words = hint.alone if alone else hint.words(own)
            found.append(f"{shortened([column.name for column in own])}: {words}")
    found += [f"{column.name}: {_known_clusters(column)}" for column in known]
    return [*found, *_exposed(columns), *_paired(columns), *_lines_that_are_no_rows(columns)]


def told_of_fits(frame: pd.DataFrame) -> list[str]:
    """Hints that stand beside a fit: numbers that stand for missing ones, and last lines that are no rows."""
    some = [place for place, name in enumerate(frame.columns) if may_have_codes(frame.iloc[:, place])]
    own = [column for column in examine(frame.iloc[:, some]) if codes_in(column)]
    coded = [f"{shortened([column.name for column in own])}: {_coded(own)}"] if own else []
    return [*coded, *_last_lines(frame)]


def _lines_that_are_no_rows(columns: Sequence[Column]) -> list[str]:
    """Lines of totals, of notes, and without a cell, as spreadsheets leave them: they would count as rows."""
    filled = np.any([column.cells.notna().to_numpy() for column in columns], axis=0)
    found = _last_lines(pd.concat([column.cells for column in columns], axis=1))
    if not filled.all():
        n = int((~filled).sum())
        lines, them = (f"{n:,} lines", "rows: remove them") if n > 1 else ("1 line", "a row: remove it")
        found.append(f"{lines} without any cell would count as {them} in the file")
    return found


def _last_lines(frame: pd.DataFrame) -> list[str]:
    said = last_lines(frame)
    if not said:
        return []
    if len(said) == 1:
        return [f"the last line says {named(said[0])}, and would count as a row: remove it in the file"]
    told = f"{', '.join(map(named, said[:-1]))} and {named(said[-1])}"
    return [f"the last {len(said)} lines say {told}, and would count as rows: remove them in the file"]


def _known_clusters(column: Column) -> str:
    known, from_one = known_labels(column), column.kind.is_number and column.known[0] != 0
    first = ", once they are numbered from 0 in the file" if from_one else ""
    return (
        f"known for {known.nunique()} levels in {len(known):,} of "
        f"{len(column.cells):,} rows: if these are known clusters, {option_with('--labels', column.name)} "
        f"takes them{first}; {option_of('--exclude', [column.name])} leaves it out"
    )


def _exposed(columns: Sequence[Column]) -> list[str]:
    found = exposure_in(columns)
    if found is None:
        return []
    option = option_with("--exposure", found.name)
    return [
        f"{found.name}: {option} with --model pmm or mixed, if events were counted per unit of it, fits rates"
    ]


def _paired(columns: Sequence[Column]) -> list[str]:
    pair = pair_of_labels(columns)
    if pair is None:
        return []
    names = [column.name for column in pair]
    out = option_of("--exclude", names)
    return [
        f"{shortened(names)}: together they number the rows, each pair once: {out} if they only name them"
    ]


def _is(*names: str) -> Callable[[Column], bool]:
    return lambda column: column.kind.name in names


def _option(option: str, rest: str) -> Callable[[Sequence[Column]], str]:
    """Words of a hint that names an option with all the columns."""
    return lambda columns: f"{option_of(option, [column.name for column in columns])} {rest}"


def _one(option: str, columns: Sequence[Column]) -> str:
    """An option that takes one column, with the only one there is."""
    return option_with(option, columns[0].name) if len(columns) == 1 else f"{option} with one of them"


def _with_one(option: str, rest: str) -> Callable[[Sequence[Column]], str]:
    """Words of a hint that names an option which takes one column."""
    return lambda columns: f"{_one(option, columns)} {rest}"


def _quoted(words: Sequence[str]) -> str:
    rest = f" and {len(words) - MOST_QUOTED} more" if len(words) > MOST_QUOTED else ""
    return ", ".join(map(named, words[:MOST_QUOTED])) + rest


def _names_rows(column: Column) -> bool:
    own = column.kind is Kind.TEXT and column.different == len(column.cells)
    return own and not (signs_in(column) or words_in(column) or limits_in(column))


def _signed(columns: Sequence[Column]) -> str:
    signs = dict.fromkeys(sign for column in columns for sign in signs_in(column).split())
    return f"numbers with the sign {' or '.join(signs)}: remove it in the file to have them read as numbers"


def _spoilt(columns: Sequence[Column]) -> str:
    words = list(dict.fromkeys(word for column in columns for word in words_in(column)))
    levels = any(column.kind is Kind.CATEGORIES for column in columns)
    until = "; as long as they are there, a model of categories takes them for a level" if levels else ""
    return f"numbers but for {_quoted(words)}: {LEFT_EMPTY}{until}"


def _limited(columns: Sequence[Column]) -> str:
    limits = list(dict.fromkeys(limit for column in columns for limit in limits_in(column)))
    return (
        f"numbers but for {_quoted(limits)}: censored at a limit of detection, not missing; left out or left "
        "empty, they bias the fit. Half the limit and the limit itself are common substitutes to write into "
        "the file; which to take is for you to decide"
    )


def _coded(columns: Sequence[Column]) -> str:
    codes = dict.fromkeys(codes_in(column) for column in columns)
    return f"{' or '.join(codes)} lies far from all other numbers: {LEFT_EMPTY}"


def _called(*names: str) -> Callable[[Column], bool]:
    return lambda column: column.kind.is_number and column.name.casefold() in names


def _called_ids(columns: Sequence[Column]) -> str:
    out = option_of("--exclude", [column.name for column in columns])
    return (
        f"a number of its own in every row, under a name of row labels: {_one('--id', columns)} carries it "
        f"into the table of predict; {out} leaves it out; otherwise it is fitted as a measurement"
    )


def _repeated(columns: Sequence[Column]) -> str:
    names = [column.name for column in columns]
    return (
        "labels that repeat, under a name of row labels: rows of one unit are not independent, as the models "
        f"take them to be, and labels are hardly a measurement: {option_of('--exclude', names)} leaves "
        f"{them(names)} out"
    )


def _skewed(columns: Sequence[Column]) -> str:
    before = ", ".join(f"{column.skewness[0]:.1f}" for column in columns[:5])
    after = ", ".join(f"{column.skewness[1]:.1f}" for column in columns[:5])
    names = [column.name for column in columns]
    logs = "its logarithm" if len(names) == 1 else "their logarithms"
    return f"skewed (skewness {before}; of {logs} {after}): {option_of('--log', names)} fits {logs}"


def _written(columns: Sequence[Column]) -> str:
    offers = [f"{written_as(way)} reads them as numbers" for way in writings_in(columns)]
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


HINTS: Sequence[Hint] = (
    Hint(_is("ID"), _with_one("--id", "carries it into the table of predict; --columns fits it")),
    Hint(is_called_id, _called_ids),
    Hint(repeats_labels, _repeated),
    Hint(lambda column: bool(signs_in(column)), _signed),
    Hint(lambda column: bool(words_in(column)), _spoilt),
    Hint(lambda column: bool(limits_in(column)), _limited),
    Hint(lambda column: bool(codes_in(column)), _coded),
    Hint(has_infinite, lambda _: f"infinite cells, which no model takes: {LEFT_EMPTY}"),
    Hint(
        _names_rows,
        lambda own: (
            f"a text of its own in every row: {_one('--id', own)} carries it into the table of predict"
        ),
    ),
    Hint(
        _is("TEXT", "DATES"),
        _option("--exclude", "or --numeric-only leaves out text and dates"),
        "text and dates, which no model takes, and no other column is there to fit",
    ),
    Hint(
        _is("CATEGORIES"),
        _option("--exclude", "leaves out categories; --model mixed and lca take them"),
        "categories: --model lca takes them",
    ),
    Hint(_is("NUMERALS"), _written),
    Hint(
        _is("ANSWERS"), lambda _: "--recode reads yes as 1 and no as 0; --model mixed and lca take the words"
    ),
    Hint(
        _is("CODES"), lambda _: "for --model bmm, --recode reads 2 as 0; --model lca takes them as they are"
    ),
    Hint(_is("STEPS"), _steps),
    Hint(lambda column: column.kind.name == "COUNTS" and column.scale is not None, _counts_or_steps),
    Hint(
        lambda column: column.is_called_weights,
        _with_one("--weights", "if it says how often a row counts: it is then not fitted"),
    ),
    Hint(
        _called("label", "labels", "class", "cluster", "group", "known"),
        _with_one("--labels", "if it holds known clusters, from 0; --exclude if it is not to be fitted"),
    ),
    Hint(
        lambda column: not column.varies,
        _option("--exclude", "leaves out columns without information"),
        "no information, and no other column is there to fit",
    ),
    Hint(lambda column: column.wants_logarithm and not labels_rows(column), _skewed),
    Hint(lambda c: 0 < c.n_missing < len(c.cells), lambda _: "cells are missing: --missing integrate"),
)
