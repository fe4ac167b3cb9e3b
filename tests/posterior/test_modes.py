"""Modes on PyMC's log density: against EM, against algebra, and what kind of point was found."""

from dataclasses import replace
from functools import partial

import numpy as np
import pymc as pm
import pytest
from conftest import all_specs, make_rows, spec_id, specs_compiled
from scipy import stats

import mixtures as mx
from mixtures import BMM, GMM, InputError, fit_em, fit_map, priors
from mixtures.clusters.rules import match_params
from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import Curvature, curvature_at
from mixtures.density.search import climb, polish
from mixtures.tolerances import TOLERANCES


def rows(spec):
    d = 8 if spec.family.takes_categories else 3  # with three, one cluster is the mode
    return make_rows(spec, n_rows=60, n_features=d, apart=4.0, seed=1)[0]


# Against EM


@specs_compiled("GMM full", "PMM", n_components=2)
def test_the_mode_is_where_em_ends(spec):
    X = rows(spec)
    em = fit_em(spec, X, n_init=4, random_seed=1, tol=1e-9)
    mode = fit_map(spec, X, n_init=4, random_seed=2)
    assert mode.converged
    assert mode.found == "a maximum"
    assert mode.gradient_norm < TOLERANCES.map_gradient
    assert mode.log_posterior == pytest.approx(em.log_posterior, rel=1e-12)
    params = spec.relabel(mode.params, match_params(spec.family, mode.params, em.params))
    assert set(mode.params) == set(em.params)
    assert mode.spec.step_length(params, em.params, len(X) * em.params["alpha"]) < 1e-6

    assert mode.log_posteriors.shape == (4,)
    assert mode.log_posteriors.max() == pytest.approx(mode.log_posterior, abs=1e-6)
    assert 1 <= mode.n_best <= 4
    tree = mode.to_datatree()["posterior"]
    for name, dims in spec.dims.items():
        assert tree[name].dims == ("chain", "draw", *dims)
        np.testing.assert_array_equal(tree[name].values[0, 0], mode.params[name])


@pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, marks=() if spec in (GMM(2), BMM(2)) else pytest.mark.long) for spec in all_specs(2)],
    ids=spec_id,
)
def test_a_search_from_the_mode_stays_there(spec):
    X = rows(spec)
    em = fit_em(spec, X, n_init=4, random_seed=1, tol=1e-9)
    again = fit_map(spec, X, start=em.params)
    assert again.log_posteriors.shape == (1,)
    assert again.log_posterior == pytest.approx(em.log_posterior, rel=1e-12)
    assert again.spec.step_length(again.params, em.params, len(X) * em.params["alpha"]) < 1e-6


def test_the_seed_decides_the_starts():
    X = rows(GMM(2))
    fits = [fit_map(GMM(2), X, n_init=2, random_seed=seed) for seed in (5, 5)]
    np.testing.assert_array_equal(fits[0].log_posteriors, fits[1].log_posteriors)
    np.testing.assert_array_equal(fits[0].params["mu"], fits[1].params["mu"])


def test_a_start_decides_the_labels():
    X, spec = rows(GMM(2)), GMM(2)
    em = fit_em(spec, X, n_init=2, random_seed=1)
    swapped = fit_map(spec, X, start=spec.relabel(em.params, [1, 0]))
    np.testing.assert_allclose(swapped.params["mu"], em.params["mu"][::-1], atol=1e-4)


def test_probabilities_at_zero_and_one_converge():
    """At a boundary the gradient of p does not vanish but points outwards (Karush-Kuhn-Tucker)."""
    rng = np.random.default_rng(3)
    z = np.arange(60) % 2
    p = np.array([[1.0, 0.9, 0.8], [0.3, 0.0, 0.2]])[z]
    X = (rng.random(p.shape) < p).astype(float)
    spec = BMM(2, prior=None)
    em = fit_em(spec, X, n_init=4, random_seed=1, tol=1e-9)
    at_bound = np.minimum(em.params["p"], 1 - em.params["p"]) < 1e-6
    assert at_bound.any()
    assert not at_bound.all()
    for mode in (fit_map(spec, X, n_init=4, random_seed=1), fit_map(spec, X, start=em.params)):
        assert mode.converged
        params = spec.relabel(mode.params, match_params(spec.family, mode.params, em.params))
        assert mode.log_posterior == pytest.approx(em.log_posterior, abs=1e-4)
        np.testing.assert_allclose(params["p"], em.params["p"], atol=1e-4)

        def height(p, alpha=params["alpha"]):
            return spec.log_likelihood(X, {"alpha": alpha, "p": p}).sum()

        best = height(em.params["p"], em.params["alpha"])
        for k, d in np.argwhere(at_bound):
            inwards = em.params["p"].copy()
            inwards[k, d] += 1e-3 * np.sign(0.5 - inwards[k, d])
            assert height(inwards, em.params["alpha"]) < best


