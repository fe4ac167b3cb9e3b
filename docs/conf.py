"""How the documentation is built: ``python -m sphinx -W -b html docs docs/_build/html``."""

import inspect
import re
import shutil
from dataclasses import fields
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from numpydoc.docscrape import ClassDoc
from numpydoc.xref import DEFAULT_LINKS
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from mixtures.tolerances import TOLERANCES, Tolerances

HERE = Path(__file__).parent

project = "mixtures"
author = "the mixtures developers"
project_copyright = author
version = release = version_of("pymc-mixtures")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb"]
html_math_renderer = "mathml"  # below: browsers show it without a script, which would have to be fetched
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
html_static_path = ["_static"]
default_role = "py:obj"
highlight_language = "python"

# The notebooks are committed with their outputs: shown as they are, never run here.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes, and say them shorter
numpydoc_show_class_members = False  # the templates list them
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # link the names below, and no others: nothing is fetched
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | {
    "BMM": "mixtures.BMM",
    "GMM": "mixtures.GMM",
    "PMM": "mixtures.PMM",
    "Beta": "mixtures.priors.Beta",
    "NormalInverseGamma": "mixtures.priors.NormalInverseGamma",
    "NormalInverseWishart": "mixtures.priors.NormalInverseWishart",
    "Check": "mixtures.results.verdict.Check",
    "Headline": "mixtures.results.headline.Headline",
    "Starts": "mixtures.results.verdict.Starts",
    "State": "mixtures.results.verdict.State",
    "Crosscheck": "mixtures.results.crosscheck.Crosscheck",
    "Data": "mixtures.data.table.Data",
    "EMFit": "mixtures.results.em.EMFit",
    "MAPFit": "mixtures.results.map.MAPFit",
    "Restarts": "mixtures.results.em.Restarts",
    "Switching": "mixtures.results.switches.Switching",
    "Verdict": "mixtures.results.verdict.Verdict",
    "CollapseError": "mixtures.CollapseError",
    "IdentifiabilityWarning": "mixtures.IdentifiabilityWarning",
    "InputError": "mixtures.InputError",
    "NonMonotoneError": "mixtures.NonMonotoneError",
}

# Pages to read have their headings at the side; pages that are one of many have the others.
PAGES = (
    *("index", "quickstart", "idea", "tutorial", "trust", "arviz", "report", "large", "api", "benchmarks"),
    *("bad_input", "calibration", "reproducibility", "testing", "add_a_family"),
    *("guides", "which_model", "compared", "questions", "known", "glossary"),
)

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_css_files = ["mixtures.css"]
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_theme_options = {
    "logo": {"text": project},
    "navigation_depth": 3,
    "show_toc_level": 2,
    "secondary_sidebar_items": {page: ["page-toc"] for page in (*PAGES, "notebooks/*")},
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {page: [] for page in PAGES}


class TolerancesTable(SphinxDirective):
    """Table of every tolerance with its value, read from the class that the verdicts read."""

    def run(self) -> list[nodes.Node]:
        """Write the table in Markdown and let MyST read it."""
        values = {field.name: getattr(TOLERANCES, field.name) for field in fields(Tolerances)}
        lines = ["| name | value | meaning |", "|---|---|---|"]
        for entry in ClassDoc(Tolerances)["Attributes"]:
            names = entry.name.split(", ")
            shown = ", ".join(f"`{name}`" for name in names)
            numbers = ", ".join(f"{values.pop(name):g}".replace("e-0", "e-") for name in names)
            lines.append(f"| {shown} | {numbers} | {' '.join(entry.desc).strip()} |")
        if values:
            raise self.error(f"tolerances without a word in the docstring: {', '.join(values)}")
        return self.parse_text_to_nodes("\n".join(lines))


def mathml(node: nodes.Element, display: str) -> str:
    """Write a formula as MathML, and warn of commands that were not understood."""
    found = convert(node.astext(), display=display)
    space = '<mspace width="0.17em"></mspace>'  # round the names of functions, as LaTeX has it
    found = re.sub(r"(<mi>(?:log|exp)</mi>)(?=<m[^o])", rf"\1{space}", found)
    found = re.sub(r"(</mi>|</msub>)(?=<mi>(?:log|exp)</mi>)", rf"\1{space}", found)
    if "\\" in found:
        logging.getLogger(__name__).warning("not understood in a formula: %s", node.astext(), location=node)
    return found


def show_inline(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    writer.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def show_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands by itself; a long one scrolls on a narrow page, by the keyboard too."""
    box = '<div class="formula" role="group" aria-label="Formula" tabindex="0">'
    writer.body.append(f"{box}{mathml(node, 'block')}</div>")
    raise nodes.SkipNode


def show_parameters(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, None] | None:
    """Give a PyMC distribution the signature that a reader calls: a name, then what ``dist`` takes."""
    if what != "class" or not hasattr(obj, "dist"):
        return None
    taken = inspect.signature(obj.dist).parameters.values()
    first = inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    shown = [first, *(parameter.replace(annotation=parameter.empty) for parameter in taken)]
    return str(inspect.Signature(shown)), None


UNSAID = (
    (re.compile(r"<th\b([^>]*)></th>"), r"<td\1></td>"),
    (re.compile(r'<img (id="_anim_img)'), r'<img alt="The animation, frame by frame" \1'),
    (re.compile(r'<input (id="_anim_slider)'), r'<input aria-label="Frame" \1'),
)
"""What the tables of pandas and the animations of matplotlib lack for screen readers."""


def say_the_unsaid(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give the outputs of notebooks the names that their libraries do not give them."""
    if page.startswith("notebooks/"):
        for pattern, instead in UNSAID:
            context["body"] = pattern.sub(instead, context["body"])


def copy_notebooks() -> None:
    """Bring the executed notebooks under the source folder, and no others."""
    copies = HERE / "notebooks"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(notebook, copies)


def setup(app: Sphinx) -> dict[str, Any]:
    """Begin afresh: nothing generated by an earlier build, of names that may be gone, stays."""
    shutil.rmtree(HERE / "api" / "generated", ignore_errors=True)
    copy_notebooks()
    app.add_directive("tolerances", TolerancesTable)
    app.add_html_math_renderer("mathml", (show_inline, None), (show_block, None))
    app.connect("autodoc-process-signature", show_parameters)
    app.connect("html-page-context", say_the_unsaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
