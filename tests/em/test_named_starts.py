"""Starts whose columns have names: matched to those of the data, or refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx

NAMES = ["length", "width", "depth"]


def rows(names=NAMES):
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 10.0, 20.0], [5.0, 12.0, 17.0]])
    X = centres[np.arange(80) % 2] + rng.normal(size=(80, 3)) @ [[1, 0.5, 0], [0, 1, 0], [0, 0, 0.3]]
    return pd.DataFrame(X, columns=NAMES)[names]


MOVED = ["depth", "length", "width"]


@pytest.mark.parametrize("structure", ["full", "tied", "diag"])
def test_a_fit_starts_another_whose_columns_are_in_another_order(structure):
    spec = mx.GMM(2, covariance_type=structure)
    em = mx.fit_em(spec, rows(), n_init=2, random_seed=1)
    again = mx.fit_em(spec, rows(MOVED), start=em)
    assert again.n_iter <= 2
    assert again.log_posterior == pytest.approx(em.log_posterior, rel=1e-12)
    np.testing.assert_allclose(again.params["mu"], em.params["mu"][:, [2, 0, 1]], rtol=1e-6)
    tree = em.to_datatree()["posterior"].to_dataset().isel(chain=0, draw=0)
    labelled = mx.fit_em(spec, rows(MOVED), start=dict(tree))
    np.testing.assert_array_equal(labelled.objective_trace[0], again.objective_trace[0])


def test_frames_are_matched_by_the_names_of_their_columns():
    spec = mx.GMM(2, covariance_type="tied")
    em = mx.fit_em(spec, rows(), n_init=2, random_seed=1)
    mu, Sigma = pd.DataFrame(em.params["mu"], columns=NAMES), em.params["Sigma"]
    frames = {**em.params, "mu": mu, "Sigma": pd.DataFrame(Sigma, columns=NAMES, index=NAMES)}
    again = mx.fit_em(spec, rows(MOVED), start=frames)
    np.testing.assert_allclose(again.objective_trace[0], em.log_posterior, rtol=1e-10)
    r = mx.responsibilities(em.spec, rows(), {**frames, "mu": mu[MOVED]})["responsibilities"].values
    np.testing.assert_array_equal(r, em.spec.responsibilities(rows(), em.params))
    numbered = {**em.params, "mu": pd.DataFrame(em.params["mu"])}  # names that only number the columns
    assert mx.fit_em(spec, rows(), start=numbered).n_iter <= 2


@pytest.mark.parametrize("kind", [pd.DataFrame, xr.DataArray])
def test_other_columns_are_refused(kind):
    em = mx.fit_em(mx.GMM(2, covariance_type="diag"), rows(), n_init=2, random_seed=1)
    names = ["length", "width", "height"]
    mu = em.params["mu"]
    named = (
        {"columns": names}
        if kind is pd.DataFrame
        else {"coords": {"feature": names}, "dims": em.spec.dims["mu"]}
    )
    with pytest.raises(mx.InputError, match=r"parameter mu has the columns .*'depth' is missing"):
        mx.fit_em(em.spec, rows(), start={**em.params, "mu": kind(mu, **named)})


def test_what_is_held_is_matched_by_name():
    spec, mu = mx.GMM(2, covariance_type="diag"), np.array([[0.0, 10.0, 20.0], [5.0, 12.0, 17.0]])
    frame = pd.DataFrame(mu, columns=NAMES)[MOVED]
    array = xr.DataArray(frame, dims=spec.dims["mu"]).T
    for held, found in ((frame, mu), (array, mu), (frame.loc[0], mu[[0, 0]])):
        hold = {"mu": held, "sigma2": 1.0}
        em = mx.fit_em(spec, rows(), hold=hold, start={"alpha": [0.5, 0.5]}, max_iter=2, tol=9)
        np.testing.assert_array_equal(em.params["mu"], found)
    named = xr.DataArray([20.0, 0.0, 10.0], {"feature": MOVED})  # fewer dims than the parameter
    hold = {"mu": named, "sigma2": xr.DataArray([1.0, 2.0], dims="cluster")}
    em = mx.fit_em(spec, rows(), hold=hold, n_init=1, max_iter=2, tol=9, random_seed=1)
    np.testing.assert_array_equal(em.params["mu"], [[0, 10, 20]] * 2)
    np.testing.assert_array_equal(em.params["sigma2"], [[1, 1, 1], [2, 2, 2]])
    matrix = pd.DataFrame(np.diag([3.0, 1.0, 2.0]), index=MOVED, columns=MOVED)  # the same for every cluster
    for Sigma in (matrix, xr.DataArray(matrix, dims=("feature", "other"))):
        em = mx.fit_em(mx.GMM(2), rows(), hold={"Sigma": Sigma}, n_init=1, max_iter=2, tol=9, random_seed=1)
        np.testing.assert_array_equal(em.params["Sigma"], [np.diag([1.0, 2.0, 3.0])] * 2)
    one = {"sigma2": pd.DataFrame([[1.0], [2.0]])}  # a column without a name, for all
    em = mx.fit_em(spec, rows(), hold=one, n_init=1, max_iter=2, tol=9, random_seed=1)
    np.testing.assert_array_equal(em.params["sigma2"], [[1, 1, 1], [2, 2, 2]])


def test_levels_are_matched_by_name_where_all_items_have_them():
    items = pd.DataFrame({"a": ["no", "yes", "yes"], "b": ["no", "no", "yes"]})
    p = pd.DataFrame({"yes": [0.9, 0.8], "no": [0.1, 0.2]}, index=["b", "a"])
    em = mx.fit_em(mx.LCA(1), items, hold={"p": p})
    np.testing.assert_array_equal(em.params["p"], [[[0.2, 0.8], [0.1, 0.9]]])
    by_place = mx.fit_em(mx.LCA(1), items, hold={"p": p.to_numpy()})
    np.testing.assert_array_equal(by_place.params["p"], [p])
    with pytest.raises(mx.InputError, match="the levels yes, maybe; those of the model are no, yes"):
        mx.fit_em(mx.LCA(1), items, hold={"p": p.rename(columns={"no": "maybe"})})
    with pytest.raises(mx.InputError, match="those of the items differ"):
        mx.fit_em(mx.LCA(1), items.replace({"b": {"no": "never"}}), hold={"p": p})


def test_priors_are_matched_by_name():
    means = pd.Series([20.0, 0.0, 10.0], index=MOVED)
    Psi = pd.DataFrame(np.diag([3.0, 1.0, 2.0]), index=MOVED, columns=MOVED)
    prior = mx.resolve(mx.GMM(2, prior=mx.priors.NormalInverseWishart(means, 1, 5, Psi)), rows()).prior
    np.testing.assert_array_equal(prior.mean, [0, 10, 20])
    np.testing.assert_array_equal(np.diagonal(prior.Psi), [1, 2, 3])
    by_place = mx.priors.NormalInverseGamma(means.to_numpy(), 1, 5, pd.Series([1.0, 2.0, 3.0]))
    prior = mx.resolve(mx.GMM(2, covariance_type="diag", prior=by_place), rows()).prior
    np.testing.assert_array_equal([prior.mean, prior.psi], [[20, 0, 10], [1, 2, 3]])
    array = xr.DataArray(means.to_numpy(), {"column": MOVED})
    prior = mx.resolve(mx.GMM(2, prior=mx.priors.NormalInverseWishart(array, 1, 5, Psi)), rows()).prior
    np.testing.assert_array_equal(prior.mean, [0, 10, 20])
    other = mx.priors.NormalInverseWishart(means.rename({"width": "height"}), 1, 5, Psi)
    with pytest.raises(mx.InputError, match=r"prior mean has the columns .*'width' is missing"):
        mx.resolve(mx.GMM(2, prior=other), rows())


def test_priors_of_other_columns_are_matched_by_name():
    flags = pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1], "time": [1.0, 2.0, 3.0]})
    of_b_and_a = pd.Series([3.0, 2.0], index=["b", "a"])
    bmm = mx.resolve(mx.BMM(1, prior=mx.priors.Beta(of_b_and_a, 1.0)), flags[["a", "b"]])
    pmm = mx.resolve(mx.PMM(1, exposure="time", prior=mx.priors.Gamma(of_b_and_a, 1.0)), flags)
    lca = mx.resolve(mx.LCA(1, prior=mx.priors.Dirichlet(of_b_and_a)), flags[["a", "b"]])
    mixed = mx.Mixed(1, bernoulli=["a", "b"], gaussian=["time"], prior=mx.priors.Blocks(bernoulli=bmm.prior))
    stated = replace(mixed, prior=mx.priors.Blocks(bernoulli=mx.priors.Beta(of_b_and_a, 1.0)))
    np.testing.assert_array_equal([bmm.prior.alpha, pmm.prior.alpha], [[2, 3], [2, 3]])
    np.testing.assert_array_equal(lca.prior.concentration, [[2, 2], [3, 3]])
    assert mx.resolve(stated, flags).prior == mx.resolve(mixed, flags).prior


def test_a_fit_of_another_model_or_of_other_columns_is_refused():
    em = mx.fit_em(mx.GMM(2, covariance_type="diag"), rows(), n_init=2, random_seed=1)
    with pytest.raises(mx.InputError, match="start is a fit of GMM"):
        mx.fit_em(mx.GMM(2), rows(), start=em)
    with pytest.raises(mx.InputError, match="start has the columns length, width, depth"):
        mx.fit_em(mx.GMM(2, covariance_type="diag"), rows().rename(columns={"depth": "height"}), start=em)
    with pytest.raises(mx.InputError, match="parameter alpha has shape"):
        mx.fit_em(mx.GMM(3, covariance_type="diag"), rows(), start=em)


def test_a_fit_of_other_levels_is_refused():
    answers = pd.DataFrame({"a": list("xyxyxyxx"), "b": list("ppqqpqpq"), "c": list("mnmnnmmn")})
    em = mx.fit_em(mx.LCA(2), answers, n_init=2, random_seed=1)
    again = mx.fit_em(mx.LCA(2), answers[["c", "a", "b"]], start=em)
    assert again.objective_trace[0] == pytest.approx(em.log_posterior, rel=1e-10)
    with pytest.raises(mx.InputError, match=r"start has the levels .* of column 'a'"):
        mx.fit_em(mx.LCA(2), answers.replace({"a": {"y": "z"}}), start=em)
