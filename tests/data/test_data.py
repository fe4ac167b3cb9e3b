"""Checked input: what is read, how, and what is refused with which words."""

import datetime as dt
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from mixtures.data.files import read_table
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.messages import did_you_mean, locate

NUMBERS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
COLUMNS = {"a": [1.0, 3.0, 5.0], "b": [2.0, 4.0, 6.0]}


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return np.array(NUMBERS, dtype=dtype)


# What is read


@pytest.mark.parametrize(
    "X",
    [
        pytest.param(NUMBERS, id="list"),
        pytest.param(tuple(map(tuple, NUMBERS)), id="tuple"),
        pytest.param([np.array(row) for row in NUMBERS], id="list of arrays"),
        pytest.param(np.array(NUMBERS), id="C order"),
        pytest.param(np.array(NUMBERS, order="F"), id="Fortran order"),
        pytest.param(np.array(NUMBERS, dtype=np.float32), id="float32"),
        pytest.param(np.array(NUMBERS, dtype=">f8"), id="other byte order"),
        pytest.param(np.array(NUMBERS, dtype=np.uint8), id="uint8"),
        pytest.param(np.array(NUMBERS, dtype=object), id="object"),
        pytest.param(np.ma.masked_less(np.array(NUMBERS), 0), id="masked, nothing hidden"),
        pytest.param(list(np.ma.masked_less(np.array(NUMBERS), 0)), id="rows masked, nothing hidden"),
        pytest.param(ArrayLike(), id="__array__"),
    ],
)
def test_arrays_and_lists(X):
    data = as_data(X)
    np.testing.assert_array_equal(data.values, NUMBERS)
    assert data.features == ("x0", "x1")
    np.testing.assert_array_equal(data.obs_id, [0, 1, 2])


@pytest.mark.parametrize(
    "X",
    [
        pytest.param(pd.DataFrame(COLUMNS), id="pandas"),
        pytest.param(pd.DataFrame(COLUMNS).astype("Int64"), id="pandas nullable"),
        pytest.param(pd.DataFrame(COLUMNS).astype("float64[pyarrow]"), id="pandas on arrow"),
        pytest.param(pd.DataFrame(COLUMNS).astype({"a": object, "b": int}), id="pandas mixed types"),
        pytest.param(pd.DataFrame(COLUMNS).astype(pd.SparseDtype(float)), id="pandas sparse"),
        pytest.param(pl.DataFrame(COLUMNS), id="polars"),
        pytest.param(pl.DataFrame(COLUMNS).cast(pl.Decimal(10, 2)), id="polars decimal"),
        pytest.param(pl.DataFrame(COLUMNS).cast(pl.Int128), id="polars Int128"),
        pytest.param(pl.DataFrame(COLUMNS).cast(pl.UInt128), id="polars UInt128"),
        pytest.param(pa.table(COLUMNS), id="pyarrow"),
    ],
)
def test_frames(X):
    data = as_data(X)
    np.testing.assert_array_equal(data.values, NUMBERS)
    assert data.features == ("a", "b")
    np.testing.assert_array_equal(data.obs_id, [0, 1, 2])


@pytest.mark.parametrize(
    ("X", "feature"),
    [
        pytest.param([1, 2], "x0", id="list"),
        pytest.param(range(1, 3), "x0", id="range"),
        pytest.param(np.array([1, 2]), "x0", id="array"),
        pytest.param(pd.Series([1, 2]), "x0", id="pandas unnamed"),
        pytest.param(pd.Series([1, 2], name="a"), "a", id="pandas"),
        pytest.param(pd.Series([1, 2], name=0), "0", id="pandas named by a number"),
        pytest.param(pd.Index([1, 2]), "x0", id="pandas index"),
        pytest.param(pl.Series([1, 2]), "x0", id="polars unnamed"),
        pytest.param(pl.Series("a", [1, 2]), "a", id="polars"),
        pytest.param(pa.chunked_array([[1], [2]]), "x0", id="pyarrow chunked"),
        pytest.param(pa.array([1, 2]), "x0", id="pyarrow array"),
    ],
)
def test_one_dimension_is_one_column(X, feature):
    data = as_data(X)
    np.testing.assert_array_equal(data.values, [[1.0], [2.0]])
    assert data.features == (feature,)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(np.array([True, False]), [1, 0], id="numpy bool"),
        pytest.param([True, 0], [1, 0], id="bool and int"),
        pytest.param(pd.Series([True, False], dtype="boolean"), [1, 0], id="pandas boolean"),
        pytest.param(pl.Series([True, False]), [1, 0], id="polars bool"),
        pytest.param(pd.Series([3, 1], dtype="category"), [3, 1], id="categories that are numbers"),
        pytest.param([Decimal("0.5"), Fraction(1, 4)], [0.5, 0.25], id="decimal and fraction"),
        pytest.param(np.array([np.bool(True), np.float32(2)], dtype=object), [1, 2], id="numpy scalars"),
    ],
)
def test_cells_that_count_as_numbers(column, expected):
    np.testing.assert_array_equal(as_data(column).values[:, 0], expected)


