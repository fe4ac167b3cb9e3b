"""EM from one start: iterations, plain or accelerated, until the remaining distance is below a tolerance."""

from collections.abc import Sequence

import numpy as np

from mixtures.em.acceleration import EM, Accelerator, Jump, Plain, Stage
from mixtures.em.grouped import FastEStep
from mixtures.em.pace import Pace, only_rounding
from mixtures.em.problem import Point, Problem, Run
from mixtures.errors import CollapseError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES
from mixtures.types import EPS, Params

__all__ = ["ascend"]


def ascend(
    problem: Problem,
    kernel: FastEStep | None,
    start: Params,
    tol: float,
    max_iter: int,
    trace: Sequence[float] = (),
    *,
    steps: Sequence[str] = (),
    accelerator: Accelerator = Plain(),  # noqa: B008 (a frozen value)
) -> Run:
    """Iterate from one start until the distance left is below ``tol``.

    Parameters, log-likelihood and the end of the trace are of one point: the
    last M-step only measures the distance that is left.

    Parameters
    ----------
    problem : Problem
        What is maximised.
    kernel : FastEStep or None
        The fast E-step, if there is one.
    start : dict of ndarray
        Checked parameters.
    tol : float
        Distance to the limit at which to stop, in standard deviations of the complete data.
    max_iter : int
        Largest number of iterations, those in ``trace`` included.
    trace : sequence of float
        Objective after each iteration so far, without that at the start.
    steps : sequence of str
        Kind of every iteration so far.
    accelerator : Accelerator
        Whether to jump ahead of EM; a jump that does not raise the objective is rejected.

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
            stage = Stage(problem, kernel, tol, before, here, new, pace, last.step)
            outlook = accelerator.outlook(stage)
            near = outlook.left < tol or pace.has_arrived(tol)
            arrived = (
                near or only_rounding(problem.spec, pace, new, here.statistics.count)
            ) and not outlook.leaves
            if arrived or len(trace) > max_iter:
                return Run(here.params, here.log_likelihood, trace, arrived, tuple(steps), accelerator)
            jump, accelerator, there = _moved(stage, outlook.jump)
            pace = pace if jump.how == EM else pace.after_jump()
            steps.append(jump.how)
            before, here = here, there
    except KeyboardInterrupt as error:
        if reached is None:
            raise
        point, length = reached
        partial = Run(point.params, point.log_likelihood, trace[:length], False, tuple(steps[: length - 1]))
        raise Interrupted(partial) from error


def _moved(stage: Stage, jump: Jump) -> tuple[Jump, Accelerator, Point]:
    """Try the jump and its alternatives until one is accepted; the last is EM's own step."""
    while True:
        there = stage.problem.point(jump.params, stage.kernel, stage.tol, curved=jump.curved)
        landing = jump.landing(stage, there)
        if landing.then is not None:
            return jump, landing.then, there
        assert landing.instead is not None
        jump = landing.instead


def _refuse_fall(spec: Mixture, before: Point | None, here: Point, trace: Sequence[float]) -> None:
    """The guarantee of EM: the objective does not fall by more than the rounding of its terms.

    Rounding of the parameters counts too: it matters for nearly singular covariances, means far from 0 and
    strong priors.
    """
    if before is None:
        return
    terms = max(before.magnitude, here.magnitude)
    if here.objective >= before.objective - TOLERANCES.em_rounding * EPS * terms:
        return
    points = (before.params, here.params)
    moved = [spec.family.distance(spec.family.perturbed(params, EPS), params).max() for params in points]
    relative = np.sqrt(2 * max(moved))  # what rounding does to a row's log density, relative to it
    rounding = relative * terms + max(_prior_noise(spec, params) for params in points)
    if not here.objective >= before.objective - TOLERANCES.em_rounding * rounding:
        raise NonMonotoneError(
            f"the EM objective fell from {before.objective:.12g} to {here.objective:.12g} "
            f"at iteration {len(trace) - 1}",
            before.params,
            trace,
        )


def _prior_noise(spec: Mixture, params: Params) -> float:
    """How much the log prior varies where parameters differ by rounding: its large terms may cancel."""
    with np.errstate(invalid="ignore"):  # of probabilities beyond 1
        nearby = [float(spec.log_prior(spec.perturbed(params, by * EPS))) for by in (-2, -1, 0, 1, 2)]
    return float(np.ptp(nearby)) if np.isfinite(nearby).all() else 0.0


def _refuse_collapse(problem: Problem, params: Params, before: Params, trace: Sequence[float]) -> None:
    if defects := problem.defects(params):
        k, reason = next(iter(defects.items()))
        raise CollapseError(f"cluster {k} collapsed: {reason}", before, trace)
