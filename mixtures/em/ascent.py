"""EM from one start: iterations, plain or accelerated, until what is left is too short to matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.em.acceleration import Accelerator, Plain
from mixtures.em.kernel import Kernel
from mixtures.em.problem import Point, Problem, Run
from mixtures.errors import CollapseError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES
from mixtures.types import Params

__all__ = ["Pace", "ascend"]

EPS = float(np.finfo(float).eps)


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


def ascend(
    problem: Problem,
    kernel: Kernel | None,
    start: Params,
    tol: float,
    max_iter: int,
    trace: Sequence[float] = (),
    *,
    accelerator: Accelerator = Plain(),  # noqa: B008 (a frozen value)
) -> Run:
    """Iterate from one start until the distance left is below ``tol``.

    Params, log-likelihood and the end of the trace belong together: the last
    M-step only measures how far there is to go.

    Parameters
    ----------
    problem : Problem
        What is maximised.
    kernel : Kernel or None
        The fast E-step, if there is one.
    start : dict of ndarray
        Checked parameters.
    tol : float
        Distance to the limit at which to stop, in standard deviations of the complete data.
    max_iter : int
        Length that the trace may reach, less one.
    trace : sequence of float
        Objective so far, without that at the start.
    accelerator : Plain or Squarem
        Whether to jump ahead of EM; a jump that does not raise the objective is not made.

    Returns
    -------
    Run
        Parameters, log-likelihood, the trace, and whether it converged.

    Raises
    ------
    CollapseError
        If a cluster becomes degenerate.
    NonMonotoneError
        If the objective falls by more than rounding.
    Interrupted
        At Ctrl-C once there is an objective; carries the run so far.
    """
    trace = list(trace)
    pace, before, reached = Pace(), None, None
    _refuse_collapse(problem, start, start, trace)
    try:
        here = problem.point(start, kernel, tol)
        while True:
            problem.refuse_impossible(here)
            trace.append(here.objective)
            _refuse_fall(problem.spec, before, here, trace)
            reached = here, len(trace)
            new = problem.m_step(here.statistics)
            _refuse_collapse(problem, new, here.params, trace)
            last, pace = pace, pace.after(problem.spec.step_length(new, here.params, here.statistics.count))
            arrived = pace.has_arrived(tol) or _only_rounding(problem.spec, pace, new, here.statistics)
            if arrived or len(trace) > max_iter:
                return Run(here.params, here.log_likelihood, trace, arrived)
            jump, accelerator = accelerator.ahead(problem, before, here, new, last.step)
            trial = None if jump is None else problem.point(jump, kernel, tol)
            pace = pace if trial is None else pace.after_jump()
            if trial is None or not trial.objective > here.objective:
                trial = problem.point(new, kernel, tol)
            before, here = here, trial
    except KeyboardInterrupt as error:
        if reached is None:
            raise
        point, length = reached
        raise Interrupted(Run(point.params, point.log_likelihood, trace[:length], False)) from error


def _refuse_fall(spec: Mixture, before: Point | None, here: Point, trace: Sequence[float]) -> None:
    """The guarantee of EM: the objective does not fall by more than the rounding of its terms.

    Parameters are rounded too, which shows where a covariance is nearly singular or means are far from 0.
    """
    if before is None:
        return
    terms = max(before.magnitude, here.magnitude)
    if here.objective >= before.objective - TOLERANCES.em_rounding * EPS * terms:
        return
    points = (before.params, here.params)
    moved = [spec.family.distance(spec.family.perturbed(params, EPS), params).max() for params in points]
    grain = np.sqrt(2 * max(moved))  # what rounding does to a row's log density, relative to it
    if not here.objective >= before.objective - TOLERANCES.em_rounding * grain * terms:
        raise NonMonotoneError(
            f"the EM objective fell from {before.objective:.12g} to {here.objective:.12g} "
            f"at iteration {len(trace) - 1}",
            before.params,
            trace,
        )


def _only_rounding(spec: Mixture, pace: Pace, params: Params, statistics: Any) -> bool:
    """Whether steps no longer shrink because they are as short as rounding makes them."""
    if np.isfinite(pace.left):
        return False
    rounded = spec.step_length(spec.perturbed(params, EPS), params, statistics.count)
    return pace.step <= TOLERANCES.em_rounding * rounded


def _refuse_collapse(problem: Problem, params: Params, before: Params, trace: Sequence[float]) -> None:
    if defects := problem.defects(params):
        k, reason = next(iter(defects.items()))
        raise CollapseError(f"cluster {k} collapsed: {reason}", before, trace)
