"""Categorical mixtures (latent class analysis) as one PyMC distribution."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import Data
from mixtures.distributions.components import declare_components
from mixtures.distributions.marginal import MarginalMixture, MarginalMixtureRV
from mixtures.distributions.missing import Cells
from mixtures.distributions.ragged import check_levels
from mixtures.distributions.simplexes import LevelProbabilities, StickBreaking
from mixtures.distributions.steps import Slopes, Step
from mixtures.distributions.transforms import IMPOSSIBLE, floored
from mixtures.families.categorical import Categorical, codes
from mixtures.families.parameters import Parameter
from mixtures.families.priors import Dirichlet

__all__ = ["CategoricalMixture"]


MOST_CODES = 2**31
"""Codes are below this in any case; usually p has far fewer levels."""


class CodedRowsSlopes(Slopes):
    """Gradient of `CodedRows`."""


class CodedRows(Step):
    """Log densities (n,) of rows of codes, given log weights and log probabilities (K, D, C)."""

    slopes = CodedRowsSlopes


class CategoricalMixtureRV(MarginalMixtureRV):
    """Rows of codes, independent given the hidden cluster."""

    name = "CategoricalMixture"
    signature = "(k),(k,d,c)->(d)"
    dtype = "int64"
    rows = CodedRows
    _print_name = ("CategoricalMixture", "\\operatorname{CategoricalMixture}")

    @staticmethod
    def check(data: Data) -> np.ndarray:
        """Refuse cells that are not codes."""
        return codes(data, (MOST_CODES,) * data.n_features)

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """Draw a level for every item."""
        (p,) = theta
        ends = np.cumsum(p, axis=-1)
        drawn = rng.random(ends.shape[:-1])[..., None] * ends[..., -1:]
        return (drawn >= ends).sum(axis=-1).astype(self.dtype)

    @staticmethod
    def row(rng: Any, parameter: Any, out: Any) -> None:
        """The same for a single row, for numba."""
        for d in range(len(out)):
            left = rng.random() * parameter[d].sum()
            code = 0
            while code < parameter.shape[1] - 1 and left >= parameter[d, code]:
                left -= parameter[d, code]
                code += 1
            out[d] = code

    @staticmethod
    def terms(*theta: Any) -> tuple[Any, ...]:
        """``log p``."""
        (p,) = theta
        return (floored(pt.log(p)),)

    @staticmethod
    def log_density(x: Any, *terms: Any) -> Any:
        """``sum_d log p_kd[x_d]``, as a matrix product, which is faster on JAX than a look-up.

        A code for which p has no level is impossible.
        """
        (log_p,) = terms
        found = log_p.reshape((log_p.shape[0], -1)) @ _indicators(x, log_p.shape[-1])
        return found + _beyond(x, log_p)

    @staticmethod
    def natural(x: Any, *theta: Any) -> tuple[Any, Any, Any]:
        """Every level but an item's first has an indicator: a quarter less of a product for four levels.

        The last feature is 1 in rows with a code for which p has no level.
        """
        (p,) = theta
        log_p, levels = floored(pt.log(p)), p.shape[-1]
        first = log_p[:, :, :1]
        eta = (log_p[:, :, 1:] - first).reshape((log_p.shape[0], -1))
        unknown = pt.ge(x, levels).any(axis=-1).astype("floatX")[None, :]
        phi = pt.concatenate([_indicators(x, levels, first=1), unknown])
        impossible = pt.full((log_p.shape[0], 1), IMPOSSIBLE)
        return first.sum(axis=(1, 2)), pt.concatenate([eta, impossible], axis=1), phi

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """The same, without the factors of missing cells."""
        (p,) = theta
        phi = _indicators(x, p.shape[-1]) * pt.repeat(cells.seen.T.astype("floatX"), p.shape[-1], axis=0)
        return floored(pt.log(p)).reshape((p.shape[0], -1)) @ phi + _beyond(x, p)

    @staticmethod
    def support(x: Any) -> tuple[Any, Any]:
        """Replace values that are not codes, so that the density is finite before it is set to zero."""
        x = x.astype("floatX")
        coded = pt.ge(x, 0) & pt.eq(x, pt.floor(x)) & pt.lt(x, MOST_CODES)
        return pt.switch(coded, x, 0.0), coded.all(axis=-1)

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Probabilities of the levels of each item."""
        (p,) = theta
        return {"p >= 0, sum(p, axis=-1) = 1": pt.ge(p, 0).all() & pt.isclose(p.sum(axis=-1), 1).all()}

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """Most probable level of every item."""
        return (alpha[..., None, None] * theta[0]).sum(axis=-3).argmax(axis=-1).astype("int64")


