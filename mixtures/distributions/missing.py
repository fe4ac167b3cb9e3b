"""Rows with missing cells in PyTensor: which are observed, and how those of one pattern are laid out.

The patterns of missing cells belong to the form of a graph: how many there are and how many rows each
has are fixed, and the arrays that say so are data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import explicit_graph_inputs

from mixtures.data.patterns import patterns_of

__all__ = ["Cells", "Layout", "is_data", "known_cells", "layout_of"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows in blocks of one length, those of a block with one pattern of observed columns.

    Attributes
    ----------
    patterns : ndarray, shape (S, D)
        1 where a column is observed.
    of_block : ndarray of int, shape (M, 1)
        Pattern of every block.
    rows : ndarray of int, shape (M, B)
        Rows of every block; the first is repeated where there are too few.
    places : ndarray of int, shape (n, 1)
        Where every row is in the blocks, one after another.
    """

    patterns: np.ndarray
    of_block: np.ndarray
    rows: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class Cells:
    """Observed cells of rows.

    Attributes
    ----------
    seen : TensorVariable of bool, shape (n, D)
        Which cells are observed.
    layout : Layout
        The rows by pattern.
    """

    seen: Any
    layout: Layout


def is_data(x: Any) -> bool:
    """Whether rows are data, so that what depends only on them is the same at every call."""
    return all(isinstance(v, SharedVariable) for v in explicit_graph_inputs([x]))


def known_cells(x: Any) -> np.ndarray | None:
    """Which cells (..., D) of rows are observed; None if all are, or the rows are not data."""
    if not (is_data(x) and str(x.dtype).startswith("float")):
        return None
    if isinstance(x, Constant):
        values = x.data
    else:
        values = x.get_value(borrow=True) if isinstance(x, SharedVariable) else x.eval()
    seen = ~np.isnan(values)
    return None if seen.all() else seen


def layout_of(seen: np.ndarray) -> Layout:
    """Lay rows out by pattern, in blocks as long as makes least work.

    Examples
    --------
    >>> layout = layout_of(np.array([[True, False], [True, True], [True, False]]))
    >>> layout.patterns.tolist(), layout.rows.tolist(), layout.places.ravel().tolist()
    ([[1.0, 0.0], [1.0, 1.0]], [[0, 2], [1, 1]], [0, 2, 1])
    """
    patterns = patterns_of(np.where(seen, 0.0, np.nan))
    lengths = 2 ** np.arange(int(np.log2(patterns.sizes.max())) + 2)
    blocks = -(-patterns.sizes // lengths[:, None])  # of each pattern, for each length
    work = blocks.sum(axis=1) * (lengths + seen.shape[1])  # a product with a matrix, and a copy of it
    length, each = lengths[np.argmin(work)], blocks[np.argmin(work)]
    rows = np.zeros((each.sum(), length), dtype=np.int64)
    places = np.empty(len(seen), dtype=np.int64)
    first = 0
    for (_, own), n in zip(patterns.groups(), each, strict=True):
        rows[first : first + n] = np.append(own, np.full(n * length - len(own), own[0])).reshape(n, length)
        places[own] = first * length + np.arange(len(own))
        first += n
    of_block = np.repeat(np.arange(len(patterns)), each)
    return Layout(patterns.observed.astype(np.float64), of_block[:, None], rows, places[:, None])
