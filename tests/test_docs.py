"""The documentation in the code: every example runs, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import mixtures

MODULES = ["mixtures"] + [
    module.name
    for module in pkgutil.walk_packages(mixtures.__path__, "mixtures.")
    if not module.name.endswith("__main__")
]
PUBLIC = {
    name: value
    for name, value in vars(mixtures).items()
    if callable(value) and not name.startswith("_") and value.__module__.startswith("mixtures")
}


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples():
    """Else the test above passes on nothing."""
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
    listed = mixtures.__all__
    assert PUBLIC.keys() <= set(listed)
    assert sorted(listed) == sorted(set(listed))
    assert all(hasattr(mixtures, name) for name in listed)
