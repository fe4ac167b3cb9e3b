"""The PyMC distributions: densities against SciPy, draws, and life inside a user's own model."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pymc as pm
import pytensor.tensor as pt
import pytest
from conftest import in_turn
from pymc.logprob.utils import ParameterValueError
from pymc.model.transform.optimization import freeze_dims_and_data
from scipy import stats
from scipy.special import logit, logsumexp, xlog1py, xlogy
from xarray import DataTree

from mixtures import BernoulliMixture, GaussianMixture, InverseWishart
from mixtures.density.compiled import CompiledModel
from mixtures.distributions.conjugate_normal import ConjugateNormal
from mixtures.distributions.transforms import LogCholesky, Standardise, log_cholesky, log_variance
from mixtures.errors import InputError
from mixtures.families.covariance import COVARIANCES

pytestmark = pytest.mark.usefixtures("no_c_compiler")

FAST = {"mode": "FAST_COMPILE"}
K, D, N = 3, 2, 7


def logp(rv, value):
    return pm.logp(rv, value).eval(**FAST)


def random_covariances(rng, *shape):
    """Positive-definite matrices, ``shape`` ending in the number of features."""
    A = rng.normal(size=(*shape, shape[-1]))
    return A @ A.swapaxes(-1, -2) + np.eye(shape[-1])


def gaussian_parameters(form, rng, k=K, d=D):
    """Keywords of `GaussianMixture` for one way to give the covariances, and the matrices (K, D, D)."""
    Sigma, variances = random_covariances(rng, k, d), rng.uniform(0.5, 2, size=(k, d))
    return {
        "full": ({"Sigma": Sigma}, Sigma),
        "full chol": ({"chol": np.linalg.cholesky(Sigma)}, Sigma),
        "tied": ({"Sigma": Sigma[0]}, np.stack([Sigma[0]] * k)),
        "tied chol": ({"chol": np.linalg.cholesky(Sigma[0])}, np.stack([Sigma[0]] * k)),
        "diag": ({"sigma2": variances}, variances[:, :, None] * np.eye(d)),
        "spherical": ({"sigma2": variances[:, 0]}, variances[:, :1, None] * np.eye(d)),
        "tied diag": ({"sigma2": variances[:1]}, np.stack([np.diag(variances[0])] * k)),
        "scalar": ({"sigma2": 2}, np.stack([2 * np.eye(d)] * k)),
    }[form]


FORMS = ("full", "full chol", "tied", "tied chol", "diag", "spherical", "tied diag", "scalar")


def gaussian_oracle(X, alpha, mu, Sigma):
    """Log density of rows (n, D): SciPy's, summed over clusters."""
    each = [stats.multivariate_normal(m, S).logpdf(X).reshape(len(X)) for m, S in zip(mu, Sigma, strict=True)]
    return logsumexp(np.log(alpha)[:, None] + each, axis=0)


def bernoulli_oracle(X, alpha, p):
    """Log mass of rows (n, D) of zeros and ones."""
    each = [stats.bernoulli(q).logpmf(X).sum(axis=-1) for q in p]
    return logsumexp(np.log(alpha)[:, None] + each, axis=0)


# --- Gaussian mixtures: density


