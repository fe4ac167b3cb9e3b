"""A table made ready for a model: answers recoded, logarithms taken, columns left out, each by a stated rule.

Nothing is done in silence: what was done is said in notes, and what was not asked for is refused with
the option that would do it.
"""

import shlex
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixtures.arguments import about
from mixtures.data.cells import NotNumbers, refuse_columns
from mixtures.data.columns import ANSWERS, Column, Kind, are_codes, examine, numbers_in, writings_in
from mixtures.data.files import choose_columns
from mixtures.data.lines import without_units
from mixtures.data.numerals import AS_IN_PYTHON, Numerals
from mixtures.data.odd_cells import cell_at
from mixtures.data.roles import is_called_id, pair_of_labels, repeats_labels
from mixtures.data.spoilt import limits_in
from mixtures.errors import InputError
from mixtures.messages import NAMES_LISTED, are, columns_are, counted, named, shortened, them, worded

__all__ = ["Preparation", "Prepared", "log_name", "logged_in", "option_of", "option_with", "written_as"]

RECODED = {1.0: 1.0, 2.0: 0.0}
"""Numbers of answers, 1 for yes and 2 for no as surveys have them, and what they are recoded to."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """The columns to be modelled, and what was done to them, in words."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What its columns hold."""
        return examine(self.frame)

    def noting(self, frame: pd.DataFrame, *notes: str) -> "Prepared":
        """Another table with notes on what was done to this one."""
        return Prepared(frame, (*self.notes, *notes))


@dataclass(frozen=True)
class Preparation:
    """What to do with the columns of a table.

    Attributes
    ----------
    log : tuple of str
        Columns to replace by their natural logarithms, called ``log(name)``.
    exposure : str, optional
        Column of exposures, which are numbers.
    recode : bool
        Whether columns of yes and no become 1 and 0: yes, y and true become 1; no, n and false become 0.
        For a model of 0 and 1, columns of 1 and 2 do too: 2 becomes 0.
    numeric_only : bool
        Whether columns that hold no numbers are left out; otherwise they are refused.
    named : frozenset of str
        Columns that were asked for by name: they are never taken for row numbers.
    categories : bool
        Whether the model takes text, as the levels of categories.
    binary : bool
        Whether the model takes nothing but 0 and 1.
    """

    log: tuple[str, ...] = ()
    exposure: str | None = None
    recode: bool = False
    numeric_only: bool = False
    named: frozenset[str] = frozenset()
    categories: bool = False
    binary: bool = False

    def of(self, frame: pd.DataFrame) -> Prepared:
        """Prepare a table for a fit."""
        found = self._recoded(Prepared(frame))
        self._check_numbers(found)
        found = self._without_ids(self._without_texts(found), pair_of_labels(found.columns) or ())
        if self.binary:
            _refuse_codes(found.columns)
        return self._with_logs(found)

    def like(self, frame: pd.DataFrame, features: Sequence[str], levels: Any = None) -> Prepared:
        """Prepare a table for a fitted model of these columns; those that have levels are categories.

        Where only one option fits, it is applied without being asked for: logarithms that were fitted are
        taken, and answers become numbers where the fit has numbers, or levels that are numbers.
        """
        there = list(map(str, frame.columns))
        needed = [name for name in there if log_name(name) in features and log_name(name) not in there]
        how = replace(self, log=tuple(dict.fromkeys((*self.log, *needed))))
        choose_columns(there, how.log, asked_by="log")
        each = zip(features, levels or [None] * len(features), strict=True)
        plain = {name for name, own in each if not any(isinstance(level, str) for level in own or ())}
        words = (Kind.ANSWERS, Kind.CODES) if self.binary else (Kind.ANSWERS,)
        given = Prepared(frame)
        if any(column.kind in words and column.name in plain for column in given.columns):
            how = replace(how, recode=True)
        return how._with_logs(how._recoded(given))

    def _check_numbers(self, so_far: Prepared) -> None:
        """Refuse options that name columns which are not there, or hold no numbers."""
        there = list(map(str, so_far.frame.columns))
        for option, names in (("log", self.log), ("exposure", [self.exposure] if self.exposure else [])):
            asked = choose_columns(there, names, asked_by=option)
            bad = [c for c in so_far.columns if c.name in asked and not c.kind.is_number and not _is_blank(c)]
            with about(f"--{option}"):
                _refuse(bad, needed=True)

    def _recoded(self, so_far: Prepared) -> Prepared:
        if not self.recode:
            return so_far
        frame, notes = so_far.frame, []
        for holds, recoded, rule in RULES if self.binary else RULES[:1]:
            own = {column.name: recoded(column) for column in so_far.columns if holds(column)}
            frame = frame.assign(**own)
            if own:
                notes.append(f"recoded: {rule} in {shortened(list(own))}")
        return so_far.noting(frame, *notes) if notes else so_far

    def _without_texts(self, so_far: Prepared) -> Prepared:
        frame = so_far.frame
        if self.categories and not self.numeric_only:
            _refuse_names([c for c in so_far.columns if c.names_rows and c.name not in self.named])
            return so_far
        bad = [column for column in so_far.columns if not column.kind.is_number and not _is_blank(column)]
        if not bad:
            return so_far
        if not self.numeric_only:
            _refuse(bad, so_far.columns)
        if len(bad) == len(frame.columns):
            raise InputError(f"no column holds numbers: {_told(bad)}; --numeric-only leaves none to fit")
        rest = frame.drop(columns=[column.name for column in bad])
        return so_far.noting(rest, f"left out, as they hold no numbers: {_told(bad)}")

    def _without_ids(self, so_far: Prepared, pair: Sequence[Column]) -> Prepared:
        """Leave out columns that number the rows, unless they were asked for, or nothing else is there."""
        asked = self.named | {*self.log, self.exposure}
        so_far = _noting_labels(so_far, asked, pair)
        found = [c for c in so_far.columns if c.kind is Kind.ID and c.name not in asked]
        if not found or len(found) == len(so_far.frame.columns):
            return so_far
        notes = [
            f"column {named(c.name)} numbers the rows, {c.known[0]:.0f} to {c.known[-1]:.0f}, and is left "
            f"out: {option_with('--id', c.name)} carries it into the table of predict, --columns fits it"
            for c in found
        ]
        return so_far.noting(so_far.frame.drop(columns=[c.name for c in found]), *notes)

    def _with_logs(self, so_far: Prepared) -> Prepared:
        frame = so_far.frame
        if not self.log:
            return so_far
        asked = choose_columns(list(map(str, frame.columns)), self.log, asked_by="log")
        own = {name: _logarithm(frame[name]) for name in asked}
        new = {name: log_name(name) for name in own}
        if clash := [name for name in new.values() if name in frame.columns]:
            raise InputError(f"--log: there is a column {named(clash[0])} already; rename it")
        note = f"natural logarithms are fitted: {shortened(list(new.values()))}"
        return so_far.noting(frame.assign(**own).rename(columns=new), note)


