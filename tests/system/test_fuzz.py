"""Readers and loader on bytes and objects that nobody thought of: an answer, or an `InputError`.

``MIXTURES_HYPOTHESIS=thorough python -m pytest tests/system/test_fuzz.py`` tries ten times as many.
"""

import datetime as dt
import io
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import parquet

import mixtures as mx
from mixtures.data.files import read_stream, read_table
from mixtures.data.reading import as_data
from mixtures.errors import InputError
from mixtures.saving.save import read_header

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")


def answers(function, *arguments):
    """What a function gives, or None after an `InputError` of one line; anything else is a failure."""
    try:
        return function(*arguments)
    except InputError as error:
        said = str(error)
    assert 0 < len(said) < 5000
    return None


# Text


BYTES = st.lists(
    st.sampled_from(
        [b",", b";", b"\t", b" ", b"\n", b"\r", b'"', b"1", b"2.5", b"-", b"a", b"nan", b"\xff", b"\0"]
    )
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


@given(BYTES, st.sampled_from(SUFFIXES))
def test_any_bytes(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    table = answers(read_table, path)
    if table is not None:
        answers(as_data, table)
    answers(lambda: read_stream(io.BytesIO(content), "stdin"))
    assert answers(mx.load, path) is None


WORDS = ["1", "-0", "1e5", " 2", "+3", "1.", ".5", "1e-320", "1e999", "0x10", "1_0", "True", "nan", "NA", ""]
WORDS += ['"4"', "é", "\uff11", "\u22121", "1 2", "#1", "'1", "1d", "--1", "Infinity", "1e"]
WRITTEN = st.sampled_from([*WORDS, '"1,5"', "9" * 30, "0" * 50]) | st.floats(
    allow_nan=False, allow_infinity=False
).map(repr)
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(WRITTEN, min_size=width, max_size=width), min_size=1, max_size=6)
)


@given(
    TABLES, st.sampled_from([("t.csv", ","), ("t.tsv", "\t")]), st.sampled_from(["\n", "\r\n", "\n\n", "\r"])
)
@example([["1"], [""], ["3"]], ("t.csv", ","), "\n")
@example([["1", "2"], ["", ""]], ("t.tsv", "\t"), "\n")
def test_no_cell_is_lost(tmp_path_factory, rows, kind, ending):
    """What is read has every row and every cell that was written, each as the number that it is."""
    name, separator = kind
    path = tmp_path_factory.getbasetemp() / name
    header = separator.join("abc"[: len(rows[0])])
    lines = [header, *(separator.join(row) for row in rows)]
    path.write_text("".join(line + ending for line in lines), encoding="utf-8", newline="")
    table = answers(read_table, path)
    data = None if table is None else answers(as_data, table)
    if data is None:
        return
    assert data.features == tuple("abc"[: len(rows[0])])
    written = [[cell.strip('" ') for cell in row] for row in rows]
    while written and not any(written[-1]):  # blank lines at the end are none
        written.pop()
    numbers = [[{"True": 1.0}.get(cell) or float(cell) for cell in row] for row in written]
    np.testing.assert_array_equal(data.values, numbers)


# Parquet


def some_parquet():
    buffer = io.BytesIO()
    frame = pd.DataFrame(
        {"a": [1.0, 2.0, 3.0], "b": [1, 2, 3], "c": list("xyx"), "d": pd.Categorical(list("uvu"))},
        index=list("pqr"),
    )
    frame["e"] = pd.date_range("2020-01-01", periods=3)
    parquet.write_table(pa.Table.from_pandas(frame), buffer, use_dictionary=["c"], compression="gzip")
    return buffer.getvalue()


PARQUET = some_parquet()
CHANGES = st.lists(
    st.tuples(st.integers(0, len(PARQUET) - 1), st.integers(0, 255) | st.sampled_from([0, 0x7F, 0x80, 0xFF])),
    min_size=1,
    max_size=8,
)


