"""Options shared by the commands."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mixtures.cli.choices import COVARIANCES, CRITERIA, DATASETS, METHODS, MODELS
from mixtures.cli.streams import complain
from mixtures.cli.values import DATA, FITTING, MODEL, NUMBER, OUTPUT, option, whole
from mixtures.errors import InputError
from mixtures.messages import worded
from mixtures.posterior.chains import SAMPLERS

__all__ = ["Modelling", "Reading", "Sampling", "with_groups", "written"]

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help=f"CSV or Parquet file, - for CSV on standard input, or {', '.join(DATASETS)}."
    ),
]

ColumnsOption = Annotated[
    str | None,
    option(DATA, metavar="NAMES", help="Columns to use, separated by commas; quote one that has a comma."),
]

ExcludeOption = Annotated[
    str | None, option(DATA, metavar="NAMES", help="Columns to leave out, separated by commas.")
]

SeparatorOption = Annotated[
    str | None,
    option(
        DATA,
        metavar="CHARACTER",
        help="Separator of cells in a text file, such as ';' or tab; by default from the suffix.",
    ),
]

HeaderOption = Annotated[
    bool | None,
    option(
        DATA,
        "--header/--no-header",
        help="Whether the first line of text names the columns. By default it must hold names only: words, "
        "not numbers, truth values or missing values. Without names columns are x0, x1, ...",
        show_default=False,
    ),
]

IndexOption = Annotated[
    str | None,
    option(
        DATA,
        "--id",
        "--index",
        metavar="COLUMN",
        help="Column of row labels, which predict carries into its table. By default a first column without "
        "a name that numbers the rows.",
    ),
]

DecimalOption = Annotated[
    str | None, option(DATA, metavar="MARK", help="Mark before decimals in a text file, such as ','.")
]

EncodingOption = Annotated[
    str | None,
    option(
        DATA, metavar="NAME", help="Encoding of a text file, such as cp1252; by default UTF-8, or as marked."
    ),
]

ThousandsOption = Annotated[
    str | None,
    option(DATA, metavar="MARK", help="Mark between thousands in a text file, such as ',', '.' or space."),
]

NumericOption = Annotated[
    bool, option(DATA, "--numeric-only", metavar="", help="Leave out columns of text and dates.")
]

RecodeOption = Annotated[
    bool,
    option(
        DATA,
        "--recode",
        metavar="",
        help="Read yes, y, true as 1 and no, n, false as 0; for a bmm, 2 as 0 in columns of 1 and 2.",
    ),
]

LogOption = Annotated[
    str | None,
    option(DATA, metavar="NAMES", help="Positive columns to take the natural logarithm of, as log(NAME)."),
]

ExposureOption = Annotated[
    str | None,
    option(
        DATA,
        metavar="COLUMN",
        help="Column of exposures, for --model pmm or mixed: rates are events per unit of it.",
    ),
]

WeightsOption = Annotated[
    str | None,
    option(
        DATA,
        metavar="COLUMN",
        help="Column of frequency weights, which is not fitted: a row of weight 2 counts as two rows.",
    ),
]

MissingOption = Annotated[
    str | None,
    option(
        DATA, metavar="integrate", help="integrate: rows may have missing cells, which are integrated out."
    ),
]

LabelsOption = Annotated[
    str | None,
    option(
        DATA,
        metavar="COLUMN",
        help="Column of known clusters: numbers from 0, or texts, which become their names (in alphabetical "
        "order, if --names lists no others); empty, -1 or unknown where the cluster is not known.",
    ),
]

ComponentsOption = Annotated[
    int | None,
    whole(
        MODEL,
        "--components",
        "-k",
        metavar="K",
        help="Number of clusters, required; select compares several.",
    ),
]

FreeComponentsOption = Annotated[
    int | None,
    whole(MODEL, "--components", "-k", metavar="K", help="Number of clusters to fit, without --from."),
]

MinOption = Annotated[int, whole(MODEL, "--min-k", metavar="K", help="Fewest clusters.")]

MaxOption = Annotated[int, whole(MODEL, "--max-k", metavar="K", help="Most clusters.")]

ModelOption = Annotated[
    str, option(MODEL, "--model", "-m", metavar="KIND", help=f"Kind of mixture: {', '.join(MODELS)}.")
]

KindsOption = Annotated[
    str | None,
    option(
        MODEL,
        metavar="NAME=KIND,...",
        help="Kinds of columns of --model mixed: gaussian, bernoulli, categorical, poisson. Those of the "
        "others are read off the data.",
    ),
]

CovarianceOption = Annotated[
    str | None,
    option(
        MODEL,
        "--covariance",
        metavar="SHAPE",
        help=f"Of the clusters of a GMM, or of Gaussian columns: {', '.join(COVARIANCES)}.",
        show_default="full",
    ),
]

PriorOption = Annotated[str, option(MODEL, metavar="default|none", help="none is maximum likelihood.")]

ConcentrationOption = Annotated[
    float, option(MODEL, parser=NUMBER, metavar="NUMBER", help="Dirichlet concentration of the weights.")
]

CriteriaOption = Annotated[
    str, option(FITTING, metavar="NAMES", help=f"Some of {', '.join(CRITERIA)}, separated by commas, or all.")
]

BlrtOption = Annotated[
    int | None,
    whole(
        FITTING,
        metavar="N",
        help="Test every K against K - 1 by the likelihood ratio in N simulated data sets.",
        show_default=False,
    ),
]

StartsOption = Annotated[int, whole(FITTING, metavar="N", help="Starts of EM, and of MAP.")]

DrawsOption = Annotated[int, whole(FITTING, metavar="N", help="Posterior draws per chain.")]

TuneOption = Annotated[int, whole(FITTING, metavar="N", help="Warm-up draws per chain.")]

ChainsOption = Annotated[int, whole(FITTING, metavar="N", help="Chains.")]

SeedOption = Annotated[int | None, whole(FITTING, metavar="N", help="Seed of everything.")]

SamplerOption = Annotated[str, option(FITTING, metavar="NAME", help=f"One of {', '.join(SAMPLERS)}.")]

UncertaintyOption = Annotated[
    str | None,
    option(
        FITTING,
        metavar="NAMES",
        help=f"Standard deviations side by side: some of {', '.join(METHODS)}, separated by commas, or all.",
    ),
]

ResamplesOption = Annotated[int, whole(FITTING, metavar="N", help="Replicates of each bootstrap.")]

FromOption = Annotated[
    Path | None, option(FITTING, "--from", metavar="FILE", help="A result that --save wrote, instead of -k.")
]

IntervalOption = Annotated[
    float, option(FITTING, parser=NUMBER, metavar="P", help="Probability of the intervals.")
]

RowsOption = Annotated[int, whole(OUTPUT, metavar="N", help="Rows of the table to print at most.")]

CsvOption = Annotated[
    Path | None, option(OUTPUT, metavar="FILE", help="Write the whole table to this CSV file.")
]

NamesOption = Annotated[
    str | None,
    option(
        OUTPUT,
        metavar="NAMES",
        help="Names of the clusters in their order, separated by commas; look at the clusters first.",
    ),
]

SaveOption = Annotated[
    Path | None, option(OUTPUT, "--save", metavar="FILE", help="Save the result to this file, for --from.")
]

OutputOption = Annotated[
    Path | None,
    option(OUTPUT, "--output", "-o", metavar="FILE", help="Write to this CSV or Parquet file instead."),
]

JsonOption = Annotated[bool, option(OUTPUT, "--json", metavar="", help="Print JSON for machines instead.")]

StrictOption = Annotated[
    bool, option(OUTPUT, "--strict", metavar="", help="Exit with 1 unless the verdict is green.")
]

VerboseOption = Annotated[
    bool, option(OUTPUT, "--verbose", "-v", metavar="", help="List every check of the sample and the model.")
]

QuietOption = Annotated[
    bool, option(OUTPUT, "--quiet", "-q", metavar="", help="No progress, and no word on files and columns.")
]


@dataclass(frozen=True)
class Reading:
    """How a table is read and made ready: one parameter of a command, and these options of its help."""

    columns: ColumnsOption = None
    exclude: ExcludeOption = None
    numeric_only: NumericOption = False
    separator: SeparatorOption = None
    decimal: DecimalOption = None
    thousands: ThousandsOption = None
    encoding: EncodingOption = None
    header: HeaderOption = None
    index: IndexOption = None
    recode: RecodeOption = False
    log: LogOption = None
    exposure: ExposureOption = None
    weights: WeightsOption = None

    @property
    def exposed(self) -> dict[str, str]:
        """The column of exposures by its option, if there is one."""
        return {} if self.exposure is None else {"--exposure": self.exposure}


@dataclass(frozen=True)
class Modelling:
    """What a model is, but for its number of clusters."""

    model: ModelOption = "gmm"
    kinds: KindsOption = None
    covariance: CovarianceOption = None
    prior: PriorOption = "default"
    weight_concentration: ConcentrationOption = 1.0


@dataclass(frozen=True)
class Sampling:
    """How a posterior is sampled, from the best of several starts of EM."""

    n_init: StartsOption = 10
    draws: DrawsOption = 1000
    tune: TuneOption = 500
    chains: ChainsOption = 4
    seed: SeedOption = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as Python's arguments."""
        own = dict(vars(self))
        return own | {"random_seed": own.pop("seed")}


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of a group of options, such as `Reading`, as options of its own.

    The command has one parameter annotated with the group, and is called with a value of it.
    """
    parameters = inspect.signature(command, eval_str=True).parameters
    kinds: dict[str, Any] = {name: each.annotation for name, each in parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    shown: list[inspect.Parameter] = []
    for name, each in parameters.items():
        own = fields(groups[name]) if name in groups else ()
        shown += [
            inspect.Parameter(f.name, each.KEYWORD_ONLY, default=f.default, annotation=f.type) for f in own
        ] or [each.replace(kind=each.KEYWORD_ONLY)]

    @wraps(command)
    def wrapped(**given: Any) -> None:
        made = {
            name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()
        }
        command(**given, **made)

    wrapped.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return wrapped


NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="A data set to print as CSV.")]


def written(**outputs: tuple[Path | None, Callable[[Path], None]]) -> dict[str, Path]:
    """Write the requested files, each even if others fail; return those that were written."""
    made = {}
    for what, (file, write) in outputs.items():
        if file is None:
            continue
        try:
            write(file)
        except (InputError, MemoryError, OSError) as error:
            complain(InputError(worded(f"the {what} is not written: ", error)))
        else:
            made[what] = file
    return made
