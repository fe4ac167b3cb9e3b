"""Laws that every family and covariance structure must obey, each checked on all that exist."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from conftest import all_specs, every_spec, make_params, make_rows, oracle, simulate, soft, spec_id
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from mixtures import BMM, GMM, InputError, fit_em, priors, resolve
from mixtures.data.reading import as_data
from mixtures.em.estep import e_step
from mixtures.em.kinds import KINDS, SOFTNESS, Sample, random_partition
from mixtures.em.starts import random_starts
from mixtures.families.covariance import COVARIANCES
from mixtures.families.statistics import GaussianStatistics

seeds = st.integers(0, 10_000)
every_prior = pytest.mark.parametrize("prior", ["default", None], ids=["default", "flat"])
every_gmm = pytest.mark.parametrize("structure", COVARIANCES)


def stack(params):
    """Parameter sets as one, with a leading axis."""
    return {name: np.stack([one[name] for one in params]) for name in params[0]}


def moved(params, other, share):
    """A point on the line from one parameter set to another: the parameter spaces are convex."""
    return {name: (1 - share) * x + share * other[name] for name, x in params.items()}


def assert_params_close(actual, expected, **tolerance):
    assert actual.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_allclose(actual[name], x, err_msg=name, **tolerance)


def scipy_log_density(spec, X, params):
    """Log densities (K, n) by SciPy's own distributions."""
    independent = oracle(spec)
    clusters = independent.clusters(spec.family, params)
    return np.stack([independent.log_density(cluster, X) for cluster in clusters])


# The density


