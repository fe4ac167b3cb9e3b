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
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, eigh

from mixtures.em.curvature import Curvature
from mixtures.em.free import Chart
from mixtures.em.kernel import Kernel
from mixtures.em.problem import Point, Problem
from mixtures.types import Array, Params

__all__ = ["Information", "Tangent", "information_at", "tangent_at"]

STEP = 1e-5
"""Length of a difference, in standard deviations of one row: its error is the square of it."""


PILOT = 1e-7
"""Change of a coordinate by which its standard deviation is found."""


FLAT = 1e-7
"""An eigenvalue nearer to 1 tells nothing of the distance to go, for rounding: EM's step is taken there."""


SADDLE = 1e-4
"""An eigenvalue by so much more than 1 is that of a saddle."""


LEAST, TINY = 1e-8, float(np.finfo(float).tiny)
"""Share of a coordinate that the others must leave open; a number to divide by instead of 0."""


OUTWARDS = 10.0
"""More steps of EM at once, of coordinates so near a boundary that they are taken to end there."""


HALVINGS = 50
"""Halvings of the logarithm of what a step is damped by."""


@dataclass(frozen=True, eq=False)
class Information:
    """Information of the complete data and what is missing of it, in free coordinates.

    Attributes
    ----------
    inside : ndarray of bool, shape (all,)
        The coordinates that this is about: those on no boundary.
    complete, missing : ndarray, shape (q, q)
        I_com at the point that EM goes to, and ``I_mis = J' C J``.
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
        Coordinates that this is about; the others go where EM goes.
    missing : ndarray, shape (q,)
        Fractions of missing information, lambda, in ascending order.
    directions : ndarray, shape (q, q)
        Eigenvectors as columns, one standard deviation of the complete data long.
    step : ndarray, shape (q,)
        EM's step along them.
    """

    chart: Chart
    u: Array
    ahead: Array
    inside: np.ndarray
    missing: Array
    directions: Array
    step: Array

    @property
    def left(self) -> float:
        """Length of Newton's step: the distance to the limit, near it."""
        return self._length(FLAT)

    @property
    def by_em(self) -> float:
        """Length of EM's step."""
        return float(np.linalg.norm(self.step))

    @property
    def rise(self) -> float:
        """By how much Newton's step is to raise the objective."""
        return float((self.step**2 * self._stretch(FLAT)).sum() / 2)

    @property
    def is_saddle(self) -> bool:
        """Whether the objective curves up in some direction."""
        return bool(self.missing[-1] > 1 + SADDLE)

    def within(self, radius: float) -> dict[str, Array]:
        """Newton's step damped to this length, but no shorter than EM's, as parameters.

        Coordinates on a boundary go on towards it.
        """
        low, high = FLAT, 1.0
        if self._length(low) > radius:
            for _ in range(HALVINGS):
                middle = np.sqrt(low * high)
                low, high = (middle, high) if self._length(middle) > radius else (low, middle)
            low = high
        return self._moved(self.step * self._stretch(low))

    def off_the_saddle(self, by: float) -> dict[str, Array]:
        """A step of this length along the direction in which the objective curves up most."""
        along = np.zeros_like(self.step)
        along[-1] = by if self.step[-1] >= 0 else -by
        return self._moved(along)

    def _stretch(self, least: float) -> Array:
        """Newton's step over EM's along each direction, what it is divided by bounded from below."""
        apart = np.abs(1 - self.missing)
        return np.where(apart < FLAT, 1.0, 1 / np.maximum(apart, least))

    def _length(self, least: float) -> float:
        return float(np.linalg.norm(self.step * self._stretch(least)))

    def _moved(self, along: Array) -> dict[str, Array]:
        outwards = np.isfinite(self.ahead) & (np.abs(self.ahead) > np.abs(self.u))
        there = self.ahead.copy()
        there[outwards] += OUTWARDS * (self.ahead[outwards] - self.u[outwards])
        there[self.inside] = self.u[self.inside] + self.directions @ along
        return self.chart.params(there)


