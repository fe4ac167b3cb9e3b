"""The documentation in the code: every example runs, and every public function has one."""

import ast
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import mixtures

MODULES = ["mixtures"] + [
    module.name
    for module in pkgutil.walk_packages(mixtures.__path__, "mixtures.")
    if not module.name.endswith("__main__")
]
PUBLIC = {name: value for name in mixtures.__all__ if callable(value := getattr(mixtures, name))}


@pytest.mark.long  # the gate runs them in the environment of the wheel
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    """Otherwise the test above would hold trivially."""
    finder = doctest.DocTestFinder()
    found = [t for name in MODULES for t in finder.find(importlib.import_module(name)) if t.examples]
    assert len(found) >= 10


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_are_documented(name):
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    assert text
    if inspect.isclass(value) and issubclass(value, Exception):
        return
    sections = ["Parameters", "Examples"] if inspect.isclass(value) else ["Parameters", "Returns", "Examples"]
    missing = [section for section in sections if f"{section}\n{'-' * len(section)}" not in text]
    assert not missing


def test_public_names_are_listed_in_order():
    assert {"GMM", "fit_em", "crosscheck"} <= PUBLIC.keys()
    assert mixtures.__all__ == sorted(set(mixtures.__all__)) == dir(mixtures)
    stub = ast.parse(Path(mixtures.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == mixtures.__all__
