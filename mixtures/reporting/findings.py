"""The results: agreement of EM, MAP and PyMC, parameters, and clusters."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from mixtures.data.preparation import logged_in
from mixtures.families.questions import marginals
from mixtures.given import Fit, Parameters
from mixtures.messages import counted, joined, sentence
from mixtures.plot import clusters
from mixtures.plot.estimates import draw_estimates, restated
from mixtures.plot.heat import heatmap
from mixtures.plot.pairs import MOST_PAIRED, pairs
from mixtures.plot.parameters import forest
from mixtures.reporting.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Listing,
    Paragraph,
    Section,
    Table,
    number,
    sort_key,
)
from mixtures.reporting.figures import drawn
from mixtures.reporting.material import Material
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.verdict import Check, explained
from mixtures.trees import feature_dims

__all__ = [
    "agreement_section",
    "brief_parameters_section",
    "checks_table",
    "clusters_section",
    "draw_heatmap",
    "parameters_section",
]

BRIEF_ENTRIES = 20
"""Parameters of a model of the user's own in a report of one page."""


FOREST_ENTRIES = 80
"""Largest number of entries of a parameter in a forest plot."""


NAMED = {
    "alpha": "Shares alpha",
    "mu": "Means mu",
    "sd": "Standard deviations",
    "corr": "Correlations",
    "p": "Probabilities p",
    "p_level": "Probabilities of the levels",
    "rate": "Rates",
}
"""Words for parameters in captions."""


OF_UNITS = ("mu", "sd", "sigma2")
"""Parameters whose columns may have different units."""


FOREST_DIMS = 4
"""Largest number of dims, each a column of labels, of the parameters in one forest plot."""


FORMATS = {"gap": ".0e", "z": ".2f", "ess_bulk": ".0f", "ess_tail": ".0f", "r_hat": ".3f"}


HELPS = {
    "gap": "distance from EM to a MAP that started half a posterior sd away, in posterior sds",
    "z": "where EM lies in the posterior: its distance from the mean, in posterior sds",
    "ess_bulk": "effective sample size in the bulk of the posterior",
    "ess_tail": "effective sample size in its tails",
    "r_hat": "1 when the chains have mixed; values below 1.01 count as mixed",
    "sd": "standard deviation of the posterior",
}


SHARE_NOTHING = (
    "EM, a hand-written NumPy algorithm, and PyMC's log posterior share no code for the densities. If they "
    "describe the same posterior and have found the same mode of it, every line of the certificate holds."
)
"""What the agreement of a specification is."""


MODE_ALONE = (
    "EM does not fit a model of your own, and there is no second density in NumPy to compare PyMC's with. "
    "The certificate shows that independent searches of PyMC's log posterior found one mode: its gradient "
    "vanishes there, and it is a maximum to which a search from nearby returns. The table has that mode "
    "beside the posterior."
)
"""What that of a user's own model is."""


def agreement_section(material: Material) -> Section:
    """Show EM beside MAP, and the certificate check by check."""
    cc = material.cc
    points = [name for name in ("EM", "MAP", "gap", "sd", "z") if name in cc.table]
    with_em = cc.em is not None
    return Section(
        "agreement",
        (
            Paragraph(SHARE_NOTHING if with_em else MODE_ALONE),
            checks_table(
                "Certificate of agreement" if with_em else "Certificate of the mode", cc.certificate
            ),
            Table.of_frame(
                "Point estimates side by side",
                cc.table[points],
                formats=FORMATS,
                helps=HELPS if with_em else {**HELPS, "z": HELPS["z"].replace("EM", "MAP")},
                index="parameter",
                source=f"the crosscheck's table, {'em and ' * with_em}mode",
            ),
            *((Listing(tuple(map(sentence, cc.notes))),) if cc.notes else ()),
        ),
        "" if with_em else "Do MAP and the posterior agree?",
    )


