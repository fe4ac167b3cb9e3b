"""Overlap of clusters and how typical rows are, against sums, SciPy's densities and simulated rows."""

import numpy as np
import pandas as pd
import pytest
from conftest import every_spec, simulate
from scipy import stats

import mixtures as mx
from mixtures.families.overlap import overlap
from mixtures.families.registry import resolve

FAITHFUL = mx.datasets.faithful()


@every_spec
def test_coefficient_is_the_integral_of_the_root_of_both_densities(spec):
    """Averaged over rows of the mixture f: the expectation of sqrt(f_j f_k) / f."""
    params, X, _ = simulate(spec, n_rows=20_000, apart=0.6)
    found = overlap(resolve(spec, X).family, {name: np.asarray(x)[None] for name, x in params.items()})[0]
    log_joint = resolve(spec, X).log_joint(params)(X.T)
    log_f = np.logaddexp.reduce(log_joint, axis=0)
    log_each = log_joint - np.log(params["alpha"])[:, None]
    ratio = np.exp((log_each[:, None] + log_each) / 2 - log_f)
    error = ratio.std(axis=-1) / np.sqrt(len(X))
    assert (np.abs(found - ratio.mean(axis=-1)) < 5 * error + 1e-12).all()
    np.testing.assert_allclose(np.diagonal(found), 1, rtol=1e-12)
    np.testing.assert_array_equal(found, found.T)


def test_coefficient_of_impossible_ones_and_of_mixed_columns():
    p = np.array([[[1.0, 0.5], [0.0, 0.5]]])
    assert overlap(mx.BMM(2, prior=None).family, {"p": p})[0].tolist() == [[1, 0], [0, 1]]
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"age": rng.normal(size=60), "n": rng.poisson(3, 60), "item": rng.integers(0, 2, 60)}
    )
    kinds = {"gaussian": ["age"], "poisson": ["n"], "bernoulli": ["item"]}
    em = mx.fit_em(mx.Mixed(2, **kinds), table, n_init=1, random_seed=1)
    mu, sd = em.params["mu"][:, 0], np.sqrt(em.params["Sigma"][:, 0, 0])
    x, n = np.linspace(-12, 12, 40_001), np.arange(200)
    normal = np.sqrt(stats.norm.pdf(x, mu[0], sd[0]) * stats.norm.pdf(x, mu[1], sd[1])).sum() * (x[1] - x[0])
    rate, one = em.params["rate"][:, 0], em.params["p"][:, 0]
    counts = np.sqrt(stats.poisson.pmf(n, rate[0]) * stats.poisson.pmf(n, rate[1])).sum()
    coins = np.sqrt(one.prod()) + np.sqrt((1 - one).prod())
    found = mx.describe(em).to_frame().query("figure == 'overlap'")
    np.testing.assert_allclose(found["value"], normal * counts * coins, rtol=1e-6)
    assert found["of"].tolist() == ["cluster 1", "cluster 0"]


def test_rows_are_ranked_by_probability_times_density_under_their_own_labels():
    X = FAITHFUL.set_axis([f"day {i}" for i in range(len(FAITHFUL))])
    em = mx.fit_em(mx.GMM(2), X, n_init=2, random_seed=1)
    found = mx.describe(em, X, names=["long", "short"], n_rows=4)
    density = np.column_stack(
        [
            stats.multivariate_normal(*own).pdf(X)
            for own in zip(em.params["mu"], em.params["Sigma"], strict=True)
        ]
    )
    r = em.params["alpha"] * density
    r /= r.sum(axis=1, keepdims=True)
    rows = found.rows_to_frame()
    for k, name in enumerate(["long", "short"]):
        score = pd.Series((r * density)[:, k], X.index)[r.argmax(axis=1) == k].sort_values()
        own = rows[rows["cluster"] == name].set_index("typical")
        assert own.loc["most", "row"].tolist() == score.index[::-1][:4].tolist()
        assert own.loc["least", "row"].tolist() == score.index[:4].tolist()
        at = X.index.get_indexer(own["row"])
        np.testing.assert_allclose(own["probability"], r[at, k], rtol=1e-9)
        np.testing.assert_allclose(own["log_density"], np.log(density[at, k]), rtol=1e-9)
        assert f"most typical rows {score.index[-1]}, " in str(found)
    assert mx.describe(em).rows == ()


def test_rows_with_missing_cells_are_not_ranked_and_no_row_twice():
    X = FAITHFUL.iloc[:40].astype(float).copy()
    X.iloc[:10, 0] = np.nan
    em = mx.fit_em(mx.GMM(2), X, missing="integrate", n_init=2, random_seed=1)
    rows = mx.describe(em, X, missing="integrate", n_rows=30).rows_to_frame()["row"].tolist()
    assert sorted(rows) == list(range(10, 40))
    with pytest.raises(mx.InputError, match="n_rows must be at least 1"):
        mx.describe(em, n_rows=0)
