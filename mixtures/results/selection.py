"""What `select` and `occupied_clusters` return."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.brief import noted, on_a_page, table_head
from mixtures.interrupts import Status
from mixtures.messages import worded
from mixtures.results.em import EMFit
from mixtures.results.value import Value
from mixtures.results.verdict import Verdict
from mixtures.tolerances import same_height

__all__ = ["OccupiedClusters", "Selection"]


@dataclass(frozen=True, eq=False)
class OccupiedClusters(Value):
    """Posterior of the number of clusters that hold at least one row.

    Attributes
    ----------
    probabilities : pandas.Series
        Probability of every number from 1 to K.
    draws : ndarray of int, shape (chains, draws)
        Number of occupied clusters in every draw.
    verdict : Verdict
        Whether the chains mixed, judged by this number and by quantities that do
        not depend on labels. Labelled parameters are left out, since the label of
        an empty cluster has no meaning.
    """

    probabilities: pd.Series
    draws: np.ndarray
    verdict: Verdict

    @property
    def most_probable(self) -> int:
        """The most probable number."""
        return int(self.probabilities.idxmax())

    def summary(self) -> pd.DataFrame:
        """Probability of every number."""
        return self.probabilities.to_frame("probability")

    def __str__(self) -> str:
        """Word the answer, and whether to trust it."""
        k = self.most_probable
        text = f"{k} occupied clusters with probability {self.probabilities[k]:.2f}"
        return text if self.verdict.passed else f"{text}, but the chains did not mix: {self.verdict}"

    def __repr__(self) -> str:
        """Word the answer, with the probability of every number."""
        return on_a_page(f"OccupiedClusters: {self}", table_head(self.probabilities.to_frame("probability")))


@dataclass(frozen=True, eq=False)
class Selection(Value):
    """Fits with several numbers of clusters, and which to use.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per K: ``log_likelihood``, ``n_parameters``; ``aic``, ``bic``,
        ``icl``, ``caic``, ``sabic`` (lower is better); ``elpd_loo`` with its standard error,
        ``p_loo`` and the number of rows whose Pareto k is not good, and
        ``log_evidence`` with its standard error (higher is better); ``lr`` and ``blrt_p`` of the
        bootstrap likelihood-ratio test against K - 1 clusters; how many of
        ``n_init`` restarts reached the answer (``n_best``), and ``notes``. What
        was not requested has no column; what could not be computed is NaN.
    fits : dict of int to EMFit
        EM's fit by K; a K that could not be fitted is missing.
    samples : dict of int to xarray.DataTree
        Posterior sample by K, where one was drawn.
    criteria : tuple of str
        What was computed.
    best : dict of str to int
        The K that each criterion prefers by itself.
    recommended : int or None
        The recommended K, by ``rule``; None if none could be fitted.
    rule : str
        The rule behind the recommendation, and how it was decided.
    notes : tuple of str
        What a reader should know about the comparison.
    status : Status
        Whether every K was fitted.
    notes_by_k : dict of int to tuple of str
        What a reader should know about each K, of which the column ``notes`` is made.
    """

    table: pd.DataFrame
    fits: Mapping[int, EMFit]
    samples: Mapping[int, xr.DataTree] = field(repr=False)
    criteria: tuple[str, ...]
    best: Mapping[str, int]
    recommended: int | None
    rule: str
    notes: tuple[str, ...]
    status: Status = Status.WHOLE
    notes_by_k: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def contradicts(self, em: EMFit | None) -> bool:
        """Whether the comparison's own fit of the same model reached another optimum than this one."""
        own = None if em is None else self.fits.get(em.spec.n_components)
        if em is None or own is None or own.spec != em.spec:
            return False
        return abs(own.log_posterior - em.log_posterior) > same_height(em.log_posterior)

    @property
    def at_edge(self) -> bool:
        """Whether the recommended K is the largest one tried, so that a larger one may be better."""
        return self.recommended == max(self.table.index) > min(self.table.index)

    @property
    def notes_told(self) -> list[str]:
        """The notes of the numbers of clusters, each once: "K = 1, 2: a note"."""
        ks: dict[str, list[str]] = {}
        for k, joined in self.table["notes"].items():
            for note in self.notes_by_k.get(k, (joined,)):  # files of version 0.1 have only the column
                ks.setdefault(note, []).append(str(k))
        return [worded(f"K = {', '.join(own)}: ", note) for note, own in ks.items() if note]

    def summary(self) -> pd.DataFrame:
        """The table, one row per K, without its notes."""
        return self.table.drop(columns="notes", errors="ignore")

    def __repr__(self) -> str:
        """Show on one page which K to use and why."""
        take = "no recommendation" if self.recommended is None else f"take K = {self.recommended}"
        table = self.table.drop(columns="notes")
        table = table.round({name: 4 if name == "blrt_p" else 2 for name in table})
        return on_a_page(
            f"Selection: {take} ({self.rule})",
            table_head(table, digits=8),
            noted(self.notes),
        )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it before every K was fitted."""
        return self.status is Status.INTERRUPTED
