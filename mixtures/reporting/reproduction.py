"""The last section of a report: the command or code that makes its numbers again."""

from collections.abc import Iterator
from datetime import date

from mixtures.brief import model_words
from mixtures.data.reading import INTEGRATE
from mixtures.data.table import Data
from mixtures.reporting.blocks import Code, Paragraph, Section
from mixtures.reporting.material import Material

__all__ = ["reproduction_section"]

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


def reproduction_section(material: Material, *, advice: bool = True) -> Section:
    """Say how to reproduce the numbers: the command or code that made them, the seed and the versions."""
    about = material.about
    if "command" in about:
        code = Code(about["command"], "The command that made this report")
    else:
        code = Code("\n".join(_in_python(material)), "In Python")
    used = ", ".join(f"{name} {number}" for name, number in material.versions.items())
    seed = f"Seed: {material.seed}. " if material.seed else f"{NO_SEED} "
    made = Paragraph(f"{seed}Versions: {used}. Written on {date.today().isoformat()}.")
    return Section("reproduce", (code, made, Paragraph(SAVED)) if advice else (code, made))


def _in_python(material: Material) -> Iterator[str]:
    """Lines that make the crosscheck and the report; the data and a model of one's own are the reader's."""
    spec = material.spec
    seed = f", random_seed={material.seed}" if material.seed else ""
    yield "import mixtures as mx"
    if spec is None:
        yield "# model: the pymc.Model with its data"
        yield f"cc = mx.crosscheck(model{seed})"
        yield 'mx.report(cc, path="report.html")'
        return
    options = _options_of(material.data)
    yield "# X: the data" + ("" if spec.prior is None else "; state priors as they were")
    yield f"cc = mx.crosscheck(mx.{model_words(spec)}, X{options}{seed})"
    yield f'mx.report(cc, X, "report.html"{options})'


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
