"""What goes wrong around the package: Ctrl-C, kills, full disks, missing packages, folders that refuse.

Children that need no JAX are forked from a server that has imported the package, so
that each costs no more than what it does.
"""

import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy.special import logsumexp
from typer.testing import CliRunner

import mixtures as mx
from mixtures.agreement import compare
from mixtures.agreement import modes as agreement_modes
from mixtures.cli import app as cli
from mixtures.cli.stopping import stops_at_interrupts
from mixtures.cli.text import write_table
from mixtures.em import climb
from mixtures.em import fit as em
from mixtures.interrupts import Interrupted, Status
from mixtures.posterior import drawing, modes, samplers, split_hmc
from mixtures.posterior import nuts as draw
from mixtures.selection.bridge import _Proposal
from mixtures.trees import make_tree

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["mixtures.cli.app"])
SPAWN = multiprocessing.get_context("spawn")

FAITHFUL = mx.datasets.faithful()
COINS = np.array([[0, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]] * 4, dtype=float)
SHORT = {"draws": 60, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}


def redirected(path, target, *args):
    """Run in a child, with all that it prints in a file."""
    with open(path, "wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        target(*args)
    except SystemExit as done:
        os._exit(int(done.code or 0))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(99)
    sys.stdout.flush()
    os._exit(0)


class Child:
    """A process of its own that runs a function of this file."""

    def __init__(self, folder, target, *args, context=SERVER):
        self.log = Path(folder) / f"{target.__name__}-{time.monotonic_ns()}.txt"
        self.process = context.Process(target=redirected, args=(self.log, target, *args), daemon=True)
        self.process.start()

    def printed(self):
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait_for(self, words, seconds=120):
        """Wait until it has printed this many words."""
        limit = time.monotonic() + seconds
        alive = True
        while self.printed().count("ready") < words:
            assert alive, self.printed()
            assert time.monotonic() < limit, self.printed()
            time.sleep(0.002)
            alive = self.process.is_alive()

    def send(self, number):
        os.kill(self.process.pid, number)

    def end(self, seconds=120):
        """Exit code and what was printed."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.printed()
        return self.process.exitcode, self.printed()


@pytest.fixture
def ctrl_c():
    """Send this process what Ctrl-C sends, so that the main thread notices."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


# Ctrl-C


def overlapping(n=300):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) + 1.5 * rng.integers(0, 3, size=(n, 1))


BINARY = (np.random.default_rng(0).random((200, 4)) < 0.4).astype(float)
CAUGHT, ROUNDS, DRAWS = 1, 60, 1500


def fit_slowly():
    return mx.fit_em(mx.GMM(4), overlapping(), n_init=3, random_seed=1)


def climb_slowly():
    return mx.fit_map(mx.BMM(3), BINARY, n_init=3, random_seed=1)


@cache
def fitted():
    em = mx.fit_em(mx.BMM(3), BINARY, random_seed=1)
    return em.spec, em


def draw_at_length():
    spec, em = fitted()
    return mx.sample(spec, BINARY, em=em, **SHORT | {"draws": DRAWS, "log_likelihood": False})


def height(spec, X, params):
    """Log posterior by the package's reference, from the parameters alone."""
    return float(logsumexp(spec.log_joint(params)(X.T), axis=0).sum() + spec.log_prior(params))


def check_fit(fit):
    X = overlapping()
    assert not fit.converged
    assert fit.notes[0].startswith("interrupted: ")
    assert np.isclose(height(fit.spec, X, fit.params), fit.log_posterior, rtol=1e-9)
    assert fit.log_posterior == fit.objective_trace[-1] >= np.nanmax(fit.restarts.log_posterior)
    assert (np.diff(fit.objective_trace) > -1e-6).all()
    assert len(fit.objective_trace) == fit.n_iter + 1
    mx.em_step(fit.spec, X, fit.params)


