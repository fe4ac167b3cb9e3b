"""Every command's help, what they share, select --save, and tables in narrow terminals."""

import json
import pickle
import re
import shlex
from functools import partial
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from command import run as run_in
from rich.cells import cell_len
from typer.main import get_command

import mixtures as mx
from mixtures.agreement.certificate import independent
from mixtures.cli import app as cli
from mixtures.cli.clusters import figures_of
from mixtures.cli.options import Reading
from mixtures.cli.rows import load_frame
from mixtures.cli.show import show_crosscheck, show_selection
from mixtures.cli.wording import in_options
from mixtures.data.files import read_stream, read_table
from mixtures.em.notes import UNBOUNDED
from mixtures.errors import CollapseError, InputError
from mixtures.messages import Option, joined, message_of, with_names, worded
from mixtures.results.headline import Headline, conclude
from mixtures.results.profiles import ClusterFigure
from mixtures.results.selection import Selection
from mixtures.results.verdict import Starts, State
from mixtures.saving import content_hash
from mixtures.saving.save import read_header

FAITHFUL = mx.datasets.faithful()
COMMANDS = get_command(cli.app).commands

run = partial(run_in, columns=80)


def widest(text):
    return max(cell_len(line) for line in text.splitlines())


# Help


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("ask", ["--help", "-h"])
def test_the_help_fits_and_has_examples(command, ask):
    """At 80 columns no option is cut, and each example fits on one line."""
    code, out, err = run(command, ask)
    assert (code, err) == (0, "")
    assert widest(out) <= 80
    assert "…" not in out
    for parameter in COMMANDS[command].params:
        for name in parameter.opts:
            assert name in out or name.upper() in out
    examples = [line.strip() for line in out.partition("Examples")[2].splitlines() if line.strip()]
    assert len(examples) >= 2
    assert all(re.search(rf"mixtures {command}\b", line) for line in examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_can_be_typed(command, monkeypatch, tmp_path):
    """All options, values and outputs in the examples are valid; only the data are replaced."""
    FAITHFUL.assign(id=1).to_csv(tmp_path / "table.csv", index=False)
    FAITHFUL.to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.chdir(tmp_path)

    def compute(*_, **__):
        raise mx.InputError("far enough")

    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", compute)
    for place in (
        "selection.select.select",
        "selection.checking.check_comparison",
        "em.fit.fit_em",
        "saving.save.load",
        "saving.save.read_header",
    ):
        monkeypatch.setattr(f"mixtures.{place}", compute)
    _, out, _ = run(command, "--help")
    examples = re.findall(rf"mixtures {command}\b.*", out.partition("Examples")[2])
    for example in examples:
        words = shlex.split(re.sub(r" > \S+", "", example))[1:]
        code, out, err = run(*words, stdin=FAITHFUL.to_csv(index=False))
        assert "far enough" in err or (command in ("cache", "datasets", "inspect") and code == 0), (
            example,
            out,
            err,
        )


@pytest.mark.parametrize("command", ["crosscheck", "select", "predict", "report"])
def test_options_stand_in_panels(command):
    """The same panels in the same order for every command that fits."""
    panels = re.findall(r"╭─ (\w+)", run(command, "--help")[1])
    assert panels == ["Arguments", "Options", "Model", "Data", "Fitting", "Output"]
    shared = {"--columns", "--exclude", "--separator", "--model", "--prior", "--seed", "--json", "--quiet"}
    assert shared <= {name for parameter in COMMANDS[command].params for name in parameter.opts}


def test_the_program_says_what_its_exit_codes_mean():
    code, out, _ = run("--help")
    assert code == 0
    assert "1: it does not, or no fit could be had; 2: bad input" in out
    assert widest(out) <= 80
    for command in COMMANDS:
        assert command in out
    assert out.strip() == run()[1].strip()


def test_the_version():
    from importlib.metadata import version

    assert run("--version") == (0, f"mixtures {version('pymc-mixtures')}\n", "")


# Misuse


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("crosschek faithful", "Did you mean 'crosscheck'?"),
        ("crosscheck faithful -k 2 --modle gmm", "--model"),
        ("crosscheck -k 2", "Missing argument 'DATA'"),
        ("crosscheck faithful", "Missing option '--components' / '-k'; mixtures select"),
        (
            "faithful",
            "'faithful' names data, and no command; did you mean: mixtures crosscheck faithful -k 2",
        ),
        ("table.csv --max-k 3", "'table.csv' names data"),
        ("--quiet", "No such option: --quiet"),
        ("nonsense", "No such command 'nonsense'."),
        ("select faithful --max-k two", "Invalid value for '--max-k'"),
    ],
)
def test_words_that_are_misplaced_get_a_hint(arguments, words, tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments.split(), columns=200)
    assert (code, out) == (2, "")
    assert words in err
    assert "--help' for help" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("select faithful --criteria bicc", "'bicc' is not one of aic, bic, icl, caic, sabic, loo, evidence"),
        ("select faithful --criteria loo --save x/y.mix", "--save: there is no folder 'x'"),
        ("select faithful --min-k 3 --max-k 2", "--min-k must be at least 1"),
        ("select faithful --separator ;", "--separator does not go with the data set 'faithful'"),
        ("crosscheck table.parquet -k 2 --separator ;", "table.parquet is not a text file"),
        ("crosscheck table.csv -k 2 --separator ab", "--separator 'ab' is not a single character"),
        ("crosscheck table.csv -k 2 --separator a", "--separator 'a' is not a single character"),
        ("crosscheck table.csv -k 2", "seems to have semicolons; say so by"),
        ("crosscheck table.csv -k 2", "--separator ';'"),
        ("report faithful -k 2 --max-k 0", "--max-k must be at least 1, got 0"),
        ("report faithful -k 2 --max-k 2 --criteria bicc", "'bicc' is not one of"),
        ("report -k 2", "name the data to fit"),
        ("report faithful -k 2 -o report.pdf", "a report is an HTML file"),
        (
            "predict - -k 2",
            "standard input should have commas between its columns and seems to have semicolons",
        ),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(arguments, words, tmp_path, monkeypatch):
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "table.csv").write_text("a;b\n1;2\n3;4\n")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "table.parquet")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments.split(), stdin="a;b\n1;2\n")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


