"""Style shared by all plots: a colour for each cluster, and axes to draw on."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.messages import did_you_mean, named

__all__ = [
    "COLOURS",
    "INK",
    "LETTER",
    "LONGEST_NAME",
    "ON_DARK",
    "ON_LIGHT",
    "REPLICATED",
    "axes_or_new",
    "cluster_colour",
    "cluster_legend",
    "columns",
    "lettering",
    "name_cluster",
    "panels",
    "places_of",
    "say_which",
    "shares_written",
]

COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#832db6",
    "#92dadd",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#94a4a2",
)
"""Ten colours that colour-blind people can distinguish too (Petroff 2021, arXiv:2107.02270), greys last."""


LONGEST_NAME = 32
"""Largest length of a name in a plot: longer ones leave no room for the data."""


LETTER = 0.085
"""Width of a small letter, in inches."""


INK = "#222222"
"""Colour of everything that belongs to no cluster: text, outlines, the mixture as a whole."""


ON_DARK, ON_LIGHT = "#fefefe", "#212121"
"""Colours of text on coloured cells, which stay as they are where a page in dark exchanges the others."""


REPLICATED = "#00897b"
"""Colour of predictions, which no cluster has; observations are in INK."""


MOST_PANELS = 12
"""Number of features drawn by default in plots with one panel each."""


def cluster_colour(k: int) -> str:
    """Return the colour of cluster ``k``, the same in every figure; colours repeat after ten.

    Parameters
    ----------
    k : int
        Number of the cluster.

    Returns
    -------
    str
        Colour as hexadecimal RGB.

    Examples
    --------
    >>> from mixtures.plot import cluster_colour
    >>> cluster_colour(0), cluster_colour(10)
    ('#3f90da', '#3f90da')
    """
    return COLOURS[k % len(COLOURS)]


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def columns(data: Data, features: tuple[str, ...] | None) -> list[int]:
    """Return the positions of the features to draw: those requested, or the first two."""
    if features is None:
        return list(range(min(2, data.n_features)))
    places = places_of(data, features)
    if len(places) not in (1, 2):
        raise InputError(f"a picture has one feature or two, got {len(places)}")
    return places


def places_of(data: Data, features: Sequence[str] | None, most: int = MOST_PANELS) -> list[int]:
    """Return the positions of the features requested, or of the first few."""
    if features is None:
        return list(range(min(most, data.n_features)))
    for name in features:
        if name not in data.features:
            hint = did_you_mean(name, data.features)
            raise InputError(
                f"there is no feature {name!r}{hint}; the features are {', '.join(data.features)}"
            )
    return [data.features.index(name) for name in features]


def panels(n: int, axes: Any, size: tuple[float, float] = (3.4, 2.8)) -> np.ndarray:
    """Return the n axes given, or those of a new figure with at most four per row."""
    if axes is not None:
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) != n:
            raise InputError(f"axes must be {n}, got {len(axes)}")
        return axes
    across = min(n, 4) if n != 6 else 3
    down = -(-n // across)
    figsize = (size[0] * across, size[1] * down) if n > 1 else None
    every = plt.subplots(down, across, figsize=figsize, layout="constrained", squeeze=False)[1].ravel()
    for ax in every[n:]:
        ax.remove()
    return np.asarray(every[:n], dtype=object)


def cluster_legend(drawn: np.ndarray, handles: Sequence[Any], texts: Sequence[str], *, outside: bool) -> None:
    """Write what the colours mean: above a figure that has room, else within the first of the axes."""
    if not outside:
        drawn[0].legend(handles, texts, fontsize="small", frameon=False)
        return
    figure = drawn[0].get_figure()
    room = figure.get_figwidth() / (max(map(len, texts)) * LETTER + 0.5)
    across = max(1, min(len(texts), int(room)))
    figure.legend(handles, texts, loc="outside upper center", ncols=across, frameon=False)


def say_which(drawn: np.ndarray, total: int, which: str) -> None:
    """Write below a figure of panels which of all they are, if not all are there."""
    if len(drawn) < total:
        drawn[0].get_figure().supxlabel(which.format(f"{len(drawn)} of {total}"), fontsize="medium")


def shares_written(shares: np.ndarray) -> list[str]:
    """Shares in per cent, with a decimal if they would not sum to 100% without.

    Examples
    --------
    >>> shares_written(np.array([0.64, 0.36])), shares_written(np.array([0.464, 0.322, 0.214]))
    (['64%', '36%'], ['46.4%', '32.2%', '21.4%'])
    """
    decimals = 0 if np.round(100 * shares).sum() == 100 else 1
    return [f"{share:.{decimals}%}" for share in shares]


def lettering(name: object) -> str:
    r"""Return a name as it is displayed: short, on one line, with dollars escaped.

    Examples
    --------
    >>> print(lettering("price ($) beside $\\frac{$"), lettering("a\nb"))
    price (\$) beside \$\\frac{\$ a\nb
    """
    return named(name, LONGEST_NAME)[1:-1].replace("$", r"\$")


def name_cluster(ax: Axes, name: str, x: float, y: float) -> None:
    """Write the number or name of a cluster at its position, so that colour is not the only cue."""
    halo = [withStroke(linewidth=3, foreground="white")]
    ax.text(x, y, name, ha="center", va="center", weight="bold", color=INK, path_effects=halo, zorder=5)
