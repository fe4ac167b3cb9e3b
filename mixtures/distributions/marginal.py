"""What all marginalised mixture distributions share: rows, weights, the sum over clusters.

A family's distribution is one `MarginalMixtureRV` (how a row is drawn, its
density in each cluster) and a thin `MarginalMixture` that reads the user's
parameters. The row-wise log density is written here, once. It has two forms: that
of `MarginalMixtureRV.log_density`, which is accurate however tight the clusters
are, and, inside `natural_form`, a single matrix product wherever a guard finds it
accurate enough.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.distribution import Distribution, _support_point
from pymc.logprob.abstract import _logprob
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor import config
from pytensor.conditional import ifelse
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable

from mixtures.data.known_labels import check_labels_fit, known_rows
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import Data
from mixtures.distributions.missing import Cells, is_data, known_cells
from mixtures.distributions.steps import Step, in_natural_form, step
from mixtures.distributions.transforms import floored, unfloored
from mixtures.errors import InputError
from mixtures.tolerances import TOLERANCES

__all__ = [
    "MarginalMixture",
    "MarginalMixtureRV",
    "Weights",
    "are_weights",
    "as_given",
    "node_of",
]


@dataclass(frozen=True, eq=False)
class KnownLabels:
    """Known clusters of rows: ``values (n,)``, -1 where the cluster is not known. Equal only to itself."""

    values: np.ndarray

    @cached_property
    def variable(self) -> Any:
        """The same in a graph (n,): a matrix's column, since matrices are data, and one for all terms."""
        return pt.as_tensor_variable(self.values[:, None])[:, 0]

    @property
    def clusters(self) -> np.ndarray:
        """The clusters that have a labelled row."""
        return np.unique(self.values[known_rows(self.values)])


class Weights(Step):
    """Whether ``alpha (K,)`` are weights."""


def are_weights(alpha: Any) -> Any:
    """Whether weights (..., K) are not negative and sum to one."""

    def graph(alpha: Any) -> Any:
        return pt.ge(alpha, 0).all() & pt.isclose(alpha.sum(axis=-1), 1).all()

    return step(Weights, graph, alpha) if alpha.ndim == 1 else graph(alpha)


