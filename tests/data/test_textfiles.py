"""Text as tables: which line is the header, which column holds row labels, and what is refused.

No row and no column may be lost, or gained, in silence.
"""

import os
import re
import threading
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from command import run
from pyarrow import parquet

import mixtures as mx
from mixtures import InputError
from mixtures.data.files import read_stream, read_table
from mixtures.data.reading import as_data


def read(text, **keywords):
    content = text if isinstance(text, bytes) else text.encode()
    return read_stream(BytesIO(content), "it", **keywords)


def assert_read(text, features, rows, labels=None, **keywords):
    data = as_data(read(text, **keywords))
    assert data.features == tuple(features)
    np.testing.assert_array_equal(data.values, rows)
    assert list(data.obs_id) == (list(range(len(rows))) if labels is None else labels)


def refused(text, *words, **keywords):
    with pytest.raises(InputError) as caught:
        as_data(read(text, **keywords))
    for each in words:
        assert each in str(caught.value)


# The header


MAYBE_ROWS = [
    "1,2\n3,4\n",
    "TRUE,FALSE\nFALSE,TRUE\n",
    "true,x\nfalse,1\n",
    "NA,2.5\n1,2\n",
    "n/d,2.5\n1,2\n",
    "NA,NA\n1,2\n",
    "5.1,setosa\n4.9,setosa\n",
    "setosa,NA\nversicolor,5.1\n",
    ",2.5\n1,2\n",
    "nan,inf\n1,2\n",
    "?\n1\n2\n",
    "<0.5\n1\n2\n",
    "5%,6%\n1,2\n",
    "2020-01-01,2020-01-02\n1,2\n",
    "1e3,b\n1,2\n",
    '"1,5","2,5"\n1,2\n',
    "year,2019,2020\n1,2,3\n",
    ",0,1\n1,5,6\n2,7,8\n",  # begins with 1, so that the first line may be row 0
]


@pytest.mark.parametrize("text", MAYBE_ROWS)
def test_a_first_line_that_may_be_a_row_is_refused(text):
    refused(text, "the first line of it holds", "header=False (--no-header", "header=True (--header")


@pytest.mark.parametrize("text", MAYBE_ROWS)
def test_who_says_what_it_is_loses_no_row(text):
    lines = text.splitlines()
    assert len(read(text, header=False)) == len(lines)
    assert read(text, header=False).columns[0] == "x0"
    if not text.startswith((",", "NA,NA")):  # columns without a name, or of one name
        named = read(text, header=True)
        assert len(named) == len(lines) - 1
        assert [*named.columns] == [
            *pd.read_csv(BytesIO(text.encode()), header=None, dtype=str, keep_default_na=False).iloc[0]
        ]


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        ["x1", "2nd"],
        ["Na", "Ca"],
        ["RI", "NA"],
        ["温度", "α"],
        ["a b", "°C"],
        ["T", "F"],
        ["1-2a", "#b"],
    ],
)
def test_a_line_of_words_is_the_header(names):
    assert_read(",".join(names) + "\n1,2\n3,4\n", names, [[1, 2], [3, 4]])


def test_without_a_header_columns_are_called_as_those_of_an_array():
    assert_read("1,2\n3,4\n", ["x0", "x1"], [[1, 2], [3, 4]], header=False)
    assert_read("TRUE,FALSE\nFALSE,TRUE\n", ["x0", "x1"], [[1, 0], [0, 1]], header=False)
    refused("NA,2.5\n1,2\n", "row 0, column 'x0' is NaN or null", header=False)
    refused("a,b\n1,2\n", "columns x0, x1 hold text ('a' in row 0)", header=False)
    refused("1,2\n3,4,5\n", "line 2 of it has 3 values; 2 are expected, as the first line has", header=False)
    assert_read("1,2\n3,4\n", ["1", "2"], [[3, 4]], header=True)
    assert_read("\ufeff1,2\r\n3,4\r\n", ["x0", "x1"], [[1, 2], [3, 4]], header=False)


