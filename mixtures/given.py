"""What a fit, a mode, a crosscheck or a sample says of its model, in whose place it can be given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from typing import Any

import xarray as xr

from mixtures.data.table import Data
from mixtures.draws import checked_draws, features_of, named_after, rows_of
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import recognise_mixture
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.trees import ANCHORED, feature_labels, point_tree, sorted_sample
from mixtures.types import LEVELS, Array

__all__ = [
    "Fit",
    "Given",
    "Parameters",
    "at_point",
    "fitted_rows",
    "given",
    "names_of",
    "posterior_of",
    "rows_in",
    "with_params",
    "with_point",
    "with_sample",
]

UNKNOWN = (
    "the sample is not of a mixture known here: its variables are {}; they need the names and dims of a "
    "model of this package, such as GMM, BMM, LCA or PMM. Of a model of your own, pass what "
    "crosscheck(model) returns, which knows its mixture; model_responsibilities(model, tree) gives the "
    "responsibilities alone"
)
"""Why a sample with other variables is refused."""


UNKNOWN_OWN = (
    "the mixture in this model of your own, whose variables are {}, is not known here: it must be the only "
    "observed GaussianMixture, BernoulliMixture, PoissonMixture or CategoricalMixture, of a table, with the "
    "same parameters for all rows and labels that can be aligned. model_responsibilities(model, "
    "cc.posterior) gives the responsibilities of every mixture, also of a pm.Mixture"
)
"""Why the crosscheck of a user's own model is refused if no mixture was found in it."""


Fit = EMFit | MAPFit | Crosscheck | xr.DataTree
"""What knows its model and parameters."""


Parameters = Mapping[str, Any] | xr.DataTree
"""Parameters by name, or a posterior sample."""


@dataclass(frozen=True, eq=False)
class Given:
    """A model with parameters.

    Attributes
    ----------
    spec : Mixture
        The model.
    features : tuple of str
        Names of its columns.
    params : dict of ndarray or xarray.DataTree
        Its parameters, or a posterior sample.
    prior_known : bool, default True
        Whether the model's prior is that of the fit; a sample does not hold it.
    names : tuple of str, or None
        Names that the user gave the clusters.
    """

    spec: Mixture
    features: tuple[str, ...]
    params: Parameters
    prior_known: bool = True
    names: tuple[str, ...] | None = None

    @cached_property
    def draws(self) -> dict[str, Array]:
        """Parameters in S draws, each of shape (S, ...); S is 1 for a point."""
        if isinstance(self.params, xr.DataTree):
            return checked_draws(self.spec, self.params)
        point: Mapping[str, Any] = self.params
        return {name: x[None] for name, x in point.items()}

    @property
    def is_sample(self) -> bool:
        """Whether there are several draws, which tell uncertainty."""
        return len(self.draws["alpha"]) > 1

    @property
    def named(self) -> Mixture:
        """The model with the names of its columns."""
        return self.spec.of(self.features) if self.features and self.spec.features is None else self.spec

    @property
    def sample(self) -> xr.DataTree:
        """The posterior sample; a point is one of a single draw."""
        if isinstance(self.params, xr.DataTree):
            return self.params
        return point_tree(self.params, self.spec.dims, self.features, self.spec.coords(self.features))

    @property
    def rows(self) -> Data | None:
        """The rows that were fitted, with their weights and known labels, where a sample holds them."""
        if not isinstance(self.params, xr.DataTree):
            return None
        rows = rows_of(self.params)
        unlabelled = rows is not None and rows.labels is None
        return None if unlabelled and ANCHORED in self.params.attrs else rows  # so in earlier versions' files

    @property
    def levels(self) -> Any:
        """Labels of the levels of every categorical feature; None if the model has none."""
        return self.spec.coords(self.features).get(LEVELS)

    @property
    def levels_by_feature(self) -> tuple[Any, ...]:
        """Labels of the levels of every feature; None for one of numbers."""
        items = (own[-2] for own in self.spec.dims.values() if own[-1:] == ("category",))
        if self.levels is None or (dim := next(items, None)) is None:
            return (None,) * len(self.features)
        known = dict(zip(self.spec.coords(self.features)[dim], self.levels, strict=True))
        return tuple(known.get(name) for name in self.features)


@singledispatch
def given(result: Any) -> Given:
    """Model and parameters of a result; refused of anything else."""
    raise InputError(
        f"result is a {type(result).__name__}; it must be a fit of fit_em or fit_map, a crosscheck, or a "
        "posterior sample"
    )


def _point(spec: Mixture, features: tuple[str, ...], params: Mapping[str, Array]) -> Given:
    return Given(spec, features, {name: params[name] for name in spec.dims})


@given.register
def _(result: EMFit) -> Given:
    return _point(result.spec, result.features, result.params)


@given.register
def _(result: MAPFit) -> Given:
    if result.spec is None:
        return given(result.to_datatree())
    return _point(result.spec, result.features, result.params)


@given.register
def _(result: Crosscheck) -> Given:
    return replace(_given_crosscheck(result), names=result.names)


def _given_crosscheck(result: Crosscheck) -> Given:
    if result.mixture is not None:
        return given(result.mixture)
    if result.posterior is None:
        return given(result.em or result.mode)
    if result.mode.spec is None:
        return _given_sample(result.posterior, UNKNOWN_OWN)
    point = given(result.mode)
    return Given(point.spec, point.features, result.posterior)


def names_of(result: Any) -> tuple[str, ...] | None:
    """Names that the user gave the clusters of a result; None if there are none."""
    return result.names if isinstance(result, Crosscheck) else None


