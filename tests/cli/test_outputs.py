"""What commands and functions write to: files, streams, a terminal; each as it is found, nothing lost."""

import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import run

import mixtures as mx
from mixtures.cli import text as printing
from mixtures.cli.text import check_table
from mixtures.saving.archive import check_writable, replacing
from mixtures.saving.save import check_labels

FAITHFUL = mx.datasets.faithful()
SHORT = ["--n-init", 2, "--draws", 100, "--tune", 100, "--chains", 2, "--seed", 1, "--quiet"]


@pytest.fixture(scope="module")
def em():
    return mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=1)


@pytest.fixture(scope="module")
def cc():
    options = {"draws": 100, "tune": 100, "chains": 2, "n_init": 2, "random_seed": 1}
    return mx.crosscheck(mx.GMM(2), FAITHFUL, progressbar=False, **options)


@pytest.fixture
def known(monkeypatch, cc):
    """Commands get a crosscheck that was computed before."""
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *_, **__: cc)


@pytest.fixture
def uncomputed(monkeypatch):
    """Bad options must be refused before anything is computed."""
    for place in ("agreement.crosscheck.crosscheck", "selection.select.select", "em.fit.fit_em"):
        monkeypatch.setattr(f"mixtures.{place}", lambda *_, **__: pytest.fail("computed"))


# Streams are written to, never replaced


def through_a_pipe(path, write):
    """What comes out of a named pipe."""
    os.mkfifo(path)
    found = []
    reader = threading.Thread(target=lambda: found.append(Path(path).read_bytes()), daemon=True)
    reader.start()
    write()
    reader.join(30)
    assert stat.S_ISFIFO(path.stat().st_mode)
    return found[0]


def test_a_pipe_stays_a_pipe(tmp_path, em):
    assert through_a_pipe(tmp_path / "p", lambda: printing.write_table(FAITHFUL, tmp_path / "p")).startswith(
        b",eruptions,waiting\n0,3.6,79"
    )
    (tmp_path / "em.mix").write_bytes(through_a_pipe(tmp_path / "q", lambda: mx.save(em, tmp_path / "q")))
    assert mx.load(tmp_path / "em.mix").log_likelihood == em.log_likelihood
    table = through_a_pipe(
        tmp_path / "r.parquet", lambda: printing.write_table(FAITHFUL, tmp_path / "r.parquet")
    )
    assert table.startswith(b"PAR1")
    assert {each.name for each in tmp_path.iterdir()} == {"p", "q", "r.parquet", "em.mix"}


def test_a_pipe_by_every_command(tmp_path, known, cc, em):
    mx.save(em, tmp_path / "em.mix")
    for i, (words, begin) in enumerate(
        [
            (["predict", "faithful", "--from", tmp_path / "em.mix", "-o"], b"row,label"),
            (["crosscheck", "faithful", "-k", 2, "--csv"], b"parameter,EM"),
            (["crosscheck", "faithful", "-k", 2, "--save"], b"PK"),
            (["select", "faithful", "--max-k", 1, "--csv"], b"n_components"),
            (["report", "faithful", "-k", 2, "-o"], b"<!doctype html>"),
        ]
    ):
        path, codes = tmp_path / f"pipe{i}", []
        out = through_a_pipe(path, lambda w=words, p=path, c=codes: c.append(run(*w, p)))
        assert codes[0][0] == 0, codes
        assert out.lstrip().startswith(begin)
        assert str(path) not in codes[0][1]  # what goes to a stream is followed by no word on it


def test_devices_stay_devices(em):
    for name in ("/dev/null", "/dev/zero"):
        with replacing(name) as file:
            file.write(b"x")
        assert stat.S_ISCHR(os.stat(name).st_mode)
    if os.path.exists("/dev/full"):
        with pytest.raises(mx.InputError, match=r"/dev/full cannot be written \(No space left on device\)"):
            mx.save(em, "/dev/full")
        assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert not [name for name in os.listdir("/dev") if name.startswith(".mixtures")]


