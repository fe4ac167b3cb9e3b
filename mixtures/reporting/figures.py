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

from mixtures.plot.style import INK

__all__ = ["drawn", "short_names"]

MOST_POINTS = 5000
"""Number of points of a figure above which scatter plots are rasterised."""


LARGEST_SVG = 300_000
"""Bytes above which a figure is rasterised, if that is smaller: a report stays below 3 MB."""


LONGEST = 23
"""Largest length of a name in a figure; names in data may be longer."""


HEXADECIMAL = re.compile(r"#[0-9a-f]{6}\b")
"""Pattern of a colour."""


COORDINATES = re.compile(r'\b(?:d|x|y|transform)="[^"]*"')


DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Patterns of coordinates, and of their digits beyond a hundredth of a point: half of the file."""


IN_DARK = {
    "#ffffff": "#1e2126",  # the card of the page
    "#000000": "#e7e9ec",
    INK: "#e7e9ec",
    "#cccccc": "#555b64",
    "#d9d9d9": "#4a4f57",
    "#717581": "#9aa1ad",
    "#bd1f01": "#f2664a",
    "#832db6": "#bb7fe3",
    "#a96b59": "#c98c7b",
    "#00897b": "#35b8a8",
}
"""Colours of figures, and those that a page in dark has in their places."""


THEME = (
    "<style>:root {{ {light}; fill: var(--b) }} @media screen and (prefers-color-scheme: dark) "
    "{{ :root {{ {dark} }} }}</style>"
)
"""Both as variables; what has no colour of its own, such as text in black, is drawn as black is."""


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
    svg = in_light_and_dark(svg)
    kind, content = "svg+xml", svg.encode()
    if len(content) > LARGEST_SVG and len(pixels := _as_pixels(figure)) < len(content):
        kind, content = "png", pixels
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def in_light_and_dark(svg: str) -> str:
    """A figure whose colours are variables, with other values where the reader prefers dark.

    Examples
    --------
    >>> in_light_and_dark('<svg width="9"><path style="fill: #ffffff"/></svg>').partition("</style>")[2]
    '<path style="fill: var(--a)"/></svg>'
    """
    names = {colour: f"--{chr(ord('a') + place)}" for place, colour in enumerate(IN_DARK)}
    light, dark = (
        "; ".join(f"{names[colour]}: {value}" for colour, value in each.items())
        for each in ({colour: colour for colour in IN_DARK}, IN_DARK)
    )
    svg = HEXADECIMAL.sub(lambda found: f"var({names[found[0]]})" if found[0] in names else found[0], svg)
    head, mark, rest = svg.partition("<svg")
    tag, end, body = rest.partition(">")
    return f"{head}{mark}{tag}{end}{THEME.format(light=light, dark=dark)}{body}"


def _as_pixels(figure: Figure) -> bytes:
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=130, bbox_inches="tight")
    Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def short_names(names: Sequence[str], longest: int = LONGEST, tail: int = 0) -> tuple[str, ...]:
    """Shorten names so that they fit in a figure and stay distinct, on one line each.

    So many characters at the end stay, such as the level of an item.

    Examples
    --------
    >>> short_names(["waiting", "the_time_until_the_next_one_a", "the_time_until_the_next_one_b"])
    ('waiting', 'the_time_until_the_nex…', 'the_time_until_the_n… 2')
    >>> short_names(["how much do you agree with this: neither"], tail=9)
    ('how much do y…: neither',)
    """
    taken: dict[str, None] = {}
    for name in names:
        line = "".join(c if c.isprintable() else " " for c in name)
        end = line[len(line) - tail :]
        short = line if len(line) <= longest else f"{line[: longest - 1 - tail]}…{end}"
        turn = 2
        while short in taken:
            ending = f" {turn}"
            short, turn = f"{line[: longest - 1 - tail - len(ending)]}…{end}{ending}", turn + 1
        taken[short] = None
    return tuple(taken)
