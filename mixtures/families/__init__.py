"""Component families and the mixtures made of them; NumPy and SciPy only. Importing it registers them all."""

from mixtures.families.bernoulli import BMM, Bernoulli
from mixtures.families.gaussian import GMM, Gaussian

__all__ = ["BMM", "GMM", "Bernoulli", "Gaussian"]
