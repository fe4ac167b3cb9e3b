"""Log densities of declared mixtures whose programs are kept on disk.

What PyTensor and JAX made of a model once is read by later processes, which then load neither PyMC
nor PyTensor: a program in StableHLO for every question (gradient, Hessian, values at many vectors, a
chunk of the sampler), and an outline of the model. Data and hyperparameters are arguments of the
programs, so that other data of the same shape take the same ones. A program that is not there yet is
built from PyMC's model, as without the cache, written, and run as it was written.
"""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import export

from mixtures.brief import model_words
from mixtures.data.table import Data
from mixtures.density.density import Density, Facts, Program
from mixtures.density.identity import key_of
from mixtures.density.memory import JaxFunction, discard, remembered
from mixtures.density.recipes import Recipe, named_arrays, recipes_of, twin_of
from mixtures.density.store import DESCRIPTION, Store, cache_folder
from mixtures.density.xla import make_ready
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.types import Array

if TYPE_CHECKING:
    from mixtures.density.compiled import CompiledModel

__all__ = ["KeptModel", "Outline", "kept_or_built", "kept_text"]

PROGRAMS_LOADED = 64
"""Programs in memory before all are discarded: those of about six models."""


Build = Callable[[Mixture, Data], "CompiledModel"]
"""Declares and compiles a resolved model of checked data."""


@dataclass(frozen=True)
class Outline:
    """A model without its graph.

    Attributes
    ----------
    model : str
        The model in words.
    facts : Facts
        Names, shapes and dims of the variables.
    own, unconstrain : tuple of Recipe
        How to make the arrays of the log density, and those of its coordinates.
    observed : str
        Type of the observed rows.
    """

    model: str
    facts: Facts
    own: tuple[Recipe, ...]
    unconstrain: tuple[Recipe, ...]
    observed: str

    def written(self) -> bytes:
        """The outline as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, content: bytes) -> "Outline":
        """An outline from JSON."""
        read = json.loads(content)
        facts = {name: _tuples(value) for name, value in read["facts"].items()}
        own, unconstrain = (
            tuple(Recipe(**{name: _tuples(value) for name, value in each.items()}) for each in read[which])
            for which in ("own", "unconstrain")
        )
        return cls(str(read["model"]), Facts(**facts), own, unconstrain, str(np.dtype(read["observed"])))


def _tuples(x: Any) -> Any:
    """JSON's lists as tuples."""
    if isinstance(x, dict):
        return {name: _tuples(value) for name, value in x.items()}
    return tuple(_tuples(each) for each in x) if isinstance(x, list) else x


OF_VALUES = ("unconstrain", "unconstrain_draws")
"""Programs that take values of the free variables; all others take vectors."""


NOT_KEPT = b"null"
"""Outline of a model that is not kept, so that the question is not asked again."""


def kept_or_built(spec: Mixture, data: Data, build: Build) -> Density:
    """The log density of a resolved model: with its programs from the cache, if it can be kept there."""
    store = _store_of(spec, data)
    if store is None:
        return build(spec, data)
    make_ready()
    content = store.read(DESCRIPTION)
    if content is None and not store.is_usable():
        return build(spec, data)
    known = _read(store, content)
    if known is not None:
        return KeptModel(store, known, spec, data, build)
    built = build(spec, data)
    if content == NOT_KEPT:
        return built
    outline = _outline_of(built, spec, data, build)
    store.write(DESCRIPTION, NOT_KEPT if outline is None else outline.written())
    return built if outline is None else KeptModel(store, outline, spec, data, build, built)


def kept_text(spec: Mixture, data: Data, name: str, make: Callable[[], str]) -> str:
    """A text that depends on no more than the programs do: as it was kept with them, or made now and kept."""
    store = _store_of(spec, data)
    found = None if store is None else store.read(name)
    if found is not None:
        return found.decode()
    text = make()
    if store is not None and store.read(DESCRIPTION) is not None:  # there are programs of the model
        store.write(name, text.encode())
    return text


