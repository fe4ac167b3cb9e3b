"""Samples of anyone's mixture, known by their draws alone: dims of any name, pivots, numbers of clusters."""

import numpy as np
import pytest
import xarray as xr

import mixtures as mx
from mixtures import DataWarning, InputError
from mixtures.diagnostics.mixing import invariants

pytestmark = pytest.mark.filterwarnings("ignore:.*pass model=:mixtures.DataWarning")

CHAINS, DRAWS, K = 2, 40, 3
RNG = np.random.default_rng(0)
TRUE = {
    "share": np.array([0.5, 0.3, 0.2]) + 0.001 * RNG.normal(size=(CHAINS, DRAWS, 1)) * [1, -1, 0],
    "rate": np.array([1.0, 4.0, 9.0]) + 0.1 * RNG.normal(size=(CHAINS, DRAWS, K)),
    "slope": np.array([[0.0, 1.0, 2.0]] * 2) + 0.01 * RNG.normal(size=(CHAINS, DRAWS, 2, K)),
    "shape": 1 + RNG.random((CHAINS, DRAWS)),
}
Z = RNG.integers(0, K, size=(CHAINS, DRAWS, 5))
ORDER = RNG.permuted(np.tile(np.arange(K), (CHAINS, DRAWS, 1)), axis=-1)
NAMED = {"share": ["kind"], "rate": ["kind"], "slope": ["x", "kind"], "shape": []}
NUMBERED = {
    "share": ["share_dim_0"],
    "rate": ["rate_dim_0"],
    "slope": ["slope_dim_0", "slope_dim_1"],
    "shape": [],
}
DIMS_OF_NUMBERED = ["share_dim_0", "rate_dim_0", "slope_dim_1"]


def raw(values):
    """Draws whose clusters are the last axis, those of each draw in random order."""
    order = ORDER.reshape(CHAINS, DRAWS, *(1,) * (values.ndim - 3), K)
    return np.take_along_axis(values, np.broadcast_to(order, values.shape), axis=-1)


def sample(dims, **more):
    posterior = {
        name: (["chain", "draw", *dims[name]], raw(x) if x.ndim > 2 else x) for name, x in TRUE.items()
    }
    tree = xr.DataTree()
    tree["posterior"] = xr.DataTree(xr.Dataset({**posterior, **more}))
    lp = RNG.normal(size=(CHAINS, DRAWS))
    tree["sample_stats"] = xr.DataTree(xr.Dataset({"lp": (["chain", "draw"], lp)}))
    return tree


def assert_aligned(tree, pivot):
    """To the truth, under the labels of the pivot."""
    order = np.asarray(pivot).argsort()
    for name, x in TRUE.items():
        expected = x if x.ndim == 2 else x[..., np.argsort(order)]
        np.testing.assert_array_equal(tree["posterior"][name], expected, err_msg=name)


def densest(tree, name="rate"):
    at = np.unravel_index(tree["sample_stats"]["lp"].values.argmax(), (CHAINS, DRAWS))
    return tree["posterior"][name].values[at]


@pytest.mark.parametrize(
    ("dims", "dim"),
    [(NAMED, "kind"), (NUMBERED, DIMS_OF_NUMBERED), (NAMED, None)],
    ids=["one name", "a name for each variable", "found by the weights"],
)
def test_clusters_of_any_name_are_aligned_judged_and_restored(dims, dim):
    tree = sample(dims)
    aligned = mx.align(tree, dim=dim)
    assert_aligned(aligned, densest(tree))
    assert mx.unalign(aligned)["posterior"].to_dataset().identical(tree["posterior"].to_dataset())
    switches = mx.switching(aligned)
    assert sum(switches.shares.values()) == pytest.approx(1)
    assert len(switches.shares) > 1
    assert switches.mixing.loc["aligned labels", "r_hat"] < switches.mixing.loc["raw labels", "r_hat"] + 0.5
    weights = invariants(aligned)["sorted weights"]
    np.testing.assert_allclose(weights[..., :K], np.sort(TRUE["share"]), rtol=1e-12)
    assert "parameters, labels aligned" in str(mx.diagnose(aligned).to_frame())
    again = mx.align(aligned, to="rate", method="order")  # the tree knows its dims now
    assert_aligned(again, [1, 4, 9])


def test_a_pivot_may_be_given_and_rules_compared():
    tree = sample(NUMBERED)
    pivot = {"share": [0.2, 0.5, 0.3], "rate": [9, 1, 4], "slope": [[2, 0, 1]] * 2}
    assert_aligned(mx.align(tree, to=pivot, dim=DIMS_OF_NUMBERED), [9, 1, 4])
    table = mx.compare_labellings(tree, to=pivot, dim=DIMS_OF_NUMBERED, methods=["parameters"])
    assert table.to_numpy().tolist() == [[1.0]]


def test_numbers_of_clusters_follow_the_labels():
    """Draws of the cluster of every row, -1 where it has none: after alignment they are what they were."""
    z = np.where(RNG.random(Z.shape) < 0.1, -1, Z)
    numbered = np.take_along_axis(
        ORDER.argsort(axis=-1)[:, :, None, :].repeat(5, 2), np.maximum(z, 0)[..., None], -1
    )
    numbered = np.where(z < 0, z, numbered[..., 0])
    tree = sample(NAMED, z=(["chain", "draw", "row"], numbered))
    aligned = mx.align(tree, to="rate", method="order", dim="kind", allocations="z")
    np.testing.assert_array_equal(aligned["posterior"]["z"], z)
    assert aligned["posterior"]["z"].dtype == tree["posterior"]["z"].dtype
    assert mx.unalign(aligned)["posterior"].to_dataset().identical(tree["posterior"].to_dataset())
    tree["posterior"]["z"] = tree["posterior"]["z"] + 1
    with pytest.raises(InputError, match="z must hold numbers of clusters, 0 to 2"):
        mx.align(tree, dim="kind", allocations="z")


def test_variables_that_are_left_alone_are_named():
    left = (["chain", "draw", "other"], RNG.normal(size=(CHAINS, DRAWS, K)))
    with pytest.warns(DataWarning, match="^left, shape: permuted where"):
        mx.align(sample(NAMED, left=left), dim="kind")


@pytest.mark.parametrize(
    ("dim", "message"),
    [
        (None, r"pass model=.* or name the dims, such as dim=\['share_dim_0', 'rate_dim_0', 'slope_dim_1'\]"),
        ("share_dim", "no dim 'share_dim'.*share_dim_0"),
        (["share_dim_0", "slope_dim_0"], "share_dim_0 3, slope_dim_0 2"),
    ],
)
def test_dims_that_do_not_fit_are_refused(dim, message):
    with pytest.raises(InputError, match=message):
        mx.align(sample(NUMBERED), dim=dim)


def test_two_dims_of_one_variable_and_no_pivot_are_refused():
    tree = sample(NAMED, cross=(["chain", "draw", "kind", "again"], RNG.normal(size=(CHAINS, DRAWS, K, K))))
    with pytest.raises(InputError, match="cross has two dims of clusters, kind, again"):
        mx.align(tree, dim=["kind", "again"])
    del tree["sample_stats"]
    with pytest.raises(InputError, match=r"no log density.*give parameters"):
        mx.align(tree, dim="kind")
