"""How fast a posterior changes when its prior or likelihood is raised to a power near one."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.draws import finite_sets, sample_of, thinned
from mixtures.entries import entries, entry_words
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import posterior_of
from mixtures.results.crosscheck import Crosscheck
from mixtures.tolerances import TOLERANCES
from mixtures.trees import labels_in, sampler_stats
from mixtures.types import Array

__all__ = ["SCALED_DRAWS", "log_densities", "prior_effects", "prior_sensitivity", "words_of"]

SCALED_DRAWS = 1000
"""Number of draws used for power-scaling."""


def prior_sensitivity(tree: xr.DataTree | Crosscheck, *, spec: Mixture | None = None) -> pd.DataFrame:
    """Sensitivity of every parameter's posterior to its prior and to the likelihood.

    ``effect`` says how far the posterior of a parameter moves, in its own standard
    deviations, if the prior counts twice or half: the change of the mean, m, and of the
    logarithm of the standard deviation, s, to first order, as ``sqrt(m**2 + 2 s**2)``.
    ``prior`` and ``likelihood`` are the distances of Kallioinen et al. (2024) as that
    density is raised to a power near one. No new draws are needed.

    Parameters
    ----------
    tree : xarray.DataTree or Crosscheck
        An aligned posterior sample, or a crosscheck, which knows its model as well; about 1,000 draws are
        used.
    spec : Mixture, optional
        The resolved model; needed if a tree has no log_prior. Its columns are
        matched to those of the tree by name.

    Returns
    -------
    pandas.DataFrame
        One row per parameter that varies, the most sensitive to the prior first:
        ``effect``, ``prior`` and ``likelihood``. An effect over half a standard
        deviation is one to report. ``prior`` and ``likelihood`` over 0.05 together say
        that prior and data pull in different directions, ``prior`` alone that the data
        say little. In large samples a difference of 0.05 may be of no consequence.
        NaN if there are too few effective draws.

    Raises
    ------
    InputError
        If there is no log prior or no log-likelihood to scale.

    References
    ----------
    Kallioinen et al. (2024), *Statistics and Computing* 34; Giordano, Broderick and
    Jordan (2018), *Journal of Machine Learning Research* 19 (derivatives of posterior
    means are posterior covariances); Costa, Santos and Strapasson (2015), *Discrete
    Applied Mathematics* 197 (the length of a step between normal distributions).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> spec = mx.resolve(mx.GMM(2), X)
    >>> tree = mx.sample(spec, X, random_seed=1, progressbar=False)
    >>> table = mx.prior_sensitivity(tree, spec=spec)
    >>> bool((table["effect"] < 0.5).all())
    True
    """
    if isinstance(tree, Crosscheck):
        spec = tree.mode.spec if spec is None else spec
    tree = posterior_of(tree)
    few = thinned(tree if spec is None else sample_of(spec, tree), SCALED_DRAWS)
    densities = log_densities(few, spec)
    if densities is None:
        raise InputError(
            "the tree has no log_prior and log_likelihood to scale; pass spec=, resolved, or, of a model of "
            "your own, the tree that pm.compute_log_prior returns"
        )
    posterior = few["posterior"].to_dataset()
    columns = zip(("prior", "likelihood"), densities, strict=True)
    table = pd.DataFrame(
        {"effect": prior_effects(posterior, densities[0])}
        | {name: power_scaled(posterior, density) for name, density in columns}
    )
    return table.rename_axis("parameter").sort_values("effect", ascending=False, kind="stable")


def log_densities(few: xr.DataTree, spec: Mixture | None) -> tuple[Array, Array] | None:
    """Log prior and log-likelihood (chain, draw); None where neither tree nor model gives them."""
    prior = _total(few, "log_prior")
    if prior is None and spec is not None and spec.resolved:
        draws, finite = finite_sets(few, spec)
        prior = np.full(finite.shape, np.nan)
        prior[finite] = spec.log_prior(draws)
    if prior is None:
        return None
    stats = sampler_stats(few)
    if "log_posterior" in stats:  # counts the weights of the rows, which log_likelihood does not
        return prior, stats["log_posterior"].transpose("chain", "draw").values - prior
    likelihood = _total(few, "log_likelihood")
    return None if likelihood is None else (prior, likelihood)


def power_scaled(posterior: xr.Dataset, log_density: Array) -> dict[str, float]:
    """ArviZ's power-scaling sensitivity of every varying entry, by label; NaN with too few draws."""
    moving = _varying(posterior)
    if not moving or _is_flat(log_density):
        return dict.fromkeys(moving, 0.0)
    if not _can_be_scaled(log_density):
        return dict.fromkeys(moving, np.nan)
    from arviz_stats import psense  # slow to load

    dims, index = ("chain", "draw", "entry"), {dim: posterior[dim].values for dim in ("chain", "draw")}
    density = xr.Dataset({"total": (dims, log_density[..., None])}, index)
    moved = xr.Dataset({"moved": (dims, np.stack(list(moving.values()), axis=-1))}, index)
    figures = psense(xr.DataTree.from_dict({"posterior": moved, "log_prior": density}), group="prior")
    return dict(zip(moving, figures["moved"].values.tolist(), strict=True))