def test_comments_are_told():
    refused("# a table\nx,y\n1,2\n", "line 2 of it has 2 values; 1 is expected", "it begins with #")
    refused("# x y\n1 2\n", "(#)", "it begins with #", separator=" ")
    refused("x,y\n1,2\n#3,4\n", "column 'x' holds text ('#3' in row 1)")


def test_semicolons_and_decimal_commas():
    refused("a;b\n1,5;2,5\n", "--separator ';'")
    refused("a;b\n1,5;2,5\n", "columns a, b hold text ('1,5' in row 0)", separator=";")
    refused("1,5;2,5\n3,5;4,5\n", "holds cells that may be values", "--separator ';'")


# Row names


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_row_numbers_of_pandas_and_r_are_labels(first, quote, name):
    lines = [f"{quote}{name}{quote},a", f"{quote}{first}{quote},5", f"{quote}{first + 1}{quote},7"]
    assert_read("\n".join(lines), ["a"], [[5], [7]], [first, first + 1])


def test_what_pandas_writes_is_what_is_read():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 3)))
    for each in (frame, frame.add_prefix("c"), frame.add_prefix("c").set_axis(list("vwxyz"))):
        text = each.to_csv()
        assert_read(text, [str(name) for name in each.columns], each, list(each.index))
    again = read(frame.add_prefix("c").to_csv()).to_csv()
    assert_read(again, ["c0", "c1", "c2"], frame)


def test_names_of_rows_in_words_are_labels():
    assert_read(
        '"","mpg"\n"Mazda RX4",21\n"Datsun 710",22.8\n', ["mpg"], [[21], [22.8]], ["Mazda RX4", "Datsun 710"]
    )


@pytest.mark.parametrize("cells", [(5, 7), (1, 0), (0, 2), (0.5, 1.5), ("x", "x"), ("x", 3), ("x", "")])
def test_another_first_column_without_a_name_is_refused(cells):
    text = f",a\n{cells[0]},5\n{cells[1]},7\n"
    refused(text, "the first column of it has no name and does not number the rows", "--id 'Unnamed: 0'")
    assert_read(
        text,
        ["a"],
        [[5], [7]],
        [*cells] if isinstance(cells[0], int) else [*map(str, cells)],
        index="Unnamed: 0",
    )


def test_another_column_without_a_name_is_refused():
    refused("a,,c\n1,2,3\n", "column 2 of it has no name; name it in the first line")
    refused("a,b,\n1,2,3\n4,5,\n", "column 3 of it has no name")


@pytest.mark.parametrize("ends", [",", ",,,"])
def test_commas_at_the_ends_of_lines_are_no_column(ends):
    assert_read(f"a,b{ends}\n1,2{ends}\n3,4{ends}\n", ["a", "b"], [[1, 2], [3, 4]])


def test_commas_at_the_ends_of_all_lines_but_the_first():
    assert_read("a,b\n1,2,\r\n3,4,\n", ["a", "b"], [[1, 2], [3, 4]])
    refused("a,b\n1,2,\n3,4,5\n", "line 2 of it has 3 values; 2 are expected")
    refused("a,b\n1,2,\n3,4\n", "line 2 of it has 3 values; 2 are expected")


def test_a_column_of_labels_can_be_named():
    text = "a,id,b\n1,NA,2\n3,x,4\n"
    assert_read(text, ["a", "b"], [[1, 2], [3, 4]], ["NA", "x"], index="id")
    assert read(text, index="id").index.name == "id"
    assert_read("a,id\n1,007\n3,008\n", ["a"], [[1], [3]], ["007", "008"], index="id")
    assert_read("a,id\n1,-7\n3,12\n", ["a"], [[1], [3]], [-7, 12], index="id")
    assert_read(
        "5.1,setosa\n4.9,virginica\n",
        ["x0"],
        [[5.1], [4.9]],
        ["setosa", "virginica"],
        header=False,
        index="x1",
    )
    assert_read(",a,id\n0,1,x\n1,3,y\n", ["a"], [[1], [3]], ["x", "y"], index="id")
    refused(
        text, "there is no column 'idd' (did you mean 'id'?) in it; the columns are a, id, b", index="idd"
    )
    refused("id\n1\n2\n", "the data have no columns", index="id")


