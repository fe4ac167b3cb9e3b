"""Rows for the commands: data read by name, from a file or a stream, and made ready for a model."""

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mixtures.arguments import about, check_names
from mixtures.cli.choices import DATASETS
from mixtures.cli.labels import as_numbers, called_by, numbering_of, texts_of
from mixtures.cli.options import Modelling, Reading
from mixtures.cli.running import OF_TEXT, tell_as_fitted, tell_notes
from mixtures.cli.streams import standard_input
from mixtures.errors import InputError
from mixtures.messages import did_you_mean, named, visible

if TYPE_CHECKING:
    import pandas as pd

    from mixtures.data.preparation import Preparation
    from mixtures.families.mixture import Mixture
    from mixtures.given import Given

__all__ = [
    "Loaded",
    "fit_now",
    "load_frame",
    "load_rows",
    "names_in",
    "names_of",
    "preparation_of",
    "read_as_fitted",
    "read_rows",
    "with_kinds",
]

MARKS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "point": "."}
"""Names of marks that are hard to type in a shell."""


@dataclass(frozen=True)
class Piped:
    """What came out of a pipe, which can be read once only, and the suffix of its name."""

    name: str
    content: bytes
    suffix: str = ".csv"


def _piped(data: str) -> Piped:
    from mixtures.data.files import content_of, opened

    with standard_input() if data == "-" else opened(data) as stream:
        name = "standard input" if data == "-" else data
        return Piped(name, content_of(stream, name), Path(data).suffix.lower() or ".csv")


def load_frame(
    data: str | Piped, reading: Reading, beside: Mapping[str, str] | None = None
) -> "pd.DataFrame":
    """Load data by name, from a file or from standard input, and select the requested columns.

    Columns that options such as --weights name come too, if --columns does not have them.
    """
    from mixtures.data.files import NoColumn

    beside = {**(beside or {}), **reading.exposed}
    try:
        frame = _loaded(data, reading, _asked(reading, beside))
    except NoColumn as error:
        asked_by = next((option for option, name in beside.items() if name == error.name), None)
        if asked_by is None:
            raise
        raise NoColumn(asked_by, error.name, error.available) from error
    _check_there(frame, beside)
    return frame


def _asked(reading: Reading, beside: Mapping[str, str]) -> list[str] | None:
    """Columns that --columns names, with those beside them; None if it names none."""
    if reading.columns is None:
        return None
    names = names_in(reading.columns)
    return names + [name for name in beside.values() if name not in names]


def _check_there(frame: "pd.DataFrame", beside: Mapping[str, str]) -> None:
    from mixtures.data.files import NoColumn

    there = list(map(str, frame.columns))
    for option, name in beside.items():
        if name not in there:
            raise NoColumn(option, name, there)


def _loaded(data: str | Piped, reading: Reading, keep: list[str] | None) -> "pd.DataFrame":
    from mixtures.data.datasets import load
    from mixtures.data.files import check_reading, choose_columns, read_stream, read_table
    from mixtures.data.numerals import Numerals

    drop = None if reading.exclude is None else names_in(reading.exclude)
    marks = (reading.separator, reading.decimal, reading.thousands)
    separator, decimal, thousands = (None if mark is None else MARKS.get(mark, mark) for mark in marks)
    numerals = Numerals(decimal or ".", thousands)
    how: dict[str, Any] = {"separator": separator, "header": reading.header, "index": reading.index}
    how |= {"numerals": numerals, "encoding": reading.encoding}
    if data in DATASETS:
        header = "--no-header" if reading.header is False else "--header"
        told = {"--separator": separator, header: reading.header, "--id": reading.index}
        told |= {"--decimal": decimal, "--thousands": thousands, "--encoding": reading.encoding}
        for name, value in told.items():
            if value is not None:
                raise InputError(f"{name} does not go with the data set {data!r}; leave it out")
        table = load(data)
    elif isinstance(data, Piped) or data == "-":
        check_reading(reading.header, reading.index, keep, drop or ())
        piped = data if isinstance(data, Piped) else _piped(data)
        table = read_stream(BytesIO(piped.content), piped.name, piped.suffix, **how)
    else:
        if not os.path.exists(data) and not Path(data).suffix:
            raise InputError(f"no file and no data set {named(data)}{did_you_mean(data, DATASETS)}")
        return read_table(data, keep, drop or (), **how)
    return table[choose_columns(list(table.columns), keep, drop or ())]