@given(CHANGES, st.integers(0, len(PARQUET)))
def test_spoilt_parquet(tmp_path_factory, changes, cut):
    spoilt = bytearray(PARQUET)
    for place, value in changes:
        spoilt[place] = value
    path = tmp_path_factory.getbasetemp() / "spoilt.parquet"
    for content in (spoilt, PARQUET[:cut] + bytes(spoilt[cut + 1 :])):
        path.write_bytes(content)
        table = answers(read_table, path)
        if table is not None:
            answers(as_data, table)
            answers(read_table, path, ["a"])


# Objects


ODD = [pd.NA, pd.NaT, np.datetime64("NaT", "s"), np.float16(1), np.bool(True), ..., {1}, Decimal("sNaN")]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**400),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.decimals(),
    st.fractions(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from(ODD),
    st.builds(dict),
)
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner), max_leaves=20
)
ROWS = st.integers(0, 4).flatmap(
    lambda width: st.lists(st.lists(SCALARS, min_size=width, max_size=width), max_size=4)
)


def cells(frame):
    """Cells of rows as floats, where all are numbers."""
    return [[float(cell) for cell in row] for row in frame]


@given(NESTED | ROWS)
@example([[Fraction(1, 3), Decimal("sNaN")]])
@example([dt.time(1)])
def test_any_lists(X):
    data = answers(as_data, X)
    if data is None:
        return
    assert np.isfinite(data.values).all()
    rows = [row if isinstance(row, list | tuple) else [row] for row in X]
    np.testing.assert_array_equal(data.values, cells(rows))


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)))
def test_arrays_of_any_type(X):
    data = answers(as_data, X)
    if data is not None:
        assert np.isfinite(data.values).all()
        assert data.values.size == X.size


@given(
    st.lists(st.lists(SCALARS, min_size=3, max_size=3), min_size=1, max_size=4),
    st.lists(st.text(), min_size=4, max_size=4),
)
def test_frames_of_anything(columns, names):
    for make in (
        lambda: pd.DataFrame(dict(enumerate(columns))).set_axis(names[: len(columns)], axis=1),
        lambda: pd.DataFrame(dict(enumerate(columns)), dtype=object),
        lambda: pl.DataFrame({f"c{i}": column for i, column in enumerate(columns)}, strict=False),
        lambda: pa.table({f"c{i}": column for i, column in enumerate(columns)}),
    ):
        try:
            frame = make()
        except (Exception, pl.exceptions.PanicException):
            continue
        data = answers(as_data, frame)
        if data is not None:
            assert data.values.shape == (3, len(columns))
            assert np.isfinite(data.values).all()


# Saved results


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "em.mix"
    mx.save(mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1), path)
    return path.read_bytes()


@given(st.data())
def test_spoilt_results(saved, tmp_path_factory, data):
    spoilt = bytearray(saved)
    for place in data.draw(st.lists(st.integers(0, len(saved) - 1), min_size=1, max_size=6)):
        spoilt[place] = data.draw(st.integers(0, 255) | st.sampled_from([0, 0x22, 0x2C, 0x5B, 0x7B, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "spoilt.mix"
    path.write_bytes(spoilt[data.draw(st.integers(0, 40)) :] if data.draw(st.booleans()) else spoilt)
    answers(mx.load, path)
    answers(read_header, path)


def test_a_spoilt_footer_does_not_end_the_process(tmp_path):
    """Its first bytes say which columns there are; asked for one that is left out, pyarrow aborts."""
    footer = len(PARQUET) - 8 - int.from_bytes(PARQUET[-8:-4], "little")
    path = tmp_path / "spoilt.parquet"
    for place in range(footer, footer + 40):
        for value in (0, 1, 0x15, 0x19, 0x26, 0x7F):
            path.write_bytes(PARQUET[:place] + bytes([value]) + PARQUET[place + 1 :])
            answers(read_table, path)