@given.register
def _(result: Uncertainty) -> Given:
    point = given(result.em)
    return Given(point.spec, point.features, result.trees.get("nuts", point.params))


@given.register
def _(result: Selection) -> Given:
    k = result.recommended
    if k is None:
        raise InputError(f"the selection has no clusters to assign rows to: {result.rule}")
    point = given(result.fits[k])
    return Given(point.spec, point.features, result.samples.get(k, point.params))


@given.register
def _(result: xr.DataTree) -> Given:
    return _given_sample(result, UNKNOWN)


def _given_sample(result: xr.DataTree, otherwise: str) -> Given:
    """What a sample says by the names and dims of its variables, or refusal in these words."""
    result = sorted_sample(result)
    posterior = result["posterior"].to_dataset()
    found = {str(name): tuple(map(str, x.dims)) for name, x in posterior.data_vars.items()}
    dims = {name: tuple(d for d in own if d not in ("chain", "draw")) for name, own in found.items()}
    model = recognise_mixture(dims, posterior.sizes.get("cluster", 0))
    if model is None:
        raise InputError(otherwise.format(", ".join(dims) or "none"))
    spec = named_after(model.with_columns(feature_labels(posterior)), result)
    return Given(spec, features_of(result), result, prior_known=False)


def with_params(spec: Any, X: Any, params: Any) -> tuple[Mixture, Any, Parameters]:
    """Model, rows, and parameters or a sample: as they are given, or those of a fit in the model's place.

    Examples
    --------
    >>> from mixtures.em.fit import fit_em
    >>> from mixtures.families.bernoulli import BMM
    >>> em = fit_em(BMM(1), [[0], [1], [1], [1]])
    >>> spec, X, params = with_params(em, [[1]], None)
    >>> spec is em.spec, X, params["p"].round(2).tolist()
    (True, [[1]], [[0.67]])
    """
    if isinstance(spec, Mixture):
        return _complete(spec, X, params)
    found = _known(spec, params)
    return found.named, fitted_rows(found, spec, X), found.params


def with_sample(spec: Any, X: Any, tree: Any) -> tuple[Mixture, Any, xr.DataTree]:
    """The same with a posterior sample; a point estimate is one of a single draw."""
    if isinstance(spec, Mixture):
        return _complete(spec, X, tree, "tree")
    found = _known(spec, tree, "tree")
    return found.named, fitted_rows(found, spec, X), found.sample


def with_point(
    spec: Any, X: Any, params: Any, *, needs_prior: bool = False
) -> tuple[Mixture, Any, Mapping[str, Any]]:
    """The same with a point estimate: of a crosscheck that of EM, or of MAP for a model of your own."""
    if isinstance(spec, Mixture):
        return _complete(spec, X, params)
    whole = _known(spec, params)
    found = given(spec.em or spec.mode) if isinstance(spec, Crosscheck) else whole
    if found.is_sample:
        raise InputError(
            "one set of parameters is needed here, and this is a sample of many: give a fit of fit_em or "
            "fit_map, or a model with params"
        )
    if needs_prior and not found.prior_known:
        raise InputError(
            "the answer depends on the prior, which a sample does not hold: give a fit, or the model "
            "with its prior and params"
        )
    return found.named, fitted_rows(whole, spec, X), {name: x[0] for name, x in found.draws.items()}


def at_point(spec: Mixture, params: Any, n_features: int) -> dict[str, Array]:
    """Checked parameters of a model; other variables, as a user's own model may have, are left out."""
    known = isinstance(params, Mapping) and all(name in params for name in spec.dims)
    return spec.check_params({name: params[name] for name in spec.dims} if known else params, n_features)


def posterior_of(result: xr.DataTree | Crosscheck) -> xr.DataTree:
    """The posterior sample of a crosscheck, or a sample, in order; anything else is refused."""
    if not isinstance(result, Crosscheck):
        return sorted_sample(result)
    if result.posterior is None:
        raise InputError("the crosscheck has no posterior sample: its notes say why")
    return result.posterior


def fitted_rows(found: Given, fit: Any, X: Any) -> Any:
    """Rows as given, or those that were fitted."""
    if X is not None:
        return X
    rows = found.rows
    if rows is None:
        raise InputError(
            f"X is missing, and this {_word(fit)} does not hold the rows that were fitted: give X, a table "
            "with the same columns"
        )
    return rows


def rows_in(cc: Crosscheck) -> Data | None:
    """Rows that a crosscheck's sample was drawn from; None if it does not hold them."""
    return None if cc.posterior is None else given(cc).rows


def _complete(spec: Mixture, X: Any, params: Any, name: str = "params") -> tuple[Mixture, Any, Any]:
    """A model with its rows and parameters; refused where one of them is missing."""
    if X is None:
        raise InputError("X is missing: pass the data, an array or frame of shape (n, D)")
    if params is None:
        raise InputError(
            f"{name} is missing: give the model's parameters or a posterior sample; or, in the model's "
            "place, a fit such as fit_em or crosscheck returns"
        )
    return spec, X, params


def _known(fit: Any, params: Any, name: str = "params") -> Given:
    """What a fit knows, in the place of a model."""
    if not isinstance(fit, Fit):
        raise InputError(
            f"spec is a {type(fit).__name__}; it must be a model such as GMM(2), or a fit or a sample of one"
        )
    if params is not None:
        raise InputError(
            f"this {_word(fit)} has parameters of its own: leave {name} out and name what follows, or "
            f"give {name} with a model, such as em.spec"
        )
    return given(fit)


def _word(fit: Any) -> str:
    return "posterior sample" if isinstance(fit, xr.DataTree) else type(fit).__name__
