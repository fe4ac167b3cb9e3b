"""Entries of the parameters, one by one: their labels in tables, and words for them in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixtures.messages import Cluster, named, worded
from mixtures.types import LEVELS

__all__ = ["entries", "entry_table", "entry_words"]


def entries(
    shapes: Mapping[str, tuple[int, ...]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Sequence[Any]],
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return every entry of the parameters by its label; symmetric matrices give their lower triangle.

    Categories are labelled as the levels of their feature, where coords know these; those that a feature
    lacks are left out.

    Examples
    --------
    >>> shapes, dims = {"alpha": (2,), "p": (2, 1)}, {"alpha": ["cluster"], "p": ["cluster", "feature"]}
    >>> list(entries(shapes, dims, {"feature": ["heads"]}))
    ['alpha[0]', 'alpha[1]', 'p[0, heads]', 'p[1, heads]']
    """
    return {_label(name, words): (name, index) for name, index, words in _each_entry(shapes, dims, coords)}


def _label(name: str, words: Sequence[str]) -> str:
    return f"{name}[{', '.join(words)}]" if words else name


def _each_entry(
    shapes: Mapping[str, tuple[int, ...]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Sequence[Any]],
) -> Iterator[tuple[str, tuple[int, ...], list[str]]]:
    """Name, index and labels along the axes of every entry."""
    for name, shape in shapes.items():
        own = tuple(dims.get(name, ()))
        axes = [coords.get(dim) or range(n) for dim, n in zip(own, shape, strict=False)]
        axes = axes or [range(n) for n in shape]
        symmetric = len(own) > 1 and own[-1] == f"{own[-2]}_bis"
        levels = coords.get(LEVELS) if own[-1:] == ("category",) else None
        for index in np.ndindex(*shape):
            if symmetric and index[-1] > index[-2]:
                continue
            words = [str(axis[i]) for axis, i in zip(axes, index, strict=True)]
            if levels is not None and levels[index[-2]] is not None:
                if index[-1] >= len(levels[index[-2]]):
                    continue
                words[-1] = str(levels[index[-2]][index[-1]])
            yield name, index, words


WORDS = {
    ("alpha",): "the share of rows",
    ("mu", "feature"): "the mean of {}",
    ("Sigma", "feature", "feature"): "the covariance of {} and {}",
    ("Sigma", "feature", "itself"): "the variance of {}",
    ("sigma2", "feature"): "the variance of {}",
    ("sigma2",): "the variance of every column",
    ("rate", "feature"): "the rate of {}",
    ("p", "feature"): "the probability that {} is 1",
    ("p", "feature", "category"): "the probability of {}: {}",
    ("p_level", "feature", "category"): "the probability of {}: {}",
}
"""Entries of the parameters of this package's models in words, by name and dims but for the cluster."""


def entry_words(
    shapes: Mapping[str, tuple[int, ...]],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Sequence[Any]],
) -> dict[str, str]:
    """Words for every entry by its label, to be used in sentences; a label that has none stays.

    Examples
    --------
    >>> shapes, dims = {"alpha": (2,), "p": (2, 1)}, {"alpha": ["cluster"], "p": ["cluster", "feature"]}
    >>> words = entry_words(shapes, dims, {"feature": ["heads"]})
    >>> words["alpha[1]"], words["p[0, heads]"]
    ('the share of rows in cluster 1', 'the probability that heads is 1 in cluster 0')
    """
    return {
        _label(name, words): _in_words(name, dims.get(name, ()), index, words) or _label(name, words)
        for name, index, words in _each_entry(shapes, dims, coords)
    }


def _in_words(name: str, dims: Sequence[str], index: Sequence[int], words: Sequence[str]) -> str:
    """Words for one entry; empty if the parameter is not one of this package's."""
    places = dict(zip(dims, words, strict=False))
    cluster, number = places.pop("cluster", None), dict(zip(dims, index, strict=False)).get("cluster", 0)
    kinds = ["feature" if dim.startswith("feature") else dim for dim in places]
    columns = [named(word)[1:-1] for word in places.values()]
    if name == "Sigma" and len(columns) == 2 and columns[0] == columns[1]:
        kinds[1] = "itself"
    text = WORDS.get((name, *kinds), "")
    where = " in all clusters" if cluster is None else worded(" in ", Cluster(number, cluster))
    return text and worded(text.format(*columns), where)


def entry_table(
    params: Mapping[str, Any], dims: Mapping[str, Sequence[str]], coords: Mapping[str, Any], name: str
) -> pd.DataFrame:
    """Return one row per entry of the parameters, by its label, with a column of this name."""
    arrays = {key: np.asarray(x) for key, x in params.items()}
    found = entries({key: x.shape for key, x in arrays.items()}, dims, coords)
    values = [float(arrays[key][index]) for key, index in found.values()]
    return pd.DataFrame({name: values}, index=pd.Index(list(found), name="parameter"))
