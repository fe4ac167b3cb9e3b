"""From PyTensor graphs to JAX functions, compiled once for all graphs of one form.

PyTensor writes the graph, JAX compiles and differentiates it. The arrays of a
graph (data, hyperparameters, units) become inputs, so a second graph of the same
form and shapes reuses the program of the first. What depends only on the arrays
is computed once, not at every call.

A process that fits many models of different shapes would keep every program that
it ever compiled. So after ``GRAPHS_KEPT`` graphs all programs are discarded,
together with JAX's own caches.
"""

from collections.abc import Sequence
from threading import RLock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from pymc.logprob.utils import CheckParameterValue
from pytensor.compile.mode import JAX
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.conditional import LazyIfElse
from pytensor.graph.basic import Constant, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.raise_op import Assert, CheckAndRaise
from pytensor.scalar.basic import Log, Log1p
from pytensor.tensor import constant
from pytensor.tensor.special import LogSumExp
from pytensor.tensor.type import TensorType

from mixtures.density.memory import GRAPHS_KEPT, JaxFunction, discard
from mixtures.density.xla import make_ready
from mixtures.errors import InputError
from mixtures.messages import counted

__all__ = [
    "Lifted",
    "compile_graph",
    "forget",
    "keep_checks",
    "known_value",
    "lift",
    "preparation_of",
    "same_form",
]

PREPARED_BYTES = 2**28
"""Size up to which a value that depends only on the arrays is stored, not computed at every call."""


SMALL = 4096
"""Size up to which arrays are packed into one: the cost of a call grows with the number of arguments."""


MINUS_INFINITY_FOR_CHECKS = "local_check_parameter_to_ninf_switch"
"""PyMC's rewrite of the checks of its distributions, applied whenever it compiles a density."""


NEXT_TO_ZERO = 1e-100
"""Replaces 0 where the logarithm is differentiated; its square does not underflow."""


_compiled: list[tuple[list[Variable], list[Variable], JaxFunction, JaxFunction]] = []


_compiling = RLock()


def forget() -> None:
    """Discard every compiled program; those still in use are compiled again, mostly from the disk cache."""
    with _compiling:
        _compiled.clear()
        discard()


class Lifted(NamedTuple):
    """A graph whose arrays have become inputs, after its own; and the arrays."""

    arguments: list[Variable]
    outputs: list[Variable]
    values: list[Any]


