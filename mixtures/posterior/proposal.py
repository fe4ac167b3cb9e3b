"""A mixture of multivariate t distributions, one at every mode of a posterior."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

from mixtures.posterior.peaks import Peak
from mixtures.types import Array

__all__ = ["Proposal"]

HEAVY_DF, HEAVY_SHARE = 8.0, 0.1
"""Degrees of freedom of the tails of every component, and their share: they bound the weights of what
the body of the component would miss, such as the long side of a skewed posterior."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A mixture over modes, in unconstrained coordinates.

    Attributes
    ----------
    peaks : tuple of Peak
        The modes; each has a multivariate t with its location and widths.
    weights : ndarray, shape (m,)
        Weights of the modes.
    df : float
        Degrees of freedom of the body of every component; a tenth of it has heavier tails.
    """

    peaks: tuple[Peak, ...]
    weights: Array
    df: float

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draws as vectors (n, size)."""
        z = rng.standard_normal((n, self.peaks[0].x.size))
        df = np.where(rng.random(n) < HEAVY_SHARE, HEAVY_DF, self.df)
        z *= np.sqrt(df / rng.chisquare(df))[:, None]
        chosen = rng.choice(len(self.peaks), size=n, p=self.weights)
        x = np.empty_like(z)
        for i, peak in enumerate(self.peaks):
            x[chosen == i] = peak.x + z[chosen == i] @ peak.widths.T
        return x

    def distances(self, x: Array) -> Array:
        """Squared distances (n, m) of vectors (n, size) from the modes, in each mode's own sds."""
        return np.stack(
            [(np.linalg.solve(peak.widths, (x - peak.x).T) ** 2).sum(axis=0) for peak in self.peaks], axis=1
        )

    def log_components(self, squared: Array) -> Array:
        """Log densities (..., m) of the components at these squared distances."""
        volumes = np.array([np.linalg.slogdet(peak.widths)[1] for peak in self.peaks])
        size = self.peaks[0].x.size
        body = np.log(1 - HEAVY_SHARE) + _log_t(squared, size, self.df)
        tails = np.log(HEAVY_SHARE) + _log_t(squared, size, HEAVY_DF)
        return np.asarray(np.logaddexp(body, tails) - volumes)

    def log_density(self, log_components: Array) -> Array:
        """Log density (...) of the mixture from those of its components (..., m)."""
        return np.asarray(logsumexp(log_components, axis=-1, b=self.weights))

    def shares(self, log_components: Array) -> Array:
        """Probability (..., m) that a vector comes from each component."""
        logs = log_components + np.log(self.weights)
        return np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))


def _log_t(squared: Array, size: int, df: float) -> Array:
    """Log density of a multivariate t of unit scale at these squared distances."""
    normaliser = gammaln((df + size) / 2) - gammaln(df / 2) - size / 2 * np.log(df * np.pi)
    return np.asarray(normaliser - (df + size) / 2 * np.log1p(squared / df))
