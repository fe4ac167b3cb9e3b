"""Levels of items, and pairs of features, as entries of one dim, which pictures can draw."""

import numpy as np
import xarray as xr

from mixtures.trees import item_dim, labels_along, level_table

__all__ = ["ITEM", "itemised", "triangles"]

ITEM = "item"
"""The dim of items and their levels together."""


PAIR = "pair"
"""The dim of pairs of features, each pair once."""


def itemised(posterior: xr.Dataset, known: xr.Dataset | None = None) -> xr.Dataset:
    """Join the dims of features and of categories, levels that do not exist left out.

    Levels are those of another sample of the same features, where that is given.

    Examples
    --------
    >>> from mixtures.trees import with_levels
    >>> p = xr.DataArray([[0.2, 0.8], [1.0, 0.0]], dims=("feature", "category"))
    >>> one = xr.Dataset({"p": p}, {"feature": ["a", "b"], "category": [0, 1]})
    >>> itemised(with_levels(one, {"a": ["no", "yes"], "b": ["any"]}))["p"].to_series().to_dict()
    {'a: no': 0.2, 'a: yes': 0.8, 'b: any': 1.0}
    """
    item = item_dim(posterior)
    if item is None:
        return posterior
    shape = (posterior.sizes[item], posterior.sizes["category"])
    features = labels_along(posterior, item)
    level = level_table(posterior, item, known)
    kept = np.flatnonzero(level != "")
    names = [f"{features[at // shape[1]]}: {level.ravel()[at]}" for at in kept]

    def joined(x: xr.DataArray) -> xr.DataArray:
        if not {item, "category"} <= set(x.dims):
            return x
        rest = [dim for dim in x.dims if dim not in (item, "category")]
        flat = x.transpose(*rest, item, "category").values.reshape(*(x.sizes[dim] for dim in rest), -1)
        labels = {dim: x[dim].values for dim in rest if dim in x.coords}
        return xr.DataArray(flat[..., kept], {**labels, ITEM: names}, [*rest, ITEM])

    return xr.Dataset({name: joined(x) for name, x in posterior.data_vars.items()})


def triangles(posterior: xr.Dataset) -> xr.Dataset:
    """Join both dims of symmetric matrices of features, every entry once.

    Examples
    --------
    >>> names = {"feature": ["a", "b"], "feature_bis": ["a", "b"]}
    >>> one = xr.Dataset({"Sigma": xr.DataArray([[1.0, 0.5], [0.5, 2.0]], names, list(names))})
    >>> triangles(one)["Sigma"].to_series().to_dict()
    {'a, a': 1.0, 'b, a': 0.5, 'b, b': 2.0}
    """

    def halved(x: xr.DataArray) -> xr.DataArray:
        own = next((str(d) for d in x.dims if f"{d}_bis" in x.dims), None)
        if own is None:
            return x
        rest = [dim for dim in x.dims if dim not in (own, f"{own}_bis")]
        matrix = x.transpose(*rest, own, f"{own}_bis").values
        if not np.allclose(matrix, matrix.swapaxes(-1, -2)):
            return x
        rows, columns = np.tril_indices(x.sizes[own])
        names = labels_along(posterior, own)
        pairs = [f"{names[a]}, {names[b]}" for a, b in zip(rows, columns, strict=True)]
        labels = {dim: x[dim].values for dim in rest if dim in x.coords}
        return xr.DataArray(matrix[..., rows, columns], {**labels, PAIR: pairs}, [*rest, PAIR])

    return xr.Dataset({name: halved(x) for name, x in posterior.data_vars.items()})