@every_spec
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_the_density_written_four_ways(spec, n_features):
    params, X, _ = simulate(spec, n_features=n_features)
    density = spec.family.density(params)(X.T)
    assert density.shape == (spec.n_components, len(X))
    np.testing.assert_allclose(density, scipy_log_density(spec, X, params), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(density, spec.family.textbook_log_density(X.T, params), rtol=1e-9, atol=1e-9)
    features = spec.family.features(X.T)
    np.testing.assert_array_equal(features[0], 1)
    base = density - spec.family.natural(params) @ features
    np.testing.assert_allclose(base, np.broadcast_to(base[0], base.shape), rtol=1e-9, atol=1e-9)  # h(x) alone
    other = make_params(spec, n_features, seed=5)
    again = spec.family.density(other)(X.T) - spec.family.natural(other) @ features
    np.testing.assert_allclose(again, base, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(spec.family.base_measure(X.T), base[0], rtol=1e-9, atol=1e-9)


@every_gmm
def test_a_gaussian_density_integrates_to_one(structure):
    spec = GMM(3, covariance_type=structure)
    params = make_params(spec, n_features=1)
    density = spec.family.density(params)
    for k, mean in enumerate(params["mu"][:, 0]):
        area, _ = integrate.quad(
            lambda x, k=k, m=mean: np.exp(density(np.array([[x + m]]))[k, 0]), -np.inf, np.inf
        )
        assert abs(area - 1) < 1e-7

    params = make_params(spec, n_features=2)
    for k, (mu, Sigma) in enumerate(oracle(spec).clusters(spec.family, params)):
        width = np.sqrt(Sigma.diagonal())
        grids = [np.linspace(m - 9 * s, m + 9 * s, 400) for m, s in zip(mu, width, strict=True)]
        cells = np.stack([axis.ravel() for axis in np.meshgrid(*grids)])
        area = np.exp(spec.family.density(params)(cells)[k]).sum() * np.prod([g[1] - g[0] for g in grids])
        assert abs(area - 1) < 1e-6


@pytest.mark.parametrize("n_features", [1, 2, 6])
def test_a_bernoulli_density_sums_to_one(n_features):
    spec = BMM(3)
    params = make_params(spec, n_features)
    patterns = np.array(list(product([0.0, 1.0], repeat=n_features)))
    np.testing.assert_allclose(np.exp(spec.family.density(params)(patterns.T)).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(spec.log_likelihood(patterns, params)).sum(), 1)


def test_a_bernoulli_density_at_probabilities_of_zero_and_one():
    params = {"alpha": np.array([0.5, 0.5]), "p": np.array([[0.0, 1.0], [0.5, 0.5]])}
    X = np.array([[0.0, 1.0], [1.0, 1.0]])
    density = BMM(2).family.density(params)(X.T)
    np.testing.assert_allclose(density[:, 0], [0, 2 * np.log(0.5)])
    assert density[0, 1] < -1e299
    np.testing.assert_allclose(BMM(2).responsibilities(X, params), [[0.8, 0.2], [0, 1]])


@every_spec
def test_responsibilities_and_log_likelihood_sum_the_clusters_out(spec):
    params, X, _ = simulate(spec, n_rows=50)
    joint = params["alpha"][:, None] * np.exp(scipy_log_density(spec, X, params))
    np.testing.assert_allclose(spec.log_likelihood(X, params), np.log(joint.sum(axis=0)), rtol=1e-9)
    np.testing.assert_allclose(spec.responsibilities(X, params), (joint / joint.sum(axis=0)).T, atol=1e-12)


# Sufficient statistics


@every_spec
@given(seed=seeds, cut=st.integers(1, 59))
def test_statistics_of_the_parts_add_up_to_those_of_the_whole(spec, seed, cut):
    X, z = make_rows(spec, 60, seed=seed)
    r = soft(z, spec.n_components, seed)
    statistics = spec.family.statistics
    whole = resolve(spec, X).maximize(statistics(X.T, r))
    parts = statistics(X[:cut].T, r[:, :cut]) + statistics(X[cut:].T, r[:, cut:])
    assert_params_close(resolve(spec, X).maximize(parts), whole, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.count, r.sum(axis=1))


@every_spec
def test_statistics_add_where_a_part_has_no_rows_of_a_cluster(spec):
    X, z = make_rows(spec, 60)
    X, z = X[np.argsort(z, kind="stable")], np.sort(z)
    r = np.eye(spec.n_components)[z].T
    resolved = resolve(spec, X)
    parts = [resolved.family.statistics(X[i : i + 10].T, r[:, i : i + 10]) for i in range(0, 60, 10)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    whole = resolved.family.statistics(X.T, r)
    assert_params_close(resolved.maximize(total), resolved.maximize(whole), rtol=1e-9, atol=1e-12)


@every_gmm
def test_statistics_keep_their_digits_far_from_the_origin(structure):
    X, z = make_rows(GMM(2), 100)
    r = soft(z, 2)
    spec = GMM(2, covariance_type=structure, prior=None)
    near = spec.maximize(spec.family.expect(None, X.T, r))
    far_stats = spec.family.statistics(X[:30].T + 1e8, r[:, :30]) + spec.family.statistics(
        X[30:].T + 1e8, r[:, 30:]
    )
    far = spec.maximize(far_stats)
    np.testing.assert_allclose(far["mu"] - 1e8, near["mu"], atol=1e-6)
    name = spec.family.covariance.parameter
    np.testing.assert_allclose(far[name], near[name], rtol=1e-6, atol=1e-6)


# The M-step


def test_one_hot_responsibilities_give_the_groups_own_estimates():
    X, z = make_rows(GMM(3), 90)
    r = np.eye(3)[z].T
    groups = [X[z == k] for k in range(3)]
    n = np.array([len(g) for g in groups])
    covariances = np.stack([np.cov(g.T, ddof=0) for g in groups])
    variances = np.stack([g.var(axis=0) for g in groups])
    expected = {
        "full": covariances,
        "tied": np.einsum("k,kde->de", n, covariances) / n.sum(),
        "diag": variances,
        "spherical": variances.mean(axis=1),
        "tied_diag": n @ variances / n.sum(),
        "tied_spherical": n @ variances.mean(axis=1) / n.sum(),
    }
    for structure, value in expected.items():
        spec = GMM(3, covariance_type=structure, prior=None)
        params = spec.maximize(spec.family.expect(None, X.T, r))
        np.testing.assert_allclose(params["alpha"], n / 90)
        np.testing.assert_allclose(params["mu"], [g.mean(axis=0) for g in groups])
        np.testing.assert_allclose(params[spec.family.covariance.parameter], value)
    assert expected.keys() == COVARIANCES.keys()


@every_spec
@every_prior
def test_one_hot_responsibilities_make_the_clusters_independent(spec, prior):
    """Rows moved within one cluster change that cluster's parameters and no other's."""
    spec = replace(spec, prior=prior)
    X, z = make_rows(spec, 90)
    spec, r = resolve(spec, X), np.eye(spec.n_components)[z].T
    before = spec.maximize(spec.family.expect(None, X.T, r))
    X = X.copy()
    X[z == 0] = X[z == 0][:, ::-1]
    after = spec.maximize(spec.family.expect(None, X.T, r))
    for name, dims in spec.dims.items():
        if "cluster" in dims:
            np.testing.assert_allclose(after[name][1:], before[name][1:], rtol=1e-9)


@every_spec
@every_prior
@given(seed=seeds)
def test_the_m_step_is_the_mode_of_the_complete_data_posterior(spec, prior, seed):
    spec = replace(spec, prior=prior, weight_concentration=1.0 if prior is None else 2.5)
    X, z = make_rows(spec, 60, seed=seed)
    spec, r = resolve(spec, X), soft(z, spec.n_components, seed)
    mode = spec.maximize(spec.family.expect(None, X.T, r))
    other = make_params(spec, seed=seed + 1)

    def objective(params):
        return (r * spec.log_joint(params)(X.T)).sum() + spec.log_prior(params)

    top = objective(mode)
    rounding = 1e-12 * abs(top) + 1e-12
    for share in (1e-5, 1e-4, 1e-3):
        for signed in (share, -share):
            near = moved(mode, other, signed)
            if not any(each.support.fault(near[each.name]) for each in spec.parameters):
                assert objective(near) <= top + rounding


def test_the_map_steps_are_those_of_the_textbook():
    """The formulas of Fraley and Raftery (2007), written out once more with loops."""
    X, z = make_rows(GMM(2), 40)
    n, d, k, r = len(X), 2, 2, soft(z, 2)
    m, kappa, nu, Psi, psi = (
        np.array([1.0, -2.0]),
        0.3,
        6.0,
        np.array([[2.0, 0.5], [0.5, 1.0]]),
        np.array([1.5, 3.0]),
    )
    N = r.sum(axis=1)
    mean = (r @ X) / N[:, None]
    W = [sum(r[j, i] * np.outer(X[i] - mean[j], X[i] - mean[j]) for i in range(n)) for j in range(k)]
    C = [kappa * N[j] / (N[j] + kappa) * np.outer(mean[j] - m, mean[j] - m) for j in range(k)]
    A = [W[j] + C[j] for j in range(k)]
    wishart = priors.NormalInverseWishart(m, kappa, nu, Psi)
    expected = {
        "full": (wishart, [(Psi + A[j]) / (N[j] + nu + d + 2) for j in range(k)]),
        "tied": (wishart, (Psi + sum(A)) / (n + k + nu + d + 1)),
        "diag": (
            priors.NormalInverseGamma(m, kappa, nu, psi),
            [(psi + A[j].diagonal()) / (N[j] + nu + 3) for j in range(k)],
        ),
        "spherical": (
            priors.NormalInverseGamma(m, kappa, nu, 1.5),
            [(1.5 + np.trace(A[j])) / (d * (N[j] + 1) + nu + 2) for j in range(k)],
        ),
        "tied_diag": (
            priors.NormalInverseGamma(m, kappa, nu, psi),
            (psi + sum(A).diagonal()) / (n + k + nu + 2),
        ),
        "tied_spherical": (
            priors.NormalInverseGamma(m, kappa, nu, 1.5),
            (1.5 + np.trace(sum(A))) / (d * (n + k) + nu + 2),
        ),
    }
    assert expected.keys() == COVARIANCES.keys()
    for structure, (prior, value) in expected.items():
        spec = resolve(GMM(k, covariance_type=structure, prior=prior, weight_concentration=3.0), X)
        params = spec.maximize(spec.family.expect(None, X.T, r))
        np.testing.assert_allclose(params["alpha"], (N + 2) / (n + 2 * k))
        np.testing.assert_allclose(params["mu"], (N[:, None] * mean + kappa * m) / (N[:, None] + kappa))
        np.testing.assert_allclose(params[spec.family.covariance.parameter], value)
    flips = (X > 0).astype(float)
    spec = resolve(BMM(k, prior=priors.Beta(3.0, [2.0, 5.0])), flips)
    params = spec.maximize(spec.family.expect(None, flips.T, r))
    np.testing.assert_allclose(params["p"], (r @ flips + 2) / (N[:, None] + [3, 6]))


def test_the_default_priors_are_those_of_fraley_and_raftery():
    X, _ = make_rows(GMM(3), 60, n_features=3)
    cov, shrink = np.cov(X.T), 3 ** (2 / 3)
    for structure, nu, scale in (
        ("full", 5, cov / shrink),
        ("tied", 5, cov / shrink),
        ("diag", 3, cov.diagonal() / shrink),
        ("spherical", 3, [np.trace(cov) / 3 / shrink]),
        ("tied_diag", 3, cov.diagonal() / shrink),
        ("tied_spherical", 3, np.trace(cov) / 3 / shrink),
    ):
        prior = resolve(GMM(3, covariance_type=structure), X).prior
        np.testing.assert_allclose(prior.mean, X.mean(axis=0))
        assert (prior.kappa, prior.nu) == (0.01, nu)
        np.testing.assert_allclose(prior.Psi if hasattr(prior, "Psi") else prior.psi, scale)
    prior = resolve(BMM(3), (X > 0).astype(float)).prior
    np.testing.assert_array_equal([prior.alpha, prior.beta], np.full((2, 3), 2.0))


@every_spec
def test_units_make_coordinates_of_order_one(spec, monkeypatch):
    monkeypatch.setattr("mixtures.families.moments.MOMENT_VALUES", 1)  # the smallest chunks: 256 rows
    X, _ = make_rows(spec, 1000, n_features=3)
    location, scale = spec.family.units(as_data(X))
    np.testing.assert_allclose([location, scale], oracle(spec).units(spec, X), atol=1e-12)


@every_spec
def test_resolving_twice_changes_nothing(spec):
    X, _ = make_rows(spec)
    once = resolve(spec, X)
    twice = resolve(once, X[:50])
    for name, value in vars(once.prior).items():
        np.testing.assert_array_equal(value, vars(twice.prior)[name])


# The log prior


def test_the_log_prior_is_scipys_with_all_normalisers():
    m, kappa, nu = np.array([1.0, -2.0]), 0.3, 6.0
    Psi = np.array([[2.0, 0.5], [0.5, 1.0]])
    wishart = priors.NormalInverseWishart(m, kappa, nu, Psi)
    for structure in COVARIANCES:
        psi = 1.5 if "spherical" in structure else np.array([1.5, 3.0])
        prior = wishart if structure in ("full", "tied") else priors.NormalInverseGamma(m, kappa, nu, psi)
        X, _ = make_rows(GMM(3))
        spec = resolve(GMM(3, covariance_type=structure, prior=prior, weight_concentration=1.7), X)
        params = make_params(spec)
        expected = stats.dirichlet([1.7] * 3).logpdf(params["alpha"])
        for mu, Sigma in oracle(spec).clusters(spec.family, params):
            expected += stats.multivariate_normal(m, Sigma / kappa).logpdf(mu)
        if structure in ("full", "tied"):
            for S in params["Sigma"].reshape(-1, 2, 2):
                expected += stats.invwishart(nu, Psi).logpdf(S)
        else:
            expected += stats.invgamma(nu / 2, scale=psi / 2).logpdf(params["sigma2"]).sum()
        np.testing.assert_allclose(spec.log_prior(params), expected, rtol=1e-12)


def test_the_log_prior_of_a_bmm_is_scipys():
    spec = BMM(3, prior=priors.Beta([0.5, 2.0], 3.0), weight_concentration=0.6)
    params = make_params(BMM(3))
    expected = stats.dirichlet([0.6] * 3).logpdf(params["alpha"])
    expected += stats.beta([0.5, 2.0], 3.0).logpdf(params["p"]).sum()
    np.testing.assert_allclose(spec.log_prior(params), expected, rtol=1e-12)


@every_spec
def test_a_flat_prior_is_the_same_everywhere(spec):
    """It is that of the weights, Dirichlet(1, 1, 1), and, on bounded parameters, a uniform distribution."""
    flat, uniform = replace(spec, prior=None), getattr(oracle(spec), "log_uniform", lambda n_features: 0.0)
    for seed in range(3):
        log_prior = flat.log_prior(make_params(spec, seed=seed))
        assert log_prior == pytest.approx(np.log(2) + spec.n_components * uniform(2))


# Sampling, the number of parameters, and distance in standard deviations


@every_spec
def test_samples_have_the_parameters_they_were_drawn_from(spec):
    """Estimates from labelled samples lie at a chi-squared distance: sample, distance and count agree."""
    spec = replace(spec, prior=None)
    params = {**make_params(spec), "alpha": np.array([0.2, 0.3, 0.5])}
    rng = np.random.default_rng(3)
    squared = []
    for _ in range(40):
        X, z = spec.sample(params, 2000, rng)
        statistics = spec.family.statistics(X.T, np.eye(spec.n_components)[z].T)
        squared.append(spec.step_length(spec.maximize(statistics), params, 2000 * params["alpha"]) ** 2)
    free = spec.parameter_count(2)
    assert abs(np.mean(squared) - free) < 4 * np.sqrt(2 * free / 40)
    assert stats.kstest(squared, stats.chi2(free).cdf).pvalue > 1e-3


@every_spec
@pytest.mark.parametrize("n_features", [1, 3])
def test_the_parameter_count_is_the_dimension_of_the_parameter_space(spec, n_features):
    free = spec.parameter_count(n_features)
    sets = [make_params(spec, n_features, seed) for seed in range(free + 5)]
    flat = np.array([np.concatenate([np.ravel(params[name]) for name in spec.dims]) for params in sets])
    flat = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    assert np.linalg.matrix_rank(flat, tol=1e-8) == free


@every_spec
def test_shapes_and_dims_are_those_of_the_parameters(spec):
    params = make_params(spec, n_features=4)
    sizes = spec.family.sizes(3, 4)
    assert (sizes["cluster"], sizes["feature"], sizes["feature_bis"]) == (3, 4, 4)
    assert {name: x.shape for name, x in params.items()} == spec.shapes(4)
    assert {name: tuple(sizes[dim] for dim in dims) for name, dims in spec.dims.items()} == spec.shapes(4)


# Distances between clusters


@every_spec
@given(seed=seeds, n_features=st.integers(1, 4))
def test_divergence_is_the_symmetric_kullback_leibler_divergence(spec, seed, n_features):
    a, b = make_params(spec, n_features, seed), make_params(spec, n_features, seed + 1)
    family = spec.family
    independent = oracle(spec)
    of_a, of_b = (independent.clusters(family, params) for params in (a, b))
    expected = [[independent.divergence(x, y) for y in of_b] for x in of_a]
    divergence = family.divergence(a, b)
    np.testing.assert_allclose(divergence, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(divergence, family.divergence(b, a).T, rtol=1e-9)
    np.testing.assert_allclose(divergence.diagonal(), family.distance(a, b), rtol=1e-9)
    assert (divergence >= 0).all()
    np.testing.assert_allclose(family.distance(a, a), 0, atol=1e-12)


@every_spec
def test_divergence_takes_batches_of_draws(spec):
    a = [[make_params(spec, seed=10 * i + j) for j in range(3)] for i in range(2)]
    b = make_params(spec, seed=99)
    batch = stack([stack(row) for row in a])
    family = spec.family
    expected = [[family.divergence(one, b) for one in row] for row in a]
    np.testing.assert_allclose(family.divergence(batch, b), expected, rtol=1e-9)
    expected = [[family.divergence(one, row[0]) for one in row] for row in a]
    pivot = {name: x[:, :1] for name, x in batch.items()}
    np.testing.assert_allclose(family.divergence(batch, pivot), expected, rtol=1e-9, atol=1e-12)
    expected = [[family.distance(one, b) for one in row] for row in a]
    np.testing.assert_allclose(family.distance(batch, b), expected, rtol=1e-9)


@every_gmm
@given(seed=seeds)
def test_gaussian_divergence_does_not_see_the_units_of_the_data(structure, seed):
    spec = GMM(3, covariance_type=structure)
    a, b = make_params(spec, seed=seed), make_params(spec, seed=seed + 1)
    rng = np.random.default_rng(seed)
    matrix = {
        "diag": np.diag([1e-6, 1e6]),
        "spherical": 1e6 * stats.ortho_group.rvs(2, random_state=seed),
    }.get(structure.removeprefix("tied_"), rng.normal(size=(2, 2)) + 2 * np.eye(2))
    shift = rng.normal(size=2)

    def transform(params):
        changed = {"alpha": params["alpha"], "mu": params["mu"] @ matrix.T + shift}
        if "Sigma" in params:
            return {**changed, "Sigma": matrix @ params["Sigma"] @ matrix.T}
        scale = 1e12 if "spherical" in structure else matrix.diagonal() ** 2
        return {**changed, "sigma2": params["sigma2"] * scale}

    np.testing.assert_allclose(
        spec.family.divergence(transform(a), transform(b)), spec.family.divergence(a, b), rtol=1e-6, atol=1e-9
    )


def test_bernoulli_divergence_does_not_see_which_side_is_called_one():
    family = BMM(3).family
    a, b = make_params(BMM(3), seed=0), make_params(BMM(3), seed=1)
    swapped = [{**params, "p": 1 - params["p"]} for params in (a, b)]
    np.testing.assert_allclose(family.divergence(*swapped), family.divergence(a, b))
    edge = {"p": np.array([[0.0, 1.0]])}
    assert family.distance(edge, edge) == 0
    assert np.isfinite(family.distance(edge, {"p": np.array([[1.0, 0.0]])})).all()


@every_gmm
def test_a_step_of_a_gmm_is_measured_by_its_information(structure):
    spec = GMM(2, covariance_type=structure)
    params, other = make_params(spec, seed=0), make_params(spec, seed=1)
    count, h = np.array([30.0, 70.0]), 1e-4
    params = {**params, "alpha": count / 100}
    step = moved(params, other, h)
    expected = 100 * ((step["alpha"] - params["alpha"]) ** 2 / params["alpha"]).sum()
    before, after = (oracle(spec).clusters(spec.family, one) for one in (params, step))
    for k, ((mu, Sigma), (mu_new, Sigma_new)) in enumerate(zip(before, after, strict=True)):
        P, dm, dS = np.linalg.inv(Sigma), mu_new - mu, Sigma_new - Sigma
        expected += count[k] * (dm @ P @ dm + np.trace(P @ dS @ P @ dS) / 2)
    assert spec.step_length(step, params, count) == pytest.approx(np.sqrt(expected), rel=1e-2)


def test_a_step_of_a_bmm_is_measured_by_its_information():
    spec, count = BMM(2), np.array([30.0, 70.0])
    params = {"alpha": count / 100, "p": np.array([[0.2, 0.9], [0.5, 0.4]])}
    step = moved(params, {"alpha": np.array([0.5, 0.5]), "p": np.full((2, 2), 0.5)}, 1e-4)
    expected = 100 * ((step["alpha"] - params["alpha"]) ** 2 / params["alpha"]).sum()
    expected += (count[:, None] * (step["p"] - params["p"]) ** 2 / (params["p"] * (1 - params["p"]))).sum()
    assert spec.step_length(step, params, count) == pytest.approx(np.sqrt(expected), rel=1e-3)


@every_spec
def test_no_step_has_length_zero_even_with_an_empty_cluster(spec):
    params = make_params(spec)
    params["alpha"] = np.array([0.4, 0.6, 0.0])
    assert spec.step_length(params, params, np.array([4.0, 6.0, 0.0])) == pytest.approx(0, abs=1e-9)
    emptied = {**params, "alpha": np.array([0.4, 0.5, 0.1])}
    assert spec.step_length(params, emptied, np.array([4.0, 6.0, 0.0])) == np.inf


# EM as a whole


@every_spec
@every_prior
def test_the_objective_of_em_never_falls(spec, prior):
    spec = replace(spec, prior=prior)
    _, X, _ = simulate(spec, n_rows=120, n_features=3, apart=1.0)
    em = fit_em(spec, X, n_init=2, random_seed=0)
    assert em.n_iter > 2
    assert (np.diff(em.objective_trace) > -1e-10 * abs(em.log_posterior)).all()
    log_likelihood = em.spec.log_likelihood(X, em.params).sum()
    assert em.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    assert em.log_posterior == pytest.approx(log_likelihood + em.spec.log_prior(em.params), rel=1e-12)
    objective = em.log_likelihood if em.spec.prior is None else em.log_posterior
    assert em.objective_trace[-1] == pytest.approx(objective, rel=1e-12)


@every_spec
@every_prior
def test_relabelling_commutes_with_everything(spec, prior):
    spec = replace(spec, prior=prior)
    start, X, _ = simulate(spec, n_rows=100)
    order = np.array([2, 0, 1])
    relabelled = spec.relabel(start, order)
    np.testing.assert_allclose(spec.log_likelihood(X, relabelled), spec.log_likelihood(X, start), rtol=1e-12)
    np.testing.assert_allclose(
        spec.responsibilities(X, relabelled), spec.responsibilities(X, start)[:, order], atol=1e-12
    )
    one, two = (fit_em(spec, X, start=params, max_iter=15) for params in (start, relabelled))
    np.testing.assert_allclose(two.objective_trace, one.objective_trace, rtol=1e-9)
    assert_params_close(two.params, one.spec.relabel(one.params, order), rtol=1e-7, atol=1e-10)
    assert one.spec.log_prior(relabelled) == pytest.approx(one.spec.log_prior(start), rel=1e-12)


def in_units(spec, params, scale, shift):
    """Parameters of the data ``scale * x + shift``."""
    new = {"alpha": params["alpha"], "mu": params["mu"] * scale + shift}
    if "Sigma" in params:
        return {**new, "Sigma": params["Sigma"] * np.outer(scale, scale)}
    return {
        **new,
        "sigma2": params["sigma2"] * (scale**2 if "feature" in spec.dims["sigma2"] else scale[0] ** 2),
    }


@every_gmm
@every_prior
@pytest.mark.parametrize(
    ("scale", "shift"),
    [([1, 1], [500, -3]), ([1e-6, 1e6], [0, 0]), ([1e6, 1e-6], [3e6, 1e-6]), ([1e-9, 1e-9], [0, 1e-8])],
    ids=str,
)
def test_units_of_the_data_move_the_parameters_and_nothing_else(structure, prior, scale, shift):
    scale, shift = np.array(scale, float), np.array(shift, float)
    if "spherical" in structure:
        scale = np.full(2, scale[0])
    spec = GMM(3, covariance_type=structure, prior=prior)
    z = np.repeat([0, 1, 2], [40, 50, 60])
    noise = np.random.default_rng(0).normal(size=(150, 2)) @ [[1.5, 0.5], [0.0, 1.0]]
    X = noise + np.array([[0.0, 0.0], [6.0, 2.0], [2.0, 7.0]])[z]
    X_new = X * scale + shift
    resolved = resolve(spec, X)
    start = resolved.maximize(resolved.family.expect(None, X.T, soft(z, 3)))

    def assert_moved(one, two, digits):
        for name, expected in in_units(spec, one.params, scale, shift).items():
            unit = {"alpha": 1, "mu": scale, "Sigma": np.outer(scale, scale), "sigma2": expected}[name]
            np.testing.assert_allclose(two.params[name] / unit, expected / unit, atol=digits, err_msg=name)
        jacobian = -len(X) * np.log(scale).sum()
        assert two.log_likelihood - one.log_likelihood == pytest.approx(jacobian, abs=1e-6)
        r, r_new = spec.responsibilities(X, one.params), spec.responsibilities(X_new, two.params)
        np.testing.assert_allclose(r_new, r, atol=digits)

    one = fit_em(spec, X, start=start, max_iter=30)
    two = fit_em(spec, X_new, start=in_units(spec, start, scale, shift), max_iter=30)
    assert one.n_iter == two.n_iter
    assert np.ptp(two.objective_trace - one.objective_trace) < 1e-6
    assert_moved(one, two, 1e-7)
    # The starts are the same too, up to which of the equally good ones wins by its last digit.
    one, two = (fit_em(spec, data, n_init=2, random_seed=1) for data in (X, X_new))
    assert_moved(one, two, 1e-5)


@every_gmm
@pytest.mark.parametrize("weighted", [False, True])
def test_starts_are_the_same_in_any_units(structure, weighted):
    spec = GMM(3, covariance_type=structure)
    scale = np.full(2, 1e3) if "spherical" in structure else np.array([1e-3, 1e3])
    shift = 1e7 * scale
    X, _ = make_rows(spec, apart=1.0)
    weights = np.random.default_rng(0).integers(0, 3, len(X)) if weighted else None
    ours, theirs = (
        list(random_starts(resolve(spec, data), sample_of(spec, data), KINDS, np.random.default_rng(0)))
        for data in (as_data(X, weights), as_data(X * scale + shift, weights))
    )
    assert [start.kind for start in ours] == list(KINDS)
    for one, two in zip(ours, theirs, strict=True):
        moved_back = in_units(spec, two.params, 1 / scale, -shift / scale)
        assert_params_close(moved_back, one.params, rtol=1e-6, atol=1e-6)


def sample_of(spec, data):
    return Sample.of(resolve(spec, data), data, np.random.default_rng(0))


@pytest.mark.parametrize("lloyd", [False, True])
def test_a_random_partition_shares_every_row_out_once(lloyd):
    X, _ = make_rows(GMM(3), 90)
    r = random_partition(X, 3, np.random.default_rng(0), lloyd=lloyd)
    np.testing.assert_allclose(r.sum(axis=0), 1)
    assert (r >= 0).all()
    np.testing.assert_array_equal((r >= 1 - SOFTNESS).sum(axis=0), 1)
    assert ((r >= 1 - SOFTNESS).sum(axis=1) > 0).all()


@every_prior
def test_recoding_zeros_and_ones_mirrors_the_probabilities(prior):
    spec = BMM(3, prior=prior)
    start, X, _ = simulate(spec, n_rows=150, n_features=4)
    mirrored = {**start, "p": 1 - start["p"]}
    plain = {"max_iter": 30, "accelerate": None}
    one, two = (fit_em(spec, x, start=s, **plain) for x, s in ((X, start), (1 - X, mirrored)))
    np.testing.assert_allclose(two.params["p"], 1 - one.params["p"], atol=1e-9)
    np.testing.assert_allclose(two.objective_trace, one.objective_trace, rtol=1e-11)


@every_spec
@every_prior
def test_whole_weights_are_repeated_rows(spec, prior):
    spec = replace(spec, prior=prior)
    start, X, _ = simulate(spec, n_rows=60)
    weights = np.random.default_rng(0).integers(0, 4, size=60)
    repeated = np.repeat(X, weights, axis=0)
    weighted_spec, repeated_spec = resolve(spec, X, weights=weights), resolve(spec, repeated)
    if prior is not None:
        for name, value in repeated_spec.prior.hyperparameters.items():
            found = weighted_spec.prior.hyperparameters[name]
            np.testing.assert_allclose(found, value, rtol=1e-10, err_msg=name)
    weighted = fit_em(spec, X, start=start, weights=weights, max_iter=12)
    plain = fit_em(spec, repeated, start=start, max_iter=12)
    np.testing.assert_allclose(weighted.objective_trace, plain.objective_trace, rtol=1e-10)
    assert weighted.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-10)
    assert_params_close(weighted.params, plain.params, rtol=1e-7, atol=1e-10)


@every_spec
def test_a_pass_over_the_rows_does_not_depend_on_the_chunks(spec, monkeypatch):
    params, X, _ = simulate(spec, n_rows=1000)
    spec = resolve(spec, X)
    whole = e_step(spec, as_data(X), params)
    monkeypatch.setattr("mixtures.data.table.CHUNK_VALUES", 1)  # the smallest chunks: 256 rows
    parts = e_step(spec, as_data(X), params)
    assert parts.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-13)
    assert parts.magnitude == pytest.approx(whole.magnitude, rel=1e-13)
    assert_params_close(
        spec.maximize(parts.statistics), spec.maximize(whole.statistics), rtol=1e-10, atol=1e-12
    )


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GMM(0), "at least 1"),
        (lambda: GMM(2.5), "whole number"),
        (lambda: GMM("2"), "whole number"),
        (lambda: GMM(None), "whole number"),
        (lambda: BMM(True), "whole number"),
        (lambda: BMM(2, weight_concentration=0), "weight_concentration must be positive"),
        (lambda: BMM(2, weight_concentration=np.nan), "weight_concentration must be positive"),
        (lambda: BMM(2, weight_concentration="many"), "weight_concentration must be positive"),
        (lambda: GMM(2, prior=None, weight_concentration=2), "needs weight_concentration=1"),
        (lambda: GMM(2, covariance_type="round"), "not one of full, tied, diag, spherical"),
        (lambda: GMM(2, prior="flat"), "use 'default', None or NormalInverseWishart"),
        (lambda: GMM(2, prior=np.eye(2)), "use 'default', None or NormalInverseWishart"),
        (lambda: GMM(2, prior=priors.Beta(2, 2)), "NormalInverseWishart"),
        (
            lambda: GMM(2, covariance_type="diag", prior=priors.NormalInverseWishart(0, 1, 4, np.eye(2))),
            "use 'default', None or NormalInverseGamma",
        ),
        (lambda: BMM(2, prior=priors.NormalInverseGamma(0, 1, 3, 1)), "use 'default', None or Beta"),
    ],
)
def test_models_that_no_data_could_make_right(make, message):
    with pytest.raises(InputError, match=message):
        make()