WRONG = {
    "-k": "two",
    "--model": "zz",
    "--kinds": "zz=poisson",
    "--covariance": "zz",
    "--prior": "zz",
    "--weight-concentration": "-1",
    "--columns": "zz",
    "--exclude": "zz",
    "--separator": "zz",
    "--decimal": "zz",
    "--thousands": "zz",
    "--encoding": "zz",
    "--id": "zz",
    "--log": "a,zz",
    "--exposure": "zz",
    "--weights": "zz",
    "--labels": "zz",
    "--missing": "zz",
    "--n-init": "0",
    "--draws": "1.5",
    "--tune": "-1",
    "--chains": "0",
    "--seed": "-1",
    "--sampler": "zz",
    "--uncertainty": "all,zz",
    "--names": "zz",
    "--rows": "-1",
    "--csv": "zz/zz.csv",
    "--save": "zz/zz.mix",
}
"""A wrong value of every option of a crosscheck that takes one, but for --n-resamples."""


@pytest.mark.parametrize("option", WRONG)
def test_a_refusal_names_the_option_and_the_value(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": [1.5, 2, 4, 3], "b": [0, 1, 3, 2]}).to_csv("t.csv", index=False)
    model = {"--kinds": "mixed", "--exposure": "mixed"}.get(option, "gmm")
    code, out, err = run(
        "crosscheck", "t.csv", "-q", "-k", 2, "--model", model, option, WRONG[option], columns=200
    )
    assert (code, out) == (2, "")
    assert option in err
    assert WRONG[option].rpartition(",")[2].partition("=")[0].partition("/")[0] in err


def test_wrong_values_are_tried_of_every_option():
    asked = [each for each in COMMANDS["crosscheck"].params if each.metavar and each.name != "data"]
    tried = {
        next(name for name in each.opts if name in WRONG) for each in asked if each.name != "n_resamples"
    }
    assert tried == set(WRONG)


@pytest.mark.parametrize("command", ["crosscheck", "select", "predict", "complete", "report"])
def test_an_empty_option_is_refused(command):
    for each in COMMANDS[command].params:
        if each.metavar == "COLUMN" or each.name in ("encoding", "columns", "sampler", "criteria", "title"):
            code, _, err = run(command, "faithful", each.opts[0], "")
            assert (code, err) == (2, f"error: {each.opts[0]} is empty; give a value, or leave it out\n")


# Columns and separators


@pytest.mark.parametrize("name", ["semicolon", ";", "tab", r"\t", "|", "space", "comma"])
def test_text_with_other_separators(name, tmp_path):
    separator = {"semicolon": ";", "tab": "\t", r"\t": "\t", "space": " ", "comma": ","}.get(name, name)
    text = FAITHFUL.to_csv(index=False, sep=separator)
    (tmp_path / "table.csv").write_text(text)
    frame = load_frame(str(tmp_path / "table.csv"), Reading(columns="waiting", separator=name))
    pd.testing.assert_frame_equal(frame, FAITHFUL[["waiting"]])
    code, out, err = run("predict", "-", "-k", 2, "--separator", name, "--seed", 1, "-q", stdin=text)
    assert (code, err) == (0, "")
    assert out == run("predict", "faithful", "-k", 2, "--seed", 1, "-q")[1]


def test_a_name_with_a_separator_in_it_is_believed_when_the_separator_is_given(tmp_path):
    (tmp_path / "table.csv").write_text("a;b\n1\n2\n")
    assert list(read_table(tmp_path / "table.csv", separator=",").columns) == ["a;b"]
    assert list(read_stream(BytesIO(b"a;b\n1\n"), "it", separator=",").columns) == ["a;b"]


def test_columns_whose_names_have_commas_and_spaces(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "size, cm", "c "]).to_csv(path, index=False)
    assert list(load_frame(str(path), Reading(columns='"size, cm",a')).columns) == ["size, cm", "a"]
    assert list(load_frame(str(path), Reading(exclude=' a , "size, cm"')).columns) == ["c "]
    assert list(load_frame(str(path), Reading(columns="c ,a")).columns) == ["c ", "a"]
    with pytest.raises(mx.InputError, match="no column 'size'"):
        load_frame(str(path), Reading(columns="size, cm"))


