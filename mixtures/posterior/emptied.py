"""How much of a posterior may lie where a cluster has no rows, which no mode shows."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit, gammaln, logsumexp

from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.em.fit import fit_em
from mixtures.em.information import observed_information
from mixtures.errors import CollapseError, ConvergenceWarning, DataWarning, NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.posterior.peaks import Peak
from mixtures.results.em import EMFit

__all__ = ["likely_share_without_rows", "share_without_rows"]

STARTS = 3
"""Starts of EM with one cluster fewer."""


def share_without_rows(spec: Mixture, peaks: Sequence[Peak], data: Data, rng: np.random.Generator) -> float:
    """Estimate how much of a posterior lies where some cluster has no rows; the estimate errs upwards.

    Where a cluster has no rows, its parameters follow their prior and the others are a mixture of K - 1
    clusters. The mass there is the prior probability of such an allocation times the evidence of K - 1
    clusters, times K, since any cluster may be the empty one. It is compared with Laplace's evidence of the
    modes. Known labels are left out of the fit of K - 1 clusters, which errs upwards. The share is 0 if no
    cluster can be without rows, as with labels in every cluster.
    """
    if not _can_be_empty(spec, data):
        return 0.0
    fewer = _bound(replace(spec, n_components=spec.n_components - 1), replace(data, labels=None), rng)
    about_modes = gammaln(spec.n_components + 1) + logsumexp([peak.log_evidence for peak in peaks])
    return _share(spec, data, fewer, about_modes)


def likely_share_without_rows(spec: Mixture, em: EMFit, data: Data) -> float:
    """Estimate the same without erring upwards on purpose, by Laplace's evidence at EM's modes.

    It is not a number if it is unknown: where labels of rows are known, weights have no mode, or a mode is on
    the boundary.
    """
    if not _can_be_empty(spec, data):
        return 0.0
    if data.labels is not None or spec.for_mode() is not spec:
        return np.nan
    less = replace(spec, n_components=spec.n_components - 1)
    try:
        fewer = _laplace(less, data, _mode(less, data, np.random.default_rng(0)))
        return _share(spec, data, fewer, _laplace(spec, data, em))
    except NoApproximation:
        return np.nan


def _can_be_empty(spec: Mixture, data: Data) -> bool:
    return 1 < spec.n_components != len(anchored_clusters(data))


def _share(spec: Mixture, data: Data, fewer: float, about_modes: float) -> float:
    """The share, from the log evidence of K - 1 clusters and that about the modes of K."""
    k, a, n = spec.n_components, spec.weight_concentration, _seen(data)
    allocation = gammaln(k * a) - gammaln(k * a + n) + gammaln((k - 1) * a + n) - gammaln((k - 1) * a)
    return float(expit(np.log(k) + allocation + fewer - about_modes))


def _seen(data: Data) -> float:
    """Number of rows, by weight, without those of which no cell is observed: these inform no cluster."""
    return float(data.counts[~np.isnan(data.values).all(axis=1)].sum())


def _mode(spec: Mixture, data: Data, rng: np.random.Generator) -> EMFit:
    """EM's fit, which nobody asked for: without warnings."""
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DataWarning):
            warnings.simplefilter("ignore", category)
        try:
            return complete(fit_em(spec.for_mode(), data, n_init=STARTS, random_seed=rng))
        except CollapseError as error:
            raise NoApproximation("one whose mode with a cluster fewer collapses") from error


def _laplace(spec: Mixture, data: Data, em: EMFit) -> float:
    """Laplace's approximation of the log evidence."""
    found = observed_information(spec, data, em.params)
    return float(em.log_posterior + found.log_volume + gammaln(spec.n_components + 1))


def _bound(spec: Mixture, data: Data, rng: np.random.Generator) -> float:
    """Log evidence, erring upwards: Laplace's approximation, or the likelihood at the mode if that fails.

    The likelihood at the mode is above the evidence unless the prior decides the mode. Laplace's
    approximation of q coordinates is off by terms of the order q^2 / n (Shun and McCullagh 1995), which are
    added.
    """
    em = _mode(spec, data, rng)
    if spec.for_mode() is not spec:  # the mode of another prior
        return em.log_likelihood
    q = spec.parameter_count(data.n_features)
    try:
        return float(min(em.log_likelihood, _laplace(spec, data, em) + q**2 / _seen(data)))
    except NoApproximation:
        return em.log_likelihood
