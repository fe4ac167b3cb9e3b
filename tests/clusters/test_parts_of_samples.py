"""Samples of which somebody has taken a part by ``isel``, or changed the order."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx
from mixtures import InputError
from mixtures.trees import make_tree, permutation, sorted_sample

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-2, 1, (30, 2)), RNG.normal(2, [0.5, 1.5], (20, 2))])
SPEC = mx.GMM(2)
EM = mx.fit_em(SPEC, X, n_init=2, random_seed=1)


@pytest.fixture
def tree():
    """Aligned draws about the fit; some had their clusters exchanged."""
    size = (2, 20)
    stretch = np.array([[1.0, 0.3], [0.0, 0.5]])
    draws = {
        "alpha": RNG.dirichlet(60 * EM.params["alpha"], size),
        "mu": EM.params["mu"] + 0.1 * RNG.normal(size=(*size, 2, 2)),
        "Sigma": EM.params["Sigma"] * RNG.uniform(0.8, 1.2, (*size, 2, 1, 1)) + stretch @ stretch.T / 5,
    }
    for x in draws.values():
        x[:, ::2] = x[:, ::2, ::-1]
    stats = {"lp": RNG.normal(size=size)}
    coords = {"cluster": [0, 1], "feature": ["u", "v"], "feature_bis": ["u", "v"]}
    dims = {**SPEC.dims, "x": ("obs_id", "feature")}
    groups = {"posterior": draws, "sample_stats": stats, "observed_data": {"x": X}}
    return mx.align(make_tree(groups, dims, coords), EM.params)


ANSWERS = {
    "align": mx.align,
    "unalign": mx.unalign,
    "switching": mx.switching,
    "diagnose": mx.diagnose,
    "compare_labellings": mx.compare_labellings,
    "responsibilities": mx.responsibilities,
    "describe": mx.describe,
    "loo": lambda tree: mx.loo(tree, progressbar=False),
    "for_summary": mx.for_summary,
}
ask = pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))


@ask
@pytest.mark.parametrize("dim", ["chain", "draw"])
def test_a_dim_that_was_dropped_is_named(answer, dim, tree):
    with pytest.raises(InputError, match=rf"no dim {dim}; .* tree.isel\({dim}=\[0\]\)"):
        answer(tree.isel({dim: 0}))


@ask
def test_a_sample_needs_a_draw_and_is_a_tree(answer, tree):
    with pytest.raises(InputError, match="no draws"):
        answer(tree.isel(draw=slice(0)))
    with pytest.raises(InputError, match="is a Dataset; it must be"):
        answer(tree["posterior"].to_dataset())


def unstacked(group):
    """Chains and draws last, as ``unstack`` leaves them."""
    return group.stack(sample=("chain", "draw")).unstack("sample") if "draw" in group.dims else group


@pytest.mark.filterwarnings("ignore:leaving one row out:mixtures.errors.DataWarning")
@ask
def test_chains_and_draws_may_come_last(answer, tree):
    tree["sample_stats"]["energy"] = xr.DataArray(RNG.normal(size=(2, 20)), dims=("chain", "draw"))
    turned = tree.map_over_datasets(unstacked)
    assert turned["posterior"]["mu"].dims == ("cluster", "feature", "chain", "draw")
    found, expected = answer(turned), answer(tree)
    if isinstance(expected, xr.DataTree):
        assert found.equals(expected)
    else:
        assert str(found) == str(expected)
    with pytest.raises(InputError, match=r"no dim chain; .*: unstack sample"):
        answer(tree.map_over_datasets(lambda x: x.stack(sample=("chain", "draw")) if "draw" in x.dims else x))


def test_dims_of_a_parameter_may_be_turned_where_the_model_is_given(tree):
    turned = tree.copy()
    turned["posterior"]["mu"] = tree["posterior"]["mu"].transpose(..., "feature", "cluster")
    found, expected = (mx.uncertainty(SPEC, X, posterior=x, methods="nuts").table for x in (turned, tree))
    pd.testing.assert_frame_equal(found, expected)


def test_a_default_prior_is_that_of_the_rows_that_were_fitted(tree):
    new, fitted = (mx.extend(SPEC, x, tree, ["log_prior"])["log_prior"] for x in (3 * X[:5], X))
    assert new.equals(fitted)


def test_a_tree_of_32_bit_floats_is_unaligned_and_aligned_again(tree):
    single = tree.map_over_datasets(lambda x: x.astype("float32"))
    np.testing.assert_array_equal(permutation(mx.align(single)), permutation(mx.align(tree)))


def test_one_draw_is_told(tree):
    tree["sample_stats"]["energy"] = xr.DataArray(RNG.normal(size=(2, 20)), dims=("chain", "draw"))
    assert "one draw says nothing about mixing" in str(mx.diagnose(tree.isel(chain=[0], draw=[3])))


def test_no_variance_is_lost_where_columns_are_turned(tree):
    log_density = -tree["posterior"]["mu"].sum(("cluster", "feature"))
    tree["log_prior"] = xr.Dataset({"mu": log_density})
    tree["log_likelihood"] = xr.Dataset({"x": log_density.expand_dims(obs_id=2)})
    found = mx.prior_sensitivity(tree.isel(feature=[1, 0])).index
    assert {"Sigma[0, u, u]", "Sigma[0, v, v]"} < set(found)
    assert len(found) == len(mx.prior_sensitivity(tree).index)


@pytest.mark.parametrize("clusters", [[0], 0, [0, 0]], ids=["first", "dropped", "twice"])
def test_some_of_the_clusters_are_no_sample(clusters, tree):
    part = tree.isel(cluster=clusters)
    for answer in (mx.align, mx.unalign, mx.switching, mx.responsibilities, ANSWERS["loo"]):
        with pytest.raises(
            InputError,
            match=r"select clusters from results|not of a mixture known|no posterior variable has a dim",
        ):
            answer(part)


def test_weights_of_all_clusters_are_needed(tree):
    raw = mx.unalign(tree)
    with pytest.raises(InputError, match="alpha sums to 0"):
        mx.responsibilities(raw.isel(cluster=[0]))


def test_clusters_are_known_by_their_numbers_whatever_their_order(tree):
    turned = tree.isel(cluster=[1, 0])
    before, after = mx.responsibilities(tree), mx.responsibilities(turned)
    xr.testing.assert_equal(before, after)
    assert str(mx.describe(turned)) == str(mx.describe(tree))
    again = mx.unalign(turned)["posterior"]["mu"].sortby("cluster")
    xr.testing.assert_equal(again, mx.unalign(tree)["posterior"]["mu"])


def test_groups_below_groups_and_attributes_stay(tree):
    tree.attrs["mine"] = tree["posterior"].attrs["own"] = 1
    tree["posterior/below"] = xr.Dataset({"q": ("w", [1.0])})
    turned = tree.isel(cluster=[1, 0])
    found = sorted_sample(turned)
    assert found.groups == turned.groups
    assert found.attrs["mine"] == found["posterior"].attrs["own"] == 1
    assert found["posterior"]["cluster"].values.tolist() == [0, 1]
    assert turned["posterior"]["cluster"].values.tolist() == [1, 0]


def test_labels_of_clusters_that_have_no_order_stay(tree):
    named = tree["posterior"].to_dataset().assign_coords(cluster=np.array(["a", 1], dtype=object))
    own = xr.DataTree.from_dict({"posterior": named})
    assert sorted_sample(own) is own


def test_both_sides_of_matrices_follow_one_order(tree):
    turned = tree.isel(feature=[1, 0])
    np.testing.assert_array_equal(
        mx.align(turned, method="ecr")["sample_stats"]["permutation"],
        mx.align(tree, method="ecr")["sample_stats"]["permutation"],
    )
    both = mx.for_summary(turned)["posterior"]
    xr.testing.assert_allclose(both["sd"].sortby("feature"), mx.for_summary(tree)["posterior"]["sd"])
    assert float(np.abs(both["corr"]).max()) < 1
    with pytest.raises(InputError, match="columns v along feature and u, v along feature_bis"):
        mx.align(tree.isel(feature=[1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.nan * x, "the pivot's mu is not finite"),
        (lambda x: x[:1], "the pivot's mu has shape"),
        (None, "the pivot lacks mu"),
    ],
)
def test_a_pivot_is_checked_before_anything_is_drawn(change, message, tree, monkeypatch):
    import mixtures.posterior.drawing

    monkeypatch.setattr(mixtures.posterior.drawing, "draw", lambda *_, **__: pytest.fail("drawn"))
    pivot = {name: x for name, x in EM.params.items() if name != "mu"}
    if change is not None:
        pivot["mu"] = change(EM.params["mu"])
    with pytest.raises(InputError, match=message):
        mx.sample(SPEC, X, pivot=pivot)
    with pytest.raises(InputError, match=message):
        mx.align(tree, pivot)


def test_a_singular_pivot_is_refused(tree):
    singular = {**EM.params, "Sigma": np.zeros((2, 2, 2))}
    for call in (lambda: mx.align(tree, singular), lambda: mx.sample(SPEC, X, pivot=singular)):
        with pytest.raises(InputError, match="not positive definite"):
            call()


@pytest.mark.parametrize("answer", [ANSWERS["loo"], mx.loo_pit], ids=["loo", "loo_pit"])
def test_a_chain_that_never_moved_leaves_no_tail(answer, tree):
    stuck = {name: group.to_dataset() for name, group in tree.children.items()}
    moved = stuck["posterior"]
    moved["mu"] = moved["mu"].where(moved["chain"] == 0, 9.0)
    for name in ("alpha", "Sigma"):
        moved[name] = moved[name].where(moved["chain"] == 0, moved[name].isel(chain=1, draw=0))
    with pytest.raises(InputError, match="as where a chain did not move"):
        answer(xr.DataTree.from_dict(stuck))


@pytest.mark.parametrize("plot", ["trace", "selection", "model_graph"])
def test_plots_of_other_things_refuse_a_sample(plot, tree):
    with pytest.raises(InputError, match="is a DataTree; it must be"):
        getattr(mx.plot, plot)(tree)
