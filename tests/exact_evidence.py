"""Exact log marginal likelihoods: closed forms for one cluster, sums over all K^n allocations for more."""

from itertools import product

import numpy as np
from scipy.special import betaln, gammaln, logsumexp, multigammaln


def gaussian(rows, prior):
    """Log density of rows (n, D) under a normal-inverse-Wishart prior (Murphy 2007, eq. 266)."""
    n, d = rows.shape
    if n == 0:
        return 0.0
    mean, Psi = np.asarray(prior.mean), np.asarray(prior.Psi)
    apart = rows.mean(axis=0) - mean
    scatter = (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0))
    updated = Psi + scatter + prior.kappa * n / (prior.kappa + n) * np.outer(apart, apart)
    return (
        -n * d / 2 * np.log(np.pi)
        + multigammaln((prior.nu + n) / 2, d)
        - multigammaln(prior.nu / 2, d)
        + prior.nu / 2 * np.linalg.slogdet(Psi)[1]
        - (prior.nu + n) / 2 * np.linalg.slogdet(updated)[1]
        + d / 2 * np.log(prior.kappa / (prior.kappa + n))
    )


def bernoulli(rows, prior):
    """Log density of rows (n, D) under independent Beta priors."""
    ones, n = rows.sum(axis=0), len(rows)
    return (betaln(prior.alpha + ones, prior.beta + n - ones) - betaln(prior.alpha, prior.beta)).sum()


def mixture(rows, prior, k, concentration, cluster):
    """Sum over all allocations of the rows to k clusters; each subset of rows is integrated once."""
    n = len(rows)
    masks = np.arange(2**n)
    members = (masks[:, None] >> np.arange(n)) & 1
    of_subset = np.array([cluster(rows[member.astype(bool)], prior) for member in members])
    allocations = np.array(list(product(range(k), repeat=n)))
    total = gammaln(k * concentration) - gammaln(k * concentration + n)
    logs = np.full(len(allocations), total)
    for j in range(k):
        here = allocations == j
        logs += gammaln(concentration + here.sum(axis=1)) - gammaln(concentration)
        logs += of_subset[here @ (1 << np.arange(n))]
    return logsumexp(logs)
