"""Component families and the mixtures made of them; NumPy and SciPy only."""

from mixtures.families.bernoulli import BMM, Bernoulli
from mixtures.families.gaussian import GMM, Gaussian
from mixtures.families.mixture import Family, Mixture, Params
from mixtures.families.resolving import recognise, recognise_mixture, resolve

__all__ = [
    "BMM",
    "GMM",
    "Bernoulli",
    "Family",
    "Gaussian",
    "Mixture",
    "Params",
    "recognise",
    "recognise_mixture",
    "resolve",
]
