"""Posterior samples passed with a model: whether they belong to it, and to which columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind, check_whole
from mixtures.brief import model_words
from mixtures.data.known_labels import UNKNOWN
from mixtures.data.matching import has_names, places
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.messages import Option, counted, rows_are, them, worded
from mixtures.trees import SUM_ROUNDING, feature_dims, feature_labels, item_dim, labels_in, sorted_sample
from mixtures.types import LEVELS, Array, Params

__all__ = [
    "checked_draws",
    "evenly_spaced",
    "features_of",
    "finite_draws",
    "finite_sets",
    "flat_draws",
    "levels_of",
    "named_after",
    "not_fitted",
    "of_sample",
    "resolved_for",
    "rows_of",
    "sample_of",
    "sets_of",
    "some_draws",
    "thinned",
]


def of_sample(
    spec: Mixture,
    X: Any,
    tree: xr.DataTree,
    weights: Any = None,
    *,
    missing: str | None = None,
    labels: Any = None,
) -> tuple[Mixture, Data, xr.DataTree]:
    """Return model, checked rows and sample, with the columns of all three in the order of the fit.

    The names are those that the model has or, where it has none, the sample.
    """
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    spec = named_after(spec, tree)
    tree = sample_of(spec, tree)
    return spec, spec.read(X, weights, missing, labels), tree


def sample_of(spec: Mixture, tree: xr.DataTree) -> xr.DataTree:
    """Check that a sample holds draws of this model's parameters, and put dims and features in its order.

    Parameters
    ----------
    spec : Mixture
        The model.
    tree : xarray.DataTree
        The sample.

    Returns
    -------
    xarray.DataTree
        The tree itself if its order is right already.

    Raises
    ------
    InputError
        If a parameter is missing, or has other dims, clusters or features than the model's.
    """
    tree = sorted_sample(tree)
    posterior = tree["posterior"].to_dataset()
    missing = [name for name in spec.dims if name not in posterior.data_vars]
    if missing:
        raise InputError(
            f"the posterior lacks {', '.join(missing)}: it is not a sample of {model_words(spec)}; give the "
            "model that was sampled"
        )
    for name, own in spec.dims.items():
        found = [str(dim) for dim in posterior[name].dims]
        if sorted(found) != sorted(["chain", "draw", *own]):
            raise InputError(
                f"{name} in the posterior has dims {', '.join(found)}, that of {model_words(spec)} has "
                f"chain, draw, {', '.join(own)}; give the model that was sampled"
            )
    turned = {name: posterior[name].transpose(..., *own) for name, own in spec.dims.items()}
    if any(x.dims != posterior[name].dims for name, x in turned.items()):
        posterior, tree = posterior.assign(turned), tree.copy()
        tree["posterior"].dataset = posterior
    k = posterior.sizes["cluster"]
    if k != spec.n_components:
        raise InputError(
            worded(
                f"the posterior is of {counted(k, 'cluster')}, the model has ",
                Option("n_components", spec.n_components),
                "; give the model that was sampled",
            )
        )
    features = None if spec.features is None else named_after(spec, tree).features
    return tree if features is None else _in_order_of_model(tree, posterior, spec.of(features))


def checked_draws(spec: Mixture, tree: xr.DataTree) -> dict[str, Array]:
    """Return draws (S, ...) of a sample by name; refuse those of another model or not finite."""
    draws = flat_draws(sample_of(spec, tree), spec.dims)
    sums = draws["alpha"].sum(axis=-1)
    for name, x in draws.items():
        bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
        if len(bad):
            where = f"{counted(len(bad), 'draw')}, the first is {bad[0]}; drop {them(bad)}"
            raise InputError(f"{name} is not finite in {where}")
    bad = np.flatnonzero(np.abs(sums - 1) > SUM_ROUNDING)
    if len(bad):
        raise InputError(
            f"alpha sums to {sums[bad[0]]:.3g} in draw {bad[0]}, and the weights of all clusters to 1: "
            "select clusters from results, not from the sample"
        )
    return draws


def features_of(tree: xr.DataTree) -> tuple[str, ...]:
    """Names of the features of a sample, or their positions if it has none; empty without features."""
    posterior = tree["posterior"].to_dataset()
    if "feature" not in posterior.dims:
        return ()
    if "feature" not in posterior.coords:
        return tuple(map(str, range(posterior.sizes["feature"])))
    return tuple(map(str, posterior["feature"].values))


def levels_of(tree: xr.DataTree) -> tuple[tuple[Any, ...], ...] | None:
    """Labels of the levels of every feature of a sample, as text, or its codes; None if it has none."""
    posterior = tree["posterior"].to_dataset()
    if "category" not in posterior.dims:
        return None
    codes, item = tuple(range(posterior.sizes["category"])), item_dim(posterior)
    unnamed = (codes,) * (posterior.sizes[item] if item else 0)
    found: tuple[tuple[Any, ...], ...] = labels_in(posterior).get(LEVELS, unnamed)
    return found


def named_after(spec: Mixture, tree: xr.DataTree) -> Mixture:
    """Give the model the names of a sample's features, and their levels, if it has none of its own."""
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree.children:
        return spec
    features = features_of(tree)
    if features and not (spec.features is not None and has_names(spec.features)):
        spec = spec.of(features, whose="the posterior is")
    levels = levels_of(tree)
    return spec if levels is None else spec.with_levels(features, levels)


