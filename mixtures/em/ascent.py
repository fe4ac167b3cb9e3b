"""EM from one start: iterations, plain or accelerated, until the remaining distance is below a tolerance."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mixtures.em.acceleration import Accelerator, Jump, Plain, Stage
from mixtures.em.kernel import Kernel
from mixtures.em.pace import Pace
from mixtures.em.problem import Point, Problem, Run
from mixtures.errors import CollapseError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES
from mixtures.types import Params

__all__ = ["ascend"]

EPS = float(np.finfo(float).eps)


def ascend(
    problem: Problem,
    kernel: Kernel | None,
    start: Params,
    tol: float,
    max_iter: int,
    trace: Sequence[float] = (),
    *,
    steps: Sequence[str] = (),
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
    steps : sequence of str
        Kind of every iteration so far.
    accelerator : Accelerator
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
    trace, steps = list(trace), list(steps)
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
            step = float(problem.spec.step_length(new, here.params, here.statistics.count))
            last, pace = pace, pace.after(step)
            outlook = accelerator.outlook(Stage(problem, kernel, tol, before, here, new, pace, last.step))
            near = outlook.left < tol or pace.has_arrived(tol)
            arrived = (
                near or _only_rounding(problem.spec, pace, new, here.statistics)
            ) and not outlook.is_saddle
            if arrived or len(trace) > max_iter:
                return Run(here.params, here.log_likelihood, trace, arrived, tuple(steps), accelerator)
            jump, there = _first_rise(problem, kernel, tol, here, outlook.jumps)
            accelerator, pace = jump.then, pace if jump.is_em else pace.after_jump()
            steps.append(jump.how)
            before, here = here, there
    except KeyboardInterrupt as error:
        if reached is None:
            raise
        point, length = reached
        partial = Run(point.params, point.log_likelihood, trace[:length], False, tuple(steps[: length - 1]))
        raise Interrupted(partial) from error


def _first_rise(
    problem: Problem, kernel: Kernel | None, tol: float, here: Point, jumps: Iterable[Jump]
) -> tuple[Jump, Point]:
    """Return the first jump that raises the objective; the last is EM's own step, which always does."""
    for jump in jumps:
        there = problem.point(jump.params, kernel, tol)
        if jump.is_em or there.objective > here.objective - jump.slack:
            return jump, there
    raise AssertionError("no jump is EM's own step")


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
    return pace.step <= TOLERANCES.em_rounding * float(rounded)


def _refuse_collapse(problem: Problem, params: Params, before: Params, trace: Sequence[float]) -> None:
    if defects := problem.defects(params):
        k, reason = next(iter(defects.items()))
        raise CollapseError(f"cluster {k} collapsed: {reason}", before, trace)
