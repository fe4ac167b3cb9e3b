"""EM against scikit-learn, the textbook and itself; its restarts, its ends, and what it refuses."""

import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import every_spec, every_spec_in_turn, make_params, make_rows, simulate
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import mixtures as mx
from mixtures import BMM, GMM, PMM, DataWarning, InputError, em_step, fit_em, priors, resolve
from mixtures.data.reading import as_data
from mixtures.em.acceleration import existing
from mixtures.em.estep import e_step
from mixtures.em.problem import problem_of
from mixtures.errors import CollapseError, NonMonotoneError
from mixtures.families.covariance import COVARIANCES

every_gmm = pytest.mark.parametrize("structure", COVARIANCES)


def assert_params_close(actual, expected, **tolerance):
    assert actual.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_allclose(actual[name], x, err_msg=name, **tolerance)


# Against other people's answers


def scikit_learn(structure, X, start, **keywords):
    """GaussianMixture from the same start, its answer named as ours."""
    value = start["Sigma" if "Sigma" in start else "sigma2"]
    model = GaussianMixture(
        len(start["alpha"]),
        covariance_type=structure,
        reg_covar=0,
        weights_init=start["alpha"],
        means_init=start["mu"],
        precisions_init=np.linalg.inv(value) if "Sigma" in start else 1 / value,
        **keywords,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    name = "Sigma" if "Sigma" in start else "sigma2"
    return {"alpha": model.weights_, "mu": model.means_, name: model.covariances_}, model.score(X) * len(X)


of_scikit_learn = pytest.mark.parametrize("structure", ["full", "tied", "diag", "spherical"])


@of_scikit_learn
@pytest.mark.parametrize("n_features", [1, 3])
def test_one_iteration_is_that_of_scikit_learn(structure, n_features):
    spec = GMM(3, covariance_type=structure, prior=None)
    start, X, _ = simulate(spec, 200, n_features)
    ours = spec.maximize(e_step(spec, as_data(X), start).statistics)
    theirs, _ = scikit_learn(structure, X, start, max_iter=1)
    assert_params_close(ours, theirs, rtol=1e-9, atol=1e-12)


@of_scikit_learn
def test_the_limit_is_that_of_scikit_learn(structure):
    spec = GMM(3, covariance_type=structure, prior=None)
    start, X, _ = simulate(spec, 300, 2, apart=4.0)
    em = fit_em(spec, X, start=start)
    theirs, log_likelihood = scikit_learn(structure, X, start, max_iter=5000, tol=1e-14)
    assert em.converged
    assert_params_close(em.params, theirs, rtol=1e-5, atol=1e-6)
    assert em.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)


@pytest.mark.parametrize(
    ("data", "columns", "n_components", "log_likelihood"),
    [
        ("faithful", ["eruptions", "waiting"], 2, -1130.2639601848),
        ("faithful", ["waiting"], 2, -1034.0017498),
        ("iris", None, 3, -180.1854771),
        ("iris", None, 2, -214.3547044),
    ],
)
def test_known_maximum_log_likelihoods(data, columns, n_components, log_likelihood):
    X = mx.datasets.load(data)
    em = fit_em(GMM(n_components, prior=None), X[columns] if columns else X, random_seed=1)
    assert em.converged
    assert em.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    assert em.log_posterior == pytest.approx(
        log_likelihood + np.log(n_components - 1), abs=1e-6
    )  # Dirichlet(1)


def test_a_bernoulli_mixture_by_the_textbooks_five_lines():
    start, X, _ = simulate(BMM(3), 200, 6)
    alpha, p = start["alpha"], start["p"]
    trace = []
    for _ in range(40):
        log_joint = np.log(alpha) + X @ np.log(p).T + (1 - X) @ np.log(1 - p).T
        log_rows = logsumexp(log_joint, axis=1, keepdims=True)
        r = np.exp(log_joint - log_rows)
        trace.append(log_rows.sum())
        alpha, p = r.mean(axis=0), (r.T @ X) / r.sum(axis=0)[:, None]
    textbook = {"start": start, "tol": 1e-30, "accelerate": None}
    em = fit_em(BMM(3, prior=None), X, max_iter=39, **textbook)
    np.testing.assert_allclose(em.objective_trace, trace, rtol=1e-12)  # no log 2! of flat weights in it
    assert em.objective_trace[-1] == pytest.approx(em.log_likelihood, rel=1e-14)
    again = fit_em(BMM(3, prior=None), X, max_iter=40, **textbook)
    assert_params_close(again.params, {"alpha": alpha, "p": p}, rtol=1e-9, atol=1e-12)


