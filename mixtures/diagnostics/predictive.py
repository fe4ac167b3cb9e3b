"""Posterior predictive checks: whether the fitted mixture could have produced the data.

Unless labels of rows are known, nothing here depends on the numbers of the clusters, so a sample need
not be aligned.
Replicated data sets are drawn by the family in NumPy; PyMC's
``sample_posterior_predictive`` draws the same distribution from a declared model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp, ndtri

from mixtures.arguments import generator
from mixtures.data.known_labels import exclude
from mixtures.data.table import Data
from mixtures.draws import not_fitted, of_sample, some_draws
from mixtures.errors import DataWarning, InputError
from mixtures.families.mixture import Mixture
from mixtures.families.questions import summaries
from mixtures.given import Fit, with_sample
from mixtures.messages import named, warn
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = [
    "BLOCK",
    "Comparison",
    "Statistic",
    "checks_by_statistic",
    "compare",
    "implausible",
    "predictive_checks",
    "refuse_weights",
    "replicated_sets",
    "row_log_likelihoods",
    "unweighted",
]

BLOCK = 2**22
"""Values (rows x draws x clusters x features) held in memory at once."""


LEGIBLE = (1e-4, 1e7)
"""Numbers from the first to the second are written without an exponent."""


def predictive_checks(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    n_draws: int = 500,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Compare statistics of the data with those of data sets replicated from the posterior.

    For a GMM: mean, standard deviation, skewness and (excess) kurtosis of every
    feature, and correlations. The first two are fitted and seldom informative; the
    others reveal clusters that are too few or of the wrong shape. For a BMM: the
    mean of every item, how often two items are both one, and the variance of the
    row totals, which is wrong if features depend on each other within a cluster.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `responsibilities`.
    X : array_like or frame, shape (n, D)
        The data that were fitted; checked, matched by name and by default as in `responsibilities`.
    tree : xarray.DataTree
        A posterior sample; its labels need not be aligned. Left out if a fit is given. From a point estimate,
        such as EM's, the replicates have no parameter uncertainty.
    n_draws : int, default 500
        Replicated data sets of n rows, each from a different draw, evenly spaced; if
        there are fewer draws, they are reused.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells; replicated rows then miss the same cells, and
        statistics are those of the observed ones.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: the replicate of a labelled row is drawn from its cluster,
        so the sample must be one that was drawn with labels, or aligned.
    random_seed : int or numpy.random.Generator, optional
        Seed of the replicated rows.

    Returns
    -------
    pandas.DataFrame
        One row per statistic, such as ``skewness[waiting]``: ``observed``;
        ``replicated``, its mean over the replicates; ``lower`` and ``upper``; and
        ``p``, the share of replicates above the observed value, ties counted
        half. If p is near 0 or 1, the model does not produce such data. Since the data
        are used twice, p is not uniform under the model but closer to one half.

    Raises
    ------
    InputError
        If the data have weights or other features than the sample, or an option
        is invalid.

    Warns
    -----
    DataWarning
        If the sample holds the rows that it was drawn from, and these are others.

    References
    ----------
    Gelman, Meng and Stern (1996), *Statistica Sinica* 6, 733-807.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> one = mx.fit_em(mx.GMM(1), X, random_seed=1)
    >>> checks = mx.predictive_checks(one, X, random_seed=1)
    >>> checks.loc["kurtosis[waiting]", ["observed", "lower", "upper"]].round(1).tolist()
    [-1.1, -0.5, 0.7]
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    if other := not_fitted(tree, data):
        warn(f"{other}: the table compares other rows with what the model expects of them", DataWarning)
    return checks_by_statistic(spec, data, tree, n_draws, ci_prob, random_seed).rename(index=str)


@dataclass(frozen=True)
class Statistic:
    """A statistic of the data, or of one or two of their columns.

    Examples
    --------
    >>> one = Statistic("correlation", ("age", "log(income)"))
    >>> print(one, one.words, sep=": ")
    correlation[age, log(income)]: the correlation of age and log(income)
    """

    name: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Its label in the table of `predictive_checks`."""
        return f"{self.name}[{', '.join(self.columns)}]" if self.columns else self.name

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        columns = " and ".join(named(each)[1:-1] for each in self.columns)
        return f"the {self.name} of {columns}" if columns else f"the {self.name}"