@pytest.mark.parametrize(("k", "d"), [(K, D), (1, D), (K, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("form", FORMS)
def test_gaussian_rows_are_scipys_summed_over_clusters(form, k, d):
    rng = np.random.default_rng(1)
    alpha, mu, X = rng.dirichlet(np.ones(k)), 5 * rng.normal(size=(k, d)), 5 * rng.normal(size=(N, d))
    keywords, Sigma = gaussian_parameters(form, rng, k, d)
    rows = logp(GaussianMixture.dist(alpha, mu, **keywords), X)
    np.testing.assert_allclose(rows, gaussian_oracle(X, alpha, mu, Sigma), rtol=1e-10)


@pytest.mark.parametrize("shape", [(), (2, 4)], ids=["one row", "a batch of batches"])
@pytest.mark.parametrize("form", ["full", "diag"])
def test_gaussian_values_of_any_batch_shape(form, shape):
    rng = np.random.default_rng(2)
    alpha, mu, X = rng.dirichlet(np.ones(K)), rng.normal(size=(K, D)), rng.normal(size=(*shape, D))
    keywords, Sigma = gaussian_parameters(form, rng)
    rows = logp(GaussianMixture.dist(alpha, mu, **keywords), X)
    assert rows.shape == shape
    np.testing.assert_allclose(rows.ravel(), gaussian_oracle(X.reshape(-1, D), alpha, mu, Sigma), rtol=1e-10)


@in_turn(("form", "varying"), FORMS, ["all", "alpha", "mu", "covariances"], str)
def test_gaussian_parameters_that_vary_by_row(form, varying):
    rng = np.random.default_rng(3)
    X, alpha, mu = rng.normal(size=(N, D)), rng.dirichlet(np.ones(K)), rng.normal(size=(K, D))
    keywords, Sigma = gaussian_parameters(form, rng)
    Sigmas = [Sigma] * N
    if varying in ("alpha", "all"):
        alpha = rng.dirichlet(np.ones(K), size=N)
    if varying in ("mu", "all"):
        mu = rng.normal(size=(N, K, D))
    if varying in ("covariances", "all"):
        factors = rng.uniform(1, 2, size=N)
        Sigmas = [factor * Sigma for factor in factors]
        by_row = np.stack(Sigmas)
        (name,) = keywords
        keywords = {
            "Sigma": {"Sigma": by_row},
            "chol": {"chol": np.linalg.cholesky(by_row)},
            "sigma2": {"sigma2": np.diagonal(by_row, axis1=-2, axis2=-1)},
        }[name]
    rows = logp(GaussianMixture.dist(alpha, mu, **keywords), X)
    alphas, mus = np.broadcast_to(alpha, (N, K)), np.broadcast_to(mu, (N, K, D))
    expected = [gaussian_oracle(X[[i]], alphas[i], mus[i], Sigmas[i])[0] for i in range(N)]
    np.testing.assert_allclose(rows, expected, rtol=1e-10)


def test_as_many_clusters_as_features_do_not_confuse_the_covariances():
    """A stack (K, D, D) beside mu (n, K, D), and sigma2 (K, D), are by cluster also when n = K = D."""
    rng = np.random.default_rng(4)
    alpha, mu, X = rng.dirichlet(np.ones(2)), rng.normal(size=(2, 2, 2)), rng.normal(size=(2, 2))
    for form in ("full", "diag"):
        keywords, Sigma = gaussian_parameters(form, rng, 2, 2)
        rows = logp(GaussianMixture.dist(alpha, mu, **keywords), X)
        expected = [gaussian_oracle(X[[i]], alpha, mu[i], Sigma)[0] for i in range(2)]
        np.testing.assert_allclose(rows, expected, rtol=1e-10)


@pytest.mark.parametrize("form", ["full", "diag"])
def test_gaussian_keeps_its_digits_far_from_the_origin(form):
    rng = np.random.default_rng(5)
    scale, offset = np.array([1e-6, 1e6]), np.array([1e3, 1e15])
    alpha, mu, X = rng.dirichlet(np.ones(K)), rng.normal(size=(K, D)), rng.normal(size=(N, D))
    keywords, Sigma = gaussian_parameters(form, rng)
    ((name, value),) = keywords.items()
    stretched = {name: value * (np.outer(scale, scale) if name == "Sigma" else scale**2)}
    moved, means = X * scale + offset, mu * scale + offset
    rows = logp(GaussianMixture.dist(alpha, means, **stretched), moved)
    expected = gaussian_oracle((moved - offset) / scale, alpha, (means - offset) / scale, Sigma)
    np.testing.assert_allclose(rows, expected - np.log(scale).sum(), rtol=1e-9)


def test_an_empty_cluster_adds_nothing():
    X, mu = np.random.default_rng(6).normal(size=(N, D)), np.zeros((2, D))
    alone = logp(GaussianMixture.dist([1.0], mu[:1], sigma2=1.0), X)
    np.testing.assert_allclose(logp(GaussianMixture.dist([1.0, 0.0], mu, sigma2=1.0), X), alone, rtol=1e-12)


# --- Bernoulli mixtures: density


@pytest.mark.parametrize(("k", "d"), [(K, 4), (1, 4), (K, 1), (1, 1)])
def test_bernoulli_rows_are_scipys_summed_over_clusters(k, d):
    rng = np.random.default_rng(1)
    alpha, p, X = rng.dirichlet(np.ones(k)), rng.uniform(size=(k, d)), rng.integers(0, 2, size=(N, d))
    np.testing.assert_allclose(
        logp(BernoulliMixture.dist(alpha, p), X), bernoulli_oracle(X, alpha, p), rtol=1e-10
    )


@pytest.mark.parametrize("shape", [(), (2, 4)], ids=["one row", "a batch of batches"])
def test_bernoulli_values_of_any_batch_shape(shape):
    rng = np.random.default_rng(2)
    alpha, p, X = rng.dirichlet(np.ones(K)), rng.uniform(size=(K, D)), rng.integers(0, 2, size=(*shape, D))
    rows = logp(BernoulliMixture.dist(alpha, p), X)
    assert rows.shape == shape
    np.testing.assert_allclose(rows.ravel(), bernoulli_oracle(X.reshape(-1, D), alpha, p), rtol=1e-10)


@pytest.mark.parametrize("varying", ["alpha", "p", "both"])
def test_bernoulli_parameters_that_vary_by_row(varying):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, size=(N, D))
    alphas, ps = rng.dirichlet(np.ones(K), size=N), rng.uniform(size=(N, K, D))
    alpha, p = alphas if varying != "p" else alphas[0], ps if varying != "alpha" else ps[0]
    rows = logp(BernoulliMixture.dist(alpha, p), X)
    alphas, ps = np.broadcast_to(alpha, (N, K)), np.broadcast_to(p, (N, K, D))
    expected = [bernoulli_oracle(X[[i]], alphas[i], ps[i])[0] for i in range(N)]
    np.testing.assert_allclose(rows, expected, rtol=1e-10)


def test_bernoulli_at_certain_features():
    """At p = 0 and p = 1 rows are possible, with SciPy's mass, or impossible: never NaN."""
    alpha, p = np.array([0.3, 0.7]), np.array([[0.0, 1.0, 0.5], [0.0, 0.2, 0.3]])
    X = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]])
    rows = logp(BernoulliMixture.dist(alpha, p), X)
    each = [(xlogy(X, q) + xlog1py(1 - X, -q)).sum(axis=1) for q in p]
    expected = logsumexp(np.log(alpha)[:, None] + each, axis=0)
    np.testing.assert_allclose(rows[:2], expected[:2], rtol=1e-12)
    assert np.isneginf(expected[2:]).all()
    assert (rows[2:] < -1e299).all()
    assert (np.exp(rows[2:]) == 0).all()


