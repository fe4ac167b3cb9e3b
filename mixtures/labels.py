"""Labels of clusters: which cluster of one draw is which of another.

A mixture's likelihood does not know the labels of its clusters, so EM, MAP and
every posterior draw carry their own. `align` gives the draws of a DataTree one
set of labels, by any of the rules in `mixtures.relabelling` or by a key;
`unalign` gives them back the ones they were drawn with.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from mixtures.errors import DataWarning, InputError, warn
from mixtures.families import Mixture, recognise_mixture
from mixtures.labelled import ALIGNED, RAW, Labelled, inner, label_state
from mixtures.orders import find_orders
from mixtures.priors import Array

if TYPE_CHECKING:
    import pymc as pm

__all__ = [
    "align",
    "align_tree",
    "permutation",
    "posterior_values",
    "raw_labels",
    "relabelled",
    "unalign",
    "warn_of_doubtful",
]


def align(
    tree: xr.DataTree,
    to: Mapping[str, Any] | str | Callable[[xr.Dataset], xr.DataArray],
    method: str = "parameters",
    *,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
    model: "pm.Model | None" = None,
) -> xr.DataTree:
    """Relabel the clusters of every posterior draw, so that a label means one cluster throughout.

    A user's model says which axis of which variable is the clusters', whatever it
    is called. Those of the free variables are permuted, and what is computed from
    them, such as a ``pm.Deterministic``, is computed anew. A tree of `sample` has
    this with it. Of another tree without its ``model``, every variable with a
    ``cluster`` dim is permuted, and a warning names what that may be wrong for. Where clusters are well
    apart all methods give the same labels; where they overlap, summaries of
    clusters depend on the method (see `compare_labellings`).

    Parameters
    ----------
    tree : xarray.DataTree
        A posterior with dims (chain, draw, ...) and ``cluster``.
    to : dict of ndarray, str or callable
        What the labels agree with. Parameters of the pivot, such as
        ``em.params``; with ``method="order"`` a key: the name of a quantity with
        one number a cluster, such as ``"alpha"`` or ``"mu[waiting]"`` (or
        ``"mu[0]"`` where features have no names), or a function of the posterior
        Dataset that returns such a DataArray.
    method : {"parameters", "ecr", "stephens", "order"}, default "parameters"
        How draws are matched. By parameters: least total symmetric
        Kullback-Leibler divergence between components, which no change of units
        alters (standardised distances in a model that is not one of this
        package's). ECR: most rows stay in the cluster where the pivot has them.
        Stephens: the rows' classification probabilities come closest to their
        mean over the draws. Order: the key ascends with the label.
    spec : GMM or BMM, optional
        The model, for ECR and Stephens; told from the tree where it is this package's.
    X : array_like or frame, shape (n, D), optional
        The data, for ECR and Stephens; by default the tree's ``observed_data``.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows.
    model : pymc.Model, optional
        The user's own model that was sampled.

    Returns
    -------
    xarray.DataTree
        A new tree; ``sample_stats`` holds ``permutation (chain, draw, cluster)``,
        the raw label behind each aligned one. What functions of the parameters
        were under raw labels is kept in the group ``raw_posterior``.

    Warns
    -----
    DataWarning
        If, without the model, a variable may be a function of the parameters that
        no permutation makes right. Where the tree says that it is one, it is left out.

    Raises
    ------
    InputError
        If no variable has clusters, the model knows the order of its clusters, the
        pivot lacks a variable, the key is not one number a cluster, or the model or
        the data are missing.

    References
    ----------
    Stephens (2000), *JRSS B* 62; Papastamoulis and Iliopoulos (2010), *J. Comput.
    Graph. Stat.* 19; Papastamoulis (2016), *J. Stat. Software* 69.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> tree = mx.align(em.to_datatree(), to=em.params)
    >>> tree["sample_stats"]["permutation"].values.tolist()
    [[[0, 1]]]
    >>> by_waiting = mx.align(tree, to="mu[waiting]", method="order")
    >>> by_waiting["posterior"]["mu"].sel(feature="waiting").values.round().tolist()
    [[[54.0, 80.0]]]
    >>> tree = mx.align(tree, to=em.params, method="stephens", X=X)
    """
    given = {"spec": spec, "X": X, "weights": weights}
    if model is None:
        return align_tree(tree, to, method, **given)
    from mixtures.by_model import align_to_model  # loads PyMC and JAX

    return align_to_model(tree, to, method, model=model, **given)


def align_tree(tree: xr.DataTree, to: Any, method: str = "parameters", **given: Any) -> xr.DataTree:
    """`align` by what the tree itself says of its variables."""
    state, why = label_state(tree)
    if state not in (ALIGNED, RAW):
        raise InputError(f"the labels of this tree cannot be aligned: {why}")
    roles = Labelled.of(tree)
    order = find_orders(tree, to, method, roles=roles, **given)
    warn_of_doubtful(tree, roles)
    stored, raw = raw_labels(tree)
    order = order if stored is None else np.take_along_axis(stored, order, axis=-1)
    return relabelled(raw, order, roles, {})


def posterior_values(tree: xr.DataTree, name: str) -> Array:
    """Draws of one variable (chain, draw, ...)."""
    return np.asarray(tree["posterior"][name].transpose("chain", "draw", ...).values)


def raw_labels(tree: xr.DataTree) -> tuple[np.ndarray | None, xr.DataTree]:
    """Permutation of a tree, if it has one, and the tree under raw labels."""
    stored = permutation(tree)
    return stored, tree if stored is None else unalign(tree)


def warn_of_doubtful(tree: xr.DataTree, roles: Labelled) -> None:
    """Say which variables may contradict others, for want of the model."""
    variables = {str(name): inner(v) for name, v in tree["posterior"].data_vars.items()}
    dropped = sorted(roles.functions & variables.keys())
    if dropped:
        warn(
            f"{', '.join(dropped)}: functions of the parameters, which cannot be computed anew without the "
            "model, so they are left out; pass model=, the pymc.Model that was sampled",
            DataWarning,
        )
    spec = recognise_mixture(variables, 1)
    doubtful = sorted(variables.keys() - roles.known - set(spec.dims if spec else ()))
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


def permutation(tree: xr.DataTree) -> np.ndarray | None:
    """Raw label behind each aligned one (chain, draw, cluster); None if the tree is not aligned."""
    if "sample_stats" not in tree.children or "permutation" not in tree["sample_stats"].data_vars:
        return None
    return np.asarray(tree["sample_stats"]["permutation"].transpose("chain", "draw", "cluster"))


def relabelled(
    raw: xr.DataTree, order: np.ndarray, roles: Labelled, again: Mapping[str, Array]
) -> xr.DataTree:
    """Tree in another order of its raw labels, the permutation stored."""
    new, posterior = roles.permuted(raw, order, again), raw["posterior"].to_dataset()
    stats = new["sample_stats"].to_dataset() if "sample_stats" in new.children else xr.Dataset()
    coords = {dim: posterior.coords[dim].values for dim in ("chain", "draw") if dim in posterior.coords}
    clusters = {roles.dim(posterior[name]) for name in roles.axes if name in posterior}
    labels = [posterior.coords[dim].values for dim in sorted(clusters) if dim in posterior.coords]
    coords |= {"cluster": labels[0]} if labels else {}
    stats = stats.assign_coords(coords).assign(permutation=(("chain", "draw", "cluster"), order))
    new["sample_stats"] = xr.DataTree(stats)
    return new
