"""Rows that come in chunks: the fit of the whole, in the memory of one chunk."""

import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as parquet
import pytest
from conftest import every_spec, make_rows, simulate

import mixtures as mx
from mixtures import BMM, GMM, DataWarning, InputError, em_step, fit_em, resolve
from mixtures.data.chunks import Chunks
from mixtures.data.reading import as_data
from mixtures.data.rows import means
from mixtures.data.sources import as_rows
from mixtures.data.table import Data
from mixtures.em.estep import e_step
from mixtures.em.hard import worst_rows
from mixtures.em.kernel import Kernel
from mixtures.results.em import Restarts

MEASURE = """
import resource, sys
import numpy as np
from mixtures import GMM, fit_em

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

rng = np.random.default_rng(0)
rows = rng.normal(size=(50_000, 8)) + 3 * rng.integers(0, 2, (50_000, 1))

def chunks(n):
    for i in range(n):
        yield rows + i / n

fit_em(GMM(2), lambda: chunks(2), n_init=1, max_iter=2, random_seed=0)
before = peak()
fit_em(GMM(2), lambda: chunks(40), n_init=1, max_iter=3, random_seed=0)
print(peak() - before, 40 * 50_000 * 8 * 8)
"""

CUTS = [1, 40, 41, 230]
"""Where the rows of a test are cut: chunks of 1, 39, 1, 189 and the rest."""


BRIEF = {"max_iter": 25, "accelerate": None}
"""Enough steps of EM to see a difference, and few enough that rounding has no time to grow."""


def cut(X):
    return np.split(X, CUTS)


def some_of(z):
    """Labels of some rows, of which the third chunk has none."""
    known = (np.random.default_rng(5).random(len(z)) < 0.3) & ~np.isin(np.arange(len(z)), range(40, 230))
    return np.where(known, z, -1)


def assert_same_fit(ours, expected):
    assert ours.n_iter == expected.n_iter
    assert ours.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
    assert ours.log_posterior == pytest.approx(expected.log_posterior, rel=1e-9)
    np.testing.assert_allclose(ours.objective_trace, expected.objective_trace, rtol=1e-9)
    for name, x in expected.params.items():
        np.testing.assert_allclose(ours.params[name], x, rtol=1e-9, atol=1e-9 * np.abs(x).max(), err_msg=name)


@pytest.fixture
def _subsampled(monkeypatch):
    """Starts use a subsample: all tests here have more rows than that."""
    monkeypatch.setattr("mixtures.em.kinds.START_ROWS", 120)


# The answer is that of the whole


@every_spec
@pytest.mark.parametrize(("weighted", "labelled"), [(False, False), (True, False), (True, True)])
def test_a_fit_in_chunks_is_the_fit(spec, weighted, labelled):
    start, X, z = simulate(spec, 300, 3)
    weights = np.random.default_rng(0).integers(0, 4, 300) if weighted else None
    beside = {"weights": weights, "labels": some_of(z) if labelled else None}
    expected = fit_em(spec, X, start=start, **beside, **BRIEF)
    ours = fit_em(spec, cut(X), start=start, **beside, **BRIEF)
    assert_same_fit(ours, expected)
    assert ours.notes == expected.notes


@every_spec
@pytest.mark.parametrize(("weighted", "labelled"), [(False, False), (True, False), (True, True)])
@pytest.mark.usefixtures("_subsampled")
def test_a_seed_draws_the_same_starts(spec, weighted, labelled):
    X, z = make_rows(spec, 300, 3)
    weights = np.random.default_rng(0).uniform(0, 3, 300) * (np.arange(300) % 7 > 0) if weighted else None
    beside = {"weights": weights, "labels": some_of(z) if labelled else None}
    expected = fit_em(spec, X, n_init=2, random_seed=4, **beside, **BRIEF)
    ours = fit_em(spec, lambda: iter(cut(X)), n_init=2, random_seed=4, **beside, **BRIEF)
    assert_same_fit(ours, expected)
    np.testing.assert_allclose(ours.restarts.log_posterior, expected.restarts.log_posterior, rtol=1e-9)


