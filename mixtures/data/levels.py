"""Levels of categorical columns: found in data, coded as 0, 1, ..., and matched to those of a fit."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np

from mixtures.data.odd_cells import ADVICE, kind_of, shown
from mixtures.data.rows import Rows
from mixtures.data.table import LARGEST_WHOLE, Data, Levels, LevelsOfColumns, read_only
from mixtures.errors import InputError
from mixtures.messages import Option, did_you_mean, locate, named, shortened, worded

__all__ = [
    "Categories",
    "as_codes",
    "as_levels",
    "coded",
    "declared_in",
    "is_categorical",
    "label_of",
    "labels_of",
    "levels_of_floats",
    "shared_labels",
]

Categories = bool | frozenset[str] | frozenset[int]
"""Which columns hold the levels of categories: all, none, or those of these names or positions."""


MOST_LEVELS = 1000
"""Levels of a column that are still taken for categories."""


def is_categorical(categories: Categories, feature: str, place: int) -> bool:
    """Whether a column holds the levels of categories.

    Examples
    --------
    >>> is_categorical(frozenset({"a"}), "a", 0), is_categorical(frozenset({1}), "a", 0)
    (True, False)
    """
    return categories if isinstance(categories, bool) else feature in categories or place in categories


def label_of(cell: Any) -> Any:
    """A label as plain Python: text, a whole number, or a boolean; None if it is neither."""
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, bool | np.bool):
        return bool(cell)
    if isinstance(cell, Integral):
        return int(cell)
    if isinstance(cell, Real) and np.isfinite(number := float(cell)) and number == np.floor(number):
        return int(number)
    return None


def as_levels(labels: Any, whose: str) -> Levels:
    """Check stated labels, and make them plain."""
    found = tuple(label_of(cell) for cell in labels)
    if any(label is None for label in found):
        bad = next(cell for cell, label in zip(labels, found, strict=True) if label is None)
        raise InputError(f"levels {whose}: {bad!r:.80} is neither text, a whole number nor a boolean")
    if not found or len(set(found)) < len(found):
        raise InputError(f"levels {whose} must be one or more different labels, got {shortened(found, 8)}")
    return found


def as_codes(
    column: np.ndarray, feature: str, obs_id: np.ndarray, first: int, declared: Sequence[Any] | None = None
) -> tuple[np.ndarray, Levels]:
    """Code one column by its levels; missing cells are NaN.

    The levels are those that are declared, whether or not they occur; otherwise those that occur, in
    ascending order, and both of a boolean column.
    """
    if column.dtype.kind in "mM":
        raise InputError(f"column {named(feature)} holds dates or times; {ADVICE['dates or times']}")
    if column.dtype.kind in "biuf":
        places, values = _numbers(column, feature, obs_id, first)
    else:
        places, values = _objects(column.astype(object), feature, obs_id, first)
    if column.dtype.kind == "b":
        declared = [False, True]
    levels = (
        _ordered(set(values), feature) if declared is None else as_levels(declared, f"of {named(feature)}")
    )
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"column {named(feature)} has {len(levels):,} different values, too many for categories: "
            "drop it, or group them"
        )
    at = {label: code for code, label in enumerate(levels)}
    codes = np.array([*(at[label] for label in values), np.nan])  # the last one is for missing cells
    return codes[places], levels


def declared_in(column: nw.Series[Any]) -> list[Any] | None:
    """Categories that the type of a column lists, as of a pandas categorical; None if it lists none."""
    if column.dtype == nw.Boolean:
        return [False, True]
    listed: Any = getattr(getattr(column.to_native(), "dtype", None), "categories", None)
    is_list = isinstance(column.dtype, nw.Enum | nw.Categorical) and hasattr(listed, "__len__")
    return list(listed) if is_list else None


def _numbers(
    column: np.ndarray, feature: str, obs_id: np.ndarray, first: int
) -> tuple[np.ndarray, list[Any]]:
    """Place of every cell among the distinct whole numbers of a column, -1 where it is missing; and these."""
    values = column.astype(np.float64)
    seen = ~np.isnan(values)
    wrong = seen & ((values != np.floor(values)) | (np.abs(values) > LARGEST_WHOLE))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise InputError(_why_no_label(values[place], place, feature, obs_id, first))
    distinct = np.unique(values[seen])
    places = np.where(seen, np.searchsorted(distinct, values), -1)
    return places, [bool(x) if column.dtype.kind == "b" else int(x) for x in distinct]


def _objects(cells: np.ndarray, feature: str, obs_id: np.ndarray, first: int) -> tuple[np.ndarray, list[Any]]:
    import pandas as pd

    places, distinct = pd.factorize(cells)  # -1 where missing
    labels = [label_of(cell) for cell in distinct]
    for j, label in enumerate(labels):
        if label is None or (isinstance(label, str) and not label.strip()):
            place = int(np.flatnonzero(places == j)[0])
            raise InputError(_why_no_label(cells[place], place, feature, obs_id, first))
    return places, labels


def _why_no_label(cell: Any, place: int, feature: str, obs_id: np.ndarray, first: int) -> str:
    mask = np.zeros((len(obs_id), 1), dtype=bool)
    mask[place] = True
    where = locate(mask, (feature,), obs_id, first=first)
    if isinstance(cell, str):
        return (
            f"{where}: the text is empty; put None where a cell is missing, or give the level a name, such "
            "as 'none'"
        )
    what = f"{cell:g} is not a whole number" if isinstance(cell, Real) else f"{kind_of(cell)} ({shown(cell)})"
    return f"{where}: {what}; the levels of categories are text, whole numbers or booleans"


def _ordered(labels: set[Any], feature: str) -> Levels:
    if len({isinstance(label, str) for label in labels}) > 1:
        raise InputError(
            f"column {named(feature)} holds text and numbers, such as "
            f"{shortened(sorted(map(str, labels)), 4)}; give all levels as text, or all as numbers"
        )
    return tuple(sorted(labels))


def levels_of_floats(data: Data, categories: Categories = True) -> Data:
    """Code the columns of categories in a table of numbers by the whole numbers in them."""
    columns: list[tuple[np.ndarray, Levels | None]] = [
        as_codes(data.values[:, j], feature, data.obs_id, data.first)
        if is_categorical(categories, feature, j)
        else (data.values[:, j], None)
        for j, feature in enumerate(data.features)
    ]
    values = np.column_stack([codes for codes, _ in columns])
    return replace(data, values=read_only(values), levels=tuple(levels for _, levels in columns))


def coded[R: Rows](rows: R, stated: Sequence[Levels | None], categories: Categories = True) -> R:
    """Rows whose columns of categories have the stated levels, or their own where none are stated."""
    own: Sequence[Levels | None] | None = rows.levels
    if own is None:
        own = rows.sum_over(partial(_levels, categories), _joined) if None in stated else stated
    wanted = tuple(found if one is None else one for found, one in zip(own, stated, strict=True))
    for name, levels in zip(rows.features, wanted, strict=True):
        if levels == ():
            raise InputError(
                f"column {named(name)} is without an observed cell, and nothing declares its levels; drop it"
            )
    return rows if wanted == rows.levels else rows.viewed(partial(_recoded, wanted), rows.features, wanted)


def shared_labels(levels: LevelsOfColumns, most: int) -> list[Any]:
    """Labels of the levels that all columns share; else, or if they are unknown, ``most`` numbers."""
    shared = levels[0] if len(set(levels)) == 1 else None
    if shared is None:
        return list(range(most))
    return [str(label) if isinstance(label, bool) else label for label in shared]


def labels_of(data: Data, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Labels of codes (m, ...) of these columns (m,), as objects; of numbers, the values themselves."""
    if data.levels is None:
        return values
    labels = np.empty(values.shape, dtype=object)
    for j, own in enumerate(data.levels):
        if own is None:
            labels[columns == j] = values[columns == j]
            continue
        named_here = np.array([*own, None], dtype=object)[:-1]
        labels[columns == j] = named_here[values[columns == j].astype(int)]
    return labels


