"""Data sets simulated from a fit, like the data that it was fitted to."""

from collections.abc import Callable

import numpy as np

from mixtures.data.known_labels import UNKNOWN, known_rows
from mixtures.data.table import Data
from mixtures.results.em import EMFit

__all__ = ["Resample", "simulated"]

Resample = Callable[[np.random.Generator], Data]
"""Function that resamples the fitted data."""


def simulated(em: EMFit, data: Data) -> Resample:
    """Parametric bootstrap: as many rows as there are, or as the weights count, drawn from the fit.

    The same cells are missing of them, and the clusters of the same rows are known.
    """
    n, repeats = max(2, round(data.total)), data.compressed is not data

    of_row = _rows_drawn_for(data, n)
    holes = np.isnan(data.values[of_row]) if data.has_missing else None
    known = None if data.labels is None else known_rows(data.labels[of_row])

    def resample(rng: np.random.Generator) -> Data:
        rows, z = em.spec.sample(em.params, n, rng, like=data.values[of_row])
        if holes is not None:
            rows[holes] = np.nan
        labels = None if known is None else np.where(known, z, UNKNOWN)
        made = Data(rows, data.features, np.arange(n), has_missing=data.has_missing, labels=labels)
        return made.compressed if repeats else made

    return resample


def _rows_drawn_for(data: Data, n: int) -> np.ndarray:
    """The row of the data that each of n rows stands for, each as often as it counts."""
    if data.weights is None:
        return np.arange(n) % data.n_rows
    ends = np.cumsum(data.weights) * (n / data.total)
    return np.minimum(np.searchsorted(ends, np.arange(n), side="right"), data.n_rows - 1)
