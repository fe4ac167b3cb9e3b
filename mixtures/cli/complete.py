"""``mixtures complete``: the missing cells of a table."""

from functools import partial
from typing import Any

import typer

from mixtures.arguments import about
from mixtures.cli.options import (
    ConcentrationOption,
    CovarianceOption,
    CsvOption,
    DataArgument,
    FreeComponentsOption,
    FromOption,
    IntervalOption,
    KindsOption,
    LabelsOption,
    MissingOption,
    ModelOption,
    OutputOption,
    PriorOption,
    QuietOption,
    Reading,
    SeedOption,
    StartsOption,
    with_groups,
    written,
)
from mixtures.cli.rows import read_rows, with_kinds
from mixtures.cli.running import (
    FAILS,
    OF_A_FIT,
    check_outputs,
    examples,
    reports_errors,
    spec_of,
    tell_unused,
    tell_written,
)
from mixtures.cli.text import TABLES, write_table
from mixtures.errors import InputError
from mixtures.messages import counted, visible
from mixtures.saving.archive import is_stream
from mixtures.saving.spreadsheets import as_csv

__all__ = ["EXAMPLES", "complete_command"]

EXAMPLES = examples(
    "mixtures complete table.csv -k 3 --seed 1 -o completed.csv --csv cells.csv",
    "mixtures complete new.csv --from table.mix > completed.csv",
)


@reports_errors
@with_groups
def complete_command(
    context: typer.Context,
    data: DataArgument,
    *,
    k: FreeComponentsOption = None,
    model: ModelOption = "gmm",
    kinds: KindsOption = None,
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    reading: Reading,
    missing: MissingOption = "integrate",
    labels: LabelsOption = None,
    saved: FromOption = None,
    n_init: StartsOption = 10,
    seed: SeedOption = None,
    ci_prob: IntervalOption = 0.95,
    output: OutputOption = None,
    csv: CsvOption = None,
    quiet: QuietOption = False,
) -> None:
    """Complete a table: every missing cell at its mean given the observed cells of its row.

    With --from a saved result is used; with -k EM is fitted to these rows, missing cells integrated
    out. The completed table is printed as CSV, or written to the file of -o; --csv FILE has every
    missing cell with mean, standard deviation and interval. Exits with 2 on bad input.
    """
    import pandas as pd

    from mixtures.clusters.completion import complete
    from mixtures.clusters.prediction import select_features
    from mixtures.data.known_labels import numbered
    from mixtures.data.reading import check_missing
    from mixtures.em.fit import fit_em
    from mixtures.given import given
    from mixtures.interrupts import complete as whole
    from mixtures.saving.save import load

    check_outputs(seed, data, saved, o=output, csv=csv)
    check_missing(missing)
    if output is not None and output.suffix.lower() not in TABLES and not is_stream(output):
        raise InputError(f"-o {str(output)!r}: the files that can be written are {', '.join(TABLES)}")
    if (saved is None) is (k is None):
        raise InputError("name either a saved result (--from FILE) or a number of clusters to fit (-k K)")
    with about("--from"):
        fitted = None if saved is None else given(load(saved))
    if saved is not None:
        tell_unused(context, {*OF_A_FIT, "weights"}, quiet=quiet)
    spec = (
        None
        if k is None
        else spec_of(model, k, covariance, prior, weight_concentration, kinds, reading.exposure)
    )
    rows_read = read_rows(data, reading, spec=spec, fitted=fitted, labels=labels, quiet=quiet)
    frame, known = rows_read.frame, rows_read.labels
    if fitted is not None:
        frame, ignored = select_features(frame, fitted.features)
        if ignored and not quiet:
            note = f"note: columns that were not fitted are left out: {', '.join(ignored)}"
            typer.echo(visible(note), err=True)
    else:
        assert spec is not None  # one of the two was given
        spec = with_kinds(spec, frame, kinds, reading.exposure, quiet=quiet)
        beside: dict[str, Any] = {"weights": rows_read.weights, "labels": known}
        em = whole(fit_em(spec, frame, n_init=n_init, random_seed=seed, missing=missing, **beside))
        fitted = given(em)
    how: dict[str, Any] = {"labels": numbered(known, fitted.names), "ci_prob": ci_prob, "random_seed": seed}
    found = complete(fitted.spec, frame, fitted.params, **how)
    named = [name or f"row{j or ''}" for j, name in enumerate(frame.index.names)]
    table = pd.DataFrame(found.data).rename_axis(named)
    if known is not None:
        table[known.name] = known
    made = written(
        table=(output, partial(write_table, table)),
        cells=(csv, partial(write_table, found.cells.reset_index("column"))),
    )
    if output is None:
        text = as_csv(table)
        typer.echo(visible(text, keep="\r\n", longest=len(text)), nl=False, color=True)
    elif not quiet:
        typer.echo(counted(len(found.cells), "missing cell"))
    if not (output is None and csv is None):
        tell_written(quiet or output is None, made)
    if len(made) < sum(file is not None for file in (output, csv)):
        raise typer.Exit(FAILS)
