"""Saddle points: EM may stop at one, and where to go from there."""

import numpy as np

from mixtures.em.acceleration import existing
from mixtures.em.grouped import FastEStep
from mixtures.em.newton import LEAVING, MOST_COORDINATES
from mixtures.em.problem import Problem
from mixtures.em.tangent import SADDLE, Tangent, tangent_at
from mixtures.types import Array, Params

__all__ = ["ways_off"]

TOL = 1e-4
"""Largest error of the E-step, in standard deviations of the complete data."""


ALIKE = 1e-3
"""Distance, in standard deviations of a row, below which two clusters are one and the same."""


APART = 0.5
"""Length of the step, in standard deviations of a row, that separates clusters that are alike."""


def ways_off(problem: Problem, kernel: FastEStep | None, params: Params) -> list[dict[str, Array]]:
    """Parameters on both sides of a saddle point at which EM stopped; none if it is not a saddle.

    The objective curves up there in some direction. Where clusters are alike it may be flat, to second
    order, in the directions that separate them; one of these is then tried. None either where nothing is
    known of the curvature: without a fast E-step, or with too many parameters.
    """
    spec = problem.spec
    wide = spec.parameter_count(problem.data.n_features) > MOST_COORDINATES
    if kernel is None or wide or spec.n_components < 2:
        return []
    here = problem.point(params, kernel, TOL, curved=True)
    tangent = tangent_at(problem, kernel, here, problem.m_step(here.statistics), TOL)
    along = None if tangent is None else _along(problem, tangent, params)
    if tangent is None or along is None:
        return []
    return [
        there for sign in (1, -1) if (there := existing(problem, tangent.displaced(sign * along))) is not None
    ]


def _along(problem: Problem, tangent: Tangent, params: Params) -> Array | None:
    """A direction of ascent in the coordinates of the tangent; None at a maximum."""
    if tangent.is_saddle:
        return np.where(np.arange(len(tangent.missing)) == np.argmax(tangent.missing), LEAVING, 0.0)
    flat = np.abs(1 - tangent.missing) < SADDLE
    if not flat.any() or not _alike(problem, params):
        return None
    along = np.random.default_rng(0).normal(size=len(flat)) * flat
    length = APART * np.sqrt(problem.data.total / problem.spec.n_components)
    return np.asarray(length * along / np.linalg.norm(along))


def _alike(problem: Problem, params: Params) -> bool:
    """Whether some clusters are one and the same."""
    k = problem.spec.n_components
    return bool((problem.spec.family.divergence(params, params) + np.eye(k) < ALIKE**2).any())
