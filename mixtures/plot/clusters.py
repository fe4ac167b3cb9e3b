"""Data and clusters in one or two features, with their uncertainty from a posterior sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator

from mixtures.arguments import check_names
from mixtures.clusters.align import in_one_order
from mixtures.clusters.responsibilities import responsibilities as membership
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.draws import evenly_spaced, flat_draws, of_sample, sets_of
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous
from mixtures.given import Fit, Parameters, names_of, with_params
from mixtures.plot.style import INK, axes_or_new, cluster_colour, columns, lettering, name_cluster
from mixtures.types import Array, Params

__all__ = ["clusters", "model_and_rows", "outlines", "scatter"]

GRID = 400
"""Number of points of a density over one feature."""


def scatter(
    X: Any, *, labels: Any = None, features: tuple[str, ...] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the data: points over two features, a histogram over one.

    Parameters
    ----------
    X : array_like or frame, shape (n, D)
        The data.
    labels : array_like of int, shape (n,), optional
        Cluster of every row, shown by its colour.
    features : tuple of str, optional
        One or two of the columns; the first two by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If a column does not exist, or the labels do not match the rows.

    Examples
    --------
    >>> import mixtures as mx
    >>> ax = mx.plot.scatter(mx.datasets.faithful())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('eruptions', 'waiting')
    """
    data, ax = as_data(X), axes_or_new(ax)
    places = columns(data, features)
    labels = np.full(data.n_rows, -1) if labels is None else np.asarray(labels)
    if labels.shape != (data.n_rows,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"labels must be {data.n_rows} whole numbers, got {labels.dtype} {labels.shape}")
    groups = np.unique(labels)
    colours = [INK if k < 0 else cluster_colour(k) for k in groups]
    ax.set_xlabel(lettering(data.features[places[0]]))
    values = data.values[:, places]
    if len(places) == 1:
        parts = [values[labels == k, 0] for k in groups]
        ax.hist(parts, bins="auto" if len(parts) == 1 else 30, color=colours, stacked=True, alpha=0.6)
        ax.set_ylabel("rows")
        return ax
    for k, colour in zip(groups, colours, strict=True):
        x, y = values[labels == k].T
        ax.scatter(x, y, s=14, color=colour, alpha=0.7, linewidths=0)
    ax.set_ylabel(lettering(data.features[places[1]]))
    return ax


