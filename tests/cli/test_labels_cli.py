"""Known labels and weights on the command line: columns of the data that are not fitted."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from command import run

import mixtures as mx
from mixtures.cli.labels import as_numbers


@pytest.fixture
def table(tmp_path):
    """Two clusters with a few labels, numbered in reverse order."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=80)
    rows = pd.DataFrame({"a": 6.0 * z + rng.normal(size=80), "b": rng.normal(size=80)})
    rows["group"] = np.where(rng.random(80) < 0.2, 1 - z, np.nan)
    rows.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv", z


@pytest.fixture(scope="module")
def crosschecked(tmp_path_factory):
    """The rows with weights and labels that are texts, and the file of a crosscheck of them."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("crosschecked")
    z = rng.integers(2, size=80)
    rows = pd.DataFrame({"a": 6.0 * z + rng.normal(size=80), "b": rng.normal(size=80), "n": 1 + z})
    rows["group"] = np.where(rng.random(80) < 0.2, np.where(z == 1, "early", "late"), "?")
    rows.to_csv(folder / "t.csv", index=False)
    beside, short = ["--labels", "group", "--weights", "n"], ["--covariance", "spherical", "--prior", "none"]
    arguments = [folder / "t.csv", "-k", 2, *beside, *short, "--seed", 1, "--save", folder / "t.mix"]
    code, _, err = run("crosscheck", *arguments)
    assert code in (0, 1), err
    assert "note: labels: early is cluster 0, late 1\n" in err
    return folder / "t.csv", folder / "t.mix", beside


@pytest.mark.parametrize("chosen", [[], ["--columns", "a,b"], ["--columns", "a"]])
def test_predict_keeps_the_numbers_of_the_labels(table, chosen):
    file, z = table
    code, out, _ = run("predict", file, "-k", 2, "--labels", "group", "--seed", 1, *chosen)
    assert code == 0
    assert (pd.read_csv(io.StringIO(out))["label"] == 1 - z).mean() > 0.97


def test_select_fits_the_other_columns(table):
    code, out, _ = run("select", table[0], "--labels", "group", "--max-k", 3, "--seed", 1, "--json")
    assert code == 0
    assert '"recommended": 2' in out


def test_a_column_that_is_not_there(table):
    code, _, err = run("predict", table[0], "-k", 2, "--labels", "grup")
    assert code == 2
    assert "there is no column 'grup' (did you mean 'group'?)" in err


def test_labels_that_are_not_numbers_of_clusters(table):
    code, _, err = run("predict", table[0], "-k", 2, "--labels", "a", "--exclude", "group")
    assert code == 2
    assert "the label in --labels is" in err


def test_complete_fills_the_cells_of_labelled_rows_from_their_cluster(table):
    """Row 0 has nothing but its label; the label's column comes back as it was."""
    file, z = table
    rows = pd.read_csv(file)
    rows.loc[:1, ["a", "b"]] = np.nan
    rows.loc[:1, "group"] = [0, 1]
    rows.to_csv(file, index_label="who")
    how = ["--labels", "group", "--id", "who", "--seed", 1, "--missing", "integrate"]
    code, out, err = run("complete", file, "-k", 2, *how)
    assert code == 0, err
    found = pd.read_csv(io.StringIO(out))
    assert found.columns[0] == "who"
    expected = [rows["a"][2:][z[2:] == 1 - label].mean() for label in (0, 1)]
    np.testing.assert_allclose(found.loc[:1, "a"], expected, atol=0.5)
    pd.testing.assert_series_equal(found["group"], rows["group"], check_dtype=False)


