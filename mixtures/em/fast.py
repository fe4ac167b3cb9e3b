"""The interface that every E-step in natural form has."""

from typing import ClassVar, Protocol

from mixtures.em.curvature import Curvature
from mixtures.em.estep import EStep
from mixtures.families.family import ExponentialFamily
from mixtures.types import Array, Params

__all__ = ["FastEStep"]


class FastEStep(Protocol):
    """The E-step in natural form, with data prepared for many passes."""

    family: ExponentialFamily
    has_curvature: ClassVar[bool]
    """Whether there is a pass with second moments, which Newton's method needs."""

    @property
    def units(self) -> tuple[Array, Array]:
        """Location and scale with which rows are standardised."""

    def e_step(self, params: Params, tol: float) -> EStep | None:
        """One pass over the data, or None if rounding errors would matter."""

    def curvature(self, params: Params, tol: float) -> Curvature | None:
        """The same pass with second moments of the features."""

    def natural(self, params: Params) -> Array:
        """Natural parameters (..., K, P) for these rows, with the log weights included."""
