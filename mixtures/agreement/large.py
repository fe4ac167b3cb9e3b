"""The crosscheck of data that are not in memory, with a normal approximation of the posterior."""

import numpy as np
import xarray as xr

from mixtures.agreement.modes import find_modes
from mixtures.agreement.notes import incomplete
from mixtures.agreement.table import parameter_table
from mixtures.clusters.align import align_tree
from mixtures.data.rows import Blocks
from mixtures.density.density import Density
from mixtures.density.search import climb
from mixtures.density.streamed import StreamedModel
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Status, status_of
from mixtures.messages import Option, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.drawing import draw
from mixtures.posterior.starts import partition_starts
from mixtures.posterior.target import MixtureTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.standard_errors.laplace import laplace_draws
from mixtures.trees import draws_tree
from mixtures.types import Array, Params

__all__ = ["crosscheck_blocks"]

LAPLACE = "Laplace approximation in unconstrained coordinates; its mode is not the MAP"


def crosscheck_blocks(
    spec: Mixture,
    rows: Blocks,
    n_init: int,
    rng: np.random.Generator,
    how: Chains,
    ci_prob: float,
    start: Params | None,
) -> Crosscheck:
    """Crosscheck rows that are never in memory at once: Laplace for all of them, NUTS for a subset."""
    compiled = StreamedModel(spec, rows, rng)
    some = compiled.sub

    def starts() -> list[Array]:
        ends = [climb(compiled.of_table, x) for x in partition_starts(compiled, spec, some, n_init, rng)]
        return list({round(compiled.of_table(x)[0], 3): x for x in ends}.values())

    found = find_modes(compiled, spec, rows, starts, n_init, rng, how.progressbar, start)
    em, mode, notes = found.em, found.mode, list(found.em.notes)
    notes += spec.family.remarks(em.params, rows.total * em.params["alpha"])
    posterior, table, convergence, status = None, None, None, Status.WHOLE
    if spec.prior is None and not spec.family.flat_is_proper:
        why = ": the posterior is improper; sds are Laplace's at the mode"
        notes.append(worded(Option("prior", None), why))
    else:
        try:
            posterior = _laplace_tree(compiled, spec, em, rng, how)
        except NoApproximation as error:
            notes.append(f"no Laplace approximation: the log density is {error}")
    at, coords = (found.x, found.curvature, rng, ci_prob), spec.coords(em.features)
    table = parameter_table(compiled, em.params, mode.params, posterior, *at, coords)
    if posterior is not None:
        notes.append(
            f"the posterior of all {rows.n_rows:,} rows is a Laplace approximation from their observed "
            "information: independent draws of a normal in unconstrained coordinates"
        )
        drawn = draw(MixtureTarget(spec, some), how, rng, pivot=em.params)
        notes += incomplete(drawn, how)
        status = status_of(drawn)
        convergence = diagnose(drawn, spec=spec, X=some)
        of_some = parameter_table(compiled, em.params, mode.params, drawn, *at, coords)
        width = of_some["sd"] * np.sqrt(some.total / rows.total)
        table["sd_nuts"], ratio = width, width / table["sd"]
        notes.append(
            f"sd_nuts: NUTS on {some.n_rows:,} rows drawn at random, its sds times "
            f"{np.sqrt(some.total / rows.total):.3g}, the root of their share; "
            f"{ratio.min():.2f} to {ratio.max():.2f} of Laplace's"
        )
    certificate = found.certificate(compiled, spec, rows, table)
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


def _laplace_tree(
    compiled: Density,
    spec: Mixture,
    em: EMFit,
    rng: np.random.Generator,
    how: Chains,
) -> xr.DataTree:
    """Draws of Laplace's approximation, as many as in a sample; ``attrs["method"]`` says what they are."""
    drawn = laplace_draws(compiled, spec.inside(em.params), how.total, rng)
    by_chain = {name: x.reshape(how.chains, how.draws, *x.shape[1:]) for name, x in drawn.items()}
    tree = align_tree(draws_tree(by_chain, spec.dims, em.features, spec.coords(em.features)), to=em.params)
    tree.attrs["method"] = LAPLACE
    return tree