def test_clusters_that_the_data_show_give_the_binomial_formulas():
    """Rows whose first columns tell the cluster: EM is counting heads."""
    z = np.repeat([0, 1], [30, 50])
    flips = np.random.default_rng(0).random((80, 2)) < np.array([[0.2, 0.7], [0.6, 0.5]])[z]
    X = np.hstack([np.repeat(z[:, None] == 1, 20, axis=1), flips]).astype(float)
    em = fit_em(BMM(2, prior=None), X, random_seed=0)
    order = np.argsort(em.params["p"][:, 0])
    np.testing.assert_allclose(em.params["alpha"][order], [30 / 80, 50 / 80], atol=1e-9)
    means = [X[z == k].mean(axis=0) for k in (0, 1)]
    np.testing.assert_allclose(em.params["p"][order], means, atol=1e-9)
    em = fit_em(BMM(2), X, random_seed=0)  # Beta(2, 2): one more head and one more tail
    sums = np.array([(X[z == k].sum(axis=0) + 1) / (n + 2) for k, n in ((0, 30), (1, 50))])
    np.testing.assert_allclose(em.params["p"][np.argsort(em.params["p"][:, 0])], sums, atol=1e-6)


@every_spec
def test_the_truth_is_recovered(spec):
    truth, X, _ = simulate(spec, 2000, 10, seed=2, apart=5.0)
    em = fit_em(replace(spec, prior=None), X, n_init=4, random_seed=0)
    ratio = 2 * (em.log_likelihood - spec.log_likelihood(X, truth).sum())
    assert 0 <= ratio < chi2.ppf(1 - 1e-4, spec.parameter_count(10))  # Wilks
    divergence = spec.family.divergence(truth, em.params)
    match = divergence.argmin(axis=1)
    assert sorted(match) == [0, 1, 2]
    assert divergence.min(axis=1).max() < 0.3
    np.testing.assert_allclose(em.params["alpha"][match], truth["alpha"], atol=0.05)


# Restarts


def test_the_record_of_the_restarts():
    X = mx.datasets.iris()
    em = fit_em(GMM(3), X, n_init=8, random_seed=1)
    record = em.restarts
    made = len(record.log_posterior)
    assert made == len(record.params) == len(record.kinds) == len(record.traces) == 8 * (made // 8) <= 64
    assert record.collapsed == {}
    np.testing.assert_array_equal(np.sort(record.log_posterior)[::-1], record.log_posterior[record.order])
    assert em.log_posterior >= record.log_posterior.max() - 1e-9
    assert record.n_best == (record.log_posterior > em.log_posterior - 1e-3).sum() < made
    assert str(record).startswith(f"{record.n_best} of {made} restarts reached the best optimum")
    for params, objective in zip(record.params, record.log_posterior, strict=True):
        expected = em.spec.log_likelihood(X, params).sum() + em.spec.log_prior(params)
        assert objective == pytest.approx(expected, rel=1e-12)


def test_equal_seeds_give_equal_fits():
    X, _ = make_rows(GMM(3))
    one, two, other = (fit_em(GMM(3), X, n_init=3, random_seed=seed) for seed in (5, 5, 6))
    assert_params_close(one.params, two.params, rtol=0)
    np.testing.assert_array_equal(one.objective_trace, two.objective_trace)
    assert len(one.objective_trace) != len(other.objective_trace) or not np.array_equal(
        one.objective_trace, other.objective_trace
    )
    seeded = fit_em(GMM(3), X, n_init=3, random_seed=np.random.default_rng(5))
    assert_params_close(one.params, seeded.params, rtol=0)


def test_the_data_and_the_start_are_left_as_they_were():
    start, X, _ = simulate(GMM(3))
    X_before, start_before = X.copy(), {name: x.copy() for name, x in start.items()}
    em = fit_em(GMM(3), X, start=start, max_iter=3)
    np.testing.assert_array_equal(X, X_before)
    assert_params_close(start, start_before, rtol=0)
    assert em.restarts.n_best == 1
    assert str(em.restarts) == "1 of 1 restart reached the best optimum"


def test_a_start_that_is_the_answer_stays():
    em = fit_em(GMM(2), mx.datasets.faithful(), random_seed=1, tol=1e-10)
    again = fit_em(GMM(2), mx.datasets.faithful(), start=em.params)
    assert again.converged
    assert again.n_iter <= 3
    assert_params_close(again.params, em.params, rtol=1e-7)


def test_a_single_cluster_needs_one_step():
    X = mx.datasets.faithful().to_numpy()
    em = fit_em(GMM(1, prior=None), X, random_seed=0)
    assert em.converged
    np.testing.assert_allclose(em.params["alpha"], [1])
    np.testing.assert_allclose(em.params["mu"][0], X.mean(axis=0))
    np.testing.assert_allclose(em.params["Sigma"][0], np.cov(X.T, ddof=0))


def test_fewer_different_rows_than_clusters():
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 20, axis=0)
    em = fit_em(BMM(4), X, n_init=4, random_seed=0)
    assert em.converged
    p = em.spec.responsibilities(X, em.params) @ em.params["p"]
    np.testing.assert_allclose(p.round(), X)


# Where it stops


