"""Predictions of the model drawn over the observed data."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mixtures.arguments import generator
from mixtures.data.table import Data
from mixtures.diagnostics.predictive import replicated_sets, unweighted
from mixtures.draws import some_draws
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous
from mixtures.given import Fit, with_sample
from mixtures.plot.style import INK, REPLICATED, lettering, panels, places_of, say_which
from mixtures.types import Array, Params

__all__ = ["predictive_density", "predictive_scatter", "seen_cells"]

GRID = 400
"""Number of points of a density."""


MOST_VALUES = 30
"""Largest number of distinct whole numbers for which each has its own bar."""


SHOWN_ROWS = 2000
"""Largest number of rows in a scatter plot, each of data and replicates."""


def predictive_density(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw the posterior predictive density of every feature over a histogram of the data.

    For continuous features these are the mixture's exact marginal densities, one line
    per draw, and their mean. For others, such as the items of a BMM, they are replicated
    data sets: the share of rows in every bar, with its 95% interval.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `mixtures.responsibilities`.
    X : array_like or frame, shape (n, D)
        The data; by default as in `mixtures.responsibilities`.
    tree : xarray.DataTree
        A posterior sample; its labels need not be aligned. Left out if a fit is given.
    features : sequence of str, optional
        Columns to draw; the first 12 by default.
    n_draws : int, default 50
        Draws, evenly spaced, or replicated data sets.
    missing, labels
        As in `mixtures.predictive_checks`.
    random_seed : int or numpy.random.Generator, optional
        Seed of replicated data sets; densities need none.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each feature; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If a column is not there, or the sample is of other features.

    References
    ----------
    Gabry et al. (2019), *JRSS A* 182, 389-402.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> axes = mx.plot.predictive_density(em, X)
    >>> [ax.get_xlabel() for ax in axes]
    ['eruptions', 'waiting']
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    places = places_of(data, features)
    draws = some_draws(spec, tree, n_draws)
    own_figure, axes = axes is None, panels(len(places), axes)
    at, margins = continuous(spec.family, draws)
    own = [] if margins is None else np.arange(data.n_features)[at].tolist()
    drawn = dict(zip(places, axes, strict=True))
    if lines := {d: ax for d, ax in drawn.items() if d in own}:
        _lines(lines, data, own, margins, draws)
    if bars := {d: ax for d, ax in drawn.items() if d not in own}:
        replicated = np.stack(list(replicated_sets(spec, data, draws, n_draws, random_seed)))
        for d, ax in bars.items():
            _bars(ax, data.values[:, d], replicated[..., d])
            if data.levels is not None and (levels := data.levels[d]) is not None:
                ax.set_xticks(range(len(levels)), [lettering(str(level)) for level in levels])
    for ax, d in zip(axes, places, strict=True):
        ax.set_xlabel(lettering(data.features[d]))
    axes[0].legend(fontsize="small")
    if own_figure and features is None:
        say_which(axes, data.n_features, "the first {} columns")
    return axes


def _lines(drawn: dict[int, Axes], data: Data, own: list[int], margins: Any, draws: list[Params]) -> None:
    """Marginal densities of the mixture, one per draw, and their mean over a histogram.

    The margins are those of the columns ``own``, of which some are drawn.
    """
    alpha, values = np.stack([one["alpha"] for one in draws]), data.values[:, own]
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    margin = 0.1 * (high - low)
    grid = np.linspace(low - margin, high + margin, GRID)
    density = np.einsum("sk,gskd->dsg", alpha, margins.pdf(grid[:, None, None, :]))
    for d, ax in drawn.items():
        x, each = grid[:, own.index(d)], density[own.index(d)]
        ax.hist(
            seen_cells(data.values[:, d]), bins="auto", density=True, color=INK, alpha=0.2, label="observed"
        )
        ax.plot(x, each.T, color=REPLICATED, lw=1, alpha=max(0.08, 1 / len(draws)))
        ax.plot(x, each.mean(axis=0), color=REPLICATED, lw=2.5, label="predicted")
        ax.set_ylabel("density")


def seen_cells(column: Array) -> Array:
    """The cells of a column that are observed."""
    return column[~np.isnan(column)]


def _bars(ax: Axes, observed: Array, replicated: Array) -> None:
    """Share of the rows in every bin, with the interval over replicated data sets (S, n)."""
    replicated, observed = replicated[:, ~np.isnan(observed)], seen_cells(observed)
    every = np.append(replicated.ravel(), observed)
    if (every % 1 == 0).all() and np.ptp(every) < MOST_VALUES:
        edges = np.arange(every.min() - 0.5, every.max() + 1)
    else:
        edges = np.histogram_bin_edges(every, bins=MOST_VALUES)
    shares = np.stack([np.histogram(x, edges)[0] / len(x) for x in replicated])
    middle, mean = (edges[1:] + edges[:-1]) / 2, shares.mean(axis=0)
    seen = np.histogram(observed, edges)[0] / len(observed)
    ax.bar(middle, seen, 0.9 * np.diff(edges), color=INK, alpha=0.2, label="observed")
    lower, upper = np.quantile(shares, [0.025, 0.975], axis=0)
    ax.vlines(middle, lower, upper, color=REPLICATED, lw=2)
    ax.plot(middle, mean, "o", color=REPLICATED, ms=5, label="predicted")
    if len(middle) <= 10:
        ax.set_xticks(middle)
    ax.set_ylabel("share of rows")


def predictive_scatter(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw the rows over as many replicated ones, for every two features.

    The replicated rows are divided among the draws. Where only one of the two clouds
    has points, the model is wrong. At most 2,000 rows of each are shown.

    Parameters
    ----------
    spec, X, tree, n_draws, missing, labels, random_seed
        As in `predictive_density`.
    features : sequence of str, optional
        Two columns or more; the first four by default.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each pair; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If there are fewer than two features, or one does not exist.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> axes = mx.plot.predictive_scatter(em, X, random_seed=1)
    >>> axes[0].get_xlabel(), axes[0].get_ylabel()
    ('eruptions', 'waiting')
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    pairs = list(combinations(places_of(data, features, most=4), 2))
    if not pairs:
        raise InputError("a scatter needs two features; predictive_density draws one")
    rng = generator(random_seed)
    shown = slice(None, None, -(-data.n_rows // SHOWN_ROWS))
    observed, known = data.values[shown], None if data.labels is None else data.labels[shown]
    draws = some_draws(spec, tree, min(n_draws, len(observed)))
    shares = np.array_split(np.arange(len(observed)), len(draws))
    replicated = np.vstack(
        [
            spec.sample(one, len(own), rng, None if known is None else known[own], observed[own])[0]
            for one, own in zip(draws, shares, strict=True)
        ]
    )
    replicated[np.isnan(observed)] = np.nan
    axes = panels(len(pairs), axes, (3.6, 3.2))
    for ax, (i, j) in zip(axes, pairs, strict=True):
        ax.scatter(*replicated.T[[i, j]], s=16, color=REPLICATED, alpha=0.45, lw=0, label="replicated")
        ax.scatter(*observed.T[[i, j]], s=5, color=INK, alpha=0.7, lw=0, label="observed")
        ax.set(xlabel=lettering(data.features[i]), ylabel=lettering(data.features[j]))
    axes[0].legend(fontsize="small")
    return axes