def test_complete_gives_the_table_back_in_its_own_units(tmp_path):
    """All columns in their order, counts whole, amounts as amounts; what was not missing is as it was."""
    rng, file = np.random.default_rng(0), tmp_path / "t.csv"
    rows = pd.DataFrame({"note": ["a", "b"] * 30, "visits": rng.poisson(5, 60), "spare": [1, None] * 30})
    rows["yes"] = rng.choice(["no", "yes"], 60)
    rows["spend"] = np.exp(rng.normal(3, 1, 60)).round(2)
    rows.loc[3, ["spend", "yes"]] = None
    rows["spare"] = rows["spare"].astype("Int64")
    rows.to_csv(file, index=False)
    options = ["--exclude", "note,spare", "--log", "spend", "--recode", "--csv", tmp_path / "cells.csv"]
    kinds = ["--model", "mixed", "--kinds", "yes=bernoulli,visits=poisson"]
    code, out, err = run("complete", file, "-k", 1, *options, *kinds, "--quiet")
    assert (code, err) == (0, "")
    lines, was = out.splitlines(), file.read_text().splitlines()
    told = [line.replace("yes", "1").replace("no,", "0,") for line in was[1:]]
    assert (lines[0], lines[1:4], lines[5:]) == (was[0], told[:3], told[4:])
    mean = np.exp(np.log(rows["spend"]).mean())
    spend = float(lines[4].split(",")[-1])
    assert spend == pytest.approx(mean, rel=0.02)
    cells = pd.read_csv(tmp_path / "cells.csv").set_index("column").loc["spend"]
    assert cells["mean"] == spend
    assert cells["lower"] < spend / 4 < spend * 4 < cells["upper"]


def test_weights_count_rows_twice(table, tmp_path):
    """A row of weight 2 is two rows; the column of weights is not fitted, whatever --columns says."""
    rows = pd.read_csv(table[0])[["a", "b"]].assign(**{"how often": np.arange(80) % 3 + 1})
    rows.to_csv(tmp_path / "short.csv", index=False)
    rows.loc[rows.index.repeat(rows["how often"]), ["a", "b"]].to_csv(tmp_path / "long.csv", index=False)
    weighted = ["--weights", "how often", "--columns", "a,b"]
    found = []
    for name, options in (("long.csv", []), ("short.csv", weighted)):
        code, out, err = run("select", tmp_path / name, "--max-k", 2, "--prior", "none", "--json", *options)
        assert code == 0, err
        found.append(pd.DataFrame(json.loads(out)["table"])[["log_likelihood", "bic"]])
    np.testing.assert_allclose(*found, rtol=1e-8)


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("predict", ["--weights", "grup"], "--weights: there is no column 'grup' (did you mean 'group'?)"),
        ("select", ["--weights", "group", "--labels", "group"], "--labels and --weights both name 'group'"),
        ("inspect", ["--weights", "a", "--exclude", "b,group"], "there are none to fit"),
    ],
)
def test_columns_beside_the_rows_that_cannot_be_had(table, command, options, said):
    code, _, err = run(command, table[0], *options, *(["-k", 2] if command == "predict" else []))
    assert code == 2
    assert said in err


@pytest.mark.parametrize("column", ["group", "n"])
def test_a_saved_crosscheck_is_reported_with_its_labels_and_weights_only(crosschecked, tmp_path, column):
    file, saved, beside = crosschecked
    rows = pd.read_csv(file)
    other = {"early": "late", "late": "early"}
    rows[column] = rows[column].replace(other) if column == "group" else rows[column] + 1
    rows.to_csv(tmp_path / "other.csv", index=False)
    page = tmp_path / "page.html"
    code, _, err = run("report", tmp_path / "other.csv", *beside, "--from", saved, "-o", page)
    assert code == 2
    assert "not the data that the result was saved with" in err
    assert "pass the same rows, columns, --weights and --labels" in err


@pytest.mark.parametrize("typed", [[], ["--weights", "n"]])
def test_a_report_takes_the_labels_and_weights_of_the_fit(crosschecked, tmp_path, monkeypatch, typed):
    file, saved, _ = crosschecked
    taken = {}

    def report(*_, **given):
        taken.update(given)
        raise mx.InputError("far enough")

    monkeypatch.setattr("mixtures.reporting.report.report", report)
    _, _, err = run("report", file, "--from", saved, "-o", tmp_path / "page.html", *typed)
    assert f"as the saved result was fitted: --labels group{'' if typed else ', --weights n'}\n" in err
    rows = pd.read_csv(file)
    pd.testing.assert_series_equal(taken["weights"], rows["n"])
    numbers = rows["group"].map({"early": 0.0, "late": 1.0})
    pd.testing.assert_series_equal(taken["labels"], numbers, check_dtype=False)


