"""Outcomes kept on disk, and the page of the docs that is made of them."""

import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

from benchmarks.verdict.cases import GOOD, KINDS, LEFT, Kind, Outcome
from mixtures.results.verdict import State

KEPT_IN = Path(__file__).with_name("outcomes.json")
PAGE = Path(__file__).parents[2] / "docs" / "verdict.md"
TEMPLATE = Path(__file__).with_name("page.md")
ENOUGH = 100
"""Good cases below which the share of false alarms is only a first impression."""

Outcomes = dict[str, list[Outcome]]


def keep(outcomes: Outcomes, path: Path = KEPT_IN) -> None:
    """Write all outcomes."""
    listed = {name: [astuple(outcome) for outcome in some] for name, some in outcomes.items()}
    path.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def read(path: Path = KEPT_IN) -> Outcomes:
    """What `keep` wrote; nothing if there is no file."""
    if not path.exists():
        return {}
    listed = json.loads(path.read_text(encoding="utf-8"))
    return {name: [Outcome(*each) for each in some] for name, some in listed.items()}


def write(outcomes: Outcomes) -> None:
    """Write the page."""
    PAGE.write_text(page(outcomes), encoding="utf-8")


def right(kind: Kind, some: list[Outcome]) -> int:
    """How many outcomes are right for the kind."""
    return sum(State[outcome.state] in kind.accepted for outcome in some if outcome.state != LEFT)


def at_fault(some: list[Outcome]) -> int:
    """How many cases there are, without those whose fault the crosscheck mended."""
    return sum(outcome.state != LEFT for outcome in some)


def page(outcomes: Outcomes) -> str:
    """The page, every figure from the outcomes."""
    good, bad = ([kind for kind in KINDS if (kind.accepted == GOOD) is fine] for fine in (True, False))
    n_good = sum(len(outcomes.get(kind.name, [])) for kind in good)
    n_bad = sum(at_fault(outcomes.get(kind.name, [])) for kind in bad)
    small = f" **This is a small run.** Shares are reliable from about {ENOUGH} good cases on."
    return TEMPLATE.read_text(encoding="utf-8").format(
        n_good=n_good,
        n_bad=n_bad,
        small=small if n_good < ENOUGH else "",
        alarms="\n".join(alarms(kind, outcomes.get(kind.name, [])) for kind in good),
        reasons="".join(reasons(kind, outcomes.get(kind.name, [])) for kind in KINDS),
        table="\n".join(line(kind, outcomes.get(kind.name, [])) for kind in bad),
    )


def alarms(kind: Kind, some: list[Outcome]) -> str:
    """One line of the table of good cases."""
    return f"| {kind.name} | {kind.what} | {len(some)} | {len(some) - right(kind, some)} |"


def line(kind: Kind, some: list[Outcome]) -> str:
    """One line of the table of bad cases."""
    cases, caught = at_fault(some), right(kind, some)
    wanted = " or ".join(state.name.lower() for state in kind.accepted)
    states = Counter(outcome.state.lower() for outcome in some)
    said = ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "not run"
    return f"| {kind.name} | {kind.what} | {wanted} | {cases} | {said} | {caught} | {cases - caught} |"


def reasons(kind: Kind, some: list[Outcome]) -> str:
    """What was said where an outcome is not right."""
    wrong = [o for o in some if o.state != LEFT and State[o.state] not in kind.accepted]
    return "".join(f"- {kind.name}: {o.state.lower()}. {o.reason}".rstrip() + "\n" for o in wrong)
