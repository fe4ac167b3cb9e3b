"""A hash of data, to test whether two results are of the same numbers."""

import hashlib
import json
from typing import Any

import numpy as np

from mixtures.data.reading import as_data
from mixtures.data.table import BLOCK_ROWS

__all__ = ["content_hash"]


def content_hash(X: Any, weights: Any = None) -> str:
    """Compute the SHA-256 of a table's column names, values and weights, for any kind of table.

    Row labels and the type of the numbers do not matter: 1 and 1.0 are the same value.

    Parameters
    ----------
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        If X is not a table of finite numbers.

    Examples
    --------
    >>> import mixtures as mx
    >>> content_hash(mx.datasets.faithful())[:16]
    '5be5c3c192f88742'
    """
    data = as_data(X, weights)
    digest = hashlib.sha256(json.dumps([data.features, data.n_rows, data.weights is not None]).encode())
    for _, block in data.blocks(BLOCK_ROWS):
        digest.update(np.ascontiguousarray(block, dtype="<f8"))
    if data.weights is not None:
        digest.update(np.ascontiguousarray(data.weights, dtype="<f8"))
    return digest.hexdigest()
