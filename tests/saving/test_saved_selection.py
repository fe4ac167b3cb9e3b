"""A saved comparison of numbers of clusters comes back the same, or is refused where its parts disagree."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import every_spec, make_rows
from test_saving import at, members, pack, refused, round_trip, same, without

import mixtures as mx
from mixtures.given import given
from mixtures.saving.save import read_header

FAITHFUL = mx.datasets.faithful()
SHORT = {"draws": 200, "tune": 200, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def selection():
    return mx.select(mx.GMM(1), FAITHFUL, range(1, 4), **SHORT)


@pytest.fixture(scope="module")
def sampled():
    return mx.select(mx.GMM(1), FAITHFUL, (1, 2), criteria="all", **SHORT)


@pytest.fixture(scope="module")
def document(selection, tmp_path_factory):
    """The selection as JSON."""
    path = tmp_path_factory.mktemp("saved") / "selection.mix"
    mx.save(selection, path)
    return json.loads(members(path)["result.json"])


@every_spec
def test_a_selection_of_every_model(spec, tmp_path):
    X, _ = make_rows(spec)
    found = mx.select(spec, pd.DataFrame(X, columns=["größe", "=1+1"]), (1, 2), **SHORT)
    again = round_trip(found, tmp_path)
    assert same(again, found)
    pd.testing.assert_frame_equal(again.table, found.table, check_exact=True)
    assert list(again.fits) == list(found.fits) == [1, 2]


def test_samples_come_along(sampled, tmp_path):
    again = round_trip(sampled, tmp_path, X=FAITHFUL)
    assert same(again, sampled)
    assert list(again.samples) == [1, 2]
    assert "log_likelihood" in again.samples[2].children
    assert read_header(tmp_path / "result.mix").kind == "Selection"


def test_clusters_that_could_not_be_fitted(tmp_path):
    """Missing counts stay missing."""
    few = mx.select(mx.GMM(1, prior=None), FAITHFUL.iloc[:5], (1, 7), **SHORT)
    assert list(few.fits) == [1]
    assert few.table["n_parameters"].isna().tolist() == [False, True]
    again = round_trip(few, tmp_path)
    pd.testing.assert_frame_equal(again.table, few.table, check_exact=True)
    assert same(again, few)
    none = mx.select(mx.GMM(1), FAITHFUL.iloc[:3], (4, 5), **SHORT)
    assert none.recommended is None
    assert same(round_trip(none, tmp_path), none)
    with pytest.raises(mx.InputError, match="no clusters to assign rows to: no number of clusters could be"):
        given(none)


def test_rows_are_assigned_by_what_is_recommended(selection, sampled):
    assert given(selection).spec == selection.fits[2].spec
    assert given(selection).params["mu"] is selection.fits[2].params["mu"]
    assert given(sampled).params is sampled.samples[sampled.recommended]


TABLE = ["result", "table"]
COUNTS = [*TABLE, "values", 1]
FIRST = ["result", "fits", "1"]


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (["header", "kind"], "EMFit", "result lacks"),
        (["result"], without("rule"), "result lacks rule"),
        (["result", "criteria"], ["aic", "bic"], "result.table has columns"),
        (["result", "criteria"], ["bic", "aic", "icl"], "result.criteria has ('bic', 'aic', 'icl')"),
        (["result", "criteria", 0], "dic", "result.criteria has"),
        (["result", "criteria", 0], 1, "result.criteria[0] is int, not str"),
        (["result", "best"], {"aic": 1, "bic": 2, "icl": 2}, "result.best is"),
        (["result", "best"], {}, "result.best is {}"),
        (["result", "recommended"], 7, "result.recommended is 7, of which there is no fit"),
        (["result", "recommended"], None, "result.recommended is None"),
        (["result", "recommended"], "2", "result.recommended is str, not int"),
        (["result", "notes"], "x", "result.notes is str, not list"),
        (["result", "notes_by_k", "2"], ["x"], "result.notes_by_k.2 are not the notes that the table has"),
        (["result", "fits"], lambda fits: {"01": fits["1"], **fits}, "a key that is not written as int is"),
        (["result", "fits"], lambda fits: {"one": fits["1"]}, "result.fits has a key that is not int"),
        (["result", "fits"], lambda fits: {**fits, "9": fits["1"]}, "result.fits.9 is not the fit"),
        (["result", "fits"], lambda fits: {**fits, "1": fits["2"]}, "result.fits.1 is not the fit"),
        ([*FIRST, "log_likelihood"], -1.0, "result.fits.1 is not the fit that the table has for K = 1"),
        ([*FIRST, "params", "mu", "shape"], [2, 1], "result.fits.1.params has shapes"),
        ([*FIRST, "features"], ["a", "b"], "result.fits.1 is of other features than its spec"),
        (["result", "samples"], {"2": "samples/0.nc"}, "names the sample 'samples/0.nc', which is not in"),
        ([*TABLE, "values"], lambda values: values[:-1], "columns of other lengths"),
        ([*TABLE, "columns", "levels", 0, "values", 0], "x", "result.table has columns ['x'"),
        ([*TABLE, "index", "names", 0], "k", "one row for each number of clusters"),
        ([*TABLE, "index", "levels", 0, "values", 1], 1, "one row for each number of clusters"),
        ([*TABLE, "index", "levels", 0, "dtype"], "float64", "one row for each number of clusters"),
        ([*TABLE, "values", 0, "dtype"], "float32", "log_likelihood is of type float32, not float64"),
        (COUNTS, {"dtype": "int64", "shape": [3], "values": [1, 2, 3]}, "is of type int64, not Int64"),
        (COUNTS, {"dtype": "str", "shape": [3], "values": ["a"] * 3}, "result.table.n_parameters is of type"),
        (COUNTS, without("known"), "result.table.values[1] lacks known"),
        ([*COUNTS, "known", "dtype"], "int64", "values[1].known is bool, not int"),
        ([*COUNTS, "counts", "dtype"], "int8", "values[1] has counts of int8"),
        ([*COUNTS, "counts"], {"dtype": "int64", "shape": [1], "values": [3]}, "values[1] has counts of"),
        (COUNTS, lambda counts: {**counts, "extra": 1}, "values[1] has 'extra', which nothing here knows"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_named(tmp_path, document, where, value, words):
    path = tmp_path / "x.mix"
    pack(path, {"result.json": json.dumps(at(document, where, value))})
    refused(path, ["is damaged or has been tampered with", words])


def test_samples_of_another_model(sampled, tmp_path):
    path = tmp_path / "x.mix"
    mx.save(replace(sampled, samples={**sampled.samples, 2: sampled.samples[1]}), path)
    refused(path, "result.samples.2 has draws of alpha of another shape than (2,)")
    mx.save(replace(sampled, samples={3: sampled.samples[1]}), path)
    refused(path, "result.samples has K = 3, of which there is no fit")


def test_figures_stay_as_they_are(selection, tmp_path):
    """Also figures that are not exact as floats, and missing ones."""
    table = selection.table.copy()
    table.loc[3, ["aic", "bic"]] = 1 / 3, np.nan
    changed = replace(selection, table=table, best={**selection.best, "aic": 3})
    assert same(round_trip(changed, tmp_path), changed)
