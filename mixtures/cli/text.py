"""Text on a terminal and in tables, safe for any data."""

import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixtures.cli.wording import in_options
from mixtures.errors import InputError
from mixtures.messages import visible
from mixtures.saving.archive import replacing
from mixtures.saving.spreadsheets import as_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EDGES",
    "LONGEST_LABEL",
    "PARQUET",
    "TABLES",
    "Terminal",
    "check_table",
    "console",
    "finite",
    "folded",
    "parquet_bytes",
    "plain",
    "ruled_table",
    "stacked",
    "width_of",
    "write_table",
]

LONGEST_LABEL = 100
"""Largest number of characters printed of a label in a table."""


PARQUET = (".parquet", ".pq")


TABLES = (".csv", *PARQUET)
"""Suffixes of the tables that can be written."""


EDGES = 2
"""Characters of the edges of a table."""


def console(*, stderr: bool = False) -> Console:
    """A rich console that does not replace emoji codes or highlight numbers."""
    return Terminal(stderr=stderr, emoji=False, highlight=False)


def plain(text: str) -> str:
    """Text for `rich`, in options of the command line, without what `rich` would read as markup."""
    return escape(visible(in_options(text)))


def folded(text: str, width: int) -> str:
    """Break text into lines of at most this width, after spaces and marks such as ``_`` where possible.

    Examples
    --------
    >>> print(folded("monthly_spend_in_euros", 15))
    monthly_spend_
    in_euros
    """
    lines, width = [""], max(width, 2)  # a character may be two wide
    for piece in re.findall(r"[^\s_,;:/-]*[\s_,;:/-]*", text):
        if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while cell_len(lines[-1].rstrip()) > width:
            kept = set_cell_size(lines[-1], width).rstrip()
            lines[-1:] = [kept, lines[-1][len(kept) :]]
    return "\n".join(line.rstrip() for line in lines)


def ruled_table(title: str, **heads: Literal["left", "right"]) -> Table:
    """An empty table with a rule below its head, and columns under these heads."""
    shown = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name, justify in heads.items():
        shown.add_column(name, justify=justify)
    return shown


def stacked(cells: Mapping[str, Sequence[str]], room: int) -> list[list[str]]:
    """Columns in blocks that each fit into a number of characters."""
    blocks: list[list[str]] = []
    rest = dict(cells)
    while rest:
        own = [next(iter(rest))]
        for name in list(rest)[1:]:
            if sum(width_of(each, rest[each]) for each in (*own, name)) > room - EDGES:
                break
            own.append(name)
        blocks.append(own)
        rest = {name: column for name, column in rest.items() if name not in own}
    return blocks


def width_of(name: str, column: Sequence[str]) -> int:
    """Characters that a column takes."""
    return 2 + max(map(cell_len, [name, *column]))


def finite(row: dict[Any, Any]) -> dict[str, Any]:
    """Row with numbers that JSON allows: null for NaN and infinities."""
    return {str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


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