def test_new_rows_have_the_names_that_labels_gave_the_clusters(crosschecked, tmp_path):
    """Texts of new rows are those of the fit, whichever of them are there and however they are renamed."""
    file, saved, _ = crosschecked
    assert mx.load(saved).names == ("early", "late")
    rows = pd.read_csv(file)[["a", "b"]].assign(group=["late", *[""] * 79])
    rows.to_csv(tmp_path / "new.csv", index=False)
    for names, expected in ([], "late"), (["--names", "A,B"], "B"):
        how = ["--from", saved, "--labels", "group", *names]
        code, out, err = run("predict", tmp_path / "new.csv", *how)
        assert (code, err) == (0, "")
        found = pd.read_csv(io.StringIO(out))
        assert found.loc[0, ["label", f"cluster_{expected}"]].tolist() == [expected, 1]


TEXTS = ["b", None, " Unknown ", "a", "?", "-1", ""]


@pytest.mark.parametrize(
    ("cells", "how", "numbers", "texts"),
    [
        (TEXTS, {}, [1, -1, -1, 0, -1, -1, -1], ("a", "b")),
        (TEXTS, {"names": ["b", "c", "a"]}, [0, -1, -1, 2, -1, -1, -1], ("b", "c", "a")),
        (TEXTS, {"names": ["x", "y", "z"]}, [1, -1, -1, 0, -1, -1, -1], ("a", "b")),
        (["b", None], {"k": None, "kept": [("a", "b"), None]}, [1, -1], ("a", "b")),
        (["0", "unknown", "2", "-1"], {}, [0, -1, 2, -1], ()),
        (pd.Categorical(["b", None, "a"], ["b", "a"]), {}, [1, -1, 0], ("a", "b")),
        (["a", "b", "c", "d"], {}, "4 different texts (a, b, c, d), a cluster each, and at most 3", ()),
        (["a", "1"], {}, "'kind' holds text ('a') and numbers (1)", ()),
        (TEXTS, {"names": ["c", "b", "d"]}, "'a' is not a cluster; these are c, b, d", ()),
        (TEXTS, {"names": ["A", "B", "C"]}, "'a' and 'A' differ in spelling alone", ()),
        (["Gent\u00f6o", "Gento\u0308o"], {}, "differ in spelling alone", ()),
        (["01", "1"], {}, "'kind' holds text ('01') and numbers (1)", ()),
        (["b", None], {"k": None, "names": ["b", "a"], "kept": [("a", "b"), None]}, [1, -1], ("a", "b")),
        (TEXTS, {"k": None}, "the clusters of the saved result have no names", ()),
        (["aa"], {"k": None, "kept": [("a", "b")]}, "'aa' (did you mean 'a'?) is not a cluster", ()),
    ],
)  # fmt: skip
def test_labels_may_be_texts(cells, how, numbers, texts):
    cells = pd.Series(cells, name="kind", index=["i"] * len(cells))
    given = {"k": 3, "names": None, **how}
    if isinstance(numbers, str):
        with pytest.raises(mx.InputError) as error:
            as_numbers(cells, **given)
        assert numbers in str(error.value)
        return
    found, its_texts = as_numbers(cells, **given)
    assert (found.fillna(-1).tolist(), its_texts) == (numbers, texts)


def test_clusters_have_their_texts_as_names(table, tmp_path):
    file, z = table
    rows = pd.read_csv(file)
    rows["group"] = rows["group"].map({0: "late", 1: "early"})
    rows.to_csv(file, index=False)
    fit = ["--labels", "group", "--seed", 1]
    code, out, err = run("predict", file, "-k", 3, *fit)
    assert code == 0
    assert "note: labels: early is cluster 0, late 1\n" in err
    found = pd.read_csv(io.StringIO(out))
    assert list(found.columns[3:]) == ["cluster_early", "cluster_late", "cluster_2"]  # not cluster_cluster 2
    assert set(found["label"]) == {"early", "late", "cluster 2"}
    saved = tmp_path / "k.mix"
    assert run("select", file, "--min-k", 2, "--max-k", 2, *fit, "--save", saved, "-q")[0] == 0
    code, out, err = run("predict", file, "--from", saved)
    assert "columns that were not fitted are left out: group" in err
    assert (pd.read_csv(io.StringIO(out))["label"] == np.where(z == 1, "late", "early")).mean() > 0.97
    code, _, err = run("select", file, "--max-k", 1, "--labels", "group")
    assert (code, "holds 2 different texts (early, late), a cluster each, and at most 1" in err) == (2, True)
