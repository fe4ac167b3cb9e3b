"""Missing cells integrated out by EM, against densities and estimates that are known otherwise."""

from dataclasses import replace
from inspect import isfunction, signature
from itertools import combinations, cycle

import matplotlib.pyplot
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import every_spec, long, make_params, oracle, simulate, spec_id, tries
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import logsumexp

import mixtures as mx
from mixtures import BMM, GMM, PMM, InputError, em_step, fit_em, resolve, responsibilities
from mixtures.data.patterns import patterns_of, seen_in
from mixtures.data.reading import as_data
from mixtures.data.sources import as_rows
from mixtures.em.estep import e_step
from mixtures.trees import point_tree

NAN = np.nan


def with_holes(X, share=0.2, seed=0, *, empty=False):
    """Rows with cells missing completely at random; none loses all of its cells, but for one if asked."""
    rng = np.random.default_rng(seed)
    holes = rng.random(X.shape) < share
    holes[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    if empty:
        holes[len(X) // 2] = True
    return np.where(holes, NAN, X)


def marginal_log_joint(spec, X, params):
    """Log Pr(x_o, z = k), shape (K, n), by SciPy's density of the observed columns, pattern by pattern."""
    found, independent = np.zeros((spec.n_components, len(X))), oracle(spec)
    for seen in np.unique(~np.isnan(X), axis=0):
        rows = (~np.isnan(X) == seen).all(axis=1)
        if seen.any():
            clusters = independent.clusters(spec.family, spec.family.margin(params, np.flatnonzero(seen)))
            part = X[np.ix_(rows, seen)]
            found[:, rows] = [independent.log_density(one, part) for one in clusters]
    return found + np.log(params["alpha"])[:, None]


# The density


@every_spec
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_a_row_has_the_density_of_its_observed_cells(spec, n_features):
    params, X, _ = simulate(spec, n_features=n_features, n_rows=120)
    X = with_holes(X, empty=True)
    expected = marginal_log_joint(spec, X, params)
    np.testing.assert_allclose(spec.log_joint(params)(X.T), expected, rtol=1e-9, atol=1e-9)
    passed = e_step(spec, as_data(X, missing="integrate"), params)
    np.testing.assert_allclose(passed.log_likelihood, logsumexp(expected, axis=0).sum(), rtol=1e-12)


@every_spec
def test_responsibilities_come_from_the_observed_cells(spec):
    params, X, _ = simulate(spec, n_features=3, n_rows=60)
    X = with_holes(X, empty=True)
    found = responsibilities(spec, X, params, missing="integrate")["responsibilities"].values
    joint = marginal_log_joint(spec, X, params)
    np.testing.assert_allclose(found, np.exp(joint - logsumexp(joint, axis=0)).T, atol=1e-9)
    np.testing.assert_allclose(found[30], params["alpha"], rtol=1e-12)  # the row without a cell


# The E-step and the M-step


@pytest.mark.parametrize("structure", ["full", "tied"])
def test_the_statistics_of_missing_cells_are_their_conditional_moments(structure):
    spec = GMM(3, covariance_type=structure)
    params, X, _ = simulate(spec, n_features=4, n_rows=80)
    X = with_holes(X, 0.4, empty=True)
    r = np.random.default_rng(1).dirichlet(np.ones(3), size=len(X)).T
    Sigma = spec.family.covariance.matrices(params["Sigma"], 3, 4)
    count, first, second = np.zeros(3), np.zeros((3, 4)), np.zeros((3, 4, 4))
    for i, x in enumerate(X):
        m, o = np.flatnonzero(np.isnan(x)), np.flatnonzero(~np.isnan(x))
        for k in range(3):
            mu, S = params["mu"][k], Sigma[k]
            filled, V = x.copy(), np.zeros((4, 4))
            B = S[np.ix_(m, o)] @ np.linalg.inv(S[np.ix_(o, o)])
            filled[m] = mu[m] + B @ (x[o] - mu[o])
            V[np.ix_(m, m)] = S[np.ix_(m, m)] - B @ S[np.ix_(o, m)]
            count[k] += r[k, i]
            first[k] += r[k, i] * filled
            second[k] += r[k, i] * (np.outer(filled, filled) + V)
    found = spec.expect(params, X.T, r)
    mean = first / count[:, None]
    scatter = second - count[:, None, None] * mean[:, :, None] * mean[:, None, :]
    np.testing.assert_allclose(found.count, count, rtol=1e-12)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.scatter, scatter, rtol=1e-9, atol=1e-9)


@every_spec
def test_statistics_add(spec):
    params, X, _ = simulate(spec, n_features=3, n_rows=90)
    X = with_holes(X, 0.3)
    X[:30] = np.where(np.isnan(X[:30]), 0, X[:30])  # and some of the parts are complete
    spec = resolve(spec, X, missing="integrate")
    r = np.random.default_rng(1).dirichlet(np.ones(3), size=len(X)).T
    whole = spec.expect(params, X.T, r)
    parts = [spec.expect(params, X[i : i + 30].T, r[:, i : i + 30]) for i in (0, 30, 60)]
    together, apart = (spec.maximize(s) for s in (whole, parts[0] + parts[1] + parts[2]))
    for name in together:
        np.testing.assert_allclose(apart[name], together[name], rtol=1e-9, err_msg=name)


@every_spec
@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.6))
@tries(5)
def test_em_never_falls(spec, seed, share):
    _, X, _ = simulate(spec, n_features=3, n_rows=60, seed=seed)
    X = as_data(with_holes(X, share, seed), missing="integrate")
    spec = resolve(spec, X)
    params = make_params(spec, 3, seed + 1)
    heights = []
    for _ in range(8):
        heights.append(e_step(spec, X, params).log_likelihood + float(spec.log_prior(params)))
        params = em_step(spec, X, params)
    assert (np.diff(heights) > -1e-8 * np.abs(heights[0])).all()


