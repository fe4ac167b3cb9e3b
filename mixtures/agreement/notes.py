"""Notes of a crosscheck, in addition to its table."""

import numpy as np
import xarray as xr
from scipy.special import chdtri

from mixtures.posterior.chains import Chains

__all__ = ["how_drawn", "incomplete", "where_mode_sits"]


def how_drawn(posterior: xr.DataTree) -> tuple[str, ...]:
    """Say of independent draws how they were proposed, or why they were not possible."""
    told = posterior.attrs
    if "pareto_k" in told:
        n_modes = posterior["modes"].sizes["mode"]
        return (
            f"independent draws: {told['n_proposals']:,} proposals from t distributions at "
            f"{n_modes} mode{'s' * (n_modes != 1)} of the posterior, {told['acceptance']:.0%} accepted, "
            f"Pareto k-hat of the weights {told['pareto_k']:.2f}",
        )
    return (told["sampler_note"],) if "sampler_note" in told else ()


def incomplete(posterior: xr.DataTree, how: Chains) -> tuple[str, ...]:
    """Say what is missing from a sample that was stopped."""
    if "stopped" not in posterior.attrs:
        return ()
    sizes = posterior["posterior"].sizes
    return (
        f"{posterior.attrs['stopped']}: the sample has {sizes['chain']} chains of {sizes['draw']} draws, not "
        f"{how.chains} of {how.draws}",
    )


def where_mode_sits(posterior: xr.DataTree, log_posterior: float, free: int) -> str:
    """Describe how far below the mode the draws are."""
    below = 2 * (log_posterior - np.asarray(posterior["sample_stats"]["log_posterior"]))
    return (
        f"2 (log posterior at the mode - at a draw): median {np.median(below):.1f}, and "
        f"{chdtri(free, 0.5):.1f} if the posterior is normal (chi-squared with {free} degrees of freedom)"
    )
