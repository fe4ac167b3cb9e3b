"""Common parts of all commands: exit codes, error messages, reading data, writing results."""

import shlex
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mixtures.arguments import about as asked_by
from mixtures.cli.choices import DATASETS
from mixtures.cli.stopping import STOPPED
from mixtures.cli.streams import complain, file_of, flushed
from mixtures.cli.text import TABLES, plain
from mixtures.cli.values import BAD_INPUT
from mixtures.cli.wording import in_options
from mixtures.errors import (
    CollapseError,
    ConvergenceWarning,
    DataWarning,
    IdentifiabilityWarning,
    InputError,
    NoApproximation,
    NonMonotoneError,
)
from mixtures.messages import did_you_mean, named, visible, worded
from mixtures.saving.archive import check_writable, is_stream

if TYPE_CHECKING:
    from mixtures.cli.options import Modelling
    from mixtures.families.mixture import Mixture
    from mixtures.given import Given

HOLDS, FAILS = 0, 1
"""Exit codes of a result that holds, and of one that does not or is not there."""


OF_A_FIT = {
    *("model", "kinds", "covariance", "prior", "weight_concentration"),
    *("n_init", "draws", "tune", "chains", "sampler"),
}
"""Parameters of commands that say how to fit, and have no effect on a result that is saved."""


OF_TEXT = ("separator", "decimal", "thousands", "encoding")
"""Parameters of commands that say how a text file is written."""


KEPT = {"labels": "--labels", "weights": "--weights", "index": "--id", "missing": "--missing"} | {
    name: f"--{name}" for name in OF_TEXT
}
"""Parameters of commands that a saved result keeps, for those that read rows as it did, and their options."""


def examples(*commands: str) -> str:
    """Examples at the end of a command's help, one per line."""
    return "\n".join(["", "[bold]Examples[/]", *(f"  {plain(command)}" for command in commands)])


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Exit with 2 on bad input, 1 if no fit is possible, 130 after Ctrl-C; never show a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings(), flushed():
                for told in (ConvergenceWarning, DataWarning, IdentifiabilityWarning):
                    warnings.simplefilter("ignore", told)  # notes and checks report it
                command(*args, **kwargs)
        except InputError as error:
            complain(error)
            raise typer.Exit(BAD_INPUT) from error
        except MemoryError as error:
            complain(InputError(f"not enough memory ({error}); take fewer rows, columns, clusters or draws"))
            raise typer.Exit(BAD_INPUT) from error
        except (CollapseError, NoApproximation, NonMonotoneError, OSError) as error:
            complain(error)
            raise typer.Exit(FAILS) from error
        except KeyboardInterrupt as error:
            from mixtures.cli.show import show_interrupt

            show_interrupt(error)
            raise typer.Exit(STOPPED) from error

    return wrapped


def check_outputs(seed: int | None, *inputs: str | Path | None, **files: Path | None) -> None:
    """Refuse a bad seed, and files that cannot be written or are read from, before anything is computed."""
    if seed is not None and seed < 0:
        raise InputError(f"--seed must not be negative, got {seed}")
    asked = {f"{'-' if len(name) == 1 else '--'}{name}": file for name, file in files.items() if file}
    for option, file in asked.items():
        try:
            check_writable(file)
        except InputError as error:
            raise InputError(worded(f"{option}: ", error)) from error
    read = {file_of(0 if name == "-" else name) for name in inputs if name and name not in DATASETS}
    if (out := file_of(1)) is not None and out in read:
        raise InputError("standard output goes to a file that is read from; name another file")
    taken: dict[object, str] = {}
    for option, file in asked.items():
        place = None if is_stream(file) else file_of(file)
        if place is not None and place in read:
            raise InputError(f"{option}: {named(file)} is read from; name another file")
        if place is not None and place in taken:
            raise InputError(f"{option}: {named(file)} is what {taken[place]} names; name another file")
        taken[place] = option


def about(context: typer.Context, data: str) -> dict[str, str]:
    """The origin of a result, to save with it: also how its rows were read."""
    seed = context.params.get("seed")
    told = {"data": Path(data).name, "seed": "" if seed is None else str(seed)}
    kept = {name: str(context.params[name]) for name in KEPT if context.params.get(name) is not None}
    return told | {"command": command_of(context)} | kept


def as_fitted(
    about: Mapping[str, str], typed: Mapping[str, str | None], *, quiet: bool
) -> dict[str, str | None]:
    """Options as they were typed, or else as the saved result was fitted with, which is said."""
    taken = {name: about[name] for name, value in typed.items() if value is None and name in about}
    if taken and not quiet:
        tell_as_fitted(taken)
    return {**typed, **taken}


