"""Marginal likelihood of a mixture: what the data say of a model, its parameters integrated out.

A mixture's posterior has K! images, one a labelling. Whatever sees one of them
only is wrong by log K!, so here target and proposal are taken over the same
set of labellings, and the rest is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from math import factorial
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from mixtures.arguments import check_whole, generator
from mixtures.brief import noted, on_a_page
from mixtures.compiled import CompiledModel
from mixtures.em import fit_em
from mixtures.errors import InputError
from mixtures.families import GMM, Mixture
from mixtures.families.sampled import of_sample
from mixtures.interrupts import whole
from mixtures.modes import prepare
from mixtures.priors import Array
from mixtures.relabelling import match_params
from mixtures.sampling import sample
from mixtures.smc import smc_log_evidence
from mixtures.tolerances import TOLERANCES

__all__ = ["FEWEST_DRAWS", "Evidence", "marginal_likelihood"]

FEWEST_DRAWS = 100
"""Draws a chain that a bridge needs: half of them fit its proposal."""

ALL_LABELLINGS = 5
"""Clusters up to which all K! labellings are gone through."""

PROPOSAL_COMPONENTS, DRAWS_PER_COORDINATE, PROPOSAL_TOLERANCE = 12, 8, 1e-2
"""Gaussians of a proposal at most, the draws that each must have for every coordinate, and EM's tolerance."""

BRIDGE_STEPS = 1000
BRIDGE_CLOSE = 1e-10
"""Iterations of the bridge at most, and the change (nats) at which they end."""


@dataclass(frozen=True)
class Evidence:
    """A marginal likelihood and how far it can be off.

    Attributes
    ----------
    log_marginal_likelihood : float
        Log of the density of the data, parameters integrated over the prior,
        all constants kept.
    standard_error : float
        Its Monte Carlo standard error, in nats.
    method : str
        How it was computed.
    notes : tuple of str
        Reasons to doubt it.
    """

    log_marginal_likelihood: float
    standard_error: float
    method: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """Say the figure, how far it can be off, and why to doubt it."""
        return on_a_page(
            f"Evidence: log marginal likelihood {self.log_marginal_likelihood:.8g}, "
            f"standard error {self.standard_error:.2g} ({self.method})",
            noted(self.notes),
        )


