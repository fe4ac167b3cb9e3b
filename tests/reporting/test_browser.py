"""The checks of tests/browser.py: a sound page passes them all, and every fault in one is found."""

import base64
import hashlib

import browser as chrome
import pytest

STYLE = """
:root { --paper: #fff; --ink: #222; --soft: #595959; }
@media (prefers-color-scheme: dark) { :root { --paper: #111; --ink: #eee; --soft: #aaa; } }
body { background: var(--paper); color: var(--ink); font: 16px sans-serif; margin: 1rem; }
a { color: inherit; }
:focus-visible { outline: 3px solid; }
th button { font: inherit; color: var(--soft); background: none; border: 0; }
img { max-width: 100%; }
.wide { overflow-x: auto; }
.wide p { width: 60rem; }
"""
SORT = """
for (const table of document.querySelectorAll("table")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, place) => head.firstChild.addEventListener("click", () => {
    const sign = head.ariaSort === "ascending" ? -1 : 1;
    heads.forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const cells = Array.from(table.tBodies[0].rows, (row) => row.cells[place]);
    const number = (cell) => parseFloat(cell.dataset.key);
    const has = (cell) => !Number.isNaN(number(cell));
    cells.sort((a, b) => has(a) && has(b) ? sign * (number(a) - number(b)) : has(a) - has(b) ? has(b) - has(a)
      : sign * a.textContent.localeCompare(b.textContent));
    table.tBodies[0].append(...cells.map((cell) => cell.parentElement));
  }));
}
"""
DRAWING = b"""<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">
<path d="M0 0L200 100" stroke="red"/></svg>"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src '{style_hash}'; script-src '{script_hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A page</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>A page</h1>
<p>Some words, with <a href="#figures">a link</a>.</p>
<h2 id="figures">Figures</h2>
<img alt="A line from one corner to the other" src="data:image/svg+xml;base64,{drawing}">
<h3>Numbers</h3>
<table>
<caption>Three numbers</caption>
<thead><tr><th scope="col"><button>name</button></th><th scope="col"><button>size</button></th></tr></thead>
<tbody>
<tr><th scope="row">b</th><td data-key="10">10</td></tr>
<tr><th scope="row">a</th><td data-key="9">9</td></tr>
<tr><th scope="row">d</th><td>-</td></tr>
<tr><th scope="row">c</th><td data-key="-1.5">-1.5</td></tr>
</tbody>
</table>
<div class="wide" role="region" aria-label="Wide" tabindex="0"><p>Wide.</p></div>
<details><summary>More</summary><p>Folded words.</p></details>
<p lang="he">שלום</p>
</main>
<script>{script}</script>
</body>
</html>
"""


def sha256(text):
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def sample(*changes, style="", script=SORT):
    """The sound page with some text in it exchanged, and with more style."""
    parts = {"style": STYLE + style, "script": script, "drawing": base64.b64encode(DRAWING).decode()}
    parts |= {f"{name}_hash": sha256(parts[name]) for name in ("style", "script")}
    page = PAGE
    for old, new in changes:
        assert old in page
        page = page.replace(old, new)
    for name, value in parts.items():
        page = page.replace(f"{{{name}}}", value)
    return page


@pytest.fixture
def opened(browser, tmp_path):
    """Open what a page is changed to."""

    def opened(*changes, **options):
        path = tmp_path / "page.html"
        path.write_text(sample(*changes, **options), encoding="utf-8")
        return chrome.open_page(browser, path)

    return opened


def test_a_sound_page_passes(opened):
    page = opened()
    chrome.check_page(page)
    assert page.console == []
    assert "Folded words." in chrome.text_of(page)
    assert "שלום" in chrome.text_of(page)


HEAD, OTHER = "<h1>A page</h1>", "https://example.invalid"
POLICY = "default-src 'none'; img-src data:"
ALT = ' alt="A line from one corner to the other"'


def fault(check, words, *changes, style="", script=SORT):
    """A check that must fail in these words on a page with such changes."""
    return pytest.param(check, words, changes, {"style": style, "script": script}, id=f"{check}: {words}")


def added(text):
    return HEAD, f"{HEAD}{text}"