@every_spec_in_turn("prior", ["default", None])
def test_what_is_left_to_the_limit_is_below_the_tolerance(spec, prior):
    spec = replace(spec, prior=prior)
    start, X, _ = simulate(spec, 200, 3, apart=1.5)
    em = fit_em(spec, X, start=start, accelerate=None)
    limit = fit_em(spec, X, start=start, accelerate=None, tol=1e-11)
    count = len(X) * limit.params["alpha"]
    assert em.converged
    assert em.n_iter < limit.n_iter
    assert em.spec.step_length(em.params, limit.params, count) < 1e-5


def test_slow_convergence_is_not_taken_for_convergence():
    """Two overlapping clusters, hundreds of steps each a little shorter than the last; restarts too."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 1)) + np.repeat([0.0, 1.8], 200)[:, None]
    spec = GMM(2, covariance_type="tied", prior=None)
    limit = fit_em(spec, X, n_init=1, random_seed=0, accelerate=None, tol=1e-10)
    assert limit.n_iter > 100
    count = len(X) * limit.params["alpha"]
    for n_init in (1, 4):
        em = fit_em(spec, X, n_init=n_init, random_seed=0, accelerate=None)
        order = np.argsort(em.params["mu"][:, 0])
        aligned = spec.relabel(em.params, order[np.argsort(np.argsort(limit.params["mu"][:, 0]))])
        assert spec.step_length(aligned, limit.params, count) < 1e-5
    # A first step shorter than the tolerance, then a plateau: neither is the end.
    start = make_params(spec, n_features=1)
    plateau = fit_em(spec, X, start=start, max_iter=1).params
    first = spec.maximize(e_step(spec, as_data(X), plateau).statistics)
    assert spec.step_length(first, plateau, count) < 0.02
    for begin in (start, plateau):
        near = fit_em(spec, X, start=begin, accelerate=None, tol=0.1)
        ends = [spec.relabel(em.params, np.argsort(em.params["mu"][:, 0])) for em in (near, limit)]
        assert spec.step_length(*ends, count) < 0.15


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("max_iter", [1, 2, 7])
def test_out_of_iterations_is_not_converged(n_init, max_iter):
    X = np.random.default_rng(4).normal(size=(400, 1)) + np.repeat([0.0, 1.8], 200)[:, None]
    em = fit_em(GMM(2, covariance_type="tied"), X, n_init=n_init, max_iter=max_iter, random_seed=0)
    assert not em.converged
    assert em.n_iter == max_iter == len(em.objective_trace) - 1
    assert em.log_likelihood == pytest.approx(em.spec.log_likelihood(X, em.params).sum(), rel=1e-12)
    assert em.log_posterior == pytest.approx(em.log_likelihood + em.spec.log_prior(em.params), rel=1e-12)


def test_the_last_stretch_counts_against_max_iter():
    X = mx.datasets.iris()
    free = fit_em(GMM(3), X, n_init=2, random_seed=0)
    capped = fit_em(GMM(3), X, n_init=2, random_seed=0, max_iter=free.n_iter - 1)
    assert not capped.converged
    assert capped.n_iter == free.n_iter - 1


def test_far_from_the_origin_em_still_converges():
    X = mx.datasets.faithful().to_numpy()
    near, far = fit_em(GMM(2), X, random_seed=1), fit_em(GMM(2), X + 1e7, random_seed=1)
    assert len(near.restarts.traces) == 10  # as documented
    assert near.converged
    assert far.converged
    np.testing.assert_allclose(far.params["Sigma"], near.params["Sigma"], rtol=1e-5)


# Collapse


def collapsing():
    """Data with one row six times over, and a start with a cluster on it."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(60, 2)), np.full((6, 2), 5.0)])
    start = {
        "alpha": np.array([0.9, 0.1]),
        "mu": np.array([[0.0, 0.0], [5.0, 5.0]]),
        "Sigma": np.array([np.eye(2), 0.01 * np.eye(2)]),
    }
    return X, start


@pytest.mark.parametrize("structure", ["full", "diag", "spherical"])
def test_a_collapse_is_an_error_with_the_last_state(structure):
    X, start = collapsing()
    if structure != "full":
        value = start.pop("Sigma").diagonal(axis1=1, axis2=2)
        start["sigma2"] = value if structure == "diag" else value[:, 0]
    spec = GMM(2, covariance_type=structure, prior=None)
    with pytest.raises(
        CollapseError, match=r"the only start collapsed \(first: cluster 1 collapsed.*prior='default'"
    ) as info:
        fit_em(spec, X, start=start)
    error = info.value
    assert error.params.keys() == start.keys()
    assert len(error.objective_trace) >= 1
    assert np.isfinite(error.objective_trace).all()
    assert error.objective_trace[-1] == pytest.approx(spec.log_likelihood(X, error.params).sum())
    with pytest.warns(DataWarning, match="hold a single value"):
        assert fit_em(GMM(2, covariance_type=structure), X, start=start).converged  # a prior holds it