@pytest.mark.parametrize("log_odds", [-50.0, 50.0])
def test_bernoulli_keeps_value_and_gradient_as_p_rounds_to_0_or_1(log_odds):
    """``log(sigmoid(x))`` is rewritten stably, so the density does not see that sigmoid(50) == 1."""
    X = np.array([[0, 1], [1, 0], [0, 0]])
    with pm.Model() as model:
        p = pm.Beta("p", 1, 1, shape=(2, 2))
        BernoulliMixture("x", [0.4, 0.6], p, observed=X)
    value, gradient = CompiledModel(model).value_and_grad(np.full(4, log_odds))
    wrong = X.size - X.sum() if log_odds > 0 else X.sum()
    np.testing.assert_allclose(value, -50 * wrong, rtol=1e-12)
    np.testing.assert_allclose(gradient.sum(), -np.sign(log_odds) * wrong, rtol=1e-12)


def test_bernoulli_gradient_inside_is_the_score():
    rng = np.random.default_rng(4)
    alpha, p, X = (
        rng.dirichlet(np.ones(2)),
        rng.uniform(0.1, 0.9, size=(2, D)),
        rng.integers(0, 2, size=(N, D)),
    )
    with pm.Model() as model:
        BernoulliMixture("x", alpha, pm.Beta("p", 1, 1, shape=(2, D)), observed=X)
    _, gradient = CompiledModel(model).value_and_grad(logit(p).ravel())
    joint = np.log(alpha)[:, None] + [stats.bernoulli(q).logpmf(X).sum(axis=-1) for q in p]
    r = np.exp(joint - logsumexp(joint, axis=0))
    np.testing.assert_allclose(gradient.reshape(2, D), r @ X - r.sum(axis=1)[:, None] * p, rtol=1e-10)


# --- Mixtures: what is refused


def test_exactly_one_covariance():
    alpha, mu = [0.5, 0.5], np.zeros((2, 2))
    for keywords in ({}, {"Sigma": np.eye(2), "sigma2": 1.0}, {"Sigma": np.eye(2), "chol": np.eye(2)}):
        with pytest.raises(ValueError, match="exactly one of Sigma, chol and sigma2"):
            GaussianMixture.dist(alpha, mu, **keywords)


def test_means_need_a_feature_axis():
    with pytest.raises(ValueError, match=r"mu\[:, None\]"):
        GaussianMixture.dist([0.5, 0.5], [0.0, 1.0], sigma2=1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianMixture.dist(np.ones(3) / 3, np.zeros((2, 2)), Sigma=np.eye(2)),
        lambda: GaussianMixture.dist(np.ones(2) / 2, np.zeros((2, 2)), Sigma=np.stack([np.eye(2)] * 3)),
        lambda: BernoulliMixture.dist(np.ones(3) / 3, np.full((2, 4), 0.5)),
    ],
)
def test_parameters_that_disagree_on_the_clusters(make):
    with pytest.raises(ValueError, match=r"axis k has length \d here and \d there"):
        make()