def test_counts_and_idempotence():
    data = as_data(NUMBERS)
    assert (data.n_rows, data.n_features) == (3, 2)
    assert as_data(data) is data


def test_one_row_is_enough():
    assert as_data([[1.0, 2.0]]).n_rows == 1


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (["p", "q"], ["p", "q"]),
        ([7, 3], [7, 3]),
        (pd.MultiIndex.from_tuples([("p", 1), ("p", 2)]), ["('p', 1)", "('p', 2)"]),
    ],
)
def test_pandas_index_becomes_obs_id(index, expected):
    for X in (pd.DataFrame({"a": [1, 2]}, index=index), pd.Series([1, 2], index=index)):
        np.testing.assert_array_equal(as_data(X).obs_id, expected)


def test_column_names_become_text():
    assert as_data(pd.DataFrame(NUMBERS)).features == ("0", "1")
    columns = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
    assert as_data(pd.DataFrame(NUMBERS, columns=columns)).features == ("('a', 1)", "('a', 2)")


# How it is read: layout, copies, ownership


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=2), elements=st.floats(allow_nan=False, width=32)))
def test_any_layout_keeps_values_and_the_invariants(X):
    finite = np.isfinite(X)
    if not finite.all():
        with pytest.raises(InputError, match="infinite"):
            as_data(X)
        return
    expected = X.reshape(len(X), -1)
    for layout in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist(), X.astype(object)):
        values = as_data(layout).values
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == np.float64
        assert values.flags.c_contiguous
        assert not values.flags.writeable
        assert type(values) is np.ndarray


@pytest.mark.parametrize("X", [np.array(NUMBERS), np.arange(3.0)], ids=["matrix", "vector"])
def test_a_float64_array_is_viewed_and_stays_writeable(X):
    data = as_data(X)
    assert np.shares_memory(data.values, X)
    assert X.flags.writeable


@pytest.mark.parametrize("X", [np.array(NUMBERS, order="F"), np.array(NUMBERS)[::2], pd.DataFrame(COLUMNS)])
def test_anything_else_is_copied(X):
    assert not np.shares_memory(as_data(X).values, np.asarray(X))


