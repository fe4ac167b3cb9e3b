"""Prior and posterior predictive: draws by numba and by NumPy, and the checks that suit mixtures."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytest
from arviz_stats import ecdf_utils
from conftest import all_specs, simulate, spec_id
from matplotlib.colors import to_hex
from scipy import stats

import mixtures as mx
from mixtures import BMM, GMM, BernoulliMixture, GaussianMixture, InputError, InverseWishart, plot
from mixtures.data.reading import as_data
from mixtures.diagnostics.predictive import Comparison
from mixtures.distributions.conjugate_normal import ConjugateNormal
from mixtures.families.questions import marginals, summaries
from mixtures.plot.style import COLOURS, INK, REPLICATED
from mixtures.trees import draws_tree

pytestmark = pytest.mark.usefixtures("no_c_compiler")

FAST = {"mode": "FAST_COMPILE"}
FAITHFUL = mx.datasets.faithful()
COMPILED = [spec for spec in all_specs(2) if isinstance(spec, GMM | BMM)]  # others are drawn in object mode
SAME_CODE = ("GMM full", "GMM diag", "GMM spherical", "GMM tied_spherical")
"""Structures whose draws are made of the same compiled steps as those of another: see ``-m long``."""


# --- Draws by numba


ALPHA, MU, CHOL = (
    np.array([0.3, 0.0, 0.7]),
    np.array([[0.0, 0], [9, 9], [2, 1]]),
    np.linalg.cholesky([[[1, 0.8], [0.8, 2]], np.eye(2), [[3, -1], [-1, 1]]]),
)
BY_ROW = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
SCALES = np.array([[[2, 0.5], [0.5, 1]], [[1, -0.3], [-0.3, 4]]])
P = np.array([[0.9, 0.2], [0.5, 0.5], [0.1, 0.6]])

DRAWN = {
    "dense": lambda: GaussianMixture.dist(ALPHA, MU, chol=CHOL, size=(1, 2)),
    "dense, weights by row": lambda: GaussianMixture.dist(BY_ROW, MU, chol=CHOL),
    "dense, larger batch": lambda: GaussianMixture.dist(BY_ROW, MU, chol=CHOL, size=(2, 2)),
    "diagonal": lambda: GaussianMixture.dist(ALPHA, MU, sigma2=[[1, 2.0], [1, 1], [0.1, 3]], size=(2,)),
    "diagonal, weights by row": lambda: GaussianMixture.dist(BY_ROW, MU, sigma2=[1.0, 2, 3]),
    "Bernoulli": lambda: BernoulliMixture.dist(ALPHA, P, size=(2,)),
    "Bernoulli, weights by row": lambda: BernoulliMixture.dist(BY_ROW, P, size=(3, 2)),
    "means": lambda: ConjugateNormal.dist(np.array([1.0, -1]), CHOL, 0.5),
    "means, larger batch": lambda: ConjugateNormal.dist(np.array([1.0, -1]), CHOL, 4.0, size=(2, 3)),
    "inverse-Wishart": lambda: InverseWishart.dist(6.5, SCALES[0], size=2),
    "inverse-Wishart, scales by cluster": lambda: InverseWishart.dist(np.array([5.5, 9.0]), SCALES),
}


@pytest.mark.parametrize("case", DRAWN)
def test_draws_by_numba_are_distributed_as_those_by_numpy(case):
    """Every entry, and sums, differences and products of every two, by the Kolmogorov-Smirnov test."""
    rv = DRAWN[case]()
    numba, numpy = (
        pm.draw(rv, draws=4000, random_seed=seed, mode=mode)
        for seed, mode in ((1, "NUMBA"), (2, "FAST_COMPILE"))
    )
    assert numba.shape == numpy.shape
    assert numba.dtype == numpy.dtype
    a, b = (x.reshape(4000, -1).astype(float) for x in (numba, numpy))
    i, j = np.triu_indices(a.shape[1])
    a, b = (np.hstack([x[:, i] + x[:, j], x[:, i] - x[:, j], x[:, i] * x[:, j]]) for x in (a, b))
    p_values = stats.ks_2samp(a, b, axis=0, method="asymp").pvalue
    assert p_values.min() > 1e-3 / len(p_values)


def test_draws_by_numba_repeat_with_the_seed_and_may_be_none():
    rv = GaussianMixture.dist(ALPHA, MU, chol=CHOL, size=4)
    first, again, other = (pm.draw(rv, random_seed=seed, mode="NUMBA") for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert pm.draw(BernoulliMixture.dist(ALPHA, P, size=0), mode="NUMBA").shape == (0, 2)


def test_an_improper_inverse_wishart_is_refused_by_numba_too():
    with pytest.raises(ValueError, match="nu > D - 1"):
        pm.draw(InverseWishart.dist(1.0, np.eye(2)), mode="NUMBA")


def test_importing_the_package_does_not_import_numba():
    seen = "import sys, mixtures; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True).stdout == "False\n"


# --- Through PyMC


def point_draws(spec, params, n_draws=200, features=("x0", "x1")):
    """A sample that has not spread: the same parameters at every draw."""
    repeated = {name: np.repeat(np.asarray(x)[None, None], n_draws, axis=1) for name, x in params.items()}
    return draws_tree(repeated, spec.dims, features)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, marks=pytest.mark.long if spec_id(spec) in SAME_CODE else (), id=spec_id(spec))
        for spec in COMPILED
    ],
)
def test_predictive_draws_of_a_declared_model_come_through_pymc_without_a_warning(spec):
    """Warnings are errors here, numba's of its object mode among them."""
    params, X, _ = simulate(spec, 40)
    model = mx.declare(spec, X)
    tree = point_draws(spec, params)
    drawn = pm.sample_posterior_predictive(tree, model=model, random_seed=1, progressbar=False)
    x = drawn["posterior_predictive"]["x"]
    assert x.dims == ("chain", "draw", "obs_id", "feature")
    assert x.shape == (1, 200, 40, 2)
    expected, _ = spec.sample(params, 8000, np.random.default_rng(2))
    for mine, theirs in zip(x.values.reshape(-1, 2).T, expected.T, strict=True):
        assert stats.ks_2samp(mine, theirs).pvalue > 1e-4
    prior = pm.sample_prior_predictive(20, model=model, random_seed=1)
    assert set(prior["prior"].data_vars) == set(params)
    assert prior["prior_predictive"]["x"].shape == (1, 20, 40, 2)
    assert np.isfinite(prior["prior_predictive"]["x"]).all()