def checks_table(caption: str, checks: Iterable[Check]) -> Table:
    """Table of the checks of a verdict, one per row, with their sources."""
    rows = []
    for check in explained(checks):
        figure, limit = (Cell(number(x, ".4g"), sort_key(x)) for x in (check.figure, check.tolerance))
        if check.informs:
            limit, holds = Cell("–"), Cell("–")
        elif check.passed:
            holds = Cell("yes", mood="good")
        elif check.judged:
            holds = Cell("no", mood="bad")
        else:
            holds = Cell("no, take care" if check.caution else "no, for information", mood="care")
        note = joined(". ", filter(None, (check.note, check.source)))
        rows.append((Cell(check.name), figure, limit, holds, Cell(note)))
    columns = (
        Column("line", False),
        Column("figure"),
        Column("limit"),
        Column("holds", False),
        Column("note and source", False),
    )
    return Table(caption, columns, tuple(rows))


def _of_posterior(table: pd.DataFrame) -> list[str]:
    """Columns of a crosscheck's table that describe the posterior."""
    return [name for name in table.columns if name not in ("EM", "MAP", "gap", "z")]


def parameters_section(material: Material) -> Section:
    """Show posterior mean, sd and interval of every parameter, and forest plots."""
    cc = material.cc
    names = _of_posterior(cc.table)
    if cc.posterior is None:
        text = "There is no posterior sample: standard deviations come from the curvature at the mode."
    else:
        text = (
            f"Means, standard deviations and equal-tailed intervals ({' to '.join(material.bounds)}) of the "
            "aligned posterior sample, in the units of the data."
        )
        if any(map(logged_in, material.features)):
            text += " Logarithms are natural ones; what they mean in natural units is said of each cluster."
    return Section(
        "parameters",
        (
            Paragraph(text),
            *_forests(material),
            _posterior_table("Posterior of every parameter", cc.table[names]),
        ),
    )


def _posterior_table(caption: str, frame: pd.DataFrame) -> Table:
    source = "the posterior group of the sample"
    return Table.of_frame(caption, frame, formats=FORMATS, helps=HELPS, index="parameter", source=source)


def _forests(material: Material) -> list[Figure]:
    """Parameters in their own units; those of a model of your own in posterior sds."""
    shown = material.pictured
    tree = shown.cc.posterior
    if tree is None:
        return []
    if material.spec is not None:
        return _estimates(shown.cc, tree)
    posterior = tree["posterior"].to_dataset()
    entries = {str(name): int(np.prod(x.shape[2:])) for name, x in posterior.data_vars.items()}
    dims = {dim for name in entries for dim in posterior[name].dims[2:]}
    few = sum(entries.values()) <= FOREST_ENTRIES and len(dims) <= FOREST_DIMS
    together = [list(entries)] if few else [[name] for name in entries]
    figures = []
    for names in together:
        if sum(entries[name] for name in names) <= FOREST_ENTRIES:
            source = drawn(partial(forest, shown.cc, var_names=names))
            caption = (
                f"Intervals of {', '.join(names)} (50% and 95%), in posterior standard deviations from the "
                "posterior mean, with the point estimates."
            )
            figures.append(Figure(source, f"Forest plot of {', '.join(names)}", caption))
        elif _by_feature(posterior[names[0]].dims[2:4]):
            figures.append(_heatmap(tree, names[0], posterior[names[0]].shape[2:]))
    return figures


def _estimates(cc: Crosscheck, posterior: xr.DataTree) -> list[Figure]:
    """Every parameter in its own units; heat maps by cluster and feature of those with many entries."""
    figures, whole = [], posterior["posterior"].to_dataset()
    found = restated(cc)
    for name in sorted(map(str, found["posterior"]), key=lambda name: [*NAMED, name].index(name)):
        x = found["posterior"][name]
        if int(np.prod(x.shape[2:])) <= FOREST_ENTRIES:
            caption = f"{NAMED.get(name, name)} in every cluster, in its own units: intervals of "
            caption += "50% and 95% of the posterior, with the point estimates."
            source = drawn(partial(draw_estimates, found, name, cc.names))
            figures.append(Figure(source, f"Estimates of {name}", caption))
        elif name in whole and _by_feature(whole[name].dims[2:4]):
            figures.append(_heatmap(cc, name, whole[name].shape[2:]))
    return figures


def _by_feature(dims: Sequence[Any]) -> bool:
    """Whether a parameter has axes for clusters and for features, in this order."""
    return len(dims) == 2 and dims[0] == "cluster" and bool(feature_dims(dims))


