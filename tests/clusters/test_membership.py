"""Responsibilities: mean and interval over draws, labels with their probability, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from conftest import every_spec, make_rows

from mixtures import BMM, GMM, InputError, classification, resolve, responsibilities
from mixtures.clusters import responsibilities as membership
from mixtures.data.reading import as_data
from mixtures.draws import checked_draws
from mixtures.em.natural import Draws
from mixtures.trees import make_tree


def shaken(spec, n_draws=40, n_features=2, seed=0):
    """Parameter sets about one, and a tree of them in two chains."""
    rng = np.random.default_rng(seed)
    X, z = make_rows(spec, 90, n_features, seed)
    spec = resolve(spec, X)
    r = rng.dirichlet(np.ones(spec.n_components), size=(n_draws, 90)).swapaxes(1, 2) * 0.3
    r[:, z, np.arange(90)] += 0.7
    sets = [spec.maximize(spec.family.expect(None, X.T, one)) for one in r]
    arrays = {name: np.stack([one[name] for one in sets]) for name in spec.dims}
    chains = {name: x.reshape(2, n_draws // 2, *x.shape[1:]) for name, x in arrays.items()}
    return spec, X, sets, make_tree({"posterior": chains}, spec.dims, {})


@every_spec
@pytest.mark.parametrize("rows", ["training", "new"])
def test_mean_and_interval_are_those_over_the_draws(spec, rows):
    spec, X, sets, tree = shaken(spec)
    X = X if rows == "training" else make_rows(spec, 7, 2, seed=9)[0]
    r = np.stack([spec.responsibilities(X, one) for one in sets])
    found = responsibilities(spec, X, tree, ci_prob=0.9)
    np.testing.assert_allclose(found["responsibilities"], r.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found["lower"], np.quantile(r, 0.05, axis=0), atol=1e-9)
    np.testing.assert_allclose(found["upper"], np.quantile(r, 0.95, axis=0), atol=1e-9)
    for name in ("responsibilities", "lower", "upper"):
        assert found[name].dims == ("obs_id", "cluster")
    assert (found["upper"] - found["lower"]).max() > 1e-3  # else nothing was put to the test


@every_spec
def test_a_sample_whose_chains_differ_in_their_labels_is_aligned(spec):
    """As `pm.sample` draws it: the mean over raw labels would be a half for every row."""
    spec, X, sets, tree = shaken(spec)
    turned = [spec.relabel(one, np.roll(np.arange(spec.n_components), 1)) for one in sets[20:]]
    arrays = {name: np.stack([one[name] for one in [*sets[:20], *turned]]) for name in spec.dims}
    chains = {name: x.reshape(2, 20, *x.shape[1:]) for name, x in arrays.items()}
    raw = make_tree(
        {"posterior": chains, "sample_stats": {"lp": np.arange(40.0).reshape(2, 20)}}, spec.dims, {}
    )
    expected = responsibilities(spec, X, tree)["responsibilities"].values
    found = responsibilities(spec, X, raw)["responsibilities"].values
    orders = (np.roll(np.arange(spec.n_components), i) for i in range(spec.n_components))
    assert min(np.abs(found[:, order] - expected).max() for order in orders) < 0.05
    share = classification(spec, X, raw)["error"].sel(summary="mean")
    assert share < classification(spec, X, tree)["error"].sel(summary="mean") + 0.02


@every_spec
def test_labels_come_with_the_probability_that_they_are_right(spec):
    spec, X, sets, tree = shaken(spec)
    for params in (tree, sets[0]):
        found = responsibilities(spec, X, params)
        r = found["responsibilities"].values
        assert found["label"].dims == found["label_probability"].dims == ("obs_id",)
        np.testing.assert_array_equal(found["label"], r.argmax(axis=1))
        np.testing.assert_array_equal(found["label_probability"], r.max(axis=1))
    np.testing.assert_allclose(r, spec.responsibilities(X, sets[0]), rtol=1e-12)
    assert "lower" not in found


@every_spec
def test_blocks_of_rows_change_nothing(spec, monkeypatch):
    spec, X, _, tree = shaken(spec)
    whole = responsibilities(spec, X, tree)
    monkeypatch.setattr(membership, "BLOCK", 7 * 40 * spec.n_components)
    np.testing.assert_allclose(
        responsibilities(spec, X, tree).to_array(), whole.to_array(), rtol=0, atol=1e-12
    )


def test_draws_for_which_the_natural_form_loses_digits_keep_the_whitened():
    """In half of the draws the clusters are 1e-7 of their distance wide."""
    rng = np.random.default_rng(0)
    tight, wide = (
        {"alpha": np.array([0.4, 0.6]), "mu": np.array([[0.0, 0], [1, 1]]), "sigma2": np.full(2, v)}
        for v in (1e-14, 0.2)
    )
    X = np.vstack(
        [wide["mu"][[0, 1]] + 1e-8 * rng.normal(size=(2, 2)), rng.normal(size=(6, 2)), [[0.5, 0.5 + 1e-15]]]
    )
    spec = GMM(2, covariance_type="spherical", prior=None)
    tree = make_tree({"posterior": {n: np.stack([[wide[n], tight[n]]]) for n in spec.dims}}, spec.dims, {})
    draws = Draws.of(spec, as_data(X), checked_draws(spec, tree))
    assert list(draws.whitened) == [1]
    for s, one in enumerate((wide, tight)):
        np.testing.assert_allclose(
            draws.responsibilities(X)[..., s].T, spec.responsibilities(X, one), atol=1e-9
        )


def test_probabilities_of_zero_and_one_are_exact():
    params = {"alpha": np.array([0.5, 0.5]), "p": np.array([[1.0, 0.3], [0.2, 0.0]])}
    spec = BMM(2)
    tree = make_tree({"posterior": {n: x[None, None] for n, x in params.items()}}, spec.dims, {})
    found = responsibilities(spec, [[1, 1], [0, 0]], tree)
    np.testing.assert_array_equal(found["responsibilities"], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(found["label_probability"], [1, 1])


def peak(function):
    """Most memory (bytes) that NumPy and Python held at once."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_neither_with_rows_nor_with_draws_times_rows():
    """All draws of all rows would be 48 MB at the smaller size, 192 MB at the larger."""
    spec = resolve(GMM(3), make_rows(GMM(3), 90, 2)[0])
    _, _, _, tree = shaken(spec, n_draws=500)
    small, large = (make_rows(spec, n, 2)[0] for n in (4000, 16_000))
    responsibilities(spec, small[:10], tree)
    first, second = (peak(lambda X=X: responsibilities(spec, X, tree)) for X in (small, large))
    result = 16_000 * (3 * 3 + 2) * 8
    assert first < 16e6
    assert second - first < 2 * result


def test_the_progress_is_shown_when_asked_for(capsys):
    spec, X, _, tree = shaken(GMM(2))
    responsibilities(spec, X, tree)
    assert capsys.readouterr().out == ""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "track", lambda blocks, *_, **options: shown.append(options) or blocks)
        responsibilities(spec, X, tree, progressbar=True)
    assert shown[0]["shown"] is True
    assert shown[0]["total"] == 1


def test_bad_input_is_refused():
    spec, X, sets, tree = shaken(GMM(2))
    for params in (tree, sets[0]):
        with pytest.raises(InputError, match="X has 1 column; the parameters are of 2 features"):
            responsibilities(spec, X[:, :1], params)
    with pytest.raises(InputError, match="ci_prob must lie between 0 and 1"):
        responsibilities(spec, X, tree, ci_prob=1)
    posterior = tree["posterior"].to_dataset()
    posterior["mu"][1, 3] = np.nan
    with pytest.raises(InputError, match="mu is not finite in 1 draw, the first is 23"):
        responsibilities(spec, X, xr.DataTree.from_dict({"posterior": posterior}))
