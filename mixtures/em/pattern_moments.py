"""Second moments of the features where cells are missing: those of each pattern of observed columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixtures.em.curvature import Curvature
from mixtures.em.estep import EStep
from mixtures.types import Array

__all__ = ["PatternMoments", "SecondMoments"]

SHARE = 1e-3
"""Share of a cluster's rows that is the least spread of a feature."""


@dataclass(frozen=True, eq=False)
class PatternMoments:
    """An E-step with the second moments of the features of every pattern, the observed ones alone.

    Attributes
    ----------
    passed : EStep
        What the E-step itself finds.
    shape : tuple of int
        Shape (S, K, P) of the natural parameters of all patterns.
    nonzero : sequence of ndarray of int
        The features that are not 0 in every row of the pattern, for each of them.
    parts : sequence of Curvature
        The moments of these.
    """

    passed: EStep
    shape: tuple[int, ...]
    nonzero: Sequence[np.ndarray]
    parts: Sequence[Curvature]

    @cached_property
    def sums(self) -> Array:
        """``S = r phi'`` (S, K, P) of the patterns' rows."""
        return self._of_all([part.sums for part in self.parts])

    @property
    def spread(self) -> Array:
        """``sum_i w_i r_ik phi_i^2`` about the mean (S, K, P), within the patterns; as in `Curvature`.

        At least a share of the cluster's rows, as a cluster may have none of the few rows of a pattern.
        """
        nonzero, count = self._of_all([np.ones_like(part.sums) for part in self.parts]), self.sums[..., :1]
        found = np.where(nonzero > 0, self._of_all([part.spread for part in self.parts]), count)
        return np.maximum(found, SHARE * count.sum(axis=0))

    def tilted(self, slopes: Array) -> Array:
        """Sums (q, S, K, P) of rows whose weights are multiplied by their scores along the slopes."""
        return self._of_all([part.tilted(own) for part, own in self._each(slopes)])

    def changed(self, slopes: Array) -> Array:
        """Changes (q, S, K, P) of the sums as the natural parameters change along the slopes."""
        return self._of_all([part.changed(own) for part, own in self._each(slopes)])

    def _each(self, slopes: Array) -> list[tuple[Curvature, Array]]:
        """Every part with the slopes of its features."""
        return [
            (part, slopes[:, s][..., nonzero])
            for s, (nonzero, part) in enumerate(zip(self.nonzero, self.parts, strict=True))
        ]

    def _of_all(self, parts: Sequence[Array]) -> Array:
        """What is known of the features of each pattern (..., K, p), put in its place of (..., S, K, P)."""
        found = np.zeros((*parts[0].shape[:-2], *self.shape))
        for s, (nonzero, part) in enumerate(zip(self.nonzero, parts, strict=True)):
            found[..., s, :, nonzero] = np.moveaxis(part, -1, 0)
        return found


type SecondMoments = Curvature | PatternMoments
"""An E-step with second moments of the features, and what they do to changes along some coordinates.

Sums and slopes have the shape of the natural parameters, ``(K, P)`` for a single pattern of observed
columns and ``(S, K, P)`` for several; slopes have a leading axis of coordinates before it.
"""
