"""Modes of a compiled log density: a quasi-Newton search, then Newton steps until it is flat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from mixtures.compiled import CompiledModel
from mixtures.errors import InputError
from mixtures.interrupts import Interrupted
from mixtures.priors import Array
from mixtures.tolerances import TOLERANCES, same_height

__all__ = ["Curvature", "Optimum", "climb", "curvature_at", "polish", "reach", "require_density"]

HALVINGS = 20
"""How often a step out of the density's support is halved before it is given up."""
NEWTON_STEPS = 25
NEWTON_SIZE = 1500
"""Coordinates beyond which a dense Hessian is not worth its cost."""
MEASURABLE = TOLERANCES.flat_curvature / TOLERANCES.flat_ratio
"""Curvature of a coordinate beyond which its rounding would hide what is not flat in others."""


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


@dataclass(frozen=True)
class Curvature:
    """Second-order picture of a log density at a point, in unconstrained coordinates.

    Attributes
    ----------
    values : ndarray, shape (m,)
        Curvatures, minus the second derivatives along ``directions``; positive at a maximum.
    directions : ndarray, shape (size, m)
        Conjugate directions, of length one in the coordinates' units, as columns: the inverse
        of minus the Hessian is ``directions @ diag(1 / values) @ directions.T``. They are its
        eigenvectors unless coordinates differ too much in curvature for those to be told.
    negligible : ndarray, shape (m,)
        Curvatures that count as none.
    flat : tuple of str
        Coordinates that weigh most in directions without positive curvature.
    """

    values: Array
    directions: Array
    negligible: Array
    flat: tuple[str, ...] = ()

    @classmethod
    def of(cls, hessian: Array, units: Array) -> "Curvature":
        """Along the principal axes of a finite Hessian; coordinates that curve too much are scaled for it."""
        hessian = hessian * units * units[:, None]
        scale = np.sqrt(1 / np.maximum(np.abs(np.diag(hessian)) / MEASURABLE, 1))
        scaled, axes = np.linalg.eigh(-hessian * scale * scale[:, None])
        directions = scale[:, None] * axes
        squares = np.sum(directions**2, axis=0) if (scale < 1).any() else np.ones_like(scaled)
        rounding = TOLERANCES.flat_ratio * np.abs(scaled).max(initial=0) / squares
        negligible = np.maximum(rounding, TOLERANCES.flat_curvature)
        return cls(scaled / squares, units[:, None] * directions / np.sqrt(squares), negligible)

    @property
    def is_flat(self) -> np.ndarray:
        """Which directions have no positive curvature, shape (m,)."""
        return ~(self.values >= self.negligible)

    @property
    def is_saddle(self) -> bool:
        """Whether the log density curves up in some direction."""
        return bool((self.values < -self.negligible).any())

    @property
    def is_maximum(self) -> bool:
        """Whether the log density curves down in every direction."""
        return not self.is_flat.any()

    @property
    def whitening(self) -> Array:
        """One sd along each direction, as columns (size, m); two units long at most."""
        return self.directions * (1 / np.sqrt(np.maximum(self.values, TOLERANCES.whitening_floor)))

    def newton(self, gradient: Array) -> Array:
        """Newton's step along each direction, in sds there; curvatures of the wrong sign are mirrored."""
        return (self.directions.T @ gradient) / np.sqrt(self._damped)

    def step(self, sds: Array) -> Array:
        """The way in coordinates of so many sds along each direction."""
        return self.directions @ (sds / np.sqrt(self._damped))

    @property
    def _damped(self) -> Array:
        return np.maximum(np.abs(self.values), self.negligible)


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


def curvature_at(
    compiled: CompiledModel,
    x: Array,
    *,
    jacobian: bool = False,
    exact: bool = True,
    within: np.ndarray | None = None,
) -> Curvature:
    """Curvatures along conjugate directions at ``x``; names what is flat.

    Parameters
    ----------
    compiled : CompiledModel
        The log density.
    x : ndarray, shape (size,)
        The point.
    jacobian : bool, default False
        Whether to look at the density of the unconstrained coordinates.
    exact : bool, default True
        Whether to differentiate twice, or take differences of the gradient.
    within : ndarray of bool, shape (size,), optional
        Coordinates to look at, the others held fixed; by default all.

    Returns
    -------
    Curvature
        With one value and direction for every coordinate looked at.
    """
    within = np.ones(x.size, dtype=bool) if within is None else within
    hessian = compiled.hessian(x, jacobian=jacobian, exact=exact)[np.ix_(within, within)]
    inside = np.eye(x.size)[:, within]
    if not np.isfinite(hessian).all():
        nowhere = np.full(within.sum(), np.nan)
        return Curvature(nowhere, inside, nowhere, ("everywhere: the Hessian is not finite",))
    units = compiled.units(x)
    curvature = Curvature.of(hessian, units[within])
    directions = inside @ curvature.directions
    weights = np.abs(directions[:, curvature.is_flat]) / units[:, None]
    heavy = (weights > 0.3 * weights.max(axis=0, initial=0)).any(axis=1)
    flat = tuple(np.array(compiled.coordinate_names())[heavy].tolist())
    return replace(curvature, directions=directions, flat=flat)
