"""Mixing of chains: R-hat and ESS, and the quantities that do not depend on the labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse.csgraph import connected_components

from mixtures.clusters.labelled import Labelled
from mixtures.clusters.named import inner
from mixtures.tolerances import TOLERANCES
from mixtures.trees import sampler_stats
from mixtures.types import Array

__all__ = [
    "LEAST_DRAWS",
    "constant",
    "invariants",
    "modes_of_chains",
    "parameters",
    "same_number",
    "summarise",
    "worst",
]

LEAST_DRAWS = 4
"""Draws of a chain without which there is neither R-hat nor ESS."""


PROBES = 5
"""Number of fixed rows at which the density is monitored."""


ROUNDING = 16 * np.finfo(float).eps
"""Difference between numbers, as a share of them, that may come from rounding alone."""


def summarise(draws: Array, ci_prob: float) -> dict[str, Array]:
    """Mean, sd, equal-tailed interval, ESS and R-hat of quantities (chain, draw, quantity).

    R-hat and ESS are rank-normalised (Vehtari et al. 2021); NaN for a constant
    or with fewer than `LEAST_DRAWS` draws; R-hat also for a single chain.
    """
    from arviz_stats.base import array_stats  # slow to load

    tail = (1 - ci_prob) / 2
    with np.errstate(over="ignore", invalid="ignore"):  # of infinite numbers, or of those near the largest
        lower, upper = np.quantile(draws, [tail, 1 - tail], axis=(0, 1))
        mean = draws.mean(axis=(0, 1))
        sd = draws.std(axis=(0, 1), ddof=1) if lower.size < draws.size else np.full(lower.shape, np.nan)
    varies = np.isfinite(draws).all(axis=(0, 1)) & ~constant(draws)
    moving = draws[..., varies]

    def filled(statistic: Callable[..., Any], **options: Any) -> Array:
        values = np.full(draws.shape[-1], np.nan)
        if moving.shape[-1] and draws.shape[1] >= LEAST_DRAWS:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a chain that never moved
                values[varies] = statistic(moving, chain_axis=0, draw_axis=1, **options)
        return values

    return {
        "mean": mean,
        "sd": sd,
        "lower": lower,
        "upper": upper,
        "ess_bulk": filled(array_stats.ess, method="bulk"),
        "ess_tail": filled(array_stats.ess, method="tail", prob=(0.05, 0.95)),
        "r_hat": filled(array_stats.rhat),
    }


def worst(draws: Array) -> dict[str, float] | None:
    """Largest R-hat and smallest bulk and tail ESS of quantities that vary; NaN if any is NaN."""
    varying = draws[..., ~constant(draws)]
    if not varying.shape[-1]:
        return None
    figures = summarise(varying, 0.9)
    return {
        "r_hat": float(figures["r_hat"].max()),
        "ess_bulk": float(figures["ess_bulk"].min()),
        "ess_tail": float(figures["ess_tail"].min()),
    }


def modes_of_chains(draws: Array) -> list[list[int]]:
    """Chains by the mode that they sit in, from label-invariant quantities (chain, draw, quantity).

    Two chains sit in different modes if the middle halves of their draws of a quantity do not overlap though
    each of them has enough effective draws of it by itself, so that slow mixing is not the reason.
    """
    low, high = np.quantile(draws, [0.25, 0.75], axis=1)
    above = low[:, np.newaxis] > high
    if above.any():
        ess = np.stack([summarise(chain[np.newaxis], 0.9)["ess_bulk"] for chain in draws])
        settled = ess > TOLERANCES.ess_per_chain
        above &= settled[:, np.newaxis] & settled
    apart = above.any(axis=-1)
    n_modes, mode = connected_components(~(apart | apart.T), directed=False)
    return [np.flatnonzero(mode == each).tolist() for each in range(n_modes)]


def constant(draws: Array) -> np.ndarray:
    """Mask of the quantities that are the same finite number in every draw, up to rounding."""
    finite = np.isfinite(draws).all(axis=(0, 1))
    known = np.where(finite, draws, 0.0)
    low, high = known.min(axis=(0, 1)), known.max(axis=(0, 1))
    return np.asarray(finite & same_number(low, high))


def same_number(a: Array, b: Array) -> np.ndarray:
    """Whether numbers are equal up to rounding, as the ones on the diagonal of a matrix of correlations."""
    with np.errstate(over="ignore", invalid="ignore"):  # a difference of or beyond infinities is not small
        near = np.abs(a - b) <= ROUNDING * np.maximum(np.abs(a), np.abs(b))
    return np.asarray((a == b) | (near & np.isfinite(a) & np.isfinite(b)))


def parameters(tree: xr.DataTree) -> Array:
    """Every entry of every posterior variable (chain, draw, entry)."""
    posterior = tree["posterior"].to_dataset()
    return np.concatenate([_flat(v) for v in posterior.data_vars.values()], axis=-1)


def invariants(tree: xr.DataTree) -> dict[str, Array]:
    """Label-invariant quantities (chain, draw, quantity) in the tree, by kind."""
    stats = sampler_stats(tree)
    density = [stats[name].transpose("chain", "draw").values for name in ("lp", "logp") if name in stats]
    probes = []  # logp above is nutpie's name for lp
    if "log_likelihood" in tree.children:
        for variable in tree["log_likelihood"].to_dataset().data_vars.values():
            rows = _flat(variable)
            density.append(rows.sum(axis=-1))
            by_level = np.argsort(rows.mean(axis=(0, 1)))
            probes += [rows[..., i] for i in by_level[np.linspace(0, len(by_level) - 1, PROBES).astype(int)]]
    posterior = Labelled.of(tree).canonical(tree["posterior"].to_dataset())
    weights = [np.sort(_flat(v), axis=-1) for v in posterior.data_vars.values() if inner(v) == ("cluster",)]
    found = {}
    if density:
        found["log density"] = np.stack(density, axis=-1)
    if probes:
        found["density at fixed rows"] = np.stack(probes, axis=-1)
    if weights:
        found["sorted weights"] = np.concatenate(weights, axis=-1)
    return found


def _flat(variable: xr.DataArray) -> Array:
    values = variable.transpose("chain", "draw", ...).values
    return values.reshape(*values.shape[:2], -1).astype(np.float64)