# Models of the user's own


def test_a_model_of_the_users_own():
    """A normal with a normal prior: the mode is the posterior mean, deterministics come along."""
    y = np.random.default_rng(0).normal(3.0, 1.0, size=20)
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        m = pm.Normal("m", 0.0, 2.0, dims="side")
        pm.Deterministic("total", m.sum())
        pm.Normal("y", m[:, None], 1.0, observed=np.stack([y, -y]))
    mode = fit_map(model, random_seed=1, n_init=3)
    exact = y.sum() / (20 + 1 / 4)
    assert (mode.found, mode.converged, mode.spec, mode.n_best) == ("a maximum", True, None, 3)
    np.testing.assert_allclose(mode.params["m"], [exact, -exact], rtol=1e-9)
    assert mode.params["total"] == pytest.approx(0, abs=1e-9)
    log_posterior = stats.norm(0, 2).logpdf([exact, -exact]).sum() + 2 * stats.norm(exact, 1).logpdf(y).sum()
    # PyTensor keeps the logarithm of a prior's 2.0 in single precision.
    assert mode.log_posterior == pytest.approx(log_posterior, rel=1e-9)
    assert mode.to_datatree()["posterior"]["m"].dims == ("chain", "draw", "side")
    assert mode.to_datatree()["posterior"]["m"].sel(side="left").item() == pytest.approx(exact)
    start = fit_map(model, start={"m": [10.0, 10.0]})
    np.testing.assert_allclose(start.params["m"], [exact, -exact], rtol=1e-9)
    with pytest.raises(InputError, match="start lacks m"):
        fit_map(model, start={"mean": [0.0, 0.0]})


def test_the_mode_is_of_the_density_over_the_variables_themselves():
    """A gamma's mode is (a - 1) / b; with the Jacobian of its log it would be a / b."""
    with pm.Model() as model:
        pm.Gamma("g", alpha=3.0, beta=2.0)
    assert fit_map(model, n_init=2, random_seed=1).params["g"] == pytest.approx(1.0, rel=1e-9)
    compiled = CompiledModel(model)
    near = climb(partial(compiled.value_and_grad, jacobian=True), np.zeros(1))
    with_jacobian = polish(compiled, near, jacobian=True)
    assert compiled.constrain(with_jacobian.x)["g"] == pytest.approx(1.5, rel=1e-9)


def test_a_flat_direction_is_named():
    """Only the sum of a and b is known; c is known."""
    with pm.Model() as model:
        a, b, c = (pm.Flat(name) for name in ("a", "b", "c"))
        pm.Normal("y", a + b, 1.0, observed=np.array([1.0, 2.0]))
        pm.Normal("x", c, 1.0, observed=np.array([5.0]))
    mode = fit_map(model, random_seed=1, n_init=2)
    assert mode.converged
    assert mode.found == "flat along a, b"
    assert mode.params["a"] + mode.params["b"] == pytest.approx(1.5)
    assert mode.params["c"] == pytest.approx(5.0)


def test_a_saddle_point_is_no_maximum():
    """Between the two wells of ``-(x^2 - 1)^2`` the gradient vanishes too."""
    with pm.Model() as model:
        x = pm.Flat("x")
        pm.Normal("y", 0.0, 1.0)
        pm.Potential("wells", -((x**2 - 1) ** 2))
    saddle = fit_map(model, start={"x": 0.0, "y": 0.0})
    assert saddle.found == "a saddle point"
    assert saddle.params["x"] == 0
    mode = fit_map(model, start={"x": 0.1, "y": 0.0})
    assert mode.found == "a maximum"
    assert mode.params["x"] == pytest.approx(1.0)