def test_a_flat_prior_cannot_be_drawn_from_and_pymc_says_so():
    model = mx.declare(GMM(2, prior=None), FAITHFUL)
    with pytest.raises(NotImplementedError, match="flat"):
        pm.sample_prior_predictive(5, model=model, random_seed=1, compile_kwargs=FAST)


# --- Statistics of replicated data


@pytest.fixture(scope="module")
def two():
    """Two clusters in Old Faithful: the model and its posterior."""
    spec = mx.resolve(GMM(2), FAITHFUL)
    return spec, mx.sample(spec, FAITHFUL, draws=200, chains=2, random_seed=1, progressbar=False)


def conjugate(X, prior, n_draws, seed=1):
    """One Gaussian cluster with independent features, its posterior drawn from its closed form."""
    rng, n, d = np.random.default_rng(seed), *X.shape
    kappa, nu = prior.kappa + n, prior.nu + n
    mean = (prior.kappa * prior.mean + X.sum(axis=0)) / kappa
    between = prior.kappa * n / kappa * (X.mean(axis=0) - prior.mean) ** 2
    psi = prior.psi + ((X - X.mean(axis=0)) ** 2).sum(axis=0) + between
    sigma2 = psi / rng.chisquare(nu, size=(1, n_draws, 1, d))
    mu = mean + np.sqrt(sigma2 / kappa) * rng.standard_normal(sigma2.shape)
    params = {"alpha": np.ones((1, n_draws, 1)), "mu": mu, "sigma2": sigma2}
    spec = GMM(1, covariance_type="diag", prior=prior)
    return spec, draws_tree(params, spec.dims, [f"x{i}" for i in range(d)])


@pytest.fixture(scope="module")
def one():
    """One cluster where there are two."""
    spec = mx.resolve(GMM(1, covariance_type="diag"), FAITHFUL)
    return conjugate(FAITHFUL.to_numpy(), spec.prior, 400)


@pytest.fixture(scope="module")
def items():
    """Items 0 and 1 nearly copies, the others independent; a posterior that has all independent."""
    rng = np.random.default_rng(3)
    X = (rng.random((400, 5)) < [0.5, 0.5, 0.2, 0.7, 0.9]).astype(float)
    X[:, 1] = np.where(rng.random(400) < 0.9, X[:, 0], X[:, 1])
    ones = X.sum(axis=0)
    p = rng.beta(2 + ones, 402 - ones, size=(1, 300, 1, 5))
    spec = BMM(1)
    return X, spec, draws_tree({"alpha": np.ones((1, 300, 1)), "p": p}, spec.dims, list("abcde"))


