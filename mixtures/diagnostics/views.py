"""Views of a sample for ArviZ: every number once, and a variable for every column."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixtures.errors import InputError
from mixtures.messages import did_you_mean
from mixtures.trees import check_sample, item_dim, labels_along, level_table, sorted_sample

__all__ = ["by_column", "for_summary"]

OF_PARAMETERS = ("posterior", "prior")
"""Groups of parameters."""


OF_ROWS = ("observed_data", "posterior_predictive", "prior_predictive")
"""Groups of rows."""


def for_summary(tree: xr.DataTree, *, sd: bool = True) -> xr.DataTree:
    """Restate the parameters so that tables and forests show every number once.

    A covariance matrix holds every covariance twice. Here it becomes standard deviations ``sd`` and
    correlations ``corr``, one for every two features; variances ``sigma2`` become ``sd``. Items of an
    LCA that have fewer levels than others lose the zeros that fill their rows. Other parameters stay
    as they are.

    Parameters
    ----------
    tree : xarray.DataTree
        A sample, best aligned; the groups posterior and prior are restated, others kept.
    sd : bool, default True
        Whether to give standard deviations and correlations, or the entries of ``Sigma`` with its
        covariances once, and ``sigma2``.

    Returns
    -------
    xarray.DataTree
        A new tree for ArviZ. The functions of this package that need the model's parameters take
        the tree that it was made from.

    Raises
    ------
    InputError
        If the tree has no posterior.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> posterior = mx.for_summary(em.to_datatree())["posterior"]
    >>> list(posterior.data_vars)
    ['alpha', 'mu', 'sd', 'corr']
    >>> posterior["corr"].sel(pair="waiting, eruptions").values.round(2).tolist()
    [[[0.39, 0.32]]]
    """
    tree = sorted_sample(tree)
    new = tree.copy()
    for group in OF_PARAMETERS:
        if group in tree.children:
            dataset = tree[group].to_dataset()
            parts: dict[Any, xr.DataArray] = {}
            for name, variable in dataset.data_vars.items():
                parts |= _restated(str(name), variable, dataset, sd)
            restated = xr.Dataset(parts, attrs=dataset.attrs)
            unused = [dim for dim in restated.coords if dim not in restated.dims]
            new[group] = xr.DataTree(restated.drop_vars(unused))
    return new


def by_column(tree: xr.DataTree, columns: str | Sequence[str] | None = None) -> xr.DataTree:
    """Give every column of the data a variable of its own, as ArviZ's checks of single observations need.

    ``plot_ppc_pit``, ``plot_loo_pit``, ``plot_ppc_interval`` and others compare one number a row with its
    predictions. The log-likelihood stays that of whole rows, under the name of every column, so that
    leaving out an observation leaves out its row. Columns of whole numbers become integers.

    Parameters
    ----------
    tree : xarray.DataTree
        A sample with ``observed_data`` and predictive groups (see `extend`).
    columns : str or sequence of str, optional
        The columns; by default all. Rows in which one of them is missing are left out.

    Returns
    -------
    xarray.DataTree
        A new tree with a variable of dims (chain, draw, obs_id) for every column in
        posterior_predictive, prior_predictive and log_likelihood, and (obs_id) in observed_data.

    Raises
    ------
    InputError
        If the tree holds no rows, a column is unknown, or its name is that of a dim.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, draws=100, random_seed=1, progressbar=False)
    >>> tree = mx.extend(mx.GMM(2), X, tree, "posterior_predictive", random_seed=1)
    >>> list(mx.by_column(tree)["posterior_predictive"].data_vars)
    ['eruptions', 'waiting']
    """
    check_sample(tree)
    if "observed_data" not in tree.children or "x" not in tree["observed_data"]:
        raise InputError("the tree has no rows x in observed_data: mx.extend(spec, X, tree) adds them")
    observed = tree["observed_data"].to_dataset()["x"]
    if "feature" not in observed.dims:
        raise InputError("the rows of this tree have no dim feature")
    known = [str(name) for name in observed["feature"].values]
    chosen = known if columns is None else [columns] if isinstance(columns, str) else list(columns)
    for name in chosen:
        if name not in known:
            raise InputError(f"no column {name!r}{did_you_mean(name, known)}; columns are {', '.join(known)}")
        if name in ("chain", "draw", "obs_id", "sample"):
            raise InputError(f"column {name} has the name of a dim; rename it before fitting")
    places = [known.index(name) for name in chosen]
    whole_rows = observed.isel(feature=places).notnull().all("feature").values
    new = tree.copy()
    for group in OF_ROWS:
        if group in tree.children:
            dataset = tree[group].to_dataset()
            rows = dataset["x"].isel(obs_id=whole_rows)
            own = {
                name: _as_counted(rows.isel(feature=place, drop=True))
                for name, place in zip(chosen, places, strict=True)
            }
            new[group] = xr.DataTree(xr.Dataset(own, attrs=dataset.attrs))
    if "log_likelihood" in tree.children:
        dataset = tree["log_likelihood"].to_dataset()
        same = dict.fromkeys(chosen, dataset["x"].isel(obs_id=whole_rows))
        new["log_likelihood"] = xr.DataTree(xr.Dataset(same, attrs=dataset.attrs))
    return new


def _as_counted(column: xr.DataArray) -> xr.DataArray:
    """Whole numbers as integers, which ArviZ draws as counts."""
    return column.astype(np.int64) if bool((column == np.round(column)).all()) else column


def _restated(name: str, variable: xr.DataArray, dataset: xr.Dataset, sd: bool) -> dict[str, xr.DataArray]:
    """What a parameter is replaced by: itself, in most cases."""
    dims = [str(dim) for dim in variable.dims]
    if len(dims) > 1 and dims[-1] == f"{dims[-2]}_bis":
        return _of_matrix(name, variable, dims[-2], sd)
    if name == "sigma2" and sd:
        return {"sd": variable.copy(data=np.sqrt(variable.values))}
    if dims[-1] == "category" and item_dim(dataset) == dims[-2]:
        return {name: _of_levels(variable, dataset, dims[-2])}
    return {name: variable}


def _of_matrix(name: str, matrix: xr.DataArray, dim: str, sd: bool) -> dict[str, xr.DataArray]:
    bis = f"{dim}_bis"
    if not sd:
        return {name: _entries(matrix, dim, bis, "entry", lambda n: np.tril_indices(n))}
    variances = np.diagonal(matrix.values, axis1=-2, axis2=-1)
    spread = matrix.isel({bis: 0}, drop=True).copy(data=np.sqrt(variances))
    scale = spread.values
    corr = matrix.copy(data=matrix.values / (scale[..., None] * scale[..., None, :]))
    found = {"sd": spread}
    if matrix.sizes[dim] > 1:
        found["corr"] = _entries(corr, dim, bis, "pair", lambda n: np.tril_indices(n, -1))
    return found


def _entries(
    matrix: xr.DataArray, dim: str, bis: str, new: str, choose: Callable[[int], tuple[Any, Any]]
) -> xr.DataArray:
    """Chosen entries of matrices along one dim, labelled by their two features."""
    i, j = choose(matrix.sizes[dim])
    names = labels_along(matrix, dim)
    chosen = matrix.isel({dim: xr.DataArray(i, dims=new), bis: xr.DataArray(j, dims=new)})
    chosen = chosen.drop_vars([dim, bis], errors="ignore")
    return chosen.assign_coords({new: [f"{names[a]}, {names[b]}" for a, b in zip(i, j, strict=True)]})


def _of_levels(p: xr.DataArray, dataset: xr.Dataset, item: str) -> xr.DataArray:
    """Probabilities of the levels that items have, along one dim labelled ``item=level``."""
    names = labels_along(dataset, item)
    level = level_table(dataset, item)
    own = [dim for dim in p.dims if dim not in (item, "category")]
    exists = (level != "") & (p > 0).any(own).transpose(item, "category").values
    i, j = np.nonzero(exists)
    labels = [f"{names[a]}={level[a, b]}" for a, b in zip(i, j, strict=True)]
    at = {item: xr.DataArray(i, dims="item_level"), "category": xr.DataArray(j, dims="item_level")}
    chosen = p.isel(at).drop_vars([item, "category", "level"], errors="ignore")
    return chosen.assign_coords(item_level=labels)
