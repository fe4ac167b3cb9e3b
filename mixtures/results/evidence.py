"""What `marginal_likelihood` returns."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from mixtures.brief import noted, on_a_page
from mixtures.errors import InputError
from mixtures.results.value import Value
from mixtures.tolerances import TOLERANCES

__all__ = ["Evidence", "standard_error_notes"]


@dataclass(frozen=True, eq=False)
class Evidence(Value):
    """A marginal likelihood and its error.

    Attributes
    ----------
    log_marginal_likelihood : float
        Log of the density of the data with the parameters integrated over the
        prior, including all constants.
    standard_error : float
        Its Monte Carlo standard error, in nats.
    method : str
        How it was computed.
    notes : tuple of str
        Reasons to doubt it.
    degrees_of_freedom : float, default infinity
        Of the standard error: one less than the number of runs that it comes from.
    """

    log_marginal_likelihood: float
    standard_error: float
    method: str
    notes: tuple[str, ...]
    degrees_of_freedom: float = math.inf

    def interval(self, prob: float = 0.95) -> tuple[float, float]:
        """Interval of the log marginal likelihood, in nats, for its Monte Carlo error alone.

        Student's t, as wide as the degrees of freedom of the standard error ask for: with four
        runs 3.2 standard errors to each side at 95%, where a normal has 2.

        Parameters
        ----------
        prob : float, default 0.95
            Probability that it covers the value.

        Returns
        -------
        tuple of float
            Lower and upper end.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1.

        Examples
        --------
        >>> from mixtures.results.evidence import Evidence
        >>> low, high = Evidence(-1168.0, 0.1, "SMC from the prior, 4 runs", (), 3).interval()
        >>> round(low, 2), round(high, 2)
        (-1168.32, -1167.68)
        """
        if not 0 < prob < 1:
            raise InputError(f"prob must be between 0 and 1, got {prob!r:.80}")
        half = float(stdtrit(self.degrees_of_freedom, (1 + prob) / 2)) * self.standard_error
        return self.log_marginal_likelihood - half, self.log_marginal_likelihood + half

    def summary(self) -> pd.DataFrame:
        """The log marginal likelihood and its standard error, by method."""
        return pd.DataFrame(
            {"log_marginal_likelihood": self.log_marginal_likelihood, "standard_error": self.standard_error},
            index=pd.Index([self.method], name="method"),
        )

    def __repr__(self) -> str:
        """Show the figure, its standard error and interval, and reasons to doubt it."""
        low, high = self.interval()
        return on_a_page(
            f"Evidence: log marginal likelihood {self.log_marginal_likelihood:.8g}, "
            f"standard error {self.standard_error:.2g} ({self.method}), 95% interval {low:.8g} to {high:.8g}",
            noted(self.notes),
        )


def standard_error_notes(standard_error: float) -> tuple[str, ...]:
    """A note if the standard error is so large that it is unreliable itself."""
    if standard_error < TOLERANCES.evidence_se:
        return ()
    if np.isnan(standard_error):
        return ("the standard error could not be computed: draw more, or compare the methods",)
    return (
        f"the standard error {standard_error:.2g} is large, and itself not reliable then: draw more, or "
        "compare the methods",
    )
