"""The machinery of simulation-based calibration: each part against an answer of its own; faults are found.

No claim of uniform ranks is made from so few simulations; docs/calibration.md has the release size.
"""

from dataclasses import replace
from functools import partial

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import long
from scipy import stats

import mixtures as mx
from benchmarks.calibration import page
from benchmarks.calibration.cases import CASES, Case, quantities, simulate
from benchmarks.calibration.chains import draw_many, of_rows
from benchmarks.calibration.experiments import keep, read
from benchmarks.calibration.posteriors import KEPT, kappa_doubled, of_lanes, of_prior, without_jacobian
from benchmarks.calibration.prior import draw_prior
from benchmarks.calibration.ranks import calibrate
from benchmarks.calibration.uniformity import band, counts_below, ecdf_p_value, pot_p_value, spread, steps
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.chains import Chains
from mixtures.posterior.nuts import run_nuts
from mixtures.posterior.whitening import frames_at

LINE, PLANE, COINS = CASES
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
TINY = 1e-4
"""P-value that a right answer has once in ten thousand tests."""


def drawn(spec, n_features, number=3000):
    rng = np.random.default_rng(0)
    draws = [draw_prior(spec, n_features, rng) for _ in range(number)]
    return {name: np.stack([draw[name] for draw in draws]) for name in draws[0]}


def fits(values, distribution):
    return stats.kstest(values, distribution.cdf).pvalue > TINY


# Truths


def test_weights_have_the_marginals_of_a_dirichlet():
    alpha = drawn(mx.BMM(3, prior=mx.priors.Beta(2.0, 1.0), weight_concentration=0.7), 1)["alpha"]
    np.testing.assert_allclose(alpha.sum(axis=1), 1)
    assert all(fits(alpha[:, k], stats.beta(0.7, 1.4)) for k in range(3))


def test_probabilities_have_a_beta_of_their_feature():
    p = drawn(COINS.spec, 6)["p"]
    for d, count in enumerate(COINS.spec.prior.alpha):
        assert all(fits(p[:, k, d], stats.beta(count, 1.0)) for k in (0, 1))
    assert not fits(p[:, 0, 0], stats.beta(COINS.spec.prior.alpha[2], 1.0))  # or the test could not fail


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_means_and_matrices_have_the_marginals_of_a_normal_inverse_wishart(covariance_type):
    spec = replace(PLANE.spec, covariance_type=covariance_type)
    params, prior = drawn(spec, 2), spec.prior
    shape = prior.nu - 1
    for d in (0, 1):
        scale = prior.Psi[d][d]
        variance = params["Sigma"][..., d, d].reshape(len(params["mu"]), -1)[:, -1]
        assert fits(variance, stats.invgamma(shape / 2, scale=scale / 2))
        student = stats.t(shape, prior.mean[d], np.sqrt(scale / prior.kappa / shape))
        assert all(fits(params["mu"][:, k, d], student) for k in (0, 1))
    mean = np.array(prior.Psi) / (prior.nu - 3)
    np.testing.assert_allclose(params["Sigma"].reshape(-1, 2, 2).mean(axis=0), mean, atol=0.1)
    standardised = np.linalg.solve(
        np.linalg.cholesky(params["Sigma"].reshape(len(params["mu"]), -1, 2, 2)[:, 0]),
        (params["mu"][:, 0] - prior.mean)[..., None] * np.sqrt(prior.kappa),
    )[..., 0]
    assert all(fits(standardised[:, d], stats.norm()) for d in (0, 1))  # mu given Sigma
    assert abs(np.corrcoef(standardised.T)[0, 1]) < 5 / np.sqrt(len(standardised))


@pytest.mark.parametrize("covariance_type", ["diag", "spherical", "tied_diag", "tied_spherical"])
def test_variances_have_an_inverse_gamma(covariance_type):
    prior = mx.priors.NormalInverseGamma(mean=[1.0, -2.0], kappa=0.2, nu=5.0, psi=3.0)
    spec = mx.GMM(2, covariance_type=covariance_type, prior=prior)
    params = drawn(spec, 2)
    assert params["sigma2"].shape[1:] == spec.shapes(2)["sigma2"]
    assert fits(params["sigma2"].reshape(len(params["mu"]), -1)[:, 0], stats.invgamma(2.5, scale=1.5))
    student = stats.t(5.0, -2.0, np.sqrt(3 / 0.2 / 5))
    assert all(fits(params["mu"][:, k, 1], student) for k in (0, 1))


def test_a_prior_that_would_depend_on_the_data_is_refused():
    with pytest.raises(TypeError, match="default"):
        draw_prior(mx.GMM(2), 2, np.random.default_rng(0))


