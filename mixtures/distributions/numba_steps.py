"""Steps of a log density compiled by numba: the loops of priors and coordinates, and a list of all.

This module imports numba, so it is loaded by `numba_loading`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from mixtures.distributions.bernoulli import BinaryRows, BinaryRowsSlopes
from mixtures.distributions.categorical import CodedRows, CodedRowsSlopes
from mixtures.distributions.gaussian import (
    DenseRows,
    DenseRowsSlopes,
    IndependentRows,
    IndependentRowsSlopes,
)
from mixtures.distributions.marginal import Weights
from mixtures.distributions.numba_rows import (
    binary_rows,
    binary_rows_slopes,
    coded_rows,
    coded_rows_slopes,
    compiled,
    count_rows,
    count_rows_slopes,
    dense_rows,
    dense_rows_slopes,
    independent_rows,
    independent_rows_slopes,
)
from mixtures.distributions.poisson import CountRows, CountRowsSlopes
from mixtures.distributions.simplexes import LevelLogs, LevelLogsSlopes
from mixtures.distributions.steps import Loop
from mixtures.distributions.transforms import (
    FromFactor,
    FromFactorSlopes,
    LogSimplex,
    LogSimplexSlopes,
    LowerFactor,
    LowerFactorSlopes,
    PackedFactor,
    PositiveDiagonals,
    Whitened,
    WhitenedSlopes,
)

__all__ = ["LOOPS"]

VERSION = crc32(
    b"".join(Path(__file__).with_name(name).read_bytes() for name in ("numba_rows.py", "numba_steps.py"))
)
"""Part of the key of PyTensor's disk cache; a change here makes it compile the loops again."""


@compiled
def weights(alpha: Any) -> Any:
    """Whether these are not negative and sum to one."""
    total, valid = 0.0, True
    for share in alpha:
        valid = valid and share >= 0
        total += share
    return np.asarray(valid and abs(total - 1) <= 1.001e-5)


@compiled
def positive_diagonals(chol: Any) -> Any:
    """Whether all diagonals are positive."""
    valid = True
    for factor in chol:
        for a in range(factor.shape[0]):
            valid = valid and factor[a, a] > 0
    return np.asarray(valid)


@compiled
def whitened(chol: Any, b: Any) -> Any:
    """Sums of squares of ``L^-1 b`` and log determinants."""
    n, dim, columns = b.shape
    squares, logs, w = np.zeros(n), np.zeros(n), np.empty(dim)
    for i in range(n):
        for a in range(dim):
            logs[i] += np.log(chol[i, a, a])
        for c in range(columns):
            for a in range(dim):
                total = b[i, a, c]
                for j in range(a):
                    total -= chol[i, a, j] * w[j]
                w[a] = total / chol[i, a, a]
                squares[i] += w[a] ** 2
    return squares, logs


@compiled
def whitened_slopes(chol: Any, b: Any, by_square: Any, by_log: Any) -> Any:
    """Gradients of `whitened`: with ``v = L^-T L^-1 b``, ``2 v`` by ``b`` and ``-2 v (L^-1 b)'`` by ``L``."""
    n, dim, columns = b.shape
    by_chol, by_b = np.zeros((n, dim, dim)), np.empty((n, dim, columns))
    w = np.empty(dim)
    for i in range(n):
        for c in range(columns):
            for a in range(dim):
                total = b[i, a, c]
                for j in range(a):
                    total -= chol[i, a, j] * w[j]
                w[a] = total / chol[i, a, a]
            for a in range(dim - 1, -1, -1):
                total = 2 * by_square[i] * w[a]
                for j in range(a + 1, dim):
                    total -= chol[i, j, a] * by_b[i, j, c]
                by_b[i, a, c] = total / chol[i, a, a]
                for j in range(a + 1):
                    by_chol[i, a, j] -= by_b[i, a, c] * w[j]
        for a in range(dim):
            by_chol[i, a, a] += by_log[i] / chol[i, a, a]
    return by_chol, by_b


@compiled
def lower_factor(packed: Any) -> Any:
    """Lower triangles of packed entries, the diagonal's exponentials, and the log Jacobians."""
    n, size = packed.shape
    dim = int(np.sqrt(2 * size))
    factors, logs = np.zeros((n, dim, dim)), np.full(n, dim * np.log(2.0))
    for i in range(n):
        place = 0
        for a in range(dim):
            for j in range(a):
                factors[i, a, j] = packed[i, place + j]
            place += a + 1
            factors[i, a, a] = np.exp(packed[i, place - 1])
            logs[i] += (dim - a + 1) * packed[i, place - 1]
    return factors, logs


@compiled
def lower_factor_slopes(packed: Any, by_factor: Any, by_log: Any) -> Any:
    """Gradient of `lower_factor`."""
    n, size = packed.shape
    dim = by_factor.shape[1]
    by_entry = np.empty((n, size))
    for i in range(n):
        place = 0
        for a in range(dim):
            for j in range(a):
                by_entry[i, place + j] = by_factor[i, a, j]
            place += a + 1
            diagonal = by_factor[i, a, a] * np.exp(packed[i, place - 1])
            by_entry[i, place - 1] = diagonal + by_log[i] * (dim - a + 1)
    return by_entry


