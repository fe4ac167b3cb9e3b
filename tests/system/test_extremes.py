"""Digits at the extremes: narrow, far away and tight clusters, forms at their guard, few rows and many."""

from dataclasses import replace
from fractions import Fraction
from math import log, pi

import numpy as np
import pytest
from conftest import every_spec, in_turn, spec_id, tries
from hypothesis import example, given
from hypothesis import strategies as st
from problems import Affine, Recipe, change, condition, recipes, stated, units
from shared import is_natural

from mixtures import GMM, InputError, crosscheck, declare, em_step, fit_em, resolve
from mixtures.data.reading import as_data
from mixtures.data.sources import as_rows
from mixtures.density.compiled import CompiledModel
from mixtures.em.estep import e_step
from mixtures.em.kernel import Kernel
from mixtures.families.covariance import COVARIANCES
from mixtures.tolerances import TOLERANCES

EPS = np.finfo(float).eps
every_gmm = pytest.mark.parametrize(
    "spec", [GMM(2, covariance_type=name) for name in COVARIANCES], ids=spec_id
)


def gmms_compiled(*names):
    """Gaussian mixtures of these structures, to be compiled; all the others under ``-m long``."""
    return pytest.mark.parametrize(
        "spec",
        [
            pytest.param(GMM(2, covariance_type=x), marks=() if x in names else pytest.mark.long, id=x)
            for x in COVARIANCES
        ],
    )


seeds = st.integers(0, 9999)


def exact(X, mu, Sigma):
    """Normal log densities (K, n) in exact rational arithmetic, except for the last logarithm."""
    return np.array([_exact(X, *cluster) for cluster in zip(mu, Sigma, strict=True)])


def _exact(X, mu, Sigma):
    d = len(mu)
    A = [[Fraction(x) for x in row] for row in Sigma.tolist()]
    residuals = [[Fraction(x) - Fraction(mu[j]) for x in X[:, j].tolist()] for j in range(d)]
    det, mahalanobis = Fraction(1), [Fraction(0)] * len(X)
    for c in range(d):  # Gauss: what is left of each residual, over what is left of its variance
        det *= A[c][c]
        mahalanobis = [m + r**2 / A[c][c] for m, r in zip(mahalanobis, residuals[c], strict=True)]
        for row in range(c + 1, d):
            share = A[row][c] / A[c][c]
            A[row] = [a - share * b for a, b in zip(A[row], A[c], strict=True)]
            residuals[row] = [a - share * b for a, b in zip(residuals[row], residuals[c], strict=True)]
    log_det = log(det.numerator) - log(det.denominator)
    return [-(float(m) + log_det + d * log(2 * pi)) / 2 for m in mahalanobis]


@every_gmm
@tries(10)
@given(
    recipe=recipes(awkward=False, components=(2, 2), features=(1, 4), extra_rows=(10, 10)),
    seed=seeds,
    log_condition=st.floats(0, 5, width=16),
    log_units=units,
    log_offset=st.floats(0, 6, width=16),
)
def test_densities_are_exact_but_for_rounding(spec, recipe, seed, log_condition, log_units, log_offset):
    X = replace(recipe, discrete=False).rows()
    X = change(spec, X, seed, log_condition, log_units, log_offset).rows(X)
    spec = resolve(spec, X)
    r = np.random.default_rng(seed).dirichlet(np.ones(2), size=len(X)).T
    params = spec.maximize(spec.family.expect(None, X.T, r))
    expected = exact(X, *spec.family.moments(params))
    lost = 10 * EPS * condition(spec, params) * (1 + np.abs(expected).max())
    np.testing.assert_allclose(spec.family.density(params)(X.T), expected, rtol=0, atol=lost)
    np.testing.assert_allclose(spec.family.textbook_log_density(X.T, params), expected, rtol=0, atol=lost)
    with Kernel(spec, as_data(X)) as fast:
        passed = fast.e_step(params, 1.0)
    if passed is not None:
        rows = np.logaddexp.reduce(expected + np.log(params["alpha"])[:, None], axis=0)
        assert abs(passed.log_likelihood - rows.sum()) < len(X) * (TOLERANCES.natural_loss + lost)


# The guard between the two forms


def in_groups(seed, log_tight, n_rows=60, n_features=2, log_offset=-np.inf):
    """Rows of two clusters 10^log_tight as wide as they are apart, and their groups."""
    rng, z = np.random.default_rng(seed), np.arange(n_rows) % 2
    noise = rng.normal(size=(n_rows, n_features)) @ rng.normal(size=(n_features, n_features))
    X = np.array([[0.0], [1.0]])[z] * rng.normal(size=n_features) + 10**log_tight * noise
    return X + 10**log_offset * X.std(axis=0), z


