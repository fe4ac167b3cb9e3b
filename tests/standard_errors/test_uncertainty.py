"""Uncertainty side by side: each method against algebra or another route, and against one another."""

from dataclasses import replace
from itertools import pairwise

import arviz as az
import numpy as np
import pymc as pm
import pytest
from conftest import long, make_params, make_rows, simulate, specs_compiled
from scipy.special import logit, softmax
from scipy.stats import norm

import mixtures as mx
from mixtures import BMM, GMM, LCA, InputError, em_step, fit_em, uncertainty
from mixtures.data.reading import as_data
from mixtures.em.information import observed_information as em_information
from mixtures.errors import CollapseError
from mixtures.posterior.target import mixture_target
from mixtures.standard_errors import bootstrap as boot
from mixtures.standard_errors.information import observed_information
from mixtures.standard_errors.side_by_side import METHODS
from mixtures.standard_errors.simulation import simulated

FAITHFUL = mx.datasets.faithful()
SMALL = {"n_resamples": 20, "draws": 50, "tune": 100, "chains": 2, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def faithful():
    return uncertainty(GMM(2), FAITHFUL, **SMALL)


@pytest.fixture(scope="module")
def em():
    return fit_em(GMM(2), FAITHFUL, random_seed=1, tol=1e-9)


def information(spec, X, weights=None, start=None):
    """A fit and its observed information."""
    target = mixture_target(spec, X, weights)
    fit = fit_em(target.spec, target.data, n_init=4, random_seed=1, tol=1e-9, start=start)
    at = [ask(fit.params) for ask in (fit.spec.family.on_boundary, fit.spec.family.bound_coordinates)]
    return fit, observed_information(target.compiled, fit.spec.inside(fit.params), *at)


# The observed information, against Oakes (1999) from EM alone


class Free:
    """Parameters as one vector of free numbers: shares without their last, Sigma by its triangle."""

    def __init__(self, spec, params):
        self.spec, self.like = spec, params

    def _places(self, name):
        shape = self.like[name].shape
        if name == "alpha":
            return [(k,) for k in range(shape[0] - 1)]
        if self.spec.dims[name][-1:] == ("category",):
            return list(np.ndindex(*shape[:-1], shape[-1] - 1))
        symmetric = self.spec.dims[name][-2:] == ("feature", "feature_bis")
        return [i for i in np.ndindex(*shape) if not (symmetric and i[-1] > i[-2])]

    def vector(self, params):
        return np.array([params[name][i] for name in self.like for i in self._places(name)])

    def params(self, vector):
        values = iter(vector)
        made = {name: np.array(x) for name, x in self.like.items()}
        for name in self.like:
            for i in self._places(name):
                made[name][i] = next(values)
                if name not in ("alpha", "p") and self.spec.dims[name][-2:] == ("feature", "feature_bis"):
                    made[name][(*i[:-2], i[-1], i[-2])] = made[name][i]
            if name == "alpha" or self.spec.dims[name][-1:] == ("category",):
                made[name][..., -1] = 1 - made[name][..., :-1].sum(axis=-1)
        return made

    def everything(self, vector):
        """All entries, including those that the free ones determine."""
        return np.concatenate([np.ravel(x) for x in self.params(vector).values()])


def slopes(function, x, steps):
    columns = [(function(x + h) - function(x - h)) / (2 * np.abs(h).sum()) for h in np.diag(steps)]
    return np.array(columns).T


def oakes_sd(spec, X, params):
    """Sds from ``information = complete-data information (I - J)``, J the Jacobian of EM's map."""
    free = Free(spec, params)
    x = free.vector(params)
    steps = 1e-4 * (np.abs(x) + 0.1)
    r = softmax(spec.log_joint(params)(X.T), axis=0)

    def complete(vector):
        one = free.params(vector)
        return (r * spec.log_joint(one)(X.T)).sum() + spec.log_prior(one)

    def gradient(vector):
        return slopes(lambda v: np.atleast_1d(complete(v)), vector, 10 * steps)[0]

    J = slopes(lambda v: free.vector(em_step(spec, X, free.params(v))), x, steps)
    observed = -slopes(gradient, x, 10 * steps) @ (np.eye(x.size) - J)
    T = slopes(free.everything, x, steps)
    sds = np.sqrt(np.diagonal(T @ np.linalg.solve(observed, T.T)))
    ends = np.cumsum([x.size for x in params.values()])
    return {
        name: sds[first:last].reshape(params[name].shape)
        for name, (first, last) in zip(params, pairwise([0, *ends]), strict=True)
    }


@specs_compiled("GMM tied", n_components=2)
@pytest.mark.parametrize("prior", [*long("default"), None])
def test_information_is_that_of_oakes_and_that_of_em(spec, prior):
    n = 2000 if isinstance(spec, LCA) else 300  # with 300, p is too near to 0 for differences
    _, X, _ = simulate(spec, n, 5 if isinstance(spec, BMM | LCA) else 2, seed=3, apart=2.0)
    spec = replace(spec, prior=prior)
    fit, normal = information(spec, X)
    expected, by_em = oakes_sd(fit.spec, X, fit.params), em_information(fit.spec, X, fit.params).sd
    for name, sd in normal.sd.items():
        np.testing.assert_allclose(sd, expected[name], rtol=2e-3)
        np.testing.assert_allclose(sd, by_em[name], rtol=1e-6)


def test_information_of_one_gaussian_is_the_textbooks():
    X = make_rows(GMM(3), 200, 3)[0]
    n, (_, normal) = len(X), information(GMM(1, prior=None), X)
    S = np.cov(X.T, ddof=0)
    np.testing.assert_allclose(normal.sd["mu"][0], np.sqrt(np.diagonal(S) / n), rtol=1e-6)
    variance = (np.outer(np.diagonal(S), np.diagonal(S)) + S**2) / n
    np.testing.assert_allclose(normal.sd["Sigma"][0], np.sqrt(variance), rtol=1e-6)
    np.testing.assert_allclose(normal.sd["alpha"], 0, atol=1e-12)


def test_information_draws_have_its_covariance():
    _, normal = information(GMM(2), FAITHFUL)
    drawn = normal.sample(20_000, np.random.default_rng(1))
    for name, sd in normal.sd.items():
        np.testing.assert_allclose(drawn[name].std(axis=0), sd, rtol=0.03)
        assert (np.abs(drawn[name].mean(axis=0) - normal.value[name]) < 0.05 * sd).all()
    np.testing.assert_allclose(drawn["alpha"].sum(axis=1), 1)
    np.testing.assert_allclose(drawn["Sigma"], drawn["Sigma"].swapaxes(-1, -2), atol=1e-9)


@specs_compiled("BMM", n_components=2)
def test_weights_are_repeated_rows(spec):
    X, _ = make_rows(spec, 60, 5 if isinstance(spec, BMM | LCA) else 2, apart=5.0)
    counts = np.random.default_rng(0).integers(1, 4, 60)
    fit, once = information(mx.resolve(spec, X), X, counts)
    _, many = information(fit.spec, np.repeat(X, counts, axis=0), start=fit.params)
    for name, sd in once.sd.items():
        np.testing.assert_allclose(sd, many.sd[name], rtol=1e-5)


def test_probabilities_on_their_boundary_are_held():
    rng = np.random.default_rng(0)
    X = (rng.random((80, 3)) < [0.3, 1.1, 0.6]).astype(float)
    result = uncertainty(BMM(1, prior=None), X, methods=["information", "laplace"], **SMALL)
    p = X.mean(axis=0)
    sd = result.table["information"]
    assert np.isnan(sd["p[0, x1]"])
    for name, d in (("p[0, x0]", 0), ("p[0, x2]", 2)):
        assert sd[name] == pytest.approx(np.sqrt(p[d] * (1 - p[d]) / 80), rel=1e-6)
    assert result.table.loc["p[0, x1]", "laplace"] > 0  # Beta(81, 1) has a spread
    assert "information: 1 probabilities at 0 or 1 are held there and have no sd" in result.notes
    assert any(
        "prior=None: information and bootstraps are those of maximum likelihood" in n for n in result.notes
    )


def test_what_is_not_identified_has_no_sds():
    X = np.random.default_rng(0).integers(0, 2, (60, 1)).astype(float)
    result = uncertainty(BMM(2, prior=None), X, methods="information", **SMALL)
    assert result.table["information"].isna().all()
    assert result.trees == {}
    assert any("no sds, the log posterior at EM is flat or rising along" in note for note in result.notes)


def test_slopes_of_the_transform_are_its_derivatives():
    compiled = mixture_target(GMM(2), FAITHFUL).compiled
    params = make_params(GMM(2))
    x = compiled.unconstrain({**params, "mu": FAITHFUL.to_numpy()[:2]})
    found = compiled.constrain_slopes(x)
    for i, step in enumerate(1e-5 * np.eye(x.size)):
        ahead, behind = compiled.constrain(x + step), compiled.constrain(x - step)
        for name, slope in found.items():
            np.testing.assert_allclose(
                slope[..., i], (ahead[name] - behind[name]) / 2e-5, rtol=1e-5, atol=1e-6
            )


# Laplace


def test_laplace_is_normal_in_the_sampled_space_at_the_mode_there():
    """Beta(a, b) in logits: mode log(a / b), variance 1/a + 1/b; the MAP is (a - 1) / (a + b - 2)."""
    X = np.repeat([[1.0], [0.0]], [5, 35], axis=0)
    a, b = 5 + 2, 35 + 2
    result = uncertainty(BMM(1), X, methods=["laplace"], **SMALL | {"draws": 20_000})
    tree = result.trees["laplace"]
    drawn = logit(tree["posterior"]["p"].values.ravel())
    assert drawn.mean() == pytest.approx(np.log(a / b), abs=0.01)
    assert drawn.std() == pytest.approx(np.sqrt(1 / a + 1 / b), rel=0.02)
    assert tree.attrs["method"].startswith("Laplace approximation")
    assert "its mode is not the MAP" in tree.attrs["method"]
    assert result.table.loc["p[0, x0]", "EM"] == pytest.approx((a - 1) / (a + b - 2))
    low, high = result.intervals.loc["p[0, x0]", "laplace"]
    expected = 1 / (1 + np.exp(-np.log(a / b) - norm.ppf([0.025, 0.975]) * np.sqrt(1 / a + 1 / b)))
    assert [low, high] == pytest.approx(expected, rel=0.03)


# The bootstraps


@pytest.mark.parametrize("counted", [False, True])
def test_bootstraps_of_one_coin_have_the_sds_of_algebra(counted):
    """p = (heads + 1) / (n + 2): binomial heads, or a Dirichlet's share of them."""
    n, ones = 40, 12
    p = (ones + 1) / (n + 2)
    rows = np.repeat([[1.0], [0.0]], [ones, n - ones], axis=0)
    X, w = ([[1.0], [0.0]], [ones, n - ones]) if counted else (rows, None)
    data = as_data(X, w)
    fit = fit_em(BMM(1), data, random_seed=1)
    expected = {
        simulated: np.sqrt(n * p * (1 - p)) / (n + 2),
        boot.weighted: n / (n + 2) * np.sqrt(ones / n * (1 - ones / n) / (n + 1)),
    }
    for how, sd in expected.items():
        made = boot.bootstrap(fit, data, how(fit, data), 1500, np.random.default_rng(1))
        assert made.tree["posterior"]["p"].values.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * 1500))
        assert (made.collapsed, made.unfinished, made.notes) == (0, 0, ())


