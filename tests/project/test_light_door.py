"""What is not loaded: seen in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

SAVED = Path(__file__).parents[1] / "saved" / "em-0.1.0.mix"
HEAVY = {
    "pymc",
    "pytensor",
    "jax",
    "blackjax",
    "nutpie",
    "numba",
    "arviz",
    "arviz_stats",
    "matplotlib",
    "sklearn",
}

FIT = """
import numpy as np
import mixtures as mx
X = np.random.default_rng(0).normal(size=(60, 2)) + 9 * np.repeat([[0], [1]], 30, axis=0)
em = mx.fit_em(mx.GMM(2), X, random_seed=1)
assert em.converged
repr(em)
"""

COMMANDS = """
import sys
from mixtures.cli.app import main
for words, code in {commands!r}:
    sys.argv = ["mixtures", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code == code, (words, end.code)
    heavy = {heavy!r} & set(sys.modules)
    assert not heavy, (words, heavy)
"""

REFUSED = """
import sys
import mixtures as mx
for door in {doors!r}:
    try:
        getattr(mx, door)(mx.GMM(2), [[1.0, 2.0], [float("nan"), 3.0], [4.0, 5.0]])
    except mx.InputError as error:
        assert "row 1" in str(error), error
    else:
        raise AssertionError(door + " refused nothing")
    heavy = {heavy!r} & set(sys.modules)
    assert not heavy, (door, heavy)
"""


def loaded(program, folder):
    """Top-level modules that are there after a program has run."""
    told = f"{program}\nimport sys\nprint('\\nloaded', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("\nloaded ")[2].split())


def test_importing_the_package_loads_next_to_nothing(tmp_path):
    names = loaded("import mixtures; assert 'fit_em' in dir(mixtures)", tmp_path)
    before = loaded("", tmp_path)
    assert names - before - sys.stdlib_module_names == {"mixtures", "lazy_loader"}


def test_em_on_an_array_needs_numpy_and_scipy(tmp_path):
    assert not loaded(FIT, tmp_path) & (HEAVY | {"rich", "typer", "pandas", "xarray"})


def test_the_same_is_seen_where_it_is_loaded(tmp_path):
    """Else the tests of this file could not fail."""
    program = "import mixtures as mx\nmx.BernoulliMixture\nimport mixtures.density.kept"
    assert {"pymc", "jax"} <= loaded(program, tmp_path)


def test_a_report_is_written_without_pymc(tmp_path):
    """The graph of a model is kept with its programs."""
    assert not loaded("import mixtures.reporting.report", tmp_path) & {"pymc", "pytensor"}


def test_what_judges_a_sample_loads_arviz_only_when_it_does(tmp_path):
    """A crosscheck loads it while XLA draws."""
    program = "import mixtures.agreement.compare, mixtures.posterior.independent"
    assert not loaded(program, tmp_path) & {"arviz", "arviz_base", "arviz_stats", "pymc"}


def test_a_saved_fit_is_loaded_and_printed(tmp_path):
    program = f"import mixtures as mx\nem = mx.load({str(SAVED)!r})\nprint(em)\nem.to_datatree()"
    assert not loaded(program, tmp_path) & HEAVY


@pytest.mark.parametrize("words", [["--help"], ["crosscheck", "--help"], ["--version"]], ids=" ".join)
def test_help_comes_at_once(words, tmp_path):
    found = loaded(COMMANDS.format(commands=[(words, 0)], heavy=HEAVY), tmp_path)
    assert not found & {"pandas", "scipy", "xarray"}


def test_the_list_of_data_sets_is_light(tmp_path):
    """Some are scikit-learn's."""
    loaded(COMMANDS.format(commands=[(["datasets"], 0)], heavy=HEAVY - {"sklearn"}), tmp_path)


def test_bad_input_and_files_are_light(tmp_path):
    """One after the other in one process: none of them loads what is heavy."""
    (tmp_path / "nan.csv").write_text("a,b\n1,2\n2,\n3,4\n")
    (tmp_path / "text.csv").write_text("a,b,c\nx,yes,1\ny,no,2\nz,yes,4\n")
    (tmp_path / "constant.csv").write_text("a,b\n1,2\n1,3\n1,5\n")
    commands = [
        (["inspect", "text.csv"], 0),
        (["inspect", "faithful", "--log", "waiting"], 0),
        (["inspect", "nowhere.csv"], 2),
        (["crosscheck", "text.csv", "-k", "2"], 2),
        (["crosscheck", "text.csv", "-k", "2", "--model", "bmm", "--columns", "b"], 2),
        (["crosscheck", "nan.csv", "-k", "2"], 2),
        (["crosscheck", "constant.csv", "-k", "2"], 2),
        (["crosscheck", "faithful", "-k", "2", "--draws", "0"], 2),
        (["crosscheck", "faithful", "-k", "2", "--sampler", "gibbs"], 2),
        (["crosscheck", "faithful", "-k", "2", "--uncertainty", "guess"], 2),
        (["select", "constant.csv"], 2),
        (["report", "constant.csv", "-k", "2"], 2),
        (["report", "--from", "nan.csv"], 2),
        (["predict", "nan.csv", "-k", "2"], 2),
        (["predict", "faithful", "--from", str(SAVED), "-o", "clusters.csv"], 0),
    ]
    loaded(COMMANDS.format(commands=commands, heavy=HEAVY), tmp_path)


def test_bad_data_are_refused_before_anything_is_loaded(tmp_path):
    doors = ("crosscheck", "sample", "fit_map", "select", "uncertainty", "marginal_likelihood")
    loaded(REFUSED.format(doors=doors, heavy=HEAVY), tmp_path)