def test_a_degenerate_start_collapses_at_once():
    X, start = collapsing()
    start["Sigma"][1] *= 1e-20
    with pytest.raises(CollapseError, match="cluster 1") as info:
        fit_em(GMM(2, prior=None), X, start=start)
    assert len(info.value.objective_trace) == 0


def test_a_round_of_which_every_start_collapses_ends_in_words():
    with pytest.raises(CollapseError, match="collapsed"):
        fit_em(GMM(3, prior=None), np.random.default_rng(0).normal(size=(5, 2)), n_init=4, random_seed=0)
    em = fit_em(GMM(3, prior=None), np.random.default_rng(0).normal(size=(4, 2)), random_seed=0)
    assert np.isfinite(em.log_likelihood)  # a later round has starts that do not
    assert len(em.restarts.collapsed) >= 10


@pytest.mark.parametrize("structure", ["full", "tied"])
def test_a_covariance_whose_width_is_rounding_has_collapsed(structure):
    spec = GMM(1, covariance_type=structure, prior=None)
    for seed in range(20):
        Q = stats.ortho_group.rvs(4, random_state=seed)
        for widest, collapsed in ((1e4, False), (1e12, True)):  # the variance of rows far away
            Sigma = Q @ np.diag([1e-6, 1.0, 1.0, widest]) @ Q.T
            params = {"alpha": np.ones(1), "mu": np.zeros((1, 4)), "Sigma": (Sigma + Sigma.T) / 2}
            params["Sigma"] = params["Sigma"] if structure == "tied" else params["Sigma"][None]
            assert spec.family.degenerate(params, np.ones(4)).tolist() == [collapsed]


def test_collapsed_restarts_are_counted_and_the_best_other_one_is_the_answer():
    X = np.random.default_rng(3).normal(size=(20, 2))
    em = fit_em(GMM(3, prior=None), X, n_init=10, random_seed=0)
    collapsed = em.restarts.collapsed
    made = len(em.restarts.log_posterior)
    assert 0 < len(collapsed) < made
    assert all("collapsed" in reason and "cluster" in reason for reason in collapsed.values())
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(em.restarts.log_posterior)), sorted(collapsed))
    assert not set(em.restarts.order) & set(collapsed)
    assert len(em.restarts.order) == made - len(collapsed)
    assert em.log_posterior >= np.nanmax(em.restarts.log_posterior) - 1e-9
    assert f", {len(collapsed)} collapsed" in str(em.restarts)


def test_a_collapse_on_the_last_stretch_leaves_the_next_best(monkeypatch):
    from mixtures.em import climb as module

    X = mx.datasets.iris()
    run, best = module.ascend, []

    def collapse_once(problem, kernel, start, tol, max_iter, trace, **options):
        if tol < 1e-5 and not best:
            best.append(start)
            raise CollapseError("cluster 0 collapsed: on purpose", start, trace)
        return run(problem, kernel, start, tol, max_iter, trace, **options)

    monkeypatch.setattr(module, "ascend", collapse_once)
    em = fit_em(GMM(3), X, n_init=3, random_seed=0)
    assert em.converged
    assert list(em.restarts.collapsed.values()) == ["cluster 0 collapsed: on purpose"]
    assert em.log_posterior >= np.nanmax(em.restarts.log_posterior) - 1e-9
    assert "1 collapsed" in str(em.restarts)


@every_gmm
def test_a_prior_keeps_clusters_of_one_row_from_collapsing(structure):
    X, _ = make_rows(GMM(5), 12)
    em = fit_em(GMM(5, covariance_type=structure), X, n_init=3, random_seed=0)
    assert em.restarts.collapsed == {}
    assert np.isfinite(em.log_posterior)


# A fall of the objective


@pytest.mark.parametrize("concentration", [1e8, 1e12])
def test_rounding_of_a_strong_prior_is_no_fall(concentration):
    spec = GMM(2, weight_concentration=concentration)
    em = fit_em(spec, mx.datasets.faithful(), n_init=2, random_seed=0)
    np.testing.assert_allclose(em.params["alpha"], 0.5, atol=1e-5)


@pytest.mark.parametrize("start", [None, "given"])
def test_a_fall_is_an_error_with_the_last_state(monkeypatch, start):
    X = mx.datasets.iris().to_numpy()
    maximize, calls = GMM.maximize, []

    def broken(self, statistics):
        params = maximize(self, statistics)
        calls.append(params)
        return {**params, "mu": params["mu"] + 3} if len(calls) % 4 == 0 else params

    given = None if start is None else make_params_of(X)
    monkeypatch.setattr(GMM, "maximize", broken)
    with pytest.raises(NonMonotoneError, match=r"fell from -?\d.* to -?\d.* at iteration \d") as info:
        fit_em(GMM(2), X, start=given, n_init=1, random_seed=0)
    error, spec = info.value, resolve(GMM(2), X)
    assert error.objective_trace[-1] < error.objective_trace[-2]
    before = spec.log_likelihood(X, error.params).sum() + spec.log_prior(error.params)
    assert error.objective_trace[-2] == pytest.approx(before, rel=1e-12)


