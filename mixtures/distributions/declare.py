"""Declaration of a mixture as an ordinary PyMC model, hidden clusters summed out."""

from typing import Any

import numpy as np
import pymc as pm

from mixtures.arguments import check_kind
from mixtures.distributions.components import declare_rows
from mixtures.distributions.transforms import Simplex
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.messages import warn

__all__ = ["declare"]


def declare(
    spec: Mixture, X: Any, *, weights: Any = None, missing: str | None = None, labels: Any = None
) -> pm.Model:
    """Declare a mixture as a PyMC model.

    The model has free variables named as the parameters (alpha, mu, Sigma,
    sigma2, p), one observed variable ``x`` whose log-likelihood has one value per
    row, and dims cluster, feature, feature_bis and obs_id. Its log density with
    ``jacobian=False`` is the objective of `fit_em`, normalisers included.

    Parameters
    ----------
    spec : Mixture
        The model; a "default" prior is resolved from the data.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. They enter as a
        potential, so that pointwise log-likelihoods stay those of single rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`: the
        log-likelihood of a row is that of its observed cells. By default they are refused.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: the log-likelihood of a labelled row is its joint log
        density with its cluster.

    Returns
    -------
    pymc.Model
        An ordinary model for ``pm.sample``, ``pm.find_MAP`` and the rest of PyMC. At PyMC's initial point all
        clusters are alike, and ``pm.find_MAP`` stays there, at a saddle: pass ``start=em.params``, or use
        `fit_map`.

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
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    data = spec.table(X, weights, missing, labels)
    spec = resolve(spec, data)
    if unidentified := spec.family.never_identified(spec.n_components, data):
        warn(unidentified, IdentifiabilityWarning)
    with pm.Model(coords=spec.coords_of(data)) as model:
        concentration = np.full(spec.n_components, spec.weight_concentration)
        alpha = pm.Dirichlet(
            "alpha",
            concentration,
            shape=(spec.n_components,),
            dims="cluster",
            default_transform=Simplex(),
        )
        declare_rows(spec.family, data, alpha)
        if data.weights is not None:
            (rows,) = model.observed_RVs
            pm.Potential("weights", ((data.weights - 1) * pm.logp(rows, model.rvs_to_values[rows])).sum())
    return model