def _store_of(spec: Mixture, data: Data) -> Store | None:
    """Where the programs of a model are kept; None if the cache is off, or what they depend on not known."""
    folder = cache_folder()
    key = None if folder is None else key_of(spec, data)
    return None if folder is None or key is None else Store(folder, key)


def _read(store: Store, content: bytes | None) -> Outline | None:
    """The outline in a file; None if there is none."""
    if content is None or content == NOT_KEPT:
        return None
    try:
        return Outline.read(content)
    except (ValueError, TypeError, KeyError, AttributeError):
        store.refuse(DESCRIPTION)
        return None


def _outline_of(built: "CompiledModel", spec: Mixture, data: Data, build: Build) -> Outline | None:
    """Outline of a model; None if it cannot be kept, since its arrays are not all known by name."""
    from mixtures.density.lowering import lift, same_form

    twins = twin_of(spec, data)
    rows = list(built.observed().items())
    if twins is None or len(rows) != 1:
        return None
    try:
        twin, (_, observed) = build(*twins), rows[0]
    except InputError:  # few rows, of which others are refused
        return None
    if twin.facts != built.facts or not np.array_equal(
        observed, _rows(spec, data).astype(observed.dtype), equal_nan=data.has_missing
    ):
        return None
    named, named_twins = named_arrays(spec, data), named_arrays(*twins)

    def found(graph: Any, other: Any) -> tuple[Recipe, ...] | None:
        one, two = lift(*graph), lift(*other)
        if not same_form(one.arguments, one.outputs, two.arguments, two.outputs):
            return None
        arrays, others = ([np.asarray(x) for x in lifted.values] for lifted in (one, two))
        return recipes_of(arrays, others, named, named_twins)

    own = found(built.graph, twin.graph)
    unconstrain = found(built.unconstrain_graph, twin.unconstrain_graph)
    if own is None or unconstrain is None:
        return None
    return Outline(model_words(spec), built.facts, own, unconstrain, str(observed.dtype))


def _rows(spec: Mixture, data: Data) -> np.ndarray:
    """What the observed variable of a declared model holds."""
    rows: np.ndarray = data.values[:, spec.family.row_columns(data.n_features)["x"]]
    return rows


