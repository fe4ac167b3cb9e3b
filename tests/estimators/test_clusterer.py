"""The estimators of scikit-learn: its own checks, and the fit behind them."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import mixtures as mx

FAITHFUL = mx.datasets.faithful()
DEPENDENT = {
    "check_sample_weight_equivalence_on_dense_data": "it has 30 columns in 15 rows: a covariance matrix "
    "of them is singular, which is refused without a stated prior",
}
"""Checks of scikit-learn that fail for a full covariance matrix, with reasons."""

SPECS = [
    *mx.GMM.variants(),
    mx.BMM(1),
    mx.PMM(1),
    mx.LCA(1),
]


def rows_of(spec, n=200):
    """Rows that a model can be fitted to, from two clusters."""
    rng = np.random.default_rng(0)
    second = rng.random((n, 1)) < 0.4
    if isinstance(spec, mx.PMM):
        return rng.poisson(np.where(second, [9.0, 1.0, 4.0], [1.0, 6.0, 4.0]))
    if isinstance(spec, mx.GMM):
        return rng.normal(np.where(second, [3.0, -1.0, 5.0], 0.0))
    return (rng.random((n, 4)) < np.where(second, 0.9, [0.2, 0.1, 0.3, 0.2])).astype(int)


def fitted(spec, **options):
    return mx.MixtureClusterer(mx.MixtureClusterer(spec).set_params(spec__n_components=2).spec, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("covariance_type", "k", "n_init", "failing"),
    [
        ("diag", 2, 10, {}),
        # of few starts, repeated rows see others
        pytest.param("full", 3, 4, DEPENDENT, marks=pytest.mark.long),
    ],
    ids=["diag", "full"],
)
def test_scikit_learns_own_checks(covariance_type, k, n_init, failing):
    clusterer = mx.MixtureClusterer(mx.GMM(k, covariance_type=covariance_type), n_init=n_init)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(clusterer, expected_failed_checks=failing, on_fail=None, on_skip=None)
    ends = {each["check_name"]: each["status"] for each in found}
    assert {name for name, status in ends.items() if status == "xfail"} == set(failing)
    assert {name for name, status in ends.items() if status == "failed"} == set()
    assert sum(status == "passed" for status in ends.values()) > 40


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: repr(spec)[:70])
def test_it_is_the_fit_of_fit_em(spec):
    X = rows_of(spec)
    clusterer = fitted(spec, random_state=3, n_init=4)
    em = mx.fit_em(clusterer.spec, X, n_init=4, random_seed=3)
    labels = clusterer.fit_predict(X)
    for name, value in em.params.items():
        np.testing.assert_array_equal(clusterer.em_.params[name], value)
    assert clusterer.em_.log_likelihood == em.log_likelihood
    own = mx.responsibilities(em.spec, X, em.params)
    np.testing.assert_allclose(clusterer.predict_proba(X), own["responsibilities"], rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(labels, own["label"])
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    np.testing.assert_allclose(clusterer.score_samples(X).sum(), em.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(clusterer.score(X), em.log_likelihood / len(X), rtol=1e-12)


def test_criteria_are_those_of_select():
    selection = mx.select(mx.GMM(2), FAITHFUL, [2], n_init=3, random_seed=1, progressbar=False)
    clusterer = mx.MixtureClusterer(mx.GMM(2), n_init=3, random_state=1).fit(FAITHFUL)
    assert clusterer.bic(FAITHFUL) == pytest.approx(selection.table["bic"][2], rel=1e-8)
    assert clusterer.aic(FAITHFUL) == pytest.approx(selection.table["aic"][2], rel=1e-8)


def test_a_weight_is_a_number_of_rows():
    weights = np.arange(len(FAITHFUL)) % 3
    options = {"random_state": 1, "n_init": 4}
    weighted = mx.MixtureClusterer(mx.GMM(2), **options).fit(FAITHFUL, sample_weight=weights)
    repeated = mx.MixtureClusterer(mx.GMM(2), **options).fit(FAITHFUL.loc[FAITHFUL.index.repeat(weights)])
    np.testing.assert_allclose(weighted.em_.params["mu"], repeated.em_.params["mu"], rtol=1e-5)
    assert weighted.score(FAITHFUL, sample_weight=weights) == pytest.approx(
        weighted.em_.log_likelihood / weights.sum()
    )
    shuffled = pd.Series(weights, index=FAITHFUL.index[::-1])  # by position, as everywhere in scikit-learn
    again = mx.MixtureClusterer(mx.GMM(2), **options).fit(FAITHFUL, sample_weight=shuffled)
    np.testing.assert_array_equal(again.em_.params["mu"], weighted.em_.params["mu"])


def test_the_models_parameters_are_the_estimators():
    clusterer = mx.MixtureClusterer(mx.GMM(2), n_init=3)
    assert "spec__n_components" not in clusterer.get_params(deep=False)
    params = clusterer.get_params()
    assert (params["spec__n_components"], params["spec__covariance_type"]) == (2, "full")
    before = clusterer.spec
    assert clusterer.set_params(spec__n_components=4, spec__covariance_type="diag", n_init=5) is clusterer
    assert clusterer.spec == mx.GMM(4, covariance_type="diag")
    assert clusterer.n_init == 5
    assert before == mx.GMM(2)
    clusterer.set_params(spec=mx.BMM(3), spec__n_components=7)  # the new model's
    assert clusterer.spec == mx.BMM(7)
    with pytest.raises(mx.InputError, match=r"spec__covariance_type is not a parameter of BMM.*spec__prior"):
        clusterer.set_params(spec__covariance_type="full")
    with pytest.raises(mx.InputError, match="n_components must be at least 1"):
        clusterer.set_params(spec__n_components=0)
    with pytest.raises(ValueError, match="Invalid parameter 'clusters'"):
        clusterer.set_params(clusters=3)


def test_a_clone_is_the_same_and_not_fitted():
    clusterer = mx.MixtureClusterer(mx.GMM(2, covariance_type="tied"), n_init=3, random_state=1).fit(FAITHFUL)
    copy = clone(clusterer)
    assert copy.get_params() == clusterer.get_params()
    assert not hasattr(copy, "em_")
    np.testing.assert_array_equal(copy.fit(FAITHFUL).labels_, clusterer.labels_)
    again = pickle.loads(pickle.dumps(clusterer))
    np.testing.assert_array_equal(again.predict(FAITHFUL), clusterer.labels_)


def test_a_search_in_a_pipeline_finds_the_clusters():
    """The default prior of GMM(3) and the held-out likelihood leave the two clusters of Old Faithful."""
    pipeline = make_pipeline(StandardScaler(), mx.MixtureClusterer(mx.GMM(1), n_init=2, random_state=1))
    grid = {
        "mixtureclusterer__spec__n_components": [1, 2],
        "mixtureclusterer__spec__covariance_type": ["full", "tied", "spherical"],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(FAITHFUL)
    assert search.best_params_["mixtureclusterer__spec__n_components"] == 2
    assert search.best_estimator_[-1].spec.n_components == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.predict(FAITHFUL)) == {0, 1}
    own = cross_val_score(mx.MixtureClusterer(mx.GMM(2), n_init=2, random_state=1), FAITHFUL, cv=3)
    assert own.shape == (3,)


def test_draws_are_of_the_fit():
    clusterer = mx.MixtureClusterer(mx.GMM(2), n_init=3, random_state=1).fit(FAITHFUL)
    X, labels = clusterer.sample(4000)
    assert X.shape == (4000, 2)
    params = clusterer.em_.params
    np.testing.assert_allclose(np.bincount(labels) / 4000, params["alpha"], atol=0.03)
    for k in range(2):
        np.testing.assert_allclose(X[labels == k].mean(axis=0), params["mu"][k], rtol=0.02)
    np.testing.assert_array_equal(clusterer.sample(5)[0], clusterer.sample(5)[0])
    clusterer.set_params(random_state=np.random.RandomState(0))
    assert (clusterer.sample(5)[0] != clusterer.sample(5)[0]).any()
    with pytest.raises(mx.InputError, match="n_samples must be at least 1"):
        clusterer.sample(0)


def test_missing_cells_are_integrated_out_if_asked():
    X = FAITHFUL.copy()
    X.iloc[::9, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        mx.MixtureClusterer(mx.GMM(2)).fit(X)
    clusterer = mx.MixtureClusterer(mx.GMM(2), missing="integrate", n_init=3, random_state=1).fit(X)
    em = mx.fit_em(mx.GMM(2), X, missing="integrate", n_init=3, random_seed=1)
    np.testing.assert_array_equal(clusterer.em_.params["mu"], em.params["mu"])
    assert clusterer.score_samples(X).sum() == pytest.approx(em.log_likelihood)
    assert clusterer.__sklearn_tags__().input_tags.allow_nan


def test_levels_may_be_text():
    answers = pd.DataFrame(np.where(rows_of(mx.LCA(1)), "yes", "no"), columns=list("abcd"))
    clusterer = mx.MixtureClusterer(mx.LCA(2), n_init=3, random_state=1).fit(answers)
    assert clusterer.em_.spec.levels[0] == ("no", "yes")
    assert clusterer.predict(answers).shape == (len(answers),)
    assert clusterer.__sklearn_tags__().input_tags.string
    with pytest.raises(mx.InputError, match="maybe"):
        clusterer.predict(answers.replace("yes", "maybe"))


def test_columns_keep_their_names_and_their_order():
    clusterer = mx.MixtureClusterer(mx.GMM(2), n_init=2, random_state=1).fit(FAITHFUL)
    assert clusterer.em_.features == tuple(clusterer.feature_names_in_) == tuple(FAITHFUL.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clusterer.predict(FAITHFUL[["waiting", "eruptions"]])
    with pytest.raises(mx.InputError, match="spec is a int; it must be a model such as"):
        mx.MixtureClusterer(2).fit(FAITHFUL)
    with pytest.raises(ValueError, match="not fitted"):
        mx.MixtureClusterer(mx.GMM(2)).predict(FAITHFUL)


# Scikit-learn's own mixture


@pytest.mark.parametrize("spec", list(mx.GMM.variants()), ids=lambda spec: spec.covariance_type)
def test_scikit_learns_mixture_answers_as_the_fit_does(spec):
    X = pd.DataFrame(rows_of(spec), columns=["a", "b", "c"])
    em = mx.fit_em(fitted(spec).spec, X, n_init=3, random_seed=1)
    gaussian = mx.to_sklearn(em)
    assert isinstance(gaussian, GaussianMixture)
    own = mx.MixtureClusterer(em.spec, n_init=3, random_state=1).fit(X)
    np.testing.assert_allclose(gaussian.predict_proba(X), own.predict_proba(X), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(gaussian.score_samples(X), own.score_samples(X), rtol=1e-9)
    assert gaussian.score(X) * len(X) == pytest.approx(em.log_likelihood, rel=1e-10)
    assert list(gaussian.feature_names_in_) == ["a", "b", "c"]
    drawn, _ = gaussian.sample(10)
    assert drawn.shape == (10, 3)
    assert pickle.loads(pickle.dumps(gaussian)).score(X) == gaussian.score(X)
    again = clone(gaussian).fit(X)  # from the fit's parameters, to the likelihood's own maximum
    assert again.score(X) >= gaussian.score(X) - 1e-9


def test_a_count_of_parameters_that_differs_is_as_documented():
    X = rows_of(mx.GMM(1))
    em = mx.fit_em(mx.GMM(2, covariance_type="tied_diag"), X, n_init=2, random_seed=1)
    k, d = em.params["mu"].shape
    assert mx.to_sklearn(em)._n_parameters() - em.spec.parameter_count(d) == (k - 1) * d


def test_what_scikit_learn_has_no_mixture_of():
    em = mx.fit_em(mx.BMM(2), rows_of(mx.BMM(1)), n_init=2, random_seed=1)
    with pytest.raises(mx.InputError, match="a fit of a BMM, and scikit-learn has mixtures of Gaussians"):
        mx.to_sklearn(em)
    with pytest.raises(mx.InputError, match="em is a GMM; it must be what fit_em returned"):
        mx.to_sklearn(mx.GMM(2))
