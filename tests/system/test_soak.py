"""A long session: nothing is left behind by a crosscheck, and what was compiled does not pile up."""

import gc
import itertools
import weakref
from dataclasses import replace

import jax
import numpy as np
import pytest

import mixtures as mx
from benchmarks import soak
from mixtures.density import lowering
from mixtures.density.compiled import CompiledModel

pytestmark = pytest.mark.skipif(not soak.STATUS.exists(), reason="looks at Linux's /proc")


def test_crosschecks_leave_nothing_behind():
    """Of one shape; other shapes, and memory, are for ``python -m benchmarks.soak``."""
    X = (np.random.default_rng(0).random((60, 4)) < 0.4).astype(float)
    found = []
    for _ in range(3):
        mx.crosscheck(mx.BMM(2), X, random_seed=1, **soak.SHORT)
        found.append(soak.held())
    _, second, third = found
    assert (third.threads, third.files, third.children) == (second.threads, second.files, second.children)


def test_growth_is_told():
    held = soak.held()
    more = replace(held, threads=held.threads + 1, megabytes=1.2 * held.megabytes)
    assert held.grew_to(more) == ["threads", "megabytes"]
    assert held.grew_to(held) == []
    assert soak.highest([held, more]) == more


def model(k):
    rng = np.random.default_rng(k)
    X = (rng.random((20, 3)) < 0.5).astype(float)
    return CompiledModel(mx.declare(mx.BMM(k), X))


def executables():
    gc.collect()
    return len(jax.devices()[0].client.live_executables())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*not .*identified")
def test_programs_are_forgotten(monkeypatch):
    monkeypatch.setattr(lowering, "GRAPHS_KEPT", 2)
    lowering.forget()
    kept = model(2)
    x = np.linspace(-1, 1, kept.size)
    before, gone = kept.value_and_grad(x), []
    counts = []
    for k in itertools.islice(itertools.count(3), 6):
        other = model(k)
        other.value_and_grad(np.zeros(other.size))
        gone.append(weakref.ref(other.log_density))
        assert len(lowering._compiled) <= 2
        counts.append(executables())
    del other
    lowering.forget()
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(gone)
    assert max(counts[2:]) <= max(counts[:2]) + 2
    after = kept.value_and_grad(x)  # a model in use is compiled again, and says the same
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
