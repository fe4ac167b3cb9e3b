"""The E-step in natural form where cells are missing: rows grouped by their pattern of observed cells.

As in `kernel`, ``L = eta Phi`` and ``S = r Phi'`` are the only operations on the rows; every pattern of
observed columns has natural parameters and sums of its own (see `mixtures.families.forms`), and
what is expected of the missing cells follows from the sums, for a pattern and cluster at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from mixtures.data.known_labels import exclude
from mixtures.data.patterns import Patterns, patterns_of
from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.em.curvature import Curvature, Moments, pair_weights, symmetric_products
from mixtures.em.estep import EStep
from mixtures.em.kernel import Kernel
from mixtures.em.natural import exponential, has_natural_form, largest_loss, on_edge
from mixtures.em.pattern_moments import PatternMoments
from mixtures.families.family import ExponentialFamily
from mixtures.families.forms import ObservedForm
from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES
from mixtures.types import EPS, Array, Params

__all__ = ["BatchEStep", "FastEStep", "Grouped", "GroupedKernel", "can_group"]

CHUNK_VALUES = 262_144
"""Number of responsibilities in a chunk of rows, over all sets of parameters: a share of a core's cache."""


FACTORED_VALUES = 2**22
"""Largest number of entries of the matrices of all patterns and clusters that are held at once."""


FEATURE_VALUES = 2**26
"""Largest number of features, of all rows, that are held in memory."""


NARROWEST = 128
"""Smallest number of rows in a chunk whose features are multiplied with each other."""


SLOPE_VALUES = 2**23
"""Largest number of slopes of the patterns' natural parameters in all coordinates for Newton's method."""


SET_VALUES = 2**21
"""Natural parameters of many sets that are made at once."""


def can_group(spec: Mixture, rows: Rows) -> bool:
    """Whether rows with missing cells are in memory, and their patterns few enough to hold together."""
    if not (has_natural_form(spec) and isinstance(rows, Data)):
        return False
    family, (n, d) = exponential(spec), rows.values.shape
    n_features = len(family.observed_features(np.zeros((d, 1))))
    n_patterns = len(_patterns(family, rows))
    return n * n_features <= FEATURE_VALUES and n_patterns * spec.n_components * d * d <= FACTORED_VALUES


def _patterns(family: ExponentialFamily, data: Data) -> Patterns:
    """Patterns between which natural parameters differ: a single one where features do not covary."""
    if family.by_pattern:
        return patterns_of(data.values)
    n, d = data.values.shape
    return Patterns(np.ones((1, d), dtype=bool), np.arange(n), np.array([0, n]))


@dataclass(frozen=True, eq=False)
class BatchEStep:
    """Results of a pass over the rows at R sets of parameters: arrays (R,), except the statistics.

    ``terms`` is the largest sum of absolute terms of a log density: rounding errors are relative to it.
    """

    log_likelihood: Array
    terms: Array
    statistics: Any

    @classmethod
    def joined(cls, parts: "Sequence[BatchEStep]") -> "BatchEStep":
        """The same of all sets of parameters, from some of them each."""
        if len(parts) == 1:
            return parts[0]
        statistics = _each(lambda *x: np.concatenate(x), *(part.statistics for part in parts))
        log_likelihood = np.concatenate([part.log_likelihood for part in parts])
        return cls(log_likelihood, np.concatenate([part.terms for part in parts]), statistics)


def _each(f: Callable[..., Array], first: Any, *others: Any) -> Any:
    """Statistics whose arrays are ``f`` of those of the given ones, also in the parts they are made of."""
    if isinstance(first, np.ndarray):
        return f(first, *others)
    if isinstance(first, tuple):
        return tuple(_each(f, *parts) for parts in zip(first, *others, strict=True))
    arrays = {each.name: getattr(first, each.name) for each in fields(first)}
    return replace(
        first,
        **{
            name: _each(f, x, *(getattr(one, name) for one in others))
            for name, x in arrays.items()
            if isinstance(x, np.ndarray | tuple)
        },
    )