@every_case
def test_simulations_add_to_those_there_are(case):
    few, more = simulate(case, 2, 1), simulate(case, 3, 1)
    for a, b in zip(few, more, strict=False):
        np.testing.assert_array_equal(a.X, b.X)
    assert case.spec.resolved
    assert not np.array_equal(more[0].X, more[2].X)


# Quantities


@every_case
def test_quantities_know_no_labels(case):
    params = drawn(case.spec, case.points.shape[1], 20)
    X = simulate(case, 1, 1)[0].X
    swapped = {name: value[:, ::-1] for name, value in params.items()}
    given, exchanged = quantities(case, params, X), quantities(case, swapped, X)
    for name, values in given.items():
        np.testing.assert_allclose(values, exchanged[name], rtol=1e-12)
    key = [values for name, values in given.items() if name.startswith(case.key)]
    assert (given[f"{case.key}[0,0]"] <= given[f"{case.key}[1,0]"]).all()
    free = case.spec.parameter_count(case.points.shape[1])
    assert len(given) == 2 + len(case.points) + free
    assert len(key) == params[case.key][0].size


# Posteriors


@pytest.mark.parametrize("case", [LINE, *long(PLANE), COINS], ids=lambda case: case.name)
def test_rows_as_arguments_give_the_density_that_is_shipped(case):
    first, other = simulate(case, 2, 1)
    (swapped,) = of_rows(CompiledModel(mx.declare(case.spec, first.X)), case.spec.family, [other.X])
    shipped = CompiledModel(mx.declare(case.spec, other.X))
    params = [first.truth, other.truth]
    ours = [swapped.log_densities(swapped.unconstrain(p)[None])[0] for p in params]
    theirs = [shipped.log_densities(shipped.unconstrain(p)[None])[0] for p in params]
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)
    jacobian = [
        [m.log_densities(m.unconstrain(p)[None], jacobian=True)[0] for m in (swapped, shipped)]
        for p in params
    ]
    by_units = np.subtract(*np.transpose(jacobian))
    np.testing.assert_allclose(by_units, by_units[0], atol=1e-9)  # a linear map: one constant everywhere


@pytest.fixture(scope="module")
def line():
    """One data set, and two chains' coordinates."""
    simulation = simulate(LINE, 1, 4)[0]
    model = CompiledModel(mx.declare(LINE.spec, simulation.X))
    (compiled,) = of_rows(model, LINE.spec.family, [simulation.X])
    rng = np.random.default_rng(0)
    start = compiled.unconstrain(mx.fit_em(LINE.spec, simulation.X, random_seed=1).params)
    return simulation, compiled, frames_at(compiled, [start, start], rng)


@pytest.mark.parametrize("lanes", [pytest.param(1, marks=pytest.mark.long), 2])
def test_transitions_are_those_of_the_sampler_that_is_shipped(line, lanes):
    _, compiled, frames = line
    x, statistics = draw_many([compiled] * 2, frames, draws=10, tune=20, seed=5, lanes=lanes)
    shipped = run_nuts(compiled, frames, Chains(draws=10, tune=20), 5)
    np.testing.assert_allclose(x, shipped.x, rtol=1e-7, atol=1e-7)
    for name, values in shipped.statistics.items():
        np.testing.assert_allclose(statistics[name], values, rtol=1e-7, atol=1e-7)


@pytest.mark.long  # the transitions are the same to the last digits, by the test above
def test_draws_agree_with_those_of_sample(line):
    simulation, compiled, frames = line
    x, _ = draw_many([compiled] * 2, frames, draws=1200, tune=500, seed=5)
    tree = mx.sample(LINE.spec, simulation.X, random_seed=6, log_likelihood=False, progressbar=False)
    ours, theirs = (
        as_chains(simulation.X, params)
        for params in (compiled.constrain(x), {n: v.values for n, v in tree["posterior"].items()})
    )
    for statistic in ("mean", "sd"):
        apart = summary(ours, statistic) - summary(theirs, statistic)
        error = np.hypot(*(az.mcse(t, method=statistic)["q"].values for t in (ours, theirs)))
        assert (np.abs(apart) < 5 * error).all(), (statistic, apart / error)
        assert (error < 0.15 * summary(theirs, "sd")).all()  # or the test could not fail


def as_chains(X, params):
    """Quantities as a tree (chain, draw, quantity), every second draw."""
    kept = {name: value[:, ::2] for name, value in params.items()}
    chains, draws = kept["alpha"].shape[:2]
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in kept.items()}
    values = np.array(list(quantities(LINE, flat, X).values()))
    return az.from_dict({"posterior": {"q": values.T.reshape(chains, draws, -1)}})


def summary(tree, statistic):
    return {"mean": np.mean, "sd": np.std}[statistic](tree["posterior"]["q"].values, (0, 1))


