"""What EM climbs: the lower bound F on the log-likelihood, and its parts Q and H.

For any distribution q over the hidden clusters, by Jensen's inequality,

    F(params, q) = sum_i E_q[log Pr(x_i, z_i)] + H(q)  <=  log-likelihood,

with equality where q is the posterior of z (Neal and Hinton 1998). The E-step
raises F in q until it touches, the M-step raises it in the parameters.
"""

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import entr

from mixtures.data.cells import as_numbers
from mixtures.data.reading import check_weights
from mixtures.data.table import Data, chunks
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, with_point
from mixtures.types import Array, Params

__all__ = ["entropy", "lower_bound", "q_function"]


def lower_bound(
    spec: Mixture | Fit,
    X: Any = None,
    params: Params | None = None,
    q: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
) -> float:
    """Lower bound F on the log-likelihood at ``params``, for any distribution over the clusters.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit or Crosscheck
        The model, or a fit of it; of a crosscheck it is EM's.
    X : array_like or frame, shape (n, D)
        The data; checked, matched by name and by default as in `responsibilities`.
    params : dict of ndarray
        Parameters; none beside a fit, after which q is given by name.
    q : array_like, shape (n, K), or Dataset
        Probability of every cluster for every row; also what `responsibilities`
        returns, at which the bound is tight.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. The rows that a sample holds have theirs.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, which are integrated out: x_i are the observed cells.

    Returns
    -------
    float
        ``q_function + entropy``, in nats; minus infinity where q gives
        probability to what is impossible.

    Raises
    ------
    InputError
        If q is not a distribution over the clusters for every row, or the
        parameters do not fit the model.

    References
    ----------
    Neal and Hinton (1998), in *Learning in Graphical Models*; Bishop, *PRML* (2006), eq. 9.71.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> r = mx.responsibilities(em, X)
    >>> abs(mx.lower_bound(em, X, q=r) - em.log_likelihood) < 1e-9
    True
    >>> mx.lower_bound(em.spec, X, em.params, [[0.5, 0.5]] * 272) < em.log_likelihood
    True
    """
    spec, data, params, q = _checked(spec, X, params, q, weights, missing)
    return _q_function(spec, data, params, q) + _entropy(q, data.counts)


def q_function(
    spec: Mixture | Fit,
    X: Any = None,
    params: Params | None = None,
    q: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
) -> float:
    """Expected complete-data log-likelihood ``Q = sum_ij q_ij log Pr(x_i, z_i = j)``.

    With q the responsibilities at other parameters it is the Q(params; other)
    that an M-step maximises; with q of zeros and ones, the log-likelihood of
    rows whose clusters are known.

    Parameters
    ----------
    spec, X, params, q, weights, missing
        As in `lower_bound`.

    Returns
    -------
    float
        Q in nats.

    Raises
    ------
    InputError
        If q is not a distribution over the clusters for every row, or the
        parameters do not fit the model.

    References
    ----------
    Dempster, Laird and Rubin (1977), *JRSS B* 39, eq. 2.17; Bishop, *PRML* (2006), eq. 9.30.

    Examples
    --------
    >>> import mixtures as mx
    >>> coins = {"alpha": [0.5, 0.5], "p": [[0.2], [0.7]]}
    >>> known = [[1, 0], [0, 1]]  # a tail of the first coin, a head of the second
    >>> round(mx.q_function(mx.BMM(2), [[0], [1]], coins, known), 6)  # log(0.5 * 0.8 * 0.5 * 0.7)
    -1.966113
    """
    return _q_function(*_checked(spec, X, params, q, weights, missing))


def entropy(q: Any, *, weights: Any = None) -> float:
    """Entropy ``H = -sum_ij q_ij log q_ij`` of a distribution over the clusters for every row.

    Parameters
    ----------
    q, weights
        As in `lower_bound`.

    Returns
    -------
    float
        H in nats: 0 when every cluster is certain, ``n log K`` when nothing is known.

    Raises
    ------
    InputError
        If q is not a distribution over the clusters for every row.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 1.98.

    Examples
    --------
    >>> import mixtures as mx
    >>> round(mx.entropy([[0.5, 0.5], [1.0, 0.0]]), 4)
    0.6931
    """
    q = _distribution(q)
    return _entropy(q, np.ones(len(q)) if weights is None else check_weights(weights, len(q)))


def _checked(
    spec: Any, X: Any, params: Any, q: Any, weights: Any, missing: str | None
) -> tuple[Mixture, Data, dict[str, Array], Array]:
    """Model, rows with their weights, parameters and q, each as it should be."""
    spec, X, params = with_point(spec, X, params)
    data = spec.read(X, weights, missing)
    q = _distribution(q, (data.n_rows, spec.n_components))
    return spec, data, spec.check_params(params, data.n_features), q


def _q_function(spec: Mixture, data: Data, params: Params, q: Array) -> float:
    """Q, chunk by chunk; where q is 0 the term is 0, even if the density is 0 too."""
    log_joint, counts, total = spec.log_joint(params), data.counts, 0.0
    for rows, X in chunks(data, spec.n_components):
        expected = q[rows].T * counts[rows]
        terms = np.multiply(expected, log_joint(X), out=np.zeros_like(expected), where=expected > 0)
        total += float(terms.sum())
    return total


def _entropy(q: Array, counts: Array) -> float:
    return float(counts @ entr(q).sum(axis=1))


def _distribution(q: Any, shape: tuple[int, int] | None = None) -> Array:
    values = q["responsibilities"] if isinstance(q, xr.Dataset) else q
    array = as_numbers(values, "q is not")
    if array.ndim != 2 or (shape and array.shape != shape):
        raise InputError(f"q has shape {array.shape}; it needs {shape or '(rows, clusters)'}")
    off = np.abs(array.sum(axis=1) - 1)
    bad = np.flatnonzero(~(off <= 1e-8) | (array < 0).any(axis=1))
    if len(bad):
        raise InputError(
            f"row {bad[0]} of q is {array[bad[0]]}; every row must be probabilities that sum to 1"
        )
    return array / array.sum(axis=1, keepdims=True)
