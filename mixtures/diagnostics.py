"""Whether a posterior sample can be believed: checks with figure, threshold and advice.

R-hat of labelled parameters tests mixing modulo labels only when the draws are
aligned; the same tests on quantities that do not know the labels (log posterior,
log-likelihood, density at fixed rows) tell true non-convergence from switching.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from mixtures.data import InputError
from mixtures.priors import Array
from mixtures.tolerances import TOLERANCES

__all__ = ["Check", "Verdict", "diagnose", "summarise"]

PROBES = 5
"""Fixed rows at which the density is followed over the chains."""


@dataclass(frozen=True)
class Check:
    """One line of a verdict.

    Attributes
    ----------
    name : str
        What is checked.
    figure : float
        What was measured.
    tolerance : float
        What it is held against.
    passed : bool
        The line's verdict.
    note : str
        What the figure means, and what to do when it fails.
    """

    name: str
    figure: float
    tolerance: float
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """Checks of a posterior sample, all of them.

    Attributes
    ----------
    checks : tuple of Check
        The lines.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every line holds."""
        return all(check.passed for check in self.checks)

    def __str__(self) -> str:
        """Lines that fail, or that none does."""
        failed = [
            f"{c.name} {c.figure:.4g} (limit {c.tolerance:.4g}): {c.note}"
            for c in self.checks
            if not c.passed
        ]
        return "converged" if not failed else "not converged: " + "; ".join(failed)


def summarise(draws: Array, ci_prob: float) -> dict[str, Array]:
    """Mean, sd, equal-tailed interval, ESS and R-hat of quantities (chain, draw, quantity).

    R-hat and ESS are rank-normalised (Vehtari et al. 2021); NaN for a constant
    or with fewer than four draws.
    """
    tail = (1 - ci_prob) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail], axis=(0, 1))
    varies = np.isfinite(draws).all(axis=(0, 1)) & ~_constant(draws)
    moving = draws[..., varies]

    def filled(statistic: str, **kwargs: Any) -> Array:
        values = np.full(draws.shape[-1], np.nan)
        if moving.shape[-1] and draws.shape[1] >= 4:
            function = getattr(array_stats, statistic)
            with np.errstate(divide="ignore", invalid="ignore"):  # a chain that never moved
                values[varies] = function(moving, chain_axis=0, draw_axis=1, **kwargs)
        return values

    return {
        "mean": draws.mean(axis=(0, 1)),
        "sd": draws.std(axis=(0, 1), ddof=1),
        "lower": lower,
        "upper": upper,
        "ess_bulk": filled("ess", method="bulk"),
        "ess_tail": filled("ess", method="tail", prob=(0.05, 0.95)),
        "r_hat": filled("rhat"),
    }


def diagnose(tree: xr.DataTree) -> Verdict:
    """Judge the convergence of a posterior sample, after and apart from its labels.

    Parameters
    ----------
    tree : xarray.DataTree
        A sampled posterior, best aligned (see `align`).

    Returns
    -------
    Verdict
        R-hat and ESS of the parameters as labelled, the same of quantities that
        do not depend on labels, divergences, E-BFMI and saturated trajectories.

    Raises
    ------
    InputError
        If the tree has neither ``lp`` in its sample_stats nor a log_likelihood.

    References
    ----------
    Vehtari et al. (2021), *Bayesian Analysis* 16; Betancourt (2016), arXiv:1604.00695.

    Examples
    --------
    >>> import mixtures as mx
    >>> tree = mx.sample(mx.GMM(2), mx.datasets.faithful(), random_seed=1, progressbar=False)
    >>> print(mx.diagnose(tree))
    converged
    """
    posterior = tree["posterior"].to_dataset()
    labelled = np.concatenate([_flat(v) for v in posterior.data_vars.values()], axis=-1)
    invariants = list(_invariants(tree))
    if not invariants:
        raise InputError("without lp in sample_stats or log_likelihood, nothing here is free of labels")
    invariant = np.stack(invariants, axis=-1)
    checks = [
        *_mixing("parameters, labels aligned", labelled, "the chains disagree: draw more"),
        *_mixing(
            "label-invariant quantities",
            invariant,
            "slow mixing, or chains in different modes, whose weights are then unknown: draw more, lower K, "
            "or state a prior",
        ),
    ]
    stats = tree["sample_stats"].to_dataset()
    if "diverging" in stats:
        count = int(stats["diverging"].sum())
        checks.append(_check("divergences", count, 0, count == 0, "raise target_accept"))
    if "energy" in stats:
        with np.errstate(divide="ignore", invalid="ignore"):  # a chain that never moved
            bfmi = float(np.min(array_stats.bfmi(stats["energy"].values)))
        checks.append(
            _check("E-BFMI", bfmi, TOLERANCES.bfmi, bfmi > TOLERANCES.bfmi, "heavy tails: tune longer")
        )
    if "reached_max_treedepth" in stats:
        count = int(stats["reached_max_treedepth"].sum())
        checks.append(
            _check("saturated trajectories", count, 0, count == 0, "raise max_treedepth or tune longer")
        )
    return Verdict(tuple(checks))


def _flat(variable: xr.DataArray) -> Array:
    values = variable.transpose("chain", "draw", ...).values
    return values.reshape(*values.shape[:2], -1).astype(np.float64)


def _invariants(tree: xr.DataTree) -> Iterator[Array]:
    """Quantities (chain, draw) that no relabelling changes."""
    stats = tree["sample_stats"].to_dataset()
    for name in {"lp", "logp"} & set(stats):  # the second is nutpie's name for it
        yield stats[name].transpose("chain", "draw").values
    if "log_likelihood" in tree.children:
        for variable in tree["log_likelihood"].to_dataset().data_vars.values():
            rows = _flat(variable)
            yield rows.sum(axis=-1)
            by_level = np.argsort(rows.mean(axis=(0, 1)))
            for i in by_level[np.linspace(0, len(by_level) - 1, PROBES).astype(int)]:
                yield rows[..., i]


def _constant(draws: Array) -> np.ndarray:
    """Which quantities are one and the same finite number in every draw; NaN is never the same."""
    return np.asarray((np.isfinite(draws) & (draws == draws[:1, :1])).all(axis=(0, 1)))


def _mixing(name: str, draws: Array, advice: str) -> list[Check]:
    """R-hat and ESS of the worst quantity; constants aside, a figure that is not finite fails."""
    varying = draws[..., ~_constant(draws)]
    if not varying.shape[-1]:
        return []
    figures = summarise(varying, 0.9)
    r_hat = float(figures["r_hat"].max())
    ess = float(np.minimum(figures["ess_bulk"], figures["ess_tail"]).min())
    enough = TOLERANCES.ess_per_chain * draws.shape[0]
    return [
        _check(f"R-hat of {name}", r_hat, TOLERANCES.rhat, r_hat < TOLERANCES.rhat, advice),
        _check(f"ESS of {name}", ess, enough, ess > enough, "draw more"),
    ]


def _check(name: str, figure: float, tolerance: float, within: bool, advice: str) -> Check:
    """Line that holds if the figure is finite and within its tolerance; advice only where it does not."""
    passed = bool(np.isfinite(figure) and within)
    return Check(name, float(figure), tolerance, passed, "" if passed else advice)
