"""Names, files and fields that somebody made to do harm, to the terminal, to memory or to a parser."""

import io
import re
import tracemalloc
import warnings
from decimal import Decimal
from pathlib import Path
from unicodedata import category

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from command import run
from pyarrow import parquet
from rich.console import Console

import mixtures as mx
from mixtures.cli import predict
from mixtures.cli.text import plain
from mixtures.data import files
from mixtures.data.files import read_table
from mixtures.data.reading import as_data
from mixtures.errors import InputError
from mixtures.families.covariance import COVARIANCES
from mixtures.messages import LONGEST_TEXT, did_you_mean, named, shortened, visible

X = mx.datasets.faithful().to_numpy()[:60]
FAST = ("-k", 1, "--n-init", 1, "--seed", 1)
STEERING = "\x1b[31m\x1b]0;owned\x07", "a\rb", "a\nb", "\x9b2J", "abc\u202etxt.exe", "\u2028x", "\x7f\b\b"
MARKUP = (
    "[bold]x[/]",
    "[/]",
    "[link=file:///etc]x",
    "a\\",
    "\\[red]x",
    ":smile:",
    "$\\frac{$",
    "<script>",
)
NAMES = (*STEERING, *MARKUP, "=1+1", "x" * 100_000, "", " ", "'", '"', "|", "%s", "{0}", "../../x", "é")


POOL = pa.proxy_memory_pool(pa.default_memory_pool())
"""Counts what pyarrow holds; it must outlive that."""


def assert_harmless(text):
    """Text without control characters, and of limited length."""
    assert not {c for c in text if c != "\n" and category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert len(text) < 20_000


def hostile_parquet(path, name, rows=X):
    """Parquet takes any name; CSV and frames do not."""
    parquet.write_table(pa.table([rows[:, 0], rows[:, 1]], names=[name, "waiting"]), path)
    return path


# What is printed


@pytest.mark.parametrize("text", NAMES)
def test_text_is_printed_as_it_is_and_steers_nothing(text, capsys):
    Console(width=10_000, emoji=False, highlight=False).print(f"[bold]{plain(text)}[/]|", soft_wrap=True)
    printed = capsys.readouterr().out
    assert_harmless(printed)
    assert printed == f"{visible(text)}|\n"
    if text.isprintable() and len(text) < LONGEST_TEXT:
        assert printed == f"{text}|\n"


def test_joiners_of_scripts_stay():
    assert visible("क्\u200dष") == "क्\u200dष"
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("name", NAMES)
def test_names_in_messages_are_short_and_on_one_line(name):
    for words in (named(name), shortened([name] * 50), did_you_mean(name, [name + "x"] * 5000)):
        assert_harmless(words)
        assert "\n" not in words
        assert len(words) < 20 * 600
    with pytest.raises(InputError) as caught:
        as_data(pd.DataFrame({name: [1.0, np.nan]}))
    assert_harmless(str(caught.value))


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_hostile_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    constant = np.ones_like(X)
    broken = np.where(np.arange(60)[:, None] == 3, np.nan, X)
    for rows in (constant, broken):
        hostile_parquet("bad.parquet", name, rows)
        for command in ("crosscheck", "predict", "select"):
            code, out, err = run(command, "bad.parquet", *([] if command == "select" else ["-k", 2]))
            assert (code, out) == (2, "")
            assert err.count("\n") == 1
            assert_harmless(err)
    hostile_parquet("good.parquet", name)
    assert run("predict", "good.parquet", *FAST, "-q", "-o", "out.csv") == (0, "", "")
    code, out, err = run("crosscheck", "good.parquet", "-k", 2, "--columns", "nowhere")
    assert code == 2
    assert "there is no column 'nowhere'" in err
    assert_harmless(err)


@pytest.mark.parametrize("name", [n for n in NAMES if 0 < len(n) < 200 and "/" not in n])
def test_files_of_hostile_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path(f"{name}.csv")
    code, out, err = run("crosscheck", path, "-k", 2)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert_harmless(err)
    for content in ("", "a,b\n1,2,3\n", "a,b\n1,x\n"):
        path.write_text(content)
        for command in (["crosscheck", path, "-k", 2], ["predict", "faithful", "--from", path]):
            code, out, err = run(*command)
            assert (code, out) == (2, "")
            assert err.count("\n") == 1
            assert_harmless(err)
    code, out, err = run("predict", "faithful", *FAST, "-o", path)
    assert code == 0
    assert_harmless(out)


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".csv", "a/" * 3000 + "b.csv", "no\udcff.csv", "no\udcffsuffix"]
)
def test_files_of_impossible_names(name, tmp_path):
    for command in (["crosscheck", name, "-k", 2], ["predict", "faithful", "--from", name]):
        code, _, err = run(*command)
        assert code == 2
        assert_harmless(err)
    code, _, err = run("predict", "faithful", *FAST, "-q", "-o", tmp_path / name)
    assert code == (0 if name == "no\udcff.csv" else 2)
    assert_harmless(err)