def make_params_of(X):
    spec = resolve(GMM(2), X)
    r = np.random.default_rng(0).dirichlet([1, 1], size=len(X)).T
    return spec.maximize(spec.family.expect(None, X.T, r))


def test_a_likelihood_that_is_not_a_number_is_no_answer(monkeypatch):
    log_prior = GMM.log_prior
    monkeypatch.setattr(GMM, "log_prior", lambda self, params: np.nan * log_prior(self, params))
    with pytest.raises(NonMonotoneError):
        fit_em(GMM(2), mx.datasets.faithful(), random_seed=0)


# Notes


def test_an_empty_cluster_is_noted():
    X = np.repeat([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], 30, axis=0)
    start = {
        "alpha": np.array([0.5, 0.5, 0.0]),
        "p": np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9], [0.5, 0.5, 0.5]]),
    }
    for prior in ("default", None):
        em = fit_em(BMM(3, prior=prior), X, start=start)
        assert any("cluster 2 is empty" in note for note in em.notes)
    assert fit_em(BMM(2), X, random_seed=0).notes == ()


def test_an_empty_cluster_of_a_tied_covariance_does_no_harm():
    X = mx.datasets.faithful().to_numpy()
    two = fit_em(GMM(2, covariance_type="tied", prior=None), X, random_seed=0)
    start = {
        "alpha": np.append(two.params["alpha"], 0.0),
        "mu": np.vstack([two.params["mu"], [100.0, 100.0]]),
        "Sigma": two.params["Sigma"],
    }
    three = fit_em(GMM(3, covariance_type="tied", prior=None), X, start=start)
    assert three.log_likelihood == pytest.approx(two.log_likelihood, abs=1e-8)
    assert three.notes == ("cluster 2 is empty: it is expected to hold 0 rows",)
    apart = {"alpha": np.append(start["alpha"], 0.0), "mu": np.vstack([start["mu"], [-50.0, 0.0]])}
    four = fit_em(GMM(4, covariance_type="tied", prior=None), X, start=start | apart)
    assert four.notes == ("cluster 2, cluster 3 are empty: they are expected to hold 0 rows each",)


TELL_NOTHING = "constant, which does not help to tell the clusters apart"


def test_constant_columns_of_binary_data_are_noted():
    X, _ = make_rows(BMM(2), 50, 3)
    X = pd.DataFrame(np.hstack([X, np.ones((50, 1))]), columns=["a", "b", "c", "always"])
    em = fit_em(BMM(2), X, random_seed=0)
    assert any("'always'" in note for note in em.notes)
    many = as_data(np.hstack([X[["a"]], np.zeros((50, 12))]))
    (note,) = BMM(2).check(many)
    assert note == f"columns {', '.join(map(repr, many.features[1:11]))} and 2 more are {TELL_NOTHING}"
    (note,) = BMM(2).check(as_data(np.hstack([X[["a"]], np.zeros((50, 5))])))
    assert note == f"columns {', '.join(map(repr, many.features[1:6]))} are {TELL_NOTHING}"


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": [0.5, 0.6]}, "parameter alpha must be non-negative and sum to one"),
        ({"alpha": [1.5, -0.5]}, "parameter alpha must be non-negative and sum to one"),
        ({"alpha": [0.5, np.nan]}, "parameter alpha is not finite"),
        ({"alpha": [1.0]}, r"parameter alpha has shape \(1,\); this model has \(2,\)"),
        ({"mu": np.zeros((2, 3))}, r"parameter mu has shape \(2, 3\); this model has \(2, 2\)"),
        ({"mu": [["a", "b"], ["c", "d"]]}, "parameter mu is not an array of numbers"),
        ({"mu": [["1", "2"], ["3", "4"]]}, "parameter mu is not an array of numbers: text"),
        ({"mu": [[1j, 2], [3, 4]]}, "parameter mu is not an array of numbers: complex numbers"),
        ({"mu": np.ones((2, 2), "M8[D]")}, "parameter mu is not an array of numbers: dates or times"),
        ({"mu": np.ma.MaskedArray([[1, 2], [3, 4]], [[0, 1], [0, 0]])}, "parameter mu is not finite"),
        ({"mu": [[1, 2], [3, np.ma.masked]]}, "parameter mu is not finite"),
        ({"mu": [[10**400, 2], [3, 4]]}, "parameter mu is not finite"),
        ({"Sigma": np.eye(2)}, "parameter Sigma has shape"),
        (
            {"Sigma": np.stack([np.eye(2), np.ones((2, 2))])},
            "parameter Sigma must be symmetric and positive definite",
        ),
        ({"Sigma": np.stack([np.eye(2), [[1, 0.5], [0, 1]]])}, "parameter Sigma must be symmetric"),
        ({"weights": [0.5, 0.5]}, "parameters .*'weights'.* were given; this model has .*'Sigma'"),
    ],
)
def test_starts_that_do_not_fit_are_refused(change, message):
    start = {"alpha": [0.5, 0.5], "mu": np.zeros((2, 2)), "Sigma": np.stack([np.eye(2)] * 2), **change}
    with pytest.raises(InputError, match=message):
        fit_em(GMM(2), mx.datasets.faithful(), start=start)


