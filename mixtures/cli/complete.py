"""``mixtures complete``: the missing cells of a table."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from mixtures.cli.options import (
    CsvOption,
    DataArgument,
    FreeComponentsOption,
    FromOption,
    IntervalOption,
    LabelsOption,
    MissingOption,
    Modelling,
    OutputOption,
    QuietOption,
    Reading,
    SeedOption,
    StartsOption,
    with_groups,
    written,
)
from mixtures.cli.predict import print_table
from mixtures.cli.rows import fit_now, read_as_fitted
from mixtures.cli.running import FAILS, check_outputs, examples, model_to_use, reports_errors, tell_written
from mixtures.cli.text import PARQUET, write_table
from mixtures.data.table import LARGEST_WHOLE
from mixtures.messages import counted

if TYPE_CHECKING:
    import pandas as pd

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
    modelling: Modelling,
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
    """Complete a table: every missing cell of the columns fitted, given the observed cells of its row.

    With --from a saved result is used; with -k EM is fitted to these rows, missing cells integrated
    out. The whole table is printed as CSV, or written to the file of -o, with all its columns, observed
    cells as they were. A missing number becomes its mean, with --log its geometric mean (the exponential of
    the logarithm's mean), a category its most probable level; answers of --recode are 1 and 0, and a missing
    one the probability of 1. --csv FILE has every missing cell with value, standard deviation and interval:
    of --log in the column's own units too, but for the sd, which is that of the logarithm. Exits with 2 on
    bad input.
    """
    import pandas as pd

    from mixtures.clusters.completion import complete
    from mixtures.clusters.prediction import select_features
    from mixtures.data.reading import check_missing

    check_outputs(seed, data, saved, o=output, csv=csv)
    check_missing(missing)
    spec, fitted, kept = model_to_use(context, modelling, k, reading.exposure, saved, output, quiet=quiet)
    own: dict[str, Any] = {"spec": spec, "fitted": fitted, "labels": labels}
    rows_read = read_as_fitted(data, reading, kept, whole=True, quiet=quiet, **own)
    frame = rows_read.frame
    if fitted is not None:
        frame, _ = select_features(frame, fitted.features)
    else:
        assert spec is not None  # one of the two was given
        options: dict[str, Any] = {"n_init": n_init, "random_seed": seed, "missing": missing}
        fitted = fit_now(spec, rows_read, modelling, reading, quiet=quiet, **options)
    how: dict[str, Any] = {"labels": rows_read.labels, "ci_prob": ci_prob, "random_seed": seed}
    found = complete(fitted.spec, frame, fitted.params, **how)
    assert rows_read.table is not None  # it was asked for
    before = _prepared(rows_read.table, frame)
    table = _completed(before, frame, pd.DataFrame(found.data))
    if output is None or output.suffix.lower() not in PARQUET:
        table = _with_whole_numbers(table, before)
    made = written(
        table=(output, partial(write_table, _under_labels(table))),
        cells=(csv, partial(write_table, _unlogged(found.cells).reset_index("column"))),
    )
    if output is None:
        print_table(_under_labels(table))
    elif not quiet:
        typer.echo(counted(len(found.cells), "missing cell"))
    if not (output is None and csv is None):
        tell_written(quiet or output is None, made)
    if len(made) < sum(file is not None for file in (output, csv)):
        raise typer.Exit(FAILS)


def _prepared(table: "pd.DataFrame", fitted: "pd.DataFrame") -> "pd.DataFrame":
    """The table as it was read, but with the columns that were recoded as they were fitted."""
    return table.assign(**{name: fitted[name].array for name in fitted.columns if name in table.columns})


def _completed(table: "pd.DataFrame", fitted: "pd.DataFrame", filled: "pd.DataFrame") -> "pd.DataFrame":
    """The table with the cells of fitted columns that are missing filled, in the columns' own units."""
    from mixtures.data.preparation import logged_in

    whole = table.copy()
    for name in map(str, fitted.columns):
        holes = fitted[name].isna().to_numpy()
        if not holes.any():
            continue
        if name in table.columns:
            whole[name] = filled[name].array
        else:
            whole.loc[holes, logged_in(name)] = np.exp(filled[name].to_numpy(dtype=float)[holes])
    return whole


def _unlogged(cells: "pd.DataFrame") -> "pd.DataFrame":
    """Missing cells with those of logarithms in the units of their columns, but for the sd."""
    from mixtures.data.preparation import logged_in

    names = cells.index.get_level_values("column")
    own = {name: logged_in(str(name)) for name in names.unique()}
    is_log = np.array([bool(own[name]) for name in names], dtype=bool)
    found = cells.copy()
    for name in [name for name in (cells.columns[0], "lower", "upper") if name in cells]:
        found.loc[is_log, name] = np.exp(cells.loc[is_log, name].astype(float))
    return found.rename(index={name: inner for name, inner in own.items() if inner}, level="column")


def _with_whole_numbers(table: "pd.DataFrame", read: "pd.DataFrame") -> "pd.DataFrame":
    """Whole numbers that were read as floats, because cells beside them were missing, without a decimal."""
    found = table.copy()
    for place, name in enumerate(table.columns):
        known = read[name].dropna()
        if read[name].dtype.kind != "f" or len(known) == len(read) or not _is_whole(known).all():
            continue
        cells = table[name].astype(object)
        whole = _is_whole(table[name]).to_numpy()
        cells[whole] = [int(x) for x in table[name][whole]]
        found.isetitem(place, cells)
    return found


def _is_whole(cells: "pd.Series") -> "pd.Series":
    return (cells == np.floor(cells)) & (np.abs(cells) < LARGEST_WHOLE)


def _under_labels(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table to be written: rows without labels of their own get none."""
    return table.set_index(table.columns[0]) if table.index.names == [None] else table
