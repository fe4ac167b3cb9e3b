"""Reasons for doubt: predictive checks, labels and convergence, other numbers of clusters, the prior."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.data.table import Data
from mixtures.diagnostics.loo_pit import LEAST_DRAWS
from mixtures.diagnostics.predictive import checks_by_statistic, unweighted
from mixtures.diagnostics.sensitivity import prior_sensitivity
from mixtures.diagnostics.switching import switching
from mixtures.families.mixture import Mixture
from mixtures.families.questions import continuous, marginals
from mixtures.messages import are, sentence
from mixtures.plot import switching as draw_switching
from mixtures.plot.criteria import selection as draw_selection
from mixtures.plot.predictive import predictive_density
from mixtures.plot.statistics import predictive_pairs, predictive_statistic
from mixtures.plot.transforms import loo_pit as draw_loo_pit
from mixtures.reporting.blocks import Block, Figure, Listing, Paragraph, Section, Table
from mixtures.reporting.classes import associations
from mixtures.reporting.figures import drawn
from mixtures.reporting.findings import checks_table
from mixtures.reporting.material import Material
from mixtures.results.headline import not_checked
from mixtures.selection.criteria import columns_by_sense
from mixtures.tolerances import TOLERANCES
from mixtures.trees import permutation

__all__ = ["comparison_section", "labels_section", "predictive_section", "sensitivity_section"]

REPLICATES: dict[str, Any] = {"n_draws": 250, "random_seed": 0}
"""Number and seed of replicated data sets, so that the same results give the same report."""


EXTREME = 0.025
"""A statistic is extreme when fewer replicates than this lie beyond it."""


SENSITIVE_ROWS = 15
"""Number of parameters listed by their sensitivity."""


NOT_REPLICATED = (
    "Not checked: replicated data sets are drawn from a specification of the whole model, such as GMM(2), "
    "and a model of your own has none. Draw them with pm.sample_posterior_predictive(cc.posterior) within "
    "your model, and compare them with the data by ArviZ's plot_ppc_dist and plot_ppc_tstat."
)
NOT_SCALED = (
    "Not checked: the prior's density is known of a specification of the whole model, such as GMM(2), and a "
    "model of your own has none. Add it to the sample with pm.stats.compute_log_prior(cc.posterior) within "
    "your model; ArviZ's psense_summary then says how much every parameter depends on it."
)
"""What is left out of a report of a user's own model, and how it can be done."""


