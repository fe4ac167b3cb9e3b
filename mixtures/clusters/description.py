"""Describe the clusters of a fit in words and figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import xarray as xr

from mixtures.arguments import check_share
from mixtures.brief import rounded
from mixtures.clusters.align import align_tree
from mixtures.clusters.labelled import ALIGNED, FIXED, label_state
from mixtures.clusters.responsibilities import responsibilities
from mixtures.errors import InputError
from mixtures.families.profiles import Figures, Profile, profile_parts
from mixtures.given import Given, given
from mixtures.messages import named
from mixtures.results.profiles import ClusterFigure, ClusterProfiles, ClusterWords
from mixtures.trees import log_density_of
from mixtures.types import Array

__all__ = ["cluster_names", "describe"]

MOST_NAMED, MOST_LISTED = 4, 3
"""A sentence lists all features if there are at most so many; of more, it lists the most distinctive few."""


LONGEST = 40
"""Longest name in a sentence, in characters."""


def describe(
    result: Any,
    X: Any = None,
    *,
    names: Sequence[str] | None = None,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    ci_prob: float = 0.95,
) -> ClusterProfiles:
    r"""Describe every cluster of a fit: its share, its profile, and what distinguishes it from the others.

    The profile of a Gaussian cluster is the mean and standard deviation of every feature and, where
    features covary, their correlations. For a Bernoulli mixture it is the probability of a one, for
    a latent class model that of every level, and for a Poisson mixture the rates. What distinguishes
    cluster k is measured by the standardised difference of its mean from that of all other clusters
    together, weighted by their shares::

        d_k = (m_k - m) / sqrt((v_k + v) / 2)

    with m and v the mean and variance of the rows outside the cluster; for a level, they are those of
    its indicator. From a posterior sample every figure is computed draw by draw and then summarised.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck or xarray.DataTree
        What `fit_em`, `fit_map` or `crosscheck` returned, or a posterior sample. For a crosscheck, the
        posterior is described, or EM's fit if there is none. What a sampler drew, such as
        ``pm.sample``, is first aligned as by `align`, unless it is known to be aligned.
    X : array_like or frame, shape (n, D), optional
        Rows to count by their most probable clusters; checked and matched as in `responsibilities`.
    names : sequence of str, optional
        Names for the clusters, in their order, such as ``["short", "long"]``.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows: a row of weight 2 counts as two rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, as in `responsibilities`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `responsibilities`.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.

    Returns
    -------
    ClusterProfiles
        A sentence for every cluster, to print, and all figures as a frame, ``.to_frame()``.
        Numbers in sentences have as many digits as their posterior standard deviations justify, or
        three.

    Raises
    ------
    InputError
        If the result is none of these, or comes from a model of your own with other parameters; if the
        names are not different or not as many as the clusters; or as in `responsibilities`.

    References
    ----------
    Austin (2009), *Statistics in Medicine* 28, 3083-3107 (standardised differences).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> print(mx.describe(em, X, names=["long", "short"]))  # doctest: +NORMALIZE_WHITESPACE
    long, 64.4%, 175 rows: eruptions 4.29 (sd 0.407), waiting 80.0 (sd 5.91); differs most in eruptions,
      6.55 sd above the others.
    short, 35.6%, 97 rows: eruptions 2.04 (sd 0.266), waiting 54.5 (sd 5.66); differs most in eruptions,
      6.55 sd below the others.
    """
    check_share(ci_prob=ci_prob)
    found = _with_one_order(given(result)) if isinstance(result, xr.DataTree) else given(result)
    called = cluster_names(names, found.spec.n_components)
    alpha, tail = found.draws["alpha"], (1 - ci_prob) / 2
    share = _Summary.of(Figures("share", ("",), alpha[:, :, None]), tail)
    own = profile_parts(found.spec.family, found.draws, found.features, found.levels)
    parts = [_Part.of(each, alpha, tail) for each in own]
    sizes = None if X is None else _sizes(found, X, weights, missing, labels)
    every = [share, *(each for part in parts for each in part.summaries)]
    figures = [figure for k in range(len(called)) for figure in _figures(called[k], k, every, sizes)]
    words = [_words(called[k], k, share, parts, sizes) for k in range(len(called))]
    return ClusterProfiles(tuple(words), tuple(figures), ci_prob)


def _with_one_order(found: Given) -> Given:
    """Align what a sampler drew, unless its labels are known to mean one cluster throughout."""
    tree = found.params
    if found.spec.n_components == 1 or not isinstance(tree, xr.DataTree) or log_density_of(tree) is None:
        return found
    known = label_state(tree)[0] in (ALIGNED, FIXED)
    return found if known else replace(found, params=align_tree(tree, None))


@dataclass(frozen=True, eq=False)
class _Summary:
    """Figures of one kind, with mean, sd, lower and upper bound (4, K, M) over the draws."""

    figures: Figures
    table: Array

    @classmethod
    def of(cls, figures: Figures, tail: float) -> Self:
        """With a single draw, all but the mean are NaN."""
        values = figures.values
        if len(values) == 1:
            return cls(figures, np.concatenate([values, np.full((3, *values.shape[1:]), np.nan)]))
        with np.errstate(invalid="ignore"):  # infinite differences
            bounds = np.quantile(values, [tail, 1 - tail], axis=0)
            return cls(figures, np.stack([values.mean(axis=0), values.std(axis=0), *bounds]))


@dataclass(frozen=True, eq=False)
class _Part:
    """Summary of the profile of all features of one kind."""

    own: Profile
    location: _Summary
    beside: tuple[_Summary, ...]
    difference: _Summary | None

    @classmethod
    def of(cls, own: Profile, alpha: Array, tail: float) -> Self:
        """Summarise a profile, with differences if there are two clusters or more."""
        apart = Figures("difference", own.location.of, own.differences(alpha)) if alpha.shape[1] > 1 else None
        return cls(
            own,
            _Summary.of(own.location, tail),
            tuple(_Summary.of(each, tail) for each in own.beside),
            None if apart is None else _Summary.of(apart, tail),
        )

    @property
    def summaries(self) -> list[_Summary]:
        """All of them, in order."""
        return [self.location, *self.beside, *([] if self.difference is None else [self.difference])]

    def height(self, k: int) -> Array:
        """How much each figure says about cluster k (M,)."""
        return self.own.location.values[0, k] if self.difference is None else self.difference.table[0, k]

    def words(self, k: int, m: int) -> str:
        """Figure m of cluster k in words."""
        scale, unit = (100, "%") if self.own.is_share else (1, "")
        value = rounded(*(scale * self.location.table[:2, k, m])) + unit
        sds = [each.table for each in self.beside if each.figures.kind == "sd"]
        beside = "".join(f" (sd {rounded(*table[:2, k, m])})" for table in sds)
        return f"{_short(self.own.location.of[m])} {value}{beside}"


def cluster_names(names: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Names of K clusters: those given, which must be K different ones, or their numbers."""
    if names is None:
        return tuple(f"cluster {i}" for i in range(k))
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InputError(f"names must be a sequence of {k} names, got {names!r:.80}")
    called = tuple(names)
    if not all(isinstance(name, str) and name.strip() for name in called):
        raise InputError(f"names must be text that is not empty, got {list(called)!r:.80}")
    if len(called) != k or len(set(called)) < k:
        raise InputError(f"names must be {k} different ones, one per cluster, got {list(called)!r:.80}")
    return called


