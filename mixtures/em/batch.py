"""Many starts of one model on one table of rows, run together, with one matrix product for all.

The responsibilities of all starts come from one matrix product ``(starts K, P)(P, n)`` and their
sums from another, so that a small problem pays the overhead of Python once and not for every start. A
start leaves the batch at its last valid parameters, before a collapse, a fall of the objective or a loss
of digits; `ascent`, which runs EM from one start, continues from there.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from typing import Any, NamedTuple, Self

import numpy as np

from mixtures.data.known_labels import exclude
from mixtures.data.table import Data
from mixtures.em.acceleration import EM
from mixtures.em.grouped import BatchEStep, Grouped, can_group
from mixtures.em.natural import POSSIBLE, NaturalForm, largest_loss
from mixtures.em.pace import Pace, only_rounding
from mixtures.em.problem import Problem, Run
from mixtures.families.family import ExponentialFamily
from mixtures.families.memo import MemoParams
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.tolerances import TOLERANCES
from mixtures.types import EPS, Array, Params

__all__ = ["advance", "can_advance"]

CHUNK_VALUES = 200_000
"""Responsibilities of a chunk of rows, over all starts: it stays in cache, and is the work of a thread."""


LONG_STEP = 1e-2
"""A step of this length, in standard deviations, is not rounding where densities have lost so few digits."""


COARSE_LOSS = 1e-6
"""Error of a log density by rounding that a run without a tolerance may have."""


def can_advance(problem: Problem, data: Data) -> bool:
    """Whether many starts can run together on these rows."""
    return problem.has_fast_e_step and (not data.has_missing or can_group(problem.spec, data))


def advance(
    problem: Problem, data: Data, starts: Sequence[Params], max_steps: int, tol: float | None = None
) -> list[Run]:
    """Run EM from every start, for a number of iterations or until it converges.

    Parameters
    ----------
    problem : Problem
        What is maximised.
    data : Data
        The rows: those of the problem, or a sample of them.
    starts : sequence of dict
        Checked parameters.
    max_steps : int
        Largest number of iterations.
    tol : float, optional
        Distance to the limit at which to stop, in standard deviations of the complete data.
        Without one every start makes all its iterations, and a larger rounding error is allowed.

    Returns
    -------
    list of Run
        One for each start, up to its last valid parameters; without a trace where there were none.
        It has converged if it came within the tolerance.

    Raises
    ------
    Interrupted
        At Ctrl-C; carries the runs so far.
    """
    with ThreadPoolExecutor(cpu_count() or 1) as pool:  # a thread is started when there is work for it
        spec = problem.spec
        batch = Grouped(spec, data) if data.has_missing else _Batch(spec, data, pool)
        return _advanced(problem, batch, starts, max_steps, tol)


def _advanced(
    problem: Problem,
    batch: "Grouped | _Batch",
    starts: Sequence[Params],
    max_steps: int,
    tol: float | None,
) -> list[Run]:
    """What `advance` returns."""
    spec, allowed = problem.spec, COARSE_LOSS if tol is None else largest_loss(tol, batch.n_rows)
    progress = _Progress.at_starts(starts, max_steps)
    moving = np.flatnonzero(~_collapsed(problem, progress.state.params))
    if not len(moving):
        return progress.runs()
    pace = Pace(*np.full((3, len(moving)), [[np.nan], [np.inf], [np.inf]]))
    params = MemoParams({name: x[moving] for name, x in progress.state.params.items()})
    try:
        for _ in range(max_steps + 1):
            at = _Evaluation.at(batch, params)
            valid = (at.loss < allowed) & (at.objective >= progress.state.height[moving] - at.rounding)
            new = _unless(~valid, params, MemoParams(problem.m_step(at.statistics)))
            collapsed = _collapsed(problem, new)
            new = _unless(collapsed, params, new)
            near = np.zeros(len(moving), dtype=bool)
            if tol is not None:
                pace = pace.after(spec.step_length(new, params, at.statistics.count))
                near = pace.has_arrived(tol)
                if (short := pace.step < LONG_STEP).any():
                    near |= short & only_rounding(spec, pace, new, at.statistics.count)
            arrived = valid & ~collapsed & near
            progress.record(moving, valid, params, at, arrived)
            going = valid & ~arrived & ~collapsed
            if not going.any():
                return progress.runs()
            if not going.all():
                moving, pace = moving[going], pace.subset(going)
                new = new.subset(going)
            params = new
    except KeyboardInterrupt as error:
        raise Interrupted(progress.runs()) from error
    return progress.runs()


class _State(NamedTuple):
    """The last valid pass of every start: arrays (R, ...)."""

    params: dict[str, Array]
    log_likelihood: Array
    height: Array
    passes: np.ndarray
    converged: np.ndarray


@dataclass(eq=False)
class _Progress:
    """How far every start has come, and traces (R, T) filled from the left.

    An interrupt may come between any two lines, so that a state is never changed, but replaced as a whole;
    of a trace only as many values count as the state has passes.
    """

    state: _State
    traces: Array

    @classmethod
    def at_starts(cls, starts: Sequence[Params], max_steps: int) -> Self:
        """At the starts, before any pass."""
        n = len(starts)
        params = {name: np.stack([start[name] for start in starts]) for name in starts[0]}
        nothing = np.full(n, np.nan), np.full(n, -np.inf), np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
        return cls(_State(params, *nothing), np.empty((n, max_steps + 1)))

    def record(
        self, moving: np.ndarray, valid: np.ndarray, params: Params, at: "_Evaluation", arrived: np.ndarray
    ) -> None:
        """Write down a pass of those that move, where it is valid."""
        there, state = moving[valid], self.state
        self.traces[there, state.passes[there]] = at.objective[valid]

        def updated(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            array = old.copy()
            array[there] = new[valid]
            return array

        self.state = _State(
            {name: updated(state.params[name], x) for name, x in params.items()},
            updated(state.log_likelihood, at.log_likelihood),
            updated(state.height, at.objective),
            updated(state.passes, state.passes[moving] + 1),
            updated(state.converged, arrived),
        )

    def runs(self) -> list[Run]:
        """One run for each start."""
        state = self.state
        return [
            Run(
                {name: x[i].copy() for name, x in state.params.items()},
                float(state.log_likelihood[i]),
                tuple(self.traces[i, :passes].tolist()),
                bool(state.converged[i]),
                (EM,) * max(0, int(passes) - 1),
            )
            for i, passes in enumerate(state.passes)
        ]


def _collapsed(problem: Problem, params: Params) -> np.ndarray:
    """Which sets of parameters (R,) have a cluster that collapsed, as one that labels leave without rows."""
    return np.asarray(
        problem.may_collapse & problem.spec.family.degenerate(params, problem.scale).any(axis=-1)
    )


def _unless(which: np.ndarray, params: Params, new: MemoParams) -> MemoParams:
    """New sets of parameters, except those marked, which keep the old values: the new may be invalid."""
    if not which.any():
        return new
    return MemoParams(
        {name: np.where(which.reshape(-1, *[1] * (x.ndim - 1)), params[name], x) for name, x in new.items()}
    )


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """A pass over the rows at R sets of parameters, with the prior: arrays (R,), except the statistics."""

    log_likelihood: Array
    objective: Array
    rounding: Array
    loss: Array
    statistics: Any

    @classmethod
    def at(cls, batch: "Grouped | _Batch", params: Params) -> Self:
        """One pass at sets of parameters along a leading axis."""
        with np.errstate(invalid="ignore", over="ignore"):  # of sets without a natural form
            found, log_prior = batch.passed(params), batch.spec.log_prior(params)
            magnitude = TOLERANCES.em_rounding * (np.abs(found.log_likelihood) + np.abs(log_prior))
            return cls(
                found.log_likelihood,
                found.log_likelihood + log_prior,
                EPS * (magnitude + batch.n_rows * found.terms),
                EPS * found.terms,
                found.statistics,
            )


class _Batch:
    """The E-step of many sets of parameters at once."""

    def __init__(self, spec: Mixture, data: Data, pool: ThreadPoolExecutor) -> None:
        assert isinstance(spec.family, ExponentialFamily)
        self.spec, self.family, self.data, self.pool = spec, spec.family, data, pool
        self.n_rows = data.n_rows
        self.location, self.scale = self.family.affine_units(data)
        self.log_scale = float(np.log(self.scale).sum())
        rows = np.ascontiguousarray(((data.values - self.location) / self.scale).T)
        self.phi = self.family.features(rows)
        self.largest = np.abs(self.phi).max(axis=1)
        h = self.family.base_measure(rows)
        self.base = float(h.sum() if data.weights is None else data.weights @ h)

    def passed(self, params: Params) -> BatchEStep:
        """One pass at sets of parameters along a leading axis."""
        form = NaturalForm.of(self.family, params, self.location, self.scale, self.largest, self.log_scale)
        sums, log_likelihood = self._sums(form.eta)
        log_likelihood += self.base
        return BatchEStep(log_likelihood, form.terms, self.family.from_sums(sums, self.location, self.scale))

    def _sums(self, eta: Array) -> tuple[Array, Array]:
        """Sums ``S = r phi'`` (R, K, P), and log-likelihoods (R,) without the base measure."""
        sets, k, _ = eta.shape
        size = max(1, CHUNK_VALUES // (sets * k))
        chunks = [slice(first, first + size) for first in range(0, self.n_rows, size)]
        parts = (self.pool.map if len(chunks) > 1 else map)(partial(self._sums_of, eta), chunks)
        sums, log_likelihood = next(parts)
        for more, higher in parts:  # in the order of the rows, however many threads there are
            sums += more
            log_likelihood += higher
        return sums, log_likelihood

    def _sums_of(self, eta: Array, rows: slice) -> tuple[Array, Array]:
        """The same of some of the rows; of sets without a natural form it is not a number."""
        with np.errstate(invalid="ignore", over="ignore"):  # threads do not inherit it
            return self._responsibilities(eta, rows)

    def _responsibilities(self, eta: Array, rows: slice) -> tuple[Array, Array]:
        sets, k, p = eta.shape
        phi, weights = self.phi[:, rows], self.data.weights
        joint = self._joint(eta, rows)
        np.exp(joint, out=joint)
        density = joint.sum(axis=1)
        if density.min() > 1 / POSSIBLE and density.max() < POSSIBLE:
            per_row = np.log(density)
        else:  # of some row no cluster, or all too much
            joint = self._joint(eta, rows)
            highest = joint.max(axis=1)
            joint -= highest[:, None]
            np.exp(joint, out=joint)
            density = joint.sum(axis=1)
            per_row = np.log(density) + highest
        np.reciprocal(density, out=density)
        if weights is None:
            log_likelihood = per_row.sum(axis=1)
        else:
            log_likelihood = per_row @ weights[rows]
            density *= weights[rows]
        joint *= density[:, None]
        return (joint.reshape(sets * k, -1) @ phi.T).reshape(sets, k, p), log_likelihood

    def _joint(self, eta: Array, rows: slice) -> Array:
        """Log joint density (R, K, n) without the base measure."""
        sets, k, p = eta.shape
        joint = (eta.reshape(-1, p) @ self.phi[:, rows]).reshape(sets, k, -1)
        if self.data.labels is not None:
            exclude(joint, self.data.labels[rows])
        return joint
