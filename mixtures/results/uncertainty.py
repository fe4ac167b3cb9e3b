"""What `uncertainty` returns."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from mixtures.brief import model_words, noted, on_a_page, table_head
from mixtures.interrupts import Status
from mixtures.results.em import EMFit
from mixtures.results.value import Value

__all__ = ["Uncertainty"]


@dataclass(frozen=True, eq=False)
class Uncertainty(Value):
    """Standard deviations of every parameter by several methods, side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per parameter: EM's estimate and its standard deviation by every
        method; NaN where a method gives none, and a note says why.
    intervals : pandas.DataFrame
        The same rows; columns (method, bound) of equal-tailed intervals.
    trees : dict of xarray.DataTree
        Draws by every method that succeeded, labels aligned to EM;
        ``attrs["method"]`` says what they are. ArviZ and `mixtures.plot.forest`
        accept the dict as it is.
    notes : tuple of str
        What a reader should know.
    em : EMFit
        The fit whose uncertainty this is.
    status : Status
        Whether every requested method was run.
    """

    table: pd.DataFrame
    intervals: pd.DataFrame
    trees: dict[str, xr.DataTree]
    notes: tuple[str, ...]
    em: EMFit
    status: Status = Status.WHOLE

    def summary(self) -> pd.DataFrame:
        """EM's estimates, and standard deviations by every method."""
        return self.table

    def __repr__(self) -> str:
        """Show the standard deviations on one page."""
        return on_a_page(
            f"Uncertainty of {model_words(self.em.spec)}: EM, and standard deviations by every method",
            table_head(self.table, rows=20),
            noted(self.notes),
        )
