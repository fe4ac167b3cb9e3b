"""What the commands share: their options, the data and model that these name, and how errors end."""

import os
import warnings
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from mixtures import datasets
from mixtures.data import InputError, did_you_mean
from mixtures.emfit import CollapseError, NonMonotoneError
from mixtures.families import IdentifiabilityWarning, Mixture
from mixtures.files import choose_columns, read_stream, read_table
from mixtures.printing import console, plain
from mixtures.recommendation import CRITERIA
from mixtures.sampling import SAMPLERS
from mixtures.standard_errors import METHODS
from mixtures.wording import named

HOLDS, FAILS, BAD_INPUT = 0, 1, 2
"""Exit codes."""

MODELS: dict[str, type[Mixture]] = {model.__name__.lower(): model for model in Mixture.__subclasses__()}

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help=f"CSV or Parquet file, - for CSV on standard input, or {', '.join(datasets.NAMES)}.",
    ),
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
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Save the result to this file; predict --from reads it.")
]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="A saved result: crosscheck --save FILE, or mixtures.save.")
]
FreeComponentsOption = Annotated[
    int | None, typer.Option("--components", "-k", help="Number of clusters K, to fit by EM without --from.")
]
IntervalOption = Annotated[float, typer.Option(help="Probability of the intervals.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this CSV or Parquet file instead.")
]
NameArgument = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A data set to print as CSV.")]
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
        except MemoryError as error:
            _complain(InputError(f"not enough memory ({error}); take fewer rows, columns, clusters or draws"))
            raise typer.Exit(BAD_INPUT) from error
        except (CollapseError, NonMonotoneError) as error:
            _complain(error)
            raise typer.Exit(FAILS) from error

    return wrapped


def check_outputs(seed: int | None, **files: Path | None) -> None:
    """Refuse a bad seed, and files that cannot be written, before anything is computed."""
    if seed is not None and seed < 0:
        raise InputError(f"--seed must not be negative, got {seed}")
    for option, file in files.items():
        if file is None:
            continue
        dashes, folder = "-" if len(option) == 1 else "--", str(file.parent)
        if not os.path.isdir(folder):
            raise InputError(f"{dashes}{option}: there is no folder {folder!r}")
        if os.path.isdir(file):
            raise InputError(f"{dashes}{option}: {str(file)!r} is a folder; name a file in it")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{dashes}{option}: the folder {folder!r} cannot be written to")


def spec_of(model: str, k: int, covariance: str | None, prior: str, weight_concentration: float) -> Mixture:
    """Specification that the options ask for."""
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


def load_frame(data: str, columns: str | None, exclude: str | None) -> pd.DataFrame:
    """Data by name, from a file or from standard input, and of them the columns asked for."""
    keep, drop = (
        None if names is None else [n.strip() for n in names.split(",")] for names in (columns, exclude)
    )
    if data not in datasets.NAMES and data != "-":
        if not os.path.exists(data) and not Path(data).suffix:
            raise InputError(f"no file and no data set {named(data)}{did_you_mean(data, datasets.NAMES)}")
        return read_table(data, keep, drop or ())
    table = (
        read_stream(typer.get_binary_stream("stdin"), "standard input")
        if data == "-"
        else datasets.load(data)
    )
    return table[choose_columns(list(table.columns), keep, drop or ())]


def _complain(error: Exception) -> None:
    console(stderr=True).print(f"[bold red]error:[/] {plain(str(error))}", soft_wrap=True)
