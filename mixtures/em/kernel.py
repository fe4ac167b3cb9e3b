"""The E-step in natural form: two matrix products and one exponential per chunk of rows.

With ``L = eta Phi`` the responsibilities are a softmax of L, and the sums
``S = r Phi'`` are all that the M-step needs. Rows are standardised and chunks
sized to the cache; threads take a stretch of rows each, and nothing is
allocated from one iteration to the next.

The form is used only while its rounding error is too small for the caller to notice.
"""

import operator
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from operator import methodcaller
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from mixtures.data.known_labels import exclude
from mixtures.data.rows import Blocks, Rows
from mixtures.data.table import Data
from mixtures.em.curvature import Curvature, Moments, Products, pair_weights
from mixtures.em.estep import EStep
from mixtures.em.natural import POSSIBLE, NaturalForm, exponential, largest_loss
from mixtures.families.family import LOG_NOTHING
from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array, Params

__all__ = ["Kernel", "Table"]

SHORTEST, LONGEST, CHUNK_VALUES = 4096, 32768, 327_680
"""Number of rows of a chunk, and of its values (features and clusters): a share of a core's cache."""


POSSIBLE_HERE = 0.9 * LOG_NOTHING
"""Log-likelihood of a row above which clusters that rule it out get no share of it."""


NARROWEST = 128
"""Smallest number of rows in a chunk whose features are multiplied with each other."""


THREADS, THREAD_VALUES = 16, 1_000_000
"""Largest number of threads, and values (rows x features and clusters) that make another one worthwhile."""


COPIED_BYTES = 2**31
"""Data up to this size are standardised once, in a copy; larger ones chunk by chunk, in every pass."""


FACTORS = 16
"""Densities multiplied before a logarithm is taken: one logarithm costs as much as many products."""


SAFE = 1e18
"""Largest density, or inverse of one, of which `FACTORS` can be multiplied without overflow."""


class Scratch(NamedTuple):
    """Buffers of a thread, allocated once."""

    phi: Array
    joint: Array
    density: Array
    sums: Array
    rows: Array


@dataclass(frozen=True)
class Standard:
    """How rows are read: for which model, and in the units of all rows."""

    spec: Mixture
    location: Array
    scale: Array


@dataclass(frozen=True, eq=False)
class Survey:
    """Largest value of every column (D, 1), standardised, and the sum of ``log h(x)``."""

    furthest: Array
    base: float

    def __add__(self, other: "Survey") -> "Survey":
        """Survey of both sets of rows."""
        return Survey(np.maximum(self.furthest, other.furthest), self.base + other.base)


@dataclass(frozen=True, eq=False)
class Sums:
    """``S = r phi'`` (K, P) and the log-likelihood without the term of ``h(x)``.

    ``lowest`` is the smallest log-likelihood of a row, up to the constant log K.
    """

    features: Array
    log_likelihood: float
    lowest: float

    def __add__(self, other: "Sums") -> "Sums":
        """Sums over both sets of rows."""
        return Sums(
            self.features + other.features,
            self.log_likelihood + other.log_likelihood,
            min(self.lowest, other.lowest),
        )


