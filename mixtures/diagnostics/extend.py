"""Groups that ArviZ's plots and tables need besides the posterior: predictive draws, prior, densities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_whole, generator
from mixtures.data.table import Data
from mixtures.diagnostics.predictive import refuse_weights, row_log_likelihoods
from mixtures.draws import checked_draws, not_fitted, of_sample, resolved_for, rows_of, sets_of
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.messages import did_you_mean
from mixtures.posterior.target import MixtureTarget
from mixtures.trees import group_of
from mixtures.types import Array, Params

__all__ = ["extend"]

MOST_VALUES = 50_000_000
"""Largest number of values of a new group, 400 MB."""


def extend(
    spec: Mixture,
    X: Any,
    tree: xr.DataTree,
    groups: str | Sequence[str] | None = None,
    *,
    draws: int = 1000,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
) -> xr.DataTree:
    """Add the groups to a sample that ArviZ's predictive checks and comparisons with the prior need.

    Predictive rows are drawn in NumPy by the family, and the parameters of the prior by PyMC from the
    declared model. In the prior the clusters are exchangeable, whereas the labels of the sample are
    aligned: the prior of any one cluster is that of all.

    Parameters
    ----------
    spec : Mixture
        The model that was sampled; a "default" prior is resolved from the rows that the sample holds, or else
        from ``X``.
    X : array_like or frame, shape (n, D)
        The data that were fitted; checked and matched by name as in `responsibilities`.
    tree : xarray.DataTree
        A posterior sample. For labelled rows it must be one that was drawn with labels, or aligned.
    groups : str or sequence of str, optional
        What to add, of ``"posterior_predictive"``, ``"log_likelihood"``, ``"log_prior"``, ``"prior"``,
        ``"prior_predictive"`` and ``"observed_data"``; a group that the tree has is replaced. By
        default all that the tree lacks.
    draws : int, default 1000
        Number of draws from the prior.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells. Predictive rows have all cells; the log-likelihood
        is that of the observed ones.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: their predictive rows are drawn from them.
    random_seed : int or numpy.random.Generator, optional
        Seed of all draws.

    Returns
    -------
    xarray.DataTree
        A new tree. Rows are in the variable ``x`` of dims (obs_id, feature); levels of categories are
        their codes. ``log_prior`` holds the log prior density of the weights and of the components.

    Raises
    ------
    InputError
        If the tree is not of this model, a group is unknown or too large, rows have weights, a group of
        rows is asked for and these are not the rows that were fitted, or the prior is not proper.

    See Also
    --------
    by_column, for_summary : Views of a tree for ArviZ.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, draws=100, random_seed=1, progressbar=False)
    >>> tree = mx.extend(mx.GMM(2), X, tree, ["posterior_predictive", "log_prior"], random_seed=1)
    >>> tree["posterior_predictive"]["x"].shape
    (4, 100, 272, 2)
    """
    check_whole(1, draws=draws)
    named = (groups,) if isinstance(groups, str) else groups
    for group in named or ():
        if group not in GROUPS:
            raise InputError(
                f"no group {group!r}{did_you_mean(group, GROUPS)}; groups are {', '.join(GROUPS)}"
            )
    spec, data, tree = of_sample(spec, X, tree, missing=missing, labels=labels)
    refuse_weights(data, "predictive draws and densities of rows do not")
    spec = resolved_for(spec, tree, data)
    wanted = [g for g in GROUPS if (g in named if named is not None else g not in tree.children)]
    if OF_ROWS.intersection(wanted) and (other := not_fitted(tree, data, in_order=True)):
        raise InputError(f"{other}: pass the rows that were fitted, in their order and with their labels")
    fitted = rows_of(tree)
    if fitted is not None or OF_ROWS.intersection(wanted):
        MixtureTarget(spec, data if fitted is None else spec.read(fitted)).check_drawn(tree)
    new = tree.copy()
    case = _Case(spec, data, new, draws, generator(random_seed))
    for group in wanted:
        new[group] = GROUPS[group](case)
    return new


@dataclass(frozen=True, eq=False)
class _Case:
    """The tree that is extended, with its model and data, and how many draws from the prior to make."""

    spec: Mixture
    data: Data
    tree: xr.DataTree
    n_prior: int
    rng: np.random.Generator

    def group(self, variables: Mapping[str, Array], index: Mapping[str, Any]) -> xr.DataTree:
        """Group of draws with their chains and draws numbered as in ``index``."""
        dims = {**self.spec.dims, "x": ("obs_id", "feature")}
        coords = {**self.spec.coords(self.data.features), "obs_id": self.data.obs_id, **index}
        return group_of(variables, dims, coords, ("chain", "draw"))

    @property
    def index(self) -> dict[str, Any]:
        """Chains and draws of the sample."""
        posterior = self.tree["posterior"].to_dataset()
        return {dim: posterior[dim].values for dim in ("chain", "draw")}

    def by_draw(self, values: Array) -> Array:
        """Values (S, ...) of all draws as (chain, draw, ...)."""
        sizes = self.tree["posterior"].sizes
        return values.reshape(sizes["chain"], sizes["draw"], *values.shape[1:])

    def check_size(self, group: str, n_draws: int, width: int) -> None:
        """Refuse a group that may not fit into memory."""
        if (size := n_draws * self.data.n_rows * width) > MOST_VALUES:
            raise InputError(
                f"{group} of {n_draws:,} draws and {self.data.n_rows:,} rows has {size:,} values; take fewer "
                "draws, tree.isel(draw=slice(None, None, 10)), or leave the group out"
            )

    def rows_from(self, params: Params, labels: np.ndarray | None) -> Array:
        """One data set (n, D) for every parameter set (S, ...), at the exposures of the rows."""
        like, sample = self.data.values, self.spec.sample
        return np.stack([sample(one, len(like), self.rng, labels, like)[0] for one in sets_of(params)])


def _posterior_predictive(case: _Case) -> xr.DataTree:
    params = checked_draws(case.spec, case.tree)
    case.check_size("posterior_predictive", len(params["alpha"]), case.data.n_features)
    rows = case.rows_from(params, case.data.labels)
    return case.group({"x": case.by_draw(rows)}, case.index)


def _log_likelihood(case: _Case) -> xr.DataTree:
    params = checked_draws(case.spec, case.tree)
    case.check_size("log_likelihood", len(params["alpha"]), 1)
    densities = [case.spec.log_joint(one) for one in sets_of(params)]
    values = row_log_likelihoods(densities, case.data.values, case.data.labels)
    return case.group({"x": case.by_draw(values)}, case.index)


def _log_prior(case: _Case) -> xr.DataTree:
    params = checked_draws(case.spec, case.tree)
    parts = {
        "weights": case.spec.weights.log_prior(params),
        "components": case.spec.family.log_prior(params),
    }
    sizes = (len(params["alpha"]),)
    return case.group(
        {name: case.by_draw(np.broadcast_to(np.asarray(x), sizes)) for name, x in parts.items()},
        case.index,
    )


def _prior(case: _Case) -> xr.DataTree:
    if case.spec.prior is None and not case.spec.family.flat_is_proper:
        raise InputError("prior=None is flat, so that there is nothing to draw from; state a prior")
    import pymc as pm  # loads PyMC, only now
    from pytensor.compile.mode import Mode

    from mixtures.distributions.declare import declare

    model = declare(case.spec, replace(case.data, labels=None))
    seed = int(case.rng.integers(2**31))
    python = Mode(linker="py", optimizer="fast_compile")  # compiling would take longer than drawing
    drawn = pm.draw(model.free_RVs, case.n_prior, mode=python, random_seed=seed)
    variables = {rv.name: np.asarray(x)[None] for rv, x in zip(model.free_RVs, drawn, strict=True)}
    own = {name: variables[name] for name in case.spec.dims}
    return case.group(own, {"chain": [0], "draw": np.arange(case.n_prior)})


def _prior_predictive(case: _Case) -> xr.DataTree:
    """Rows of the draws in the group prior, which is drawn now if the tree has none."""
    prior = (case.tree["prior"] if "prior" in case.tree.children else _prior(case)).to_dataset()
    posterior = xr.DataTree.from_dict({"posterior": prior})
    params = checked_draws(case.spec, posterior)
    case.check_size("prior_predictive", len(params["alpha"]), case.data.n_features)
    rows = case.rows_from(params, None)
    x = rows.reshape(prior.sizes["chain"], prior.sizes["draw"], *rows.shape[1:])
    index = {dim: prior[dim].values for dim in ("chain", "draw")}
    return case.group({"x": x}, index)


def _observed_data(case: _Case) -> xr.DataTree:
    coords = {"obs_id": case.data.obs_id, "feature": case.data.features}
    return group_of({"x": case.data.values}, {"x": ("obs_id", "feature")}, coords, ())


GROUPS = {
    "posterior_predictive": _posterior_predictive,
    "log_likelihood": _log_likelihood,
    "log_prior": _log_prior,
    "prior": _prior,
    "prior_predictive": _prior_predictive,
    "observed_data": _observed_data,
}
"""What makes each group, in the order in which they are made."""


OF_ROWS = frozenset({"posterior_predictive", "log_likelihood", "prior_predictive", "observed_data"})
"""Groups that have a value for every row, so that the rows must be those of the other groups."""
