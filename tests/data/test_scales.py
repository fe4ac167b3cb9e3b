"""Which columns of whole numbers look like answers on a scale."""

import numpy as np
import pandas as pd
import pytest

from mixtures.data.columns import Kind, codes_among, examine
from mixtures.data.scales import scales_of

STEPS, COUNTS = Kind.STEPS, Kind.COUNTS


def kinds(*columns):
    """Kinds of columns of 60 rows that have these values, each as often as the others."""
    frame = pd.DataFrame({str(j): np.resize(values, 60) for j, values in enumerate(columns)})
    return [column.kind for column in examine(frame)]


@pytest.mark.parametrize(
    "columns",
    [
        ([1, 2, 3, 4, 5], [5, 1, 3, 2, 4], [1, 2, 4, 5]),  # a step that nobody chose in one item
        ([1, 2, 4, 5],) * 3,  # or in any
        ([0, 1, 2, 3, 4],) * 3,
        (range(1, 11), range(10, 0, -1), range(1, 11)),
        ([1, 2, 3, 4, 5],) * 3 + ([1, 2, 3, 4], [2, 3, 4, 5], [1, np.nan, 2, 3, 4, 5]),  # an end, or a blank
        (range(11),) * 3,
    ],
)
def test_columns_of_one_small_range_are_answers(columns):
    assert kinds(*columns) == [STEPS] * len(columns)


def test_columns_that_share_no_range_stay_counts():
    assert kinds([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3]) == [COUNTS] * 3  # two are too few
    assert kinds(range(1, 5), range(1, 9), range(1, 30)) == [COUNTS] * 3
    assert kinds(*[range(12)] * 3) == [COUNTS] * 3  # more steps than a scale has
    assert kinds(*[range(2, 6)] * 3) == [COUNTS] * 3
    beside = kinds([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2], range(1, 7), [1, 2, 3])
    assert beside == [STEPS] * 3 + [COUNTS] * 3


def test_zeros_and_ones_and_codes_stay_what_they_are():
    assert kinds(*[[0, 1]] * 4) == [Kind.BINARY] * 4
    assert kinds(*[[1, 2]] * 4) == [Kind.CODES] * 4


def test_counts_that_happen_to_share_a_range_stay_counts():
    """Poisson counts reach their greatest value once or twice; `Scale` says that the range is shared."""
    counts = np.minimum(np.random.default_rng(1).poisson(1.3, (300, 3)), 5).astype(float)
    counts[0] = 5
    assert (counts == 5).mean() < 0.04
    columns = examine(pd.DataFrame(counts, columns=list("abc")))
    assert [column.kind for column in columns] == [COUNTS] * 3
    assert [column.scale.could_be_counts for column in columns] == [True] * 3
    assert codes_among(columns) == {}


def test_every_set_of_columns_has_its_own_scale():
    items, ratings = np.resize([1, 2, 3, 4, 5], 60), np.resize(np.arange(11), 60)
    found = scales_of([items, ratings, items, ratings, items, ratings, np.array([np.inf, 1, 2])])
    assert [scale and scale.words for scale in found] == ["1 to 5", "0 to 10"] * 3 + [None]
