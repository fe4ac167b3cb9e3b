"""Gaussian mixtures as one PyMC distribution, whatever the covariance structure."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, ClassVar

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Constant

from mixtures.data.table import Data
from mixtures.distributions.components import declare_components
from mixtures.distributions.conjugate_normal import ConjugateNormal
from mixtures.distributions.inverse_wishart import InverseWishart
from mixtures.distributions.marginal import MarginalMixture, MarginalMixtureRV
from mixtures.distributions.missing import Cells
from mixtures.distributions.steps import Slopes, Step
from mixtures.distributions.transforms import (
    Standardise,
    as_entries,
    as_floats,
    has_positive_diagonal,
    inverse_cholesky,
    log_cholesky,
    log_det,
    log_variance,
    middle,
)
from mixtures.families.covariance import Dense
from mixtures.families.gaussian import Gaussian
from mixtures.families.parameters import Parameter, shapes_of
from mixtures.families.priors import NormalInverseGamma, NormalInverseWishart
from mixtures.families.structure import Covariance
from mixtures.families.variances import Independent

__all__ = ["GaussianMixture"]

MANY_PRODUCTS = 8
"""Features per cluster, less 3, from which there are so many products of pairs that whitening is faster."""


class DenseRowsSlopes(Slopes):
    """Gradient of `DenseRows`."""


class DenseRows(Step):
    """Log densities (n,) of rows at log weights, means and Cholesky factors."""

    slopes = DenseRowsSlopes


class IndependentRowsSlopes(Slopes):
    """Gradient of `IndependentRows`."""


class IndependentRows(Step):
    """Log densities (n,) of rows at log weights, means and standard deviations."""

    slopes = IndependentRowsSlopes


class GaussianMixtureRV(MarginalMixtureRV):
    """Gaussian mixture rows; ``chol`` holds lower Cholesky factors."""

    name = "GaussianMixture"
    rows: ClassVar[type[Step]] = DenseRows
    signature = "(k),(k,d),(k,d,d)->(d)"
    _print_name = ("GaussianMixture", "\\operatorname{GaussianMixture}")

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """``mu + L eps``."""
        mu, chol = theta
        return mu + (chol @ rng.standard_normal(mu.shape)[..., None])[..., 0]

    @staticmethod
    def log_density(x: Any, *theta: Any) -> Any:
        """Whiten by one matrix product, ``L_k^-1 x - L_k^-1 mu_k`` for all k at once.

        Rows are centred first, so the difference loses no more than eps times
        the spread of the data in units of the cluster's own standard deviation.
        """
        mu, chol = theta
        k, dim = mu.shape
        centre = middle(x)
        inverse = inverse_cholesky(chol)
        projected = (inverse.reshape((k * dim, dim)) @ (x - centre).T).reshape((k, dim, x.shape[0]))
        residuals = projected - inverse @ (mu - centre)[:, :, None]
        return _normal_log_density(residuals, log_det(chol))

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """``N(x_o | mu_o, Sigma_oo)``, by one factor a pattern and cluster.

        The block of the observed columns is embedded in the identity. Rows are
        multiplied block by block, each block of one pattern.
        """
        mu, chol = theta
        layout, (k, dim) = cells.laid_out, mu.shape
        seen = layout.patterns[:, None, :]
        pairs = seen[..., None] * seen[..., None, :]
        factor = pt.linalg.cholesky(pairs * (chol @ chol.mT) + pt.eye(dim) * (1 - seen)[..., None])
        constant = log_det(factor) + seen.sum(axis=-1) * np.log(2 * np.pi) / 2
        pattern = layout.of_block
        z = x[layout.rows].dimshuffle(0, 2, 1)[:, None] - mu[:, :, None]
        whitened = inverse_cholesky(factor)[pattern] @ (seen[pattern][..., None] * z)
        blocks = -(whitened**2).sum(axis=-2) / 2 - constant[pattern][..., None]
        by_cluster = blocks.dimshuffle(1, 0, 2).reshape((k, -1))
        return by_cluster[:, layout.places]

    @staticmethod
    def natural(x: Any, *theta: Any) -> tuple[Any, Any, Any] | None:
        """``P mu`` on ``z`` and entries of ``-P`` on ``z_i z_j``, in standardised units; ``P = Sigma^-1``."""
        mu, chol = theta
        k, dim = mu.type.shape
        if None in (k, dim) or dim + 3 > MANY_PRODUCTS * k:
            return None
        z, mu, unit = _standardised(x, mu)
        i, j = np.triu_indices(dim)
        inverse = inverse_cholesky(chol) * unit
        precision = inverse.mT @ inverse
        linear = (precision @ mu[..., None])[..., 0]
        quadratic = -precision[:, i, j] * np.where(i == j, 0.5, 1.0)
        eta, phi = pt.concatenate([linear, quadratic], axis=1), pt.concatenate([z, z[i] * z[j]])
        return _log_normaliser(linear, mu, log_det(chol)), eta, phi

    @staticmethod
    def support(x: Any) -> tuple[Any, Any]:
        """Finite rows; NaN stays NaN."""
        infinite = pt.isinf(x)
        return pt.switch(infinite, 0.0, x), ~infinite.any(axis=-1)

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Cholesky factors must be those of positive-definite matrices."""
        return {"positive-definite Sigma": has_positive_diagonal(theta[1])}

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """Mean of the mixture."""
        return (alpha[..., None] * theta[0]).sum(axis=-2)


