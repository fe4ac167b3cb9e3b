"""Tables from files, as they are; `as_data` checks their cells.

`mixtures.data.textfiles` states the rules for text. A Parquet file declares its size,
and is refused if that is too large: a few kilobytes can expand to terabytes.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from mixtures.arguments import about
from mixtures.data.encodings import as_utf8, without_separator_line
from mixtures.data.numerals import AS_IN_PYTHON, Numerals
from mixtures.data.textfiles import MOST_COLUMNS, SEPARATORS, read_text, refuse_repeats
from mixtures.errors import InputError
from mixtures.messages import Option, counted, did_you_mean, named, shortened, worded

__all__ = [
    "NoColumn",
    "check_reading",
    "choose_columns",
    "content_of",
    "is_pipe",
    "opened",
    "read_stream",
    "read_table",
]

LARGEST_TABLE = 2**32
"""Largest number of bytes of a text file, or of the values of a Parquet file, that are read."""


PIECE = 2**20
"""Bytes read at a time: Python allocates memory for all the bytes requested in one read."""


_PARQUET = (".parquet", ".pq")
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Suffixes of files that hold another, packed."""


_NAMELESS = re.compile(r"__index_level_\d+__")


class NoColumn(InputError):
    """An option names a column that is not there.

    Attributes
    ----------
    name : str
        The name.
    available : sequence of str
        The columns that are there.
    """

    def __init__(self, option: object, name: str, available: Sequence[str]) -> None:
        hint = did_you_mean(name, available)
        what = f": there is no column {named(name)}{hint}; the columns are {shortened(available)}"
        super().__init__(worded(option, what))
        self.name, self.available = name, available