def check_mode(mode):
    assert not mode.converged
    assert mode.found.startswith("interrupted: ")
    assert np.isclose(height(mode.spec, BINARY, mode.params), mode.log_posterior, rtol=1e-8)
    assert mode.log_posterior >= np.nanmax(mode.log_posteriors) - 1e-9


def check_sample(tree):
    sizes = tree["posterior"].sizes
    assert tree.attrs["complete"] == (sizes["chain"] == 2 and sizes["draw"] == DRAWS)
    assert tree.attrs["stopped"] == "interrupted"
    assert 0 < tree["posterior"].sizes["draw"] <= DRAWS
    assert all(np.isfinite(x).all() for x in tree["posterior"].data_vars.values())
    assert tree["sample_stats"].sizes == {
        name: n for name, n in tree["posterior"].sizes.items() if name in ("chain", "draw", "cluster")
    }


INTERRUPTIBLE = {
    "EM": (fit_slowly, check_fit),
    "MAP": (climb_slowly, check_mode),
    "sampling": (draw_at_length, check_sample),
}


def be_interrupted():
    """Of each kind say how long it takes, then be interrupted until it was caught at work often enough."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for what, (run, check) in INTERRUPTIBLE.items():
        run()
        began = time.perf_counter()
        run()
        seconds, caught = time.perf_counter() - began, 0
        for _ in range(ROUNDS):
            found = None
            try:
                print(seconds, "ready", flush=True)
                found = run()
                if not ("stopped" in found.attrs if what == "sampling" else found.interrupted):
                    time.sleep(20)  # for the signal; Python ignores one that comes in a callback of gc's
                    continue
            except KeyboardInterrupt:
                continue
            check(found)
            caught += 1
            if caught == CAUGHT:
                break
        assert caught == CAUGHT, f"{what} was caught at work {caught} times in {ROUNDS}"
    print("end ready", flush=True)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_an_import_that_raises_something_else_is_an_interrupt():
    def cut_short():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy._core.multiarray failed to import") from None

    with pytest.raises(SystemExit) as stopped, stops_at_interrupts(130):
        cut_short()
    assert stopped.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ImportError), stops_at_interrupts(130):
        raise ImportError("a library that is not installed")


def test_ctrl_c_while_the_program_loads_is_an_exit_without_a_word():
    """The signal comes while typer is looked for, among the first modules of the command line."""
    code = """if True:
        import os, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it

        class Interrupt:
            def find_spec(self, name, path=None, target=None):
                if name == "typer":
                    os.kill(os.getpid(), signal.SIGINT)

        sys.meta_path.insert(0, Interrupt())
        from mixtures.__main__ import main
        assert "typer" not in sys.modules
        main()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_at_any_moment_gives_what_there_is(tmp_path):
    """However fast the machine is: at moments drawn anew until enough of them lay within the work."""
    child, rng, words = Child(tmp_path, be_interrupted, context=SPAWN), np.random.default_rng(0), 1
    child.wait_for(words)
    while (seconds := re.findall(r"(\S+) ready", child.printed())[-1]) != "end":
        time.sleep(float(seconds) * rng.uniform())
        child.send(signal.SIGINT)
        words += 1
        child.wait_for(words)
    code, printed = child.end()
    assert code == 0, printed


