"""The verdict in plain words, the gravest reason first."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mixtures.agreement import Crosscheck
from mixtures.reporting.blocks import sentence
from mixtures.verdict import Check, failures

__all__ = ["Headline", "Mood", "headline"]


class Mood(Enum):
    """How far a fit can be relied on: its sign, told by more than its colour."""

    GOOD = "✓"
    CARE = "!"
    BAD = "✕"


@dataclass(frozen=True)
class Headline:
    """What a reader must know first.

    Attributes
    ----------
    mood : Mood
        Whether to rely on the fit.
    title : str
        The verdict in one sentence.
    reasons : tuple of str
        Why, the gravest first; empty if nothing is wrong.
    cautions : tuple of str
        What does not judge the fit and is worth knowing.
    """

    mood: Mood
    title: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]


def headline(cc: Crosscheck) -> Headline:
    """The verdict of a crosscheck in plain words."""
    convergence = () if cc.convergence is None else cc.convergence.checks
    failed = sorted([*failures(cc.certificate), *failures(convergence)], key=lambda c: not c.cause)
    informing = [c for c in convergence if not c.judged and not c.passed]
    reasons, cautions = _sentences(failed), _sentences(informing)
    who = "EM and MAP" if cc.em is not None else "Independent searches for the mode"
    if any(check.cause for check in failed):
        title = "Do not rely on this fit: it asks for more than these data can tell."
        return Headline(Mood.BAD, title, reasons, cautions)
    if not cc.passed:
        title = f"Do not rely on this fit: {who} and PyMC's log posterior do not all agree."
        return Headline(Mood.BAD, title, reasons, cautions)
    if failed:
        title = f"{who} agree on the estimates, but do not rely on the posterior sample."
        return Headline(Mood.BAD, title, reasons, cautions)
    if cc.posterior is None:
        title = f"{who} agree on the estimates; there is no posterior sample to judge them by."
        return Headline(Mood.CARE, title, cc.notes, cautions)
    if "method" in cc.posterior.attrs:
        title = f"{who} agree; the posterior is an approximation."
        return Headline(Mood.CARE, title, (str(cc.posterior.attrs["method"]),), cautions)
    title = "EM, MAP and the posterior agree, and the sample can be relied on."
    if cc.em is None:
        title = "MAP and the posterior agree, and the sample can be relied on."
    return Headline(Mood.GOOD, title, (), cautions)


def _sentences(checks: Iterable[Check]) -> tuple[str, ...]:
    """One sentence a line, in the order given; a line that two verdicts share is told once."""
    found: dict[str, Check] = {}
    for check in checks:
        found.setdefault(check.name, check)
    return tuple(_sentence(check) for check in found.values())


def _sentence(check: Check) -> str:
    figure = f"{check.name}: {check.figure:.4g}, limit {check.tolerance:.4g}"
    return sentence(f"{check.note} ({figure})" if check.note else figure)