def test_results_cannot_be_written():
    frame = pd.DataFrame(COLUMNS, index=["p", "q", "r"])
    data = as_data(frame)
    with pytest.raises(ValueError, match="read-only"):
        data.values[0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        data.obs_id[0] = "s"
    with pytest.raises(AttributeError):
        data.features = ("a",)
    frame.loc["p", "a"] = 9  # the caller's frame is still the caller's
    assert data.values[0, 0] == 1


# What is refused, and in which words


def hide(values, mask):
    return np.ma.MaskedArray(values, mask=mask)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        # missing and infinite cells
        ([[1, 2], [3, np.nan]], "row 1, column 'x1' is NaN or null; drop or impute it"),
        ([[1, 2], [3, None]], "row 1, column 'x1' is NaN or null; drop or impute it"),
        ([1.0, Decimal("sNaN")], "row 1, column 'x0' is NaN or null; drop or impute it"),
        ([1.0, None], "row 1, column 'x0' is NaN or null; drop or impute it"),
        (np.array([[1, pd.NA]], dtype=object), "row 0, column 'x1' is NaN or null; drop or impute it"),
        (np.array([[1, pd.NaT]], dtype=object), "row 0, column 'x1' is NaN or null; drop or impute it"),
        (
            pd.Series([1, None], dtype="Int64", name="a"),
            "row 1, column 'a' is NaN or null; drop or impute it",
        ),
        (
            pd.Series([True, None], dtype="boolean", name="a"),
            "row 1, column 'a' is NaN or null; drop or impute it",
        ),
        (pl.Series("a", [1, None]), "row 1, column 'a' is NaN or null; drop or impute it"),
        (pl.Series("a", [True, None]), "row 1, column 'a' is NaN or null; drop or impute it"),
        (pa.table({"a": [1, None]}), "row 1, column 'a' is NaN or null; drop or impute it"),
        (
            pd.DataFrame({"a": [1, np.nan]}, index=["p", "q"]),
            "row 1 (index q), column 'a' is NaN or null; drop or impute it",
        ),
        (
            pd.DataFrame({"a": [np.nan] * 3, "b": [1, 2, np.nan]}),
            "4 cells are NaN or null: row 0, column 'a'; row 1, column 'a'; row 2, column 'a'; "
            "row 2, column 'b'; drop or impute them",
        ),
        (
            np.full((3, 4), np.nan),
            "12 cells are NaN or null: row 0, column 'x0'; row 0, column 'x1'; row 0, column 'x2'; "
            "row 0, column 'x3'; row 1, column 'x0'; and 7 more; drop or impute them",
        ),
        (hide([[1, 2]], [[False, True]]), "row 0, column 'x1' is masked; drop or impute it"),
        (hide([1.0, 2.0], [True, True]), "2 cells are masked: row 0, column 'x0'; row 1, column 'x0'"),
        (list(hide([[1, 2], [3, 1e6]], [[0, 0], [0, 1]])), "row 1, column 'x1' is NaN or null"),
        (tuple(hide([[1, 2], [3, 4]], [[1, 0], [0, 0]])), "row 0, column 'x0' is NaN or null"),
        ([[1, 2], [3, np.ma.masked]], "row 1, column 'x1' is NaN or null"),
        ([[1, 2], np.ma.masked], "row 1 has 1 value but row 0 has 2"),
        ([1.0, hide(5.0, True)], "row 1, column 'x0' is NaN or null"),
        ([[10**400, 1], [np.ma.masked, 2]], "row 1, column 'x0' is NaN or null"),
        (np.array([[1, np.ma.masked]], dtype=object), "row 0, column 'x1' is NaN or null"),
        (pd.DataFrame({"a": [1, np.ma.masked]}, dtype=object), "row 1, column 'a' is NaN or null"),
        ([hide(np.array(["2020-01-01"], "M8[D]"), [True])], "column 'x0' holds dates or times"),
        (pl.DataFrame({"a": pl.Series([2**70, None], dtype=pl.Int128)}), "row 1, column 'a' is NaN or null"),
        ([[1, -np.inf]], "row 0, column 'x1' is infinite; drop or impute it"),
        (np.array([np.longdouble("1e4000")]), "row 0, column 'x0' is infinite"),
        ([10**400], "row 0, column 'x0' is infinite"),
        # cells that are no numbers
        (
            pd.DataFrame({"a": [1, 2], "species": ["setosa", "virginica"]}),
            "column 'species' holds text ('setosa' in row 0); drop the column or encode it as numbers",
        ),
        (pl.DataFrame({"s": ["u", "v"]}), "column 's' holds text ('u' in row 0)"),
        (pa.table({"s": ["u", "v"]}), "column 's' holds text ('u' in row 0)"),
        (pd.Series(["u"], name="s", dtype="category"), "column 's' holds text ('u' in row 0)"),
        (np.array([["1", "u"]]), "column 'x0' holds text ('1' in row 0)"),
        (np.array([b"u"]), "column 'x0' holds text (b'u' in row 0)"),
        ([[1, 2], [3, "u"]], "column 'x1' holds text ('u' in row 1)"),
        (pd.Series([np.nan, "4", "?"], name="s", index=list("pqr")), "holds text ('?' in row 2 (index r))"),
        (["x" * 1000], "column 'x0' holds text ('xxxxxxxxxxxx...xxxxxxxxxxxxx' in row 0)"),
        ([1j, 2.0], "column 'x0' holds complex numbers (1j in row 0); drop the column or split it"),
        (np.array([[0, 1j]]), "column 'x0' holds complex numbers"),
        (
            np.array(["2020-01-01"], dtype="datetime64[ns]"),
            "column 'x0' holds dates or times; drop the column",
        ),
        (np.array([1], dtype="timedelta64[ns]"), "column 'x0' holds dates or times"),
        (pd.Series(pd.to_datetime(["2020-01-01"], utc=True), name="t"), "column 't' holds dates or times"),
        (pl.Series("t", [dt.date(2020, 1, 1)]), "column 't' holds dates or times"),
        (pl.Series("t", [dt.time(1)]), "column 't' holds dates or times (datetime.time(1, 0) in row 0)"),
        ([dt.timedelta(1)], "column 'x0' holds dates or times"),
        ([{"a": 1}], "column 'x0' holds dict objects ({'a': 1} in row 0)"),
        (np.zeros(2, dtype=[("a", float)]), "the data are a structured array with the fields a; pass"),
        (pl.Series("l", [[1], [2, 3]]), "column 'l' holds nested values"),
        (pl.Series("l", [[1, 2]], dtype=pl.Array(pl.Int64, 2)), "column 'l' holds nested values"),
        (pl.Series("l", [{"a": 1}]), "column 'l' holds nested values"),
        # tables of the wrong shape or kind
        ([], "the data have no rows (shape (0, 1)); pass at least one row and one column"),
        ([[]], "the data have no columns (shape (1, 0))"),
        (np.empty((0, 3)), "the data have no rows (shape (0, 3))"),
        (pd.DataFrame(), "the data have no rows"),
        (pd.DataFrame(index=range(3)), "the data have no columns (shape (3, 0))"),
        (pl.DataFrame(), "the data have no rows"),
        (np.zeros((2, 3, 4)), "the data have 3 dimensions (2, 3, 4); reshape them to (rows, columns)"),
        ([[1, 2], [3, 4], [5]], "row 2 has 1 value but row 0 has 2; give every row the same number"),
        ([[1, 2], 3], "row 1 has 1 value but row 0 has 2"),
        ([[1, [2, 3]], [4, 5]], "list cannot be read as a table of numbers"),
        (
            [pd.Series([1, 2], index=["a", "b"]), pd.Series([2, 1], index=["b", "a"])],
            "the labels of row 1, a Series, are not those of row 0; pass pandas.DataFrame(rows)",
        ),
        (5.0, "expected a table, got float; pass an array, a list of rows or a data frame"),
        (None, "expected a table, got NoneType"),
        ("faithful.csv", "expected a table, got str"),
        ({"a": [1]}, "expected a table, got dict"),
        (sparse.eye_array(3, format="csr"), "the data are sparse (csr_array); pass X.toarray()"),
        (sparse.coo_matrix((3, 3)), "the data are sparse (coo_matrix); pass X.toarray()"),
        (pl.LazyFrame(COLUMNS), "the data are lazy (LazyFrame); collect them into a table first"),
        # column names
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "several columns are called 'a'; rename or drop the copies",
        ),
        (
            pd.DataFrame([[1, 2]], columns=[1, "1"]),
            "several columns are called '1'; rename or drop the copies",
        ),
    ],
)
def test_refusals(X, message):
    with pytest.raises(InputError) as caught:
        as_data(X)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_without_an_end_are_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="list cannot be read as a table of numbers"):
        as_data(endless)


