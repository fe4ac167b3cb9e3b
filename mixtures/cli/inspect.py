"""``mixtures inspect``: what would be read from a table, column by column."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import typer
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from mixtures.arguments import check_whole
from mixtures.cli.options import DataArgument, JsonOption, Reading, RowsOption, with_groups
from mixtures.cli.rows import load_rows, preparation_of
from mixtures.cli.running import examples, reports_errors
from mixtures.cli.text import LONGEST_LABEL, console, finite, folded, plain, ruled_table
from mixtures.cli.wording import as_typed
from mixtures.errors import InputError
from mixtures.messages import counted, message_of, visible

if TYPE_CHECKING:
    from mixtures.cli.proposal import Proposal
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


NOTHING_TO_FIT = "there is nothing to fit yet: no column that a model takes tells rows apart"
"""Last line where no command would work."""


UNITS_FIRST = "there is nothing to fit yet: remove the line of units, and inspect the file again"
"""Last line where a first row of units hides what the columns hold."""


LONGEST_WHOLE = 11
"""Characters of a whole number up to which it is shown to the last digit."""


@reports_errors
@with_groups
def inspect_command(
    data: DataArgument, reading: Reading, rows: RowsOption = 60, as_json: JsonOption = False
) -> None:
    """Show what would be read as what: every column, with hints, and a command to go on with.

    Columns are shown as they are read, before --recode, --log and --numeric-only do anything. Nothing is
    fitted. Exits with 2 if the file cannot be read, or its weights are not numbers.
    """
    from mixtures.cli.hints import hints_for
    from mixtures.cli.proposal import Proposal, next_command
    from mixtures.data.columns import examine
    from mixtures.data.lines import without_units
    from mixtures.data.reading import check_total, check_weights

    check_whole(0, rows=rows)
    loaded = load_rows(data, reading)
    frame = loaded.frame
    if loaded.weights is not None:
        check_total(check_weights(loaded.weights.to_numpy(), len(frame)))
    columns = examine(frame)
    hints = hints_for(columns)
    proposed = Proposal(frame, columns, reading)
    done, problem = _prepared(reading, proposed)
    if as_json:
        told = {"rows": len(frame), "columns": [_as_json(column) for column in columns]}
        typer.echo(json.dumps(as_typed(told | {"hints": hints, "notes": done, "problem": problem}), indent=2))
        return
    out = console()
    size = f"{counted(len(frame), 'row')}, {counted(len(columns), 'column')}"
    name = "standard input" if data == "-" else plain(data)
    out.print(_table(f"{name}: {size}", columns[:rows], out.width))
    if len(columns) > rows:
        out.print(f"({counted(len(columns) - rows, 'more column')}: --rows or --json)")
    for hint in hints:
        out.print(f"- {plain(hint)}")
    for note in done:
        out.print(f"done: {plain(note)}")
    if problem:
        out.print(f"to be settled: {plain(problem)}")
    command = next_command(data, reading, proposed)
    none = UNITS_FIRST if without_units(columns) else NOTHING_TO_FIT
    typer.echo(visible(f"next: {command}" if command else none))


def _prepared(reading: Reading, proposed: "Proposal") -> tuple[list[str], str]:
    """What the options given do to the columns, and what stops the command that is proposed."""
    if not (reading.recode or reading.log or reading.exposure or reading.numeric_only):
        return [], ""
    how = replace(
        preparation_of(reading),
        recode=proposed.recodes,
        categories=proposed.model in ("lca", "mixed"),
        binary=proposed.model == "bmm",
    )
    unused = (
        ["--recode has no use: --model lca takes answers as they are"]
        if reading.recode and not how.recode
        else []
    )
    try:
        return [*unused, *how.of(proposed.kept).notes], ""
    except InputError as error:
        return [], message_of(error)


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
    names = [visible(column.name, longest=LONGEST_LABEL) for column in columns]
    shown.add_column("column", overflow="fold", min_width=min(LEAST, max(map(cell_len, ["column", *names]))))
    for head in cells:
        justify: Literal["left", "right"] = "left" if head in ("holds", "read as") else "right"
        shown.add_column(head, justify=justify, no_wrap=head in sum(NEEDED_LEAST, ()))
    for name, *own in zip(names, *cells.values(), strict=True):
        shown.add_row(escape(folded(name, max(room, LEAST))), *own)
    return shown


def _range(column: "Column") -> tuple[str, str]:
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
