"""What `marginal_likelihood` returns."""

from dataclasses import dataclass

from mixtures.brief import noted, on_a_page
from mixtures.tolerances import TOLERANCES

__all__ = ["Evidence", "standard_error_notes"]


@dataclass(frozen=True)
class Evidence:
    """A marginal likelihood and how far it can be off.

    Attributes
    ----------
    log_marginal_likelihood : float
        Log of the density of the data, parameters integrated over the prior,
        all constants kept.
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

    def __repr__(self) -> str:
        """Say the figure, how far it can be off, and why to doubt it."""
        return on_a_page(
            f"Evidence: log marginal likelihood {self.log_marginal_likelihood:.8g}, "
            f"standard error {self.standard_error:.2g} ({self.method})",
            noted(self.notes),
        )


def standard_error_notes(standard_error: float) -> tuple[str, ...]:
    """A note where the standard error is too large to be relied on itself."""
    if standard_error < TOLERANCES.evidence_se:
        return ()
    return (
        f"the standard error {standard_error:.2g} is large, and itself not reliable then: draw more, or "
        "compare the methods",
    )