def test_more_starts_that_do_not_fit():
    X = mx.datasets.faithful()
    with pytest.raises(InputError, match=r"start has shape \(2,\); it is a dictionary of parameters"):
        fit_em(GMM(2), X, start=[0.5, 0.5])
    with pytest.raises(InputError, match="this model has"):
        fit_em(GMM(2), X, start={"alpha": [0.5, 0.5]})
    start = {"alpha": [0.5, 0.5], "mu": np.zeros((2, 2)), "sigma2": [1.0, -1.0]}
    with pytest.raises(InputError, match="parameter sigma2 must be positive"):
        fit_em(GMM(2, covariance_type="spherical"), X, start=start)
    with pytest.raises(InputError, match="parameter p must lie between 0 and 1"):
        fit_em(BMM(1), np.eye(2), start={"alpha": [1.0], "p": [[0.5, 1.5]]})


def test_a_start_whose_weights_sum_to_one_but_for_their_last_digits():
    em = fit_em(GMM(2, prior=None), mx.datasets.faithful(), random_seed=1)
    start = {**em.params, "alpha": em.params["alpha"].astype(np.float32) * np.float32(1 + 5e-6)}
    again = fit_em(GMM(2, prior=None), mx.datasets.faithful(), start=start)
    assert again.log_likelihood == pytest.approx(em.log_likelihood, abs=1e-9)


@pytest.mark.parametrize(
    "keywords",
    [{"n_init": 0}, {"n_init": -1}, {"max_iter": 0}, {"tol": 0.0}, {"tol": -1.0}, {"tol": np.nan}],
    ids=str,
)
def test_numbers_that_make_no_sense(keywords):
    with pytest.raises(InputError, match=r"must be (at least 1|positive), got"):
        fit_em(GMM(2), mx.datasets.faithful(), **keywords)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"weights have shape \(3,\); the data have 272 rows"),
        (np.where(np.arange(272) == 5, -1.0, 1.0), "row 5: weight is -1"),
        (np.where(np.arange(272) == 7, np.nan, 1.0), "row 7: weight is nan"),
        (np.zeros(272), "all weights are zero"),
        (np.full(272, 1 / 272), "weights sum to 1;"),
        (["one"] * 272, "weights are not an array of numbers"),
    ],
)
def test_weights_that_do_not_fit(weights, message):
    with pytest.raises(InputError, match=message):
        fit_em(GMM(2), mx.datasets.faithful(), weights=weights)


@pytest.mark.parametrize("spec", [GMM(2), GMM(2, prior=None), BMM(2), PMM(2)], ids=str)
def test_weights_that_sum_to_one_but_for_rounding(spec):
    weights = np.array([1 / 3, 1 / 3, 1 / 3 + 1e-15, 0])
    assert weights.sum() > 1
    with pytest.raises(InputError, match=r"weights sum to 1;"):
        fit_em(spec, [[0, 1], [1, 0], [1, 1], [0, 0]], weights=weights)


FAITHFUL = mx.datasets.faithful()


@pytest.mark.parametrize(
    ("spec", "X", "message"),
    [
        (GMM(1), [[1.0, 2.0]], "one row"),
        (GMM(3), [[1.0, 2.0], [2.0, 1.0]], "2 rows cannot hold n_components=3"),
        (GMM(2), FAITHFUL.replace({"waiting": {96: np.nan}}), "row 148, column 'waiting' is NaN"),
        (GMM(2), FAITHFUL.assign(same=0.1), "column 'same' is constant"),
        (
            GMM(2, covariance_type="diag"),
            FAITHFUL.assign(same=3.0, too=2.0),
            "columns 'same', 'too' are constant",
        ),
        (
            GMM(2),
            FAITHFUL.assign(noise=np.sin(np.arange(272.0)), hours=FAITHFUL["waiting"] / 60),
            "columns 'waiting', 'hours' are linearly dependent",
        ),
        (
            GMM(2, covariance_type="tied"),
            FAITHFUL.assign(hours=FAITHFUL["waiting"] / 60),
            "linearly dependent",
        ),
        (GMM(2), np.random.default_rng(0).normal(size=(4, 6)), "linearly dependent in these 4 rows"),
        (BMM(2), FAITHFUL, "row 0, column 'eruptions'.*not 0 or 1 .*3.6.*binary"),
        (BMM(2), pd.DataFrame({"a": [0, 1, 1], "b": [0, 2, 1]}), "row 1, column 'b': not 0 or 1"),
    ],
)
def test_data_that_cannot_be_modelled_are_named(spec, X, message):
    with pytest.raises(InputError, match=message):
        fit_em(spec, X, random_seed=0)


