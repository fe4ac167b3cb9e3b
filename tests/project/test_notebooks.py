"""The notebooks run from top to bottom, show no warning, and are committed with what they show."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 600
"""Time that a cell may take on a slow machine."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def warnings_shown(notebook):
    """What a notebook printed as a warning, or as an error."""
    said = [o.text for o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr"]
    failed = [o.evalue for o in outputs(notebook) if o.output_type == "error"]
    return [text for text in said if "warning" in text.lower()] + failed


def test_the_tutorial_is_there():
    assert [path.name[:2] for path in NOTEBOOKS[:8]] == [f"{number:02d}" for number in range(1, 9)]


@every_notebook
def test_it_is_committed_as_it_ran(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not warnings_shown(notebook)
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))
    assert path.stat().st_size < 3_000_000


@every_notebook
def test_it_says_what_one_learns_and_cites_its_sources(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "**What you will learn.**" in first.source
    assert "*" in first.source.split("\n\n")[-1]  # titles of the sources


@pytest.mark.slow
@every_notebook
def test_it_runs_without_error_or_warning(path):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    ran = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    assert not warnings_shown(ran)
    kinds = [[output.output_type for output in cell.outputs] for cell in code_cells(ran)]
    committed = nbformat.read(path, as_version=4)
    assert kinds == [[output.output_type for output in cell.outputs] for cell in code_cells(committed)]
