"""A report on results: sections in reading order on one page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import pandas as pd
import xarray as xr

from mixtures.agreement.crosscheck import crosscheck
from mixtures.brief import on_a_page
from mixtures.data.matching import columns_of, matched, places
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.given import given, rows_in
from mixtures.messages import visible, worded
from mixtures.progress import track
from mixtures.reporting.blocks import Paragraph, Section, with_own_files
from mixtures.reporting.doubts import (
    comparison_section,
    labels_section,
    predictive_section,
    sensitivity_section,
)
from mixtures.reporting.findings import (
    agreement_section,
    brief_parameters_section,
    clusters_section,
    parameters_section,
)
from mixtures.reporting.material import Material, relabelled
from mixtures.reporting.missing import missing_section
from mixtures.reporting.opening import data_section, glance, model_name, model_section
from mixtures.reporting.pages import pages_section
from mixtures.reporting.profiles import brief_profiles_section, profiles_section
from mixtures.reporting.rendering import rendered
from mixtures.reporting.reproduction import brief_reproduction_section, reproduction_section
from mixtures.reporting.rows import rows_section
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.headline import Headline
from mixtures.results.selection import Selection
from mixtures.results.value import Value
from mixtures.saving.archive import check_writable, replacing
from mixtures.saving.fingerprint import content_hash
from mixtures.saving.same_rows import THE_SAME, refuse_others
from mixtures.saving.save import Header, versions

__all__ = ["Report", "report"]

LONGEST_TITLE = 200
"""Largest number of characters of a title."""


@dataclass(frozen=True, eq=False)
class Report(Value):
    """A finished report.

    Attributes
    ----------
    title : str
        Its title.
    headline : Headline
        The verdict in plain words.
    html : str
        The page, a self-contained file.
    """

    title: str
    headline: Headline
    html: str

    def summary(self) -> pd.DataFrame:
        """Reasons and remarks of the verdict; the page itself is ``html``."""
        return self.headline.summary()

    def __repr__(self) -> str:
        """Show title and verdict; the page itself is for a browser."""
        return on_a_page(
            f"Report: {self.title}", f"  {self.headline.title}", f"  {len(self.html):,} characters of HTML"
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, which replaces an older one only when it is complete."""
        with replacing(path) as file:
            file.write(self.html.encode())


def report(
    result: Crosscheck | Mixture,
    X: Any = None,
    path: str | PathLike[str] | None = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    selection: Selection | None = None,
    brief: bool = False,
    header: Header | None = None,
    about: Mapping[str, str] | None = None,
    random_seed: int | None = None,
    wording: Callable[[str], str] = str,
    progressbar: bool = True,
) -> Report:
    """Write the posterior uncertainty report of a mixture: one self-contained HTML file.

    After the verdict it says what the clusters are, how certain that is, whether EM, MAP and posterior
    agree, what to distrust, and what was modelled. The page loads nothing and runs only its own
    script, which sorts tables.

    Parameters
    ----------
    result : Crosscheck or Mixture
        What `crosscheck` returned; a model is crosschecked first.
    X : array_like or frame, shape (n, D), optional
        The data; columns are matched to those of the result by name. By default those
        that its posterior sample holds. Without data, the parts that need them are left
        out: ranges, figures of clusters, rows, predictive checks. Required if ``result``
        is a model.
    path : path, optional
        The file to write, such as ``report.html``.
    weights : array_like, shape (n,), optional
        Frequency weights of the rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: those that the result was fitted with.
    names : sequence of str, optional
        Names for the clusters, in their order, in words, tables and figures; by default those that the
        crosscheck was given, or their numbers.
    title : str, optional
        Title of the page; by default the model and the name of the data.
    selection : Selection, optional
        What `select` returned, to compare numbers of clusters.
    brief : bool, default False
        Write only the verdict, what the clusters are and how to reproduce it: as a rule one page in
        print. Of a model of your own whose mixture is not known it has the first 20 parameters.
    header : mixtures.saving.save.Header, optional
        The header of a saved result, from `mixtures.saving.save.read_header`: the
        versions that made it, and the hash of its data, which X must have.
    about : dict of str, optional
        More about the origin of the results: ``data`` (their name), ``seed`` and
        ``command``.
    random_seed : int, optional
        Seed of the crosscheck, if ``result`` is a model.
    wording : callable, optional
        Words of a text that names options; by default they are Python's. The command line passes its own.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Report
        The page, its title and its verdict.

    Raises
    ------
    InputError
        If X does not have the fitted columns or rows, or the hash of the header, or the file
        cannot be written, or the names are not different or not as many as the clusters.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> page = mx.report(cc, progressbar=False)
    >>> page.headline.title
    'EM, MAP and the posterior agree, and the sample can be relied on.'
    """
    if path is not None:
        check_writable(path)
    if not isinstance(result, Crosscheck | Mixture):
        raise InputError(f"a report is of a crosscheck or a model, got {type(result).__name__}")
    about = dict(about or {}) if header is None else {**header.about, **(about or {})}
    data = None if X is None else _data_of(result, X, weights, missing, labels)
    data_hash = _checked_hash(data, header)
    if isinstance(result, Mixture):
        if data is None:
            raise InputError("a model has to be crosschecked first, which needs the data: pass X")
        cc = crosscheck(result, data, names=names, random_seed=random_seed, progressbar=progressbar)
    else:
        cc = result if names is None else result.named(names)
        if data is None:
            data = _rows_of(cc)
        elif header is None or header.content_hash is None:
            refuse_others(cc, data)
    if cc.mixture is not None and data is not None:
        cc, data = _of_one_table(cc, cc.mixture, data)
    made_by = versions() if header is None else header.versions
    material = Material(cc, data, selection, made_by, data_hash, about)
    if selection is not None:
        _check_selection(material, selection)
    sections = [
        section
        for make in track(BRIEF if brief else SECTIONS, "report", shown=progressbar)
        if (section := _made(make, material)) is not None
    ]
    sections = with_own_files(sections)
    name = model_name(material.spec)
    title = title or f"{name[0].upper()}{name[1:]}" + (f": {about['data']}" if "data" in about else "")
    title = visible(title, longest=LONGEST_TITLE)
    verdict = cc.headline if selection is None else compared(cc.headline, selection)
    page = Report(title, verdict, rendered(title, verdict, glance(material), sections, brief, wording))
    if path is not None:
        page.save(path)
    return page


