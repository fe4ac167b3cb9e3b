"""A PyMC model's log density, gradient and curvature on JAX, over one flat vector."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.initial_point import make_initial_point_fn
from pytensor.graph.replace import clone_replace

from mixtures.density.conditions import checks_of, guarded, holds, log_jacobian_of, terms_of
from mixtures.density.density import Density, Facts, Program
from mixtures.density.functions import (
    arrays_as_inputs,
    gradient_of,
    hessian_of,
    jitted,
    log_density_of,
    one_by_one,
    over_draws,
    over_vectors,
    part_of,
    slopes_of,
    total_of,
)
from mixtures.density.lowering import compile_graph, known_value
from mixtures.density.memory import JaxFunction
from mixtures.distributions.marginal import as_given, node_of
from mixtures.distributions.steps import natural_form
from mixtures.families.family import Family
from mixtures.types import Array

__all__ = ["CompiledModel", "model_dims"]

Graph = tuple[list[Any], list[Any]]
"""Inputs and outputs of a function in PyTensor."""


def _total(terms: Sequence[Any]) -> Any:
    return sum((term.sum() for term in terms), start=pt.constant(0.0))


def _terms(model: pm.Model) -> tuple[list[Any], Any]:
    """Log densities of free variables, observed variables and potentials, and the log Jacobian."""
    with natural_form():
        return terms_of(model), _total(log_jacobian_of(model))


class CompiledModel(Density):
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
        own: Program = self.own_function if source is None else compile_graph(*self._graph_of(source))
        self.arrays: list[Any] = own[1]
        self.log_density = log_density_of(own[0], self.value_shapes)

    @property
    def built(self) -> "CompiledModel":
        """The model itself, which is built already."""
        return self

    def _graph_of(self, model: pm.Model) -> Graph:
        """Log density, log Jacobian, every term, and every variable of a model, as one function."""
        terms, log_jacobian = self._own if model is self.model else _terms(model)
        with natural_form():
            named = model.replace_rvs_by_values([*model.free_RVs, *model.deterministics])
        return self._graph([guarded(_total(terms), terms), log_jacobian, *terms, *named], model)

    @cached_property
    def graph(self) -> Graph:
        """Inputs and outputs of the model's own function."""
        return self._graph_of(self.model)

    @cached_property
    def own_function(self) -> Program:
        """The model's own function, of which every question takes a part."""
        return compile_graph(*self.graph)

    def _graph(
        self, outputs: Sequence[Any], model: pm.Model | None = None, more: Sequence[Any] = ()
    ) -> Graph:
        """A function of a model's value variables and of more inputs."""
        values = (model or self.model).value_vars
        known = [v.type.clone(shape=shape)() for v, shape in zip(values, self.value_shapes, strict=True)]
        replace = dict(zip(values, known, strict=True))
        return [*known, *more], clone_replace(list(outputs), replace, rebuild_strict=False)

    def _compile(self, outputs: Sequence[Any], more: Sequence[Any] = ()) -> Program:
        """Compile a function of the model's value variables and of more inputs; return it with its arrays."""
        return compile_graph(*self._graph(outputs, more=more))

    @cached_property
    def facts(self) -> Facts:
        """Names, shapes and dims of the variables."""
        return Facts(
            free=tuple(rv.name for rv in self._free),
            dtypes=tuple(rv.dtype for rv in self._free),
            rv_shapes=tuple(self.rv_shapes.values()),
            value_shapes=self.value_shapes,
            transformed=tuple(self.model.rvs_to_transforms[rv] is not None for rv in self._free),
            deterministics=tuple(v.name for v in self.model.deterministics),
            observed=tuple(v.name for v in self.model.observed_RVs),
            dims=model_dims(self.model),
        )

    @property
    def coords(self) -> dict[str, Any]:
        """Labels along every dim of the model that has them."""
        return {name: values for name, values in self.model.coords.items() if values is not None}

    def observed(self) -> dict[str, np.ndarray]:
        """Values of the observed variables, as they were given."""
        return {
            v.name: np.asarray(known_value(as_given(self.model.rvs_to_values[v])))
            for v in self.model.observed_RVs
        }

    def program(self, name: str) -> Program:
        """A compiled function and its arrays, by name."""
        return PROGRAMS[name](self)

    def extra(self, name: str, build: Callable[[JaxFunction, Sequence[Any]], tuple[JaxFunction, Any]]) -> Any:
        """A compiled function over the log density that another module builds."""
        return build(self.log_density, self.arrays)[0]

    def slopes(self) -> Program:
        """Derivatives of the free variables by the coordinates."""
        function, arrays = self.own_function
        free = part_of(function, self._parts["variables"][: len(self._free)])
        return slopes_of(free, self.value_shapes), arrays

    def part(self, name: str, *, sequential: bool) -> Program:
        """A part of the model's function at many vectors."""
        function, arrays = self.own_function
        return over_vectors(part_of(function, self._parts[name]), self.value_shapes, sequential), arrays

    @cached_property
    def _own(self) -> tuple[list[Any], Any]:
        """Terms and log Jacobian in the model's own variables."""
        return _terms(self.model)

    @property
    def _row_terms(self) -> list[Any]:
        return self._own[0][len(self._free) :][: len(self.model.observed_RVs)]

    @cached_property
    def _parts(self) -> dict[str, tuple[int, ...]]:
        """Places of the outputs of the model's function."""
        ends = np.cumsum(
            [2, len(self._free), len(self.model.observed_RVs), len(self.model.potentials), len(self._named)]
        )
        _, priors, rows, _, named = (
            tuple(range(end - n, end)) for end, n in zip(ends, np.diff([0, *ends]), strict=True)
        )
        return {"priors": priors, "rows": rows, "variables": (*named, 1)}

    @property
    def _named(self) -> list[Any]:
        """Free variables and deterministics."""
        return [*self._free, *self.model.deterministics]

    @cached_property
    def unconstrain_graph(self) -> Graph:
        """The coordinates as a function of the free variables."""
        inputs = [rv.type.clone(shape=self.rv_shapes[rv.name])() for rv in self._free]
        outputs = []
        for rv, value in zip(self._free, inputs, strict=True):
            transform = self.model.rvs_to_transforms[rv]
            outputs.append(value if transform is None else transform.forward(value, *rv.owner.inputs))
        replace = dict(zip(self._free, inputs, strict=True))
        return inputs, clone_replace(outputs, replace, rebuild_strict=False)

    @cached_property
    def unconstrain_function(self) -> Program:
        """The same as a compiled function."""
        return compile_graph(*self.unconstrain_graph)

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
        static = tuple(v.type.shape for v in self.model.value_vars)
        if not any(None in shape for shape in static):
            return static
        function, arrays = self.unconstrain_function
        variables = [jax.ShapeDtypeStruct(self.rv_shapes[rv.name], rv.dtype) for rv in self._free]
        return tuple(x.shape for x in jax.eval_shape(function, variables, arrays))

    @cached_property
    def log_prior(self) -> tuple[JaxFunction, list[Any]]:
        """``log_prior(x, arrays, jacobian)``, traceable by JAX, and its arrays."""
        function, arrays = self.own_function
        return log_density_of(total_of(function, self._parts["priors"]), self.value_shapes), arrays

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

    def values_of(self, outputs: Sequence[Any], x: Array) -> list[Array]:
        """Values of other graphs at flat vectors."""
        function, arrays = self._compile(outputs)
        return self._mapped((over_vectors(function, self.value_shapes, False), arrays), x)

    def objections(self, x: Array) -> list[str]:
        """Why the log density is not finite at a flat vector: the checks that fail, or else the terms."""
        terms, _ = self._own
        named = [*self._free, *self.model.observed_RVs, *self.model.potentials]
        checks = [checks_of([term]) for term in terms]
        truths = [holds(check) for own in checks for check in own]
        values = iter(self.values_of([*truths, *terms], x))
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

    def prior_points(self, n: int, seed: int) -> list[Array]:
        """Draws from the prior as flat vectors: fewer where some fail, none of a flat prior."""
        points = []
        with suppress(NotImplementedError):
            draw = make_initial_point_fn(model=self.model, default_strategy="prior")
            for i in range(n):
                with suppress(ValueError):  # parameters of a draw that do not exist, such as a negative scale
                    point = draw(seed + i)
                    points.append(np.concatenate([np.ravel(point[v.name]) for v in self.model.value_vars]))
        return points

    def complete(
        self, rows: Sequence[Any], joints: Sequence[Any]
    ) -> Callable[[Sequence[Array], Array], tuple[float, Array]]:
        """Complete-data log density and its gradient, given responsibilities of the rows of mixtures.

        Parameters
        ----------
        rows : sequence of TensorVariable
            Observed mixtures of this model.
        joints : sequence of TensorVariable
            Log densities of their rows with every cluster, the clusters along the last axis.

        Returns
        -------
        callable
            Q of the EM algorithm plus the log prior and the log densities of other data, as a
            function of the responsibilities ``r (K, n)`` of each mixture and a flat vector.
        """
        own = {len(self._free) + self.model.observed_RVs.index(v) for v in rows}
        others = [term for i, term in enumerate(self._own[0]) if i not in own]
        flat = [joint.reshape((-1, joint.shape[-1])).T for joint in self.model.replace_rvs_by_values(joints)]
        known = [pt.matrix(f"r{i}") for i in range(len(flat))]
        expected = _total([r * joint for r, joint in zip(known, flat, strict=True)]) + _total(others)
        function, arrays = self._compile([expected], more=known)
        gradient = gradient_of(log_density_of(arrays_as_inputs(function, len(known)), self.value_shapes))

        def value_and_grad(r: Sequence[Array], x: Array) -> tuple[float, Array]:
            value, slope = gradient(jnp.asarray(x), [*map(jnp.asarray, r), *arrays], 0.0)
            return float(value), np.asarray(slope)

        return value_and_grad

    def of_other_rows(self, family: Family, n_columns: int) -> tuple[JaxFunction, list[Any]]:
        """Weighted log-likelihood of the same number of other rows (n, D) of a family, and its arrays.

        ``log_likelihood(x, [rows, weights, *arrays], 0.0)``, traceable by JAX; with the known clusters (n,)
        of the rows after their weights, if those of the model have some.
        """
        (observed,), (terms,) = self.model.observed_RVs, self._row_terms
        rows = pt.matrix("rows", shape=(*terms.type.shape, n_columns))
        weights = pt.vector("weights", shape=terms.type.shape)
        replaced = {}
        for name, columns in family.row_columns(n_columns).items():
            own = self.model.rvs_to_values[observed] if name == observed.name else self.model[name]
            replaced[own] = rows[..., columns].astype(own.dtype)
        more = [rows, weights]
        if (known := node_of(observed).op.labels) is not None:
            more.append(known.variable.type())
            replaced[known.variable] = more[-1]
        (moved,) = clone_replace([(weights * terms).sum()], replaced, rebuild_strict=False)
        function, arrays = self._compile([moved], more=more)
        return log_density_of(arrays_as_inputs(function, len(more)), self.value_shapes), arrays


def model_dims(model: pm.Model) -> dict[str, tuple[str, ...]]:
    """Dims of every named variable that has them."""
    named = [*model.free_RVs, *model.deterministics, *model.observed_RVs]
    dims = {v.name: model.named_vars_to_dims.get(v.name, ()) for v in named}
    return {name: tuple(d) for name, d in dims.items() if d and None not in d}


PROGRAMS: Mapping[str, Callable[[CompiledModel], Program]] = {
    "gradient": lambda c: (gradient_of(c.log_density), c.arrays),
    "hessian": lambda c: (hessian_of(c.log_density), c.arrays),
    "densities": lambda c: (one_by_one(c.log_density), c.arrays),
    "variables": lambda c: c.part("variables", sequential=False),
    "priors": lambda c: c.part("priors", sequential=False),
    "rows": lambda c: c.part("rows", sequential=True),
    "slopes": CompiledModel.slopes,
    "unconstrain": lambda c: (jitted(c.unconstrain_function[0]), c.unconstrain_function[1]),
    "unconstrain_draws": lambda c: (over_draws(c.unconstrain_function[0]), c.unconstrain_function[1]),
}
"""How each program is compiled, by the names of `Density.program`."""
