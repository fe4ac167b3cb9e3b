"""Labels: the assignment against brute force, and trees relabelled, restored and refused."""

from itertools import permutations

import numpy as np
import pytest
import xarray as xr
from conftest import every_spec, make_params, make_rows, soft, spec_id
from hypothesis import given
from hypothesis import strategies as st

import mixtures as mx
from mixtures import InputError, align, fit_em, resolve, unalign
from mixtures.clusters.rules import assign, match_params, pinned
from mixtures.families.covariance import COVARIANCES
from mixtures.trees import make_tree

CHAINS, DRAWS = 3, 15
WITHOUT_THE_MODEL = pytest.mark.filterwarnings("ignore:.*pass model=:mixtures.DataWarning")


def draws_about(spec, apart=6.0, n_features=3, scale=1.0, seed=0):
    """Pivot, and draws (chain, draw, ...) near it with its labels: M-steps of perturbed responsibilities."""
    X, z = make_rows(spec, n_features=n_features, apart=apart, seed=seed)
    X = X * scale
    resolved = resolve(spec, X)

    def mode(seed):
        return resolved.maximize(resolved.family.expect(None, X.T, soft(z, spec.n_components, seed)))

    drawn = [mode(1 + seed) for seed in range(CHAINS * DRAWS)]
    stacked = {name: np.stack([one[name] for one in drawn]) for name in spec.dims}
    return mode(0), {name: x.reshape(CHAINS, DRAWS, *x.shape[1:]) for name, x in stacked.items()}


def shuffled(draws, cluster_axes, seed=0):
    """The draws with the clusters of each in random order; the order, so that ``raw = draws[order]``."""
    rng = np.random.default_rng(seed)
    name = next(iter(cluster_axes))
    k = draws[name].shape[2 + cluster_axes[name]]
    order = rng.permuted(np.tile(np.arange(k), (CHAINS, DRAWS, 1)), axis=-1)
    raw = {name: x.copy() for name, x in draws.items()}
    for c, d in np.ndindex(CHAINS, DRAWS):
        for name, axis in cluster_axes.items():
            raw[name][c, d] = np.take(draws[name][c, d], order[c, d], axis=axis)
    return raw, order


def tree_of(posterior, dims, **groups):
    lengths = {
        dim: n for name, x in posterior.items() for dim, n in zip(dims[name], x.shape[2:], strict=True)
    }
    coords = {dim: [f"{dim} {i}" for i in range(n)] for dim, n in lengths.items()}
    return make_tree(
        {"posterior": posterior, **groups}, dims, coords | {"cluster": np.arange(lengths["cluster"])}
    )


def cluster_axes(dims):
    return {name: d.index("cluster") for name, d in dims.items() if "cluster" in d}


def assert_posterior(tree, expected):
    group = tree["posterior"].to_dataset()
    assert set(group.data_vars) == set(expected)
    for name, x in expected.items():
        np.testing.assert_array_equal(group[name].values, x, err_msg=name)


# The assignment


def cheapest(cost):
    """Least total cost over all permutations."""
    k = len(cost)
    return min(sum(cost[order[j], j] for j in range(k)) for order in permutations(range(k)))


