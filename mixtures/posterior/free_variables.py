"""Draws of a model's free variables, and what the model computes from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from pytensor.graph.replace import clone_replace

from mixtures.clusters.align import posterior_values
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import compile_graph
from mixtures.errors import InputError
from mixtures.trees import check_sample
from mixtures.types import Array

__all__ = ["draws_of_free", "functions_of_free", "graph_of_free", "recompute", "values_at"]


def draws_of_free(compiled: CompiledModel, tree: xr.DataTree) -> dict[str, Array]:
    """Draws (chain, draw, ...) of a model's free variables."""
    check_sample(tree)
    posterior = tree["posterior"].to_dataset()
    missing = [name for name in compiled.rv_shapes if name not in posterior]
    if missing:
        raise InputError(f"the posterior lacks {', '.join(missing)}; give the model that was sampled")
    draws = {name: posterior_values(tree, name) for name in compiled.rv_shapes}
    for name, shape in compiled.rv_shapes.items():
        if draws[name].shape[2:] != shape:
            raise InputError(
                f"{name} has shape {draws[name].shape[2:]} in the tree and {shape} in the model; "
                "give the model that was sampled"
            )
    return draws


def functions_of_free(compiled: CompiledModel) -> dict[str, Any]:
    """Deterministics, and the unconstrained values of transformed variables, by name."""
    model = compiled.model
    transforms = {rv: model.rvs_to_transforms[rv] for rv in model.free_RVs}
    return {str(v.name): v for v in model.deterministics} | {
        str(model.rvs_to_values[rv].name): transform.forward(rv, *rv.owner.inputs)
        for rv, transform in transforms.items()
        if transform is not None
    }


def recompute(compiled: CompiledModel, draws: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Compute the named functions of the free variables at draws (chain, draw, ...)."""
    graphs = functions_of_free(compiled)
    return dict(zip(names, values_at(compiled, draws, [graphs[name] for name in names]), strict=True))


def values_at(compiled: CompiledModel, draws: Mapping[str, Array], graphs: Sequence[Any]) -> list[Array]:
    """Compute graphs over the free variables at draws (chain, draw, ...)."""
    function, arrays = graph_of_free(compiled, graphs)
    over_draws = jax.jit(jax.vmap(jax.vmap(function, in_axes=(0, None)), in_axes=(0, None)))
    values = over_draws([jnp.asarray(draws[name]) for name in compiled.rv_shapes], arrays)
    return [np.asarray(v) for v in values]


def graph_of_free(compiled: CompiledModel, outputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Outputs of a model as a JAX function of its free variables."""
    model = compiled.model
    inputs = {rv: rv.type() for rv in model.free_RVs}
    data = {rv: model.rvs_to_values[rv] for rv in model.observed_RVs}
    graphs = clone_replace(list(outputs), {**inputs, **data}, rebuild_strict=False)
    return compile_graph(list(inputs.values()), graphs)
