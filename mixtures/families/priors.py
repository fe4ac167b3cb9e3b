"""Conjugate priors of the component parameters, as values.

Each knows its hyperparameters, checks them, and gives its log density with the
normaliser. The densities are over the parameters a user reads: covariance
matrices, variances and probabilities (not Cholesky factors or logits).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, gammaln, multigammaln, xlog1py, xlogy

from mixtures.brief import array_words
from mixtures.data.cells import as_numbers
from mixtures.errors import InputError
from mixtures.families.labelled import by_name
from mixtures.types import Array

__all__ = [
    "Beta",
    "Dirichlet",
    "Gamma",
    "NormalInverseGamma",
    "NormalInverseWishart",
    "Prior",
    "positive_definite",
]


class Prior:
    """A prior: two of one class are equal if all their hyperparameters are.

    Results with a prior of a subclass can be saved; see `mixtures.save`.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.priors.Beta([2.0, 2.0], 1.0) == mx.priors.Beta([2.0, 2.0], 1.0)
    True
    """

    axes: ClassVar[tuple[str, ...]] = ("feature", "feature_bis")
    """Dims of the axes of a hyperparameter."""

    def _values(self) -> tuple[Any, ...]:
        return tuple(np.asarray(getattr(self, field.name)).tolist() for field in fields(self))  # type: ignore[arg-type]

    @property
    def concrete(self) -> bool:
        """Whether every hyperparameter is a number."""
        return True

    @property
    def hyperparameters(self) -> dict[str, Array]:
        """Every hyperparameter by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    def in_order(self, places: Sequence[int]) -> Self:
        """The prior of columns in another order: arrays with an entry for each are reordered."""
        d, moved = len(places), {}
        for field in fields(self):  # type: ignore[arg-type]
            array = np.asarray(getattr(self, field.name))
            if array.ndim and array.shape == (d,) * array.ndim:
                moved[field.name] = array[np.ix_(*[places] * array.ndim)]
        return replace(self, **moved)  # type: ignore[type-var]

    def for_columns(self, features: Sequence[str]) -> Self:
        """The prior of these columns: Series, frames and DataArrays are put in their order by name."""
        labels = dict.fromkeys(self.axes, features)
        moved = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            dims = self.axes[: getattr(value, "ndim", 0)]
            moved[field.name] = by_name(value, f"prior {field.name}", dims, labels)
        return replace(self, **moved)  # type: ignore[type-var]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), str(self._values())))

    def __repr__(self) -> str:
        """Its hyperparameters, long ones by shape and range."""
        shown = [f"{field.name}={array_words(getattr(self, field.name))}" for field in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, eq=False, repr=False)
class NormalInverseWishart(Prior):
    r"""Prior of a mean and a covariance matrix.

    .. math::

       \mu \mid \Sigma \sim \mathcal N(m, \Sigma / \kappa), \qquad
       \Sigma \sim \mathrm{IW}(\nu, \Psi)

    Parameters
    ----------
    mean : array_like, shape (D,) or scalar
        Prior mean ``m``, in the units of the data.
    kappa : float
        Prior count of the mean, positive.
    nu : float
        Degrees of freedom, greater than D - 1.
    Psi : array_like, shape (D, D) or scalar when D = 1
        Scale matrix, positive definite, in squared units of the data.

    References
    ----------
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 3.6; Fraley and
    Raftery (2007), *Journal of Classification* 24.

    Examples
    --------
    >>> import numpy as np, mixtures as mx
    >>> prior = mx.priors.NormalInverseWishart(mean=np.zeros(2), kappa=0.01, nu=4, Psi=np.eye(2))
    """

    mean: ArrayLike
    kappa: float
    nu: float
    Psi: ArrayLike

    def broadcast(self, n_features: int) -> "NormalInverseWishart":
        """Check every hyperparameter against D features and give arrays of full shape."""
        Psi = _shaped(self.Psi, (n_features, n_features), "Psi")
        if not positive_definite(Psi):
            raise InputError("NormalInverseWishart: Psi must be symmetric and positive definite")
        kappa, nu = (float(_shaped(x, (), name)) for name, x in (("kappa", self.kappa), ("nu", self.nu)))
        _positive(self, "kappa", kappa)
        _positive(self, "nu - (D - 1)", nu - (n_features - 1))
        return NormalInverseWishart(_shaped(self.mean, (n_features,), "mean"), kappa, nu, Psi)

    def log_density_of_root(self, inverse: Array) -> Array:
        """Log inverse-Wishart density (...) of matrices by the inverses (..., D, D) of their factors."""
        root, constant = self._root_and_constant
        log_det = -2 * np.log(np.diagonal(inverse, axis1=-2, axis2=-1)).sum(axis=-1)
        trace = ((inverse @ root) ** 2).sum(axis=(-2, -1))
        return np.asarray(constant - (self.nu + inverse.shape[-1] + 1) / 2 * log_det - trace / 2)

    @cached_property
    def _root_and_constant(self) -> tuple[Array, float]:
        """Cholesky factor of Psi, and the log normaliser of the density: EM needs them in every step."""
        root, dim = np.linalg.cholesky(np.asarray(self.Psi)), np.shape(self.Psi)[-1]
        log_scale = dim * np.log(2) - 2 * np.log(np.diagonal(root)).sum()
        return root, float(-self.nu / 2 * log_scale - multigammaln(self.nu / 2, dim))