@pytest.mark.parametrize("first", [0, 1])
def test_swaps_begin_at_the_first_of_starts_that_rounding_tells_apart(first):
    heights = np.array([-5.0, -3.0, -3.0])
    heights[1 + first] += 1e-12
    record = Restarts(heights, ((),) * 3, ({},) * 3, {})
    assert record.order[0] == 1 + first
    assert record.winner == 1


def test_rows_that_repeat_run_together_in_chunks_too():
    X = (np.random.default_rng(9).random((18_000, 3)) < 0.4).astype(int)
    table, chunks = (fit_em(BMM(3), rows, n_init=2, random_seed=5) for rows in (X, [X[:9_000], X[9_000:]]))
    np.testing.assert_allclose(table.restarts.log_posterior, chunks.restarts.log_posterior, rtol=1e-9)


@every_spec
def test_an_accelerated_fit_in_chunks_ends_where_that_of_the_table_does(spec):
    X, _ = make_rows(spec, 300, 3)
    table, chunks = (fit_em(spec, data, n_init=3, random_seed=0) for data in (X, cut(X)))
    assert chunks.converged
    assert chunks.log_posterior == pytest.approx(table.log_posterior, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"hard": True}, {"accelerate": "squarem"}, {"hold": {"alpha": [0.5] * 2}}, {"missing": "integrate"}],
)
@pytest.mark.parametrize("labelled", [False, True])
def test_options_hold(options, labelled):
    X, z = make_rows(GMM(2), 300)
    if "missing" in options:
        X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    options = {**options, "labels": some_of(z) if labelled else None}
    expected = fit_em(GMM(2), X, n_init=3, random_seed=0, **options)
    assert_same_fit(fit_em(GMM(2), cut(X), n_init=3, random_seed=0, **options), expected)


def test_a_cluster_without_rows_takes_the_worst_row_of_any_chunk():
    X, _ = make_rows(GMM(2), 300)
    X[250] = 40.0
    spec = GMM(3, covariance_type="spherical")
    start = {"alpha": [0.4, 0.4, 0.2], "mu": [[0, 0], [3, 3], [-500, 500]], "sigma2": [1, 1, 1]}
    expected = fit_em(spec, X, start=start, hard=True)
    assert_same_fit(fit_em(spec, cut(X), start=start, hard=True), expected)
    resolved = resolve(spec, X)
    params = resolved.check_params(start, 2)
    (worst, *_) = worst_rows(resolved, as_rows(cut(X)), params, 2)
    assert worst.place == 250
    np.testing.assert_array_equal(worst.values, [40.0, 40.0])


def test_one_step_and_the_prior():
    start, X, _ = simulate(GMM(3), 300)
    for name, x in em_step(GMM(3), X, start).items():
        np.testing.assert_allclose(em_step(GMM(3), cut(X), start)[name], x, rtol=1e-10)
    ours, expected = resolve(GMM(3), cut(X)).prior, resolve(GMM(3), X).prior
    np.testing.assert_allclose(ours.Psi, expected.Psi, rtol=1e-12)


def test_frames_keep_their_names():
    X = mx.datasets.faithful()
    tables = [X[:100], X[100:]]
    em = fit_em(GMM(2), tables, random_seed=0)
    assert em.features == ("eruptions", "waiting")
    assert_same_fit(fit_em(GMM(2), [pl.from_pandas(x) for x in tables], random_seed=0), em)
    assert "waiting" in em.to_datatree()["posterior"]["feature"]


def test_a_parquet_file_batch_by_batch(tmp_path):
    X = mx.datasets.faithful()
    X.to_parquet(tmp_path / "rows.parquet")
    file = parquet.ParquetFile(tmp_path / "rows.parquet")
    em = fit_em(GMM(2), lambda: file.iter_batches(batch_size=100), n_init=1, random_seed=0)
    assert em.features == ("eruptions", "waiting")
    assert_same_fit(em, fit_em(GMM(2), X, n_init=1, random_seed=0))


def test_a_list_of_rows_is_still_a_table():
    rows = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    assert as_rows(rows).n_rows == as_data(rows).n_rows == 2
    assert isinstance(as_rows([[1, 2], [3, 4]]), Data)


