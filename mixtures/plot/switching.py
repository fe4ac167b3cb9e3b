"""Label switching before and after alignment: one parameter of all clusters over the draws."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from mixtures.clusters.align import unalign
from mixtures.clusters.labelled import Labelled, not_aligned
from mixtures.errors import InputError
from mixtures.given import posterior_of
from mixtures.plot.style import INK, cluster_colour, lettering, panels
from mixtures.results.crosscheck import Crosscheck
from mixtures.trees import feature_dims, permutation
from mixtures.types import Array

__all__ = ["switching"]

SHOWN_DRAWS = 100
"""Number of draws per chain that are shown, evenly spaced."""


HIGHEST = 12
"""Clusters that a column of the legend has room for."""


def switching(tree: xr.DataTree | Crosscheck, *, axes: Any = None) -> np.ndarray:
    """Draw the parameter that separates the clusters best, with raw and with aligned labels.

    Chains are drawn side by side. Where a colour jumps with raw labels but not with
    aligned ones, labels had switched and alignment has corrected them.

    Parameters
    ----------
    tree : xarray.DataTree or Crosscheck
        An aligned posterior sample (see `align`), or a crosscheck that holds one.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (2,)
        The axes drawn on: raw labels, aligned labels.

    Raises
    ------
    InputError
        If the tree is not aligned, or has no parameter with clusters.

    Examples
    --------
    >>> import mixtures as mx
    >>> tree = mx.sample(mx.GMM(2), mx.datasets.faithful(), random_seed=1, progressbar=False)
    >>> axes = mx.plot.switching(tree)
    >>> axes[0].get_ylabel()
    'mu[k, eruptions]'
    """
    tree = posterior_of(tree)
    if permutation(tree) is None:
        raise not_aligned(tree, "there is no before and after")
    label, name, entry = _most_telling(tree)
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")[1]
    axes = panels(2, axes)
    for ax, drawn, title in zip(axes, (unalign(tree), tree), ("raw labels", "aligned labels"), strict=True):
        posterior = Labelled.of(drawn).canonical(drawn["posterior"].to_dataset())
        values = _entry(posterior, name, entry)
        step = -(-values.shape[1] // SHOWN_DRAWS)
        shown = values[:, ::step]
        n = shown.shape[1]
        for k in range(shown.shape[2]):
            places = np.arange(len(shown))[:, None] + np.linspace(0.03, 0.97, n)
            ax.scatter(places, shown[..., k], s=5, color=cluster_colour(k), lw=0, alpha=0.7, label=str(k))
        for c in range(1, len(shown)):
            ax.axvline(c, color=INK, lw=0.5)
        ax.set_xticks(np.arange(len(shown)) + 0.5, [str(c) for c in range(len(shown))])
        ax.set_title(title, fontsize="medium")
        ax.set(xlabel="chain, its draws from left to right", xlim=(0, len(shown)))
    axes[0].set_ylabel(label)
    axes[1].legend(
        title="cluster",
        fontsize="small",
        markerscale=2,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        ncols=-(-shown.shape[2] // HIGHEST),
    )
    return axes


def _most_telling(tree: xr.DataTree) -> tuple[str, str, dict[str, int]]:
    """Find the label, variable and entry whose clusters are farthest apart, in sds within clusters.

    Locations are preferred; other parameters are used if there are none.
    """
    posterior = Labelled.of(tree).canonical(tree["posterior"].to_dataset())
    clustered = [str(name) for name, x in posterior.data_vars.items() if "cluster" in x.dims]
    dims = {name: posterior[name].dims[2:] for name in clustered}
    located = [
        name for name, own in dims.items() if len(own) == 2 and own[0] == "cluster" and feature_dims(own)
    ]
    if not clustered:
        raise InputError("no parameter of this tree has clusters")
    found: list[tuple[float, str, dict[str, int]]] = []
    for name in located or clustered:
        inner = [str(dim) for dim in posterior[name].dims[2:] if dim != "cluster"]
        for index in np.ndindex(*(posterior.sizes[dim] for dim in inner)):
            values = _entry(posterior, name, entry := dict(zip(inner, index, strict=True)))
            spread, apart = np.sqrt(values.var(axis=(0, 1)).mean()), np.std(values.mean(axis=(0, 1)))
            found.append((float(apart / spread) if spread > 0 else 0.0, name, entry))
    _, name, entry = max(found, key=lambda each: each[0])
    named = [lettering(posterior[dim].values[i]) for dim, i in entry.items()]
    return f"{name}[{', '.join(['k', *named])}]", name, entry


def _entry(posterior: xr.Dataset, name: str, entry: Mapping[str, int]) -> Array:
    """One entry of a variable of every cluster (chain, draw, cluster)."""
    variable = posterior[name].isel(entry)
    return np.asarray(variable.transpose("chain", "draw", "cluster").values)
