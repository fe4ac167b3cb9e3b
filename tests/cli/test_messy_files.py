"""Files as strangers have them: what inspect says of them, what it proposes, and what a fit notes."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest
from command import run

RNG = np.random.default_rng(0)
N = 40
IDS = RNG.choice(np.arange(10_000, 99_999), N, replace=False)
X, Y = RNG.normal(size=N).round(3), RNG.normal(size=N).round(3)
HOURS = RNG.uniform(5, 400, N).round(1)
MANY, FEW = RNG.poisson(0.3 * HOURS), RNG.poisson(0.01 * HOURS)
GROUP = [1, None, None, 2, None, 3, None, None] * (N // 8)
KNOWN = ["a", "unknown", None, "b", "Unknown", "c", None, None] * (N // 8)
LAB = ["<0.4", *(f"{x:.2f}" for x in np.abs(X[1:]) + 0.5)]
UNITS = pd.DataFrame({"who": [None, *"ab" * 20], "Na": ["mmol/L", *X], "Hb": ["g/dL", *Y]})
SHOPS = {"region": np.repeat(["N", "S", "E", "W"], 10), "shop": [*range(1, 11)] * 4}
UNSURE = ["1", "2", "don't know", "2"] * (N // 4)

TOLD = {
    "an id": (
        {"customer_id": IDS, "x": X},
        "customer_id: a number of its own in every row, under a name of row labels: --id customer_id carries",
        "--id customer_id",
    ),
    "two ids": (
        {"PatientID": IDS, "kundennummer": IDS + 1, "x": X},
        "PatientID, kundennummer: a number",
        None,
    ),
    "no id": ({"acid": IDS, "x": X}, None, ""),
    "known clusters": (
        {"x": X, "y": Y, "grp": GROUP},
        "grp: known for 3 levels in 15 of 40 rows: if these are known clusters, --labels grp takes them",
        "--exclude grp",
    ),
    "known species": (
        {"x": X, "y": Y, "species": KNOWN},
        "species: known for 3 levels in 15 of 40 rows: if these are known clusters, --labels species "
        "takes them; --exclude species",
        "--numeric-only",
    ),
    "two in part": (
        {"x": X, "y": Y, "species": KNOWN, "flag": ["H", "L", None, None] * (N // 4)},
        "flag: known for 2 levels in 20 of 40 rows",
        "--numeric-only",
    ),
    "customers": ({"customer": IDS // 1800, "x": X}, "customer: labels that repeat", "--exclude customer"),
    "patients": (
        {"Patient ID": [f"P{i // 2}" for i in range(N)], "x": X},
        "of one unit are not independent, as the models take them to be, and labels are hardly a "
        "measurement: --exclude 'Patient ID' leaves it out",
        "--numeric-only",
    ),
    "exposure": (
        {"falls": MANY, "alarms": FEW, "hours": HOURS},
        "hours: --exposure hours with --model pmm",
        "--model pmm --exposure hours",
    ),
    "age is none": ({"falls": FEW, "age_years": HOURS}, None, "--model mixed --kinds falls=poisson"),
    "limit": ({"lead": LAB, "x": X}, "lead: numbers but for '<0.4': censored at a limit", "--numeric-only"),
    "units": (UNITS, "- row 0 looks like units: remove that line in the file\n", None),
    "pivot": (
        SHOPS | {"x": X},
        "region, shop: together they number the rows, each pair once: --exclude region,shop",
        "--numeric-only --exclude shop",
    ),
    "don't know": (
        {"a": UNSURE, "b": UNSURE[::-1]},
        'a, b: numbers but for "don\'t know": leave such cells empty in the file if they are missing; as '
        "long as they are there, a model of categories takes them for a level\n"
        "- a, b: categories: --model lca takes them\n",
        "--model lca",
    ),
}


@pytest.mark.parametrize(("columns", "words", "proposed"), TOLD.values(), ids=TOLD)
def test_what_is_told_of_a_messy_file(columns, words, proposed, tmp_path):
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    code, out, err = run("inspect", tmp_path / "t.csv", columns=400)
    assert (code, err) == (0, "")
    hints = "".join(f"{' '.join(line.split())}\n" for line in out.splitlines() if line.startswith("- "))
    assert (words in hints) if words else not hints
    if proposed is not None:
        assert shlex.split(out.partition("next: mixtures ")[2])[2:] == proposed.split()


FOOTER = "Summe;982,98;20.298,22;\nQuelle: Labor Nord, Stand 2024;;;\n"


def test_a_footer_does_not_hide_totals_and_a_fit_tells_them_too(tmp_path):
    rows = "".join(
        f"P{i};{5 + i / 10:.1f};{120 + i % 7}.5;1.{500 + i},5\n".replace(".5;", ",5;") for i in range(N)
    )
    file = tmp_path / "t.csv"
    file.write_text(f"who;a;b;c\n{rows.replace('.0;', ',0;')}{FOOTER}")
    marks = ["--separator", ";", "--decimal", ","]
    told = "the last 2 lines say 'Summe' and 'Quelle: Labor Nord, Stand 2024', and would count as rows"
    _, out, _ = run("inspect", file, *marks, columns=400)
    assert told in out
    assert out.count("--decimal ,") == 2  # of the hint, and once in the command
    fit = ["-k", 1, "--n-init", 1, "--seed", 1]
    table = pd.DataFrame(
        {"who": [*map(str, IDS), "Total", "Source: us"], "a": [*X, 9e3, None], "b": [*Y, 8, None]}
    )
    table.to_csv(file, index=False)
    _, _, err = run("predict", file, *fit, "--numeric-only", "--missing", "integrate")
    assert "note: the last 2 lines say 'Total' and 'Source: us'" in err
    assert re.search("note: row 40, column 'a' lies far from the others", err)
    quiet = run("predict", file, *fit, "--numeric-only", "--missing", "integrate", "--quiet")[2]
    assert quiet == ""


def test_ids_and_labels_from_1_are_noted_by_a_fit(tmp_path):
    file = tmp_path / "t.csv"
    pair = SHOPS | {"visitor": IDS // 1800, "user": IDS // 1800}
    pd.DataFrame(pair | {"x": X}).to_csv(file, index=False)
    _, _, err = run("predict", file, "-k", 1, "--n-init", 1, "--numeric-only")
    assert "note: column 'user' is fitted as a measurement, though by its name it labels units" in err
    assert "note: column 'shop' is fitted, though 'region' and 'shop' together number the rows" in err
    _, _, err = run("predict", file, "-k", 1, "--n-init", 1, "--columns", "shop,user,x")
    assert err == ""
    pd.DataFrame({"nr": IDS, "x": X, "y": Y, "grp": GROUP}).to_csv(file, index=False)
    fit = ["--labels", "grp", "--n-init", 1, "--seed", 1]
    code, _, err = run("predict", file, "-k", 4, *fit)
    assert code == 0
    assert "note: column 'nr' is fitted as a measurement" in err
    assert (
        "note: no row is labelled 0, and clusters are numbered from 0: subtract 1 if labels begin at 1" in err
    )
    code, _, err = run("predict", file, "-k", 3, *fit, "--columns", "nr,x,y")
    assert code == 2
    assert "no row is labelled 0" in err
    assert "measurement" not in err  # it was asked for


def test_refusals_of_units_limits_and_years(tmp_path):
    file = tmp_path / "t.csv"
    UNITS.to_csv(file, index=False)
    assert run("inspect", file)[1].endswith("remove the line of units, and inspect the file again\n")
    code, _, err = run("select", file)
    assert (code, "row 0 looks like units" in err, "--exclude" in err) == (2, True, False)
    pd.DataFrame({"lead": LAB, "x": X}).to_csv(file, index=False)
    assert "'<0.4' is a limit of detection" in run("select", file)[2]
    pd.DataFrame(SHOPS | {2021: X, 2022: Y}).to_csv(file, index=False)
    assert "say --header if it holds the names, --no-header if it is a row" in run("inspect", file)[2]
