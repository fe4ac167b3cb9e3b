"""Cells as numbers: missing or masked cells become NaN, and cells that are not numbers are refused."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.dependencies import is_pandas_series

from mixtures.data.odd_cells import ADVICE, cell_at, kind_of, shown, why_no_array, word_among
from mixtures.errors import InputError
from mixtures.messages import named, shortened, worded

__all__ = ["NotNumbers", "as_array", "as_column", "as_floats", "as_numbers", "refuse_columns", "uncovered"]


class NotNumbers(InputError):
    """A column that holds something other than numbers.

    Attributes
    ----------
    feature : str
        Name of the column.
    what : str
        What it holds: "text", "dates or times".
    where : str
        A cell and its row in words, if that helps.
    """

    feature: str = ""
    what: str = ""
    where: str = ""

    @classmethod
    def of(cls, feature: str, what: str, where: str = "") -> "NotNumbers":
        """Word what a column holds."""
        advice = ADVICE.get(what, ADVICE["text"])
        place = f" ({where})" if where else ""
        error = cls(f"column {named(feature)} holds {what}{place}; {advice}")
        error.feature, error.what, error.where = feature, what, where
        return error


def refuse_columns(errors: Sequence[NotNumbers]) -> None:
    """Refuse columns that do not hold numbers, all at once."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    parts = []
    for what in dict.fromkeys(error.what for error in errors):
        own = [error for error in errors if error.what == what]
        names = shortened([error.feature for error in own])
        place = f" ({own[0].where})" if own[0].where else ""
        verb = "hold" if len(own) > 1 else "holds"
        parts.append(f"column{'s' * (len(own) > 1)} {names} {verb} {what}{place}")
    raise InputError(f"{', '.join(parts)}; drop these columns or encode them as numbers")


def as_array(X: Any) -> np.ndarray:
    """Make an array of what a user passes; only a masked array keeps its mask."""
    if isinstance(X, np.ma.MaskedArray):
        return X
    _check_labels_of_rows(X)
    try:
        values = uncovered(X)
        array = np.asarray(values)
        if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
            array = np.array(values, dtype=object)  # otherwise numbers beside a text would become text too
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(why_no_array(X, error)) from error
    return array


def as_column(series: nw.Series[Any], feature: str) -> np.ndarray:
    """Return the cells of a column of a frame."""
    if series.dtype.is_nested():
        raise InputError(f"column {named(feature)} holds nested values; split it into one column per value")
    if series.dtype in (nw.Int128, nw.UInt128):  # which NumPy does not have
        series = series.cast(nw.Float64)
    try:
        return series.to_numpy()
    except InputError:
        raise
    except Exception as error:  # each kind of frame raises its own
        reason = " ".join(str(error).split())
        raise InputError(f"column {named(feature)} cannot be read as numbers: {reason:.200}") from error


def as_floats(column: np.ndarray, feature: str, obs_id: np.ndarray, first: int) -> np.ndarray:
    """Read one column; missing values of any kind become NaN."""
    if column.dtype.kind in "biuf":
        return column
    if column.dtype.kind in "mM":  # as objects, some would turn into plain integers
        raise NotNumbers.of(feature, "dates or times")
    cells = column.astype(object)
    floats, bad = _floats(cells)
    if bad is not None:
        place = word_among(cells, bad)
        raise NotNumbers.of(feature, kind_of(cells[bad]), cell_at(cells[place], place, obs_id, first))
    return floats


def as_numbers(value: Any, subject: str, *, truth: bool = True) -> np.ndarray:
    """Read an array of doubles other than the data: weights, parameters, values to hold fixed.

    Parameters
    ----------
    value : array_like
        Numbers in any shape, by the rules for the cells of a table: booleans are 0 and 1, masked entries
        and nulls are NaN.
    subject : str
        Beginning of the message, such as "weights are not" or "parameter mu is not".
    truth : bool, default True
        Whether true and false are numbers.

    Examples
    --------
    >>> as_numbers([1, None, True], "weights are not")
    array([ 1., nan,  1.])
    >>> as_numbers(["1"], "weights are not")
    Traceback (most recent call last):
    mixtures.errors.InputError: weights are not an array of numbers: text ('1')
    """
    given = nw.from_native(value, series_only=True, pass_through=True)
    try:
        array = as_column(given, "0") if isinstance(given, nw.Series) else uncovered(as_array(given))
    except InputError as error:
        raise InputError(worded(subject, " an array of numbers: ", error)) from error
    if array.dtype.kind in ("biuf" if truth else "iuf"):
        with np.errstate(over="ignore"):  # a long double; it is infinite then
            return array.astype(np.float64)
    if array.dtype.kind in "mM":
        raise InputError(worded(subject, " an array of numbers: dates or times"))
    cells = array.astype(object).ravel()
    if not truth and any(isinstance(cell, bool | np.bool) for cell in cells):
        raise InputError(worded(subject, " an array of numbers: true and false"))
    floats, bad = _floats(cells)
    if bad is not None:
        what = f" an array of numbers: {kind_of(cells[bad])} ({shown(cells[bad])})"
        raise InputError(worded(subject, what))
    return floats.reshape(array.shape)


def _floats(cells: np.ndarray) -> tuple[np.ndarray, int | None]:
    floats = np.empty(len(cells))
    for place, cell in enumerate(cells):
        if isinstance(cell, Real | Decimal | np.bool):
            floats[place] = _float(cell)
        elif cell is None or _is_missing(cell):
            floats[place] = np.nan
        else:
            return floats, place
    return floats, None


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer too large; refused later, with its place
        return np.inf
    except ValueError:  # a signalling NaN
        return np.nan


def _is_missing(cell: Any) -> bool:
    """Whether a cell is masked, ``pandas.NA`` or ``NaT``; without pandas none are."""
    pd = sys.modules.get("pandas")
    masked = isinstance(cell, np.ma.MaskedArray) and cell.ndim == 0 and bool(cell.mask)
    return masked or (pd is not None and (cell is pd.NA or cell is pd.NaT))


def uncovered(X: Any) -> Any:
    """Replace masked cells of arrays, or of lists of them, by NaN or None."""
    if isinstance(X, list | tuple):
        return [uncovered(x) for x in X]
    if not isinstance(X, np.ma.MaskedArray):
        return X
    mask = np.ma.getmaskarray(X)
    if not mask.any() or X.dtype.kind not in "biufO":  # text, dates and complex numbers are refused anyway
        return X.data
    missing: Any = None if X.dtype.kind == "O" else np.nan
    kept = X.data.astype(object if X.dtype.kind == "O" else np.float64)
    kept[mask] = missing
    return kept[()] if kept.ndim == 0 else kept


def _check_labels_of_rows(X: Any) -> None:
    """Refuse rows that are Series with different labels, or the same in another order."""
    if not isinstance(X, list | tuple) or not X or not all(is_pandas_series(row) for row in X):
        return
    for place, row in enumerate(X):
        if not row.index.equals(X[0].index):
            raise InputError(
                f"the labels of row {place}, a Series, are not those of row 0; pass pandas.DataFrame(rows), "
                "which puts them in the same order"
            )
