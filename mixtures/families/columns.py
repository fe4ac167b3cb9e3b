"""Errors that name columns that no Gaussian can model: constant, or too large or small to square."""

import numpy as np

from mixtures.data.patterns import seen_in
from mixtures.data.rows import Rows
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.messages import Option, columns_are, counted, locate, named, them, worded
from mixtures.types import Array

__all__ = ["check_pairs", "check_seen", "check_sizes", "check_spread"]

LARGEST_SD, SMALLEST_SD = 1e150, 1e-150
"""Range of standard deviations whose squares and products are normal floats."""


LARGEST = float(np.sqrt(np.finfo(float).max))
"""Largest absolute value of a cell whose square is finite."""


ROUNDING = 1e-14
"""Standard deviation, as a share of the mean, below which a column is constant."""


def check_spread(rows: Rows, mean: Array, variance: Array) -> None:
    """Refuse columns by their mean and variance, which are not finite where they overflowed."""
    sd = np.sqrt(variance)
    far = ~np.isfinite(mean) | ~(sd <= LARGEST_SD)
    if far.any():
        sizes = rows.sum_over(_sizes, np.maximum)[0]
        raise InputError(
            f"{columns_are(_named(rows, far))} too large: up to {sizes[far].max():.2g} in size, so "
            "that squares overflow; divide by a constant"
        )
    flat = (sd <= ROUNDING * np.abs(mean)) | (sd < SMALLEST_SD)
    if flat.any():
        _, high, minus_low = rows.sum_over(_sizes, np.maximum)
        varied = flat & (high > -minus_low)
        if not varied.any():
            names = _named(rows, flat)
            without = Option(
                "exclude", said="columns=... or --exclude on the command line", typed="--exclude"
            )
            what = f"{columns_are(names)} constant; a Gaussian cannot model that, drop {them(names)} ("
            raise InputError(worded(what, without, ")"))
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


def check_seen(rows: Rows) -> tuple[str, ...]:
    """Refuse columns without an observed cell; return notes on what is missing, and what that assumes."""
    if not rows.has_missing:
        return ()
    seen = seen_in(rows)
    if not seen.cells:
        return ()
    if never := _named(rows, seen.together.diagonal() == 0):
        raise InputError(f"{columns_are(never)} without an observed cell; drop {them(never)}")
    notes: tuple[str, ...] = (
        f"{seen.cells:,} of {seen.rows * rows.n_features:,} cells are missing ({seen.share}) and integrated "
        "out, which assumes that they are missing at random, given the observed cells",
    )
    if seen.empty:
        have = f"{counted(seen.empty, 'row')} {'has' if seen.empty == 1 else 'have'}"
        notes += (f"{have} no observed cell: responsibilities there are the clusters' weights",)
    return notes


def check_pairs(rows: Rows) -> None:
    """Refuse two columns that are never observed in the same row: their covariance is unknown."""
    if not rows.has_missing:
        return
    apart = np.argwhere(np.triu(seen_in(rows).together == 0))
    if not len(apart):
        return
    first = " and ".join(named(rows.features[d]) for d in apart[0])
    more = f", nor {counted(len(apart) - 1, 'other pair')} of columns" if len(apart) > 1 else ""
    raise InputError(
        worded(
            f"columns {first} are never observed in the same row{more}, so nothing tells how they covary: "
            "drop one, or use ",
            Option("covariance_type", "diag"),
            " or 'spherical'",
        )
    )


def _named(rows: Rows, mask: np.ndarray) -> list[str]:
    return [rows.features[d] for d in np.flatnonzero(mask)]


def _sizes(block: Data) -> Array:
    """Maxima of |x|, x and -x over the rows of positive weight, by column (3, D)."""
    values = block.values if block.weights is None else block.values[block.weights > 0]
    high = np.fmax.reduce(values, axis=0, initial=-np.inf)
    low = np.fmin.reduce(values, axis=0, initial=np.inf)
    return np.stack([np.maximum(high, -low), high, -low])