def marginal_likelihood(
    spec: Mixture,
    X: Any,
    *,
    weights: Any = None,
    tree: xr.DataTree | None = None,
    method: str = "bridge",
    runs: int = 4,
    particles: int = 1000,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
) -> Evidence:
    """Estimate the marginal likelihood of a mixture, with its standard error.

    ``"bridge"`` goes from posterior draws to a Gaussian mixture that EM fits to
    them in unconstrained coordinates, repeated for every labelling of the
    clusters: all K! up to five clusters; above, the labelling of a pivot and
    those that exchange two of its clusters, with the posterior held to the same
    labellings, in each of which it has the same share. ``"smc"`` tempers particles from the prior to the
    posterior and needs no draws; it is slower and sees all labellings by itself.

    Parameters
    ----------
    spec : GMM or BMM
        The model. A "default" prior is made from the data and depends on K: the
        marginal likelihoods of several K then compare models with their priors.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    tree : xarray.DataTree, optional
        Posterior sample of the same model and data, for ``"bridge"``; drawn by
        default. Columns are matched to its features by name.
    method : {"bridge", "smc"}, default "bridge"
        How to integrate.
    runs, particles : int, default 4, 1000
        Independent runs of ``"smc"``, from which its standard error comes, and
        particles in each.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Evidence
        Log marginal likelihood and its standard error, in nats.

    Raises
    ------
    InputError
        If the prior is improper, or the tree is not a sample of this model.

    References
    ----------
    Meng and Wong (1996), *Statistica Sinica* 6; Frühwirth-Schnatter (2004),
    *Econometrics Journal* 7 (the standard error, and permuted proposals);
    Gronau et al. (2017), *Journal of Mathematical Psychology* 81; Del Moral,
    Doucet and Jasra (2006), *JRSS B* 68.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> evidence = mx.marginal_likelihood(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> round(evidence.log_marginal_likelihood)
    -1168
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(METHODS)}")
    check_whole(2, runs=runs, particles=particles)
    rng = generator(random_seed)
    if spec.prior is None and not spec.family.flat_is_proper:
        raise InputError(
            f"prior=None of a {type(spec).__name__} is improper: there is no marginal likelihood; "
            "use prior='default' or state a prior"
        )
    if tree is not None:
        spec, X, tree = of_sample(spec, X, tree, weights)
        weights = None
    model, twin, resolved, data = prepare(spec, X, weights)
    assert resolved is not None
    assert data is not None
    compiled = CompiledModel(model, twin)
    if method == "smc":
        logs = smc_log_evidence(compiled, rng, runs=runs, particles=particles, progressbar=progressbar)
        return _of_runs(logs)
    if tree is None:
        tree = whole(sample(resolved, data, random_seed=rng, log_likelihood=False, progressbar=progressbar))
    return bridge_sampling(compiled, resolved, _draws(tree, resolved), rng)


METHODS = ("bridge", "smc")


def _of_runs(logs: Array) -> Evidence:
    """Mean of unbiased estimates of the marginal likelihood, and its standard error."""
    ratios = np.exp(logs - logs.max())
    relative = ratios.std(ddof=1) / np.sqrt(len(ratios)) / ratios.mean()
    log = float(logs.max() + np.log(ratios.mean()))
    return Evidence(
        log, float(relative), f"SMC from the prior, {len(logs)} runs", standard_error_notes(float(relative))
    )


def standard_error_notes(standard_error: float) -> tuple[str, ...]:
    if standard_error < TOLERANCES.evidence_se:
        return ()
    return (
        f"the standard error {standard_error:.2g} is large, and itself not reliable then: draw more, or "
        "compare the methods",
    )


def _draws(tree: xr.DataTree, spec: Mixture) -> dict[str, Array]:
    """Draws (chain, draw, ...) of every parameter, as many as a bridge needs."""
    posterior = tree["posterior"].to_dataset()
    draws = {name: posterior[name].transpose("chain", "draw", *own).values for name, own in spec.dims.items()}
    if draws["alpha"].shape[1] < FEWEST_DRAWS:
        raise InputError(f"a bridge needs at least {FEWEST_DRAWS} draws a chain, half to fit its proposal")
    return draws


# Bridge sampling


def bridge_sampling(
    compiled: CompiledModel, spec: Mixture, draws: Mapping[str, Array], rng: np.random.Generator
) -> Evidence:
    """Fit the proposal to the first half of every chain, cross the bridge with the second."""
    half = draws["alpha"].shape[1] // 2
    first = {name: x[:, :half].reshape(-1, *x.shape[2:]) for name, x in draws.items()}
    second = {name: x[:, half:].reshape(-1, *x.shape[2:]) for name, x in draws.items()}
    x = compiled.unconstrain_draws({name: v[None] for name, v in first.items()})[0]
    best = int(np.argmax(compiled.log_densities(x)))
    labellings = _Labellings(compiled, spec, {name: v[best] for name, v in first.items()})
    proposal = _Proposal.fitted(compiled.unconstrain_draws(_leading(labellings.aligned(first)))[0], rng)

    chains = draws["alpha"].shape[0]
    drawn = compiled.constrain(proposal.draw(len(second["alpha"]), rng))
    at_posterior = labellings.log_ratio(labellings.shuffled(labellings.aligned(second), rng), proposal)
    at_proposal = labellings.log_ratio(labellings.shuffled(drawn, rng), proposal)
    log, error, r_hat = _cross(at_posterior.reshape(chains, -1), at_proposal)
    notes = standard_error_notes(error)
    if not r_hat < TOLERANCES.rhat:
        notes += (f"R-hat of the bridge is {r_hat:.3f}: the chains disagree, draw more",)
    return Evidence(log, error, f"bridge over {len(labellings.orders)} labellings", notes)


def _leading(params: Mapping[str, Array]) -> dict[str, Array]:
    return {name: x[None] for name, x in params.items()}


@dataclass(frozen=True)
class _Proposal:
    """A Gaussian mixture in unconstrained coordinates, fitted by this package's own EM."""

    spec: Mixture
    params: Mapping[str, Array]

    @classmethod
    def fitted(cls, x: Array, rng: np.random.Generator) -> "_Proposal":
        """To draws (N, size): as many components as they can bear, so that tails and modes are covered."""
        k = int(np.clip(len(x) // (DRAWS_PER_COORDINATE * x.shape[1]), 1, PROPOSAL_COMPONENTS))
        em = whole(fit_em(GMM(k), x, n_init=2, random_seed=rng, tol=PROPOSAL_TOLERANCE))
        return cls(em.spec, em.params)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Vectors (n, size)."""
        return self.spec.sample(self.params, n, rng)[0]

    def log_density(self, x: Array) -> Array:
        """At vectors (n, size)."""
        return self.spec.log_likelihood(x, self.params)


class _Labellings:
    """A set S of labellings relative to a pivot, to which target and proposal are both held.

    The pivot cuts the space of parameters into K! regions, one a labelling: the
    cheapest assignment to it. The posterior is the same in each, so on the
    regions of S it integrates to |S| / K! of the marginal likelihood; a draw of
    it there is any draw, aligned and then relabelled by a random member of S.
    Relabelling keeps volume in alpha, mu, Sigma and p, not in unconstrained
    coordinates, so densities are compared over the former.
    """

    def __init__(self, compiled: CompiledModel, spec: Mixture, pivot: Mapping[str, Array]) -> None:
        self.compiled, self.spec, self.pivot = compiled, spec, pivot
        k = spec.n_components
        if k <= ALL_LABELLINGS:
            self.orders = np.array(list(permutations(range(k))))
        else:  # the neighbours into which a Gaussian leaks
            swaps = [np.arange(k) for _ in range(k * (k - 1) // 2 + 1)]
            for order, pair in zip(swaps[1:], combinations(range(k), 2), strict=True):
                order[list(pair)] = pair[::-1]
            self.orders = np.array(swaps)

    def relabelled(self, params: Mapping[str, Array], order: np.ndarray) -> dict[str, Array]:
        """Parameters (N, ...) with clusters in the order (N, K) or (K,)."""
        order = np.broadcast_to(order, (len(params["alpha"]), self.spec.n_components))
        return {
            name: np.take_along_axis(x, order.reshape(*order.shape, *(1,) * (x.ndim - 2)), axis=1)
            if "cluster" in self.spec.dims[name]
            else x
            for name, x in ((name, params[name]) for name in self.spec.dims)
        }

    def aligned(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """Draws relabelled to agree with the pivot."""
        return self.relabelled(params, self._order(params))

    def shuffled(self, params: Mapping[str, Array], rng: np.random.Generator) -> dict[str, Array]:
        """Every draw relabelled by a random member of the set."""
        chosen = self.orders[rng.integers(len(self.orders), size=len(params["alpha"]))]
        return self.relabelled(params, chosen)

    def log_ratio(self, params: Mapping[str, Array], proposal: _Proposal) -> Array:
        """Log of target over proposal, both held to the set of labellings."""
        logs = []
        for order in self.orders:
            x = self.compiled.unconstrain_draws(_leading(self.relabelled(params, np.argsort(order))))[0]
            logs.append(proposal.log_density(x) - self.compiled.constrain_with_jacobian(x)[1])
        log_proposal = logsumexp(logs, axis=0) - np.log(len(self.orders))
        log_target = self.compiled.log_densities(x)  # the same in every labelling
        images = factorial(self.spec.n_components)
        if len(self.orders) < images:
            # a draw's order is the inverse of the labelling it lies in; the set holds every inverse
            inside = (self._order(params)[:, None, :] == self.orders).all(axis=-1).any(axis=-1)
            log_target = np.where(inside, log_target, -np.inf) + np.log(images / len(self.orders))
        return np.where(np.isnan(log_target), -np.inf, log_target) - log_proposal

    def _order(self, params: Mapping[str, Array]) -> np.ndarray:
        return match_params(
            self.spec.family,
            {name: params[name] for name in self.spec.dims},
            {name: self.pivot[name][None] for name in self.spec.dims},
        )


def _cross(at_posterior: Array, at_proposal: Array) -> tuple[float, float, float]:
    """Bridge between log ratios at draws (chain, draw) of the target and at those of the proposal.

    Returns the log integral, its standard error after Frühwirth-Schnatter
    (2004), and R-hat of the terms that the chains contribute.
    """
    n_1, n_2 = at_posterior.size, at_proposal.size
    log, log_before = float(np.median(at_posterior)), np.inf
    effective = float(n_1)
    for _ in range(BRIDGE_STEPS):
        s_1, s_2 = np.log(effective / (effective + n_2)), np.log(n_2 / (effective + n_2))
        over = at_proposal - np.logaddexp(s_1 + at_proposal, s_2 + log)
        under = -np.logaddexp(s_1 + at_posterior, s_2 + log)
        terms = np.exp(under - under.max())
        log_before, log = log, float(logsumexp(over) - np.log(n_2) - logsumexp(under) + np.log(n_1))
        if not np.isfinite(log) or abs(log - log_before) < BRIDGE_CLOSE:
            break
        effective = min(float(n_1), float(array_stats.ess(terms, chain_axis=0, draw_axis=1, method="mean")))
    ratios = np.exp(over - over.max())
    relative = ratios.var() / ratios.mean() ** 2 / n_2 + terms.var() / terms.mean() ** 2 / effective
    r_hat = float(array_stats.rhat(terms, chain_axis=0, draw_axis=1))
    return log, float(np.sqrt(relative)), r_hat
