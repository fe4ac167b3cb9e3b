"""The checks of the certificate that EM and MAP agree.

Each check asks one question, and has a figure and a tolerance.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mixtures.data.rows import Rows
from mixtures.density.curvature import Curvature
from mixtures.density.density import Density
from mixtures.em.estep import e_step
from mixtures.families.mixture import Mixture
from mixtures.messages import Option, emptiness, worded
from mixtures.results.em import EMFit, unlike
from mixtures.results.map import MAPFit
from mixtures.results.verdict import IDENTIFIED, Check, Starts
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array

__all__ = [
    "arrived",
    "count_starts",
    "equal_log_posterior",
    "identified",
    "independent",
    "last_digits",
    "maximum",
    "returns",
    "slopes",
    "with_record",
]

ARRIVED = "searches by EM that have not converged"

INDEPENDENT = "best of independent MAP starts above it (nats)"


def equal_log_posterior(density: Density, spec: Mixture, rows: Rows, em: EMFit, x: Array) -> Check:
    """NumPy and PyMC compute the same log posterior at EM's estimate."""
    inside = spec.inside(em.params)
    by_numpy = float(spec.log_prior(inside)) + e_step(spec, rows, inside).log_likelihood
    by_pymc, _ = density.value_and_grad(x)
    figure = abs(by_numpy - by_pymc) / max(1.0, abs(by_numpy))
    return Check(
        "log posterior at EM, NumPy against PyMC (relative)",
        figure,
        TOLERANCES.logp_relative,
        bool(figure < TOLERANCES.logp_relative),
        f"{by_numpy:.9g} and {by_pymc:.9g}",
    )


def slopes(
    density: Density,
    x: Array,
    bound: np.ndarray,
    who: str,
    curvature: Curvature,
    rounded: Callable[[], list[Array]] = list,
) -> list[Check]:
    """The conditions of a maximum (Karush-Kuhn-Tucker): flat where free, rising outwards where bound.

    ``bound`` marks the coordinates of probabilities at 0 or 1. ``rounded`` returns points that differ from
    ``x`` in the last digits of the parameters.
    """
    flat = flat_where_free(density, x, bound, who, curvature, rounded)
    return [flat, outwards_at_the_boundary(density, x, bound, rounded)] if bound.any() else [flat]


def flat_where_free(
    density: Density,
    x: Array,
    bound: np.ndarray,
    who: str,
    curvature: Curvature,
    rounded: Callable[[], list[Array]],
) -> Check:
    """The gradient is zero in the free coordinates.

    The check reports the coordinate whose slope is largest relative to its tolerance.
    """

    def gradient(y: Array) -> Array:
        return np.where(bound, 0, density.value_and_grad(y)[1])

    here = gradient(x)
    steep = np.abs(here).max() >= TOLERANCES.gradient
    allowed, reason = _allowed_slopes(gradient, here, curvature, rounded) if steep else (0.0, "")
    tolerances = np.maximum(np.full(x.size, TOLERANCES.gradient), allowed)
    worst = int(np.argmax(np.abs(here) / tolerances))
    figure, tolerance = float(np.abs(here[worst])), float(tolerances[worst])
    note = reason if tolerance > TOLERANCES.gradient else ""
    return Check(f"PyMC's gradient at {who}, largest component", figure, tolerance, figure < tolerance, note)


def outwards_at_the_boundary(
    density: Density, x: Array, bound: np.ndarray, rounded: Callable[[], list[Array]]
) -> Check:
    """No probability at 0 or 1 would raise the density by moving inwards."""

    def outward(y: Array) -> Array:
        """``d/dp = (d/d logit) / (p (1 - p))`` of the bound probabilities, positive out of [0, 1]."""
        by_logit = density.value_and_grad(y)[1][bound]
        return by_logit / np.exp(-np.abs(y[bound])) * np.sign(y[bound])

    here = outward(x)
    figure = float(np.maximum(-here, 0).max())
    tolerance = TOLERANCES.gradient * max(1.0, float(np.abs(here).max()))
    if figure > tolerance:
        tolerance = max(tolerance, float(np.max(_rounding_error(outward, here, rounded))))
    note = f"{int(bound.sum())} probabilities at 0 or 1"
    return Check("slope inwards at the boundary (KKT)", figure, tolerance, figure <= tolerance, note)


def _allowed_slopes(
    gradient: Callable[[Array], Array],
    here: Array,
    curvature: Curvature,
    rounded: Callable[[], list[Array]],
) -> tuple[Array, str]:
    """Return slopes that count as zero although they are steep, and the reason.

    Where clusters are far tighter than the data, a tiny step makes a steep slope: it counts as zero if the
    maximum is next to nothing away by Newton's method, or if rounding the parameters makes as much.
    """
    distance = float(np.linalg.norm(curvature.newton(here)))
    if distance < TOLERANCES.map_distance_sd:
        reason = f"clusters are tight: the maximum is {distance:.1e} posterior sds away by Newton's method"
        return np.abs(here) * (TOLERANCES.map_distance_sd / distance), reason
    reason = "rounding the parameters changes the slope as much: clusters are tight, or columns far from 0"
    return _rounding_error(gradient, here, rounded), reason


