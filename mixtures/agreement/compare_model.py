"""MAP and posterior of a user's own model, computed and compared."""

from dataclasses import replace

import numpy as np

from mixtures.agreement.certificate import count_starts, independent, maximum, returns, slopes
from mixtures.agreement.modes import displaced
from mixtures.agreement.notes import arbitrary, how_drawn, incomplete, where_mode_sits
from mixtures.agreement.plan import Plan
from mixtures.agreement.table import parameter_table
from mixtures.clusters.labelled import ALIGNED, EXCHANGEABLE, FIXED, label_state
from mixtures.density.curvature import curvature_at
from mixtures.density.search import reach
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import CollapseError
from mixtures.interrupts import attaching, complete, status_of
from mixtures.posterior.by_model import align_by_model
from mixtures.posterior.drawing import draw
from mixtures.posterior.model_starts import model_starts
from mixtures.posterior.modes import NO_MODE, best_mode
from mixtures.posterior.own_mixture import mixture_within, names_within
from mixtures.posterior.symmetry import find_symmetry
from mixtures.posterior.target import ModelTarget
from mixtures.results.crosscheck import Crosscheck

__all__ = ["crosscheck_model"]


def crosscheck_model(target: ModelTarget, plan: Plan) -> Crosscheck:
    """Compare MAP and posterior of a user's own model, which EM does not fit."""
    how, rng = plan.chains, plan.rng
    how.check_model()
    compiled = target.compiled
    multi = complete(best_mode(compiled, model_starts(compiled, plan.n_init, rng)))
    with attaching(multi):
        x = compiled.unconstrain(multi.params)
        if not np.isfinite(compiled.value_and_grad(x)[0]):
            raise CollapseError(NO_MODE, multi.params, [])
        curvature = curvature_at(compiled, x)
        step = displaced(x, curvature, rng) - x
        mode = complete(best_mode(compiled, [x + reach(compiled, x, step) * step]))
        symmetry = find_symmetry(compiled, x)
        if symmetry.state == EXCHANGEABLE:
            aligned = align_by_model(mode.to_datatree(), multi.params, compiled=compiled, symmetry=symmetry)
            again = aligned["posterior"].to_dataset()
            mode = replace(mode, params={name: again[name].values[0, 0] for name in mode.params})
        posterior = draw(target, how, rng, pivot=multi.params)
    table = parameter_table(compiled, multi.params, mode.params, posterior, x, curvature, rng, plan.ci_prob)
    table = table.rename(columns={"EM": "MAP", "MAP": "MAP again"})
    starts = count_starts(multi)
    certificate = (
        *slopes(compiled, x, np.zeros(x.size, dtype=bool), "MAP", curvature),
        maximum(curvature),
        returns(mode, table),
        independent(multi, multi.log_posterior, 0.0, starts),
    )
    mixture = mixture_within(compiled, posterior)
    names = None if mixture is None else names_within(compiled, mixture, posterior)
    state, why = label_state(posterior)
    notes = (
        "a model of your own: MAP against posterior, without EM",
        *how_drawn(posterior),
        *incomplete(posterior, how),
        *([f"labels {'need no aligning' if state == FIXED else 'are not aligned'}: {why}"] if why else ()),
        *arbitrary(names if state == ALIGNED else None),
        where_mode_sits(posterior, multi.log_posterior, x.size),
    )
    convergence = diagnose(posterior)
    return Crosscheck(
        table.drop(columns=["MAP again", "gap"]),
        certificate,
        None,
        multi,
        posterior,
        convergence,
        notes,
        starts=starts,
        status=status_of(posterior),
        mixture=mixture,
        names=names,
    )
