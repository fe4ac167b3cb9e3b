"""NUTS over many data sets in one loop inside XLA, compiled once."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mixtures.density.compiled import CompiledModel
from mixtures.families.family import Family
from mixtures.posterior.nuts import CHUNK, Frame, stages_of
from mixtures.posterior.transitions import Transitions
from mixtures.types import Array

TARGET_ACCEPT = 0.8
MAX_TREEDEPTH = 10
"""Both as `mx.sample` has them."""

LANES = 1
"""Chains vmapped side by side; they wait for the longest trajectory: twice the cost or more on two cores."""


@lru_cache(maxsize=8)
def _density_of_rows(of_rows: Callable[..., Any], of_prior: Callable[..., Any]) -> Callable[..., Any]:
    def log_density(x: Any, arrays: Sequence[Any], jacobian: Any) -> Any:
        rows, weights, of_likelihood, prior_arrays = arrays
        likelihood = of_rows(x, [rows, weights, *of_likelihood], 0.0)
        return likelihood + of_prior(x, prior_arrays, jacobian)

    return log_density


def of_rows(model: CompiledModel, family: Family, rows: Sequence[Array]) -> list[CompiledModel]:
    """The same model with other rows, as arguments: nothing is declared or compiled again.

    Prior and likelihood are the terms that ``model`` was compiled from. Its
    coordinates stay those of its own rows' location and scale, a linear map
    away from those that ``CompiledModel`` of the other rows would have.
    """
    likelihood, of_likelihood = model.of_other_rows(family, rows[0].shape[1])
    prior, of_prior = model.log_prior
    density, models = _density_of_rows(likelihood, prior), []
    for X in rows:
        models.append(copy(model))
        models[-1].log_density = density
        models[-1].arrays = [jnp.asarray(X), jnp.ones(len(X)), of_likelihood, of_prior]
    return models


@lru_cache
def _compiled_loop(
    log_density: Callable[..., Any], fault: Callable[..., Any] | None, lanes: int
) -> tuple[Any, Any]:
    density = log_density if fault is None else fault(log_density)
    transitions = Transitions(density, TARGET_ACCEPT, MAX_TREEDEPTH)

    def run(carry: Any, keys: Any, stages: Any, length: Any, geometry: Any, arrays: Any) -> Any:
        def one(own: Any) -> Any:
            carry, key, geometry, arrays = own
            return transitions.chunk(carry, key, stages, length, geometry, arrays)

        every = (carry, keys, geometry, arrays)
        return jax.lax.map(one, every, batch_size=lanes if lanes > 1 else None)

    return transitions, jax.jit(run)


def draw_many(
    compiled: Sequence[CompiledModel],
    frames: Sequence[Frame],
    *,
    draws: int,
    tune: int,
    seed: int,
    first: int = 0,
    fault: Callable[..., Any] | None = None,
    lanes: int = LANES,
) -> tuple[Array, dict[str, Array]]:
    """One chain a data set, all in one loop inside XLA: `run_nuts`, transition by transition.

    Parameters
    ----------
    compiled : sequence of CompiledModel
        Log densities of one form: one model, data sets of one shape.
    frames : sequence of Frame
        Coordinates and start of every chain.
    draws, tune : int
        Draws to keep, and warm-up before them, a chain.
    seed : int
        Seed of all chains; chain i has the key that `run_nuts` gives chain ``first + i``.
    first : int, default 0
        Number of the first chain.
    fault : callable, optional
        Turns the log density into a wrong one.
    lanes : int, default 1
        Chains that run side by side, vmapped.

    Returns
    -------
    x : ndarray, shape (chains, draws, size)
        Unconstrained coordinates.
    statistics : dict of ndarray, each (chains, draws)
        Those of `run_nuts`.
    """
    (log_density,) = {model.log_density for model in compiled}  # one form, or they would not share a loop
    transitions, run = _compiled_loop(log_density, fault, lanes)
    carry = _stacked([_start(transitions, *pair) for pair in zip(compiled, frames, strict=True)])
    geometry = _stacked([(jnp.asarray(frame.centre), jnp.asarray(frame.basis)) for frame in frames])
    arrays = _stacked([model.arrays for model in compiled])
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(first + jnp.arange(len(frames)))
    schedule, kept = stages_of(tune, draws), []
    for i in range(0, tune + draws, CHUNK):
        stages = np.zeros((CHUNK, 3), dtype=np.int32)
        length = len(schedule[i : i + CHUNK])
        stages[:length] = schedule[i : i + CHUNK]
        of_chunk = jax.vmap(lambda key, i=i: jax.random.fold_in(key, i))(keys)
        carry, *recorded = run(carry, of_chunk, stages, length, geometry, arrays)
        kept.append(jax.tree.map(lambda v, length=length: np.asarray(v)[:, :length], recorded))
    y, statistics = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1)[:, tune:], *kept)
    return np.stack([frame.to_x(own) for frame, own in zip(frames, y, strict=True)]), statistics


def _start(transitions: Transitions, compiled: CompiledModel, frame: Frame) -> Any:
    """State of a chain before its first transition."""
    value, gradient = compiled.value_and_grad(frame.to_x(frame.start), jacobian=True)
    in_frame = gradient * frame.basis if frame.basis.ndim == 1 else gradient @ frame.basis
    return transitions.begin(jnp.asarray(frame.start), jnp.asarray(value), jnp.asarray(in_frame))


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