def _noting_labels(so_far: Prepared, asked: Container[str | None], pair: Sequence[Column]) -> Prepared:
    """Note that columns which seem to be row labels are fitted, as nobody said that they are not."""
    notes = []
    for column in (column for column in so_far.columns if column.name not in asked):
        out = option_of("--exclude", [column.name])
        fitted = f"column {named(column.name)} is fitted as a measurement, though by its name"
        if is_called_id(column):
            label = option_with("--id", column.name)
            notes.append(
                f"{fitted} and its numbers, which are all different, it labels the rows: {out} leaves it "
                f"out, {label} carries it into the table of predict"
            )
        elif repeats_labels(column):
            notes.append(f"{fitted} it labels units that have several rows: {out} leaves it out")
    there = {column.name for column in so_far.columns}
    if own := [c.name for c in pair if c.name in there and c.name not in asked]:
        both = " and ".join(named(column.name) for column in pair)
        notes.append(
            f"{columns_are(own)} fitted, though {both} together number the rows, each pair once: "
            f"{option_of('--exclude', own)} leaves {them(own)} out"
        )
    return so_far.noting(so_far.frame, *notes) if notes else so_far


def log_name(name: str) -> str:
    """Name of the logarithm of a column."""
    return f"log({name})"


def logged_in(name: str) -> str:
    """Name of the column of which a column of this name is the logarithm; empty if it is not called so.

    Examples
    --------
    >>> logged_in("log(income)"), logged_in("income")
    ('income', '')
    """
    inner = name.removeprefix("log(").removesuffix(")")
    return inner if log_name(inner) == name else ""


def option_of(option: str, names: Iterable[str]) -> str:
    r"""An option with names of columns, as one would type it.

    Examples
    --------
    >>> option_of("--exclude", ["name", "size, cm"])
    '--exclude \'name,"size, cm"\''
    """
    listed = ",".join(_quoted(name) for name in names)
    return f"{option} {shlex.quote(listed)}"


def option_with(option: str, name: str) -> str:
    """An option that takes one column, as one would type it."""
    return f"{option} {shlex.quote(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _is_blank(column: Column) -> bool:
    return column.kind is Kind.BLANK and column.values is not None


def _told(columns: Sequence[Column]) -> str:
    """Columns with what they hold: "name, city (text), since (dates)"."""
    kinds = dict.fromkeys(column.kind for column in columns)
    own = {kind: [column.name for column in columns if column.kind is kind] for kind in kinds}
    return ", ".join(f"{shortened(names)} ({kind.words})" for kind, names in own.items())


