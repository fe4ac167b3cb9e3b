"""The pictures show what is there: their geometry, colours and numbers against the fit's."""

from dataclasses import replace

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import every_spec, make_params, simulate
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Ellipse

import mixtures as mx
from mixtures import BMM, GMM, InputError, plot
from mixtures.brief import rounded
from mixtures.plot.estimates import _lines
from mixtures.trees import point_tree

X = mx.datasets.faithful()
EM = mx.fit_em(GMM(2), X, random_seed=1)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def posterior():
    """A sample made by hand: EM's answer with noise on it."""
    rng = np.random.default_rng(0)
    one = point_tree(EM.params, EM.spec.dims, EM.features)["posterior"].to_dataset()
    noise = {name: xr.DataArray(1 + 0.01 * rng.normal(size=(2, 30)), dims=("chain", "draw")) for name in one}
    wide = one.isel(chain=0, draw=0, drop=True).expand_dims(chain=[0, 1], draw=np.arange(30))
    drawn = wide.map(lambda x: x * noise[x.name])
    drawn["alpha"] = drawn["alpha"] / drawn["alpha"].sum("cluster")
    return xr.DataTree.from_dict({"posterior": drawn})


def ellipses(ax):
    return [patch for patch in ax.patches if isinstance(patch, Ellipse)]


def outline(ellipse):
    """Points of the curve in the units of the data: the patch is the unit circle, transformed."""
    angle = np.linspace(0, 2 * np.pi, 50)
    return ellipse.get_patch_transform().transform(np.column_stack([np.cos(angle), np.sin(angle)]))


# What all have in common


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot.scatter(X, ax=ax),
        lambda ax: plot.clusters(EM.spec, X, EM.params, ax=ax),
        lambda ax: plot.responsibilities(EM.spec, X, EM.params, ax=ax),
        lambda ax: plot.trace(EM, ax=ax),
        lambda ax: plot.heatmap(EM.params, "mu", ax=ax),
        lambda ax: plot.surface(
            EM.spec,
            X,
            EM.params,
            over=("alpha[0]", "mu[0, waiting]"),
            limits=((0.5, 0.8), (75, 85)),
            n_grid=5,
            ax=ax,
        ),
    ],
    ids=["scatter", "clusters", "responsibilities", "trace", "heatmap", "surface"],
)
def test_axes_are_taken_and_returned_and_labelled(draw):
    _, given = plt.subplots()
    assert draw(given) is given
    assert given.get_xlabel()
    assert given.get_ylabel()
    assert draw(None) is not given


def test_a_cluster_has_one_colour_in_all_pictures():
    colours = {to_hex(plot.cluster_colour(k)) for k in range(10)}
    assert len(colours) == 10
    ax = plot.clusters(EM.spec, X, EM.params)
    assert [to_hex(p.get_facecolor()) for p in ellipses(ax)] == [
        plot.cluster_colour(k) for k in (0, 0, 0, 1, 1, 1)
    ]
    assert [to_hex(c.get_facecolor()[0]) for c in ax.collections] == [plot.cluster_colour(k) for k in (0, 1)]
    assert [text.get_text() for text in ax.texts] == ["0", "1"]


def test_colours_stay_apart_for_colour_blind_eyes():
    """By the dichromats' matrices of Vienot, Brettel and Mollon (1999), in linear RGB."""
    rgb = np.array([to_rgb(plot.cluster_colour(k)) for k in range(6)]) ** 2.2
    for matrix in (
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],  # protanopia
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],  # deuteranopia
    ):
        seen = np.clip(rgb @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen, axis=-1) + np.eye(len(seen))
        assert apart.min() > 0.12


# Data and clusters


def test_scatter_shows_every_row_in_its_colour():
    labels = np.arange(len(X)) % 3
    ax = plot.scatter(X, labels=labels, features=("waiting", "eruptions"))
    shown = np.vstack([c.get_offsets() for c in ax.collections])
    assert sorted(map(tuple, shown)) == sorted(map(tuple, X[["waiting", "eruptions"]].to_numpy()))
    assert ax.get_xlabel() == "waiting"


