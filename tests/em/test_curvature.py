"""The pass that sums second moments: against its formula, and however rows are stored."""

import numpy as np
import pytest
from conftest import every_spec, simulate

import mixtures as mx
from mixtures import GMM, resolve
from mixtures.data.sources import as_rows
from mixtures.em import curvature, kernel
from mixtures.em.curvature import Products
from mixtures.em.kernel import Kernel

LOOSE = 1.0


def by_formula(fast, X, params, weights):
    """C and the moments within clusters, written out."""
    location, scale = fast.units
    phi = fast.family.features(((X - location) / scale).T)
    L = fast.natural(params) @ phi
    r = np.exp(L - L.max(axis=0))
    r /= r.sum(axis=0)
    spread = np.eye(len(r))[:, :, None] * r - r[:, None] * r
    C = np.einsum("n,kln,an,bn->kalb", weights, spread, phi, phi, optimize=True)
    return C, np.einsum("n,kn,an,bn->kab", weights, r, phi, phi, optimize=True)


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max())


@every_spec
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("once", [True, False], ids=["products made once", "a product for each pair"])
def test_it_is_the_formula(spec, weighted, once, monkeypatch):
    monkeypatch.setattr(curvature, "PRODUCTS_A_WEIGHT", 1000 if once else 0)
    params, X, _ = simulate(spec, 500, 3)
    weights = np.random.default_rng(0).integers(0, 3, 500) if weighted else None
    spec = resolve(spec, X)
    with Kernel(spec, as_rows(X, weights)) as fast:
        found, passed = fast.curvature(params, LOOSE), fast.e_step(params, LOOSE)
        C, within = by_formula(fast, X, params, np.ones(500) if weights is None else weights)
        assert (fast.products.n_distinct is None) != (once and spec.family.monomial)
    assert_same(found.missing, C)
    assert_same(found.complete, within)
    assert found.passed.log_likelihood == pytest.approx(passed.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(found.passed.statistics.count, passed.statistics.count, rtol=1e-10)


@every_spec
def test_it_is_the_derivative_of_the_sums(spec):
    """C v = dS / deta along v."""
    params, X, _ = simulate(spec, 300)
    spec = resolve(spec, X)
    with Kernel(spec, as_rows(X, None)) as fast:
        found, eta = fast.curvature(params, LOOSE), fast.natural(params)
        v = np.random.default_rng(0).normal(size=eta.shape)
        up, down = (fast.table.sums(eta + sign * 1e-5 * v).features for sign in (1, -1))
    slope = np.einsum("kalb,lb->ka", found.missing, v)
    np.testing.assert_allclose((up - down) / 2e-5, slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


@every_spec
def test_chunks_threads_and_streaming_do_not_matter(spec, monkeypatch):
    params, X, _ = simulate(spec, 1003)
    weights = np.random.default_rng(0).integers(0, 3, 1003)
    spec = resolve(spec, X)
    with Kernel(spec, as_rows(X, weights)) as fast:
        expected = fast.curvature(params, LOOSE)
    monkeypatch.setattr(kernel, "SHORTEST", 10)
    monkeypatch.setattr(kernel, "CHUNK_VALUES", 1)
    monkeypatch.setattr(kernel, "THREAD_VALUES", 300)
    monkeypatch.setattr(kernel.os, "cpu_count", lambda: 3)
    chunks = [X[:400], X[400:401], X[401:]]
    for rows in (as_rows(X, weights), as_rows(chunks, weights)):
        with Kernel(spec, rows) as fast:
            found = fast.curvature(params, LOOSE)
        assert_same(found.missing, expected.missing)
        assert_same(found.complete, expected.complete)
        assert found.passed.log_likelihood == pytest.approx(expected.passed.log_likelihood, rel=1e-12)


def test_dask_rows_give_the_same():
    da = pytest.importorskip("dask.array")
    params, X, _ = simulate(GMM(3), 1000)
    spec = resolve(GMM(3), X)
    with Kernel(spec, as_rows(X, None)) as fast:
        expected = fast.curvature(params, LOOSE)
    with Kernel(spec, as_rows(da.from_array(X, chunks=(300, 2)), None)) as fast:
        assert_same(fast.curvature(params, LOOSE).missing, expected.missing)


def test_distinct_products_are_found_from_the_features():
    """Of the 21 products of six monomials in two columns, 15 are distinct: those of degree up to four."""
    spec = resolve(GMM(4), mx.datasets.faithful())
    runs, place = Products(spec.family, 4, 2).runs
    assert sum(len(others) for _, others in runs) == 15
    assert len(np.unique(place)) == 15
    X = np.random.default_rng(0).normal(size=(2, 50))
    phi = spec.family.features(X)
    made = np.concatenate([phi[a] * phi[others] for a, others in runs])
    np.testing.assert_allclose(made[place], phi[:, None] * phi[None], rtol=1e-12)


def test_there_is_none_where_rounding_would_show():
    params, X, _ = simulate(GMM(2), 400)
    with Kernel(resolve(GMM(2), X), as_rows(X, None)) as fast:
        assert fast.curvature({**params, "Sigma": params["Sigma"] * 1e-12}, LOOSE) is None
