"""EM, MAP and posterior in one table, with one row per parameter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.density.curvature import Curvature
from mixtures.density.density import Density
from mixtures.diagnostics.mixing import same_number, summarise
from mixtures.entries import entries
from mixtures.types import Array

__all__ = ["parameter_table"]

LAPLACE_DRAWS = 2000
"""Number of Laplace draws that give sds if there is no posterior sample."""


STUCK = 1e-6
"""Share of the sd by curvature below which a sample's sd is only rounding: its chains never moved."""


def parameter_table(
    density: Density,
    em: Mapping[str, Array],
    mode: Mapping[str, Array],
    posterior: xr.DataTree | None,
    x: Array,
    curvature: Curvature,
    rng: np.random.Generator,
    ci_prob: float,
    coords: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """One row per parameter; symmetric matrices give their lower triangle."""
    names = list(em)
    known = {**density.coords, **({} if coords is None else coords)}
    labels, rows = _labels(density, {name: np.shape(mode[name]) for name in names}, known)

    def column(params: Mapping[str, Any], leading: int = 0) -> Array:
        flat = [np.asarray(params[name]) for name in names]
        return np.concatenate([v.reshape(*v.shape[:leading], -1) for v in flat], axis=-1)[..., rows]

    table = pd.DataFrame({"EM": column(em), "MAP": column(mode)}, index=pd.Index(labels, name="parameter"))

    def curvature_sd() -> Array:
        noise = rng.standard_normal((LAPLACE_DRAWS, len(curvature.values)))
        return column(density.constrain(x + noise @ curvature.whitening.T), leading=1).std(axis=0)

    if posterior is None:
        sd = curvature_sd()
        return table.assign(gap=_in_sds(table, sd), sd=sd)
    group = posterior["posterior"].to_dataset()
    drawn = {name: group[name].transpose("chain", "draw", ...).values for name in names}
    figures = summarise(column(drawn, leading=2), ci_prob)
    low, high = f"{(1 - ci_prob) / 2:.1%}", f"{(1 + ci_prob) / 2:.1%}"
    sd = unit = figures["sd"]
    if not (sd > STUCK * np.abs(figures["mean"])).all():
        by_curvature = curvature_sd()
        unit = np.where(sd > STUCK * by_curvature, sd, by_curvature)  # chains that never moved have no sd
    table["gap"] = _in_sds(table, unit)
    table["mean"], table["sd"], table[low], table[high] = (
        figures["mean"],
        sd,
        figures["lower"],
        figures["upper"],
    )
    beside = table["EM"] - figures["mean"]
    varies = (unit > 0) & ~same_number(table["EM"].to_numpy(), figures["mean"])
    table["z"] = np.divide(beside, unit, out=np.zeros_like(sd), where=varies)
    for name in ("ess_bulk", "ess_tail", "r_hat"):
        table[name] = figures[name]
    return table


def _in_sds(table: pd.DataFrame, sd: Array) -> Array:
    em, mode = table["EM"].to_numpy(), table["MAP"].to_numpy()
    gap = np.where(same_number(em, mode), 0.0, np.abs(table["EM"] - table["MAP"]))
    return np.divide(gap, sd, out=np.where(gap > 0, np.inf, 0.0), where=sd > 0)


def _labels(
    density: Density, shapes: Mapping[str, tuple[int, ...]], coords: Mapping[str, Any]
) -> tuple[list[str], np.ndarray]:
    """Names of the table's rows, and their positions in the concatenated flat parameters."""
    found = entries(shapes, density.dims, coords)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    offset = dict(zip(shapes, np.cumsum([0, *sizes]), strict=False))
    places = [
        offset[name] + np.ravel_multi_index(index, shapes[name]) if index else offset[name]
        for name, index in found.values()
    ]
    return list(found), np.array(places)