def rows_of(tree: xr.DataTree) -> Data | None:
    """Rows that a sample was drawn from, with their weights and known labels; None if it does not hold them.

    Categories are their codes.
    """
    if "observed_data" not in tree.children:
        return None
    group = tree["observed_data"].to_dataset()
    tables = [v for v in group.data_vars.values() if v.ndim == 2]
    if len(tables) != 1:
        return None
    (table,) = tables
    beside = tree["constant_data"].to_dataset() if "constant_data" in tree.children else xr.Dataset()
    weights, labels = (beside[name].values if name in beside else None for name in ("weights", "labels"))
    features, levels = features_of(tree), levels_of(tree)
    if levels is not None:  # those of columns that have none are None
        posterior = tree["posterior"].to_dataset()
        own = feature_labels(posterior).get(item_dim(posterior) or "", features)
        at = dict(zip(own, levels, strict=True))
        levels = tuple(at.get(name) for name in features)  # type: ignore[misc]
    values = np.asarray(table.values)
    columns = {x.attrs["feature"]: x.values for x in beside.data_vars.values() if "feature" in x.attrs}
    if columns and values.shape[1] < len(features):
        columns |= dict(zip(table[table.dims[1]].values, values.T, strict=True))
        values = np.column_stack([columns[name] for name in features])
    data = as_data(values, weights, missing=INTEGRATE, labels=labels)
    obs_id = table[table.dims[0]].values if table.dims[0] in table.coords else data.obs_id
    names = features if len(features) == data.n_features else data.features
    return replace(data, features=names, obs_id=obs_id, levels=levels)


def resolved_for(spec: Mixture, tree: xr.DataTree, data: Data) -> Mixture:
    """The model of a sample: a default prior is that of the rows that it was drawn from, if it holds them."""
    if spec.resolved:
        return spec
    rows = rows_of(tree)
    return resolve(spec, data if rows is None else spec.read(rows))


def not_fitted(tree: xr.DataTree, data: Data, *, whole: bool = False, in_order: bool = False) -> str:
    """Which of these rows the sample was not drawn from, in words; empty if from all, or it is not known.

    They may be some of the rows, in any order, unless they are to be the whole or in order; their known
    labels and weights count as well.
    """
    rows = rows_of(tree)
    if rows is None or rows.n_features != data.n_features:
        return ""
    if _weighed(rows) != _weighed(data):
        return f"the sample was drawn from rows with{'' if _weighed(rows) else 'out'} weights"
    own, fitted = (_as_bytes(one) for one in (data, rows))
    other = np.flatnonzero(_beyond(own, fitted))
    if not len(other):
        if (whole or in_order) and rows.n_rows != data.n_rows:
            return f"the sample was drawn from {rows.n_rows:,} rows, and these are {data.n_rows:,}"
        if in_order and (own != fitted).any():
            return "the sample was drawn from these rows in another order"
        return ""
    first = rows_are(other[:1], data.obs_id, data.first).removesuffix(" is")
    return (
        f"the sample was drawn from other rows: {len(other):,} of {data.n_rows:,} are none of its own, "
        f"the first {first}"
    )


