"""What a fit tells its reader."""

import numpy as np

from mixtures.data.known_labels import NOT_FROM_ZERO, anchored_clusters, count_known, numbered_from_one
from mixtures.data.rows import Rows, doubtful_weights
from mixtures.em.kinds import Sample
from mixtures.em.problem import Problem
from mixtures.em.search import Search
from mixtures.errors import ConvergenceWarning, DataWarning
from mixtures.families.doubts import doubts
from mixtures.families.mixture import Mixture
from mixtures.messages import Option, clusters_are, counted, warn, worded
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["AT_SADDLE", "UNBOUNDED", "notes_on"]

LEAST_SHOWN = 0.01
"""Expected numbers of rows below this are not given as figures."""


SHOWN = 10
"""Largest number of clusters that a note names."""


AT_SADDLE = "EM stopped at a saddle point of the objective, not at a maximum: start elsewhere, or accelerate"
"""Note on a fit by plain EM from which a small step leads higher."""


UNBOUNDED = worded(
    "EM stopped at a saddle point of the objective, from which it rises without bound as a cluster "
    "collapses: use ",
    Option("prior", "default"),
    ", fewer components or a simpler ",
    Option("covariance_type"),
)
"""Note on a fit from which a small step leads to a cluster of no width."""


def notes_on(
    problem: Problem, rows: Rows, sample: Sample | None, found: Search, params: Params, max_iter: int
) -> tuple[str, ...]:
    """Notes for the reader of a fit with these parameters; the serious ones are also warnings."""
    spec = problem.spec
    shares = spec.weights.shares(params)
    notes = (
        spec.check(rows)
        + _wide(rows)
        + _unidentified(spec, rows)
        + _of_labels(rows, spec.n_components)
        + tuple(filter(None, [doubtful_weights(rows)]))
        + (() if shares is None else _empty_clusters(problem.data.total * shares))
    )
    if not (found.best.converged or found.interrupted):
        unfinished = f"EM has not converged after max_iter={max_iter} iterations: raise max_iter or tol"
        notes += (unfinished,)
        warn(unfinished, ConvergenceWarning)
    if found.beyond is not None:
        notes += (AT_SADDLE if found.beyond.collapse is None else UNBOUNDED,)
    examined = None if sample is None else sample.observed_rows
    if doubtful := doubts(spec, rows, params, problem.scale, examined):
        notes += doubtful
        warn("; ".join(doubtful), DataWarning)
    return notes


def _wide(rows: Rows) -> tuple[str, ...]:
    """Note that there are more columns than rows, as in a table that lies on its side."""
    n, d = rows.n_rows, rows.n_features
    if n >= d:
        return ()
    return (
        f"{counted(n, 'row')} and {counted(d, 'column')}: transpose the data if the columns are the rows",
    )


def _unidentified(spec: Mixture, rows: Rows) -> tuple[str, ...]:
    """Note that rows of this kind identify no such model, which known labels may do."""
    reason = "" if len(anchored_clusters(rows)) else spec.family.never_identified(spec.n_components, rows)
    return (reason,) if reason else ()


def _of_labels(rows: Rows, k: int) -> tuple[str, ...]:
    """Note for how many rows the cluster is known, which clusters these fix, and labels that begin at 1."""
    anchored = anchored_clusters(rows)
    if not len(anchored):
        return ()
    n, names = count_known(rows), ", ".join(map(str, anchored[:SHOWN]))
    rest = " and others" if len(anchored) > SHOWN else ""
    fixed = (
        f"cluster {names} keeps its number"
        if len(anchored) == 1
        else f"clusters {names}{rest} keep their numbers"
    )
    fixed = "all clusters keep their numbers" if len(anchored) >= k - 1 else fixed
    known = f"the clusters of {n} of {rows.n_rows} rows are known: {fixed}"
    return (known, NOT_FROM_ZERO) if numbered_from_one(rows) else (known,)


def _few(count: float) -> str:
    return f"{count:.2g}" if count >= LEAST_SHOWN or count == 0 else f"less than {LEAST_SHOWN}"


def _empty_clusters(expected: Array) -> tuple[str, ...]:
    empty = np.flatnonzero(expected < TOLERANCES.empty_count)
    if not len(empty):
        return ()
    most = float(expected[empty].max())
    several = len(empty) > 1
    few = f"{'at most ' if several and most >= LEAST_SHOWN else ''}{_few(most)}"
    rest = f"they are expected to hold {few} rows each" if several else f"it is expected to hold {few} rows"
    return (worded(clusters_are(empty), " empty: ", rest),)
