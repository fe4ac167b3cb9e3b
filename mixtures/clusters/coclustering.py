"""How often two rows share a cluster."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind
from mixtures.draws import checked_draws, of_sample
from mixtures.em.natural import Draws
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, with_sample
from mixtures.progress import track
from mixtures.types import Array

__all__ = ["coclustering", "coclustering_of_draws"]

MOST_ROWS = 5_000
"""Largest number of rows; all pairs are held in memory, 200 MB."""


BLOCK = 2**22
"""Responsibilities (draws x rows x clusters) held in memory at once."""


def coclustering(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    missing: str | None = None,
    labels: Any = None,
    progressbar: bool = False,
) -> xr.DataArray:
    """Posterior probability, for every pair of rows, that they belong to the same cluster.

    The hidden clusters are summed out draw by draw (Rao-Blackwell): the mean
    over the draws of ``sum_k r_ik r_jk``. Without known labels the numbers of the
    clusters do not matter, so the sample need not be aligned.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `responsibilities`.
    X : array_like or frame, shape (n, D)
        Rows to compare, old or new, at most 5,000; checked, matched and by default as in `responsibilities`.
    tree : xarray.DataTree
        A posterior sample; left out if a fit is given in place of the model.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, as in `responsibilities`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: two labelled rows share a cluster or do not. These are
        numbers of the sample's clusters, so it must be one that was drawn with labels, or aligned.
    progressbar : bool, default False
        Show the progress over the draws.

    Returns
    -------
    xarray.DataArray
        Symmetric matrix with dims (obs_id, obs_id_bis) and ones on its diagonal.

    Raises
    ------
    InputError
        If the rows are too many, or as in `responsibilities`.

    References
    ----------
    Fritsch and Ickstadt (2009), *Bayesian Analysis* 4, 367-392.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> together = mx.coclustering(em, X[:3])
    >>> together.round(2).values.tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    spec, data, tree = of_sample(*with_sample(spec, X, tree), missing=missing, labels=labels)
    n, k = data.n_rows, spec.n_components
    _check_rows(n)
    draws = checked_draws(spec, tree)
    n_draws = len(draws["alpha"])
    size = max(1, BLOCK // (n * k))
    parts = (
        {name: x[first : first + size] for name, x in draws.items()}
        for first in track(range(0, n_draws, size), "Co-clustering", shown=progressbar)
    )
    blocks = (Draws.of(spec, data, part).responsibilities(data.values, data) for part in parts)
    return _pairs(blocks, n_draws, data.obs_id)


def coclustering_of_draws(draws: xr.DataArray, *, dim: str | None = None) -> xr.DataArray:
    """Posterior probability that rows share a cluster, from draws of anyone's mixture.

    The draws are either numbers of clusters, such as an allocation ``z`` that was sampled or
    recovered, or responsibilities, whose clusters are summed out as in `coclustering`. Labels may
    switch from draw to draw.

    Parameters
    ----------
    draws : xarray.DataArray
        Whole numbers with dims chain, draw and one of rows; or probabilities with one more dim, of
        clusters, such as those of `model_responsibilities`. At most 5,000 rows.
    dim : str, optional
        The dim of clusters, for probabilities; by default ``cluster``, or else the last of the four.

    Returns
    -------
    xarray.DataArray
        Symmetric matrix with dims (obs_id, obs_id_bis) and ones on its diagonal, for
        `point_partition`.

    Raises
    ------
    InputError
        If dims or values are others, or the rows are too many.

    References
    ----------
    Fritsch and Ickstadt (2009), *Bayesian Analysis* 4, 367-392.

    Examples
    --------
    >>> import xarray as xr
    >>> import mixtures as mx
    >>> z = xr.DataArray([[[0, 0, 1], [1, 1, 0]]], dims=["chain", "draw", "row"])  # labels switch
    >>> mx.coclustering_of_draws(z).values.tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_kind(xr.DataArray, "an xarray.DataArray of draws", draws=draws)
    if dim is None:
        dim = "cluster" if "cluster" in draws.dims or draws.ndim < 4 else str(draws.dims[-1])
    rows = [d for d in draws.dims if d not in ("chain", "draw", dim)]
    if len(rows) != 1 or not {"chain", "draw"} <= set(draws.dims):
        found = ", ".join(map(str, draws.dims))
        raise InputError(f"draws have dims {found}; they need chain, draw and one of rows")
    (row,) = rows
    n = draws.sizes[row]
    _check_rows(n)
    r = _memberships(draws.transpose("chain", "draw", row, ...), n, dim)
    size = max(1, BLOCK // (n * r.shape[-1]))
    blocks = (r[first : first + size].astype(np.float64) for first in range(0, len(r), size))
    return _pairs(blocks, len(r), draws[row].values if row in draws.coords else np.arange(n))


def _memberships(draws: xr.DataArray, n: int, dim: str) -> np.ndarray:
    """Share of every cluster in every row (S, n, K); 0 and 1 where draws are numbers of clusters."""
    if dim in draws.dims:
        r = draws.values.reshape(-1, n, draws.sizes[dim])
        if not np.allclose(r.sum(axis=-1), 1, atol=1e-6):
            raise InputError(f"responsibilities must sum to one along {dim}")
        return r
    z = draws.values.reshape(-1, n)
    if not np.array_equal(z, np.round(z)):
        raise InputError(f"numbers of clusters must be whole; for responsibilities dim={dim!r} is missing")
    return np.asarray(z[..., None] == np.unique(z))


def _check_rows(n: int) -> None:
    if n > MOST_ROWS:
        raise InputError(
            f"{n} rows make {n * n:,} pairs; pass at most {MOST_ROWS} rows, such as a random subset, or use "
            "responsibilities, which takes any number"
        )


def _pairs(blocks: Iterable[Array], n_draws: int, obs_id: np.ndarray) -> xr.DataArray:
    """Probabilities of pairs, from responsibilities of draws in blocks, with rows along the second axis."""
    n = len(obs_id)
    together = np.zeros((n, n))
    for r in blocks:
        flat = r.swapaxes(0, 1).reshape(n, -1)
        together += flat @ flat.T
    together /= n_draws
    np.fill_diagonal(together, 1)
    np.clip(together, 0, 1, out=together)
    coords = {"obs_id": obs_id, "obs_id_bis": obs_id}
    return xr.DataArray(together, coords, ("obs_id", "obs_id_bis"), name="coclustering")