@pytest.mark.parametrize("keywords", [{"sigma2": 1.0}, {"Sigma": np.eye(3)}], ids=["diag", "full"])
def test_rows_of_another_width_do_not_broadcast(keywords):
    rv = GaussianMixture.dist(np.ones(2) / 2, np.zeros((2, 3)), **keywords)
    with pytest.raises(ValueError, match="axis d has length 3 here and 1 there"):
        pm.logp(rv, np.zeros((N, 1)))
    with pytest.raises(AssertionError, match="SpecifyShape"):  # a width known only when it runs
        pm.logp(rv, pt.matrix("x")).eval({"x": np.zeros((N, 1))}, **FAST)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BernoulliMixture.dist([0.4, 0.6], [0.2, 0.3]), r"1 axes and needs \(k,d\)"),
        (lambda: GaussianMixture.dist(0.5, np.zeros((2, 3)), sigma2=1.0), r"0 axes and needs \(k\)"),
        (
            lambda: GaussianMixture.dist([0.4, 0.6], np.zeros((2, 3)), sigma2=np.ones(3)),
            r"sigma2 must have shape .* \(1, D\)",
        ),
        (lambda: GaussianMixture.dist([0.4, 0.6], np.zeros((2, 3)), np.eye(2)), "Sigma or chol must have"),
        (lambda: GaussianMixture.dist([1.0], np.zeros((1, 2)), np.array([[2.0, 0], [1, 2]])), "symmetric"),
        (lambda: GaussianMixture.dist([1.0], np.zeros((1, 2)), [[2.0, 0], [1, 2]]), "symmetric"),
        (
            lambda: GaussianMixture.dist([1.0], np.zeros((1, 2)), chol=pt.constant([[2.0, 1], [0, 2]])),
            "lower",
        ),
        (
            lambda: GaussianMixture.dist([1.0], np.zeros((1, 2)), chol=np.array([[2.0, 1], [0, 2]])),
            "lower triangular",
        ),
        (
            lambda: GaussianMixture.dist([1.0], np.zeros((1, 2)), 1e-9 * np.array([[2.0, 0], [1, 2]])),
            "symmetric",
        ),
        (
            lambda: pm.logp(
                GaussianMixture.dist([1.0], np.zeros((1, 3)), np.ones((1, 3, 4))), np.ones((2, 3))
            ),
            "axis d has length",
        ),
        (
            lambda: pm.logp(
                GaussianMixture.dist(np.full((5, 2), 0.5), np.zeros((2, 3)), sigma2=1.0), np.ones((6, 3))
            ),
            "varies over 5 rows, and there are 6",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_told_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_row_has_a_density_under_the_parameters_of_every_row():
    alpha = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    logp = pm.logp(BernoulliMixture.dist(alpha, [[0.1], [0.6]]), np.ones((1, 1)))
    np.testing.assert_allclose(np.exp(logp.eval(**FAST)), [0.5, 0.35, 0.1])


@pytest.mark.parametrize("alpha", [[0.3, 0.3], [-0.5, 1.5]])
@pytest.mark.parametrize("by_row", [False, True])
def test_weights_that_are_no_weights(alpha, by_row):
    alpha = np.array([alpha] * N) if by_row else alpha
    with pytest.raises(ParameterValueError, match="alpha >= 0, sum"):
        logp(BernoulliMixture.dist(alpha, np.full((2, D), 0.5)), np.zeros((N, D), int))


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, list], ids=["numpy", "pandas", "list"])
@pytest.mark.parametrize(
    ("cell", "mixture", "message"),
    [
        (np.inf, GaussianMixture, "row 1, column {} is infinite"),
        (-np.inf, BernoulliMixture, "row 1, column {} is infinite"),
        (0.5, BernoulliMixture, "row 1, column {}: not 0 or 1"),
        (2, BernoulliMixture, "row 1, column {}: not 0 or 1"),
    ],
)
def test_bad_cells_are_named_before_pymc_sees_them(container, cell, mixture, message):
    X = np.zeros((3, 2))
    X[1, 1] = cell
    column = "'1'" if container is pd.DataFrame else "'x1'"
    parameters = {
        GaussianMixture: {"mu": np.zeros((2, 2)), "sigma2": 1.0},
        BernoulliMixture: {"p": np.full((2, 2), 0.5)},
    }[mixture]
    with pm.Model() as model, pytest.raises(InputError, match=message.format(column)):
        mixture("x", [0.5, 0.5], **parameters, observed=container(X))
    assert not model.basic_RVs


@pytest.mark.parametrize(
    "container",
    [
        np.asarray,
        lambda X: X.tolist(),
        pd.DataFrame,
        lambda X: pl.DataFrame(X.tolist(), orient="row"),
        pm.Data,
    ],
    ids=["numpy", "list", "pandas", "polars", "pm.Data"],
)
@pytest.mark.parametrize("dtype", [bool, int, float])
def test_observed_tables_of_any_kind(container, dtype):
    X = np.array([[0, 1], [1, 1], [0, 0]], dtype=dtype)
    alpha, mu = np.array([0.4, 0.6]), np.array([[0.1, 0.2], [0.6, 0.9]])
    with pm.Model() as model:
        observed = container("data", X) if container is pm.Data else container(X)
        GaussianMixture("x", alpha, mu, sigma2=1.0, observed=observed)
        BernoulliMixture("y", alpha, mu, observed=observed)
    rows = dict(zip("xy", model.compile_logp(sum=False, **FAST)({}), strict=True))
    np.testing.assert_allclose(
        rows["x"], gaussian_oracle(X, alpha, mu, np.stack([np.eye(2)] * 2)), rtol=1e-10
    )
    np.testing.assert_allclose(rows["y"], bernoulli_oracle(X, alpha, mu), rtol=1e-10)


def test_a_frame_is_checked_whatever_its_columns_are_called():
    frame = pd.DataFrame(
        {"owner": [0.0, np.inf], "type": [1.0, 2.0]}
    )  # a PyTensor variable has these attributes
    with pm.Model(), pytest.raises(InputError, match="row 1, column 'owner' is infinite"):
        GaussianMixture("x", [0.5, 0.5], np.zeros((2, 2)), sigma2=1.0, observed=frame)


# --- Mixtures: draws


