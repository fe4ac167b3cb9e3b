"""Newton's method on the EM map, in a trust region, and the rule for when to use it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixtures.em.acceleration import EM, Accelerator, Jump, Outlook, Plain, Squarem, Stage, existing
from mixtures.em.tangent import Tangent, tangent_at

__all__ = ["ACCELERATORS", "Auto", "Newton"]

EPS = float(np.finfo(float).eps)

ROUNDING = 10.0
"""A rise of fewer machine epsilons of the objective's terms is hidden by rounding."""


FIRST_STEPS = 10
"""Steps of EM before the first of Newton's: far from the limit they are as good."""


FIRST_RADIUS = 20.0
"""Largest length of the first jump, in steps of EM."""


GROWTH, SHRINKAGE, TRIES = 3.0, 4.0, 8
"""Factor of the radius after a jump that succeeds at once, divisor after one that fails, number of tries."""


NUDGE = 0.1
"""Length of the step off a saddle, in standard deviations of the complete data."""


SLOW, SLOW_STEPS = 0.9, 3
"""EM is slow if each of several steps in a row is longer than this share of the step before."""


MOST_COORDINATES = 400
"""Free coordinates beyond which Newton's matrices cost more than the passes that they save."""


USUAL_JUMPS = 12
"""Usual number of jumps of Newton's method."""


M_STEP_VALUES = 20_000
"""Size of the data (rows x clusters and features) for which an E-step takes as long as an M-step."""


CURVATURE, OVERHEAD, COORDINATE, STEP_OVERHEAD = 4, 20, 4, 5
"""Cost of a jump: E-steps, M-steps in any case, and M-steps per coordinate. Cost of a step of EM in addition
to its E-step, in M-steps."""


@dataclass(frozen=True)
class Newton:
    """After a few steps of EM, jump to the fixed point that the derivative of the EM map predicts.

    Along each eigenvector of the derivative EM's step is divided by what is not missing of the
    information, in absolute value, so that saddles repel; but by no less than keeps the jump
    within a radius. A jump that does not raise the objective is tried again at a quarter of it.
    Where there is no natural form it is EM.

    Attributes
    ----------
    steps : int
        Steps of EM so far.
    radius : float or None
        How far to jump at most, in standard deviations of the complete data; None before the first jump.
    """

    steps: int = 0
    radius: float | None = None

    def outlook(self, stage: Stage) -> Outlook:
        """Ever shorter jumps, then EM's step."""
        after = Newton(self.steps + 1, self.radius)
        by_em = Outlook([Jump(stage.new, EM, after)])
        if stage.kernel is None or self.steps < FIRST_STEPS:
            return by_em
        tangent = tangent_at(stage.problem, stage.kernel, stage.here, stage.new, stage.tol)
        if tangent is None:
            return by_em
        radius = FIRST_RADIUS * stage.pace.step if self.radius is None else self.radius
        left = max(tangent.left, stage.pace.step)  # of which a part may be of coordinates on a boundary
        return Outlook(self._jumps(stage, tangent, radius), left, tangent.is_saddle)

    def _jumps(self, stage: Stage, tangent: Tangent, radius: float) -> Iterator[Jump]:
        rounding = ROUNDING * EPS * stage.here.magnitude
        slack = rounding if tangent.rise < rounding and not tangent.is_saddle else 0.0
        saddled = tangent.is_saddle and tangent.left < NUDGE
        radius = max(radius, NUDGE) if saddled else radius
        for i in range(TRIES):
            nudge = NUDGE / SHRINKAGE**i
            there = tangent.off_the_saddle(nudge) if saddled else tangent.within(radius)
            params = existing(stage.problem, there)
            if params is not None:
                yield Jump(params, "newton", Newton(self.steps, radius * (GROWTH if i == 0 else 1)), slack)
            radius = min(radius, tangent.left) / SHRINKAGE
            if radius < tangent.by_em and not saddled:
                break
        yield Jump(stage.new, EM, Plain() if saddled else Newton(self.steps + 1, radius))


@dataclass(frozen=True)
class Auto:
    """EM, until its steps shrink slowly; then the rule that is fastest.

    Attributes
    ----------
    steps, slow : int
        Steps so far, and how many of the last in a row were slow.
    """

    steps: int = 0
    slow: int = 0

    def outlook(self, stage: Stage) -> Outlook:
        """Return the outlook of EM, or of the rule that takes over."""
        slow = self.slow + 1 if stage.pace.share > SLOW else 0
        if self.steps >= FIRST_STEPS and slow >= SLOW_STEPS and not stage.pace.has_arrived(stage.tol):
            if not _has_newton(stage):
                return Squarem().outlook(stage)
            if _newton_pays(stage):
                return Newton(self.steps).outlook(stage)
        return Outlook([Jump(stage.new, EM, Auto(self.steps + 1, slow))])


def _coordinates(stage: Stage) -> int:
    return stage.problem.spec.parameter_count(stage.problem.data.n_features)


def _has_newton(stage: Stage) -> bool:
    """Whether there is a natural form, and the model is not too large."""
    return stage.kernel is not None and _coordinates(stage) <= MOST_COORDINATES


def _newton_pays(stage: Stage) -> bool:
    """Whether the usual number of jumps costs less than the remaining steps of EM."""
    k, data = stage.problem.spec.n_components, stage.problem.data
    e_step = data.n_rows * (k + _coordinates(stage) / k) / M_STEP_VALUES
    steps = np.log(stage.pace.left / stage.tol) / -np.log(stage.pace.share)
    jump = CURVATURE * e_step + OVERHEAD + COORDINATE * _coordinates(stage)
    return bool(USUAL_JUMPS * jump < steps * (e_step + STEP_OVERHEAD))


ACCELERATORS: dict[str | None, Accelerator] = {
    None: Plain(),
    "squarem": Squarem(),
    "newton": Newton(),
    "auto": Auto(),
}
"""Accelerators by the name that `fit_em` takes."""
