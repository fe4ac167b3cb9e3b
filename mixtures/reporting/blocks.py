"""Parts of a report as values: sections of paragraphs, tables, figures and formulas.

Only `Formula` holds markup. A block names the macro of ``page/blocks.html.j2`` that
writes it; all text is escaped there.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from latex2mathml.converter import convert
from markupsafe import Markup

from mixtures.saving.spreadsheets import as_csv

__all__ = [
    "LEAST_WIDTHS",
    "Block",
    "Cell",
    "Code",
    "Column",
    "Download",
    "Figure",
    "Formula",
    "Heading",
    "Listing",
    "Paragraph",
    "Section",
    "Table",
    "aligned",
    "csv_uri",
    "number",
    "prose",
    "sort_key",
    "with_own_files",
]

FIGURE_SPACE, POINT_SPACE = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
"""Spaces as wide as a digit and as a decimal point."""


SIGNIFICANT, WHOLE, LARGEST = ".4g", 1e4, 1e7
"""Format of numbers; from the first to the second they are written without decimals, above with exponents."""


LONGEST_FILE_NAME = 120
"""Bytes of the name of a file, of which file systems take 255."""


LEADING = re.compile(r"(?<![^\s(])-(?=\d)")
"""A hyphen that stands for a minus sign."""


FOLDED_ROWS = 40
"""Number of rows above which a table is folded."""


LEAST_WIDTHS = (30, 35, 40, 45, 50)
"""Widths in rem that the style sheet has for figures that scroll."""


NARROW, LEGIBLE = 540.0, 0.75
"""CSS pixels up to which a figure is legible on a phone, and the scale at which a wider one is."""


TALL = 1.15
"""Height over width from which on a figure is tall."""


REM, FRAME, PIXELS, HEAD = 16, 24, 640.0, 4000
"""CSS pixels of a rem, of the frame of a figure, of a figure of pixels; characters that have its width."""


@dataclass(frozen=True)
class Block:
    """Part of a section."""

    macro: ClassVar[str]


@dataclass(frozen=True)
class Paragraph(Block):
    """Running text; ``quiet`` marks remarks."""

    macro = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Heading(Block):
    """A heading within a section, to which links lead; in print it begins a page."""

    macro = "heading"
    name: str
    text: str


@dataclass(frozen=True)
class Listing(Block):
    """A list of sentences, each with a link to the heading that has more about it, if there is one."""

    macro = "listing"
    items: tuple[str, ...]
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code(Block):
    """Text to be copied."""

    macro = "code"
    text: str
    label: str


@dataclass(frozen=True)
class Download(Block):
    """A file that the page holds: its data URI, its name, and the words of the link."""

    macro = "download"
    source: str
    file_name: str
    words: str


@dataclass(frozen=True)
class Formula(Block):
    """Formulas in LaTeX, which become MathML; they come from this package, never from the data."""

    macro = "formula"
    latex: tuple[str, ...]

    @property
    def mathml(self) -> list[Markup]:
        """The formulas as MathML."""
        return [Markup(convert(line, display="block")) for line in self.latex]


@dataclass(frozen=True)
class Figure(Block):
    """A figure: its data URI, a description of its kind, and its caption."""

    macro = "figure"
    source: str
    alt: str
    caption: str

    @property
    def at_least(self) -> int:
        """Width in rem below which the figure scrolls in its box; 0 if its words are legible anyway."""
        if (width := _size(self.source)[0]) <= NARROW:
            return 0
        wanted = (LEGIBLE * width + FRAME) / REM
        return next((rem for rem in LEAST_WIDTHS if rem >= wanted), LEAST_WIDTHS[-1])

    @property
    def is_tall(self) -> bool:
        """Whether it is so tall that on paper its words need more height than other figures have."""
        width, height = _size(self.source)
        return height > TALL * width


def _size(source: str) -> tuple[float, float]:
    """Width and height in CSS pixels of the SVG in a data URI; of pixels those of a wide figure."""
    kind, _, content = source.partition(",")
    head = base64.b64decode(content[:HEAD]).decode("utf-8", errors="ignore") if "svg" in kind else ""
    found = (re.search(rf'<svg[^>]*?\b{side}="([\d.]+)pt"', head) for side in ("width", "height"))
    width, height = (PIXELS if points is None else float(points[1]) * 96 / 72 for points in found)
    return width, height


@dataclass(frozen=True)
class Column:
    """Head of a column: its name, whether it holds numbers, and what they mean."""

    name: str
    numeric: bool = True
    help: str = ""


@dataclass(frozen=True)
class Cell:
    """Text of a cell, its sort key, whether it warns or reassures, and the heading that it leads to."""

    text: str
    key: float | str | None = None
    mood: str = ""
    link: str = ""


@dataclass(frozen=True)
class Table(Block):
    """A table with a caption, headers of columns and rows, the source of its numbers, and its turn.

    The turn is that among tables whose files would have the same name.
    """

    macro = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str = ""
    turn: int = 1

    def csv(self, wording: Callable[[str], str]) -> str:
        """Data URI of the table as CSV, numbers with all their digits."""
        numeric = [column.numeric for column in self.columns]
        cells = [
            [
                cell.key if is_number and cell.key is not None else wording(cell.text)
                for cell, is_number in zip(row, numeric, strict=True)
            ]
            for row in self.rows
        ]
        frame = pd.DataFrame(cells, columns=[column.name for column in self.columns], dtype=object)
        return csv_uri(frame.set_index(frame.columns[0]))

    @property
    def file_name(self) -> str:
        """Name of that file: the words of the caption up to a colon, and a number if another has the same."""
        words = "-".join(re.findall(r"\w+", self.caption.partition(":")[0].lower()))
        short = words.encode()[:LONGEST_FILE_NAME].decode(errors="ignore")
        return f"{short}{f'-{self.turn}' if self.turn > 1 else ''}.csv"

    @property
    def folded(self) -> bool:
        """Whether it is so long that it is folded at first."""
        return len(self.rows) > FOLDED_ROWS

    def linked(self, headings: Sequence[str]) -> "Table":
        """The same, with links from the first cells of the rows to these headings, if there are any."""
        if not headings:
            return self
        rows = zip(self.rows, headings, strict=True)
        return replace(self, rows=tuple((replace(row[0], link=to), *row[1:]) for row, to in rows))

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
        """Make a table of a frame, with its index first; numbers have four significant digits by default."""
        formats, helps = formats or {}, helps or {}
        labels = frame.index.astype(str).tolist()
        rows = [[Cell(label, i)] for i, label in enumerate(labels)]
        columns = [Column(index or str(frame.index.name or ""), numeric=False)]
        for name, values in frame.items():
            numeric = pd.api.types.is_numeric_dtype(values.dtype) and values.dtype != bool
            columns.append(Column(str(name), numeric, helps.get(str(name), "")))
            how = formats.get(str(name), SIGNIFICANT if numeric else "")
            texts = [number(value, how) if how else str(value) for value in values]
            for row, value, text in zip(rows, values, aligned(texts) if numeric else texts, strict=True):
                row.append(Cell(text, sort_key(value) if numeric else text))
        return cls(caption, tuple(columns), tuple(map(tuple, rows)), source)


def csv_uri(frame: pd.DataFrame) -> str:
    """Data URI of a table as CSV that is safe in a spreadsheet."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(as_csv(frame).encode()).decode()}"


