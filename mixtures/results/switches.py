"""What `switching` and `compare_labellings` return."""

from dataclasses import dataclass

import pandas as pd

from mixtures.brief import on_a_page, table_head

__all__ = ["Switches", "Switching"]

SHARES_SHOWN = 3
"""Permutations that the short text lists."""


@dataclass(frozen=True)
class Switches:
    """How the labels of a posterior sample switched before they were aligned.

    Attributes
    ----------
    within : tuple of int
        For every chain, how often the permutation changes from draw to draw.
    between : int
        How many different permutations are the most frequent one of some chain;
        1 if all chains have the same labels.
    shares : dict of tuple of int to float
        Share of the draws under each permutation, most frequent first.
    """

    within: tuple[int, ...]
    between: int
    shares: dict[tuple[int, ...], float]

    def __str__(self) -> str:
        """Word the record: "12 label switches within chains, 2 labellings among 4 chains"."""
        return (
            f"{sum(self.within)} label switches within chains, "
            f"{self.between} labelling{'s' * (self.between > 1)} among {len(self.within)} chains"
        )

    def __repr__(self) -> str:
        """Word the record, and the most frequent of the permutations, which may be one for each draw."""
        first = [f"{order} {share:.1%}" for order, share in list(self.shares.items())[:SHARES_SHOWN]]
        rest = len(self.shares) - len(first)
        return on_a_page(
            f"{type(self).__name__}: {self}",
            f"  permutations: {', '.join(first)}" + (f" and {rest} more" if rest else ""),
        )


@dataclass(frozen=True)
class Switching(Switches):
    """Label switches, and what they do to R-hat and ESS.

    Attributes
    ----------
    within, between, shares
        As in `Switches`.
    mixing : pandas.DataFrame
        Highest R-hat and lowest ESS of the parameters with raw and with aligned
        labels, and of quantities that no relabelling changes.
    """

    mixing: pd.DataFrame

    def __repr__(self) -> str:
        """Word the record, with what alignment mends."""
        return on_a_page(super().__repr__(), table_head(self.mixing))
