"""The natural form of a log joint density, ``L = eta Phi``: a matrix product for all rows and clusters.

It loses digits where clusters are far tighter than the data, because large terms of
``eta . phi`` cancel. The loss is known from the parameters and the range of the
rows, so callers use the form only while the loss does not matter to them, and the
whitened form of `estep` otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from mixtures.data.known_labels import one_hot
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import BLOCK_ROWS, Data
from mixtures.families.assignment import assigned
from mixtures.families.family import LOG_NOTHING, ExponentialFamily
from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["Draws", "NaturalForm", "exponential", "has_natural_form", "largest_loss", "on_edge"]


def has_natural_form(spec: Mixture) -> bool:
    """Whether the components are an exponential family, under weights that all rows share."""
    return isinstance(spec.family, ExponentialFamily) and not spec.weights.varies


def exponential(spec: Mixture) -> ExponentialFamily:
    """The family of a model that has a natural form."""
    assert isinstance(spec.family, ExponentialFamily)
    return spec.family


POSSIBLE = 1e290
"""A density, or its inverse, up to which it is a number."""


@dataclass(frozen=True, eq=False)
class NaturalForm:
    """The log joint density as ``eta phi(z)`` of rows ``z = (x - location) / scale``.

    Parameters may have leading axes, one set each.

    Attributes
    ----------
    eta : ndarray, shape (..., K, P)
        Natural parameters, the logarithm of the weights with the constant feature.
    terms : ndarray, shape (...,)
        Largest sum of the absolute terms of ``eta phi(z)`` over the rows: rounding errors are
        relative to it. Not a number where there is no natural form.
    on_edge : ndarray of bool, shape (...,)
        Whether some parameter is exactly on its boundary: a cluster then rules rows out, and a row
        that all rule out must not be shared among them.
    """

    eta: Array
    terms: Array
    on_edge: np.ndarray

    @classmethod
    def of(
        cls,
        family: ExponentialFamily,
        params: Params,
        location: Array,
        scale: Array,
        largest: Array,
        log_scale: float = 0.0,
    ) -> Self:
        """The form for rows whose features are at most ``largest (P,)`` in size."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            eta = family.natural(family.rescaled(params, location, scale))
            eta[..., 0] += np.maximum(np.log(params["alpha"]), LOG_NOTHING) - log_scale
            return cls(eta, (np.abs(eta) @ largest).max(axis=-1), on_edge(family, params))

    @property
    def loss(self) -> Array:
        """Error of a log density by rounding, (...,)."""
        return np.finfo(float).eps * self.terms


def largest_loss(tol: float, n_rows: int) -> float:
    """Largest error of a log density that a step of ``tol`` standard deviations would not show."""
    return min(TOLERANCES.natural_loss, 0.1 * tol / float(np.sqrt(n_rows)))


def on_edge(family: ExponentialFamily, params: Params) -> np.ndarray:
    """Whether each set of parameters has a weight of 0, or a 0 or a 1 on the boundary of its space."""
    edges = (params["alpha"] == 0).any(axis=-1)
    for each in family.parameters:
        if (near := each.support.on_boundary(params[each.name])) is not None:
            on = near & ((params[each.name] == 0) | (params[each.name] == 1))
            edges |= on.any(axis=tuple(range(edges.ndim, on.ndim)))
    return edges


UNIT_ROWS = 256
"""Number of rows simulated to find units in which the data are of order one."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Many sets of parameters of one mixture, prepared to compute responsibilities under each.

    In natural form all draws are one matrix product, ``L = eta phi(x)``. A draw
    under which that would lose digits (see `NaturalForm`) keeps the whitened form.

    Attributes
    ----------
    spec : Mixture
        The model.
    location, scale : ndarray, shape (D,)
        Units in which the natural parameters are.
    eta : ndarray, shape (K, P, S), or None
        Natural parameters of every draw, the weights' logarithms in them; None for a family without.
    whitened : dict of int to callable
        Log joint of the draws that need the whitened form, by their position.
    """

    spec: Mixture
    location: Array
    scale: Array
    eta: Array | None
    whitened: Mapping[int, Callable[[Array], Array]]

    @classmethod
    def of(cls, spec: Mixture, data: Data, draws: Params) -> Self:
        """Draws (S, ...) by name, the form of each chosen for these data."""
        n_draws = len(draws["alpha"])
        sets = [{name: x[s] for name, x in draws.items()} for s in range(n_draws)]
        if data.has_missing or not has_natural_form(spec):
            none = np.zeros(data.n_features)
            return cls(spec, none, none, None, {s: spec.log_joint(one) for s, one in enumerate(sets)})
        family = exponential(spec)
        simulated, _ = spec.sample(sets[n_draws // 2], UNIT_ROWS, np.random.default_rng(0))
        location, scale = family.affine_units(as_data(simulated))
        furthest = np.zeros(data.n_features)
        for _, block in data.blocks(BLOCK_ROWS):
            np.maximum(furthest, np.abs((block - location) / scale).max(axis=0), out=furthest)
        with np.errstate(invalid="ignore", over="ignore"):
            form = NaturalForm.of(family, draws, location, scale, family.largest_features(furthest))
        safe = (form.loss < TOLERANCES.natural_loss) & ~form.on_edge
        eta = np.moveaxis(np.where(safe[:, None, None], form.eta, 0), 0, -1)
        whitened = {int(s): spec.log_joint(sets[s]) for s in np.flatnonzero(~safe)}
        return cls(spec, location, scale, np.ascontiguousarray(eta), whitened)

    @property
    def n_draws(self) -> int:
        """Number of draws S."""
        return len(self.whitened) if self.eta is None else self.eta.shape[-1]

    def responsibilities(self, rows: Array, data: Data | None = None, first: int = 0) -> Array:
        """Responsibilities (K, n, S) of rows (n, D) under every draw, ``first`` their place in the data.

        Rows that the data label are wholly in their cluster.
        """
        data = as_data(rows, missing=INTEGRATE) if data is None else data
        joint = self._natural(rows)
        for s, log_joint in self.whitened.items():
            joint[..., s] = whitened = log_joint(rows.T)
            assigned(data, whitened, first)
        joint -= joint.max(axis=0)
        np.exp(joint, out=joint)
        joint /= joint.sum(axis=0)
        if data.labels is None:
            return joint
        return one_hot(joint.swapaxes(1, 2), data.labels[first : first + len(rows)]).swapaxes(1, 2)

    def _natural(self, rows: Array) -> Array:
        """Log joint (K, n, S) of the draws in natural form; to be filled in for the others."""
        if self.eta is None:
            return np.empty((self.spec.n_components, len(rows), self.n_draws))
        with np.errstate(invalid="ignore", over="ignore"):  # of draws that are whitened
            z = np.ascontiguousarray(((rows - self.location) / self.scale).T)
            return np.asarray(exponential(self.spec).features(z).T @ self.eta)
