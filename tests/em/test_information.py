"""Observed information by EM's own means against differences of the objective, and against PyMC's."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import every_spec, make_rows

from mixtures import BMM, GMM, fit_em
from mixtures.em.information import observed_information
from mixtures.errors import NoApproximation
from mixtures.posterior.target import mixture_target
from mixtures.standard_errors import information as by_pymc


def second_derivatives(f, x, steps):
    """Hessian of a function of vectors by central differences of fourth order."""
    reach, weights = np.array([-2, -1, 1, 2]), np.array([1, -8, 8, -1]) / 12
    q = len(x)
    hessian = np.empty((q, q))
    for i in range(q):
        for j in range(i + 1):
            total = 0.0
            for a, u in zip(reach, weights, strict=True):
                for b, v in zip(reach, weights, strict=True):
                    at = x.copy()
                    at[i] += a * steps[i]
                    at[j] += b * steps[j]
                    total += u * v * f(at)
            hessian[i, j] = hessian[j, i] = total / (steps[i] * steps[j])
    return hessian


def a_mode(spec, weights=None):
    X, _ = make_rows(spec, 150, 2 if isinstance(spec, GMM) else 4, seed=1, apart=2.0)
    return X, fit_em(replace(spec, n_components=2), X, weights=weights, random_seed=0, tol=1e-10)


@every_spec
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_second_derivative_of_the_objective(spec, weighted):
    weights = np.random.default_rng(0).integers(0, 3, 150) if weighted else None
    X, em = a_mode(spec, weights)
    found = observed_information(em.spec, X, em.params, weights=weights)
    w = np.ones(150) if weights is None else weights

    def objective(u):
        params = found.chart.params(u)
        return w @ em.spec.log_likelihood(X, params) + em.spec.log_prior(params)

    hessian = second_derivatives(objective, found.u, 0.03 / np.sqrt(np.diag(found.information.observed)))
    whitened = found.root.T @ -hessian @ found.root
    np.testing.assert_allclose(whitened, np.eye(len(hessian)), atol=3e-5)


@every_spec
def test_its_standard_errors_are_those_of_pymcs_density(spec):
    X, em = a_mode(spec)
    ours = observed_information(em.spec, X, em.params).sd
    compiled = mixture_target(em.spec, X, None).compiled
    theirs = by_pymc.observed_information(compiled, em.params, {}).sd
    for name, sd in ours.items():
        np.testing.assert_allclose(sd, theirs[name], rtol=1e-6, err_msg=name)


def test_entries_on_a_boundary_are_held_there():
    rng = np.random.default_rng(0)
    X = (rng.random((300, 6)) < np.where(rng.random(300) < 0.5, 0.2, 0.7)[:, None]).astype(float)
    X[:, 0] *= X[:, 1:].sum(axis=1) > 2
    em = fit_em(BMM(2, prior=None), X, random_seed=0, tol=1e-10)
    on_boundary = em.spec.family.on_boundary(em.params)["p"]
    assert on_boundary.any()
    try:
        sd = observed_information(em.spec, X, em.params).sd["p"]
    except NoApproximation:
        pytest.fail("a probability on its boundary has a natural form")
    assert (sd[on_boundary] == 0).all()
    assert (sd[~on_boundary] > 0).all()


def test_no_information_where_digits_are_lost():
    rng = np.random.default_rng(0)
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0) + 1e-7 * rng.normal(size=(100, 2))
    em = fit_em(GMM(2, covariance_type="diag", prior=None), X, random_seed=0)
    with pytest.raises(NoApproximation, match="digits"):
        observed_information(em.spec, X, em.params)


def test_a_point_that_is_no_mode_is_refused():
    X = np.random.default_rng(0).normal(size=(500, 2)) + 4 * (np.arange(500) % 2)[:, None]
    params = {"alpha": [1.0], "mu": [[0.0, 0.0]], "Sigma": [np.eye(2) * 5]}
    found = observed_information(GMM(1, prior=None), X, params)
    with pytest.raises(NoApproximation, match="does not curve down"):
        _ = found.sd
