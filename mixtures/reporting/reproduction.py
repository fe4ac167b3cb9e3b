"""The last section of a report: the command or code that makes its numbers again."""

from datetime import date

from mixtures.brief import model_words
from mixtures.data.reading import INTEGRATE
from mixtures.data.table import Data
from mixtures.reporting.blocks import Block, Code, Paragraph, Section
from mixtures.reporting.material import Material

__all__ = ["brief_reproduction_section", "reproduction_section"]

SAVED = (
    "Every number of this page is in the crosscheck or in the DataTree of its sample; save both with "
    "mixtures report --save FILE or mixtures.save, and read them with mixtures.load. With the same seed and "
    "versions on the same kind of machine the numbers are the same."
)
"""Where the numbers are, and what makes them the same again."""


def reproduction_section(material: Material) -> Section:
    """Say how to reproduce the numbers."""
    return Section("reproduce", "How to reproduce this", (*_how_made(material), Paragraph(SAVED)))


def brief_reproduction_section(material: Material) -> Section:
    """The same without advice."""
    return Section("reproduce", "How to reproduce this", _how_made(material))


def _how_made(material: Material) -> tuple[Block, ...]:
    """The command or code that made the numbers, the seed and the versions."""
    about, spec = material.about, material.spec
    if "command" in about:
        code = Code(about["command"], "The command that made this report")
    else:
        seed = about.get("seed") or "None"
        given = "model" if spec is None else f"mx.{model_words(spec)}, X{_options_of(material.data)}"
        same = "" if spec is None or spec.prior is None else "  # with the same priors"
        lines = (
            "import mixtures as mx",
            f"cc = mx.crosscheck({given}, random_seed={seed}){same}",
            f'mx.report(cc, X, "report.html"{_options_of(material.data)})',
        )
        code = Code("\n".join(lines), "In Python")
    used = ", ".join(f"{name} {number}" for name, number in material.versions.items())
    seed = f"Seed: {about['seed']}. " if about.get("seed") else "No seed was given, or it is not known. "
    return code, Paragraph(f"{seed}Versions: {used}. Written on {date.today().isoformat()}.")


def _options_of(data: Data | None) -> str:
    """The options that the data need, as Python writes them after others."""
    if data is None:
        return ""
    needed = {
        "weights=weights": data.weights is not None,
        f'missing="{INTEGRATE}"': data.has_missing,
        "labels=labels": data.labels is not None,
    }
    return "".join(f", {option}" for option, is_needed in needed.items() if is_needed)