def test_a_socket_is_refused(tmp_path, em):
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for refuse in (check_writable, lambda path: mx.save(em, path)):
            with pytest.raises(mx.InputError, match="is a socket; name a file"):
                refuse(tmp_path / "s")
        assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)


@pytest.mark.parametrize("path", [5, True, 1.5, None, ["a"], "", "a\0b"])
def test_what_names_no_file(path, em, monkeypatch):
    monkeypatch.setattr("mixtures.agreement.crosscheck.crosscheck", lambda *_, **__: pytest.fail("computed"))
    doors = [lambda: mx.save(em, path), lambda: mx.load(path), lambda: check_writable(path)]
    doors += [lambda: mx.report(mx.GMM(2), FAITHFUL, path)] if path is not None else []
    for door in doors:
        with pytest.raises(
            mx.InputError, match=r"a file is named by text or a pathlib\.Path|cannot be the name"
        ):
            door()


# What is read is not written over


@pytest.mark.usefixtures("uncomputed")
@pytest.mark.parametrize("name", ["f.csv", "./f.csv", "../{0}/f.csv", "link.csv", "hard.csv", "folder/f.csv"])
@pytest.mark.parametrize(
    "command",
    [
        "predict {0} -k 2 -o {1}",
        "crosscheck {0} -k 2 --csv {1}",
        "crosscheck {1} -k 2 --save {0}",
        "select {0} --csv {1}",
        "select {1} --save {0}",
        "report {1} -k 2 --save {0}",
        "predict new.csv --from {0} -o {1}",
    ],
)
def test_no_output_takes_the_place_of_an_input(tmp_path, monkeypatch, name, command):
    FAITHFUL.to_csv(tmp_path / "f.csv", index=False)
    before = (tmp_path / "f.csv").read_bytes()
    (tmp_path / "link.csv").symlink_to("f.csv")
    os.link(tmp_path / "f.csv", tmp_path / "hard.csv")
    (tmp_path / "folder").symlink_to(".", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*command.format("f.csv", name.format(tmp_path.name)).split())
    assert (code, out) == (2, "")
    assert "is read from; name another file" in err
    assert (tmp_path / "f.csv").read_bytes() == before


@pytest.mark.usefixtures("uncomputed")
def test_two_outputs_are_two_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("new.html")
    for words in (
        "crosscheck faithful -k 2 --csv new --save ./new",
        "select faithful --csv new --save new",
        "report faithful -k 2 -o new.html --save link",
    ):
        code, out, err = run(*words.split())
        assert (code, out) == (2, "")
        assert "names; name another file" in err


# What can be known before is known before


MIXED = [1, "b"] * 136
LABELS = {
    "dates": [date(2026, 1, 1)] * 272,
    "decimals": [Decimal(i) for i in range(272)],
    "bytes": [b"x%d" % i for i in range(272)],
    "mixed": MIXED,
    "missing": ["a", None] * 136,
    "zones": [datetime(2026, 1, 1, tzinfo=UTC)] * 272,
    "differences": pd.to_timedelta(range(272), unit="D"),
    "periods": pd.period_range("2026", periods=272, freq="D"),
    "nul": ["a\0b"] * 272,
    "half a character": ["\ud800"] * 272,
}


@pytest.mark.usefixtures("uncomputed")
@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_cannot_be_saved_are_refused_before(monkeypatch, tmp_path, kind):
    frame = FAITHFUL.set_axis(pd.Index(LABELS[kind], dtype=None if kind == "periods" else object))
    monkeypatch.setattr("mixtures.cli.rows.load_frame", lambda *_, **__: frame)
    for words in ("crosscheck", "report", "select --criteria loo"):
        more = [] if words.startswith("select") else ["-k", 2]
        code, out, err = run(*words.split(), "x", *more, "--save", tmp_path / "r.mix")
        assert (code, out) == (2, "")
        assert "the row labels cannot be saved (" in err
        assert "make them text or numbers" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    "labels", [np.arange(3), ["p", "q", "r"], pd.date_range("2026", periods=3), [0.5, 2, 3]]
)
def test_labels_that_can_be_saved(labels):
    check_labels(pd.Index(labels).to_numpy())


