"""Normal approximations at a mode: the observed information, and Laplace's in the sampled space.

They are two. The information belongs to the mode of the density over the
parameters themselves, where EM ends; its sds are carried to every parameter by
the delta method. Laplace's normal lies in the unconstrained coordinates, at the
mode of the density *there*, with the Jacobian: another point than the MAP. Its
draws go through the transform, so they stay inside the space and may be skew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from mixtures.compiled import CompiledModel
from mixtures.errors import NoApproximation
from mixtures.optimise import Curvature, climb, curvature_at, polish
from mixtures.priors import Array

__all__ = ["NormalAtMode", "bound_coordinates", "laplace_draws", "observed_information"]


@dataclass(frozen=True)
class NormalAtMode:
    """Normal distribution of parameters about a mode: ``value + root z``, z standard normal.

    Attributes
    ----------
    value : dict of ndarray
        The mode.
    root : dict of ndarray, each (..., m)
        Square root of the covariance, an axis added for z.
    bound : dict of ndarray of bool
        Entries on the boundary of their space, which are held there.
    """

    value: dict[str, Array]
    root: dict[str, Array]
    bound: Mapping[str, np.ndarray]

    @property
    def sd(self) -> dict[str, Array]:
        """Standard deviation of every entry; NaN for those on their boundary."""
        sds = {name: np.linalg.norm(root, axis=-1) for name, root in self.root.items()}
        return {
            name: np.where(self.bound[name], np.nan, sd) if name in self.bound else sd
            for name, sd in sds.items()
        }

    def sample(self, n_draws: int, rng: np.random.Generator) -> dict[str, Array]:
        """Draws (n_draws, ...) by name; nothing keeps them inside the space."""
        z = rng.standard_normal((n_draws, next(iter(self.root.values())).shape[-1]))
        return {name: value + np.tensordot(z, self.root[name], (1, -1)) for name, value in self.value.items()}


def observed_information(
    compiled: CompiledModel, params: Mapping[str, Array], on_boundary: Mapping[str, np.ndarray]
) -> NormalAtMode:
    """Inverse of the observed information at a mode of the density over the parameters, delta method.

    The Hessian is taken in unconstrained coordinates and pulled back. That is
    the Hessian on the tangent space of the parameters (of the simplex for alpha,
    of symmetric matrices for Sigma) exactly: the two differ by the gradient
    times the curvature of the transform, and at a mode the gradient on the
    tangent space is zero. It equals the information of Louis and of Oakes.

    Parameters
    ----------
    compiled : CompiledModel
        The log density.
    params : dict of ndarray
        The mode, moved off the boundary of its space.
    on_boundary : dict of ndarray of bool
        Entries that sit on their boundary: they are held there.

    Returns
    -------
    NormalAtMode
        Mode, covariance, and what was held.

    Raises
    ------
    NoApproximation
        If there are directions without curvature.

    References
    ----------
    Louis (1982), *JRSS B* 44, 226-233; Oakes (1999), *JRSS B* 61, 479-482.
    """
    x = compiled.unconstrain(params)
    within = ~bound_coordinates(compiled, on_boundary)
    steps = principal_widths(curvature_at(compiled, x, within=within))
    slopes = compiled.constrain_slopes(x)
    root = {name: slopes[name] @ steps for name in slopes}
    return NormalAtMode({name: np.asarray(params[name]) for name in slopes}, root, on_boundary)


def laplace_draws(
    compiled: CompiledModel, start: Mapping[str, Array], n_draws: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Draws of Laplace's approximation to the posterior in unconstrained coordinates.

    From ``start`` the density with the Jacobian is climbed to its own mode.

    Parameters
    ----------
    compiled : CompiledModel
        The log density.
    start : dict of ndarray
        Parameters off the boundary of their space, such as EM's.
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict of ndarray, each (n_draws, ...)
        Draws of every variable.

    Raises
    ------
    NoApproximation
        If no mode is found, or there are directions without curvature.

    References
    ----------
    Tierney and Kadane (1986), *JASA* 81, 82-86; Gelman et al., *Bayesian Data Analysis* (2013), section 4.1.
    """
    density = partial(compiled.value_and_grad, jacobian=True)
    mode = polish(compiled, climb(density, compiled.unconstrain(start)), jacobian=True)
    if not mode.converged:
        raise NoApproximation(f"no mode: the search stopped on a slope (gradient {mode.gradient_norm:.1e})")
    steps = principal_widths(curvature_at(compiled, mode.x, jacobian=True))
    drawn = compiled.constrain(mode.x + rng.standard_normal((n_draws, steps.shape[1])) @ steps.T)
    return {name: drawn[name] for name in compiled.rv_shapes}


def bound_coordinates(compiled: CompiledModel, on_boundary: Mapping[str, np.ndarray]) -> np.ndarray:
    """Unconstrained coordinates of the entries that sit on their boundary.

    Only elementwise transforms have boundaries of entries, so shapes agree.
    """
    parts = [
        np.ravel(on_boundary[name]) if name in on_boundary else np.zeros(int(np.prod(shape)), dtype=bool)
        for name, shape in zip(compiled.rv_shapes, compiled.value_shapes, strict=True)
    ]
    return np.concatenate(parts)


def principal_widths(curvature: Curvature) -> Array:
    """One sd along every principal axis, as columns (size, m)."""
    if not curvature.is_maximum:
        raise NoApproximation(f"flat or rising along {', '.join(curvature.flat[:8])}")
    return curvature.directions / np.sqrt(curvature.values)
