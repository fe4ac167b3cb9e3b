"""Pairs of columns and the separating plane, against scikit-learn's discriminants and fitted moments."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Ellipse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import mixtures as mx
from mixtures.clusters.plane import separating_plane
from mixtures.plot import cluster_colour, pairs

IRIS = mx.datasets.iris()


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def em():
    return mx.fit_em(mx.GMM(3, covariance_type="diag"), IRIS, n_init=2, random_seed=1)


def wide(k, d=7, n=90):
    rng = np.random.default_rng(2)
    z = np.arange(n) % k
    X = rng.normal(size=(n, d)) * np.linspace(0.2, 40, d)
    X[:, 1] += 12 * z
    X[:, 4] -= 90 * (z == 1)
    return X, z


def test_every_pair_has_rows_and_outlines_in_the_clusters_colours(em):
    axes = pairs(em, IRIS, names=["a", "b", "c"])
    r = mx.responsibilities(em, IRIS)["label"].values
    places = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    for ax, (a, b) in zip(axes, places, strict=True):
        for k, points in enumerate(ax.collections):
            np.testing.assert_allclose(points.get_offsets(), IRIS.to_numpy()[r == k][:, [a, b]])
            assert to_hex(points.get_facecolor()[0]) == cluster_colour(k)
        outlines = [each for each in ax.patches if isinstance(each, Ellipse)]
        np.testing.assert_allclose([each.center for each in outlines], em.params["mu"][:, [a, b]])
        assert [to_hex(each.get_edgecolor()) for each in outlines] == [cluster_colour(k) for k in range(3)]
    assert axes[2].get_xlabel() == "sepal_length"
    assert axes[2].get_ylabel() == "petal_width"
    legend = axes[0].get_figure().legends[0]
    shares = em.params["alpha"]
    expected = [f"{k}: {name} ({a:.0%})" for k, (name, a) in enumerate(zip("abc", shares, strict=True))]
    assert [text.get_text() for text in legend.get_texts()] == expected
    markers = [to_hex(handle.get_color()) for handle in legend.get_lines()]
    assert markers == [cluster_colour(k) for k in range(3)]


def test_plane_of_three_clusters_is_that_of_linear_discriminants():
    X, z = wide(3)
    groups = [X[z == k] for k in range(3)]
    mean = np.array([own.mean(axis=0) for own in groups])
    plane = separating_plane(np.full(3, 1 / 3), mean, np.array([np.cov(own.T, ddof=0) for own in groups]))
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(X, z).scalings_[:, :2]
    for own, other in zip(plane.T, theirs.T, strict=True):
        assert abs(own @ other) / np.sqrt(own @ own * (other @ other)) == pytest.approx(1, abs=1e-9)
    within = sum(np.cov(own.T, ddof=0) for own in groups) / 3
    np.testing.assert_allclose(plane.T @ within @ plane, np.eye(2), atol=1e-9)


def test_second_axis_of_two_clusters_is_where_their_spreads_differ():
    covariance = np.array([np.eye(4), np.eye(4)])
    covariance[0, 2, 2], covariance[1, 2, 2] = 1.8, 0.2
    plane = separating_plane(np.array([0.5, 0.5]), np.array([[0.0, 0, 0, 0], [3, 0, 0, 0]]), covariance)
    np.testing.assert_allclose(plane, [[1, 0], [0, 0], [0, 1], [0, 0]], atol=1e-9)
    alone = separating_plane(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    np.testing.assert_allclose(alone.T @ alone, np.eye(2), atol=1e-9)


def test_many_columns_make_a_plane_and_rows_with_missing_cells_stay_out():
    X, _ = wide(3)
    frame = pd.DataFrame(X, columns=[f"c{d}" for d in range(7)])
    frame.iloc[:4, 0] = np.nan
    em = mx.fit_em(mx.GMM(3, covariance_type="tied"), frame, missing="integrate", n_init=2, random_seed=1)
    (ax,) = pairs(em, frame, missing="integrate")
    assert ax.get_xlabel().startswith("1st discriminant: ")
    assert "c1" in ax.get_xlabel() + ax.get_ylabel()
    drawn = np.vstack([points.get_offsets().data for points in ax.collections])
    assert np.isfinite(drawn).all(axis=1).sum() == len(frame) - 4
    assert len(pairs(em, frame, missing="integrate", features=["c1", "c4"])) == 1


def test_a_sample_has_an_outline_for_each_draw(em):
    tree = em.to_datatree()
    assert len(pairs(tree, IRIS, n_draws=3)) == 6
    own = plt.subplots()[1]
    assert pairs(em, IRIS, features=["sepal_width", "petal_width"], axes=own)[0] is own
    assert own.get_legend() is not None


def test_refusals_name_what_is_wrong(em):
    coins = mx.datasets.coins()
    bmm = mx.fit_em(mx.BMM(1), coins, n_init=1, random_seed=1)
    for result, X, options, words in (
        (em, IRIS, {"features": ["petal"]}, "no feature 'petal'"),
        (em, IRIS, {"features": ["petal_width"]}, "there is one"),
        (em, IRIS, {"names": ["a", "b"]}, "3 different ones"),
        (em, None, {}, "X is missing"),
        (bmm, coins, {}, "there are none"),
    ):
        with pytest.raises(mx.InputError, match=words):
            pairs(result, X, **options)
