"""One pass of EM over the rows: responsibilities, and with them the sufficient statistics.

Rows are read in feature-major chunks, so memory beyond the data does not grow with n.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logsumexp

from mixtures.data.known_labels import exclude, one_hot
from mixtures.data.rows import Rows
from mixtures.data.table import Data, chunks
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["Assign", "EStep", "e_step", "soft_assignment"]

Assign = Callable[[Array], tuple[Array, Array]]
"""Log joint (K, n) to responsibilities (K, n) and each row's part of the objective (n,)."""


@dataclass(frozen=True)
class EStep:
    """One pass over the data at fixed parameters.

    Attributes
    ----------
    statistics : Statistics
        Expected sufficient statistics, all the M-step needs.
    log_likelihood : float
        Sum of the rows' parts of the objective: the log-likelihood when
        assignments are soft, the classification log-likelihood when hard.
    magnitude : float
        Sum of the absolute values of the rows' parts: the scale of rounding.
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


def soft_assignment(log_joint: Array) -> tuple[Array, Array]:
    """Posterior probability of every cluster, and the row's log-likelihood: the bound is tight there."""
    log_likelihood = logsumexp(log_joint, axis=0)
    possible = log_likelihood > -np.inf  # else the row goes to no cluster, and the objective says why
    return np.exp(log_joint - np.where(possible, log_likelihood, 0)), log_likelihood


def e_step(spec: Mixture, data: Rows, params: Params, assign: Assign = soft_assignment) -> EStep:
    """Responsibilities, and the sufficient statistics under them, in one pass over the rows.

    ``assign`` is `soft_assignment`, or `hard_assignment` for classification EM (Celeux and Govaert 1992).
    """
    return data.sum_over(partial(_e_step_block, spec, params, assign))


def _e_step_block(spec: Mixture, params: Params, assign: Assign, data: Data) -> EStep:
    log_joint = spec.log_joint(params)
    total: EStep | None = None
    for rows, X in chunks(data, spec.n_components):
        joint = log_joint(X)
        if data.labels is not None:
            exclude(joint, data.labels[rows])
        r, log_likelihood = assign(joint)
        if data.labels is not None:
            r = one_hot(r, data.labels[rows])  # however unlikely, so that the M-step can move there
        if data.weights is not None:
            w = data.weights[rows]
            r *= w
            log_likelihood = w * np.where(w > 0, log_likelihood, 0)  # weight 0: it may be impossible
        statistics = spec.expect(params, X, r)
        part = EStep(statistics, float(log_likelihood.sum()), float(np.abs(log_likelihood).sum()))
        total = part if total is None else total + part
    assert total is not None  # data have rows
    return total
