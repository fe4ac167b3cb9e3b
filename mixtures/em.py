"""Expectation maximisation by hand: the reference that PyMC is held against.

One pass over the rows (see `estep`) gives responsibilities and, with them, the
sufficient statistics; one closed-form M-step gives the next parameters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from rich.progress import track
from threadpoolctl import threadpool_limits

from mixtures.data import Data, InputError, as_data
from mixtures.estep import e_step
from mixtures.families.mixture import Mixture, Params, check_weights, resolve
from mixtures.families.start import start_params
from mixtures.priors import Array
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.trees import point_tree

__all__ = ["CollapseError", "EMFit", "NonMonotoneError", "Restarts", "fit_em"]


@dataclass(frozen=True)
class Restarts:
    """What became of every start of EM.

    Attributes
    ----------
    log_posterior : ndarray, shape (n_init,)
        Objective each start reached; NaN where it collapsed.
    params : tuple of dict
        Parameters each start reached (the last before a collapse).
    collapsed : dict of int to str
        Starts that collapsed, with the cluster and the reason.
    """

    log_posterior: Array
    params: tuple[dict[str, Array], ...]
    collapsed: dict[int, str]

    @property
    def order(self) -> np.ndarray:
        """Starts that did not collapse, best first."""
        order = np.argsort(-self.log_posterior)
        return order[np.isfinite(self.log_posterior[order])]

    @property
    def n_best(self) -> int:
        """Number of starts that reached the best optimum."""
        best = np.nanmax(self.log_posterior)
        return int(np.sum(self.log_posterior > best - same_height(best)))

    def __str__(self) -> str:
        """Word the record: "7 of 10 restarts reached the best optimum, 1 collapsed"."""
        text = f"{self.n_best} of {len(self.log_posterior)} restarts reached the best optimum"
        return text + (f", {len(self.collapsed)} collapsed" if self.collapsed else "")


@dataclass(frozen=True)
class EMFit:
    """A posterior mode (or maximum likelihood estimate) found by EM.

    Attributes
    ----------
    spec : GMM or BMM
        The resolved model.
    params : dict of ndarray
        alpha (K,) and the family's: mu (K, D) with Sigma or sigma2, or p (K, D).
    log_likelihood : float
        Log-likelihood of the data at ``params``, without the prior.
    log_posterior : float
        Objective: log-likelihood plus log prior with its normaliser.
    objective_trace : ndarray, shape (n_iter + 1,)
        Objective at the start and after every iteration; never falls.
    converged : bool
        Whether the distance left to the limit is below the tolerance.
    n_iter : int
        Iterations of the winning start.
    restarts : Restarts
        What became of every start.
    notes : tuple of str
        What a reader should know: empty clusters, constant columns.
    """

    spec: Mixture
    params: dict[str, Array]
    log_likelihood: float
    log_posterior: float
    objective_trace: Array
    converged: bool
    n_iter: int
    restarts: Restarts
    notes: tuple[str, ...]
    features: tuple[str, ...]

    def to_datatree(self) -> xr.DataTree:
        """One-draw tree with named dims, so that ArviZ plots EM beside MAP and posterior."""
        return point_tree(self.params, self.spec.dims, self.features)


class NonMonotoneError(RuntimeError):
    """The objective fell by more than rounding; carries the last state.

    Attributes
    ----------
    params : dict of ndarray
        Parameters before the fall.
    objective_trace : ndarray
        Objective up to and including the fall.
    """

    def __init__(self, message: str, params: Params, trace: list[float]) -> None:
        super().__init__(message)
        self.params = dict(params)
        self.objective_trace = np.array(trace)


class CollapseError(RuntimeError):
    """A cluster became degenerate: the likelihood is unbounded there; carries the last state.

    Attributes
    ----------
    params : dict of ndarray
        Parameters before the collapse.
    objective_trace : ndarray
        Objective up to the collapse.
    """

    def __init__(self, message: str, params: Params, trace: list[float]) -> None:
        super().__init__(message)
        self.params = dict(params)
        self.objective_trace = np.array(trace)


@dataclass(frozen=True)
class _Run:
    """Where one start has come to."""

    params: dict[str, Array]
    log_likelihood: float
    trace: list[float]
    converged: bool


def _run(
    spec: Mixture,
    data: Data,
    start: Params,
    weights: Array | None,
    tol: float,
    max_iter: int,
    trace: list[float],
) -> _Run:
    """Iterate from one start until the distance left is below ``tol``, extending ``trace``.

    Params, log-likelihood and the end of the trace belong together: the last
    M-step only measures how far there is to go.
    """
    before = params = dict(start)
    trace, step_before, left_before = list(trace), np.nan, np.inf
    scale = spec.family.units(data)[1]
    _refuse_collapse(spec, params, scale, params, trace)
    while True:
        passed = e_step(spec, data, params, weights)
        log_prior = spec.log_prior(params)
        objective = passed.log_likelihood + log_prior
        rounding = TOLERANCES.em_rounding * np.finfo(float).eps * (passed.magnitude + abs(log_prior))
        trace.append(objective)
        if len(trace) > 1 and not objective >= trace[-2] - rounding:
            raise NonMonotoneError(
                f"the EM objective fell from {trace[-2]:.12g} to {objective:.12g} "
                f"at iteration {len(trace) - 1}",
                before,
                trace,
            )
        new = spec.maximize(passed.statistics)
        _refuse_collapse(spec, new, scale, params, trace)
        step = spec.step_length(new, params, passed.statistics.count)
        rate = step / step_before  # one step alone says nothing about it, two may meet on a plateau
        left = step / (1 - rate) if rate < 1 else np.inf
        stuck = step == 0 or (not rate < 1 and step <= _resolution(spec, new, passed.statistics))
        converged = stuck or max(left, left_before) < tol
        if converged or len(trace) > max_iter:
            return _Run(params, passed.log_likelihood, trace, converged)
        before, params, step_before, left_before = params, new, step, left


def _resolution(spec: Mixture, params: Params, statistics: Any) -> float:
    """Length of a step that only rounding makes: steps so short no longer shrink."""
    shaken = {name: x * (1 + np.finfo(float).eps) for name, x in params.items()}
    return TOLERANCES.em_rounding * spec.step_length(shaken, params, statistics.count)


def _refuse_collapse(spec: Mixture, params: Params, scale: Array, before: Params, trace: list[float]) -> None:
    defects = spec.family.defects(params, scale)
    if defects:
        k, reason = next(iter(defects.items()))
        raise CollapseError(f"cluster {k} collapsed: {reason}", before, trace)


def fit_em(
    spec: Mixture,
    X: Any,
    *,
    n_init: int = 10,
    random_seed: int | np.random.Generator | None = None,
    start: Params | None = None,
    weights: Any = None,
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

    Parameters
    ----------
    spec : GMM or BMM
        The model.
    X : array_like or frame, shape (n, D)
        The data.
    n_init : int, default 10
        Number of starts: k-means and k-means++ partitions in turn.
    random_seed : int or numpy.random.Generator, optional
        Seed of the starts.
    start : dict of ndarray, optional
        Parameters to start from, instead of ``n_init`` random starts.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    tol : float, default 1e-6
        Distance to the limit at which to stop, in standard deviations.
    max_iter : int, default 10000
        Iterations a start may take.
    progressbar : bool, default False
        Show the progress over the starts.

    Returns
    -------
    EMFit
        Parameters, objective and its trace, and the record of the restarts.

    Raises
    ------
    InputError
        If the data or the start do not fit the model, or the prior has no mode.
    CollapseError
        If every start collapsed onto a degenerate cluster (only without a prior).
    NonMonotoneError
        If the objective fell by more than rounding.

    References
    ----------
    Dempster, Laird and Rubin (1977), *JRSS B* 39; Bishop, *PRML* (2006), ch. 9.

    Examples
    --------
    >>> import mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2, prior=None), mx.datasets.faithful(), random_seed=1)
    >>> round(em.log_likelihood, 4)
    -1130.264
    """
    data = as_data(X)
    spec = resolve(spec, data, weights=weights)
    spec.check_mode()
    if n_init < 1 or max_iter < 1 or not tol > 0:
        raise InputError(
            f"n_init and max_iter must be at least 1 and tol positive, got {n_init}, {max_iter}, {tol}"
        )
    weights = None if weights is None else check_weights(weights, data)
    rng = np.random.default_rng(random_seed)
    if start is not None:
        starts = [spec.check_params(start, data.n_features)]
    else:
        starts = [start_params(spec, data, rng, lloyd=i % 2 == 0) for i in range(n_init)]

    runs: list[_Run] = []
    collapsed: dict[int, CollapseError] = {}

    def run(i: int, params: Params, tol: float, trace: list[float]) -> _Run:
        try:
            return _run(spec, data, params, weights, tol, max_iter, trace)
        except CollapseError as error:
            collapsed[i] = error
            return _Run(error.params, np.nan, [np.nan], False)

    loose = max(tol, TOLERANCES.em_step_restart) if len(starts) > 1 else tol
    with threadpool_limits(1):
        for i, params in enumerate(track(starts, "EM", transient=True, disable=not progressbar)):
            runs.append(run(i, params, loose, []))
        while True:
            if len(collapsed) == len(runs):
                raise CollapseError(
                    f"all {len(runs)} starts collapsed (first: {collapsed[0]}); use prior='default', fewer "
                    "components, a simpler covariance_type, or more n_init",
                    collapsed[0].params,
                    list(collapsed[0].objective_trace),
                )
            restarts = Restarts(
                log_posterior=np.array([run.trace[-1] for run in runs]),
                params=tuple(run.params for run in runs),
                collapsed={i: str(error) for i, error in sorted(collapsed.items())},
            )
            winner = int(restarts.order[0])
            best = runs[winner]
            if loose > tol and best.converged:
                best = run(winner, best.params, tol, best.trace[:-1])
            if winner not in collapsed:
                break
            runs[winner] = best  # it collapsed on the last stretch: the next best goes on

    params = (
        best.params if start is not None else spec.relabel(best.params, np.argsort(-best.params["alpha"]))
    )
    return EMFit(
        spec=spec,
        params=params,
        log_likelihood=best.log_likelihood,
        log_posterior=best.trace[-1],
        objective_trace=np.array(best.trace),
        converged=best.converged,
        n_iter=len(best.trace) - 1,
        restarts=restarts,
        notes=spec.check(data) + _empty_clusters(params, data.n_rows if weights is None else weights.sum()),
        features=data.features,
    )


def _empty_clusters(params: Params, n: float) -> tuple[str, ...]:
    return tuple(
        f"cluster {k} is empty: it is expected to hold {count:.2g} rows"
        for k, count in enumerate(n * params["alpha"])
        if count < TOLERANCES.empty_count
    )