def checks_by_statistic(
    spec: Mixture,
    data: Data,
    tree: xr.DataTree,
    n_draws: int,
    ci_prob: float,
    random_seed: int | np.random.Generator | None,
) -> pd.DataFrame:
    """The table of `predictive_checks`, with every `Statistic` itself in the index."""
    rows = {}
    draws = some_draws(spec, tree, n_draws)
    for name, found in compare(spec, data, draws, n_draws, random_seed).items():
        lower, upper = found.interval(ci_prob)
        columns = (found.observed, found.replicated.mean(axis=0), lower, upper, found.p)
        for statistic, index in _entries(name, found.observed, data.features).items():
            rows[statistic] = [float(column[index]) for column in columns]
    names = ["observed", "replicated", "lower", "upper", "p"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("statistic")


@dataclass(frozen=True, eq=False)
class Comparison:
    """A statistic of the data, (), (D,) or (D, D), and of S replicated data sets, (S, ...)."""

    observed: Array
    replicated: Array

    @property
    def p(self) -> Array:
        """Share of the replicates above the observed value, ties counted half."""
        above = self.replicated > self.observed
        return np.asarray((above + (self.replicated == self.observed) / 2).mean(axis=0))

    def interval(self, ci_prob: float) -> Array:
        """Lower and upper bound (2, ...) of the equal-tailed interval of the replicates."""
        if not 0 < ci_prob < 1:
            raise InputError(f"ci_prob must lie between 0 and 1, got {ci_prob}")
        tail = (1 - ci_prob) / 2
        return np.asarray(np.quantile(self.replicated, [tail, 1 - tail], axis=0))


def compare(
    spec: Mixture,
    data: Data,
    draws: Sequence[Params],
    n_sets: int,
    random_seed: int | np.random.Generator | None,
) -> dict[str, Comparison]:
    """Compare statistics of the data with those of data sets replicated from finite draws, by name."""
    sets = replicated_sets(spec, data, draws, n_sets, random_seed)
    replicated = [summaries(spec.family, rows) for rows in sets]
    return {
        name: Comparison(np.asarray(value), np.stack([one[name] for one in replicated]))
        for name, value in summaries(spec.family, data.values).items()
    }


def implausible(compared: Mapping[str, Comparison], features: tuple[str, ...]) -> list[str]:
    """Describe the statistics that the model does not produce, the most extreme first.

    Such a statistic lies outside all replicates, and so many of their standard deviations
    away that this would rarely happen by chance to any statistic (Bonferroni).
    """
    places = [
        (statistic, one, index)
        for name, one in compared.items()
        for statistic, index in _entries(name, one.observed, features).items()
    ]
    limit = -ndtri(TOLERANCES.misfit / (2 * max(1, len(places))))
    far: dict[str, float] = {}
    for statistic, one, index in places:
        observed, replicated = float(one.observed[index]), np.moveaxis(one.replicated, 0, -1)[index]
        low, high, apart = replicated.min(), replicated.max(), abs(observed - replicated.mean())
        if not low <= observed <= high and apart > limit * replicated.std():
            figures = _alike(observed, float(low), float(high))
            text = f"{statistic.words} is {figures[0]}, replicates {figures[1]} to {figures[2]}"
            far[text] = apart / max(replicated.std(), np.finfo(float).tiny)
    return sorted(far, key=lambda text: -far[text])


def _alike(*values: float) -> list[str]:
    """Numbers with the same decimals, as many as give the largest three digits.

    Examples
    --------
    >>> _alike(0.633, 8.07e-05, 0.16)
    ['0.633', '0.000', '0.160']
    """
    largest = max(map(abs, values))
    if not LEGIBLE[0] <= largest < LEGIBLE[1]:
        return [f"{value:.3g}" for value in values]
    return [f"{value:.{max(0, 2 - int(np.floor(np.log10(largest))))}f}" for value in values]


def replicated_sets(
    spec: Mixture,
    data: Data,
    draws: Sequence[Params],
    n_sets: int,
    random_seed: int | np.random.Generator | None,
) -> Iterator[Array]:
    """Yield data sets (n, D) from the model, one per draw; too few draws are reused.

    Cells that are missing of the data are missing of each, and labelled rows keep their cluster.
    """
    rng = generator(random_seed)
    holes = np.isnan(data.values) if data.has_missing else None
    for i in range(n_sets):
        rows = spec.sample(draws[i % len(draws)], data.n_rows, rng, data.labels, data.values)[0]
        yield rows if holes is None else np.where(holes, np.nan, rows)


def unweighted(
    spec: Mixture, X: Any, tree: xr.DataTree, missing: str | None = None, labels: Any = None
) -> tuple[Mixture, Data, xr.DataTree]:
    """Check model, data and sample together; refuse weights, which replicated rows do not have."""
    spec, data, tree = of_sample(spec, X, tree, missing=missing, labels=labels)
    refuse_weights(data, "predictive checks compare rows and do not")
    return spec, data, tree


def refuse_weights(data: Data, what: str) -> None:
    """Refuse weights of rows, where ``what`` does not take them."""
    if data.weights is not None:
        raise InputError(f"{what} take weights; repeat rows if these are whole numbers")


def row_log_likelihoods(
    densities: Sequence[Callable[[Array], Array]], rows: Array, labels: np.ndarray | None
) -> Array:
    """Log-likelihoods (S, n) of rows (n, D) from the log joint densities of S draws, given known labels."""
    values = np.empty((len(densities), len(rows)))
    for log_joint, own in zip(densities, values, strict=True):
        joint = log_joint(rows.T)
        if labels is not None:
            exclude(joint, labels)
        own[:] = logsumexp(joint, axis=0)
    return values


def _entries(name: str, observed: Array, features: tuple[str, ...]) -> dict[Statistic, tuple[int, ...]]:
    """Every entry of a statistic and its index; for pairs, those of two different features.

    Entries that are not a number belong to columns of which the family has no such statistic.
    """
    entries: Iterator[tuple[int, ...]] = np.ndindex(*observed.shape)
    kept = [
        index
        for index in entries
        if (observed.ndim < 2 or index[0] < index[1]) and not np.isnan(observed[index])
    ]
    return {Statistic(name, tuple(features[d] for d in index)): index for index in kept}
