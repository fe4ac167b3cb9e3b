"""Someone else's file from first contact to a fit: inspect, refusals, and the options that they name."""

import io
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from command import run

import mixtures as mx
from mixtures.cli.rows import with_kinds

SHORT = ["--n-init", "2", "--draws", "100", "--tune", "100", "--chains", "2", "--seed", "1", "--quiet"]


@pytest.fixture
def customers(tmp_path):
    """An id, a name, a date, three skewed amounts and two counts of two kinds of customers."""
    rng = np.random.default_rng(0)
    n = 300
    z = rng.random(n) < 0.4
    amounts = {
        name: np.exp(rng.normal(np.where(z, high, low), 0.5)).round(2)
        for name, low, high in (("income", 10, 11.5), ("spend", 5, 7), ("savings", 8, 10))
    }
    counts = {"visits": rng.poisson(np.where(z, 12, 4)), "returns": rng.poisson(np.where(z, 4, 1))}
    who = {"customer_id": np.arange(5001, 5001 + n), "name": [f"Customer {i}" for i in range(n)]}
    since = {"since": pd.date_range("2015-01-01", periods=n).strftime("%Y-%m-%d")}
    pd.DataFrame(who | since | amounts | counts).to_csv(tmp_path / "customers.csv", index=False)
    return tmp_path / "customers.csv", z


@pytest.fixture
def survey(tmp_path):
    """Twelve items of yes and no, 4 % of them blank, of two classes."""
    rng = np.random.default_rng(1)
    z = rng.random(300) < 0.5
    yes = rng.random((300, 12)) < np.where(z, 0.85, 0.2)[:, None]
    table = pd.DataFrame(np.where(yes, "yes", "no"), columns=[f"q{j}" for j in range(1, 13)], dtype=object)
    table[rng.random(table.shape) < 0.04] = None
    table.to_csv(tmp_path / "survey.csv", index=False)
    return tmp_path / "survey.csv", z


def next_command(out):
    """The words of the command that inspect ends with."""
    told = out.partition("next: mixtures ")[2]
    return shlex.split(" ".join(told.split()))


def agreement(labels, z):
    same = float((labels.to_numpy() == z).mean())
    return max(same, 1 - same)


def test_a_table_of_customers_is_shown_on_80_columns(customers):
    code, out, err = run("inspect", customers[0], columns=80)
    assert (code, err) == (0, "")
    table = out.partition("next:")[0]
    assert max(map(len, table.splitlines())) <= 80
    for words in (
        r"customer_id +row numbers +5,001 +5,300 +0 +300 +left out",
        r"name +text +0 +300 +refused",
        r"since +dates +0 +300 +refused",
        r"income +numbers +[\d.,]+ +[\d.,]+ +0 +\d+ +number",
        r"visits +counts +\d+ +\d+ +0 +\d+ +number",
    ):
        assert re.search(words, out), words
    flat = " ".join(out.split())
    assert "--id customer_id carries it" in flat
    assert "name, since: --exclude name,since or --numeric-only leaves out text and dates" in flat
    assert "--log income,spend,savings fits their logarithms" in flat


