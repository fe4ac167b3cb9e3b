"""Observed information by EM's own means, against differences of the objective."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import all_specs, every_spec_in_turn, make_rows, spec_id

from mixtures import BMM, GMM, fit_em, uncertainty
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


@every_spec_in_turn("weighted", [False, True])
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


GIVEN = {
    "plain": {},
    "weights": {"weights": np.random.default_rng(0).integers(0, 3, 150)},
    "labels": {"labels": np.where(np.arange(150) % 5 == 0, np.arange(150) % 2, -1)},
}


IN_GATE = {("GMM full", "plain"), ("LCA", "weights"), ("PMM", "labels")}


def a_mode_of_cells(spec, given):
    """Rows with a sixth of the cells missing, and EM's mode of them."""
    X, _ = make_rows(replace(spec, n_components=2), 150, 3 if isinstance(spec, GMM) else 4, seed=1, apart=2.0)
    X = np.where(np.random.default_rng(2).random(X.shape) < 1 / 6, np.nan, X)
    options = {"missing": "integrate", **given}
    return X, options, fit_em(replace(spec, n_components=2), X, random_seed=0, tol=1e-10, **options)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        pytest.param(
            spec,
            given,
            marks=() if (spec_id(spec), given) in IN_GATE else pytest.mark.long,
            id=f"{spec_id(spec)}-{given}",
        )
        for spec in all_specs()
        for given in GIVEN
    ],
)
def test_where_cells_are_missing_it_is_that_of_pymcs_density(spec, given):
    X, options, em = a_mode_of_cells(spec, GIVEN[given])
    ours = observed_information(em.spec, X, em.params, **options).sd
    compiled = mixture_target(em.spec, X, **options).compiled
    theirs = by_pymc.observed_information(compiled, em.params, {}).sd
    for name, sd in ours.items():
        np.testing.assert_allclose(sd, theirs[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("spec", [GMM(2), BMM(2)], ids=str)
def test_uncertainty_says_the_same_where_cells_are_missing(spec):
    X, options, em = a_mode_of_cells(spec, {})
    table = uncertainty(em.spec, X, em=em, methods=["information"], progressbar=False, **options).table
    ours = observed_information(em.spec, X, em.params, **options).sd
    for label, sd in zip(("alpha[0]", "alpha[1]"), ours["alpha"], strict=True):
        assert table.loc[label, "information"] == pytest.approx(sd, rel=1e-5)
    for (k, d), sd in np.ndenumerate(ours["mu" if isinstance(spec, GMM) else "p"]):
        label = f"{'mu' if isinstance(spec, GMM) else 'p'}[{k}, x{d}]"
        assert table.loc[label, "information"] == pytest.approx(sd, rel=1e-5)


def test_a_column_that_is_never_seen_in_a_cluster_has_the_prior_alone():
    """Cells of rows that are labelled 0 are missing in the last column: its p has its Beta prior."""
    rng = np.random.default_rng(0)
    X, labels = (rng.random((80, 3)) < 0.4).astype(float), np.arange(80) % 2
    X[labels == 0, 2] = np.nan
    options = {"missing": "integrate", "labels": labels}
    em = fit_em(BMM(2), X, random_seed=0, tol=1e-10, **options)
    assert em.params["p"][0, 2] == pytest.approx(0.5)
    sd = observed_information(em.spec, X, em.params, **options).sd["p"]
    assert sd[0, 2] == pytest.approx(np.sqrt(0.25 / 2), rel=1e-6)  # of Beta(2, 2) at its mode
    ones, n = X[labels == 1, 0].sum(), 40
    p = (ones + 1) / (n + 2)
    assert sd[1, 0] == pytest.approx(np.sqrt(p * (1 - p) / (n + 2)), rel=1e-6)


def test_no_information_of_missing_cells_where_digits_are_lost():
    rng = np.random.default_rng(0)
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0) + 1e-7 * rng.normal(size=(100, 2))
    X[::7, 0] = np.nan
    em = fit_em(GMM(2, covariance_type="diag", prior=None), X, random_seed=0, missing="integrate")
    with pytest.raises(NoApproximation, match="digits"):
        observed_information(em.spec, X, em.params, missing="integrate")


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
