"""Tables from text: how the header and the row labels are found, and what is refused.

Every line becomes a row and every value a cell, or the text is refused: nothing is
silently skipped, renamed, joined or taken for an index, as `pandas.read_csv` does.
`read_text` states the rules.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from mixtures.data.encodings import said_of
from mixtures.data.numerals import AS_IN_PYTHON, MISSING, Numerals
from mixtures.data.odd_cells import shown
from mixtures.errors import InputError
from mixtures.messages import Option, are, counted, did_you_mean, named, shortened, worded

__all__ = ["MOST_COLUMNS", "SEPARATORS", "read_text", "refuse_repeats"]

MOST_COLUMNS = 100_000
"""Largest number of columns of a file: pandas takes a minute for ten times as many."""


SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": r"\s+"}
_BY_NAME = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", r"\s+": "white space"}


_WIDER = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_YEAR = re.compile(r"(19|20)\d\d")
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)


_UNNAMED = re.compile(r"Unnamed: \d+")
"""The name that pandas gives, and later writes, to a column without a name."""


_TRUTH = ("true", "false")
_QUOTED = rb'"(?:[^"]++|"")*+"'


def read_text(
    content: bytes,
    separator: str,
    source: str,
    *,
    header: bool | None = None,
    index: str | None = None,
    numerals: Numerals = AS_IN_PYTHON,
) -> pd.DataFrame:
    """Read text in which every line from the first to the last nonblank one is a row.

    Parameters
    ----------
    content : bytes
        UTF-8, without a byte order mark or a NUL.
    separator : str
        A character, or the pattern of white space.
    source : str
        Name of the text in messages.
    header : bool, optional
        Whether the first line holds column names; without names columns are x0, x1, ... By default this must
        be unmistakable: each cell is a word, which has a letter and is neither a number nor a truth value;
        words for missing values such as NA are allowed if some word stands above a column of numbers. Any
        other first line is refused, since it may be a row.
    index : str, optional
        The column of row labels. By default it is a first column without a name, if its cells number the
        rows from 0 or 1 or are distinct words, as pandas and R write row names. Any other column without a
        name is refused, unless it is the last one and empty because lines end with a comma.
    numerals : Numerals
        How numbers are written. A column with a cell that is written otherwise stays text.
    """
    blank = b" \r\n" if separator == "\t" else b" \t\r\n"
    body = content.lstrip(blank)
    lines_before = content.count(b"\n", 0, len(content) - len(body))
    body = body.rstrip(blank)
    _check_size(body, separator, source)
    try:
        return _Text(body, separator, source, lines_before, header, numerals).table(index)
    except InputError:
        raise
    except (ValueError, OSError) as error:  # pandas derives its parser errors from these
        raise InputError(_why_unread(error, body, separator, source, lines_before, header)) from error


@dataclass
class _Text:
    """Decoded text; the first line is the header unless ``header`` is false."""

    body: bytes
    separator: str
    source: str
    lines_before: int
    header: bool | None
    numerals: Numerals = AS_IN_PYTHON

    def read(self, **options: Any) -> pd.DataFrame:
        return pd.read_csv(
            BytesIO(self.body),
            sep=self.separator,
            skipinitialspace=True,
            skip_blank_lines=False,  # in a single column, a blank line is a missing value
            encoding="utf-8",
            **options,
        )

    def table(self, index: str | None) -> pd.DataFrame:
        """Features, with their row labels."""
        names = self.first_line()
        if self.header is False:
            names = [f"x{j}" for j in range(len(names))]
        self.check_quotes(names)
        options: dict[str, Any] = (
            {"header": 0} if self.header is not False else {"header": None, "names": names}
        )
        table = self.numbers(options)
        if not table.index.equals(pd.RangeIndex(len(table))):
            raise InputError(f"{self.source} has lines with more values than its first line has")
        if self.numerals.usual:
            for name in table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]:
                table[name] = _without_texts(table[name])
        self.check_separator(names, table)
        if self.header is None:
            self.check_header(names, table)
        refuse_repeats(names, "there", self.source)
        return self.labelled(self.without_empty(names, table), index)

    def numbers(self, options: dict[str, Any]) -> pd.DataFrame:
        """Cells as numbers, where the whole column is written as numbers are."""
        if self.numerals.usual:
            return self.read(low_memory=False, **options)
        return self.read(dtype=str, **options).apply(self.numerals.read)

    def first_line(self) -> list[str]:
        """Cells of the first line. The second is read too: if it is longer, its last cell has no name."""
        options: dict[str, Any] = {"header": None, "nrows": 2, "dtype": str, "keep_default_na": False}
        try:
            head = self.read(**options)
        except ValueError:
            end = self.separator.encode()
            first, *rest = self.body.splitlines()
            if self.separator == r"\s+" or not rest or not all(line.endswith(end) for line in rest):
                raise
            self.body = b"\n".join([first + end, *rest])  # all lines but the first end with a separator
            head = self.read(**options)
        return [str(cell) for cell in head.iloc[0]]

    def check_quotes(self, names: Sequence[str]) -> None:
        """Refuse a cell that continues after its closing quotation mark: pandas would join them."""
        if b'"' not in self.body:
            return
        blank = self.separator == r"\s+"
        between = rb" \t" if blank else re.escape(self.separator.encode())
        ends = between + rb"\r\n"
        after = b"" if b" " in between else b" *+"
        cell = rb" *+(?:" + _QUOTED + after + rb"(?=[" + ends + rb'])|(?!")[^' + ends + rb"]*+)"
        text = self.body + b"\n"
        good = re.match(rb"(?:" + cell + rb"[" + ends + rb"])*+", text)
        stop = good.end() if good else 0
        joined = re.compile(rb" *+(" + _QUOTED + rb"[^" + ends + rb"]*+)").match(text, stop)
        if joined is None:  # all quotes are closed, or one is not, which pandas reports
            return
        lines = re.split(rb"\r\n|\r|\n", re.sub(_QUOTED, b"q", text[:stop]))
        column = len(re.findall(rb"[" + between + rb"]" + (rb"+" if blank else b""), lines[-1]))
        row = len(lines) - (1 if self.header is False else 2)
        name = f"column {named(names[column])}" if column < len(names) else f"column {column + 1}"
        line = f"line {text.count(b'\n', 0, stop) + 1 + self.lines_before} of {self.source}"
        raise InputError(
            f"{f'row {row}' if row >= 0 else 'the first line'}, {name} ({line}): the cell "
            f"continues after its closing quotation mark ({shown(joined[1].decode(errors='replace'))}); "
            "mend it, or double the marks within a cell"
        )

    def check_header(self, names: Sequence[str], table: pd.DataFrame) -> None:
        """Refuse a first line that may be a row."""
        given = [name for name in names if name]
        doubtful = [name for name in given if not _is_word(name)]
        if not doubtful or (_is_unnamed(names[0]) and _counts(table.iloc[:, 0], (0,))):
            return
        numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
        above = [name in given and _is_word(name) for name in names]
        if set(doubtful) <= MISSING and any(a and n for a, n in zip(above, numeric, strict=True)):
            return
        kinds = "numbers" if all(map(_is_number, given)) else "cells that may be values"
        years = len(doubtful) < len(given) and all(map(_YEAR.fullmatch, doubtful))  # of a pivot
        ways = [(True, "--header", " if it holds the names"), (False, "--no-header", " if it is a row")]
        (one, option, why), (other, second, why_other) = ways if years else reversed(ways)
        raise InputError(
            worded(
                f"the first line of {self.source} holds {kinds} ({shortened(doubtful)}) where column names "
                "should be; say ",
                Option("header", one, f"header={one} ({option} on the command line)"),
                f"{why}, ",
                Option("header", other, f"header={other} ({second})"),
                f"{why_other}{_comment(self.body)}{self.hint()}",
            )
        )

    def check_separator(self, names: Sequence[str], table: pd.DataFrame) -> None:
        other = _other_separator(self.body, self.separator)
        if len(names) == 1 and other and not pd.api.types.is_numeric_dtype(table.dtypes.iloc[0]):
            raise InputError(_wrong_separator(self.separator, other, self.source))

    def hint(self) -> str:
        other = _other_separator(self.body, self.separator)
        return f"; say --separator {other!r} if {_BY_NAME[other]} separate its cells" if other else ""

    def without_empty(self, names: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
        """Drop last columns without names or values, where every line ends with separators."""
        width = len(names)
        while width > 1 and self.header is not False and not names[width - 1]:
            if not (self.texts(width - 1) == "").all():
                break
            width -= 1
        return table.iloc[:, :width]

    def texts(self, place: int) -> pd.Series:
        """Cells of a column as they are written."""
        column = self.read(
            header=None if self.header is False else 0, usecols=[place], dtype=str, keep_default_na=False
        )
        return column.iloc[:, 0].fillna("").str.strip()

    def labelled(self, table: pd.DataFrame, index: str | None) -> pd.DataFrame:
        """Set row labels aside, and refuse columns without a name."""
        names = list(table.columns)
        if index is not None and index not in names:
            raise InputError(
                worded(
                    Option("index"),
                    f": there is no column {named(index)}{did_you_mean(index, names)} in {self.source}; the "
                    f"columns are {shortened(names)}",
                )
            )
        unnamed = [] if self.header is False else [j for j, name in enumerate(names) if _is_unnamed(name)]
        numbered = bool(unnamed) and unnamed[0] == 0 and _are_row_names(table.iloc[:, 0])
        for j in unnamed[numbered:]:
            if names[j] != index:
                raise InputError(self.nameless(j, names[j]))
        label = index if index is not None else names[0] if numbered else None
        features = [name for j, name in enumerate(names) if name != label and not (numbered and j == 0)]
        if label is None:
            return table
        texts = self.texts(names.index(label))
        own = None if _is_unnamed(label) else label
        whole = all(map(_WHOLE.fullmatch, texts))
        labels = pd.Index(texts.astype(np.int64) if whole else texts.astype(object), name=own)
        return table[features].set_axis(labels, axis=0)

    def nameless(self, place: int, name: str) -> str:
        if place:
            return f"column {place + 1} of {self.source} has no name; name it in the first line"
        return worded(
            f"the first column of {self.source} has no name and does not number the rows; name it in the "
            "first line, or say ",
            Option("index", name, f"index={name!r} (--id {name!r} on the command line)"),
            " if it holds row labels",
        )


def refuse_repeats(names: Sequence[str], what: str, source: str = "") -> None:
    """Refuse two columns with the same name."""
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            where = f"{source}: " if source else ""
            raise InputError(
                f"{where}column {named(name)} is {what} more than once; rename or drop the copies"
            )
        seen.add(name)


# Cells


def _is_word(text: str) -> bool:
    value = text in MISSING or text.lower() in _TRUTH or _is_number(text)
    return not value and any(map(str.isalpha, text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_unnamed(name: str) -> bool:
    return not name or _UNNAMED.fullmatch(name) is not None


def _counts(column: pd.Series, starts: Sequence[int]) -> bool:
    """Whether a column counts up by one from one of some first numbers."""
    whole = pd.api.types.is_integer_dtype(column.dtype)
    return whole and any(np.array_equal(column, np.arange(len(column)) + start) for start in starts)


def _are_row_names(column: pd.Series) -> bool:
    """Whether a column numbers the rows, or holds a distinct text for each."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _counts(column, (0, 1))
    return column.is_unique and not any(map(_is_number, column.astype(str)))


