"""Many starts advanced together end where each ends alone."""

import numpy as np
import pytest
from conftest import every_spec, make_params, make_rows

from mixtures import GMM
from mixtures.data.reading import as_data
from mixtures.em.ascent import ascend
from mixtures.em.batch import CHUNK_VALUES, advance
from mixtures.em.climb import Climb
from mixtures.em.newton import Auto
from mixtures.em.problem import problem_of
from mixtures.errors import CollapseError


def starts_of(problem, n=4):
    spec, d = problem.spec, problem.data.n_features
    return [problem.check(make_params(spec, d, seed=seed)) for seed in range(n)]


@every_spec
@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_makes_the_steps_of_em(spec, weighted):
    X, _ = make_rows(spec, 70, apart=1.0)
    weights = np.random.default_rng(0).integers(1, 4, len(X)) if weighted else None
    problem = problem_of(spec, X, weights, None, hard=False)
    starts = starts_of(problem)
    for start, together in zip(starts, advance(problem, problem.data, starts, 6), strict=True):
        params, trace = start, []
        for _ in range(7):
            point = problem.point(params)
            trace.append(point.objective)
            last, params = params, problem.m_step(point.statistics)
        np.testing.assert_allclose(together.trace, trace, rtol=1e-10)
        assert together.log_likelihood == pytest.approx(point.log_likelihood, rel=1e-10)
        for name, x in last.items():
            np.testing.assert_allclose(together.params[name], x, rtol=1e-7, atol=1e-9, err_msg=name)


@every_spec
def test_a_batch_stops_where_em_stops(spec):
    X, _ = make_rows(spec, 200, apart=4.0)
    problem = problem_of(spec, X, None, None, hard=False)
    starts = starts_of(problem, 3)
    for start, together in zip(starts, advance(problem, problem.data, starts, 2000, 1e-4), strict=True):
        alone = ascend(problem, None, start, 1e-4, 2000)
        assert together.trace[-1] == pytest.approx(alone.trace[-1], rel=1e-9)
        assert together.converged == alone.converged  # a cluster that empties takes for ever
        assert abs(len(together.trace) - len(alone.trace)) <= 1


def test_held_parameters_stay_in_a_batch():
    X, _ = make_rows(GMM(2), 60)
    hold = {"alpha": [0.3, 0.7]}
    problem = problem_of(GMM(2), X, None, hold, hard=False)
    for together in advance(problem, problem.data, starts_of(problem), 10):
        np.testing.assert_array_equal(together.params["alpha"], [0.3, 0.7])
        assert len(together.trace) == 11


def test_a_collapse_leaves_the_batch_before_it_happens_and_the_others_go_on():
    X = np.vstack([np.random.default_rng(0).normal(size=(40, 2)), [[50.0, 50.0]]])
    problem = problem_of(GMM(2, prior=None), X, None, None, hard=False)
    collapsing = {
        "alpha": np.array([0.9, 0.1]),
        "mu": np.array([[0.0, 0.0], [50.0, 50.0]]),
        "Sigma": np.stack([np.eye(2), np.eye(2)]),
    }
    sound = {
        "alpha": np.array([0.5, 0.5]),
        "mu": np.array([[0.0, 0.0], [0.1, 0.5]]),
        "Sigma": np.stack([np.cov(X.T)] * 2),
    }
    left, stayed = advance(problem, problem.data, [problem.check(s) for s in (collapsing, sound)], 4, 1e-6)
    assert not left.converged
    assert not problem.defects(left.params)
    with pytest.raises(CollapseError):
        ascend(problem, None, left.params, 1e-6, 100, left.trace[:-1])
    assert len(stayed.trace) == 5


def test_a_start_without_a_natural_form_stays_as_it_is():
    X, _ = make_rows(GMM(2), 60)
    problem = problem_of(GMM(2), X, None, None, hard=False)
    tight = make_params(problem.spec, X.shape[1])
    tight["Sigma"] = tight["Sigma"] * 1e-18
    fine = make_params(problem.spec, X.shape[1], seed=1)
    first, second = advance(problem, problem.data, [tight, fine], 5, 1e-6)
    assert first.trace == ()
    assert first.height == -np.inf
    np.testing.assert_array_equal(first.params["Sigma"], tight["Sigma"])
    assert len(second.trace) == 6


def begun(X, starts, missing=None):
    """Runs of five steps from these starts, as a search begins them."""
    problem = problem_of(GMM(2), X, None, None, hard=False, missing=missing)
    with problem.fast_e_step() as kernel:
        table = as_data(np.vstack(X) if isinstance(X, list) else X, missing=missing)
        return Climb(problem, kernel, 5, Auto(), table).begin(starts, 1e-12)


@pytest.mark.parametrize("holes", [False, True])
def test_starts_make_the_same_steps_in_a_table_and_in_chunks(holes):
    """Also one that has no natural form at first, and where chunks have none at all."""
    X, _ = make_rows(GMM(2), 60)
    missing = "integrate" if holes else None
    X[np.random.default_rng(0).random(X.shape) < 0.1 * holes] = np.nan
    tight, fine = make_params(GMM(2), 2), make_params(GMM(2), 2, seed=1)
    tight["Sigma"] = tight["Sigma"] * 1e-18
    table = begun(X, [tight, fine], missing)
    chunks = begun([X[:25], X[25:]], [tight, fine], missing)
    for one, two in zip(table, chunks, strict=True):
        assert len(one.trace) == len(two.trace) == 6
        np.testing.assert_allclose(one.trace, two.trace, rtol=1e-9)
        assert one.accelerator is two.accelerator is None


def test_chunks_of_rows_change_nothing(monkeypatch):
    X, _ = make_rows(GMM(3), 200)
    problem = problem_of(GMM(3), X, None, None, hard=False)
    starts = starts_of(problem)
    whole = advance(problem, problem.data, starts, 5)
    assert len(X) * len(starts) * 3 < CHUNK_VALUES
    monkeypatch.setattr("mixtures.em.batch.CHUNK_VALUES", 150)
    for one, two in zip(whole, advance(problem, problem.data, starts, 5), strict=True):
        np.testing.assert_allclose(one.trace, two.trace, rtol=1e-12)
