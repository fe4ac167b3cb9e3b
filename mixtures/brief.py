"""What `print` shows of a result: one page, however many arrays and restarts it holds."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mixtures.messages import counted, visible

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HTML_CHARACTERS",
    "array_words",
    "grains_of_shares",
    "model_words",
    "noted",
    "on_a_page",
    "parameter_lines",
    "rounded",
    "table_head",
    "table_html",
]

LINES, WIDTH, CHARACTERS = 40, 100, 2_000
"""Size of a page."""


HTML_ROWS, HTML_COLUMNS, HTML_CHARACTERS = (30, 10, 3, 0), 16, 20_000
"""Rows of a table in a notebook, the most that fit, its columns, and the characters it may take."""


WRITTEN = 16
"""Numbers of an array that are written out; of more there are its shape and range."""


MOST_ARRAYS, MOST_ROWS, MOST_NOTES = 10, 14, 5
"""Arrays, rows of a table, and notes that are shown; the rest is counted."""


LONGEST_LABEL, LONGEST_NOTE = 40, 300
"""Characters of a label, and of a note."""


def on_a_page(*parts: str) -> str:
    """Return lines that fit on a page: long ones folded, control characters spelt out."""
    lines = [visible(line) for part in parts for line in part.splitlines()]
    folded = [piece for line in lines for piece in _folded(line)]
    if len(folded) <= LINES and len("\n".join(folded)) <= CHARACTERS:
        return "\n".join(folded)
    ends = np.cumsum([len(piece) + 1 for piece in folded])
    shown = min(LINES - 1, int(np.searchsorted(ends, CHARACTERS - len("... and 0000000 more lines"))))
    return "\n".join([*folded[:shown], f"... and {counted(len(folded) - shown, 'more line')}"])


def _folded(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(line.strip(), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def array_words(value: Any) -> str:
    """Describe an array by its numbers if they are few, otherwise by shape and range.

    Examples
    --------
    >>> array_words([[1.0, 2 / 3]]), array_words(np.arange(90.0).reshape(9, 10)), array_words(0.01)
    ('[[1, 0.6667]]', 'array (9, 10) from 0 to 89', '0.01')
    """
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return visible(repr(value), longest=LONGEST_LABEL)
    if array.size > WRITTEN:
        return f"array {array.shape} from {array.min():.4g} to {array.max():.4g}"
    return _listed(array)


def _listed(array: np.ndarray) -> str:
    return f"[{', '.join(map(_listed, array))}]" if array.ndim else f"{array:.4g}"


MOST_DECIMALS, LARGEST = 6, 1e7
"""Decimals at most, and the number from which on it is written with an exponent."""


ROUNDING = 1e-9
"""Standard deviations smaller than this share of a number are rounding errors."""


def rounded(value: float, sd: float | None = None) -> str:
    """Write a number with the digits that its standard deviation leaves, or else three.

    The last digit is the first of the standard deviation, or the second where the first is 1.

    Examples
    --------
    >>> rounded(2.0361, 0.0271), rounded(79.97, 1.4), rounded(1234.6, 28.0), rounded(0.03456)
    ('2.04', '80.0', '1230', '0.0346')
    """
    if not np.isfinite(value):
        return "-" if np.isnan(value) else "infinite" if value > 0 else "minus infinite"
    if abs(value) >= LARGEST:
        return f"{value:.4g}"
    known = sd is not None and np.isfinite(sd) and sd > ROUNDING * abs(value)
    scale = float(sd or 0) if known else abs(value) / 100
    place = int(np.floor(np.log10(scale))) if scale > 0 else 0
    if known and scale / 10.0**place < 2:
        place -= 1
    if -place > MOST_DECIMALS:
        return f"{value:.3g}"
    decimals = -place
    text = f"{round(float(value), decimals):.{max(decimals, 0)}f}"
    return text if float(text) else text.removeprefix("-")


def grains_of_shares(shares: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Standard deviations by which to round shares in per cent: smaller where whole numbers miss 100 in sum.

    Examples
    --------
    >>> sds = grains_of_shares([46.4, 32.3, 21.3], [3.0, 3.0, 2.0])
    >>> [rounded(*pair) for pair in zip([46.4, 32.3, 21.3], sds)]
    ['46.4', '32.3', '21.3']
    >>> grains_of_shares([64.2, 35.8], [3.0, 3.0])
    array([3., 3.])
    """
    values, grains = np.asarray(shares), np.asarray(sds)
    for _ in range(2):
        texts = [rounded(*pair) for pair in zip(values, grains, strict=True)]
        if abs(sum(map(float, texts)) - 100) < ROUNDING:
            break
        grains = np.where(["." in text for text in texts], grains, grains / 10)
    return grains


