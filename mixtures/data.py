"""Checked input: any table of numbers becomes one :class:`Data`, or an error that says what to do.

Everything above this module may rely on ``Data.values`` being finite, float64, C-contiguous and read-only.
"""

import mmap
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from mixtures.cells import as_array, as_column, as_floats, as_numbers
from mixtures.errors import InputError
from mixtures.wording import locate, named


@dataclass(frozen=True, eq=False)
class Data:
    """A checked table of numbers, made by :func:`as_data`.

    Attributes
    ----------
    values : ndarray, shape (n, D)
        Finite float64, C-contiguous and read-only.
    features : tuple of str, length D
        Unique column names.
    obs_id : ndarray, shape (n,)
        Row labels: the index of a pandas frame, otherwise 0, 1, ..., n - 1.
    weights : ndarray, shape (n,), or None
        Frequency weights: a row of weight 2 counts as two rows.
    first : int
        Position of the first row in the whole, of which these may be a block.
    """

    values: np.ndarray
    features: tuple[str, ...]
    obs_id: np.ndarray
    weights: np.ndarray | None = None
    first: int = 0

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
        """Number of rows that they count as: n, or the sum of the weights."""
        return float(self.n_rows if self.weights is None else self.weights.sum())

    def sum_over[T](self, f: Callable[["Data"], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f`` over blocks of the rows, as every `mixtures.rows.Rows` has it: here there is one."""
        return f(self)

    def subsample(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
        """All rows and weights if there are no more than ``size``; else so many, drawn by weight."""
        if self.n_rows <= size:
            return self.values, self.weights
        share = None if self.weights is None else self.weights / self.weights.sum()
        chosen = rng.choice(self.n_rows, size, replace=share is not None, p=share)
        return self.take(np.sort(chosen)), None

    def locate(self, mask: np.ndarray) -> str:
        """Name the cells where a mask is true, by row and column."""
        return locate(mask, self.features, self.obs_id, first=self.first)

    def __getstate__(self) -> dict[str, Any]:
        """What travels: nothing worked out on the way, such as a map of memory."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __sizeof__(self) -> int:  # by which Dask knows what moving the rows would cost
        return object.__sizeof__(self) + self.values.nbytes + self.obs_id.nbytes

    def blocks(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Stretches of at most ``size`` rows, one after the other, each with its place.

        A memory map gives its pages back as they are read, so that data larger than memory can be.
        """
        for first in range(0, self.n_rows, size):
            rows = slice(first, first + size)
            yield rows, self.values[rows]
            self.release()

    @cached_property
    def mapping(self) -> mmap.mmap | None:
        """What a memory map is a view of, if its pages can be read again from the file."""
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
        """Let go of the pages of a memory map; nothing otherwise."""
        if self.mapping is not None:
            self.mapping.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def compressed(self) -> "Data":
        """Distinct rows, weighted by how often they occur; the data themselves where few rows repeat.

        Sums over rows are the same, up to rounding, and cost what the distinct rows cost.
        """
        places = np.linspace(0, max(0, self.n_rows - PROBED), PROBES).astype(int)
        rows = np.unique(places[:, None] + np.arange(min(PROBED, self.n_rows)))
        probe = pd.DataFrame(self.take(rows))
        if probe.duplicated().mean() < WORTH_COMPRESSING:
            return self
        codes = (
            pd.DataFrame(self.values).groupby(list(range(self.n_features)), sort=False).ngroup().to_numpy()
        )
        first = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
        counts = np.bincount(codes, self.weights)
        return Data(read_only(self.values[first]), self.features, self.obs_id[first], counts)


BLOCK_ROWS = 65_536
"""Rows checked at once."""

LARGEST_TOTAL = 1e100
"""What weights may add up to: times the square of an ordinary number it is one still."""

NAMES_COMPARED, NAME_COMPARED = 1000, 100
"""Names, and characters of them, that are looked at for a likely one: the time is their product squared."""

PROBES, PROBED, WORTH_COMPRESSING = 16, 256, 0.1
"""Stretches looked at for repeats, their rows, and the share of repeats from which counting is worth it."""


def elsewhere(X: Any) -> str:
    """Word for data that are not in memory at once; empty for a table."""
    if type(X).__module__.split(".")[0] == "dask":  # told without importing it
        return f"a Dask {type(X).__name__}"
    if callable(X) and not hasattr(X, "__array__"):
        return "a function"
    is_chunked = isinstance(X, list | tuple) and X and all(len(getattr(c, "shape", ())) == 2 for c in X)
    return f"a {type(X).__name__} of tables" if is_chunked else ""


def as_data(X: Any, weights: Any = None, *, first: int = 0) -> Data:
    """Check a table and read it as float64.

    Parameters
    ----------
    X : array, data frame, series, list or Data
        NumPy arrays and anything with ``__array__``; pandas, polars and pyarrow tables and series; lists of
        numbers or of rows. One dimension is read as one column, booleans as 0 and 1. A ``Data`` is returned
        unchanged.
    weights : array_like, shape (n,), optional
        Frequency weights, numbers by the rules for cells: true counts a row and false does not. A pandas
        Series is matched by its index to the rows of a pandas frame; those of a ``Data`` stay where none are
        given.
    first : int, default 0
        Position of the first row, where X is a chunk of something larger.

    Returns
    -------
    Data
        A C-contiguous float64 array, or memory map, is viewed and anything else is copied once. ``X`` is
        never changed.

    Raises
    ------
    InputError
        If X is empty, sparse, lazy, ragged or has more than two dimensions, if two columns share a name, if
        a cell is missing, infinite or not a real number, or if X is a Dask collection or comes in chunks,
        which `mixtures.chunks.as_rows` reads.

    Examples
    --------
    >>> as_data([[1, 2], [3, 4]]).features
    ('x0', 'x1')
    >>> as_data(pd.DataFrame({"waiting": [79.0, float("nan")]}))
    Traceback (most recent call last):
    mixtures.errors.InputError: row 1, column 'waiting' is NaN or null; drop or impute it
    """
    if weights is not None:
        data = as_data(X, first=first)
        weighed = check_weights(weights, data.n_rows, first, row_labels(X))
        return replace(data, weights=check_total(weighed))
    if isinstance(X, Data):
        return X
    if what := elsewhere(X):
        raise InputError(
            f"the data are {what}, which only fit_em and crosscheck take; everything else takes one table "
            "in memory: pass an array or a data frame, of a subsample if need be"
        )
    if sparse.issparse(X):
        raise InputError(f"the data are sparse ({type(X).__name__}); pass X.toarray()")
    try:
        frame = nw.from_native(X, allow_series=True, pass_through=True)
        if frame is X and hasattr(X, "__arrow_c_stream__") and hasattr(X, "schema"):  # a batch of a file
            frame = nw.from_arrow(X, backend="pyarrow")
    except nw.exceptions.DuplicateError as error:
        names = getattr(X, "column_names", None) or map(str, getattr(X, "columns", ()))
        repeated = [name for name, count in Counter(names).items() if count > 1]
        what = (
            f"several columns are called {named(repeated[0])}" if repeated else " ".join(str(error).split())
        )
        raise InputError(f"{what}; rename or drop the copies") from error
    if isinstance(frame, nw.LazyFrame):
        raise InputError(f"the data are lazy ({type(X).__name__}); collect them into a table first")

    is_frame = isinstance(frame, nw.DataFrame | nw.Series)
    data = _read_frame(frame, first) if is_frame else _read_array(X, first)
    if not all(np.isfinite(block).all() for _, block in data.blocks(BLOCK_ROWS)):
        _refuse(np.isnan(data.values), "NaN or null", data)
        _refuse(np.isinf(data.values), "infinite", data)
    return data


def row_labels(X: Any) -> pd.Index | None:
    """Labels of the rows by which weights that are a Series are matched; None where rows have none."""
    if isinstance(X, Data):
        counted = np.array_equal(X.obs_id, np.arange(X.first, X.first + X.n_rows))
        return None if counted else pd.Index(X.obs_id)
    return X.index if isinstance(X, pd.DataFrame | pd.Series) else None


def check_weights(weights: Any, n_rows: int, first: int = 0, labels: pd.Index | None = None) -> np.ndarray:
    """One finite number per row that is not negative; a pandas Series is matched by its index."""
    if what := elsewhere(weights):
        raise InputError(f"weights are {what}; pass one array in memory")
    array = as_numbers(weights, "weights are not")
    if array.shape != (n_rows,):
        raise InputError(f"weights have shape {array.shape}; the data have {n_rows} rows")
    if isinstance(weights, pd.Series):
        array = array[weight_places(weights.index, labels, pd.RangeIndex(first, first + n_rows))]
    bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if len(bad):
        place, value = first + bad[0], array[bad[0]]
        raise InputError(f"row {place}: weight is {value}; weights must be finite and not negative")
    return read_only(array)


def weight_places(index: pd.Index, labels: pd.Index | None, counted: pd.Index) -> Any:
    """Where the weight of each row is, by the index of the weights and the labels of the rows."""
    expected = counted if labels is None else labels
    if index.equals(expected):
        return slice(None)
    places = index.get_indexer(expected) if index.is_unique and expected.is_unique else np.array([-1])
    same = bool((places >= 0).all())
    if labels is not None and same:
        return places
    if labels is None and not same:
        return slice(None)
    what = (
        "numbers the rows in another order, and the data have no row labels"
        if same
        else "is not that of the data"
    )
    raise InputError(
        f"the index of the weights {what}; give them the index of the data, or pass weights.to_numpy() to "
        "match them by position"
    )


def check_total(weights: np.ndarray) -> np.ndarray:
    """Weights, or totals of weights, that add up to something and not to too much."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total <= 0:
        raise InputError("all weights are zero")
    if total > LARGEST_TOTAL:
        raise InputError(
            f"weights sum to {total:.2g}, and sums over rows would overflow; a row of weight 2 counts as two "
            "rows, so they sum to the number of rows"
        )
    return weights


def labels_from(labels: np.ndarray, first: int) -> np.ndarray:
    """Row labels of a block; counted on from ``first`` where they just count from 0."""
    counted = first and labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels)))
    return read_only(labels + first if counted else labels)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Suggest the nearest known name in brackets, to follow an unknown one; empty if none is near.

    Examples
    --------
    >>> did_you_mean("wating", ["eruptions", "waiting"])
    " (did you mean 'waiting'?)"
    """
    candidates = [each for each in islice(known, NAMES_COMPARED) if len(each) <= NAME_COMPARED]
    nearest = (
        get_close_matches(name, candidates, n=1)
        if isinstance(name, str) and len(name) <= NAME_COMPARED
        else []
    )
    return f" (did you mean {named(nearest[0])}?)" if nearest else ""


def _read_frame(frame: nw.DataFrame[Any] | nw.Series[Any], first: int) -> Data:
    if isinstance(frame, nw.Series):
        frame = (frame.alias("x0") if frame.name in (None, "") else frame).to_frame()
    _check_shape(frame.shape)

    features = tuple(str(name) for name in frame.columns)
    broken = [name for name in features if "\0" in name or name.encode(errors="replace").decode() != name]
    if broken:
        raise InputError(f"the name of column {named(broken[0])} is no text that can be saved; rename it")
    repeated = [name for name, count in Counter(features).items() if count > 1]
    if repeated:
        raise InputError(f"several columns are called {named(repeated[0])}; rename or drop the copies")

    index = nw.maybe_get_index(frame)
    if index is None:
        obs_id = np.arange(len(frame))
    elif index.nlevels > 1:
        obs_id = index.map(str).to_numpy()  # tuples are no labels for an xarray coordinate
    else:
        obs_id = index.to_numpy()

    obs_id = labels_from(obs_id, first)
    values = np.empty(frame.shape)
    for j, (feature, column) in enumerate(zip(features, frame.iter_columns(), strict=True)):
        values[:, j] = as_floats(as_column(column, feature), feature, obs_id, first)
    return Data(read_only(values), features, obs_id, first=first)


def _read_array(X: Any, first: int) -> Data:
    array = as_array(X)
    if array.ndim == 0:
        kind = type(X).__name__
        raise InputError(f"expected a table, got {kind}; pass an array, a list of rows or a data frame")
    if array.ndim == 1:
        array = array[:, np.newaxis]
    _check_shape(array.shape)

    n, d = array.shape
    features = tuple(f"x{j}" for j in range(d))
    obs_id = read_only(np.arange(first, first + n))
    if isinstance(array, np.ma.MaskedArray):
        _refuse(np.ma.getmaskarray(array), "masked", Data(array, features, obs_id, first=first))
        array = array.data

    if array.dtype.kind in "biuf":
        with np.errstate(over="ignore"):  # a long double; refused later, with its place
            values = np.ascontiguousarray(array, dtype=np.float64)
    else:
        values = np.empty((n, d))
        for j, feature in enumerate(features):
            values[:, j] = as_floats(array[:, j], feature, obs_id, first)
    return Data(read_only(values), features, obs_id, first=first)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) > 2:
        raise InputError(f"the data have {len(shape)} dimensions {shape}; reshape them to (rows, columns)")
    for size, what in zip(shape, ("rows", "columns"), strict=True):
        if size == 0:
            raise InputError(f"the data have no {what} (shape {shape}); pass at least one row and one column")


def _refuse(mask: np.ndarray, what: str, data: Data) -> None:
    count = np.count_nonzero(mask)
    if count == 1:
        raise InputError(f"{data.locate(mask)} is {what}; drop or impute it")
    if count > 1:
        raise InputError(f"{count} cells are {what}: {data.locate(mask)}; drop or impute them")


def read_only(array: np.ndarray) -> np.ndarray:
    """View of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
