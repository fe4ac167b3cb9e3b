"""MAP estimates from PyMC's log density: compiled once, started many times, polished until flat."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from rich.progress import track

from mixtures.arguments import check_kind, check_whole, generator
from mixtures.brief import model_words, on_a_page, parameter_lines
from mixtures.compiled import CompiledModel
from mixtures.data import Data, as_data
from mixtures.declaration import declare
from mixtures.distributions.marginal import MarginalMixtureRV, as_given
from mixtures.errors import CollapseError, IdentifiabilityWarning, InputError
from mixtures.families import Mixture, resolve
from mixtures.families.start import random_partition, random_starts
from mixtures.interrupts import INTERRUPTED, Interrupted
from mixtures.lowering import known_value
from mixtures.optimise import Optimum, climb, curvature_at, polish, reach, require_density
from mixtures.priors import Array
from mixtures.rows import Rows
from mixtures.tolerances import same_height
from mixtures.trees import make_tree

__all__ = [
    "MAPFit",
    "best_mode",
    "fit_map",
    "model_dims",
    "model_starts",
    "partition_starts",
    "prepare",
]


@dataclass(frozen=True)
class MAPFit:
    """A posterior mode found on PyMC's log density.

    Attributes
    ----------
    spec : GMM, BMM or None
        The resolved model; None for a user's own.
    params : dict of ndarray
        Free variables at the mode, and deterministics of a user's model.
    log_posterior : float
        Log density there, over the model's own variables (no Jacobian).
    gradient_norm : float
        Largest gradient component there, in unconstrained coordinates.
    converged : bool
        Whether the gradient is flat, or Newton's method has less than 1e-5 posterior sds to go.
    found : str
        What kind of point it is: a maximum, flat in named directions, no mode, or
        where an interrupt ended the search.
    log_posteriors : ndarray, shape (n_starts,)
        Where every start ended; NaN where it ran off to a degenerate cluster.
        After an interrupt, those that were run.
    dims, coords : dict
        Dims of every variable and coordinates of every dim, for `to_datatree`.
    """

    spec: Mixture | None
    params: dict[str, Array]
    log_posterior: float
    gradient_norm: float
    converged: bool
    found: str
    log_posteriors: Array
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, Any]

    def __repr__(self) -> str:
        """Say on a page what was found and how sure that is."""
        how = "converged" if self.converged else "not converged"
        return on_a_page(
            f"MAPFit of {model_words(self.spec)}: {how}, {self.found}",
            f"  log posterior {self.log_posterior:.8g}, largest component of its gradient "
            f"{self.gradient_norm:.2g}",
            f"  {self.n_best} of {len(self.log_posteriors)} starts reached it",
            parameter_lines(self.params),
        )

    @property
    def n_best(self) -> int:
        """Number of starts that reached this mode's height."""
        return int(np.sum(self.log_posteriors > self.log_posterior - same_height(self.log_posterior)))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.found.startswith(INTERRUPTED)

    def to_datatree(self) -> xr.DataTree:
        """One-draw tree with named dims, so that ArviZ plots MAP beside EM and posterior."""
        return make_tree(
            {"posterior": {name: x[None, None] for name, x in self.params.items()}}, self.dims, self.coords
        )


