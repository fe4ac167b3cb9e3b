"""Bootstrap likelihood-ratio test of K clusters against K - 1."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from mixtures.data.table import Data
from mixtures.em.fit import fit_em
from mixtures.em.starts import split_starts
from mixtures.errors import CollapseError, ConvergenceWarning, DataWarning, InputError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.progress import track
from mixtures.results.em import EMFit
from mixtures.standard_errors.simulation import simulated
from mixtures.tolerances import TOLERANCES
from mixtures.types import Params

__all__ = ["RatioTest"]


@dataclass(frozen=True)
class RatioTest:
    """The likelihood ratio of K and K - 1 clusters, held against data simulated with K - 1.

    Its distribution is not chi-squared: under K - 1 clusters the parameters of another are at the edge of
    their space or not identified. McLachlan (1987, *Applied Statistics* 36, 318-324) simulates it instead.

    Attributes
    ----------
    data : Data
        The data.
    n_resamples : int
        Number of simulated data sets.
    rng : numpy.random.Generator
        Source of randomness.
    progressbar : bool
        Whether to show the progress.
    """

    data: Data
    n_resamples: int
    rng: np.random.Generator
    progressbar: bool = False

    def of(self, fewer: EMFit, em: EMFit) -> tuple[dict[str, float], list[str]]:
        """Test the fit with K clusters against that with K - 1: figures, and notes.

        Every simulated data set has the size, weights counted, the missing cells and the labelled rows
        of the data. Both models are fitted to it under the priors of the data's fits, from the
        parameters that it was simulated with, from one random start each, and with K clusters from
        every split of one cluster of the fit with K - 1. So are the data themselves: from more starts
        their ratio would be larger than those of data that are simulated, whatever K is.
        """
        resample, ratios = simulated(fewer, self.data), []
        ratio = self._ratio(fewer, em.spec, self.data)
        what = f"K = {em.spec.n_components} against {fewer.spec.n_components}"
        for _ in track(range(self.n_resamples), what, shown=self.progressbar):
            drawn = replace(resample(self.rng), levels=self.data.levels)
            found = self._ratio(fewer, em.spec, drawn)
            if found is not None:
                ratios.append(found)
        failed = self.n_resamples - len(ratios)
        notes = []
        if failed:
            left_out = f"{failed} of {self.n_resamples} simulated data sets"
            notes.append(f"blrt: {left_out} could not be fitted and are left out")
        lr, p = 2 * (em.log_likelihood - fewer.log_likelihood), np.nan
        if ratio is None:
            notes += ["blrt: no p, as the data could not be fitted from as few starts as those simulated"]
        elif ratios:
            above = np.count_nonzero(np.array(ratios) >= ratio - TOLERANCES.same_optimum)
            p = (1 + above) / (len(ratios) + 1)
        return {"lr": lr, "blrt_p": p}, notes

    def _ratio(self, fewer: EMFit, spec: Mixture, data: Data) -> float | None:
        """Likelihood ratio of one data set; None where a model cannot be fitted to it."""
        low = self._best(fewer.spec, data, iter([fewer.params]))
        if low is None:
            return None
        splits = islice(split_starts(spec, low.params, data, self.rng), 1, None)  # all but the saddle point
        high = self._best(spec, data, splits)
        return None if high is None else 2 * (high.log_likelihood - low.log_likelihood)

    def _best(self, spec: Mixture, data: Data, starts: Iterator[Params]) -> EMFit | None:
        """Best fit from these starts and one at random; None if all collapse."""
        fits = [self._fit(spec, data, start) for start in (*starts, None)]
        return max((em for em in fits if em is not None), key=lambda em: em.log_posterior, default=None)

    def _fit(self, spec: Mixture, data: Data, start: Params | None) -> EMFit | None:
        tol = TOLERANCES.em_step_bootstrap
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", DataWarning)  # they are about the simulated data
            try:
                return complete(fit_em(spec, data, start=start, n_init=1, tol=tol, random_seed=self.rng))
            except (CollapseError, InputError, NonMonotoneError):
                return None
