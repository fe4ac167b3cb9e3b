"""Samples as ArviZ's checks and tables need them, in every model."""

import warnings

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixtures as mx
from mixtures import InputError
from mixtures.trees import draws_tree

FAITHFUL = mx.datasets.faithful()
RNG = np.random.default_rng(0)
Z = np.arange(60) % 2
COUNTS = pd.DataFrame({"visits": RNG.poisson(np.where(Z, 9, 2)), "calls": RNG.poisson(np.where(Z, 1, 6))})
ITEMS = pd.DataFrame(
    {
        "colour": np.where(RNG.random(60) < 0.8, np.where(Z, "red", "blue"), "green"),
        "smokes": np.where(RNG.random(60) < 0.8, np.where(Z, "yes", "no"), "no"),
        "drinks": np.where(RNG.random(60) < 0.8, np.where(Z, "yes", "no"), "no"),
    }
)
ONES = pd.DataFrame(
    (RNG.random((60, 3)) < np.where(Z, 0.8, 0.2)[:, None]).astype(int), columns=["a", "b", "c"]
)
HEIGHT = pd.Series(RNG.normal(np.where(Z, 3, -3), 1), name="height")
MODELS = {
    "GMM": (mx.GMM(2), FAITHFUL),
    "GMM tied": (mx.GMM(2, covariance_type="tied"), FAITHFUL),
    "GMM spherical": (mx.GMM(2, covariance_type="spherical"), FAITHFUL),
    "BMM": (mx.BMM(2), ONES),
    "LCA": (mx.LCA(2), ITEMS),
    "PMM": (mx.PMM(2), COUNTS),
    "Mixed": (
        mx.Mixed(2, gaussian=["height"], bernoulli=["a"], poisson=["calls"], categorical=["colour"]),
        pd.concat([HEIGHT, ONES, COUNTS, ITEMS], axis=1)[["height", "a", "calls", "colour"]],
    ),
}


def sample(spec, X, n_draws=20):
    """Draws about EM's fit: M-steps with the rows unevenly weighted, as in a weighted bootstrap."""
    em = mx.fit_em(spec, X, n_init=4, random_seed=1)
    values, r = em.spec.read(X).values.T, em.spec.responsibilities(X, em.params).T
    weights = np.random.default_rng(1).exponential(size=(2 * n_draws, len(X)))
    sets = [em.spec.maximize(em.spec.expect(em.params, values, r * w)) for w in weights]
    draws = {name: np.stack([one[name] for one in sets]) for name in em.spec.dims}
    draws = {name: x.reshape(2, n_draws, *x.shape[1:]) for name, x in draws.items()}
    features = em.spec.features
    return em.spec, draws_tree(draws, em.spec.dims, features, em.spec.coords(features))


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    spec, X = MODELS[request.param]
    spec, tree = sample(spec, X)
    return spec, X, tree, mx.extend(spec, X, tree, draws=100, random_seed=1)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def point(spec, tree, chain, draw):
    return {
        name: tree["posterior"][name].transpose("chain", "draw", *own).values[chain, draw]
        for name, own in spec.dims.items()
    }


def test_densities_are_those_of_the_model(case):
    spec, X, tree, extended = case
    one = point(spec, tree, 1, 3)
    np.testing.assert_allclose(
        extended["log_likelihood"]["x"].values[1, 3], spec.log_likelihood(X, one), rtol=1e-12
    )
    total = extended["log_prior"].to_dataset().to_dataarray().sum("variable").values[1, 3]
    assert total == pytest.approx(float(spec.log_prior(one)), rel=1e-12)
    np.testing.assert_array_equal(extended["observed_data"]["x"], spec.read(X).values)


