"""The report: what it says, where its numbers come from, what it leads with, and hostile text in it."""

import base64
import io
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace
from unicodedata import category
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from command import run
from conftest import long

import mixtures as mx
from mixtures.brief import rounded
from mixtures.cli.wording import in_options
from mixtures.given import given
from mixtures.messages import Option, worded
from mixtures.reporting.blocks import (
    LEAST_WIDTHS,
    TITLES,
    Figure,
    Listing,
    Paragraph,
    Section,
    Table,
    aligned,
    with_own_files,
)
from mixtures.reporting.doubts import predictive_section
from mixtures.reporting.figures import LONGEST, short_names
from mixtures.reporting.findings import checks_table, clusters_section, draw_heatmap
from mixtures.reporting.material import MOST_PAGES, Material, relabelled
from mixtures.reporting.opening import glance
from mixtures.reporting.pages import pages_section
from mixtures.reporting.profiles import _pixels, profiles_section
from mixtures.reporting.rendering import rendered
from mixtures.reporting.report import BRIEF, SECTIONS, _made
from mixtures.reporting.reproduction import reproduction_section
from mixtures.reporting.rows import rows_section
from mixtures.results.headline import Headline
from mixtures.results.verdict import Check, State
from mixtures.saving.save import Header, read_header

FAITHFUL = mx.datasets.faithful()
FIRST = ["verdict", "profiles", "clusters", "pages", "rows"]
SHORT = {"n_init": 2, "draws": 150, "tune": 150, "chains": 2, "random_seed": 1, "progressbar": False}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "$\\frac{a}{",
    "العمود_الأول",
    "a_name_without_end_" * 20,
]


class Reader(HTMLParser):
    """Tags with their attributes, and the text of the body, of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.quiet = [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.quiet += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.quiet -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.quiet:
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def said(self):
        return " ".join("".join(self.text).split())


def figures(html):
    """Every figure of a page, as SVG."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    return [base64.b64decode(each).decode() for each in found]


@pytest.fixture(scope="module")
def cc():
    return mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT)


@pytest.fixture(scope="module")
def page(cc):
    return mx.report(cc, FAITHFUL, progressbar=False)


@cache  # test_report_browser.py opens the same page
def hostile_report():
    """Report of a table whose names and rows try to be more than text."""
    rng = np.random.default_rng(1)
    values = np.vstack([rng.normal(0, 1, (60, 5)), rng.normal(4, 1, (60, 5))])
    rows = [f"<b onclick=alert({i})>‮row {i}" for i in range(120)]
    X = pd.DataFrame(values, columns=HOSTILE, index=rows)
    found = mx.crosscheck(mx.GMM(2, covariance_type="spherical"), X, **SHORT)
    about = {
        "data": "<svg onload=alert(3)>.csv",
        "command": "mixtures report '</code><script>alert(4)</script>'",
    }
    return mx.report(found, X, title="<h1>A title</h1>", about=about, progressbar=False)


@pytest.fixture
def hostile():
    return hostile_report()


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (mx.GMM(2, covariance_type="tied", prior=None), {}),
        (mx.Mixed(2, gaussian=["a"], bernoulli=["b"]), {"missing": "integrate"}),
        (mx.PMM(2, exposure="b"), {"weights": np.ones(3)}),
        (None, {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_code_that_reproduces_a_report_is_that_of_its_crosscheck(spec, options):
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 1.0, np.nan if "missing" in options else 1.0]})
    data = None if spec is None else spec.table(X, **options)
    material = SimpleNamespace(spec=spec, data=data, seed="7", about={}, versions={})
    lines = reproduction_section(material, advice=False).blocks[0].text.splitlines()
    called = []
    names = {name: getattr(mx, name) for name in ("GMM", "Mixed", "PMM")}
    record = lambda *given, **how: called.append((given, how))  # noqa: E731
    fake = SimpleNamespace(**names, crosscheck=record, report=record)
    exec("\n".join(lines[1:]), {"mx": fake, "X": "X", "model": "model", "weights": options.get("weights")})
    (cc, how), (_, again) = called
    assert cc == (("model",) if spec is None else (spec, "X"))
    assert how == {"random_seed": 7, **options}
    assert again == (options if spec is not None else {"path": "report.html"})


