"""Draws of this package's distributions compiled by numba, PyTensor's default backend.

Each function makes one core draw. Without them PyTensor runs ``rng_fn`` in object mode and warns.
This module imports numba, so it is loaded by `numba_loading`, when PyTensor first
compiles for numba. A distribution without a function here is drawn by its ``rng_fn``.
"""

from collections.abc import Callable
from inspect import getsource
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify

from mixtures.distributions.conjugate_normal import ConjugateNormalRV
from mixtures.distributions.gaussian import DiagonalGaussianMixtureRV, GaussianMixtureRV
from mixtures.distributions.inverse_wishart import InverseWishartRV
from mixtures.distributions.marginal import MarginalMixtureRV
from mixtures.distributions.mixed import MixedMixtureRV
from mixtures.distributions.poisson import ExposedPoissonMixtureRV

__all__: list[str] = []


VERSION = crc32(Path(__file__).read_bytes())
"""Part of the key of PyTensor's disk cache; a change here makes it compile the draws again."""


def _core(draw: Callable[..., Any]) -> tuple[Callable[..., Any], int]:
    """Compiled draw that writes to ``out``, and its version."""
    compiled: Any = numba_njit(draw)
    compiled.handles_out = True
    return compiled, VERSION


@numba_njit
def _cluster(rng: Any, alpha: Any) -> Any:
    """Hidden cluster of one row."""
    left = rng.random() * alpha.sum()
    for k in range(len(alpha)):
        left -= alpha[k]
        if left < 0:
            return k
    return alpha.argmax()  # left over by rounding


@numba_njit
def _coloured(rng: Any, mean: Any, chol: Any, scale: Any, out: Any) -> None:
    """``mean + scale L eps`` in place: entry i does not use the noise after it."""
    for i in range(len(out)):
        out[i] = rng.standard_normal()
    for i in range(len(out) - 1, -1, -1):
        total = 0.0
        for j in range(i + 1):
            total += chol[i, j] * out[j]
        out[i] = mean[i] + scale * total


@numba_core_rv_funcify.register
def dense_rows(op: GaussianMixtureRV, node: Any) -> Any:
    """One row of a Gaussian mixture with Cholesky factors."""

    def draw(rng: Any, alpha: Any, mu: Any, chol: Any, out: Any = None) -> Any:
        if out is None:
            out = np.empty(mu.shape[1])
        k = _cluster(rng, alpha)
        _coloured(rng, mu[k], chol[k], 1.0, out)
        return out

    return _core(draw)


@numba_core_rv_funcify.register
def diagonal_rows(op: DiagonalGaussianMixtureRV, node: Any) -> Any:
    """One row of a Gaussian mixture with standard deviations."""

    def draw(rng: Any, alpha: Any, mu: Any, sd: Any, out: Any = None) -> Any:
        if out is None:
            out = np.empty(mu.shape[1])
        k = _cluster(rng, alpha)
        for d in range(len(out)):
            out[d] = mu[k, d] + sd[k, d] * rng.standard_normal()
        return out

    return _core(draw)


@numba_core_rv_funcify.register
def mixture_rows(op: MarginalMixtureRV, node: Any) -> Any:
    """One row of any mixture whose family says how it is drawn."""
    if op.row is MarginalMixtureRV.row:
        raise NotImplementedError(f"{op.name} has no row for numba")
    row, dtype = numba_njit(op.row), np.dtype(op.dtype)

    def draw(rng: Any, alpha: Any, theta: Any, out: Any = None) -> Any:
        if out is None:
            out = np.empty(theta.shape[1], dtype=dtype)
        row(rng, theta[_cluster(rng, alpha)], out)
        return out

    compiled, version = _core(draw)
    return compiled, crc32(getsource(op.row).encode(), version)


