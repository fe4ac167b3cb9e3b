"""The observed information at a mode, from by-products of EM and independent of PyMC."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mixtures.em.free import Chart
from mixtures.em.kernel import Kernel
from mixtures.em.natural import has_natural_form
from mixtures.em.problem import problem_of
from mixtures.em.tangent import Information, information_at
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.types import Array, Params

__all__ = ["ObservedInformation", "observed_information"]

TOL = 1e-4
"""Largest error of the E-step, in standard deviations of the complete data."""


DIFFERENCE = 1e-5
"""Step of the central differences for slopes of the parameters, in standard deviations of a coordinate."""


@dataclass(frozen=True, eq=False)
class ObservedInformation:
    """Observed information at a mode in free coordinates, and what it says of the parameters.

    Attributes
    ----------
    chart : Chart
        The coordinates.
    u : ndarray, shape (all,)
        The mode.
    information : Information
        Of the complete data, and what is missing of it.
    """

    chart: Chart
    u: Array
    information: Information

    @property
    def slopes(self) -> dict[str, Array]:
        """Derivative (..., q) of every parameter that moves in the coordinates that are inside."""
        places = np.flatnonzero(self.information.inside)
        steps = DIFFERENCE / np.sqrt(np.diag(self.information.observed))
        shift = np.zeros((len(places), len(self.u)))
        shift[np.arange(len(places)), places] = steps
        up, down = (self.chart.params(self.u + sign * shift) for sign in (1, -1))
        return {
            each.name: np.moveaxis(up[each.name] - down[each.name], 0, -1) / (2 * steps)
            for each in self.chart.moving
        }

    @property
    def root(self) -> Array:
        """Square root (q, q) of the covariance: the inverse of the observed information."""
        try:
            return np.asarray(np.linalg.inv(np.linalg.cholesky(self.information.observed)).T)
        except np.linalg.LinAlgError:
            raise NoApproximation("the objective does not curve down in every direction") from None

    @property
    def sd(self) -> dict[str, Array]:
        """Standard error of every entry that moves, by the delta method; 0 on a boundary."""
        root = self.root  # refuses a point that is no mode, where the slopes have no units
        return {name: np.linalg.norm(slope @ root, axis=-1) for name, slope in self.slopes.items()}


def observed_information(
    spec: Mixture, X: Any, params: Params, *, weights: Any = None
) -> ObservedInformation:
    """Minus the second derivative of the objective at a mode, ``I_com (I - DM)``.

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like or frame, shape (n, D)
        The data, as in `fit_em`.
    params : dict of ndarray
        The mode. Entries on a boundary are held there.
    weights : array_like, shape (n,), optional
        Frequency weights.

    Returns
    -------
    ObservedInformation
        In free coordinates, which are the objective's own at a mode: there the slope is 0, and
        with it what a change of coordinates would add.

    Raises
    ------
    NoApproximation
        If the natural form would lose too many digits, as with clusters far tighter than the data.

    References
    ----------
    Louis (1982), *JRSS B* 44, 226-233; Meng and Rubin (1991), *JASA* 86, 899-909.
    """
    problem = problem_of(spec, X, weights, None, False)
    params = problem.check(params)
    if not has_natural_form(problem.spec):
        raise NoApproximation(f"a {type(spec).__name__} has no natural form")
    with threadpool_limits(1), Kernel(problem.spec, problem.data) as kernel:
        new = problem.m_step(problem.e_step(params, kernel, TOL).statistics)
        chart = Chart(problem, kernel.family, *kernel.units, params)
        found = information_at(chart, kernel, params, new, TOL)
    if found is None:
        raise NoApproximation("the natural form of the density would lose too many digits")
    return ObservedInformation(chart, chart.free(params), found)
