"""Statistics of the data compared with those of replicated data sets, by feature and by pair."""

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mixtures.diagnostics.predictive import Comparison, compare, unweighted
from mixtures.draws import some_draws
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, with_sample
from mixtures.plot.style import INK, ON_DARK, ON_LIGHT, REPLICATED, axes_or_new, lettering

__all__ = ["predictive_pairs", "predictive_statistic"]

WRITTEN = 12
"""Largest number of features for which p-values of pairs are written in."""


CELL, FIGURE = 0.75, (6.4, 4.8)
"""Inches of a figure for every cell, so that p-values do not touch; the usual size of figures."""


def predictive_statistic(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    statistic: str | None = None,
    *,
    n_draws: int = 500,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a statistic of every feature over its interval in replicated data sets.

    Parameters
    ----------
    spec, X, tree, n_draws, ci_prob, missing, labels, random_seed
        As in `mixtures.predictive_checks`.
    statistic : str, optional
        A statistic of single features in `mixtures.predictive_checks`: the item means
        for a BMM; also sd, skewness and kurtosis for a GMM; the entropy of the levels
        of categories. By default the mean, or the entropy if there is no mean.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If there is no such statistic.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(1), X, random_seed=1)
    >>> ax = mx.plot.predictive_statistic(em, X, statistic="kurtosis", random_seed=1)
    >>> ax.get_title()
    '2 of 2 features outside their 95% interval'
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    found = compare(spec, data, some_draws(spec, tree, n_draws), n_draws, random_seed)
    of_features = {name: x for name, x in found.items() if x.observed.ndim == 1}
    if statistic is None:
        statistic = "mean" if "mean" in of_features else next(iter(of_features))
    if statistic not in of_features:
        raise InputError(
            f"there is no statistic {statistic!r} of single features; known: {', '.join(of_features)}"
        )
    shown = of_features[statistic]
    lower, upper = shown.interval(ci_prob)
    outside = _outside(shown, ci_prob)
    has = np.isfinite(shown.observed)  # the mean of a column of categories is none
    lower, upper, observed, outside = lower[has], upper[has], shown.observed[has], outside[has]
    ax, x = axes_or_new(ax), np.arange(has.sum())
    width = min(6, 200 / len(x))
    ax.vlines(x, lower, upper, color=REPLICATED, lw=width, alpha=0.45, label=f"predicted ({ci_prob:.0%})")
    ax.plot(x[~outside], observed[~outside], "o", color=INK, ms=4, label="observed")
    if outside.any():
        ax.plot(x[outside], observed[outside], "X", color=INK, ms=width + 2, label="observed, outside")
    ax.set_title(_count(outside, "features", ci_prob), fontsize="medium")
    ax.set(xlabel="feature", ylabel=statistic, xlim=(-0.6, len(x) - 0.4))
    _name(ax, "x", tuple(np.array(data.features)[has]))
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def predictive_pairs(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    n_draws: int = 500,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw which pairs of features are associated more, or less, than the model predicts.

    The colour is the observed value minus the mean over replicated data sets: of
    co-occurrence (the share of rows with two ones) in a BMM, otherwise of correlation.
    Pairs within their interval are left grey. The numbers are p-values, the share
    of replicates above the observed value.

    Parameters
    ----------
    spec, X, tree, n_draws, ci_prob, missing, labels, random_seed
        As in `mixtures.predictive_checks`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If there is only one feature.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> ax = mx.plot.predictive_pairs(em, X, random_seed=1)
    >>> ax.get_title()
    '0 of 1 pairs outside their 95% interval'
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    if data.n_features < 2:
        raise InputError("there is one feature; pairs need two")
    found = compare(spec, data, some_draws(spec, tree, n_draws), n_draws, random_seed)
    name, shown = next((name, x) for name, x in found.items() if x.observed.ndim == 2)
    has = _associated(shown.observed)
    if len(has) < 2:
        raise InputError("no two features have a correlation: columns of categories have none")
    below, own = np.tri(len(has), k=-1, dtype=bool), np.ix_(has, has)
    outside, p = _outside(shown, ci_prob)[own], shown.p[own]
    mean = shown.replicated.mean(axis=0)
    apart, ends = (shown.observed - mean)[own], [end[own] for end in shown.interval(ci_prob) - mean]
    features = tuple(data.features[j] for j in has)
    room = max(1.0, min(len(has), WRITTEN) * CELL / FIGURE[0])
    ax = plt.subplots(figsize=np.multiply(room, FIGURE), layout="constrained")[1] if ax is None else ax
    largest = max(np.nanmax(np.abs(x[below])) for x in (apart, *ends))
    ax.imshow(np.where(below, 0.0, np.nan), cmap="Greys", norm=Normalize(-1, 8))
    image = ax.imshow(
        np.where(below & outside, apart, np.nan), cmap="PuOr_r", norm=Normalize(-largest, largest)
    )
    plt.colorbar(image, ax=ax, label=f"{name}: observed less predicted")
    if len(has) <= WRITTEN:
        for i, j in zip(*np.nonzero(below), strict=True):
            dark = outside[i, j] and abs(apart[i, j]) > 0.6 * largest
            ax.text(j, i, f"{p[i, j]:.2f}", ha="center", va="center", color=ON_DARK if dark else ON_LIGHT)
    ax.set_title(_count(outside[below], "pairs", ci_prob), fontsize="medium")
    ax.spines[:].set_visible(False)
    _name(ax, "x", features)
    _name(ax, "y", features)
    last = len(has) - 0.5
    ax.set(xlim=(-0.5, last - 1), ylim=(last, 0.5))  # the first row and the last column are empty
    return ax


def _associated(observed: np.ndarray) -> np.ndarray:
    """Places of the features that have an association with another one: categories have no correlation."""
    pairs = np.isfinite(observed) & ~np.eye(len(observed), dtype=bool)
    return np.flatnonzero(pairs.any(axis=0) | pairs.any(axis=1))


def _outside(shown: Comparison, ci_prob: float) -> np.ndarray:
    """Which entries are in the tails of the replicates."""
    lower, upper = shown.interval(ci_prob)
    return np.asarray((shown.observed < lower) | (shown.observed > upper))


def _count(outside: np.ndarray, what: str, ci_prob: float) -> str:
    return f"{outside.sum()} of {outside.size} {what} outside their {ci_prob:.0%} interval"


def _name(ax: Axes, axis: Literal["x", "y"], features: tuple[str, ...]) -> None:
    """Label ticks by the names of the features, rotated if long, and only some of them if there are many."""
    step = -(-len(features) // 24)
    turned = axis == "x" and len("".join(features[::step])) > 30
    places = range(0, len(features), step)
    names = [lettering(feature) for feature in features[::step]]
    (ax.set_xticks if axis == "x" else ax.set_yticks)(places, names)
    ax.tick_params(axis, rotation=90 if turned else 0)
