"""Identifiability of clusters of categorical items."""

from collections.abc import Sequence
from math import prod

import numpy as np

from mixtures.messages import counted
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["one_item", "satisfies_kruskal", "too_few_patterns", "unidentified"]

PATTERNS = 4096
"""Largest number of patterns of answers that are enumerated to test identifiability."""


BEYOND_KRUSKAL = (
    "there are fewer patterns of answers than Kruskal's bound asks for, and too many to take the rank of "
    "their probabilities: whether the parameters are identified is not known"
)
"""Message where neither test decides."""


INSIDE = 1e-3
"""Smallest probability of a level where the rank is computed: the rank holds nearby."""


def one_item(k: int) -> str:
    """What a single item does not identify."""
    return (
        f"one item identifies only the shares of its levels, sum_k alpha_k p_k; alpha and p of {k} clusters "
        "are not identified: every point of that ridge fits alike, and only the prior tells them apart"
    )


def too_few_patterns(k: int, levels: Sequence[int]) -> str:
    """Say that there are fewer patterns of answers than parameters; empty if there are not."""
    patterns, parameters = prod(levels), k - 1 + k * sum(c - 1 for c in levels)
    if k == 1 or patterns - 1 >= parameters:
        return ""
    product = f"{levels[0]}^{len(levels)}" if len(set(levels)) == 1 else " x ".join(map(str, levels))
    return (
        f"{len(levels)} items have {product} - 1 = {patterns - 1} free pattern probabilities, the model has "
        f"{parameters} parameters: not all are identified"
    )


def unidentified(alpha: Array, p: Array, levels: Sequence[int], observed: np.ndarray | None = None) -> str:
    """Why clusters of several items are not identified near these parameters; empty if they are.

    Parameters
    ----------
    alpha : ndarray, shape (K,)
        Weights.
    p : ndarray, shape (K, D, C)
        Probabilities of the levels of every item, 0 of levels that it lacks.
    levels : sequence of int, length D
        Numbers of levels.
    observed : ndarray of bool, shape (S, D), optional
        Which items are observed together, if never all of them are.
    """
    k = len(alpha)
    if k == 1:
        return ""
    if too_few := too_few_patterns(k, levels):
        return too_few
    if prod(levels) > PATTERNS:  # too many to write down
        return "" if satisfies_kruskal(k, levels) else BEYOND_KRUSKAL
    rank, free = pattern_rank(alpha, p, levels, observed), k - 1 + k * sum(c - 1 for c in levels)
    if rank == free:
        return ""
    return (
        f"the pattern probabilities vary in only {counted(rank, 'direction')}, but the model has "
        f"{free} parameters: not all are identified at this fit"
    )


def satisfies_kruskal(k: int, levels: Sequence[int]) -> bool:
    """Whether almost all parameters of K clusters are identified, by Kruskal's bound.

    With the items in three groups of ``patterns_1`` to ``patterns_3`` patterns, it is enough that
    ``min(K, patterns_1) + min(K, patterns_2) + min(K, patterns_3) >= 2 K + 2``. Items, those with the most
    levels first, join the group with the fewest patterns; or fill one group after another up to K.

    References
    ----------
    Kruskal (1977), *Linear Algebra and its Applications* 18; Allman, Matias and Rhodes (2009), *Annals of
    Statistics* 37, theorem 4.
    """
    even, filled = [1, 1, 1], [1, 1, 1]
    for c in sorted(levels, reverse=True):
        even[even.index(min(even))] *= c
        filled[next((i for i, patterns in enumerate(filled) if patterns < k), -1)] *= c
    return any(sum(min(k, patterns) for patterns in groups) >= 2 * k + 2 for groups in (even, filled))


def pattern_rank(alpha: Array, p: Array, levels: Sequence[int], observed: np.ndarray | None) -> int:
    """Rank of the Jacobian of the probabilities of all patterns in the free parameters (Goodman 1974).

    Where only some columns are observed together, ``observed (S, D)``, it is that of the probabilities
    in these columns.
    """
    d = p.shape[1]
    exists = np.arange(p.shape[-1]) < np.array(levels)[:, None]
    p = np.where(exists, np.maximum(p, INSIDE), 0)
    p = p / p.sum(axis=-1, keepdims=True)
    X = np.stack(np.unravel_index(np.arange(prod(levels)), levels))
    conditional = np.prod(p[:, np.arange(d)[:, None], X], axis=1)
    rows = [conditional[:-1] - conditional[-1]]
    for item in range(d):
        without = conditional / p[:, item, X[item]]
        rows += [
            alpha[:, None] * without * ((X[item] == c).astype(float) - (X[item] == levels[item] - 1))
            for c in range(levels[item] - 1)
        ]
    jacobian = np.vstack(rows)
    if observed is not None:
        jacobian = np.hstack([_margin(jacobian, X, levels, seen) for seen in observed])
    norms = np.linalg.norm(jacobian, axis=1, keepdims=True)
    singular = np.linalg.svd(jacobian / np.where(norms > 0, norms, 1), compute_uv=False)
    return int(np.sum(singular > TOLERANCES.rank * singular[0]))


def _margin(jacobian: Array, X: np.ndarray, levels: Sequence[int], seen: np.ndarray) -> Array:
    """Columns of a Jacobian, one per pattern, summed over the items that are not seen."""
    sizes = np.cumprod([1, *levels[:-1]])
    codes = (sizes * seen) @ X
    return np.stack([jacobian[:, codes == code].sum(axis=1) for code in np.unique(codes)], axis=1)
