"""Rows that come in chunks, read anew in every pass; and any data as `Rows`."""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixtures.data import Data, as_data, check_total, check_weights, elsewhere, row_labels
from mixtures.errors import InputError
from mixtures.remote import dask_rows
from mixtures.rows import Blocks, Rows, check_alike, check_two_dimensions

__all__ = ["Chunks", "as_rows"]


def as_rows(X: Any, weights: Any = None) -> Rows:
    """Check data that may be larger than memory.

    Parameters
    ----------
    X : array, data frame, list of tables, function, Dask array or Dask DataFrame
        What `mixtures.data.as_data` reads, or chunks of it: a list of tables; a
        function without arguments that returns an iterator of tables, called
        once a pass; a Dask collection in blocks of rows. A chunk has two
        dimensions: single rows are refused. Rows already checked are returned
        unchanged.
    weights : array_like, shape (n,), optional
        Frequency weights, as in `mixtures.data.as_data`; for Dask, a Dask array
        in the same blocks as well.

    Returns
    -------
    Rows
        A `Data`, `Chunks` or `mixtures.remote.DaskRows`.

    Raises
    ------
    InputError
        As of `mixtures.data.as_data`, with rows named by their position in the
        whole; if chunks differ in their columns; or if they can be read once only.

    Examples
    --------
    >>> rows = as_rows([np.zeros((3, 2)), np.ones((4, 2))])
    >>> rows.n_rows, rows.sum_over(lambda block: float(block.values.sum()))
    (7, 8.0)
    """
    if isinstance(X, Blocks):
        if weights is not None:
            raise InputError("the rows have been read; pass weights beside the data that they are of")
        return X
    if isinstance(X, Iterator):
        raise InputError(
            f"the data are a {type(X).__name__}, which can be read once only, and EM reads them many times: "
            "pass a function without arguments that opens it, such as lambda: read_chunks(path)"
        )
    what = elsewhere(X)
    if what.startswith("a Dask"):
        return dask_rows(X, weights)
    return _chunks(X if callable(X) else lambda: X, weights) if what else as_data(X, weights)


@dataclass(frozen=True, eq=False)
class Chunks(Blocks):
    """Chunks of rows from an iterable, one in memory at a time.

    Attributes
    ----------
    opened : callable
        Gives an iterable of tables, the same ones whenever it is called.
    weights : ndarray, shape (n,), or None
        Frequency weights.
    """

    opened: Callable[[], Iterable[Any]]
    weights: np.ndarray | None

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
        """Chunks of one pass, held to what they were in the first."""
        place = 0
        for block in checked_blocks(self.opened):
            if place == len(self.sizes) or block.n_rows != self.sizes[place]:
                break
            place += 1
            rows = slice(block.first, block.first + block.n_rows)
            yield block if self.weights is None else replace(block, weights=self.weights[rows])
            del block
        else:
            if place == len(self.sizes):
                return
        raise InputError(
            f"the chunks are not those of the first pass, from chunk {place} on; the function must open them "
            "anew whenever it is called, and in the same order"
        )


def _chunks(opened: Callable[[], Iterable[Any]], weights: Any) -> Chunks:
    """Read all chunks once, to check and count them."""
    sizes: list[int] = []
    for block in checked_blocks(opened):
        features = block.features
        sizes.append(block.n_rows)
        del block
    if not sizes:
        raise InputError("the chunks hold no rows; pass at least one chunk with rows")
    if weights is None:
        return Chunks(features, np.array(sizes), None, opened, None)
    labels = chunk_labels(opened, weights) if isinstance(weights, pd.Series) else None
    weights = check_total(check_weights(weights, sum(sizes), labels=labels))
    totals = np.add.reduceat(weights, np.cumsum([0, *sizes[:-1]]))
    return Chunks(features, np.array(sizes), totals, opened, weights)


def chunk_labels(opened: Callable[[], Iterable[Any]], weights: pd.Series) -> pd.Index | None:
    """Row labels of all chunks; counted on where every chunk begins anew and the weights do not."""
    indexes: list[pd.Index] = []
    for table in opened():
        index = row_labels(table)
        if index is None:
            return None
        indexes.append(index)
    labels = indexes[0].append(indexes[1:])
    return labels if labels.is_unique or labels.equals(weights.index) else pd.RangeIndex(len(labels))


def checked_blocks(opened: Callable[[], Iterable[Any]]) -> Iterator[Data]:
    """Every chunk with rows as a checked block that knows its place."""
    tables = opened()
    if not isinstance(tables, Iterable) or hasattr(tables, "__array__"):
        kind = type(tables).__name__
        raise InputError(f"the function returned a {kind}; it must return an iterator of arrays or frames")
    place, first, features = 0, 0, None
    for table in tables:
        shape = getattr(table, "shape", ())
        if not (shape and shape[0] == 0):
            try:
                block = as_data(table, first=first)
                check_two_dimensions(table)
            except InputError as error:
                raise InputError(f"chunk {place}: {error}") from error
            features = features or block.features
            check_alike("chunk", place, block.features, features)
            first += block.n_rows
            yield block
            del block
        del table
        place += 1  # noqa: SIM113 (enumerate would hold on to the table while the next is made)
