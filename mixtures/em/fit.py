"""Expectation maximisation by hand: the reference against which PyMC is checked.

One pass over the rows (see `estep`) gives responsibilities and, with them, the
sufficient statistics; one closed-form M-step gives the next parameters.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtures.arguments import check_kind, check_whole, generator
from mixtures.data.known_labels import anchored_clusters, order_by_size
from mixtures.data.table import Data
from mixtures.em.acceleration import Plain
from mixtures.em.climb import Climb
from mixtures.em.estep import e_step
from mixtures.em.given import given_start
from mixtures.em.kinds import Sample
from mixtures.em.newton import ACCELERATORS
from mixtures.em.notes import notes_on
from mixtures.em.problem import Problem, problem_of
from mixtures.em.search import search
from mixtures.em.starts import Portfolio, Start
from mixtures.errors import CollapseError, InputError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Status
from mixtures.results.em import EMFit
from mixtures.threads import one_thread
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, DeferredModule, Params

if TYPE_CHECKING:
    from mixtures import given
else:
    given = DeferredModule("mixtures.given")

__all__ = ["em_step", "fit_em"]


def em_step(
    spec: "Mixture | given.Fit",
    X: Any = None,
    params: Params | None = None,
    *,
    weights: Any = None,
    hard: bool = False,
    hold: Mapping[str, Any] | None = None,
    missing: str | None = None,
    labels: Any = None,
) -> dict[str, Array]:
    """One iteration of EM: responsibilities at ``params``, then the parameters that maximise the objective.

    A pure function: `fit_em` repeats this step until it converges.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit or Crosscheck
        The model, or a fit of it; of a crosscheck it is EM's.
    X : array_like or frame, shape (n, D)
        The data; chunks and Dask collections as in `fit_em`. By default those that the sample of a
        crosscheck holds.
    params : dict of ndarray
        Current parameters, left as they are; none beside a fit.
    weights, hard, hold, missing, labels
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
    if params is None or not isinstance(spec, Mixture):
        from mixtures.given import with_point  # loads pandas and xarray, which EM does without

        spec, X, params = with_point(spec, X, params, needs_prior=True)
    problem = problem_of(spec, X, weights, hold, hard, missing, labels)
    point = problem.point(problem.check(params))
    problem.refuse_impossible(point)
    return problem.m_step(point.statistics)