# What is written


SHORT = ["--n-init", 2, "--draws", 100, "--tune", 100, "--chains", 2, "--seed", 1]


def test_a_selection_is_saved_and_rows_assigned_by_it(tmp_path):
    path, table = tmp_path / "k.mix", tmp_path / "k.csv"
    code, out, _ = run(
        "select", "faithful", "--max-k", 3, *SHORT, "--save", path, "--csv", table, columns=200
    )
    assert code == 0
    assert f"table written to {table}\nresult written to {path}\nnext: mixtures report faithful" in out
    selection = mx.load(path)
    assert selection.recommended == 2
    assert read_header(path).about["command"].startswith("mixtures select faithful --max-k 3 --n-init 2")
    assert read_header(path).content_hash == content_hash(FAITHFUL)
    np.testing.assert_array_equal(pd.read_csv(table)["bic"], selection.table["bic"])
    code, out, _ = run("predict", "faithful", "--from", path)
    assert code == 0
    expected = mx.responsibilities(selection.fits[2].spec, FAITHFUL, selection.fits[2].params)
    np.testing.assert_array_equal(pd.read_csv(BytesIO(out.encode()))["label"], expected["label"])


def test_a_report_of_a_saved_result_names_both_commands(tmp_path):
    """What fitted it, with what made the page of it: the numbers come from the first."""
    saved, page = tmp_path / "cc.mix", tmp_path / "page.html"
    assert (
        run("crosscheck", "faithful", "-k", 2, *SHORT, "--save", saved, "--csv", tmp_path / "t.csv")[0] == 0
    )
    code, out, err = run("report", "--from", saved, "-o", page, "-q")
    assert (code, err) == (0, "")
    assert out.startswith("EM and MAP agree on the estimates, but do not rely")
    assert "The report is in" not in out
    first = (
        "mixtures crosscheck faithful --components 2 --n-init 2 --draws 100 --tune 100 --chains 2 --seed 1"
    )
    first += f" --csv {tmp_path / 't.csv'} --save {saved}"
    second = f"mixtures report --from {saved} --output {page} --quiet"
    assert f"{first}\n{second}" in page.read_text(encoding="utf-8")
    code, _, err = run("report", "iris", "--from", saved, "-o", page)
    assert code == 2
    assert "no column 'eruptions'" in err


def test_quiet_says_nothing_of_files(tmp_path):
    path = tmp_path / "k.mix"
    code, out, err = run("select", "faithful", "--max-k", 1, *SHORT, "--save", path, "-q")
    assert (code, err) == (0, "")
    assert "written" not in out
    code, out, err = run("select", "faithful", "--max-k", 1, *SHORT, "--save", path, "--json")
    assert json.loads(out)["recommended"] == 1
    assert err == ""


