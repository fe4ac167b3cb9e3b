"""Poisson components: D independent counts in every cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, kl_div, pdtr, xlog1py, xlogy

from mixtures.data.rows import Rows, means
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.families.family import LOG_NOTHING
from mixtures.families.overlap import log_overlap
from mixtures.families.parameters import Parameter
from mixtures.families.priors import Gamma
from mixtures.families.profiles import Figures, Levels, Profile, profile
from mixtures.families.questions import Description, cell_quantiles, describe
from mixtures.families.supports import NON_NEGATIVE
from mixtures.families.totals import ColumnFamily, ColumnForm, ColumnTotals
from mixtures.messages import Option, worded
from mixtures.types import Array, Params

__all__ = ["Poisson", "counts", "deviance_density", "log_or_nothing"]

TINY = float(np.finfo(np.float64).tiny)
"""Replaces 0 where its logarithm, or a division by it, would give NaN."""

EXPOSED = worded(
    "; a column of exposures is named by ",
    Option("exposure", said="exposure= (--exposure on the command line)"),
)
"""What to do about fractions, which are not counts."""


LARGEST = 2.0**53
"""Largest count for which neighbouring integers differ in double precision."""


@dataclass(frozen=True, eq=False)
class Poisson(ColumnFamily):
    """Independent counts ``rate_k^x exp(-rate_k) / x!``, D of them; phi(x) = [1, x]."""

    flat_is_proper = False  # a cluster without rows could have any rate
    takes_missing = True

    prior: Any = "default"

    def __post_init__(self) -> None:
        """Refuse a prior that is not a Gamma."""
        if not (self.prior is None or isinstance(self.prior, Gamma) or str(self.prior) == "default"):
            raise InputError(f"prior {self.prior!r} does not go with a PMM; use 'default', None or Gamma")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The rates."""
        return (Parameter("rate", ("cluster", "feature"), NON_NEGATIVE),)

    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse cells that are not counts."""
        data.sum_over(partial(_checked, self))
        return ()

    def check_rows(self, data: Data) -> None:
        """Refuse the same cells in new rows."""
        counts(data)

    def units(self, data: Rows) -> tuple[Array, Array]:
        """Zero, and the root of every feature's mean, a Poisson's standard deviation, as a power of two.

        Distances that are equal between counts then stay so to the last digit, however the mean was summed.
        """
        mean = means(data)
        return np.zeros(data.n_features), np.exp2(np.round(np.log2(np.where(mean > 0, mean, 1)) / 2))

    def resolve(self, data: Rows, n_components: int) -> Self:
        """By default ``Gamma(2, 1 / mean)``: one event in 1 / mean rows.

        The mode is the column's mean. The prior does not depend on the unit of time of the counts,
        and with alpha = 2 the mode of a rate is never 0, as with the Beta(2, 2) of a BMM.
        """
        if self.prior is None:
            return self
        mean = self.overall(data)
        default = Gamma(2.0, np.divide(1, mean, out=np.full_like(mean, self.unit_of_empty()), where=mean > 0))
        prior = default if isinstance(self.prior, str) else self.prior
        names = np.array(data.features)[self.row_columns(data.n_features)["x"]].tolist()
        return replace(self, prior=prior.for_columns(names).broadcast(len(mean)))

    def for_mode(self) -> Self:
        """Alpha below 1 raised to 1."""
        if not isinstance(self.prior, Gamma):
            return self
        alpha = np.asarray(self.prior.alpha, float)
        return self if alpha.min() >= 1 else replace(self, prior=Gamma(np.maximum(alpha, 1), self.prior.beta))

    def base_measure(self, X: Array) -> Array:
        """h(x) = -sum_d log x_d!, over the observed cells."""
        return np.asarray(-gammaln(np.where(np.isnan(X), 0, X) + 1).sum(axis=0))

    def natural(self, params: Params) -> Array:
        """[-sum_d rate_d, log rate], with a finite number for log 0."""
        rate = params["rate"]
        return np.concatenate([-rate.sum(axis=-1, keepdims=True), log_or_nothing(rate)], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """``sum_d x_d log rate_d - rate_d - log x_d!`` (Gelman et al., BDA3, section 2.6)."""
        rate = params["rate"][:, :, None]
        return np.asarray((xlogy(X, rate) - rate - gammaln(X + 1)).sum(axis=1))

    def density(self, params: Params) -> Callable[[Array], Array]:
        """The density at ``rate = x`` less half the deviance: no large terms cancel."""
        rate = params["rate"][:, :, None]
        return lambda X: deviance_density(X, rate)

    def overall(self, data: Rows) -> Array:
        """Rate (D,) of every column over all rows."""
        return means(data)

    def unit_of_empty(self) -> float:
        """Rows in which the default prior expects an event of a column that has none."""
        return 1.0

    def single(self, data: Rows) -> dict[str, Array]:
        """Rates of the columns over all rows."""
        return {"rate": self.overall(data)[None]}

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """The rate twice: counts of one cluster are independent."""
        rate, seen = params["rate"][:, :, None], ~np.isnan(X)
        return np.where(seen, X, rate), np.where(seen, 0, rate)

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Counts at the rates."""
        return np.where(np.isnan(X), rng.poisson(params["rate"][z].T), X)

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> ColumnForm:
        """One form for all patterns."""
        return ColumnForm(-params["rate"], log_or_nothing(params["rate"]))

    def maximize(self, stats: ColumnTotals) -> dict[str, Array]:
        """``rate = (events + alpha - 1) / (rows + beta)``; their ratio alone without a prior."""
        alpha, beta = (1.0, 0.0) if self.prior is None else (self.prior.alpha, self.prior.beta)
        rows = np.maximum(stats.rows + beta, TINY)
        return {"rate": (stats.total + (alpha - 1)) / rows}

    def sample(self, params: Params, z: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """Counts at the rates of each row's cluster."""
        return rng.poisson(params["rate"][z]).astype(np.float64)

    def moments(self, params: Params) -> tuple[Array, Array]:
        """Mean (K, D) and covariance (K, D, D): of a Poisson, both are the rate."""
        rate = params["rate"]
        return rate, rate[..., None] * np.eye(rate.shape[-1])

    def distance(self, a: Params, b: Params) -> Array:
        """``sum_d (rate_a - rate_b) (log rate_a - log rate_b)``."""
        logs = [np.log(np.maximum(params["rate"], TINY)) for params in (a, b)]
        return np.asarray(((a["rate"] - b["rate"]) * (logs[0] - logs[1])).sum(axis=-1))


def counts(data: Data) -> Array:
    """Values (n, D) of data whose observed cells hold only counts; names those that do not."""
    for _, block in data.blocks(BLOCK_ROWS):
        counted = (block >= 0) & (block <= LARGEST) & (block == np.floor(block))
        if not (counted | np.isnan(block)).all():
            _refuse(data)
    return data.values


def _refuse(data: Data) -> None:
    """Name the cells that are negative, else those with a fraction, else those that are too large."""
    values = data.values
    for bad, why, more in (
        (values < 0, "negative", ""),
        (~np.isnan(values) & (values != np.floor(values)), "not a whole number", EXPOSED),
        (values > LARGEST, "too large for double precision to tell it from the next count", ""),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                worded(
                    f"{data.locate(bad)}: {why} (the first is {values[row, column]:g}); a PMM takes counts "
                    "(0, 1, 2, ...): correct these cells, or drop the columns",
                    more,
                )
            )


def _checked(family: Poisson, block: Data) -> int:
    family.check_rows(block)
    return block.n_rows


def deviance_density(X: Array, mean: Array) -> Array:
    """Log density (K, n) of counts ``X (D, n)`` with means (K, D, n), or (K, D, 1) for all rows.

    It is that at ``mean = x`` less half the deviance; factors of missing cells are left out.
    """
    seen = ~np.isnan(X)
    x = X if seen.all() else np.where(seen, X, 0)
    half_deviance = _half_deviance(x, mean)
    if x is not X:
        half_deviance = np.where(seen, half_deviance, 0)
    return np.asarray((xlogy(x, x) - x - gammaln(x + 1)).sum(axis=0) - half_deviance.sum(axis=1))


def _half_deviance(x: Array, rate: Array) -> Array:
    """``x log(x / rate) - x + rate``, accurate where the terms cancel (Loader 2000)."""
    excess = (rate - x) / np.maximum(x, 1)
    return np.asarray(np.where(np.abs(excess) < 0.5, rate - x - xlog1py(x, excess), kl_div(x, rate)))


def log_or_nothing(rate: Array) -> Array:
    """Natural parameters of rates, with a finite number for log 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(rate), LOG_NOTHING)


@describe.register
def describe_poisson(family: Poisson) -> Description:
    """Independent counts."""
    return Description(
        "every feature is an independent Poisson count with a rate of its own",
        r"x_{id} \mid z_i = k \thicksim \operatorname{Poisson}(\lambda_{kd}), \quad d = 1, \dots, D",
        (r"\lambda_{kd} \thicksim \operatorname{Gamma}(a_d, b_d)",)
        if isinstance(family.prior, Gamma)
        else (),
    )


@cell_quantiles.register
def poisson_quantiles(family: Poisson, shares: Array, mean: Array, variance: Array, q: Array) -> Array:
    """Quantiles of mixtures of Poissons, by bisection between those of their components."""
    from scipy import stats  # slow to load, and EM does without

    each = stats.poisson.ppf(q[:, None, None], mean)  # (Q, C, m)
    low, high = each.min(axis=1), each.max(axis=1)
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        enough = (shares * pdtr(middle[:, None], mean)).sum(axis=1) >= q[:, None]
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return low


@profile.register
def poisson_profile(
    family: Poisson, draws: Params, features: Sequence[str], levels: Levels = None
) -> Profile:
    """Rates, which are the variances too."""
    rate, places = draws["rate"], tuple(range(len(features)))
    return Profile(
        Figures("rate", tuple(features), rate), rate, places, "rate, events per row", comparable=True
    )


@log_overlap.register
def poisson_overlap(family: Poisson, draws: Params) -> Array:
    """``exp(-sum_d (sqrt(rate_j) - sqrt(rate_k))^2 / 2)``."""
    root = np.sqrt(draws["rate"])
    return np.asarray(-0.5 * ((root[..., :, None, :] - root[..., None, :, :]) ** 2).sum(axis=-1))
