"""The mixture of mixed columns: which column is of which kind, by name or by position."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, combinations
from numbers import Integral
from typing import Any, Self

from mixtures.data.levels import Categories, as_levels, coded, shared_labels
from mixtures.data.matching import places_and_names
from mixtures.data.rows import Rows, means
from mixtures.data.table import LevelsOfColumns
from mixtures.errors import InputError
from mixtures.families.bernoulli import Bernoulli
from mixtures.families.blocks import KINDS, WITHOUT_EXPOSURE, Block, block_dim
from mixtures.families.categorical import Categorical
from mixtures.families.covariance import COVARIANCES, covariance
from mixtures.families.exposure import COUNTS, ExposedPoisson
from mixtures.families.family import ExponentialFamily
from mixtures.families.gaussian import Gaussian
from mixtures.families.mixed import MixedColumns
from mixtures.families.mixture import Mixture
from mixtures.families.poisson import Poisson
from mixtures.messages import columns_are, counted, did_you_mean, named, shortened

__all__ = ["Mixed"]


@dataclass(frozen=True)
class Mixed(Mixture):
    r"""Mixture model of columns of several kinds, all with the same latent class.

    .. math::

       f(x) = \sum_k \alpha_k\, \mathcal N(x_g \mid \mu_k, \Sigma_k)
           \prod_b p_{kb}^{x_b} (1 - p_{kb})^{1 - x_b} \prod_c p_{k c x_c}
           \prod_d \operatorname{Poisson}(x_d \mid \lambda_{kd})

    Within a cluster the blocks are independent of each other, and Gaussian columns covary as
    ``covariance_type`` says. Every column of the data is in exactly one block; a block that is left
    out has no columns. With a single block the model is that of the block alone.

    Parameters
    ----------
    n_components : int
        Number of clusters K.
    gaussian, bernoulli, categorical, poisson : sequence of str or of int
        Columns of real numbers, of zeros and ones, of levels and of counts, by name or all by position.
    covariance_type : str, default "full"
        Of the Gaussian block, as in `GMM`.
    exposure : str or int, optional
        Column that says how long, or how much, was watched for the counts of each row, as in `PMM`: rates are
        then events per unit of it. It is in no block; the model conditions on it.
    levels : sequence or dict, optional
        Levels of the categorical columns in their order, as in `LCA`: one list for all, one for each, or
        some by name. By default they are read off the data.
    prior : {"default"}, None or Blocks
        "default" is that of `GMM`, `BMM`, `LCA` and `PMM` for each block; `mixtures.priors.Blocks`
        states some or all of them. None is flat: the mode is the maximum likelihood estimate.
    weight_concentration : float, default 1.0
        Concentration of the symmetric Dirichlet prior on alpha.

    Attributes
    ----------
    typical_exposure : float
        As in `PMM`.

    Raises
    ------
    InputError
        If no block has columns, a column is in two blocks or in none, there is an exposure and no counts, or
        the prior does not go with it.

    Notes
    -----
    Parameters are named as in the models of one block, ``mu``, ``Sigma`` or ``sigma2``, ``p`` (of ones)
    and ``rate``, but the probabilities of levels are ``p_level``: two parameters cannot both be ``p``.
    Their dims are ``feature_gaussian``, ``feature_bernoulli``, ``feature_categorical`` and
    ``feature_poisson``, with the columns in the order given here; with an exposure rates have the dim
    ``feature_poisson_count``.

    References
    ----------
    McLachlan and Peel, *Finite Mixture Models* (2000), section 5.3; Hunt and Jorgensen (1999),
    *Australian & New Zealand Journal of Statistics* 41, 153-171.

    Examples
    --------
    >>> import mixtures as mx
    >>> spec = mx.Mixed(2, gaussian=["height", "weight"], poisson=["visits"])
    >>> list(spec.dims)
    ['alpha', 'mu', 'Sigma', 'rate']
    """

    gaussian: Any = field(default=(), kw_only=True)
    bernoulli: Any = field(default=(), kw_only=True)
    categorical: Any = field(default=(), kw_only=True)
    poisson: Any = field(default=(), kw_only=True)
    covariance_type: str = field(default="full", kw_only=True)
    exposure: str | int | None = field(default=None, kw_only=True)
    levels: Collection[Any] | None = field(default=None, repr=False, compare=False, kw_only=True)
    typical_exposure: float = field(default=1.0, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        """Make the blocks plain; names take the place of positions as soon as they are known."""
        for kind in KINDS:
            object.__setattr__(self, kind, _columns(getattr(self, kind), kind))
        if self.exposure is not None:
            (own,) = _columns((self.exposure,), "exposure")
            object.__setattr__(self, "exposure", own)
            if not self.poisson:
                raise InputError("an exposure is that of counts, and the model has no poisson=[...] columns")
        places = [c for c in self.columns if isinstance(c, int)]
        if not self.columns:
            raise InputError(
                f"a Mixed model needs columns: name them in {', '.join(f'{kind}=[...]' for kind in KINDS)}"
            )
        if places and len(places) < len(self.columns):
            raise InputError(
                "columns are given by name or by position: not some by one and some by the other"
            )
        self._check_once()
        if places and self.features is not None:
            named_now: dict[str, Any] = {
                kind: self._by_name(getattr(self, kind), tuple(self.features)) for kind in KINDS
            }
            if self.exposure is not None:
                (named_now["exposure"],) = self._by_name((self.exposure,), tuple(self.features))
            for name, own in named_now.items():
                object.__setattr__(self, name, own)
        if self.features is not None:
            self._check_cover(tuple(self.features))
        elif places and sorted(places) != list(range(len(places))):
            left = next(j for j in range(max(places) + 1) if j not in places)
            raise InputError(f"column {left} is in no block; {GIVE}")
        object.__setattr__(self, "levels", self._stated(self.levels))
        super().__post_init__()

    @property
    def blocks(self) -> dict[str, tuple[Any, ...]]:
        """Columns of every kind that the model has."""
        return {kind: own for kind in KINDS if (own := getattr(self, kind))}

    @property
    def columns(self) -> tuple[Any, ...]:
        """All columns, block by block."""
        return tuple(chain.from_iterable(self.parts.values()))

    @property
    def parts(self) -> dict[str, tuple[Any, ...]]:
        """Columns that every block is of: the exposure, if there is one, is the last of the counts'."""
        blocks = self.blocks
        return blocks if self.exposure is None else {**blocks, "poisson": (*self.poisson, self.exposure)}

    @classmethod
    def variants(cls) -> Iterator[Self]:
        """One specification for every choice of blocks and covariance structure, those with most first."""
        for size in range(len(KINDS), 0, -1):
            for kinds in combinations(KINDS, size):
                columns: dict[str, Any] = {kind: (j,) for j, kind in enumerate(kinds)}
                for name in COVARIANCES if "gaussian" in kinds else ("full",):
                    yield cls(1, **columns, covariance_type=name)
                    if "poisson" in kinds:
                        yield cls(1, **columns, covariance_type=name, exposure=size)

    @cached_property
    def family(self) -> MixedColumns:
        """The blocks' components with their priors."""
        own: dict[str, ExponentialFamily] = {
            "gaussian": Gaussian(covariance(self.covariance_type)),
            "bernoulli": Bernoulli(),
            "categorical": Categorical(levels=self._numbers()),
            "poisson": Poisson(),
        }
        if self.exposure is not None:
            own["poisson"] = ExposedPoisson(place=len(self.poisson), typical=self.typical_exposure)
        blocks = tuple(Block(kind, own[kind], len(at), self._places(at)) for kind, at in self.parts.items())
        return MixedColumns(blocks, self.prior)

    @property
    def categories(self) -> Categories:
        """The categorical columns."""
        return frozenset(self.categorical) if self.categorical else False

    def _places(self, columns: tuple[Any, ...]) -> tuple[int, ...] | None:
        """Where columns are in the data, if that is known."""
        if self.features is not None:
            return tuple(self.features.index(name) for name in columns)
        return columns if all(isinstance(c, int) for c in columns) else None

    def _by_name(self, columns: tuple[Any, ...], features: tuple[str, ...]) -> tuple[str, ...]:
        if beyond := [j for j in columns if j >= len(features)]:
            raise InputError(
                f"column {beyond[0]} is in a block, and the data have {counted(len(features), 'column')}"
            )
        return tuple(features[j] for j in columns)

    def _check_once(self) -> None:
        """Refuse columns that are in two blocks, or twice in one."""
        where: dict[Any, str] = {}
        for kind, own in self.blocks.items():
            for column in own:
                if column in where:
                    raise InputError(
                        f"column {_word(column)} is in two blocks, {where[column]} and {kind}; it belongs in "
                        "exactly one"
                    )
                where[column] = kind
        if self.exposure in where:
            raise InputError(
                f"column {_word(self.exposure)} is the exposure and in the {where[self.exposure]} block; the "
                "model conditions on an exposure, and it is in no block"
            )

    def _check_cover(self, features: tuple[str, ...]) -> None:
        """Refuse columns that the data do not have, and columns of the data that are in no block."""
        if unknown := [c for c in self.columns if c not in features]:
            free = [f for f in features if f not in self.columns]
            place = "the exposure" if unknown[0] == self.exposure else "in a block"
            raise InputError(
                f"column {named(unknown[0])} is {place}, and the data have no such column"
                f"{did_you_mean(unknown[0], free)}; they have {shortened(features)}"
            )
        if left := [f for f in features if f not in self.columns]:
            raise InputError(f"{columns_are(left, 5)} in no block; {GIVE}")

    def _stated(self, levels: Any) -> Any:
        """Stated levels of the categorical columns in plain labels: one list for each, or some by name."""
        if levels is None or not self.categorical:
            return None
        if isinstance(levels, Mapping):
            if unknown := [name for name in levels if name not in self.categorical]:
                hint = did_you_mean(str(unknown[0]), list(map(str, self.categorical)))
                raise InputError(
                    f"levels has {_word(unknown[0])}{hint}; the categorical columns are "
                    f"{shortened(list(map(str, self.categorical)))}"
                )
            found = {name: as_levels(own, f"of {_word(name)}") for name, own in levels.items()}
            some = found.keys() == set(self.categorical)
            return tuple(found[name] for name in self.categorical) if some else found
        if isinstance(levels, str) or not isinstance(levels, Collection) or not len(levels):
            raise InputError(
                "levels must be labels, a sequence of them for every categorical column, or a dict: "
                f"{levels!r:.80}"
            )
        each = list(levels)
        if not any(isinstance(own, Collection) and not isinstance(own, str) for own in each):
            return (as_levels(each, "of the categorical columns"),) * len(self.categorical)
        if len(each) != len(self.categorical):
            raise InputError(
                f"levels are stated of {counted(len(each), 'column')}; the categorical ones are "
                f"{len(self.categorical)}"
            )
        return tuple(
            as_levels(own, f"of {_word(name)}") for own, name in zip(each, self.categorical, strict=True)
        )

    def _numbers(self) -> tuple[int, ...] | None:
        """Number of levels of every categorical column, if they are known."""
        return tuple(map(len, self.levels)) if isinstance(self.levels, tuple) else None

    def _levels_of(self, features: Sequence[str]) -> LevelsOfColumns:
        """The stated levels of every column of the data; None where none are."""
        known = self.levels
        if known is None:
            return (None,) * len(features)
        each = known if isinstance(known, Mapping) else dict(zip(self.categorical, known, strict=True))
        by_place = any(isinstance(name, int) for name in each)
        return tuple(each.get(j if by_place else name) for j, name in enumerate(features))

    def of(self, features: Sequence[str], *, whose: str = "the fit is") -> Self:
        """The same model of data with their columns in this order; those of a block keep their own."""
        if self.features is None:
            return replace(self, features=tuple(features))
        order, names = places_and_names(self.features, features, what="the model has", whose=whose)
        if names == self.features:
            return self
        new = {self.features[j]: name for j, name in zip(order, names, strict=True)}
        renamed: dict[str, Any] = {
            kind: tuple(new[name] for name in own) for kind, own in self.blocks.items()
        }
        if self.exposure is not None:
            renamed["exposure"] = new[str(self.exposure)]
        return replace(self, features=names, **renamed)

    def ordered[R: Rows](self, rows: R, X: Any) -> R:
        """Rows with their columns in the order of the model's, the categorical ones coded by its levels."""
        moved = super().ordered(rows, X)
        spec = self if self.features is not None else replace(self, features=moved.features)
        assert spec.features is not None
        if not spec.categorical:
            return moved
        which = frozenset(spec.features.index(name) for name in spec.categorical)
        return coded(moved, spec._levels_of(spec.features), which)

    def named(self, rows: Rows) -> Self:
        """The model of these rows' columns: it knows their names, and the levels of the categorical ones."""
        spec = replace(self, features=rows.features)
        if spec.exposure is not None:
            at_exposure = rows.features.index(str(spec.exposure))
            spec = replace(spec, typical_exposure=float(means(rows)[at_exposure]) or 1.0)
        if rows.levels is None or not spec.categorical:
            return spec
        at = dict(zip(rows.features, rows.levels, strict=True))
        found = tuple(at[name] for name in spec.categorical)
        return replace(spec, levels=found) if all(own is not None for own in found) else spec

    def like(self, other: Mixture) -> Self:
        """The same model, its levels those of another where it does not know them."""
        if not isinstance(other, Mixed) or self._numbers() is not None or not self.categorical:
            return self
        return replace(self, features=other.features, levels=other.levels)

    def with_levels(self, features: Sequence[str], levels: Sequence[Sequence[Any]]) -> Self:
        """The same model with the levels of its categorical columns, if it does not know them."""
        if self._numbers() is not None or not self.categorical:
            return self
        return replace(self, levels=tuple(levels))

    def with_columns(self, labels: Mapping[str, Sequence[str]]) -> Self:
        """The same model of the columns that a sample's dims have the labels of."""
        of_counts = "feature" if self.exposure is None else COUNTS
        dims = {kind: block_dim(kind, of_counts if kind == "poisson" else "feature") for kind in self.blocks}
        own: dict[str, Any] = {kind: tuple(map(str, labels[dim])) for kind, dim in dims.items()}
        columns = tuple(name for names in own.values() for name in names)
        features = tuple(labels.get("feature", columns))
        if self.exposure is not None:
            (own["exposure"],) = (name for name in features if name not in columns)
        return replace(self, features=features, **own)

    @property
    def unnamed(self) -> Self:
        """The same model, its columns by position."""
        if self.features is None:
            return self
        places: dict[str, Any] = {kind: self._places(own) for kind, own in self.blocks.items()}
        if self.exposure is not None:
            places["exposure"] = self.features.index(str(self.exposure))
        return replace(self, features=None, **places)

    def coords(self, features: Sequence[str]) -> dict[str, Any]:
        """Labels along every dim; those of category are numbers unless all items have the same levels."""
        found = super().coords(features)
        for kind, own in self.blocks.items():
            names = [features[c] if isinstance(c, int) else c for c in own]
            found |= {block_dim(kind, dim): names for dim in ("feature", "feature_bis")}
        if self.exposure is not None:
            found[block_dim("poisson", COUNTS)] = found.pop(block_dim("poisson", "feature"))
            exposure = features[self.exposure] if isinstance(self.exposure, int) else self.exposure
            found[WITHOUT_EXPOSURE] = [name for name in features if name != exposure]
        if not self.categorical:
            return found
        levels = self._levels_of(features)
        own_levels = tuple(levels[j] for j in self._places(self.categorical) or ())
        labels = shared_labels(own_levels, max(self._numbers() or (0,)))
        return {**found, "category": labels, "levels": own_levels}


GIVE = "put it in one of gaussian=, bernoulli=, categorical=, poisson=, or leave it out of the data"
"""What to do about a column without a block."""


def _columns(given: Any, kind: str) -> tuple[Any, ...]:
    """Columns of a block as plain names or positions."""
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InputError(f"{kind} must be a list of columns, got {given!r:.80}")
    found: list[Any] = []
    for column in given:
        if isinstance(column, Integral) and not isinstance(column, bool) and int(column) >= 0:
            found.append(int(column))
        elif isinstance(column, str):
            found.append(str(column))
        else:
            raise InputError(f"{kind}: {column!r:.80} is neither the name nor the position of a column")
    return tuple(found)


def _word(column: Any) -> str:
    return named(column) if isinstance(column, str) else str(column)