def test_replicates_are_fits_of_their_data(em):
    """The same as `fit_em` on each, started at the fit."""
    data = as_data(FAITHFUL)
    for how in (simulated, boot.weighted):
        resample = how(em, data)
        made = boot.bootstrap(em, data, resample, 3, np.random.default_rng(5)).tree["posterior"]
        rng = np.random.default_rng(5)
        for s in range(3):
            one = fit_em(em.spec, resample(rng), start=em.params)
            for name, x in one.params.items():
                np.testing.assert_allclose(made[name].values[0, s], x, rtol=1e-2)


def test_weights_of_a_replicate_are_n_times_a_dirichlet():
    data = as_data(FAITHFUL.iloc[:50])
    resample, rng = boot.weighted(None, data), np.random.default_rng(0)
    weights = np.array([resample(rng).weights for _ in range(4000)])
    np.testing.assert_allclose(weights.sum(axis=1), 50)
    assert weights.mean() == pytest.approx(1)
    assert weights.var(axis=0).mean() == pytest.approx(49 / 51, rel=0.03)  # n^2 (n - 1) / (n^2 (n + 1))


def test_the_prior_is_not_resolved_again(em, monkeypatch):
    def resolve(*_):
        raise AssertionError("resolved again")

    data = as_data(FAITHFUL)
    monkeypatch.setattr("mixtures.families.gaussian.Gaussian.resolve", resolve)
    for how in (simulated, boot.weighted):
        boot.bootstrap(em, data, how(em, data), 2, np.random.default_rng(1))


