"""What predictive checks ask of a family; both questions have a default, so a new family need not answer."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import stats

from mixtures.families.bernoulli import Bernoulli
from mixtures.families.gaussian import Gaussian
from mixtures.families.mixture import Family, Params
from mixtures.priors import Array

__all__ = ["marginals", "summaries"]


@singledispatch
def marginals(family: Family, draws: Sequence[Params]) -> Any:
    """Distribution of single features, frozen by SciPy, of shape (draws, K, D); None if not continuous."""
    return None


@marginals.register
def gaussian_marginals(family: Gaussian, draws: Sequence[Params]) -> Any:
    """Normals: a Gaussian's margins are read off its mean and covariance."""
    mean, covariance = (np.stack(x) for x in zip(*map(family.moments, draws), strict=True))
    return stats.norm(mean, np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1)))


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
