"""Rows from arrays, frames, functions that open chunks, or Dask collections."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from mixtures.data.chunks import Chunks, checked_blocks, chunk_labels
from mixtures.data.dask_rows import dask_rows
from mixtures.data.levels import Categories
from mixtures.data.reading import (
    as_data,
    check_missing,
    check_total,
    check_weights,
    elsewhere,
    is_dask,
    read_labels,
)
from mixtures.data.rows import Blocks, Rows
from mixtures.errors import InputError

__all__ = ["as_rows"]


def as_rows(
    X: Any,
    weights: Any = None,
    *,
    missing: str | None = None,
    labels: Any = None,
    categories: Categories = False,
) -> Rows:
    """Check data that may be larger than memory.

    Parameters
    ----------
    X : array, data frame, list of tables, function, Dask array or Dask DataFrame
        What `mixtures.data.reading.as_data` reads, or chunks of it: a list of tables; a
        function without arguments that returns an iterator of tables, called
        once per pass; a Dask collection in blocks of rows. A chunk has two
        dimensions: single rows are refused. Checked rows are returned
        unchanged.
    weights : array_like, shape (n,), optional
        Frequency weights, as in `mixtures.data.reading.as_data`; for Dask, a Dask array
        or Series in the same blocks as well.
    missing : {None, "integrate"}, optional
        Whether cells may be missing, as in `mixtures.data.reading.as_data`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `mixtures.data.reading.as_data`; for Dask, as weights are.
    categories : bool or frozenset, default False
        Whether cells are the levels of categories, or in which columns they are, by name or position.
        Blocks have codes of their own, until `mixtures.data.levels.coded` gives them the same.

    Returns
    -------
    Rows
        A `Data`, `Chunks` or `mixtures.data.dask_rows.DaskRows`.

    Raises
    ------
    InputError
        As in `mixtures.data.reading.as_data`, with rows named by their position in the
        whole; if chunks differ in their columns; or if they can be read only once.

    Examples
    --------
    >>> rows = as_rows([np.zeros((3, 2)), np.ones((4, 2))])
    >>> rows.n_rows, rows.sum_over(lambda block: float(block.values.sum()))
    (7, 8.0)
    """
    check_missing(missing)
    if isinstance(X, Blocks):
        if not (weights is None and labels is None):
            what = "labels" if weights is None else "weights"
            raise InputError(f"the rows have been read; pass {what} beside the data that they are of")
        return X
    if isinstance(X, Iterator):
        raise InputError(
            f"the data are a {type(X).__name__}, which can be read once only, and EM reads them many times: "
            "pass a function without arguments that opens it, such as lambda: read_chunks(path)"
        )
    if is_dask(X):
        return dask_rows(X, weights, labels, missing=missing, categories=categories)
    if elsewhere(X):
        return _chunks(X if callable(X) else lambda: X, weights, labels, missing, categories)
    return as_data(X, weights, missing=missing, labels=labels, categories=categories)


def _chunks(
    opened: Callable[[], Iterable[Any]],
    weights: Any,
    labels: Any,
    missing: str | None,
    categories: Categories,
) -> Chunks:
    sizes: list[int] = []
    has_missing = False
    for block in checked_blocks(opened, missing, categories=categories):
        features = block.features
        has_missing |= block.has_missing
        sizes.append(block.n_rows)
        del block
    if not sizes:
        raise InputError("the chunks hold no rows; pass at least one chunk with rows")
    n, totals = sum(sizes), None
    if labels is not None:
        labels = read_labels(labels, np.arange(n), index=chunk_labels(opened, labels))
    if weights is not None:
        weights = check_total(check_weights(weights, n, labels=chunk_labels(opened, weights)))
        totals = np.add.reduceat(weights, np.cumsum([0, *sizes[:-1]]))
    rows = features, np.array(sizes), totals, opened, weights, labels, categories
    return Chunks(*rows, has_missing=has_missing, labelled=labels is not None)