def test_replicates_are_aligned_to_the_fit(em, monkeypatch):
    ascend, flips, data = boot.ascend, np.random.default_rng(0), as_data(FAITHFUL)
    plain = boot.bootstrap(em, data, boot.weighted(em, data), 12, np.random.default_rng(1)).tree["posterior"]

    def flipped(*args, **kwargs):
        run = ascend(*args, **kwargs)
        return replace(run, params=em.spec.relabel(run.params, flips.permutation(2)))

    monkeypatch.setattr(boot, "ascend", flipped)
    made = boot.bootstrap(em, data, boot.weighted(em, data), 12, np.random.default_rng(1)).tree
    assert len(np.unique(made["sample_stats"]["permutation"].values[..., 0])) == 2
    for name in em.params:
        np.testing.assert_array_equal(made["posterior"][name], plain[name])


def test_collapsed_replicates_are_counted_and_left_out(em, monkeypatch):
    ascend, calls = boot.ascend, []

    def fragile(problem, *args, **kwargs):
        calls.append(problem)
        if len(calls) % 4 == 0:
            raise CollapseError("collapsed", em.params, [])
        return replace(ascend(problem, *args, **kwargs), converged=len(calls) % 4 != 1)

    monkeypatch.setattr(boot, "ascend", fragile)
    data = as_data(FAITHFUL)
    made = boot.bootstrap(em, data, simulated(em, data), 20, np.random.default_rng(1))
    assert (made.collapsed, made.unfinished, made.tree["posterior"].sizes["draw"]) == (5, 5, 15)
    assert "5 of 20 replicates collapsed" in made.notes[0]
    assert "5 of 20 replicates did not converge" in made.notes[1]

    def hopeless(*_, **__):
        raise CollapseError("collapsed", em.params, [])

    monkeypatch.setattr(boot, "ascend", hopeless)
    result = uncertainty(em.spec, FAITHFUL, em=em, methods=["bootstrap"], **SMALL)
    assert result.table["bootstrap"].isna().all()
    assert "bootstrap: 20 of 20 replicates collapsed" in result.notes[0]


