"""A fit, a crosscheck or a posterior sample in the place of a model, its rows and its parameters."""

import inspect
import typing
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx
from mixtures.families.mixture import Mixture
from mixtures.given import Fit

matplotlib.use("Agg")

FAITHFUL = mx.datasets.faithful().set_index(pd.Index(range(100, 372), name="eruption"))
SHORT = {"n_init": 2, "draws": 30, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def cc():
    return mx.crosscheck(mx.GMM(2), FAITHFUL, **SHORT)


POINTS_TOO = {
    "responsibilities": mx.responsibilities,
    "classification": mx.classification,
    "complete": lambda *args: mx.complete(*args).cells,
    "predictive_checks": lambda *args: mx.predictive_checks(*args, random_seed=1),
    "coclustering": mx.coclustering,
}
SAMPLES = {
    "loo": lambda *args: mx.loo(*args, progressbar=False).elpd_i,
    "loo_pit": mx.loo_pit,
}


def same(a, b):
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, xr.Dataset | xr.DataArray):
        xr.testing.assert_equal(a, b)
    else:
        assert a == b


@pytest.mark.filterwarnings("ignore:leaving one row out")
@pytest.mark.parametrize("name", [*POINTS_TOO, *SAMPLES])
def test_the_short_call_is_the_long_one(name, cc):
    door = (POINTS_TOO | SAMPLES)[name]
    whole = door(cc.em.spec, FAITHFUL, cc.posterior)
    same(whole, door(cc, FAITHFUL))
    same(whole, door(cc))
    same(whole, door(cc.posterior))
    same(whole, door(cc, FAITHFUL[["waiting", "eruptions"]]))
    if name in POINTS_TOO:
        tree = name in ("predictive_checks", "coclustering")
        same(door(cc.em.spec, FAITHFUL, cc.em.to_datatree() if tree else cc.em.params), door(cc.em, FAITHFUL))
        same(
            door(cc.mode, FAITHFUL),
            door(cc.mode.spec, FAITHFUL, cc.mode.to_datatree() if tree else cc.mode.params),
        )


def test_what_needs_a_point_takes_that_of_em(cc):
    r = mx.responsibilities(cc.em, FAITHFUL)
    own = (cc.em.spec, FAITHFUL, cc.em.params)
    assert mx.lower_bound(cc, q=r) == mx.lower_bound(*own, r) == mx.lower_bound(cc.em, FAITHFUL, q=r)
    assert mx.q_function(cc, q=r) == mx.q_function(*own, r)
    for step in (mx.em_step(cc), mx.em_step(cc.em, FAITHFUL)):
        for name, x in mx.em_step(*own).items():
            np.testing.assert_array_equal(step[name], x)
    with pytest.raises(mx.InputError, match="one set of parameters is needed"):
        mx.em_step(cc.posterior)


def test_what_takes_a_sample_takes_a_crosscheck(cc):
    assert mx.switching(cc).within == mx.switching(cc.posterior).within
    pd.testing.assert_frame_equal(
        mx.prior_sensitivity(cc), mx.prior_sensitivity(cc.posterior, spec=cc.em.spec)
    )
    assert mx.occupied_clusters(cc, random_seed=1).most_probable == 2
    assert mx.diagnose(cc) == cc.convergence != mx.diagnose(cc.posterior)
    with pytest.raises(mx.InputError, match="no posterior sample"):
        mx.switching(replace(cc, posterior=None))


def test_pictures_need_the_crosscheck_alone(cc):
    ax = mx.plot.clusters(cc)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eruptions", "waiting")
    assert mx.plot.responsibilities(cc).get_ylabel() == "waiting"
    assert len(mx.plot.clusters(cc.em, FAITHFUL).patches) == 6
    over = ("mu[0, waiting]", "mu[1, waiting]")
    assert mx.plot.surface(cc, over=over, n_grid=3).get_xlabel() == "mu[0, waiting]"
    for draw in (
        mx.plot.predictive_density,
        mx.plot.predictive_scatter,
        mx.plot.loo_pit,
        mx.plot.predictive_statistic,
        mx.plot.predictive_pairs,
        mx.plot.switching,
        mx.plot.profiles,
        mx.plot.trace,
        mx.plot.forest,
        lambda cc: mx.plot.heatmap(cc, "mu"),
    ):
        draw(cc)
    labels = mx.plot.heatmap(cc.em, "mu").get_xticklabels()
    assert [text.get_text() for text in labels] == ["eruptions", "waiting"]
    matplotlib.pyplot.close("all")


def test_a_report_has_the_rows_of_the_sample(cc):
    """What it says of them is tested with the report."""
    page = mx.report(cc, progressbar=False)
    assert "The data were not available" not in page.html
    assert "272 rows" in page.html


def test_a_frame_of_responsibilities_has_the_rows_labels(cc):
    r = mx.responsibilities(cc, FAITHFUL)
    frame = r.to_frame()
    assert frame.index.equals(FAITHFUL.index)
    assert frame.index.name == "eruption"
    for k in (0, 1):
        for column, name in ((f"cluster_{k}", "responsibilities"), (f"cluster_{k}_upper", "upper")):
            np.testing.assert_array_equal(frame[column], r[name].sel(cluster=k))
    np.testing.assert_array_equal(frame["label"], r["responsibilities"].argmax("cluster"))
    part = mx.responsibilities(cc.em, FAITHFUL.to_numpy()).sel(obs_id=[5, 7]).to_frame()
    assert list(part.index) == [5, 7]
    assert list(part) == ["label", "label_probability", "cluster_0", "cluster_1"]


