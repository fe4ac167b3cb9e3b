"""Prior of a mean given the covariance: normal, with the covariance divided by a prior count."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.distribution import Continuous
from pytensor.tensor.random.op import RandomVariable

from mixtures.distributions.transforms import as_floats, whitened

__all__ = ["ConjugateNormal", "ConjugateNormalRV"]


class ConjugateNormalRV(RandomVariable):
    """Means given their cluster's covariance, ``N(m, L L' / kappa)``."""

    name = "ConjugateNormal"
    signature = "(d),(d,d),()->(d)"
    dtype = "floatX"
    _print_name = ("ConjugateNormal", "\\operatorname{ConjugateNormal}")

    @classmethod
    def rng_fn(cls, rng: np.random.Generator, *args: Any) -> np.ndarray:
        """``m + L eps / sqrt(kappa)``."""
        mean, chol, kappa, size = args
        batch = (
            np.broadcast_shapes(mean.shape[:-1], chol.shape[:-2], kappa.shape)
            if size is None
            else tuple(size)
        )
        noise = rng.standard_normal((*batch, mean.shape[-1], 1))
        return mean + (chol @ noise)[..., 0] / np.sqrt(kappa)[..., None]


class ConjugateNormal(Continuous):
    """Normal distribution whose covariance is that of a Cholesky factor divided by a prior count.

    The same density as ``pm.MvNormal(chol=L / sqrt(kappa))``, but computed from the
    inverse of ``L``, which the rows and the inverse-Wishart also need.
    """

    rv_op = ConjugateNormalRV()

    @classmethod
    def dist(cls, mean: Any, chol: Any, kappa: Any, **kwargs: Any) -> Any:
        """Create an unnamed variable."""
        return super().dist([as_floats(x) for x in (mean, chol, kappa)], **kwargs)

    def support_point(rv: Any, size: Any, mean: Any, chol: Any, kappa: Any) -> Any:
        """The prior's own mean."""
        return pt.broadcast_to(mean, rv.shape)

    def logp(mu: Any, mean: Any, chol: Any, kappa: Any) -> Any:
        """Log densities of means (..., D)."""
        square, half_log_det = whitened(chol, (mu - mean)[..., None])
        constant = half_log_det + mu.shape[-1] * (np.log(2 * np.pi) - pt.log(kappa)) / 2
        return -kappa * square / 2 - constant
