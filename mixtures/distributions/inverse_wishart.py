"""The inverse-Wishart distribution, a density over the covariance matrix itself."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.distribution import Continuous
from pymc.distributions.transforms import CholeskyCovTransform, _default_transform
from pytensor.tensor.random.op import RandomVariable

from mixtures.distributions.transforms import (
    LogCholesky,
    as_floats,
    has_positive_diagonal,
    log_det,
    whitened,
)

__all__ = ["InverseWishart"]


class InverseWishartRV(RandomVariable):
    """Random covariance matrices: the inverse of a Wishart draw (Bartlett)."""

    name = "InverseWishart"
    signature = "(),(d,d)->(d,d)"
    dtype = "floatX"
    _print_name = ("InverseWishart", "\\operatorname{InverseWishart}")

    @classmethod
    def rng_fn(
        cls, rng: np.random.Generator, nu: np.ndarray, Psi: np.ndarray, size: tuple[int, ...] | None
    ) -> np.ndarray:
        """Draw ``L_Psi A^-T A^-1 L_Psi'`` with ``A`` the Bartlett factor of a unit Wishart."""
        dim = Psi.shape[-1]
        batch = np.broadcast_shapes(nu.shape, Psi.shape[:-2]) if size is None else tuple(size)
        A = np.tril(rng.standard_normal((*batch, dim, dim)), -1)
        degrees = np.broadcast_to(nu, batch)[..., None] - np.arange(dim)
        A[..., np.arange(dim), np.arange(dim)] = np.sqrt(rng.chisquare(degrees))
        root = np.linalg.cholesky(Psi) @ np.linalg.inv(A).swapaxes(-1, -2)
        return root @ root.swapaxes(-1, -2)


class InverseWishart(Continuous):
    r"""Inverse-Wishart distribution over symmetric positive-definite matrices.

    .. math::

       f(\Sigma \mid \nu, \Psi) = \frac{|\Psi|^{\nu/2}}{2^{\nu D/2}\,\Gamma_D(\nu/2)}
           |\Sigma|^{-(\nu + D + 1)/2}
           \exp\left\{-\tfrac12 \operatorname{tr}(\Psi \Sigma^{-1})\right\}

    ========  ==================================================
    Support   :math:`\Sigma`, a (D, D) positive-definite matrix
    Mean      :math:`\Psi / (\nu - D - 1)` for :math:`\nu > D + 1`
    Mode      :math:`\Psi / (\nu + D + 1)`
    ========  ==================================================

    The density is over ``Sigma``, so its mode is the one that EM with a conjugate
    prior reaches; sampling uses the log-Cholesky transform.

    Parameters
    ----------
    nu : tensor_like of float, shape (...)
        Degrees of freedom, ``nu > D - 1``.
    Psi : tensor_like of float, shape (..., D, D)
        Positive-definite scale matrix.

    References
    ----------
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., appendix A.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> with pm.Model(coords={"cluster": range(3)}):
    ...     Sigma = mx.InverseWishart("Sigma", nu=4.0, Psi=np.eye(2), shape=(3, 2, 2))
    """

    rv_type = InverseWishartRV
    rv_op = InverseWishartRV()

    @classmethod
    def dist(cls, nu: Any, Psi: Any, **kwargs: Any) -> Any:
        """Create an unnamed inverse-Wishart variable."""
        return super().dist([as_floats(nu), as_floats(Psi)], **kwargs)

    def support_point(rv: Any, size: Any, nu: Any, Psi: Any) -> Any:  # noqa: D102 (PyMC's convention)
        mode = Psi / (nu[..., None, None] + Psi.shape[-1] + 1)
        return pt.broadcast_to(mode, rv.shape)

    def logp(Sigma: Any, nu: Any, Psi: Any) -> Any:  # noqa: D102
        dim = Psi.shape[-1]
        chol = pt.linalg.cholesky(Sigma)
        multigammaln = (
            pt.gammaln(nu[..., None] / 2 - pt.arange(dim) / 2).sum(-1) + dim * (dim - 1) * np.log(np.pi) / 4
        )
        scale = pt.linalg.cholesky(Psi)
        trace, half_log_det = whitened(chol, scale)
        density = (
            nu * log_det(scale)
            - (nu + dim + 1) * half_log_det
            - trace / 2
            - nu * dim * np.log(2) / 2
            - multigammaln
        )
        positive_definite = pt.switch(pt.isnan(half_log_det), -np.inf, density)
        proper = check_parameters(
            positive_definite, has_positive_diagonal(scale), msg="positive-definite Psi"
        )
        return check_parameters(proper, nu > dim - 1, msg="nu > D - 1")


@_default_transform.register(InverseWishartRV)
def inverse_wishart_default_transform(op: InverseWishartRV, rv: Any) -> CholeskyCovTransform:
    """Sample the log-Cholesky factor."""
    dim = rv.type.shape[-1]
    if dim is not None:
        return LogCholesky(dim)
    *_, Psi = rv.owner.inputs
    return CholeskyCovTransform(Psi.shape[-1])
