"""The modes that EM and MAP find, and the certificate that they agree.

A line of the certificate is one question, with its figure and tolerance.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from mixtures.data.rows import Rows
from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import Curvature
from mixtures.em.estep import e_step
from mixtures.families.mixture import Mixture
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.verdict import IDENTIFIED, Check, Starts
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array

__all__ = [
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


def equal_log_posterior(compiled: CompiledModel, spec: Mixture, rows: Rows, em: EMFit, x: Array) -> Check:
    """One number, by NumPy and by PyMC."""
    inside = spec.inside(em.params)
    by_numpy = float(spec.log_prior(inside)) + e_step(spec, rows, inside).log_likelihood
    by_pymc, _ = compiled.value_and_grad(x)
    figure = abs(by_numpy - by_pymc) / max(1.0, abs(by_numpy))
    return Check(
        "log posterior at EM, NumPy against PyMC (relative)",
        figure,
        TOLERANCES.logp_relative,
        bool(figure < TOLERANCES.logp_relative),
        f"{by_numpy:.9g} and {by_pymc:.9g}",
    )


def slopes(
    compiled: CompiledModel,
    x: Array,
    bound: np.ndarray,
    who: str,
    curvature: Curvature,
    rounded: Callable[[], list[Array]] = list,
) -> list[Check]:
    """Flat where free; where bound (a probability at 0 or 1), pointing outwards (Karush-Kuhn-Tucker).

    Clusters far tighter than the data make steep slopes of last digits. One is flat, too, if Newton's method
    has next to nothing to go, or if parameters ``rounded`` in their last digit make as much.
    """

    def gradient(y: Array) -> Array:
        return np.where(bound, 0, compiled.value_and_grad(y)[1])

    def outwards(y: Array) -> Array:
        """``d/dp = (d/d logit) / (p (1 - p))``, positive if it points out of the space."""
        slope = compiled.value_and_grad(y)[1][bound]
        return slope / np.exp(-np.abs(y[bound])) * np.sign(x[bound])

    def last_digits_make(function: Callable[[Array], Array]) -> Array:
        made = [np.abs(function(y) - function(x)) for y in rounded()]
        return TOLERANCES.gradient_rounding * np.max(made, axis=0, initial=0)

    free = gradient(x)
    size, tolerances, note = np.abs(free), np.full(x.size, TOLERANCES.gradient), ""
    if size.max(initial=0) >= TOLERANCES.gradient:
        distance = float(np.linalg.norm(curvature.newton(free)))
        if distance < TOLERANCES.map_distance_sd:
            allowed = size * (TOLERANCES.map_distance_sd / distance)
            note = f"clusters are tight: the top is {distance:.1e} posterior sds away by Newton's method"
        else:
            allowed = last_digits_make(gradient)
            note = "the last digits of the parameters make as much: clusters are tight, or columns far from 0"
        tolerances = np.maximum(tolerances, allowed)
    worst = int(np.argmax(size / tolerances)) if x.size else 0
    figure, tolerance = (float(v[worst]) if x.size else 0.0 for v in (size, tolerances))
    note = note if tolerance > TOLERANCES.gradient else ""
    name = f"PyMC's gradient at {who}, largest component"
    checks = [Check(name, figure, tolerance, figure < tolerance, note)]
    if bound.any():
        slope = outwards(x)
        inward = float(np.maximum(-slope, 0).max())
        tolerance = TOLERANCES.gradient * max(1.0, float(np.abs(slope).max()))
        if inward > tolerance:
            tolerance = max(tolerance, float(np.max(last_digits_make(outwards))))
        note = f"{int(bound.sum())} probabilities at 0 or 1"
        checks.append(
            Check("slope inwards at the boundary (KKT)", inward, tolerance, inward <= tolerance, note)
        )
    return checks


def last_digits(compiled: CompiledModel, spec: Mixture, em: EMFit) -> list[Array]:
    """Coordinates of EM's parameters with their last digits changed, up and down."""
    inside, eps = spec.inside(em.params), float(np.finfo(float).eps)
    return [compiled.unconstrain({**inside, **spec.family.perturbed(inside, by)}) for by in (eps, -eps)]


def maximum(curvature: Curvature) -> Check:
    """Curving down in every direction."""
    smallest = float(curvature.values.min(initial=np.inf))
    note = "" if curvature.is_maximum else f"flat or rising along {', '.join(curvature.flat[:8])}"
    return Check("smallest curvature there (positive: a maximum)", smallest, 0.0, curvature.is_maximum, note)


def identified(spec: Mixture, em: EMFit) -> Check:
    """Nothing that the data can never tell."""
    empty = np.flatnonzero(em.params["alpha"] < TOLERANCES.boundary)
    reason = spec.family.unidentified(em.params)
    if len(empty):
        reason = f"cluster {empty[0]} is empty: only the prior speaks of its parameters; lower n_components"
    return Check(IDENTIFIED, float(bool(reason)), 0.0, not reason, reason, cause=True)


def returns(mode: MAPFit, table: pd.DataFrame) -> Check:
    """MAP comes back from half a posterior sd away."""
    gap = float(table["gap"].max())
    passed = mode.converged and bool(np.isfinite(gap)) and gap < TOLERANCES.gap_sd
    note = "" if mode.converged else mode.found
    name = f"gap after MAP starts {TOLERANCES.displacement_sd:g} sd away (posterior sds)"
    return Check(name, gap, TOLERANCES.gap_sd, passed, note)


def count_starts(multi: MAPFit, em: EMFit | None) -> Starts:
    """How many starts of EM and of MAP reached the highest optimum that any of them found."""
    best = multi.log_posterior if em is None else max(em.log_posterior, multi.log_posterior)

    def reached(heights: Array) -> tuple[int, int]:
        return int(np.sum(heights > best - same_height(best))), len(heights)

    return Starts((0, 0) if em is None else reached(em.restarts.log_posterior), reached(multi.log_posteriors))


def independent(multi: MAPFit, log_posterior: float, missed: float, starts: Starts) -> Check:
    """Independent MAP starts: a higher one must have become EM's answer, and they must confirm it."""
    tolerance = same_height(log_posterior)
    above = multi.log_posterior - log_posterior
    note = f"starts that reach the best optimum: {starts}"
    if not starts.confirmed:
        note = (
            f"unconfirmed, as too few independent starts reach it ({starts}): raise n_init, lower "
            "n_components, or simplify the model"
        )
    if missed > tolerance:
        note += f"; EM had missed it by {missed:.3g} and was started again there"
    passed = bool(above <= tolerance) and starts.confirmed
    return Check(INDEPENDENT, above, tolerance, passed, note, cause=not starts.confirmed)


INDEPENDENT = "best of independent MAP starts above it (nats)"


def with_record(em: EMFit, again: EMFit) -> EMFit:
    """A fit from elsewhere, with the record of the restarts that missed it."""
    return replace(again, restarts=replace(em.restarts, best=again.log_posterior))
