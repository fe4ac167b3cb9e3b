"""Patterns of missing cells."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle

from mixtures.arguments import check_whole
from mixtures.data.patterns import patterns_of
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.messages import counted
from mixtures.plot.style import INK, axes_or_new, lettering

__all__ = ["missing_patterns"]

SEEN, MISSING = "#b9ac70", "#ffffff"
"""Colours of an observed cell, and of a missing one, which is hatched."""


WRITTEN_LETTERS = 55
"""Letters of all columns, each as long as the longest, up to which names are written level."""


def missing_patterns(X: Any, *, most: int = 20, ax: Axes | None = None) -> Axes:
    """Draw which columns are observed together, and how many rows have each pattern.

    Parameters
    ----------
    X : array_like or frame, shape (n, D)
        The data; missing cells are NaN, None, ``pandas.NA``, nulls or masked.
    most : int, default 20
        Patterns to draw at most, the most frequent ones.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on: a row for every pattern, the most frequent on top, and a column for every
        column of the data with the share of its cells that are missing.

    Examples
    --------
    >>> import mixtures as mx
    >>> ax = mx.plot.missing_patterns([[1.0, 2.0], [float("nan"), 3.0], [4.0, 5.0]])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['2 rows', '1 row']
    """
    check_whole(1, most=most)
    data = as_data(X, missing=INTEGRATE)
    ax, patterns = axes_or_new(ax), patterns_of(data.values)
    order = np.argsort(-patterns.sizes, kind="stable")[:most]
    observed, sizes = patterns.observed[order], patterns.sizes[order]
    ax.pcolormesh(observed, cmap=ListedColormap([MISSING, SEEN]), vmin=0, vmax=1, edgecolors="white", lw=2)
    for row, column in zip(*np.nonzero(~observed), strict=True):
        corner = (column + 0.04, row + 0.08)
        ax.add_patch(Rectangle(corner, 0.92, 0.84, fill=False, hatch="////", edgecolor=INK, linewidth=0))
    shares = np.isnan(data.values).mean(axis=0)
    names = [f"{lettering(name)}\n{share:.0%}" for name, share in zip(data.features, shares, strict=True)]
    level = data.n_features * max(len(name.partition("\n")[0]) for name in names) <= WRITTEN_LETTERS
    ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=0 if level else 90)
    ax.set_yticks(np.arange(len(order)) + 0.5, [counted(n, "row") for n in sizes.tolist()])
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    left = len(patterns) - len(order)
    beside = f"; {left:,} rarer patterns are left out" if left else ""
    ax.set_xlabel(f"column, and the share of its cells that are missing{beside}")
    keys = [Patch(facecolor=SEEN, label="observed"), Patch(fill=False, hatch="////", lw=0, label="missing")]
    ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return ax