def _sizes(found: Given, X: Any, weights: Any, missing: str | None, labels: Any) -> Array:
    """Total weight of the rows for which each cluster is the most probable."""
    spec = found.named
    data = spec.read(X, weights, missing, labels)
    label = responsibilities(spec, data, found.params, missing=missing, labels=labels)["label"].values
    return np.bincount(label, data.weights, spec.n_components).astype(np.float64)


def _figures(name: str, k: int, every: Sequence[_Summary], sizes: Array | None) -> list[ClusterFigure]:
    """All figures of cluster k."""
    found = [
        ClusterFigure(
            name, each.figures.kind, of, float(row[0]), *(None if np.isnan(x) else float(x) for x in row[1:])
        )
        for each in every
        for of, row in zip(each.figures.of, each.table[:, k].T, strict=True)
    ]
    size = [] if sizes is None else [ClusterFigure(name, "size", "", float(sizes[k]))]
    return [found[0], *size, *found[1:]]


def _words(name: str, k: int, share: _Summary, parts: Sequence[_Part], sizes: Array | None) -> ClusterWords:
    """Cluster k in words."""
    counted = "" if sizes is None else f"{sizes[k]:,.10g} row{'' if sizes[k] == 1 else 's'}"
    each = [(part, m) for part in parts for m in _one_each(part.own, part.height(k))]
    each.sort(key=lambda one: one[0].own.features[one[1]])
    contrast = ""
    if parts[0].difference is not None:
        ranked = sorted(each, key=lambda one: -abs(one[0].height(k)[one[1]]))
        each = each if len(each) <= MOST_NAMED else ranked[:MOST_LISTED]
        contrast = _contrast(k, *ranked[0])
    told = ", ".join(part.words(k, m) for part, m in each[:MOST_NAMED])
    return ClusterWords(name, _with_interval(100 * share.table[:, k, 0], "%", "%"), counted, told, contrast)


def _one_each(own: Profile, height: Array) -> list[int]:
    """The highest entry of every feature: for an item, the level that stands out most in the cluster."""
    features = np.array(own.features)
    places = [np.flatnonzero(features == d) for d in np.unique(features)]
    return [int(at[np.argmax(height[at])]) for at in places]


def _contrast(k: int, part: _Part, m: int) -> str:
    """Say in which feature cluster k differs most, and by how much."""
    assert part.difference is not None
    name, difference = _short(part.own.location.of[m]), part.difference.table[:, k, m]
    value, sd, lower, upper = difference
    side, turned = ("above", difference) if value >= 0 else ("below", np.array([-value, sd, -upper, -lower]))
    return f"differs most in {name}, {_with_interval(turned, ' sd')} {side} the others"


def _with_interval(figures: Array, unit: str, within: str = "") -> str:
    """A figure with its interval, if it has one, from mean, sd and bounds."""
    value, sd, lower, upper = figures
    text = f"{rounded(value, sd)}{unit}"
    return text if np.isnan(sd) else f"{text} ({rounded(lower, sd)} to {rounded(upper, sd)}{within})"


def _short(name: str) -> str:
    return named(name, LONGEST)[1:-1]
