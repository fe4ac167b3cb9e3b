"""Log densities of rows and their gradients, compiled by numba.

Each function computes what the graph of its step defines. Numba takes long to compile array
expressions and matrix products, so everything is written out in short scalar loops: the log
joint densities of one row after another, then the sum over clusters.
"""

from math import lgamma
from typing import Any

import numpy as np
from pytensor.link.numba.dispatch.basic import numba_njit

__all__ = [
    "binary_rows",
    "binary_rows_slopes",
    "coded_rows",
    "coded_rows_slopes",
    "compiled",
    "count_rows",
    "count_rows_slopes",
    "dense_rows",
    "dense_rows_slopes",
    "independent_rows",
    "independent_rows_slopes",
]

NO_ALPHA = -1e299
"""Log densities below this contain the logarithm of 0, which the graphs replace by -1e300."""


HALF_LOG_2PI = np.log(2 * np.pi) / 2


compiled: Any = numba_njit(error_model="numpy")
"""Decorator of every function here: a division by zero gives infinity or NaN, as in a graph."""


@compiled
def _sum(joint: Any) -> float:
    """Log of the sum of the clusters' densities (K,) of a row."""
    top = -np.inf
    for log_joint in joint:
        top = max(top, log_joint)
    if np.isinf(top):
        top = 0.0
    total = 0.0
    for log_joint in joint:
        total += np.exp(log_joint - top)
    density = top + np.log(total)
    return -np.inf if density < NO_ALPHA else density


@compiled
def _constants(log_alpha: Any, scale: Any) -> Any:
    """Log weights less the logs of the normalisers, scales (K, D) being standard deviations."""
    out = np.empty(len(log_alpha))
    for j in range(len(out)):
        out[j] = log_alpha[j] - scale.shape[1] * HALF_LOG_2PI
        for a in range(scale.shape[1]):
            out[j] -= np.log(scale[j, a])
    return out


@compiled
def _diagonals(chol: Any) -> Any:
    """Diagonals (K, D) of Cholesky factors."""
    k, dim, _ = chol.shape
    out = np.empty((k, dim))
    for j in range(k):
        for a in range(dim):
            out[j, a] = chol[j, a, a]
    return out


@compiled
def _dense_row(x: Any, i: int, constants: Any, mu: Any, chol: Any, w: Any, joint: Any) -> float:
    """Log density of a row; whitened residuals (K, D) and log joint densities (K,) in place."""
    k, dim = mu.shape
    for j in range(k):
        square = 0.0
        for a in range(dim):
            if np.isinf(x[i, a]):
                return -np.inf
            total = x[i, a] - mu[j, a]
            for b in range(a):
                total -= chol[j, a, b] * w[j, b]
            w[j, a] = total / chol[j, a, a]
            square += w[j, a] ** 2
        joint[j] = constants[j] - square / 2
    return _sum(joint)


@compiled
def dense_rows(x: Any, log_alpha: Any, mu: Any, chol: Any) -> Any:
    """Log densities of rows at Cholesky factors."""
    constants = _constants(log_alpha, _diagonals(chol))
    out, w, joint = np.empty(len(x)), np.empty(mu.shape), np.empty(len(mu))
    for i in range(len(x)):
        out[i] = _dense_row(x, i, constants, mu, chol, w, joint)
    return out


@compiled
def dense_rows_slopes(x: Any, log_alpha: Any, mu: Any, chol: Any, slope: Any) -> Any:
    """Gradients of the log densities of rows, weighted by ``slope``."""
    k, dim = mu.shape
    constants = _constants(log_alpha, _diagonals(chol))
    w, joint = np.empty((k, dim)), np.empty(k)
    by_x, by_alpha = np.zeros(x.shape), np.zeros(k)
    by_mu, by_chol = np.zeros((k, dim)), np.zeros((k, dim, dim))
    for i in range(len(x)):
        density = _dense_row(x, i, constants, mu, chol, w, joint)
        if density == -np.inf:
            continue
        for j in range(k):
            share = slope[i] * np.exp(joint[j] - density)
            by_alpha[j] += share
            for a in range(dim):
                for b in range(a + 1):
                    by_chol[j, a, b] += share * w[j, a] * w[j, b]
            for a in range(dim - 1, -1, -1):  # L^-T times the whitened residuals, in place
                total = w[j, a]
                for b in range(a + 1, dim):
                    total -= chol[j, b, a] * w[j, b]
                w[j, a] = total / chol[j, a, a]
                by_mu[j, a] += share * w[j, a]
                by_x[i, a] -= share * w[j, a]
    for j in range(k):
        for b in range(dim):  # L^-T times the sum of squares, of which the lower triangle is known and wanted
            for a in range(dim - 1, b - 1, -1):
                total = by_chol[j, a, b]
                for c in range(a + 1, dim):
                    total -= chol[j, c, a] * by_chol[j, c, b]
                by_chol[j, a, b] = total / chol[j, a, a]
            by_chol[j, b, b] -= by_alpha[j] / chol[j, b, b]
    return by_x, by_alpha, by_mu, by_chol


