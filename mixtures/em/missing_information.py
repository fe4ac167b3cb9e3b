"""How much of the information on every parameter is missing with the missing cells."""

from dataclasses import replace
from typing import Any

import numpy as np

from mixtures.arguments import generator
from mixtures.data.known_labels import exclude
from mixtures.data.table import Data
from mixtures.em.free import central_slopes
from mixtures.em.information import ObservedInformation, observed_information
from mixtures.em.natural import NaturalForm
from mixtures.families.assignment import assigned, share_out
from mixtures.families.family import ExponentialFamily
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["missing_information"]

MOST_ROWS = 5_000
"""Largest number of incomplete rows that are completed; of more, a random subset stands for all."""


FEWEST_ROWS = 1_000
"""Rows completed at once; where fewer differ, each is completed several times."""


STEP = 1e-5
"""Length of a difference, in standard errors."""


def missing_information(
    spec: Mixture,
    X: Any,
    params: Params,
    *,
    weights: Any = None,
    labels: Any = None,
    n_draws: int = 100,
    random_seed: int | np.random.Generator | None = None,
) -> dict[str, Array]:
    r"""Fraction of the information on every parameter that is missing with the missing cells.

    With the score :math:`s(x)` of rows whose cells are all observed and whose clusters are hidden, the
    missing information principle says

    .. math::

       I_{com} = I_{obs} + I_{mis}, \qquad
       I_{com} = E[-\partial^2 \log p(x) \mid x_{obs}], \qquad
       I_{mis} = \operatorname{Var}[s(x) \mid x_{obs}],

    so that :math:`I - I_{obs} I_{com}^{-1} = I_{mis} I_{com}^{-1}` holds the fractions of missing
    information. Of a single parameter it is one minus the ratio of its two variances,
    :math:`1 - [I_{com}^{-1}]_{jj} / [I_{obs}^{-1}]_{jj}`. Here the complete data have all their cells, and
    still no labels: what is missing because clusters are hidden is missing from both. The variance is that
    over completions drawn from the fitted mixture, row by row.

    Parameters
    ----------
    spec : Mixture
        The model.
    X : array_like or frame, shape (n, D)
        The data, with missing cells.
    params : dict of ndarray
        EM's estimate.
    weights : array_like, shape (n,), optional
        Frequency weights.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`.
    n_draws : int, default 100
        Completions of every row; more where few rows differ.
    random_seed : int or numpy.random.Generator, optional
        Seed of the completions.

    Returns
    -------
    dict of ndarray
        The fraction of every entry that is free; NaN on a boundary.

    Raises
    ------
    NoApproximation
        As of `mixtures.em.information.observed_information`.

    References
    ----------
    Orchard and Woodbury (1972), *Proceedings of the 6th Berkeley Symposium* 1; Louis (1982), *JRSS B* 44,
    226-233; Meng and Rubin (1991), *JASA* 86, 899-909.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()[["waiting"]].astype(float)
    >>> X[::4] = float("nan")
    >>> em = mx.fit_em(mx.GMM(1, prior=None), X, missing="integrate", random_seed=1)
    >>> missing_information(em.spec, X, em.params, random_seed=1)["mu"].round(2).tolist()
    [[0.25]]
    """
    found = observed_information(spec, X, params, weights=weights, missing="integrate", labels=labels)
    data = found.chart.problem.data
    assert isinstance(data, Data)  # others are refused
    observed = found.information.observed
    lost = _variance_of_scores(found, data, params, n_draws, generator(random_seed))
    root = np.linalg.inv(np.linalg.cholesky(observed + lost)).T
    fractions = {}
    for name, slope in found.slopes.items():
        complete, seen = (np.linalg.norm(slope @ each, axis=-1) for each in (root, found.root))
        fractions[name] = 1 - np.divide(complete, seen, out=np.full(seen.shape, np.nan), where=seen > 0) ** 2
    return fractions


def _variance_of_scores(
    found: ObservedInformation, data: Data, params: Params, n_draws: int, rng: np.random.Generator
) -> Array:
    """``Var[s(x) | x_obs]`` (q, q), added up over the rows."""
    spec, family = found.chart.problem.spec, found.chart.family
    rows = np.flatnonzero(np.isnan(data.values).any(axis=1))
    some = rows if len(rows) <= MOST_ROWS else np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    labels = None if data.labels is None else data.labels[some]
    here = replace(data, values=data.values[some], obs_id=data.obs_id[some], weights=None, labels=labels)
    w = data.counts[some]
    copies = max(1, FEWEST_ROWS // max(1, len(some)))
    X = np.tile(here.values.T, copies)
    eta, slopes = _natural(found, family, params)
    ends = np.tile(np.cumsum(assigned(here, spec.log_joint(params)(here.values.T)), axis=0), copies)
    first, second = np.zeros((len(slopes), len(some))), np.zeros((len(slopes), len(slopes)))
    for _ in range(n_draws):
        z = (rng.random(X.shape[1]) * ends[-1] < ends).argmax(axis=0)
        filled = family.fill(params, X, z, rng)
        phi = family.features(((filled.T - found.chart.location) / found.chart.scale).T)
        joint = eta @ phi
        if labels is not None:
            exclude(joint, np.tile(labels, copies))
        scores = np.einsum("kn,qkn->qn", share_out(joint), slopes @ phi)
        first += scores.reshape(len(scores), copies, -1).sum(axis=1)
        second += (scores * np.tile(w, copies)) @ scores.T
    drawn = n_draws * copies
    variance = (second - (first * w) @ first.T / drawn) / max(1, drawn - 1)
    return np.asarray(variance * (len(rows) / max(1, len(some))))


def _natural(found: ObservedInformation, family: ExponentialFamily, params: Params) -> tuple[Array, Array]:
    """Natural parameters (K, P) of complete rows, and their slopes (q, K, P) in the free coordinates."""
    chart, places = found.chart, np.flatnonzero(found.information.inside)

    def natural(at: Params) -> Array:
        p = len(family.features(np.zeros((len(chart.location), 1))))
        return NaturalForm.of(family, at, chart.location, chart.scale, np.ones(p)).eta

    steps = STEP / np.sqrt(np.diag(found.information.observed))
    return natural(params), central_slopes(natural(chart.both_ways(found.u, places, steps)), steps)