@numba_core_rv_funcify.register
def exposed_rows(op: ExposedPoissonMixtureRV, node: Any) -> Any:
    """One row of counts at its exposure."""
    dtype = np.dtype(op.dtype)

    def draw(rng: Any, alpha: Any, rate: Any, exposure: Any, out: Any = None) -> Any:
        if out is None:
            out = np.empty(rate.shape[1], dtype=dtype)
        k = _cluster(rng, alpha)
        for d in range(len(out)):
            out[d] = rng.poisson(exposure * rate[k, d])
        return out

    return _core(draw)


@numba_core_rv_funcify.register
def mixed_rows(op: MixedMixtureRV, node: Any) -> Any:
    """One row of blocks of columns, each drawn as it is alone, all from the same cluster."""
    blocks, versions, start = _no_block, [VERSION], 0
    for part in op.parts:
        compiled: Any = numba_core_rv_funcify(part.op, node)
        draw, version = compiled
        blocks = _and_block(blocks, draw, start, part.n_params, part.places)
        versions.append(version)
        start += part.n_params
    width, rows = op.width, blocks

    def row(rng: Any, alpha: Any, *theta: Any) -> Any:
        out, chosen = np.empty(width), np.zeros(len(alpha))
        chosen[_cluster(rng, alpha)] = 1.0  # weights under which the blocks have that cluster
        rows(rng, chosen, theta, out)
        return out

    return numba_njit(row), crc32(repr((versions, op.signature, [p.places for p in op.parts])).encode())


@numba_njit
def _no_block(rng: Any, chosen: Any, theta: Any, out: Any) -> None:
    """Where there is no block before."""


def _and_block(before: Any, draw: Any, start: int, n_params: int, places: tuple[int, ...]) -> Any:
    """Draw of the blocks before, and of one more, whose parameters begin at ``start``."""
    second = start + n_params - 1

    def one(rng: Any, chosen: Any, theta: Any, out: Any) -> None:
        before(rng, chosen, theta, out)
        own = draw(rng, chosen, theta[start])
        for j in range(len(places)):
            out[places[j]] = own[j]

    def two(rng: Any, chosen: Any, theta: Any, out: Any) -> None:
        before(rng, chosen, theta, out)
        own = draw(rng, chosen, theta[start], theta[second])
        for j in range(len(places)):
            out[places[j]] = own[j]

    return numba_njit({1: one, 2: two}[n_params])


@numba_core_rv_funcify.register
def conjugate_normal(op: ConjugateNormalRV, node: Any) -> Any:
    """One mean given its cluster's covariance."""

    def draw(rng: Any, mean: Any, chol: Any, kappa: Any, out: Any = None) -> Any:
        if out is None:
            out = np.empty(len(mean))
        _coloured(rng, mean, chol, 1 / np.sqrt(kappa), out)
        return out

    return _core(draw)


@numba_core_rv_funcify.register
def inverse_wishart(op: InverseWishartRV, node: Any) -> Any:
    """One covariance matrix: ``R' R`` with ``A R = L_Psi'`` and ``A`` the Bartlett factor."""

    def draw(rng: Any, nu: Any, Psi: Any, out: Any = None) -> Any:
        dim = len(Psi)
        if out is None:
            out = np.empty((dim, dim))
        if not nu > dim - 1:
            raise ValueError("InverseWishart needs nu > D - 1")
        root = np.ascontiguousarray(np.linalg.cholesky(Psi).T)
        row = np.empty(dim)  # of A
        for i in range(dim):  # substitution by hand: numba takes seconds to compile np.linalg.solve and @
            for j in range(i):
                row[j] = rng.standard_normal()
            diagonal = np.sqrt(rng.chisquare(nu - i))
            for c in range(dim):
                for j in range(i):
                    root[i, c] -= row[j] * root[j, c]
                root[i, c] /= diagonal
        for i in range(dim):
            for j in range(dim):
                out[i, j] = (root[:, i] * root[:, j]).sum()
        return out

    return _core(draw)