def test_samples_cannot_be_saved_without_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    monkeypatch.setattr("mixtures.selection.select.select", lambda *_, **__: pytest.fail("computed"))
    code, _, err = run("select", "faithful", "--criteria", "bic,loo", "--save", "x.mix")
    assert code == 2
    assert "pip install 'pymc-mixtures[io]'" in err


# Tables in narrow terminals


@pytest.fixture(scope="module")
def table():
    """A table of parameters with all its columns."""
    names = ["EM", "MAP", "gap", "mean", "sd", "2.5%", "97.5%", "z", "ess_bulk", "ess_tail", "r_hat"]
    labels = ["alpha[0]", "Sigma[0, waiting, eruptions]", "mu[0, größe]"]
    return pd.DataFrame(-1234.5678, index=pd.Index(labels, name="parameter"), columns=names)


def printed(monkeypatch, capsys, columns, show, *arguments):
    monkeypatch.setenv("COLUMNS", str(columns))
    show(*arguments)
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_figures_are_whole_or_left_out(monkeypatch, capsys, table, columns):
    """No column is narrower than its text; diagnostics that are left out are named, and no other is."""
    mode = SimpleNamespace(spec=None)
    cc = SimpleNamespace(table=table, mode=mode, certificate=(), convergence=None, em=None, uncertainty=None)
    cc.notes, cc.passed, cc.starts, cc.from_cache, cc.posterior = (), True, None, False, None
    cc.headline = Headline(State.GREEN, "All agree.", (), ())
    out = printed(monkeypatch, capsys, columns, show_crosscheck, cc, 60)
    rows = out.partition("Certificate")[0]
    assert "…" not in rows
    assert widest(rows) <= columns
    assert "mu[0, größe]" in rows
    left_out = re.search(r"no room for ([^:]*):", " ".join(rows.split()))
    hidden = [] if left_out is None else left_out[1].split(", ")
    lines = [line.split() for line in rows.splitlines()]
    heads = [name for words in lines if words[:1] == ["parameter"] for name in words[1:]]
    assert heads == [name for name in table.columns if name not in hidden]
    assert set(hidden) <= {"gap", "z", "ess_bulk", "ess_tail", "r_hat"}
    assert (hidden == []) is (columns == 200)
    blocks = [words for words in lines if words[:1] == ["parameter"]]
    assert columns < 80 or len(blocks) == 1
    rows_of_alpha = [words for words in lines if words[:1] == ["alpha[0]"]]
    assert [len(words) for words in rows_of_alpha] == [len(words) for words in blocks]


def test_points_of_figures_align_and_a_geometric_sd_is_a_factor():
    told = {("mean", "x"): 59.7, ("sd", "x"): 12, ("mean", "y"): 4.29, ("sd", "y"): 0.41}
    told |= {("geometric mean", "z"): 410, ("geometric sd", "z"): 1.47, ("probability", "w"): 0.05}
    figures = {("c", *of): ClusterFigure("c", *of, value) for of, value in told.items()}
    rows = [("mean", "x"), ("mean", "y"), ("geometric mean", "z"), ("probability", "w")]
    assert figures_of(figures, "c", rows) == [
        " 59.7   (12.0)       ",
        "  4.29   (0.410)     ",
        "410     (factor 1.47)",
        "  5.00%              ",
    ]


@pytest.mark.parametrize("columns", [40, 60, 120, 200])
def test_criteria_are_whole_or_left_out(monkeypatch, capsys, columns):
    from mixtures.selection.criteria import CRITERIA, criteria_table

    names = list(criteria_table({1: {"notes": ""}}, CRITERIA).columns[:-1])
    rows = {k: {**dict.fromkeys(names, 12345), "notes": ""} for k in (1, 12)}
    criteria = criteria_table({**rows, 13: {"notes": "could not be fitted"}}, CRITERIA)
    selection = Selection(criteria, {}, {}, CRITERIA, {}, 12, "so", ())
    out = printed(monkeypatch, capsys, columns, show_selection, selection)
    shown = out.partition("aic, bic, icl, caic, sabic: lower is better")[0]
    assert "elpd_loo, log_evidence: higher is better" in " ".join(out.split())
    assert "…" not in shown
    assert widest(shown) <= columns
    assert re.search(r"^ 12 \*", shown, re.MULTILINE)
    assert re.search(r"^ +13 +-", shown, re.MULTILINE)
    assert columns < 60 or all(name in shown for name in ("bic", "elpd_loo", "log_evidence"))
    assert ("no room" in shown) is (columns < 200)


