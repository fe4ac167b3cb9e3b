"""The natural form of the rows' log density on JAX: the same numbers, with a guard where it loses digits."""

import jax
import numpy as np
import pytest
from shared import choices, is_natural

import mixtures as mx
from mixtures.density import lowering
from mixtures.density.compiled import CompiledModel
from mixtures.distributions import marginal
from mixtures.families.covariance import COVARIANCES
from mixtures.tolerances import TOLERANCES

STRUCTURES = list(COVARIANCES)


def rows(n=200, d=3, apart=4.0, sd=1.0, seed=1):
    rng = np.random.default_rng(seed)
    return apart * rng.integers(0, 2, size=(n, 1)) + sd * rng.normal(size=(n, d)) + 100


def both(monkeypatch, spec, X):
    """The model with the guard between the forms, and with the whitened form alone."""
    guarded = CompiledModel(mx.declare(spec, X))
    monkeypatch.setattr(marginal, "is_data", lambda x: False)
    return guarded, CompiledModel(mx.declare(spec, X))


@pytest.mark.parametrize(
    "structure",
    [pytest.param(x, marks=() if x == "full" else pytest.mark.long) for x in STRUCTURES],
)
def test_both_forms_are_one_density(monkeypatch, structure):
    X = rows()
    spec = mx.GMM(2, covariance_type=structure)
    guarded, whitened = both(monkeypatch, spec, X)
    em = mx.fit_em(spec, X, n_init=2, random_seed=1)
    rng = np.random.default_rng(2)
    for _ in range(3):
        x = guarded.unconstrain(em.params) + 0.3 * rng.normal(size=guarded.size)
        for jacobian in (False, True):
            value, gradient = guarded.value_and_grad(x, jacobian=jacobian)
            expected, slope = whitened.value_and_grad(x, jacobian=jacobian)
            assert value == pytest.approx(expected, rel=1e-12)
            np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())
        exact, other = (compiled.hessian(x, exact=True) for compiled in (guarded, whitened))
        np.testing.assert_allclose(exact, other, rtol=1e-8, atol=1e-8 * np.abs(other).max())
        np.testing.assert_allclose(
            guarded.row_log_likelihoods(x)["x"], whitened.row_log_likelihoods(x)["x"], rtol=1e-11
        )


@pytest.mark.parametrize(
    "structure",
    [pytest.param(x, marks=() if x in ("full", "spherical") else pytest.mark.long) for x in STRUCTURES],
)
def test_the_guard_lets_no_digits_go(monkeypatch, structure):
    """Ever tighter clusters: the natural form within its error limit first, then the whitened form."""
    X = rows(sd=1e-4, apart=1.0)
    spec = mx.resolve(mx.GMM(2, covariance_type=structure), X)
    guarded, whitened = both(monkeypatch, spec, X)
    natural = []
    for sd in np.geomspace(1e-1, 1e-5, 17):
        name = "Sigma" if structure in ("full", "tied") else "sigma2"
        shape = spec.shapes(3)[name]
        scale = sd**2 * (np.eye(3) if name == "Sigma" else 1.0)
        params = {"alpha": [0.5, 0.5], "mu": [[100] * 3, [101] * 3], name: np.broadcast_to(scale, shape)}
        x = guarded.unconstrain(params)
        ours, theirs = (m.row_log_likelihoods(x)["x"] for m in (guarded, whitened))
        assert np.abs(ours - theirs).max() <= 10 * TOLERANCES.natural_loss
        natural.append(is_natural(guarded, x))
    assert natural[0]
    assert not natural[-1]
    assert natural == sorted(natural, reverse=True)  # one edge


def test_a_weight_of_zero_is_left_to_the_whitened_form():
    X = rows()
    compiled = CompiledModel(mx.declare(mx.GMM(2), X))
    params = {"alpha": np.array([1.0, 0.0]), "mu": np.full((2, 3), 100.0), "Sigma": np.array([np.eye(3)] * 2)}
    log_alpha = np.log([1 - 1e-300, 1e-300])
    x = np.concatenate([[(log_alpha - log_alpha.mean())[0]], compiled.unconstrain(params)[1:]])
    assert np.isfinite(compiled.row_log_likelihoods(x)["x"]).all()


def test_levels_but_the_first_have_indicators(monkeypatch):
    X = np.random.default_rng(1).integers(0, [2, 4, 3], size=(60, 3)).astype(str)
    spec = mx.LCA(2)
    em = mx.fit_em(spec, X, n_init=1, random_seed=1)
    guarded, plain = both(monkeypatch, spec, X)
    x = guarded.unconstrain(em.params)
    assert is_natural(guarded, x)
    p = em.params["p"].copy()
    p[0, 1] = [1e-200, 0.5, 0.5, 1e-200]  # first and last level next to impossible
    for there in (x + 0.3, guarded.unconstrain({**em.params, "p": p})):
        (value, slope), (expected, expected_slope) = (m.value_and_grad(there) for m in (guarded, plain))
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-9, atol=1e-9 * np.abs(expected_slope).max())


def test_other_backends_compile_one_form():
    model = mx.declare(mx.GMM(2), rows())
    assert not choices([model.logp()])


def test_too_many_products_are_left_to_the_whitened_form():
    compiled = CompiledModel(mx.declare(mx.GMM(1), rows(d=9)))
    assert not choices(compiled._row_terms)


def test_what_is_too_large_to_keep_is_computed_at_every_call(monkeypatch):
    spec, X = mx.GMM(2, covariance_type="spherical"), rows(n=1234)
    kept = CompiledModel(mx.declare(spec, X))
    x = kept.initial_point(1)
    monkeypatch.setattr(lowering, "PREPARED_BYTES", 0)
    monkeypatch.setattr(lowering, "_compiled", [])
    computed = CompiledModel(mx.declare(spec, X))
    assert sum(a.size for a in computed.arrays) < sum(a.size for a in kept.arrays)
    assert computed.value_and_grad(x)[0] == pytest.approx(kept.value_and_grad(x)[0], rel=1e-13)


def test_a_call_passes_few_arrays():
    compiled = CompiledModel(mx.declare(mx.GMM(2), rows(n=5000)))
    assert len(compiled.arrays) < 8
    assert all(isinstance(a, jax.Array) for a in compiled.arrays)
