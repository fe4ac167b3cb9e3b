"""K-means as a Gaussian mixture with hard assignments and covariances held at eps I."""

import numpy as np
import pytest
from conftest import make_params, make_rows
from scipy.special import softmax
from sklearn.cluster import KMeans

import mixtures as mx
from mixtures import BMM, GMM, InputError, em_step, fit_em

every_data = pytest.mark.parametrize(("name", "k"), [("squares", 2), ("blobs", 4), ("iris", 3)])

ROUND = {"covariance_type": "spherical", "prior": None}


def centres(X, k, seed):
    return X[np.random.default_rng(seed).choice(len(X), k, replace=False)]


def kmeans(X, start):
    return KMeans(len(start), init=start, n_init=1, tol=0, algorithm="lloyd", max_iter=1000).fit(X)


def labels(em, X):
    return em.spec.responsibilities(X, em.params).argmax(axis=1)


@every_data
@pytest.mark.parametrize("seed", range(10))
def test_hard_assignments_at_a_held_variance_are_kmeans(name, k, seed):
    X = mx.datasets.load(name).to_numpy()
    start = centres(X, k, seed)
    theirs = kmeans(X, start)
    ours = fit_em(
        GMM(k, **ROUND), X, hard=True, start={"mu": start}, hold={"sigma2": 0.7, "alpha": np.full(k, 1 / k)}
    )
    np.testing.assert_array_equal(labels(ours, X), theirs.labels_)
    np.testing.assert_allclose(ours.params["mu"], theirs.cluster_centers_, rtol=0, atol=1e-8)
    assert ours.converged
    log_joint = ours.objective_trace[-1]
    constant = -len(X) * (np.log(k) + np.log(2 * np.pi * 0.7) * X.shape[1] / 2)
    inertia = 2 * 0.7 * (constant - log_joint)
    assert inertia == pytest.approx(theirs.inertia_)


@every_data
@pytest.mark.parametrize("seed", range(3))
def test_soft_assignments_become_kmeans_as_the_variance_vanishes(name, k, seed):
    """The weights are free here, and idle in the limit."""
    X = mx.datasets.load(name).to_numpy()
    start = {"mu": centres(X, k, seed), "alpha": np.full(k, 1 / k)}
    theirs = kmeans(X, start["mu"])
    ours = fit_em(GMM(k, **ROUND), X, start=start, hold={"sigma2": 1e-9})
    np.testing.assert_array_equal(labels(ours, X), theirs.labels_)
    np.testing.assert_allclose(ours.params["mu"], theirs.cluster_centers_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.params["alpha"], np.bincount(theirs.labels_, minlength=k) / len(X))
    r = ours.spec.responsibilities(X, ours.params)
    assert np.minimum(r, 1 - r).max() < 1e-12


@every_data
@pytest.mark.parametrize("seed", range(10))
def test_a_centre_without_rows_takes_the_worst_one_as_in_scikit_learn(name, k, seed):
    X = mx.datasets.load(name).to_numpy()
    start = centres(X, k, seed)
    start[-1] = X.max(axis=0) + 10  # nobody's nearest
    theirs = kmeans(X, start)
    ours = fit_em(
        GMM(k, **ROUND), X, hard=True, start={"mu": start}, hold={"sigma2": 0.7, "alpha": np.full(k, 1 / k)}
    )
    np.testing.assert_array_equal(labels(ours, X), theirs.labels_)
    np.testing.assert_allclose(ours.params["mu"], theirs.cluster_centers_, rtol=0, atol=1e-8)
    assert (np.diff(ours.objective_trace) > -1e-9).all()