class DiagonalGaussianMixtureRV(GaussianMixtureRV):
    """Gaussian mixture rows with independent features; ``sd`` holds standard deviations."""

    signature = "(k),(k,d),(k,d)->(d)"
    rows = IndependentRows

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """``mu + sd eps``."""
        mu, sd = theta
        return mu + sd * rng.standard_normal(mu.shape)

    @staticmethod
    def log_density(x: Any, *theta: Any) -> Any:
        """Whiten by ``(x - mu_k) / sd_k``."""
        mu, sd = theta
        residuals = (x.T[None, :, :] - mu[:, :, None]) / sd[:, :, None]
        return _normal_log_density(residuals, pt.log(sd).sum(-1))

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """The same, the factors of missing cells left out."""
        mu, sd = theta
        seen = cells.seen.T.astype("floatX")
        whitened = seen[None] * (x.T[None, :, :] - mu[:, :, None]) / sd[:, :, None]
        return -(whitened**2).sum(axis=1) / 2 - (pt.log(sd) + np.log(2 * np.pi) / 2) @ seen

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Standard deviations must be positive."""
        return {"sigma2 > 0": pt.gt(theta[1], 0)}

    @staticmethod
    def natural(x: Any, *theta: Any) -> tuple[Any, Any, Any]:
        """``mu / sd^2`` on ``z`` and ``-1 / (2 sd^2)`` on ``z^2``, in standardised units."""
        mu, sd = theta
        z, mu, unit = _standardised(x, mu)
        precision = (unit / sd) ** 2
        eta = pt.concatenate([precision * mu, -precision / 2], axis=1)
        return _log_normaliser(precision * mu, mu, pt.log(sd).sum(-1)), eta, pt.concatenate([z, z**2])


def _standardised(x: Any, mu: Any) -> tuple[Any, Any, Any]:
    """Rows (D, n) and means (K, D), centred and divided by their scales, and the scales (D,)."""
    centre, unit = middle(x), x.std(axis=0)
    unit = pt.switch(unit > 0, unit, 1.0)
    return ((x - centre) / unit).T, (mu - centre) / unit, unit


def _log_normaliser(linear: Any, mu: Any, log_det: Any) -> Any:
    """The terms of a normal log density without rows (K,): ``-mu' P mu / 2 - log |L| - D/2 log 2 pi``."""
    return -(linear * mu).sum(-1) / 2 - log_det - mu.shape[1] * np.log(2 * np.pi) / 2


def _normal_log_density(residuals: Any, log_det: Any) -> Any:
    """Component log densities (K, n) from whitened residuals (K, D, n) and ``log |L_k|``."""
    constant = log_det + residuals.shape[1] * np.log(2 * np.pi) / 2
    return -(residuals**2).sum(axis=1) / 2 - constant[:, None]


