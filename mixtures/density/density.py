"""A log density over one flat vector: the questions that are asked of it, whoever compiled its programs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtures.density.functions import in_threads
from mixtures.density.memory import JaxFunction
from mixtures.types import Array

if TYPE_CHECKING:
    from mixtures.density.compiled import CompiledModel

__all__ = ["Density", "Facts", "Program", "bound_coordinates"]

STEP = float(np.cbrt(np.finfo(float).eps))
"""Step of differences, in coordinates of order one."""


NARROW, FAR = 1e6, 100.0
"""Curvature above which such a step is more than a hundredth of a posterior sd, and distance from 0 at which
it loses digits."""


DIFFERENCES_SIZE = 128
"""Most coordinates for which second derivatives may be differences."""


CLEAR, BENT = 1e-5, 0.02
"""Smallest curvature, and largest difference of the two sides, as shares of the largest curvature."""


LARGEST_UNIT = 1e100
"""Largest absolute value of a coordinate: a diverging search reaches numbers whose squares overflow."""


Program = tuple[JaxFunction, Any]
"""A compiled function, and the arrays that it takes after its inputs."""


@dataclass(frozen=True)
class Facts:
    """What is known of a model's variables without its graph.

    Attributes
    ----------
    free : tuple of str
        Names of the free variables.
    dtypes, rv_shapes : tuple
        Their types and shapes.
    value_shapes : tuple of tuple of int
        Shapes of their unconstrained coordinates.
    transformed : tuple of bool
        Whether each has a transform.
    deterministics, observed : tuple of str
        Names of the deterministics and of the observed variables.
    dims : dict of str to tuple of str
        Dims of every variable that has them.
    """

    free: tuple[str, ...]
    dtypes: tuple[str, ...]
    rv_shapes: tuple[tuple[int, ...], ...]
    value_shapes: tuple[tuple[int, ...], ...]
    transformed: tuple[bool, ...]
    deterministics: tuple[str, ...]
    observed: tuple[str, ...]
    dims: Mapping[str, tuple[str, ...]]


class Density(ABC):
    """Log density over one flat vector of unconstrained coordinates."""

    @property
    def from_cache(self) -> bool:
        """Whether the program of the log density was read from the cache on disk."""
        return False

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """Names, shapes and dims of the variables."""

    @abstractmethod
    def program(self, name: str) -> Program:
        """A compiled function and its arrays, by name.

        ``gradient`` and ``hessian`` take ``(x, arrays, jacobian)``, ``densities`` many vectors ``x``;
        ``variables``, ``priors`` and ``rows`` take many vectors and arrays, ``slopes`` one vector and
        arrays; ``unconstrain`` and ``unconstrain_draws`` take values of the free variables and arrays.
        """

    @abstractmethod
    def extra(self, name: str, build: Callable[[JaxFunction, Sequence[Any]], tuple[JaxFunction, Any]]) -> Any:
        """A compiled function over the log density that another module builds.

        Parameters
        ----------
        name : str
            Its name, with all that it depends on besides the log density.
        build : callable
            Takes the log density and its arrays; returns the function, compiled, and arguments like those
            it will have (arrays or their shapes).
        """

    @property
    @abstractmethod
    def coords(self) -> dict[str, Any]:
        """Labels along every dim of the model."""

    @abstractmethod
    def observed(self) -> dict[str, np.ndarray]:
        """Values of the observed variables."""

    @property
    @abstractmethod
    def built(self) -> "CompiledModel":
        """The same from its PyMC model, for what asks for more than the programs by name."""

    @abstractmethod
    def objections(self, x: Array) -> list[str]:
        """Why the log density is not finite at a flat vector."""

    @property
    def rv_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every free variable by name."""
        return dict(zip(self.facts.free, self.facts.rv_shapes, strict=True))

    @property
    def value_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of every unconstrained variable, in the order of the model's value variables."""
        return self.facts.value_shapes

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dims of every named variable that has them."""
        return dict(self.facts.dims)

    @property
    def size(self) -> int:
        """Number of unconstrained coordinates."""
        return sum(int(np.prod(shape)) for shape in self.value_shapes)

    def coordinate_names(self) -> list[str]:
        """Name of every unconstrained coordinate, ``variable[index]``."""
        return [
            f"{name}{list(index)}" if shape else name
            for name, shape in zip(self.facts.free, self.value_shapes, strict=True)
            for index in np.ndindex(*shape)
        ]

    def units(self, x: Array) -> Array:
        """Natural scale of every coordinate at a flat vector.

        It is 1 for transformed variables; the others have the user's units.
        """
        own = [
            np.full(int(np.prod(shape)), not transformed)
            for transformed, shape in zip(self.facts.transformed, self.value_shapes, strict=True)
        ]
        return np.where(np.concatenate(own), np.clip(np.abs(x), 1.0, LARGEST_UNIT), 1.0)

    def unconstrain(self, params: Mapping[str, Any]) -> Array:
        """Flat vector of the free variables' values."""
        function, arrays = self.program("unconstrain")
        return np.concatenate([np.ravel(x) for x in function(self._values(params), arrays)])

    def unconstrain_draws(self, draws: Mapping[str, Array]) -> Array:
        """Flat vectors (chain, draw, size) of draws (chain, draw, ...) of the free variables."""
        function, arrays = self.program("unconstrain_draws")
        return np.asarray(function(self._values(draws), arrays))

    def _values(self, params: Mapping[str, Any]) -> list[Any]:
        return [
            np.asarray(params[name], dtype)
            for name, dtype in zip(self.facts.free, self.facts.dtypes, strict=True)
        ]

    def constrain(self, x: Array) -> dict[str, Array]:
        """Free and deterministic variables at flat vectors ``x (..., size)``."""
        return self.constrain_with_jacobian(x)[0]

    def constrain_with_jacobian(self, x: Array) -> tuple[dict[str, Array], Array]:
        """Variables at flat vectors ``x (..., size)``, and the log Jacobian of the coordinates there."""
        *values, log_jacobian = self._part("variables", x)
        named = (*self.facts.free, *self.facts.deterministics)
        return dict(zip(named, values, strict=True)), log_jacobian

    def constrain_slopes(self, x: Array) -> dict[str, Array]:
        """Derivatives of the free variables by the coordinates at a flat vector, (..., size) by name."""
        function, arrays = self.program("slopes")
        slopes = function(np.asarray(x, float), arrays)
        return {name: np.asarray(slope) for name, slope in zip(self.facts.free, slopes, strict=True)}

    def row_log_likelihoods(self, x: Array) -> dict[str, Array]:
        """Log-likelihood of every row of the observed variables at ``x (..., size)``."""
        return dict(zip(self.facts.observed, self._part("rows", x), strict=True))

    def log_priors(self, x: Array) -> dict[str, Array]:
        """Log prior of every free variable at ``x (..., size)``, without the Jacobian."""
        return dict(zip(self.facts.free, self._part("priors", x), strict=True))

    def log_densities(self, x: Array, *, jacobian: bool = False) -> Array:
        """Log density at flat vectors ``x (..., size)``, several at a time in threads."""
        (program, arrays), vectors = self.program("densities"), np.reshape(x, (-1, self.size))
        values = in_threads(lambda some: program(some, arrays, float(jacobian)), vectors)
        return values.reshape(np.shape(x)[:-1])

    def _part(self, name: str, x: Array) -> list[Array]:
        """Values of a part of the model's function at flat vectors."""
        return self._mapped(self.program(name), x)

    def _mapped(self, program: Program, x: Array) -> list[Array]:
        mapped, arrays = program
        values = mapped(np.reshape(x, (-1, self.size)), arrays)
        return [np.asarray(v).reshape(np.shape(x)[:-1] + v.shape[1:]) for v in values]

    def value_and_grad(self, x: Array, *, jacobian: bool = False) -> tuple[float, Array]:
        """Log density and its gradient at a flat vector."""
        function, arrays = self.program("gradient")
        value, gradient = function(np.asarray(x, float), arrays, float(jacobian))
        return float(value), np.asarray(gradient)

    def hessian(self, x: Array, *, jacobian: bool = False, exact: bool = False) -> Array:
        """Second derivatives of the log density at a flat vector, (size, size).

        Unless they must be exact, they are central differences of the gradient, with nothing more to
        compile, where these tell every curvature from zero: they are accurate to about 1e-9 in
        coordinates of order one.
        """
        if not exact and x.size <= DIFFERENCES_SIZE and np.abs(x).max(initial=0) < FAR:
            at = partial(self.value_and_grad, jacobian=jacobian)
            height, slope = at(x)
            sides = [[at(x + side * step) for step in STEP * np.eye(x.size)] for side in (1, -1)]
            rises = np.array([[value - height for value, _ in each] for each in sides]) / STEP**2
            bends = np.array([[gradient - slope for _, gradient in each] for each in sides]) / STEP
            found = _differences(rises, bends, np.finfo(float).eps * abs(height) / STEP**2)
            if found is not None:
                return found
        function, arrays = self.program("hessian")
        return np.asarray(function(np.asarray(x, float), arrays, float(jacobian)))


