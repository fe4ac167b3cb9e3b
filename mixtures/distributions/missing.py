"""Rows with missing cells in PyTensor: which are observed, and how those of one pattern are laid out.

Only the shapes of a layout belong to the form of a graph. The arrays that say which cells are observed,
and which rows have which pattern, are data.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import explicit_graph_inputs

from mixtures.data.layout import layout_of

__all__ = ["Cells", "LaidOut", "cells_of", "is_data", "known_cells"]


LAYOUTS_KEPT = 8
"""Layouts in memory, so that the terms of a model share one."""


@dataclass(frozen=True)
class LaidOut:
    """Rows by pattern in a graph, as `mixtures.data.layout.Layout`, without axes of length one.

    Attributes
    ----------
    patterns, of_block, rows, places : TensorVariable
        Shapes (S, D), (M,), (M, B) and (n,).
    """

    patterns: Any
    of_block: Any
    rows: Any
    places: Any


@dataclass(frozen=True, eq=False)
class Cells:
    """Observed cells of rows.

    Attributes
    ----------
    seen : TensorVariable of bool, shape (n, D)
        Which cells are observed.
    known : ndarray of bool, shape (n, D), or None
        The same as numbers; None of a single row that stands for every row.
    """

    seen: Any
    known: np.ndarray | None

    def of_columns(self, columns: Any) -> "Cells":
        """The cells of some columns, given their index."""
        return Cells(self.seen[:, columns], None if self.known is None else self.known[:, columns])

    @property
    def laid_out(self) -> LaidOut:
        """The rows by pattern."""
        if self.known is None:
            of_block, rows, places = (pt.zeros(shape, dtype="int64") for shape in ((1,), (1, 1), (1,)))
            return LaidOut(self.seen.astype("floatX"), of_block, rows, places)
        return _laid_out(np.packbits(self.known).tobytes(), self.known.shape)


@lru_cache(maxsize=LAYOUTS_KEPT)
def _laid_out(packed: bytes, shape: tuple[int, int]) -> LaidOut:
    """Layout of known cells; the same variables for all terms of a model, which a program computes once."""
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=shape[0] * shape[1])
    layout = layout_of(bits.reshape(shape).astype(bool))
    arrays = layout.patterns, layout.of_block, layout.rows, layout.places
    patterns, of_block, rows, places = map(pt.as_tensor_variable, arrays)
    return LaidOut(patterns, of_block[:, 0], rows, places[:, 0])


def is_data(x: Any) -> bool:
    """Whether rows are data, so that what depends only on them is the same at every call."""
    return all(isinstance(v, SharedVariable) for v in explicit_graph_inputs([x]))


def known_cells(x: Any) -> np.ndarray | None:
    """Which cells (..., D) of rows are observed; None if all are, or the rows are not data."""
    if not (is_data(x) and str(x.dtype).startswith("float")):
        return None
    if isinstance(x, Constant):
        values = x.data
    else:
        values = x.get_value(borrow=True) if isinstance(x, SharedVariable) else x.eval()
    seen = ~np.isnan(values)
    return None if seen.all() else seen


def cells_of(x: Any) -> tuple[Any, Cells | None]:
    """Rows (n, D) that are data, with 0 in missing cells, and which cells are observed; None if all are."""
    known = known_cells(x)
    if known is None:
        return x, None
    seen = ~pt.isnan(x)
    return pt.switch(seen, x, 0.0), Cells(seen, known)
