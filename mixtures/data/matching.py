"""Matching the columns of new data to those of the fit: by name if both have names.

Names that only number the columns do not count as names: ``x0, x1, ...`` for an
array, and ``0, 1, ...`` or ``column_0, column_1, ...`` for a pandas or polars frame
made from one. If one side has no names, columns are matched by position.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data, LevelsOfColumns
from mixtures.errors import InputError
from mixtures.messages import counted, did_you_mean, named, shortened

__all__ = ["OF_FRAMES", "columns_of", "has_names", "matched", "places", "places_and_names"]

OF_FRAMES = ("", "column_")


PLACES = ("x", *OF_FRAMES)
"""Prefix of the number of a column without a name: in frames, and in all tables."""


LISTED = 5
"""Largest number of missing or unknown columns that a message names."""


def has_names(features: Sequence[str], made_up: Sequence[str] = PLACES) -> bool:
    """Whether columns have names, not only numbers.

    Examples
    --------
    >>> has_names(["x0", "x1"]), has_names(["x1", "x0"]), has_names(["waiting"])
    (False, True, True)
    """
    return all(any(f != f"{word}{j}" for j, f in enumerate(features)) for word in made_up)


def places(
    given: Sequence[str],
    fitted: Sequence[str],
    *,
    labelled: bool = True,
    names: bool | None = None,
    what: str = "X has",
    whose: str = "the parameters are",
) -> list[int]:
    """Find the position of each fitted column among those given.

    Parameters
    ----------
    given, fitted : sequence of str
        Names of the columns.
    labelled : bool, default True
        Whether the columns given can be matched by their labels even if those are only numbers; those of
        an array cannot.
    names : bool, optional
        Whether those given have names, not only numbers; by default as `has_names` decides.
    what, whose : str
        How a message begins to describe the columns of either side.

    Returns
    -------
    list of int
        The position of every fitted column.

    Raises
    ------
    InputError
        If a fitted column is missing or an unknown one is there, or, without names, if the numbers of
        columns differ.

    Examples
    --------
    >>> places(["b", "a"], ["a", "b"]), places(["x0", "x1"], ["a", "b"])
    ([1, 0], [0, 1])
    """
    if labelled and set(given) == set(fitted):
        at = {name: j for j, name in enumerate(given)}
        return [at[name] for name in fitted]
    named_given, named_fitted = has_names(given) if names is None else names, has_names(fitted)
    some = (named_given or named_fitted) and set(given) & set(fitted)
    wrong = ""
    if labelled and (some or (named_given and named_fitted)):
        missing = [name for name in fitted if name not in set(given)]
        unknown = [name for name in given if name not in set(fitted)]
        hint = did_you_mean(missing[0], unknown) if missing else ""
        wrong = "; ".join(filter(None, (_listed(missing, "missing") + hint, _listed(unknown, "not known"))))
    if len(given) != len(fitted):
        more = f"; {wrong}" if wrong else ""
        raise InputError(
            f"{what} {counted(len(given), 'column')}; {whose} of {counted(len(fitted), 'feature')}{more}"
        )
    if wrong:
        raise InputError(
            f"{what} the columns {shortened(given)}; {whose} of {shortened(fitted)}; {wrong}: give the "
            "fitted columns, or an array of them in that order"
        )
    return list(range(len(fitted)))


def places_and_names(
    given: Sequence[str], fitted: Sequence[str], **words: Any
) -> tuple[list[int], tuple[str, ...]]:
    """Positions of the fitted columns among those given, and the names of whichever side has any."""
    order = places(given, fitted, **words)
    found = [given[j] for j in order]
    return order, tuple(fitted if has_names(fitted) or not has_names(found) else found)


def _listed(names: Sequence[str], what: str) -> str:
    """Word names: "'a', 'b' are missing"; empty if there are none."""
    if not names:
        return ""
    shown = ", ".join(named(name) for name in names[:LISTED])
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{shown}{rest} {'is' if len(names) == 1 else 'are'} {what}"


def matched[R: Rows](rows: R, fitted: Sequence[str], X: Any, *, whose: str = "the parameters are") -> R:
    """Put the columns of rows in the order of those fitted; they keep their own names.

    Parameters
    ----------
    rows : Rows
        Checked data.
    fitted : sequence of str
        Names of the fitted columns.
    X : object
        What the rows were read from: a frame always has labels, an array never.
    whose : str
        As in `places`.

    Returns
    -------
    Rows
        The rows themselves if there is nothing to change.

    Raises
    ------
    InputError
        As in `places`.
    """
    table = X[0] if isinstance(X, list | tuple) and X else X
    is_frame = hasattr(table, "columns") or hasattr(table, "column_names")
    names = has_names(rows.features, OF_FRAMES if is_frame else PLACES)
    order = places(rows.features, fitted, labelled=is_frame or names, names=names, whose=whose)
    if order == sorted(order):
        return rows
    return columns_of(rows, order)


def columns_of[R: Rows](rows: R, order: Sequence[int]) -> R:
    """Rows of these columns, or of some of them, in this order."""
    features = tuple(rows.features[j] for j in order)
    return rows.viewed(partial(_reordered, tuple(order), features), features, _picked(rows.levels, order))


def _reordered(order: Sequence[int], features: tuple[str, ...], data: Data) -> Data:
    values = np.ascontiguousarray(data.values[:, order])
    values.flags.writeable = False
    return replace(data, values=values, features=features, levels=_picked(data.levels, order))


def _picked(levels: LevelsOfColumns | None, order: Sequence[int]) -> LevelsOfColumns | None:
    return None if levels is None else tuple(levels[j] for j in order)
