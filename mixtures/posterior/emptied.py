"""How much of a posterior may lie where a cluster has no rows, which no mode shows."""

import warnings
from dataclasses import replace

import numpy as np
from scipy.special import expit, gammaln

from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.em.fit import fit_em
from mixtures.errors import ConvergenceWarning, DataWarning, NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.posterior.peaks import Peak
from mixtures.tolerances import TOLERANCES

__all__ = ["log_share_without_rows", "refuse_empty_clusters"]

STARTS = 3
"""Starts of EM with one cluster fewer."""


def refuse_empty_clusters(spec: Mixture, peak: Peak, data: Data, rng: np.random.Generator) -> None:
    """Refuse to draw about a mode alone where clusters may well have no rows."""
    share = expit(log_share_without_rows(spec, peak, data, rng))
    if share > TOLERANCES.without_rows:
        raise NoApproximation(
            f"one under which a cluster may have no rows: up to {share:.2g} of the posterior may lie there, "
            f"above {TOLERANCES.without_rows:g}, and split HMC would not move there"
        )


def log_share_without_rows(spec: Mixture, peak: Peak, data: Data, rng: np.random.Generator) -> float:
    """Log of the mass where some cluster has no rows over that about a mode and its relabellings.

    There the parameters of that cluster follow their prior, and the others are a mixture of K - 1: the mass
    is the prior probability of such an allocation times the evidence of K - 1 clusters. Their likelihood at
    the mode stands for the evidence, which is far smaller unless the prior decides the mode. So this errs
    upwards, and takes a fit instead of an integral.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    peak : Peak
        The mode.
    data : Data
        The data. With labels the bound is the same, and minus infinity if every cluster has some.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    float
        Minus infinity if no cluster can be without rows.
    """
    k, a, n = spec.n_components, spec.weight_concentration, data.total
    if len(anchored_clusters(data)) == k or k == 1:
        return -np.inf
    allocation = gammaln(k * a) - gammaln(k * a + n) + gammaln((k - 1) * a + n) - gammaln((k - 1) * a)
    fewer = replace(spec.for_mode(), n_components=k - 1)
    missing = "integrate" if data.has_missing else None
    with warnings.catch_warnings():
        for told in (ConvergenceWarning, DataWarning):
            warnings.simplefilter("ignore", told)  # nobody asked for this fit
        em = fit_em(fewer, replace(data, labels=None), n_init=STARTS, random_seed=rng, missing=missing)
    return float(np.log(k) + allocation + em.log_likelihood - gammaln(k + 1) - peak.log_evidence)
