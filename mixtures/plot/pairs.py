"""Clusters over all pairs of columns, or in the plane that separates them best."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mixtures.arguments import cluster_names
from mixtures.clusters.plane import separating_plane
from mixtures.clusters.responsibilities import responsibilities
from mixtures.data.table import Data
from mixtures.draws import evenly_spaced, sets_of
from mixtures.errors import InputError
from mixtures.families.profiles import profile_parts
from mixtures.given import Given, fitted_rows, given
from mixtures.plot.clusters import model_and_rows, outlines
from mixtures.plot.style import cluster_colour, cluster_legend, lettering, panels, places_of, shares_written
from mixtures.types import Array

__all__ = ["pairs"]

MOST_PAIRED = 5
"""Columns up to which all pairs are drawn; of more, the plane that separates the clusters best."""


PANEL = 2.3
"""Width and height of a pair's panel, in inches."""


NAMED = 3
"""Columns that the label of an axis of the plane names."""


def pairs(
    result: Any,
    X: Any = None,
    *,
    features: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    missing: str | None = None,
    labels: Any = None,
    n_draws: int = 20,
    axes: Any = None,
) -> np.ndarray:
    """Draw rows and clusters over all pairs of columns, or in the plane that separates the clusters best.

    With two to five columns there is a panel for every pair of them. With more there is one panel, the plane
    of the first two linear discriminants of the fitted means and covariances, in which rows within a cluster
    have a standard deviation of 1 on average; its axes name the columns that weigh most, with their
    signs. Clusters are outlined at two standard deviations, once for each of some draws of a sample.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck or xarray.DataTree
        As in `mixtures.describe`.
    X : array_like or frame, shape (n, D), optional
        The data; checked, matched by name and by default as in `mixtures.responsibilities`.
    features : sequence of str, optional
        Columns to draw; by default all that hold measurements or counts. Columns with levels, for which
        `profiles` is meant, are drawn if they are named.
    names : sequence of str, optional
        Names for the clusters, in their order; by default those that a crosscheck was given.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells; they are drawn where both columns, or in the plane all
        columns, are observed.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `mixtures.responsibilities`.
    n_draws : int, default 20
        Draws of a sample to show, evenly spaced.
    axes : matplotlib.axes.Axes or sequence of them, optional
        Where to draw, one for each pair or one for the plane; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        As in `mixtures.describe`, if there is no such column, or if fewer than two can be drawn.

    References
    ----------
    Fisher (1936), *Annals of Eugenics* 7, 179-188 (discriminants); Scrucca (2010), *Statistics and Computing*
    20, 471-484 (of two clusters, the second axis: where their covariances differ most).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.iris()
    >>> em = mx.fit_em(mx.GMM(3), X, random_seed=1)
    >>> len(mx.plot.pairs(em, X))  # four columns make six pairs
    6
    """
    found = given(result)
    called = cluster_names(found.names if names is None else names, found.spec.n_components)
    X = fitted_rows(found, result, X)
    _, data, params = model_and_rows(found.named, X, found.params, missing, labels)
    places = _places(found, data, features)
    assigned = responsibilities(found.named, data, params)
    picture = _Picture.of(found, data, places, assigned["label"].values, n_draws)
    own_figure = axes is None
    if len(places) > MOST_PAIRED:
        drawn = panels(1, axes)
        picture.plane(drawn[0])
    else:
        chosen = list(combinations(places, 2))
        drawn = _grid(len(places)) if own_figure else panels(len(chosen), axes)
        for (a, b), ax in zip(chosen, drawn, strict=True):
            picture.pair(ax, a, b)
        for ax in drawn if own_figure else ():  # labels at the left and at the bottom of the grid alone
            ax.label_outer(remove_inner_ticks=False)
    named = names is not None or found.names is not None
    shares = shares_written(found.draws["alpha"].mean(axis=0))
    texts = [
        f"{f'{k}: ' if named else ''}{lettering(name)} ({share})"
        for k, (name, share) in enumerate(zip(called, shares, strict=True))
    ]
    handles = [Line2D([], [], marker="o", ls="", color=cluster_colour(k)) for k in range(len(called))]
    cluster_legend(drawn, handles, texts, outside=own_figure)
    return drawn


