"""Priors of the components, for users who state their own."""

from mixtures.families.blocks import Blocks
from mixtures.families.priors import (
    Beta,
    Dirichlet,
    Gamma,
    NormalInverseGamma,
    NormalInverseWishart,
    Prior,
)

__all__ = ["Beta", "Blocks", "Dirichlet", "Gamma", "NormalInverseGamma", "NormalInverseWishart", "Prior"]