# Rows as the package sees them


def test_a_sum_over_blocks_is_a_sum_over_rows():
    X, weights = np.random.default_rng(0).normal(size=(300, 2)), np.random.default_rng(1).uniform(0, 2, 300)
    for rows in (as_rows(X, weights), as_rows(cut(X), weights)):
        assert (rows.n_rows, rows.n_features, rows.features) == (300, 2, ("x0", "x1"))
        assert rows.total == pytest.approx(weights.sum())
        sums = rows.sum_over(lambda block: block.weights @ block.values)
        np.testing.assert_allclose(sums, weights @ X, rtol=1e-12)
        np.testing.assert_allclose(means(rows), weights @ X / weights.sum(), rtol=1e-12)
        largest = rows.sum_over(lambda block: block.values.max(axis=0), np.maximum)
        np.testing.assert_array_equal(largest, X.max(axis=0))
        places = rows.sum_over(lambda block: [block.first + np.arange(block.n_rows)])
        np.testing.assert_array_equal(np.concatenate(places), np.arange(300))
        assert as_rows(rows) is rows


def test_subsamples_follow_the_weights():
    X = np.arange(300.0)[:, None]
    weights = (np.arange(300) >= 200) * 1.0
    rows, drawn, _ = as_rows(cut(X), weights).subsample(150, np.random.default_rng(0))
    assert drawn is None
    assert rows.shape == (150, 1)
    assert rows.min() >= 200
    whole, kept, _ = as_rows(cut(X), weights).subsample(300, np.random.default_rng(0))
    np.testing.assert_array_equal(whole, X)
    np.testing.assert_array_equal(kept, weights)


@every_spec
def test_the_guard_is_that_of_all_rows(spec):
    """Decided once, from the largest values of all chunks: not chunk by chunk."""
    params, X, _ = simulate(spec, 300)
    spec = resolve(spec, X)
    with Kernel(spec, as_data(X)) as whole, Kernel(spec, as_rows(cut(X))) as chunked:
        np.testing.assert_allclose(chunked.largest, whole.largest, rtol=1e-12)
        assert chunked.base == pytest.approx(whole.base, rel=1e-12)
        fast, slow = chunked.e_step(params, 1.0), e_step(spec, as_rows(cut(X)), params)
        assert fast.log_likelihood == pytest.approx(slow.log_likelihood, rel=1e-10)
        assert chunked.e_step(params, 1e-30) is None


# What it costs


def test_an_iteration_reads_the_chunks_once():
    X, _ = make_rows(GMM(2), 300)
    opened = []

    def chunks():
        opened.append(1)
        return iter(cut(X))

    passes = []
    for max_iter in (1, 6):
        opened.clear()
        em = fit_em(GMM(2), chunks, n_init=1, random_seed=0, max_iter=max_iter, tol=1e-12)
        passes.append(len(opened) - len(em.objective_trace))
    assert passes[0] == passes[1] <= 4


def test_one_chunk_is_in_memory_at_a_time():
    X, _ = make_rows(GMM(2), 300)
    tables, alive = [], []

    class Watched(np.ndarray):
        """Can be referred to weakly."""

    def chunks():
        for piece in cut(X):
            alive.append(sum(table() is not None for table in tables))
            table = piece.copy().view(Watched)
            tables.append(weakref.ref(table))
            yield table
            del table

    fit_em(GMM(2), chunks, n_init=1, random_seed=0, max_iter=3)
    assert len(alive) > 20
    assert max(alive) == 0


def test_peak_memory_does_not_grow_with_the_number_of_chunks():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    grown, size = map(int, done.stdout.split())
    assert size == 128_000_000
    assert grown < size / 8  # five chunks are 16e6


# What is refused


def refused(X, match, spec=GMM(2), **options):  # noqa: B008 (a frozen value)
    with pytest.raises(InputError, match=match):
        fit_em(spec, X, random_seed=0, **options)