def test_a_slope_without_end_is_no_mode():
    with pm.Model() as model:
        pm.Potential("slope", 2.0 * pm.Flat("x"))
    mode = fit_map(model, start={"x": 0.0})
    assert not mode.converged
    assert mode.found.startswith("no mode: the search stopped on a slope")


# The curvature


def test_curvature_is_that_of_a_normal():
    cov = np.array([[2.0, 0.9, 0.1], [0.9, 1.0, 0.3], [0.1, 0.3, 4.0]])
    with pm.Model() as model:
        pm.MvNormal("x", mu=np.zeros(3), cov=cov)
    compiled, precision = CompiledModel(model), np.linalg.inv(cov)
    at = np.array([0.5, -1.0, 0.2])
    full = curvature_at(compiled, at)
    np.testing.assert_allclose(full.values, np.linalg.eigvalsh(precision))
    np.testing.assert_allclose(full.directions * full.values @ full.directions.T, precision, atol=1e-12)
    assert full.is_maximum
    assert not full.is_saddle
    assert full.flat == ()
    for within in ([True, False, True], [False, True, False], [True, True, True]):
        within = np.array(within)
        part = curvature_at(compiled, at, within=within)
        inner = precision[np.ix_(within, within)]
        np.testing.assert_allclose(part.values, np.linalg.eigvalsh(inner))
        assert part.directions.shape == (3, within.sum())
        assert (part.directions[~within] == 0).all()
        reassembled = part.directions * part.values @ part.directions.T
        np.testing.assert_allclose(reassembled[np.ix_(within, within)], inner, atol=1e-12)
        assert part.is_maximum


def test_whitening_where_the_density_is_flat_or_rises_is_at_most_two_units_long():
    found = Curvature.of(-np.diag([4.0, 1e-9, -1.0]), np.ones(3))
    lengths = np.linalg.norm(found.whitening, axis=0)[np.argsort(found.values)]
    np.testing.assert_allclose(lengths, [2.0, 2.0, 0.5])


def normal_of_scales(scales):
    correlation = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.3], [0.1, 0.3, 1.0]])
    cov = correlation * scales * scales[:, None]
    with pm.Model() as model:
        pm.MvNormal("x", mu=np.zeros(3), cov=cov)
    return CompiledModel(model), cov


def test_coordinates_of_great_curvature_hide_no_other():
    """An eigenvalue of 1e18 has rounding that would swallow one of 1."""
    compiled, cov = normal_of_scales(np.array([1e-9, 1.0, 1e-4]))
    for exact in (False, True):
        found = curvature_at(compiled, np.zeros(3), exact=exact)
        assert found.is_maximum
        np.testing.assert_allclose(found.directions / found.values @ found.directions.T, cov, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=0), 1)
    at = np.array([2e-9, 1.0, -1e-4])
    assert np.linalg.norm(found.newton(compiled.value_and_grad(at)[1])) == pytest.approx(
        np.sqrt(at @ np.linalg.inv(cov) @ at)
    )
    mode = polish(compiled, at)
    assert mode.converged
    assert (np.abs(mode.x) < 1e-5 * np.sqrt(np.diag(cov))).all()


@specs_compiled("GMM full", "GMM tied_diag", "BMM", "PMM", n_components=2)
@pytest.mark.parametrize("extra", [0, 2], ids=["as many clusters", "two too many"])
def test_differences_tell_the_curvatures_that_exact_derivatives_tell(spec, extra):
    """With two clusters too many some directions are flat, or nearly."""
    X = rows(spec)
    fit = fit_em(replace(spec, n_components=2 + extra), X, n_init=4, random_seed=1)
    compiled = CompiledModel(mx.declare(fit.spec, X))
    modes = compiled.unconstrain(fit.spec.inside(fit.params))
    for x in (modes, modes + np.random.default_rng(1).normal(0, 0.3, modes.size)):
        found, exact = (curvature_at(compiled, x, jacobian=True, exact=exact) for exact in (False, True))
        assert found.is_saddle == exact.is_saddle
        assert found.flat == exact.flat
        np.testing.assert_allclose(found.values, exact.values, rtol=1e-5, atol=1e-9 * exact.values.max())


