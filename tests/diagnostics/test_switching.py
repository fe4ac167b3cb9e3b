"""Label switching on draws switched by hand, on draws really sampled, and where no labelling is right."""

import numpy as np
import pytest

import mixtures as mx
from mixtures import InputError, align, compare_labellings, switching, unalign
from mixtures.diagnostics import switching as switches
from mixtures.draws import thinned
from mixtures.tolerances import TOLERANCES

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-3, 1, 60), RNG.normal(3, 1, 40)])[:, None]
INVARIANT = ["log density", "density at fixed rows", "sorted weights"]


def sampled(k):
    spec = mx.GMM(k)
    em = mx.fit_em(spec, X, random_seed=1)
    return em, mx.sample(spec, X, em=em, chains=4, random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def two():
    return sampled(2)


@pytest.fixture(scope="module")
def three():
    return sampled(3)


def permuted(tree, seed=0):
    """The tree with the clusters of every draw in random order, and no trace of it."""
    rng = np.random.default_rng(seed)
    posterior = tree["posterior"].to_dataset()
    sizes = [posterior.sizes[dim] for dim in ("chain", "draw", "cluster")]
    order = rng.permuted(np.tile(np.arange(sizes[2]), (*sizes[:2], 1)), axis=-1)
    raw = unalign(tree)
    for name, x in tree["posterior"].data_vars.items():
        index = order.reshape(*order.shape, *(1 for _ in x.dims[3:]))
        raw["posterior"][name] = x.copy(data=np.take_along_axis(x.values, index, axis=2))
    return raw


def assert_switching_only(report):
    assert report.mixing.loc["raw labels", "r_hat"] > 1.5
    assert report.mixing.loc["aligned labels", "r_hat"] < TOLERANCES.rhat
    assert (report.mixing.loc[INVARIANT, "r_hat"] < TOLERANCES.rhat).all()
    assert report.mixing.loc["aligned labels", "ess_bulk"] > 400
    assert report.mixing.loc["raw labels", "ess_bulk"] < 100


def assert_methods_agree(tree, em):
    table = compare_labellings(tree, to=em.params)
    assert (table.to_numpy() > 0.99).all()
    np.testing.assert_array_equal(table, table.T)


def test_chains_sampled_in_different_labels(two):
    """Chains start relabelled and never cross: bad R-hat of raw labels, and nothing else is wrong."""
    em, tree = two
    report = switching(tree)
    assert report.within == (0, 0, 0, 0)
    assert report.between == 2
    assert_switching_only(report)
    assert str(report) == "0 label switches within chains, 2 labellings among 4 chains"
    raw_means = unalign(tree)["posterior"]["mu"].mean(("draw", "feature")).values
    assert (np.sign(raw_means[:, 0]) != np.sign(raw_means[0, 0])).any()
    assert_methods_agree(tree, em)
    assert mx.diagnose(tree, X=X, em=em).passed


def test_draws_in_random_labels_are_mended_by_every_method(two):
    em, tree = two
    raw = permuted(tree)
    assert_methods_agree(raw, em)
    for method in ("parameters", "ecr", "stephens"):
        aligned = align(raw, to=em.params, method=method)
        np.testing.assert_array_equal(aligned["posterior"]["mu"], tree["posterior"]["mu"])
        report = switching(aligned)
        assert report.mixing.loc["aligned labels", "r_hat"] < TOLERANCES.rhat
        assert all(count == pytest.approx(500, abs=70) for count in report.within)
        assert set(report.shares) == {(0, 1), (1, 0)}
        assert sum(report.shares.values()) == pytest.approx(1)


def test_halves_of_chains_in_other_labels(two):
    """Chains that each hold both labellings, in unequal parts: the full picture within and between."""
    em, tree = two
    posterior = tree["posterior"].to_dataset()
    raw = unalign(tree)
    switched = np.zeros((4, 1000), dtype=bool)
    switched[0, 100:] = switched[1, 200:300] = switched[3] = True
    for name, x in posterior.data_vars.items():
        turned = np.where(switched.reshape(4, 1000, *(1 for _ in x.dims[2:])), x.values[:, :, ::-1], x.values)
        raw["posterior"][name] = x.copy(data=turned)
    report = switching(align(raw, to=em.params))
    assert report.within == (1, 2, 0, 0)
    assert report.between == 2
    assert report.shares == {(0, 1): 0.5, (1, 0): 0.5} or report.shares == {(1, 0): 0.5, (0, 1): 0.5}
    assert_switching_only(report)


@pytest.mark.long
def test_too_many_clusters_are_labelled_by_the_rule(three):
    em, tree = three
    table = compare_labellings(tree, to=em.params, draws=400)
    assert table.to_numpy().min() < 0.9
    np.testing.assert_array_equal(np.diag(table), 1)
    verdict = mx.diagnose(tree, X=X, em=em)
    assert not verdict.passed
    assert "conditional on the relabelling rule" in str(verdict)


def test_agreement_is_up_to_one_global_permutation(monkeypatch):
    """By hand: the second rule turns labels one way in three draws of four, the third in all."""
    orders = {
        "parameters": [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 1, 2]],
        "ecr": [[1, 2, 0], [0, 2, 1], [1, 0, 2], [0, 1, 2]],
        "stephens": [[2, 0, 1], [2, 1, 0], [0, 2, 1], [2, 0, 1]],
    }
    monkeypatch.setattr(switches, "sorted_sample", lambda tree: tree)
    monkeypatch.setattr(switches, "find_orders", lambda tree, to, method, **_: np.array([orders[method]]))
    table = compare_labellings(None, to={})
    assert table.loc["parameters", "ecr"] == table.loc["ecr", "parameters"] == 0.75
    assert table.loc["parameters", "stephens"] == 1
    assert table.loc["ecr", "stephens"] == 0.75


def test_a_switch_need_not_move_every_label():
    stored = np.array([[0, 1, 2], [1, 0, 2], [1, 0, 2], [2, 0, 1]])
    found = switches.count_switches(np.stack([stored, stored[::-1]]))
    assert found.within == (2, 2)
    assert found.between == 1
    assert found.shares == {(1, 0, 2): 0.5, (0, 1, 2): 0.25, (2, 0, 1): 0.25}


def test_thinning_keeps_every_group_in_step(two):
    _, tree = two
    few = thinned(tree, 100)
    assert few["posterior"].sizes["draw"] == 25
    np.testing.assert_array_equal(few["posterior"]["mu"], tree["posterior"]["mu"][:, ::40])
    np.testing.assert_array_equal(few["sample_stats"]["lp"], tree["sample_stats"]["lp"][:, ::40])
    assert few["observed_data"].identical(tree["observed_data"])


def test_a_tree_that_is_not_aligned_is_refused(two):
    with pytest.raises(InputError, match="align it first"):
        switching(unalign(two[1]))