def test_customers_from_inspect_to_clusters_of_new_rows(customers, tmp_path):
    file, z = customers
    _, out, _ = run("inspect", file, columns=400)
    words = next_command(out)
    kinds = ["--model", "mixed", "--kinds", "visits=poisson,returns=poisson"]
    assert words[2:] == [*kinds, "--numeric-only", "--log", "income,spend,savings"]
    saved = tmp_path / "k.mix"
    rest = ["--max-k", 3, "--n-init", 4, "--seed", 1, "--save", saved]
    code, out, err = run(*words, *rest, "--id", "customer_id")
    assert code == 0
    assert "note: left out, as they hold no numbers: name (text), since (dates)" in err
    assert "lowest BIC: K = 2" in " ".join(out.split())
    again = ["report", str(file), *words[2:], "--n-init", "4", "--seed", "1", "--id", "customer_id"]
    assert sorted(next_command(out)) == sorted([*again, "-k", "2", "-o", "report.html"])
    new = pd.read_csv(file).iloc[:50]
    new.to_csv(tmp_path / "new.csv", index=False)
    code, out, err = run("predict", tmp_path / "new.csv", "--from", saved)
    assert code == 0
    assert "note: as the saved result was fitted: --id customer_id\n" in err
    assert "note: natural logarithms are fitted: log(income), log(spend), log(savings)" in err
    assert "note: columns that were not fitted are left out: name, since" in err
    table = pd.read_csv(io.StringIO(out))
    assert list(table["customer_id"]) == list(new["customer_id"])
    assert agreement(table["label"], z[:50]) > 0.95
    _, whole, _ = run("complete", tmp_path / "new.csv", "--from", saved)
    assert whole.startswith("customer_id,")
    piped = (tmp_path / "new.csv").read_text()
    assert run("predict", "-", "--from", saved, stdin=piped) == (code, out, err)
    assert run("complete", "-", "--from", saved, stdin=piped)[1] == whole
    new.drop(columns="customer_id").to_csv(tmp_path / "new.csv", index=False)
    code, out, err = run("predict", tmp_path / "new.csv", "--from", saved)
    assert (code, "--id" in err) == (0, False)
    assert list(pd.read_csv(io.StringIO(out))["label"]) == list(table["label"])
    assert run("predict", "-", "--from", saved, stdin=(tmp_path / "new.csv").read_text()) == (code, out, err)


@pytest.mark.long
@pytest.mark.parametrize("name", ["customers", "survey"])
def test_four_commands_to_a_report(name, request, tmp_path):
    file, _ = request.getfixturevalue(name)
    _, out, _ = run("inspect", file, columns=400)
    words = next_command(out)
    options = words[2:]
    assert run(*words, "--max-k", 3, "--n-init", 4, "--seed", 1, "--quiet")[0] == 0
    code, out, err = run("crosscheck", file, "-k", 2, *options, *SHORT, "--save", tmp_path / "c.mix")
    assert (code in (0, 1), err) == (True, "")
    page = tmp_path / "report.html"
    code, _, err = run("report", file, *options, "--from", tmp_path / "c.mix", "-o", page, "--quiet")
    assert (code in (0, 1), err) == (True, "")
    assert ("log(income)" if name == "customers" else "q12") in page.read_text()


