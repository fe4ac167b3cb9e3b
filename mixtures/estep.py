"""One pass of EM over the rows: responsibilities, and with them the sufficient statistics.

Rows are read in feature-major chunks, so memory beyond the data does not grow with n.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from mixtures.data import Data
from mixtures.families.mixture import Mixture, Params
from mixtures.priors import Array

__all__ = ["EStep", "e_step"]

CHUNK_VALUES = 2**17
"""Numbers (rows x clusters x features) that a chunk works on: a few hundred KiB, near the cache."""


@dataclass(frozen=True)
class EStep:
    """One pass over the data at fixed parameters.

    Attributes
    ----------
    statistics : Statistics
        Expected sufficient statistics, all the M-step needs.
    log_likelihood : float
        Log-likelihood of all rows, the hidden clusters summed out.
    magnitude : float
        Sum of the absolute log-likelihoods of the rows: the scale of rounding.
    """

    statistics: Any
    log_likelihood: float
    magnitude: float

    def __add__(self, other: "EStep") -> "EStep":
        """Pass over the union of two sets of rows."""
        return EStep(
            self.statistics + other.statistics,
            self.log_likelihood + other.log_likelihood,
            self.magnitude + other.magnitude,
        )


def e_step(spec: Mixture, data: Data, params: Params, weights: Array | None = None) -> EStep:
    """Responsibilities, and the sufficient statistics under them, in one pass over the rows.

    Parameters
    ----------
    spec : Mixture
        The model.
    data : Data
        Checked data.
    params : dict of ndarray
        Current parameters.
    weights : ndarray, shape (n,), optional
        Frequency weights.

    Returns
    -------
    EStep
        Statistics, log-likelihood and its scale.
    """
    log_joint = spec.log_joint(params)
    passes = (_e_step_chunk(spec, X, log_joint(X), w) for X, w in _chunks(data, spec.n_components, weights))
    total = next(passes)
    for part in passes:
        total = total + part
    return total


def _e_step_chunk(spec: Mixture, X: Array, log_joint: Array, w: Array | None) -> EStep:
    log_likelihood = logsumexp(log_joint, axis=0)
    r = np.exp(log_joint - log_likelihood)
    if w is not None:
        r *= w
        log_likelihood = w * log_likelihood
    statistics = spec.family.statistics(X, r)
    return EStep(statistics, float(log_likelihood.sum()), float(np.abs(log_likelihood).sum()))


def _chunks(data: Data, k: int, weights: Array | None) -> Iterator[tuple[Array, Array | None]]:
    """Feature-major chunks of rows with their weights."""
    size = max(256, CHUNK_VALUES // (k * data.n_features))
    for i in range(0, data.n_rows, size):
        yield (
            np.ascontiguousarray(data.values[i : i + size].T),
            None if weights is None else weights[i : i + size],
        )
