"""The graph of a PyMC model: dependencies of its variables, and their dims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyBboxPatch

from mixtures.arguments import check_kind
from mixtures.plot.style import INK
from mixtures.types import DeferredModule

if TYPE_CHECKING:
    import pymc as pm
else:
    pm = DeferredModule("pymc")

__all__ = ["Node", "draw_nodes", "model_graph", "nodes_of"]

OBSERVED, PLATE = "#d9d9d9", "#8a8f98"
"""Fill of observed variables, and outline of plates."""


WIDE, HIGH = 3.6, 1.75
"""Horizontal and vertical distance of nodes in inches."""


@dataclass(frozen=True)
class Node:
    """A variable of a model.

    Attributes
    ----------
    name, label : str
        Its name, and what is written in its ellipse.
    dims : str
        The dims over which it repeats, in words; empty if it does not.
    free, observed : bool
        Whether it is a parameter, or observed.
    parents : sequence of str
        Names of the variables that it depends on.
    """

    name: str
    label: str
    dims: str
    free: bool
    observed: bool
    parents: Sequence[str]


def nodes_of(model: "pm.Model") -> list[Node]:
    """The variables of a PyMC model."""
    from pymc.model_graph import ModelGraph

    variables = [*model.basic_RVs, *model.data_vars, *model.deterministics, *model.potentials]
    parents: dict[str, set[str]] = {variable.name: set() for variable in variables}
    for child, parent in ModelGraph(model).edges():
        if child in parents and parent in parents:
            parents[str(child)].add(str(parent))
    return [
        Node(
            variable.name,
            _label(variable) if variable in model.basic_RVs else variable.name,
            " × ".join(_sized(model, dim) for dim in model.named_vars_to_dims.get(variable.name, ())),
            variable in model.free_RVs,
            variable in model.observed_RVs,
            sorted(parents[variable.name]),
        )
        for variable in variables
    ]


def model_graph(model: "pm.Model", *, ax: Axes | None = None) -> Axes:
    """Draw a model's variables in plates of their dims, with arrows from the variables they depend on.

    Parameters
    ----------
    model : pymc.Model
        A model, such as `declare` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of the right size by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    References
    ----------
    Koller and Friedman (2009), *Probabilistic Graphical Models*, section 6.4 (plates).

    Examples
    --------
    >>> import mixtures as mx
    >>> ax = mx.plot.model_graph(mx.declare(mx.GMM(2), mx.datasets.faithful()))
    >>> [text.get_text() for text in ax.texts][:2]
    ['alpha ~ Dirichlet', 'cluster (2)']
    """
    check_kind(pm.Model, "a pymc.Model, such as declare returns", model=model)
    return draw_nodes(nodes_of(model), ax)


def draw_nodes(nodes: Sequence[Node], ax: Axes | None = None) -> Axes:
    """Draw the variables of a model, as `model_graph` does."""
    by_name = {node.name: node for node in nodes}
    places = _places({node.name: set(node.parents) for node in nodes})
    extent = np.array(list(places.values())).max(axis=0) + 1
    if ax is None:
        ax = plt.subplots(figsize=(WIDE * extent[0], HIGH * extent[1]), layout="constrained")[1]
    for node in sorted(nodes, key=lambda node: places[node.name]):
        _draw(ax, *places[node.name], node.label, node.dims, node.observed)
    for node in nodes:
        for parent in node.parents:
            _arrow(ax, places[parent], places[node.name], bool(by_name[parent].dims))
    ax.set(xlim=(-0.5, extent[0] - 0.5), ylim=(extent[1] - 0.55, -0.45))
    ax.axis("off")
    return ax


def _label(variable: Any) -> str:
    return f"{variable.name} ~ {type(variable.owner.op).__name__.removesuffix('RV')}"


def _sized(model: "pm.Model", dim: str) -> str:
    """A dim with its length, if the model has it without computation."""
    labels = model.coords.get(dim)
    return dim if labels is None else f"{dim} ({len(labels)})"


def _places(parents: Mapping[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Place every node one row below the lowest of its parents, with rows centred.

    Inner rows are shifted by half a node, so that arrows past them do not cross a node.
    """
    depth: dict[str, int] = {}
    while len(depth) < len(parents):
        for name, above in parents.items():
            if name not in depth and above <= depth.keys():
                depth[name] = 1 + max((depth[parent] for parent in above), default=-1)
    rows = [[name for name in parents if depth[name] == d] for d in range(max(depth.values()) + 1)]
    widest = max(map(len, rows))
    aside = [0.5 * (0 < d < len(rows) - 1 and len(row) == 1) for d, row in enumerate(rows)]
    return {
        name: ((widest - len(row)) / 2 + i + aside[d], float(d))
        for d, row in enumerate(rows)
        for i, name in enumerate(row)
    }


def _draw(ax: Axes, x: float, y: float, label: str, dims: str, observed: bool) -> None:
    if dims:
        corner, style = (x - 0.44, y - 0.36), "round,pad=0,rounding_size=0.05"
        ax.add_patch(FancyBboxPatch(corner, 0.88, 0.72, boxstyle=style, fill=False, ec=PLATE))
    ax.add_patch(Ellipse((x, y - 0.05), 0.8, 0.4, fc=OBSERVED if observed else "white", ec=INK, zorder=3))
    ax.text(x, y - 0.05, label, ha="center", va="center", color=INK, fontsize="small", zorder=4)
    ax.text(x + 0.41, y + 0.33, dims, ha="right", va="bottom", color=INK, fontsize="x-small", zorder=4)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], from_plate: bool) -> None:
    (x0, y0), (x1, y1) = start, end
    bend = 0.0 if y1 - y0 < 1.5 else 0.2 * (1 if x0 >= x1 else -1)
    style = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0, "lw": 1}
    style["connectionstyle"] = f"arc3,rad={bend}"
    ax.annotate("", (x1, y1 - 0.25), (x0, y0 + (0.36 if from_plate else 0.15)), arrowprops=style, zorder=2)
