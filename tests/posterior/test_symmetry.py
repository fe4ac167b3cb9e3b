"""Users' models: which axes carry the clusters, draws relabelled by hand and found again, what is refused."""

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from conftest import long

import mixtures as mx
from mixtures import DataWarning, InputError, align, diagnose, unalign
from mixtures.clusters.labelled import label_state
from mixtures.clusters.rules import by_parameters
from mixtures.density.compiled import CompiledModel, model_dims
from mixtures.diagnostics.mixing import invariants
from mixtures.posterior.by_model import with_own_labels
from mixtures.posterior.separate import correspondences
from mixtures.posterior.symmetry import find_symmetry
from mixtures.trees import make_tree

CHAINS, DRAWS = 4, 60
RNG = np.random.default_rng(1)
X = np.concatenate([RNG.normal(-3, 1, (60, 1)), RNG.normal(3, 1, (40, 1))])
X2 = np.hstack([X, RNG.normal(size=(100, 1))])
SLOPES = np.column_stack([np.ones(100), RNG.normal(size=100)])


@dataclass
class Case:
    """A model, a point with clusters apart, the clusters' axes there, and deterministics written in NumPy."""

    model: pm.Model
    point: dict[str, Any]
    axes: dict[str, Any]  # or variables among which this one changes places, or where it is mirrored
    derived: Any = None


def sorted_and_gap():
    """The example that spoilt mu: one deterministic that no relabelling changes, one that it turns."""
    with pm.Model(coords={"cluster": ["a", "b"], "feature": ["x"]}) as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), dims="cluster", shape=2)
        mu = pm.Normal("mu", 0, 5, dims=("cluster", "feature"), shape=(2, 1))
        sigma2 = pm.HalfNormal("sigma2", 3, dims=("cluster", "feature"), shape=(2, 1))
        pm.Deterministic("mu_sorted", pt.sort(mu[:, 0]), dims="cluster")
        pm.Deterministic("gap", mu[1, 0] - mu[0, 0])
        pm.Deterministic("rises", mu[1, 0] > mu[0, 0])
        pm.Deterministic("sd", pt.sqrt(sigma2), dims=("cluster", "feature"))
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=sigma2, observed=X)
    return Case(
        model,
        {"alpha": [0.6, 0.4], "mu": [[-3], [3]], "sigma2": [[1.0], [1.2]]},
        {"alpha": 0, "mu": 0, "sigma2": 0},
        lambda p: {
            "mu_sorted": np.sort(p["mu"][..., 0], axis=-1),
            "gap": p["mu"][..., 1, 0] - p["mu"][..., 0, 0],
            "rises": p["mu"][..., 1, 0] > p["mu"][..., 0, 0],
            "sd": np.sqrt(p["sigma2"]),
        },
    )


def another_name():
    """Clusters called components; cluster is a dim of something else, of the same length."""
    with pm.Model(coords={"component": ["a", "b"], "cluster": ["ward 1", "ward 2"]}) as model:
        w = pm.Dirichlet("w", np.ones(2), dims="component", shape=2)
        m = pm.Normal("m", 0, 5, dims="component", shape=2)
        s = pm.HalfNormal("s", 3, dims="component", shape=2)
        pm.Normal("wards", 0, 1, dims="cluster", shape=2)
        pm.Deterministic("weighted", w * m, dims="component")
        mx.GaussianMixture("x", alpha=w, mu=m[:, None], sigma2=s[:, None] ** 2, observed=X)
    return Case(
        model,
        {"w": [0.6, 0.4], "m": [-3, 3], "s": [1.0, 1.2], "wards": [0.3, -0.4]},
        {"w": 0, "m": 0, "s": 0},
        lambda p: {"weighted": p["w"] * p["m"]},
    )


def not_centred():
    """No dims, softmax weights, clusters on the last axis, and as many features as clusters."""
    with pm.Model() as model:
        eta = pm.Normal("eta", 0, 1, shape=2)
        centre = pm.Normal("centre", 0, 3, shape=2)
        spread = pm.HalfNormal("spread", 3, shape=2)
        z = pm.Normal("z", 0, 1, shape=(2, 2))
        scale = pm.HalfNormal("scale", 1)
        s = pm.HalfNormal("s", scale, shape=2)
        alpha = pm.Deterministic("alpha", pm.math.softmax(eta))
        mu = pm.Deterministic("mu", (centre[:, None] + spread[:, None] * z).T)
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=s, observed=X2)

    def derived(p):
        weights = np.exp(p["eta"])
        mu = p["centre"][..., None] + p["spread"][..., None] * p["z"]
        return {"alpha": weights / weights.sum(axis=-1, keepdims=True), "mu": mu.swapaxes(-1, -2)}

    point = {"eta": [0.2, -0.2], "centre": [0, 0], "spread": [3, 1], "z": [[-1, 1], [0.1, 0.2]]}
    return Case(model, {**point, "scale": 1.0, "s": [1, 1.2]}, {"eta": 0, "z": 1, "s": 0}, derived)


