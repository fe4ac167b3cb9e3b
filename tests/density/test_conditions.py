"""Checks of a model's parameters and the support of its rows, on JAX as in PyMC; starts that fail them."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from conftest import long
from pymc.distributions.dist_math import check_parameters
from pytensor.raise_op import Assert

import mixtures as mx
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.user_models import check_model

pytestmark = pytest.mark.usefixtures("no_c_compiler")

FAST = {"mode": "FAST_COMPILE"}
SOFT = {"draws": 20, "tune": 20, "chains": 2, "random_seed": 1, "progressbar": False}
X = np.random.default_rng(1).normal(size=(8, 2))
B = (X > 0).astype(int)
HALVES = np.array([0.5, 0.5])


def pair(s):
    return pt.stack([s, 1 - s])


def correlated(s):
    return pt.stack([pt.stack([1.0, s]), pt.stack([s, 1.0])])


def custom_logp(value, s):
    return check_parameters(-value * s, s > 0.5, msg="s > 0.5")


# What a variable s, normal and so of either sign, is the parameter of: each is refused at some of POINTS.
MODELS = {
    "Normal": lambda s: pm.Normal("y", 0, s, observed=[1.0, 2.0]),
    "Gamma": lambda s: pm.Gamma("y", s, 2, observed=[1.0, 2.0]),
    "Gamma by sd": lambda s: pm.Gamma("y", mu=2, sigma=s, observed=[1.0, 2.0]),
    "Uniform": lambda s: pm.Uniform("y", 0.5, s, observed=[0.6, 0.8]),
    "Beta": lambda s: pm.Beta("y", s, 2, observed=[0.3]),
    "StudentT": lambda s: pm.StudentT("y", nu=s, mu=0, sigma=1, observed=[0.3]),
    "Exponential": lambda s: pm.Exponential("y", s, observed=[0.3]),
    "Poisson": lambda s: pm.Poisson("y", s, observed=[1, 3]),
    "Binomial": lambda s: pm.Binomial("y", 5, s, observed=[1, 3]),
    "Bernoulli": lambda s: pm.Bernoulli("y", s, observed=[0, 1]),
    "Categorical": lambda s: pm.Categorical("y", pt.stack([s, 0.7]), observed=[0, 1]),
    "Multinomial": lambda s: pm.Multinomial("y", 4, pt.stack([s, 0.7]), observed=[1, 3]),
    "Dirichlet": lambda s: pm.Dirichlet("y", pt.stack([s, 1.0]), observed=[0.2, 0.8]),
    "MvNormal": lambda s: pm.MvNormal("y", [0, 0], cov=correlated(s), observed=[0.2, 0.8]),
    "MvNormal by tau": lambda s: pm.MvNormal("y", [0, 0], tau=correlated(s), observed=[0.2, 0.8]),
    "MvStudentT": lambda s: pm.MvStudentT("y", nu=s, mu=[0, 0], scale=np.eye(2), observed=[0.2, 0.8]),
    "Truncated": lambda s: pm.Truncated("y", pm.Normal.dist(0, s), lower=-1, observed=[0.2, 0.8]),
    "Censored": lambda s: pm.Censored("y", pm.Normal.dist(0, s), -1, None, observed=[-1, 0.8]),
    "ZeroInflatedPoisson": lambda s: pm.ZeroInflatedPoisson("y", s, 2.0, observed=[0, 3]),
    "Mixture by weights": lambda s: pm.NormalMixture(
        "y", pt.stack([s, 0.7]), [0, 1], sigma=1.0, observed=[0.5]
    ),
    "Mixture by one sd": lambda s: pm.NormalMixture(
        "y", HALVES, [0, 1], sigma=pt.stack([s, 1.0]), observed=[0.5]
    ),
    "a free variable": lambda s: pm.Normal("y", 0, s),
    "CustomDist": lambda s: pm.CustomDist("y", s, logp=custom_logp, observed=[0.5]),
    "Potential": lambda s: pm.Potential("y", pm.logp(pm.Normal.dist(0, s), 1.0)),
    "our alpha": lambda s: mx.BernoulliMixture("y", pt.stack([s, 0.7]), np.full((2, 2), 0.4), observed=B),
    "our p": lambda s: mx.BernoulliMixture("y", HALVES, pt.stack([pair(s), HALVES]), observed=B),
    "our Sigma": lambda s: mx.GaussianMixture("y", HALVES, np.eye(2), Sigma=correlated(s), observed=X),
    "our chol": lambda s: mx.GaussianMixture("y", HALVES, np.eye(2), chol=s * np.eye(2), observed=X),
    "our sigma2": lambda s: mx.GaussianMixture("y", HALVES, np.eye(2), sigma2=s, observed=X),
    "our nu": lambda s: mx.InverseWishart("y", s + 0.5, np.eye(2), observed=np.eye(2)),
    "our Psi": lambda s: mx.InverseWishart("y", 4.0, correlated(s), observed=np.eye(2)),
}
POINTS = [-1.5, -0.3, 0.3, 0.6, 0.9, 1.7]
ALIKE = {
    *("Gamma by sd", "Beta", "StudentT", "Binomial", "Multinomial", "MvNormal by tau", "MvStudentT"),
    *("Censored", "ZeroInflatedPoisson", "a free variable", "our chol", "our Psi"),
}
"""Those whose checks are built as those of another: see ``-m long``."""


def model_of(declare, **options):
    with pm.Model(**options) as model:
        declare(pm.Normal("s", 0, 1))
    return model


def densities(model, points=POINTS):
    """PyMC's log density and ours with its gradient, where ``s`` is each of some points, the rest at 0.3."""
    pymc, compiled = model.compile_logp(**FAST), CompiledModel(model)
    rest = {v.name: np.full(v.type.shape, 0.3) for v in model.value_vars[1:]}
    theirs = [float(pymc({"s": np.array(s), **rest})) for s in points]
    flat = [np.concatenate([[s], *(np.ravel(v) for v in rest.values())]) for s in points]
    ours, slopes = zip(*(compiled.value_and_grad(x, jacobian=True) for x in flat), strict=True)
    return np.array(theirs), np.array(ours), np.array(slopes)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in ALIKE else ()) for name in MODELS]
)
def test_a_failed_check_is_minus_infinity_as_in_pymc(name):
    theirs, ours, slopes = densities(model_of(MODELS[name]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert np.isfinite(theirs).any()
    assert np.isfinite(slopes[np.isfinite(ours)]).all()
    if name != "Mixture by one sd":  # a component less, for PyMC too
        assert np.isneginf(theirs).any()


def test_checks_that_the_model_is_told_to_drop_are_dropped():
    theirs, ours, _ = densities(model_of(MODELS["our alpha"], check_bounds=False), [0.6, 0.9])
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert np.isfinite(theirs).all()


def test_a_check_that_raises_in_pymc_is_minus_infinity():
    """On a parameter, in a scan, and where only a deterministic asks for it: there, NaN."""
    with pm.Model() as model:
        s = pm.Normal("s", 0, 1)
        pm.Normal("y", Assert("s is above 0.5")(s, s > 0.5), 1, observed=[1.0, 2.0])
        pm.Deterministic("d", Assert("s is above 1")(s, s > 1))
    pymc, compiled = model.compile_logp(**FAST), CompiledModel(model)
    with pytest.raises(AssertionError, match=r"s is above 0\.5"):
        pymc({"s": np.array(0.3)})
    value, slope = compiled.value_and_grad(np.array([0.8]))
    np.testing.assert_allclose(value, pymc({"s": np.array(0.8)}), rtol=1e-12)
    np.testing.assert_allclose(slope, [1.0 + 2.0 - 2 * 0.8 - 0.8], rtol=1e-12)
    assert np.isneginf(compiled.value_and_grad(np.array([0.3]))[0])
    np.testing.assert_array_equal(compiled.constrain(np.array([[0.8], [1.2]]))["d"], [np.nan, 1.2])


def test_a_sampler_keeps_inside_what_is_asserted():
    with pm.Model() as model:
        s = pm.Normal("s", 0, 1)
        pm.Normal("y", Assert("s is above 0.5")(s, s > 0.5), 1, observed=[1.0, 2.0])
    for sampler in ("blackjax", "nutpie"):
        drawn = mx.sample(model, sampler=sampler, **SOFT | {"draws": 200, "tune": 200})["posterior"]["s"]
        assert float(drawn.min()) > 0.5
        assert float(drawn.std()) > 0.1


def unnormalised(prior):
    with pm.Model(coords={"cluster": range(2)}) as model:
        alpha = prior("alpha")
        mu = pm.Normal("mu", 0, 5, shape=(2, 2))
        mx.GaussianMixture("x", alpha, mu, sigma2=1.0, observed=X)
    return model


def impossible(declare):
    with pm.Model() as model:
        declare(pm.HalfNormal("s", 1))
    return model


UNSTARTABLE = {
    "weights": (
        lambda: unnormalised(lambda name: pm.Gamma(name, 2, 2, shape=2, dims="cluster")),
        "'x' fails the check \"alpha >= 0, sum(alpha) = 1\"",
    ),
    "weights below one": (
        lambda: unnormalised(lambda name: pm.Beta(name, 1, 1, shape=2, dims="cluster")),
        "'x' fails the check \"alpha >= 0, sum(alpha) = 1\"",
    ),
    "a parameter": (lambda: impossible(lambda s: pm.Normal("y", 0, -s)), "'y' fails the check \"sigma > 0\""),
    "a covariance": (
        lambda: impossible(lambda s: pm.MvNormal("y", [0, 0], cov=correlated(s + 2), observed=[0, 0])),
        "'y' fails the check \"posdef covariance\"",
    ),
    "an assertion": (
        lambda: impossible(lambda s: pm.Normal("y", Assert("s is negative")(s, s < 0), 1, observed=1.0)),
        "'y' fails the check \"s is negative\"",
    ),
    "data outside the support": (
        lambda: impossible(lambda s: pm.Exponential("y", s, observed=[1.0, 2.0, -1.0])),
        "the log density of 'y' is -inf at [2]",
    ),
    "a potential": (
        lambda: impossible(lambda s: pm.Potential("penalty", -np.inf * s)),
        "the log density of 'penalty' is -inf",
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.long if x == "weights below one" else ()) for x in UNSTARTABLE],
)
def test_a_check_that_fails_at_the_start_is_named(name):
    build, words = UNSTARTABLE[name]
    model = build()
    doors = [lambda: mx.fit_map(model, n_init=2, random_seed=1), lambda: mx.sample(model, **SOFT)]
    if name == "weights":
        doors += [lambda s=s: mx.sample(model, sampler=s, **SOFT) for s in ("nutpie", "pymc")]
        doors += [lambda: mx.crosscheck(model, n_init=2, **SOFT)]
    for door in doors:
        with pytest.raises(mx.InputError) as caught:
            door()
        assert words in str(caught.value)


def test_starts_without_a_density_are_left_out():
    """Where jitter around PyMC's initial point leaves the support, the other starts are used."""
    with pm.Model() as model:
        s = pm.Normal("s", 0.2, 0.1)
        pm.Normal("y", 0, s, observed=np.linspace(-1, 1, 20))
    tree = mx.sample(model, **SOFT | {"chains": 4})
    assert np.isfinite(tree["sample_stats"]["lp"]).all()
    assert (tree["posterior"]["s"] > 0).all()
    assert mx.fit_map(model, random_seed=1).found == "a maximum"


def test_discrete_variables_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Poisson("n", 2.0), 1, observed=1.0)
    with pytest.raises(mx.InputError, match="free variables n are discrete"):
        mx.fit_map(model)


