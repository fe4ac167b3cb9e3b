"""Describe the clusters of a fit in words and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import xarray as xr

from mixtures.arguments import check_share, check_whole, cluster_names
from mixtures.brief import grains_of_shares, rounded
from mixtures.clusters.align import in_one_order
from mixtures.clusters.responsibilities import responsibilities
from mixtures.data.preparation import logged_in
from mixtures.data.table import Data
from mixtures.draws import evenly_spaced
from mixtures.families.overlap import overlap
from mixtures.families.profiles import Figures, Profile, profile_parts
from mixtures.given import Given, given
from mixtures.messages import counted, decimal, named
from mixtures.results.profiles import ClusterFigure, ClusterProfiles, ClusterRow, ClusterWords, fine
from mixtures.types import Array

__all__ = ["describe"]

MOST_NAMED, MOST_LISTED = 4, 3
"""A sentence names all features if there are at most 4, and otherwise the 3 most distinctive ones."""


LONGEST = 40
"""Longest name in a sentence, in characters."""


OVERLAP_DRAWS = 400
"""Draws in which overlaps are computed."""


LEAST = 0.1
"""Overlap, in per cent, below which it is not written out."""


def describe(
    result: Any,
    X: Any = None,
    *,
    names: Sequence[str] | None = None,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    ci_prob: float = 0.95,
    n_rows: int = 3,
) -> ClusterProfiles:
    r"""Describe every cluster of a fit: its share, its profile, and what distinguishes it from the others.

    The profile of a Gaussian cluster is the mean and standard deviation of every feature and, where
    features covary, their correlations. For a Bernoulli mixture it is the probability of a one, for
    a latent class model that of every level, and for a Poisson mixture the rates. What distinguishes
    cluster k is measured by the standardised difference of its mean from that of all other clusters
    together, weighted by their shares::

        d_k = (m_k - m) / sqrt((v_k + v) / 2)

    with m and v the mean and variance of the rows outside the cluster; for a level, they are those of
    its indicator. The overlap of two clusters is Bhattacharyya's coefficient of their densities, the
    integral of ``sqrt(f_j(x) f_k(x))``: 1 (100%) if they are equal, 0 if no row can come from both. With
    shares a_j and a_k the best rule puts at most ``sqrt(a_j a_k) / (a_j + a_k)`` times as many of their
    rows into the wrong one of the two. From a posterior sample every figure is computed draw by draw and
    then summarised; overlaps, which cost most, in 400 draws at most.

    A Gaussian feature called ``log(x)``, as ``--log x`` of the command line calls it, is taken for a
    natural logarithm and described in the units of x too: by its geometric mean ``exp(mean)`` and the factor
    ``exp(sd)``.

    How typical a row is of its most probable cluster is ``r f(x)``, the probability of the cluster for it
    times the cluster's density (of a sample, at the posterior means). Rows with missing cells are not
    ranked: densities of fewer cells do not compare.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck or xarray.DataTree
        What `fit_em`, `fit_map` or `crosscheck` returned, or a posterior sample. For a crosscheck, the
        posterior is described, or EM's fit if there is none. What a sampler drew, such as
        ``pm.sample``, is first aligned as by `align`, unless it is known to be aligned.
    X : array_like or frame, shape (n, D), optional
        Rows to count by their most probable clusters and to rank in them; checked and matched as in
        `responsibilities`.
    names : sequence of str, optional
        Names for the clusters, in their order, such as ``["short", "long"]``; by default those that a
        crosscheck was given, or their numbers.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows: a row of weight 2 counts as two rows. The size of a cluster is then
        the total weight of the rows assigned to it, beside their number.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells, as in `responsibilities`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `responsibilities`.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals from a sample.
    n_rows : int, default 3
        Most typical rows of a cluster, and least typical ones, to name.

    Returns
    -------
    ClusterProfiles
        A sentence for every cluster, to print; all figures as a frame, ``.to_frame()``; and the most and
        least typical rows, by their labels in the index of X, ``.rows_to_frame()``.
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
    Bhattacharyya (1943), *Bulletin of the Calcutta Mathematical Society* 35, 99-109, and Kailath (1967),
    *IEEE Transactions on Communication Technology* 15, 52-60 (overlap, and its bound on errors).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> print(mx.describe(em, X, names=["long", "short"]))  # doctest: +NORMALIZE_WHITESPACE
    long, 64.4%, 175 rows: eruptions 4.29 (sd 0.407), waiting 80.0 (sd 5.91); differs most in eruptions,
      6.55 sd above the others; overlap with short, 0.239%.
      most typical rows 40, 19, 259; least typical rows 23, 214, 148.
    short, 35.6%, 97 rows: eruptions 2.04 (sd 0.266), waiting 54.5 (sd 5.66); differs most in eruptions,
      6.55 sd below the others; overlap with long, 0.239%.
      most typical rows 218, 138, 26; least typical rows 243, 5, 132.
    """
    check_share(ci_prob=ci_prob)
    check_whole(1, n_rows=n_rows)
    found = given(in_one_order(result) if isinstance(result, xr.DataTree) else result)
    called = cluster_names(found.names if names is None else names, found.spec.n_components)
    alpha, tail = found.draws["alpha"], (1 - ci_prob) / 2
    share = _Summary.of(Figures("share", ("",), alpha[:, :, None]), tail)
    own = profile_parts(found.spec.family, found.draws, found.features, found.levels)
    parts = [_Part.of(each, alpha, tail) for each in own]
    sizes: _Sizes | None = None
    rows: dict[int, tuple[ClusterRow, ...]] = {}
    if X is not None:
        sizes, rows = _of_rows(found, found.named.read(X, weights, missing, labels), called, n_rows)
    shared = _overlaps(found, called, tail)
    every = [share, *(each for part in parts for each in part.summaries)]
    figures = [figure for k in range(len(called)) for figure in _figures(called[k], k, every, shared, sizes)]
    words = [
        replace(
            _words(called[k], k, share, parts, sizes),
            overlap=_overlap_words(k, shared),
            rows=_row_words(rows.get(k, ())),
        )
        for k in range(len(called))
    ]
    typical = tuple(row for some in rows.values() for row in some)
    implied = tuple(name for each in own for name in each.implied)
    return ClusterProfiles(tuple(words), tuple(figures), ci_prob, typical, implied)


@dataclass(frozen=True, eq=False)
class _Sizes:
    """Rows (K,) of which each cluster is the most probable, and their total weight if they have weights."""

    rows: np.ndarray
    weight: np.ndarray | None

    def figures(self, name: str, k: int) -> list[ClusterFigure]:
        """The size of cluster k, and its number of rows where that is another figure."""
        if self.weight is None:
            return [ClusterFigure(name, "size", "", float(self.rows[k]))]
        size = ClusterFigure(name, "size", "", float(self.weight[k]))
        return [size, ClusterFigure(name, "rows", "", float(self.rows[k]))]

    def words(self, k: int) -> str:
        """The same in words."""
        rows = counted(int(self.rows[k]), "row")
        return rows if self.weight is None else f"weight {decimal(self.weight[k])} in {rows}"


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
    natural: tuple[_Summary, ...]
    difference: _Summary | None

    @classmethod
    def of(cls, own: Profile, alpha: Array, tail: float) -> Self:
        """Summarise a profile, with differences if there are two clusters or more."""
        apart = Figures("difference", own.location.of, own.differences(alpha)) if alpha.shape[1] > 1 else None
        return cls(
            own,
            _Summary.of(own.location, tail),
            tuple(_Summary.of(each, tail) for each in own.beside),
            tuple(_Summary.of(each, tail) for each in _in_natural_units(own)),
            None if apart is None else _Summary.of(apart, tail),
        )

    @property
    def summaries(self) -> list[_Summary]:
        """The summaries of all figures, in order."""
        apart = [] if self.difference is None else [self.difference]
        return [self.location, *self.beside, *self.natural, *apart]

    def height(self, k: int) -> Array:
        """How much each figure says about cluster k (M,)."""
        return self.own.location.values[0, k] if self.difference is None else self.difference.table[0, k]

    def words(self, k: int, m: int) -> str:
        """Figure m of cluster k in words."""
        scale, unit = (100, "%") if self.own.is_share else (1, "")
        value = rounded(*(scale * self.location.table[:2, k, m])) + unit
        sds = [each.table for each in self.beside if each.figures.kind == "sd"]
        beside = "".join(f" (sd {rounded(*table[:2, k, m])})" for table in sds)
        per = f" per unit of {_short(self.own.per)}" if self.own.per else ""
        return f"{_short(self.own.location.of[m])} {value}{per}{beside}{self._natural_words(k, m)}"

    def _natural_words(self, k: int, m: int) -> str:
        """Geometric mean and sd of cluster k, if the figure is the mean of a logarithm."""
        name = logged_in(self.own.location.of[m]) if self.natural else ""
        if not name:
            return ""
        (mean, of), sd = (each.table[:2, k, each.figures.of.index(name)] for each in self.natural)
        own = f"{_short(name)} {rounded(mean, fine(mean, of))}"
        return f", {own} (geometric mean, sd a factor of {rounded(*sd)})"


def _in_natural_units(own: Profile) -> tuple[Figures, ...]:
    """Geometric means and standard deviations of what is fitted as a logarithm, if there is any."""
    sds = [each for each in own.beside if each.kind == "sd"]
    at = [m for m, name in enumerate(own.location.of) if logged_in(name)] if sds else []
    if not at:
        return ()
    of = tuple(logged_in(own.location.of[m]) for m in at)
    logs = {"geometric mean": own.location, "geometric sd": sds[0]}
    with np.errstate(over="ignore"):
        return tuple(Figures(kind, of, np.exp(each.values[..., at])) for kind, each in logs.items())


def _of_rows(
    found: Given, data: Data, called: Sequence[str], n: int
) -> tuple[_Sizes, dict[int, tuple[ClusterRow, ...]]]:
    """The rows that are most probably of each cluster, and the n most and least typical."""
    spec = found.named
    assigned = responsibilities(spec, data, found.params)
    label, r = assigned["label"].values, assigned["responsibilities"].values
    means = {name: x.mean(axis=0) for name, x in found.draws.items()}
    with np.errstate(divide="ignore"):
        log_r, log_alpha = np.log(r), np.log(means["alpha"])
    density = spec.log_joint(means)(data.values.T).T - log_alpha
    whole = ~np.isnan(data.values).any(axis=1)
    rows = {}
    for k, name in enumerate(called):
        own = np.flatnonzero((label == k) & whole)
        order = own[np.argsort(-(log_r + density)[own, k], kind="stable")]
        ends = (("most", order[:n]), ("least", order[n:][-n:][::-1]))
        rows[k] = tuple(
            ClusterRow(name, end, data.obs_id[i], int(i), float(r[i, k]), float(density[i, k]))
            for end, places in ends
            for i in places
        )
    k = spec.n_components
    weight = None if data.weights is None else np.bincount(label, data.weights, k)
    return _Sizes(np.bincount(label, minlength=k), weight), rows


def _row_words(rows: Sequence[ClusterRow]) -> str:
    """The rows of a cluster by their labels."""
    by_end = {end: [_short(str(row.row)) for row in rows if row.typical == end] for end in ("most", "least")}
    return "; ".join(f"{end} typical rows {', '.join(labels)}" for end, labels in by_end.items() if labels)


def _overlaps(found: Given, called: Sequence[str], tail: float) -> _Summary | None:
    """Overlap of every cluster with every other, in some of the draws; None if it is not known."""
    chosen = evenly_spaced(len(found.draws["alpha"]), OVERLAP_DRAWS)
    if len(called) == 1:
        return None
    values = overlap(found.spec.family, {name: x[chosen] for name, x in found.draws.items()})
    return None if values is None else _Summary.of(Figures("overlap", tuple(called), values), tail)


def _overlap_words(k: int, shared: _Summary | None) -> str:
    """The cluster that cluster k overlaps most, and how far; nothing if it hardly overlaps any of several."""
    if shared is None:
        return ""
    others = np.delete(np.arange(len(shared.figures.of)), k)
    most = others[shared.table[0, k, others].argmax()]
    which = "most overlap" if len(others) > 1 else "overlap"
    figures = 100 * shared.table[:, k, most]
    least = np.isnan(figures[3]) or figures[3] < LEAST
    if len(others) > 1 and figures[0] < LEAST and least:
        return ""
    much = f"below {LEAST}%" if figures[0] < LEAST and least else _with_interval(figures, "%", "%")
    return f"{which} with {_short(shared.figures.of[most])}, {much}"


def _figures(
    name: str, k: int, every: Sequence[_Summary], shared: _Summary | None, sizes: _Sizes | None
) -> list[ClusterFigure]:
    """All figures of cluster k; of overlaps, those with others."""
    found = [
        ClusterFigure(
            name, each.figures.kind, of, float(row[0]), *(None if np.isnan(x) else float(x) for x in row[1:])
        )
        for each in (*every, *([] if shared is None else [shared]))
        for place, (of, row) in enumerate(zip(each.figures.of, each.table[:, k].T, strict=True))
        if not (each is shared and place == k)
    ]
    size = [] if sizes is None else sizes.figures(name, k)
    return [found[0], *size, *found[1:]]


def _words(name: str, k: int, share: _Summary, parts: Sequence[_Part], sizes: _Sizes | None) -> ClusterWords:
    """Cluster k in words."""
    size = "" if sizes is None else sizes.words(k)
    each = [(part, m) for part in parts for m in _one_each(part.own, part.height(k))]
    each.sort(key=lambda one: one[0].own.features[one[1]])
    contrast = ""
    if parts[0].difference is not None:
        ranked = sorted(each, key=lambda one: -abs(one[0].height(k)[one[1]]))
        each = each if len(each) <= MOST_NAMED else ranked[:MOST_LISTED]
        contrast = _contrast(k, *ranked[0])
    where = ", ".join(part.words(k, m) for part, m in each[:MOST_NAMED])
    shares = 100 * share.table[:, :, 0]
    shares[1] = grains_of_shares(*shares[:2])
    held = "100%" if parts[0].difference is None else _with_interval(shares[:, k], "%", "%")
    return ClusterWords(name, held, size, where, contrast)


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