def draw(rv, seed=1, draws=1):
    return pm.draw(rv, draws=draws, random_seed=seed, **FAST)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ({}, (D,)),
        ({"size": 5}, (5, D)),
        ({"size": (4, 5)}, (4, 5, D)),
        ({"shape": (5, D)}, (5, D)),
        ({"shape": (0, D)}, (0, D)),
    ],
)
def test_draws_have_the_shape_asked_for(size, shape):
    alpha, mu = np.ones(K) / K, np.full((K, D), 0.5)
    for rv in (
        GaussianMixture.dist(alpha, mu, np.eye(D), **size),
        GaussianMixture.dist(alpha, mu, sigma2=1.0, **size),
        BernoulliMixture.dist(alpha, mu, **size),
    ):
        assert draw(rv).shape == shape
        assert draw(rv, draws=2).shape == (2, *shape)


@pytest.mark.parametrize("size", [{}, {"size": (4, 3)}], ids=["own batch", "larger batch"])
def test_draws_with_parameters_that_vary_by_row(size):
    """Row i has its own weights (it is of cluster i for sure) and its own means."""
    alpha = np.eye(3)
    mu = 100.0 * np.arange(3)[:, None, None] + 10.0 * np.arange(3)[:, None] + np.zeros(D)
    expected = np.broadcast_to((110.0 * np.arange(3))[:, None], (*size.get("size", (3,)), D))
    chol = 1e-3 * np.eye(D)
    np.testing.assert_allclose(draw(GaussianMixture.dist(alpha, mu, chol=chol, **size)), expected, atol=0.01)
    np.testing.assert_allclose(
        draw(GaussianMixture.dist(alpha, mu, sigma2=1e-6, **size)), expected, atol=0.01
    )
    p = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(
        draw(BernoulliMixture.dist(alpha, p, **size)), np.broadcast_to(p, expected.shape)
    )


@pytest.mark.parametrize("form", FORMS)
def test_gaussian_draws_have_the_moments_of_every_cluster(form):
    n, rng = 20_000, np.random.default_rng(1)
    alpha, mu = np.array([0.0, 0.3, 0.7]), 100.0 * np.array([[0, 0], [1, 0], [0, 1]])
    keywords, Sigma = gaussian_parameters(form, rng)
    X = draw(GaussianMixture.dist(alpha, mu, **keywords, size=n))
    z = ((X[:, None, :] - mu) ** 2).sum(axis=-1).argmin(axis=1)
    counts = np.bincount(z, minlength=3)
    np.testing.assert_allclose(counts / n, alpha, atol=5 * np.sqrt(0.21 / n))
    assert counts[0] == 0
    for k in (1, 2):
        spread = np.sqrt(np.diag(Sigma[k]) / counts[k])
        np.testing.assert_array_less(np.abs(X[z == k].mean(axis=0) - mu[k]), 5 * spread)
        np.testing.assert_allclose(
            np.cov(X[z == k].T), Sigma[k], atol=7 * Sigma[k].max() * np.sqrt(2 / counts[k])
        )


def test_bernoulli_draws_share_their_cluster_along_a_row():
    n, alpha = 20_000, np.array([0.3, 0.7])
    p = np.array([[0.9, 0.8], [0.1, 0.2]])
    X = draw(BernoulliMixture.dist(alpha, p, size=n))
    assert X.dtype == np.int64
    frequency = np.bincount(X[:, 0] * 2 + X[:, 1], minlength=4) / n
    patterns = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_allclose(
        frequency, np.exp(bernoulli_oracle(patterns, alpha, p)), atol=5 * 0.5 / np.sqrt(n)
    )


def test_draws_repeat_with_the_seed():
    rv = GaussianMixture.dist(np.ones(2) / 2, np.zeros((2, D)), np.eye(D), size=4)
    np.testing.assert_array_equal(draw(rv, seed=3), draw(rv, seed=3))
    assert (draw(rv, seed=3) != draw(rv, seed=4)).all()


# --- The priors


@pytest.mark.parametrize("d", [1, 2, 3])
def test_inverse_wishart_density_is_scipys(d):
    rng = np.random.default_rng(1)
    Psi, Sigma, nu = random_covariances(rng, d), random_covariances(rng, 4, d), d + 1.5
    expected = [stats.invwishart(nu, Psi).logpdf(S) for S in Sigma]
    np.testing.assert_allclose(
        logp(InverseWishart.dist(nu, Psi, shape=(4, d, d)), Sigma), expected, rtol=1e-10
    )


def test_inverse_wishart_with_batched_hyperparameters():
    rng = np.random.default_rng(2)
    nu, Psi, Sigma = np.array([3.0, 4.5]), random_covariances(rng, 2, D), random_covariances(rng, 2, D)
    expected = [stats.invwishart(*theta).logpdf(S) for *theta, S in zip(nu, Psi, Sigma, strict=True)]
    np.testing.assert_allclose(logp(InverseWishart.dist(nu, Psi), Sigma), expected, rtol=1e-10)


def test_inverse_wishart_outside_its_support():
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert np.isneginf(logp(InverseWishart.dist(4.0, np.eye(2)), indefinite))
    with pytest.raises(ParameterValueError, match="nu > D - 1"):
        logp(InverseWishart.dist(1.0, np.eye(2)), np.eye(2))