def hierarchical():
    """Scales of clusters that no parameter of the mixture is computed from; and scales of features."""
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), shape=2)
        lam = pm.HalfNormal("lam", 3, shape=2)
        mu = pm.Normal("mu", 0, lam[:, None], shape=(2, 2))
        s = pm.HalfNormal("s", 1, shape=2)
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=pt.tile(s[None, :], (2, 1)), observed=X2)
    point = {"alpha": [0.6, 0.4], "lam": [2.0, 2.5], "mu": [[-3, 0.2], [3, 0.1]], "s": [1.0, 1.3]}
    return Case(model, point, {"alpha": 0, "lam": 0, "mu": 0})


def with_covariates():
    """Three clusters, their weights by row; the most probable cluster of a row is a label, not an axis."""
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 1, shape=(2, 3))
        mu = pm.Normal("mu", 0, 5, shape=3)
        weights = pm.math.softmax(SLOPES @ beta, axis=1)
        pm.Deterministic("likeliest", pt.argmax(weights, axis=1))
        mx.GaussianMixture("x", alpha=weights, mu=mu[:, None], sigma2=np.ones((3, 1)), observed=X)
    point = {"beta": [[0.5, 0.0, -1.0], [0.1, -0.9, 0.7]], "mu": [-3, 0, 3]}
    return Case(
        model, point, {"beta": 1, "mu": 0}, lambda p: {"likeliest": (SLOPES @ p["beta"]).argmax(axis=-1)}
    )


def square_bernoulli():
    """As many items as clusters, so that shapes do not tell which axis is which."""
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(3))
        p = pm.Beta("p", 2, 2, shape=(3, 3))
        mx.BernoulliMixture("x", alpha=alpha, p=p, observed=RNG.integers(0, 2, (50, 3)))
    p = [[0.9, 0.1, 0.1], [0.1, 0.9, 0.2], [0.2, 0.1, 0.9]]
    return Case(model, {"alpha": [0.5, 0.3, 0.2], "p": p}, {"alpha": 0, "p": 0})


def of_pymc():
    """PyMC's own mixture without dims, its scale shared by the clusters."""
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3), shape=3)
        m = pm.Normal("m", 0, 5, shape=3)
        s = pm.HalfNormal("s", 3)
        pm.NormalMixture("x", w, m, s, observed=X[:, 0])
    return Case(model, {"w": [0.5, 0.3, 0.2], "m": [-3, 0, 3], "s": 1.0}, {"w": 0, "m": 0})


def of_pymcs_components():
    """A list of components of one kind, of rows with two columns; as many columns as clusters."""
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(2), shape=2)
        m = pm.Normal("m", 0, 5, shape=(2, 2))
        components = [pm.MvNormal.dist(m[:, k], np.eye(2)) for k in range(2)]
        pm.Mixture("x", w, components, observed=X2)
    return Case(model, {"w": [0.6, 0.4], "m": [[-3, 3], [0.2, 0.1]]}, {"w": 0, "m": 1})


def in_a_loop():
    """Variables of single clusters, two of a shape for each, as models with LKJ priors declare them."""
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(3), shape=3)
        slopes, levels = [], []
        for k in range(3):
            slopes.append(pm.Normal(f"b{k}", 0, 5, shape=2))
            levels.append(pm.Normal(f"a{k}", 0, 5, shape=2))
            pm.Deterministic(f"level_{k}", slopes[k].sum() + levels[k])
        pm.Deterministic("gap", levels[1] - levels[0])
        mu = pt.stack([pt.exp(a) - b for a, b in zip(levels, slopes, strict=True)])
        mx.GaussianMixture("x", alpha=w, mu=mu, sigma2=np.ones((3, 2)), observed=X2)
    ab = [tuple(f"{name}{k}" for k in range(3)) for name in "ab"]
    point = {f"a{k}": [k, 1.0] for k in range(3)} | {f"b{k}": [0.0, 5 * k] for k in range(3)}

    def derived(p):
        levels = {f"level_{k}": p[f"b{k}"].sum(axis=-1, keepdims=True) + p[f"a{k}"] for k in range(3)}
        return {**levels, "gap": p["a1"] - p["a0"]}

    groups = {name: group for group in ab for name in group}
    return Case(model, {"w": [0.5, 0.3, 0.2], **point}, {"w": 0, **groups}, derived)


def one_probability():
    """The weights of two clusters from one number; what the sampler recorded has the name of one, too."""
    with pm.Model() as model:
        p = pm.Beta("p", 2, 2)
        lp = pm.Normal("lp", 0, 1)
        w = pm.Deterministic("w", pt.stack([p, 1 - p]))
        gate = pm.math.sigmoid(lp)
        pm.Deterministic("odds", p / (1 - p))
        m = pm.Normal("m", 0, 5, shape=2)
        pm.NormalMixture("x", w=w, mu=m, sigma=1, observed=X[:, 0])
        pm.NormalMixture("y", w=pt.stack([gate, 1 - gate]), mu=m, sigma=2, observed=X[:, 0])
    return Case(
        model,
        {"p": 0.625, "lp": 0.5, "m": [-3.0, 3.0]},
        {"m": 0, "p": 0.5, "lp": 0.0},
        lambda p: {"odds": p["p"] / (1 - p["p"]), "w": np.stack([p["p"], 1 - p["p"]], axis=-1)},
    )