def test_statistics_are_scipys_and_pandas():
    found = summaries(mx.resolve(GMM(1), FAITHFUL).family, FAITHFUL.to_numpy())
    np.testing.assert_allclose(found["mean"], FAITHFUL.mean())
    np.testing.assert_allclose(found["sd"], FAITHFUL.std())
    np.testing.assert_allclose(found["skewness"], stats.skew(FAITHFUL))
    np.testing.assert_allclose(found["kurtosis"], stats.kurtosis(FAITHFUL))
    np.testing.assert_allclose(found["correlation"], FAITHFUL.corr())
    X = np.random.default_rng(0).integers(0, 2, size=(30, 3)).astype(float)
    items = summaries(BMM(2).family, X)
    assert items["co-occurrence"][0, 2] == np.mean((X[:, 0] == 1) & (X[:, 2] == 1))
    assert items["total score variance"] == pytest.approx(np.var(X.sum(axis=1), ddof=1))


def test_a_family_that_says_nothing_has_moments_and_no_margins():
    """What a family of one's own starts with; constant columns do not make NaN."""
    X = np.column_stack([np.ones(9), np.arange(9.0)])
    assert all(np.isfinite(x).all() for x in summaries(object(), X).values())
    assert marginals(object(), []) is None


def test_replicates_of_a_point_have_the_moments_of_the_model():
    """From a tree of one draw, as EM's is."""
    spec = BMM(2)
    params = {"alpha": np.array([0.3, 0.7]), "p": np.array([[0.9, 0.8, 0.5], [0.2, 0.3, 0.5]])}
    X, _ = spec.sample(params, 400, np.random.default_rng(1))
    tree = point_draws(spec, params, 1, ("x0", "x1", "x2"))
    table = mx.predictive_checks(spec, X, tree, random_seed=1)
    names = ["x0, x1", "x0, x2", "x1, x2"]
    expected = {
        **{f"mean[{f}]": m for f, m in zip(["x0", "x1", "x2"], params["alpha"] @ params["p"], strict=True)},
        **{
            f"co-occurrence[{name}]": params["alpha"] @ (params["p"][:, i] * params["p"][:, j])
            for name, (i, j) in zip(names, [(0, 1), (0, 2), (1, 2)], strict=True)
        },
    }
    assert list(table.index) == [*expected, "total score variance"]
    mean, error = np.array(list(expected.values())), 0.5 / np.sqrt(400 * 500)
    np.testing.assert_allclose(table["replicated"].iloc[:-1], mean, atol=5 * error)
    width = 2 * 1.96 * np.sqrt(mean * (1 - mean) / 400)
    np.testing.assert_allclose((table["upper"] - table["lower"]).iloc[:-1], width, rtol=0.2)
    assert table["p"].between(0.001, 0.999).all()
    again = mx.predictive_checks(spec, X, tree, random_seed=1)
    np.testing.assert_array_equal(table, again)


def test_p_counts_ties_half():
    comparison = Comparison(np.array([1.0, 5.0]), np.array([[0.0, 5], [1, 5], [2, 5], [3, 5]]))
    np.testing.assert_array_equal(comparison.p, [0.625, 0.5])


def test_shape_tells_that_a_cluster_is_missing(one, two):
    short, right = (mx.predictive_checks(s, FAITHFUL, tree, random_seed=1) for s, tree in (one, two))
    assert (short.loc[["kurtosis[eruptions]", "kurtosis[waiting]"], "p"] == 1).all()
    assert short.loc[["mean[waiting]", "sd[waiting]"], "p"].between(0.2, 0.8).all()
    assert right["p"].between(0.025, 0.975).all()


def test_co_occurrence_finds_the_pair_that_depends(items):
    X, spec, tree = items
    table = mx.predictive_checks(spec, X, tree, random_seed=1)
    outside = (table["observed"] < table["lower"]) | (table["observed"] > table["upper"])
    assert list(table.index[outside]) == ["co-occurrence[x0, x1]", "total score variance"]
    assert table.loc["co-occurrence[x0, x1]", "p"] == 0


# --- LOO-PIT


