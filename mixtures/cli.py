"""The command line: ``mixtures crosscheck`` and ``demo`` here, the others from `mixtures.commands`."""

import json
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from typer.core import TyperGroup

from mixtures import datasets
from mixtures.agreement import crosscheck
from mixtures.arguments import check_whole
from mixtures.commands import datasets as datasets_module
from mixtures.commands import predict, report, select
from mixtures.data import as_data
from mixtures.netcdf import require_netcdf
from mixtures.options import (
    FAILS,
    HOLDS,
    MODELS,
    STOPPED,
    ChainsOption,
    ColumnsOption,
    ComponentsOption,
    ConcentrationOption,
    CovarianceOption,
    CsvOption,
    DataArgument,
    DrawsOption,
    ExcludeOption,
    HeaderOption,
    IndexOption,
    JsonOption,
    ModelOption,
    PriorOption,
    QuietOption,
    ResamplesOption,
    RowsOption,
    SamplerOption,
    SaveOption,
    SeedOption,
    SeparatorOption,
    StartsOption,
    StrictOption,
    TuneOption,
    UncertaintyOption,
    about,
    check_outputs,
    examples,
    load_frame,
    reports_errors,
    spec_of,
    tell_written,
    written,
)
from mixtures.printing import (
    check_table,
    console,
    crosscheck_as_json,
    show_crosscheck,
    visible,
    write_table,
)
from mixtures.saving import check_labels, save
from mixtures.streams import complain, flushed, prepare_streams
from mixtures.verdict import State

__all__ = ["main"]

EXIT_CODES = (
    "\n\n[bold]Exit codes[/]\n"
    "  0: it holds; 1: it does not, or no fit could be had; 2: bad input; 130: Ctrl-C"
)


class Commands(TyperGroup):
    """The commands; data in their place get a hint."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the first argument names."""
        word = args[0]
        if word not in self.commands and (word in datasets.NAMES or Path(word).exists()):
            ctx.fail(
                f"{word!r} names data, and no command; did you mean: mixtures crosscheck {visible(word)} -k 2"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    name="mixtures",
    help="Finite mixtures: EM, MAP and posterior of one model, side by side.",
    epilog=examples(
        "mixtures demo",
        "mixtures crosscheck faithful -k 2",
        "mixtures select table.csv --max-k 4",
        "mixtures report table.csv -k 3 -o report.html",
        "mixtures COMMAND --help",
    )
    + EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mixtures {version('pymc-mixtures')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Finite mixtures: EM, MAP and posterior of one model, side by side."""


@app.command(
    "crosscheck",
    epilog=examples(
        "mixtures crosscheck faithful -k 2 --seed 1",
        "mixtures crosscheck table.csv -m bmm -k 3 --exclude id --save table.mix",
        "zcat table.csv.gz | mixtures crosscheck - -k 2 --covariance diag --json",
    ),
)
@reports_errors
def crosscheck_command(
    context: typer.Context,
    data: DataArgument,
    k: ComponentsOption,
    model: ModelOption = "gmm",
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    columns: ColumnsOption = None,
    exclude: ExcludeOption = None,
    separator: SeparatorOption = None,
    header: HeaderOption = None,
    index: IndexOption = None,
    n_init: StartsOption = 10,
    draws: DrawsOption = 1000,
    tune: TuneOption = 500,
    chains: ChainsOption = 4,
    seed: SeedOption = None,
    sampler: SamplerOption = "blackjax",
    uncertainty: UncertaintyOption = None,
    n_resamples: ResamplesOption = 1000,
    rows: RowsOption = 60,
    csv: CsvOption = None,
    save_as: SaveOption = None,
    as_json: JsonOption = False,
    strict: StrictOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit by EM, MAP and posterior sampling, and certify that they agree.

    Exits with 0 if the certificate holds, 1 if not (with --strict: unless the verdict is green), 2 on
    bad input, 130 after Ctrl-C: what was computed by then is shown, and saved if it has a posterior sample.
    """
    spec = spec_of(model, k, covariance, prior, weight_concentration)
    check_outputs(seed, data, csv=csv, save=save_as)
    check_whole(0, rows=rows)
    if save_as is not None:
        require_netcdf()
    frame = load_frame(data, columns, exclude, separator, header, index)
    if save_as is not None:
        check_labels(as_data(frame).obs_id)
    if csv is not None:
        check_table(np.array(["parameter"]), csv)
    cc = crosscheck(
        spec,
        frame,
        n_init=n_init,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed,
        sampler=sampler,
        uncertainty=uncertainty,
        n_resamples=n_resamples,
        progressbar=not (quiet or as_json),
    )
    made = written(
        table=(csv, partial(write_table, cc.table)),
        result=(save_as, partial(save, cc, X=frame, about=about(context, data, seed))),
    )
    if as_json:
        typer.echo(json.dumps(crosscheck_as_json(cc), indent=2, allow_nan=False))
    else:
        show_crosscheck(cc, rows)
        tell_written(quiet, made)
    complete = len(made) == sum(file is not None for file in (csv, save_as))
    good = cc.headline.state is State.GREEN if strict else cc.passed
    raise typer.Exit(STOPPED if cc.interrupted else HOLDS if complete and good else FAILS)


app.command("select", epilog=select.EXAMPLES)(select.select_command)
app.command("report", epilog=report.EXAMPLES)(report.report_command)
app.command("predict", epilog=predict.EXAMPLES)(predict.predict_command)
app.command("datasets", epilog=datasets_module.EXAMPLES)(datasets_module.datasets_command)


@app.command(epilog=examples("mixtures demo", "mixtures demo --seed 1 --draws 500 --quiet"))
@reports_errors
def demo(seed: SeedOption = 1, draws: DrawsOption = 1000, quiet: QuietOption = False) -> None:
    """Crosscheck Old Faithful (a GMM with two clusters) and handwritten digits (a BMM with ten).

    Exits with 0 if both certificates hold, else 1.
    """
    check_outputs(seed)
    check_whole(1, draws=draws)
    holds = True
    for name, model, k in (("faithful", "gmm", 2), ("digits", "bmm", 10)):
        console().rule(f"mixtures crosscheck {name} --model {model} -k {k} --seed {seed}")
        cc = crosscheck(
            MODELS[model](k), datasets.load(name), draws=draws, random_seed=seed, progressbar=not quiet
        )
        show_crosscheck(cc, rows=20)
        if cc.interrupted:
            raise typer.Exit(STOPPED)
        holds &= cc.passed
    raise typer.Exit(HOLDS if holds else FAILS)


def main() -> None:
    """Run the command line; what it prints on, it finds as it is: closed, full or of few characters."""
    try:
        prepare_streams()
        with flushed():
            app()
    except OSError as error:
        complain(error)
        sys.exit(FAILS)
