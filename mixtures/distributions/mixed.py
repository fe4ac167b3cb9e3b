"""Mixtures of mixed columns as one PyMC distribution: blocks of columns with one hidden cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from mixtures.data.matching import columns_of
from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.table import Data
from mixtures.distributions.bernoulli import BernoulliMixture
from mixtures.distributions.categorical import CategoricalMixture
from mixtures.distributions.components import declare_components, declare_rows
from mixtures.distributions.gaussian import GaussianMixture
from mixtures.distributions.marginal import MarginalMixture, MarginalMixtureRV
from mixtures.distributions.missing import Cells
from mixtures.distributions.poisson import PoissonMixture
from mixtures.distributions.ragged import check_levels
from mixtures.errors import InputError
from mixtures.families.blocks import KINDS, WITHOUT_EXPOSURE
from mixtures.families.mixed import MixedColumns
from mixtures.messages import counted, did_you_mean, named

__all__ = ["MixedMixture"]

DISTRIBUTIONS: dict[str, type[MarginalMixture]] = {
    "gaussian": GaussianMixture,
    "bernoulli": BernoulliMixture,
    "categorical": CategoricalMixture,
    "poisson": PoissonMixture,
}
"""Distribution of the rows of every kind of block alone."""


@dataclass(frozen=True)
class Part:
    """A block of columns: how its rows are distributed, where they are, and how many parameters it has."""

    op: MarginalMixtureRV
    places: tuple[int, ...]
    n_params: int

    @property
    def at(self) -> Any:
        """Index of the columns: a slice if they stand side by side."""
        first, width = self.places[0], len(self.places)
        together = self.places == tuple(range(first, first + width))
        return slice(first, first + width) if together else list(self.places)


class MixedMixtureRV(MarginalMixtureRV):
    """Rows whose blocks of columns are independent given the hidden cluster."""

    name = "MixedMixture"
    __props__ = (*MarginalMixtureRV.__props__, "parts")
    parts: tuple[Part, ...]
    _print_name = ("MixedMixture", "\\operatorname{MixedMixture}")

    def __init__(self, *args: Any, parts: tuple[Part, ...], **kwargs: Any) -> None:
        self.parts = parts
        super().__init__(*args, **{**kwargs, "signature": _signature(parts)})

    @property
    def width(self) -> int:
        """Number of columns D."""
        return sum(len(part.places) for part in self.parts)

    def _supp_shape_from_params(self, dist_params: Any, param_shapes: Any = None) -> tuple[Any, ...]:
        return (pt.as_tensor(self.width),)

    def lengths(self, *variables: Any) -> dict[str, int]:
        """Lengths of the axes; a row has the columns of all blocks."""
        known = super().lengths(*variables)
        if known.setdefault("d", self.width) != self.width:
            raise ValueError(f"{self.name}: rows have {known['d']} columns, the blocks {self.width}")
        return known

    def _split(self, theta: Sequence[Any]) -> list[tuple[Part, tuple[Any, ...]]]:
        """Every part with its own parameters."""
        ends = np.cumsum([0, *(part.n_params for part in self.parts)])
        return [(part, tuple(theta[i:j])) for part, i, j in zip(self.parts, ends[:-1], ends[1:], strict=True)]

    def _together(self, each: Sequence[Any]) -> Any:
        """Columns (..., D) of all parts, in the order that they have in a row."""
        order = np.argsort([place for part in self.parts for place in part.places])
        joined = pt.concatenate(each, axis=-1)
        return joined if (np.diff(order) > 0).all() else joined[..., order]

    def shared(self, params: Any) -> list[Any] | None:
        """What every part's rows share, with the exposures of all."""
        alpha, *theta = params
        found: list[Any] = []
        for part, own in self._split(theta):
            each = part.op.shared([alpha, *own])
            if each is None:
                return None
            found += each if not found else each[1:]
        return found

    def draw_rows(self, rng: np.random.Generator, *theta: np.ndarray) -> np.ndarray:
        """One row, block by block."""
        split = self._split(theta)
        drawn = [part.op.draw_rows(rng, *own) for part, own in split]
        rows = np.empty((*drawn[0].shape[:-1], self.width))
        for (part, _), own_rows in zip(split, drawn, strict=True):
            rows[..., part.at] = own_rows
        return rows

    def log_density(self, x: Any, *theta: Any) -> Any:  # type: ignore[override]
        """Sum over the blocks."""
        each = [
            part.op.log_density(_cells(part, x), *part.op.terms(*own)) for part, own in self._split(theta)
        ]
        return sum(each[1:], each[0])

    def natural(self, x: Any, *theta: Any) -> tuple[Any, Any, Any] | None:  # type: ignore[override]
        """Natural parameters and features of all blocks, if all have this form."""
        each = [part.op.natural(_cells(part, x), *own) for part, own in self._split(theta)]
        known = [found for found in each if found is not None]
        if len(known) < len(each):
            return None
        constants, etas, phis = zip(*known, strict=True)
        return sum(constants[1:], constants[0]), pt.concatenate(etas, axis=1), pt.concatenate(phis)

    def observed_log_density(self, x: Any, cells: Cells, *theta: Any) -> Any:  # type: ignore[override]
        """Sum over the blocks, each of its own observed cells."""
        each = [
            part.op.observed_log_density(_cells(part, x), cells.of_columns(part.at), *own)
            for part, own in self._split(theta)
        ]
        return sum(each[1:], each[0])

    def support(self, x: Any) -> tuple[Any, Any]:  # type: ignore[override]
        """Rows whose cells are all possible in their blocks."""
        each = [part.op.support(_cells(part, x)) for part in self.parts]
        inside = self._together([own.astype("floatX") for own, _ in each])
        return inside, pt.stack([possible for _, possible in each]).all(axis=0)

    def conditions(self, *theta: Any) -> dict[str, Any]:  # type: ignore[override]
        """The conditions of every block."""
        return {
            f"{part.op.name}: {words}": holds
            for part, own in self._split(theta)
            for words, holds in part.op.conditions(*own).items()
        }

    def centre(self, alpha: Any, *theta: Any) -> Any:  # type: ignore[override]
        """The centre of every block."""
        split = self._split(theta)
        each = [part.op.centre(alpha, *own).astype("floatX") for part, own in split]
        nothing = sum(0 * x[..., :1] for x in each)  # as many rows for each
        return self._together([x + nothing for x in each])


