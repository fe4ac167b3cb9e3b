"""Tables read into checked arrays of numbers."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from narwhals.dependencies import is_pandas_series
from scipy import sparse

from mixtures.data.cells import as_array, as_column, as_floats, as_numbers
from mixtures.data.table import BLOCK_ROWS, LARGEST_TOTAL, Data, read_only, row_labels, weight_places
from mixtures.errors import InputError
from mixtures.messages import named

if TYPE_CHECKING:
    import pandas as pd


def elsewhere(X: Any) -> str:
    """Word for data that are not in memory at once; empty for a table."""
    if type(X).__module__.split(".")[0] == "dask":  # recognised without importing it
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
        numbers or of rows. A one-dimensional X is read as one column, booleans as 0 and 1. A ``Data`` is
        returned unchanged.
    weights : array_like, shape (n,), optional
        Frequency weights, read by the rules for cells: true counts a row and false does not. A pandas
        Series is matched by its index to the rows of a pandas frame; a ``Data`` keeps its own weights if
        none are given.
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
        which `mixtures.data.sources.as_rows` reads.

    Examples
    --------
    >>> as_data([[1, 2], [3, 4]]).features
    ('x0', 'x1')
    >>> import pandas as pd
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


def check_weights(weights: Any, n_rows: int, first: int = 0, labels: "pd.Index | None" = None) -> np.ndarray:
    """Read one finite, non-negative number per row; a pandas Series is matched by its index."""
    if what := elsewhere(weights):
        raise InputError(f"weights are {what}; pass one array in memory")
    array = as_numbers(weights, "weights are not")
    if array.shape != (n_rows,):
        raise InputError(f"weights have shape {array.shape}; the data have {n_rows} rows")
    if is_pandas_series(weights):
        import pandas as pd

        array = array[weight_places(weights.index, labels, pd.RangeIndex(first, first + n_rows))]
    bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if len(bad):
        place, value = first + bad[0], array[bad[0]]
        raise InputError(f"row {place}: weight is {value}; weights must be finite and not negative")
    return read_only(array)


def check_total(weights: np.ndarray) -> np.ndarray:
    """Refuse weights, or totals of weights, whose sum is zero or too large."""
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
    """Row labels of a block; counted on from ``first`` if they only count from 0."""
    counted = first and labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels)))
    return read_only(labels + first if counted else labels)


def _read_frame(frame: nw.DataFrame[Any] | nw.Series[Any], first: int) -> Data:
    if isinstance(frame, nw.Series):
        frame = (frame.alias("x0") if frame.name in (None, "") else frame).to_frame()
    _check_shape(frame.shape)

    features = tuple(str(name) for name in frame.columns)
    broken = [name for name in features if "\0" in name or name.encode(errors="replace").decode() != name]
    if broken:
        raise InputError(f"the name of column {named(broken[0])} is not text that can be saved; rename it")
    repeated = [name for name, count in Counter(features).items() if count > 1]
    if repeated:
        raise InputError(f"several columns are called {named(repeated[0])}; rename or drop the copies")

    index = nw.maybe_get_index(frame)
    if index is None:
        obs_id = np.arange(len(frame))
    elif index.nlevels > 1:
        obs_id = index.map(str).to_numpy()  # tuples cannot be labels of an xarray coordinate
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
