"""Blocks of columns, each with components of a family of its own: what a mixed family is made of.

Two families may give a parameter the same name, and columns of one kind are not those of another. So
in a model of several blocks every dim of features has the name of its block, ``feature_gaussian``,
``feature_poisson``, ..., and parameters keep the names that they have alone, except that the
probabilities of levels are ``p_level``: ``p`` are those of ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from mixtures.data.matching import columns_of
from mixtures.data.rows import Rows
from mixtures.errors import InputError
from mixtures.families.family import ExponentialFamily
from mixtures.families.forms import ObservedForm
from mixtures.families.parameters import Parameter
from mixtures.families.priors import Prior
from mixtures.types import Array, Params

__all__ = [
    "KINDS",
    "WITHOUT_EXPOSURE",
    "Block",
    "BlockForm",
    "BlockStatistics",
    "Blocks",
    "block_dim",
    "check_stated",
    "prior_of",
]

KINDS = ("gaussian", "bernoulli", "categorical", "poisson")
"""Kinds of blocks, in the order in which a model has them."""


WITHOUT_EXPOSURE = "feature_without_exposure"
"""Dim of the columns of rows without that of the exposure, in a model that has one."""


RENAMED = {("categorical", "p"): "p_level"}
"""Parameters that have another name in a model of several blocks, by the kind of their block."""


def block_dim(kind: str, dim: str) -> str:
    """Name that a dim of a family has in a model of several blocks.

    Examples
    --------
    >>> block_dim("gaussian", "feature_bis"), block_dim("gaussian", "cluster")
    ('feature_gaussian_bis', 'cluster')
    """
    return dim.replace("feature", f"feature_{kind}", 1) if dim.startswith("feature") else dim


@dataclass(frozen=True, eq=False, repr=False)
class Blocks(Prior):
    """Prior of a model of several blocks of columns: one for each block, independent of the others.

    Parameters
    ----------
    gaussian : NormalInverseWishart, NormalInverseGamma or "default", optional
        Prior of the Gaussian block; which of the two goes with its covariances, as in `GMM`.
    bernoulli : Beta or "default", optional
        Prior of the Bernoulli block.
    categorical : Dirichlet or "default", optional
        Prior of the categorical block.
    poisson : Gamma or "default", optional
        Prior of the Poisson block.

    Notes
    -----
    A block that is left out has the default of its family. All blocks together are flat with
    ``prior=None`` of the model; a single one cannot be.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.priors.Blocks(bernoulli=mx.priors.Beta(2.0, 2.0))
    Blocks(bernoulli=Beta(alpha=2, beta=2))
    """

    gaussian: Prior | None = None
    bernoulli: Prior | None = None
    categorical: Prior | None = None
    poisson: Prior | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a prior."""
        for kind, own in self.stated.items():
            if not (isinstance(own, Prior) or (isinstance(own, str) and own == "default")):
                raise InputError(f"Blocks: {kind} is {own!r:.80}; give a prior of that block, or 'default'")

    @property
    def stated(self) -> dict[str, Any]:
        """What is stated, by the kind of the block."""
        return {field.name: own for field in fields(self) if (own := getattr(self, field.name)) is not None}

    @property
    def concrete(self) -> bool:
        """Whether every block that is stated has a prior of numbers."""
        return all(isinstance(own, Prior) for own in self.stated.values())

    @property
    def hyperparameters(self) -> dict[str, Array]:
        """Every hyperparameter, with the kind of its block before its name."""
        return {
            f"{kind}.{name}": value
            for kind, own in self.stated.items()
            for name, value in own.hyperparameters.items()
        }

    def in_order(self, places: Sequence[int]) -> Self:
        """The prior itself: the columns of a block have an order of their own."""
        return self

    def _values(self) -> tuple[Any, ...]:
        return tuple(self.stated.items())

    def __repr__(self) -> str:
        """Show the priors that are stated."""
        return f"Blocks({', '.join(f'{kind}={own!r}' for kind, own in self.stated.items())})"


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of one kind, and the family of their components.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    family : ExponentialFamily
        Family with the block's prior.
    width : int
        Number of columns.
    places : tuple of int, or None
        Where the columns are in the data; None while only their names are known.
    """

    kind: str
    family: ExponentialFamily
    width: int
    places: tuple[int, ...] | None

    @property
    def known_places(self) -> tuple[int, ...]:
        """Where the columns are in the data; refused while that is not known."""
        if self.places is None:
            raise InputError(
                "where the columns are in the data is not known yet: take the model of a fit (em.spec), or "
                "mx.resolve it with the data"
            )
        return self.places

    @cached_property
    def at(self) -> Any:
        """Index of the columns: a slice if they stand side by side."""
        first = self.known_places[0]
        together = self.places == tuple(range(first, first + self.width))
        return slice(first, first + self.width) if together else np.array(self.places)

    @cached_property
    def names(self) -> dict[str, str]:
        """Name of every parameter in the whole model by that in its own family."""
        return {name: RENAMED.get((self.kind, name), name) for name in self.family.dims}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters as the whole model has them."""
        return tuple(
            Parameter(
                self.names[each.name], tuple(block_dim(self.kind, dim) for dim in each.dims), each.support
            )
            for each in self.family.parameters
        )

    def with_prior(self, prior: Any) -> "Block":
        """The block with this prior."""
        if prior is self.family.prior:
            return self
        family: ExponentialFamily = replace(self.family, prior=prior)  # type: ignore[type-var]
        return replace(self, family=family)

    def own(self, params: Params) -> dict[str, Array]:
        """The block's parameters by the names of its family, and the weights where they are there."""
        found = {name: params[public] for name, public in self.names.items()}
        return {**found, "alpha": params["alpha"]} if "alpha" in params else found

    def public(self, params: Params) -> dict[str, Array]:
        """The block's parameters by the names that they have in the whole model."""
        return {public: params[name] for name, public in self.names.items()}

    def among(self, features: Sequence[int]) -> list[int]:
        """Which of the block's columns are among these of the data, in the order that they have there."""
        own = self.known_places
        return [own.index(d) for d in features if d in own]

    def margin(self, features: Sequence[int]) -> "Block":
        """The block in rows of these columns of the data alone, some of which are its own."""
        own = self.among(features)
        places = tuple(j for j, d in enumerate(features) if d in self.known_places)
        family: Any = self.family.marginal_family(own)
        return Block(self.kind, family, len(own), places)

    def rows[R: Rows](self, rows: R) -> R:
        """The rows of the block's columns; sums over them are kept with all rows."""
        key = ("columns", self.known_places)
        if key not in rows.sums:
            rows.sums[key] = columns_of(rows, self.known_places)
        found: R = rows.sums[key]
        return found

    @cached_property
    def n_features(self) -> int:
        """Number of features phi(x), the constant left out."""
        return len(self.family.features(np.zeros((self.width, 1)))) - 1

    @cached_property
    def n_observed_features(self) -> int:
        """The same where cells are missing."""
        return len(self.family.observed_features(np.zeros((self.width, 1)))) - 1

    def sizes(self, n_components: int) -> dict[str, int]:
        """Size of every dim that its parameters have."""
        own = self.family.sizes(n_components, self.width)
        return {block_dim(self.kind, dim): size for dim, size in own.items()}


