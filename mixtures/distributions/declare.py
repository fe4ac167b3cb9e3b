"""Declaration of a mixture as an ordinary PyMC model, hidden clusters summed out."""

from typing import Any

import numpy as np
import pymc as pm

from mixtures.arguments import check_kind
from mixtures.data.reading import as_data
from mixtures.distributions.components import declare_rows
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.messages import warn

__all__ = ["declare"]


def declare(spec: Mixture, X: Any, *, weights: Any = None) -> pm.Model:
    """Declare a mixture as a PyMC model.

    The model has free variables named as the parameters (alpha, mu, Sigma,
    sigma2, p), one observed variable ``x`` whose log-likelihood has one value per
    row, and dims cluster, feature, feature_bis and obs_id. Its log density with
    ``jacobian=False`` is the objective of `fit_em`, normalisers included.

    Parameters
    ----------
    spec : GMM or BMM
        The model; a "default" prior is resolved from the data.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. They enter as a
        potential, so that pointwise log-likelihoods stay those of single rows.

    Returns
    -------
    pymc.Model
        An ordinary model for ``pm.sample``, ``pm.find_MAP`` and the rest of PyMC.

    Raises
    ------
    InputError
        If the data cannot be modelled.

    Warns
    -----
    IdentifiabilityWarning
        If no data of this shape identify the parameters, such as one coin flip per
        row; it says what they do identify. `crosscheck` also checks this at the fit.

    Examples
    --------
    >>> import mixtures as mx
    >>> model = mx.declare(mx.GMM(2), mx.datasets.faithful())
    >>> [variable.name for variable in model.free_RVs]
    ['alpha', 'Sigma', 'mu']
    """
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    data = spec.ordered(as_data(X, weights), X)
    spec = resolve(spec, data)
    if unidentified := spec.family.never_identified(spec.n_components, data):
        warn(unidentified, IdentifiabilityWarning)
    coords = {
        "cluster": np.arange(spec.n_components),
        "feature": list(data.features),
        "feature_bis": list(data.features),
        "obs_id": data.obs_id,
    }
    with pm.Model(coords=coords) as model:
        concentration = np.full(spec.n_components, spec.weight_concentration)
        alpha = pm.Dirichlet("alpha", concentration, shape=(spec.n_components,), dims="cluster")
        declare_rows(spec.family, data, alpha)
        if data.weights is not None:
            (rows,) = model.observed_RVs
            pm.Potential("weights", ((data.weights - 1) * pm.logp(rows, model.rvs_to_values[rows])).sum())
    return model
