"""The commands `mixtures crosscheck` and `mixtures demo`."""

import json
from functools import partial
from typing import Any

import numpy as np
import typer

from mixtures.arguments import check_whole
from mixtures.cli.labels import with_texts
from mixtures.cli.options import (
    ComponentsOption,
    CsvOption,
    DataArgument,
    DrawsOption,
    JsonOption,
    LabelsOption,
    MissingOption,
    Modelling,
    NamesOption,
    QuietOption,
    Reading,
    ResamplesOption,
    RowsOption,
    SamplerOption,
    Sampling,
    SaveOption,
    SeedOption,
    StrictOption,
    UncertaintyOption,
    VerboseOption,
    with_groups,
    written,
)
from mixtures.cli.rows import names_of, read_rows, with_kinds
from mixtures.cli.running import (
    FAILS,
    HOLDS,
    STOPPED,
    about,
    check_outputs,
    examples,
    reports_errors,
    spec_of,
    tell_unused,
    tell_written,
)
from mixtures.cli.text import check_table, console, write_table
from mixtures.cli.wording import as_typed

__all__ = ["DEMO_EXAMPLES", "EXAMPLES", "crosscheck_command", "demo_command"]


EXAMPLES = examples(
    "mixtures crosscheck faithful -k 2 --seed 1",
    "mixtures crosscheck table.csv -m bmm -k 3 --exclude id --save table.mix",
    "zcat table.csv.gz | mixtures crosscheck - -k 2 --covariance diag --json",
)

DEMO_EXAMPLES = examples("mixtures demo", "mixtures demo --seed 1 --draws 500 --quiet")


@reports_errors
@with_groups
def crosscheck_command(
    context: typer.Context,
    data: DataArgument,
    *,
    k: ComponentsOption = None,
    modelling: Modelling,
    reading: Reading,
    missing: MissingOption = None,
    labels: LabelsOption = None,
    sampling: Sampling,
    sampler: SamplerOption = "blackjax",
    uncertainty: UncertaintyOption = None,
    n_resamples: ResamplesOption = 1000,
    names: NamesOption = None,
    rows: RowsOption = 60,
    csv: CsvOption = None,
    save_as: SaveOption = None,
    as_json: JsonOption = False,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit by EM, MAP and posterior sampling, and certify that they agree.

    Exits with 0 if the certificate holds, 1 if not (with --strict: unless the verdict is green), 2 on
    bad input, 130 after Ctrl-C: what was computed by then is shown, and saved if it has a posterior sample.
    """
    from mixtures.agreement.crosscheck import crosscheck
    from mixtures.cli.show import crosscheck_as_json, show_crosscheck
    from mixtures.results.verdict import State
    from mixtures.saving.netcdf import require_netcdf
    from mixtures.saving.save import check_labels, save

    if k is None:
        context.fail(
            "Missing option '--components' / '-k'; mixtures select DATA compares several numbers of clusters"
        )
    spec = spec_of(modelling, k, reading.exposure)
    check_outputs(sampling.seed, data, csv=csv, save=save_as)
    check_whole(0, rows=rows)
    called = names_of(names, k)
    if uncertainty is None:
        tell_unused(context, {"n_resamples"}, " without --uncertainty", quiet=quiet or as_json)
    if save_as is not None:
        require_netcdf()
    rows_read = read_rows(data, reading, spec=spec, labels=labels, names=called, quiet=quiet or as_json)
    frame = rows_read.frame
    beside: dict[str, Any] = {"weights": rows_read.weights, "labels": rows_read.labels}
    spec = with_kinds(spec, frame, modelling.kinds, reading.exposure, quiet=quiet or as_json)
    if save_as is not None:
        check_labels(spec.table(frame, None, missing).obs_id)
    if csv is not None:
        check_table(np.array(["parameter"]), csv)
    cc = crosscheck(
        spec,
        frame,
        missing=missing,
        **beside,
        **sampling.arguments,
        sampler=sampler,
        uncertainty=uncertainty,
        n_resamples=n_resamples,
        names=rows_read.names,
        progressbar=not (quiet or as_json),
    )
    origin = with_texts(about(context, data), rows_read.texts)
    made = written(
        table=(csv, partial(write_table, cc.table)),
        result=(save_as, partial(save, cc, X=frame, **beside, about=origin)),
    )
    if as_json:
        typer.echo(json.dumps(as_typed(crosscheck_as_json(cc)), indent=2, allow_nan=False))
    else:
        show_crosscheck(cc, rows, verbose=verbose)
        tell_written(quiet, made)
    complete = len(made) == sum(file is not None for file in (csv, save_as))
    good = cc.headline.state is State.GREEN if strict else cc.passed
    raise typer.Exit(STOPPED if cc.interrupted else HOLDS if complete and good else FAILS)


@reports_errors
def demo_command(seed: SeedOption = 1, draws: DrawsOption = 1000, quiet: QuietOption = False) -> None:
    """Crosscheck Old Faithful (a GMM with two clusters) and handwritten digits (a BMM with ten).

    Exits with 0 if both certificates hold, else 1.
    """
    from mixtures.agreement.crosscheck import crosscheck
    from mixtures.cli.show import show_crosscheck
    from mixtures.data.datasets import load
    from mixtures.families.registry import MODELS

    check_outputs(seed)
    check_whole(1, draws=draws)
    holds = True
    for name, model, k in (("faithful", "gmm", 2), ("digits", "bmm", 10)):
        console().rule(f"mixtures crosscheck {name} --model {model} -k {k} --seed {seed}")
        cc = crosscheck(MODELS[model](k), load(name), draws=draws, random_seed=seed, progressbar=not quiet)
        show_crosscheck(cc, rows=20)
        if cc.interrupted:
            raise typer.Exit(STOPPED)
        holds &= cc.passed
    raise typer.Exit(HOLDS if holds else FAILS)
