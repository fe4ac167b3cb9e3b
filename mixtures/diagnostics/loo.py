"""Leave-one-out cross-validation of samples that keep no log-likelihood of every row and draw."""

import warnings
from dataclasses import replace
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from mixtures.diagnostics.loo_pit import check_enough, moving, tails_told
from mixtures.diagnostics.predictive import BLOCK, refuse_weights, row_log_likelihoods
from mixtures.draws import checked_draws, not_fitted, of_sample, sets_of
from mixtures.errors import DataWarning, InputError
from mixtures.families.assignment import refuse_impossible
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, with_sample
from mixtures.messages import warn
from mixtures.progress import track
from mixtures.types import Array

__all__ = ["loo", "loo_of_rows"]


def loo(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    missing: str | None = None,
    labels: Any = None,
    progressbar: bool = True,
) -> Any:
    r"""Leave-one-out cross-validation of a sample, a block of rows at a time.

    ``arviz.loo`` needs the log-likelihood of every row in every draw, n times S values, and
    `sample` does not store them where they would be very many. Here they are computed from the
    draws, given to ``arviz.loo``, and discarded. The result is the same, but for rows without an observed
    cell, whose density is 1 in every draw: ``arviz.loo`` finds no weights to smooth there, and refuses the
    sample or calls such a row doubtful. Here they contribute 0.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `responsibilities`.
    X : array_like or frame, shape (n, D)
        The data that were fitted; checked, matched by name and by default as in `responsibilities`.
    tree : xarray.DataTree
        A posterior sample, at least 25 draws; its labels need not be aligned.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells. What is predicted are the observed cells of a row.
    labels : array_like, shape (n,), optional
        Known clusters of the rows, as in `fit_em`. A labelled row is predicted with its label.
    progressbar : bool, default True
        Show how many rows are done.

    Returns
    -------
    arviz_stats.ELPDDataLOO
        With ``elpd_i`` and ``pareto_k`` of every row. ``arviz.compare`` takes it.

    Raises
    ------
    InputError
        If the sample is not of the model or was drawn from other rows, or has too few draws, or rows have
        weights, or a row has density zero.

    Warns
    -----
    DataWarning
        If the Pareto k of a row is too large for its value to be trusted.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), *Statistics and Computing* 27, 1413-1432.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, draws=200, random_seed=1, log_likelihood=False, progressbar=False)
    >>> round(mx.loo(tree, progressbar=False).elpd, -1)
    np.float64(-1140.0)
    """
    spec, data, tree = of_sample(*with_sample(spec, X, tree), missing=missing, labels=labels)
    refuse_weights(data, "leaving one row out does not")
    if other := not_fitted(tree, data):
        raise InputError(f"{other}: only a row that was fitted can be left out")
    draws = checked_draws(spec, tree)
    check_enough(len(draws["alpha"]))
    densities = [spec.log_joint(one) for one in sets_of(draws)]
    posterior = tree["posterior"].to_dataset()
    efficiency = _efficiency(posterior)
    parts, elpd_i, moved = [], np.empty(data.n_rows), np.empty(data.n_rows, dtype=bool)
    size = max(1, BLOCK // (draws["alpha"].size * data.n_features))
    blocks = track(data.blocks(size), "Leaving rows out", shown=progressbar, total=-(-data.n_rows // size))
    for rows, block in blocks:
        values = row_log_likelihoods(densities, block, None if data.labels is None else data.labels[rows])
        refuse_impossible(data, values.T, rows.start)
        elpd_i[rows], moved[rows] = values.mean(axis=0), moving(values.T)
        if moved[rows].any():
            parts.append(_of_rows(posterior, values[:, moved[rows]], efficiency))
    found = _joined(parts, xr.DataArray(elpd_i, {"obs_id": data.obs_id}, ("obs_id",)), moved)
    bad = int((found.pareto_k > found.good_k).sum())
    if bad:
        warn(
            f"leaving one row out cannot be trusted for {bad:,} of {data.n_rows:,} rows, whose Pareto k is "
            f"above {found.good_k:.2g}: the posterior without the row is too far from the sample",
            DataWarning,
        )
    return replace(found, warning=bad > 0)


def _efficiency(posterior: xr.Dataset) -> float:
    """Effective sample size per draw, as ``arviz.loo`` estimates it: 1 for a single chain."""
    if posterior.sizes["chain"] == 1:
        return 1.0
    sizes = arviz_stats.ess(posterior, method="mean")
    each = np.concatenate([np.ravel(x) for x in sizes.data_vars.values()])
    return float(np.nanmean(each)) / (posterior.sizes["chain"] * posterior.sizes["draw"])


def _of_rows(posterior: xr.Dataset, values: Array, efficiency: float | None) -> Any:
    """What ArviZ finds for rows with these log-likelihoods (S, n), which differ between draws."""
    sizes = [posterior.sizes[dim] for dim in ("chain", "draw")]
    rows = xr.DataArray(values.reshape(*sizes, -1), dims=("chain", "draw", "row"))
    groups = {"posterior": posterior, "log_likelihood": rows.to_dataset(name="x")}
    with warnings.catch_warnings(), tails_told():
        warnings.simplefilter("ignore", UserWarning)  # of these rows alone; the whole is judged elsewhere
        found = arviz_stats.loo(xr.DataTree.from_dict(groups), pointwise=True, reff=efficiency)
    return replace(found, log_weights=None)


def loo_of_rows(posterior: xr.Dataset, rows: xr.DataArray) -> Any:
    """What ArviZ finds for log-likelihoods (chain, draw, row)."""
    values = rows.values.reshape(-1, rows.shape[-1])
    moved = moving(values.T)
    parts = [_of_rows(posterior, values[:, moved], None)] if moved.any() else []
    return _joined(parts, rows.mean(("chain", "draw")), moved)


def _joined(parts: list[Any], elpd_i: xr.DataArray, moved: np.ndarray) -> Any:
    """One result of all rows, from those of the rows (n,) that differ between draws.

    A row that has the same density in every draw, as one without an observed cell, has no weights to
    smooth: leaving it out changes nothing, and its Pareto k is 0.
    """
    if not parts:
        raise InputError("every row has the same density in all draws: there is nothing to weigh")
    n, pareto_k = elpd_i.size, xr.zeros_like(elpd_i)
    for whole, name in ((elpd_i, "elpd_i"), (pareto_k, "pareto_k")):
        whole[moved] = np.concatenate([getattr(part, name).values for part in parts])
    return replace(
        parts[0],
        elpd=np.sum(elpd_i.values),
        se=np.sqrt(n * np.var(elpd_i.values, ddof=1)),
        p=np.sum([part.p for part in parts]),
        n_data_points=n,
        elpd_i=elpd_i,
        pareto_k=pareto_k,
    )
