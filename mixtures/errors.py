"""Exceptions and warnings of the package, all of them public names of ``mixtures``."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = [
    "CollapseError",
    "ConvergenceWarning",
    "DataWarning",
    "IdentifiabilityWarning",
    "InputError",
    "NoApproximation",
    "NonMonotoneError",
    "PerformanceWarning",
]


class InputError(ValueError):
    """Bad input; the message names what is wrong, where it is and what to do about it."""


class _StoppedEM(RuntimeError):
    """EM could not go on; carries the last state.

    Attributes
    ----------
    params : dict of ndarray
        Parameters before the step that failed.
    objective_trace : ndarray
        Objective after every step so far.
    """

    def __init__(
        self, message: str, params: Mapping[str, np.ndarray] | None = None, trace: Sequence[float] = ()
    ) -> None:
        super().__init__(message)
        self.params = dict(params or {})
        self.objective_trace = np.array(trace)


class CollapseError(_StoppedEM):
    """A cluster became degenerate: the likelihood is unbounded there; carries the last state."""


class NonMonotoneError(_StoppedEM):
    """The objective fell by more than rounding; carries the last state."""


class NoApproximation(ValueError):
    """The log density does not curve down in every direction; the message names those directions."""


class ConvergenceWarning(UserWarning):
    """A search stopped before it reached its limit; the result says how far it got."""


class DataWarning(UserWarning):
    """Something in the data makes the answer doubtful, though it could be computed."""


class IdentifiabilityWarning(UserWarning):
    """Only the prior separates some parameters: no data of this shape could do it."""


class PerformanceWarning(UserWarning):
    """Nothing is wrong with the answer, but it takes longer than it need; the message says why."""