@pytest.mark.parametrize("spec", [GMM(2), *long(GMM(2, covariance_type="diag")), BMM(2), PMM(2)], ids=spec_id)
def test_em_reaches_what_direct_maximisation_does(spec):
    """By SciPy's search over free coordinates on SciPy's densities, within 1e-6 sd of the complete data."""
    _, X, _ = simulate(spec, n_features=2, n_rows=100, seed=3)
    X = with_holes(X, 0.2, seed=3)
    em = fit_em(spec, X, missing="integrate", random_seed=1, n_init=2, tol=1e-9)
    spec, sizes = em.spec, em.spec.family.sizes(2, 2)
    counts = np.cumsum([each.free_count(sizes) for each in spec.parameters])[:-1]

    def params(u):
        parts = zip(spec.parameters, np.split(u, counts), strict=True)
        return {each.name: each.from_free(part, sizes) for each, part in parts}

    def minus(u):
        here = params(u)
        return float(-logsumexp(marginal_log_joint(spec, X, here), axis=0).sum() - spec.log_prior(here))

    def slope(u, step=1e-2):
        """Differences of the fourth order: those of the second are not good enough."""
        eye = step * np.eye(len(u))
        return np.array(
            [(8 * (minus(u + e) - minus(u - e)) - minus(u + 2 * e) + minus(u - 2 * e)) for e in eye]
        ) / (12 * step)

    known = np.concatenate([each.to_free(em.params[each.name]) for each in spec.parameters])
    start = known + 0.05 * np.random.default_rng(0).normal(size=known.size)
    found = optimize.minimize(minus, start, jac=slope, method="BFGS", options={"gtol": 1e-7}).x
    for _ in range(3):  # Newton's steps with fine differences, which the search cannot take
        curvature = np.array(
            [(slope(found + e) - slope(found - e)) / 2e-4 for e in 1e-4 * np.eye(len(found))]
        )
        found = found - np.linalg.solve(curvature, slope(found, 2e-3))
    apart = spec.step_length(params(found), em.params, len(X) * em.params["alpha"])
    assert apart < 1e-6