# Side by side


def test_the_table_has_a_row_for_every_parameter_and_a_column_for_every_method(faithful):
    table, spec = faithful.table, faithful.em.spec
    assert list(table.columns) == ["EM", *METHODS]
    assert len(table) == 2 + 4 + 6
    assert table.loc["Sigma[1, waiting, eruptions]", "EM"] == faithful.em.params["Sigma"][1, 1, 0]
    assert list(faithful.trees) == list(METHODS)
    for name, tree in faithful.trees.items():
        assert tree.attrs["method"]
        posterior = tree["posterior"]
        for parameter, dims in spec.dims.items():
            assert posterior[parameter].dims == ("chain", "draw", *dims)
        drawn = posterior["mu"].sel(cluster=1, feature="waiting").values
        row = faithful.intervals.loc["mu[1, waiting]", name]
        if name == "information":
            half = norm.ppf(0.975) * table.loc["mu[1, waiting]", name]
            assert row.tolist() == pytest.approx([faithful.em.params["mu"][1, 1] + s * half for s in (-1, 1)])
            label = "Sigma[1, waiting, waiting]"
            factor = np.exp(norm.ppf(0.975) * table.loc[label, name] / table.loc[label, "EM"])
            ends = faithful.intervals.loc[label, name].tolist()
            assert ends == pytest.approx([table.loc[label, "EM"] * x for x in (1 / factor, factor)])
        else:
            assert table.loc["mu[1, waiting]", name] == pytest.approx(drawn.std(ddof=1))
            assert row.tolist() == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert faithful.trees["bootstrap"]["posterior"].sizes["draw"] == 20
    assert any(note.startswith("sds differ most for ") for note in faithful.notes)
    assert len(az.summary(faithful.trees["laplace"], var_names=["mu"])) == 4


