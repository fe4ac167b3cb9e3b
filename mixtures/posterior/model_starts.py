"""Starting points of the search for the modes of a user's own model."""

from functools import partial
from typing import Any

import numpy as np

from mixtures.data.known_labels import match_labels, one_hot
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import known_value
from mixtures.density.search import climb, reach
from mixtures.distributions.marginal import as_given, node_of
from mixtures.distributions.steps import natural_form
from mixtures.em.kinds import SOFTNESS, random_partition
from mixtures.posterior.mixture_nodes import cluster_axes, log_joint, mixtures_of
from mixtures.types import Array

__all__ = ["model_starts"]

FAR = 5.0
"""Standard deviation of the unconstrained coordinates of a point far away."""


FEWEST, MOST = 2, 0.25
"""Smallest number, and largest share, of the rows that a cluster of a regression starts from."""


def model_starts(compiled: CompiledModel, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts for a user's model: its modes if the clusters of rows were known, guessed at random.

    PyMC's initial point makes all clusters equal, and no gradient separates them.
    So each start climbs on the complete-data log density of the model's mixtures,
    given a k-means partition of their rows. Where clusters differ by row, as lines
    do, rows near to one another need not be of one cluster: there each cluster starts
    from a few random rows. A model without mixtures starts from the initial point
    plus normal noise.

    Other parameters may have several modes too. So the climbs begin in turn at the
    initial point, at a draw from the prior, and far from the initial point.
    """
    model = compiled.model
    origin = compiled.initial_point(int(rng.integers(2**31)))
    mixtures = [v for v in mixtures_of(model) if v in model.observed_RVs]
    if not mixtures:
        steps = rng.normal(size=(n, origin.size))
        return [origin + reach(compiled, origin, step) * step for step in steps]
    with natural_form():
        complete = compiled.complete(mixtures, [log_joint(model, v, by_labels=False) for v in mixtures])
    guesses = [_guesses(compiled, v, n, rng) for v in mixtures]
    origins = _origins(compiled, origin, n, rng)
    return [climb(partial(complete, r), x) for *r, x in zip(*guesses, origins, strict=True)]


def _guesses(compiled: CompiledModel, rows: Any, n: int, rng: np.random.Generator) -> list[Array]:
    """Responsibilities (K, rows) to start from."""
    weights, *others = cluster_axes(rows)
    k = compiled.shape_of(weights[0])[-1]
    X = _table(compiled, rows)
    if any(set(x.type.shape[: x.ndim + axis]) - {1} for x, axis in others):
        guesses = [_few_rows(len(X), k, rng) for _ in range(n)]
    else:
        guesses = [random_partition(X, k, rng, lloyd=i % 2 == 0) for i in range(n)]
    labels = getattr(node_of(rows).op, "labels", None)
    return (
        guesses
        if labels is None
        else [one_hot(match_labels(r, labels.values), labels.values) for r in guesses]
    )


def _table(compiled: CompiledModel, rows: Any) -> Array:
    """Standardised rows of a mixture, with the mean of a column in its missing cells."""
    X = np.asarray(known_value(as_given(compiled.model.rvs_to_values[rows])), dtype=np.float64)
    X = X.reshape(int(np.prod(X.shape[: X.ndim - node_of(rows).op.ndim_supp])), -1)
    X = np.where(np.isnan(X), np.nan_to_num(np.nanmean(X, axis=0)), X)
    return np.asarray(X / np.where(X.std(axis=0) > 0, X.std(axis=0), 1))


def _few_rows(n: int, k: int, rng: np.random.Generator) -> Array:
    """Clusters that weigh a few random rows as much as all rows weigh in a partition."""
    r = np.zeros((k, n))
    for own in r:
        few = int(np.exp(rng.uniform(np.log(FEWEST), np.log(max(FEWEST, MOST * n)))))
        chosen = rng.choice(n, min(few, n), replace=False)
        own[chosen] = n / (k * len(chosen))
    return (1 - SOFTNESS) * r + SOFTNESS / k


def _origins(compiled: CompiledModel, origin: Array, n: int, rng: np.random.Generator) -> list[Array]:
    """The initial point, a draw from the prior and a point far away, in turn; the first where these fail."""
    drawn = compiled.prior_points(-(-n // 3), int(rng.integers(2**31)))
    points = []
    for i in range(n):
        step = FAR * rng.normal(size=origin.size)
        if i % 3 == 1 and i // 3 < len(drawn):
            step = drawn[i // 3] - origin
        points.append(origin if i % 3 == 0 else origin + reach(compiled, origin, step) * step)
    return points