def lift(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Lifted:
    """Make the arrays of a graph its inputs."""
    leaves = [v for v in ancestors(outputs) if v not in set(inputs)]
    held = [v for v in leaves if _is_array(v)]
    values = [jnp.asarray(known_value(v)) for v in held]
    lifted = [v.type.clone(shape=x.shape)() for v, x in zip(held, values, strict=True)]
    replace = dict(zip(held, lifted, strict=True))
    replace.update({v: constant(known_value(v)) for v in leaves if _is_form(v)})
    return Lifted([*inputs, *lifted], clone_replace(list(outputs), replace, rebuild_strict=False), values)


def compile_graph(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> tuple[JaxFunction, list[Any]]:
    """Turn a PyTensor graph into a JAX function of its inputs and its arrays.

    Returns
    -------
    function : callable
        ``function(inputs, arrays)`` returns the outputs; the same object for
        graphs that differ only in their arrays.
    arrays : list of jax.Array
        The arrays of this graph, and the values that depend only on them.
    """
    make_ready()
    arguments, outputs, values = lift(inputs, outputs)
    with _compiling:
        for known_arguments, known_outputs, known, prepare in _compiled:
            if same_form(arguments, outputs, known_arguments, known_outputs):
                return known, prepare(values)
        if len(_compiled) >= GRAPHS_KEPT:
            forget()
        function, prepare = _lower(arguments, outputs, len(inputs))
        _compiled.append((arguments, outputs, function, prepare))
    return function, prepare(values)


def preparation_of(function: JaxFunction) -> JaxFunction:
    """The function that turns the arrays of a graph into those that its compiled function takes."""
    with _compiling:
        return next(prepare for _, _, known, prepare in _compiled if known is function)


def _lower(
    arguments: Sequence[Variable], outputs: Sequence[Variable], n_inputs: int
) -> tuple[JaxFunction, JaxFunction]:
    """Return a function of inputs and prepared arrays, and the function that prepares the arrays."""
    graph = FunctionGraph(list(arguments), list(outputs), clone=True)
    mode = JAX.including(MINUS_INFINITY_FOR_CHECKS).excluding("inline_ofg")  # JAX has them
    mode.optimizer.rewrite(graph)
    keep_checks()
    inputs, lifted = graph.inputs[:n_inputs], graph.inputs[n_inputs:]
    prepared = _of_arrays_alone(graph, lifted)
    small = [v for v in prepared if _is_float(v, "bool") and _size(v) <= SMALL]
    large = [v for v in prepared if v not in small]
    jaxified = jax_funcify(FunctionGraph([*inputs, *small, *large], graph.outputs, clone=True))
    preparing = jax_funcify(FunctionGraph(lifted, [*small, *large], clone=True))
    types = [(v.type.shape, v.type.dtype) for v in small]
    ends = np.cumsum([int(np.prod(shape)) for shape, _ in types])[:-1]

    def prepare(values: Sequence[Any]) -> list[Any]:
        arrays = preparing(*values) or ()
        packed = [jnp.ravel(x).astype(float) for x in arrays[: len(small)]]
        return [jnp.concatenate(packed) if packed else jnp.zeros(0), *arrays[len(small) :]]

    def function(inputs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        parts = jnp.split(arrays[0], ends) if small else []
        unpacked = [
            part.reshape(shape).astype(dtype) for part, (shape, dtype) in zip(parts, types, strict=True)
        ]
        return jaxified(*inputs, *unpacked, *arrays[1:])

    return function, jax.jit(prepare)


def _of_arrays_alone(graph: FunctionGraph, lifted: Sequence[Variable]) -> list[Variable]:
    """Variables that depend only on the arrays, each as late in the graph as possible."""
    fixed = dict.fromkeys(lifted)
    for node in graph.toposort():
        known = all(isinstance(v, Constant) or v in fixed for v in node.inputs)
        if known and all(_is_float(v, "bool") and 8 * _size(v) <= PREPARED_BYTES for v in node.outputs):
            fixed.update(dict.fromkeys(node.outputs))
    last = set(graph.outputs)
    for node in graph.apply_nodes:
        if not fixed.keys() >= set(node.outputs):
            last.update(node.inputs)
    return [v for v in fixed if v in last]


def _is_float(v: Variable, *more: str) -> bool:
    """Whether a variable is a float; integers may be shapes, which JAX must know when it compiles."""
    return getattr(v.type, "dtype", None) in ("float64", *more)


def _size(v: Variable) -> float:
    """Static number of entries; infinite if unknown."""
    shape: tuple[Any, ...] = getattr(v.type, "shape", (None,))
    return np.inf if None in shape else float(np.prod(shape))


@jax_funcify.register(LogSumExp)
def jax_log_sum_exp(op: LogSumExp, **_: Any) -> JaxFunction:
    """JAX's logsumexp, whose gradient does not pass through the maximum."""
    return lambda x: jax.scipy.special.logsumexp(x, axis=op.axis)


@jax.custom_jvp
def _log(x: Any) -> Any:
    return jnp.log(x)


@jax.custom_jvp
def _log1p(x: Any) -> Any:
    return jnp.log1p(x)


def _next_to_zero(x: Any) -> Any:
    return jnp.where(x == 0, NEXT_TO_ZERO, x)


_log.defjvps(lambda t, _, x: t / _next_to_zero(x))


_log1p.defjvps(lambda t, _, x: t / _next_to_zero(1 + x))


@jax_funcify.register(Log)
@jax_funcify.register(Log1p)
def jax_log(op: Log | Log1p, **_: Any) -> JaxFunction:
    """JAX's logarithm, but a log 0 on which nothing depends does not make a gradient NaN: 0 / 0 is 0."""
    own, plain = (_log1p, jnp.log1p) if isinstance(op, Log1p) else (_log, jnp.log)
    return lambda x: own(x) if jnp.issubdtype(jnp.result_type(x), jnp.floating) else plain(x)


def jax_check(op: CheckAndRaise, **_: Any) -> JaxFunction:
    """Return NaN in place of a number whose check fails: XLA cannot raise, and a failure must show."""

    def checked(value: Any, *conditions: Any) -> Any:
        if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
            return value  # mostly a shape, which JAX checks
        return jnp.where(jnp.all(jnp.stack([jnp.asarray(c) for c in conditions])), value, jnp.nan)

    return checked


def keep_checks() -> None:
    """Make JAX keep checks, which importing PyMC's own JAX samplers would drop."""
    for op in (CheckAndRaise, Assert, CheckParameterValue):
        jax_funcify.register(op)(jax_check)


@jax_funcify.register(LazyIfElse)
def jax_lazy_if_else(op: LazyIfElse, **kwargs: Any) -> JaxFunction:
    """JAX's cond, without storing what the gradient of the other branch would need."""
    branches = [jax.checkpoint(jax_funcify(branch, **kwargs)) for branch in (op.true_branch, op.false_branch)]
    return lambda condition, *args: jax.lax.cond(condition, *branches, *args)


def known_value(v: Any) -> Any:
    """Value of a variable that depends on no input; constants and shared values are not compiled."""
    if isinstance(v, Constant):
        return v.data
    if not isinstance(v, SharedVariable):
        return v.eval()
    value = v.get_value()
    if (masked := np.ma.getmaskarray(value)).any():  # pm.set_data masks NaN
        first = ", ".join(map(str, np.argwhere(masked)[0]))
        raise InputError(
            f"the data '{v.name}' have {counted(int(masked.sum()), 'missing cell')}, the first at ({first}): "
            "fill them, or give the rows of a mixture as an array, observed=X, whose missing cells are "
            "integrated out"
        )
    return value


def _is_array(v: Variable) -> bool:
    """Whether a leaf holds numbers that may change from fit to fit, not the form of the graph."""
    if isinstance(v, SharedVariable):
        return isinstance(v.type, TensorType) and _is_data(v.get_value(borrow=True))
    return isinstance(v, Constant) and isinstance(v.type, TensorType) and v.type.ndim > 0 and _is_data(v.data)


def _is_form(v: Variable) -> bool:
    """Whether a shared variable holds lengths or choices, which JAX must know when it compiles."""
    return isinstance(v, SharedVariable) and isinstance(v.type, TensorType) and not _is_array(v)


def _is_data(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" or (x.dtype.kind in "iu" and x.ndim > 1)


def same_form(xs: list[Any], x_outputs: list[Any], ys: list[Any], y_outputs: list[Any]) -> bool:
    """Whether two graphs are the same but for their arrays."""
    if (len(xs), len(x_outputs)) != (len(ys), len(y_outputs)):
        return False
    same_types = all(x.type == y.type for x, y in zip(xs, ys, strict=True))
    return same_types and equal_computations(x_outputs, y_outputs, xs, ys)
