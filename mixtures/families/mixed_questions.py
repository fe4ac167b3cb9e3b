"""Answers of mixed columns to the questions of a report, block by block; importing it registers them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mixtures.families.blocks import Block
from mixtures.families.family import Family
from mixtures.families.mixed import MixedColumns
from mixtures.families.overlap import log_overlap
from mixtures.families.profiles import Levels, Profile, profile, profile_parts
from mixtures.families.questions import (
    Description,
    cell_summary,
    continuous,
    describe,
    marginals,
    summaries,
)
from mixtures.messages import counted
from mixtures.types import Array, Params

__all__: list[str] = []

KIND_WORDS = {"gaussian": "Gaussian", "bernoulli": "binary", "poisson": "count"}
"""Words for kinds of columns."""


COMPLETED_WITH = "value"
"""Name of what a missing cell is completed with, where blocks have different names for it."""


@describe.register
def describe_mixed(family: MixedColumns) -> Description:
    """The blocks in a row."""
    each = [(block, _renamed(block, describe(block.family))) for block in family.blocks]
    words = "; ".join(f"in the {_size(block)}, {own.components}" for block, own in each)
    between = "the blocks of columns are independent of each other: " if len(each) > 1 else ""
    return Description(
        f"{between}{words}",
        r"p(x_i \mid z_i = k) = \prod_{b \in \text{blocks}} p(x_{ib} \mid z_i = k)",
        tuple(formula for _, own in each for formula in own.prior),
    )


def _renamed(block: Block, own: Description) -> Description:
    """The words and formulas of a block with the names that its parameters have in the whole model."""
    components, prior = own.components, own.prior
    for name, public in block.names.items():
        if public != name:
            components = components.replace(f"probability {name}", f"probability {public}")
            letter, _, index = public.partition("_")
            new = rf"{letter}^{{\text{{{index}}}}}_{{"
            prior = tuple(formula.replace(f"{name}_{{", new) for formula in prior)
    return Description(components, own.density, prior)


def _size(block: Block) -> str:
    n = np.arange(block.width)[block.family.row_columns(block.width)["x"]].size
    kind = KIND_WORDS.get(block.kind, block.kind)
    return f"{kind} column" if n == 1 else counted(n, f"{kind} column")


@profile_parts.register
def mixed_profiles(
    family: MixedColumns, draws: Params, features: Sequence[str], levels: Levels = None
) -> tuple[Profile, ...]:
    """One of every block; the levels are those of the categorical columns."""
    parts = []
    for block in family.blocks:
        at = np.arange(family.width)[block.at]
        own = levels if block.family.takes_categories else None
        found = profile(block.family, block.own(draws), [features[d] for d in at], own)
        parts.append(replace(found, features=tuple(int(at[d]) for d in found.features)))
    return tuple(parts)


@log_overlap.register
def mixed_overlap(family: MixedColumns, draws: Params) -> Array | None:
    """The sum over the blocks, which are independent within a cluster."""
    each = [log_overlap(block.family, block.own(draws)) for block in family.blocks]
    known = [own for own in each if own is not None]
    return np.sum(known, axis=0) if len(known) == len(each) else None


@continuous.register
def continuous_columns(family: MixedColumns, draws: Sequence[Params]) -> tuple[Any, Any]:
    """The columns of the Gaussian block."""
    for block in family.blocks:
        margins = marginals(block.family, [block.own(one) for one in draws])
        if margins is not None:
            return block.at, margins
    return None, None


@cell_summary.register
def mixed_cells(
    family: MixedColumns, sets: Sequence[Params], shares: Sequence[Array], X: Array, tail: float
) -> dict[str, Array]:
    """What each block says of its cells; NaN where a block does not say it of any."""
    row, column = np.nonzero(np.isnan(X.T))
    parts: list[tuple[np.ndarray, dict[str, Array]]] = []
    for block in family.blocks:
        at = np.arange(family.width)[block.at]
        own = cell_summary(block.family, [block.own(one) for one in sets], shares, X[at], tail)
        mine = np.flatnonzero(np.isin(column, at))
        place = np.argsort(at)[np.searchsorted(np.sort(at), column[mine])]
        parts.append((mine[np.lexsort((place, row[mine]))], own))
    firsts = {next(iter(own)) for _, own in parts}
    found: dict[str, Array] = {}
    for mine, own in parts:
        first = next(iter(own))
        for name, x in own.items():
            public = COMPLETED_WITH if name == first and len(firsts) > 1 else name
            found.setdefault(public, np.full(len(row), np.nan))[mine] = x
    return found


@summaries.register
def mixed_summaries(family: MixedColumns, X: Array) -> dict[str, Array]:
    """Statistics of every block, and correlations between columns of different blocks; NaN elsewhere."""
    found: dict[str, Array] = {}
    d = X.shape[1]
    numbers = np.zeros(d, dtype=bool)
    block_of = np.empty(d, dtype=int)
    for i, block in enumerate(family.blocks):
        at = np.arange(d)[block.at]
        block_of[at], numbers[at] = i, not block.family.takes_categories
        for name, x in summaries(block.family, X[:, at]).items():
            whole = found.setdefault(name, np.full((d,) * x.ndim, np.nan))
            whole[np.ix_(*[at] * x.ndim)] = x
    between = (block_of[:, None] != block_of) & numbers[:, None] & numbers
    if between.any():
        every = summaries.dispatch(Family)(family, X)["correlation"]
        whole = found.setdefault("correlation", np.full((d, d), np.nan))
        whole[between] = every[between]
    return found
