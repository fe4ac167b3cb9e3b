"""Proposals with their importance weights, and a proposal tuned by a pilot of them."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from mixtures.clusters.rules import Anchors
from mixtures.density.density import Density
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.posterior.folding import Region
from mixtures.posterior.peaks import Peak
from mixtures.posterior.proposal import Proposal
from mixtures.types import Array

__all__ = ["PILOT", "Tuned", "Weighed", "tune"]

PILOT = 500
"""Proposals by which the proposal is tuned."""


PILOT_DF, DFS = 30.0, (10.0, 30.0, 1000.0)
"""Degrees of freedom of the pilot's components, and those to choose from."""


DEFENCE = 0.1
"""Share of the proposals that goes to all modes evenly, whatever their estimated masses."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """Proposals in the region, with their weights.

    Attributes
    ----------
    x : ndarray, shape (N, size)
        Unconstrained coordinates.
    log_density : ndarray, shape (N,)
        Log posterior density there; minus infinity outside the region.
    log_weights : ndarray, shape (N,)
        Log of posterior density over proposal density.
    mode : ndarray of int, shape (N,)
        The mode whose component is most likely to have made it.
    """

    x: Array
    log_density: Array
    log_weights: Array
    mode: np.ndarray

    @classmethod
    def of(cls, region: Region, proposal: Proposal, x: Array) -> "Weighed":
        """Fold proposals into the region, and weigh them."""
        folded = region.fold(proposal, x)
        log_density = _log_density(region.density, folded.x, folded.inside)
        return cls._weighed(folded.x, log_density, proposal, folded.log_components(proposal))

    @classmethod
    def _weighed(cls, x: Array, log_density: Array, proposal: Proposal, components: Array) -> "Weighed":
        log_weights = _ratio(log_density, proposal.log_density(components))
        return cls(x, log_density, log_weights, proposal.shares(components).argmax(axis=1))

    def under(self, region: Region, proposal: Proposal) -> "Weighed":
        """The same points with their weights under another proposal."""
        components = region.fold(proposal, self.x).log_components(proposal)
        return self._weighed(self.x, self.log_density, proposal, components)

    def __getitem__(self, chosen: np.ndarray) -> "Weighed":
        """Some of the proposals."""
        return Weighed(**{name: values[chosen] for name, values in vars(self).items()})

    def __add__(self, more: "Weighed") -> "Weighed":
        """Both sets of proposals."""
        others = vars(more)
        return Weighed(**{name: np.concatenate([x, others[name]]) for name, x in vars(self).items()})


def _log_density(density: Density, x: Array, inside: np.ndarray) -> Array:
    """Log density at vectors inside the region; zero density outside and where it is not a number."""
    values = np.full(len(x), -np.inf)
    values[inside] = density.log_densities(x[inside], jacobian=True)
    return np.where(np.isnan(values), -np.inf, values)


def _ratio(log_density: Array, log_proposal: Array) -> Array:
    """Log weights; zero weight where the density is zero, whatever the proposal's is."""
    return np.where(np.isneginf(log_density), -np.inf, log_density - log_proposal)


@dataclass(frozen=True, eq=False)
class Tuned:
    """A proposal and a region tuned by a pilot.

    Attributes
    ----------
    region : Region
        With the relabellings that proposals need.
    proposal : Proposal
        With the degrees of freedom and weights that make the weights vary least.
    pilot : Weighed
        The pilot, weighed under the proposal that it was drawn from.
    efficiency : float
        Effective share of the proposals to come, estimated by the pilot.
    """

    region: Region
    proposal: Proposal
    pilot: Weighed
    efficiency: float


def tune(
    density: Density,
    spec: Mixture,
    scale: Array,
    peaks: tuple[Peak, ...],
    rng: np.random.Generator,
    anchored: Anchors = (),
) -> Tuned:
    """Choose relabellings, degrees of freedom and weights of the modes by a pilot."""
    evidence = np.array([peak.log_evidence for peak in peaks])
    proposal = Proposal(peaks, _defended(np.exp(evidence - logsumexp(evidence))), PILOT_DF)
    x = proposal.draw(PILOT, rng)
    identity = Region.identity(density, spec, scale, anchored)
    orders = identity.orders(proposal, identity.constrain(x)[0])
    region = identity.widened(orders[orders[:, 0] >= 0])
    pilot = Weighed.of(region, proposal, x)
    if not np.isfinite(pilot.log_weights).any():
        raise NoApproximation("zero at all proposals about its modes")
    folded = region.fold(proposal, pilot.x)
    weights = np.exp(pilot.log_weights - pilot.log_weights.max())
    mass = weights @ np.nan_to_num(proposal.shares(folded.log_components(proposal))) / weights.sum()
    candidates = [replace(proposal, weights=_defended(mass), df=df) for df in DFS]
    moments = []  # second moments of the weights under each, estimated from the pilot's
    for each in candidates:
        log_proposal = each.log_density(folded.log_components(each))
        moments.append(logsumexp(pilot.log_weights + _ratio(pilot.log_density, log_proposal)))
    best = int(np.argmin(moments))
    efficiency = float(np.exp(2 * logsumexp(pilot.log_weights) - np.log(PILOT) - moments[best]))
    return Tuned(region, candidates[best], pilot, efficiency)


def _defended(mass: Array) -> Array:
    return (1 - DEFENCE) * mass + DEFENCE / len(mass)
