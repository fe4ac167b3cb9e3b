"""Tables from files, as they are; `as_data` checks their cells."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from mixtures.data import InputError, did_you_mean

__all__ = ["read_stream", "read_table"]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": r"\s+"}
_PARQUET = (".parquet", ".pq")


def read_table(
    path: str | PathLike[str],
    columns: str | Sequence[str] | None = None,
    *,
    separator: str | None = None,
) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : path
        The suffix says how to read the file: ``.csv`` (commas), ``.tsv`` (tabs), ``.txt`` (white space),
        ``.parquet`` or ``.pq`` (needs pyarrow). Text files have column names in their first line.
    columns : str or sequence of str, optional
        The columns to keep, in this order; all of them by default.
    separator : str, optional
        The character between the cells of a text file, where it is not the one of the suffix.

    Returns
    -------
    pandas.DataFrame
        The table as it is in the file; :func:`as_data` checks its cells.

    Raises
    ------
    InputError
        If the file is missing, empty, unreadable or of another kind, or lacks one of the columns.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    if suffix not in (*_SEPARATORS, *_PARQUET):
        kinds = ", ".join((*_SEPARATORS, *_PARQUET))
        raise InputError(f"{path} has the suffix {suffix!r}; the files that can be read are {kinds}")
    if suffix in _PARQUET and separator is not None:
        raise InputError(f"{path} is no text file: it has no separator; leave it out")
    try:
        table = _read_file(path, suffix, separator)
    except ImportError as error:
        raise InputError(f"reading {path} needs pyarrow; pip install 'mixtures[io]'") from error
    except (ValueError, OSError) as error:  # pandas and pyarrow derive their parser errors from these
        raise InputError(f"{path} cannot be read as {suffix[1:]}: {error}") from error
    return table if columns is None else _select(table, [columns] if isinstance(columns, str) else columns)


def read_stream(stream: BinaryIO, name: str, *, separator: str | None = None) -> pd.DataFrame:
    """Read CSV with column names from an open stream, such as standard input."""
    try:
        return _read_text(stream, name, ",", separator)
    except (ValueError, OSError) as error:
        raise InputError(f"{name} cannot be read as csv: {error}") from error


def _read_file(path: Path, suffix: str, separator: str | None) -> pd.DataFrame:
    if suffix in _PARQUET:
        return pd.read_parquet(path, engine="pyarrow")
    return _read_text(path, str(path), _SEPARATORS[suffix], separator)


def _read_text(source: Path | BinaryIO, name: str, usual: str, separator: str | None) -> pd.DataFrame:
    """Table of a text; one that was taken for a single column by mistake is refused."""
    if separator is not None and (len(separator) != 1 or separator.isalnum() or separator in '"\r\n.'):
        raise InputError(f"separator {separator!r} is not a single character such as ',' or ';'")
    table = pd.read_csv(
        source,
        sep=separator or usual,
        skipinitialspace=True,
        low_memory=False,  # one type per column, however long the file
    )
    if separator is None and table.shape[1] == 1:
        head = str(table.columns[0])
        other = next((mark for mark in ",;\t|" if mark in head), None)
        if other is not None:
            raise InputError(
                f"{name} has a single column, {head!r}; if {other!r} separates its cells, say so: "
                f"separator={other!r} in Python, --separator {other!r} on the command line"
            )
    return table


def _select(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    available = [str(column) for column in table.columns]
    for column in columns:
        if column not in available:
            hint = did_you_mean(column, available)
            raise InputError(f"there is no column {column!r}{hint}; the columns are {', '.join(available)}")
    return table[list(columns)]
