"""Sampling a posterior: starts, chains, and the tree of their draws with labels aligned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.align import align_tree
from mixtures.clusters.labelled import anchor
from mixtures.data.known_labels import anchored_clusters
from mixtures.errors import ConvergenceWarning, NoApproximation
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.messages import Option, warn, worded
from mixtures.posterior.about_modes import Refused, draw_about_modes, in_words, note_of
from mixtures.posterior.chains import FALLBACK, Chains
from mixtures.posterior.independent import Independent, modes_of
from mixtures.posterior.runs import Drawn, Draws
from mixtures.posterior.samplers import DRAW
from mixtures.posterior.starts import chain_starts, fit_of
from mixtures.posterior.target import MixtureTarget, Target
from mixtures.results.em import EMFit
from mixtures.trees import make_tree

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
    made, centre = _sample(target, how, rng, em)
    to = pivot or centre
    keep = log_likelihood
    if keep is None:
        rows = sum(int(np.prod(values.shape[:1])) for values in target.compiled.observed().values())
        keep = rows * made.draws.x.shape[0] * made.draws.x.shape[1] < KEEP_LOG_LIKELIHOOD

    def finished(drawn: Draws) -> xr.DataTree:
        tree = _tree(target, drawn, keep_log_likelihood=keep, keep_log_prior=log_prior)
        complete = int(drawn.x.shape[:2] == (how.chains, how.draws))
        tree.attrs.update(**made.attrs, complete=complete, model=target.name)
        if drawn.stopped:
            tree.attrs.update(stopped=drawn.stopped, status=drawn.status.value)
        if isinstance(target, MixtureTarget):
            return _aligned(tree, target, made, to)
        from mixtures.posterior.by_model import with_own_labels  # loads PyMC

        return with_own_labels(tree, to, target.compiled, drawn.x)

    try:
        return finished(made.draws)
    except KeyboardInterrupt:  # the long part is done: keep it
        return finished(replace(made.draws, stopped=INTERRUPTED, status=Status.INTERRUPTED))


def _aligned(tree: xr.DataTree, target: MixtureTarget, made: Drawn, to: Mapping[str, Any]) -> xr.DataTree:
    """Align the labels of a mixture's tree; add what else its rows have, and the modes if they are known."""
    _keep_beside(tree, target)
    anchored = anchored_clusters(target.data)
    tree = align_tree(anchor(tree, anchored), to=to)
    if isinstance(made, Independent):
        tree["modes"] = modes_of(made, target.spec, to, target.compiled.coords, anchored)
    return tree


def _keep_beside(tree: xr.DataTree, target: MixtureTarget) -> None:
    """Store what the rows have besides their observed cells: weights, known labels, an exposure."""
    spec, data = target.spec, target.data
    beside = {"weights": data.weights, "labels": data.labels}
    known = {name: xr.Variable("obs_id", x) for name, x in beside.items() if x is not None}
    for name, column in spec.family.row_columns(data.n_features).items():
        if name != "x":
            known[name] = xr.Variable("obs_id", data.values[:, column], {"feature": data.features[column]})
    if known:
        tree["constant_data"] = xr.DataTree(xr.Dataset(known, {"obs_id": data.obs_id}))


def _sample(
    target: Target, how: Chains, rng: np.random.Generator, em: EMFit | None
) -> tuple[Drawn, Mapping[str, Any]]:
    """Draw by the sampler asked for, or by the first that can; and the parameters whose labels draws take."""
    if not how.about_modes:
        return _by_nuts(target, how.sampler, how, rng, em)
    if not isinstance(target, MixtureTarget):
        how.check_model()
        refused = {in_words("laplace"): "a model of your own, whose modes are not known"}
        return _by_nuts(target, FALLBACK, how, rng, em, refused)
    em = fit_of(target, em, rng)
    drawn, refused = draw_about_modes(target, how, rng, em)
    if drawn is not None:
        return _checked(drawn), em.params
    if not how.may_fall_back:
        why = "; ".join(refused.values())
        raise NoApproximation(worded(f"{why}; use ", Option("sampler", "auto"), " or 'blackjax'"))
    return _by_nuts(target, FALLBACK, how, rng, em, refused)


def _by_nuts(
    target: Target,
    sampler: str,
    how: Chains,
    rng: np.random.Generator,
    em: EMFit | None,
    refused: Refused | None = None,
) -> tuple[Drawn, Mapping[str, Any]]:
    """Draw by a sampler of NUTS, and note why others that were tried did not draw."""
    starts, centre = chain_starts(target, em, how.chains, rng)
    drawn = DRAW[sampler](target.compiled, starts, rng, how)
    attrs = {"sampler": sampler, "tune": how.tune, **note_of("NUTS", refused or {})}
    return _checked(Drawn(drawn, attrs)), centre


def _checked(drawn: Drawn) -> Drawn:
    """The same, with a warning if chains were lost."""
    if drawn.draws.status is Status.CHAINS_LOST:
        warn(f"{drawn.draws.stopped}; the other chains are kept", ConvergenceWarning)
    return drawn


def _tree(target: Target, drawn: Draws, *, keep_log_likelihood: bool, keep_log_prior: bool) -> xr.DataTree:
    density, x = target.compiled, drawn.x
    dims, observed = density.dims, density.observed()
    params, log_jacobian = density.constrain_with_jacobian(x)
    stats = {**drawn.statistics, "log_posterior": drawn.statistics["lp"] - log_jacobian}
    groups: dict[str, Mapping[str, Any]] = {"posterior": params, "sample_stats": stats}
    if keep_log_likelihood and observed:
        groups["log_likelihood"] = density.row_log_likelihoods(x)
    if keep_log_prior:
        groups["log_prior"] = density.log_priors(x)
    coords = {**density.coords, **target.coords}
    tree = make_tree(groups, dims, coords)
    if observed:
        tree["observed_data"] = make_tree({"observed_data": observed}, dims, coords)["observed_data"]
    return tree