def test_predictive_rows_are_distributed_as_the_model_says(case):
    """Each column, by the Kolmogorov-Smirnov test, against rows drawn anew."""
    spec, X, tree, extended = case
    mine = extended["posterior_predictive"]["x"].values[0, 5:10].reshape(-1, X.shape[1])
    rng = np.random.default_rng(3)
    theirs = np.concatenate([spec.sample(point(spec, tree, 0, i), len(X), rng)[0] for i in range(5, 10)])
    for a, b in zip(mine.T, theirs.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4
    prior = extended["prior"].to_dataset()
    assert dict(prior.sizes)["draw"] == 100
    np.testing.assert_allclose(prior["alpha"].sum("cluster"), 1)
    assert extended["prior_predictive"]["x"].shape == (1, 100, *X.shape)


def test_arviz_summarises_every_number_once(case):
    spec, X, _, extended = case
    table = az.summary(mx.for_summary(extended))
    assert table.index.is_unique
    assert not table.index.str.contains("Sigma|sigma2").any()
    if spec.dims.get("Sigma", ("",))[-1] == "feature_bis":
        each = 2 if spec.dims["Sigma"][0] == "cluster" else 1
        d = X.shape[1]
        assert table.index.str.startswith(("sd[", "corr[")).sum() == each * d * (d + 1) // 2
    if "category" in spec.dims.get("p", ()):
        levels = [f"{item}={level}" for item in ITEMS for level in sorted(set(ITEMS[item]))]
        assert [x for x in table.index if x.startswith("p[0")] == [f"p[0, {x}]" for x in levels]


@pytest.mark.parametrize("case", ["LCA"], indirect=True)
def test_arviz_takes_a_sample_as_it_is(case):
    """Levels that an item lacks are zeros in every draw, of which ArviZ has no ESS."""
    *_, extended = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = az.summary(extended)
        assert len(table) == sum(np.prod(x.shape[2:]) for x in extended["posterior"].data_vars.values())
        assert np.isfinite(table.loc[table["sd"].astype(float) > 0, "r_hat"].astype(float)).all()
        az.plot_convergence_dist(extended, var_names=["alpha", "p"])


@pytest.mark.parametrize("case", ["GMM", "LCA", "Mixed"], indirect=True)
def test_arviz_checks_every_column(case):
    _, X, _, extended = case
    columns = mx.by_column(extended)
    assert list(columns["posterior_predictive"].data_vars) == list(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ remarks on binary and discrete columns
        for plot in (az.plot_ppc_pit, az.plot_loo_pit, az.plot_ppc_interval, az.plot_ppc_dist):
            drawn = plot(columns)
            assert {str(x) for x in drawn.viz["plot"].data_vars} == set(X), plot.__name__
        az.plot_prior_posterior(mx.for_summary(extended), var_names=["alpha"])


def test_standard_deviations_and_correlations_are_those_of_numpy():
    _, tree = sample(*MODELS["GMM"])
    sigma = tree["posterior"]["Sigma"].values
    restated = mx.for_summary(tree)["posterior"]
    np.testing.assert_allclose(restated["sd"][1, 4, 0], np.sqrt(np.diag(sigma[1, 4, 0])), rtol=1e-12)
    d = np.diag(1 / np.sqrt(np.diag(sigma[1, 4, 1])))
    np.testing.assert_allclose(restated["corr"][1, 4, 1], [(d @ sigma[1, 4, 1] @ d)[1, 0]], rtol=1e-12)
    once = mx.for_summary(tree, sd=False)["posterior"]["Sigma"]
    assert once["entry"].values.tolist() == ["eruptions, eruptions", "waiting, eruptions", "waiting, waiting"]
    np.testing.assert_array_equal(once[1, 4, 0], sigma[1, 4, 0][np.tril_indices(2)])


def test_leaving_a_column_out_leaves_its_row_out():
    """ArviZ's LOO-PIT of predictive draws against the exact distribution functions of `loo_pit`."""
    spec, tree = sample(*MODELS["GMM"], n_draws=200)
    tree = mx.extend(
        spec, FAITHFUL, tree, ["posterior_predictive", "log_likelihood", "observed_data"], random_seed=1
    )
    theirs = az.loo_pit(mx.by_column(tree, "waiting"))["waiting"]
    mine = mx.loo_pit(spec, FAITHFUL, tree)["pit"].sel(feature="waiting")
    assert np.abs(theirs.values - mine.values).max() < 0.12  # 400 draws: 4 standard errors of a share
    assert np.corrcoef(theirs, mine)[0, 1] > 0.99


def test_rows_that_miss_a_column_are_left_out_of_its_checks():
    X = FAITHFUL.copy()
    X.loc[[3, 8], "waiting"] = np.nan
    spec, tree = sample(*MODELS["GMM"], n_draws=3)
    tree = mx.extend(spec, X, tree, missing="integrate", draws=5, random_seed=1)
    assert np.isfinite(tree["posterior_predictive"]["x"]).all()
    assert mx.by_column(tree, "eruptions")["observed_data"].sizes["obs_id"] == 272
    left = mx.by_column(tree)["log_likelihood"]["waiting"]
    assert left.sizes["obs_id"] == 270
    assert not {3, 8} & set(left["obs_id"].values.tolist())


def test_only_what_is_asked_for_is_made_and_nothing_is_lost():
    spec, tree = sample(*MODELS["GMM"], n_draws=3)
    new = mx.extend(spec, FAITHFUL, tree, "posterior_predictive", random_seed=1)
    assert set(new.children) == {"posterior", "posterior_predictive"}
    assert set(tree.children) == {"posterior"}
    again = mx.extend(spec, FAITHFUL, new, ["observed_data"])
    assert again["posterior_predictive"].to_dataset().identical(new["posterior_predictive"].to_dataset())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": "posterior_predictiv"}, "no group 'posterior_predictiv'.*posterior_predictive"),
        ({"spec": mx.GMM(2, prior=None), "groups": "prior"}, "prior=None is flat.*state a prior"),
        ({"spec": mx.GMM(3)}, "2 clusters, the model has n_components=3"),
        ({"draws": 0}, "draws"),
    ],
)
def test_what_cannot_be_made_is_refused(change, message):
    spec, tree = sample(*MODELS["GMM"], n_draws=2)
    with pytest.raises(InputError, match=message):
        mx.extend(**{"spec": spec, "X": FAITHFUL, "tree": tree, **change})