@compiled
def packed_factor(matrices: Any) -> Any:
    """Packed Cholesky factors, the diagonal's logarithms; NaN if a matrix is not positive definite."""
    n, dim, _ = matrices.shape
    packed, factor = np.empty((n, dim * (dim + 1) // 2)), np.empty((dim, dim))
    for i in range(n):
        place = 0
        for a in range(dim):
            for b in range(a + 1):
                total = matrices[i, a, b]
                for j in range(b):
                    total -= factor[a, j] * factor[b, j]
                factor[a, b] = total / factor[b, b] if b < a else np.sqrt(total)
                packed[i, place] = factor[a, b] if b < a else np.log(factor[a, b])
                place += 1
    return packed


@compiled
def from_factor(factor: Any) -> Any:
    """Products ``L L'``."""
    n, dim, _ = factor.shape
    out = np.empty((n, dim, dim))
    for i in range(n):
        for a in range(dim):
            for b in range(a + 1):
                total = 0.0
                for j in range(b + 1):
                    total += factor[i, a, j] * factor[i, b, j]
                out[i, a, b] = total
                out[i, b, a] = total
    return out


@compiled
def from_factor_slopes(factor: Any, slope: Any) -> Any:
    """Gradient ``(G + G') L`` of ``L L'``."""
    n, dim, _ = factor.shape
    out = np.zeros((n, dim, dim))
    for i in range(n):
        for a in range(dim):
            for b in range(dim):
                for j in range(dim):
                    out[i, a, b] += (slope[i, a, j] + slope[i, j, a]) * factor[i, j, b]
    return out


@compiled
def log_simplex(value: Any) -> Any:
    """Log of the softmax of the coordinates and minus their sum."""
    size = len(value)
    logs = np.empty(size + 1)
    last = 0.0
    for j in range(size):
        logs[j] = value[j]
        last -= value[j]
    logs[size] = last
    top, total = logs.max(), 0.0
    for j in range(size + 1):
        total += np.exp(logs[j] - top)
    for j in range(size + 1):
        logs[j] -= top + np.log(total)
    return logs


@compiled
def log_simplex_slopes(value: Any, slope: Any) -> Any:
    """Gradient of `log_simplex`."""
    size = len(value)
    logs = log_simplex(value)
    total = slope.sum()
    last = slope[size] - total * np.exp(logs[size])
    by_value = np.empty(size)
    for j in range(size):
        by_value[j] = slope[j] - total * np.exp(logs[j]) - last
    return by_value


@compiled
def level_logs(value: Any, places: Any) -> Any:
    """Log probabilities of levels from logits, and the logs of their slopes."""
    (k, m), (d, c) = value.shape, places.shape
    logs, slopes = np.zeros((k, d, c)), np.zeros((k, d, c))
    for i in range(k):
        for a in range(d):
            before = 0.0
            for b in range(c):
                own, left = 0.0, 0.0
                if places[a, b] < m:
                    logit = value[i, int(places[a, b])]
                    rest = np.log1p(np.exp(-abs(logit)))
                    own, left = -max(-logit, 0.0) - rest, -max(logit, 0.0) - rest
                logs[i, a, b] = before + own
                before += left
                slopes[i, a, b] = before + own
    return logs, slopes


@compiled
def level_logs_slopes(value: Any, places: Any, by_log: Any, by_slope: Any) -> Any:
    """Gradients of `level_logs`; 0 by the places."""
    (k, m), (d, c) = value.shape, places.shape
    by_value = np.zeros((k, m))
    for i in range(k):
        for a in range(d):
            later = 0.0
            for b in range(c - 1, -1, -1):
                both = by_log[i, a, b] + by_slope[i, a, b]
                if places[a, b] < m:
                    share = 1 / (1 + np.exp(-value[i, int(places[a, b])]))
                    slope = both * (1 - share) - (by_slope[i, a, b] + later) * share
                    by_value[i, int(places[a, b])] += slope
                later += both
    return by_value, np.zeros((d, c))


LOOPS: dict[type, Callable[..., Any]] = {
    DenseRows: dense_rows,
    DenseRowsSlopes: dense_rows_slopes,
    IndependentRows: independent_rows,
    IndependentRowsSlopes: independent_rows_slopes,
    BinaryRows: binary_rows,
    BinaryRowsSlopes: binary_rows_slopes,
    CodedRows: coded_rows,
    CodedRowsSlopes: coded_rows_slopes,
    CountRows: count_rows,
    CountRowsSlopes: count_rows_slopes,
    Whitened: whitened,
    WhitenedSlopes: whitened_slopes,
    LowerFactor: lower_factor,
    LowerFactorSlopes: lower_factor_slopes,
    Weights: weights,
    PositiveDiagonals: positive_diagonals,
    PackedFactor: packed_factor,
    FromFactor: from_factor,
    FromFactorSlopes: from_factor_slopes,
    LogSimplex: log_simplex,
    LogSimplexSlopes: log_simplex_slopes,
    LevelLogs: level_logs,
    LevelLogsSlopes: level_logs_slopes,
}
"""The function of every step and of its gradient."""


@register_funcify_default_op_cache_key(Loop)
def loop_of(op: Loop, **_: Any) -> tuple[Callable[..., Any], int]:
    """Numba's function of a step."""
    return LOOPS[op.kind], VERSION
