"""Tables from files, as they are; `as_data` checks their cells.

Every line of a text file becomes a row and every value a cell, or the file is
refused: what `pandas.read_csv` skips, renames or takes for an index in silence is
named here. Parquet says beforehand how much it holds, and is refused if that is
too much: a few kilobytes of it can claim to be terabytes.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from mixtures.data import did_you_mean
from mixtures.errors import InputError
from mixtures.wording import named, shortened

__all__ = ["choose_columns", "read_stream", "read_table"]

LARGEST_TABLE = 2**32
"""Bytes of a text file, or of the values of a Parquet file, that are read at most."""

PIECE = 2**20
"""Bytes read at a time: asked for more, Python sets memory aside for all of them at once."""

MOST_COLUMNS = 100_000
"""Columns that a file may have: pandas takes a minute for ten times as many."""

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": r"\s+"}
_PARQUET = (".parquet", ".pq")
_BY_NAME = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", r"\s+": "white space"}
_WIDER = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_NAMELESS = re.compile(r"__index_level_\d+__")
_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_table(
    path: str | PathLike[str],
    columns: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    *,
    separator: str | None = None,
) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The suffix says how to read the file: ``.csv`` (commas), ``.tsv`` (tabs), ``.txt`` (white space),
        ``.parquet`` or ``.pq`` (needs pyarrow). Text files are UTF-8 and have column names in their first
        line.
    columns : str or sequence of str, optional
        The columns to keep, in this order; all of them by default.
    exclude : str or sequence of str
        Columns to leave out of them.
    separator : str, optional
        The character between the cells of a text file, where it is not the one of the suffix.

    Returns
    -------
    pandas.DataFrame
        The table as it is in the file; :func:`as_data` checks its cells.

    Raises
    ------
    InputError
        If the file is missing, empty, unreadable, too large or of another kind, or lacks one of the columns.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file in it")
    if not os.path.isfile(path):
        raise InputError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    if suffix not in (*_SEPARATORS, *_PARQUET):
        kinds = ", ".join((*_SEPARATORS, *_PARQUET))
        raise InputError(f"{path} has the suffix {suffix!r}; the files that can be read are {kinds}")
    if suffix in _PARQUET and separator is not None:
        raise InputError(f"{path} is no text file: it has no separator; leave it out")
    if suffix in _PARQUET:
        return _read_parquet(path, columns, exclude)
    try:
        with open(path, "rb") as file:
            content = _content(file, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
    table = _read_text(content, _checked(separator) or _SEPARATORS[suffix], str(path))
    return table[choose_columns(list(table.columns), columns, exclude)]


def read_stream(stream: BinaryIO, name: str, *, separator: str | None = None) -> pd.DataFrame:
    """Read CSV with column names from an open stream, such as standard input."""
    content = _content(stream, name)
    if not content:
        raise InputError(f"{name} is empty")
    return _read_text(content, _checked(separator) or ",", name)


def _checked(separator: str | None) -> str | None:
    """A separator that a user names."""
    if separator is None:
        return None
    plain = len(separator) == 1 and separator.isascii() and not separator.isalnum()
    if not plain or separator in '"\r\n.':
        raise InputError(
            f"separator {named(separator)} is not a single character of ASCII such as ',' or ';'"
        )
    return separator


def choose_columns(
    available: Sequence[str], columns: str | Sequence[str] | None = None, exclude: str | Sequence[str] = ()
) -> list[str]:
    """Columns to keep of those that there are; an `InputError` suggests one for a slip."""
    known = set(available)
    asked, without = (
        [name if name in known else name.strip() for name in ([names] if isinstance(names, str) else names)]
        for names in (available if columns is None else columns, exclude)
    )
    for name in [*asked, *without]:
        if name not in known:
            raise InputError(
                f"there is no column {named(name)}{did_you_mean(name, available)}; the columns are "
                f"{shortened(available)}"
            )
    if columns is not None:
        refuse_repeats(asked, "asked for")
    dropped = set(without)
    return [name for name in asked if name not in dropped]


def refuse_repeats(names: Sequence[str], what: str) -> None:
    """Refuse two columns of one name."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if repeated:
        raise InputError(f"column {named(repeated[0])} is {what} more than once; rename or drop the copies")


# Text


