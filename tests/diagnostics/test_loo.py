"""Leave-one-out by blocks of rows is ArviZ's, of a tree that keeps every row's log-likelihood."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import all_specs, make_rows, oracle, soft, spec_id
from scipy import stats
from scipy.special import logsumexp

import mixtures as mx
from mixtures.trees import draws_tree

CHAINS, DRAWS = 2, 40
MIXED = mx.Mixed(3, gaussian=[0], bernoulli=[2], categorical=[3], poisson=[1], levels=range(3))


def sampled(spec, X, z):
    """Draws like those of a posterior: M-steps from rows with random weights, in two chains."""
    rng = np.random.default_rng(1)
    spec = mx.resolve(spec, X, missing="integrate")
    r = soft(z, spec.n_components)
    start = spec.maximize(spec.expect(None, np.nan_to_num(X.T), r))
    weights = rng.gamma(4, size=(CHAINS * DRAWS, len(X))) / 4
    sets = [spec.maximize(spec.expect(start, X.T, r * w)) for w in weights]
    arrays = {name: np.stack([one[name] for one in sets]) for name in spec.dims}
    chains = {name: x.reshape(CHAINS, DRAWS, *x.shape[1:]) for name, x in arrays.items()}
    features = [f"x{d}" for d in range(X.shape[1])]
    return spec, sets, draws_tree(chains, spec.dims, features, spec.coords(features))


def kept(tree, log_likelihood):
    """The tree with the log-likelihood (draws, rows) of every row."""
    rows = log_likelihood.reshape(CHAINS, DRAWS, -1)
    group = xr.Dataset({"x": (("chain", "draw", "obs_id"), rows)})
    return xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset(), "log_likelihood": group})


def joint(spec, params, X):
    """Log joint density (K, n) by SciPy."""
    independent = oracle(spec)
    clusters = independent.clusters(spec.family, params)
    return np.stack([independent.log_density(one, X) for one in clusters]) + np.log(params["alpha"])[:, None]


def check(found, expected):
    for name in ("elpd", "se", "p", "n_samples", "n_data_points", "good_k", "warning"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-7), name
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i, rtol=1e-7)
    np.testing.assert_allclose(found.pareto_k, expected.pareto_k, atol=1e-6)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("mixtures.diagnostics.loo.BLOCK", CHAINS * DRAWS * 3 * 2 * 25)


@pytest.mark.filterwarnings("ignore:.*trusted", "ignore:Estimated shape parameter")
@pytest.mark.parametrize("spec", [*all_specs(), MIXED], ids=spec_id)
def test_it_is_what_arviz_computes(spec):
    X, z = make_rows(spec, 60)
    spec, sets, tree = sampled(spec, X, z)
    log_likelihood = np.stack([logsumexp(joint(spec, one, X), axis=0) for one in sets])
    found = mx.loo(spec, X, tree, progressbar=False)
    check(found, az.loo(kept(tree, log_likelihood), pointwise=True))


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
@pytest.mark.parametrize("gap", [(), range(10, 33)], ids=["single", "block"])
def test_a_row_without_an_observed_cell_changes_nothing(gap, recwarn, monkeypatch):
    """Its density is 1 in every draw, but for rounding, to which no tail can be fitted."""
    spec = mx.GMM(2, covariance_type="diag")
    X, z = make_rows(spec, 60)
    gone = [7, 40, *gap]
    whole, empty = np.delete(X, gone, axis=0), np.isin(np.arange(60), gone)
    X[empty] = np.nan
    spec, _, tree = sampled(spec, whole, np.delete(z, gone))
    expected = mx.loo(spec, whole, tree, progressbar=False)
    doubts = [each for each in recwarn.list if "trusted" in str(each.message)]
    recwarn.clear()
    for name in ("loo", "loo_pit"):
        monkeypatch.setattr(f"mixtures.diagnostics.{name}.BLOCK", CHAINS * DRAWS * 2 * 2 * 10)
    labels = np.where(np.arange(60) == 40, 0, -1)
    found = mx.loo(spec, X, tree, missing="integrate", progressbar=False)
    assert found.elpd == pytest.approx(expected.elpd, rel=1e-9)
    np.testing.assert_allclose(found.elpd_i.values[~empty], expected.elpd_i.values, rtol=1e-9)
    np.testing.assert_allclose([found.elpd_i.values[empty], found.pareto_k.values[empty]], 0, atol=1e-12)
    assert len([each for each in recwarn.list if "trusted" in str(each.message)]) == len(doubts)
    pit = mx.loo_pit(spec, X, tree, missing="integrate", labels=labels)
    np.testing.assert_array_equal(pit["pareto_k"].values[empty], 0)
    assert np.isfinite(pit["pit"].values[~empty]).all()


@pytest.mark.filterwarnings("ignore:.*trusted", "ignore:Estimated shape parameter")
def test_known_labels_and_missing_cells():
    spec = mx.GMM(3, covariance_type="diag")
    X, z = make_rows(spec, 60)
    labels = np.where(np.arange(60) < 20, z, -1)
    X[30:40, 1] = np.nan
    spec, sets, tree = sampled(spec, X, z)
    rows = []
    for one in sets:
        cells = stats.norm.logpdf(X, one["mu"][:, None], np.sqrt(one["sigma2"])[:, None])
        log_joint = np.log(one["alpha"])[:, None] + np.nansum(cells, axis=-1)
        rows.append(np.where(labels >= 0, log_joint[labels, np.arange(60)], logsumexp(log_joint, axis=0)))
    found = mx.loo(spec, X, tree, missing="integrate", labels=labels, progressbar=False)
    check(found, az.loo(kept(tree, np.stack(rows)), pointwise=True))


@pytest.mark.filterwarnings("ignore:.*trusted")
def test_arviz_compares_models_with_it():
    X, found = mx.datasets.faithful(), {}
    values = X.to_numpy()
    for k in (1, 2):
        z = (values[:, 0] > 3).astype(int) % k
        spec, _, tree = sampled(mx.GMM(k), values, z)
        found[f"K={k}"] = mx.loo(spec, values, tree, progressbar=False)
    table = az.compare(found)
    assert table.index[0] == "K=2"
    difference = found["K=1"].elpd - found["K=2"].elpd
    assert table.loc["K=1", "elpd_diff"] == pytest.approx(difference, abs=0.6)  # ArviZ rounds


def test_rows_that_cannot_be_left_out_are_counted_and_rows_keep_their_labels():
    X = np.random.default_rng(0).normal(size=(30, 2))
    X[4] = 40, -40
    spec, _, tree = sampled(mx.GMM(1, prior=None), X, np.zeros(30, dtype=int))
    table = pd.DataFrame(X, columns=["x0", "x1"], index=[f"r{i}" for i in range(30)])
    with pytest.warns(mx.DataWarning, match=r"cannot be trusted for \d+ of 30 rows"):
        found = mx.loo(spec, table, tree, progressbar=False)
    assert found.warning
    assert found.pareto_k["obs_id"].values[found.pareto_k.values.argmax()] == "r4"


def test_a_row_of_density_zero_is_named():
    X, z = make_rows(mx.BMM(2), 40, 3)
    X[:, 2] = 0
    spec, _, tree = sampled(mx.BMM(2, prior=None), X, z % 2)
    X[7, 2] = 1
    with pytest.raises(mx.InputError, match="row 7 is"):
        mx.loo(spec, X, tree, progressbar=False)


@pytest.mark.filterwarnings("ignore:.*trusted", "ignore:Estimated shape parameter")
def test_only_rows_of_the_sample_can_be_left_out_and_others_are_told_of():
    X, z = make_rows(mx.GMM(2), 40, 3)
    spec, _, tree = sampled(mx.GMM(2), X, z % 2)
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs_id", "feature"), X.copy())}))
    few = mx.loo(spec, X[::-3], tree, progressbar=False)
    assert few.elpd == pytest.approx(float(mx.loo(spec, X, tree, progressbar=False).elpd_i[::-3].sum()))
    heights = xr.DataArray(np.zeros((CHAINS, DRAWS)), dims=("chain", "draw"))
    tree["sample_stats"] = xr.DataTree(xr.Dataset({"lp": heights, "log_posterior": heights}))
    with pytest.raises(mx.InputError, match="the sample is of other data or of another prior"):
        mx.diagnose(tree, spec=spec, X=X)
    told = "the sample was drawn from other rows: 1 of 40 are none of its own, the first row 7"
    X[7] += 1
    for door in (mx.loo, mx.loo_pit):
        with pytest.raises(mx.InputError, match=told):
            door(spec, X, tree)
    with pytest.warns(mx.DataWarning, match=told):
        mx.predictive_checks(spec, X, tree, n_draws=2)


def test_a_point_estimate_is_no_sample():
    X = mx.datasets.faithful()
    em = mx.fit_em(mx.GMM(2), X, n_init=1, random_seed=1)
    with pytest.raises(mx.InputError, match="needs 25 draws, got 1"):
        mx.loo(em.spec, X, em.to_datatree(), progressbar=False)
