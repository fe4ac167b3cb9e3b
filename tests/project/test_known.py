"""What is known to be true: the tests and commands named there exist, the speeds were measured."""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "known.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@cache
def functions(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_it_names_tests():
    assert len(TESTS) > 60
    assert len(TESTS) == len(set(re.findall(r"(test_\w+\.py)\W+(test_\w+)", PAGE)))  # none is misspelt


def test_every_test_exists():
    assert not [f"{file}::{name}" for file, name in TESTS if name not in functions(file)]


def test_every_command_exists():
    modules = set(re.findall(r"python -m (benchmarks[\w.]*)", PAGE))
    assert {"benchmarks", "benchmarks.calibration"} <= modules
    assert all(find_spec(module) for module in modules)
    scripts = re.findall(r"`(\.ci/\w+)`", PAGE)
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_speed_was_measured():
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \| ([\d.]+ \([\d.–]+\)) \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) >= 5
    for what, peer, ratio in rows:
        assert re.search(
            rf"\| {re.escape(what)} \|[^|]+\| {re.escape(peer)} \|[^|]+\| {re.escape(ratio)} \|", measured
        ), what


def test_every_file_of_tests_that_a_page_names_exists():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {
        (page.name, file)
        for page in pages
        if page.name not in ("add_a_family.md", "CHANGELOG.md")  # a file to be made; files as they were
        for file in re.findall(r"tests/[\w/]+\.py", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert not [each for each in sorted(named) if not (ROOT / each[1]).is_file()]
