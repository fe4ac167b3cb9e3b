"""What the documentation points to is there; that it builds is for ``sphinx -W`` to say."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

import mixtures

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \*\*(S\d)\*\* .*$", TUTORIAL, flags=re.MULTILINE)
LINES = [line for line in TUTORIAL.splitlines() if line.startswith("| **S")]


def anchor(heading):
    """Name of a heading in a link, as on GitHub."""
    kept = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def test_every_system_has_a_row():
    assert ROWS == ["S1", "S2", "S3", "S4", "S5", "S6", "S7"]


@pytest.mark.parametrize("line", LINES, ids=ROWS)
def test_every_system_has_a_function_a_test_and_a_section(line):
    functions = re.findall(r"<(mixtures[\w.]*)>", line)
    tests = re.findall(r"(test_\w+\.py)::(test_\w+)", line)
    sections = re.findall(r"\((notebooks/\w+\.ipynb)#([\w-]+)\)", line)
    assert functions
    assert tests
    assert sections
    for name in functions:
        value = mixtures
        for part in name.split(".")[1:]:
            value = getattr(value, part)
    for file, name in tests:
        tree = ast.parse(next((ROOT / "tests").rglob(file)).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for file, section in sections:
        cells = nbformat.read(ROOT / file, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert section in {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


def test_every_public_name_has_a_page():
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = set(mixtures.__all__) - {"datasets", "plot", "priors"}
    inner = {
        f"{m}.{n}"
        for m in ("plot", "priors")
        for n in getattr(mixtures, m).__all__
        if m == "plot" or n[0].isupper()
    }
    missing = [name for name in names | inner if not re.search(rf"(?<![\w.]){re.escape(name)}\b", listed)]
    assert not missing


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_every_column_of_a_table_has_a_head_in_words(page):
    """A screen reader reads the head with every cell; of a formula alone it may say nothing."""
    text = page.read_text(encoding="utf-8")
    heads = re.findall(r"^\|(.*)\|\n\|[-|: ]+\|$", text, flags=re.MULTILINE)
    cells = [re.sub(r"\$[^$]*\$", "", cell).strip() for head in heads for cell in head.split("|")]
    assert all(cells), heads
