"""Patterns of missing cells: which columns of a row were observed, and which columns meet in some row."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixtures.data.rows import Rows, sum_once
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.types import Array

__all__ = ["Patterns", "Seen", "partly_observed", "patterns_of", "seen_in"]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Rows grouped by which of their cells are observed.

    Attributes
    ----------
    observed : ndarray of bool, shape (S, D)
        The patterns, each different from the others.
    order : ndarray of int, shape (n,)
        The rows, those of a pattern one after another, in ascending order.
    ends : ndarray of int, shape (S + 1,)
        Where each pattern begins in that order, and where the last ends.
    """

    observed: np.ndarray
    order: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        """Return the number of patterns S."""
        return len(self.observed)

    @property
    def sizes(self) -> np.ndarray:
        """Number of rows of each pattern, shape (S,)."""
        return np.diff(self.ends)

    def groups(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each pattern (D,) with its rows."""
        for observed, first, last in zip(self.observed, self.ends[:-1], self.ends[1:], strict=True):
            yield observed, self.order[first:last]


def patterns_of(values: Array) -> Patterns:
    """Group the rows (n, D) by the cells that are not missing.

    Examples
    --------
    >>> found = patterns_of(np.array([[1.0, np.nan], [2.0, 3.0], [4.0, np.nan]]))
    >>> [(observed.tolist(), rows.tolist()) for observed, rows in found.groups()]
    [([True, False], [0, 2]), ([True, True], [1])]
    """
    observed = ~np.isnan(values)
    packed = np.ascontiguousarray(np.packbits(observed, axis=1))
    codes = packed.view(f"V{packed.shape[1]}").ravel() if packed.shape[1] > 1 else packed[:, 0]
    _, first, of_row = np.unique(codes, return_index=True, return_inverse=True)
    ends = np.concatenate([[0], np.cumsum(np.bincount(of_row, minlength=len(first)))])
    return Patterns(observed[first], np.argsort(of_row, kind="stable"), ends)


def partly_observed(data: Rows | None) -> np.ndarray | None:
    """Patterns (S, D) of observed columns; None if some row is complete, as if all rows were."""
    if not (isinstance(data, Data) and data.has_missing):
        return None
    observed = patterns_of(data.values).observed
    return None if observed.all(axis=1).any() else observed


@dataclass(frozen=True, eq=False)
class Seen:
    """What is observed in some rows: an additive value. Rows of weight zero do not count.

    Attributes
    ----------
    rows, cells : int
        Number of rows, and of their missing cells.
    empty : int
        Number of rows without an observed cell.
    together : ndarray, shape (D, D)
        Number of rows in which both columns are observed; on the diagonal, that of the column.
    """

    rows: int
    cells: int
    empty: int
    together: Array

    def __add__(self, other: "Seen") -> "Seen":
        """What is seen in both sets of rows."""
        return Seen(*map(operator.add, vars(self).values(), vars(other).values()))

    @property
    def share(self) -> str:
        """Share of the cells that are missing, in per cent unless it is small."""
        share = self.cells / max(1, self.rows * len(self.together))
        return f"{share:.2g}" if share < 0.0001 else f"{share:.2%}" if share < 0.01 else f"{share:.0%}"


def seen_in(rows: Rows) -> Seen:
    """Count what is observed in rows, and what is missing of them."""
    return sum_once(rows, "seen", _seen_in_block)


def _seen_in_block(data: Data) -> Seen:
    total = Seen(0, 0, 0, np.zeros((data.n_features, data.n_features)))
    for place, block in data.blocks(BLOCK_ROWS):
        counted = slice(None) if data.weights is None else data.weights[place] > 0
        observed = ~np.isnan(block[counted])
        as_numbers = observed.astype(np.float64)
        cells, empty = np.count_nonzero(~observed), np.count_nonzero(~observed.any(axis=1))
        total += Seen(len(observed), int(cells), int(empty), as_numbers.T @ as_numbers)
    return total
