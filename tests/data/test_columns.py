"""Columns by name and cells by kind, at every door where a fit, a sample or parameters meet data."""

import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from conftest import every_spec, make_rows
from shared import drawn

import mixtures as mx
from mixtures import BMM, GMM, InputError
from mixtures.data.matching import places
from mixtures.data.rows import Viewed
from mixtures.data.sources import as_rows
from mixtures.density.lowering import known_value
from mixtures.draws import sample_of

NAMES = ["a", "b", "c"]
FAST = {"random_seed": 1, "progressbar": False}
SHORT = FAST | {"draws": 120, "tune": 50, "chains": 2}


def table(spec, n=60):
    """Rows whose columns differ strongly, so that a wrong order is noticed."""
    X, _ = make_rows(spec, n, 3, seed=3)
    if isinstance(spec, GMM):
        X = X * [1, 5, 25] + [0, 100, -1000]
    return pd.DataFrame(X, columns=NAMES)


@pytest.fixture(scope="module")
def gaussian():
    X = table(GMM(2))
    em = mx.fit_em(GMM(2), X, n_init=2, random_seed=1)
    return X, em, drawn(em)


@pytest.fixture(scope="module")
def bernoulli():
    X = table(BMM(2), 90)
    em = mx.fit_em(BMM(2), X, n_init=2, random_seed=1)
    return X, em, drawn(em)


def surface(em, X, params, **options):
    ax = mx.plot.surface(
        em.spec, X, params, over=("mu[0, a]", "mu[1, a]"), limits=((-9, 9), (-9, 9)), n_grid=5, **options
    )
    return ax.collections[0].get_array()


def heights(ax):
    return np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections if len(c.get_offsets())])


RESPONSIBILITIES = {
    "responsibilities, sample": lambda X, em, tree: mx.responsibilities(em.spec, X, tree).to_array(),
    "responsibilities, sample, model not resolved": lambda X, em, tree: mx.responsibilities(
        GMM(2) if "mu" in em.params else BMM(2), X, tree
    ).to_array(),
    "responsibilities, parameters": lambda X, em, tree: mx.responsibilities(em.spec, X, em.params).to_array(),
    "coclustering": lambda X, em, tree: mx.coclustering(em.spec, X, tree),
    "spec.responsibilities": lambda X, em, tree: em.spec.responsibilities(X, em.params),
    "spec.log_likelihood": lambda X, em, tree: em.spec.log_likelihood(X, em.params),
    "lower_bound": lambda X, em, tree: mx.lower_bound(em.spec, X, em.params, np.full((len(X), 2), 0.5)),
    "q_function": lambda X, em, tree: mx.q_function(em.spec, X, em.params, np.full((len(X), 2), 0.5)),
    "predictive_checks": lambda X, em, tree: mx.predictive_checks(
        em.spec, X, tree, n_draws=20, random_seed=1
    ),
    "occupied_clusters": lambda X, em, tree: _occupied(tree, em, X),
    "align by rows": lambda X, em, tree: mx.align(tree, em.params, "ecr", spec=em.spec, X=X)["posterior"][
        "alpha"
    ],
    "compare_labellings": lambda X, em, tree: mx.compare_labellings(tree, em.params, spec=em.spec, X=X),
    "plot.clusters": lambda X, em, tree: heights(mx.plot.clusters(em.spec, X, tree)),
    "plot.clusters, parameters": lambda X, em, tree: heights(mx.plot.clusters(em.spec, X, em.params)),
    "plot.responsibilities": lambda X, em, tree: heights(mx.plot.responsibilities(em.spec, X, tree)),
    "plot.predictive_scatter": lambda X, em, tree: heights(
        mx.plot.predictive_scatter(em.spec, X, tree, n_draws=5, random_seed=1)[0]
    ),
    "plot.predictive_statistic": lambda X, em, tree: (
        mx.plot.predictive_statistic(em.spec, X, tree, n_draws=5, random_seed=1).lines[0].get_ydata()
    ),
    "plot.predictive_pairs": lambda X, em, tree: np.array(
        [t.get_text() for t in mx.plot.predictive_pairs(em.spec, X, tree, n_draws=5, random_seed=1).texts]
    ),
    "plot.predictive_density": lambda X, em, tree: mx.plot.predictive_density(
        em.spec, X, tree, n_draws=5, random_seed=1
    )[0].get_xlim(),
    "em_step": lambda X, em, tree: mx.em_step(em.spec, X, em.params)["alpha"],
    "fit_em": lambda X, em, tree: mx.fit_em(em.spec, X, start=em.params).params[
        "mu" if "mu" in em.params else "p"
    ],
    "resolve": lambda X, em, tree: np.asarray(
        next(v for v in vars(mx.resolve(em.spec, X).prior).values() if np.ndim(v))
    ),
    "declare": lambda X, em, tree: _declared(mx.declare(em.spec, X)),
}
GAUSSIAN = {
    "loo_pit": lambda X, em, tree: mx.loo_pit(em.spec, X, tree)["pit"],
    "plot.loo_pit": lambda X, em, tree: mx.plot.loo_pit(em.spec, X, tree)[0].lines[1].get_ydata(),
    "plot.surface": lambda X, em, tree: surface(em, X, em.params, posterior=tree),
}


