"""One pass of EM over the rows: responsibilities, and with them the sufficient statistics.

Rows are read in feature-major chunks, so memory beyond the data does not grow with n.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from mixtures.data import Data
from mixtures.families.mixture import Mixture, Params
from mixtures.priors import Array
from mixtures.rows import Rows

__all__ = ["Assign", "EStep", "Poor", "chunks", "e_step", "hard_assignment", "soft_assignment", "worst_rows"]

Assign = Callable[[Array], tuple[Array, Array]]
"""Log joint (K, n) to responsibilities (K, n) and each row's part of the objective (n,)."""

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
    """Posterior probability of every cluster, and the row's log-likelihood: the bound touches it."""
    log_likelihood = logsumexp(log_joint, axis=0)
    possible = log_likelihood > -np.inf  # else the row goes to no cluster, and the objective says why
    return np.exp(log_joint - np.where(possible, log_likelihood, 0)), log_likelihood


def hard_assignment(log_joint: Array) -> tuple[Array, Array]:
    """All of a row to its likeliest cluster, and their joint log probability."""
    winner = log_joint.argmax(axis=0)
    r = np.zeros_like(log_joint)
    r[winner, np.arange(log_joint.shape[1])] = 1
    return r, log_joint.max(axis=0)


def e_step(spec: Mixture, data: Rows, params: Params, assign: Assign = soft_assignment) -> EStep:
    """Responsibilities, and the sufficient statistics under them, in one pass over the rows.

    Parameters
    ----------
    spec : Mixture
        The model.
    data : Rows
        Checked data, with their weights.
    params : dict of ndarray
        Current parameters.
    assign : callable
        How rows are shared out: `soft_assignment`, or `hard_assignment` for
        classification EM (Celeux and Govaert 1992).

    Returns
    -------
    EStep
        Statistics, log-likelihood and its scale.
    """
    return data.sum_over(partial(_e_step_block, spec, params, assign))


def _e_step_block(spec: Mixture, params: Params, assign: Assign, data: Data) -> EStep:
    log_joint = spec.log_joint(params)
    passes = (
        _e_step_chunk(spec, X, assign(log_joint(X)), None if data.weights is None else data.weights[rows])
        for rows, X in chunks(data, spec.n_components)
    )
    total = next(passes)
    for part in passes:
        total = total + part
    return total


def _e_step_chunk(spec: Mixture, X: Array, assigned: tuple[Array, Array], w: Array | None) -> EStep:
    r, log_likelihood = assigned
    if w is not None:
        r *= w
        log_likelihood = w * np.where(w > 0, log_likelihood, 0)  # what counts for nothing may be impossible
    statistics = spec.family.statistics(X, r)
    return EStep(statistics, float(log_likelihood.sum()), float(np.abs(log_likelihood).sum()))


class Poor(NamedTuple):
    """A row that its likeliest cluster explains poorly."""

    height: float
    place: int
    label: Any
    cluster: int
    weight: float
    values: Array


def worst_rows(spec: Mixture, data: Rows, params: Params, n: int) -> list[Poor]:
    """The n rows that their likeliest cluster explains worst, the worst first."""
    return data.sum_over(partial(_worst_of_block, spec, params, n), partial(_worst_of_both, n))


def _worst_of_block(spec: Mixture, params: Params, n: int, data: Data) -> list[Poor]:
    log_joint = spec.log_joint(params)
    best = [
        (joint.max(axis=0), joint.argmax(axis=0))
        for joint in (log_joint(X) for _, X in chunks(data, spec.n_components))
    ]
    height, winner = (np.concatenate(part) for part in zip(*best, strict=True))
    weights = np.ones(data.n_rows) if data.weights is None else data.weights
    height[np.isnan(height)] = -np.inf
    height[weights == 0] = np.inf  # such rows are not there
    return [
        Poor(
            height[i], data.first + int(i), data.obs_id[i], int(winner[i]), float(weights[i]), data.values[i]
        )
        for i in np.argsort(height, kind="stable")[:n]
    ]


def _worst_of_both(n: int, a: list[Poor], b: list[Poor]) -> list[Poor]:
    return sorted(a + b, key=lambda poor: poor[:2])[:n]


def chunks(data: Data, k: int) -> Iterator[tuple[slice, Array]]:
    """Feature-major chunks (D, n) of the data, each with the rows that it holds."""
    size = max(256, CHUNK_VALUES // (k * data.n_features))
    for rows, block in data.blocks(size):
        yield rows, np.ascontiguousarray(block.T)
