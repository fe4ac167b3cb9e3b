"""Parameters drawn from a concrete prior by NumPy and SciPy: no generator of PyMC's or ours is trusted."""

import numpy as np
from scipy.stats import invwishart

from mixtures import BMM, GMM, PMM, Mixed
from mixtures.families.blocks import Blocks
from mixtures.families.covariance import covariance
from mixtures.families.mixture import Mixture
from mixtures.families.priors import Beta, Dirichlet, Gamma, NormalInverseGamma, NormalInverseWishart
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
        case Blocks():
            return {"alpha": alpha} | _draw_blocks(spec, prior, rng)
        case Dirichlet():
            return {"alpha": alpha, "p": _draw_levels(prior, shapes["p"], rng)}
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


def _draw_blocks(spec: Mixture, prior: Blocks, rng: np.random.Generator) -> dict[str, Array]:
    """Parameters of every block of a `Mixed`, each from its own prior."""
    assert isinstance(spec, Mixed)
    k, drawn = spec.n_components, {}
    alone = {
        "gaussian": GMM(k, covariance_type=spec.covariance_type, prior=prior.gaussian),
        "bernoulli": BMM(k, prior=prior.bernoulli),
        "poisson": PMM(k, prior=prior.poisson),
    }
    for kind, block in alone.items():
        if columns := getattr(spec, kind):
            drawn |= draw_prior(block, len(columns), rng)
    if spec.categorical:
        shape = spec.shapes(len(spec.columns))["p_level"]
        drawn["p_level"] = _draw_levels(prior.categorical, shape, rng)
    return {name: drawn[name] for name in spec.dims if name != "alpha"}


def _draw_levels(prior: Dirichlet, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Probabilities (K, D, C) of items that all have C levels."""
    counts = np.broadcast_to(prior.concentration, shape)
    gammas = rng.gamma(counts)
    return gammas / gammas.sum(axis=-1, keepdims=True)
