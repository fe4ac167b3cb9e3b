"""Lines of a table that are not rows: totals and notes below it, and units above it."""

import re
from collections.abc import Sequence

import pandas as pd

from mixtures.data.columns import Column, examine
from mixtures.data.numerals import AS_IN_PYTHON, are_numbers, writings_of

__all__ = ["last_lines", "without_units"]

TOTALS = {
    *("total", "totals", "subtotal", "sum", "grand total", "average", "mean", "median"),
    *("summe", "gesamt", "gesamtsumme", "insgesamt", "mittelwert", "durchschnitt", "somme", "moyenne"),
}
"""Words, in small letters, that mark a last line of a spreadsheet that is not a row."""


LAST, FEWEST_UNITS = 6, 2
"""Lines at the end of a table that are looked at; units from which a first line looks like units."""


def last_lines(table: pd.DataFrame) -> list[str]:
    """What the last lines say that are totals, or hold nothing but a text in their first cell.

    Examples
    --------
    >>> table = {"who": ["a", "b", "Total:", "Source: us"], "x": [1, 2, 3, None], "y": [4, 5, 9, None]}
    >>> last_lines(pd.DataFrame(table))
    ['Total:', 'Source: us']
    """
    end = table.tail(LAST)
    said: list[str] = []
    rows = zip(end.index, end.to_numpy(dtype=object), end.notna().to_numpy(), strict=True)
    for label, cells, filled in reversed(list(rows)):
        own = [str(cell).strip() for cell in cells[filled]]
        label_is_text = isinstance(label, str)  # --id took the first column
        texts = [label.strip(), *own] if label_is_text else own
        if not texts:
            continue
        words = [text for text in texts if text.rstrip(":").casefold() in TOTALS]
        first = label_is_text or (filled[0] and isinstance(cells[0], str))
        empty = len(cells) - (not label_is_text) > 1 and len(texts) == 1  # several cells, none of them filled
        if not words and not (first and empty and not are_numbers(texts[:1])):
            return [text for text in said if _shape(text) != _shape(texts[0])]  # p8 after p7 is a row
        said.insert(0, words[0] if words else texts[0])
    return said if len(table) < LAST and len(said) < len(table) else []


def without_units(columns: Sequence[Column]) -> tuple[Column, ...] | None:
    """The columns without their first line, if that holds units; None if it does not.

    Examples
    --------
    >>> table = pd.DataFrame({"Na": ["mmol/L", "140", "135"], "Hb": ["g/dL", "12", "9"]})
    >>> [column.kind.words for column in without_units(examine(table))]
    ['counts', 'counts']
    """
    if not columns or len(columns[0].cells) < FEWEST_UNITS:
        return None
    numbers = [column for column in columns if column.values is not None or _numbers_below(column)]
    tops = [column.cells.iloc[0] for column in numbers if column.cells.notna().iloc[0]]
    units = [top for top in tops if isinstance(top, str) and not are_numbers([top])]
    if len(units) < len(tops) or len(units) < FEWEST_UNITS or 2 * len(units) <= len(numbers):
        return None
    return examine(pd.concat([_read(column.cells.iloc[1:]) for column in columns], axis=1))


def _read(cells: pd.Series) -> pd.Series:
    known = cells.dropna()
    if not len(known) or not all(isinstance(cell, str) for cell in known):
        return cells
    texts = [text.strip() for text in known]
    ways = [AS_IN_PYTHON] if AS_IN_PYTHON.fit(texts) else writings_of(texts)
    return ways[0].read(cells) if ways else cells


def _shape(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def _numbers_below(column: Column) -> bool:
    """Whether most of the texts below a first word are numbers."""
    top = str(column.cells.iloc[0]).strip()
    below = column.texts[1:]
    return not are_numbers([top]) and 2 * sum(are_numbers([text]) for text in below) > len(below)
