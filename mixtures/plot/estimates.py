"""Forests of the estimates in their own units: every parameter by cluster, with intervals, EM and MAP."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mixtures.arguments import check_share, cluster_names
from mixtures.diagnostics.views import for_summary
from mixtures.errors import InputError
from mixtures.messages import did_you_mean
from mixtures.plot.style import INK, cluster_colour, lettering
from mixtures.results.crosscheck import Crosscheck
from mixtures.types import Array

__all__ = ["draw_estimates", "estimates", "restated"]

ACROSS = 2
"""Panels in a row."""


INNER = 0.5
"""Probability of the thick part of an interval."""


SPREAD = 0.7
"""Share of a row's height that its clusters take."""


TICKS = 4
"""Intervals between the marks of an axis at most, so that their numbers do not touch."""


POINTS = {"EM": "*", "MAP": "D"}
"""Markers of the point estimates."""


def restated(result: Crosscheck) -> dict[str, xr.Dataset]:
    """Sample, EM and MAP of a crosscheck, each number once: sd and corr in place of Sigma."""
    trees = {"posterior": result.posterior, "EM": result.em, "MAP": result.mode}
    there = {name: x for name, x in trees.items() if x is not None}
    made = {name: x if isinstance(x, xr.DataTree) else x.to_datatree() for name, x in there.items()}
    return {name: for_summary(tree)["posterior"].to_dataset() for name, tree in made.items()}


def estimates(result: Crosscheck, name: str, *, ci_prob: float = 0.95) -> np.ndarray:
    """Draw a parameter of every cluster in its own units, with intervals, EM and MAP.

    Parameters
    ----------
    result : Crosscheck
        With a posterior sample, of a model of this package.
    name : str
        A parameter of the model, or ``sd`` or ``corr``, which stand in place of covariances. Where all
        values lie between -1 and 1, as shares and correlations do, they share one panel; otherwise each
        column of the data has a panel in its unit.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals; their thick part holds one half.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on, of a new figure.

    Raises
    ------
    InputError
        If there is no sample or no such parameter.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> [ax.get_title() for ax in mx.plot.estimates(cc, "mu")]
    ['eruptions', 'waiting']
    """
    check_share(ci_prob=ci_prob)
    if result.posterior is None or result.mode.spec is None:
        raise InputError("estimates are drawn of a crosscheck with a sample, of a model of this package")
    return draw_estimates(restated(result), name, result.names, ci_prob)


def draw_estimates(
    found: dict[str, xr.Dataset], name: str, names: Sequence[str] | None, ci_prob: float = 0.95
) -> np.ndarray:
    """The same of what `restated` found, with names of the clusters if they have any."""
    if name not in found["posterior"]:
        known = list(map(str, found["posterior"].data_vars))
        raise InputError(f"there is no parameter {name!r}{did_you_mean(name, known)}; there are {known}")
    labels, draws = _by_entry(found["posterior"][name])
    points = {k: _by_entry(found[k][name])[1][0] for k in POINTS if k in found}
    alike = "cluster" not in found["posterior"][name].dims
    called = ["all"] if alike else list(map(lettering, cluster_names(names, draws.shape[-1])))
    together = bool((np.abs(draws) <= 1).all())
    tail = (1 - ci_prob) / 2
    bounds = np.quantile(draws, [tail, (1 - INNER) / 2, (1 + INNER) / 2, 1 - tail], axis=0)
    if together and len(labels) > 1:
        ax = _figure(1, 1, 1.0 + 0.13 * len(labels) * max(len(called), 2), 6.4)[0]
        for row in range(len(labels)):
            _rows(ax, row, bounds[:, row], {k: x[row] for k, x in points.items()})
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.4, -0.6)
        axes = np.array([ax])
    else:
        across = min(ACROSS, len(labels))
        down = -(-len(labels) // across)
        every = _figure(across, down, down * (0.75 + 0.24 * len(called)) + 0.5, 2.9 * across + 0.6)
        for ax in every[len(labels) :]:
            ax.remove()
        axes = every[: len(labels)]
        for row, (ax, label) in enumerate(zip(axes, labels, strict=True)):
            for k in range(len(called)):
                colour = INK if alike else cluster_colour(k)
                _line(ax, k, colour, bounds[:, row, k], {each: x[row, k] for each, x in points.items()})
            ax.set_yticks(range(len(called)), called if row % across == 0 else [""] * len(called))
            ax.set_ylim(len(called) - 0.4, -0.6)
            ax.set_title(label)
    _legend(axes, called if together and len(labels) > 1 else [], points, ci_prob)
    return axes


def _by_entry(x: xr.DataArray) -> tuple[list[str], Array]:
    """Labels (M,) of what a parameter is of, and its draws (S, M, K)."""
    inner = [str(dim) for dim in x.dims if dim not in ("chain", "draw", "cluster")]
    by_cluster = x if "cluster" in x.dims else x.expand_dims(cluster=[0])
    ordered = by_cluster.transpose("chain", "draw", ..., "cluster")
    labels = [str(each) for each in x[inner[0]].values] if inner else [str(x.name)]
    values = ordered.values.reshape(-1, len(labels), ordered.sizes["cluster"])
    return [lettering(label) for label in labels], values


def _figure(across: int, down: int, height: float, width: float) -> np.ndarray:
    every = plt.subplots(down, across, figsize=(width, height), layout="constrained", squeeze=False)[1]
    for ax in every.ravel():
        ax.xaxis.set_major_locator(MaxNLocator(TICKS))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.7g}"))
    return np.asarray([*every.ravel()], dtype=object)


def _rows(ax: Axes, row: int, bounds: Array, points: dict[str, Array]) -> None:
    """The clusters of one row, beside each other."""
    k = bounds.shape[-1]
    for i in range(k):
        y = row + SPREAD * ((i + 0.5) / k - 0.5)
        _line(ax, y, cluster_colour(i), bounds[:, i], {name: x[i] for name, x in points.items()})


def _line(ax: Axes, y: float, colour: str, bounds: Array, points: dict[str, Any]) -> None:
    ax.plot(bounds[[0, 3]], [y, y], color=colour, lw=1.2, solid_capstyle="butt")
    ax.plot(bounds[[1, 2]], [y, y], color=colour, lw=4, solid_capstyle="butt")
    for name, x in points.items():
        ax.plot(x, y, ls="", **_marker(name))


def _marker(name: str) -> dict[str, Any]:
    """Look of a point estimate."""
    face = "none" if name == "MAP" else INK
    return {"marker": POINTS[name], "color": INK, "mfc": face, "ms": 5, "mew": 0.8}


def _legend(axes: np.ndarray, called: list[str], points: dict[str, Array], ci_prob: float) -> None:
    handles = [Line2D([], [], color=cluster_colour(k), lw=3, label=name) for k, name in enumerate(called)]
    handles += [Line2D([], [], ls="", label=name, **_marker(name)) for name in points]
    handles.append(Line2D([], [], color=INK, lw=1.2, label=f"{INNER:.0%} and {ci_prob:.0%} intervals"))
    how: dict[str, Any] = {"loc": "outside upper left", "ncols": min(len(handles), 4)}
    axes[0].get_figure().legend(handles=handles, **how, frameon=False, fontsize="small")
