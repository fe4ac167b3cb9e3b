"""Newton's method on the EM map, kept close to the path of EM, and the rule for when to use it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.polynomial.polynomial import polyval

from mixtures.em.acceleration import (
    Accelerator,
    Jump,
    Landing,
    Outlook,
    Plain,
    Squarem,
    Stage,
    Step,
    existing,
)
from mixtures.em.problem import Point
from mixtures.em.tangent import Tangent, tangent_at
from mixtures.types import EPS, Array

__all__ = ["ACCELERATORS", "Auto", "Newton"]

ROUNDING = 10.0
"""A rise of fewer machine epsilons of the objective's terms is hidden by rounding."""


FIRST_STEPS = 10
"""Steps of EM before the first of Newton's, which gain nothing far from the limit."""


FIRST_RADIUS = 20.0
"""Largest length of the first jump, in steps of EM."""


SURPRISE, USUAL = 0.5, 0.25
"""Largest surprise at the end of a jump (see `Tangent.surprise`), and the target value."""


AT_SADDLE = 0.1
"""The same are smaller by this factor where EM leaves a saddle: its paths to several modes part there."""


GROWTH, SHRINKAGE = 3.0, 5.0
"""Largest factor of the radius after a jump that is accepted, and divisor after one that is rejected."""


WORTH, PAUSE, LONGEST_PAUSE = 4.0, 2, 64
"""Number of EM steps that a jump must replace; else EM takes that many steps, doubled each time."""


LEAVING = 0.1
"""Length of a jump, in standard deviations of the complete data, by which EM leaves a saddle."""


STILL = 1e-4
"""Share of the tolerance below which a step of EM counts as zero: EM is then at a fixed point."""


SLOW, SLOW_STEPS = 0.9, 5
"""EM is slow if each of several steps in a row is longer than this share of the step before."""


MOST_COORDINATES = 400
"""Free coordinates beyond which Newton's matrices cost more than the passes that they save."""


USUAL_JUMPS = 12
"""Usual number of jumps of Newton's method."""


STEP_VALUES = 80_000
"""Rows x (clusters and features) for which an E-step takes as long as the rest of a step."""


CURVATURE, OVERHEAD = (2, 1 / 18), (15, 1 / 6, 1 / 900)
"""Cost of a jump's pass in E-steps, and of its matrices in steps of EM without the E-step: coefficients of
the powers of the number of coordinates (measured for 2 to 10 clusters and 11 to 449 coordinates)."""


OF_PATTERN, OF_MATRIX = 0.3, 1 / 70
"""The same where cells are missing: what an E-step takes longer for every pattern of observed columns, and
the matrices of a jump for each coordinate, pattern, cluster and column (measured for 1 to 112 patterns)."""


MOST_COST = 25
"""Steps of EM that a jump may cost where cells are missing; with more, SQUAREM is cheaper."""


@dataclass(frozen=True)
class Newton:
    """After a few steps of EM, jump to where the linear EM map leads: in many steps, or at its limit.

    With ``lambda`` an eigenvalue of the map's derivative, m steps of EM add up to ``(1 - lambda^m) /
    (1 - lambda)`` of the first, and all of them to Newton's step. A radius bounds the jump. It is
    accepted if it raises the objective and EM's step at its end is close to the predicted one: so it stays
    near the path of EM, in the basin of the same mode. Where jumps are short, EM goes on for a
    while. Where the natural form would lose too many digits, SQUAREM takes over.

    Attributes
    ----------
    radius : float or None
        How far to jump at most, in standard deviations of the complete data; None before the first jump.
    wait, pause : int
        Steps of EM before the next attempt, and after the next one that fails.
    """

    batch_steps: ClassVar[float] = 0.0
    radius: float | None = None
    wait: int = FIRST_STEPS
    pause: int = PAUSE

    def outlook(self, stage: Stage) -> Outlook:
        """A jump if it is worth it, else EM's step."""
        if stage.kernel is None or self.wait:
            return Outlook(Step(stage.new, replace(self, wait=max(0, self.wait - 1))))
        tangent = tangent_at(stage.problem, stage.kernel, stage.here, stage.new, stage.tol)
        if tangent is None:
            return Squarem().outlook(stage)
        left = max(tangent.left, stage.pace.step)  # of which a part may be of coordinates on a boundary
        radius = FIRST_RADIUS * stage.pace.step if self.radius is None else self.radius
        jump = self.within(radius, stage, tangent)
        if tangent.is_saddle:
            return Outlook(jump, np.inf, tangent.by_em > STILL * stage.tol)
        return Outlook(jump, left)

    def within(self, radius: float, stage: Stage, tangent: Tangent) -> Jump:
        """A jump of at most this length, or EM's step if that is as good."""
        steps = tangent.steps_within(radius)
        while steps >= WORTH:
            params = existing(stage.problem, tangent.after(steps))
            if params is not None:
                return ManySteps(params, self, tangent, steps)
            radius = tangent.length(steps) / SHRINKAGE
            steps = tangent.steps_within(radius)
        return replace(self, radius=radius).wait_longer(stage)

    def wait_longer(self, stage: Stage) -> Step:
        """EM's step, and some more before the next attempt."""
        pause = min(2 * self.pause, LONGEST_PAUSE)
        radius = None if self.radius is None else 2 * self.radius
        return Step(stage.new, Newton(radius, self.pause, pause))