def test_bad_cells_are_named_by_their_place_in_the_whole():
    X, _ = make_rows(GMM(2), 300)
    X[241, 1] = np.nan
    refused(cut(X), r"chunk 4: row 241, column 'x1' is NaN or null; drop or impute it")
    frames = [pd.DataFrame(x) for x in cut(X)]  # each counts its rows from 0
    refused(frames, r"row 241, column '1' is NaN")
    labelled = [frame.set_axis([f"r{i}" for i in frame.index]) for frame in frames]
    refused(labelled, r"row 241 \(index r11\), column '1' is NaN")
    X[241, 1] = np.inf
    refused(cut(X), "row 241, column 'x1' is infinite")
    refused([pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [3.0, "x"]})], "'x' in row 3")
    coins = np.arange(600).reshape(300, 2) % 3 % 2 * 1.0
    coins[250, 0] = 2
    refused(cut(coins), "row 250, column 'x0': not 0 or 1", BMM(2))


def test_columns_must_agree():
    X, _ = make_rows(GMM(2), 300)
    refused([X[:100], X[100:, :1]], "chunk 1 has columns x0, those before it x0, x1")
    a = pd.DataFrame(X, columns=["a", "b"])
    refused([a[:100], a[100:][["b", "a"]]], "chunk 1 has columns b, a")


def test_checks_of_the_whole_are_made_on_the_whole():
    X, _ = make_rows(GMM(2), 300)
    constant = np.column_stack([X, np.ones(300)])
    refused(cut(constant), "column 'x2' is constant")
    refused(cut(np.column_stack([X, X[:, 0] + X[:, 1]])), "linearly dependent")
    steps = np.column_stack([X, np.arange(300) >= 41])  # constant in every chunk, but not in the whole
    with pytest.warns(DataWarning, match="hold a single value"):
        assert fit_em(GMM(2), cut(steps), n_init=1, random_seed=0).features == ("x0", "x1", "x2")
    refused([X[:1]], "the data have one row")


def test_what_can_be_read_once_only():
    X, _ = make_rows(GMM(2), 300)
    refused((x for x in cut(X)), "pass a function without arguments that opens it")
    once = iter(cut(X))
    refused(lambda: once, "not those of the first pass, from chunk 0 on")
    shrinking = iter([cut(X), cut(X)[:-1]])
    refused(lambda: next(shrinking), "from chunk 4 on")
    growing = iter([cut(X)[:-1], cut(X)])
    refused(lambda: next(growing), "from chunk 4 on")


def test_functions_that_open_nothing():
    refused(lambda: None, "returned a NoneType; it must return an iterator")
    refused(lambda: np.ones((3, 2)), "returned a ndarray")
    refused(lambda: iter([]), "hold no rows")
    refused(lambda: iter([np.ones((0, 2))]), "hold no rows")


@pytest.mark.parametrize(
    "rows",
    [
        lambda X: iter(X),
        lambda X: X.tolist(),
        lambda X: map(tuple, X),
        lambda X: (row for _, row in pd.DataFrame(X).iterrows()),
        lambda X: pd.DataFrame(X).itertuples(index=False),
        lambda X: [pd.Series(X[:, 0])],
        lambda X: [pl.Series(X[:, 0])],
        lambda X: [X, X[0]],
    ],
)
def test_single_rows_are_not_chunks(rows):
    """A row, read as a chunk, would be a column of one value after the other."""
    X, _ = make_rows(GMM(2), 30)
    refused(
        lambda: rows(X), r"chunk [01]: a table of one dimension \(.*\) may be a row or a column; give tables"
    )


def test_a_chunk_may_be_a_list_of_rows_and_may_be_one_number():
    X, _ = make_rows(GMM(2), 30)
    rows = as_rows(lambda: (part.tolist() for part in np.split(X, 2)))
    np.testing.assert_array_equal(rows.subsample(30, np.random.default_rng(0))[0], X)
    refused(lambda: iter([np.float64(1)]), "chunk 0: expected a table, got float64")


