"""Known labels in PyMC's density, in samples, and in what is computed from them."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import exact_evidence
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from conftest import long, simulate, specs_compiled
from scipy.special import gammaln

import mixtures as mx
from mixtures.clusters.labelled import anchored_of
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.em.estep import e_step
from mixtures.families.poisson_model import PMM
from mixtures.posterior.own_mixture import names_within

SPHERICAL = mx.GMM(3, covariance_type="spherical")
"""The Gaussian mixture that is compiled soonest, where the structure does not matter."""

SHORT = {"draws": 100, "tune": 100, "chains": 2, "random_seed": 1, "progressbar": False}


def some_of(z, share=0.3, seed=0):
    return np.where(np.random.default_rng(seed).random(len(z)) < share, z, -1)


def well_apart(n=120, k=3, seed=0):
    """Rows of clusters that nobody would confuse, and their clusters."""
    rng = np.random.default_rng(seed)
    z = rng.integers(k, size=n)
    return np.stack([8.0 * z, -4.0 * z], axis=1) + rng.normal(size=(n, 2)), z


def heights(spec, X, params, **given):
    """Log posterior by NumPy and by the declared model, at the same parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mx.IdentifiabilityWarning)
        compiled = CompiledModel(mx.declare(spec, X, **given))
    by_numpy = e_step(spec, as_data(X, **given), params).log_likelihood + float(spec.log_prior(params))
    return by_numpy, compiled, compiled.value_and_grad(compiled.unconstrain(params))[0]


# The density


@specs_compiled("GMM diag", "LCA")
@pytest.mark.parametrize("weighted", [*long(False), True], ids=["", "weights"])
def test_numpy_and_pymc_agree_on_the_density_of_labelled_rows(spec, weighted):
    params, X, z = simulate(spec, n_rows=50)
    spec = mx.resolve(spec, X)
    given = {"labels": some_of(z), "weights": np.arange(50) % 3 if weighted else None}
    by_numpy, compiled, by_pymc = heights(spec, X, spec.inside(params), **given)
    np.testing.assert_allclose(by_pymc, by_numpy, rtol=1e-11)
    plain = heights(spec, X, spec.inside(params))[0]
    assert abs(by_numpy - plain) > 1e-6
    rows = compiled.row_log_likelihoods(compiled.unconstrain(spec.inside(params)))["x"]
    joint = spec.log_joint(spec.inside(params))(X.T)
    known = np.flatnonzero(given["labels"] >= 0)
    np.testing.assert_allclose(rows[known], joint[given["labels"][known], known], rtol=1e-9)


def test_other_labels_compile_nothing(compilations):
    params, X, z = simulate(SPHERICAL, n_rows=40)
    spec = mx.resolve(SPHERICAL, X)
    found = []
    for labels in (some_of(z), some_of(z, 0.9, seed=1), np.where(z == 0, 0, -1)):
        before = len(compilations)
        by_numpy, compiled, by_pymc = heights(spec, X, params, labels=labels)
        np.testing.assert_allclose(by_pymc, by_numpy, rtol=1e-11)
        rows = compiled.row_log_likelihoods(compiled.unconstrain(params))["x"].sum()
        np.testing.assert_allclose(rows + float(spec.log_prior(params)), by_numpy, rtol=1e-11)
        found.append(by_numpy)
    assert len(compilations) == before
    assert len(set(found)) == 3


@pytest.mark.parametrize("spec", [mx.GMM(3), mx.GMM(3, covariance_type="diag"), mx.BMM(3)], ids=str)
def test_they_agree_beside_missing_cells(spec):
    params, X, z = simulate(spec, n_features=3, n_rows=50)
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    spec = mx.resolve(spec, X, missing="integrate")
    by_numpy, _, by_pymc = heights(spec, X, spec.inside(params), labels=some_of(z), missing="integrate")
    np.testing.assert_allclose(by_pymc, by_numpy, rtol=1e-11)


SOON = {"mode": "FAST_COMPILE"}
"""PyTensor runs the graph in Python, where compiling it takes minutes."""