def test_a_crosscheck_of_hostile_names(tmp_path, monkeypatch):
    """From the file to the table, the saved result and back."""
    monkeypatch.chdir(tmp_path)
    hostile_parquet("bad.parquet", "\x1b[31m[bold]\n=:smile:\\")
    options = ["--draws", 100, "--tune", 100, "--chains", 2, "--n-init", 1, "--seed", 1, "--quiet"]
    options += ["--covariance", "spherical"]
    code, out, err = run("crosscheck", "bad.parquet", "-k", 1, *options, "--csv", "t.csv", "--save", "r.mix")
    assert (code, err) == (0, "")
    assert_harmless(out)
    assert r"mu[0, \x1b[31m[bold]\n=:smile:\]" in "".join(line.split("  ")[0] for line in out.splitlines())
    assert "mu[0, \x1b[31m[bold]\n=:smile:\\]" in list(pd.read_csv("t.csv")["parameter"])
    with_other = pd.read_parquet("bad.parquet").assign(**{"\x1b[2J": 1.0})
    with_other.to_parquet("new.parquet")
    code, out, err = run("predict", "new.parquet", "--from", "r.mix", "-o", "out.csv")
    assert code == 0
    assert err == "note: columns that were not fitted are left out: \\x1b[2J\n"
    assert_harmless(out)


def test_labels_of_rows_do_not_steer_a_terminal(tmp_path, monkeypatch):
    """In a file they are as they were; on a screen they are spelt out."""
    labelled = pd.DataFrame(X, columns=["a", "b"], index=[f"\x1b[2J{i}" for i in range(60)])
    labelled.to_parquet(tmp_path / "l.parquet")
    command = ["predict", tmp_path / "l.parquet", "-k", 2, "--seed", 1, "-q"]
    assert "\x1b[2J0" in run(*command)[1]
    monkeypatch.setattr(predict, "is_terminal", lambda: True)
    out = run(*command)[1]
    assert "\\x1b[2J0" in out
    assert_harmless(out)
    assert len(out.splitlines()) == 61


@pytest.mark.parametrize("listed", ["a\nb", '"' + "x" * 200_000 + '"', "\x1b[2J", '"', "", ",", "\0"])
def test_lists_of_columns_that_are_none(listed):
    for option in ("--columns", "--exclude"):
        code, out, err = run("crosscheck", "faithful", "-k", 2, option, listed, "--draws", 0)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert_harmless(err)


# Fields and files of great size


def test_giant_fields(tmp_path):
    giant = "9" * 5_000_000
    for name, content in {
        "cell.csv": f"a,b\n1,{giant}\n2,3\n",
        "word.csv": f"a,b\n1,{'x' * 5_000_000}\n2,3\n",
        "name.csv": f"{giant}x,b\n1,two\n2,3\n",
        "quoted.csv": f'a,b\n1,"{giant}\n2,3\n',
        "line.csv": f"a,b\n1,{'2,' * 1_000_000}\n2,3\n",
    }.items():
        (tmp_path / name).write_text(content)
        code, out, err = run("crosscheck", tmp_path / name, "-k", 2)
        assert (code, out) == (2, "")
        assert len(err) < 1000
        assert_harmless(err)


def test_a_million_columns_are_refused_before_pandas_meets_them(tmp_path, monkeypatch):
    monkeypatch.setattr(pd, "read_csv", lambda *_, **__: pytest.fail("read"))
    for name, content in {
        "w.csv": b"a" + b",a" * 10**6,
        "w.txt": b"a " * 10**6,
        "w.tsv": b"a\ta" * 10**6,
    }.items():
        (tmp_path / name).write_bytes(content + b"\n1,2\n")
        with pytest.raises(InputError, match="columns; 100000 are the most"):
            read_table(tmp_path / name)


def traced(f):
    """Bytes that Python and NumPy held at once while a function ran."""
    tracemalloc.start()
    f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("structure", COVARIANCES)
def test_more_columns_than_a_covariance_has_room_for(structure):
    """One matrix of so many columns would be most of a gigabyte."""
    wide = np.random.default_rng(0).normal(size=(3, 10_000))
    spec = mx.GMM(2, covariance_type=structure)

    def refused():
        with pytest.raises(
            InputError, match=r"columns 'x0', 'x1',.* and 9990 more are linearly dependent"
        ) as e:
            mx.resolve(spec, wide)
        assert len(str(e.value)) < 500

    covary = structure in ("full", "tied")
    assert traced(refused if covary else lambda: mx.resolve(spec, wide)) < 5e7


