"""Answers of Gaussian components to the questions of a report; importing it registers them."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mixtures.families.covariance import Dense
from mixtures.families.gaussian import Gaussian
from mixtures.families.overlap import log_overlap
from mixtures.families.priors import NormalInverseGamma, NormalInverseWishart
from mixtures.families.profiles import Figures, Levels, Profile, profile
from mixtures.families.questions import Description, cell_quantiles, describe, marginals
from mixtures.families.structure import Covariance
from mixtures.types import Array, Params

__all__: list[str] = []

HALVINGS = 60
"""Number of bisections in the search for a quantile."""


@describe.register
def describe_gaussian(family: Gaussian) -> Description:
    """Normals with one of the covariance structures."""
    structure = family.covariance
    return Description(
        f"the features are jointly normal around a mean of the cluster's own, with {structure.words}",
        rf"x_i \mid z_i = k \thicksim \mathcal{{N}}(\mu_k, {structure.matrix})",
        _formulas(family.prior, structure),
    )


@singledispatch
def _formulas(prior: Any, structure: Covariance) -> tuple[str, ...]:
    """Formulas of a prior; none if it is flat or of an unknown type."""
    return ()


@_formulas.register
def _(prior: NormalInverseWishart, structure: Covariance) -> tuple[str, ...]:
    matrix = structure.matrix
    return (
        rf"\mu_k \mid {matrix} \thicksim \mathcal{{N}}(m, {matrix} / \kappa)",
        rf"{structure.symbol} \thicksim \operatorname{{InverseWishart}}(\nu, \Psi)",
    )


@_formulas.register
def _(prior: NormalInverseGamma, structure: Covariance) -> tuple[str, ...]:
    variance = structure.symbol
    scale = r"\psi_d" if "feature" in structure.dims else r"\psi"
    return (
        rf"\mu_{{kd}} \mid {variance} \thicksim \mathcal{{N}}(m_d, {variance} / \kappa)",
        rf"{variance} \thicksim \operatorname{{InverseGamma}}(\nu / 2, {scale} / 2)",
    )


@marginals.register
def gaussian_marginals(family: Gaussian, draws: Sequence[Params]) -> Any:
    """Normals: a Gaussian's margins are read off its means and variances."""
    mean, covariance = (np.stack([one[name] for one in draws]) for name in family.dims)
    from scipy import stats  # slow to load, and EM does without

    return stats.norm(mean, np.sqrt(family.covariance.variances(covariance, *mean.shape[-2:])))


@cell_quantiles.register
def gaussian_quantiles(family: Gaussian, shares: Array, mean: Array, variance: Array, q: Array) -> Array:
    """Quantiles of mixtures of normals, by bisection between those of their components."""
    sd = np.sqrt(variance)
    each = mean + ndtri(q)[:, None, None] * sd  # (Q, C, m)
    low, high = each.min(axis=1), each.max(axis=1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = (shares * ndtr((middle[:, None] - mean) / sd)).sum(axis=1) < q[:, None]
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


@profile.register
def gaussian_profile(
    family: Gaussian, draws: Params, features: Sequence[str], levels: Levels = None
) -> Profile:
    """Means, standard deviations and, where features covary, correlations."""
    structure, mean, of = family.covariance, draws["mu"], tuple(features)
    k, d = mean.shape[-2:]
    value = draws[structure.parameter]
    variance = np.broadcast_to(structure.variances(value, k, d), mean.shape)
    beside: tuple[Figures, ...] = (Figures("sd", of, np.sqrt(variance)),)
    if isinstance(structure, Dense) and d > 1:
        i, j = np.triu_indices(d, 1)
        covariance = structure.matrices(value, k, d)[..., i, j]
        correlation = covariance / np.sqrt(variance[..., i] * variance[..., j])
        pairs = tuple(f"{of[a]}, {of[b]}" for a, b in zip(i, j, strict=True))
        beside += (Figures("correlation", pairs, correlation),)
    return Profile(Figures("mean", of, mean), variance, tuple(range(d)), "mean", beside)


@log_overlap.register
def gaussian_overlap(family: Gaussian, draws: Params) -> Array:
    """``-d' S^-1 d / 8 - log(|S| / sqrt(|Sigma_j| |Sigma_k|)) / 2`` with ``S = (Sigma_j + Sigma_k) / 2``."""
    structure, mean = family.covariance, draws["mu"]
    n, k, d = mean.shape
    value, found = draws[structure.parameter], np.zeros((n, k, k))
    determinant: Callable[[Array], Array] = _log_product
    distance: Callable[[Array, Array], Array] = _scaled
    matrices = structure.variances(value, k, d)
    if isinstance(structure, Dense):
        matrices, determinant, distance = structure.matrices(value, k, d), _log_determinant, _squared
    matrices = np.broadcast_to(matrices, (n, k, *matrices.shape[2:]))
    log_size = determinant(matrices)
    for i in range(k):
        for j in range(i):
            middle = (matrices[:, i] + matrices[:, j]) / 2
            apart = determinant(middle) - (log_size[:, i] + log_size[:, j]) / 2
            found[:, i, j] = found[:, j, i] = -distance(mean[:, i] - mean[:, j], middle) / 8 - apart / 2
    return found


def _log_determinant(matrices: Array) -> Array:
    return np.asarray(np.linalg.slogdet(matrices)[1])


def _squared(apart: Array, matrices: Array) -> Array:
    return np.asarray((apart * np.linalg.solve(matrices, apart[..., None])[..., 0]).sum(axis=-1))


def _log_product(variances: Array) -> Array:
    return np.asarray(np.log(variances).sum(axis=-1))


def _scaled(apart: Array, variances: Array) -> Array:
    return np.asarray((apart**2 / variances).sum(axis=-1))