def test_labels_from_parquet(tmp_path):
    table = pa.table({"a": [1.0, 2.0], "id": ["x", "y"], "b": [3.0, 4.0]})
    parquet.write_table(table, tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet", index="id")
    assert (list(frame.columns), list(frame.index)) == (["a", "b"], ["x", "y"])
    assert list(read_table(tmp_path / "t.parquet", "b", index="id").columns) == ["b"]
    with pytest.raises(InputError, match="there is no column 'di'"):
        read_table(tmp_path / "t.parquet", index="di")
    with pytest.raises(InputError, match="is not a text file: leave out header=False"):
        read_table(tmp_path / "t.parquet", header=False)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"header": "no"}, "header is 'no'; it must be True, False or None"),
        ({"index": 0}, "index is 0; it must be the name of a column"),
        ({"index": "a", "columns": ["a"]}, "columns and index both name column 'a'; choose one"),
        ({"index": "a", "exclude": "a"}, "exclude and index both name column 'a'; choose one"),
        ({"columns": [0]}, "0 is not the name of a column"),
        ({"separator": 3}, "separator is 3; it must be a character"),
    ],
)
def test_keywords_that_make_no_sense(tmp_path, keywords, message):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv", **keywords)


# Cells


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'a,b\n"1"2,3\n',
            "row 0, column 'a' (line 2 of it): the cell continues after its closing quotation mark "
            "('\"1\"2')",
        ),
        ('a,b\n1,2\n3,"4"5\n', "row 1, column 'b' (line 3 of it)"),
        ('\n\na,b\r\n"x\ny",2\r\n3, "4"5\r\n', "row 1, column 'b' (line 6 of it)"),
        ('a\n""1""\n', "row 0, column 'a'"),
        ('a,b\n3,"4" 5\n', "row 0, column 'b'"),
        ('"a"z,b\n1,2\n', "the first line, column 'az' (line 1 of it)"),
        ('a,b\n1,2\n"3,4\n', "check it for a quotation mark that is not closed"),
        ('a\n1"2"\n', "column 'a' holds text ('1\"2\"' in row 0)"),
    ],
)
def test_cells_that_go_on_behind_a_quotation_mark(text, words):
    refused(text, words)


def test_quotation_marks_with_other_separators(tmp_path):
    refused('a;b\n1;"2"3\n', "row 0, column 'b'", separator=";")
    refused('a\tb\n1\t"2"3\n', "row 0, column 'b'", separator="\t")
    refused('"1"2,3\n4,5\n', "row 0, column 'x0' (line 1 of it)", header=False)
    (tmp_path / "t.txt").write_text('a  b\n1  "2"3\n')
    with pytest.raises(InputError, match="row 0, column 'b'"):
        read_table(tmp_path / "t.txt")
    (tmp_path / "t.txt").write_text('"a" "b"\n"1"  "2"\n')
    np.testing.assert_array_equal(read_table(tmp_path / "t.txt"), [[1, 2]])


def test_quotation_marks_that_are_in_order():
    assert_read('"a, ""b""","c"\n"1" , "2"\n\r\n'.replace("\n\r\n", "\n"), ['a, "b"', "c"], [[1, 2]])


def test_whole_numbers_beyond_64_bits_are_numbers_in_any_company():
    for other, value in (("-1", -1), ("1.5", 1.5), ("3", 3), ("99999999999999999999", 1e20)):
        assert_read(
            f"a\n9223372036854775808\n{other}\n18446744073709551615\n", ["a"], [[2.0**63], [value], [2.0**64]]
        )
    refused("a,b\n9223372036854775808,1\n,2\n-1,3\n", "row 1, column 'a' is NaN or null")
    refused("a\n9223372036854775808\n-1\nx\n", "column 'a' holds text ('x' in row 2)")


