"""Numbers as people write them: decimal commas and marks between thousands, read exactly or not at all."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from mixtures import InputError
from mixtures.data.files import read_stream, read_table
from mixtures.data.numerals import Numerals, writings_of
from mixtures.data.reading import as_data

GERMAN = Numerals(",", ".")


def read(text, numerals, separator=";"):
    return read_stream(BytesIO(text.encode()), "it", separator=separator, numerals=numerals)


@pytest.mark.parametrize(
    ("numerals", "text", "number"),
    [
        (Numerals(","), "1,5", 1.5),
        (Numerals(","), "-,5", -0.5),
        (Numerals(","), "+2,", 2.0),
        (Numerals(","), "1,5e-3", 0.0015),
        (GERMAN, "1.234.567,25", 1234567.25),
        (GERMAN, "1234567,25", 1234567.25),
        (GERMAN, "0,1", 0.1),
        (Numerals(".", ","), "12,345", 12345),
        (Numerals(",", " "), "12 345,5", 12345.5),
        (Numerals(",", " "), "12\N{NO-BREAK SPACE}345,5", 12345.5),
        (Numerals(".", "'"), "12'345.5", 12345.5),
        (Numerals(".", "_"), "1_000", 1000),
    ],
)
def test_a_number_is_read_to_the_last_bit(numerals, text, number):
    frame = read(f'a;b\n"{text}";x1\n"{text}";x2\n', numerals)
    assert list(frame["a"]) == [number, number]


@pytest.mark.parametrize(
    ("numerals", "text"),
    [
        (Numerals(","), "1.5"),
        (Numerals(","), "1,5,5"),
        (GERMAN, "1.5"),
        (GERMAN, "12.34,5"),
        (GERMAN, "1234.567,5"),
        (GERMAN, "1,234.5"),
        (Numerals(".", ","), "1,23"),
        (Numerals(".", ","), ",234"),
        (Numerals(",", " "), "1 2"),
    ],
)
def test_what_is_written_otherwise_stays_text_and_is_refused(numerals, text):
    """Pandas would read 12.34,5 as 1234.5."""
    frame = read(f'a;b\n3;1\n"{text}";2\n', numerals)
    with pytest.raises(InputError, match="column 'a' holds text"):
        as_data(frame)


def test_the_rest_of_a_table_is_read_as_ever():
    text = "id;flag;n;m;t\n1;True;1.000;;x\n2;False;2.000;2,5;NA\n3;True;30;NA;z\n"
    frame = read(text, GERMAN)
    assert [frame[c].dtype.kind for c in ("id", "flag", "n", "m")] == ["i", "b", "i", "f"]
    assert list(frame["n"]) == [1000, 2000, 30]
    assert list(frame["flag"]) == [True, False, True]
    np.testing.assert_array_equal(frame["m"], [np.nan, 2.5, np.nan])
    assert list(frame["t"].isna()) == [False, True, False]


def test_numbers_as_python_writes_them_are_the_same_either_way():
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)) * 1e5, columns=list("abc"))
    plain = read(rows.to_csv(index=False), Numerals(), ",")
    commas = read(rows.to_csv(index=False, sep=";", decimal=","), Numerals(","))
    pd.testing.assert_frame_equal(plain, commas)
    np.testing.assert_array_equal(plain, rows)


def test_row_labels_and_headers_go_with_it():
    frame = read(";price\na;1,5\nb;2,5\n", Numerals(","))
    assert (list(frame.index), list(frame["price"])) == (["a", "b"], [1.5, 2.5])
    with pytest.raises(InputError, match="holds cells that may be values"):
        read("1,5;2,5\n3,5;4,5\n", Numerals(","))


def test_marks_that_no_number_has():
    for marks, words in (
        ((";", None), "decimal is ';'; it is '.' or ','"),
        ((".", "x"), "thousands is 'x'; it is a comma"),
        ((",", ","), "decimal and thousands are both ','"),
        ((".", "."), "decimal and thousands are both '.'"),
    ):
        with pytest.raises(InputError, match=words):
            Numerals(*marks)


def test_binary_files_have_no_marks(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="leave out decimal=','"):
        read_table(tmp_path / "t.parquet", numerals=GERMAN)


def test_ways_of_writing_are_recognised_and_doubt_is_kept():
    assert writings_of(["1,5", "2"]) == (Numerals(","),)
    assert writings_of(["1.234,5", "2"]) == (GERMAN,)
    assert writings_of(["1,234.5"]) == (Numerals(".", ","),)
    assert writings_of(["1,234", "5,678"]) == (Numerals(","), Numerals(".", ","))
    assert writings_of(["12 000", "5,5"]) == (Numerals(",", " "),)
    for texts in ([], ["a"], ["1,5", "1.5"], ["1,5", "yes"], ["1,2,3"]):
        assert writings_of(texts) == ()