def _refuse(bad: Sequence[Column], every: Sequence[Column] = (), *, needed: bool = False) -> None:
    """Refuse columns that hold no numbers, all at once, with the options that help.

    Those that are needed as numbers cannot be left out, or be categories; nor can all columns be left out.
    """
    if not bad:
        return
    answers = [column.name for column in bad if column.kind is Kind.ANSWERS]
    categories = [column.name for column in bad if column.kind in (Kind.ANSWERS, Kind.CATEGORIES)]
    ways = writings_in(bad)
    names = [column.name for column in bad]
    offers = ["row 0 looks like units: remove that line in the file"] if without_units(every) else []
    if limits := [limit for column in bad for limit in limits_in(column)]:
        offers.append(f"{named(limits[0])} is a limit of detection, which mixtures inspect says more of")
    if all(column.texts and AS_IN_PYTHON.fit(column.texts) for column in bad):
        offers.append("they are numbers with decimal points: leave out --decimal and --thousands")
    if ways:
        offers.append(" or ".join(f"{written_as(way)} reads them" for way in ways))
    if answers:
        which = them(names) if answers == names else shortened(answers)
        offers.append(f"--recode reads yes as 1 and no as 0 in {which}")
    if categories and not needed:
        which = them(names) if categories == names else shortened(categories)
        offers.append(f"--model mixed and --model lca take {which} as categories")
    excluded = f"{option_of('--exclude', names)}, or " if len(names) <= NAMES_LISTED else ""
    if not needed and len(bad) != len(every):
        offers.append(f"{excluded}--numeric-only leaves {them(names)} out")
    try:
        refuse_columns([c.refusal for c in bad if isinstance(c.refusal, NotNumbers)])
    except InputError as error:
        raise InputError(worded(error, *([f": {'; '.join(offers)}"] if offers else []))) from error
    raise bad[0].refusal or InputError(f"column {named(bad[0].name)} holds no numbers")


def _refuse_names(columns: Sequence[Column]) -> None:
    """Refuse texts that name rows, which a model of categories would take for as many levels."""
    if columns:
        names = [column.name for column in columns]
        most = max(columns, key=lambda column: column.different)
        raise InputError(
            f"{columns_are(names)} different in most rows ({most.different:,} texts in {len(most.cells):,} "
            f"rows), so no categories: {option_of('--exclude', names)} leaves {them(names)} out; a column "
            "that --columns names is fitted"
        )


def _refuse_codes(columns: Sequence[Column]) -> None:
    coded = [column.name for column in columns if column.kind is Kind.CODES]
    if coded:
        raise InputError(
            f"1 and 2 are the cells of {shortened(coded)}, and a BMM takes 0 and 1: --recode reads 2 as "
            "0, as in surveys that code yes as 1 and no as 2; --model lca takes them as they are"
        )


def written_as(numerals: Numerals) -> str:
    """Options for numbers that are written in such a way."""
    marks = {
        "--decimal": "" if numerals.decimal == "." else numerals.decimal,
        "--thousands": numerals.thousands,
    }
    words = {" ": "space", ",": ","}
    return " ".join(f"{name} {words.get(mark, shlex.quote(mark))}" for name, mark in marks.items() if mark)


def _of_answers(column: Column) -> np.ndarray:
    known = column.cells.notna()
    words = column.cells.where(known, "").astype(str).str.strip().str.lower()
    return np.where(known, words.map(ANSWERS).to_numpy(dtype=np.float64), np.nan)


def _of_codes(column: Column) -> np.ndarray:
    return pd.Series(column.values).map(RECODED).to_numpy(dtype=np.float64)


RULES = (
    (
        lambda column: column.kind is Kind.ANSWERS,
        _of_answers,
        "yes, y and true are 1, no, n and false are 0,",
    ),
    (are_codes, _of_codes, "1 stays 1 and 2 is 0, as in surveys that code yes as 1 and no as 2,"),
)
"""Columns that are recoded, how, and the rule in words; the second is for models of 0 and 1 only."""


def _logarithm(cells: pd.Series) -> np.ndarray:
    try:
        x = numbers_in(cells)
    except InputError as error:
        raise InputError(worded("--log: ", error)) from error
    bad = np.flatnonzero(x <= 0)
    if len(bad):
        row = int(bad[0])
        place = cell_at(float(x[row]), row, cells.index.to_numpy())
        raise InputError(
            f"--log: {counted(len(bad), 'cell')} of column {named(str(cells.name))} {are(len(bad))} 0 or "
            f"negative ({place}), and have no logarithm: fit it as it is, or leave these rows out"
        )
    return np.log(x)
