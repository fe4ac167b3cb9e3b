"""A page for every cluster: what it is, what sets it apart, how well it is separated, and its rows."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixtures.brief import rounded
from mixtures.messages import counted
from mixtures.plot.style import INK, cluster_colour
from mixtures.reporting.blocks import (
    Block,
    Cell,
    Column,
    Download,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    aligned,
    csv_uri,
    prose,
    sort_key,
)
from mixtures.reporting.figures import drawn, short_names
from mixtures.reporting.material import Material, values_of_rows, weight_of_rows
from mixtures.reporting.rows import SURE
from mixtures.results.profiles import SPREADS, ClusterFigure

__all__ = ["pages_section"]

MOST_FIGURES, MOST_PAIRS, MOST_DRAWN = 12, 10, 12
"""Rows of a table, correlations and differences in a picture: of more, those that stand out most.

So a page fits on a sheet of paper.
"""


LABEL = (40, 18)
"""Longest name in a picture, and how much of its end stays: the level of an item."""


SHOWN_FEATURES = 4
"""Features of a typical row that are shown: those in which its cluster differs most."""


NEARLY = 0.999
"""Mean probability above which it is not written out."""


MINUS = "\N{MINUS SIGN}"


def pages_section(material: Material) -> Section | None:
    """A page for every cluster, or of many for the largest."""
    if material.known is None:
        return None
    found = material.described
    words = "Download all figures of the clusters as CSV."
    blocks: list[Block] = [
        Download(csv_uri(found.to_frame().set_index("cluster")), "clusters.csv", words),
        *(Paragraph(words) for words in [material.few_pages] if words),
    ]
    for k in np.flatnonzero(material.pages):
        blocks += _page(material, int(k))
    return Section("pages", tuple(blocks))


def _page(material: Material, k: int) -> list[Block]:
    found, said = material.described, material.described.words[k]
    own = [each for each in found.figures if each.cluster == said.name and each.of not in found.implied]
    title = f"Cluster {said.name.removeprefix('cluster ')}"
    blocks: list[Block] = [
        Heading(material.pages[k], title),
        Paragraph(prose(f"{found.sentences[k]}.")),
        *_picture(own, k),
        _profile(own, said.name, found.ci_prob),
        *_correlations(own, said.name, found.ci_prob),
        *_separation(material, own, k),
    ]
    return [*blocks, *_typical(material, said.name)]


def _by_size(figures: Sequence[ClusterFigure]) -> list[ClusterFigure]:
    return sorted(figures, key=lambda each: -abs(each.value))


def _picture(own: Sequence[ClusterFigure], k: int) -> list[Figure]:
    """The differences of a cluster from the others, largest first."""
    finite = [each for each in own if each.figure == "difference" and np.isfinite(each.value)]
    largest = _by_size(finite)[:MOST_DRAWN]
    if len(largest) < 2:
        return []
    which = f"the largest {len(largest)} of {len(finite)}" if len(finite) > len(largest) else "largest first"
    caption = f"What sets {own[0].cluster} apart: differences from all others together, {which}, in sds"
    with_interval = " with their intervals." if largest[0].sd is not None else "."
    source = drawn(partial(_differences, largest, k))
    return [Figure(source, f"Differences of {own[0].cluster} from the others", caption + with_interval)]


def _differences(figures: Sequence[ClusterFigure], k: int) -> Axes:
    """One line for every difference, from above."""
    ax = plt.subplots(figsize=(5.4, 0.7 + 0.27 * len(figures)), layout="constrained")[1]
    at, colour = np.arange(len(figures)), cluster_colour(k)
    if figures[0].sd is not None:
        ax.hlines(at, [f.lower or 0 for f in figures], [f.upper or 0 for f in figures], color=colour, lw=2)
    ax.plot([f.value for f in figures], at, "o", color=colour)
    ax.axvline(0, color=INK, lw=0.8, ls=":", zorder=1)
    ax.set_yticks(at, short_names([f.of for f in figures], *LABEL))
    ax.set_ylim(len(figures) - 0.5, -0.5)
    ax.set_xlabel("difference from the others, in sds")
    return ax


def _profile(own: Sequence[ClusterFigure], name: str, ci_prob: float) -> Table:
    """Where a cluster lies in every feature, and how far that is from the others."""
    by_name = {(each.figure, each.of): each for each in own}
    places = [each for each in own if each.figure in SPREADS]
    caption = f"Profile of {name}"
    if len(places) > MOST_FIGURES:
        apart = [by_name.get(("difference", each.of)) for each in places]
        heights = [0 if each is None else abs(each.value) for each in apart]
        order = np.argsort(np.negative(heights), kind="stable")[:MOST_FIGURES]
        which = "that differ most" if any(each.figure == "difference" for each in own) else "that come first"
        caption += f": the {MOST_FIGURES} of {len(places)} figures {which}; the file above has all"
        places = [places[m] for m in order]
    spreads = [by_name.get((SPREADS[each.figure], each.of)) for each in places]
    differences = [
        None if each.figure == "geometric mean" else by_name.get(("difference", each.of)) for each in places
    ]
    kinds = list(dict.fromkeys(each.figure for each in places))
    what = kinds[0] if len(kinds) == 1 else "value"
    columns = [(Column("feature", False), [Cell(each.of, i) for i, each in enumerate(places)])]
    if len(kinds) > 1:
        columns.append((Column("figure", False), [Cell(each.figure) for each in places]))
    columns += _columns(what, places, ci_prob)
    if any(spreads):
        columns += _columns("sd", spreads, ci_prob, "of geometric means a factor")
    if any(differences):
        columns += _columns("difference", differences, ci_prob, "from all others together, in sds")
    return _table(caption, columns)


def _columns(
    name: str, figures: Sequence[ClusterFigure | None], ci_prob: float, help: str = ""
) -> list[tuple[Column, list[Cell]]]:
    """Figures as a column, and their intervals as another if there are any; shares alone are in per cent."""
    known = [each for each in figures if each is not None]
    in_percent = bool(known) and all(each.figure in ("probability", "overlap") for each in known)
    scale = 100 if in_percent else 1
    cells = [Cell("") if each is None else _cell(each, scale) for each in figures]
    texts = aligned([cell.text for cell in cells])
    head = Column(f"{name}, %" if in_percent else name, help=help)
    values = (head, [replace(cell, text=text) for cell, text in zip(cells, texts, strict=True)])
    if not any(each.sd is not None for each in known):
        return [values]
    intervals = [Cell("" if each is None else _interval(each, scale)) for each in figures]
    return [values, (Column(f"{ci_prob:.0%} interval", False), intervals)]


def _cell(figure: ClusterFigure, scale: int) -> Cell:
    sd = None if figure.grain is None else scale * figure.grain
    factor = "factor " if figure.figure == "geometric sd" else ""
    text = factor + rounded(scale * figure.value, sd).replace("-", MINUS)
    return Cell(text, sort_key(scale * figure.value))


def _interval(figure: ClusterFigure, scale: int) -> str:
    if figure.grain is None or figure.lower is None or figure.upper is None:
        return ""
    ends = (rounded(scale * end, scale * figure.grain) for end in (figure.lower, figure.upper))
    return " to ".join(end.replace("-", MINUS) for end in ends)


def _table(caption: str, columns: Sequence[tuple[Column, list[Cell]]]) -> Table:
    heads, cells = zip(*columns, strict=True)
    return Table(caption, heads, tuple(zip(*cells, strict=True)), "mixtures.describe of the crosscheck")


def _correlations(own: Sequence[ClusterFigure], name: str, ci_prob: float) -> list[Table]:
    found = [each for each in own if each.figure == "correlation"]
    if not found:
        return []
    shown = found if len(found) <= MOST_PAIRS else _by_size(found)[:MOST_PAIRS]
    which = "" if len(shown) == len(found) else f", the largest {len(shown)} of {len(found)}"
    pairs = (Column("features", False), [Cell(each.of, i) for i, each in enumerate(shown)])
    return [_table(f"Correlations within {name}{which}", [pairs, *_columns("correlation", shown, ci_prob)])]


def _separation(material: Material, own: Sequence[ClusterFigure], k: int) -> list[Block]:
    """How sure its rows are, and how far the cluster overlaps the others."""
    blocks: list[Block] = []
    if material.assigned is not None:
        its = material.assigned["label"].values == k
        sure, weights = material.assigned["label_probability"].values[its], material.weights
        text = f"It is the likeliest cluster of {counted(int(its.sum()), 'row')}"
        if len(sure):
            doubtful = int((sure < SURE).sum())
            mean = float(sure.mean() if weights is None else np.average(sure, weights=weights[its]))
            much = f"over {NEARLY:.1%}" if mean > NEARLY else f"{mean:.1%}"
            of = " by weight" if weights is not None else ""
            drawn_from = ", a mean over the draws," if material.cc.posterior is not None else ""
            text += (
                f": its probability for them{drawn_from} is {much} on average{of}, and below {SURE:.0%} for "
            )
            text += counted(doubtful, "row") if doubtful else "none of them"
        blocks.append(Paragraph(f"{text}."))
    shared = _by_size([each for each in own if each.figure == "overlap"])
    if len(shared) > 1:  # that with the only other is in the sentence
        others = (Column("cluster", False), [Cell(each.of, i) for i, each in enumerate(shared)])
        caption = f"Overlap of {own[0].cluster} with the others"
        columns = _columns("overlap", shared, material.described.ci_prob)
        blocks.append(_table(caption, [others, *columns]))
    return blocks


def _typical(material: Material, name: str) -> list[Table]:
    rows, data = [row for row in material.described.rows if row.cluster == name], material.data
    if data is None or not rows:
        return []
    columns: dict[str, object] = {
        "typical": [row.typical for row in rows],
        "p(cluster)": [row.probability for row in rows],
    }
    places = [row.place for row in rows]
    columns |= weight_of_rows(data, places)
    own = [each for each in material.described.figures if each.cluster == name]
    columns |= values_of_rows(data, places, columns, SHOWN_FEATURES, own)
    return [
        Table.of_frame(
            f"The most and the least typical rows of {name}",
            pd.DataFrame(columns, index=pd.Index([str(row.row) for row in rows], name="row")),
            formats={"p(cluster)": ".3f"},
            helps={
                "typical": "by the probability of the cluster for the row times the cluster's density",
                "p(cluster)": "the probability of the cluster for the row",
            },
            source="mixtures.describe of the crosscheck and the data",
        )
    ]
