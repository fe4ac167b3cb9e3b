"""Labels of a user's own model, whose compiled form shows which axes are clusters."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from mixtures.clusters.align import posterior_values, raw_labels, relabelled, warn_of_doubtful
from mixtures.clusters.labelled import EXCHANGEABLE, IN_PLACE, Labelled
from mixtures.clusters.named import as_names
from mixtures.clusters.orders import find_orders
from mixtures.density.compiled import CompiledModel
from mixtures.errors import InputError
from mixtures.posterior.exchanges import Symmetry, alike_in_draws, evenly
from mixtures.posterior.free_variables import draws_of_free, functions_of_free, recompute
from mixtures.posterior.label_roles import labelled_by
from mixtures.posterior.symmetry import find_symmetry
from mixtures.types import Array

__all__ = ["align_by_model", "align_to_model", "with_own_labels"]


def align_to_model(
    tree: xr.DataTree,
    to: Any,
    method: str = "parameters",
    *,
    model: pm.Model,
    dim: str | Iterable[str] | None = None,
    allocations: str | Iterable[str] | None = None,
    **given: Any,
) -> xr.DataTree:
    """`align` with a user's model."""
    compiled = CompiledModel(model)
    named = None if dim is None else Labelled.of(tree, dim).axes
    symmetry = find_symmetry(compiled, _finite_draws(compiled, tree), named)
    numbers = frozenset(as_names(allocations or ()))
    return align_by_model(tree, to, method, compiled=compiled, symmetry=symmetry, numbers=numbers, **given)


def align_by_model(
    tree: xr.DataTree,
    to: Any,
    method: str = "parameters",
    *,
    compiled: CompiledModel,
    symmetry: Symmetry,
    numbers: frozenset[str] = frozenset(),
    **given: Any,
) -> xr.DataTree:
    """`align` by the known symmetry of the model, which the tree then records."""
    if symmetry.state != EXCHANGEABLE:
        raise InputError(f"the labels of this tree cannot be aligned: {symmetry.why}")
    there = {str(name) for group in tree.children.values() for name in group.data_vars}
    names = [name for name in functions_of_free(compiled) if name in there]
    roles = labelled_by(compiled, symmetry, draws_of_free(compiled, tree), names)
    roles = replace(roles, numbers=numbers or Labelled.of(tree).numbers)
    order = find_orders(tree, to, method, roles=roles, **given)
    warn_of_doubtful(tree, replace(roles, functions=frozenset()))
    stored, raw = raw_labels(with_roles(tree, roles))
    order = order if stored is None else np.take_along_axis(stored, order, axis=-1)
    again: dict[str, Array] = {}
    if names:
        moved = replace(roles, functions=frozenset()).permuted(raw, order, {})
        again = recompute(compiled, draws_of_free(compiled, moved), names)
        wrong = frozenset(
            name
            for name in again.keys() & set(moved["posterior"].data_vars)
            if not alike_in_draws(again[name], posterior_values(moved, name))
        )
        wrong |= {name for group in roles.groups if wrong.intersection(group) for name in group}
        roles = replace(
            roles,
            axes={name: axis for name, axis in roles.axes.items() if name not in wrong},
            groups=tuple(group for group in roles.groups if wrong.isdisjoint(group)),
            functions=roles.functions | wrong,
        )
    return with_roles(relabelled(raw, order, roles, again), roles)


def with_own_labels(tree: xr.DataTree, to: Any, compiled: CompiledModel, x: Array) -> xr.DataTree:
    """Tree with the labels of a user's model aligned, or with why not; ``x (..., size)`` are its draws."""
    symmetry = find_symmetry(compiled, x)
    if symmetry.state == EXCHANGEABLE:
        return align_by_model(tree, to, compiled=compiled, symmetry=symmetry)
    tree.attrs.update(labels=symmetry.state, labels_why=symmetry.why)
    if symmetry.possible is not None:
        roles = labelled_by(compiled, symmetry.possible, draws_of_free(compiled, tree), ())
        order = find_orders(tree, to, "parameters", roles=roles)
        tree.attrs[IN_PLACE] = float((order == np.arange(order.shape[-1])).all(axis=-1).mean())
    return tree


def with_roles(tree: xr.DataTree, roles: Labelled) -> xr.DataTree:
    """Tree that records which variables are permuted with the labels of its exchangeable clusters."""
    tree = roles.recorded(tree)
    tree.attrs.update(labels=EXCHANGEABLE, **roles.attributes())
    return tree


def _finite_draws(compiled: CompiledModel, tree: xr.DataTree) -> Array:
    """Coordinates (n, size) of a few of the finite draws."""
    draws = {name: x.reshape(-1, *x.shape[2:]) for name, x in draws_of_free(compiled, tree).items()}
    n = len(next(iter(draws.values())))
    finite = np.all([np.isfinite(x).reshape(n, -1).all(axis=1) for x in draws.values()], axis=0)
    if not finite.any():
        raise InputError("no draw of this tree is finite")
    some = np.flatnonzero(finite)[evenly(int(finite.sum()))]
    return np.stack([compiled.unconstrain({name: x[i] for name, x in draws.items()}) for i in some])
