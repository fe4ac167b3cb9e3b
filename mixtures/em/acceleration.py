"""Extrapolation of the path of EM: squared iterative methods (SQUAREM)."""

import numpy as np

from mixtures.em.problem import Problem
from mixtures.errors import InputError
from mixtures.types import Array, Params

__all__ = ["extrapolated"]

SHORTER = 5
"""How often a leap to where there are no parameters is halved before it is given up."""


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
