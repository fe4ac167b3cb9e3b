"""Split HMC: against exact posteriors, what it refuses, and the order in which "auto" tries samplers."""

from dataclasses import replace
from types import SimpleNamespace

import arviz as az
import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blackjax.mcmc.integrators import IntegratorState

import mixtures as mx
from mixtures.density.compiled import CompiledModel
from mixtures.posterior import split_hmc
from mixtures.posterior.chains import Chains
from mixtures.posterior.nuts import Frame
from mixtures.posterior.peaks import Peak
from mixtures.posterior.rotations import rotation
from mixtures.posterior.runs import Draws
from mixtures.posterior.target import mixture_target
from mixtures.tolerances import TOLERANCES

QUIET = {"random_seed": 1, "progressbar": False}
SHORT = {"draws": 200, "chains": 2, **QUIET}
STANDARD_ERRORS = 5

COIN_ROWS = np.random.default_rng(0).integers(2, size=(40, 2)).astype(float)
ONE_COIN = mx.BMM(1, prior=mx.priors.Beta(2.0, 3.0))
TWO_MODES = mx.BMM(2, prior=mx.priors.Beta(3.0, 3.0), weight_concentration=5.0)
# Ten rows that split by their first three columns or by their last three
CROSSED = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [3, 2, 3, 2], axis=0).repeat(3, axis=1).astype(float)
CROSSED[3, 5] = 1


def faithful():
    return np.asarray(mx.datasets.faithful())


@pytest.fixture(scope="module")
def em():
    return mx.fit_em(mx.GMM(2), faithful(), random_seed=1)


@pytest.fixture(scope="module")
def drawn(em):
    return mx.sample(mx.GMM(2), faithful(), em=em, sampler="split_hmc", **QUIET)


# Counts with more spread than one Poisson has: exactly 41 % of the posterior has a share below 0.05, where
# EM has no optimum
COUNTS = """
5 9 11 6 10 12   9 15 13 14 11 10   8 8 5 7 8 7   4 7 5 4 5 4   8 1 8 1 6 6   5 4 3 7 3 7
5 5 6 9 5 3      6 2 3 4 5 7        5 2 4 5 7 6   4 7 7 4 9 7   5 1 6 6 7 6   3 8 6 4 9 5
"""
SPREAD = np.array(COUNTS.split(), dtype=int).reshape(12, 6)


def test_a_cluster_that_may_have_no_rows_is_refused():
    spec = mx.PMM(2, prior=mx.priors.Gamma(1.0, 0.01))
    with pytest.raises(mx.NoApproximation, match="a cluster may have no rows"):
        mx.sample(spec, SPREAD, sampler="split_hmc", **SHORT)


def test_one_bernoulli_has_its_beta_posterior():
    tree = mx.sample(ONE_COIN, COIN_ROWS, sampler="split_hmc", **QUIET)
    a, b = 2 + COIN_ROWS.sum(axis=0), 3 + (1 - COIN_ROWS).sum(axis=0)
    p = tree["posterior"].to_dataset()[["p"]].isel(cluster=0)
    for method, exact in {
        "mean": a / (a + b),
        "sd": np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))),
    }.items():
        found = getattr(p["p"], {"mean": "mean", "sd": "std"}[method])(("chain", "draw")).values
        error = az.mcse(p, method=method)["p"].values
        assert (error < 0.05 * p["p"].std(("chain", "draw")).values).all()
        assert (np.abs(found - exact) < STANDARD_ERRORS * error).all()


def test_draws_agree_with_independent_ones(drawn, em):
    """Which are checked against exact posteriors and NUTS."""
    other = mx.sample(mx.GMM(2), faithful(), em=em, sampler="laplace", log_likelihood=False, **QUIET)
    for name, values in other["posterior"].data_vars.items():
        mean, sd = (getattr(values, f)(("chain", "draw")).values for f in ("mean", "std"))
        own = drawn["posterior"][name]
        assert (np.abs(own.mean(("chain", "draw")).values - mean) < 0.1 * sd).all()
        assert (np.abs(own.std(("chain", "draw")).values / sd - 1) < 0.1).all()
    assert mx.diagnose(drawn, spec=mx.GMM(2), X=faithful()).passed


def test_the_tree_says_what_was_spent(drawn):
    stats = drawn["sample_stats"]
    assert set(stats.data_vars) == {
        "lp",
        "log_posterior",
        "energy",
        "acceptance_rate",
        "step_size",
        "n_steps",
        "diverging",
        "permutation",
    }
    assert stats["lp"].shape == (4, 1000)
    assert {k: drawn.attrs[k] for k in ("sampler", "tune", "complete")} == {
        "sampler": "split_hmc",
        "tune": 50,
        "complete": 1,
    }
    assert drawn.attrs["n_gradients"] == 2 * 4 * 1050 == int(stats["n_steps"].sum()) + 2 * 4 * 50
    assert "sampler_note" not in drawn.attrs
    assert "modes" not in drawn.children