def _indicators(x: Any, levels: Any, first: int = 0) -> Any:
    """Indicators (D C, n) of every level from the first one on, from codes (n, D)."""
    found = pt.eq(x.T[:, None, :], pt.arange(first, levels)[:, None])
    return found.reshape((-1, x.shape[0])).astype("floatX")


def _beyond(x: Any, p: Any) -> Any:
    """Log density (n,) of having codes for which p (K, D, C) has a level: impossible where one is beyond."""
    return pt.switch(pt.lt(x, p.shape[-1]).all(axis=-1), *np.array([0, IMPOSSIBLE]))


class CategoricalMixture(MarginalMixture):
    r"""Mixture of K products of D categorical distributions over rows, the hidden cluster summed out.

    .. math::

       f(x \mid \alpha, p) = \sum_{k=1}^K \alpha_k \prod_{d=1}^D p_{kd x_d}

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    p : tensor_like of float, shape (..., K, D, C)
        Probability of every level, by cluster and item; those of each item sum to one. An
        item with fewer than C levels has zeros at the end.
    **kwargs
        As for any PyMC distribution: ``observed``, ``dims``, ``shape``, ... The cells of
        ``observed`` are the codes 0, 1, ..., C - 1. Cells that are NaN or masked are
        integrated out, as in `GaussianMixture`. ``labels (n,)`` are the known clusters of the
        observed rows.

    Raises
    ------
    InputError
        If ``observed`` has cells that are not codes of levels; the message names their rows
        and columns.

    References
    ----------
    Goodman (1974), *Biometrika* 61, 215-231.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> X = np.random.default_rng(1).integers(0, 3, size=(20, 5))
    >>> with pm.Model() as model:
    ...     alpha = pm.Dirichlet("alpha", np.ones(2))
    ...     p = pm.Dirichlet("p", np.full(3, 2.0), shape=(2, 5, 3))
    ...     x = mx.CategoricalMixture("x", alpha=alpha, p=p, observed=X)
    """

    rv_op = CategoricalMixtureRV()
    check = CategoricalMixtureRV.check
    observed_dtype = "int64"

    def __new__(cls, name: str, *args: Any, observed: Any = None, **kwargs: Any) -> Any:
        """Register the variable, and refuse codes for which p has no level."""
        if observed is not None and not isinstance(observed, pt.TensorVariable):
            check_levels(as_data(observed, missing=INTEGRATE), kwargs["p"] if "p" in kwargs else args[1])
        return super().__new__(cls, name, *args, observed=observed, **kwargs)

    @classmethod
    def dist(cls, alpha: Any, p: Any, **kwargs: Any) -> Any:
        """Create an unnamed categorical mixture variable."""
        return super().dist(alpha, p, **kwargs)


@declare_components.register
def declare_categorical(
    family: Categorical, data: Data, n_components: int, named: Mapping[str, Parameter]
) -> tuple[Any, dict[str, Any]]:
    """Declare independent Dirichlet priors, uniform ones without a prior."""
    levels = family.numbers(data.n_features)
    counts = (Dirichlet(1.0).broadcast(levels) if family.prior is None else family.prior).concentration
    shape, p = (n_components, *np.shape(counts)), named["p"]
    free = StickBreaking(np.asarray(counts) > 0)
    own = LevelProbabilities(p.name, counts, shape=shape, dims=p.dims, default_transform=free)
    return CategoricalMixture, {"p": own}