def test_rows_that_a_search_cannot_have_are_refused():
    with pm.Model() as of_batches:
        mu = pm.Normal("mu", 0, 1, shape=(2, 2))
        batch = pm.Minibatch(X, batch_size=5)
        mx.GaussianMixture("x", [0.4, 0.6], mu, sigma2=1.0, observed=batch, total_size=X.shape)
    with pm.Model() as widened:
        mu = pm.Normal("mu", 0, 1, shape=(2, 2))
        mx.GaussianMixture("x", [0.4, 0.6], mu, sigma2=1.0, observed=pm.Data("data", X))
        pm.set_data({"data": np.hstack([X, X])})
    for told, model in {"'x' is a minibatch": of_batches, "rows have 4 columns, .* of 2": widened}.items():
        for door in (mx.fit_map, mx.sample, mx.crosscheck):
            with pytest.raises(mx.InputError, match=told):
                door(model)


def test_a_total_size_that_scales_the_density_of_all_rows_is_told():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), 1, observed=np.zeros((4, 2)), total_size=(12, 4))
        pm.Normal("z", model["mu"], 1, observed=np.zeros((4, 2)), total_size=4)
    with pytest.warns(mx.DataWarning, match="'y': total_size counts every row 6 times") as told:
        check_model(model)
    assert len(told) == 1


