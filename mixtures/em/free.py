"""Free coordinates of a mixture's parameters: where EM is a map of vectors."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixtures.em.problem import Problem
from mixtures.families.family import ExponentialFamily
from mixtures.families.parameters import Parameter, on_boundary
from mixtures.types import Array, Params

__all__ = ["Chart", "central_slopes", "vacant"]

VACANT = 1e-6
"""Expected rows below which a cluster is on the boundary with all that is its own: it informs no row."""


def vacant(problem: Problem, params: Params) -> np.ndarray:
    """Positions of the clusters without rows."""
    shares = problem.spec.weights.shares(params)
    return np.flatnonzero([] if shares is None else shares * problem.data.total < VACANT)


@dataclass(frozen=True, eq=False)
class Chart:
    """Free coordinates u of the parameters that are not held, of standardised rows.

    Vectors and parameters may have leading axes, one set each.

    Attributes
    ----------
    problem : Problem
        The model, its data and what is held.
    family : ExponentialFamily
        The model's family.
    location, scale : ndarray, shape (D,)
        Units of the rows.
    like : dict of ndarray
        One set of parameters, with those that are held.
    """

    problem: Problem
    family: ExponentialFamily
    location: Array
    scale: Array
    like: Params

    @property
    def not_held(self) -> tuple[Parameter, ...]:
        """The parameters that are not held."""
        return tuple(p for p in self.problem.spec.parameters if p.name not in self.problem.held)

    @property
    def sizes(self) -> dict[str, int]:
        """Size of every dim."""
        return self.family.sizes(self.problem.spec.n_components, self.problem.data.n_features)

    @cached_property
    def order(self) -> np.ndarray:
        """Clusters by size: shares are relative to the last, which must not be empty."""
        spec = self.problem.spec
        shares = spec.weights.shares(self.like)
        return np.arange(spec.n_components) if shares is None else np.argsort(shares, kind="stable")

    @cached_property
    def _standard(self) -> Params:
        """The parameters of `like`, ordered, of standardised rows."""
        return self.family.rescaled(self._ordered(self.like, self.order), self.location, self.scale)

    def free(self, params: Params) -> Array:
        """Coordinates (..., q) of parameters; not finite on a boundary."""
        standard = self.family.rescaled(self._ordered(params, self.order), self.location, self.scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.concatenate([p.to_free(standard[p.name]) for p in self.not_held], axis=-1)

    def params(self, u: Array) -> dict[str, Array]:
        """Parameters of coordinates (..., q)."""
        full = {name: np.broadcast_to(x, (*u.shape[:-1], *x.shape)) for name, x in self._standard.items()}
        ends = np.cumsum([p.free_count(self.sizes) for p in self.not_held])
        for parameter, part in zip(self.not_held, np.split(u, ends[:-1], axis=-1), strict=True):
            full[parameter.name] = parameter.from_free(part, self.sizes)
        back = self.family.rescaled(full, -self.location / self.scale, 1 / self.scale)
        back = self._ordered(back, np.argsort(self.order))
        held = self.problem.held
        return {**back, **{name: np.broadcast_to(x, back[name].shape) for name, x in held.items()}}

    def both_ways(self, u: Array, places: np.ndarray, steps: Array) -> dict[str, Array]:
        """Parameters (2 q, ...) after steps (q,) up, and then down, of the coordinates at these places."""
        shifts = np.zeros((len(places), len(u)))
        shifts[np.arange(len(places)), places] = steps
        return self.params(np.concatenate([u + shifts, u - shifts]))

    def interior(self, *points: Params) -> np.ndarray:
        """Which coordinates (q,) belong to entries that are on no boundary at any of these points.

        A simplex whose last share is on the boundary has no coordinate inside: they are relative to it.
        Nor has a cluster without rows, to whose parameters EM goes in one step.
        """
        ordered = tuple(self._ordered(params, self.order) for params in points)
        occupied = np.ones(self.problem.spec.n_components, dtype=bool)
        for params in ordered:
            occupied[vacant(self.problem, params)] = False
        inside = [np.zeros(0, dtype=bool)]  # where every parameter is held
        for parameter in self.not_held:
            own = _interior(parameter, ordered, self.sizes)
            if "cluster" in self.problem.spec.dims[parameter.name]:
                own &= np.repeat(occupied, -(-own.size // occupied.size))[: own.size]
            inside.append(own)
        return np.concatenate(inside)

    def _ordered(self, params: Params, order: np.ndarray) -> dict[str, Array]:
        """Parameters with the clusters in another order."""
        dims = self.problem.spec.dims
        return {
            name: np.take(x, order, axis=dims[name].index("cluster") - len(dims[name]))
            if "cluster" in dims[name]
            else x
            for name, x in params.items()
        }


def central_slopes(values: Array, steps: Array) -> Array:
    """Derivatives (q, ...) by central differences, of values (2 q, ...) after steps (q,) up and then down."""
    up, down = np.split(values, 2)
    return (up - down) / (2 * steps.reshape(-1, *[1] * (up.ndim - 1)))


def _interior(parameter: Parameter, points: tuple[Params, ...], sizes: dict[str, int]) -> np.ndarray:
    inside = np.ones(parameter.free_count(sizes), dtype=bool)
    for params in points:
        for mask in on_boundary([parameter], params).values():
            inside &= parameter.support.interior(mask).ravel()
    return inside
