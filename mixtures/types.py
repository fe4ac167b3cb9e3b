"""Types that the whole package shares."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Array", "Params"]

Array = np.ndarray[Any, np.dtype[np.float64]]


Params = Mapping[str, Array]
"""Parameters of a mixture by name, each with its cluster axis first."""