def test_as_many_rows_as_clusters_are_enough():
    assert fit_em(BMM(2), [[0.0, 1.0], [1.0, 0.0]], random_seed=0).converged


def test_dependent_columns_are_taken_where_they_do_no_harm():
    X = FAITHFUL.assign(hours=FAITHFUL["waiting"] / 60)
    assert fit_em(GMM(2, covariance_type="diag"), X, random_seed=0).converged
    stated = priors.NormalInverseWishart(X.mean(), 0.01, 6, np.diag(X.var()))
    assert fit_em(GMM(2, prior=stated), X, random_seed=0).converged


@pytest.mark.parametrize(
    "spec",
    [
        GMM(2, weight_concentration=0.5),
        BMM(2, weight_concentration=0.9),
        BMM(2, prior=priors.Beta(0.5, 2.0)),
        BMM(2, prior=priors.Beta(2.0, [1.0, 0.5])),
    ],
)
def test_priors_without_a_mode_are_refused_with_advice(spec):
    X, _ = make_rows(spec)
    with pytest.raises(
        InputError, match=r"concentrations below 1.*no finite mode; raise them.*or use sample"
    ):
        fit_em(spec, X)
    nearest = spec.for_mode()
    assert nearest.weight_concentration >= 1
    assert fit_em(nearest, X, n_init=2, random_seed=0).converged
    assert nearest.for_mode() is nearest


def test_the_nearest_prior_with_a_mode_raises_what_is_below_1_and_nothing_else():
    spec = BMM(2, prior=priors.Beta([0.5, 3.0], 0.2), weight_concentration=4.0)
    nearest = spec.for_mode()
    assert nearest.prior == priors.Beta([1.0, 3.0], 1.0)
    assert nearest.weight_concentration == 4
    proper = priors.NormalInverseGamma(0.0, 1.0, 3.0, 1.0)
    spec = GMM(2, covariance_type="diag", prior=proper, weight_concentration=0.5)
    assert spec.for_mode() == replace(spec, weight_concentration=1.0)


# Cost