@pytest.mark.usefixtures("no_c_compiler")
def test_pymc_itself_computes_the_same_density_and_a_gradient():
    params, X, z = simulate(SPHERICAL, n_rows=40)
    spec = mx.resolve(SPHERICAL, X)
    by_numpy, compiled, _ = heights(spec, X, params, labels=some_of(z))
    x, ends = compiled.unconstrain(params), np.cumsum([np.prod(s, dtype=int) for s in compiled.value_shapes])
    parts = np.split(x, ends[:-1])
    point = {
        v.name: part.reshape(shape)
        for v, part, shape in zip(compiled.model.value_vars, parts, compiled.value_shapes, strict=True)
    }
    np.testing.assert_allclose(
        compiled.model.compile_logp(jacobian=False, **SOON)(point), by_numpy, rtol=1e-11
    )
    slopes = compiled.model.compile_dlogp(jacobian=False, **SOON)(point)
    np.testing.assert_allclose(slopes, compiled.value_and_grad(x)[1], rtol=1e-7, atol=1e-8)


@pytest.mark.usefixtures("no_c_compiler")
def test_weights_that_vary_by_row_take_labels_too():
    rng = np.random.default_rng(0)
    X, z = well_apart(20, 2)
    labels, alpha = some_of(z), rng.dirichlet([1, 1], size=20)
    mu, sigma2 = np.array([[0.0, 0.0], [8.0, -4.0]]), np.ones((2, 2))
    with pm.Model() as model:
        rows = mx.GaussianMixture("x", alpha, mu, sigma2=sigma2, observed=X, labels=labels)
    found = pm.logp(rows, model.rvs_to_values[rows]).eval(**SOON)
    normal = -((X[:, None] - mu) ** 2).sum(axis=-1) / 2 - np.log(2 * np.pi)
    joint = np.log(alpha) + normal
    expected = np.where(labels >= 0, joint[np.arange(20), labels], np.logaddexp(*joint.T))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.long
def test_a_users_own_mixture_takes_labels_and_its_labels_are_not_aligned():
    X, z = well_apart(60, 2)
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(2))
        mu = pm.Normal("mu", 0, 20, shape=(2, 2))
        mx.GaussianMixture("x", alpha, mu, sigma2=1.0, observed=X, labels=some_of(z))
    mode = mx.fit_map(model, random_seed=1)
    np.testing.assert_allclose(mode.params["mu"], [[0, 0], [8, -4]], atol=0.6)
    tree = mx.sample(model, **SHORT)
    assert tree.attrs["labels"] == "fixed"
    np.testing.assert_allclose(tree["posterior"]["mu"].mean(("chain", "draw")), mode.params["mu"], atol=0.3)


def test_labels_of_a_users_mixture_are_checked():
    X = np.zeros((4, 2))
    given = {"alpha": [0.5, 0.5], "mu": np.zeros((2, 2)), "sigma2": 1.0}
    with pm.Model():
        with pytest.raises(mx.InputError, match="row 3: label is 2, and the model has n_components=2"):
            mx.GaussianMixture("x", observed=X, labels=[0, 1, -1, 2], **given)
        with pytest.raises(mx.InputError, match="labels are of observed rows"):
            mx.GaussianMixture("y", shape=(4, 2), labels=[0, 1, -1, 1], **given)


# MAP and the certificate


@pytest.mark.parametrize(
    "spec",
    [
        *long(mx.GMM(3), mx.GMM(3, covariance_type="tied"), mx.BMM(2)),
        PMM(2),
    ],
    ids=str,
)
def test_map_and_em_end_at_the_same_point(spec):
    X, z = well_apart(90) if isinstance(spec, mx.GMM) else simulate(spec, n_rows=90, n_features=4)[1:]
    labels = some_of(z)
    em = mx.fit_em(spec, X, labels=labels, random_seed=1, tol=1e-9)
    mode = mx.fit_map(spec, X, labels=labels, n_init=6, random_seed=1)
    assert abs(mode.log_posterior - em.log_posterior) < 1e-6
    for name, x in em.params.items():  # the clusters have the same numbers: nothing is aligned
        np.testing.assert_allclose(mode.params[name], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [*long("plain", "weights"), "missing"])
