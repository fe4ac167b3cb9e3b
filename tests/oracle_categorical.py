"""What textbooks say of categorical components: items of three levels, one probability for each."""

import numpy as np
from scipy import stats
from scipy.special import gammaln

from mixtures.families.categorical import Categorical as FAMILY

__all__ = ["FAMILY"]


def clusters(family, params):
    """Probabilities of every cluster, (D, C) each."""
    return list(params["p"])


def log_density(cluster, X):
    """Each answer's probability looked up, one by one."""
    return np.array([sum(np.log(p[int(x)]) for p, x in zip(cluster, row, strict=True)) for row in X])


def divergence(a, b):
    """Symmetric Kullback-Leibler divergence, as first written down."""
    return sum(stats.entropy(p, q) + stats.entropy(q, p) for p, q in zip(a, b, strict=True))


def log_uniform(n_features):
    """Log density of the uniform distribution over the probabilities of so many items of three levels."""
    return n_features * gammaln(3)


def units(spec, X):
    return np.zeros(X.shape[1]), np.ones(X.shape[1])
