"""Where the arrays of a declared mixture come from, found out once and checked.

A program takes the arrays of its graph as arguments. For another process to make them without
the graph, each needs a name: data, weights, labels, the layout of the missing cells, hyperparameters,
units, or a function of them. The names are found by comparison, on a twin: the same model of other data,
with another prior. An array that differs between the two and has no name, or a graph that differs, means
that the model is not kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mixtures.data.layout import Layout, layout_of
from mixtures.data.table import Data, read_only
from mixtures.families.family import Family
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Prior

__all__ = ["Recipe", "layouts_of", "named_arrays", "recipes_of", "twin_of"]

LOCATIONS = ("mean",)
"""Hyperparameters that a twin shifts; the others, which may be positive, it scales."""


TWIN = 20_261_126
"""Seed of the twins."""


@dataclass(frozen=True)
class Recipe:
    """How to make an array: reshape a named one, or take a constant.

    Attributes
    ----------
    dtype : str
        Type of the array.
    shape : tuple of int
        Its shape.
    name : str
        Name among `named_arrays`; empty for a constant.
    constant : tuple
        Entries of a constant.
    """

    dtype: str
    shape: tuple[int, ...]
    name: str = ""
    constant: tuple[Any, ...] = ()

    def make(self, named: Mapping[str, np.ndarray]) -> np.ndarray:
        """The array of a model with these named arrays."""
        entries = named[self.name] if self.name else np.array(self.constant)
        return np.ascontiguousarray(entries, dtype=self.dtype).reshape(self.shape)


def named_arrays(spec: Mixture, data: Data) -> dict[str, np.ndarray]:
    """Every array that a graph may hold, by name, computed as the declaration computes it."""
    columns = spec.family.row_columns(data.n_features)
    found: dict[str, Any] = {"values": data.values[:, columns.pop("x")]}
    if data.has_missing:
        found["observed cells"] = (~np.isnan(found["values"])).astype(np.float64)
    else:
        found["whole values"] = found["values"].astype(np.int64)
    found |= {name: data.values[:, own] for name, own in columns.items()}
    if data.weights is not None:
        found["weights - 1"] = data.weights - 1
    if data.labels is not None:
        found["labels"] = data.labels
    for kind, layout in layouts_of(spec, data).items():
        found |= {f"{kind} {field.name}": getattr(layout, field.name) for field in fields(layout)}
    found |= _of_components(spec.family, data, spec.prior)
    for block in spec.family.parts:
        own = _of_components(block.family, block.rows(data), block.family.prior)
        found |= {f"{block.kind}: {name}": value for name, value in own.items()}
    return {name: np.asarray(value) for name, value in found.items()}


def layouts_of(spec: Mixture, data: Data) -> dict[str, Layout]:
    """Rows by pattern of the missing cells, for the blocks of columns whose densities depend on it."""
    if not data.has_missing:
        return {}
    blocks: list[tuple[str, Family, Data]] = [
        (block.kind, block.family, block.rows(data)) for block in spec.family.parts
    ]
    tables = blocks or [("rows", spec.family, data)]
    return {kind: layout_of(~np.isnan(table.values)) for kind, family, table in tables if family.by_pattern}


def _of_components(family: Family, data: Data, prior: Any) -> dict[str, Any]:
    """Units of the columns and hyperparameters of the components."""
    location, unit = family.units(data)
    row, column = np.tril_indices(len(unit))
    found = {
        "location": location,
        "unit": unit,
        "log of squared unit": 2 * np.log(unit),
        "log of squared first unit": 2 * np.log(unit[:1]),
        "factor's shift": np.where(row == column, np.log(unit[row]), 0),
        "factor's scale": np.where(row == column, 1, unit[row]),
    }
    hyperparameters = prior.hyperparameters if isinstance(prior, Prior) else {}
    for name, own in hyperparameters.items():
        if own.ndim:
            value = own.astype(np.float64)
            found |= {f"prior {name}": value, f"half of prior {name}": value / 2}
            with np.errstate(divide="ignore"):
                found[f"inverse of prior {name}"] = 1 / value
    return found


def twin_of(spec: Mixture, data: Data) -> tuple[Mixture, Data] | None:
    """The same model of other data, and with another prior; None if the data allow no other.

    Missing cells and known labels are those of other rows.
    """
    rng = np.random.default_rng(TWIN)
    values = np.roll(data.values, 1, axis=0) if data.has_missing else data.values.copy()
    for column in values.T:
        there = np.flatnonzero(~np.isnan(column))
        drawn = rng.choice(column[there], len(there))
        if (drawn == drawn[:1]).all():  # a column that the model would refuse
            drawn = column[there][::-1]
        whole = bool((drawn == np.floor(drawn)).all())
        column[there] = drawn if whole else drawn * rng.uniform(1.1, 2.0)
    if np.array_equal(values, data.values, equal_nan=True):
        return None
    weights = None if data.weights is None else read_only(data.weights * rng.uniform(0.6, 1.4, data.n_rows))
    labels = None if data.labels is None else read_only(_other_labels(data.labels, spec.n_components))
    twin = replace(data, values=read_only(values), weights=weights, labels=labels)
    return replace(spec, prior=_other_prior(spec.prior, rng, {})), twin


def _other_labels(labels: np.ndarray, n_components: int) -> np.ndarray:
    """The next label of every row: -1 after the last, and 0 after -1."""
    return (labels + 2) % (n_components + 1) - 1


def _other_prior(prior: Any, rng: np.random.Generator, made: dict[Any, Any]) -> Any:
    """Another prior of the same form, part by part; equal arrays stay equal, as the key says."""
    if not isinstance(prior, Prior):
        return prior
    changed: dict[str, Any] = {}
    for field in fields(prior):  # type: ignore[arg-type]
        value = getattr(prior, field.name)
        if isinstance(value, Prior):
            changed[field.name] = _other_prior(value, rng, made)
        elif np.ndim(value):
            content = (np.shape(value), np.asarray(value).tobytes())
            made[content] = made.get(content, _other(field.name, value, rng))
            changed[field.name] = made[content]
    return replace(prior, **changed)  # type: ignore[type-var]


def _other(name: str, value: Any, rng: np.random.Generator) -> Any:
    """Another array of hyperparameters of the same form: zeros stay, matrices stay positive definite."""
    array = np.asarray(value)
    if name in LOCATIONS:
        return array + rng.normal(size=array.shape)
    scales = [rng.uniform(1.1, 2.0, n) for n in array.shape]
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    for axis, scale in enumerate(scales):
        shape = [1] * array.ndim
        shape[axis] = -1
        array = array * (scales[0] if square else scale).reshape(shape)
    return array


def recipes_of(
    arrays: Sequence[np.ndarray],
    twins: Sequence[np.ndarray],
    named: Mapping[str, np.ndarray],
    named_twins: Mapping[str, np.ndarray],
) -> tuple[Recipe, ...] | None:
    """A recipe for every array, that makes the arrays of the model and of its twin; None if one has none."""
    found = []
    for array, twin in zip(arrays, twins, strict=True):
        form = Recipe(array.dtype.str, array.shape)
        by_name = [
            replace(form, name=name)
            for name in named
            if _is(named[name], array) and _is(named_twins[name], twin)
        ]
        if by_name:
            found.append(by_name[0])
        elif _is(array, twin):
            found.append(replace(form, constant=tuple(array.ravel().tolist())))
        else:
            return None
    return tuple(found)


def _is(candidate: np.ndarray, array: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers, to the last bit, whatever their axes of length one."""
    if candidate.dtype != array.dtype or _lengths(candidate) != _lengths(array):
        return False
    return candidate.tobytes() == array.tobytes()


def _lengths(array: np.ndarray) -> tuple[int, ...]:
    return tuple(n for n in array.shape if n != 1)