def test_a_survey_goes_from_inspect_to_classes(survey):
    file, z = survey
    code, out, _ = run("inspect", file, columns=80)
    assert code == 0
    assert len(re.findall(r"q\d+ +yes or no +\d+ +2 +category", out)) == 12
    words = next_command(out)
    assert words[2:] == ["--model", "bmm", "--recode", "--missing", "integrate"]
    code, out, _ = run(*words, "--max-k", 3, "--seed", 1, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["recommended"] == 2
    code, out, err = run("predict", file, *words[2:], "-k", 2, "--seed", 1)
    assert code == 0
    assert err.startswith("note: recoded: yes, y and true are 1, no, n and false are 0, in q1, q2")
    assert agreement(pd.read_csv(io.StringIO(out))["label"], z) > 0.95


def test_answers_on_a_scale_are_no_counts(tmp_path):
    rng = np.random.default_rng(0)
    scale = {f"q{j}": rng.permutation(np.arange(60) % 5 + 1) for j in range(3)}
    others = {"children": np.arange(60) % 4, "rooms": np.arange(60) % 6 + 1}
    pd.DataFrame(scale).to_csv(tmp_path / "scale.csv", index=False)
    pd.DataFrame(scale | others).to_csv(tmp_path / "both.csv", index=False)
    _, out, _ = run("inspect", tmp_path / "scale.csv", columns=400)
    assert len(re.findall(r"q\d +steps of a scale", out)) == 3
    assert next_command(out)[2:] == ["--model", "lca"]
    _, out, _ = run("inspect", tmp_path / "both.csv", columns=400)
    assert "range 1 to 5: taken for answers on a scale" in out
    assert "as counts: --model mixed --kinds NAME=poisson" in out
    kinds = "q0=categorical,q1=categorical,q2=categorical"
    assert kinds in next_command(out)[-1]
    assert len(re.findall(r"(children|rooms) +counts", out)) == 2
    spec = with_kinds(mx.Mixed(2, gaussian=["?"]), pd.DataFrame(scale | others), None, None, quiet=True)
    assert (spec.categorical, spec.poisson) == (tuple(scale), tuple(others))  # --model mixed alone


def test_counts_of_one_range_stay_counts_and_the_other_reading_is_told(tmp_path):
    counts = np.minimum(np.random.default_rng(1).poisson(1.3, (300, 3)), 5)
    counts[0] = 5
    pd.DataFrame(counts, columns=list("abc")).to_csv(tmp_path / "t.csv", index=False)
    _, out, _ = run("inspect", tmp_path / "t.csv", columns=400)
    assert "a, b, c: three or more columns share the range 0 to 5, but few cells hold" in out
    assert "as answers on a scale: --model mixed --kinds NAME=categorical" in out
    assert next_command(out)[2:] == ["--model", "pmm"]


@pytest.mark.parametrize("model", ["bmm", "lca", "lca of 0 and 1"])
def test_a_fit_reads_answers_as_it_was_fitted(model, tmp_path):
    """Words become numbers unasked where the fit has numbers, and stay words where it has words.

    Missing cells are integrated where the saved result was fitted so.
    """
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.integers(0, 2, (60, 4)), columns=list("abcd"))
    file, words = tmp_path / "t.csv", rows.replace({0: "no", 1: "yes"})
    fitted = mx.fit_em(mx.BMM(1) if model == "bmm" else mx.LCA(1), words if model == "lca" else rows)
    mx.save(fitted, tmp_path / "em.mix", about={"missing": "integrate"})
    words.loc[0, "a"] = None
    words.to_csv(file, index=False)
    code, _, err = run("predict", file, "--from", tmp_path / "em.mix")
    assert code == 0
    assert "note: as the saved result was fitted: --missing integrate\n" in err
    assert ("note: recoded: yes, y and true are 1" in err) is (model != "lca")


