"""A PyMC model's log density, gradient and curvature on JAX, over one flat vector."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace

from mixtures.density.conditions import checks_of, guarded, holds, log_jacobian_of, terms_of
from mixtures.density.functions import (
    arrays_as_inputs,
    gradient_of,
    hessian_of,
    log_density_of,
    one_by_one,
    over_vectors,
    slopes_of,
)
from mixtures.density.lowering import JaxFunction, compile_graph
from mixtures.distributions.marginal import natural_form
from mixtures.types import Array

__all__ = ["CompiledModel", "bound_coordinates"]


def _total(terms: Sequence[Any]) -> Any:
    return sum((term.sum() for term in terms), start=pt.constant(0.0))


def _terms(model: pm.Model) -> tuple[list[Any], Any]:
    """Log densities of free variables, observed variables and potentials, and the log Jacobian."""
    with natural_form():
        return terms_of(model), _total(log_jacobian_of(model))


NARROW = 1e6
"""Curvature above which a finite-difference step is more than a hundredth of a posterior sd."""


LARGEST_UNIT = 1e100
"""Largest absolute value of a coordinate: a diverging search reaches numbers whose squares overflow."""


class CompiledModel:
    """Log density of a PyMC model over one flat vector of unconstrained coordinates.

    Parameters
    ----------
    model : pymc.Model
        Any model whose log density PyTensor can turn into JAX.
    source : pymc.Model, optional
        A model with the same free variables and log density but cheaper to
        compute, used where only the density is needed.

    Attributes
    ----------
    log_density : callable
        ``log_density(x, arrays, jacobian)``, traceable by JAX; ``jacobian`` 1
        gives the density of the unconstrained coordinates (to sample), 0 that
        of the model's own variables (whose mode is the MAP).
    arrays : list of jax.Array
        Data and hyperparameters.
    """

    def __init__(self, model: pm.Model, source: pm.Model | None = None) -> None:
        self.model, self.source = model, source or model
        self._free = list(model.free_RVs)
        terms, log_jacobian = _terms(self.source)
        outputs = [guarded(_total(terms), terms), log_jacobian]
        function, self.arrays = self._compile(outputs, self.source)
        self.log_density = log_density_of(function, self.value_shapes)
        self._of_source = (terms, log_jacobian)

    def _compile(
        self, outputs: Sequence[Any], model: pm.Model | None = None, more: Sequence[Any] = ()
    ) -> tuple[JaxFunction, list[Any]]:
        """Compile a function of a model's value variables and of more inputs; return it with its arrays."""
        values = (model or self.model).value_vars
        known = [v.type.clone(shape=shape)() for v, shape in zip(values, self.value_shapes, strict=True)]
        replace = dict(zip(values, known, strict=True))
        return compile_graph([*known, *more], clone_replace(list(outputs), replace, rebuild_strict=False))

    @cached_property
    def _own(self) -> tuple[list[Any], Any]:
        """Terms and log Jacobian in the model's own variables."""
        return self._of_source if self.source is self.model else _terms(self.model)

    @property
    def _prior_terms(self) -> list[Any]:
        return self._own[0][: len(self._free)]

    @property
    def _row_terms(self) -> list[Any]:
        return self._own[0][len(self._free) :][: len(self.model.observed_RVs)]

    @property
    def _log_jacobian(self) -> Any:
        return self._own[1]

    @cached_property
    def _unconstrain(self) -> tuple[JaxFunction, list[Any]]:
        inputs = [rv.type.clone(shape=self.rv_shapes[rv.name])() for rv in self._free]
        outputs = []
        for rv, value in zip(self._free, inputs, strict=True):
            transform = self.model.rvs_to_transforms[rv]
            outputs.append(value if transform is None else transform.forward(value, *rv.owner.inputs))
        replace = dict(zip(self._free, inputs, strict=True))
        function, arrays = compile_graph(inputs, clone_replace(outputs, replace, rebuild_strict=False))
        return jax.jit(function), arrays

    @cached_property
    def rv_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every free variable by name."""
        static = {rv.name: rv.type.shape for rv in self._free}
        if not any(None in shape for shape in static.values()):
            return static
        evaluated = self.model.eval_rv_shapes()
        return {name: tuple(int(length) for length in evaluated[name]) for name in static}

    @cached_property
    def value_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of every unconstrained variable, in the order of the model's value variables."""
        function, arrays = self._unconstrain
        variables = [jax.ShapeDtypeStruct(self.rv_shapes[rv.name], rv.dtype) for rv in self._free]
        return tuple(x.shape for x in jax.eval_shape(function, variables, arrays))

    @property
    def size(self) -> int:
        """Number of unconstrained coordinates."""
        return sum(int(np.prod(shape)) for shape in self.value_shapes)

    def coordinate_names(self) -> list[str]:
        """Name of every unconstrained coordinate, ``variable[index]``."""
        return [
            f"{rv.name}{list(index)}" if shape else rv.name
            for rv, shape in zip(self._free, self.value_shapes, strict=True)
            for index in np.ndindex(*shape)
        ]

    def units(self, x: Array) -> Array:
        """Natural scale of every coordinate at a flat vector.

        It is 1 for transformed variables; the others have the user's units.
        """
        own = [
            np.full(int(np.prod(shape)), self.model.rvs_to_transforms[rv] is None)
            for rv, shape in zip(self._free, self.value_shapes, strict=True)
        ]
        return np.where(np.concatenate(own), np.clip(np.abs(x), 1.0, LARGEST_UNIT), 1.0)

    def unconstrain(self, params: Mapping[str, Any]) -> Array:
        """Flat vector of the free variables' values."""
        function, arrays = self._unconstrain
        values = function([jnp.asarray(params[rv.name], rv.dtype) for rv in self._free], arrays)
        return np.concatenate([np.ravel(x) for x in values])

    def unconstrain_draws(self, draws: Mapping[str, Array]) -> Array:
        """Flat vectors (chain, draw, size) of draws (chain, draw, ...) of the free variables."""
        function, arrays = self._unconstrain
        values = [jnp.asarray(draws[rv.name], rv.dtype) for rv in self._free]
        flat = jax.vmap(lambda one: jnp.concatenate([jnp.ravel(v) for v in function(one, arrays)]))
        return np.asarray(jax.vmap(flat)(values))

    def constrain(self, x: Array) -> dict[str, Array]:
        """Free and deterministic variables at flat vectors ``x (..., size)``."""
        return self.constrain_with_jacobian(x)[0]

    def constrain_with_jacobian(self, x: Array) -> tuple[dict[str, Array], Array]:
        """Variables at flat vectors ``x (..., size)``, and the log Jacobian of the coordinates there."""
        named = [*self._free, *self.model.deterministics]
        outputs = [*self.model.replace_rvs_by_values(named), self._log_jacobian]
        *values, log_jacobian = self._map(outputs, x, sequential=False)
        return {v.name: value for v, value in zip(named, values, strict=True)}, log_jacobian

    def constrain_slopes(self, x: Array) -> dict[str, Array]:
        """Derivatives of the free variables by the coordinates at a flat vector, (..., size) by name."""
        outputs = self.model.replace_rvs_by_values(self._free)
        function, arrays = self._compile(outputs)
        slopes = slopes_of(function, self.value_shapes)(jnp.asarray(x), arrays)
        return {rv.name: np.asarray(slope) for rv, slope in zip(self._free, slopes, strict=True)}

    def row_log_likelihoods(self, x: Array) -> dict[str, Array]:
        """Log-likelihood of every row of the observed variables at ``x (..., size)``."""
        values = self._map(self._row_terms, x, sequential=True)
        return {v.name: value for v, value in zip(self.model.observed_RVs, values, strict=True)}

    def log_priors(self, x: Array) -> dict[str, Array]:
        """Log prior of every free variable at ``x (..., size)``, without the Jacobian."""
        values = self._map(self._prior_terms, x, sequential=False)
        return {v.name: value for v, value in zip(self._free, values, strict=True)}

    def log_densities(self, x: Array, *, jacobian: bool = False) -> Array:
        """Log density at flat vectors ``x (..., size)``."""
        vectors = jnp.reshape(jnp.asarray(x), (-1, self.size))
        values = one_by_one(self.log_density)(vectors, self.arrays, float(jacobian))
        return np.asarray(values).reshape(np.shape(x)[:-1])

    @cached_property
    def log_prior(self) -> tuple[JaxFunction, list[Any]]:
        """``log_prior(x, arrays, jacobian)``, traceable by JAX, and its arrays."""
        function, arrays = self._compile([_total(self._prior_terms), self._log_jacobian])
        return log_density_of(function, self.value_shapes), arrays

    def _map(self, outputs: Any, x: Array, *, sequential: bool) -> list[Array]:
        function, arrays = self._compile(outputs)
        vectors = np.reshape(x, (-1, self.size))
        mapped = over_vectors(function, self.value_shapes, sequential)(vectors, arrays)
        return [np.asarray(v).reshape(np.shape(x)[:-1] + v.shape[1:]) for v in mapped]

    def value_and_grad(self, x: Array, *, jacobian: bool = False) -> tuple[float, Array]:
        """Log density and its gradient at a flat vector."""
        value, gradient = gradient_of(self.log_density)(jnp.asarray(x), self.arrays, float(jacobian))
        return float(value), np.asarray(gradient)

    def shape_of(self, variable: Any) -> tuple[int, ...]:
        """Shape of a variable of the model."""
        if None not in variable.type.shape:
            return tuple(variable.type.shape)
        function, arrays = self._compile(self.model.replace_rvs_by_values([variable]))
        values = [
            jax.ShapeDtypeStruct(shape, v.dtype)
            for v, shape in zip(self.model.value_vars, self.value_shapes, strict=True)
        ]
        return tuple(jax.eval_shape(function, values, arrays)[0].shape)

    def objections(self, x: Array) -> list[str]:
        """Why the log density is not finite at a flat vector: the checks that fail, or else the terms."""
        terms, _ = self._own
        named = [*self._free, *self.model.observed_RVs, *self.model.potentials]
        checks = [checks_of([term]) for term in terms]
        truths = [holds(check) for own in checks for check in own]
        values = iter(self._map([*truths, *terms], x, sequential=False))
        found = [
            f"'{v.name}' fails the check \"{check.op.msg}\""
            for v, own in zip(named, checks, strict=True)
            for check in own
            if not next(values)
        ]
        return list(dict.fromkeys(found)) or [
            f"the log density of '{v.name}' is {term[~np.isfinite(term)][0]}"
            + (f" at {np.argwhere(~np.isfinite(term))[0].tolist()}" if term.ndim else "")
            for v, term in zip(named, values, strict=True)
            if not np.isfinite(term).all()
        ]

    def initial_point(self, seed: int) -> Array:
        """PyMC's initial point as a flat vector."""
        point = self.model.initial_point(random_seed=seed)
        return np.concatenate([np.ravel(point[v.name]) for v in self.model.value_vars])

    def complete(self, rows: Any) -> Callable[[Array, Array], tuple[float, Array]]:
        """Complete-data log density and its gradient, given responsibilities of a mixture's rows.

        Parameters
        ----------
        rows : TensorVariable
            An observed marginalised mixture of this model, its parameters shared by all rows.

        Returns
        -------
        callable
            Q of the EM algorithm plus the log prior, as a function of the
            responsibilities ``r (K, n)`` and a flat vector.
        """
        known = pt.matrix("r")
        op = rows.owner.op
        theta = self.model.replace_rvs_by_values(op.shared(op.dist_params(rows.owner)))
        with natural_form():
            log_joint = op.log_joint(self.model.rvs_to_values[rows], *theta)
        expected = (known * log_joint).sum() + _total(self._prior_terms)
        function, arrays = self._compile([expected], more=[known])
        gradient = gradient_of(log_density_of(arrays_as_inputs(function, 1), self.value_shapes))

        def value_and_grad(r: Array, x: Array) -> tuple[float, Array]:
            value, slope = gradient(jnp.asarray(x), [jnp.asarray(r), *arrays], 0.0)
            return float(value), np.asarray(slope)

        return value_and_grad

    def of_other_rows(self) -> tuple[JaxFunction, list[Any]]:
        """Weighted log-likelihood of the same number of other rows, and its arrays.

        ``log_likelihood(x, [rows, weights, *arrays], 0.0)``, traceable by JAX.
        """
        (observed,), (terms,) = self.model.observed_RVs, self._row_terms
        own = self.model.rvs_to_values[observed]
        rows, weights = own.type(), pt.vector("weights", shape=terms.type.shape)
        (moved,) = clone_replace([(weights * terms).sum()], {own: rows})
        function, arrays = self._compile([moved], more=[rows, weights])
        return log_density_of(arrays_as_inputs(function, 2), self.value_shapes), arrays

    def hessian(self, x: Array, *, jacobian: bool = False, exact: bool = True) -> Array:
        """Second derivatives of the log density at a flat vector, (size, size).

        With ``exact=False`` they are central differences of the gradient, accurate to
        about 1e-9 in coordinates of order one, with nothing more to compile. Where the
        density is too narrow for such steps, exact derivatives are used anyway.
        """
        if not exact:
            steps = np.cbrt(np.finfo(float).eps) * np.eye(len(x))
            forward, backward = (
                np.array([self.value_and_grad(x + sign * step, jacobian=jacobian)[1] for step in steps])
                for sign in (1, -1)
            )
            slopes = (forward - backward) / (2 * steps.max(initial=0))
            if np.abs(np.diag(slopes)).max(initial=0) < NARROW:
                return (slopes + slopes.T) / 2
        return np.asarray(hessian_of(self.log_density)(jnp.asarray(x), self.arrays, float(jacobian)))


def bound_coordinates(compiled: CompiledModel, on_boundary: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mask of the unconstrained coordinates whose entries are on their boundary.

    Only elementwise transforms have entries with boundaries, so shapes agree.
    """
    parts = [
        np.ravel(on_boundary[name]) if name in on_boundary else np.zeros(int(np.prod(shape)), dtype=bool)
        for name, shape in zip(compiled.rv_shapes, compiled.value_shapes, strict=True)
    ]
    return np.concatenate(parts)