@pytest.mark.parametrize("case", [LINE, *long(COINS)], ids=lambda case: case.name)
def test_ranks_are_whole_numbers_in_range(case, tmp_path):
    ranks = calibrate(case, 2, seed=1)
    assert ranks.n_draws == KEPT
    for of in ranks.of.values():
        assert of.shape == (2,)
        assert of.dtype.kind == "i"
        assert ((of >= 0) & (of <= KEPT)).all()
    assert len({tuple(of) for of in ranks.of.values()}) > 3
    assert ranks.divergent < 0.1
    assert all(abs(r) < 0.5 for r in ranks.autocorrelation.values())
    keep({"a": ranks}, tmp_path / "ranks.npz")
    again = read(tmp_path / "ranks.npz")["a"]
    for name, of in ranks.of.items():
        np.testing.assert_array_equal(again.of[name], of)
    assert replace(again, of={}) == replace(ranks, of={})


# Uniformity


def test_p_values_and_band_are_right_for_uniform_ranks():
    samples = np.random.default_rng(1).integers(0, 51, (600, 100))
    p = np.array([ecdf_p_value(ranks, 50) for ranks in samples])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert stats.binomtest(int((p <= level).sum()), len(p), level).pvalue > TINY
    lower, upper = band(100, 50)
    apart = counts_below(samples, 50) / 100 - steps(50)
    inside = ((apart >= lower - 1e-12) & (apart <= upper + 1e-12)).all(axis=1)
    assert stats.binomtest(int(inside.sum()), len(p), 0.95).pvalue > TINY
    assert (inside == (p > 0.05)).mean() > 0.99


def test_counts_are_of_ranks_below():
    ranks = np.array([[0, 0, 3], [2, 1, 1]])
    np.testing.assert_array_equal(counts_below(ranks, 3), [[2, 2, 2], [0, 2, 3]])
    np.testing.assert_allclose(steps(3), [0.25, 0.5, 0.75])


def test_ranks_that_are_uniform_are_spread_evenly():
    ranks = np.repeat(np.arange(100), 30)
    u = spread(ranks, 99, np.random.default_rng(0))
    assert ((u > ranks / 100) & (u < (ranks + 1) / 100)).all()
    assert fits(u, stats.uniform())


@pytest.mark.parametrize("wrong", [stats.beta(1.8, 1.8), stats.beta(0.6, 0.6), stats.beta(1.4, 1.0)])
def test_too_wide_too_narrow_and_shifted_are_found(wrong):
    ranks = (100 * wrong.rvs(300, random_state=1)).astype(int)
    assert ecdf_p_value(ranks, 99) < 0.001
    assert pot_p_value(ranks, 99) < 0.001


def p_values(ranks):
    return {name: ecdf_p_value(of, ranks.n_draws) for name, of in ranks.of.items()}


def test_draws_that_ignored_the_data_are_given_away_by_the_log_likelihood_alone():
    p = p_values(calibrate(LINE, 40, 1, of_prior))
    assert p["log-likelihood"] < 0.001
    assert min(value for name, value in p.items() if not name.startswith(("log-l", "dens"))) > TINY


def test_a_missing_jacobian_is_found():
    few = replace(LINE, n_rows=2)  # so few that the Jacobian matters most
    p = p_values(calibrate(few, 120, 1, partial(of_lanes, fault=without_jacobian)))
    assert min(p.values()) < 0.05 / len(p), p


def test_a_fault_in_the_prior_is_a_fault_in_nothing_else():
    wrong = kappa_doubled(LINE)
    assert wrong.prior.kappa == 2 * LINE.spec.prior.kappa
    assert replace(wrong, prior=LINE.spec.prior) == LINE.spec
    assert isinstance(LINE, Case)


# The page


def test_the_page_is_what_the_kept_ranks_say():
    found = read()
    written = (page.DOCS / "calibration.md").read_text(encoding="utf-8")
    assert written == page.page(found, {name: page.p_values(ranks) for name, ranks in found.items()})


def test_the_verdict_counts_how_many_it_looked_at():
    good = {"a": {f"q{i}": (0.002, 0.002) for i in range(30)}}
    assert "no sign of a wrong posterior" in page.verdict(good)
    assert "**a sign of a wrong posterior**" in page.verdict({"a": {**good["a"], "q": (0.001, 0.001)}})
    assert "30 have a p-value below 0.05" in page.verdict(good)


def test_every_quantity_is_drawn_once():
    found = read()
    figure = page.draw(found)
    drawn = [line.get_label() for ax in figure.axes[:9] for line in ax.lines if line.get_label()[0] != "_"]
    assert sorted(drawn) == sorted(name for case in CASES for name in found[case.name].of)
    plt.close(figure)
