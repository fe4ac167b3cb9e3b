"""Relabelling rules: each against brute force, and all on draws with known labels."""

from itertools import permutations

import numpy as np
import pytest
import xarray as xr
from conftest import all_specs, every_spec, make_params, make_rows, spec_id
from scipy.special import rel_entr, softmax

import mixtures as mx
from mixtures import InputError, align, unalign
from mixtures.clusters import rules as relabelling
from mixtures.clusters.orders import find_orders
from mixtures.clusters.rules import Classified, by_allocations, by_parameters, by_probabilities, sweep
from mixtures.data.reading import as_data
from mixtures.data.table import Data
from mixtures.trees import make_tree

CHAINS, DRAWS = 2, 12
EVERY_RULE = pytest.mark.parametrize("method", ["parameters", "ecr", "stephens"])


def drawn(spec, apart, seed=0, noise=0.05):
    """Rows, a pivot, and draws (chain, draw, ...) about it in shuffled labels; the orders that mend them."""
    rng = np.random.default_rng(seed)
    X, _ = make_rows(spec, n_features=2, apart=apart, seed=seed)
    k = spec.n_components
    resolved = mx.resolve(spec, X)
    pivot = make_params(spec, apart=apart, seed=seed)
    log_joint = resolved.log_joint(resolved.inside(pivot))(X.T)

    def one():
        r = softmax(log_joint + noise * rng.normal(size=log_joint.shape), axis=0)
        return resolved.maximize(resolved.family.expect(None, X.T, r))

    draws = [one() for _ in range(CHAINS * DRAWS)]
    orders = rng.permuted(np.tile(np.arange(k), (CHAINS * DRAWS, 1)), axis=1)
    raw = [resolved.relabel(params, order) for params, order in zip(draws, orders, strict=True)]
    stacked = {name: np.stack([params[name] for params in raw]) for name in spec.dims}
    return X, pivot, stacked, orders.argsort(axis=1)


def tree_of(spec, draws):
    posterior = {name: x.reshape(CHAINS, DRAWS, *x.shape[1:]) for name, x in draws.items()}
    coords = {"cluster": range(spec.n_components), "feature": ["a", "b"], "feature_bis": ["a", "b"]}
    return make_tree({"posterior": posterior}, spec.dims, coords)


def probabilities(spec, X, params):
    """(n, K), by SciPy from the textbook density."""
    joint = spec.family.textbook_log_density(X.T, params) + np.log(params["alpha"])[:, None]
    return softmax(joint, axis=0).T


def each(draws):
    return [{name: x[s] for name, x in draws.items()} for s in range(len(draws["alpha"]))]


def best(score, k):
    """Highest score of all orders."""
    return max(score(list(order)) for order in permutations(range(k)))


# Against brute force, where clusters overlap so that every draw is a close call


def overlapping(k, seed):
    spec = mx.GMM(k, covariance_type="diag")
    X, pivot, draws, _ = drawn(spec, apart=0.3, seed=seed, noise=8.0)
    weights = np.random.default_rng(seed).integers(1, 12, size=len(X)).astype(float)
    return spec, X, weights, pivot, draws


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_ecr_keeps_the_most_rows(k, weighted):
    spec, X, w, pivot, draws = overlapping(k, seed=k)
    w = w if weighted else np.ones(len(X))
    orders = by_allocations(Classified(spec, as_data(X, w if weighted else None), draws), pivot)
    z = probabilities(spec, X, pivot).argmax(axis=1)
    for params, order in zip(each(draws), orders, strict=True):
        assert sorted(order) == list(range(k))
        r = probabilities(spec, X, params)

        def kept(order, r=r):
            return w @ (r[:, order].argmax(axis=1) == z)

        assert kept(order) == pytest.approx(best(kept, k))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_parameters_come_closest(k):
    spec, _, _, pivot, draws = overlapping(k, seed=k)
    orders = by_parameters(spec.family, draws, pivot)
    for params, order in zip(each(draws), orders, strict=True):

        def near(order, params=params):
            return -spec.family.distance(spec.relabel(params, np.array(order)), pivot).sum()

        assert near(order) == pytest.approx(best(near, k))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_a_sweep_comes_closest_to_the_mean(k, weighted):
    spec, X, w, pivot, draws = overlapping(k, seed=k)
    w = w if weighted else np.ones(len(X))
    q = probabilities(spec, X, pivot)
    orders, mean = sweep(Classified(spec, as_data(X, w if weighted else None), draws), q.T)
    under = []
    for params, order in zip(each(draws), orders, strict=True):
        r = probabilities(spec, X, params)

        def near(order, r=r):
            return -(w @ rel_entr(r[:, order], q).sum(axis=1))

        assert near(order) == pytest.approx(best(near, k))
        under.append(r[:, order])
    np.testing.assert_allclose(mean.T, np.mean(under, axis=0), rtol=1e-9)


