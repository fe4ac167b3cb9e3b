"""Matplotlib figures as data URIs: SVG whose text stays text, with large scatter plots as pixels."""

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["data_uri", "drawn", "short_names"]

MOST_POINTS = 5000
"""Number of points of a figure above which scatter plots are rasterised."""


LARGEST_SVG = 300_000
"""Bytes above which a figure is rasterised, if that is smaller: a report stays below 3 MB."""


LONGEST = 23
"""Largest length of a name in a figure; names in data may be longer."""


COORDINATES = re.compile(r'\b(?:d|x|y|transform)="[^"]*"')


DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Patterns of coordinates, and of their digits beyond a hundredth of a point: half of the file."""


STYLE: Any = {
    "svg.fonttype": "none",  # the browser's fonts, for any script and direction
    "svg.hashsalt": "mixtures",  # reproducible bytes
    "figure.max_open_warning": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.unicode_minus": True,
}


def drawn(draw: Callable[[], Any]) -> str:
    """Data URI of the figure that a function draws; its figures are closed again."""
    with _canvas():
        draw()
        return data_uri(plt.gcf())


@contextmanager
def _canvas() -> Iterator[None]:
    """Set this package's style without a window, and close all new figures at the end."""
    before = set(plt.get_fignums())
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # the browser has the glyph
        try:
            yield
        finally:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)


def data_uri(figure: Figure) -> str:
    """A figure as SVG in a data URI; large scatter plots, or large figures, are rasterised."""
    points = figure.findobj(PathCollection)
    if sum(len(np.atleast_2d(each.get_offsets())) for each in points) > MOST_POINTS:
        for each in points:
            each.set_rasterized(True)
    file = io.BytesIO()
    figure.savefig(file, format="svg", dpi=150, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    svg = COORDINATES.sub(lambda found: DECIMALS.sub(r"\1", found[0]), file.getvalue().decode())
    kind, content = "svg+xml", svg.encode()
    if len(content) > LARGEST_SVG and len(pixels := _as_pixels(figure)) < len(content):
        kind, content = "png", pixels
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _as_pixels(figure: Figure) -> bytes:
    """A figure as PNG of 256 colours."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=130, bbox_inches="tight")
    Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Shorten names so that they fit in a figure and stay distinct, on one line each.

    Examples
    --------
    >>> short_names(["waiting", "the_time_until_the_next_one_a", "the_time_until_the_next_one_b"])
    ('waiting', 'the_time_until_the_nex…', 'the_time_until_the_n… 2')
    """
    taken: dict[str, None] = {}
    for name in names:
        line = "".join(c if c.isprintable() else " " for c in name)
        short = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
        turn = 2
        while short in taken:
            ending = f" {turn}"
            short, turn = line[: LONGEST - 1 - len(ending)] + "…" + ending, turn + 1
        taken[short] = None
    return tuple(taken)
