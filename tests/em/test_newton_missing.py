"""Newton's method where cells are missing: the derivative of the EM map, and where it ends."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import every_spec, every_spec_in_turn, make_rows

from mixtures import BMM, GMM, LCA, em_step, fit_em
from mixtures.em import grouped
from mixtures.em.differenced import differenced_information
from mixtures.em.free import Chart
from mixtures.em.grouped import GroupedKernel
from mixtures.em.problem import problem_of
from mixtures.em.tangent import information_at, tangent_at

N = 150
GIVEN = {
    "plain": {},
    "weights": {"weights": np.random.default_rng(0).integers(0, 3, N)},
    "labels": {"labels": np.where(np.arange(N) % 5 == 0, np.arange(N) % 2, -1)},
}


def rows_with_holes(spec, n_rows=N, share=0.2, apart=2.0):
    X, _ = make_rows(spec, n_rows, 3 if isinstance(spec, GMM) else 4, seed=1, apart=apart)
    return np.where(np.random.default_rng(2).random(X.shape) < share, np.nan, X)


def a_mode(spec, options):
    """Rows, EM's mode of them, and the fast E-step there."""
    spec = replace(spec, n_components=2)
    X = rows_with_holes(spec)
    em = fit_em(spec, X, n_init=2, random_seed=0, tol=1e-10, missing="integrate", **options)
    problem = problem_of(em.spec, X, options.get("weights"), None, False, "integrate", options.get("labels"))
    return X, em, problem, GroupedKernel(problem.spec, problem.data)


@every_spec_in_turn("given", list(GIVEN))
def test_the_information_is_that_of_differences_of_the_score(spec, given):
    _, em, problem, kernel = a_mode(spec, GIVEN[given])
    params = problem.check(em.params)
    here = problem.point(params, kernel, 1e-6, curved=True)
    chart = Chart(problem, kernel.family, *kernel.units, params)
    found = information_at(chart, kernel, params, problem.m_step(here.statistics), here.curvature)
    expected = differenced_information(chart, kernel.grouped, params)
    np.testing.assert_array_equal(found.inside, expected.inside)
    root = np.linalg.inv(np.linalg.cholesky(expected.observed))
    np.testing.assert_allclose(root @ found.observed @ root.T, np.eye(len(root)), atol=1e-5)
    np.testing.assert_allclose(
        np.sqrt(np.diag(np.linalg.inv(found.observed))),
        np.sqrt(np.diag(np.linalg.inv(expected.observed))),
        rtol=1e-6,
    )


@every_spec
def test_the_derivative_is_that_of_an_iteration(spec):
    X, em, problem, kernel = a_mode(spec, {})
    here = problem.point(problem.check(em.params), kernel, 1e-6)
    tangent = tangent_at(problem, kernel, here, problem.m_step(here.statistics), 1e-6)
    along = np.random.default_rng(0).normal(size=len(tangent.missing))
    shift = tangent.directions @ (1e-4 * along / np.linalg.norm(along) * np.sqrt(N))

    def moved(sign):
        u = tangent.u.copy()
        u[tangent.inside] += sign * shift
        return tangent.chart.free(em_step(em.spec, X, tangent.chart.params(u), missing="integrate"))

    met = tangent.across @ ((moved(1) - moved(-1)) / 2)[tangent.inside]
    foretold = tangent.missing * (tangent.across @ shift)
    np.testing.assert_allclose(met, foretold, atol=1e-5 * np.linalg.norm(tangent.across @ shift))


