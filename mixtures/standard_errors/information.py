"""The observed information at a mode."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixtures.density.curvature import curvature_at, principal_widths
from mixtures.density.density import Density, bound_coordinates
from mixtures.types import Array

__all__ = ["NormalAtMode", "observed_information"]


@dataclass(frozen=True)
class NormalAtMode:
    """Normal distribution of parameters about a mode: ``value + root z``, z standard normal.

    Attributes
    ----------
    value : dict of ndarray
        The mode.
    root : dict of ndarray, each (..., m)
        Square root of the covariance, with a last axis for z.
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
        """Draws (n_draws, ...) by name; they may lie outside the parameter space."""
        z = rng.standard_normal((n_draws, next(iter(self.root.values())).shape[-1]))
        return {name: value + np.tensordot(z, self.root[name], (1, -1)) for name, value in self.value.items()}


def observed_information(
    compiled: Density,
    params: Mapping[str, Array],
    on_boundary: Mapping[str, np.ndarray],
    bound: Mapping[str, np.ndarray] | None = None,
) -> NormalAtMode:
    """Invert the observed information at a mode of the density over the parameters, by the delta method.

    The Hessian is computed in unconstrained coordinates and transformed back. This
    is exactly the Hessian on the tangent space of the parameters (of the simplex for
    alpha, of symmetric matrices for Sigma): the two differ by the gradient times the
    curvature of the transform, and at a mode the gradient on the tangent space is
    zero. It equals the information of Louis and of Oakes.

    Parameters
    ----------
    compiled : Density
        The log density.
    params : dict of ndarray
        The mode, moved off the boundary of its space.
    on_boundary : dict of ndarray of bool
        Entries on their boundary, which are held there.
    bound : dict of ndarray of bool, optional
        Their free coordinates, as of `Family.bound_coordinates`; by default one for each entry.

    Returns
    -------
    NormalAtMode
        Mode, covariance, and the entries held.

    Raises
    ------
    NoApproximation
        If there are directions without curvature.

    References
    ----------
    Louis (1982), *JRSS B* 44, 226-233; Oakes (1999), *JRSS B* 61, 479-482.
    """
    x = compiled.unconstrain(params)
    within = ~bound_coordinates(compiled, on_boundary if bound is None else bound)
    steps = principal_widths(curvature_at(compiled, x, exact=True, within=within))
    slopes = compiled.constrain_slopes(x)
    root = {name: slopes[name] @ steps for name in slopes}
    return NormalAtMode({name: np.asarray(params[name]) for name in slopes}, root, on_boundary)
