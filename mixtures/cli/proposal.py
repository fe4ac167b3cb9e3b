"""The command that ``mixtures inspect`` ends with: a model for the columns, and the options it asks for."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mixtures.cli.options import Reading
from mixtures.cli.rows import names_in
from mixtures.data.columns import Column, Kind, codes_among, writings_in
from mixtures.data.lines import without_units
from mixtures.data.preparation import option_of, option_with, written_as
from mixtures.data.roles import exposure_in, is_called_id, known_in_part, pair_of_labels, repeats_labels
from mixtures.data.spoilt import has_infinite
from mixtures.families.kinds import kinds_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proposal", "next_command"]

TWO_VALUES = {Kind.ANSWERS, Kind.BINARY, Kind.CODES}
"""Kinds of columns that a BMM takes, some of them recoded."""


LEVELS = {Kind.CATEGORIES, Kind.STEPS, *TWO_VALUES}
"""Kinds of columns that a latent class analysis takes."""


def next_command(data: str, reading: Reading, proposed: "Proposal") -> str:
    """A command to go on with: a model, the options that its columns ask for, and those that were given.

    Empty if no model takes any of the columns, or a line of units is to be removed first.
    """
    if without_units(proposed.columns):
        return ""
    if ways := writings_in(proposed.columns):  # to be read anew, before anything else can be told
        given = Proposal(proposed.frame, (), reading).options
        marks = replace(reading, decimal=None, thousands=None)
        return _command("mixtures inspect", data, *given, *_as_typed(marks), written_as(ways[0]))
    if not proposed.usable:
        return ""
    return _command("mixtures select", data, *proposed.model_options, *proposed.options, *_as_typed(reading))


def _command(command: str, data: str, *options: str) -> str:
    return " ".join([command, shlex.quote(data), *filter(None, options)])


def _as_typed(reading: Reading) -> list[str]:
    """Options of reading that go on as they were given."""
    header = {None: "", True: "--header", False: "--no-header"}[reading.header]
    values: Mapping[str, str | None] = {
        "--columns": reading.columns,
        "--separator": reading.separator,
        "--decimal": reading.decimal,
        "--thousands": reading.thousands,
        "--encoding": reading.encoding,
        "--id": reading.index,
        "--exposure": reading.exposure,
        "--weights": reading.weights,
    }
    return [header, *(f"{name} {shlex.quote(text)}" for name, text in values.items() if text is not None)]


@dataclass(frozen=True, eq=False)
class Proposal:
    """A model for the columns of a table, with options that were given and those that the columns ask for."""

    frame: "pd.DataFrame"
    columns: tuple[Column, ...]
    reading: Reading

    @cached_property
    def usable(self) -> tuple[Column, ...]:
        """Columns that some model takes, and that tell rows apart."""
        return tuple(c for c in self._fitted if c.name != self.exposure)

    @cached_property
    def _fitted(self) -> list[Column]:
        """Columns that some model takes, the one of exposures among them."""
        return [c for c in self.columns if _informs(c) and self._takes(c)]

    @cached_property
    def exposure(self) -> str | None:
        """The column of exposures: that given, or one called so beside counts and nothing else."""
        if self.reading.exposure is not None or self.reading.columns is not None:
            return self.reading.exposure
        found = exposure_in(self._fitted)
        counts = all(c is found or c.kind is Kind.COUNTS for c in self._fitted)
        return found.name if found and counts else None

    @cached_property
    def index(self) -> str | None:
        """A column of numbers that are called row labels, and not asked for by name, to become such."""
        own = [c.name for c in self._labels_of_rows if is_called_id(c) and not c.n_missing]
        return own[0] if own and self.reading.index is None else None

    @cached_property
    def _labels_of_rows(self) -> list[Column]:
        """Columns that are called labels of rows, and two that number them together, if not asked for."""
        asked, pair = names_in(self.reading.columns), pair_of_labels(self.columns) or ()
        labels = [c for c in self.columns if is_called_id(c) or repeats_labels(c) or c in pair]
        return [c for c in labels if c.name not in asked]

    @cached_property
    def _labels(self) -> list[Column]:
        """Columns known for some of the rows, which may be known clusters, unless asked for by name."""
        asked = names_in(self.reading.columns)
        return [c for c in known_in_part(self.columns) if c.name not in asked]

    def _takes(self, column: Column) -> bool:
        if column in self._labels or column in self._labels_of_rows:
            return False
        if column.kind is Kind.ID:
            return column.name in names_in(self.reading.columns)
        return column.kind.is_number or (column.kind in LEVELS and not self.reading.numeric_only)

    @cached_property
    def found(self) -> set[Kind]:
        """What the usable columns hold."""
        return {column.kind for column in self.usable}

    @cached_property
    def model(self) -> str:
        """The model in the words of --model: of one kind, or mixed."""
        kinds = set(self.kinds.values())
        if self.exposure is not None:  # that of counts, alone or beside others
            return "mixed" if "poisson" in kinds and len(kinds) > 1 else "pmm"
        if self.found & LEVELS:
            return "bmm" if self.found <= TWO_VALUES else "lca" if self.found <= LEVELS else "mixed"
        return "gmm" if kinds <= {"gaussian"} else "mixed" if "gaussian" in kinds else "pmm"

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Kind of every usable column in the words of --kinds."""
        answers = {c.name: "bernoulli" for c in self.usable if c.kind is Kind.ANSWERS}  # --recode
        stated = answers | codes_among(self.usable)
        if self.exposure is not None:  # large counts too are events per unit of it
            stated |= {c.name: "poisson" for c in self.usable if c.kind is Kind.COUNTS}
        blocks = kinds_of(self.frame[[c.name for c in self.usable]], stated)
        return {name: kind for kind, own in blocks.items() for name in own}

    @property
    def model_options(self) -> tuple[str, ...]:
        """Options of the model; --kinds states what is no plain number."""
        model = "" if self.model == "gmm" else f"--model {self.model}"
        singular = [*self.kinds.values()].count("gaussian") >= len(self.frame)
        shape = "--covariance diag" if singular and self.model in ("gmm", "mixed") else ""
        if self.model != "mixed":
            return model, shape
        told = [f"{name}={kind}" for name, kind in self.kinds.items() if kind != "gaussian"]
        return model, option_of("--kinds", told), shape

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the rows; empty where one is not needed."""
        out, log = self._left_out(), self._logs()
        texts_out = self.reading.numeric_only or self._only_numbers()
        return (
            "--recode" if self.recodes else "",
            "--numeric-only" if texts_out else "",
            option_of("--exclude", out) if out else "",
            option_of("--log", log) if log else "",
            "--missing integrate" if any(column.n_missing for column in self.usable) else "",
            option_with("--id", self.index) if self.index else "",
            option_with("--exposure", self.exposure) if self.exposure and not self.reading.exposure else "",
        )

    @property
    def recodes(self) -> bool:
        """Whether answers become numbers; a latent class analysis takes them as they are."""
        own = {"bmm": {Kind.ANSWERS, Kind.CODES}, "mixed": {Kind.ANSWERS}}
        asked = self.reading.recode and self.model != "lca"
        return asked or bool(self.found & own.get(self.model, set()))

    @property
    def kept(self) -> "pd.DataFrame":
        """The table without the columns that the command leaves out unasked."""
        if self.reading.numeric_only or not self.usable or writings_in(self.columns):
            return self.frame.drop(columns=[c.name for c in self._labels_of_rows])
        used = {*(c.name for c in self.usable), *names_in(self.reading.log), self.exposure}
        return self.frame[[c.name for c in self.columns if c.name in used or c.kind is Kind.ID]]

    def _only_numbers(self) -> bool:
        """Whether there are columns that hold no numbers, and the model has none of them."""
        texts = [c for c in self.columns if not c.kind.is_number and c.kind is not Kind.BLANK]
        return bool(texts) and not any(column in self.usable for column in texts)

    def _left_out(self) -> list[str]:
        """Columns that --exclude names: without information, and texts unless --numeric-only has them out."""
        numeric_only = self.reading.numeric_only or self._only_numbers()
        texts = set() if numeric_only else {Kind.TEXT, Kind.DATES}
        aside = [*self._labels, *(c for c in self._labels_of_rows if c.name != self.index)]
        aside = [c for c in aside if c.kind.is_number or not numeric_only]
        own = [c.name for c in self.columns if c.kind in texts or not _informs(c) or c in aside]
        return [*names_in(self.reading.exclude), *own]

    def _logs(self) -> list[str]:
        """Columns that --log names: those given that have logarithms, and skewed ones of a Gaussian."""
        kinds = self.kinds if self.model == "mixed" else {}
        gaussian = [c for c in self.usable if kinds.get(c.name, "gaussian") == "gaussian"]
        own = [c.name for c in gaussian if c.wants_logarithm] if self.model in ("gmm", "mixed") else []
        positive = {c.name for c in self.columns if len(c.known) and c.known[0] > 0}
        return list(dict.fromkeys((*(name for name in names_in(self.reading.log) if name in positive), *own)))


def _informs(column: Column) -> bool:
    """Whether it has several values, all of them finite."""
    return column.varies and not has_infinite(column)
