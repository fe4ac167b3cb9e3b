"""``mixtures cache``: what is kept, and none of it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mixtures.cli.app import app
from mixtures.density.store import Store

RUN = CliRunner()


def run(*arguments):
    found = RUN.invoke(app, ["cache", *arguments])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXTURES_CACHE", str(tmp_path))
    Store(tmp_path, "a" * 64).write("model", json.dumps({"model": "GMM[red](2)\x1b[31m"}).encode())
    Store(tmp_path, "a" * 64).write("gradient", bytes(3000))
    Store(tmp_path, "b" * 64).write("model", b"null")
    return tmp_path


def test_what_is_kept_is_shown(folder):
    shown = run()
    assert "GMM[red](2)" in shown
    assert "\x1b[31m" not in shown
    assert "(not kept)" in shown
    found = json.loads(run("--json"))
    assert found["folder"] == str(folder)
    by_name = {each["model"]: each for each in found["models"]}
    assert by_name["GMM[red](2)\x1b[31m"]["programs"] == 2
    assert by_name["GMM[red](2)\x1b[31m"]["bytes"] > 3000


def test_all_of_it_can_be_removed(folder):
    (folder / "mine.txt").write_text("stays")
    assert run("--clear").strip() == "2 models removed."
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert json.loads(run("--json"))["models"] == []
    assert json.loads(run("--clear", "--json"))["removed"] == 0


def test_it_may_be_off(monkeypatch):
    monkeypatch.setenv("MIXTURES_CACHE", "off")
    assert run().strip() == "The cache is off (MIXTURES_CACHE)."
    assert json.loads(run("--json")) == {"folder": None}


def test_a_strange_file_is_no_model(folder):
    (folder / ("a" * 64) / "model.program").write_bytes(np.random.default_rng(1).bytes(500))
    assert "GMM" not in run()
