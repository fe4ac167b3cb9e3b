"""Sampling a posterior: starts, chains, and the tree of their draws with labels aligned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from mixtures.clusters.align import align_tree
from mixtures.clusters.labelled import EXCHANGEABLE
from mixtures.density.compiled import CompiledModel
from mixtures.density.lowering import known_value
from mixtures.errors import ConvergenceWarning
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.messages import warn
from mixtures.posterior.by_model import align_by_model
from mixtures.posterior.chains import Chains
from mixtures.posterior.nuts import Draws
from mixtures.posterior.samplers import DRAW
from mixtures.posterior.starts import chain_starts
from mixtures.posterior.symmetry import find_symmetry
from mixtures.posterior.target import MixtureTarget, Target
from mixtures.posterior.user_models import model_dims
from mixtures.results.em import EMFit
from mixtures.trees import make_tree
from mixtures.types import Array

__all__ = ["draw"]

KEEP_LOG_LIKELIHOOD = 20_000_000
"""Largest number of row log-likelihoods (draws x rows) stored by default."""


def draw(
    target: Target,
    how: Chains,
    rng: np.random.Generator,
    *,
    em: EMFit | None = None,
    pivot: Mapping[str, Any] | None = None,
    log_likelihood: bool | None = None,
    log_prior: bool = False,
) -> xr.DataTree:
    """What `sample` returns, for checked arguments."""
    compiled = target.compiled
    starts, centre = chain_starts(target, em, how.chains, rng)
    drawn = DRAW[how.sampler](compiled, starts, rng, how)
    if drawn.status is Status.CHAINS_LOST:
        warn(f"{drawn.stopped}; the other chains are kept", ConvergenceWarning)
    keep = log_likelihood
    if keep is None:
        rows = sum(int(np.prod(values.shape[:1])) for values in _observed(compiled.model).values())
        keep = rows * drawn.x.shape[0] * drawn.x.shape[1] < KEEP_LOG_LIKELIHOOD
    model = repr(target.spec or compiled.model.name)

    def finished(drawn: Draws) -> xr.DataTree:
        tree = _tree(compiled, drawn.x, drawn.statistics, keep_log_likelihood=keep, keep_log_prior=log_prior)
        complete = int(drawn.x.shape[:2] == (how.chains, how.draws))
        tree.attrs.update(sampler=how.sampler, tune=how.tune, complete=complete, model=model)
        if drawn.stopped:
            tree.attrs.update(stopped=drawn.stopped, status=drawn.status.value)
        if isinstance(target, MixtureTarget):
            return align_tree(tree, to=pivot or centre)
        symmetry = find_symmetry(compiled, drawn.x[0, -1])
        if symmetry.state == EXCHANGEABLE:
            return align_by_model(tree, pivot or centre, compiled=compiled, symmetry=symmetry)
        tree.attrs.update(labels=symmetry.state, labels_why=symmetry.why)
        return tree

    try:
        return finished(drawn)
    except KeyboardInterrupt:  # the long part is done: keep it
        return finished(replace(drawn, stopped=INTERRUPTED, status=Status.INTERRUPTED))


def _observed(model: pm.Model) -> dict[str, np.ndarray]:
    return {v.name: np.asarray(known_value(model.rvs_to_values[v])) for v in model.observed_RVs}


def _tree(
    compiled: CompiledModel,
    x: Array,
    stats: Mapping[str, Array],
    *,
    keep_log_likelihood: bool,
    keep_log_prior: bool,
) -> xr.DataTree:
    model, dims = compiled.model, model_dims(compiled.model)
    observed = _observed(model)
    params, log_jacobian = compiled.constrain_with_jacobian(x)
    stats = {**stats, "log_posterior": stats["lp"] - log_jacobian}
    groups: dict[str, Mapping[str, Any]] = {"posterior": params, "sample_stats": stats}
    if keep_log_likelihood and observed:
        groups["log_likelihood"] = compiled.row_log_likelihoods(x)
    if keep_log_prior:
        groups["log_prior"] = compiled.log_priors(x)
    coords = {name: values for name, values in model.coords.items() if values is not None}
    tree = make_tree(groups, dims, coords)
    if observed:
        tree["observed_data"] = make_tree({"observed_data": observed}, dims, coords)["observed_data"]
    return tree