def predictive_section(material: Material) -> Section:
    """Compare replicated data sets with the data."""
    spec, data, shown, tree = material.spec, material.data, material.pictured, material.cc.posterior
    if spec is None:
        return Section("predictive", (Paragraph(NOT_REPLICATED),))
    if data is None or shown.data is None or tree is None:
        lacking = "the data are not at hand" if data is None else "there is no posterior sample"
        text = (
            "Not checked: data sets are replicated from a posterior sample, as many rows as the data have, "
            f"and {lacking}."
        )
        return Section("predictive", (Paragraph(text),))
    table = checks_by_statistic(*unweighted(spec, data, tree), ci_prob=0.95, **REPLICATES)
    beyond = table[(table["p"] < EXTREME) | (table["p"] > 1 - EXTREME)]
    lie = "lies" if len(beyond) == 1 else "lie"
    found = f"{len(beyond)} of {len(table)} statistics of the data {lie} outside"
    each = ", ".join(statistic.words for statistic in beyond.index[:5]) + ("…" if len(beyond) > 5 else "")
    order = (table["p"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    blocks = (
        Paragraph(
            "Data sets were drawn from the posterior and compared with the one observed. "
            f"{found} the middle 95% of their replicates{': ' if each else ''}{each}."
        ),
        *_predictive_figures(material, spec, shown.data, tree, table.index),
        Table.of_frame(
            "Statistics of the data and of their replicates, the most extreme first",
            table.loc[order],
            formats={"p": ".3f"},
            helps={"p": "share of replicates above the observed value; near 0 or 1 the model does not fit"},
            source="mixtures.predictive_checks of the sample",
        ),
        *associations(spec, data, tree, **REPLICATES),
    )
    return Section("predictive", blocks)


def _predictive_figures(
    material: Material, spec: Mixture, data: Data, tree: xr.DataTree, statistics: pd.Index
) -> list[Figure]:
    """Densities and leave-one-out transforms, if columns are continuous, or else statistics; and pairs."""
    pictured = material.pictured.cc.posterior
    assert pictured is not None
    point = [] if material.cc.em is None else [material.cc.em.params]
    if point and continuous(spec.family, point)[1] is not None:
        figures = _of_continuous(spec, data, pictured, tree)
        if marginals(spec.family, point) is not None:
            return figures
    else:
        name = "mean" if any(each.name == "mean" for each in statistics) else "entropy"
        by_column = Figure(
            drawn(lambda: predictive_statistic(spec, data, pictured, name, **REPLICATES)),
            f"{name.capitalize()} of every feature and its interval",
            f"{name.capitalize()} of every feature over its interval in replicated data sets.",
        )
        figures = [by_column]
    if all(len(each.columns) < 2 for each in statistics):
        return figures
    pairs = Figure(
        drawn(lambda: predictive_pairs(spec, data, pictured, **REPLICATES)),
        "Pairs of features",
        "Whether pairs of features occur together as often as in replicated data sets.",
    )
    return [*figures, pairs]


def _of_continuous(spec: Mixture, data: Data, pictured: xr.DataTree, tree: xr.DataTree) -> list[Figure]:
    """Densities of every column, and leave-one-out transforms of those that are continuous."""
    densities = Figure(
        drawn(lambda: predictive_density(spec, data, pictured, random_seed=REPLICATES["random_seed"])),
        "Predicted densities and histograms",
        "Density that the model predicts over a histogram of the data.",
    )
    sizes = tree["posterior"].sizes
    if sizes["chain"] * sizes["draw"] < LEAST_DRAWS:
        return [densities]
    transforms = Figure(
        drawn(lambda: draw_loo_pit(spec, data, pictured)),
        "Curves of the leave-one-out transform within bands",
        "Leave-one-out probability integral transform: within the band the data are as uniform "
        "as they would be under the model.",
    )
    return [densities, transforms]


def labels_section(material: Material) -> Section:
    """Show label switching before and after alignment, and the convergence of the sample."""
    tree, verdict = material.pictured.cc.posterior, material.cc.convergence
    if tree is None or verdict is None:
        return Section(
            "labels", (Paragraph("There is no posterior sample, so convergence cannot be judged."),)
        )
    blocks: list[Block] = []
    if permutation(tree) is not None and "method" not in tree.attrs:
        found = switching(tree)
        blocks += [
            Paragraph(
                "The likelihood does not depend on the labels of the clusters, so chains may use different "
                f"ones. Before alignment: {found}. An R-hat above 1.01 with raw labels and below with "
                "aligned ones is label switching; the quantities at the end of the table do not depend on "
                "labels and show whether the chains have converged."
            ),
            Table.of_frame(
                "Mixing, before and after the labels were aligned",
                found.mixing,
                formats={"r_hat": ".3f", "ess_bulk": ".0f", "ess_tail": ".0f"},
                index="quantities",
                source="mixtures.switching of the sample",
            ),
            Figure(
                drawn(lambda: draw_switching(tree)),
                "Draws of one parameter by cluster, in two panels",
                "The parameter that separates the clusters best, with raw and with aligned labels.",
            ),
        ]
    blocks.append(checks_table("Can the sample be relied on?", verdict.checks))
    blocks += [Paragraph(text, quiet=True) for text in not_checked(verdict)]
    return Section("labels", tuple(blocks))


def comparison_section(material: Material) -> Section | None:
    """Compare other numbers of clusters, if requested."""
    selection = material.selection
    if selection is None:
        return None
    listed = tuple(map(sentence, (*selection.notes_told, *selection.notes)))
    frame = selection.table.drop(columns="notes")
    counts = {name: "d" for name in frame.columns if frame[name].dtype.kind in "iu" or name.startswith("n_")}
    figures = {name: ".4f" if name == "blrt_p" else ".2f" for name in frame.columns if name not in counts}
    senses = columns_by_sense(selection.criteria).items()
    better = "; ".join(f"{word} is better for {', '.join(names)}" for word, names in senses)
    return Section(
        "comparison",
        (
            Paragraph(sentence(selection.rule)),
            Figure(
                drawn(lambda: draw_selection(selection)),
                "Criteria against numbers of clusters",
                "Criteria over the number of clusters; a diamond marks what each would take by itself.",
            ),
            Table.of_frame(
                f"Numbers of clusters: {better}",
                frame,
                formats={**figures, **counts},
                index="K",
                source="the table of mixtures.select",
            ),
            *((Listing(listed),) if listed else ()),
        ),
    )


def sensitivity_section(material: Material) -> Section:
    """Show how sensitive each parameter is to the prior."""
    tree, spec = material.cc.posterior, material.spec
    if spec is None or tree is None or spec.prior is None or "method" in tree.attrs:
        needs = "Sensitivity to the prior needs a proper prior and a posterior sample of it."
        return Section("sensitivity", (Paragraph(NOT_SCALED if spec is None else needs),))
    table = material.cc.relabelled(prior_sensitivity(tree, spec=spec))
    moved = table.index[table["effect"] > TOLERANCES.prior_effect]
    told = _told(table, len(moved), material.cc.in_words(str(moved[0])) if len(moved) else "")
    text = (
        "The effect is how far the posterior of a parameter moves, in its own standard deviations, if the "
        f"prior counts twice; above {TOLERANCES.prior_effect:g} the parameter is sensitive. The others are "
        "how fast it changes as the prior, or the likelihood, is raised to a power near one (Kallioinen et "
        f"al. 2024). {told}"
    )
    shown = min(len(table), SENSITIVE_ROWS)
    return Section(
        "sensitivity",
        (
            Paragraph(text),
            Table.of_frame(
                f"The {shown} most sensitive of {len(table)} parameters",
                table.head(SENSITIVE_ROWS),
                formats={"effect": ".2f", "prior": ".3f", "likelihood": ".3f"},
                source="mixtures.prior_sensitivity of the sample",
            ),
        ),
    )


def _told(table: pd.DataFrame, moved: int, most: str) -> str:
    if not np.isfinite(table["effect"]).all():
        return "There are too few effective draws to tell."
    if not moved:
        return "No parameter is sensitive to the prior."
    share = f"{moved} of {len(table)} parameters {are(moved)} sensitive to the prior"
    return f"{share}, {most} the most: state the prior and justify it."
