"""Curvature of a log density at a point, along its principal axes."""

from dataclasses import dataclass, replace

import numpy as np

from mixtures.density.density import Density
from mixtures.errors import NoApproximation
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["Curvature", "curvature_at", "principal_widths"]

MEASURABLE = TOLERANCES.flat_curvature / TOLERANCES.flat_ratio
"""Curvature above which a coordinate's rounding error would hide the curvature of others."""


@dataclass(frozen=True)
class Curvature:
    """Second-order approximation of a log density at a point, in unconstrained coordinates.

    Attributes
    ----------
    values : ndarray, shape (m,)
        Curvatures: minus the second derivatives along ``directions``; positive at a maximum.
    directions : ndarray, shape (size, m)
        Conjugate directions of length one in the coordinates' units, as columns: the inverse
        of minus the Hessian is ``directions @ diag(1 / values) @ directions.T``. They are its
        eigenvectors unless the coordinates' curvatures differ too much to compute those.
    negligible : ndarray, shape (m,)
        Curvatures below which a direction counts as flat.
    flat : tuple of str
        Coordinates with the largest weights in directions without positive curvature.
    """

    values: Array
    directions: Array
    negligible: Array
    flat: tuple[str, ...] = ()

    @classmethod
    def of(cls, hessian: Array, units: Array) -> "Curvature":
        """Decompose a finite Hessian along its principal axes; coordinates of huge curvature are rescaled."""
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
        """One sd along each direction, as columns (size, m), at most two units long."""
        return self.directions * (1 / np.sqrt(np.maximum(self.values, TOLERANCES.whitening_floor)))

    def newton(self, gradient: Array) -> Array:
        """Newton's step along each direction, in its sds; curvatures of the wrong sign are made positive."""
        return (self.directions.T @ gradient) / np.sqrt(self._damped)

    def step(self, sds: Array) -> Array:
        """Turn a step in sds along each direction into a step in coordinates."""
        return self.directions @ (sds / np.sqrt(self._damped))

    @property
    def _damped(self) -> Array:
        return np.maximum(np.abs(self.values), self.negligible)


def principal_widths(curvature: Curvature) -> Array:
    """One sd along every principal axis, as columns (size, m)."""
    if not curvature.is_maximum:
        raise NoApproximation(f"flat or rising along {', '.join(curvature.flat[:8])}")
    return curvature.directions / np.sqrt(curvature.values)


def curvature_at(
    density: Density,
    x: Array,
    *,
    jacobian: bool = False,
    exact: bool = False,
    within: np.ndarray | None = None,
) -> Curvature:
    """Compute curvatures along conjugate directions at ``x``, and name the flat coordinates.

    Parameters
    ----------
    density : Density
        The log density.
    x : ndarray, shape (size,)
        The point.
    jacobian : bool, default False
        Whether to use the density of the unconstrained coordinates.
    exact : bool, default False
        Whether to differentiate twice, also where differences of the gradient would do.
    within : ndarray of bool, shape (size,), optional
        Coordinates to include, the others held fixed; by default all.

    Returns
    -------
    Curvature
        One value and direction for every coordinate included.
    """
    within = np.ones(x.size, dtype=bool) if within is None else within
    hessian = density.hessian(x, jacobian=jacobian, exact=exact)[np.ix_(within, within)]
    inside = np.eye(x.size)[:, within]
    if not np.isfinite(hessian).all():
        nowhere = np.full(within.sum(), np.nan)
        return Curvature(nowhere, inside, nowhere, ("everywhere: the Hessian is not finite",))
    units = density.units(x)
    curvature = Curvature.of(hessian, units[within])
    directions = inside @ curvature.directions
    weights = np.abs(directions[:, curvature.is_flat]) / units[:, None]
    heavy = (weights > 0.3 * weights.max(axis=0, initial=0)).any(axis=1)
    flat = tuple(np.array(density.coordinate_names())[heavy].tolist())
    return replace(curvature, directions=directions, flat=flat)
