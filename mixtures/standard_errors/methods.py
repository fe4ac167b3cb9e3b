"""The methods of `uncertainty`, with a common form of answer, and the table of all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from mixtures.clusters.align import align_tree
from mixtures.clusters.labelled import anchor
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.table import Data
from mixtures.draws import flat_draws
from mixtures.em.fit import fit_em
from mixtures.entries import entries
from mixtures.errors import NoApproximation
from mixtures.interrupts import INTERRUPTED, Interrupted, Status, complete
from mixtures.messages import Option, worded
from mixtures.posterior.about_modes import in_words
from mixtures.posterior.chains import Chains
from mixtures.posterior.drawing import draw
from mixtures.posterior.target import MixtureTarget
from mixtures.results.em import EMFit
from mixtures.results.uncertainty import Uncertainty
from mixtures.standard_errors.bootstrap import bootstrap, weighted
from mixtures.standard_errors.information import observed_information
from mixtures.standard_errors.laplace import laplace_draws
from mixtures.standard_errors.simulation import Resample, simulated
from mixtures.tolerances import TOLERANCES
from mixtures.trees import draws_tree
from mixtures.types import Array

__all__ = ["ANSWERS", "compare"]


@dataclass(frozen=True)
class _Task:
    """Input of every method."""

    target: MixtureTarget
    em: EMFit
    posterior: xr.DataTree | None
    how: Chains
    n_resamples: int
    ci_prob: float


@dataclass(frozen=True)
class _Answer:
    """Sds by name, lower and upper bounds, draws, and notes; only notes if the method gives no answer."""

    sd: Mapping[str, Array] | None = None
    bounds: Sequence[Mapping[str, Array]] | None = None
    tree: xr.DataTree | None = None
    notes: tuple[str, ...] = ()


def _information(task: _Task, rng: np.random.Generator) -> _Answer:
    """Observed information at EM, with normal intervals of means, log variances and logits."""
    spec, em = task.em.spec, task.em
    try:
        normal = observed_information(
            task.target.compiled,
            spec.inside(em.params),
            spec.family.on_boundary(em.params),
            spec.family.bound_coordinates(em.params),
        )
    except NoApproximation as error:
        return _Answer(notes=(f"information: no sds, the log posterior at EM is {error}",))
    z = float(ndtri((1 + task.ci_prob) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):  # on a boundary there is no sd, and no interval
        ends = {p.name: p.support.reach(em.params[p.name], normal.sd[p.name], z) for p in spec.parameters}
    bounds = [{name: both[side] for name, both in ends.items()} for side in (0, 1)]
    drawn = normal.sample(task.how.total, rng)
    held = sum(int(bound.sum()) for bound in normal.bound.values())
    notes = (f"information: {held} probabilities at 0 or 1 are held there and have no sd",) if held else ()
    tree = _tree(task, drawn, "normal at EM, covariance by the delta method")
    return _Answer(normal.sd, bounds, tree, notes)


def _laplace(task: _Task, rng: np.random.Generator) -> _Answer:
    """Laplace's approximation in the sampled space."""
    if task.target.is_improper:
        return _Answer(notes=(worded("laplace: ", Option("prior", None), " leaves the posterior improper"),))
    try:
        drawn = laplace_draws(task.target.compiled, task.em.spec.inside(task.em.params), task.how.total, rng)
    except NoApproximation as error:
        return _Answer(notes=(f"laplace: no approximation, the log density is {error}",))
    what = "Laplace approximation in unconstrained coordinates; its mode is not the MAP"
    return _from_draws(task, align_tree(_tree(task, drawn, what), to=task.em.params))


def _replicates(
    name: str, how: Callable[[EMFit, Data], Resample], what: str, task: _Task, rng: np.random.Generator
) -> _Answer:
    """One of the bootstraps of EM."""
    resample = how(task.em, task.target.data)
    made = bootstrap(
        task.em, task.target.data, resample, task.n_resamples, rng, progressbar=task.how.progressbar
    )
    notes = tuple(f"{name}: {note}" for note in made.notes)
    if made.tree is None:
        return _Answer(notes=notes)
    made.tree.attrs["method"] = what
    return _from_draws(task, made.tree, notes)


def _nuts(task: _Task, rng: np.random.Generator) -> _Answer:
    """Posterior sample."""
    if task.posterior is not None:
        return _from_draws(task, align_tree(task.posterior, to=task.em.params))
    if task.target.is_improper:
        why = " leaves the posterior improper: there is nothing to draw"
        return _Answer(notes=(worded("nuts: ", Option("prior", None), why),))
    try:
        tree = draw(task.target, task.how, rng, em=task.em, log_likelihood=False)
    except NoApproximation as error:
        return _Answer(notes=(worded("nuts: no draws, ", error),))
    tree.attrs["method"] = in_words(tree.attrs["sampler"])
    return _from_draws(task, tree)


