"""Symbolic algebra, written one way so that graphs share it."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pymc.distributions.transforms import Chain, CholeskyCovTransform
from pymc.logprob.transforms import LogTransform, SimplexTransform, Transform
from pytensor.graph.basic import Apply
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.rewriting.basic import register_canonicalize, register_stabilize
from pytensor.tensor.rewriting.blockwise import blockwise_of

from mixtures.distributions.steps import Loop, Slopes, Step, step

__all__ = [
    "IMPOSSIBLE",
    "FromFactor",
    "FromFactorSlopes",
    "LogCholesky",
    "LogSimplex",
    "LogSimplexSlopes",
    "LowerFactor",
    "LowerFactorSlopes",
    "PackedFactor",
    "PositiveDiagonals",
    "Shift",
    "Simplex",
    "Standardise",
    "Whitened",
    "WhitenedSlopes",
    "as_entries",
    "as_floats",
    "floored",
    "has_positive_diagonal",
    "inverse_cholesky",
    "log_cholesky",
    "log_det",
    "log_variance",
    "middle",
    "unfloored",
    "whitened",
]

IMPOSSIBLE = np.float64(-1e300)
"""Replaces log 0, which a matrix product would turn into NaN when multiplied by 0."""


def as_floats(x: Any) -> Any:
    """Tensor of ``x`` in double precision: PyTensor would read 1.5, and compute its log-gamma, in float32."""
    return pt.as_tensor_variable(x).astype("floatX")


def as_entries(x: ArrayLike) -> Any:
    """Tensor of numbers that depend on the data; a single one is the entry of a vector.

    Arrays are inputs of a compiled density, whereas a single number would be a part of it.
    """
    values = np.asarray(x, dtype=np.float64)
    return pt.as_tensor_variable(values) if values.ndim else pt.as_tensor_variable(values[None])[0]


class LowerFactorSlopes(Slopes):
    """Gradient of a `LowerFactor`."""


class LowerFactor(Step):
    """Lower Cholesky factors (m, D, D) of packed entries (m, D (D + 1) / 2), and the log Jacobians (m,)."""

    slopes = LowerFactorSlopes


class PackedFactor(Step):
    """Packed log-Cholesky factors (m, D (D + 1) / 2) of covariance matrices (m, D, D)."""


class PositiveDiagonals(Step):
    """Whether all Cholesky factors (m, D, D) have positive diagonals."""


class FromFactorSlopes(Slopes):
    """Gradient of a `FromFactor`."""


class FromFactor(Step):
    """Covariance matrices ``L L'`` of lower Cholesky factors ``L (m, D, D)``."""

    slopes = FromFactorSlopes


@register_canonicalize
@register_stabilize
@node_rewriter([blockwise_of(Cholesky)])
def cholesky_from_factor(fgraph: Any, node: Apply) -> list[Any] | None:
    """Replace the Cholesky factor of ``L L'`` by ``L``."""
    made_by = node.inputs[0].owner
    if made_by is None or not node.op.core_op.lower:
        return None
    kind = made_by.op.kind if isinstance(made_by.op, Loop) else type(made_by.op)
    return list(made_by.inputs) if kind is FromFactor else None


class LogSimplexSlopes(Slopes):
    """Gradient of a `LogSimplex`."""


class LogSimplex(Step):
    """Log weights (K,) at the coordinates (K - 1,) of `Simplex`."""

    slopes = LogSimplexSlopes


class WhitenedSlopes(Slopes):
    """Gradient of a `Whitened`."""


class Whitened(Step):
    """Sums of squares (m,) of ``L^-1 b (m, D, M)`` and log determinants (m,) of ``L (m, D, D)``."""

    slopes = WhitenedSlopes


def whitened(chol: Any, b: Any) -> tuple[Any, Any]:
    """Sum of squares (...) of ``L^-1 b``, and the log determinant (...) of ``L``.

    ``chol (..., D, D)`` and ``b (..., D, M)`` are broadcast against each other.
    """

    def graph(chol: Any, b: Any) -> tuple[Any, Any]:
        return ((inverse_cholesky(chol) @ b) ** 2).sum(axis=(-2, -1)), log_det(chol)

    matrices = _broadcast(chol, b)
    match matrices[0].ndim:
        case 2:
            return tuple(v[0] for v in step(Whitened, graph, *(m[None] for m in matrices)))
        case 3:
            return tuple(step(Whitened, graph, *matrices))
        case _:
            return graph(*matrices)


