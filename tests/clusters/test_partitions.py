"""Co-clustering against draws of the clusters, point partitions against all partitions there are."""

from itertools import product
from math import log2

import numpy as np
import pytest
import xarray as xr
from conftest import every_spec, make_params, make_rows
from hypothesis import given
from hypothesis import strategies as st

import mixtures as mx
from mixtures import GMM, InputError, coclustering, point_partition, resolve
from mixtures.clusters.partition import LOSSES
from mixtures.trees import make_tree


def shaken_tree(spec, n_draws=6, n_features=2):
    """A sample whose draws are M-steps from different simulated data, in two chains."""
    sets = [make_params(spec, n_features, seed) for seed in range(n_draws)]
    arrays = {name: np.stack([one[name] for one in sets]) for name in spec.dims}
    chains = {name: x.reshape(2, n_draws // 2, *x.shape[1:]) for name, x in arrays.items()}
    return sets, make_tree({"posterior": chains}, spec.dims, {})


def all_partitions(n):
    """Restricted growth strings: every partition of n rows once."""

    def grow(prefix, used):
        if len(prefix) == n:
            yield np.array(prefix)
            return
        for label in range(used + 1):
            yield from grow([*prefix, label], max(used, label + 1))

    return list(grow([0], 1))


def binder(pi, labels):
    """Pairs wrongly together, and wrongly apart, by the definition."""
    n = len(labels)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    return sum(1 - pi[i, j] if labels[i] == labels[j] else pi[i, j] for i, j in pairs)


def vi_bound(pi, labels):
    """Lower bound of Wade and Ghahramani (2018) as mcclust.ext's VI.lb writes it."""
    n = len(labels)
    total = 0.0
    for i in range(n):
        mine = [j for j in range(n) if labels[j] == labels[i]]
        total += log2(len(mine)) + log2(sum(pi[i])) - 2 * log2(sum(pi[i, j] for j in mine))
    return total / n


EXPECTED = {"binder": binder, "vi": vi_bound}
either_loss = pytest.mark.parametrize("loss", list(LOSSES))


def similarity_of(partitions, weights):
    """Co-clustering of a posterior with these partitions, and nothing else, in it."""
    together = [labels[:, None] == labels for labels in map(np.asarray, partitions)]
    return np.tensordot(weights, np.array(together, dtype=float), axes=1)


# Co-clustering


@every_spec
def test_coclustering_is_the_mean_over_draws_of_the_probability_to_share_a_cluster(spec):
    X, _ = make_rows(spec, 20, 2)
    spec = resolve(spec, X)
    sets, tree = shaken_tree(spec)
    expected = np.mean([(r := spec.responsibilities(X, one)) @ r.T for one in sets], axis=0)
    np.fill_diagonal(expected, 1)
    found = coclustering(spec, X, tree)
    assert found.dims == ("obs_id", "obs_id_bis")
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_array_equal(found, found.T)
    swapped = tree.copy()
    moved = {
        name: v.isel(cluster=[2, 0, 1]) if "cluster" in v.dims else v for name, v in tree["posterior"].items()
    }
    swapped["posterior"] = xr.DataTree(xr.Dataset(moved))
    np.testing.assert_allclose(coclustering(spec, X, swapped), expected, atol=1e-9)


def test_coclustering_is_how_often_simulated_clusters_are_shared():
    spec = GMM(3)
    X, _ = make_rows(spec, 8, 2, apart=1.0)
    spec = resolve(spec, X)
    sets, tree = shaken_tree(spec)
    rng = np.random.default_rng(1)
    counts, repeats = np.zeros((8, 8)), 4000
    for one in sets:
        r = spec.responsibilities(X, one)
        z = (rng.random((repeats, 8, 1)) > r.cumsum(axis=1)[:, :2]).sum(axis=-1)
        counts += (z[:, :, None] == z[:, None]).sum(axis=0)
    np.testing.assert_allclose(coclustering(spec, X, tree), counts / repeats / len(sets), atol=0.02)


def test_blocks_of_draws_add_up(monkeypatch):
    spec = GMM(3)
    X, _ = make_rows(spec, 20, 2)
    spec = resolve(spec, X)
    _, tree = shaken_tree(spec)
    whole = coclustering(spec, X, tree)
    monkeypatch.setattr("mixtures.clusters.coclustering.BLOCK", 20 * 3 * 4)  # six draws: four, then two
    np.testing.assert_allclose(coclustering(spec, X, tree), whole, atol=1e-12)


def test_too_many_rows_are_refused_with_advice():
    spec = mx.BMM(2)
    X, _ = make_rows(spec, 5001, 3)
    _, tree = shaken_tree(spec, n_features=3)
    with pytest.raises(InputError, match="at most 5000 rows, such as a random subset"):
        coclustering(spec, X, tree)
    with pytest.raises(InputError, match="X has 2 columns; the parameters are of 3 features"):
        coclustering(spec, X[:10, :2], tree)


# Point partitions


@either_loss
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_the_expected_loss_is_that_of_the_definition(loss, n, seed):
    rng = np.random.default_rng(seed)
    partitions = rng.integers(0, 3, size=(4, n))
    pi = similarity_of(partitions, rng.dirichlet(np.ones(4)))
    for labels in all_partitions(n):
        assert LOSSES[loss].expected(pi, labels) == pytest.approx(EXPECTED[loss](pi, labels), abs=1e-9)


def test_binders_expected_loss_is_the_posterior_mean_of_wrong_pairs():
    rng = np.random.default_rng(2)
    posterior, weights = rng.integers(0, 3, size=(5, 6)), rng.dirichlet(np.ones(5))
    pi, guess = similarity_of(posterior, weights), np.array([0, 0, 1, 1, 2, 2])
    wrong = [np.triu((truth[:, None] == truth) != (guess[:, None] == guess), 1).sum() for truth in posterior]
    assert LOSSES["binder"].expected(pi, guess) == pytest.approx(weights @ wrong)


@either_loss
@given(st.integers(1, 7), st.integers(0, 10**6))
def test_the_partition_is_the_best_of_all(loss, n, seed):
    """Posteriors of a few partitions, by exhaustion: up to 877 of them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, size=n)
    posterior = np.where(rng.random((5, n)) < 0.8, truth, rng.integers(0, 3, size=(5, n)))
    pi = similarity_of(posterior, rng.dirichlet(np.ones(5)))
    best = min(EXPECTED[loss](pi, labels) for labels in all_partitions(n))
    found = point_partition(pi, loss=loss, candidates=posterior)
    assert found.attrs["expected_loss"] == pytest.approx(EXPECTED[loss](pi, found.values), abs=1e-9)
    assert found.attrs["expected_loss"] == pytest.approx(best, abs=1e-9)


@either_loss
def test_no_single_row_has_a_better_place(loss):
    rng = np.random.default_rng(3)
    truth = np.arange(40) % 4
    posterior = np.where(rng.random((30, 40)) < 0.7, truth, rng.integers(0, 4, size=(30, 40)))
    pi = similarity_of(posterior, np.full(30, 1 / 30))
    found = point_partition(pi, loss=loss)
    for i, label in product(range(40), range(found.attrs["n_clusters"] + 1)):
        moved = found.values.copy()
        moved[i] = label
        assert EXPECTED[loss](pi, moved) >= found.attrs["expected_loss"] - 1e-9


@either_loss
def test_clear_clusters_are_found_and_numbered_by_size(loss):
    truth = np.repeat([2, 0, 1], [3, 5, 7])
    frame = xr.DataArray(
        0.05 + 0.95 * (truth[:, None] == truth),
        dims=("obs_id", "obs_id_bis"),
        coords={"obs_id": list("abcdefghijklmno")},
    )
    found = point_partition(frame, loss=loss)
    np.testing.assert_array_equal(found, np.repeat([2, 1, 0], [3, 5, 7]))
    assert list(found["obs_id"].values) == list("abcdefghijklmno")
    assert found.attrs["n_clusters"] == 3
    np.testing.assert_array_equal(point_partition(frame, loss=loss), found)


def test_candidates_are_starts():
    """Two rows that only the neighbourhood of the candidate separates."""
    pi = np.array([[1.0, 0.6], [0.6, 1.0]])
    assert point_partition(pi, loss="binder").values.tolist() == [0, 0]
    assert point_partition(pi, loss="binder", candidates=[3, 7]).values.tolist() == [0, 0]
    with pytest.raises(InputError, match="they need 2 labels each"):
        point_partition(pi, candidates=[1, 2, 3])


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        ([[1, 0.5]], "it needs"),
        ([[1, 0.5], [0.4, 1]], "symmetric"),
        ([[0.5, 0.5], [0.5, 0.5]], "ones on its diagonal"),
        ([[1, 2], [2, 1]], "between 0 and 1"),
        ([[1, np.nan], [np.nan, 1]], "between 0 and 1"),
    ],
)
def test_what_is_no_similarity_is_refused(similarity, message):
    with pytest.raises(InputError, match=message):
        point_partition(similarity)


def test_an_unknown_loss_is_refused():
    with pytest.raises(InputError, match="'rand' is not one of binder, vi"):
        point_partition(np.eye(2), loss="rand")
