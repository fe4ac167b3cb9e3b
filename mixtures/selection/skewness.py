"""Whether skewed columns are the reason why the BIC prefers many clusters."""

from dataclasses import replace

import numpy as np
from scipy import stats

from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.em.fit import fit_em
from mixtures.errors import CollapseError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.messages import shortened
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["skewness_note"]

STARTS = 3
"""Starts of EM per number of clusters, on the transformed columns."""


def skewness_note(spec: Mixture, data: Data, k: int, bic: float, rng: np.random.Generator) -> str:
    """Note if fewer clusters fit power-transformed columns better than ``k`` clusters fit the columns.

    The BIC of both is that of the original columns: the logarithm of the Jacobian is added to the
    log-likelihood of the transformed ones, and each power counts as a parameter.

    Parameters
    ----------
    spec : Mixture
        The model that was compared; only its Gaussian columns can split skewed clusters.
    data : Data
        The rows.
    k : int
        The number of clusters that the BIC prefers.
    bic : float
        Its BIC.
    rng : numpy.random.Generator
        Source of the starts.

    Returns
    -------
    str
        The note; empty if skewness is not the reason, or cells are missing.

    References
    ----------
    Box and Cox (1964), *JRSS B* 26; Yeo and Johnson (2000), *Biometrika* 87; Lo and Gottardo (2012),
    *Statistics and Computing* 22 (mixtures after a transformation).
    """
    weighted = data.weights is not None and (data.weights != 1).any()
    places = [np.arange(data.n_features)[at] for _, _, at in spec.named(data).family.gaussian_columns(data)]
    if not places or k < 2 or weighted or data.has_missing:
        return ""
    gaussian = np.concatenate(places)
    skewed = gaussian[np.abs(stats.skew(data.values[:, gaussian], axis=0)) > TOLERANCES.skewness]
    if not len(skewed):
        return ""
    values, log_jacobian = data.values.copy(), 0.0
    for d in skewed:
        values[:, d], change = _to_symmetry(data.values[:, d])
        log_jacobian += change
    transformed = replace(data, values=values, weights=None)
    prior, known = None if spec.prior is None else "default", anchored_clusters(data)
    for fewer in range(1, k):
        if len(known) and fewer <= known[-1]:
            continue  # labels name more clusters
        plain = replace(spec, n_components=fewer, prior=prior)
        try:
            em = complete(fit_em(plain, transformed, n_init=STARTS, random_seed=rng))
        except CollapseError:
            continue
        parameters = em.spec.parameter_count(data.n_features) + len(skewed)
        there = -2 * (em.log_likelihood + log_jacobian) + parameters * np.log(data.total)
        if there < bic - TOLERANCES.strong_bic:
            names = shortened([data.features[d] for d in skewed], 5)
            return (
                f"skewed columns ({names}): after a power transformation K = {fewer} describes the data "
                f"better than K = {k} (BIC lower by {bic - there:.0f}): the BIC splits skewed clusters "
                "into several Gaussians; transform these columns, for instance by a logarithm"
            )
    return ""


def _to_symmetry(column: Array) -> tuple[Array, float]:
    """Column after its maximum likelihood power transformation, and the log Jacobian over its rows."""
    sd = column.std()
    if column.min() > 0:
        power: float
        changed, power = stats.boxcox(column / sd)
        return changed, (power - 1) * np.log(column / sd).sum() - len(column) * np.log(sd)
    scores = (column - np.median(column)) / sd
    changed, power = stats.yeojohnson(scores)
    log_size = (np.sign(scores) * np.log1p(np.abs(scores))).sum()
    return changed, (power - 1) * log_size - len(column) * np.log(sd)