WISHART = {"mean": 0.0, "kappa": 1.0, "nu": 4.0, "Psi": np.eye(2)}
GAMMA = {"mean": 0.0, "kappa": 1.0, "nu": 4.0, "psi": 1.0}
BETA = {"alpha": 2.0, "beta": 2.0}


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (WISHART, {"mean": [1.0, 2.0, 3.0]}, "prior mean has shape"),
        (WISHART, {"mean": np.nan}, "prior mean is not finite"),
        (WISHART, {"mean": "zero"}, "prior mean is not a number"),
        (WISHART, {"kappa": 0.0}, "NormalInverseWishart: kappa must be positive"),
        (WISHART, {"kappa": [1.0, 2.0]}, "prior kappa has shape"),
        (WISHART, {"kappa": np.inf}, "prior kappa is not finite"),
        (WISHART, {"nu": [1.0, 2.0]}, "prior nu has shape"),
        (WISHART, {"nu": 1.0}, r"NormalInverseWishart: nu - \(D - 1\) must be positive, got 0"),
        (WISHART, {"Psi": 1.0}, "Psi is a scalar"),
        (WISHART, {"Psi": np.eye(3)}, "prior Psi has shape"),
        (WISHART, {"Psi": -np.eye(2)}, "positive definite"),
        (WISHART, {"Psi": np.ones((2, 2))}, "positive definite"),
        (WISHART, {"Psi": 1e-12 * np.array([[1.0, 0.5], [0.0, 1.0]])}, "symmetric"),
        (GAMMA, {"mean": [1.0, 2.0, 3.0]}, "prior mean has shape"),
        (GAMMA, {"kappa": [1.0, 2.0]}, "prior kappa has shape"),
        (GAMMA, {"nu": [1.0, 2.0]}, "prior nu has shape"),
        (GAMMA, {"psi": [1.0, -1.0]}, "NormalInverseGamma: psi must be positive"),
        (GAMMA, {"psi": [1.0, 1.0, 1.0]}, "prior psi has shape"),
        (GAMMA, {"nu": 0.0}, "NormalInverseGamma: nu must be positive"),
        (GAMMA, {"kappa": -1.0}, "kappa must be positive"),
        (BETA, {"alpha": 0.0}, "Beta: alpha must be positive"),
        (BETA, {"beta": -1.0}, "Beta: beta must be positive"),
        (BETA, {"alpha": [1.0, 2.0, 3.0]}, "prior alpha has shape"),
        (BETA, {"beta": [1.0, 2.0, 3.0]}, "prior beta has shape"),
        (BETA, {"alpha": np.nan}, "prior alpha is not finite"),
    ],
)
def test_priors_that_do_not_fit_are_refused(kind, change, message):
    hyperparameters = {**kind, **change}
    if kind is BETA:
        spec = BMM(2, prior=priors.Beta(**hyperparameters))
    elif kind is GAMMA:
        spec = GMM(2, covariance_type="diag", prior=priors.NormalInverseGamma(**hyperparameters))
    else:
        spec = GMM(2, prior=priors.NormalInverseWishart(**hyperparameters))
    X, _ = make_rows(spec, 20)
    with pytest.raises(InputError, match=message):
        resolve(spec, X)