def test_the_seed_decides_every_draw(em):
    trees = [
        mx.sample(mx.GMM(2), faithful(), em=em, sampler="split_hmc", **SHORT | {"random_seed": seed})
        for seed in (1, 1, 2)
    ]
    one, again, other = (tree["posterior"].to_dataset() for tree in trees)
    assert one.equals(again)
    assert not (one["mu"] == other["mu"]).any()


def test_no_random_number_is_used_twice(em):
    """Chains that start at one point part, and so do two stretches of a chain from one state."""
    compiled = mixture_target(mx.GMM(2), faithful()).compiled
    mode = compiled.unconstrain(em.params)
    frame = Frame(mode, 0.01 * np.eye(mode.size), np.ones(mode.size))
    run = split_hmc._Run(compiled, [frame, frame], Chains(cores=1), np.random.default_rng(1))
    states = list(run._states)
    first = run.on(3, 2).x
    run._states = states
    (a, b), (c, d) = first[:, 0], run.on(3, 2).x[:, 0]
    assert len(np.unique([a, b, c, d], axis=0)) == 4


def test_lp_is_that_of_the_model(drawn):
    """Recorded inside the loop, it is the density of the parameters that were kept."""
    spec, stats = mx.resolve(mx.GMM(2), faithful()), drawn["sample_stats"]
    params = {name: v.values[2, 700] for name, v in drawn["posterior"].data_vars.items()}
    total = spec.log_likelihood(faithful(), params).sum() + spec.log_prior(params)
    assert float(stats["log_posterior"][2, 700]) == pytest.approx(total, rel=1e-10)
    kinetic = stats["energy"].values[:, 1:] + stats["lp"].values[:, :-1]  # of 11 standard normal momenta
    assert kinetic.min() > 0
    assert kinetic.mean() == pytest.approx(11 / 2, rel=0.05)


# The motion


@pytest.fixture
def no_normal():
    """A density that is no normal, and a state of its trajectories."""

    def log_density(y):
        return -0.5 * (y @ y) - 0.1 * jnp.sum(jnp.exp(y))

    y, momentum = jnp.array([0.3, -1.2]), jnp.array([0.7, 0.4])
    value, gradient = jax.value_and_grad(log_density)(y)
    return log_density, IntegratorState(y, momentum, value, gradient)


def energy(state):
    return float(state.momentum @ state.momentum / 2 - state.logdensity)


def test_the_rotation_is_exact_for_a_standard_normal():
    def normal(y):
        return -0.5 * (y @ y)

    y, momentum = jnp.array([1.0, 2.0]), jnp.array([-0.5, 0.3])
    moved = rotation(normal, None)(IntegratorState(y, momentum, normal(y), -y), jnp.pi / 2)
    np.testing.assert_allclose(moved.position, momentum, atol=1e-12)
    np.testing.assert_allclose(moved.momentum, -y, atol=1e-12)


def test_a_trajectory_goes_back_the_way_it_came(no_normal):
    log_density, start = no_normal
    step = rotation(log_density, None)
    there = step(step(start, 0.6), 0.6)
    back = there._replace(momentum=-there.momentum)
    back = step(step(back, 0.6), 0.6)
    np.testing.assert_allclose(back.position, start.position, atol=1e-12)
    np.testing.assert_allclose(back.momentum, -start.momentum, atol=1e-12)


