"""``mixtures select``: several numbers of clusters compared."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import typer

from mixtures.cli.labels import with_texts
from mixtures.cli.options import (
    BlrtOption,
    CriteriaOption,
    CsvOption,
    DataArgument,
    JsonOption,
    LabelsOption,
    MaxOption,
    MinOption,
    MissingOption,
    Modelling,
    QuietOption,
    Reading,
    Sampling,
    SaveOption,
    with_groups,
    written,
)
from mixtures.cli.rows import read_rows, with_kinds
from mixtures.cli.running import (
    FAILS,
    HOLDS,
    STOPPED,
    about,
    check_outputs,
    command_of,
    examples,
    reports_errors,
    spec_of,
    tell_written,
)
from mixtures.cli.text import check_table, write_table
from mixtures.cli.wording import as_typed
from mixtures.errors import InputError
from mixtures.messages import visible

__all__ = ["EXAMPLES", "select_command"]

EXAMPLES = examples(
    "mixtures select faithful",
    "mixtures select faithful --max-k 4 --criteria all --seed 1 --save k.mix",
    "mixtures select table.csv --model bmm --exclude id --csv criteria.csv",
)

NOT_OF_A_REPORT = {"min_k", "max_k", "criteria", "blrt", "csv", "save_as", "as_json", "quiet"}
"""Options that the command for a report of the recommended K does not take over."""


@reports_errors
@with_groups
def select_command(
    context: typer.Context,
    data: DataArgument,
    *,
    min_k: MinOption = 1,
    max_k: MaxOption = 6,
    modelling: Modelling,
    reading: Reading,
    missing: MissingOption = None,
    labels: LabelsOption = None,
    criteria: CriteriaOption = "aic,bic,icl",
    blrt: BlrtOption = None,
    sampling: Sampling,
    csv: CsvOption = None,
    save_as: SaveOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit several numbers of clusters, compare them, and recommend one by a stated rule.

    Exits with 0 if there is a recommendation, 1 if nothing could be fitted, 2 on bad input.
    """
    from mixtures.cli.show import selection_as_json, show_selection
    from mixtures.saving.netcdf import require_netcdf
    from mixtures.saving.save import check_labels, save
    from mixtures.selection.criteria import SAMPLED
    from mixtures.selection.select import select

    spec = spec_of(modelling, 1, reading.exposure)
    check_outputs(sampling.seed, data, csv=csv, save=save_as)
    if not 1 <= min_k <= max_k:
        raise InputError(f"--min-k must be at least 1 and --max-k not below it, got {min_k} and {max_k}")
    asked = [name.strip() for name in criteria.split(",")]
    sampled = save_as is not None and {*asked} & {*SAMPLED, "all"}
    if sampled:
        require_netcdf()
    most = replace(spec, n_components=max_k)
    rows_read = read_rows(data, reading, spec=most, labels=labels, quiet=quiet or as_json)
    frame = rows_read.frame
    beside: dict[str, Any] = {"weights": rows_read.weights, "labels": rows_read.labels}
    spec = with_kinds(spec, frame, modelling.kinds, reading.exposure, quiet=quiet or as_json)
    if sampled:
        check_labels(spec.table(frame, None, missing).obs_id)
    if csv is not None:
        check_table(np.arange(min_k, max_k + 1), csv)
    selection = select(
        spec,
        frame,
        range(min_k, max_k + 1),
        missing=missing,
        **beside,
        criteria=asked,
        blrt=blrt,
        **sampling.arguments,
        progressbar=not (quiet or as_json),
    )
    origin = with_texts(about(context, data), rows_read.texts)
    made = written(
        table=(csv, partial(write_table, selection.table)),
        result=(save_as, partial(save, selection, X=frame, **beside, about=origin)),
    )
    if as_json:
        typer.echo(json.dumps(as_typed(selection_as_json(selection)), indent=2, allow_nan=False))
    else:
        show_selection(selection)
        tell_written(quiet, made)
        if selection.recommended is not None and not (quiet or selection.at_edge):
            report = command_of(context, "report", without=NOT_OF_A_REPORT)
            typer.echo(visible(f"next: {report} -k {selection.recommended} -o report.html"))
    if selection.interrupted:
        raise typer.Exit(STOPPED)
    complete = len(made) == sum(file is not None for file in (csv, save_as))
    raise typer.Exit(HOLDS if complete and selection.recommended is not None else FAILS)