@compiled
def _independent_row(x: Any, i: int, constants: Any, mu: Any, sd: Any, joint: Any) -> float:
    """Log density of a row; log joint densities (K,) in place."""
    k, dim = mu.shape
    for j in range(k):
        square = 0.0
        for a in range(dim):
            if np.isinf(x[i, a]):
                return -np.inf
            square += ((x[i, a] - mu[j, a]) / sd[j, a]) ** 2
        joint[j] = constants[j] - square / 2
    return _sum(joint)


@compiled
def independent_rows(x: Any, log_alpha: Any, mu: Any, sd: Any) -> Any:
    """Log densities of rows at standard deviations."""
    constants = _constants(log_alpha, sd)
    out, joint = np.empty(len(x)), np.empty(len(mu))
    for i in range(len(x)):
        out[i] = _independent_row(x, i, constants, mu, sd, joint)
    return out


@compiled
def independent_rows_slopes(x: Any, log_alpha: Any, mu: Any, sd: Any, slope: Any) -> Any:
    """Gradients of the log densities of rows, weighted by ``slope``."""
    k, dim = mu.shape
    constants, joint = _constants(log_alpha, sd), np.empty(k)
    by_x, by_alpha = np.zeros(x.shape), np.zeros(k)
    by_mu, by_sd = np.zeros((k, dim)), np.zeros((k, dim))
    for i in range(len(x)):
        density = _independent_row(x, i, constants, mu, sd, joint)
        if density == -np.inf:
            continue
        for j in range(k):
            share = slope[i] * np.exp(joint[j] - density)
            by_alpha[j] += share
            for a in range(dim):
                w = (x[i, a] - mu[j, a]) / sd[j, a]
                by_mu[j, a] += share * w / sd[j, a]
                by_x[i, a] -= share * w / sd[j, a]
                by_sd[j, a] += share * (w**2 - 1) / sd[j, a]
    return by_x, by_alpha, by_mu, by_sd


@compiled
def _binary_row(x: Any, i: int, log_alpha: Any, log_one: Any, log_zero: Any, joint: Any) -> float:
    """Log density of a row of zeros and ones; log joint densities (K,) in place."""
    for j in range(len(log_alpha)):
        joint[j] = log_alpha[j]
        for a in range(x.shape[1]):
            if x[i, a] == 1:
                joint[j] += log_one[j, a]
            elif x[i, a] == 0:
                joint[j] += log_zero[j, a]
            else:
                return -np.inf
    return _sum(joint)


@compiled
def binary_rows(x: Any, log_alpha: Any, log_one: Any, log_zero: Any) -> Any:
    """Log densities of rows of zeros and ones."""
    out, joint = np.empty(len(x)), np.empty(len(log_alpha))
    for i in range(len(x)):
        out[i] = _binary_row(x, i, log_alpha, log_one, log_zero, joint)
    return out


@compiled
def binary_rows_slopes(x: Any, log_alpha: Any, log_one: Any, log_zero: Any, slope: Any) -> Any:
    """Gradients of the log densities of rows, weighted by ``slope``."""
    k, joint = len(log_alpha), np.empty(len(log_alpha))
    by_x, by_alpha = np.zeros(x.shape), np.zeros(k)
    by_one, by_zero = np.zeros(log_one.shape), np.zeros(log_one.shape)
    for i in range(len(x)):
        density = _binary_row(x, i, log_alpha, log_one, log_zero, joint)
        if density == -np.inf:
            continue
        for j in range(k):
            share = slope[i] * np.exp(joint[j] - density)
            by_alpha[j] += share
            for a in range(x.shape[1]):
                by_x[i, a] += share * (log_one[j, a] - log_zero[j, a])
                if x[i, a] == 1:
                    by_one[j, a] += share
                else:
                    by_zero[j, a] += share
    return by_x, by_alpha, by_one, by_zero


