"""The course of a fit: the objective over the iterations, and the surface that EM climbs."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import MaxNLocator

from mixtures.arguments import check_kind
from mixtures.data.table import Data
from mixtures.draws import flat_draws, of_sample
from mixtures.entries import entries
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.given import Fit, with_point
from mixtures.messages import did_you_mean
from mixtures.plot.style import COLOURS, INK, axes_or_new, lettering
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.types import Array

__all__ = ["surface", "trace"]

CLIMB = COLOURS[2]


MARKERS = ("*", "D", "P", "X", "s")


FLOOR = 1e-9
"""Nats below the best objective at which a logarithmic trace ends."""


LEVELS = 14
"""Number of contours of a surface, spaced geometrically from half a nat below the highest point."""


def trace(em: EMFit | Crosscheck, *, log: bool = False, ax: Axes | None = None) -> Axes:
    """Draw the objective over the iterations of every start of EM.

    Parameters
    ----------
    em : EMFit or Crosscheck
        What `fit_em` returned; of a crosscheck it is EM's fit.
    log : bool, default False
        Draw how far the objective is below the best one, on a logarithmic axis:
        straight lines show EM's linear convergence, level ones inferior optima.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), n_init=4, random_seed=1)
    >>> ax = mx.plot.trace(em)
    >>> len(ax.lines)  # four starts, and the best one to its end
    5
    """
    if isinstance(em, Crosscheck):
        if em.em is None:
            raise InputError("this crosscheck is of a model of your own, which EM does not fit")
        em = em.em
    check_kind(EMFit, "a fit of fit_em, or a crosscheck", em=em)
    ax = axes_or_new(ax)
    best = em.objective_trace[-1]

    def height(values: Array) -> Array:
        below = best - values
        return np.where(below > FLOOR, below, np.nan) if log else values

    for i, values in enumerate(em.restarts.traces):
        collapsed = i in em.restarts.collapsed
        name = {0: "restarts"}.get(i)
        ax.plot(height(values), color=INK, lw=1, alpha=0.35, ls=":" if collapsed else "-", label=name)
    ax.plot(height(em.objective_trace), color=CLIMB, lw=2, label="the best")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="iteration", ylabel="nats below the best objective" if log else "objective (nats)")
    if log:
        ax.set_yscale("log")
    ax.set_title(str(em.restarts), fontsize="medium")
    ax.legend()
    return ax


def surface(
    spec: Mixture | Fit,
    X: Any = None,
    params: Mapping[str, Any] | None = None,
    *,
    over: tuple[str, str],
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    path: Sequence[Mapping[str, Any]] = (),
    points: Mapping[str, Mapping[str, Any]] | None = None,
    posterior: xr.DataTree | None = None,
    n_grid: int = 80,
    missing: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the log posterior, which EM climbs, over two parameters with the others fixed.

    Without a prior it is the log-likelihood. When a weight changes, the others share
    the remainder in proportion.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit or Crosscheck
        The model, or a fit of it; of a crosscheck it is EM's, and its posterior sample is drawn.
    X : array_like or frame, shape (n, D)
        The data; by default those that the sample of a crosscheck holds.
    params : dict of ndarray
        Values of all other parameters; left out if a fit is given.
    over : tuple of two str
        The parameters, by their names in the tables: ``"mu[0, waiting]"``, ``"alpha[0]"``.
    limits : pair of pairs of float, optional
        Range of each; by default that of the path and posterior, with a margin.
    path : sequence of dict of ndarray, optional
        A sequence of parameters, such as the steps of `em_step`.
    points : dict of dict of ndarray, optional
        Parameters to mark, by name: ``{"EM": em.params, "MAP": mode.params}``.
    posterior : xarray.DataTree, optional
        Posterior sample, drawn as dots.
    n_grid : int, default 80
        Number of points per side at which the surface is computed.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells; the surface is that of the observed ones.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If a parameter does not exist, or there is nothing to derive limits from.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()[["waiting"]]
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> over = ("mu[0, waiting]", "mu[1, waiting]")
    >>> ax = mx.plot.surface(em, X, over=over, limits=((70, 90), (45, 65)))
    >>> ax.get_xlabel()
    'mu[0, waiting]'
    """
    if isinstance(spec, Crosscheck) and posterior is None:
        posterior = spec.posterior
    spec, X, params = with_point(spec, X, params, needs_prior=True)
    if posterior is not None:
        spec, X, posterior = of_sample(spec, X, posterior, missing=missing)
    data = spec.table(X, missing=missing)
    if data.labels is not None:
        raise InputError("a surface is of rows without known labels")
    spec = resolve(spec, data)
    params = spec.check_params(params, data.n_features)
    places = entries(spec.shapes(data.n_features), spec.dims, spec.coords(data.features))
    for label in over:
        if label not in places:
            hint = did_you_mean(label, places)
            raise InputError(f"there is no parameter {label!r}{hint}; there are {', '.join(places)}")
    at = [places[label] for label in over]
    steps = np.array([[np.asarray(p[name])[index] for name, index in at] for p in path]).reshape(-1, 2)
    marked = {
        label: [np.asarray(p[name])[index] for name, index in at] for label, p in (points or {}).items()
    }
    drawn = np.zeros((0, 2))
    if posterior is not None:
        flat = flat_draws(posterior, spec.dims)
        drawn = np.array([flat[name][(slice(None), *index)] for name, index in at]).T
    low, high = _limits(limits, np.vstack([steps, drawn, *(np.array([m]) for m in marked.values())]))

    x, y = (np.linspace(low[i], high[i], n_grid) for i in range(2))
    height = np.array([[_height(spec, data, params, at, (a, b)) for a in x] for b in y])
    ax = axes_or_new(ax)
    _contours(ax, x, y, height, "log-likelihood" if spec.prior is None else "log posterior")
    if len(drawn):
        a, b = drawn[:: max(1, len(drawn) // 1000)].T
        ax.scatter(a, b, s=3, color=INK, alpha=0.4, lw=0, label="posterior")
    if len(steps):
        ax.plot(*steps.T, ".-", color=CLIMB, lw=1.5, ms=6, label="EM, step by step")
        ax.plot(*steps[0], "o", color=CLIMB, mfc="white", ms=9, label="start")
    for marker, (label, xy) in zip(MARKERS, marked.items(), strict=False):
        ax.plot(*xy, marker, color="white", mec=INK, ms=13 if marker == "*" else 8, ls="", label=label)
    if len(drawn) or len(steps) or marked:
        ax.legend(loc="best", framealpha=0.9)
    ax.set(
        xlabel=lettering(over[0]), ylabel=lettering(over[1]), xlim=(low[0], high[0]), ylim=(low[1], high[1])
    )
    return ax


def _limits(limits: Any, shown: Array) -> tuple[Array, Array]:
    if limits is not None:
        bounds = np.asarray(limits, dtype=np.float64)
        return bounds[:, 0], bounds[:, 1]
    if len(shown) < 2 or not np.ptp(shown, axis=0).all():
        raise InputError("a surface needs limits=((low, high), (low, high)), or a path or posterior to show")
    margin = 0.15 * np.ptp(shown, axis=0)
    return shown.min(axis=0) - margin, shown.max(axis=0) + margin


def _contours(ax: Axes, x: Array, y: Array, height: Array, what: str) -> None:
    """Draw heights (y, x) as contours, with a bar of the nats below the highest of them."""
    below = np.nanmax(height) - height
    levels = np.array([0, *np.geomspace(0.5, max(1.0, np.nanmax(below)), LEVELS)])
    norm = BoundaryNorm(levels, 256)
    filled = ax.contourf(x, y, below, levels=levels, norm=norm, cmap="cividis_r")
    ax.contour(x, y, below, levels=levels, colors="white", linewidths=0.4)
    bar = plt.colorbar(filled, ax=ax, label=f"{what}: nats below the highest here", spacing="uniform")
    ticks = [float(level) for level in levels[::2]]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" if tick < 10 else f"{tick:.0f}" for tick in ticks])


def _height(
    spec: Mixture, data: Data, params: Mapping[str, Array], at: list[tuple[str, Any]], xy: tuple[float, float]
) -> float:
    """Log posterior with two entries changed; NaN outside the parameter space."""
    moved = {name: x.copy() for name, x in params.items()}
    for (name, index), value in zip(at, xy, strict=True):
        if name == "alpha":
            others = np.arange(spec.n_components) != index[0]
            left = 1 - value
            moved[name][others] *= left / moved[name][others].sum()
        if spec.dims[name][-1].endswith("_bis"):
            moved[name][(*index[:-2], index[-1], index[-2])] = value
        moved[name][index] = value
    try:
        moved = spec.check_params(moved, data.n_features)
    except InputError:
        return np.nan
    rows = spec.log_likelihood(data, moved)
    height = float(rows.sum() if data.weights is None else rows @ data.weights) + float(spec.log_prior(moved))
    return height if np.isfinite(height) else np.nan