@pytest.mark.parametrize("size", [{"size": 20_000}, {"shape": (20_000, D, D)}])
def test_inverse_wishart_draws(size):
    """Mean, and the spread of the whole matrix through its log determinant."""
    nu, Psi = 12.0, random_covariances(np.random.default_rng(3), D)
    Sigma = draw(InverseWishart.dist(nu, Psi, **size))
    assert Sigma.shape == (20_000, D, D)
    np.testing.assert_allclose(Sigma, Sigma.swapaxes(-1, -2), rtol=1e-12)
    error = Sigma.std(axis=0) / np.sqrt(20_000)
    np.testing.assert_array_less(np.abs(Sigma.mean(axis=0) - Psi / (nu - D - 1)), 5 * error)
    theirs = stats.invwishart(nu, Psi).rvs(20_000, random_state=np.random.default_rng(4))
    assert stats.ks_2samp(np.linalg.slogdet(Sigma)[1], np.linalg.slogdet(theirs)[1]).pvalue > 1e-4
    assert stats.ks_2samp(Sigma[:, 0, 1], theirs[:, 0, 1]).pvalue > 1e-4


def test_inverse_wishart_draws_of_batched_hyperparameters():
    nu, Psi = np.array([[30.0], [60.0]]), np.stack([np.eye(D), 4 * np.eye(D), 9 * np.eye(D)])
    Sigma = draw(InverseWishart.dist(nu, Psi), draws=500)
    assert Sigma.shape == (500, 2, 3, D, D)
    mean = np.array([1, 4, 9]) / (np.array([[30.0], [60.0]]) - D - 1)
    np.testing.assert_allclose(Sigma.mean(axis=0), mean[..., None, None] * np.eye(D), rtol=0.1, atol=0.05)


@pytest.mark.parametrize("d", [1, 3])
def test_inverse_wishart_as_a_users_prior(d):
    with pm.Model() as model:
        Sigma = InverseWishart("Sigma", nu=d + 2.0, Psi=2 * np.eye(d), shape=(K, d, d))
    assert isinstance(model.rvs_to_transforms[Sigma], LogCholesky)
    assert [value.type.shape for value in model.value_vars] == [(K, d * (d + 1) // 2)]
    assert model.str_repr().startswith("Sigma ~ InverseWishart(")
    compiled = CompiledModel(model)
    start = compiled.constrain(np.concatenate([np.ravel(v) for v in model.initial_point().values()]))["Sigma"]
    np.testing.assert_allclose(start, np.stack([2 * np.eye(d) / (2 * d + 3)] * K), atol=1e-12)
    value, gradient = compiled.value_and_grad(compiled.unconstrain({"Sigma": start}))
    np.testing.assert_allclose(value, K * stats.invwishart(d + 2, 2 * np.eye(d)).logpdf(start[0]), rtol=1e-10)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)  # the support point is the mode


def test_inverse_wishart_with_a_scale_whose_size_is_data():
    with pm.Model() as model:
        InverseWishart("Sigma", 4.0, pm.Data("Psi", np.eye(D)))
    mode = np.eye(D) / (4 + D + 1)
    assert model.compile_logp(jacobian=False, **FAST)(model.initial_point()) == pytest.approx(
        stats.invwishart(4, np.eye(D)).logpdf(mode)
    )


def test_conjugate_normal_density_is_scipys():
    rng = np.random.default_rng(1)
    mean, kappa, Sigma, mu = rng.normal(size=D), 3.0, random_covariances(rng, K, D), rng.normal(size=(K, D))
    expected = [stats.multivariate_normal(mean, S / kappa).logpdf(m) for m, S in zip(mu, Sigma, strict=True)]
    rv = ConjugateNormal.dist(mean, np.linalg.cholesky(Sigma), kappa)
    np.testing.assert_allclose(logp(rv, mu), expected, rtol=1e-10)
    tied = ConjugateNormal.dist(mean, np.linalg.cholesky(Sigma[0]), kappa, shape=(K, D))
    expected = stats.multivariate_normal(mean, Sigma[0] / kappa).logpdf(mu)
    np.testing.assert_allclose(logp(tied, mu), expected, rtol=1e-10)


@pytest.mark.parametrize("tied", [False, True])
def test_conjugate_normal_draws(tied):
    n, rng = 20_000, np.random.default_rng(2)
    mean, kappa, Sigma = np.array([1.0, -2.0]), 4.0, random_covariances(rng, 2, D)
    chol = np.linalg.cholesky(Sigma[0] if tied else Sigma)
    mu = draw(ConjugateNormal.dist(mean, chol, kappa, shape=(n, 2, D)))
    assert mu.shape == (n, 2, D)
    for k in range(2):
        expected = Sigma[0 if tied else k] / kappa
        np.testing.assert_array_less(np.abs(mu[:, k].mean(axis=0) - mean), 5 * np.sqrt(np.diag(expected) / n))
        np.testing.assert_allclose(np.cov(mu[:, k].T), expected, atol=7 * expected.max() * np.sqrt(2 / n))
    assert abs(np.corrcoef(mu[:, 0, 0], mu[:, 1, 0])[0, 1]) < 5 / np.sqrt(n)  # clusters are drawn apart


# --- The transforms


@pytest.mark.parametrize(
    ("transform", "value"),
    [
        (Standardise([1.0, 1e6], [2.0, 1e-3]), np.array([[3.0, 1e6], [4.0, 1e6 + 2e-3]])),
        (log_variance(np.array([3.0, 1e-4])), np.array([[3.0, 1e-8], [4.0, 2e-8]])),
        (log_cholesky(np.array([2.0])), np.array([[[3.0]], [[4.0]]])),
        (log_cholesky(np.array([2.0, 1e-3])), np.array([[[4.0, 1e-3], [1e-3, 2e-6]], [[9.0, 0], [0, 1e-6]]])),
    ],
    ids=["mean", "variance", "matrix 1", "matrix 2"],
)
def test_transforms_return_and_are_of_order_one(transform, value):
    forward = transform.forward(pt.constant(value))
    unconstrained = forward.eval(**FAST)
    assert forward.type.shape == unconstrained.shape
    assert np.abs(unconstrained).max() < 3
    np.testing.assert_allclose(transform.backward(pt.constant(unconstrained)).eval(**FAST), value, rtol=1e-9)


# --- Inside a user's own model

TIMES = np.linspace(-1, 1, 6)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, D)), rng.integers(0, 2, size=(6, D))


