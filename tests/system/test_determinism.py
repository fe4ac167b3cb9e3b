"""One seed, one machine: one answer, to the last bit, in one process twice and in another with one thread."""

import hashlib
import os
import subprocess
import sys
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx
from mixtures.em import kernel

FAITHFUL = mx.datasets.faithful()
SHORT = {"draws": 40, "tune": 40, "chains": 2, "progressbar": False}


def digest(thing):
    """Hash of every number in a result, bit by bit."""
    found = hashlib.sha256()

    def add(x):
        if is_dataclass(x) and not isinstance(x, type):
            for field in fields(x):
                add(getattr(x, field.name))
        elif isinstance(x, xr.DataTree):
            for group in x.subtree:
                for name in sorted(map(str, group.data_vars)):
                    add(name)
                    add(group[name].values)
        elif isinstance(x, pd.DataFrame):
            add(list(x.index))
            add({str(name): column.to_numpy() for name, column in x.items()})
        elif isinstance(x, dict):
            for key, value in sorted(x.items(), key=lambda item: str(item[0])):
                add(str(key))
                add(value)
        elif isinstance(x, list | tuple):
            for each in x:
                add(each)
        elif isinstance(x, np.ndarray) and x.dtype.kind in "fiub":
            found.update(str((x.dtype, x.shape)).encode() + np.ascontiguousarray(x).tobytes())
        else:
            found.update(repr(x).encode())

    add(thing)
    return found.hexdigest()


def large():
    """Enough rows for two threads."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(150_000, 4)) + 3 * rng.integers(0, 3, size=(150_000, 1))


CALLS = {
    "em": lambda: mx.fit_em(mx.GMM(3), FAITHFUL, random_seed=1),
    "em in threads": lambda: mx.fit_em(mx.GMM(3), large(), n_init=2, max_iter=6, random_seed=1),
    # in which there are MAP and a sample
    "crosscheck": lambda: mx.crosscheck(mx.GMM(2), FAITHFUL, n_init=3, random_seed=1, **SHORT),
    "select": lambda: mx.select(mx.GMM(1), FAITHFUL, [1, 2, 3], random_seed=1, progressbar=False),
    "uncertainty": lambda: mx.uncertainty(
        mx.GMM(2),
        FAITHFUL,
        methods=["information", "laplace", "bootstrap", "weighted"],
        n_resamples=20,
        random_seed=1,
        **SHORT,
    ),
}


def digests():
    return {name: digest(call()) for name, call in CALLS.items()}


@pytest.fixture(scope="module")
def first():
    return digests()


def test_the_hash_sees_the_last_bit():
    em = CALLS["em"]()
    before = digest(em)
    em.params["mu"][0, 0] = np.nextafter(em.params["mu"][0, 0], np.inf)
    assert digest(em) != before


def test_twice_in_one_process(first):
    assert digests() == first


def test_in_another_process_with_one_thread(first):
    program = "import sys; sys.path.insert(0, sys.argv[1]); import test_determinism as t; print(t.digests())"
    folder = str(__file__).rpartition("/")[0]
    one = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, env=one)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(first)


def test_nutpie():
    pytest.importorskip("nutpie")
    spec = mx.BMM(2)
    X = (FAITHFUL.mean() < FAITHFUL).astype(float)
    drawn = [digest(mx.sample(spec, X, sampler="nutpie", random_seed=1, **SHORT)) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_the_number_of_processors_changes_rounding_and_no_more(monkeypatch):
    """Each thread sums a stretch of rows, so their number is part of what is pinned."""
    fits = []
    for cpus in (1, 2, 2):
        monkeypatch.setattr(kernel.os, "cpu_count", lambda cpus=cpus: cpus)
        fits.append(CALLS["em in threads"]())
    assert digest(fits[1]) == digest(fits[2])
    np.testing.assert_allclose(fits[0].objective_trace, fits[1].objective_trace, rtol=1e-12)
    for name, x in fits[0].params.items():
        np.testing.assert_allclose(x, fits[1].params[name], rtol=1e-7, atol=1e-9)
