"""Rows on the workers of a cluster: the fit is that in memory, transfers are small, workers may die."""

import os
import pickle
import signal
import sys

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from conftest import every_spec, make_rows, simulate
from distributed import Client, LocalCluster, wait
from scipy import sparse

from mixtures import BMM, GMM, InputError, declare, fit_em, resolve, sample
from mixtures.data.dask_rows import DaskRows
from mixtures.data.sources import as_rows
from mixtures.density.compiled import CompiledModel
from mixtures.density.streamed import StreamedModel

PATIENCE = 120
"""Seconds that a slow machine is given."""

BRIEF = {"max_iter": 25, "accelerate": None}
"""Enough steps of EM to see a difference, and few enough that rounding has no time to grow."""


@pytest.fixture(scope="module")
def client():
    """Two worker processes with one thread each."""
    with (
        dask.config.set(
            {
                "distributed.comm.timeouts.connect": PATIENCE,
                "distributed.scheduler.work-stealing": False,  # or blocks move between busy workers
            }
        ),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, timeout=PATIENCE) as client,
    ):
        client.wait_for_workers(2, timeout=PATIENCE)
        yield client


@pytest.fixture
def _local():
    """Dask without a client: threads of this process."""
    with dask.config.set(scheduler="threads"):
        yield


def assert_same_fit(ours, expected):
    assert ours.n_iter == expected.n_iter
    assert ours.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(ours.objective_trace, expected.objective_trace, rtol=1e-9)
    for name, x in expected.params.items():
        np.testing.assert_allclose(ours.params[name], x, rtol=1e-9, atol=1e-9 * np.abs(x).max(), err_msg=name)


# On Dask's local scheduler


@every_spec
@pytest.mark.parametrize(("weighted", "labelled"), [(False, False), (True, False), (True, True)])
@pytest.mark.usefixtures("_local")
def test_a_fit_over_blocks_is_the_fit(spec, weighted, labelled):
    start, X, z = simulate(spec, 300, 3)
    weights = np.random.default_rng(0).uniform(0, 3, 300) if weighted else None
    labels = np.where(np.arange(300) % 80 < 10, z, -1) if labelled else None  # a block has none
    beside = {"weights": weights, "labels": labels}
    blocks = da.from_array(X, chunks=(70, 2))  # cut along the columns too
    there = {name: None if x is None else da.from_array(x, chunks=70) for name, x in beside.items()}
    expected = fit_em(spec, X, start=start, **beside, **BRIEF)
    assert_same_fit(fit_em(spec, blocks, start=start, **beside, **BRIEF), expected)
    assert_same_fit(fit_em(spec, blocks, start=start, **there, **BRIEF), expected)


@pytest.mark.parametrize(("weighted", "labelled"), [(False, False), (True, False), (True, True)])
@pytest.mark.usefixtures("_local")
def test_a_seed_draws_the_same_starts(weighted, labelled, monkeypatch):
    monkeypatch.setattr("mixtures.em.kinds.START_ROWS", 120)
    X, z = make_rows(GMM(3), 300, 2)
    weights = np.random.default_rng(0).uniform(0, 3, 300) if weighted else None
    labels = np.where(np.arange(300) % 80 < 10, z, -1) if labelled else None
    options = {"n_init": 2, "random_seed": 3, "weights": weights, "labels": labels, **BRIEF}
    assert_same_fit(fit_em(GMM(3), da.from_array(X, chunks=(70, 2)), **options), fit_em(GMM(3), X, **options))


@pytest.mark.usefixtures("_local")
def test_the_answer_of_a_seed_is_the_same_to_the_last_bit():
    blocks = da.from_array(make_rows(GMM(3), 300, 2)[0], chunks=(11, 2))  # a tree of three levels
    first, again = (fit_em(GMM(3), blocks, n_init=2, random_seed=0, **BRIEF) for _ in range(2))
    for name, x in first.params.items():
        np.testing.assert_array_equal(again.params[name], x)


@pytest.mark.usefixtures("_local")
def test_classification_finds_the_worst_row_of_any_block():
    X, _ = make_rows(GMM(2), 300)
    X[250] = 40.0
    spec = GMM(3, covariance_type="spherical")
    start = {"alpha": [0.4, 0.4, 0.2], "mu": [[0, 0], [3, 3], [-500, 500]], "sigma2": [1, 1, 1]}
    ours = fit_em(spec, da.from_array(X, chunks=(70, 2)), start=start, hard=True)
    assert_same_fit(ours, fit_em(spec, X, start=start, hard=True))