def test_labels_longer_together_than_a_file_may_hold(monkeypatch):
    """Else what was saved could not be loaded."""
    monkeypatch.setattr("mixtures.saving.netcdf.TEXT_ROOM", 1000)
    check_labels(np.array([f"{i:040}" for i in range(10)], dtype=object))
    with pytest.raises(mx.InputError, match="the row labels cannot be saved"):
        check_labels(np.array([f"{i:040}" for i in range(15)], dtype=object))


@pytest.mark.usefixtures("uncomputed")
def test_a_table_that_parquet_cannot_hold_is_refused_before(monkeypatch, tmp_path):
    frame = FAITHFUL.set_axis(pd.Index(MIXED))
    monkeypatch.setattr("mixtures.cli.rows.load_frame", lambda *_, **__: frame)
    code, out, err = run("predict", "x", "-k", 2, "-o", tmp_path / "t.parquet")
    assert (code, out) == (2, "")
    assert "cannot hold the table as Parquet" in err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(mx.InputError, match=r"pip install 'pymc-mixtures\[io\]'"):
        check_table(np.arange(3), Path("t.parquet"))
    code, _, err = run("crosscheck", "faithful", "-k", 2, "--csv", tmp_path / "t.parquet")
    assert code == 2
    assert "needs pyarrow" in err


@pytest.mark.usefixtures("uncomputed")
@pytest.mark.parametrize("option", ["--csv", "--save"])
@pytest.mark.parametrize("name", ["x" * 300, "nowhere/x", "file/x", "folder", "a" * 200 + "/" + "b" * 300])
def test_files_that_cannot_be_made_are_refused_before(tmp_path, monkeypatch, name, option):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for command in (["crosscheck", "faithful", "-k", 2], ["select", "faithful"]):
        code, out, err = run(*command, option, name)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {option}: ")
        assert err.count("\n") == 1
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.usefixtures("uncomputed")
def test_a_number_of_rows_below_zero():
    code, out, err = run("crosscheck", "faithful", "-k", 2, "--rows", -1)
    assert (code, out) == (2, "")
    assert "rows must be at least 0" in err


# One output that fails costs none of the others


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("fails", ["table", "result"])
def test_a_full_disk_costs_one_output(tmp_path, monkeypatch, fails):

    def full(*_, **__):
        raise mx.InputError("it cannot be written (No space left on device)")

    broken = "cli.crosscheck.write_table" if fails == "table" else "saving.save.save"
    monkeypatch.setattr(f"mixtures.{broken}", full)
    files = {"table": tmp_path / "t.csv", "result": tmp_path / "r.mix"}
    code, out, err = run(
        "crosscheck", "faithful", "-k", 2, "--csv", files["table"], "--save", files["result"]
    )
    assert code == 1
    assert err == f"error: the {fails} is not written: it cannot be written (No space left on device)\n"
    assert "The certificate holds" in out
    made = files.pop("result" if fails == "table" else "table")
    assert made.exists()
    assert not files[fails].exists()
    assert f"written to {made}" in out
    assert str(files[fails]) not in out


