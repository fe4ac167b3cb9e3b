"""Missing cells estimated from the observed ones."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from conftest import all_specs, simulate, spec_id
from scipy import stats

import mixtures as mx

NAN = np.nan


def with_holes(X, share=0.3, seed=0):
    holes = np.random.default_rng(seed).random(X.shape) < share
    holes[0] = False
    return np.where(holes, NAN, X), holes


@pytest.mark.parametrize(
    "spec", [spec for spec in all_specs() if not spec.family.takes_categories], ids=spec_id
)
def test_draws_have_the_mean_and_sd_of_the_table(spec):
    params, X, _ = simulate(spec, n_features=3, n_rows=30)
    X, holes = with_holes(X)
    found = mx.complete(spec, X, params, draws=4000, random_seed=1)
    assert len(found.cells) == np.count_nonzero(holes)
    sd = found.cells["sd"].to_numpy()
    apart = (found.draws.mean(axis=1) - found.cells["mean"]) / sd
    assert np.abs(apart).max() < 5 / np.sqrt(4000)
    np.testing.assert_allclose(found.draws.std(axis=1), sd, rtol=0.1)
    np.testing.assert_array_equal(found.data[~holes], X[~holes])
    np.testing.assert_array_equal(found.data[holes], found.cells["mean"])


def test_a_single_gaussian_is_a_regression():
    """Mean and variance of SciPy's conditional normal, and its quantiles."""
    spec = mx.GMM(1)
    mean, S = np.array([[1.0, 2.0]]), np.array([[[2.0, 0.8], [0.8, 1.0]]])
    found = mx.complete(spec, [[0.0, NAN], [1.0, 1.0]], {"alpha": [1.0], "mu": mean, "Sigma": S}, ci_prob=0.9)
    expected = stats.norm(2 + 0.8 / 2 * (0 - 1), np.sqrt(1 - 0.8**2 / 2))
    row = found.cells.loc[(0, "x1")]
    np.testing.assert_allclose(row[["mean", "sd"]], [expected.mean(), expected.std()], rtol=1e-12)
    np.testing.assert_allclose(row[["lower", "upper"]], expected.ppf([0.05, 0.95]), rtol=1e-12)


@pytest.mark.parametrize("spec", [s for s in all_specs() if isinstance(s, mx.GMM)], ids=spec_id)
def test_intervals_cover_what_was_removed(spec):
    params, X, _ = simulate(spec, n_features=3, n_rows=3000)
    cut, holes = with_holes(X)
    cells = mx.complete(spec, cut, params, ci_prob=0.9).cells
    inside = (X[holes] >= cells["lower"]) & (X[holes] <= cells["upper"])
    assert 0.88 <= inside.mean() <= 0.92


def test_intervals_of_counts_end_at_scipys_quantiles():
    """The smallest counts up to which a mixture of SciPy's Poissons holds as much as asked for."""
    spec = mx.PMM(3)
    params, X, _ = simulate(spec, n_features=3, n_rows=60)
    params["rate"][0, 1] = 0  # a cluster without events
    params["rate"][2, 0] = 500  # and one far away
    cut, _ = with_holes(np.where(np.arange(3) == 1, 0, X))
    cells = mx.complete(spec, cut, params, ci_prob=0.8).cells
    counts = np.arange(1000)
    for (row, column), cell in cells.iterrows():
        d, seen = int(column[1:]), np.flatnonzero(~np.isnan(cut[row]))
        joint = np.log(params["alpha"])
        joint = joint + stats.poisson.logpmf(cut[row, seen], params["rate"][:, seen]).sum(axis=1)
        share = np.exp(joint - joint.max())
        share /= share.sum()
        below = share @ stats.poisson.cdf(counts, params["rate"][:, [d]])
        assert (cell["lower"], cell["upper"]) == (np.argmax(below >= 0.1), np.argmax(below >= 0.9))
        np.testing.assert_allclose(cell["mean"], share @ params["rate"][:, d])


def test_a_posterior_sample_widens_the_intervals():
    spec = mx.GMM(2)
    params, X, _ = simulate(spec, n_rows=40)
    rng = np.random.default_rng(0)
    draws = {name: np.repeat(x[None, None], 50, axis=1) for name, x in params.items()}
    draws["mu"] = draws["mu"] + 0.5 * rng.normal(size=draws["mu"].shape)
    from mixtures.trees import draws_tree

    tree = draws_tree(draws, spec.dims, ("x0", "x1"))
    cut, _ = with_holes(X)
    point, drawn = mx.complete(spec, cut, params), mx.complete(spec, cut, tree, draws=3, random_seed=0)
    assert (drawn.cells["sd"] > 0.99 * point.cells["sd"]).mean() > 0.9
    assert drawn.draws.shape == (len(point.cells), 3)


def test_labels_index_and_column_order_are_kept():
    whole_numbers = pd.array([1, pd.NA, 3, 5], dtype="Int64")
    X = pd.DataFrame({"b": [1.0, 2.0, NAN, 4.0], "a": whole_numbers}, index=["p", "q", "r", "s"])
    spec = mx.GMM(1, covariance_type="diag")
    em = mx.fit_em(spec, X[["a", "b"]], missing="integrate", random_seed=1)
    found = mx.complete(em.spec, X, em.params)
    assert list(found.data.columns) == ["b", "a"]
    assert list(found.data.index) == ["p", "q", "r", "s"]
    assert set(found.cells.index) == {("q", "a"), ("r", "b")}
    assert found.data.loc["q", "a"] == found.cells.loc[("q", "a"), "mean"]
    assert found.data.loc["p", "a"] == 1
    assert X["a"].isna().sum() == 1  # the data given are left as they are


@pytest.mark.parametrize("kind", ["xarray", "polars", "pyarrow"])
def test_columns_come_back_in_the_order_in_which_they_were_given(kind):
    params, values, _ = simulate(mx.GMM(2), n_features=3, n_rows=30)
    fitted = pd.DataFrame(values, columns=["a", "b", "c"])
    spec = mx.resolve(mx.GMM(2), fitted)
    X = fitted[["c", "a", "b"]].mask(np.random.default_rng(0).random((30, 3)) < 0.3)
    expected = mx.complete(spec, X, params).data
    given = {"xarray": xr.DataArray, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[kind](X)
    found = mx.complete(spec, given, params).data
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_index_type=False)


def test_a_series_keeps_its_index():
    X = pd.Series([1.0, NAN, 3.0], index=["p", "q", "r"], name="a")
    params = {"alpha": [1.0], "mu": [[2.0]], "Sigma": [[[1.0]]]}
    found = mx.complete(mx.GMM(1), X, params).data
    pd.testing.assert_frame_equal(found, X.fillna(2.0).to_frame())


def test_nothing_missing_is_nothing_to_do():
    spec = mx.GMM(2)
    params, X, _ = simulate(spec, n_rows=20)
    found = mx.complete(spec, X, params)
    assert found.cells.empty
    np.testing.assert_array_equal(found.data, X)
    assert "0 missing cells" in repr(found)