def test_a_method_does_not_depend_on_the_others_asked_for(faithful):
    alone = uncertainty(GMM(2), FAITHFUL, methods="weighted, laplace", **SMALL)
    assert list(alone.table.columns) == ["EM", "laplace", "weighted"]
    np.testing.assert_array_equal(alone.table, faithful.table[alone.table.columns])


def test_a_fit_and_a_sample_can_be_brought_along(faithful, em):
    swapped = mx.align(faithful.trees["nuts"], to=em.spec.relabel(em.params, [1, 0]))
    result = uncertainty(em.spec, FAITHFUL, em=em, posterior=swapped, methods=["nuts"], **SMALL)
    np.testing.assert_allclose(result.table["nuts"], faithful.table["nuts"])
    assert result.em is em


def test_without_a_prior_there_is_no_posterior_of_a_gaussian_mixture():
    result = uncertainty(GMM(2, prior=None), FAITHFUL, **SMALL)
    assert result.table[["laplace", "nuts"]].isna().all(axis=None)
    assert (result.table[["information", "bootstrap", "weighted"]] > 0).all(axis=None)
    assert set(result.trees) == {"information", "bootstrap", "weighted"}
    for name in ("laplace", "nuts"):
        assert any(
            note.startswith(f"{name}: prior=None leaves the posterior improper") for note in result.notes
        )


FAR = {"alpha": [0.6, 0.4], "mu": [[0.0, 0.0], [6.0, 6.0]], "sigma2": [[1.0, 2.0], [2.0, 1.0]]}
APART = {"alpha": [0.6, 0.4], "p": np.linspace([0.1, 0.9], [0.3, 0.7], 8).T}


@pytest.mark.parametrize(
    ("spec", "truth"),
    [
        pytest.param(GMM(2, covariance_type="diag"), FAR, marks=pytest.mark.long, id="GMM"),
        pytest.param(BMM(2), APART, id="BMM"),
    ],
)
def test_where_data_are_many_and_clear_the_methods_agree(spec, truth):
    """The full size is a benchmark; 300 replicates leave 4 % of noise in an sd, 16 % are four of it."""
    X, _ = spec.sample({name: np.array(x) for name, x in truth.items()}, 3000, np.random.default_rng(4))
    options = {"n_resamples": 300, "draws": 500, "chains": 4, "random_seed": 2, "progressbar": False}
    result = uncertainty(spec, X, methods=["information", "laplace", "bootstrap", "nuts"], **options)
    ratios = result.table.div(result.table["information"], axis=0)
    np.testing.assert_allclose(ratios["laplace"], 1, atol=0.08)
    np.testing.assert_allclose(ratios["nuts"], 1, atol=0.12)
    np.testing.assert_allclose(ratios["bootstrap"], 1, atol=0.16)


