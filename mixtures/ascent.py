"""The way up from one start: EM, plain or accelerated, until nothing is left to climb."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixtures.errors import CollapseError, InputError, NonMonotoneError
from mixtures.estep import Assign, EStep, e_step, hard_assignment, worst_rows
from mixtures.families.assignment import NO_DENSITY
from mixtures.families.mixture import Mixture, Params
from mixtures.interrupts import Interrupted
from mixtures.kernel import Kernel
from mixtures.priors import Array
from mixtures.rows import Rows
from mixtures.tolerances import TOLERANCES

__all__ = ["Problem", "Run", "ascend"]

EPS = float(np.finfo(float).eps)

SHORTER = 5
"""How often a leap to where there are no parameters is halved before it is given up."""


@dataclass(frozen=True)
class Problem:
    """What is maximised: a model on data, with parameters held and rows shared out softly or not."""

    spec: Mixture
    data: Rows
    scale: Array
    held: dict[str, Array]
    assign: Assign

    @property
    def may_collapse(self) -> bool:
        """A likelihood is unbounded only while all the components' parameters are free."""
        return not self.held.keys() & set(self.spec.family.dims)

    def check(self, params: Params) -> dict[str, Array]:
        """Parameters of a user's, with those held put in."""
        merged = {**params, **self.held} if isinstance(params, Mapping) else params
        return self.spec.check_params(merged, self.data.n_features)

    def e_step(self, params: Params, kernel: Kernel | None = None, tol: float = 0.0) -> EStep:
        """One pass over the data, by the kernel where it is good to ``tol``."""
        passed = None if kernel is None else kernel.e_step(params, tol)
        if passed is not None:
            return passed
        passed = e_step(self.spec, self.data, params, self.assign)
        if self.assign is hard_assignment and not passed.statistics.count.all():
            return self._without_empty_clusters(passed, params)
        return passed

    def refuse_impossible(self, passed: EStep, params: Params) -> None:
        """Refuse parameters under which some row is impossible: the objective has no value there."""
        if passed.log_likelihood > -np.inf:
            return
        row = worst_rows(self.spec, self.data, params, 1)[0]
        raise InputError(
            f"at these parameters row {str(row.label)[:80]} is {NO_DENSITY}: move what is given (start, "
            "hold or params) nearer to the data, or off the boundary, such as p of exactly 0 or 1"
        )

    def m_step(self, statistics: Any) -> dict[str, Array]:
        """Parameters that the statistics make best, but for those held."""
        return {**self.spec.maximize(statistics), **self.held}

    def height(self, passed: EStep, params: Params) -> float:
        """Objective at the parameters of a pass."""
        return passed.log_likelihood + self.spec.log_prior(params)

    def defects(self, params: Params) -> dict[int, str]:
        """Clusters that have collapsed, each with the reason."""
        return self.spec.family.defects(params, self.scale) if self.may_collapse else {}

    def _without_empty_clusters(self, passed: EStep, params: Params) -> EStep:
        """Move the row that is explained worst into every empty cluster, as K-means does, if it is a gain."""
        family, statistics = self.spec.family, passed.statistics
        empty = np.flatnonzero(statistics.count == 0)
        worst = worst_rows(self.spec, self.data, params, len(empty))
        for cluster, row in zip(empty, worst, strict=False):
            move = np.zeros((self.spec.n_components, 1))
            move[cluster], move[row.cluster] = row.weight, -row.weight
            statistics = statistics + family.statistics(row.values[:, None], move)
        new = self.m_step(statistics)
        if self.defects(new):
            return passed
        after = e_step(self.spec, self.data, new, self.assign)
        is_gain = self.height(after, new) > self.height(passed, params)
        return replace(passed, statistics=statistics) if is_gain else passed


@dataclass(frozen=True)
class Run:
    """Where one start has come to."""

    params: dict[str, Array]
    log_likelihood: float
    trace: list[float]
    converged: bool


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


def extrapolated(
    problem: Problem, before: Params, params: Params, new: Params, step: float, count: Array
) -> dict[str, Array] | None:
    """Where two steps of EM point: quadratic extrapolation, its length from how little they differ.

    Scheme 3 of Varadhan and Roland (2008), *Scandinavian Journal of Statistics* 35,
    with lengths in standard deviations of the complete data.
    """
    straight = _existing(problem, _along(before, params, new, 1.0, 0.0))
    if straight is None:
        return None
    with np.errstate(divide="ignore"):
        stretch = np.divide(step, problem.spec.step_length(new, straight, count))
    for _ in range(SHORTER):
        if not 1 < stretch < np.inf:
            return None
        far = _existing(problem, _along(before, params, new, 2 * stretch - 1, stretch**2))
        if far is not None:
            return {**far, **problem.held}
        stretch = (1 + stretch) / 2
    return None


def _along(before: Params, params: Params, new: Params, ahead: float, bend: float) -> dict[str, Array]:
    """``params`` and so much of the last step, and of what it changed by since."""
    return {
        name: x + ahead * (x - before[name]) + bend * (new[name] - 2 * x + before[name])
        for name, x in params.items()
    }


def _existing(problem: Problem, params: Params) -> dict[str, Array] | None:
    """Checked parameters, if numbers are such with every cluster alive."""
    try:
        checked = problem.spec.check_params(params, problem.data.n_features)
    except InputError:
        return None
    alive = (checked["alpha"] > 0).all() and not problem.defects(checked)
    return checked if alive else None


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