def fit_map(
    spec: Mixture | pm.Model,
    X: Any = None,
    *,
    weights: Any = None,
    start: Mapping[str, Any] | None = None,
    n_init: int = 10,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = False,
) -> MAPFit:
    """Find the posterior mode of a mixture on PyMC's log density.

    The model compiles once; every start climbs by L-BFGS and is polished by
    Newton steps until the gradient is flat. With ``prior=None`` this is the
    maximum likelihood estimate.

    Parameters
    ----------
    spec : GMM, BMM or pymc.Model
        The model. A user's own model brings its data with it.
    X : array_like or frame, shape (n, D), optional
        The data; needed with a GMM or BMM, refused with a ``pymc.Model``.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. Refused with a
        ``pymc.Model``.
    start : dict of ndarray, optional
        Values of the free variables to start from, instead of ``n_init`` starts
        (from k-means partitions), for columns in the order of `fit_em`'s.
    n_init : int, default 10
        Number of starts.
    random_seed : int or numpy.random.Generator, optional
        Seed of the starts.
    progressbar : bool, default False
        Show the progress over the starts.

    Returns
    -------
    MAPFit
        The best mode and where every start ended. After Ctrl-C it is the best
        point reached, not converged; before there is one, the interrupt goes on.

    Raises
    ------
    InputError
        If the data do not fit the model, or the prior has no mode.
    CollapseError
        If every start ran off to a degenerate cluster.

    Examples
    --------
    >>> import mixtures as mx
    >>> mode = mx.fit_map(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> round(mode.log_posterior, 3), mode.found
    (-1157.165, 'a maximum')
    """
    model, twin, resolved, data = prepare(spec, X, weights)
    if resolved is not None:
        resolved.check_mode()
    check_whole(1, n_init=n_init)
    rng = generator(random_seed)
    if start is not None and resolved is not None and data is not None:
        start = resolved.inside(resolved.check_params(start, data.n_features))
    compiled = CompiledModel(model, twin)
    if start is not None:
        missing = [name for name in compiled.rv_shapes if name not in start]
        if missing:
            raise InputError(f"start lacks {', '.join(missing)}")
        starts = [compiled.unconstrain(start)]
    elif resolved is not None and data is not None:
        starts = partition_starts(compiled, resolved, data, n_init, rng)
    else:
        starts = model_starts(compiled, n_init, rng)
    return best_mode(compiled, starts, resolved, data, progressbar=progressbar)


WORTH_A_TWIN = 2000
"""Rows that a twin must save, to be worth compiling."""

Prepared = tuple[pm.Model, pm.Model | None, Mixture | None, Data | None]
"""A model; its twin over distinct rows, if rows repeat; the specification and data, unless it is a user's."""


def prepare(spec: Mixture | pm.Model, X: Any, weights: Any = None) -> Prepared:
    """Model of a specification and its data, or a user's own model as it is."""
    if isinstance(spec, pm.Model):
        if X is not None or weights is not None:
            raise InputError("a pymc.Model brings its own data; leave X and weights out")
        if not spec.free_RVs:
            raise InputError("the model has no free variables")
        discrete = [v.name for v in spec.free_RVs if not v.dtype.startswith("float")]
        if discrete:
            raise InputError(
                f"free variables {', '.join(discrete)} are discrete, and the search and the samplers follow "
                "slopes: sum them out of the density, or observe them"
            )
        check_observed(spec)
        return spec, None, None, None
    if X is None:
        raise InputError("X is missing: pass the data, an array or frame of shape (n, D)")
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    data = spec.ordered(as_data(X, weights), X)
    resolved = resolve(spec, data)
    model, distinct = declare(resolved, data), data.compressed
    if data.n_rows - distinct.n_rows < WORTH_A_TWIN:
        return model, None, resolved, data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentifiabilityWarning)  # said of the model itself
        return model, declare(resolved, distinct), resolved, data


def check_observed(model: pm.Model) -> None:
    """Check the rows of a model's mixtures once more: ``pm.Data`` may hold anything by now."""
    for v in model.observed_RVs:
        if isinstance(v.owner.op, MarginalMixtureRV):
            rows = np.asarray(known_value(as_given(model.rvs_to_values[v])))
            try:
                v.owner.op.check(as_data(rows.reshape(-1, rows.shape[-1])))
            except InputError as error:
                raise InputError(f"observed '{v.name}': {error}") from None


