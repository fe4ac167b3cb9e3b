"""What the programs of a declared mixture depend on, as the key of a cache.

Numbers in arrays are arguments of the programs, and so are known labels and which cells are missing.
All else is in the key: the model's structure, the scalars of its prior, which of its arrays are equal
and which entries are 0 or 1, the shape of the data, whether cells are missing and how large the layout
of their patterns is, whether there are labels, the versions of the libraries, and this package's own
source.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixtures.data.table import Data
from mixtures.density.recipes import layouts_of
from mixtures.families.mixture import Mixture

__all__ = ["key_of"]

LIBRARIES = ("pymc", "pytensor", "jax", "jaxlib", "blackjax", "numpy", "scipy")
"""Libraries whose versions are part of the key."""


NAMES_ALONE = ("features", "typical_exposure")
"""Fields on which no program depends, such as names; where the columns of a block are is in the key."""


FOLDERS = ("base_compiledir", "compiledir")
"""Settings of PyTensor that do not change what a model is."""


PRECISION = "floatx"
"""The setting of PyTensor that changes the precision of everything."""


class _Unknown(TypeError):
    """Something whose content is not known."""


def key_of(spec: Mixture, data: Data) -> str | None:
    """Digest of all that the programs of a declared model depend on; None if it is not known."""
    settings = _settings()
    if settings is None:
        return None
    layouts = [(kind, each.rows.shape, each.patterns.shape) for kind, each in layouts_of(spec, data).items()]
    rows = (data.values.shape, data.weights is None, data.labels is None, data.has_missing, layouts)
    try:
        model = _described(spec), _equal(list(_arrays(spec)))
    except _Unknown:
        return None
    places = [(block.kind, block.places) for block in spec.family.parts]
    where = (jax.default_backend(), str(jax.config.jax_default_matmul_precision), sys.version_info[:2])
    parts = (model, places, rows, where, settings, _versions(), _source())
    return sha256(repr(parts).encode()).hexdigest()


def _described(x: Any) -> Any:
    """Structure of a value of this package, without the numbers in its arrays."""
    if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0):
        x = x.item()
    if x is None or isinstance(x, bool | int | float | str):
        return type(x).__name__, repr(x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiub":
        return x.dtype.str, x.shape, _digest(x == 0), _digest(x == 1)
    if isinstance(x, tuple | list | range):
        return tuple(_described(each) for each in x)
    if is_dataclass(x) and type(x).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return type(x).__qualname__, tuple((name, _described(value)) for name, value in _known(x))
    raise _Unknown(type(x).__name__)


def _known(x: Any) -> Iterator[tuple[str, Any]]:
    """Fields of a dataclass, without those on which no program depends."""
    return ((field.name, getattr(x, field.name)) for field in fields(x) if field.name not in NAMES_ALONE)


def _arrays(x: Any) -> Iterator[np.ndarray]:
    """The arrays in a value of this package, whatever they are nested in."""
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, tuple | list):
        for each in x:
            yield from _arrays(each)
    elif is_dataclass(x):
        for _, value in _known(x):
            yield from _arrays(value)


def _equal(arrays: list[np.ndarray]) -> tuple[int, ...]:
    """Which arrays are equal, by the place of the first such: PyTensor makes one constant of them."""
    contents = [(x.shape, x.tobytes()) for x in arrays]
    return tuple(contents.index(content) for content in contents)


def _digest(array: np.ndarray) -> str:
    return sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _settings() -> str | None:
    """PyTensor's settings that are not its defaults; None if they may change the precision."""
    flags = [part.strip() for part in os.environ.get("PYTENSOR_FLAGS", "").split(",")]
    kept = sorted(part for part in flags if part.partition("=")[0].strip() not in (*FOLDERS, ""))
    path = Path(os.environ.get("PYTENSORRC", "~/.pytensorrc").partition(os.pathsep)[0]).expanduser()
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    settings = ",".join([*kept, text])
    return None if PRECISION in settings.lower() else settings


@cache
def _versions() -> tuple[str, ...]:
    return tuple(f"{name} {version(name)}" for name in LIBRARIES)


@cache
def _source() -> str:
    """Digest of the source of this package."""
    root, total = Path(__file__).parent.parent, sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
