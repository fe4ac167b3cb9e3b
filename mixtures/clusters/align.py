"""Labels of clusters: which cluster of one draw corresponds to which of another.

A mixture's likelihood does not depend on the labels of its clusters, so EM, MAP
and every posterior draw have their own. `align` gives the draws of a DataTree one
set of labels, by any of the rules in `mixtures.clusters.rules` or by a key;
`unalign` restores the labels they were drawn with.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.labelled import ALIGNED, FIXED, RAW, Labelled, label_state
from mixtures.clusters.named import inner
from mixtures.clusters.orders import find_orders
from mixtures.errors import DataWarning, InputError
from mixtures.families.registry import recognise_mixture
from mixtures.messages import warn
from mixtures.trees import log_density_of, permutation, sorted_sample
from mixtures.types import Array

__all__ = [
    "align_tree",
    "in_one_order",
    "posterior_values",
    "raw_labels",
    "relabelled",
    "unalign",
    "warn_of_doubtful",
]


def align_tree(
    tree: xr.DataTree,
    to: Any,
    method: str = "parameters",
    *,
    dim: str | Iterable[str] | None = None,
    allocations: str | Iterable[str] | None = None,
    **given: Any,
) -> xr.DataTree:
    """`align` by what the tree records about its variables, or by the dims named."""
    tree = sorted_sample(tree)
    state, why = label_state(tree)
    if state not in (ALIGNED, RAW):
        raise InputError(f"the labels of this tree cannot be aligned: {why}")
    roles = Labelled.of(tree, dim, allocations)
    tree = roles.recorded(tree)
    order = find_orders(tree, to, method, roles=roles, **given)
    warn_of_doubtful(tree, roles)
    stored, raw = raw_labels(tree)
    order = order if stored is None else np.take_along_axis(stored, order, axis=-1)
    return relabelled(raw, order, roles, {})


def in_one_order(tree: xr.DataTree) -> xr.DataTree:
    """Align what a sampler drew, unless its labels are known to mean one cluster throughout."""
    known = label_state(tree)[0] in (ALIGNED, FIXED)
    alone = tree["posterior"].sizes.get("cluster", 0) < 2
    return tree if known or alone or log_density_of(tree) is None else align_tree(tree, None)


def posterior_values(tree: xr.DataTree, name: str) -> Array:
    """Draws of one variable (chain, draw, ...)."""
    return np.asarray(tree["posterior"][name].transpose("chain", "draw", ...).values)


def raw_labels(tree: xr.DataTree) -> tuple[np.ndarray | None, xr.DataTree]:
    """Return the permutation of a tree, if it has one, and the tree under raw labels."""
    stored = permutation(tree)
    return stored, tree if stored is None else unalign(tree)


def warn_of_doubtful(tree: xr.DataTree, roles: Labelled) -> None:
    """Warn of variables that may contradict others because the model is missing."""
    variables = {str(name): inner(v) for name, v in tree["posterior"].data_vars.items()}
    dropped = sorted(roles.functions & variables.keys())
    if dropped:
        warn(
            f"{', '.join(dropped)}: functions of the parameters, which cannot be computed anew without the "
            "model, so they are left out; pass model=, the pymc.Model that was sampled",
            DataWarning,
        )
    spec = recognise_mixture(variables, 1)
    doubtful = sorted(variables.keys() - roles.known - roles.numbers - set(spec.dims if spec else ()))
    if roles.named:  # who names the dims of clusters knows the variables that have them
        doubtful = [name for name in doubtful if name not in roles.axes]
    if doubtful:
        remedy = (
            "declare them in the model" if roles.known else "pass model=, the pymc.Model that was sampled"
        )
        warn(
            f"{', '.join(doubtful)}: permuted where they have a cluster dim and else left as they are, which "
            "may be wrong for functions of the parameters, such as a pm.Deterministic; to have those "
            f"computed anew, {remedy}",
            DataWarning,
        )


def unalign(tree: xr.DataTree) -> xr.DataTree:
    """Restore the labels that the sampler drew.

    Parameters
    ----------
    tree : xarray.DataTree
        An aligned tree.

    Returns
    -------
    xarray.DataTree
        A new tree with raw labels and without ``permutation``.

    Raises
    ------
    InputError
        If the tree is not aligned.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> raw = mx.unalign(mx.align(em.to_datatree(), to=em.params))
    """
    tree = sorted_sample(tree)
    stored = permutation(tree)
    if stored is None:
        raise InputError("this tree is not aligned: its sample_stats hold no permutation")
    tree = Labelled.of(tree).restored(tree, stored)
    stats = tree["sample_stats"].to_dataset().drop_vars("permutation")
    if all("cluster" not in v.dims for v in stats.data_vars.values()):
        stats = stats.drop_vars("cluster", errors="ignore")
    tree["sample_stats"] = xr.DataTree(stats)
    if not stats.data_vars:
        del tree["sample_stats"]
    return tree


def relabelled(
    raw: xr.DataTree, order: np.ndarray, roles: Labelled, again: Mapping[str, Array]
) -> xr.DataTree:
    """Return the tree in another order of its raw labels, with the permutation stored."""
    new, posterior = roles.permuted(raw, order, again), raw["posterior"].to_dataset()
    stats = new["sample_stats"].to_dataset() if "sample_stats" in new.children else xr.Dataset()
    coords = {dim: posterior.coords[dim].values for dim in ("chain", "draw") if dim in posterior.coords}
    clusters = {roles.dim(posterior[name]) for name in roles.axes if name in posterior}
    labels = [posterior.coords[dim].values for dim in sorted(clusters) if dim in posterior.coords]
    coords |= {"cluster": labels[0]} if labels else {}
    stats = stats.assign_coords(coords).assign(permutation=(("chain", "draw", "cluster"), order))
    new["sample_stats"] = xr.DataTree(stats)
    return new
