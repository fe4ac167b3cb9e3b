"""The target of a fit: a mixture with checked data, or a user's own model.

PyMC is imported when the density is first needed, so that bad data are refused before that.
"""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mixtures.arguments import check_kind
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.errors import IdentifiabilityWarning, InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.types import Array

if TYPE_CHECKING:
    import pymc as pm

    from mixtures.density.compiled import CompiledModel

__all__ = ["MixtureTarget", "ModelTarget", "Target", "is_model", "mixture_target", "target_of"]

WORTH_DISTINCT = 2000
"""Number of repeated rows above which compiling a second model of the distinct rows pays."""


@dataclass(frozen=True, eq=False)
class MixtureTarget:
    """A mixture with a concrete prior, and checked data."""

    spec: Mixture
    data: Data

    @cached_property
    def compiled(self) -> "CompiledModel":
        """Its declared model, compiled."""
        from mixtures.density.compiled import CompiledModel
        from mixtures.distributions.declare import declare

        model, distinct = declare(self.spec, self.data), self.data.compressed
        if self.data.n_rows - distinct.n_rows < WORTH_DISTINCT:
            return CompiledModel(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentifiabilityWarning)  # the first model has already warned
            return CompiledModel(model, declare(self.spec, distinct))

    @property
    def is_improper(self) -> bool:
        """Whether the posterior is improper."""
        return self.spec.prior is None and not self.spec.family.flat_is_proper

    def check_start(self, start: Mapping[str, Any]) -> Mapping[str, Array]:
        """Check a user's starting point, and move it off the boundary of the parameter space."""
        return self.spec.inside(self.spec.check_params(start, self.data.n_features))


@dataclass(frozen=True, eq=False)
class ModelTarget:
    """A user's own ``pymc.Model``, which contains its data."""

    model: "pm.Model"
    spec: None = field(default=None, init=False)
    data: None = field(default=None, init=False)

    @cached_property
    def compiled(self) -> "CompiledModel":
        """The model, compiled."""
        from mixtures.density.compiled import CompiledModel

        return CompiledModel(self.model)

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


def target_of(spec: "Mixture | pm.Model", X: Any, weights: Any = None) -> Target:
    """Check a specification with its data, or a user's model, and resolve the prior."""
    if not is_model(spec):
        return mixture_target(spec, X, weights)
    if X is not None or weights is not None:
        raise InputError("a pymc.Model brings its own data; leave X and weights out")
    from mixtures.posterior.user_models import check_model

    check_model(spec)
    return ModelTarget(spec)


def mixture_target(spec: Any, X: Any, weights: Any = None) -> MixtureTarget:
    """Check a specification with its data and resolve the prior."""
    if X is None and isinstance(spec, Mixture):
        raise InputError("X is missing: pass the data, an array or frame of shape (n, D)")
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    data = spec.ordered(as_data(X, weights), X)
    return MixtureTarget(resolve(spec, data), data)