class MarginalMixtureRV(RandomVariable):
    """Rows drawn from a mixture whose hidden clusters are summed out of the density.

    The parameters are ``alpha (..., K)`` and then the family's own, each with
    the cluster axis first among the core axes that `signature` names. ``rows`` is the
    step of the row-wise log density, if there are loops for numba. ``labels`` are the known
    clusters of the rows: the density of a labelled row is its joint density with its cluster.
    Draws are of new rows, whose clusters are drawn too.
    """

    __props__ = (*RandomVariable.__props__, "labels")
    labels: "KnownLabels | None" = None
    signature: str
    dtype = "floatX"
    rows: ClassVar[type[Step] | None] = None

    def __init__(self, *args: Any, labels: "KnownLabels | None" = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.labels = labels

    def make_node(self, *inputs: Any) -> Any:
        """Make the node, unless a parameter has too few axes."""
        for x, axes in zip(inputs[2:], self.inputs_sig, strict=True):  # after the generator and the size
            if x.ndim < len(axes):
                raise ValueError(
                    f"{self.name}: a parameter has {x.ndim} axes and needs ({','.join(axes)}) at least; all "
                    f"have the trailing axes {self.signature}"
                )
        return super().make_node(*inputs)

    def rng_fn(self, rng: np.random.Generator, *args: Any) -> np.ndarray:
        """Draw the hidden cluster of every row, then the row given its cluster."""
        *params, size = args
        cores = self.ndims_params
        batches = [x.shape[: x.ndim - core] for x, core in zip(params, cores, strict=True)]
        batch = np.broadcast_shapes(*batches) if size is None else tuple(size)
        alpha, *theta = params
        cumulative = np.cumsum(alpha, axis=-1)
        z = (rng.random(batch)[..., None] * cumulative[..., -1:] < cumulative).argmax(-1)
        return self.draw_rows(
            rng, *(_of_cluster(x, z, core) for x, core in zip(theta, cores[1:], strict=True))
        )

    def lengths(self, *variables: Any) -> dict[str, int]:
        """Static lengths of the axes of the signature, on which the parameters and any value must agree."""
        known: dict[str, int] = {}
        for x, axes in zip(variables, [*self.inputs_sig, self.output_sig], strict=False):
            for axis, length in zip(axes, x.type.shape[x.ndim - len(axes) :], strict=True):
                if length is not None and known.setdefault(axis, length) != length:
                    raise ValueError(
                        f"{self.name}: axis {axis} has length {known[axis]} here and {length} there; "
                        f"parameters and rows have the trailing axes {self.signature}"
                    )
        return known

    def check_batch(self, params: Any, value: Any) -> None:
        """Refuse parameters that vary by row for another number of rows, where both are known.

        One row has a density under each of them.
        """
        rows = value.type.shape[: value.ndim - 1]
        for x, core in zip(params, self.ndims_params, strict=True):
            own = x.type.shape[: x.ndim - core]
            for length, n in zip(reversed(own), reversed(rows), strict=False):
                if None not in (length, n) and 1 not in (length, n) and length != n:
                    raise ValueError(f"{self.name}: a parameter varies over {length} rows, and there are {n}")

    @staticmethod
    def check(data: Data) -> np.ndarray:
        """Values (n, D) of checked data; a family adds its own checks."""
        return data.values

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """Draw one row for every parameter set along the leading axes."""
        raise NotImplementedError

    @staticmethod
    def row(rng: Any, parameter: Any, out: Any) -> None:
        """Draw one row into ``out (D,)`` with the parameter of its cluster, in Python that numba compiles.

        For families of a single parameter; without it PyTensor calls `rng_fn`, and warns.
        """
        raise NotImplementedError

    @staticmethod
    def terms(*theta: Any) -> tuple[Any, ...]:
        """Functions of the family's parameters that `log_density` takes; by default the parameters."""
        return theta

    @staticmethod
    def log_density(x: Any, *terms: Any) -> Any:
        """Symbolic log density (K, n) of the rows ``x (n, D)`` in every cluster."""
        raise NotImplementedError

    @staticmethod
    def natural(x: Any, *theta: Any) -> tuple[Any, Any, Any] | None:
        """Symbolic ``constant (K,)``, ``eta (K, P)``, ``phi (P, n)``: ``log_density = constant + eta phi``.

        None if the other form is as fast. The form loses digits where large terms of ``eta phi`` cancel.
        """
        return None

    def shared(self, params: Any) -> list[Any] | None:
        """Parameters without batch axes, if all rows share them; else None."""
        batch_ndims = [x.ndim - core for x, core in zip(params, self.ndims_params, strict=True)]
        if not all(set(x.type.shape[:ndim]) <= {1} for x, ndim in zip(params, batch_ndims, strict=True)):
            return None
        return [x[(0,) * ndim] for x, ndim in zip(params, batch_ndims, strict=True)]

    @staticmethod
    def observed_log_density(x: Any, cells: Cells, *theta: Any) -> Any:
        """Symbolic log density (K, n) of the observed cells of the rows ``x (n, D)``, 0 in missing cells."""
        raise NotImplementedError

    def log_joint(self, x: Any, alpha: Any, *theta: Any, cells: Cells | None = None) -> Any:
        """Symbolic log Pr(x_i, z_i = k), shape (K, n), of rows that share the parameters."""
        log_alpha = floored(pt.log(alpha))[:, None]
        if cells is not None:
            return log_alpha + self.observed_log_density(x, cells, *theta)
        joint = log_alpha + self.log_density(x, *self.terms(*theta))
        natural = self.natural(x, *theta) if in_natural_form() and is_data(x) else None
        if natural is None:
            return joint
        constant, eta, phi = natural
        terms = pt.abs(constant) + pt.abs(eta) @ pt.abs(phi).max(axis=1)
        loss = np.finfo(np.float64).eps * terms.max()
        return ifelse(loss < TOLERANCES.natural_loss, log_alpha + constant[:, None] + eta @ phi, joint)

    def row_log_density(self, x: Any, alpha: Any, *theta: Any) -> Any:
        """Symbolic log density (n,) of rows that share the parameters."""
        if in_natural_form() or self.rows is None or self.labels is not None:
            return self._masked(x, lambda inside: self.log_joint(inside, alpha, *theta))

        def graph(x: Any, log_alpha: Any, *terms: Any) -> Any:
            return self._masked(x, lambda inside: log_alpha[:, None] + self.log_density(inside, *terms))

        return step(self.rows, graph, x.astype("floatX"), floored(pt.log(alpha)), *self.terms(*theta))

    def _masked(self, x: Any, log_joint: Callable[[Any], Any], z: Any = None) -> Any:
        """Sum of the clusters' densities of rows inside the support; zero outside.

        Of labelled rows it is that of their own cluster alone. Labels are those of the operation, or
        ``z (n,)``.
        """
        inside, possible = self.support(x)
        joint = log_joint(inside)
        total = pt.logsumexp(joint, axis=0)
        if z is None and self.labels is not None:
            z = self.labels.variable
        if z is not None:
            is_own = pt.eq(z[None, :], pt.arange(joint.shape[0])[:, None])
            total = pt.switch(pt.ge(z, 0), pt.switch(is_own, joint, 0.0).sum(axis=0), total)
        density = unfloored(total)
        return density + pt.switch(possible, *np.array([0, -np.inf]))  # a sum: the rows' part is stored

    @staticmethod
    def support(x: Any) -> tuple[Any, Any]:
        """Symbolic rows (n, D) inside the support, and which rows of ``x`` are in it (n,)."""
        raise NotImplementedError

    @staticmethod
    def conditions(*theta: Any) -> dict[str, Any]:
        """Symbolic conditions on the family's parameters, by their wording."""
        raise NotImplementedError

    @staticmethod
    def centre(alpha: Any, *theta: Any) -> Any:
        """Symbolic central row (..., D), where an unobserved variable starts."""
        raise NotImplementedError


def as_given(value: Any) -> Any:
    """Rows before PyMC truncated them to integers (0.5 becomes 0), if they can be recovered."""
    node = value.owner
    if node is None or not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, Cast):
        return value
    (given,) = node.inputs
    return given if value.dtype.startswith("int") and given.dtype.startswith("float") else value


