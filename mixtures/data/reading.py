"""Tables read into checked arrays of numbers."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from narwhals.dependencies import is_pandas_series
from scipy import sparse

from mixtures.data.cells import (
    NotNumbers,
    as_array,
    as_column,
    as_floats,
    as_numbers,
    refuse_columns,
    uncovered,
)
from mixtures.data.known_labels import check_labels
from mixtures.data.levels import Categories, as_codes, declared_in, is_categorical
from mixtures.data.table import BLOCK_ROWS, LARGEST_TOTAL, Data, places_by_index, read_only, row_labels
from mixtures.errors import InputError
from mixtures.messages import Option, counted, named, shortened, worded

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "INTEGRATE",
    "as_data",
    "by_names",
    "check_missing",
    "check_total",
    "check_weights",
    "elsewhere",
    "is_dask",
    "labels_from",
]

INTEGRATE = "integrate"
"""What callers say if missing cells are to be integrated out."""


OR_INTEGRATE = worded(
    ", or pass ",
    Option("missing", INTEGRATE, f'missing="{INTEGRATE}" (--missing {INTEGRATE} on the command line)'),
)
"""What may also be done about missing cells."""


def is_dask(X: Any) -> bool:
    """Whether it is one of Dask's collections; the test does not import Dask."""
    return type(X).__module__.split(".")[0] == "dask"


def elsewhere(X: Any) -> str:
    """Word for data that are not in memory at once; empty for a table."""
    if is_dask(X):
        return f"a Dask {type(X).__name__}"
    if callable(X) and not hasattr(X, "__array__"):
        return "a function"
    is_chunked = isinstance(X, list | tuple) and X and all(len(getattr(c, "shape", ())) == 2 for c in X)
    return f"a {type(X).__name__} of tables" if is_chunked else ""


def as_data(
    X: Any,
    weights: Any = None,
    *,
    missing: str | None = None,
    labels: Any = None,
    first: int = 0,
    categories: Categories = False,
) -> Data:
    """Check a table and read it as float64.

    Parameters
    ----------
    X : array, data frame, series, list or Data
        NumPy arrays and anything with ``__array__``; xarray arrays, columns by their labels; pandas, polars
        and pyarrow tables and series; lists of numbers or of rows. A one-dimensional X is read as
        one column, booleans as 0 and 1. A ``Data`` is returned unchanged.
    weights : array_like, shape (n,), optional
        Frequency weights, read by the rules for cells: true counts a row and false does not. A pandas
        Series is matched by its index to the rows of a pandas frame; a ``Data`` keeps its own weights if
        none are given.
    missing : {None, "integrate"}, optional
        Whether cells may be missing: NaN, None, ``pandas.NA``, nulls and masked cells. They are NaN in the
        table, and everything below integrates them out.
    labels : array_like, shape (n,), optional
        The known cluster of every row, from 0; -1, NaN, None or ``pandas.NA`` where it is not known. A
        pandas Series is matched like weights; a ``Data`` keeps its own labels if none are given.
    first : int, default 0
        Position of the first row, where X is a chunk of something larger.
    categories : bool or frozenset, default False
        Whether cells are the levels of categories, or in which columns they are, by name or position: text,
        whole numbers or booleans. The table has their codes, and the levels. Those that a pandas
        categorical or a polars enum declares are kept, whether or not they occur.

    Returns
    -------
    Data
        A C-contiguous float64 array, or memory map, is viewed and anything else is copied once. ``X`` is
        never changed.

    Raises
    ------
    InputError
        If X is empty, sparse, lazy, ragged or has more than two dimensions, if two columns share a name, if
        a cell is infinite, not a real number, or missing where none may be, or if X is a Dask collection or
        comes in chunks, which `mixtures.data.sources.as_rows` reads.

    Examples
    --------
    >>> as_data([[1, 2], [3, 4]]).features
    ('x0', 'x1')
    >>> import pandas as pd
    >>> as_data(pd.DataFrame({"x": [79.0, float("nan")]}))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mixtures.errors.InputError: row 1, column 'x' is NaN or null; drop or impute it...
    """
    check_missing(missing)
    X = by_names(X)
    if labels is not None:
        data = as_data(X, weights, missing=missing, first=first, categories=categories)
        return replace(data, labels=read_labels(labels, data.obs_id, data.first, row_labels(X)))
    if weights is not None:
        data = as_data(X, missing=missing, first=first, categories=categories)
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
    data = _read_frame(frame, first, categories) if is_frame else _read_array(X, first, missing, categories)
    coded = data.levels is not None and any(own is not None for own in data.levels)
    data = data if coded else replace(data, levels=None)
    if not all(np.isfinite(block).all() for _, block in data.blocks(BLOCK_ROWS)):
        holes = np.isnan(data.values)
        if missing is None:
            _refuse(holes, "NaN or null", data, OR_INTEGRATE)
        _refuse(np.isinf(data.values), "infinite", data)
        return replace(data, has_missing=bool(holes.any()))
    return data


def check_missing(missing: Any) -> None:
    """Refuse another way of dealing with missing cells."""
    if missing is not None and not (isinstance(missing, str) and missing == INTEGRATE):
        raise InputError(
            worded(
                Option("missing"),
                f" is {missing!r:.80}; it can be ",
                Option(
                    "missing",
                    said=f"{INTEGRATE!r} (--missing {INTEGRATE} on the command line)",
                    typed=INTEGRATE,
                ),
                ", which integrates missing cells out of the likelihood, or be left out: then they are "
                "refused",
            )
        )