def test_the_certificate_holds(case):
    X, z = well_apart()
    given = {"labels": some_of((z + 1) % 3, 0.2)}
    if case == "weights":
        given["weights"] = 1 + np.arange(len(X)) % 2
    if case == "missing":
        X = np.where(np.random.default_rng(1).random(X.shape) < 0.15, np.nan, X)
        given["missing"] = "integrate"
    cc = mx.crosscheck(SPHERICAL, X, n_init=4, **given, **SHORT)
    assert cc.passed
    assert cc.table["gap"].max() < 1e-4
    assert any("rows are known: all clusters keep their numbers" in note for note in cc.notes)
    np.testing.assert_allclose(cc.em.params["mu"][:, 0], [16, 0, 8], atol=1)
    order = cc.posterior["sample_stats"]["permutation"].values
    assert (order == np.arange(3)).all()


# Samples


@pytest.mark.parametrize(
    ("labels", "aligned", "names"),
    [
        (("a", "b"), None, ("a", "b")),
        ((0, 1), None, None),
        (("a", "b"), ["b", "c"], ("b", "c")),
        (("a", "b"), [0, 1], None),
        (("a", " "), None, None),
        (None, None, None),
    ],
)
def test_clusters_of_a_model_of_ones_own_are_called_by_its_labels(labels, aligned, names):
    """Those of the aligned sample, or, where labels are fixed, of a variable with a row for every cluster."""
    dims = {"w": ("group",), "p": ("group", "column", "level"), "sd": ("column", "column")}
    model = SimpleNamespace(dims=dims, coords={"group": labels, "column": ("x", "y", "z")})
    rows = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"mu": (("cluster", "feature"), np.zeros((2, 3)))})}
    )
    order = {} if aligned is None else {"permutation": ("cluster", [0, 1])}
    stats = xr.Dataset(order, {} if aligned is None else {"cluster": aligned})
    assert names_within(model, rows, xr.DataTree.from_dict({"sample_stats": stats})) == names


@pytest.mark.parametrize("sampler", ["blackjax", "laplace"])
def test_labelled_clusters_are_never_moved_and_others_are_aligned(sampler):
    X, z = well_apart()
    labels = np.where((z == 0) & (np.arange(len(X)) < 60), 2, -1)
    tree = mx.sample(SPHERICAL, X, labels=labels, sampler=sampler, **SHORT)
    np.testing.assert_array_equal(tree["constant_data"]["labels"], labels)
    assert anchored_of(tree).tolist() == [2]
    order = tree["sample_stats"]["permutation"].values
    assert (order[..., 2] == 2).all()
    means = tree["posterior"]["mu"].sel(cluster=2).isel(feature=0)
    assert np.abs(means).max() < 2
    for method in ("ecr", "stephens"):
        again = mx.align(tree, tree["posterior"].mean(("chain", "draw")), method, spec=SPHERICAL, X=X)
        assert (again["sample_stats"]["permutation"].values[..., 2] == 2).all()
    by_key = mx.align(tree, "mu[x0]", "order")["posterior"]["mu"].isel(feature=0)
    assert (by_key.sel(cluster=0) < by_key.sel(cluster=1)).all()
    assert np.abs(by_key.sel(cluster=2)).max() < 2


def test_a_fit_with_other_numbers_is_refused():
    X, z = well_apart()
    em = mx.fit_em(mx.GMM(3), X, labels=z, random_seed=1)
    for call in (mx.sample, mx.uncertainty):
        with pytest.raises(mx.InputError, match="not numbered as labels number them"):
            call(mx.GMM(3), X, labels=(z + 1) % 3, em=em, progressbar=False)


