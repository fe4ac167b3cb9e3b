"""How EM is run from one start, or from many together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixtures.data.table import Data
from mixtures.em.acceleration import Accelerator, Plain
from mixtures.em.ascent import ascend
from mixtures.em.batch import advance, can_advance
from mixtures.em.grouped import FastEStep
from mixtures.em.pace import is_hopeless
from mixtures.em.problem import Problem, Run
from mixtures.errors import CollapseError
from mixtures.interrupts import Interrupted
from mixtures.tolerances import same_height
from mixtures.types import Params

__all__ = ["Climb", "Unfinished"]

BATCH_VALUES = 50_000
"""Largest number of responsibilities of a start for which all starts are run together."""


JUDGED = 100
"""Steps of EM after which runs that are hopelessly behind leave those that run together; then after twice as
many, and so on."""


CALL_VALUES = 100_000
"""Responsibilities whose E-step takes as long as the rest of a step of EM, whatever the number of starts."""


OFF = "off a saddle"
"""Name of a step off a saddle point in the record of a run."""


@dataclass(frozen=True)
class Unfinished:
    """Runs that are all unfinished, for an interrupt."""

    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Climb:
    """How EM is run from one start; a collapse ends the run, not the fit.

    Attributes
    ----------
    problem : Problem
        What is maximised.
    kernel : FastEStep or None
        Its E-step in natural form, if it has one.
    max_iter : int
        Steps that a run may take.
    accelerator : Accelerator
        The rule for jumps.
    table : Data or None
        The distinct rows in memory; None if they are many.
    """

    problem: Problem
    kernel: FastEStep | None
    max_iter: int
    accelerator: Accelerator
    table: Data | None

    @cached_property
    def runs_together(self) -> bool:
        """Whether the data are small enough for all starts to begin together, and the model fast enough."""
        table = self.table
        return table is not None and self._values <= BATCH_VALUES and can_advance(self.problem, table)

    @property
    def _values(self) -> int:
        """Number of responsibilities of a start."""
        return 0 if self.table is None else self.table.n_rows * self.problem.spec.n_components

    def _common_steps(self, n_runs: int) -> float:
        """How many steps of EM this many runs make together before each is cheaper by itself."""
        share = self._values / CALL_VALUES
        return self.accelerator.batch_steps * n_runs * (1 + share) / (1 + n_runs * share)

    def resume(self, run: Run, tol: float) -> Run:
        """Continue a run."""
        accelerator = self.accelerator if run.accelerator is None else run.accelerator
        given = self.problem, self.kernel, run.params, tol, self.max_iter, run.trace[:-1]
        try:
            return ascend(*given, steps=run.steps, accelerator=accelerator)
        except CollapseError as error:
            return Run(error.params, np.nan, [*error.objective_trace, np.nan], False, collapse=error)

    def leave_saddle(self, run: Run, ways: Sequence[Params], tol: float) -> Run | None:
        """Continue past a saddle point from each of these points; None if no run ends higher.

        Where all of them collapse, one of those is returned: the objective rises without bound.
        """
        first, begun = len(run.trace), (*run.trace, np.nan)
        ends = [self.resume(Run(dict(there), np.nan, begun, False, (*run.steps, OFF)), tol) for there in ways]
        best = max(ends, key=lambda end: -np.inf if end.collapse else end.height)
        if best.collapse:
            return best
        if best.height <= run.height + same_height(run.height):
            return None
        higher = first + int(np.argmax(np.array(best.trace[first:]) >= run.height))
        trace = (*run.trace, *best.trace[higher:])
        return replace(best, trace=trace, steps=(*run.steps, OFF, *best.steps[higher:]))

    def evaluate(self, params: Params) -> Run:
        """One pass over the rows, for the objective at a start from which EM is not run."""
        point = self.problem.point(params, self.kernel)
        return Run(dict(params), point.log_likelihood, (point.objective,), False)

    def begin(self, starts: Sequence[Params], tol: float, known: float = -np.inf) -> list[Run]:
        """Begin from every start, with steps of EM in one batch as long as that is cheaper: on small data.

        Runs that fall hopelessly behind go no further. The steps are the same wherever the rows are, so
        that chunks give the answer of the table.

        Parameters
        ----------
        starts : sequence of dict
            Checked parameters.
        tol : float
            Distance to the limit at which to stop.
        known : float
            Best objective that is known already.

        Returns
        -------
        list of Run
            One for each start.
        """
        begun = [Run(dict(start), np.nan, (), False) for start in starts]
        if len(starts) == 1 or not self.accelerator.batch_steps or not self.runs_together:
            return begun
        made, until, going = 0, JUDGED, []
        try:
            while True:
                best = max([known, *(run.height for run in begun if run.converged)])
                going = [
                    i
                    for i, run in enumerate(begun)
                    if not (run.converged or run.collapse or is_hopeless(run.trace, best))
                    and (not made or len(run.trace) > made)  # it is still in the batch
                ]
                most = min(max(JUDGED, self._common_steps(len(going))), self.max_iter)
                until = int(min(until, most))
                if not going or until <= made:
                    return begun
                begun = _with(begun, going, self._steps([begun[i] for i in going], until, tol))
                made, until = until, 2 * until
        except KeyboardInterrupt as error:
            if isinstance(error, Interrupted):
                begun = _with(begun, going, error.partial)
            raise Interrupted(Unfinished(tuple(begun))) from error

    def _steps(self, runs: Sequence[Run], most: int, tol: float) -> list[Run]:
        """Continue all runs to this number of steps of EM.

        Runs that leave the batch in its first stretch, as where the natural form would lose too many digits,
        make the rest of that stretch one by one. Those that leave it later end there.
        """
        assert self.table is not None
        ends, made = list(runs), max(0, len(runs[0].trace) - 1)
        try:
            found = advance(self.problem, self.table, [run.params for run in runs], most - made, tol)
            ends = _continued(runs, found)
            if made:
                return ends
            plain = replace(self, accelerator=Plain(), max_iter=most)
            for i, run in enumerate(ends):
                if not run.converged and len(run.trace) <= most:
                    ends[i] = replace(plain.resume(run, tol), accelerator=None)
        except KeyboardInterrupt as error:
            partial = error.partial if isinstance(error, Interrupted) else None
            if isinstance(partial, Run):  # of one that goes on by itself
                ends[i] = partial
            elif partial is not None:
                ends = _continued(runs, partial)
            raise Interrupted(ends) from error
        return ends


def _continued(runs: Sequence[Run], more: Sequence[Run]) -> list[Run]:
    return [run.then(each) for run, each in zip(runs, more, strict=True)]


def _with(runs: Sequence[Run], places: Sequence[int], others: Sequence[Run]) -> list[Run]:
    """The runs, with others in these places."""
    new = dict(zip(places, others, strict=True))
    return [new.get(i, run) for i, run in enumerate(runs)]
