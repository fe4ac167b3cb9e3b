"""Symbolic algebra, written one way so that graphs share it."""

from typing import Any

import numpy as np
import pytensor.tensor as pt

__all__ = [
    "IMPOSSIBLE",
    "as_floats",
    "floored",
    "has_positive_diagonal",
    "inverse_cholesky",
    "log_det",
    "middle",
    "unfloored",
]

IMPOSSIBLE = np.float64(-1e300)
"""Stands for log 0, which a matrix product would turn into NaN where it meets a 0."""


def as_floats(x: Any) -> Any:
    """Tensor of ``x`` in full precision: PyTensor reads 1.5 as float32, its log-gamma too."""
    return pt.as_tensor_variable(x).astype("floatX")


def inverse_cholesky(chol: Any) -> Any:
    """Inverse of lower Cholesky factors (..., D, D)."""
    return pt.linalg.solve_triangular(chol, pt.eye(chol.shape[-1]), lower=True, b_ndim=2)


def log_det(chol: Any) -> Any:
    """Log determinant of a lower Cholesky factor: half that of its matrix."""
    return pt.log(pt.diagonal(chol, axis1=-2, axis2=-1)).sum(-1)


def floored(log: Any) -> Any:
    """Logarithms of probabilities, IMPOSSIBLE for log 0, with no gradient there.

    It asks the logarithm, not the probability: that of ``sigmoid(x)`` is rewritten
    and stays right where ``sigmoid(x)`` rounds to 0.
    """
    return pt.switch(pt.eq(log, -np.inf), IMPOSSIBLE, log)


def unfloored(log: Any) -> Any:
    """Sums of what `floored` gave, minus infinity again where any of it was log 0."""
    return pt.switch(pt.lt(log, IMPOSSIBLE / 10), -np.inf, log)


def middle(x: Any) -> Any:
    """A row (D,) among the rows ``x (n, D)`` in every column, which rows far off do not move as a mean."""
    return x[0] if x.type.shape[0] == 1 else pt.sort(x, axis=0)[x.shape[0] // 2]


def has_positive_diagonal(chol: Any) -> Any:
    """Whether Cholesky factors are those of positive-definite matrices; others have NaN."""
    return pt.gt(pt.diagonal(chol, axis1=-2, axis2=-1), 0)