def test_one_gaussian_has_the_closed_form_of_a_monotone_pattern():
    """Anderson (1957): factor the likelihood into regressions, each on the rows that have its columns."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3)) @ np.array([[1, 0.6, 0.3], [0, 1, -0.5], [0, 0, 0.8]]) + [1, 5, -3]
    X[120:, 2], X[160:, 1] = NAN, NAN
    em = fit_em(GMM(1, prior=None), X, missing="integrate", random_seed=1, tol=1e-12, max_iter=100_000)
    mu, Sigma = X[:, :1].mean(axis=0), np.array([[X[:, 0].var()]])
    for d, n in ((1, 160), (2, 120)):
        before = np.column_stack([np.ones(n), X[:n, :d]])
        beta, *_ = np.linalg.lstsq(before, X[:n, d], rcond=None)
        left = ((X[:n, d] - before @ beta) ** 2).mean()
        cross = Sigma @ beta[1:]
        Sigma = np.block([[Sigma, cross[:, None]], [cross[None], left + beta[1:] @ cross]])
        mu = np.append(mu, beta[0] + beta[1:] @ mu)
    np.testing.assert_allclose(em.params["mu"][0], mu, rtol=1e-8)
    np.testing.assert_allclose(em.params["Sigma"][0], Sigma, rtol=1e-7)


# Sums over rows


@every_spec
def test_weights_are_repeated_rows(spec):
    _, X, _ = simulate(spec, n_features=3, n_rows=60)
    X = with_holes(X, 0.2)
    times = np.random.default_rng(0).integers(1, 4, len(X))
    spec = resolve(spec, np.repeat(X, times, axis=0), missing="integrate")
    start = make_params(spec, 3)
    kept = {"start": start, "missing": "integrate", "max_iter": 10_000}
    weighted = fit_em(spec, X, weights=times, **kept)
    repeated = fit_em(spec, np.repeat(X, times, axis=0), **kept)
    for name in spec.dims:
        np.testing.assert_allclose(weighted.params[name], repeated.params[name], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(weighted.log_likelihood, repeated.log_likelihood, rtol=1e-10)


@pytest.mark.parametrize("spec", [GMM(2), GMM(2, covariance_type="diag"), BMM(2), PMM(2)], ids=spec_id)
def test_chunks_are_the_rows_in_memory(spec, tmp_path):
    _, X, _ = simulate(spec, n_features=3, n_rows=200)
    X = with_holes(X, 0.2)
    X[:50] = np.where(np.isnan(X[:50]), 1, X[:50])  # the first chunk is complete
    kept = {"random_seed": 1, "n_init": 2, "missing": "integrate", "tol": 1e-9}
    whole = fit_em(spec, X, **kept)
    chunked = fit_em(spec, lambda: iter(np.split(X, 4)), **kept)
    np.save(tmp_path / "rows.npy", X)
    mapped = fit_em(spec, np.load(tmp_path / "rows.npy", mmap_mode="r"), **kept)
    for name in whole.params:
        np.testing.assert_allclose(chunked.params[name], whole.params[name], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(mapped.params[name], whole.params[name], rtol=1e-7, atol=1e-9)
    assert chunked.notes == whole.notes


@pytest.mark.parametrize("hard", [False, True])
@every_spec
def test_nothing_missing_gives_bit_for_bit_the_answer_without_the_option(spec, hard):
    _, X, _ = simulate(spec, n_features=2, n_rows=100)
    plain = fit_em(spec, X, random_seed=1, n_init=2, hard=hard)
    asked = fit_em(spec, X, random_seed=1, n_init=2, hard=hard, missing="integrate")
    for name in plain.params:
        np.testing.assert_array_equal(asked.params[name], plain.params[name])
    np.testing.assert_array_equal(asked.objective_trace, plain.objective_trace)
    assert asked.notes == plain.notes


def test_one_poisson_has_the_means_of_the_observed_cells():
    X = with_holes(np.random.default_rng(0).poisson([1, 5, 20], size=(80, 3)).astype(float))
    em = fit_em(PMM(1, prior=None), X, missing="integrate")
    np.testing.assert_allclose(em.params["rate"][0], np.nanmean(X, axis=0), rtol=1e-12)


def test_repeated_binary_rows_are_counted_once():
    X = with_holes(np.random.default_rng(0).integers(0, 2, (4000, 3)).astype(float), 0.2)
    data = as_data(X, missing="integrate").compressed
    assert data.n_rows <= 27
    assert data.has_missing
    assert data.total == 4000


# Odd shapes


@given(seed=st.integers(0, 1000), share=st.floats(0, 0.9), k=st.integers(1, 3))
@tries(10)
def test_any_pattern_can_be_fitted(seed, share, k):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)) + 3 * rng.integers(0, 2, (40, 1))
    X[4:] = np.where(rng.random((36, 3)) < share, NAN, X[4:])
    X[10], X[11] = NAN, [1, NAN, NAN]  # a row without a cell, and a row with one
    for spec in (GMM(k), GMM(k, covariance_type="spherical")):
        em = fit_em(spec, X, random_seed=1, n_init=1, missing="integrate", tol=1e-3)
        assert np.isfinite(em.log_posterior)
        assert any("no observed cell" in note for note in em.notes)


def test_hundreds_of_patterns():
    rng = np.random.default_rng(0)
    X = with_holes(rng.normal(size=(1200, 10)) + 4 * rng.integers(0, 2, (1200, 1)), 0.5)
    assert len(patterns_of(X)) > 500
    em = fit_em(GMM(2), X, random_seed=1, n_init=1, missing="integrate")
    np.testing.assert_allclose(np.sort(em.params["mu"].mean(axis=1)), [0, 4], atol=0.3)


# What is missing, and what is refused


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, None], [2.0, 3.0], [4.0, 4.0]],
        np.array([[1.0, NAN], [2.0, 3.0], [4.0, 4.0]]),
        pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": pd.array([pd.NA, 3, 4], dtype="Int64")}),
        pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [None, 3, 4]}),
        np.ma.array([[1, 9], [2, 3], [4, 4]], mask=[[0, 1], [0, 0], [0, 0]]),
    ],
    ids=["None", "NaN", "pandas.NA", "polars null", "mask"],
)
def test_all_that_counts_as_missing(X):
    data = as_data(X, missing="integrate")
    np.testing.assert_array_equal(np.isnan(data.values), [[False, True], [False, False], [False, False]])
    assert data.has_missing
    with pytest.raises(InputError, match=r'or pass missing="integrate"'):
        as_data(X)


def test_infinity_is_not_missing():
    with pytest.raises(InputError, match="infinite"):
        fit_em(GMM(1), [[1.0, NAN], [np.inf, 2.0], [3.0, 4.0]], missing="integrate")


def test_a_column_without_an_observed_cell_is_named():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [NAN] * 3})
    for spec in (GMM(1), GMM(1, covariance_type="diag")):
        with pytest.raises(InputError, match="column 'b' is without an observed cell"):
            fit_em(spec, X, missing="integrate")
    for spec in (BMM(1), PMM(1)):
        with pytest.raises(InputError, match="column 'b' is without an observed cell"):
            fit_em(spec, X.assign(a=[0, 1, 0]), missing="integrate")


def test_what_is_no_count_is_named_beside_missing_cells():
    X = [[1.0, NAN], [NAN, 2.5], [3.0, 4.0]]
    with pytest.raises(InputError, match="row 1, column 'x1': not a whole number"):
        fit_em(PMM(1), X, missing="integrate")


@pytest.mark.parametrize("structure", ["full", "tied"])
def test_columns_never_seen_together_are_named(structure):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"])
    X.loc[:19, "a"], X.loc[20:, "c"] = NAN, NAN
    with pytest.raises(InputError, match="columns 'a' and 'c' are never observed in the same row"):
        fit_em(GMM(2, covariance_type=structure), X, missing="integrate")
    assert fit_em(GMM(2, covariance_type="diag"), X, missing="integrate", random_seed=1).converged


def test_another_way_of_dealing_with_missing_cells_is_refused():
    with pytest.raises(InputError, match="missing is 'drop'; it can be 'integrate'"):
        fit_em(GMM(1), [[1.0], [2.0]], missing="drop")


def test_the_notes_count_what_is_missing():
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[0] = NAN
    X[1, 0] = NAN
    em = fit_em(GMM(1), X, missing="integrate", random_seed=1)
    assert em.notes[0].startswith("3 of 100 cells are missing (3%) and integrated out")
    assert "missing at random" in em.notes[0]
    assert em.notes[1].startswith("1 row has no observed cell")


def test_seen_adds_up_over_chunks():
    X = with_holes(np.random.default_rng(0).normal(size=(60, 3)), 0.3, empty=True)
    whole = seen_in(as_data(X, missing="integrate"))
    parts = seen_in(as_rows(np.split(X, 3), missing="integrate"))
    assert (whole.rows, whole.cells, whole.empty) == (parts.rows, parts.cells, parts.empty)
    np.testing.assert_array_equal(whole.together, parts.together)


@every_spec
def test_the_default_prior_and_units_are_those_of_one_cluster(spec):
    _, X, _ = simulate(spec, n_features=3, n_rows=150)
    X = with_holes(X, 0.2)
    data = as_data(X, missing="integrate")
    one = replace(spec, n_components=1, prior=None)
    em = fit_em(one, X, missing="integrate", tol=1e-10)
    for name, value in spec.family.single(data).items():
        np.testing.assert_allclose(value, em.params[name], rtol=1e-6, err_msg=name)


def test_identification_is_judged_on_the_patterns_seen():
    """Pairs of items tell four means and four loadings of two classes; nine parameters need triples."""
    spec = BMM(2)
    params = {"alpha": np.array([0.4, 0.6]), "p": np.array([[0.2, 0.3, 0.1, 0.25], [0.7, 0.8, 0.6, 0.9]])}
    X = np.random.default_rng(0).integers(0, 2, (60, 4)).astype(float)
    assert spec.family.unidentified(params, as_data(X)) == ""
    pairs = X.copy()
    for row, hidden in zip(pairs, cycle(combinations(range(4), 2)), strict=False):
        row[list(hidden)] = NAN
    seen = patterns_of(pairs).observed.sum(axis=1)
    assert (seen == 2).all()
    reason = spec.family.unidentified(params, as_data(pairs, missing="integrate"))
    assert "vary in only 8 directions, but the model has 9 parameters" in reason
    pairs[0] = X[0]  # a complete row may tell all
    assert spec.family.unidentified(params, as_data(pairs, missing="integrate")) == ""


def test_rounding_that_jumps_magnify_is_no_fall():
    """SQUAREM multiplied the asymmetry of a covariance's last digits until EM lost height."""
    rng = np.random.default_rng(0)
    X = mx.datasets.iris().select_dtypes("number").mask(rng.random((150, 4)) < 0.15)
    X.iloc[:60, 3] = np.nan
    em = mx.fit_em(mx.GMM(3), X, missing="integrate", n_init=2, random_seed=1)
    np.testing.assert_allclose(em.params["Sigma"], em.params["Sigma"].mT, rtol=1e-12)
    assert (np.diff(em.objective_trace) > -1e-9).all()