def _levels(categories: Categories, block: Data) -> LevelsOfColumns:
    data = block if block.levels is not None else levels_of_floats(block, categories)
    assert data.levels is not None
    return data.levels


def _joined(one: LevelsOfColumns, other: LevelsOfColumns) -> LevelsOfColumns:
    return tuple(_union(a, b, j) for j, (a, b) in enumerate(zip(one, other, strict=True)))


def _union(a: Levels | None, b: Levels | None, j: int) -> Levels | None:
    if a is None or b is None:
        return None
    return a if set(b) <= set(a) else b if set(a) <= set(b) else _ordered({*a, *b}, str(j))


def _recoded(wanted: LevelsOfColumns, block: Data) -> Data:
    """Rows with the codes of other levels; refuses cells of levels that are not among these."""
    which = frozenset(j for j, levels in enumerate(wanted) if levels is not None)
    data = block if block.levels is not None else levels_of_floats(block, which)
    if data.levels == wanted:
        return data
    values = data.values.copy()
    for j, (own, levels) in enumerate(zip(_levels(which, data), wanted, strict=True)):
        if own == levels or own is None or levels is None:
            continue
        at = {label: code for code, label in enumerate(levels)}
        text = {str(label): code for label, code in at.items()}  # "1" in one file is 1 in another
        places = np.array([at.get(label, text.get(str(label), -1)) for label in own], dtype=float)
        seen = ~np.isnan(values[:, j])
        values[seen, j] = places[values[seen, j].astype(int)]
        if (unknown := values[:, j] < 0).any():
            raise InputError(_unknown(data, j, unknown, levels))
    return replace(data, values=read_only(values), levels=wanted)


def _unknown(data: Data, j: int, unknown: np.ndarray, levels: Levels) -> str:
    mask = np.zeros(data.values.shape, dtype=bool)
    mask[:, j] = unknown
    own = (data.levels or ())[j] or ()
    label = own[int(data.values[np.flatnonzero(unknown)[0], j])]
    return worded(
        f"{data.locate(mask)}: {label!r:.80} is not one of the levels {shortened(levels, 8)}"
        f"{did_you_mean(str(label), list(map(str, levels)))}; correct these cells, or state the level in ",
        Option("levels", said="levels=", typed="levels= in Python"),
    )