@dataclass(frozen=True, eq=False)
class ManySteps:
    """A jump that is worth several steps of EM.

    Attributes
    ----------
    params : dict of ndarray
        The parameters that the jump leads to.
    rule : Newton
        The rule that proposed it.
    tangent : Tangent
        The EM map about the point that it begins at.
    steps : float
        The number of steps of EM that it stands for.
    """

    params: dict[str, Array]
    rule: Newton
    tangent: Tangent
    steps: float
    how: str = "newton"
    curved: bool = True

    @cached_property
    def length(self) -> float:
        """Its length in standard deviations of the complete data."""
        return self.tangent.length(self.steps)

    def landing(self, stage: Stage, there: Point) -> Landing:
        """Accept the jump if it raises the objective and EM's step at its end is nearly the predicted one."""
        here, hidden = stage.here, ROUNDING * EPS * stage.here.magnitude
        if abs(self.tangent.rise(self.steps)) < hidden:  # the predicted gain is below rounding
            if there.objective > here.objective - hidden:
                return Landing(replace(self.rule, pause=PAUSE))
            return Landing(None, self.rule.wait_longer(stage))
        new = stage.problem.m_step(there.statistics)
        surprise = self.tangent.surprise(self.steps, there.params, new)
        share = AT_SADDLE if self.tangent.is_saddle else 1.0
        change = float(np.clip(np.sqrt(share * USUAL / max(surprise, EPS)), 1 / SHRINKAGE, GROWTH))
        if there.objective > here.objective and surprise < share * SURPRISE:
            return Landing(replace(self.rule, radius=self.length * change, pause=PAUSE))
        shorter = self.length * (min(change, 1 / 2) if np.isfinite(surprise) else 1 / SHRINKAGE)
        return Landing(None, self.rule.within(shorter, stage, self.tangent))


@dataclass(frozen=True)
class Auto:
    """EM, until its steps shrink slowly; then the rule that is fastest.

    Attributes
    ----------
    slow : int
        How many of the last steps in a row were slow.
    """

    batch_steps: ClassVar[float] = 100.0
    slow: int = 0

    def outlook(self, stage: Stage) -> Outlook:
        """Return what EM proposes, or the rule that takes over."""
        slow = self.slow + 1 if stage.pace.step > SLOW * stage.last else 0
        if slow >= SLOW_STEPS and not stage.pace.has_arrived(stage.tol):
            if not _has_newton(stage) or _is_costly(stage):
                return Squarem().outlook(stage)
            if _newton_pays(stage):
                return Newton(wait=0).outlook(stage)
        return Outlook(Step(stage.new, Auto(slow)))


def _coordinates(stage: Stage) -> int:
    return stage.problem.spec.parameter_count(stage.problem.data.n_features)


def _has_newton(stage: Stage) -> bool:
    """Whether there is a natural form, and the model is not too large."""
    has_curvature = stage.kernel is not None and stage.kernel.has_curvature
    return has_curvature and _coordinates(stage) <= MOST_COORDINATES


def _costs(stage: Stage) -> tuple[float, float]:
    """Cost of a jump and of a step of EM, in those parts of a step that do not depend on the rows."""
    k, q, d = stage.problem.spec.n_components, _coordinates(stage), stage.problem.data.n_features
    patterns = 0 if stage.kernel is None else stage.kernel.n_patterns
    e_step = stage.problem.data.n_rows * (k + q / k) / STEP_VALUES + OF_PATTERN * patterns
    jump = polyval(q, CURVATURE) * e_step + polyval(q, OVERHEAD) + OF_MATRIX * q * patterns * k * d
    return float(jump), e_step + 1


def _is_costly(stage: Stage) -> bool:
    """Whether the many patterns of missing cells make a jump cost more than SQUAREM."""
    jump, step = _costs(stage)
    return stage.kernel is not None and stage.kernel.n_patterns > 1 and jump > MOST_COST * step


def _newton_pays(stage: Stage) -> bool:
    """Whether the usual number of jumps costs less than the steps of EM to come, if these are known."""
    left, share = stage.pace.left, stage.pace.share
    steps = np.log(left / stage.tol) / -np.log(share) if share < 1 else np.inf
    jump, step = _costs(stage)
    return bool(USUAL_JUMPS * jump < steps * step)


ACCELERATORS: dict[str | None, Accelerator] = {
    None: Plain(),
    "squarem": Squarem(),
    "newton": Newton(),
    "auto": Auto(),
}
"""Accelerators by the name that `fit_em` takes."""
