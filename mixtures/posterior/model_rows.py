"""Which cluster a row of a user's own mixture model belongs to."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import xarray as xr

from mixtures.arguments import check_kind
from mixtures.clusters.labelled import UNALIGNABLE, label_state
from mixtures.density.compiled import CompiledModel
from mixtures.errors import IdentifiabilityWarning, InputError
from mixtures.messages import did_you_mean, warn
from mixtures.posterior.free_variables import draws_of_free, graph_of_free
from mixtures.posterior.mixture_nodes import dim_of_clusters, log_joint, mixtures_of

__all__ = ["model_responsibilities"]

MOST_VALUES = 50_000_000
"""Largest number of responsibilities (draws x rows x clusters), 400 MB."""


def model_responsibilities(model: pm.Model, tree: xr.DataTree, name: str | None = None) -> xr.DataArray:
    """Probability of every cluster for every row of a mixture in your own model, in every draw.

    The mixture is one of this package's distributions or a ``pm.Mixture`` (``pm.NormalMixture``) of
    components of one kind, whose densities are then PyMC's. Its parameters may vary by row, as in
    regressions; a row with a known label is wholly in its cluster. A ``pm.Mixture`` of univariate
    components over a table gives every cell, not every row, a cluster of its own.

    Parameters
    ----------
    model : pymc.Model
        The model that was sampled.
    tree : xarray.DataTree
        Its sample, with all free variables of the model; clusters are numbered as in the sample, so
        align it first (see `align`) where numbers matter.
    name : str, optional
        The observed mixture; needed if there are several.

    Returns
    -------
    xarray.DataArray
        Responsibilities with dims chain, draw, those of the observed variable, and the dim that the mixture's
        weights have for clusters in the model, or ``cluster`` if that has no name. Their mean over chain
        and draw is what `responsibilities` gives for a specification; `coclustering_of_draws` takes them
        as they are.

    Raises
    ------
    InputError
        If there is no observed mixture, or several and no name, the tree is not of this model, or the
        result is too large.

    Warns
    -----
    IdentifiabilityWarning
        If the sample says that its labels cannot be aligned.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 9.13.

    Examples
    --------
    >>> import numpy as np, pymc as pm, xarray as xr
    >>> import mixtures as mx
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", 0, 5, shape=2)
    ...     _ = pm.NormalMixture("y", w=[0.5, 0.5], mu=mu, sigma=1.0, observed=[-2.0, 0.0, 2.0])
    >>> posterior = xr.Dataset({"mu": (["chain", "draw", "k"], [[[-2.0, 2.0]]])})
    >>> r = mx.model_responsibilities(model, xr.DataTree.from_dict({"posterior": posterior}))
    >>> r.sel(cluster=0).values.round(2).tolist()
    [[[1.0, 0.5, 0.0]]]
    """
    check_kind(pm.Model, "a pymc.Model", model=model)
    check_kind(xr.DataTree, "a posterior sample, an xarray.DataTree", tree=tree)
    rows = _chosen(model, name)
    state, why = label_state(tree)
    if state == UNALIGNABLE:
        warn(
            f"a cluster may have other numbers in other draws, since labels are not aligned: {why}; "
            "coclustering_of_draws does not depend on the numbers",
            IdentifiabilityWarning,
        )
    compiled = CompiledModel(model)
    draws = draws_of_free(compiled, tree)
    function, arrays = graph_of_free(compiled, [log_joint(model, rows)])
    every = [draws[free].reshape(-1, *shape) for free, shape in compiled.rv_shapes.items()]
    first = jax.eval_shape(function, [jnp.asarray(x[0]) for x in every], arrays)[0]
    n_draws, k = len(every[0]), int(first.shape[-1])
    n_values = n_draws * int(np.prod(compiled.shape_of(rows))) * k
    if n_values > MOST_VALUES:
        raise InputError(
            f"{n_draws:,} draws of {rows.name} have {n_values:,} responsibilities; take fewer draws, "
            "tree.isel(draw=slice(None, None, 10))"
        )
    shares = jax.jit(jax.vmap(lambda point, own: jax.nn.softmax(function(point, own)[0]), in_axes=(0, None)))
    values = np.asarray(shares([jnp.asarray(x) for x in every], arrays))
    posterior = tree["posterior"].to_dataset()
    sizes = tuple(posterior.sizes[dim] for dim in ("chain", "draw"))
    own = _dims(model, rows, values.ndim - 2)
    index = {dim: posterior[dim].values for dim in ("chain", "draw") if dim in posterior.coords}
    cluster = dim_of_clusters(model, rows) or "cluster"
    dims = (*own, cluster)
    labels = {dim: list(model.coords[dim]) for dim in dims if model.coords.get(dim) is not None}
    return xr.DataArray(
        values.reshape(*sizes, *values.shape[1:]),
        {cluster: np.arange(k), **index, **labels},
        ("chain", "draw", *dims),
        name="responsibilities",
    )


def _chosen(model: pm.Model, name: str | None) -> Any:
    """The observed mixture of this name, or the only one."""
    known = {str(v.name): v for v in mixtures_of(model) if v in model.observed_RVs}
    if name is not None and name not in known:
        raise InputError(
            f"no observed mixture {name!r}{did_you_mean(name, known)}; {', '.join(known) or 'none'}"
        )
    if not known:
        raise InputError(
            "the model has no observed mixture of this package or of PyMC (a pm.Mixture of components of "
            "one kind)"
        )
    if name is None and len(known) > 1:
        raise InputError(f"the model has the mixtures {', '.join(known)}: name one")
    return known[name or next(iter(known))]


def _dims(model: pm.Model, rows: Any, n: int) -> tuple[str, ...]:
    """Names of the axes that the rows have, without those within a row."""
    named = model.named_vars_to_dims.get(rows.name, ())
    return tuple(str(named[i]) if i < len(named) and named[i] else f"{rows.name}_dim_{i}" for i in range(n))
