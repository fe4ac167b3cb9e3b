"""The mixtures in a model, of this package and PyMC's own, as symbolic functions of its variables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.mixture import MixtureRV
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.random.op import RandomVariable

from mixtures.distributions.marginal import MarginalMixtureRV, as_given, node_of
from mixtures.distributions.missing import Cells, cells_of

__all__ = ["cluster_axes", "dim_of_clusters", "labelled_clusters", "log_joint", "mixtures_of"]


def mixtures_of(model: pm.Model) -> list[Any]:
    """Variables of a model that are mixtures of components of one kind.

    A ``pm.Mixture`` of different distributions, such as a zero-inflated one, has no clusters that
    could exchange labels.
    """
    return [v for v in model.basic_RVs if isinstance(node_of(v).op, MarginalMixtureRV) or _components(v)]


def cluster_axes(rows: Any) -> list[tuple[Any, int]]:
    """Symbolic parameters of a mixture, each with its axis of clusters, counted from the end.

    A parameter of a ``pm.Mixture`` that all clusters share may lack that axis, or have length 1 there.
    """
    node = node_of(rows)
    if isinstance(node.op, MarginalMixtureRV):
        own = zip(node.op.dist_params(node), node.op.ndims_params, strict=True)
        return [(x, -core) for x, core in own if core]  # without core axes it is of the row, as an exposure
    parts = [_parameters(each) for each in _components(rows)]
    if len(parts) == 1:
        found = [(x, -1 - core) for x, core in parts[0]]
    else:
        found = [
            (pt.stack(pt.broadcast_arrays(*(x for x, _ in own)), axis=-1 - own[0][1]), -1 - own[0][1])
            for own in zip(*parts, strict=True)
        ]
    return [(_weights(node), -1), *found]


def dim_of_clusters(model: pm.Model, rows: Any) -> str | None:
    """Name that the model has for a mixture's clusters: the last dim of its weights, if it is named."""
    weights = _weights(node_of(rows))
    while weights.owner is not None and isinstance(weights.owner.op, DimShuffle) and weights.name is None:
        weights = weights.owner.inputs[0]
    dims = model.named_vars_to_dims.get(weights.name, ())
    return str(dims[-1]) if dims and model.named_vars[weights.name] is weights else None


def labelled_clusters(rows: Any) -> Sequence[int]:
    """Clusters of a mixture that have a row with a known label."""
    op = rows.owner.op
    return () if getattr(op, "labels", None) is None else op.labels.clusters.tolist()


def log_joint(model: pm.Model, rows: Any, *, by_labels: bool = True) -> Any:
    """Symbolic log density of every observed row with each cluster, the clusters along the last axis.

    In PyMC's own mixtures, the components' densities are PyMC's. A row with a known label has none with
    other clusters, unless ``by_labels`` is False.
    """
    node, value = node_of(rows), model.rvs_to_values[rows]
    if isinstance(node.op, MarginalMixtureRV):
        joint, labels = _joint_of_rows(node.op, as_given(value), node.op.dist_params(node)), node.op.labels
        if labels is None or not by_labels:
            return joint
        z = labels.variable[:, None]
        return pt.switch(pt.lt(z, 0) | pt.eq(z, pt.arange(joint.shape[-1])), joint, -np.inf)
    components = _components(rows)
    if len(components) == 1:
        (one,) = components
        each = pm.logp(one, pt.expand_dims(value, -1 - one.owner.op.ndim_supp))
    else:
        each = pt.stack([pm.logp(one, value) for one in components], axis=-1)
    return pt.log(_weights(node)) + each


def _weights(node: Any) -> Any:
    return node.inputs[1]  # after the random generator


def _components(rows: Any) -> list[Any]:
    """Components of a ``pm.Mixture`` of one kind: a single one with an axis of clusters, or a list."""
    node = node_of(rows)
    if not isinstance(node.op, MixtureRV):
        return []
    components = list(node.inputs[2:])
    return components if len({_kind(each) for each in components}) == 1 and _kind(components[0]) else []


def _kind(component: Any) -> Any:
    """What the distribution of a component is, also within, as of a zero-inflated one; None if not known."""
    op = component.owner.op
    if not hasattr(op, "dist_params"):
        return None
    within = tuple(_kind(x) for x in op.dist_params(component.owner) if _is_distribution(x))
    return None if None in within else (type(op), component.type.ndim, within)


def _parameters(component: Any) -> list[tuple[Any, int]]:
    """Parameters of a component, and of distributions within it, each with its number of core axes."""
    op = component.owner.op
    found: list[tuple[Any, int]] = []
    for x, core in zip(op.dist_params(component.owner), op.ndims_params, strict=True):
        found += _parameters(x) if _is_distribution(x) else [(x, core)]
    return found


def _is_distribution(x: Any) -> bool:
    """Whether a parameter is itself a distribution, not a variable of the model: these have names."""
    random = (RandomVariable, SymbolicRandomVariable)
    return x.name is None and x.owner is not None and isinstance(x.owner.op, random)


def _joint_of_rows(op: MarginalMixtureRV, x: Any, params: Sequence[Any]) -> Any:
    """Log Pr(x_i, z_i = k), shape (..., K), of rows whose parameters may vary."""
    value, cells = cells_of(x)
    shared = op.shared(params)
    if shared is not None and value.ndim == 2:
        return op.log_joint(value, *shared, cells=cells).T

    def of_row(x: Any, seen: Any, *theta: Any) -> Any:
        own = None if cells is None else Cells(seen[None, :], None)
        return op.log_joint(x[None, :], *theta, cells=own)[:, 0]

    inputs, _output = op.signature.split("->")
    seen = pt.ones_like(value, dtype=bool) if cells is None else cells.seen
    return pt.vectorize(of_row, signature=f"(d),(d),{inputs}->(k)")(value, seen, *params)