def test_scatter_of_one_feature_counts_rows():
    ax = plot.scatter(X, features=("waiting",))
    assert sum(patch.get_height() for patch in ax.patches) == len(X)


@every_spec
def test_ellipses_are_curves_of_equal_mahalanobis_distance(spec):
    params, rows, _ = simulate(spec, 80, n_features=3)
    ax = plot.clusters(spec, rows, params, features=("x2", "x0"), sds=(1.5,))
    mean, covariance = spec.family.moments(params)
    shown = ellipses(ax)
    assert len(shown) == spec.n_components
    for k, ellipse in enumerate(shown):
        marginal = covariance[k][np.ix_([2, 0], [2, 0])]
        residual = outline(ellipse) - mean[k, [2, 0]]
        distance = np.sqrt((residual * np.linalg.solve(marginal, residual.T).T).sum(axis=1))
        np.testing.assert_allclose(distance, 1.5, rtol=1e-9)
    opacity = np.array([ellipse.get_alpha() for ellipse in shown])
    np.testing.assert_allclose(opacity / opacity.max(), params["alpha"] / params["alpha"].max())


def test_clusters_of_a_sample_are_its_draws(posterior):
    ax = plot.clusters(EM.spec, X, posterior, n_draws=20)
    shown = ellipses(ax)
    assert len(shown) == 2 * 20
    centres = np.array([ellipse.center for ellipse in shown])
    drawn = posterior["posterior"]["mu"].values.reshape(-1, 2, 2)
    for centre, k in zip(centres, np.repeat([0, 1], 20), strict=True):
        assert np.abs(drawn[:, k] - centre).sum(axis=1).min() < 1e-12
    assert len(np.unique(centres, axis=0)) == 40


def test_densities_over_one_feature_add_up():
    W = X[["waiting"]]
    em = mx.fit_em(GMM(2), W, random_seed=1)
    ax = plot.clusters(em.spec, W, em.params)
    mixture, *parts = [line.get_ydata() for line in ax.lines]
    np.testing.assert_allclose(mixture, sum(parts))
    x = ax.lines[0].get_xdata()
    np.testing.assert_allclose(mixture, np.exp(em.spec.log_likelihood(x[:, None], em.params)))
    assert [to_hex(line.get_color()) for line in ax.lines[1:]] == [
        plot.cluster_colour(0),
        plot.cluster_colour(1),
    ]


def test_responsibilities_mix_the_colours():
    ax = plot.responsibilities(EM.spec, X, EM.params)
    (points,) = ax.collections
    r = EM.spec.responsibilities(X, EM.params)
    doubt = -(r * np.log(np.maximum(r, 1e-300))).sum(axis=1)
    order = np.argsort(doubt)
    colours = np.array([to_rgb(plot.cluster_colour(k)) for k in range(2)])
    np.testing.assert_allclose(points.get_facecolor()[:, :3], (r @ colours)[order], atol=1e-12)
    assert points.get_sizes().argmax() == len(X) - 1  # the most doubtful row is the largest, and on top
    np.testing.assert_array_equal(points.get_offsets()[-1], X.to_numpy()[doubt.argmax()])


def test_responsibilities_over_one_feature_are_curves_with_intervals():
    W = X[["waiting"]]
    em = mx.fit_em(GMM(2), W, random_seed=1)
    ax = plot.responsibilities(em.spec, W, em.params)
    np.testing.assert_allclose(sum(line.get_ydata() for line in ax.lines), 1)
    assert not ax.collections
    tree = point_tree(em.params, em.spec.dims, em.features)
    assert len(plot.responsibilities(em.spec, W, tree).collections) == 2


# How the fit came about


def test_a_trace_shows_every_restart():
    ax = plot.trace(EM)
    assert len(ax.lines) == 11
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), EM.objective_trace)
    assert ax.get_title() == str(EM.restarts)
    climbing = replace(EM, objective_trace=EM.log_posterior - np.array([5.0, 1.0, 0.0]))
    log = plot.trace(climbing, log=True)
    below = log.lines[-1].get_ydata()
    assert log.get_yscale() == "log"
    np.testing.assert_allclose(below[:2], [5.0, 1.0])
    assert np.nanmin(below) > 0