def _heatmap(fit: Crosscheck | xr.DataTree, name: str, shape: Sequence[int]) -> Figure:
    k, d = shape[:2]
    point = isinstance(fit, Crosscheck) and fit.posterior is None
    what = "EM's estimate" if point else "Posterior mean"
    caption = f"{what} of {name} in {counted(k, 'cluster')} and {counted(d, 'feature')}."
    if name in OF_UNITS:
        caption += " Figures are in the units of the columns, colours are distances in standard deviations."
    return Figure(drawn(partial(draw_heatmap, fit, name, k)), f"Heat map of {name}", caption)


def draw_heatmap(fit: Parameters | Fit, name: str, k: int) -> Axes:
    """Draw a heat map of K clusters, with room for the names below it that stand upright."""
    figure, ax = plt.subplots(figsize=(8, min(1.2 + 0.35 * k, 8)), layout="constrained")
    heatmap(fit, name, ax=ax)
    upright = [label for label in ax.get_xticklabels() if label.get_rotation()]
    room = max((label.get_window_extent().height for label in upright), default=0) / figure.dpi
    figure.set_figheight(figure.get_figheight() + room)
    return ax


def clusters_section(material: Material) -> Section:
    """Show the sizes and positions of the clusters."""
    if material.known is None:
        text = "The mixture in this model of your own is not known here, so its clusters are not described."
        return Section("clusters", (Paragraph(text, quiet=True),))
    alone = Paragraph("There is one cluster, which all rows are of.")
    first = _sizes(material) if material.known.spec.n_components > 1 else alone
    return Section("clusters", (first, *_pictures(material)))


def brief_parameters_section(material: Material) -> Section | None:
    """Show the first parameters of a model of your own whose clusters have no sentences."""
    if material.known is not None:
        return None
    table = material.cc.table
    shown = table[_of_posterior(table)].head(BRIEF_ENTRIES)
    caption = "Posterior of every parameter"
    if len(shown) < len(table):
        caption = f"Posterior of the first {len(shown)} of {len(table)} parameters"
    return Section("parameters", (_posterior_table(caption, shown),))


def _sizes(material: Material) -> Table:
    cc, found = material.cc, [each for each in material.described.figures if each.figure == "share"]
    sample = cc.posterior is not None
    kinds = {"value": "mean", "lower": "2.5%", "upper": "97.5%"} if sample else {"value": "EM"}
    columns = {words: [getattr(each, kind) for each in found] for kind, words in kinds.items()}
    index = list(cc.names or map(str, range(len(found))))
    source = "the posterior sample" if sample else "EM's fit"
    shares = Table.of_frame(
        f"Share of the {'rows' if material.weights is None else 'total weight'} that each cluster holds",
        pd.DataFrame(columns, index=index),
        formats=dict.fromkeys(columns, ".1%"),
        index="cluster",
        source=f"the cluster weights {'' if cc.em is None else 'alpha '}of {source}",
    )
    return shares.linked(material.pages)


def _pictures(material: Material) -> list[Block]:
    known, shown = material.known, material.pictured
    if known is None or shown.data is None:
        return [Paragraph("A picture of the clusters needs the model and the data.", quiet=True)]
    data, cc, spec, point = shown.data, shown.cc, known.spec, material.point
    if marginals(spec.family, [point]) is None:
        if data.n_features == 1 or spec.n_components * data.n_features > FOREST_ENTRIES:
            return []  # one column adds nothing to the table, and a large heat map is already shown
        return [
            _heatmap(cc, name, point[name].shape)
            for name, dims in spec.dims.items()
            if _by_feature(dims[:2]) and not dims[-1].endswith("_bis") and point[name].shape[1] > 1
        ]
    if data.n_features == 1:
        source = drawn(lambda: clusters(cc, data))
        how = "one curve per draw" if cc.posterior is not None else "their densities"
    else:
        source = drawn(lambda: pairs(cc, data))
        how = "outlined at two standard deviations" + ", once per draw" * (cc.posterior is not None)
    caption = f"The rows in the colours of their likeliest clusters, and the clusters: {how}."
    if data.n_features > MOST_PAIRED:
        caption += (
            f" Of {data.n_features} features it is the plane in which the clusters lie furthest apart; the "
            "axes name the features that weigh most, with their signs."
        )
    return [Figure(source, f"Clusters over {', '.join(data.features[:MOST_PAIRED])}", caption)]
