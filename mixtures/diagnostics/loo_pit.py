"""Leave-one-out probability integral transforms."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp, softmax

from mixtures.data.known_labels import known_rows, one_hot
from mixtures.diagnostics.predictive import BLOCK, unweighted
from mixtures.draws import not_fitted, some_draws
from mixtures.errors import InputError
from mixtures.families.assignment import refuse_impossible
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous
from mixtures.given import Fit, with_sample
from mixtures.types import Array

__all__ = ["LEAST_DRAWS", "check_enough", "loo_pit", "moving", "tails_told"]

LEAST_DRAWS = 25
"""Smallest number of draws with a tail for Pareto smoothing to fit."""


STILL = 1e-10
"""Range of a row's log-likelihood over the draws, in nats, below which it is the same in all."""


def loo_pit(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    n_draws: int = 1000,
    missing: str | None = None,
    labels: Any = None,
) -> xr.Dataset:
    r"""Leave-one-out probability integral transform of every row and continuous feature.

    .. math::

       u_{id} = \Pr(\tilde x_d \le x_{id} \mid x_{-i})
              \approx \sum_s w_{is} \sum_k \alpha_{ks} F_{kd}(x_{id} \mid \theta_{ks})

    If the model fits, each feature's values are uniform up to sampling variation;
    ``mx.plot.loo_pit`` shows whether they are. The weights of the draws are
    Pareto-smoothed importance weights for leaving out the whole row. The inner sum
    is the mixture's exact distribution function, so nothing is simulated.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        A GMM, a Mixed model with Gaussian columns, or a fit or posterior sample of either, as in
        `responsibilities`.
    X : array_like or frame, shape (n, D)
        The data that were fitted; checked, matched by name and by default as in `responsibilities`.
    tree : xarray.DataTree
        A posterior sample, at least 25 draws; its labels need not be aligned.
    n_draws : int, default 1000
        Draws to use, evenly spaced and treated as independent.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells; the transform of such a cell is NaN.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: the cells of a labelled row are left out and its label is
        not, so that F is the distribution of its cluster alone. The sample must be one that was drawn
        with labels, or aligned.

    Returns
    -------
    xarray.Dataset
        ``pit (obs_id, feature)``, of a `Mixed` model for its Gaussian columns alone, and
        ``pareto_k (obs_id)``: above 0.7 the posterior without the row is too far from the sample for
        its value to be trusted.

    Raises
    ------
    InputError
        If features are not continuous, as those of a BMM, whose ``pit`` would be
        nearly uniform whatever the model; if the draws are too few, or the data
        have weights.

    References
    ----------
    Gelfand, Dey and Chang (1992), *Bayesian Statistics* 4, 147-167; Vehtari et
    al. (2024), *JMLR* 25 (72), 1-58.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, draws=200, random_seed=1, progressbar=False)
    >>> u = mx.loo_pit(tree)
    >>> u["pit"].mean("obs_id").round(1).values.tolist()
    [0.5, 0.5]
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    if other := not_fitted(tree, data):
        raise InputError(f"{other}: only a row that was fitted can be left out")
    draws = some_draws(spec, tree, n_draws)
    check_enough(len(draws))
    at, margins = continuous(spec.family, draws)
    if margins is None:
        raise InputError(
            f"LOO-PIT is for continuous features; those of a {type(spec).__name__} are not, "
            "use predictive_checks"
        )
    alpha = np.stack([one["alpha"] for one in draws])
    densities = [spec.log_joint(one) for one in draws]
    features = np.array(data.features, dtype=object)[at].tolist()
    pit, pareto_k = np.empty((data.n_rows, len(features))), np.empty(data.n_rows)
    for rows, block in data.blocks(max(1, BLOCK // (alpha.size * data.n_features))):
        joint = np.stack([log_joint(block.T) for log_joint in densities], axis=-1)
        shares, log_likelihood = _predictions(
            joint, alpha, None if data.labels is None else data.labels[rows]
        )
        refuse_impossible(data, log_likelihood, rows.start)
        log_weights, pareto_k[rows] = _smoothed(log_likelihood)
        below = margins.cdf(block[:, None, None, at])
        pit[rows] = np.einsum("ns,nsk,nskd->nd", softmax(log_weights, axis=1), shares, below, optimize=True)
    coords: Mapping[str, Any] = {"obs_id": data.obs_id, "feature": features}
    return xr.Dataset({"pit": (("obs_id", "feature"), pit), "pareto_k": ("obs_id", pareto_k)}, coords)


def _predictions(joint: Array, alpha: Array, labels: np.ndarray | None) -> tuple[Array, Array]:
    """Weights (n, S, K) of the clusters in the prediction of each row's cells, and their log density (n, S).

    They come from log joint densities (K, n, S) and weights (S, K); a labelled row is predicted by its
    cluster alone.
    """
    shares, log_density = np.broadcast_to(alpha, (joint.shape[1], *alpha.shape)), logsumexp(joint, axis=0)
    if labels is None:
        return shares, log_density
    known = np.flatnonzero(known_rows(labels))
    own = labels[known]
    log_density[known] = joint[own, known] - np.log(alpha[:, own]).T
    return one_hot(shares.T, labels).T, log_density


def moving(log_likelihood: Array) -> np.ndarray:
    """Which rows (n,) of log-likelihoods (n, S) differ between draws; those without an observed cell do not.

    Examples
    --------
    >>> moving(np.array([[0.0, 1e-16], [-1.0, -2.0]])).tolist()
    [False, True]
    """
    return np.asarray(np.ptp(log_likelihood, axis=1) >= STILL)


def _smoothed(log_likelihood: Array) -> tuple[Array, Array]:
    """Log weights (n, S) of the draws for leaving out each row, and Pareto k (n,)."""
    log_weights, pareto_k = np.zeros_like(log_likelihood), np.zeros(len(log_likelihood))
    own = moving(log_likelihood)
    if own.any():
        with tails_told():
            log_weights[own], pareto_k[own] = array_stats.psislw(log_likelihood[own])  # it changes the sign
    return log_weights, pareto_k


@contextmanager
def tails_told() -> Iterator[None]:
    """Explain the error that ArviZ raises for a row whose largest weights are all the same."""
    try:
        yield
    except ValueError as error:
        if "tail values" not in str(error):
            raise
        raise InputError(
            "a row has the same density in all the draws that weigh most when it is left out, as where a "
            "chain did not move: see what diagnose says of the sample, and draw more"
        ) from None


def check_enough(n_draws: int) -> None:
    """Refuse samples whose weights have no tail to smooth."""
    if n_draws < LEAST_DRAWS:
        raise InputError(f"leaving rows out by reweighting needs {LEAST_DRAWS} draws, got {n_draws}")