def _beyond(own: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Which rows (n,) are not among those fitted, or occur more often than there."""
    codes = np.unique(np.concatenate([fitted, own]), return_inverse=True)[1]
    held, codes = np.bincount(codes[: len(fitted)], minlength=codes.max() + 1), codes[len(fitted) :]
    order = np.argsort(codes, kind="stable")
    place = np.empty(len(own), dtype=np.int64)  # among the rows that are equal to it
    place[order] = np.arange(len(own)) - np.searchsorted(codes[order], codes[order])
    return place >= held[codes]


def _weighed(data: Data) -> bool:
    """Whether some row has another weight than one."""
    return data.weights is not None and bool((data.weights != 1).any())


def _as_bytes(data: Data) -> np.ndarray:
    """One value for every row with what is beside it, to compare rows: some samples hold 32-bit floats."""
    labels = np.full(data.n_rows, UNKNOWN) if data.labels is None else data.labels
    table = np.column_stack([data.values, labels, data.counts]).astype(np.float32) + 0.0  # one zero
    table[np.isnan(table)] = np.nan  # of one kind
    return np.ascontiguousarray(table).view(f"V{table.shape[1] * table.itemsize}")[:, 0]


def _in_order_of_model(tree: xr.DataTree, posterior: xr.Dataset, spec: Mixture) -> xr.DataTree:
    """Return the tree with the features of every group in the model's order, by their labels."""
    own, features = features_of(tree), spec.features or ()
    order = places(own, features, what="the posterior has", whose="the model is")
    new = dict(zip(features, (own[j] for j in order), strict=True))
    coords = spec.coords(features)
    labels = {dim: tuple(new[str(name)] for name in coords[dim]) for dim in feature_dims(coords)}
    if order == sorted(order) and all(
        tuple(map(str, posterior[dim].values)) == labels[dim]
        for dim in feature_dims(posterior.dims)
        if dim in posterior.coords and dim in labels
    ):
        return tree

    def moved(group: xr.Dataset) -> xr.Dataset:
        at = {
            dim: places(tuple(map(str, group[dim].values)), labels[dim]) if dim in group.coords else order
            for dim in feature_dims(group.dims)
            if dim in labels
        }
        return group.isel(at)

    groups = {name: moved(group.to_dataset()) for name, group in tree.children.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})


def some_draws(spec: Mixture, tree: xr.DataTree, n_draws: int) -> list[Params]:
    """Parameters of at most ``n_draws`` draws of all chains, evenly spaced."""
    check_whole(1, n_draws=n_draws)
    draws = checked_draws(spec, tree)
    return sets_of(draws, evenly_spaced(len(draws["alpha"]), n_draws))


def evenly_spaced(total: int, most: int) -> np.ndarray:
    """Positions of at most ``most`` of ``total`` draws, the first and the last among them.

    Examples
    --------
    >>> evenly_spaced(1000, 3).tolist()
    [0, 499, 999]
    """
    return np.linspace(0, total - 1, min(total, most)).astype(int)


def sets_of(draws: Params, chosen: Iterable[int] | None = None) -> list[Params]:
    """Parameters of every draw, or of those chosen, from draws (S, ...) by name."""
    places = range(len(draws["alpha"])) if chosen is None else chosen
    return [{name: x[s] for name, x in draws.items()} for s in places]


def finite_sets(tree: xr.DataTree, spec: Mixture) -> tuple[dict[str, Array], np.ndarray]:
    """Parameters (draws, ...) of the draws that are finite, and which draws (chain, draw) are."""
    draws = flat_draws(tree, spec.dims)
    numbers = [np.isfinite(x).reshape(len(x), -1).all(axis=1) for x in draws.values()]
    finite = np.all(numbers, axis=0)
    sizes = tree["posterior"].sizes
    kept = {name: x[finite] for name, x in draws.items()}
    return kept, finite.reshape(sizes["chain"], sizes["draw"])


def finite_draws(tree: xr.DataTree, spec: Mixture) -> tuple[list[Params], np.ndarray]:
    """The same with a dict of parameters for each draw."""
    draws, finite = finite_sets(tree, spec)
    return sets_of(draws), finite


def thinned(tree: xr.DataTree, draws: int) -> xr.DataTree:
    """Tree with about ``draws`` evenly spaced draws of its sampled groups."""
    sizes = tree["posterior"].sizes
    step = -(-sizes["chain"] * sizes["draw"] // draws)
    groups = {name: group.to_dataset() for name, group in tree.children.items()}
    sampled = {name: x for name, x in groups.items() if x.sizes.get("draw") == sizes["draw"]}
    few = {name: x.isel(draw=slice(None, None, step)) for name, x in sampled.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups, **few})


def flat_draws(tree: xr.DataTree, dims: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Posterior draws of all chains in one axis, then the parameters' own: name to (draws, ...)."""
    posterior = tree["posterior"].to_dataset()
    ordered = {name: posterior[name].transpose("chain", "draw", *own).values for name, own in dims.items()}
    return {name: x.reshape(-1, *x.shape[2:]) for name, x in ordered.items()}
