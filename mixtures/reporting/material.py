"""The results and data of a report, with short names for its figures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.description import describe
from mixtures.clusters.responsibilities import responsibilities
from mixtures.data.table import Data
from mixtures.families.mixture import Mixture
from mixtures.given import Given, given
from mixtures.reporting.figures import short_names
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.profiles import ClusterFigure, ClusterProfiles
from mixtures.results.selection import Selection
from mixtures.trees import feature_dims, levels_in, with_levels
from mixtures.types import Array

__all__ = ["Material", "Pictured", "relabelled", "values_of_rows", "weight_of_rows"]

MOST_PAGES = 20
"""Clusters up to which each has a page."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """The crosscheck and the data for figures, with names short enough to fit."""

    data: Data | None
    cc: Crosscheck

    @property
    def posterior(self) -> xr.DataTree | None:
        """The posterior sample."""
        return self.cc.posterior


@dataclass(frozen=True, eq=False)
class Material:
    """Results, data and their provenance."""

    cc: Crosscheck
    data: Data | None
    selection: Selection | None
    versions: Mapping[str, str]
    content_hash: str | None
    about: Mapping[str, str]

    @property
    def spec(self) -> Mixture | None:
        """The resolved model, with its columns in the order of the data; None for a user's own."""
        spec = self.cc.mode.spec
        return None if spec is None else spec.unnamed

    @cached_property
    def known(self) -> Given | None:
        """The mixture of the rows and its parameters; None of a user's own model without one known here."""
        if self.spec is None and self.cc.mixture is None:
            return None
        found = given(self.cc)
        return replace(found, spec=found.spec.unnamed)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the fitted columns; those of the data where a user's own model has none."""
        if self.known is not None:
            return self.known.features
        return self.cc.mode.features or (() if self.data is None else self.data.features)

    @property
    def seed(self) -> str:
        """The seed that the crosscheck was given; empty if it is not known."""
        known = self.about.get("seed") or self.cc.random_seed
        return "" if known is None else str(known)

    @property
    def bounds(self) -> list[str]:
        """The columns of the table with the bounds of intervals, such as "2.5%" and "97.5%"."""
        return [str(name) for name in self.cc.table.columns if str(name).endswith("%")]

    @cached_property
    def described(self) -> ClusterProfiles:
        """The clusters in words and figures."""
        return describe(self.cc, self.data)

    @cached_property
    def assigned(self) -> xr.Dataset | None:
        """Responsibilities of the rows; None without a model and data."""
        if self.known is None or self.data is None:
            return None
        return responsibilities(self.known.spec, self.data, self.known.params)

    @property
    def point(self) -> dict[str, Array]:
        """One set of parameters of the mixture: EM's, or the means of the draws."""
        assert self.known is not None
        em = self.cc.em
        return (
            {name: x.mean(axis=0) for name, x in self.known.draws.items()} if em is None else dict(em.params)
        )

    @property
    def weights(self) -> Array | None:
        """Weights of the rows, if they have any."""
        return None if self.data is None else self.data.weights

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """The headings of the clusters' own pages; empty for those of many that have none, the smallest."""
        if self.known is None:
            return ()
        share = self.known.draws["alpha"].mean(axis=0)
        largest = set(np.argsort(-share, kind="stable")[:MOST_PAGES].tolist())
        return tuple(f"cluster-{k}" if k in largest else "" for k in range(len(share)))

    @property
    def few_pages(self) -> str:
        """Words for the clusters that have no page, if there are any."""
        if all(self.pages):
            return ""
        return (
            f"Of the {len(self.pages)} clusters the {MOST_PAGES} with the largest shares have a page of "
            "their own; the figures of all can be downloaded above these pages."
        )

    @cached_property
    def pictured(self) -> Pictured:
        """Fits and data under short names."""
        short = short_names(self.features)
        new = dict(zip(self.features, short, strict=True))
        cc = self.cc
        renamed = replace(
            cc,
            em=None if cc.em is None else replace(cc.em, features=short, spec=cc.em.spec.unnamed),
            mode=replace(cc.mode, coords=_shortened(cc.mode.coords, new), spec=self.spec),
            posterior=None if cc.posterior is None else relabelled(cc.posterior, new),
            mixture=None if cc.mixture is None else relabelled(cc.mixture, new),
            names=None if cc.names is None else short_names(cc.names),
        )
        return Pictured(None if self.data is None else replace(self.data, features=short), renamed)


def _shortened(coords: Mapping[str, Any], new: Mapping[str, str]) -> dict[str, Any]:
    """Labels along the dims, those of features by other names."""
    own = {dim: tuple(new.get(str(name), name) for name in coords[dim]) for dim in feature_dims(coords)}
    return {**coords, **own}


def relabelled(tree: xr.DataTree, new: Mapping[str, str]) -> xr.DataTree:
    """Tree with other names of the features, as far as there are new ones."""

    def rename(group: xr.Dataset) -> xr.Dataset:
        own = [dim for dim in feature_dims(group.coords) if group[dim].dims == (dim,)]
        labels = {dim: [new.get(str(name), name) for name in group[dim].values] for dim in own}
        levels = {new.get(name, name): levels for name, levels in levels_in(group).items()}
        return with_levels(group.assign_coords(labels), levels)

    groups = {name: rename(group.to_dataset()) for name, group in tree.children.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})


def values_of_rows(
    data: Data,
    rows: Sequence[int] | np.ndarray,
    taken: Collection[str],
    most: int,
    figures: Sequence[ClusterFigure],
) -> dict[str, Any]:
    """Some columns of some rows, levels by their labels, under names that are not taken.

    They are those in which the clusters of these figures differ most from the others, in their order.
    """
    found: dict[str, Any] = {}
    for d in sorted(_telling(data.features, figures)[:most]):
        name, values = data.features[d], data.values[rows, d]
        own = None if data.levels is None else data.levels[d]
        labelled = values if own is None else ["–" if np.isnan(x) else str(own[int(x)]) for x in values]
        found[f"{name} (value)" if name in taken else name] = labelled
    return found


def _telling(features: Sequence[str], figures: Sequence[ClusterFigure]) -> list[int]:
    """Positions of the columns, those in which clusters differ most first."""
    apart = dict.fromkeys(features, 0.0)
    for each in figures:
        name = each.of if each.of in apart else each.of.rpartition(": ")[0]  # of a level
        if each.figure == "difference" and name in apart:
            apart[name] = max(apart[name], abs(np.nan_to_num(each.value)))
    return np.argsort([-apart[name] for name in features], kind="stable").tolist()


def weight_of_rows(data: Data, rows: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """The weights of some rows as a column; none where rows have no weights."""
    return {} if data.weights is None else {"weight": data.weights[rows]}