def assert_cheapest(cost):
    order = assign(cost)
    assert order.shape == cost.shape[:-1]
    k = cost.shape[-1]
    flat, orders = cost.reshape(-1, k, k), order.reshape(-1, k)
    for one, found in zip(flat, orders, strict=True):
        assert sorted(found) == list(range(k))
        assert one[found, np.arange(k)].sum() == pytest.approx(cheapest(one), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_the_assignment_is_the_cheapest_of_all(k):
    rng = np.random.default_rng(k)
    assert_cheapest(rng.random((2, 10, k, k)))
    assert_cheapest(rng.integers(0, 3, size=(20, k, k)).astype(float))  # ties everywhere
    assert_cheapest(rng.integers(0, 3, size=(20, k, k)) + 1e-9 * rng.random((20, k, k)))
    assert_cheapest(np.zeros((k, k)))
    assert_cheapest(1e300 * rng.random((5, k, k)))
    greedy_is_wrong = np.full((k, k), 10.0)
    greedy_is_wrong[0] = 0.0  # every label is cheapest for one cluster
    assert_cheapest(greedy_is_wrong)


@given(st.integers(2, 4).flatmap(lambda k: st.lists(st.integers(-3, 3), min_size=k * k, max_size=k * k)))
def test_the_assignment_is_the_cheapest_of_any_costs(costs):
    k = int(np.sqrt(len(costs)))
    assert_cheapest(np.array(costs, dtype=float).reshape(k, k))


@pytest.mark.parametrize("anchored", [[1], [0, 3], [0, 1, 2, 3]])
def test_anchored_clusters_keep_their_labels_whatever_it_costs(anchored):
    costs = np.random.default_rng(0).normal(size=(40, 4, 4))
    free = np.setdiff1d(np.arange(4), anchored)
    allowed = [np.array(p) for p in permutations(range(4)) if all(p[k] == k for k in anchored)]
    for cost, order in zip(costs, assign(pinned(costs, anchored)), strict=True):
        assert (order[anchored] == anchored).all()
        each = [cost[p, np.arange(4)][free].sum() for p in (order, *allowed)]
        assert each[0] == min(each)


# Draws of this package's models


@every_spec
@pytest.mark.parametrize("seed", [0, 1])
def test_alignment_undoes_any_relabelling(spec, seed):
    pivot, draws = draws_about(spec, seed=seed)
    raw, order = shuffled(draws, cluster_axes(spec.dims), seed)
    assert any((raw[name] != draws[name]).any() for name in draws)
    aligned = align(tree_of(raw, spec.dims), to=pivot)
    assert_posterior(aligned, draws)
    permutation = aligned["sample_stats"]["permutation"]
    assert permutation.dims == ("chain", "draw", "cluster")
    np.testing.assert_array_equal(permutation, np.argsort(order, axis=-1))
    for c, d in [(0, 0), (2, 7)]:
        one = {name: x[c, d] for name, x in raw.items()}
        back = spec.relabel(one, permutation.values[c, d])
        np.testing.assert_array_equal(back["alpha"], draws["alpha"][c, d])


@every_spec
def test_a_relabelled_pivot_gives_its_own_labels(spec):
    pivot, draws = draws_about(spec)
    order = np.array([2, 0, 1])
    aligned = align(tree_of(draws, spec.dims), to=spec.relabel(pivot, order))
    for name, x in draws.items():
        expected = x[:, :, order] if "cluster" in spec.dims[name] else x
        np.testing.assert_array_equal(aligned["posterior"][name], expected)
    np.testing.assert_array_equal(match_params(spec.family, pivot, spec.relabel(pivot, order)), order)


@WITHOUT_THE_MODEL
@pytest.mark.parametrize("own_names", [False, True], ids=["this package's names", "the user's names"])
@pytest.mark.parametrize("structure", COVARIANCES)
def test_units_do_not_change_the_labels(structure, own_names):
    """With overlapping clusters, so that many draws are hard to assign; spherical clusters share one unit."""
    spec = mx.GMM(4, covariance_type=structure)
    scale = np.full(3, 1e3) if "spherical" in structure else np.array([1e-3, 1.0, 1e3])
    orders = []
    for unit in (1.0, scale, 1 / scale):
        pivot, draws = draws_about(spec, apart=0.5, scale=unit)
        raw, _ = shuffled(draws, cluster_axes(spec.dims))
        name = str.upper if own_names else str
        dims, pivot, raw = ({name(key): x for key, x in each.items()} for each in (spec.dims, pivot, raw))
        orders.append(align(tree_of(raw, dims), to=pivot)["sample_stats"]["permutation"].values)
    assert len(np.unique(orders[0].reshape(-1, 4), axis=0)) > 4
    np.testing.assert_array_equal(orders[1], orders[0])
    np.testing.assert_array_equal(orders[2], orders[0])


def test_the_divergence_decides_and_not_the_distance_of_means():
    """Two clusters with nearly equal means, which their spread distinguishes and their means misassign."""
    dims = mx.GMM(2, covariance_type="diag").dims
    pivot = {"alpha": np.full(2, 0.5), "mu": np.array([[0.0], [0.1]]), "sigma2": np.array([[1.0], [100.0]])}
    raw = {
        "alpha": np.array([0.3, 0.7]),
        "mu": np.array([[0.0], [0.1]]),
        "sigma2": np.array([[100.0], [1.0]]),
    }
    aligned = align(tree_of({name: x[None, None] for name, x in raw.items()}, dims), to=pivot)
    np.testing.assert_array_equal(aligned["posterior"]["sigma2"].values[0, 0], pivot["sigma2"])
    np.testing.assert_array_equal(aligned["posterior"]["alpha"].values[0, 0], [0.7, 0.3])


def test_a_fit_is_aligned_to_another():
    X, _ = make_rows(mx.GMM(3), apart=6.0)
    spec = mx.GMM(3)
    em = fit_em(spec, X, n_init=2, random_seed=1)
    other = fit_em(spec, X, start=spec.relabel(em.params, [1, 2, 0]))
    aligned = align(other.to_datatree(), to=em.params)["posterior"]
    assert np.abs(other.params["mu"] - em.params["mu"]).max() > 1
    for name, x in em.params.items():
        np.testing.assert_allclose(aligned[name].values[0, 0], x, rtol=1e-5, atol=1e-5)


def test_many_draws_of_many_clusters():
    spec = mx.BMM(10)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, size=(10, 20))
    noisy = np.clip(p + 0.01 * rng.normal(size=(4, 1000, 10, 20)), 0.01, 0.99)
    order = rng.permuted(np.tile(np.arange(10), (4, 1000, 1)), axis=-1)
    alpha = np.take_along_axis(np.tile(np.arange(1, 11) / 55, (4, 1000, 1)), order, axis=-1)
    raw = {"alpha": alpha, "p": np.take_along_axis(noisy, order[..., None], axis=2)}
    aligned = align(tree_of(raw, spec.dims), to={"alpha": np.full(10, 0.1), "p": p})
    assert_posterior(aligned, {"alpha": np.tile(np.arange(1, 11) / 55, (4, 1000, 1)), "p": noisy})