def prior_effects(posterior: xr.Dataset, log_prior: Array) -> dict[str, float]:
    """How far every varying entry moves if the prior counts twice, in posterior sds; NaN with too few draws.

    With p(x | t) proportional to likelihood times prior to the power t, d E[f] / d log t at t = 1 is
    Cov(f, log prior). For f = z, the standardised entry, and z**2 / 2 these are the changes m of the
    mean and s of log sd. Fisher's information of a normal makes the step sqrt(m**2 + 2 s**2) long.
    """
    moving = _varying(posterior)
    if not moving or _is_flat(log_prior):
        return dict.fromkeys(moving, 0.0)
    if not _can_be_scaled(log_prior):
        return dict.fromkeys(moving, np.nan)
    x = np.stack([values.ravel() for values in moving.values()], axis=-1)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    above = log_prior.ravel() - log_prior.mean()
    mean, log_sd = above @ z / len(z), above @ z**2 / 2 / len(z)
    return dict(zip(moving, (np.log(2) * np.hypot(mean, np.sqrt(2) * log_sd)).tolist(), strict=True))


def _varying(posterior: xr.Dataset) -> dict[str, Array]:
    """Values (chain, draw) of every entry that varies, by label."""
    values: dict[str, Any] = {
        str(name): v.transpose("chain", "draw", ...).values for name, v in posterior.data_vars.items()
    }
    labels = entries(*_axes(posterior))
    every = {label: values[name][(..., *index)] for label, (name, index) in labels.items()}
    return {label: x for label, x in every.items() if np.ptp(x) > 0}


def words_of(posterior: xr.Dataset, label: str) -> str:
    """An entry of the parameters in words, by its label."""
    return entry_words(*_axes(posterior))[label]


def _axes(posterior: xr.Dataset) -> tuple[dict[str, tuple[int, ...]], dict[str, Any], dict[str, Any]]:
    """Shapes and dims of every variable without those of the sample, and labels along the dims."""
    inner = {
        str(name): {str(dim): n for dim, n in v.sizes.items() if dim not in ("chain", "draw")}
        for name, v in posterior.data_vars.items()
    }
    shapes = {name: tuple(sizes.values()) for name, sizes in inner.items()}
    return shapes, {name: tuple(sizes) for name, sizes in inner.items()}, labels_in(posterior)


def _is_flat(log_density: Array) -> bool:
    """Whether it is the same at all draws, and so to any power."""
    return np.allclose(log_density, log_density[0, 0], rtol=1e-12, atol=1e-12)


def _can_be_scaled(log_density: Array) -> bool:
    """Whether there are enough effective draws in its tails."""
    from arviz_stats.base import array_stats  # slow to load

    ess = array_stats.ess(log_density.reshape(1, -1), chain_axis=0, draw_axis=1, method="tail", prob=0.05)
    return bool(np.isfinite(ess) and ess > TOLERANCES.scaled_ess)


def _total(tree: xr.DataTree, group: str) -> Array | None:
    """Sum (chain, draw) of all densities of a group."""
    if group not in tree.children:
        return None
    variables = tree[group].to_dataset().data_vars.values()
    sums = [v.sum([dim for dim in v.dims if dim not in ("chain", "draw")]) for v in variables]
    return np.asarray(sum(total.transpose("chain", "draw").values for total in sums))