def test_ctrl_c_in_em_keeps_the_best_start(monkeypatch):
    """Not the one that was running."""
    monkeypatch.setattr(climb, "BATCH_VALUES", 0)  # one start after the other
    ascend, begun = climb.ascend, []

    def third_is_stopped(problem, kernel, start, *args, **kwargs):
        begun.append(start)
        if len(begun) < 3:
            return ascend(problem, kernel, start, *args, **kwargs)
        e_step, passes = type(problem).e_step, []

        def stopped(self, *args):
            passes.append(1)
            if len(passes) == 2:
                raise KeyboardInterrupt
            return e_step(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(type(problem), "e_step", stopped)
            return ascend(problem, kernel, start, *args, **kwargs)

    monkeypatch.setattr(climb, "ascend", third_is_stopped)
    fit = mx.fit_em(mx.GMM(2), FAITHFUL, random_seed=1)
    assert fit.notes == ("interrupted: 2 of the first 7 starts had been run to the end",)
    assert fit.interrupted
    assert "reached the best optimum" not in repr(fit)  # nobody knows it
    assert not fit.converged
    assert [len(trace) > 1 for trace in fit.restarts.traces] == [True, True, False]
    assert fit.log_posterior == fit.restarts.log_posterior.max()


def test_ctrl_c_in_ems_last_stretch_keeps_how_far_it_came(monkeypatch):
    monkeypatch.setattr(climb, "BATCH_VALUES", 0)
    slow = np.random.default_rng(0).normal(size=(300, 1))
    whole, ascend = mx.fit_em(mx.GMM(2), slow, n_init=2, random_seed=1, accelerate=None), climb.ascend

    def stopped(problem, kernel, start, tol, max_iter, trace, **kwargs):
        if not trace:
            return ascend(problem, kernel, start, tol, max_iter, trace, **kwargs)
        raise Interrupted(ascend(problem, kernel, start, tol, len(trace) + 1, trace, **kwargs))

    monkeypatch.setattr(climb, "ascend", stopped)
    fit = mx.fit_em(mx.GMM(2), slow, n_init=2, random_seed=1, accelerate=None)
    assert fit.notes == ("interrupted: 2 starts had been run, and the best of them was going on",)
    assert not fit.converged
    assert len(fit.objective_trace) - 1 in {len(trace) for trace in whole.restarts.traces}
    assert len(fit.objective_trace) < len(whole.objective_trace)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_ctrl_c_before_there_is_anything_goes_on(monkeypatch):
    monkeypatch.setattr("mixtures.em.problem.Problem.e_step", interrupt)
    monkeypatch.setattr("mixtures.em.batch._Batch.passed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mx.fit_em(mx.GMM(2), FAITHFUL, random_seed=1)
    with pytest.raises(KeyboardInterrupt):  # and never draws or compares what is not fitted
        mx.sample(mx.GMM(2), FAITHFUL, **SHORT)
    with pytest.raises(KeyboardInterrupt):
        mx.select(mx.GMM(1), FAITHFUL, [1, 2], random_seed=1, progressbar=False)


def stopped_fit(*args, **kwargs):
    """A fit that was interrupted, as `fit_em` gives one."""
    return em.replace(mx.fit_em(*args, **kwargs), status=Status.INTERRUPTED, converged=False)


FITTERS = {
    "sampling": "posterior.starts",
    "certificate": "agreement.modes",
    "selection": "selection.select",
    "standard_errors": "standard_errors.methods",
    "evidence": "selection.bridge",
}


@pytest.mark.parametrize("module", FITTERS)
def test_nothing_is_built_on_half_a_fit(module, monkeypatch):
    monkeypatch.setattr(f"mixtures.{FITTERS[module]}.fit_em", stopped_fit)
    monkeypatch.setattr("mixtures.agreement.modes.best_mode", lambda *args, **kwargs: 1 / 0)
    calls = {
        "sampling": lambda: mx.sample(mx.GMM(2), FAITHFUL, **SHORT),
        "certificate": lambda: mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT),
        "selection": lambda: mx.select(mx.GMM(1), FAITHFUL, [2], random_seed=1, progressbar=False),
        "standard_errors": lambda: mx.uncertainty(mx.GMM(2), FAITHFUL, methods="information"),
        "evidence": lambda: _Proposal.fitted(overlapping(), np.random.default_rng(1)),
    }
    with pytest.raises(Interrupted) as stop:
        calls[module]()
    assert stop.value.partial.interrupted


def test_ctrl_c_in_the_polishing_of_map(monkeypatch):
    monkeypatch.setattr(modes, "polish", interrupt)
    mode = mx.fit_map(mx.GMM(2), FAITHFUL, n_init=3, random_seed=1)
    assert mode.found == "interrupted: all starts were run, the best of them was not polished"
    assert mode.interrupted
    assert not mode.converged
    assert len(mode.log_posteriors) == 3


def test_chains_cut_short_are_cut_alike():
    """But a chain that has hardly begun does not shorten the others."""
    x = [np.full((n, 1), float(i)) for i, n in enumerate((100, 0, 40, 5))]
    chains = [(each, {"lp": each[:, 0]}) for each in x]
    found = draw.Draws.gathered(chains, True, {})
    assert found.x.shape == (2, 40, 1)
    assert found.statistics["lp"][:, 0].tolist() == [0, 2]
    with pytest.raises(KeyboardInterrupt, match="interrupted before any draw was kept"):
        draw.Draws.gathered(chains[1:2], True, {})


def interrupted_sampling(ctrl_c, after):
    """`run_nuts` of two chains, whose progress sends Ctrl-C once both are that far, neither much further."""
    run_nuts, done, sent = samplers.run_nuts, Counter(), threading.Event()

    def run(*args, on_progress, **kwargs):
        def progress(transitions):
            done[threading.get_ident()] += transitions
            slowest, fastest = min(done.values()), max(done.values())
            if len(done) == 2 and slowest > max(after, fastest / 5) and not sent.is_set():
                sent.set()
                ctrl_c()

        return run_nuts(*args, on_progress=progress, **kwargs)

    return run


def test_an_interrupt_keeps_what_was_drawn(monkeypatch, ctrl_c):
    monkeypatch.setattr(samplers, "run_nuts", interrupted_sampling(ctrl_c, 2000))
    tree = mx.sample(
        mx.BMM(2), COINS, **SHORT | {"draws": 200_000, "tune": 1000, "cores": 2, "log_likelihood": False}
    )
    assert tree.attrs["complete"] == 0
    assert tree.attrs["stopped"] == "interrupted"
    assert 0 < tree["posterior"].sizes["draw"] < 200_000
    assert tree["posterior"].sizes["chain"] == 2
    assert np.isfinite(tree["posterior"]["p"]).all()
    assert "permutation" in tree["sample_stats"]


def test_ctrl_c_keeps_what_split_hmc_has_drawn(monkeypatch, ctrl_c):
    run_chains, sent = split_hmc.run_chains, threading.Event()

    def run(*args, on_progress, **kwargs):
        def progress(transitions):
            on_progress(transitions)
            if transitions > split_hmc.WARM_UP and not sent.is_set():
                sent.set()
                ctrl_c()

        return run_chains(*args, on_progress=progress, **kwargs)

    monkeypatch.setattr(split_hmc, "run_chains", run)
    how = SHORT | {"draws": 200_000, "cores": 2, "log_likelihood": False}
    tree = mx.sample(mx.GMM(2), FAITHFUL, sampler="split_hmc", **how)
    assert tree.attrs["complete"] == 0
    assert tree.attrs["stopped"] == "interrupted"
    assert 0 < tree["posterior"].sizes["draw"] < 200_000


def test_ctrl_c_ends_every_chain_of_pymcs_sampler(monkeypatch, ctrl_c):
    """Without this, PyMC would only go on to the next chain."""
    pm_sample = pm.sample

    def interrupted(*, callback, **kwargs):
        def send_and_call(trace, draw):
            if (draw.chain, draw.draw_idx) == (0, 100):
                ctrl_c()
            callback(trace, draw)

        return pm_sample(callback=send_and_call, **kwargs)

    monkeypatch.setattr(pm, "sample", interrupted)
    tree = mx.sample(mx.BMM(2), COINS, sampler="pymc", **SHORT | {"draws": 1000})
    assert tree.attrs["complete"] == 0
    assert tree.attrs["stopped"] == "interrupted"
    assert tree["posterior"].sizes["chain"] == 1
    assert 30 < tree["posterior"].sizes["draw"] < 50


@pytest.mark.filterwarnings("ignore:Found chain dimension to be longer")  # ArviZ, of very few draws
def test_ctrl_c_keeps_what_nutpie_has_drawn(monkeypatch, ctrl_c):
    """It tells nobody how far it is: the signal comes later and later, until there are draws."""
    nutpie = pytest.importorskip("nutpie")
    nutpie_sample = nutpie.sample
    for seconds in 2.0 ** np.arange(-1, 6):
        timer = threading.Timer(seconds, ctrl_c)

        def interrupted(*args, timer=timer, **kwargs):
            timer.start()
            return nutpie_sample(*args, **kwargs)

        monkeypatch.setattr(nutpie, "sample", interrupted)
        try:
            tree = mx.sample(mx.BMM(2), COINS, sampler="nutpie", **SHORT | {"draws": 100_000})
        except KeyboardInterrupt:
            continue
        break
    assert tree.attrs["complete"] == 0
    assert tree.attrs["stopped"] == "interrupted"
    assert 0 < tree["posterior"].sizes["draw"] < 100_000
    assert np.isfinite(tree["posterior"]["p"]).all()


ARGUMENTS = ["crosscheck", "faithful", "-k", "2", "--seed", "1", "--tune", "200", "--chains", "2", "--quiet"]


def test_ctrl_c_at_the_command_line_shows_and_saves_what_there_is(monkeypatch, tmp_path, ctrl_c):
    monkeypatch.setattr(samplers, "run_nuts", interrupted_sampling(ctrl_c, 2000))
    path = tmp_path / "cc.mix"
    done = CliRunner().invoke(
        cli.app, [*ARGUMENTS, "--draws", "10000", "--save", str(path)], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 130, done.output
    assert "because Interrupted: the sample has 2 chains of" in done.output
    assert "mu[0, eruptions]" in done.output
    saved = mx.load(path)
    assert saved.interrupted
    assert saved.posterior.attrs["stopped"] == "interrupted"
    assert 0 < saved.posterior["posterior"].sizes["draw"] < 30_000
    assert saved.passed  # EM, MAP and PyMC's log posterior agree, whatever was drawn


def test_ctrl_c_after_the_last_draw_keeps_the_draws(monkeypatch):
    align, stopped = drawing.align_tree, []

    def once(*args, **kwargs):
        if not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        return align(*args, **kwargs)

    monkeypatch.setattr(drawing, "align_tree", once)
    tree = mx.sample(mx.BMM(2), COINS, **SHORT)
    assert tree.attrs["complete"] == 1
    assert tree.attrs["stopped"] == "interrupted"
    assert "permutation" in tree["sample_stats"]


def test_ctrl_c_before_any_draw_leaves_the_certificate(monkeypatch, ctrl_c):
    monkeypatch.setattr(samplers, "run_nuts", interrupted_sampling(ctrl_c, 0))
    cc = mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT | {"tune": 20_000})
    assert cc.interrupted
    assert cc.passed
    assert cc.posterior is None
    assert np.isfinite(cc.table["sd"]).all()
    monkeypatch.undo()
    monkeypatch.setattr(compare, "diagnose", interrupt)
    cc = mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT)
    assert cc.notes[0] == "interrupted: the posterior was not judged"
    assert cc.posterior.attrs["complete"] == 1
    monkeypatch.undo()
    monkeypatch.setattr("mixtures.standard_errors.methods.compare", interrupt)
    cc = mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT, uncertainty="all")
    assert cc.notes[-1] == "interrupted: without sds by several methods"
    assert cc.convergence is not None