class Counted(str):
    """A name that counts how often one is held against another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


def test_columns_are_chosen_in_no_square_of_their_number(tmp_path):
    names = [f"c{j}" for j in range(5_000)]
    parquet.write_table(pa.table([np.arange(3.0)] * len(names), names=names), tmp_path / "w.parquet")
    assert read_table(tmp_path / "w.parquet", exclude=["c0"]).shape == (3, 4_999)
    available, columns, exclude = ([Counted(name) for name in names] for _ in range(3))
    assert files.choose_columns(available, columns, exclude[1:]) == ["c0"]
    assert 0 < Counted.compared < 20 * len(names)


@pytest.mark.parametrize("name", ["t.csv", "-"])
def test_text_beyond_the_most_that_is_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "LARGEST_TABLE", 100)
    content = "a,b\n" + "1,2\n" * 100
    Path("t.csv").write_text(content)
    code, _, err = run("crosscheck", name, "-k", 2, stdin=content)
    assert code == 2
    assert "has more than 100 bytes, the most that are read at once" in err


def test_memory_that_is_not_there_is_said_in_a_line(monkeypatch):
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *_, **__: np.empty((10**9, 10**9)))
    code, out, err = run("crosscheck", "faithful", "-k", 2)
    assert (code, out) == (2, "")
    assert err.startswith("error: not enough memory (Unable to allocate")
    assert err.count("\n") == 1


# Parquet


def test_columns_that_pyarrow_reads_along_count_too(tmp_path, monkeypatch):
    """Asked for ``a`` it reads ``a.b`` as well."""
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": np.arange(9.0), "a.b": ["x" * 100 + str(i) for i in range(9)]}), path)
    assert list(read_table(path, "a").columns) == ["a"]
    monkeypatch.setattr(files, "LARGEST_TABLE", 500)
    with pytest.raises(InputError, match="holds 9 rows of 2 columns"):
        read_table(path, "a")


def test_two_columns_of_one_name_in_parquet(tmp_path):
    table = pa.table([np.arange(3.0), np.arange(3.0)], names=["a", "a"])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'a' is in .* more than once"):
        read_table(tmp_path / "t.parquet")


def unread(monkeypatch):
    monkeypatch.setattr(parquet.ParquetFile, "read", lambda *_, **__: pytest.fail("read"))


def test_rows_that_take_no_room_in_the_file(tmp_path, monkeypatch):
    """Any number of equal values takes a few bytes in the file."""
    schema = pa.schema({"a": pa.float64(), "b": pa.float64()})
    block = pa.record_batch([np.ones(2**20), np.zeros(2**20)], schema=schema)
    with parquet.ParquetWriter(tmp_path / "bomb.parquet", schema) as writer:
        for _ in range(40):
            writer.write_batch(block)
    assert (tmp_path / "bomb.parquet").stat().st_size < 500_000
    monkeypatch.setattr(files, "LARGEST_TABLE", 2**29)
    unread(monkeypatch)
    code, _, err = run("crosscheck", tmp_path / "bomb.parquet", "-k", 2)
    assert code == 2
    assert "holds 41,943,040 rows of 2 columns, 671088640 bytes of them; 536870912 are the most" in err
    assert "--columns" in err


def test_columns_that_are_not_asked_for_do_not_count(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    numbers, decimals = np.arange(1000.0), [Decimal(1)] * 1000
    table = pa.table({"a": numbers, "b": [[1, 2]] * 1000, "c.d": numbers, "e": decimals})
    parquet.write_table(table, path)
    monkeypatch.setattr(files, "LARGEST_TABLE", 100_000)
    assert list(read_table(path, exclude=["b", "e"]).columns) == ["a", "c.d"]
    assert list(read_table(path, ["c.d"]).columns) == ["c.d"]
    with pytest.raises(InputError, match="nested values"):
        read_table(path)
    with pytest.raises(InputError, match="holds 1,000 rows of 3 columns"):  # objects of Python's
        read_table(path, exclude="b")


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_pages_that_swell(tmp_path, monkeypatch, compression):
    path = tmp_path / "t.parquet"
    texts = pa.array(["x" * 1000 + str(i) for i in range(2000)])
    parquet.write_table(pa.table({"a": texts}), path, compression=compression, use_dictionary=False)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(files, "LARGEST_TABLE", 10**6)
    unread(monkeypatch)
    with pytest.raises(InputError, match="holds 2,000 rows of 1 column,"):
        read_table(path)


@pytest.mark.parametrize(("as_index", "store_schema"), [(False, False), (False, True), (True, True)])
def test_a_long_text_that_every_row_points_to(tmp_path, as_index, store_schema, monkeypatch):
    """What two thousand rows share, 400 MB in all, stays what it is once."""
    path = tmp_path / "t.parquet"
    column = pa.DictionaryArray.from_arrays(np.zeros(2000, dtype=np.int32), ["x" * 200_000])
    table = pa.table({"label": column, "a": np.arange(2000.0)})
    if as_index:
        described = pd.DataFrame({"a": [1.0]}, index=pd.Index(["p"], name="label"))
        table = table.replace_schema_metadata(pa.Table.from_pandas(described).schema.metadata)
    parquet.write_table(table, path, store_schema=store_schema)
    assert path.stat().st_size < 500_000
    monkeypatch.setattr(files, "LARGEST_TABLE", 2**28)
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    try:
        read = read_table(path)
    finally:
        pa.set_memory_pool(before)
    assert POOL.max_memory() < 2e7
    assert len(read) == 2000
    if as_index:
        assert as_data(read).features == ("a",)
        return
    with pytest.raises(InputError) as caught:
        as_data(read)
    assert "column 'label' holds text ('xxxx" in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "described",
    [
        b"{" * 100_000,
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        b'{"index_columns": 3}',
        b'{"index_columns": ["nowhere"], "columns": []}',
        b'{"index_columns": {"a": 1}, "columns": [{"name": "b", "field_name": "a"}]}',
        b'{"index_columns": ["__index_level_0__"], "columns": [{"name": "a", "field_name": "b"}]}',
        b'{"index_columns": [], "column_indexes": [{"pandas_type": "datetimetz", "numpy_type": "object"}]}',
        b'{"index_columns": [{"kind": "range", "start": 0, "stop": 1000000000000, "step": 1, "name": null}],'
        b' "columns": []}',
        b'{"index_columns": ["a", "a"], "columns": [{"name": "a", "numpy_type": "O!", "metadata": {}}]}',
        b"\xff\xfe",
    ],
    ids=lambda described: described[:40].decode(errors="replace"),
)
def test_what_pandas_says_beside_the_schema(tmp_path, described):
    path = tmp_path / "t.parquet"
    table = pa.table({"a": X[:, 0], "b": X[:, 1]}).replace_schema_metadata({b"pandas": described})
    parquet.write_table(table, path)
    try:
        read = read_table(path)
    except InputError as error:
        assert_harmless(str(error))
    else:
        np.testing.assert_array_equal(read[["b"]].to_numpy()[:, 0], X[:, 1])
        assert len(read) == len(X)


# Pictures


@pytest.mark.parametrize(
    "names",
    [["$\\frac{$", "x" * 5000], ["price ($) or cost ($)", "\x1b[2J\n\x07\u202e"], ["a\\$", "<b>&-->"]],
    ids=lambda names: ascii(names[0]),
)
def test_names_are_no_formulas_in_pictures(names):
    frame = pd.DataFrame(X, columns=names)
    em = mx.fit_em(mx.GMM(2), frame, n_init=1, random_seed=1)
    tree = em.to_datatree()
    binary = pd.DataFrame(X.mean(axis=0) < X, columns=frame.columns)
    bmm = mx.fit_em(mx.BMM(2), binary, n_init=1, random_seed=1)
    one = frame[names[:1]]
    em_one = mx.fit_em(mx.GMM(2), one, n_init=1, random_seed=1)
    limits, over = ((1, 5), (50, 90)), tuple(f"mu[0, {name}]" for name in names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        for draw in (
            lambda: mx.plot.scatter(frame),
            lambda: mx.plot.clusters(em.spec, frame, em.params),
            lambda: mx.plot.clusters(em_one.spec, one, em_one.params),
            lambda: mx.plot.responsibilities(em.spec, frame, em.params),
            lambda: mx.plot.heatmap(bmm.to_datatree()),
            lambda: mx.plot.predictive_density(em.spec, frame, tree, random_seed=1),
            lambda: mx.plot.predictive_scatter(em.spec, frame, tree, random_seed=1),
            lambda: mx.plot.predictive_statistic(em.spec, frame, tree, random_seed=1),
            lambda: mx.plot.predictive_pairs(em.spec, frame, tree, random_seed=1),
            lambda: mx.plot.surface(em.spec, frame, em.params, over=over, limits=limits, n_grid=3),
            lambda: mx.plot.forest(em, None, tree, standardise=False),
        ):
            draw()
            for number in plt.get_fignums():
                svg = io.StringIO()
                plt.figure(number).savefig(svg, format="svg")
                assert "-->" not in re.sub(r"<!--.*?-->", "", svg.getvalue(), flags=re.DOTALL)
                assert not {c for c in svg.getvalue() if category(c) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}
                assert len(svg.getvalue()) < 1e6
            plt.close("all")
