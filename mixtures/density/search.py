"""Modes of a compiled log density: a quasi-Newton search, then Newton steps until the gradient is zero.

Both keep linear algebra to one thread, so that a mode is the same to the last bit
however many threads there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from mixtures.density.curvature import Curvature
from mixtures.density.density import Density
from mixtures.errors import InputError
from mixtures.interrupts import Interrupted
from mixtures.threads import one_thread
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array

__all__ = ["Optimum", "climb", "polish", "reach", "require_density"]

HALVINGS = 20
"""Most halvings of a step that leaves the support of the density."""


NEWTON_STEPS = 25


NEWTON_SIZE = 1500
"""Number of coordinates above which a dense Hessian costs too much."""


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
        Distance left by Newton's method, in posterior sds; infinite if not computed.
    """

    x: Array
    log_density: float
    gradient_norm: float
    distance: float = np.inf

    @property
    def converged(self) -> bool:
        """Whether the gradient is zero here, or the maximum so close that only rounding makes it nonzero."""
        return self.gradient_norm < TOLERANCES.map_gradient or self.distance < TOLERANCES.map_distance_sd


def require_density(density: Density, starts: Sequence[Array]) -> None:
    """Refuse starts if none has a finite log density, and name the checks and variables responsible."""
    if any(np.isfinite(density.value_and_grad(x)[0]) for x in starts):
        return
    raise InputError(
        f"the log density is {density.value_and_grad(starts[0])[0]} at "
        f"{'the start' if len(starts) == 1 else 'every start'}: {'; '.join(density.objections(starts[0]))}. "
        "Change the priors or parameters so that this holds where the search starts, and the data if "
        "they are outside the support"
    )


def reach(density: Density, x: Array, step: Array) -> float:
    """Largest of 1, 1/2, 1/4, ... of a step from ``x`` that ends in the support; 0 if none does."""
    shares = (0.5**i for i in range(HALVINGS))
    return next((share for share in shares if np.isfinite(density.value_and_grad(x + share * step)[0])), 0.0)


@one_thread()
def climb(value_and_grad: Callable[[Array], tuple[float, Array]], start: Array) -> Array:
    """Climb by L-BFGS to near a local maximum; an interrupt carries the highest point."""
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


@one_thread()
def polish(density: Density, x: Array, *, jacobian: bool = False) -> Optimum:
    """Take damped Newton steps, curvatures of the wrong sign made positive, until the gradient is zero."""
    value, gradient = density.value_and_grad(x, jacobian=jacobian)
    distance = np.inf
    for steps_left in reversed(range(NEWTON_STEPS + 1 if x.size <= NEWTON_SIZE else 0)):
        if not np.isfinite(value) or np.abs(gradient).max(initial=0) < TOLERANCES.map_gradient_polish:
            break
        hessian = density.hessian(x, jacobian=jacobian)
        if not np.isfinite(hessian).all():
            break
        curvature = Curvature.of(hessian, density.units(x))
        newton = curvature.newton(gradient)
        distance = float(np.linalg.norm(newton))
        if not steps_left:
            break
        step = curvature.step(newton)
        rounding = 1e3 * np.finfo(float).eps * abs(value)
        for share in (1.0, 0.5, 0.25, 0.1, 0.01):
            trial = x + share * step
            trial_value, trial_gradient = density.value_and_grad(trial, jacobian=jacobian)
            finite = np.isfinite(trial_gradient).all()
            flatter = finite and np.linalg.norm(curvature.newton(trial_gradient)) < distance
            if trial_value > value + rounding or (trial_value > value - same_height(value) and flatter):
                break
        else:
            break
        x, value, gradient, distance = trial, trial_value, trial_gradient, np.inf
    return Optimum(np.asarray(x), value, float(np.abs(gradient).max(initial=0)), distance)
