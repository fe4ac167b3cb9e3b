"""Responsibilities of rows, and rows that have none: of density zero, or too far from all clusters."""

import numpy as np

from mixtures.data.known_labels import exclude
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.messages import rows_are, them
from mixtures.tolerances import TOLERANCES
from mixtures.types import EPS, Array

__all__ = ["NO_DENSITY", "assigned", "refuse_impossible", "refuse_unassigned", "share_out"]

NO_DENSITY = "of density zero under every cluster"


CERTAIN = 40.0
"""Nats between the two likeliest clusters from which the second gets nothing: exp(-40) < EPS."""


def share_out(log_joint: Array) -> Array:
    """Responsibilities from log joint densities, both with the clusters along the first axis.

    NaN where they are undefined: the row is impossible under every cluster, or so
    far from all of them that rounding decides which is the likeliest.
    """
    top = log_joint.max(axis=0)
    with np.errstate(invalid="ignore"):  # a row of density zero
        r = np.exp(log_joint - top)
    r /= r.sum(axis=0)
    rounding = EPS * np.abs(top)
    far = (rounding > TOLERANCES.undecided) & np.isfinite(top)
    if len(log_joint) > 1 and far.any():
        first, second = np.sort(log_joint[:, far], axis=0)[:-3:-1]
        far[far] = first - second < TOLERANCES.em_rounding * rounding[far] + CERTAIN
        r[:, far] = np.nan
    return np.asarray(r)


def refuse_unassigned(data: Data, r: Array, log_joint: Array, first: int = 0) -> None:
    """Refuse rows without responsibilities (K, n), by name; they start at ``first`` in the data."""
    bad = np.isnan(r).any(axis=0)
    if not bad.any():
        return
    zero = bad & ~(log_joint.max(axis=0) > -np.inf)
    places = np.flatnonzero(zero if zero.any() else bad) + first
    rows = rows_are(places, data.obs_id, data.first)
    if zero.any():
        advice = f"check or drop {them(places)}, or fit with a prior that rules nothing out"
        raise InputError(f"{rows} {NO_DENSITY}: {advice}")
    raise InputError(
        f"{rows} so far from every cluster that rounding decides which is the nearest: check, rescale or "
        f"drop {them(places)}"
    )


def assigned(data: Data, log_joint: Array, first: int = 0) -> Array:
    """Responsibilities (K, n) of rows that begin at ``first``; labelled rows are wholly in their cluster.

    Rows without responsibilities are refused. ``log_joint (K, n)`` is changed.
    """
    if data.labels is not None:
        exclude(log_joint, data.labels[first : first + log_joint.shape[1]])
    r = share_out(log_joint)
    refuse_unassigned(data, r, log_joint, first)
    return r


def refuse_impossible(data: Data, log_likelihood: Array, first: int = 0) -> None:
    """Refuse rows that have no density under some parameters (n, S), by name."""
    bad = ~(log_likelihood > -np.inf).all(axis=1)
    if bad.any():
        rows = rows_are(np.flatnonzero(bad) + first, data.obs_id, data.first)
        raise InputError(f"{rows} {NO_DENSITY} of some draws: check or drop such rows")
