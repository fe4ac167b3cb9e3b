"""What all marginalised mixture distributions share: rows, weights, the sum over clusters.

A family's distribution is one `MarginalMixtureRV` (how a row is drawn, its
density in each cluster) and a thin `MarginalMixture` that reads the user's
parameters. The row-wise log density is written here, once. It has two forms: that
of `MarginalMixtureRV.log_density`, which is accurate however tight the clusters
are, and, inside `natural_form`, a single matrix product wherever a guard finds it
accurate enough.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.distribution import Distribution, _support_point
from pymc.logprob.abstract import _logprob
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.conditional import ifelse
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable

from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.distributions.transforms import floored, unfloored
from mixtures.tolerances import TOLERANCES

__all__ = ["MarginalMixture", "MarginalMixtureRV", "as_given", "natural_form"]

_both_forms: ContextVar[bool] = ContextVar("both_forms", default=False)


@contextmanager
def natural_form() -> Iterator[None]:
    """Let log densities built in this context use the natural form whenever it is accurate enough.

    It is twice as fast on JAX; numba would take minutes to compile both forms.
    """
    token = _both_forms.set(True)
    try:
        yield
    finally:
        _both_forms.reset(token)


class MarginalMixtureRV(RandomVariable):
    """Rows drawn from a mixture whose hidden clusters are summed out of the density.

    The parameters are ``alpha (..., K)`` and then the family's own, each with
    the cluster axis first among the core axes that `signature` names.
    """

    signature: str
    dtype = "floatX"

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

    @staticmethod
    def check(data: Data) -> np.ndarray:
        """Values (n, D) of checked data; a family adds its own checks."""
        return data.values

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """Draw one row for every parameter set along the leading axes."""
        raise NotImplementedError

    @staticmethod
    def log_density(x: Any, *theta: Any) -> Any:
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

    def log_joint(self, x: Any, alpha: Any, *theta: Any) -> Any:
        """Symbolic log Pr(x_i, z_i = k), shape (K, n), of rows that share the parameters."""
        log_alpha = floored(pt.log(alpha))[:, None]
        joint = log_alpha + self.log_density(x, *theta)
        natural = self.natural(x, *theta) if _both_forms.get() and _is_data(x) else None
        if natural is None:
            return joint
        constant, eta, phi = natural
        terms = pt.abs(constant) + pt.abs(eta) @ pt.abs(phi).max(axis=1)
        loss = np.finfo(np.float64).eps * terms.max()
        return ifelse(loss < TOLERANCES.natural_loss, log_alpha + constant[:, None] + eta @ phi, joint)

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


def _is_data(x: Any) -> bool:
    """Whether rows are data, so that what depends only on them is the same at every call."""
    return all(isinstance(v, SharedVariable) for v in explicit_graph_inputs([x]))


def _of_cluster(parameter: np.ndarray, z: np.ndarray, core: int) -> np.ndarray:
    """Pick the parameter of each row's cluster: (..., K, *rest) and z (rows) to (rows, *rest)."""
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
    value = pt.specify_shape(value, (..., features))  # otherwise a single column would broadcast

    def rows(x: Any, *theta: Any) -> Any:
        inside, possible = op.support(x)
        density = unfloored(pt.logsumexp(op.log_joint(inside, *theta), axis=0))
        return density + pt.switch(possible, *np.array([0, -np.inf]))  # a sum: the rows' part is stored

    def checked(density: Any) -> Any:
        alpha, *theta = params
        for condition, holds in op.conditions(*theta).items():
            density = check_parameters(density, holds, msg=condition)
        valid = [pt.ge(alpha, 0), pt.isclose(alpha.sum(axis=-1), 1)]
        return check_parameters(density, *valid, msg="alpha >= 0, sum(alpha) = 1")

    shared = op.shared(params)
    if shared is not None:
        flat = value if value.ndim == 2 else value.reshape((-1, value.shape[-1]))
        density = rows(flat, *shared)
        return checked(density if value.ndim == 2 else density.reshape(value.shape[:-1]))
    inputs, _output = op.signature.split("->")
    one_row = pt.vectorize(lambda x, *theta: rows(x[None, :], *theta)[0], signature=f"(d),{inputs}->()")
    return checked(one_row(value, *params))


@_support_point.register(MarginalMixtureRV)
def central_rows(op: MarginalMixtureRV, rv: Any, rng: Any, size: Any, *params: Any) -> Any:
    """Start an unobserved mixture variable at its centre."""
    return pt.broadcast_to(op.centre(*params), rv.shape)


class MarginalMixture(Distribution):
    """Base of the user-facing mixtures: checks observed rows before PyMC sees them."""

    rv_type = MarginalMixtureRV
    check = MarginalMixtureRV.check
    observed_dtype: ClassVar[str] = "float64"

    def __new__(cls, name: str, *args: Any, observed: Any = None, **kwargs: Any) -> Any:
        """Register the variable; NaN in ``observed`` is an error, not a free variable."""
        if observed is not None and not isinstance(observed, Variable):
            observed = cls.check(as_data(observed)).astype(cls.observed_dtype)
        return super().__new__(cls, name, *args, observed=observed, **kwargs)

    @classmethod
    def dist(cls, *params: Any, **kwargs: Any) -> Any:
        """Create an unnamed variable; ``shape`` counts the features, as in ``shape=(n, D)``."""
        rv = super().dist([pt.as_tensor_variable(x) for x in params], **kwargs)
        rv.owner.op.lengths(*rv.owner.op.dist_params(rv.owner))
        return rv
