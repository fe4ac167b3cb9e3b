"""Frequency weights are repeated rows, and repeated rows are counted, in EM, MAP and posterior alike."""

from itertools import product

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from conftest import every_spec, make_rows, specs_compiled
from scipy.stats import beta

import mixtures as mx
from mixtures import BMM, GMM, InputError, crosscheck, declare, fit_em, fit_map, priors, resolve, sample
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.posterior.target import mixture_target


@pytest.fixture
def _always_distinct(monkeypatch):
    monkeypatch.setattr("mixtures.posterior.target.WORTH_DISTINCT", 1)


QUICK = {"draws": 400, "tune": 300, "chains": 2, "random_seed": 1, "progressbar": False}


def counted(spec, n_rows=40, seed=0):
    """Rows, how often each occurs, and all of them written out."""
    X, _ = make_rows(spec, n_rows, 3, seed)
    counts = np.random.default_rng(seed).integers(1, 5, n_rows)
    return X, counts, np.repeat(X, counts, axis=0)


# The data


def test_distinct_rows_are_counted():
    X = pd.DataFrame({"a": [1.0, 2.0, 1.0, 1.0, 2.0], "b": [0.0, 0.0, 0.0, 3.0, 0.0]}, index=list("vwxyz"))
    data = as_data(X).compressed
    np.testing.assert_array_equal(data.values, [[1, 0], [2, 0], [1, 3]])
    np.testing.assert_array_equal(data.weights, [2, 2, 1])
    assert list(data.obs_id) == ["v", "w", "y"]
    assert data.total == 5
    weighted = as_data(X, [1, 0.5, 2, 1, 0]).compressed
    np.testing.assert_array_equal(weighted.weights, [3, 0.5, 1])


def test_rows_that_do_not_repeat_stay_as_they_are():
    data = as_data(np.random.default_rng(0).normal(size=(5000, 2)))
    assert data.compressed is data


def test_many_patterns_of_many_rows_are_counted_right():
    X = np.random.default_rng(0).integers(0, 2, (20_000, 6))
    data = as_data(X).compressed
    patterns, counts = np.unique(X, axis=0, return_counts=True)
    order = np.lexsort(data.values.T[::-1])
    np.testing.assert_array_equal(data.values[order], patterns)
    np.testing.assert_array_equal(data.weights[order], counts)


def test_weights_travel_with_the_data():
    data = as_data([[1.0], [2.0]], [1, 3])
    assert as_data(data) is data
    np.testing.assert_array_equal(as_data(data, [2, 2]).weights, [2, 2])
    assert data.total == 4


# EM


@every_spec
def test_em_over_distinct_rows_is_em_over_all(spec, monkeypatch):
    _, _, all_rows = counted(spec)
    start = fit_em(spec, all_rows, n_init=1, max_iter=1, random_seed=0).params
    assert as_data(all_rows).compressed.n_rows < len(all_rows)
    distinct = fit_em(spec, all_rows, start=start)
    monkeypatch.setattr("mixtures.data.table.WORTH_COMPRESSING", 2.0)
    plain = fit_em(spec, all_rows, start=start)
    assert distinct.log_posterior == pytest.approx(plain.log_posterior, rel=1e-12)
    for name, x in plain.params.items():
        np.testing.assert_allclose(distinct.params[name], x, rtol=1e-6, atol=1e-9)


# PyMC


@pytest.mark.usefixtures("_always_distinct")
@specs_compiled("GMM spherical", "BMM")
def test_a_model_over_distinct_rows_has_the_density_of_the_model(spec):
    _, _, all_rows = counted(spec)
    target = mixture_target(spec, all_rows)
    resolved, data, distinct = target.spec, target.data, target.compiled
    assert distinct.source is not distinct.model
    rows = CompiledModel(distinct.model)
    x = rows.unconstrain(resolved.inside(fit_em(resolved, data, n_init=1, random_seed=0).params))
    for at, jacobian in product((x, x + 0.1), (False, True)):
        ours = distinct.value_and_grad(at, jacobian=jacobian)
        expected = rows.value_and_grad(at, jacobian=jacobian)
        assert ours[0] == pytest.approx(expected[0], rel=1e-12)
        np.testing.assert_allclose(ours[1], expected[1], rtol=1e-8, atol=1e-9 * abs(expected[0]))


