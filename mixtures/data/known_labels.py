"""Known labels: the clusters of some of the rows are known."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from narwhals.dependencies import is_pandas_series

from mixtures.data.cells import as_numbers
from mixtures.data.rows import Rows, sum_once
from mixtures.data.table import LARGEST_WHOLE, UNKNOWN, Data, places_by_index, read_only
from mixtures.errors import InputError
from mixtures.messages import Option, counted, did_you_mean, named, rows_are, shortened, worded
from mixtures.types import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NOT_FROM_ZERO",
    "UNKNOWN",
    "anchored_clusters",
    "check_labels",
    "check_labels_fit",
    "count_known",
    "exclude",
    "known_rows",
    "match_labels",
    "numbered",
    "numbered_from_one",
    "one_hot",
    "order_by_size",
]

UNKNOWN_WORDS = worded(
    Option("labels", said="-1, NaN or None", typed="-1 or an empty cell"), " where the cluster is not known"
)
"""What stands for a cluster that is not known."""


NOT_FROM_ZERO = "no row is labelled 0, and clusters are numbered from 0: subtract 1 if labels begin at 1"
"""What to say of labels that seem to begin at 1."""


LABEL = Option("labels", said="label", typed="the label in --labels")
"""The label of a row in messages."""


NO_LABELS = worded(Option("labels", said="labels are not", typed="--labels: the cells are not"))
"""Beginning of the message on labels that are not numbers."""


NUMBERING = Option("labels", said=", such as pandas.factorize(labels)[0]", typed=" from 0 in that column")
"""How to number the clusters."""


def check_labels(
    labels: Any, obs_id: np.ndarray, first: int = 0, index: "pd.Index | None" = None
) -> np.ndarray | None:
    """Read the known cluster of every row; a pandas Series is matched by its index.

    Parameters
    ----------
    labels : array_like, shape (n,)
        The cluster of every row, from 0; -1, NaN, None, ``pandas.NA`` or masked where it is not known.
    obs_id : ndarray, shape (n,)
        Names of the rows, for messages.
    first : int, default 0
        Position of the first row in the whole.
    index : pandas.Index, optional
        Labels of the rows in the table that they were read from, if it has some.

    Returns
    -------
    ndarray of int, shape (n,), or None
        Read-only, -1 where the cluster is not known; None if no row has a label.

    Raises
    ------
    InputError
        If there is not one label for every row, or a label is not such a number; true and false are none,
        as they may also say which rows are known.

    Examples
    --------
    >>> check_labels([1, None, -1], np.arange(3)).tolist()
    [1, -1, -1]
    """
    try:
        array = as_numbers(labels, NO_LABELS, truth=False)
    except InputError as error:
        how = worded("; number the clusters", NUMBERING, ", with ", UNKNOWN_WORDS)
        raise InputError(worded(error, how)) from error
    n = len(obs_id)
    if array.shape != (n,):
        raise InputError(f"labels have shape {array.shape}; the data have {counted(n, 'row')}")
    if is_pandas_series(labels):
        import pandas as pd

        by_place = pd.RangeIndex(first, first + n)
        array = array[places_by_index(labels.index, index, by_place, "labels")]
    known = np.where(np.isnan(array), UNKNOWN, array)
    bad = np.flatnonzero(~((known >= UNKNOWN) & (known == np.floor(known)) & (known < LARGEST_WHOLE)))
    if len(bad):
        row = rows_are(bad[:1], obs_id, first).removesuffix(" is")
        meaning = worded("labels are whole numbers from 0, and ", UNKNOWN_WORDS)
        raise InputError(worded(f"{row}: ", LABEL, f" is {array[bad[0]]:g}; ", meaning))
    return read_only(known.astype(np.int64)) if (known >= 0).any() else None


def numbered(labels: Any, names: Sequence[str] | None) -> Any:
    """Known clusters of rows as numbers, where they are the names that a user gave the clusters.

    Raises
    ------
    InputError
        If a text is none of the names.

    Examples
    --------
    >>> numbered(["short", None, "long"], ("long", "short")).tolist()
    [1.0, nan, 0.0]
    """
    if labels is None or names is None:
        return labels
    import pandas as pd

    cells = pd.Series(labels, dtype=object)
    texts = [cell for cell in cells.unique() if isinstance(cell, str)]
    if not texts:
        return labels
    places: dict[Any, int] = {name: place for place, name in enumerate(names)}
    if unknown := [text for text in texts if text not in places]:
        hint = did_you_mean(unknown[0], names)
        raise InputError(
            worded(LABEL, f" {named(unknown[0])}{hint} is not a cluster; these are {shortened(names)}")
        )
    found = cells.map(lambda cell: places[cell] if isinstance(cell, str) else cell)
    return found if is_pandas_series(labels) else found.to_numpy()


def check_labels_fit(rows: Rows, n_components: int) -> None:
    """Refuse labels of clusters that a model does not have."""
    if max(_counts(rows), default=(UNKNOWN,))[0] >= n_components:
        found = rows.sum_over(partial(_first_beyond, n_components), _either)
        assert found is not None
        row, label = found
        raise InputError(
            worded(
                f"{row}: ",
                LABEL,
                f" is {label}, and the model has ",
                Option("n_components", n_components),
                "; labels are from 0 to ",
                Option("n_components", said="n_components - 1", typed=str(n_components - 1)),
                ", and ",
                UNKNOWN_WORDS,
                f"; {NOT_FROM_ZERO}" if numbered_from_one(rows) else "",
            )
        )


def numbered_from_one(rows: Rows) -> bool:
    """Whether the known labels are 1, 2, ... without a 0.

    Examples
    --------
    >>> numbered_from_one(Data(np.zeros((3, 1)), ("x0",), np.arange(3), labels=np.array([2, -1, 1])))
    True
    """
    found = sorted({k for k, _ in _counts(rows)})
    return len(found) > 1 and found == list(range(1, len(found) + 1))


def _first_beyond(n_components: int, data: Data) -> tuple[str, int] | None:
    bad = np.flatnonzero(_labels_of(data) >= n_components)
    if not len(bad):
        return None
    return rows_are(bad[:1], data.obs_id, data.first).removesuffix(" is"), int(_labels_of(data)[bad[0]])


def _either[T](a: T, b: T) -> T:
    return a or b


def _labels_of(data: Data) -> np.ndarray:
    """Known clusters (n,) of rows, some of which may be without a label."""
    return np.full(data.n_rows, UNKNOWN) if data.labels is None else data.labels


def count_known(rows: Rows) -> int:
    """Number of rows whose cluster is known."""
    return _counts(rows).total()


def _counts(rows: Rows) -> Counter[tuple[int, bool]]:
    """Number of labelled rows by their cluster and whether they have weight."""
    return sum_once(rows, "known labels", _counts_of) if rows.labelled else Counter()


def _counts_of(data: Data) -> Counter[tuple[int, bool]]:
    labels = _labels_of(data)
    weighed = np.ones(data.n_rows, dtype=bool) if data.weights is None else data.weights > 0
    found: Counter[tuple[int, bool]] = Counter()
    for some in (True, False):
        clusters, counts = np.unique(labels[known_rows(labels) & (weighed == some)], return_counts=True)
        found.update(dict(zip(((int(k), some) for k in clusters), counts.tolist(), strict=True)))
    return found


def known_rows(labels: np.ndarray) -> np.ndarray:
    """Mask (n,) of the rows whose cluster is known."""
    return labels >= 0


def anchored_clusters(rows: Rows) -> np.ndarray:
    """Clusters that have a labelled row of positive weight, in ascending order.

    Examples
    --------
    >>> anchored_clusters(Data(np.zeros((3, 1)), ("x0",), np.arange(3), labels=np.array([2, -1, 2]))).tolist()
    [2]
    """
    return np.array(sorted(k for k, weighed in _counts(rows) if weighed), dtype=np.int64)


def exclude(log_joint: Array, labels: np.ndarray) -> None:
    """Set log joint densities (..., K, n) of labelled rows to -inf in all clusters but their own, in place.

    Examples
    --------
    >>> joint = np.zeros((2, 3))
    >>> exclude(joint, np.array([-1, 0, 1]))
    >>> joint
    array([[  0.,   0., -inf],
           [  0., -inf,   0.]])
    """
    places = np.flatnonzero(known_rows(labels))
    own = log_joint[..., labels[places], places]
    log_joint[..., places] = -np.inf
    log_joint[..., labels[places], places] = own


def one_hot(r: Array, labels: np.ndarray) -> Array:
    """Responsibilities (K, ..., n) in which labelled rows are wholly in their own cluster.

    Examples
    --------
    >>> one_hot(np.full((2, 3), 0.5), np.array([-1, 0, 1])).tolist()
    [[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]
    """
    own = labels == np.arange(len(r)).reshape(-1, *[1] * (r.ndim - 1))
    return np.where(known_rows(labels), own, r)


def match_labels(r: Array, labels: np.ndarray) -> Array:
    """Responsibilities (K, n) with clusters in the order that agrees best with the labels of rows.

    Examples
    --------
    >>> match_labels(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), np.array([1, -1, 0])).tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    from scipy.optimize import linear_sum_assignment  # imported only now: slow to load

    members = labels == np.arange(len(r))[:, None]
    sizes = np.maximum(r.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    agreement = (r / sizes) @ members.T  # of shares of the clusters: a large one does not win every label
    return np.asarray(r[linear_sum_assignment(-agreement.T)[1]])


def order_by_size(sizes: Array, anchored: np.ndarray) -> np.ndarray:
    """Order of clusters with the largest first; anchored clusters stay where they are.

    Examples
    --------
    >>> order_by_size(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1])).tolist()
    [3, 1, 2, 0]
    """
    order, free = np.arange(len(sizes)), np.setdiff1d(np.arange(len(sizes)), anchored)
    order[free] = free[np.argsort(-np.asarray(sizes)[free])]
    return order
