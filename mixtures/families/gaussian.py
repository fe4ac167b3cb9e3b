"""Gaussian components with one of the covariance structures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.columns import check_pairs, check_sizes, check_spread
from mixtures.families.covariance import Dense
from mixtures.families.family import ExponentialFamily
from mixtures.families.forms import DenseForm, IndependentForm, ObservedForm
from mixtures.families.memo import MemoParams, memoised
from mixtures.families.moments import moments_of
from mixtures.families.observed import (
    Factored,
    conditional_moments,
    drawn_cells,
    observed_log_density,
    observed_statistics,
)
from mixtures.families.parameters import Parameter
from mixtures.families.statistics import GaussianStatistics, statistics_of
from mixtures.families.structure import LOG_2PI, Covariance
from mixtures.families.supports import REAL
from mixtures.messages import Cluster, Option, columns_are, them, worded
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["Gaussian"]

SCALE, INVERSE = "scale", "inverse of the scale"
"""What is kept of parameters: see `memoised`."""


@dataclass(frozen=True, eq=False)
class Gaussian(ExponentialFamily):
    """Multivariate normal components ``N(x | mu_k, Sigma_k)``.

    phi(x) = [1, x, upper(x x')], or [1, x, x^2] without covariances between features.
    """

    flat_is_proper = False
    takes_missing = True

    covariance: Covariance
    prior: Any = "default"

    def __post_init__(self) -> None:
        """Refuse a prior that does not go with the covariance structure."""
        expected = self.covariance.prior_type
        if not (self.prior is None or isinstance(self.prior, expected) or str(self.prior) == "default"):
            raise InputError(
                worded(
                    f"prior {self.prior!r} does not go with ",
                    Option("covariance_type", self.covariance.name),
                    f"; use 'default', None or {expected.__name__}",
                )
            )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Means, and covariances in the form of their structure: Sigma or sigma2."""
        structure = self.covariance
        means = Parameter("mu", ("cluster", "feature"), REAL)
        return means, Parameter(structure.parameter, structure.dims, structure.support)

    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse constant columns and, where features covary, linearly dependent ones."""
        stated = self.prior is not None and self.prior != "default"
        few = data.n_rows <= data.n_features  # then they are dependent
        moments = moments_of(self.covariance, data)
        check_spread(data, moments.mean[0], moments.variance)
        if isinstance(self.covariance, Dense):
            check_pairs(data)
        if stated or not isinstance(self.covariance, Dense):
            return ()
        places = list(range(data.n_features)) if few else self.covariance.dependent(moments.scatter[0])
        if len(places):
            dependent = columns_are([data.features[d] for d in places])
            raise InputError(
                worded(
                    f"{dependent} linearly dependent in these {data.n_rows} rows, so their covariance is "
                    "singular; drop one, use ",
                    Option("covariance_type", "diag", "covariance_type='diag' (--covariance diag)"),
                    ", or state a prior",
                )
            )
        return ()

    def check_rows(self, data: Data) -> None:
        """Refuse cells whose squares overflow."""
        check_sizes(data)

    def resolve(self, data: Rows, n_components: int) -> Self:
        """Default prior after Fraley and Raftery (2007), from the mean and covariance (ddof 1)."""
        if self.prior is None:
            return self
        if not isinstance(self.prior, str):
            own = self.prior.for_columns(data.features)
            return replace(self, prior=self.covariance.check_prior(own, data.n_features))
        moments = moments_of(self.covariance, data)
        fewest = moments.rows[0] - 1
        if not (fewest > 0).all():
            seldom = [data.features[d] for d in np.flatnonzero(~(fewest > 0))]
            raise InputError(
                f"{columns_are(seldom)} observed in a single row, which has no variance; drop "
                f"{them(seldom)}, or state a prior"
            )
        prior = self.covariance.default_prior(moments.mean[0], moments.scatter[0] / fewest, n_components)
        return replace(self, prior=self.covariance.check_prior(prior, data.n_features))

    def for_mode(self) -> Self:
        """Every proper prior of a Gaussian has a mode."""
        return self

    def units(self, data: Rows) -> tuple[Array, Array]:
        """Mean and standard deviation of every feature (one common scale when spherical)."""
        moments = moments_of(self.covariance, data)
        return moments.mean[0], self.covariance.unit(moments.variance)

    def features(self, X: Array, out: Array | None = None) -> Array:
        """phi(x) = [1, x, x_i x_j for the pairs i <= j that covary]."""
        d, n = X.shape
        phi = np.empty((1 + d + len(self.covariance.pairs(d)[0]), n)) if out is None else out
        phi[0] = 1
        phi[1 : 1 + d] = X
        self.covariance.products(X, phi[1 + d :])
        return phi

    def natural(self, params: Params) -> Array:
        """[log-normaliser, P mu, -P_ij (halved on the diagonal)] with precisions P."""
        mu, inverse = params["mu"], self._inverse(params)
        linear, quadratic = self.covariance.natural(mu, inverse)
        half_log_det = -np.log(self.covariance.diagonal(inverse)).sum(axis=-1)
        constant = -0.5 * ((linear * mu).sum(axis=-1) + mu.shape[-1] * LOG_2PI) - half_log_det
        return np.concatenate([constant[..., None], linear, quadratic], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """``-1/2 (x - mu)' Sigma^-1 (x - mu) - 1/2 log |2 pi Sigma|`` (Bishop, PRML eq. 2.43)."""
        mu, Sigma = self._means_and_matrices(params)
        residuals = X - mu[:, :, None]
        mahalanobis = (residuals * np.linalg.solve(Sigma, residuals)).sum(axis=1)
        return -mahalanobis / 2 - np.linalg.slogdet(2 * np.pi * Sigma)[1][:, None] / 2

    def density(self, params: Params) -> Callable[[Array], Array]:
        """Whitened form: ``-|L_k^-1 (x - mu_k)|^2 / 2 - log |L_k| - D/2 log 2 pi``."""
        mu = params["mu"]
        inverse = self._inverse(params)
        constant = np.log(self.covariance.diagonal(inverse)).sum(axis=-1) - mu.shape[1] * LOG_2PI / 2

        def log_density(X: Array) -> Array:
            if np.isnan(X).any():
                return observed_log_density(self.covariance, *self._own(params), X)
            with np.errstate(over="ignore", invalid="ignore"):  # beyond the range of floats
                whitened = self.covariance.apply(inverse, X - mu[:, :, None])
                return constant[:, None] - np.einsum("kdn,kdn->kn", whitened, whitened) / 2

        return log_density

    def statistics(self, X: Array, r: Array) -> GaussianStatistics:
        """Weighted count, mean and scatter of a chunk ``X (D, n)`` under ``r (..., K, n)``."""
        return statistics_of(self.covariance, X, r)

    def expect(self, params: Params | None, X: Array, r: Array) -> GaussianStatistics:
        """The same, with expectations of the missing cells under the parameters."""
        if not np.isnan(X).any():
            return statistics_of(self.covariance, X, r)
        if params is None:
            raise InputError("cells are missing, and what is expected of them depends on the parameters")
        return observed_statistics(self.covariance, *self._own(params), X, r)

    def single(self, data: Rows) -> dict[str, Array]:
        """Maximum likelihood estimates of one Gaussian, from the observed cells."""
        moments = moments_of(self.covariance, data)
        if moments.covariance.core_ndim < self.covariance.core_ndim:  # more columns than rows
            matrix = moments.scatter[..., None] * np.eye(data.n_features)
            moments = GaussianStatistics(moments.count, moments.mean, matrix, self.covariance)
        return replace(self, prior=None).maximize(moments)

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """Conditional normal mean and variance."""
        return conditional_moments(self.covariance, *self._own(params), X)

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Draws of the conditional normal."""
        return drawn_cells(self.covariance, *self._own(params), X, z, rng)

    def from_sums(self, sums: Array, location: Array, scale: Array) -> GaussianStatistics:
        """Count, mean and scatter; the scatter is a difference, as accurate as the natural form."""
        d = len(location)
        count, first = sums[..., 0], sums[..., 1 : 1 + d]
        rows = count[..., None]
        mean = np.divide(first, rows, out=np.zeros_like(first), where=rows > 0)
        scatter = self.covariance.about_mean(sums[..., 1 + d :], count, mean)
        return GaussianStatistics(
            count, location + scale * mean, scatter * self.covariance.squares(scale), self.covariance
        )

    @property
    def by_pattern(self) -> bool:  # type: ignore[override]
        """Whether features covary."""
        return isinstance(self.covariance, Dense)

    def observed_features(self, X: Array) -> Array:
        """Phi of the observed cells; without covariances, which cells these are comes first."""
        seen = ~np.isnan(X)
        phi = self.features(np.where(seen, X, 0))
        return phi if self.by_pattern else np.concatenate([phi[:1], seen, phi[1:]])

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> ObservedForm:
        """The components restricted to every pattern, or column by column."""
        if not self.by_pattern:
            return IndependentForm(self.covariance, params["mu"], self._scale(params), log_scale)
        seen = Factored.of(*self._means_and_matrices(params), observed)
        return DenseForm(self.covariance, seen, log_scale)

    def affine_units(self, data: Rows) -> tuple[Array, Array]:
        """Standardised features: an affine map of a Gaussian is Gaussian."""
        return self.units(data)

    def rescaled(self, params: Params, location: Array, scale: Array) -> dict[str, Array]:
        """Means shifted and divided by the scale, covariances divided by its square."""
        name = self.covariance.parameter
        value = self.covariance.rescaled(params[name], scale)
        moved = {**params, "mu": (params["mu"] - location) / scale, name: value}
        if not isinstance(params, MemoParams):
            return moved
        return MemoParams(moved, {INVERSE: self._inverse(params) * scale})

    def maximize(self, stats: GaussianStatistics) -> dict[str, Array]:
        """Posterior mode; with ``prior=None`` the weighted mean and covariance of the tutorial's S5."""
        structure, rows = self.covariance, stats.rows
        k, d = stats.mean.shape[-2:]
        if self.prior is None:
            mu, scatter, extra = stats.mean, structure.pool(stats.scatter), 0.0
        else:
            prior, kappa = self.prior, self.prior.kappa
            mu = (rows * stats.mean + kappa * prior.mean) / (rows + kappa)
            shrink = kappa * rows / (rows + kappa)
            between = structure.between(stats.mean - prior.mean, shrink)
            scatter = structure.prior_scale(prior) + structure.pool(stats.scatter + between)
            extra = structure.prior_divisor(prior.nu, k, d)
        divisor = np.maximum(structure.divisor(rows, d) + extra, np.finfo(float).tiny)
        return {"mu": mu, structure.parameter: scatter / divisor}

    def log_prior(self, params: Params) -> Array:
        """``sum_k log N(mu_k | m, Sigma_k / kappa)`` plus the covariances' log prior; 0 when flat."""
        mu = params["mu"]
        if self.prior is None:
            return np.zeros(mu.shape[:-2])
        structure, kappa, size = self.covariance, self.prior.kappa, mu.shape[-2] * mu.shape[-1]
        inverse = self._inverse(params)
        whitened = structure.apply(inverse, (mu - self.prior.mean)[..., None])
        log_det = np.log(structure.diagonal(inverse)).sum(axis=(-2, -1))
        square = (whitened**2).sum(axis=(-3, -2, -1))
        means = log_det + size * (np.log(kappa) - LOG_2PI) / 2 - kappa * square / 2
        each = structure.log_prior(self.prior, params[structure.parameter], inverse)
        axes = len(structure.dims) - structure.support.core_ndim
        return np.asarray(means + each.sum(axis=tuple(range(-axes, 0))))

    def sample(self, params: Params, z: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """``mu_z + L_z eps``."""
        scale = self._scale(params)
        noise = rng.standard_normal((len(z), params["mu"].shape[1], 1))
        return params["mu"][z] + self.covariance.apply(scale[z], noise)[..., 0]

    def moments(self, params: Params) -> tuple[Array, Array]:
        """The parameters themselves, with covariances as full matrices."""
        return self._means_and_matrices(params)

    def distance(self, a: Params, b: Params) -> Array:
        """Symmetric Kullback-Leibler divergence of each cluster of ``a`` from that of ``b``."""
        return self._distance(*self._factors(a), *self._factors(b))

    def divergence(self, a: Params, b: Params) -> Array:
        """Symmetric Kullback-Leibler divergence of every pair of clusters, (..., K, K)."""
        core = self.covariance.core_ndim
        axes = (-2, -1 - core, -1 - core), (-3, -2 - core, -2 - core)
        expanded = (
            np.expand_dims(x, axis)
            for params, own in zip((a, b), axes, strict=True)
            for x, axis in zip(self._factors(params), own, strict=True)
        )
        return self._distance(*expanded)

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        """Means moved, and covariances widened where they are narrowest."""
        name = self.covariance.parameter
        return {"mu": params["mu"] * (1 + by), name: self.covariance.perturbed(params[name], by)}

    def gaussian_columns(self, rows: Rows) -> Iterator[tuple[Any, Rows, Any]]:
        """All of them."""
        yield self, rows, slice(None)

    def remarks(self, params: Params, count: Array) -> tuple[str, ...]:
        """Clusters whose covariance is determined by the prior more than by the data, the worst first."""
        if self.prior is None:
            return ()
        k, d = params["mu"].shape
        structure = self.covariance
        divisor = structure.divisor(count[..., None], d) + structure.prior_divisor(self.prior.nu, k, d)
        fitted = params[structure.parameter]
        from_prior = np.broadcast_to(structure.prior_scale(self.prior) / divisor, fitted.shape)
        largest = structure.largest_share(from_prior, fitted, k, d)
        few = f": it holds no more rows than there are columns ({d}); lower "
        ways = {
            True: (few, Option("n_components"), ", or state a tighter prior"),
            False: (": state a tighter prior, or use ", Option("prior", None, "prior=None (--prior none)")),
        }
        return tuple(
            worded(
                f"the prior makes up {largest[i]:.0%} of the covariance of ",
                Cluster(int(i)),
                " in some direction",
                *ways[bool(count[i] <= d)],  # without a prior it could collapse
            )
            for i in np.argsort(-largest.round(2), kind="stable")
            if largest[i] > TOLERANCES.dominating_prior
        )

    def degenerate(self, params: Params, scale: Array) -> np.ndarray:
        """Collapsed clusters: without a prior the likelihood is unbounded; with one, digits are lost."""
        if self.prior is None:
            return ~(self._narrowest(params, scale) > TOLERANCES.collapsed_sd)
        try:
            return self.covariance.without_digits(self._scale(params))
        except np.linalg.LinAlgError:  # of some set; it does not say which
            return self.covariance.singular(params[self.covariance.parameter], *params["mu"].shape[-2:])

    def defects(self, params: Params, scale: Array) -> dict[int, str]:
        """How narrow a cluster is, or that its covariance is singular."""
        found = [int(k) for k in np.flatnonzero(self.degenerate(params, scale))]
        if self.prior is not None or not found:
            return dict.fromkeys(found, "its covariance is singular, but for rounding")
        sd = self._narrowest(params, scale)
        return {k: f"its smallest standard deviation is {sd[k]:.1g} of the data's" for k in found}

    def _own(self, params: Params) -> tuple[Array, Array]:
        return params["mu"], params[self.covariance.parameter]

    def _means_and_matrices(self, params: Params) -> tuple[Array, Array]:
        mu = params["mu"]
        return mu, self.covariance.matrices(params[self.covariance.parameter], *mu.shape[-2:])

    def _scale(self, params: Params) -> Array:
        value, shape = params[self.covariance.parameter], params["mu"].shape[-2:]
        return memoised(params, SCALE, lambda: self.covariance.scale(value, *shape))

    def _inverse(self, params: Params) -> Array:
        return memoised(params, INVERSE, lambda: self.covariance.inverse(self._scale(params)))

    def _narrowest(self, params: Params, scale: Array) -> Array:
        return self.covariance.narrowest(params[self.covariance.parameter], scale, params["mu"].shape[-2])

    def _factors(self, params: Params) -> tuple[Array, Array, Array]:
        return params["mu"], self._scale(params), self._inverse(params)

    def _distance(
        self, mu_a: Array, scale_a: Array, inverse_a: Array, mu_b: Array, scale_b: Array, inverse_b: Array
    ) -> Array:
        structure, apart = self.covariance, (mu_a - mu_b)[..., None]
        from_a, from_b = structure.apply(inverse_a, apart), structure.apply(inverse_b, apart)
        between = ((from_a**2).sum(axis=(-2, -1)) + (from_b**2).sum(axis=(-2, -1))) / 2
        return between + structure.distance(scale_a, scale_b, inverse_a, inverse_b)
