"""How a crosscheck is made."""

from dataclasses import dataclass

import numpy as np

from mixtures.posterior.chains import Chains
from mixtures.types import Params

__all__ = ["Plan"]


@dataclass(frozen=True, eq=False)
class Plan:
    """Options of `crosscheck` other than the model and the data, checked.

    Attributes
    ----------
    n_init : int
        Starts of EM, and independent starts of MAP.
    chains : Chains
        Options of sampling.
    rng : numpy.random.Generator
        Source of randomness.
    ci_prob : float
        Probability of the equal-tailed intervals.
    start : dict of ndarray or fit, or None
        One more start of EM.
    methods : tuple of str
        Methods whose standard deviations to compare.
    n_resamples : int
        Replicates of the bootstraps.
    """

    n_init: int
    chains: Chains
    rng: np.random.Generator
    ci_prob: float
    start: Params | None
    methods: tuple[str, ...]
    n_resamples: int