class Kernel:
    """Data prepared for many E-steps; a context manager, because it may hold threads.

    A table in memory is prepared once. Blocks that are elsewhere are prepared
    in every pass, which costs a buffer the size of the cache each; the rounding
    error is bounded for all rows together.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    rows : Rows
        Checked data, with their weights.
    """

    has_curvature: ClassVar[bool] = True
    """Whether there is a pass with second moments, which Newton's method needs."""

    n_patterns: ClassVar[int] = 0
    """Number of patterns of observed columns that have sums of their own; 0 where no cell is missing."""

    def __init__(self, spec: Mixture, rows: Rows) -> None:
        self.rows, self.family = rows, exponential(spec)
        self.standard = Standard(spec, *self.family.affine_units(rows))
        self.log_scale = float(np.log(self.standard.scale).sum())
        self.products = Products(self.family, spec.n_components, rows.n_features)
        self.table = Table(self.standard, rows, copied=True) if isinstance(rows, Data) else None
        survey = self._sum(methodcaller("survey"))
        self.largest = self.family.largest_features(survey.furthest[:, 0])
        self.base = survey.base

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.table is not None:
            self.table.close()

    def e_step(self, params: Params, tol: float) -> EStep | None:
        """One pass over the data, or None if rounding errors would matter.

        Parameters
        ----------
        params : dict of ndarray
            Current parameters.
        tol : float
            Error that matters to the caller, in standard deviations of the complete data.

        Returns
        -------
        EStep or None
            As of `estep.e_step`.
        """
        form = self._form(params, tol)
        return None if form is None else self._passed(form, self._sum(methodcaller("sums", form.eta)))

    def curvature(self, params: Params, tol: float) -> Curvature | None:
        """The same pass with second moments of the features.

        It costs about two E-steps for two columns, and more with more features: eight for ten
        columns and full covariances, 26 for 50 Bernoulli columns (measured with five clusters or fewer).

        Parameters
        ----------
        params, tol
            As of `e_step`.

        Returns
        -------
        Curvature or None
            What Newton's method needs from the rows.
        """
        form = self._form(params, tol)
        if form is None:
            return None
        moments = self._sum(methodcaller("moments", form.eta, self.products))
        passed = self._passed(form, moments)
        return None if passed is None else Curvature(passed, moments.within, moments.missing)

    @property
    def units(self) -> tuple[Array, Array]:
        """Location and scale with which rows are standardised."""
        return self.standard.location, self.standard.scale

    def natural(self, params: Params) -> Array:
        """Natural parameters (..., K, P) for these rows, with the log weights included."""
        return NaturalForm.of(self.family, params, *self.units, self.largest, self.log_scale).eta

    def expected(self, params: Params, sums: Array) -> Any:
        """Statistics from many sums (R, K, P), whatever the parameters."""
        return self.family.from_sums(sums, *self.units)

    def _form(self, params: Params, tol: float) -> NaturalForm | None:
        """The natural form, if its rounding error is small enough."""
        try:
            form = NaturalForm.of(self.family, params, *self.units, self.largest, self.log_scale)
        except np.linalg.LinAlgError:  # a covariance that is singular up to rounding
            return None
        fits = form.loss < largest_loss(tol, self.rows.n_rows)  # nor if the loss is not finite
        return form if fits else None

    def _passed(self, form: NaturalForm, sums: Sums | Moments) -> EStep | None:
        """The E-step of a pass; None if some row may be impossible under every cluster."""
        if form.on_edge and not sums.lowest > POSSIBLE_HERE:
            return None
        log_likelihood = self.base + sums.log_likelihood
        magnitude = abs(log_likelihood) + self.rows.n_rows * float(form.terms) / TOLERANCES.em_rounding
        return EStep(self.family.from_sums(sums.features, *self.units), log_likelihood, magnitude)

    def _sum[T](self, f: Callable[["Table"], T]) -> T:
        """Sum of ``f`` over the table, or over the tables that the blocks become during a pass."""
        if self.table is not None:
            return f(self.table)
        alone = isinstance(self.rows, Blocks) and self.rows.side_by_side
        return self.rows.sum_over(partial(_of_block, self.standard, 1 if alone else THREADS, f))


def _of_block[T](standard: Standard, threads: int, f: Callable[["Table"], T], block: Data) -> T:
    table = Table(standard, block, threads=threads)
    try:
        return f(table)
    finally:
        table.close()