@compiled
def _coded_row(x: Any, i: int, log_alpha: Any, log_p: Any, joint: Any) -> float:
    """Log density of a row of codes; log joint densities (K,) in place."""
    for a in range(x.shape[1]):
        if not (x[i, a] >= 0 and x[i, a] == np.floor(x[i, a]) and x[i, a] < log_p.shape[2]):
            return -np.inf
    for j in range(len(log_alpha)):
        joint[j] = log_alpha[j]
        for a in range(x.shape[1]):
            joint[j] += log_p[j, a, int(x[i, a])]
    return _sum(joint)


@compiled
def coded_rows(x: Any, log_alpha: Any, log_p: Any) -> Any:
    """Log densities of rows of codes."""
    out, joint = np.empty(len(x)), np.empty(len(log_alpha))
    for i in range(len(x)):
        out[i] = _coded_row(x, i, log_alpha, log_p, joint)
    return out


@compiled
def coded_rows_slopes(x: Any, log_alpha: Any, log_p: Any, slope: Any) -> Any:
    """Gradients of the log densities of rows, weighted by ``slope``; 0 by the codes, which do not vary."""
    k, joint = len(log_alpha), np.empty(len(log_alpha))
    by_alpha, by_p = np.zeros(k), np.zeros(log_p.shape)
    for i in range(len(x)):
        density = _coded_row(x, i, log_alpha, log_p, joint)
        if density == -np.inf:
            continue
        for j in range(k):
            share = slope[i] * np.exp(joint[j] - density)
            by_alpha[j] += share
            for a in range(x.shape[1]):
                by_p[j, a, int(x[i, a])] += share
    return np.zeros(x.shape), by_alpha, by_p


@compiled
def _count_row(x: Any, i: int, log_alpha: Any, rate: Any, joint: Any) -> float:
    """Log density of a row of counts; log joint densities (K,) in place.

    They are taken relative to the density at a rate that is the count: large terms do not cancel.
    """
    at_count = 0.0
    for a in range(x.shape[1]):
        if not (x[i, a] >= 0 and x[i, a] == np.floor(x[i, a]) and x[i, a] < np.inf):
            return -np.inf
        if x[i, a] > 0:
            at_count += x[i, a] * np.log(x[i, a]) - x[i, a]
        at_count -= lgamma(x[i, a] + 1)
    for j in range(len(log_alpha)):
        joint[j] = log_alpha[j] + at_count
        for a in range(x.shape[1]):
            apart = rate[j, a] - x[i, a]
            joint[j] -= apart
            if x[i, a] > 0:
                joint[j] += x[i, a] * np.log1p(apart / x[i, a])
    return _sum(joint)


@compiled
def count_rows(x: Any, log_alpha: Any, rate: Any) -> Any:
    """Log densities of rows of counts."""
    out, joint = np.empty(len(x)), np.empty(len(log_alpha))
    for i in range(len(x)):
        out[i] = _count_row(x, i, log_alpha, rate, joint)
    return out


@compiled
def count_rows_slopes(x: Any, log_alpha: Any, rate: Any, slope: Any) -> Any:
    """Gradients of the log densities of rows, weighted by ``slope``; 0 by the counts, which do not vary."""
    k, joint = len(log_alpha), np.empty(len(log_alpha))
    by_alpha, by_rate = np.zeros(k), np.zeros(rate.shape)
    for i in range(len(x)):
        density = _count_row(x, i, log_alpha, rate, joint)
        if density == -np.inf:
            continue
        for j in range(k):
            share = slope[i] * np.exp(joint[j] - density)
            by_alpha[j] += share
            if share == 0:  # also at a rate of 0, which other clusters do not mind
                continue
            for a in range(x.shape[1]):
                by_rate[j, a] -= share
                if x[i, a] > 0:
                    by_rate[j, a] += share * x[i, a] / rate[j, a]
    return np.zeros(x.shape), by_alpha, by_rate
