"""Fractions of missing information against cases that are known in closed form."""

from itertools import product

import numpy as np
import pytest
from conftest import make_rows
from scipy.special import logsumexp

import mixtures as mx
from mixtures.em.information import observed_information
from mixtures.em.missing_information import missing_information


def test_of_one_column_the_fraction_is_the_share_of_missing_cells():
    X = np.random.default_rng(0).normal(size=(200, 1))
    X[:50] = np.nan
    em = mx.fit_em(mx.GMM(1, prior=None), X, missing="integrate", random_seed=1)
    found = missing_information(em.spec, X, em.params, random_seed=1)
    assert found["mu"][0, 0] == pytest.approx(0.25, abs=0.01)
    assert found["Sigma"][0, 0, 0] == pytest.approx(0.25, abs=0.01)


def test_a_correlated_column_gives_back_what_it_tells():
    """With the first column complete the mean of the second loses ``1 - 1 / (rho^2 + (1 - rho^2) n / m)``.

    Anderson (1957); Little and Rubin (2019), section 7.2. The correction for the means of the first column
    in both parts is none here, because the parts are the same.
    """
    rng = np.random.default_rng(1)
    half = rng.normal(size=(300, 2)) @ np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]]).T
    X = np.concatenate([half, half])
    X[300:, 1] = np.nan
    em = mx.fit_em(mx.GMM(1, prior=None), X, missing="integrate", random_seed=1, tol=1e-9)
    S = em.params["Sigma"][0]
    r2 = S[0, 1] ** 2 / (S[0, 0] * S[1, 1])
    found = missing_information(em.spec, X, em.params, random_seed=1)["mu"][0]
    assert found[0] == pytest.approx(0, abs=0.005)
    assert found[1] == pytest.approx(1 - 1 / (r2 + (1 - r2) * 2), abs=0.01)


def test_of_hidden_clusters_it_is_the_mean_information_over_all_completions():
    """The matrices of the principle by brute force: every completion of two items, by its probability."""
    spec = mx.BMM(2)
    X, _ = make_rows(spec, 60, 4, seed=2)
    X[3, 0] = X[10, 2] = np.nan
    em = mx.fit_em(spec, X, missing="integrate", random_seed=0, tol=1e-10)
    seen = observed_information(em.spec, X, em.params, missing="integrate")
    weights, complete = [], []
    for values in product([0.0, 1.0], repeat=2):
        filled = X.copy()
        filled[3, 0], filled[10, 2] = values
        weights.append(em.spec.log_likelihood(filled, em.params).sum())
        rows = filled[[3, 10]]

        def score(u, rows=rows):
            params = seen.chart.params(u)
            joint = rows @ np.log(params["p"]).T + (1 - rows) @ np.log1p(-params["p"]).T
            return logsumexp(joint + np.log(params["alpha"]), axis=1).sum()

        steps = 1e-5 * np.eye(len(seen.u))
        complete.append([(score(seen.u + h) - score(seen.u - h)) / 2e-5 for h in steps])
    share = np.exp(np.array(weights) - logsumexp(weights))
    scores = np.array(complete)
    apart = scores - share @ scores
    lost = (apart * share[:, None]).T @ apart
    observed = seen.information.observed
    slopes = seen.slopes["p"].reshape(8, -1)
    both = (observed + lost, observed)
    variance = [np.diag(slopes @ np.linalg.inv(each) @ slopes.T) for each in both]
    expected = 1 - variance[0] / variance[1]
    found = missing_information(em.spec, X, em.params, n_draws=60, random_seed=1)["p"].ravel()
    assert expected.max() > 0.01
    np.testing.assert_allclose(found, expected, atol=0.1 * expected.max())


def test_labels_and_weights_take_part():
    X = np.random.default_rng(0).normal(size=(100, 1)) + 6 * (np.arange(100) % 2)[:, None]
    X[:20] = np.nan
    weights = np.where(np.arange(100) < 20, 2, 1)
    given = {"labels": np.arange(100) % 2, "weights": weights}
    em = mx.fit_em(mx.GMM(2, prior=None), X, missing="integrate", random_seed=1, **given)
    found = missing_information(em.spec, X, em.params, random_seed=1, **given)
    np.testing.assert_allclose(found["mu"], 40 / 120, atol=0.015)
    np.testing.assert_allclose(found["alpha"], 0, atol=1e-6)  # the labels are known
