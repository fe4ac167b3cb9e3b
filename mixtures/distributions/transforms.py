"""Unconstrained coordinates of order one, whatever the units of the data."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pymc.distributions.transforms import Chain, CholeskyCovTransform
from pymc.logprob.transforms import LogTransform, Transform

__all__ = ["LogCholesky", "Standardise", "log_cholesky", "log_variance"]


class Standardise(Transform):
    """``(x - location) / scale`` along the last axis.

    Parameters
    ----------
    location, scale : array_like
        Broadcast against the last axes of the value.
    """

    name = "standardise"
    ndim_supp = 1

    def __init__(self, location: ArrayLike, scale: ArrayLike) -> None:
        self.location = pt.as_tensor_variable(np.asarray(location, dtype=np.float64))
        self.scale = pt.as_tensor_variable(np.asarray(scale, dtype=np.float64))

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Standardise."""
        return (value - self.location) / self.scale

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Return to the user's units."""
        return self.location + self.scale * value

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log scale, summed over the last axis."""
        return pt.broadcast_to(pt.log(self.scale), value.shape).sum(-1)


class LogCholesky(CholeskyCovTransform):
    """PyMC's log-Cholesky transform, its index arrays constants so that shapes stay static.

    Parameters
    ----------
    n : int
        Number of rows of the matrix.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.diag_idxs = np.arange(1, n + 1).cumsum() - 1
        self.tril_idxs = np.tril_indices(n)


def log_cholesky(unit: np.ndarray) -> Transform:
    """Covariance matrix to its packed log-Cholesky factor, features measured in ``unit (D,)``."""
    row, column = np.tril_indices(len(unit))
    on_diagonal = row == column
    packed = Standardise(np.where(on_diagonal, np.log(unit[row]), 0), np.where(on_diagonal, 1, unit[row]))
    return Chain([LogCholesky(len(unit)), packed])


def log_variance(unit: np.ndarray | float) -> Transform:
    """Variances to their logs, standard deviations measured in ``unit``."""
    return Chain([LogTransform(), Standardise(2 * np.log(unit), 1.0)])
