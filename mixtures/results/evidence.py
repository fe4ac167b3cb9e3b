"""What `marginal_likelihood` returns."""

from dataclasses import dataclass

import pandas as pd

from mixtures.brief import noted, on_a_page
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
    """

    log_marginal_likelihood: float
    standard_error: float
    method: str
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """The log marginal likelihood and its standard error, by method."""
        return pd.DataFrame(
            {"log_marginal_likelihood": self.log_marginal_likelihood, "standard_error": self.standard_error},
            index=pd.Index([self.method], name="method"),
        )

    def __repr__(self) -> str:
        """Show the figure, its standard error, and reasons to doubt it."""
        return on_a_page(
            f"Evidence: log marginal likelihood {self.log_marginal_likelihood:.8g}, "
            f"standard error {self.standard_error:.2g} ({self.method})",
            noted(self.notes),
        )


def standard_error_notes(standard_error: float) -> tuple[str, ...]:
    """A note if the standard error is so large that it is unreliable itself."""
    if standard_error < TOLERANCES.evidence_se:
        return ()
    return (
        f"the standard error {standard_error:.2g} is large, and itself not reliable then: draw more, or "
        "compare the methods",
    )