def _places(found: Given, data: Data, features: Sequence[str] | None) -> list[int]:
    """Positions of the columns to draw."""
    if features is not None:
        places = list(dict.fromkeys(places_of(data, features)))
    else:
        parts = profile_parts(found.spec.family, found.draws, data.features, found.levels)
        places = sorted({d for own in parts if not own.is_share for d in own.features})
    if len(places) < 2:
        raise InputError(
            f"pairs are of two columns or more with measurements or counts, and there "
            f"{'is one' if places else 'are none'}: take mx.plot.clusters for one column, mx.plot.profiles "
            "for levels, or name columns with features="
        )
    return places


@dataclass(frozen=True, eq=False)
class _Picture:
    """Rows with their clusters, and the clusters' moments (S, K, d) in some draws, of the columns drawn."""

    data: Data
    places: list[int]
    label: np.ndarray
    alpha: Array
    mean: Array
    covariance: Array

    @classmethod
    def of(cls, found: Given, data: Data, places: list[int], label: np.ndarray, n_draws: int) -> "_Picture":
        """The moments of the clusters in evenly spaced draws."""
        chosen = evenly_spaced(len(found.draws["alpha"]), n_draws)
        sets = sets_of(found.draws, chosen)
        moments = [found.spec.family.marginal_moments(one, places) for one in sets]
        mean, covariance = (np.array(x) for x in zip(*moments, strict=True))
        return cls(data, places, label, found.draws["alpha"][chosen], mean, covariance)

    def pair(self, ax: Axes, a: int, b: int) -> None:
        """Two of the columns."""
        own = [self.places.index(a), self.places.index(b)]
        self._draw(
            ax, self.data.values[:, [a, b]], self.mean[..., own], self.covariance[..., own, :][..., own]
        )
        ax.set(xlabel=lettering(self.data.features[a]), ylabel=lettering(self.data.features[b]))

    def plane(self, ax: Axes) -> None:
        """The plane that separates the clusters best."""
        alpha, mean, covariance = (x.mean(axis=0) for x in (self.alpha, self.mean, self.covariance))
        plane = separating_plane(alpha, mean, covariance)
        centre, within = alpha @ mean, np.tensordot(alpha, covariance, 1)
        rows = (self.data.values[:, self.places] - centre) @ plane
        self._draw(ax, rows, (self.mean - centre) @ plane, plane.T @ self.covariance @ plane)
        weight = plane * np.sqrt(np.diag(within))[:, None]
        names = [lettering(self.data.features[d]) for d in self.places]
        ax.set_xlabel(f"1st discriminant: {_heaviest(weight[:, 0], names)}")
        ax.set_ylabel(f"2nd discriminant: {_heaviest(weight[:, 1], names)}")

    def _draw(self, ax: Axes, rows: Array, mean: Array, covariance: Array) -> None:
        for k in range(mean.shape[1]):
            x, y = rows[self.label == k].T
            ax.scatter(x, y, s=9, color=cluster_colour(k), alpha=0.6, linewidths=0)
        outlines(ax, self.alpha, mean, covariance, (2,))


def _heaviest(weight: Array, names: Sequence[str]) -> str:
    """The columns that weigh most in a direction, with their signs."""
    order = np.argsort(-np.abs(weight), kind="stable")[:NAMED]
    rest = ", …" if len(names) > NAMED else ""
    return ", ".join(f"{'+' if weight[d] > 0 else '\N{MINUS SIGN}'} {names[d]}" for d in order) + rest


def _grid(d: int) -> np.ndarray:
    """Axes of the pairs of d columns below the diagonal of a grid: (0, 1), (0, 2), ..., (1, 2), ..."""
    side = max(4.4, PANEL * (d - 1))
    every = plt.subplots(
        d - 1,
        d - 1,
        figsize=(side * 1.1, side),
        layout="constrained",
        squeeze=False,
        sharex="col",
        sharey="row",
    )[1]
    for a in range(d - 1):
        for b in range(a):
            every[b, a].remove()
    return np.array([every[b - 1, a] for a, b in combinations(range(d), 2)], dtype=object)
