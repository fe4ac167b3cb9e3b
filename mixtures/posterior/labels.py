"""The public function `align`; the relabelling rules are in `mixtures.clusters`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from mixtures.clusters.align import align_tree
from mixtures.families.mixture import Mixture
from mixtures.types import DeferredModule

if TYPE_CHECKING:
    import pymc as pm
else:
    pm = DeferredModule("pymc")

__all__ = ["align"]


def align(
    tree: xr.DataTree,
    to: Mapping[str, Any] | str | Callable[[xr.Dataset], xr.DataArray] | None = None,
    method: str = "parameters",
    *,
    dim: str | Sequence[str] | None = None,
    allocations: str | Sequence[str] | None = None,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
    missing: str | None = None,
    model: "pm.Model | None" = None,
) -> xr.DataTree:
    """Relabel the clusters of every posterior draw, so that a label means one cluster throughout.

    In a user's model, the axes that index clusters are found whatever their names.
    Free variables are permuted along them, and variables computed from these, such as
    a ``pm.Deterministic``, are computed again. A tree from `sample` records these
    axes. In any other tree, without its ``model``, every variable with the dim ``cluster``, or one
    of the dims named, is permuted, and a warning names the variables for which that may be wrong.
    The sample may be of any mixture: nothing else is asked of its variables or their names.
    If clusters are well separated, all methods give the same labels; if they overlap,
    summaries of clusters depend on the method (see `compare_labellings`).

    Parameters
    ----------
    tree : xarray.DataTree
        A posterior with dims (chain, draw, ...) and at least one for the clusters.
    to : dict of ndarray, str or callable, optional
        What the labels are aligned to: parameters of the pivot, such as ``em.params``; by
        default the draw of highest log density (``lp`` or ``logp`` in ``sample_stats``; Marin,
        Mengersen and Robert 2005). With ``method="order"`` it is a key: the name of a quantity
        with one number per cluster, such as ``"alpha"`` or ``"mu[waiting]"`` (or
        ``"mu[0]"`` if features have no names), or a function of the posterior
        Dataset that returns such a DataArray.
    method : {"parameters", "ecr", "stephens", "order"}, default "parameters"
        How draws are matched. ``"parameters"`` minimises the total symmetric
        Kullback-Leibler divergence between components, which does not depend on
        units (in other models, standardised distances). ``"ecr"`` keeps as many rows
        as possible in their cluster under the pivot. ``"stephens"`` brings the rows'
        classification probabilities closest to their mean over the draws.
        ``"order"`` sorts clusters by the key, in ascending order.
    dim : str or sequence of str, optional
        The dims that index clusters, such as ``"component"``, or ``["w_dim_0", "mu_dim_0"]`` where
        PyMC named them. By default they are found: from the model, from the tree if it records them,
        by the name ``cluster``, or as the one named dim along which a variable sums to one.
    allocations : str or sequence of str, optional
        Variables whose values are numbers of clusters, such as draws of the cluster of every row;
        they are renumbered.
    spec : Mixture, optional
        The model, for ECR and Stephens; inferred from the tree if it is one of this package's.
    X : array_like or frame, shape (n, D), optional
        The data, for ECR and Stephens; by default the tree's ``observed_data``.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, as in `fit_em`.
    model : pymc.Model, optional
        The user's own model that was sampled.

    Returns
    -------
    xarray.DataTree
        A new tree; ``sample_stats`` holds ``permutation (chain, draw, cluster)``,
        the raw label of each aligned one. Values of functions of the parameters
        under raw labels are kept in the group ``raw_posterior``.

    Warns
    -----
    DataWarning
        If, without the model, a variable may be a function of the parameters that no
        permutation can correct. Variables that the tree records as such are left out.

    Raises
    ------
    InputError
        If no variable has clusters, the dims named do not fit, the model fixes the order of its clusters, the
        pivot lacks a variable, the key is not one number per cluster, or the model or
        the data are missing.

    References
    ----------
    Marin, Mengersen and Robert (2005), *Handbook of Statistics* 25; Stephens (2000), *JRSS B* 62;
    Papastamoulis and Iliopoulos (2010), *J. Comput. Graph. Stat.* 19; Papastamoulis (2016),
    *J. Stat. Software* 69.

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
    rows = {"X": X, "weights": weights, "missing": missing}
    given = {"spec": spec, **rows, "dim": dim, "allocations": allocations}
    if model is None:
        return align_tree(tree, to, method, **given)
    from mixtures.posterior.by_model import align_to_model  # loads PyMC and JAX

    return align_to_model(tree, to, method, model=model, **given)
