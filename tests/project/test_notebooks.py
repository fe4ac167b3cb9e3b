"""The notebooks run from top to bottom, show no warning, and are committed with what they show."""

import ast
import inspect
from functools import reduce
from importlib import import_module
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 600
"""Time that a cell may take on a slow machine."""

LONGEST = ("01", "02", "03", "04", "06", "07", "08", "09", "10", "11")
"""Notebooks of a minute and more: these are run under ``-m long``, the others in every run."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_notebook_to_run = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.long if path.name.startswith(LONGEST) else (), id=path.stem)
        for path in NOTEBOOKS
    ],
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def kinds(cell):
    """Kinds of the outputs of a cell; what it prints counts once, in however many pieces it came."""
    return [kind for kind, _ in groupby(output.output_type for output in cell.outputs)]


def warnings_shown(notebook):
    """What a notebook printed as a warning, or as an error."""
    said = [o.text for o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr"]
    failed = [o.evalue for o in outputs(notebook) if o.output_type == "error"]
    return [text for text in said if "warning" in text.lower()] + failed


def test_the_tutorial_is_there():
    assert [path.name[:2] for path in NOTEBOOKS[:9]] == [f"{number:02d}" for number in range(1, 10)]


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


def dotted(node):
    """``["mx", "plot", "surface"]`` of ``mx.plot.surface``, or None where something else is called."""
    if isinstance(node, ast.Attribute):
        return (before := dotted(node.value)) and [*before, node.attr]
    return [node.id] if isinstance(node, ast.Name) else None


def imports(tree):
    """What a notebook's names of modules, and of what is imported from them, stand for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.asname or each.name: import_module(each.name) for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            found |= {each.asname or each.name: getattr(module, each.name) for each in node.names}
    return found


def check_names(source):
    """Every name taken from an import exists; functions of ``mx`` are given keywords that they have."""
    tree = ast.parse(source)
    known = imports(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Call):
            continue
        path = dotted(node.func if isinstance(node, ast.Call) else node)
        if not path or path[0] not in known:
            continue
        thing = reduce(getattr, path[1:], known[path[0]])
        if isinstance(node, ast.Call) and path[0] == "mx":
            parameters = inspect.signature(thing).parameters
            free = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
            unknown = {each.arg for each in node.keywords} - set(parameters) - {None}
            assert free or not unknown, (path, unknown)


@every_notebook
def test_it_compiles_and_names_what_there_is(path):
    check_names("\n".join(cell.source for cell in code_cells(nbformat.read(path, as_version=4))))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("mx.fit_en()", AttributeError),
        ("mx.fit_em(X, n_inits=3)", AssertionError),
        ("from mixtures import GMN", AttributeError),
        ("mx.fit_em(", SyntaxError),
    ],
)
def test_a_name_that_is_not_there_is_found(line, error):
    check_names("import mixtures as mx\nmx.fit_em(mx.GMM(2), n_init=3)")
    with pytest.raises(error):
        check_names(f"import mixtures as mx\n{line}")


@pytest.mark.slow
@every_notebook_to_run
def test_it_runs_without_error_or_warning(path):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    ran = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    assert not warnings_shown(ran)
    committed = nbformat.read(path, as_version=4)
    assert [*map(kinds, code_cells(ran))] == [*map(kinds, code_cells(committed))]
