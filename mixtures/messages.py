"""Wording of messages about data: what is wrong and where, in names and texts that are safe to show."""

import functools
import warnings
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np

__all__ = [
    "NAMES_LISTED",
    "Cluster",
    "Option",
    "Part",
    "all_of",
    "are",
    "clusters_are",
    "columns_are",
    "counted",
    "decimal",
    "did_you_mean",
    "emptiness",
    "joined",
    "locate",
    "message_of",
    "named",
    "parts_of",
    "row_name",
    "rows_are",
    "sentence",
    "shortened",
    "them",
    "visible",
    "warn",
    "with_names",
    "worded",
]

NAME_LENGTH, NAMES_LISTED, ROWS_LISTED = 60, 20, 5
"""Characters of a name, names of a list, and rows, that a message shows."""


STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of invisible characters that control how text is shown."""


JOINERS = "\u200c\u200d"
"""Characters of these categories that some scripts and emoji need."""


LONGEST_TEXT = 2000
"""Largest number of characters shown of a text."""


def visible(text: str, *, keep: str = "", longest: int = LONGEST_TEXT) -> str:
    r"""Make text from data safe to show: control characters are spelt out, such as ``\x1b``.

    Control characters move a terminal's cursor, colour or retitle its window and overwrite
    what was printed; marks of direction reverse words; a name may be a megabyte long.
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]} ... {text[-longest // 2 :]}"
    if text.isascii() and text.isprintable():
        return text
    steers = (c not in keep and c not in JOINERS and category(c) in STEERING for c in text)
    return "".join(ascii(c)[1:-1] if s else c for c, s in zip(text, steers, strict=True))


def named(name: object, longest: int = NAME_LENGTH) -> str:
    r"""Quote a name on one line of reasonable length, whatever it contains.

    Examples
    --------
    >>> print(named("a\nb"), len(named("x" * 10_000)))
    'a\nb' 62
    """
    text = str(name)
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[: longest - 3 - half]}...{text[-half:]}"
    return repr(text)


@dataclass(frozen=True)
class Option:
    """An argument that a message names, for the reader to set; the command line spells it in its own way.

    Attributes
    ----------
    name : str
        Its name in Python.
    value : object
        What the message says that it is, or should be; ``...`` if it only names the option.
    said : str
        The words in Python, if not ``name=value``.
    typed : str
        The words on the command line, if not the option's name there and the value.

    Examples
    --------
    >>> print(Option("n_init"), Option("prior", None), Option("missing", said="missing=..."))
    n_init prior=None missing=...
    """

    name: str
    value: Any = ...
    said: str = ""
    typed: str = ""

    @property
    def is_set(self) -> bool:
        """Whether it has a value."""
        return self.value is not ...

    def __str__(self) -> str:
        """Word it as in Python."""
        return self.said or (f"{self.name}={self.value!r}" if self.is_set else self.name)


@dataclass(frozen=True)
class Cluster:
    """A cluster that a message speaks of, so that it can be given a name.

    Attributes
    ----------
    number : int
        Its number, from 0.
    name : str
        Its name; empty if it has none.
    begins : bool
        Whether a sentence begins with it.

    Examples
    --------
    >>> print(Cluster(1), Cluster(1, "short"), Cluster(2, "cluster 2"))
    cluster 1 cluster short cluster 2
    """

    number: int
    name: str = ""
    begins: bool = False

    def __str__(self) -> str:
        """Word it."""
        return f"{'C' if self.begins else 'c'}luster {self.name.removeprefix('cluster ') or self.number}"


Part = str | Option | Cluster
"""What texts are made of."""


class _Worded(str):
    """A text that names options or clusters; Python's words, and of what parts they are made."""

    parts: tuple[Part, ...] = ()


def worded(*parts: object) -> str:
    """Join texts, options, clusters and errors to a text that keeps its parts, see `parts_of`.

    Examples
    --------
    >>> print(worded("lower ", Option("n_components", 9)))
    lower n_components=9
    """
    flat = [piece for part in parts for piece in _pieces(part)]
    text = _Worded("".join(map(str, flat)))
    text.parts = tuple(flat)
    return text if any(not isinstance(piece, str) for piece in flat) else str(text)


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of a text: options, clusters, and the words between them."""
    return text.parts if isinstance(text, _Worded) else (text,)


def _pieces(part: object) -> tuple[Part, ...]:
    match part:
        case Option() | Cluster():
            return (part,)
        case Exception():
            return parts_of(message_of(part))
        case str():
            return parts_of(part)
    return (str(part),)


def message_of(error: Exception) -> str:
    """The message of an error, with its options."""
    own = error.args[0] if error.args else None
    return own if isinstance(own, _Worded) else str(error)


def joined(between: str, texts: Iterable[str]) -> str:
    """Join texts, as `str.join` does, but keep their parts."""
    every = list(texts)
    return worded(*every[:1], *(part for text in every[1:] for part in (between, text)))


CLUSTERS_LISTED = 3
"""Clusters that a message lists."""


def clusters_are(clusters: np.ndarray) -> str:
    """Name clusters, with the verb that follows.

    >>> print(clusters_are(np.array([0, 2, 3, 5])))
    cluster 0, cluster 2, cluster 3 and 1 more are
    """
    rest = f" and {len(clusters) - CLUSTERS_LISTED} more" if len(clusters) > CLUSTERS_LISTED else ""
    listed = [part for k in clusters[:CLUSTERS_LISTED] for part in (", ", Cluster(int(k)))][1:]
    return worded(*listed, f"{rest} {are(len(clusters))}")


def emptiness(clusters: np.ndarray) -> str:
    """Say which clusters are empty, and what to do; empty if none is.

    >>> print(emptiness(np.array([2])))
    cluster 2 is empty: only the prior informs its parameters; lower n_components
    """
    what = f" empty: only the prior informs {'its' if len(clusters) == 1 else 'their'} parameters; lower "
    return worded(clusters_are(clusters), what, Option("n_components")) if len(clusters) else ""


def with_names(text: str, names: Sequence[str]) -> str:
    """Give the clusters in a text these names.

    Examples
    --------
    >>> print(with_names(worded(Cluster(1), " is empty"), ["long", "short"]))
    cluster short is empty
    """
    return worded(
        *(replace(p, name=names[p.number]) if isinstance(p, Cluster) else p for p in parts_of(text))
    )


def sentence(text: str) -> str:
    """Turn a note into a sentence; a first word that is a parameter, or an option, stays as it is.

    Examples
    --------
    >>> sentence("draw more"), sentence("p[0, heads] moves with the prior")
    ('Draw more.', 'p[0, heads] moves with the prior.')
    """
    first, *rest = parts_of(text)
    if isinstance(first, Cluster):
        first = replace(first, begins=True)
    elif isinstance(first, str) and "[" not in text.partition(" ")[0]:
        first = first[:1].upper() + first[1:]
    return worded(first, *rest, ".")


def shortened(names: Sequence[object], limit: int = NAMES_LISTED) -> str:
    """List names on one line of reasonable length.

    Examples
    --------
    >>> shortened(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(named(name)[1:-1] for name in names[:limit]) + rest


def locate(
    mask: np.ndarray, features: Sequence[str], obs_id: np.ndarray, limit: int = 5, *, first: int = 0
) -> str:
    """Name the cells where a mask is true, by row and column.

    Parameters
    ----------
    mask : ndarray of bool, shape (n, D)
        The cells to name.
    features : sequence of str, length D
        Column names.
    obs_id : ndarray, shape (n,)
        Row labels, shown beside the position of a row if the two differ.
    limit : int
        How many cells to name; the rest are counted.
    first : int
        Position of the first of these rows in the whole of the data.

    Examples
    --------
    >>> mask = np.array([[True, False], [True, True]])
    >>> locate(mask, ["a", "b"], np.array(["p6", "p7"]), limit=2)
    "row 0 (index p6), column 'a'; row 1 (index p7), column 'a'; and 1 more"
    """
    cells = np.argwhere(mask)
    places = [
        f"{row_name(row, obs_id, first)}, column {named(features[column])}" for row, column in cells[:limit]
    ]
    rest = [f"and {len(cells) - limit} more"] if len(cells) > limit else []
    return "; ".join(places + rest)


def counted(n: int, what: str) -> str:
    """Word a number of things, of one or of several.

    Examples
    --------
    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def decimal(x: float) -> str:
    """Write a large number with a decimal at most, such as the sum of weights.

    Examples
    --------
    >>> decimal(256.035), decimal(1234)
    ('256', '1,234')
    """
    return f"{x:,.1f}".removesuffix(".0")


def are(n: int) -> str:
    """The verb of a number of things."""
    return "is" if n == 1 else "are"


def all_of(n: int, what: str) -> str:
    """Word all of some things: "the only start" of one, "all 10 starts" of several."""
    return f"the only {what}" if n == 1 else f"all {counted(n, what)}"


def them(things: Sized) -> str:
    """Word things that were named before: "it" of one, "them" of several."""
    return "it" if len(things) == 1 else "them"


def columns_are(names: Sequence[object], limit: int = 10) -> str:
    """Name columns, with the verb that follows.

    Examples
    --------
    >>> columns_are(["a"]), columns_are(["a", "b", "c"], limit=2)
    ("column 'a' is", "columns 'a', 'b' and 1 more are")
    """
    listed = ", ".join(map(named, names[:limit]))
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"column {listed} is" if len(names) == 1 else f"columns {listed}{more} are"


def rows_are(rows: np.ndarray, obs_id: np.ndarray, first: int = 0) -> str:
    """Name rows by their positions, with the verb that follows.

    Examples
    --------
    >>> rows_are(np.array([1]), np.arange(3)), rows_are(np.array([0, 1]), np.array(["p6", "p7"]))
    ('row 1 is', 'row 0 (index p6), row 1 (index p7) are')
    """
    names = [row_name(int(row), obs_id, first) for row in rows[:ROWS_LISTED]]
    rest = " and others" if len(rows) > ROWS_LISTED else ""  # how many is not known before all are looked at
    return f"{', '.join(names)}{rest} {'is' if len(rows) == 1 else 'are'}"


def row_name(row: int, obs_id: np.ndarray, first: int) -> str:
    """Name a row by its position, and by its label if that is another."""
    place, label = first + row, str(obs_id[row])
    return f"row {place}" if label == str(place) else f"row {place} (index {named(label)[1:-1]})"


NAMES_COMPARED, NAME_COMPARED = 1000, 100
"""Most names, and characters of each, that are compared: the time grows with the square of their product."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Suggest the known name nearest to an unknown one, in brackets; empty if none is near.

    Examples
    --------
    >>> did_you_mean("wating", ["eruptions", "waiting"])
    " (did you mean 'waiting'?)"
    """
    candidates = [each for each in islice(known, NAMES_COMPARED) if len(each) <= NAME_COMPARED]
    nearest = (
        get_close_matches(name, candidates, n=1)
        if isinstance(name, str) and len(name) <= NAME_COMPARED
        else []
    )
    return f" (did you mean {named(nearest[0])}?)" if nearest else ""


NOT_THE_CALLER = (str(Path(__file__).parent), str(Path(functools.__file__).with_suffix("")))
"""How paths of this package and of cached properties start; CPython wants less than the whole path."""


def warn(message: str, category: type[UserWarning]) -> None:
    """Warn at the line of the user's code that called the package, however deep the cause is."""
    warnings.warn(message, category, skip_file_prefixes=NOT_THE_CALLER)