@dataclass(frozen=True, eq=False)
class BlockStatistics:
    """Expected rows of each cluster, and the statistics of every block."""

    count: Array
    parts: tuple[Any, ...]

    def __add__(self, other: Self) -> Self:
        """Statistics of both sets of rows."""
        parts = tuple(a + b for a, b in zip(self.parts, other.parts, strict=True))
        return replace(self, count=self.count + other.count, parts=parts)


@dataclass(frozen=True, eq=False)
class BlockForm:
    """Components in natural form for patterns of observed columns: the blocks' forms, side by side.

    Attributes
    ----------
    blocks : tuple of Block
        The blocks.
    forms : tuple of ObservedForm
        The form of each; one that is the same for all patterns may have a single one.
    """

    blocks: tuple[Block, ...]
    forms: tuple[ObservedForm, ...]

    @property
    def eta(self) -> Array:
        """[sum of the constants, what the constants leave of every block]."""
        each = [form.eta for form in self.forms]
        patterns = max(eta.shape[-3] for eta in each)
        full = [np.broadcast_to(eta, (*eta.shape[:-3], patterns, *eta.shape[-2:])) for eta in each]
        constant = np.sum([eta[..., :1] for eta in full], axis=0)
        return np.concatenate([constant, *(eta[..., 1:] for eta in full)], axis=-1)

    def statistics(self, sums: Array, location: Array, scale: Array) -> BlockStatistics:
        """The statistics of every block from the sums of its own features."""
        parts, begin = [], 1
        for block, form in zip(self.blocks, self.forms, strict=True):
            end = begin + block.n_observed_features
            own = np.concatenate([sums[..., :1], sums[..., begin:end]], axis=-1)
            if not block.family.by_pattern:
                own = own.sum(axis=-3, keepdims=True)
            parts.append(form.statistics(own, location[block.at], scale[block.at]))
            begin = end
        return BlockStatistics(sums[..., 0].sum(axis=-2), tuple(parts))


def prior_of(prior: Any, kind: str) -> Any:
    """What the prior of a whole model says of a block."""
    return prior.stated.get(kind, "default") if isinstance(prior, Blocks) else prior


def check_stated(prior: Any, kinds: Mapping[str, Any] | Sequence[str]) -> None:
    """Refuse a prior of another kind, or one with a block that the model does not have."""
    if not (prior is None or isinstance(prior, Blocks) or (isinstance(prior, str) and prior == "default")):
        raise InputError(
            f"prior {prior!r:.80} does not go with a Mixed model; use 'default', None or Blocks with a prior "
            "for each block"
        )
    extra = [kind for kind in prior.stated if kind not in kinds] if isinstance(prior, Blocks) else []
    if extra:
        raise InputError(f"Blocks states a prior of the {extra[0]} block, and the model has no such block")