def test_loo_pit_is_the_exact_one_of_a_conjugate_model():
    """Without row i the prediction is Student's t (Gelman et al., BDA3, section 3.3)."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(25, 2)) * [1, 10] + [3, -20]
    prior = mx.priors.NormalInverseGamma(np.array([0.0, 0.0]), 0.5, 4.0, np.array([2.0, 90.0]))
    spec, tree = conjugate(X, prior, 8000)
    u = mx.loo_pit(spec, X, tree, n_draws=8000)
    assert u["pareto_k"].max() < 0.7
    for i in range(len(X)):
        rest = np.delete(X, i, axis=0)
        kappa, nu = prior.kappa + 24, prior.nu + 24
        mean = rest.sum(axis=0) / kappa
        between = prior.kappa * 24 / kappa * rest.mean(axis=0) ** 2
        psi = prior.psi + ((rest - rest.mean(axis=0)) ** 2).sum(axis=0) + between
        exact = stats.t.cdf(X[i], nu, mean, np.sqrt(psi / nu * (1 + 1 / kappa)))
        np.testing.assert_allclose(u["pit"].values[i], exact, atol=0.01)


def test_loo_pit_is_uniform_under_the_right_model_only(one, two):
    short, right = (mx.loo_pit(s, FAITHFUL, tree)["pit"].values for s, tree in (one, two))
    assert (stats.kstest(right, "uniform", axis=0).pvalue > 0.05).all()
    assert (stats.kstest(short, "uniform", axis=0).pvalue < 1e-4).all()


def test_loo_pit_goes_through_blocks_of_rows(two, monkeypatch):
    spec, tree = two
    whole = mx.loo_pit(spec, FAITHFUL, tree)
    monkeypatch.setattr("mixtures.diagnostics.loo_pit.BLOCK", 400 * 2 * 2 * 100)  # of 100 rows
    np.testing.assert_allclose(mx.loo_pit(spec, FAITHFUL, tree)["pit"], whole["pit"])


# --- Pictures


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_predictions_have_a_colour_that_no_cluster_has():
    assert REPLICATED not in COLOURS
    assert REPLICATED != INK


def test_densities_are_the_margins_of_the_mixture(two):
    """Against a sum of SciPy's normals over the diagonal of Sigma."""
    spec, tree = two
    axes = plot.predictive_density(spec, FAITHFUL, tree, n_draws=20)
    *each, mean = axes[1].lines
    assert len(each) == 20
    x = mean.get_xdata()
    draws = {name: v.values.reshape(400, *v.shape[2:]) for name, v in tree["posterior"].data_vars.items()}
    last = sum(
        draws["alpha"][-1, k] * stats.norm.pdf(x, draws["mu"][-1, k, 1], np.sqrt(draws["Sigma"][-1, k, 1, 1]))
        for k in range(2)
    )
    np.testing.assert_allclose(each[-1].get_ydata(), last)
    np.testing.assert_allclose(mean.get_ydata(), np.mean([line.get_ydata() for line in each], axis=0))
    assert sum(p.get_height() * p.get_width() for p in axes[1].patches) == pytest.approx(1)


def test_features_that_are_not_continuous_have_bars(items):
    X, spec, tree = items
    axes = plot.predictive_density(spec, X, tree, random_seed=1)
    assert len(axes) == 5
    for ax, mean in zip(axes, X.mean(axis=0), strict=True):
        assert [bar.get_height() for bar in ax.patches] == pytest.approx([1 - mean, mean])
        np.testing.assert_allclose(ax.lines[0].get_ydata(), [1 - mean, mean], atol=0.02)


def test_a_scatter_has_as_many_replicated_rows(two):
    spec, tree = two
    (ax,) = plot.predictive_scatter(spec, FAITHFUL, tree, random_seed=1)
    replicated, observed = (c.get_offsets() for c in ax.collections)
    np.testing.assert_array_equal(observed, FAITHFUL)
    assert replicated.shape == observed.shape
    assert len(np.unique(replicated, axis=0)) == 272
    colours = [to_hex(c.get_facecolor()[0]) for c in ax.collections]
    assert colours == [REPLICATED, INK]


def test_item_means_lie_in_their_intervals(items):
    X, spec, tree = items
    ax = plot.predictive_statistic(spec, X, tree, random_seed=1)
    assert ax.get_title() == "0 of 5 features outside their 95% interval"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), X.mean(axis=0))
    (intervals,) = ax.collections
    table = mx.predictive_checks(spec, X, tree, random_seed=1)
    ends = np.array([segment[:, 1] for segment in intervals.get_segments()])
    np.testing.assert_allclose(ends, table[["lower", "upper"]].iloc[:5])


def test_pairs_show_the_one_that_depends_and_mask_the_rest(items):
    X, spec, tree = items
    ax = plot.predictive_pairs(spec, X, tree, random_seed=1)
    assert ax.get_title() == "1 of 10 pairs outside their 95% interval"
    shown = np.ma.filled(ax.images[1].get_array(), np.nan)
    assert list(map(tuple, np.argwhere(np.isfinite(shown)))) == [(1, 0)]
    row = mx.predictive_checks(spec, X, tree, random_seed=1).loc["co-occurrence[x0, x1]"]
    assert shown[1, 0] == pytest.approx(row["observed"] - row["replicated"])
    assert len(ax.texts) == 10
    assert ax.texts[0].get_text() == "0.00"