@pytest.mark.parametrize(
    "hold", [{}, {"alpha": [0.4, 0.6]}, {"mu": [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0]], "Sigma": np.eye(3)}]
)
def test_it_ends_where_em_does_and_never_falls(hold):
    rng = np.random.default_rng(0)
    X = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.0]])[rng.integers(0, 2, 400)] + rng.normal(size=(400, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    start = fit_em(GMM(2), X, n_init=1, random_seed=0, max_iter=5, tol=1.0, missing="integrate").params
    options = {"hold": hold, "start": start, "missing": "integrate"}
    plain = fit_em(GMM(2), X, tol=1e-10, accelerate=None, max_iter=100_000, **options)
    fast = fit_em(GMM(2), X, accelerate="newton", **options)
    assert "newton" in fast.steps
    assert np.diff(fast.objective_trace).min() > -1e-9
    for name, x in hold.items():
        np.testing.assert_array_equal(fast.params[name], np.broadcast_to(x, fast.params[name].shape))
    assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-8)
    assert plain.spec.step_length(fast.params, plain.params, 400 * plain.params["alpha"]) < 1e-4


def test_a_few_passes_where_em_takes_hundreds(monkeypatch):
    passes = Counter()
    for name in ("e_step", "curvature"):
        own = getattr(GroupedKernel, name)

        def counted(self, *args, own=own, name=name):
            passes[name] += 1
            return own(self, *args)

        monkeypatch.setattr(GroupedKernel, name, counted)
    X = rows_with_holes(GMM(2), 20_000, 0.1, apart=0.8)
    options = {"n_init": 1, "random_seed": 1, "missing": "integrate"}
    slow = fit_em(GMM(2), X, accelerate=None, max_iter=2000, **options)
    passes.clear()
    fast = fit_em(GMM(2), X, **options)
    assert fast.converged
    assert "newton" in fast.steps
    assert passes.total() < slow.n_iter / 4
    assert fast.log_posterior == pytest.approx(slow.log_posterior, abs=1e-4)


def test_too_many_patterns_are_left_to_squarem(monkeypatch):
    monkeypatch.setattr(grouped, "SLOPE_VALUES", 100)
    X = rows_with_holes(BMM(2), 300, apart=0.5)
    em = fit_em(BMM(2), X, n_init=1, random_seed=0, missing="integrate", accelerate="auto")
    assert em.converged
    assert set(em.steps) <= {"em", "squarem"}


@pytest.mark.parametrize("share", [0.0, 0.15], ids=["complete", "with holes"])
def test_a_level_that_nobody_has_stops_no_jump(share):
    """Its sums are 0 in every row, so that tilted rows do not move them."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=200)
    X = np.where(rng.random((200, 4)) < 0.6, z[:, None], rng.integers(0, 3, (200, 4))).astype(float)
    X[rng.random(X.shape) < share] = np.nan
    spec, options = LCA(2, levels=range(4)), {"n_init": 1, "random_seed": 0, "missing": "integrate"}
    fast = fit_em(spec, X, accelerate="newton", **options)
    assert "newton" in fast.steps
    plain = fit_em(spec, X, accelerate=None, tol=1e-9, **options)
    assert fast.log_posterior == pytest.approx(plain.log_posterior, abs=1e-8)


@pytest.mark.filterwarnings("ignore:.*(lies|lie) far from the others:mixtures.DataWarning")
def test_a_column_that_is_almost_never_observed_stops_no_jump():
    """Of four rows with all columns a cluster has one or two: differences of the M-step must stay small."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 3))
    X[:, 0] += rng.choice([0, 2, 4], 300)
    X[4:, 2] = np.nan
    Sigma = [
        [[0.5, 0.1, 0], [0.1, 1.2, 0.9], [0, 0.9, 0.8]],
        [[1.7, 0.1, -0.3], [0.1, 0.9, 0.6], [-0.3, 0.6, 0.6]],
    ]
    start = {"alpha": [0.3, 0.7], "mu": [[-0.1, 0.1, 0.2], [2.8, 0.0, -0.9]], "Sigma": Sigma}
    em = fit_em(GMM(2), X, missing="integrate", start=start, accelerate="newton", max_iter=300)
    assert em.converged  # EM takes more than 10,000 steps
    on = fit_em(GMM(2), X, missing="integrate", start=em.params, accelerate=None, tol=1e-4)
    assert on.log_posterior == pytest.approx(em.log_posterior, abs=1e-8)