# Weights


@pytest.mark.parametrize(
    "weights",
    [
        [1, 2, 0.5],
        (Decimal(1), Fraction(2), 0.5),
        np.array([1, 2, 0.5], dtype=object),
        pl.Series([1.0, 2.0, 0.5]),
        pa.array([1, 2, 0.5]),
        pd.Series([1, 2, 0.5], dtype="Float64"),
        hide([1, 2, 0.5], False),
    ],
)
def test_weights_are_numbers_of_any_kind(weights):
    np.testing.assert_array_equal(as_data(NUMBERS, weights).weights, [1, 2, 0.5])


def test_weights_that_are_true_or_false_keep_rows_or_leave_them_out():
    np.testing.assert_array_equal(as_data(NUMBERS, np.array([True, False, True])).weights, [1, 0, 1])
    np.testing.assert_array_equal(as_data(NUMBERS, pl.Series([1, 2, 3], dtype=pl.Int128)).weights, [1, 2, 3])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["1", "2", "3"], "weights are not an array of numbers: text ('1')"),
        ([1, 2, 3j], "weights are not an array of numbers: complex numbers"),
        (pd.date_range("2020-01-01", periods=3), "weights are not an array of numbers: dates or times"),
        (np.ones(3, "m8[s]"), "weights are not an array of numbers: dates or times"),
        ([dt.date(2020, 1, 1)] * 3, "weights are not an array of numbers: dates or times"),
        (pd.Series(list("abc"), dtype="category"), "weights are not an array of numbers: text ('a')"),
        (sparse.csr_array(np.ones((3, 1))), "weights are not an array of numbers: csr_array objects"),
        (iter([1, 2, 3]), "weights are not an array of numbers: list_iterator objects"),
        ({0: 1}, "weights are not an array of numbers: dict objects"),
        (hide([1.0, 2.0, 9e9], [0, 0, 1]), "row 2: weight is nan; weights must be finite and not negative"),
        ([1, np.ma.masked, 1], "row 1: weight is nan"),
        ([1, pd.NA, 1], "row 1: weight is nan"),
        (pl.Series([1, None, 1]), "row 1: weight is nan"),
        ([10**400] * 3, "row 0: weight is inf"),
        ([1e308] * 3, "weights sum to inf, and sums over rows would overflow"),
        ([1e101, 0, 0], "weights sum to 1e+101, and sums over rows would overflow"),
        (1.0, "weights have shape (); the data have 3 rows"),
        ([lambda: 1, [1]], "weights are not an array of numbers"),
    ],
)
def test_weights_that_are_refused(weights, message):
    with pytest.raises(InputError) as caught:
        as_data(NUMBERS, weights)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


