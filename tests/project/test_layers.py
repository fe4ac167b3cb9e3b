"""The layers of the package: imports point down only. Read from the source, nothing is run."""

import ast
from pathlib import Path

import pytest

import mixtures

ROOT = Path(mixtures.__file__).parent

# The chapters in reading order, which is import order: each imports only those before it.
CHAPTERS = [
    "types",
    "errors",
    "messages",
    "tolerances",
    "interrupts",
    "arguments",
    "progress",
    "threads",
    "brief",
    "entries",
    "trees",
    "data",
    "families",
    "draws",
    "results",
    "given",
    "em",
    "clusters",
    "estimators",
    "distributions",
    "density",
    "posterior",
    "diagnostics",
    "standard_errors",
    "selection",
    "agreement",
    "saving",
    "plot",
    "reporting",
    "cli",
]
FACES = ["datasets", "priors", "__main__"]  # public names of a chapter, nothing else
REFERENCE = CHAPTERS[: CHAPTERS.index("distributions")]
PYMC_SIDE = {"pymc", "pytensor", "jax", "jaxlib", "blackjax", "nutpie", "numba", "arviz", "arviz_stats"}


def sources():
    """Every source file by the name of its module within the package: "types", "em.fit"."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(sources())
INNER = [name for name in MODULES if name and name not in FACES]


def checked(tree):
    """Nodes of a file but for what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield node
            yield from checked(node)


def imports(name, *, late=True):
    """Absolute names of the modules that a file imports; those within functions too, if ``late``."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for node in checked(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide the layer"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner.removeprefix("mixtures.") in MODULES else node.module


def inner_imports(name, *, late=True):
    """Modules of the package that a file imports."""
    return {
        module.removeprefix("mixtures").removeprefix(".")
        for module in imports(name, late=late)
        if module.partition(".")[0] == "mixtures"
    } - {""}


def test_there_is_something_to_check():
    assert {"em.fit", "families.gaussian", "distributions.gaussian", "data.table"} <= set(INNER)
    assert "families.mixture" in inner_imports("em.fit")
    assert "numpy" in set(imports("em.fit"))


def test_every_file_is_in_a_chapter():
    assert {name.split(".")[0] for name in INNER} == set(CHAPTERS)


@pytest.mark.parametrize("name", INNER)
def test_imports_point_down(name):
    chapter = name.split(".")[0]
    above = CHAPTERS[CHAPTERS.index(chapter) + 1 :] + FACES
    assert [other for other in inner_imports(name) if other.split(".")[0] in above] == []


def test_there_are_no_circles():
    """Within a chapter either: no file needs, while it is loaded, one that needs it."""
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, " -> ".join([*open_, name])
        if name in done:
            return
        open_.append(name)
        for other in inner_imports(name, late=False):
            visit(other)
        done.add(open_.pop())

    for name in INNER:
        visit(name)


def reached(name):
    """All that a module may bring in from outside the package, through the modules it imports."""
    outside, seen, todo = set(), set(), {name}
    while todo:
        current = todo.pop()
        seen.add(current)
        todo |= inner_imports(current) - seen
        outside |= {module.split(".")[0] for module in imports(current)} - {"mixtures"}
    return outside


@pytest.mark.parametrize("name", [name for name in INNER if name.split(".")[0] in REFERENCE])
def test_the_reference_never_meets_pymc(name):
    """Else EM would not be an independent answer."""
    assert not reached(name) & PYMC_SIDE


def test_the_pymc_side_is_found_where_it_is():
    assert "pymc" in reached("distributions.declare")  # else the test above could not fail
