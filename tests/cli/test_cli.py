"""The command line: exit codes, what it prints for people and for machines, bad input in one line."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from command import run

import mixtures as mx
from mixtures.cli.wording import in_options
from mixtures.errors import CollapseError

SHORT = ["--n-init", "2", "--draws", "100", "--tune", "100", "--chains", "2", "--seed", "1", "--quiet"]
FAITHFUL = mx.datasets.faithful()


@pytest.fixture
def uncompiled(monkeypatch):
    """Nothing may be compiled before bad input is found."""

    def compiled(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr("mixtures.density.compiled.compile_graph", compiled)


@pytest.fixture(scope="module")
def faithful():
    """A run on Old Faithful with readable output, and its result."""
    kept, real = [], mx.crosscheck  # asked for now: the name is loaded when it is first used

    def crosscheck(*args, **kwargs):
        kept.append(real(*args, **kwargs))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixtures.agreement.crosscheck.crosscheck", crosscheck)
        return *run("crosscheck", "faithful", "-k", 2, *SHORT), kept[-1]


def again(monkeypatch, cc):
    """Make the command line use this result instead of computing one."""
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *args, **kwargs: cc)


# What it prints


def test_what_a_person_reads(faithful):
    code, out, err, cc = faithful
    assert code == 0
    assert err == ""
    assert "GMM(n_components=2, weight_concentration=1.0, covariance_type='full')" in out
    for label in cc.table.index:
        assert label in out
    for check in cc.certificate:
        assert check.name in out
    assert all(check.name in out for check in cc.convergence.checks if not (check.passed or check.informs))
    limited = [check for check in cc.convergence.checks if not check.informs]
    held = sum(check.passed for check in limited)
    assert f"model: {held} of {len(limited)} checks hold (--verbose lists all)" in out
    assert f"{cc.table.loc['mu[0, waiting]', 'EM']:.4g}" in out
    assert "starts that reached the best optimum: EM 2 of 2, MAP 2 of 2" in out
    assert "EM: log-likelihood -1130." in out
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "Clusters: shares, means (sds)" in rows
    assert "cluster 0 cluster 1" in rows
    assert any(row.startswith("share 64% 36%") for row in rows)
    assert any(re.match(r"waiting 80\.\d* \(6\.\d*\) 54\.\d* \(5\.\d*\)$", row) for row in rows)
    figures = [line for line in out.splitlines() if re.match(r" (eruptions|waiting) ", line)][:2]
    first, second = ([match.start() for match in re.finditer(r"\.", line)] for line in figures)
    assert first == second
    assert "cluster 0 differs most in eruptions" in out
    assert "The certificate holds: EM, MAP and PyMC's log posterior agree." in out
    assert "chi-squared with 11 degrees of freedom" in out
    assert out.startswith("RED: EM and MAP agree on the estimates, but do not rely on the posterior sample.")


def test_every_check_is_listed_if_asked(faithful, monkeypatch):
    *_, cc = faithful
    again(monkeypatch, cc)
    _, out, _ = run("crosscheck", "faithful", "-k", 2, "--verbose")
    assert all(check.name in out for check in (*cc.certificate, *cc.convergence.checks))
    assert "--verbose" not in out
    line = next(line for line in out.splitlines() if line.startswith(" label switches within chains"))
    assert line.split()[:5] == ["label", "switches", "within", "chains", "0"]
    assert "inf" not in line


def test_sds_side_by_side_for_people_and_machines():
    code, out, _ = run("crosscheck", "faithful", "-k", 2, *SHORT, "--uncertainty", "information,nuts")
    assert code == 0
    assert "Standard deviations side by side" in out
    assert "note: sds differ most for" in out
    code, out, _ = run("crosscheck", "faithful", "-k", 2, *SHORT, "--uncertainty", "information", "--json")
    rows = json.loads(out)["uncertainty"]
    assert rows[0].keys() == {"parameter", "EM", "information"}
    assert all(row["information"] > 0 for row in rows)


def test_an_unknown_method_is_refused(uncompiled):
    code, _, err = run("crosscheck", "faithful", "-k", 2, "--uncertainty", "jackknife")
    assert code == 2
    assert "'jackknife' is not one of all, information, laplace, bootstrap, weighted, nuts" in err


def test_long_tables_are_cut_and_say_so(monkeypatch, faithful):
    again(monkeypatch, faithful[-1])
    code, out, _ = run("crosscheck", "faithful", "-k", 2, "--rows", 3)
    assert code == 0
    assert "mu[0, eruptions]" in out
    assert "mu[1, waiting]" not in out
    assert "(9 more rows: --rows, --csv or --json)" in out


def test_json_is_complete_and_strict(monkeypatch, faithful):
    cc = faithful[-1]
    table = cc.table.copy()
    table.loc["alpha[0]", ["r_hat", "z"]] = np.nan, np.inf
    broken = type(cc)(**{**vars(cc), "table": table})
    again(monkeypatch, broken)
    code, out, _ = run("crosscheck", "faithful", "-k", 2, "--json")

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    read = json.loads(out, parse_constant=refuse)
    assert code == 0
    assert read["passed"] is True
    assert read["model"].startswith("GMM(n_components=2")
    assert [line["name"] for line in read["certificate"]] == [check.name for check in cc.certificate]
    assert set(read["certificate"][0]) == {
        "name",
        "figure",
        "tolerance",
        "passed",
        "note",
        "source",
        "judged",
        "cause",
        "caution",
        "of_sample",
    }
    assert read["state"] == cc.headline.state.name.lower()
    assert read["verdict"] == cc.headline.title
    assert read["reasons"] == list(map(in_options, cc.headline.reasons))
    assert read["starts"] == {
        "em": list(cc.starts.em),
        "map": list(cc.starts.map),
        "kinds": list(cc.starts.kinds),
        "share": 1.0,
    }
    assert len(read["convergence"]) == len(cc.convergence.checks)
    assert read["converged"] is cc.convergence.passed
    assert [row["parameter"] for row in read["table"]] == list(table.index)
    assert read["table"][0]["r_hat"] is None
    assert read["table"][0]["z"] is None
    assert read["table"][1]["EM"] == table["EM"].iloc[1]
    assert set(read["table"][0]) == {"parameter", *table.columns}
    assert read["log_likelihood"] == cc.em.log_likelihood
    assert read["log_posterior"] == cc.mode.log_posterior
    assert read["restarts"] == str(cc.em.restarts)
    assert read["notes"] == list(map(in_options, cc.notes))


def test_csv_holds_the_whole_table(monkeypatch, faithful, tmp_path):
    cc = faithful[-1]
    again(monkeypatch, cc)
    assert run("crosscheck", "faithful", "-k", 2, "--rows", 1, "--csv", tmp_path / "table.csv")[0] == 0
    read = pd.read_csv(tmp_path / "table.csv", index_col="parameter")
    pd.testing.assert_frame_equal(read, pd.DataFrame(cc.table))


def test_names_that_look_like_markup_are_printed_as_they_are(monkeypatch, faithful):
    cc = faithful[-1]
    renamed = cc.table.rename(index={"alpha[0]": "mu[0, [bold]x[/bold]]"})
    again(monkeypatch, type(cc)(**{**vars(cc), "table": renamed, "notes": ("see [red]here[/red]",)}))
    _, out, _ = run("crosscheck", "faithful", "-k", 2)
    assert "mu[0, [bold]x[/bold]]" in out
    assert "note: see [red]here[/red]" in out


# What it computes


def test_a_certificate_that_does_not_hold_exits_with_1():
    code, out, _ = run("crosscheck", "coins", "--model", "bmm", "-k", 2, *SHORT)
    assert code == 1
    assert "The certificate does not hold" in out
    assert "RED: Do not rely on this fit: it asks for more than these data can tell." in out
    assert "because One flip per row identifies only sum_k alpha_k p_k" in " ".join(out.split())


def test_all_starts_collapsed_exits_with_1(monkeypatch):
    def collapse(*args, **kwargs):
        raise CollapseError("all 2 starts collapsed", {}, [])

    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", collapse)
    code, out, err = run("crosscheck", "faithful", "-k", 2)
    assert (code, out) == (1, "")
    assert err == "error: all 2 starts collapsed\n"


def test_a_search_that_runs_off_exits_with_1(monkeypatch):
    """Three rows per cluster cannot support Gaussians without a prior; EM and MAP both report it."""
    code, out, err = run("crosscheck", "faithful", "-k", 90, "--prior", "none", *SHORT)
    assert (code, out) == (1, "")
    assert "all 16 starts collapsed" in err  # eight rounds of two
    monkeypatch.setattr(
        "mixtures.posterior.modes.climb", lambda compiled, start, **_: np.full_like(start, np.nan)
    )
    code, out, err = run("crosscheck", "faithful", "-k", 2, *SHORT)
    assert (code, out) == (1, "")
    assert "all 2 starts ran off to a degenerate cluster" in err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_binary_files_are_read(tmp_path, suffix):
    X = pd.DataFrame(np.repeat([[1, 1, 0], [0, 0, 1], [1, 1, 1]], 20, axis=0), columns=["p_0", "p_1", "p_2"])
    X.iloc[::7] = 1 - X.iloc[::7]
    path = tmp_path / f"digits.{suffix}"
    X.to_csv(path, index=False) if suffix == "csv" else X.to_parquet(path)
    code, out, _ = run("crosscheck", path, "--model", "bmm", "-k", 2, "--prior", "none", "--json", *SHORT)
    read = json.loads(out)
    assert code == 0
    assert read["model"] == "BMM(n_components=2, weight_concentration=1.0, prior=None)"
    assert [row["parameter"] for row in read["table"]][2:5] == ["p[0, p_0]", "p[0, p_1]", "p[0, p_2]"]
    em = mx.fit_em(mx.BMM(2, prior=None), X, random_seed=3)
    assert read["log_posterior"] == pytest.approx(em.log_posterior, rel=1e-9)


@pytest.fixture
def asked(monkeypatch, faithful):
    """What the command line asks of crosscheck."""
    calls = []

    def crosscheck(spec, X, **options):
        calls.append((spec, X, options))
        return faithful[-1]

    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", crosscheck)
    return calls


def test_options_reach_the_model(asked):
    options = (
        "--covariance diag --prior none --n-init 3 --draws 7 --tune 8 --chains 9 --seed 5 --sampler nutpie"
        " --uncertainty laplace --n-resamples 30 --missing integrate"
    )
    assert (
        run("crosscheck", "iris", "-k", 3, "--columns", "petal_width, sepal_width", *options.split())[0] == 0
    )
    spec, X, passed = asked[0]
    assert spec == mx.GMM(3, covariance_type="diag", prior=None)
    assert list(X.columns) == ["petal_width", "sepal_width"]
    expected = {"n_init": 3, "draws": 7, "tune": 8, "chains": 9, "random_seed": 5, "sampler": "nutpie"}
    expected |= {
        "uncertainty": "laplace",
        "n_resamples": 30,
        "missing": "integrate",
        "weights": None,
        "labels": None,
        "names": None,
    }
    assert passed == expected | {"progressbar": True}
    run("crosscheck", "iris", "-k", 2, "--exclude", "petal_width", "--weight-concentration", 2, "--quiet")
    spec, X, passed = asked[1]
    assert spec == mx.GMM(2, weight_concentration=2.0)
    assert list(X.columns) == ["sepal_length", "sepal_width", "petal_length"]
    assert passed["progressbar"] is False
    run("crosscheck", "iris", "-k", 2, "--json")
    assert asked[2][2]["progressbar"] is False


def test_the_demo_runs_both_models(asked):
    code, out, _ = run("demo", "--draws", 50, "--quiet")
    assert code == 0
    assert [call[0] for call in asked] == [mx.GMM(2), mx.BMM(10)]
    assert [call[1].shape for call in asked] == [(272, 2), (1797, 64)]
    assert "mixtures crosscheck digits --model bmm -k 10" in out


# Bad input: exit code 2, one line that says what and where, nothing compiled


BAD_FILES = {
    "empty.csv": "",
    "header.csv": "a,b\n",
    "nan.csv": "a,b\n1,2\n3,\n5,6\n",
    "words.csv": "a,b\n1,2\n3,four\n",
    "infinite.csv": "a,b\n1,2\n3,inf\n",
    "constant.csv": "a,b\n1,2\n3,2\n4,2\n",
    "short.csv": "a,b\n1,2\n3,5\n",
    "ragged.csv": "a,b\n1,2\n3,4,5,6\n",
    "data.xlsx": "1",
    "broken.parquet": "1",
}


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("faithfull -k 2", ["'faithfull'", "did you mean 'faithful'?"]),
        ("nowhere.csv -k 2", ["there is no file nowhere.csv"]),
        ("empty.csv -k 2", ["empty.csv is empty"]),
        ("header.csv -k 2", ["no rows"]),
        ("nan.csv -k 2", ["row 1, column 'b' is NaN or null"]),
        ("words.csv -k 2", ["column 'b' holds text ('four' in row 1)"]),
        ("infinite.csv -k 2", ["row 1, column 'b' is infinite"]),
        ("constant.csv -k 2", ["column 'b' is constant", "--exclude"]),
        ("short.csv -k 3", ["2 rows cannot hold 3 clusters"]),
        ("ragged.csv -k 2", ["line 3 of ragged.csv has 4 values; 2 are expected"]),
        ("data.xlsx -k 2", ["suffix '.xlsx'"]),
        ("broken.parquet -k 2", ["broken.parquet cannot be read as parquet"]),
        (". -k 2", ["is a folder"]),
        ("faithful -k 0", ["-k must be at least 1, got 0"]),
        ("faithful -k -2", ["-k must be at least 1, got -2"]),
        ("faithful -k 300", ["272 rows cannot hold"]),
        ("faithful -k 2 --model gnm", ["'gnm' is not one of", "did you mean 'gmm'?"]),
        ("faithful -k 2 --model bmm", ["row 0, column 'eruptions'", "not 0 or 1"]),
        ("coins -k 2 --model bmm --covariance full", ["--covariance does not go with --model bmm"]),
        (
            "faithful -k 2 --covariance round",
            ["'round' is not one of full, tied, diag, spherical"],
        ),
        ("faithful -k 2 --prior flat", ["--prior 'flat' is not one of default, none"]),
        ("faithful -k 2 --weight-concentration -1", ["--weight-concentration must be positive"]),
        ("faithful -k 2 --weight-concentration 0.5", ["no finite mode"]),
        ("faithful -k 2 --prior none --weight-concentration 2", ["needs --weight-concentration 1"]),
        (
            "faithful -k 2 --columns wating",
            ["no column 'wating'", "did you mean 'waiting'?", "eruptions, waiting"],
        ),
        ("faithful -k 2 --exclude wating", ["no column 'wating'", "did you mean 'waiting'?"]),
        ("faithful -k 2 --exclude eruptions,waiting", ["--exclude leaves no column"]),
        ("faithful -k 2 --columns waiting,waiting", ["'waiting'"]),
        (
            "faithful -k 2 --sampler gibbs",
            ["'gibbs' is not one of blackjax, nutpie, pymc, laplace, split_hmc, auto"],
        ),
        ("faithful -k 2 --draws 0", ["draws"]),
        ("faithful -k 2 --chains 0", ["chains"]),
        ("faithful -k 2 --tune -1", ["tune"]),
        ("faithful -k 2 --n-init 0", ["--n-init"]),
        ("faithful -k 2 --seed -1", ["seed"]),
        ("faithful -k 2 --csv nowhere/table.csv", ["nowhere"]),
    ],
)
def test_bad_input_exits_with_2_and_a_line(tmp_path, monkeypatch, arguments, words):
    for name, text in BAD_FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, err = run("crosscheck", *arguments.split())
    assert code == 2
    assert out == ""
    for word in words:
        assert word in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("uncompiled")
def test_bad_input_says_error_in_a_single_line():
    _, _, err = run("crosscheck", "faithfull", "-k", 2)
    assert err.startswith("error: no file and no data set 'faithfull'")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("uncompiled")
def test_columns_that_are_numbers_can_be_named(tmp_path):
    """Parquet files keep the names that a frame without names has."""
    path = tmp_path / "numbers.parquet"
    pd.DataFrame(np.eye(4)[:, :2]).to_parquet(path)
    code, _, err = run("crosscheck", path, "-k", 2, "--columns", "7")
    assert code == 2
    assert "no column '7'" in err
    with pytest.raises(AssertionError, match="compiled"):
        run("crosscheck", path, "-k", 2, "--model", "bmm", "--columns", "0,1")


@pytest.mark.usefixtures("uncompiled")
def test_words_that_are_no_options_exit_with_2():
    for arguments in (
        ["faithful"],
        ["faithful", "-k", "two"],
        ["-k", "2"],
        ["faithful", "-k", "2", "--fast"],
    ):
        code, out, err = run("crosscheck", *arguments)
        assert (code, out) == (2, "")
        assert "Usage" in err


# As a program


def test_the_program_says_what_it_can_do():
    command = [sys.executable, "-W", "error", "-m", "mixtures"]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "crosscheck" in done.stdout
    assert "demo" in done.stdout
    assert done.stderr == ""
    code, out, _ = run("crosscheck", "--help")
    assert code == 0
    for option in ("--model", "--components", "-k", "--covariance", "--prior", "--csv", "--json", "--seed"):
        assert option in out
    assert "faithful, blobs, squares, coins, digits, iris" in " ".join(out.split())
    assert "Exits with 0" in out
