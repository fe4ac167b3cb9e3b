"""Missing cells integrated out on PyMC's side, against SciPy's marginal densities and the NumPy writing."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytest
from conftest import long, make_params, oracle, simulate, specs_compiled
from hypothesis import given
from hypothesis import strategies as st
from pymc.pytensorf import extract_obs_data
from scipy.special import logsumexp

import mixtures as mx
from mixtures.data.layout import layout_of
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.em.estep import e_step

pytestmark = pytest.mark.usefixtures("no_c_compiler")

NAN = np.nan


def with_holes(X, share=0.25, seed=0):
    """Rows with cells missing at random, one of them without any cell."""
    holes = np.random.default_rng(seed).random(X.shape) < share
    holes[len(X) // 2], holes[0] = True, False
    return np.where(holes, NAN, X)


def marginals(spec, X, params):
    """Log-likelihood (n,) of the observed cells by SciPy."""
    joint, independent = np.zeros((spec.n_components, len(X))), oracle(spec)
    for i, row in enumerate(X):
        seen = np.flatnonzero(~np.isnan(row))
        if len(seen):
            clusters = independent.clusters(spec.family, spec.family.margin(params, seen))
            joint[:, i] = [independent.log_density(one, row[None, seen])[0] for one in clusters]
    return logsumexp(joint + np.log(params["alpha"])[:, None], axis=0)


def row_density(model, x):
    """Log-likelihood of every row as a function of a point."""
    (density,) = model.replace_rvs_by_values([pm.logp(x, model.rvs_to_values[x])])
    return model.compile_fn(density, inputs=model.value_vars, mode="FAST_COMPILE")


@specs_compiled("GMM full", "LCA")
def test_a_declared_model_has_the_density_of_the_observed_cells(spec, compilations):
    params, X, _ = simulate(spec, n_features=4, n_rows=50)
    other = np.where(np.isnan(with_holes(X)[::-1, ::-1]), NAN, X)
    X = with_holes(X)
    spec = mx.resolve(spec, X, missing="integrate")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyMC would warn of imputation
        model = mx.declare(spec, X, missing="integrate")
    assert {v.name for v in model.free_RVs} == set(spec.dims)
    compiled = CompiledModel(model)
    x = compiled.unconstrain(params)
    rows = compiled.row_log_likelihoods(x)["x"]
    np.testing.assert_allclose(rows, marginals(spec, X, params), rtol=1e-9, atol=1e-9)
    by_numpy = e_step(spec, as_data(X, missing="integrate"), params).log_likelihood
    value, gradient = compiled.value_and_grad(x)
    np.testing.assert_allclose(value, by_numpy + float(spec.log_prior(params)), rtol=1e-12)
    assert np.isfinite(gradient).all()
    before = len(compilations)
    compiled = CompiledModel(mx.declare(spec, other, missing="integrate"))
    rows = compiled.row_log_likelihoods(compiled.unconstrain(params))["x"]
    assert len(compilations) == before
    np.testing.assert_allclose(rows, marginals(spec, other, params), rtol=1e-9, atol=1e-9)


def test_weights_are_repeated_rows():
    spec = mx.GMM(2, covariance_type="diag")
    params, X, _ = simulate(spec, n_rows=30)
    X = with_holes(X)
    times = np.random.default_rng(0).integers(1, 4, len(X))
    spec = mx.resolve(spec, np.repeat(X, times, axis=0), missing="integrate")
    models = (
        mx.declare(spec, X, weights=times, missing="integrate"),
        mx.declare(spec, np.repeat(X, times, axis=0), missing="integrate"),
    )
    values = [(c := CompiledModel(model)).value_and_grad(c.unconstrain(params))[0] for model in models]
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_declare_refuses_missing_cells_by_default():
    with pytest.raises(mx.InputError, match=r'pass missing="integrate"'):
        mx.declare(mx.GMM(1), [[1.0, NAN], [2.0, 3.0], [3.0, 5.0]])


@pytest.mark.parametrize("how", ["NaN", "mask"])
@pytest.mark.parametrize(
    ("spec", "mixture"),
    [(mx.GMM(2), mx.GaussianMixture), (mx.BMM(2), mx.BernoulliMixture), (mx.PMM(2), mx.PoissonMixture)],
    ids=["gaussian", "bernoulli", "poisson"],
)
def test_a_users_own_model(spec, mixture, how):
    params, X, _ = simulate(spec, n_features=3, n_rows=25)
    X = with_holes(X)
    observed = X if how == "NaN" else np.ma.masked_invalid(X)
    with warnings.catch_warnings(), pm.Model() as model:
        warnings.simplefilter("error")
        x = mixture("x", observed=observed, **params)
    assert model.free_RVs == []
    np.testing.assert_allclose(row_density(model, x)({}), marginals(spec, X, params), rtol=1e-9, atol=1e-12)
    kept = extract_obs_data(model.rvs_to_values[x])  # what PyMC stores with samples of its own
    np.testing.assert_array_equal(kept, X)


def test_a_code_beyond_the_levels_is_impossible_beside_missing_cells_too():
    with pm.Model() as model:
        p = pytensor.shared(np.full((2, 2, 3), 1 / 3))
        x = mx.CategoricalMixture("x", alpha=[0.4, 0.6], p=p, observed=[[NAN, 5.0], [NAN, 1.0]])
    np.testing.assert_allclose(row_density(model, x)({}), [-np.inf, np.log(1 / 3)])


def test_parameters_that_vary_by_row():
    spec = mx.GMM(2)
    params, X, _ = simulate(spec, n_features=3, n_rows=12)
    X = with_holes(X)
    alpha = np.random.default_rng(0).dirichlet(np.ones(2), size=len(X))
    with pm.Model() as model:
        shift = pm.Normal("shift", shape=())
        x = mx.GaussianMixture(
            "x", alpha=alpha, mu=(params["mu"] + shift)[None], Sigma=params["Sigma"][None], observed=X
        )
    rows = model.compile_fn(
        model.replace_rvs_by_values([pm.logp(x, model.rvs_to_values[x])])[0],
        inputs=model.value_vars,
        mode="FAST_COMPILE",
    )({"shift": 0.0})
    expected = [marginals(spec, X[i : i + 1], {**params, "alpha": alpha[i]})[0] for i in range(len(X))]
    np.testing.assert_allclose(rows, expected, rtol=1e-9, atol=1e-12)


def test_rates_that_vary_by_row():
    spec = mx.PMM(2)
    params, X, _ = simulate(spec, n_features=3, n_rows=12)
    X, exposure = with_holes(X), np.random.default_rng(0).uniform(0.5, 2, size=(12, 1, 1))
    with pm.Model() as model:
        times = pm.Gamma("times", 2, 2)
        x = mx.PoissonMixture(
            "x", alpha=params["alpha"][None], rate=times * exposure * params["rate"], observed=X
        )
    ((rows,),) = [model.replace_rvs_by_values([pm.logp(x, model.rvs_to_values[x])])]
    found = model.compile_fn(rows, inputs=model.value_vars, mode="FAST_COMPILE")({"times_log__": np.log(2)})
    each = [
        marginals(spec, X[i : i + 1], {**params, "rate": 2 * exposure[i] * params["rate"]})[0]
        for i in range(len(X))
    ]
    np.testing.assert_allclose(found, each, rtol=1e-9, atol=1e-12)


def test_another_pattern_than_that_of_the_declaration_is_refused():
    params = make_params(mx.GMM(2))
    X = with_holes(simulate(mx.GMM(2), n_rows=10)[1])
    with pm.Model() as model:
        rows = pytensor.shared(X, shape=X.shape)  # pm.Data takes no NaN
        shift = pm.Normal("shift")
        mx.GaussianMixture(
            "x", alpha=params["alpha"], mu=params["mu"] + shift, Sigma=params["Sigma"], observed=rows
        )
    logp = model.compile_logp(mode="FAST_COMPILE")
    assert np.isfinite(logp({"shift": 0.0}))
    rows.set_value(np.roll(X, 1, axis=0))
    assert logp({"shift": 0.0}) == -np.inf


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), d=st.integers(1, 6))
def test_the_layout_puts_every_row_where_its_pattern_is(seed, n, d):
    seen = np.random.default_rng(seed).random((n, d)) < 0.7
    layout = layout_of(seen)
    block, place = np.divmod(layout.places.ravel(), layout.rows.shape[1])
    np.testing.assert_array_equal(layout.rows[block, place], np.arange(n))
    np.testing.assert_array_equal(layout.patterns[layout.of_block.ravel()[block]], seen)
    same = (layout.patterns[layout.of_block.ravel()][:, None] == seen[layout.rows]).all()
    assert same  # the rows that fill a block up have its pattern too


@pytest.mark.parametrize("structure", [*long("full"), "spherical"])
def test_the_certificate_holds_where_cells_are_missing(structure):
    """Without a prior nothing is sampled: EM, MAP and the density alone."""
    spec = mx.GMM(2, covariance_type=structure, prior=None)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2)) + np.array([6.0, -4.0]) * (np.arange(120) % 3 == 0)[:, None]
    cc = mx.crosscheck(
        spec, with_holes(X, 0.15), missing="integrate", random_seed=1, n_init=4, progressbar=False
    )
    assert cc.passed, cc.certificate


@pytest.mark.parametrize("prior", ["default", *long(None)])
def test_the_certificate_holds_on_counts_with_missing_cells(prior):
    rng = np.random.default_rng(0)
    X = rng.poisson(np.where(np.arange(150)[:, None] % 3 == 0, [9.0, 1.0, 4.0], [2.0, 6.0, 4.0]))
    cc = mx.crosscheck(
        mx.PMM(2, prior=prior),
        with_holes(X.astype(float), 0.15),
        missing="integrate",
        draws=200,
        tune=300,
        chains=2,
        n_init=6,
        random_seed=1,
        progressbar=False,
    )
    assert cc.passed, cc.certificate
    assert any("cells are missing" in note for note in cc.em.notes)
