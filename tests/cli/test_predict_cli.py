"""The command line's predict, datasets and --save: what it prints, writes and refuses."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from command import run

import mixtures as mx
from mixtures.saving import content_hash
from mixtures.saving.save import read_header
from mixtures.saving.spreadsheets import as_csv, spreadsheet_safe

FAITHFUL = mx.datasets.faithful()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A crosscheck saved by the command line, and what it prints."""
    path = tmp_path_factory.mktemp("saved") / "faithful.mix"
    short = ["--n-init", "2", "--draws", "100", "--tune", "100", "--chains", "2", "--seed", "1", "--quiet"]
    code, out, _ = run("crosscheck", "faithful", "-k", 2, *short, "--save", path)
    assert code == 0
    assert "The certificate holds" in out
    return path


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    """EM's fit of the same."""
    path = tmp_path_factory.mktemp("saved") / "em.mix"
    mx.save(mx.fit_em(mx.GMM(2), FAITHFUL, random_seed=1), path)
    return path


def table(text):
    return pd.read_csv(StringIO(text), index_col="row")


def test_saved_by_the_command_line(saved):
    cc = mx.load(saved)
    assert cc.passed
    header = read_header(saved)
    typed = (
        "mixtures crosscheck faithful --components 2 --n-init 2 --draws 100 --tune 100 --chains 2 --seed 1"
    )
    assert header.about == {"data": "faithful", "seed": "1", "command": f"{typed} --save {saved} --quiet"}
    assert header.content_hash == content_hash(FAITHFUL)


def test_rows_are_assigned_from_a_saved_sample(saved, tmp_path):
    code, out, err = run("predict", "faithful", "--from", saved)
    assert (code, err) == (0, "")
    printed = table(out)
    cc = mx.load(saved)
    expected = mx.responsibilities(cc.em.spec, FAITHFUL, cc.posterior)
    for k in range(2):
        for name, ending in (("responsibilities", ""), ("lower", "_lower"), ("upper", "_upper")):
            np.testing.assert_allclose(
                printed[f"cluster_{k}{ending}"], expected[name].values[:, k], rtol=1e-14
            )
    np.testing.assert_array_equal(printed["label"], expected["label"])
    assert list(printed.index) == list(range(272))
    for suffix, read in ((".csv", lambda p: pd.read_csv(p, index_col="row")), (".parquet", pd.read_parquet)):
        out_path = tmp_path / f"out{suffix}"
        code, out, err = run("predict", "faithful", "--from", saved, "-o", out_path)
        assert (code, out.strip(), err) == (0, f"272 rows written to {out_path}", "")
        pd.testing.assert_frame_equal(read(out_path), printed)
    assert run("predict", "faithful", "--from", saved, "-o", tmp_path / "x.pq", "--quiet")[:2] == (0, "")


def test_options_of_a_fit_beside_a_saved_result_are_told(point):
    options = ("--model", "bmm", "--n-init", 3)
    code, out, err = run("predict", "faithful", "--from", point, *options)
    assert (code, out) == (0, run("predict", "faithful", "--from", point, *options, "--quiet")[1])
    assert err == "note: --model, --n-init change nothing: the saved result is fitted already\n"


def test_a_point_has_no_intervals(point):
    code, out, _ = run("predict", "faithful", "--from", point, "--json")
    rows = json.loads(out)
    assert code == 0
    assert rows[0].keys() == {"row", "label", "label_probability", "cluster_0", "cluster_1"}
    assert rows[3]["cluster_0"] + rows[3]["cluster_1"] == pytest.approx(1)


def test_columns_go_by_name(point):
    """Order does not count, others are left out and named, and a slip is met with a suggestion."""
    shuffled = FAITHFUL[["waiting"]].assign(id=1, eruptions=FAITHFUL["eruptions"])
    expected = run("predict", "faithful", "--from", point)[1]
    code, out, err = run("predict", "-", "--from", point, stdin=shuffled.to_csv(index=False))
    assert (code, out) == (0, expected)
    assert err == "note: columns that were not fitted are left out: id\n"
    assert run("predict", "-", "--from", point, "-q", stdin=shuffled.to_csv(index=False)) == (0, expected, "")
    slip = FAITHFUL.rename(columns={"waiting": "wating"})
    code, out, err = run("predict", "-", "--from", point, stdin=slip.to_csv(index=False))
    assert (code, out) == (2, "")
    assert "no column 'waiting' (did you mean 'wating'?)" in err
    code, _, err = run("predict", "faithful", "--from", point, "--exclude", "waiting")
    assert code == 2
    assert "no column 'waiting'" in err


def test_a_fit_on_the_fly(point):
    code, out, _ = run("predict", "faithful", "-k", 2, "--seed", 1, "--quiet")
    assert code == 0
    assert out == run("predict", "faithful", "--from", point)[1]
    code, out, _ = run("predict", "coins", "--model", "bmm", "-k", 2, "--seed", 1, "--quiet")
    assert code == 0
    assert len(table(out)) == 300