def test_ctrl_c_in_map_shows_em_and_leaves_files(monkeypatch, tmp_path):
    path = tmp_path / "cc.mix"
    path.write_bytes(b"as it was")
    monkeypatch.setattr(agreement_modes, "best_mode", interrupt)
    done = CliRunner().invoke(cli.app, [*ARGUMENTS, "--save", str(path)])
    assert done.exit_code == 130
    assert "EM so far" in done.stderr
    assert "mu[1, waiting]" in done.stderr
    assert "log posterior -1157.165" in done.stderr
    assert "Traceback" not in done.output
    assert path.read_bytes() == b"as it was"


def test_ctrl_c_among_the_methods_keeps_those_done(monkeypatch):
    monkeypatch.setattr("mixtures.standard_errors.methods.bootstrap", interrupt)
    beside = mx.uncertainty(
        mx.GMM(2), FAITHFUL, methods=["information", "bootstrap", "weighted"], random_seed=1
    )
    assert "interrupted: without bootstrap, weighted" in beside.notes
    assert np.isfinite(beside.table["information"]).all()


def run_commands(folder):
    """The command line as a shell would run it, from the import on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    sys.argv = [
        "mixtures",
        *ARGUMENTS[:5],
        "7",
        *ARGUMENTS[6:],
        "--draws",
        "20000",
        "--save",
        f"{folder}/cc.mix",
    ]
    cli.main()


@pytest.mark.parametrize("between", [pytest.param((0, 2), marks=pytest.mark.long), (2, 6)])
def test_ctrl_c_at_any_moment_ends_the_command_with_130(tmp_path, between):
    path = tmp_path / "cc.mix"
    path.write_bytes(b"as it was")
    child = Child(tmp_path, run_commands, tmp_path, context=SPAWN)
    child.wait_for(1)
    time.sleep(np.random.default_rng(3).uniform(*between))
    at_work = child.process.is_alive()
    if at_work:
        child.send(signal.SIGINT)
    code, printed = child.end()
    ignored = "Exception ignored in" in printed  # by Python, for it came in a callback of gc's
    assert code == 130 or (code == 0 and (ignored or not at_work)), printed
    assert ignored or "Traceback" not in printed
    if path.read_bytes() != b"as it was":  # then whole; the signal may have come when all was saved
        assert code == 130 or not mx.load(path).interrupted


# Chains that fail


def test_a_chain_that_fails_does_not_cost_the_others(monkeypatch):
    whole = mx.sample(mx.GMM(2), FAITHFUL, **SHORT | {"chains": 3})
    start = draw.Loop.start
    begun = []

    def second_fails(self, frame):
        begun.append(frame)
        if len(begun) == 2 + 1:  # the first is that of compiling
            raise FloatingPointError("out of luck")
        return start(self, frame)

    monkeypatch.setattr(draw.Loop, "start", second_fails)
    with pytest.warns(
        mx.ConvergenceWarning, match="chain 1 failed: FloatingPointError: out of luck; the other"
    ):
        tree = mx.sample(mx.GMM(2), FAITHFUL, **SHORT | {"chains": 3, "cores": 1})
    assert tree.attrs["complete"] == 0
    kept = mx.unalign(whole)["posterior"].to_dataset().isel(chain=[0, 2])
    found = mx.unalign(tree)["posterior"].to_dataset()
    for name in kept.data_vars:
        np.testing.assert_array_equal(found[name], kept[name])
    monkeypatch.setattr(draw.Loop, "run", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mx.sample(mx.GMM(2), FAITHFUL, **SHORT)


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_a_chain_that_fails_under_another_sampler(sampler, monkeypatch):
    """They give up all chains: the others are drawn again, each by itself."""
    module = pytest.importorskip(sampler)
    asked = []

    def fails_at_the_second(*args, chains, **options):
        first = options["seed"] if sampler == "nutpie" else options["random_seed"][0]
        asked.append((chains, first))
        if chains > 1 or first == asked[0][1] + 1:
            raise ValueError("out of luck")
        shape = (chains, 60)
        rng = np.random.default_rng(first)
        params = mx.fit_em(mx.BMM(2), COINS, random_seed=1).params
        group = {name: np.broadcast_to(x, (*shape, *x.shape)) for name, x in params.items()}
        stats = {name: rng.random(shape) for name in draw.STATISTICS}
        return make_tree({"posterior": group, "sample_stats": stats}, {}, {})

    monkeypatch.setattr(module, "sample", fails_at_the_second)
    if sampler == "nutpie":
        monkeypatch.setattr(module, "compile_pymc_model", lambda *args, **kwargs: None)
    with pytest.warns(mx.ConvergenceWarning, match="chain 1 failed: ValueError: out of luck"):
        tree = mx.sample(mx.BMM(2), COINS, sampler=sampler, **SHORT | {"chains": 3})
    assert [n for n, _ in asked] == [3, 1, 1, 1]
    assert tree["posterior"].sizes["chain"] == 2
    assert tree.attrs["stopped"] == "chain 1 failed: ValueError: out of luck"


# Kills and full disks, of what is not saved by `mixtures.save`


def table_of(i):
    return pd.DataFrame({"value": np.full(3_000, i)})


def keep_writing(path):
    print("ready", flush=True)
    for i in range(10**9):
        write_table(table_of(i), path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_killed_process_leaves_a_whole_table(tmp_path, suffix):
    path, rng, seen, killed = tmp_path / f"table{suffix}", np.random.default_rng(0), set(), 0
    write_table(table_of(-1), path)
    while len(seen) < 2 or killed < 4:
        assert killed < 20  # else nothing was ever written
        child = Child(tmp_path, keep_writing, path)
        child.wait_for(1)
        time.sleep((1 + killed) * rng.uniform(0, 0.1))  # longer until something was written
        child.send(signal.SIGKILL)
        child.end()
        killed += 1
        found = (pd.read_csv if suffix == ".csv" else pd.read_parquet)(path)["value"]
        assert len(found) == 3_000
        assert found.nunique() == 1
        seen.add(int(found[0]))


def write_to_a_full_disk(path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    sys.argv = ["mixtures", "predict", "faithful", "-k", "2", "--n-init", "1", "-o", str(path)]
    cli.main()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_leaves_the_table_that_was_there(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"as it was")
    code, printed = Child(tmp_path, write_to_a_full_disk, path).end()
    assert code == 1, printed
    assert f"{path} cannot be written (File too large); it is as it was" in printed
    assert path.read_bytes() == b"as it was"
    assert not list(tmp_path.glob(".mixtures-*"))


# What is not there, or refuses


WITHOUT_EXTRAS = """
import sys
from importlib.machinery import PathFinder

