"""Rows assigned to one cluster each, and the rows that are fitted worst."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mixtures.data.known_labels import exclude, known_rows
from mixtures.data.rows import Rows
from mixtures.data.table import Data, chunks
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["PoorFit", "hard_assignment", "worst_rows"]


class PoorFit(NamedTuple):
    """A row that even its likeliest cluster fits poorly."""

    height: float
    place: int
    label: Any
    cluster: int
    weight: float
    values: Array


def hard_assignment(log_joint: Array) -> tuple[Array, Array]:
    """Each row in its likeliest cluster alone, and their joint log probability."""
    winner = log_joint.argmax(axis=0)
    r = np.zeros_like(log_joint)
    r[winner, np.arange(log_joint.shape[1])] = 1
    return r, log_joint.max(axis=0)


def worst_rows(
    spec: Mixture, data: Rows, params: Params, n: int, *, unlabelled: bool = False
) -> list[PoorFit]:
    """The n rows that their likeliest cluster fits worst, worst first; only unlabelled ones if asked."""
    return data.sum_over(partial(_worst_of_block, spec, params, n, unlabelled), partial(_worst_of_both, n))


def _worst_of_block(spec: Mixture, params: Params, n: int, unlabelled: bool, data: Data) -> list[PoorFit]:
    log_joint = spec.log_joint(params)
    best = []
    for rows, X in chunks(data, spec.n_components):
        joint = log_joint(X)
        if data.labels is not None:
            exclude(joint, data.labels[rows])
        best.append((joint.max(axis=0), joint.argmax(axis=0)))
    height, winner = (np.concatenate(part) for part in zip(*best, strict=True))
    weights = data.counts
    height[np.isnan(height)] = -np.inf
    height[weights == 0] = np.inf  # such rows are not there
    if unlabelled and data.labels is not None:
        height[known_rows(data.labels)] = np.inf
    return [
        PoorFit(
            height[i], data.first + int(i), data.obs_id[i], int(winner[i]), float(weights[i]), data.values[i]
        )
        for i in np.argsort(height, kind="stable")[:n]
    ]


def _worst_of_both(n: int, a: list[PoorFit], b: list[PoorFit]) -> list[PoorFit]:
    return sorted(a + b, key=lambda poor: poor[:2])[:n]