def _signature(parts: Sequence[Part]) -> str:
    """Axes of the weights and of every part's parameters; those but the cluster's are numbered by part."""
    inputs = ["(k)"]
    for i, part in enumerate(parts):
        own = part.op.inputs_sig[1:]
        inputs += [f"({','.join(axis if axis == 'k' else f'{axis}{i}' for axis in axes)})" for axes in own]
    return f"{','.join(inputs)}->(d)"


def _cells(part: Part, x: Any) -> Any:
    return x[:, part.at]


class MixedMixture(MarginalMixture):
    r"""Mixture of K components over rows of columns of several kinds, the hidden cluster summed out.

    .. math::

       f(x) = \sum_{k=1}^K \alpha_k \prod_b f_b(x_b \mid \theta_{bk})

    Blocks of columns are independent given the cluster, of which there is one for the whole row: two
    mixtures in one model would have two. Give at least one block.

    Parameters
    ----------
    name : str
        Name of the variable.
    alpha : tensor_like of float, shape (..., K)
        Weights; non-negative, summing to one.
    gaussian, bernoulli, categorical, poisson : dict, optional
        Parameters of each block, as `GaussianMixture`, `BernoulliMixture`, `CategoricalMixture` and
        `PoissonMixture` take them: ``{"mu": mu, "Sigma": Sigma}``, ``{"p": p}``, ``{"p": p}``,
        ``{"rate": rate}``, with an ``"exposure"`` (n,) of the rows if they have one.
    columns : dict of sequence, optional
        Columns of every block by name or position. By default they stand side by side, in the order
        Gaussian, Bernoulli, categorical, Poisson.
    **kwargs
        As for any PyMC distribution: ``observed``, ``dims``, ``shape``, ... Cells that are NaN or masked
        in ``observed`` are integrated out, as in `GaussianMixture`; categorical cells are codes.
        ``labels (n,)`` are known clusters of the observed rows.

    Raises
    ------
    InputError
        If a column is in no block or in two, or its cells are not of its kind; names them.
    ValueError
        If no block is given, or the number of columns of a block is not known from its parameters.

    References
    ----------
    McLachlan and Peel, *Finite Mixture Models* (2000), section 5.3.

    Examples
    --------
    >>> import numpy as np, pymc as pm, mixtures as mx
    >>> rng = np.random.default_rng(1)
    >>> X = np.column_stack([rng.normal(size=(20, 2)), rng.poisson(3, size=20)])
    >>> with pm.Model() as model:
    ...     alpha = pm.Dirichlet("alpha", np.ones(2))
    ...     normal = {"mu": pm.Normal("mu", 0, 3, shape=(2, 2)), "sigma2": np.ones((2, 2))}
    ...     counts = {"rate": pm.Gamma("rate", 2, 0.5, shape=(2, 1))}
    ...     x = mx.MixedMixture("x", alpha=alpha, gaussian=normal, poisson=counts, observed=X)
    """

    def __new__(cls, name: str, *args: Any, columns: Any = None, observed: Any = None, **kwargs: Any) -> Any:
        """Register the variable; refuses cells that are not of the kind of their column."""
        parts = _parts(args[0] if args else kwargs["alpha"], {kind: kwargs.get(kind) for kind in KINDS})
        widths = {kind: len(part.places) for kind, (part, _) in parts.items()}
        if observed is None or isinstance(observed, Variable):
            places = _places(columns, widths, tuple(f"x{j}" for j in range(sum(widths.values()))))
        else:
            data = as_data(observed, missing=INTEGRATE)
            places = _places(columns, widths, data.features)
            for kind, (part, theta) in parts.items():
                own = columns_of(data, places[kind])
                part.op.check(own)
                if kind == "categorical":
                    check_levels(own, theta[0])
        return super().__new__(cls, name, *args, observed=observed, columns=places, **kwargs)

    @staticmethod
    def rv_op(alpha: Any, *theta: Any, parts: tuple[Part, ...], rng: Any = None, **kwargs: Any) -> Any:
        """Build the random rows."""
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        return MixedMixtureRV(parts=parts)(alpha, *theta, rng=rng, return_next_rng=True, **kwargs)[1]

    @classmethod
    def dist(
        cls,
        alpha: Any,
        *,
        gaussian: Any = None,
        bernoulli: Any = None,
        categorical: Any = None,
        poisson: Any = None,
        columns: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Create an unnamed variable."""
        given = {"gaussian": gaussian, "bernoulli": bernoulli, "categorical": categorical, "poisson": poisson}
        found = _parts(alpha, given)
        widths = {kind: len(part.places) for kind, (part, _) in found.items()}
        places = _places(columns, widths, tuple(f"x{j}" for j in range(sum(widths.values()))))
        parts = tuple(replace(part, places=places[kind]) for kind, (part, _) in found.items())
        theta = [x for _, own in found.values() for x in own]
        return super().dist(alpha, *theta, parts=parts, **kwargs)


def _parts(alpha: Any, given: Mapping[str, Any]) -> dict[str, tuple[Part, tuple[Any, ...]]]:
    """Every block that is given, its columns counted from 0, with the parameters of its distribution."""
    found = {}
    for kind, own in given.items():
        if own is None:
            continue
        if not isinstance(own, Mapping):
            raise ValueError(
                f"MixedMixture: {kind} must be a dict of the block's parameters, got {own!r:.80}"
            )
        node = DISTRIBUTIONS[kind].dist(alpha, **own).owner
        op, theta = node.op, tuple(node.op.dist_params(node)[1:])
        axis = op.inputs_sig[1].index("d") - len(op.inputs_sig[1])
        width = theta[0].type.shape[axis]
        if width is None:
            raise ValueError(f"MixedMixture: parameters of the {kind} block need a shape of numbers")
        found[kind] = (Part(op, tuple(range(width)), len(theta)), theta)
    if not found:
        raise ValueError(f"MixedMixture takes parameters of one block at least: {', '.join(KINDS)}")
    return found


def _places(columns: Any, widths: Mapping[str, int], features: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Where the columns of every block are in the rows, each in exactly one."""
    if columns is None:
        ends = np.cumsum([0, *widths.values()])
        found = {kind: tuple(range(i, j)) for kind, i, j in zip(widths, ends[:-1], ends[1:], strict=True)}
    else:
        if set(columns) != set(widths):
            raise InputError(f"columns are of the blocks {', '.join(columns)}; given are {', '.join(widths)}")
        found = {kind: tuple(_place(column, features) for column in columns[kind]) for kind in widths}
    for kind, own in found.items():
        if len(own) != widths[kind]:
            raise InputError(
                f"the {kind} block has parameters of {counted(widths[kind], 'column')}, and "
                f"{counted(len(own), 'column')}"
            )
    used = [place for own in found.values() for place in own]
    if twice := [place for place in used if used.count(place) > 1]:
        raise InputError(f"column {named(features[twice[0]])} is in two blocks; it belongs in exactly one")
    if len(used) != len(features):
        left = [name for place, name in enumerate(features) if place not in used]
        told = f"column {named(left[0])} is in no block" if left else "there are too few columns"
        raise InputError(f"the rows have {counted(len(features), 'column')}, the blocks {len(used)}: {told}")
    return found


def _place(column: Any, features: tuple[str, ...]) -> int:
    if isinstance(column, str):
        if column not in features:
            hint = did_you_mean(column, features)
            raise InputError(f"the rows have no column {named(column)}{hint}")
        return features.index(column)
    if not 0 <= column < len(features):
        raise InputError(f"the rows have {counted(len(features), 'column')}, and none at {column}")
    return int(column)


@declare_rows.register
def declare_mixed(family: MixedColumns, data: Data, alpha: Any) -> None:
    """The priors of every block, and rows of all blocks with one hidden cluster."""
    blocks: dict[str, Any] = {}
    columns: dict[str, Any] = {}
    known = family.row_columns(data.n_features)
    own_columns = np.arange(data.n_features)[known["x"]].tolist()
    rows = columns_of(data, own_columns)
    for block in family.blocks:
        own = {
            mine.name: public for mine, public in zip(block.family.parameters, block.parameters, strict=True)
        }
        at = [own_columns.index(d) for d in block.known_places if d in own_columns]
        _, params = declare_components(block.family, columns_of(rows, at), alpha.type.shape[0], own)
        blocks[block.kind], columns[block.kind] = params, at
    dim = "feature"
    if "exposure" in known:
        dim, exposure = WITHOUT_EXPOSURE, data.values[:, known["exposure"]]
        blocks["poisson"]["exposure"] = pm.Data("exposure", exposure, dims="obs_id")
    MixedMixture.of_rows(rows, alpha, **blocks, columns=columns, dim=dim)
