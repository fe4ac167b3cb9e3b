"""A fit as scikit-learn's own Gaussian mixture."""

from typing import TYPE_CHECKING

import numpy as np

from mixtures.arguments import check_kind
from mixtures.data.matching import has_names
from mixtures.errors import InputError
from mixtures.families.covariance import Dense
from mixtures.families.gaussian_model import GMM
from mixtures.results.em import EMFit
from mixtures.types import DeferredModule

if TYPE_CHECKING:
    from sklearn import mixture
else:
    mixture = DeferredModule("sklearn.mixture")

__all__ = ["to_sklearn"]

STRUCTURES = {"tied_diag": "diag", "tied_spherical": "spherical"}
"""Covariance structures that scikit-learn lacks, and those of which they are special cases."""


def to_sklearn(em: EMFit) -> "mixture.GaussianMixture":
    """Make a fitted `sklearn.mixture.GaussianMixture` of a fit.

    Its ``predict_proba`` and ``score_samples`` are those of the fit, up to rounding. It can be used,
    saved or deployed where this package is not installed.

    Parameters
    ----------
    em : EMFit
        What `fit_em` returned for a `GMM`.

    Returns
    -------
    sklearn.mixture.GaussianMixture
        A fitted estimator. scikit-learn has no "tied_diag" and "tied_spherical": they become "diag"
        and "spherical" with equal variances, for which its ``bic`` and ``aic`` count more parameters
        than the fit has. Fitted anew, it starts from here and has no prior.

    Raises
    ------
    InputError
        If the fit is of another family.

    See Also
    --------
    MixtureClusterer : A model of this package as an estimator, fitted by `fit_em`.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2, prior=None), X, random_seed=1)
    >>> gaussian = mx.to_sklearn(em)
    >>> round(gaussian.score(X) * len(X), 4)
    -1130.264
    """
    check_kind(EMFit, "what fit_em returned", em=em)
    if not isinstance(em.spec, GMM):
        raise InputError(
            f"em is a fit of a {type(em.spec).__name__}, and scikit-learn has mixtures of Gaussians only; "
            "MixtureClusterer(spec) makes an estimator of any model"
        )
    from sklearn.mixture import GaussianMixture

    structure, mu = em.spec.family.covariance, em.params["mu"]
    k, d = mu.shape
    kind = STRUCTURES.get(structure.name, structure.name)
    shape = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[kind]
    covariances = np.broadcast_to(em.params[structure.parameter], shape).copy()
    if isinstance(structure, Dense):
        roots = np.linalg.inv(np.linalg.cholesky(covariances)).mT
        precisions = roots @ roots.mT
    else:
        roots = 1 / np.sqrt(covariances)
        precisions = roots**2
    found = GaussianMixture(
        k,
        covariance_type=kind,
        weights_init=em.params["alpha"],
        means_init=mu,
        precisions_init=precisions,
    )
    found.weights_, found.means_, found.covariances_ = em.params["alpha"].copy(), mu.copy(), covariances
    found.precisions_cholesky_, found.precisions_ = roots, precisions
    found.converged_, found.n_iter_, found.n_features_in_ = em.converged, em.n_iter, d
    if has_names(em.features):
        found.feature_names_in_ = np.array(em.features, dtype=object)
    return found
