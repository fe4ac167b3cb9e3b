"""What EM maximises: a model on data, with some parameters held."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np

from mixtures.arguments import check_kind
from mixtures.data.cells import as_numbers
from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.em.estep import Assign, EStep, e_step, soft_assignment
from mixtures.em.grouped import FastEStep, GroupedKernel, can_group
from mixtures.em.hard import hard_assignment, worst_rows
from mixtures.em.kernel import Kernel
from mixtures.em.natural import has_natural_form
from mixtures.em.pattern_moments import SecondMoments
from mixtures.errors import CollapseError, InputError
from mixtures.families.assignment import NO_DENSITY
from mixtures.families.labelled import by_name
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.families.supports import POSITIVE, POSITIVE_DEFINITE
from mixtures.messages import did_you_mean
from mixtures.types import Array, Params

__all__ = ["Point", "Problem", "Run", "problem_of"]


@dataclass(frozen=True)
class Problem:
    """What is maximised: a model on data, with some parameters held and soft or hard assignment."""

    spec: Mixture
    data: Rows
    scale: Array
    held: dict[str, Array]
    assign: Assign

    @property
    def has_fast_e_step(self) -> bool:
        """Whether assignment is soft and the components have a natural form."""
        return self.assign is soft_assignment and has_natural_form(self.spec)

    def fast_e_step(self) -> AbstractContextManager[FastEStep | None]:
        """The E-step in natural form, where there is one."""
        if self.has_fast_e_step and not self.data.has_missing:
            return Kernel(self.spec, self.data)
        if self.has_fast_e_step and isinstance(self.data, Data) and can_group(self.spec, self.data):
            return nullcontext(GroupedKernel(self.spec, self.data))
        return nullcontext()

    @property
    def may_collapse(self) -> bool:
        """A likelihood is unbounded only where a parameter can approach a value that it may not have."""
        open_ended = (POSITIVE, POSITIVE_DEFINITE)
        return any(
            each.support in open_ended and each.name not in self.held for each in self.spec.family.parameters
        )

    def check(self, params: Params) -> dict[str, Array]:
        """A user's parameters, with the held ones put in."""
        merged = {**params, **self.held} if isinstance(params, Mapping) else params
        return self.spec.check_params(merged, self.data.n_features)

    def e_step(self, params: Params, kernel: FastEStep | None = None, tol: float = 0.0) -> EStep:
        """One pass over the data, by the kernel where its error is below ``tol``."""
        passed = None if kernel is None else kernel.e_step(params, tol)
        if passed is not None:
            return passed
        passed = e_step(self.spec, self.data, params, self.assign)
        if self.assign is hard_assignment and not passed.statistics.count.all():
            return self._without_empty_clusters(passed, params)
        return passed

    def point(
        self, params: Params, kernel: FastEStep | None = None, tol: float = 0.0, *, curved: bool = False
    ) -> "Point":
        """Parameters with one pass over the data at them, with second moments if asked for and possible."""
        curvature = None if kernel is None or not curved else kernel.curvature(params, tol)
        passed = self.e_step(params, kernel, tol) if curvature is None else curvature.passed
        log_prior = float(self.spec.log_prior(params))
        return Point(
            dict(params),
            passed.log_likelihood,
            passed.log_likelihood + log_prior,
            passed.magnitude + abs(log_prior),
            passed.statistics,
            curvature,
        )

    def refuse_impossible(self, point: "Point") -> None:
        """Refuse parameters under which some row is impossible: the objective has no value there."""
        if point.log_likelihood > -np.inf:
            return
        row = worst_rows(self.spec, self.data, point.params, 1, unlabelled=not self.held)[0]
        if row.height > -np.inf:
            return  # only labelled rows are impossible: the M-step moves their cluster to them
        raise InputError(
            f"at these parameters row {str(row.label)[:80]} is {NO_DENSITY}: move what is given (start, "
            "hold or params) nearer to the data, or off the boundary, such as p of exactly 0 or 1"
        )

    def m_step(self, statistics: Any) -> dict[str, Array]:
        """Parameters that maximise the objective given (..., K) statistics, but for those held."""
        sets = statistics.count.shape[:-1]
        held = {name: np.broadcast_to(x, (*sets, *x.shape)) for name, x in self.held.items()}
        return {**self.spec.maximize(statistics), **held}

    def objective(self, passed: EStep, params: Params) -> float:
        """Objective at the parameters of a pass."""
        return passed.log_likelihood + float(self.spec.log_prior(params))

    def defects(self, params: Params) -> dict[int, str]:
        """Clusters that have collapsed, each with the reason."""
        return self.spec.family.defects(params, self.scale) if self.may_collapse else {}

    def _without_empty_clusters(self, passed: EStep, params: Params) -> EStep:
        """Move the worst-fitted row into every empty cluster, as K-means does, if the objective rises."""
        statistics = passed.statistics
        empty = np.flatnonzero(statistics.count == 0)
        worst = worst_rows(self.spec, self.data, params, len(empty), unlabelled=True)
        for cluster, row in zip(empty, worst, strict=False):
            if np.isposinf(row.height):
                continue  # a labelled row stays in its cluster
            move = np.zeros((self.spec.n_components, 1))
            move[cluster], move[row.cluster] = row.weight, -row.weight
            statistics = statistics + self.spec.expect(params, row.values[:, None], move)
        new = self.m_step(statistics)
        if self.defects(new):
            return passed
        after = e_step(self.spec, self.data, new, self.assign)
        is_gain = self.objective(after, new) > self.objective(passed, params)
        return replace(passed, statistics=statistics) if is_gain else passed