def best_mode(
    compiled: CompiledModel,
    starts: list[Array],
    spec: Mixture | None,
    data: Rows | None,
    *,
    progressbar: bool = False,
) -> MAPFit:
    """Climb from every start and describe the best mode, or the best point there is at an interrupt."""
    if spec is None:
        require_density(compiled, starts)
    ends: list[Array] = []
    interrupted = ""
    try:
        for start in track(starts, "MAP", transient=True, disable=not progressbar):
            ends.append(climb(compiled.value_and_grad, start))
    except KeyboardInterrupt as error:
        interrupted = f"{INTERRUPTED}: {len(ends)} of {len(starts)} starts were run"
        ends += [error.partial] if isinstance(error, Interrupted) else []
        if not ends:
            raise
    params = [compiled.constrain(x) for x in ends]
    heights = np.array([compiled.value_and_grad(x)[0] for x in ends])
    if spec is not None and data is not None:
        scale = spec.family.units(data)[1]
        degenerate = [bool(spec.family.defects(p, scale)) for p in params]
        heights[degenerate] = np.nan
    heights[~np.isfinite(heights)] = np.nan
    if np.isnan(heights).all():
        raise CollapseError(
            f"all {len(ends)} starts ran off to a degenerate cluster; use prior='default', "
            "fewer components or a simpler covariance_type",
            params[0],
            [],
        )
    best = int(np.nanargmax(heights))
    value, gradient = compiled.value_and_grad(ends[best])
    mode = Optimum(ends[best], value, float(np.abs(gradient).max(initial=0)))
    try:
        if not interrupted:
            mode = polish(compiled, ends[best])
            heights[best] = mode.log_density
            found = _describe(compiled, mode)
    except KeyboardInterrupt:
        interrupted = f"{INTERRUPTED}: all starts were run, the best of them was not polished"
    return MAPFit(
        spec=spec,
        params=compiled.constrain(mode.x),
        log_posterior=mode.log_density,
        gradient_norm=mode.gradient_norm,
        converged=mode.converged and not interrupted,
        found=interrupted or found,
        log_posteriors=heights,
        dims=model_dims(compiled.model),
        coords={name: values for name, values in compiled.model.coords.items() if values is not None},
    )


def partition_starts(
    compiled: CompiledModel, spec: Mixture, data: Data, n: int, rng: np.random.Generator
) -> list[Array]:
    """Starts from k-means and k-means++ partitions in turn, independent of EM."""
    return [compiled.unconstrain(spec.inside(params)) for params in random_starts(spec, data, n, rng)]


def model_starts(compiled: CompiledModel, n: int, rng: np.random.Generator) -> list[Array]:
    """Starts for a user's model: where it would be, were the clusters of a k-means partition known.

    From PyMC's initial point, where clusters are equal and no gradient parts
    them, each climbs the complete-data log density of one of our mixtures. A
    model without one, or whose rows each have their own parameters, starts
    from the initial point with normal noise.
    """
    model = compiled.model
    origin = compiled.initial_point(int(rng.integers(2**31)))
    mixtures = [v for v in model.observed_RVs if isinstance(v.owner.op, MarginalMixtureRV)]
    shared = [v for v in mixtures if v.ndim == 2 and v.owner.op.shared(v.owner.op.dist_params(v.owner))]
    if not shared:
        steps = rng.normal(size=(n, origin.size))
        return [origin + reach(compiled, origin, step) * step for step in steps]
    rows = shared[0]
    X = np.asarray(known_value(model.rvs_to_values[rows]), dtype=np.float64)
    standardised = X / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    k = compiled.shape_of(rows.owner.op.dist_params(rows.owner)[0])[-1]
    complete = compiled.complete(rows)
    partitions = [random_partition(standardised, k, rng, lloyd=i % 2 == 0) for i in range(n)]
    return [climb(partial(complete, r), origin) for r in partitions]


def model_dims(model: pm.Model) -> dict[str, tuple[str, ...]]:
    """Dims of every named variable that has them."""
    named = [*model.free_RVs, *model.deterministics, *model.observed_RVs]
    dims = {v.name: model.named_vars_to_dims.get(v.name, ()) for v in named}
    return {name: tuple(d) for name, d in dims.items() if d and None not in d}


def _describe(compiled: CompiledModel, mode: Optimum) -> str:
    if not mode.converged:
        return f"no mode: the search stopped on a slope (gradient {mode.gradient_norm:.1e})"
    curvature = curvature_at(compiled, mode.x)
    if curvature.is_maximum:
        return "a maximum"
    if curvature.is_saddle:
        return "a saddle point"
    return f"flat along {', '.join(curvature.flat[:6])}"
