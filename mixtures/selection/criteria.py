"""Criteria for several numbers of clusters in one table, and the rule that chooses one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixtures.messages import Option, worded
from mixtures.results.em import EMFit
from mixtures.tolerances import TOLERANCES

__all__ = [
    "COLUMNS",
    "CRITERIA",
    "DEFAULT",
    "POINT",
    "SAMPLED",
    "TEST",
    "best_by",
    "columns_by_sense",
    "criteria_table",
    "recommend",
    "remarks",
]

DEFAULT = ("aic", "bic", "icl")
"""Criteria that `select` computes unless told otherwise."""


POINT, SAMPLED = (*DEFAULT, "caic", "sabic"), ("loo", "evidence")
"""Criteria from EM's fit alone, of which lower is better, and those that need draws: higher is better."""


CRITERIA = (*POINT, *SAMPLED)
"""Names of the criteria of `select`."""


COLUMNS = {
    "aic": ("aic",),
    "bic": ("bic",),
    "icl": ("icl",),
    "caic": ("caic",),
    "sabic": ("sabic",),
    "loo": ("elpd_loo", "elpd_loo_se", "p_loo", "bad_pareto_k"),
    "evidence": ("log_evidence", "log_evidence_se"),
}
"""Columns of the table by criterion; the first one is compared."""


def columns_by_sense(criteria: Sequence[str]) -> dict[str, list[str]]:
    """The compared columns of which "lower" or "higher" is better."""
    found: dict[str, list[str]] = {}
    for word, up in (("lower", False), ("higher", True)):
        if names := [COLUMNS[name][0] for name in criteria if (name in SAMPLED) is up]:
            found[word] = names
    return found


TEST = ("lr", "blrt_p")
"""Columns of the likelihood-ratio test of K against K - 1 clusters."""


def criteria_table(
    rows: Mapping[int, Mapping[str, Any]], criteria: tuple[str, ...], *, tested: bool = False
) -> pd.DataFrame:
    """One row per K, with the columns of the requested criteria, and of the test if there was one."""
    own = [*(column for name in criteria for column in COLUMNS[name]), *(TEST if tested else ())]
    columns = ["log_likelihood", "n_parameters", *own, "n_best", "n_init", "notes"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    table.index.name = "n_components"
    counts = [c for c in ("n_parameters", "n_best", "n_init", "bad_pareto_k") if c in table]
    return table.astype(dict.fromkeys(own, float) | dict.fromkeys(counts, "Int64"))


def best_by(table: pd.DataFrame, criterion: str) -> int | None:
    """The K that a criterion prefers by itself."""
    figures = table[COLUMNS[criterion][0]].astype(float)
    figures = figures[np.isfinite(figures)]
    if figures.empty:
        return None
    return int(figures.idxmax() if criterion in SAMPLED else figures.idxmin())


def recommend(
    table: pd.DataFrame, best: Mapping[str, int], doubtful: Sequence[int] = ()
) -> tuple[int | None, str]:
    """The recommended K, and the rule in words; ``doubtful`` are those with notes on their evidence."""
    if not best:
        return None, "no number of clusters could be fitted: see the notes of each"
    decides = next((name for name in ("evidence", "bic") if name in best), next(iter(best)))
    k = best[decides]
    if decides == "evidence":
        k, rule = _by_evidence(table, k, doubtful)
    else:
        sense = "highest" if decides in SAMPLED else "lowest"
        rule = f"{sense} {decides.upper()}: K = {k}"
    others = {name: other for name, other in best.items() if name != decides and other != k}
    if others:
        rule += "; " + ", ".join(f"{name.upper()} would take {other}" for name, other in others.items())
    elif len(best) > 1:
        rule += "; the other criteria agree"
    if k == max(table.index) > min(table.index):
        rule += f"; K = {k} is the largest that was tried, and more clusters may be better: try more"
    return k, rule


def _by_evidence(table: pd.DataFrame, best: int, doubtful: Sequence[int]) -> tuple[int, str]:
    """The fewest clusters whose evidence is indistinguishable from the highest (Kass and Raftery 1995)."""
    log, error = table["log_evidence"], table["log_evidence_se"]
    by_error = TOLERANCES.indistinguishable_se * np.hypot(error, error[best])
    apart = np.maximum(by_error, TOLERANCES.log_bayes_factor)
    close = [int(k) for k in table.index if k == best or log[best] - log[k] < apart[k]]
    k = min(close)
    rule = f"highest log marginal likelihood: K = {best}"
    if len(close) > 1:
        rule += (
            f"; K = {', '.join(map(str, close))} are indistinguishable (within "
            f"{TOLERANCES.log_bayes_factor:g} nat, or {TOLERANCES.indistinguishable_se:g} standard errors) "
            f"and the fewest are taken: K = {k}"
        )
    if doubtful:
        rule += f"; the evidence of K = {', '.join(map(str, doubtful))} is doubtful, see the notes"
    return k, rule


def remarks(fits: Mapping[int, EMFit], criteria: tuple[str, ...]) -> list[str]:
    """Notes on how the prior affects the comparison."""
    specs = [em.spec for em in fits.values()]
    notes = []
    informed = any(spec.prior is not None or spec.weight_concentration != 1 for spec in specs)
    if informed and set(criteria) & set(POINT):
        notes.append(
            worded(
                "the fits are posterior modes: AIC, BIC and similar criteria take the likelihood there "
                "(Fraley and Raftery 2007), not at its maximum; use ",
                Option("prior", None, "prior=None (--prior none)"),
                " for the maximum",
            )
        )
    if "evidence" in criteria and any(spec.prior != specs[0].prior for spec in specs[1:]):
        notes.append(
            "every K has its own default prior, made from the data: the evidence compares clusters and "
            "priors together, and sees the data twice; state a prior to compare K under one"
        )
    return notes
