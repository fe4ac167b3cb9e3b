"""k-means for starting points, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

import mixtures as mx
from mixtures.em.kmeans import kmeans, kmeans_seeds, nearest


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(n, 3)) + at for n, at in ((80, 0), (50, 5), (30, 9))])


def inertia(X, labels, weights):
    means = [np.average(X[labels == k], axis=0, weights=weights[labels == k]) for k in range(3)]
    return float(weights @ ((X - np.array(means)[labels]) ** 2).sum(axis=1))


@pytest.mark.parametrize("weighted", [False, True])
def test_lloyds_partition_is_scikit_learns(weighted):
    X = rows()
    weights = np.random.default_rng(1).integers(0, 4, len(X)).astype(float) if weighted else np.ones(len(X))
    seeds = kmeans_seeds(X, 3, np.random.default_rng(2), weights)
    ours = kmeans(X, seeds, weights)
    theirs = KMeans(3, init=seeds, n_init=1, tol=0).fit(X, sample_weight=weights).predict(X)
    np.testing.assert_array_equal(ours, theirs)


def test_seeds_are_rows_that_count_and_far_apart():
    X = rows()
    weights = np.where(np.arange(len(X)) < 80, 0.0, 1.0)
    for seed in range(20):
        seeds = kmeans_seeds(X, 2, np.random.default_rng(seed), weights)
        places = [int(np.flatnonzero((each == X).all(axis=1))[0]) for each in seeds]
        assert sorted(place >= 130 for place in places) == [False, True]  # one of each cluster that counts
        assert min(places) >= 80


def test_seeds_lead_to_better_partitions_than_rows_at_random():
    X, ones = rows(), np.ones(len(rows()))
    rng = np.random.default_rng(3)
    ours = [inertia(X, nearest(X, kmeans_seeds(X, 3, rng)), ones) for _ in range(30)]
    drawn = [X[rng.choice(len(X), 3, replace=False)] for _ in range(30)]
    random = [inertia(X, nearest(X, seeds), ones) for seeds in drawn]
    assert np.median(ours) < np.median(random)


def test_an_emptied_cluster_takes_the_farthest_row():
    X = np.array([[0.0], [0.1], [0.2], [10.0]])
    labels = kmeans(X, np.array([[0.1], [100.0]]))
    assert labels.tolist() == [0, 0, 0, 1]


def test_fewer_distinct_rows_than_clusters():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0]], 20, axis=0)
    labels = kmeans(X, kmeans_seeds(X, 4, np.random.default_rng(0)))
    assert len(np.unique(labels[:20])) == len(np.unique(labels[20:])) == 1
    assert labels[0] != labels[20]


def test_iris():
    X = mx.datasets.iris().to_numpy()
    partitions = (kmeans(X, kmeans_seeds(X, 3, np.random.default_rng(seed))) for seed in range(10))
    best = min(inertia(X, labels, np.ones(150)) for labels in partitions)
    assert best == pytest.approx(KMeans(3, n_init=10, random_state=0).fit(X).inertia_, rel=1e-9)