LABELLED = pd.DataFrame(NUMBERS, index=["p", "q", "r"])


def test_a_series_of_weights_is_matched_by_its_index():
    weights = pd.Series([3.0, 1.0, 2.0], index=["r", "p", "q"])
    np.testing.assert_array_equal(as_data(LABELLED, weights).weights, [1, 2, 3])
    np.testing.assert_array_equal(as_data(as_data(LABELLED), weights).weights, [1, 2, 3])
    np.testing.assert_array_equal(as_data(LABELLED[0], weights).weights, [1, 2, 3])
    two = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    turned = pd.Series([3.0, 1.0, 2.0], index=two[[2, 0, 1]])
    np.testing.assert_array_equal(as_data(LABELLED.set_axis(two), turned).weights, [1, 2, 3])
    plain = pd.DataFrame(NUMBERS)
    np.testing.assert_array_equal(as_data(plain, weights.set_axis([2, 0, 1])).weights, [1, 2, 3])
    same = weights.set_axis(["p", "p", "q"])
    np.testing.assert_array_equal(as_data(LABELLED.set_axis(same.index), same).weights, [3, 1, 2])


def test_beside_rows_without_labels_a_series_of_weights_goes_by_place():
    for X in (NUMBERS, np.array(NUMBERS), pl.DataFrame(NUMBERS, orient="row")):
        for index in ([0, 1, 2], [10, 11, 12], list("pqr")):
            weights = pd.Series([1.0, 2.0, 3.0], index=index)
            np.testing.assert_array_equal(as_data(X, weights).weights, [1, 2, 3])


@pytest.mark.parametrize(
    ("X", "index", "message"),
    [
        (LABELLED, [0, 1, 2], "the index of the weights is not that of the data; give them the index"),
        (LABELLED, ["p", "q", "s"], "or pass weights.to_numpy() to match them by position"),
        (LABELLED, ["p", "p", "q"], "the index of the weights is not that of the data"),
        (LABELLED.set_axis(["p", "p", "q"]), ["p", "q", "p"], "is not that of the data"),
        (pd.DataFrame(NUMBERS), [1, 2, 3], "is not that of the data"),
        (NUMBERS, [2, 1, 0], "numbers the rows in another order, and the data have no row labels"),
    ],
)
def test_a_series_of_weights_with_another_index_is_refused(X, index, message):
    with pytest.raises(InputError) as caught:
        as_data(X, pd.Series([1.0, 2.0, 3.0], index=index))
    assert message in str(caught.value)


def test_a_broken_array_like_is_named():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("lives on another device")

    with pytest.raises(
        InputError, match="Broken cannot be read as a table of numbers: lives on another device"
    ):
        as_data(Broken())


