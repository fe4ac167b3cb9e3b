"""A user's own PyMC model: whether it can be fitted and sampled."""

import numpy as np
import pymc as pm

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.density.lowering import known_value
from mixtures.distributions.marginal import MarginalMixtureRV, as_given
from mixtures.errors import InputError

__all__ = ["check_model"]


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
        if isinstance(v.owner.op, MarginalMixtureRV):
            rows = np.asarray(known_value(as_given(model.rvs_to_values[v])))
            try:
                v.owner.op.check(as_data(rows.reshape(-1, rows.shape[-1]), missing=INTEGRATE))
            except InputError as error:
                raise InputError(f"observed '{v.name}': {error}") from None
