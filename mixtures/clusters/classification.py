"""How well a mixture separates its clusters: the figures that papers on latent classes report."""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Self

import numpy as np
import xarray as xr
from scipy.special import entr

from mixtures.arguments import check_share
from mixtures.clusters.align import in_one_order
from mixtures.data.table import Data
from mixtures.draws import checked_draws, of_sample
from mixtures.em.natural import Draws
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, Parameters, at_point, with_params
from mixtures.progress import track
from mixtures.types import Array, Params

__all__ = ["classification"]

BLOCK = 2**20
"""Responsibilities (draws x rows x clusters) held in memory at once."""


SUMMARY = ("mean", "sd", "lower", "upper")


def classification(
    spec: Mixture | Fit,
    X: Any = None,
    params: Parameters | None = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    ci_prob: float = 0.95,
    progressbar: bool = False,
) -> xr.Dataset:
    r"""Measure how well rows can be assigned to clusters.

    With responsibilities :math:`p_{ik}` of n rows and K clusters of weights :math:`\alpha_k`::

        relative entropy   1 - sum_ik (-p_ik log p_ik) / (n log K)
        entropy R2         1 - mean_i H(p_i) / H(alpha),   H(q) = -sum_k q_k log q_k
        error              1 - mean_i max_k p_ik

    The relative entropy is what Mplus prints as "entropy"; the entropy R2 is that of Latent GOLD.
    Both are 1 where every row has one possible cluster. The relative entropy is 0 if all
    responsibilities are 1 / K, the entropy R2 if the rows say nothing beyond the weights. From a
    posterior sample, every figure is computed draw by draw and then summarised.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, with two clusters or more, or a fit or posterior sample of it, as in `responsibilities`.
    X : array_like or frame, shape (n, D)
        Rows to assign, old or new; checked, matched and by default as in `responsibilities`.
    params : dict of ndarray or xarray.DataTree
        Parameters, such as ``em.params``, or a posterior sample, which is aligned
        if it is not; left out if a fit is given.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, as in `responsibilities`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: a labelled row is wholly in its cluster.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.
    progressbar : bool, default False
        Show the progress over the rows.

    Returns
    -------
    xarray.Dataset
        ``relative_entropy``, ``entropy_r2`` and ``error``; ``alpha (cluster)`` and, beside it,
        ``modal_share (cluster)``, the share of rows of which the cluster is the most probable;
        ``average_probability (assigned, cluster)``, the mean responsibilities of the rows assigned to
        each cluster; and ``assigned_probability (cluster, assigned)``, with what probability a row of
        each cluster is assigned to which. A cluster that no row is assigned to, or that is empty, has
        NaN there. From a sample each has the dim ``summary``: mean, sd, lower and upper.

    Raises
    ------
    InputError
        If there is a single cluster, or as in `responsibilities`.

    References
    ----------
    Celeux and Soromenho (1996), *Journal of Classification* 13 (entropy); Vermunt and Magidson,
    *Technical Guide for Latent GOLD* (2016), section 4.3 (entropy R2, error, classification tables).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> found = mx.classification(em, X)
    >>> round(float(found["relative_entropy"]), 3), round(float(found["error"]), 4)
    (0.997, 0.0007)
    """
    check_share(ci_prob=ci_prob)
    spec, X, params = with_params(spec, X, params)
    if spec.n_components < 2:
        raise InputError("n_components is 1: with a single cluster there is nothing to classify")
    if isinstance(params, xr.DataTree):
        spec, data, tree = of_sample(spec, X, params, weights, missing=missing, labels=labels)
        draws = checked_draws(spec, in_one_order(tree) if data.labels is None else tree)
    else:
        data = spec.read(X, weights, missing, labels)
        draws = {name: x[None] for name, x in at_point(spec, params, data.n_features).items()}
    figures = _figures(_summed(Draws.of(spec, data, draws), data, progressbar), draws)
    coords = {"cluster": np.arange(spec.n_components), "assigned": np.arange(spec.n_components)}
    if not isinstance(params, xr.DataTree):
        return xr.Dataset({name: (dims, x[0]) for name, (dims, x) in figures.items()}, coords)
    tail = (1 - ci_prob) / 2
    return xr.Dataset(
        {name: (("summary", *dims), _summary(x, tail)) for name, (dims, x) in figures.items()},
        {"summary": list(SUMMARY), **coords},
    )


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over rows, a set for each of S draws.

    ``rows`` is their weight, ``entropy (S,)`` that of their responsibilities, ``table (K, K, S)`` the
    responsibilities by assigned cluster, and ``assigned (K, S)`` the rows assigned to each.
    """

    rows: float
    entropy: Array
    table: Array
    assigned: Array

    @classmethod
    def of(cls, r: Array, weights: Array) -> Self:
        """Sums over some rows, with responsibilities (K, n, S)."""
        modal = r.argmax(axis=0)[None] == np.arange(len(r))[:, None, None]
        counted = modal * weights[:, None]
        return cls(
            float(weights.sum()),
            weights @ entr(r).sum(axis=0),
            np.einsum("ans,cns->acs", counted, r),
            counted.sum(axis=1),
        )

    def __add__(self, other: Self) -> Self:
        """Sums over both sets of rows."""
        return type(self)(
            self.rows + other.rows,
            self.entropy + other.entropy,
            self.table + other.table,
            self.assigned + other.assigned,
        )


def _summed(draws: Draws, data: Data, progressbar: bool) -> _Sums:
    size = max(1, BLOCK // (draws.n_draws * draws.spec.n_components))
    blocks = track(data.blocks(size), "Rows", shown=progressbar, total=-(-data.n_rows // size))
    counts = data.counts
    parts = (
        _Sums.of(draws.responsibilities(block, data, place.start), counts[place]) for place, block in blocks
    )
    return reduce(add, parts)


def _figures(sums: _Sums, draws: Params) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Dims and values (S, ...) of every figure."""
    n, alpha, k = sums.rows, draws["alpha"], len(sums.assigned)
    entropy, table = sums.entropy / n, np.moveaxis(sums.table, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_assigned = table / sums.assigned.T[:, :, None]
        by_cluster = (table / table.sum(axis=1, keepdims=True)).mT
        r2 = 1 - entropy / entr(alpha).sum(axis=-1)
    return {
        "relative_entropy": ((), 1 - entropy / np.log(k)),
        "entropy_r2": ((), r2),
        "error": ((), 1 - np.trace(table, axis1=1, axis2=2) / n),
        "alpha": (("cluster",), alpha),
        "modal_share": (("cluster",), sums.assigned.T / n),
        "average_probability": (("assigned", "cluster"), by_assigned),
        "assigned_probability": (("cluster", "assigned"), by_cluster),
    }


def _summary(values: Array, tail: float) -> Array:
    """Mean, standard deviation and interval (4, ...) over the draws, without those that are not numbers."""
    known = np.ma.masked_invalid(values)
    bounds = np.full((2, *values.shape[1:]), np.nan)
    some = ~np.isnan(values).all(axis=0)
    bounds[:, some] = np.nanquantile(values[:, some], [tail, 1 - tail], axis=0)
    mean, sd = (np.ma.filled(x, np.nan) for x in (known.mean(axis=0), known.std(axis=0)))
    return np.stack([mean, sd, *bounds])
