"""Notes of a crosscheck, in addition to its table."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.special import chdtri

from mixtures.messages import counted, shortened
from mixtures.posterior.chains import Chains

__all__ = ["arbitrary", "how_drawn", "incomplete", "where_mode_sits"]


def how_drawn(posterior: xr.DataTree) -> tuple[str, ...]:
    """Say of independent draws how they were proposed, or else why another sampler stands in for them."""
    attrs = posterior.attrs
    if "pareto_k" in attrs:
        n_modes = posterior["modes"].sizes["mode"]
        return (
            f"independent draws: {attrs['n_proposals']:,} proposals from t distributions at "
            f"{counted(n_modes, 'mode')} of the posterior, {attrs['acceptance']:.0%} accepted, "
            f"Pareto k-hat of the weights {attrs['pareto_k']:.2f}",
        )
    return (attrs["sampler_note"],) if "sampler_note" in attrs else ()


def incomplete(posterior: xr.DataTree, how: Chains) -> tuple[str, ...]:
    """Say what is missing from a sample that was stopped."""
    if "stopped" not in posterior.attrs:
        return ()
    sizes = posterior["posterior"].sizes
    got = f"{counted(sizes['chain'], 'chain')} of {counted(sizes['draw'], 'draw')}"
    return (f"{posterior.attrs['stopped']}: the sample has {got}, not {how.chains} of {how.draws}",)


def arbitrary(names: Sequence[str] | None) -> tuple[str, ...]:
    """Say that names are mere labels in a model that does not tell its clusters apart."""
    if names is None:
        return ()
    return (
        f"the model does not tell its clusters apart: which is called {shortened(names)} is the order "
        "of the sample, not a finding; see what each of them is",
    )


def where_mode_sits(posterior: xr.DataTree, log_posterior: float, free: int) -> str:
    """Describe how far below the mode the draws are."""
    below = 2 * (log_posterior - np.asarray(posterior["sample_stats"]["log_posterior"]))
    normal = f"normal (chi-squared with {counted(free, 'degree')} of freedom)"
    return (
        f"twice the fall of the log posterior from the mode to a draw: median {np.median(below):.1f}, and "
        f"{chdtri(free, 0.5):.1f} if the posterior is {normal}; "
        "where the two differ much, intervals tell more than standard deviations"
    )