find, absent = PathFinder.find_spec, ("pyarrow", "h5netcdf", "h5py", "nutpie", "dask", "distributed")
PathFinder.find_spec = lambda name, *args: None if name.partition(".")[0] in absent else find(name, *args)
import mixtures as mx
from mixtures.cli.app import app
from typer.testing import CliRunner
open(sys.argv[1] + "/x.parquet", "wb").write(b"anything")
for line in sys.stdin:
    done = CliRunner().invoke(app, line.split(), env={"COLUMNS": "300"})
    print(done.exit_code, done.stderr.strip())
"""


def test_without_the_extras_the_command_line_names_them(tmp_path):
    asked = {
        f"predict faithful -k 2 -o {tmp_path}/y.parquet": r"needs pyarrow; pip install 'pymc-mixtures[io]'",
        f"crosscheck {tmp_path}/x.parquet -k 2": r"needs pyarrow; pip install 'pymc-mixtures[io]'",
        f"crosscheck faithful -k 2 --save {tmp_path}/x.mix": "pip install 'pymc-mixtures[io]'",
        "crosscheck faithful -k 2 --sampler nutpie": "needs nutpie: pip install 'pymc-mixtures[nutpie]'",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, tmp_path],
        input="\n".join(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for line, words in zip(done.stdout.splitlines(), asked.values(), strict=True):
        assert line.startswith("2 error: ")
        assert line.endswith(words)
    assert not (tmp_path / "y.parquet").exists()


WITHOUT = """
import sys
sys.modules["jax"] = None
import mixtures as mx
X = mx.datasets.faithful()
mx.fit_em(mx.GMM(2), X, n_init=1, random_seed=1)
try:
    mx.fit_map(mx.GMM(2), X)
