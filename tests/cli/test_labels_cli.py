"""Known labels on the command line: a column of the data that is not fitted."""

import io

import numpy as np
import pandas as pd
import pytest
from command import run


@pytest.fixture
def table(tmp_path):
    """Two clusters with a few labels, numbered in reverse order."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=80)
    rows = pd.DataFrame({"a": 6.0 * z + rng.normal(size=80), "b": rng.normal(size=80)})
    rows["group"] = np.where(rng.random(80) < 0.2, 1 - z, np.nan)
    rows.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv", z


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
    assert "label is" in err


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


def test_a_saved_crosscheck_is_reported_with_its_labels_only(table, tmp_path):
    saved, short = tmp_path / "t.mix", ["--covariance", "spherical", "--prior", "none", "--seed", 1]
    code, _, err = run("crosscheck", table[0], "-k", 2, "--labels", "group", "--save", saved, *short)
    assert code in (0, 1), err
    rows = pd.read_csv(table[0])
    rows["group"] = 1 - rows["group"]
    rows.to_csv(tmp_path / "other.csv", index=False)
    page = tmp_path / "page.html"
    code, _, err = run("report", tmp_path / "other.csv", "--labels", "group", "--from", saved, "-o", page)
    assert code == 2
    assert "not the data that the result was saved with" in err