def test_the_evidence_of_rows_and_all_their_labels_is_known_exactly():
    X, z = well_apart(50, 2)
    X = (X.mean(axis=0) < X).astype(float)
    spec = mx.resolve(mx.BMM(2, prior=mx.priors.Beta(1.5, 2.0)), X)
    counts = np.bincount(z)
    exact = gammaln(2) - gammaln(2 + len(z)) + gammaln(1 + counts).sum()
    exact += sum(exact_evidence.bernoulli(X[z == k], spec.prior) for k in range(2))
    options = {"chains": 2, "random_seed": 1, "progressbar": False}
    tree = mx.sample(spec, X, labels=z, draws=500, tune=200, **options)
    bridge = mx.marginal_likelihood(spec, X, labels=z, tree=tree, random_seed=1)
    assert abs(bridge.log_marginal_likelihood - exact) < 4 * bridge.standard_error + 0.02
    tree = mx.sample(spec, X, labels=z, sampler="laplace", draws=500, **options)
    assert abs(tree.attrs["log_evidence"] - exact) < 4 * tree.attrs["log_evidence_se"] + 0.02
    with pytest.raises(mx.InputError, match="drawn with other labels"):
        mx.marginal_likelihood(spec, X, tree=tree, random_seed=1)


@pytest.mark.long
def test_a_label_halves_the_evidence_of_clusters_that_could_be_exchanged():
    X, z = well_apart(50, 2)
    spec = mx.resolve(mx.GMM(2), X)
    options = {"sampler": "laplace", "draws": 500, "chains": 2, "random_seed": 1, "progressbar": False}
    log = [
        mx.sample(spec, X, labels=labels, **options).attrs["log_evidence"]
        for labels in (None, np.where(np.arange(50) == 0, z[0], -1))
    ]
    assert abs(log[0] - log[1] - np.log(2)) < 0.1


# What is computed from fits and samples


@pytest.mark.long
def test_standard_errors_count_what_labels_tell():
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=150)
    X = (2.5 * z + rng.normal(size=150))[:, None]
    options = {"n_resamples": 60, "draws": 200, "tune": 200, "random_seed": 1, "progressbar": False}
    methods = ["information", "laplace", "bootstrap", "weighted"]
    known, unknown = (
        mx.uncertainty(mx.GMM(2), X, labels=labels, methods=methods, **options).table.loc["mu[0, x0]"]
        for labels in (z, None)
    )
    mean = X[z == 0]
    assert abs(known["EM"] - mean.mean()) < 0.01
    np.testing.assert_allclose(known[methods].astype(float), mean.std() / np.sqrt(len(mean)), rtol=0.25)
    assert (known[methods] < unknown[methods]).all()


def test_select_leaves_out_numbers_of_clusters_that_lack_a_label():
    X, z = well_apart()
    found = mx.select(
        mx.GMM(1), X, range(1, 5), labels=some_of(z), n_init=3, random_seed=1, progressbar=False
    )
    assert found.recommended == 3
    assert found.table["bic"].isna().tolist() == [True, True, False, False]
    assert "label is" in found.table.loc[1, "notes"]
    np.testing.assert_allclose(found.fits[4].params["mu"][:3, 0].mean(), 8, atol=2)


def test_responsibilities_of_labelled_rows_are_sure():
    X, z = well_apart(60, 2)
    wrong = np.where(np.arange(60) < 5, 1 - z, -1)
    spec = replace(SPHERICAL, n_components=2)
    em = mx.fit_em(spec, X, labels=some_of(z), random_seed=1)
    tree = mx.sample(spec, X, labels=some_of(z), em=em, sampler="laplace", **SHORT)
    for params in (em.params, tree):
        r = mx.responsibilities(em.spec, X, params, labels=wrong)
        np.testing.assert_array_equal(r["label"].values[:5], 1 - z[:5])
        np.testing.assert_array_equal(r["label_probability"].values[:5], 1)
        np.testing.assert_array_equal(r["label"].values[5:], z[5:])


def test_a_model_of_ones_own_brings_its_labels():
    with pm.Model() as model:
        pm.Normal("mu")
    with pytest.raises(mx.InputError, match="leave X, weights, missing and labels out"):
        mx.fit_map(model, labels=[0, 1])
