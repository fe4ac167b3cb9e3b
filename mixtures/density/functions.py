"""A log density as JAX functions of one flat vector: values, gradients, Hessians."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixtures.density.memory import JaxFunction, remembered
from mixtures.types import Array

__all__ = [
    "arrays_as_inputs",
    "gradient_of",
    "hessian_of",
    "in_threads",
    "jitted",
    "log_density_of",
    "one_by_one",
    "over_draws",
    "over_vectors",
    "part_of",
    "slopes_of",
    "total_of",
]

FEW, VECTORS_AT_ONCE = 8, 125
"""Vectors that have a program of their own size; vectors in one call of a thread otherwise."""


jitted = remembered(jax.jit)


def _flat(function: JaxFunction, shapes: tuple[tuple[int, ...], ...]) -> JaxFunction:
    """Turn a function of value variables into one of a flat vector."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def of_vector(x: Any, arrays: Sequence[Any]) -> Any:
        parts = jnp.split(x, ends)
        return function([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)], arrays)

    return of_vector


@remembered
def part_of(function: JaxFunction, places: tuple[int, ...]) -> JaxFunction:
    """Some outputs of a function; XLA leaves out what only the others need."""

    def part(inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        outputs = function(inputs, arrays)
        return tuple(outputs[place] for place in places)

    return part


@remembered
def total_of(function: JaxFunction, places: tuple[int, ...]) -> JaxFunction:
    """Sum of all entries of some outputs, and the second output: a log density and its log Jacobian."""

    def total(inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        outputs = function(inputs, arrays)
        return sum(jnp.sum(outputs[place]) for place in places), outputs[1]

    return total


@remembered
def log_density_of(function: JaxFunction, shapes: tuple[tuple[int, ...], ...]) -> JaxFunction:
    """``(x, arrays, jacobian) -> log density``; one object for models of one form and shape."""
    flat = _flat(function, shapes)

    def log_density(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        density, log_jacobian, *_ = flat(x, arrays)
        return density + jacobian * log_jacobian

    return log_density


@remembered
def gradient_of(log_density: JaxFunction) -> JaxFunction:
    """Value and gradient, compiled."""
    return jax.jit(jax.value_and_grad(log_density))


@remembered
def hessian_of(log_density: JaxFunction) -> JaxFunction:
    """Second derivatives, compiled.

    One column after the other: columns together compile for half as long again, or twice
    as long where they fill no whole number of batches, and take more memory.
    """

    def hessian(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        def column(v: Any) -> Any:
            return jax.jvp(lambda y: jax.grad(log_density)(y, arrays, jacobian), (x,), (v,))[1]

        return jax.lax.map(column, jnp.eye(x.size))

    return jax.jit(hessian)


@remembered
def over_draws(function: JaxFunction) -> JaxFunction:
    """Flat vectors (chain, draw, size) of what a function gives for every draw."""

    def flat(values: Sequence[Any], arrays: Sequence[Any]) -> Any:
        return jnp.concatenate([jnp.ravel(v) for v in function(values, arrays)])

    return jax.jit(jax.vmap(jax.vmap(flat, in_axes=(0, None)), in_axes=(0, None)))


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


def in_threads(function: Callable[[Array], Any], vectors: Array) -> Array:
    """Values of a compiled function at many vectors, which threads share; the size of a call is fixed."""
    if len(vectors) <= FEW:
        return np.asarray(function(vectors))
    size = VECTORS_AT_ONCE, vectors.shape[1]
    parts = [vectors[i : i + size[0]] for i in range(0, len(vectors), size[0])]
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        values = list(pool.map(lambda part: np.asarray(function(np.resize(part, size))), parts))
    return np.concatenate(values)[: len(vectors)]


@remembered
def arrays_as_inputs(function: JaxFunction, n: int) -> JaxFunction:
    """Move the last ``n`` inputs of a function to the front of its arrays; without a Jacobian."""

    def with_arrays(inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        (density,) = function([*inputs, *arrays[:n]], arrays[n:])
        return density, 0.0

    return with_arrays