@dataclass(frozen=True, eq=False, repr=False)
class NormalInverseGamma(Prior):
    r"""Prior of a mean and of variances.

    .. math::

       \mu_d \mid \sigma^2_d \sim \mathcal N(m_d, \sigma^2_d / \kappa), \qquad
       \sigma^2_d \sim \mathrm{InvGamma}(\nu / 2, \psi_d / 2)

    Parameters
    ----------
    mean : array_like, shape (D,) or scalar
        Prior mean ``m``, in the units of the data.
    kappa : float
        Prior count of the mean, positive.
    nu : float
        Degrees of freedom, positive.
    psi : array_like, shape (D,) or scalar
        Scale, positive, in squared units of the data. Spherical covariances, tied
        or not, have one variance and take a scalar.

    References
    ----------
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 3.3; Fraley and
    Raftery (2007), *Journal of Classification* 24.

    Examples
    --------
    >>> import mixtures as mx
    >>> prior = mx.priors.NormalInverseGamma(mean=[0.0, 5.0], kappa=0.01, nu=3, psi=[1.0, 2.0])
    """

    mean: ArrayLike
    kappa: float
    nu: float
    psi: ArrayLike

    def broadcast(self, n_features: int, variances: tuple[int, ...]) -> "NormalInverseGamma":
        """Check all against D features and the shape of a cluster's variances; give arrays of full shape."""
        psi = _shaped(self.psi, variances, "psi")
        kappa, nu = (float(_shaped(x, (), name)) for name, x in (("kappa", self.kappa), ("nu", self.nu)))
        for name, value in (("kappa", kappa), ("nu", nu), ("psi", psi)):
            _positive(self, name, value)
        return NormalInverseGamma(_shaped(self.mean, (n_features,), "mean"), kappa, nu, psi)

    def log_variance(self, sigma2: Array) -> Array:
        """Log inverse-gamma density of every entry of ``sigma2 (..., n_variances)``."""
        shape, scale = self.nu / 2, np.asarray(self.psi) / 2
        density = shape * np.log(scale) - gammaln(shape) - (shape + 1) * np.log(sigma2) - scale / sigma2
        return np.asarray(density)


@dataclass(frozen=True, eq=False, repr=False)
class Beta(Prior):
    """Prior of probabilities: independent Beta(alpha, beta) on every ``p_kd``.

    Parameters
    ----------
    alpha, beta : array_like, shape (D,) or scalar
        Prior counts of ones and zeros, positive. Below 1 the posterior may have
        no finite mode: EM and MAP refuse it, sampling takes it.

    Examples
    --------
    >>> import mixtures as mx
    >>> prior = mx.priors.Beta(2.0, 2.0)
    """

    alpha: ArrayLike
    beta: ArrayLike

    def broadcast(self, n_features: int) -> "Beta":
        """Check both counts against D features and give arrays of full shape."""
        alpha = _shaped(self.alpha, (n_features,), "alpha")
        beta = _shaped(self.beta, (n_features,), "beta")
        _positive(self, "alpha", alpha)
        _positive(self, "beta", beta)
        return Beta(alpha, beta)

    def log_density(self, p: Array) -> Array:
        """Log Beta density of every entry of ``p (..., D)``."""
        alpha, beta = np.asarray(self.alpha), np.asarray(self.beta)
        return np.asarray(xlogy(alpha - 1, p) + xlog1py(beta - 1, -p) - betaln(alpha, beta))


@dataclass(frozen=True, eq=False, repr=False)
class Gamma(Prior):
    """Prior of rates: independent Gamma(alpha, beta) on every ``rate_kd``.

    Parameters
    ----------
    alpha, beta : array_like, shape (D,) or scalar
        Shape and rate, positive: ``alpha - 1`` events seen in ``beta`` rows. With
        alpha below 1 the posterior may have no finite mode: EM and MAP refuse it,
        sampling takes it.

    References
    ----------
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.6.

    Examples
    --------
    >>> import mixtures as mx
    >>> prior = mx.priors.Gamma(2.0, [0.5, 0.1])
    """

    alpha: ArrayLike
    beta: ArrayLike

    def broadcast(self, n_features: int) -> "Gamma":
        """Check both hyperparameters against D features and give arrays of full shape."""
        alpha = _shaped(self.alpha, (n_features,), "alpha")
        beta = _shaped(self.beta, (n_features,), "beta")
        _positive(self, "alpha", alpha)
        _positive(self, "beta", beta)
        return Gamma(alpha, beta)

    def log_density(self, rate: Array) -> Array:
        """Log Gamma density of every entry of ``rate (..., D)``."""
        alpha, beta = np.asarray(self.alpha), np.asarray(self.beta)
        return np.asarray(xlogy(alpha, beta) - gammaln(alpha) + xlogy(alpha - 1, rate) - beta * rate)


