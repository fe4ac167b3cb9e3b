"""The distinct modes of a posterior in unconstrained coordinates, each with its curvature.

EM's restarts end at modes of the density over the parameters. The density that is
sampled has the Jacobian of the coordinates in it, and its modes are a little beside
those: a few Newton steps lead there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from mixtures.clusters.rules import match_params
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.rows import Rows
from mixtures.density.curvature import Curvature, curvature_at, principal_widths
from mixtures.density.density import Density
from mixtures.density.search import climb
from mixtures.em.optima import more_optima
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.results.em import EMFit
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array, Params

__all__ = ["Peak", "find_peaks", "reordered", "rival_ends", "rivals"]

MOST = 12
"""Largest number of EM's optima from which modes are sought, the best ones."""


STARTS = 60
"""Further starts on small data, for modes that are not the best."""


SMALL = 300_000
"""Rows times coordinates of small data; on larger ones these starts would take longer than the draws."""


BELOW = 10.0
"""Optima of EM that lie further below the best than this, plus two for every coordinate (nats), are left out;
those that lie less far below may hold much of the posterior if they are wide."""


SAME = 0.1
"""Distance, in sds of the complete data or of the posterior, below which two optima are one."""


ALIKE = 0.01
"""Difference of the values of a variable at one mode under other labels, relative to the largest of them."""


MOST_COORDINATES = 300
"""Largest number of coordinates with which modes are sought: with more, normal approximations seldom fit
and curvatures take long."""


NEGLIGIBLE = 1e-4
"""Share of Laplace's evidence below which a mode is left out."""


CLOSE, FAR = 0.01, 2.0
"""Distance from a mode that is near enough for a proposal, and longest step towards it, in posterior sds."""


NEWTON_STEPS, CHORD_STEPS = 8, 8
"""Largest numbers of curvatures computed on the way to a mode, and of steps with each of them."""


@dataclass(frozen=True, eq=False)
class Peak:
    """A mode of the density of the unconstrained coordinates.

    Attributes
    ----------
    x : ndarray, shape (size,)
        Its coordinates.
    widths : ndarray, shape (size, size)
        One sd of Laplace's normal along each of its principal axes, as columns.
    log_density : float
        Log density there, with the Jacobian.
    params : dict of ndarray
        Its parameters.
    """

    x: Array
    widths: Array
    log_density: float
    params: Params

    @property
    def log_evidence(self) -> float:
        """Laplace's approximation of the log integral of the density about the mode."""
        return float(
            self.log_density + self.x.size / 2 * np.log(2 * np.pi) + np.linalg.slogdet(self.widths)[1]
        )


def find_peaks(density: Density, em: EMFit, rows: Rows, rng: np.random.Generator) -> tuple[Peak, ...]:
    """Climb from every distinct optimum that EM's restarts found, on small data also from further starts.

    EM's clusters set the labels of all modes.

    Returns
    -------
    tuple of Peak
        Distinct modes, that with the largest evidence first; negligible ones are left out.

    Raises
    ------
    NoApproximation
        If no mode is found from EM's best optimum, or it has directions without curvature.
    """
    found = _climbed(density, em, rows, islice(_optima(em, density.size, rows, rng), MOST))
    evidence = np.array([peak.log_evidence for peak in found])
    kept = np.flatnonzero(evidence > evidence.max() + np.log(NEGLIGIBLE))
    return tuple(found[i] for i in kept[np.argsort(-evidence[kept])])


def _climbed(density: Density, em: EMFit, rows: Rows, optima: Iterable[Params]) -> list[Peak]:
    """All distinct modes, that of EM's best optimum first."""
    if density.size > MOST_COORDINATES:
        raise NoApproximation(
            f"one of {density.size} unconstrained coordinates, and normal approximations are tried up to "
            f"{MOST_COORDINATES}"
        )
    spec, anchored = em.spec, anchored_clusters(rows)
    found: list[Peak] = []
    for i, params in enumerate(optima):
        try:
            peak = _peak(density, spec, params, em.params, anchored)
        except NoApproximation:
            if not i:
                raise
            continue
        if not any(_is_same(density, spec, peak, other, anchored) for other in found):
            found.append(peak)
    return found


def rivals(density: Density, em: EMFit, rows: Rows, most: int) -> list[Params]:
    """Optima other than the best whose modes hold so much of the posterior that a summary must include them.

    They are sought among the ``most`` highest optima. On large data, where height decides, these are
    EM's restarts that end nearly as high.
    """
    least = np.log(1 / TOLERANCES.single_mode - 1)
    if rows.n_rows * density.size > SMALL:
        below = em.restarts.log_posterior - em.log_posterior
        near = (i for i in em.restarts.order if least < below[i] < -same_height(em.log_posterior))
        return [em.restarts.params[i] for i in near][:1]
    if density.size > MOST_COORDINATES:
        return []
    optima = list(islice(_optima(em, density.size, rows, np.random.default_rng(0)), most))
    if len(optima) < 2:
        return []  # and nothing is compiled
    try:
        peaks = _climbed(density, em, rows, optima)
    except NoApproximation:
        return []
    others = sorted(peaks[1:], key=lambda peak: -peak.log_evidence)
    return [peak.params for peak in others if peak.log_evidence - peaks[0].log_evidence > least]


