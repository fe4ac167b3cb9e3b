"""Criteria for the number of clusters, one panel each."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from mixtures.arguments import check_kind
from mixtures.plot.style import COLOURS, INK
from mixtures.results.selection import Selection
from mixtures.selection.criteria import COLUMNS, SAMPLED

__all__ = ["selection"]

LINE, TAKEN = COLOURS[0], COLOURS[2]


NAMES = {
    "aic": "AIC (twice nats)",
    "bic": "BIC (twice nats)",
    "icl": "ICL (twice nats)",
    "caic": "CAIC (twice nats)",
    "sabic": "SABIC (twice nats)",
    "loo": "LOO elpd (nats)",
    "evidence": "log marginal likelihood (nats)",
}


def selection(selection: Selection, *, axes: Any = None) -> np.ndarray:
    """Draw every criterion over the number of clusters, and mark its own choice and the recommended one.

    Each panel has its own axis; the title says which direction is better. Bars are
    two standard errors to each side: sampling error over the rows for LOO, Monte
    Carlo error for the marginal likelihood.

    Parameters
    ----------
    selection : Selection
        What `select` returned.
    axes : sequence of matplotlib.axes.Axes, optional
        Where to draw, one per criterion; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on, one per criterion.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> selection = mx.select(mx.GMM(1), X, range(1, 4), random_seed=1, progressbar=False)
    >>> [ax.get_ylabel() for ax in mx.plot.selection(selection)]
    ['AIC (twice nats)', 'BIC (twice nats)', 'ICL (twice nats)']
    """
    check_kind(Selection, "what select returned", selection=selection)
    criteria, table = selection.criteria, selection.table
    if axes is None:
        rows = -(-len(criteria) // 3)
        columns = -(-len(criteria) // rows)  # four are two by two
        figure, grid = plt.subplots(
            rows, columns, figsize=(4 * columns, 3.2 * rows), squeeze=False, layout="constrained"
        )
        axes = grid.ravel()
        for spare in axes[len(criteria) :]:
            figure.delaxes(spare)
    axes = np.atleast_1d(np.asarray(axes, dtype=object))[: len(criteria)]
    for name, ax in zip(criteria, axes, strict=True):
        column = COLUMNS[name][0]
        ks, values = table.index.to_numpy(), table[column].to_numpy(dtype=float)
        errors = 2 * table[f"{column}_se"].to_numpy(dtype=float) if f"{column}_se" in table else None
        ax.errorbar(
            ks, values, yerr=errors, fmt="o-", color=LINE, ecolor=INK, capsize=3, lw=1.5, ms=5, zorder=2
        )
        if selection.recommended is not None:
            ax.axvline(selection.recommended, color=INK, ls=":", lw=1, zorder=1)
        if name in selection.best:
            k = selection.best[name]
            ax.plot(k, table.loc[k, column], marker="D", ms=9, color=TAKEN, zorder=3)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        sense = "higher" if name in SAMPLED else "lower"
        chosen = f"; best at K = {selection.best[name]}" if name in selection.best else ""
        ax.set_title(f"{sense} is better{chosen}", fontsize="medium")
        ax.set(xlabel="number of clusters K", ylabel=NAMES[name])
    if selection.recommended is not None:
        on_the_right = 2 * selection.recommended > table.index.min() + table.index.max()
        axes[0].annotate(
            f"recommended: {selection.recommended}",
            (selection.recommended, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if on_the_right else 4, -4),
            textcoords="offset points",
            ha="right" if on_the_right else "left",
            va="top",
            fontsize="small",
            color=INK,
        )
    return axes