CASES = [
    sorted_and_gap,
    hierarchical,
    square_bernoulli,
    of_pymc,
    in_a_loop,
    one_probability,
    *long(another_name, not_centred, with_covariates, of_pymcs_components),
]


def permuted(values, axes, order):
    """Draws (chain, draw, ...) by name, the clusters of each in the order (chain, draw, cluster)."""
    new = dict(values)
    for name, axis in axes.items():
        if isinstance(axis, tuple):
            each, own = np.stack([values[n] for n in axis]), order[..., axis.index(name)]
            chain, draw = np.indices(own.shape)
            new[name] = each[own, chain, draw]
            continue
        if isinstance(axis, float):
            turned = (order[..., 0] != 0).reshape(*order.shape[:2], *(1,) * (values[name].ndim - 2))
            new[name] = np.where(turned, 2 * axis - values[name], values[name])
            continue
        new[name] = np.stack(
            [
                np.stack([np.take(x, o, axis=axis) for x, o in zip(*each, strict=True)])
                for each in zip(values[name], order, strict=True)
            ]
        )
    return new


class Drawn:
    """A case with draws about its point in its labels, and the tree of the same in random ones."""

    def __init__(self, case):
        self.case = case
        self.derived = case.derived or (lambda values: {})
        self.compiled = CompiledModel(case.model)
        self.pivot = {name: np.asarray(v, dtype=float) for name, v in case.point.items()}
        x = self.compiled.unconstrain(self.pivot)
        noise = 0.03 * RNG.normal(size=(CHAINS, DRAWS, x.size))
        values = self.compiled.constrain(x + noise)
        self.free = {name: values[name].round(12) for name in self.compiled.rv_shapes}
        name, axis = next(iter(case.axes.items()))
        k = self.free[name].shape[2 + axis]
        self.order = RNG.permuted(np.tile(np.arange(k), (CHAINS, DRAWS, 1)), axis=-1)
        raw = permuted(self.free, case.axes, self.order)
        still = {name: axis for name, axis in case.axes.items() if not isinstance(axis, float)}
        prior = {name: RNG.normal(size=self.free[name].shape) for name in case.axes}
        self.prior = prior
        tree = make_tree(
            {
                "posterior": {**raw, **self.derived(raw)},
                "sample_stats": {"lp": RNG.normal(size=(CHAINS, DRAWS))},
                "log_prior": permuted(prior, still, self.order),
                "log_likelihood": {"x": RNG.normal(size=(CHAINS, DRAWS, 7))},
                "prior": {name: RNG.normal(size=x.shape) for name, x in raw.items()},
            },
            model_dims(case.model),
            {name: v for name, v in case.model.coords.items() if v is not None},
        )
        self.tree = tree
        self.raw = raw


@pytest.fixture(scope="module", params=CASES, ids=lambda make: make.__name__)
def drawn(request):
    return Drawn(request.param())


@pytest.fixture(scope="module")
def example():
    return Drawn(sorted_and_gap())


def assert_aligned(tree, drawn):
    posterior = tree["posterior"].to_dataset()
    for name, x in drawn.free.items():
        np.testing.assert_allclose(posterior[name], x, rtol=1e-14, err_msg=name)
    for name, x in drawn.derived(drawn.free).items():
        np.testing.assert_allclose(posterior[name], x, rtol=1e-12, atol=1e-12, err_msg=name)


def assert_same_groups(tree, other):
    assert set(tree.children) == set(other.children)
    for name, group in tree.children.items():
        assert group.to_dataset().identical(other[name].to_dataset()), name


def test_the_clusters_are_found_whatever_their_axes_are_called(drawn):
    found = find_symmetry(drawn.compiled, drawn.compiled.unconstrain(drawn.pivot))
    assert found.state == "exchangeable"
    assert found.axes == {name: axis for name, axis in drawn.case.axes.items() if isinstance(axis, int)}
    groups = [axis for axis in drawn.case.axes.values() if isinstance(axis, tuple)]
    assert sorted(found.groups) == sorted(set(groups))
    assert found.mirrored == {name: at for name, at in drawn.case.axes.items() if isinstance(at, float)}


def test_draws_in_random_labels_are_mended_and_given_back(drawn):
    aligned = align(drawn.tree, to=drawn.pivot, model=drawn.case.model)
    assert_aligned(aligned, drawn)
    assert aligned.attrs["labels"] == "exchangeable"
    assert label_state(aligned) == ("aligned", "")
    permutation = aligned["sample_stats"]["permutation"]
    np.testing.assert_array_equal(permutation, drawn.order.argsort(axis=-1))
    for name, x in drawn.prior.items():
        np.testing.assert_array_equal(aligned["log_prior"][name], x)
    for group in ("prior", "log_likelihood"):
        assert aligned[group].to_dataset().identical(drawn.tree[group].to_dataset())
    assert_same_groups(unalign(aligned), drawn.tree)
    turn = np.roll(np.arange(permutation.shape[-1]), 1)
    pivot = {name: x[None, None] for name, x in drawn.pivot.items()}
    pivot = {name: x[0, 0] for name, x in permuted(pivot, drawn.case.axes, turn[None, None]).items()}
    turned = align(aligned, to=pivot, model=drawn.case.model)
    np.testing.assert_array_equal(turned["sample_stats"]["permutation"], permutation[..., turn])
    assert_same_groups(unalign(turned), drawn.tree)