def rival_ends(density: Density, ends: Sequence[Array], heights: Array) -> list[Array]:
    """Do the same for a user's own model, given where the searches for its mode ended, best first.

    Ends of the same height are taken for one mode under other labels if every variable has the same values
    in some order.
    """
    least, apart = np.log(1 / TOLERANCES.single_mode - 1), same_height(heights[0])
    values = [density.constrain(x) for x in ends]
    distinct: list[int] = []
    for i, height in enumerate(heights):
        if not any(heights[j] - height <= apart and reordered(values[i], values[j]) for j in distinct):
            distinct.append(i)
    if len(distinct) < 2 or density.size > MOST_COORDINATES:
        return []
    evidence = {i: _log_evidence(density, ends[i]) for i in distinct if heights[0] - heights[i] < BELOW}
    others = sorted(distinct[1:], key=lambda i: -evidence.get(i, -np.inf))
    return [ends[i] for i in others if evidence.get(i, -np.inf) - evidence[0] > least]


def reordered(a: Params, b: Params) -> bool:
    """Whether every variable has nearly the same values in both, in some order."""
    return all(
        np.allclose(np.sort(x, axis=None), np.sort(b[name], axis=None), rtol=0, atol=ALIKE * np.abs(x).max())
        for name, x in a.items()
        if x.size
    )


def _log_evidence(density: Density, x: Array) -> float:
    """Laplace's approximation about a point near a mode; -inf where the density does not curve down."""
    try:
        widths = principal_widths(_curvature(density, x))
    except NoApproximation:
        return -np.inf
    return float(density.value_and_grad(x, jacobian=True)[0] + np.linalg.slogdet(widths)[1])


def _optima(em: EMFit, size: int, rows: Rows, rng: np.random.Generator) -> Iterator[Params]:
    """Yield EM's best optimum, then others, best first, with the labels that match the best."""
    spec, kept, total, anchored = em.spec, [em.params], rows.total, anchored_clusters(rows)
    lowest = em.log_posterior - BELOW - 2 * size
    yield em.params
    found = [(float(em.restarts.log_posterior[i]), em.restarts.params[i]) for i in em.restarts.order]
    if rows.n_rows * size <= SMALL:
        found += [(run.trace[-1], run.params) for run in more_optima(spec, rows, STARTS, lowest, rng)]
    for height, params in sorted(found, key=lambda each: -each[0]):
        if len(kept) == MOST or height < lowest:
            return
        params = _matched(spec, params, em.params, anchored)
        apart = [
            spec.step_length(_matched(spec, params, other, anchored), other, total * other["alpha"])
            for other in kept
        ]
        if min(apart) > SAME:
            kept.append(params)
            yield params


def _matched(spec: Mixture, params: Params, to: Params, anchored: np.ndarray) -> dict[str, Array]:
    """Parameters under the labels that match others best."""
    return spec.relabel(params, match_params(spec.family, params, to, anchored))


def _peak(density: Density, spec: Mixture, params: Params, pivot: Params, anchored: np.ndarray) -> Peak:
    start = density.unconstrain(spec.inside(params))
    reached = _newton(density, start)
    if reached is None:
        reached = _newton(density, climb(partial(density.value_and_grad, jacobian=True), start))
    if reached is None:
        raise NoApproximation("not at a mode where the search for it stopped")
    x, curvature = reached
    every = density.constrain(x)
    found = {name: every[name] for name in spec.dims}
    order = match_params(spec.family, found, pivot, anchored)
    if (order != np.arange(order.size)).any():
        found = spec.relabel(found, order)
        x = density.unconstrain(found)
        curvature = _curvature(density, x)
    return Peak(x, principal_widths(curvature), density.value_and_grad(x, jacobian=True)[0], found)


def _curvature(density: Density, x: Array) -> Curvature:
    return curvature_at(density, x, jacobian=True)


def _newton(density: Density, x: Array) -> tuple[Array, Curvature] | None:
    """Climb to a mode by Newton's steps, several with each curvature that is computed."""
    for _ in range(NEWTON_STEPS):
        curvature = _curvature(density, x)
        if not np.isfinite(curvature.values).all():
            return None
        value, gradient = density.value_and_grad(x, jacobian=True)
        step = curvature.newton(gradient)
        if np.linalg.norm(step) < CLOSE:
            return (x, curvature) if curvature.is_maximum else None
        for _ in range(CHORD_STEPS):
            distance = float(np.linalg.norm(step))
            trial = x + curvature.step(step * min(1.0, FAR / distance))
            trial_value, trial_gradient = density.value_and_grad(trial, jacobian=True)
            if not trial_value > value:
                break
            x, value, step = trial, trial_value, curvature.newton(trial_gradient)
            if not CLOSE < np.linalg.norm(step) < distance / 2:  # there, or the curvature has changed
                break
    return None


def _is_same(density: Density, spec: Mixture, peak: Peak, other: Peak, anchored: np.ndarray) -> bool:
    """Whether two modes are one, whatever its labels."""
    x = density.unconstrain(_matched(spec, peak.params, other.params, anchored))
    return bool(np.linalg.norm(np.linalg.solve(other.widths, x - other.x)) < SAME)
