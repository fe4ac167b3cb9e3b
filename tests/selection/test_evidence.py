"""Marginal likelihoods against exact ones: closed forms, and sums over all allocations of ten rows."""

from dataclasses import replace

import numpy as np
import pytest
from exact_evidence import bernoulli, gaussian, mixture
from scipy import stats

from mixtures import BMM, GMM, InputError, marginal_likelihood, priors, resolve, sample, uncertainty
from mixtures.results.evidence import Evidence
from mixtures.selection import bridge
from mixtures.selection.bridge import _cross
from mixtures.selection.evidence import _of_runs
from mixtures.selection.smc import _rise
from mixtures.selection.smc import _weights as drawn_weights

STANDARD_ERRORS = 4
RNG = np.random.default_rng(0)
LINE = np.concatenate([RNG.normal(-2, 0.6, 5), RNG.normal(2, 0.8, 5)])[:, None]
PLANE = np.concatenate([RNG.normal(-1.5, 0.6, (5, 2)), RNG.normal(1.5, 0.8, (5, 2))])
COINS = (RNG.random((10, 3)) < np.array([[0.8, 0.7, 0.2], [0.2, 0.1, 0.9]])[np.arange(10) % 2]).astype(float)

LINE_PRIOR = priors.NormalInverseWishart(mean=np.zeros(1), kappa=0.3, nu=5.0, Psi=2 * np.eye(1))
PLANE_PRIOR = priors.NormalInverseWishart(mean=np.zeros(2), kappa=0.3, nu=6.0, Psi=2 * np.eye(2))
SAMPLING = {"random_seed": 1, "progressbar": False}

pytestmark = pytest.mark.filterwarnings("ignore::mixtures.IdentifiabilityWarning")


def line(k):
    return GMM(k, prior=LINE_PRIOR, weight_concentration=1.5)


def coins(k):
    return BMM(k, prior=priors.Beta(1.5, 2.0), weight_concentration=1.5)


def exact(spec, X):
    cluster = gaussian if isinstance(spec, GMM) else bernoulli
    prior = resolve(spec, X).prior
    prior = priors.Beta(np.ones(X.shape[1]), np.ones(X.shape[1])) if prior is None else prior
    return mixture(X, prior, spec.n_components, spec.weight_concentration, cluster)


def assert_exact(found, value):
    assert found.standard_error < 0.1  # or log 2 and log 6 could not be told apart
    z = (found.log_marginal_likelihood - value) / found.standard_error
    assert abs(z) < STANDARD_ERRORS, (found, value)


@pytest.fixture(scope="module")
def line_tree():
    return sample(line(3), LINE, **SAMPLING)


def test_the_exact_sum_is_a_probability():
    """Summed over all possible data sets it is one: a check of the reference itself."""
    patterns = np.array(np.meshgrid(*[[0.0, 1.0]] * 4)).reshape(4, -1).T  # every data set of four flips
    prior = priors.Beta(np.array([1.5]), np.array([2.0]))
    total = sum(np.exp(mixture(rows[:, None], prior, 2, 0.7, bernoulli)) for rows in patterns)
    assert total == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "X"),
    [
        pytest.param(line(1), LINE, marks=pytest.mark.long),
        pytest.param(line(2), LINE, marks=pytest.mark.long),
        pytest.param(GMM(1, prior=PLANE_PRIOR), PLANE, marks=pytest.mark.long),
        pytest.param(GMM(2, prior=PLANE_PRIOR), PLANE, marks=pytest.mark.long),
        pytest.param(GMM(3, prior=PLANE_PRIOR), PLANE, marks=pytest.mark.long),
        pytest.param(coins(1), COINS, marks=pytest.mark.long),
        pytest.param(coins(2), COINS, marks=pytest.mark.long),
        pytest.param(coins(3), COINS, marks=pytest.mark.long),
        (BMM(2, prior=None), COINS),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else f"{type(value).__name__}{value.n_components}",
)
def test_a_bridge_ends_at_the_exact_value(spec, X):
    assert_exact(marginal_likelihood(spec, X, **SAMPLING), exact(spec, X))


@pytest.mark.parametrize("all_labellings", [pytest.param(5, marks=pytest.mark.long), 1])
def test_some_labellings_say_as_much_as_all(monkeypatch, line_tree, all_labellings):
    """Above five clusters only the labelling of a pivot and its exchanges are used."""
    monkeypatch.setattr(bridge, "ALL_LABELLINGS", all_labellings)
    found = marginal_likelihood(line(3), LINE, tree=line_tree, random_seed=1)
    assert found.method == f"bridge over {6 if all_labellings == 5 else 4} labellings"
    assert_exact(found, exact(line(3), LINE))