def _occupied(tree, em, X):
    stats = xr.Dataset({"lp": (("chain", "draw"), np.random.default_rng(0).normal(size=(1, 60)))})
    whole = xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset(), "sample_stats": stats})
    return mx.occupied_clusters(whole, em.spec, X, random_seed=1).probabilities


def _declared(model):
    (x,) = model.observed_RVs
    return known_value(model.rvs_to_values[x])


def same(found, expected):
    if isinstance(found, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif np.asarray(found).dtype.kind in "UO":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-9, atol=1e-12)


def doors():
    for name, door in RESPONSIBILITIES.items():
        yield pytest.param("gaussian", door, id=f"GMM {name}")
        yield pytest.param("bernoulli", door, id=f"BMM {name}")
    for name, door in GAUSSIAN.items():
        yield pytest.param("gaussian", door, id=f"GMM {name}")


DOORS = pytest.mark.parametrize(("fit", "door"), list(doors()))


@DOORS
def test_a_door_goes_by_name_and_refuses_other_names(fit, door, request):
    X, em, tree = request.getfixturevalue(fit)
    expected = door(X, em, tree)
    same(door(X[["c", "a", "b"]], em, tree), expected)
    for wrong, told in (
        (X.rename(columns={"b": "z"}), "'b' is missing; 'z' is not known"),
        (X.assign(z=1.0), "'z' is not known"),
        (X[["a", "c"]], "'b' is missing"),
        (X.to_numpy()[:, :2], "2 columns"),
    ):
        with pytest.raises(InputError, match=told):
            door(wrong, em, tree)
    plt.close("all")


@DOORS
def test_a_door_refuses_the_cells_that_fitting_refuses(fit, door, request):
    X, em, tree = request.getfixturevalue(fit)
    cases = (-1, 0.5, 50) if fit == "bernoulli" else (1e200, -1e300)
    for value in cases:
        bad = X.copy()
        bad.iloc[7, 1] = value
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match="'b'"):
                door(bad, em, tree)
    plt.close("all")


SAMPLE_DOORS = [
    lambda spec, X, tree: mx.responsibilities(spec, X, tree),
    lambda spec, X, tree: mx.coclustering(spec, X, tree),
    lambda spec, X, tree: mx.predictive_checks(spec, X, tree),
    lambda spec, X, tree: mx.loo_pit(spec, X, tree),
    lambda spec, X, tree: mx.occupied_clusters(tree, spec, X),
    lambda spec, X, tree: mx.diagnose(tree, spec=spec, X=X),
    lambda spec, X, tree: mx.diagnose(tree, spec=spec),
    lambda spec, X, tree: mx.prior_sensitivity(tree, spec=spec),
    lambda spec, X, tree: mx.marginal_likelihood(spec, X, tree=tree),
    lambda spec, X, tree: mx.uncertainty(spec, X, posterior=tree),
    lambda spec, X, tree: mx.plot.clusters(spec, X, tree),
    lambda spec, X, tree: mx.plot.responsibilities(spec, X, tree),
    lambda spec, X, tree: mx.plot.predictive_density(spec, X, tree),
    lambda spec, X, tree: mx.plot.predictive_scatter(spec, X, tree),
    lambda spec, X, tree: mx.plot.predictive_statistic(spec, X, tree),
    lambda spec, X, tree: mx.plot.predictive_pairs(spec, X, tree),
    lambda spec, X, tree: mx.plot.loo_pit(spec, X, tree),
    lambda spec, X, tree: surface(
        type("E", (), {"spec": spec}), X, mx.fit_em(spec, X, n_init=1, random_seed=1).params, posterior=tree
    ),
]


