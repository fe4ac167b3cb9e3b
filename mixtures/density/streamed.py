"""PyMC's log density over rows that are never in memory at once.

A mixture's log-likelihood is a sum over rows. The model is declared once, on a
small table, which fixes the coordinates and the prior; the rows of every block
then take the table's place in the compiled graph, a piece of fixed size at a
time, and values, gradients and curvatures are added wherever the blocks are.
"""

import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pymc as pm

from mixtures.data.reading import as_data
from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.density.compiled import CompiledModel
from mixtures.density.functions import gradient_of, hessian_of
from mixtures.density.lowering import JaxFunction
from mixtures.distributions.declare import declare
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.types import Array

__all__ = ["PIECE", "StreamedModel"]

PIECE = 2**14
"""Rows that the graph is compiled for; where fewer are left, rows of weight zero make up the number."""


CHARTS_KEPT = 4
"""Models that a process keeps compiled."""


@dataclass(frozen=True)
class Chart:
    """A model and the table that it is declared on; told apart by a key, for it travels to the blocks."""

    key: str
    spec: Mixture = field(compare=False)
    table: Data = field(compare=False)

    def declared(self) -> pm.Model:
        """The model of the table."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # a line of the certificate says it
            return declare(self.spec, self.table)


class StreamedModel(CompiledModel):
    """Log density of a mixture over rows wherever they are.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    rows : Rows
        All rows.
    rng : numpy.random.Generator
        Draws the rows of the table.

    Attributes
    ----------
    sub : Data
        The rows drawn; all of them, if they are few.
    """

    def __init__(self, spec: Mixture, rows: Rows, rng: np.random.Generator) -> None:
        values, weights = rows.subsample(PIECE, rng)
        self.sub = _table(values, rows.features, weights)
        self.chart = Chart(uuid.uuid4().hex, spec, _table(_filled(values), rows.features))
        super().__init__(self.chart.declared())
        self.rows = rows

    def value_and_grad(self, x: Array, *, jacobian: bool = False) -> tuple[float, Array]:
        """Log density over all rows and its gradient at a flat vector."""
        log_prior, arrays = self.log_prior
        value, slope = gradient_of(log_prior)(jnp.asarray(x), arrays, float(jacobian))
        total = np.append(value, slope) + self.rows.sum_over(partial(_value_and_slope, self.chart, x))
        return float(total[0]), total[1:]

    def hessian(self, x: Array, *, jacobian: bool = False, exact: bool = True) -> Array:
        """Second derivatives of the log density over all rows, (size, size); always exact."""
        log_prior, arrays = self.log_prior
        own = np.asarray(hessian_of(log_prior)(jnp.asarray(x), arrays, float(jacobian)))
        return own + self.rows.sum_over(partial(_curvature, self.chart, x))

    def of_table(self, x: Array) -> tuple[float, Array]:
        """Log density and gradient were the rows drawn all that there are."""
        return super().value_and_grad(x)


def _table(values: Array, features: tuple[str, ...], weights: Array | None = None) -> Data:
    return replace(as_data(values, weights), features=features)


def _filled(values: Array) -> Array:
    """Rows of a piece, the first ones repeated where there are too few."""
    return np.resize(values, (PIECE, values.shape[1]))


# What runs where the blocks are.


@lru_cache(maxsize=CHARTS_KEPT)
def _of_rows(chart: Chart) -> tuple[JaxFunction, list[Any]]:
    return CompiledModel(chart.declared()).of_other_rows()


def _value_and_slope(chart: Chart, x: Array, block: Data) -> Array:
    """Log-likelihood of a block and its gradient, (1 + size,)."""
    log_likelihood, arrays = _of_rows(chart)
    total = np.zeros(1 + x.size)
    for piece in _pieces(block):
        value, slope = gradient_of(log_likelihood)(jnp.asarray(x), [*piece, *arrays], 0.0)
        total += np.append(value, slope)
    return total


def _curvature(chart: Chart, x: Array, block: Data) -> Array:
    """Second derivatives of the log-likelihood of a block, (size, size)."""
    log_likelihood, arrays = _of_rows(chart)
    total = np.zeros((x.size, x.size))
    for piece in _pieces(block):
        total += hessian_of(log_likelihood)(jnp.asarray(x), [*piece, *arrays], 0.0)
    return total


def _pieces(block: Data) -> Iterator[tuple[Any, Any]]:
    """Rows and weights of every piece of a block."""
    for place, values in block.blocks(PIECE):
        weights = np.zeros(PIECE)
        weights[: len(values)] = 1 if block.weights is None else block.weights[place]
        yield jnp.asarray(_filled(values)), jnp.asarray(weights)
