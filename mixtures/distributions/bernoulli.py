"""Bernoulli mixtures (latent class models) as one PyMC distribution."""

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
from mixtures.families.bernoulli import Bernoulli, binary_values
from mixtures.families.parameters import Parameter

__all__ = ["BernoulliMixture"]


class BinaryRowsSlopes(Slopes):
    """Gradient of `BinaryRows`."""


class BinaryRows(Step):
    """Log densities (n,) of rows at log weights and log probabilities of ones and of zeros."""

    slopes = BinaryRowsSlopes


class BernoulliMixtureRV(MarginalMixtureRV):
    """Rows of zeros and ones, independent given the hidden cluster."""

    name = "BernoulliMixture"
    signature = "(k),(k,d)->(d)"
    dtype = "int64"
    rows = BinaryRows
    _print_name = ("BernoulliMixture", "\\operatorname{BernoulliMixture}")

    @staticmethod
    def check(data: Data) -> np.ndarray:
        """Zeros and ones only."""
        return binary_values(data)

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """One flip for every feature."""
        (p,) = theta
        return (rng.random(p.shape) < p).astype(self.dtype)

    @staticmethod
    def row(rng: Any, parameter: Any, out: Any) -> None:
        """The same of one row, for numba."""
        for d in range(len(out)):
            out[d] = rng.random() < parameter[d]

    @staticmethod
    def terms(*theta: Any) -> tuple[Any, ...]:
        """``log p`` and ``log (1 - p)``."""
        (p,) = theta
        return floored(pt.log(p)), floored(pt.log1p(-p))

    @staticmethod
    def log_density(x: Any, *terms: Any) -> Any:
        """``sum_d x_d log p_kd + (1 - x_d) log (1 - p_kd)``, two matrix products."""
        log_one, log_zero = terms
        ones = x.T.astype("floatX")
        return log_one @ ones + log_zero @ (1 - ones)

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """The same, the factors of missing cells left out."""
        (p,) = theta
        ones, seen = x.T.astype("floatX"), cells.seen.T.astype("floatX")
        log_one, log_zero = floored(pt.log(p)), floored(pt.log1p(-p))
        return log_one @ (seen * ones) + log_zero @ (seen * (1 - ones))

    @staticmethod
    def support(x: Any) -> tuple[Any, Any]:
        """Zeros and ones."""
        x = x.astype("floatX")
        binary = pt.eq(x, 0) | pt.eq(x, 1)
        return pt.switch(binary, x, 0.0), binary.all(axis=-1)

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Probabilities."""
        (p,) = theta
        return {"0 <= p <= 1": pt.ge(p, 0) & pt.le(p, 1)}

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """More probable value of every feature."""
        return ((alpha[..., None] * theta[0]).sum(axis=-2) > 0.5).astype("int64")


class BernoulliMixture(MarginalMixture):
    r"""Mixture of K products of Bernoullis over rows of D features, the hidden cluster summed out.

    .. math::

       f(x \mid \alpha, p) = \sum_{k=1}^K \alpha_k
           \prod_{d=1}^D p_{kd}^{x_d} (1 - p_{kd})^{1 - x_d}

    One draw is a whole row: all features of a row share its hidden cluster,
    unlike ``pm.Mixture`` over ``pm.Bernoulli``, which mixes each cell separately.

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    p : tensor_like of float, shape (..., K, D)
        Probability of a one, by cluster and feature.
    **kwargs
        As for any PyMC distribution: ``observed``, ``dims``, ``shape``, ... Cells that
        are NaN or masked in ``observed`` are integrated out, as in `GaussianMixture`.
        ``labels (n,)`` are known clusters of the observed rows, as in `GaussianMixture`.

    Raises
    ------
    InputError
        If ``observed`` has values other than 0 and 1; names their rows and columns.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.3.3.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> X = np.random.default_rng(1).integers(0, 2, size=(20, 5))
    >>> with pm.Model() as model:
    ...     alpha = pm.Dirichlet("alpha", np.ones(2))
    ...     p = pm.Beta("p", 2, 2, shape=(2, 5))
    ...     x = mx.BernoulliMixture("x", alpha=alpha, p=p, observed=X)
    """

    rv_op = BernoulliMixtureRV()
    check = BernoulliMixtureRV.check
    observed_dtype = "int64"

    @classmethod
    def dist(cls, alpha: Any, p: Any, **kwargs: Any) -> Any:
        """Create an unnamed Bernoulli mixture variable."""
        return super().dist(alpha, p, **kwargs)


@declare_components.register
def declare_bernoulli(
    family: Bernoulli, data: Data, n_components: int, named: Mapping[str, Parameter]
) -> tuple[Any, dict[str, Any]]:
    """Independent Beta priors (uniform without a prior)."""
    a, b = (1.0, 1.0) if family.prior is None else (family.prior.alpha, family.prior.beta)
    p = named["p"]
    return BernoulliMixture, {"p": pm.Beta(p.name, a, b, shape=(n_components, data.n_features), dims=p.dims)}