@pytest.mark.parametrize("door", SAMPLE_DOORS)
def test_a_sample_of_another_model_is_refused(door, gaussian, bernoulli, monkeypatch):
    monkeypatch.setattr("mixtures.density.compiled.compile_graph", None)
    X, em, tree = gaussian
    two = mx.fit_em(GMM(2), X[["a", "b"]], n_init=1, random_seed=1)
    diag = mx.fit_em(GMM(2, covariance_type="diag"), X, n_init=1, random_seed=1)
    for spec, other, told in (
        (GMM(3), tree, "of 2 clusters, the model has n_components=3"),
        (GMM(2), bernoulli[2], "lacks mu, Sigma"),
        (GMM(2), drawn(diag), "lacks Sigma"),
        (GMM(2, covariance_type="tied"), tree, "Sigma in the posterior has dims"),
        (em.spec, drawn(two), "'c'|2 columns|2 features|3 columns"),
        (GMM(2), em, "EMFit; it must be|DataTree|EMFit"),
    ):
        with pytest.raises(InputError, match=told):
            door(spec, X, other)
    plt.close("all")


def test_parameters_of_another_model_are_refused(gaussian):
    X, em, _ = gaussian
    for params in (
        mx.fit_em(GMM(3), X, n_init=1, random_seed=1).params,
        mx.fit_em(GMM(2), X[["a", "b"]], n_init=1, random_seed=1).params,
        mx.fit_em(GMM(2, covariance_type="diag"), X, n_init=1, random_seed=1).params,
        em,
    ):
        for door in (
            mx.responsibilities,
            mx.em_step,
            mx.plot.clusters,
            mx.plot.responsibilities,
            lambda *given: mx.lower_bound(*given, q=np.full((60, 2), 0.5)),
            *(
                [] if params is em else [lambda *given: mx.fit_em(*given[:2], start=given[2])]
            ),  # takes a fit too
        ):
            with pytest.raises(InputError, match="parameter"):
                door(em.spec, X, params)
    plt.close("all")


# Where a fit is given beside the data


def test_fits_given_beside_the_data(gaussian):
    """The answers are those for the data as they were fitted, whatever the order of the columns."""
    X, model = gaussian[0], GMM(2, covariance_type="spherical")
    em = mx.fit_em(model, X, n_init=2, random_seed=1)
    for spec in (model, mx.resolve(model, X[["b", "c", "a"]])):
        tree = mx.sample(spec, X[["c", "b", "a"]], em=em, **SHORT)
        assert tree["posterior"]["feature"].values.tolist() == NAMES
        mean = tree["posterior"]["mu"].mean(("chain", "draw")).sel(feature="c")
        np.testing.assert_allclose(mean, em.params["mu"][:, 2], atol=8)
    expected = mx.uncertainty(model, X, em=em, methods=["information"], **FAST)
    for spec in (model, em.spec):
        found = mx.uncertainty(spec, X[["c", "b", "a"]], em=em, methods=["information"], **FAST)
        same(found.table, expected.table)
    beside = mx.uncertainty(em.spec, X[["c", "b", "a"]], em=em, posterior=tree, methods=["nuts"], **FAST)
    sd = tree["posterior"]["mu"].std(("chain", "draw"), ddof=1).sel(cluster=0, feature="c")
    assert beside.table.loc["mu[0, c]", "nuts"] == pytest.approx(float(sd))
    verdicts = [mx.diagnose(tree, X=x, em=em) for x in (X, X[["b", "c", "a"]])]
    assert [str(check) for check in verdicts[0].checks] == [str(check) for check in verdicts[1].checks]
    logs = [
        mx.marginal_likelihood(em.spec, x, tree=tree, **FAST).log_marginal_likelihood
        for x in (X, X[["b", "c", "a"]])
    ]
    assert logs[0] == pytest.approx(logs[1])
    for door in (mx.sample, mx.uncertainty):
        with pytest.raises(InputError, match="'c' is missing"):
            door(model, X[["a", "b"]], em=em, **FAST)
        with pytest.raises(InputError, match="em is a fit of another model"):
            door(replace(model, n_components=3), X, em=em, **FAST)
        with pytest.raises(InputError, match="em is a fit of another model"):
            door(GMM(2, covariance_type="tied"), X, em=em, **FAST)
        with pytest.raises(InputError, match="em is a dict"):
            door(model, X, em=em.params, **FAST)
    with pytest.raises(InputError, match="mu has shape"):
        mx.sample(replace(model, n_components=3), X, pivot=em.params, **FAST)


