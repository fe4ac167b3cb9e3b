"""Second moments of the features within and between clusters, which Newton's method needs.

With ``L = eta Phi`` and ``S = r Phi'`` the derivative of S in eta is
``C_kl = sum_i w_i (r_ik [k = l] - r_ik r_il) phi_i phi_i'``, the information that is
missing because the clusters are hidden. Its rows of blocks add up to zero, so the blocks
on the diagonal follow from those off it, without cancellation.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from mixtures.em.estep import EStep
from mixtures.families.family import ExponentialFamily
from mixtures.types import Array

__all__ = ["Curvature", "Moments", "Products", "pair_weights", "symmetric_products"]

TINY = float(np.finfo(float).tiny)
"""Used as a divisor instead of 0."""


PRODUCTS_A_WEIGHT = 30
"""Largest number of distinct products per row of weights for which each product is computed only once; with
more, memory is slower than arithmetic (measured for 2 to 10 clusters and 3 to 251 features)."""


@dataclass(frozen=True, eq=False)
class Curvature:
    """An E-step with the second moments of the features, where no cell is missing.

    Attributes
    ----------
    passed : EStep
        What the E-step itself finds.
    complete : ndarray, shape (K, P, P)
        ``sum_i w_i r_ik phi_i phi_i'``.
    missing : ndarray, shape (K, P, K, P)
        The derivative of the sums ``S (K, P)`` in ``eta (K, P)``.
    """

    passed: EStep
    complete: Array
    missing: Array

    @property
    def sums(self) -> Array:
        """``S = r phi'`` (K, P)."""
        return self.complete[:, 0]

    def tilted(self, slopes: Array) -> Array:
        """Sums (q, K, P) of rows whose weights are multiplied by their scores along ``slopes (q, K, P)``."""
        return (slopes.swapaxes(0, 1) @ self.complete).swapaxes(0, 1)

    def changed(self, slopes: Array) -> Array:
        """Changes (q, K, P) of the sums as the natural parameters change along ``slopes (q, K, P)``."""
        flat = slopes.reshape(len(slopes), -1)
        return (flat @ self.missing.reshape(flat.shape[1], -1)).reshape(slopes.shape)

    @property
    def spread(self) -> Array:
        """``sum_i w_i r_ik phi_i^2`` about the mean (K, P).

        Of a feature that is 0 in all rows, as a level that nobody has, the number of rows: any change
        of its sums serves.
        """
        count, squares = self.sums[:, :1], np.diagonal(self.complete, axis1=1, axis2=2)
        return np.where(squares > 0, squares - self.sums**2 / np.maximum(count, TINY), count)


@dataclass(frozen=True, eq=False)
class Moments:
    """Log-likelihood without the term of ``h(x)``, and second moments under pairs of clusters.

    Attributes
    ----------
    within : ndarray, shape (K, P, P)
        ``sum_i w_i r_ik phi_i phi_i'``, the sums S in its first row.
    between : ndarray, shape (K (K - 1) / 2, P, P)
        ``sum_i w_i r_ik r_il phi_i phi_i'`` for k < l.
    log_likelihood : float
        Log-likelihood.
    lowest : float
        Smallest log-likelihood of a row, up to the constant log K.
    """

    within: Array
    between: Array
    log_likelihood: float
    lowest: float

    def __add__(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows."""
        return Moments(
            self.within + other.within,
            self.between + other.between,
            self.log_likelihood + other.log_likelihood,
            min(self.lowest, other.lowest),
        )

    @property
    def features(self) -> Array:
        """``S = r phi'`` (K, P): the first feature is the constant."""
        return self.within[:, 0]

    @property
    def missing(self) -> Array:
        """C, shape (K, P, K, P)."""
        k, p, _ = self.within.shape
        C = np.zeros((k, p, k, p))
        for (a, b), between in zip(combinations(range(k), 2), self.between, strict=True):
            C[a, :, b] = C[b, :, a] = -between
            C[a, :, a] += between
            C[b, :, b] += between
        return C


@dataclass(frozen=True)
class Products:
    """How second moments of the features are summed.

    Where features are monomials, many of their products are equal. If few are
    distinct, each is computed once and one matrix product serves all weights;
    otherwise every row of weights has a symmetric product of its own.

    Attributes
    ----------
    family : ExponentialFamily
        Whose features.
    n_components, n_features : int
        Clusters K and columns D.
    """

    family: ExponentialFamily
    n_components: int
    n_features: int

    @property
    def n_weights(self) -> int:
        """Rows of weights: of every cluster, and of every pair of them."""
        return self.n_components * (self.n_components + 1) // 2

    @cached_property
    def runs(self) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
        """Distinct products as (feature, other features), and the position of every pair in them (P, P)."""
        points = np.random.default_rng(0).uniform(1, 2, (self.n_features, 3))  # where no two agree by chance
        phi = self.family.features(points)
        i, j = np.triu_indices(len(phi))
        _, first, which = np.unique(
            np.round(phi[i] * phi[j], 9), axis=0, return_index=True, return_inverse=True
        )
        order = np.argsort(first)
        made, place = first[order], np.empty((len(phi), len(phi)), dtype=int)
        place[i, j] = place[j, i] = np.argsort(order)[which.ravel()]
        return [(a, j[made][i[made] == a]) for a in np.unique(i[made])], place

    @cached_property
    def n_distinct(self) -> int | None:
        """Number of distinct products; None if they are too many for one matrix product."""
        if not self.family.monomial:
            return None
        p = len(self.family.features(np.zeros((self.n_features, 1))))
        most = PRODUCTS_A_WEIGHT * self.n_weights
        distinct = int(self.runs[1].max()) + 1 if p <= most else p  # there are no fewer than features
        return distinct if distinct <= most else None

    def sums(self, phi: Array, weights: Array) -> Array:
        """``sum_i v_ai phi_i phi_i'`` (A, P, P) of features (P, n) for each row of weights (A, n)."""
        if self.n_distinct is None:
            return symmetric_products(phi, weights)
        runs, place = self.runs
        made = np.empty((self.n_distinct, phi.shape[1]))
        begin = 0
        for a, others in runs:
            np.multiply(phi[a], phi[others], out=made[begin : begin + len(others)])
            begin += len(others)
        return np.asarray((weights @ made.T)[:, place])


def symmetric_products(phi: Array, weights: Array) -> Array:
    """``sum_i v_ai phi_i phi_i'`` (A, P, P) of features (P, n), a product for each row of weights (A, n)."""
    scaled = np.empty_like(phi)
    out = np.empty((len(weights), len(phi), len(phi)))
    for root, total in zip(np.sqrt(weights), out, strict=True):
        np.multiply(phi, root, out=scaled)
        np.matmul(scaled, scaled.T, out=total)  # half the work of two different factors
    return out


def pair_weights(r: Array, w: Array | None, out: Array) -> Array:
    """Weights (A, n) of clusters and of pairs, from responsibilities times the weights of the rows."""
    k = len(r)
    out[:k] = r
    begin = k
    for a in range(k - 1):
        np.multiply(r[a], r[a + 1 :], out=out[begin : begin + k - a - 1])
        begin += k - a - 1
    if w is not None:
        out[k:] *= np.divide(1, w, out=np.zeros(len(w)), where=w > 0)
    return out
