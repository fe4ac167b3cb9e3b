"""The way up from one start: EM, plain or accelerated, until nothing is left to climb."""

from typing import Any

import numpy as np

from mixtures.em.acceleration import extrapolated
from mixtures.em.natural import Kernel
from mixtures.em.problem import Problem, Run
from mixtures.errors import CollapseError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["ascend"]

EPS = float(np.finfo(float).eps)


def ascend(
    problem: Problem,
    kernel: Kernel | None,
    start: Params,
    tol: float,
    max_iter: int,
    trace: list[float],
    *,
    leap: bool = False,
) -> Run:
    """Iterate from one start until the distance left is below ``tol``, extending ``trace``.

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
    trace : list of float
        Objective so far, without that at the start.
    leap : bool, default False
        After every three steps, leap to where the last two point (SQUAREM); a
        leap that does not raise the objective is not taken.

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
    spec = problem.spec
    before = params = dict(start)
    trace, step_before, left_before = list(trace), np.nan, np.inf
    landing: dict[str, Array] | None = None  # where plain EM would be, while a leap is on trial
    plain = 0  # steps since the last leap
    terms_before = np.inf  # of a pass that may have been in another form, with other rounding
    _refuse_collapse(problem, params, params, trace)
    reached: tuple[dict[str, Array], float, int] | None = None  # what belongs together, for an interrupt
    try:
        while True:
            passed = problem.e_step(params, kernel, tol)
            log_prior = spec.log_prior(params)
            objective = passed.log_likelihood + log_prior
            if landing is not None and not objective > trace[-1]:
                params, landing = landing, None
                continue
            problem.refuse_impossible(passed, params)
            landing = None
            trace.append(objective)
            terms = passed.magnitude + abs(log_prior)
            if _fell(spec, trace, max(terms, terms_before), before, params):
                raise NonMonotoneError(
                    f"the EM objective fell from {trace[-2]:.12g} to {objective:.12g} "
                    f"at iteration {len(trace) - 1}",
                    before,
                    trace,
                )
            reached, terms_before = (params, passed.log_likelihood, len(trace)), terms
            new = problem.m_step(passed.statistics)
            _refuse_collapse(problem, new, params, trace)
            step = spec.step_length(new, params, passed.statistics.count)
            rate = step / step_before  # one step alone says nothing about it, two may meet on a plateau
            left = step / (1 - rate) if rate < 1 else np.inf
            stuck = step == 0 or (not rate < 1 and step <= _resolution(spec, new, passed.statistics))
            converged = stuck or max(left, left_before) < tol
            if converged or len(trace) > max_iter:
                return Run(params, passed.log_likelihood, trace, converged)
            plain += 1
            far = (
                extrapolated(problem, before, params, new, step_before, passed.statistics.count)
                if leap and plain > 2
                else None
            )
            if far is None:
                before, params, step_before, left_before = params, new, step, left
            else:
                landing, plain = new, 0
                before, params, step_before, left_before = params, far, np.nan, left
    except KeyboardInterrupt as error:
        if reached is None:
            raise
        params, log_likelihood, length = reached
        raise Interrupted(Run(params, log_likelihood, trace[:length], False)) from error


def _fell(spec: Mixture, heights: list[float], terms: float, *points: Params) -> bool:
    """Whether the last height is below the one before by more than rounding, of terms that add up to so much.

    Parameters are rounded too, which shows where a covariance is nearly singular or means are far from 0.
    """
    if len(heights) < 2 or heights[-1] >= heights[-2] - TOLERANCES.em_rounding * EPS * terms:
        return False
    moved = [spec.family.distance(spec.family.shaken(params, EPS), params).max() for params in points]
    grain = np.sqrt(2 * max(moved))  # what rounding does to a row's log density, in shares of it
    return not heights[-1] >= heights[-2] - TOLERANCES.em_rounding * grain * terms


def _resolution(spec: Mixture, params: Params, statistics: Any) -> float:
    """Length of a step that only rounding makes: steps so short no longer shrink."""
    shaken = {**spec.family.shaken(params, EPS), "alpha": params["alpha"] * (1 + EPS)}
    return TOLERANCES.em_rounding * spec.step_length(shaken, params, statistics.count)


def _refuse_collapse(problem: Problem, params: Params, before: Params, trace: list[float]) -> None:
    if defects := problem.defects(params):
        k, reason = next(iter(defects.items()))
        raise CollapseError(f"cluster {k} collapsed: {reason}", before, trace)
