"""The declared PyMC model is the NumPy model: its density, its coordinates, its names."""

import warnings
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from conftest import all_specs, every_spec, long, make_params, make_rows, soft, spec_id

from mixtures import BMM, GMM, IdentifiabilityWarning, datasets, declare, fit_em, resolve
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.errors import InputError
from mixtures.families.covariance import COVARIANCES
from mixtures.families.mixture import Mixture

N = 60
SEED = 1  # rows on which no maximum likelihood estimate collapses or has a p of 0 or 1
SIZES = {"default": (3, 3), "stated": (1, 3), "flat": (3, 1)}
"""Clusters and features under each prior; every family and covariance structure meets every one, some of them
under ``-m long``."""
LONG_SIZES = {"default": (1, 1), "stated": (3, 1)}


def cases(prior, k, d, is_long):
    """Every model with a prior and a size, and whether the test of the i-th is long."""
    return [
        pytest.param(
            (spec, prior, d),
            marks=pytest.mark.long if is_long(i) else (),
            id=f"{spec_id(spec)}, {prior}, K={k}, D={d}",
        )
        for i, spec in enumerate(all_specs(k))
    ]


IN_TURN = {"default": lambda i: False, "stated": lambda i: i % 2 == 0, "flat": lambda i: i % 2 == 1}
"""Every model with its default prior, and with one of the two others in turn."""
CASES = [
    *(case for prior, size in SIZES.items() for case in cases(prior, *size, IN_TURN[prior])),
    *(case for prior, size in LONG_SIZES.items() for case in cases(prior, *size, lambda i: True)),
]


def with_prior(spec, X, prior):
    """The model with its default prior, with all of its numbers 1.3 times as large, or with none."""
    if prior == "flat":
        return replace(spec, prior=None)
    resolved = resolve(spec, X)
    if prior == "default":
        return resolved
    larger = {
        field.name: 1.3 * np.asarray(getattr(resolved.prior, field.name)) for field in fields(resolved.prior)
    }
    return resolve(replace(spec, prior=type(resolved.prior)(**larger), weight_concentration=2.5), X)


@dataclass(frozen=True)
class Declared:
    """A resolved model, its data and its compiled PyMC twin."""

    spec: Mixture
    X: np.ndarray
    compiled: CompiledModel

    @property
    def n_features(self):
        return self.X.shape[1]

    def params(self, seed):
        """Parameters inside their space, whatever the prior."""
        return make_params(replace(self.spec, prior="default"), self.n_features, seed)


