"""A model in words and formulas, for whoever reads a report of it.

Formulas are LaTeX with the letters of the documentation. Like the questions of
`predictive`, every one has a default, so a new family need not answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import stats

from mixtures.families.bernoulli import Bernoulli
from mixtures.families.covariance import Covariance, Diagonal, Full, Spherical, Tied
from mixtures.families.family import Family
from mixtures.families.gaussian import Gaussian
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Beta, NormalInverseGamma, NormalInverseWishart, Prior
from mixtures.types import Array, Params

__all__ = ["Description", "describe", "hyperparameters", "marginals", "summaries"]


@dataclass(frozen=True)
class Description:
    """A family in words and formulas.

    Attributes
    ----------
    components : str
        What a cluster is, as the end of a sentence that begins "Within a cluster".
    density : str
        Distribution of a row given its cluster.
    prior : tuple of str
        Prior of the components' parameters, a formula each; none for a flat one.
    """

    components: str
    density: str
    prior: tuple[str, ...] = ()


@singledispatch
def describe(family: Family) -> Description:
    """Words and formulas of a family; by default only that there are parameters."""
    listed = ", ".join(family.dims)
    return Description(
        f"rows follow a {type(family).__name__} distribution with parameters {listed}",
        r"x_i \mid z_i = k \thicksim f(x_i \mid \theta_k)",
    )


@describe.register
def describe_bernoulli(family: Bernoulli) -> Description:
    """Independent coins."""
    return Description(
        "every feature is an independent coin with a probability p of its own",
        r"x_{id} \mid z_i = k \thicksim \operatorname{Bernoulli}(p_{kd}), \quad d = 1, \dots, D",
        _prior_formulas(family.prior, r"p_{kd}", ""),
    )


@describe.register
def describe_gaussian(family: Gaussian) -> Description:
    """Normals with one of the covariance structures."""
    matrix, parameter, words = _structure(family.covariance)
    return Description(
        f"the features are jointly normal around a mean of the cluster's own, with {words}",
        rf"x_i \mid z_i = k \thicksim \mathcal{{N}}(\mu_k, {matrix})",
        _prior_formulas(family.prior, matrix, parameter),
    )


@singledispatch
def _structure(covariance: Covariance) -> tuple[str, str, str]:
    """Matrix in the density, parameter under the prior, and words of a covariance structure."""
    raise NotImplementedError(type(covariance).__name__)


@_structure.register
def _(covariance: Full) -> tuple[str, str, str]:
    return r"\Sigma_k", r"\Sigma_k", "a covariance matrix Sigma of its own"


@_structure.register
def _(covariance: Tied) -> tuple[str, str, str]:
    return r"\Sigma", r"\Sigma", "one covariance matrix Sigma for all clusters"


@_structure.register
def _(covariance: Diagonal) -> tuple[str, str, str]:
    matrix = r"\operatorname{diag}(\sigma^2_{k1}, \dots, \sigma^2_{kD})"
    return matrix, r"\sigma^2_{kd}", "a variance for every feature and no correlation between features"


@_structure.register
def _(covariance: Spherical) -> tuple[str, str, str]:
    return r"\sigma^2_k I", r"\sigma^2_k", "one variance in all directions"


@singledispatch
def _prior_formulas(prior: Any, matrix: str, parameter: str) -> tuple[str, ...]:
    """Formulas of a prior; none where it is flat or not known here."""
    return ()


@_prior_formulas.register
def _(prior: NormalInverseWishart, matrix: str, parameter: str) -> tuple[str, ...]:
    return (
        rf"\mu_k \mid {matrix} \thicksim \mathcal{{N}}(m, {matrix} / \kappa)",
        rf"{parameter} \thicksim \operatorname{{InverseWishart}}(\nu, \Psi)",
    )


@_prior_formulas.register
def _(prior: NormalInverseGamma, matrix: str, parameter: str) -> tuple[str, ...]:
    scale = r"\psi_d" if "d" in parameter else r"\psi"
    return (
        rf"\mu_{{kd}} \mid {parameter} \thicksim \mathcal{{N}}(m_d, {parameter} / \kappa)",
        rf"{parameter} \thicksim \operatorname{{InverseGamma}}(\nu / 2, {scale} / 2)",
    )


@_prior_formulas.register
def _(prior: Beta, matrix: str, parameter: str) -> tuple[str, ...]:
    return (rf"{matrix} \thicksim \operatorname{{Beta}}(a_d, b_d)",)


def hyperparameters(spec: Mixture) -> dict[str, np.ndarray]:
    """Every hyperparameter of a resolved model by the name of its field, that of the weights first."""
    found = {"weight_concentration": np.asarray(spec.weight_concentration)}
    if isinstance(spec.prior, Prior):
        found |= {field.name: np.asarray(getattr(spec.prior, field.name)) for field in fields(spec.prior)}  # type: ignore[arg-type]
    return found


@singledispatch
def marginals(family: Family, draws: Sequence[Params]) -> Any:
    """Distribution of single features, frozen by SciPy, of shape (draws, K, D); None if not continuous."""
    return None


@marginals.register
def gaussian_marginals(family: Gaussian, draws: Sequence[Params]) -> Any:
    """Normals: a Gaussian's margins are read off its means and variances."""
    mean, covariance = (np.stack([one[name] for one in draws]) for name in family.dims)
    return stats.norm(mean, np.sqrt(family.covariance.variances(covariance, *mean.shape[-2:])))


@singledispatch
def summaries(family: Family, X: Array) -> dict[str, Array]:
    """Statistics of a data set (n, D) by name: one of the rows (), of every feature (D,) or pair (D, D).

    By default moments up to the fourth, which a mixture with too few clusters
    gets wrong from the third on, and correlations. Those of a constant feature
    count its standard scores as 0.
    """
    residuals = X - X.mean(axis=0)
    root = np.sqrt((residuals**2).mean(axis=0))
    scores = residuals / np.where(root > 0, root, 1)
    return {
        "mean": X.mean(axis=0),
        "sd": X.std(axis=0, ddof=1),
        "skewness": (scores**3).mean(axis=0),
        "kurtosis": (scores**4).mean(axis=0) - 3,
        "correlation": scores.T @ scores / len(X),
    }


@summaries.register
def bernoulli_summaries(family: Bernoulli, X: Array) -> dict[str, Array]:
    """Item means, how often two items are one together, and the variance of the rows' totals."""
    return {
        "mean": X.mean(axis=0),
        "co-occurrence": X.T @ X / len(X),
        "total score variance": np.asarray(X.sum(axis=1).var(ddof=1)),
    }