def test_a_surface_is_the_log_posterior(monkeypatch):
    drawn = {}

    def contourf(self, x, y, below, **_):
        drawn.update(x=x, y=y, below=below)
        return real(self, x, y, below, **_)

    real = plt.Axes.contourf
    monkeypatch.setattr(plt.Axes, "contourf", contourf)
    over = ("alpha[1]", "Sigma[0, waiting, eruptions]")
    plot.surface(EM.spec, X, EM.params, over=over, limits=((0.1, 0.9), (-1, 4)), n_grid=7)

    def height(a, s):
        params = {name: x.copy() for name, x in EM.params.items()}
        params["alpha"] = np.array([1 - a, a])
        params["Sigma"][0, 0, 1] = params["Sigma"][0, 1, 0] = s
        if np.linalg.eigvalsh(params["Sigma"][0])[0] <= 0:
            return np.nan
        return EM.spec.log_likelihood(X, params).sum() + EM.spec.log_prior(params)

    expected = np.array([[height(a, s) for a in drawn["x"]] for s in drawn["y"]])
    assert np.isnan(expected).any()
    np.testing.assert_allclose(drawn["below"], np.nanmax(expected) - expected, atol=1e-8)


def test_a_surface_shows_path_points_and_draws(posterior):
    over = ("mu[0, waiting]", "mu[1, waiting]")
    path = [EM.params]
    for _ in range(3):
        path.append(mx.em_step(EM.spec, X, path[-1]))
    ax = plot.surface(
        EM.spec, X, EM.params, over=over, path=path, points={"EM": EM.params}, posterior=posterior, n_grid=5
    )
    _, texts = ax.get_legend_handles_labels()
    assert texts == ["posterior", "EM, step by step", "start", "EM"]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [p["mu"][0, 1] for p in path])
    np.testing.assert_allclose(ax.lines[-1].get_xydata()[0], EM.params["mu"][:, 1])
    assert ax.get_xlabel() == over[0]


# Parameters


def test_a_heat_map_writes_means_and_sds(posterior):
    ax = plot.heatmap(posterior, "mu")
    mu = posterior["posterior"]["mu"]
    mean, sd = mu.mean(("chain", "draw")).values, mu.std(("chain", "draw")).values
    assert ax.texts[1].get_text() == f"{rounded(mean[0, 1], sd[0, 1])}\n± {rounded(sd[0, 1], sd[0, 1])}"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["eruptions", "waiting"]
    ax = plot.heatmap({"p": np.full((2, 3), 0.5)})
    assert ax.images[0].norm.vmax == 1
    assert ax.images[0].colorbar.ax.yaxis.label.get_rotation() == 0  # of a letter
    assert (
        plot.heatmap({"rate": np.array([[0.05, 0.3]])}, "rate").images[0].norm.vmax == 0.3
    )  # no probability


def test_columns_of_different_units_are_coloured_alike(posterior):
    """By distances from the mean of all rows; of bare parameters, by those from the average cluster."""
    for result, told in ((EM, "mean of all rows"), (posterior, "mean of all rows"), (EM.params, "average")):
        image = plot.heatmap(result, "mu").images[0]
        assert told in image.colorbar.ax.get_ylabel()
        assert np.abs(image.get_array()).max() < 2  # waiting is 70 minutes on average
        assert image.norm(0) == 0.5
    alpha, mu, variance = EM.params["alpha"], EM.params["mu"], EM.params["Sigma"].diagonal(axis1=1, axis2=2)
    mean = alpha @ mu
    own = (mu - mean) / np.sqrt(alpha @ (variance + mu**2) - mean**2)
    np.testing.assert_allclose(plot.heatmap(EM, "mu").images[0].get_array(), own)


