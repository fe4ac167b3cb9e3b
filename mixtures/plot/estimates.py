"""Forests of the estimates in their own units: every parameter by cluster, with intervals, EM and MAP."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from mixtures.plot.style import INK, LONGEST_NAME, cluster_colour, lettering
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


LEGEND = 4
"""Entries of the legend in a line."""


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
    of_all = "cluster" not in found["posterior"][name].dims
    tail = (1 - ci_prob) / 2
    forest = _Forest(
        labels,
        ["all"] if of_all else list(map(lettering, cluster_names(names, draws.shape[-1]))),
        [INK] if of_all else list(map(cluster_colour, range(draws.shape[-1]))),
        np.quantile(draws, [tail, (1 - INNER) / 2, (1 + INNER) / 2, 1 - tail], axis=0),
        {k: _by_entry(found[k][name])[1][0] for k in POINTS if k in found},
    )
    in_one = len(labels) > 1 and bool((np.abs(draws) <= 1).all())
    axes = forest.in_one_panel() if in_one else forest.in_panels()
    _legend(axes, forest.clusters if in_one else [], forest.points, ci_prob)
    return axes


@dataclass(frozen=True, eq=False)
class _Forest:
    """What is drawn: M entries of K clusters, the four ends of two intervals (4, M, K), and points (M, K)."""

    labels: list[str]
    clusters: list[str]
    colours: list[str]
    bounds: Array
    points: dict[str, Array]

    def in_one_panel(self) -> np.ndarray:
        """A row for every entry, with its clusters beside one another."""
        k = len(self.clusters)
        (ax,) = _figure(1, 1, 1.0 + 0.13 * len(self.labels) * max(k, 2), 6.4)
        for entry in range(len(self.labels)):
            for cluster in range(k):
                self._line(ax, entry + SPREAD * ((cluster + 0.5) / k - 0.5), entry, cluster)
        ax.set_yticks(range(len(self.labels)), self.labels)
        ax.set_ylim(len(self.labels) - 0.4, -0.6)
        return np.array([ax])

    def in_panels(self) -> np.ndarray:
        """A panel for every entry, with a row for each cluster."""
        k, m = len(self.clusters), len(self.labels)
        across = min(ACROSS, m)
        down = -(-m // across)
        every = _figure(across, down, down * (0.75 + 0.24 * k) + 0.5, 2.9 * across + 0.6)
        for ax in every[m:]:
            ax.remove()
        for entry, (ax, label) in enumerate(zip(every, self.labels, strict=False)):
            for cluster in range(k):
                self._line(ax, cluster, entry, cluster)
            ax.set_yticks(range(k), self.clusters if entry % across == 0 else [""] * k)
            ax.set_ylim(k - 0.4, -0.6)
            ax.set_title(label)
        return every[:m]

    def _line(self, ax: Axes, y: float, entry: int, cluster: int) -> None:
        ends, colour = self.bounds[:, entry, cluster], self.colours[cluster]
        ax.plot(ends[[0, 3]], [y, y], color=colour, lw=1.2, solid_capstyle="butt")
        ax.plot(ends[[1, 2]], [y, y], color=colour, lw=4, solid_capstyle="butt")
        for name, x in self.points.items():
            ax.plot(x[entry, cluster], y, ls="", **_marker(name))


def _by_entry(x: xr.DataArray) -> tuple[list[str], Array]:
    """Labels (M,) of what a parameter is of, and its draws (S, M, K)."""
    inner = [str(dim) for dim in x.dims if dim not in ("chain", "draw", "cluster")]
    by_cluster = x if "cluster" in x.dims else x.expand_dims(cluster=[0])
    ordered = by_cluster.transpose("chain", "draw", ..., "cluster")
    labels = [str(each) for each in x[inner[0]].values] if inner else [str(x.name)]
    values = ordered.values.reshape(-1, len(labels), ordered.sizes["cluster"])
    return [_lines(label) for label in labels], values


def _lines(label: str) -> str:
    """A label as it is displayed, that of a long pair on two lines."""
    whole, (first, comma, second) = lettering(label), label.partition(", ")
    return whole if len(label) <= LONGEST_NAME or not comma else f"{lettering(first)},\n{lettering(second)}"


def _figure(across: int, down: int, height: float, width: float) -> np.ndarray:
    every = plt.subplots(down, across, figsize=(width, height), layout="constrained", squeeze=False)[1]
    for ax in every.ravel():
        ax.xaxis.set_major_locator(MaxNLocator(TICKS))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.7g}"))
    return np.asarray([*every.ravel()], dtype=object)


def _marker(name: str) -> dict[str, Any]:
    """Look of a point estimate."""
    face = "none" if name == "MAP" else INK
    return {"marker": POINTS[name], "color": INK, "mfc": face, "ms": 5, "mew": 0.8}


def _legend(axes: np.ndarray, called: list[str], points: dict[str, Array], ci_prob: float) -> None:
    handles = [Line2D([], [], color=cluster_colour(k), lw=3, label=name) for k, name in enumerate(called)]
    handles += [Line2D([], [], ls="", label=name, **_marker(name)) for name in points]
    handles.append(Line2D([], [], color=INK, lw=1.2, label=f"{INNER:.0%} and {ci_prob:.0%} intervals"))
    across = min(len(handles), LEGEND)
    in_lines = [handle for j in range(across) for handle in handles[j::across]]  # matplotlib fills columns
    how: dict[str, Any] = {"loc": "outside upper left", "ncols": across, "frameon": False}
    axes[0].get_figure().legend(handles=in_lines, **how, fontsize="small")
