"""Consistency of the parts of a loaded result, beyond their types."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.selection.criteria import CRITERIA, TEST, best_by, criteria_table

__all__ = ["check_parts"]


def check_parts(result: Any, where: str) -> None:
    """Refuse a result whose parts are inconsistent; ``where`` is its name in the message."""
    CHECKS.get(type(result), lambda *_: None)(result, where)


def _check_em(em: EMFit, where: str) -> None:
    _check_spec(em.spec, em.features, em.params, where)
    starts = {len(em.restarts.log_posterior), len(em.restarts.traces), len(em.restarts.params)}
    starts |= {len(em.restarts.kinds)} if em.restarts.kinds else set()
    if len(starts) > 1 or em.restarts.log_posterior.ndim != 1:
        raise InputError(f"{where}.restarts has lists of different lengths")
    for i, params in enumerate(em.restarts.params):
        _check_shapes(em.spec, params, len(em.features), f"{where}.restarts.params[{i}]")


def _check_map(mode: MAPFit, where: str) -> None:
    if mode.spec is not None:
        _check_spec(mode.spec, mode.coords.get("feature", ()), mode.params, where)
    for name, x in mode.params.items():
        own = mode.dims.get(name, ())
        sizes = [
            len(mode.coords[dim]) if dim in mode.coords else n for dim, n in zip(own, x.shape, strict=False)
        ]
        if own and (len(own) != x.ndim or sizes != list(x.shape)):
            raise InputError(
                f"{where}.params.{name} has shape {x.shape}, which its dims and coords are not of"
            )


def _check_crosscheck(cc: Crosscheck, where: str) -> None:
    check_parts(cc.mode, f"{where}.mode")
    for name in ("em", "uncertainty"):
        check_parts(getattr(cc, name), f"{where}.{name}")
    if cc.posterior is not None and cc.mode.spec is not None:
        _check_tree(cc.posterior, cc.mode.spec, len(cc.mode.coords["feature"]), f"{where}.posterior")


def _check_uncertainty(beside: Uncertainty, where: str) -> None:
    check_parts(beside.em, f"{where}.em")
    for name, tree in beside.trees.items():
        _check_tree(tree, beside.em.spec, len(beside.em.features), f"{where}.trees.{name}")


def _check_selection(selection: Selection, where: str) -> None:
    table, fits = selection.table, selection.fits
    if selection.criteria != tuple(name for name in CRITERIA if name in selection.criteria):
        raise InputError(f"{where}.criteria has {selection.criteria}, not some of {', '.join(CRITERIA)}")
    _check_criteria_table(table, selection.criteria, f"{where}.table")
    for k, notes in selection.notes_by_k.items():
        if k not in table.index or "; ".join(notes) != table["notes"][k]:
            raise InputError(f"{where}.notes_by_k.{k} are not the notes that the table has for K = {k}")
    for k, em in fits.items():
        own = f"{where}.fits.{k}"
        check_parts(em, own)
        if (
            k not in table.index
            or em.spec.n_components != k
            or em.log_likelihood != table["log_likelihood"][k]
        ):
            raise InputError(f"{own} is not the fit that the table has for K = {k}")
    if len({(type(em.spec), em.features) for em in fits.values()}) > 1:
        raise InputError(f"{where}.fits are of different models or columns")
    for k, tree in selection.samples.items():
        if k not in fits:
            raise InputError(f"{where}.samples has K = {k}, of which there is no fit")
        _check_tree(tree, fits[k].spec, len(fits[k].features), f"{where}.samples.{k}")
    best = {name: best_by(table, name) for name in selection.criteria}
    if dict(selection.best) != {name: k for name, k in best.items() if k is not None}:
        raise InputError(f"{where}.best is {dict(selection.best)}, the table says {best}")
    if (selection.recommended not in fits) if fits else (selection.recommended is not None):
        raise InputError(f"{where}.recommended is {selection.recommended}, of which there is no fit")


def _check_criteria_table(table: pd.DataFrame, criteria: tuple[str, ...], where: str) -> None:
    """Refuse a table that `select` would not make."""
    expected = criteria_table({1: {"notes": ""}}, criteria, tested=TEST[-1] in table)
    if list(table.columns) != list(expected.columns):
        raise InputError(f"{where} has columns {list(table.columns)}, not {list(expected.columns)}")
    if wrong := [name for name in table if table[name].dtype != expected[name].dtype]:
        found, right = table[wrong[0]].dtype, expected[wrong[0]].dtype
        raise InputError(f"{where}.{wrong[0]} is of type {found}, not {right}")
    ks = table.index
    if ks.nlevels > 1 or ks.dtype != np.int64 or ks.name != expected.index.name or not ks.is_unique:
        raise InputError(f"{where} does not have one row for each number of clusters")


def _check_spec(
    spec: Mixture, features: tuple[str, ...], params: Mapping[str, np.ndarray], where: str
) -> None:
    """Refuse parameters that do not belong to the model, and a prior for other features."""
    if not features or not spec.resolved:
        raise InputError(f"{where} has no features, or a prior that is not concrete")
    _check_shapes(spec, params, len(features), f"{where}.params")
    if spec.features not in (None, tuple(features)):
        raise InputError(f"{where} is of other features than its spec")
    blank = Data(np.zeros((1, len(features))), tuple(features), np.arange(1))
    spec.family.resolve(blank, spec.n_components)  # a concrete prior is only checked against the columns


def _check_shapes(spec: Mixture, params: Mapping[str, np.ndarray], n_features: int, where: str) -> None:
    found, right = {name: x.shape for name, x in params.items()}, spec.shapes(n_features)
    if found != right or any(x.dtype.kind != "f" for x in params.values()):
        raise InputError(f"{where} has shapes {found}, the model has {right}")


def _check_tree(tree: xr.DataTree, spec: Mixture, n_features: int, where: str) -> None:
    """Refuse a sample whose variables are not the parameters of the model."""
    shapes = spec.shapes(n_features)
    posterior = tree["posterior"].to_dataset() if "posterior" in tree.children else xr.Dataset()
    for name, own in spec.dims.items():
        x = posterior.get(name)
        if x is None or set(x.dims) != {"chain", "draw", *own} or x.dtype.kind != "f":
            raise InputError(f"{where} has no draws of {name}")
        if tuple(x.sizes[dim] for dim in own) != shapes[name]:
            raise InputError(f"{where} has draws of {name} of another shape than {shapes[name]}")


CHECKS: Mapping[type, Callable[[Any, str], None]] = {
    EMFit: _check_em,
    MAPFit: _check_map,
    Crosscheck: _check_crosscheck,
    Uncertainty: _check_uncertainty,
    Selection: _check_selection,
}
"""Consistency checks by the type of the result."""
