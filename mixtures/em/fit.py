"""Expectation maximisation by hand: the reference that PyMC is held against.

One pass over the rows (see `estep`) gives responsibilities and, with them, the
sufficient statistics; one closed-form M-step gives the next parameters.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mixtures.arguments import check_kind, check_whole, generator
from mixtures.data.rows import Rows
from mixtures.data.sources import as_rows
from mixtures.em.acceleration import Accelerator, Plain
from mixtures.em.ascent import ascend
from mixtures.em.estep import e_step, soft_assignment
from mixtures.em.kernel import Kernel
from mixtures.em.natural import has_natural_form
from mixtures.em.newton import ACCELERATORS
from mixtures.em.problem import Problem, Run, problem_of
from mixtures.em.starts import Sample, random_starts, start_sample
from mixtures.errors import CollapseError, ConvergenceWarning, DataWarning, InputError
from mixtures.families.doubts import doubts
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, Interrupted, Status
from mixtures.messages import warn
from mixtures.progress import track
from mixtures.results.em import EMFit, Restarts
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["em_step", "fit_em"]


def em_step(
    spec: Mixture,
    X: Any,
    params: Params,
    *,
    weights: Any = None,
    hard: bool = False,
    hold: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """One iteration of EM: responsibilities at ``params``, then the parameters that they make best.

    A pure function: `fit_em` is this step, repeated until it stands still.

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like or frame, shape (n, D)
        The data; chunks and Dask collections as in `fit_em`.
    params : dict of ndarray
        Current parameters, left as they are.
    weights, hard, hold
        As in `fit_em`.

    Returns
    -------
    dict of ndarray
        The next parameters; the objective is at least as high there.

    Raises
    ------
    InputError
        If the data or the parameters do not fit the model.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.2.2.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()[["waiting"]]
    >>> params = {"alpha": [0.5, 0.5], "mu": [[50], [90]], "Sigma": [[[100]], [[100]]]}
    >>> spec = mx.GMM(2, prior=None)
    >>> for _ in range(3):
    ...     params = mx.em_step(spec, X, params)
    >>> params["mu"].ravel().round(1).tolist()
    [55.5, 80.5]
    """
    problem = problem_of(spec, X, weights, hold, hard)
    point = problem.point(problem.check(params))
    problem.refuse_impossible(point)
    return problem.m_step(point.statistics)


def fit_em(
    spec: Mixture,
    X: Any,
    *,
    n_init: int = 10,
    random_seed: int | np.random.Generator | None = None,
    start: Params | None = None,
    weights: Any = None,
    hard: bool = False,
    hold: Mapping[str, Any] | None = None,
    accelerate: str | None = None,
    tol: float = TOLERANCES.em_step,
    max_iter: int = 10_000,
    progressbar: bool = False,
) -> EMFit:
    """Fit a mixture by expectation maximisation.

    The M-step is the posterior mode in closed form; with ``prior=None`` it is
    the maximum likelihood update of the textbook. ``n_init`` starts run to a
    loose tolerance, the best goes on until the distance left to the limit,
    extrapolated after Aitken, is below ``tol`` standard deviations of the
    complete data.

    All that EM asks of the data is sums over rows, so they need not be in
    memory at once. Chunks are read anew in every pass and give the answer of
    the whole, up to rounding.

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like, frame, list of either, function, Dask array or DataFrame, shape (n, D)
        The data, or chunks of their rows:

        - a list of arrays or frames, or a function without arguments that
          returns an iterator of them: it is called once a pass, and one chunk
          is in memory at a time. Each has two dimensions: single rows are refused;
        - a Dask array or DataFrame, such as ``dask.dataframe.read_parquet(path)``.
          It stays with the workers of the ``dask.distributed`` client where
          there is one, else in this process; parameters and sums travel, and
          a subsample for each start. ``pip install 'pymc-mixtures[dask]'``.
    n_init : int, default 10
        Number of starts: k-means and k-means++ partitions in turn.
    random_seed : int or numpy.random.Generator, optional
        Seed of the starts.
    start : dict of ndarray, optional
        Parameters to start from, instead of ``n_init`` random starts. They are
        arrays without names, for columns in the order of ``spec.features`` or, where
        the model knows none, of X.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows; true counts a
        row and false does not. A pandas Series is matched by its index to the
        rows of a pandas frame. Beside Dask data, a Dask array or Series in the
        same blocks stays where it is.
    hard : bool, default False
        Classification EM: every row goes wholly to its likeliest cluster. The
        objective is then the classification log-likelihood; with covariances
        held at a multiple of the identity this is K-means. A cluster left
        without rows takes over the one that is explained worst. Free variances
        without a prior favour clusters of a few rows that lie close together.
    hold : dict of array_like, optional
        Parameters that stay at these values, broadcast to their shapes, such as
        ``{"sigma2": 0.1}``. Means can be held only together with covariances.
    accelerate : {None, "auto", "newton", "squarem"}, default None
        Jumps ahead of EM, which are made only if they raise the objective:
        far fewer iterations if clusters overlap. "newton" jumps to the fixed point that
        the derivative of an iteration predicts, in a trust region, and away from saddles.
        "squarem" extrapolates after every three iterations. "auto" is EM until its steps
        shrink slowly, then "newton", or "squarem" for models with many parameters. From
        the same start an accelerated run may end at another mode than EM, higher or lower.
    tol : float, default 1e-6
        Distance to the limit at which to stop, in standard deviations.
    max_iter : int, default 10000
        Iterations a start may take.
    progressbar : bool, default False
        Show the progress over the starts.

    Returns
    -------
    EMFit
        Parameters, objective and its trace, and the record of the restarts. After
        Ctrl-C it is the best state reached, not converged, and a note says so;
        before there is one, the interrupt goes on.

    Raises
    ------
    InputError
        If the data or the start do not fit the model, the prior has no mode, or
        chunks can be read once only or differ in their columns.
    ConnectionError
        If the Dask cluster that keeps the rows is closed, or loses its workers for good.
    CollapseError
        If every start collapsed onto a degenerate cluster (only without a prior).
    NonMonotoneError
        If the objective fell by more than rounding.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` iterations were not enough; the fit's ``converged`` is then False.
    DataWarning
        If a few rows make the scale of a column, from which a default prior takes its
        own, or a cluster holds a single value of a column.

    References
    ----------
    Dempster, Laird and Rubin (1977), *JRSS B* 39; Bishop, *PRML* (2006), ch. 9.
    Celeux and Govaert (1992), *Computational Statistics & Data Analysis* 14 (``hard``).
    Varadhan and Roland (2008), *Scandinavian Journal of Statistics* 35 (``accelerate``).

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2, prior=None), mx.datasets.faithful(), random_seed=1)
    >>> round(em.log_likelihood, 4)
    -1130.264

    In chunks:

    >>> rows = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2, prior=None), lambda: (rows[i::4] for i in range(4)), random_seed=1)
    >>> round(em.log_likelihood, 4)
    -1130.264
    """
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    rows = spec.ordered(as_rows(X, weights), X)
    problem = problem_of(spec, rows, None, hold, hard)
    check_whole(1, n_init=n_init, max_iter=max_iter)
    if not isinstance(tol, Real) or not tol > 0:
        raise InputError(f"tol must be positive, got {tol!r:.80}")
    known = isinstance(accelerate, str | None) and accelerate in ACCELERATORS
    if not known or (hard and accelerate not in (None, "auto")):
        raise InputError(
            f"accelerate={accelerate!r}: it is None, 'auto', 'newton' or 'squarem', and None or 'auto' with "
            "hard=True, which soon ends"
        )
    rng = generator(random_seed)
    sample = start_sample(rows, rng) if start is None else None
    given = random_starts(problem.spec, rows, n_init, rng, sample) if start is None else [start]
    starts = [problem.check(params) for params in given]
    with threadpool_limits(1), _fast_e_step(problem) as kernel:
        climb = _Climb(problem, kernel, max_iter, Plain() if hard else ACCELERATORS[accelerate])
        search = _search(climb, starts, tol, shown=progressbar)
    best, params = search.best, search.best.params
    shares = problem.spec.weights.shares(params)
    if start is None and not problem.held and shares is not None:
        params = problem.spec.relabel(params, np.argsort(-shares))
    log_likelihood, log_posterior = best.log_likelihood, best.trace[-1]
    if hard:  # so far that of rows and their clusters, not of the mixture
        log_likelihood = e_step(problem.spec, problem.data, params).log_likelihood
        log_posterior = log_likelihood + float(problem.spec.log_prior(params))
    return EMFit(
        spec=problem.spec,
        params=params,
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        objective_trace=np.array(best.trace),
        converged=best.converged,
        n_iter=len(best.trace) - 1,
        restarts=replace(search.restarts, best=best.trace[-1]),
        notes=(*search.interrupted, *_notes(problem, rows, sample, search, max_iter)),
        features=problem.data.features,
        status=Status.INTERRUPTED if search.interrupted else Status.WHOLE,
        steps=best.steps,
    )


def _fast_e_step(problem: Problem) -> AbstractContextManager[Kernel | None]:
    """The E-step in natural form, where rows are shared out and the family has one."""
    soft = problem.assign is soft_assignment and has_natural_form(problem.spec)
    return Kernel(problem.spec, problem.data) if soft else nullcontext()


@dataclass(frozen=True)
class _Climb:
    """How one start is climbed from; a collapse ends the run, not the fit."""

    problem: Problem
    kernel: Kernel | None
    max_iter: int
    accelerator: Accelerator

    def __call__(self, start: Params, tol: float) -> Run:
        """Climb to a tolerance."""
        return self.on(Run(dict(start), np.nan, (), False, accelerator=self.accelerator), tol)

    def on(self, run: Run, tol: float) -> Run:
        """Continue a run to a tolerance."""
        given = self.problem, self.kernel, run.params, tol, self.max_iter, run.trace[:-1]
        try:
            return ascend(*given, steps=run.steps, accelerator=run.accelerator)
        except CollapseError as error:
            return Run(error.params, np.nan, [*error.objective_trace, np.nan], False, collapse=error)


@dataclass(frozen=True)
class _Search:
    """The best run, the record of all, and a note if Ctrl-C cut them short."""

    best: Run
    restarts: Restarts
    interrupted: tuple[str, ...] = ()


def _search(climb: _Climb, starts: Sequence[Params], tol: float, *, shown: bool) -> _Search:
    """Climb from every start to a loose tolerance, and from the best of them to the end."""
    loose = max(tol, TOLERANCES.em_step_restart) if len(starts) > 1 else tol
    runs: list[Run] = []
    try:
        for start in track(starts, "EM", shown=shown):
            runs.append(climb(start, loose))
        while True:
            restarts = _record(runs)
            winner = int(restarts.order[0])
            best = runs[winner]
            if loose > tol and best.converged:
                best = climb.on(best, tol)
            if best.collapse is None:
                return _Search(best, restarts)
            runs[winner] = best  # it collapsed on the last stretch: the next best goes on
    except KeyboardInterrupt as error:
        note = (f"{INTERRUPTED}: {len(runs)} of {len(starts)} starts were run",)
        partial = error.partial if isinstance(error, Interrupted) else None
        if len(runs) < len(starts):
            runs += [] if partial is None else [partial]
            partial = None
        if all(run.collapse is not None for run in runs):
            raise
        restarts = _record(runs)
        best = runs[restarts.order[0]] if partial is None else partial
        return _Search(replace(best, converged=False), restarts, note)


def _notes(
    problem: Problem, rows: Rows, sample: Sample | None, search: _Search, max_iter: int
) -> tuple[str, ...]:
    """What a reader of the fit should know; what should stop him is a warning too."""
    spec, params = problem.spec, search.best.params
    shares = spec.weights.shares(params)
    notes = spec.check(rows) + (() if shares is None else _empty_clusters(problem.data.total * shares))
    if not (search.best.converged or search.interrupted):
        unfinished = (
            f"EM has not converged after max_iter={max_iter} iterations: raise max_iter or tol, or use "
            "accelerate='auto'"
        )
        notes += (unfinished,)
        warn(unfinished, ConvergenceWarning)
    if doubtful := doubts(spec, rows, params, problem.scale, None if sample is None else sample[0]):
        notes += doubtful
        warn("; ".join(doubtful), DataWarning)
    return notes


def _record(runs: Sequence[Run]) -> Restarts:
    """What became of the starts, one of which must have come to something."""
    collapses = {i: run.collapse for i, run in enumerate(runs) if run.collapse is not None}
    if len(collapses) == len(runs):
        raise CollapseError(
            f"all {len(runs)} starts collapsed (first: {collapses[0]}); use prior='default', fewer "
            "components, a simpler covariance_type, or more n_init",
            collapses[0].params,
            list(collapses[0].objective_trace),
        )
    return Restarts(
        log_posterior=np.array([run.trace[-1] for run in runs]),
        traces=tuple(np.array(run.trace) for run in runs),
        params=tuple(run.params for run in runs),
        collapsed={i: str(error) for i, error in collapses.items()},
    )


def _empty_clusters(expected: Array) -> tuple[str, ...]:
    return tuple(
        f"cluster {k} is empty: it is expected to hold {count:.2g} rows"
        for k, count in enumerate(expected)
        if count < TOLERANCES.empty_count
    )