def test_pit_curves_leave_the_band_where_a_cluster_is_missing(one, two):
    outside = []
    for spec, tree in (one, two):
        ax = plot.loo_pit(spec, FAITHFUL, tree)[1]
        curve = ax.lines[-1].get_xydata()
        u = mx.loo_pit(spec, FAITHFUL, tree)["pit"].values[:, 1]
        inner = curve[1:-1, 0]
        np.testing.assert_allclose(curve[1:-1, 1], ecdf_utils.compute_ecdf(u, inner) - inner)
        band = ax.collections[0].get_paths()[0].vertices
        low, high = ([pick(band[np.isclose(band[:, 0], x), 1]) for x in inner] for pick in (np.min, np.max))
        outside.append(((curve[1:-1, 1] < low) | (curve[1:-1, 1] > high)).mean())
    assert outside[0] > 0.3
    assert outside[1] == 0


def test_the_band_holds_uniform_samples_as_often_as_it_says():
    """At the points that the picture uses, not at every value."""
    rng, n = np.random.default_rng(0), 300
    inner = np.arange(1, 200) / 200
    pointwise = ecdf_utils.simulate_confidence_bands(n, 1, inner, 0.9, 1000, rng)
    low, high = ecdf_utils.get_pointwise_confidence_band(pointwise, n, inner)
    curves = [ecdf_utils.compute_ecdf(rng.random(n), inner) for _ in range(1000)]
    inside = np.mean([((low <= c) & (c <= high)).all() for c in curves])
    assert inside == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("features", "n_panels"), [(None, 12), (("x13", "x0"), 2)], ids=["the first 12", "those asked for"]
)
def test_pictures_of_many_features_and_few_rows(features, n_panels):
    X = np.random.default_rng(0).normal(size=(50, 14))
    spec = mx.resolve(GMM(1, covariance_type="diag"), X)
    spec, tree = conjugate(X, spec.prior, 30)
    axes = plot.predictive_density(spec, X, tree, features=features)
    assert len(axes) == n_panels
    assert len(axes[0].figure.axes) == n_panels
    assert axes[0].figure.get_supxlabel() == ("" if features else "the first 12 of 14 columns")
    assert len(plot.loo_pit(spec, X, tree, features=features, axes=plt.subplots(n_panels)[1])) == n_panels
    assert len(plot.predictive_scatter(spec, X, tree, features=features)) == (1 if features else 6)
    assert plot.predictive_pairs(spec, X, tree).get_title().endswith("of 91 pairs outside their 95% interval")


# --- What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, s, t: mx.loo_pit(s, X, t), "LOO-PIT is for continuous features; those of a BMM are not"),
        (lambda X, s, t: mx.loo_pit(s, X, t, n_draws=5), "needs 25 draws, got 5"),
        (lambda X, s, t: mx.predictive_checks(s, X, t, n_draws=0), "n_draws must be at least 1, got 0"),
        (lambda X, s, t: mx.predictive_checks(s, X, t, ci_prob=95), "ci_prob must lie between 0 and 1"),
        (lambda X, s, t: mx.predictive_checks(s, X[:, :2], t), "2 columns; the parameters are of 5"),
        (lambda X, s, t: mx.predictive_checks(s, as_data(X, np.ones(400)), t), "do not take weights"),
        (lambda X, s, t: plot.predictive_statistic(s, X, t, "skewness"), "no statistic 'skewness' of single"),
        (lambda X, s, t: plot.predictive_scatter(s, X, t, features=("x1",)), "a scatter needs two features"),
        (lambda X, s, t: plot.predictive_density(s, X, t, features=("x9",)), "no feature 'x9'"),
        (lambda X, s, t: plot.predictive_density(s, X, t, axes=plt.subplots()[1]), "axes must be 5, got 1"),
    ],
)
def test_what_cannot_be_checked_is_refused(items, call, message):
    with pytest.raises(InputError, match=message):
        call(*items)


def test_pairs_need_two_features():
    X = FAITHFUL[["waiting"]].to_numpy()
    spec, tree = conjugate(X, mx.resolve(GMM(1, covariance_type="diag"), X).prior, 30)
    with pytest.raises(InputError, match="pairs need two"):
        plot.predictive_pairs(spec, X, tree)
