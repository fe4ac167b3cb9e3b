"""The interface that every E-step in natural form has."""

from typing import Any, Protocol

from mixtures.em.curvature import SecondMoments
from mixtures.em.estep import EStep
from mixtures.families.family import ExponentialFamily
from mixtures.types import Array, Params

__all__ = ["FastEStep"]


class FastEStep(Protocol):
    """The E-step in natural form, with data prepared for many passes."""

    family: ExponentialFamily

    @property
    def has_curvature(self) -> bool:
        """Whether there is a pass with second moments, which Newton's method needs."""

    @property
    def n_patterns(self) -> int:
        """Number of patterns of observed columns that have sums of their own; 0 where no cell is missing."""

    @property
    def units(self) -> tuple[Array, Array]:
        """Location and scale with which rows are standardised."""

    def e_step(self, params: Params, tol: float) -> EStep | None:
        """One pass over the data, or None if rounding errors would matter."""

    def curvature(self, params: Params, tol: float) -> SecondMoments | None:
        """The same pass with second moments of the features."""

    def natural(self, params: Params) -> Array:
        """Natural parameters (..., K, P) for these rows, with the log weights included.

        Where cells are missing, (..., S, K, P): those of every pattern of observed columns.
        """

    def expected(self, params: Params, sums: Array) -> Any:
        """Statistics of the complete data from many sums (R, ...), under one set of parameters or R."""