@pytest.mark.parametrize(
    ("spec", "figures"),
    [
        (mx.GMM(1), ["Predicted densities"]),
        (mx.BMM(1), ["Mean of every", "Pairs"]),
        (mx.PMM(1), ["Mean of every", "Pairs"]),
        (mx.LCA(1), ["Entropy of every", "Pairs"]),
        (mx.Mixed(1, categorical=["a"], bernoulli=["b"]), ["Mean of every"]),
        (mx.Mixed(1, gaussian=["a"], bernoulli=["b"]), ["Predicted densities", "Pairs"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_family_has_predictive_checks(spec, figures):
    X = pd.DataFrame(np.random.default_rng(1).integers(0, 2, (40, 2)), columns=["a", "b"])
    em = mx.fit_em(spec, X, n_init=1, random_seed=1)
    data, tree = em.spec.table(X), em.to_datatree()
    cc = SimpleNamespace(em=em, posterior=tree)
    shown = SimpleNamespace(data=data, cc=cc)
    material = SimpleNamespace(spec=em.spec, data=data, features=em.features, cc=cc, pictured=shown)
    found = [block.alt for block in predictive_section(material).blocks if isinstance(block, Figure)]
    assert [words for words, alt in zip(figures, found, strict=True) if alt.startswith(words)] == figures


def test_a_heat_map_keeps_its_height_above_long_names():
    levels = ["strongly disagree", "neither agree nor disagree", "strongly agree"]
    X = pd.DataFrame(dict.fromkeys("abcdef", levels * 4))
    ax = draw_heatmap(mx.fit_em(mx.LCA(2), X, n_init=1, random_seed=1), "p", 2)
    ax.figure.canvas.draw()
    height = ax.get_window_extent().height / ax.figure.dpi
    plt.close(ax.figure)
    assert height > 0.6  # inches, of two clusters


def test_sections_in_reading_order(page):
    titles = re.findall(r'<h2 id="([a-z]+)-title"', page.html)
    assert titles == [
        "verdict", "profiles", "clusters", "pages", "rows", "parameters", "agreement", "predictive", "labels",
        "sensitivity", "data", "model", "reproduce",
    ]  # fmt: skip


def test_it_begins_with_what_the_clusters_are(cc):
    said = Reader(mx.report(cc, progressbar=False).html).said
    for sentence in mx.describe(cc, FAITHFUL).sentences:
        assert f"{sentence}." in said


def test_every_number_of_the_table_is_that_of_the_crosscheck(cc, page):
    """To the last bit in what is sorted by, and as rounded where it is read."""
    body = page.html[page.html.index("Posterior of every parameter") :]
    for name in ("mean", "sd", "2.5%", "97.5%", "r_hat"):
        for value in cc.table[name]:
            assert f'data-key="{float(value)}"' in body
    mean = cc.table.loc["mu[0, waiting]", "mean"]
    assert f"{mean:.4g}" in body
    points = page.html[page.html.index("Point estimates") :].partition("</table>")[0]
    for name in ("EM", "MAP", "z"):
        assert all(f'data-key="{float(value)}"' in points for value in cc.table[name])


def test_the_shares_of_the_clusters_are_the_posteriors(cc, page):
    part = page.html[page.html.index("Share of the rows") :]
    alpha = cc.posterior["posterior"]["alpha"]
    for k in range(2):
        assert f"{float(alpha.sel(cluster=k).mean()):.1%}" in part


STEERING = "a\x1b[31mb\u202ec\x07\n\udcff\u2066\x85"


def test_rows_that_were_not_fitted_are_refused(cc):
    for rows, weights in ((FAITHFUL[:50], None), (FAITHFUL, np.full(272, 2))):
        with pytest.raises(mx.InputError, match="not the rows that were fitted"):
            mx.report(cc, rows, weights=weights, progressbar=False)


def test_nothing_in_the_page_steers(cc):
    """Whatever text comes from outside: title, names of columns and data, command, seed, versions, notes."""
    text = STEERING
    header = Header("Crosscheck", {text: text}, None, {"data": text, "seed": text, "command": text})
    label = text.replace("\udcff", "")  # pandas has no labels that are half a character
    frame = FAITHFUL.set_axis([f"{label}{i}" for i in range(272)])
    table = cc.table.rename(index=lambda name: name if name.startswith("alpha") else f"{name}{label}")
    noted = replace(cc, notes=(text,), table=table)
    made = mx.report(noted, frame, title=text, header=header, progressbar=False)
    assert made.title == r"a\x1b[31mb\u202ec\x07\n\udcff\u2066\x85"
    for page in (made.html, mx.report(noted, frame, header=header, progressbar=False).html):
        assert not {c for c in page if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - set("\n\t")
        page.encode()
    assert len(mx.report(noted, title="x" * 10_000, progressbar=False).title) < 300


def test_the_least_sure_rows_are_listed(cc, page):
    found = mx.responsibilities(cc.em.spec, FAITHFUL, cc.posterior)
    order = np.argsort(found["label_probability"].values, kind="stable")[:12]
    part = page.html[page.html.index("whose cluster is least certain") :]
    shown = re.findall(r'<th scope="row"[^>]*><bdi>([^<]+)</bdi>', part)[:12]
    assert shown == [str(i) for i in order]


def test_tables_and_labels_can_be_downloaded(cc, page):
    links = {each["download"]: each["href"] for each in Reader(page.html).all("a") if "download" in each}

    def table(name):
        kind, _, content = links[name].partition(",")
        assert kind == "data:text/csv;charset=utf-8;base64"
        return pd.read_csv(io.BytesIO(base64.b64decode(content)), index_col=0)

    labels = mx.responsibilities(cc).to_frame()
    pd.testing.assert_frame_equal(table("clusters-of-rows.csv"), labels, check_names=False)
    found = table("posterior-of-every-parameter.csv")
    np.testing.assert_allclose(found["mean"], cc.table["mean"])


def test_figures_follow_dark_mode_and_show_every_number_once(page):
    for svg in figures(page.html):
        assert "@media screen and (prefers-color-scheme: dark)" in svg
        assert "#ffffff" not in svg.partition("</style>")[2]
    alts = [each["alt"] for each in Reader(page.html).all("img")]
    assert [alt for alt in alts if alt.startswith("Estimates")] == [
        f"Estimates of {name}" for name in ("alpha", "mu", "sd", "corr")
    ]


@pytest.mark.parametrize(("points", "at_least"), [(300, 0), (404, 0), (470, 35), (600, 40), (2000, 50)])
def test_wide_figures_scroll_where_their_words_would_be_tiny(points, at_least):
    svg = base64.b64encode(
        f'<svg height="9pt" width="{points}.5pt" viewBox="0 0 1 1"></svg>'.encode()
    ).decode()
    assert Figure(f"data:image/svg+xml;base64,{svg}", "", "").at_least == at_least


def test_a_figure_that_may_scroll_can_be_reached_and_says_so(page):
    boxes = re.findall(
        r'<div class="wide at-least-(\d+)" role="region" aria-label="(.+?)" tabindex="0">', page.html
    )
    assert len(boxes) > 3
    assert page.html.count("The figure goes on to the right") == len(boxes)
    assert all(f".at-least-{rem} img {{ min-width: {rem}rem; }}" in page.html for rem in LEAST_WIDTHS)


def test_the_same_results_make_the_same_page(cc, page):
    again = mx.report(cc, FAITHFUL, progressbar=False)
    strip = re.compile(r"Written on [0-9-]+")
    assert strip.sub("", again.html) == strip.sub("", page.html)


def test_the_page_is_one_file_and_runs_nothing_of_the_datas(page):
    read = Reader(page.html)
    assert len(read.all("script")) == 1
    assert "src" not in read.all("script")[0]
    assert all(each["src"].startswith("data:image/svg+xml;base64,") for each in read.all("img"))
    assert {each["href"][0] for each in read.all("a") if "download" not in each} == {"#"}
    (policy,) = [each["content"] for each in read.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert len(page.html) < 3_000_000


def test_hostile_names_are_text(hostile):
    read = Reader(hostile.html)
    assert len(read.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert not [tag for tag, _ in read.tags if tag in ("b", "svg", "iframe", "object")]
    assert len(read.all("h1")) == 1
    said = "".join(read.text)
    for name in HOSTILE:
        assert name in said
    assert "<h1>A title</h1>" in said
    assert "<b onclick=alert(" in said
    assert "</code><script>alert(4)</script>" in said


def test_heads_of_tables_may_end_lines_after_underscores(hostile):
    assert "a_<wbr>name_<wbr>without_<wbr>end_<wbr>" in hostile.html
    assert "<wbr><wbr>" not in hostile.html


def test_names_in_figures_are_text_of_a_bearable_length(hostile):
    drawn = figures(hostile.html)
    assert len(drawn) > 4
    elements = [element for svg in drawn for element in ElementTree.fromstring(svg).iter()]
    assert not any(element.tag.endswith("script") for element in elements)
    assert not any(name.startswith("on") for element in elements for name in element.attrib)
    everything = "".join(drawn)
    assert "$\\\\frac{a}{" in everything  # its backslash spelt out, and not taken for mathematics
    assert "العمود_الأول" in everything
    assert short_names(HOSTILE)[4] in everything
    assert "a_name_without_end_a_name_" not in everything


def test_short_names_stay_different():
    names = short_names(["x" * 50, "x" * 60, "x" * 70, "a\nb", "short"])
    assert len(set(names)) == 5
    assert max(map(len, names)) <= LONGEST
    assert names[3:] == ("a b", "short")


@pytest.mark.long
def test_large_scatters_become_pixels(tmp_path):
    X = np.vstack([FAITHFUL.to_numpy()] * 20) + np.random.default_rng(1).normal(0, 0.05, (5440, 2))
    found = mx.crosscheck(mx.GMM(2), X, **SHORT)
    page = mx.report(found, X, tmp_path / "large.html", progressbar=False)
    assert len(page.html) < 3_000_000
    clusters = next(svg for svg in figures(page.html) if svg.count("<image") and "clip" in svg)
    assert clusters.count("<use") < 100
    small = figures(mx.report(without_rows(found), progressbar=False).html)
    assert not any("<image" in svg for svg in small)


@pytest.mark.long
def test_many_columns_stay_below_the_size():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(240, 12)) + 3 * rng.integers(0, 3, size=(240, 1))
    found = mx.crosscheck(mx.GMM(3, covariance_type="diag"), X, **SHORT)
    page = mx.report(found, X, progressbar=False)
    assert len(page.html) < 3_000_000
    assert "data:image/png" in page.html  # what would be long in SVG
    assert len(figures(page.html)) > 3


def without_rows(cc):
    """A crosscheck whose sample does not hold the rows."""
    groups = {name: x.to_dataset() for name, x in cc.posterior.children.items() if name != "observed_data"}
    return replace(cc, posterior=xr.DataTree.from_dict(groups))


def test_without_the_data_the_rest_is_said(cc):
    page = mx.report(without_rows(cc), progressbar=False)
    said = Reader(page.html).said
    assert "The data were not available" in said
    assert "eruptions, waiting" in said
    assert "Posterior of every parameter" in said
    assert "could this model" in said.lower()
    assert page.headline == cc.headline


def test_a_fit_that_asks_too_much_leads_with_the_reason():
    found = mx.crosscheck(mx.BMM(2), mx.datasets.coins(), **SHORT)
    page = mx.report(found, mx.datasets.coins(), progressbar=False)
    assert page.headline.state is State.RED
    assert page.headline.reasons[0].startswith("One flip per row identifies only sum_k alpha_k p_k")
    said = Reader(page.html).said
    verdict = said[said.index("Do not rely on this fit") :]
    assert verdict.index("One flip per row") < verdict.index("Model")
    assert (
        said.lower().count("one flip per row identifies") == 3
    )  # verdict, certificate, verdict on the sample


@pytest.mark.long
def test_too_many_clusters_lead_with_the_reason():
    found = mx.crosscheck(mx.GMM(4), FAITHFUL, **SHORT)
    assert found.headline.state is State.RED
    assert "lower n_components" in found.headline.reasons[0]


def test_causes_come_before_symptoms(cc):
    symptom, cause = cc.certificate[1], cc.certificate[3]
    assert cause.cause
    assert not symptom.cause
    broken = (
        cc.certificate[0],
        replace(symptom, passed=False),
        cc.certificate[2],
        replace(cause, passed=False, note="there is a ridge"),
        *cc.certificate[4:],
    )
    told = replace(cc, certificate=broken).headline
    assert told.reasons[0].startswith("There is a ridge")
    assert told.reasons[1].startswith("These fail too, perhaps for the same reason: PyMC's gradient")
    told = replace(cc, certificate=(replace(symptom, passed=False),)).headline
    assert told.title == "Do not rely on this fit: EM and MAP and PyMC's log posterior do not all agree."


def test_a_flat_prior_has_no_sample_and_says_so():
    found = mx.crosscheck(mx.GMM(2, prior=None), FAITHFUL, **SHORT)
    page = mx.report(found, FAITHFUL, progressbar=False)
    assert page.headline.state is State.AMBER
    said = Reader(page.html).said
    assert "there is no posterior sample" in said
    assert "There is no prior: the mode is the maximum likelihood estimate." in said


def test_a_model_of_ones_own():
    with pm.Model(coords={"group": ["first", "second"], "feature": list(FAITHFUL.columns)}) as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), dims="group")
        mu = pm.Normal("mu", FAITHFUL.mean().to_numpy(), 20, dims=("group", "feature"))
        sd = pm.HalfNormal("sd", 20, dims=("group", "feature"))
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=sd**2, observed=FAITHFUL)
    cc = mx.crosscheck(model, **SHORT)
    other = {"eruptions": "x0", "waiting": "x1"}
    without_names = replace(cc, mode=replace(cc.mode, coords={}), mixture=relabelled(cc.mixture, other))
    for page in (mx.report(cc, progressbar=False), mx.report(without_names, FAITHFUL, progressbar=False)):
        assert page.title == "A model of your own"
        assert "mu[first, eruptions]" in page.html
        said = Reader(page.html).said
        assert "The data were not available" not in said
        assert "cluster 0" not in said, "the clusters have the names of the model's dim everywhere"
        assert "0: first; 1: second. The model does not tell them apart" in said
        assert "hand-written" not in said
        assert "Do MAP and the posterior agree?" in said
        assert "there is no second density in NumPy" in said
        (unchecked,) = page.headline.remarks
        assert unchecked.startswith(
            "Not checked, since a model of your own has no specification, such as GMM(2): "
        )
        assert unchecked.endswith("values below zero, doubtful data.")
        assert said.count(unchecked) == 2
        assert "pm.sample_posterior_predictive(cc.posterior)" in said
        assert "pm.stats.compute_log_prior(cc.posterior)" in said
        assert all(f"{sentence}." in said for sentence in mx.describe(cc, FAITHFUL).sentences)
        assert re.findall(r'<h2 id="([a-z]+)-title"', page.html)[:5] == FIRST
        assert 'href="#cluster-1"' in page.html
        assert "rows whose cluster is least certain" in said
        assert "cc = mx.crosscheck(model, random_seed=1)" in said
    page = mx.report(cc, brief=True, names=["long", "short"], progressbar=False)
    assert "what the clusters are" in page.html.lower()
    assert "first" not in Reader(page.html).said
    assert cc.named(["long", "short"]).table.index[0] == "alpha[long]"
    for rows in (FAITHFUL[:50], FAITHFUL + 1, FAITHFUL[::-1]):
        with pytest.raises(mx.InputError, match="not the rows that were fitted"):
            mx.report(cc, rows, progressbar=False)


def a_material(spec, X, weights=None):
    """What sections are made of, of EM alone."""
    em = mx.fit_em(spec, X, weights=weights, n_init=1, random_seed=1)
    cc = SimpleNamespace(em=em, posterior=None, mixture=None, names=None, mode=SimpleNamespace(spec=em.spec))
    made = Material(cc, em.spec.read(X, weights), None, {}, None, {})
    known = given(em)
    vars(made)["known"] = replace(known, spec=known.spec.unnamed)
    vars(made)["described"] = mx.describe(em, X, weights=weights)
    vars(made)["pictured"] = replace(made, cc=em)
    return made


def words_of(section):
    return [block.text for block in section.blocks if isinstance(block, Paragraph)]


def test_of_many_clusters_the_largest_have_pages_and_it_is_said():
    X = np.random.default_rng(0).integers(0, 2, (60, 3))
    made = a_material(mx.BMM(MOST_PAGES + 1), X)
    smallest = made.known.draws["alpha"][0].argmin()
    assert made.pages == tuple("" if k == smallest else f"cluster-{k}" for k in range(MOST_PAGES + 1))
    for section in (profiles_section(made), pages_section(made)):
        assert "Of the 21 clusters the 20 with the largest shares" in words_of(section)[0]
    assert "" in profiles_section(made).blocks[1].links
    assert "largest shares" not in "".join(words_of(profiles_section(made, links=False)))
    assert a_material(mx.BMM(1), X).pages == ("cluster-0",)


def test_one_cluster_differs_from_none():
    X = np.random.default_rng(0).integers(0, 2, (60, 14))
    made = a_material(mx.BMM(1), X)
    assert made.described.words[0].share == "100%"
    blocks = (*clusters_section(made).blocks, *pages_section(made).blocks)
    tables = [block for block in blocks if isinstance(block, Table)]
    assert not any("Share" in table.caption for table in tables)
    (profile,) = (table for table in tables if table.caption.startswith("Profile"))
    assert "the 12 of 14 figures that come first" in profile.caption
    assert "difference" not in [column.name for column in profile.columns]


def test_rows_have_the_columns_in_which_their_cluster_differs_most():
    rng, z = np.random.default_rng(0), np.repeat([0, 1], 40)
    X = rng.normal(size=(80, 7))
    X[:, [1, 5, 6]] += 6.0 * z[:, None]
    X[:, 3] += 4.0 * z
    made = a_material(mx.GMM(2, covariance_type="diag"), X)
    tables = [block for block in pages_section(made).blocks if isinstance(block, Table)]
    typical = [table for table in tables if "typical" in table.caption]
    assert [[c.name for c in table.columns if c.name.startswith("x")] for table in typical] == [
        ["x1", "x3", "x5", "x6"]
    ] * 2


def test_files_have_whole_names_of_their_own():
    captions = ("Overlap of größer with the others", "Überlapp: 1", "Überlapp: 2", "x" * 300, "x" * 301)
    tables = tuple(Table(caption, (), ()) for caption in captions)
    names = [table.file_name for s in with_own_files([Section("data", tables)]) for table in s.blocks]
    assert names[:3] == ["overlap-of-größer-with-the-others.csv", "überlapp.csv", "überlapp-2.csv"]
    assert len(set(names)) == 5
    assert max(len(name.encode()) for name in names) < 200


def test_sizes_are_weights_and_rows_are_called_rows():
    X = np.random.default_rng(0).integers(0, 2, (40, 3))
    weights = np.where(np.arange(40) < 20, 1.0, 5.0)
    made = a_material(mx.BMM(2), X, weights)
    assert "Shares and sizes are of the total weight of the rows" in words_of(profiles_section(made))[0]
    rows = rows_section(made)
    sure = made.assigned["label_probability"].values
    assert f"rows, {np.average(1 - sure, weights=weights):.1%} of the total weight," in words_of(rows)[0]
    (least,) = [each for each in rows.blocks if isinstance(each, Table) and "least certain" in each.caption]
    at = [column.name for column in least.columns].index("weight")
    places = np.argsort(sure, kind="stable")[:12]
    assert [float(row[at].key) for row in least.rows] == weights[places].tolist()
    text = " ".join(words_of(pages_section(made)))
    assert "on average by weight" in text
    for k in range(2):
        own = made.assigned["label"].values == k
        assert f"weight {weights[own].sum():g} in {own.sum()} rows" in text
        assert f"It is the likeliest cluster of {own.sum()} rows" in text


def test_an_exposure_is_no_column_that_is_fitted():
    rows = pd.DataFrame({"falls": [1, 4, 2, 9], "hours": [2.0, 4.0, 3.0, 5.0]})
    made = a_material(mx.PMM(1, exposure="hours"), rows)
    made.cc.starts = None
    facts = dict(glance(made))
    assert facts["Model"] == "Poisson mixture with 1 cluster"
    assert facts["Data"] == "4 rows, 1 column and the exposure"


@pytest.mark.parametrize("k", [1, *long(2)])
def test_few_clusters_and_one_column(k):
    X = FAITHFUL[["waiting"]]
    found = mx.crosscheck(mx.GMM(k, covariance_type="spherical"), X, **SHORT)
    page = mx.report(found, X, progressbar=False)
    assert "Gaussian mixture" in page.title
    assert '<h3 id="cluster-0"' in page.html


def test_a_section_that_is_left_out_keeps_its_heading():
    def refused(material):
        raise mx.InputError("no rows")

    for name in (*SECTIONS, *BRIEF):
        section = _made(name, refused, None)
        assert (section.title, words_of(section)) == (TITLES[name], ["This section is left out: no rows."])


@pytest.mark.long
def test_weights_are_told_and_what_knows_none_is_left_out(cc):
    weights = np.r_[np.full(100, 2.0), np.ones(172)]
    found = mx.crosscheck(mx.GMM(2), FAITHFUL, weights=weights, **SHORT)
    page = mx.report(found, FAITHFUL, weights=weights, progressbar=False)
    said = Reader(page.html).said
    assert "with weights that sum to 372" in said
    assert "This section is left out: predictive checks compare rows and do not take weights" in said


def test_a_comparison_is_shown_when_asked_for(cc):
    selection = mx.select(mx.GMM(1), FAITHFUL, range(1, 4), n_init=2, random_seed=1, progressbar=False)
    page = mx.report(cc, FAITHFUL, selection=selection, progressbar=False)
    part = page.html[page.html.index('id="comparison"') :]
    assert "Lowest BIC: K = 2" in part
    assert "Numbers of clusters: lower is better for aic, bic, icl<" in part
    for value in selection.table["bic"]:
        assert f'data-key="{float(value)}"' in part


def test_other_data_than_those_saved_are_refused(cc, tmp_path):
    mx.save(cc, tmp_path / "a.mix", X=FAITHFUL, about={"seed": "7"})
    header = read_header(tmp_path / "a.mix")
    page = mx.report(mx.load(tmp_path / "a.mix"), FAITHFUL, header=header, progressbar=False)
    assert header.content_hash in page.html
    assert "Seed: 7." in Reader(page.html).said
    with pytest.raises(mx.InputError, match="not the data that the result was saved with"):
        mx.report(cc, FAITHFUL * 2, header=header, progressbar=False)
    with pytest.raises(mx.InputError, match="X has the columns b, c; the result is of eruptions, waiting"):
        mx.report(cc, FAITHFUL.set_axis(["b", "c"], axis=1), progressbar=False)
    with pytest.raises(mx.InputError, match="needs the data: pass X"):
        mx.report(mx.GMM(2))
    with pytest.raises(mx.InputError, match="a report is of a crosscheck or a model, got EMFit"):
        mx.report(cc.em, FAITHFUL)


def test_numbers_stand_by_their_points():
    texts = aligned(["1.25", "−10", "3e-05", "0.5"])
    assert [len(text) for text in texts] == [4, 6, 8, 4]
    frame = pd.DataFrame({"a": [1.0, np.nan, np.inf, -2.5], "b": ["x", "y", "z", "w"]})
    table = Table.of_frame("t", frame)
    assert [row[1].text.strip("\N{FIGURE SPACE}\N{PUNCTUATION SPACE}") for row in table.rows] == [
        "1",
        "–",
        "∞",
        "\N{MINUS SIGN}2.5",
    ]
    assert [column.numeric for column in table.columns] == [False, True, False]
    assert table.rows[1][1].key is None


def test_the_command_fits_saves_and_reports(tmp_path):
    short = ("--n-init", 2, "--draws", 150, "--tune", 150, "--chains", 2, "--seed", 1, "--quiet")
    first, kept = tmp_path / "first.html", tmp_path / "kept.mix"
    code, out, err = run("report", "faithful", "-k", 2, *short, "-o", first, "--save", kept, "--max-k", 3)
    assert (code, err) == (0, "")
    assert "do not rely on the posterior sample" in out.splitlines()[0]
    assert "The report is in" not in out  # with --quiet
    read = Reader(first.read_text(encoding="utf-8"))
    assert "How many clusters?" in read.said
    assert "mixtures report faithful --components 2" in read.said
    assert "--draws 150" in read.said

    second = tmp_path / "second.html"
    code, out, _ = run(
        "report", "faithful", "--from", kept, "-o", second, "--json", "--columns", "waiting,eruptions"
    )
    told = json.loads(out)
    assert code == 0
    assert told["path"] == str(second)
    assert told["state"] == mx.load(kept).headline.state.name.lower()
    numbers = re.compile(r'data-key="([^"]+)"')
    parts = [
        page[page.index("Posterior of every") : page.index('id="clusters"')]
        for page in (first.read_text(encoding="utf-8"), second.read_text(encoding="utf-8"))
    ]
    assert numbers.findall(parts[0]) == numbers.findall(parts[1])
    code, out, _ = run("report", "--from", kept, "-o", second)
    assert code == 0
    assert f"The report is in {second}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("faithful",), "name either a saved crosscheck (--from FILE) or a number of clusters"),
        (("faithful", "-k", 2, "-o", "a.pdf"), "a report is an HTML file"),
        (("-k", 2), "name the data to fit"),
        (("faithful", "-k", 2, "-o", "nowhere/a.html"), "there is no folder 'nowhere'"),
        (("--from", "nowhere.mix"), "there is no file nowhere.mix"),
        (("--from", "nowhere.mix", "--max-k", 3), "--max-k and --save go with -k"),
    ],
)
def test_misuse_is_told(arguments, message):
    code, out, err = run("report", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_every_cluster_has_a_page_that_links_lead_to(cc, page):
    found = mx.describe(cc, FAITHFUL)
    heads = re.findall(r'<h3 id="(cluster-\d)" class="page"><bdi>([^<]*)', page.html)
    assert heads == [("cluster-0", "Cluster 0"), ("cluster-1", "Cluster 1")]
    parts = re.split(r'<h3 id="cluster-\d"|<section id="rows"', page.html)[1:3]
    for k, (part, sentence) in enumerate(zip(parts, found.sentences, strict=True)):
        assert page.html.count(f'href="#cluster-{k}"') == 2  # from the sentence and from the table
        said = Reader(f"<p {part}").said
        assert f"{sentence}." in said
        figures = found.to_frame().query(f"cluster == 'cluster {k}'").set_index(["figure", "of"])
        for at in (("mean", "waiting"), ("sd", "waiting"), ("difference", "waiting")):
            row = figures.loc[at]
            interval = f"{rounded(row.lower, row.sd)} to {rounded(row.upper, row.sd)}"
            assert f"{rounded(row.value, row.sd)} {interval}".replace("-", "\N{MINUS SIGN}") in said
        for row in (each for each in found.rows if each.cluster == f"cluster {k}"):
            assert f"{row.row} {row.typical} {row.probability:.3f}" in said


def test_only_a_crosscheck_is_reported(tmp_path):
    mx.save(mx.fit_em(mx.GMM(2), FAITHFUL, n_init=1, random_seed=1), tmp_path / "em.mix")
    code, _, err = run("report", "--from", tmp_path / "em.mix")
    assert code == 2
    assert "holds a result of type EMFit; a report is of what crosscheck --save wrote" in err


def test_columns_are_pixels_if_their_names_fill_a_picture():
    names = [f"pixel_{r}_{c}" for r in range(4) for c in range(5)]
    assert _pixels(names) == (4, 5)
    assert _pixels([name.removeprefix("pixel_") for name in names]) == (4, 5)
    assert _pixels(names[::-1]) is None
    assert _pixels(names[:-1]) is None
    assert _pixels(["waiting", *names[1:]]) is None
    assert _pixels([f"item_{r}_{c}" for r in range(2) for c in range(8)]) is None


def test_a_page_names_options_as_its_reader_types_them():
    """Those of Python by default, those of the command line on a page that a command writes."""
    advice = worded("raise ", Option("n_init"))
    verdict = Headline(State.AMBER, "Take care.", (advice,), ())
    line = Check("a check", 1.0, 0.0, False, advice, source="a book")
    blocks = (Paragraph(worded("Perhaps ", advice, ".")), Listing((advice,)), checks_table("Checks", [line]))
    pages = [
        rendered("A page", verdict, (), [Section("data", blocks)], False, how) for how in (str, in_options)
    ]
    for page, own in zip(pages, ("n_init", "--n-init"), strict=True):
        assert re.findall(r"aise ([-\w]+)", page.replace("<wbr>", "")) == [own] * 4


def test_a_brief_report_has_verdict_clusters_and_code(cc):
    page = mx.report(cc, FAITHFUL, brief=True, progressbar=False).html
    assert re.findall(r'<section id="(\w+)"', page) == ["verdict", "profiles", "reproduce"]
    assert "<table" not in page
    assert 'href="#cluster' not in page


def test_columns_that_are_pixels_are_shown_as_images():
    cc = mx.crosscheck(mx.BMM(2), mx.datasets.digits(), **SHORT)
    assert "8 x 8 pixels" in mx.report(cc, brief=True, progressbar=False).html
