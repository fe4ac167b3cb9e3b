"""Results on the terminal and in tables: text that came from data, and numbers that JSON knows."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixtures.agreement import Crosscheck
from mixtures.archive import replacing
from mixtures.data import InputError
from mixtures.diagnostics import Check
from mixtures.families import Mixture
from mixtures.selection import Selection
from mixtures.standard_errors import Uncertainty
from mixtures.verdict import failures

__all__ = [
    "TABLES",
    "console",
    "crosscheck_as_json",
    "finite",
    "plain",
    "ruled_table",
    "selection_as_json",
    "show_crosscheck",
    "show_selection",
    "spreadsheet_safe",
    "visible",
    "write_table",
]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that are not seen but steer."""

JOINERS = "\u200c\u200d"
"""Characters of such a category that some scripts and pictures are written with."""

LONGEST_TEXT, LONGEST_LABEL = 2000, 100
"""Characters printed of a text at most, and of a label in a table."""

PARQUET = (".parquet", ".pq")
TABLES = (".csv", *PARQUET)
"""Suffixes of the tables that can be written."""


def console(*, stderr: bool = False) -> Console:
    """A terminal that takes no word of a text for a picture or a number."""
    return Console(stderr=stderr, emoji=False)


def visible(text: str, *, keep: str = "", longest: int = LONGEST_TEXT) -> str:
    r"""Text that came from data, harmless to a terminal: what would steer it is spelt out, as ``\x1b``.

    Control characters move the cursor, colour or retitle the window and overwrite
    what was printed; marks of direction turn words round; a name may be a megabyte.
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]} ... {text[-longest // 2 :]}"
    steers = (c not in keep and c not in JOINERS and category(c) in STEERING for c in text)
    return "".join(ascii(c)[1:-1] if s else c for c, s in zip(text, steers, strict=True))


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
    if not isinstance(cell, str) or not cell.startswith(FORMULA_STARTS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table to a Parquet file, or to one of CSV that is safe in a spreadsheet."""
    with replacing(path) as file:
        if path.suffix.lower() in PARQUET:
            try:
                frame.to_parquet(file, engine="pyarrow")
            except ImportError as error:
                raise InputError(f"writing {path} needs pyarrow; pip install 'mixtures[io]'") from error
        else:
            spreadsheet_safe(frame).to_csv(file)


def show_crosscheck(cc: Crosscheck, rows: int) -> None:
    """Print the table (at most so many rows), the certificate, the notes and the verdict."""
    out = console()
    spec = cc.mode.spec
    out.print(_parameters(cc.table, rows, title="" if spec is None else _title(spec)))
    if len(cc.table) > rows:
        out.print(f"({len(cc.table) - rows} more rows: --rows, --csv or --json)")
    out.print(_checks("Certificate of agreement", cc.certificate))
    if cc.convergence is not None:
        out.print(_checks("Convergence of the posterior sample", cc.convergence.checks))
    if cc.em is not None:
        out.print(f"EM: {cc.em.restarts}; log-likelihood {cc.em.log_likelihood:.6f}")
    if cc.uncertainty is not None:
        out.print(_parameters(cc.uncertainty.table, rows, "Standard deviations side by side"))
    for note in (*cc.notes, *_notes(cc.uncertainty)):
        out.print(f"note: {plain(note)}")
    verdict = (
        "[bold green]The certificate holds[/]" if cc.passed else "[bold red]The certificate does not hold[/]"
    )
    reasons = [f"{c.name}: {c.note}" if c.note else c.name for c in failures(cc.certificate)]
    out.print(f"{verdict}: EM, MAP and PyMC's log posterior {'agree' if cc.passed else 'do not all agree'}.")
    for reason in reasons:
        out.print(f"  [red]because[/] {plain(reason)}")
    if cc.convergence is not None and not cc.convergence.passed:
        out.print("[bold yellow]The posterior sample is not to be trusted[/] yet: see the lines above.")


def _notes(beside: Uncertainty | None) -> tuple[str, ...]:
    return () if beside is None else beside.notes


def _title(spec: Mixture) -> str:
    shown = [f"{f.name}={getattr(spec, f.name)!r}" for f in fields(spec) if f.name != "prior"]
    return plain(f"{type(spec).__name__}({', '.join(shown)})")


def _parameters(table: pd.DataFrame, rows: int, title: str) -> Table:
    table = table.drop(columns="ess_tail", errors="ignore")  # too wide for most terminals
    shown = ruled_table(title)
    shown.add_column("parameter", overflow="fold")
    for name in table.columns:
        shown.add_column(str(name), justify="right", no_wrap=True)
    for label, row in table.head(rows).iterrows():
        shown.add_row(
            plain(visible(str(label), longest=LONGEST_LABEL)),
            *(_cell(str(name), value) for name, value in row.items()),
        )
    return shown


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
        "model": None if cc.mode.spec is None else _title(cc.mode.spec),
        "passed": cc.passed,
        "certificate": [finite(asdict(check)) for check in cc.certificate],
        "converged": None if cc.convergence is None else cc.convergence.passed,
        "convergence": []
        if cc.convergence is None
        else [finite(asdict(check)) for check in cc.convergence.checks],
        "restarts": None if cc.em is None else str(cc.em.restarts),
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
    shown.add_column("K", justify="right")
    figures = [name for name in table.columns if name not in ("n_best", "n_init", "notes")]
    for name in (*figures, "restarts"):
        shown.add_column(name, justify="right")
    for k, row in table.iterrows():
        cells = ["-" if pd.isna(row[name]) else _figure(row[name]) for name in figures]
        fitted = not pd.isna(row["n_best"])
        restarts = f"{row['n_best']} of {row['n_init']}" if fitted else "-"
        shown.add_row(f"[bold]{k} *[/]" if k == selection.recommended else str(k), *cells, restarts)
    out.print(shown)
    out.print("aic, bic, icl: lower is better; elpd_loo, log_evidence: higher is better", style="dim")
    for k, note in table["notes"].items():
        if note:
            out.print(f"K = {k}: {plain(note)}")
    for note in selection.notes:
        out.print(f"note: {plain(note)}")
    found = selection.recommended
    verdict = "[bold red]No recommendation[/]" if found is None else f"[bold green]Take K = {found}[/]"
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
