"""Modes of a compiled log density: a quasi-Newton search, then Newton steps until it is flat."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from mixtures.compiled import CompiledModel
from mixtures.interrupts import Interrupted
from mixtures.priors import Array
from mixtures.tolerances import TOLERANCES

__all__ = ["Curvature", "Optimum", "climb", "curvature_at", "polish"]

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
    """

    x: Array
    log_density: float
    gradient_norm: float

    @property
    def converged(self) -> bool:
        """Whether the log density is flat here."""
        return self.gradient_norm < TOLERANCES.map_gradient


@dataclass(frozen=True)
class Curvature:
    """Second-order picture of a log density at a point, in unconstrained coordinates.

    Attributes
    ----------
    values : ndarray, shape (m,)
        Eigenvalues of minus the Hessian, ascending; positive at a maximum.
    directions : ndarray, shape (size, m)
        Their eigenvectors, as columns.
    flat : tuple of str
        Coordinates that weigh most in directions without positive curvature.
    """

    values: Array
    directions: Array
    flat: tuple[str, ...]

    @property
    def is_saddle(self) -> bool:
        """Whether the log density curves up in some direction."""
        return bool((self.values < -_flat_below(self.values)).any())

    @property
    def is_maximum(self) -> bool:
        """Whether the log density curves down in every direction."""
        return not self.flat and bool(np.isfinite(self.values).all())


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
    for _ in range(NEWTON_STEPS if np.size(x) <= NEWTON_SIZE else 0):
        if not np.isfinite(value) or np.abs(gradient).max(initial=0) < TOLERANCES.map_gradient_polish:
            break
        hessian = compiled.hessian(x, jacobian=jacobian)
        if not np.isfinite(hessian).all():
            break
        curvature, directions = np.linalg.eigh(-hessian)
        damped = np.maximum(np.abs(curvature), _flat_below(curvature))
        step = directions @ ((directions.T @ gradient) / damped)
        rounding = 1e3 * np.finfo(float).eps * abs(value)
        for share in (1.0, 0.5, 0.25, 0.1, 0.01):
            trial = x + share * step
            trial_value, trial_gradient = compiled.value_and_grad(trial, jacobian=jacobian)
            flatter = np.abs(trial_gradient).max() < np.abs(gradient).max()
            if trial_value > value + rounding or (trial_value >= value - rounding and flatter):
                break
        else:
            break
        x, value, gradient = trial, trial_value, trial_gradient
    return Optimum(np.asarray(x), value, float(np.abs(gradient).max(initial=0)))


def curvature_at(
    compiled: CompiledModel,
    x: Array,
    *,
    jacobian: bool = False,
    exact: bool = True,
    within: np.ndarray | None = None,
) -> Curvature:
    """Eigenvalues and directions of minus the Hessian at ``x``; names what is flat.

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
    directions = np.eye(x.size)[:, within]
    if not np.isfinite(hessian).all():
        return Curvature(
            np.full(within.sum(), np.nan), directions, ("everywhere: the Hessian is not finite",)
        )
    values, vectors = np.linalg.eigh(-hessian)
    directions = directions @ vectors
    weights = np.abs(directions[:, values < _flat_below(values)])
    heavy = (weights > 0.3 * weights.max(axis=0, initial=0)).any(axis=1)
    return Curvature(values, directions, tuple(np.array(compiled.coordinate_names())[heavy].tolist()))


def _flat_below(curvatures: Array) -> float:
    """Curvature below which a direction counts as flat."""
    return max(TOLERANCES.flat_curvature, TOLERANCES.flat_ratio * float(np.abs(curvatures).max(initial=0)))
