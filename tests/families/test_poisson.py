"""Poisson mixtures: what SciPy finds, what is refused, the PyMC side in a user's model, and every door."""

import json

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from command import run
from scipy import optimize, stats
from scipy.special import logsumexp, softmax

import mixtures as mx
from mixtures.density.compiled import CompiledModel

SHORT = {"draws": 150, "tune": 200, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}
RATES = np.array([[9.0, 3.0, 0.5], [4.0, 3.0, 2.0]])
FAST = {"mode": "FAST_COMPILE"}


def rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.poisson(RATES[np.arange(n) % 2]), columns=["jays", "wrens", "ducks"])


def scipy_log_likelihood(X, alpha, rate):
    each = [stats.poisson.logpmf(X, one).sum(axis=1) for one in rate]
    return logsumexp(np.log(alpha)[:, None] + each, axis=0)


def test_maximum_likelihood_is_what_scipy_finds():
    X = rows()
    em = mx.fit_em(mx.PMM(2, prior=None), X, random_seed=1, tol=1e-9)

    def unpacked(x):
        return softmax([x[0], 0.0]), np.exp(x[1:]).reshape(2, 3)

    start = np.concatenate([[0.2], np.log(RATES * 1.1).ravel()])
    found = optimize.minimize(
        lambda x: -scipy_log_likelihood(X, *unpacked(x)).sum(), start, method="BFGS", tol=1e-8
    )
    assert em.log_likelihood == pytest.approx(-found.fun, abs=1e-7)
    order = np.argsort(-em.params["rate"][:, 0])
    alpha, rate = unpacked(found.x)
    np.testing.assert_allclose(em.params["alpha"][order], alpha, atol=1e-4)
    np.testing.assert_allclose(em.params["rate"][order], rate, rtol=1e-4)


def test_the_default_prior_has_the_mean_of_the_column_for_its_mode():
    X = rows()
    prior = mx.resolve(mx.PMM(2), X).prior
    np.testing.assert_allclose((prior.alpha - 1) / prior.beta, X.mean())
    one = mx.fit_em(mx.PMM(1), X)
    np.testing.assert_allclose(one.params["rate"][0], (X.sum() + 1) / (len(X) + prior.beta))
    empty = mx.resolve(mx.PMM(1), X.assign(ducks=0)).prior
    np.testing.assert_allclose(empty.beta[2], 1)


def test_the_log_prior_is_scipys():
    spec = mx.resolve(
        mx.PMM(2, prior=mx.priors.Gamma([0.5, 2.0, 3.0], 1.5), weight_concentration=0.6), rows()
    )
    params = {"alpha": np.array([0.3, 0.7]), "rate": RATES}
    expected = stats.dirichlet([0.6, 0.6]).logpdf([0.3, 0.7])
    expected += stats.gamma([0.5, 2.0, 3.0], scale=1 / 1.5).logpdf(RATES).sum()
    assert spec.log_prior(params) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1, "row 3, column 'wrens': negative (the first is -1); a PMM takes counts"),
        (1.5, "row 3, column 'wrens': not a whole number (the first is 1.5); a PMM takes counts"),
        (1e17, "too large for double precision"),
    ],
)
def test_what_is_no_count_is_named(value, words):
    X = rows().astype(float)
    X.loc[3, "wrens"] = value
    for door in (
        lambda: mx.fit_em(mx.PMM(2), X),
        lambda: mx.declare(mx.PMM(2), X),
        lambda: user_model(X),
    ):
        with pytest.raises(mx.InputError) as told:
            door()
        assert words in str(told.value)


def test_missing_counts_are_refused_but_in_a_users_own_model():
    X = rows().astype(float)
    X.loc[3, "wrens"] = np.nan
    for door in (lambda: mx.fit_em(mx.PMM(2), X), lambda: mx.declare(mx.PMM(2), X)):
        with pytest.raises(mx.InputError, match="row 3, column 'wrens' is NaN or null"):
            door()
    assert {v.name for v in user_model(X).free_RVs} == {"alpha", "rate"}


def test_a_prior_of_another_family_is_refused():
    with pytest.raises(mx.InputError, match="does not go with a PMM; use 'default', None or Gamma"):
        mx.PMM(2, prior=mx.priors.Beta(2, 2))
    with pytest.raises(mx.InputError, match="Gamma: beta must be positive"):
        mx.resolve(mx.PMM(2, prior=mx.priors.Gamma(2, 0)), rows())