def test_data_of_which_only_some_were_set_anew_are_named():
    with pm.Model() as model:
        slope = pm.Normal("slope", 0, 1, shape=(1, 2))
        alpha = pm.math.softmax(pm.Data("z", X[:, :1]) @ slope, axis=-1)
        means = np.array([[0.0, 0.0], [1.0, 1.0]])
        mx.GaussianMixture("x", alpha, means, sigma2=1.0, observed=pm.Data("rows", X))
        pm.set_data({"rows": X[:-3]})
    with pytest.raises(mx.InputError, match=r"do not fit together \(z \(.*set all data that have a value"):
        mx.fit_map(model)


@pytest.mark.parametrize(
    "door",
    [lambda: mx.declare(mx.PMM(2), B), lambda: mx.PoissonMixture.dist([0.4, 0.6], np.ones((2, 2)))],
    ids=["declare", "dist"],
)
def test_single_precision_is_refused(door):
    with (
        pytensor.config.change_flags(floatX="float32"),
        pytest.raises(mx.InputError, match="floatX is 'float32'"),
    ):
        door()


# --- The support of rows


@pytest.mark.parametrize("bad", [2, -1, 0.5, 50.0, np.nan])
def test_rows_outside_the_support_have_no_mass(bad):
    rows = B.astype(float)
    rows[3, 1] = bad
    x = pt.matrix("x")
    logp = pm.logp(mx.BernoulliMixture.dist([0.4, 0.6], [[0.2, 0.7], [0.9, 0.3]]), x).eval({x: rows}, **FAST)
    np.testing.assert_array_equal(np.isneginf(logp), np.arange(8) == 3)


