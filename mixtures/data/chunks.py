"""Rows that come in chunks, read again in every pass."""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from narwhals.dependencies import is_pandas_series

from mixtures.data.levels import Categories
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.rows import Blocks, check_alike, check_two_dimensions
from mixtures.data.table import BLOCK_ROWS, Data, row_labels
from mixtures.errors import InputError
from mixtures.messages import worded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Chunks", "checked_blocks", "chunk_labels", "in_blocks"]


@dataclass(frozen=True, eq=False)
class Chunks(Blocks):
    """Chunks of rows from an iterable, one in memory at a time.

    Attributes
    ----------
    opened : callable
        Returns an iterable of the same tables whenever it is called.
    weights : ndarray, shape (n,), or None
        Frequency weights.
    labels : ndarray of int, shape (n,), or None
        Known clusters, -1 where it is not known.
    categories : bool or frozenset
        Whether cells are the levels of categories, or in which columns they are; every chunk then has
        codes of its own.
    """

    opened: Callable[[], Iterable[Any]]
    weights: np.ndarray | None
    labels: np.ndarray | None = None
    categories: Categories = False

    def sum_over[T](self, f: Callable[[Data], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f(block)`` over the chunks, from the first to the last."""
        blocks = self._blocks()
        total = f(next(blocks))
        for block in blocks:
            total = add(total, f(block))
            del block  # before the next is read
        return total

    def each(self, f: Callable[[Data, Any], Any], given: Sequence[Any]) -> list[Any]:
        """``f(block, given[i])`` of every chunk whose ``given[i]`` is not None, in order."""
        results, todo = [], iter(given)
        for block in self._blocks():
            x = next(todo)
            if x is not None:
                results.append(f(block, x))
            del block
        return results

    def _blocks(self) -> Iterator[Data]:
        """Chunks of one pass, checked against those of the first pass."""
        place = 0
        for block in checked_blocks(
            self.opened, INTEGRATE if self.has_missing else None, categories=self.categories
        ):
            if place == len(self.sizes) or block.n_rows != self.sizes[place]:
                break
            place += 1
            rows = slice(block.first, block.first + block.n_rows)
            weights, labels = (None if x is None else x[rows] for x in (self.weights, self.labels))
            yield replace(block, weights=weights, labels=labels)
            del block
        else:
            if place == len(self.sizes):
                return
        raise InputError(
            f"the chunks are not those of the first pass, from chunk {place} on; the function must open them "
            "anew whenever it is called, and in the same order"
        )


def in_blocks(data: Data) -> Chunks:
    """The rows of a table, such as a memory map, a block in memory at a time."""
    firsts = range(0, data.n_rows, BLOCK_ROWS)

    def opened() -> Iterator[Data]:
        for first in firsts:
            rows = slice(first, first + BLOCK_ROWS)
            yield replace(data, values=data.values[rows], obs_id=data.obs_id[rows], first=data.first + first)
            data.release()

    return Chunks(
        data.features,
        np.array([min(BLOCK_ROWS, data.n_rows - first) for first in firsts]),
        None if data.weights is None else np.add.reduceat(data.weights, firsts),
        opened,
        data.weights,
        data.labels,
        has_missing=data.has_missing,
        labelled=data.labelled,
    )


def chunk_labels(opened: Callable[[], Iterable[Any]], beside: Any) -> "pd.Index | None":
    """Row labels of all chunks, if what is beside them is a Series.

    They are counted on across chunks if each restarts at 0 and the Series does not.
    """
    if not is_pandas_series(beside):
        return None
    import pandas as pd

    indexes: list[pd.Index] = []
    for table in opened():
        index = row_labels(table)
        if index is None:
            return None
        indexes.append(index)
    labels = indexes[0].append(indexes[1:])
    return labels if labels.is_unique or labels.equals(beside.index) else pd.RangeIndex(len(labels))


def checked_blocks(
    opened: Callable[[], Iterable[Any]], missing: str | None = None, *, categories: Categories = False
) -> Iterator[Data]:
    """Yield every chunk that has rows as a checked block that knows its position."""
    tables = opened()
    if not isinstance(tables, Iterable) or hasattr(tables, "__array__"):
        kind = type(tables).__name__
        raise InputError(f"the function returned a {kind}; it must return an iterator of arrays or frames")
    place, first, features = 0, 0, None
    for table in tables:
        shape = getattr(table, "shape", ())
        if not (shape and shape[0] == 0):
            try:
                block = as_data(table, missing=missing, first=first, categories=categories)
                check_two_dimensions(table)
            except InputError as error:
                raise InputError(worded(f"chunk {place}: ", error)) from error
            features = features or block.features
            check_alike("chunk", place, block.features, features)
            first += block.n_rows
            yield block
            del block
        del table
        place += 1  # noqa: SIM113 (enumerate would hold on to the table while the next is made)
