"""A model made ready: checked data, resolved prior, compiled density."""

import warnings
from typing import Any

import numpy as np
import pymc as pm

from mixtures.arguments import check_kind
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.density.lowering import known_value
from mixtures.distributions.declare import declare
from mixtures.distributions.marginal import MarginalMixtureRV, as_given
from mixtures.errors import IdentifiabilityWarning, InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve

__all__ = ["check_observed", "model_dims", "prepare"]

WORTH_A_TWIN = 2000
"""Rows that a twin must save, to be worth compiling."""


Prepared = tuple[pm.Model, pm.Model | None, Mixture | None, Data | None]
"""A model; its twin over distinct rows, if rows repeat; the specification and data, unless it is a user's."""


def prepare(spec: Mixture | pm.Model, X: Any, weights: Any = None) -> Prepared:
    """Model of a specification and its data, or a user's own model as it is."""
    if isinstance(spec, pm.Model):
        if X is not None or weights is not None:
            raise InputError("a pymc.Model brings its own data; leave X and weights out")
        if not spec.free_RVs:
            raise InputError("the model has no free variables")
        discrete = [v.name for v in spec.free_RVs if not v.dtype.startswith("float")]
        if discrete:
            raise InputError(
                f"free variables {', '.join(discrete)} are discrete, and the search and the samplers follow "
                "slopes: sum them out of the density, or observe them"
            )
        check_observed(spec)
        return spec, None, None, None
    if X is None:
        raise InputError("X is missing: pass the data, an array or frame of shape (n, D)")
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    data = spec.ordered(as_data(X, weights), X)
    resolved = resolve(spec, data)
    model, distinct = declare(resolved, data), data.compressed
    if data.n_rows - distinct.n_rows < WORTH_A_TWIN:
        return model, None, resolved, data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)  # said of the model itself
        return model, declare(resolved, distinct), resolved, data


def model_dims(model: pm.Model) -> dict[str, tuple[str, ...]]:
    """Dims of every named variable that has them."""
    named = [*model.free_RVs, *model.deterministics, *model.observed_RVs]
    dims = {v.name: model.named_vars_to_dims.get(v.name, ()) for v in named}
    return {name: tuple(d) for name, d in dims.items() if d and None not in d}


def check_observed(model: pm.Model) -> None:
    """Check the rows of a model's mixtures once more: ``pm.Data`` may hold anything by now."""
    for v in model.observed_RVs:
        if isinstance(v.owner.op, MarginalMixtureRV):
            rows = np.asarray(known_value(as_given(model.rvs_to_values[v])))
            try:
                v.owner.op.check(as_data(rows.reshape(-1, rows.shape[-1])))
            except InputError as error:
                raise InputError(f"observed '{v.name}': {error}") from None
