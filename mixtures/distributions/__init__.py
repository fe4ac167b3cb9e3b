"""Marginalised mixtures as PyMC distributions, for anyone's model."""

from mixtures.distributions import numba_loading  # noqa: F401 (registers itself)
