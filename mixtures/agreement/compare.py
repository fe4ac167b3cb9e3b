"""EM, MAP and posterior of one target, computed and compared."""

from dataclasses import replace

import numpy as np

from mixtures.agreement.certificate import count_starts, independent, maximum, returns, slopes
from mixtures.agreement.modes import displaced, find_modes
from mixtures.agreement.notes import incomplete, where_mode_sits
from mixtures.agreement.table import parameter_table
from mixtures.clusters.labelled import EXCHANGEABLE, label_state
from mixtures.density.curvature import curvature_at
from mixtures.density.search import reach
from mixtures.diagnostics.diagnose import diagnose
from mixtures.interrupts import INTERRUPTED, Status, attaching, complete, status_of
from mixtures.posterior.by_model import align_by_model
from mixtures.posterior.chains import Chains
from mixtures.posterior.drawing import draw
from mixtures.posterior.modes import best_mode
from mixtures.posterior.starts import model_starts, partition_starts
from mixtures.posterior.symmetry import find_symmetry
from mixtures.posterior.target import MixtureTarget, ModelTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.types import Params

__all__ = ["crosscheck_mixture", "crosscheck_model"]


def crosscheck_mixture(
    target: MixtureTarget,
    n_init: int,
    rng: np.random.Generator,
    how: Chains,
    ci_prob: float,
    start: Params | None,
) -> Crosscheck:
    """Compare EM, MAP and posterior of a mixture."""
    compiled, spec, data = target.compiled, target.spec, target.data
    found = find_modes(
        compiled,
        spec,
        data,
        lambda: partition_starts(compiled, spec, data, n_init, rng),
        n_init,
        rng,
        how.progressbar,
        start,
    )
    em, mode, curvature = found.em, found.mode, found.curvature
    posterior, convergence, notes, status = None, None, list(em.notes), Status.WHOLE
    try:
        if not target.is_improper:
            posterior = draw(target, how, rng, em=em)
            notes += incomplete(posterior, how)
            status = status_of(posterior)
            convergence = diagnose(posterior, spec=spec, X=data, em=em)
        else:
            notes.append(
                "prior=None: the posterior is improper and was not sampled; sds are Laplace's at the mode"
            )
    except KeyboardInterrupt:
        left = "drawn from: sds are Laplace's at the mode" if posterior is None else "judged"
        notes.append(f"{INTERRUPTED}: the posterior was not {left}")
        status = Status.INTERRUPTED
    notes += spec.family.remarks(em.params, data.total * em.params["alpha"])
    with attaching(em):
        table = parameter_table(compiled, em.params, mode.params, posterior, found.x, curvature, rng, ci_prob)
        if posterior is not None:
            notes.append(where_mode_sits(posterior, em.log_posterior, int(np.sum(~found.bound))))
        certificate = found.certificate(compiled, spec, data, table)
    return Crosscheck(
        table,
        certificate,
        em,
        mode,
        posterior,
        convergence,
        tuple(notes),
        starts=found.starts,
        status=status,
    )


def crosscheck_model(
    target: ModelTarget, n_init: int, rng: np.random.Generator, how: Chains, ci_prob: float
) -> Crosscheck:
    """Compare MAP and posterior of a user's own model, which EM does not fit."""
    compiled = target.compiled
    multi = complete(best_mode(compiled, model_starts(compiled, n_init, rng)))
    with attaching(multi):
        x = compiled.unconstrain(multi.params)
        curvature = curvature_at(compiled, x)
        step = displaced(x, curvature, rng) - x
        mode = complete(best_mode(compiled, [x + reach(compiled, x, step) * step]))
        symmetry = find_symmetry(compiled, x)
        if symmetry.state == EXCHANGEABLE:
            returned = align_by_model(mode.to_datatree(), multi.params, compiled=compiled, symmetry=symmetry)[
                "posterior"
            ].to_dataset()
            mode = replace(mode, params={name: returned[name].values[0, 0] for name in mode.params})
        posterior = draw(target, how, rng, pivot=multi.params)
    table = parameter_table(compiled, multi.params, mode.params, posterior, x, curvature, rng, ci_prob)
    table = table.rename(columns={"EM": "MAP", "MAP": "MAP again"})
    starts = count_starts(multi, None)
    certificate = (
        *slopes(compiled, x, np.zeros(x.size, dtype=bool), "MAP", curvature),
        maximum(curvature),
        returns(mode, table),
        independent(multi, multi.log_posterior, 0.0, starts),
    )
    notes = (
        "a model of your own: MAP against posterior, without EM",
        *incomplete(posterior, how),
        *(f"labels are not aligned: {why}" for why in label_state(posterior)[1:] if why),
        where_mode_sits(posterior, multi.log_posterior, x.size),
    )
    convergence = diagnose(posterior)
    return Crosscheck(
        table,
        certificate,
        None,
        multi,
        posterior,
        convergence,
        notes,
        starts=starts,
        status=status_of(posterior),
    )
