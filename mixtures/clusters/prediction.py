"""Predicted clusters of rows, as a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mixtures.clusters.responsibilities import responsibilities
from mixtures.data.known_labels import numbered
from mixtures.data.matching import has_names
from mixtures.errors import InputError
from mixtures.given import Given
from mixtures.messages import did_you_mean, named, shortened

__all__ = ["prediction_table", "select_features"]


def select_features(frame: pd.DataFrame, features: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Select the fitted columns of a table, in their order; return the names of the others as well.

    If the fitted ones have no names, all columns are used as they are.
    """
    given = {str(name) for name in frame.columns}
    if not has_names(features) and not given & set(features):
        return frame, []
    missing = [name for name in features if name not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], map(str, frame.columns))
        raise InputError(
            f"the data have no column {named(missing[0])}{hint}; the result is of {shortened(features)}"
        )
    return frame[list(features)], [str(name) for name in frame.columns if name not in features]


def prediction_table(
    fitted: Given,
    frame: pd.DataFrame,
    *,
    ci_prob: float = 0.95,
    missing: str | None = None,
    labels: Any = None,
    progressbar: bool = False,
) -> pd.DataFrame:
    """Most probable cluster of every row, and the probabilities of all clusters, with bounds from draws.

    Names of the clusters, where the user gave some, stand in place of their numbers. The index is that of
    the frame, called "row" where it has no name.
    """
    how: dict[str, Any] = {"ci_prob": ci_prob, "missing": missing, "progressbar": progressbar}
    known = numbered(labels, fitted.names)
    found = responsibilities(fitted.spec, frame, fitted.params, labels=known, **how)
    table = (found if fitted.names is None else found.named(fitted.names)).to_frame()
    name = frame.index.name or "row"
    return table.rename_axis("row" if name in table else name)  # an index called "label"
