"""What a report is made of: sections of paragraphs, tables, figures and formulas, as values.

Nothing here knows HTML but `Formula`; a block names the macro of
``page/blocks.html.j2`` that writes it. All text is escaped there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from latex2mathml.converter import convert
from markupsafe import Markup

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Column",
    "Figure",
    "Formula",
    "Listing",
    "Paragraph",
    "Section",
    "Table",
    "aligned",
    "number",
    "sort_key",
]

FIGURE_SPACE, POINT_SPACE = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
"""As wide as a digit, and as a decimal point."""


FOLDED_ROWS = 40
"""Rows beyond which a table is shown only when asked for."""


@dataclass(frozen=True)
class Block:
    """Part of a section."""

    macro: ClassVar[str]


@dataclass(frozen=True)
class Paragraph(Block):
    """Running text; ``quiet`` is for remarks beside it."""

    macro = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Listing(Block):
    """Sentences one below the other."""

    macro = "listing"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Code(Block):
    """Text to be copied."""

    macro = "code"
    text: str
    label: str


@dataclass(frozen=True)
class Formula(Block):
    """Formulas in LaTeX, of this package and never of the data: they become MathML."""

    macro = "formula"
    latex: tuple[str, ...]

    @property
    def mathml(self) -> list[Markup]:
        """What browsers draw and screen readers read."""
        return [Markup(convert(line, display="block")) for line in self.latex]


@dataclass(frozen=True)
class Figure(Block):
    """A picture by its data URI, what kind of picture it is, and what it says."""

    macro = "figure"
    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Column:
    """Head of a column: its name, whether numbers stand in it, and what they are."""

    name: str
    numeric: bool = True
    help: str = ""


@dataclass(frozen=True)
class Cell:
    """Text of a cell, what to sort it by, and whether it warns or reassures."""

    text: str
    key: float | str | None = None
    mood: str = ""


@dataclass(frozen=True)
class Table(Block):
    """A table with a caption, one header per column and one per row, and where its numbers come from."""

    macro = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str = ""

    @property
    def folded(self) -> bool:
        """Whether it is too long to be shown unasked."""
        return len(self.rows) > FOLDED_ROWS

    @classmethod
    def of_frame(
        cls,
        caption: str,
        frame: pd.DataFrame,
        *,
        formats: Mapping[str, str] | None = None,
        helps: Mapping[str, str] | None = None,
        index: str = "",
        source: str = "",
    ) -> "Table":
        """Table of a frame, its index first; numbers with four significant digits unless told otherwise."""
        formats, helps = formats or {}, helps or {}
        labels = frame.index.astype(str).tolist()
        rows = [[Cell(label, i)] for i, label in enumerate(labels)]
        columns = [Column(index or str(frame.index.name or ""), numeric=False)]
        for name, values in frame.items():
            numeric = pd.api.types.is_numeric_dtype(values.dtype) and values.dtype != bool
            columns.append(Column(str(name), numeric, helps.get(str(name), "")))
            how = formats.get(str(name), ".4g" if numeric else "")
            texts = [number(value, how) if how else str(value) for value in values]
            for row, value, text in zip(rows, values, aligned(texts) if numeric else texts, strict=True):
                row.append(Cell(text, sort_key(value) if numeric else text))
        return cls(caption, tuple(columns), tuple(map(tuple, rows)), source)


def number(value: Any, how: str) -> str:
    """A number as it is set in a table: with a true minus sign, and a dash where there is none."""
    if pd.isna(value) or not np.isfinite(value):
        return "∞" if not pd.isna(value) and value > 0 else "–"
    return f"{value:{how}}".replace("-", "\N{MINUS SIGN}")


def sort_key(value: Any) -> float | str | None:
    """What the page's script sorts by, in words that it knows."""
    if pd.isna(value):
        return None
    return float(value) if np.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def aligned(texts: Sequence[str]) -> list[str]:
    """Numbers padded on the right so that their decimal points stand below one another.

    Examples
    --------
    >>> [text.replace("\N{FIGURE SPACE}", "_") for text in aligned(["1.25", "0.5"])]
    ['1.25', '0.5_']
    """
    places = [len(text.partition(".")[2]) if "e" not in text else 0 for text in texts]
    most = max(places, default=0)
    return [
        text + (POINT_SPACE if "." not in text and most else "") + FIGURE_SPACE * (most - n)
        for text, n in zip(texts, places, strict=True)
    ]


@dataclass(frozen=True)
class Section:
    """A heading, with what stands below it."""

    name: str
    title: str
    blocks: tuple[Block, ...]