def test_a_prior_in_very_different_units_is_positive_definite():
    scale = np.array([1e-6, 1e6])
    Psi = np.array([[1.0, 0.99], [0.99, 1.0]]) * np.outer(scale, scale)
    X, _ = make_rows(GMM(2), 20)
    assert resolve(GMM(2, prior=priors.NormalInverseWishart(0, 1, 4, Psi)), X * scale).resolved


def test_numpy_numbers_and_single_numbers_are_taken():
    assert GMM(np.int64(2), weight_concentration=np.float64(2)).n_components == 2
    for Psi in (2.0, [2.0], [[2.0]]):
        prior = resolve(
            GMM(2, prior=priors.NormalInverseWishart(0, 1, 3, Psi)), make_rows(GMM(2), 20, 1)[0]
        ).prior
        np.testing.assert_array_equal(prior.Psi, [[2.0]])


@every_spec
def test_moments_are_those_of_rows_drawn(spec):
    params = make_params(spec)
    X, z = spec.sample(params, 60_000, np.random.default_rng(0))
    mean, covariance = spec.family.moments(params)
    for k in range(spec.n_components):
        rows = X[z == k]
        sd = np.sqrt(np.diagonal(covariance[k]))
        np.testing.assert_allclose(rows.mean(axis=0), mean[k], atol=6 * sd.max() / np.sqrt(len(rows)))
        np.testing.assert_allclose(
            np.cov(rows.T) / np.outer(sd, sd), covariance[k] / np.outer(sd, sd), atol=0.1
        )


