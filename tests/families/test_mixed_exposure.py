"""Mixed columns whose counts have an exposure: what SciPy finds, what is refused, every door."""

from functools import cache

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from command import run
from scipy import stats
from scipy.special import logsumexp, softmax

import mixtures as mx
from mixtures.data.reading import as_data
from mixtures.density.compiled import CompiledModel
from mixtures.em.estep import e_step
from mixtures.given import given
from mixtures.standard_errors.simulation import simulated
from mixtures.trees import draws_tree

SPEC = mx.Mixed(2, gaussian=["size"], bernoulli=["wet"], poisson=["jays", "ducks"], exposure="hours")
RATES = np.array([[9.0, 0.5], [3.0, 2.0]])
BIRDS = ["jays", "ducks"]


def rows(n=120, seed=0):
    """Walks with counts of birds; their length in hours is the third column."""
    rng = np.random.default_rng(seed)
    z, hours = np.arange(n) % 2, rng.uniform(0.2, 5, n)
    counts = rng.poisson(RATES[z] * hours[:, None])
    return pd.DataFrame(
        {
            "jays": counts[:, 0],
            "size": rng.normal(z, 0.7),
            "hours": hours,
            "wet": (rng.random(n) < 0.3 + 0.4 * z).astype(int),
            "ducks": counts[:, 1],
        }
    )


def with_holes(X):
    holes = np.random.default_rng(1).random(X.shape) < 0.2
    holes[:, 2] = False
    return X.astype(float).mask(holes)


def scipy_log_joint(X, params):
    """Log Pr(x_i, z_i = k | e_i), (K, n), of the observed cells."""
    found, seen = np.log(params["alpha"])[:, None], X.notna().to_numpy()
    filled, hours = X.fillna(0), X["hours"].to_numpy()
    for k in range(2):
        sd = np.sqrt(params["Sigma"][k, 0, 0])
        each = {
            "size": stats.norm(params["mu"][k, 0], sd).logpdf(filled["size"]),
            "wet": stats.bernoulli(params["p"][k, 0]).logpmf(filled["wet"]),
        }
        each |= {
            bird: stats.poisson(hours * params["rate"][k, j]).logpmf(filled[bird])
            for j, bird in enumerate(BIRDS)
        }
        own = sum(np.where(seen[:, X.columns.get_loc(name)], x, 0) for name, x in each.items())
        found = np.broadcast_to(found, (2, len(X))).copy()
        found[k] += own
    return found


@cache
def fitted():
    return mx.fit_em(SPEC, rows(), random_seed=1, tol=1e-9)


def test_the_density_is_scipys_with_and_without_missing_cells():
    em = fitted()
    assert em.spec.family.dims["rate"] == ("cluster", "feature_poisson_count")
    assert em.spec.typical_exposure == pytest.approx(rows()["hours"].mean())
    for X in (rows(), with_holes(rows())):
        joint = scipy_log_joint(X, em.params)
        data = em.spec.table(X, missing="integrate")
        assert e_step(em.spec, data, em.params).log_likelihood == pytest.approx(
            logsumexp(joint, axis=0).sum()
        )
        r = mx.responsibilities(em.spec, X, em.params, missing="integrate")["responsibilities"].values
        np.testing.assert_allclose(r, softmax(joint, axis=0).T, atol=1e-9)
    assert em.log_likelihood == pytest.approx(logsumexp(scipy_log_joint(rows(), em.params), axis=0).sum())
    holes = with_holes(rows())
    cell = int(np.flatnonzero(holes["jays"].isna())[0])
    filled = mx.complete(em.spec, holes, em.params).cells.loc[(cell, "jays")]
    assert filled.iloc[0] == pytest.approx(r[cell] @ em.params["rate"][:, 0] * holes["hours"][cell])


