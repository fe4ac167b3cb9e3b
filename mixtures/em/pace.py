"""How fast the steps of EM shrink, on which the stopping rule is based."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import EPS, Array, Params

__all__ = ["Pace", "is_hopeless", "only_rounding"]

LAG, FAR = 5, 10
"""Steps of EM by whose rise its pace is judged, and how many times what that promises it may yet rise."""


@dataclass(frozen=True)
class Pace:
    """How fast the steps of EM shrink, and the distance left that follows: the stopping rule.

    Near a mode every step is a constant share of the one before. The steps to come
    then add up to ``step / (1 - share)`` (Aitken). A single ratio may mislead on a
    plateau, so the rule needs two estimates in a row.

    Attributes
    ----------
    step : float, or ndarray of many starts
        Length of the last step, in standard deviations of the complete data.
    left, left_before : float, or ndarray
        Estimates of the distance to the limit, the last and the one before it.
    """

    step: Any = np.nan
    left: Any = np.inf
    left_before: Any = np.inf

    @property
    def share(self) -> float:
        """Ratio of the last step to the one before it; NaN if steps grow or there is no earlier one."""
        return 1 - self.step / self.left if 0 < self.step < self.left < np.inf else np.nan

    def after(self, step: Any) -> "Pace":
        """The pace after one more step."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.divide(step, self.step)
            left = np.where(share < 1, step / (1 - share), np.inf)
        return Pace(step, left, self.left)

    def after_jump(self) -> "Pace":
        """The pace after a move, where the next step cannot be compared with the last one."""
        return Pace(np.nan, self.left, self.left_before)

    def subset(self, which: np.ndarray) -> "Pace":
        """The pace of some of many starts."""
        return Pace(self.step[which], self.left[which], self.left_before[which])

    def has_arrived(self, tol: float) -> Any:
        """Whether the limit is nearer than ``tol``."""
        return (self.step == 0) | (np.maximum(self.left, self.left_before) < tol)


def is_hopeless(trace: Sequence[float], best: float) -> bool:
    """Whether `FAR` times the rise that the pace of the last steps of EM promises would not reach the best.

    The steps of EM near its limit are in geometric progression.
    """
    if len(trace) <= 2 * LAG or best == -np.inf:
        return False
    earlier, later = np.diff([trace[-1 - 2 * LAG], trace[-1 - LAG], trace[-1]])
    behind = best - same_height(best) - trace[-1]
    slows = earlier - later  # the rise that is promised is later ** 2 / slows
    return bool(slows > 0 and FAR * later**2 < behind * slows)


def only_rounding(spec: Mixture, pace: Pace, params: Params, count: Array) -> Any:
    """Whether steps no longer shrink because they are at the level of rounding.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    pace : Pace
        The pace of one start, or of many.
    params : dict of ndarray
        Where the last step led, with a leading axis for many starts.
    count : ndarray, shape (..., K)
        Expected number of rows of each cluster.

    Returns
    -------
    bool, or ndarray of bool
        For each start.
    """
    growing = ~np.isfinite(pace.left)
    if not np.any(growing):
        return growing
    rounded = spec.step_length(spec.perturbed(params, EPS), params, count)
    return growing & (pace.step <= TOLERANCES.em_rounding * rounded)