# The tree: what moves, what does not, and back


@pytest.fixture
def raw_tree():
    """Tree of a tied GMM with shuffled labels and every kind of group; the pivot; draws as they should be."""
    spec = mx.GMM(3, covariance_type="tied")
    pivot, draws = draws_about(spec)
    raw, _ = shuffled(draws, cluster_axes(spec.dims))
    rng = np.random.default_rng(0)
    tree = tree_of(
        raw,
        spec.dims,
        sample_stats={"lp": rng.normal(size=(CHAINS, DRAWS)), "energy": rng.normal(size=(CHAINS, DRAWS))},
    )
    tree.attrs["sampler"] = "none"
    by_draw = {"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}
    by_cluster = {**by_draw, "cluster": np.arange(3)}
    tree["log_prior"] = xr.DataTree(
        xr.Dataset(
            {
                "mu": (("chain", "draw", "cluster"), raw["mu"][..., 0]),
                "alpha": (("chain", "draw"), raw["alpha"][..., 0]),
            },
            coords=by_cluster,
        )
    )
    tree["log_likelihood"] = xr.DataTree(
        xr.Dataset({"x": (("chain", "draw", "obs_id"), rng.normal(size=(CHAINS, DRAWS, 5)))}, coords=by_draw)
    )
    for name in ("prior", "warmup_posterior"):  # draws of their own, as many or not
        tree[name] = xr.DataTree(
            xr.Dataset({"mu": (("chain", "draw", "cluster"), rng.normal(size=(1, 40, 3)))})
        )
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs_id",), np.arange(5.0))}))
    return tree, pivot, draws


def test_every_variable_with_a_cluster_moves_and_nothing_else(raw_tree):
    tree, pivot, draws = raw_tree
    aligned = align(tree, to=pivot)
    assert_posterior(aligned, draws)
    np.testing.assert_array_equal(aligned["log_prior"]["mu"], draws["mu"][..., 0])
    assert aligned["log_prior"]["alpha"].identical(tree["log_prior"]["alpha"])
    for group in ("log_likelihood", "observed_data", "prior", "warmup_posterior"):
        assert aligned[group].to_dataset().identical(tree[group].to_dataset()), group
    for name in ("lp", "energy"):
        assert aligned["sample_stats"][name].equals(tree["sample_stats"][name])
    assert aligned.attrs == tree.attrs
    assert aligned["posterior"].attrs == tree["posterior"].attrs
    np.testing.assert_array_equal(aligned["posterior"]["cluster"], np.arange(3))
    assert list(aligned.children) == list(tree.children)


def test_the_tree_that_is_aligned_stays_as_it_was(raw_tree):
    tree, pivot, _ = raw_tree
    before = tree.copy(deep=True)
    aligned = align(tree, to=pivot)
    assert tree.identical(before)
    kept = aligned.copy(deep=True)
    unalign(aligned)
    assert aligned.identical(kept)


def test_unalign_gives_the_raw_tree_back(raw_tree):
    tree, pivot, _ = raw_tree
    aligned = align(tree, to=pivot)
    assert not aligned["posterior"].to_dataset().identical(tree["posterior"].to_dataset())
    back = unalign(aligned)
    assert back.identical(tree)
    assert list(back.children) == list(tree.children)
    one_draw = tree_of(
        {name: x[:1, :1] for name, x in raw_tree[2].items()}, mx.GMM(3, covariance_type="tied").dims
    )
    assert unalign(align(one_draw, to=pivot)).identical(one_draw)


@WITHOUT_THE_MODEL
def test_a_tree_without_coordinates_comes_back_too():
    w = np.array([[[0.1, 0.9], [0.8, 0.2]]])
    stats = {"lp": (("chain", "draw"), np.zeros((1, 2)))}
    for groups in ({}, {"sample_stats": xr.Dataset(stats)}):
        tree = xr.DataTree.from_dict(
            {"posterior": xr.Dataset({"w": (("chain", "draw", "cluster"), w)}), **groups}
        )
        aligned = align(tree, to={"w": [0, 1]})
        np.testing.assert_array_equal(aligned["posterior"]["w"], np.sort(w))
        assert unalign(aligned).identical(tree)


def test_aligning_twice_composes(raw_tree):
    tree, pivot, draws = raw_tree
    order = np.array([1, 2, 0])
    turned = mx.GMM(3).relabel(pivot, order) | {"Sigma": pivot["Sigma"]}
    twice = align(align(tree, to=pivot), to=turned)
    np.testing.assert_array_equal(twice["posterior"]["mu"], draws["mu"][:, :, order])
    raw_mu, permutation = tree["posterior"]["mu"].values, twice["sample_stats"]["permutation"].values
    np.testing.assert_array_equal(
        np.take_along_axis(raw_mu, permutation[..., None], axis=2), twice["posterior"]["mu"]
    )
    assert align(tree, to=turned).identical(twice)
    assert unalign(twice).identical(tree)


def test_the_pivot_is_the_draw_of_highest_density(raw_tree):
    tree, pivot, _ = raw_tree
    lp, found = tree["sample_stats"]["lp"].values, align(tree, to=pivot)["sample_stats"]["permutation"].values
    lp[0, 0] = np.inf
    lowest = found[np.unravel_index(lp.argmin(), lp.shape)]
    best = next(map(tuple, np.argwhere((found != lowest).any(axis=-1) & np.isfinite(lp))))
    lp[best] = 9.0
    of_best = {name: x.values[best] for name, x in tree["posterior"].data_vars.items()}
    orders = [align(tree, to=to)["sample_stats"]["permutation"].values for to in (None, of_best)]
    np.testing.assert_array_equal(*orders)
    assert orders[0][best].tolist() == [0, 1, 2]
    assert (orders[0] != [0, 1, 2]).any()


def test_a_draw_that_is_not_finite_keeps_its_labels(raw_tree):
    tree, pivot, draws = raw_tree
    bad = tree["posterior"]["Sigma"].copy(deep=True)
    bad[0, 3] = np.nan
    broken = tree.copy()
    broken["posterior"] = xr.DataTree(tree["posterior"].to_dataset().assign(Sigma=bad))
    aligned = align(broken, to=pivot)
    np.testing.assert_array_equal(aligned["sample_stats"]["permutation"][0, 3], np.arange(3))
    np.testing.assert_array_equal(aligned["posterior"]["mu"][1:], draws["mu"][1:])


# Models of the user's own


@WITHOUT_THE_MODEL
@pytest.mark.parametrize("last", [False, True], ids=["cluster first", "cluster last"])
def test_a_model_with_names_of_its_own(last):
    """Matched on distances of all variables with a cluster, wherever that axis stands, in any units."""
    rng = np.random.default_rng(0)
    dims = {
        "w": ("cluster",),
        "theta": ("feature", "cluster") if last else ("cluster", "feature"),
        "tau": ("feature",),
    }
    pivot = {
        "w": np.array([0.2, 0.3, 0.5]),
        "theta": np.array([[0.0, 0.0], [1.0, 9.0], [2.0, 3.0]]),
        "tau": np.ones(2),
    }
    draws = {name: x + 0.01 * rng.normal(size=(CHAINS, DRAWS, *x.shape)) for name, x in pivot.items()}
    if last:
        pivot["theta"], draws["theta"] = pivot["theta"].T, draws["theta"].swapaxes(-1, -2)
    for unit in (1.0, 1e6):
        scaled = draws | {"theta": unit * draws["theta"]}
        raw, _ = shuffled(scaled, cluster_axes(dims))
        aligned = align(tree_of(raw, dims), to=pivot | {"theta": unit * pivot["theta"]})
        assert_posterior(aligned, scaled)
        assert aligned["posterior"]["theta"].dims == ("chain", "draw", *dims["theta"])


@WITHOUT_THE_MODEL
def test_all_variables_count_in_a_model_of_the_users_own():
    """Where one variable cannot tell the clusters apart, another does."""
    dims = {"w": ("cluster",), "theta": ("cluster",)}
    pivot = {"w": np.array([0.5, 0.5]), "theta": np.array([0.0, 1.0])}
    rng = np.random.default_rng(0)
    draws = {name: x + 0.01 * rng.normal(size=(CHAINS, DRAWS, 2)) for name, x in pivot.items()}
    raw, _ = shuffled(draws, cluster_axes(dims))
    assert_posterior(align(tree_of(raw, dims), to=pivot), draws)


# What is refused


def test_what_cannot_be_aligned_is_refused(raw_tree):
    tree, pivot, _ = raw_tree
    with pytest.raises(InputError, match="not aligned"):
        unalign(tree)
    with pytest.raises(InputError, match="'guesswork' is not known"):
        align(tree, to=pivot, method="guesswork")
    with pytest.raises(InputError, match="lacks Sigma"):
        align(tree, to={name: x for name, x in pivot.items() if name != "Sigma"})
    with pytest.raises(InputError, match=r"mu has shape \(2, 3\)"):
        align(tree, to=pivot | {"mu": pivot["mu"][:2]})
    without = make_tree(
        {"posterior": {"mu": np.zeros((1, 4, 3))}}, {"mu": ("component",)}, {"component": range(3)}
    )
    with pytest.raises(InputError, match=r"no posterior variable has a dim named 'cluster'.*pass model="):
        align(without, to=pivot)
    other = tree_of({"w": np.zeros((1, 4, 3))}, {"w": ("cluster",)})
    with pytest.raises(InputError, match="lacks w"):
        align(other, to=pivot)


def test_specs_of_this_package_are_recognised_by_name_and_dims():
    """Each spec's tree goes by its own divergence: the fallback would need alpha in the pivot too."""
    for spec in [mx.GMM(3, covariance_type=name) for name in COVARIANCES] + [mx.BMM(3)]:
        params = make_params(spec)
        tree = tree_of({name: x[None, None] for name, x in params.items()}, spec.dims)
        pivot = {name: x for name, x in params.items() if name != "alpha"}
        (
            np.testing.assert_array_equal(
                align(tree, to=pivot)["sample_stats"]["permutation"][0, 0], range(3)
            ),
            spec_id(spec),
        )
