"""Bernoulli components: D independent coins in every cluster (latent class analysis)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

from mixtures.data.patterns import partly_observed, seen_in
from mixtures.data.rows import Rows, means, sum_once
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.families.family import IMPOSSIBLE, LOG_NOTHING
from mixtures.families.identified import too_few_patterns, unidentified
from mixtures.families.mixture import Mixture
from mixtures.families.overlap import log_overlap
from mixtures.families.parameters import Parameter
from mixtures.families.priors import Beta
from mixtures.families.profiles import Figures, Levels, Profile, item_levels, item_tables, profile
from mixtures.families.questions import Description, cell_quantiles, describe, summaries
from mixtures.families.supports import UNIT_INTERVAL
from mixtures.families.totals import ColumnFamily, ColumnForm, ColumnTotals
from mixtures.messages import columns_are
from mixtures.types import Array, Params

__all__ = ["BMM", "Bernoulli", "binary_values"]


def _logarithms(p: Array, floor: float) -> tuple[Array, Array]:
    """Logarithms of the probabilities of a one and of a zero, bounded from below."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), floor), np.maximum(np.log1p(-p), floor)


@dataclass(frozen=True, eq=False)
class Bernoulli(ColumnFamily):
    """Independent coins ``p_k^x (1 - p_k)^(1 - x)``, D of them; phi(x) = [1, x]."""

    flat_is_proper = True
    takes_missing = True

    prior: Any = "default"

    def __post_init__(self) -> None:
        """Refuse a prior that is not a Beta."""
        if not (self.prior is None or isinstance(self.prior, Beta) or str(self.prior) == "default"):
            raise InputError(f"prior {self.prior!r} does not go with a BMM; use 'default', None or Beta")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Probabilities p of a one."""
        return (Parameter("p", ("cluster", "feature"), UNIT_INTERVAL),)

    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse cells other than 0 and 1; note constant columns."""
        ones = sum_once(data, "ones", _ones)
        rows = seen_in(data).together.diagonal() if data.has_missing else np.full(len(ones), data.n_rows)
        constant = [f for f, one, n in zip(data.features, ones, rows, strict=True) if one in (0, n)]
        note = f"{columns_are(constant)} constant, which does not help to tell the clusters apart"
        return (note,) if constant else ()

    def check_rows(self, data: Data) -> None:
        """Refuse cells other than 0 and 1."""
        binary_values(data)

    def resolve(self, data: Rows, n_components: int) -> Self:
        """Beta(2, 2) on every probability by default: one more 1 and one more 0."""
        if self.prior is None:
            return self
        prior = Beta(2.0, 2.0) if isinstance(self.prior, str) else self.prior
        return replace(self, prior=prior.for_columns(data.features).broadcast(data.n_features))

    def for_mode(self) -> Self:
        """Counts below 1 raised to 1."""
        if not isinstance(self.prior, Beta):
            return self
        counts = np.asarray(self.prior.alpha), np.asarray(self.prior.beta)
        if min(count.min() for count in counts) >= 1:
            return self
        return replace(self, prior=Beta(*(np.maximum(count, 1) for count in counts)))

    def units(self, data: Rows) -> tuple[Array, Array]:
        """Zeros and ones are of order one already."""
        return np.zeros(data.n_features), np.ones(data.n_features)

    def natural(self, params: Params) -> Array:
        """[sum_d log(1 - p_d), logit p], with a finite number for log 0."""
        log_one, log_zero = _logarithms(params["p"], LOG_NOTHING)
        return np.concatenate([log_zero.sum(axis=-1, keepdims=True), log_one - log_zero], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """``sum_d x_d log p_d + (1 - x_d) log (1 - p_d)`` (Bishop, PRML eq. 9.44)."""
        p = params["p"][:, :, None]
        return np.asarray((xlogy(X, p) + xlog1py(1 - X, -p)).sum(axis=1))

    def density(self, params: Params) -> Callable[[Array], Array]:
        """The same by two matrix products; minus infinity where p = 0 or p = 1 excludes a row."""
        log_one, log_zero = _logarithms(params["p"], IMPOSSIBLE)
        edged = min(log_one.min(), log_zero.min()) <= IMPOSSIBLE

        def log_density(X: Array) -> Array:
            seen = ~np.isnan(X)
            if seen.all():
                found = log_one @ X + log_zero @ (1 - X)
            else:  # missing factors drop out
                found = log_one @ (seen & (X == 1)) + log_zero @ (seen & (X == 0))
            if edged:
                found[found < IMPOSSIBLE / 2] = -np.inf
            return found

        return log_density

    def single(self, data: Rows) -> dict[str, Array]:
        """Shares of ones in every column."""
        return {"p": means(data)[None]}

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """``p`` and ``p (1 - p)``: coins of one cluster are independent."""
        p, seen = params["p"][:, :, None], ~np.isnan(X)
        return np.where(seen, X, p), np.where(seen, 0, p * (1 - p))

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Flip the coins of the missing cells."""
        return np.where(np.isnan(X), rng.random(X.shape) < params["p"][z].T, X)

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> ColumnForm:
        """One form for all patterns."""
        log_one, log_zero = _logarithms(params["p"], LOG_NOTHING)
        return ColumnForm(log_zero, log_one - log_zero)

    def maximize(self, stats: ColumnTotals) -> dict[str, Array]:
        """``p = (ones + a - 1) / (count + a + b - 2)``; with ``prior=None`` that of the tutorial's S6."""
        a, b = (1.0, 1.0) if self.prior is None else (self.prior.alpha, self.prior.beta)
        ones = stats.total + (a - 1)
        rows = stats.rows + (a + b - 2) + np.zeros_like(ones)
        return {"p": np.clip(np.divide(ones, rows, out=np.full_like(ones, 0.5), where=rows > 0), 0, 1)}

    def sample(self, params: Params, z: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """One flip of each of the cluster's coins."""
        p = params["p"][z]
        return (rng.random(p.shape) < p).astype(np.float64)

    def moments(self, params: Params) -> tuple[Array, Array]:
        """``p`` and ``p (1 - p)``: coins of one cluster are uncorrelated."""
        p = params["p"]
        return p, (p * (1 - p))[..., None] * np.eye(p.shape[-1])

    def distance(self, a: Params, b: Params) -> Array:
        """``sum_d (p_a - p_b) (logit p_a - logit p_b)``, finite as a probability reaches 0 or 1."""
        inside = [np.clip(params["p"], 1e-15, 1 - 1e-15) for params in (a, b)]
        logits = [np.log(x) - np.log1p(-x) for x in inside]
        return np.asarray(((a["p"] - b["p"]) * (logits[0] - logits[1])).sum(axis=-1))

    def never_identified(self, n_components: int, data: Rows) -> str:
        """One flip per row, or fewer patterns than parameters."""
        if n_components > 1 and data.n_features == 1:
            return _one_flip(float(means(data)[0]), "the share of ones in the data")
        return too_few_patterns(n_components, item_levels(self, data.n_features))

    def unidentified(self, params: Params, data: Rows | None = None) -> str:
        """Counts, then the rank of the pattern probabilities' Jacobian (Goodman 1974)."""
        alpha, (k, d) = params["alpha"], params["p"].shape
        if d == 1 < k:
            return _one_flip(float(alpha @ params["p"][:, 0]), "at this fit")
        return unidentified(alpha, item_tables(self, params), item_levels(self, d), partly_observed(data))


def binary_values(data: Data) -> Array:
    """Values (n, D) of data whose observed cells hold only zeros and ones; names those that do not."""
    if not all(_is_binary(block).all() for _, block in data.blocks(BLOCK_ROWS)):
        bad = ~_is_binary(data.values)
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"{data.locate(bad)}: not 0 or 1 "
            f"(the first is {data.values[row, column]:g}); a BMM takes binary data: recode these cells, "
            "or drop the columns"
        )
    return data.values


def _is_binary(values: Array) -> np.ndarray:
    """Whether each cell is 0, 1 or missing; a table that must be complete has no missing ones."""
    return (values == 0) | (values == 1) | np.isnan(values)


def _ones(data: Data) -> Array:
    """Number of ones in every column of data that hold only zeros and ones."""
    binary_values(data)
    ones = (np.count_nonzero(x == 1, axis=0) for _, x in data.blocks(BLOCK_ROWS))
    return sum(ones, np.zeros(data.n_features))


def _one_flip(heads: float, where: str) -> str:
    return (
        f"one flip per row identifies only sum_k alpha_k p_k = {heads:.4f} ({where}); alpha and p are not "
        "identified: every point of that ridge fits alike, and only the prior tells them apart"
    )


@describe.register
def describe_bernoulli(family: Bernoulli) -> Description:
    """Independent coins."""
    return Description(
        "every feature is an independent coin with a probability p of its own",
        r"x_{id} \mid z_i = k \thicksim \operatorname{Bernoulli}(p_{kd}), \quad d = 1, \dots, D",
        () if family.prior is None else (r"p_{kd} \thicksim \operatorname{Beta}(a_d, b_d)",),
    )


@cell_quantiles.register
def bernoulli_quantiles(family: Bernoulli, shares: Array, mean: Array, variance: Array, q: Array) -> Array:
    """0 up to the probability of a zero, 1 beyond."""
    return np.where(q[:, None] > 1 - (shares * mean).sum(axis=0), 1.0, 0.0)


@summaries.register
def bernoulli_summaries(family: Bernoulli, X: Array) -> dict[str, Array]:
    """Item means, how often two items are one together, and the variance of the rows' totals."""
    seen, ones = (~np.isnan(X)).astype(np.float64), np.where(np.isnan(X), 0, X)
    return {
        "mean": ones.sum(axis=0) / np.maximum(seen.sum(axis=0), 1),
        "co-occurrence": ones.T @ ones / np.maximum(seen.T @ seen, 1),
        "total score variance": np.asarray(ones.sum(axis=1).var(ddof=1)),
    }


@profile.register
def bernoulli_profile(
    family: Bernoulli, draws: Params, features: Sequence[str], levels: Levels = None
) -> Profile:
    """Probability of a one, item by item."""
    p, places = draws["p"], tuple(range(len(features)))
    figures = Figures("probability", tuple(features), p)
    return Profile(figures, p * (1 - p), places, "probability of a one", is_share=True, comparable=True)


@log_overlap.register
def bernoulli_overlap(family: Bernoulli, draws: Params) -> Array:
    """``prod_d sqrt(p_j p_k) + sqrt((1 - p_j) (1 - p_k))``."""
    one, zero = np.sqrt(draws["p"]), np.sqrt(1 - draws["p"])
    each = one[..., :, None, :] * one[..., None, :, :] + zero[..., :, None, :] * zero[..., None, :, :]
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(each).sum(axis=-1))


@item_levels.register
def bernoulli_levels(family: Bernoulli, n_features: int) -> tuple[int, ...]:
    """Two levels for every item."""
    return (2,) * n_features


@item_tables.register
def bernoulli_tables(family: Bernoulli, params: Params) -> Array:
    """Probabilities of a zero and of a one."""
    return np.stack([1 - params["p"], params["p"]], axis=-1)


@dataclass(frozen=True)
class BMM(Mixture):
    r"""Bernoulli mixture model, ``x ~ sum_k alpha_k prod_d Bernoulli(p_kd)``.

    Parameters
    ----------
    n_components : int
        Number of clusters K.
    prior : {"default"}, None or Beta
        "default" is Beta(2, 2) on every probability. None is flat: the mode is
        the maximum likelihood estimate.
    weight_concentration : float, default 1.0
        Concentration of the symmetric Dirichlet prior on alpha.

    Raises
    ------
    InputError
        If K < 1 or the prior is not a Beta.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.3.3.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.BMM(3)
    BMM(n_components=3, prior='default', weight_concentration=1.0)
    """

    @property
    def family(self) -> Bernoulli:
        """Bernoulli components with this prior."""
        return Bernoulli(self.prior)
