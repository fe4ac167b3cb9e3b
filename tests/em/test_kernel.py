"""The E-step in natural form is the E-step, wherever its guard lets it be used."""

import threading
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from conftest import every_spec, simulate
from hypothesis import given
from hypothesis import strategies as st

import mixtures as mx
from mixtures import BMM, GMM, fit_em, resolve
from mixtures.data.reading import as_data
from mixtures.em import kernel
from mixtures.em.estep import e_step
from mixtures.em.kernel import Kernel
from mixtures.tolerances import TOLERANCES

LOOSE = 1.0
"""A caller who notices little: the guard then asks only for the log density's own digits."""


def assert_same_pass(ours, expected, rtol=1e-9):
    assert ours.log_likelihood == pytest.approx(expected.log_likelihood, rel=rtol)
    for field in fields(expected.statistics):
        theirs = getattr(expected.statistics, field.name)
        if isinstance(theirs, np.ndarray):
            scale = np.abs(theirs).max()
            np.testing.assert_allclose(
                getattr(ours.statistics, field.name), theirs, rtol=rtol, atol=rtol * scale, err_msg=field.name
            )


@every_spec
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [1, 3])
def test_it_is_the_whitened_pass(spec, weighted, n_features):
    params, X, _ = simulate(spec, 500, n_features)
    weights = np.random.default_rng(0).uniform(0, 3, 500) if weighted else None
    data, spec = as_data(X, weights), resolve(spec, X)
    with Kernel(spec, data) as fast:
        assert_same_pass(fast.e_step(params, LOOSE), e_step(spec, data, params))
        again = fast.e_step(params, LOOSE)
        assert again.log_likelihood == fast.e_step(params, LOOSE).log_likelihood


@every_spec
def test_chunks_threads_and_streaming_do_not_matter(spec, monkeypatch):
    params, X, _ = simulate(spec, 1003)
    data, spec = as_data(X), resolve(spec, X)
    expected = e_step(spec, data, params)
    monkeypatch.setattr(kernel, "SHORTEST", 10)
    monkeypatch.setattr(kernel, "CHUNK_VALUES", 1)
    monkeypatch.setattr(kernel, "THREAD_VALUES", 300)
    monkeypatch.setattr(kernel.os, "cpu_count", lambda: 3)
    for copied in (2**31, 0):
        monkeypatch.setattr(kernel, "COPIED_BYTES", copied)
        with Kernel(spec, data) as fast:
            assert len(fast.table.spans) == 3
            assert fast.table.chunk == 10
            assert (fast.table.standardised is None) == (copied == 0)
            assert_same_pass(fast.e_step(params, LOOSE), expected)


def test_rows_that_no_cluster_explains_do_not_vanish():
    """Their densities underflow; the pass takes such chunks relative to the likeliest cluster."""
    params, X, _ = simulate(GMM(3), 300)
    for far in (1.0, 30.0, 300.0):
        rows = np.vstack([X, X[:5] + far * X.std()])
        spec, data = resolve(GMM(3), rows), as_data(rows)
        with Kernel(spec, data) as fast:
            assert_same_pass(fast.e_step(params, LOOSE), e_step(spec, data, params))


def test_densities_too_small_or_large_to_multiply_are_summed_by_their_logarithms():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 12)) * 1e-4  # a density of about 1e40
    spec, data = resolve(GMM(2, covariance_type="diag"), X), as_data(X)
    for spread in (1.0, 6.0):  # and of about 1e-4 each feature less
        params = {
            "alpha": np.array([0.5, 0.5]),
            "mu": np.zeros((2, 12)),
            "sigma2": np.full((2, 12), 1e-8 * spread**2),
        }
        with Kernel(spec, data) as fast:
            assert_same_pass(fast.e_step(params, LOOSE), e_step(spec, data, params))


# The guard


@given(log_tightness=st.floats(-10, 0), seed=st.integers(0, 100))
def test_what_the_guard_lets_pass_is_right(log_tightness, seed):
    """Clusters from as wide as the data to 1e-10 of it."""
    tight = 10**log_tightness
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 2, 400)
    X = np.array([[0.0, 0.0], [1.0, -1.0]])[z] + tight * rng.normal(size=(400, 2))
    spec, data = GMM(2, prior=None), as_data(X)
    params = {
        "alpha": np.array([0.5, 0.5]),
        "mu": np.array([[0.0, 0.0], [1.0, -1.0]]),
        "Sigma": np.stack([tight**2 * np.eye(2)] * 2),
    }
    expected = e_step(spec, data, params)
    with Kernel(spec, data) as fast:
        passed = fast.e_step(params, LOOSE)
    if passed is not None:
        error = abs(passed.log_likelihood - expected.log_likelihood)
        assert error < TOLERANCES.natural_loss * max(len(X), abs(expected.log_likelihood))


