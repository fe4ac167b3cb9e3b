"""The part that a column may play beside those that are fitted: row labels, exposures, known clusters."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixtures.data.columns import FEWEST_IDS, Column, Kind

__all__ = [
    "are_known",
    "exposure_in",
    "is_called_id",
    "known_in_part",
    "known_labels",
    "labels_rows",
    "pair_of_labels",
    "repeats_labels",
]

IDS = {"id", "ids", "nr", "no", "num", "number", "nummer", "code", "key", "identifier"}
"""Words, in small letters, that names of columns of row labels have."""


ENDINGS = ("id", "nr", "nummer", "number", "code")
"""Ends of the last word of such names, where words are not set apart: kundennummer, customerid."""


NO_ID = ("acid", "aid", "fluid", "grid", "humid", "lipid", "liquid", "oid", "solid", "covid", "bid")
"""Ends of words that measurements have."""


UNITS = (
    *("customer", "client", "user", "patient", "subject", "participant", "respondent", "person"),
    *("kunde", "kundin", "patientin", "proband", "probandin"),
)
"""Words, in small letters, for what may have several rows."""


UNKNOWN = {"unknown", "unbekannt", "unlabelled", "unlabeled", "not known", "?", "-"}
"""Words, in small letters, that stand for a cluster that is not known."""


EXPOSURES = {
    *("exposure", "population", "inhabitants", "einwohner", "time", "duration", "dauer", "zeit"),
    *("hours", "days", "weeks", "months", "years", "minutes", "seconds", "stunden", "tage", "jahre"),
}
"""Last words of names of columns that say how long or how many were watched while events were counted."""


MOST_LABELS, FEWEST_UNKNOWN, MOST_KNOWN = 10, 0.25, 2
"""Most known clusters; share of empty cells from which a column is known in part; most texts that are so."""


LOOKED_AT = 6
"""Columns among which two are looked for that number the rows together."""


def is_called_id(column: Column) -> bool:
    """Whether it holds whole numbers, all different, under a name that columns of row labels have.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> x = [7 * i * i for i in range(12)]
    >>> [is_called_id(c) for c in examine(pd.DataFrame({"PatientID": x, "kundennummer": x, "acid": x}))]
    [True, True, False]
    """
    x = column.known
    if column.kind not in (Kind.COUNTS, Kind.WHOLE) or not FEWEST_IDS <= len(x) == column.different:
        return False
    return _is_name_of_labels(_words(column.name))


def repeats_labels(column: Column) -> bool:
    """Whether it holds text or whole numbers, some of them repeated, under a name of labels of units.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> x = [7 * (i // 2) ** 2 for i in range(12)]
    >>> table = pd.DataFrame({"site_id": x, "kundennr": x, "Patient": x, "patients": x, "code": x})
    >>> [repeats_labels(c) for c in examine(table)]
    [True, True, True, False, False]
    """
    n = len(column.cells) - column.n_missing
    if column.kind not in (Kind.COUNTS, Kind.WHOLE, Kind.TEXT, Kind.CATEGORIES) or n < FEWEST_IDS:
        return False
    words = _words(column.name)
    unit = any(word.startswith(UNITS) for word in words) and _is_name_of_labels(words[-1:])
    called = unit or (len(words) == 1 and words[0] in UNITS) or "id" in (*words[:1], *words[-1:])
    return 2 < column.different < n and called


def labels_rows(column: Column) -> bool:
    """Whether it numbers the rows, or is called as labels of them are, whether or not they repeat."""
    return column.kind is Kind.ID or is_called_id(column) or repeats_labels(column)


def exposure_in(columns: Sequence[Column]) -> Column | None:
    """A positive column beside counts, under a name that exposures have; None if there is no such column.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> table = pd.DataFrame({"falls": [0, 3, 7], "nursing_hours": [2.5, 7.0, 9.0], "age_years": [7.5, 6, 8]})
    >>> exposure_in(examine(table)).name
    'nursing_hours'
    """
    for column in columns:
        words = _words(column.name)
        called = bool(words) and words[-1] in EXPOSURES and "age" not in words
        if called and _positive(column):
            counts = [c for c in columns if c is not column and c.kind is Kind.COUNTS and not is_called_id(c)]
            return column if counts else None
    return None


def known_in_part(columns: Sequence[Column]) -> list[Column]:
    """Columns of few levels, known for some of the rows, beside complete numbers: perhaps known clusters.

    Numbers must be whole and without a gap, from 0 or 1. Of text, words such as "unknown" are no level.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> table = pd.DataFrame({"x": [0.5, 1.5, 0.1, 3], "grp": [1, None, 2, None], "y": [1.5, 2, None, None]})
    >>> [column.name for column in known_in_part(examine(table))]
    ['grp']
    """
    every = [column for column in columns if _could_be_labels(column)]
    found = every if len(every) == 1 else [column for column in every if column.kind is Kind.CATEGORIES]
    rest = [c for c in columns if c.kind.is_number and c.kind is not Kind.ID and c.varies and not c.n_missing]
    return found if rest and len(found) <= MOST_KNOWN else []


def known_labels(column: Column) -> pd.Series:
    """Its cells that are neither missing nor a word for what is not known."""
    return column.cells[are_known(column.cells)]


def are_known(cells: pd.Series) -> pd.Series:
    """Which labels are neither missing nor a word for what is not known."""
    return cells.notna() & ~cells.astype(str).str.strip().str.casefold().isin({"", *UNKNOWN})


def pair_of_labels(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Two columns that number the rows together, each level of one once beside each of the other.

    Examples
    --------
    >>> import pandas as pd
    >>> from mixtures.data.columns import examine
    >>> table = pd.DataFrame({"region": list("aaaabbbbcccc"), "shop": [1, 2, 3, 4] * 3})
    >>> [column.name for column in pair_of_labels(examine(table))]
    ['region', 'shop']
    """
    kinds = {Kind.CATEGORIES, Kind.TEXT, Kind.DATES, Kind.CODES, Kind.STEPS, Kind.COUNTS, Kind.WHOLE}
    own = [c for c in columns[:LOOKED_AT] if c.kind in kinds and c.varies and not c.n_missing]
    for place, one in enumerate(own):
        n = len(one.cells)
        for other in own[place + 1 :]:
            crossed = n >= FEWEST_IDS and one.different < n and one.different * other.different == n
            if crossed and len(set(zip(one.cells, other.cells, strict=True))) == n:
                return one, other
    return None


def _words(name: str) -> list[str]:
    """Words of a name in small letters: those of "PatientID" are "patient" and "id"."""
    return [word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)]


def _is_name_of_labels(words: Sequence[str]) -> bool:
    if not words or "of" in words:  # "number of visits"
        return False
    joined = words[-1].endswith(ENDINGS) and not words[-1].endswith(NO_ID)
    return joined or not IDS.isdisjoint((words[0], words[-1]))


def _positive(column: Column) -> bool:
    x = column.known
    return bool(column.kind.is_number and len(x) and not column.n_missing and x[0] > 0 and np.isfinite(x[-1]))


def _could_be_labels(column: Column) -> bool:
    if column.kind is Kind.CATEGORIES:
        known = known_labels(column)
        return 1 < known.nunique() <= MOST_LABELS and len(known) <= (1 - FEWEST_UNKNOWN) * len(column.cells)
    n = len(column.cells)
    if not 1 < column.different <= MOST_LABELS or not FEWEST_UNKNOWN * n <= column.n_missing < n:
        return False
    levels = np.unique(column.known)
    return bool(len(levels) and levels[0] in (0, 1) and (np.diff(levels) == 1).all())
