"""The observed information at a mode, from quantities that EM computes, without PyMC."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from mixtures.data.table import Data
from mixtures.em.differenced import differenced_information
from mixtures.em.free import Chart, central_slopes, vacant
from mixtures.em.grouped import GroupedKernel, can_group
from mixtures.em.kernel import Kernel
from mixtures.em.natural import has_natural_form
from mixtures.em.problem import Problem, problem_of
from mixtures.em.tangent import Information, information_at
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.messages import clusters_are, worded
from mixtures.threads import one_thread
from mixtures.types import Array, Params

__all__ = ["ObservedInformation", "observed_information"]

TOL = 1e-4
"""Largest error of the E-step, in standard deviations of the complete data."""


DIFFERENCE = 1e-5
"""Step of the central differences for slopes of the parameters, in standard deviations of a coordinate."""


IDENTIFIED = 1e-7
"""Smallest share of the complete information that must be observed in every direction: less is rounding."""


DIGITS = "the natural form of the density would lose too many digits"


@dataclass(frozen=True, eq=False)
class ObservedInformation:
    """Observed information at a mode in free coordinates, and standard errors of the parameters.

    Attributes
    ----------
    chart : Chart
        The coordinates.
    u : ndarray, shape (all,)
        The mode.
    information : Information
        Complete and missing information.
    """

    chart: Chart
    u: Array
    information: Information

    @property
    def slopes(self) -> dict[str, Array]:
        """Derivative (..., q) of every free parameter with respect to the coordinates inside."""
        places = np.flatnonzero(self.information.inside)
        steps = DIFFERENCE / np.sqrt(np.diag(self.information.observed))
        moved = self.chart.both_ways(self.u, places, steps)
        names = [parameter.name for parameter in self.chart.not_held]
        return {name: np.moveaxis(central_slopes(moved[name], steps), 0, -1) for name in names}

    @property
    def root(self) -> Array:
        """Square root (q, q) of the covariance: the inverse of the observed information."""
        try:
            left = eigh(self.information.observed, self.information.complete, eigvals_only=True)
            if not left.min() > IDENTIFIED:
                raise NoApproximation("the objective does not curve down in every direction")
            return np.asarray(np.linalg.inv(np.linalg.cholesky(self.information.observed)).T)
        except np.linalg.LinAlgError:
            raise NoApproximation("the objective does not curve down in every direction") from None

    @property
    def log_volume(self) -> float:
        """Log of the integral of exp(-s' I s / 2) over steps s of the parameters: Laplace's factor.

        Added to the log posterior at the mode it is Laplace's approximation of the evidence, of one order of
        the clusters. Sums over the entries that a density is over, such as a triangle of a covariance.

        Raises
        ------
        NoApproximation
            If an entry is on a boundary, where a mode is not a stationary point.
        """
        if not self.information.inside.all():
            raise NoApproximation("a parameter is on the boundary of its space")
        slopes, sizes = self.slopes, self.chart.sizes
        steps = np.concatenate([slopes[p.name][p.independent(sizes)] for p in self.chart.not_held])
        return float(len(steps) / 2 * np.log(2 * np.pi) + np.linalg.slogdet(steps @ self.root)[1])

    @property
    def sd(self) -> dict[str, Array]:
        """Standard error of every free entry, by the delta method; 0 on a boundary."""
        root = self.root  # refuses a point that is not a mode, where the slopes have no units
        return {name: np.linalg.norm(slope @ root, axis=-1) for name, slope in self.slopes.items()}


def observed_information(
    spec: Mixture,
    X: Any,
    params: Params,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
) -> ObservedInformation:
    """Minus the second derivative of the objective at a mode, ``I_com (I - DM)``.

    Parameters
    ----------
    spec : Mixture
        The model.
    X : array_like or frame, shape (n, D)
        The data, as in `fit_em`.
    params : dict of ndarray
        The mode. Entries on a boundary are held there.
    weights : array_like, shape (n,), optional
        Frequency weights.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`. The
        information is then found by differences of the score, see `mixtures.em.differenced`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`.

    Returns
    -------
    ObservedInformation
        In free coordinates. At a mode the gradient is 0, so a change of coordinates adds no term.

    Raises
    ------
    NoApproximation
        If a cluster is empty, the natural form would lose too many digits, as with clusters far tighter
        than the data, or there are too many patterns of missing cells.

    References
    ----------
    Louis (1982), *JRSS B* 44, 226-233; Meng and Rubin (1991), *JASA* 86, 899-909.
    """
    problem = problem_of(spec, X, weights, missing=missing, labels=labels)
    params = problem.check(params)
    if not has_natural_form(problem.spec):
        raise NoApproximation(f"a {type(spec).__name__} has no natural form")
    if len(empty := vacant(problem, params)):
        raise NoApproximation(worded(clusters_are(empty), " empty, so that no row informs of the parameters"))
    if problem.data.has_missing:
        return _differenced(problem, params)
    with one_thread(), Kernel(problem.spec, problem.data) as kernel:
        new = problem.m_step(problem.e_step(params, kernel, TOL).statistics)
        chart = Chart(problem, kernel.family, *kernel.units, params)
        pass_ = kernel.curvature(params, TOL)
        found = None if pass_ is None else information_at(chart, kernel, params, new, pass_)
    if found is None:
        raise NoApproximation(DIGITS)
    return ObservedInformation(chart, chart.free(params), found)


def _differenced(problem: Problem, params: Params) -> ObservedInformation:
    """The same where cells are missing."""
    if not (isinstance(problem.data, Data) and can_group(problem.spec, problem.data)):
        raise NoApproximation("not known from EM with so many patterns of missing cells, or rows in chunks")
    with one_thread():
        kernel = GroupedKernel(problem.spec, problem.data)
        if not kernel.is_exact(params, TOL):
            raise NoApproximation(DIGITS)
        chart = Chart(problem, kernel.family, *kernel.units, params)
        found = differenced_information(chart, kernel.grouped, params)
    return ObservedInformation(chart, chart.free(params), found)
