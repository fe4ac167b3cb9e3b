"""What SciPy and textbooks say of Bernoulli components."""

import numpy as np
from scipy import stats

from mixtures.families.bernoulli import Bernoulli as FAMILY

__all__ = ["FAMILY"]


def clusters(family, params):
    """Probabilities of every cluster."""
    return list(params["p"])


def log_density(cluster, X):
    return stats.bernoulli.logpmf(X, cluster).sum(axis=1)


def divergence(a, b):
    """Symmetric Kullback-Leibler divergence, as first written down."""
    return (stats.entropy([a, 1 - a], [b, 1 - b]) + stats.entropy([b, 1 - b], [a, 1 - a])).sum()


def units(spec, X):
    return np.zeros(X.shape[1]), np.ones(X.shape[1])
