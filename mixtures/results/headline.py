"""The conclusion of a crosscheck in plain words: green, amber or red, the most serious reason first.

Green needs all of it: EM, MAP and PyMC agree, independent starts confirm the
optimum, the chains have converged, and the model could have made the data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.brief import noted, on_a_page
from mixtures.messages import sentence, worded
from mixtures.results.value import Value
from mixtures.results.verdict import Check, State, Verdict, cautions, failures

__all__ = ["Headline", "conclude", "not_checked"]

OWN = "a model of your own has no specification, such as GMM(2)"
LACKING = {
    "spec": OWN,
    "log_densities": OWN,
    "em": "the sample is of some of the rows, and EM's fit of all",
    "rows": "rows have weights, and replicated rows have none",
    "point": "no draw is finite",
}
"""Why it is not there, by the name of what a check may need."""


@dataclass(frozen=True, eq=False)
class Headline(Value):
    """What a reader must know before anything else.

    Attributes
    ----------
    state : State
        GREEN: rely on the fit; AMBER: use it with care, for the reasons; RED: do not.
    title : str
        The conclusion in one sentence.
    reasons : tuple of str
        Why it is not green, the most serious first, each with what to do about it.
    remarks : tuple of str
        What is worth knowing but does not change the conclusion.
    """

    state: State
    title: str
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]

    def doubted(self, reason: str) -> "Headline":
        """The same headline with one more reason for care; green becomes amber."""
        if self.state is not State.GREEN:
            return replace(self, reasons=(*self.reasons, reason))
        return Headline(State.AMBER, "The fit itself holds, but use it with care.", (reason,), self.remarks)

    def summary(self) -> pd.DataFrame:
        """One row per reason and remark."""
        return pd.DataFrame(
            [*(("reason", text) for text in self.reasons), *(("remark", text) for text in self.remarks)],
            columns=["kind", "text"],
        )

    def __repr__(self) -> str:
        """Show state, title and the first reasons."""
        return on_a_page(f"Headline: {self.state.name}: {self.title}", noted(self.reasons, "reason"))

    def __str__(self) -> str:
        """Sign, title and reasons, one per line."""
        return "\n".join([f"{self.state.value} {self.title}", *(f"  {reason}" for reason in self.reasons)])


def conclude(
    certificate: tuple[Check, ...],
    convergence: Verdict | None,
    posterior: xr.DataTree | None,
    notes: tuple[str, ...],
    *,
    interrupted: bool,
    confirmed: bool,
    with_em: bool,
) -> Headline:
    """Draw the conclusion from the parts of a crosscheck.

    Parameters
    ----------
    certificate : tuple of Check
        Lines of the certificate of agreement.
    convergence : Verdict or None
        Verdict on the posterior sample.
    posterior : xarray.DataTree or None
        The posterior sample, if there is one.
    notes : tuple of str
        Notes of the crosscheck; they are the reasons if there is no sample.
    interrupted : bool
        Whether Ctrl-C cut the crosscheck short.
    confirmed : bool
        Whether independent starts reached the same optimum.
    with_em : bool
        Whether EM is part of it, or only MAP.
    """
    lines = () if convergence is None else convergence.checks
    failed = sorted([*failures(certificate), *failures(lines)], key=lambda c: not c.cause)
    reasons, care = _reasons(failed), _sentences(cautions(lines))
    remarks = _sentences(c for c in lines if not (c.passed or c.judged or c.caution))
    remarks += () if convergence is None else not_checked(convergence)
    who = "EM and MAP" if with_em else "Independent searches for the mode"

    def red(title: str, why: tuple[str, ...] = reasons) -> Headline:
        return Headline(State.RED, title, (*why, *care), remarks)

    def amber(title: str, why: tuple[str, ...]) -> Headline:
        return Headline(State.AMBER, title, (*why, *care), remarks)

    if interrupted:
        title = "Do not rely on this fit: it was interrupted and is incomplete."
        return red(title, (*map(sentence, notes), *reasons))
    if not confirmed:
        return red("Do not rely on this fit: its optimum is unconfirmed, and a better one may exist.")
    if any(check.cause and not check.of_sample for check in failed):
        return red("Do not rely on this fit: it asks for more than these data can tell.")
    if failures(certificate):
        return red(f"Do not rely on this fit: {who} and PyMC's log posterior do not all agree.")
    if failed:
        return red(f"{who} agree on the estimates, but do not rely on the posterior sample.")
    if posterior is None:
        title = f"{who} agree on the estimates; there is no posterior sample to judge them by."
        return amber(title, tuple(map(sentence, notes)))
    if "method" in posterior.attrs:
        title = f"{who} agree; the posterior is an approximation."
        return amber(title, (str(posterior.attrs["method"]),))
    agreed = "EM, MAP and the posterior agree" if with_em else "MAP and the posterior agree"
    if care:
        return amber(f"{agreed}, but use the fit with care: the model or the data are in doubt.", ())
    return Headline(State.GREEN, f"{agreed}, and the sample can be relied on.", (), remarks)


def not_checked(verdict: Verdict) -> tuple[str, ...]:
    """Sentences on what was not checked, by the reason; labels that do not switch do not matter."""
    names: dict[str, list[str]] = {}
    own = any("spec" in each.lacks for each in verdict.left_out)
    for each in verdict.left_out:
        reason = next((words for need, words in LACKING.items() if need in each.lacks), "")
        if reason:
            names.setdefault(OWN if own else reason, []).append(each.name)
    return tuple(f"Not checked, since {reason}: {', '.join(own)}." for reason, own in names.items())


def _reasons(failed: Iterable[Check]) -> tuple[str, ...]:
    """A sentence per failed check; where there are causes, one sentence names the other failures."""
    checks = list(failed)
    causes = [check for check in checks if check.cause]
    if not causes:
        return _sentences(checks)
    rest = dict.fromkeys(_figure(check) for check in checks if not check.cause)
    also = (f"These fail too, perhaps for the same reason: {'; '.join(rest)}.",) if rest else ()
    return _sentences(causes) + also


def _sentences(checks: Iterable[Check]) -> tuple[str, ...]:
    """One sentence per advice, in the order given; a line that two verdicts share appears once."""
    by_name: dict[str, Check] = {}
    for check in checks:
        by_name.setdefault(check.name, check)
    by_advice: dict[str, list[Check]] = {}
    for name, check in by_name.items():
        by_advice.setdefault(check.note or name, []).append(check)
    return tuple(map(_sentence, by_advice.values()))


def _sentence(checks: Sequence[Check]) -> str:
    """What to do about checks that fail with the same advice, and their figures."""
    figures = "; ".join(map(_figure, checks))
    return sentence(worded(checks[0].note, f" ({figures})") if checks[0].note else figures)


def _figure(check: Check) -> str:
    limit = "" if np.isnan(check.figure) else f", limit {check.tolerance:.4g}"
    return f"{check.name}: {check.found}{limit}"
