"""Results on the terminal and in tables: text that came from data, and numbers that JSON knows."""

import csv
import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixtures.agreement import Crosscheck
from mixtures.archive import replacing
from mixtures.brief import model_words
from mixtures.diagnostics import Check
from mixtures.emfit import EMFit
from mixtures.errors import InputError
from mixtures.interrupts import INTERRUPTED, Interrupted
from mixtures.modes import MAPFit
from mixtures.recommendation import COLUMNS, HIGHER_IS_BETTER
from mixtures.selection import Selection
from mixtures.standard_errors import Uncertainty
from mixtures.trees import entries
from mixtures.verdict import State
from mixtures.wording import STEERING, visible

__all__ = [
    "TABLES",
    "as_csv",
    "check_table",
    "console",
    "crosscheck_as_json",
    "finite",
    "plain",
    "ruled_table",
    "selection_as_json",
    "show_crosscheck",
    "show_interrupt",
    "show_selection",
    "spreadsheet_safe",
    "visible",
    "write_table",
]

FORMULA_SIGNS = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\uff20"
"""What a spreadsheet takes for the beginning of a formula; some pass over white space before it."""

ANOTHER_CELL = re.compile(rf"[;\t|]\s*[{re.escape(FORMULA_SIGNS)}]")
"""A formula behind what separates cells in some countries' spreadsheets, unless quotation marks hold it."""

LONGEST_LABEL = 100
"""Characters printed of a label in a table at most."""

COLOURS = {State.GREEN: "green", State.AMBER: "yellow", State.RED: "red"}
"""Colours of a terminal by the state of a result."""

LABEL_WIDTH = 20
"""Characters that the name of a parameter has at least; a longer one goes over several lines."""

NEEDED_LEAST = (
    *("ess_tail", "gap", "z", "ess_bulk", "MAP", "r_hat"),
    *(
        "p_loo",
        "bad_pareto_k",
        "n_parameters",
        "restarts",
        "log_likelihood",
        "elpd_loo_se",
        "log_evidence_se",
    ),
)
"""Columns of tables by the order in which they are left out where a terminal has no room for all."""

PARQUET = (".parquet", ".pq")
TABLES = (".csv", *PARQUET)
"""Suffixes of the tables that can be written."""


