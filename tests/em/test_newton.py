"""Newton's method on the EM map: the map's derivative, where it ends, and that it never falls."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import every_spec, every_spec_in_turn, make_rows, tries
from hypothesis import given
from hypothesis import strategies as st

import mixtures as mx
from mixtures import BMM, GMM, em_step, fit_em
from mixtures.data.reading import as_data
from mixtures.em import newton
from mixtures.em.estep import e_step
from mixtures.em.free import Chart
from mixtures.em.kernel import Kernel
from mixtures.em.notes import AT_SADDLE, UNBOUNDED
from mixtures.em.problem import problem_of
from mixtures.em.tangent import tangent_at
from mixtures.families.covariance import COVARIANCES

jumping = pytest.mark.parametrize("accelerate", ["newton", "auto"])


def overlapping(n):
    """Four clusters that lie within each other; five others drawn first, so that the seed gives these."""
    rng = np.random.default_rng(0)

    def rows(n, k, d):
        mu = rng.normal(0, 2, (k, d))
        return mu[rng.integers(k, size=n)] + rng.normal(size=(n, d))

    rows(10_000, 5, 5)
    return rows(n, 4, 2)


def count_passes(monkeypatch):
    """How often each pass over the rows is made."""
    passes = Counter()
    for name in ("e_step", "curvature"):
        own = getattr(Kernel, name)

        def counted(self, *args, own=own, name=name):
            passes[name] += 1
            return own(self, *args)

        monkeypatch.setattr(Kernel, name, counted)
    return passes


# Where it ends


@pytest.fixture(scope="module")
def slow():
    """EM by SQUAREM, of 20,000 rows of clusters that overlap."""
    options = {"n_init": 1, "random_seed": 1, "accelerate": "squarem", "max_iter": 3000}
    return fit_em(GMM(4, prior=None), overlapping(20_000), **options)


@jumping
def test_a_few_passes_where_squarem_takes_a_thousand(accelerate, slow, monkeypatch):
    X, spec = overlapping(20_000), GMM(4, prior=None)
    passes = count_passes(monkeypatch)
    em = fit_em(spec, X, n_init=1, random_seed=1, accelerate=accelerate)
    assert em.converged
    assert passes.total() <= 60
    assert slow.n_iter > 10 * em.n_iter
    assert em.log_likelihood == pytest.approx(slow.log_likelihood, abs=1e-6)
    assert em.spec.step_length(em.params, slow.params, 20_000 * em.params["alpha"]) < 0.05
    assert len(em.steps) == em.n_iter
    assert Counter(em.steps)["newton"] == em.n_iter - Counter(em.steps)["em"] > 0
    step = em_step(spec, X, em.params)
    assert spec.step_length(step, em.params, 20_000 * em.params["alpha"]) < 1e-6


@every_spec_in_turn("accelerate", ["newton", "auto"])
@tries(8)
@given(seed=st.integers(0, 2**16), apart=st.floats(0.5, 3.0), prior=st.sampled_from([None, "default"]))
def test_it_ends_where_em_does_or_higher(spec, accelerate, seed, apart, prior):
    spec = replace(spec, n_components=2, prior=prior)
    X, _ = make_rows(spec, 80, 2 if isinstance(spec, GMM) else 5, seed, apart)
    try:
        start = fit_em(spec, X, n_init=2, random_seed=seed, max_iter=1, tol=1e-3).params
        plain = fit_em(spec, X, start=start, tol=1e-10, max_iter=100_000, accelerate=None)
    except mx.CollapseError:
        return
    fast = fit_em(spec, X, start=start, accelerate=accelerate)
    assert fast.converged
    assert fast.log_posterior > plain.log_posterior - 1e-7
    assert (np.diff(fast.objective_trace) > -1e-9 * (1 + abs(fast.log_posterior))).all()
    step = em_step(fast.spec, X, fast.params)
    moved = fast.spec.step_length(step, fast.params, 80 * fast.params["alpha"])
    raised = objective(fast.spec, X, step) - objective(fast.spec, X, fast.params)
    assert moved < 1e-6 or abs(raised) < 1e-11 * (1 + abs(fast.log_posterior))  # a probability may go on to 0


def objective(spec, X, params):
    return e_step(spec, as_data(X), params).log_likelihood + spec.log_prior(params)


@jumping
def test_rows_repeated_weighted_or_in_chunks_make_no_difference(accelerate):
    X = overlapping(2000)
    weights = np.random.default_rng(0).integers(1, 4, len(X))
    start = fit_em(GMM(3), X, max_iter=3, tol=10.0, n_init=1, random_seed=0).params
    options = {"start": start, "accelerate": accelerate}
    weighted = fit_em(GMM(3), X, weights=weights, **options)
    for em in (
        fit_em(GMM(3), np.repeat(X, weights, axis=0), **options),
        fit_em(GMM(3), [X[:700], X[700:]], weights=weights, **options),
    ):
        assert em.n_iter == weighted.n_iter
        assert em.steps == weighted.steps
        assert em.log_posterior == pytest.approx(weighted.log_posterior, abs=1e-8)
    assert "newton" in weighted.steps


@pytest.mark.parametrize(
    "hold",
    [{"alpha": [0.4, 0.6]}, {"Sigma": np.eye(2)}, {"mu": [[0.0, 0.0], [1.5, 0.0]], "Sigma": np.eye(2)}],
    ids=lambda hold: " ".join(hold),
)
def test_what_is_held_stays(hold):
    rng = np.random.default_rng(0)
    X = np.array([[0.0, 0.0], [1.8, 0.0]])[rng.integers(0, 2, 500)] + rng.normal(size=(500, 2))
    options = {"hold": hold, "n_init": 1, "random_seed": 0}
    plain = fit_em(GMM(2), X, tol=1e-9, accelerate=None, **options)
    fast = fit_em(GMM(2), X, accelerate="newton", **options)
    assert "newton" in fast.steps
    for name, x in hold.items():
        np.testing.assert_array_equal(fast.params[name], np.broadcast_to(x, fast.params[name].shape))
    assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-8)


def test_it_leaves_a_saddle_where_em_stops():
    """Along the line on which two clusters are mirror images, EM climbs to a saddle."""
    rng = np.random.default_rng(0)
    half = np.concatenate([rng.normal(3, 1, (100, 2)), rng.normal(3, 1, (100, 2)) * [1, -1]])
    X = np.concatenate([half, half * [1, -1], -half, half * [-1, 1]])
    spec = GMM(2, covariance_type="spherical", prior=None)
    start = {"alpha": [0.5, 0.5], "mu": [[0.0, -1.0], [0.0, 1.0]], "sigma2": [9.0, 9.0]}
    X = X * [1.2, 1.0]
    plain = fit_em(spec, X, start=start, accelerate=None)
    fast = fit_em(spec, X, start=start, accelerate="newton")
    assert plain.converged
    assert AT_SADDLE in plain.notes
    assert AT_SADDLE not in fast.notes
    np.testing.assert_allclose(plain.params["mu"][:, 0], 0, atol=1e-6)
    assert fast.converged
    assert fast.log_likelihood > plain.log_likelihood + 1
    assert np.abs(fast.params["mu"][:, 0]).min() > 1


@pytest.mark.parametrize("structure", ["full", "diag", "spherical", "tied"])
@pytest.mark.parametrize("prior", [None, "default"])
def test_equal_clusters_are_set_apart(structure, prior):
    """Where EM stops at once: with a flat prior the objective is flat there, to the second order."""
    X = mx.datasets.faithful()
    spec = GMM(2, covariance_type=structure, prior=prior)
    one = fit_em(replace(spec, n_components=1), X).params
    start = {
        name: x if structure == "tied" and name == "Sigma" else np.repeat(x, 2, 0) for name, x in one.items()
    }
    start["alpha"] = np.full(2, 0.5)
    plain = fit_em(spec, X, start=start, accelerate=None)
    fast = fit_em(spec, X, start=start)
    assert plain.n_iter <= 3
    assert AT_SADDLE in plain.notes
    assert fast.converged
    assert fast.log_posterior > plain.log_posterior + 2
    assert (np.diff(fast.objective_trace) > -1e-9).all()
    assert Counter(fast.steps)["off a saddle"] >= 1
    assert len(fast.steps) == fast.n_iter
    assert fast.restarts.n_best == 1


def test_a_saddle_below_collapsed_clusters_is_told():
    """Two clusters alike are the only end of EM where whatever sets them apart makes one collapse."""
    em = fit_em(GMM(2, prior=None), [[1.0], [1.0], [2.0], [2.0], [3.0]], random_seed=0)
    np.testing.assert_allclose(em.params["mu"], 1.8)
    assert UNBOUNDED in em.notes


def test_an_empty_cluster_stops_no_jump():
    """Shares are relative to the largest, not to one that vanishes."""
    rng = np.random.default_rng(3)
    X = (rng.random((150, 4)) < [0.4, 0.9, 0.4, 0.8]).astype(float)
    for seed in range(3):
        fast = fit_em(BMM(3), X, n_init=1, random_seed=seed)
        plain = fit_em(BMM(3), X, n_init=1, random_seed=seed, accelerate=None)
        assert fast.converged
        assert "newton" in fast.steps
        assert fast.n_iter < plain.n_iter
        assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-6)


def test_clusters_too_tight_for_the_natural_form_are_left_to_em():
    rng = np.random.default_rng(0)
    X = np.repeat([[0.0], [1.0]], 50, axis=0) + 1e-6 * rng.normal(size=(100, 1))
    plain = fit_em(GMM(2, prior=None), X, random_seed=0, accelerate=None)
    fast = fit_em(GMM(2, prior=None), X, random_seed=0, accelerate="newton")
    assert fast.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
    assert set(fast.steps) <= {"em"}


def test_large_models_are_left_to_squarem(monkeypatch):
    monkeypatch.setattr(newton, "MOST_COORDINATES", 5)
    em = fit_em(GMM(3), overlapping(1000), n_init=1, random_seed=0, accelerate="auto")
    assert set(em.steps) == {"em", "squarem"}


def test_hard_assignments_are_not_accelerated():
    options = {"hard": True, "random_seed": 0}
    plain, auto = (
        fit_em(GMM(3), mx.datasets.iris(), accelerate=accelerate, **options) for accelerate in (None, "auto")
    )
    np.testing.assert_array_equal(plain.objective_trace, auto.objective_trace)
    assert set(auto.steps) <= {"em"}


# The map


def at(spec, X, params, hold=None):
    problem = problem_of(spec, X, None, hold, False)
    return problem, problem.point(problem.check(params))


@every_spec
@pytest.mark.parametrize("prior", [None, "default"])
def test_coordinates_go_there_and_back(spec, prior):
    spec = replace(spec, n_components=3, prior=prior)
    X, _ = make_rows(spec, 150, 3, seed=1)
    em = fit_em(spec, 1 + 2 * X if isinstance(spec, GMM) else X, n_init=1, random_seed=0, max_iter=2, tol=1.0)
    problem, here = at(em.spec, X, em.spec.inside(em.params))
    with Kernel(problem.spec, problem.data) as fast:
        chart = Chart(problem, fast.family, *fast.units, here.params)
    u = chart.free(here.params)
    assert u.shape == (em.spec.parameter_count(3),)
    for name, x in chart.params(np.stack([u, u])).items():
        np.testing.assert_allclose(x, np.stack([here.params[name]] * 2), rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("structure", COVARIANCES)
def test_coordinates_leave_alone_what_is_held(structure):
    spec = GMM(2, covariance_type=structure)
    X = 50 + 7 * make_rows(spec, 150, 2, seed=1)[0]
    em = fit_em(spec, X, n_init=1, random_seed=0)
    name = spec.family.covariance.parameter
    problem, here = at(em.spec, X, em.params, {name: em.params[name]})
    with Kernel(problem.spec, problem.data) as fast:
        chart = Chart(problem, fast.family, *fast.units, here.params)
    u = chart.free(here.params)
    assert u.shape == (1 + 2 * 2,)
    for each, x in chart.params(np.stack([u, u])).items():
        np.testing.assert_allclose(x, np.stack([here.params[each]] * 2), rtol=1e-10, err_msg=each)


@every_spec
@pytest.mark.parametrize("prior", [None, "default"])
def test_its_derivative_is_that_of_an_iteration(spec, prior):
    """At a mode I_com^-1 I_mis is the slope of em_step in free coordinates."""
    spec = replace(spec, n_components=2, prior=prior)
    X, _ = make_rows(spec, 200, 2 if isinstance(spec, GMM) else 4, seed=3, apart=2.0)
    em = fit_em(spec, X, random_seed=0, tol=1e-10)
    problem, here = at(em.spec, X, em.params)
    with Kernel(problem.spec, problem.data) as fast:
        tangent = tangent_at(problem, fast, here, problem.m_step(here.statistics), 1e-6)
    inside = tangent.inside
    assert inside.any()

    def moved(shift):
        u = tangent.u.copy()
        u[inside] += shift
        return tangent.chart.free(em_step(em.spec, X, tangent.chart.params(u)))[inside]

    shifts = 1e-5 * np.eye(inside.sum())
    slopes = np.stack([(moved(shift) - moved(-shift)) / 2e-5 for shift in shifts], axis=1)
    V = tangent.directions
    np.testing.assert_allclose(np.linalg.solve(V, slopes @ V), np.diag(tangent.missing), atol=1e-6)


@every_spec
def test_a_cluster_without_rows_leaves_the_map_of_the_others_alone(spec):
    three = replace(spec, n_components=3)
    X, _ = make_rows(three, 150, 2 if isinstance(spec, GMM) else 4, seed=3, apart=1.0)
    three = fit_em(three, X, n_init=1, random_seed=0, max_iter=1).spec
    two = replace(three, n_components=2)
    em = fit_em(two, X, n_init=1, random_seed=0, max_iter=5, tol=1e-9, accelerate=None)
    tangents = []
    for own, order, alpha in [
        (two, [0, 1], em.params["alpha"]),
        (three, [0, 1, 0], [*em.params["alpha"], 0]),
    ]:
        problem, here = at(own, X, {**two.relabel(em.params, np.array(order)), "alpha": np.array(alpha)})
        with Kernel(problem.spec, problem.data) as fast:
            tangents.append(tangent_at(problem, fast, here, problem.m_step(here.statistics), 1e-6))
    shared = any("cluster" not in dims for dims in spec.dims.values())  # it depends on the empty one's prior
    np.testing.assert_allclose(
        tangents[1].missing, tangents[0].missing, rtol=1e-2 if shared else 1e-6, atol=1e-6
    )


@every_spec
def test_a_jump_is_as_long_as_its_radius(spec):
    spec = replace(spec, n_components=2)
    X, _ = make_rows(spec, 200, 2 if isinstance(spec, GMM) else 4, seed=3, apart=1.0)
    em = fit_em(spec, X, n_init=1, random_seed=0, max_iter=5, tol=1e-9, accelerate=None)
    problem, here = at(em.spec, X, em.params)
    with Kernel(problem.spec, problem.data) as fast:
        tangent = tangent_at(problem, fast, here, problem.m_step(here.statistics), 1e-6)
    count = here.statistics.count
    for share in (0.3, 0.7):
        radius = tangent.by_em + share * (min(tangent.left, 1) - tangent.by_em)
        jump = problem.check(tangent.after(tangent.steps_within(radius)))
        assert em.spec.step_length(jump, here.params, count) == pytest.approx(radius, rel=0.2)


@every_spec
@pytest.mark.parametrize("steps", [1, 7, 40])
def test_many_steps_at_once_are_those_of_em(spec, steps):
    """Near a mode EM is linear: a jump ends where that many iterations do, without surprise."""
    spec = replace(spec, n_components=2)
    X, _ = make_rows(spec, 200, 2 if isinstance(spec, GMM) else 4, seed=3, apart=2.0)
    em = fit_em(spec, X, random_seed=0, tol=1e-10)
    problem, here = at(em.spec, X, em.spec.inside({**em.params, "alpha": em.params["alpha"] + [1e-5, -1e-5]}))
    with Kernel(problem.spec, problem.data) as fast:
        tangent = tangent_at(problem, fast, here, problem.m_step(here.statistics), 1e-6)
    params = here.params
    for _ in range(steps):
        params = em_step(em.spec, X, params)
    count = here.statistics.count
    moved, jump = em.spec.step_length(params, here.params, count), problem.check(tangent.after(steps))
    assert em.spec.step_length(params, jump, count) < 0.01 * moved
    assert tangent.surprise(steps, params, em_step(em.spec, X, params)) < 0.05


@pytest.mark.filterwarnings("ignore:.*(lies|lie) far from the others:mixtures.DataWarning")
def test_squarem_takes_over_where_the_natural_form_would_lose_too_many_digits():
    """Beside a row far away; only the prior knows what it lacks, so that EM takes thousands of steps."""
    X = np.random.default_rng(0).normal(size=(150, 3)) * [1, 10, 300] + [6, 130, 1700]
    X[0] = [980, 20_000, np.nan]
    em = fit_em(GMM(2), X, missing="integrate", n_init=1, random_seed=0, max_iter=500)
    assert em.converged
    assert "squarem" in em.steps


def test_a_bernoulli_mixture_with_probabilities_of_nought_goes_on_with_the_rest():
    rng = np.random.default_rng(0)
    z = rng.random(2000) < 0.4
    X = (rng.random((2000, 6)) < np.where(z, 0.35, 0.6)[:, None]).astype(float)
    X[:, 0] = 0
    X[0, 0] = 1
    plain = fit_em(BMM(2, prior=None), X, n_init=1, random_seed=0, tol=1e-9, accelerate=None)
    fast = fit_em(BMM(2, prior=None), X, n_init=1, random_seed=0, accelerate="newton")
    assert "newton" in fast.steps
    assert fast.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
