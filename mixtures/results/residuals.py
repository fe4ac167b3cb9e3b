"""What `bivariate_residuals` returns."""

from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from mixtures.brief import on_a_page, table_head
from mixtures.messages import counted
from mixtures.results.value import Value

__all__ = ["BivariateResiduals", "PairResidual"]

SHOWN = 12
"""Pairs that are printed."""


class PairResidual(NamedTuple):
    """Residual association of two items.

    Attributes
    ----------
    first, second : str
        The items.
    residual : float
        Pearson's X2 of their table over its (R - 1) (R' - 1) independent cells; for a sample, the expected
        table is the mean over the draws.
    p : float or None
        Posterior predictive p-value; None for a point estimate.
    n_rows : int
        Rows in which both are observed.
    """

    first: str
    second: str
    residual: float
    p: float | None
    n_rows: int


@dataclass(frozen=True, eq=False)
class BivariateResiduals(Value):
    """Residual associations of every two items, the largest first.

    Attributes
    ----------
    pairs : tuple of PairResidual
        A row for every pair of items.
    n_draws : int
        Data sets that were replicated for the p-values; 0 for a point estimate.
    left_out : tuple of tuple of str
        Pairs without a residual: in the rows in which both are observed, one of them has a single level.
    """

    pairs: tuple[PairResidual, ...]
    n_draws: int
    left_out: tuple[tuple[str, str], ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row for every pair, indexed by the two items: ``residual``, ``p`` and ``n_rows``."""
        frame = pd.DataFrame(self.pairs, columns=list(PairResidual._fields))
        return frame.astype({"residual": float, "p": float}).set_index(["first", "second"])

    def summary(self) -> pd.DataFrame:
        """One row for every pair, as `to_frame`."""
        return self.to_frame()

    def __repr__(self) -> str:
        """Show the largest residuals."""
        judged = f", p-values from {self.n_draws} replicated data sets" if self.n_draws else ""
        count = len(self.pairs)
        title = f"BivariateResiduals of {counted(count, 'pair')}{judged}"
        table = self.to_frame().reset_index()
        table = (table if self.n_draws else table.drop(columns="p")).set_index("first")
        left_out = [f"  and {counted(count - SHOWN, 'more pair')}: see .to_frame()"] if count > SHOWN else []
        if self.left_out:
            pairs = counted(len(self.left_out), "pair")
            left_out.append(f"without {pairs} of which an item has one level: see .left_out")
        return on_a_page(title, table_head(table.head(SHOWN)), *left_out)
