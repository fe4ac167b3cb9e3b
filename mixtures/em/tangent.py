"""The EM map about a point: how fast EM moves in every direction, and where Newton's method would go.

In free coordinates u let M be the EM map and ``f = M(u) - u``. With J the derivative of the
natural parameters, C that of the sums in them and G that of the M-step in the sums,
``DM = G C J``. An M-step maximises ``Q = S . eta(u) + log prior(u)``, so ``G = I_com^-1 J'`` with
I_com its curvature, the information of the complete data; ``I_mis = J' C J`` is what is missing
of it, and ``I_obs = I_com - I_mis = I_com (I - DM)`` is the observed information
(Dempster, Laird and Rubin 1977; Louis 1982; Meng and Rubin 1991).

In the eigenvectors of I_mis relative to I_com, EM's step is ``c``, Newton's ``c / (1 - lambda)``;
lambda is the fraction of information that is missing, and above 1 at a saddle. Lengths are
in standard deviations of the complete data.

Where cells are missing, there are natural parameters and sums of each pattern of observed columns. The
M-step takes what is expected of the complete rows, which follows from the sums and, by the cells'
conditional distribution, from u. So DM is the difference of M-steps from ``S + C J du`` and ``u + du``; no
row is read for it. I_com is still the curvature of Q, and ``I_mis = I_com DM`` is what is missing with the
clusters and with the cells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, eigh

from mixtures.em.free import Chart, central_slopes
from mixtures.em.grouped import FastEStep
from mixtures.em.pattern_moments import SecondMoments
from mixtures.em.problem import Point, Problem
from mixtures.types import Array, Params

__all__ = ["Information", "Tangent", "information_at", "tangent_at", "unit_steps"]

STEP = 1e-5
"""Step of a difference, in standard deviations of one row: the error is its square."""


PILOT = 1e-7
"""Change of a coordinate by which its standard deviation is found."""


FLAT = 1e-7
"""An eigenvalue nearer to 1 is 1 up to rounding: steps there keep their length and have no limit."""


SADDLE = 1e-4
"""An eigenvalue that exceeds 1 by more than this is that of a saddle."""


MOST_GROWTH = 1e100
"""Largest factor by which a step is predicted to grow."""


LEAST, TINY = 1e-6, float(np.finfo(float).tiny)
"""Smallest share of a coordinate that the others leave undetermined; the least factor of a step."""


OUTWARDS = 10.0
"""More steps of EM at once, of coordinates so near a boundary that they are taken to end there."""


MOST_STEPS, GRID, GRIDS = 1e6, 60, 2
"""Steps of EM at once at most, where they do not end at a limit; points at which their number is sought, and
how often."""


@dataclass(frozen=True, eq=False)
class Information:
    """Information of the complete data and what is missing of it, in free coordinates.

    Attributes
    ----------
    inside : ndarray of bool, shape (all,)
        The coordinates in question: those on no boundary.
    complete, missing : ndarray, shape (q, q)
        I_com at the point that EM goes to, and I_mis.
    """

    inside: np.ndarray
    complete: Array
    missing: Array

    @property
    def observed(self) -> Array:
        """I_obs; minus the second derivative of the objective, at a mode."""
        return self.complete - self.missing


@dataclass(frozen=True, eq=False)
class Tangent:
    """The EM map about a point, in the eigenvectors of its derivative.

    Attributes
    ----------
    chart : Chart
        Free coordinates.
    u, ahead : ndarray, shape (all,)
        The point, and where EM goes.
    inside : ndarray of bool, shape (all,)
        The coordinates in question; the others go where EM goes.
    missing : ndarray, shape (q,)
        Fractions of missing information, lambda, in ascending order.
    directions, across : ndarray, shape (q, q)
        Eigenvectors as columns, one standard deviation of the complete data long, and their inverse.
    step : ndarray, shape (q,)
        EM's step along them.
    """

    chart: Chart
    u: Array
    ahead: Array
    inside: np.ndarray
    missing: Array
    directions: Array
    across: Array
    step: Array

    @property
    def left(self) -> float:
        """Length of Newton's step: the distance to the fixed point, near it."""
        apart = np.abs(1 - self.missing)
        return float(np.linalg.norm(np.where(apart < FLAT, 1.0, 1 / np.maximum(apart, FLAT)) * self.step))

    @property
    def by_em(self) -> float:
        """Length of EM's step."""
        return float(np.linalg.norm(self.step))

    @property
    def is_saddle(self) -> bool:
        """Whether the objective curves up in some direction."""
        return bool(self.missing[-1] > 1 + SADDLE)

    def length(self, steps: float) -> float:
        """Length of a number of EM steps together."""
        return float(np.linalg.norm(self._along(steps)))

    def steps_within(self, radius: float) -> float:
        """Number of steps of EM, at least one, that reach this distance; infinite if none do."""
        if self.missing[-1] < 1 - FLAT and self.length(np.inf) <= radius:
            return np.inf
        low, high = 0.0, float(np.log(MOST_STEPS))
        for _ in range(GRIDS):
            grid = np.linspace(low, high, GRID)
            beyond = np.linalg.norm(self._along(np.exp(grid)[:, None]), axis=-1) > radius
            if not beyond.any():
                return MOST_STEPS
            first = max(1, int(np.argmax(beyond)))
            low, high = grid[first - 1], grid[first]
        return float(np.exp(low))

    def after(self, steps: float) -> dict[str, Array]:
        """Parameters after a number of EM steps; coordinates on a boundary go on towards it."""
        return self.displaced(self._along(steps))

    def displaced(self, along: Array) -> dict[str, Array]:
        """Parameters at this displacement from the point along the eigenvectors."""
        outwards = np.isfinite(self.ahead) & (np.abs(self.ahead) > np.abs(self.u))
        there = self.ahead.copy()
        there[outwards] += OUTWARDS * (self.ahead[outwards] - self.u[outwards])
        there[self.inside] = self.u[self.inside] + self.directions @ along
        return self.chart.params(there)

    def rise(self, steps: float) -> float:
        """The predicted rise of the objective over a number of EM steps."""
        along = self._along(steps)
        return float(self.step @ along - ((1 - self.missing) * along**2).sum() / 2)

    def surprise(self, steps: float, there: Params, new: Params) -> float:
        """Distance of EM's step at the end of a jump from the one predicted there, relative to the jump.

        The difference is that of the distances that the two steps predict (Deuflhard 2004, *Newton
        Methods for Nonlinear Problems*, section 3.2).
        """
        try:
            ahead, u = (self.chart.free(params)[self.inside] for params in (new, there))
        except LinAlgError:  # a cluster is about to collapse
            return np.inf
        if not np.isfinite(ahead).all():
            return np.inf
        found = self.across @ (ahead - u)
        error = found - self.step * self._power(steps)
        stretch = np.minimum(self._stretch(steps), steps)
        return float(np.linalg.norm(stretch * error) / self.length(steps))

    def _power(self, steps: Any) -> Array:
        """Factor of EM's step after a number of steps; bounded so that its square is finite."""
        with np.errstate(over="ignore"):
            return np.minimum(np.maximum(self.missing, TINY) ** steps, MOST_GROWTH)

    def _stretch(self, steps: Any) -> Array:
        """The sum of m steps of EM over the first, ``(1 - lambda^m) / (1 - lambda)``."""
        apart = 1 - self.missing
        flat = np.abs(apart) < FLAT
        return np.where(
            flat, np.minimum(steps, MOST_STEPS), (1 - self._power(steps)) / np.where(flat, 1.0, apart)
        )

    def _along(self, steps: Any) -> Array:
        return np.asarray(self.step * self._stretch(steps))