def tangent_at(problem: Problem, kernel: Kernel, here: Point, new: Params, tol: float) -> Tangent | None:
    """The EM map about a point from which EM goes to ``new``; None where there is no natural form."""
    chart = Chart(problem, kernel.family, *kernel.units, here.params)
    found = information_at(chart, kernel, here.params, new, tol)
    if found is None:
        return None
    u, ahead, inside = chart.free(here.params), chart.free(new), found.inside
    with np.errstate(all="ignore"):
        try:
            missing, directions = eigh(found.missing, found.complete)
        except (LinAlgError, ValueError):  # no maximum of the M-step's objective, for rounding
            return None
    step = directions.T @ found.complete @ (ahead[inside] - u[inside])
    return Tangent(chart, u, ahead, inside, missing, directions, step)


def information_at(
    chart: Chart, kernel: Kernel, params: Params, new: Params, tol: float
) -> Information | None:
    """Information at parameters from which EM goes to ``new``; None where there is no natural form.

    Nor is there any next to a collapse, where a change of the sums has no M-step.
    """
    pass_ = kernel.curvature(params, tol)
    inside = chart.interior(params, new)
    if pass_ is None or not inside.any():
        return None
    u, places = chart.free(params), np.flatnonzero(inside)
    if not np.isfinite(u[inside]).all():
        return None
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused by the caller
            steps = _steps(chart, u, places, pass_)
            J = _slopes_of_natural(chart, kernel, u, places, steps)
            flat = J.reshape(len(J), -1)
            missing = flat @ pass_.missing.reshape(flat.shape[1], -1) @ flat.T
            changes, squares = _changes(J, pass_)
            answers = _slopes_of_m_step(chart, pass_.complete[:, 0], changes, steps)[:, inside]
            complete = np.linalg.solve(answers, squares)  # answers are squares times the inverse of I_com
    except LinAlgError:  # a cluster is about to collapse
        return None
    return Information(inside, _symmetric(complete), _symmetric(missing))


def _changes(J: Array, pass_: Curvature) -> tuple[Array, Array]:
    """Changes of the sums (q, K, P) by which the M-step is told, and what they come to along J (q, q).

    They are those of rows whose weights are tilted by their scores. Where a cluster has
    fewer rows than coordinates these do not reach all; independent features would.
    """
    moments, flat = pass_.complete, J.reshape(len(J), -1)
    changes = (J.swapaxes(0, 1) @ moments).swapaxes(0, 1)
    squares = flat @ changes.reshape(flat.shape).T
    scale = 1 / np.sqrt(np.diag(squares))
    try:
        np.linalg.cholesky(squares * scale * scale[:, None] - LEAST * np.eye(len(squares)))
    except LinAlgError:
        sums = moments[:, 0]
        spread = np.diagonal(moments, axis1=1, axis2=2) - sums**2 / np.maximum(sums[:, :1], TINY)
        changes = changes + spread * J
        squares = flat @ changes.reshape(flat.shape).T
    return changes, squares


def _steps(chart: Chart, u: Array, places: np.ndarray, pass_: Curvature) -> Array:
    """Changes of the coordinates at these places that are of one length, that of the differences."""
    count = pass_.complete[:, 0, 0]
    moved = np.repeat(u[None], len(places), axis=0)
    moved[np.arange(len(places)), places] += PILOT
    apart = chart.family.distance(chart.params(moved), chart.params(u)) @ (count / count.sum())
    return STEP / np.sqrt(1 + apart / PILOT**2)


def _slopes_of_natural(chart: Chart, kernel: Kernel, u: Array, places: np.ndarray, steps: Array) -> Array:
    """J (q, K, P) by central differences."""
    shift = np.zeros((len(places), len(u)))
    shift[np.arange(len(places)), places] = steps
    up, down = (kernel.natural(chart.params(u + sign * shift)) for sign in (1, -1))
    return (up - down) / (2 * steps[:, None, None])


def _slopes_of_m_step(chart: Chart, sums: Array, along: Array, steps: Array) -> Array:
    """Derivative (q, all) of the M-step's coordinates in the sums, along each of ``along (q, K, P)``."""
    change = along * steps[:, None, None]
    up, down = (_m_steps(chart, sums + sign * change) for sign in (1, -1))
    return (up - down) / (2 * steps[:, None])  # not a number on a boundary


def _m_steps(chart: Chart, sums: Array) -> Array:
    """Coordinates (q, all) after the M-step from each of the sums (q, K, P)."""
    return chart.free(chart.problem.m_step(chart.family.from_sums(sums, chart.location, chart.scale)))


def _symmetric(a: Array) -> Array:
    return (a + a.T) / 2