def _broadcast(*matrices: Any) -> list[Any]:
    """Give all matrices the same batch axes."""
    batches = [m.type.shape[:-2] for m in matrices]
    if len(set(batches)) == 1 and None not in batches[0]:
        return list(matrices)
    batch = _lengths(pt.broadcast_arrays(*(m[..., 0, 0] for m in matrices))[0])
    return [pt.broadcast_to(m, (*batch, *_lengths(m)[-2:])) for m in matrices]


def _lengths(x: Any) -> list[Any]:
    """Lengths of the axes, as numbers where they are known."""
    return [x.shape[i] if length is None else length for i, length in enumerate(x.type.shape)]


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

    def graph(chol: Any) -> Any:
        return pt.gt(pt.diagonal(chol, axis1=-2, axis2=-1), 0).all()

    return step(PositiveDiagonals, graph, chol) if chol.ndim == 3 else graph(chol)


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


class Shift(Transform):
    """``x - location``, number by number.

    Parameters
    ----------
    location : array_like
        Broadcast against the last axes of the value.
    """

    name = "shift"
    ndim_supp = 0

    def __init__(self, location: ArrayLike) -> None:
        self.location = as_entries(location)

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Shift."""
        return value - self.location

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Shift back."""
        return self.location + value

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Nothing is stretched."""
        return pt.zeros_like(value)


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

    def backward(self, value: Any, *inputs: Any) -> Any:
        """``L L'``."""
        factor, _ = self._factor(value)
        factor.tag.lower_triangular = True  # so that PyTensor knows the Cholesky factor of L L'
        return _batched(FromFactor, lambda factor: factor @ factor.mT, factor, core=2)

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Packed log-Cholesky factor."""
        return _batched(PackedFactor, super().forward, pt.as_tensor_variable(value), core=2)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """``D log 2 + sum_i (D - i + 2) log L_ii``, i = 1..D."""
        return self._factor(value)[1]

    def _factor(self, value: Any) -> Any:
        """Lower Cholesky factor (..., n, n) of its packed entries, and the log Jacobian (...)."""
        on_diagonal = (..., self.diag_idxs)
        powers = np.arange(self.n + 1.0, 1, -1)

        def graph(value: Any) -> tuple[Any, Any]:
            entries = value[on_diagonal].set(pt.exp(value[on_diagonal]))
            empty = pt.zeros((*value.shape[:-1], self.n, self.n))
            return empty[(..., *self.tril_idxs)].set(entries), self.n * np.log(2) + (
                powers * value[on_diagonal]
            ).sum(axis=-1)

        return _batched(LowerFactor, graph, pt.as_tensor_variable(value), core=1)


def _batched(kind: type[Step], graph: Any, x: Any, core: int) -> Any:
    """Step of values with one batch axis; with none, one is added; with more, the graph itself."""
    match x.ndim - core:
        case 0:
            found = step(kind, graph, x[None])
            return tuple(v[0] for v in found) if isinstance(found, list | tuple) else found[0]
        case 1:
            return step(kind, graph, x)
        case _:
            return graph(x)


class Simplex(SimplexTransform):
    """PyMC's simplex transform written with log weights, which the density and the Jacobian share."""

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Softmax of the coordinates and minus their sum."""
        return pt.exp(_log_simplex(value))

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """``log K + sum_k log alpha_k``."""
        return np.log(value.type.shape[-1] + 1) + _log_simplex(value).sum(axis=-1)


def _log_simplex(value: Any) -> Any:
    """Log weights (..., K) at coordinates (..., K - 1)."""

    def graph(value: Any) -> Any:
        all_of_them = pt.concatenate([value, -value.sum(axis=-1, keepdims=True)], axis=-1)
        return all_of_them - pt.logsumexp(all_of_them, axis=-1, keepdims=True)

    value = pt.as_tensor_variable(value)
    return step(LogSimplex, graph, value) if value.ndim == 1 else graph(value)


def log_cholesky(unit: np.ndarray) -> Transform:
    """Covariance matrix to its packed log-Cholesky factor, features measured in ``unit (D,)``."""
    row, column = np.tril_indices(len(unit))
    on_diagonal = row == column
    packed = Standardise(np.where(on_diagonal, np.log(unit[row]), 0), np.where(on_diagonal, 1, unit[row]))
    return Chain([LogCholesky(len(unit)), packed])


def log_variance(unit: np.ndarray | float) -> Transform:
    """Variances to their logs, standard deviations measured in ``unit``."""
    return Chain([LogTransform(), Shift(2 * np.log(unit))])
