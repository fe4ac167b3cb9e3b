"""Parameters by cluster and feature as heat maps and as images."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize

from mixtures.brief import rounded
from mixtures.clusters.align import in_one_order
from mixtures.errors import InputError
from mixtures.families.profiles import Profile, profile_parts
from mixtures.given import Fit, Parameters, given, names_of
from mixtures.plot.levels import ITEM, itemised
from mixtures.plot.style import INK, ON_DARK, ON_LIGHT, axes_or_new, cluster_colour, lettering
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.trees import feature_dims
from mixtures.types import Array

__all__ = ["heatmap", "images"]

WRITTEN = 80
"""Largest number of cells of a heat map whose values are written in, in a quarter as many columns at most."""


WITH_SDS = 12
"""Largest number of columns of a heat map in whose cells standard deviations fit."""


NAMED = 40
"""Largest number of columns of a heat map whose names stand below it."""


MANY_DIGITS = 1000
"""Figures from which on two decimals are too many."""


def heatmap(
    params: Parameters | Fit,
    name: str = "p",
    *,
    features: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a parameter of every cluster and feature as a heat map.

    Figures are in the units of the features. Probabilities, and rates of one unit, are coloured as they are.
    Features of different units have no scale in common: means are coloured by their distance from the mean
    of all rows, in standard deviations of all rows, and other parameters by that from the average cluster,
    in standard deviations over the clusters.

    Parameters
    ----------
    params : dict of ndarray, EMFit, MAPFit, Crosscheck or xarray.DataTree
        Parameters, or a fit; of an aligned posterior sample, or a crosscheck with one, means, with standard
        deviations where there is room.
    name : str, default "p"
        A parameter with dims (cluster, feature), or (cluster, feature, category).
    features : sequence of str, optional
        Names of the features; a fit and a sample have them already.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If there is no such parameter.

    Examples
    --------
    >>> import mixtures as mx
    >>> ax = mx.plot.heatmap({"alpha": [0.4, 0.6], "p": [[0.2, 0.9], [0.7, 0.1]]})
    >>> [text.get_text() for text in ax.texts]
    ['0.20', '0.90', '0.70', '0.10']
    """
    mean, sd, known = _mean_and_sd(params, name)
    ax = axes_or_new(ax)
    shade, label = _shades(params, name, mean)
    scale = _scale(shade, name) if shade is mean else _around_zero(shade)
    image = ax.imshow(shade, norm=scale, cmap="cividis", aspect="auto")
    _name_scale(plt.colorbar(image, ax=ax), label)
    names = [lettering(feature) for feature in (features if features is not None else known)]
    ax.set(xlabel="feature", ylabel="cluster")
    called = names_of(params)
    ax.set_yticks(range(len(mean)), None if called is None else map(lettering, called))
    for tick, k in zip(ax.get_yticklabels(), range(len(mean)), strict=True):
        tick.set(color=cluster_colour(k), weight="bold")
    few = len(names) <= WRITTEN / 4  # so that figures fit beside each other
    if few or len(names) <= NAMED:
        ax.set_xticks(range(len(names)), names, rotation=0 if few and len("".join(names)) < 60 else 90)
    if few and mean.size <= WRITTEN:
        for (k, d), value in np.ndenumerate(mean):
            spread = None if sd is None else float(sd[k, d])
            beside = "" if spread is None or len(names) > WITH_SDS else f"\n± {_written(spread, spread)}"
            colour = ON_DARK if scale(shade[k, d]) < 0.5 else ON_LIGHT
            text = f"{_written(value, spread)}{beside}"
            ax.text(d, k, text, ha="center", va="center", color=colour, fontsize="small")
    return ax


def _written(value: float, sd: float | None) -> str:
    """A figure with two decimals, or with more or fewer where its standard deviation or size wants it."""
    return f"{value:.2f}" if sd is None and abs(value) < MANY_DIGITS else rounded(value, sd)


def _shades(params: Parameters | Fit, name: str, mean: Array) -> tuple[Array, str]:
    """What colours a parameter (K, D), and the words for it: the parameter, or its distances by column."""
    if mean.shape[1] == 1 or name == "rate" or (mean.min() >= 0 and mean.max() <= 1):  # of one unit
        return mean, name
    own = _profile_of(params, mean)
    if own is not None:
        centre, sd = own[0].overall(own[1])
        return (mean - centre) / np.where(sd > 0, sd, 1), "sds from the\nmean of all rows"
    centre, sd = mean.mean(axis=0), mean.std(axis=0)
    return (mean - centre) / np.where(sd > 0, sd, 1), "sds from the\naverage cluster"


def _profile_of(params: Parameters | Fit, mean: Array) -> tuple[Profile, Array] | None:
    """The part of the profile whose locations these are, and the clusters' weights; None if there is none."""
    if not isinstance(params, Fit):
        return None
    try:
        found = given(params)
    except InputError:  # a sample of a model of the user's own
        return None
    for own in profile_parts(found.spec.family, found.draws, found.features, found.levels):
        centre = own.location.values.mean(axis=0)
        if centre.shape == mean.shape and np.allclose(centre, mean):
            return own, found.draws["alpha"]
    return None