CONSOLE = [
    fault("console", "violates", added("<script>var a = 1</script>")),
    fault("console", "violates", added(f"<img alt='x' src='{OTHER}/x.png'>")),
    fault("console", "Uncaught Error: broken", script="throw new Error('broken')"),
]
REQUESTS = [
    fault("requests", f"asked for {OTHER}/x.png", added(f"<img src='{OTHER}/x.png'>"), (POLICY, "")),
    fault(
        "requests", f"asked for {OTHER}/late", (POLICY, ""), script=f"fetch('{OTHER}/late').catch(() => 0)"
    ),
    fault(
        "requests", "asked for wss://example", (POLICY, ""), script="new WebSocket('wss://example.invalid')"
    ),
    fault("requests", r"asked for file:///\S+x\.png", added("<img src='x.png'>"), (POLICY, "")),
    fault("requests", f"link has href={OTHER}", added(f"<link rel='preconnect' href='{OTHER}'>")),
    fault("requests", f"img has srcset={OTHER}", added(f"<img alt='x' srcset='{OTHER}/x.png 2x'>")),
    fault("requests", r"a style has url\(https", style=f"i {{ background: url({OTHER}/x.png) }}"),
    fault("requests", "a style has @import", style=f"@import '{OTHER}/x.css';"),
]
SCRIPTS = [
    fault("scripts", "2 scripts, not 1", added("<script>0</script>")),
    fault("scripts", "has onerror", ("<img ", "<img onerror='0' ")),
    fault("scripts", "href=javascript:", ('href="#figures"', "href='javascript:0'")),
    fault("scripts", "<iframe> '' has no place here", added("<iframe></iframe>")),
    fault("scripts", "no policy", ("Content-Security-Policy", "other")),
    fault("scripts", "an unsafe policy", ("script-src '", "script-src 'unsafe-inline' '")),
    fault("scripts", "a style of its own", ("<p>Some", "<p style='color: red'>Some")),
]
IMAGES = [
    fault("images", "is broken", ("base64,{drawing}", "base64,PHN2Zz4=")),
    fault("images", "has no alternative text", (ALT, "")),
    fault("images", "has no alternative text", (ALT, " alt=' '")),
    fault("images", "takes no room", style="img { width: 0 }"),
]
STRUCTURE = [
    fault("structure", "no lang", ('<html lang="en">', "<html>")),
    fault("structure", "no title", ("<title>A page", "<title>")),
    fault("structure", "quirks mode", ("<!doctype html>", "")),
    fault("structure", "no meta charset", ('<meta charset="utf-8">', "")),
    fault("structure", "no viewport", ('name="viewport"', "name='x'")),
    fault("structure", "0 main, not one", ("<main>", ""), ("</main>", "")),
    fault("structure", "id 'figures' twice", ("<h3>", "<h3 id='figures'>")),
    fault("structure", "a link leads to '#figures'", ('id="figures"', "")),
    fault("structure", "a button without a name", ("<button>name", "<button>")),
    fault("structure", "named by 'nobody'", ("<main>", "<main aria-labelledby='nobody'>")),
    fault("structure", "2 h1, not one", ("h3>", "h1>")),
    fault("structure", "'Figures' follows a heading of level 0", (HEAD, ""), ("h3>", "h1>")),
    fault("structure", "'Numbers' follows a heading of level 2", ("h3>", "h4>")),
    fault("structure", "an empty h3", ("<h3>Numbers", "<h3> ")),
    fault("structure", "table '' has no caption", ("<caption>Three numbers</caption>", "")),
    fault("structure", "th 'a' has no scope", ('<th scope="row">a', "<th>a")),
    fault("structure", "no th with scope=col", ('scope="col"', 'scope="row"')),
    fault("structure", "rows of 2 and 3 cells", ("<td>-</td>", "<td>-</td><td></td>")),
]
WIDTH = [
    fault("fits", "390 px, screen: <p> 'Some words.* reaches to 516", style="main > p { width: 500px }"),
    fault("fits", "390 px, screen: .*cannot be reached by keyboard", (' tabindex="0"', "")),
    fault("fits", "390 px, screen: .*no role and name", (' role="region"', "")),
    fault(
        "fits", "390 px, screen: <p> 'Some.*: 'Some' is br", style="p { width: 1em; overflow-wrap: anywhere }"
    ),
    fault("fits", "680 px, print: the page is 816 px", style="@media print { h1 { width: 800px } }"),
]
CONTRAST = [
    fault("contrast", "light, screen: <p> 'Some words.* contrast of 2.32, 4.5 is", style="p { color: #aaa }"),
    fault("contrast", "dark, screen: <p> 'Some words.* contrast of 3.29, 4.5 is", style="p { color: #666 }"),
    fault("contrast", "light, print: <p> 'Folded", style="@media print { p { color: #f99; } }"),
    fault("contrast", "light, screen: .* contrast of", style="main { opacity: 0.5 }"),
    fault("contrast", "dark, screen: <p> 'Some.* contrast of", style="p { color: oklch(0.4 0 0) }"),
    fault("contrast", "dark, screen: <p> 'Some.* contrast of", style="p { background: #aaac }"),
    fault("contrast", "has a picture behind text", style="main { background: linear-gradient(red, blue) }"),
]
SORTING = [
    fault("sorting", "no table has a button", ("<button>", ""), ("</button>", ""), script=""),
    fault("sorting", "ascending: '-' stands before '-1.5'", script=SORT.replace("dataset.key", "x")),
    fault(
        "sorting", "descending: '-' stands before '10'", script=SORT.replace("? has(b)", "? sign * has(b)")
    ),
    fault("sorting", "aria-sort says", script=SORT.replace('"descending"', '"ascending"')),
    fault(
        "sorting",
        "other rows than before",
        script=SORT.replace("table.tBodies[0].append", "cells[0].append('!'), table.tBodies[0].append"),
    ),
    fault(
        "sorting", "the mouse does not sort", style="body::after { content: ''; position: fixed; inset: 0 }"
    ),
]
KEYBOARD = [
    fault("keyboard", "one does not see that <a> 'a link'", style=":focus-visible { outline: none; }"),
    fault("keyboard", "out of the page before any button", ("<button>", "<button tabindex='-1'>")),
    fault("keyboard", "Enter and space do not press", script=SORT.replace('"click"', '"mousedown"')),
]