class KeptModel(Density):
    """Log density of a declared mixture, its programs read from a store or written there.

    The model is built when a program is missing, unless it was built already.
    """

    def __init__(
        self,
        store: Store,
        outline: Outline,
        spec: Mixture,
        data: Data,
        build: Build,
        built: "CompiledModel | None" = None,
    ) -> None:
        self._store, self._outline, self._spec, self._data, self._build = store, outline, spec, data, build
        self._known = built
        self._lock = RLock()  # the sampler is compiled in a thread beside
        self._functions: dict[str, JaxFunction] = {}
        self._arrays: dict[str, Any] = {}
        self._from_disk: set[str] = set()

    @property
    def facts(self) -> Facts:
        """Names, shapes and dims of the variables."""
        return self._outline.facts

    @property
    def from_cache(self) -> bool:
        """Whether the program of the log density was read from the cache."""
        return "gradient" in self._from_disk

    @property
    def coords(self) -> dict[str, Any]:
        """Labels along every dim of the model."""
        return self._spec.coords_of(self._data)

    def observed(self) -> dict[str, np.ndarray]:
        """The rows."""
        rows = _rows(self._spec, self._data)
        return {self.facts.observed[0]: rows.astype(self._outline.observed)}

    @property
    def built(self) -> "CompiledModel":
        """The same from its PyMC model, which is declared when it is first needed."""
        with self._lock:
            if self._known is None:
                self._known = self._build(self._spec, self._data)
            return self._known

    def objections(self, x: Array) -> list[str]:
        """Why the log density is not finite at a flat vector."""
        return self.built.objections(x)

    def program(self, name: str) -> Program:
        """A compiled function and its arrays, by name."""
        which = "unconstrain" if name in OF_VALUES else "own"
        with self._lock:
            if which not in self._arrays:
                self._arrays[which] = self._prepared(which)
            arrays = self._arrays[which]
        return self._function(
            name, lambda: (self.built.program(name)[0], self._example(name, arrays))
        ), arrays

    def extra(self, name: str, build: Callable[[JaxFunction, Sequence[Any]], tuple[JaxFunction, Any]]) -> Any:
        """A compiled function over the log density that another module builds."""
        return self._function(name, lambda: build(self.built.log_density, self.built.arrays))

    @cached_property
    def _named(self) -> dict[str, np.ndarray]:
        return named_arrays(self._spec, self._data)

    def _prepared(self, which: str) -> Any:
        """Arrays that the programs take, from those that have names, or as the model built here has them."""
        recipes = self._outline.own if which == "own" else self._outline.unconstrain
        values = [recipe.make(self._named) for recipe in recipes]

        def own() -> Program:
            return self.built.own_function if which == "own" else self.built.unconstrain_function

        def make() -> tuple[JaxFunction, Any]:
            from mixtures.density.lowering import preparation_of

            return preparation_of(own()[0]), (_like(values),)

        prepare = self._function(f"prepare-{which}", make)
        if self._known is None:
            return prepare(values)
        # placed as a program places its own: for arrays placed otherwise JAX compiles all again
        return jax.device_put(own()[1], jax.devices()[0])

    def _example(self, name: str, arrays: Any) -> tuple[Any, ...]:
        """Arguments like those of a program, any number of vectors as symbols."""
        like, number = _like(arrays), jax.ShapeDtypeStruct((), float)
        vector, (n, chains, draws) = (self.size,), export.symbolic_shape("n, chains, draws")
        if name in OF_VALUES:
            leading = (chains, draws) if name == "unconstrain_draws" else ()
            values = [
                jax.ShapeDtypeStruct((*leading, *shape), dtype)
                for shape, dtype in zip(self.facts.rv_shapes, self.facts.dtypes, strict=True)
            ]
            return values, like
        if name in ("gradient", "hessian"):
            return jax.ShapeDtypeStruct(vector, float), like, number
        if name == "slopes":
            return jax.ShapeDtypeStruct(vector, float), like
        vectors = jax.ShapeDtypeStruct((n, *vector), float)
        return (vectors, like, number) if name == "densities" else (vectors, like)

    def _function(self, name: str, make: Callable[[], tuple[JaxFunction, Any]]) -> JaxFunction:
        """A program from the store; or else it is made, written, and read as it was written."""
        with self._lock:
            if name not in self._functions:
                self._functions[name] = self._read(name) or self._written(name, *make())
            return self._functions[name]

    def _read(self, name: str) -> JaxFunction | None:
        payload = self._store.read(name)
        if payload is None:
            return None
        try:
            function = loaded(payload)
        except (ValueError, TypeError, AttributeError, IndexError, struct.error):
            self._store.refuse(name)  # it has the right hash, but is not a program
            return None
        self._from_disk.add(name)
        return function

    def _written(self, name: str, function: JaxFunction, example: Any) -> JaxFunction:
        wrapped: Any = function  # by jax.jit
        payload = bytes(export.export(wrapped)(*example).serialize())
        self._store.write(name, payload)
        return loaded(payload)


def _like(arrays: Any) -> list[Any]:
    return [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]


def loaded(payload: bytes) -> JaxFunction:
    """The function of a program; all are discarded when they are many, and those in use compiled again."""
    if _loaded_programs.cache_info().currsize >= PROGRAMS_LOADED:  # type: ignore[attr-defined]
        discard()
    return _loaded_programs(payload)


def _load(payload: bytes) -> JaxFunction:
    return jax.jit(export.deserialize(bytearray(payload)).call)


_loaded_programs = remembered(_load, 2 * PROGRAMS_LOADED)