@pytest.mark.parametrize(
    "spec", [GMM(3), GMM(3, covariance_type="tied"), BMM(3), BMM(3, prior=None)], ids=repr
)
@pytest.mark.parametrize("weighted", [False, True])
def test_an_empty_cluster_is_refilled_only_for_a_gain(spec, weighted):
    X, _ = make_rows(spec, 90, 4)
    weights = np.random.default_rng(0).integers(0, 3, len(X)) if weighted else None
    start = make_params(spec, 4)
    location = next(name for name in ("mu", "p") if name in start)
    start[location][2] = X.max(axis=0) + 100 if location == "mu" else 1e-9
    em = fit_em(spec, X, hard=True, start=start, weights=weights)
    assert (np.diff(em.objective_trace) > -1e-9).all()
    assert em.converged


def test_the_weights_are_idle_in_the_limit():
    X = mx.datasets.squares().to_numpy()
    start = {"mu": centres(X, 2, 1)}
    even = fit_em(GMM(2, **ROUND), X, start=start, hold={"sigma2": 1e-6, "alpha": [0.5, 0.5]})
    odd = fit_em(GMM(2, **ROUND), X, start=start, hold={"sigma2": 1e-6, "alpha": [0.001, 0.999]})
    np.testing.assert_allclose(even.params["mu"], odd.params["mu"], atol=1e-12)
    wide = fit_em(GMM(2, **ROUND), X, start=start, hold={"sigma2": 2.0, "alpha": [0.001, 0.999]})
    assert np.abs(wide.params["mu"] - even.params["mu"]).max() > 0.1


def test_responsibilities_at_a_held_variance_are_the_textbook_formula():
    """Bishop, PRML eq. 9.42."""
    X, mu, alpha = mx.datasets.squares().to_numpy(), np.array([[-1.0, 0.0], [1.0, 1.0]]), np.array([0.3, 0.7])
    for eps in (10.0, 1.0, 0.1, 1e-4):
        params = {"alpha": alpha, "mu": mu, "sigma2": np.full(2, eps)}
        squared = ((X[:, None] - mu) ** 2).sum(axis=-1)
        expected = softmax(np.log(alpha) - squared / (2 * eps), axis=1)
        np.testing.assert_allclose(GMM(2, **ROUND).responsibilities(X, params), expected, atol=1e-12)


def test_steps_are_lloyds():
    X = mx.datasets.squares().to_numpy()
    params = {"mu": centres(X, 2, 3)}
    for _ in range(4):
        nearest = ((X[:, None] - params["mu"]) ** 2).sum(axis=-1).argmin(axis=1)
        params = em_step(GMM(2, **ROUND), X, params, hard=True, hold={"sigma2": 1, "alpha": [0.5, 0.5]})
        expected = [X[nearest == j].mean(axis=0) for j in range(2)]
        np.testing.assert_allclose(params["mu"], expected, atol=1e-13)


# Classification EM with nothing held


@pytest.mark.parametrize(
    "spec", [GMM(2), GMM(2, prior=None), GMM(2, covariance_type="tied"), BMM(2)], ids=repr
)
def test_hard_em_never_falls_and_ends_where_labels_and_parameters_agree(spec):
    X, _ = make_rows(spec, 300, 4, apart=1.5)
    em = fit_em(spec, X, hard=True, random_seed=0)
    assert em.converged
    assert (np.diff(em.objective_trace) > -1e-9).all()
    again = em_step(em.spec, X, em.params, hard=True)
    for name, x in em.params.items():
        np.testing.assert_allclose(again[name], x, rtol=1e-12)
    z = labels(em, X)
    log_joint = em.spec.log_joint(em.params)(X.T)
    prior = 0 if spec.prior is None else em.spec.log_prior(em.params)
    classified = log_joint[z, np.arange(len(X))].sum() + prior
    assert em.objective_trace[-1] == pytest.approx(classified)
    likelihood = em.spec.log_likelihood(X, em.params).sum()
    assert em.log_likelihood == pytest.approx(likelihood)
    assert em.log_posterior == pytest.approx(likelihood + em.spec.log_prior(em.params))
    assert likelihood + prior >= em.objective_trace[-1]