def _content(stream: BinaryIO, source: str) -> bytes:
    """Read all of a stream, and no more than there may be of it."""
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


def _read_text(content: bytes, separator: str, source: str) -> pd.DataFrame:
    """Read text, every line of which between the first and the last that is not blank is a row."""
    blank = b" \r\n" if separator == "\t" else b" \t\r\n"
    body = content.removeprefix(b"\xef\xbb\xbf").lstrip(blank)
    lines_before = content.count(b"\n", 0, len(content) - len(body))
    body = body.rstrip(blank)
    _check_bytes(body, content, separator, source)
    options: dict[str, Any] = {
        "sep": separator,
        "skipinitialspace": True,
        "skip_blank_lines": False,  # where there is one column, a blank line is a missing value
        "encoding": "utf-8",
    }
    try:
        # The header alone: pandas renames what repeats. With the line after it, since a first row that
        # is longer than the header would lose its first value to an index.
        head = pd.read_csv(BytesIO(body), header=None, nrows=2, dtype=str, keep_default_na=False, **options)
        names = head.iloc[0].tolist()
        _check_header(names, separator, source)
        table = pd.read_csv(BytesIO(body), header=0, low_memory=False, **options)
    except InputError:
        raise
    except (ValueError, OSError) as error:  # pandas derives its parser errors from these
        raise InputError(_why_unread(error, body, separator, source, lines_before)) from error
    if not table.index.equals(pd.RangeIndex(len(table))):
        raise InputError(f"{source} has lines with more values than its header has names")
    other = _other_separator(body, separator)
    if len(names) == 1 and other and not pd.api.types.is_numeric_dtype(table.dtypes.iloc[0]):
        raise InputError(_wrong_separator(separator, other, source))
    return table


def _check_bytes(body: bytes, content: bytes, separator: str, source: str) -> None:
    """Refuse what is no text in UTF-8, and lines that pandas would take minutes over."""
    if not body:
        raise InputError(f"{source} is blank; it needs a line of column names, and rows")
    if content.startswith(_BOMS):
        raise InputError(f"{source} is UTF-16, not UTF-8; save it as UTF-8")
    if (place := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, place) + 1
        raise InputError(f"{source} is no text: line {line} has a NUL byte; save it as text in UTF-8")
    first = body[: body.find(b"\n")] if b"\n" in body else body
    width = len(first.split()) if separator == r"\s+" else first.count(separator.encode()) + 1
    if width > MOST_COLUMNS:
        raise InputError(f"{source} has {width} columns; {MOST_COLUMNS} are the most")


def _check_header(names: Sequence[str], separator: str, source: str) -> None:
    given = [name for name in names if name]
    if given and all(map(_is_number, given)):
        raise InputError(
            f"the first line of {source} holds numbers ({shortened(given)}) where column names should be; "
            "put a line of names above it"
        )
    try:
        refuse_repeats(names, "there")
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _why_unread(error: Exception, body: bytes, separator: str, source: str, lines_before: int) -> str:
    """Word what pandas could not read."""
    if isinstance(error, UnicodeDecodeError):
        line = body.count(b"\n", 0, _first_undecodable(body)) + 1 + lines_before
        return f"{source} is not UTF-8 (line {line}); save it as UTF-8"
    wider = _WIDER.search(str(error))
    if wider is None:
        reason = " ".join(str(error).split())
        return f"{source} cannot be read: {reason}; check it for a quotation mark that is not closed"
    if wider[1] == "1" and (other := _other_separator(body, separator)):
        return _wrong_separator(separator, other, source)
    return (
        f"line {int(wider[2]) + lines_before} of {source} has {wider[3]} values; {wider[1]} are expected, as "
        "the header has names: mend that line, or name every column"
    )