@pytest.mark.usefixtures("_local")
def test_rows_that_repeat_are_counted_where_they_are():
    X = np.random.default_rng(0).integers(0, 2, (2000, 4)) * 1.0
    rows = as_rows(da.from_array(X, chunks=(500, 4)))
    distinct = rows.compressed
    assert list(distinct.sizes) == [16] * 4
    assert distinct.total == 2000
    counted = distinct.sum_over(lambda block: block.weights @ block.values)
    np.testing.assert_array_equal(counted, X.sum(axis=0))
    assert distinct.compressed is distinct
    normal = as_rows(da.from_array(np.random.default_rng(0).normal(size=(2000, 2)), chunks=(500, 2)))
    assert normal.compressed is normal


@pytest.mark.usefixtures("_local")
def test_blocks_of_a_frame_and_those_without_rows():
    X = pd.DataFrame(make_rows(GMM(2), 300)[0], columns=["a", "b"])
    frame = dd.from_pandas(X, npartitions=4)
    chosen = frame[frame["a"] > X["a"].median()]  # some partitions may be left without rows
    expected = fit_em(GMM(2), X[X["a"] > X["a"].median()], random_seed=0, n_init=2, **BRIEF)
    assert (
        expected.features == fit_em(GMM(2), chosen, random_seed=0, n_init=2, **BRIEF).features == ("a", "b")
    )
    assert_same_fit(fit_em(GMM(2), chosen, random_seed=0, n_init=2, **BRIEF), expected)
    sorted_frame = dd.from_pandas(pd.DataFrame({"a": np.arange(300.0)}), npartitions=4)
    few = as_rows(sorted_frame[sorted_frame["a"] >= 150])
    assert few.n_rows == 150
    assert len(few.blocks) == 2
    one = as_rows(sorted_frame["a"])
    assert one.n_features == 1


# What is refused


def refused(X, match, spec=GMM(2), **options):  # noqa: B008 (a frozen value)
    with pytest.raises(InputError, match=match):
        fit_em(spec, X, random_seed=0, **options)


@pytest.mark.usefixtures("_local")
def test_bad_cells_are_named_by_their_place_in_the_whole():
    X, _ = make_rows(GMM(2), 300)
    X[[241, 299], 1] = np.nan
    refused(da.from_array(X, chunks=(70, 2)), "partition 3: row 241, column 'x1' is NaN or null")
    frame = dd.from_delayed([dask.delayed(pd.DataFrame)(x, columns=["a", "b"]) for x in np.split(X, 3)])
    refused(frame, "partition 2: 2 cells are NaN or null: row 241, column 'b'; row 299, column 'b'")
    coins = np.arange(600).reshape(300, 2) % 3 % 2 * 1.0
    coins[[180, 250], 0] = 2
    refused(da.from_array(coins, chunks=(70, 2)), "row 180, column 'x0': not 0 or 1", BMM(2))
    constant = np.column_stack([X[:, :1], np.ones(300)])
    refused(da.from_array(constant, chunks=(70, 2)), "column 'x1' is constant")


@pytest.mark.usefixtures("_local")
def test_tables_that_are_none():
    refused(da.ones((4, 3, 2)), "3 dimensions")
    refused(da.ones((0, 2)), "hold no rows")
    refused(dask.delayed(np.ones)((4, 2)), "a Dask Delayed is not a table")
    a, b = (dask.delayed(pd.DataFrame)({name: np.arange(9.0)}) for name in "ab")
    frame = dd.from_delayed([a, b], meta=pd.DataFrame({"a": [0.0]}), verify_meta=False)
    refused(frame, "partition 1 has columns b, those before it a")


@pytest.mark.usefixtures("_local")
def test_weights_must_fit():
    X = da.from_array(make_rows(GMM(2), 300)[0], chunks=(70, 2))
    refused(X, r"weights have shape \(41,\); the data have 300 rows", weights=np.ones(41))
    refused(X, "in 3 blocks; the data have 5", weights=da.ones(300, chunks=100))
    refused(X, r"partition 0: weights have shape \(60,\); the data have 70", weights=da.ones(300, chunks=60))
    weights = np.ones(300)
    weights[[241, 290]] = -1
    refused(X, "partition 3: row 241: weight is -1", weights=da.from_array(weights, chunks=70))
    refused(X, "all weights are zero", weights=da.zeros(300, chunks=70))


