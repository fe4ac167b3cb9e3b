"""The target of a fit: a mixture with checked data, or a user's own model.

PyMC is imported when the density is first needed, so that bad data are refused before that, and not
at all where the programs of the density are kept on disk.
"""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from mixtures.arguments import check_kind
from mixtures.data.known_labels import known_rows
from mixtures.data.table import Data
from mixtures.draws import some_draws
from mixtures.em.estep import e_step
from mixtures.em.problem import problem_of
from mixtures.errors import IdentifiabilityWarning, InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.messages import warn
from mixtures.results.em import EMFit
from mixtures.results.starting import start_of
from mixtures.tolerances import same_height
from mixtures.trees import sampler_stats
from mixtures.types import Array

if TYPE_CHECKING:
    import pymc as pm

    from mixtures.density.compiled import CompiledModel
    from mixtures.density.density import Density

__all__ = ["MixtureTarget", "ModelTarget", "Target", "is_model", "mixture_target", "target_of"]

LOWEST = -1e100
"""Log joint density in place of minus infinity."""


SAME_DRAW = 1e-4
"""Largest relative difference of stored and computed log density at a draw of the same data and prior."""


WORTH_DISTINCT = 2000
"""Number of repeated rows above which compiling a second model of the distinct rows pays."""


@dataclass(frozen=True, eq=False)
class MixtureTarget:
    """A mixture with a concrete prior, and checked data."""

    spec: Mixture
    data: Data

    @property
    def name(self) -> str:
        """The model as Python writes it, with the values of its prior."""
        return repr(self.spec)

    @property
    def coords(self) -> dict[str, Any]:
        """Names of the columns, and of the levels of categories."""
        return self.spec.coords(self.data.features)

    @cached_property
    def compiled(self) -> "Density":
        """Its declared model, compiled, or what is kept of it on disk."""
        from mixtures.density.kept import kept_or_built

        if unidentified := self.spec.family.never_identified(self.spec.n_components, self.data):
            warn(unidentified, IdentifiabilityWarning)
        distinct = self.data.compressed
        if self.data.n_rows - distinct.n_rows < WORTH_DISTINCT:
            return kept_or_built(self.spec, self.data, _compiled)
        return _compiled(self.spec, self.data, distinct)

    @property
    def is_improper(self) -> bool:
        """Whether the posterior is improper."""
        return self.spec.prior is None and not self.spec.family.flat_is_proper

    def check_numbers(self, em: EMFit) -> None:
        """Refuse a fit whose clusters have other numbers than the labels of rows give them."""
        if self.data.labels is None:
            return
        places = np.flatnonzero(known_rows(self.data.labels))
        z = self.data.labels[places]
        log_joint = self.spec.log_joint(em.params)(self.data.values[places].T)
        members = self.data.counts[places] * (z == np.arange(self.spec.n_components)[:, None])
        gain = np.maximum(log_joint, LOWEST) @ members.T  # (cluster, label)
        best = gain[linear_sum_assignment(-gain)].sum()
        if best - np.trace(gain) > same_height(best):
            raise InputError(
                "the clusters of em are not numbered as labels number them: fit em with the same labels"
            )

    def check_same(self, em: EMFit) -> None:
        """Refuse a fit of other rows, weights or labels, with another prior, or that is not at a mode."""
        self.check_numbers(em)
        problem = problem_of(self.spec, self.data, None, None, hard=False)
        point, close = problem.point(em.params), same_height(em.log_posterior)
        if not abs(point.objective - em.log_posterior) < close:
            raise InputError(
                "em is a fit of other data or with another prior: its log posterior is "
                f"{em.log_posterior:.8g}, and here {point.objective:.8g} at its parameters; fit em with "
                "these rows, weights, labels and prior"
            )
        step = problem.m_step(point.statistics)
        rise = 0.0 if problem.defects(step) else problem.point(step).objective - point.objective
        if em.converged and rise > close:
            raise InputError(
                f"em is not at a mode of the model: one step of EM raises its log posterior by {rise:.2g}; "
                "fit em without hold and hard, and with the default tol"
            )

    def check_drawn(self, tree: xr.DataTree) -> None:
        """Refuse a sample of other rows, weights or labels, or of another prior, by the density of a draw."""
        stats = sampler_stats(tree)
        if "log_posterior" not in stats:
            return
        stored = stats["log_posterior"].transpose("chain", "draw").values[0, 0]
        (params,) = some_draws(self.spec, tree.isel(chain=[0], draw=[0]), 1)
        found = e_step(self.spec, self.data, params).log_likelihood + float(self.spec.log_prior(params))
        if abs(found - stored) > SAME_DRAW * max(1, abs(stored)):
            raise InputError(
                "the sample is of other data or of another prior: the log posterior at its first draw is "
                f"{stored:.8g}, and here {found:.8g}; give the rows, weights, labels and prior that were "
                "sampled"
            )

    def check_start(self, start: Mapping[str, Any]) -> Mapping[str, Array]:
        """Check a user's starting point, and move it off the boundary of the parameter space."""
        params = start_of(self.spec, start)
        return self.spec.inside(self.spec.check_params(params, self.data.n_features))


