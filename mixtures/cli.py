"""The command line: ``mixtures crosscheck``, ``select``, ``predict``, ``datasets`` and ``demo``."""

import json
from dataclasses import asdict

import typer
from rich.console import Console

from mixtures import datasets
from mixtures.agreement import crosscheck
from mixtures.data import InputError
from mixtures.em import fit_em
from mixtures.interrupts import whole
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
    CriteriaOption,
    CsvOption,
    DataArgument,
    DrawsOption,
    ExcludeOption,
    FreeComponentsOption,
    FromOption,
    IntervalOption,
    JsonOption,
    MaxOption,
    MinOption,
    ModelOption,
    NameArgument,
    OutputOption,
    PriorOption,
    QuietOption,
    ResamplesOption,
    RowsOption,
    SamplerOption,
    SaveOption,
    SeedOption,
    StartsOption,
    TuneOption,
    UncertaintyOption,
    check_outputs,
    load_frame,
    reports_errors,
    spec_of,
)
from mixtures.prediction import fitted_in, prediction_table, select_features
from mixtures.printing import (
    TABLES,
    crosscheck_as_json,
    finite,
    plain,
    ruled_table,
    selection_as_json,
    show_crosscheck,
    show_selection,
    spreadsheet_safe,
    write_table,
)
from mixtures.saving import load, save
from mixtures.selection import select

__all__ = ["main"]

app = typer.Typer(
    name="mixtures",
    help="Finite mixtures: EM, MAP and posterior of one model, side by side.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    save_as: SaveOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit by EM, MAP and posterior sampling, and certify that they agree.

    Exits with 0 if the certificate holds, 1 if not, 2 on bad input, 130 after Ctrl-C: what was computed
    by then is shown, and saved if a posterior sample is part of it.

    Example: mixtures crosscheck faithful --model gmm -k 2 --save faithful.mix
    """
    spec = spec_of(model, k, covariance, prior, weight_concentration)
    check_outputs(seed, csv=csv, save=save_as)
    if save_as is not None:
        require_netcdf()
    frame = load_frame(data, columns, exclude)
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
    if csv is not None:
        write_table(cc.table, csv)
    if save_as is not None:
        save(cc, save_as, X=frame, about={"data": data, "seed": "" if seed is None else str(seed)})
    if as_json:
        typer.echo(json.dumps(crosscheck_as_json(cc), indent=2, allow_nan=False))
    else:
        show_crosscheck(cc, rows)
    raise typer.Exit(STOPPED if cc.interrupted else HOLDS if cc.passed else FAILS)


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

    Exits with 0 if there is a recommendation, 1 if nothing could be fitted, 2 on bad input, 130 after
    Ctrl-C: what was fitted by then is shown.

    Example: mixtures select faithful --model gmm --max-k 6 --criteria all
    """
    spec = spec_of(model, 1, covariance, prior, weight_concentration)
    check_outputs(seed, csv=csv)
    if not 1 <= min_k <= max_k:
        raise InputError(f"--min-k must be at least 1 and --max-k not below it, got {min_k} and {max_k}")
    selection = select(
        spec,
        load_frame(data, columns, exclude),
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
        write_table(selection.table, csv)
    if as_json:
        typer.echo(json.dumps(selection_as_json(selection), indent=2, allow_nan=False))
    else:
        show_selection(selection)
    if selection.interrupted:
        raise typer.Exit(STOPPED)
    raise typer.Exit(HOLDS if selection.recommended is not None else FAILS)


@app.command(name="predict")
@reports_errors
def predict_command(
    data: DataArgument,
    saved: FromOption = None,
    k: FreeComponentsOption = None,
    model: ModelOption = "gmm",
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    columns: ColumnsOption = None,
    exclude: ExcludeOption = None,
    n_init: StartsOption = 10,
    seed: SeedOption = None,
    ci_prob: IntervalOption = 0.95,
    output: OutputOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say to which cluster every row belongs, and how sure that is.

    With --from, by a saved result: from its posterior sample, where it has one, with intervals.
    With -k, by EM fitted to these rows. Without -o the table is printed as CSV. Exits with 2 on bad input.

    Example: mixtures predict new.csv --from faithful.mix -o clusters.csv
    """
    check_outputs(seed, o=output)
    if output is not None and output.suffix.lower() not in TABLES:
        raise InputError(f"-o {str(output)!r}: the files that can be written are {', '.join(TABLES)}")
    if (saved is None) is (k is None):
        raise InputError("name either a saved result (--from FILE) or a number of clusters to fit (-k K)")
    frame = load_frame(data, columns, exclude)
    progress = output is not None and not (quiet or as_json)  # it would be drawn into the table
    if saved is not None:
        fitted = fitted_in(load(saved))
        frame, ignored = select_features(frame, fitted.features)
        if ignored and not quiet:
            typer.echo(f"note: columns that were not fitted are left out: {', '.join(ignored)}", err=True)
    elif k is not None:
        spec = spec_of(model, k, covariance, prior, weight_concentration)
        em = whole(fit_em(spec, frame, n_init=n_init, random_seed=seed, progressbar=progress))
        fitted = fitted_in(em)
    table = prediction_table(fitted, frame, ci_prob=ci_prob, progressbar=progress)
    if output is not None:
        write_table(table, output)
    if as_json:
        rows = table.reset_index().to_dict("records")
        typer.echo(json.dumps([finite(row) for row in rows], indent=2, allow_nan=False, default=str))
    elif output is None:
        typer.echo(spreadsheet_safe(table).to_csv(), nl=False)
    elif not quiet:
        typer.echo(f"{len(table)} rows written to {output}")


@app.command(name="datasets")
@reports_errors
def datasets_command(name: NameArgument = None, as_json: JsonOption = False) -> None:
    """List the built-in data sets, or print one of them as CSV.

    Example: mixtures datasets iris > iris.csv
    """
    if name is not None:
        frame = datasets.load(name)
        typer.echo(
            frame.to_json(orient="records", indent=2) if as_json else frame.to_csv(index=False), nl=as_json
        )
        return
    listed = [datasets.describe(each) for each in datasets.NAMES]
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in listed], indent=2))
        return
    shown = ruled_table("Built-in data sets")
    for column, justify in (("name", "left"), ("rows", "right"), ("columns", "right"), ("what", "left")):
        shown.add_column(column, justify=justify)  # type: ignore[arg-type]
    for each in listed:
        what = f"{each.summary}\n[dim]{plain(each.source)}[/]"
        shown.add_row(each.name, str(each.n_rows), str(each.n_columns), what)
    Console().print(shown, highlight=False)


@app.command()
@reports_errors
def demo(seed: SeedOption = 1, draws: DrawsOption = 1000, quiet: QuietOption = False) -> None:
    """Crosscheck Old Faithful (a GMM with two clusters) and handwritten digits (a BMM with ten).

    Example: mixtures demo --seed 1
    """
    holds = True
    for name, model, k in (("faithful", "gmm", 2), ("digits", "bmm", 10)):
        Console().rule(f"mixtures crosscheck {name} --model {model} -k {k} --seed {seed}")
        cc = crosscheck(
            MODELS[model](k), datasets.load(name), draws=draws, random_seed=seed, progressbar=not quiet
        )
        show_crosscheck(cc, rows=20)
        if cc.interrupted:
            raise typer.Exit(STOPPED)
        holds &= cc.passed
    raise typer.Exit(HOLDS if holds else FAILS)


def main() -> None:
    """Run the command line."""
    app()