@pytest.fixture(scope="module")
def user_model(rows):
    """Priors that are not conjugate, weights that depend on a covariate and on a hyperparameter."""
    X, Y = rows
    coords = {"cluster": ["a", "b"], "feature": ["u", "v"], "obs": np.arange(6)}
    with pm.Model(coords=coords) as model:
        times = pm.Data("times", TIMES, dims="obs")
        spread = pm.HalfNormal("spread", 1)
        slope = pm.Normal("slope", 0, spread, dims="cluster")
        mu = pm.Normal("mu", 0, 3, dims=("cluster", "feature"))
        sd = pm.HalfNormal("sd", 2, dims=("cluster", "feature"))
        p = pm.Uniform("p", 0.1, 0.9, dims=("cluster", "feature"))
        alpha = pm.Dirichlet("alpha", np.ones(2), dims="cluster")
        by_time = pm.math.softmax(times[:, None] * slope, axis=-1)
        GaussianMixture("x", alpha=by_time, mu=mu, sigma2=sd**2, observed=X, dims=("obs", "feature"))
        BernoulliMixture("y", alpha=alpha, p=p, observed=Y, dims=("obs", "feature"))
    return model


@pytest.fixture(scope="module")
def prior(user_model):
    return pm.sample_prior_predictive(3, model=user_model, random_seed=1, compile_kwargs=FAST)


@pytest.fixture
def draws(prior):
    """A posterior of three draws: the prior's."""
    return DataTree.from_dict({"posterior": prior["prior"].to_dataset()})


def test_prior_predictive(prior):
    assert prior["prior_predictive"]["x"].dims == ("chain", "draw", "obs", "feature")
    y = prior["prior_predictive"]["y"].values
    assert y.shape == (1, 3, 6, D)
    assert set(np.unique(y)) <= {0, 1}


def test_posterior_predictive_for_new_rows(user_model, draws):
    with user_model:
        pm.set_data({"times": [0.0, 1.0]}, coords={"obs": [10, 11]})
        try:
            new = pm.sample_posterior_predictive(
                draws, predictions=True, random_seed=1, progressbar=False, compile_kwargs=FAST
            )
        finally:
            pm.set_data({"times": TIMES}, coords={"obs": np.arange(6)})
    for name in "xy":
        assert new["predictions"][name].dims == ("chain", "draw", "obs", "feature")
        assert new["predictions"][name].shape == (1, 3, 2, D)


def test_log_likelihood_has_one_value_a_row(user_model, draws, rows):
    log_likelihood = pm.compute_log_likelihood(
        draws, model=user_model, extend_inferencedata=False, progressbar=False, compile_kwargs=FAST
    )
    posterior, (X, Y) = draws["posterior"].isel(chain=0, draw=1), rows
    for name in "xy":
        assert log_likelihood[name].dims == ("chain", "draw", "obs")
    log_odds = TIMES[:, None] * posterior["slope"].values
    alpha = np.exp(log_odds - logsumexp(log_odds, axis=1, keepdims=True))
    Sigma = posterior["sd"].values[:, :, None] ** 2 * np.eye(D)
    x = [gaussian_oracle(X[[i]], alpha[i], posterior["mu"].values, Sigma)[0] for i in range(6)]
    y = bernoulli_oracle(Y, posterior["alpha"].values, posterior["p"].values)
    np.testing.assert_allclose(log_likelihood["x"].values[0, 1], x, rtol=1e-10)
    np.testing.assert_allclose(log_likelihood["y"].values[0, 1], y, rtol=1e-10)