def test_samples_say_what_they_are_of(saved, tmp_path):
    """A posterior alone, without the result around it, is enough."""
    mx.save(mx.load(saved).posterior, tmp_path / "tree.mix")
    assert (
        run("predict", "faithful", "--from", tmp_path / "tree.mix")[1]
        == run("predict", "faithful", "--from", saved)[1]
    )
    mx.save(mx.load(saved).mode, tmp_path / "map.mix")
    code, out, _ = run("predict", "faithful", "--from", tmp_path / "map.mix")
    assert code == 0
    assert "cluster_0_lower" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("faithful", ["--from FILE", "-k K"]),
        ("faithful -k 2 --from point.mix", ["--from FILE", "-k K"]),
        ("faithful --from nowhere.mix", ["there is no file nowhere.mix"]),
        ("faithful --from text.mix", ["text.mix is not a file that mixtures.save wrote"]),
        ("faithful --from tree.mix", ["the sample is not of a mixture known here", "theta"]),
        ("iris --from point.mix", ["no column 'eruptions'", "eruptions, waiting"]),
        ("faithful -k 2 -o out.xlsx", ["out.xlsx", ".csv, .parquet, .pq"]),
        ("faithful -k 2 -o nowhere/out.csv", ["-o: there is no folder 'nowhere'"]),
        ("faithful -k 2 --ci-prob 2", ["--ci-prob must lie between 0 and 1"]),
        ("faithful -k 2 --seed -1", ["--seed must not be negative"]),
        ("- -k 2", ["standard input is empty"]),
    ],
)
def test_bad_input_exits_with_2(point, tmp_path, monkeypatch, arguments, words):
    (tmp_path / "point.mix").write_bytes(point.read_bytes())
    (tmp_path / "text.mix").write_text("hello")
    tree = mx.load(point).to_datatree()
    mx.save(
        tree.map_over_datasets(lambda ds: ds[["mu"]].rename(mu="theta") if ds else ds), tmp_path / "tree.mix"
    )
    monkeypatch.chdir(tmp_path)
    code, out, err = run("predict", *arguments.split(), stdin="")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_nothing_is_computed_for_a_file_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *_, **__: pytest.fail("computed"))
    code, _, err = run("crosscheck", "faithful", "-k", 2, "--save", "nowhere/x.mix")
    assert (code, err) == (2, "error: --save: there is no folder 'nowhere'\n")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    code, _, err = run("crosscheck", "faithful", "-k", 2, "--save", "x.mix")
    assert code == 2
    assert "pip install 'pymc-mixtures[io]'" in err


# Data sets


def test_data_sets_are_listed_with_their_sources():
    code, out, _ = run("datasets")
    assert code == 0
    for name in mx.datasets.NAMES:
        assert name in out
    assert "272" in out
    assert "Azzalini" in out
    listed = json.loads(run("datasets", "--json")[1])
    assert [each["name"] for each in listed] == list(mx.datasets.NAMES)
    for each in listed:
        assert (each["n_rows"], each["n_columns"]) == mx.datasets.load(each["name"]).shape
        assert each["summary"].endswith(".")
        assert each["source"].endswith(".")


@pytest.mark.parametrize("name", mx.datasets.NAMES)
def test_a_data_set_is_printed_and_read_again(name, tmp_path):
    code, out, _ = run("datasets", name)
    assert code == 0
    (tmp_path / "again.csv").write_text(out)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again.csv"), mx.datasets.load(name))
    assert len(json.loads(run("datasets", name, "--json")[1])) == len(mx.datasets.load(name))


def test_an_unknown_data_set_is_refused():
    code, out, err = run("datasets", "faithfull")
    assert (code, out) == (2, "")
    assert "did you mean 'faithful'?" in err


# Tables that a spreadsheet opens


def test_formulas_are_shown_and_not_run():
    frame = pd.DataFrame(
        {"=1+1": [1.0, -2.0], "text": ["@SUM(A1)", "-3"], "plain": ["a", "\tb"]}, index=["+cmd|'/C'!A0", "x"]
    )
    frame.index.name = "-row"
    safe = spreadsheet_safe(frame)
    assert list(safe.columns) == ["'=1+1", "text", "plain"]
    assert list(safe.index) == ["'+cmd|'/C'!A0", "x"]
    assert safe.index.name == "'-row"
    assert list(safe["'=1+1"]) == [1.0, -2.0]
    assert list(safe["text"]) == ["'@SUM(A1)", "-3"]
    assert list(safe["plain"]) == ["a", "'\tb"]
    assert frame.columns[0] == "=1+1"  # left as it was


@pytest.mark.parametrize(
    "text",
    [
        "\n=1+1",
        "\r\n=1",
        "  =1+1",
        "\xa0@x",
        "\ufeff=1",
        "\u200b\u202e+x",
        "＝1+1",
        "＠x",
        "＋x",
        "－x",
        "\n",
    ],
)
def test_what_is_not_seen_before_a_formula_does_not_hide_it(text):
    """A line feed, white space, marks of no width; and the wide signs of East Asian keyboards."""
    frame = pd.DataFrame({text: [text]}, index=pd.Index([text], name=text))
    safe = spreadsheet_safe(frame)
    assert [*safe.columns, *safe.index, safe.index.name, *safe.iloc[0]] == [f"'{text}"] * 4
    again = pd.read_csv(StringIO(as_csv(frame)), index_col=0)
    assert again.index[0].startswith("'")


@pytest.mark.parametrize("text", ["a = b", "a-b", "", " ", "温度", "3;4", "a; b"])
def test_other_text_stays(text):
    frame = pd.DataFrame({"x": [text]}, index=[text])
    pd.testing.assert_frame_equal(spreadsheet_safe(frame), frame)
    assert '"' not in as_csv(frame) or text == ""


@pytest.mark.parametrize("text", ["x;=1+1", "x;\t @SUM(A1)", "x\t=1", "x|-1+1"])
def test_a_formula_behind_another_separator_is_held_by_quotation_marks(text):
    """Where spreadsheets take semicolons for commas, it would have a cell of its own."""
    frame = pd.DataFrame({"x": [1.5]}, index=[text])
    assert f'"{text}",1.5' in as_csv(frame)