# What the data cannot tell


def test_a_bernoulli_mixture_says_when_it_is_not_identified():
    def told(k, d):
        return BMM(k).family.unidentified(make_params(BMM(k), d))

    assert told(1, 1) == ""
    coin = {"alpha": np.array([0.25, 0.75]), "p": np.array([[0.2], [0.8]])}
    assert "sum_k alpha_k p_k = 0.6500 (at this fit)" in BMM(2).family.unidentified(coin)
    assert "2^2 - 1 = 3 free pattern probabilities, the model has 5 parameters: not all" in told(2, 2)
    assert told(2, 3) == ""
    # passes the count, fails the rank: Goodman (1974)
    assert "in only 13 directions, but the model has 14 parameters: not all" in told(3, 4)
    assert told(3, 5) == ""
    assert told(4, 20) == ""
    alike = {"alpha": np.array([0.4, 0.6]), "p": np.tile([0.2, 0.3, 0.4, 0.6, 0.7], (2, 1))}
    assert "in only 5 directions, but the model has 11 parameters" in BMM(2).family.unidentified(alike)
    assert all(
        spec.family.unidentified(make_params(spec)) == "" for spec in all_specs(2) if isinstance(spec, GMM)
    )


def test_a_bernoulli_mixture_says_what_no_data_of_this_shape_can_tell():
    coins = as_data([[0, 1, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
    one, two = (as_data(coins.values[:, :d]) for d in (1, 2))

    def told(k, data):
        return BMM(k).family.never_identified(k, data)

    assert "sum_k alpha_k p_k = 0.7500 (the share of ones in the data)" in told(2, one)
    assert "2^2 - 1 = 3 free pattern probabilities, the model has 5 parameters" in told(2, two)
    assert told(2, coins) == told(1, one) == told(1, two) == ""


@every_gmm
def test_the_share_of_the_prior_in_a_covariance_is_told(structure):
    """Scatter as large as the prior's in one direction and nine times that in the other."""
    spec = resolve(GMM(3, covariance_type=structure), make_rows(GMM(3), 60)[0])
    count, mean, kind = np.array([5.0, 20.0, 70.0]), np.tile(spec.prior.mean, (3, 1)), spec.family.covariance
    if kind.parameter == "Sigma":
        L = np.linalg.cholesky(spec.prior.Psi)
        scatter = L * [1, 9] @ L.T
    else:
        scatter = spec.prior.psi * ([0.25, 0.75] if "spherical" in structure else [1, 9])
    statistics = GaussianStatistics(count, mean, np.stack([scatter] * 3), kind)
    share = "25%" if structure.startswith("tied") else "50%"  # of three clusters' scatter and the prior's
    told = spec.family.remarks(spec.maximize(statistics), count)
    assert len(told) == 3
    for k, remark in enumerate(told):
        assert remark.startswith(f"the prior makes up {share} of the covariance of cluster {k}")
    if not structure.startswith("tied"):
        few = np.array([5.0, 1.0, 70.0])
        worse = replace(statistics, count=few, scatter=np.stack([1.5 * scatter, scatter, scatter]))
        first, *_, last = spec.family.remarks(spec.maximize(worse), few)
        assert "cluster 1 in some direction: it holds no more rows than there are columns (2); lower" in first
        assert "cluster 0" in last
    plenty = replace(statistics, scatter=20 * statistics.scatter)
    assert spec.family.remarks(spec.maximize(plenty), count) == ()
    assert replace(spec, prior=None).family.remarks(spec.maximize(statistics), count) == ()


@every_spec
def test_inside_moves_only_what_is_on_the_boundary(spec):
    params = make_params(spec)
    assert_params_close(spec.inside(params), params, rtol=1e-12)
    assert not any(mask.any() for mask in spec.family.on_boundary(params).values())
    edge = {**params, "alpha": np.array([0.0, 0.4, 0.6])}
    inside = spec.inside(edge)["alpha"]
    assert inside[0] > 0
    assert inside.sum() == pytest.approx(1, abs=1e-15)


def test_inside_moves_probabilities_off_zero_and_one():
    params = {"alpha": np.array([1.0]), "p": np.array([[0.0, 1.0, 0.5]])}
    np.testing.assert_array_equal(BMM(1).family.on_boundary(params)["p"], [[True, True, False]])
    p = BMM(1).inside(params)["p"]
    assert 0 < p[0, 0] < 1e-3 < 1 - 1e-3 < p[0, 1] < 1
    assert p[0, 2] == 0.5


def test_every_spec_has_a_name_of_its_own():
    names = [spec_id(spec) for spec in all_specs()]
    assert len(names) == len(set(names)) >= 5


# Many sets of parameters at once


LEADING = (2, 3)
"""Axes of the sets below: two of them, so that none is taken for the clusters'."""


def sets_of(*arrays):
    """Every set of arrays with leading axes, one after the other."""
    return [tuple(x[index] for x in arrays) for index in np.ndindex(LEADING)]


def each_alone(f, *params):
    """What a function says of every set of parameters alone, stacked as the sets are."""
    alone = [f(*({name: x[i] for name, x in one.items()} for one in params)) for i in np.ndindex(LEADING)]
    return np.reshape(np.stack(alone), (*LEADING, *np.shape(alone[0])))


def many_problems(spec, prior):
    """A resolved model, rows, and responsibilities (..., K, n) of many starts."""
    spec = replace(spec, prior=prior, weight_concentration=1.0 if prior is None else 2.5)
    X, z = make_rows(spec, 60)
    r = np.stack([soft(z, spec.n_components, seed, 0.6) for seed in range(np.prod(LEADING))])
    return resolve(spec, X), X, r.reshape(*LEADING, *r.shape[1:])


def arrays_of(statistics):
    return {name: x for name, x in vars(statistics).items() if isinstance(x, np.ndarray)}


@every_spec
@every_prior
def test_statistics_and_m_steps_of_many_sets_are_those_of_each(spec, prior):
    spec, X, r = many_problems(spec, prior)
    family = spec.family
    units = family.affine_units(as_data(X))
    phi = family.features(((X - units[0]) / units[1]).T)
    sums = np.stack([one @ phi.T for (one,) in sets_of(r)]).reshape(*LEADING, spec.n_components, -1)
    sums[0, 0, 1] = 0  # a cluster without rows
    half = r * np.linspace(0.2, 1, X.shape[0])
    makers = (
        (lambda one: family.from_sums(one, *units), sums),
        (lambda one: family.statistics(X.T, one), r),
        (lambda one: family.statistics(X.T, one) + family.statistics(X.T[:, :9], one[..., :9]), half),
    )
    for make, made_of in makers:
        many, alone = make(made_of), [make(one) for (one,) in sets_of(made_of)]
        fitted = spec.maximize(many)
        for i, single in zip(np.ndindex(LEADING), alone, strict=True):
            of_one = {name: x[i] for name, x in arrays_of(many).items()}
            assert_params_close(of_one, arrays_of(single), rtol=1e-10, atol=1e-10)
            expected = spec.maximize(single)
            assert {name: x.shape for name, x in expected.items()} == spec.shapes(X.shape[1])
            assert_params_close({name: x[i] for name, x in fitted.items()}, expected, rtol=1e-10, atol=1e-10)


@every_spec
@every_prior
def test_heights_and_steps_of_many_sets_are_those_of_each(spec, prior):
    spec, X, r = many_problems(spec, prior)
    family, weights = spec.family, spec.weights
    statistics = family.statistics(X.T, r)
    a, b = spec.maximize(statistics), spec.maximize(family.statistics(X.T, r[::-1] ** 2))
    heights = (spec.log_prior, family.log_prior, weights.log_prior, weights.shares)
    for f in (*heights, lambda one: family.natural(one), lambda one: spec.perturbed(one, 0.1)["alpha"]):
        expected = each_alone(f, a)
        np.testing.assert_allclose(f(a), expected, rtol=1e-11, atol=1e-11)
        assert np.shape(f(a)) == expected.shape
    assert spec.log_prior(a).shape == family.log_prior(a).shape == LEADING
    for f in (weights.distance, family.distance, family.divergence):
        np.testing.assert_allclose(f(a, b), each_alone(f, a, b), rtol=1e-9, atol=1e-11)
    measured = [{**one, "count": count} for one, count in ((a, statistics.count), (b, statistics.count))]
    expected = each_alone(lambda one, other: spec.step_length(one, other, one["count"]), *measured)
    np.testing.assert_allclose(spec.step_length(a, b, statistics.count), expected, rtol=1e-9)
    for name in spec.dims:
        np.testing.assert_array_equal(
            spec.perturbed(a, 0.1)[name], each_alone(lambda one, n=name: spec.perturbed(one, 0.1)[n], a)
        )


@every_spec
@every_prior
def test_degenerate_clusters_are_told_in_every_set(spec, prior):
    spec, X, r = many_problems(spec, prior)
    family = spec.family
    scale = family.units(as_data(X))[1]
    params = {name: x.copy() for name, x in spec.maximize(family.statistics(X.T, r)).items()}
    assert not family.degenerate(params, scale).any()
    for name, dims in family.dims.items():
        params[name][0, 1] *= 0  # all of a set
        if "cluster" in dims:
            params[name][1, 2, 0] *= 0  # one of its clusters
    told = family.degenerate(params, scale)
    assert told.shape == (*LEADING, spec.n_components)
    assert told.dtype == bool
    np.testing.assert_array_equal(told, each_alone(lambda one: family.degenerate(one, scale), params))
    for index in np.ndindex(LEADING):
        defects = family.defects({name: x[index] for name, x in params.items()}, scale)
        assert list(defects) == np.flatnonzero(told[index]).tolist()
        assert all(defects.values())
    if isinstance(spec, GMM):
        assert told[0, 1].all()
        assert told[1, 2].tolist() == [not spec.covariance_type.startswith("tied"), False, False]
        assert told.sum() == told[0, 1].sum() + told[1, 2].sum()


@every_spec
def test_the_margin_of_some_features_has_their_moments(spec):
    params = make_params(spec, n_features=4)
    mean, covariance = spec.family.moments(params)
    places = [2, 0]
    of_margin = spec.family.marginal_family(places).moments(spec.family.margin(params, places))
    np.testing.assert_array_equal(of_margin[0], mean[:, places])
    np.testing.assert_array_equal(of_margin[1], covariance[:, places][:, :, places])


@every_spec
def test_leading_axes_are_many_sets_of_parameters(spec):
    """Natural parameters and distances of a stack are those of each."""
    X, _ = make_rows(spec, 60, 2)
    family = resolve(spec, X).family
    sets = [make_params(spec, seed=seed) for seed in range(3)]
    stacked = {name: np.stack([one[name] for one in sets]) for name in spec.dims}
    units = family.affine_units(as_data(X))
    many = family.natural(family.rescaled(stacked, *units))
    np.testing.assert_allclose(
        many, [family.natural(family.rescaled(one, *units)) for one in sets], rtol=1e-9
    )
    apart = [family.distance(one, sets[0]) for one in sets]
    np.testing.assert_allclose(family.distance(stacked, sets[0]), apart, rtol=1e-9, atol=1e-12)
