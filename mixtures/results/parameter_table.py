"""A table of parameters that prints all its columns, whatever the width of the screen."""

from typing import Any

import pandas as pd

from mixtures.messages import visible

__all__ = ["ParameterTable"]

LONGEST_LABEL = 36
"""Characters of a label that are printed, so that columns fit beside it."""


class ParameterTable(pd.DataFrame):
    """A data frame that prints all its columns, below one another where they do not fit side by side.

    pandas leaves out the columns in the middle. Numbers are printed with four digits; the frame holds them
    in full. The width and the number of rows are those of the options ``display.width`` and
    ``display.max_rows`` of pandas.
    """

    @property
    def _constructor(self) -> Any:
        return ParameterTable

    def __repr__(self) -> str:
        """Print it, four digits a number."""
        shown = pd.DataFrame(self).rename(index=_short)
        return str(
            shown.to_string(
                line_width=pd.get_option("display.width"),
                max_rows=pd.get_option("display.max_rows"),
                min_rows=pd.get_option("display.min_rows"),
                float_format=lambda x: f"{x:.4g}",
            )
        )


def _short(label: Any) -> Any:
    return visible(label, longest=LONGEST_LABEL) if isinstance(label, str) else label
