"""A page in headless Chromium: what it says and asks for while it opens, and whether everybody can read it.

Every ``check_...`` raises an AssertionError that lists all it found; ``check_page`` runs them all.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

DESKTOP, PHONE, PAPER = 1280, 390, 680
"""Widths in pixels; the paper's is that of A4 within margins of 15 mm."""

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run"
    " --disable-sync --disable-background-networking --disable-component-update --disable-extensions"
    " --no-proxy-server --force-color-profile=srgb --host-resolver-rules=MAP\t*\t~NOTFOUND"
)
"""No sandbox, which root cannot have; and no name is ever looked up, so nothing can leave the machine."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Selenium's driver of a Chromium with an empty profile; skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        missing = "chromium" if program is None else "chromedriver"
        pytest.skip(f"no {missing} here: Debian's packages chromium and chromium-driver have it")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in FLAGS.split(" "):
        options.add_argument(flag.replace("\t", " "))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        started = webdriver.Chrome(options, Service(driver))
        try:
            started.set_page_load_timeout(60)
            started.set_script_timeout(60)
            yield started
        finally:
            started.quit()


class Page:
    """A page that is open, and what it has said and asked for so far.

    Attributes
    ----------
    console : list of str
        Errors on the console, violations of the page's policy among them.
    requests : list of str
        Addresses of everything that was asked for, the page itself first.
    """

    KEYS: ClassVar = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver, self.path = driver, path
        self.console: list[str] = []
        self.requests: list[str] = []

    def listen(self) -> None:
        """Take over what has been logged since."""
        for entry in self.driver.get_log("browser"):
            if entry["level"] == "SEVERE":
                self.console.append(entry["message"])
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                self.requests.append(event["params"]["url"])

    def ask(self, name: str, *arguments: Any) -> Any:
        """What a function of browser.js says of the page."""
        return self.driver.execute_script(f"{SCRIPT}\nreturn {name}(...arguments);", *arguments)

    def command(self, name: str, **options: Any) -> dict[str, Any]:
        """A command of Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(name, options)

    def look(self, width: int = DESKTOP, scheme: str = "light", media: str = "screen") -> None:
        """Show the page in a window of some width, in light or dark, or as on paper; nothing is animated."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def press(self, key: str) -> dict[str, Any] | None:
        """Press a key, and say what has the focus then."""
        code, text = self.KEYS[key]
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if kind == "keyDown" and text else {}
            self.command("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)
        return self.ask("focused")

    def click(self, element: Any) -> None:
        """Click where an element is; what lies over it gets the click."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(element).click().perform()


def open_page(driver: Any, path: Path) -> Page:
    """Open a file in a window of a desktop's width, in light, and wait until all of it is there."""
    driver.get("about:blank")
    page = Page(driver, path)
    page.listen()  # to what other pages said
    page.console.clear()
    page.requests.clear()
    page.look()
    driver.get(path.resolve().as_uri())
    page.ask("images")
    page.listen()
    return page


def none_of(problems: Sequence[str]) -> None:
    """Fail with a list of problems, if there are any."""
    shown = [*problems[:20], *([f"and {len(problems) - 20} more"] if len(problems) > 20 else [])]
    assert not problems, "\n".join(["", *shown])


def check_console(page: Page) -> None:
    """No error on the console, and nothing that the policy of the page had to refuse."""
    page.listen()
    none_of(page.console)


def check_requests(page: Page) -> None:
    """Nothing is asked for but the file itself, and nothing in it could be."""
    page.listen()
    own = page.path.resolve().as_uri()
    assert own in page.requests, f"the page itself was not asked for: {page.requests}"
    other = [url for url in page.requests if url != own and not url.startswith("data:")]
    none_of([*(f"asked for {url}" for url in other), *page.ask("foreign")])


def check_scripts(page: Page, expected: int = 1) -> None:
    """So many scripts and no more, under a policy that lets nothing else run."""
    none_of(page.ask("scripts", expected))


def check_images(page: Page) -> None:
    """Every image is drawn and says in words what it shows."""
    none_of(page.ask("images"))


