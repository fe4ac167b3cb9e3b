"""Poisson mixtures as one PyMC distribution."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixtures.data.table import Data
from mixtures.distributions.components import declare_components, declare_rows
from mixtures.distributions.marginal import MarginalMixture, MarginalMixtureRV
from mixtures.distributions.missing import Cells
from mixtures.distributions.steps import Slopes, Step
from mixtures.distributions.transforms import floored
from mixtures.families.exposure import COUNTS, ExposedPoisson
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
    rows: ClassVar[type[Step] | None] = CountRows
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


class ExposedPoissonMixtureRV(PoissonMixtureRV):
    """Rows of counts at exposures ``e (n,)``, which are a parameter: means are ``e rate``."""

    name = "PoissonMixture"
    signature = "(k),(k,d),()->(d)"
    rows = None

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """Counts at the exposure of every row."""
        rate, exposure = theta
        return rng.poisson(rate * exposure[..., None]).astype(self.dtype)

    def shared(self, params: Any) -> list[Any] | None:
        """Weights and rates that all rows share, with an exposure for each row."""
        *own, exposure = params
        found = UNEXPOSED.shared(own)
        return None if found is None or exposure.ndim > 1 else [*found, exposure]

    @staticmethod
    def log_density(x: Any, *terms: Any) -> Any:
        """``sum_d log Poisson(x_d | e rate_kd)``, relative to the columns' rates over all rows."""
        rate, exposure = terms
        events, e = x.T.astype("floatX"), pt.atleast_1d(exposure)
        overall = _positive(events.sum(axis=1) / e.sum())
        log_rate = floored(pt.log(rate / overall))
        mean = overall[:, None] * e
        at_mean = (pt.log(mean) * events - mean - pt.gammaln(events + 1)).sum(axis=0)
        return log_rate @ events - (rate - overall).sum(axis=-1)[:, None] * e + at_mean

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """The same, the factors of missing cells left out."""
        rate, exposure = theta
        events, e = x.T.astype("floatX"), pt.atleast_1d(exposure)
        watched = cells.seen.T.astype("floatX") * e
        events = pt.switch(cells.seen.T, events, 0.0)
        total = watched.sum(axis=1)
        overall = _positive(events.sum(axis=1) / pt.switch(total > 0, total, 1.0))
        log_rate = floored(pt.log(rate / overall))
        mean = overall[:, None] * e
        at_mean = pt.log(mean) * events - overall[:, None] * watched - pt.gammaln(events + 1)
        return log_rate @ events - (rate - overall) @ watched + at_mean.sum(axis=0)

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Rates, and exposures."""
        rate, exposure = theta
        return {"rate >= 0": pt.ge(rate, 0), "exposure > 0": pt.gt(exposure, 0)}

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """Mean of the mixture at each exposure, to the nearest count."""
        rate, exposure = theta
        return UNEXPOSED.centre(alpha, rate * exposure[..., None, None])


UNEXPOSED, EXPOSED = PoissonMixtureRV(), ExposedPoissonMixtureRV()
"""Rows whose rates are their means, and rows with exposures."""


def _positive(mean: Any) -> Any:
    return pt.switch(mean > 0, mean, 1.0)


class PoissonMixture(MarginalMixture):
    r"""Mixture of K products of Poissons over rows of D features, the hidden cluster summed out.

    .. math::

       f(x \mid \alpha, \lambda) = \sum_{k=1}^K \alpha_k
           \prod_{d=1}^D \lambda_{kd}^{x_d} e^{-\lambda_{kd}} / x_d!

    With an exposure ``e`` the rows have ``e lambda`` in place of ``lambda``.

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    rate : tensor_like of float, shape (..., K, D)
        Expected count, by cluster and feature; with an exposure, for each unit of it.
    exposure : tensor_like of float, shape (n,), optional
        Exposure of every row, positive: how long, or how much, was watched for its counts.
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

    @staticmethod
    def rv_op(*params: Any, rng: Any = None, **kwargs: Any) -> Any:
        """Build the random rows, with exposures if they are the third parameter."""
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        op = UNEXPOSED if len(params) == 2 else EXPOSED
        return op(*params, rng=rng, return_next_rng=True, **kwargs)[1]

    check = PoissonMixtureRV.check
    observed_dtype = "int64"

    @classmethod
    def dist(cls, alpha: Any, rate: Any, exposure: Any = None, **kwargs: Any) -> Any:
        """Create an unnamed Poisson mixture variable."""
        own = () if exposure is None else (exposure,)
        return super().dist(alpha, rate, *own, **kwargs)


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


@declare_rows.register
def declare_exposed(family: ExposedPoisson, data: Data, alpha: Any) -> None:
    """Rates per unit of exposure, the exposures as data, and rows of counts at these."""
    own = {each.name: each for each in family.parameters}
    counted = family.counted(data)
    family.check_rows(data)
    kind, params = declare_components(family, counted, alpha.type.shape[0], own)
    exposure = pm.Data("exposure", data.values[:, family.at], dims="obs_id")
    kind.of_rows(counted, alpha, **params, exposure=exposure, dim=COUNTS)
