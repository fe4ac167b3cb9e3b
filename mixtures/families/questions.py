"""What a report asks of a family: words, formulas, and what replicated data are judged by.

Formulas are LaTeX with the letters of the documentation. Every question has a default, so a family
need not answer; one that does registers its answer in its own file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mixtures.families.family import Family
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Prior
from mixtures.types import Array, Params

__all__ = [
    "Description",
    "cell_quantiles",
    "cell_summary",
    "continuous",
    "describe",
    "hyperparameters",
    "marginals",
    "summaries",
]


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


def hyperparameters(spec: Mixture) -> dict[str, np.ndarray]:
    """Every hyperparameter of a resolved model by the name of its field, that of the weights first."""
    found = {"weight_concentration": np.asarray(spec.weight_concentration)}
    if isinstance(spec.prior, Prior):
        found |= spec.prior.hyperparameters
    return found


@singledispatch
def marginals(family: Family, draws: Sequence[Params]) -> Any:
    """Distribution of single features, frozen by SciPy, of shape (draws, K, D); None if not continuous."""
    return None


@singledispatch
def continuous(family: Family, draws: Sequence[Params]) -> tuple[Any, Any]:
    """Index of the features that are continuous, and their `marginals`; None for both if there are none."""
    margins = marginals(family, draws)
    return (None, None) if margins is None else (slice(None), margins)


@singledispatch
def cell_quantiles(family: Family, shares: Array, mean: Array, variance: Array, q: Array) -> Array:
    """Quantiles (Q, m) of single cells, each a mixture of C of the family's margins (C, m)."""
    raise NotImplementedError(type(family).__name__)


@singledispatch
def cell_summary(
    family: Family, sets: Sequence[Params], shares: Sequence[Array], X: Array, tail: float
) -> dict[str, Array]:
    """What is known of every missing cell of rows ``X (D, n)``, row by row: arrays (m,) by name.

    Each cell is a mixture over some sets of parameters and, by the shares (K, n) of each, the clusters. The
    first array has what the cell is completed with.
    """
    row, column = np.nonzero(np.isnan(X.T))
    moments = [family.conditional(params, X) for params in sets]
    w = np.concatenate([r[:, row] / len(sets) for r in shares])
    m, v = (np.concatenate([x[:, column, row] for x in each]) for each in zip(*moments, strict=True))
    mean = (w * m).sum(axis=0)
    sd = np.sqrt((w * (v + (m - mean) ** 2)).sum(axis=0))
    lower, upper = cell_quantiles(family, w, m, v, np.array([tail, 1 - tail]))
    return {"mean": mean, "sd": sd, "lower": lower, "upper": upper}


@singledispatch
def summaries(family: Family, X: Array) -> dict[str, Array]:
    """Statistics of a data set (n, D) by name: one of the rows (), of every feature (D,) or pair (D, D).

    By default moments up to the fourth, which a mixture with too few clusters
    gets wrong from the third on, and correlations. Those of a constant feature
    count its standard scores as 0.
    """
    if np.isnan(X).any():
        return _of_observed(X)
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


def _of_observed(X: Array) -> dict[str, Array]:
    """The same of the observed cells, correlations over the rows that have both."""
    seen = ~np.isnan(X)
    number = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, X, 0).sum(axis=0) / number
    residuals = np.where(seen, X - mean, 0)
    squares = (residuals**2).sum(axis=0)
    root = np.sqrt(squares / number)
    scores = residuals / np.where(root > 0, root, 1)
    both = seen.T.astype(np.float64) @ seen
    return {
        "mean": mean,
        "sd": np.sqrt(squares / np.maximum(number - 1, 1)),
        "skewness": (scores**3).sum(axis=0) / number,
        "kurtosis": (scores**4).sum(axis=0) / number - 3,
        "correlation": scores.T @ scores / np.maximum(both, 1),
    }
