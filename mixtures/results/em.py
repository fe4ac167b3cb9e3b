"""What `fit_em` returns: the fit and the record of its starts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixtures.arguments import check_kind
from mixtures.brief import model_words, noted, on_a_page, parameter_lines
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Status
from mixtures.messages import counted
from mixtures.results.value import Value
from mixtures.tolerances import TOLERANCES, same_height
from mixtures.types import Array, DeferredModule

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
else:
    pd = DeferredModule("pandas")
    xr = DeferredModule("xarray")

__all__ = ["SWAP", "EMFit", "Restarts", "check_fit", "unlike"]

TIE = 1e-8
"""Difference of objectives that is rounding."""


SWAP = "random swap"
"""The kind of a start made of the best fit before it, with one cluster put elsewhere."""

K_MEANS = "k-means"
"""The kind under which all starts by k-means count, by seeds alone or in other units: they fail alike."""


@dataclass(frozen=True, eq=False)
class Restarts(Value):
    """How every start of EM ended.

    Attributes
    ----------
    log_posterior : ndarray, shape (n_starts,)
        Objective each start reached; NaN where it collapsed. A start that falls hopelessly behind, or
        with many rows ends low on a sample of them, goes no further, and this is the objective there.
    traces : tuple of ndarray
        Objective of each start, iteration by iteration; with ``prior=None`` the log-likelihood.
    params : tuple of dict
        Parameters each start reached (the last before a collapse).
    collapsed : dict of int to str
        Starts that collapsed, with the cluster and the reason.
    best : float
        The best objective known: that of the fit, which a different search may have found.
    kinds : tuple of str
        Kind of each start, such as "k-means" or "neighbourhoods".
    """

    log_posterior: Array
    traces: tuple[Array, ...]
    params: tuple[dict[str, Array], ...]
    collapsed: dict[int, str]
    best: float = np.nan
    kinds: tuple[str, ...] = ()

    @property
    def order(self) -> np.ndarray:
        """Starts that did not collapse, best first."""
        order = np.argsort(-self.log_posterior)
        return order[np.isfinite(self.log_posterior[order])]

    @property
    def winner(self) -> int:
        """The best start that did not collapse: of equal ones the first, in memory as in chunks."""
        return int(np.flatnonzero(self.log_posterior >= np.nanmax(self.log_posterior) - TIE)[0])

    @property
    def reached(self) -> np.ndarray:
        """Which starts reached the best optimum known."""
        best = np.fmax.reduce([self.best, *self.log_posterior])
        return self.log_posterior > best - same_height(best)

    @property
    def n_best(self) -> int:
        """Number of starts that reached the best optimum known."""
        return int(self.reached.sum())

    @property
    def by_kind(self) -> dict[str, tuple[int, int]]:
        """How many starts of each kind reached the best optimum known, and how many were made."""
        reached = Counter(kind for kind, at in zip(self.kinds, self.reached, strict=False) if at)
        return {kind: (reached[kind], made) for kind, made in Counter(self.kinds).items()}

    @property
    def kinds_reached(self) -> set[str]:
        """Kinds of starts that reached the best optimum known, but for swaps, which begin near it.

        The variants of k-means count as one, "k-means", because they fail alike.
        """
        return unlike(kind for kind, (n, _) in self.by_kind.items() if n)

    @property
    def share(self) -> float:
        """Share of the starts that reached the best optimum known, without swaps and those that collapsed."""
        alone = np.isfinite(self.log_posterior)
        if self.kinds:
            alone &= np.array(self.kinds) != SWAP
        return float(self.reached[alone].mean()) if alone.any() else 0.0

    @property
    def confirmed(self) -> bool:
        """Whether starts of more than one kind reached the best optimum known, and not too few of all.

        Starts by k-means are one kind. Swaps begin at the best fit before them, so that they can refute it
        but not support it. Where starts end at many optima, agreement of a few says little about optima
        that no start has found.

        References
        ----------
        Finch, Mendell and Thode (1989), *Journal of the American Statistical Association* 84.
        """
        return len(self.kinds_reached) > 1 and self.share >= TOLERANCES.restarts_alike

    @property
    def unconfirmed(self) -> bool:
        """Whether starts of several kinds were made, and those at the best optimum do not confirm it."""
        return len(unlike(self.kinds)) > 1 and not self.confirmed

    def summary(self) -> "pd.DataFrame":
        """One row per start: its kind, the log posterior it reached, and whether that is the best."""
        return pd.DataFrame(
            {
                "kind": list(self.kinds) or None,
                "log_posterior": self.log_posterior,
                "reached": self.reached,
                "collapsed": [self.collapsed.get(i, "") for i in range(len(self.log_posterior))],
            }
        ).rename_axis("start")

    def __str__(self) -> str:
        """Word the record: "7 of 10 restarts reached the best optimum, 1 collapsed"."""
        text = f"{self.n_best} of {counted(len(self.log_posterior), 'restart')} reached the best optimum"
        text += f", {len(self.collapsed)} collapsed" if self.collapsed else ""
        if not self.unconfirmed or not self.n_best:
            return text
        if not self.kinds_reached:
            return f"{text}, all of them swaps, which begin near the best fit and do not confirm it"
        if len(self.kinds_reached) < 2:
            return f"{text}, unconfirmed by starts of another kind"
        return f"{text}, unconfirmed, as only {self.share:.0%} of those that are not swaps did"

    def __repr__(self) -> str:
        """Word the record, and how far apart the starts ended."""
        ends = self.log_posterior[np.isfinite(self.log_posterior)]
        heights = f"; log posterior {ends.min():.8g} to {ends.max():.8g}" if len(ends) else ""
        return on_a_page(f"Restarts: {self}{heights}")


def unlike(kinds: Iterable[str]) -> set[str]:
    """Kinds of starts that fail in different ways: the variants of k-means count as one, swaps not at all."""
    return {K_MEANS if K_MEANS in kind else kind for kind in kinds} - {SWAP}


@dataclass(frozen=True, eq=False)
class EMFit(Value):
    """A posterior mode (or maximum likelihood estimate) found by EM.

    Attributes
    ----------
    spec : Mixture
        The resolved model.
    params : dict of ndarray
        alpha (K,) and the family's: mu (K, D) with Sigma or sigma2, or p (K, D).
    log_likelihood : float
        Log-likelihood of the data at ``params``, without the prior.
    log_posterior : float
        Log-likelihood plus log prior with its normaliser; with ``prior=None`` that of flat
        weights, log (K - 1)!, as PyMC has it.
    objective_trace : ndarray, shape (n_iter + 1,)
        Objective at the start and after every iteration; never falls. It is the log
        posterior, and with ``prior=None`` the log-likelihood. With
        ``hard=True`` the objective is the classification log-likelihood, the
        joint one of rows and their clusters, plus the log prior.
    converged : bool
        Whether the remaining distance to the limit is below the tolerance.
    n_iter : int
        Iterations of the winning start.
    restarts : Restarts
        How every start ended.
    notes : tuple of str
        What a reader should know: empty clusters, constant columns, a model that no such data identify, an
        interrupt.
    features : tuple of str
        Names of the columns fitted.
    status : Status
        Whether every start was run, and the best one to the end.
    steps : tuple of str, length n_iter
        How each iteration of the winning start moved: "em", or a jump, "newton" or "squarem".
        Empty in files of version 0.1.
    """

    spec: Mixture
    params: dict[str, Array]
    log_likelihood: float
    log_posterior: float
    objective_trace: Array
    converged: bool
    n_iter: int
    restarts: Restarts
    notes: tuple[str, ...]
    features: tuple[str, ...]
    status: Status = Status.WHOLE
    steps: tuple[str, ...] = ()

    def summary(self) -> "pd.DataFrame":
        """Every entry of the parameters by its label."""
        from mixtures.entries import entry_table  # xarray, only now

        return entry_table(self.params, self.spec.dims, self.spec.coords(self.features), "EM")

    def __repr__(self) -> str:
        """Show on one page what was found and how certain it is."""
        how = "converged" if self.converged else "not converged"
        return on_a_page(
            f"EMFit of {model_words(self.spec)}: {how} after {self.n_iter} iterations",
            f"  log-likelihood {self.log_likelihood:.8g}, log posterior {self.log_posterior:.8g}",
            "" if self.interrupted else f"  {self.restarts}",  # a note has how many were run
            parameter_lines(self.params),
            noted(self.notes),
        )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.status is Status.INTERRUPTED

    def to_datatree(self) -> "xr.DataTree":
        """One-draw tree with named dims, so that ArviZ plots EM beside MAP and posterior."""
        from mixtures.trees import point_tree  # xarray, only now

        return point_tree(self.params, self.spec.dims, self.features, self.spec.coords(self.features))


def check_fit(em: EMFit, spec: Mixture) -> Mixture:
    """Return the model with its columns in the order of the fit; refuse a fit of another model."""
    check_kind(EMFit, "what fit_em returned", em=em)
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    spec = spec.like(em.spec)
    found, own = ({name: x.shape for name, x in em.params.items()}, spec.shapes(len(em.features)))
    if found != own or type(em.spec) is not type(spec):
        shapes = [", ".join(f"{name} {shape}" for name, shape in of.items()) for of in (found, own)]
        raise InputError(
            f"em is a fit of another model: its parameters are {shapes[0]}, those of spec are {shapes[1]}"
        )
    return spec.of(em.features, whose="em is")
