"""How sure the parameters are: information, Laplace, two bootstraps and NUTS in one table.

They answer two questions. The bootstraps say how the estimate would scatter over
new data; Laplace and NUTS say what these data, with the prior, leave open; the
information is the large-sample answer to both. On much, well separated data from
the model they agree. Where they part, something is to be learnt: few rows,
overlapping clusters, a prior that matters, or a model that is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

from mixtures.arguments import check_share, check_whole, generator
from mixtures.data.table import Data
from mixtures.density.compiled import CompiledModel
from mixtures.draws import flat_draws, of_sample
from mixtures.em.fit import fit_em
from mixtures.errors import InputError, NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, Interrupted, whole
from mixtures.messages import did_you_mean
from mixtures.posterior.labels import align
from mixtures.posterior.sample import sample
from mixtures.posterior.samplers import check_options
from mixtures.posterior.target import prepare
from mixtures.results.em import EMFit, check_fit
from mixtures.results.uncertainty import Uncertainty
from mixtures.standard_errors.bootstrap import Resample, bootstrap, simulated, weighted
from mixtures.standard_errors.information import observed_information
from mixtures.standard_errors.laplace import laplace_draws
from mixtures.tolerances import TOLERANCES
from mixtures.trees import draws_tree, entries
from mixtures.types import Array

__all__ = ["METHODS", "check_methods", "uncertainty"]


def uncertainty(
    spec: Mixture,
    X: Any,
    *,
    weights: Any = None,
    em: EMFit | None = None,
    posterior: xr.DataTree | None = None,
    methods: str | Sequence[str] = "all",
    n_resamples: int = 1000,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    sampler: str = "blackjax",
    ci_prob: float = 0.95,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
) -> Uncertainty:
    """Standard deviations and intervals of every parameter, by several methods side by side.

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    em : EMFit, optional
        A fit of the same model and data; by default EM is run. Columns are matched
        to its by name.
    posterior : xarray.DataTree, optional
        A posterior sample of the same model and data, for "nuts"; by default it is
        drawn. Its features are matched by name as well.
    methods : "all" or sequence of str, default "all"
        "information": inverse of the observed information at EM, by the delta
        method; intervals are normal.
        "laplace": normal approximation in the sampled (unconstrained) space at the
        mode *there*, which is not the MAP, its draws pushed through the transform.
        "bootstrap": EM on data simulated from the fit.
        "weighted": EM on the data under random weights, ``n Dirichlet(1, ..., 1)``.
        "nuts": the posterior sample.
    n_resamples : int, default 1000
        Replicates of each bootstrap; their sds have a relative error of about
        ``1 / sqrt(2 n_resamples)``.
    draws, tune, chains, sampler
        As in `sample`; Laplace's draws are as many.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything; a method's answer does not depend on the others asked for.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Uncertainty
        Table, intervals and draws; after Ctrl-C of the methods that were done.

    Raises
    ------
    InputError
        If the data do not fit the model, the prior has no mode, or a method is not known.
    CollapseError
        If every start of EM collapsed.

    References
    ----------
    Louis (1982), *JRSS B* 44; Oakes (1999), *JRSS B* 61; Newton and Raftery (1994), *JRSS B* 56;
    McLachlan and Peel (2000), *Finite Mixture Models*, chapter 2; Gelman et al., *Bayesian Data
    Analysis* (2013), chapter 4.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> u = mx.uncertainty(mx.GMM(2), X, methods=["information", "laplace"], random_seed=1)
    >>> u.table.loc["mu[0, waiting]"].round(2).to_dict()
    {'EM': 79.97, 'information': 0.45, 'laplace': 0.46}
    """
    chosen = check_methods(methods, n_resamples)
    check_options(sampler, draws, tune, chains)
    if not isinstance(spec, Mixture):
        raise InputError("uncertainty needs a GMM or BMM: EM and its bootstraps know no other model")
    check_share(ci_prob=ci_prob)
    spec.check_mode()
    spec = spec if em is None else check_fit(em, spec)
    if posterior is not None:
        spec, X, posterior = of_sample(spec, X, posterior, weights)
        weights = None
    model, twin, resolved, data = prepare(spec, X, weights)
    assert resolved is not None  # a specification, not a model of the user's own
    assert data is not None
    own, *each = generator(random_seed).spawn(1 + len(METHODS))
    if em is None:
        tol = TOLERANCES.em_step_certificate
        em = whole(fit_em(resolved, data, random_seed=own, tol=tol, progressbar=progressbar))
    sampling = {"draws": draws, "tune": tune, "chains": chains, "sampler": sampler}
    task = _Task(CompiledModel(model, twin), em, data, posterior, n_resamples, sampling, ci_prob, progressbar)
    answers: dict[str, _Answer] = {}
    for (name, method), rng in zip(METHODS.items(), each, strict=True):
        if name not in chosen:
            continue
        try:
            answers[name] = method(task, rng)
        except KeyboardInterrupt as error:
            if not answers:
                raise Interrupted(em) from error
            left = [each for each in chosen if each not in answers]
            answers[name] = _Answer(notes=(f"{INTERRUPTED}: without {', '.join(left)}",))
            break
    return _side_by_side(em, data, answers)


def check_methods(methods: str | Sequence[str], n_resamples: int) -> tuple[str, ...]:
    """Names of methods, those of "all", in the order of the table; refuses what cannot be done."""
    check_whole(2, n_resamples=n_resamples)
    if isinstance(methods, str):
        methods = list(METHODS) if methods == "all" else [name.strip() for name in methods.split(",")]
    for name in methods:
        if name not in METHODS:
            hint = did_you_mean(str(name), METHODS)
            raise InputError(f"method {name!r}{hint} is not one of all, {', '.join(METHODS)}")
    if not methods:
        raise InputError(f"methods is empty; name some of {', '.join(METHODS)}, or all")
    return tuple(name for name in METHODS if name in methods)


@dataclass(frozen=True)
class _Task:
    """What every method is given."""

    compiled: CompiledModel
    em: EMFit
    data: Data
    posterior: xr.DataTree | None
    n_resamples: int
    sampling: Mapping[str, Any]
    ci_prob: float
    progressbar: bool

    @property
    def n_draws(self) -> int:
        """Draws of all chains together."""
        return int(self.sampling["draws"] * self.sampling["chains"])

    @property
    def improper(self) -> bool:
        """Whether there is no posterior to describe."""
        return self.em.spec.prior is None and not self.em.spec.family.flat_is_proper


@dataclass(frozen=True)
class _Answer:
    """Sds and interval bounds (each by name), draws, and notes; nothing but notes where there is none."""

    sd: Mapping[str, Array] | None = None
    bounds: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None
    tree: xr.DataTree | None = None
    notes: tuple[str, ...] = ()


def _information(task: _Task, rng: np.random.Generator) -> _Answer:
    """Observed information at EM; its interval is normal."""
    spec, em = task.em.spec, task.em
    try:
        normal = observed_information(
            task.compiled, spec.inside(em.params), spec.family.on_boundary(em.params)
        )
    except NoApproximation as error:
        return _Answer(notes=(f"information: no sds, the log posterior at EM is {error}",))
    width = {name: norm.ppf((1 + task.ci_prob) / 2) * sd for name, sd in normal.sd.items()}
    bounds = tuple({name: em.params[name] + side * width[name] for name in width} for side in (-1, 1))
    drawn = normal.sample(task.n_draws, rng)
    held = sum(int(bound.sum()) for bound in normal.bound.values())
    notes = (f"information: {held} probabilities at 0 or 1 are held there and have no sd",) if held else ()
    return _Answer(
        normal.sd,
        (bounds[0], bounds[1]),
        _tree(task, drawn, "normal at EM, covariance by the delta method"),
        notes,
    )


def _laplace(task: _Task, rng: np.random.Generator) -> _Answer:
    """Laplace's approximation in the sampled space."""
    if task.improper:
        return _Answer(notes=("laplace: prior=None leaves the posterior improper",))
    try:
        drawn = laplace_draws(task.compiled, task.em.spec.inside(task.em.params), task.n_draws, rng)
    except NoApproximation as error:
        return _Answer(notes=(f"laplace: no approximation, the log density is {error}",))
    what = "Laplace approximation in unconstrained coordinates; its mode is not the MAP"
    return _from_draws(task, align(_tree(task, drawn, what), to=task.em.params))


