"""The layers of the package: imports point down only. Read from the source, nothing is run."""

import ast
from pathlib import Path

import pytest

import mixtures

ROOT = Path(mixtures.__file__).parent

# From the bottom up. A group may import every group of the rows below it and, within itself, only
# what stands to the left; groups side by side in one row never import each other.
LAYERS = [
    [
        (
            "errors",
            "interrupts",
            "tolerances",
            "wording",
            "cells",
            "brief",
            "data",
            "arguments",
            "rows",
            "remote",
            "chunks",
            "matching",
            "textfiles",
            "files",
            "datasets",
            "trees",
            "labelled",
            "fingerprint",
            "archive",
            "netcdf",
        )
    ],
    [("priors", "families")],
    [
        ("encoding",),
        ("estep", "kernel", "bound", "emfit", "ascent", "em"),
        (
            "distributions",
            "declaration",
            "lowering",
            "conditions",
            "compiled",
            "symmetry",
            "optimise",
            "laplace",
            "draw",
        ),
    ],
    [
        ("relabelling", "orders", "labels", "by_model", "bootstrap"),
        ("verdict", "headline"),
        ("membership", "partitions", "predictive"),
        ("mixing",),
    ],
    [("switches", "sensitivity", "checks", "diagnostics")],
    [("modes", "samplers", "sampling", "table", "standard_errors", "streaming", "certificate", "agreement")],
    [("smc", "evidence", "occupied", "recommendation", "skewness", "selection")],
    [("parts", "saving"), ("prediction",)],
    [("plot",)],
    [("printing", "streams", "options", "reporting", "commands", "cli", "__main__")],
]
PYMC_SIDE = {"pymc", "pytensor", "jax", "jaxlib", "blackjax", "nutpie", "numba"}

PLACES = {
    name: (row, column, place)
    for row, groups in enumerate(LAYERS)
    for column, group in enumerate(groups)
    for place, name in enumerate(group)
}


def sources():
    """Every source file by the name of its module within the package: "em", "families.gaussian"."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path


def imports(path):
    """Absolute names of all that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports hide the layer"
            if node.module == "mixtures":
                yield from (f"mixtures.{alias.name}" for alias in node.names)
            else:
                yield node.module


def inner_imports(path):
    """Top-level modules of the package that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("mixtures.")}


MODULES = dict(sources())
INNER = {name: path for name, path in MODULES.items() if name}


def test_there_is_something_to_check():
    assert {"em", "families.gaussian", "distributions.gaussian", "data"} <= INNER.keys()
    assert "families" in inner_imports(INNER["em"])
    assert "numpy" in set(imports(INNER["em"]))


@pytest.mark.parametrize("name", INNER)
def test_every_module_has_a_layer(name):
    assert name.split(".")[0] in PLACES, f"say in LAYERS where {name} belongs"


@pytest.mark.parametrize("name", INNER)
def test_imports_point_down(name):
    top = name.split(".")[0]
    row, column, place = PLACES[top]
    for other in inner_imports(INNER[name]) - {top}:
        assert other in PLACES, f"{name} imports {other} from the top of the package, not from its module"
        other_row, other_column, other_place = PLACES[other]
        below = other_row < row
        left = (other_row, other_column) == (row, column) and other_place < place
        assert below or left, f"{name} imports {other}, which does not lie below it"


def reached(name):
    """All that importing a module brings in from outside the package, through the modules it imports."""
    outside, seen, todo = set(), set(), {name}
    while todo:
        current = todo.pop()
        seen.add(current)
        for imported in imports(MODULES[current]):
            if not imported.startswith("mixtures"):
                outside.add(imported.split(".")[0])
                continue
            inner = imported.removeprefix("mixtures").removeprefix(".")
            while inner and inner not in MODULES:  # a name in a module, not a module
                inner = inner.rpartition(".")[0]
            if inner and inner not in seen:
                todo.add(inner)
    return outside


@pytest.mark.parametrize("name", [n for n in INNER if PLACES.get(n.split(".")[0], (9,))[0] <= 1 or n == "em"])
def test_the_reference_never_meets_pymc(name):
    """Else EM would not be an independent answer. ArviZ (trees) is let in: it knows no PyMC."""
    assert not reached(name) & PYMC_SIDE


def test_the_pymc_side_is_found_where_it_is():
    assert "pymc" in reached("declaration")  # else the test above could not fail