def tangent_at(problem: Problem, kernel: FastEStep, here: Point, new: Params, tol: float) -> Tangent | None:
    """The EM map about a point from which EM goes to ``new``; None where there is no natural form."""
    chart = Chart(problem, kernel.family, *kernel.units, here.params)
    pass_ = kernel.curvature(here.params, tol) if here.curvature is None else here.curvature
    found = None if pass_ is None else information_at(chart, kernel, here.params, new, pass_)
    if found is None:
        return None
    u, ahead, inside = chart.free(here.params), chart.free(new), found.inside
    with np.errstate(all="ignore"):
        try:
            missing, directions = eigh(found.missing, found.complete)
        except (LinAlgError, ValueError):  # no maximum of the M-step's objective, for rounding
            return None
    across = directions.T @ found.complete
    return Tangent(chart, u, ahead, inside, missing, directions, across, across @ (ahead[inside] - u[inside]))


def information_at(
    chart: Chart, kernel: FastEStep, params: Params, new: Params, pass_: SecondMoments
) -> Information | None:
    """Information at parameters with this pass, from which EM goes to ``new``.

    None next to a collapse, where a change of the sums has no M-step.
    """
    inside = chart.interior(params, new)
    if not inside.any():
        return None
    u, places = chart.free(params), np.flatnonzero(inside)
    if not np.isfinite(u[inside]).all():
        return None
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused by the caller
            steps = unit_steps(chart, u, places, pass_.passed.statistics.count, STEP)
            moved = chart.both_ways(u, places, steps)
            J = central_slopes(kernel.natural(moved), steps)
            changes, squares = _changes(J, pass_)
            largest = pass_.passed.statistics.count.sum() * (STEP / steps) ** 2  # if all rows informed of it
            scale = np.minimum(1, largest / np.diag(squares))  # so that no change moves the M-step far
            changes, squares = changes * _along_first(scale, changes), squares * scale[:, None]
            held = {name: x[None] for name, x in params.items()}
            answers = _slopes_of_m_step(chart, kernel, held, pass_.sums, changes, steps)[:, inside]
            complete = np.linalg.solve(answers, squares)  # answers are squares times the inverse of I_com
            lost = pass_.changed(J)
            if kernel.n_patterns:  # DM, as what is expected of the missing cells changes too
                slopes = _slopes_of_m_step(chart, kernel, moved, pass_.sums, lost, steps)[:, inside]
                missing = complete @ slopes.T
            else:
                missing = lost.reshape(len(J), -1) @ J.reshape(len(J), -1).T
    except LinAlgError:  # a cluster is about to collapse
        return None
    return Information(inside, _symmetric(complete), _symmetric(missing))


