"""The observed information where cells are missing, by differences of the score.

With ``L_s = eta_s(u) Phi_s`` for the rows of each pattern s of observed columns, the slope of the
log-likelihood in ``eta_s`` is the sums ``S_s = r Phi_s'`` that the E-step finds, so the score is
``sum_s S_s(u) . d eta_s / du``, exactly. Its derivative has two parts: the curvature of
``sum_s S_s . eta_s(u)`` with the sums held, the information of rows whose clusters are known, and
``sum_s d eta_s / du . d S_s / du``, what is missing of it because they are not. The sums are differenced
by two passes over the rows for each coordinate, the rest without the rows.
"""

import numpy as np

from mixtures.em.free import Chart, central_slopes
from mixtures.em.grouped import Grouped
from mixtures.em.tangent import Information, unit_steps
from mixtures.errors import NoApproximation
from mixtures.types import Array, Params

__all__ = ["differenced_information"]

STEP, CURVATURE_STEP = 1e-4, 2e-3
"""Lengths of a first difference and of a second, in standard deviations of one row."""


BLOCK = 2**21
"""Entries of all natural parameters that are made at once."""


MOST_SLOPES = 2**26
"""Slopes of all patterns' natural parameters in all coordinates, up to which they are held in memory."""


def differenced_information(chart: Chart, grouped: Grouped, params: Params) -> Information:
    """Information at a mode with cells missing, in free coordinates.

    Its complete part is that of the observed cells of rows whose clusters are known.

    Raises
    ------
    NoApproximation
        If there are too many patterns and coordinates to hold the slopes of all.
    """
    inside, u = chart.interior(params), chart.free(params)
    places = np.flatnonzero(inside)
    base, _ = grouped.sums({name: x[None] for name, x in params.items()})
    if len(places) * base.size > MOST_SLOPES:
        raise NoApproximation(f"not known from EM with {len(grouped.patterns)} patterns of missing cells")
    count = base[0, ..., 0].sum(axis=0)
    units = unit_steps(chart, u, places, count, 1.0)
    slopes, changes = np.empty((2, len(places), base.size))
    size = max(1, BLOCK // (2 * base.size))
    for first in range(0, len(places), size):
        some = slice(first, first + size)
        step = STEP * units[some]
        moved = chart.both_ways(u, places[some], step)
        for out, values in ((slopes, grouped.eta(moved)), (changes, grouped.sums(moved)[0])):
            out[some] = central_slopes(values, step).reshape(len(step), -1)
    missing = slopes @ changes.T
    complete = -_second_differences(chart, grouped, base.ravel(), u, places, CURVATURE_STEP * units)
    return Information(inside, complete, (missing + missing.T) / 2)


def _second_differences(
    chart: Chart, grouped: Grouped, sums: Array, u: Array, places: np.ndarray, steps: Array
) -> Array:
    """Second derivatives (q, q) of ``S . eta(u) + log prior(u)``: central differences, extrapolated to 0."""
    i, j = np.triu_indices(len(places))
    near, far = (_crossed(chart, grouped, sums, u, (places[i], places[j]), a * steps, (i, j)) for a in (1, 2))
    found = np.empty((len(places), len(places)))
    found[i, j] = found[j, i] = (4 * near - far) / 3
    return found


def _crossed(
    chart: Chart,
    grouped: Grouped,
    sums: Array,
    u: Array,
    places: tuple[np.ndarray, np.ndarray],
    steps: Array,
    pairs: tuple[np.ndarray, np.ndarray],
) -> Array:
    """Second differences along pairs of coordinates at these places."""
    found = np.empty(len(places[0]))
    size = max(1, BLOCK // (4 * sums.size))
    for first in range(0, len(found), size):
        a, b = (place[first : first + size] for place in places)
        h, k = (steps[which[first : first + size]] for which in pairs)
        moved = np.repeat(u[None], 4 * len(a), axis=0).reshape(4, len(a), -1)
        rows = np.arange(len(a))
        for out, (s, t) in zip(moved, ((1, 1), (1, -1), (-1, 1), (-1, -1)), strict=True):
            out[rows, a] += s * h
            out[rows, b] += t * k
        params = chart.params(moved.reshape(-1, len(u)))
        heights = grouped.eta(params).reshape(len(moved) * len(a), -1) @ sums
        heights = heights + chart.problem.spec.log_prior(params)
        up, left, right, down = heights.reshape(4, -1)
        found[first : first + size] = (up - left - right + down) / (4 * h * k)
    return found
