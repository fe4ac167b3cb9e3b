"""Results on the terminal and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixtures.brief import model_words
from mixtures.cli.clusters import sentences_of, show_clusters
from mixtures.cli.text import (
    EDGES,
    LONGEST_LABEL,
    console,
    finite,
    folded,
    plain,
    ruled_table,
    stacked,
    width_of,
)
from mixtures.entries import entries
from mixtures.interrupts import INTERRUPTED, Interrupted
from mixtures.messages import counted, visible
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.headline import not_checked
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.results.verdict import Check, State, explained
from mixtures.selection.criteria import columns_by_sense
from mixtures.trees import labels_in

__all__ = ["crosscheck_as_json", "selection_as_json", "show_crosscheck", "show_interrupt", "show_selection"]


COLOURS = {State.GREEN: "green", State.AMBER: "yellow", State.RED: "red"}
"""Terminal colours by the state of a result."""


FROM_CACHE = "PyMC's log density: its program was read from the cache of programs (mixtures cache)"
"""Line for a crosscheck that did not build PyMC's graph anew."""


LABEL_WIDTH = 20
"""Smallest width of the names of parameters; longer ones are wrapped."""


WHOLE, LARGEST = 1e4, 1e7
"""Numbers from the first to the second are written without decimals, larger ones with an exponent."""


POINTS = ("EM", "MAP")
"""Columns of a table of parameters that stand above the others where they do not fit side by side."""


DIAGNOSTICS = ("ess_tail", "gap", "z", "ess_bulk", "r_hat")
"""Columns of a table of parameters that are left out where there is no room; no other is."""


NEEDED_LEAST = (
    *DIAGNOSTICS,
    *("p_loo", "bad_pareto_k", "n_parameters", "restarts", "log_likelihood", "elpd_loo_se"),
    "log_evidence_se",
    *("lr", "sabic", "caic", "icl", "aic"),  # the BIC, LOO and the evidence decide
)
"""Columns of tables in the order in which they are left out of a narrow terminal."""


def show_crosscheck(cc: Crosscheck, rows: int, *, verbose: bool = False) -> None:
    """Print verdict, clusters, the table (at most ``rows`` rows), the certificate and what stands out.

    With ``verbose`` all checks of the sample and the model are listed, not only those that call for care.
    """
    out = console()
    headline = cc.headline
    colour = COLOURS[headline.state]
    out.print(f"[bold {colour}]{headline.state.name}: {plain(headline.title)}[/]")
    for reason in headline.reasons:
        out.print(f"  [{colour}]because[/] {plain(reason)}")
    show_clusters(out, cc)
    out.print()
    spec = cc.mode.spec
    _parameters(out, cc.table, rows, title="" if spec is None else plain(model_words(spec)))
    out.print(_checks("Certificate of agreement", cc.certificate))
    holds = "[bold green]The certificate holds[/]: EM, MAP and PyMC's log posterior agree."
    out.print(holds if cc.passed else "[bold red]The certificate does not hold.[/]")
    if cc.starts is not None:
        out.print(f"starts that reached the best optimum: {cc.starts}")
    if cc.em is not None:
        out.print(f"EM: log-likelihood {cc.em.log_likelihood:.6f}")
    if cc.convergence is not None:
        _sample(out, cc.convergence.checks, verbose=verbose)
        for line in not_checked(cc.convergence):
            out.print(plain(line))
    if cc.uncertainty is not None:
        _parameters(out, cc.uncertainty.table, rows, "Standard deviations side by side")
    told = " ".join((*headline.reasons, *headline.remarks)).casefold()
    for note in (*cc.notes, *_notes(cc.uncertainty)):
        if note.casefold() not in told:
            out.print(f"note: {plain(note)}")
    if cc.from_cache:
        out.print(FROM_CACHE)


def _sample(out: Console, checks: Sequence[Check], *, verbose: bool) -> None:
    """Print the checks of the sample and the model that do not hold; all of them if asked."""
    title = "The posterior sample and the model"
    shown = [check for check in explained(checks) if verbose or not (check.passed or check.informs)]
    if shown:
        out.print(_checks(title, shown))
    if any(not (check.passed or check.informs or check.judged) for check in shown):
        out.print("NO fails the verdict; no does not, and calls for care or only informs", style="dim")
    if not verbose:
        held = sum(check.passed and not check.informs for check in checks)
        limited = sum(not check.informs for check in checks)
        out.print(f"{title}: {held} of {limited} checks hold (--verbose lists all)")


def show_interrupt(error: KeyboardInterrupt) -> None:
    """Show the point found before the interrupt, if any, and the state of the files."""
    out = console(stderr=True)
    found = error.partial if isinstance(error, Interrupted) else None
    if isinstance(found, EMFit | MAPFit):
        name = "EM" if isinstance(found, EMFit) else "MAP"
        point = found.to_datatree()["posterior"].to_dataset().isel(chain=0, draw=0)
        dims = {str(key): tuple(map(str, x.dims)) for key, x in point.items()}
        places = entries({key: point[key].shape for key in dims}, dims, labels_in(point))
        values = [point[key].values[index] for key, index in places.values()]
        table = pd.DataFrame({name: values}, index=list(places))
        _parameters(out, table, len(table), f"{name} so far")
        how = "converged" if found.converged else "not converged"
        out.print(f"log posterior {found.log_posterior:.6f}, {how}")
    out.print(f"[bold yellow]{INTERRUPTED}[/]: files that were not written whole are as they were")