def test_it_is_of_second_order_and_ends_where_leapfrog_does(no_normal):
    log_density, start = no_normal

    def end(step, n):
        state = start
        for _ in range(n):
            state = step(state, 1.0 / n)
        return state

    step = rotation(log_density, None)
    errors = [abs(energy(end(step, n)) - energy(start)) for n in (4, 8)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    kinetic = blackjax.mcmc.metrics.default_metric(jnp.ones(2)).kinetic_energy
    leapfrog = blackjax.mcmc.integrators.velocity_verlet(log_density, kinetic)
    np.testing.assert_allclose(end(step, 200).position, end(leapfrog, 200).position, atol=1e-5)


# What it refuses, and when it stands in


def refuses(monkeypatch, **limits):
    monkeypatch.setattr(split_hmc, "TOLERANCES", replace(TOLERANCES, **limits))


def test_several_modes_are_refused():
    with pytest.raises(mx.NoApproximation, match="one with 2 modes, and split HMC moves about a single one"):
        mx.sample(TWO_MODES, CROSSED, sampler="split_hmc", **SHORT)


@pytest.mark.parametrize(
    ("limits", "more", "reason"),
    [
        ({"normal_pareto_k": -5.0}, {}, "Pareto k-hat .* of the normal approximation is .*, above -5"),
        ({"split_ess": 3.0}, {}, "effective sample size of a coordinate is .*% of the draws, below 300%"),
        ({}, {"target_accept": 0.9999}, "accepted with 8 steps, fewer than target_accept=0.9999"),
    ],
    ids=["far from normal", "slow", "rejected"],
)
def test_what_is_too_far_from_normal_is_refused(monkeypatch, em, limits, more, reason):
    refuses(monkeypatch, **limits)
    with pytest.raises(mx.NoApproximation, match=reason):
        mx.sample(mx.GMM(2), faithful(), em=em, sampler="split_hmc", **SHORT, **more)


def density_of(logs):
    return SimpleNamespace(log_densities=lambda x, jacobian: logs(x))


def test_starts_are_those_of_the_posterior_and_far_from_normal_there_are_none():
    peak, rng = Peak(np.ones(2), 3 * np.eye(2), 0.0, {}), np.random.default_rng(0)
    nearly = density_of(lambda x: -(((x - 1) / 3) ** 2).sum(axis=1) / 2 + 0.1 * np.cos(x[:, 0]))
    y = split_hmc._starts(nearly, peak, 400, rng)
    assert np.abs(y.mean(axis=0)).max() < 0.3
    assert np.abs(y.std(axis=0) - 1).max() < 0.2
    rising = density_of(lambda x: (((x - 1) / 3) ** 2).sum(axis=1) / 2)  # away from the mode: k is 2
    with pytest.raises(mx.NoApproximation, match=r"k-hat .* of the normal approximation"):
        split_hmc._starts(rising, peak, 400, rng)


def test_chains_that_stick_or_diverge_are_refused():
    rng, moving = np.random.default_rng(0), np.zeros((2, 500), dtype=bool)
    x, slow = rng.normal(size=(2, 500, 3)), np.cumsum(rng.normal(size=(2, 500)), axis=1)
    split_hmc._judge(Draws(x, {"lp": x[..., 0], "diverging": moving}))
    stuck = x.copy()
    stuck[..., 2] = slow
    tails = x.copy()
    tails[:, :250, 1] *= 0.01  # centred, but tails are visited in one long stay
    once = moving.copy()
    once[1, 7] = True
    for draws, lp, diverging, words in (
        (stuck, x[..., 0], moving, "effective sample size"),
        (tails, x[..., 0], moving, "effective sample size"),
        (x, slow, moving, "effective sample size"),
        (x, x[..., 0], once, "1 transitions diverged"),
    ):
        with pytest.raises(mx.NoApproximation, match=words):
            split_hmc._judge(Draws(draws, {"lp": lp, "diverging": diverging}))


def test_a_model_of_the_users_own_is_refused():
    with pytest.raises(mx.InputError, match="sampler='split_hmc' needs"):
        mx.sample(mx.declare(ONE_COIN, COIN_ROWS), sampler="split_hmc", **SHORT)


def test_auto_tries_independent_draws_then_split_hmc_then_nuts(monkeypatch, em):
    how = {"sampler": "auto", "em": em, "tune": 100, "log_likelihood": False, **SHORT}
    assert mx.sample(mx.GMM(2), faithful(), **how).attrs["sampler"] == "laplace"
    strict = replace(TOLERANCES, proposal_pareto_k=-5.0)
    monkeypatch.setattr("mixtures.posterior.independent.TOLERANCES", strict)
    tree = mx.sample(mx.GMM(2), faithful(), **how)
    assert tree.attrs["sampler"] == "split_hmc"
    assert tree.attrs["sampler_note"].startswith("split HMC, not independent draws: the log density is")
    refuses(monkeypatch, split_ess=3.0)
    tree = mx.sample(mx.GMM(2), faithful(), **how)
    assert tree.attrs["sampler"] == "blackjax"
    first, second = tree.attrs["sampler_note"].split("; ")
    assert first.startswith("NUTS, not independent draws: ")
    assert second.startswith("not split HMC: ")


def test_programs_are_read_from_the_cache(monkeypatch, tmp_path, em):
    """A second model of the same form takes the program of the first, and declares nothing."""
    monkeypatch.setenv("MIXTURES_CACHE", str(tmp_path / "cache"))
    X, how = faithful(), {"sampler": "split_hmc", "em": em, **SHORT}
    one = mx.sample(mx.GMM(2), X, **how)
    monkeypatch.setattr(CompiledModel, "__init__", None)
    again = mx.sample(mx.GMM(2), X, **how)
    assert one["posterior"].to_dataset().equals(again["posterior"].to_dataset())