def test_labels_of_the_sample_do_not_matter(line_tree):
    """Chains that each sit in another labelling hold the same posterior."""
    shuffled = line_tree.copy()
    posterior = shuffled["posterior"].to_dataset()
    for name in ("alpha", "mu", "Sigma"):
        values = posterior[name].values.copy()
        values[1] = values[1][:, [2, 0, 1]]
        posterior[name] = (posterior[name].dims, values)
    shuffled["posterior"] = posterior
    a = marginal_likelihood(line(3), LINE, tree=line_tree, random_seed=1)
    b = marginal_likelihood(line(3), LINE, tree=shuffled, random_seed=1)
    error = np.hypot(a.standard_error, b.standard_error)  # far below the log 3! of a labelling that is lost
    assert error < 0.1
    assert abs(a.log_marginal_likelihood - b.log_marginal_likelihood) < 4 * error


@pytest.mark.parametrize(
    ("spec", "X"),
    [pytest.param(line(2), LINE, marks=pytest.mark.long, id="GMM"), pytest.param(coins(3), COINS, id="BMM")],
)
def test_smc_comes_to_the_exact_value(spec, X):
    found = marginal_likelihood(spec, X, method="smc", runs=8, particles=300, **SAMPLING)
    assert found.method == "SMC from the prior, 8 runs"
    assert_exact(found, exact(spec, X))


def test_particles_of_a_small_concentration_are_in_the_space():
    alpha = drawn_weights(0.02, (1, 4000, 3), np.random.default_rng(0))
    assert alpha.min() > 0
    np.testing.assert_allclose(alpha.mean((0, 1)), 1 / 3, atol=0.03)
    np.testing.assert_allclose(alpha.var((0, 1)), 2 / 9 / 1.06, atol=0.01)
    assert _rise(np.array([-np.inf, -1.0, -1.1, -np.inf]), 1.0) == 1.0  # of the two that are left


def test_the_interval_of_a_few_runs_covers_as_often_as_it_says():
    """Four unbiased estimates, log-normal, many times: two standard errors would cover 0.86 of the time."""
    runs = np.random.default_rng(0).normal(-0.02, 0.2, (2000, 4))
    covers = []
    for logs in runs:
        low, high = _of_runs(logs).interval()
        covers.append(low < 0 < high)
    assert 0.93 < np.mean(covers) < 0.97
    assert _of_runs(runs[0]).degrees_of_freedom == 3
    normal = Evidence(-5.0, 1.0, "bridge", ())
    np.testing.assert_allclose(normal.interval(0.9), stats.norm(-5, 1).interval(0.9))
    with pytest.raises(InputError, match="prob must be between 0 and 1"):
        normal.interval(95)


def test_weights_are_repeated_rows():
    weights = np.array([2, 1, 1, 1, 1])
    rows = np.repeat(COINS[:5], weights, axis=0)
    found = marginal_likelihood(coins(2), COINS[:5], weights=weights, **SAMPLING)
    assert_exact(found, exact(coins(2), rows))


def test_the_bridge_knows_its_error():
    """Between two normals, many times: the standard error is the sd of the estimates."""
    rng = np.random.default_rng(0)
    logs, errors = [], []
    for _ in range(200):
        at_posterior, at_proposal = rng.normal(size=(2, 200)), rng.normal(0.5, 1.3, size=400)
        log_ratio = [
            3.0 - x**2 / 2 + ((x - 0.5) / 1.3) ** 2 / 2 + np.log(1.3) for x in (at_posterior, at_proposal)
        ]
        log, error, _ = _cross(*log_ratio)
        logs.append(log)
        errors.append(error)
    assert np.mean(logs) == pytest.approx(3, abs=4 * np.std(logs) / np.sqrt(200))
    assert np.mean(errors) == pytest.approx(np.std(logs), rel=0.2)


def test_chains_that_disagree_are_told_of():
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(2, 200)) + np.array([[0.0], [4.0]])
    *_, r_hat = _cross(apart, rng.normal(size=400))
    assert r_hat > 1.1


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (GMM(2, prior=None), {}, "improper"),
        (line(2), {"method": "laplce"}, "'laplce' is not one of bridge, smc"),
        (line(2), {"runs": 1}, "runs must be at least 2"),
    ],
)
def test_bad_input_is_refused(spec, options, words):
    with pytest.raises(InputError, match=words):
        marginal_likelihood(spec, LINE, **options)


def test_a_sample_of_another_model_is_refused(line_tree):
    with pytest.raises(InputError, match="the posterior is of 3 clusters, the model has n_components=2"):
        marginal_likelihood(line(2), LINE, tree=line_tree)
    with pytest.raises(InputError, match="at least 100 draws"):
        marginal_likelihood(line(3), LINE, tree=line_tree.isel(draw=slice(0, 50)))
    with pytest.raises(InputError, match="the posterior lacks p"):
        marginal_likelihood(coins(3), COINS, tree=line_tree)
    for spec, X in ((line(3), LINE + 1), (replace(line(3), weight_concentration=2.0), LINE)):
        with pytest.raises(InputError, match="the sample is of other data or of another prior"):
            marginal_likelihood(spec, X, tree=line_tree)
        with pytest.raises(InputError, match="the sample is of other data or of another prior"):
            uncertainty(spec, X, posterior=line_tree, methods="nuts")
