"""Whether a posterior sample can be trusted: all checks in one verdict.

R-hat of labelled parameters tests mixing modulo labels only when the draws are
aligned. The same tests on quantities that do not depend on the labels (log
posterior, log-likelihood, density at fixed rows, sorted weights) distinguish true
non-convergence from label switching.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from mixtures.clusters.labelled import ALIGNED, FIXED, IN_PLACE, RAW, UNALIGNABLE, label_state
from mixtures.data.reading import as_data
from mixtures.diagnostics.mixing import (
    LEAST_DRAWS,
    constant,
    invariants,
    modes_of_chains,
    parameters,
    worst,
)
from mixtures.diagnostics.questions import QUESTIONS, Case
from mixtures.draws import of_sample, resolved_for, rows_of, sample_of
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import posterior_of, rows_in
from mixtures.messages import Option, joined, worded
from mixtures.posterior.target import MixtureTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit, check_fit
from mixtures.results.verdict import Check, Unchecked, Verdict, check, none_of
from mixtures.tolerances import TOLERANCES
from mixtures.trees import sampler_stats
from mixtures.types import Array

__all__ = ["MIXING", "diagnose", "label_free"]

MIXING = "Vehtari et al. (2021)"
"""Source of R-hat and ESS."""


def diagnose(
    tree: xr.DataTree | Crosscheck,
    *,
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    em: EMFit | None = None,
) -> Verdict:
    """Judge a posterior sample: its convergence, with and without labels, and its limits.

    Checks that need an argument which is not given are listed in the verdict's ``unchecked``.

    Parameters
    ----------
    tree : xarray.DataTree or Crosscheck
        A posterior sample, preferably aligned (see `align`); or a crosscheck, which knows the model, EM's fit
        and the data.
    spec : Mixture, optional
        The model that was sampled; by default that of ``em``.
    X : array_like or frame, shape (n, D), optional
        The data; columns are matched to those of the model, or the sample, by name. By default the rows
        that the sample holds, if the model is known.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: those that the sample was drawn with.
    em : EMFit, optional
        EM's fit of the model.

    Returns
    -------
    Verdict
        Judged: R-hat and ESS of the parameters as labelled (for information only if
        the model's labels cannot be aligned) and of quantities that do not depend on
        labels, divergences, E-BFMI, saturated
        trajectories, disagreement of relabelling methods, empty and collapsed
        clusters, parameters that are not identified. For information: label
        switches, probabilities on the boundary, restarts of EM that disagree, a
        prior that dominates, sensitivity to the prior. Thresholds are those of
        `mixtures.tolerances`.

    Raises
    ------
    InputError
        If the tree has neither ``lp`` in its sample_stats nor a log_likelihood, or
        is not of this model, or was drawn from other rows, weights or labels, or under another prior.

    References
    ----------
    Vehtari et al. (2021), *Bayesian Analysis* 16; Betancourt (2016), arXiv:1604.00695;
    Kallioinen et al. (2024), *Statistics and Computing* 34; each check names its source.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> print(mx.diagnose(tree, spec=mx.GMM(2), X=X))
    converged
    """
    if isinstance(tree, Crosscheck):
        spec, em = spec or tree.mode.spec, em or tree.em
        X = rows_in(tree) if X is None and spec is not None else X
    tree = posterior_of(tree)
    if em is not None:
        spec = check_fit(em, em.spec if spec is None else spec)
    X = rows_of(tree) if X is None and spec is not None else X
    data = None
    if spec is None:
        data = None if X is None else as_data(X, weights, missing=missing, labels=labels)
    elif X is None:
        tree = sample_of(spec, tree)
    else:
        spec, data, tree = of_sample(spec, X, tree, weights, missing=missing, labels=labels)
        spec = resolved_for(spec, tree, data)
        MixtureTarget(spec, data).check_drawn(tree)
    case = Case(tree, spec, data, em)
    checks = [*_parameters(tree), *label_free(tree)]
    left_out = []
    for question in QUESTIONS:
        if lacks := question.lacks(case):
            left_out.append(Unchecked(question.name, lacks))
        elif answer := question.answer(case):
            checks.append(answer)
    return Verdict(tuple(checks), tuple(map(str, left_out)), tuple(left_out))


def label_free(tree: xr.DataTree) -> Iterator[Check]:
    """Check the mixing of label-invariant quantities, and the sampler's statistics."""
    free = invariants(tree)
    if "log density" not in free:
        raise InputError(
            "the tree has neither lp in sample_stats nor log_likelihood, and hence no quantity free of labels"
        )
    quantities = np.concatenate(list(free.values()), axis=-1)
    if constant(quantities).all():
        advice = "every draw is the same point: the chains never moved; tune longer, or start elsewhere"
        if quantities.shape[:2] == (1, 1):
            advice = "one draw says nothing about mixing: draw more"
        yield check(
            "R-hat of label-invariant quantities", np.nan, TOLERANCES.rhat, False, advice, source=MIXING
        )
    own = tree.attrs.get("model", "").startswith(("'", '"'))  # a model of the user's own, by its name
    no_use = own or "sampler_note" in tree.attrs  # which says why it drew by NUTS
    auto = ("try ", Option("sampler", "auto"), ", which weighs modes where it can, ")
    apart = modes_of_chains(quantities)
    what = "slow mixing, or chains in different modes, whose weights are then unknown: draw more, "
    if len(apart) > 1:
        places = "; ".join(", ".join(map(str, chains)) for chains in apart)
        what = (
            f"the chains sit in {len(apart)} modes (chains {places}), between which none moved, so that the "
            "weights of the modes are unknown, and more draws would not reveal them: "
        )
    advice = worded(what, *(() if no_use else auto), "lower K, or state a prior")
    yield from _mixing("label-invariant quantities", quantities, advice, cause=len(apart) > 1)
    yield from _sampler(sampler_stats(tree))
    yield from _proposals(tree)


LABELS = {
    ALIGNED: (", labels aligned", True, "the chains disagree: draw more"),
    FIXED: ("", True, "the chains disagree: draw more"),
    RAW: (", labels as drawn", True, "chains may differ only in their labels: align the tree"),
    UNALIGNABLE: (", labels not aligned", False, "chains may differ only in their labels"),
}
"""Names of the checks of parameters, whether they are judged, and advice, by the state of the labels."""


def _parameters(tree: xr.DataTree) -> Iterator[Check]:
    """Check the mixing of the parameters under their present labels."""
    state, why = label_state(tree)
    ending, judged, advice = LABELS[state]
    for line in _mixing(f"parameters{ending}", parameters(tree), advice):
        note = joined("; ", filter(None, (line.note, why)))
        yield line if judged else replace(line, judged=False, caution=True, note=note)
    if state == UNALIGNABLE and IN_PLACE in tree.attrs:
        share, limit = float(tree.attrs[IN_PLACE]), TOLERANCES.labelled_alike
        yield check(
            "share of draws whose clusters keep their places",
            share,
            limit,
            share > limit,
            f"the labels cannot be aligned: {why}; figures of single clusters mix several, so order the "
            "clusters in the model, or read what does not depend on labels",
            source="Stephens (2000)",
            caution=True,
        )


def _mixing(name: str, draws: Array, advice: str, *, cause: bool = False) -> Iterator[Check]:
    """Check R-hat and ESS of the worst quantity, constants left out; figures that are not finite fail.

    The R-hat is a cause of other failures if chains are known to sit in different modes.
    """
    figures = worst(draws)
    if figures is None:
        return
    r_hat, ess = figures["r_hat"], float(np.minimum(figures["ess_bulk"], figures["ess_tail"]))
    enough = TOLERANCES.ess_per_chain * draws.shape[0]
    if draws.shape[0] == 1 or draws.shape[1] < LEAST_DRAWS:
        advice = f"R-hat compares chains: draw two or more, of {LEAST_DRAWS} draws at least"
    line = check(f"R-hat of {name}", r_hat, TOLERANCES.rhat, r_hat < TOLERANCES.rhat, advice, source=MIXING)
    yield replace(line, cause=cause, of_sample=cause)
    yield check(f"ESS of {name}", ess, enough, ess > enough, "draw more", source=MIXING)


def _raised(name: str, said: str) -> str:
    """Advice to raise an option of `sample` that no command has."""
    return worded(Option(name, said=said, typed=f"raise --tune, or {name} in Python"))


def _sampler(stats: xr.Dataset) -> Iterator[Check]:
    """Check what the sampler recorded of its trajectories."""
    if "diverging" in stats:
        count = int(stats["diverging"].sum())
        advice = _raised("target_accept", "raise target_accept")
        yield none_of("divergences", count, advice, source="Betancourt (2017), section 6.2")
    if "energy" in stats:
        from arviz_stats.base import array_stats  # slow to load

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # it never moved, or ran off
            energies = stats["energy"].values
            bfmi = float(np.min(array_stats.bfmi(energies))) if energies.shape[1] > 1 else np.nan
        advice = "heavy tails: tune longer"
        if np.isnan(bfmi):
            advice = "it is of energies that vary from draw to draw: draw more, or tune longer"
        yield check(
            "E-BFMI", bfmi, TOLERANCES.bfmi, bfmi > TOLERANCES.bfmi, advice, source="Betancourt (2016)"
        )
    if "reached_max_treedepth" in stats:
        count = int(stats["reached_max_treedepth"].sum())
        advice = _raised("max_treedepth", "raise max_treedepth or tune longer")
        yield none_of("saturated trajectories", count, advice, source="Hoffman and Gelman (2014)")


def _proposals(tree: xr.DataTree) -> Iterator[Check]:
    """Check the proposals of independent draws, and say how much of the posterior each mode holds."""
    if "pareto_k" in tree.attrs:
        k, share = float(tree.attrs["pareto_k"]), float(tree.attrs["acceptance"])
        limit, least = TOLERANCES.proposal_pareto_k, TOLERANCES.proposal_acceptance
        advice = worded("the proposals miss part of the posterior: use ", Option("sampler", "blackjax"))
        yield check("Pareto k-hat of proposals", k, limit, k <= limit, advice, source="Vehtari et al. (2024)")
        yield check("acceptance of proposals", share, least, share >= least, advice, source="Liu (1996)")
    if "modes" in tree.children:
        held = tree["modes"].to_dataset()
        mass, error = held["mass"].values, held["mass_se"].values
        words = ", ".join(f"{m:.3f} (se {e:.3f})" for m, e in zip(mass, error, strict=True))
        advice = (
            f"the posterior has {len(mass)} modes, which hold {words} of it: a summary is over all of them; "
            "sample_stats['mode'] tells them apart"
        )
        largest, limit = float(mass.max()), TOLERANCES.single_mode
        yield check(
            "posterior mass of the largest mode",
            largest,
            limit,
            largest >= limit,
            advice,
            source="importance sampling",
            caution=True,
        )
