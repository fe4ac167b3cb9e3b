"""A user's own PyMC model: whether it can be fitted and sampled."""

from typing import Any

import jax
import numpy as np
import pymc as pm
from pymc.data import MinibatchOp
from pymc.variational.minibatch_rv import MinibatchRandomVariable, get_scaling
from pytensor.graph.traversal import ancestors

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import known_value
from mixtures.distributions.marginal import MarginalMixtureRV, as_given, node_of
from mixtures.errors import DataWarning, InputError
from mixtures.messages import counted, warn

__all__ = ["check_model", "compiled_model"]


def check_model(model: pm.Model) -> None:
    """Refuse a model without a smooth density; check its rows, since ``pm.Data`` may have changed."""
    if not model.free_RVs:
        raise InputError("the model has no free variables")
    discrete = [v.name for v in model.free_RVs if not v.dtype.startswith("float")]
    if discrete:
        raise InputError(
            f"free variables {', '.join(discrete)} are discrete, and the search and the samplers follow "
            "slopes: sum them out of the density, or observe them"
        )
    for v in model.observed_RVs:
        given = ancestors([model.rvs_to_values[v]])
        if any(x.owner is not None and isinstance(x.owner.op, MinibatchOp) for x in given):
            raise InputError(
                f"observed '{v.name}' is a minibatch, and the search and the samplers need all rows: give "
                "the whole table, or use pm.fit"
            )
        _tell_of_scale(model, v)
        node = node_of(v)
        if isinstance(node.op, MarginalMixtureRV):
            rows = np.asarray(known_value(as_given(model.rvs_to_values[v])))
            width = node.op.lengths(*node.op.dist_params(node)).get("d", rows.shape[-1])
            if rows.shape[-1] != width:
                raise InputError(
                    f"observed '{v.name}': the rows have {counted(rows.shape[-1], 'column')}, the parameters "
                    f"are of {width}"
                )
            try:
                node.op.check(as_data(rows.reshape(-1, rows.shape[-1]), missing=INTEGRATE))
            except InputError as error:
                raise InputError(f"observed '{v.name}': {error}") from None


def _tell_of_scale(model: pm.Model, v: Any) -> None:
    """Warn of ``total_size``, by which all rows that there are count as more."""
    if not isinstance(v.owner.op, MinibatchRandomVariable):
        return
    rows = np.asarray(known_value(model.rvs_to_values[v]))
    times = float(get_scaling(tuple(v.owner.inputs[1:]), rows.shape).eval())
    if not np.isclose(times, 1):
        warn(
            f"observed '{v.name}': total_size counts every row {times:.3g} times, as in a minibatch, but all "
            "rows are used: intervals, log-likelihoods and LOO are of so many rows. Leave total_size out, "
            "unless this is meant",
            DataWarning,
        )


def compiled_model(model: pm.Model) -> CompiledModel:
    """The log density of a checked model; refused if ``pm.set_data`` left shapes that do not fit together."""
    compiled = CompiledModel(model)
    if model.data_vars:
        point = jax.ShapeDtypeStruct((compiled.size,), float)
        try:
            jax.eval_shape(compiled.log_density, point, compiled.arrays, 0.0)
        except (TypeError, ValueError) as error:
            lengths = ", ".join(f"{v.name} {v.get_value(borrow=True).shape}" for v in model.data_vars)
            raise InputError(
                f"the shapes of the model's data do not fit together ({lengths}): set all data that have a "
                f"value for every row in one pm.set_data ({' '.join(str(error).split())})"
            ) from error
    return compiled
