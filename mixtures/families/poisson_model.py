"""The mixture of counts, with or without an exposure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Self

from mixtures.data.matching import places_and_names
from mixtures.data.rows import Rows, means
from mixtures.errors import InputError
from mixtures.families.exposure import COUNTS, ExposedPoisson
from mixtures.families.mixture import Mixture
from mixtures.families.poisson import Poisson
from mixtures.families.priors import Prior
from mixtures.messages import Option, did_you_mean, named, shortened, worded

__all__ = ["PMM"]


@dataclass(frozen=True)
class PMM(Mixture):
    r"""Poisson mixture model, ``x ~ sum_k alpha_k prod_d Poisson(rate_kd)``.

    It is identified up to the order of the clusters (Teicher 1961), and its
    likelihood is bounded.

    Parameters
    ----------
    n_components : int
        Number of clusters K.
    exposure : str or int, optional
        Column that says how long, or how much, was watched for each row's counts, by name or
        position: ``x_d ~ Poisson(e rate_kd)``, so that rates are events per unit of exposure. It must
        be positive and is never missing. The model conditions on it: its distribution is not modelled.
    prior : {"default"}, None or Gamma
        "default" is Gamma(2, 1 / mean of the column) on every rate: one event in
        1 / mean rows, with its mode at the column's mean. With an exposure the mean is that per unit
        of exposure. None is flat: the mode is the maximum likelihood estimate.
    weight_concentration : float, default 1.0
        Concentration of the symmetric Dirichlet prior on alpha.

    Attributes
    ----------
    typical_exposure : float
        Mean exposure of the rows that the model was resolved with; 1 before, and without exposure.
        Distances between clusters are those of rows with this exposure.

    Raises
    ------
    InputError
        If K < 1, the prior is not a Gamma, or the exposure is not a column.

    Notes
    -----
    With an exposure the rates have the dims cluster and feature_count, the columns without the exposure.

    References
    ----------
    McLachlan and Peel, *Finite Mixture Models* (2000), chapter 5; Teicher (1961),
    *Annals of Mathematical Statistics* 32, 244-248. Exposures: Gelman et al., *Bayesian Data
    Analysis*, 3rd ed., section 2.6.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.PMM(3)
    PMM(n_components=3, prior='default', weight_concentration=1.0, exposure=None)
    >>> import pandas as pd
    >>> visits = pd.DataFrame({"visits": [2, 14, 1, 9], "days": [10, 10, 5, 6]})
    >>> mx.fit_em(mx.PMM(1, exposure="days", prior=None), visits).params["rate"].round(3).tolist()
    [[0.839]]
    """

    exposure: str | int | None = field(default=None, kw_only=True)
    typical_exposure: float = field(default=1.0, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        """Make the exposure a name as soon as names are known."""
        own = self.exposure
        if isinstance(own, Integral) and not isinstance(own, bool) and own >= 0:
            own = int(own)
        elif not (own is None or isinstance(own, str)):
            raise InputError(f"exposure is {own!r:.80}: give the name or the position of a column")
        if own is not None and self.features is not None:
            own = _name(own, tuple(self.features))
        object.__setattr__(self, "exposure", own)
        super().__post_init__()

    @classmethod
    def variants(cls) -> Iterator[Self]:
        """One specification without an exposure and one with it."""
        yield cls(1)
        yield cls(1, exposure=0)

    @property
    def family(self) -> Poisson:
        """Poisson components with this prior."""
        if self.exposure is None:
            return Poisson(self.prior)
        return ExposedPoisson(self.prior, self._place(), self.typical_exposure)

    def _place(self) -> int | None:
        """Where the exposure is among the columns, if that is known."""
        if self.exposure is None or isinstance(self.exposure, int):
            return self.exposure
        return None if self.features is None else self.features.index(self.exposure)

    def of(self, features: Sequence[str], *, whose: str = "the fit is") -> Self:
        """The same model of data with their columns in this order, the exposure among them."""
        if self.exposure is None or self.features is None:
            return super().of(features, whose=whose)
        order, names = places_and_names(self.features, features, what="the model has", whose=whose)
        if names == self.features:
            return self
        at = self.features.index(self.exposure)
        own = [j - (j > at) for j in order if j != at]  # positions among the columns of counts
        prior = self.prior.in_order(own) if isinstance(self.prior, Prior) else self.prior
        return replace(self, prior=prior, features=names, exposure=names[order.index(at)])

    def named(self, rows: Rows) -> Self:
        """The model of these rows' columns, and of their typical exposure."""
        spec = super().named(rows)
        at = spec._place()
        return spec if at is None else replace(spec, typical_exposure=float(means(rows)[at]) or 1.0)

    def with_columns(self, labels: Mapping[str, Sequence[str]]) -> Self:
        """The same model of the columns that a sample's dims have the labels of."""
        if self.exposure is None:
            return self
        (own,) = (name for name in labels["feature"] if name not in labels[COUNTS])
        return replace(self, features=tuple(labels["feature"]), exposure=own)

    @property
    def unnamed(self) -> Self:
        """The same model, its columns by position."""
        return replace(self, features=None, exposure=self._place())

    def coords(self, features: Sequence[str]) -> dict[str, Any]:
        """Labels along every dim; those of counts are all columns but the exposure."""
        found = super().coords(features)
        if self.exposure is None:
            return found
        own = _name(self.exposure, tuple(features))
        return {**found, COUNTS: tuple(name for name in features if name != own)}


def _name(column: int | str, features: tuple[str, ...]) -> str:
    """Name of the exposure; refused if there is no such column, or no other."""
    if isinstance(column, int) and column < len(features):
        column = features[column]
    if column not in features:
        word = named(column) if isinstance(column, str) else str(column)
        hint = did_you_mean(word, features) if isinstance(column, str) else ""
        known = f": the data have no column {word}{hint}; their columns are {shortened(features)}"
        raise InputError(worded(Option("exposure"), known))
    if len(features) == 1:
        own = Option("exposure", said="the exposure", typed=f"--exposure {column}")
        raise InputError(worded(own, " is the only column; there are no counts to fit"))
    return str(column)
