"""EM, MAP and posterior of one mixture, computed and compared."""

from importlib import import_module
from threading import Thread

import numpy as np

from mixtures.agreement.modes import find_modes
from mixtures.agreement.notes import how_drawn, incomplete, where_mode_sits
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import NoApproximation
from mixtures.interrupts import INTERRUPTED, Status, attaching, status_of
from mixtures.messages import Option, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.drawing import draw
from mixtures.posterior.starts import kinds_in_turn, partition_starts
from mixtures.posterior.target import MixtureTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.types import Params

__all__ = ["crosscheck_mixture"]


def crosscheck_mixture(
    target: MixtureTarget,
    n_init: int,
    rng: np.random.Generator,
    how: Chains,
    ci_prob: float,
    start: Params | None,
) -> Crosscheck:
    """Compare EM, MAP and posterior of a mixture."""
    density, spec, data = target.compiled, target.spec, target.data
    found = find_modes(
        density,
        spec,
        data,
        lambda: partition_starts(density, spec, data, n_init, rng),
        n_init,
        rng,
        how.progressbar,
        start,
        kinds_in_turn(n_init),
    )
    em = found.em
    certified = spec.family.never_identified(spec.n_components, data)  # a line of the certificate says it
    notes = [note for note in em.notes if note != certified]
    posterior, convergence, status = None, None, Status.WHOLE
    try:
        if not target.is_improper:
            Thread(target=import_module, args=("arviz_stats",)).start()  # while XLA draws; judging needs it
            posterior = draw(target, how, rng, em=em)
            notes += [*how_drawn(posterior), *incomplete(posterior, how)]
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
        table = found.table(posterior, rng, ci_prob)
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
