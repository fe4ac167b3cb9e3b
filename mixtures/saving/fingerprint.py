"""A hash of data, to test whether two results are of the same numbers."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError

__all__ = ["content_hash", "read_any"]


def content_hash(X: Any, weights: Any = None, *, labels: Any = None) -> str:
    """Compute the SHA-256 of a table's column names, values, weights and known labels, for any kind of table.

    Row labels and the type of the numbers do not matter: 1 and 1.0 are the same value. Of a table with
    text the levels are hashed that occur, and which of them each cell has. Missing cells are part of the
    data: the same rows with other cells missing, or with other rows labelled, have another hash.

    Parameters
    ----------
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        If X is not a table of finite numbers, or of categories.

    Examples
    --------
    >>> import mixtures as mx
    >>> content_hash(mx.datasets.faithful())[:16]
    '5be5c3c192f88742'
    """
    data, levels = _in_numbers(read_any(X, weights, labels))
    more = [*([levels] if levels else []), *([] if data.labels is None else ["labels"])]
    header = [data.features, data.n_rows, data.weights is not None, *more]
    digest = hashlib.sha256(json.dumps(header).encode())
    for _, block in data.blocks(BLOCK_ROWS):
        cells = np.where(np.isnan(block), np.nan, block) if data.has_missing else block
        digest.update(np.ascontiguousarray(cells, dtype="<f8"))
    if data.weights is not None:
        digest.update(np.ascontiguousarray(data.weights, dtype="<f8"))
    if data.labels is not None:
        digest.update(np.ascontiguousarray(data.labels, dtype="<i8"))
    return digest.hexdigest()


def read_any(X: Any, weights: Any, labels: Any) -> Data:
    """A table of numbers; of categories where it cannot be one, or in the columns that cannot."""
    try:
        return as_data(X, weights, missing=INTEGRATE, labels=labels)
    except InputError as error:
        for categories in (True, _not_numbers(X)):
            try:
                return as_data(X, weights, missing=INTEGRATE, labels=labels, categories=categories)
            except InputError:
                continue
        raise error from None


def _not_numbers(X: Any) -> frozenset[str]:
    """Names of the columns of a data frame that hold something else than numbers."""
    frame = nw.from_native(X, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return frozenset()
    found = []
    for name in frame.columns:
        try:
            as_data(frame.select(name).to_native(), missing=INTEGRATE)
        except InputError:
            found.append(str(name))
    return frozenset(found)


def _in_numbers(data: Data) -> tuple[Data, dict[str, list[str]]]:
    """The numbers that the codes of a table stand for, or codes of the texts that occur, and these."""
    if data.levels is None:
        return data, {}
    values, texts = data.values.copy(), {}
    for j, (feature, levels) in enumerate(zip(data.features, data.levels, strict=True)):
        if levels is None:
            continue
        seen = ~np.isnan(values[:, j])
        cells = np.array([*levels, None], dtype=object)[:-1][values[seen, j].astype(int)]
        if any(isinstance(label, str) for label in levels):
            texts[feature] = sorted(set(cells))
            at = {label: code for code, label in enumerate(texts[feature])}
            cells = np.array([at[label] for label in cells], dtype=float)
        values[seen, j] = cells.astype(float)
    return replace(data, values=values, levels=None), texts