@specs_compiled("PMM")
def test_a_weighted_model_has_the_density_of_rows_written_out(spec):
    X, counts, all_rows = counted(spec)
    resolved = resolve(spec, all_rows)
    weighted, written = declare(resolved, X, weights=counts), declare(resolved, all_rows)
    params = resolved.inside(fit_em(resolved, all_rows, n_init=1, random_seed=0).params)
    for model in (weighted, written):
        compiled = CompiledModel(model)
        value, _ = compiled.value_and_grad(compiled.unconstrain(params))
        assert value == pytest.approx(
            resolved.log_likelihood(all_rows, params).sum() + resolved.log_prior(params), rel=1e-10
        )
    assert [v.name for v in weighted.free_RVs] == [v.name for v in written.free_RVs]
    assert weighted.rvs_to_values[weighted["x"]].eval().shape == X.shape


@pytest.mark.parametrize("spec", [pytest.param(GMM(2), marks=pytest.mark.long), BMM(2)], ids=repr)
def test_map_of_weights_is_map_of_rows_written_out(spec):
    X, counts, all_rows = counted(spec)
    resolved = resolve(spec, all_rows)
    weighted = fit_map(resolved, X, weights=counts, n_init=4, random_seed=0)
    written = fit_map(resolved, all_rows, n_init=4, random_seed=0)
    assert weighted.converged
    assert weighted.log_posterior == pytest.approx(written.log_posterior, rel=1e-9)
    em = fit_em(resolved, X, weights=counts, random_seed=0)
    assert weighted.log_posterior == pytest.approx(em.log_posterior, rel=1e-9)


def test_the_posterior_of_counts_is_the_conjugate_one():
    """A single coin: Beta(2 + heads, 2 + tails)."""
    tree = sample(BMM(1), [[0], [1]], weights=[30, 70], **{**QUICK, "draws": 2000})
    p = tree["posterior"]["p"].values.ravel()
    exact = beta(2 + 70, 2 + 30)
    assert p.mean() == pytest.approx(exact.mean(), abs=0.004)
    assert p.std() == pytest.approx(exact.std(), rel=0.1)


def test_few_repeats_are_not_worth_a_second_model():
    X = np.random.default_rng(0).integers(0, 2, (5000, 3))
    few, many = (mixture_target(BMM(2), rows).compiled for rows in (X[:500], X))
    assert few.source is few.model
    assert many.source is not many.model


@pytest.mark.usefixtures("_always_distinct")
def test_a_sample_over_distinct_rows_keeps_every_row():
    X = np.random.default_rng(0).integers(0, 2, (300, 3))
    tree = sample(BMM(2, prior=priors.Beta(2, 2)), X, **QUICK)
    assert tree["log_likelihood"]["x"].shape == (2, 400, 300)
    np.testing.assert_array_equal(tree["observed_data"]["x"], X)
    first = {name: tree["posterior"][name].values[0, 0] for name in ("alpha", "p")}
    spec = BMM(2, prior=priors.Beta(2, 2))
    np.testing.assert_allclose(
        tree["log_likelihood"]["x"].values[0, 0], spec.log_likelihood(X, first), rtol=1e-9
    )
    posterior = spec.log_likelihood(X, first).sum() + spec.log_prior(first)
    assert tree["sample_stats"]["log_posterior"].values[0, 0] == pytest.approx(posterior, rel=1e-9)


@pytest.mark.long
def test_crosscheck_takes_weights():
    X, counts, all_rows = counted(GMM(2), 80)
    spec = resolve(GMM(2), all_rows)
    weighted = crosscheck(spec, X, weights=counts, n_init=3, **QUICK)
    written = crosscheck(spec, all_rows, n_init=3, **QUICK)
    assert weighted.passed
    np.testing.assert_allclose(weighted.table["EM"], written.table["EM"], rtol=1e-6)
    np.testing.assert_allclose(weighted.table["sd"], written.table["sd"], rtol=0.2)


# What is refused


@pytest.mark.parametrize("call", [declare, fit_map, sample, crosscheck], ids=lambda call: call.__name__)
def test_weights_that_do_not_fit_are_refused_before_anything_is_compiled(call):
    with pytest.raises(InputError, match=r"weights have shape \(2,\); the data have 272 rows"):
        call(GMM(2), mx.datasets.faithful(), weights=[1, 2])
    with pytest.raises(InputError, match=r"row 3: weight is -1\.0"):
        call(GMM(2), mx.datasets.faithful(), weights=np.where(np.arange(272) == 3, -1.0, 1.0))


@pytest.mark.parametrize("call", [fit_map, sample, crosscheck], ids=lambda call: call.__name__)
def test_a_users_model_brings_its_own_weights(call):
    with pm.Model() as model:
        pm.Normal("x")
    with pytest.raises(InputError, match="leave X, weights, missing and labels out"):
        call(model, weights=[1.0])
