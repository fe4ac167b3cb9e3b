"""What `describe` returns: every cluster in words and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixtures.brief import HTML_CHARACTERS, on_a_page
from mixtures.messages import counted, visible
from mixtures.results.value import Value

__all__ = ["SPREADS", "ClusterFigure", "ClusterProfiles", "ClusterRow", "ClusterWords", "fine"]

MOST_ROWS, LONGEST_NAME = 30, 60
"""Clusters of an HTML table, and characters of a cluster's name in it."""


SPREADS = {"mean": "sd", "geometric mean": "geometric sd", "probability": "", "rate": ""}
"""Figures that say where a cluster lies, and those of its spread."""


class ClusterFigure(NamedTuple):
    """A figure of a cluster.

    Attributes
    ----------
    cluster : str
        Name of the cluster.
    figure : str
        What it is, such as "share", "mean" or "difference".
    of : str
        The feature, pair of features or level that it describes, or the other cluster of an overlap; empty
        if it describes the cluster as a whole.
    value : float
        Its value, or the mean over the draws.
    sd, lower, upper : float or None
        Standard deviation and equal-tailed interval over the draws, if there are several.
    """

    cluster: str
    figure: str
    of: str
    value: float
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None

    @property
    def grain(self) -> float | None:
        """The standard deviation by which its digits are chosen: a geometric mean has three at least."""
        return fine(self.value, self.sd) if self.figure == "geometric mean" else self.sd


def fine(value: float, sd: float | None) -> float | None:
    """A standard deviation that leaves three digits of a value at least, as the logarithm of it has."""
    return None if sd is None or np.isnan(sd) else min(sd, abs(value) / 100)


class ClusterRow(NamedTuple):
    """A row that is among the most or the least typical of its cluster.

    Attributes
    ----------
    cluster : str
        Name of the cluster.
    typical : str
        "most" or "least".
    row : object
        Label of the row in the index of the data.
    place : int
        Its position, from 0.
    probability : float
        Probability of the cluster for the row.
    log_density : float
        Logarithm of the cluster's density at the row.
    """

    cluster: str
    typical: str
    row: Any
    place: int
    probability: float
    log_density: float


@dataclass(frozen=True)
class ClusterWords:
    """A cluster in words.

    Attributes
    ----------
    name : str
        Its name.
    share : str
        Its share of all rows, with an interval from a sample.
    size : str
        How many of the rows given are assigned to it, and their weight if they have weights; empty
        without rows.
    profile : str
        Where its rows lie.
    contrast : str
        What distinguishes it most from the others; empty if there are none.
    overlap : str
        The cluster that it overlaps most, and how far; empty if there are no others.
    rows : str
        Its most and least typical rows; empty without rows.
    """

    name: str
    share: str
    size: str
    profile: str
    contrast: str
    overlap: str = ""
    rows: str = ""

    def __str__(self) -> str:
        """One sentence."""
        head = ", ".join(part for part in (self.name, self.share, self.size) if part)
        return f"{head}: {'; '.join(part for part in (self.profile, self.contrast, self.overlap) if part)}"


@dataclass(frozen=True, eq=False)
class ClusterProfiles(Value):
    """Clusters in words and figures.

    Attributes
    ----------
    words : tuple of ClusterWords
        Every cluster in words.
    figures : tuple of ClusterFigure
        All figures: ``share``; ``size``, the number of rows assigned, if rows were given, or their total
        weight and beside it ``rows``, if they have weights; the profile, such as ``mean``, ``sd`` and
        ``correlation``, ``probability`` or ``rate``, and of logarithms ``geometric mean`` and ``geometric
        sd`` in natural units; ``difference``, the standardised difference from all other clusters; and
        ``overlap`` with each of them.
    ci_prob : float
        Probability of the intervals.
    rows : tuple of ClusterRow
        The most and the least typical rows of every cluster, if rows were given.
    implied : tuple of str
        The ``of`` of figures that follow from others: the first level of an item with two levels.
    """

    words: tuple[ClusterWords, ...]
    figures: tuple[ClusterFigure, ...]
    ci_prob: float
    rows: tuple[ClusterRow, ...] = ()
    implied: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the clusters."""
        return tuple(each.name for each in self.words)

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence for every cluster."""
        return tuple(map(str, self.words))

    def to_frame(self) -> pd.DataFrame:
        """All figures: one row each, with the columns cluster, figure, of, value, sd, lower and upper."""
        return pd.DataFrame(self.figures, columns=list(ClusterFigure._fields)).astype(
            dict.fromkeys(("value", "sd", "lower", "upper"), float)
        )

    def rows_to_frame(self) -> pd.DataFrame:
        """The most and the least typical rows, with the columns of `ClusterRow`."""
        return pd.DataFrame(self.rows, columns=list(ClusterRow._fields))

    def __str__(self) -> str:
        """A sentence for every cluster, and its rows, on a page."""
        return on_a_page(
            *(
                line
                for each in self.words
                for line in (f"{each}.", *([f"  {each.rows}."] if each.rows else []))
            )
        )

    def summary(self) -> pd.DataFrame:
        """All figures, as `to_frame`."""
        return self.to_frame()

    def __repr__(self) -> str:
        """The same with a heading."""
        k = len(self.words)
        return on_a_page(f"ClusterProfiles of {counted(k, 'cluster')}:", *(f"  {s}." for s in self.sentences))

    def _repr_html_(self) -> str:
        """A table with a row for every cluster."""
        with_size = any(each.size for each in self.words)
        apart = "differs from the others"
        heads = ["cluster", "share", *(["size"] if with_size else []), "profile", apart, "overlap"]
        rows = [
            [
                *(each.name, each.share, *([each.size] if with_size else [])),
                *(each.profile, each.contrast, each.overlap),
            ]
            for each in self.words[:MOST_ROWS]
        ]
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in heads)
        drawn = [f"<tr>{_cells(row)}</tr>" for row in rows]
        while sum(map(len, drawn)) > HTML_CHARACTERS - 1_000:
            drawn.pop()
        left_out, body = len(self.words) - len(drawn), "".join(drawn)
        more = f"<p>and {left_out} more: see .to_frame()</p>" if left_out else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cells(row: Sequence[str]) -> str:
    first, *rest = (escape(visible(text, longest=LONGEST_NAME * 8)) for text in row)
    left = "style='text-align: left'"
    return f"<th scope='row' {left}>{first}</th>" + "".join(f"<td {left}>{text}</td>" for text in rest)
