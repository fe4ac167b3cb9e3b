"""The command line: ``mixtures crosscheck``, ``mixtures select`` and ``mixtures demo``."""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from mixtures import datasets
from mixtures.agreement import Crosscheck, crosscheck
from mixtures.data import InputError, did_you_mean
from mixtures.diagnostics import Check
from mixtures.emfit import CollapseError, NonMonotoneError
from mixtures.families import IdentifiabilityWarning, Mixture
from mixtures.files import read_table
from mixtures.printing import finite, plain, ruled_table, selection_as_json, show_selection
from mixtures.recommendation import CRITERIA
from mixtures.sampling import SAMPLERS
from mixtures.selection import select
from mixtures.standard_errors import METHODS, Uncertainty

__all__ = ["main"]

HOLDS, FAILS, BAD_INPUT = 0, 1, 2
"""Exit codes."""

app = typer.Typer(
    name="mixtures",
    help="Finite mixtures: EM, MAP and posterior of one model, side by side.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

MODELS: dict[str, type[Mixture]] = {model.__name__.lower(): model for model in Mixture.__subclasses__()}

DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help=f"CSV or Parquet file, or {', '.join(datasets.NAMES)}.")
]
ModelOption = Annotated[str, typer.Option("--model", "-m", help=f"One of {', '.join(MODELS)}.")]
ComponentsOption = Annotated[int, typer.Option("--components", "-k", help="Number of clusters K.")]
MinOption = Annotated[int, typer.Option("--min-k", help="Fewest clusters.")]
MaxOption = Annotated[int, typer.Option("--max-k", help="Most clusters.")]
CriteriaOption = Annotated[
    str,
    typer.Option(help=f"Some of {', '.join(CRITERIA)}, separated by commas, or all."),
]
CovarianceOption = Annotated[
    str | None,
    typer.Option("--covariance", help="full, tied, diag or spherical (GMM only).", show_default="full"),
]
PriorOption = Annotated[str, typer.Option(help="default, or none for maximum likelihood.")]
ConcentrationOption = Annotated[float, typer.Option(help="Dirichlet concentration of the weights.")]
ColumnsOption = Annotated[str | None, typer.Option(help="Columns to use, separated by commas.")]
ExcludeOption = Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")]
StartsOption = Annotated[int, typer.Option(help="Starts of EM, and of MAP.")]
DrawsOption = Annotated[int, typer.Option(help="Posterior draws a chain.")]
TuneOption = Annotated[int, typer.Option(help="Warm-up a chain.")]
ChainsOption = Annotated[int, typer.Option(help="Chains.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of everything.")]
SamplerOption = Annotated[str, typer.Option(help=f"One of {', '.join(SAMPLERS)}.")]
UncertaintyOption = Annotated[
    str | None,
    typer.Option(help=f"Standard deviations side by side: all, or some of {', '.join(METHODS)}, by commas."),
]
ResamplesOption = Annotated[int, typer.Option(help="Replicates of each bootstrap.")]
RowsOption = Annotated[int, typer.Option(help="Rows of the table to print at most.")]
CsvOption = Annotated[Path | None, typer.Option(help="Write the whole table to this CSV file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """End on bad input with exit code 2, on a fit that cannot be had with 1; a word, no traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", IdentifiabilityWarning)  # the certificate has a line for it
                command(*args, **kwargs)
        except InputError as error:
            _complain(error)
            raise typer.Exit(BAD_INPUT) from error
        except (CollapseError, NonMonotoneError) as error:
            _complain(error)
            raise typer.Exit(FAILS) from error

    return wrapped


@app.command(name="crosscheck")
@reports_errors
def crosscheck_command(
    data: DataArgument,
    k: ComponentsOption,
    model: ModelOption = "gmm",
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    columns: ColumnsOption = None,
    exclude: ExcludeOption = None,
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
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit by EM, MAP and posterior sampling, and certify that they agree.

    Exits with 0 if the certificate holds, 1 if not, 2 on bad input.

    Example: mixtures crosscheck faithful --model gmm -k 2
    """
    spec = _spec(model, k, covariance, prior, weight_concentration)
    _check_outputs(seed, csv)
    cc = crosscheck(
        spec,
        _load(data, columns, exclude),
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
    if csv is not None:
        cc.table.to_csv(csv)
    if as_json:
        typer.echo(json.dumps(_jsonable(cc), indent=2, allow_nan=False))
    else:
        _show(cc, rows)
    raise typer.Exit(HOLDS if cc.passed else FAILS)


@app.command(name="select")
@reports_errors
def select_command(
    data: DataArgument,
    model: ModelOption = "gmm",
    min_k: MinOption = 1,
    max_k: MaxOption = 6,
    criteria: CriteriaOption = "aic,bic,icl",
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    columns: ColumnsOption = None,
    exclude: ExcludeOption = None,
    n_init: StartsOption = 10,
    draws: DrawsOption = 1000,
    tune: TuneOption = 500,
    chains: ChainsOption = 4,
    seed: SeedOption = None,
    csv: CsvOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit several numbers of clusters, compare them, and recommend one by a rule that is stated.

    Exits with 0 if there is a recommendation, 1 if nothing could be fitted, 2 on bad input.

    Example: mixtures select faithful --model gmm --max-k 6 --criteria all
    """
    spec = _spec(model, 1, covariance, prior, weight_concentration)
    _check_outputs(seed, csv)
    if not 1 <= min_k <= max_k:
        raise InputError(f"--min-k must be at least 1 and --max-k not below it, got {min_k} and {max_k}")
    selection = select(
        spec,
        _load(data, columns, exclude),
        range(min_k, max_k + 1),
        criteria="all" if criteria == "all" else [name.strip() for name in criteria.split(",")],
        n_init=n_init,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed,
        progressbar=not (quiet or as_json),
    )
    if csv is not None:
        selection.table.to_csv(csv)
    if as_json:
        typer.echo(json.dumps(selection_as_json(selection), indent=2, allow_nan=False))
    else:
        show_selection(selection)
    raise typer.Exit(HOLDS if selection.recommended is not None else FAILS)


@app.command()
@reports_errors
def demo(seed: SeedOption = 1, draws: DrawsOption = 1000, quiet: QuietOption = False) -> None:
    """Crosscheck Old Faithful (a GMM with two clusters) and handwritten digits (a BMM with ten)."""
    holds = True
    for name, model, k in (("faithful", "gmm", 2), ("digits", "bmm", 10)):
        Console().rule(f"mixtures crosscheck {name} --model {model} -k {k} --seed {seed}")
        cc = crosscheck(
            MODELS[model](k), datasets.load(name), draws=draws, random_seed=seed, progressbar=not quiet
        )
        _show(cc, rows=20)
        holds &= cc.passed
    raise typer.Exit(HOLDS if holds else FAILS)


def main() -> None:
    """Run the command line."""
    app()


def _check_outputs(seed: int | None, csv: Path | None) -> None:
    if seed is not None and seed < 0:
        raise InputError(f"--seed must not be negative, got {seed}")
    if csv is not None and not csv.parent.is_dir():
        raise InputError(f"--csv: there is no folder {str(csv.parent)!r}")


def _spec(model: str, k: int, covariance: str | None, prior: str, weight_concentration: float) -> Mixture:
    if model not in MODELS:
        raise InputError(f"--model {model!r} is not one of {', '.join(MODELS)}{did_you_mean(model, MODELS)}")
    if prior not in ("default", "none"):
        raise InputError(f"--prior {prior!r} is not one of default, none; other priors are stated in Python")
    options: dict[str, Any] = {
        "prior": None if prior == "none" else prior,
        "weight_concentration": weight_concentration,
    }
    if covariance is not None:
        if "covariance_type" not in {field.name for field in fields(MODELS[model])}:
            raise InputError(f"--covariance does not go with --model {model}; leave it out")
        options["covariance_type"] = covariance
    return MODELS[model](k, **options)


def _load(data: str, columns: str | None, exclude: str | None) -> pd.DataFrame:
    frame = (datasets.load(data) if data in datasets.NAMES else _read(data)).rename(columns=str)
    keep = frame.columns if columns is None else [name.strip() for name in columns.split(",")]
    drop = [] if exclude is None else [name.strip() for name in exclude.split(",")]
    for name in [*keep, *drop]:
        if name not in frame.columns:
            listed = ", ".join(map(str, frame.columns[:20]))
            raise InputError(
                f"no column {name!r}{did_you_mean(name, frame.columns)}; the columns are {listed}"
            )
    return frame[[name for name in keep if name not in drop]]


def _read(data: str) -> pd.DataFrame:
    if not Path(data).exists() and not Path(data).suffix:
        raise InputError(f"no file and no data set {data!r}{did_you_mean(data, datasets.NAMES)}")
    return read_table(data)


def _complain(error: Exception) -> None:
    Console(stderr=True).print(f"[bold red]error:[/] {plain(str(error))}", highlight=False, soft_wrap=True)


def _show(cc: Crosscheck, rows: int) -> None:
    console = Console()
    spec = cc.mode.spec
    console.print(_parameters(cc.table, rows, title="" if spec is None else _title(spec)))
    if len(cc.table) > rows:
        console.print(f"({len(cc.table) - rows} more rows: --rows, --csv or --json)")
    console.print(_checks("Certificate of agreement", cc.certificate))
    if cc.convergence is not None:
        console.print(_checks("Convergence of the posterior sample", cc.convergence.checks))
    if cc.em is not None:
        console.print(f"EM: {cc.em.restarts}; log-likelihood {cc.em.log_likelihood:.6f}", highlight=False)
    if cc.uncertainty is not None:
        console.print(_parameters(cc.uncertainty.table, rows, "Standard deviations side by side"))
    for note in (*cc.notes, *_notes(cc.uncertainty)):
        console.print(f"note: {plain(note)}", highlight=False)
    verdict = (
        "[bold green]The certificate holds[/]" if cc.passed else "[bold red]The certificate does not hold[/]"
    )
    reasons = [f"{c.name}: {c.note}" if c.note else c.name for c in cc.certificate if not c.passed]
    console.print(
        f"{verdict}: EM, MAP and PyMC's log posterior {'agree' if cc.passed else 'do not all agree'}."
    )
    for reason in reasons:
        console.print(f"  [red]because[/] {plain(reason)}", highlight=False)
    if cc.convergence is not None and not cc.convergence.passed:
        console.print("[bold yellow]The posterior sample is not to be trusted[/] yet: see the lines above.")


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
        shown.add_row(plain(str(label)), *(_cell(str(name), value) for name, value in row.items()))
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


def _jsonable(cc: Crosscheck) -> dict[str, Any]:
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