def test_memory_beyond_the_data_is_a_copy_and_a_few_chunks():
    n = 1_000_000
    X = np.random.default_rng(0).normal(size=(n, 2)) + np.array([[0.0], [4.0]] * (n // 2))
    spec, data = resolve(GMM(4), X), as_data(X)
    params = make_params(GMM(4))
    tracemalloc.start()
    e_step(spec, data, params)
    _, peak_pass = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    fit_em(GMM(4), X, n_init=1, max_iter=2, random_seed=0)
    _, peak_fit = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_pass < 6e6  # an (n, K) array would be 32e6
    assert peak_fit < X.nbytes + 20e6  # the start draws its 20,000 rows from a list of all, 8e6


# One iteration in public


@every_spec
def test_one_step_is_the_m_step_of_the_responsibilities_and_leaves_its_arguments_alone(spec):
    start, X, _ = simulate(spec)
    spec = resolve(spec, X)
    before = {name: x.copy() for name, x in start.items()}
    expected = spec.maximize(spec.family.expect(None, X.T, spec.responsibilities(X, start).T))
    assert_params_close(em_step(spec, X, start), expected, rtol=1e-10, atol=1e-12)
    assert_params_close(start, before, rtol=0)


def test_steps_are_the_fit():
    X = mx.datasets.faithful()
    start = fit_em(GMM(2), X, random_seed=0, n_init=1, max_iter=1).params
    fit = fit_em(GMM(2), X, start=start, max_iter=5, tol=1e-30)
    params = start
    for _ in range(fit.n_iter):
        params = em_step(GMM(2), X, params)
    assert_params_close(fit.params, params, rtol=1e-12)


def test_every_start_has_its_trace():
    X = np.random.default_rng(3).normal(size=(20, 2))
    restarts = fit_em(GMM(3, prior=None), X, n_init=10, random_seed=0).restarts
    assert len(restarts.traces) == len(restarts.log_posterior)
    ends = [trace[-1] + np.log(2) for trace in restarts.traces]  # the log posterior has flat weights, log 2!
    np.testing.assert_allclose(ends, restarts.log_posterior, rtol=1e-14)
    assert all((np.diff(trace[:-1]) > -1e-9).all() for trace in restarts.traces)
    alone = fit_em(GMM(2), mx.datasets.faithful(), n_init=1, random_seed=0)
    np.testing.assert_array_equal(alone.restarts.traces[0], alone.objective_trace)  # no second stretch
    best = fit_em(GMM(2), mx.datasets.faithful(), n_init=2, random_seed=0)
    first = best.restarts.traces[best.restarts.order[0]]
    assert best.n_iter > len(first)
    np.testing.assert_allclose(best.objective_trace[: len(first)], first, rtol=1e-12)


def test_progress_is_shown_to_who_asks(capsys):
    for asked in (False, True):
        fit_em(GMM(2), mx.datasets.faithful(), n_init=1, random_seed=0, progressbar=asked)
        assert (capsys.readouterr().out != "") == asked


# Acceleration


def overlapping(spec, seed=0):
    """Rows of clusters so close that EM crawls."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, 3000)
    if isinstance(spec, BMM):
        return (rng.random((3000, 6)) < np.array([0.4, 0.6])[z][:, None]).astype(float)
    return np.array([[0.0, 0.0], [1.8, 0.0]])[z] + rng.normal(size=(3000, 2))


@pytest.mark.parametrize(
    "spec",
    [GMM(2, covariance_type="spherical"), GMM(2, covariance_type="tied", prior=None), BMM(2)],
    ids=repr,
)
def test_squarem_needs_a_fifth_of_the_iterations_where_clusters_overlap(spec):
    X = overlapping(spec)
    plain = fit_em(spec, X, n_init=1, random_seed=1, accelerate=None)
    fast = fit_em(spec, X, n_init=1, random_seed=1, accelerate="squarem")
    assert plain.converged
    assert fast.converged
    assert fast.n_iter * 5 <= plain.n_iter
    assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-9)
    assert spec.step_length(fast.params, plain.params, 3000 * plain.params["alpha"]) < 1e-4
    assert (np.diff(fast.objective_trace) > -1e-9).all()


@every_spec
@given(seed=st.integers(0, 2**16), apart=st.floats(0.3, 3.0), n_features=st.integers(1, 4))
def test_squarem_never_falls_and_ends_where_nothing_is_left(spec, seed, apart, n_features):
    X, _ = make_rows(spec, 80, n_features, seed, apart)
    em = fit_em(spec, X, n_init=1, random_seed=seed, accelerate="squarem")
    assert em.converged
    assert (np.diff(em.objective_trace) > -1e-9 * (1 + abs(em.log_posterior))).all()
    step = em_step(em.spec, X, em.params)
    assert em.spec.step_length(step, em.params, 80 * em.params["alpha"]) < 1e-6


def test_a_jump_ends_only_where_every_cluster_is_alive():
    X = mx.datasets.faithful()
    params = fit_em(GMM(2, prior=None), X, random_seed=1).params
    flat, proper = (problem_of(GMM(2, prior=prior), X, None, None, False) for prior in (None, "default"))
    assert_params_close(existing(flat, params), params, rtol=1e-15)
    for nowhere in (
        {"alpha": [0.0, 1.0]},
        {"alpha": [-0.1, 1.1]},
        {"mu": np.full((2, 2), np.inf)},
        {"Sigma": -params["Sigma"]},
    ):
        for problem in (flat, proper):
            assert existing(problem, {**params, **nowhere}) is None
    collapsed = {**params, "Sigma": params["Sigma"] * np.array([1e-20, 1.0])[:, None, None]}
    assert existing(flat, collapsed) is None
    assert_params_close(existing(proper, collapsed), collapsed, rtol=1e-15)  # the way back is open


def test_squarem_holds_what_is_held_and_takes_weights():
    X = overlapping(GMM(2))
    weights = np.random.default_rng(0).integers(1, 3, len(X))
    options = {"hold": {"alpha": [0.4, 0.6]}, "weights": weights, "n_init": 1, "random_seed": 0}
    plain = fit_em(GMM(2), X, **options)
    fast = fit_em(GMM(2), X, accelerate="squarem", **options)
    np.testing.assert_array_equal(fast.params["alpha"], [0.4, 0.6])
    assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-9)


@pytest.mark.parametrize(
    "keywords",
    [
        {"accelerate": "anderson"},
        {"accelerate": ["newton"]},
        *({"accelerate": how, "hard": True} for how in ("newton", "squarem")),
    ],
    ids=str,
)
def test_accelerations_that_are_not_there(keywords):
    with pytest.raises(InputError, match=r"accelerate=.*: it is None, 'auto', 'newton' or 'squarem'"):
        fit_em(GMM(2), mx.datasets.faithful(), **keywords)


def test_a_loose_run_that_used_all_iterations_has_not_converged():
    X, _ = make_rows(GMM(3), 200, 3)
    whole = fit_em(GMM(3), X, n_init=2, random_seed=0)
    length = len(whole.restarts.traces[whole.restarts.winner]) - 1
    assert length < whole.n_iter
    with pytest.warns(mx.ConvergenceWarning):
        cut = fit_em(GMM(3), X, n_init=2, random_seed=0, max_iter=length)
    assert (cut.converged, cut.n_iter) == (False, length)
