"""The lower bound that EM climbs: its laws for any q, and one iteration seen from inside."""

import numpy as np
import pytest
import xarray as xr
from conftest import every_spec, make_params, simulate
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipy_entropy
from scipy.stats import multivariate_normal

import mixtures as mx
from mixtures import BMM, GMM, InputError, em_step, entropy, lower_bound, q_function

N_ROWS, K = 40, 3

logits = arrays(np.float64, (N_ROWS, K), elements=st.floats(-60, 60))
seeds = st.integers(0, 2**16)


def distribution(logits):
    """Rows of probabilities, from even to certain."""
    r = np.exp(logits - logits.max(axis=1, keepdims=True))
    return r / r.sum(axis=1, keepdims=True)


def log_likelihood(spec, X, params):
    return spec.log_likelihood(X, params).sum()


@every_spec
@given(logits=logits, seed=seeds)
def test_the_bound_never_passes_the_log_likelihood_and_touches_it_at_the_posterior(spec, logits, seed):
    params, X, _ = simulate(spec, N_ROWS, seed=seed)
    top = log_likelihood(spec, X, params)
    rounding = 1e-11 * (1 + np.abs(spec.log_likelihood(X, params)).sum())
    q, r = distribution(logits), spec.responsibilities(X, params)
    assert lower_bound(spec, X, params, q) <= top + rounding
    assert lower_bound(spec, X, params, r) == pytest.approx(top, abs=rounding)


@every_spec
@given(logits=logits, seed=seeds)
def test_the_gap_is_the_divergence_of_q_from_the_posterior(spec, logits, seed):
    params, X, _ = simulate(spec, N_ROWS, seed=seed)
    q, row = distribution(logits), spec.log_likelihood(X, params)
    log_r = (spec.log_joint(params)(X.T) - row).T
    divergence = -scipy_entropy(q, axis=1).sum() - (q * log_r).sum()
    gap = row.sum() - lower_bound(spec, X, params, q)
    assert gap == pytest.approx(divergence, rel=1e-8, abs=1e-8)
    assert gap > -1e-8


@every_spec
@given(logits=logits, seed=seeds)
def test_the_bound_is_q_plus_entropy_and_has_its_argmax_in_the_m_step(spec, logits, seed):
    q = distribution(logits / 20)  # every cluster has some of every row: no M-step without an answer
    spec = type(spec)(**{**vars(spec), "prior": None})
    _, X, _ = simulate(spec, N_ROWS, seed=seed)
    best = spec.maximize(spec.family.expect(None, X.T, q.T))
    F, Q = lower_bound(spec, X, best, q), q_function(spec, X, best, q)
    assert pytest.approx(Q + entropy(q)) == F
    assert entropy(q) == pytest.approx(scipy_entropy(q, axis=1).sum())
    other = make_params(spec, seed=seed + 1)
    assert q_function(spec, X, other, q) <= Q + 1e-9 * abs(Q)
    assert lower_bound(spec, X, other, q) <= F + 1e-9 * abs(F)


@every_spec
def test_one_iteration_raises_the_bound_twice(spec):
    """E: up to the log-likelihood at the same parameters. M: up again, and the log-likelihood with it."""
    spec = type(spec)(**{**vars(spec), "prior": None})
    params, X, _ = simulate(spec, 100)
    params = em_step(spec, X, {**params, "alpha": np.array([0.2, 0.3, 0.5])})
    heights = []
    for _ in range(5):
        r = spec.responsibilities(X, params)
        heights.append(lower_bound(spec, X, params, r))
        assert heights[-1] == pytest.approx(log_likelihood(spec, X, params), rel=1e-12)
        params = em_step(spec, X, params)
        heights.append(lower_bound(spec, X, params, r))
        assert heights[-1] <= log_likelihood(spec, X, params) + 1e-9
    assert (np.diff(heights) > -1e-9).all()
    assert heights[-1] > heights[0]


