"""Text on a terminal and in tables, safe for any data."""

import csv
import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixtures.errors import InputError
from mixtures.messages import STEERING, visible
from mixtures.saving.archive import replacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ANOTHER_CELL",
    "FORMULA_SIGNS",
    "LONGEST_LABEL",
    "PARQUET",
    "TABLES",
    "Terminal",
    "as_csv",
    "check_table",
    "console",
    "finite",
    "parquet_bytes",
    "plain",
    "ruled_table",
    "spreadsheet_safe",
    "starts_formula",
    "write_table",
]

FORMULA_SIGNS = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\uff20"
"""Characters that start a formula in a spreadsheet; some ignore white space before them."""

ANOTHER_CELL = re.compile(rf"[;\t|]\s*[{re.escape(FORMULA_SIGNS)}]")
"""A formula after a character that separates cells in some countries' spreadsheets, unless quoted."""


LONGEST_LABEL = 100
"""Largest number of characters printed of a label in a table."""


PARQUET = (".parquet", ".pq")


TABLES = (".csv", *PARQUET)
"""Suffixes of the tables that can be written."""


def console(*, stderr: bool = False) -> Console:
    """A rich console that does not replace emoji codes or highlight numbers."""
    return Terminal(stderr=stderr, emoji=False, highlight=False)


def plain(text: str) -> str:
    """Escape text for `rich`, which would read markup in it."""
    return escape(visible(text))


def ruled_table(title: str) -> Table:
    """An empty table with a rule below its head."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def finite(row: dict[Any, Any]) -> dict[str, Any]:
    """Row with numbers that JSON allows: null for NaN and infinities."""
    return {str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


def spreadsheet_safe(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Table whose text a spreadsheet does not execute; numbers stay numbers.

    Text that begins like a formula gets an apostrophe in front (OWASP, "CSV Injection").
    """
    safe = frame.rename(columns=_safe, index=_safe)
    from pandas.api.types import is_numeric_dtype

    texts = [j for j in range(frame.shape[1]) if not is_numeric_dtype(frame.dtypes.iloc[j])]
    for j in texts:
        safe.isetitem(j, safe.iloc[:, j].map(_safe))
    safe.index.names = [_safe(name) for name in safe.index.names]
    return safe


def _safe(cell: Any) -> Any:
    if not isinstance(cell, str) or not starts_formula(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table to a Parquet or CSV file."""
    content = parquet_bytes(frame, path) if path.suffix.lower() in PARQUET else as_csv(frame).encode()
    with replacing(path) as file:
        file.write(content)


class Terminal(Console):
    """A console that does not end the process when its pipe is closed."""

    def on_broken_pipe(self) -> None:
        """Raise the error again, so that it is reported on one line."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def starts_formula(cell: str) -> bool:
    """Whether a spreadsheet may read text as a formula, even after invisible characters."""
    seen = next((c for c in cell if not c.isspace() and category(c) not in STEERING), "")
    return cell.startswith(("\t", "\r", "\n")) or (seen != "" and seen in FORMULA_SIGNS)


def as_csv(frame: "pd.DataFrame") -> str:
    """A table as CSV that is safe in a spreadsheet."""
    safe = spreadsheet_safe(frame)
    text: str = safe.to_csv()
    return str(safe.to_csv(quoting=csv.QUOTE_NONNUMERIC)) if ANOTHER_CELL.search(text) else text


def parquet_bytes(frame: "pd.DataFrame", path: Path) -> bytes:
    """A table as a Parquet file."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise InputError(f"writing {path} needs pyarrow; pip install 'pymc-mixtures[io]'") from error
    try:
        return bytes(frame.to_parquet(engine="pyarrow"))
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = visible(" ".join(str(error).split()), longest=200)
        raise InputError(f"{path} cannot hold the table as Parquet: {reason}; write CSV instead") from error


def check_table(labels: np.ndarray, path: Path) -> None:
    """Refuse row labels that cannot be written, before there is a table."""
    import pandas as pd

    if path.suffix.lower() in PARQUET:
        parquet_bytes(pd.DataFrame(index=pd.Index(labels, name="row")), path)
