"""Jumps ahead of EM: plain EM makes none, SQUAREM extrapolates two steps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixtures.em.kernel import Kernel
from mixtures.em.pace import Pace
from mixtures.em.problem import Point, Problem
from mixtures.errors import InputError
from mixtures.types import Array, Params

__all__ = ["EM", "Accelerator", "Jump", "Outlook", "Plain", "Squarem", "Stage", "existing"]

EM = "em"
"""Name of EM's own step in the record of a run."""


HALVINGS = 5
"""Number of times that a jump outside the parameter space is halved before it is given up."""


@dataclass(frozen=True)
class Stage:
    """State of an ascent before its next move.

    Attributes
    ----------
    problem, kernel, tol : Problem, Kernel or None, float
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
    kernel: Kernel | None
    tol: float
    before: Point | None
    here: Point
    new: Params
    pace: Pace
    last: float


@dataclass(frozen=True)
class Jump:
    """One way to move.

    Attributes
    ----------
    params : dict of ndarray
        Where to.
    how : str
        Its name in the record of the run.
    then : Accelerator
        The rule for the next iteration, if this jump is made.
    slack : float
        By how much the objective may seem to fall: by rounding, where the rise is less than that.
    """

    params: Params
    how: str
    then: "Accelerator"
    slack: float = 0.0

    @property
    def is_em(self) -> bool:
        """Whether this is EM's own step."""
        return self.how == EM


@dataclass(frozen=True)
class Outlook:
    """Moves that an accelerator proposes from a point.

    Attributes
    ----------
    jumps : iterable of Jump
        Ways to move, the longest first, EM's own step last; each is computed only when it is tried.
    left : float
        Distance to the limit in standard deviations of the complete data, where the rule knows it.
    is_saddle : bool
        Whether the limit is a saddle, where EM would stop without a maximum.
    """

    jumps: Iterable[Jump]
    left: float = np.inf
    is_saddle: bool = False


class Accelerator(Protocol):
    """A rule for jumping ahead of EM. It is a value: its memory is in the rule for the next iteration."""

    def outlook(self, stage: Stage) -> Outlook:
        """Return the moves to try from here."""


@dataclass(frozen=True)
class Plain:
    """EM as it is."""

    def outlook(self, stage: Stage) -> Outlook:
        """EM's own step."""
        return Outlook([Jump(stage.new, EM, self)])


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

    steps: int = 0

    def outlook(self, stage: Stage) -> Outlook:
        """The extrapolated parameters, where there are any, then EM's step."""
        return Outlook(self._jumps(stage))

    def _jumps(self, stage: Stage) -> Iterator[Jump]:
        steps = self.steps + 1
        jump = None if stage.before is None or steps < 3 else _extrapolated(stage, stage.before.params)
        after = Squarem(steps if jump is None else 0)
        if jump is not None:
            yield Jump(jump, "squarem", after)
        yield Jump(stage.new, EM, after)


def _extrapolated(stage: Stage, before: Params) -> dict[str, Array] | None:
    """The parabola through three points of EM, followed further the less its steps differ."""
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
    """``params`` plus so much of the step to them, and of the difference of the two steps."""
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