def test_stephens_stops_where_no_label_changes_and_no_sweep_rises():
    spec, X, _, pivot, draws = overlapping(3, seed=3)
    classified = Classified(spec, as_data(X), draws)

    def loss(orders, mean):
        r = [probabilities(spec, X, p)[:, order] for p, order in zip(each(draws), orders, strict=True)]
        return sum(rel_entr(one, mean.T).sum() for one in r)

    orders, mean = sweep(classified, classified.at(pivot))
    losses = [loss(orders, mean)]
    while True:
        before = orders
        orders, mean = sweep(classified, mean)
        losses.append(loss(orders, mean))
        if np.array_equal(before, orders):
            break
    assert len(losses) > 2  # else a single sweep would do
    assert (np.diff(losses) <= 1e-9 * losses[0]).all()
    np.testing.assert_array_equal(by_probabilities(classified, pivot), orders)


def test_stephens_says_when_it_gives_up(monkeypatch):
    spec, X, _, pivot, draws = overlapping(3, seed=3)
    monkeypatch.setattr(relabelling, "SWEEPS", 1)
    with pytest.warns(UserWarning, match="still changes labels after 1 sweeps"):
        by_probabilities(Classified(spec, as_data(X), draws), pivot)


@EVERY_RULE
def test_memory_is_bounded_and_blocks_change_nothing(method, monkeypatch):
    spec, X, _, pivot, draws = overlapping(3, seed=0)
    tree = tree_of(spec, draws)
    whole = find_orders(tree, pivot, method, X=X)
    sizes = []
    made = Classified._of
    monkeypatch.setattr(Classified, "_of", lambda self, block: sizes.append(len(block)) or made(self, block))
    monkeypatch.setattr(relabelling, "HELD", 5 * len(X) * 3)
    monkeypatch.setattr(relabelling, "BLOCK_ROWS", 7)
    monkeypatch.setattr(relabelling, "DRAWS_AT_ONCE", 5)
    np.testing.assert_array_equal(find_orders(tree, pivot, method, X=X), whole)
    assert max(sizes, default=5) == 5


# Draws whose labels are known


@every_spec
@EVERY_RULE
def test_known_labels_are_found_and_given_back(spec, method):
    X, pivot, draws, expected = drawn(spec, apart=6.0)
    raw = tree_of(spec, draws)
    aligned = align(raw, to=pivot, method=method, spec=spec, X=X)
    permutation = aligned["sample_stats"]["permutation"].values
    np.testing.assert_array_equal(permutation.reshape(expected.shape), expected)
    assert unalign(aligned).identical(raw)
    turned = spec.relabel(pivot, np.array([2, 0, 1]))
    twice = align(aligned, to=turned, method=method, X=X)
    assert twice.identical(align(raw, to=turned, method=method, X=X))
    assert unalign(twice).identical(raw)


@pytest.mark.parametrize("method", ["ecr", "stephens"])
def test_the_tree_knows_its_model_and_its_data(method):
    spec = mx.BMM(3)
    X, pivot, draws, _ = drawn(spec, apart=3.0)
    tree = tree_of(spec, draws)
    expected = find_orders(tree, pivot, method, spec=spec, X=X)
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs_id", "feature"), X)}))
    np.testing.assert_array_equal(find_orders(tree, pivot, method), expected)


@pytest.mark.parametrize("method", ["ecr", "stephens"])
def test_weights_are_repeated_rows(method):
    spec, X, _, pivot, draws = overlapping(3, seed=5)
    weights = np.where(X[:, 0] > 1, 40, 1)
    tree = tree_of(spec, draws)
    repeated = np.repeat(X, weights, axis=0)
    weighed = find_orders(tree, pivot, method, X=X, weights=weights)
    np.testing.assert_array_equal(weighed, find_orders(tree, pivot, method, X=repeated))
    assert (weighed != find_orders(tree, pivot, method, X=X)).any()  # else weights could be lost


