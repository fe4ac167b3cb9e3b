"""Poisson mixtures as one PyMC distribution."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixtures.data.table import Data
from mixtures.distributions.components import declare_components
from mixtures.distributions.marginal import MarginalMixture, MarginalMixtureRV
from mixtures.distributions.missing import Cells
from mixtures.distributions.steps import Slopes, Step
from mixtures.distributions.transforms import floored
from mixtures.families.parameters import Parameter
from mixtures.families.poisson import Poisson, counts

__all__ = ["PoissonMixture"]


class CountRowsSlopes(Slopes):
    """Gradient of `CountRows`."""


class CountRows(Step):
    """Log densities (n,) of rows at log weights and rates."""

    slopes = CountRowsSlopes


class PoissonMixtureRV(MarginalMixtureRV):
    """Rows of counts, independent given the hidden cluster."""

    name = "PoissonMixture"
    signature = "(k),(k,d)->(d)"
    dtype = "int64"
    rows = CountRows
    _print_name = ("PoissonMixture", "\\operatorname{PoissonMixture}")

    @staticmethod
    def check(data: Data) -> np.ndarray:
        """Counts only."""
        return counts(data)

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """One count for every feature."""
        (rate,) = theta
        return rng.poisson(rate).astype(self.dtype)

    @staticmethod
    def row(rng: Any, parameter: Any, out: Any) -> None:
        """The same of one row, for numba."""
        for d in range(len(out)):
            out[d] = rng.poisson(parameter[d])

    @staticmethod
    def log_density(x: Any, *terms: Any) -> Any:
        """``sum_d log Poisson(x_d | rate_kd)``, by one matrix product.

        Rates are taken relative to the columns' means, and what depends on the rows alone is added
        last: large counts near their rates lose no digits to each other.
        """
        (rate,) = terms
        events = x.T.astype("floatX")
        mean = events.mean(axis=1)
        mean = pt.switch(mean > 0, mean, 1.0)
        log_rate = floored(pt.log(rate / mean))  # a count of 0 has no use for log 0
        at_mean = (pt.log(mean)[:, None] * events - mean[:, None] - pt.gammaln(events + 1)).sum(axis=0)
        return log_rate @ events - (rate - mean).sum(axis=-1)[:, None] + at_mean

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """The same, the factors of missing cells left out."""
        (rate,) = theta
        seen = cells.seen.T.astype("floatX")
        events = seen * x.T.astype("floatX")
        mean = events.sum(axis=1) / pt.maximum(seen.sum(axis=1), 1)
        mean = pt.switch(mean > 0, mean, 1.0)
        log_rate = floored(pt.log(rate / mean))
        at_mean = pt.log(mean)[:, None] * events - mean[:, None] * seen - pt.gammaln(events + 1)
        return log_rate @ events - (rate - mean) @ seen + at_mean.sum(axis=0)

    @staticmethod
    def support(x: Any) -> tuple[Any, Any]:
        """Counts; others are replaced, so that their density is a number before it becomes zero."""
        x = x.astype("floatX")
        counted = pt.ge(x, 0) & pt.eq(x, pt.floor(x)) & pt.lt(x, np.inf)
        return pt.switch(counted, x, 0.0), counted.all(axis=-1)

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Rates."""
        return {"rate >= 0": pt.ge(theta[0], 0)}

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """Mean of the mixture, to the nearest count."""
        return pt.round((alpha[..., None] * theta[0]).sum(axis=-2)).astype("int64")


class PoissonMixture(MarginalMixture):
    r"""Mixture of K products of Poissons over rows of D features, the hidden cluster summed out.

    .. math::

       f(x \mid \alpha, \lambda) = \sum_{k=1}^K \alpha_k
           \prod_{d=1}^D \lambda_{kd}^{x_d} e^{-\lambda_{kd}} / x_d!

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    rate : tensor_like of float, shape (..., K, D)
        Expected count, by cluster and feature.
    **kwargs
        As for any PyMC distribution: ``observed``, ``dims``, ``shape``, ... Cells that
        are NaN or masked in ``observed`` are integrated out, as in `GaussianMixture`.
        ``labels (n,)`` are known clusters of the observed rows, as in `GaussianMixture`.

    Raises
    ------
    InputError
        If ``observed`` has negative numbers or fractions; names their rows and columns.

    References
    ----------
    McLachlan and Peel, *Finite Mixture Models* (2000), chapter 5.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> X = np.random.default_rng(1).poisson(3, size=(20, 5))
    >>> with pm.Model() as model:
    ...     alpha = pm.Dirichlet("alpha", np.ones(2))
    ...     rate = pm.Gamma("rate", 2, 0.5, shape=(2, 5))
    ...     x = mx.PoissonMixture("x", alpha=alpha, rate=rate, observed=X)
    """

    rv_op = PoissonMixtureRV()
    check = PoissonMixtureRV.check
    observed_dtype = "int64"

    @classmethod
    def dist(cls, alpha: Any, rate: Any, **kwargs: Any) -> Any:
        """Create an unnamed Poisson mixture variable."""
        return super().dist(alpha, rate, **kwargs)


@declare_components.register
def declare_poisson(
    family: Poisson, data: Data, n_components: int, named: Mapping[str, Parameter]
) -> tuple[Any, dict[str, Any]]:
    """Independent Gamma priors (flat without a prior)."""
    name, rates = named["rate"].name, {"shape": (n_components, data.n_features), "dims": named["rate"].dims}
    if family.prior is None:
        rate = pm.HalfFlat(name, **rates)
    else:
        rate = pm.Gamma(name, family.prior.alpha, family.prior.beta, **rates)
    return PoissonMixture, {"rate": rate}