@pytest.mark.parametrize("kind", ["int8", *long(int, float, "uint8")])
def test_miscoded_rows_in_a_models_data_are_refused(kind):
    rows = B.astype(kind)
    with pm.Model() as model:
        data = pm.Data("data", rows)
        p = pm.Beta("p", 1, 1, shape=(2, 2))
        mx.BernoulliMixture("x", [0.4, 0.6], p, observed=data)
    mx.fit_map(model, n_init=1, random_seed=1)
    rows[3, 1] = 0.5 if kind is float else 2
    with model:
        pm.set_data({"data": rows})
    for door in (mx.fit_map, mx.sample, mx.crosscheck):
        with pytest.raises(mx.InputError, match="observed 'x': row 3, column 'x1': not 0 or 1"):
            door(model)
    *_, logp = model.compile_logp(sum=False, **FAST)(model.initial_point())
    np.testing.assert_array_equal(np.isneginf(logp), np.arange(8) == 3)


def test_missing_cells_in_a_models_data_are_refused():
    rows = X.copy()
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1, shape=(2, 2))
        mx.GaussianMixture("x", [0.4, 0.6], mu, sigma2=np.ones(2), observed=pm.Data("data", rows))
        rows[3, 1] = np.nan
        pm.set_data({"data": rows})
    posterior = xr.Dataset({"mu": (["chain", "draw", "k", "d"], np.zeros((1, 1, 2, 2)))})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    for door in (mx.fit_map, mx.sample, mx.crosscheck, lambda own: mx.model_responsibilities(own, tree)):
        with pytest.raises(mx.InputError, match=r"'data' have 1 missing cell, the first at \(3, 1\)"):
            door(model)


@pytest.mark.parametrize("scale", [{"Sigma": np.eye(2)}, {"sigma2": 1.0}], ids=["full", "diag"])
@pytest.mark.parametrize("far", [np.inf, -np.inf, 1e200, 1e300])
def test_a_row_without_density_leaves_the_others_theirs(scale, far):
    rv = mx.GaussianMixture.dist([0.4, 0.6], [[0.0, 0.0], [1.0, 1.0]], **scale)
    rows = X.copy()
    rows[3, 1] = far
    logp, whole = (pm.logp(rv, x).eval(**FAST) for x in (rows, X))
    assert np.isneginf(logp[3])
    np.testing.assert_allclose(np.delete(logp, 3), np.delete(whole, 3), rtol=1e-12)


def probabilities(kind):
    """A model in whose density a zero probability meets a zero, a one meets a one, or a weight is zero."""
    rows, u = B.copy(), pm.Uniform("u", 0, 1, shape=(2, 2))
    rows[0, 0], free = 1, np.array([[0.0, 1.0], [1.0, 1.0]])
    if kind == "weight":
        alpha = pt.stack([u[0, 0], 1 - u[0, 0], 0.0 * u[0, 1]])
        mx.GaussianMixture("x", alpha, pt.concatenate([u, u[:1]]), sigma2=1.0, observed=X)
    else:
        p = {"zero": u * free, "one": 1 - u * free, "set": pt.set_subtensor(u[0, 0], 0.0)}[kind]
        mx.BernoulliMixture("x", [0.4, 0.6], p, observed=rows)