MARKS = {"separator": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252"}
WHO, CODED, COMMAS = "--id who", "--encoding cp1252", "--decimal , --thousands ."
MARKED = "who;größe;b\nAnn;1.000,5;1,5\nBob;2.000,5;2,5\n"
PLAIN = "who,größe,b\nAnn,1000.5,1.5\nBob,2000.5,2.5\n"


@pytest.mark.parametrize(
    ("text", "encoding", "typed", "said"),
    [
        (MARKED, "cp1252", [], f"--separator ';' {COMMAS} {CODED} {WHO}"),
        (MARKED.replace("who", "x"), "cp1252", [], f"--separator ';' {COMMAS} {CODED}"),
        (MARKED.replace(";", "|"), "cp1252", ["--separator", "|"], f"{COMMAS} {CODED} {WHO}"),
        (MARKED, "utf-8", ["--encoding", "utf-8"], f"--separator ';' {COMMAS} {WHO}"),
        (PLAIN, "utf-8", [], WHO),
        (PLAIN.replace("who", "x"), "utf-8", [], ""),
        (MARKED.replace("größe", "a"), "cp1252", [], "the data have no column 'größe'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["predict", "complete"])
def test_new_rows_are_read_as_those_of_the_fit_were(text, encoding, typed, said, command, tmp_path):
    """The marks of the saved result where they fit, whatever is typed first; rows written otherwise too."""
    saved, file = tmp_path / "em.mix", tmp_path / "t.csv"
    fitted = mx.fit_em(mx.GMM(1), pd.DataFrame({"größe": [1, 2, 4.0], "b": [1, 5, 2.0]}))
    mx.save(fitted, saved, about=MARKS | {"index": "who"})
    file.write_text(text, encoding=encoding)
    code, out, err = run(command, file, "--from", saved, *typed)
    if "no column" in said:
        assert (code, said in err) == (2, True)
        return
    assert code == 0, err
    notes = [line.partition("as the saved result was fitted: ")[2] for line in err.splitlines()]
    assert "".join(notes).replace(", --", " --") == said
    assert command == "predict" or "2000.5" in out
    if encoding == "utf-8":
        assert run(command, "-", "--from", saved, *typed, stdin=text) == (code, out, err)


def test_a_fit_of_categories_beside_numbers_takes_new_rows(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"city": rng.choice(["Hull", "York"], 60), "income": rng.normal(0, 1, 60)})
    rows.to_csv(tmp_path / "t.csv", index=False)
    fitted = mx.fit_em(mx.Mixed(1, gaussian=["income"], categorical=["city"]), rows)
    mx.save(fitted, tmp_path / "em.mix")
    code, out, err = run("predict", tmp_path / "t.csv", "--from", tmp_path / "em.mix")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 61


N = 40
YES, SIZE = ["yes", "no"] * (N // 2), ["small", "large", "large", "huge"] * (N // 4)
VISITS, PRICE = [2, 3, 9, 5] * (N // 4), [0.5 * 1.2**i for i in range(N)]
NAME, SAME = [f"Ann {i}" for i in range(N)], ["all"] * N
CODE = [1, 2] * (N // 2)
TO_GO_ON = (
    ({"size": SIZE, "yes": YES}, [], "--model lca"),
    ({"size": SIZE, "code": CODE, "name": NAME}, [], "--model lca --exclude name"),
    ({"yes": YES, "code": CODE, "name": NAME}, [], "--model bmm --recode --exclude name"),
    ({"visits": VISITS, "name": NAME}, [], "--model pmm --numeric-only"),
    ({"visits": VISITS, "price": PRICE}, [], "--model mixed --kinds visits=poisson --log price"),
    ({"visits": [30 * x for x in VISITS], "price": PRICE}, [], "--log price"),
    ({"visits": VISITS, "price": PRICE}, ["--exposure", "price"], "--model pmm --exposure price"),
    (
        {
            "size": SIZE,
            "yes": YES,
            "visits": VISITS,
            "code": CODE,
            "price": PRICE,
            "name": NAME,
            "same": SAME,
        },
        [],
        "--model mixed --kinds yes=bernoulli,size=categorical,code=categorical,visits=poisson --recode "
        "--exclude name,same --log price",
    ),
    (
        {"size": SIZE, "price": PRICE, "visits": VISITS},
        ["--numeric-only", "--exclude", "x2", "--no-header"],
        "--numeric-only --exclude x2 --log x1 --no-header",
    ),
)


@pytest.mark.parametrize(("columns", "options", "told"), TO_GO_ON, ids=[each[2] for each in TO_GO_ON])
def test_a_model_is_proposed_for_the_columns(columns, options, told, tmp_path):
    """Options that were given go on, and what is proposed is read as it was meant to be."""
    file = tmp_path / "t.csv"
    pd.DataFrame(columns).to_csv(file, index=False, header="--no-header" not in options)
    code, out, err = run("inspect", file, *options, columns=400)
    assert (code, err) == (0, "")
    words = next_command(out)
    assert words[2:] == shlex.split(told)
    code, _, err = run("predict", *words[1:], "-k", 1, "--n-init", 1, "--quiet")
    assert (code, err) == (0, "")


def test_a_column_that_names_rows_is_no_category(tmp_path):
    file = tmp_path / "t.csv"
    pd.DataFrame({"name": NAME, "size": SIZE}).to_csv(file, index=False)
    code, _, err = run("predict", file, "-k", 1, "--model", "lca")
    assert code == 2
    assert "column 'name' is different in most rows (40 texts in 40 rows)" in err
    assert "--exclude name leaves it out" in err
    assert run("predict", file, "-k", 1, "--model", "lca", "--columns", "name,size")[0] == 0


@pytest.mark.parametrize("command", ["crosscheck", "select", "predict", "report", "complete"])
def test_each_refusal_names_the_option_that_helps(command, customers, survey, tmp_path):
    k = [] if command == "select" else ["-k", 2]
    out_file = ["-o", tmp_path / "r.html"] if command == "report" else []
    code, out, err = run(command, customers[0], *k, *out_file)
    assert (code, out) == (2, "")
    assert "columns name, since hold text" in err
    assert "--exclude name,since, or --numeric-only leaves them out" in err
    code, _, err = run(command, survey[0], *k, *out_file, "--model", "bmm")
    assert code == 2
    assert "--recode reads yes as 1 and no as 0" in err
    if command != "complete":  # which is there for missing cells
        code, _, err = run(command, survey[0], *k, *out_file, "--model", "bmm", "--recode")
        assert code == 2
        assert "--missing integrate" in err


def test_items_coded_1_and_2(tmp_path):
    rng = np.random.default_rng(2)
    items = pd.DataFrame(rng.integers(1, 3, (60, 4)), columns=list("abcd"))
    items.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run("predict", tmp_path / "t.csv", "-k", 1, "--model", "bmm")
    assert code == 2
    assert "1 and 2 are the cells of a, b, c, d, and a BMM takes 0 and 1: --recode reads 2 as 0" in err
    code, _, err = run("predict", tmp_path / "t.csv", "-k", 1, "--model", "bmm", "--recode")
    assert code == 0
    assert "1 stays 1 and 2 is 0" in err


def test_decimal_commas_from_refusal_to_fit(tmp_path):
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"a": rng.normal(size=40), "b": 1e6 + 1e5 * rng.random(40)})
    written = rows.assign(b=[f"{x:,.2f}".translate(str.maketrans(",.", ".,")) for x in rows["b"]])
    file = tmp_path / "t.csv"
    written.to_csv(file, index=False, sep=";", decimal=",")
    code, _, err = run("predict", file, "-k", 1)
    assert code == 2
    assert "--separator ';'" in err
    code, _, err = run("predict", file, "-k", 1, "--separator", ";")
    assert code == 2
    assert "--decimal , --thousands . reads them" in err
    _, out, _ = run("inspect", file, "--separator", ";")
    assert "a, b: --decimal , --thousands . reads them as numbers" in out
    assert next_command(out)[:1] == ["inspect"]
    marks = ["--separator", ";", "--decimal", ",", "--thousands", "."]
    code, out, err = run("predict", file, "-k", 1, "--seed", 1, *marks)
    assert (code, err) == (0, "")
    code, told, _ = run("inspect", file, *marks, "--json")
    (a, b) = json.loads(told)["columns"]
    assert (a["holds"], b["holds"]) == ("numbers", "numbers")
    assert b["to"] == pytest.approx(rows["b"].max(), abs=0.01)
    code, _, err = run("predict", "faithful", "-k", 1, "--decimal", ",")
    assert code == 2
    assert "--decimal does not go with the data set" in err


def test_a_mark_that_the_numbers_do_not_have(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1.5,2\n2.25,3\n3.5,5\n")
    code, _, err = run("predict", tmp_path / "t.csv", "-k", 2, "--decimal", ",")
    assert code == 2
    assert "column 'a' holds text ('1.5' in row 0)" in err
    assert "numbers with decimal points: leave out --decimal and --thousands" in err


def test_a_file_of_windows_goes_from_refusal_to_the_next_command(tmp_path):
    rows = "\n".join(f"{j % 7}.5;{j * j}" for j in range(20))
    (tmp_path / "t.csv").write_bytes(f"sep=;\nhöhe;größe\n{rows}\n".encode("cp1252"))
    code, _, err = run("inspect", tmp_path / "t.csv")
    assert code == 2
    assert "say --encoding cp1252 if it comes from Excel or Windows" in err
    code, out, _ = run("inspect", tmp_path / "t.csv", "--encoding", "cp1252")
    assert code == 0
    assert "größe" in out
    assert next_command(out)[-2:] == ["--encoding", "cp1252"]


def test_what_the_options_do_is_shown_before_a_fit(survey, customers):
    _, out, _ = run("inspect", survey[0], "--recode")
    assert "done: recoded: yes, y and true are 1" in out
    code, out, _ = run("inspect", customers[0], "--log", "incom", "--json")
    assert code == 0
    assert "did you mean 'income'" in json.loads(out)["problem"]


@pytest.mark.parametrize("log", [[], ["--log", "income"]])
def test_what_the_next_command_deals_with_is_no_problem(survey, customers, tmp_path, log):
    _, out, _ = run("inspect", customers[0], *log, columns=400)
    assert "to be settled" not in out
    table = pd.read_csv(survey[0]).assign(often=["never", "often", "always"] * 100, wt=[0.5, 1.0, 1.5] * 100)
    text = table.to_csv(index=False)
    _, out, _ = run("inspect", "-", "--recode", "--weights", "wt", stdin=text, columns=400)
    assert out.startswith("standard input: 300 rows, 13 columns")
    assert "to be settled" not in out
    assert next_command(out)[2:] == ["--model", "lca", "--missing", "integrate", "--weights", "wt"]
    _, out, _ = run("inspect", "-", stdin=text, columns=400)
    assert "- wt: --weights wt if it says how often a row counts" in out


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1.5", ".", "2"], "x: numbers but for '.': leave such cells empty in the file if they are missing"),
        (["$1,250.00", "$3.50", "$4"], "x: numbers with the sign $: remove it in the file"),
        (["30%", "4.5%", "12%"], "x: numbers with the sign %: remove it in the file"),
        ([1.5, -99, -99, 0.5], "x: -99 lies far from all other numbers: leave such cells empty"),
        (["1", "inf", "2"], "x: infinite cells, which no model takes: leave such cells empty"),
        (["Hull", "York", "7"], "x: a text of its own in every row"),
    ],
)
def test_what_spoils_a_column_of_numbers_is_told(tmp_path, cells, words):
    pd.DataFrame({"x": cells, "y": np.arange(len(cells)) ** 2 / 2}).to_csv(tmp_path / "t.csv", index=False)
    _, out, _ = run("inspect", tmp_path / "t.csv", columns=400)
    assert words in out
    told = run("predict", tmp_path / "t.csv", "-k", 1, "--n-init", 1)[2]
    assert (f"note: {words}" in told) is ("-99" in words)
    assert ("text of its own" in out) is ("Hull" in cells)


def test_the_command_that_inspect_ends_with_can_be_run(tmp_path):
    wide, text = tmp_path / "wide.csv", tmp_path / "text.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(8, 9))).add_prefix("x").to_csv(wide, index=False)
    text.write_text("a,b\nfoo,bar\nfun,baz\n")
    _, out, _ = run("inspect", wide, columns=400)
    assert next_command(out)[2:] == ["--covariance", "diag"]
    table, rng = tmp_path / "weighed.csv", np.random.default_rng(0)
    rows = pd.DataFrame(
        {"a": rng.normal(size=40), "wt": np.exp(1.5 * rng.normal(size=40)), "yes": ["no", "yes"] * 20}
    )
    rows.assign(far=np.where(np.arange(40) == 3, np.inf, rows["a"])).to_csv(table, index=False)
    for options, then in (
        (["--exclude", "far,yes"], ["--exclude", "far,yes"]),  # the hint takes wt for weights, not for skewed
        (
            ["--weights", "wt", "--log", "wt,a", "--exclude", "yes"],
            ["--exclude", "yes,far", "--weights", "wt"],
        ),
    ):
        _, out, _ = run("inspect", table, *options, columns=400)
        assert next_command(out)[2:] == then
    code, _, err = run("inspect", table, "--weights", "yes")
    assert (code, "--weights: the cells are not" in err) == (2, True)
    for file in (text, "-"):
        _, out, _ = run("inspect", file, columns=400, stdin="a,b\n")
        assert out.endswith("there is nothing to fit yet: no column that a model takes tells rows apart\n")


def test_long_names_and_narrow_windows(tmp_path):
    """Names end lines after underscores, and figures are left out whole rather than cut."""
    name = "vibration_of_the_main_bearing_in_mm_per_second"
    rows = np.random.default_rng(0).normal(size=(12, 2))
    pd.DataFrame(rows, columns=[name, "rpm"]).to_csv(tmp_path / "t.csv", index=False)
    for columns, heads in ((80, {"from", "to", "missing", "different"}), (45, {"missing"}), (34, set())):
        _, out, _ = run("inspect", tmp_path / "t.csv", columns=columns)
        lines = out.partition("next:")[0].splitlines()
        assert max(map(len, lines)) <= columns
        head = next(i for i, line in enumerate(lines) if "read as" in line)
        assert heads == {"from", "to", "missing", "different"} & set(lines[head].split())
        pieces = [line.strip().split("  ")[0] for line in lines[head + 2 :]]
        at = pieces.index("rpm")
        assert "".join(pieces[:at]) == name
        assert all(piece.endswith("_") for piece in pieces[: at - 1])
    pd.DataFrame({name: [1, 5, 2, 3] for name in "abc"}).to_csv(tmp_path / "s.csv", index=False)
    _, out, _ = run("inspect", tmp_path / "s.csv", columns=30)
    assert "number" in out.partition("read as")[2]


def test_a_hostile_name_and_many_columns(tmp_path):
    names = ["\x1b[2J" + "x" * 300, *(f"c{j}" for j in range(80))]
    rows = np.random.default_rng(0).normal(size=(12, 81))
    pd.DataFrame(rows, columns=names).to_parquet(tmp_path / "t.parquet")
    code, out, _ = run("inspect", tmp_path / "t.parquet", "--rows", 5, columns=80)
    assert code == 0
    assert "\x1b" not in out
    assert "(76 more columns: --rows or --json)" in out


def test_all_commands_have_the_same_options_for_data():
    seen = {}
    for command in ("inspect", "crosscheck", "select", "predict", "report", "complete"):
        code, out, _ = run(command, "--help", columns=200)
        assert code == 0
        panel = out.partition("Data ─")[2].partition("╰")[0]
        seen[command] = set(re.findall(r"--[a-z-]+", panel)) - {"--missing", "--labels", "--from"}
    shared = {"--columns", "--exclude", "--numeric-only", "--separator", "--decimal", "--thousands", "--id"}
    shared |= {"--encoding", "--index", "--header", "--no-header", "--recode", "--log"}
    assert shared <= seen["inspect"]
    assert all(shared <= options for options in seen.values())


@pytest.mark.parametrize("words", [("Total", 1), ("Summe:", 2)])
def test_lines_that_a_spreadsheet_adds_are_told(tmp_path, words):
    """A line of totals is a row to a program, and one that pulls every mean."""
    word, n = words
    rows = [f"{j},{j % 7}.5,{j * j}" for j in range(20)]
    text = "\n".join(["who,a,b", *rows, f"{word},70,2470", *[",,"] * n])
    (tmp_path / "t.csv").write_text(text)
    code, out, err = run("inspect", tmp_path / "t.csv")
    assert code == 0, err
    assert f"- the last line says '{word}', and would count as a row" in out
    lines = (
        "2 lines without any cell would count as rows"
        if n > 1
        else "1 line without any cell would count as a row"
    )
    assert f"- {lines}: remove" in out


def test_a_whole_table_has_no_such_lines(customers):
    assert "would count as" not in run("inspect", customers[0])[1]
