"""What `complete` returns."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from mixtures.brief import on_a_page, table_head
from mixtures.messages import counted
from mixtures.results.value import Value

__all__ = ["Completed"]


@dataclass(frozen=True, eq=False)
class Completed(Value):
    """Missing cells given the observed cells of their rows.

    Attributes
    ----------
    data : pandas.DataFrame or ndarray, shape (n, D)
        The data with every missing cell at its mean, and all else as it was; with the most
        probable level of a category.
    cells : pandas.DataFrame
        One row per missing cell, by row label and column: ``mean``, ``sd``, and the bounds of
        an equal-tailed interval, ``lower`` and ``upper``. For a BMM the mean is the
        probability of a one; for a PMM the bounds are counts. For an LCA there are the most probable
        ``level`` and its ``probability``. With columns of several kinds the first is ``value``, and
        what a kind of column does not have is NaN.
    draws : pandas.DataFrame or None
        Draws of the missing cells, a column each, if asked for. The cells of one draw belong
        together: those of a row come from one cluster and one set of parameters.
    """

    data: Any
    cells: pd.DataFrame
    draws: pd.DataFrame | None = None

    def summary(self) -> pd.DataFrame:
        """Every missing cell: its mean, sd and interval, or its most probable level."""
        return self.cells

    def __repr__(self) -> str:
        """Show the first of the cells."""
        drawn = "" if self.draws is None else f", {counted(self.draws.shape[1], 'draw')} of each"
        count = len(self.cells)
        title = f"Completed: {counted(count, 'missing cell')}{drawn}"
        return on_a_page(title, *([table_head(self.cells)] if count else []))