def _replicates(
    name: str, how: Callable[[EMFit, Data], Resample], what: str, task: _Task, rng: np.random.Generator
) -> _Answer:
    """One of the bootstraps of EM."""
    resample = how(task.em, task.data)
    made = bootstrap(task.em, task.data, resample, task.n_resamples, rng, progressbar=task.progressbar)
    notes = tuple(f"{name}: {note}" for note in made.notes)
    if made.tree is None:
        return _Answer(notes=notes)
    made.tree.attrs["method"] = what
    return _from_draws(task, made.tree, notes)


def _nuts(task: _Task, rng: np.random.Generator) -> _Answer:
    """Posterior sample."""
    if task.posterior is not None:
        return _from_draws(task, align(task.posterior, to=task.em.params))
    if task.improper:
        return _Answer(notes=("nuts: prior=None leaves the posterior improper: there is nothing to draw",))
    tree = sample(
        task.em.spec,
        task.data,
        em=task.em,
        random_seed=rng,
        progressbar=task.progressbar,
        log_likelihood=False,
        **task.sampling,
    )
    tree.attrs["method"] = "NUTS"
    return _from_draws(task, tree)


METHODS: Mapping[str, Callable[[_Task, np.random.Generator], _Answer]] = {
    "information": _information,
    "laplace": _laplace,
    "bootstrap": partial(_replicates, "bootstrap", simulated, "parametric bootstrap of EM"),
    "weighted": partial(_replicates, "weighted", weighted, "weighted likelihood bootstrap of EM"),
    "nuts": _nuts,
}
"""Methods by the name that `uncertainty` takes, in the order of the table."""


def _tree(task: _Task, drawn: Mapping[str, Array], what: str) -> xr.DataTree:
    tree = draws_tree({name: x[None] for name, x in drawn.items()}, task.em.spec.dims, task.em.features)
    tree.attrs["method"] = what
    return tree


def _from_draws(task: _Task, tree: xr.DataTree, notes: tuple[str, ...] = ()) -> _Answer:
    """Sds and quantiles of draws."""
    drawn = flat_draws(tree, task.em.spec.dims)
    tail = (1 - task.ci_prob) / 2
    bounds = [{name: np.quantile(x, q, axis=0) for name, x in drawn.items()} for q in (tail, 1 - tail)]
    sd = {name: x.std(axis=0, ddof=1) for name, x in drawn.items()}
    return _Answer(sd, (bounds[0], bounds[1]), tree, notes)


def _side_by_side(em: EMFit, data: Data, answers: Mapping[str, _Answer]) -> Uncertainty:
    """Put the answers together, a row a parameter, symmetric matrices by their lower triangle."""
    names = {"feature": data.features, "feature_bis": data.features}
    places = entries({name: em.params[name].shape for name in em.spec.dims}, em.spec.dims, names)

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
        notes.append("prior=None: information and bootstraps are those of maximum likelihood")
    if not em.converged:
        notes.append("EM did not converge: what is said here of its mode is not to be relied on")
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
