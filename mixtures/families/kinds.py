"""Kinds of the columns of a data frame, read off their cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from mixtures.data.cells import as_column, as_floats
from mixtures.errors import InputError
from mixtures.families.blocks import KINDS
from mixtures.messages import did_you_mean, named, shortened

__all__ = ["check_kinds", "kinds_of"]

MOST_COUNTED = 20.0
"""Mean up to which whole numbers are taken for counts: above it counts are nearly normal."""


def kinds_of(frame: Any, stated: Mapping[str, str] | None = None) -> dict[str, tuple[str, ...]]:
    """Take every column of a data frame for one of the kinds that a `Mixed` model has.

    Columns of booleans, or of zeros and ones, are binary. Text and categories are categorical. Whole
    numbers from 0 up with a mean of at most 20 are counts, and all other numbers Gaussian.

    Parameters
    ----------
    frame : pandas, polars or pyarrow table
        The data.
    stated : dict of str, optional
        Kind of columns that are not to be guessed.

    Returns
    -------
    dict of tuple of str
        Columns by kind, for `Mixed`; kinds that no column has are left out.

    Raises
    ------
    InputError
        If a stated column is not there, or its kind is none of these.

    Examples
    --------
    >>> import pandas as pd
    >>> kinds_of(pd.DataFrame({"size": [1.5, 2.5], "visits": [0, 3], "town": ["a", "b"]}))
    {'gaussian': ('size',), 'categorical': ('town',), 'poisson': ('visits',)}
    """
    table: nw.DataFrame[Any] = nw.from_native(frame, eager_only=True)
    names, said = [str(name) for name in table.columns], dict(stated or {})
    check_kinds(names, said)
    guessed = {
        name: said.get(name) or _kind(column, name)
        for name, column in zip(names, table.iter_columns(), strict=True)
    }
    found = {kind: tuple(name for name, own in guessed.items() if own == kind) for kind in KINDS}
    return {kind: own for kind, own in found.items() if own}


def check_kinds(names: Sequence[str], stated: Mapping[str, str]) -> None:
    """Refuse a stated kind of a column that is not there, or one that does not exist."""
    for name, kind in stated.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise InputError(f"there is no column {named(name)}{hint}; the columns are {shortened(names)}")
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS)
            raise InputError(f"column {named(name)}: {kind!r:.80} is not one of {', '.join(KINDS)}{hint}")


def _kind(column: "nw.Series[Any]", name: str) -> str:
    if column.dtype == nw.Boolean:
        return "bernoulli"
    if not column.dtype.is_numeric() and not _are_booleans(column):
        return "categorical"
    cells = as_floats(as_column(column, name), name, np.arange(len(column)), 0)
    seen = cells[~np.isnan(cells)]
    if not len(seen):
        return "gaussian"
    if np.isin(seen, (0, 1)).all():
        return "bernoulli"
    counted = bool((seen >= 0).all() and (seen == np.floor(seen)).all())
    return "poisson" if counted and seen.mean() <= MOST_COUNTED else "gaussian"


def _are_booleans(column: "nw.Series[Any]") -> bool:
    """Whether a column of objects holds booleans, as one does where cells are missing."""
    if column.dtype != nw.Object:
        return False
    return all(isinstance(cell, bool | np.bool) for cell in column.drop_nulls().to_list())
