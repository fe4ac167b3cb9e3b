"""MAP estimates from PyMC's log density: compiled once, started many times, polished until flat."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
from rich.progress import track

from mixtures.arguments import check_whole, generator
from mixtures.data.rows import Rows
from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import curvature_at
from mixtures.density.search import Optimum, climb, polish, require_density
from mixtures.errors import CollapseError, InputError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, Interrupted
from mixtures.posterior.starts import model_starts, partition_starts
from mixtures.posterior.target import model_dims, prepare
from mixtures.results.map import MAPFit
from mixtures.types import Array

__all__ = ["best_mode", "fit_map"]


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


def _describe(compiled: CompiledModel, mode: Optimum) -> str:
    if not mode.converged:
        return f"no mode: the search stopped on a slope (gradient {mode.gradient_norm:.1e})"
    curvature = curvature_at(compiled, mode.x)
    if curvature.is_maximum:
        return "a maximum"
    if curvature.is_saddle:
        return "a saddle point"
    return f"flat along {', '.join(curvature.flat[:6])}"