def _first_undecodable(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _other_separator(body: bytes, separator: str) -> str:
    """Separator that the first line seems to have instead of the one that it should have; or nothing."""
    first = body.partition(b"\n")[0]
    return next((s for s in (";", "\t", "|", ",") if s != separator and s.encode() in first), "")


def _wrong_separator(separator: str, other: str, source: str) -> str:
    return (
        f"{source} should have {_BY_NAME.get(separator, repr(separator))} between its columns and seems to "
        f"have {_BY_NAME[other]}; say so by separator={other!r} in Python or --separator {other!r} on the "
        "command line (decimals need points)"
    )


# Parquet


def _read_parquet(
    path: Path, columns: str | Sequence[str] | None, exclude: str | Sequence[str]
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
        labels = _label_columns(schema)
        chosen = choose_columns([name for name in schema.names if name not in labels], columns, exclude)
        wanted = {*labels, *chosen}
        kept = [field for field in schema if _is_read(field.name, wanted)]
        _check_claims(pa, metadata, kept, path)
        # A text that is stored once and repeated by its number may be as large as the file, in every row:
        # it stays stored once. It is no number anyway.
        texts = [field.name for field in kept if _is_text(pa, field.type)]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read([field.name for field in kept])
        # What pandas wrote beside the schema is not followed: it may say anything.
        frame = table.replace_schema_metadata().to_pandas()
        return (frame.set_index(_labels(frame, labels)) if labels else frame)[chosen]
    except InputError:
        raise
    except Exception as error:  # pyarrow and pandas raise nearly every kind on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as parquet: {reason[:300]}") from error


def _is_read(name: str, wanted: set[str]) -> bool:
    """Whether pyarrow reads a column: it takes those whose names go on with a point for parts of others."""
    parts = name.split(".")
    return any(".".join(parts[:i]) in wanted for i in range(1, len(parts) + 1))


def _label_columns(schema: Any) -> list[str]:
    """Columns that pandas keeps row labels in, by what it wrote beside the schema."""
    described = schema.pandas_metadata or {}
    named_there = described.get("index_columns", [])
    return [name for name in schema.names if name in named_there]


def _labels(frame: pd.DataFrame, names: Sequence[str]) -> pd.Index:
    """Row labels from their columns; texts that stay stored once, if together they would be too many."""
    levels = [frame[name] for name in names]
    for i, level in enumerate(levels):
        if isinstance(level.dtype, pd.CategoricalDtype) and _total_length(level.cat) < LARGEST_TABLE:
            levels[i] = level.astype(level.cat.categories.dtype)
    own = [None if _NAMELESS.fullmatch(name) else name for name in names]
    if len(levels) == 1:
        return pd.Index(levels[0]).rename(own[0])
    return pd.MultiIndex.from_arrays(levels, names=own)


def _total_length(texts: Any) -> int:
    """Characters of all texts together, were each stored by itself."""
    lengths = np.array([len(str(text)) for text in texts.categories] + [0])  # code -1: none
    return int(lengths[texts.codes].sum())


def _check_claims(pa: Any, metadata: Any, kept: Sequence[Any], path: Path) -> None:
    """Refuse what cannot be a table, or is too large for one, before a value is read."""
    if len(kept) > MOST_COLUMNS:
        raise InputError(f"{path} has {len(kept)} columns; {MOST_COLUMNS} are the most")
    for field in kept:
        if pa.types.is_nested(field.type):
            raise InputError(
                f"column {named(field.name)} of {path} holds nested values ({str(field.type)[:40]}); "
                "split it into one column a value, or leave it out (--exclude)"
            )
    # Of single columns more could be asked, but pyarrow ends the process where a file leaves them out.
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    pages = sum(max(0, group.total_byte_size) for group in groups)
    rows = max(metadata.num_rows, sum(max(0, group.num_rows) for group in groups))
    claimed = max(pages, rows * sum(_cell_bytes(pa, field.type) for field in kept))
    if claimed > LARGEST_TABLE:
        raise InputError(
            f"{path} holds {rows} rows of {len(kept)} columns, {claimed} bytes of them; {LARGEST_TABLE} are "
            "the most that are read at once: choose fewer columns (--columns), or pass it in chunks to "
            "fit_em or crosscheck in Python"
        )


def _is_text(pa: Any, kind: Any) -> bool:
    of = pa.types
    return any(
        is_kind(kind) for is_kind in (of.is_string, of.is_large_string, of.is_binary, of.is_large_binary)
    )


def _cell_bytes(pa: Any, kind: Any) -> int:
    """What a cell takes in memory: a number, a text stored once, or an object of Python's."""
    of = pa.types
    if of.is_integer(kind) or of.is_floating(kind) or of.is_boolean(kind):
        return 8
    return 16 if _is_text(pa, kind) or of.is_dictionary(kind) else 128 + getattr(kind, "byte_width", 0)