except ImportError as error:
    assert "jax" in str(error), error
else:
    raise AssertionError("jax was not needed")
"""

AT_HOME_NOWHERE = """
import os
os.environ.pop("DISPLAY", None)
import mixtures as mx
import matplotlib.pyplot as plt
X = mx.datasets.faithful()
spec = mx.GMM(1, covariance_type="spherical")
cc = mx.crosscheck(spec, X, n_init=1, draws=20, tune=20, chains=1, random_seed=1, progressbar=False)
mx.plot.clusters(cc.em.spec, X, cc.em.params)
plt.savefig(os.environ["PICTURE"])
print("drawn", cc.posterior.attrs["complete"], plt.get_backend())
"""


def test_homes_and_caches_that_cannot_be_written(tmp_path):
    """A folder below a file can be made by nobody, whatever their rights; and there is no screen."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    below = str(tmp_path / "file" / "below")
    dropped = {"JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "MPLBACKEND", "PYTHONWARNINGS", "MPLCONFIGDIR"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {
        "HOME": below,
        "PYTENSOR_FLAGS": f"base_compiledir={below}",
        "PICTURE": str(tmp_path / "picture.png"),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", AT_HOME_NOWHERE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["drawn", "1", "agg"]
    assert "cannot be written (Not a directory): models are compiled anew" in done.stderr
    assert done.stderr.count("PerformanceWarning") == 1
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_without_jax_em_works_and_the_rest_says_so():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Several processes


def fit_and_draw():
    tree = mx.sample(mx.BMM(2), COINS, **SHORT)
    assert tree.attrs["complete"] == 1
    print(tree["posterior"]["p"].values.tobytes().hex())


@pytest.mark.long
def test_two_processes_share_a_cold_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv(
        "JAX_COMPILATION_CACHE_DIR", str(cache)
    )  # JAX reads it once, at a process's first compile
    ended = [child.end() for child in [Child(tmp_path, fit_and_draw, context=SPAWN) for _ in range(2)]]
    assert [code for code, _ in ended] == [0, 0], ended
    assert ended[0][1] == ended[1][1]
    assert any(cache.iterdir())


def fit_in_a_worker(seed):
    fit = mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=seed)
    mode = mx.fit_map(mx.BMM(2), COINS, n_init=1, random_seed=seed)
    return fit.log_posterior, mode.log_posterior


def test_spawned_workers_give_what_this_process_gives():
    with SPAWN.Pool(1) as pool:
        assert pool.map(fit_in_a_worker, [1]) == [fit_in_a_worker(1)]


def em_in_a_worker(seed):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(13_000, 4)) + 3 * rng.integers(0, 3, size=(13_000, 1))  # enough for threads
    return mx.fit_em(mx.GMM(3), X, n_init=1, random_seed=seed, max_iter=5).log_posterior


def test_workers_forked_after_jax_was_used_fit_by_em_and_say_what_they_cannot():
    """EM is NumPy and threads of its own; XLA's threads are not there in a fork, which would hang."""
    whole = em_in_a_worker(1), fit_in_a_worker(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*")
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply_async(em_in_a_worker, [1]).get(60) == whole[0]
            with pytest.raises(RuntimeError, match=r"forked from one that runs JAX.*spawn"):
                pool.apply_async(fit_in_a_worker, [1]).get(60)
