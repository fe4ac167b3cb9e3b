"""Modes of a compiled log density: a quasi-Newton search, then Newton steps until it is flat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import Curvature
from mixtures.errors import InputError
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array

__all__ = ["Optimum", "climb", "polish", "reach", "require_density"]

HALVINGS = 20
"""How often a step out of the density's support is halved before it is given up."""


NEWTON_STEPS = 25


NEWTON_SIZE = 1500
"""Coordinates beyond which a dense Hessian is not worth its cost."""


@dataclass(frozen=True)
class Optimum:
    """Where a search ended.

    Attributes
    ----------
    x : ndarray, shape (size,)
        Unconstrained coordinates.
    log_density : float
        Log density there.
    gradient_norm : float
        Largest component of the gradient there.
    distance : float
        How far Newton's method has still to go, in posterior sds; infinite where it was
        not worked out.
    """

    x: Array
    log_density: float
    gradient_norm: float
    distance: float = np.inf

    @property
    def converged(self) -> bool:
        """Whether the log density is flat here, or its top so close that only rounding makes the slope."""
        return self.gradient_norm < TOLERANCES.map_gradient or self.distance < TOLERANCES.map_distance_sd


def require_density(compiled: CompiledModel, starts: Sequence[Array]) -> None:
    """Refuse starts none of which has a log density, and say which checks and variables that is due to."""
    if any(np.isfinite(compiled.value_and_grad(x)[0]) for x in starts):
        return
    raise InputError(
        f"the log density is {compiled.value_and_grad(starts[0])[0]} at "
        f"{'the start' if len(starts) == 1 else 'every start'}: {'; '.join(compiled.objections(starts[0]))}. "
        "Change the priors or parameters so that this holds where the search starts, and the data if "
        "they are outside the support"
    )


def reach(compiled: CompiledModel, x: Array, step: Array) -> float:
    """Share of a step from ``x`` that ends where there is a density: 1, or so many halves; 0 if none does."""
    shares = (0.5**i for i in range(HALVINGS))
    return next((share for share in shares if np.isfinite(compiled.value_and_grad(x + share * step)[0])), 0.0)


def climb(value_and_grad: Callable[[Array], tuple[float, Array]], start: Array) -> Array:
    """Climb a function by L-BFGS from a start to about a local maximum; an interrupt carries the highest."""
    highest, reached = -np.inf, start

    def downhill(x: Array) -> tuple[float, Array]:
        nonlocal highest, reached
        value, gradient = value_and_grad(x)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return 1e300, np.zeros_like(x)
        if value > highest:
            highest, reached = value, x.copy()
        return -value, -gradient

    options = {
        "maxiter": 5000,
        "maxfun": 20_000,
        "maxcor": 20,
        "ftol": 1e-15,
        "gtol": TOLERANCES.map_gradient,
    }
    try:
        return np.asarray(minimize(downhill, start, jac=True, method="L-BFGS-B", options=options).x)
    except KeyboardInterrupt as error:
        raise Interrupted(reached) from error


def polish(compiled: CompiledModel, x: Array, *, jacobian: bool = False) -> Optimum:
    """Take damped Newton steps, curvatures of the wrong sign mirrored, until the log density is flat."""
    value, gradient = compiled.value_and_grad(x, jacobian=jacobian)
    distance = np.inf
    for steps_left in reversed(range(NEWTON_STEPS + 1 if x.size <= NEWTON_SIZE else 0)):
        if not np.isfinite(value) or np.abs(gradient).max(initial=0) < TOLERANCES.map_gradient_polish:
            break
        hessian = compiled.hessian(x, jacobian=jacobian)
        if not np.isfinite(hessian).all():
            break
        curvature = Curvature.of(hessian, compiled.units(x))
        newton = curvature.newton(gradient)
        distance = float(np.linalg.norm(newton))
        if not steps_left:
            break
        step = curvature.step(newton)
        rounding = 1e3 * np.finfo(float).eps * abs(value)
        for share in (1.0, 0.5, 0.25, 0.1, 0.01):
            trial = x + share * step
            trial_value, trial_gradient = compiled.value_and_grad(trial, jacobian=jacobian)
            flatter = np.linalg.norm(curvature.newton(trial_gradient)) < distance
            if trial_value > value + rounding or (trial_value > value - same_height(value) and flatter):
                break
        else:
            break
        x, value, gradient, distance = trial, trial_value, trial_gradient, np.inf
    return Optimum(np.asarray(x), value, float(np.abs(gradient).max(initial=0)), distance)