@dataclass(frozen=True)
class Point:
    """Parameters, and what one pass over the data found at them.

    Attributes
    ----------
    params : dict of ndarray
        The parameters.
    log_likelihood, objective : float
        Log-likelihood, and the same with the log prior: what EM raises.
    magnitude : float
        Sum of the absolute terms of the objective: its rounding error is relative to it.
    statistics : object
        Sufficient statistics under the responsibilities: what the M-step needs.
    curvature : SecondMoments or None
        Second moments of the features, if the pass summed them.
    """

    params: dict[str, Array]
    log_likelihood: float
    objective: float
    magnitude: float
    statistics: Any
    curvature: SecondMoments | None = None


@dataclass(frozen=True)
class Run:
    """The state that one start has reached.

    Attributes
    ----------
    params : dict of ndarray
        The parameters.
    log_likelihood : float
        Log-likelihood there.
    trace : sequence of float
        Objective at the start and after every iteration.
    converged : bool
        Whether the limit is nearer than the tolerance.
    steps : tuple of str
        How each iteration moved: by EM's own step, or a jump of which kind.
    accelerator : Accelerator or None
        The rule for the next iteration, with what it has learnt.
    collapse : CollapseError or None
        Why it ended, if a cluster collapsed.
    """

    params: dict[str, Array]
    log_likelihood: float
    trace: Sequence[float]
    converged: bool
    steps: tuple[str, ...] = ()
    accelerator: Any = None
    collapse: CollapseError | None = None

    @property
    def height(self) -> float:
        """Objective at the parameters; -inf where none is known."""
        return self.trace[-1] if len(self.trace) else -np.inf

    def then(self, more: "Run") -> "Run":
        """The run with one that continues it from the point where it ended."""
        if not len(more.trace):
            return self
        return replace(more, trace=(*self.trace[:-1], *more.trace), steps=(*self.steps, *more.steps))


def problem_of(
    spec: Mixture,
    X: Any,
    weights: Any = None,
    hold: Mapping[str, Any] | None = None,
    hard: bool = False,
    missing: str | None = None,
    labels: Any = None,
) -> Problem:
    """Check what is asked for, and resolve the prior."""
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    data = spec.rows(X, weights, missing, labels)
    spec = resolve(spec, data)
    spec.check_mode()
    data = data if hard else data.compressed  # K-means moves single rows into empty clusters
    return Problem(
        spec=spec,
        data=data,
        scale=spec.family.units(data)[1],
        held=_held(spec, {} if hold is None else hold, data.n_features),
        assign=hard_assignment if hard else soft_assignment,
    )


def _held(spec: Mixture, hold: Mapping[str, Any], n_features: int) -> dict[str, Array]:
    """Values to hold, in full shape; refuses a choice under which an M-step is not a maximum."""
    shapes, held = spec.shapes(n_features), {}
    check_kind(
        Mapping, "a dictionary of parameters and their values, such as {'alpha': [0.5, 0.5]}", hold=hold
    )
    for name, value in hold.items():
        if name not in shapes:
            hint = did_you_mean(name, shapes)
            raise InputError(f"hold has {name!r}{hint}; the parameters are {', '.join(shapes)}")
        value = by_name(value, f"hold {name}", spec.dims[name], spec.coords(spec.features or ()))
        array = as_numbers(value, f"hold {name} does not fit shape {shapes[name]}: it is not")
        if not np.isfinite(array).all():
            raise InputError(f"hold {name} is not finite")
        try:
            held[name] = np.broadcast_to(array, shapes[name])
        except ValueError as error:
            raise InputError(f"hold {name} does not fit shape {shapes[name]}: {error}") from error
    for each in spec.parameters:
        if each.name in held and (fault := each.support.fault(held[each.name])):
            raise InputError(f"parameter {each.name} {fault}")
    for first, after in chain.from_iterable(map(pairwise, spec.family.updated_together)):
        if first in held and after not in held:
            raise InputError(
                f"hold {after} too: its update in closed form needs that of {first}, which is held"
            )
    return held
