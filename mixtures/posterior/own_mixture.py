"""The mixture within a user's own model: its parameters in every draw, named as in this package."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.labelled import UNALIGNABLE, anchor, label_state
from mixtures.density.compiled import CompiledModel
from mixtures.distributions.bernoulli import BernoulliMixtureRV
from mixtures.distributions.categorical import CategoricalMixtureRV
from mixtures.distributions.gaussian import DiagonalGaussianMixtureRV, GaussianMixtureRV
from mixtures.distributions.marginal import MarginalMixtureRV, node_of
from mixtures.distributions.poisson import ExposedPoissonMixtureRV, PoissonMixtureRV
from mixtures.families.exposure import COUNTS
from mixtures.posterior.free_variables import draws_of_free, values_at
from mixtures.trees import make_tree

__all__ = ["mixture_within", "names_within"]

PER_FEATURE = ("cluster", "feature")


EXPOSURE = "exposure"
"""Name given to the exposures of a user's own model, which are not a column of its rows."""


NAMES: Mapping[type, Callable[..., dict[str, tuple[Any, tuple[str, ...]]]]] = {
    GaussianMixtureRV: lambda mu, chol: {
        "mu": (mu, PER_FEATURE),
        "Sigma": (chol @ chol.mT, (*PER_FEATURE, "feature_bis")),
    },
    DiagonalGaussianMixtureRV: lambda mu, sd: {"mu": (mu, PER_FEATURE), "sigma2": (sd**2, PER_FEATURE)},
    BernoulliMixtureRV: lambda p: {"p": (p, PER_FEATURE)},
    PoissonMixtureRV: lambda rate: {"rate": (rate, PER_FEATURE)},
    ExposedPoissonMixtureRV: lambda rate, _: {"rate": (rate, ("cluster", COUNTS))},
    CategoricalMixtureRV: lambda p: {"p": (p, (*PER_FEATURE, "category"))},
}
"""What the distributions' parameters are called in the models of this package, with their dims."""


def mixture_within(compiled: CompiledModel, tree: xr.DataTree) -> xr.DataTree | None:
    """Return a sample of the mixture that a user's model has for its rows, with the rows.

    None if the model does not have exactly one such mixture, if its parameters differ between rows, or if the
    labels of the sample cannot be aligned.
    """
    model = compiled.model
    found = [v for v in model.observed_RVs if isinstance(node_of(v).op, MarginalMixtureRV)]
    if len(found) != 1 or label_state(tree)[0] == UNALIGNABLE:
        return None
    (rv,) = found
    node, rows = node_of(rv), compiled.observed()[rv.name]
    op = node.op
    params = op.shared(op.dist_params(node))
    if type(op) not in NAMES or params is None or rows.ndim != 2:
        return None
    alpha, *theta = params
    graphs = {"alpha": (alpha, ("cluster",)), **NAMES[type(op)](*theta)}
    free = draws_of_free(compiled, tree)
    values = values_at(compiled, free, [graph for graph, _ in graphs.values()])
    draws = dict(zip(graphs, values, strict=True))
    dims = {name: own for name, (_, own) in graphs.items()} | {"x": ("obs_id", "feature")}
    named, columns = [*map(compiled.coords.get, compiled.dims.get(rv.name, ())), None, None][:2]
    if columns is None:
        per_cluster = _labels_per_cluster(compiled, draws["alpha"].shape[-1], rows.shape[1])
        columns = [f"x{j}" for j in range(rows.shape[1])] if per_cluster is None else per_cluster[1]
    features = tuple(map(str, columns))
    coords: dict[str, Any] = {"feature": features, "feature_bis": features}
    coords |= {} if named is None else {"obs_id": named}
    known: dict[str, Any] = {} if op.labels is None else {"labels": ("obs_id", np.asarray(op.labels.values))}
    if isinstance(op, ExposedPoissonMixtureRV):
        exposure = _known_exposure(compiled, free, theta[-1], len(rows))
        if exposure is None:
            return None
        name = EXPOSURE if EXPOSURE not in features else f"{EXPOSURE} of the row"
        dims["x"] = ("obs_id", COUNTS)
        coords |= {"feature": (*features, name), COUNTS: features}
        known["exposure"] = xr.Variable("obs_id", exposure, {"feature": name})
    made = make_tree({"posterior": draws, "observed_data": {"x": rows}}, dims, coords)
    if known:
        made["constant_data"] = xr.DataTree(xr.Dataset(known))
    return made if op.labels is None else anchor(made, op.labels.clusters)


def names_within(compiled: CompiledModel, mixture: xr.DataTree, tree: xr.DataTree) -> tuple[str, ...] | None:
    """Names that a user's model has for the clusters of its mixture, in the order of its sample.

    They are the labels of the dim of the clusters; None if these are numbers, or the dim has none.
    """
    k, d = (mixture["posterior"].sizes[dim] for dim in ("cluster", "feature"))
    labels = tree["sample_stats"].coords.get("cluster") if "permutation" in tree["sample_stats"] else None
    found = None if labels is None else labels.values.tolist()
    if labels is None and (per_cluster := _labels_per_cluster(compiled, k, d)):  # its labels are fixed
        found = list(per_cluster[0])
    if (
        found is None
        or len(set(found)) < k
        or not all(isinstance(name, str) and name.strip() for name in found)
    ):
        return None
    return tuple(map(str, found))


def _known_exposure(compiled: CompiledModel, free: Mapping[str, Any], graph: Any, n_rows: int) -> Any:
    """Exposure (n,) of every row; None if it is not the same in every draw, as where it is estimated."""
    some = {name: x[:1, :2] for name, x in free.items()}
    (first, *others) = values_at(compiled, some, [graph])[0][0]
    return None if any((other != first).any() for other in others) else np.broadcast_to(first, (n_rows,))


def _labels_per_cluster(compiled: CompiledModel, k: int, d: int) -> list[Any] | None:
    """Labels of the clusters and of the columns, if a variable has a row for every cluster."""
    for dims in compiled.dims.values():
        labels = [compiled.coords.get(dim) for dim in dims[:2]]
        if [None if own is None else len(own) for own in labels] == [k, d]:
            return labels
    return None
