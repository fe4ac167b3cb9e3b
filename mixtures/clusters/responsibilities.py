"""Which cluster a row belongs to, and with what probability."""

from typing import Any

import numpy as np
import xarray as xr
from narwhals.dependencies import is_pandas_dataframe

from mixtures.arguments import check_share
from mixtures.clusters.align import in_one_order
from mixtures.data.known_labels import numbered
from mixtures.data.table import Data, chunks
from mixtures.draws import checked_draws, of_sample
from mixtures.em.natural import Draws
from mixtures.families.assignment import assigned
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, Parameters, at_point, names_of, with_params
from mixtures.progress import track
from mixtures.results.responsibilities import Responsibilities
from mixtures.types import Array, Params

__all__ = ["responsibilities"]

BLOCK, WHITENED_BLOCK = 2**18, 2**23
"""Responsibilities (draws x rows x clusters) held in memory at once: few enough for the cache, or,
if draws are processed one by one, enough rows to outweigh the overhead."""


def responsibilities(
    spec: Mixture | Fit,
    X: Any = None,
    params: Parameters | None = None,
    *,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    progressbar: bool = False,
) -> Responsibilities:
    """Posterior probability of every cluster for every row, of old or new data.

    A sample is processed in blocks of rows, all draws of a block at once, so that
    memory does not grow with the number of rows.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model; or, in place of it and ``params``, a fit or a posterior sample. Of a crosscheck it is
        the posterior sample, or EM's fit if there is none.
    X : array_like or frame, shape (n, D)
        Rows to assign, checked as in fitting. Their columns are matched by name to
        the fitted ones, whose names ``em.spec``, every resolved model and a sample
        hold; by position if either side has no names, such as an array, or an
        unresolved model with a dict of parameters. By default the rows that were fitted, with their labels
        and missing cells, if a sample that holds them is given in place of the model.
    params : dict of ndarray or xarray.DataTree
        Parameters, such as ``em.params``, or a posterior sample, which is aligned
        if it is not; left out if a fit is given.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, whose responsibilities come from their observed
        cells; those of a row without any are the clusters' weights. By default they are refused.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: a labelled row is wholly in its cluster. Clusters of a
        crosscheck with names may be given by name.
    progressbar : bool, default False
        Show the progress over the rows.

    Returns
    -------
    Responsibilities
        An xarray.Dataset, and its ``to_frame()`` is a data frame with the index of X.
        ``responsibilities (obs_id, cluster)``; from a sample it is the mean over
        the draws, and ``lower`` and ``upper`` bound the interval. ``label
        (obs_id)`` is the most probable cluster, the choice that is wrong least
        often, and ``label_probability (obs_id)`` the probability that it is right. Of a crosscheck with
        names, ``cluster_name (cluster)`` holds them, and the data frame has them in place of the numbers.

    Raises
    ------
    InputError
        If a fitted column is missing or a column is unknown; if a cell is impossible
        under the model, or a row has density zero under every cluster or lies too far
        away to tell which is nearest; if the parameters or the sample belong to
        another model, a draw is not finite, or ``ci_prob`` is not between 0 and 1.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 9.13 and 9.56.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> r = mx.responsibilities(em, X)
    >>> r["responsibilities"].sel(obs_id=0).round(3).values.tolist()
    [1.0, 0.0]
    >>> r["label"].values[:5].tolist()
    [0, 1, 0, 1, 0]

    The same with other parameters of the model:

    >>> r = mx.responsibilities(em.spec, X, {**em.params, "alpha": [0.5, 0.5]})
    """
    check_share(ci_prob=ci_prob)
    called = names_of(spec)
    labels = numbered(labels, called)
    spec, X, params = with_params(spec, X, params)
    names: tuple[str, ...] = ("responsibilities",)
    if isinstance(params, xr.DataTree):
        names += ("lower", "upper")
        spec, data, tree = of_sample(spec, X, params, missing=missing, labels=labels)
        tree = in_one_order(tree) if data.labels is None else tree
        values = _from_draws(
            Draws.of(spec, data, checked_draws(spec, tree)), data, (1 - ci_prob) / 2, progressbar
        )
    else:
        data = spec.read(X, missing=missing, labels=labels)
        values = _at(spec, data, at_point(spec, params, data.n_features))[None]
    label = values[0].argmax(axis=1)
    index = {"index": X.index.name} if is_pandas_dataframe(X) and X.index.name is not None else {}
    found = Responsibilities(
        {
            **{name: (("obs_id", "cluster"), x) for name, x in zip(names, values, strict=True)},
            "label": ("obs_id", label),
            "label_probability": ("obs_id", np.take_along_axis(values[0], label[:, None], axis=1)[:, 0]),
        },
        {"obs_id": ("obs_id", data.obs_id, index), "cluster": np.arange(spec.n_components)},
    )
    return found if called is None else found.named(called)


def _at(spec: Mixture, data: Data, params: Params) -> Array:
    """Responsibilities (n, K) at one set of parameters."""
    log_joint = spec.log_joint(params)
    r = np.empty((data.n_rows, spec.n_components))
    for rows, X in chunks(data, spec.n_components):
        joint = log_joint(X)
        r[rows] = assigned(data, joint, rows.start).T
    return r


def _from_draws(draws: Draws, data: Data, tail: float, progressbar: bool) -> Array:
    """Mean and interval bounds (3, n, K) over the draws."""
    k = draws.spec.n_components
    summary = np.empty((3, data.n_rows, k))
    size = max(1, (WHITENED_BLOCK if draws.whitened else BLOCK) // (draws.n_draws * k))
    total = -(-data.n_rows // size)
    for rows, block in track(data.blocks(size), "Responsibilities", shown=progressbar, total=total):
        r = draws.responsibilities(block, data, rows.start)
        summary[0, rows] = r.mean(axis=-1).T
        bounds = np.quantile(r, [tail, 1 - tail], axis=-1, overwrite_input=True)
        summary[1:, rows] = bounds.swapaxes(-1, -2)
    return summary
