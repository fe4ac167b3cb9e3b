"""Results on the terminal: tables, text that came from data, and numbers that JSON knows."""

from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mixtures.selection import Selection

__all__ = ["finite", "plain", "ruled_table", "selection_as_json", "show_selection"]


def plain(text: str) -> str:
    """Text that came from data, safe for rich's markup."""
    return text.replace("[", r"\[")


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


def show_selection(selection: Selection) -> None:
    """Print the criteria of every K, the notes, and what the rule came to."""
    console = Console()
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
    console.print(shown)
    console.print("aic, bic, icl: lower is better; elpd_loo, log_evidence: higher is better", style="dim")
    for k, note in table["notes"].items():
        if note:
            console.print(f"K = {k}: {plain(note)}", highlight=False)
    for note in selection.notes:
        console.print(f"note: {plain(note)}", highlight=False)
    found = selection.recommended
    verdict = "[bold red]No recommendation[/]" if found is None else f"[bold green]Take K = {found}[/]"
    console.print(f"{verdict}: {plain(selection.rule)}.", highlight=False)


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