def check_structure(page: Page) -> None:
    """Language, title, landmarks, ids, links, headings in order, tables with captions and heads."""
    none_of([*page.ask("structure"), *page.ask("headings"), *page.ask("tables")])


def check_fits(page: Page) -> None:
    """Nothing sticks out at the right and no word is broken, on a desktop, a phone or paper."""
    problems = []
    for width, media in ((DESKTOP, "screen"), (PHONE, "screen"), (PAPER, "print")):
        page.look(width, media=media)
        found = [*page.ask("overflow"), *page.ask("broken")]
        problems += [f"{width} px, {media}: {problem}" for problem in found]
    page.look()
    none_of(problems)


def check_contrast(page: Page) -> None:
    """Text has the contrast that WCAG asks for at level AA, in light, in dark and on paper."""
    problems = []
    for scheme, media in (("light", "screen"), ("dark", "screen"), ("light", "print")):
        page.look(scheme=scheme, media=media)
        problems += [f"{scheme}, {media}: {problem}" for problem in page.ask("contrast")]
    page.look()
    none_of(problems)


def check_sorting(page: Page, key: str = "data-key") -> None:
    """Every button in the head of a table sorts it, by the number in an attribute, else by text."""
    buttons = page.driver.find_elements("css selector", "th button")
    assert buttons, "no table has a button that sorts it"
    problems = page.ask("sorting", key)
    page.click(buttons[0])
    order = buttons[0].find_element("xpath", "..").get_attribute("aria-sort")
    none_of(
        [
            *problems,
            *([] if order == "ascending" else ["the mouse does not sort: does something lie over it?"]),
        ]
    )


def check_keyboard(page: Page, most: int = 200) -> None:
    """Tab leads to the first button of a table and shows where one is; Enter and space press it."""
    page.driver.refresh()
    problems = []
    for _ in range(most):
        at = page.press("Tab")
        assert at is not None, "Tab leads out of the page before any button that sorts"
        if not at["visible"]:
            problems.append(f"one does not see that {at['name']} has the focus")
        if at["sorts"]:
            break
    else:
        raise AssertionError(f"no button that sorts within {most} presses of Tab")
    seen = [page.press(key) for key in ("Enter", " ")]
    if [each and each["sorted"] for each in seen] != ["ascending", "descending"]:
        problems.append(f"Enter and space do not press {at['name']}")
    none_of(problems)


def check_page(page: Page, scripts: int = 1) -> None:
    """All of the checks; what any of them found is told together."""
    checks = {
        "scripts": lambda page: check_scripts(page, scripts),
        "structure": check_structure,
        "images": check_images,
        "fits": check_fits,
        "contrast": check_contrast,
        "sorting": check_sorting,
        "keyboard": check_keyboard,
        "requests": check_requests,  # these two last: to what happened while the page was used
        "console": check_console,
    }
    problems = []
    for name, check in checks.items():
        try:
            check(page)
        except AssertionError as error:
            problems.append(f"{name}: {error}")
    none_of(problems)


def text_of(page: Page) -> str:
    """All text that a reader sees, what is folded too."""
    return page.driver.execute_script(f"{SCRIPT}\nunfold(); return document.body.innerText;")


def print_page(page: Page, path: Path | None = None) -> int:
    """Print to PDF, into a file if one is named, and say how many sheets it takes."""
    page.look(media="print")  # else the PDF is of the screen that is emulated
    printed = page.command("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    page.look()
    content = base64.b64decode(printed["data"])
    if path is not None:
        path.write_bytes(content)
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", content))


def photograph(page: Page, path: Path, width: int = DESKTOP, **looks: str) -> None:
    """Picture of the whole page as PNG, for the eyes; in dark or as on paper, as `Page.look` takes it."""
    page.look(width, **looks)
    size = page.command("Page.getLayoutMetrics")["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 16_000), "scale": 1}
    shot = page.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    path.write_bytes(base64.b64decode(shot["data"]))
    page.look()
