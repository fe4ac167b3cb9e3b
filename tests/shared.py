"""What tests of several chapters need."""

import numpy as np
from pytensor.conditional import IfElse
from pytensor.graph.traversal import ancestors

from mixtures.families.supports import UNIT_INTERVAL
from mixtures.trees import draws_tree


def drawn(em, n_draws=60, seed=0):
    """A sample about a fit: parameters of the data under random weights."""
    rng, sets = np.random.default_rng(seed), []
    for _ in range(n_draws):
        step = {name: x.copy() for name, x in em.params.items()}
        first = em.spec.family.parameters[0]
        there = step[first.name] + 0.01 * rng.normal(size=step[first.name].shape)
        step[first.name] = np.clip(there, 0.01, 0.99) if first.support is UNIT_INTERVAL else there
        sets.append(step)
    return draws_tree(
        {name: np.stack([one[name] for one in sets])[None] for name in em.spec.dims},
        em.spec.dims,
        em.features,
    )


def choices(variables):
    """Where a graph chooses between two forms."""
    return [v for v in ancestors(variables) if v.owner and isinstance(v.owner.op, IfElse)]


def is_natural(compiled, x):
    """Whether the guard lets the natural form be used at a vector."""
    (choice,) = choices(compiled._row_terms)
    (taken,) = compiled.values_of([choice.owner.inputs[0]], x)
    return bool(taken)
