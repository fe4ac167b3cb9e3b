"""Bivariate residuals against tables counted in plain loops."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

import mixtures as mx
from mixtures.trees import draws_tree

RNG = np.random.default_rng(11)


def survey(n=120, seed=0):
    """Items of 2, 3 and 2 levels, of two classes."""
    rng = np.random.default_rng(seed)
    z = rng.integers(2, size=n)
    items = {}
    for j, c in enumerate((2, 3, 2, 4)):
        p = rng.dirichlet(np.ones(c), 2)
        items[f"q{j}"] = [chr(97 + rng.choice(c, p=p[k])) for k in z]
    return pd.DataFrame(items).astype("category")


def x2_by_hand(alpha, p, codes, levels, i, j):
    """Pearson's X2 of two items over the rows where both are seen, cell by cell; over sets of parameters."""
    sets = [(alpha, p)] if np.ndim(alpha) == 1 else list(zip(alpha, p, strict=True))
    rows = [row for row in codes if not (np.isnan(row[i]) or np.isnan(row[j]))]
    total = 0.0
    for a, b in product(range(levels[i]), range(levels[j])):
        observed = sum(1 for row in rows if (row[i], row[j]) == (a, b))
        each = [sum(w[k] * q[k][i][a] * q[k][j][b] for k in range(len(w))) for w, q in sets]
        expected = len(rows) * np.mean(each)
        total += (observed - expected) ** 2 / expected
    return total, len(rows)


def compare(found, alpha, p, codes, levels, names):
    table = found.to_frame()
    assert len(table) == len(names) * (len(names) - 1) // 2
    for i, j in combinations(range(len(names)), 2):
        x2, rows = x2_by_hand(alpha, p, codes, levels, i, j)
        own = table.loc[(names[i], names[j])]
        assert own["residual"] == pytest.approx(x2 / ((levels[i] - 1) * (levels[j] - 1)), rel=1e-10)
        assert own["n_rows"] == rows
    assert table["residual"].is_monotonic_decreasing


def test_point_residuals_of_ragged_levels():
    X = survey()
    em = mx.fit_em(mx.LCA(2), X, n_init=2, random_seed=1)
    codes = np.column_stack([X[name].cat.codes for name in X]).astype(float)
    found = mx.bivariate_residuals(em, X)
    compare(found, em.params["alpha"], em.params["p"], codes, [2, 3, 2, 4], list(X))
    assert found.to_frame()["p"].isna().all()
    assert found == mx.bivariate_residuals(em, X[["q3", "q0", "q2", "q1"]])  # matched by name


def test_point_residuals_of_coins_with_missing_cells():
    X = (RNG.random((90, 4)) < 0.4).astype(float)
    X[RNG.random(X.shape) < 0.15] = np.nan
    em = mx.fit_em(mx.BMM(2), X, n_init=2, missing="integrate", random_seed=1)
    p = np.stack([1 - em.params["p"], em.params["p"]], axis=-1)
    found = mx.bivariate_residuals(em, X, missing="integrate")
    compare(found, em.params["alpha"], p, X, [2] * 4, ["x0", "x1", "x2", "x3"])
    assert found.to_frame()["n_rows"].max() < 90


def sample_about(spec, X, em, n=150):
    """A made-up posterior sample, narrow around a fit."""
    rng = np.random.default_rng(3)
    rows = len(X)
    k = spec.n_components
    alpha = rng.dirichlet(em.params["alpha"] * rows, (1, n))
    p = em.params["p"]
    draws = {"alpha": alpha, "p": rng.beta(p * rows / k + 1, (1 - p) * rows / k + 1, (1, n, *p.shape))}
    return draws_tree(draws, em.spec.dims, em.features, em.spec.coords(em.features))


def dependent_items(n, rng):
    """Two classes of eight items; the last two agree within classes more than they should."""
    z = rng.integers(2, size=n)
    X = (rng.random((n, 8)) < np.where(z[:, None], 0.85, 0.2)).astype(float)
    same = rng.random(n) < 0.4
    X[same, 7] = X[same, 6]
    return X


def test_dependence_within_classes_is_found_and_nothing_else():
    X = dependent_items(400, np.random.default_rng(1))
    em = mx.fit_em(mx.BMM(2), X, n_init=4, random_seed=1)
    found = mx.bivariate_residuals(sample_about(em.spec, X, em), X, random_seed=1)
    worst = found.pairs[0]
    assert {worst.first, worst.second} == {"x6", "x7"}
    assert worst.p == 0
    assert min(pair.p for pair in found.pairs[1:]) > 0.05
    assert found.n_draws == 150