@pytest.mark.parametrize(
    "kind", ["set", "weight", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("zero", "one"))]
)
def test_gradients_are_those_of_finite_values(kind):
    """A cluster that is impossible for some rows, or for all, makes no gradient NaN, here as in PyMC."""
    with pm.Model() as model:
        probabilities(kind)
    x = np.array([0.3, -0.2, 0.5, 0.1])
    point = {model.value_vars[0].name: x.reshape(2, 2)}
    compiled, pymc = CompiledModel(model), model.compile_logp(**FAST)
    value, slope = compiled.value_and_grad(x, jacobian=True)
    np.testing.assert_allclose(value, pymc(point), rtol=1e-10)
    steps = 1e-6 * np.eye(4)
    above, below = (
        np.array([compiled.value_and_grad(x + h * e, jacobian=True)[0] for e in steps]) for h in (1, -1)
    )
    np.testing.assert_allclose(slope, (above - below) / 2e-6, atol=1e-6)
    np.testing.assert_allclose(slope, model.compile_dlogp(**FAST)(point), rtol=1e-8)
    assert np.isfinite(compiled.hessian(x, jacobian=True, exact=True)).all()


def test_an_impossible_one_is_minus_infinity():
    rv = mx.BernoulliMixture.dist([0.4, 0.6], [[0.0, 0.7], [0.0, 0.3]])
    logp = pm.logp(rv, [[1, 1], [0, 1]]).eval(**FAST)
    np.testing.assert_allclose(logp, [-np.inf, np.log(0.4 * 0.7 + 0.6 * 0.3)], rtol=1e-12)


# --- Lengths that are not written in the model


def by_dims():
    eta = pm.Normal("eta", 0, 1, dims="cluster")
    mu = pm.Normal("mu", 0, 5, dims=("cluster", "feature"))
    mx.GaussianMixture("x", pm.math.softmax(eta), mu, sigma2=1.0, observed=X)


def by_lengths_of_dims():
    k, d = (pm.modelcontext(None).dim_lengths[name] for name in ("cluster", "feature"))
    mu = pm.Normal("mu", pt.zeros((k, d)), 5)
    mx.GaussianMixture("x", pt.ones(k) / k, mu, Sigma=pt.eye(d), observed=pm.Data("data", X))


def by_shared():
    k = pytensor.shared(np.array(2))
    eta = pm.Normal("eta", 0, 1, shape=(k,))
    mx.BernoulliMixture("x", pm.math.softmax(eta), pm.Beta("p", 2, 2, shape=(k, 2)), observed=B)


def by_data():
    concentration, data = pm.Data("concentration", np.ones(2)), pm.Data("data", X)
    mu = pm.Normal("mu", 0, 5, shape=(concentration.shape[0], data.shape[1]))
    mx.GaussianMixture("x", pm.Dirichlet("alpha", concentration), mu, sigma2=pt.ones(mu.shape), observed=data)


def by_inference():
    eta = pm.Normal("eta", 0, 1, dims="contrast")
    alpha = pm.math.softmax(pt.concatenate([[0.0], eta]))
    data = pm.Data("data", X)
    mx.GaussianMixture(
        "x",
        alpha,
        pm.Normal("mu", 0, 5, dims=("cluster", "feature")),
        sigma2=1.0,
        observed=data - data.mean(0),
    )


@pytest.mark.parametrize(
    "declare",
    [
        by_dims,
        *long(by_inference, by_lengths_of_dims, by_shared, by_data),
    ],
)
def test_lengths_known_only_when_it_runs(declare):
    with pm.Model(coords={"cluster": range(2), "feature": range(2), "contrast": range(1)}) as model:
        declare()
    mode = mx.fit_map(model, n_init=2, random_seed=1)
    assert mode.converged
    point = model.initial_point()
    x = np.concatenate([np.ravel(point[v.name]) for v in model.value_vars])
    value, _ = CompiledModel(model).value_and_grad(x, jacobian=True)
    np.testing.assert_allclose(value, model.compile_logp(**FAST)(point), rtol=1e-10)


def test_weights_by_softmax_are_sampled_and_certified():
    with pm.Model(coords={"cluster": range(2), "feature": range(2)}) as model:
        by_dims()
    cc = mx.crosscheck(model, n_init=2, **SOFT)
    assert cc.posterior["posterior"]["eta"].shape == (2, 20, 2)