class Grouped:
    """Rows grouped by pattern and prepared for passes at many sets of parameters.

    Parameters
    ----------
    spec : Mixture
        A resolved model.
    data : Data
        Checked data, with their weights.
    """

    def __init__(self, spec: Mixture, data: Data) -> None:
        self.spec, self.family, self.n_rows = spec, exponential(spec), data.n_rows
        self.location, self.scale = self.family.affine_units(data)
        self.patterns = _patterns(self.family, data)
        order = self.patterns.order
        self.weights = None if data.weights is None else data.weights[order]
        self.labels = None if data.labels is None else data.labels[order]
        rows = np.ascontiguousarray(((data.values[order] - self.location) / self.scale).T)
        self.phi = self.family.observed_features(rows)
        self.largest = np.abs(self.phi).max(axis=1)
        h = self.family.base_measure(rows)
        self.base = float(h.sum() if self.weights is None else self.weights @ h)

    def passed(self, params: Params) -> BatchEStep:
        """One pass at sets of parameters along a leading axis."""
        sets = len(params["alpha"])
        d, k = len(self.location), self.spec.n_components
        size = max(1, FACTORED_VALUES // (len(self.patterns) * k * d * d))
        parts = [
            self._passed({name: x[first : first + size] for name, x in params.items()})
            for first in range(0, sets, size)
        ]
        return BatchEStep.joined(parts)

    def eta(self, params: Params) -> Array:
        """Natural parameters (R, S, K, P) of the patterns, the logarithm of the weights in them."""
        return self._formed(params)[1]

    def sums(self, params: Params) -> tuple[Array, Array]:
        """Sums ``S = r phi'`` (R, S, K, P) of the patterns' rows, and log-likelihoods (R,), of parameters."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._sums(self.eta(params))

    def _formed(self, params: Params) -> tuple[ObservedForm, Array]:
        """The components in natural form, and what `eta` says of them."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            standard = self.family.rescaled(params, self.location, self.scale)
            form = self.family.observed_form(standard, self.patterns.observed, np.log(self.scale))
            eta = form.eta
            eta[..., 0] += np.log(params["alpha"])[:, None, :]
            return form, eta

    def _passed(self, params: Params) -> BatchEStep:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            form, eta = self._formed(params)
            terms = (np.abs(eta) @ self.largest).max(axis=(-2, -1))
            sums, log_likelihood = self._sums(eta)
            return BatchEStep(
                log_likelihood + self.base, terms, form.statistics(sums, self.location, self.scale)
            )

    def _sums(self, eta: Array) -> tuple[Array, Array]:
        """Sums ``S = r phi'`` (R, S, K, P) of the patterns' rows, and log-likelihoods (R,)."""
        sets, _, k, p = eta.shape
        sums, log_likelihood = np.zeros_like(eta), np.zeros(sets)
        for s in range(len(self.patterns)):
            own = np.ascontiguousarray(eta[:, s])
            for rows in self._chunks(s, max(1, CHUNK_VALUES // (sets * k))):
                r, heights = self._responsibilities(own, rows)
                log_likelihood += heights
                sums[:, s] += (r.reshape(sets * k, -1) @ self.phi[:, rows].T).reshape(sets, k, p)
        return sums, log_likelihood

    def _chunks(self, pattern: int, size: int) -> Iterator[slice]:
        """Rows of a pattern, a stretch of them at a time."""
        begin, end = self.patterns.ends[pattern : pattern + 2]
        return (slice(first, min(first + size, end)) for first in range(begin, end, size))

    def _responsibilities(self, eta: Array, rows: slice) -> tuple[Array, Array]:
        """Responsibilities (R, K, n) of rows of a pattern times their weights, and log-likelihoods (R,)."""
        sets, k, p = eta.shape
        joint = (eta.reshape(-1, p) @ self.phi[:, rows]).reshape(sets, k, -1)
        if self.labels is not None:
            exclude(joint, self.labels[rows])
        highest = joint.max(axis=1, keepdims=True)
        joint -= highest
        np.exp(joint, out=joint)
        density = joint.sum(axis=1, keepdims=True)
        per_row = (np.log(density) + highest)[:, 0]
        if self.weights is None:
            joint /= density
            return joint, per_row.sum(axis=1)
        w = self.weights[rows]
        joint *= w / density
        return joint, per_row @ w

    @cached_property
    def nonzero(self) -> list[np.ndarray]:
        """For every pattern, the features that are not 0 in all of its rows."""
        ends = self.patterns.ends
        return [np.flatnonzero(self.phi[:, first:last].any(axis=1)) for first, last in pairwise(ends)]

    def moments(self, params: Params) -> tuple[BatchEStep, list[Moments]]:
        """One pass at a single set of parameters, with the second moments of every pattern's features."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            form, eta = self._formed({name: x[None] for name, x in params.items()})
            terms = (np.abs(eta) @ self.largest).max(axis=(-2, -1))
            each = [self._moments(eta[:, s], s) for s in range(len(self.patterns))]
        sums = np.zeros_like(eta)
        for s, (nonzero, own) in enumerate(zip(self.nonzero, each, strict=True)):
            sums[0, s][:, nonzero] = own.features
        log_likelihood = np.array([sum(own.log_likelihood for own in each) + self.base])
        return BatchEStep(log_likelihood, terms, form.statistics(sums, self.location, self.scale)), each

    def _moments(self, eta: Array, s: int) -> Moments:
        k, nonzero = eta.shape[1], self.nonzero[s]
        n_weights = k * (k + 1) // 2
        size = max(NARROWEST, CHUNK_VALUES // (n_weights + len(nonzero)))
        total, height = np.zeros((n_weights, len(nonzero), len(nonzero))), 0.0
        weights = np.empty((n_weights, size))
        for rows in self._chunks(s, size):
            r, heights = self._responsibilities(eta, rows)
            w = None if self.weights is None else self.weights[rows]
            phi = self.phi[nonzero, rows]
            total += symmetric_products(phi, pair_weights(r[0], w, weights[:, : phi.shape[1]]))
            height += float(heights[0])
        return Moments(total[:k], total[k:], height, -np.inf)

    def expected(self, params: Params, sums: Array) -> Any:
        """Statistics of the complete data from sums (R, S, K, P), under one set of parameters or R."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._formed(params)[0].statistics(sums, self.location, self.scale)


class GroupedKernel:
    """The fast E-step of rows with missing cells, by the interface of `mixtures.em.kernel.Kernel`."""

    def __init__(self, spec: Mixture, data: Data) -> None:
        self.grouped, self.family, self.n_rows = Grouped(spec, data), exponential(spec), data.n_rows

    @property
    def units(self) -> tuple[Array, Array]:
        """Location and scale with which rows are standardised."""
        return self.grouped.location, self.grouped.scale

    @property
    def n_patterns(self) -> int:
        """Number of patterns with natural parameters of their own; 1 where features do not covary."""
        return len(self.grouped.patterns)

    @property
    def has_curvature(self) -> bool:
        """Whether the slopes of all patterns fit in memory."""
        spec, (p, d) = self.grouped.spec, (len(self.grouped.phi), len(self.grouped.location))
        return spec.parameter_count(d) * self.n_patterns * spec.n_components * p <= SLOPE_VALUES

    def e_step(self, params: Params, tol: float) -> EStep | None:
        """One pass over the data, or None if rounding errors would matter or a row may be impossible."""
        if on_edge(self.family, params):
            return None
        return self._passed(self.grouped.passed({name: x[None] for name, x in params.items()}), tol)

    def curvature(self, params: Params, tol: float) -> PatternMoments | None:
        """The same pass with second moments of the features, if there is room for their slopes."""
        if on_edge(self.family, params) or not self.has_curvature:
            return None
        found, each = self.grouped.moments(params)
        passed = self._passed(found, tol)
        if passed is None:
            return None
        shape = len(each), self.grouped.spec.n_components, len(self.grouped.phi)
        parts = [Curvature(passed, own.within, own.missing) for own in each]
        return PatternMoments(passed, shape, self.grouped.nonzero, parts)

    def _passed(self, found: BatchEStep, tol: float) -> EStep | None:
        if not self._is_exact(found, tol):
            return None
        log_likelihood = float(found.log_likelihood[0])
        magnitude = abs(log_likelihood) + self.n_rows * float(found.terms[0]) / TOLERANCES.em_rounding
        statistics = _each(lambda x: x[0], found.statistics)
        return EStep(statistics, log_likelihood, magnitude)

    def is_exact(self, params: Params, tol: float) -> bool:
        """Whether no digits are lost at these parameters that a step of this size would show."""
        return self._is_exact(self.grouped.passed({name: x[None] for name, x in params.items()}), tol)

    def _is_exact(self, found: BatchEStep, tol: float) -> bool:
        return bool(EPS * found.terms[0] < largest_loss(tol, self.n_rows))

    def natural(self, params: Params) -> Array:
        """Natural parameters (R, S, K, P) of the patterns, of many sets of parameters."""
        return np.concatenate([self.grouped.eta(some) for some, _ in self._batches(params)])

    def expected(self, params: Params, sums: Array) -> Any:
        """Statistics of the complete data from sums (R, S, K, P), under one set of parameters or R."""
        if len(params["alpha"]) == 1:
            return self.grouped.expected(params, sums)
        parts = [self.grouped.expected(some, sums[sets]) for some, sets in self._batches(params)]
        return _each(lambda *x: np.concatenate(x), *parts) if len(parts) > 1 else parts[0]

    def _batches(self, params: Params) -> Iterator[tuple[Params, slice]]:
        """Some of many sets of parameters at a time, and which they are."""
        sets = len(params["alpha"])
        one = self.n_patterns * self.grouped.spec.n_components * len(self.grouped.phi)
        size = max(1, SET_VALUES // one)
        for first in range(0, sets, size):
            some = slice(first, first + size)
            yield {name: x[some] for name, x in params.items()}, some


type FastEStep = Kernel | GroupedKernel
"""The E-step in natural form, with data prepared for many passes."""