def _rounding_error(
    function: Callable[[Array], Array], here: Array, rounded: Callable[[], list[Array]]
) -> Array:
    """Return how far the last digits of the parameters move a function from its value ``here``."""
    changes = [np.abs(function(y) - here) for y in rounded()]
    return TOLERANCES.gradient_rounding * np.max(changes, axis=0, initial=0)


def last_digits(density: Density, spec: Mixture, em: EMFit) -> list[Array]:
    """Return the coordinates of EM's parameters with the last digits changed, up and down."""
    inside, eps = spec.inside(em.params), float(np.finfo(float).eps)
    return [density.unconstrain({**inside, **spec.family.perturbed(inside, by)}) for by in (eps, -eps)]


def maximum(curvature: Curvature) -> Check:
    """The log density curves down in every direction."""
    smallest = float(curvature.values.min(initial=np.inf))
    note = "" if curvature.is_maximum else f"flat or rising along {', '.join(curvature.flat[:8])}"
    return Check("smallest curvature there (positive: a maximum)", smallest, 0.0, curvature.is_maximum, note)


def arrived(em: EMFit) -> list[Check]:
    """EM has come to its limit; no line of the certificate where it has."""
    note = "EM stopped at max_iter before it came to its limit; the point is not a maximum yet"
    return [] if em.converged else [Check(ARRIVED, 1.0, 0.0, False, note)]


def identified(spec: Mixture, rows: Rows, em: EMFit) -> Check:
    """The data identify every parameter."""
    empty = np.flatnonzero(em.params["alpha"] < TOLERANCES.boundary)
    reason = spec.family.unidentified(em.params, rows)
    if len(empty):
        reason = emptiness(empty)
    return Check(IDENTIFIED, float(bool(reason)), 0.0, not reason, reason, cause=True)


def returns(mode: MAPFit, table: pd.DataFrame) -> Check:
    """MAP returns to EM's estimate from half a posterior sd away."""
    gap = float(table["gap"].max())
    passed = mode.converged and bool(np.isfinite(gap)) and gap < TOLERANCES.gap_sd
    note = "" if mode.converged else mode.found
    name = f"gap after MAP starts {TOLERANCES.displacement_sd:g} sd away (posterior sds)"
    return Check(name, gap, TOLERANCES.gap_sd, passed, note)


def count_starts(multi: MAPFit, em: EMFit | None = None, kinds: Sequence[str] = ()) -> Starts:
    """Count the starts of EM and of MAP that reached the highest optimum that any of them found.

    The kinds are those of MAP's starts, where they are known.
    """
    best = multi.log_posterior if em is None else max(em.log_posterior, multi.log_posterior)
    by_map = multi.log_posteriors > best - same_height(best)
    found = int(by_map.sum()), len(by_map)
    if em is None:
        return Starts((0, 0), found)
    restarts = replace(em.restarts, best=best)
    by_kind = (kind for kind, at in zip(kinds, by_map, strict=False) if at)
    reached = unlike(by_kind) | restarts.kinds_reached
    share = max(restarts.share, float(by_map.mean()))
    return Starts((restarts.n_best, len(restarts.log_posterior)), found, tuple(sorted(reached)), share)


def independent(multi: MAPFit, log_posterior: float, missed: float, starts: Starts) -> Check:
    """No independent MAP start ends higher than EM, and enough of them confirm its optimum.

    If none is higher and too few confirm it, the line is about what is missing.
    """
    tolerance = same_height(log_posterior)
    above = multi.log_posterior - log_posterior
    higher = not above <= tolerance
    line: tuple[str, float, float] = (INDEPENDENT, above, tolerance)
    note = f"starts that reach the best optimum: {starts}"
    if starts.shortfall is not None:
        line = line if higher else starts.shortfall
        note = worded(
            f"unconfirmed, as too few independent starts, or kinds of starts, reach it ({starts}): raise ",
            Option("n_init"),
            ", lower ",
            Option("n_components"),
            ", or simplify the model",
        )
    if missed > tolerance:
        note = worded(note, f"; EM had missed it by {missed:.3g} and was started again there")
    return Check(*line, not higher and starts.confirmed, note, cause=not starts.confirmed)


def with_record(em: EMFit, again: EMFit) -> EMFit:
    """Return the better fit ``again`` with the record of the restarts that missed it."""
    return replace(again, restarts=replace(em.restarts, best=again.log_posterior))
