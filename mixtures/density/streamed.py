"""PyMC's log density over rows that are never in memory at once.

A mixture's log-likelihood is a sum over rows. The model is declared once, on a
small table, which fixes the coordinates and the prior. The rows of every block
then replace the table in the compiled graph, one piece of fixed size at a time,
and values, gradients and curvatures are added wherever the blocks are.
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

from mixtures.data.reading import INTEGRATE, as_data
from mixtures.data.rows import Rows
from mixtures.data.table import UNKNOWN, Data, Drawn
from mixtures.density.compiled import CompiledModel
from mixtures.density.functions import gradient_of, hessian_of
from mixtures.density.memory import JaxFunction
from mixtures.distributions.declare import declare
from mixtures.errors import IdentifiabilityWarning
from mixtures.families.mixture import Mixture
from mixtures.types import Array

__all__ = ["PIECE", "StreamedModel", "some_rows"]

PIECE = 2**14
"""Rows that the graph is compiled for; a shorter piece is filled up with rows of weight zero."""


TEMPLATES_KEPT = 4
"""Number of compiled models that a process keeps."""


@dataclass(frozen=True)
class Template:
    """A model and the table it is declared on, compared by a key since it is sent to the blocks."""

    key: str
    spec: Mixture = field(compare=False)
    table: Data = field(compare=False)

    def declared(self) -> pm.Model:
        """The model of the table."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the certificate reports it
            return declare(self.spec, self.table)


class StreamedModel(CompiledModel):
    """Log density of a resolved model over rows in any storage, of which some are drawn as a table.

    Attributes
    ----------
    sub : Data
        The rows drawn; all rows if they are few.
    """

    def __init__(self, spec: Mixture, rows: Rows, rng: np.random.Generator) -> None:
        self.sub = some_rows(rows, rng)
        self.template = Template(uuid.uuid4().hex, spec, _example(self.sub, rows))
        super().__init__(self.template.declared())
        self.rows = rows

    def value_and_grad(self, x: Array, *, jacobian: bool = False) -> tuple[float, Array]:
        """Log density over all rows and its gradient at a flat vector."""
        log_prior, arrays = self.log_prior
        value, slope = gradient_of(log_prior)(jnp.asarray(x), arrays, float(jacobian))
        total = np.append(value, slope) + self.rows.sum_over(partial(_value_and_slope, self.template, x))
        return float(total[0]), total[1:]

    def hessian(self, x: Array, *, jacobian: bool = False, exact: bool = False) -> Array:
        """Second derivatives of the log density over all rows, (size, size); always exact."""
        log_prior, arrays = self.log_prior
        own = np.asarray(hessian_of(log_prior)(jnp.asarray(x), arrays, float(jacobian)))
        return own + self.rows.sum_over(partial(_curvature, self.template, x))

    def of_table(self, x: Array) -> tuple[float, Array]:
        """Log density and gradient for the rows drawn alone."""
        return super().value_and_grad(x)


def some_rows(rows: Rows, rng: np.random.Generator) -> Data:
    """As many rows as a piece has, drawn at random; all if they are few."""
    return _table(rows.subsample(PIECE, rng), rows)


def _table(drawn: Drawn, rows: Rows) -> Data:
    """Some of the rows as a table."""
    data = as_data(drawn.values, drawn.weights, missing=INTEGRATE, labels=drawn.labels)
    return replace(data, features=rows.features, levels=rows.levels)


def _example(some: Data, rows: Rows) -> Data:
    """A table as long as a piece, of rows drawn; with labels, for their place in the graph, if any."""
    labels = None if some.labels is None else np.resize(some.labels, PIECE)
    if labels is None and rows.labelled:  # none of the few that are known is drawn
        labels = np.append(0, np.full(PIECE - 1, UNKNOWN))
    return _table(Drawn(_filled(some.values), None, labels), rows)


def _filled(values: Array) -> Array:
    """Rows of a piece, the first ones repeated if there are too few."""
    return np.resize(values, (PIECE, values.shape[1]))


# What runs on the workers.


@lru_cache(maxsize=TEMPLATES_KEPT)
def _of_rows(template: Template) -> tuple[JaxFunction, list[Any]]:
    return CompiledModel(template.declared()).of_other_rows(template.spec.family, template.table.n_features)


def _value_and_slope(template: Template, x: Array, block: Data) -> Array:
    """Log-likelihood of a block and its gradient, (1 + size,)."""
    log_likelihood, arrays = _of_rows(template)
    total = np.zeros(1 + x.size)
    for piece in _pieces(block, template.table.labelled):
        value, slope = gradient_of(log_likelihood)(jnp.asarray(x), [*piece, *arrays], 0.0)
        total += np.append(value, slope)
    return total


def _curvature(template: Template, x: Array, block: Data) -> Array:
    """Second derivatives of the log-likelihood of a block, (size, size)."""
    log_likelihood, arrays = _of_rows(template)
    total = np.zeros((x.size, x.size))
    for piece in _pieces(block, template.table.labelled):
        total += hessian_of(log_likelihood)(jnp.asarray(x), [*piece, *arrays], 0.0)
    return total


def _pieces(block: Data, labelled: bool) -> Iterator[list[Any]]:
    """Rows, weights and, if some are known, labels of every piece of a block."""
    for place, values in block.blocks(PIECE):
        weights = np.zeros(PIECE)
        weights[: len(values)] = 1 if block.weights is None else block.weights[place]
        piece = [_filled(values), weights]
        if labelled:
            piece.append(np.full(PIECE, UNKNOWN))
            if block.labels is not None:
                piece[-1][: len(values)] = block.labels[place]
        yield [jnp.asarray(x) for x in piece]
