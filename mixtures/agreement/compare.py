"""EM, MAP and posterior of one mixture, computed and compared."""

from importlib import import_module
from threading import Thread

import numpy as np

from mixtures.agreement.modes import find_modes
from mixtures.agreement.notes import how_drawn, incomplete, where_mode_sits
from mixtures.agreement.plan import Plan
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import NoApproximation
from mixtures.interrupts import INTERRUPTED, Status, attaching, status_of
from mixtures.messages import Option, worded
from mixtures.posterior.drawing import draw
from mixtures.posterior.starts import kinds_in_turn, partition_starts
from mixtures.posterior.target import MixtureTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.types import Array

__all__ = ["crosscheck_mixture"]


def crosscheck_mixture(target: MixtureTarget, plan: Plan) -> Crosscheck:
    """Compare EM, MAP and posterior of a mixture."""
    density, spec, data = target.compiled, target.spec, target.data

    def starts() -> list[Array]:
        return partition_starts(density, spec, data, plan.n_init, plan.rng)

    found = find_modes(density, spec, data, starts, plan, kinds_in_turn(plan.n_init))
    em = found.em
    certified = spec.family.never_identified(spec.n_components, data)  # a line of the certificate says it
    notes = [note for note in em.notes if note != certified]
    posterior, convergence, status = None, None, Status.WHOLE
    try:
        if not target.is_improper:
            Thread(target=import_module, args=("arviz_stats",)).start()  # while XLA draws; judging needs it
            posterior = draw(target, plan.chains, plan.rng, em=em)
            notes += [*how_drawn(posterior), *incomplete(posterior, plan.chains)]
            status = status_of(posterior)
            convergence = diagnose(posterior, spec=spec, X=data, em=em)
        else:
            why = ": the posterior is improper and was not sampled; sds are Laplace's at the mode"
            notes.append(worded(Option("prior", None), why))
    except NoApproximation as error:
        notes.append(worded("the posterior was not sampled, and sds are Laplace's at the mode: ", error))
    except KeyboardInterrupt:
        left = "drawn from: sds are Laplace's at the mode" if posterior is None else "judged"
        notes.append(f"{INTERRUPTED}: the posterior was not {left}")
        status = Status.INTERRUPTED
    notes += spec.family.remarks(em.params, data.total * em.params["alpha"])
    with attaching(em):
        table = found.table(posterior, plan)
        if posterior is not None:
            notes.append(where_mode_sits(posterior, em.log_posterior, int(np.sum(~found.bound))))
        certificate = found.certificate(table)
    return Crosscheck(
        table,
        certificate,
        em,
        found.mode,
        posterior,
        convergence,
        tuple(notes),
        starts=found.starts,
        status=status,
        from_cache=density.from_cache,
    )
