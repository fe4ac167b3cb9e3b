"""Component families and their mixtures; NumPy and SciPy only. Importing this package registers them."""

from mixtures.families import (  # noqa: F401 (they register themselves, models in this order)
    categorical_questions,
    gaussian_model,
    gaussian_questions,
    mixed_questions,
)
from mixtures.families.bernoulli import BMM, Bernoulli
from mixtures.families.categorical import Categorical
from mixtures.families.gaussian import Gaussian
from mixtures.families.gaussian_model import GMM
from mixtures.families.latent_classes import LCA
from mixtures.families.mixed import MixedColumns
from mixtures.families.mixed_model import Mixed
from mixtures.families.poisson import Poisson
from mixtures.families.poisson_model import PMM

__all__ = [
    "BMM",
    "GMM",
    "LCA",
    "PMM",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "Mixed",
    "MixedColumns",
    "Poisson",
]
