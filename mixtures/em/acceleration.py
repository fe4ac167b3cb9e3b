"""Jumps ahead of EM: plain EM makes none, SQUAREM extrapolates two steps."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixtures.em.problem import Point, Problem
from mixtures.errors import InputError
from mixtures.types import Array, Params

__all__ = ["ACCELERATORS", "Accelerator", "Plain", "Squarem"]

HALVINGS = 5
"""How often a jump to where there are no parameters is halved before it is given up."""


class Accelerator(Protocol):
    """A rule for jumping ahead of EM, as a value: what it remembers is in the value that follows."""

    def ahead(
        self, problem: Problem, before: Point | None, here: Point, new: Params, step: float
    ) -> tuple[Params | None, "Accelerator"]:
        """Where to try instead of ``new``, if anywhere, and the rule for the next iteration.

        ``before`` and ``here`` are the last two points, ``step`` is the length of the step between them.
        """


@dataclass(frozen=True)
class Plain:
    """EM as it is."""

    def ahead(
        self, problem: Problem, before: Point | None, here: Point, new: Params, step: float
    ) -> tuple[None, "Plain"]:
        """No jump."""
        return None, self


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

    def ahead(
        self, problem: Problem, before: Point | None, here: Point, new: Params, step: float
    ) -> tuple[Params | None, "Squarem"]:
        """The extrapolated parameters, where there are any."""
        steps = self.steps + 1
        if before is None or steps < 3:
            return None, Squarem(steps)
        jump = _extrapolated(problem, before.params, here, new, step)
        return jump, Squarem(steps if jump is None else 0)


ACCELERATORS: dict[str | None, Accelerator] = {None: Plain(), "squarem": Squarem()}
"""Accelerators by the name that `fit_em` takes."""


def _extrapolated(
    problem: Problem, before: Params, here: Point, new: Params, step: float
) -> dict[str, Array] | None:
    """The parabola through three points of EM, followed further the less its steps differ."""
    count = here.statistics.count
    straight = _existing(problem, _along(before, here.params, new, 1.0, 0.0))
    if straight is None:
        return None
    with np.errstate(divide="ignore"):
        stretch = float(np.divide(step, problem.spec.step_length(new, straight, count)))
    for _ in range(HALVINGS):
        if not 1 < stretch < np.inf:
            return None
        far = _existing(problem, _along(before, here.params, new, 2 * stretch - 1, stretch**2))
        if far is not None:
            return {**far, **problem.held}
        stretch = (1 + stretch) / 2
    return None


def _along(before: Params, params: Params, new: Params, ahead: float, bend: float) -> dict[str, Array]:
    """``params`` plus so much of the step to them, and of the difference of the two steps."""
    return {
        name: x + ahead * (x - before[name]) + bend * (new[name] - 2 * x + before[name])
        for name, x in params.items()
    }


def _existing(problem: Problem, params: Params) -> dict[str, Array] | None:
    """Checked parameters, if these are parameters at all and every cluster has rows."""
    try:
        checked = problem.spec.check_params(params, problem.data.n_features)
    except InputError:
        return None
    shares = problem.spec.weights.shares(checked)
    alive = shares is None or (shares > 0).all()
    return checked if alive and not problem.defects(checked) else None