def test_gradient_of_a_users_model(user_model):
    """PyTensor's own gradient, which find_MAP and pm.sample use, is JAX's."""
    start = user_model.initial_point()
    gradient = user_model.compile_dlogp(**FAST)(start)
    compiled = CompiledModel(user_model)
    x = np.concatenate([np.ravel(start[v.name]) for v in user_model.value_vars])
    value, jax_gradient = compiled.value_and_grad(x, jacobian=True)
    assert value == pytest.approx(float(user_model.compile_logp(**FAST)(start)), rel=1e-12)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient, jax_gradient, rtol=1e-9, atol=1e-12)


def test_printing_names_the_distributions(user_model):
    text = user_model.str_repr()
    assert "x ~ GaussianMixture(" in text
    assert "y ~ BernoulliMixture(alpha, p)" in text
    assert r"\operatorname{BernoulliMixture}" in user_model.str_repr(formatting="latex")


def test_do_and_frozen_models(user_model):
    start = user_model.initial_point()
    rows = user_model.compile_logp(vars=user_model["y"], sum=False, **FAST)(start)[0]
    frozen = freeze_dims_and_data(user_model)
    np.testing.assert_allclose(
        frozen.compile_logp(vars=frozen["y"], sum=False, **FAST)(start)[0], rows, rtol=1e-12
    )
    set_p = pm.do(user_model, {"p": np.full((2, D), 0.5)})
    assert "p" not in [v.name for v in set_p.free_RVs]
    half = set_p.compile_logp(vars=set_p["y"], sum=False, **FAST)(set_p.initial_point())[0]
    np.testing.assert_allclose(half, D * np.log(0.5), rtol=1e-12)


@pytest.fixture(scope="module")
def latent_model():
    """Mixture variables that nobody observed."""
    with pm.Model() as model:
        GaussianMixture("x", [0.3, 0.7], [[0.0], [5.0]], sigma2=1.0, shape=(4, 1))
        BernoulliMixture("y", [0.3, 0.7], [[0.9, 0.2], [0.1, 0.8]], shape=(4, 2))
    return model


def test_unobserved_mixtures_start_at_their_centre(latent_model):
    start = latent_model.initial_point()
    np.testing.assert_allclose(start["x"], np.full((4, 1), 3.5))
    np.testing.assert_array_equal(start["y"], np.tile([0, 1], (4, 1)))
    assert np.isfinite(latent_model.compile_logp(**FAST)(start))


def test_observing_later(latent_model):
    X, Y = np.linspace(0, 3, 4)[:, None], np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    observed = pm.observe(latent_model, {"x": X, "y": Y})
    assert not observed.free_RVs
    rows = dict(
        zip(
            [v.name for v in observed.observed_RVs], observed.compile_logp(sum=False, **FAST)({}), strict=True
        )
    )
    alpha = np.array([0.3, 0.7])
    np.testing.assert_allclose(
        rows["x"], gaussian_oracle(X, alpha, [[0.0], [5.0]], np.ones((2, 1, 1))), rtol=1e-10
    )
    np.testing.assert_allclose(rows["y"], bernoulli_oracle(Y, alpha, [[0.9, 0.2], [0.1, 0.8]]), rtol=1e-10)


@pytest.mark.parametrize(
    "structure",
    [
        *(pytest.param(x, marks=() if x == "full" else pytest.mark.long) for x in COVARIANCES),
        "bernoulli",
    ],
)
def test_jax_compiles_shapes_that_come_from_dims_alone(structure):
    """Dims may change length, so their shapes are symbolic; JAX must still find every shape static."""
    X = np.random.default_rng(0).normal(size=(6, D))
    coords = {"cluster": range(2), "feature": range(D), "feature_bis": range(D), "obs": range(6)}
    matrix = ("feature", "feature_bis")
    with pm.Model(coords=coords) as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), dims="cluster")
        if structure == "bernoulli":
            p = pm.Beta("p", 2, 2, dims=("cluster", "feature"))
            BernoulliMixture("x", alpha, p, observed=X > 0, dims=("obs", "feature"))
        else:
            mu = pm.Normal("mu", dims=("cluster", "feature"))
            covariances = {
                "full": lambda: {"Sigma": InverseWishart("Sigma", 4, np.eye(D), dims=("cluster", *matrix))},
                "tied": lambda: {"Sigma": InverseWishart("Sigma", 4, np.eye(D), dims=matrix)},
                "diag": lambda: {"sigma2": pm.InverseGamma("sigma2", 2, 1, dims=("cluster", "feature"))},
                "spherical": lambda: {"sigma2": pm.InverseGamma("sigma2", 2, 1, dims="cluster")},
                "tied_diag": lambda: {"sigma2": pm.InverseGamma("sigma2", 2, 1, dims="feature")[None]},
                "tied_spherical": lambda: {"sigma2": pm.InverseGamma("sigma2", 2, 1)},
            }[structure]()
            GaussianMixture("x", alpha, mu, **covariances, observed=pm.Data("X", X), dims=("obs", "feature"))
    start = model.initial_point()
    x = np.concatenate([np.ravel(start[v.name]) for v in model.value_vars])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping")  # PyTensor's shape assertions, which XLA does not need
        value, gradient = CompiledModel(model).value_and_grad(x, jacobian=True)
    assert value == pytest.approx(float(model.compile_logp(**FAST)(start)), rel=1e-12)
    assert np.isfinite(gradient).all()
