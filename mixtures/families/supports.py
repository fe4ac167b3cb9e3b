"""Which values a parameter may take, and free coordinates for them, written for NumPy.

PyMC's transforms are a second, independent implementation.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit, logit

from mixtures.families.priors import positive_definite
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = [
    "NON_NEGATIVE",
    "POSITIVE",
    "POSITIVE_DEFINITE",
    "REAL",
    "SIMPLEX",
    "UNIT_INTERVAL",
    "Simplexes",
    "Support",
]


class Support(ABC):
    """Which values a parameter may take, and free coordinates for them."""

    core_ndim: ClassVar[int] = 0
    """Trailing axes that are constrained together: 1 for a simplex, 2 for a matrix."""

    @abstractmethod
    def fault(self, value: Array) -> str:
        """The condition that finite numbers of the right shape violate, in words; empty if none."""

    def exact(self, value: Array) -> Array:
        """A valid value, with the rounding error that was tolerated removed."""
        return value

    def inside(self, value: Array) -> Array:
        """The value moved off the boundary, if it can reach one."""
        return value

    def on_boundary(self, value: Array) -> np.ndarray | None:
        """Which entries are on the boundary; None if the support has none."""
        return None

    def interior(self, mask: np.ndarray) -> np.ndarray:
        """Which free coordinates (..., m) are those of entries off the boundary; the mask has those on it."""
        return ~mask[..., None]

    def independent(self, core: tuple[int, ...]) -> np.ndarray:
        """Which entries (*core) a density is over: those that do not follow from the others."""
        return np.ones(core, dtype=bool)

    def reach(self, value: Array, sd: Array, z: float) -> tuple[Array, Array]:
        """Ends of normal intervals about every entry, z sds to each side, on a scale without boundaries."""
        return value - z * sd, value + z * sd

    def free_size(self, core: tuple[int, ...]) -> int:
        """Free coordinates of one value with these trailing axes."""
        return 1

    @abstractmethod
    def to_free(self, value: Array) -> Array:
        """Free coordinates (..., m) of values (..., *core); the trailing axes become one."""

    @abstractmethod
    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        """Values (..., *core) of free coordinates (..., m)."""


class Real(Support):
    """Any real number."""

    def fault(self, value: Array) -> str:
        return ""

    def to_free(self, value: Array) -> Array:
        return value[..., None]

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        return x[..., 0]


class Positive(Support):
    """Numbers above 0, by their logarithm."""

    def fault(self, value: Array) -> str:
        return "" if (value > 0).all() else "must be positive"

    def to_free(self, value: Array) -> Array:
        return np.log(value)[..., None]

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        return np.exp(x[..., 0])

    def reach(self, value: Array, sd: Array, z: float) -> tuple[Array, Array]:
        """On the scale of logarithms."""
        times = np.exp(z * sd / value)
        return value / times, value * times


class NonNegative(Positive):
    """Numbers from 0 up, by their logarithm; 0 is the boundary."""

    def fault(self, value: Array) -> str:
        return "" if (value >= 0).all() else f"must not be negative, got {value.min():g}"

    def inside(self, value: Array) -> Array:
        return np.maximum(value, TOLERANCES.inside)

    def on_boundary(self, value: Array) -> np.ndarray:
        return value < TOLERANCES.boundary


class Probability(Support):
    """Numbers from 0 to 1, whatever else is asked of them."""

    def reach(self, value: Array, sd: Array, z: float) -> tuple[Array, Array]:
        """On the scale of logits."""
        middle, half = logit(value), np.where(sd == 0, 0, z * sd / (value * (1 - value)))
        return np.asarray(expit(middle - half)), np.asarray(expit(middle + half))


class UnitInterval(Probability):
    """Probabilities, by their logit; 0 and 1 are the boundary."""

    def fault(self, value: Array) -> str:
        if ((value >= 0) & (value <= 1)).all():
            return ""
        return f"must lie between 0 and 1, got {value.min():g} to {value.max():g}"

    def inside(self, value: Array) -> Array:
        return np.clip(value, TOLERANCES.inside, 1 - TOLERANCES.inside)

    def on_boundary(self, value: Array) -> np.ndarray:
        return np.minimum(value, 1 - value) < TOLERANCES.boundary

    def to_free(self, value: Array) -> Array:
        return np.asarray(logit(value))[..., None]

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        return np.asarray(expit(x[..., 0]))


class Simplex(Probability):
    """Shares that add up to one, along the last axis: log ratios to the last of them."""

    core_ndim = 1

    def fault(self, value: Array) -> str:
        """Whether a share is negative, or their sum is not one."""
        fits = (value >= 0).all() and np.isclose(value.sum(axis=-1), 1).all()
        return "" if fits else f"must be non-negative and sum to one, got {value}"

    def exact(self, value: Array) -> Array:
        """Shares that sum to one exactly: else the objective is off by n times the log of their sum."""
        return np.asarray(value / value.sum(axis=-1, keepdims=True))

    def inside(self, value: Array) -> Array:
        kept = np.maximum(value, TOLERANCES.inside)
        return np.asarray(kept / kept.sum(axis=-1, keepdims=True))

    def interior(self, mask: np.ndarray) -> np.ndarray:
        """Those of shares off the boundary, if the last share is: they are relative to it."""
        return ~(mask[..., :-1] | mask[..., -1:])

    def independent(self, core: tuple[int, ...]) -> np.ndarray:
        """All shares but the last."""
        return np.arange(core[0]) < core[0] - 1

    def free_size(self, core: tuple[int, ...]) -> int:
        return core[0] - 1

    def to_free(self, value: Array) -> Array:
        """Logarithms of the shares relative to the last."""
        return np.log(value[..., :-1] / value[..., -1:])

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        """A softmax with the last coordinate 0."""
        full = np.concatenate([x, np.zeros((*x.shape[:-1], 1))], axis=-1)
        weights = np.exp(full - full.max(axis=-1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Simplexes(Probability):
    """Shares of the levels of D items (..., D, C), those of an item add up to one.

    Items may have different numbers of levels: the shares of levels that an item lacks are 0 and no
    parameters. Free coordinates are, for all levels of an item but its last, the logit of the level's share
    among the levels from it on. A share on the boundary then leaves the coordinates of the others finite.

    Attributes
    ----------
    levels : tuple of int, or None
        Number of levels of every item; None if all have C.
    """

    levels: tuple[int, ...] | None = None

    core_ndim: ClassVar[int] = 2

    def exists(self, core: tuple[int, ...]) -> np.ndarray:
        """Which entries (D, C) are levels of their item."""
        d, most = core
        return np.arange(most) < np.broadcast_to(most if self.levels is None else self.levels, d)[:, None]

    def independent(self, core: tuple[int, ...]) -> np.ndarray:
        """The levels of an item but its last: these have a coordinate too."""
        exists = self.exists(core)
        return exists & np.roll(exists, -1, axis=-1) & (np.arange(core[1]) < core[1] - 1)

    def fault(self, value: Array) -> str:
        """Whether a share is negative, their sum is not one, or an item has shares of levels it lacks."""
        if value[..., ~self.exists(value.shape[-2:])].any():
            return "must be 0 for levels that the item does not have"
        fits = (value >= 0).all() and np.isclose(value.sum(axis=-1), 1).all()
        return "" if fits else f"must be non-negative and sum to one over the levels of an item, got {value}"

    def exact(self, value: Array) -> Array:
        """Shares that add up to one."""
        return np.asarray(value / value.sum(axis=-1, keepdims=True))

    def inside(self, value: Array) -> Array:
        kept = np.where(self.exists(value.shape[-2:]), np.maximum(value, TOLERANCES.inside), 0)
        return self.exact(kept)

    def on_boundary(self, value: Array) -> np.ndarray:
        return np.asarray((value < TOLERANCES.boundary) & self.exists(value.shape[-2:]))

    def interior(self, mask: np.ndarray) -> np.ndarray:
        """Those of shares off the boundary before the last of these."""
        core = mask.shape[-2:]
        off = ~mask & self.exists(core)
        return np.asarray((off & (_later(off) > 0))[..., self.independent(core)])

    def free_size(self, core: tuple[int, ...]) -> int:
        return int(self.independent(core).sum())

    def to_free(self, value: Array) -> Array:
        """Logits of the shares among the levels from each on."""
        steps = self.independent(value.shape[-2:])
        return np.log(value[..., steps]) - np.log(_later(value)[..., steps])

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        """Shares from the logits, level by level: each takes its part of what is left."""
        steps = self.independent(core)
        logits = np.zeros((*x.shape[:-1], *core))
        logits[..., steps] = x
        left = np.cumsum(np.where(steps, log_expit(-logits), 0), axis=-1)
        before = np.concatenate([np.zeros((*left.shape[:-1], 1)), left[..., :-1]], axis=-1)
        shares = np.exp(before + np.where(steps, log_expit(logits), 0))
        return np.where(self.exists(core), shares, 0)


def _later(value: Array) -> Array:
    """Sum of the entries after each, along the last axis."""
    sums = np.flip(np.cumsum(np.flip(value, -1), axis=-1), -1)
    return np.concatenate([sums[..., 1:], np.zeros_like(sums[..., :1])], axis=-1)


class PositiveDefinite(Support):
    """Covariance matrices, by their Cholesky factor with a logarithmic diagonal."""

    core_ndim = 2

    def fault(self, value: Array) -> str:
        """Whether a matrix is not symmetric, or not positive definite."""
        return "" if positive_definite(value) else "must be symmetric and positive definite"

    def exact(self, value: Array) -> Array:
        """A symmetric matrix: a Cholesky factor reads one triangle, other formulas read both."""
        return np.asarray((value + value.mT) / 2)

    def reach(self, value: Array, sd: Array, z: float) -> tuple[Array, Array]:
        """On the scale of logarithms for variances."""
        low, high = super().reach(value, sd, z)
        j = np.arange(value.shape[-1])
        low[..., j, j], high[..., j, j] = POSITIVE.reach(value[..., j, j], sd[..., j, j], z)
        return low, high

    def independent(self, core: tuple[int, ...]) -> np.ndarray:
        """The lower triangle."""
        return np.tri(core[0], dtype=bool)

    def free_size(self, core: tuple[int, ...]) -> int:
        return core[0] * (core[0] + 1) // 2

    def to_free(self, value: Array) -> Array:
        """The lower triangle, row by row, the diagonal by its logarithm."""
        factor = np.linalg.cholesky(value)
        i, j = _triangle(value.shape[-1])
        free = factor[..., i, j]
        free[..., i == j] = np.log(free[..., i == j])
        return np.asarray(free)

    def from_free(self, x: Array, core: tuple[int, ...]) -> Array:
        """``L L'``."""
        i, j = _triangle(core[0])
        factor = np.zeros((*x.shape[:-1], *core))
        factor[..., i, j] = np.where(i == j, np.exp(x), x)
        return np.asarray(factor @ factor.mT)


@cache
def _triangle(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the lower triangle of a matrix, row by row."""
    return np.tril_indices(d)


REAL, POSITIVE, NON_NEGATIVE, UNIT_INTERVAL = Real(), Positive(), NonNegative(), UnitInterval()
SIMPLEX, POSITIVE_DEFINITE = Simplex(), PositiveDefinite()
