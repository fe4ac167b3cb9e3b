"""Variances shared by the clusters: tied_diag and tied_spherical, mclust's EEI and EII."""

import json

import numpy as np
import pytest
from command import run
from scipy import optimize, stats
from scipy.special import logsumexp, softmax

import mixtures as mx

SHORT = {"draws": 150, "tune": 200, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}
every_tied = pytest.mark.parametrize("structure", ["tied_diag", "tied_spherical"])


def rows(n=80, d=2, seed=0):
    """Two clusters of one shape that overlap."""
    rng = np.random.default_rng(seed)
    return 2.5 * (np.arange(n)[:, None] % 2) + rng.normal(size=(n, d)) * np.linspace(1, 0.5, d)


def unpacked(x, shape):
    """Weights (2,), means (2, 2) and standard deviations, of ``shape``, from free numbers."""
    return softmax([x[0], 0.0]), x[1:5].reshape(2, 2), np.exp(x[5:]).reshape(shape)


def log_likelihood(x, X, shape):
    """By SciPy's density, the clusters summed out."""
    alpha, mu, sd = unpacked(x, shape)
    each = [stats.norm(m, sd).logpdf(X).sum(axis=1) for m in mu]
    return logsumexp(np.log(alpha)[:, None] + each, axis=0).sum()


@pytest.mark.parametrize(("structure", "shape"), [("tied_diag", (2,)), ("tied_spherical", ())])
def test_maximum_likelihood_is_what_scipy_finds(structure, shape):
    X = rows()
    em = mx.fit_em(mx.GMM(2, covariance_type=structure, prior=None), X, random_seed=1, tol=1e-9)
    start = np.concatenate([[0.3], 2.5 * np.repeat([0, 1], 2) + 0.2, np.zeros(int(np.prod(shape)))])
    found = optimize.minimize(lambda x: -log_likelihood(x, X, shape), start, method="BFGS", tol=1e-8)
    assert em.log_likelihood == pytest.approx(-found.fun, abs=1e-7)
    alpha, mu, sd = unpacked(found.x, shape)
    order = np.argsort(em.params["mu"][:, 0])
    np.testing.assert_allclose(em.params["alpha"][order], alpha, atol=1e-4)
    np.testing.assert_allclose(em.params["mu"][order], mu, atol=1e-4)
    np.testing.assert_allclose(em.params["sigma2"], sd**2, atol=1e-4)
    assert em.params["sigma2"].shape == shape


@every_tied
@pytest.mark.parametrize("prior", ["default", None])
def test_with_one_column_it_is_the_tied_model(structure, prior):
    X = rows(d=1)
    ours, theirs = (
        mx.fit_em(mx.GMM(2, covariance_type=name, prior=prior), X, random_seed=1, tol=1e-9)
        for name in (structure, "tied")
    )
    assert ours.log_posterior == pytest.approx(theirs.log_posterior, rel=1e-12)
    np.testing.assert_allclose(np.ravel(ours.params["sigma2"]), np.ravel(theirs.params["Sigma"]), rtol=1e-6)


@pytest.mark.parametrize("structure", ["tied_diag", pytest.param("tied_spherical", marks=pytest.mark.long)])
def test_the_certificate_holds_and_all_is_saved(structure, tmp_path):
    X = rows()
    cc = mx.crosscheck(mx.GMM(2, covariance_type=structure), X, **SHORT)
    assert cc.passed, cc
    assert any(name.startswith("sigma2") for name in cc.table.index)
    mx.save(cc, tmp_path / "cc.mix")
    again = mx.load(tmp_path / "cc.mix")
    assert again.em.spec == cc.em.spec
    np.testing.assert_array_equal(again.em.params["sigma2"], cc.em.params["sigma2"])
    page = mx.report(cc, X, progressbar=False)
    assert cc.em.spec.family.covariance.words in page.html
    r = mx.responsibilities(cc.em.spec, X, cc.posterior)
    np.testing.assert_allclose(r["responsibilities"].sum("cluster"), 1)


@pytest.mark.parametrize("structure", [pytest.param("tied_diag", marks=pytest.mark.long), "tied_spherical"])
def test_the_command_line_takes_it(structure):
    few = ["--n-init", 2, "--prior", "none", "--seed", 1, "--quiet"]
    code, out, err = run("crosscheck", "faithful", "-k", 2, "--covariance", structure, "--json", *few)
    assert (code, err) == (0, "")
    assert any(row["parameter"].startswith("sigma2") for row in json.loads(out)["table"])