def test_many_columns_of_a_heat_map_have_names_and_no_figures():
    names = [f"q{d}=yes" for d in range(24)]
    ax = plot.heatmap({"p": np.full((2, 24), 0.5)}, features=names)
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert len(ax.texts) == 0
    assert len(plot.heatmap({"p": np.full((2, 20), 0.5)}).texts) == 40


def test_images_are_the_parameters_pixel_by_pixel():
    spec = BMM(3)
    params = make_params(spec, 6)
    axes = plot.images(params, (2, 3))
    assert axes.shape == (1, 3)
    np.testing.assert_array_equal(axes[0, 1].images[0].get_array(), params["p"][1].reshape(2, 3))
    tree = point_tree(params, spec.dims, [f"x{d}" for d in range(6)])
    two = plot.images(tree, (2, 3), axes=plt.subplots(2, 3)[1])
    np.testing.assert_array_equal(two[0, 2].images[0].get_array(), params["p"][2].reshape(2, 3))
    assert not two[1, 2].images[0].get_array().any()  # one draw has no spread
    assert to_hex(two[0, 2].spines["left"].get_edgecolor()) == plot.cluster_colour(2)


@pytest.mark.parametrize("standardise", [True, False])
def test_a_forest_has_em_map_and_posterior(posterior, standardise):
    picture = plot.forest(EM, EM, posterior, standardise=standardise)
    assert isinstance(picture, az.PlotCollection)
    points = picture.viz["point_estimate"]["mu"]
    assert list(points["model"].values) == ["EM", "MAP", "posterior"]
    assert set(picture.viz["point_estimate"].data_vars) == {"alpha", "mu", "Sigma"}
    pairs = ["eruptions, eruptions", "waiting, eruptions", "waiting, waiting"]
    assert list(picture.viz["point_estimate"]["Sigma"]["pair"].values) == pairs
    at = points.sel(model="EM", cluster=1, feature="waiting").item().get_offsets()[0, 0]
    mu = posterior["posterior"]["mu"].sel(cluster=1, feature="waiting")
    value = EM.params["mu"][1, 1]
    assert at == pytest.approx((value - mu.mean().item()) / mu.std().item() if standardise else value)
    alone = plot.forest(None, None, posterior, var_names=["alpha"])
    assert list(alone.viz["point_estimate"].data_vars) == ["alpha"]


def test_a_forest_lays_samples_of_any_size_side_by_side(posterior):
    few = xr.DataTree.from_dict(
        {"posterior": posterior["posterior"].to_dataset().isel(chain=[0], draw=slice(7))}
    )
    picture = plot.forest(EM, None, {"few": few, "many": posterior}, var_names=["alpha"], standardise=False)
    points = picture.viz["point_estimate"]["alpha"]
    assert list(points["model"].values) == ["EM", "few", "many"]
    colours = [
        to_hex(points.sel(model=name, cluster=0).item().get_edgecolors()[0]) for name in ("few", "many")
    ]
    assert len(set(colours)) == 2
    assert not set(colours) & {plot.cluster_colour(k) for k in range(10)}
    line = picture.viz["twig"]["alpha"].sel(model="many", cluster=0).item()
    expected = posterior["posterior"]["alpha"].sel(cluster=0).quantile([0.025, 0.975])
    np.testing.assert_allclose(line.get_xdata(), expected, atol=1e-3)


