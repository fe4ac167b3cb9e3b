"""Parameters drawn from a concrete prior by NumPy and SciPy: no generator of PyMC's or ours is trusted."""

import numpy as np
from scipy.stats import invwishart

from mixtures.families.covariance import covariance
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Beta, Gamma, NormalInverseGamma, NormalInverseWishart
from mixtures.types import Array


def draw_prior(spec: Mixture, n_features: int, rng: np.random.Generator) -> dict[str, Array]:
    """Draw the parameters of a mixture from its prior.

    Parameters
    ----------
    spec : GMM or BMM
        A model with a concrete prior; "default" would depend on data not yet drawn.
    n_features : int
        Number of features D.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    dict of ndarray
        Parameters by name, in the shapes of ``spec.shapes(n_features)``.
    """
    shapes, prior = spec.shapes(n_features), spec.prior
    alpha = rng.dirichlet(np.full(spec.n_components, spec.weight_concentration))
    match prior:
        case Beta():
            return {"alpha": alpha, "p": rng.beta(prior.alpha, prior.beta, shapes["p"])}
        case Gamma():
            return {
                "alpha": alpha,
                "rate": rng.gamma(prior.alpha, 1 / np.asarray(prior.beta), shapes["rate"]),
            }
        case NormalInverseWishart():
            name, count = "Sigma", int(np.prod(shapes["Sigma"][:-2]))
            scales = invwishart(prior.nu, prior.Psi).rvs(count, random_state=rng)
        case NormalInverseGamma():
            name = "sigma2"
            scales = 1 / rng.gamma(prior.nu / 2, 2 / np.asarray(prior.psi), shapes["sigma2"])
        case _:
            raise TypeError(f"no draws from the prior {prior!r}")
    scales = np.reshape(scales, shapes[name])
    structure = covariance(spec.covariance_type)
    noise = rng.standard_normal((*shapes["mu"], 1)) / np.sqrt(prior.kappa)
    mu = prior.mean + structure.apply(structure.scale(scales, *shapes["mu"]), noise)[..., 0]
    return {"alpha": alpha, "mu": mu, name: scales}
