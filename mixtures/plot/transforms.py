"""Leave-one-out probability integral transforms drawn within their band."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats import ecdf_utils

from mixtures.diagnostics.loo_pit import loo_pit as leave_one_out
from mixtures.diagnostics.predictive import unweighted
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, with_sample
from mixtures.messages import named
from mixtures.plot.predictive import seen_cells
from mixtures.plot.style import INK, MOST_PANELS, REPLICATED, lettering, panels, places_of, say_which
from mixtures.types import Array

__all__ = ["loo_pit"]

PIT_POINTS, SIMULATIONS = 200, 1000
"""Points at which an ECDF is compared with the uniform, and simulated samples for its band."""


def loo_pit(
    spec: Mixture | Fit,
    X: Any = None,
    tree: xr.DataTree | None = None,
    *,
    features: Sequence[str] | None = None,
    n_draws: int = 1000,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    axes: Any = None,
) -> np.ndarray:
    """Draw the ECDF of every feature's LOO-PIT values minus that of the uniform distribution.

    A curve outside the simultaneous band shows that the model does not fit the
    feature's distribution. If it is first below zero and then above, predictions are
    too wide; if first above and then below, too narrow.

    Parameters
    ----------
    spec, X, tree, n_draws, missing, labels
        As in `mixtures.loo_pit`.
    features : sequence of str, optional
        Columns to draw; the first 12 by default.
    ci_prob : float, default 0.95
        Probability that a uniform sample of n values stays in the band, per feature.
    axes : array of matplotlib.axes.Axes, optional
        Where to draw, one for each feature; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        As in `mixtures.loo_pit`.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), *Statistics and Computing* 32, 32.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(1), X, draws=200, random_seed=1, progressbar=False)
    >>> axes = mx.plot.loo_pit(tree)
    >>> axes[1].get_xlabel()
    'LOO-PIT of waiting'
    """
    spec, data, tree = unweighted(*with_sample(spec, X, tree), missing, labels)
    if features is not None:
        places_of(data, features)  # refuses other names, before the draws are weighted
    pit = leave_one_out(spec, data, tree, n_draws=n_draws)["pit"]
    own = pit["feature"].values.tolist()
    names = own[:MOST_PANELS] if features is None else list(features)
    if other := [name for name in names if name not in own]:
        raise InputError(f"LOO-PIT is for continuous features, and {named(other[0])} is not one")
    own_figure, axes = axes is None, panels(len(names), axes)
    for ax, name in zip(axes, names, strict=True):
        seen = seen_cells(pit.sel(feature=name).values)
        inner, lower, upper = _uniform_band(len(seen), ci_prob)
        x = np.concatenate([[0], inner, [1]])
        away = np.pad(ecdf_utils.compute_ecdf(seen, inner) - inner, 1)
        ax.fill_between(x, lower, upper, color=REPLICATED, alpha=0.25, lw=0, label=f"uniform ({ci_prob:.0%})")
        ax.axhline(0, color=REPLICATED, lw=1)
        ax.plot(x, away, color=INK, lw=1.5, label="observed")
        ax.set(xlabel=f"LOO-PIT of {lettering(name)}", ylabel="ECDF less uniform", xlim=(0, 1))
    axes[0].margins(y=0.3)
    axes[0].legend(fontsize="small", loc="upper right")
    if own_figure and features is None:
        say_which(axes, len(own), "the first {} columns")
    return axes


@lru_cache(maxsize=8)
def _uniform_band(n: int, ci_prob: float) -> tuple[Array, Array, Array]:
    """Inner points, and the band around zero of the ECDF of n uniform values less its mean there."""
    inner = np.arange(1, min(n, PIT_POINTS)) / min(n, PIT_POINTS)
    rng = np.random.default_rng(0)  # the band depends only on n
    pointwise = ecdf_utils.simulate_confidence_bands(n, 1, inner, ci_prob, SIMULATIONS, rng)
    lower, upper = ecdf_utils.get_pointwise_confidence_band(pointwise, n, inner)
    return inner, np.pad(lower - inner, 1), np.pad(upper - inner, 1)
