"""Known clusters of rows on the command line: numbers from 0, or texts, which are the names of clusters."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from unicodedata import normalize

from mixtures.errors import InputError
from mixtures.messages import named, shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_numbers", "called_by", "numbering_of", "texts_of", "with_texts"]

KEY = "label_texts"
"""Under what a saved result has the texts, in the order of their clusters."""


NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d*)?")
"""A number in a column of text; 01 is none, since 1 may be another."""


def with_texts(about: Mapping[str, str], texts: Sequence[str]) -> dict[str, str]:
    """The origin of a result with the texts that its clusters had in the column of labels."""
    return {**about, **({KEY: json.dumps(list(texts))} if texts else {})}


def texts_of(about: Mapping[str, str]) -> tuple[str, ...]:
    """The texts that `with_texts` put there; none of a result without them.

    Examples
    --------
    >>> texts_of(with_texts({}, ["adelie", "gentoo"])), texts_of({})
    (('adelie', 'gentoo'), ())
    """
    try:
        return tuple(map(str, json.loads(about.get(KEY, "[]"))))
    except (TypeError, ValueError) as error:
        raise InputError(f"--from: {KEY} in the saved result is no list of texts: {error}") from error


def called_by(texts: Sequence[str], k: int) -> tuple[str, ...] | None:
    """Names of K clusters that are the texts of the first of them; None without texts.

    Examples
    --------
    >>> called_by(["adelie", "gentoo"], 3)
    ('adelie', 'gentoo', 'cluster 2')
    """
    rest = (f"cluster {place}" for place in range(len(texts), k))
    return (*texts, *(f"other {name}" if name in texts else name for name in rest)) if texts else None


def numbering_of(texts: Sequence[str], names: Sequence[str] | None = None) -> str:
    """Say which text is which cluster, and what it is called if it has another name.

    Examples
    --------
    >>> numbering_of(["adelie", "gentoo"]), numbering_of(["adelie", "gentoo"], ["small", "large"])
    ('labels: adelie is cluster 0, gentoo 1', 'labels: adelie is cluster 0 (small), gentoo 1 (large)')
    """
    called = [f" ({name})" if name != text else "" for text, name in zip(texts, names or texts, strict=False)]
    first, *more = (
        f"{text} is cluster {k}{name}" for k, (text, name) in enumerate(zip(texts, called, strict=True))
    )
    return ", ".join([f"labels: {first}", *(each.replace(" is cluster ", " ", 1) for each in more)])


def as_numbers(
    column: "pd.Series", k: int | None, names: Sequence[str] | None, kept: Sequence[Sequence[str] | None] = ()
) -> "tuple[pd.Series, tuple[str, ...]]":
    """Known clusters of rows as numbers, and texts of the clusters in their order if the cells are texts.

    Parameters
    ----------
    column : pandas.Series
        Cells as they were read.
    k : int or None
        Largest number of clusters that are to be fitted; None of a result that is saved.
    names : sequence of str or None
        Names that the user gives the clusters. Texts are looked up among them; if there are other texts
        only, or no names, the texts are the clusters in alphabetical order.
    kept : sequence of lists of str, optional
        Texts and names of the clusters of the saved result: its labels are among them.

    Examples
    --------
    >>> import pandas as pd
    >>> found, texts = as_numbers(pd.Series(["b", None, "unknown", "a "]), 2, None)
    >>> found.tolist(), texts
    ([1.0, nan, nan, 0.0], ('a', 'b'))
    """
    from mixtures.data.known_labels import numbered

    cells, texts = _read(column)
    if not texts:
        return cells, ()
    lists = [tuple(each) for each in (*kept, names) if each]
    _refuse_other_spellings(texts, {name for each in lists for name in each})
    found = next((each for each in lists if set(texts) <= set(each)), None)
    if found is None and k is None and not lists:
        raise InputError(
            f"--labels: {named(column.name)} holds text ({named(texts[0])}), and the clusters of the saved "
            "result have no names: give them with --names, or number the clusters from 0 in that column"
        )
    if found is None and k is not None and set(texts).isdisjoint(names or ()):
        if len(texts) > k:
            raise InputError(
                f"--labels: {named(column.name)} holds {len(texts)} different texts ({shortened(texts, 5)}), "
                f"a cluster each, and at most {k} can be fitted (-k)"
            )
        found = tuple(texts)
    return numbered(cells, found or lists[0]), found or ()


def _refuse_other_spellings(texts: Sequence[str], names: Iterable[str]) -> None:
    """Refuse texts that are another text or name but for their case or the code of an accent."""
    spelled: dict[str, str] = {}
    for each in (*names, *texts):
        there = spelled.setdefault(normalize("NFC", each).casefold(), each)
        if there != each:
            raise InputError(
                f"--labels: {named(each)} and {named(there)} differ in spelling alone: write them alike, "
                "in the column and in --names"
            )


def _read(column: "pd.Series") -> "tuple[pd.Series, list[str]]":
    """Cells with numbers as such and unknown ones missing; the different texts among them, sorted."""
    from mixtures.data.roles import are_known

    if column.dtype.kind in "biufcmM":
        return column, []
    cells = column.astype(object).map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    cells = cells.where(are_known(cells)).map(_number)
    different = cells.dropna().unique()
    texts = sorted(cell for cell in different if isinstance(cell, str))
    if texts:
        cells = cells.where(cells != -1)
        others = [cell for cell in cells.dropna().unique() if not isinstance(cell, str)]
        if others:
            raise InputError(
                f"--labels: {named(column.name)} holds text ({named(texts[0])}) and numbers "
                f"({others[0]:g}): give every cluster a text, or number them all from 0"
            )
    return cells, texts


def _number(cell: object) -> object:
    return float(cell) if isinstance(cell, str) and NUMBER.fullmatch(cell) else cell
