"""Profiles of the clusters: where each lies in every feature, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mixtures.arguments import check_share, cluster_names
from mixtures.clusters.align import in_one_order
from mixtures.errors import InputError
from mixtures.families.profiles import Profile, profile_parts
from mixtures.given import Given, given
from mixtures.messages import did_you_mean, named
from mixtures.plot.style import (
    INK,
    LETTER,
    MOST_PANELS,
    cluster_colour,
    cluster_legend,
    lettering,
    panels,
    say_which,
    shares_written,
)
from mixtures.types import Array

__all__ = ["profiles"]

MARKERS = "osD^vP*Xdp"
"""Markers of the clusters, so that colour is not the only cue."""


MOST_NAMED = 40
"""Features up to which each has its name below the axis."""


SPREAD, WIDEST = 0.12, 0.5
"""Distance between neighbouring clusters at a feature, and of the first from the last, at most."""


BARS = 0.8
"""Width of the bars of a level, of which there is one for every cluster."""


RATIO = 30
"""Largest rate over the smallest above which the axis is logarithmic."""


def profiles(
    result: Any,
    *,
    features: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    ci_prob: float = 0.95,
    axes: Any = None,
) -> np.ndarray:
    """Draw where every cluster lies in every feature: probabilities, rates, or standardised means.

    Features are on the horizontal axis, and each cluster has a line, with intervals from a posterior
    sample. Means of Gaussians are given in standard deviations of all rows, from the mean of all rows,
    so that features of different units share an axis; of a single feature they are in its own unit.
    Items with more than two levels have a panel each, with a bar for every level and cluster.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck or xarray.DataTree
        As in `mixtures.describe`.
    features : sequence of str, optional
        Features to draw, in this order; by default all, or of more than twelve in panels those that
        differ most between the clusters.
    names : sequence of str, optional
        Names for the clusters, in their order; by default those that a crosscheck was given.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.
    axes : matplotlib.axes.Axes or sequence of them, optional
        Where to draw, one or, with panels, one for each item; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        As in `mixtures.describe`, or if there is no such feature.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> ax = mx.plot.profiles(em, names=["long", "short"])[0]
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['eruptions', 'waiting']
    """
    check_share(ci_prob=ci_prob)
    found = given(in_one_order(result) if isinstance(result, xr.DataTree) else result)
    called = cluster_names(found.names if names is None else names, found.spec.n_components)
    share = found.draws["alpha"].mean(axis=0)
    labels = [f"{lettering(name)} ({a})" for name, a in zip(called, shares_written(share), strict=True)]
    chosen = _places(found, features)
    pictures = [
        picture
        for own in profile_parts(found.spec.family, found.draws, found.features, found.levels)
        for picture in _pictures(own, chosen)
    ]
    own_figure, in_all = axes is None, len(pictures)
    if features is None and in_all > MOST_PANELS:
        apart = [_apart(picture, found.draws["alpha"]) for picture in pictures]
        most = np.argsort(np.negative(apart), kind="stable")[:MOST_PANELS]
        pictures = [pictures[i] for i in sorted(most)]
    if own_figure and len(pictures) == 1:
        axes = plt.subplots(figsize=_wide(len(pictures[0].entries)), layout="constrained")[1]
    drawn = panels(len(pictures), axes, (3.3, 2.8))
    for i, (ax, picture) in enumerate(zip(drawn, pictures, strict=True)):
        (_bars if picture.bars else _lines)(ax, found, picture.own, list(picture.entries), labels, ci_prob)
        place = ax.get_subplotspec()
        if picture.bars and (place is None or place.is_first_col() or not pictures[i - 1].bars):
            ax.set_ylabel("probability")
    cluster_legend(drawn, *drawn[0].get_legend_handles_labels(), outside=own_figure)
    if own_figure:
        say_which(drawn, in_all, "the {} items that differ most between the clusters")
    return drawn


@dataclass(frozen=True, eq=False)
class _Picture:
    """What one panel shows: these entries of a profile, as lines over features or as bars over levels."""

    own: Profile
    entries: tuple[int, ...]
    bars: bool


def _apart(picture: _Picture, alpha: Array) -> float:
    """How far any cluster differs from the others in a panel, in sds; lines over all features come first."""
    if not picture.bars:
        return np.inf
    differences = picture.own.differences(alpha)[..., list(picture.entries)].mean(axis=0)
    return float(np.nan_to_num(np.abs(differences), nan=0).max())


def _pictures(own: Profile, chosen: Sequence[int]) -> list[_Picture]:
    """Bars for every feature if some have more than two levels; else lines over all."""
    each = [
        [m for m, d in enumerate(own.features) if d == place] for place in chosen if place in own.features
    ]
    if max(map(len, each), default=0) > 2:
        return [_Picture(own, tuple(entries), bars=True) for entries in each]
    return [_Picture(own, tuple(entries[-1] for entries in each), bars=False)] if each else []


def _places(found: Given, features: Sequence[str] | None) -> list[int]:
    if features is None:
        return list(range(len(found.features)))
    if isinstance(features, str) or not len(features):
        raise InputError(f"features must be a sequence of names, got {features!r:.80}")
    for name in features:
        if name not in found.features:
            hint = did_you_mean(str(name), found.features)
            raise InputError(f"there is no feature {named(name)}{hint}")
    return [found.features.index(name) for name in features]


def _wide(n: int) -> tuple[float, float]:
    """Size of a panel that has room for n features."""
    return min(max(5.4, 1.6 + 0.75 * n), 12), 4.0


def _interval(values: Array, ci_prob: float) -> tuple[Array, Array]:
    """Mean (K, M), and how far the bounds of the interval are below and above it (2, K, M)."""
    mean = values.mean(axis=0)
    tail = (1 - ci_prob) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail], axis=0)
    return mean, np.maximum(np.stack([mean - lower, upper - mean]), 0)


def _lines(ax: Axes, found: Given, own: Profile, at: list[int], labels: list[str], ci_prob: float) -> None:
    """One line for every cluster over the features."""
    values, words = own.location.values[..., at], own.words
    if not own.comparable and len(at) > 1:
        mean, sd = (x[at] for x in own.overall(found.draws["alpha"]))
        values, words = (
            (values - mean) / np.where(sd > 0, sd, 1),
            f"{own.words}, in sds\nfrom that of all rows",
        )
        ax.axhline(0, color=INK, lw=0.8, ls=":", zorder=1)
    mean, reach = _interval(values, ci_prob)
    k = len(labels)
    shift = (np.arange(k) - (k - 1) / 2) * (min(SPREAD, WIDEST / max(1, k - 1)))
    for i, label in enumerate(labels):
        ax.errorbar(
            np.arange(len(at)) + shift[i],
            mean[i],
            yerr=reach[:, i] if found.is_sample else None,
            color=cluster_colour(i),
            marker=MARKERS[i % len(MARKERS)],
            ms=6 if len(at) <= MOST_NAMED else 3,
            lw=1.2,
            elinewidth=1.8 if len(at) <= MOST_NAMED else 1,
            capsize=0,
            label=label,
            zorder=3,
        )
    own_names = [own.location.of[m] for m in at]
    if own.is_share:
        own_names, words = _of_levels(found, own, at)
        ax.set_ylim(-0.03, 1.03)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    elif own.comparable and (values > 0).all() and mean.max() > RATIO * mean.min():
        ax.set_yscale("log")
    ax.set_ylabel(words)
    _name_features(ax, [lettering(name) for name in own_names])


def _of_levels(found: Given, own: Profile, at: list[int]) -> tuple[list[str], str]:
    """Names of the features, and what is drawn of them: if it is one level of all, that is said once."""
    plain = [found.features[own.features[m]] for m in at]
    levels = {own.location.of[m].removeprefix(f"{name}: ") for m, name in zip(at, plain, strict=True)}
    whole = [own.location.of[m] for m in at]
    if whole == plain:
        return plain, own.words
    if len(levels) == 1:
        return plain, f'probability of "{lettering(levels.pop())}"'
    return whole, own.words


def _name_features(ax: Axes, names: list[str]) -> None:
    """Write the names below the axis where there is room for them; slanted if they are long."""
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.margins(x=0.02)
    if len(names) > MOST_NAMED:
        ax.set_xlabel(f"{len(names)} features, in their order")
        return
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    room = figure.get_figwidth() * ax.get_position().width / len(names)
    slanted = max(map(len, names)) * LETTER > room
    rotated: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    ax.set_xticks(range(len(names)), names, **rotated)


def _bars(ax: Axes, found: Given, own: Profile, at: list[int], labels: list[str], ci_prob: float) -> None:
    """One bar for every level of an item and cluster."""
    mean, reach = _interval(own.location.values[..., at], ci_prob)
    k, feature = len(labels), found.features[own.features[at[0]]]
    width = BARS / k
    for i, label in enumerate(labels):
        x = np.arange(len(at)) + (i - (k - 1) / 2) * width
        ax.bar(x, mean[i], 0.92 * width, color=cluster_colour(i), label=label, zorder=2)
        if found.is_sample:
            ax.errorbar(x, mean[i], yerr=reach[:, i], fmt="none", ecolor=INK, elinewidth=1, zorder=3)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title(lettering(feature), fontsize="medium")
    _name_features(ax, [lettering(own.location.of[m].removeprefix(f"{feature}: ")) for m in at])