@pytest.mark.usefixtures("known")
def test_a_full_disk_by_every_command(tmp_path, em, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no device that is full")
    mx.save(em, tmp_path / "em.mix")
    code, out, err = run(
        "select", "faithful", "--max-k", 1, "--csv", "/dev/full", "--save", tmp_path / "s.mix"
    )
    assert (code, err.count("\n")) == (1, 1)
    assert "Take K = 1" in out
    assert mx.load(tmp_path / "s.mix").recommended == 1
    code, out, err = run("report", "faithful", "-k", 2, "-o", "/dev/full", "--save", tmp_path / "c.mix")
    assert (code, err.count("\n")) == (1, 1)
    assert "EM and MAP agree" in out
    assert "The report is in" not in out
    assert mx.load(tmp_path / "c.mix").passed
    page = tmp_path / "p.html"
    code, out, err = run("report", "faithful", "-k", 2, "-o", page, "--save", "/dev/full")
    assert (code, err.count("\n")) == (1, 1)
    assert page.exists()
    code, out, err = run("predict", "faithful", "--from", tmp_path / "em.mix", "-o", "/dev/full", "--json")
    assert (code, err.count("\n")) == (1, 1)
    assert out.startswith("[")


# Standard streams


def shell(line, tmp_path, **environment):
    """Exit code of the first of the commands of a line, what it printed, and its errors."""
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        env={**os.environ, "MIXTURES": f"{sys.executable} -m mixtures", **environment},
        cwd=tmp_path,
        capture_output=True,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("$MIXTURES datasets iris > /dev/full", 1, "standard output cannot be written (No space left"),
        ("$MIXTURES datasets > /dev/full", 1, "standard output cannot be written (No space left"),
        ("$MIXTURES --help > /dev/full", 1, "standard output cannot be written (No space left"),
        ("$MIXTURES datasets iris >&-", 1, "standard output is closed"),
        ("$MIXTURES datasets | true", 1, "standard output cannot be written (Broken pipe)"),
        ("$MIXTURES predict - -k 2 <&-", 2, "standard input is closed"),
        ("$MIXTURES predict - -k 2 -o f.csv < f.csv", 2, "-o: 'f.csv' is read from"),
        ("$MIXTURES predict f.csv -k 2 >> f.csv", 2, "standard output goes to a file that is read from"),
    ],
)
def test_standard_streams_that_are_closed_or_full(line, code, words, tmp_path):
    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("no device that is full")
    FAITHFUL.to_csv(tmp_path / "f.csv", index=False)
    before = (tmp_path / "f.csv").read_bytes()
    found, _, err = shell(line, tmp_path)
    assert found == code
    assert err.count("\n") == 1
    assert err.startswith(f"error: {words}")
    assert (tmp_path / "f.csv").read_bytes() == before


@pytest.mark.long
@pytest.mark.slow
def test_a_terminal_of_few_characters(tmp_path, em):
    """Tables are printed, with a note if characters were replaced."""
    mx.save(em, tmp_path / "em.mix")
    FAITHFUL.iloc[:20].rename(columns={"waiting": "温度"}).to_csv(tmp_path / "t.csv", index=False)
    options = "-k 1 --n-init 1 --draws 20 --tune 20 --chains 2 --seed 1 -q"
    code, out, err = shell(f"$MIXTURES crosscheck t.csv {options}", tmp_path, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert "mu[0, ??]" in out
    FAITHFUL.set_axis([f"温{i}" for i in range(272)]).to_parquet(tmp_path / "l.parquet")
    code, out, err = shell("$MIXTURES predict l.parquet --from em.mix", tmp_path, PYTHONIOENCODING="cp1252")
    assert code == 0
    assert "\n?0,0," in out
    assert err == "note: standard output is cp1252: what that lacks is printed as ?; -o FILE writes UTF-8\n"


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_ends_no_work(tmp_path):
    """Progress is for a person, and goes where errors go."""
    options = "coins -k 1 --n-init 2 --draws 20 --tune 20 --chains 2 --seed 1 --model bmm"
    kept = {"MIXTURES_CACHE": str(tmp_path / "cache")}
    code, _, err = shell(f"$MIXTURES crosscheck {options} --save r.mix | true", tmp_path, **kept)
    assert code == 1
    assert err == "error: standard output cannot be written (Broken pipe)\n"
    assert mx.load(tmp_path / "r.mix").passed
    code, out, err = shell(f"$MIXTURES crosscheck {options} --csv /dev/stdout > out.txt", tmp_path, **kept)
    assert (code, out, err) == (0, "", "")
    text = (tmp_path / "out.txt").read_text()
    assert text.startswith("parameter,EM,MAP,")
    assert "The certificate holds" in text
