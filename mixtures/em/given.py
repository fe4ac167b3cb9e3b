"""A start that the user gives: parameters, labels of the rows, or responsibilities."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from mixtures.data.cells import as_numbers
from mixtures.data.known_labels import one_hot
from mixtures.data.rows import Rows
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.em.problem import Problem
from mixtures.errors import InputError
from mixtures.messages import Option, worded
from mixtures.results.starting import start_of
from mixtures.types import Array

__all__ = ["given_start"]

SUM_TO_ONE = 1e-6
"""How far the responsibilities of a row may be from adding up to one."""


def given_start(problem: Problem, rows: Rows, start: Any) -> dict[str, Array]:
    """Checked parameters from a user's start.

    Parameters
    ----------
    problem : Problem
        What is maximised.
    rows : Rows
        The rows as the user gave them, without merging equal ones.
    start : dict, fit or array_like
        Parameters by name; or a fit, whose columns are matched by name; or the cluster of every row (n,);
        or responsibilities (n, K), also as `mixtures.responsibilities` returns them. Parameters then come
        from one M-step, in which missing cells have their expectations under a single cluster fitted to
        the observed ones.

    Returns
    -------
    dict of ndarray
        The parameters.

    Raises
    ------
    InputError
        If it is none of these, or does not fit the rows or the number of clusters.
    """
    start = start_of(problem.spec, start)
    if isinstance(start, Mapping) and "responsibilities" not in start:
        return problem.check(start)
    values = start["responsibilities"] if isinstance(start, Mapping) else start
    array = as_numbers(
        np.asarray(values) if hasattr(values, "dims") else values,
        "start is neither a dictionary of parameters nor",
    )
    if not isinstance(rows, Data):
        raise InputError("start has a value for every row, and the rows come in chunks; give parameters")
    r = _responsibilities(array, rows, problem.spec.n_components)
    r = r if rows.labels is None else one_hot(r.T, rows.labels).T
    r = r if rows.weights is None else r * rows.weights[:, None]
    empty = np.flatnonzero(r.sum(axis=0) == 0)
    if len(empty):
        raise InputError(
            worded(
                f"start: cluster {empty[0]} has no row; give every cluster some, or lower ",
                Option("n_components"),
            )
        )
    spec = problem.spec
    alone = spec.alike(spec.family.single(rows)) if rows.has_missing else None
    parts = (spec.expect(alone, block.T, r[place].T) for place, block in rows.blocks(BLOCK_ROWS))
    params = problem.m_step(reduce(add, parts))
    if defects := problem.defects(params):
        k, reason = next(iter(defects.items()))
        raise InputError(
            worded(
                f"start: the rows of cluster {k} make it collapse ({reason}): give it more rows that differ, "
                "or use ",
                Option("prior", "default"),
            )
        )
    return problem.check(params)


def _responsibilities(array: Array, rows: Data, k: int) -> Array:
    """Responsibilities (n, K), or labels (n,) made into them."""
    n = rows.n_rows
    if array.shape == (n,):
        bad = ~np.isin(array, np.arange(k))
        low = "; subtract 1 from labels that begin at 1" if np.isin(array, np.arange(1, k + 1)).all() else ""
        found = f"{array[bad][0]:g}" if bad.any() else ""
        _refuse(bad, rows, f"has the label {found}, and labels go from 0 to {k - 1}{low}")
        r = (array[:, None] == np.arange(k)).astype(float)
    elif array.shape == (n, k):
        good = (array >= 0).all(axis=1) & (np.abs(array.sum(axis=1) - 1) < SUM_TO_ONE)
        _refuse(~good, rows, "has responsibilities that do not add up to one; divide each row by its sum")
        r = array
    else:
        raise InputError(
            f"start has shape {array.shape}; it is a dictionary of parameters, a label per row ({n},), or "
            f"responsibilities ({n}, {k})"
        )
    return r


def _refuse(bad: np.ndarray, rows: Data, what: str) -> None:
    if bad.any():
        raise InputError(f"start: row {rows.obs_id[np.argmax(bad)]!s:.80} {what}")