def _differences(rises: Array, bends: Array, rounding: float) -> Array | None:
    """Second derivatives from differences, or None if these do not tell every curvature from zero.

    At a kink, and where the density changes within a step, the two sides differ, or the density and its
    gradient; rounding makes the matrix asymmetric.

    Parameters
    ----------
    rises : ndarray, shape (2, size)
        Differences of the density a step to either side, by the square of the step.
    bends : ndarray, shape (2, size, size)
        Differences of the gradient there, by the step.
    rounding : float
        Rounding of the former.
    """
    slopes = (bends[0] - bends[1]) / 2
    largest, own = np.abs(slopes).max(initial=1), np.diag(slopes)
    if not np.isfinite(largest) or largest > NARROW:
        return None
    if np.abs(bends.sum(axis=0)).max(initial=0) > BENT * largest:
        return None
    if (np.abs(rises.sum(axis=0) - own) > np.abs(own) / 4 + 100 * rounding).any():
        return None
    smallest = np.abs(np.linalg.eigvalsh(slopes + slopes.T)).min(initial=np.inf) / 2
    errors = np.abs(slopes - slopes.T).max(initial=0)
    return (slopes + slopes.T) / 2 if smallest >= CLEAR * largest and errors <= smallest / 10 else None


def bound_coordinates(density: Density, bound: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mask of the unconstrained coordinates whose entries are on their boundary.

    Those of parameters with boundaries are the ones of `mixtures.families.supports`, one for one.
    """
    parts = [
        np.ravel(bound[name]) if name in bound else np.zeros(int(np.prod(shape)), dtype=bool)
        for name, shape in zip(density.rv_shapes, density.value_shapes, strict=True)
    ]
    return np.concatenate(parts)