def test_a_model_that_holds_is_not_accused():
    rng = np.random.default_rng(5)
    z = rng.integers(2, size=300)
    X = (rng.random((300, 5)) < np.where(z[:, None], 0.8, 0.25)).astype(float)
    em = mx.fit_em(mx.BMM(2), X, n_init=4, random_seed=1)
    p = mx.bivariate_residuals(sample_about(em.spec, X, em), X, random_seed=1).to_frame()["p"]
    assert p.min() > 0.05
    assert 0.3 < p.mean() < 0.98


def test_p_is_the_share_of_replicates_that_are_as_far_off():
    """The same replicates, drawn here from the same seed, and counted pair by pair."""
    X = dependent_items(60, np.random.default_rng(2))[:, 5:]
    em = mx.fit_em(mx.BMM(2), X, n_init=2, random_seed=1)
    tree = sample_about(em.spec, X, em, n=12)
    found = mx.bivariate_residuals(tree, X, n_draws=12, random_seed=9).to_frame()
    rng = np.random.default_rng(9)
    far = np.zeros((3, 3))
    posterior = tree["posterior"].to_dataset()
    for s in range(12):
        params = {name: posterior[name].values[0, s] for name in ("alpha", "p")}
        rows = em.spec.sample(params, 60, rng)[0]
        p = np.stack([1 - params["p"], params["p"]], axis=-1)
        for i, j in combinations(range(3), 2):
            own, again = (x2_by_hand(params["alpha"], p, data, [2] * 3, i, j)[0] for data in (X, rows))
            far[i, j] += (again >= own) / 12
    alpha, ones = (posterior[name].values[0] for name in ("alpha", "p"))
    both = np.stack([1 - ones, ones], axis=-1)
    for i, j in combinations(range(3), 2):
        assert found.loc[(f"x{i}", f"x{j}"), "p"] == pytest.approx(far[i, j])
        x2, _ = x2_by_hand(alpha, both, X, [2] * 3, i, j)
        assert found.loc[(f"x{i}", f"x{j}"), "residual"] == pytest.approx(x2, rel=1e-10)


def test_an_item_of_one_level_is_associated_with_nothing():
    X = survey().assign(q1="all", q2=lambda frame: frame["q2"].where(frame["q0"] == "a"))
    em = mx.fit_em(mx.LCA(2), X, n_init=2, missing="integrate", random_seed=1)
    found = mx.bivariate_residuals(em, X, missing="integrate")
    codes = np.column_stack([X[name].astype("category").cat.codes for name in X]).astype(float)
    codes[codes < 0] = np.nan
    assert [{pair.first, pair.second} for pair in found.pairs] == [{"q2", "q3"}, {"q0", "q3"}]
    assert found.left_out == (("q0", "q1"), ("q0", "q2"), ("q1", "q2"), ("q1", "q3"))
    assert "without 4 pairs of which an item has one level" in repr(found)
    for pair in found.pairs:
        i, j = (list(X).index(name) for name in (pair.first, pair.second))
        x2, rows = x2_by_hand(em.params["alpha"], em.params["p"], codes, [2, 1, 2, 4], i, j)
        assert pair.residual == pytest.approx(x2 / 3, rel=1e-10)
        assert pair.n_rows == rows
    assert mx.bivariate_residuals(em, X.iloc[:1], missing="integrate").pairs == ()
    assert "of 0 pairs" in repr(mx.bivariate_residuals(em, X.iloc[:1], missing="integrate"))


def test_what_it_prints():
    X = (RNG.random((50, 8)) < 0.5).astype(float)
    em = mx.fit_em(mx.BMM(2), X, n_init=1, random_seed=1)
    found = mx.bivariate_residuals(em, X)
    assert "BivariateResiduals of 28 pairs" in repr(found)
    assert "and 16 more pairs" in repr(found)
    assert hash(found) == hash(mx.bivariate_residuals(em, X))


def test_refusals():
    X = mx.datasets.faithful()
    em = mx.fit_em(mx.GMM(2), X, n_init=1, random_seed=1)
    with pytest.raises(mx.InputError, match="no levels"):
        mx.bivariate_residuals(em, X)
    coins = mx.fit_em(mx.BMM(1), [[0.0], [1.0], [1.0]], random_seed=1)
    with pytest.raises(mx.InputError, match="one item"):
        mx.bivariate_residuals(coins, [[0.0], [1.0]])
    one = mx.fit_em(mx.BMM(1), [[0.0, 1], [1.0, 1], [1.0, 0]], random_seed=1)
    with pytest.raises(mx.InputError, match="n_draws"):
        mx.bivariate_residuals(one, [[0.0, 1]], n_draws=0)
