"""Responsibilities and co-clustering of users' own mixtures, against SciPy's densities."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import mixtures as mx
from mixtures import InputError

RNG = np.random.default_rng(0)
Y = RNG.normal(size=5)
W = RNG.dirichlet([1, 1], size=(2, 3))
MU = RNG.normal(size=(2, 3, 2))
S = np.exp(RNG.normal(size=(2, 3)))


def tree_of(**variables):
    dims = {
        name: ["chain", "draw", *(f"{name}_{i}" for i in range(x.ndim - 2))] for name, x in variables.items()
    }
    posterior = xr.Dataset({name: (dims[name], x) for name, x in variables.items()})
    return xr.DataTree.from_dict({"posterior": posterior})


def shares(density):
    return density / density.sum(axis=-1, keepdims=True)


def normal_mixture():
    with pm.Model(coords={"row": list("abcde"), "kind": ["low", "high"]}) as model:
        w, mu = pm.Dirichlet("w", np.ones(2), dims="kind"), pm.Normal("mu", 0, 5, shape=2)
        pm.NormalMixture("y", w, mu, pm.HalfNormal("s", 1), observed=Y, dims="row")
    return model


def test_pymcs_mixture_of_one_batched_component():
    tree = tree_of(w=W, mu=MU, s=S)
    tree.attrs.update(labels="unalignable", labels_why="priors differ")
    with pytest.warns(mx.IdentifiabilityWarning, match="other numbers in other draws.*: priors differ"):
        r = mx.model_responsibilities(normal_mixture(), tree)
    assert r.dims == ("chain", "draw", "row", "kind")
    assert r["kind"].values.tolist() == ["low", "high"]
    expected = shares(W[:, :, None] * stats.norm.pdf(Y[:, None], MU[:, :, None], S[..., None, None]))
    np.testing.assert_allclose(r, expected, rtol=1e-8)
    together = mx.coclustering_of_draws(r)
    pairs = np.einsum("cdnk,cdmk->nm", expected, expected) / 6
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(together.values[off], pairs[off], rtol=1e-8)
    switched = r.copy()
    switched[:, 1:] = r.values[:, 1:, :, ::-1]
    np.testing.assert_allclose(mx.coclustering_of_draws(switched), together, rtol=1e-12)
    assert mx.point_partition(together)["obs_id"].values.tolist() == list("abcde")


def test_pymcs_list_of_components_and_this_packages_mixtures():
    table = np.column_stack([Y, Y**2])
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5, shape=2)
        pm.Mixture("y", [0.3, 0.7], [pm.Normal.dist(mu[k], 1.0) for k in range(2)], observed=Y)
        means = mu[:, None] * np.ones((2, 2))
        # all rows, so that total_size changes nothing
        known = {"sigma2": np.ones((2, 2)), "observed": table, "total_size": len(table)}
        mx.GaussianMixture("x", alpha=[0.3, 0.7], mu=means, **known)
    tree = tree_of(mu=MU)
    r = mx.model_responsibilities(model, tree, "y")
    assert r.dims == ("chain", "draw", "y_dim_0", "cluster")
    expected = shares([0.3, 0.7] * stats.norm.pdf(Y[:, None], MU[:, :, None]))
    np.testing.assert_allclose(r, expected, rtol=1e-8)
    rows = mx.model_responsibilities(model, tree, "x")
    densities = stats.norm.pdf(table[:, None], MU[:, :, None, :, None]).prod(axis=-1)
    np.testing.assert_allclose(rows, shares([0.3, 0.7] * densities), rtol=1e-8)
    with pytest.raises(InputError, match="mixtures y, x: name one"):
        mx.model_responsibilities(model, tree)
    with pytest.raises(InputError, match="no observed mixture 'z'"):
        mx.model_responsibilities(model, tree, "z")


def test_parameters_that_vary_by_row_and_known_labels():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5, shape=2)
        means = (Y[:, None] * mu)[:, :, None]
        cells = np.column_stack([Y, [1.0, np.nan, 2.0, np.nan, 3.0]])
        means = pt.concatenate([means, means], axis=-1)
        pairs = {"alpha": [0.3, 0.7], "mu": means, "sigma2": 1.0, "observed": cells}
        mx.GaussianMixture("x", **pairs)
        mx.GaussianMixture("labelled", **pairs, labels=[-1, -1, 1, -1, 0])
    r = mx.model_responsibilities(model, tree_of(mu=MU), "x")
    own = stats.norm.logpdf(cells[:, None], (Y[:, None] * MU[:, :, None])[..., None])
    expected = shares([0.3, 0.7] * np.exp(np.nansum(own, axis=-1)))
    np.testing.assert_allclose(r, expected, rtol=1e-8)
    expected[:, :, [2, 4]] = [[0, 1], [1, 0]]
    np.testing.assert_allclose(
        mx.model_responsibilities(model, tree_of(mu=MU), "labelled"), expected, rtol=1e-8
    )


def test_models_and_draws_that_do_not_fit_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=Y)
    with pytest.raises(InputError, match="no observed mixture of this package or of PyMC"):
        mx.model_responsibilities(model, tree_of(mu=S))
    with pytest.raises(InputError, match="the posterior lacks w, s"):
        mx.model_responsibilities(normal_mixture(), tree_of(mu=MU))
    r = xr.DataArray(RNG.random((1, 2, 3, 2)), dims=["chain", "draw", "row", "k"])
    for wrong, dim, message in [
        (r, "cluster", "they need chain, draw and one of rows"),
        (r, "k", "sum to one along k"),
        (r, None, "sum to one along k"),
        (r.isel(k=0), "cluster", "must be whole"),
        (xr.DataArray(np.zeros((1, 1, 5001), int), dims=["chain", "draw", "row"]), "cluster", "at most 5000"),
    ]:
        with pytest.raises(InputError, match=message):
            mx.coclustering_of_draws(wrong, dim=dim)