def test_masked_cells_of_a_chunk_are_missing():
    X = np.ma.MaskedArray(make_rows(GMM(2), 30)[0])
    X[25, 1] = np.ma.masked
    refused([X[:20], X[20:]], "chunk 1: row 25, column 'x1' is masked")
    refused(lambda: iter([list(X[:20]), list(X[20:])]), "chunk 1: row 25, column 'x1' is NaN or null")


def test_weights_that_are_a_series_are_matched_by_label():
    X = pd.DataFrame(make_rows(GMM(2), 30)[0], index=np.arange(100, 130))
    weights = pd.Series(np.arange(1.0, 31), index=X.index)
    mixed = weights.sample(frac=1, random_state=0)
    for given in (weights, mixed, weights.to_numpy()):
        np.testing.assert_array_equal(as_rows([X[:20], X[20:]], given).weights, weights)
    anew = [X[:20].reset_index(drop=True), X[20:].reset_index(drop=True)]
    np.testing.assert_array_equal(as_rows(anew, weights.reset_index(drop=True)).weights, weights)
    for tables in ([X[:20], X[20:]], anew):
        with pytest.raises(InputError, match="index of the weights is not that of the data; give them"):
            as_rows(tables, weights.set_axis(np.arange(30) - 7))


def test_labels_are_matched_and_refused_as_those_of_a_table():
    X = pd.DataFrame(make_rows(GMM(2), 300)[0], index=np.arange(100, 400))
    labels = pd.Series(np.where(np.arange(300) % 3, -1, 1), index=X.index)
    mixed = labels.sample(frac=1, random_state=0)
    for given in (labels, mixed, labels.to_numpy()):
        rows = as_rows([X[:50], X[50:]], labels=given)
        assert rows.in_memory().labels.tolist() == labels.tolist()
    with pytest.raises(InputError, match="the index of the labels is not that of the data"):
        as_rows([X[:50], X[50:]], labels=labels.set_axis(np.arange(300)))
    with pytest.raises(InputError, match=r"labels have shape \(299,\); the data have 300 rows"):
        as_rows(cut(X.to_numpy()), labels=labels[1:].to_numpy())
    labels = np.where(np.arange(300) > 240, 5.0, np.nan)
    with pytest.raises(InputError, match="row 241: label is 5, and the model has"):
        fit_em(GMM(2), cut(X.to_numpy()), labels=labels)
    labels[60] = 0.5
    with pytest.raises(InputError, match=r"row 60: label is 0\.5"):
        as_rows(cut(X.to_numpy()), labels=labels)
    assert not as_rows(cut(X.to_numpy()), labels=np.full(300, -1)).labelled


def test_chunks_without_rows_are_passed_over():
    X, _ = make_rows(GMM(2), 300)
    ours = fit_em(GMM(2), [X[:0], X[:100], X[:0], X[100:]], n_init=1, random_seed=0)
    assert_same_fit(ours, fit_em(GMM(2), X, n_init=1, random_seed=0))


def test_weights_are_those_of_all_rows():
    X, _ = make_rows(GMM(2), 300)
    refused(cut(X), r"weights have shape \(41,\); the data have 300 rows", weights=np.ones(41))
    weights = np.ones(300)
    weights[41] = -1
    refused(cut(X), "row 41: weight is -1", weights=weights)
    refused(cut(X), "all weights are zero", weights=np.zeros(300))
    with pytest.raises(InputError, match="pass weights beside the data that they are of"):
        as_rows(as_rows(cut(X)), np.ones(300))


@pytest.mark.parametrize("function", [mx.declare, mx.fit_map, mx.sample], ids=lambda f: f.__name__)
def test_what_needs_a_table_in_memory_says_so(function):
    X, _ = make_rows(GMM(2), 300)
    for chunks, what in ((cut(X), "a list of tables"), (lambda: iter(cut(X)), "a function")):
        with pytest.raises(InputError, match=f"{what}, which only fit_em and crosscheck take; .*a subsample"):
            function(GMM(2), chunks)


def test_rows_are_frozen():
    rows = as_rows([np.ones((2, 1)), np.zeros((2, 1))])
    assert isinstance(rows, Chunks)
    with pytest.raises(AttributeError):
        rows.weights = None
    assert replace(rows, features=("a",)).n_features == 1
