"""Reports in headless Chromium: no errors, no requests, figures drawn, tables that sort, text as text."""

import browser as chrome
import pytest
from test_report import FAITHFUL, HOSTILE, SHORT, hostile  # noqa: F401 - a fixture

import mixtures as mx


@pytest.fixture(scope="module")
def plain():
    """The report of a good fit, a comparison of numbers of clusters in it."""
    selection = mx.select(mx.GMM(1), FAITHFUL, range(1, 4), n_init=2, random_seed=1, progressbar=False)
    found = mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT)
    return mx.report(found, FAITHFUL, selection=selection, progressbar=False)


@pytest.fixture(scope="module")
def distrusted():
    """A report full of warnings, of a BMM."""
    X = mx.datasets.coins()
    return mx.report(mx.crosscheck(mx.BMM(2), X, **SHORT), X, progressbar=False)


@pytest.mark.parametrize("name", ["plain", "distrusted", "hostile"])
def test_a_report_in_a_browser(request, browser, tmp_path, name):
    report = request.getfixturevalue(name)
    report.save(tmp_path / "report.html")
    page = chrome.open_page(browser, tmp_path / "report.html")
    chrome.check_page(page)
    assert 3 < chrome.print_page(page) < 32


def test_hostile_names_are_read_as_text(browser, hostile, tmp_path):  # noqa: F811
    hostile.save(tmp_path / "report.html")
    page = chrome.open_page(browser, tmp_path / "report.html")
    said = chrome.text_of(page)
    for name in HOSTILE:
        assert name in said
    assert "<h1>A title</h1>" in said


def test_a_brief_report_is_one_page_in_print(browser, plain, tmp_path):
    found = mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT)
    brief = mx.report(found, FAITHFUL, brief=True, progressbar=False)
    assert len(brief.html) < len(plain.html) / 2
    brief.save(tmp_path / "brief.html")
    page = chrome.open_page(browser, tmp_path / "brief.html")
    for check in (chrome.check_structure, chrome.check_images, chrome.check_fits, chrome.check_contrast):
        check(page)
    chrome.check_requests(page)
    chrome.check_console(page)
    assert chrome.print_page(page) == 1
