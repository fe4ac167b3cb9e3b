"""Symbolic algebra, written one way so that graphs share it."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pymc.distributions.transforms import Chain, CholeskyCovTransform
from pymc.logprob.transforms import LogTransform, Transform

__all__ = [
    "IMPOSSIBLE",
    "LogCholesky",
    "Standardise",
    "as_floats",
    "floored",
    "has_positive_diagonal",
    "inverse_cholesky",
    "log_cholesky",
    "log_det",
    "log_variance",
    "middle",
    "unfloored",
]

IMPOSSIBLE = np.float64(-1e300)
"""Replaces log 0, which a matrix product would turn into NaN when multiplied by 0."""


def as_floats(x: Any) -> Any:
    """Tensor of ``x`` in double precision: PyTensor would read 1.5, and compute its log-gamma, in float32."""
    return pt.as_tensor_variable(x).astype("floatX")


def inverse_cholesky(chol: Any) -> Any:
    """Inverse of lower Cholesky factors (..., D, D)."""
    return pt.linalg.solve_triangular(chol, pt.eye(chol.shape[-1]), lower=True, b_ndim=2)


def log_det(chol: Any) -> Any:
    """Log determinant of a lower Cholesky factor: half that of its matrix."""
    return pt.log(pt.diagonal(chol, axis1=-2, axis2=-1)).sum(-1)


def floored(log: Any) -> Any:
    """Replace log 0 by IMPOSSIBLE, with no gradient there.

    The logarithm is tested, not the probability: PyTensor rewrites ``log(sigmoid(x))``,
    which stays accurate where ``sigmoid(x)`` rounds to 0.
    """
    return pt.switch(pt.eq(log, -np.inf), IMPOSSIBLE, log)


def unfloored(log: Any) -> Any:
    """Restore minus infinity in sums of `floored` logarithms if any of them was log 0."""
    return pt.switch(pt.lt(log, IMPOSSIBLE / 10), -np.inf, log)


def middle(x: Any) -> Any:
    """Return a median of every column of ``x (n, D)``, which is robust to outliers, unlike the mean."""
    return x[0] if x.type.shape[0] == 1 else pt.sort(x, axis=0)[x.shape[0] // 2]


def has_positive_diagonal(chol: Any) -> Any:
    """Whether Cholesky factors belong to positive-definite matrices; others contain NaN."""
    return pt.gt(pt.diagonal(chol, axis1=-2, axis2=-1), 0)


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