def test_a_start_that_is_symmetric_to_rounding_is_made_so():
    X = mx.datasets.faithful()
    start = mx.fit_em(mx.GMM(2), X, random_seed=1).params
    skew = start["Sigma"] + np.array([[0, 1e-9], [0, 0]])
    em = mx.fit_em(mx.GMM(2), X, start={**start, "Sigma": skew}, max_iter=1, tol=1e-30)
    assert abs(em.objective_trace[1] - em.objective_trace[0]) < 1e-9


ANY_CELLS = {"complete", "diagnose", "plot.missing_patterns", "plot.scatter", "save"}
"""What takes rows with missing cells unasked, since it fits nothing to them."""


def test_whatever_takes_rows_can_be_told_of_missing_cells():
    """The refusal of a missing cell names an option that is there."""
    found = {name: getattr(mx, name) for name in mx.__all__} | {
        f"plot.{name}": getattr(mx.plot, name) for name in mx.plot.__all__
    }
    doors = {name: signature(f).parameters for name, f in found.items() if isfunction(f)}
    assert {name for name, own in doors.items() if "X" in own and "missing" not in own} <= ANY_CELLS


def test_answers_about_rows_and_pictures_take_missing_cells_and_known_labels():
    z = np.arange(60) % 2
    X = with_holes(np.random.default_rng(0).normal(z[:, None] * [4.0, -3.0], 1.0), empty=True)
    labels = np.where(np.arange(60) < 9, z, -1)
    em = fit_em(GMM(2, covariance_type="diag"), X, missing="integrate", n_init=2, random_seed=1)
    r = responsibilities(em, X, missing="integrate")
    assert mx.lower_bound(em, X, q=r, missing="integrate") == pytest.approx(em.log_likelihood, rel=1e-12)
    tree, how = em.to_datatree(), {"missing": "integrate"}
    moved = mx.align(mx.align(tree, to="alpha", method="order"), em.params, "stephens", X=X, **how)
    np.testing.assert_array_equal(moved["posterior"]["mu"].values[0, 0], em.params["mu"])
    assert mx.plot.surface(em, X, over=("mu[0, x0]", "mu[1, x0]"), limits=((0, 1), (3, 4)), n_grid=2, **how)
    for draw in ("clusters", "responsibilities", "pairs", "predictive_density", "predictive_scatter"):
        getattr(mx.plot, draw)(em, X, labels=labels, **how)
    for draw in ("clusters", "responsibilities"):
        getattr(mx.plot, draw)(em, X, features=("x1",), **how)
    for draw in ("predictive_statistic", "predictive_pairs"):
        picture = getattr(mx.plot, draw)(em, X, labels=labels, n_draws=20, random_seed=1, **how)
        assert "outside their 95% interval" in picture.get_title()
    matplotlib.pyplot.close("all")


def test_replicates_in_a_picture_are_of_known_clusters_and_miss_the_same_cells():
    X = np.array([[NAN, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, NAN]] * 10)
    labels = np.arange(40) % 2
    spec = GMM(2, covariance_type="spherical", features=("x0", "x1"))
    params = {"alpha": [0.5, 0.5], "mu": [[-100.0] * 2, [100.0] * 2], "sigma2": [1.0, 1.0]}
    tree = point_tree(params, spec.dims, spec.features, spec.coords(spec.features))
    (ax,) = mx.plot.predictive_scatter(spec, X, tree, missing="integrate", labels=labels, random_seed=1)
    drawn = np.ma.filled(ax.collections[0].get_offsets(), NAN)
    np.testing.assert_array_equal(np.isnan(drawn).any(axis=1), np.isnan(X).any(axis=1))
    np.testing.assert_allclose(drawn[1::4], 100.0, atol=10)
    np.testing.assert_allclose(drawn[2::4], -100.0, atol=10)
    matplotlib.pyplot.close("all")
