"""What SciPy and textbooks say of Poisson components."""

import numpy as np
from scipy import stats

from mixtures.families.poisson import Poisson as FAMILY

__all__ = ["FAMILY"]


def clusters(family, params):
    """Rates of every cluster."""
    return list(params["rate"])


def log_density(cluster, X):
    return stats.poisson.logpmf(X, cluster).sum(axis=1)


def divergence(a, b):
    """Symmetric Kullback-Leibler divergence, summed over the counts that can occur."""
    x = np.arange(stats.poisson.isf(1e-15, max(*a, *b)) + 1)[:, None]
    p, q = stats.poisson.logpmf(x, a), stats.poisson.logpmf(x, b)
    return ((np.exp(p) - np.exp(q)) * (p - q)).sum()


def units(spec, X):
    """The power of two that is nearest to a standard deviation, on the scale of ratios."""
    powers = 2.0 ** np.arange(-20, 20)
    sd = np.sqrt(X.mean(axis=0))[:, None]
    return np.zeros(X.shape[1]), powers[np.abs(np.log(powers / sd)).argmin(axis=1)]