def _around_zero(values: Array) -> Normalize:
    """Scale with zero in its middle."""
    largest = float(np.abs(values).max()) or 1.0
    return Normalize(-largest, largest)


def _name_scale(bar: Colorbar, label: str) -> None:
    """Name a colour bar: sideways, but for a letter or two, which stay level."""
    if len(label) > 2:
        bar.set_label(label)
    else:
        bar.set_label(label, rotation=0, labelpad=10)


def images(
    params: Parameters | Fit,
    shape: tuple[int, int],
    name: str = "p",
    *,
    axes: Any = None,
) -> np.ndarray:
    """Draw a parameter of every cluster as an image: features are pixels, row by row.

    Parameters
    ----------
    params : dict of ndarray, EMFit, MAPFit, Crosscheck or xarray.DataTree
        Parameters, or a fit; of an aligned posterior sample, or a crosscheck with one, means, and below them
        their posterior standard deviations.
    shape : tuple of int
        Rows and columns of pixels.
    name : str, default "p"
        A parameter with dims (cluster, feature), or (cluster, feature, category).
    axes : array of matplotlib.axes.Axes, shape (1 or 2, K), optional
        Where to draw: two rows for a sample; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (1 or 2, K)
        The axes drawn on.

    Raises
    ------
    InputError
        If the numbers of pixels and features differ, or the axes do not fit.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.digits()
    >>> em = mx.fit_em(mx.BMM(10), X, n_init=2, random_seed=1)
    >>> mx.plot.images(em, (8, 8)).shape
    (1, 10)
    """
    mean, sd, _ = _mean_and_sd(params, name)
    k, d = mean.shape
    if shape[0] * shape[1] != d:
        raise InputError(f"{shape[0]} x {shape[1]} pixels are not the {d} features of {name}")
    rows = 1 if sd is None else 2
    if axes is None:
        axes = plt.subplots(
            rows, k, figsize=(1.0 * k + 1, 1.15 * rows + 0.3), layout="constrained", squeeze=False
        )[1]
    axes = np.asarray(axes, dtype=object).reshape(-1, k)
    if len(axes) != rows:
        raise InputError(f"axes must be {rows} rows of {k}, got {axes.shape}")
    called = names_of(params)
    for row, (values, label) in enumerate([(mean, name), (sd, f"sd of {name}")][:rows]):
        assert values is not None  # a second row is there only for a sample
        scale = _scale(values, name) if row == 0 else Normalize(0, values.max())
        for i, ax in enumerate(axes[row]):
            ax.imshow(values[i].reshape(shape), norm=scale, cmap="cividis")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=cluster_colour(i), linewidth=3, visible=True)
            if row == 0:
                ax.set_title(str(i) if called is None else lettering(called[i]), fontsize="medium", color=INK)
        mappable = ScalarMappable(scale, "cividis")
        _name_scale(plt.colorbar(mappable, ax=list(axes[row]), shrink=0.9, pad=0.01), label)
    return axes


def _mean_and_sd(params: Parameters | Fit, name: str) -> tuple[Array, Array | None, list[str]]:
    """A parameter (K, D), its posterior sd from a sample, and the names of its features."""
    features: Sequence[str] | None = None
    point = params.em if isinstance(params, Crosscheck) and params.posterior is None else params
    if isinstance(point, EMFit | MAPFit) and np.ndim(point.params.get(name, 0)) > 2:  # of categories
        mean, _, items = _mean_and_sd(point.to_datatree(), name)
        return mean, None, items
    if isinstance(params, EMFit | MAPFit | Crosscheck):
        found = given(params)
        params, features = found.params, found.features
    holder = params["posterior"] if isinstance(params, xr.DataTree) else params
    if name not in holder:
        raise InputError(f"there is no parameter {name!r}; there are {', '.join(map(str, holder))}")
    if not isinstance(params, xr.DataTree):
        mean = np.asarray(params[name], dtype=np.float64)
        if mean.ndim != 2:
            raise InputError(f"{name} has shape {mean.shape}; a picture needs (clusters, features)")
        named = features is not None and len(features) == mean.shape[1]
        return mean, None, list(features) if named and features else [str(d) for d in range(mean.shape[1])]
    drawn = itemised(in_one_order(params)["posterior"].to_dataset())[name]
    last = ITEM if ITEM in drawn.dims else next(iter(feature_dims(drawn.dims)), "feature")
    if set(drawn.dims) != {"chain", "draw", "cluster", last}:
        raise InputError(f"{name} has dims {drawn.dims}; a picture needs cluster and feature")
    drawn = drawn.transpose("chain", "draw", "cluster", last)
    mean, sd = (f(("chain", "draw")).values for f in (drawn.mean, drawn.std))
    return mean, sd, [str(f) for f in drawn[last].values]


def _scale(values: Array, name: str) -> Normalize:
    """Scale from 0 to 1 for probabilities, and the range of the values for anything else."""
    inside = values.min() >= 0 and values.max() <= 1 and name != "rate"
    return Normalize(0, 1) if inside else Normalize(values.min(), values.max())
