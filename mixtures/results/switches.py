"""What `switching` and `compare_labellings` return."""

from dataclasses import dataclass

import pandas as pd

from mixtures.brief import on_a_page, table_head
from mixtures.messages import counted
from mixtures.results.value import Value

__all__ = ["Switches", "Switching"]

SHARES_SHOWN = 3
"""Number of permutations that the short text lists."""


@dataclass(frozen=True, eq=False)
class Switches(Value):
    """How the labels of a posterior sample switched before they were aligned.

    Attributes
    ----------
    within : tuple of int
        How often the permutation changes from draw to draw, by chain.
    between : int
        Number of different permutations among the most frequent one of each chain;
        1 if all chains have the same labels.
    shares : dict of tuple of int to float
        Share of the draws under each permutation, most frequent first.
    """

    within: tuple[int, ...]
    between: int
    shares: dict[tuple[int, ...], float]

    def summary(self) -> pd.DataFrame:
        """Share of the draws under each permutation, most frequent first."""
        return pd.DataFrame(
            {"share": list(self.shares.values())},
            index=pd.Index([str(order) for order in self.shares], name="permutation"),
        )

    def __str__(self) -> str:
        """Word the record: "12 label switches within chains, 2 labellings among 4 chains"."""
        return (
            f"{sum(self.within)} label switches within chains, "
            f"{counted(self.between, 'labelling')} among {counted(len(self.within), 'chain')}"
        )

    def __repr__(self) -> str:
        """Word the record and list the most frequent permutations."""
        first = [f"{order} {share:.1%}" for order, share in list(self.shares.items())[:SHARES_SHOWN]]
        rest = len(self.shares) - len(first)
        return on_a_page(
            f"{type(self).__name__}: {self}",
            f"  permutations: {', '.join(first)}" + (f" and {rest} more" if rest else ""),
        )


@dataclass(frozen=True, eq=False)
class Switching(Switches):
    """Label switches, and their effect on R-hat and ESS.

    Attributes
    ----------
    within, between, shares
        As in `Switches`.
    mixing : pandas.DataFrame
        Largest R-hat and smallest ESS of the parameters with raw and with aligned
        labels, and of quantities that do not depend on the labels.
    """

    mixing: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """What alignment improves: R-hat and ESS of raw and of aligned labels."""
        return self.mixing

    def __repr__(self) -> str:
        """Word the record, with what alignment improves."""
        return on_a_page(super().__repr__(), table_head(self.mixing))