def _without_texts(column: pd.Series) -> pd.Series:
    """Turn whole numbers too large for pandas' integers into doubles; pandas would leave them as text."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    column = column.mask(column.isin(["", *MISSING]))  # pandas leaves them as text beside such a number
    cells = column.dropna()
    if len(cells) and all(isinstance(cell, str) and _NUMBER.fullmatch(cell) for cell in cells):
        return column.map(float, na_action="ignore").astype(np.float64)
    return column


# Bytes


def _check_size(body: bytes, separator: str, source: str) -> None:
    if not body:
        raise InputError(f"{source} is blank; it needs a line of column names, and rows")
    first = body[: body.find(b"\n")] if b"\n" in body else body
    width = len(first.split()) if separator == r"\s+" else first.count(separator.encode()) + 1
    if width > MOST_COLUMNS:
        raise InputError(f"{source} has {width} columns; {MOST_COLUMNS} are the most")


def _why_unread(
    error: Exception, body: bytes, separator: str, source: str, lines_before: int, header: bool | None
) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = body.count(b"\n", 0, _first_undecodable(body)) + 1 + lines_before
        return worded(
            f"{source} is not UTF-8 (line {line}); say ",
            said_of("cp1252"),
            " if it comes from Excel or Windows, or save it as UTF-8",
        )
    wider = _WIDER.search(str(error))
    if wider is None:
        reason = " ".join(str(error).split())
        return f"{source} cannot be read: {reason}; check it for a quotation mark that is not closed"
    if wider[1] == "1" and (other := _other_separator(body, separator)):
        return _wrong_separator(separator, other, source)
    expected = "the first line has values" if header is False else "the header has names"
    return (
        f"line {int(wider[2]) + lines_before} of {source} has {counted(int(wider[3]), 'value')}; {wider[1]} "
        f"{are(int(wider[1]))} expected, as {expected}: mend that line, or name every column{_comment(body)}"
    )


def _comment(body: bytes) -> str:
    return "; it begins with #, and comments are not skipped: delete them" if body.startswith(b"#") else ""


def _first_undecodable(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _other_separator(body: bytes, separator: str) -> str:
    """Separator that the first line seems to use instead of the expected one, or nothing."""
    first = body.partition(b"\n")[0]
    return next((s for s in (";", "\t", "|", ",") if s != separator and s.encode() in first), "")


def _wrong_separator(separator: str, other: str, source: str) -> str:
    said = f"separator={other!r} in Python or --separator {other!r} on the command line"
    return worded(
        f"{source} should have {_BY_NAME.get(separator, repr(separator))} between its columns and seems to "
        f"have {_BY_NAME[other]}; say so by ",
        Option("separator", other, said),
        "" if other == "," else ", and --decimal , if decimals have commas",
    )
