"""Samplers that need the modes and the curvature there, by name, and the order in which they are tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mixtures.errors import NoApproximation
from mixtures.posterior.chains import Chains
from mixtures.posterior.emptied import share_without_rows
from mixtures.posterior.independent import independent_draws
from mixtures.posterior.peaks import Peak, find_peaks
from mixtures.posterior.runs import Drawn
from mixtures.posterior.split_hmc import split_hmc
from mixtures.posterior.target import MixtureTarget
from mixtures.results.em import EMFit
from mixtures.tolerances import TOLERANCES

__all__ = ["Refused", "draw_about_modes", "in_words", "note_of"]

Refused = dict[str, str]
"""Reasons why samplers did not draw, by the samplers in words."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of a posterior before it is drawn from: modes, and the share with an empty cluster."""

    target: MixtureTarget
    em: EMFit
    peaks: tuple[Peak, ...]
    without_rows: float

    def refuse_empty_clusters(self, limit: float) -> None:
        """Refuse to draw about the modes alone where clusters may well have no rows."""
        if self.without_rows > limit:
            raise NoApproximation(
                f"one under which a cluster may have no rows: up to {self.without_rows:.2g} of the posterior "
                f"may lie there, above {limit:g}, and draws about its modes would miss it"
            )


def _independently(known: _Known, how: Chains, rng: np.random.Generator) -> Drawn:
    known.refuse_empty_clusters(TOLERANCES.proposal_without_rows)
    target = known.target
    return independent_draws(target.compiled, known.em, target.data, known.peaks, how, rng)


def _by_split_hmc(known: _Known, how: Chains, rng: np.random.Generator) -> Drawn:
    if len(known.peaks) > 1:
        raise NoApproximation(f"one with {len(known.peaks)} modes, and split HMC moves about a single one")
    known.refuse_empty_clusters(TOLERANCES.split_without_rows)
    return split_hmc(known.target.compiled, known.peaks[0], how, rng)


@dataclass(frozen=True)
class _AboutModes:
    """A sampler in words, and how it draws."""

    words: str
    draw: Callable[[_Known, Chains, np.random.Generator], Drawn]


SAMPLERS: Mapping[str, _AboutModes] = {
    "laplace": _AboutModes("independent draws", _independently),
    "split_hmc": _AboutModes("split HMC", _by_split_hmc),
}
"""By the names of `mixtures.posterior.chains.ABOUT_MODES`."""


def draw_about_modes(
    target: MixtureTarget, how: Chains, rng: np.random.Generator, em: EMFit
) -> tuple[Drawn | None, Refused]:
    """Draw by the first sampler of ``how.about_modes`` that can, and say why those before it cannot."""
    refused: Refused = {}
    try:
        peaks = find_peaks(target.compiled, em, target.data, rng)
        share = share_without_rows(target.spec, peaks, target.data, rng.spawn(1)[0])
        known = _Known(target, em, peaks, share)
    except NoApproximation as error:
        return None, {SAMPLERS[how.about_modes[0]].words: f"the log density is {error}"}
    for name in how.about_modes:
        sampler = SAMPLERS[name]
        try:
            drawn = sampler.draw(known, how, rng)
        except NoApproximation as error:
            refused[sampler.words] = f"the log density is {error}"
        else:
            attrs = {"sampler": name, **drawn.attrs, **note_of(sampler.words, refused)}
            return replace(drawn, attrs=attrs), refused
    return None, refused


def in_words(sampler: str) -> str:
    """What a sampler does: one of these, or NUTS."""
    return SAMPLERS[sampler].words if sampler in SAMPLERS else "NUTS"


def note_of(words: str, refused: Refused) -> dict[str, str]:
    """Attribute that says why the samplers that were tried before this one did not draw; none if none was."""
    why = "; ".join(f"not {other}: {reason}" for other, reason in refused.items())
    return {"sampler_note": f"{words}, {why}"} if why else {}