def _notes(beside: Uncertainty | None) -> tuple[str, ...]:
    return () if beside is None else beside.notes


def _parameters(out: Console, table: pd.DataFrame, rows: int, title: str) -> None:
    """Print a table of parameters, estimates below one another if they do not fit."""
    labels = [visible(str(label), longest=LONGEST_LABEL) for label in table.index[:rows]]
    label_width = min(LABEL_WIDTH, max(map(cell_len, ["parameter", *labels])))
    cells = {
        str(name): [_cell(str(name), value) for value in column.head(rows)] for name, column in table.items()
    }
    room = out.width - label_width
    estimates = {name: own for name, own in cells.items() if name not in DIAGNOSTICS}
    kept = _fitting(cells, room)
    blocks = [kept]
    if not set(estimates) <= set(kept):
        points = {name: own for name, own in estimates.items() if name in POINTS}
        rest = {name: own for name, own in estimates.items() if name not in POINTS}
        blocks = [*stacked(points, room), *stacked(rest, room)]
    for i, own in enumerate(blocks):
        shown = ruled_table(title if i == 0 else "")
        shown.add_column("parameter", overflow="fold", min_width=label_width)
        for name in own:
            shown.add_column(plain(name), justify="right", no_wrap=True)
        widths = [width_of(name, cells[name]) for name in own]
        width = max(label_width, out.width - sum(widths) - EDGES)
        for row, label in enumerate(labels):
            shown.add_row(escape(folded(label, width)), *(cells[name][row] for name in own))
        out.print(shown)
    if len(table) > rows:
        out.print(f"({counted(len(table) - rows, 'more row')}: --rows, --csv or --json)")
    _say_left_out(out, cells, [name for own in blocks for name in own])


def _fitting(cells: Mapping[str, Sequence[str]], room: int) -> list[str]:
    """Columns that fit into a number of characters; the least important are left out first."""
    room -= EDGES
    widths = {name: width_of(name, column) for name, column in cells.items()}
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
        out.print(f"(no room for {', '.join(left_out)}: a wider window, --csv or --json)", style="dim")


def _cell(column: str, value: float) -> str:
    if not np.isfinite(value):
        return "-"
    formats = {"gap": ".0e", "z": ".2f", "ess_bulk": ".0f", "r_hat": ".3f"}
    whole = WHOLE <= abs(value) < LARGEST
    return f"{value:{formats.get(column, '.0f' if whole else '.4g')}}"


def _checks(title: str, checks: Sequence[Check]) -> Table:
    shown = ruled_table(title, line="left", figure="right", tolerance="right", holds="left", note="left")
    for check in checks:
        fails = "[bold red]NO[/]" if check.judged else "[yellow]no[/]"
        verdict = "" if check.informs else "[green]yes[/]" if check.passed else fails
        limit = "" if check.informs else f"{check.tolerance:.4g}"
        figure = "-" if np.isnan(check.figure) else check.found
        shown.add_row(plain(check.name), figure, limit, verdict, plain(check.note))
    return shown


def crosscheck_as_json(cc: Crosscheck) -> dict[str, Any]:
    """The same for machines."""
    return {
        "model": None if cc.mode.spec is None else plain(model_words(cc.mode.spec)),
        "passed": cc.passed,
        "certificate": [finite(asdict(check)) for check in cc.certificate],
        "converged": None if cc.convergence is None else cc.convergence.passed,
        "convergence": [finite(asdict(check)) for check in cc.convergence.checks] if cc.convergence else [],
        "state": cc.headline.state.name.lower(),
        "verdict": cc.headline.title,
        "reasons": list(cc.headline.reasons),
        "remarks": list(cc.headline.remarks),
        "restarts": None if cc.em is None else str(cc.em.restarts),
        "starts": None if cc.starts is None else asdict(cc.starts),
        "log_likelihood": None if cc.em is None else cc.em.log_likelihood,
        "log_posterior": cc.mode.log_posterior,
        "notes": [*cc.notes, *_notes(cc.uncertainty)],
        "clusters": sentences_of(cc),
        "from_cache": cc.from_cache,
        "table": _records(cc.table),
        "uncertainty": None if cc.uncertainty is None else _records(cc.uncertainty.table),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [finite({"parameter": label, **row}) for label, row in table.to_dict("index").items()]


def show_selection(selection: Selection) -> None:
    """Print the criteria of every K, the notes, and the recommendation."""
    out = console()
    table = selection.table
    shown = ruled_table("Numbers of clusters")
    k_width = max(len(str(k)) for k in table.index) + 2
    shown.add_column("K", justify="right", min_width=k_width)
    fitted = table["n_best"].notna()
    cells = {
        name: ["-" if pd.isna(value) else _figure(value, str(name)) for value in column]
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
    for word, names in columns_by_sense(selection.criteria).items():
        out.print(f"{', '.join(names)}: {word} is better", style="dim")
    for line in selection.notes_told:
        out.print(plain(line))
    for note in selection.notes:
        out.print(f"note: {plain(note)}")
    found = selection.recommended
    colour = "yellow" if selection.at_edge else "green"
    verdict = "[bold red]No recommendation[/]" if found is None else f"[bold {colour}]Take K = {found}[/]"
    out.print(f"{verdict}: {plain(selection.rule)}.")


def _figure(value: float, name: str) -> str:
    decimals = 4 if name == "blrt_p" else 2
    return f"{value:d}" if isinstance(value, int | np.integer) else f"{value:.{decimals}f}"


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