def read_labels(
    labels: Any, obs_id: np.ndarray, first: int = 0, index: "pd.Index | None" = None
) -> np.ndarray | None:
    """Read the known cluster of every row, as `mixtures.data.known_labels.check_labels`, from memory."""
    _refuse_parts("labels", labels)
    return check_labels(labels, obs_id, first, index)


def _refuse_parts(what: str, given: Any) -> None:
    """Refuse what is beside the rows if it is not one array in memory."""
    if kind := elsewhere(given):
        raise InputError(f"{what} are {kind}; pass one array in memory")
    parts = given if isinstance(given, list | tuple) else ()
    if parts and all(len(getattr(part, "shape", ())) == 1 for part in parts):
        kind = type(given).__name__
        raise InputError(f"{what} are a {kind} of arrays; pass one of all rows: numpy.concatenate({what})")


NO_WEIGHTS = worded(Option("weights", said="weights are not", typed="--weights: the cells are not"))
"""Beginning of the message on weights that are no numbers."""


def check_weights(weights: Any, n_rows: int, first: int = 0, labels: "pd.Index | None" = None) -> np.ndarray:
    """Read one finite, non-negative number per row; a pandas Series is matched by its index."""
    _refuse_parts("weights", weights)
    array = as_numbers(weights, NO_WEIGHTS)
    if array.shape != (n_rows,):
        raise InputError(f"weights have shape {array.shape}; the data have {counted(n_rows, 'row')}")
    if is_pandas_series(weights):
        import pandas as pd

        array = array[places_by_index(weights.index, labels, pd.RangeIndex(first, first + n_rows))]
    bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if len(bad):
        place, value = first + bad[0], array[bad[0]]
        its = Option("weights", said="weight", typed="the weight in --weights")
        raise InputError(
            worded(f"row {place}: ", its, f" is {value}; weights must be finite and not negative")
        )
    return read_only(array)


def check_total(weights: np.ndarray) -> np.ndarray:
    """Refuse weights, or totals of weights, whose sum is zero or too large."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total <= 0:
        raise InputError(worded("all ", Option("weights", said="weights", typed="--weights"), " are zero"))
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


Reader = Callable[..., tuple[np.ndarray, tuple[Any, ...] | None]]
"""Cells of a column to numbers, and their levels if they are categories."""


def _as_numbers(
    column: np.ndarray, feature: str, obs_id: np.ndarray, first: int, declared: Any = None
) -> tuple[np.ndarray, None]:
    return as_floats(column, feature, obs_id, first), None


def _reader(categories: Categories, feature: str, place: int) -> Reader:
    return as_codes if is_categorical(categories, feature, place) else _as_numbers


OF_ROWS, OF_COLUMNS = {"obs_id", "obs", "row", "rows"}, {"feature", "column", "columns", "variable"}
"""Names that dims of rows and of columns often have in xarray."""


def by_names(X: Any) -> Any:
    """An xarray array whose columns have labels as a frame; anything else as it is.

    Dims whose names say that its rows are columns are refused.
    """
    xarray = sys.modules.get("xarray")
    if xarray is None or not isinstance(X, xarray.DataArray) or X.ndim != 2:
        return X
    if X.dims[0] in OF_COLUMNS or X.dims[1] in OF_ROWS:
        first, second = map(named, X.dims)
        raise InputError(f"the rows have the dim {first}, and the columns {second}: pass X.T, rows first")
    return X.to_pandas() if X.dims[1] in X.coords else X


def _read_frame(frame: nw.DataFrame[Any] | nw.Series[Any], first: int, categories: Categories) -> Data:
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
    values, levels, refused = np.empty(frame.shape), [], []
    for j, (feature, column) in enumerate(zip(features, frame.iter_columns(), strict=True)):
        read = _reader(categories, feature, j)
        try:
            values[:, j], own = read(as_column(column, feature), feature, obs_id, first, declared_in(column))
        except NotNumbers as error:
            refused.append(error)
        else:
            levels.append(own)
    refuse_columns(refused)
    return Data(read_only(values), features, obs_id, first=first, levels=tuple(levels))


def _read_array(X: Any, first: int, missing: str | None, categories: Categories) -> Data:
    array = as_array(X)
    if array.dtype.names:
        raise InputError(
            f"the data are a structured array with the fields {shortened(array.dtype.names)}; pass "
            "pandas.DataFrame(X), which makes columns of them"
        )
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
        if missing is None:
            masked = Data(array, features, obs_id, first=first)
            _refuse(np.ma.getmaskarray(array), "masked", masked, OR_INTEGRATE)
        array = uncovered(array)

    levels: list[tuple[Any, ...] | None] = []
    if array.dtype.kind in "biuf" and not categories:
        with np.errstate(over="ignore"):  # a long double; refused later, with its place
            values = np.ascontiguousarray(array, dtype=np.float64)
    else:
        values = np.empty((n, d))
        for j, feature in enumerate(features):
            read = _reader(categories, feature, j)
            values[:, j], own = read(array[:, j], feature, obs_id, first)
            levels.append(own)
    return Data(read_only(values), features, obs_id, first=first, levels=tuple(levels))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) > 2:
        raise InputError(f"the data have {len(shape)} dimensions {shape}; reshape them to (rows, columns)")
    for size, what in zip(shape, ("rows", "columns"), strict=True):
        if size == 0:
            raise InputError(f"the data have no {what} (shape {shape}); pass at least one row and one column")


def _refuse(mask: np.ndarray, what: str, data: Data, more: str = "") -> None:
    count = np.count_nonzero(mask)
    if count == 1:
        raise InputError(worded(f"{data.locate(mask)} is {what}; drop or impute it", more))
    if count > 1:
        raise InputError(worded(f"{count} cells are {what}: {data.locate(mask)}; drop or impute them", more))
