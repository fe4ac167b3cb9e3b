"""Priors of the components, to state one's own."""

from mixtures.families.priors import Beta, NormalInverseGamma, NormalInverseWishart, Prior

__all__ = ["Beta", "NormalInverseGamma", "NormalInverseWishart", "Prior"]