def node_of(rows: Any) -> Apply:
    """Node that draws the rows of a variable, below that of ``total_size``, which scales their density."""
    node = rows.owner
    return node.inputs[0].owner if isinstance(node.op, MinibatchRandomVariable) else node


def _of_cluster(parameter: np.ndarray, z: np.ndarray, core: int) -> np.ndarray:
    """Pick the parameter of each row's cluster: (..., K, *rest) and z (rows) to (rows, *rest).

    A number for each row, as an exposure, is of no cluster.
    """
    if not core:
        return np.broadcast_to(parameter, z.shape)
    core_shape = parameter.shape[parameter.ndim - core :]
    batched = np.broadcast_to(parameter, (*z.shape, *core_shape))
    index = z.reshape(*z.shape, *(1 for _ in core_shape))
    return np.take_along_axis(batched, index, axis=z.ndim).squeeze(z.ndim)


@_logprob.register(MarginalMixtureRV)
def row_logp(op: MarginalMixtureRV, values: Any, rng: Any, size: Any, *params: Any, **_: Any) -> Any:
    """Log density of every row, ``log sum_k alpha_k f(x | theta_k)``, shape ``value.shape[:-1]``.

    Parameters shared by all rows (the usual case) take one feature-major pass;
    parameters that vary by row, as in a regression of ``alpha`` on covariates,
    are vectorised over the leading axes. Rows outside the support, such as a 2
    among zeros and ones, have density zero.
    """
    value = as_given(*values)
    features = op.lengths(*params, value).get("d")
    known = known_cells(value)
    value = pt.specify_shape(value, (..., features))  # otherwise a single column would broadcast
    if op.labels is not None:
        value = pt.specify_shape(value, (len(op.labels.values), None))  # one label for every row

    def observed(x: Any, seen: Any, known: np.ndarray | None, theta: Any, z: Any = None) -> Any:
        cells, there = Cells(seen, known), pt.switch(seen, x, 0.0)
        return op._masked(there, lambda inside: op.log_joint(inside, *theta, cells=cells), z)

    def of_pattern(x: Any, known: np.ndarray, theta: Any) -> Any:
        """Density of the observed cells; their pattern must stay what it was."""
        flat, seen = known.reshape(-1, known.shape[-1]), ~pt.isnan(x)
        same = pt.eq(seen, pt.as_tensor_variable(flat.astype(np.float64)))
        density = observed(x, seen, flat, theta)
        return check_parameters(density, same, msg="the pattern of missing cells is that of the declaration")

    def checked(density: Any, alpha: Any, *theta: Any) -> Any:
        for condition, holds in op.conditions(*theta).items():
            density = check_parameters(density, holds, msg=condition)
        return check_parameters(density, are_weights(alpha), msg="alpha >= 0, sum(alpha) = 1")

    op.check_batch(params, value)
    shared = op.shared(params)
    if shared is not None:
        flat = value if value.ndim == 2 else value.reshape((-1, value.shape[-1]))
        density = op.row_log_density(flat, *shared) if known is None else of_pattern(flat, known, shared)
        return checked(density if value.ndim == 2 else density.reshape(value.shape[:-1]), *shared)
    inputs, _output = op.signature.split("->")

    own = () if op.labels is None else (op.labels.variable,)

    def of_row(x: Any, *others: Any) -> Any:
        z, theta = others[0][None] if own else None, others[len(own) :]
        if known is None:
            return op._masked(x[None, :], lambda inside: op.log_joint(inside, *theta), z)[0]
        return observed(x[None, :], ~pt.isnan(x)[None, :], None, theta, z)[0]

    one_row = pt.vectorize(of_row, signature=f"(d),{'(),' * len(own)}{inputs}->()")
    return checked(one_row(value, *own, *params), *params)