@pytest.mark.usefixtures("_local")
def test_labels_must_fit():
    X = da.from_array(make_rows(GMM(2), 300)[0], chunks=(70, 2))
    refused(X, r"labels have shape \(41,\); the data have 300 rows", labels=np.ones(41))
    refused(X, "the labels are 1-dimensional in 3 blocks; the data have 5", labels=da.ones(300, chunks=100))
    labels = np.full(300, -1.0)
    assert not as_rows(X, labels=da.from_array(labels, chunks=70)).labelled
    labels[[241, 290]] = 7
    refused(X, "row 241: label is 7, and the model has", labels=da.from_array(labels, chunks=70))
    labels[[241, 290]] = 0.5
    refused(X, "partition 3: row 241: label is 0.5", labels=da.from_array(labels, chunks=70))


@pytest.mark.usefixtures("_local")
def test_blocks_that_are_sparse_or_masked_or_of_one_dimension():
    X = make_rows(GMM(2), 300)[0]
    blocks = da.from_array(X, chunks=(70, 2))
    refused(blocks.map_blocks(sparse.csr_array), r"partition 0: the data are sparse \(csr_array\)")
    masked = np.ma.MaskedArray(X, np.arange(600).reshape(300, 2) == 501)
    refused(da.from_array(masked, chunks=(70, 2)), "partition 3: row 250, column 'x1' is masked")
    refused(blocks.map_blocks(lambda rows: rows[:, 0]), "partition 0: a table of one dimension")
    gaps = np.ma.MaskedArray(np.ones(300), np.arange(300) == 241)
    refused(blocks, "partition 3: row 241: weight is nan", weights=da.from_array(gaps, chunks=70))
    refused(
        blocks, "weights are not an array of numbers: text", weights=da.from_array(["1"] * 300, chunks=70)
    )


@pytest.mark.usefixtures("_local")
def test_weights_that_are_a_series_are_matched_by_label():
    X = pd.DataFrame(make_rows(GMM(2), 30)[0], index=np.arange(100, 130))
    frame = dd.from_pandas(X, npartitions=3)
    weights = pd.Series(np.arange(1.0, 31), index=X.index)
    mixed = weights.sample(frac=1, random_state=0)
    for given in (weights, mixed, weights.to_numpy(), dd.from_pandas(weights, npartitions=3)):
        rows = as_rows(frame, given, labels=given)
        np.testing.assert_allclose(rows.sum_over(lambda block: block.weights @ block.values), weights @ X)
        assert rows.in_memory().labels.tolist() == weights.tolist()
    anew = dd.from_delayed([dask.delayed(X[i : i + 10].reset_index(drop=True)) for i in (0, 10, 20)])
    rows = as_rows(anew, weights.reset_index(drop=True))
    np.testing.assert_allclose(rows.sum_over(lambda block: block.weights @ block.values), weights @ X)
    other = weights.set_axis(np.arange(30) - 7)
    refused(frame, "the index of the weights is not that of the data", weights=other)
    refused(frame, "partition 0: the index of the weights", weights=dd.from_pandas(other, npartitions=3))
    refused(
        X,
        "weights are a Dask Series; pass one array in memory",
        weights=dd.from_pandas(weights, npartitions=3),
    )


def test_without_dask_the_extra_is_named(monkeypatch):
    X = da.ones((4, 2))
    monkeypatch.setitem(sys.modules, "dask", None)
    refused(X, r"pip install 'pymc-mixtures\[dask\]'")


def test_what_needs_a_table_in_memory_says_so():
    with pytest.raises(
        InputError, match=r"a Dask Array, which only fit_em and crosscheck take; .*a subsample"
    ):
        sample(GMM(2), da.ones((4, 2)))


# On a cluster


@pytest.fixture
def travelling(monkeypatch):
    """Bytes of every function sent to the blocks and of every answer that comes back."""
    seen = []
    sum_over = DaskRows.sum_over

    def measured(self, f, *add):
        answer = sum_over(self, f, *add)
        seen.append((len(pickle.dumps(f)), len(pickle.dumps(answer))))
        return answer

    monkeypatch.setattr(DaskRows, "sum_over", measured)
    return seen


