"""Categorical components: D independent items, each with levels of its own (latent classes)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mixtures.data.patterns import partly_observed
from mixtures.data.rows import Rows, sum_once
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.errors import InputError
from mixtures.families.family import IMPOSSIBLE, LOG_NOTHING, ExponentialFamily
from mixtures.families.identified import one_item, too_few_patterns, unidentified
from mixtures.families.parameters import Parameter
from mixtures.families.priors import Dirichlet
from mixtures.families.supports import Simplexes
from mixtures.messages import columns_are, counted, named
from mixtures.types import Array, Params

__all__ = ["Categorical", "CategoricalStatistics", "codes", "one_hot"]

NEGLIGIBLE = 1e-15
"""Stands for a probability of 0 where two clusters are compared."""


@dataclass(frozen=True, eq=False)
class CategoricalStatistics:
    """Expected rows of each cluster, and expected cells of every level, shape (..., K, D, C)."""

    count: Array
    cells: Array

    def __add__(self, other: Self) -> Self:
        """Statistics of both sets of rows."""
        return replace(self, count=self.count + other.count, cells=self.cells + other.cells)


@dataclass(frozen=True, eq=False)
class CategoricalForm:
    """Items in natural form for any pattern of observed columns, with phi(x) = [1, seen, indicators]."""

    family: "Categorical"
    p: Array

    @property
    def eta(self) -> Array:
        """[0, log p of the first level, log p of the others minus that of the first]."""
        first, others = self.family.logarithms(self.p)
        none = np.zeros((*self.p.shape[:-2], 1))
        return np.concatenate([none, first, others], axis=-1)[..., None, :, :]

    def statistics(self, sums: Array, location: Array, scale: Array) -> CategoricalStatistics:
        """Count the rows of each cluster, and the cells of every level."""
        d = len(location)
        count, seen, others = np.split(sums[..., 0, :, :], [1, 1 + d], axis=-1)
        return CategoricalStatistics(count[..., 0], self.family.cells_of(seen, others))


@dataclass(frozen=True, eq=False)
class Categorical(ExponentialFamily):
    """Independent items ``prod_d p_kd[x_d]`` of levels coded 0, 1, ...; phi(x) = [1, indicators].

    Every level of an item but its first has an indicator.

    Attributes
    ----------
    prior : "default", None or Dirichlet
        Prior of the probabilities.
    levels : tuple of int, int or None
        Number of levels of every item; a single number if it is the same for all; None if not yet known.
    """

    flat_is_proper = True
    takes_missing = True
    takes_categories = True
    monomial = False

    prior: Any = "default"
    levels: tuple[int, ...] | int | None = None

    def __post_init__(self) -> None:
        """Refuse a prior that is not a Dirichlet."""
        if not (self.prior is None or isinstance(self.prior, Dirichlet) or str(self.prior) == "default"):
            raise InputError(
                f"prior {self.prior!r} does not go with an LCA; use 'default', None or Dirichlet"
            )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Probabilities p of the levels."""
        support = Simplexes(self.levels if isinstance(self.levels, tuple) else None)
        return (Parameter("p", ("cluster", "feature", "category"), support),)

    def marginal_family(self, features: Sequence[int]) -> "Categorical":
        """Those items alone, with the numbers of their levels."""
        levels = tuple(self.levels[d] for d in features) if isinstance(self.levels, tuple) else self.levels
        return Categorical(None, levels)

    def numbers(self, n_features: int) -> tuple[int, ...]:
        """Number of levels of every item."""
        if self.levels is None:
            raise InputError(
                "the levels of the items are not known yet: take the model of a fit (em.spec), mx.resolve it "
                "with the data, or state levels=..."
            )
        if isinstance(self.levels, int):
            return (self.levels,) * n_features
        if len(self.levels) != n_features:
            raise InputError(
                f"the model has levels of {counted(len(self.levels), 'item')}; the data have {n_features}"
            )
        return self.levels

    def sizes(self, n_components: int, n_features: int) -> dict[str, int]:
        """Size of every dim; that of category is the largest number of levels."""
        most = max(self.numbers(n_features))
        return {**super().sizes(n_components, n_features), "category": most}

    def check(self, data: Rows) -> tuple[str, ...]:
        """Refuse cells that are not codes of levels; note items with one level, and levels never seen."""
        cells = self._cells(data)
        alone = [f for f, own in zip(data.features, cells, strict=True) if np.count_nonzero(own) == 1]
        unseen = [
            f
            for f, own, c in zip(data.features, cells, self.numbers(data.n_features), strict=True)
            if 1 < np.count_nonzero(own) < c
        ]
        told = {
            f"{columns_are(alone)} constant, which does not help to tell the clusters apart": alone,
            f"levels of {', '.join(map(named, unseen[:10]))} that occur in no row: only the prior informs "
            "their p": unseen,
        }
        return tuple(words for words, names in told.items() if names)

    def check_rows(self, data: Data) -> None:
        """Refuse cells that are not codes of levels."""
        codes(data, self.numbers(data.n_features))

    def _cells(self, data: Rows) -> Array:
        """Weighted count of the cells of every level (D, C)."""
        levels = self.numbers(data.n_features)
        return sum_once(data, ("levels", levels), partial(_cells, levels))

    def resolve(self, data: Rows, n_components: int) -> Self:
        """By default, Dirichlet(2, ..., 2) for every item: one extra cell of every level."""
        if self.prior is None:
            return self
        prior = Dirichlet(2.0) if isinstance(self.prior, str) else self.prior
        prior = prior.for_columns(data.features).broadcast(self.numbers(data.n_features))
        return replace(self, prior=prior)

    def for_mode(self) -> Self:
        """Counts below 1 raised to 1."""
        if not isinstance(self.prior, Dirichlet):
            return self
        counts = np.asarray(self.prior.concentration, dtype=float)
        raised = np.where(counts > 0, np.maximum(counts, 1), counts)
        return self if (raised == counts).all() else replace(self, prior=Dirichlet(raised))

    def units(self, data: Rows) -> tuple[Array, Array]:
        """Codes are already of order one."""
        return np.zeros(data.n_features), np.ones(data.n_features)

    def features(self, X: Array, out: Array | None = None) -> Array:
        """phi(x) = [1, indicators]."""
        item, level = _indicators(self.numbers(len(X)))
        out = np.empty((1 + len(item), X.shape[1])) if out is None else out
        out[0] = 1
        np.equal(X[item], level[:, None], out=out[1:])
        return out

    def largest_features(self, furthest: Array) -> Array:
        """1: indicators are 0 or 1."""
        return np.ones(1 + len(_indicators(self.numbers(len(furthest)))[0]))

    def logarithms(self, p: Array) -> tuple[Array, Array]:
        """Log p of every item's first level (..., D), and of the other levels relative to it."""
        item, level = _indicators(self.numbers(p.shape[-2]))
        with np.errstate(divide="ignore"):
            log = np.maximum(np.log(p), LOG_NOTHING)
        return log[..., 0], log[..., item, level] - log[..., item, 0]

    def natural(self, params: Params) -> Array:
        """[sum of log p of the first levels, log p of the others less the first], finite for log 0."""
        first, others = self.logarithms(params["p"])
        return np.concatenate([first.sum(axis=-1, keepdims=True), others], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        """``sum_d log p_kd[x_d]`` (Goodman 1974)."""
        p = params["p"]
        with np.errstate(divide="ignore"):
            return np.log(p[:, np.arange(len(X))[:, None], X.astype(int)]).sum(axis=1)

    def density(self, params: Params) -> Callable[[Array], Array]:
        """The same, as a matrix product; minus infinity where p = 0 makes a row impossible."""
        p = params["p"]
        with np.errstate(divide="ignore"):
            log = np.maximum(np.log(p), IMPOSSIBLE).reshape(len(p), -1)
        edged = log.min() <= IMPOSSIBLE

        def log_density(X: Array) -> Array:
            found = np.asarray(log @ one_hot(X, p.shape[-1]))  # a missing cell has no level
            if edged:
                found[found < IMPOSSIBLE / 2] = -np.inf
            return found

        return log_density

    def statistics(self, X: Array, r: Array) -> CategoricalStatistics:
        """Expected rows of a chunk ``X (D, n)``, and cells of every level, given ``r (..., K, n)``."""
        most = max(self.numbers(len(X)))
        cells = r @ one_hot(X, most).T
        return CategoricalStatistics(r.sum(axis=-1), cells.reshape(*r.shape[:-1], len(X), most))

    def single(self, data: Rows) -> dict[str, Array]:
        """Shares of the levels."""
        cells = self._cells(data)
        return {"p": (cells / cells.sum(axis=-1, keepdims=True))[None]}

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        """Mean and variance of the codes: items are independent within a cluster."""
        seen, (mean, variance) = ~np.isnan(X), _of_codes(params["p"])
        return np.where(seen, X, mean[..., None]), np.where(seen, 0, variance[..., None])

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        """Draw the missing items."""
        return np.where(np.isnan(X), self.sample(params, z, rng).T, X)

    def cells_of(self, rows: Array, others: Array) -> Array:
        """Cells (..., K, D, C) of all levels, given those of all levels but the first (..., K, M)."""
        levels = self.numbers(rows.shape[-1])
        item, level = _indicators(levels)
        cells = np.zeros((*rows.shape, max(levels)))
        cells[..., item, level] = others
        cells[..., 0] = np.maximum(rows - cells.sum(axis=-1), 0)
        return cells

    def from_sums(self, sums: Array, location: Array, scale: Array) -> CategoricalStatistics:
        """The sums, and the remainder for the first levels."""
        rows = np.broadcast_to(sums[..., :1], (*sums.shape[:-1], len(location)))
        return CategoricalStatistics(sums[..., 0], self.cells_of(rows, sums[..., 1:]))

    def observed_features(self, X: Array) -> Array:
        """phi(x) = [1, seen, indicators]."""
        phi = self.features(X)
        return np.concatenate([phi[:1], ~np.isnan(X), phi[1:]])

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> CategoricalForm:
        """The same form for all patterns."""
        return CategoricalForm(self, params["p"])

    def maximize(self, stats: CategoricalStatistics) -> dict[str, Array]:
        """``p = (cells + a - 1) / (sum over the levels)``; without a prior ``cells / rows``."""
        d, most = stats.cells.shape[-2:]
        exists = np.arange(most) < np.array(self.numbers(d))[:, None]
        pseudo = 0 if self.prior is None else np.where(exists, self.prior.concentration - 1, 0)
        cells = np.maximum(stats.cells + pseudo, 0)
        rows = cells.sum(axis=-1, keepdims=True)
        even = np.broadcast_to(exists / exists.sum(axis=-1, keepdims=True), cells.shape)
        return {"p": np.divide(cells, rows, out=even.copy(), where=rows > 0)}

    def log_prior(self, params: Params) -> Array:
        """Log Dirichlet density of all items' probabilities; Dirichlet(1, ..., 1) when flat."""
        p = params["p"]
        prior = _uniform(self.numbers(p.shape[-2])) if self.prior is None else self.prior
        return np.asarray(prior.log_density(p).sum(axis=(-2, -1)))

    def sample(self, params: Params, z: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """Draw the code of a level for every item."""
        ends = np.cumsum(params["p"], axis=-1)
        ends = (ends / ends[..., -1:])[z]
        return (rng.random(ends.shape[:-1])[..., None] >= ends).sum(axis=-1).astype(np.float64)

    def moments(self, params: Params) -> tuple[Array, Array]:
        """Mean and covariance of the codes: items do not covary within a cluster."""
        mean, variance = _of_codes(params["p"])
        return mean, variance[..., None] * np.eye(mean.shape[-1])

    def distance(self, a: Params, b: Params) -> Array:
        """``sum_dc (p_a - p_b) (log p_a - log p_b)``."""
        logs = [np.log(np.maximum(params["p"], NEGLIGIBLE)) for params in (a, b)]
        return np.asarray(((a["p"] - b["p"]) * (logs[0] - logs[1])).sum(axis=(-2, -1)))

    def never_identified(self, n_components: int, data: Rows) -> str:
        """Say if there is a single item, or fewer patterns than parameters."""
        if n_components > 1 and data.n_features == 1:
            return one_item(n_components)
        return too_few_patterns(n_components, self.numbers(data.n_features))

    def unidentified(self, params: Params, data: Rows | None = None) -> str:
        """Counts, then the rank of the pattern probabilities' Jacobian (Goodman 1974)."""
        k, d = params["p"].shape[:2]
        if d == 1 < k:
            return one_item(k)
        return unidentified(params["alpha"], params["p"], self.numbers(d), partly_observed(data))

    def degenerate(self, params: Params, scale: Array) -> np.ndarray:
        """No cluster is: a categorical likelihood is bounded."""
        return np.zeros(params["p"].shape[:-2], dtype=bool)


def codes(data: Data, levels: Sequence[int]) -> Array:
    """Values (n, D) of data, all codes of the given numbers of levels; names the cells that are not."""
    most = np.array(levels)
    for _, block in data.blocks(BLOCK_ROWS):
        if not _are_codes(block, most).all():
            bad = ~_are_codes(data.values, most)
            row, column = np.argwhere(bad)[0]
            known = counted(levels[column], "level")
            coded = "0" if levels[column] == 1 else f"0 to {levels[column] - 1}"
            raise InputError(
                f"{data.locate(bad)}: not the code of a level (the first is {data.values[row, column]:g}); "
                f"column {named(data.features[column])} has {known}, coded {coded}"
            )
    return data.values


def _are_codes(values: Array, most: np.ndarray) -> np.ndarray:
    return ((values >= 0) & (values < most) & (values == np.floor(values))) | np.isnan(values)


@lru_cache(maxsize=64)
def _uniform(levels: tuple[int, ...]) -> Dirichlet:
    """Uniform distribution over the probabilities of items with these numbers of levels."""
    return Dirichlet(1.0).broadcast(levels)


@lru_cache(maxsize=64)
def _indicators(levels: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Item and level of every indicator."""
    pairs = [(item, level) for item, c in enumerate(levels) for level in range(1, c)]
    found = np.array(pairs, dtype=int).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def one_hot(X: Array, most: int) -> Array:
    """Indicators (D C, n) of every level of every item; all 0 where a cell is missing."""
    found = np.empty((len(X), most, X.shape[1]))
    np.equal(X[:, None, :], np.arange(most)[:, None], out=found)
    return found.reshape(-1, X.shape[1])


def _cells(levels: tuple[int, ...], data: Data) -> Array:
    codes(data, levels)
    total = np.zeros((len(levels), max(levels)))
    for place, block in data.blocks(BLOCK_ROWS):
        w = None if data.weights is None else data.weights[place]
        for column, own in zip(block.T, total, strict=True):
            seen = ~np.isnan(column)
            own += np.bincount(column[seen].astype(int), None if w is None else w[seen], len(own))
    return total


def _of_codes(p: Array) -> tuple[Array, Array]:
    """Mean and variance (..., D) of the codes 0, 1, ... at probabilities (..., D, C)."""
    code = np.arange(p.shape[-1])
    mean = p @ code
    return mean, (p * (code - mean[..., None]) ** 2).sum(axis=-1)
