"""Bootstrap of EM: the fit is repeated on simulated data, or on the data with random weights.

Every replicate starts from the fit, so that it finds the same mode and nearly
the same labels, and uses the same specification: a "default" prior is not
resolved again from the replicate.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from mixtures.clusters.labelled import anchor
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.em.ascent import ascend
from mixtures.em.estep import soft_assignment
from mixtures.em.newton import Auto
from mixtures.em.problem import Problem
from mixtures.errors import CollapseError
from mixtures.posterior.labels import align
from mixtures.progress import track
from mixtures.results.em import EMFit
from mixtures.standard_errors.simulation import Resample
from mixtures.threads import one_thread
from mixtures.tolerances import TOLERANCES
from mixtures.trees import draws_tree
from mixtures.types import Array

__all__ = ["Replicates", "bootstrap", "weighted"]

MAX_ITER = 10_000
"""Largest number of iterations of a replicate."""


@dataclass(frozen=True)
class Replicates:
    """Fits of resampled data.

    Attributes
    ----------
    tree : xarray.DataTree or None
        Parameters of the replicates, with labels aligned to the fit; None if all collapsed.
    n_resamples : int
        Number of replicates made.
    collapsed : int
        Number of them that collapsed onto a degenerate cluster; these are not in the tree.
    unfinished : int
        Number of them that did not converge; these are in the tree.
    """

    tree: xr.DataTree | None
    n_resamples: int
    collapsed: int
    unfinished: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Describe what went wrong."""
        notes = []
        if self.collapsed:
            notes.append(
                f"{self.collapsed} of {self.n_resamples} replicates collapsed onto a degenerate cluster and "
                "are left out: sds are conditional on no collapse"
            )
        if self.unfinished:
            notes.append(f"{self.unfinished} of {self.n_resamples} replicates did not converge")
        return tuple(notes)


def weighted(em: EMFit, data: Data) -> Resample:
    """Weighted likelihood bootstrap: the rows with weights ``n Dirichlet(1, ..., 1)``.

    A row that counts ``w`` times gets the sum of the weights of ``w`` rows, which
    is proportional to a Gamma(w) variable; so repeated rows are visited once.
    """
    rows = data.compressed
    counts = rows.counts

    def resample(rng: np.random.Generator) -> Data:
        drawn: Array = rng.standard_gamma(counts)
        return replace(rows, weights=drawn * (counts.sum() / drawn.sum()))

    return resample


def bootstrap(
    em: EMFit,
    data: Data,
    resample: Resample,
    n_resamples: int,
    rng: np.random.Generator,
    *,
    progressbar: bool = False,
) -> Replicates:
    """Fit data that are resampled by `simulated` or `weighted`, each time by EM from the fit.

    EM is accelerated where it is slow.

    References
    ----------
    Newton and Raftery (1994), *JRSS B* 56, 3-48 (weights); McLachlan and Peel (2000), *Finite Mixture
    Models*, section 2.16; O'Hagan, Murphy, Scrucca and Gormley (2019), *Computational Statistics* 34.
    """
    scale, tol = em.spec.family.units(data)[1], TOLERANCES.em_step_bootstrap
    fitted: list[dict[str, Array]] = []
    collapsed = unfinished = 0
    with one_thread():
        for _ in track(range(n_resamples), "Bootstrap", shown=progressbar):
            problem = Problem(em.spec, resample(rng), scale, {}, soft_assignment)
            try:
                with problem.fast_e_step() as kernel:
                    run = ascend(problem, kernel, em.params, tol, MAX_ITER, accelerator=Auto())
            except CollapseError:
                collapsed += 1
                continue
            fitted.append(run.params)
            unfinished += not run.converged
    if not fitted:
        return Replicates(None, n_resamples, collapsed, unfinished)
    draws = {name: np.stack([one[name] for one in fitted])[None] for name in em.params}
    tree = draws_tree(draws, em.spec.dims, em.features, em.spec.coords(em.features))
    tree = align(anchor(tree, anchored_clusters(data)), to=em.params)
    return Replicates(tree, n_resamples, collapsed, unfinished)