def sent(client):
    """Bytes that the workers have sent to one another and to the client."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def test_only_parameters_and_sums_travel(client, travelling, monkeypatch):
    monkeypatch.setattr("mixtures.em.kinds.START_ROWS", 1000)
    X = da.random.default_rng(0).normal(size=(40_000, 4), chunks=(5_000, 4))
    X = (X + 2 * (X[:, :1] > 0.5)).persist()
    wait(X)
    before = sent(client)
    ours = fit_em(GMM(3), X, n_init=2, random_seed=0, **BRIEF)
    on_the_way = sent(client) - before
    assert on_the_way < X.nbytes / 4  # a subsample is 32,000 bytes of 1,280,000
    assert len(travelling) > 25
    assert max(max(sizes) for sizes in travelling) < 5_000
    assert_same_fit(ours, fit_em(GMM(3), X.compute(), n_init=2, random_seed=0, **BRIEF))


def test_parquet_files(client, tmp_path):
    X = pd.DataFrame(make_rows(GMM(2), 300)[0], columns=["a", "b"])
    for i, rows in enumerate(np.split(np.arange(300), [90, 200])):
        X.iloc[rows].to_parquet(tmp_path / f"part-{i}.parquet")
    frame = dd.read_parquet(tmp_path)
    assert_same_fit(
        fit_em(GMM(2), frame, n_init=2, random_seed=0, **BRIEF),
        fit_em(GMM(2), X, n_init=2, random_seed=0, **BRIEF),
    )


def test_a_worker_killed_in_mid_fit_changes_nothing(client, monkeypatch):
    X = da.random.default_rng(0).normal(size=(4_000, 2), chunks=(500, 2))
    X = X + 2 * (X[:, :1] > 0.5)
    rows = as_rows(X)
    wait(list(rows.blocks))
    passes = []
    processes = client.run(os.getpid)
    holding = [worker for worker, keys in client.has_what().items() if keys]
    assert len(holding) == 2
    sum_over = DaskRows.sum_over

    def deadly(self, f, *add):
        passes.append(1)
        if len(passes) == 12:
            os.kill(processes[holding[0]], signal.SIGKILL)
        return sum_over(self, f, *add)

    monkeypatch.setattr(DaskRows, "sum_over", deadly)
    ours = fit_em(GMM(3), rows, n_init=1, random_seed=0, **BRIEF)
    assert len(passes) > 20
    assert holding[0] not in client.scheduler_info()["workers"]
    assert_same_fit(ours, fit_em(GMM(3), X.compute(), n_init=1, random_seed=0, **BRIEF))


def test_pymcs_density_is_summed_where_the_blocks_are(client):
    """Compiled on every worker from what travels there: a model, a small table and a vector."""
    X, _ = make_rows(GMM(2), 500, 2)
    spec = resolve(GMM(2, covariance_type="spherical"), X)
    whole = CompiledModel(declare(spec, X))
    streamed = StreamedModel(spec, as_rows(da.from_array(X, chunks=(200, 2))), np.random.default_rng(0))
    x = streamed.initial_point(1)
    expected, _ = whole.value_and_grad(whole.unconstrain(streamed.constrain(x)))
    value, slope = streamed.value_and_grad(x)
    assert value == pytest.approx(expected, rel=1e-12)
    step = 1e-5 * np.eye(x.size)[0]
    change = streamed.value_and_grad(x + step)[0] - streamed.value_and_grad(x - step)[0]
    assert slope[0] == pytest.approx(change / 2e-5, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("what", ["cluster", "client"])
def test_a_cluster_that_closes_in_mid_fit_is_told_in_a_line(what, monkeypatch):
    X = da.random.default_rng(0).normal(size=(4_000, 2), chunks=(500, 2))
    sum_over, passes = DaskRows.sum_over, []
    with (
        dask.config.set(
            {
                "distributed.comm.timeouts.connect": PATIENCE,
                "distributed.scheduler.work-stealing": False,  # or blocks move between busy workers
            }
        ),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, timeout=PATIENCE) as here,
    ):

        def closing(self, f, *add):
            passes.append(1)
            if len(passes) == 8:
                (cluster if what == "cluster" else here).close()
            return sum_over(self, f, *add)

        monkeypatch.setattr(DaskRows, "sum_over", closing)
        with pytest.raises(
            ConnectionError, match=r"the Dask cluster .* was closed or lost its workers"
        ) as caught:
            fit_em(GMM(3), X, n_init=1, random_seed=0, **BRIEF)
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("client")
def test_what_fails_on_a_cluster_that_is_there_is_told_as_it_is():
    def fails(rows):
        raise OSError("the disk is gone")

    X = da.ones((4_000, 2), chunks=(500, 2)).map_blocks(fails, dtype=float, meta=np.ones((0, 2)))
    with pytest.raises(OSError, match="the disk is gone"):
        fit_em(GMM(3), X)