class Table:
    """One table of rows prepared for passes.

    Parameters
    ----------
    standard : Standard
        How rows are read.
    data : Data
        The rows.
    threads : int
        Largest number of threads.
    copied : bool
        Whether rows are standardised once, in a copy, where that is not too large.
    """

    def __init__(
        self, standard: Standard, data: Data, *, threads: int = THREADS, copied: bool = False
    ) -> None:
        self.family, self.data = exponential(standard.spec), data
        self.location, self.scale = standard.location, standard.scale
        n, d = data.values.shape
        p = len(self.family.features(np.zeros((d, 1))))
        k = standard.spec.n_components
        self.chunk = min(n, max(SHORTEST, min(LONGEST, CHUNK_VALUES // (k + p))))
        threads = max(1, min(os.cpu_count() or 1, threads, n * (k + p) // THREAD_VALUES))
        self.spans = [(n * t // threads, n * (t + 1) // threads) for t in range(threads)]
        shapes = (p, self.chunk), (k, self.chunk), (self.chunk,), (k, p), (d, self.chunk)
        self.scratch = [Scratch(*map(np.empty, shapes)) for _ in self.spans]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.standardised: Array | None = None
        if copied and data.values.nbytes <= COPIED_BYTES and data.mapping is None:
            self.standardised = np.empty((d, n))
            np.subtract(data.values.T, self.location[:, None], out=self.standardised)
            self.standardised /= self.scale[:, None]

    def close(self) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()

    def survey(self) -> Survey:
        """The range of the rows, and the part of their log-likelihood without parameters."""
        furthest, base = np.zeros((self.data.n_features, 1)), 0.0
        for first in range(0, self.data.n_rows, self.chunk):
            rows = self._rows(first, min(first + self.chunk, self.data.n_rows), self.scratch[0])
            np.maximum(furthest, np.abs(rows).max(axis=1, keepdims=True), out=furthest)
            h = self.family.base_measure(rows)
            base += float(
                h.sum() if self.data.weights is None else self.data.weights[first : first + self.chunk] @ h
            )
        return Survey(furthest, base)

    def sums(self, eta: Array) -> Sums:
        """One pass at natural parameters (K, P)."""
        return self._side_by_side(partial(self._sums_of_stretch, eta))

    def moments(self, eta: Array, products: Products) -> Moments:
        """One pass that sums second moments too."""
        return self._side_by_side(partial(self._moments_of_stretch, eta, products))

    def _side_by_side[T: (Sums, Moments)](self, f: Callable[[tuple[int, int], Scratch], T]) -> T:
        """Sum of ``f`` over the stretches, a thread each."""
        return reduce(operator.add, (self.pool.map if self.pool else map)(f, self.spans, self.scratch))

    def _rows(self, first: int, last: int, scratch: Scratch) -> Array:
        """Standardised rows (D, n) of a chunk."""
        if self.standardised is not None:
            return self.standardised[:, first:last]
        rows = scratch.rows[:, : last - first]
        np.subtract(self.data.values[first:last].T, self.location[:, None], out=rows)
        rows /= self.scale[:, None]
        self.data.release()
        return rows

    def _sums_of_stretch(self, eta: Array, span: tuple[int, int], scratch: Scratch) -> Sums:
        """``S`` and the log-likelihood of a stretch of rows."""
        total, log_likelihood, lowest = np.zeros_like(eta), 0.0, np.inf
        for begin in range(*span, self.chunk):
            phi, r, height, low = self._responsibilities(
                eta, begin, min(begin + self.chunk, span[1]), scratch
            )
            log_likelihood, lowest = log_likelihood + height, min(lowest, low)
            np.matmul(r, phi.T, out=scratch.sums)
            total += scratch.sums
        return Sums(total, log_likelihood, lowest)

    def _moments_of_stretch(
        self, eta: Array, products: Products, span: tuple[int, int], scratch: Scratch
    ) -> Moments:
        """The same with the second moments."""
        (k, p), log_likelihood, lowest = eta.shape, 0.0, np.inf
        total = np.zeros((products.n_weights, p, p))
        values = products.n_weights + (p if products.n_distinct is None else products.n_distinct)
        chunk = min(self.chunk, max(NARROWEST, CHUNK_VALUES // values))
        weights = np.empty((products.n_weights, chunk))
        for begin in range(*span, chunk):
            end = min(begin + chunk, span[1])
            phi, r, height, low = self._responsibilities(eta, begin, end, scratch)
            log_likelihood, lowest = log_likelihood + height, min(lowest, low)
            w = None if self.data.weights is None else self.data.weights[begin:end]
            total += products.sums(phi, pair_weights(r, w, weights[:, : end - begin]))
        return Moments(total[:k], total[k:], log_likelihood, lowest)

    def _responsibilities(
        self, eta: Array, begin: int, end: int, scratch: Scratch
    ) -> tuple[Array, Array, float, float]:
        """Features (P, n) of a chunk, responsibilities (K, n) times the rows' weights, log-likelihood.

        Last, the smallest log-likelihood of a row, up to the constant log K.
        """
        phi, joint, density = (x[..., : end - begin] for x in scratch[:3])
        self.family.features(self._rows(begin, end, scratch), out=phi)
        np.matmul(eta, phi, out=joint)
        self._exclude(joint, begin, end)
        highest, ones = None, np.ones(len(eta))
        with np.errstate(over="ignore"):  # it is seen below, and done again
            np.exp(joint, out=joint)
            np.dot(ones, joint, out=density)
        low, high = float(density.min()), float(density.max())
        lowest = np.log(low) if low > 0 else -np.inf
        if not (low > 1 / POSSIBLE and high < POSSIBLE):  # of some row no cluster, or all too much
            np.matmul(eta, phi, out=joint)
            self._exclude(joint, begin, end)
            highest = joint.max(axis=0)
            lowest = float(highest.min())
            joint -= highest
            np.exp(joint, out=joint)
            np.dot(ones, joint, out=density)
            low, high = 1.0, float(len(eta))
        w = None if self.data.weights is None else self.data.weights[begin:end]
        log_likelihood = _sum_of_logs(density, low, high, w)
        if highest is not None:
            log_likelihood += float(highest.sum() if w is None else w @ highest)
        np.reciprocal(density, out=density)
        if w is not None:
            density *= w
        joint *= density
        return phi, joint, log_likelihood, lowest

    def _exclude(self, joint: Array, begin: int, end: int) -> None:
        """Give labelled rows of a chunk to their own cluster alone."""
        if self.data.labels is not None:
            exclude(joint, self.data.labels[begin:end])


def _sum_of_logs(x: Array, low: float, high: float, weights: Array | None) -> float:
    """``sum_i w_i log x_i``; without weights from logarithms of products, while those do not overflow."""
    if weights is not None:
        return float(weights @ np.log(x))
    if not (low > 1 / SAFE and high < SAFE):
        return float(np.log(x).sum())
    whole = len(x) // FACTORS * FACTORS
    products = np.multiply.reduce(x[:whole].reshape(FACTORS, -1), axis=0)
    return float(np.log(products).sum() + np.log(x[whole:]).sum())
