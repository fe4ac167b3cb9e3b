"""Jumps ahead of EM: plain EM makes none, SQUAREM extrapolates two steps."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from mixtures.em.grouped import FastEStep
from mixtures.em.pace import Pace
from mixtures.em.problem import Point, Problem
from mixtures.errors import InputError
from mixtures.types import Array, Params

__all__ = [
    "EM",
    "Accelerator",
    "Jump",
    "Landing",
    "Outlook",
    "Plain",
    "Squarem",
    "Stage",
    "Step",
    "existing",
]

EM = "em"
"""Name of EM's own step in the record of a run."""


HALVINGS = 5
"""Number of times that a jump outside the parameter space is halved before it is given up."""


@dataclass(frozen=True)
class Stage:
    """State of an ascent before its next move.

    Attributes
    ----------
    problem, kernel, tol : Problem, FastEStep or None, float
        What is maximised, with which E-step, and how close to the limit.
    before, here : Point
        The last two points; none before the start.
    new : dict of ndarray
        Where EM goes from here.
    pace : Pace
        How fast EM's steps shrink, the one to ``new`` included.
    last : float
        Length of the step to here.
    """

    problem: Problem
    kernel: FastEStep | None
    tol: float
    before: Point | None
    here: Point
    new: Params
    pace: Pace
    last: float


@dataclass(frozen=True)
class Landing:
    """What a rule decides about a jump after a pass over the rows at its end.

    Attributes
    ----------
    then : Accelerator or None
        The rule for the next iteration, if the jump is made.
    instead : Jump or None
        What to try in its place, if it is not.
    """

    then: "Accelerator | None"
    instead: "Jump | None" = None


class Jump(Protocol):
    """A move of the parameters."""

    @property
    def params(self) -> Params:
        """The parameters that it leads to."""

    @property
    def how(self) -> str:
        """Its name in the record of the run."""

    @property
    def curved(self) -> bool:
        """Whether the pass there must also sum second moments, which the next jump needs."""

    def landing(self, stage: Stage, there: Point) -> Landing:
        """Whether the jump is made."""


@dataclass(frozen=True)
class Step:
    """EM's own step, which is always accepted.

    Attributes
    ----------
    params : dict of ndarray
        The parameters that the move leads to.
    then : Accelerator
        The rule for the next iteration.
    """

    params: Params
    then: "Accelerator"
    how: str = EM
    curved: bool = False

    def landing(self, stage: Stage, there: Point) -> Landing:
        """Accept the step."""
        return Landing(self.then)


@dataclass(frozen=True)
class Extrapolation(Step):
    """A jump that is accepted if it raises the objective."""

    how: str = "squarem"

    def landing(self, stage: Stage, there: Point) -> Landing:
        """Accept the jump if it raises the objective; else take EM's step."""
        if there.objective > stage.here.objective:
            return Landing(self.then)
        return Landing(None, Step(stage.new, self.then))


@dataclass(frozen=True)
class Outlook:
    """What an accelerator proposes from a point.

    Attributes
    ----------
    jump : Jump
        The move to try first.
    left : float
        Distance to the limit in standard deviations of the complete data, where the rule knows it.
    leaves : bool
        Whether short steps mean that EM is leaving a saddle point rather than converging.
    """

    jump: Jump
    left: float = np.inf
    leaves: bool = False


class Accelerator(Protocol):
    """A rule for jumping ahead of EM. It is immutable: what it learns is in the next rule."""

    batch_steps: ClassVar[float]
    """Number of EM steps that cost a start as much as the rule's own way to its limit: as long as it is
    cheaper, the starts of a small problem make steps of EM together. 0 where the rule applies at once."""

    def outlook(self, stage: Stage) -> Outlook:
        """Return the move to try from here."""


@dataclass(frozen=True)
class Plain:
    """Plain EM."""

    batch_steps: ClassVar[float] = np.inf

    def outlook(self, stage: Stage) -> Outlook:
        """EM's own step."""
        return Outlook(Step(stage.new, self))


@dataclass(frozen=True)
class Squarem:
    """After every three steps, jump to where the last two point: quadratic extrapolation.

    Scheme 3 of Varadhan and Roland (2008), *Scandinavian Journal of Statistics* 35,
    with lengths in standard deviations of the complete data.

    Attributes
    ----------
    steps : int
        Steps since the last jump.
    """

    batch_steps: ClassVar[float] = 0.0
    steps: int = 0

    def outlook(self, stage: Stage) -> Outlook:
        """The extrapolated parameters, where there are any, or EM's step."""
        steps = self.steps + 1
        jump = None if stage.before is None or steps < 3 else _extrapolated(stage, stage.before.params)
        return Outlook(Step(stage.new, Squarem(steps)) if jump is None else Extrapolation(jump, Squarem()))


def _extrapolated(stage: Stage, before: Params) -> dict[str, Array] | None:
    """Extrapolate the parabola through three EM iterates, further the less the two steps differ."""
    problem, here, new = stage.problem, stage.here.params, stage.new
    straight = existing(problem, _along(before, here, new, 1.0, 0.0))
    if straight is None:
        return None
    with np.errstate(divide="ignore"):
        length = problem.spec.step_length(new, straight, stage.here.statistics.count)
        stretch = float(np.divide(stage.last, length))
    for _ in range(HALVINGS):
        if not 1 < stretch < np.inf:
            return None
        far = existing(problem, _along(before, here, new, 2 * stretch - 1, stretch**2))
        if far is not None:
            return far
        stretch = (1 + stretch) / 2
    return None


def _along(before: Params, params: Params, new: Params, ahead: float, bend: float) -> dict[str, Array]:
    """``params`` plus multiples of the step to them and of the difference of the two steps."""
    return {
        name: x + ahead * (x - before[name]) + bend * (new[name] - 2 * x + before[name])
        for name, x in params.items()
    }


def existing(problem: Problem, params: Params) -> dict[str, Array] | None:
    """Checked parameters with the held ones; None if they are outside the space or a cluster has no rows."""
    try:
        checked = problem.spec.check_params(params, problem.data.n_features)
    except InputError:
        return None
    shares = problem.spec.weights.shares(checked)
    alive = shares is None or (shares > 0).all()
    return {**checked, **problem.held} if alive and not problem.defects(checked) else None
