"""Symbolic algebra, written one way so that graphs share it."""

from typing import Any

import pytensor.tensor as pt

__all__ = ["as_floats", "inverse_cholesky", "log_det"]


def as_floats(x: Any) -> Any:
    """Tensor of ``x`` in full precision: PyTensor reads 1.5 as float32, its log-gamma too."""
    return pt.as_tensor_variable(x).astype("floatX")


def inverse_cholesky(chol: Any) -> Any:
    """Inverse of lower Cholesky factors (..., D, D)."""
    return pt.linalg.solve_triangular(chol, pt.eye(chol.shape[-1]), lower=True, b_ndim=2)


def log_det(chol: Any) -> Any:
    """Log determinant of a lower Cholesky factor: half that of its matrix."""
    return pt.log(pt.diagonal(chol, axis1=-2, axis2=-1)).sum(-1)
