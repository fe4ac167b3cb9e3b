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
    """Bad input; the message says what is wrong, where, and what to do about it."""


class _StoppedEM(RuntimeError):
    """EM could not continue; the exception carries the last state.

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
    """A cluster became degenerate, where the likelihood is unbounded; carries the last state."""


class NonMonotoneError(_StoppedEM):
    """The objective fell by more than rounding; carries the last state."""


class NoApproximation(ValueError):
    """The log density does not curve down in every direction; the message names the others."""


class ConvergenceWarning(UserWarning):
    """A search stopped before it reached its limit; the result says how far it got."""


class DataWarning(UserWarning):
    """The answer could be computed, but something in the data makes it doubtful."""


class IdentifiabilityWarning(UserWarning):
    """Only the prior identifies some parameters: no data of this shape could."""


class PerformanceWarning(UserWarning):
    """The answer is right but takes longer than necessary; the message says why."""
