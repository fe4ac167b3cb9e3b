"""What a fit, a mode, a crosscheck or a sample says of its model: the specification and its parameters."""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import xarray as xr

from mixtures.draws import checked_draws, features_of, named_after
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import recognise_mixture
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.trees import feature_labels
from mixtures.types import Array

__all__ = ["Given", "given"]

OWN_MODEL = (
    "the variables are not those of a model of this package: name them as the parameters of GMM, BMM, LCA or "
    "PMM, with dims cluster and feature"
)


@dataclass(frozen=True, eq=False)
class Given:
    """A model with parameters.

    Attributes
    ----------
    spec : Mixture
        The model.
    features : tuple of str
        Names of its columns.
    draws : dict of ndarray
        Parameters in S draws, each of shape (S, ...); S is 1 for a point.
    params : dict of ndarray or xarray.DataTree
        The same, as `mixtures.responsibilities` and its like take them.
    """

    spec: Mixture
    features: tuple[str, ...]
    draws: dict[str, Array]
    params: Any

    @property
    def is_sample(self) -> bool:
        """Whether there are several draws, which tell uncertainty."""
        return len(self.draws["alpha"]) > 1

    @property
    def levels(self) -> Any:
        """Labels of the levels of every categorical feature; None if the model has none."""
        return self.spec.coords(self.features).get("levels")


@singledispatch
def given(result: Any) -> Given:
    """Model and parameters of a result; refused of anything else."""
    raise InputError(
        f"result is a {type(result).__name__}; it must be a fit of fit_em or fit_map, a crosscheck, or a "
        "posterior sample"
    )


def _point(spec: Mixture, features: tuple[str, ...], params: dict[str, Array]) -> Given:
    own = {name: params[name] for name in spec.dims}
    return Given(spec, features, {name: x[None] for name, x in own.items()}, own)


@given.register
def _(result: EMFit) -> Given:
    return _point(result.spec, result.features, result.params)


@given.register
def _(result: MAPFit) -> Given:
    if result.spec is None:
        return given(result.to_datatree())
    return _point(result.spec, tuple(map(str, result.coords["feature"])), result.params)


@given.register
def _(result: Crosscheck) -> Given:
    return given(result.em or result.mode) if result.posterior is None else given(result.posterior)


@given.register
def _(result: xr.DataTree) -> Given:
    if "posterior" not in result.children:
        raise InputError("the tree has no group posterior; give a sample")
    posterior = result["posterior"].to_dataset()
    found = {str(name): tuple(map(str, x.dims)) for name, x in posterior.data_vars.items()}
    dims = {name: tuple(d for d in own if d not in ("chain", "draw")) for name, own in found.items()}
    model = recognise_mixture(dims, posterior.sizes.get("cluster", 0))
    if model is None:
        raise InputError(OWN_MODEL)
    spec = named_after(model.with_columns(feature_labels(posterior)), result)
    draws = checked_draws(spec, result)
    return Given(spec, features_of(result), draws, result)