def parameter_lines(params: Mapping[str, Any]) -> str:
    """Return one line per parameter."""
    shown = list(params)[:MOST_ARRAYS]
    names = [visible(name, longest=LONGEST_LABEL) for name in shown]
    width = max(map(len, names), default=0)
    lines = [
        f"  {label:<{width}}  {array_words(params[name])}" for label, name in zip(names, shown, strict=True)
    ]
    rest = len(params) - len(shown)
    return "\n".join([*lines, *([f"  and {rest} more"] if rest else [])])


def model_words(spec: Any) -> str:
    """Return the model without its priors; "a model of your own" if there is no spec."""
    if spec is None:
        return "a model of your own"
    own = [f"{f.name}={getattr(spec, f.name)!r}" for f in fields(spec) if f.repr and f.name != "prior"]
    flat = [] if spec.prior is not None else ["prior=None"]
    return f"{type(spec).__name__}({', '.join([*own, *flat])})"


def table_head(table: "pd.DataFrame", rows: int = MOST_ROWS, digits: int = 4) -> str:
    """Return the first rows and columns of a table that fit, and say what is left out."""
    head = table.head(rows).rename(index=_label, columns=_label)
    n = head.shape[1]
    text = _as_text(head, digits)
    while n > 1 and max(map(len, text.splitlines())) > WIDTH:
        n -= 1
        text = _as_text(head.iloc[:, :n], digits)
    left_out = [
        *([counted(len(table) - rows, "more row")] if len(table) > rows else []),
        *([f"columns {', '.join(map(str, head.columns[n:]))}"] if n < head.shape[1] else []),
    ]
    return "\n".join([text, *([f"  and {'; '.join(left_out)}: see .summary()"] if left_out else [])])


def table_html(head: str, table: "pd.DataFrame") -> str:
    """Return the first rows and columns of a table as HTML, as many as fit, under a heading."""
    import pandas as pd

    shown = table.iloc[:, :HTML_COLUMNS]
    html = head
    for n in HTML_ROWS:
        rows = shown.head(n).rename(index=_label, columns=_label).map(_label)
        with pd.option_context("display.max_colwidth", LONGEST_LABEL * 2):
            text = rows.to_html(border=0, float_format=lambda x: f"{x:.4g}", na_rep="", max_rows=None)
        left = len(table) - len(rows), table.shape[1] - rows.shape[1]
        words = [f"{k:,} more {word}" for k, word in zip(left, ("rows", "columns"), strict=True) if k]
        html = f"{head}{text}" + (f"<p>and {' and '.join(words)}: see .summary()</p>" if words else "")
        if len(html) <= HTML_CHARACTERS:
            break
    return html


def _label(name: Any) -> Any:
    return visible(name, longest=LONGEST_LABEL) if isinstance(name, str) else name


def _as_text(frame: "pd.DataFrame", digits: int) -> str:
    return str(frame.to_string(float_format=lambda x: f"{x:.{digits}g}", na_rep="-", index_names=False))


def noted(notes: Iterable[str], word: str = "note") -> str:
    """Return one line for each of the first few notes."""
    every = list(notes)
    lines = [f"  {word}: {visible(note, longest=LONGEST_NOTE)}" for note in every[:MOST_NOTES]]
    rest = len(every) - MOST_NOTES
    return "\n".join([*lines, *([f"  and {rest} more"] if rest > 0 else [])])