@pytest.mark.parametrize(("mean", "sd"), [(1e6, 1.0), (0.0, 1e-4), (0.0, 1e4)])
def test_derivatives_are_exact_where_differences_would_lose_digits(mean, sd):
    """Far from 0, where a density is narrow, or beside a coordinate of far larger curvature."""
    with pm.Model() as model:
        x = pm.Normal("x", mean, sd)
        pm.StudentT("y", nu=3, mu=x / sd, sigma=1.0)
    compiled = CompiledModel(model)
    at = np.array([mean, mean / sd + 0.5])
    exact = compiled.hessian(at, exact=True)
    np.testing.assert_allclose(compiled.hessian(at), exact, rtol=1e-9, atol=1e-14 * np.abs(exact).max())


@pytest.mark.parametrize("slope", [0.3, 1.0, 30.0])
def test_a_kink_is_no_curvature(slope):
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1, shape=2)
        pm.Potential("kink", slope * pm.math.maximum(x[0], 0.0) + 0.1 * x[0] * x[1])
    compiled = CompiledModel(model)
    for at in (0.0, 3e-6):
        hessian = compiled.hessian(np.array([at, 0.5]))
        np.testing.assert_allclose(hessian, [[-1, 0.1], [0.1, -1]], atol=1e-9)


def test_a_users_units_are_no_flatness():
    """A mean income is known to within thousands; a variable that nothing is known of stays flat."""
    with pm.Model() as model:
        pm.Normal("income", 6e4, 5e3)
        pm.Potential("nothing", 0.0 * pm.Flat("x"))
    mode = fit_map(model, start={"income": 5e4, "x": 6e4})
    assert mode.params["income"] == pytest.approx(6e4)
    assert mode.found == "flat along x"
    with pm.Model() as model:
        pm.Normal("income", 6e4, 5e3)
    assert fit_map(model, start={"income": 5e4}).found == "a maximum"


# What is refused


def test_data_go_with_a_spec_and_not_with_a_model():
    X = rows(BMM(2))
    with pytest.raises(InputError, match="X is missing"):
        fit_map(BMM(2))
    with pytest.raises(InputError, match="brings its own data"):
        fit_map(mx.declare(BMM(2), X), X)
    with pytest.raises(InputError, match="no free variables"):
        fit_map(pm.Model())
    with pytest.raises(InputError, match="n_init must be at least 1"):
        fit_map(BMM(2), X, n_init=0)


def test_priors_that_broadcast_compile_in_silence():
    """PyMC checks such shapes by an assertion, which XLA leaves out; warnings are errors here."""
    with pm.Model(coords={"cluster": range(2), "feature": ["a"]}) as model:
        mu = pm.Normal("mu", np.array([[-1.0], [1.0]]), 0.2, dims=("cluster", "feature"))
        sigma2 = pm.InverseGamma("sigma2", 5, 0.6, dims=("cluster", "feature"))
        mx.GaussianMixture("x", alpha=[0.5, 0.5], mu=mu, sigma2=sigma2, observed=[[-1.0], [1.0], [2.0]])
    assert fit_map(model, n_init=1, random_seed=0).converged


def test_starts_that_do_not_fit_are_refused():
    X, start = rows(BMM(2)), {"alpha": [0.5, 0.5], "p": np.full((2, 3), 0.5)}
    for broken, words in [
        ({"alpha": start["alpha"]}, r"parameters \['alpha'\]"),
        (start | {"mu": 0.0}, "'mu'"),
        ({"weights": start["alpha"], "p": start["p"]}, "'weights'"),
        (start | {"p": np.full((3, 3), 0.5)}, r"p has shape \(3, 3\)"),
        (start | {"p": np.full((2, 3), 1.5)}, "between 0 and 1"),
        (start | {"alpha": [0.5, 0.6]}, "sum to one"),
    ]:
        with pytest.raises(InputError, match=words):
            fit_map(BMM(2), X, start=broken)


@pytest.mark.parametrize(
    "spec",
    [
        GMM(2, weight_concentration=0.5),
        BMM(2, weight_concentration=0.99),
        BMM(2, prior=priors.Beta(0.5, 2.0)),
        BMM(2, prior=priors.Beta(2.0, [2.0, 0.5, 2.0])),
    ],
    ids=repr,
)
def test_priors_without_a_mode_are_refused(spec):
    with pytest.raises(InputError, match="no finite mode"):
        fit_map(spec, rows(spec))
