"""The search for the best optimum: many starts, and the best of their runs to the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixtures.em.acceleration import Plain
from mixtures.em.climb import Climb, Unfinished
from mixtures.em.pace import is_hopeless
from mixtures.em.problem import Run
from mixtures.em.saddles import ways_off
from mixtures.em.starts import Start
from mixtures.errors import CollapseError
from mixtures.interrupts import INTERRUPTED, Interrupted
from mixtures.messages import Option, all_of, counted, worded
from mixtures.progress import track
from mixtures.results.em import Restarts
from mixtures.types import Array

__all__ = ["Search", "search"]


@dataclass(frozen=True)
class Search:
    """The best run, the record of all, a note of an interrupt, and where a saddle at its end would lead."""

    best: Run
    restarts: Restarts
    interrupted: tuple[str, ...] = ()
    beyond: Run | None = None


def search(
    climb: Climb, next_starts: Callable[[Restarts], list[Start]], tol: float, loose: float, *, shown: bool
) -> Search:
    """Run EM from every start to a loose tolerance, and from the best of them to the end.

    A start that has fallen hopelessly behind after its first steps goes no further.

    Parameters
    ----------
    climb : Climb
        How EM is run from a start.
    next_starts : callable
        The next starts after those of a record; none when the search is over.
    tol, loose : float
        Tolerance of the best run, and of all runs before it is known.
    shown : bool
        Whether to show the progress over the starts.

    Returns
    -------
    Search
        The best run and the record of all.
    """
    starts: list[Start] = []
    begun: dict[int, Run] = {}
    runs: list[Run] = []
    try:
        while new := next_starts(_record(starts, runs)):
            starts += new
            fresh = _fresh(starts, begun)
            begun |= zip(fresh, climb.begin([*fresh.values()], loose, _best_height(runs)), strict=True)
            for start in track(new, "EM", shown=shown):
                runs.append(_climbed(climb, start, begun, starts, runs, loose))
        while True:
            _refuse_collapse(runs)
            restarts = _record(starts, runs)
            winner = restarts.winner
            best = runs[winner]
            if loose > tol:
                may_go_on = len(best.trace) <= climb.max_iter
                best = climb.resume(best, tol) if may_go_on else replace(best, converged=False)
                runs[winner] = best  # also if it has collapsed, and the next best goes on
            if best.collapse is None:
                ways = ways_off(climb.problem, climb.kernel, best.params) if best.converged else []
                higher = climb.leave_saddle(best, ways, tol) if ways else None
                if higher is None or higher.collapse or isinstance(climb.accelerator, Plain):
                    return Search(best, restarts, beyond=higher)
                runs[winner] = higher
    except KeyboardInterrupt as error:
        return _cut_short(error, starts, begun, runs)


def _fresh(starts: Sequence[Start], begun: Mapping[int, Run]) -> dict[int, dict[str, Array]]:
    """Parameters from which EM has yet to begin, by their identity: starts may share them."""
    where = {id(start.params): start.params for start in starts if start.promising}
    return {key: params for key, params in where.items() if key not in begun}


def _climbed(
    climb: Climb,
    start: Start,
    begun: Mapping[int, Run],
    starts: Sequence[Start],
    runs: Sequence[Run],
    tol: float,
) -> Run:
    """The run of the next start: that of another start with the same parameters, if EM went on from there."""
    same = (
        done
        for other, done in zip(starts, runs, strict=False)
        if other.promising and other.params is start.params
    )
    if (twin := next(same, None)) is not None:
        return twin
    if not start.promising:
        return climb.evaluate(start.params)
    run = begun[id(start.params)]
    if run.converged or run.collapse or is_hopeless(run.trace, _best_height([*runs, *begun.values()])):
        return run
    return climb.resume(run, tol)


def _best_height(runs: Sequence[Run]) -> float:
    """The largest objective of the runs that did not collapse; -inf if all did."""
    return max((run.height for run in runs if run.collapse is None), default=-np.inf)


def _cut_short(
    error: KeyboardInterrupt, starts: list[Start], begun: dict[int, Run], runs: list[Run]
) -> Search:
    """The best run after an interrupt; if there is none, the interrupt is raised."""
    partial = error.partial if isinstance(error, Interrupted) else None
    cut = [partial] if isinstance(partial, Run) else []
    if isinstance(partial, Unfinished):
        begun |= zip(_fresh(starts, begun), partial.runs, strict=True)
    searching = len(runs) < len(starts)  # else the best run was going on
    found = [*runs, *(cut if searching else [])]
    found += [
        begun.get(id(start.params), Run(start.params, np.nan, (), False)) for start in starts[len(found) :]
    ]
    found = found[: 1 + max((i for i, run in enumerate(found) if len(run.trace)), default=-1)]
    if all(run.collapse is not None for run in found):
        raise error
    restarts = _record(starts, found)
    best = max([found[restarts.winner], *([] if searching else cut)], key=lambda run: run.height)
    so_far = counted(len(starts), "start")
    note = (
        f"{INTERRUPTED}: {len(runs)} of the first {so_far} had been run to the end"
        if searching
        else f"{INTERRUPTED}: {so_far} had been run, and the best of them was going on"
    )
    return Search(replace(best, converged=False), restarts, (note,))


def _record(starts: Sequence[Start], runs: Sequence[Run]) -> Restarts:
    """The record of the starts."""
    return Restarts(
        log_posterior=np.array([run.trace[-1] if len(run.trace) else np.nan for run in runs]),
        traces=tuple(np.array(run.trace) for run in runs),
        params=tuple(run.params for run in runs),
        collapsed={i: str(run.collapse) for i, run in enumerate(runs) if run.collapse is not None},
        kinds=tuple(start.kind for start, _ in zip(starts, runs, strict=False)),
    )


def _refuse_collapse(runs: Sequence[Run]) -> None:
    """Raise an error if every start collapsed."""
    collapses = [run.collapse for run in runs if run.collapse is not None]
    if len(collapses) == len(runs):
        raise CollapseError(
            worded(
                f"{all_of(len(runs), 'start')} collapsed (first: {collapses[0]}); use ",
                Option("prior", "default"),
                ", fewer components, a simpler ",
                Option("covariance_type"),
                ", or more ",
                Option("n_init"),
            ),
            collapses[0].params,
            list(collapses[0].objective_trace),
        )