def groups_estimate(spec, X, z, softness=0.0):
    r = softness / 2 + (1 - softness) * np.eye(2)[z].T
    return spec.maximize(spec.family.expect(None, X.T, r))


@every_gmm
@tries(6)
@given(
    seed=seeds,
    n_features=st.integers(1, 4),
    softness=st.sampled_from([0.0, 0.1]),
    log_offset=st.floats(0, 6, width=16),
    tol=st.sampled_from([1.0, 1e-3, 1e-6]),
)
def test_the_kernel_is_right_where_its_guard_lets_it_go_last(
    spec, seed, n_features, softness, log_offset, tol
):
    """Ever tighter clusters until the natural form is refused: the one before is as good as the whitened.

    The M-step too, unless it makes clusters far tighter: then the pass after it is whitened.
    """
    spec = replace(spec, prior=None)
    for log_tight in np.arange(0, -9, -0.25):
        X, z = in_groups(seed, log_tight, 60, n_features, log_offset)
        data, params = as_data(X), groups_estimate(spec, X, z, softness)
        with Kernel(spec, data) as fast:
            passed = fast.e_step(params, tol)
        if passed is None:
            break
        last = passed, data, params
    else:
        assert softness > 0  # which keeps clusters wide
    if log_tight == 0:
        return  # refused from the start: the caller notices everything
    passed, data, params = last
    expected, lost = e_step(spec, data, params), 100 * EPS * condition(spec, params)
    assert abs(passed.log_likelihood - expected.log_likelihood) < len(z) * (TOLERANCES.natural_loss + lost)
    if softness > 0:
        return
    ours, theirs = (spec.maximize(one.statistics) for one in (passed, expected))
    assert spec.step_length(ours, theirs, expected.statistics.count) < tol + 10 * lost


def test_the_natural_form_keeps_the_digits_that_its_guard_counts_on():
    """One row far out along a line: the inverse of the covariance lost more than the guard allows."""
    X = Recipe(3969, 1, 21, 4, apart=0.0, log_tight=-1.0, outliers=1, log_far=2.25).rows()
    rows = as_rows([X[:10], X[10:]])
    spec = resolve(GMM(1), rows)
    params = spec.maximize(spec.family.expect(None, X.T, np.ones((1, len(X)))))
    with Kernel(spec, rows) as fast:
        passed = fast.e_step(params, 1.0)
    expected = exact(X, *spec.family.moments(params)).sum()
    assert abs(passed.log_likelihood - expected) < len(X) * TOLERANCES.natural_loss


@gmms_compiled("full", "spherical")
@tries(1)
@given(seed=seeds)
def test_pymc_is_right_on_both_sides_of_its_guard(spec, seed):
    """In units of 1e6, a million sds from 0; equal shapes, so that little is compiled."""
    forms = []
    log_count = -12.0 if spec.covariance_type.startswith("tied_") else -2.0
    for log_tight in np.arange(0, -6, -1.0):
        X, z = in_groups(seed, log_tight, log_offset=3.0)
        X = 1e6 * X
        spec = resolve(stated(spec, X, log_count, 2 * log_tight - 1), X)
        params = groups_estimate(spec, X, z)
        compiled = CompiledModel(declare(spec, X))
        x = compiled.unconstrain(params)
        forms.append(is_natural(compiled, x))
        joint = exact(X, *spec.family.moments(params)) + np.log(params["alpha"])[:, None]
        rows, lost = np.logaddexp.reduce(joint, axis=0), 100 * EPS * condition(spec, params)
        np.testing.assert_allclose(
            compiled.row_log_likelihoods(x)["x"], rows, rtol=0, atol=10 * TOLERANCES.natural_loss + lost * 10
        )
    assert forms[0]
    assert not forms[-1]


# Units, in PyMC's own coordinates


