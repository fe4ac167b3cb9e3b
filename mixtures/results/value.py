"""What all results share: they are equal if their parts are, and show themselves as text and as a table."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtures.brief import table_html

if TYPE_CHECKING:
    import pandas as pd
else:
    from mixtures.types import DeferredModule

    pd = DeferredModule("pandas")

__all__ = ["Value", "alike"]


class Value:
    """Base of results, which are frozen dataclasses.

    Two are equal if they are of one kind and all their parts are, NaN included. The hash is of the
    numbers and texts among the parts, since tables and arrays have none.
    """

    def summary(self) -> "pd.DataFrame":
        """Table of what was found."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same kind and has equal parts."""
        return alike(self, other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        """Hash of the parts that are a number or a text."""
        parts = (getattr(self, each.name) for each in fields(self) if each.compare)  # type: ignore[arg-type]
        plain = (x for x in parts if isinstance(x, str | int | float) and x == x)  # NaN has no equal
        return hash((type(self).__name__, *plain))

    def _repr_html_(self) -> str:
        """The first rows of the table, under the first line of what is printed."""
        title = repr(self).partition("\n")[0]
        return table_html(f"<p>{escape(title)}</p>", self.summary())


def alike(a: Any, b: Any) -> bool:
    """Whether two values are equal, part by part; NaN equals NaN.

    Examples
    --------
    >>> alike({"p": np.array([0.5, np.nan])}, {"p": np.array([0.5, np.nan])})
    True
    >>> alike((1, "a"), (1, "b"))
    False
    """
    if a is b:
        return True
    if is_dataclass(a) and not isinstance(a, type):
        return type(a) is type(b) and all(
            alike(getattr(a, each.name), getattr(b, each.name)) for each in fields(a) if each.compare
        )
    if hasattr(a, "equals"):  # tables of pandas and trees of xarray
        return type(a) is type(b) and bool(a.equals(b))
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, float) and isinstance(b, float) and isnan(a):
        return isnan(b)
    return bool(a == b)
