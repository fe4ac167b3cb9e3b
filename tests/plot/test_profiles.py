"""Profiles as drawn, against the figures of `describe` and those of the parameters."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import mixtures as mx
from mixtures.plot import cluster_colour, profiles
from mixtures.trees import draws_tree

RNG = np.random.default_rng(4)
LEVELS = ["never", "rarely", "often"]
SURVEY = pd.DataFrame(
    {
        "smokes": RNG.choice(["no", "yes"], 90),
        "drinks": RNG.choice(LEVELS, 90),
        "sport": RNG.choice(["no", "yes"], 90),
    }
)
YES = (SURVEY[["smokes", "sport"]] == "yes").astype(int)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def points(ax):
    """Heights of the points of every line with markers."""
    return [line.get_ydata() for line in ax.lines if line.get_marker() not in ("None", "", None)]


def a_sample(spec, features, n=60):
    rng = np.random.default_rng(8)
    k, d = spec.n_components, len(features)
    draws = {"alpha": rng.dirichlet(np.full(k, 30.0), (1, n)), "p": rng.beta(8, 4, (1, n, k, d))}
    return draws_tree(draws, spec.dims, features, spec.coords(features))


def test_probabilities_with_intervals_in_the_clusters_colours():
    tree = a_sample(mx.BMM(3), ["a", "b", "c", "d"])
    (ax,) = profiles(tree, ci_prob=0.8, names=["x", "y", "z"])
    p = tree["posterior"]["p"].values[0]
    np.testing.assert_allclose(points(ax), p.mean(axis=0), rtol=1e-12)
    lines = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    assert [to_hex(line.get_color()) for line in lines] == [cluster_colour(k) for k in range(3)]
    assert len({line.get_marker() for line in lines}) == 3
    for k, bars in enumerate(ax.collections):
        low, high = np.array([segment[:, 1] for segment in bars.get_segments()]).T
        np.testing.assert_allclose([low, high], np.quantile(p[:, k], [0.1, 0.9], axis=0), rtol=1e-12)
    share = tree["posterior"]["alpha"].mean(("chain", "draw")).values
    texts = [text.get_text() for text in ax.get_figure().legends[0].get_texts()]
    assert texts == [f"{name} ({a:.0%})" for name, a in zip("xyz", share, strict=True)]
    assert ax.get_ylabel() == "probability of a one"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c", "d"]


def test_means_are_standardised_by_all_rows_and_a_single_feature_is_not():
    X = mx.datasets.faithful()
    em = mx.fit_em(mx.GMM(2, covariance_type="diag"), X, n_init=2, random_seed=1)
    (ax,) = profiles(em)
    alpha, mu, sigma2 = (em.params[name] for name in ("alpha", "mu", "sigma2"))
    centre = alpha @ mu
    sd = np.sqrt(alpha @ (sigma2 + (mu - centre) ** 2))
    drawn = [
        line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 2 and line.get_marker() != "None"
    ]
    np.testing.assert_allclose(drawn, (mu - centre) / sd, rtol=1e-10)
    assert not ax.collections  # a point has no intervals
    (alone,) = profiles(em, features=["waiting"])
    np.testing.assert_allclose(points(alone), mu[:, 1:], rtol=1e-12)
    assert alone.get_ylabel() == "mean"


def test_items_with_levels_have_a_panel_each():
    em = mx.fit_em(mx.LCA(2), SURVEY, n_init=2, random_seed=1)
    axes = profiles(em)
    assert [ax.get_title() for ax in axes] == list(SURVEY.columns)
    for d, (ax, levels) in enumerate(zip(axes, em.spec.levels, strict=True)):
        heights = [[bar.get_height() for bar in group] for group in ax.containers]
        np.testing.assert_allclose(heights, em.params["p"][:, d, : len(levels)], rtol=1e-12)
        assert [text.get_text() for text in ax.get_xticklabels()] == list(levels)
    assert [to_hex(group[0].get_facecolor()) for group in axes[0].containers] == [
        cluster_colour(k) for k in (0, 1)
    ]
    assert len(profiles(em.to_datatree(), features=["drinks"])) == 1


def test_two_levels_are_drawn_as_coins_are():
    em = mx.fit_em(mx.LCA(2), SURVEY[["smokes", "sport"]], n_init=2, random_seed=1)
    (ax,) = profiles(em)
    np.testing.assert_allclose(points(ax), em.params["p"][:, :, 1], rtol=1e-12)
    assert ax.get_ylabel() == 'probability of "yes"'


def test_rates_far_apart_have_a_logarithmic_axis():
    z = np.repeat([0, 1], 60)
    X = np.random.default_rng(0).poisson(np.array([[1.0, 90], [2.0, 60]])[z])
    em = mx.fit_em(mx.PMM(2), X, n_init=2, random_seed=1)
    (ax,) = profiles(em)
    np.testing.assert_allclose(points(ax), em.params["rate"], rtol=1e-12)
    assert ax.get_yscale() == "log"
    assert profiles(em, features=["x0"])[0].get_yscale() == "linear"


def test_names_do_not_collide():
    """No two labels below the axis overlap, nor does one reach above it."""
    names = [f"a rather long name {j}" for j in range(12)]
    (ax,) = profiles(a_sample(mx.BMM(2), names))
    figure = ax.get_figure()
    figure.canvas.draw()
    lows = [text.get_window_extent().x1 for text in ax.get_xticklabels()]
    assert np.diff(lows).min() > ax.get_xticklabels()[0].get_fontsize() * figure.dpi / 72 * 0.9
    assert max(text.get_window_extent().y1 for text in ax.get_xticklabels()) < ax.get_window_extent().y0


def test_own_axes_and_refusals():
    em = mx.fit_em(mx.BMM(2), YES, n_init=2, random_seed=1)
    own = plt.subplots()[1]
    assert profiles(em, axes=own)[0] is own
    assert own.get_legend() is not None
    for change, words in (
        ({"features": ["smoke"]}, "did you mean 'smokes'"),
        ({"features": []}, "sequence of names"),
        ({"axes": plt.subplots(1, 2)[1]}, "axes must be 1, got 2"),
        ({"names": ["a"]}, "2 different"),
        ({"ci_prob": 0}, "ci_prob"),
    ):
        with pytest.raises(mx.InputError, match=words):
            profiles(em, **change)


def test_of_many_panels_those_that_differ_most_are_drawn_and_it_is_said():
    rng, z = np.random.default_rng(3), np.repeat([0, 1], 60)
    names = [f"q{d}" for d in range(13)]
    X = pd.DataFrame({name: np.minimum(rng.integers(0, 2, 120) + z * (name != "q0"), 2) for name in names})
    em = mx.fit_em(mx.LCA(2), X.map(LEVELS.__getitem__), n_init=1, random_seed=1)
    axes = profiles(em)
    assert [ax.get_title() for ax in axes] == names[1:], "the item that is alike in both is left out"
    assert "12 of 13 items" in axes[0].get_figure().get_supxlabel()
    few = profiles(em, features=names[:2])
    assert few[0].get_figure().get_supxlabel() == ""


def test_a_legend_of_many_clusters_fits_beside_the_chains():
    tree = a_sample(mx.BMM(25), ["a", "b"])
    point = {name: tree["posterior"][name].values[0, 0] for name in ("alpha", "p")}
    axes = mx.plot.switching(mx.align(tree, to=point))
    axes[0].get_figure().canvas.draw()  # a figure without room for its axes warns, which is an error here
    assert axes[1].get_position().width > 0.2
