"""A verdict: checks, each with figure, threshold, source and advice."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from mixtures.brief import noted, on_a_page
from mixtures.messages import joined
from mixtures.results.value import Value
from mixtures.tolerances import TOLERANCES

__all__ = [
    "IDENTIFIED",
    "Check",
    "Starts",
    "State",
    "Unchecked",
    "Verdict",
    "cautions",
    "check",
    "explained",
    "failures",
    "none_of",
]

IDENTIFIED = "directions that the data do not identify"
"""Name of a check that a certificate and the verdict on a sample share."""


NEEDS = {
    "spec": "spec",
    "data": "X",
    "rows": "X without weights",
    "em": "em",
    "switches": "an aligned tree",
    "log_densities": "log_prior and log_likelihood, or spec and X",
    "point": "finite draws",
}
"""In words, what a check may need."""


class State(Enum):
    """How far a result can be relied on, with a sign for readers who do not see the colour."""

    GREEN = "✓"
    AMBER = "!"
    RED = "✕"


@dataclass(frozen=True)
class Check:
    """One line of a verdict.

    Attributes
    ----------
    name : str
        What is checked.
    figure : float
        What was measured.
    tolerance : float
        What the figure is compared with.
    passed : bool
        Whether the check holds.
    note : str
        What the figure means, and what to do when it fails.
    source : str
        Where the check comes from.
    judged : bool
        Whether the verdict fails if this check does; if not, the check only informs.
    cause : bool
        Whether a failure here explains failures of other checks: parameters that no
        data identify, for example, cannot converge. Causes are listed first.
    caution : bool
        Whether a failure of a check that is not judged still calls for care: the
        sample can be trusted, but the model or the data are in doubt.
    of_sample : bool
        Whether a failing cause concerns the sample alone and says nothing against the model.
    """

    name: str
    figure: float
    tolerance: float
    passed: bool
    note: str = ""
    source: str = ""
    judged: bool = True
    cause: bool = False
    caution: bool = False
    of_sample: bool = False

    @property
    def found(self) -> str:
        """The figure, or, where it is no number, that it could not be computed; the note says why."""
        return "could not be computed" if np.isnan(self.figure) else f"{self.figure:.4g}"

    @property
    def informs(self) -> bool:
        """Whether it has no limit and only says what was found."""
        return bool(np.isinf(self.tolerance))

    def __str__(self) -> str:
        """Word the check; the note is left out if it holds."""
        note = "" if self.passed or not self.note else f": {self.note}"
        if np.isnan(self.figure):
            return f"{self.name}: {self.found}{', fails' if self.judged else ''}{note}"
        if self.informs:
            return f"{self.name}: {self.found}, for information"
        holds = "holds" if self.passed else "fails" if self.judged else "stands out"
        return f"{self.name}: {self.found} (limit {self.tolerance:.4g}), {holds}{note}"

    def __repr__(self) -> str:
        """Word the check as an item of a list."""
        return f"Check({self})"


@dataclass(frozen=True)
class Starts:
    """Number of independent starts of each kind that reached the best optimum found by any search.

    Attributes
    ----------
    em, map : tuple of int
        Starts of EM and of MAP that reached it, and how many were made; (0, 0) if
        none was made.
    kinds : tuple of str or None
        Kinds of starts, of EM or of MAP, that reached it; None where all are of one kind,
        as in a user's own model, and in files of version 0.1.
    share : float or None
        The larger of the shares of EM's starts, swaps left out, and of MAP's that reached it; None
        where that is not known, as in files of earlier versions.
    """

    em: tuple[int, int]
    map: tuple[int, int]
    kinds: tuple[str, ...] | None = None
    share: float | None = None

    @property
    def shortfall(self) -> tuple[str, float, float] | None:
        """What there is too little of: in words, how much, and the least needed; None if of nothing."""
        of_all, reach = 1.0 if self.share is None else self.share, "that reach the best optimum"
        needed = (
            (f"MAP starts {reach}", self.map[0], 1),
            (f"starts {reach}", self.em[0] + self.map[0], 2),
            (f"kinds of starts {reach}", 2 if self.kinds is None else len(self.kinds), 2),
            (f"share of starts {reach}", of_all, TOLERANCES.restarts_alike),
        )
        return next(((what, found, least) for what, found, least in needed if found < least), None)

    @property
    def confirmed(self) -> bool:
        """Whether MAP reached it, and so did other starts, of several kinds and not too few of all."""
        return self.shortfall is None

    def __str__(self) -> str:
        """Word the counts: "EM 9 of 10, MAP 10 of 10"."""
        counts = {"EM": self.em, "MAP": self.map}
        text = ", ".join(f"{name} {n} of {total}" for name, (n, total) in counts.items() if total)
        return text + (f", all of one kind: {self.kinds[0]}" if self.kinds and not self.kinds[1:] else "")


@dataclass(frozen=True)
class Unchecked:
    """A check that was not made.

    Attributes
    ----------
    name : str
        What would have been checked.
    lacks : tuple of str
        What it would have needed, by its name in `NEEDS`.
    """

    name: str
    lacks: tuple[str, ...]

    def __str__(self) -> str:
        """Word it: "empty clusters (needs X)"."""
        return f"{self.name} (needs {', '.join(NEEDS[need] for need in self.lacks)})"

    @classmethod
    def told(cls, sentence: str) -> "Unchecked":
        """What such words say: files of earlier versions have no others."""
        name, _, words = sentence.partition(" (needs ")
        lacks = []
        for need in sorted(NEEDS, key=lambda need: -len(NEEDS[need])):  # some words are part of longer ones
            if NEEDS[need] in words:
                lacks.append(need)
                words = words.replace(NEEDS[need], "")
        return cls(name, tuple(need for need in NEEDS if need in lacks))


@dataclass(frozen=True, eq=False)
class Verdict(Value):
    """All checks of a posterior sample.

    Attributes
    ----------
    checks : tuple of Check
        The checks, one per line of the printed verdict.
    unchecked : tuple of str
        What was not checked, each with what the check would have needed.
    left_out : tuple of Unchecked
        The same as values.
    """

    checks: tuple[Check, ...]
    unchecked: tuple[str, ...] = ()
    left_out: tuple[Unchecked, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every judged check holds."""
        return all(check.passed for check in self.checks if check.judged)

    def summary(self) -> pd.DataFrame:
        """The checks, as `to_frame`."""
        return self.to_frame()

    def __str__(self) -> str:
        """List the judged checks that fail, or say that none does."""
        failed = [
            f"{c.name} {c.found} (limit {c.tolerance:.4g}): {c.note}"
            for c in failures(explained(self.checks))
        ]
        return "converged" if not failed else "not to be trusted: " + "; ".join(failed)

    def __repr__(self) -> str:
        """Show on one page whether the sample can be trusted, and the checks that fail."""
        held = sum(check.passed for check in self.checks)
        return on_a_page(
            f"Verdict: {'converged' if self.passed else 'not to be trusted'}",
            *(f"  {check}" for check in self.checks if not check.passed),
            f"  {held} of {len(self.checks)} checks hold: see .to_frame()",
            noted(self.unchecked, "not checked"),
        )

    def to_frame(self) -> pd.DataFrame:
        """Table of the checks, one per row: figure, tolerance, passed, judged, source and note by name."""
        frame = pd.DataFrame([asdict(check) for check in self.checks]).set_index("name")
        return frame[["figure", "tolerance", "passed", "judged", "source", "note"]]


