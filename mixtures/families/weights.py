"""Weights of the clusters: a part of a mixture, with parameters, prior and M-step of its own."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from scipy.special import gammaln, xlogy

from mixtures.families.parameters import Parameter
from mixtures.families.supports import SIMPLEX
from mixtures.types import Array, Params

__all__ = ["DirichletWeights"]


@dataclass(frozen=True)
class DirichletWeights:
    """Weights alpha that are the same for every row, under a symmetric Dirichlet prior.

    Leading axes of parameters and counts are many sets of them.

    Attributes
    ----------
    concentration : float
        Concentration of the prior; 1 is flat.
    """

    concentration: float

    varies: ClassVar[bool] = False
    """Whether rows have different weights."""

    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("alpha", ("cluster",), SIMPLEX),)

    def for_mode(self) -> Self:
        """The nearest prior that leaves a finite mode."""
        return self if self.concentration >= 1 else replace(self, concentration=1.0)

    def log_weights(self, params: Params, X: Array) -> Array:
        """Log weights (K, n) of the rows of a chunk ``X (D, n)``; here (K, 1), the same for all."""
        with np.errstate(divide="ignore"):
            return np.log(params["alpha"])[:, None]

    def shares(self, params: Params) -> Array | None:
        """Weight of each cluster (..., K), where it is the same for every row; else None."""
        return params["alpha"]

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        """Parameters with every number changed by this relative amount."""
        return {"alpha": params["alpha"] * (1 + by)}

    def maximize(self, count: Array) -> dict[str, Array]:
        """Posterior mode given the expected rows of each cluster, in closed form."""
        pseudo = self.concentration - 1
        return {"alpha": (count + pseudo) / (count.sum(axis=-1, keepdims=True) + count.shape[-1] * pseudo)}

    def log_prior(self, params: Params) -> Array:
        """Log prior density (...), normaliser included."""
        alpha, a = params["alpha"], self.concentration
        k = alpha.shape[-1]
        return np.asarray(gammaln(k * a) - k * gammaln(a) + xlogy(a - 1, alpha).sum(axis=-1))

    def distance(self, a: Params, b: Params) -> Array:
        """Symmetric Kullback-Leibler divergence (...) of a row's weights; infinite where one has become 0."""
        new, old = a["alpha"], b["alpha"]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(new == old, 0, (new - old) * np.log(new / old)).sum(axis=-1))

    def sample(self, params: Params, n: int, rng: np.random.Generator) -> np.ndarray:
        """Clusters (n,) of rows."""
        alpha = np.asarray(params["alpha"], dtype=np.float64)
        return rng.choice(len(alpha), size=n, p=alpha / alpha.sum())  # draws may be in single precision