def test_a_tree_that_was_told_its_model_is_aligned_without_it(drawn, tmp_path):
    """From disk, under the pivot's labels turned."""
    tree = unalign(align(drawn.tree, to=drawn.pivot, model=drawn.case.model))
    mx.save(tree, tmp_path / "tree.mx")
    tree = mx.load(tmp_path / "tree.mx")
    told = json.loads(tree.attrs["cluster_axes"])
    functions = sorted(name for name, axis in told["derived"].items() if axis == "function")
    if functions:
        with pytest.warns(DataWarning, match=f"{', '.join(functions)}: functions.*pass model="):
            aligned = align(tree, to=drawn.pivot)
    else:
        aligned = align(tree, to=drawn.pivot)
    for name, x in drawn.free.items():
        np.testing.assert_array_equal(aligned["posterior"][name], x)
    for name, x in drawn.derived(drawn.free).items():
        assert (name in aligned["posterior"]) == (name not in functions)
        if name not in functions:
            np.testing.assert_allclose(aligned["posterior"][name], x, rtol=1e-12, atol=1e-12)
    assert_same_groups(unalign(aligned), drawn.tree)


# The example


def test_deterministics_are_of_the_parameters_beside_them(example):
    aligned = align(example.tree, to=example.pivot, model=example.case.model)
    told = json.loads(aligned.attrs["cluster_axes"])
    assert told["derived"] == {"gap": "function", "mu_sorted": None, "rises": "function", "sd": 0}
    posterior = aligned["posterior"]
    assert (posterior["gap"] > 5).all()
    np.testing.assert_array_equal(aligned["raw_posterior"]["gap"], example.tree["posterior"]["gap"])
    assert set(aligned["raw_posterior"].data_vars) == {"gap", "rises"}
    swapped = align(aligned, to=lambda p: -p["mu"][..., 0], method="order", model=example.case.model)
    assert (swapped["posterior"]["gap"] < -5).all()
    assert_same_groups(unalign(swapped), example.tree)


def test_a_tree_of_an_unknown_model_says_what_it_may_get_wrong(example):
    with pytest.warns(DataWarning, match=r"^gap, mu_sorted, rises, sd: permuted where .*pass model="):
        aligned = align(example.tree, to=example.pivot)
    np.testing.assert_array_equal(aligned["posterior"]["mu"], example.free["mu"])
    assert_same_groups(unalign(aligned), example.tree)


def test_unconstrained_values_are_computed_anew(example):
    """Their dims are PyMC's; the simplex has one number less than clusters."""
    flat = example.compiled.unconstrain_draws(example.raw)
    groups = {"alpha_simplex__": flat[..., :1], "sigma2_log__": flat[..., 3:, None]}
    tree = example.tree.copy()
    tree["unconstrained_posterior"] = make_tree({"posterior": groups}, {}, {})["posterior"]
    aligned = align(tree, to=example.pivot, model=example.case.model)
    expected = example.compiled.unconstrain_draws(example.free)
    got = aligned["unconstrained_posterior"]
    np.testing.assert_allclose(got["alpha_simplex__"], expected[..., :1], rtol=1e-9)
    np.testing.assert_allclose(got["sigma2_log__"], expected[..., 3:, None], rtol=1e-9)
    assert_same_groups(unalign(aligned), tree)