def test_hard_em_takes_weights_for_repeated_rows():
    X, _ = make_rows(GMM(2), 60)
    counts = np.random.default_rng(0).integers(1, 4, len(X))
    start = {"alpha": [0.5, 0.5], "mu": X[:2], "Sigma": np.stack([np.cov(X.T)] * 2)}
    spec = mx.resolve(GMM(2), np.repeat(X, counts, axis=0))
    weighted = fit_em(spec, X, hard=True, start=start, weights=counts)
    repeated = fit_em(spec, np.repeat(X, counts, axis=0), hard=True, start=start)
    np.testing.assert_allclose(weighted.params["mu"], repeated.params["mu"])
    assert weighted.log_posterior == pytest.approx(repeated.log_posterior)


# Holding parameters


@pytest.mark.parametrize("spec", [GMM(2), GMM(2, prior=None), BMM(2)], ids=repr)
def test_held_weights_stay_and_the_rest_climbs(spec):
    X, _ = make_rows(spec, 200, 3)
    em = fit_em(spec, X, hold={"alpha": [0.3, 0.7]}, random_seed=0)
    np.testing.assert_array_equal(em.params["alpha"], [0.3, 0.7])
    assert (np.diff(em.objective_trace) > -1e-9).all()
    assert em.converged


def test_means_and_covariances_held_leave_the_weights():
    """Known components: the weights' fixed point is the mean responsibility."""
    X = mx.datasets.faithful()
    full = fit_em(GMM(2, prior=None), X, random_seed=0)
    held = {name: full.params[name] for name in ("mu", "Sigma")}
    em = fit_em(GMM(2, prior=None), X, start={"alpha": [0.9, 0.1]}, hold=held)
    np.testing.assert_allclose(em.params["alpha"], full.params["alpha"], atol=1e-6)


def test_a_held_tiny_variance_is_no_collapse():
    X = mx.datasets.squares().to_numpy()
    em = fit_em(
        GMM(2, **ROUND), X, start={"mu": centres(X, 2, 0), "alpha": [0.5, 0.5]}, hold={"sigma2": 1e-20}
    )
    assert em.converged


@pytest.mark.parametrize(
    ("hold", "message"),
    [
        ({"sigma": 1.0}, r"hold has 'sigma' \(did you mean 'Sigma'\?\); the parameters are alpha, mu, Sigma"),
        ({"mu": 0.0}, "hold Sigma too"),
        ({"Sigma": np.zeros(3)}, r"hold Sigma does not fit shape \(2, 2, 2\)"),
        ({"Sigma": "wide"}, "hold Sigma does not fit"),
        ({"Sigma": -np.eye(2)}, "parameter Sigma must be symmetric and positive definite"),
        ({"mu": np.ma.MaskedArray(np.zeros((2, 2)), np.eye(2)), "Sigma": np.eye(2)}, "hold mu is not finite"),
        ({"Sigma": [[1, 0], [0, np.ma.masked]]}, "hold Sigma is not finite"),
        ({"Sigma": [[1j, 0], [0, 1]]}, "hold Sigma does not fit .*: it is not .* numbers: complex numbers"),
        ({"Sigma": np.ones((2, 2), "M8[s]")}, "it is not an array of numbers: dates or times"),
        ({"Sigma": 10**400}, "hold Sigma is not finite"),
        ({3: 1}, "hold has 3; the parameters are alpha, mu, Sigma"),
        ("a", "hold is a str; it must be a dictionary"),
        (["Sigma"], "hold is a list; it must be a dictionary"),
        (0, "hold is a int; it must be a dictionary"),
        ({"alpha": 0.7}, "parameter alpha must be non-negative and sum to one"),
    ],
)
def test_what_cannot_be_held_is_refused(hold, message):
    with pytest.raises(InputError, match=message):
        fit_em(GMM(2), mx.datasets.faithful(), hold=hold)
