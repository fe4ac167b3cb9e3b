"""Every bad input of the table, however it is given, gets its message, and nothing else happens."""

import contextlib
import os
import runpy
import warnings
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from bad_input import BMM, COMMANDS, GMM, SECTIONS, TAKEN, B, X, page, text
from command import run

import mixtures as mx
from mixtures.data.files import read_table
from mixtures.data.reading import as_data
from mixtures.errors import InputError

ROOT = Path(__file__).parents[2]
CASES = [case for cases in SECTIONS.values() for case in cases]


@pytest.fixture
def no_compiler(monkeypatch):
    """Fail if PyTensor, or JAX, is asked to compile anything."""

    def refuse(*_, **__):
        raise AssertionError("a compiler was reached")

    compiled = []
    monkeypatch.setattr("pytensor.compile.maker.FunctionMaker.__init__", refuse)
    monkeypatch.setattr("mixtures.density.compiled.compile_graph", refuse)
    jax.monitoring.register_event_duration_secs_listener(
        record := lambda event, *_, **__: compiled.append(event)
    )
    yield refuse
    jax.monitoring.unregister_event_duration_listener(record)
    assert not [event for event in compiled if "compile" in event]


@pytest.fixture(scope="module")
def em():
    return mx.fit_em(GMM, mx.datasets.faithful(), random_seed=1)


@pytest.fixture
def folder(tmp_path, monkeypatch, em):
    """Where the tests run: good files, and places that cannot be read or written."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("good.csv").write_bytes(text(X))
    mx.save(em, "em.mix")
    return tmp_path


def refusal(function, *arguments, **keywords):
    """Message of the error; anything but an `InputError`, a warning too, is a failure of the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            function(*arguments, **keywords)
    return str(caught.value)


def complaint(line, stdin=""):
    """The one line, without its first word, that a command line ends with; nothing is printed beside it."""
    code, out, err = run(*line.split(), stdin=stdin, columns=300)
    assert (code, out) == (2, "")
    if err.startswith("Usage"):
        return " ".join(err.split("─╮")[1].split("╰─")[0].replace("│", " ").split())
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")


# The table


@pytest.mark.usefixtures("no_compiler", "folder")
@pytest.mark.parametrize(
    ("case", "way"),
    [(case, way) for case in CASES for way in ("array", "pandas", "polars") if getattr(case, way)],
    ids=lambda value: getattr(value, "what", value),
)
def test_data_in_memory(case, way):
    for door in case.doors:
        said = refusal(getattr(mx, door), case.model, getattr(case, way)())
        assert case.says(said), f"{door}: {said}"


@pytest.mark.usefixtures("no_compiler", "folder")
@pytest.mark.parametrize("case", [case for case in CASES if case.files], ids=lambda case: case.what)
def test_data_in_files(case):
    for name, content in case.files.items():
        Path(name).write_bytes(content)

        def read_and_fit(name=name):
            mx.fit_em(case.model, read_table(name))

        options = "" if case.model is GMM else f" --model {type(case.model).__name__.lower()}"
        said = refusal(read_and_fit)
        assert case.says(said), f"{name}: {said}"
        for line in COMMANDS:
            said = complaint(line.replace("bad", name) + options)
            assert case.says(said, case.option), f"{line}: {said}"
        if name.endswith(".csv") and content.strip():
            for line in COMMANDS:
                said = complaint(line.replace("bad", "-") + options, content)
                assert case.says(said.replace("standard input", name), case.option), f"{line}: {said}"


@pytest.mark.usefixtures("no_compiler", "folder")
@pytest.mark.parametrize(
    ("case", "expression"),
    [(case, expression) for case in CASES for expression in case.python],
    ids=lambda value: getattr(value, "what", value),
)
def test_calls(case, expression):
    said = refusal(eval, expression, {"mx": mx, "np": np, "pd": pd, "X": X, "B": B})
    assert case.says(said), said


@contextlib.contextmanager
def forbidden(monkeypatch):
    """Files that cannot be opened and folders that cannot be written, also for root."""
    Path("secret.csv").write_bytes(text(X))
    Path("locked").mkdir()
    os.chmod("secret.csv", 0)
    os.chmod("locked", 0o500)
    if os.access("secret.csv", os.R_OK):  # we are root, whom no right is denied

        def guarded(path, *arguments, **keywords):
            if "secret" in str(path) or "locked" in str(path):
                raise PermissionError(13, "Permission denied", str(path))
            return open(path, *arguments, **keywords)

        monkeypatch.setattr("mixtures.data.files.open", guarded, raising=False)
        monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "locked")
    yield
    os.chmod("locked", 0o700)


@pytest.mark.usefixtures("no_compiler", "folder")
@pytest.mark.parametrize(
    ("case", "line"),
    [(case, line) for case in CASES for line in case.commands],
    ids=lambda value: getattr(value, "what", value),
)
def test_command_lines(case, line, monkeypatch):
    with forbidden(monkeypatch):
        said = complaint(line)
    assert case.says(said, ""), said


def test_a_case_is_one_message_and_some_way_to_it():
    for case in CASES:
        assert case.given_as, case.what
        assert "\n" not in case.message
    assert len({case.what for case in CASES}) == len(CASES)


# What is no bad input


def test_what_is_refused_is_what_is_bad(no_compiler, folder):
    """Good input gets as far as a compiler, or to its end: else the tests above would pass on anything."""
    for door in ("fit_map", "sample", "crosscheck"):
        for spec, data in ((GMM, X), (BMM, B)):
            with pytest.raises(AssertionError, match="a compiler was reached"):
                getattr(mx, door)(spec, data)
    with pytest.raises(AssertionError, match="a compiler was reached"):
        run(*["crosscheck", "good.csv", "-k", "2"])
    assert run(*["select", "good.csv", "--max-k", "2"])[0] == run(*["predict", "good.csv", "-k", "2"])[0] == 0


def test_compilers_are_told_when_they_are_reached(monkeypatch):
    events = []
    jax.monitoring.register_event_duration_secs_listener(
        record := lambda event, *_, **__: events.append(event)
    )
    jax.jit(lambda x: x + 1.25)(np.arange(3.0))
    jax.monitoring.unregister_event_duration_listener(record)
    assert [event for event in events if "compile" in event]


@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: taken.what)
def test_unusual_input_is_taken_to_the_last_row(taken, folder):
    for way in taken.ways:
        np.testing.assert_array_equal(as_data(way()).values, taken.values)
    for name, content in taken.files.items():
        Path(name).write_bytes(content)
        np.testing.assert_array_equal(as_data(read_table(name)).values, taken.values)


def test_rows_of_weight_zero_count_as_none():
    weights = [1, 2, 1, 3, 1, 0]
    em = mx.fit_em(GMM, X, weights=weights, random_seed=1)
    same = mx.fit_em(GMM, np.repeat(X, weights, axis=0), random_seed=1)
    assert em.log_posterior == pytest.approx(same.log_posterior, rel=1e-9)


# The page


def test_the_page_is_the_table():
    assert (ROOT / "docs" / "bad_input.md").read_text(encoding="utf-8") == page()


def test_the_page_is_written_by_its_command(capsys):
    runpy.run_module("tests.bad_input", run_name="__main__")
    assert capsys.readouterr().out == page()
