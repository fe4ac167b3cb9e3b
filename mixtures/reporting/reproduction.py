"""The section that says how the numbers of a report were made."""

from collections.abc import Iterator
from datetime import date

from mixtures.brief import model_words
from mixtures.reporting.blocks import Block, Code, Paragraph, Section
from mixtures.reporting.material import Material

__all__ = ["brief_reproduction_section", "reproduction_section"]


def reproduction_section(material: Material) -> Section:
    """Say how to reproduce the numbers."""
    return Section("reproduce", "How to reproduce this", (*_how_made(material), Paragraph(SAVED)))


def brief_reproduction_section(material: Material) -> Section:
    """The same without advice."""
    return Section("reproduce", "How to reproduce this", _how_made(material))


def _how_made(material: Material) -> tuple[Block, ...]:
    """The command or code that made the numbers, the seed and the versions."""
    about = material.about
    if "command" in about:
        code = Code(about["command"], "The command that made this report")
    else:
        code = Code("\n".join(_in_python(material)), "In Python")
    used = ", ".join(f"{name} {number}" for name, number in material.versions.items())
    seed = f"Seed: {material.seed}. " if material.seed else f"{NO_SEED} "
    return code, Paragraph(f"{seed}Versions: {used}. Written on {date.today().isoformat()}.")


def _in_python(material: Material) -> Iterator[str]:
    """Lines that make the crosscheck and the report; the data and a model of one's own are the reader's."""
    spec, data = material.cc.mode.spec, material.data
    given: dict[str, str] = {}
    if spec is not None and data is not None:
        own = {"weights": data.weights, "labels": data.labels}
        given |= {name: name for name, values in own.items() if values is not None}
        given |= {"missing": "'integrate'"} if data.has_missing else {}
    if material.seed:
        given["random_seed"] = material.seed
    what = ["model"] if spec is None else [f"mx.{model_words(spec)}", "X"]
    call = ", ".join([*what, *(f"{name}={value}" for name, value in given.items())])
    yield "import mixtures as mx"
    yield (
        "# model: the pymc.Model with its data"
        if spec is None
        else "# X: the data; state priors as they were"
    )
    yield f"cc = mx.crosscheck({call})"
    yield 'mx.report(cc, path="report.html")'


NO_SEED = (
    "No seed was given, or it is not known: another run draws other numbers, which agree up to their errors."
)
"""What is said where the seed is not known."""


SAVED = (
    "Every number of this page is in the crosscheck or in the DataTree of its sample; save both with "
    "mixtures report --save FILE or mixtures.save, and read them with mixtures.load. With the same seed and "
    "versions on the same kind of machine the numbers are the same."
)
"""Where the numbers are, and what makes them the same again."""
