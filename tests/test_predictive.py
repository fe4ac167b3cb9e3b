"""Prior and posterior predictive: draws by numba and by NumPy, and the checks that suit mixtures."""

import subprocess
import sys

import numpy as np
import pymc as pm
import pytest
from conftest import all_specs, simulate, spec_id
from scipy import stats

import mixtures as mx
from mixtures import BernoulliMixture, GaussianMixture, InverseWishart
from mixtures.distributions.gaussian import ConjugateNormal
from mixtures.trees import draws_tree

FAST = {"mode": "FAST_COMPILE"}
SPECS = pytest.mark.parametrize("spec", list(all_specs(2)), ids=spec_id)


# --- Draws by numba


ALPHA, MU, CHOL = (
    np.array([0.3, 0.0, 0.7]),
    np.array([[0.0, 0], [9, 9], [2, 1]]),
    np.linalg.cholesky([[[1, 0.8], [0.8, 2]], np.eye(2), [[3, -1], [-1, 1]]]),
)
BY_ROW = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
SCALES = np.array([[[2, 0.5], [0.5, 1]], [[1, -0.3], [-0.3, 4]]])
P = np.array([[0.9, 0.2], [0.5, 0.5], [0.1, 0.6]])

DRAWN = {
    "dense": lambda: GaussianMixture.dist(ALPHA, MU, chol=CHOL, size=(1, 2)),
    "dense, weights by row": lambda: GaussianMixture.dist(BY_ROW, MU, chol=CHOL),
    "dense, larger batch": lambda: GaussianMixture.dist(BY_ROW, MU, chol=CHOL, size=(2, 2)),
    "diagonal": lambda: GaussianMixture.dist(ALPHA, MU, sigma2=[[1, 2.0], [1, 1], [0.1, 3]], size=(2,)),
    "diagonal, weights by row": lambda: GaussianMixture.dist(BY_ROW, MU, sigma2=[1.0, 2, 3]),
    "Bernoulli": lambda: BernoulliMixture.dist(ALPHA, P, size=(2,)),
    "Bernoulli, weights by row": lambda: BernoulliMixture.dist(BY_ROW, P, size=(3, 2)),
    "means": lambda: ConjugateNormal.dist(np.array([1.0, -1]), CHOL, 0.5),
    "means, larger batch": lambda: ConjugateNormal.dist(np.array([1.0, -1]), CHOL, 4.0, size=(2, 3)),
    "inverse-Wishart": lambda: InverseWishart.dist(6.5, SCALES[0], size=2),
    "inverse-Wishart, scales by cluster": lambda: InverseWishart.dist(np.array([5.5, 9.0]), SCALES),
}


@pytest.mark.parametrize("case", DRAWN)
def test_draws_by_numba_are_distributed_as_those_by_numpy(case):
    """Every entry, and sums, differences and products of every two, by the Kolmogorov-Smirnov test."""
    rv = DRAWN[case]()
    numba, numpy = (
        pm.draw(rv, draws=4000, random_seed=seed, mode=mode)
        for seed, mode in ((1, "NUMBA"), (2, "FAST_COMPILE"))
    )
    assert numba.shape == numpy.shape
    assert numba.dtype == numpy.dtype
    a, b = (x.reshape(4000, -1).astype(float) for x in (numba, numpy))
    i, j = np.triu_indices(a.shape[1])
    a, b = (np.hstack([x[:, i] + x[:, j], x[:, i] - x[:, j], x[:, i] * x[:, j]]) for x in (a, b))
    p_values = stats.ks_2samp(a, b, axis=0, method="asymp").pvalue
    assert p_values.min() > 1e-3 / len(p_values)


def test_draws_by_numba_repeat_with_the_seed_and_may_be_none():
    rv = GaussianMixture.dist(ALPHA, MU, chol=CHOL, size=4)
    first, again, other = (pm.draw(rv, random_seed=seed, mode="NUMBA") for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert pm.draw(BernoulliMixture.dist(ALPHA, P, size=0), mode="NUMBA").shape == (0, 2)


def test_an_improper_inverse_wishart_is_refused_by_numba_too():
    with pytest.raises(ValueError, match="nu > D - 1"):
        pm.draw(InverseWishart.dist(1.0, np.eye(2)), mode="NUMBA")


def test_importing_the_package_does_not_import_numba():
    seen = "import sys, mixtures; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True).stdout == "False\n"


# --- Through PyMC


def point_draws(spec, params, n_draws=200, features=None):
    """A sample that has not spread: the same parameters at every draw."""
    features = features or [f"x{d}" for d in range(2)]
    repeated = {name: np.repeat(np.asarray(x)[None, None], n_draws, axis=1) for name, x in params.items()}
    return draws_tree(repeated, spec.dims, features)


@SPECS
def test_predictive_draws_of_a_declared_model_come_through_pymc_without_a_warning(spec):
    """Warnings are errors here, numba's of its object mode among them."""
    params, X, _ = simulate(spec, 40)
    model = mx.declare(spec, X)
    tree = point_draws(spec, params)
    drawn = pm.sample_posterior_predictive(tree, model=model, random_seed=1, progressbar=False)
    x = drawn["posterior_predictive"]["x"]
    assert x.dims == ("chain", "draw", "obs_id", "feature")
    assert x.shape == (1, 200, 40, 2)
    expected, _ = spec.sample(params, 8000, np.random.default_rng(2))
    for mine, theirs in zip(x.values.reshape(-1, 2).T, expected.T, strict=True):
        assert stats.ks_2samp(mine, theirs).pvalue > 1e-4
    prior = pm.sample_prior_predictive(20, model=model, random_seed=1)
    assert set(prior["prior"].data_vars) == set(params)
    assert prior["prior_predictive"]["x"].shape == (1, 20, 40, 2)
    assert np.isfinite(prior["prior_predictive"]["x"]).all()


def test_a_flat_prior_cannot_be_drawn_from_and_pymc_says_so():
    model = mx.declare(mx.GMM(2, prior=None), mx.datasets.faithful())
    with pytest.raises(NotImplementedError, match="flat"):
        pm.sample_prior_predictive(5, model=model, random_seed=1, compile_kwargs=FAST)