def test_q_of_known_labels_is_the_complete_log_likelihood():
    spec = GMM(2)
    params = {
        "alpha": np.array([0.3, 0.7]),
        "mu": np.array([[0.0, 0.0], [2.0, 1.0]]),
        "Sigma": np.stack([np.eye(2), 2 * np.eye(2)]),
    }
    X, z = spec.sample(params, 20, np.random.default_rng(0))
    expected = sum(
        np.log(params["alpha"][k]) + multivariate_normal(params["mu"][k], params["Sigma"][k]).logpdf(x)
        for x, k in zip(X, z, strict=True)
    )
    assert q_function(spec, X, params, np.eye(2)[z]) == pytest.approx(expected, rel=1e-12)
    assert entropy(np.eye(2)[z]) == 0


def test_what_q_rules_out_does_not_count_and_what_it_wrongly_believes_counts_fully():
    coins = {"alpha": [1.0, 0.0], "p": [[1.0], [0.5]]}
    assert lower_bound(BMM(2), [[1], [1]], coins, [[1, 0], [1, 0]]) == 0
    assert lower_bound(BMM(2), [[1], [1]], coins, [[0.5, 0.5], [1, 0]]) == -np.inf  # a weight of 0
    assert lower_bound(BMM(2), [[1], [0]], coins, [[1, 0], [1, 0]]) < -1e299  # tails of a coin without


def test_q_may_be_the_dataset_of_responsibilities():
    X = mx.datasets.faithful()
    em = mx.fit_em(GMM(2), X, random_seed=0)
    r = mx.responsibilities(em.spec, X, em.params)
    assert isinstance(r, xr.Dataset)
    assert lower_bound(em.spec, X, em.params, r) == pytest.approx(em.log_likelihood)


def test_a_row_of_weight_three_counts_as_three_rows():
    X, w = mx.datasets.faithful()[:40], np.arange(1, 41) % 4
    em = mx.fit_em(GMM(2), X, weights=w, random_seed=0)
    r = mx.responsibilities(em, X)
    assert lower_bound(em, X, q=r, weights=w) == pytest.approx(em.log_likelihood)
    q = np.repeat(r["responsibilities"].to_numpy(), w, axis=0)
    assert q_function(em, X, q=r, weights=w) == pytest.approx(q_function(em, X.loc[X.index.repeat(w)], q=q))
    assert entropy(r, weights=w) == pytest.approx(entropy(q))
    with pytest.raises(InputError, match="weights have shape"):
        entropy(r, weights=w[1:])


def test_chunks_do_not_matter(monkeypatch):
    params, X, _ = simulate(GMM(2), 2000)
    q = np.full((2000, 2), 0.5)
    whole = q_function(GMM(2), X, params, q)
    monkeypatch.setattr("mixtures.data.table.CHUNK_VALUES", 1)
    assert q_function(GMM(2), X, params, q) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize(
    ("q", "message"),
    [
        ([[0.5, 0.5]], r"q has shape \(1, 2\); it needs \(3, 2\)"),
        ([[0.5, 0.5], [0.7, 0.2], [1, 0]], "row 1 of q"),
        ([[0.5, 0.5], [1.5, -0.5], [1, 0]], "row 1 of q"),
        ([[0.5, 0.5], [0.5, 0.5], [np.nan, 0.5]], "row 2 of q"),
        ([["a", "b"]] * 3, "q is not an array of numbers"),
    ],
)
def test_a_q_that_is_no_distribution_is_refused(q, message):
    params = {"alpha": [0.5, 0.5], "p": [[0.2], [0.7]]}
    with pytest.raises(InputError, match=message):
        lower_bound(BMM(2), [[0], [1], [1]], params, q)


def test_parameters_of_another_model_are_refused():
    with pytest.raises(InputError, match=r"parameters .* were given; this model has"):
        lower_bound(BMM(2), [[0], [1]], {"alpha": [0.5, 0.5]}, [[1, 0], [0, 1]])
