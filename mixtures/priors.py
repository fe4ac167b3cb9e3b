"""Priors of the components, for users who state their own."""

from mixtures.families.priors import Beta, NormalInverseGamma, NormalInverseWishart, Prior

__all__ = ["Beta", "NormalInverseGamma", "NormalInverseWishart", "Prior"]