@pytest.mark.parametrize(
    ("check", "words", "changes", "options"),
    [*CONSOLE, *REQUESTS, *SCRIPTS, *IMAGES, *STRUCTURE, *WIDTH, *CONTRAST, *SORTING, *KEYBOARD],
)
def test_every_fault_is_found(opened, check, words, changes, options):
    page = opened(*changes, **options)
    with pytest.raises(AssertionError, match=words):
        getattr(chrome, f"check_{check}")(page)


def test_what_all_checks_find_is_told_together(opened):
    page = opened((ALT, ""), style="p { color: #aaa }")
    with pytest.raises(AssertionError, match=r"(?s)images: .*no alternative text.*contrast: .*a contrast of"):
        chrome.check_page(page)


def test_what_another_page_did_is_not_held_against_one(opened):
    opened(script="throw new Error('broken')")
    chrome.check_console(opened())


def test_sheets_and_pictures(opened, tmp_path):
    page = opened()
    assert chrome.print_page(page, tmp_path / "page.pdf") == 1
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page = opened(style="@media print { h2, h3 { break-before: page; } }")
    assert chrome.print_page(page) == 3
    page = opened(style="h1 { height: 3000px }")
    for width in (chrome.DESKTOP, chrome.PHONE):
        chrome.photograph(page, tmp_path / "page.png", width, scheme="dark")
        header = (tmp_path / "page.png").read_bytes()[16:24]
        assert int.from_bytes(header[:4]) == width
        assert int.from_bytes(header[4:]) > 3000


@pytest.mark.parametrize("missing", ["chromium", "chromedriver"])
def test_where_there_is_no_browser_tests_are_skipped_and_say_so(monkeypatch, missing):
    monkeypatch.setattr("shutil.which", lambda name: None if name.startswith(missing) else f"/usr/bin/{name}")
    with (
        pytest.raises(pytest.skip.Exception, match=f"no {missing} here: Debian's packages"),
        chrome.chromium(),
    ):
        pass
