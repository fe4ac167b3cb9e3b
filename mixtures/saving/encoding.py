"""Values to JSON and back, each by the type of the field that holds it.

Reading follows this package's dataclasses, never the file: each value is read as
the type of its field, or refused. The only names that a file may contain are those
of models and priors, which are looked up among the subclasses of `Mixture` and
`Prior`. Floats are restored to the last bit.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Prior
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.results.verdict import Unchecked
from mixtures.saving.checks import check_keys, expect
from mixtures.saving.texts import read_text, write_text

__all__ = ["decode", "encode"]

Keep = Callable[[xr.DataTree], str]
"""Stores a tree separately and returns its name."""


Fetch = Callable[[Any, str], xr.DataTree]
"""Returns the tree of a name; the second argument says where the name occurs."""


NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Names of the floats that JSON cannot write as numbers."""


DTYPES = {
    "bool": bool,
    "str": str,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"datetime64[{unit}]": int for unit in ("D", "s", "ms", "us", "ns")},
    **{f"float{bits}": float for bits in (16, 32, 64)},
}
"""Types of an array's values, and the JSON type of each value."""


@dataclass(frozen=True)
class Codec:
    """Writer and reader of values of one type."""

    encode: Callable[[Any, Any, Keep], Any]
    decode: Callable[[Any, Any, str, Fetch], Any]


def encode(value: Any, hint: Any, keep: Keep) -> Any:
    """Encode a value of a type for JSON; trees are stored separately."""
    return _codec(hint).encode(value, hint, keep)


def decode(raw: Any, hint: Any, where: str, fetch: Fetch) -> Any:
    """Decode a value of a type from JSON; an `InputError` says where it is of another type."""
    return _codec(hint).decode(raw, hint, where, fetch)


def _codec(hint: Any) -> Codec:
    plain = get_origin(hint) or hint
    if plain in CODECS:
        return CODECS[plain]
    if is_dataclass(plain) and isinstance(plain, type):
        return MODEL if issubclass(plain, Mixture) else RECORD
    if plain is Mixture:
        return MODEL
    raise InputError(f"values of type {hint} cannot be saved")


def _write_float(value: Any, *_: Any) -> float | str:
    number = float(value)
    return (
        number if math.isfinite(number) else next(n for n, x in NOT_FINITE.items() if str(x) == str(number))
    )


def _read_float(raw: Any, hint: Any, where: str, *_: Any) -> float:
    if isinstance(raw, str) and raw in NOT_FINITE:
        return NOT_FINITE[raw]
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise InputError(f"{where} is {type(raw).__name__}, not a number")
    try:
        return float(raw)
    except OverflowError as error:  # JSON's whole numbers are unbounded
        raise InputError(f"{where} is a number too large for a float") from error


def _scalar(kind: type) -> Codec:
    return Codec(lambda value, *_: kind(value), lambda raw, hint, where, *_: expect(raw, kind, where))


def _write_array(value: Any, *_: Any) -> dict[str, Any]:
    array = np.asarray(value)
    flat = array.ravel().tolist()
    name = array.dtype.name
    if array.dtype.kind in "OUT" and all(isinstance(cell, str) for cell in flat):
        name, flat = "str", list(map(str, flat))
    elif array.dtype.kind == "M":
        flat = array.ravel().view(np.int64).tolist()
    elif array.dtype.kind == "f":
        flat = [_write_float(cell) for cell in flat]
    if name not in DTYPES:
        raise InputError(f"an array of {array.dtype} cannot be saved: {array.ravel()[:3]}")
    return {"dtype": name, "shape": list(array.shape), "values": flat}


def _read_array(raw: Any, hint: Any, where: str, fetch: Fetch) -> np.ndarray:
    check_keys(raw, ("dtype", "shape", "values"), where)
    name, shape, values = raw["dtype"], raw["shape"], expect(raw["values"], list, f"{where}.values")
    if not isinstance(name, str) or name not in DTYPES:
        raise InputError(f"{where}.dtype is {name!r}, not one of {', '.join(DTYPES)}")
    for size in expect(shape, list, f"{where}.shape"):
        expect(size, int, f"{where}.shape")
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise InputError(f"{where} has shape {shape} and {len(values)} values")
    kind = DTYPES[name]
    read = _read_float if kind is float else _scalar(kind).decode
    cells = [read(cell, kind, where, fetch) for cell in values]
    if kind is str:
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return array.reshape(shape)
    try:
        with np.errstate(over="raise"):
            array = np.array(cells, dtype=np.int64 if name.startswith("date") else name)
    except (OverflowError, FloatingPointError) as error:
        raise InputError(f"{where} has values too large for {name}") from error
    return array.astype(name, copy=False).reshape(shape)


def _write_tuple(value: Any, hint: Any, keep: Keep) -> list[Any]:
    return [encode(item, get_args(hint)[0], keep) for item in value]