class Terminal(Console):
    """A terminal that ends no process by itself when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Let the error go on, to be told in a line."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """A terminal that takes no word of a text for a picture or a number."""
    return Terminal(stderr=stderr, emoji=False, highlight=False)


def plain(text: str) -> str:
    """The same for `rich`, which would read markup in it."""
    return escape(visible(text))


def ruled_table(title: str) -> Table:
    """An empty table with a rule below its head."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def finite(row: dict[Any, Any]) -> dict[str, Any]:
    """Row with numbers JSON knows: null for NaN and infinities."""
    return {str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Table whose text a spreadsheet shows and does not run; numbers stay numbers.

    Text that begins as a formula does gets an apostrophe in front (OWASP, "CSV Injection").
    """
    safe = frame.rename(columns=_safe, index=_safe)
    texts = [j for j in range(frame.shape[1]) if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[j])]
    for j in texts:
        safe.isetitem(j, safe.iloc[:, j].map(_safe))
    safe.index.names = [_safe(name) for name in safe.index.names]
    return safe


def _safe(cell: Any) -> Any:
    if not isinstance(cell, str) or not starts_formula(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def starts_formula(cell: str) -> bool:
    """Whether a spreadsheet may take a text for a formula, whatever that is not seen stands before it."""
    seen = next((c for c in cell if not c.isspace() and category(c) not in STEERING), "")
    return cell.startswith(("\t", "\r", "\n")) or (seen != "" and seen in FORMULA_SIGNS)


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV that is safe in a spreadsheet."""
    safe = spreadsheet_safe(frame)
    text: str = safe.to_csv()
    return str(safe.to_csv(quoting=csv.QUOTE_NONNUMERIC)) if ANOTHER_CELL.search(text) else text


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table to a Parquet file, or to one of CSV."""
    content = parquet_bytes(frame, path) if path.suffix.lower() in PARQUET else as_csv(frame).encode()
    with replacing(path) as file:
        file.write(content)


def check_table(labels: np.ndarray, path: Path) -> None:
    """Refuse row labels that a table cannot be written with, before there is one."""
    if path.suffix.lower() in PARQUET:
        parquet_bytes(pd.DataFrame(index=pd.Index(labels, name="row")), path)


def parquet_bytes(frame: pd.DataFrame, path: Path) -> bytes:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise InputError(f"writing {path} needs pyarrow; pip install 'pymc-mixtures[io]'") from error
    try:
        return bytes(frame.to_parquet(engine="pyarrow"))
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = visible(" ".join(str(error).split()), longest=200)
        raise InputError(f"{path} cannot hold the table as Parquet: {reason}; write CSV instead") from error


def show_crosscheck(cc: Crosscheck, rows: int) -> None:
    """Print the table (at most so many rows), the certificate, the notes and the verdict."""
    out = console()
    spec = cc.mode.spec
    _parameters(out, cc.table, rows, title="" if spec is None else plain(model_words(spec)))
    out.print(_checks("Certificate of agreement", cc.certificate))
    if cc.convergence is not None:
        out.print(_checks("The posterior sample and the model", cc.convergence.checks))
    if cc.starts is not None:
        out.print(f"starts that reached the best optimum: {cc.starts}")
    if cc.em is not None:
        out.print(f"EM: log-likelihood {cc.em.log_likelihood:.6f}")
    if cc.uncertainty is not None:
        _parameters(out, cc.uncertainty.table, rows, "Standard deviations side by side")
    for note in (*cc.notes, *_notes(cc.uncertainty)):
        out.print(f"note: {plain(note)}")
    holds = "[bold green]The certificate holds[/]: EM, MAP and PyMC's log posterior agree."
    out.print(holds if cc.passed else "[bold red]The certificate does not hold.[/]")
    headline = cc.headline
    colour = COLOURS[headline.state]
    out.print(f"[bold {colour}]{headline.state.name}: {plain(headline.title)}[/]")
    for reason in headline.reasons:
        out.print(f"  [{colour}]because[/] {plain(reason)}")


def show_interrupt(error: KeyboardInterrupt) -> None:
    """Show the point that had been found by then, if any, and say what became of files."""
    out = console(stderr=True)
    found = error.partial if isinstance(error, Interrupted) else None
    if isinstance(found, EMFit | MAPFit):
        name = "EM" if isinstance(found, EMFit) else "MAP"
        point = found.to_datatree()["posterior"].to_dataset().isel(chain=0, draw=0)
        dims = {str(key): tuple(map(str, x.dims)) for key, x in point.items()}
        coords = {str(key): list(x.values) for key, x in point.coords.items() if x.ndim}
        places = entries({key: point[key].shape for key in dims}, dims, coords)
        values = [point[key].values[index] for key, index in places.values()]
        table = pd.DataFrame({name: values}, index=list(places))
        _parameters(out, table, len(table), f"{name} so far")
        how = "converged" if found.converged else "not converged"
        out.print(f"log posterior {found.log_posterior:.6f}, {how}")
    out.print(f"[bold yellow]{INTERRUPTED}[/]: files that were not written whole are as they were")


def _notes(beside: Uncertainty | None) -> tuple[str, ...]:
    return () if beside is None else beside.notes


def _parameters(out: Console, table: pd.DataFrame, rows: int, title: str) -> None:
    """Print a table of parameters, of its columns as many as there is room for."""
    shown = ruled_table(title)
    labels = [visible(str(label), longest=LONGEST_LABEL) for label in table.index[:rows]]
    label_width = min(LABEL_WIDTH, max(map(cell_len, ["parameter", *labels])))
    shown.add_column("parameter", overflow="fold", min_width=label_width)
    cells = {
        str(name): [_cell(str(name), value) for value in column.head(rows)] for name, column in table.items()
    }
    kept = _fitting(cells, out.width - label_width)
    for name in kept:
        shown.add_column(plain(name), justify="right", no_wrap=True)
    for i, label in enumerate(labels):
        shown.add_row(plain(label), *(cells[name][i] for name in kept))
    out.print(shown)
    if len(table) > rows:
        out.print(f"({len(table) - rows} more rows: --rows, --csv or --json)")
    _say_left_out(out, cells, kept)


def _fitting(cells: Mapping[str, Sequence[str]], room: int) -> list[str]:
    """Columns that fit into so many characters; what is needed least is left out first."""
    room -= 2  # the edges
    widths = {name: 2 + max(map(cell_len, [name, *column])) for name, column in cells.items()}
    kept = list(cells)
    expendable = [*(name for name in NEEDED_LEAST if name in cells), *reversed(list(cells))]
    for name in expendable:
        if sum(widths[name] for name in kept) <= room or len(kept) == 1:
            break
        if name in kept:
            kept.remove(name)
    return kept


def _say_left_out(out: Console, cells: Mapping[str, Sequence[str]], kept: Sequence[str]) -> None:
    if left_out := [name for name in cells if name not in kept]:
        out.print(
            f"(no room for {', '.join(left_out)}: a wider window, --csv or --json)",
            style="dim",
        )


def _cell(column: str, value: float) -> str:
    if not np.isfinite(value):
        return "-"
    formats = {"gap": ".0e", "z": ".2f", "ess_bulk": ".0f", "r_hat": ".3f"}
    return f"{value:{formats.get(column, '.4g')}}"


def _checks(title: str, checks: tuple[Check, ...]) -> Table:
    shown = ruled_table(title)
    for name, justify in (
        ("line", "left"),
        ("figure", "right"),
        ("tolerance", "right"),
        ("holds", "left"),
        ("note", "left"),
    ):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for check in checks:
        fails = "[bold red]NO[/]" if check.judged else "[yellow]no[/]"
        verdict = "[green]yes[/]" if check.passed else fails
        shown.add_row(
            plain(check.name), f"{check.figure:.4g}", f"{check.tolerance:.4g}", verdict, plain(check.note)
        )
    return shown


def crosscheck_as_json(cc: Crosscheck) -> dict[str, Any]:
    """The same for machines."""
    return {
        "model": None if cc.mode.spec is None else plain(model_words(cc.mode.spec)),
        "passed": cc.passed,
        "certificate": [finite(asdict(check)) for check in cc.certificate],
        "converged": None if cc.convergence is None else cc.convergence.passed,
        "convergence": []
        if cc.convergence is None
        else [finite(asdict(check)) for check in cc.convergence.checks],
        "state": cc.headline.state.name.lower(),
        "verdict": cc.headline.title,
        "reasons": list(cc.headline.reasons),
        "restarts": None if cc.em is None else str(cc.em.restarts),
        "starts": None if cc.starts is None else asdict(cc.starts),
        "log_likelihood": None if cc.em is None else cc.em.log_likelihood,
        "log_posterior": cc.mode.log_posterior,
        "notes": [*cc.notes, *_notes(cc.uncertainty)],
        "table": _records(cc.table),
        "uncertainty": None if cc.uncertainty is None else _records(cc.uncertainty.table),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [finite({"parameter": label, **row}) for label, row in table.to_dict("index").items()]


def show_selection(selection: Selection) -> None:
    """Print the criteria of every K, the notes, and what the rule came to."""
    out = console()
    table = selection.table
    shown = ruled_table("Numbers of clusters")
    k_width = max(len(str(k)) for k in table.index) + 2
    shown.add_column("K", justify="right", min_width=k_width)
    fitted = table["n_best"].notna()
    cells = {
        name: ["-" if pd.isna(value) else _figure(value) for value in column]
        for name, column in table.items()
        if name not in ("n_best", "n_init", "notes")
    }
    restarts = table["n_best"].astype(str) + " of " + table["n_init"].astype(str)
    cells["restarts"] = list(restarts.where(fitted, "-"))
    kept = _fitting(cells, out.width - k_width)
    for name in kept:
        shown.add_column(name, justify="right", no_wrap=True)
    for i, k in enumerate(table.index):
        chosen = k == selection.recommended
        shown.add_row(f"[bold]{k} *[/]" if chosen else str(k), *(cells[name][i] for name in kept))
    out.print(shown)
    _say_left_out(out, cells, kept)
    for up, word in ((False, "lower"), (True, "higher")):
        if names := [COLUMNS[name][0] for name in selection.criteria if HIGHER_IS_BETTER[name] is up]:
            out.print(f"{', '.join(names)}: {word} is better", style="dim")
    for k, note in table["notes"].items():
        if note:
            out.print(f"K = {k}: {plain(note)}")
    for note in selection.notes:
        out.print(f"note: {plain(note)}")
    found = selection.recommended
    colour = "yellow" if selection.at_edge else "green"
    verdict = "[bold red]No recommendation[/]" if found is None else f"[bold {colour}]Take K = {found}[/]"
    out.print(f"{verdict}: {plain(selection.rule)}.")


def _figure(value: float) -> str:
    return f"{value:d}" if isinstance(value, int | np.integer) else f"{value:.2f}"


def selection_as_json(selection: Selection) -> dict[str, Any]:
    """The same for machines."""
    rows = selection.table.astype(object).where(selection.table.notna(), None).to_dict("index")
    return {
        "recommended": selection.recommended,
        "rule": selection.rule,
        "best": dict(selection.best),
        "notes": list(selection.notes),
        "table": [finite({"n_components": k, **row}) for k, row in rows.items()],
    }
