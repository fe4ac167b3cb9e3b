"""Answers on a scale: columns of whole numbers that share one small range."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Scale", "scales_of"]

FEWEST_COLUMNS, SHORTEST, LONGEST = 3, 2, 10
"""Columns of one range from which it looks like a scale; least and most from its first to its last step."""


RARE = 0.25
"""A last step whose share is below this part of an even share looks like the largest of some counts."""


@dataclass(frozen=True)
class Scale:
    """The steps that answers may have.

    Attributes
    ----------
    first, last : int
        The steps at its ends.
    could_be_counts : bool
        Whether it begins at 0 and its last step is rare, as with counts.
    """

    first: int
    last: int
    could_be_counts: bool

    @property
    def words(self) -> str:
        """Its range in words."""
        return f"{self.first} to {self.last}"

    def has(self, known: np.ndarray) -> bool:
        """Whether a column ends within a step of its ends: an item may have a step that nobody chose."""
        if not _are_whole(known):
            return False
        low, high = known.min(), known.max()
        return bool(self.first <= low <= self.first + 1 and self.last - 1 <= high <= self.last and low < high)


def scales_of(columns: Sequence[np.ndarray]) -> list[Scale | None]:
    """The scale of every column, given its numbers; None for a column that does not look like one.

    Three columns or more of whole numbers that all have the same least value, 0 or 1, and the same greatest
    one, 2 to 10 above it, look like answers on a scale; columns within one step of both ends join them.
    Steps between the ends may be missing. Counts begin at 0 too, but reach no common end: where the last
    step of such columns is rare, `Scale.could_be_counts` is True.
    """
    ends = [_ends(known) for known in columns]
    number = Counter(pair for pair in ends if pair is not None)
    scales = [
        _scale(pair, [known for known, own in zip(columns, ends, strict=True) if own == pair])
        for pair, n in number.most_common()
        if n >= FEWEST_COLUMNS
    ]
    scales.sort(key=lambda one: one.could_be_counts)
    return [
        next((one for one in scales if (one.first, one.last) == own), None)
        or next((one for one in scales if one.has(known)), None)
        for known, own in zip(columns, ends, strict=True)
    ]


def _scale(ends: tuple[int, int], columns: Sequence[np.ndarray]) -> Scale:
    first, last = ends
    share = np.mean(np.concatenate(columns) == last)
    return Scale(first, last, bool(first == 0 and share < RARE / (last - first + 1)))


def _ends(known: np.ndarray) -> tuple[int, int] | None:
    """Least and greatest value of a column, if they could be the ends of a scale."""
    if not _are_whole(known):
        return None
    first, last = known.min(), known.max()
    return (int(first), int(last)) if first in (0, 1) and SHORTEST <= last - first <= LONGEST else None


def _are_whole(known: np.ndarray) -> bool:
    return len(known) > 0 and bool(np.isfinite(known).all() and (known == np.floor(known)).all())
