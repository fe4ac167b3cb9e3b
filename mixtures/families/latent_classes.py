"""Latent class analysis: a mixture of categorical items, the levels of which it knows by their labels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from mixtures.data.levels import as_levels, coded, shared_labels
from mixtures.data.matching import places_and_names
from mixtures.data.rows import Rows
from mixtures.data.table import LevelsOfColumns
from mixtures.errors import InputError
from mixtures.families.categorical import Categorical
from mixtures.families.mixture import Mixture
from mixtures.messages import counted, did_you_mean, named, shortened

__all__ = ["LCA"]


@dataclass(frozen=True)
class LCA(Mixture):
    r"""Latent class analysis, ``x ~ sum_k alpha_k prod_d p_kd[x_d]`` over categorical items.

    Items are independent within a cluster (a latent class), and each has levels of its own:
    pandas categoricals and polars enums declare them, whether or not they occur; of text, whole
    numbers and booleans they are those that occur, in ascending order. Rows read later are coded
    by the levels of the fit, and a level that it does not know is refused.

    Almost all parameters are identified, up to the order of the clusters, if the items can be put
    in three groups whose numbers a, b and c of patterns of answers satisfy
    ``min(K, a) + min(K, b) + min(K, c) >= 2 K + 2`` (Kruskal 1977).

    Parameters
    ----------
    n_components : int
        Number of clusters K.
    prior : {"default"}, None or Dirichlet
        "default" is Dirichlet(2, ..., 2) on every item: one extra cell of every level. None is
        flat: the mode is the maximum likelihood estimate.
    weight_concentration : float, default 1.0
        Concentration of the symmetric Dirichlet prior on alpha.
    levels : sequence or dict, optional
        The levels, in their order: of all columns, ``["no", "yes"]``; of each column,
        ``[["no", "yes"], [1, 2, 3]]``; or of some by name, ``{"smokes": ["no", "yes"]}``. Levels
        that no row has are kept. By default they are read off the data.

    Raises
    ------
    InputError
        If K < 1, the prior is not a Dirichlet, or levels are not different labels.

    References
    ----------
    Goodman (1974), *Biometrika* 61, 215-231; Kruskal (1977), *Linear Algebra and its Applications*
    18, 95-138; Allman, Matias and Rhodes (2009), *Annals of Statistics* 37, 3099-3132.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.LCA(3)
    LCA(n_components=3, prior='default', weight_concentration=1.0)
    """

    levels: Collection[Any] | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        """Make the stated levels plain."""
        object.__setattr__(self, "levels", _stated(self.levels))
        super().__post_init__()

    @property
    def family(self) -> Categorical:
        """Categorical components with this prior."""
        return Categorical(self.prior, self._numbers())

    def _numbers(self) -> tuple[int, ...] | int | None:
        """Number of levels of every item, or of all, as far as they are known."""
        if self.levels is None or isinstance(self.levels, Mapping):
            return None
        each = tuple(self.levels)
        return tuple(map(len, each)) if isinstance(each[0], tuple) else len(each)

    def _of_columns(self, features: Sequence[str]) -> LevelsOfColumns:
        """The stated levels of every column; None where none are stated."""
        if self.levels is None:
            return (None,) * len(features)
        if isinstance(self.levels, Mapping):
            if unknown := [name for name in self.levels if name not in features]:
                hint = did_you_mean(unknown[0], features)
                raise InputError(
                    f"levels has {named(unknown[0])}{hint}; the columns are {shortened(features)}"
                )
            return tuple(self.levels.get(name) for name in features)
        each = tuple(self.levels)
        if not isinstance(each[0], tuple):
            return (each,) * len(features)
        if len(each) != len(features):
            raise InputError(
                f"levels are stated of {counted(len(each), 'column')}; the data have {len(features)}"
            )
        return each

    def of(self, features: Sequence[str], *, whose: str = "the fit is") -> Self:
        """The same model of columns in this order, with their levels."""
        moved = super().of(features, whose=whose)
        if self.features is None or not isinstance(self._numbers(), tuple):
            return moved
        order, _ = places_and_names(self.features, features, what="the model has", whose=whose)
        return replace(moved, levels=tuple(tuple(self.levels or ())[j] for j in order))

    def ordered[R: Rows](self, rows: R, X: Any) -> R:
        """Rows with their columns in the order of the model's, coded by its levels."""
        moved = super().ordered(rows, X)
        return coded(moved, self._of_columns(moved.features if self.features is None else self.features))

    def named(self, rows: Rows) -> Self:
        """The model of these rows' columns: it knows their names and levels."""
        return replace(self, features=rows.features, levels=rows.levels or self.levels)

    def like(self, other: Mixture) -> Self:
        """The same model, its levels those of another where it does not know them."""
        if not isinstance(other, LCA) or self._numbers() is not None:
            return self
        return replace(self, features=other.features, levels=other.levels)

    def with_levels(self, features: Sequence[str], levels: Sequence[Sequence[Any]]) -> Self:
        """The same model with the levels of these columns, if it does not know them."""
        if self._numbers() is not None:
            return self
        own = self.features or tuple(features)
        at = dict(zip(features, levels, strict=True))
        return replace(self, features=own, levels=tuple(at[name] for name in own))

    def coords(self, features: Sequence[str]) -> dict[str, Any]:
        """Labels along every dim; those of category are numbers unless all items have the same levels."""
        levels = self._of_columns(features)
        most = self.family.sizes(1, len(features))["category"]
        return {**super().coords(features), "category": shared_labels(levels, most), "levels": levels}


def _stated(levels: Any) -> Any:
    """Stated levels, in plain labels and tuples."""
    if levels is None:
        return None
    if isinstance(levels, Mapping):
        return {str(name): as_levels(own, f"of {named(str(name))}") for name, own in levels.items()}
    if isinstance(levels, str) or not isinstance(levels, Collection) or not len(levels):
        raise InputError(
            f"levels must be labels, a sequence of them for every column, or a dict: {levels!r:.80}"
        )
    each = list(levels)
    if any(isinstance(own, Collection) and not isinstance(own, str) for own in each):
        return tuple(as_levels(own, f"of column {j}") for j, own in enumerate(each))
    return as_levels(each, "of the columns")
