"""``mixtures report``: a new or saved crosscheck as one HTML file."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixtures.arguments import about as asked_by
from mixtures.cli.labels import with_texts
from mixtures.cli.options import (
    CriteriaOption,
    DataArgument,
    FreeComponentsOption,
    FromOption,
    JsonOption,
    LabelsOption,
    MissingOption,
    Modelling,
    NamesOption,
    QuietOption,
    Reading,
    SamplerOption,
    Sampling,
    SaveOption,
    with_groups,
    written,
)
from mixtures.cli.rows import names_of, read_as_fitted, read_rows, with_kinds
from mixtures.cli.running import (
    FAILS,
    HOLDS,
    STOPPED,
    about,
    as_fitted,
    check_outputs,
    examples,
    reports_errors,
    spec_of,
    tell_notes,
    tell_unused,
)
from mixtures.cli.values import MODEL, OUTPUT, option, whole
from mixtures.cli.wording import as_typed, in_options
from mixtures.errors import InputError
from mixtures.messages import visible
from mixtures.saving.archive import is_stream

if TYPE_CHECKING:
    from mixtures.families.mixture import Mixture
    from mixtures.reporting.report import Report
    from mixtures.results.crosscheck import Crosscheck
    from mixtures.results.selection import Selection
    from mixtures.saving.save import Header

__all__ = ["EXAMPLES", "report_command"]

EXAMPLES = examples(
    "mixtures report faithful -k 2 --seed 1 -o report.html",
    "mixtures report table.csv -k 3 --max-k 6 --save table.mix",
    "mixtures report faithful --from faithful.mix --title 'Old Faithful'",
)


PageOption = Annotated[Path, option(OUTPUT, "--output", "-o", metavar="FILE", help="The HTML file to write.")]


BriefOption = Annotated[
    bool, option(OUTPUT, "--brief", help="Write only what fits on a printed page: verdict and clusters.")
]


TitleOption = Annotated[str | None, option(OUTPUT, metavar="TEXT", help="Title of the report.")]


CompareOption = Annotated[
    int | None, whole(MODEL, "--max-k", metavar="K", help="Compare 1 to so many clusters too.")
]


@reports_errors
@with_groups
def report_command(
    context: typer.Context,
    data: DataArgument = "",
    *,
    k: FreeComponentsOption = None,
    max_k: CompareOption = None,
    modelling: Modelling,
    reading: Reading,
    missing: MissingOption = None,
    labels: LabelsOption = None,
    saved: FromOption = None,
    sampling: Sampling,
    sampler: SamplerOption = "blackjax",
    criteria: CriteriaOption = "aic,bic,icl",
    output: PageOption = Path("report.html"),
    title: TitleOption = None,
    brief: BriefOption = False,
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
    from mixtures.clusters.prediction import select_features
    from mixtures.given import given
    from mixtures.saving.netcdf import require_netcdf
    from mixtures.saving.save import check_labels, save
    from mixtures.selection.checking import check_comparison

    check_outputs(sampling.seed, data, saved, o=output, save=save_as)
    of_data = {"--labels": labels, "--weights": reading.weights}
    _check_asked(data, k, saved, of_data, output, save_as, max_k)
    if save_as is not None:
        require_netcdf()
    shown, told = not (quiet or as_json), about(context, data)
    if max_k is None:
        tell_unused(context, {"criteria"}, " without --max-k", quiet=not shown)
    header, selection, made = None, None, {}
    beside: dict[str, Any] = {}
    if k is None:
        assert saved is not None  # one of the two was given
        header, cc, called = _loaded(saved, names)
        tell_unused(context, quiet=not shown)
        first = [header.about["command"]] if "command" in header.about else []
        told = {"command": "\n".join([*first, told["command"]])} | ({"data": told["data"]} if data else {})
        frame = None
        if data:
            fitted = given(cc)
            typed = {"labels": labels, "weights": reading.weights, "missing": missing}
            how = as_fitted(header.about, typed, quiet=not shown)
            reading = replace(reading, weights=how["weights"])
            options: dict[str, Any] = {"fitted": fitted, "labels": how["labels"], "names": called}
            rows_read = read_as_fitted(data, reading, header.about, quiet=not shown, **options)
            missing = how["missing"]
            frame, _ = select_features(rows_read.frame, fitted.features)
            beside = {"weights": rows_read.weights, "labels": rows_read.labels}
    else:
        called = names_of(names, k)
        spec = spec_of(modelling, k, reading.exposure)
        rows_read = read_rows(data, reading, spec=spec, labels=labels, names=called, quiet=not shown)
        called, told = rows_read.names, with_texts(told, rows_read.texts)
        frame, beside = rows_read.frame, {"weights": rows_read.weights, "labels": rows_read.labels}
        spec = with_kinds(spec, frame, modelling.kinds, reading.exposure, quiet=not shown)
        if save_as is not None:
            check_labels(spec.table(frame, None, missing).obs_id)
        asked = [name.strip() for name in criteria.split(",")]
        if max_k is not None:
            check_comparison(spec, frame, asked, sampling.draws, missing=missing, **beside)
        common: dict[str, Any] = {"missing": missing, **beside, **sampling.arguments, "progressbar": shown}
        cc, selection = _computed(spec, frame, max_k, asked, {"sampler": sampler, "names": called}, common)
        made = written(result=(save_as, partial(save, cc, X=frame, **beside, about=told)))
    from mixtures.reporting.report import report  # PyMC and JAX, only now

    page = report(
        cc,
        frame,
        missing=missing,
        **beside,
        names=called,
        title=title,
        selection=selection,
        brief=brief,
        header=header,
        about=told,
        wording=in_options,
        progressbar=shown,
    )
    made |= written(report=(output, page.save))
    _show(page, output if "report" in made else None, as_json, quiet)
    if k is not None and cc.em is not None:
        said = " ".join((*page.headline.reasons, *page.headline.remarks)).casefold()
        tell_notes((note for note in cc.em.notes if note.casefold() not in said), quiet=not shown)
    complete = "report" in made and (save_as is None or "result" in made)
    raise typer.Exit(STOPPED if cc.interrupted else HOLDS if complete and cc.passed else FAILS)


def _check_asked(
    data: str,
    k: int | None,
    saved: Path | None,
    beside: dict[str, str | None],
    output: Path,
    save_as: Path | None,
    max_k: int | None,
) -> None:
    """Refuse options that do not go together, before anything is read."""
    if (saved is None) is (k is None):
        raise InputError(
            "name either a saved crosscheck (--from FILE) or a number of clusters to fit (-k K, see select)"
        )
    if output.suffix.lower() not in (".html", ".htm") and not is_stream(output):
        raise InputError(f"-o {str(output)!r}: a report is an HTML file, such as report.html")
    if not data and saved is None:
        raise InputError("name the data to fit: a CSV or Parquet file, - or a built-in name")
    for flag, name in beside.items():
        if not data and name is not None:
            raise InputError(f"{flag} names a column of the data: name the data too")
    if saved is not None and (max_k is not None or save_as is not None):
        raise InputError("--max-k and --save go with -k: what is saved is fitted already")
    if max_k is not None and max_k < 1:
        raise InputError(f"--max-k must be at least 1, got {max_k}")


def _loaded(file: Path, names: str | None) -> "tuple[Header, Crosscheck, tuple[str, ...] | None]":
    """What a file records, the crosscheck in it, and the names that an option gives its clusters."""
    from mixtures.results.crosscheck import Crosscheck
    from mixtures.saving.save import load, read_header

    with asked_by("--from"):
        header, cc = read_header(file), load(file)
    if not isinstance(cc, Crosscheck):
        raise InputError(
            f"{file} holds a result of type {header.kind}; a report is of what crosscheck --save wrote"
        )
    k = cc.n_clusters
    if k is None and names is not None:
        raise InputError("--names: no mixture was found in the model of the saved result; leave it out")
    return header, cc, None if k is None else names_of(names, k)


def _computed(
    spec: "Mixture",
    frame: Any,
    max_k: int | None,
    criteria: list[str],
    alone: dict[str, Any],
    common: dict[str, Any],
) -> "tuple[Crosscheck, Selection | None]":
    """Crosscheck a model and, if asked, compare numbers of clusters, both with the same best fit of it."""
    from mixtures.agreement.crosscheck import crosscheck
    from mixtures.selection.select import select

    cc = crosscheck(spec, frame, **alone, **common)
    if max_k is None:
        return cc, None

    def compared() -> "Selection":
        known = {} if cc.em is None else {spec.n_components: cc.em}
        return select(spec, frame, range(1, max_k + 1), fits=known, criteria=criteria, **common)

    selection = compared()
    if selection.contradicts(cc.em):
        start = selection.fits[spec.n_components].params
        cc = crosscheck(spec, frame, start=start, **alone, **common)
        if selection.contradicts(cc.em):
            selection = compared()
    return cc, selection


def _show(page: "Report", output: Path | None, as_json: bool, quiet: bool) -> None:
    verdict = page.headline
    if as_json:
        told = {"title": page.title, "state": verdict.state.name.lower(), "verdict": verdict.title}
        lists = {
            "reasons": list(verdict.reasons),
            "remarks": list(verdict.remarks),
            "path": output and str(output),
        }
        typer.echo(json.dumps(as_typed(told | lists), indent=2))
        return
    reasons = (f"  {in_options(reason)}" for reason in verdict.reasons)
    remarks = (f"  note: {in_options(remark)}" for remark in verdict.remarks)
    for line in (verdict.title, *reasons, *(() if quiet else remarks)):
        typer.echo(visible(line), err=output is not None and is_stream(output))
    if not (quiet or output is None or is_stream(output)):
        typer.echo(visible(f"The report is in {output}"))
