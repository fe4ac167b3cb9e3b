"""Predictions of the model drawn over the observed data."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, overload

import numpy as np
import xarray as xr
from arviz_stats import ecdf_utils
from matplotlib.axes import Axes

from mixtures.arguments import generator
from mixtures.data.table import Data
from mixtures.diagnostics.loo_pit import loo_pit as leave_one_out
from mixtures.diagnostics.predictive import replicated_sets, unweighted
from mixtures.draws import some_draws
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous
from mixtures.given import Fit, with_sample
from mixtures.messages import named
from mixtures.plot.style import INK, MOST_PANELS, REPLICATED, lettering, panels, places_of
from mixtures.types import Array, Params

__all__ = ["loo_pit", "predictive_density", "predictive_scatter"]

GRID = 400
"""Number of points of a density."""


MOST_VALUES = 30
"""Largest number of distinct whole numbers for which each has its own bar."""


SHOWN_ROWS = 2000
"""Largest number of rows in a scatter plot, each of data and replicates."""


PIT_POINTS, SIMULATIONS = 200, 1000
"""Points at which an ECDF is compared with the uniform, and simulated samples for its band."""


@overload
def predictive_density(
    spec: Mixture,
    X: Any,
    tree: xr.DataTree,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray: ...


@overload
def predictive_density(
    fit: Fit,
    /,
    X: Any = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray: ...


def predictive_density(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
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
    spec, data, tree = unweighted(*with_sample(spec, X, tree))
    places = places_of(data, features)
    draws = some_draws(spec, data, tree, n_draws)
    axes = panels(len(places), axes)
    at, margins = continuous(spec.family, draws)
    own = [] if margins is None else np.arange(data.n_features)[at].tolist()
    drawn = dict(zip(places, axes, strict=True))
    if lines := {d: ax for d, ax in drawn.items() if d in own}:
        _lines(lines, data, own, margins, draws)
    if bars := {d: ax for d, ax in drawn.items() if d not in own}:
        replicated = np.stack(list(replicated_sets(spec, data, draws, n_draws, random_seed)))
        for d, ax in bars.items():
            _bars(ax, data.values[:, d], replicated[..., d])
    for ax, d in zip(axes, places, strict=True):
        ax.set_xlabel(lettering(data.features[d]))
    axes[0].legend(fontsize="small")
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
        ax.hist(_seen(data.values[:, d]), bins="auto", density=True, color=INK, alpha=0.2, label="observed")
        ax.plot(x, each.T, color=REPLICATED, lw=1, alpha=max(0.08, 1 / len(draws)))
        ax.plot(x, each.mean(axis=0), color=REPLICATED, lw=2.5, label="predicted")
        ax.set_ylabel("density")


def _seen(column: Array) -> Array:
    """The cells of a column that are observed."""
    return column[~np.isnan(column)]


def _bars(ax: Axes, observed: Array, replicated: Array) -> None:
    """Share of the rows in every bin, with the interval over replicated data sets (S, n)."""
    replicated, observed = replicated[:, ~np.isnan(observed)], _seen(observed)
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


@overload
def predictive_scatter(
    spec: Mixture,
    X: Any,
    tree: xr.DataTree,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray: ...


@overload
def predictive_scatter(
    fit: Fit,
    /,
    X: Any = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray: ...


def predictive_scatter(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 50,
    random_seed: int | np.random.Generator | None = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw the rows over as many replicated ones, for every two features.

    The replicated rows are divided among the draws. Where only one of the two clouds
    has points, the model is wrong. At most 2,000 rows of each are shown.

    Parameters
    ----------
    spec, X, tree, n_draws, random_seed
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
    spec, data, tree = unweighted(*with_sample(spec, X, tree))
    pairs = list(combinations(places_of(data, features, most=4), 2))
    if not pairs:
        raise InputError("a scatter needs two features; predictive_density draws one")
    rng = generator(random_seed)
    observed = data.values[:: -(-data.n_rows // SHOWN_ROWS)]
    draws = some_draws(spec, data, tree, min(n_draws, len(observed)))
    shares = np.array_split(observed, len(draws))
    replicated = np.vstack(
        [spec.sample(one, len(share), rng, like=share)[0] for one, share in zip(draws, shares, strict=True)]
    )
    axes = panels(len(pairs), axes, (3.6, 3.2))
    for ax, (i, j) in zip(axes, pairs, strict=True):
        ax.scatter(*replicated.T[[i, j]], s=16, color=REPLICATED, alpha=0.45, lw=0, label="replicated")
        ax.scatter(*observed.T[[i, j]], s=5, color=INK, alpha=0.7, lw=0, label="observed")
        ax.set(xlabel=lettering(data.features[i]), ylabel=lettering(data.features[j]))
    axes[0].legend(fontsize="small")
    return axes


@overload
def loo_pit(
    spec: Mixture,
    X: Any,
    tree: xr.DataTree,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 1000,
    ci_prob: float = 0.95,
    axes: Any = None,
) -> np.ndarray: ...


@overload
def loo_pit(
    fit: Fit,
    /,
    X: Any = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 1000,
    ci_prob: float = 0.95,
    axes: Any = None,
) -> np.ndarray: ...


def loo_pit(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 1000,
    ci_prob: float = 0.95,
    axes: Any = None,
) -> np.ndarray:
    """Draw the ECDF of every feature's LOO-PIT values minus that of the uniform distribution.

    A curve outside the simultaneous band shows that the model does not fit the
    feature's distribution. If it is first below zero and then above, predictions are
    too wide; if first above and then below, too narrow.

    Parameters
    ----------
    spec, X, tree, n_draws
        As in `mixtures.loo_pit`.
    features : sequence of str, optional
        Columns to draw; the first 12 by default.
    ci_prob : float, default 0.95
        Probability that a uniform sample of n values stays in the band, per feature.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each feature; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        As in `mixtures.loo_pit`.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), *Statistics and Computing* 32, 32.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(1), X, draws=200, random_seed=1, progressbar=False)
    >>> axes = mx.plot.loo_pit(tree)
    >>> axes[1].get_xlabel()
    'LOO-PIT of waiting'
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree))
    if features is not None:
        places_of(data, features)  # refuses other names, before the draws are weighted
    pit = leave_one_out(spec, data, tree, n_draws=n_draws)["pit"]
    own = pit["feature"].values.tolist()
    names = own[:MOST_PANELS] if features is None else list(features)
    if other := [name for name in names if name not in own]:
        raise InputError(f"LOO-PIT is for continuous features, and {named(other[0])} is not one")
    axes = panels(len(names), axes)
    for ax, name in zip(axes, names, strict=True):
        seen = _seen(pit.sel(feature=name).values)
        inner, lower, upper = _uniform_band(len(seen), ci_prob)
        x = np.concatenate([[0], inner, [1]])
        away = np.pad(ecdf_utils.compute_ecdf(seen, inner) - inner, 1)
        ax.fill_between(x, lower, upper, color=REPLICATED, alpha=0.25, lw=0, label=f"uniform ({ci_prob:.0%})")
        ax.axhline(0, color=REPLICATED, lw=1)
        ax.plot(x, away, color=INK, lw=1.5, label="observed")
        ax.set(xlabel=f"LOO-PIT of {lettering(name)}", ylabel="ECDF less uniform", xlim=(0, 1))
    axes[0].margins(y=0.3)
    axes[0].legend(fontsize="small", loc="upper right")
    return axes


@lru_cache(maxsize=8)
def _uniform_band(n: int, ci_prob: float) -> tuple[Array, Array, Array]:
    """Inner points, and the band around zero of the ECDF of n uniform values less its mean there."""
    inner = np.arange(1, min(n, PIT_POINTS)) / min(n, PIT_POINTS)
    rng = np.random.default_rng(0)  # the band depends only on n
    pointwise = ecdf_utils.simulate_confidence_bands(n, 1, inner, ci_prob, SIMULATIONS, rng)
    lower, upper = ecdf_utils.get_pointwise_confidence_band(pointwise, n, inner)
    return inner, np.pad(lower - inner, 1), np.pad(upper - inner, 1)
