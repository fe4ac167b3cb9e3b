"""The posterior with missing cells integrated out against a Gibbs sampler that imputes them.

The sampler is NumPy alone and shares no code with the package: it draws the clusters, the missing cells and
the parameters from their full conditionals in turn (Diebolt and Robert 1994; Tanner and Wong 1987).
"""

import numpy as np
import pytest
from scipy.stats import invwishart

import mixtures as mx

SWEEPS, WARMUP = 12_000, 1_000


def cut(X, share, seed):
    """Rows with a share of the cells missing, at least one observed in every row."""
    rng = np.random.default_rng(seed)
    holes = rng.random(X.shape) < share
    holes[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(holes, np.nan, X)


def chosen(weights, rng):
    """A cluster for every row of weights (n, K)."""
    ends = weights.cumsum(axis=1)
    return (rng.random((len(ends), 1)) * ends[:, -1:] < ends).argmax(axis=1)


def gibbs_gaussian(X, prior, z, rng, sweeps):
    """Draws of alpha, mu and Sigma; a missing cell is drawn given the others of its row and the cluster."""
    holes, (n, d), k = np.isnan(X), X.shape, z.max() + 1
    mean, kappa, nu, Psi = prior.mean, float(prior.kappa), float(prior.nu), prior.Psi
    Y = np.where(holes, np.nanmean(X, axis=0), X)
    draws = {
        "alpha": np.empty((sweeps, k)),
        "mu": np.empty((sweeps, k, d)),
        "Sigma": np.empty((sweeps, k, d, d)),
    }
    for s in range(sweeps):
        count = np.bincount(z, minlength=k)
        alpha, mu, Sigma = rng.dirichlet(1 + count), np.empty((k, d)), np.empty((k, d, d))
        log_weights = np.empty((n, k))
        for j in range(k):
            own = Y[z == j]
            middle = own.mean(axis=0) if len(own) else mean
            between = kappa * len(own) / (kappa + len(own)) * np.outer(middle - mean, middle - mean)
            scale = Psi + (own - middle).T @ (own - middle) + between
            Sigma[j] = invwishart.rvs(nu + len(own), scale, random_state=rng)
            at = (kappa * mean + own.sum(axis=0)) / (kappa + len(own))
            mu[j] = rng.multivariate_normal(at, Sigma[j] / (kappa + len(own)))
            apart = Y - mu[j]
            mahalanobis = (apart * np.linalg.solve(Sigma[j], apart.T).T).sum(axis=1)
            log_weights[:, j] = np.log(alpha[j]) - (mahalanobis + np.linalg.slogdet(Sigma[j])[1]) / 2
        z = chosen(np.exp(log_weights - log_weights.max(axis=1, keepdims=True)), rng)
        P = np.linalg.inv(Sigma)
        for column in range(d):  # given all other cells
            rows = np.flatnonzero(holes[:, column])
            own, precision = z[rows], P[z[rows], column]
            apart = Y[rows] - mu[own]
            apart[:, column] = 0
            pull = (precision * apart).sum(axis=1) / precision[:, column]
            Y[rows, column] = (
                mu[own, column] - pull + rng.normal(size=len(rows)) / np.sqrt(precision[:, column])
            )
        draws["alpha"][s], draws["mu"][s], draws["Sigma"][s] = alpha, mu, Sigma
    return {name: x[WARMUP:] for name, x in draws.items()}


def gibbs_bernoulli(X, a, b, z, rng, sweeps):
    """Draws of alpha and p; a missing cell is a coin of its cluster."""
    holes, d, k = np.isnan(X), X.shape[1], z.max() + 1
    Y = np.where(holes, 0, X)
    draws = {"alpha": np.empty((sweeps, k)), "p": np.empty((sweeps, k, d))}
    for s in range(sweeps):
        member = z == np.arange(k)[:, None]
        ones, count = member @ Y, member.sum(axis=1)
        alpha, p = rng.dirichlet(1 + count), rng.beta(a + ones, b + count[:, None] - ones)
        weights = alpha * np.exp(Y @ np.log(p).T + (1 - Y) @ np.log1p(-p).T)
        z = chosen(weights, rng)
        Y = np.where(holes, rng.random(Y.shape) < p[z], Y)
        draws["alpha"][s], draws["p"][s] = alpha, p
    return {name: x[WARMUP:] for name, x in draws.items()}


def of_light_tails(draws):
    """Draws with log variances and Fisher's z of correlations in the place of Sigma (S, K, 2, 2).

    The sd of an entry of Sigma is made by a few draws: it differs by 7 % between two runs of Gibbs.
    """
    if "Sigma" not in draws:
        return draws
    Sigma = draws["Sigma"]
    variances = np.diagonal(Sigma, axis1=-2, axis2=-1)
    z = np.arctanh(Sigma[..., 0, 1] / np.sqrt(variances.prod(axis=-1)))
    kept = {name: x for name, x in draws.items() if name != "Sigma"}
    return {**kept, "log variance": np.log(variances), "z of the correlation": z}


def agree(tree, draws):
    """Posterior means within a tenth of an sd and sds within 8 %, for every entry."""
    posterior = tree["posterior"].to_dataset().stack(sample=("chain", "draw")).transpose("sample", ...)
    by_nuts = of_light_tails({name: posterior[name].values for name in draws})
    for name, by_gibbs in of_light_tails(draws).items():
        ours, sd = by_nuts[name], by_gibbs.std(axis=0)
        apart = np.abs(ours.mean(axis=0) - by_gibbs.mean(axis=0)) / sd
        assert apart.max() < 0.1, f"means of {name} are {apart.max():.3f} sds apart"
        ratio = ours.std(axis=0) / sd
        assert np.abs(ratio - 1).max() < 0.08, f"sds of {name} are {ratio} of Gibbs's"


@pytest.mark.long
def test_a_gaussian_mixture_is_that_of_a_sampler_that_imputes():
    rng = np.random.default_rng(3)
    z = np.arange(80) % 2
    Y = np.array([[0.0, 0.0], [5.0, 3.0]])[z] + rng.normal(size=(80, 2)) @ [[1.0, 0.6], [0.0, 0.8]]
    X = cut(Y, 0.4, seed=4)
    assert 0.15 < np.isnan(X).mean() < 0.2
    spec = mx.resolve(mx.GMM(2), X, missing="integrate")
    start = {"alpha": [0.5, 0.5], "mu": [[0, 0], [5, 3]], "Sigma": [np.eye(2)] * 2}
    em = mx.fit_em(spec, X, start=start, missing="integrate")
    options = {"draws": 5000, "chains": 4, "random_seed": 1, "progressbar": False, "missing": "integrate"}
    tree = mx.sample(spec, X, em=em, **options)
    agree(tree, gibbs_gaussian(X, spec.prior, z, np.random.default_rng(5), SWEEPS))


def test_a_bernoulli_mixture_is_that_of_a_sampler_that_imputes():
    rng = np.random.default_rng(7)
    z = np.arange(150) % 2
    Y = (rng.random((150, 4)) < np.array([[0.1, 0.15, 0.1, 0.2], [0.9, 0.8, 0.9, 0.85]])[z]).astype(float)
    X = cut(Y, 0.2, seed=8)
    assert 0.14 < np.isnan(X).mean() < 0.2
    spec = mx.BMM(2, prior=mx.priors.Beta(2, 2))
    em = mx.fit_em(spec, X, start={"alpha": [0.5, 0.5], "p": [[0.1] * 4, [0.9] * 4]}, missing="integrate")
    options = {"draws": 5000, "chains": 4, "random_seed": 1, "progressbar": False, "missing": "integrate"}
    tree = mx.sample(spec, X, em=em, **options)
    agree(tree, gibbs_bernoulli(X, 2, 2, z, np.random.default_rng(9), SWEEPS))
