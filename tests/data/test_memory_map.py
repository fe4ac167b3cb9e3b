"""Data on disk, larger than what memory is to hold: read in stretches, and let go of."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from mixtures import BMM, GMM, InputError, fit_em
from mixtures.data import table as module
from mixtures.data.reading import as_data

MEASURE = """
import resource, sys
import numpy as np
from mixtures import GMM, fit_em

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

fit_em(GMM(2), np.random.default_rng(0).normal(size=(3000, 8)), n_init=1, max_iter=2, random_seed=0)
before = peak()
X = np.load(sys.argv[1], mmap_mode="r")
fit_em(GMM(2), X, n_init=2, max_iter=3, random_seed=0)
print(peak() - before, X.nbytes)
"""


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """A map of 5,000 rows, read 1,000 at a time."""
    monkeypatch.setattr(module, "BLOCK_ROWS", 1000)
    rng = np.random.default_rng(0)
    X = np.where(rng.random((5000, 1)) < 0.3, -2.0, 2.0) + rng.normal(size=(5000, 3))
    np.save(tmp_path / "rows.npy", X)
    return X, tmp_path / "rows.npy"


def test_a_map_is_viewed_and_gives_its_pages_back(on_disk):
    X, path = on_disk
    data = as_data(np.load(path, mmap_mode="r"))
    assert data.mapping is not None
    np.testing.assert_array_equal(np.concatenate([block for _, block in data.blocks(700)]), X)
    rows = np.array([0, 3, 999, 1000, 4321, 4999])
    np.testing.assert_array_equal(data.take(rows), X[rows])
    np.testing.assert_array_equal(as_data(X).take(rows), X[rows])


@pytest.mark.parametrize("spec", [GMM(2), GMM(2, covariance_type="diag", prior=None)], ids=repr)
def test_em_over_a_map_is_em_in_memory(on_disk, spec, monkeypatch):
    monkeypatch.setattr("mixtures.em.kinds.START_ROWS", 2000)
    X, path = on_disk
    mapped = fit_em(spec, np.load(path, mmap_mode="r"), n_init=2, random_seed=0)
    held = fit_em(spec, X, n_init=2, random_seed=0)
    assert mapped.log_posterior == pytest.approx(held.log_posterior, rel=1e-12)
    np.testing.assert_allclose(mapped.params["mu"], held.params["mu"], rtol=1e-8)


def test_a_map_can_be_sent_elsewhere(on_disk):
    X, path = on_disk
    data = as_data(np.load(path, mmap_mode="r"), np.arange(5000))
    assert data.mapping is not None
    sent = pickle.loads(pickle.dumps(data))
    assert sent.mapping is None
    np.testing.assert_array_equal(sent.values, X)
    np.testing.assert_array_equal(sent.weights, data.weights)
    assert sys.getsizeof(sent) > X.nbytes


def test_coins_on_disk(on_disk, tmp_path):
    X, _ = on_disk
    np.save(tmp_path / "coins.npy", (X > 0).astype(float))
    em = fit_em(BMM(2), np.load(tmp_path / "coins.npy", mmap_mode="r"), random_seed=0)
    assert em.log_posterior == pytest.approx(fit_em(BMM(2), X > 0, random_seed=0).log_posterior, rel=1e-12)


def test_changes_to_a_copy_on_write_map_are_not_lost(on_disk):
    """Its pages cannot be read again from the file, so they are never let go."""
    _, path = on_disk
    X = np.load(path, mmap_mode="c")
    X[0, 0] = 77.0
    data = as_data(X)
    assert data.mapping is None
    fit_em(GMM(2), X, n_init=1, max_iter=2, random_seed=0)
    assert X[0, 0] == 77.0


def test_what_is_wrong_on_disk_is_named(on_disk):
    _, path = on_disk
    X = np.load(path, mmap_mode="r+")
    X[4321, 1] = np.nan
    with pytest.raises(InputError, match="row 4321, column 'x1' is NaN"):
        fit_em(GMM(2), X)


@pytest.mark.skipif(not hasattr(module.mmap, "MADV_DONTNEED"), reason="this system does not let go of pages")
def test_peak_memory_does_not_grow_with_the_file(tmp_path):
    rows = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float64, (2_000_000, 8))
    rng = np.random.default_rng(0)
    for i in range(0, len(rows), 200_000):
        rows[i : i + 200_000] = rng.normal(size=(200_000, 8)) + 3 * rng.integers(0, 2, (200_000, 1))
    rows.flush()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "large.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    grown, size = map(int, done.stdout.split())
    assert size == 128_000_000
    assert grown < size / 2  # 16e6 of it the row labels
