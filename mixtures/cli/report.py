"""``mixtures report``: a new or saved crosscheck as one HTML file."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixtures.cli.options import (
    MODEL,
    OUTPUT,
    ChainsOption,
    ConcentrationOption,
    CovarianceOption,
    CriteriaOption,
    DataArgument,
    DrawsOption,
    FreeComponentsOption,
    FromOption,
    JsonOption,
    KindsOption,
    LabelsOption,
    MissingOption,
    ModelOption,
    NamesOption,
    PriorOption,
    QuietOption,
    Reading,
    SamplerOption,
    SaveOption,
    SeedOption,
    StartsOption,
    TuneOption,
    option,
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
)
from mixtures.errors import InputError
from mixtures.messages import visible
from mixtures.saving.archive import is_stream

if TYPE_CHECKING:
    from mixtures.reporting.report import Report
    from mixtures.results.crosscheck import Crosscheck
    from mixtures.results.em import EMFit

__all__ = ["EXAMPLES", "report_command"]

EXAMPLES = examples(
    "mixtures report faithful -k 2 --seed 1 -o report.html",
    "mixtures report table.csv -k 3 --max-k 6 --save table.mix",
    "mixtures report faithful --from faithful.mix --title 'Old Faithful'",
)


PageOption = Annotated[Path, option(OUTPUT, "--output", "-o", metavar="FILE", help="The HTML file to write.")]


TitleOption = Annotated[str | None, option(OUTPUT, metavar="TEXT", help="Title of the report.")]


CompareOption = Annotated[
    int | None, option(MODEL, "--max-k", metavar="K", help="Compare 1 to so many clusters too.")
]


@reports_errors
@with_groups
def report_command(
    context: typer.Context,
    data: DataArgument = "",
    *,
    k: FreeComponentsOption = None,
    model: ModelOption = "gmm",
    kinds: KindsOption = None,
    max_k: CompareOption = None,
    covariance: CovarianceOption = None,
    prior: PriorOption = "default",
    weight_concentration: ConcentrationOption = 1.0,
    reading: Reading,
    missing: MissingOption = None,
    labels: LabelsOption = None,
    saved: FromOption = None,
    n_init: StartsOption = 10,
    draws: DrawsOption = 1000,
    tune: TuneOption = 500,
    chains: ChainsOption = 4,
    seed: SeedOption = None,
    sampler: SamplerOption = "blackjax",
    criteria: CriteriaOption = "aic,bic,icl",
    output: PageOption = Path("report.html"),
    title: TitleOption = None,
    names: NamesOption = None,
    save_as: SaveOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the posterior uncertainty report: one HTML file to send to a colleague.

    With -k the model is crosschecked first; with --from the report is of a saved
    crosscheck, with its data if they are given. Exits with 0 if the certificate
    holds, 1 if not, 2 on bad input.
    """
    from mixtures.agreement.crosscheck import crosscheck
    from mixtures.clusters.prediction import select_features
    from mixtures.given import given
    from mixtures.results.crosscheck import Crosscheck
    from mixtures.saving.netcdf import require_netcdf
    from mixtures.saving.save import check_labels, load, read_header, save
    from mixtures.selection.select import check_comparison, select

    check_outputs(seed, data, saved, o=output, save=save_as)
    if (saved is None) is (k is None):
        raise InputError("name either a saved crosscheck (--from FILE) or a number of clusters to fit (-k K)")
    if output.suffix.lower() not in (".html", ".htm") and not is_stream(output):
        raise InputError(f"-o {str(output)!r}: a report is an HTML file, such as report.html")
    if not data and saved is None:
        raise InputError("name the data to fit: a CSV or Parquet file, - or a built-in name")
    if saved is not None and (max_k is not None or save_as is not None):
        raise InputError("--max-k and --save go with -k: what is saved is fitted already")
    called = None if k is None else names_of(names, k)
    if max_k is not None and max_k < 1:
        raise InputError(f"--max-k must be at least 1, got {max_k}")
    if save_as is not None:
        require_netcdf()
    cc: Any
    saved_as, result = (None, None) if saved is None else (read_header(saved), load(saved))
    if saved_as is not None and not isinstance(result, Crosscheck):
        raise InputError(
            f"{saved} holds a result of type {saved_as.kind}; a report is of what crosscheck --save wrote"
        )
    if isinstance(result, Crosscheck) and names is not None:
        if result.mode.spec is None:
            raise InputError("--names goes with a model of this package, not one of your own; leave it out")
        called = names_of(names, result.mode.spec.n_components)
    spec = (
        None
        if k is None
        else spec_of(model, k, covariance, prior, weight_concentration, kinds, reading.exposure)
    )
    fitted = None if result is None else given(result)
    if result is not None:
        tell_unused(context, quiet=quiet or as_json)
    frame = of_rows = None
    if data:
        how: dict[str, Any] = {"spec": spec, "fitted": fitted, "labels": labels, "quiet": quiet or as_json}
        frame, of_rows = read_rows(data, reading, **how)
        spec = (
            None if spec is None else with_kinds(spec, frame, kinds, reading.exposure, quiet=quiet or as_json)
        )
    elif labels is not None:
        raise InputError("--labels names a column of the data: name the data too")
    told = about(context, data, seed)
    shown = not (quiet or as_json)
    selection, made = None, {}
    if save_as is not None and frame is not None and spec is not None:
        check_labels(spec.table(frame, None, missing).obs_id)
    if saved_as is not None:
        cc = result
        typed = [saved_as.about["command"]] if "command" in saved_as.about else []
        told = {"command": "\n".join([*typed, told["command"]])} | ({"data": told["data"]} if data else {})
        if frame is not None and fitted is not None:
            frame, _ = select_features(frame, fitted.features)
    else:
        assert k is not None  # one of the two was given
        assert spec is not None
        sampling: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains, "random_seed": seed}
        rows: dict[str, Any] = {"missing": missing, "labels": of_rows}
        common: dict[str, Any] = {"n_init": n_init, "progressbar": shown, **rows, **sampling}
        checked: dict[str, Any] = {"sampler": sampler, "names": called, **common}
        asked = "all" if criteria == "all" else [name.strip() for name in criteria.split(",")]
        if max_k is not None:
            check_comparison(spec, frame, asked, draws, **rows)
        cc = crosscheck(spec, frame, **checked)
        if max_k is not None:
            compared: dict[str, Any] = {"criteria": asked, **common}
            ks = range(1, max_k + 1)
            selection = select(spec, frame, ks, fits=known(cc), **compared)
            if selection.contradicts(cc.em):  # the same best fit everywhere
                cc = crosscheck(spec, frame, start=selection.fits[k].params, **checked)
                if selection.contradicts(cc.em):
                    selection = select(spec, frame, ks, fits=known(cc), **compared)
        made = written(result=(save_as, partial(save, cc, X=frame, labels=of_rows, about=told)))
    from mixtures.reporting.report import report  # PyMC and JAX, only now

    page = report(
        cc,
        frame,
        missing=missing,
        labels=of_rows,
        names=called,
        title=title,
        selection=selection,
        header=saved_as,
        about=told,
        progressbar=shown,
    )
    made |= written(report=(output, page.save))
    _show(page, output if "report" in made else None, as_json, quiet)
    complete = "report" in made and (save_as is None or "result" in made)
    raise typer.Exit(STOPPED if cc.interrupted else HOLDS if complete and cc.passed else FAILS)


def known(cc: "Crosscheck") -> "dict[int, EMFit]":
    """Return the fit of a crosscheck by its number of clusters."""
    return {} if cc.em is None else {cc.em.spec.n_components: cc.em}


def _show(page: "Report", output: Path | None, as_json: bool, quiet: bool) -> None:
    verdict = page.headline
    if as_json:
        told = {"title": page.title, "state": verdict.state.name.lower(), "verdict": verdict.title}
        lists = {
            "reasons": list(verdict.reasons),
            "remarks": list(verdict.remarks),
            "path": output and str(output),
        }
        typer.echo(json.dumps(told | lists, indent=2))
    elif not quiet:
        for line in (verdict.title, *(f"  {reason}" for reason in verdict.reasons)):
            typer.echo(visible(line))
        if output is not None and not is_stream(output):
            typer.echo(visible(f"The report is in {output}"))
