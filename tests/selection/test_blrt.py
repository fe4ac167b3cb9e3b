"""The bootstrap likelihood-ratio test: its statistic against scikit-learn, its p-value by counting."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture

import mixtures as mx
from mixtures.em.fit import fit_em
from mixtures.selection.blrt import RatioTest

RNG = np.random.default_rng(0)
ONE = RNG.normal(size=(50, 1))
TWO = np.vstack([ONE - 4, ONE + 4])
QUIET = {"random_seed": 1, "progressbar": False, "n_init": 2}


def test_one_cluster_is_not_rejected_and_two_are():
    one = mx.select(mx.GMM(1), ONE, [1, 2], blrt=19, **QUIET).table
    assert np.isnan(one.loc[1, "blrt_p"])  # there is nothing to test against
    assert one.loc[2, "blrt_p"] > 0.1
    two = mx.select(mx.GMM(1), TWO, [1, 2, 3], blrt=9, **QUIET).table
    assert two.loc[2, "blrt_p"] == pytest.approx(1 / 10)
    assert two.loc[3, "blrt_p"] > 0.1
    for table in (one, two):
        expected = 2 * table["log_likelihood"].diff()
        np.testing.assert_allclose(table["lr"], expected)


def test_the_statistic_of_a_data_set_is_that_of_other_programs():
    """Maximum likelihood: one normal in closed form, two by scikit-learn from many starts."""
    X = np.vstack([RNG.normal(-2, 1, (40, 1)), RNG.normal(2, 1, (40, 1))])
    spec = mx.GMM(1, prior=None)
    data = spec.table(X)
    fewer = fit_em(spec, data, random_seed=1)
    two = replace(fewer.spec, n_components=2)
    ratio = RatioTest(data, 1, np.random.default_rng(3))._ratio(fewer, two, data)
    normal = -len(X) / 2 * (np.log(2 * np.pi * X.var()) + 1)
    theirs = GaussianMixture(2, n_init=20, tol=1e-10, max_iter=5000, reg_covar=0, random_state=0).fit(X)
    assert ratio == pytest.approx(2 * (theirs.score(X) * len(X) - normal), abs=1e-4)


@pytest.mark.parametrize(
    ("ratios", "p"),
    [([1.0, 5.0, 9.0, 3.0], 3 / 5), ([0.1] * 4, 1 / 5), ([9.0] * 4, 1), ([None, 9.0, None, 0], 2 / 3)],
)
def test_p_counts_the_data_sets_that_are_as_far(monkeypatch, ratios, p):
    """The data are fitted from as few starts as the data sets, which here reach a ratio of 4, not 14."""
    spec = mx.GMM(1)
    data = spec.table(TWO)
    fewer = fit_em(spec, data, n_init=1, random_seed=1)
    em = replace(fewer, log_likelihood=fewer.log_likelihood + 7.0)
    told = iter([4.0, *ratios])
    monkeypatch.setattr(RatioTest, "_ratio", lambda *_: next(told))
    figures, notes = RatioTest(data, 4, np.random.default_rng(1)).of(fewer, em)
    assert figures == {"lr": pytest.approx(14), "blrt_p": pytest.approx(p)}
    failed = sum(one is None for one in ratios)
    assert [note.split()[1] for note in notes] == ([str(failed)] if failed else [])


def test_none_that_can_be_fitted_is_no_p(monkeypatch):
    spec = mx.GMM(1)
    data = spec.table(TWO)
    em = fit_em(spec, data, n_init=1, random_seed=1)
    monkeypatch.setattr(RatioTest, "_ratio", lambda *_: None)
    figures, notes = RatioTest(data, 3, np.random.default_rng(1)).of(em, em)
    assert np.isnan(figures["blrt_p"])
    assert "3 of 3" in notes[0]
    assert "the data could not be fitted" in notes[1]


def test_a_seed_gives_the_same_test_and_leaves_the_fits_as_they_are():
    first, again = (mx.select(mx.GMM(1), ONE, [1, 2], blrt=3, **QUIET).table for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    without = mx.select(mx.GMM(1), ONE, [1, 2], **QUIET).table
    pd.testing.assert_frame_equal(first.drop(columns=["lr", "blrt_p"]), without)


def test_latent_classes_weights_and_missing_cells():
    rng = np.random.default_rng(2)
    z = rng.integers(2, size=80)
    X = pd.DataFrame(
        {f"q{j}": np.where(rng.random(80) < np.where(z, 0.9, 0.1), "yes", "no") for j in range(4)}
    )
    X["q4"] = rng.choice(["a", "b", "c"], 80)
    table = mx.select(mx.LCA(1), X, [1, 2], blrt=4, **QUIET).table
    assert table.loc[2, "blrt_p"] == pytest.approx(1 / 5)
    assert table.loc[2, "notes"] == ""
    coins = (X.iloc[:, :4] == "yes").astype(float)
    coins[rng.random(coins.shape) < 0.1] = np.nan
    options = {"missing": "integrate", "weights": 1 + np.arange(80) % 2}
    table = mx.select(mx.BMM(1), coins, [1, 2], blrt=4, **options, **QUIET).table
    assert table.loc[2, "blrt_p"] == pytest.approx(1 / 5)


def test_numbers_without_a_neighbour_are_not_tested():
    table = mx.select(mx.GMM(1), TWO, [1, 3], blrt=2, **QUIET).table
    assert table["blrt_p"].isna().all()
    assert "lr" not in mx.select(mx.GMM(1), TWO, [1], **QUIET).table


def test_it_is_saved_and_printed(tmp_path):
    found = mx.select(mx.GMM(1), TWO, [1, 2], blrt=3, **QUIET)
    mx.save(found, tmp_path / "k.mix")
    pd.testing.assert_frame_equal(mx.load(tmp_path / "k.mix").table, found.table)
    assert "blrt_p" in repr(found)
    assert "0.25" in repr(found)


def test_chunks_are_refused():
    with pytest.raises(mx.InputError):
        mx.select(mx.GMM(1), lambda: iter([ONE]), [1, 2], blrt=3, **QUIET)
