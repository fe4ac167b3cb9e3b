"""The clusters on the terminal: a table with a column for each, and what sets it apart from the others."""

import numpy as np
from rich.console import Console
from rich.markup import escape

from mixtures.brief import rounded
from mixtures.cli.text import LONGEST_LABEL, folded, plain, ruled_table, stacked
from mixtures.clusters.description import describe
from mixtures.errors import InputError
from mixtures.messages import counted, visible
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.profiles import SPREADS, ClusterFigure, ClusterProfiles

__all__ = ["sentences_of", "show_clusters"]

MOST_CLUSTERS, MOST_FIGURES = 10, 12
"""Clusters that are shown, and figures of each: of more, those that differ most."""


LABEL_WIDTH = 26
"""Largest width of the names of features; longer ones are wrapped."""


WORDS = {
    "mean": "means (sds)",
    "geometric mean": "geometric means (sds as factors)",
    "probability": "probabilities",
    "rate": "rates",
}
"""What stands in the table."""


def sentences_of(cc: Crosscheck) -> list[str]:
    """A sentence for every cluster; why there is none, if draws are not finite; none of a user's model."""
    try:
        return [] if cc.mode.spec is None else list(describe(cc).sentences)
    except InputError as error:
        return [f"the clusters are not described: {error}"]


def show_clusters(out: Console, cc: Crosscheck) -> None:
    """Print the table, and a sentence for every cluster; nothing of a user's model."""
    if cc.mode.spec is None:
        return
    out.print()
    try:
        found = describe(cc)
    except InputError as error:
        out.print(plain(f"the clusters are not described: {error}"))
        return
    _table(out, found)
    for words in found.words[:MOST_CLUSTERS]:
        if apart := "; ".join(part for part in (words.contrast, words.overlap) if part):
            out.print(plain(f"{words.name} {apart}"))
    if len(found.words) > MOST_CLUSTERS:
        out.print(f"({counted(len(found.words) - MOST_CLUSTERS, 'more cluster')}: --json)", style="dim")


def _table(out: Console, found: ClusterProfiles) -> None:
    """A row for the shares and for every feature, a column for every cluster; below one another if wide."""
    names = found.names[:MOST_CLUSTERS]
    by_name = {(each.cluster, each.figure, each.of): each for each in found.figures}
    every = [(each.figure, each.of) for each in found.figures if each.cluster == names[0]]
    rows = [row for row in every if row[0] in SPREADS and row[1] not in found.implied]
    kinds = dict.fromkeys(figure for figure, _ in rows)
    title = f"Clusters: shares, {', '.join(WORDS[kind] for kind in kinds)}"
    if len(rows) > MOST_FIGURES:
        title += f"; the {MOST_FIGURES} of {len(rows)} that differ most"
        sizes = [max(_apart(by_name, name, of) for name in names) for _, of in rows]
        rows = [rows[m] for m in sorted(np.argsort(sizes)[-MOST_FIGURES:])]
    shares = {name: by_name[name, "share", ""] for name in names}
    with_interval = shares[names[0]].sd is not None
    cells = {
        name: [
            f"{rounded(100 * shares[name].value, _scaled(shares[name].sd))}%",
            *([_interval(shares[name])] if with_interval else []),
            *(_cell(by_name, name, figure, of) for figure, of in rows),
        ]
        for name in names
    }
    labels = ["share", *([f"{found.ci_prob:.0%} interval"] if with_interval else []), *(of for _, of in rows)]
    labels = [visible(label, longest=LONGEST_LABEL) for label in labels]
    width = min(LABEL_WIDTH, max(map(len, labels)))
    out.print(plain(title), style="bold")
    for own in stacked(cells, out.width - width):
        shown = ruled_table("")
        shown.add_column("", overflow="fold", min_width=width)
        for name in own:
            shown.add_column(plain(name), justify="right", overflow="fold")
        for row, label in enumerate(labels):
            shown.add_row(escape(folded(label, width)), *(cells[name][row] for name in own))
        out.print(shown)


def _apart(by_name: dict[tuple[str, str, str], ClusterFigure], name: str, of: str) -> float:
    found = by_name.get((name, "difference", of))
    return 0.0 if found is None else abs(found.value)


def _scaled(sd: float | None) -> float | None:
    return None if sd is None else 100 * sd


def _interval(share: ClusterFigure) -> str:
    ends = (share.lower, share.upper)
    return " to ".join(rounded(100 * end, _scaled(share.sd)) for end in ends if end is not None)


def _cell(by_name: dict[tuple[str, str, str], ClusterFigure], name: str, figure: str, of: str) -> str:
    """A figure of a cluster, with its spread in brackets."""
    one = by_name[name, figure, of]
    if figure == "probability":
        return f"{rounded(100 * one.value, _scaled(one.sd))}%"
    beside = by_name.get((name, SPREADS[figure], of))
    return rounded(one.value, one.sd) + ("" if beside is None else f" ({rounded(beside.value, beside.sd)})")
