"""Starting points of the search for the modes of a user's own model."""

from functools import partial

import numpy as np

from mixtures.data.known_labels import match_labels, one_hot
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import known_value
from mixtures.density.search import climb, reach
from mixtures.distributions.marginal import MarginalMixtureRV, as_given, node_of
from mixtures.em.kinds import random_partition
from mixtures.types import Array

__all__ = ["model_starts"]

FAR = 5.0
"""Standard deviation of the unconstrained coordinates of a point far away."""


def model_starts(compiled: CompiledModel, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts for a user's model: its modes if the clusters were those of a k-means partition.

    PyMC's initial point makes all clusters equal, and no gradient separates them.
    So each start climbs on the complete-data log density of one of this package's
    mixtures. A model without one, or with parameters that vary by row, starts from
    the initial point plus normal noise.

    Other parameters may have several modes too. So the climbs begin in turn at the
    initial point, at a draw from the prior, and far from the initial point.
    """
    model = compiled.model
    origin = compiled.initial_point(int(rng.integers(2**31)))
    nodes = {v: node_of(v) for v in model.observed_RVs if isinstance(node_of(v).op, MarginalMixtureRV)}
    shared = [v for v, node in nodes.items() if v.ndim == 2 and node.op.shared(node.op.dist_params(node))]
    if not shared:
        steps = rng.normal(size=(n, origin.size))
        return [origin + reach(compiled, origin, step) * step for step in steps]
    rows, op = shared[0], nodes[shared[0]].op
    X = np.asarray(known_value(as_given(model.rvs_to_values[rows])), dtype=np.float64)
    X = np.where(np.isnan(X), np.nan_to_num(np.nanmean(X, axis=0)), X)
    standardised = X / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    k = compiled.shape_of(op.dist_params(nodes[rows])[0])[-1]
    complete = compiled.complete(rows)
    partitions = [random_partition(standardised, k, rng, lloyd=i % 2 == 0) for i in range(n)]
    if (known := op.labels) is not None:
        partitions = [one_hot(match_labels(r, known.values), known.values) for r in partitions]
    origins = _origins(compiled, origin, n, rng)
    return [climb(partial(complete, r), x) for r, x in zip(partitions, origins, strict=True)]


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