@dataclass(frozen=True, eq=False)
class Loaded:
    """Columns to fit, and those of the same table that stand beside them: known labels and weights.

    The table as it was read has all of its columns if it was asked for whole. The clusters may have names:
    those that were given, or else the texts of the labels, which are numbers once rows are ready.
    """

    frame: "pd.DataFrame"
    labels: "pd.Series | None" = None
    weights: "pd.Series | None" = None
    table: "pd.DataFrame | None" = None
    names: tuple[str, ...] | None = None
    texts: tuple[str, ...] = ()


def load_rows(
    data: str | Piped, reading: Reading, labels: str | None = None, *, whole: bool = False
) -> Loaded:
    """Load data as `load_frame` does, and set aside the columns of known labels and of weights."""
    from mixtures.data.files import choose_columns

    asked = {"--labels": labels, "--weights": reading.weights}
    beside = {option: name for option, name in asked.items() if name is not None}
    _refuse_two_uses(beside | {"--exposure": reading.exposure, "--id": reading.index})
    table = load_frame(data, replace(reading, columns=None, exclude=None) if whole else reading, beside)
    frame = table
    if whole:
        asked_for = _asked(reading, beside | reading.exposed)
        frame = table[choose_columns(list(table.columns), asked_for, names_in(reading.exclude))]
        _check_there(frame, beside)
    if not len(frame.columns):
        raise InputError(f"{'--columns' if reading.exclude is None else '--exclude'} leaves no column to fit")
    rest = frame.drop(columns=[*beside.values()])
    if beside and not len(rest.columns):
        name = "names" if len(beside) == 1 else "name"
        raise InputError(f"{' and '.join(beside)} {name} the only columns; there are none to fit")
    known, weights = (frame[beside[option]] if option in beside else None for option in asked)
    return Loaded(rest, known, weights, table)


def _refuse_two_uses(columns: Mapping[str, str | None]) -> None:
    """Refuse a column that two options name, each for a use of its own."""
    taken: dict[str, str] = {}
    for option, name in columns.items():
        if name in taken:
            raise InputError(
                f"{taken[name]} and {option} both name {named(name)}; they are different columns"
            )
        if name is not None:
            taken[name] = option


def read_rows(
    data: str | Piped,
    reading: Reading,
    *,
    spec: "Mixture | None" = None,
    fitted: "Given | None" = None,
    labels: str | None = None,
    names: tuple[str, ...] | None = None,
    kept: Mapping[str, str] | None = None,
    whole: bool = False,
    quiet: bool = False,
) -> Loaded:
    """Rows ready for a model, or for a fit that is there, with known labels and weights.

    Labels that are texts become numbers: of a fit, those in what it keeps, else in alphabetical order. What
    was done to the rows is said on standard error.
    """
    if fitted is not None and reading.exposure is not None:
        raise InputError("--exposure goes with -k: the model of a saved result knows its own; leave it out")
    from mixtures.cli.hints import told_of_fits

    loaded = load_rows(data, reading, labels, whole=whole)
    frame = loaded.frame
    how = preparation_of(reading, spec if fitted is None else fitted.spec)
    found = how.of(frame) if fitted is None else how.like(frame, fitted.features, fitted.levels_by_feature)
    model = spec if fitted is None else fitted.spec
    assert model is not None  # one of the two was given
    texts, said, known = texts_of(kept or {}), [], _counted(loaded)
    if known is not None and fitted is not None:
        known, _ = as_numbers(known, None, names, (texts, fitted.names))
    elif known is not None:
        known, texts = as_numbers(known, model.n_components, names)
        said = [numbering_of(texts, names)] if texts else []
    if names is None and (fitted is None or fitted.names is None):
        names = called_by(texts, model.n_components)
    for note in () if quiet else (*said, *found.notes, *told_of_fits(frame)):
        typer.echo(visible(f"note: {note}"), err=True)
    return replace(loaded, frame=found.frame, labels=known, names=names, texts=texts)


def _counted(loaded: Loaded) -> "pd.Series | None":
    """Known labels, those of text without rows of weight 0, which say nothing of a cluster."""
    import pandas as pd

    known, weights = loaded.labels, loaded.weights
    if known is None or weights is None or known.dtype.kind in "biuf":
        return known
    return known.astype(object).where(pd.to_numeric(weights, errors="coerce") != 0)