def _compiled(spec: Mixture, data: Data, distinct: Data | None = None) -> "CompiledModel":
    """The declared model of some data, its density computed from the distinct rows if they are given."""
    from mixtures.density.compiled import CompiledModel
    from mixtures.distributions.declare import declare

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)  # the target has warned
        source = None if distinct is None else declare(spec, distinct)
        return CompiledModel(declare(spec, data), source)


@dataclass(frozen=True, eq=False)
class ModelTarget:
    """A user's own ``pymc.Model``, which contains its data."""

    model: "pm.Model"
    spec: None = field(default=None, init=False)
    data: None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """The name that the user gave the model, in quotation marks; often empty."""
        return repr(self.model.name)

    @property
    def coords(self) -> dict[str, Any]:
        """No labels other than the model's own."""
        return {}

    @cached_property
    def compiled(self) -> "CompiledModel":
        """The model, compiled."""
        from mixtures.posterior.user_models import compiled_model

        return compiled_model(self.model)

    def check_start(self, start: Mapping[str, Any]) -> Mapping[str, Array]:
        """Check a user's starting point: one value per free variable."""
        check_kind(Mapping, "a dict of values by variable", start=start)
        missing = [v.name for v in self.model.free_RVs if v.name not in start]
        if missing:
            raise InputError(f"start lacks {', '.join(missing)}")
        return start


Target = MixtureTarget | ModelTarget


def is_model(spec: Any) -> bool:
    """Whether this is a ``pymc.Model``; the test does not import PyMC."""
    return "pymc" in sys.modules and isinstance(spec, sys.modules["pymc"].Model)


def target_of(
    spec: "Mixture | pm.Model",
    X: Any,
    weights: Any = None,
    *,
    missing: str | None = None,
    labels: Any = None,
) -> Target:
    """Check a specification with its data, or a user's model, and resolve the prior."""
    if not is_model(spec):
        return mixture_target(spec, X, weights, missing=missing, labels=labels)
    if any(given is not None for given in (X, weights, missing, labels)):
        raise InputError("a pymc.Model brings its own data; leave X, weights, missing and labels out")
    from mixtures.posterior.user_models import check_model

    check_model(spec)
    return ModelTarget(spec)


def mixture_target(
    spec: Any, X: Any, weights: Any = None, *, missing: str | None = None, labels: Any = None
) -> MixtureTarget:
    """Check a specification with its data and resolve the prior."""
    if X is None and isinstance(spec, Mixture):
        raise InputError("X is missing: pass the data, an array or frame of shape (n, D)")
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    data = spec.table(X, weights, missing, labels)
    return MixtureTarget(resolve(spec, data), data)
