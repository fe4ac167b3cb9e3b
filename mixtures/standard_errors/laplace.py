"""Normal approximations at a mode: the observed information, and Laplace's in the sampled space.

There are two. The information belongs to the mode of the density over the
parameters themselves, where EM ends; the delta method gives the sd of every
parameter. Laplace's normal is in the unconstrained coordinates, at the mode of the
density *there*, with the Jacobian: another point than the MAP. Its draws are
transformed back, so they stay inside the parameter space and may be skewed.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from mixtures.density.curvature import curvature_at, principal_widths
from mixtures.density.density import Density
from mixtures.density.search import climb, polish
from mixtures.errors import NoApproximation
from mixtures.types import Array

__all__ = ["laplace_draws"]


def laplace_draws(
    compiled: Density, start: Mapping[str, Array], n_draws: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Draws of Laplace's approximation to the posterior in unconstrained coordinates.

    The search starts at ``start`` and climbs to the mode of the density with the Jacobian.

    Parameters
    ----------
    compiled : Density
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
    steps = principal_widths(curvature_at(compiled, mode.x, jacobian=True, exact=True))
    drawn = compiled.constrain(mode.x + rng.standard_normal((n_draws, steps.shape[1])) @ steps.T)
    return {name: drawn[name] for name in compiled.rv_shapes}