@pytest.mark.parametrize("method", ["ecr", "stephens"])
def test_a_draw_that_is_not_finite_keeps_its_labels(method):
    spec = mx.GMM(3)
    X, pivot, draws, expected = drawn(spec, apart=6.0)
    draws["mu"][5] = np.nan
    orders = find_orders(tree_of(spec, draws), pivot, method, X=X).reshape(expected.shape)
    np.testing.assert_array_equal(orders[5], np.arange(3))
    np.testing.assert_array_equal(np.delete(orders, 5, axis=0), np.delete(expected, 5, axis=0))


def test_rows_at_probability_zero_do_not_stop_stephens():
    """p at 0 and 1: log 0 meets probability 0."""
    spec = mx.BMM(2)
    p = np.array([[0.0, 0.0], [1.0, 1.0]])
    draws = {"alpha": np.full((2, 2), 0.5), "p": np.stack([p, p[::-1]])}
    X = Data(np.array([[0.0, 0.0], [1.0, 1.0]]), ("a", "b"), np.arange(2))
    orders = by_probabilities(Classified(spec, X, draws), {"alpha": np.full(2, 0.5), "p": p})
    np.testing.assert_array_equal(orders, [[0, 1], [1, 0]])


# A key


@pytest.mark.parametrize("spec", list(all_specs()), ids=spec_id)
def test_a_key_ascends_with_the_label(spec):
    _, _, draws, _ = drawn(spec, apart=2.0)
    tree = tree_of(spec, draws)
    name, rest = spec.family.parameters[0].name, spec.family.parameters[0].dims[2:]
    keys = {
        "alpha": lambda p: p["alpha"],
        ", ".join([f"{name}[b", *"1" * len(rest)]) + "]": lambda p: (
            p[name].sel(feature="b").isel(dict.fromkeys(rest, 1))
        ),
    }
    for key, values in keys.items():
        aligned = align(tree, to=key, method="order")
        ordered = values(aligned["posterior"].to_dataset()).transpose("chain", "draw", "cluster")
        assert (np.diff(ordered, axis=-1) >= 0).all()
        assert aligned.identical(align(tree, to=values, method="order"))
        assert unalign(aligned).identical(tree)


def test_the_middle_of_a_covariance_can_be_the_key():
    _, _, draws, _ = drawn(mx.GMM(3), apart=2.0)
    aligned = align(tree_of(mx.GMM(3), draws), to="Sigma[b, a]", method="order")
    assert (np.diff(aligned["posterior"]["Sigma"].values[..., 1, 0], axis=-1) >= 0).all()


# What is refused


def test_misuse_is_refused():
    spec = mx.GMM(3)
    X, pivot, draws, _ = drawn(spec, apart=6.0)
    tree = tree_of(spec, draws)
    with pytest.raises(InputError, match=r"'stephen' is not known \(did you mean 'stephens'\?\)"):
        align(tree, to=pivot, method="stephen")
    with pytest.raises(InputError, match="give the data"):
        align(tree, to=pivot, method="ecr")
    with pytest.raises(InputError, match="X has 1 column;"):
        align(tree, to=pivot, method="ecr", X=X[:, :1])
    for other in (mx.BMM(3), mx.GMM(2), mx.GMM(3, covariance_type="diag")):
        with pytest.raises(InputError, match="give the model that was sampled"):
            align(tree, to=pivot, method="stephens", spec=other, X=X)
    with pytest.raises(InputError, match="the pivot lacks alpha"):
        align(tree, to={name: x for name, x in pivot.items() if name != "alpha"}, method="ecr", X=X)
    with pytest.raises(InputError, match="parameters of a pivot"):
        align(tree, to="mu[a]")
    with pytest.raises(InputError, match=r"no key 'mu\[c\]' .*did you mean 'mu\[[ab]\]'"):
        align(tree, to="mu[c]", method="order")
    for key in (lambda p: p["mu"], lambda p: 3.0):
        with pytest.raises(InputError, match="one number per cluster"):
            align(tree, to=key, method="order")
    own = make_tree({"posterior": {"w": np.ones((1, 4, 3))}}, {"w": ("cluster",)}, {"cluster": range(3)})
    with pytest.raises(InputError, match=r"not have the variables of a model.*method='parameters'"):
        align(own, to={"w": np.ones(3)}, method="ecr", X=X)
