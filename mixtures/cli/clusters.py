"""The clusters on the terminal: a table with a column for each, and what sets it apart from the others."""

import re
from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from mixtures.brief import grains_of_shares, rounded
from mixtures.cli.text import LONGEST_LABEL, folded, plain, ruled_table, stacked
from mixtures.clusters.description import describe
from mixtures.errors import InputError
from mixtures.messages import counted, visible
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.profiles import SPREADS, ClusterFigure, ClusterProfiles

__all__ = ["at_points", "figures_of", "sentences_of", "show_clusters"]

MOST_CLUSTERS, MOST_FIGURES = 10, 12
"""Clusters that are shown, and figures of each: of more, those that differ most."""


LABEL_WIDTH = 26
"""Largest width of the names of features; longer ones are wrapped."""


WHOLE = re.compile(r"\D*\d*")
"""What stands before the decimal point of a number."""


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
        which = f"{MOST_FIGURES} of {len(rows)}"
        title += f"; the {which} that differ most" if len(names) > 1 else f"; the first {which}"
        sizes = [max(_apart(by_name, name, of) for name in names) for _, of in rows]
        rows = [rows[m] for m in sorted(np.argsort(np.negative(sizes), kind="stable")[:MOST_FIGURES])]
    shares = {each.cluster: each for each in found.figures if each.figure == "share"}
    values = [100 * each.value for each in shares.values()]
    sds = [_scaled(each.sd) or np.nan for each in shares.values()]
    grains = dict(zip(shares, grains_of_shares(values, sds), strict=True))
    with_interval = shares[names[0]].sd is not None and len(names) > 1
    cells = {
        name: [
            f"{rounded(100 * shares[name].value, grains[name])}%",
            *([_interval(shares[name], grains[name])] if with_interval else []),
            *figures_of(by_name, name, rows),
        ]
        for name in names
    }
    for name, own in cells.items():  # not by rich, which strips what pads them on the right
        widest = max(cell_len(visible(name)), *map(len, own))
        own[:] = [cell.rjust(widest) for cell in own]
    labels = ["share", *([f"{found.ci_prob:.0%} interval"] if with_interval else []), *(of for _, of in rows)]
    labels = [visible(label, longest=LONGEST_LABEL) for label in labels]
    width = min(LABEL_WIDTH, max(map(len, labels)))
    out.print(plain(title), style="bold")
    for own in stacked(cells, out.width - width):
        shown = ruled_table("")
        shown.add_column("", overflow="fold", min_width=width)
        for name in own:
            shown.add_column(Text.from_markup(plain(name), justify="right"), overflow="fold")
        for row, label in enumerate(labels):
            shown.add_row(escape(folded(label, width)), *(cells[name][row] for name in own))
        out.print(shown)


def _apart(by_name: dict[tuple[str, str, str], ClusterFigure], name: str, of: str) -> float:
    found = by_name.get((name, "difference", of))
    return 0.0 if found is None else abs(found.value)


def _scaled(sd: float | None, scale: float = 100) -> float | None:
    return None if sd is None else scale * sd


def _interval(share: ClusterFigure, grain: float) -> str:
    ends = (share.lower, share.upper)
    return " to ".join(rounded(100 * end, grain) for end in ends if end is not None)


def figures_of(
    by_name: dict[tuple[str, str, str], ClusterFigure], name: str, rows: Sequence[tuple[str, str]]
) -> list[str]:
    """Figures of a cluster, with their spreads in brackets; points stand below one another."""
    values, spreads, factors = [], [], []
    for figure, of in rows:
        one, beside = by_name[name, figure, of], by_name.get((name, SPREADS[figure], of))
        scale, unit = (100, "%") if figure == "probability" else (1, "")
        values.append(rounded(scale * one.value, _scaled(one.grain, scale)) + unit)
        spread = "" if beside is None else rounded(beside.value, beside.sd)
        is_factor = figure == "geometric mean"
        spreads.append(f"({spread})" if spread and not is_factor else "")
        factors.append(f"(factor {spread})" if spread and is_factor else "")
    beside_them = [a if a.strip() else b for a, b in zip(at_points(spreads), at_points(factors), strict=True)]
    width = max(map(len, beside_them), default=0)
    each = zip(at_points(values), beside_them, strict=True)
    return [f"{value} {spread:<{width}}" if width else value for value, spread in each]


def at_points(texts: Sequence[str]) -> list[str]:
    """Pad numbers to one width, with their decimal points, or where these would be, at one place.

    Examples
    --------
    >>> at_points(["4.29", "80.0", "1230", "5%"])
    ['   4.29', '  80.0 ', '1230   ', '   5%  ']
    """
    heads = [len(WHOLE.findall(text)[0]) for text in texts]
    tails = [len(text) - head for text, head in zip(texts, heads, strict=True)]
    left, right = max(heads, default=0), max(tails, default=0)
    each = zip(texts, heads, tails, strict=True)
    return [" " * (left - head) + text + " " * (right - tail) for text, head, tail in each]
