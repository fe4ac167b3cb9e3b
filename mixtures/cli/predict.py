"""``mixtures predict``: the cluster of every row."""

import codecs
import json
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from mixtures.cli.options import (
    DataArgument,
    FreeComponentsOption,
    FromOption,
    IntervalOption,
    JsonOption,
    LabelsOption,
    MissingOption,
    Modelling,
    NamesOption,
    OutputOption,
    QuietOption,
    Reading,
    SeedOption,
    StartsOption,
    with_groups,
    written,
)
from mixtures.cli.rows import fit_now, names_of, read_as_fitted
from mixtures.cli.running import FAILS, as_fitted, check_outputs, examples, model_to_use, reports_errors
from mixtures.cli.text import check_table, finite, write_table
from mixtures.messages import counted, visible
from mixtures.saving.archive import is_stream
from mixtures.saving.spreadsheets import as_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXAMPLES", "predict_command", "print_table"]

EXAMPLES = examples(
    "mixtures predict new.csv --from faithful.mix -o clusters.csv",
    "mixtures predict iris -k 3 --seed 1 > clusters.csv",
    "zcat new.csv.gz | mixtures predict - --from faithful.mix --json",
)


@reports_errors
@with_groups
def predict_command(
    context: typer.Context,
    data: DataArgument,
    *,
    k: FreeComponentsOption = None,
    modelling: Modelling,
    reading: Reading,
    missing: MissingOption = None,
    labels: LabelsOption = None,
    saved: FromOption = None,
    n_init: StartsOption = 10,
    seed: SeedOption = None,
    ci_prob: IntervalOption = 0.95,
    names: NamesOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict the cluster of every row, with its probability.

    With --from a saved result is used; if it has a posterior sample, there are intervals. With -k
    EM is fitted to these rows. Names of the clusters, those of --names or of the saved result, stand in
    place of their numbers. Without -o the table is printed as CSV. Exits with 2 on bad input.
    """
    from mixtures.clusters.prediction import prediction_table, select_features

    check_outputs(seed, data, saved, o=output)
    spec, fitted, kept = model_to_use(context, modelling, k, reading.exposure, saved, output, quiet=quiet)
    if saved is not None:
        missing = as_fitted(kept, {"missing": missing}, quiet=quiet)["missing"]
    n_clusters = k if fitted is None else fitted.spec.n_components
    assert n_clusters is not None  # one of the two was given
    called = names_of(names, n_clusters)
    own: dict[str, Any] = {"spec": spec, "fitted": fitted, "labels": labels, "names": called}
    rows_read = read_as_fitted(data, reading, kept, quiet=quiet, **own)
    frame, known = rows_read.frame, rows_read.labels
    if output is not None and frame.index.nlevels == 1:  # a MultiIndex becomes text
        check_table(frame.index.to_numpy(), output)
    progress = output is not None and not (quiet or as_json)  # it would be mixed into the table
    if fitted is not None:
        frame, ignored = select_features(frame, fitted.features)
        if ignored and not quiet:
            note = f"note: columns that were not fitted are left out: {', '.join(ignored)}"
            typer.echo(visible(note), err=True)
    else:
        assert spec is not None  # one of the two was given
        options: dict[str, Any] = {"n_init": n_init, "random_seed": seed, "progressbar": progress}
        fitted = fit_now(spec, rows_read, modelling, reading, quiet=quiet, missing=missing, **options)
    fitted = fitted if rows_read.names is None else replace(fitted, names=rows_read.names)
    how: dict[str, Any] = {"missing": missing, "labels": known, "progressbar": progress}
    table = prediction_table(fitted, frame, ci_prob=ci_prob, **how)
    made = written(table=(output, partial(write_table, table)))
    if as_json:
        records = table.reset_index().to_dict("records")
        typer.echo(json.dumps([finite(row) for row in records], indent=2, allow_nan=False, default=str))
    elif output is None:
        print_table(table)
    elif made and not (quiet or is_stream(output)):
        typer.echo(visible(f"{counted(len(table), 'row')} written to {output}"))
    if output is not None and not made:
        raise typer.Exit(FAILS)


def print_table(table: "pd.DataFrame") -> None:
    """Print a table as CSV: as it is into a pipe, and harmless on a terminal."""
    text = as_csv(table)
    _say_what_is_lost(text)
    shown = visible(text, keep="\r\n", longest=len(text)) if is_terminal() else text
    typer.echo(shown, nl=False, color=True)


def _say_what_is_lost(text: str) -> None:
    encoding = sys.stdout.encoding
    if codecs.lookup(encoding).name == "ascii":  # unknown encoding: text is written as UTF-8
        return
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        told = f"note: standard output is {encoding}: what that lacks is printed as ?; -o FILE writes UTF-8"
        typer.echo(told, err=True)


def is_terminal() -> bool:
    """Whether the output is a terminal."""
    return sys.stdout.isatty()
