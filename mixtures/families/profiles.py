"""What describes a cluster, family by family: where its rows lie, how far they spread, and in which words.

A family whose clusters are described by the means of their features need not answer; the others
register their answer in their own file.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mixtures.errors import InputError
from mixtures.families.family import Family
from mixtures.types import Array, Params

__all__ = [
    "Figures",
    "Levels",
    "Profile",
    "has_items",
    "item_levels",
    "item_tables",
    "profile",
    "profile_parts",
]

Levels = Sequence[Sequence[Any] | None] | None
"""Labels of the levels of every feature, as far as there are any."""


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of one kind.

    Attributes
    ----------
    kind : str
        Their name, such as "mean".
    of : tuple of str, length M
        What each is of, such as the names of the features.
    values : ndarray, shape (S, K, M)
        The figures of K clusters in S draws.
    """

    kind: str
    of: tuple[str, ...]
    values: Array


@dataclass(frozen=True, eq=False)
class Profile:
    """Where the clusters lie, in S draws.

    Attributes
    ----------
    location : Figures
        Mean of every feature of the rows, or of the indicator of every level, in each cluster.
    variance : ndarray, shape (S, K, M)
        Variance of the same within each cluster.
    features : tuple of int, length M
        The feature that each is of.
    words : str
        What the locations are, for the axis of a plot.
    beside : tuple of Figures
        Further figures of the clusters.
    is_share : bool
        Whether locations are shares of rows, to be given in per cent.
    comparable : bool
        Whether the locations of all features have one unit, so that a plot can show them as they are.
    per : str
        The column per unit of which locations are; empty if they are per row.
    """

    location: Figures
    variance: Array
    features: tuple[int, ...]
    words: str
    beside: tuple[Figures, ...] = ()
    is_share: bool = False
    comparable: bool = False
    per: str = ""

    @property
    def implied(self) -> tuple[str, ...]:
        """What another location says too: of an item with two levels, the first of them."""
        levels = Counter(self.features)
        first = dict(zip(reversed(self.features), reversed(self.location.of), strict=True))
        return tuple(first[d] for d, count in levels.items() if count == 2)

    def differences(self, alpha: Array) -> Array:
        """Standardised difference (S, K, M) of every cluster from all others together.

        ``(m_k - m) / sqrt((v_k + v) / 2)``, with mean m and variance v of the rows outside the cluster.
        """
        others = alpha[:, None, :] * (1 - np.eye(alpha.shape[1]))
        total = others.sum(axis=-1, keepdims=True)
        even = np.full_like(others, 1 / max(1, alpha.shape[1] - 1))
        others = np.divide(others, total, out=even, where=total > 0)
        m = self.location.values - self.location.values.mean(axis=(0, 1))  # squares keep their digits
        mean = others @ m
        variance = np.maximum(others @ (self.variance + m**2) - mean**2, 0)
        apart, sd = m - mean, np.sqrt((self.variance + variance) / 2)
        with np.errstate(divide="ignore"):
            return np.divide(apart, sd, out=np.zeros_like(apart), where=(sd > 0) | (apart != 0))

    def overall(self, alpha: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (M,) of all rows, averaged over the draws."""
        centre = self.location.values.mean(axis=(0, 1))
        m, w = self.location.values - centre, alpha[:, None, :]
        mean = (w @ m)[:, 0]
        variance = (w @ (self.variance + m**2))[:, 0] - mean**2
        return centre + mean.mean(axis=0), np.sqrt(np.maximum(variance, 0)).mean(axis=0)


@singledispatch
def profile(family: Family, draws: Params, features: Sequence[str], levels: Levels = None) -> Profile:
    """Profile of the clusters in S draws of the parameters (S, ...); by default means and sds of features."""
    n_draws = len(draws["alpha"])
    each = [family.moments({name: draws[name][s] for name in family.dims}) for s in range(n_draws)]
    mean = np.stack([one[0] for one in each])
    variance = np.stack([np.diagonal(one[1], axis1=-2, axis2=-1) for one in each])
    of = tuple(features)
    sd = Figures("sd", of, np.sqrt(variance))
    return Profile(Figures("mean", of, mean), variance, tuple(range(len(of))), "mean", (sd,))


@singledispatch
def profile_parts(
    family: Family, draws: Params, features: Sequence[str], levels: Levels = None
) -> tuple[Profile, ...]:
    """Profiles of the parts of a family whose figures are not of one kind; by default there is one part."""
    return (profile(family, draws, features, levels),)


@singledispatch
def item_levels(family: Family, n_features: int) -> tuple[int, ...]:
    """Number of levels of every item; refused of features without levels."""
    raise InputError(
        f"{type(family).__name__} components have no levels: tables of pairs are those of a BMM or an LCA"
    )


def has_items(family: Family) -> bool:
    """Whether the columns of a family are items with levels."""
    return item_levels.dispatch(type(family)) is not item_levels.dispatch(object)


@singledispatch
def item_tables(family: Family, params: Params) -> Array:
    """Probability (K, D, C) of every level of every item, 0 of levels that an item lacks."""
    raise NotImplementedError(type(family).__name__)
