"""Wide data: where features do not covary within a cluster, nothing is as large as a matrix of D x D."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from mixtures import BMM, GMM, em_step, fit_em, resolve
from mixtures.families.questions import marginals

K, N_ROWS, N_FEATURES = 2, 60, 3000
MATRIX = 8 * N_FEATURES**2
"""Bytes of one matrix of D x D."""


@contextmanager
def at_most(n_bytes):
    """Refuse code that holds more than so many bytes at once, beyond what there was."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_bytes, f"{peak / 1e6:.1f} MB, more than {n_bytes / 1e6:.1f} MB"


def wide_rows(spec):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(K, N_FEATURES))
    X = centre[np.arange(N_ROWS) % K] + rng.normal(size=(N_ROWS, N_FEATURES))
    return X if isinstance(spec, GMM) else (X > 0).astype(float)


independent = pytest.mark.parametrize(
    "spec",
    [
        GMM(K, covariance_type="diag"),
        GMM(K, covariance_type="diag", prior=None),
        GMM(K, covariance_type="spherical"),
        GMM(K, covariance_type="spherical", prior=None),
        GMM(K, covariance_type="tied_diag"),
        GMM(K, covariance_type="tied_spherical", prior=None),
        BMM(K),
        BMM(K, prior=None),
    ],
    ids=repr,
)


@independent
def test_a_step_of_em_costs_what_the_rows_cost(spec):
    X = wide_rows(spec)
    start = fit_em(spec, X, n_init=1, max_iter=1, random_seed=0).params
    with at_most(50 * N_ROWS * N_FEATURES):
        em_step(spec, X, start)


@independent
def test_no_part_of_a_fit_makes_a_matrix(spec):
    X = wide_rows(spec)
    with at_most(MATRIX):
        em = fit_em(spec, X, n_init=2, random_seed=0, accelerate="squarem")
        em.spec.family.remarks(em.params, N_ROWS * em.params["alpha"])
        marginals(em.spec.family, [em.params])
        em.spec.family.moments(em.spec.family.margin(em.params, [0, 1]))
        em.spec.family.divergence(em.params, em.params)
    assert em.converged
    assert resolve(spec, X).family.defects(em.params, X.std(axis=0) + 1) == {}


def test_a_matrix_would_be_seen():
    """Else the tests above could not fail."""
    with pytest.raises(AssertionError, match="MB, more than"), at_most(MATRIX):
        GMM(K, covariance_type="diag").family.moments(
            {"mu": np.zeros((1, N_FEATURES)), "sigma2": np.ones((1, N_FEATURES))}
        )