def _rows_of(cc: Crosscheck) -> Data | None:
    return None if cc.mode.spec is None and cc.mixture is None else rows_in(cc)


def _of_one_table(cc: Crosscheck, mixture: xr.DataTree, data: Data) -> tuple[Crosscheck, Data]:
    """The crosscheck of a user's own model and its rows, with the columns of its mixture in their order.

    A mixture without names of columns, or with others, takes those of as many columns.
    """
    own = given(mixture).features
    if set(own) == set(data.features):
        return cc, columns_of(data, [data.features.index(name) for name in own])
    if len(own) != data.n_features:  # without the exposure, say
        return cc, rows_in(cc) or data
    return replace(cc, mixture=relabelled(mixture, dict(zip(own, data.features, strict=True)))), data


def _checked_hash(data: Data | None, header: Header | None) -> str | None:
    """Hash of the data, which must be that of the header if it has one; None if neither is known."""
    found = None if data is None else content_hash(data)
    known = None if header is None else header.content_hash
    if found is not None and known is not None and found != known:
        what = (
            f"these are not the data that the result was saved with: their hash is {found[:16]}…, that of "
            f"the saved result {known[:16]}…; "
        )
        raise InputError(worded(what, THE_SAME))
    return found if known is None else known


def _data_of(result: Crosscheck | Mixture, X: Any, weights: Any, missing: str | None, labels: Any) -> Data:
    """The data, their columns in the order of the result's, and coded as it has them."""
    spec = result.mode.spec if isinstance(result, Crosscheck) else result
    categories = False if spec is None else spec.categories
    data = as_data(X, weights, missing=missing, labels=labels, categories=categories)
    if isinstance(result, Crosscheck):
        fitted = result.mode.features
        data = replace(matched(data, fitted, X, whose="the result is"), features=fitted) if fitted else data
    return spec.ordered(data, data) if categories and spec is not None else data


def compared(headline: Headline, selection: Selection) -> Headline:
    """The conclusion in view of a comparison of K: not green if more clusters may be better."""
    if not selection.at_edge:
        return headline
    return headline.doubted(
        f"The largest number of clusters that was compared is recommended, K = {selection.recommended}, and "
        "more may be better: compare more."
    )


def _check_selection(material: Material, selection: Selection) -> None:
    """Refuse a comparison that holds another optimum of the same model, or fits of other columns."""
    if selection.contradicts(material.cc.em):
        raise InputError(
            "the selection and the crosscheck hold different optima of the same model: select again with "
            "fits={K: cc.em}, or crosscheck again with start=selection.fits[K].params"
        )
    for em in selection.fits.values():
        places(em.features, material.features, what="the selection has", whose="the result is")


def _made(make: Callable[[Material], Section | None], material: Material) -> Section | None:
    """Make a section, or say why it failed, so that the other sections are still written."""
    try:
        return make(material)
    except InputError as error:
        name, why = make.__name__.removesuffix("_section"), worded("This section is left out: ", error, ".")
        return Section(name, (Paragraph(why),))


SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    profiles_section,
    clusters_section,
    pages_section,
    rows_section,
    parameters_section,
    missing_section,
    agreement_section,
    predictive_section,
    labels_section,
    comparison_section,
    sensitivity_section,
    data_section,
    model_section,
    reproduction_section,
)
"""The sections of a report in reading order, after the verdict: the results, how far to believe them, and
how they were made."""


BRIEF: tuple[Callable[[Material], Section | None], ...] = (
    brief_profiles_section,
    brief_parameters_section,
    brief_reproduction_section,
)
"""Those of a report of one page."""
