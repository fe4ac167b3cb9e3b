"""Mixed columns: blocks of Gaussian, binary, categorical and count columns, independent given the cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mixtures.data.matching import columns_of
from mixtures.data.patterns import partly_observed
from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.blocks import Block, BlockForm, Blocks, BlockStatistics, check_stated, prior_of
from mixtures.families.family import ExponentialFamily
from mixtures.families.identified import too_few_patterns, unidentified
from mixtures.families.parameters import Parameter
from mixtures.families.profiles import item_levels, item_tables
from mixtures.messages import counted, worded
from mixtures.types import Array, Params

__all__ = ["MixedColumns"]


@dataclass(frozen=True, eq=False)
class MixedColumns(ExponentialFamily):
    """Blocks of columns, each of a family of its own; within a cluster the blocks are independent.

    phi(x) = [1, the blocks' features without their constants].

    Attributes
    ----------
    blocks : tuple of Block
        The blocks that there are, at least one.
    prior : "default", None or Blocks
        Prior of the components; each block's family has its part of it.
    """

    blocks: tuple[Block, ...]
    prior: Any = "default"

    def __post_init__(self) -> None:
        """Hand every block its part of the prior; refuse one that does not go with it."""
        check_stated(self.prior, [block.kind for block in self.blocks])
        own = tuple(block.with_prior(prior_of(self.prior, block.kind)) for block in self.blocks)
        object.__setattr__(self, "blocks", own)

    @property
    def parts(self) -> tuple[Block, ...]:
        return self.blocks

    @property
    def title(self) -> str:
        return "Mixed-column"

    @property
    def flat_is_proper(self) -> bool:  # type: ignore[override]
        return all(block.family.flat_is_proper for block in self.blocks)

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]
        return all(block.family.takes_missing for block in self.blocks)

    @property
    def takes_categories(self) -> bool:  # type: ignore[override]
        return any(block.family.takes_categories for block in self.blocks)

    @property
    def monomial(self) -> bool:  # type: ignore[override]
        return all(block.family.monomial for block in self.blocks)

    @property
    def by_pattern(self) -> bool:  # type: ignore[override]
        return any(block.family.by_pattern for block in self.blocks)

    @property
    def width(self) -> int:
        """Number of columns D."""
        return sum(block.width for block in self.blocks)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(each for block in self.blocks for each in block.parameters)

    @property
    def updated_together(self) -> tuple[tuple[str, ...], ...]:
        """The parameters of each block: its updates need none of another block."""
        return tuple(tuple(each.name for each in block.parameters) for block in self.blocks)

    def sizes(self, n_components: int, n_features: int) -> dict[str, int]:
        """Size of every dim, the blocks' own among them."""
        if n_features != self.width:
            raise InputError(f"the blocks have {counted(self.width, 'column')}; the data have {n_features}")
        found = super().sizes(n_components, n_features)
        for block in self.blocks:
            found |= block.sizes(n_components)
        return found

    def _spread(self, parts: Sequence[Array], axis: int) -> Array:
        """One array of what the blocks say of each of their columns, along that axis, in the data's order."""
        axis %= parts[0].ndim
        shape = list(parts[0].shape)
        shape[axis] = self.width
        found = np.empty(shape, dtype=np.result_type(*parts))
        for block, part in zip(self.blocks, parts, strict=True):
            found[(slice(None),) * axis + (block.at,)] = part
        return found

    def _spread_both(self, parts: Sequence[tuple[Array, Array]], axis: int) -> tuple[Array, Array]:
        first, second = zip(*parts, strict=True)
        return self._spread(first, axis), self._spread(second, axis)

    def _joined(self, parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
        """Parameters of the whole model from those of the blocks."""
        joined: dict[str, Array] = {}
        for block, part in zip(self.blocks, parts, strict=True):
            joined |= block.public(part)
        return joined

    def check(self, data: Rows) -> tuple[str, ...]:
        notes: tuple[str, ...] = ()
        for block in self.blocks:
            try:
                notes += block.family.check(block.rows(data))
            except InputError as error:
                raise InputError(worded(f"{block.kind} columns: ", error)) from error
        return notes

    def check_rows(self, data: Data) -> None:
        for block in self.blocks:
            try:
                block.family.check_rows(columns_of(data, block.known_places))
            except InputError as error:
                raise InputError(worded(f"{block.kind} columns: ", error)) from error

    def resolve(self, data: Rows, n_components: int) -> Self:
        if self.prior is None:
            return self
        found = {
            block.kind: block.family.resolve(block.rows(data), n_components).prior for block in self.blocks
        }
        return replace(self, prior=Blocks(**found))

    def for_mode(self) -> Self:
        if not isinstance(self.prior, Blocks):
            return self
        found = {block.kind: block.family.for_mode().prior for block in self.blocks}
        kept = all(block.family.prior is found[block.kind] for block in self.blocks)
        return self if kept else replace(self, prior=Blocks(**found))

    def units(self, data: Rows) -> tuple[Array, Array]:
        return self._spread_both([block.family.units(block.rows(data)) for block in self.blocks], 0)

    def affine_units(self, data: Rows) -> tuple[Array, Array]:
        """Location and scale of every block: only Gaussian columns may be shifted and scaled."""
        return self._spread_both([block.family.affine_units(block.rows(data)) for block in self.blocks], 0)

    def rescaled(self, params: Params, location: Array, scale: Array) -> dict[str, Array]:
        own = [
            dict(block.family.rescaled(block.own(params), location[block.at], scale[block.at]))
            for block in self.blocks
        ]
        return {**params, **self._joined(own)}

    def features(self, X: Array, out: Array | None = None) -> Array:
        """phi(x) = [1, the blocks' features without their constants]."""
        p = 1 + sum(block.n_features for block in self.blocks)
        out = np.empty((p, X.shape[1])) if out is None else out
        end = p
        for block in reversed(self.blocks):  # each writes its constant where the one before it then ends
            block.family.features(X[block.at], out=out[end - block.n_features - 1 : end])
            end -= block.n_features
        return out

    def largest_features(self, furthest: Array) -> Array:
        each = [block.family.largest_features(furthest[block.at]) for block in self.blocks]
        return np.concatenate([[1.0], *(own[1:] for own in each)])

    def base_measure(self, X: Array) -> Array:
        return np.sum([block.family.base_measure(X[block.at]) for block in self.blocks], axis=0)

    def natural(self, params: Params) -> Array:
        """[sum of the log-normalisers, what they leave of every block]."""
        each = [block.family.natural(block.own(params)) for block in self.blocks]
        constant = np.sum([eta[..., :1] for eta in each], axis=0)
        return np.concatenate([constant, *(eta[..., 1:] for eta in each)], axis=-1)

    def textbook_log_density(self, X: Array, params: Params) -> Array:
        each = [block.family.textbook_log_density(X[block.at], block.own(params)) for block in self.blocks]
        return np.asarray(np.sum(each, axis=0))

    def density(self, params: Params) -> Callable[[Array], Array]:
        each = [(block.at, block.family.density(block.own(params))) for block in self.blocks]

        def log_density(X: Array) -> Array:
            return np.asarray(sum(density(X[at]) for at, density in each))

        return log_density

    def statistics(self, X: Array, r: Array) -> BlockStatistics:
        parts = tuple(block.family.statistics(X[block.at], r) for block in self.blocks)
        return BlockStatistics(r.sum(axis=-1), parts)

    def expect(self, params: Params | None, X: Array, r: Array) -> BlockStatistics:
        parts = tuple(
            block.family.expect(None if params is None else block.own(params), X[block.at], r)
            for block in self.blocks
        )
        return BlockStatistics(r.sum(axis=-1), parts)

    def from_sums(self, sums: Array, location: Array, scale: Array) -> BlockStatistics:
        parts, begin = [], 1
        for block in self.blocks:
            end = begin + block.n_features
            own = np.concatenate([sums[..., :1], sums[..., begin:end]], axis=-1)
            parts.append(block.family.from_sums(own, location[block.at], scale[block.at]))
            begin = end
        return BlockStatistics(sums[..., 0], tuple(parts))

    def observed_features(self, X: Array) -> Array:
        each = [block.family.observed_features(X[block.at]) for block in self.blocks]
        return np.concatenate([each[0][:1], *(phi[1:] for phi in each)])

    def observed_form(self, params: Params, observed: np.ndarray, log_scale: Array) -> BlockForm:
        forms = tuple(
            block.family.observed_form(block.own(params), observed[:, block.at], log_scale[block.at])
            for block in self.blocks
        )
        return BlockForm(self.blocks, forms)

    def single(self, data: Rows) -> dict[str, Array]:
        return self._joined([block.family.single(block.rows(data)) for block in self.blocks])

    def conditional(self, params: Params, X: Array) -> tuple[Array, Array]:
        each = [block.family.conditional(block.own(params), X[block.at]) for block in self.blocks]
        return self._spread_both(each, 1)

    def fill(self, params: Params, X: Array, z: np.ndarray, rng: np.random.Generator) -> Array:
        each = [block.family.fill(block.own(params), X[block.at], z, rng) for block in self.blocks]
        return self._spread(each, 0)

    def maximize(self, stats: BlockStatistics) -> dict[str, Array]:
        each = zip(self.blocks, stats.parts, strict=True)
        return self._joined([block.family.maximize(own) for block, own in each])

    def log_prior(self, params: Params) -> Array:
        return np.asarray(np.sum([b.family.log_prior(b.own(params)) for b in self.blocks], axis=0))

    def sample(self, params: Params, z: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return self._spread([block.family.sample(block.own(params), z, rng) for block in self.blocks], 1)

    def sample_like(
        self, rows: Array, params: Params, z: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        each = [b.family.sample_like(rows[:, b.at], b.own(params), z, rng) for b in self.blocks]
        return self._spread(each, 1)

    def row_columns(self, n_columns: int) -> dict[str, Any]:
        """What the blocks condition on, and the observed rows, which hold the other columns."""
        beside: dict[str, Any] = {}
        for block in self.blocks:
            own = block.family.row_columns(block.width)
            beside |= {name: block.known_places[at] for name, at in own.items() if name != "x"}
        if not beside:
            return super().row_columns(n_columns)
        return {"x": [d for d in range(n_columns) if d not in beside.values()], **beside}

    def compared(self, rows: Array) -> Array:
        return self._spread([block.family.compared(rows[:, block.at]) for block in self.blocks], 1)

    def moments(self, params: Params) -> tuple[Array, Array]:
        """Means, and covariances that are 0 between the blocks."""
        each = [block.family.moments(block.own(params)) for block in self.blocks]
        mean = self._spread([own for own, _ in each], 1)
        covariance = np.zeros((*mean.shape, self.width))
        for block, (_, own) in zip(self.blocks, each, strict=True):
            at = np.arange(self.width)[block.at]
            covariance[np.ix_(np.arange(len(mean)), at, at)] = own
        return mean, covariance

    def margin(self, params: Params, features: Sequence[int]) -> dict[str, Array]:
        kept: dict[str, Array] = {}
        for block in self.blocks:
            if own := block.among(features):
                kept |= block.public(block.family.margin(block.own(params), own))
        return kept

    def marginal_family(self, features: Sequence[int]) -> "MixedColumns":
        kept = [block.margin(features) for block in self.blocks if block.among(features)]
        return MixedColumns(tuple(kept), None)

    def marginal_moments(self, params: Params, features: Sequence[int]) -> tuple[Array, Array]:
        at, (mean, covariance) = list(features), self.moments(params)
        return mean[:, at], covariance[:, at][:, :, at]

    def distance(self, a: Params, b: Params) -> Array:
        each = [block.family.distance(block.own(a), block.own(b)) for block in self.blocks]
        return np.asarray(np.sum(each, axis=0))

    def divergence(self, a: Params, b: Params) -> Array:
        each = [block.family.divergence(block.own(a), block.own(b)) for block in self.blocks]
        return np.asarray(np.sum(each, axis=0))

    def perturbed(self, params: Params, by: float) -> dict[str, Array]:
        return self._joined([block.family.perturbed(block.own(params), by) for block in self.blocks])

    def gaussian_columns(self, rows: Rows) -> Iterator[tuple[Any, Rows, Any]]:
        for block in self.blocks:
            for family, own, _ in block.family.gaussian_columns(block.rows(rows)):
                yield family, own, block.at  # all columns of a block are of one kind

    def remarks(self, params: Params, count: Array) -> tuple[str, ...]:
        return tuple(r for block in self.blocks for r in block.family.remarks(block.own(params), count))

    def never_identified(self, n_components: int, data: Rows) -> str:
        """What no block identifies: one that tells the clusters apart does so for all the others."""
        own = [b.family.never_identified(n_components, b.rows(data)) for b in self.blocks]
        if not all(own):
            return ""
        return own[0] if len(own) == 1 else too_few_patterns(n_components, self._levels())

    def unidentified(self, params: Params, data: Rows | None = None) -> str:
        """The same near these parameters; binary and categorical columns count as items of one kind."""
        own = [
            b.family.unidentified(b.own(params), None if data is None else b.rows(data)) for b in self.blocks
        ]
        if not all(own) or len(own) == 1:
            return "" if not all(own) else own[0]
        items = [item_tables(block.family, block.own(params)) for block in self.blocks]
        most = max(p.shape[-1] for p in items)
        p = np.concatenate([np.pad(p, ((0, 0), (0, 0), (0, most - p.shape[-1]))) for p in items], axis=1)
        observed = partly_observed(data)
        if observed is not None:
            observed = np.concatenate([observed[:, block.at] for block in self.blocks], axis=1)
        return unidentified(params["alpha"], p, self._levels(), observed)

    def _levels(self) -> list[int]:
        """Number of levels of every binary and categorical column, block by block."""
        return [c for block in self.blocks for c in item_levels(block.family, block.width)]

    def degenerate(self, params: Params, scale: Array) -> np.ndarray:
        each = [block.family.degenerate(block.own(params), scale[block.at]) for block in self.blocks]
        return np.asarray(np.any(each, axis=0))

    def defects(self, params: Params, scale: Array) -> dict[int, str]:
        """Those clusters, each with the reason that the first such block gives."""
        found: dict[int, str] = {}
        for block in reversed(self.blocks):
            found |= block.family.defects(block.own(params), scale[block.at])
        return dict(sorted(found.items()))