def _read_tuple(raw: Any, hint: Any, where: str, fetch: Fetch) -> tuple[Any, ...]:
    items = enumerate(expect(raw, list, where))
    return tuple(decode(item, get_args(hint)[0], f"{where}[{i}]", fetch) for i, item in items)


def _write_dict(value: Any, hint: Any, keep: Keep) -> dict[str, Any]:
    return {str(key): encode(item, get_args(hint)[1], keep) for key, item in value.items()}


def _read_dict(raw: Any, hint: Any, where: str, fetch: Fetch) -> dict[Any, Any]:
    kind, inner = get_args(hint)
    try:
        keys = [kind(key) for key in expect(raw, dict, where)]
    except ValueError as error:
        raise InputError(f"{where} has a key that is not {kind.__name__}") from error
    if [str(key) for key in keys] != list(raw):  # "1" and "01" would be the same key
        raise InputError(f"{where} has a key that is not written as {kind.__name__} is")
    values = [decode(item, inner, f"{where}.{key}", fetch) for key, item in raw.items()]
    return dict(zip(keys, values, strict=True))


def _some(hint: Any) -> Any:
    """The type of an optional field when it is not None; of several the first, which results have."""
    return next(arg for arg in get_args(hint) if arg is not type(None))


def _write_optional(value: Any, hint: Any, keep: Keep) -> Any:
    return None if value is None else encode(value, _some(hint), keep)


def _read_optional(raw: Any, hint: Any, where: str, fetch: Fetch) -> Any:
    return None if raw is None else decode(raw, _some(hint), where, fetch)


def _write_labels(value: Any, *_: Any) -> dict[str, Any]:
    return _write_array(pd.Index(value).to_numpy())


def _read_labels(raw: Any, hint: Any, where: str, fetch: Fetch) -> tuple[Any, ...]:
    return tuple(_read_array(raw, hint, where, fetch).ravel())


def _write_index(index: pd.Index) -> dict[str, Any]:
    levels = [index.get_level_values(i).to_numpy() for i in range(index.nlevels)]
    return {"names": list(index.names), "levels": [_write_array(level) for level in levels]}


def _read_index(raw: Any, where: str, fetch: Fetch) -> pd.Index:
    check_keys(raw, ("names", "levels"), where)
    names = expect(raw["names"], list, f"{where}.names")
    levels = [
        _read_array(level, None, f"{where}.levels[{i}]", fetch)
        for i, level in enumerate(expect(raw["levels"], list, f"{where}.levels"))
    ]
    if not levels or len(names) != len(levels) or len({level.shape for level in levels}) > 1:
        raise InputError(f"{where} has {len(names)} names and levels of different lengths")
    for name in names:
        expect(name, str | type(None), f"{where}.names")  # type: ignore[arg-type]
    if levels[0].ndim != 1:
        raise InputError(f"{where} has levels of {levels[0].ndim} dimensions")
    if len(levels) == 1:
        return pd.Index(levels[0], name=names[0])
    return pd.MultiIndex.from_arrays(levels, names=names)


def _write_column(column: pd.Series) -> dict[str, Any]:
    """Encode a column of a frame; counts with missing values become numbers and a mask of the known ones."""
    if column.dtype != pd.Int64Dtype():
        return _write_array(column.to_numpy())
    counts, known = column.fillna(0).to_numpy(np.int64), column.notna().to_numpy(bool)
    return {"counts": _write_array(counts), "known": _write_array(known)}


def _read_column(raw: Any, where: str, fetch: Fetch) -> Any:
    if not isinstance(raw, dict) or "counts" not in raw:
        return _read_array(raw, None, where, fetch)
    check_keys(raw, ("counts", "known"), where)
    counts, known = (_read_array(raw[name], None, f"{where}.{name}", fetch) for name in ("counts", "known"))
    if counts.shape != known.shape or counts.dtype != np.int64 or known.dtype != np.bool:
        raise InputError(f"{where} has counts of {counts.dtype} and says in {known.dtype} which are known")
    return pd.arrays.IntegerArray(counts, ~known)


def _write_frame(frame: pd.DataFrame, *_: Any) -> dict[str, Any]:
    columns = [_write_column(frame.iloc[:, j]) for j in range(frame.shape[1])]
    return {"index": _write_index(frame.index), "columns": _write_index(frame.columns), "values": columns}


def _read_frame(raw: Any, hint: Any, where: str, fetch: Fetch) -> pd.DataFrame:
    check_keys(raw, ("index", "columns", "values"), where)
    index = _read_index(raw["index"], f"{where}.index", fetch)
    columns = _read_index(raw["columns"], f"{where}.columns", fetch)
    values = [
        _read_column(column, f"{where}.values[{j}]", fetch)
        for j, column in enumerate(expect(raw["values"], list, f"{where}.values"))
    ]
    if len(values) != len(columns) or any(column.shape != (len(index),) for column in values):
        raise InputError(f"{where} has columns of other lengths than its index")
    series = {j: pd.Series(column, index=index) for j, column in enumerate(values)}
    return pd.DataFrame(series, index=index).set_axis(columns, axis=1)


