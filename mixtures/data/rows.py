"""Rows in memory, in chunks read one by one, or on the workers of a cluster.

EM needs only sums over rows of values that can be added (statistics,
log-likelihoods, moments, counts), and subsamples. `Rows` therefore offers only
these, and no code above it knows where the rows are:

- ``rows.sum_over(f)`` is the sum of ``f(block)`` over the blocks that the rows
  come in, each a checked `Data` with its weights and ``block.first``, the
  position of its first row in the whole. Blocks are always added in the same
  order. Another way to combine two results, such as ``numpy.maximum``, can be
  passed as ``add``. On a cluster, ``f`` is sent to the rows: it must be a
  module-level function, or a `functools.partial` of one, that carries
  parameters but no data.
- `sum_once` keeps such a sum with the rows, for sums that are needed more than once.
- ``rows.subsample(size, rng)`` is a table in memory, for methods that need one.
- ``rows.viewed(view, features, levels)`` are the same rows with every block changed, such as its columns.

`Data` is a single block, `mixtures.data.chunks.Chunks` holds blocks of an iterable, and
`mixtures.data.dask_rows.DaskRows` those of Dask; `mixtures.data.sources.as_rows` makes any of
them from what a user passes.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from mixtures.data.table import BLOCK_ROWS, UNKNOWN, Data, Drawn, LevelsOfColumns, read_only
from mixtures.errors import InputError
from mixtures.messages import decimal, shortened

__all__ = [
    "Blocks",
    "Rows",
    "Viewed",
    "check_alike",
    "check_two_dimensions",
    "doubtful_weights",
    "means",
    "sum_once",
]


class Rows(Protocol):
    """What EM requires of data."""

    @property
    def features(self) -> tuple[str, ...]:
        """Unique column names."""

    @property
    def n_rows(self) -> int:
        """Number of rows n."""

    @property
    def n_features(self) -> int:
        """Number of columns D."""

    @property
    def total(self) -> float:
        """Number of rows counted with their weights: n, or the sum of the weights."""

    @property
    def has_missing(self) -> bool:
        """Whether cells are missing, and to be integrated out."""

    @property
    def labelled(self) -> bool:
        """Whether the cluster of some row is known."""

    @property
    def levels(self) -> LevelsOfColumns | None:
        """The labels of every column's levels, of which the values are the codes; None for one of numbers."""

    @property
    def compressed(self) -> "Rows":
        """The same rows, with repeated rows counted once if that pays."""

    @property
    def sums(self) -> dict[Any, Any]:
        """Sums that `sum_once` has computed, by key."""

    def sum_over[T](self, f: Callable[[Data], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f(block)`` over the blocks of rows, always in the same order."""

    def subsample(self, size: int, rng: np.random.Generator) -> Drawn:
        """All rows, weights and labels if there are at most ``size``; else ``size`` rows drawn by weight."""

    def viewed(
        self, view: Callable[[Data], Data], features: tuple[str, ...], levels: LevelsOfColumns | None
    ) -> Self:
        """The rows with ``view(block)``, whose columns these are, in the place of every block."""


def sum_once[T](rows: Rows, key: Any, f: Callable[[Data], T]) -> T:
    """Sum of ``f`` over the rows, computed when its key is first requested: rows do not change."""
    if key not in rows.sums:
        rows.sums[key] = rows.sum_over(f)
    found: T = rows.sums[key]
    return found


def means(rows: Rows) -> np.ndarray:
    """Weighted mean of the observed cells of every column, shape (D,)."""
    sums = sum_once(rows, "column sums", _column_sums)
    return np.asarray(sums[0] / (sums[1] if rows.has_missing else rows.total))


def _column_sums(data: Data) -> np.ndarray:
    """Sum and number of the observed cells of every column, with their weights (2, D)."""
    total = np.zeros((2, data.n_features))
    for place, block in data.blocks(BLOCK_ROWS):
        weights = None if data.weights is None else data.weights[place]
        observed = np.where(np.isnan(block), 0, block) if data.has_missing else block
        total[0] += observed.sum(axis=0) if weights is None else weights @ observed
        seen = ~np.isnan(block)
        total[1] += seen.sum(axis=0) if weights is None else weights @ seen
    return total


@dataclass(frozen=True, eq=False)
class Blocks(ABC):
    """Rows that are never in memory at once.

    Attributes
    ----------
    features : tuple of str, length D
        Unique column names.
    sizes : ndarray of int, shape (B,)
        Number of rows of every block.
    totals : ndarray, shape (B,), or None
        Weight of every block, if rows have weights.
    has_missing : bool
        Whether cells are missing, and to be integrated out.
    labelled : bool
        Whether the cluster of some row is known.
    levels : tuple of tuple or None, or None
        The labels of every column's levels, of which the values are the codes; None for one of numbers.
    """

    side_by_side: ClassVar[bool] = False
    """Whether blocks are worked on at the same time."""

    features: tuple[str, ...]
    sizes: np.ndarray
    totals: np.ndarray | None
    has_missing: bool = field(default=False, kw_only=True)
    labelled: bool = field(default=False, kw_only=True)
    levels: LevelsOfColumns | None = field(default=None, kw_only=True)

    @cached_property
    def sums(self) -> dict[Any, Any]:
        """Sums that `sum_once` has computed, by key."""
        return {}

    @property
    def n_rows(self) -> int:
        """Number of rows n."""
        return int(self.sizes.sum())

    @property
    def n_features(self) -> int:
        """Number of columns D."""
        return len(self.features)

    @property
    def total(self) -> float:
        """Number of rows counted with their weights: n, or the sum of the weights."""
        return float(self.n_rows if self.totals is None else self.totals.sum())

    @property
    def compressed(self) -> Self:
        """The rows themselves."""
        return self

    @abstractmethod
    def each(self, f: Callable[[Data, Any], Any], given: Sequence[Any]) -> list[Any]:
        """``f(block, given[i])`` of every block whose ``given[i]`` is not None, in order."""

    @abstractmethod
    def sum_over[T](self, f: Callable[[Data], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f(block)`` over the blocks, always in the same order."""

    def in_memory(self) -> Data:
        """All rows as one table."""
        values, weights, labels = self.subsample(self.n_rows, np.random.default_rng())
        return Data(
            read_only(values),
            self.features,
            np.arange(self.n_rows),
            None if weights is None else read_only(weights),
            has_missing=self.has_missing,
            labels=None if labels is None else read_only(labels),
            levels=self.levels,
        )

    def subsample(self, size: int, rng: np.random.Generator) -> Drawn:
        """All rows, weights and labels if there are at most ``size``; else ``size`` rows drawn by weight.

        The same seed draws the same rows as `Data.subsample`, wherever they are.
        """
        if self.n_rows <= size:
            return _joined(self.each(_whole, [True] * len(self.sizes)))
        if self.totals is None:
            ends = np.cumsum(self.sizes)
            drawn = rng.choice(self.n_rows, size, replace=False)
        else:
            ends = np.cumsum(self.totals)
            drawn = rng.random(size) * ends[-1]
        drawn = np.sort(drawn)
        stops = np.searchsorted(drawn, ends)
        within = [
            drawn[begin:stop] - start if stop > begin else None
            for begin, stop, start in zip(
                np.append(0, stops[:-1]), stops, np.append(0, ends[:-1]), strict=True
            )
        ]
        return _joined(self.each(_drawn, within))

    def viewed(
        self, view: Callable[[Data], Data], features: tuple[str, ...], levels: LevelsOfColumns | None
    ) -> Self:
        """The rows with ``view(block)``, whose columns these are, in the place of every block."""
        kept = {"has_missing": self.has_missing, "labelled": self.labelled}
        return Viewed(features, self.sizes, self.totals, self, view, levels=levels, **kept)  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Viewed(Blocks):
    """Blocks of other rows, each changed in the same way whenever it is read.

    Attributes
    ----------
    rows : Blocks
        The blocks as they come.
    view : callable
        How a block is changed: a partial of a module-level function, which can be sent to the rows.
    """

    rows: Blocks
    view: Callable[[Data], Data]

    @property
    def side_by_side(self) -> bool:  # type: ignore[override]
        """Whether blocks are worked on at the same time."""
        return self.rows.side_by_side

    @property
    def compressed(self) -> Self:
        """The same rows, with repeated rows counted once if that pays."""
        rows = self.rows.compressed
        return self if rows is self.rows else replace(self, sizes=rows.sizes, totals=rows.totals, rows=rows)

    def each(self, f: Callable[[Data, Any], Any], given: Sequence[Any]) -> list[Any]:
        """``f(block, given[i])`` of every block whose ``given[i]`` is not None, in order."""
        return self.rows.each(partial(_of_view, f, self.view), given)

    def sum_over[T](self, f: Callable[[Data], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f(block)`` over the blocks, always in the same order."""
        return self.rows.sum_over(partial(_of_view, f, self.view), add)


def _of_view[T](f: Callable[..., T], view: Callable[[Data], Data], block: Data, *given: Any) -> T:
    return f(view(block), *given)


def _joined(parts: Sequence[Drawn]) -> Drawn:
    weights = None if parts[0].weights is None else np.concatenate([part.weights for part in parts])
    labels = [np.full(len(x), UNKNOWN) if own is None else own for x, _, own in parts]
    known = any(own is not None for *_, own in parts)
    return Drawn(np.concatenate([x for x, *_ in parts]), weights, np.concatenate(labels) if known else None)


def _whole(block: Data, _: Any) -> Drawn:
    return Drawn(block.values, block.weights, block.labels)


def _drawn(block: Data, within: np.ndarray) -> Drawn:
    """Rows at positions of a block, or at values of its cumulative weights."""
    if block.weights is None:
        places = within.astype(int)
    else:
        places = np.searchsorted(np.cumsum(block.weights), within, side="right")
        places = np.minimum(places, block.n_rows - 1)
    return Drawn(block.values[places], None, None if block.labels is None else block.labels[places])


def check_alike(what: str, place: int, features: Sequence[str], expected: Sequence[str]) -> None:
    """Refuse a block whose columns are not those of the first."""
    if features != expected:
        raise InputError(
            f"{what} {place} has columns {shortened(features, 8)}, those before it {shortened(expected, 8)}; "
            f"give every {what} the same columns in the same order"
        )


def check_two_dimensions(table: Any) -> None:
    """Refuse a block of one dimension: it may be a row, or a column."""
    shape = getattr(table, "shape", None)
    if len(np.shape(table) if shape is None else shape) == 1:
        raise InputError(
            f"a table of one dimension ({type(table).__name__}) may be a row or a column; give tables of "
            "shape (rows, columns): x[None, :] for a row, x[:, None] for a column, or all rows in one table"
        )


def doubtful_weights(rows: Rows) -> str:
    """Words on weights that are not whole numbers, as those of surveys are; empty if there are none."""
    weights = rows.weights if isinstance(rows, Data) else getattr(rows, "totals", None)
    if weights is None or not (weights % 1).any():
        return ""
    return (
        "weights that are not whole numbers are taken as frequencies all the same, so that intervals and "
        f"standard errors are those of {decimal(rows.total)} rows, the sum of the weights; of sampling "
        "weights, as surveys have them, the estimates are right, but these are not"
    )
