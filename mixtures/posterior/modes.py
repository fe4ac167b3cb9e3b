"""The best mode reached from several starts."""

import numpy as np

from mixtures.data.rows import Rows
from mixtures.density.curvature import curvature_at
from mixtures.density.density import Density
from mixtures.density.search import Optimum, climb, polish, require_density
from mixtures.errors import CollapseError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, Interrupted, Status
from mixtures.messages import Option, all_of, worded
from mixtures.progress import track
from mixtures.results.map import MAPFit
from mixtures.types import Array

__all__ = ["NO_MODE", "best_mode"]

NO_MODE = (
    "the search for the mode ran off to where the log density of the model is not finite: it has no highest "
    "point, as where a scale may be zero or a pm.Beta or pm.Dirichlet has parameters below 1. Give priors "
    "that are bounded there; sample(model) needs no mode"
)
"""Why a user's own model without a mode is refused."""


def best_mode(
    density: Density,
    starts: list[Array],
    spec: Mixture | None = None,
    data: Rows | None = None,
    *,
    progressbar: bool = False,
) -> MAPFit:
    """Climb from every start and describe the best mode, or the best point reached at an interrupt."""
    if spec is None:
        require_density(density, starts)
    ends: list[Array] = []
    interrupted = ""
    try:
        for start in track(starts, "MAP", shown=progressbar):
            ends.append(climb(density.value_and_grad, start))
    except KeyboardInterrupt as error:
        interrupted = f"{INTERRUPTED}: {len(ends)} of {len(starts)} starts were run"
        ends += [error.partial] if isinstance(error, Interrupted) else []
        if not ends:
            raise
    heights = _heights(density, ends, spec, data)
    if np.isnan(heights).all() and spec is None:
        raise CollapseError(NO_MODE, density.constrain(ends[0]), [])
    if np.isnan(heights).all():
        raise CollapseError(
            worded(
                f"{all_of(len(ends), 'start')} ran off to a degenerate cluster; use ",
                Option("prior", "default"),
                ", fewer components or a simpler ",
                Option("covariance_type"),
            ),
            density.constrain(ends[0]),
            [],
        )
    best = int(np.nanargmax(heights))
    value, gradient = density.value_and_grad(ends[best])
    mode = Optimum(ends[best], value, float(np.abs(gradient).max(initial=0)))
    try:
        if not interrupted:
            mode = polish(density, ends[best])
            heights[best] = mode.log_density
            found = _describe(density, mode)
    except KeyboardInterrupt:
        interrupted = f"{INTERRUPTED}: all starts were run, the best of them was not polished"
    return MAPFit(
        spec=spec,
        params=density.constrain(mode.x),
        log_posterior=mode.log_density,
        gradient_norm=mode.gradient_norm,
        converged=mode.converged and not interrupted,
        found=interrupted or found,
        log_posteriors=heights,
        dims=density.dims,
        coords=density.coords,
        status=Status.INTERRUPTED if interrupted else Status.WHOLE,
    )


def _heights(density: Density, ends: list[Array], spec: Mixture | None, data: Rows | None) -> Array:
    """Log densities where the climbs ended; NaN if it is not finite, or a cluster is degenerate."""
    heights = np.array([density.value_and_grad(x)[0] for x in ends])
    if spec is not None and data is not None:
        params = [density.constrain(x) for x in ends]
        sets = {name: np.stack([each[name] for each in params]) for name in spec.dims}
        heights[spec.family.degenerate(sets, spec.family.units(data)[1]).any(axis=-1)] = np.nan
    return np.where(np.isfinite(heights), heights, np.nan)


def _describe(density: Density, mode: Optimum) -> str:
    if not mode.converged:
        return f"no mode: the search stopped on a slope (gradient {mode.gradient_norm:.1e})"
    curvature = curvature_at(density, mode.x)
    if curvature.is_maximum:
        return "a maximum"
    if curvature.is_saddle:
        return "a saddle point"
    return f"flat along {', '.join(curvature.flat[:6])}"