def _field_hints(kind: type) -> Iterator[tuple[str, Any, bool]]:
    """Name and type of every field, and whether it may be missing; a prior may be of any kind."""
    hints: dict[str, Any] = get_type_hints(kind)
    for field in fields(kind):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        hint = Prior if field.name == "prior" and issubclass(kind, Mixture) else hints[field.name]
        yield field.name, hint, optional


def _write_record(value: Any, hint: Any, keep: Keep) -> dict[str, Any]:
    return {name: encode(getattr(value, name), own, keep) for name, own, _ in _field_hints(type(value))}


def _read_record(raw: Any, hint: Any, where: str, fetch: Fetch) -> Any:
    own = list(_field_hints(hint))
    required = [name for name, _, optional in own if not optional]
    rest = [name for name, _, optional in own if optional]
    check_keys(raw, (*required, *rest), where, len(required))
    read = {name: decode(raw[name], kind, f"{where}.{name}", fetch) for name, kind, _ in own if name in raw}
    if "status" in rest and "status" not in raw and _told_of_interrupt(read):
        read["status"] = Status.INTERRUPTED
    if "left_out" in rest and "left_out" not in raw:
        read["left_out"] = tuple(map(Unchecked.told, read.get("unchecked", ())))
    return hint(**read)


def _told_of_interrupt(read: Mapping[str, Any]) -> bool:
    """Whether the notes of a result of version 0.1, which had no status, record an interrupt."""
    told = (*read.get("notes", ()), read.get("found", ""))
    return any(text.startswith(INTERRUPTED) for text in told)


def _read_status(raw: Any, hint: Any, where: str, *_: Any) -> Status:
    known = [status.value for status in Status]
    if raw not in known:
        raise InputError(f"{where} is {raw!r:.80}, not one of {', '.join(known)}")
    return Status(raw)


def _named(base: type) -> dict[str, type]:
    """Defined subclasses of a base by name: the only ones that a file can name."""
    kinds: list[type] = base.__subclasses__()
    return {kind.__name__: kind for kind in kinds}


def _write_named(value: Any, base: type, keep: Keep) -> dict[str, Any]:
    name = type(value).__name__
    if _named(base).get(name) is not type(value):
        raise InputError(f"a {name} cannot be saved: derive it from {base.__module__}.{base.__name__}")
    return {"name": name, "fields": _write_record(value, None, keep)}


def _read_named(raw: Any, base: type, where: str, fetch: Fetch) -> Any:
    check_keys(raw, ("name", "fields"), where)
    known, name = _named(base), raw["name"]
    if not isinstance(name, str) or name not in known:
        raise InputError(f"{where} is a {name!r:.80}; known here are {', '.join(known)}")
    return _read_record(raw["fields"], known[name], where, fetch)


def _write_prior(value: Any, hint: Any, keep: Keep) -> Any:
    return value if value is None or isinstance(value, str) else _write_named(value, Prior, keep)


def _read_prior(raw: Any, hint: Any, where: str, fetch: Fetch) -> Any:
    return raw if raw is None or raw == "default" else _read_named(raw, Prior, where, fetch)


RECORD = Codec(_write_record, _read_record)


MODEL = Codec(
    lambda value, hint, keep: _write_named(value, Mixture, keep),
    lambda raw, hint, where, fetch: _read_named(raw, Mixture, where, fetch),
)


ARRAY = Codec(_write_array, _read_array)


MAPPING = Codec(_write_dict, _read_dict)


OPTIONAL = Codec(_write_optional, _read_optional)


CODECS: Mapping[Any, Codec] = {
    bool: _scalar(bool),
    int: _scalar(int),
    str: Codec(lambda text, *_: write_text(text), lambda raw, hint, where, *_: read_text(raw, where)),
    float: Codec(_write_float, _read_float),
    Status: Codec(lambda status, *_: status.value, _read_status),
    np.ndarray: ARRAY,
    ArrayLike: ARRAY,
    Any: Codec(_write_labels, _read_labels),
    tuple: Codec(_write_tuple, _read_tuple),
    Collection: Codec(_write_tuple, _read_tuple),
    dict: MAPPING,
    Mapping: MAPPING,
    UnionType: OPTIONAL,
    Union: OPTIONAL,
    Prior: Codec(_write_prior, _read_prior),
    pd.DataFrame: Codec(_write_frame, _read_frame),
    xr.DataTree: Codec(
        lambda tree, hint, keep: keep(tree), lambda raw, hint, where, fetch: fetch(raw, where)
    ),
}
"""Codecs by the type of a field; `Any` is a sequence of labels."""
