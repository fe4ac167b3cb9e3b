"""Checks of a model's parameters and the support of its rows, on JAX as in PyMC; and starts that fail them."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions.dist_math import check_parameters
from pytensor.raise_op import Assert

import mixtures as mx
from mixtures.compiled import CompiledModel

FAST = {"mode": "FAST_COMPILE"}
SOFT = {"draws": 20, "tune": 20, "chains": 2, "random_seed": 1, "progressbar": False}
X = np.random.default_rng(1).normal(size=(8, 2))
B = (X > 0).astype(int)
HALVES = np.array([0.5, 0.5])


@pytest.fixture(autouse=True, scope="module")
def no_c_compiler():
    """FAST_COMPILE runs inner graphs in C, which takes long to compile."""
    with pytensor.config.change_flags(cxx=""):
        yield


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


@pytest.mark.parametrize("name", MODELS)
def test_a_failed_check_is_minus_infinity_as_in_pymc(name):
    theirs, ours, slopes = densities(model_of(MODELS[name]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert np.isfinite(theirs).any()
    assert np.isfinite(slopes[np.isfinite(ours)]).all()
    if name != "Mixture by one sd":  # a component less, for PyMC too
        assert np.isneginf(theirs).any()
