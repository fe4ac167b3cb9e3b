"""A report's sections as one HTML page."""

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from mixtures.messages import visible
from mixtures.reporting.blocks import Section
from mixtures.results.headline import Headline

__all__ = ["rendered"]


def rendered(
    title: str,
    verdict: Headline,
    facts: tuple[tuple[str, str], ...],
    sections: list[Section],
    brief: bool,
    wording: Callable[[str], str],
) -> str:
    """The page; every text in it passes through the wording, and is made harmless."""
    style, script = _own("style.css"), _own("sort.js")
    template = _environment().get_template("page.html.j2")
    return template.render(
        title=title,
        verdict=verdict,
        facts=facts,
        sections=sections,
        brief=brief,
        wording=wording,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mixtures.reporting", "page"),
        autoescape=True,
        finalize=_harmless,  # for every text that enters the page anywhere
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


@pass_context
def _breakable(context: Context, text: str) -> Markup:
    """Text in which a line may end after every underscore; browsers would end it anywhere."""
    return Markup("_<wbr>").join(_harmless(context, text).split("_"))


@pass_context
def _harmless(context: Context, value: Any) -> Any:
    """Make text unable to affect what surrounds it, in the page's wording; markup comes only from here."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = context["wording"](value)
    return visible(text, keep="\n\t", longest=len(text))


def _own(name: str) -> str:
    """Read a file of the page without surrounding white space, as it is hashed."""
    return resources.files("mixtures.reporting").joinpath("page", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """Hash by which the page's security policy allows this text and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