def test_the_guard_stands_where_the_loss_reaches_its_limit():
    params, X, _ = simulate(GMM(2), 400)
    spec, data = resolve(GMM(2), X), as_data(X)
    with Kernel(spec, data) as fast:

        def passes(tightness, tol):
            return fast.e_step({**params, "Sigma": params["Sigma"] * tightness}, tol) is not None

        assert passes(1.0, LOOSE)
        assert not passes(1e-12, LOOSE)
        assert passes(1e-4, 1e-3)
        assert not passes(1e-4, 1e-10)  # who notices more gets the whitened form sooner
        edges = [
            min(t for t in 10.0 ** np.arange(-14, 1, 0.25) if passes(t, tol)) for tol in (1e-3, 1e-6, 1e-9)
        ]
        assert edges == sorted(edges)
        assert edges[0] < edges[-1]


def test_on_the_boundary_the_pass_is_the_whitened_one_where_every_row_is_possible():
    X = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    spec, data = BMM(2, prior=None), as_data(X)
    with Kernel(spec, data) as fast:
        for p in ([[0.0, 0.5], [0.5, 0.5]], [[0.0, 0.5], [1.0, 0.3]], [[0.4, 0.4], [0.4, 0.4]]):
            params = {"alpha": np.array([0.5, 0.5]), "p": np.array(p)}
            assert_same_pass(fast.e_step(params, LOOSE), e_step(spec, data, params))
        assert fast.e_step({**params, "p": np.array([[0.0, 0.5], [0.0, 0.5]])}, LOOSE) is None
        assert fast.e_step({**params, "p": np.array([[0.5, 1.0], [0.5, 1.0]])}, LOOSE) is None
        empty = {"alpha": np.array([1.0, 0.0]), "p": np.full((2, 2), 0.4)}
        assert_same_pass(fast.e_step(empty, LOOSE), e_step(spec, data, empty))
        assert fast.e_step({**empty, "p": np.array([[0.0, 0.5], [0.4, 0.4]])}, LOOSE) is None


# What it costs


def test_a_pass_allocates_nothing_that_grows_with_the_data():
    params, X, _ = simulate(GMM(3), 100_000)
    spec, data = resolve(GMM(3), X), as_data(X)
    with Kernel(spec, data) as fast:
        fast.e_step(params, LOOSE)
        tracemalloc.start()
        fast.e_step(params, LOOSE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 200_000  # one number a row would be 800,000


def test_no_thread_outlives_a_fit(monkeypatch):
    monkeypatch.setattr(kernel, "THREAD_VALUES", 100)
    monkeypatch.setattr(kernel.os, "cpu_count", lambda: 2)
    before = threading.active_count()
    fit_em(GMM(2), mx.datasets.faithful(), n_init=2, random_seed=0)
    assert threading.active_count() == before


@every_spec
def test_a_fit_is_the_fit_of_the_whitened_form(spec, monkeypatch):
    _, X, _ = simulate(spec, 300)
    fast = fit_em(spec, X, n_init=2, random_seed=0, tol=1e-9)
    monkeypatch.setattr(Kernel, "e_step", lambda self, params, tol: None)
    slow = fit_em(spec, X, n_init=2, random_seed=0, tol=1e-9)
    assert fast.log_posterior == pytest.approx(slow.log_posterior, rel=1e-12)
    for name, x in slow.params.items():
        np.testing.assert_allclose(fast.params[name], x, rtol=1e-6, atol=1e-8)


def test_the_parameters_of_an_m_step_are_those_of_the_sums():
    params, X, _ = simulate(GMM(2), 100)
    family = resolve(GMM(2), X).family
    r = GMM(2).responsibilities(X, params)
    location, scale = family.units(as_data(X))
    sums = r.T @ family.features(((X - location) / scale).T).T
    ours, theirs = family.from_sums(sums, location, scale), family.statistics(X.T, r.T)
    np.testing.assert_allclose(ours.scatter, theirs.scatter, rtol=1e-10)


def test_a_covariance_that_is_definite_by_its_last_digits_has_no_natural_form(monkeypatch):
    """Scaled to the units of the rows it may be none: the E-step is then made without the form."""
    _, X, _ = simulate(GMM(2), 60)
    spec = resolve(GMM(2), X)
    params = fit_em(spec, X, n_init=1, random_seed=0).params
    with Kernel(spec, as_data(X)) as kernel:
        assert kernel.e_step(params, 1e-6) is not None

        def refuse(*args, **kwargs):
            raise np.linalg.LinAlgError("Matrix is not positive definite")

        monkeypatch.setattr("mixtures.em.kernel.NaturalForm.of", refuse)
        assert kernel.e_step(params, 1e-6) is None
        assert kernel.curvature(params, 1e-6) is None
