"""Rows on the workers of a cluster, or on Dask's local scheduler.

The blocks are read, checked and kept where they are. Functions are sent to them
with their parameters; the results are added in a tree, and only the total is sent
back. If a worker is lost, Dask makes its blocks again from their source. This
package must be installed on the workers.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from narwhals.dependencies import is_pandas_series

from mixtures.data.levels import Categories
from mixtures.data.reading import as_data, check_total, check_weights, labels_from, read_labels
from mixtures.data.rows import Blocks, check_alike, check_two_dimensions
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.messages import worded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DaskRows", "dask_rows"]

FAN_IN = 8
"""Number of results that one task of the tree adds."""


@dataclass(frozen=True, eq=False)
class DaskRows(Blocks):
    """Blocks of rows kept by Dask.

    Attributes
    ----------
    blocks : tuple of dask.delayed.Delayed
        Checked `Data`, persisted.
    distinct : bool
        Whether rows that repeat within a block are counted once.
    client : distributed.Client or None
        Client of the cluster that keeps the blocks; None if this process keeps them.
    """

    side_by_side: ClassVar[bool] = True

    blocks: tuple[Any, ...]
    distinct: bool = False
    client: Any = None

    @property
    def compressed(self) -> "DaskRows":
        """Distinct rows of every block, weighted by how often they occur; all rows if few repeat."""
        if self.distinct:
            return self
        sizes = np.array(self.each(_n_distinct, [True] * len(self.blocks)))
        if (sizes == self.sizes).all():
            return self
        totals = self.sizes if self.totals is None else self.totals
        return replace(self, sizes=sizes, totals=totals, distinct=True)

    def sum_over[T](self, f: Callable[[Data], T], add: Callable[[T, T], T] = operator.add) -> T:
        """Sum of ``f(block)`` over the blocks, added on the workers in a tree of fixed shape."""
        n = len(self.blocks)
        level = _tasks(_answer, self.blocks, [f] * n, [self.distinct] * n)
        while len(level) > 1:
            groups = [level[i : i + FAN_IN] for i in range(0, len(level), FAN_IN)]
            level = _tasks(_added, [add] * len(groups), groups)
        (total,) = _computed(self.client, level)
        if isinstance(total, InputError):
            raise total
        return total

    def each(self, f: Callable[[Data, Any], Any], given: Sequence[Any]) -> list[Any]:
        """``f(block, given[i])`` of every block whose ``given[i]`` is not None, in order."""
        asked = [(block, x) for block, x in zip(self.blocks, given, strict=True) if x is not None]
        blocks, xs = zip(*asked, strict=True)
        n = len(asked)
        return _computed(self.client, _tasks(_answer_to, blocks, [f] * n, xs, [self.distinct] * n))


def import_dask() -> Any:
    """Import Dask, which only this module needs."""
    try:
        import dask
        import dask.delayed
    except ImportError as error:
        raise InputError(f"Dask is missing ({error}); pip install 'pymc-mixtures[dask]'") from error
    return dask


def _client() -> Any:
    try:
        from distributed import default_client

        return default_client()
    except (ImportError, ValueError):
        return None


def _computed(client: Any, tasks: Sequence[Any]) -> list[Any]:
    """Return the results of tasks; raise `ConnectionError` if their cluster is gone."""
    try:
        return list(import_dask().compute(*tasks))
    except Exception as error:
        if client is None or not _is_loss(client, error):
            raise
        raise ConnectionError(
            f"the Dask cluster that keeps the rows was closed or lost its workers ({type(error).__name__}: "
            f"{' '.join(str(error).split()):.200}); connect to a cluster and pass the data again"
        ) from error


def _is_loss(client: Any, error: Exception) -> bool:
    """Whether an error comes from the cluster rather than from a task on it."""
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    return client.status != "running" or isinstance(error, CancelledError | KilledWorker | CommClosedError)


def dask_rows(
    X: Any,
    weights: Any = None,
    labels: Any = None,
    *,
    missing: str | None = None,
    categories: Categories = False,
) -> DaskRows:
    """Read and check a Dask collection where it is.

    Parameters
    ----------
    X : Dask array, DataFrame or Series
        The data, in blocks of rows. They are kept by the workers of the
        ``dask.distributed`` client if there is one, otherwise in this process.
    weights : array_like or Dask array, shape (n,), optional
        Frequency weights; a Dask array or Series in the same blocks stays where it is. With a
        DataFrame, a Series is matched to the rows by its index.
    labels : array_like or Dask array, shape (n,), optional
        Known clusters of rows, matched as weights are.
    missing : {None, "integrate"}, optional
        Whether cells may be missing, as in `mixtures.data.reading.as_data`.
    categories : bool or frozenset, default False
        Whether cells are the levels of categories, or in which columns they are, by name or position; every
        block then has codes of its own.

    Returns
    -------
    DaskRows
        The rows.

    Raises
    ------
    InputError
        As in `mixtures.data.sources.as_rows`.
    ConnectionError
        If the cluster is closed, or loses its workers for good, before the result arrives.
    """
    dask, client = import_dask(), _client()
    tables, labelled = _tables(X), hasattr(X, "divisions")
    how = X.ndim == 1, missing, categories
    read = dask.persist(*_tasks(_read, tables, *([x] * len(tables) for x in how)))
    reports = _computed(client, _tasks(_report, read))
    sizes = [size for size, *_ in reports]
    n = sum(sizes)
    firsts = [int(n) for n in np.cumsum([0, *sizes[:-1]])]
    _refuse_bad(client, how, tables, reports, firsts)
    kept = [i for i, n in enumerate(sizes) if n > 0]
    index = None
    if labelled and (is_pandas_series(weights) or is_pandas_series(labels)):
        import pandas as pd

        index = pd.Index(np.concatenate(_computed(client, _tasks(_labels, [read[i] for i in kept]))))

    def own(beside: Any) -> "pd.Index | None":
        if index is None or not is_pandas_series(beside):
            return None
        anew = not index.is_unique and not index.equals(beside.index)  # every block begins anew
        return pd.RangeIndex(len(index)) if anew else index

    all_weights = _of_blocks(
        "weights", weights, sizes, lambda: check_weights(weights, n, labels=own(weights))
    )
    known = _of_blocks("labels", labels, sizes, lambda: read_labels(labels, np.arange(n), index=own(labels)))
    given = ([of[i] for i in kept] for of in (read, firsts, all_weights, known, [labelled] * len(sizes)))
    blocks = dask.persist(*_tasks(_placed, *given))
    totals, some_known = None, False
    if weights is not None or labels is not None:
        counted = _computed(client, _tasks(_counted, blocks))
        for i, count in zip(kept, counted, strict=True):
            if isinstance(count, InputError):
                raise InputError(f"partition {i}: {count}")
        totals = None if weights is None else check_total(np.array([total for total, _ in counted]))
        some_known = any(labelled for _, labelled in counted)
    return DaskRows(
        reports[kept[0]][1],
        np.array(sizes)[kept],
        totals,
        blocks,
        client=client,
        has_missing=any(holes for *_, holes in reports),
        labelled=some_known,
    )


def _tasks(f: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
    """Delay ``f`` of the first of every column, of the second of every column, and so on."""
    task = import_dask().delayed(f, pure=False)
    return [task(*row) for row in zip(*columns, strict=True)]


def _refuse_bad(
    client: Any,
    how: tuple[bool, str | None, Categories],
    tables: Sequence[Any],
    reports: Sequence[Any],
    firsts: Sequence[int],
) -> None:
    """Refuse the first block that is not a table, or that differs from those before it."""
    expected: tuple[str, ...] = ()
    for i, (_, features, is_bad, _) in enumerate(reports):
        if is_bad:  # read it again, now that the number of rows before it is known
            (error,) = _computed(client, _tasks(_read, [tables[i]], *([x] for x in how), [firsts[i]]))
            raise InputError(worded(f"partition {i}: ", error))
        if features:
            expected = expected or features
            check_alike("partition", i, features, expected)
    if not expected:
        raise InputError("the partitions hold no rows; pass at least one row")


def _tables(X: Any) -> list[Any]:
    if not _has_blocks(X):
        raise InputError(f"a Dask {type(X).__name__} is not a table; pass a Dask array or DataFrame")
    if X.ndim > 2:
        raise InputError(f"the data have {X.ndim} dimensions; reshape them to (rows, columns)")
    if X.ndim == 2 and hasattr(X, "rechunk") and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return _delayed(X)


def _has_blocks(X: Any) -> bool:
    """Whether X is a Dask array, DataFrame or Series; a Delayed, which has any attribute, is not."""
    return hasattr(X, "to_delayed") and isinstance(X.ndim, int)


def _delayed(X: Any) -> list[Any]:
    blocks = X.to_delayed()  # of an array an array of them
    return list(blocks.ravel()) if isinstance(blocks, np.ndarray) else list(blocks)


def _of_blocks(
    what: str, beside: Any, sizes: Sequence[int], checked: Callable[[], np.ndarray | None]
) -> list[Any]:
    """What every block has beside it: None, a slice of an array, or a delayed block of a Dask collection."""
    if beside is not None and _has_blocks(beside):
        blocks = _delayed(beside)
        if beside.ndim != 1 or len(blocks) != len(sizes):
            raise InputError(
                f"the {what} are {beside.ndim}-dimensional in {len(blocks)} blocks; the data have "
                f"{len(sizes)} blocks of rows: rechunk one like the other"
            )
        return blocks
    array = None if beside is None else checked()
    return [None] * len(sizes) if array is None else np.split(array, np.cumsum(sizes)[:-1])


# What runs on the workers. Bad input is returned as a value, so that the first bad block is the one reported.


def _read(
    table: Any, is_column: bool, missing: str | None, categories: Categories, first: int = 0
) -> Data | InputError | None:
    shape = getattr(table, "shape", ())
    if shape and shape[0] == 0:
        return None
    try:
        data = as_data(table, missing=missing, first=first, categories=categories)
        if not is_column:
            check_two_dimensions(table)
        return data
    except InputError as error:
        return error


def _report(block: Data | InputError | None) -> tuple[int, tuple[str, ...], bool, bool]:
    if isinstance(block, Data):
        return block.n_rows, block.features, False, block.has_missing
    return 0, (), block is not None, False


def _labels(block: Data) -> np.ndarray:
    return block.obs_id


def _placed(data: Data, first: int, weights: Any, known: Any, labelled: bool) -> Data | InputError:
    import pandas as pd

    index = pd.Index(data.obs_id) if labelled else None
    obs_id = labels_from(data.obs_id, first)
    try:
        weighed = None if weights is None else check_weights(weights, data.n_rows, first, index)
        labels = None if known is None else read_labels(known, obs_id, first, index)
    except InputError as error:
        return error
    return replace(data, first=first, obs_id=obs_id, weights=weighed, labels=labels)


def _counted(block: Data | InputError) -> tuple[float, bool] | InputError:
    return (block.total, block.labelled) if isinstance(block, Data) else block


def _n_distinct(block: Data, _: Any) -> int:
    return block.compressed.n_rows


def _answer(block: Data, f: Callable[[Data], Any], distinct: bool) -> Any:
    try:
        return f(block.compressed if distinct else block)
    except InputError as error:
        return error


def _answer_to(block: Data, f: Callable[[Data, Any], Any], x: Any, distinct: bool) -> Any:
    return f(block.compressed if distinct else block, x)


def _added(add: Callable[[Any, Any], Any], answers: Sequence[Any]) -> Any:
    refused = next((x for x in answers if isinstance(x, InputError)), None)
    return reduce(add, answers) if refused is None else refused
