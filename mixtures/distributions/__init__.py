"""PyMC distributions of marginalised mixtures, for anyone's model."""

from mixtures.distributions import numba_loading  # noqa: F401 (registers itself)
from mixtures.distributions.bernoulli import BernoulliMixture
from mixtures.distributions.components import declare_rows
from mixtures.distributions.gaussian import GaussianMixture
from mixtures.distributions.inverse_wishart import InverseWishart
from mixtures.distributions.marginal import MarginalMixture

__all__ = ["BernoulliMixture", "GaussianMixture", "InverseWishart", "MarginalMixture", "declare_rows"]