# Parquet


def test_columns_of_no_fixed_width(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(
        pa.table({"a": [1.0, 2.0], "b": pa.nulls(2), "c": pa.array(["x", "y"], pa.string_view())}), path
    )
    with pytest.raises(InputError, match="2 cells are NaN or null: row 0, column 'b'"):
        as_data(read_table(path, ["a", "b"]))
    with pytest.raises(InputError, match=r"column 'c' holds text \('x' in row 0\)"):
        as_data(read_table(path, exclude="b"))
    assert as_data(read_table(path, "a")).n_rows == 2


@pytest.mark.parametrize(
    "labels",
    [
        pd.interval_range(0, 2),
        pd.period_range("2020-01", periods=2, freq="M"),
        pd.Index([None, None], dtype=object),
    ],
    ids=["intervals", "periods", "nulls"],
)
def test_labels_of_any_kind(tmp_path, labels):
    pd.DataFrame({"a": [1.0, 2.0]}, index=labels).to_parquet(tmp_path / "t.parquet")
    data = as_data(read_table(tmp_path / "t.parquet"))
    assert data.features == ("a",)
    assert list(data.obs_id) == list(labels)


def test_intervals_and_nested_labels_are_refused_by_their_name(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1.0, 2.0], "b": pd.interval_range(0, 2)}).to_parquet(path)
    with pytest.raises(InputError, match="column 'b' holds Interval objects"):
        as_data(read_table(path))
    parquet.write_table(pa.table({"a": [1.0, 2.0], "l": [[1], [2]]}), path)
    with pytest.raises(InputError, match=r"the row labels of .*, column 'l', are nested values"):
        read_table(path, index="l")


# Pipes


def test_a_pipe_is_read(tmp_path):
    for name in ("pipe.csv", "pipe"):
        os.mkfifo(tmp_path / name)
        writer = threading.Thread(target=(tmp_path / name).write_text, args=("a,b\n1,2\n",))
        writer.start()
        np.testing.assert_array_equal(read_table(tmp_path / name), [[1, 2]])
        writer.join()


def test_other_things_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(InputError, match="is a pipe, and Parquet is not read from one"):
        read_table(tmp_path / "pipe.parquet")
    with pytest.raises(InputError, match=r"/dev/null is a device or socket, not a file"):
        read_table("/dev/null")
    with pytest.raises(InputError, match="there is no file nowhere"):
        read_table("nowhere.csv")


# The command line


ROWS = mx.datasets.faithful().to_numpy()[:40]


