"""The modes that the starts of EM and of MAP reach, and MAP's return to EM's mode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.agreement.certificate import (
    arrived,
    count_starts,
    equal_log_posterior,
    identified,
    independent,
    last_digits,
    maximum,
    returns,
    slopes,
    with_record,
)
from mixtures.agreement.plan import Plan
from mixtures.agreement.table import parameter_table
from mixtures.clusters.rules import match_params
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.rows import Rows
from mixtures.density.curvature import Curvature, curvature_at
from mixtures.density.density import Density, bound_coordinates
from mixtures.em.fit import fit_em
from mixtures.families.mixture import Mixture
from mixtures.interrupts import attaching, complete
from mixtures.posterior.modes import best_mode
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.verdict import Check, Starts
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array

__all__ = ["Modes", "displaced", "find_modes"]


@dataclass(frozen=True)
class Modes:
    """EM, the best of independent MAP starts, and the MAP from a start displaced from EM."""

    density: Density
    spec: Mixture
    rows: Rows
    em: EMFit
    multi: MAPFit
    missed: float
    mode: MAPFit
    starts: Starts
    x: Array
    bound: np.ndarray
    curvature: Curvature

    def table(self, posterior: xr.DataTree | None, plan: Plan) -> pd.DataFrame:
        """EM, MAP and a posterior sample side by side."""
        em, mode, coords = self.em.params, self.mode.params, self.spec.coords(self.em.features)
        return parameter_table(
            self.density, em, mode, posterior, self.x, self.curvature, plan.rng, plan.ci_prob, coords
        )

    def certificate(self, table: pd.DataFrame) -> tuple[Check, ...]:
        """Check by check, whether they agree."""
        rounded = partial(last_digits, self.density, self.spec, self.em)
        return (
            *arrived(self.em),
            equal_log_posterior(self.density, self.spec, self.rows, self.em, self.x),
            *slopes(self.density, self.x, self.bound, "EM", self.curvature, rounded),
            maximum(self.curvature),
            identified(self.spec, self.rows, self.em),
            returns(self.mode, table),
            independent(self.multi, self.em.log_posterior, self.missed, self.starts),
        )


def displaced(x: Array, curvature: Curvature, rng: np.random.Generator) -> Array:
    """Return the point half a posterior sd from ``x`` along every principal axis, on random sides."""
    sides = rng.choice([-1.0, 1.0], size=len(curvature.values))
    return x + TOLERANCES.displacement_sd * curvature.whitening @ sides


def find_modes(
    density: Density,
    spec: Mixture,
    rows: Rows,
    starts: Callable[[], list[Array]],
    plan: Plan,
    kinds: Sequence[str] = (),
) -> Modes:
    """Search by EM and by MAP; if MAP or a known start is higher, EM continues from there."""
    rng, shown, tol = plan.rng, plan.chains.progressbar, TOLERANCES.em_step_certificate
    em = complete(fit_em(spec, rows, n_init=plan.n_init, random_seed=rng, tol=tol, progressbar=shown))
    with attaching(em):
        if plan.start is not None:
            known = complete(fit_em(spec, rows, start=plan.start, tol=tol))
            em = with_record(em, known) if known.log_posterior > em.log_posterior else em
        multi = complete(best_mode(density, starts(), spec, rows, progressbar=shown))
        missed = multi.log_posterior - em.log_posterior
        if missed > same_height(em.log_posterior):
            again = complete(fit_em(spec, rows, start=multi.params, tol=tol))
            em = with_record(em, again)
        x = density.unconstrain(spec.inside(em.params))
        bound = bound_coordinates(density, spec.family.bound_coordinates(em.params))
        curvature = curvature_at(density, x, within=~bound)
        mode = complete(best_mode(density, [displaced(x, curvature, rng)], spec, rows))
    order = match_params(spec.family, mode.params, em.params, anchored_clusters(rows))
    mode = replace(mode, params=spec.relabel(mode.params, order))
    reached = count_starts(multi, em, kinds)
    return Modes(density, spec, rows, em, multi, missed, mode, reached, x, bound, curvature)
