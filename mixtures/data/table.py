"""Data in memory: a table of numbers with names for its rows and columns."""

import mmap
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from narwhals.dependencies import is_pandas_dataframe, is_pandas_series

from mixtures.errors import InputError
from mixtures.messages import locate
from mixtures.types import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BLOCK_ROWS",
    "LARGEST_TOTAL",
    "LARGEST_WHOLE",
    "UNKNOWN",
    "Data",
    "Drawn",
    "Levels",
    "LevelsOfColumns",
    "chunks",
    "places_by_index",
    "read_only",
    "row_labels",
]


Levels = tuple[Any, ...]
"""Labels of the levels of a column, in their order: text, whole numbers, or False and True."""


LevelsOfColumns = tuple[Levels | None, ...]
"""The levels of every column; None for a column of numbers."""


UNKNOWN = -1
"""Label of a row whose cluster is not known."""


class Drawn(NamedTuple):
    """Rows drawn from data, with their weights and their labels, if they have some."""

    values: np.ndarray
    weights: np.ndarray | None = None
    labels: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Data:
    """A checked table of numbers, made by :func:`as_data`.

    Attributes
    ----------
    values : ndarray, shape (n, D)
        Finite float64, C-contiguous and read-only; NaN where a cell is missing.
    features : tuple of str, length D
        Unique column names.
    obs_id : ndarray, shape (n,)
        Row labels: the index of a pandas frame, otherwise 0, 1, ..., n - 1.
    weights : ndarray, shape (n,), or None
        Frequency weights: a row of weight 2 counts as two rows.
    first : int
        Position of the first row in the whole, if these rows are a block of it.
    has_missing : bool
        Whether cells are missing, and to be integrated out: a reader refuses them unless asked for that.
    labels : ndarray of int, shape (n,), or None
        The known cluster of every row, -1 where it is not known; None if none is.
    levels : tuple of tuple, or None
        The labels of every column's levels, of which the values are the codes 0, 1, ...; None for
        a column of numbers, or if all are.
    """

    values: np.ndarray
    features: tuple[str, ...]
    obs_id: np.ndarray
    weights: np.ndarray | None = None
    first: int = 0
    has_missing: bool = False
    labels: np.ndarray | None = None
    levels: LevelsOfColumns | None = None

    @cached_property
    def sums(self) -> dict[Any, Any]:
        """Sums that `mixtures.data.rows.sum_once` has computed, by key."""
        return {}

    @property
    def labelled(self) -> bool:
        """Whether the cluster of some row is known."""
        return self.labels is not None

    @property
    def n_rows(self) -> int:
        """Number of rows n."""
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        """Number of columns D."""
        return self.values.shape[1]

    @property
    def total(self) -> float:
        """Number of rows counted with their weights: n, or the sum of the weights."""
        return float(self.n_rows if self.weights is None else self.weights.sum())

    @property
    def counts(self) -> np.ndarray:
        """How often every row counts, shape (n,): its weight, or 1 if there are no weights."""
        return np.ones(self.n_rows) if self.weights is None else self.weights

    def part(self, rows: np.ndarray | slice) -> "Data":
        """Some of the rows as a table, with their labels, weights and known clusters."""
        weights, labels = (None if x is None else x[rows] for x in (self.weights, self.labels))
        return replace(
            self, values=self.values[rows], obs_id=self.obs_id[rows], weights=weights, labels=labels
        )

    def sum_over[T](self, f: Callable[["Data"], T], add: Callable[[T, T], T] = operator.add) -> T:
        """``f`` of the rows, which are a single block."""
        return f(self)

    def viewed(
        self, view: Callable[["Data"], "Data"], features: tuple[str, ...], levels: LevelsOfColumns | None
    ) -> "Data":
        """``view`` of the rows, which knows its columns itself."""
        return view(self)

    def subsample(self, size: int, rng: np.random.Generator) -> Drawn:
        """All rows and weights if there are at most ``size``; otherwise ``size`` rows drawn by weight."""
        if self.n_rows <= size:
            return Drawn(self.values, self.weights, self.labels)
        share = None if self.weights is None else self.weights / self.weights.sum()
        chosen = np.sort(rng.choice(self.n_rows, size, replace=share is not None, p=share))
        return Drawn(self.take(chosen), None, None if self.labels is None else self.labels[chosen])

    def locate(self, mask: np.ndarray) -> str:
        """Name the cells where a mask is true, by row and column."""
        return locate(mask, self.features, self.obs_id, first=self.first)

    def __getstate__(self) -> dict[str, Any]:
        """State for pickling, without cached values such as a memory map."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __sizeof__(self) -> int:  # Dask asks for it to estimate the cost of moving the rows
        return object.__sizeof__(self) + self.values.nbytes + self.obs_id.nbytes

    def blocks(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of at most ``size`` rows in order, each with its position.

        A memory map frees its pages once they are read, so the data may be larger than memory.
        """
        for first in range(0, self.n_rows, size):
            rows = slice(first, first + size)
            yield rows, self.values[rows]
            self.release()

    @cached_property
    def mapping(self) -> mmap.mmap | None:
        """The memory map under the values, if its pages can be read again from the file."""
        array: Any = self.values
        shared = False
        while isinstance(array, np.ndarray):
            shared = shared or (isinstance(array, np.memmap) and array.mode in ("r", "r+", "w+"))
            array = array.base
        return array if shared and isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows, in ascending order."""
        if self.mapping is None:
            return self.values[rows]
        ends = np.searchsorted(rows, np.arange(0, self.n_rows + BLOCK_ROWS, BLOCK_ROWS))
        blocks = zip(ends, ends[1:], self.blocks(BLOCK_ROWS), strict=False)
        return np.concatenate([block[rows[i:j] - place.start] for i, j, (place, block) in blocks])

    def release(self) -> None:
        """Free the pages of a memory map; do nothing for other arrays."""
        if self.mapping is not None:
            self.mapping.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def compressed(self) -> "Data":
        """Distinct rows, weighted by how often they occur; the data themselves if few rows repeat.

        Rows with different labels are different.
        Sums over rows are the same up to rounding, and cost only as much as the distinct rows.
        """
        places = np.linspace(0, max(0, self.n_rows - PROBED), PROBES).astype(int)
        rows = np.unique(places[:, None] + np.arange(min(PROBED, self.n_rows)))
        distinct = np.unique(np.nan_to_num(self.take(rows), nan=np.inf), axis=0)  # missing cells are equal
        if len(distinct) > (1 - WORTH_COMPRESSING) * len(rows):
            return self
        import pandas as pd  # its hashing is faster than NumPy's sorting

        frame = pd.DataFrame(self.values)
        if self.labels is not None:
            frame[self.n_features] = self.labels
        codes = frame.groupby(list(frame.columns), sort=False, dropna=False).ngroup().to_numpy()
        first = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
        counts = np.bincount(codes, self.weights)
        return Data(
            read_only(self.values[first]),
            self.features,
            self.obs_id[first],
            counts,
            has_missing=self.has_missing,
            labels=None if self.labels is None else read_only(self.labels[first]),
            levels=self.levels,
        )


BLOCK_ROWS = 65_536
"""Rows checked at once."""


LARGEST_WHOLE = 2.0**53
"""Whole numbers up to which neighbours differ in double precision."""


LARGEST_TOTAL = 1e100
"""Largest sum of weights: times the square of an ordinary number it does not overflow."""


PROBES, PROBED, WORTH_COMPRESSING = 16, 256, 0.1
"""Slices examined for repeats, their rows, and the share of repeats from which counting pays."""


def row_labels(X: Any) -> "pd.Index | None":
    """Labels of the rows, to which a Series of weights is matched; None if rows have none."""
    if isinstance(X, Data):
        counted = np.array_equal(X.obs_id, np.arange(X.first, X.first + X.n_rows))
        if counted:
            return None
        import pandas as pd

        return pd.Index(X.obs_id)
    return X.index if is_pandas_dataframe(X) or is_pandas_series(X) else None


def places_by_index(
    index: "pd.Index", labels: "pd.Index | None", counted: "pd.Index", what: str = "weights"
) -> Any:
    """Position of each row's value in a Series, by the index of the Series and the labels of the rows."""
    expected = counted if labels is None else labels
    if index.equals(expected):
        return slice(None)
    places = index.get_indexer(expected) if index.is_unique and expected.is_unique else np.array([-1])
    same = bool((places >= 0).all())
    if labels is not None and same:
        return places
    if labels is None and not same:
        return slice(None)
    why = (
        "numbers the rows in another order, and the data have no row labels"
        if same
        else "is not that of the data"
    )
    raise InputError(
        f"the index of the {what} {why}; give them the index of the data, or pass {what}.to_numpy() to "
        "match them by position"
    )


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only view of an array."""
    view = array.view()
    view.flags.writeable = False
    return view


CHUNK_VALUES = 2**17
"""Numbers (rows x clusters x features) of a chunk: a few hundred KiB, to stay in the cache."""


def chunks(data: Data, k: int) -> Iterator[tuple[slice, Array]]:
    """Yield feature-major chunks (D, n) of the data, each with the rows it holds."""
    size = max(256, CHUNK_VALUES // (k * data.n_features))
    for rows, block in data.blocks(size):
        yield rows, np.ascontiguousarray(block.T)
