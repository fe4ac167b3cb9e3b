"""Parameters as data: supports, free coordinates, and what follows from them."""

import numpy as np
import pytest
from conftest import every_spec, make_params

from mixtures import BMM, GMM, InputError
from mixtures.families.parameters import Parameter
from mixtures.families.supports import NON_NEGATIVE, POSITIVE, POSITIVE_DEFINITE, REAL, SIMPLEX, UNIT_INTERVAL

RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(4, 3, 3))
VALUES = {
    REAL: RNG.normal(size=(4, 2)),
    POSITIVE: RNG.gamma(2, size=(4, 2)),
    NON_NEGATIVE: RNG.gamma(2, size=(4, 2)),
    UNIT_INTERVAL: RNG.random((4, 2)),
    SIMPLEX: RNG.dirichlet(np.ones(3), size=4),
    POSITIVE_DEFINITE: ROOT @ ROOT.mT + np.eye(3),
}
BAD = {
    POSITIVE: (0.0, "must be positive"),
    NON_NEGATIVE: (-1e-9, "must not be negative, got -1e-09"),
    UNIT_INTERVAL: (1.5, "must lie between 0 and 1, got"),
    SIMPLEX: (0.9, "must be non-negative and sum to one"),
    POSITIVE_DEFINITE: (-1.0, "must be symmetric and positive definite"),
}


def name_of(support):
    return type(support).__name__


@pytest.mark.parametrize("support", VALUES, ids=name_of)
def test_free_coordinates_go_there_and_back(support):
    value = VALUES[support]
    core = value.shape[value.ndim - support.core_ndim :]
    x = support.to_free(value)
    assert x.shape == (*value.shape[: value.ndim - support.core_ndim], support.free_size(core))
    np.testing.assert_allclose(support.from_free(x, core), value, rtol=1e-12, atol=1e-14)
    anywhere = 3 * np.random.default_rng(1).normal(size=x.shape)
    there = support.from_free(anywhere, core)
    assert support.fault(there) == ""
    np.testing.assert_allclose(support.to_free(there), anywhere, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("support", VALUES, ids=name_of)
def test_an_interval_stays_where_its_parameter_may_be(support):
    value = VALUES[support]
    narrow, wide = np.full_like(value, 1e-6), np.full_like(value, 0.5)
    for end, side in zip(support.reach(value, narrow, 2.0), (-1, 1), strict=True):
        np.testing.assert_allclose(end, value + side * 2e-6, atol=1e-9)  # a narrow one is value -+ z sd
    low, high = support.reach(value, wide, 4.0)
    assert ((low < value) & (value < high)).all()
    if support is POSITIVE_DEFINITE:
        assert (np.diagonal(low, axis1=-2, axis2=-1) > 0).all()
    elif support is not REAL:
        assert (low >= 0).all()
        assert (high <= 1).all() or support in (POSITIVE, NON_NEGATIVE)


def test_a_share_that_is_known_has_an_interval_of_no_length():
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = SIMPLEX.reach(np.ones(1), np.zeros(1), 2.0)
        unknown = UNIT_INTERVAL.reach(np.zeros(1), np.full(1, np.nan), 2.0)
    assert (low, high) == (1, 1)
    assert np.isnan(unknown).all()  # a probability held at 0 has no sd


@pytest.mark.parametrize("support", VALUES, ids=name_of)
def test_a_value_outside_the_support_has_a_fault(support):
    assert support.fault(VALUES[support]) == ""
    if support is REAL:
        return
    bad, words = BAD[support]
    value = VALUES[support].copy()
    value[(0,) * value.ndim] = bad
    assert words in support.fault(value)


@pytest.mark.parametrize("support", [UNIT_INTERVAL, NON_NEGATIVE, SIMPLEX], ids=name_of)
def test_the_boundary_is_left_by_a_hair(support):
    edge = np.array([1.0, 0.0])
    inside = support.inside(edge)
    assert support.fault(inside) == ""
    assert (inside > 0).all()
    np.testing.assert_allclose(inside, edge, atol=1e-6)
    assert np.isfinite(support.to_free(inside)).all()


def test_coordinates_of_entries_on_the_boundary_are_told():
    mask = np.array([[False, True, False], [False, False, True]])
    np.testing.assert_array_equal(SIMPLEX.interior(mask), [[True, False], [False, False]])
    np.testing.assert_array_equal(UNIT_INTERVAL.interior(mask)[..., 0], ~mask)


@every_spec
def test_a_model_is_the_sum_of_its_parameters(spec):
    params = make_params(spec)
    n_features = 2
    sizes = spec.family.sizes(spec.n_components, n_features)
    x = {each.name: each.to_free(params[each.name]) for each in spec.parameters}
    assert sum(value.size for value in x.values()) == spec.parameter_count(n_features)
    for each in spec.parameters:
        assert each.shape(sizes) == params[each.name].shape
        np.testing.assert_allclose(each.from_free(x[each.name], sizes), params[each.name], rtol=1e-9)


@every_spec
def test_free_coordinates_take_many_sets_at_once(spec):
    params, sizes = make_params(spec), spec.family.sizes(spec.n_components, 2)
    for each in spec.parameters:
        many = np.stack([params[each.name]] * 5)
        x = each.to_free(many)
        assert x.shape == (5, each.free_count(sizes))
        np.testing.assert_allclose(each.from_free(x, sizes), many, rtol=1e-9)


def test_a_parameter_shared_by_the_clusters_has_their_axis_no_more():
    shared = Parameter("Sigma", ("feature", "feature_bis"), POSITIVE_DEFINITE)
    assert shared.shape({"cluster": 4, "feature": 3, "feature_bis": 3}) == (3, 3)
    assert shared.free_count({"cluster": 4, "feature": 3, "feature_bis": 3}) == 6


@pytest.mark.parametrize(
    ("spec", "changed", "words"),
    [
        (BMM(2), {"p": [[0.5], [1.5]]}, "parameter p must lie between 0 and 1, got 0.5 to 1.5"),
        (BMM(2), {"alpha": [0.5, 0.6]}, "parameter alpha must be non-negative and sum to one"),
        (GMM(1), {"Sigma": [[[-1.0]]], "alpha": [1.0], "mu": [[0.0]]}, "parameter Sigma must be symmetric"),
    ],
)
def test_faults_are_told_with_the_name(spec, changed, words):
    params = {"alpha": [0.5, 0.5], "p": [[0.5], [0.5]]} | changed
    params = {name: params[name] for name in spec.dims}
    with pytest.raises(InputError, match=words):
        spec.check_params(params, 1)