class GaussianMixture(MarginalMixture):
    r"""Mixture of K Gaussians over rows of D features, the hidden cluster summed out.

    .. math::

       f(x \mid \alpha, \mu, \Sigma) = \sum_{k=1}^K \alpha_k\,
           \mathcal N(x \mid \mu_k, \Sigma_k)

    One draw is a whole row: the log-likelihood has one value per row, not one per
    cell. Give exactly one of ``Sigma``, ``chol`` and ``sigma2``.

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    mu : tensor_like of float, shape (..., K, D)
        Means, in the units of the data.
    Sigma : tensor_like of float, shape (..., K, D, D) or (D, D)
        Covariance matrices, or one shared by all clusters.
    chol : tensor_like of float, shape (..., K, D, D) or (D, D)
        Lower Cholesky factors of the covariances instead.
    sigma2 : tensor_like of float, shape (..., K, D), (1, D), (K,) or ()
        Variances instead: by cluster and feature, by feature, by cluster
        (spherical), or one.
    **kwargs
        As for any PyMC distribution: ``observed``, ``dims``, ``shape``, ... Cells that
        are NaN or masked in ``observed`` are integrated out, on the assumption that
        they are missing at random: the log-likelihood of a row is that of its observed
        cells, and PyMC makes no variables of the others. ``labels (n,)`` are known clusters
        of the observed rows, -1 or NaN where not known: the log-likelihood of a labelled row is
        its joint log density with its cluster.

    Raises
    ------
    ValueError
        If not exactly one of the three covariances is given, ``mu`` has no feature axis, shapes do
        not fit, or numbers for ``Sigma`` are not symmetric or for ``chol`` not lower triangular.
    InputError
        If ``observed`` has infinite cells; names their rows and columns.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.2.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> X = np.random.default_rng(1).normal(size=(20, 2))
    >>> with pm.Model() as model:
    ...     alpha = pm.Dirichlet("alpha", np.ones(2))
    ...     mu = pm.Normal("mu", 0, 10, shape=(2, 2))
    ...     sigma2 = pm.InverseGamma("sigma2", 2, 1, shape=(2, 2))
    ...     x = mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=sigma2, observed=X)
    """

    @staticmethod
    def rv_op(alpha: Any, mu: Any, scale: Any, *, dense: bool, rng: Any = None, **kwargs: Any) -> Any:
        """Build the random rows; ``scale`` holds Cholesky factors if dense, else standard deviations."""
        op = GaussianMixtureRV() if dense else DiagonalGaussianMixtureRV()
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        return op(alpha, mu, scale, rng=rng, return_next_rng=True, **kwargs)[1]

    @classmethod
    def dist(
        cls, alpha: Any, mu: Any, Sigma: Any = None, *, chol: Any = None, sigma2: Any = None, **kwargs: Any
    ) -> Any:
        """Create an unnamed Gaussian mixture variable."""
        if sum(x is not None for x in (Sigma, chol, sigma2)) != 1:
            raise ValueError("GaussianMixture takes exactly one of Sigma, chol and sigma2")
        _check_matrices(Sigma=Sigma, chol=chol)
        mu = pt.as_tensor_variable(mu)
        if mu.ndim < 2:
            raise ValueError("mu must have shape (..., K, D); with one feature pass mu[:, None]")
        if sigma2 is not None:
            sigma2 = as_floats(sigma2)
            by_feature = sigma2[:, None] if sigma2.ndim == 1 else sigma2
            scale = _like(mu, pt.sqrt(by_feature), "sigma2", "(..., K, D), (1, D), (K,) or ()")
        else:
            scale = pt.linalg.cholesky(Sigma) if chol is None else pt.as_tensor_variable(chol)
            if scale.ndim == 2:
                scale = _like(mu[..., None], scale, "Sigma or chol", "(..., K, D, D) or (D, D)")
        return super().dist(alpha, mu, scale, dense=sigma2 is None, **kwargs)


def _like(mu: Any, scale: Any, name: str, shapes: str) -> Any:
    """A scale for every entry of the means; refused if it does not broadcast to them."""
    try:
        return pt.broadcast_arrays(scale, mu)[0]
    except ValueError as error:
        raise ValueError(
            f"GaussianMixture: {name} must have shape {shapes}, for mu (..., K, D): {error}"
        ) from None


