"""What independent sources say of mixed columns: SciPy's densities, block by block."""

from types import SimpleNamespace

import numpy as np
import oracle_bernoulli
import oracle_categorical
import oracle_gaussian
import oracle_poisson

from mixtures.families.mixed import MixedColumns as FAMILY

__all__ = ["FAMILY"]

ORACLES = {
    "gaussian": oracle_gaussian,
    "bernoulli": oracle_bernoulli,
    "categorical": oracle_categorical,
    "poisson": oracle_poisson,
}


def clusters(family, params):
    """Every cluster's parameters, as a list of those of the blocks with the columns that they are of."""
    each = [(block, ORACLES[block.kind].clusters(block.family, block.own(params))) for block in family.blocks]
    n_components = len(params["alpha"])
    return [[(block.kind, block.places, own[k]) for block, own in each] for k in range(n_components)]


def log_density(cluster, X):
    """Sum of the blocks' log densities: they are independent."""
    return sum(ORACLES[kind].log_density(own, X[:, list(places)]) for kind, places, own in cluster)


def divergence(a, b):
    """Sum of the blocks' divergences."""
    return sum(
        ORACLES[kind].divergence(own, other) for (kind, _, own), (_, _, other) in zip(a, b, strict=True)
    )


def log_uniform(n_features):
    """Not known from the number of features: see `test_mixed.py`."""
    raise NotImplementedError


def units(spec, X):
    """Those of the blocks, column by column."""
    location, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for block in spec.family.blocks:
        at = list(block.places)
        alone = SimpleNamespace(family=block.family, covariance_type=spec.covariance_type)
        location[at], scale[at] = ORACLES[block.kind].units(alone, X[:, at])
    return location, scale
