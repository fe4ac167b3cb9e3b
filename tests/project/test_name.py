"""The distribution is ``pymc-mixtures``; ``mixtures`` on the package index is a stranger's project."""

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import mixtures

ROOT = Path(mixtures.__file__).parents[1]
OLD_ADVICE = re.compile(
    r"""install\s+(?:-\S+\s+)*["'`]*mixtures(?:\[|["'`]|\s|$)|version(?:_of)?\(["']mixtures["']\)"""
    r"|(?<!pymc-)\bmixtures\[(?:dask|io|nutpie|bench|docs|test)"
)


def tracked():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in names.split(b"\0") if name]


def test_the_pattern_finds_the_old_advice():
    for advice in (
        "pip install 'mixtures[dask]'",
        "pip install mixtures",
        "uv pip install -q mixtures\n",
        "`mixtures[io]`",
    ):
        assert OLD_ADVICE.search(advice)
    assert not OLD_ADVICE.search("pip install 'pymc-mixtures[dask]'")


def test_nothing_advises_to_install_a_stranger():
    texts = {".py", ".md", ".toml", ".j2", ".ipynb", ".txt", ".html"}
    read = [path for path in tracked() if path.suffix in texts and path.name != "test_name.py"]
    assert len(read) > 100
    assert not [path for path in read if OLD_ADVICE.search(path.read_text(encoding="utf-8"))]


def test_the_name_and_version_of_the_distribution():
    assert version("pymc-mixtures").startswith("0.2.0")
