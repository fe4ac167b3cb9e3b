"""Which cluster a row belongs to, and how sure that is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from mixtures.data import Data, InputError, as_data
from mixtures.families import Mixture
from mixtures.priors import Array
from mixtures.trees import flat_draws

__all__ = ["responsibilities"]

BLOCK = 20_000_000
"""Responsibilities (draws x rows x clusters) held in memory at once."""


def responsibilities(
    spec: Mixture, X: Any, params: Mapping[str, Any] | xr.DataTree, *, ci_prob: float = 0.95
) -> xr.Dataset:
    """Posterior probability of every cluster for every row, of old or new data.

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like or frame, shape (n, D)
        Rows to assign; the columns of the data that were fitted.
    params : dict of ndarray or xarray.DataTree
        Parameters, such as ``em.params``, or an aligned posterior sample.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.

    Returns
    -------
    xarray.Dataset
        ``responsibilities (obs_id, cluster)``; from a sample it is the mean over
        the draws, and ``lower`` and ``upper`` bound the interval.

    Raises
    ------
    InputError
        If the columns are not as many as the model's features.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 9.13 and 9.56.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> r = mx.responsibilities(em.spec, X, em.params)
    >>> r["responsibilities"].sel(obs_id=0).round(3).values.tolist()
    [1.0, 0.0]
    """
    data = as_data(X)
    coords = {"obs_id": data.obs_id, "cluster": np.arange(spec.n_components)}
    dims = ("obs_id", "cluster")
    if not isinstance(params, xr.DataTree):
        arrays = {name: np.asarray(params[name], dtype=np.float64) for name in spec.dims}
        _check_features(spec, arrays, data)
        return xr.Dataset({"responsibilities": (dims, spec.responsibilities(data, arrays))}, coords)
    draws = flat_draws(params, spec.dims)
    _check_features(spec, {name: x[0] for name, x in draws.items()}, data)
    n_draws = len(draws["alpha"])
    step = max(1, BLOCK // (n_draws * spec.n_components))
    tail = (1 - ci_prob) / 2
    blocks = [
        _summary(spec, Data(data.values[i : i + step], data.features, data.obs_id[i : i + step]), draws, tail)
        for i in range(0, data.n_rows, step)
    ]
    mean, lower, upper = np.concatenate(blocks, axis=1)
    return xr.Dataset(
        {"responsibilities": (dims, mean), "lower": (dims, lower), "upper": (dims, upper)}, coords
    )


def _summary(spec: Mixture, data: Data, draws: Mapping[str, Array], tail: float) -> Array:
    """Mean and interval bounds (3, rows, K) over the draws."""
    r = np.stack(
        [spec.responsibilities(data, {k: x[s] for k, x in draws.items()}) for s in range(len(draws["alpha"]))]
    )
    return np.stack([r.mean(axis=0), *np.quantile(r, [tail, 1 - tail], axis=0)])


def _check_features(spec: Mixture, params: Mapping[str, Array], data: Data) -> None:
    fitted = next(
        params[name].shape[dims.index("feature")] for name, dims in spec.dims.items() if "feature" in dims
    )
    if fitted != data.n_features:
        raise InputError(f"X has {data.n_features} columns; the parameters are of {fitted} features")