def tell_as_fitted(taken: Mapping[str, str]) -> None:
    """Say which options are those of the saved result."""
    told = ", ".join(f"{KEPT[name]} {shlex.quote(value)}" for name, value in taken.items())
    typer.echo(visible(f"note: as the saved result was fitted: {told}"), err=True)


def command_of(context: typer.Context, name: str | None = None, without: Container[str] = ()) -> str:
    """The command, or another of that name, with the options that differ from the defaults."""
    words = ["mixtures", name or str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if value == parameter.default or value is None or value == "" or parameter.name in without:
            continue
        ways = parameter.secondary_opts if value is False else parameter.opts
        option = next((way for way in ways if way.startswith("--")), ways[0])
        words += [str(value)] if parameter.param_type_name == "argument" else [option, str(value)]
        if isinstance(value, bool):
            words.pop()
    return shlex.join(words)


FITTED_ALREADY = ": the saved result is fitted already"
"""Why options of a fit have no effect beside --from."""


def tell_unused(
    context: typer.Context, unused: Container[str] = OF_A_FIT, why: str = FITTED_ALREADY, *, quiet: bool
) -> None:
    """Name the options that were typed and have no effect, by default those of a fit beside --from."""
    own = [parameter for parameter in context.command.params if str(parameter.name) in unused]
    sources = [context.get_parameter_source(str(parameter.name)) for parameter in own]
    said = [source is not None and source.name == "COMMANDLINE" for source in sources]
    typed = [parameter.opts[0] for parameter, typed_here in zip(own, said, strict=True) if typed_here]
    if typed and not quiet:
        change = "changes" if len(typed) == 1 else "change"
        typer.echo(f"note: {', '.join(typed)} {change} nothing{why}", err=True)


def tell_notes(notes: Iterable[str], *, quiet: bool) -> None:
    """Say what a fit notes about the data and itself, on standard error: standard output may be a table."""
    for note in () if quiet else notes:
        typer.echo(visible(f"note: {in_options(note)}"), err=True)


def tell_written(quiet: bool, made: Mapping[str, Path]) -> None:
    """Name the files that were written, with their contents."""
    for what, file in made.items():
        if not quiet and not is_stream(file):
            typer.echo(visible(f"{what} written to {file}"))


def model_to_use(
    context: typer.Context,
    modelling: "Modelling",
    k: int | None,
    exposure: str | None,
    saved: Path | None,
    output: Path | None,
    *,
    quiet: bool,
) -> "tuple[Mixture | None, Given | None, Mapping[str, Any]]":
    """The model that is to be fitted, or what was saved, and the record of how it was fitted."""
    from mixtures.given import given
    from mixtures.saving.save import load, read_header

    if output is not None and output.suffix.lower() not in TABLES and not is_stream(output):
        raise InputError(f"-o {str(output)!r}: the files that can be written are {', '.join(TABLES)}")
    if (saved is None) is (k is None):
        raise InputError(
            "name either a saved result (--from FILE) or a number of clusters to fit (-k K, see select)"
        )
    if saved is None:
        assert k is not None  # one of the two was given
        return spec_of(modelling, k, exposure), None, {}
    with asked_by("--from"):
        fitted, record = given(load(saved)), read_header(saved).about
    tell_unused(context, {*OF_A_FIT, "weights"}, quiet=quiet)
    return None, fitted, record


def spec_of(modelling: "Modelling", k: int, exposure: str | None = None) -> "Mixture":
    """Specification given by the options; the kinds of columns, which go with some models, come later."""
    from mixtures.families.mixed_model import Mixed
    from mixtures.families.registry import MODELS

    model, prior, covariance = modelling.model, modelling.prior, modelling.covariance
    if model not in MODELS:
        raise InputError(f"--model {model!r} is not one of {', '.join(MODELS)}{did_you_mean(model, MODELS)}")
    if prior not in ("default", "none"):
        raise InputError(f"--prior {prior!r} is not one of default, none; other priors are stated in Python")
    options: dict[str, Any] = {
        "prior": None if prior == "none" else prior,
        "weight_concentration": modelling.weight_concentration,
    }
    if covariance is not None:
        if "covariance_type" not in {field.name for field in fields(MODELS[model])}:
            raise InputError(f"--covariance does not go with --model {model}; leave it out")
        options["covariance_type"] = covariance
    if exposure is not None:
        if "exposure" not in {field.name for field in fields(MODELS[model])}:
            raise InputError(f"--exposure goes with --model pmm or mixed, not with {model}; leave it out")
        options |= {} if MODELS[model] is Mixed else {"exposure": exposure}
    if modelling.kinds is not None and MODELS[model] is not Mixed:
        raise InputError("--kinds goes with --model mixed; leave it out")
    return replace(next(iter(MODELS[model].variants())), n_components=k, **options)
