"""Chains start in every mode that holds much of the posterior."""

from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest

import mixtures as mx
from mixtures.data.reading import as_data
from mixtures.density.search import climb
from mixtures.em.fit import fit_em
from mixtures.posterior import peaks
from mixtures.posterior.chains import Chains
from mixtures.posterior.model_starts import model_starts
from mixtures.posterior.peaks import Peak, rival_ends, rivals
from mixtures.posterior.samplers import DRAW
from mixtures.posterior.starts import chain_starts
from mixtures.posterior.target import ModelTarget, mixture_target


def corners(height: float) -> np.ndarray:
    """Rows about the corners of a rectangle, which two clusters divide in two ways, nearly as well."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [0.0, height], [4.15, 0.0], [4.15, height]])
    return np.concatenate([rng.normal(0, 0.8, (20, 2)) + centre for centre in centres])


def divided_along(x: np.ndarray, target) -> int:
    return int(target.compiled.constrain(x)["sigma2"].mean(axis=0).argmin())


def test_chains_start_in_a_rival_mode_that_no_restart_of_em_found():
    X = corners(4.0)
    target = mixture_target(mx.GMM(2, covariance_type="diag"), X)
    em = fit_em(target.spec, X, random_seed=1)
    starts, _ = chain_starts(target, em, 4, np.random.default_rng(1))
    assert {divided_along(x, target) for x in starts} == {0, 1}


def test_chains_of_a_users_model_start_in_a_rival_mode_once_they_have_the_best():
    X = corners(4.1)
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(2))
        mu = pm.Normal("mu", 2, 5, shape=(2, 2))
        sigma2 = pm.InverseGamma("sigma2", 2, 2, shape=(2, 2))
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=sigma2, observed=X)
    target = ModelTarget(model)
    starts, _ = chain_starts(target, None, 4, np.random.default_rng(1))
    along = [divided_along(x, target) for x in starts]
    assert len(set(along)) == 2, along
    assert along[0] == along[2]


def test_chains_of_a_users_model_start_in_a_second_mode_of_another_parameter():
    """A prior and data in conflict, either of which may be the outlier: b is near 6 or near 0."""
    X = np.concatenate([corners(1.0)[:10], corners(1.0)[-10:]])
    with pm.Model() as model:
        b = pm.StudentT("b", nu=4, mu=6, sigma=0.1)
        pm.StudentT("c", nu=4, mu=b, sigma=0.1, observed=np.zeros(1))
        mu = pm.Normal("mu", 2, 5, shape=(2, 2))
        mx.GaussianMixture("x", alpha=np.array([0.5, 0.5]), mu=mu, sigma2=np.ones(2), observed=X)
    target = ModelTarget(model)
    starts, _ = chain_starts(target, None, 4, np.random.default_rng(1))
    assert {round(float(target.compiled.constrain(x)["b"])) for x in starts} == {0, 6}


@pytest.mark.parametrize("own", [True, False])
def test_regressions_start_from_few_rows_of_each_cluster(own):
    """Four lines, which k-means of the rows does not divide, in this package's and in PyMC's mixture."""
    truth = np.array([[0, 300.0], [0, -300], [250, 50], [-200, 100]])
    rng = np.random.default_rng(0)
    t, z = rng.uniform(-2, 2, 80), np.arange(80) % 4
    y = truth[z, 0] + truth[z, 1] * t + rng.normal(0, 100, 80)
    with pm.Model() as model:
        beta, log_sd = pm.Normal("beta", 0, 500, shape=(4, 2)), pm.Normal("log_sd", 4, 1)
        mu, sd = np.column_stack([np.ones(80), t]) @ beta.T, pm.math.exp(log_sd)
        if own:
            mx.GaussianMixture(
                "y", alpha=np.ones(4) / 4, mu=mu[:, :, None], sigma2=sd**2, observed=y[:, None]
            )
        else:
            pm.NormalMixture("y", np.ones(4) / 4, mu, sd, observed=y)
    compiled = ModelTarget(model).compiled
    starts = [np.append(truth, np.log(100)), *model_starts(compiled, 10, np.random.default_rng(1))]
    best, *heights = [compiled.value_and_grad(climb(compiled.value_and_grad, x))[0] for x in starts]
    assert max(heights) > best - 1e-3, (heights, best)


@pytest.mark.parametrize("sampler", ["blackjax", "nutpie", "pymc"])
def test_every_sampler_starts_its_chains_where_it_is_told(sampler):
    """In two modes, 100 sds apart, between which no chain moves."""
    pytest.importorskip("nutpie")
    with pm.Model() as model:
        x = pm.Flat("x")
        pm.Potential("modes", pm.math.logaddexp(-((x - 50) ** 2) / 2, -((x + 50) ** 2) / 2))
    density = ModelTarget(model).compiled
    starts = [np.array([at]) for at in (-50.5, 50.5, -50.5)]
    how = Chains(draws=50, tune=50, chains=3, sampler=sampler, progressbar=False)
    drawn = DRAW[sampler](density, starts, np.random.default_rng(1), how)
    np.testing.assert_array_equal(np.sort(np.sign(drawn.x.mean(axis=(1, 2)))), [-1, -1, 1])


# The rules, on modes made up so that the right answer is known


def test_a_mode_weighs_what_a_normal_of_its_widths_does():
    widths = np.array([[2.0, 0.0], [1.0, 0.25]])
    height = -np.log(2 * np.pi * np.linalg.det(widths))
    assert Peak(np.zeros(2), widths, height, {}).log_evidence == pytest.approx(0.0)


def test_width_counts_among_the_modes_of_a_users_model():
    """Where the searches ended: precision of two coordinates, by the first of them."""
    precision = {0.0: 100.0, 1.0: 100.0, 2.0: 1.0, 3.0: 100.0, 4.0: 1e-4}
    heights = np.array([0.0, -1e-9, -2.0, -4.0, -11.0])
    compiled = SimpleNamespace(
        size=2,
        value_and_grad=lambda x, jacobian: (heights[int(x[0])], np.zeros(2)),
        hessian=lambda x, jacobian, exact: -precision[x[0]] * np.eye(2),
        units=np.ones_like,
        coordinate_names=lambda: ["a", "b"],
        constrain=lambda x: {"theta": np.array([1.0, 0.0] if x[0] == 1 else [x[0], max(x[0], 1)])},
    )
    ends = [np.array([i, 0.0]) for i in precision]
    assert rival_ends(compiled, ends, heights) == [ends[2]]  # lower by 2 nats and wider by 4.6


def test_modes_of_one_height_differ_if_their_values_do_in_every_order():
    compiled = SimpleNamespace(
        size=1,
        value_and_grad=lambda x, jacobian: (0.0, np.zeros(1)),
        hessian=lambda x, jacobian, exact: -np.eye(1),
        units=np.ones_like,
        coordinate_names=lambda: ["a"],
        constrain=lambda x: {"b": np.array([6.0, 0.0, 6.0])[int(x[0])], "mu": np.roll([1.0, 2.0], int(x[0]))},
    )
    ends = [np.array([i]) for i in (0.0, 1.0, 2.0)]
    assert rival_ends(compiled, ends, np.zeros(3)) == [ends[1]]


def test_a_rival_on_large_data_is_the_next_in_height_and_not_the_best_itself():
    restarts = SimpleNamespace(
        log_posterior=np.array([-9.0, -0.5, 0.0, -2.0]), order=[2, 1, 3, 0], params="abcd"
    )
    em = SimpleNamespace(restarts=restarts, log_posterior=0.0)
    assert rivals(SimpleNamespace(size=10), em, SimpleNamespace(n_rows=1_000_000), 4) == ["b"]


def test_the_mode_of_the_best_optimum_is_not_left_out(monkeypatch):
    def failing_at(bad):
        def peak(compiled, spec, params, *_):
            if params == bad:
                raise mx.NoApproximation("not at a mode")
            return Peak(np.array([float(params)]), np.eye(1), 0.0, {})

        return peak

    monkeypatch.setattr(peaks, "_is_same", lambda *_: False)
    em, rows = SimpleNamespace(spec=None, params={}), as_data(np.zeros((3, 1)))
    monkeypatch.setattr(peaks, "_peak", failing_at(2))
    assert len(peaks._climbed(SimpleNamespace(size=1), em, rows, [1, 2, 3])) == 2
    monkeypatch.setattr(peaks, "_peak", failing_at(1))
    with pytest.raises(mx.NoApproximation, match="not at a mode"):
        peaks._climbed(SimpleNamespace(size=1), em, rows, [1, 2, 3])