def test_a_note_on_several_numbers_of_clusters_is_told_once(monkeypatch, capsys):
    from mixtures.selection.criteria import criteria_table

    missing, empty = "cells are missing: 3; they are integrated out", "cluster 1 is empty"
    notes = {1: (missing,), 2: (missing,), 3: (missing, empty), 4: ()}
    lower = [worded(f"4 rows cannot hold {k} clusters; lower ", Option("n_components")) for k in (5, 6)]
    notes |= {5: (lower[0],), 6: (lower[1],)}
    table = criteria_table({k: {"bic": 1.0, "notes": "; ".join(own)} for k, own in notes.items()}, ("bic",))
    selection = Selection(table, {}, {}, ("bic",), {}, 1, "so", (), notes_by_k=notes)
    out = printed(monkeypatch, capsys, 80, show_selection, selection)
    assert f"K = 1, 2, 3: {missing}\nK = 3: {empty}\n" in out
    assert "K = 5: 4 rows cannot hold 5 clusters; lower -k\nK = 6: 4 rows" in out


def test_a_verdict_names_the_options_of_the_command_line(monkeypatch, capsys, table):
    """Python's arguments in Python, options on the terminal: of reasons, of the certificate and of notes."""
    found = SimpleNamespace(log_posterior=0.0)
    certificate = (independent(found, 0.0, 0.0, Starts((1, 10), (0, 10))),)
    asked = {"interrupted": False, "confirmed": False, "with_em": True}
    headline = conclude(certificate, None, None, (), **asked)
    assert "raise n_init, lower n_components, or simplify the model (MAP starts that" in headline.reasons[0]
    cc = SimpleNamespace(table=table, mode=SimpleNamespace(spec=None), certificate=certificate, em=None)
    cc.convergence, cc.uncertainty, cc.passed, cc.starts, cc.from_cache = None, None, False, None, False
    cc.headline, cc.notes = headline, (UNBOUNDED,)
    out = " ".join(printed(monkeypatch, capsys, 400, show_crosscheck, cc, 60).split())
    assert "raise --n-init, lower -k, or simplify the model (MAP starts that" in out
    assert "collapses: use --prior default, fewer components or a simpler --covariance" in out
    assert not re.search("n_init|n_components|prior=|covariance_type", out)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: message_of(pickle.loads(pickle.dumps(InputError(text)))),
        lambda text: message_of(InputError(worded("", CollapseError(text)))),
        lambda text: joined("; ", [text]),
        lambda text: with_names(text, []),
    ],
    ids=["an error in another process", "an error of an error", "several notes", "names of clusters"],
)
def test_options_of_a_message_are_not_lost(change):
    text = worded("drop 'prior=None', or use ", Option("prior", None), ", or lower ", Option("n_components"))
    assert text == "drop 'prior=None', or use prior=None, or lower n_components"
    assert in_options(change(text)) == "drop 'prior=None', or use --prior none, or lower -k"


def test_names_in_the_help_are_those_that_are_taken():
    from mixtures.cli import choices
    from mixtures.families.covariance import COVARIANCES
    from mixtures.families.registry import MODELS
    from mixtures.selection.criteria import CRITERIA
    from mixtures.standard_errors.side_by_side import METHODS

    assert set(choices.MODELS) == set(MODELS)
    assert tuple(COVARIANCES) == choices.COVARIANCES
    assert tuple(CRITERIA) == choices.CRITERIA
    assert tuple(METHODS) == choices.METHODS
    assert tuple(mx.datasets.NAMES) == choices.DATASETS


def test_every_method_and_sampler_that_is_offered_is_there():
    from mixtures.posterior.about_modes import SAMPLERS as BY_NAME
    from mixtures.posterior.chains import ABOUT_MODES, AUTO, SAMPLERS
    from mixtures.posterior.samplers import DRAW
    from mixtures.standard_errors.methods import ANSWERS
    from mixtures.standard_errors.side_by_side import METHODS

    assert tuple(ANSWERS) == METHODS
    assert (*DRAW, *BY_NAME, AUTO) == SAMPLERS
    assert tuple(BY_NAME) == ABOUT_MODES