@gmms_compiled("tied_diag")
@tries(3)
@given(
    seed=seeds, log_units=st.tuples(*[st.floats(-6, 6, width=16)] * 2), log_offset=st.floats(0, 6, width=16)
)
def test_pymcs_coordinates_and_slopes_do_not_see_the_units(spec, seed, log_units, log_offset):
    X, z = in_groups(seed, -1.0)
    unit = 10 ** np.array(log_units)
    if "spherical" in spec.covariance_type:
        unit = np.full(2, unit[0])
    away = 10**log_offset * unit * X.std(axis=0)
    changed = Affine(np.diag(unit), away, "spherical" in spec.covariance_type)
    other, spec = resolve(spec, changed.rows(X)), resolve(spec, X)
    params = groups_estimate(spec, X, z, 0.1)
    here, there = CompiledModel(declare(spec, X)), CompiledModel(declare(other, changed.rows(X)))
    x, y = here.unconstrain(params), there.unconstrain(changed.params(params))
    lost = 1e3 * EPS * (1 + 10**log_offset) * condition(spec, params)
    np.testing.assert_allclose(y, x, atol=lost)
    (value, slope), (other_value, other_slope) = here.value_and_grad(x), there.value_and_grad(y)
    np.testing.assert_allclose(other_slope, slope, atol=lost * len(X) * (1 + np.abs(slope).max()))
    higher = other.log_prior(changed.params(params)) - spec.log_prior(params) - len(X) * changed.log_det
    assert other_value - value == pytest.approx(higher, abs=lost * len(X) * 10)


# Tight clusters, few rows, many rows


@in_turn(("spec", "prior"), [GMM(2, covariance_type=name) for name in COVARIANCES], [None, "stated"], spec_id)
@tries(3)
@given(seed=seeds)
def test_clusters_a_hundred_thousandth_of_their_distance_wide_are_found(spec, prior, seed):
    X, z = in_groups(seed, -5.0)
    spec = stated(spec, X, -2.0, -10.0) if prior == "stated" else replace(spec, prior=None)
    em = fit_em(spec, X, n_init=3, random_seed=seed)
    assert em.converged
    r = em.spec.responsibilities(X, em.params)
    labels = r.argmax(axis=1)
    assert (labels == (z if labels[0] == z[0] else 1 - z)).all()
    np.testing.assert_allclose(r.max(axis=1), 1)
    expected = groups_estimate(em.spec, X, labels)
    assert em.spec.step_length(em.params, expected, np.full(2, 30.0)) < 1e-4
    compiled = CompiledModel(declare(em.spec, X))
    value, _ = compiled.value_and_grad(compiled.unconstrain(em.params))
    lost = 10 * EPS * condition(em.spec, em.params) * X.size
    assert value == pytest.approx(em.log_posterior, rel=TOLERANCES.logp_relative, abs=lost)


@every_spec
@tries(5)
@given(log_rows=st.floats(0.5, 4, width=16), seed=seeds, n_features=st.integers(1, 3))
@example(log_rows=0.0, seed=1, n_features=2)
@example(log_rows=4.0, seed=1, n_features=2)
def test_from_as_many_rows_as_clusters_to_ten_thousand(spec, log_rows, seed, n_features):
    extra = max(0, round(10**log_rows) - spec.n_components)
    try:
        X = Recipe(seed, spec.n_components, extra, n_features).rows_for(spec)
        em = fit_em(spec, X, n_init=1, random_seed=seed, max_iter=500)
    except InputError as error:
        assert "dependent" in str(error) or "constant" in str(error)  # noqa: PT017 (it may be refused)
        return
    r = em.spec.responsibilities(X, em.params)
    np.testing.assert_allclose(r.sum(axis=1), 1)
    if not em.converged:
        assert em.n_iter == 500  # overlapping clusters, or a ridge
        return
    np.testing.assert_allclose(em.params["alpha"], r.mean(axis=0), atol=1e-5)
    step = em.spec.step_length(em_step(em.spec, X, em.params), em.params, len(X) * em.params["alpha"])
    assert step < 2 * TOLERANCES.em_step


# Tight clusters, under a prior that allows them


def tight(seed, log_tight):
    X, _ = in_groups(seed, log_tight)
    return resolve(stated(GMM(2), X, -2.0, 2 * log_tight - 1), X), X


def test_a_pass_in_another_form_is_no_fall():
    """Restarts end in the natural form, the last stretch begins in the whitened one, with other digits."""
    spec, X = tight(4, -3.0)
    em = fit_em(spec, X, random_seed=1, tol=TOLERANCES.em_step_certificate)
    assert em.converged


@in_turn(("seed", "log_tight"), [0, 1, 4], [-3.0, -4.0, -5.0], str)
def test_the_certificate_of_tight_clusters_holds(seed, log_tight):
    """MAP, too, ends at the mode up to rounding, although one digit of a parameter makes a large gradient."""
    spec, X = tight(seed, log_tight)
    cc = crosscheck(spec, X, draws=10, tune=10, chains=2, n_init=3, random_seed=1, progressbar=False)
    assert cc.passed, cc.certificate
