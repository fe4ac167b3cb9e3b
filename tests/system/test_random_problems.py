"""EM never falls, and EM and PyMC describe one point or say why not: tried on random problems.

``python -m pytest tests/system/test_random_problems.py --hypothesis-profile=thorough`` tries ten times
as many, other ones each time.
"""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from conftest import all_specs, every_spec, tries
from hypothesis import given
from hypothesis import strategies as st
from problems import Recipe, condition, recipes, stated

from mixtures import BMM, GMM, InputError, declare, fit_em
from mixtures.agreement.certificate import equal_log_posterior, identified, last_digits, slopes
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import curvature_at
from mixtures.density.density import bound_coordinates
from mixtures.errors import CollapseError
from mixtures.tolerances import TOLERANCES

EPS = np.finfo(float).eps
FLAT, DEFAULT = ("flat",), ("default",)
any_prior = st.one_of(
    st.just(DEFAULT),
    st.just(FLAT),
    st.tuples(st.just("stated"), st.floats(-6, 4, width=16), st.floats(-10, 2, width=16)),
)
"""The default, none, or one as sure as 1e-6 to 1e4 rows, its scatter 1e-10 to 100 times the data's."""


def posed(spec, recipe, prior):
    """A model with a prior, and rows for it."""
    X = recipe.rows_for(spec)
    kind, *numbers = prior
    if kind == "stated":
        return stated(spec, X, *numbers), X
    return replace(spec, prior=None if kind == "flat" else "default"), X


# EM never falls


@every_spec
@pytest.mark.parametrize("accelerate", [None, "squarem", "newton", "auto"])
@tries(5)
@given(recipe=recipes(), prior=any_prior)
def test_em_never_falls(spec, accelerate, recipe, prior):
    """The final objective is that of its parameters, or an error names what is wrong with the data."""
    try:
        spec, X = posed(replace(spec, n_components=recipe.n_components), recipe, prior)
        em = fit_em(spec, X, n_init=2, random_seed=recipe.seed, accelerate=accelerate, max_iter=300)
    except InputError as error:
        named = [word for word in ("constant", "dependent") if word in str(error)]
    except CollapseError as error:
        named = re.findall(r"cluster \d collapsed: its (?:smallest|covariance)", str(error))
        assert prior != DEFAULT
    else:
        assert_never_fell(em, X)
        return
    assert named


def assert_never_fell(em, X):
    rows, log_prior = em.spec.log_likelihood(X, em.params), em.spec.log_prior(em.params)
    terms = np.abs(rows).sum() + abs(log_prior)
    lost = TOLERANCES.natural_loss + 100 * EPS * condition(em.spec, em.params)
    assert em.log_posterior == pytest.approx(rows.sum() + log_prior, abs=lost * terms)
    falls = -np.diff(em.objective_trace)
    assert falls.max(initial=0) <= lost * terms
    assert all(np.isfinite(x).all() for x in em.params.values())
    assert em.params["alpha"].sum() == pytest.approx(1)


# What 1,000 of them found


def test_rounding_of_a_covariance_that_is_nearly_singular_is_no_fall():
    """Four rows, two of them nearly one: the default prior is as flat as the line that they lie on."""
    recipe = Recipe(2, 2, 2, apart=4.1137054989757535, log_tight=-4.73779184262483, discrete=True)
    X = recipe.rows()
    em = fit_em(GMM(2, covariance_type="tied"), X, n_init=2, random_seed=2, accelerate="squarem")
    assert condition(em.spec, em.params) > 1e8
    assert em.converged


@pytest.mark.parametrize("log_scale", [-12, -16, -200])
def test_a_prior_too_small_to_hold_a_cluster_is_named(log_scale):
    """Two rows a million sds away, and a prior scatter that the scatter of the others drowns in rounding."""
    X = Recipe(1, 3, 60, 3, outliers=2, log_far=6).rows()
    with pytest.raises(
        CollapseError, match=r"cluster [01] collapsed: its covariance is singular, but for rounding"
    ):
        fit_em(stated(GMM(3), X, -1, log_scale), X, n_init=3, random_seed=1)


# EM and PyMC describe one point


@tries(3)
@given(
    spec=st.sampled_from(list(all_specs(2))),
    recipe=recipes(components=(2, 2), features=(3, 3), extra_rows=(58, 58)),
    prior=any_prior,
)
def test_the_certificate_holds_or_says_why_not(spec, recipe, prior):
    """Equal log posteriors and zero gradients: the checks without a search. Equal shapes save compilation."""
    try:
        spec, X = posed(spec, recipe, prior)
        em = fit_em(
            spec, X, n_init=2, random_seed=recipe.seed, tol=TOLERANCES.em_step_certificate, max_iter=2000
        )
    except (InputError, CollapseError):
        return  # as above
    certify(em, X)


def certify(em, X):
    compiled = CompiledModel(declare(em.spec, X))
    x = compiled.unconstrain(em.spec.inside(em.params))
    bound = bound_coordinates(compiled, em.spec.family.bound_coordinates(em.params))
    curvature = curvature_at(compiled, x, within=~bound)
    same, *flat = (
        equal_log_posterior(compiled, em.spec, as_data(X), em, x),
        *slopes(compiled, x, bound, "EM", curvature, partial(last_digits, compiled, em.spec, em)),
    )
    assert same.passed, same
    for check in flat:
        reason = "" if em.converged else "EM is still on its way"
        assert check.passed or reason or identified(em.spec, em).note, check
    return flat


def test_a_slope_that_last_digits_make_is_none():
    """Clusters a millionth as wide as the data: one digit of a mean is a slope of 0.1."""
    X = Recipe(4929, 2, 58, apart=0.0, discrete=True, repeats=1).rows()
    em = fit_em(
        stated(GMM(2), X, 3.07, -8.38), X, n_init=2, random_seed=1, tol=TOLERANCES.em_step_certificate
    )
    (gradient,) = certify(em, X)
    assert TOLERANCES.gradient < gradient.figure < gradient.tolerance
    assert "posterior sds away by Newton's method" in gradient.note
    mu = em.params["mu"].copy()
    mu[:, 0] += 1e-3 * np.sqrt(em.spec.family.moments(em.params)[1][:, 0, 0] / em.spec.prior.kappa)
    compiled = CompiledModel(declare(em.spec, X))
    beside = replace(em, params={**em.params, "mu": mu})
    x = compiled.unconstrain(beside.params)
    digits = partial(last_digits, compiled, em.spec, beside)
    (gradient,) = slopes(compiled, x, np.zeros(x.size, bool), "EM", curvature_at(compiled, x), digits)
    assert not gradient.passed  # a thousandth of a posterior sd is more than digits
    (gradient,) = slopes(
        compiled,
        x,
        np.zeros(x.size, bool),
        "EM",
        curvature_at(compiled, x),
        lambda: [compiled.unconstrain(em.params)],
    )
    assert gradient.passed  # unless digits are as coarse as that
    assert "rounding" in gradient.note


def test_a_slope_at_the_boundary_that_last_digits_make_is_none():
    """Probabilities that a prior of 1e4 ones and 1e-5 zeros keeps 1e-9 from 1."""
    X = Recipe(0, 2, 58, 3, apart=0.0).rows_for(BMM(2))
    em = fit_em(stated(BMM(2), X, 4.0, -5.0), X, n_init=2, random_seed=1, tol=TOLERANCES.em_step_certificate)
    _, boundary = certify(em, X)
    assert TOLERANCES.gradient < boundary.figure < boundary.tolerance
