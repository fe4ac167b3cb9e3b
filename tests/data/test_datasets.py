"""Built-in data sets: their known facts, and that each is usable as it comes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris, make_blobs

from mixtures import datasets
from mixtures.data.reading import as_data
from mixtures.errors import InputError

SHAPES = {
    "faithful": (272, 2),
    "blobs": (400, 2),
    "squares": (100, 2),
    "coins": (300, 1),
    "digits": (1797, 64),
    "iris": (150, 4),
}


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_data_set(name):
    frame = datasets.load(name)
    assert frame.shape == SHAPES[name]
    assert as_data(frame).features == tuple(frame.columns)
    again = datasets.load(name)
    pd.testing.assert_frame_equal(frame, again)
    frame.iloc[0, 0] = -1
    assert again.iloc[0, 0] != -1  # the caller's own copy


def test_faithful_is_the_table_in_r():
    frame = datasets.faithful()
    assert list(frame.columns) == ["eruptions", "waiting"]
    np.testing.assert_allclose(frame.mean(), [3.487783, 70.897059], atol=5e-7)
    np.testing.assert_allclose(frame.std(), [1.141371, 13.594974], atol=5e-7)
    assert frame.iloc[0].tolist() == [3.6, 79]
    assert frame.iloc[-1].tolist() == [4.467, 74]


def test_blobs_are_scikit_learns_with_swapped_axes():
    X, _ = make_blobs(400, centers=4, cluster_std=0.60, random_state=0)
    frame = datasets.blobs()
    np.testing.assert_array_equal(frame["x"], X[:, 1])
    np.testing.assert_array_equal(frame["y"], X[:, 0])


def test_coins_fall_on_heads_half_of_the_time():
    heads = datasets.coins()["heads"]
    assert set(heads) == {0, 1}
    assert abs(heads.mean() - 0.5) < 3 * np.sqrt(0.25 / 300)


def test_digits_are_thresholded_pixels_by_row_and_column():
    frame = datasets.digits()
    images = load_digits().images
    assert set(np.unique(frame)) == {0, 1}
    np.testing.assert_array_equal(frame["pixel_2_5"], images[:, 2, 5] >= 8)
    np.testing.assert_array_equal(frame["pixel_7_0"], images[:, 7, 0] >= 8)


def test_iris_has_sizes_and_no_species():
    frame = datasets.iris()
    assert list(frame.columns) == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    np.testing.assert_array_equal(frame, load_iris().data)


def test_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(
        InputError, match=r"no data set 'fathful' \(did you mean 'faithful'\?\); the data sets are"
    ):
        datasets.load("fathful")


def test_squares_are_two_squares():
    X = datasets.squares().to_numpy()
    assert ((X[:50] >= -2) & (X[:50] <= 0)).all()
    assert ((X[50:] >= 1) & (X[50:] <= 3)).all()
    np.testing.assert_allclose(X[:50].mean(axis=0), -1, atol=0.3)
    np.testing.assert_allclose(X[50:].mean(axis=0), 2, atol=0.3)
