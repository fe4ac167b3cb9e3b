"""Marginalised mixtures as PyMC distributions, for any model. Importing this package registers them."""

from mixtures.distributions import numba_loading  # noqa: F401 (registers itself)
from mixtures.distributions.bernoulli import BernoulliMixture
from mixtures.distributions.categorical import CategoricalMixture
from mixtures.distributions.gaussian import GaussianMixture
from mixtures.distributions.inverse_wishart import InverseWishart
from mixtures.distributions.mixed import MixedMixture
from mixtures.distributions.poisson import PoissonMixture

__all__ = [
    "BernoulliMixture",
    "CategoricalMixture",
    "GaussianMixture",
    "InverseWishart",
    "MixedMixture",
    "PoissonMixture",
]