def _changes(J: Array, pass_: SecondMoments) -> tuple[Array, Array]:
    """Changes of the sums (q, ...) with which the M-step is differentiated, and their effect along J (q, q).

    They are those of rows whose weights are tilted by their scores. Where a cluster has
    fewer rows than coordinates these do not reach all; independent features would.
    """
    flat, changes = J.reshape(len(J), -1), pass_.tilted(J)
    squares = flat @ changes.reshape(flat.shape).T
    scale = 1 / np.sqrt(np.diag(squares))
    try:
        np.linalg.cholesky(squares * scale * scale[:, None] - LEAST * np.eye(len(squares)))
    except LinAlgError:
        changes = changes + pass_.spread * J
        squares = flat @ changes.reshape(flat.shape).T
    return changes, squares


def unit_steps(chart: Chart, u: Array, places: np.ndarray, count: Array, length: float) -> Array:
    """Changes of the coordinates at these positions, of one length in standard deviations of one row.

    ``count (K,)`` is the expected rows of each cluster.
    """
    moved = np.repeat(u[None], len(places), axis=0)
    moved[np.arange(len(places)), places] += PILOT
    apart = chart.family.distance(chart.params(moved), chart.params(u)) @ (count / count.sum())
    return length / np.sqrt(1 + apart / PILOT**2)


def _slopes_of_m_step(
    chart: Chart, kernel: FastEStep, params: Params, sums: Array, along: Array, steps: Array
) -> Array:
    """Derivative (q, all) of the M-step's coordinates, along changes of sums and of parameters."""
    change = along * _along_first(steps, along)
    new = chart.problem.m_step(kernel.expected(params, sums + np.concatenate([change, -change])))
    return central_slopes(chart.free(new), steps)  # not a number on a boundary


def _along_first(steps: Array, like: Array) -> Array:
    return steps.reshape(-1, *[1] * (like.ndim - 1))


def _symmetric(a: Array) -> Array:
    return (a + a.T) / 2