def failures(checks: Iterable[Check]) -> list[Check]:
    """Judged checks that fail, causes first."""
    return sorted((c for c in checks if c.judged and not c.passed), key=lambda c: not c.cause)


def explained(checks: Iterable[Check]) -> list[Check]:
    """The checks; where a cause fails, other failures name it in place of their own advice."""
    every = list(checks)
    cause = next((c.name for c in every if c.cause and not c.passed), None)
    if cause is None:
        return every
    note = f"may follow from: {cause}"
    return [c if c.passed or c.cause or not c.judged else replace(c, note=note) for c in every]


def cautions(checks: Iterable[Check]) -> list[Check]:
    """Checks that fail and call for care, though the sample can be trusted."""
    return [c for c in checks if c.caution and not c.passed]


def check(
    name: str,
    figure: float,
    tolerance: float,
    within: bool,
    advice: str,
    *,
    source: str,
    judged: bool = True,
    remark: str = "",
    cause: bool = False,
    caution: bool = False,
) -> Check:
    """Make a check that holds if the figure is finite and within its tolerance; advice only if it fails.

    A check that calls for care is not judged.
    """
    passed = bool(np.isfinite(figure) and within)
    note = joined("; ", filter(None, ("" if passed else advice, remark)))
    judged = judged and not caution
    return Check(name, float(figure), float(tolerance), passed, note, source, judged, cause, caution)


def none_of(name: str, count: float, advice: str, **kind: Any) -> Check:
    """Make a check that holds if nothing of a kind was found; the keywords are those of `check`."""
    return check(name, count, 0, count == 0, advice, **kind)
