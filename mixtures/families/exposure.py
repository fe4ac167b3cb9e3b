"""Poisson components whose rows were watched for different lengths of time: counts with an exposure.

The exposure is a column of the table that the model conditions on: rows are ``(x, e)``, and the density
is that of the counts ``x`` given ``e``, ``x_d ~ Poisson(e rate_kd)``. With phi(x, e) = [1, x, e] in the
order of the columns the components are an exponential family again, whose log-normaliser goes with e.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import gammaln, xlogy

from mixtures.data.matching import columns_of
from mixtures.data.rows import Rows, sum_once
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.families.family import Family
from mixtures.families.overlap import log_overlap
from mixtures.families.parameters import Parameter
from mixtures.families.poisson import Poisson, counts, deviance_density, log_or_nothing, poisson_overlap
from mixtures.families.priors import Gamma
from mixtures.families.profiles import Figures, Levels, Profile, profile
from mixtures.families.questions import Description, describe, summaries
from mixtures.families.supports import NON_NEGATIVE
from mixtures.families.totals import ColumnTotals
from mixtures.messages import Option, worded
from mixtures.types import Array, Params

__all__ = ["COUNTS", "ExposedPoisson"]

COUNTS = "feature_count"
"""Dim of the columns that hold counts; "feature" are all columns, the exposure among them."""


@dataclass(frozen=True, eq=False)
class ExposedPoisson(Poisson):
    """Independent counts at the rates ``e rate_k``, D of them, in rows (x, e) of D + 1 columns.

    Attributes
    ----------
    place : int or None
        Where the exposure is among the columns; None while only its name is known.
    typical : float
        Mean exposure of a row. Distances between clusters are of such rows, and do not depend on the
        unit of exposure.
    """

    place: int | None = None
    typical: float = 1.0

    @property
    def title(self) -> str:
        """Name in the title of a report."""
        return "Poisson"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The rates per unit of exposure."""
        return (Parameter("rate", ("cluster", COUNTS), NON_NEGATIVE),)

    def sizes(self, n_components: int, n_features: int) -> dict[str, int]:
        """Size of every dim: one column has no rate."""
        return super().sizes(n_components, n_features) | {COUNTS: n_features - 1}

    @property
    def at(self) -> int:
        """Where the exposure is among the columns."""
        if self.place is None:
            raise InputError(
                "where the exposure is in the data is not known yet: take the model of a fit (em.spec), or "
                "mx.resolve it with the data"
            )
        return self.place

    def split(self, X: Array, axis: int = 0) -> tuple[Array, Array]:
        """Counts and exposures of rows, the columns along that axis."""
        return np.delete(X, self.at, axis=axis), np.take(X, self.at, axis=axis)

    def joined(self, of_counts: Array, of_exposure: Array | float) -> Array:
        """Columns (..., D + 1) in their order, from those of counts (..., D) and the exposure (...)."""
        at = self.at
        own = np.broadcast_to(of_exposure, of_counts.shape[:-1])[..., None]
        return np.concatenate([of_counts[..., :at], own, of_counts[..., at:]], axis=-1)

    def rows_at(self, of_counts: Array, X: Array) -> Array:
        """Rows (..., D + 1, n) of counts (..., D, n), with the exposures of ``X (D + 1, n)``."""
        return np.moveaxis(self.joined(np.moveaxis(of_counts, -2, -1), X[self.at]), -1, -2)

    def row_columns(self, n_columns: int) -> dict[str, Any]:
        """The counts, and the exposure."""
        return {"x": [d for d in range(n_columns) if d != self.at], "exposure": self.at}

    def counted(self, data: Data) -> Data:
        """The columns of counts."""
        return columns_of(data, self.row_columns(data.n_features)["x"])

    def check_rows(self, data: Data) -> None:
        """Refuse exposures that are missing or not positive, and cells that are not counts."""
        exposure = data.values[:, self.at]
        for bad, why in ((np.isnan(exposure), "missing"), (exposure <= 0, "not positive")):
            if bad.any():
                cells = np.zeros(data.values.shape, dtype=bool)
                cells[bad, self.at] = True
                own = Option("exposure", said="the exposure", typed="the exposure (--exposure)")
                what = f" is {why}; a rate is per unit of exposure: correct it, or drop the rows"
                raise InputError(worded(f"{data.locate(cells)}: ", own, what))
        counts(self.counted(data))

    def overall(self, data: Rows) -> Array:
        """Events per unit of exposure (D,) of every column over all rows."""
        events, exposure = sum_once(data, ("events and exposure", self.at), partial(_totals, self))
        return np.asarray(events / np.where(exposure > 0, exposure, 1))

    def unit_of_empty(self) -> float:
        """Exposure in which the default prior expects an event of a column that has none: that of a row."""
        return self.typical

    def units(self, data: Rows) -> tuple[Array, Array]:
        """Units of the rates that `compared` gives, at a typical exposure."""
        mean = self.overall(data) / self.typical
        scale = np.exp2(np.round(np.log2(np.where(mean > 0, mean, 1)) / 2))
        return np.zeros(data.n_features), self.joined(scale, 1.0)

    def compared(self, rows: Array) -> Array:
        """Rows (n, D + 1) with the rate ``x / e`` in place of every count, and nothing for the exposure."""
        x, e = self.split(rows, axis=1)
        return self.joined(x / e[:, None], 0.0)

    def base_measure(self, X: Array) -> Array:
        """h(x, e) = sum_d x_d log e - log x_d!, over the observed cells."""
        x, e = self.split(X)
        x = np.where(np.isnan(x), 0, x)
        return np.asarray((xlogy(x, e) - gammaln(x + 1)).sum(axis=0))

    def natural(self, params: Params) -> Array:
        """[0, and in the order of the columns log rate, with -sum_d rate_d for the exposure]."""
        rate = params["rate"]
        slopes = self.joined(log_or_nothing(rate), -rate.sum(axis=-1))
        return np.concatenate([np.zeros((*slopes.shape[:-1], 1)), slopes], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """``sum_d x_d log(e rate_d) - e rate_d - log x_d!`` (Gelman et al., BDA3, section 2.6)."""
        x, e = self.split(X)
        return super().textbook_log_density(x, {"rate": params["rate"]}) + (
            xlogy(x, e).sum(axis=0) - params["rate"].sum(axis=1)[:, None] * (e - 1)
        )

    def density(self, params: Params) -> Callable[[Array], Array]:
        """The density at the means ``e rate``."""
        rate = params["rate"][:, :, None]

        def log_density(X: Array) -> Array:
            x, e = self.split(X)
            return deviance_density(x, rate * e)

        return log_density

    def statistics(self, X: Array, r: Array) -> ColumnTotals:
        """Expected rows, and events and exposure of the observed cells, under ``r (..., K, n)``."""
        x, e = self.split(X)
        seen = ~np.isnan(x)
        if seen.all():
            return ColumnTotals(r.sum(axis=-1), r @ x.T, (r @ e)[..., None])
        return ColumnTotals(r.sum(axis=-1), r @ np.where(seen, x, 0).T, r @ (seen * e).T)

    def from_sums(self, sums: Array, location: Array, scale: Array) -> ColumnTotals:
        """The sums themselves, with the exposure in place of the rows behind each total."""
        events, exposure = self.split(sums[..., 1:], axis=-1)
        return ColumnTotals(sums[..., 0], events, exposure[..., None])

    def observed_features(self, X: Array) -> Array:
        """[1, e where the cell is observed, x]."""
        x, e = self.split(X)
        seen = ~np.isnan(x)
        return np.concatenate([np.ones((1, x.shape[1])), seen * e, np.where(seen, x, 0)])

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """The mean ``e rate`` twice; the exposure is known."""
        x, e = self.split(X)
        mean, seen = params["rate"][:, :, None] * e, ~np.isnan(x)
        return self.rows_at(np.where(seen, x, mean), X), self.rows_at(np.where(seen, 0, mean), 0 * X)

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Counts at the rates times the exposure."""
        x, e = self.split(X)
        return self.rows_at(np.where(np.isnan(x), rng.poisson(params["rate"][z].T * e), x), X)

    def sample(self, params: Params, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Counts at an exposure of 1."""
        return self.joined(super().sample(params, z, rng), 1.0)

    def sample_like(self, rows: Array, params: Params, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Counts at the exposures of these rows."""
        e = rows[:, self.at]
        return self.joined(rng.poisson(params["rate"][z] * e[:, None]).astype(np.float64), e)

    def moments(self, params: Params) -> tuple[Array, Array]:
        """Mean and covariance of rows at an exposure of 1."""
        rate = params["rate"]
        variance = self.joined(rate, 0.0)
        return self.joined(rate, 1.0), variance[..., None] * np.eye(variance.shape[-1])

    def margin(self, params: Params, features: Sequence[int]) -> dict[str, Array]:
        """Parameters of the columns of counts among these."""
        own = [d - (d > self.at) for d in features if d != self.at]
        return {**params, "rate": np.take(params["rate"], own, axis=-1)}

    def marginal_family(self, features: Sequence[int]) -> "ExposedPoisson":
        """Some of the counts with the exposure, without which they have no law."""
        if self.at not in features or len(features) < 2:
            raise InputError(
                "a count has a law only at the exposure of its row: take it together with the exposure"
            )
        return replace(self, prior=None, place=list(features).index(self.at))

    def marginal_moments(self, params: Params, features: Sequence[int]) -> tuple[Array, Array]:
        """Mean and covariance of some of the columns, at an exposure of 1."""
        at, (mean, covariance) = list(features), self.moments(params)
        return mean[:, at], covariance[:, at][:, :, at]

    def distance(self, a: Params, b: Params) -> Array:
        """Distance of rows with a typical exposure."""
        return self.typical * super().distance(a, b)


def _totals(family: ExposedPoisson, data: Data) -> Array:
    """Events, and exposure of the observed cells, of every column of counts (2, D), with the weights."""
    total = np.zeros((2, data.n_features - 1))
    for place, block in data.blocks(BLOCK_ROWS):
        w = np.ones(len(block)) if data.weights is None else data.weights[place]
        x, e = family.split(block, axis=1)
        seen = ~np.isnan(x)
        total += np.stack([w @ np.where(seen, x, 0), (w * e) @ seen])
    return total


@describe.register
def describe_exposed(family: ExposedPoisson) -> Description:
    """Independent counts at given exposures."""
    return Description(
        "every feature is an independent Poisson count with a rate of its own per unit of exposure, and "
        "the exposure of a row is given",
        r"x_{id} \mid z_i = k \thicksim \operatorname{Poisson}(e_i \lambda_{kd}), \quad d = 1, \dots, D",
        (r"\lambda_{kd} \thicksim \operatorname{Gamma}(a_d, b_d)",)
        if isinstance(family.prior, Gamma)
        else (),
    )


@profile.register
def exposed_profile(
    family: ExposedPoisson, draws: Params, features: Sequence[str], levels: Levels = None
) -> Profile:
    """Rates; their variances are those of ``x / e`` at a typical exposure."""
    rate, own = draws["rate"], tuple(d for d in range(len(features)) if d != family.at)
    names = tuple(features[d] for d in own)
    words, per = "rate, events per unit of exposure", features[family.at]
    return Profile(Figures("rate", names, rate), rate / family.typical, own, words, comparable=True, per=per)


@log_overlap.register
def exposed_overlap(family: ExposedPoisson, draws: Params) -> Array:
    """Overlap of rows of the mean exposure."""
    return family.typical * poisson_overlap(family, draws)


@summaries.register
def exposed_summaries(family: ExposedPoisson, X: Array) -> dict[str, Array]:
    """Statistics of all columns, but of the exposure only its correlations with the counts."""
    found = summaries.dispatch(Family)(family, X)
    for name, x in found.items():
        if x.ndim == 1:
            found[name] = np.where(np.arange(len(x)) == family.at, np.nan, x)
    return found