def read_as_fitted(
    data: str, reading: Reading, kept: Mapping[str, str], *, quiet: bool = False, **options: Any
) -> Loaded:
    """Rows for a saved result as `read_rows`, with what it keeps: marks of text files, and its row labels.

    Rows that cannot be read so are read without these.
    """
    from mixtures.data.files import is_pipe
    from mixtures.data.textfiles import SEPARATORS

    of_text = data not in DATASETS and Path(data).suffix.lower() in ("", *SEPARATORS)
    names = [*(OF_TEXT if of_text else ()), "index"]
    taken: dict[str, Any] = {
        name: kept[name] for name in names if name in kept and getattr(reading, name) is None
    }
    marks = {name: value for name, value in taken.items() if name != "index"}
    index = {name: value for name, value in taken.items() if name == "index"}
    once = bool(taken) and (data == "-" or (is_pipe(Path(data)) and of_text))
    source, failed = _piped(data) if once else data, None
    tries = (taken, marks, index, {}) if marks and index else (taken, {}) if taken else ({},)
    for own in chain.from_iterable(_by_encoding(each) for each in tries):
        try:
            loaded = read_rows(source, replace(reading, **own), kept=kept, quiet=quiet, **options)
        except InputError as error:
            failed = error if own == marks else failed
            continue
        if own and not quiet:
            tell_as_fitted(own)
        return loaded
    assert failed is not None  # without row labels
    raise failed


def _by_encoding(taken: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The same, but first as UTF-8: text in another encoding is hardly ever valid UTF-8."""
    return [{k: v for k, v in taken.items() if k != "encoding"}, taken] if "encoding" in taken else [taken]


def with_kinds(
    spec: "Mixture", frame: "pd.DataFrame", kinds: str | None, exposure: str | None, *, quiet: bool
) -> "Mixture":
    """The model with the kinds of its columns, if it has columns of several; says which it took for what."""
    from mixtures.data.columns import codes_among, examine
    from mixtures.families.kinds import check_kinds, kinds_of
    from mixtures.families.mixed_model import Mixed

    if not isinstance(spec, Mixed):
        return spec
    stated = dict(_kind_of(each) for each in names_in(kinds))
    fitted = frame.drop(columns=exposure or [])
    with about("--kinds"):
        check_kinds(list(map(str, fitted.columns)), stated)
    blocks: dict[str, Any] = dict(kinds_of(fitted, codes_among(examine(fitted)) | stated))
    if not quiet:
        told = "; ".join(f"{kind}: {', '.join(map(named, own))}" for kind, own in blocks.items())
        typer.echo(visible(f"note: columns are taken for {told} (--kinds NAME=KIND,... to change)"), err=True)
    options: dict[str, Any] = {"prior": spec.prior, "weight_concentration": spec.weight_concentration}
    options["exposure"] = exposure
    return Mixed(spec.n_components, covariance_type=spec.covariance_type, **options, **blocks)


def fit_now(
    spec: "Mixture", rows: Loaded, modelling: Modelling, reading: Reading, *, quiet: bool, **options: Any
) -> "Given":
    """EM of rows that were read, with what it notes said."""
    from mixtures.em.fit import fit_em
    from mixtures.given import given
    from mixtures.interrupts import complete

    spec = with_kinds(spec, rows.frame, modelling.kinds, reading.exposure, quiet=quiet)
    em = complete(fit_em(spec, rows.frame, weights=rows.weights, labels=rows.labels, **options))
    tell_notes(em.notes, quiet=quiet)
    return given(em)


def _kind_of(each: str) -> tuple[str, str]:
    name, equals, kind = each.rpartition("=")
    if not equals:
        raise InputError(f"--kinds: {named(each)} is not of the form NAME=KIND")
    return name, kind.strip()


def preparation_of(reading: Reading, spec: "Mixture | None" = None) -> "Preparation":
    """What the options say is to be done with the columns."""
    from mixtures.data.preparation import Preparation
    from mixtures.families.bernoulli import BMM

    asked = names_in(reading.columns) + ([] if reading.exposure is None else [reading.exposure])
    return Preparation(
        log=tuple(names_in(reading.log)),
        exposure=reading.exposure,
        recode=reading.recode,
        numeric_only=reading.numeric_only,
        named=frozenset(asked),
        categories=spec is not None and spec.family.takes_categories,
        binary=isinstance(spec, BMM),
    )


def names_of(listed: str | None, k: int) -> tuple[str, ...] | None:
    """Names of the clusters that an option lists; refused unless they are K different ones."""
    return None if listed is None else check_names([name.strip() for name in names_in(listed)], k, "--names")


def names_in(listed: str | None) -> list[str]:
    """Names listed in an option, none if it is not given; one with a comma must be quoted."""
    if listed is None:
        return []
    try:
        (names,) = csv.reader([listed], skipinitialspace=True)
    except csv.Error as error:
        raise InputError(f"{named(listed)} is not a list of names: {error}") from error
    return names