@pytest.mark.long
def test_a_report_goes_by_name(gaussian):
    X, _, _ = gaussian
    cc = mx.crosscheck(GMM(2), X, n_init=2, **SHORT)
    pages = [mx.report(cc, x, **FAST).html for x in (X, X[["c", "b", "a"]], X.to_numpy())]
    assert pages[0] == pages[1] == pages[2]
    selection = mx.select(GMM(1), X[["a", "b"]], [1], n_init=1, **FAST)
    with pytest.raises(InputError, match="the selection has 2 columns; the result is of 3"):
        mx.report(cc, X, selection=selection, **FAST)


@every_spec
def test_a_resolved_model_keeps_its_prior_with_the_names(spec):
    X = table(spec)
    spec = mx.resolve(spec, X)
    assert spec.features == tuple(NAMES)
    moved = spec.of(["c", "a", "b"])
    em = mx.fit_em(spec, X, n_init=1, random_seed=1)
    for again in (
        mx.fit_em(spec, X[["c", "a", "b"]], start=em.params),
        mx.fit_em(spec, [X[["c", "a", "b"]][:20], X[["c", "a", "b"]][20:]], start=em.params),
    ):
        assert again.features == tuple(NAMES)
        assert again.log_posterior == pytest.approx(em.log_posterior, rel=1e-9)
    other = mx.fit_em(moved, X, n_init=1, random_seed=1)
    assert other.features == ("c", "a", "b")
    turned = dict(em.params)
    for name, own in spec.dims.items():
        for axis, dim in enumerate(own):
            if dim.startswith("feature"):
                turned[name] = np.take(turned[name], [2, 0, 1], axis=axis)
    assert moved.log_prior(turned) == pytest.approx(spec.log_prior(em.params))


def test_saved_results_know_their_columns(gaussian, tmp_path):
    X, em, _ = gaussian
    mx.save(em, tmp_path / "em.mix")
    again = mx.load(tmp_path / "em.mix")
    assert again.spec.features == tuple(NAMES)
    same(
        mx.responsibilities(again.spec, X[["b", "a", "c"]], again.params).to_array(),
        mx.responsibilities(em.spec, X, em.params).to_array(),
    )


# Names and places


@pytest.mark.parametrize(
    "kind",
    [
        pl.from_pandas,
        lambda X: pa.Table.from_pandas(X, preserve_index=False),
        lambda X: xr.DataArray(X.to_numpy(), dims=("row", "column"), coords={"column": list(X)}),
    ],
    ids=["polars", "pyarrow", "xarray"],
)
def test_any_frame_has_names(kind, gaussian):
    X, em, tree = gaussian
    found = mx.responsibilities(em.spec, kind(X[["b", "c", "a"]]), tree)
    same(found.to_array(), mx.responsibilities(em.spec, X, tree).to_array())


def test_by_position_where_one_side_has_no_names(gaussian):
    X, em, tree = gaussian
    expected = mx.responsibilities(em.spec, X, tree).to_array()
    nameless = (X.to_numpy(), X.to_numpy().tolist(), pd.DataFrame(X.to_numpy()), pl.DataFrame(X.to_numpy()))
    for rows in nameless:
        same(mx.responsibilities(em.spec, rows, tree).to_array(), expected)
        fitted = mx.fit_em(GMM(2), rows, start=em.params)
        assert mx.responsibilities(fitted.spec, X, fitted.to_datatree())["label"].equals(
            mx.responsibilities(fitted.spec, rows, fitted.params)["label"]
        )


def test_names_that_look_like_places_are_names_in_a_frame(gaussian):
    X, _, _ = gaussian
    named = X.set_axis(["x0", "x1", "x2"], axis=1)
    for order in (["x0", "x1", "x2"], ["x2", "x0", "x1"]):
        em = mx.fit_em(GMM(2), named[order], n_init=1, random_seed=1)
        expected = mx.responsibilities(em.spec, named[order], em.params)
        for other in (["x0", "x1", "x2"], ["x1", "x2", "x0"]):
            found = mx.responsibilities(em.spec, named[other], em.params)
            same(found.to_array(), expected.to_array())
        same(mx.responsibilities(em.spec, named[order].to_numpy(), em.params).to_array(), expected.to_array())
    em = mx.fit_em(GMM(2), X, n_init=1, random_seed=1)
    with pytest.raises(InputError, match="'a', 'b', 'c' are missing; 'x0', 'x1', 'x2' are not known"):
        mx.responsibilities(em.spec, named, em.params)