def test_an_unfinished_em_is_named():
    fit = fit_em(GMM(3), FAITHFUL, random_seed=1, n_init=1, max_iter=2)
    result = uncertainty(fit.spec, FAITHFUL, em=fit, methods=["weighted"], **SMALL)
    assert any("EM did not converge" in note for note in result.notes)


def test_crosscheck_puts_them_beside_its_own():
    options = {"n_init": 2, "draws": 50, "tune": 100, "chains": 2, "random_seed": 1, "progressbar": False}
    cc = mx.crosscheck(GMM(2), FAITHFUL, uncertainty=["information", "nuts"], **options)
    assert list(cc.uncertainty.table.columns) == ["EM", "information", "nuts"]
    sd = cc.table["sd"]
    np.testing.assert_allclose(cc.uncertainty.table["nuts"][sd.index], sd)
    assert cc.uncertainty.em is cc.em


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["botstrap"]}, "'botstrap' .did you mean 'bootstrap'.. is not one of all, information"),
        ({"methods": []}, "methods is empty"),
        ({"n_resamples": 1}, "n_resamples must be at least 2"),
        ({"ci_prob": 1.0}, "ci_prob must lie between 0 and 1"),
        ({"sampler": "gibbs"}, "sampler 'gibbs'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_compiled(options, message, monkeypatch):
    monkeypatch.setattr("mixtures.density.compiled.compile_graph", None)
    with pytest.raises(InputError, match=message):
        uncertainty(GMM(2), FAITHFUL, **SMALL | options)


def test_other_models_are_refused(em):
    with pytest.raises(InputError, match="em is a fit of another model"):
        uncertainty(GMM(3), FAITHFUL, em=em, **SMALL)
    with pm.Model() as model:
        pm.Normal("m")
    with pytest.raises(InputError, match="uncertainty needs a model such as GMM"):
        uncertainty(model, None, **SMALL)
    with pytest.raises(InputError, match="uncertainty needs a model such as GMM"):
        mx.crosscheck(model, uncertainty="all")


@pytest.mark.parametrize(
    ("spec", "rows", "weights"),
    [(BMM(2, prior=None), 40, None), (BMM(2), 30, None), (BMM(2), 40, np.full(40, 2.0))],
    ids=["prior", "rows", "weights"],
)
def test_a_fit_of_other_data_or_another_prior_is_refused(spec, rows, weights):
    X = (np.random.default_rng(0).random((40, 3)) < 0.4).astype(int)
    em = fit_em(BMM(2), X, n_init=2, random_seed=0)
    with pytest.raises(InputError, match="em is a fit of other data or with another prior"):
        uncertainty(spec, X[:rows], weights=weights, em=em, methods="information")


@pytest.mark.parametrize("how", [{"hold": {"alpha": [0.9, 0.1]}}, {"hard": True}], ids=["hold", "hard"])
def test_a_fit_that_ended_beside_a_mode_is_refused(how):
    X = np.random.default_rng(0).normal([[0.0], [1.5]], size=(2, 40)).ravel()[:, None]
    em = fit_em(mx.GMM(2), X, n_init=2, random_seed=0, **how)
    assert em.converged
    with pytest.raises(InputError, match="em is not at a mode of the model"):
        uncertainty(mx.GMM(2), X, em=em, methods="information")


def test_methods_that_are_no_names_are_refused():
    with pytest.raises(InputError, match="methods is a NoneType; it must be names"):
        uncertainty(BMM(2), [[0, 1], [1, 0]], methods=None)
