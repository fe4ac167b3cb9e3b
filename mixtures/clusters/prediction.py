"""Predicted clusters of rows, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import pandas as pd
import xarray as xr

from mixtures.clusters.responsibilities import responsibilities
from mixtures.data.matching import has_names
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import recognise_mixture
from mixtures.messages import did_you_mean, named, shortened
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.trees import feature_labels

__all__ = ["Fitted", "fitted_in", "prediction_table", "select_features"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What is needed to assign rows: the model, the fitted columns, and parameters or draws of them."""

    spec: Mixture
    features: tuple[str, ...]
    params: Mapping[str, Any] | xr.DataTree


@singledispatch
def fitted_in(result: Any) -> Fitted:
    """Return the model and parameters of a result; draws rather than a point estimate if it has both."""
    raise InputError(f"a {type(result).__name__} has no clusters to assign rows to")


@fitted_in.register
def _(em: EMFit) -> Fitted:
    return Fitted(em.spec, em.features, em.params)


@fitted_in.register
def _(mode: MAPFit) -> Fitted:
    return fitted_in(mode.to_datatree()) if mode.spec is None else _of_mode(mode, mode.spec)


def _of_mode(mode: MAPFit, spec: Mixture) -> Fitted:
    return Fitted(spec, tuple(map(str, mode.coords["feature"])), mode.params)


@fitted_in.register
def _(beside: Uncertainty) -> Fitted:
    drawn = beside.trees.get("nuts")
    return Fitted(beside.em.spec, beside.em.features, beside.em.params if drawn is None else drawn)


@fitted_in.register
def _(cc: Crosscheck) -> Fitted:
    point = fitted_in(cc.mode if cc.em is None else cc.em)
    return point if cc.posterior is None else Fitted(point.spec, point.features, cc.posterior)


@fitted_in.register
def _(selection: Selection) -> Fitted:
    """Return those of the recommended number of clusters."""
    k = selection.recommended
    if k is None:
        raise InputError(f"the selection has no clusters to assign rows to: {selection.rule}")
    point = fitted_in(selection.fits[k])
    return Fitted(point.spec, point.features, selection.samples.get(k, point.params))


@fitted_in.register
def _(tree: xr.DataTree) -> Fitted:
    """Recognise the mixture of a sample by the names and dims of its variables."""
    posterior = tree["posterior"].to_dataset() if "posterior" in tree.children else xr.Dataset()
    dims = {
        str(name): tuple(d for d in x.dims if d not in ("chain", "draw")) for name, x in posterior.items()
    }
    spec = recognise_mixture(dims, posterior.sizes.get("cluster", 1))
    if spec is None or "feature" not in posterior.coords:
        raise InputError(
            f"the sample is not of a mixture known here: its variables are {', '.join(dims) or 'none'}; they "
            "need the names and dims that a model of this package has"
        )
    labels = feature_labels(posterior)
    return Fitted(spec.with_columns(labels), labels["feature"], tree)


def select_features(frame: pd.DataFrame, features: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Select the fitted columns of a table, in their order; return the names of the others as well.

    If the fitted ones have no names, all columns are used as they are.
    """
    given = {str(name) for name in frame.columns}
    if not has_names(features) and not given & set(features):
        return frame, []
    missing = [name for name in features if name not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], map(str, frame.columns))
        raise InputError(
            f"the data have no column {named(missing[0])}{hint}; the result is of {shortened(features)}"
        )
    return frame[list(features)], [str(name) for name in frame.columns if name not in features]


def prediction_table(
    fitted: Fitted,
    frame: pd.DataFrame,
    *,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    progressbar: bool = False,
) -> pd.DataFrame:
    """Most probable cluster of every row, and the probabilities of all clusters, with bounds from draws.

    The index is that of the frame, called "row" where it has no name.
    """
    how: dict[str, Any] = {"ci_prob": ci_prob, "missing": missing, "progressbar": progressbar}
    found = responsibilities(fitted.spec, frame, fitted.params, labels=labels, **how)
    table = found.to_frame()
    name = frame.index.name or "row"
    return table.rename_axis("row" if name in table else name)  # an index called "label"