def _as_numbers(x: Any) -> np.ndarray:
    """The numbers of an array, a list or a constant; a scalar in place of what a model computes."""
    tensor = pt.as_tensor_variable(x)
    return np.asarray(tensor.data) if isinstance(tensor, Constant) else np.zeros(())


def _check_matrices(**matrices: Any) -> None:
    """Refuse numbers of which only one triangle would be read."""
    for name, given in matrices.items():
        x = np.zeros(()) if given is None else _as_numbers(given)
        if x.ndim > 1 and x.shape[-1] == x.shape[-2]:
            other = np.swapaxes(x, -1, -2) if name == "Sigma" else np.tril(x)
            if not np.allclose(x, other, atol=1e-8 * np.abs(x).max(initial=0)):
                kind = "symmetric" if name == "Sigma" else "lower triangular"
                raise ValueError(f"GaussianMixture: {name} must be {kind}")


@declare_components.register
def declare_gaussian(
    family: Gaussian, data: Data, n_components: int, named: Mapping[str, Parameter]
) -> tuple[Any, dict[str, Any]]:
    """Normal-inverse-Wishart or normal-inverse-gamma priors."""
    location, unit = family.units(data)
    shapes = shapes_of(family.parameters, family.sizes(n_components, len(unit)))
    means, name = named["mu"], family.covariance.parameter
    mu = {
        "name": means.name,
        "shape": shapes["mu"],
        "dims": means.dims,
        "default_transform": Standardise(location, unit),
    }
    spread = {"name": named[name].name, "shape": shapes[name], "dims": named[name].dims}
    return GaussianMixture, declare_moments(family.covariance, family.prior, unit, mu, spread)


@singledispatch
def declare_moments(
    structure: Covariance, prior: Any, unit: np.ndarray, mu: dict[str, Any], spread: dict[str, Any]
) -> dict[str, Any]:
    """Declare covariances, as ``spread`` says, and means given them, for `GaussianMixture`."""
    raise NotImplementedError(f"{type(structure).__name__} is not registered with declare_moments")


@declare_moments.register
def declare_dense(
    structure: Dense,
    prior: NormalInverseWishart | None,
    unit: np.ndarray,
    mu: dict[str, Any],
    spread: dict[str, Any],
) -> dict[str, Any]:
    """``Sigma ~ IW(nu, Psi)``, ``mu | Sigma ~ N(m, Sigma / kappa)``; both flat without a prior."""
    matrices = {**spread, "default_transform": log_cholesky(unit)}
    if prior is None:
        chol = pt.linalg.cholesky(pm.Flat(**matrices))
        return {"mu": pm.Flat(**mu), "chol": chol}
    chol = pt.linalg.cholesky(InverseWishart(nu=prior.nu, Psi=prior.Psi, **matrices))
    return {"mu": ConjugateNormal(mean=prior.mean, chol=chol, kappa=prior.kappa, **mu), "chol": chol}


@declare_moments.register
def declare_independent(
    structure: Independent,
    prior: NormalInverseGamma | None,
    unit: np.ndarray,
    mu: dict[str, Any],
    spread: dict[str, Any],
) -> dict[str, Any]:
    """``sigma2 ~ IG(nu / 2, psi / 2)``, ``mu | sigma2 ~ N(m, sigma2 / kappa)``; both flat without a prior."""
    free = log_variance(unit if "feature" in structure.dims else unit[0])
    variances = {**spread, "default_transform": free}
    if prior is None:
        sigma2 = pm.Flat(**variances)
        return {"mu": pm.Flat(**mu), "sigma2": _of_every_cluster(structure, sigma2)}
    half_nu, half_psi = as_floats(prior.nu / 2), as_entries(np.asarray(prior.psi) / 2)
    sigma2 = pm.InverseGamma(alpha=half_nu, beta=half_psi, **variances)
    full = _of_every_cluster(structure, sigma2)
    return {"mu": pm.Normal(mu=prior.mean, sigma=pt.sqrt(full / prior.kappa), **mu), "sigma2": full}


def _of_every_cluster(structure: Independent, sigma2: Any) -> Any:
    """Variances with axes for cluster and feature, of length one where they are shared."""
    missing = [axis for axis, dim in enumerate(("cluster", "feature")) if dim not in structure.dims]
    return pt.expand_dims(sigma2, missing)