@_support_point.register(MarginalMixtureRV)
def central_rows(op: MarginalMixtureRV, rv: Any, rng: Any, size: Any, *params: Any) -> Any:
    """Start an unobserved mixture variable at its centre."""
    return pt.broadcast_to(op.centre(*params), rv.shape)


class MarginalMixture(Distribution):
    """Base of the user-facing mixtures: checks observed rows before PyMC sees them."""

    rv_type = MarginalMixtureRV
    check = MarginalMixtureRV.check
    observed_dtype: ClassVar[str] = "float64"

    def __new__(cls, name: str, *args: Any, observed: Any = None, labels: Any = None, **kwargs: Any) -> Any:
        """Register the variable; missing cells in ``observed`` are integrated out, not free variables."""
        if labels is not None:
            if observed is None or isinstance(observed, Variable):
                raise InputError("labels are of observed rows: pass observed= as an array or a data frame")
            kwargs["labels"] = as_data(observed, missing=INTEGRATE, labels=labels).labels
        if observed is not None and not isinstance(observed, Variable):
            data = as_data(observed, missing=INTEGRATE)
            values = cls.check(data)
            if data.has_missing:  # as a tensor: PyMC would make variables of the NaN in an array
                observed = pt.as_tensor_variable(values, name=name)
            else:
                observed = values.astype(cls.observed_dtype)
        if isinstance(observed, Variable) and known_cells(observed) is not None:
            kwargs["in_floats"] = True
        return super().__new__(cls, name, *args, observed=observed, **kwargs)

    @classmethod
    def of_rows(cls, data: Data, *params: Any, dim: str = "feature", **named: Any) -> Any:
        """Declare checked rows as the observed variable ``x``, with what is known of their clusters."""
        dims = ("obs_id", dim)
        return cls("x", *params, **named, observed=data.values, labels=data.labels, dims=dims)

    @classmethod
    def dist(cls, *params: Any, **kwargs: Any) -> Any:
        """Create an unnamed variable; ``shape`` counts the features, as in ``shape=(n, D)``.

        ``in_floats`` makes counts and codes floats, as PyMC casts the rows to the type of the variable, and
        NaN is not an integer.
        """
        if config.floatX != "float64":
            raise InputError(
                f"pytensor.config.floatX is {config.floatX!r}, in which densities of rows lose their digits: "
                "set it to 'float64'"
            )
        labels, in_floats = kwargs.pop("labels", None), kwargs.pop("in_floats", False)
        rv = super().dist([pt.as_tensor_variable(x) for x in params], **kwargs)
        node = rv.owner
        node.op.lengths(*node.op.dist_params(node))
        other: dict[str, Any] = {"dtype": "float64"} if in_floats else {}
        if labels is not None:
            _check_labels(node, labels)
            other["labels"] = KnownLabels(labels)
        if not other:
            return rv
        op = type(node.op)(**{**node.op._props_dict(), **other})
        return op.make_node(*node.inputs).outputs[1]


def _check_labels(node: Apply, labels: np.ndarray) -> None:
    """Refuse labels of clusters that the rows of a node do not have."""
    k = node.op.dist_params(node)[0].type.shape[-1]
    if k is not None:
        rows = Data(np.zeros((len(labels), 1)), ("x0",), np.arange(len(labels)), labels=labels)
        check_labels_fit(rows, k)
