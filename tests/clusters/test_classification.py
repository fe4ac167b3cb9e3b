"""Entropy, classification error and tables, against sums written out row by row."""

import numpy as np
import pytest

import mixtures as mx

FAITHFUL = mx.datasets.faithful()
FIGURES = ("relative_entropy", "entropy_r2", "error", "modal_share", "average_probability")


@pytest.fixture(scope="module")
def overlapping():
    """Clusters of three coins that overlap: no row belongs to one with certainty."""
    rng = np.random.default_rng(3)
    p = np.array([[0.8, 0.7, 0.8, 0.2], [0.2, 0.3, 0.4, 0.2], [0.3, 0.8, 0.2, 0.9]])
    X = (rng.random((60, 4)) < p[rng.integers(3, size=60)]).astype(float)
    return mx.BMM(3), X, {"alpha": np.array([0.5, 0.3, 0.2]), "p": p}


def by_hand(r, alpha):
    """The figures from responsibilities (n, K), in plain loops."""
    n, k = r.shape
    entropy = -sum(x * np.log(x) for row in r for x in row if x > 0)
    prior = -sum(a * np.log(a) for a in alpha)
    assigned = [int(np.argmax(row)) for row in r]
    table = [[np.mean([r[i, c] for i in range(n) if assigned[i] == a]) for c in range(k)] for a in range(k)]
    return {
        "relative_entropy": 1 - entropy / (n * np.log(k)),
        "entropy_r2": 1 - entropy / n / prior,
        "error": 1 - np.mean([max(row) for row in r]),
        "modal_share": [assigned.count(a) / n for a in range(k)],
        "average_probability": table,
    }


@pytest.mark.parametrize("function", [mx.responsibilities, mx.classification, mx.complete])
def test_parameters_may_have_other_variables_beside_them_and_what_lacks_is_told(overlapping, function):
    spec, X, params = overlapping
    X = np.where(np.arange(4) == 3, np.nan, X) if function is mx.complete else X
    found, plain = (function(spec, X, given) for given in ({**params, "logit_p": np.zeros(2)}, params))
    assert str(found) == str(plain)
    with pytest.raises(mx.InputError, match=r"parameters \['alpha', 'P'\] were given"):
        function(spec, X, {"alpha": params["alpha"], "P": params["p"]})


def test_figures_are_those_of_their_definitions(overlapping):
    spec, X, params = overlapping
    found = mx.classification(spec, X, params)
    r = mx.responsibilities(spec, X, params)["responsibilities"].values
    for name, expected in by_hand(r, params["alpha"]).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, err_msg=name)
    assert 0 < found["relative_entropy"] < 1
    shares = (found["assigned_probability"] * r.mean(axis=0)[:, None]).sum("cluster")
    np.testing.assert_allclose(shares, found["modal_share"], rtol=1e-12)
    np.testing.assert_array_equal(found["alpha"], params["alpha"])


def test_limits():
    X = np.vstack([np.zeros((5, 2)), np.full((5, 2), 100.0)]) + np.random.default_rng(1).normal(size=(10, 2))
    apart = {
        "alpha": np.array([0.5, 0.5]),
        "mu": np.array([[0.0, 0], [100, 100]]),
        "Sigma": np.array([np.eye(2)] * 2),
    }
    clear = mx.classification(mx.GMM(2), X, apart)
    assert [float(clear[name]) for name in FIGURES[:3]] == [1, 1, 0]
    same = mx.classification(mx.GMM(2), X, {**apart, "mu": np.zeros((2, 2)), "alpha": np.array([0.7, 0.3])})
    assert float(same["entropy_r2"]) == pytest.approx(0, abs=1e-12)
    assert float(same["error"]) == pytest.approx(0.3)
    assert np.isnan(same["average_probability"].sel(assigned=1)).all()  # to which no row is assigned


def test_weights_are_repetitions_and_blocks_make_no_difference(overlapping, monkeypatch):
    spec, X, params = overlapping
    weights = np.arange(60) % 4
    weighted = mx.classification(spec, X, params, weights=weights)
    monkeypatch.setattr("mixtures.clusters.classification.BLOCK", 21)  # seven rows at a time
    repeated = mx.classification(spec, np.repeat(X, weights, axis=0), params)
    for name in FIGURES:
        np.testing.assert_allclose(weighted[name], repeated[name], rtol=1e-12, err_msg=name)


def test_a_sample_is_summarised_draw_by_draw(overlapping):
    spec, X, _ = overlapping
    tree = mx.sample(spec, X, draws=20, tune=50, chains=1, random_seed=1, progressbar=False)
    found = mx.classification(spec, X, tree, ci_prob=0.8)
    draws = [
        mx.classification(spec, X, {name: tree["posterior"][name].values[0, i] for name in ("alpha", "p")})
        for i in range(20)
    ]
    for name in FIGURES[:4]:
        each = np.array([one[name].values for one in draws])
        expected = [each.mean(axis=0), each.std(axis=0), *np.quantile(each, [0.1, 0.9], axis=0)]
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, err_msg=name)


def test_missing_cells_count_for_nothing(overlapping):
    spec, X, params = overlapping
    blank = X.copy()
    blank[:, 1:] = np.nan
    found = mx.classification(spec, blank, params, missing="integrate")
    narrow = mx.classification(spec, X[:, :1], {**params, "p": params["p"][:, :1]})
    assert float(found["entropy_r2"]) == pytest.approx(float(narrow["entropy_r2"]))


def test_one_cluster_is_refused():
    em = mx.fit_em(mx.GMM(1), FAITHFUL, random_seed=1)
    with pytest.raises(mx.InputError, match="a single cluster"):
        mx.classification(em.spec, FAITHFUL, em.params)