def test_groups_follow_by_name_and_by_dim(example):
    """Of draws drawn from the posterior: its variables, others with clusters, functions; and never rows."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(CHAINS, DRAWS, 2))
    raw = permuted({"r": own}, {"r": 0}, example.order)["r"]
    by_cluster = ("chain", "draw", "cluster")
    tree = example.tree.copy()
    tree["posterior_predictive"] = xr.DataTree(
        xr.Dataset(
            {
                "r": (by_cluster, raw),
                "sd": example.tree["posterior"]["sd"].drop_vars(["cluster", "feature"]),
                "mu_sorted": example.tree["posterior"]["mu_sorted"].drop_vars("cluster"),
                "gap": example.tree["posterior"]["gap"],
            }
        )
    )
    tree["predictions"] = xr.DataTree(xr.Dataset({"gap": example.tree["posterior"]["gap"]}))
    tree["log_likelihood"] = xr.DataTree(xr.Dataset({"wards": (by_cluster, raw)}))
    aligned = align(tree, to=example.pivot, model=example.case.model)
    predictive = aligned["posterior_predictive"]
    np.testing.assert_array_equal(predictive["r"], own)
    np.testing.assert_array_equal(predictive["sd"], aligned["posterior"]["sd"])
    np.testing.assert_array_equal(predictive["gap"], aligned["posterior"]["gap"])
    np.testing.assert_array_equal(predictive["mu_sorted"], tree["posterior"]["mu_sorted"])
    np.testing.assert_array_equal(aligned["log_likelihood"]["wards"], raw)
    assert "gap" not in aligned["predictions"]  # of other data, perhaps
    assert_same_groups(unalign(aligned), tree)
    tree["predictions"] = xr.DataTree(xr.Dataset({"r": (by_cluster, raw[:, :7])}))
    tree["posterior"]["added"] = tree["posterior"]["gap"]
    with (
        pytest.warns(DataWarning, match="added: permuted where .*declare them in the model"),
        pytest.raises(InputError, match="predictions has 7 draws of r a chain"),
    ):
        align(tree, to=example.pivot, model=example.case.model)


def test_the_model_must_be_that_of_the_tree(example):
    other = another_name().model
    with pytest.raises(InputError, match="the posterior lacks w, m, s, wards"):
        align(example.tree, to=example.pivot, model=other)
    with pytest.raises(InputError, match="the pivot lacks sigma2"):
        align(example.tree, to={"alpha": [0.5, 0.5], "mu": [[0], [1]]}, model=example.case.model)
    nowhere = example.tree.copy()
    nowhere["posterior"] = xr.DataTree(example.tree["posterior"].to_dataset() * np.nan)
    with pytest.raises(InputError, match="no draw of this tree is finite"):
        align(nowhere, to=example.pivot, model=example.case.model)


def test_sorted_weights_are_found_under_another_name():
    drawn = Drawn(another_name())
    aligned = align(drawn.tree, to=drawn.pivot, model=drawn.case.model)
    weights = invariants(aligned)["sorted weights"]
    assert weights.shape == (CHAINS, DRAWS, 8)  # w, m, s and their product
    by_key = align(aligned, to="m", method="order")
    assert (np.diff(by_key["posterior"]["m"]) > 0).all()
    assert by_key.identical(align(aligned, to=lambda p: p["m"], method="order"))
    np.testing.assert_array_equal(by_key["posterior"]["wards"], drawn.free["wards"])
    assert mx.plot.switching(aligned)[0].get_ylabel() == "m[k]"


# Models whose labels cannot be aligned


def gaussian(name, alpha, mu):
    k = alpha.type.shape[0]
    mx.GaussianMixture(name, alpha=alpha, mu=mu[:, None], sigma2=np.ones((k, 1)), observed=X)


def weights(k=2, name="alpha", concentration=1.0):
    return pm.Dirichlet(name, np.broadcast_to(concentration, k), shape=k, dims="cluster" if k == 2 else None)


def means(k=2, name="mu", **keywords):
    return pm.Normal(name, keywords.pop("centre", 0.0), 5, shape=k, **keywords)


def ordered():
    gaussian("x", weights(), means(centre=[-1, 1], transform=pm.distributions.transforms.ordered))


def ordered_by_a_potential():
    mu = means(3)
    pm.Potential("in order", pt.switch((mu[1] > mu[0]) & (mu[2] > mu[1]), 0.0, -np.inf))
    gaussian("x", weights(3), mu)


def one_cluster():
    gaussian("x", weights(1), means(1))


def told_apart():
    gaussian("x", weights(concentration=[1.0, 3.0]), means(dims="cluster"))


def told_by_a_label():
    """The label of one row tells both clusters."""
    how = {"sigma2": np.ones((2, 1)), "observed": X, "labels": np.where(np.arange(len(X)) == 0, 1, -1)}
    mx.GaussianMixture("x", weights(), means()[:, None], **how)


def told_by_a_constant():
    """Zeros beside counts, as PyMC users write them with this package."""
    rate = pt.stack([pt.zeros(()), pm.Gamma("rate", 2, 1)])[:, None]
    mx.PoissonMixture("x", alpha=weights(), rate=rate, observed=[[0], [0], [1], [3]])


def turned_but_not_swapped():
    """A density that stays when three clusters move up by one, and not when two of them are exchanged."""
    mu = means(3)
    pm.Potential("turn", pt.sin(mu[0] - mu[1]) + pt.sin(mu[1] - mu[2]) + pt.sin(mu[2] - mu[0]))
    gaussian("x", weights(3), mu)


def sorted_means():
    gaussian("x", weights(), pt.sort(means()))


def two_mixtures():
    for name in "xy":
        gaussian(name, weights(name=f"alpha {name}"), means(name=f"mu {name}", dims="cluster"))


def one_of_two_mixtures():
    """The order of the first mixture's clusters is fixed, that of the second's is not."""
    ordered()
    separate_means("y", [pm.Normal(f"nu{k}", 0, 3) for k in range(2)])


def two_of_three():
    """The second and third cluster may change places; the first may not."""
    separate_means("x", [pm.Uniform("mu0", 3, 10), pm.Uniform("mu1", -10, 10), pm.Uniform("mu2", -10, 10)])


def two_pairings():
    """Exchanging ``a0`` with ``b1`` exchanges the means too, and has no density."""
    factors = [(pm.Normal(f"a{k}", [-0.1, 0.1][k], 1), pm.LogNormal(f"b{k}", 0, 0.3)) for k in range(2)]
    separate_means("x", [a * b for a, b in factors])


def separate_means(name, mu):
    """A mixture of normals whose means are variables of their own."""
    w = pm.Dirichlet(f"w {name}", 10 * np.ones(len(mu)))
    pm.Mixture(name, w=w, comp_dists=[pm.Normal.dist(each, 1.2) for each in mu], observed=X[:, 0])


def two_sizes():
    for k, name in enumerate("xy", start=2):
        gaussian(name, weights(k, f"alpha {name}"), means(k, f"mu {name}"))


def by_hand(w, m):
    """A mixture whose density nobody but its author knows to be one."""
    pm.Potential("x", pt.logsumexp(pt.log(w) - (X - m) ** 2 / 2, axis=1).sum())


def no_mixture():
    by_hand(weights(), means(name="m"))


def no_mixture_no_name():
    by_hand(pm.Dirichlet("w", np.ones(2)), means(name="m"))


def inflated_components():
    """Zero-inflated components, whose parameters are those of the distributions within them."""
    w, psi, rate = weights(), pm.Beta("psi", 1, 1), pm.Gamma("rate", 2, 1, shape=2)
    pm.Mixture("x", w, [pm.ZeroInflatedPoisson.dist(psi, r) for r in rate], observed=[0, 0, 1, 3])


def inflated():
    """PyMC's mixture of two distributions, which are no clusters."""
    pm.ZeroInflatedPoisson("x", pm.Beta("psi", 1, 1), pm.Gamma("rate", 2, 1), observed=[0, 0, 1, 3])


