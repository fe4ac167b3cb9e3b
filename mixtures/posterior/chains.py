"""Options of sampling: the chains, their length and the sampler."""

from dataclasses import dataclass
from importlib.util import find_spec

from mixtures.arguments import check_share, check_whole
from mixtures.errors import InputError
from mixtures.messages import Option, worded

__all__ = ["ABOUT_MODES", "AUTO", "FALLBACK", "SAMPLERS", "Chains"]

NUTS, ABOUT_MODES, AUTO = ("blackjax", "nutpie", "pymc"), ("laplace", "split_hmc"), "auto"
"""Samplers that run NUTS; those that need the modes, in the order in which they are tried; that choice."""


SAMPLERS = (*NUTS, *ABOUT_MODES, AUTO)
"""Samplers by the name that `sample` takes."""


FALLBACK = NUTS[0]
"""Sampler that draws if none of those that need the modes can."""


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Options of `sample` other than the model and the data; options that no sampler accepts are refused.

    Attributes
    ----------
    draws, tune, chains : int
        Draws to keep and warm-up draws before them, per chain; number of chains.
    sampler : {"blackjax", "nutpie", "pymc", "laplace", "split_hmc", "auto"}
        The sampler.
    target_accept : float
        Acceptance rate that warm-up aims at.
    max_treedepth : int
        Trajectories have at most ``2**max_treedepth - 1`` steps.
    cores : int or None
        Number of chains run in parallel; None for the sampler's default.
    progressbar : bool
        Whether progress is shown.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    sampler: str = "blackjax"
    target_accept: float = 0.8
    max_treedepth: int = 10
    cores: int | None = None
    progressbar: bool = True

    def __post_init__(self) -> None:
        """Refuse options that no sampler accepts."""
        if not isinstance(self.sampler, str) or self.sampler not in SAMPLERS:
            known = f" {self.sampler!r:.80} is not one of {', '.join(SAMPLERS)}"
            raise InputError(worded(Option("sampler"), known))
        check_whole(1, draws=self.draws, chains=self.chains, max_treedepth=self.max_treedepth)
        check_whole(0, tune=self.tune)
        check_share(target_accept=self.target_accept)
        if self.cores is not None:
            check_whole(1, cores=self.cores)
        if self.sampler == "nutpie" and find_spec("nutpie") is None:
            missing = " needs nutpie: pip install 'pymc-mixtures[nutpie]'"
            raise InputError(worded(Option("sampler", "nutpie"), missing))
        if self.sampler == "nutpie" and not self.tune:  # on which it panics
            needs = worded(" needs ", Option("tune"), " to be at least 1, got 0")
            raise InputError(worded(Option("sampler", "nutpie"), needs))

    def check_model(self) -> None:
        """Refuse samplers that need the modes for a user's own model."""
        if self.sampler in ABOUT_MODES:
            raise InputError(
                f"sampler={self.sampler!r} needs a model such as GMM(2), whose modes EM finds; a pymc.Model "
                "is drawn by NUTS: sampler='blackjax', 'nutpie' or 'pymc'"
            )

    @property
    def about_modes(self) -> tuple[str, ...]:
        """Samplers to try that need the modes."""
        if self.may_fall_back:
            return ABOUT_MODES
        return tuple(name for name in ABOUT_MODES if name == self.sampler)

    @property
    def may_fall_back(self) -> bool:
        """Whether NUTS draws if none of the samplers that need the modes can."""
        return self.sampler == AUTO

    @property
    def total(self) -> int:
        """Draws of all chains together."""
        return self.draws * self.chains