def number(value: Any, how: str) -> str:
    """Format a number for a table: with a true minus sign, and a dash if it is missing."""
    if pd.isna(value) or not np.isfinite(value):
        return "∞" if not pd.isna(value) and value > 0 else "–"
    how = ".0f" if how == SIGNIFICANT and WHOLE <= abs(value) < LARGEST else how
    return f"{value:{how}}".replace("-", "\N{MINUS SIGN}")


def sort_key(value: Any) -> float | str | None:
    """The sort key in the form that the page's script reads."""
    if pd.isna(value):
        return None
    return float(value) if np.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def aligned(texts: Sequence[str]) -> list[str]:
    """Pad numbers on the right so that their decimal points align.

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


TITLES = {
    "profiles": "What the clusters are",
    "clusters": "Clusters",
    "pages": "Cluster by cluster",
    "rows": "Rows and their clusters",
    "parameters": "Parameters and their uncertainty",
    "missing": "What rests on the missing cells?",
    "agreement": "Do EM, MAP and PyMC agree?",
    "predictive": "Could this model have made these data?",
    "labels": "Labels and convergence",
    "comparison": "How many clusters?",
    "sensitivity": "How much of this is the prior?",
    "data": "Data",
    "model": "Model",
    "reproduce": "How to reproduce this",
}
"""The headings of the sections."""


@dataclass(frozen=True)
class Section:
    """Blocks under a heading: that of the section's name, unless it has another."""

    name: str
    blocks: tuple[Block, ...]
    heading: str = ""

    @property
    def title(self) -> str:
        """The heading."""
        return self.heading or TITLES[self.name]


def with_own_files(sections: Iterable[Section]) -> list[Section]:
    """The sections, the file of every table in them under a name of its own."""
    taken: set[str] = set()

    def own(block: Block) -> Block:
        while isinstance(block, Table) and block.file_name in taken:
            block = replace(block, turn=block.turn + 1)
        if isinstance(block, Table):
            taken.add(block.file_name)
        return block

    return [replace(section, blocks=tuple(map(own, section.blocks))) for section in sections]


def prose(text: str) -> str:
    """A sentence of words and figures with true minus signs, as tables have them.

    Examples
    --------
    >>> prose("x-1 is -0.5 (-1 to 2)")
    'x-1 is \u22120.5 (\u22121 to 2)'
    """
    return LEADING.sub("\N{MINUS SIGN}", text)