def test_rows_that_were_not_fitted_are_refused():
    """They would stand beside the fitted ones in groups of one tree."""
    X, labels = FAITHFUL[:60].to_numpy(), np.where(np.arange(60) < 9, np.arange(60) % 2, -1)
    spec, tree = sample(mx.GMM(2), FAITHFUL[:60], n_draws=2)
    tree = mx.extend(spec, X, tree, "observed_data")
    for rows, known, message in (
        (X + 1, None, "drawn from other rows: 60 of 60"),
        (X[::-1], None, "in another order"),
        (X[:50], None, "from 60 rows, and these are 50"),
        (X, labels, "drawn from other rows: 9 of 60"),
    ):
        for group in ("posterior_predictive", "log_likelihood", "prior_predictive", "observed_data"):
            with pytest.raises(InputError, match=f"{message}.*pass the rows that were fitted"):
                mx.extend(spec, rows, tree, group, labels=known, draws=5)
        assert "log_prior" in mx.extend(spec, rows, tree, ["log_prior"], labels=known).children
        told = "neither lp" if "order" in message else message  # in any order as many clusters hold rows
        with pytest.raises(InputError, match=told):
            mx.occupied_clusters(tree, spec, rows, labels=known)
    with pytest.raises(InputError, match="rows without weights"):
        mx.occupied_clusters(tree, spec, X, weights=np.full(60, 2))
    items, tree = sample(*MODELS["BMM"], n_draws=2)
    tree = mx.extend(items, ONES, tree, "observed_data")
    with pytest.warns(mx.DataWarning, match="the residuals are of other rows"):
        mx.bivariate_residuals(tree, ONES[[*"bca"]].set_axis([*"abc"], axis=1))


def test_views_of_other_trees_are_refused():
    _, tree = sample(*MODELS["GMM"], n_draws=2)
    with pytest.raises(InputError, match=r"no rows x in observed_data: mx.extend"):
        mx.by_column(tree)
    tree = mx.extend(mx.GMM(2), FAITHFUL, tree, "observed_data")
    with pytest.raises(InputError, match=r"no column 'wait'.*waiting"):
        mx.by_column(tree, "wait")
    del tree["posterior"]
    with pytest.raises(InputError, match="no group posterior"):
        mx.for_summary(tree)
