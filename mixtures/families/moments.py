"""Mean and covariance of all rows, as those of a single Gaussian: default priors and units come from them.

Where cells are missing they are the maximum likelihood estimate from the observed cells, which EM finds
(Dempster, Laird and Rubin 1977, section 4.1.3), in closed form if features do not covary.
"""

from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from mixtures.data.patterns import patterns_of
from mixtures.data.rows import Rows, sum_once
from mixtures.data.table import Data
from mixtures.families.covariance import covariance
from mixtures.families.observed import Factored, observed_statistics, statistics_of_observed
from mixtures.families.statistics import GaussianStatistics, stacked, statistics_of
from mixtures.families.structure import Covariance
from mixtures.types import Array

__all__ = ["moments_of"]

MOMENT_VALUES = 2**16
"""Number of values in a chunk when the moments of the columns are computed."""


PATTERN_VALUES = 2**24
"""Largest number of entries of the scatter matrices of all patterns that are kept for all steps."""


SETTLED, MOST_STEPS = 1e-9, 1000
"""Length of a step, in standard errors, at which EM with a single cluster ends; largest number of steps."""


def moments_of(structure: Covariance, data: Rows) -> GaussianStatistics:
    """Statistics of all rows as one cluster; only variances where D^2 may be more than memory holds."""
    structure = covariance("diag") if data.n_rows <= data.n_features else structure
    key = ("moments", structure.name)
    with np.errstate(over="ignore", invalid="ignore"):  # `check_spread` names the columns
        if not (data.has_missing and structure.core_ndim == 2):
            return sum_once(data, key, partial(_of_block, structure, None))
        if key not in data.sums:
            data.sums[key] = _by_em(structure, data)
        found: GaussianStatistics = data.sums[key]
        return found


def _by_em(structure: Covariance, data: Rows) -> GaussianStatistics:
    """Expected statistics at the maximum likelihood estimate, or where it is singular, near it."""
    first = sum_once(data, ("moments", "diag"), partial(_of_block, covariance("diag"), None))
    mean, matrix = first.mean, (first.scatter / first.rows)[..., None] * np.eye(data.n_features)
    stats = GaussianStatistics(first.count, mean, first.count[0] * matrix, structure)
    by_pattern = data.sum_over(_by_pattern, _joined)  # sums of the rows as they are: one pass for all steps
    for _ in range(MOST_STEPS):
        try:
            scale = np.linalg.cholesky(matrix)
            if by_pattern is None:
                stats = data.sum_over(partial(_of_block, structure, (mean, structure.pool(matrix))))
            else:
                seen = Factored.of(mean, matrix, by_pattern.observed)
                stats = seen.completed(structure, by_pattern.count, by_pattern.mean, by_pattern.scatter)
            new = stats.scatter / stats.count[0]
            ahead = np.linalg.cholesky(new)
        except np.linalg.LinAlgError:  # columns are linearly dependent: `dependent` names them
            break
        inverse, inverse_ahead = structure.inverse(scale), structure.inverse(ahead)
        apart = structure.apply(inverse_ahead, (stats.mean - mean)[..., None])
        wider = structure.distance(ahead, scale, inverse_ahead, inverse)
        step = np.sqrt(stats.count[0] * ((apart**2).sum() + wider.sum()))
        mean, matrix = stats.mean, new
        if not step > SETTLED:
            break
    return stats


@dataclass(frozen=True, eq=False)
class ByPattern:
    """Count, mean and scatter (S, 1, ...) of the observed cells of the rows of each pattern (S, D)."""

    observed: np.ndarray
    count: Array
    mean: Array
    scatter: Array


def _by_pattern(data: Data) -> ByPattern | None:
    """Statistics of the patterns of a block; None if there are too many to hold."""
    total: ByPattern | None = None
    for rows, block in data.blocks(max(256, MOMENT_VALUES // data.n_features)):
        w = np.ones(len(block)) if data.weights is None else data.weights[rows]
        patterns, filled = patterns_of(block), np.where(np.isnan(block), 0, block)
        each = [
            statistics_of(covariance("full"), filled[own].T, w[None, own]) for _, own in patterns.groups()
        ]
        part = ByPattern(patterns.observed, *stacked(each))
        total = part if rows.start == 0 else _joined(total, part)
        if total is None:
            return None
    return total


def _joined(a: ByPattern | None, b: ByPattern | None) -> ByPattern | None:
    """Patterns of both, one after another; None if too many."""
    if a is None or b is None or a.scatter.size + b.scatter.size > PATTERN_VALUES:
        return None
    return ByPattern(
        *(np.concatenate([getattr(one, name.name) for one in (a, b)]) for name in fields(ByPattern))
    )


def _of_block(structure: Covariance, params: tuple[Array, Array] | None, data: Data) -> GaussianStatistics:
    """Statistics of one block, chunk by chunk: no copy of the data."""
    size = max(256, MOMENT_VALUES // data.n_features)
    total = None
    for rows, block in data.blocks(size):
        r = np.ones((1, len(block))) if data.weights is None else data.weights[None, rows]
        if params is not None:
            part = observed_statistics(structure, *params, block.T, r)
        elif data.has_missing:
            part = statistics_of_observed(structure, block.T, r)
        else:
            part = statistics_of(structure, block.T, r)
        total = part if total is None else total + part
    assert total is not None  # data have rows
    return total
