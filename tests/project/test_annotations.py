"""Annotations of public functions, classes and methods can be evaluated, as editors and validators do."""

import inspect
import pkgutil
import typing
from importlib import import_module

import pytest

import mixtures as mx
import mixtures.results

RESULTS = [
    import_module(f"mixtures.results.{module.name}")
    for module in pkgutil.iter_modules(mixtures.results.__path__)
]
PUBLIC = {name: getattr(mx, name) for name in mx.__all__} | {
    name: kind for module in RESULTS for name, kind in inspect.getmembers(module, inspect.isclass)
}

FOREIGN = {"pandas", "xarray"}
"""Libraries whose own classes have annotations that cannot be evaluated."""


def annotated():
    for name, value in PUBLIC.items():
        if inspect.isroutine(value):
            yield pytest.param(value, id=name)
        elif inspect.isclass(value) and value.__module__.startswith("mixtures"):
            if not FOREIGN & {base.__module__.split(".")[0] for base in value.__mro__}:
                yield pytest.param(value, id=name)
            for own, method in inspect.getmembers(value, inspect.isfunction):
                if method.__module__.startswith("mixtures") and not own.startswith("_"):
                    yield pytest.param(method, id=f"{name}.{own}")


@pytest.mark.parametrize("value", list(annotated()))
def test_annotations_are_evaluated(value):
    typing.get_type_hints(value)


def test_the_models_of_crosscheck_are_named_in_its_annotation():
    import pymc as pm

    from mixtures.families.mixture import Mixture

    assert typing.get_type_hints(mx.crosscheck)["spec"] == Mixture | pm.Model
