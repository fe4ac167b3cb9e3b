"""The Gaussian mixture model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from mixtures.families.covariance import COVARIANCES, covariance
from mixtures.families.gaussian import Gaussian
from mixtures.families.mixture import Mixture

__all__ = ["GMM"]


@dataclass(frozen=True)
class GMM(Mixture):
    r"""Gaussian mixture model, ``x ~ sum_k alpha_k N(mu_k, Sigma_k)``.

    Parameters
    ----------
    n_components : int
        Number of clusters K.
    covariance_type : str, default "full"
        "full": Sigma (K, D, D); "tied": one Sigma (D, D); "diag": sigma2 (K, D);
        "spherical": sigma2 (K,); "tied_diag": sigma2 (D,); "tied_spherical": one
        sigma2. mclust calls them VVV, EEE, VVI, VII, EEI and EII.
    prior : {"default"}, None, NormalInverseWishart or NormalInverseGamma
        "default" follows Fraley and Raftery (2007), resolved from the data: mean
        of the columns, kappa = 0.01, nu = D + 2 (3 for variances), scale =
        covariance / K^(2/D). None is flat: the mode is the maximum likelihood
        estimate. NormalInverseWishart goes with full and tied,
        NormalInverseGamma with the others.
    weight_concentration : float, default 1.0
        Concentration of the symmetric Dirichlet prior on alpha.

    Raises
    ------
    InputError
        If K < 1, the structure is unknown, or the prior does not go with it.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.2;
    Fraley and Raftery (2007), *Journal of Classification* 24, 155-181.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.GMM(2, covariance_type="tied")
    GMM(n_components=2, prior='default', weight_concentration=1.0, covariance_type='tied')
    """

    covariance_type: str = "full"

    @classmethod
    def variants(cls) -> Iterator[Self]:
        """One specification for every covariance structure."""
        return (cls(1, covariance_type=name) for name in COVARIANCES)

    @property
    def family(self) -> Gaussian:
        """Gaussian components with this covariance structure and prior."""
        return Gaussian(covariance(self.covariance_type), self.prior)
