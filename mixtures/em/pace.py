"""How fast the steps of EM shrink, on which the stopping rule is based."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Pace"]


@dataclass(frozen=True)
class Pace:
    """How fast the steps of EM shrink, and what that leaves to go: the stopping rule.

    Near a mode every step is a constant share of the one before. The steps to come
    then add up to ``step / (1 - share)`` (Aitken). One share alone may be an accident
    of a plateau, so the rule asks for two estimates in a row.

    Attributes
    ----------
    step : float
        Length of the last step, in standard deviations of the complete data.
    left, left_before : float
        Estimates of the distance to the limit, the last and the one before it.
    """

    step: float = np.nan
    left: float = np.inf
    left_before: float = np.inf

    @property
    def share(self) -> float:
        """Ratio of the last step to the one before it; NaN if steps grow or there is no earlier one."""
        return 1 - self.step / self.left if 0 < self.step < self.left < np.inf else np.nan

    def after(self, step: float) -> "Pace":
        """The pace after one more step."""
        share = step / self.step
        return Pace(step, step / (1 - share) if share < 1 else np.inf, self.left)

    def after_jump(self) -> "Pace":
        """The pace where the next step cannot be compared with the last one."""
        return Pace(np.nan, self.left, self.left_before)

    def has_arrived(self, tol: float) -> bool:
        """Whether the limit is nearer than ``tol``."""
        return self.step == 0 or max(self.left, self.left_before) < tol
