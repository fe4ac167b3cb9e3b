"""What SciPy and textbooks say of Gaussian components."""

import numpy as np
from scipy import stats

from mixtures.families.gaussian import Gaussian as FAMILY

__all__ = ["FAMILY"]


def clusters(family, params):
    """Mean and covariance matrix of every cluster."""
    mu = params["mu"]
    return list(
        zip(mu, family.covariance.matrices(params[family.covariance.parameter], *mu.shape), strict=True)
    )


def log_density(cluster, X):
    return stats.multivariate_normal(*cluster).logpdf(X).reshape(-1)


def divergence(a, b):
    """Symmetric Kullback-Leibler divergence, as first written down."""
    (mu_a, S_a), (mu_b, S_b) = a, b
    P_a, P_b, apart = np.linalg.inv(S_a), np.linalg.inv(S_b), mu_a - mu_b
    return (np.trace(P_b @ S_a + P_a @ S_b) / 2 - len(apart)) + apart @ (P_a + P_b) @ apart / 2


def units(spec, X):
    sd = X.std(axis=0)
    common = "spherical" in spec.covariance_type  # else distances to the centres would change
    return X.mean(axis=0), np.full(X.shape[1], np.sqrt((sd**2).mean())) if common else sd