def test_a_slip_is_met_with_a_suggestion():
    with pytest.raises(InputError, match=r"'waiting' is missing \(did you mean 'wating'\?\)"):
        places(["eruptions", "wating"], ["eruptions", "waiting"])


def test_the_two_axes_of_a_covariance_go_together(gaussian):
    """A tree of which somebody has reordered one dim only."""
    X, em, tree = gaussian
    moved = xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset().sel(feature=["c", "a", "b"])})
    same(mx.responsibilities(em.spec, X, moved).to_array(), mx.responsibilities(em.spec, X, tree).to_array())
    assert sample_of(em.spec, tree) is tree


def test_a_fit_without_names_takes_those_of_the_sample(gaussian):
    X, em, tree = gaussian
    nameless = mx.resolve(GMM(2), X.to_numpy())
    found = mx.responsibilities(nameless, X[["b", "a", "c"]], tree)
    same(found.to_array(), mx.responsibilities(em.spec, X, tree).to_array())


def test_blocks_in_another_order_are_the_same_blocks(gaussian):
    X, em, _ = gaussian
    moved = X[["b", "c", "a"]]
    for given in (lambda: iter([moved[:25], moved[25:]]), [moved[:25], moved[25:]]):
        again = mx.fit_em(em.spec, given, start=em.params)
        assert again.log_likelihood == pytest.approx(em.log_likelihood, rel=1e-9)
    rows = em.spec.ordered(as_rows([moved[:25], moved[25:]]), [moved])
    assert isinstance(rows, Viewed)
    np.testing.assert_array_equal(rows.subsample(100, np.random.default_rng(0))[0], X.to_numpy())
    with pytest.raises(InputError, match="'b' is missing"):
        mx.fit_em(em.spec, [moved[["c", "a"]]], start=em.params)


def test_dask_in_another_order(gaussian):
    dd = pytest.importorskip("dask.dataframe")
    X, em, _ = gaussian
    again = mx.fit_em(em.spec, dd.from_pandas(X[["b", "c", "a"]], npartitions=2), start=em.params)
    assert again.features == tuple(NAMES)
    assert again.log_likelihood == pytest.approx(em.log_likelihood, rel=1e-9)


def test_features_are_names():
    for bad in ("ab", [], ["a", "a"], [1, 2]):
        with pytest.raises(InputError, match="features must be different names"):
            GMM(2, features=bad)
    prior = mx.priors.Beta([1.0, 2.0, 3.0], 2.0)
    stated = BMM(2, prior=prior, features=NAMES)
    np.testing.assert_array_equal(stated.of(["c", "a", "b"]).prior.alpha, [3, 1, 2])


def test_a_forest_is_of_one_model(gaussian):
    """ArviZ would plot the parameters that they share and drop the others."""
    X, em, tree = gaussian
    picture = mx.plot.forest(em, None, tree, var_names=["mu"])
    assert picture is not None
    three = mx.fit_em(GMM(3), X, n_init=1, random_seed=1)
    other = mx.fit_em(GMM(2), X.rename(columns={"b": "z"}), n_init=1, random_seed=1)
    with pytest.raises(InputError, match="EM is of cluster 0, 1, 2, posterior of 0, 1"):
        mx.plot.forest(three, None, tree)
    with pytest.raises(InputError, match="EM is of feature a, z, c, posterior of a, b, c"):
        mx.plot.forest(other, None, tree)
    plt.close("all")


@pytest.mark.parametrize("dims", [("feature", "obs_id"), ("variable", "person"), ("item", "row")])
def test_a_table_that_lies_on_its_side_is_told(dims):
    array = np.random.default_rng(0).integers(0, 2, (3, 8))
    with pytest.raises(mx.InputError, match=f"the rows have the dim '{dims[0]}'.*pass X.T"):
        mx.fit_em(mx.BMM(1), xr.DataArray(array, dims=dims))
    assert mx.fit_em(mx.BMM(1), xr.DataArray(array.T, dims=dims[::-1])).notes == ()
    (note,) = (note for note in mx.fit_em(mx.BMM(1), array).notes if "transpose" in note)
    assert note == "3 rows and 8 columns: transpose the data if the columns are the rows"