@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)), limit=st.integers(1, 8))
def test_locate_names_the_first_cells_and_counts_the_rest(mask, limit):
    n, d = mask.shape
    features = [f"f{j}" for j in range(d)]
    cells = [f"row {i}, column 'f{j}'" for i in range(n) for j in range(d) if mask[i, j]]
    expected = cells[:limit] + ([f"and {len(cells) - limit} more"] if len(cells) > limit else [])
    assert locate(mask, features, np.arange(n), limit=limit) == "; ".join(expected)


def test_did_you_mean():
    assert did_you_mean("wating", ["eruptions", "waiting"]) == " (did you mean 'waiting'?)"
    assert did_you_mean("zzz", ["eruptions", "waiting"]) == ""


# Files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "a,b\n1,2.5\n3,4\n"),
        ("T.CSV", "a,b\r\n1,2.5\r\n3,4\r\n"),
        ("spaces.csv", "a, b\n1, 2.5\n3, 4\n"),
        ("bom.csv", "\ufeffa,b\n1,2.5\n3,4\n"),
        ("t.tsv", "a\tb\n1\t2.5\n3\t4\n"),
        ("t.txt", "a  b\n1  2.5\n3  4\n"),
    ],
)
def test_text_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    expected = pd.DataFrame({"a": [1, 3], "b": [2.5, 4.0]})
    pd.testing.assert_frame_equal(read_table(path), expected)
    pd.testing.assert_frame_equal(read_table(str(path)), expected)


@pytest.mark.parametrize("path", [3, None, 1.5, b"t.csv"])
def test_a_path_that_is_none(path):
    with pytest.raises(InputError, match="not the path of a file"):
        read_table(path)


@pytest.mark.parametrize("name", ["t.parquet", "t.pq"])
def test_parquet(tmp_path, name):
    expected = pd.DataFrame(COLUMNS, index=["p", "q", "r"])
    expected.to_parquet(tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_csv_numbers_survive_to_the_last_bit(tmp_path_factory, number):
    path = tmp_path_factory.getbasetemp() / "bits.csv"
    pd.DataFrame({"a": [number]}).to_csv(path, index=False)
    assert read_table(path).loc[0, "a"] == number


def test_columns_are_selected_in_the_order_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,bb,c\n1,2,3\n")
    assert list(read_table(path, ["c", "a"]).columns) == ["c", "a"]
    assert list(read_table(path, "bb").columns) == ["bb"]


def test_a_long_file_is_read_in_one_piece(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n?\n" + "1\n" * 600_000)  # read in chunks, the later ones alone would be numbers
    with pytest.raises(InputError, match=r"column 'a' holds text \('\?' in row 0\)"):
        as_data(read_table(path))


def test_a_missing_cell_is_read_and_then_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,NA\n")
    with pytest.raises(InputError, match="row 1, column 'b' is NaN or null"):
        as_data(read_table(path))


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        ("t.csv", None, None, "there is no file"),
        ("t.csv", b"", None, "is empty"),
        ("t.csv", b"\n\n", None, "is blank; it needs a line of column names, and rows"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", None, "has 4 values; 2 are expected, as the header has names"),
        ("t.csv", b"a,b\n1,\xff\xfe\n", None, "is not UTF-8 (line 2); say encoding='cp1252'"),
        ("t.parquet", b"a,b\n1,2\n", None, "cannot be read as parquet"),
        ("t.xlsx", b"PK", None, "has the suffix '.xlsx'; the files that can be read are .csv, .tsv, .txt"),
        ("t.csv.gz", b"\x1f", None, "are .csv, .tsv, .txt, .parquet, .pq; unpack it first"),
        ("t", b"a,b\n1,2\n", None, "has the suffix ''"),
        (
            "t.csv",
            b"eruptions,waiting\n1,2\n",
            ["wating"],
            "there is no column 'wating' (did you mean 'waiting'?); the columns are eruptions, waiting",
        ),
        ("t.csv", b"a,b\n1,2\n", ["a", "zzz"], "there is no column 'zzz'; the columns are a, b"),
    ],
)
def test_refused_files(tmp_path, name, content, columns, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path, columns)
    assert message in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        read_table(tmp_path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    pd.DataFrame(COLUMNS).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow; pip install 'pymc-mixtures\[io\]'"):
        read_table(tmp_path / "t.parquet")


def test_data_is_a_value_without_elementwise_equality():
    data = as_data(NUMBERS)
    assert data != Data(data.values, data.features, data.obs_id)  # and no array of truths
    assert len({data, data}) == 1