def test_no_prior_is_made_up_for_a_sample(cc):
    """Samples do not hold their prior: an answer that depends on it would be that of another model."""
    tree, over = cc.em.to_datatree(), ("mu[0, waiting]", "mu[1, waiting]")
    for door in (mx.em_step, lambda *given: mx.plot.surface(*given, over=over, limits=((0, 1), (0, 1)))):
        with pytest.raises(mx.InputError, match="the prior, which a sample does not hold"):
            door(tree, FAITHFUL)
    r = mx.responsibilities(tree, FAITHFUL)
    assert mx.lower_bound(tree, FAITHFUL, q=r) == mx.lower_bound(cc.em, FAITHFUL, q=r)  # these know no prior
    assert mx.q_function(tree, FAITHFUL, q=r) == mx.q_function(cc.em, FAITHFUL, q=r)


def test_errors_say_what_to_give(cc):
    for call, words in (
        (lambda: mx.responsibilities(cc.em), "X is missing, and this EMFit does not hold the rows"),
        (lambda: mx.responsibilities(replace(cc, posterior=None)), "X is missing, and this Crosscheck"),
        (lambda: mx.responsibilities(cc, FAITHFUL, cc.em.params), "parameters of its own: leave params out"),
        (lambda: mx.loo(cc, FAITHFUL, cc.posterior), "leave tree out"),
        (lambda: mx.responsibilities(cc.em.spec, FAITHFUL), "params is missing"),
        (lambda: mx.responsibilities(cc.em.spec), "X is missing: pass the data"),
        (lambda: mx.responsibilities("GMM", FAITHFUL), "spec is a str; it must be a model such as GMM"),
        (lambda: mx.responsibilities(xr.DataTree(), FAITHFUL), "no group posterior"),
        (lambda: mx.responsibilities(cc, FAITHFUL[["waiting"]]), "eruptions"),
    ):
        with pytest.raises(mx.InputError, match=words):
            call()


def with_rows(em, X, **beside):
    """A sample of one draw that holds rows and, beside them, weights or labels."""
    tree = em.to_datatree()
    rows = {"obs_id": X.index.to_numpy(), "feature": list(X.columns)}
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs_id", "feature"), X)}, rows))
    tree["constant_data"] = xr.DataTree(xr.Dataset({name: ("obs_id", x) for name, x in beside.items()}))
    return tree


def test_weights_and_known_labels_are_those_of_the_fit():
    weights = np.arange(len(FAITHFUL)) % 3.0
    labels = np.where(np.arange(len(FAITHFUL)) < 6, FAITHFUL["eruptions"] < 3, -1)
    em = mx.fit_em(mx.GMM(2), FAITHFUL, weights=weights, labels=labels, n_init=1, random_seed=1)
    tree = with_rows(em, FAITHFUL, weights=weights, labels=labels)
    tree.attrs["anchored_clusters"] = "[0, 1]"
    own = (em.spec, FAITHFUL, tree)
    xr.testing.assert_equal(mx.responsibilities(tree), mx.responsibilities(*own, labels=labels))
    told = {"weights": weights, "labels": labels}
    xr.testing.assert_equal(mx.classification(tree), mx.classification(*own, **told))
    del tree["constant_data"]  # as in a file of an earlier version
    with pytest.raises(mx.InputError, match="does not hold the rows"):
        mx.responsibilities(tree)


def test_missing_cells_are_those_of_the_fit():
    X = FAITHFUL.copy()
    X.iloc[3, 1] = np.nan
    em = mx.fit_em(mx.GMM(2), X, missing="integrate", n_init=2, random_seed=1)
    tree = with_rows(em, X)
    np.testing.assert_array_equal(
        mx.responsibilities(tree)["label"], mx.responsibilities(em, X, missing="integrate")["label"]
    )
    assert list(mx.complete(tree).cells.index) == [(103, "waiting")]


NEEDS_A_MODEL = {"extend"}
"""Functions that need the prior, which a sample does not hold."""


def doors():
    """Every other public function whose first arguments are a model, rows and parameters or a sample."""
    for module in (mx, mx.plot):
        for name in sorted(set(module.__all__) - NEEDS_A_MODEL):
            value = getattr(module, name)
            names = list(inspect.signature(value).parameters) if inspect.isroutine(value) else []
            if names[:1] == ["spec"] and names[1:3] in (["X", "params"], ["X", "tree"]):
                yield pytest.param(value, names[2], id=f"{module.__name__}.{name}")


@pytest.mark.parametrize(("door", "last"), list(doors()))
def test_every_door_takes_a_fit_and_types_say_so(door, last):
    arguments, types = inspect.signature(door).parameters, typing.get_type_hints(door)
    assert set(typing.get_args(types["spec"])) == {Mixture, *typing.get_args(Fit)}
    assert arguments["X"].default is None
    assert arguments[last].default is None
    others = {name: None for name, each in arguments.items() if each.default is each.empty and name != "spec"}
    with pytest.raises(mx.InputError, match="must be a model such as"):
        door(3, [[1.0]], **others)