def read_table(
    path: str | PathLike[str],
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    *,
    separator: str | None = None,
    header: bool | None = None,
    index: str | None = None,
    numerals: Numerals = AS_IN_PYTHON,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The suffix says how to read the file: ``.csv`` (commas), ``.tsv`` (tabs), ``.txt`` (white space),
        ``.parquet`` or ``.pq`` (needs pyarrow). A pipe without a suffix is read as CSV.
    columns : str or sequence of str, optional
        The columns to keep, in this order; all of them by default.
    exclude : str or sequence of str
        Columns to leave out.
    separator : str, optional
        The character between the cells of a text file, if it is not the one that the suffix implies, or that
        a first line such as ``sep=;`` names, which Excel writes.
    header : bool, optional
        Whether the first line of a text file holds the column names; by default this must be unmistakable,
        as `mixtures.data.textfiles.read_text` explains. Without names columns are x0, x1, ...
    index : str, optional
        The column of row labels, which is not a feature. By default a first column without a name that
        numbers the rows, and in Parquet the labels that pandas wrote.
    numerals : Numerals
        How numbers are written in a text file: by default with points before decimals and nothing between
        thousands.
    encoding : str, optional
        Encoding of a text file, such as "cp1252"; by default UTF-8, or what its byte order mark says.

    Returns
    -------
    pandas.DataFrame
        The table as it is in the file; :func:`as_data` checks its cells.

    Raises
    ------
    InputError
        If the file is missing, empty, unreadable, too large or of an unknown kind, lacks one of the columns,
        or can be read in more than one way.
    """
    try:
        path = Path(path)
    except TypeError as error:
        raise InputError(f"{path!r:.80} is a {type(path).__name__}, not the path of a file") from error
    suffix = path.suffix.lower()
    check_reading(header, index, columns, exclude)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file in it")
    piped, is_file = is_pipe(path), os.path.isfile(path)
    if not piped and not is_file:
        exists = os.path.exists(path)
        raise InputError(
            f"{path} is a device or socket, not a file" if exists else f"there is no file {path}"
        )
    if is_file and path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    if piped and not suffix:
        suffix = ".csv"
    if suffix not in (*SEPARATORS, *_PARQUET):
        kinds = ", ".join((*SEPARATORS, *_PARQUET))
        way = "unpack it first" if suffix in PACKED else "save a spreadsheet as .csv"
        raise InputError(f"{path} has the suffix {suffix!r}; the files that can be read are {kinds}; {way}")
    if suffix in _PARQUET and (of_text := _set(separator, header, encoding, numerals)):
        raise InputError(worded(f"{path} is not a text file: leave out ", *of_text))
    if suffix in _PARQUET and piped:
        raise InputError(f"{path} is a pipe, and Parquet is not read from one; write it to a file first")
    if suffix in _PARQUET:
        return _read_parquet(path, columns, exclude, index)
    how: dict[str, Any] = {"header": header, "index": index, "numerals": numerals, "encoding": encoding}
    with opened(path) as file:
        table = read_stream(file, str(path), suffix, separator=separator, **how)
    return table[choose_columns(list(table.columns), columns, exclude)]


def _set(
    separator: str | None, header: bool | None, encoding: str | None, numerals: Numerals
) -> tuple[Option, ...]:
    """The first option that is set of those that say how a text file is written."""
    decimal = None if numerals.decimal == AS_IN_PYTHON.decimal else numerals.decimal
    told = {"separator": separator, "header": header, "encoding": encoding}
    told |= {"decimal": decimal, "thousands": numerals.thousands}
    return tuple(Option(name, value) for name, value in told.items() if value is not None)[:1]


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """Read a file as bytes; an `InputError` says why that fails."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error


def read_stream(
    stream: BinaryIO,
    name: str,
    suffix: str = ".csv",
    *,
    separator: str | None = None,
    header: bool | None = None,
    index: str | None = None,
    numerals: Numerals = AS_IN_PYTHON,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read text from a stream, as from a file of this suffix; the keywords are those of `read_table`."""
    check_reading(header, index)
    if not (content := content_of(stream, name)):
        raise InputError(f"{name} is empty")
    asked = _checked(separator)
    content, stated = without_separator_line(as_utf8(content, encoding, name))
    separator = asked or _checked(stated) or SEPARATORS[suffix]
    return read_text(content, separator, name, header=header, index=index, numerals=numerals)


def check_reading(
    header: Any, index: Any, columns: str | Sequence[str] | None = None, exclude: str | Sequence[str] = ()
) -> None:
    """Refuse a header that is not a truth value, and row labels that are also features or left out."""
    if header is not None and not isinstance(header, bool):
        raise InputError(worded(Option("header"), f" is {header!r:.80}; it must be True, False or None"))
    if index is None:
        return
    if not isinstance(index, str):
        raise InputError(worded(Option("index"), f" is {index!r:.80}; it must be the name of a column"))
    for what, names in (("columns", columns), ("exclude", exclude)):
        if names is not None and index in ([names] if isinstance(names, str) else names):
            both = (Option(what), " and ", Option("index"))
            raise InputError(worded(*both, f" both name column {named(index)}; choose one"))


def is_pipe(path: Path) -> bool:
    """Whether a path is that of a pipe, which can be read once only."""
    try:
        return path.is_fifo()
    except OSError:  # not a possible file name
        return False


def _checked(separator: str | None) -> str | None:
    if separator is None:
        return None
    if not isinstance(separator, str):
        raise InputError(
            worded(Option("separator"), f" is {separator!r:.80}; it must be a character such as ',' or ';'")
        )
    plain = len(separator) == 1 and separator.isascii() and not separator.isalnum()
    if not plain or separator in '"\r\n.':
        what = f" {named(separator)} is not a single character of ASCII such as ',' or ';'"
        raise InputError(worded(Option("separator"), what))
    return separator


def choose_columns(
    available: Sequence[str],
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    *,
    asked_by: str = "columns",
) -> list[str]:
    """Return the columns to keep; the `InputError` for an unknown name suggests a similar one.

    It begins with the option that has the name: "exclude", or the one that asked for the columns.
    """
    known = set(available)
    asked = list(available) if columns is None else _there(columns, available, known, asked_by)
    dropped = set(_there(exclude, available, known, "exclude"))
    if columns is not None and (twice := [name for name, n in Counter(asked).items() if n > 1]):
        what = f": column {named(twice[0])} is asked for more than once; name it once"
        raise InputError(worded(Option(asked_by), what))
    return [name for name in asked if name not in dropped]


def _there(names: str | Sequence[str], available: Sequence[str], known: set[str], option: str) -> list[str]:
    """Names of columns that an option has; refused if one is not there."""
    found = []
    with about(Option(option)):
        for name in [names] if isinstance(names, str) else names:
            if not isinstance(name, str):
                raise InputError(f"{name!r:.80} is not the name of a column")
            found.append(name if name in known else name.strip())
    lacking = [name for name in found if name not in known]
    if lacking:
        raise NoColumn(Option(option), lacking[0], available)
    return found


def content_of(stream: BinaryIO, source: str) -> bytes:
    """Read a whole stream, up to the size limit."""
    pieces: list[bytes] = []
    room = LARGEST_TABLE
    while piece := stream.read(PIECE):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            raise InputError(
                f"{source} has more than {LARGEST_TABLE} bytes, the most that are read at once; pass it in "
                "chunks to fit_em or crosscheck in Python"
            )
    return b"".join(pieces)


# Parquet


def _read_parquet(
    path: Path, columns: str | Sequence[str] | None, exclude: str | Sequence[str], index: str | None
) -> pd.DataFrame:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"reading {path} needs pyarrow; pip install 'pymc-mixtures[io]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
        refuse_repeats(schema.names, f"in {path}")
        names = schema.names
        if index is None:
            of_pandas = (schema.pandas_metadata or {}).get("index_columns", [])
            labels = [name for name in names if name in of_pandas]
        else:
            labels = choose_columns(names, index, asked_by="index")
        chosen = choose_columns([name for name in schema.names if name not in labels], columns, exclude)
        wanted = {*labels, *chosen}
        kept = [field for field in schema if _is_read(field.name, wanted)]
        _check_claims(pa, metadata, kept, labels, path)
        # A dictionary-encoded text may be as large as the file, in every row: it stays encoded.
        # It is not a number anyway.
        texts = [field.name for field in kept if _is_text(pa, field.type)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read([field.name for field in kept])
        # The metadata that pandas wrote are not trusted: they may say anything.
        frame = table.replace_schema_metadata().to_pandas()
        return (frame.set_index(_labels(frame, labels)) if labels else frame)[chosen]
    except InputError:
        raise
    except Exception as error:  # pyarrow and pandas raise almost any exception on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as parquet: {reason[:300]}") from error


def _is_read(name: str, wanted: set[str]) -> bool:
    """Whether pyarrow reads a column: it takes a name with a dot for a part of another column."""
    parts = name.split(".")
    return any(".".join(parts[:i]) in wanted for i in range(1, len(parts) + 1))


def _labels(frame: pd.DataFrame, names: Sequence[str]) -> pd.Index:
    """Row labels from their columns; long texts stay dictionary-encoded if together they are too many."""
    levels = [frame[name] for name in names]
    for i, level in enumerate(levels):
        if isinstance(level.dtype, pd.CategoricalDtype):
            lengths = np.array([len(str(text)) for text in level.cat.categories] + [0])  # code -1: missing
            if lengths[level.cat.codes].sum() < LARGEST_TABLE:
                levels[i] = level.astype(level.cat.categories.dtype)
    own = [None if _NAMELESS.fullmatch(name) else name for name in names]
    if len(levels) == 1:
        return pd.Index(levels[0]).rename(own[0])
    return pd.MultiIndex.from_arrays(levels, names=own)


def _check_claims(pa: Any, metadata: Any, kept: Sequence[Any], labels: Sequence[str], path: Path) -> None:
    """Refuse a file that cannot be a table, or is too large, before any value is read."""
    if len(kept) > MOST_COLUMNS:
        raise InputError(f"{path} has {len(kept)} columns; {MOST_COLUMNS} are the most")
    for field in kept:
        if pa.types.is_nested(field.type):
            if field.name in labels:
                raise InputError(
                    f"the row labels of {path}, column {named(field.name)}, are nested values "
                    f"({str(field.type)[:40]}); write numbers or text as labels"
                )
            raise InputError(
                f"column {named(field.name)} of {path} holds nested values ({str(field.type)[:40]}); "
                "split it into one column per value, or leave it out (--exclude)"
            )
    # Single columns could be checked further, but pyarrow ends the process if a file lacks them.
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    pages = sum(max(0, group.total_byte_size) for group in groups)
    rows = max(metadata.num_rows, sum(max(0, group.num_rows) for group in groups))
    claimed = max(pages, rows * sum(_cell_bytes(pa, field.type) for field in kept))
    if claimed > LARGEST_TABLE:
        raise InputError(
            f"{path} holds {counted(rows, 'row')} of {counted(len(kept), 'column')}, {claimed} bytes of "
            f"them; {LARGEST_TABLE} are the most that are read at once: choose fewer columns (--columns), or "
            "pass it in chunks to fit_em or crosscheck in Python"
        )


def _is_text(pa: Any, kind: Any) -> bool:
    of = pa.types
    return any(
        is_kind(kind) for is_kind in (of.is_string, of.is_large_string, of.is_binary, of.is_large_binary)
    )


def _cell_bytes(pa: Any, kind: Any) -> int:
    """Bytes of a cell in memory: a number, a dictionary-encoded text, or a Python object."""
    of = pa.types
    if of.is_integer(kind) or of.is_floating(kind) or of.is_boolean(kind):
        return 8
    if _is_text(pa, kind) or of.is_dictionary(kind):
        return 16
    try:
        return 128 + int(kind.byte_width)
    except (AttributeError, ValueError):  # no fixed width: nulls, string views, intervals
        return 128
