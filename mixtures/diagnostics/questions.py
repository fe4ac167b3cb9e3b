"""Checks of what converged draws may hide: overlapping clusters, empty ones, ridges, a dominant prior.

A question names what it needs to be answered; the verdict lists the questions
that could not be answered because something was missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr
from scipy.stats import beta

from mixtures.data.rows import doubtful_weights
from mixtures.data.table import Data
from mixtures.diagnostics.mixing import invariants, modes_of_chains
from mixtures.diagnostics.predictive import compare, implausible
from mixtures.diagnostics.sensitivity import SCALED_DRAWS, log_densities, prior_effects, words_of
from mixtures.diagnostics.switching import compare_labellings, count_switches
from mixtures.draws import finite_draws, finite_sets, flat_draws, thinned
from mixtures.families.doubts import doubts
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous
from mixtures.messages import Cluster, Option, emptiness, joined, named, worded
from mixtures.posterior.emptied import likely_share_without_rows
from mixtures.results.em import EMFit
from mixtures.results.switches import Switches
from mixtures.results.verdict import IDENTIFIED, Check, check, none_of
from mixtures.tolerances import TOLERANCES
from mixtures.trees import permutation
from mixtures.types import Array, Params

__all__ = ["QUESTIONS", "Case", "Question"]

COMPARED_DRAWS, COMPARED_ROWS = 200, 500
"""Numbers of draws and rows on which relabelling methods are compared."""


NO_DRAW = "no draw is finite: the sampler ran off; tune longer, or start elsewhere"
"""Advice of a check that no draw can answer."""


REPLICATED_VALUES, FEWEST_SETS, MOST_SETS = 20_000_000, 100, 500
"""Largest number of values in all replicated data sets, and the fewest and most sets; if that is too few,
only some of the rows are replicated."""


@dataclass(frozen=True, eq=False)
class Case:
    """A posterior sample with what is known about its model, None where unknown."""

    tree: xr.DataTree
    spec: Mixture | None
    data: Data | None
    em: EMFit | None

    @cached_property
    def rows(self) -> Data | None:
        """The data, if every row counts once."""
        weighted = self.data is not None and self.data.weights is not None and (self.data.weights != 1).any()
        return None if weighted else self.data

    @cached_property
    def switches(self) -> Switches | None:
        """Label switches within and between chains."""
        stored = permutation(self.tree)
        return None if stored is None else count_switches(stored)

    @cached_property
    def modes(self) -> list[list[int]]:
        """Chains by the mode that they sit in."""
        free = invariants(self.tree).values()
        return modes_of_chains(np.concatenate(list(free), axis=-1))

    @cached_property
    def few(self) -> xr.DataTree:
        """The tree, thinned to a few draws."""
        return thinned(self.tree, SCALED_DRAWS)

    @cached_property
    def log_densities(self) -> tuple[Array, Array] | None:
        """Log prior and log-likelihood (chain, draw) of these few draws."""
        return log_densities(self.few, self.spec)

    @cached_property
    def point(self) -> Params | None:
        """Parameters at which single clusters are judged: EM's, or the mean of the finite draws."""
        if self.em is not None:
            return self.em.params
        if self.spec is None:
            return {}  # without the model nothing is judged there
        draws, _ = finite_draws(self.tree, self.spec)
        return {name: np.mean([x[name] for x in draws], axis=0) for name in self.spec.dims} if draws else None


@dataclass(frozen=True)
class Question:
    """A check that needs more than the draws: its name, its needs (see `NEEDS`), and how it is answered."""

    name: str
    needs: tuple[str, ...]
    check: Callable[..., Check | None]

    def lacks(self, case: Case) -> tuple[str, ...]:
        """What is missing to answer it."""
        return tuple(need for need in self.needs if getattr(case, need) is None)

    def answer(self, case: Case) -> Check | None:
        """The check for the verdict; None if there is nothing to check."""
        return self.check(case, *(getattr(case, need) for need in self.needs))


def _switches(case: Case, switches: Switches) -> Check:
    return check(
        "label switches within chains",
        sum(switches.within),
        np.inf,
        True,
        "",
        source="Jasra, Holmes and Stephens (2005)",
        judged=False,
        remark=str(switches),
    )


