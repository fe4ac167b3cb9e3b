"""The README: its Python runs, its commands are those of continuous integration, its links lead somewhere."""

import re
import subprocess
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
from typer.testing import CliRunner

from mixtures import InputError, crosscheck
from mixtures.cli import app as cli

# ArviZ joins trees of one chain (EM, MAP) and of four in a way that xarray is about to change.
pytestmark = pytest.mark.filterwarnings(
    "ignore:In a future version of xarray the default value for join:FutureWarning"
)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def session():
    """What every Python block prints and the names there are after it, run one after the other."""
    matplotlib.use("Agg")
    names, after = {}, []
    with pytest.MonkeyPatch.context() as patch:
        for block in blocks("python"):
            with redirect_stdout(StringIO()) as out:
                exec(compile(block, "README.md", "exec"), names)
            after.append((out.getvalue(), names.copy()))
            short = partial(crosscheck, draws=200, tune=200, chains=2)
            patch.setattr("mixtures.crosscheck", short)  # all but the first block may be less than sure
    yield after
    plt.close("all")


def test_ten_lines_crosscheck_and_plot(session):
    out, names = session[0]
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 10
    assert names["cc"].passed
    assert names["cc"].convergence.passed
    assert "True converged" in out
    assert plt.get_fignums()


def test_a_model_with_priors_of_ones_own_is_crosschecked(session):
    _, names = session[1]
    assert names["cc"].passed
    assert names["cc"].em is None


def test_continuous_integration_runs_the_two_commands():
    """It reads them from the README, so that they cannot go stale; this runs its way of reading them."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(re.search(rf'bash -c "\$\{{readme\[{i}\]\}}"', script) for i in (0, 1))
    reading = re.search(r"mapfile -t readme < <\((.*)\)\n", script)[1]
    read = subprocess.run(
        ["bash", "-c", reading], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert read == blocks("sh")[0]
    install, test = read.splitlines()
    assert "mixtures crosscheck faithful" in install
    assert test.endswith("-m pytest -n 2")


def test_every_command_named_is_understood(monkeypatch):
    """With the arguments in the README, the command line comes as far as to fit."""
    asked = []

    def crosscheck(spec, X, **options):
        asked.append(spec)
        raise InputError("far enough")

    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", crosscheck)
    text = README.replace("\n", " ")
    commands = re.findall(r"mixtures (crosscheck [a-z]+ (?:--?[a-z]+ \w+ ?)*)", text)
    assert len(commands) >= 2
    for command in commands:
        result = CliRunner().invoke(cli.app, command.split())
        assert "far enough" in result.stderr, command
    assert len(asked) == len(commands)


def test_files_that_are_linked_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_what_it_prints_is_what_it_prints():
    printed = blocks("text")[0]
    for words in ("alpha[0]", "Sigma[1, waiting,", "PyMC's gradient at EM", "The certificate holds"):
        assert words in printed