ANSWERS: Mapping[str, Callable[[_Task, np.random.Generator], _Answer]] = {
    "information": _information,
    "laplace": _laplace,
    "bootstrap": partial(_replicates, "bootstrap", simulated, "parametric bootstrap of EM"),
    "weighted": partial(_replicates, "weighted", weighted, "weighted likelihood bootstrap of EM"),
    "nuts": _nuts,
}
"""Methods by name, as `mixtures.standard_errors.side_by_side.METHODS` lists them."""


def compare(
    target: MixtureTarget,
    chosen: Sequence[str],
    how: Chains,
    rng: np.random.Generator,
    em: EMFit | None = None,
    posterior: xr.DataTree | None = None,
    *,
    n_resamples: int,
    ci_prob: float,
) -> Uncertainty:
    """What `uncertainty` returns, for checked arguments."""
    of_em, *of_methods = rng.spawn(1 + len(ANSWERS))
    if em is None:
        tol = TOLERANCES.em_step_certificate
        em = complete(
            fit_em(target.spec, target.data, random_seed=of_em, tol=tol, progressbar=how.progressbar)
        )
    task = _Task(target, em, posterior, how, n_resamples, ci_prob)
    answers: dict[str, _Answer] = {}
    for (name, method), rng in zip(ANSWERS.items(), of_methods, strict=True):
        if name not in chosen:
            continue
        try:
            answers[name] = method(task, rng)
        except KeyboardInterrupt as error:
            if not answers:
                raise Interrupted(em) from error
            left = [other for other in chosen if other not in answers]
            answers[name] = _Answer(notes=(f"{INTERRUPTED}: without {', '.join(left)}",))
            return replace(_side_by_side(em, target.data, answers), status=Status.INTERRUPTED)
    return _side_by_side(em, target.data, answers)


def _tree(task: _Task, drawn: Mapping[str, Array], what: str) -> xr.DataTree:
    spec, features = task.em.spec, task.em.features
    tree = draws_tree(
        {name: x[None] for name, x in drawn.items()}, spec.dims, features, spec.coords(features)
    )
    tree.attrs["method"] = what
    return anchor(tree, anchored_clusters(task.target.data))


def _from_draws(task: _Task, tree: xr.DataTree, notes: tuple[str, ...] = ()) -> _Answer:
    """Standard deviations and quantiles of draws."""
    drawn = flat_draws(tree, task.em.spec.dims)
    tail = (1 - task.ci_prob) / 2
    bounds = [{name: np.quantile(x, q, axis=0) for name, x in drawn.items()} for q in (tail, 1 - tail)]
    sd = {name: x.std(axis=0, ddof=1) for name, x in drawn.items()}
    return _Answer(sd, bounds, tree, notes)


def _side_by_side(em: EMFit, data: Data, answers: Mapping[str, _Answer]) -> Uncertainty:
    """Join the answers, one row per parameter; symmetric matrices give their lower triangle."""
    shapes = {name: em.params[name].shape for name in em.spec.dims}
    places = entries(shapes, em.spec.dims, em.spec.coords(data.features))

    def column(values: Mapping[str, Array] | None) -> list[float]:
        return [np.nan if values is None else float(values[name][index]) for name, index in places.values()]

    index = pd.Index(places, name="parameter")
    sds = {name: column(answer.sd) for name, answer in answers.items()}
    bounds = {
        (name, bound): column(None if answer.bounds is None else answer.bounds[side])
        for name, answer in answers.items()
        for side, bound in enumerate(("lower", "upper"))
    }
    table = pd.DataFrame({"EM": column(em.params), **sds}, index=index)
    notes = [note for answer in answers.values() for note in answer.notes]
    if em.spec.prior is None:
        why = ": information and bootstraps are those of maximum likelihood"
        notes.append(worded(Option("prior", None), why))
    if not em.converged:
        notes.append("EM did not converge: results at its mode are not reliable")
    return Uncertainty(
        table=table,
        intervals=pd.DataFrame(bounds, index=index),
        trees={name: answer.tree for name, answer in answers.items() if answer.tree is not None},
        notes=(*notes, *_furthest_apart(table.drop(columns="EM"))),
        em=em,
    )


def _furthest_apart(sds: pd.DataFrame) -> tuple[str, ...]:
    """The parameter about which the methods differ most."""
    known = sds.where(sds > 0).dropna(axis=1, how="all")
    if known.shape[1] < 2:
        return ()
    ratio = known.max(axis=1) / known.min(axis=1)
    if not np.isfinite(ratio).any():
        return ()
    label = ratio.idxmax()
    row = known.loc[label].dropna()
    return (
        f"sds differ most for {label}: {row.min():.3g} ({row.idxmin()}) to {row.max():.3g} ({row.idxmax()})",
    )
