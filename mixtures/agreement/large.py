"""The crosscheck of data that are not in memory, with a normal approximation of the posterior."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from mixtures.agreement.modes import find_modes
from mixtures.agreement.notes import incomplete
from mixtures.agreement.plan import Plan
from mixtures.clusters.align import align_tree
from mixtures.clusters.labelled import anchor
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.rows import Blocks, Rows
from mixtures.data.table import Data
from mixtures.density.density import Density
from mixtures.density.search import climb
from mixtures.density.streamed import StreamedModel, some_rows
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import InputError, NoApproximation
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
from mixtures.types import Array

__all__ = ["crosscheck_blocks"]

MOST_CELLS = 2**26
"""Cells that are read into memory, of rows with missing ones or of a memory map: half a gigabyte."""


LAPLACE = "Laplace approximation in unconstrained coordinates; its mode is not the MAP"


def crosscheck_blocks(spec: Mixture, blocks: Blocks, plan: Plan) -> Crosscheck:
    """Crosscheck rows that come in blocks: Laplace for all of them, NUTS for a subset.

    With missing cells they are read into memory: PyMC's density of a table is that of its patterns.
    """
    how, rng = plan.chains, plan.rng
    rows, density, of_some, some = _density(spec, blocks, rng)

    def starts() -> list[Array]:
        ends = [climb(of_some, x) for x in partition_starts(density, spec, some, plan.n_init, rng)]
        return list({round(of_some(x)[0], 3): x for x in ends}.values())

    found = find_modes(density, spec, rows, starts, plan)
    em, notes = found.em, list(found.em.notes)
    notes += spec.family.remarks(em.params, rows.total * em.params["alpha"])
    posterior, table, convergence, status = None, None, None, Status.WHOLE
    if spec.prior is None and not spec.family.flat_is_proper:
        why = ": the posterior is improper; sds are Laplace's at the mode"
        notes.append(worded(Option("prior", None), why))
    else:
        try:
            posterior = _laplace_tree(density, spec, rows, em, rng, how)
        except NoApproximation as error:
            notes.append(f"no Laplace approximation: the log density is {error}")
    table = found.table(posterior, plan)
    if posterior is not None:
        notes.append(
            f"the posterior of all {rows.n_rows:,} rows is a Laplace approximation from their observed "
            "information: independent draws of a normal in unconstrained coordinates"
        )
        drawn = draw(MixtureTarget(spec, some), how, rng, pivot=em.params)
        notes += incomplete(drawn, how)
        status = status_of(drawn)
        convergence = diagnose(drawn, spec=spec, X=some)
        width = found.table(drawn, plan)["sd"] * np.sqrt(some.total / rows.total)
        table["sd_nuts"], ratio = width, width / table["sd"]
        notes.append(
            f"sd_nuts: NUTS on {some.n_rows:,} rows drawn at random, its sds times "
            f"{np.sqrt(some.total / rows.total):.3g}, the root of their share; "
            f"{ratio.min():.2f} to {ratio.max():.2f} of Laplace's"
        )
    return Crosscheck(
        table,
        found.certificate(table),
        em,
        found.mode,
        posterior,
        convergence,
        tuple(notes),
        starts=found.starts,
        status=status,
    )


def _density(
    spec: Mixture, rows: Blocks, rng: np.random.Generator
) -> tuple[Rows, Density, Callable[[Array], tuple[float, Array]], Data]:
    """The rows, their density, that of the rows among which MAP starts, and a subset for NUTS."""
    if not rows.has_missing:
        streamed = StreamedModel(spec, rows, rng)
        return rows, streamed, streamed.of_table, streamed.sub
    if rows.n_rows * rows.n_features > MOST_CELLS:
        raise InputError(
            f"cells are missing, and PyMC's density of such rows needs them in memory: {rows.n_rows:,} rows "
            f"are too many, {MOST_CELLS // rows.n_features:,} is the limit; pass a subsample, or use fit_em"
        )
    whole = rows.in_memory()
    density = MixtureTarget(spec, whole).compiled
    return whole, density, density.value_and_grad, some_rows(whole, rng)


def _laplace_tree(
    density: Density,
    spec: Mixture,
    rows: Rows,
    em: EMFit,
    rng: np.random.Generator,
    how: Chains,
) -> xr.DataTree:
    """Draws of Laplace's approximation, as many as in a sample; ``attrs["method"]`` says what they are."""
    drawn = laplace_draws(density, spec.inside(em.params), how.total, rng)
    by_chain = {name: x.reshape(how.chains, how.draws, *x.shape[1:]) for name, x in drawn.items()}
    tree = draws_tree(by_chain, spec.dims, em.features, spec.coords(em.features))
    tree = align_tree(anchor(tree, anchored_clusters(rows)), to=em.params)
    tree.attrs["method"] = LAPLACE
    return tree