# What is refused


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plot.scatter(X, features=("wating", "eruptions")),
            "no feature 'wating' .did you mean 'waiting'",
        ),
        (lambda: plot.scatter(X, features=()), "one feature or two, got 0"),
        (lambda: plot.scatter(X, labels=[0, 1]), "labels must be 272 whole numbers"),
        (lambda: plot.scatter(X, labels=np.full(272, 0.5)), "labels must be 272 whole numbers, got float64"),
        (lambda: plot.clusters(EM.spec, X[["waiting"]], EM.params), "1 column; the parameters are of 2"),
        (lambda: plot.surface(EM.spec, X, EM.params, over=("mu[0]", "alpha[0]")), r"no parameter 'mu\[0\]'"),
        (lambda: plot.surface(EM.spec, X, EM.params, over=("alpha[0]", "alpha[1]")), "needs limits"),
        (lambda: plot.heatmap(EM.params), "no parameter 'p'; there are alpha, mu, Sigma"),
        (lambda: plot.heatmap(EM.params, "alpha"), r"alpha has shape \(2,\)"),
        (lambda: plot.forest(EM, None, {}), "there is no sample to draw"),
        (lambda: plot.images(EM.params, (3, 3), "mu"), "3 x 3 pixels are not the 2 features of mu"),
        (
            lambda: plot.images(EM.params, (1, 2), "mu", axes=plt.subplots(2, 2)[1]),
            "axes must be 1 rows of 2",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(InputError, match=message):
        draw()


def test_a_sample_of_other_parameters_is_refused(posterior):
    with pytest.raises(InputError, match="a picture needs cluster and feature"):
        plot.heatmap(posterior, "alpha")


def test_patterns_are_drawn_with_the_most_frequent_on_top():
    """By hand: three patterns; the column b lacks two cells of five."""
    nan = np.nan
    X = pd.DataFrame([[1, nan], [nan, 2], [1, 2], [1, 2], [1, nan]], columns=["a", "b"])
    ax = plot.missing_patterns(X)
    assert sorted(label.get_text() for label in ax.get_yticklabels()[:2]) == ["2 rows", "2 rows"]
    assert ax.get_yticklabels()[2].get_text() == "1 row"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a\n20%", "b\n40%"]
    corners = sorted((round(box.get_x()), round(box.get_y())) for box in ax.patches)
    assert len(corners) == 2
    assert (0, 2) in corners  # a is missing in the rarest
    long = plot.missing_patterns(X.rename(columns={"a": "a name of thirty letters or so"}))
    assert [label.get_rotation() for label in (*ax.get_xticklabels(), *long.get_xticklabels())] == [
        0,
        0,
        90,
        90,
    ]
    few = plot.missing_patterns(X, most=1)
    assert len(few.get_yticklabels()) == 1
    assert "2 rarer patterns are left out" in few.get_xlabel()
    with pytest.raises(InputError, match="most"):
        plot.missing_patterns(X, most=0)


def test_columns_of_categories_have_no_correlation():
    """A correlation that there is none of had a p-value of 0."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"city": rng.choice(["a", "b"], 60), "x": rng.normal(size=60), "y": rng.poisson(3, 60)})
    spec = mx.Mixed(1, gaussian=["x"], categorical=["city"], poisson=["y"])
    em = mx.fit_em(spec, X, n_init=1, random_seed=1)
    ax = mx.plot.predictive_pairs(em, X, n_draws=20, random_seed=1)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y"]
    assert len(ax.texts) == 1
    assert " of 1 pairs" in ax.get_title()
    ax = mx.plot.predictive_statistic(em, X, n_draws=20, random_seed=1)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["x", "y"]
    alone = mx.fit_em(mx.Mixed(1, gaussian=["x"], categorical=["city"]), X[["x", "city"]], n_init=1)
    with pytest.raises(mx.InputError, match="no two features have a correlation"):
        mx.plot.predictive_pairs(alone, X[["x", "city"]], n_draws=20, random_seed=1)


def test_bars_of_categories_have_their_levels():
    frame = pd.DataFrame({"channel": ["web", "shop", "phone", "web"] * 10, "plan": ["a", "b"] * 20})
    em = mx.fit_em(mx.LCA(2), frame, random_seed=1)
    axes = plot.predictive_density(em, frame, random_seed=1)
    assert [[label.get_text() for label in ax.get_xticklabels()] for ax in axes] == [
        ["phone", "shop", "web"],
        ["a", "b"],
    ]


def test_a_long_pair_is_told_on_two_lines():
    assert _lines("log(Annual income), log(Spend 2025)") == "log(Annual income),\nlog(Spend 2025)"
    assert _lines("waiting, eruptions") == "waiting, eruptions"
