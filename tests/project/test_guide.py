"""The guide to adding a family: its files, put into a copy of the package, do what it says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "add_a_family.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```\{code-block\} python\n:caption: (\S+)( \(added\))?\n\n(.*?)```", flags=re.DOTALL)
LAWS, SIMULATE, CROSSCHECK = re.search(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)[1].splitlines()
FAMILY = "mixtures/families/exponential.py"


def files():
    """Text of each new file, its blocks joined in order, and the lines that others gain at their end."""
    new, added = {}, {}
    for path, is_added, code in BLOCK.findall(GUIDE):
        into = added if is_added else new
        gap = ("\n" if code.startswith(" ") else "\n\n") if path in into else ""
        into[path] = into.get(path, "") + gap + code
    return new, added


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its tests, with the family added."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("mixtures", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    new, added = files()
    for path, text in new.items():
        assert not (folder / path).exists()
        (folder / path).write_text(text, encoding="utf-8")
    for path, text in added.items():
        before = (folder / path).read_text(encoding="utf-8")
        (folder / path).write_text(f"{before}\n{text}", encoding="utf-8")
    where = "import importlib.util as u; print(u.find_spec('mixtures').origin)"
    assert Path(run(folder, f'python -c "{where}"').stdout.strip()).is_relative_to(folder)
    return folder


def run(folder, command):
    """Run a command of the guide in a folder, with the package that lies there."""
    program, *arguments = shlex.split(command)
    program = [sys.executable, *(["-m", "mixtures"] if program == "mixtures" else [])]
    env = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "120", "NO_COLOR": "1", "PYTEST_ADDOPTS": ""}
    return subprocess.run([*program, *arguments], cwd=folder, env=env, capture_output=True, text=True)


def test_its_code_is_clean(copy):
    paths = " ".join(path for some in files() for path in some)
    for command in ("check", "format --check"):
        assert run(copy, f"python -m ruff {command} {paths}").returncode == 0, command


def test_the_family_obeys_the_laws(copy):
    tested = run(copy, LAWS)
    assert tested.returncode == 0, tested.stdout
    assert int(re.search(r"(\d+) passed, \d+ deselected in", tested.stdout)[1]) >= 30


def test_a_slip_in_the_m_step_breaks_a_law(copy):
    """Else the test above could not fail."""
    right = (copy / FAMILY).read_text(encoding="utf-8")
    slip = right.replace("count[..., None] + (alpha + 1)", "count[..., None] + alpha")
    (copy / FAMILY).write_text(slip, encoding="utf-8")
    tested = run(copy, "python -m pytest -q tests/families/test_laws.py -k 'EMM and m_step'")
    (copy / FAMILY).write_text(right, encoding="utf-8")
    assert tested.returncode == 1
    assert "test_the_m_step_is_the_mode_of_the_complete_data_posterior[default-EMM]" in tested.stdout


def test_the_crosscheck_prints_what_the_guide_shows(copy):
    assert run(copy, SIMULATE).returncode == 0
    checked = run(copy, CROSSCHECK)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    shown = re.search(r"```text\n(.*?)```", GUIDE, flags=re.DOTALL)[1]
    estimates = re.compile(r"^ *((?:alpha|scale)\[.*?\]) +(\S+)", flags=re.MULTILINE)  # by EM
    assert len(estimates.findall(shown)) == 8
    assert estimates.findall(checked.stdout) == estimates.findall(shown)
    for line in ("scale[0, jays]", "PyMC's gradient at EM", "The certificate holds"):
        assert all(line in text for text in (shown, checked.stdout))