@dataclass(frozen=True, eq=False, repr=False)
class Dirichlet(Prior):
    """Prior of the probabilities of an item's levels: an independent Dirichlet for every cluster and item.

    Parameters
    ----------
    concentration : array_like
        Prior counts, positive: a number for all levels, one for each item, shape (D,), or
        a sequence of the counts of its levels for each. Below 1 the posterior may have no
        finite mode: EM and MAP refuse it, sampling takes it.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.priors.Dirichlet(2.0)
    Dirichlet(concentration=2)
    >>> mx.priors.Dirichlet([[2.0, 2.0], [1.0, 2.0, 4.0]])  # 0: the first item has no third level
    Dirichlet(concentration=[[2, 2, 0], [1, 2, 4]])
    """

    concentration: ArrayLike

    axes: ClassVar[tuple[str, ...]] = ("feature", "level")

    def __post_init__(self) -> None:
        """Make one array of items with different numbers of levels, with 0 where there is no level."""
        rows = self.concentration
        if isinstance(rows, list | tuple) and rows and all(np.ndim(row) == 1 for row in rows):
            counts = [as_numbers(row, "prior concentration is not") for row in rows]
            longest = max(map(len, counts))
            padded = [np.concatenate([count, np.zeros(longest - len(count))]) for count in counts]
            object.__setattr__(self, "concentration", np.array(padded))

    def broadcast(self, levels: Sequence[int]) -> "Dirichlet":
        """Check the counts against the levels of the items; give an array (D, C) with 0 for no level."""
        exists = np.arange(max(levels)) < np.array(levels)[:, None]
        given = as_numbers(self.concentration, "prior concentration is not a number or")
        if given.ndim == 1 and given.size == len(levels):
            given = np.where(exists, given[:, None], 0)
        if given.ndim == 0 or given.size == 1:
            given = np.where(exists, float(given.ravel()[0]), 0)
        counts = _shaped(given, exists.shape, "concentration")
        _positive(self, "concentration", counts[exists])
        if counts[~exists].any():
            raise InputError("Dirichlet: concentration has counts for levels that the items do not have")
        return Dirichlet(counts)

    def in_order(self, places: Sequence[int]) -> Self:
        """The prior of items in another order."""
        counts = np.asarray(self.concentration)
        return self if counts.ndim == 0 else replace(self, concentration=counts[list(places)])

    def log_density(self, p: Array) -> Array:
        """Log Dirichlet density (...) of every item's probabilities ``p (..., C)``."""
        counts = np.asarray(self.concentration)
        exists = counts > 0
        kernel = xlogy(np.where(exists, counts - 1, 0), p).sum(axis=-1)
        normaliser = gammaln(counts.sum(axis=-1)) - np.where(
            exists, gammaln(np.where(exists, counts, 1)), 0
        ).sum(axis=-1)
        return np.asarray(kernel + normaliser)


def positive_definite(matrices: Array) -> bool:
    """Whether matrices (..., D, D) are symmetric and positive definite, in any units."""
    variances = np.diagonal(matrices, axis1=-2, axis2=-1)
    if not (variances > 0).all():
        return False
    sd = np.sqrt(variances)
    correlation = matrices / sd[..., :, None] / sd[..., None, :]
    symmetric = np.allclose(correlation, correlation.swapaxes(-1, -2))
    return bool(symmetric and (np.linalg.eigvalsh(correlation) > 0).all())


def _shaped(value: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    array = as_numbers(value, f"prior {name} is not a number or")
    if array.size == 1:
        array = array.reshape(())
    if array.ndim and array.shape != shape:
        raise InputError(f"prior {name} has shape {array.shape}; the data ask for {shape} or a scalar")
    if array.ndim == 0 and len(shape) == 2 and shape != (1, 1):
        raise InputError(f"prior {name} is a scalar; the data ask for shape {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"prior {name} is not finite: {array}")
    return np.broadcast_to(array, shape).copy()


def _positive(prior: object, name: str, value: ArrayLike) -> None:
    if not np.all(np.asarray(value) > 0):
        raise InputError(f"{type(prior).__name__}: {name} must be positive, got {np.asarray(value)}")
