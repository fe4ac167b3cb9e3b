"""What `uncertainty` returns."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from mixtures.brief import model_words, noted, on_a_page, table_head
from mixtures.interrupts import Status
from mixtures.results.em import EMFit

__all__ = ["Uncertainty"]


@dataclass(frozen=True)
class Uncertainty:
    """Standard deviations of every parameter by several methods, side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a parameter: EM, and its sd by every method; NaN where a method
        has no answer, with a note that says why.
    intervals : pandas.DataFrame
        The same rows; columns (method, bound) of equal-tailed intervals.
    trees : dict of xarray.DataTree
        Draws of every method that has an answer, labels aligned to EM;
        ``attrs["method"]`` says what they are. ArviZ takes the dict as it is, and
        so does `mixtures.plot.forest`.
    notes : tuple of str
        What a reader should know.
    em : EMFit
        The fit that all of it is about.
    status : Status
        Whether every method that was asked for has had its turn.
    """

    table: pd.DataFrame
    intervals: pd.DataFrame
    trees: dict[str, xr.DataTree]
    notes: tuple[str, ...]
    em: EMFit
    status: Status = Status.WHOLE

    def __repr__(self) -> str:
        """Say on a page how sure every method is."""
        return on_a_page(
            f"Uncertainty of {model_words(self.em.spec)}: EM, and standard deviations by every method",
            table_head(self.table, rows=20),
            noted(self.notes),
        )
