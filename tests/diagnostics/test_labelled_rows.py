"""Known labels in what is made of a fit or a sample: each against what the cluster alone says."""

import numpy as np
import pytest
from conftest import every_spec, make_params, simulate
from scipy import stats

import mixtures as mx
from mixtures.em.natural import Draws
from mixtures.trees import draws_tree, make_tree

NAN = np.nan


def apart(n=120, seed=0):
    """Rows of two clusters that nobody would confuse, and the cluster of each."""
    rng = np.random.default_rng(seed)
    z = rng.integers(2, size=n)
    return np.stack([8.0 * z, -4.0 * z], axis=1) + rng.normal(size=(n, 2)), z


def shaken(spec, n_draws=6, n_features=2):
    """A sample in two chains of draws that differ, in one numbering of the clusters."""
    sets = [make_params(spec, n_features, seed, 0.5) for seed in range(n_draws)]
    arrays = {name: np.stack([one[name] for one in sets]) for name in spec.dims}
    chains = {name: x.reshape(2, n_draws // 2, *x.shape[1:]) for name, x in arrays.items()}
    return make_tree({"posterior": chains}, spec.dims, {})


# Missing cells


def test_a_labelled_row_is_completed_from_its_cluster_alone():
    """Mean and sd of SciPy's conditional normal in the cluster of the label, whatever cells are seen."""
    params, X, _ = simulate(mx.GMM(2), n_rows=12)
    X[:, 1] = NAN
    labels = np.arange(12) % 3 - 1
    found = mx.complete(mx.GMM(2), X, params, labels=labels, draws=2000, random_seed=1)
    plain = mx.complete(mx.GMM(2), X, params)
    for i in range(12):
        if labels[i] < 0:
            assert found.cells.iloc[i].equals(plain.cells.iloc[i])
            continue
        mu, S = (params[name][labels[i]] for name in ("mu", "Sigma"))
        slope = S[1, 0] / S[0, 0]
        own = stats.norm(mu[1] + slope * (X[i, 0] - mu[0]), np.sqrt(S[1, 1] - slope * S[0, 1]))
        row = found.cells.iloc[i]
        np.testing.assert_allclose(row[["mean", "sd"]].astype(float), [own.mean(), own.std()], rtol=1e-9)
        np.testing.assert_allclose(
            row[["lower", "upper"]].astype(float), own.ppf([0.025, 0.975]), rtol=1e-6, atol=1e-6
        )
        assert stats.kstest(found.draws.iloc[i].astype(float), own.cdf).pvalue > 1e-4


def test_an_item_of_a_labelled_row_has_the_probability_of_its_cluster_in_every_draw():
    spec = mx.BMM(2)
    tree = shaken(spec)
    found = mx.complete(spec, [[NAN, 1], [NAN, 1], [0, 0]], tree, labels=[0, 1, -1])
    p = tree["posterior"]["p"].values[..., 0].mean(axis=(0, 1))
    np.testing.assert_allclose(found.cells["mean"], p, rtol=1e-12)


def test_labels_of_clusters_that_there_are_not_are_refused():
    params, X, _ = simulate(mx.BMM(2), n_rows=5)
    with pytest.raises(mx.InputError, match="row 1: label is 2, and the model has n_components=2"):
        mx.complete(mx.BMM(2), X, params, labels=[0, 2, -1, 0, 1])


# Rows that share a cluster


@every_spec
def test_two_labelled_rows_share_a_cluster_or_do_not(spec):
    _, X, _ = simulate(spec, n_rows=8, apart=0.5)
    tree, labels = shaken(spec), np.array([0, 0, 1, -1, 2, 2, -1, 1])
    together = mx.coclustering(spec, X, tree, labels=labels).values
    known = np.flatnonzero(labels >= 0)
    same = labels[known][:, None] == labels[known]
    np.testing.assert_array_equal(together[np.ix_(known, known)], same)
    r = mx.responsibilities(spec, X, tree)["responsibilities"].values
    for i in known:  # with a row whose cluster is not known: that row's probability of the cluster
        np.testing.assert_allclose(together[i, [3, 6]], r[[3, 6], labels[i]], rtol=1e-9)
    np.testing.assert_allclose(together[3, 6], mx.coclustering(spec, X, tree).values[3, 6], rtol=1e-9)


def test_rows_with_missing_cells_share_clusters_too():
    spec = mx.GMM(2)
    _, X, _ = simulate(spec, n_rows=4)
    X[0, 0] = X[1] = NAN
    tree = shaken(spec)
    together = mx.coclustering(spec, X, tree, missing="integrate").values
    alpha = tree["posterior"]["alpha"].values.reshape(-1, 2)
    sets = {name: x.values.reshape(-1, *x.shape[2:]) for name, x in tree["posterior"].data_vars.items()}
    r = Draws.of(spec, spec.read(X[2:]), sets).responsibilities(X[2:])  # (K, n, S)
    np.testing.assert_allclose(together[1, 2:], np.einsum("kns,sk->n", r, alpha) / len(alpha), rtol=1e-9)


def test_labelled_rows_are_classified_without_doubt():
    spec = mx.GMM(2)
    params, X, z = simulate(spec, n_rows=200, apart=0.5)
    found = mx.classification(spec, X, params, labels=z)
    assert float(found["error"]) == 0
    assert float(found["relative_entropy"]) == 1
    np.testing.assert_allclose(found["modal_share"], np.bincount(z) / 200)


def test_labelled_rows_occupy_their_clusters_in_every_draw():
    """Two clusters of which one has a negligible share: only a label fills it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 1))
    spec = mx.resolve(mx.GMM(2), X)
    n = 100
    draws = {
        "alpha": np.tile([1 - 1e-9, 1e-9], (2, n, 1)),
        "mu": rng.normal(size=(2, n, 2, 1)) / 10,
        "Sigma": np.ones((2, n, 2, 1, 1)),
    }
    lp = {"lp": rng.normal(size=(2, n))}
    tree = make_tree({"posterior": draws, "sample_stats": lp}, spec.dims, {})
    labels = np.full(20, -1)
    assert mx.occupied_clusters(tree, spec, X, labels=labels, random_seed=1).most_probable == 1
    labels[7] = 1
    found = mx.occupied_clusters(tree, spec, X, labels=labels, random_seed=1)
    assert found.probabilities[2] == 1


# Predictions


def test_replicates_of_labelled_rows_are_of_their_cluster():
    """With all labels known the mean of a feature is that of the groups, weighted by their sizes."""
    params, _, _ = simulate(mx.GMM(2))
    labels = np.repeat([0, 1], [90, 10])
    X = mx.GMM(2).family.sample(params, labels, np.random.default_rng(0))
    tree = draws_tree({name: x[None, None] for name, x in params.items()}, mx.GMM(2).dims, ["x0", "x1"])
    known, unknown = (
        mx.predictive_checks(mx.GMM(2), X, tree, labels=given, n_draws=1000, random_seed=1)
        for given in (labels, None)
    )
    expected = 0.9 * params["mu"][0] + 0.1 * params["mu"][1]
    width = np.sqrt((labels == np.arange(2)[:, None]).sum(axis=1) @ params["Sigma"][:, [0, 1], [0, 1]]) / 100
    names = ["mean[x0]", "mean[x1]"]
    error = (known.loc[names, "replicated"].to_numpy() - expected) / (width / np.sqrt(1000))
    assert np.abs(error).max() < 4.5
    np.testing.assert_allclose(
        (known["upper"] - known["lower"])[names], 2 * stats.norm.ppf(0.975) * width, rtol=0.15
    )
    by_weight = params["alpha"] @ params["mu"]  # those of rows without labels
    assert np.abs((by_weight - expected) / width).max() > 1
    error = (unknown.loc[names, "replicated"].to_numpy() - by_weight) / (width / np.sqrt(1000))
    assert np.abs(error).max() < 6


def test_loo_pit_of_labelled_rows_is_that_of_their_group():
    """With all labels known the clusters are conjugate models of their own: without a row, Student's t."""
    rng = np.random.default_rng(5)
    z = np.repeat([0, 1], [15, 25])
    X = rng.normal(size=(40, 1)) + 1.5 * z[:, None]
    mean, kappa, nu, psi = 0.0, 0.5, 4.0, 2.0
    n_draws = 6000

    def updated(x):
        n, own = len(x), x.mean()
        scatter = ((x - own) ** 2).sum() + kappa * n / (kappa + n) * (own - mean) ** 2
        return (kappa * mean + x.sum()) / (kappa + n), kappa + n, nu + n, psi + scatter

    mu, sigma2 = np.empty((2, 1, n_draws, 2, 1))
    for k in range(2):
        m, c, df, scale = updated(X[z == k, 0])
        sigma2[0, :, k, 0] = scale / rng.chisquare(df, n_draws)
        mu[0, :, k, 0] = m + np.sqrt(sigma2[0, :, k, 0] / c) * rng.standard_normal(n_draws)
    alpha = rng.dirichlet([16, 26], size=(1, n_draws))
    spec = mx.GMM(
        2,
        covariance_type="diag",
        prior=mx.priors.NormalInverseGamma(np.array([mean]), kappa, nu, np.array([psi])),
    )
    tree = draws_tree({"alpha": alpha, "mu": mu, "sigma2": sigma2}, spec.dims, ["x0"])
    found = mx.loo_pit(spec, X, tree, n_draws=n_draws, labels=z)
    assert found["pareto_k"].max() < 0.7
    exact = []
    for i in range(40):
        m, c, df, scale = updated(np.delete(X[:, 0], i)[np.delete(z, i) == z[i]])
        exact.append(stats.t.cdf(X[i, 0], df, m, np.sqrt(scale / df * (1 + 1 / c))))
    np.testing.assert_allclose(found["pit"].values[:, 0], exact, atol=0.012)
    some = mx.loo_pit(spec, X, tree, n_draws=n_draws, labels=np.where(z == 0, z, -1))
    np.testing.assert_allclose(some["pit"][z == 0], found["pit"][z == 0], atol=1e-12)
    assert np.abs(some["pit"][z == 1] - found["pit"][z == 1]).max() > 0.05


# The verdict


def test_a_verdict_on_a_sample_takes_the_labels_it_was_drawn_with():
    X, z = apart()
    labels = np.where(np.arange(120) < 30, 1 - z, -1)
    options = {"draws": 100, "tune": 100, "chains": 2, "random_seed": 1, "progressbar": False}
    spec = mx.GMM(2, covariance_type="spherical")
    tree = mx.sample(spec, X, labels=labels, **options)
    found = mx.diagnose(tree, spec=spec, X=X, labels=labels)
    alike = next(line for line in found.checks if line.name.startswith("draws that relabelling methods"))
    assert alike.figure == 1
    misfit = next(line for line in found.checks if line.name.startswith("statistics of the data"))
    assert misfit.figure == 0
    with pytest.raises(mx.InputError, match="label is 2"):
        mx.diagnose(tree, spec=spec, X=X, labels=labels + 1)
