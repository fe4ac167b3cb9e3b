"""Types and constants that the whole package shares."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

__all__ = ["EPS", "LEVELS", "Array", "DeferredModule", "Params"]

Array = np.ndarray[Any, np.dtype[np.float64]]


Params = Mapping[str, Array]
"""Parameters of a mixture by name, each with its cluster axis first."""


EPS = float(np.finfo(float).eps)
"""Relative rounding error of a double."""


LEVELS = "levels"
"""Under this name coords hold the labels of each feature's levels, or None: categories differ by feature."""


class DeferredModule:
    """A module for annotations, imported only when they are evaluated, as by `typing.get_type_hints`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Import the module for a public name."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(self._name), name)
