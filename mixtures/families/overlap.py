"""How far two clusters overlap, family by family, as Bhattacharyya's coefficient of their densities.

The coefficient, the integral of ``sqrt(f_j(x) f_k(x))``, is 1 for equal clusters and 0 for clusters that
have no row in common. Independent features multiply it. Of two clusters with shares a_j and a_k,
at most ``sqrt(a_j a_k) / (a_j + a_k)`` times the coefficient of their rows are put into the wrong one of the
two by the best rule (Kailath 1967). A family registers its answer in its own file.
"""

from functools import singledispatch

import numpy as np

from mixtures.families.family import Family
from mixtures.types import Array, Params

__all__ = ["log_overlap", "overlap"]


@singledispatch
def log_overlap(family: Family, draws: Params) -> Array | None:
    """Logarithm of the coefficient (S, K, K) of all pairs of clusters in S draws; None if it is not known."""
    return None


def overlap(family: Family, draws: Params) -> Array | None:
    """The coefficient itself (S, K, K), between 0 and 1."""
    found = log_overlap(family, draws)
    return None if found is None else np.exp(np.minimum(found, 0))
