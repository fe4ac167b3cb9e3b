"""Tables as CSV that a spreadsheet shows and does not execute."""

import csv
import re
from typing import TYPE_CHECKING, Any
from unicodedata import category

from mixtures.messages import STEERING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_csv", "spreadsheet_safe", "starts_formula"]

FORMULA_SIGNS = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\uff20"
"""Characters that start a formula in a spreadsheet; some ignore white space before them."""

ANOTHER_CELL = re.compile(rf"[;\t|]\s*[{re.escape(FORMULA_SIGNS)}]")
"""A formula after a character that separates cells in some countries' spreadsheets, unless quoted."""


def as_csv(frame: "pd.DataFrame") -> str:
    """A table as CSV that is safe in a spreadsheet."""
    safe = spreadsheet_safe(frame)
    text: str = safe.to_csv()
    return str(safe.to_csv(quoting=csv.QUOTE_NONNUMERIC)) if ANOTHER_CELL.search(text) else text


def spreadsheet_safe(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Table whose text a spreadsheet does not execute; numbers stay numbers.

    Text that begins like a formula gets an apostrophe in front (OWASP, "CSV Injection").
    """
    safe = frame.rename(columns=_safe, index=_safe)
    from pandas import CategoricalDtype, Series
    from pandas.api.types import is_numeric_dtype

    texts = [j for j in range(frame.shape[1]) if not is_numeric_dtype(frame.dtypes.iloc[j])]
    for j in texts:
        dtype: Any = safe.dtypes.iloc[j]
        cells = [_safe(cell) for cell in safe.iloc[:, j]]  # map would make floats of whole numbers
        of = object if isinstance(dtype, CategoricalDtype) else dtype
        safe.isetitem(j, Series(cells, index=safe.index, dtype=of))
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


def starts_formula(cell: str) -> bool:
    """Whether a spreadsheet may read text as a formula, even after invisible characters."""
    seen = next((c for c in cell if not c.isspace() and category(c) not in STEERING), "")
    return cell.startswith(("\t", "\r", "\n")) or (seen != "" and seen in FORMULA_SIGNS)