def user_model(X):
    with pm.Model(coords={"cluster": range(2), "bird": list(X.columns), "obs": X.index}) as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), dims="cluster")
        rate = pm.Gamma("rate", 2, 0.5, dims=("cluster", "bird"))
        mx.PoissonMixture("x", alpha=alpha, rate=rate, observed=X, dims=("obs", "bird"))
    return model


def test_rows_in_a_users_model_are_scipys(no_c_compiler):
    X = rows(20).to_numpy()
    rv = mx.PoissonMixture.dist([0.3, 0.7], RATES, shape=X.shape)
    expected = scipy_log_likelihood(X, [0.3, 0.7], RATES)
    np.testing.assert_allclose(pm.logp(rv, X).eval(**FAST), expected, rtol=1e-10)
    halves = pm.logp(rv, pt.as_tensor(X + 0.5)).eval(**FAST)
    assert (halves == -np.inf).all()
    assert (pm.logp(rv, -1 - X).eval(**FAST) == -np.inf).all()
    zero = mx.PoissonMixture.dist([0.3, 0.7], RATES * [[0, 1, 1], [1, 1, 1]], shape=X.shape)
    expected = scipy_log_likelihood(X, [0.3, 0.7], RATES * [[0, 1, 1], [1, 1, 1]])
    np.testing.assert_allclose(pm.logp(zero, X).eval(**FAST), expected, rtol=1e-10)


def test_large_counts_keep_their_digits():
    """Two clusters a standard deviation and a half apart, at counts of ten million."""
    rng = np.random.default_rng(0)
    X = rng.poisson(np.array([[1e7], [1e7 + 5e3]])[np.arange(300) % 2]).astype(float)
    em = mx.fit_em(mx.PMM(2), X, random_seed=1)
    assert (np.diff(em.objective_trace) > -1e-10 * abs(em.log_posterior)).all()
    compiled = CompiledModel(mx.declare(em.spec, X))
    value, slope = compiled.value_and_grad(compiled.unconstrain(em.params))
    assert value == pytest.approx(em.log_posterior, rel=1e-9)
    assert (
        np.abs(slope).max() < 1.0
    )  # the slope of a log rate is its number of events, 1.5e9, times its error


def test_draws_are_poisson(no_c_compiler):
    drawn = pm.draw(mx.PoissonMixture.dist([0.25, 0.75], RATES, shape=(4000, 3)), random_seed=1)
    mean = [0.25, 0.75] @ RATES
    variance = mean + [0.25, 0.75] @ RATES**2 - mean**2
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5 * np.sqrt(variance / 4000).max())
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.15)


def test_the_certificate_holds_and_all_is_saved(tmp_path):
    X = rows()
    cc = mx.crosscheck(mx.PMM(2), X, **SHORT)
    assert cc.passed, cc
    assert "rate[0, jays]" in cc.table.index
    mx.save(cc, tmp_path / "cc.mix")
    again = mx.load(tmp_path / "cc.mix")
    assert again.em.spec == cc.em.spec
    np.testing.assert_array_equal(again.em.params["rate"], cc.em.params["rate"])
    page = mx.report(cc, X, progressbar=False)
    assert "independent Poisson count" in page.html
    r = mx.responsibilities(cc.em.spec, X, cc.posterior)
    np.testing.assert_allclose(r["responsibilities"].sum("cluster"), 1)
    checks = mx.predictive_checks(cc.em.spec, X, cc.posterior)
    assert np.isfinite(checks["p"]).all()


def test_a_users_model_is_recognised():
    X = rows()
    cc = mx.crosscheck(user_model(X), **SHORT)
    assert cc.passed, cc


def test_select_and_the_command_line(tmp_path):
    rows(150).to_csv(tmp_path / "counts.csv", index=False)
    few = ["--n-init", 2, "--seed", 1, "--quiet"]
    code, out, err = run("select", tmp_path / "counts.csv", "--model", "pmm", "--max-k", 3, "--json", *few)
    assert (code, err) == (0, "")
    assert json.loads(out)["recommended"] == 2