def fit_em(
    spec: Mixture,
    X: Any,
    *,
    n_init: int = 10,
    random_seed: int | np.random.Generator | None = None,
    start: Any = None,
    weights: Any = None,
    hard: bool = False,
    hold: Mapping[str, Any] | None = None,
    accelerate: str | None = "auto",
    missing: str | None = None,
    labels: Any = None,
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

    EM needs only sums over the rows, so they need not be in memory at once.
    Chunks are read again in every pass and give the same answer as the whole
    table, up to rounding.

    Parameters
    ----------
    spec : Mixture
        The model.
    X : array_like, frame, list of either, function, Dask array or DataFrame, shape (n, D)
        The data, or chunks of their rows:

        - a list of arrays or frames, or a function without arguments that
          returns an iterator of them: it is called once per pass, and one chunk
          is in memory at a time. Each has two dimensions: single rows are refused;
        - a Dask array or DataFrame, such as ``dask.dataframe.read_parquet(path)``.
          It stays with the workers of the ``dask.distributed`` client where
          there is one, else in this process; parameters and sums travel, and
          a subsample for each start. ``pip install 'pymc-mixtures[dask]'``.
    n_init : int, default 10
        Number of starts. Several kinds take turns: k-means in columns of one scale or of unit
        covariance, random rows, dense rows, neighbourhoods of random rows, a hierarchy. Each start is the
        best of up to six short runs. A third of them, and half of those after the first ``n_init``, are
        swaps: the best fit so far, with one cluster put elsewhere, some at a row far away. While only
        starts of one kind have reached the best optimum (those by k-means are one kind), or fewer than
        three in ten, more are made, up to eight times ``n_init``, or four times with many rows. Where rows
        are few, ``n_init`` more are made too with three clusters or more, or if the first end at several
        optima, and if these do twice as many swaps with four clusters or more. A single start is never
        repeated.
    random_seed : int or numpy.random.Generator, optional
        Seed of the starts.
    start : dict of array_like, fit, or array_like of shape (n,) or (n, K), optional
        Where to start, instead of ``n_init`` random starts: parameters, or a fit of `fit_em` or
        `fit_map`; or the cluster of every row, from 0 to K - 1; or responsibilities, also as
        `responsibilities` returns them. Rows are matched by position. Columns are matched by name
        where the parameters have names: those of a fit, and DataFrames and DataArrays. Plain
        arrays, such as ``em.params``, are for columns in the order of ``spec.features`` or, where
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
        without rows takes the row that is fitted worst. Free variances
        without a prior favour clusters of a few rows that lie close together.
    hold : dict of array_like, optional
        Parameters that stay at these values, broadcast to their shapes, such as
        ``{"sigma2": 0.1}``. Means can be held only together with covariances. Columns and
        levels of Series, DataFrames and DataArrays are matched by name.
    accelerate : {"auto", None, "newton", "squarem"}, default "auto"
        Jumps ahead of EM, which are made only if they raise the objective: far fewer iterations if
        clusters overlap. "auto" is EM until its steps shrink slowly, then "newton" where that
        pays, or "squarem" for models with more than 400 free parameters. Where cells are missing it
        is "squarem" too if that is cheaper, or if rows come in chunks or have very many patterns. "newton"
        takes many steps of EM at once, as the derivative of the EM map predicts them, or all that
        are left, and checks the prediction where it arrives: it ends where EM does. "squarem"
        extrapolates after every three iterations, and may end at another mode than EM. None is the
        EM of the textbook, step by step; so is ``hard=True``, with "auto" too.
        EM may stop at a saddle point, as from clusters that are equal. The best run then goes on
        past it; with None a note says so.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells (NaN, None, ``pandas.NA``, nulls, masked
        cells) and integrates these out: a row's likelihood is that of its observed cells. This
        assumes that cells are missing at random, given the observed ones. A default prior, and
        the units, are then those of a single cluster fitted to the observed cells. By default
        missing cells are refused.
    labels : array_like, shape (n,), optional
        The known cluster of every row, from 0 to K - 1; -1, NaN, None or ``pandas.NA`` where it is
        not known. A labelled row counts with its joint density, ``log alpha_z + log f_z(x)``, and
        belongs to its cluster alone; the clusters keep the numbers that the labels give them. With
        ``start`` as responsibilities, those of labelled rows are left aside. A pandas Series is
        matched by its index to the rows of a pandas frame. Beside Dask data they may be a Dask array or
        Series, as weights may.
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
        if there is none yet, the interrupt is raised.

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
    Little and Rubin, *Statistical Analysis with Missing Data* (2019), section 11.2 (``missing``).
    Biernacki, Celeux and Govaert (2003), *Computational Statistics & Data Analysis* 41 (starts).
    Zhao, Hautamäki, Kärkkäinen and Fränti (2012), *Pattern Recognition Letters* 33 (swaps).
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
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    rows = spec.rows(X, weights, missing, labels)
    problem = problem_of(spec, rows, hold=hold, hard=hard)
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
    with one_thread(), problem.fast_e_step() as kernel, _likelihoods_traced(problem.spec):
        accelerator = Plain() if hard else ACCELERATORS[accelerate]
        sample = Sample.of(problem.spec, rows, rng) if start is None else None
        climb = Climb(problem, kernel, max_iter, accelerator, _table(problem, sample))
        if sample is not None:
            loose = max(tol, TOLERANCES.em_step_restart) if n_init > 1 else tol
            portfolio = Portfolio(climb, sample, rng, n_init)
            found = search(climb, portfolio.next, tol, loose, shown=progressbar)
        else:
            given = Start("given", given_start(problem, rows, start))
            found = search(climb, lambda done: [] if done.kinds else [given], tol, tol, shown=progressbar)
    best, params = found.best, found.best.params
    shares = problem.spec.weights.shares(params)
    if start is None and not problem.held and shares is not None:
        params = problem.spec.relabel(params, order_by_size(shares, anchored_clusters(rows)))
    log_likelihood, log_posterior = best.log_likelihood, best.trace[-1]
    if hard:  # so far that of rows and their clusters, not of the mixture
        log_likelihood = e_step(problem.spec, problem.data, params).log_likelihood
        log_posterior = log_likelihood + float(problem.spec.log_prior(params))
    flat = _flat_log_prior(problem.spec, params)
    return EMFit(
        spec=problem.spec,
        params=params,
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        objective_trace=np.array(best.trace) - flat,
        converged=best.converged,
        n_iter=len(best.trace) - 1,
        restarts=replace(
            found.restarts,
            best=best.trace[-1],
            traces=tuple(trace - flat for trace in found.restarts.traces),
        ),
        notes=(*found.interrupted, *notes_on(problem, rows, sample, found, params, max_iter)),
        features=problem.data.features,
        status=Status.INTERRUPTED if found.interrupted else Status.WHOLE,
        steps=best.steps,
    )


def _table(problem: Problem, sample: Sample | None) -> Data | None:
    """The distinct rows in memory, where rows are so few that the starts use every one."""
    if sample is None or len(sample.rows) < sample.drawn_from:
        return None
    return problem.data if isinstance(problem.data, Data) else sample.data().compressed


def _flat_log_prior(spec: Mixture, params: Params) -> float:
    """Log density of a flat prior, the same everywhere; 0 where the prior is not flat."""
    return float(spec.log_prior(params)) if spec.prior is None and params else 0.0


@contextmanager
def _likelihoods_traced(spec: Mixture) -> Iterator[None]:
    """Leave a flat prior out of the traces of errors, as out of those of fits."""
    try:
        yield
    except (CollapseError, NonMonotoneError) as error:
        error.objective_trace = error.objective_trace - _flat_log_prior(spec, error.params)
        raise