@pytest.mark.parametrize("missing", [None, "integrate"])
def test_counts_alone_are_the_model_of_counts(missing):
    X = rows()[["jays", "hours", "ducks"]]
    X = X if missing is None else with_holes(rows())[["jays", "hours", "ducks"]]
    how = {"random_seed": 1, "n_init": 3, "missing": missing}
    one = mx.fit_em(mx.Mixed(2, poisson=BIRDS, exposure="hours"), X, **how)
    two = mx.fit_em(mx.PMM(2, exposure="hours"), X, **how)
    assert one.log_posterior == pytest.approx(two.log_posterior, rel=1e-10)
    np.testing.assert_allclose(one.params["rate"], two.params["rate"], rtol=1e-5)


def test_an_exposure_of_one_changes_nothing():
    X = rows().assign(hours=1.0)
    plain = mx.Mixed(2, gaussian=["size"], bernoulli=["wet"], poisson=BIRDS)
    how = {"random_seed": 1, "n_init": 2}
    one, two = mx.fit_em(SPEC, X, **how), mx.fit_em(plain, X.drop(columns="hours"), **how)
    assert one.log_posterior == pytest.approx(two.log_posterior, rel=1e-10)


def test_the_m_step_does_not_depend_on_chunks_order_or_names():
    em, X = fitted(), rows()
    how = {"start": em.params, "max_iter": 3}
    whole = mx.fit_em(SPEC, X, **how)
    chunks = mx.fit_em(SPEC, [X[:50], X[50:]], **how)
    by_place = mx.Mixed(2, gaussian=[1], bernoulli=[3], poisson=[0, 4], exposure=2)
    array = mx.fit_em(by_place, X.to_numpy(), **how)
    assert (array.spec.exposure, array.spec.unnamed.exposure) == ("x2", 2)
    for other in (chunks, array):
        np.testing.assert_allclose(other.params["rate"], whole.params["rate"], rtol=1e-9)
    moved = X[["hours", "ducks", "wet", "jays", "size"]]
    one, two = (mx.responsibilities(em.spec, x, em.params)["responsibilities"].values for x in (X, moved))
    np.testing.assert_allclose(one, two, atol=1e-12)
    renamed = em.spec.of(tuple(moved.columns))
    assert renamed.exposure == "hours"
    assert renamed.family.row_columns(5)["exposure"] == 0


def test_simulated_rows_have_the_exposures_of_the_data():
    em, X = fitted(), rows()
    made = simulated(em, as_data(X))(np.random.default_rng(1)).values
    np.testing.assert_array_equal(made[:, 2], X["hours"])
    mean = made[:, [0, 4]].sum(axis=0) / made[:, 2].sum()
    np.testing.assert_allclose(mean, em.params["alpha"] @ em.params["rate"], rtol=0.25)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda X: mx.Mixed(2, gaussian=list(X), exposure="hours"), "no poisson"),
        (
            lambda X: mx.Mixed(2, poisson=["jays", "hours"], exposure="hours"),
            "'hours' is the exposure and in",
        ),
        (lambda X: mx.Mixed(2, poisson=["jays"], exposure=True), "neither the name nor the position"),
        (lambda X: mx.Mixed(2, poisson=[0], exposure="hours"), "by name or by position"),
        (
            lambda X: mx.fit_em(mx.Mixed(2, gaussian=["size"], poisson=BIRDS, exposure="hour"), X),
            "'hour' is the exposure, and the data have no such column",
        ),
        (lambda X: mx.fit_em(SPEC, X.assign(hours=X["hours"] - 1)), "the exposure is not positive"),
        (
            lambda X: mx.fit_em(SPEC, X.assign(hours=X["hours"].where(X.index != 3)), missing="integrate"),
            "row 3, column 'hours': the exposure is missing",
        ),
        (lambda X: mx.plot.clusters(fitted(), X, features=("jays",)), "only at the exposure of its row"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, words):
    with pytest.raises(mx.InputError, match=words):
        make(rows())


# PyMC's side


@pytest.fixture
def no_c_compiler():
    """FAST_COMPILE runs inner graphs in C, which takes minutes to compile."""
    with pytensor.config.change_flags(cxx=""):
        yield


def blocks(params, X):
    return {
        "gaussian": {"mu": params["mu"], "Sigma": params["Sigma"]},
        "bernoulli": {"p": params["p"]},
        "poisson": {"rate": params["rate"], "exposure": X["hours"].to_numpy()},
    }


