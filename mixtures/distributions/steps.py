"""Parts of a log density that PyTensor keeps as one operation, each with its gradient as another.

PyTensor's numba backend compiles a function for every operation of a graph, and
that is most of what the first call of ``pm.sample`` waits for. So a part with
many small operations is declared as one `Step`. For numba a step becomes one
`Loop`, written out in `numba_steps`; every other backend gets the graph that defines
the step. In the context `natural_form`, in which graphs for JAX are built, there are no steps.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import pytensor.tensor as pt
from pytensor.compile import optdb
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.rewriting import inline_ofg_node
from pytensor.gradient import DisconnectedType, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.graph.traversal import explicit_graph_inputs

__all__ = ["Loop", "Slopes", "Step", "in_natural_form", "natural_form", "step"]

_natural: ContextVar[bool] = ContextVar("natural", default=False)


@contextmanager
def natural_form() -> Iterator[None]:
    """Let log densities built in this context use the natural form whenever it is accurate enough.

    It is twice as fast on JAX; numba would take minutes to compile both forms.
    """
    token = _natural.set(True)
    try:
        yield
    finally:
        _natural.reset(token)


def in_natural_form() -> bool:
    """Whether graphs are being built in the context `natural_form`."""
    return _natural.get()


class Slopes(OpFromGraph):
    """Gradients of a step by all its inputs, given those by its outputs."""


class Step(OpFromGraph):
    """Part of a log density as one operation; a subclass for each part.

    Attributes
    ----------
    slopes : type of Slopes
        The operation of its gradient; a step that nobody differentiates has none.
    """

    slopes: ClassVar[type[OpFromGraph]] = OpFromGraph

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], output_grads: Sequence[Any]
    ) -> list[Any]:
        """All gradients as one operation."""
        known = [
            pt.zeros_like(out) if isinstance(slope.type, DisconnectedType) else slope
            for out, slope in zip(outputs, output_grads, strict=True)
        ]
        slopes = [t() for t in self.output_types]
        graph = self.fgraph.unfreeze()
        found: Any = grad(
            None,
            list(graph.inputs),
            known_grads=dict(zip(graph.outputs, slopes, strict=True)),
            disconnected_inputs="ignore",
        )
        values: Any = self.slopes([*graph.inputs, *slopes], found)(*inputs, *known, return_list=True)
        return list(values)


def step(kind: type[Step], graph: Callable[..., Any], *inputs: Any) -> Any:
    """Value of a graph of some inputs, as a step of this kind; in `natural_form`, the graph itself."""
    if in_natural_form() or not list(explicit_graph_inputs(inputs)):  # PyTensor computes constants at once
        return graph(*inputs)
    own = [v.type() for v in inputs]
    outputs = graph(*own)
    several = isinstance(outputs, tuple)
    return kind(own, list(outputs) if several else [outputs])(*inputs)


class Loop(Op):
    """A step or its gradient as numba computes it.

    Parameters
    ----------
    graph : Step or Slopes
        The operation that this one replaces.
    """

    __props__ = ("kind",)

    def __init__(self, graph: Step | Slopes) -> None:
        self.kind, self.graph = type(graph), graph

    def make_node(self, *inputs: Any) -> Apply:
        """Types are those of the graph."""
        return Apply(self, list(inputs), [t() for t in self.graph.output_types])

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        """Shapes are those of the graph."""
        return self.graph.infer_shape(node, shapes)

    def do_constant_folding(self, fgraph: Any, node: Apply) -> bool:
        """Never: there is nothing but numba's function."""
        return False

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Only numba computes this."""
        raise NotImplementedError(f"{self.kind.__name__} has a function for numba alone")


@node_rewriter([Step, Slopes])
def as_loop(fgraph: Any, node: Apply) -> list[Variable]:
    """Replace a step for numba."""
    return list(Loop(node.op).make_node(*node.inputs).outputs)


@node_rewriter([Step, Slopes])
def as_graph(fgraph: Any, node: Apply) -> list[Variable]:
    """Replace a step by its graph, and keep what is known of the values."""
    outputs = inline_ofg_node(node)
    for own, new in zip(node.outputs, outputs, strict=True):
        new.tag.lower_triangular = getattr(own.tag, "lower_triangular", False)
    return outputs


optdb.register("mixtures_steps_as_loops", dfs_rewriter(as_loop), "numba", position=-0.03)
optdb.register("mixtures_steps_as_graphs", dfs_rewriter(as_graph), "fast_compile", "fast_run", position=-0.02)