@pytest.mark.parametrize("name", ["t.csv", "-"])
def test_the_command_line_says_which_line_is_what(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    text = pd.DataFrame(ROWS).to_csv(index=False, header=False)
    (tmp_path / "t.csv").write_text(text)
    stdin = text if name == "-" else None
    code, out, err = run("predict", name, "-k", 2, stdin=stdin)
    assert (code, out) == (2, "")
    assert "holds numbers (3.6, 79.0) where column names should be; say --no-header if it is a row, " in err
    assert len(run("predict", name, "-k", 2, "--no-header", "-q", stdin=stdin)[1].splitlines()) == 41
    assert len(run("predict", name, "-k", 2, "--header", "-q", stdin=stdin)[1].splitlines()) == 40


def test_labels_go_through_to_the_table(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["a", "b"]).assign(who=[f"r{i}" for i in range(40)])
    frame.to_csv(tmp_path / "t.csv")
    code, out, err = run("predict", tmp_path / "t.csv", "-k", 2, "--index", "who", "-q")
    assert (code, err) == (0, "")
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == list(frame["who"])
    code, out, _ = run("predict", tmp_path / "t.csv", "-k", 2, "--exclude", "who", "-q")
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == [str(i) for i in range(40)]


@pytest.mark.parametrize("command", ["crosscheck", "select", "predict", "report"])
def test_every_command_that_reads_data_has_the_options(command):
    shown = run(command, "--help")[1]
    for each in ("--header", "--no-header", "--index"):
        assert each in shown
    for option in ("--header", "--no-header", "--id=a"):
        k = [] if command == "select" else ["-k", 2]
        code, _, err = run(command, "faithful", *k, option)
        assert code == 2
        assert f"{option.partition('=')[0]} does not go with the data set 'faithful'; leave it out" in err


def test_what_was_typed_can_be_typed_again(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "t.csv", index=False, header=False)
    typed = ["select", tmp_path / "t.csv", "--max-k", 1, "--no-header", "--save", tmp_path / "r.mix", "-q"]
    assert run(*typed)[0] == 0
    command = mx.saving.read_header(tmp_path / "r.mix").about["command"]
    assert "--no-header" in command.split()
    assert "False" not in command


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("name,é\n1,2\n3,4\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("name,é\n1,2\n3,4\n".encode("utf-16"), {}),
        ("name,é\n1,2\n3,4\n".encode("utf-16-be"), {"encoding": "utf-16-be"}),
        ("name,é\n1,2\n3,4\n".encode("utf-8-sig"), {"encoding": "utf-8"}),
        (b"sep=;\r\nname;\xc3\xa9\r\n1;2\r\n3;4\r\n", {}),
        (b"\xef\xbb\xbfsep=,\nname;\xc3\xa9\n1;2\n3;4\n", {"separator": ";"}),
    ],
)
def test_text_of_other_programs_is_read(tmp_path, content, options):
    (tmp_path / "t.csv").write_bytes(content)
    expected = pd.DataFrame({"name": [1, 3], "é": [2, 4]})
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv", **options), expected)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", "is not 'ascii' (line 2): name another encoding, or save it as UTF-8"),
        ("rot13", "encoding 'rot13' is not known here; it is a name such as cp1252"),
        ("windows", "encoding 'windows' is not known here; it is a name such as cp1252"),
        (1252, "encoding '1252' is not known here; it is a name such as cp1252"),
        ("", "encoding '' is not known here; it is a name such as cp1252"),
    ],
)
def test_encodings_that_do_not_fit_are_refused(encoding, words):
    with pytest.raises(InputError, match=re.escape(words)):
        read_stream(BytesIO(b"a,b\n1,\xe92\n"), "it", encoding=encoding)


@pytest.mark.parametrize(
    ("written", "read", "words"),
    [
        ("utf-8-sig", "cp1252", "it is marked as utf-8 by its first bytes: leave out encoding='cp1252'"),
        ("utf-16", "utf-32", "it is marked as utf-16 by its first bytes: leave out encoding='utf-32'"),
        ("utf-16-le", None, "line 1 has a NUL byte; say encoding='utf-16' ("),
        ("utf-16-be", None, "line 1 has a NUL byte; say encoding='utf-16-be' ("),
        ("utf-32-le", None, "line 1 has a NUL byte; say encoding='utf-32-le' ("),
        ("utf-32-be", None, "line 1 has a NUL byte; say encoding='utf-32-be' ("),
        ("utf-32-le", "utf-16", "it read with encoding='utf-16' has a NUL in line 1: name another encoding"),
    ],
)
def test_an_encoding_is_not_taken_for_another(written, read, words):
    with pytest.raises(InputError, match=re.escape(words)):
        read_stream(BytesIO("grö,b\n1,2\n3,4\n".encode(written)), "it", encoding=read)


def test_lines_are_counted_from_the_separator_line():
    with pytest.raises(InputError, match="line 4 of it"):
        read_stream(BytesIO(b"sep=;\na;b\n1;2\n1;2;3\n"), "it")