def test_rows_in_a_users_model_are_drawn_at_their_exposures(no_c_compiler):
    em, X = fitted(), rows(20)
    X = X.assign(hours=np.where(np.arange(20) < 10, 0.1, 1000.0))
    columns = {"gaussian": [1], "bernoulli": [2], "poisson": [0, 3]}
    rv = mx.MixedMixture.dist(em.params["alpha"], **blocks(em.params, X), columns=columns)
    drawn = pm.draw(rv, random_seed=1)
    assert drawn.shape == (20, 4)
    assert drawn[:10, 0].max() < 20 < 100 < drawn[10:, 0].min()
    assert np.isin(drawn[:, 2], (0, 1)).all()


@pytest.mark.parametrize("missing", [None, "integrate"])
def test_the_log_density_is_ems(missing):
    X = rows(40) if missing is None else with_holes(rows(40))
    em = mx.fit_em(SPEC, X, missing=missing, start=fitted().params, max_iter=3)
    model = mx.declare(em.spec, X, missing=missing)
    assert model["x"].type.shape[-1] == 4
    compiled = CompiledModel(model)
    value, _ = compiled.value_and_grad(compiled.unconstrain(em.params))
    assert value == pytest.approx(em.log_posterior, rel=1e-10)


def test_a_sample_alone_knows_its_exposure():
    em, X = fitted(), rows()
    draws = {name: np.repeat(x[None, None], 5, axis=1) for name, x in em.params.items()}
    tree = draws_tree(draws, em.spec.dims, em.features, em.spec.coords(em.features))
    found = given(tree)
    assert (found.spec.exposure, found.spec.features) == ("hours", tuple(X.columns))
    expected = softmax(scipy_log_joint(X, em.params), axis=0).T
    for same in (X, X[X.columns[::-1]]):
        np.testing.assert_allclose(mx.responsibilities(tree, same)["responsibilities"], expected, atol=1e-8)
    checks = mx.predictive_checks(em.spec, X, tree, n_draws=50)
    assert "mean[hours]" not in checks.index
    assert np.isfinite(checks["p"]).all()
    assert 0.01 < checks.loc["correlation[jays, hours]", "p"] < 0.99
    predicted = mx.extend(em.spec, X, tree, "posterior_predictive", random_seed=1)["posterior_predictive"][
        "x"
    ]
    assert (predicted.sel(feature="hours") == X["hours"].to_numpy()).all()
    told = " ".join(mx.describe(tree).sentences)
    assert told.count("per unit of hours") == told.count("hours") > 0


@pytest.mark.long
def test_the_certificate_holds_and_all_is_saved(tmp_path):
    X = rows()
    how = {"draws": 100, "tune": 150, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}
    cc = mx.crosscheck(SPEC, X, **how)
    assert cc.passed, cc
    assert "rate[0, jays]" in cc.table.index
    mx.save(cc, tmp_path / "cc.mix")
    again = mx.load(tmp_path / "cc.mix")
    assert again.em.spec == cc.em.spec
    whole = mx.responsibilities(cc.em.spec, X, cc.posterior)["responsibilities"]
    np.testing.assert_allclose(mx.responsibilities(again.posterior)["responsibilities"], whole)
    page = mx.report(again, X, progressbar=False)
    assert "per unit of exposure" in page.html


def test_the_command_line(tmp_path):
    rows().to_csv(tmp_path / "walks.csv", index=False)
    few = ["--model", "mixed", "--n-init", 2, "--seed", 1]
    code, out, err = run("predict", tmp_path / "walks.csv", "-k", 2, "--exposure", "hours", *few)
    assert code == 0
    assert "poisson: 'jays', 'ducks'" in err
    assert "'hours'" not in err
    assert len(out.splitlines()) == 121
    code, _, err = run("predict", tmp_path / "walks.csv", "-k", 2, "--exposure", "hour", *few)
    assert code == 2
    assert "there is no column 'hour'" in err
