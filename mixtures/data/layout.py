"""Rows with missing cells laid out by pattern, in blocks whose number depends little on which are missing."""

from dataclasses import dataclass

import numpy as np

from mixtures.data.patterns import patterns_of

__all__ = ["Layout", "layout_of"]

FEW, SHORTEST = 16, 8
"""Patterns up to which their number becomes a power of two, and fewest rows of a block."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows in blocks of one length, those of a block with one pattern of observed columns.

    Patterns and blocks that no row needs repeat the first, so that S, M and B depend on little more
    than the shape of the data: programs compiled for them serve other missing cells too.

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


def layout_of(seen: np.ndarray) -> Layout:
    """Lay rows out by pattern, given which cells (n, D) are observed.

    Examples
    --------
    >>> layout = layout_of(np.array([[True, False], [True, True], [True, False]]))
    >>> layout.patterns.tolist(), layout.rows[:, :3].tolist(), layout.places.ravel().tolist()
    ([[1.0, 0.0], [1.0, 1.0]], [[0, 2, 0], [1, 1, 1]], [0, 8, 1])
    """
    n, d = seen.shape
    patterns = patterns_of(np.where(seen, 0.0, np.nan))
    room = min(_rounded_up(len(patterns)), n, 2**d)
    lengths = SHORTEST * 2 ** np.arange(int(np.log2(n)) + 1)
    blocks = (n + room * (lengths - 1)) // lengths  # enough for `room` patterns of any sizes
    work = blocks * (lengths + d)  # a product with a matrix, and a copy of it
    length, m = lengths[np.argmin(work)], blocks[np.argmin(work)]
    rows, of_block = np.zeros((m, length), dtype=np.int64), np.zeros(m, dtype=np.int64)
    places = np.empty(n, dtype=np.int64)
    first = 0
    for s, (_, own) in enumerate(patterns.groups()):
        last = first + -(-len(own) // length)
        rows[first:last] = np.append(own, np.full(-len(own) % length, own[0])).reshape(-1, length)
        of_block[first:last] = s
        places[own] = first * length + np.arange(len(own))
        first = last
    rows[first:] = rows[0]
    observed = np.concatenate([patterns.observed, np.tile(patterns.observed[0], (room - len(patterns), 1))])
    return Layout(observed.astype(np.float64), of_block[:, None], rows, places[:, None])


def _rounded_up(n: int) -> int:
    """The next of the numbers 1, 2, 4, 8, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, ..."""
    power = 2 ** (n - 1).bit_length()
    return power if n <= FEW else -(-n // (power // 8)) * (power // 8)
