"""Columns that no Gaussian can model, named: constant, too large or too small to square."""

from collections.abc import Sequence

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.messages import locate, named
from mixtures.types import Array

__all__ = ["check_sizes", "check_spread", "columns_are"]

LARGEST_SD, SMALLEST_SD = 1e150, 1e-150
"""Standard deviations whose squares, and products of two of them, are ordinary floats."""


LARGEST = float(np.sqrt(np.finfo(float).max))
"""Size of a cell whose square is still a number."""


ROUNDING = 1e-14
"""Standard deviation, as a share of the mean, below which a column is constant."""


LISTED = 10
"""Columns that a message names."""


def check_spread(rows: Rows, mean: Array, variance: Array) -> None:
    """Refuse columns by their mean and variance, which are not finite where they overflowed."""
    sd = np.sqrt(variance)
    far = ~np.isfinite(mean) | ~(sd <= LARGEST_SD)
    if far.any():
        sizes = rows.sum_over(_sizes, np.maximum)[0]
        raise InputError(
            f"{columns_are(rows, np.flatnonzero(far))} too large: up to {sizes[far].max():.2g} in size, so "
            "that squares overflow; divide by a constant"
        )
    flat = (sd <= ROUNDING * np.abs(mean)) | (sd < SMALLEST_SD)
    if flat.any():
        _, high, minus_low = rows.sum_over(_sizes, np.maximum)
        varied = flat & (high > -minus_low)
        if not varied.any():
            raise InputError(
                f"{columns_are(rows, np.flatnonzero(flat))} constant; a Gaussian cannot model that, drop it "
                "(columns=... or --exclude on the command line)"
            )
        d = int(np.flatnonzero(varied)[0])
        raise InputError(
            f"column {named(rows.features[d])} varies too little for double precision: from "
            f"{-minus_low[d]!s} to {high[d]!s}; shift it, rescale it or drop it"
        )


def check_sizes(data: Data) -> None:
    """Refuse rows by the cells in them whose squares overflow."""
    for place, block in data.blocks(BLOCK_ROWS):
        far = (block > LARGEST) | (block < -LARGEST)
        if far.any():
            cells = locate(far, data.features, data.obs_id[place], first=data.first + place.start)
            largest = np.abs(block[far]).max()
            raise InputError(
                f"{cells}: too large, up to {largest:.2g} in size, so that squares overflow; correct or drop "
                "these cells, or divide by a constant"
            )


def columns_are(rows: Rows, places: Sequence[int] | np.ndarray) -> str:
    """Word a list of columns: "column 'a' is", "columns 'a', 'b' are"."""
    listed = ", ".join(named(rows.features[d]) for d in places[:LISTED])
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return f"column {listed} is" if len(places) == 1 else f"columns {listed}{more} are"


def _sizes(block: Data) -> Array:
    """Largest size, value, and value with its sign turned, of every column's rows that count (3, D)."""
    values = block.values if block.weights is None else block.values[block.weights > 0]
    high, low = values.max(axis=0, initial=-np.inf), values.min(axis=0, initial=np.inf)
    return np.stack([np.maximum(high, -low), high, -low])
