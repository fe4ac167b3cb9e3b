"""A log density as JAX functions of one flat vector: values, gradients, Hessians."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixtures.density.lowering import JaxFunction, remembered

__all__ = [
    "arrays_as_inputs",
    "gradient_of",
    "hessian_of",
    "log_density_of",
    "one_by_one",
    "over_vectors",
    "slopes_of",
]

HESSIAN_BATCH = 16
"""Columns of a Hessian computed at once, which bounds its memory."""


def _flat(function: JaxFunction, shapes: tuple[tuple[int, ...], ...]) -> JaxFunction:
    """Turn a function of value variables into one of a flat vector."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def of_vector(x: Any, arrays: Sequence[Any]) -> Any:
        parts = jnp.split(x, ends)
        return function([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)], arrays)

    return of_vector


@remembered
def log_density_of(function: JaxFunction, shapes: tuple[tuple[int, ...], ...]) -> JaxFunction:
    """``(x, arrays, jacobian) -> log density``; one object for models of one form and shape."""
    flat = _flat(function, shapes)

    def log_density(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        density, log_jacobian = flat(x, arrays)
        return density + jacobian * log_jacobian

    return log_density


@remembered
def gradient_of(log_density: JaxFunction) -> JaxFunction:
    """Value and gradient, compiled."""
    return jax.jit(jax.value_and_grad(log_density))


@remembered
def hessian_of(log_density: JaxFunction) -> JaxFunction:
    """Second derivatives, compiled."""

    def hessian(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        def column(v: Any) -> Any:
            return jax.jvp(lambda y: jax.grad(log_density)(y, arrays, jacobian), (x,), (v,))[1]

        return jax.lax.map(column, jnp.eye(x.size), batch_size=min(x.size, HESSIAN_BATCH))

    return jax.jit(hessian)


@remembered
def over_vectors(function: JaxFunction, shapes: tuple[tuple[int, ...], ...], sequential: bool) -> JaxFunction:
    """Densities at many vectors: all at once, or one by one if memory is short."""
    flat = _flat(function, shapes)
    if sequential:
        return jax.jit(lambda x, arrays: jax.lax.map(lambda y: flat(y, arrays), x))
    return jax.jit(jax.vmap(flat, in_axes=(0, None)))


@remembered
def slopes_of(function: JaxFunction, shapes: tuple[tuple[int, ...], ...]) -> JaxFunction:
    """Derivatives of every output by the coordinates."""
    return jax.jit(jax.jacfwd(_flat(function, shapes)))


@remembered
def one_by_one(log_density: JaxFunction) -> JaxFunction:
    """The density at one vector after another, with memory for one."""

    def at_vectors(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        return jax.lax.map(lambda y: log_density(y, arrays, jacobian), x)

    return jax.jit(at_vectors)


@remembered
def arrays_as_inputs(function: JaxFunction, n: int) -> JaxFunction:
    """Move the last ``n`` inputs of a function to the front of its arrays; without a Jacobian."""

    def with_arrays(inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        (density,) = function([*inputs, *arrays[:n]], arrays[n:])
        return density, 0.0

    return with_arrays
