"""Whether data are the rows of a result, before they are saved or shown with it."""

from typing import Any

import xarray as xr

from mixtures.data.reading import INTEGRATE
from mixtures.data.table import Data
from mixtures.draws import not_fitted
from mixtures.em.estep import e_step
from mixtures.errors import InputError
from mixtures.given import given
from mixtures.messages import Option, worded
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.saving.fingerprint import read_any
from mixtures.tolerances import same_height

__all__ = ["THE_SAME", "refuse_other_rows", "refuse_others"]

THE_SAME = worded("pass the same rows, columns, ", Option("weights"), " and ", Option("labels"))
"""What to do about other data than those that were fitted."""


def refuse_other_rows(result: Any, X: Any, weights: Any, labels: Any) -> None:
    """Refuse a table, weights or labels that were not fitted, whatever the kind of result.

    Raises
    ------
    InputError
        If X has not the columns of the result, or as `refuse_others`.
    """
    point = _point_of(result)
    spec = None if point is None else point.spec
    if point is None and (tree := _sample_of(result)) is not None:
        try:
            spec = given(tree).spec
        except InputError:  # of a model of the user's own
            spec = None
    data = read_any(X, weights, labels) if spec is None else spec.read(X, weights, INTEGRATE, labels)
    refuse_others(result, data)


def refuse_others(result: Any, data: Data) -> None:
    """Refuse rows, weights or labels that were not fitted: the fit has another log-likelihood there.

    Those of a model of the user's own are compared with the rows that its sample holds.

    Raises
    ------
    InputError
        If they are others, as far as the result tells.
    """
    what = "these are not the rows that were fitted"
    point = _point_of(result)
    if point is None:
        tree = _sample_of(result)
        if tree is not None and (other := not_fitted(tree, data, in_order=True)):
            raise InputError(f"{what}: {other}; leave X out, or pass the same rows and labels")
        return
    assert point.spec is not None  # else there is no point
    here = e_step(point.spec, data, point.params).log_likelihood
    if isinstance(point, EMFit):
        name, own = "EM's log-likelihood", point.log_likelihood
    else:
        name, own = "the log posterior of MAP", point.log_posterior
        here += float(point.spec.log_prior(point.params))
    if not abs(here - own) <= same_height(own):
        raise InputError(worded(f"{what}: {name} is {own:.8g} on those, and {here:.8g} on these; ", THE_SAME))


def _point_of(result: Any) -> EMFit | MAPFit | None:
    """The fit of a model of this package whose height on the rows is known; None if there is none."""
    match result:
        case EMFit():
            return result
        case MAPFit():
            return None if result.spec is None else result
        case Crosscheck():
            return None if result.mode.spec is None else result.em
        case Uncertainty():
            return result.em
        case Selection():
            return next(iter(result.fits.values()), None)
    return None


def _sample_of(result: Any) -> xr.DataTree | None:
    """The posterior sample of a result, if it has one."""
    tree = result.posterior if isinstance(result, Crosscheck) else result
    return tree if isinstance(tree, xr.DataTree) and "posterior" in tree.children else None