@pytest.mark.parametrize(
    ("declare", "state", "why"),
    [
        (ordered, "fixed", "single order"),
        (ordered_by_a_potential, "fixed", "single order"),
        (one_cluster, "fixed", "one cluster"),
        (told_by_a_label, "fixed", "known labels of rows"),
        (told_by_a_constant, "fixed", "constants of the model"),
        (told_apart, "unalignable", "density changes"),
        (turned_but_not_swapped, "unalignable", "density changes"),
        (sorted_means, "unalignable", "no exchange of free variables.*pm.Dirichlet"),
        (two_mixtures, "unalignable", "x, y each have clusters of their own"),
        (one_of_two_mixtures, "unalignable", "x, y each have clusters of their own"),
        (two_of_three, "unalignable", "density changes"),
        (two_pairings, "unalignable", "density changes"),
        pytest.param(
            two_sizes, "unalignable", "x, y each have clusters of their own", marks=pytest.mark.long
        ),
        (no_mixture, "unalignable", "density changes"),
        (no_mixture_no_name, "unalignable", "no mixture of this package"),
        (inflated, "unalignable", "no mixture of this package"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_cannot_be_aligned_is_told_and_refused(declare, state, why):
    with pm.Model(coords={"cluster": range(2)}) as model:
        declare()
    compiled = CompiledModel(model)
    x = compiled.initial_point(1) + 0.1 * np.arange(compiled.size)
    found = find_symmetry(compiled, x)
    assert (found.state, found.axes) == (state, {})
    assert re.search(why, found.why)
    values = compiled.constrain(x[None, None] + np.zeros((1, 4, 1)))
    tree = make_tree({"posterior": values}, {}, {})
    with pytest.raises(InputError, match=f"cannot be aligned: .*{why}"):
        align(tree, to={name: v[0, 0] for name, v in values.items()}, model=model)


def test_supports_that_agree_at_one_draw_only_are_no_symmetry():
    with pm.Model() as model:
        separate_means("x", [pm.Uniform("mu0", -10, 0.5), pm.Uniform("mu1", -0.5, 10)])
    compiled = CompiledModel(model)
    apart, near = (
        compiled.unconstrain({"w x": np.array([0.4, 0.6]), "mu0": -mu, "mu1": mu})
        for mu in (np.array(3.0), np.array(0.2))
    )
    assert find_symmetry(compiled, near).state == "exchangeable"
    assert find_symmetry(compiled, np.stack([apart, near])).state == "unalignable"


def test_a_huge_value_at_one_draw_does_not_hide_that_a_deterministic_follows_the_labels():
    with pm.Model() as model:
        eta = [pm.Normal(f"eta{k}", 0, 10) for k in range(2)]
        rates = [pm.Deterministic(f"rate{k}", pt.exp(each)) for k, each in enumerate(eta)]
        w = pm.Dirichlet("w", np.ones(2))
        pm.Mixture("x", w=w, comp_dists=[pm.Poisson.dist(rate) for rate in rates], observed=[2, 1, 3, 30, 28])
    rng = np.random.default_rng(0)
    kept = np.log([2, 30]) + 0.1 * rng.normal(size=(2, 50, 2))
    kept[0, 4, 1] = 30.0
    order = rng.permuted(np.tile([0, 1], (2, 50, 1)), axis=-1)
    order[0, 4] = [0, 1]
    raw, w = (np.take_along_axis(np.broadcast_to(v, kept.shape), order, axis=2) for v in (kept, [0.6, 0.4]))
    values = {"w": w, **{f"eta{k}": raw[..., k] for k in range(2)}}
    values |= {f"rate{k}": np.exp(raw[..., k]) for k in range(2)}
    aligned = align(
        make_tree({"posterior": values}, {}, {}), to={"w": [0.6, 0.4], "eta0": 0.7, "eta1": 3.4}, model=model
    )
    for k in range(2):
        np.testing.assert_allclose(aligned["posterior"][f"rate{k}"], np.exp(kept[..., k]), rtol=1e-12)


def test_pairings_of_many_variables_are_made_one_at_a_time():
    names = [(f"a{k}_{i}", k) for k in range(2) for i in range(12)]
    base = [np.zeros((3, 2))]
    changed = {name: [np.where(np.arange(2) == k, 1.0, 0.0) + base[0]] for name, k in names}
    found = correspondences(base, changed, [1], {name: () for name, _ in names}, 2)
    assert next(found) == [(f"a0_{i}", f"a1_{i}") for i in range(12)]
    assert len(list(found)) == 199


def test_components_with_distributions_within_them_are_exchanged():
    with pm.Model(coords={"cluster": range(2)}) as model:
        inflated_components()
    compiled = CompiledModel(model)
    found = find_symmetry(compiled, compiled.initial_point(1))
    assert (found.state, found.axes) == ("exchangeable", {"alpha": 0, "rate": 0})


def test_two_mixtures_of_the_same_clusters_have_one_relabelling():
    with pm.Model(coords={"cluster": range(2)}) as model:
        mu = means()
        for name in "xy":
            gaussian(name, weights(name=f"alpha {name}"), mu)
    compiled = CompiledModel(model)
    found = find_symmetry(compiled, compiled.initial_point(1))
    assert (found.state, found.axes) == ("exchangeable", {"mu": 0, "alpha x": 0, "alpha y": 0})


def test_names_do_where_the_mixture_is_not_recognised():
    with pm.Model(coords={"cluster": range(2)}) as model:
        by_hand(weights(), means(name="m", dims="cluster"))
    compiled = CompiledModel(model)
    found = find_symmetry(compiled, compiled.initial_point(1))
    assert (found.state, found.axes) == ("exchangeable", {"alpha": 0, "m": 0})


def test_so_do_the_users_names_which_the_density_judges():
    with pm.Model() as model:
        by_hand(pm.Dirichlet("w", np.ones(2)), means(name="m"))
    compiled = CompiledModel(model)
    x = compiled.unconstrain({"w": np.array([0.6, 0.4]), "m": np.array([-3.0, 3.0])})
    values = compiled.constrain(x + 0.1 * RNG.normal(size=(2, 20, x.size)))
    order = RNG.permuted(np.tile(np.arange(2), (2, 20, 1)), axis=-1)
    tree = make_tree({"posterior": permuted(values, {"w": 0, "m": 0}, order)}, {}, {})
    pivot = {name: v[0, 0] for name, v in values.items()}
    aligned = align(tree, to=pivot, model=model, dim=["w_dim_0", "m_dim_0"])
    for name, v in values.items():
        np.testing.assert_array_equal(aligned["posterior"][name], v)
    assert_same_groups(unalign(aligned), tree)
    with pytest.raises(InputError, match="density changes"):
        align(tree, to=pivot, model=model, dim="m_dim_0")


# What is said of the draws


def sampled_by_hand(swap, **attrs):
    """Independent draws, all chains alike but for the labels of one."""
    rng = np.random.default_rng(0)
    mu = np.array([-3.0, 3.0]) + 0.1 * rng.normal(size=(4, 1000, 2))
    if swap:
        mu[1] = mu[1, :, ::-1]
    tree = make_tree({"posterior": {"mu": mu}, "sample_stats": {"lp": rng.normal(size=(4, 1000))}}, {}, {})
    tree.attrs.update(attrs)
    return tree


@pytest.mark.parametrize(
    ("attrs", "ending", "judged"),
    [
        ({}, ", labels as drawn", True),
        ({"labels": "exchangeable"}, ", labels as drawn", True),
        ({"labels": "fixed", "labels_why": "a single order"}, "", True),
        ({"labels": "unalignable", "labels_why": "two mixtures"}, ", labels not aligned", False),
    ],
)
@pytest.mark.parametrize("swap", [False, True])
def test_lines_on_parameters_say_under_which_labels(attrs, ending, judged, swap):
    tree = sampled_by_hand(swap, **attrs)
    found = {line.name: line for line in diagnose(tree).checks}
    line = found[f"R-hat of parameters{ending}"]
    assert not any("labels aligned" in name for name in found)
    assert line.passed is not swap
    assert line.judged is judged
    assert diagnose(tree).passed is not (swap and judged)
    if not judged:
        assert "two mixtures" in line.note


@pytest.mark.parametrize(("share", "passed"), [(0.5, False), (0.0, True)])
def test_clusters_that_change_places_though_priors_differ_call_for_care(share, passed):
    with pm.Model() as model:
        separate_means("x", [pm.Normal("mu0", -1, 5), pm.Normal("mu1", 1, 5)])
    compiled, rng = CompiledModel(model), np.random.default_rng(0)
    kept = np.array([-3.0, 3.0]) + 0.1 * rng.normal(size=(2, 100, 2))
    mu = np.where(rng.random((2, 100, 1)) < share, kept[..., ::-1], kept)
    values = {"w x": np.broadcast_to([0.5, 0.5], mu.shape), "mu0": mu[..., 0], "mu1": mu[..., 1]}
    stats = {"lp": rng.normal(size=(2, 100))}
    tree = make_tree({"posterior": values, "sample_stats": stats}, {}, {})
    pivot = {"w x": np.array([0.5, 0.5]), "mu0": np.array(-3.0), "mu1": np.array(3.0)}
    told = with_own_labels(tree, pivot, compiled, compiled.unconstrain_draws(values))
    line = {each.name: each for each in diagnose(told).checks}[
        "share of draws whose clusters keep their places"
    ]
    assert (told.attrs["labels"], line.passed, line.caution) == ("unalignable", passed, True)
    assert abs(line.figure - (1 - share)) < 0.1


def test_a_sample_without_names_of_dims_is_aligned():
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(2), shape=2)
        mu = pm.Normal("mu", 0, 5, shape=2)
        pm.Deterministic("gap", mu[1] - mu[0])
        mx.GaussianMixture("x", alpha=alpha, mu=mu[:, None], sigma2=np.ones((2, 1)), observed=X)
    tree = mx.sample(model, draws=300, tune=200, chains=8, random_seed=1, progressbar=False)
    orders = np.unique(tree["sample_stats"]["permutation"].values.reshape(-1, 2), axis=0)
    assert len(orders) == 2  # else there was nothing to mend
    mu, gap = (tree["posterior"][name].values for name in ("mu", "gap"))
    np.testing.assert_allclose(gap, mu[..., 1] - mu[..., 0], rtol=1e-12)
    assert len(np.unique(np.sign(gap))) == 1
    verdict = diagnose(tree)
    assert verdict.passed
    assert "R-hat of parameters, labels aligned" in verdict.to_frame().index
    raw = unalign(tree)["posterior"]
    np.testing.assert_allclose(raw["gap"], raw["mu"][..., 1] - raw["mu"][..., 0], rtol=1e-12)
    assert label_state(unalign(tree))[0] == "raw"


def test_a_sample_of_two_mixtures_is_judged_by_what_knows_no_labels():
    with pm.Model(coords={"cluster": range(2)}) as model:
        two_mixtures()
    tree = mx.sample(model, draws=600, tune=300, chains=4, random_seed=2, progressbar=False)
    assert tree.attrs["labels"] == "unalignable"
    assert "clusters of their own" in tree.attrs["labels_why"]
    assert "permutation" not in tree["sample_stats"]
    for name in ("alpha x", "mu x"):
        swapped = tree["posterior"][name].copy(deep=True)
        swapped[1] = swapped[1, :, ::-1].values
        tree["posterior"][name] = swapped
    with pytest.raises(InputError, match="cannot be aligned, so there are no switches to count: x, y each"):
        mx.switching(tree)
    verdict = diagnose(tree)
    lines = {line.name: line for line in verdict.checks}
    assert verdict.passed
    assert not any("labels aligned" in name for name in lines)
    for name in ("lp", "log_posterior"):
        tree["sample_stats"][name][1] += 100.0
    notes = {line.name: str(line.note) for line in diagnose(tree).checks}
    assert "draw" in notes["R-hat of label-invariant quantities"]
    assert "auto" not in notes["R-hat of label-invariant quantities"]  # it knows no modes of such models
    assert not lines["R-hat of parameters, labels not aligned"].judged
    assert not lines["R-hat of parameters, labels not aligned"].passed
    with pytest.raises(InputError, match="cannot be aligned: x, y each have"):
        align(tree, to={})


# The distance


def test_what_does_not_tell_clusters_apart_does_not_decide():
    """One entry tells them apart by fifty sds; thirty others are noise about values that differ a little."""
    rng = np.random.default_rng(0)
    pivot = {"mu": np.array([[-3.0], [3.0]]), "tau": rng.normal(size=(2, 30))}
    draws = {
        "mu": pivot["mu"] + 0.1 * rng.normal(size=(400, 2, 1)),
        "tau": rng.normal(size=(400, 2, 30)),
    }
    swapped = rng.random(400) < 0.5
    draws = {name: np.where(swapped[:, None, None], x[:, ::-1], x) for name, x in draws.items()}
    order = by_parameters(None, draws, pivot)
    np.testing.assert_array_equal(order[:, 0], swapped)
