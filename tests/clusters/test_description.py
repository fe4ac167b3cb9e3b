"""Clusters in words and figures, against figures computed by hand for every draw."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx
from mixtures.brief import rounded
from mixtures.families.profiles import profile
from mixtures.results.profiles import ClusterFigure
from mixtures.trees import draws_tree

FAITHFUL = mx.datasets.faithful()
RNG = np.random.default_rng(7)
SURVEY = pd.DataFrame(
    {
        "smokes": RNG.choice(["no", "yes"], 80),
        "drinks": RNG.choice(["never", "rarely", "often"], 80),
        "sport": RNG.choice(["no", "yes"], 80),
    }
)
KINDS = ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"]


def a_sample(spec, features, draws):
    """Tree of two chains from flat draws."""
    halves = {name: np.asarray(x).reshape(2, -1, *np.shape(x)[1:]) for name, x in draws.items()}
    return draws_tree(halves, spec.dims, features, spec.coords(features))


def gaussian_draws(n=40, k=3, d=2):
    rng = np.random.default_rng(3)
    a = rng.normal(size=(n, k, d, d + 2))
    alpha = rng.dirichlet(np.full(k, 20.0), n)
    return {"alpha": alpha, "mu": 1e3 + rng.normal(size=(n, k, d)), "Sigma": a @ a.mT}


def moments_of_others(alpha, mean, variance, k):
    """Mean and variance of the rows outside cluster k, term by term."""
    weight = sum(alpha[j] for j in range(len(alpha)) if j != k)
    shares = {j: alpha[j] / weight for j in range(len(alpha)) if j != k}
    centre = sum(share * mean[j] for j, share in shares.items())
    spread = sum(share * (variance[j] + (mean[j] - centre) ** 2) for j, share in shares.items())
    return centre, spread


def by_hand(alpha, mean, variance):
    """Standardised differences (S, K, D) with one loop a dim."""
    found = np.empty_like(mean)
    for s, k, d in np.ndindex(*mean.shape):
        centre, spread = moments_of_others(alpha[s], mean[s, :, d], variance[s, :, d], k)
        found[s, k, d] = (mean[s, k, d] - centre) / np.sqrt((variance[s, k, d] + spread) / 2)
    return found


def table_of(described, figure):
    """Figures of one kind: (cluster, of) to its row."""
    frame = described.to_frame()
    return frame[frame["figure"] == figure].set_index(["cluster", "of"])


def test_figures_of_gaussian_draws_by_hand():
    draws = gaussian_draws()
    spec = mx.GMM(3)
    found = mx.describe(a_sample(spec, ["a", "b"], draws), ci_prob=0.8)
    variance = np.diagonal(draws["Sigma"], axis1=-2, axis2=-1)
    correlation = draws["Sigma"][..., 0, 1] / np.sqrt(variance[..., 0] * variance[..., 1])
    expected = {
        ("share", ""): draws["alpha"],
        ("mean", "b"): draws["mu"][..., 1],
        ("sd", "a"): np.sqrt(variance[..., 0]),
        ("correlation", "a, b"): correlation,
        ("difference", "a"): by_hand(draws["alpha"], draws["mu"], variance)[..., 0],
        ("difference", "b"): by_hand(draws["alpha"], draws["mu"], variance)[..., 1],
    }
    for (figure, of), values in expected.items():
        for k in range(3):
            row = table_of(found, figure).loc[(f"cluster {k}", of)]
            own = [values[:, k].mean(), values[:, k].std(), *np.quantile(values[:, k], [0.1, 0.9])]
            np.testing.assert_allclose(row[["value", "sd", "lower", "upper"]].astype(float), own, rtol=1e-8)
    assert set(found.to_frame()["figure"]) == {figure for figure, _ in expected} | {"overlap"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_covariance_structure_has_its_spread(kind):
    em = mx.fit_em(mx.GMM(2, covariance_type=kind), FAITHFUL, n_init=2, random_seed=1)
    found = mx.describe(em)
    mean, matrices = em.spec.family.moments(em.params)
    for k in range(2):
        for d, name in enumerate(FAITHFUL.columns):
            at = (f"cluster {k}", name)
            assert table_of(found, "sd").loc[at, "value"] == pytest.approx(np.sqrt(matrices[k, d, d]))
            apart = by_hand(em.params["alpha"][None], mean[None], matrices.diagonal(axis1=1, axis2=2)[None])
            assert table_of(found, "difference").loc[at, "value"] == pytest.approx(apart[0, k, d])
    assert ("correlation" in set(found.to_frame()["figure"])) == (kind in ("full", "tied"))
    assert found.to_frame()[["sd", "lower", "upper"]].isna().all(axis=None)  # a point has none


def test_discrete_families_are_told_by_their_own_figures():
    rng = np.random.default_rng(5)
    alpha = np.array([[0.3, 0.7]])
    p, rate = rng.uniform(0.1, 0.9, (1, 2, 3)), rng.uniform(1, 9, (1, 2, 3))
    names = ["a", "b", "c"]
    bmm = profile(mx.BMM(2).family, {"alpha": alpha, "p": p}, names)
    np.testing.assert_allclose(bmm.differences(alpha), by_hand(alpha, p, p * (1 - p)), rtol=1e-10)
    pmm = profile(mx.PMM(2).family, {"alpha": alpha, "rate": rate}, names)
    np.testing.assert_allclose(pmm.differences(alpha), by_hand(alpha, rate, rate), rtol=1e-10)
    assert (bmm.location.kind, pmm.location.kind) == ("probability", "rate")
    binary = np.stack([1 - p, p], axis=-1)
    lca = profile(
        mx.LCA(2, levels=["no", "yes"]).family, {"alpha": alpha, "p": binary}, names, (("no", "yes"),) * 3
    )
    assert lca.location.of[:3] == ("a: no", "a: yes", "b: no")
    np.testing.assert_allclose(lca.differences(alpha)[..., 1::2], bmm.differences(alpha), rtol=1e-10)


def test_levels_differ_by_item_and_keep_their_labels():
    em = mx.fit_em(mx.LCA(2), SURVEY, n_init=2, random_seed=1)
    point, tree = mx.describe(em), mx.describe(em.to_datatree())
    own = table_of(point, "probability")
    assert len(own) == 2 * (2 + 3 + 2)
    assert point.implied == tuple(f"{SURVEY.columns[d]}: {em.spec.levels[d][0]}" for d in (0, 2))
    for k in range(2):
        for d, levels in enumerate(em.spec.levels):
            for c, level in enumerate(levels):
                at = (f"cluster {k}", f"{SURVEY.columns[d]}: {level}")
                assert own.loc[at, "value"] == em.params["p"][k, d, c]
    assert point == tree


def test_all_results_of_one_optimum_are_described_alike():
    em = mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=1)
    mode = mx.fit_map(em.spec, FAITHFUL, start=em.params)
    assert mx.describe(em).sentences == mx.describe(mode).sentences
    assert mx.describe(em) == mx.describe(em.to_datatree())
    assert hash(mx.describe(em)) == hash(mx.describe(em.to_datatree()))


def test_of_several_clusters_an_overlap_of_nothing_is_left_out():
    em = mx.fit_em(
        mx.GMM(3, covariance_type="diag"), np.repeat([0.0, 50, 100], 9)[:, None] + np.arange(27)[:, None] / 9
    )
    apart = em.to_datatree()
    assert [words.overlap for words in mx.describe(apart).words] == [""] * 3


@pytest.mark.parametrize(
    ("value", "sd", "written"), [(365.8, 30.0, "366"), (365.8, 0.04, "365.80"), (7.26, None, "7.26")]
)
def test_geometric_means_have_three_digits_as_their_logarithms_do(value, sd, written):
    assert rounded(value, ClusterFigure("a", "geometric mean", "x", value, sd).grain) == written


def test_rows_are_counted_where_they_most_probably_belong():
    em = mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=1)
    label = mx.responsibilities(em.spec, FAITHFUL, em.params)["label"].values
    sizes = table_of(mx.describe(em, FAITHFUL), "size")["value"].tolist()
    assert sizes == np.bincount(label).tolist()
    weights = np.arange(len(FAITHFUL)) % 3 + 1.0
    weighted = mx.describe(em, FAITHFUL, weights=weights)
    sums = [weights[label == k].sum() for k in range(2)]
    assert table_of(weighted, "size")["value"].tolist() == sums
    assert table_of(weighted, "rows")["value"].tolist() == sizes
    assert f"weight {sums[0]:g} in {sizes[0]:g} rows: " in weighted.sentences[0]
    uneven = mx.describe(em, FAITHFUL, weights=weights * 1.0049)
    assert f"weight {sums[0] * 1.0049:.1f} in {sizes[0]:g} rows: " in uneven.sentences[0]
    swapped = mx.describe(em, FAITHFUL[["waiting", "eruptions"]])
    assert swapped == mx.describe(em, FAITHFUL)
    assert "97 rows" in str(swapped)


def test_sentences_say_share_profile_and_contrast():
    rng = np.random.default_rng(2)
    draws = {
        "alpha": np.column_stack([a := rng.normal(0.36, 0.02, 400), 1 - a]),
        "mu": np.stack(
            [rng.normal([2, 54], [0.03, 0.6], (400, 2)), rng.normal([4.3, 80], [0.03, 0.5], (400, 2))], 1
        ),
        "sigma2": np.tile([[0.09, 36.0], [0.16, 36.0]], (400, 1, 1)),
    }
    tree = a_sample(mx.GMM(2, covariance_type="diag"), ["eruptions", "waiting"], draws)
    short, long = mx.describe(tree, names=["short", "long"]).sentences
    assert short.startswith(
        "short, 36% (32 to 40%): eruptions 2.00 (sd 0.300), waiting 54.0 (sd 6.00); differs"
    )
    assert "differs most in eruptions, 6.50 sd (6.23 to 6.75) below the others" in short
    assert long.startswith("long, 64% (60 to 68%)")
    assert "above the others; overlap with short, " in long
    assert str(mx.describe(tree, names=["short", "long"])).replace("\n  ", " ").startswith(short)


def test_shares_that_are_listed_together_sum_to_one_hundred():
    swing = np.linspace(-0.05, 0.05, 400)
    alpha = np.column_stack([0.464 + swing, 0.322 - swing, np.full(400, 0.214)])
    draws = {"alpha": alpha, "p": np.tile([[0.1], [0.5], [0.9]], (400, 1, 1))}
    told = mx.describe(a_sample(mx.BMM(3), ["a"], draws)).words
    assert [words.share.partition(" ")[0] for words in told] == ["46.4%", "32.2%", "21.4%"]


def test_logarithms_are_told_in_natural_units_too():
    rng = np.random.default_rng(2)
    draws = {
        "alpha": np.full((400, 2), 0.5),
        "mu": rng.normal([[10.3, 40], [11.0, 50]], 0.03, (400, 2, 2)),
        "sigma2": np.tile([0.16, 36.0], (400, 2, 1)),
    }
    found = mx.describe(a_sample(mx.GMM(2, covariance_type="diag"), ["log(income)", "age"], draws))
    own = np.exp(draws["mu"][:, 1, 0])
    row = table_of(found, "geometric mean").loc[("cluster 1", "income"), ["value", "sd", "lower", "upper"]]
    expected = [own.mean(), own.std(), *np.quantile(own, [0.025, 0.975])]
    np.testing.assert_allclose(row.astype(float), expected, rtol=1e-4)
    assert table_of(found, "geometric sd")["value"].tolist() == pytest.approx([np.exp(0.4)] * 2)
    assert "(sd 0.400), income 29700 (geometric mean, sd a factor of 1.49), age 40" in found.sentences[0]


def test_a_sample_with_switched_labels_is_aligned_first():
    rng = np.random.default_rng(0)
    alpha = np.stack([np.full((1, 20), 0.3), np.full((1, 20), 0.7)], axis=-1)
    p = np.array([[0.1, 0.2], [0.8, 0.9]]) + 0.01 * rng.normal(size=(1, 20, 2, 2))
    switched = np.arange(20) % 2 == 1
    draws = {
        "alpha": np.where(switched[:, None], alpha[..., ::-1], alpha),
        "p": np.where(switched[:, None, None], p[..., ::-1, :], p),
    }
    tree = draws_tree(draws, mx.BMM(2).dims, ["a", "b"])
    tree["sample_stats"] = xr.DataTree(xr.Dataset({"lp": (("chain", "draw"), rng.normal(size=(1, 20)))}))
    found = mx.describe(tree).to_frame()
    np.testing.assert_allclose(sorted(found.query("figure == 'share'")["value"]), [0.3, 0.7])
    assert found.query("figure == 'probability'")["upper"].lt(0.25).sum() == 2


def test_one_cluster_has_nothing_to_differ_from():
    one = mx.describe(mx.fit_em(mx.BMM(1), (SURVEY == "yes").astype(int), random_seed=1))
    assert "difference" not in set(one.to_frame()["figure"])
    assert one.sentences[0].startswith("cluster 0, 100%: smokes")
    assert "differs" not in str(one)


def test_many_features_are_chosen_by_their_difference():
    p = np.full((2, 20), 0.5)
    p[0, [4, 11, 17]] = [0.9, 0.05, 0.7]
    params = {"alpha": np.array([[0.5, 0.5]]), "p": p[None]}
    tree = a_sample(
        mx.BMM(2), [f"x{j}" for j in range(20)], {name: np.repeat(x, 2, 0) for name, x in params.items()}
    )
    words = mx.describe(tree).words[0]
    assert [part.split()[0] for part in words.profile.split(", ")] == ["x11", "x4", "x17"]
    assert "x11" in words.contrast
    assert len(mx.describe(tree).figures) == 2 * (1 + 20 + 20 + 1)  # one overlap


def test_impossible_levels_are_infinitely_apart_and_equal_ones_not_at_all():
    own = {"alpha": np.array([[0.5, 0.5]]), "p": np.array([[[1.0, 1.0], [0.0, 1.0]]])}
    found = profile(mx.BMM(2, prior=None).family, own, ["a", "b"]).differences(own["alpha"])
    assert found.tolist() == [[[np.inf, 0], [-np.inf, 0]]]
    em_like = a_sample(mx.BMM(2), ["a", "b"], {name: np.repeat(x, 2, 0) for name, x in own.items()})
    assert "infinite" in str(mx.describe(em_like))


def test_html_is_small_and_escaped():
    name = "<script>alert('x')</script>"
    em = mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=1)
    html = mx.describe(em, FAITHFUL, names=[name, "long"])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    digits = mx.datasets.digits()
    params = mx.fit_em(mx.BMM(10), digits, n_init=1, max_iter=300, random_seed=1)
    assert len(mx.describe(params, digits)._repr_html_()) < 20_000
    assert len(repr(mx.describe(params, digits))) < 2000 * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ["a"]}, "2 different ones"),
        ({"names": ["a", "a"]}, "2 different ones"),
        ({"names": "ab"}, "sequence"),
        ({"names": {"a", "b"}}, "sequence"),  # in any order
        ({"names": ["a", " "]}, "not empty"),
        ({"ci_prob": 1.5}, "ci_prob"),
        ({"result": "fit"}, "result is a str"),
        ({"X": FAITHFUL.rename(columns={"waiting": "wating"})}, "waiting"),
    ],
)
def test_refusals_name_what_is_wrong(change, words):
    em = mx.fit_em(mx.GMM(2), FAITHFUL, n_init=2, random_seed=1)
    with pytest.raises(mx.InputError, match=words):
        mx.describe(**{"result": em, **change})


def test_a_tree_of_other_variables_is_refused():
    tree = draws_tree(
        {"alpha": np.ones((1, 2, 1)), "nu": np.ones((1, 2, 1))}, {"alpha": ["cluster"], "nu": ["cluster"]}, []
    )
    with pytest.raises(mx.InputError, match="not of a mixture known here"):
        mx.describe(tree)


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [
        (2.0361, 0.0271, "2.04"),
        (2.0361, 0.0171, "2.036"),
        (79.97, 1.4, "80.0"),
        (1234.6, 28, "1230"),
        (-0.001, 0.02, "0.00"),
        (0.0, None, "0"),
        (3.0e8, 1.0, "3e+08"),
        (1.2345e-9, None, "1.23e-09"),
        (0.3, 1e-17, "0.300"),
        (np.nan, None, "-"),
        (12.3456, np.nan, "12.3"),
    ],
)
def test_digits_follow_the_uncertainty(value, sd, text):
    assert rounded(value, sd) == text


def test_mixed_columns_are_told_kind_by_kind():
    rng = np.random.default_rng(0)
    z = rng.permutation(np.repeat([0, 1], [120, 80]))
    table = pd.DataFrame(
        {
            "plan": np.array(["basic", "plus", "gold"])[rng.integers(0, 2, 200) + z],
            "visits": rng.poisson(np.array([2, 9])[z]),
            "age": np.array([30.0, 50.0])[z] + 5 * rng.normal(size=200),
            "member": (rng.random(200) < np.array([0.2, 0.7])[z]).astype(int),
        }
    )
    kinds = {"gaussian": ["age"], "bernoulli": ["member"], "categorical": ["plan"], "poisson": ["visits"]}
    em = mx.fit_em(mx.Mixed(2, **kinds), table, random_seed=1)
    found = mx.describe(em, table)
    values = found.to_frame().set_index(["cluster", "figure", "of"])["value"]
    for k in range(2):
        own = values[f"cluster {k}"]
        assert own["mean", "age"] == em.params["mu"][k, 0]
        assert own["sd", "age"] == pytest.approx(np.sqrt(em.params["Sigma"][k, 0, 0]))
        assert own["probability", "member"] == em.params["p"][k, 0]
        np.testing.assert_array_equal(
            own["probability"][["plan: basic", "plan: gold", "plan: plus"]], em.params["p_level"][k, 0]
        )
        assert own["rate", "visits"] == em.params["rate"][k, 0]
        told = [found.sentences[k].index(word) for word in ("plan: ", "visits", "age", "member")]
        assert told == sorted(told)  # in the order of the columns
    tree = em.to_datatree()
    assert mx.describe(tree).to_frame().query("figure != 'size'").equals(mx.describe(em).to_frame())
    axes = mx.plot.profiles(em)
    assert [ax.get_ylabel() for ax in axes] == [
        "mean",
        "probability of a one",
        "probability",
        "rate, events per row",
    ]