@lru_cache
def declared(spec, prior, d):
    X, _ = make_rows(spec, N, d, SEED)
    spec = with_prior(spec, X, prior)
    return Declared(spec, X, CompiledModel(declare(spec, X)))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Every model under every prior, small and large."""
    return declared(*request.param)


@pytest.fixture(scope="module", params=all_specs(3), ids=spec_id)
def usual(request):
    """Every model under its default prior, with K = D = 3."""
    return declared(request.param, "default", 3)


def numpy_log_posterior(spec, X, params):
    return spec.log_prior(params) + spec.log_likelihood(X, params).sum()


def pymc_log_posterior(compiled, params):
    return compiled.value_and_grad(compiled.unconstrain(params))[0]


def has_units(spec, X):
    """Whether the family takes the same data in other units."""
    try:
        spec.check(as_data(0.3 * X))
    except InputError:
        return False
    return True


# --- One density, twice


def test_log_posterior_is_numpys(case):
    for seed in (10, 11, 12):
        params = case.params(seed)
        expected = numpy_log_posterior(case.spec, case.X, params)
        assert pymc_log_posterior(case.compiled, params) == pytest.approx(expected, rel=1e-9)


def test_log_posterior_is_numpys_on_badly_scaled_data(case):
    """Columns in units of 1e-6 to 1e6, a million standard deviations from 0."""
    X, z = make_rows(case.spec, N, case.n_features)
    if not has_units(case.spec, X):
        return
    X = (X + 1e6 * X.std(axis=0)) * np.logspace(-6, 6, case.n_features)
    prior = case.spec.prior and "default"
    spec = resolve(replace(case.spec, prior=prior), X)
    compiled = CompiledModel(declare(spec, X))
    for seed in range(3):
        r = soft(z, spec.n_components, seed, softness=0.1 + 0.2 * seed)
        params = spec.maximize(spec.family.expect(None, X.T, r))
        expected = numpy_log_posterior(spec, X, params)
        assert pymc_log_posterior(compiled, params) == pytest.approx(expected, rel=1e-9)


def test_gradient_vanishes_where_em_stops(case):
    em = fit_em(case.spec, case.X, start=case.params(SEED), tol=1e-10, max_iter=3000)
    value, gradient = case.compiled.value_and_grad(case.compiled.unconstrain(em.params))
    assert value == pytest.approx(em.log_posterior, rel=1e-9)
    assert np.abs(gradient).max() < 1e-4


def test_shapes_are_static_and_named_as_the_parameters(case):
    model, spec = case.compiled.model, case.spec
    assert {v.name: v.type.shape for v in model.free_RVs} == spec.shapes(case.n_features)
    assert {v.name: model.named_vars_to_dims[v.name] for v in model.free_RVs} == spec.dims
    assert [v.name for v in model.observed_RVs] == ["x"]
    assert model.named_vars_to_dims["x"] == ("obs_id", "feature")
    assert not model.potentials
    value_shapes = [v.type.shape for v in model.value_vars]
    assert not any(None in shape for shape in value_shapes)
    assert case.compiled.value_shapes == tuple(value_shapes)
    assert case.compiled.size == spec.parameter_count(case.n_features)


def test_rows_and_priors_are_numpys(usual):
    sets = [usual.params(seed) for seed in (1, 2)]
    x = np.stack([usual.compiled.unconstrain(params) for params in sets])
    rows, priors = usual.compiled.row_log_likelihoods(x), usual.compiled.log_priors(x)
    assert set(rows) == {"x"}
    assert set(priors) == set(usual.spec.dims)
    for i, params in enumerate(sets):
        np.testing.assert_allclose(rows["x"][i], usual.spec.log_likelihood(usual.X, params), rtol=1e-10)
        total = sum(prior[i].sum() for prior in priors.values())
        assert total == pytest.approx(usual.spec.log_prior(params), rel=1e-12)


def test_find_map_stays_at_em():
    """PyMC's own optimiser, on PyTensor's own gradient, has nowhere to go."""
    X = datasets.faithful()
    em = fit_em(GMM(2), X, random_seed=1, tol=1e-9)
    model = declare(em.spec, X)
    with pytensor.config.change_flags(cxx=""):  # or FAST_COMPILE compiles inner graphs in C
        found = pm.find_MAP(
            initvals=em.params,
            jitter=False,
            model=model,
            return_inferencedata=True,
            progressbar=False,
            compile_kwargs={"mode": "FAST_COMPILE"},
        )
    mode = {name: found["posterior"][name].values.squeeze() for name in em.params}
    log_posterior = numpy_log_posterior(em.spec, X, mode)
    assert log_posterior == pytest.approx(em.log_posterior, rel=1e-12)
    for name, value in em.params.items():
        np.testing.assert_allclose(mode[name], value, rtol=1e-5)


# --- Coordinates


def test_coordinates_return_the_parameters(usual):
    sets = [usual.params(seed) for seed in (1, 2)]
    x = np.stack([usual.compiled.unconstrain(params) for params in sets])
    returned = usual.compiled.constrain(x)
    assert set(returned) == set(usual.spec.dims)
    for i, params in enumerate(sets):
        for name, value in params.items():
            np.testing.assert_allclose(returned[name][i], value, rtol=1e-10, atol=1e-12)


def test_coordinates_are_of_order_one_in_any_units(usual):
    if not has_units(usual.spec, usual.X):
        return
    X = 1e6 * (usual.X + 100 * usual.X.std(axis=0))
    em = fit_em(replace(usual.spec, prior="default"), X, n_init=1, random_seed=1)
    x = CompiledModel(declare(em.spec, X)).unconstrain(em.params)
    assert np.abs(x).max() < 10


def test_jacobian_is_that_of_the_coordinates(usual):
    """``log |d constrained / d unconstrained|`` by central differences of the free entries."""
    compiled, dims = usual.compiled, usual.spec.dims

    def free_entries(params):
        columns = []
        for name, value in params.items():
            if name == "alpha":
                value = value[:, :-1]
            elif dims[name][-1:] == ("feature_bis",):
                value = value[(..., *np.tril_indices(value.shape[-1]))]
            elif dims[name][-1:] == ("category",):
                value = value[..., :-1]
            columns.append(value.reshape(len(value), -1))
        return np.hstack(columns)

    x, step = compiled.unconstrain(usual.params(0)), 1e-5
    steps = step * np.eye(compiled.size)
    slopes = (free_entries(compiled.constrain(x + steps)) - free_entries(compiled.constrain(x - steps))) / (
        2 * step
    )
    jacobian = compiled.value_and_grad(x, jacobian=True)[0] - compiled.value_and_grad(x)[0]
    assert jacobian == pytest.approx(np.linalg.slogdet(slopes)[1], abs=1e-6)


# --- One compilation for all data of one shape


def same_function(a, b):
    return CompiledModel(a).log_density is CompiledModel(b).log_density


def test_other_data_reuse_what_was_compiled(usual):
    """The same function object, fed with its own data, priors and units: nothing is baked in."""
    X, _ = make_rows(usual.spec, N, 3, seed=5)
    spec = with_prior(usual.spec, X, "default")
    other = Declared(spec, X, CompiledModel(declare(spec, X)))
    assert other.compiled.log_density is CompiledModel(usual.compiled.model).log_density
    sets = [usual.params(seed) for seed in (6, 7)]
    for one in (other, usual):
        x = np.stack([one.compiled.unconstrain(params) for params in sets])
        rows, alpha = one.compiled.row_log_likelihoods(x)["x"], one.compiled.constrain(x)["alpha"]
        for i, params in enumerate(sets):
            expected = numpy_log_posterior(one.spec, one.X, params)
            assert one.compiled.value_and_grad(x[i])[0] == pytest.approx(expected, rel=1e-9)
            np.testing.assert_allclose(rows[i], one.spec.log_likelihood(one.X, params), rtol=1e-10)
            np.testing.assert_allclose(alpha[i], params["alpha"], rtol=1e-10)


@pytest.mark.parametrize("spec", [*long(GMM(3, covariance_type="diag")), BMM(3)], ids=spec_id)
def test_other_shapes_and_priors_are_compiled_anew(spec):
    X, _ = make_rows(spec, N, 3)
    model = declare(spec, X)
    assert same_function(model, declare(spec, X))
    assert not same_function(model, declare(replace(spec, prior=None), X))
    assert not same_function(model, declare(spec, X[:-1]))
    assert not same_function(model, declare(spec, X[:, :2]))
    assert not same_function(model, declare(replace(spec, n_components=2), X))


def test_structures_are_told_apart():
    X, _ = make_rows(GMM(3), N, 3)
    functions = {CompiledModel(declare(GMM(3, covariance_type=name), X)).log_density for name in COVARIANCES}
    assert len(functions) == len(COVARIANCES)


# --- An ordinary model


@every_spec
def test_coords_are_the_users_labels(spec):
    X, _ = make_rows(spec, N, 2)
    frame = pd.DataFrame(X, columns=["height", "weight"], index=[f"person {i}" for i in range(N)])
    coords = declare(spec, frame).coords
    assert {name: list(values) for name, values in coords.items()} == {
        "cluster": [0, 1, 2],
        "feature": ["height", "weight"],
        "feature_bis": ["height", "weight"],
        "obs_id": list(frame.index),
        **({"category": [0, 1, 2]} if spec.family.takes_categories else {}),
    }


def test_data_that_cannot_be_modelled_are_named():
    with pytest.raises(InputError, match="row 1, column 'x0' is NaN or null"):
        declare(GMM(1), [[1.0], [np.nan], [2.0]])


# What no data of this shape can tell


def test_coins_flipped_once_are_declared_with_a_warning():
    """On the user's own line, with what is identified."""
    heads = datasets.coins().to_numpy().mean()
    told = rf"identifies only sum_k alpha_k p_k = {heads:.4f}"
    with pytest.warns(IdentifiabilityWarning, match=told) as caught:
        declare(BMM(2), datasets.coins())
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(("k", "d", "told"), [(2, 2, True), (3, 3, True), (2, 3, False), (1, 1, False)])
def test_too_few_patterns_are_declared_with_a_warning(k, d, told):
    X, _ = make_rows(BMM(k), 60, d)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        declare(BMM(k), X)
    assert [w.category for w in caught] == [IdentifiabilityWarning] * told
    assert all("not all are identified" in str(w.message) for w in caught)