def clusters(
    spec: Mixture | Fit,
    X: Any = None,
    params: Parameters | None = None,
    *,
    features: tuple[str, ...] | None = None,
    sds: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    n_draws: int = 50,
    missing: str | None = None,
    labels: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the data with their clusters: ellipses over two features, densities or probabilities over one.

    A cluster's opacity follows its weight alpha. With a posterior sample the
    clusters of ``n_draws`` draws are drawn over one another: blur shows uncertainty.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `mixtures.responsibilities`.
    X : array_like or frame, shape (n, D)
        The data; checked, matched by name and by default as in `mixtures.responsibilities`.
    params : dict of ndarray or xarray.DataTree
        Parameters, such as ``em.params``, or a posterior sample, which is aligned
        if it is not; left out if a fit is given.
    features : tuple of str, optional
        One or two of the columns; the first two by default.
    sds : sequence of float, optional
        Standard deviations at which ellipses are drawn: 1, 2 and 3 for
        parameters, 2 for a sample.
    names : sequence of str, optional
        Names for the clusters, in their order, written at them; by default those that a crosscheck was given,
        or their numbers.
    n_draws : int, default 50
        Draws of a sample to show, evenly spaced.
    missing, labels
        As in `mixtures.responsibilities`; rows are drawn where the columns are observed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If a column is not there, or the parameters are of other features.

    References
    ----------
    VanderPlas (2016), *Python Data Science Handbook*, "In Depth: Gaussian Mixture Models".

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> ax = mx.plot.clusters(em, X)
    >>> len(ax.patches)  # two clusters at 1, 2 and 3 standard deviations
    6
    """
    named = names_of(spec) if names is None else names
    spec, data, params = model_and_rows(*with_params(spec, X, params), missing, labels)
    called = [str(k) for k in range(spec.n_components)]
    if named is not None:
        called = list(map(lettering, check_names(named, spec.n_components)))
    r = membership(spec, data, params)["responsibilities"].values
    places, ax = columns(data, features), axes_or_new(ax)
    sample = isinstance(params, xr.DataTree)
    if isinstance(params, xr.DataTree):
        draws = flat_draws(params, spec.dims)
    else:
        draws = {name: np.asarray(params[name], dtype=np.float64)[None] for name in spec.dims}
    shown = sets_of(draws, evenly_spaced(len(draws["alpha"]), n_draws))
    if len(places) == 1:
        return _densities(spec, data, shown, draws["alpha"].mean(axis=0), places[0], called, ax)

    scatter(data, labels=r.argmax(axis=1), features=tuple(data.features[d] for d in places), ax=ax)
    moments = [spec.family.marginal_moments(one, places) for one in shown]
    means, covariances = (np.array(x) for x in zip(*moments, strict=True))
    weights = np.array([one["alpha"] for one in shown])
    outlines(
        ax, weights, means, covariances, sds or ((2,) if sample else (1, 2, 3)), called, filled=not sample
    )
    return ax


def outlines(
    ax: Axes,
    weights: Array,
    means: Array,
    covariances: Array,
    sds: Sequence[float],
    called: Sequence[str] | None = None,
    *,
    filled: bool = False,
) -> None:
    """Draw the clusters of some draws, (S, K), (S, K, 2) and (S, K, 2, 2), as ellipses with their names."""
    n, k = weights.shape
    for i in range(k):
        for sd in sds:
            for mean, covariance, alpha in zip(means[:, i], covariances[:, i], weights, strict=True):
                style = _fill(i, alpha) if filled else _lines(i, n)
                ax.add_patch(_ellipse(mean, covariance, sd, style))
        name_cluster(ax, str(i) if called is None else called[i], *means[:, i].mean(axis=0))
    ax.autoscale_view()


def model_and_rows(
    spec: Mixture, X: Any, params: Parameters, missing: str | None, labels: Any
) -> tuple[Mixture, Data, Parameters]:
    """Return model, rows and parameters, with the columns in the order of the fit."""
    if isinstance(params, xr.DataTree):
        spec, data, tree = of_sample(spec, X, params, missing=missing, labels=labels)
        return spec, data, in_one_order(tree) if data.labels is None else tree
    return spec, spec.read(X, missing=missing, labels=labels), params


def _fill(k: int, alpha: Array) -> dict[str, Any]:
    return {"facecolor": cluster_colour(k), "alpha": 0.22 * alpha[k] / alpha.max(), "linewidth": 0}


def _lines(k: int, n: int) -> dict[str, Any]:
    return {"fill": False, "edgecolor": cluster_colour(k), "alpha": min(1, 10 / n), "linewidth": 1}


def _ellipse(mean: Array, covariance: Array, sd: float, style: Mapping[str, Any]) -> Ellipse:
    """Curve of points ``sd`` standard deviations from the mean of a Gaussian."""
    variances, axes = np.linalg.eigh(covariance)
    width, height = 2 * sd * np.sqrt(variances)
    return Ellipse(tuple(mean), width, height, angle=np.degrees(np.arctan2(axes[1, 0], axes[0, 0])), **style)


def _densities(
    spec: Mixture,
    data: Data,
    shown: Sequence[Params],
    weights: Array,
    place: int,
    called: Sequence[str],
    ax: Axes,
) -> Axes:
    """Every cluster's weighted density, and the mixture's, over a histogram of the rows, by weight if any."""
    family = spec.family.marginal_family([place])
    sets = [{"alpha": one["alpha"], **spec.family.margin(one, [place])} for one in shown]
    seen = ~np.isnan(data.values[:, place])
    values = data.values[seen, place]
    levels = None if data.levels is None else data.levels[place]
    first, last = (values.min(), values.max()) if levels is None else (0, len(levels) - 1)
    whole = continuous(family, sets[:1])[1] is None
    edges: Any = np.histogram_bin_edges(values, "auto")
    if whole and last - first < GRID:  # each number a bar of width 1
        edges = np.arange(first, last + 2) - 0.5
        at, x = np.arange(first, last + 1).repeat(2), edges.repeat(2)[1:-1]
    else:
        margin = 0 if whole else 0.1 * (last - first)
        x = np.linspace(first - margin, last + margin, GRID)
        at = x = x.round() if whole else x
    own = None if data.weights is None else data.weights[seen]
    ax.hist(values, bins=edges, weights=own, density=True, color=INK, alpha=0.15)
    opacity = max(0.08, 1 / len(shown))
    each = [one["alpha"][:, None] * np.exp(family.density(one)(at[None, :])) for one in sets]
    for density in each:
        ax.plot(x, density.sum(axis=0), color=INK, lw=1, alpha=opacity)
        for k, part in enumerate(density):
            ax.plot(x, part, color=cluster_colour(k), lw=2, alpha=opacity)
    for k, part in enumerate(np.mean(each, axis=0)):
        ax.fill_between(x, part, color=cluster_colour(k), alpha=0.3 * weights[k] / weights.max(), lw=0)
        name_cluster(ax, called[k], at[part.argmax()], part.max() / 2)
    if levels is not None:
        ax.set_xticks(range(len(levels)), [lettering(str(level)) for level in levels])
    elif whole:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel=lettering(data.features[place]), ylabel="share of rows" if whole else "density")
    return ax
