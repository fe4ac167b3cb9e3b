"""``mixtures inspect``: what would be read from a table, column by column."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from mixtures.arguments import check_whole
from mixtures.cli.options import (
    DataArgument,
    JsonOption,
    Reading,
    RowsOption,
    with_groups,
)
from mixtures.cli.rows import load_frame, preparation_of
from mixtures.cli.running import examples, reports_errors
from mixtures.cli.text import LONGEST_LABEL, console, finite, folded, plain, ruled_table
from mixtures.errors import InputError
from mixtures.messages import counted, shortened, visible

if TYPE_CHECKING:
    import pandas as pd

    from mixtures.data.columns import Column

__all__ = ["EXAMPLES", "inspect_command"]

EXAMPLES = examples(
    "mixtures inspect table.csv",
    "mixtures inspect table.csv --exclude id --numeric-only",
    "mixtures inspect faithful --json",
)


LEAST = 12
"""Smallest width of the names of columns."""


NEEDED_LEAST = (("different",), ("from", "to"), ("missing",))
"""What is left out of a narrow window, in this order."""


LONGEST_WHOLE = 11
"""Characters of a whole number up to which it is shown to the last digit."""


@reports_errors
@with_groups
def inspect_command(
    data: DataArgument,
    reading: Reading,
    rows: RowsOption = 60,
    as_json: JsonOption = False,
) -> None:
    """Show what would be read as what: every column, with hints, and a command to go on with.

    Columns are shown as they are read, before --recode, --log and --numeric-only do anything. Nothing is
    fitted. Exits with 2 if the file cannot be read.
    """
    from mixtures.cli.proposal import next_command
    from mixtures.data.columns import examine

    check_whole(0, rows=rows)
    frame = load_frame(data, reading)
    columns = examine(frame)
    hints = hints_for(columns)
    done, problem = _prepared(frame, reading)
    if as_json:
        told = {"rows": len(frame), "columns": [_as_json(column) for column in columns]}
        typer.echo(json.dumps(told | {"hints": hints, "notes": done, "problem": problem}, indent=2))
        return
    out = console()
    size = f"{counted(len(frame), 'row')}, {counted(len(columns), 'column')}"
    out.print(_table(f"{plain(data)}: {size}", columns[:rows], out.width))
    if len(columns) > rows:
        out.print(f"({counted(len(columns) - rows, 'more column')}: --rows or --json)")
    for hint in hints:
        out.print(f"- {plain(hint)}")
    for note in done:
        out.print(f"done: {plain(note)}")
    if problem:
        out.print(f"to be settled: {plain(problem)}")
    typer.echo(visible(f"next: {next_command(data, reading, frame, columns)}"))


def hints_for(columns: "Sequence[Column]") -> list[str]:
    """What a reader of the table should know, each cause once, with the option that helps."""
    found = []
    for holds, words in HINTS:
        own = [column for column in columns if holds(column)]
        if own:
            found.append(f"{shortened([column.name for column in own])}: {words(own)}")
    return found


def _prepared(frame: "pd.DataFrame", reading: Reading) -> tuple[list[str], str]:
    """What the options given do to the columns, and what stops them; nothing without options."""
    if not (reading.recode or reading.log or reading.numeric_only):
        return [], ""
    try:
        return list(preparation_of(reading).of(frame).notes), ""
    except InputError as error:
        return [], str(error)


def _table(title: str, columns: "Sequence[Column]", width: int) -> Table:
    """One row for every column; long names are folded, and a narrow window shows less of each column."""
    cells = {
        "holds": [column.kind.words for column in columns],
        "from": [_range(column)[0] for column in columns],
        "to": [_range(column)[1] for column in columns],
        "missing": [f"{column.n_missing:,}" for column in columns],
        "different": [f"{column.different:,}" for column in columns],
        "read as": [column.kind.read_as for column in columns],
    }
    room = width - sum(2 + max(map(len, [head, *own])) for head, own in cells.items()) - 2
    for heads in NEEDED_LEAST:
        if room < LEAST:
            room += sum(2 + max(map(len, [head, *cells.pop(head)])) for head in heads)
    shown = ruled_table(title)
    shown.add_column("column", overflow="fold", min_width=LEAST)
    for head in cells:
        justify: Literal["left", "right"] = "left" if head in ("holds", "read as") else "right"
        shown.add_column(head, justify=justify, no_wrap=True)
    for column, *own in zip(columns, *cells.values(), strict=True):
        name = visible(column.name, longest=LONGEST_LABEL)
        shown.add_row(escape(folded(name, max(room, LEAST))), *own)
    return shown


def _range(column: "Column") -> tuple[str, str]:
    """The least and the greatest number of a column; nothing of text."""
    return (_digits(column.known[0]), _digits(column.known[-1])) if len(column.known) else ("", "")


def _digits(x: float) -> str:
    """A number as people write it, in about ten characters."""
    whole = f"{x:,.0f}"
    if float(x).is_integer() and len(whole) <= LONGEST_WHOLE:
        return whole
    forms = ((1e-4, ".3g"), (1e5, ",.5g"), (1e9, ",.0f"), (np.inf, ".4g"))
    return format(x, next(form for limit, form in forms if abs(x) < limit or limit == np.inf))


def _as_json(column: "Column") -> dict[str, Any]:
    known = column.known
    least, most = (float(known[0]), float(known[-1])) if len(known) else (None, None)
    skewness, of_log = column.skewness
    figures = {"from": least, "to": most, "skewness": skewness, "skewness_of_log": of_log}
    told = {"name": column.name, "holds": column.kind.words, "read_as": column.kind.read_as}
    return told | finite(figures) | {"missing": column.n_missing, "different": column.different}


def _is(*names: str) -> "Callable[[Column], bool]":
    return lambda column: column.kind.name in names


def _has_gaps(column: "Column") -> bool:
    return 0 < column.n_missing < len(column.cells)


def _option(option: str, rest: str) -> "Callable[[Sequence[Column]], str]":
    """Words of a hint that names an option with all the columns."""

    def words(columns: "Sequence[Column]") -> str:
        from mixtures.data.preparation import option_of

        return f"{option_of(option, [column.name for column in columns])} {rest}"

    return words


def _names_of_rows(columns: "Sequence[Column]") -> str:
    from mixtures.data.preparation import option_of

    each = option_of("--id", [columns[0].name]) if len(columns) == 1 else "--id with one of them"
    return f"a text of its own in every row: {each} carries it into the table of predict"


def _skewed(columns: "Sequence[Column]") -> str:
    from mixtures.data.preparation import option_of

    before = ", ".join(f"{column.skewness[0]:.1f}" for column in columns[:5])
    after = ", ".join(f"{column.skewness[1]:.1f}" for column in columns[:5])
    names = [column.name for column in columns]
    logs = "its logarithm" if len(names) == 1 else "their logarithms"
    return f"skewed ({before}; {logs} {after}): {option_of('--log', names)} fits {logs}"


def _written(columns: "Sequence[Column]") -> str:
    from mixtures.data.columns import writings_in
    from mixtures.data.preparation import written_as

    ways = writings_in(columns)
    offers = [f"{written_as(way)} reads them as numbers" for way in ways]
    return " or ".join(offers) or "numbers written in several ways"


def _ranges(columns: "Sequence[Column]") -> str:
    return " or ".join(dict.fromkeys(column.scale.words for column in columns if column.scale))


def _steps(columns: "Sequence[Column]") -> str:
    return (
        f"three or more columns share the range {_ranges(columns)}: taken for answers on a scale, proposed "
        "as categories, their order not used; as counts: --model mixed --kinds NAME=poisson; as numbers: "
        "--model gmm"
    )


def _counts_or_steps(columns: "Sequence[Column]") -> str:
    return (
        f"three or more columns share the range {_ranges(columns)}, but few cells hold the greatest value: "
        "taken for counts; as answers on a scale: --model mixed --kinds NAME=categorical"
    )


HINTS: "Sequence[tuple[Callable[[Column], bool], Callable[[Sequence[Column]], str]]]" = (
    (_is("ID"), _option("--id", "carries it into the table of predict; --columns fits it")),
    (lambda column: column.kind.name == "TEXT" and column.different == len(column.cells), _names_of_rows),
    (_is("TEXT", "DATES"), _option("--exclude", "or --numeric-only leaves out text and dates")),
    (_is("CATEGORIES"), _option("--exclude", "leaves out categories; --model mixed and lca take them")),
    (_is("NUMERALS"), _written),
    (_is("ANSWERS"), lambda _: "--recode reads yes as 1 and no as 0; --model mixed and lca take the words"),
    (_is("CODES"), lambda _: "for --model bmm, --recode reads 2 as 0; --model lca takes them as they are"),
    (_is("STEPS"), _steps),
    (lambda column: column.kind.name == "COUNTS" and column.scale is not None, _counts_or_steps),
    (lambda column: not column.varies, _option("--exclude", "leaves out columns without information")),
    (lambda column: column.wants_logarithm, _skewed),
    (_has_gaps, lambda _: "cells are missing: --missing integrate"),
)
"""Columns that a hint is about, and its words."""