def _evenly(data: Data, most: int) -> Data:
    """Evenly spaced rows, at most ``most``."""
    return data.part(slice(None, None, -(-data.n_rows // most)))


def _methods(case: Case, spec: Mixture, data: Data, point: Params) -> Check:
    rows = _evenly(data, COMPARED_ROWS)
    table = compare_labellings(case.tree, point, spec=spec, X=rows, draws=COMPARED_DRAWS)
    least, limit = float(table.to_numpy().min()), TOLERANCES.labelled_alike
    a, b = (table.index[i] for i in np.unravel_index(table.to_numpy().argmin(), table.shape))
    differ = f"(the methods {a} and {b} label draws differently)"
    elsewhere = least < limit and len(case.modes) > 1
    overlap = worded(
        f"clusters overlap {differ}, so that summaries of single clusters are conditional on the relabelling "
        "rule: lower ",
        Option("n_components"),
    )
    return check(
        "draws that relabelling methods label alike",
        least,
        limit,
        least >= limit,
        f"the clusters of one mode are not those of another {differ}" if elsewhere else overlap,
        source="Stephens (2000); Papastamoulis (2016)",
        cause=not elsewhere,
        remark=f"on about {COMPARED_DRAWS} draws and {rows.n_rows} rows",
    )


def _empty(case: Case, spec: Mixture, data: Data) -> Check:
    """By ``E[alpha_k | x] = (E[n_k | x] + a) / (n + K a)``."""
    alpha, a = flat_draws(case.tree, {"alpha": ("cluster",)})["alpha"], spec.weight_concentration
    rows = np.maximum(0, alpha.mean(axis=0) * (data.total + spec.n_components * a) - a)
    fewest = float(rows.min())
    return check(
        "rows of the smallest cluster, expected",
        fewest,
        TOLERANCES.empty_count,
        fewest >= TOLERANCES.empty_count,
        emptiness(np.flatnonzero(rows < TOLERANCES.empty_count)),
        source="Rousseau and Mengersen (2011)",
        cause=True,
    )


def _unvisited(case: Case, spec: Mixture, data: Data, em: EMFit) -> Check | None:
    """Where a cluster has no rows, its weight is Beta(a, n + (K - 1) a); no mode shows it to the chains."""
    k, a = spec.n_components, spec.weight_concentration
    share = 0.0 if spec.weights.varies else likely_share_without_rows(spec, em, data)
    if np.isnan(share):
        return None
    middle = beta.median(a, data.total + (k - 1) * a) if k > 1 else 0.0
    smallest = flat_draws(case.tree, {"alpha": ("cluster",)})["alpha"].min(axis=1)
    lacking, limit = share - 2 * float((smallest < middle).mean()), 1 - TOLERANCES.single_mode
    return check(
        "share of the posterior, with an empty cluster, that the sample lacks",
        max(0.0, lacking),
        limit,
        lacking < limit,
        worded(
            f"in about {share:.0%} of the posterior, by Laplace's approximation, a cluster has no rows, and "
            "the chains have hardly been there: the sample is of the rest; lower ",
            Option("n_components"),
            ", or state that every cluster is assumed to have rows",
        ),
        source="Nobile (2004); Rousseau and Mengersen (2011)",
        caution=True,
    )


def _collapsed(case: Case, spec: Mixture, data: Data) -> Check:
    flat = replace(spec, prior=None, weight_concentration=1.0).family
    scale = flat.units(data)[1]
    draws, finite = finite_sets(case.few, spec)
    found = np.flatnonzero(flat.degenerate(draws, scale).any(axis=-1))
    advice = NO_DRAW
    if len(found):
        first = {name: x[found[0]] for name, x in draws.items()}
        cluster, reason = next(iter(flat.defects(first, scale).items()))
        advice = worded(Cluster(cluster), f": {reason}; state a prior, or drop repeated rows")
    return none_of(
        "draws with a collapsed cluster",
        len(found) if finite.any() else np.nan,
        advice,
        source="Bishop (2006), section 9.2.1",
        cause=True,
    )


def _identified(case: Case, spec: Mixture, data: Data, point: Params) -> Check:
    family = spec.family
    reason = family.never_identified(spec.n_components, data) or family.unidentified(point, data)
    return none_of(
        IDENTIFIED,
        bool(reason),
        reason,
        source="Goodman (1974); Allman, Matias and Rhodes (2009)",
        cause=True,
    )


def _boundary(case: Case, spec: Mixture, em: EMFit) -> Check | None:
    bound = spec.family.on_boundary(em.params)
    count = sum(int(x.sum()) for x in bound.values())
    if not bound:
        return None  # a family without boundaries
    return none_of(
        "probabilities at 0 or 1 at the mode",
        count,
        "the mode lies on the edge of the posterior there: report intervals, not standard deviations",
        source="Galindo Garre and Vermunt (2006)",
        judged=False,
    )


def _restarts(case: Case, em: EMFit) -> Check:
    share = em.restarts.share
    return check(
        "EM restarts that reach the best optimum, share",
        share,
        TOLERANCES.restarts_alike,
        share >= TOLERANCES.restarts_alike and not em.restarts.unconfirmed,
        worded("there may be a better optimum: raise ", Option("n_init")),
        source="Linzer and Lewis (2011)",
        judged=False,
        remark=str(em.restarts),
        caution=em.restarts.unconfirmed,
    )


def _dominated(case: Case, spec: Mixture, data: Data, point: Params) -> Check:
    remarks = spec.family.remarks(point, data.total * point["alpha"])
    return none_of(
        "clusters that the prior dominates",
        len(remarks),
        remarks[0] if remarks else "",
        source="Fraley and Raftery (2007)",
        caution=True,
    )


def _misfit(case: Case, spec: Mixture, rows: Data) -> Check:
    """Compare statistics of the data with those of data sets replicated from the sample."""
    most = max(2, REPLICATED_VALUES // (FEWEST_SETS * rows.n_features))
    plain = _evenly(replace(rows, weights=None), most)
    n_sets = min(REPLICATED_VALUES // plain.values.size, MOST_SETS)
    draws, _ = finite_draws(case.few, spec)
    compared = compare(spec, plain, draws, n_sets, 0) if draws else {}
    beyond = implausible(compared, rows.features)
    more = f"; and {len(beyond) - 3} more" if len(beyond) > 3 else ""
    advice = worded(
        f"{'; '.join(beyond[:3])}{more} (in {n_sets} data sets simulated from the model): raise ",
        Option("n_components"),
        ", transform the columns, or take another family",
    )
    return none_of(
        "statistics of the data that the model does not produce",
        len(beyond) if draws else np.nan,
        advice if draws else NO_DRAW,
        source="Gelman, Meng and Stern (1996)",
        caution=True,
    )


def _below_zero(case: Case, spec: Mixture, data: Data, point: Params) -> Check | None:
    """Probability of values below zero under a continuous family, in columns that have none."""
    at, margins = continuous(spec.family, [point])
    if margins is None:
        return None
    columns = np.arange(data.n_features)[at]
    positive = np.fmin.reduce(data.values[:, columns], axis=0) >= 0
    if not positive.any():
        return None
    below = np.where(positive, point["alpha"] @ margins.cdf(0.0)[0], 0)
    worst = int(below.argmax())
    return check(
        "probability below zero of columns that are never negative",
        below[worst],
        TOLERANCES.below_zero,
        below[worst] < TOLERANCES.below_zero,
        f"the model expects values below zero in column {named(data.features[columns[worst]])}, which has "
        "none: model its logarithm or square root, or counts as such",
        source="Gelman et al. (2013), chapter 6",
        caution=True,
    )


def _doubtful(case: Case, spec: Mixture, data: Data, point: Params) -> Check:
    reasons = doubts(spec, data, point)
    return none_of(
        "features of the data that make the fit doubtful",
        len(reasons),
        joined("; ", reasons),
        source="Fraley and Raftery (2007)",
        caution=True,
    )


def _weighted(case: Case, data: Data) -> Check | None:
    words = doubtful_weights(data)
    if not words:
        return None
    count = int((data.counts % 1 != 0).sum())
    return none_of(
        "rows whose weight is not a whole number",
        count,
        words,
        source="Pfeffermann (1993)",
        judged=False,
    )


def _sensitivity(case: Case, log_densities: tuple[Array, Array]) -> Check | None:
    """Find how far the posterior of each parameter moves if the prior counts twice, in posterior sds."""
    posterior = case.few["posterior"].to_dataset()
    effects = prior_effects(posterior, log_densities[0])
    if not effects:
        return None  # no parameter varies
    label = max(effects, key=lambda name: np.nan_to_num(effects[name], nan=np.inf))
    figure = effects[label]
    moved = f" moves by about {figure:.1f} posterior sds if the prior counts twice"
    advice = worded(words_of(posterior, label), moved, ": state the prior and justify it")
    if not np.isfinite(figure):
        advice = "too few effective draws to scale the prior: draw more"
    return check(
        "prior sensitivity, largest",
        figure,
        TOLERANCES.prior_effect,
        figure < TOLERANCES.prior_effect,
        advice,
        source="Kallioinen et al. (2024); Giordano et al. (2018)",
        judged=False,
    )


QUESTIONS = (
    Question("label switches", ("switches",), _switches),
    Question("agreement of relabelling methods", ("spec", "data", "point"), _methods),
    Question("empty clusters", ("spec", "data"), _empty),
    Question("posterior without rows in a cluster", ("spec", "data", "em"), _unvisited),
    Question("collapsed clusters", ("spec", "data"), _collapsed),
    Question("identification", ("spec", "data", "point"), _identified),
    Question("probabilities on the boundary", ("spec", "em"), _boundary),
    Question("restarts of EM", ("em",), _restarts),
    Question("a prior that dominates", ("spec", "data", "point"), _dominated),
    Question("prior sensitivity", ("log_densities",), _sensitivity),
    Question("predictive checks", ("spec", "rows"), _misfit),
    Question("values below zero", ("spec", "data", "point"), _below_zero),
    Question("doubtful data", ("spec", "data", "point"), _doubtful),
    Question("weights", ("data",), _weighted),
)
"""Every check of labels, clusters and prior, in reading order."""
