"""Poisson mixtures with an exposure: what SciPy finds, the laws of a family, what is refused, every door."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from command import run
from conftest import soft
from scipy import optimize, stats
from scipy.special import logsumexp, softmax

import mixtures as mx
from mixtures.clusters.prediction import prediction_table
from mixtures.data.reading import as_data
from mixtures.data.sources import as_rows
from mixtures.density import streamed
from mixtures.density.compiled import CompiledModel
from mixtures.em.estep import e_step
from mixtures.given import given
from mixtures.posterior.own_mixture import mixture_within
from mixtures.standard_errors.simulation import simulated

SHORT = {"draws": 150, "tune": 200, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}
RATES = np.array([[9.0, 3.0, 0.5], [4.0, 3.0, 2.0]])
PARAMS = {"alpha": np.array([0.3, 0.7]), "rate": RATES}
SPEC = mx.PMM(2, exposure="hours")
FLAT = mx.PMM(2, exposure="hours", prior=None)


def rows(n=200, seed=0):
    """Birds seen on walks of different lengths; the exposure is the second column."""
    rng = np.random.default_rng(seed)
    hours = rng.uniform(0.2, 5, n)
    X = pd.DataFrame(
        rng.poisson(RATES[np.arange(n) % 2] * hours[:, None]), columns=["jays", "wrens", "ducks"]
    )
    X.insert(1, "hours", hours)
    return X


def with_holes(X):
    holes = np.random.default_rng(1).random(X.shape) < 0.2
    holes[:, 1] = False
    return X.astype(float).mask(holes)


def scipy_log_joint(X, alpha, rate):
    """Log Pr(x_i, z_i = k | e_i), (K, n), of the observed cells."""
    x, e = X[["jays", "wrens", "ducks"]].to_numpy(float), X[["hours"]].to_numpy()
    seen = ~np.isnan(x)
    each = [
        np.where(seen, stats.poisson.logpmf(np.where(seen, x, 0), e * one), 0).sum(axis=1) for one in rate
    ]
    return np.log(alpha)[:, None] + each


@cache
def fitted():
    return mx.fit_em(SPEC, rows(), random_seed=1, tol=1e-9)


@cache
def certified():
    return mx.crosscheck(SPEC, rows(), **SHORT)


def test_maximum_likelihood_is_what_scipy_finds():
    X = rows(60)
    em = mx.fit_em(FLAT, X, random_seed=1, tol=1e-9)
    start = np.concatenate([[0.2], np.log(RATES * 1.1).ravel()])

    def unpacked(u):
        return softmax([u[0], 0.0]), np.exp(u[1:]).reshape(2, 3)

    found = optimize.minimize(
        lambda u: -logsumexp(scipy_log_joint(X, *unpacked(u)), axis=0).sum(), start, method="BFGS", tol=1e-8
    )
    assert em.log_likelihood == pytest.approx(-found.fun, abs=1e-7)
    order = np.argsort(-em.params["rate"][:, 0])
    alpha, rate = unpacked(found.x)
    np.testing.assert_allclose(em.params["alpha"][order], alpha, atol=1e-4)
    np.testing.assert_allclose(em.params["rate"][order], rate, rtol=1e-4)


@pytest.mark.parametrize("place", range(4))
def test_the_density_is_scipys_wherever_the_exposure_stands(place):
    X = rows(30)
    columns = ["jays", "wrens", "ducks"]
    columns.insert(place, "hours")
    values = X[columns].to_numpy()
    family = mx.PMM(2, exposure=place).family
    expected = scipy_log_joint(X, [1, 1], RATES)
    np.testing.assert_allclose(family.density(PARAMS)(values.T), expected, rtol=1e-9)
    np.testing.assert_allclose(family.textbook_log_density(values.T, PARAMS), expected, rtol=1e-9)
    natural = family.natural(PARAMS) @ family.features(values.T) + family.base_measure(values.T)
    np.testing.assert_allclose(natural, expected, rtol=1e-9)
    one = mx.fit_em(mx.PMM(1, exposure=place, prior=None), values)
    expected = X[["jays", "wrens", "ducks"]].sum() / X["hours"].sum()
    np.testing.assert_allclose(one.params["rate"][0], expected, rtol=1e-12)


def test_an_exposure_of_one_changes_nothing():
    X = rows().assign(hours=1.0)
    one = mx.fit_em(SPEC, X, random_seed=1)
    two = mx.fit_em(mx.PMM(2), X.drop(columns="hours"), random_seed=1)
    assert one.log_posterior == pytest.approx(two.log_posterior, rel=1e-12)
    np.testing.assert_allclose(one.params["rate"], two.params["rate"], rtol=1e-8)
    np.testing.assert_array_equal(one.spec.prior.beta, two.spec.prior.beta)
    for told, plain in zip(mx.describe(one).sentences, mx.describe(two).sentences, strict=True):
        assert told.count(" per unit of hours") == 3
        assert told.replace(" per unit of hours", "") == plain
    family = one.spec.family
    np.testing.assert_allclose(
        family.divergence(PARAMS, PARAMS), two.spec.family.divergence(PARAMS, PARAMS), rtol=1e-12
    )


@pytest.mark.parametrize("unit", [1 / 1024, 365.0])
def test_the_unit_of_exposure_divides_the_rates_and_moves_nothing_else(unit):
    X = rows()
    one, two = fitted(), mx.fit_em(SPEC, X.assign(hours=X["hours"] * unit), random_seed=1, tol=1e-9)
    np.testing.assert_allclose(two.params["rate"] * unit, one.params["rate"], rtol=1e-7)
    np.testing.assert_allclose(two.spec.prior.beta, one.spec.prior.beta * unit)
    assert two.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-6)
    assert two.restarts.n_best == one.restarts.n_best
    step = {**one.params, "rate": one.params["rate"] * 1.01}
    scaled = {name: x / unit if name == "rate" else x for name, x in step.items()}
    count = one.params["alpha"] * len(X)
    assert two.spec.step_length(two.params, scaled, count) == pytest.approx(
        one.spec.step_length(one.params, step, count), rel=1e-5
    )


@pytest.mark.parametrize("prior", ["default", None])
def test_the_m_step_is_the_mode_with_and_without_missing_cells(prior):
    for X in (rows(60), with_holes(rows(60))):
        spec = mx.resolve(mx.PMM(2, exposure="hours", prior=prior), X, missing="integrate")
        r, values = soft(np.arange(60) % 2, 2), X.to_numpy().T
        mode = spec.maximize(spec.expect(PARAMS, values, r))

        def height(params, X=X, r=r, spec=spec):
            return (r * scipy_log_joint(X, params["alpha"], params["rate"])).sum() + spec.log_prior(params)

        for share in (1e-3, -1e-3):
            moved = {name: (1 - share) * x + share * PARAMS[name] for name, x in mode.items()}
            assert height(moved) < height(mode)
        parts = spec.expect(PARAMS, values[:, :20], r[:, :20]) + spec.expect(
            PARAMS, values[:, 20:], r[:, 20:]
        )
        np.testing.assert_allclose(spec.maximize(parts)["rate"], mode["rate"], rtol=1e-12)


def test_missing_counts_are_left_out_of_the_density():
    X = with_holes(rows())
    em = mx.fit_em(SPEC, X, missing="integrate", random_seed=1)
    assert (np.diff(em.objective_trace) > -1e-10 * abs(em.log_posterior)).all()
    joint = scipy_log_joint(X, em.params["alpha"], em.params["rate"])
    assert em.log_likelihood == pytest.approx(logsumexp(joint, axis=0).sum(), rel=1e-12)
    found = mx.responsibilities(em.spec, X, em.params, missing="integrate")["responsibilities"].values
    np.testing.assert_allclose(found, softmax(joint, axis=0).T, atol=1e-10)
    cell = int(np.flatnonzero(X["jays"].isna())[0])
    filled = mx.complete(em.spec, X, em.params).cells.loc[(cell, "jays")]
    assert filled["mean"] == pytest.approx(found[cell] @ em.params["rate"][:, 0] * X["hours"][cell])


def test_weights_are_repeated_rows_and_chunks_are_the_whole():
    X = rows(60)
    weights = np.random.default_rng(0).integers(0, 4, 60)
    repeated = X.loc[np.repeat(X.index, weights)].reset_index(drop=True)
    how = {"start": PARAMS, "max_iter": 8}
    weighted, plain = mx.fit_em(SPEC, X, weights=weights, **how), mx.fit_em(SPEC, repeated, **how)
    assert weighted.spec.typical_exposure == pytest.approx(plain.spec.typical_exposure)
    np.testing.assert_allclose(weighted.params["rate"], plain.params["rate"], rtol=1e-9)
    chunks = mx.fit_em(SPEC, [X[:25], X[25:]], **how)
    np.testing.assert_allclose(chunks.params["rate"], mx.fit_em(SPEC, X, **how).params["rate"], rtol=1e-9)


def test_the_fast_pass_over_the_rows_is_the_plain_one():
    em = fitted()
    plain = e_step(em.spec, as_data(rows()), em.params)
    assert plain.log_likelihood == pytest.approx(em.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(em.spec.maximize(plain.statistics)["rate"], em.params["rate"], rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "row 3, column 'hours': the exposure is missing"),
        (0.0, "row 3, column 'hours': the exposure is not positive"),
        (-1.0, "row 3, column 'hours': the exposure is not positive"),
        (np.inf, "row 3, column 'hours' is infinite"),
    ],
)
def test_bad_exposures_are_refused_by_row(value, words):
    X = rows()
    X.loc[3, "hours"] = value
    for door in (mx.fit_em, mx.declare):
        with pytest.raises(mx.InputError) as told:
            door(SPEC, X, missing="integrate")
        assert words in str(told.value)
    with pytest.raises(mx.InputError, match="row 3, column 'hours'"):
        mx.responsibilities(fitted().spec, X, fitted().params, missing="integrate")


def test_an_exposure_that_is_no_column_is_refused():
    X = rows()
    with pytest.raises(
        mx.InputError, match=r"exposure: the data have no column 'hour'.*did you mean 'hours'"
    ):
        mx.fit_em(mx.PMM(2, exposure="hour"), X)
    with pytest.raises(mx.InputError, match="exposure: the data have no column 4"):
        mx.fit_em(mx.PMM(2, exposure=4), X)
    with pytest.raises(mx.InputError, match="the exposure is the only column"):
        mx.fit_em(mx.PMM(2, exposure="hours"), X[["hours"]])
    for wrong in (-1, 1.5, True, ["hours"]):
        with pytest.raises(mx.InputError, match="give the name or the position of a column"):
            mx.PMM(2, exposure=wrong)
    with pytest.raises(mx.InputError, match="row 3, column 'ducks': not a whole number"):
        mx.fit_em(SPEC, X.assign(ducks=X["ducks"].where(X.index != 3, 0.5)))


def test_columns_in_another_order_are_matched_by_name():
    em, X = fitted(), rows()
    moved = X[["hours", "ducks", "jays", "wrens"]]
    one, two = (mx.responsibilities(em.spec, x, em.params)["responsibilities"].values for x in (X, moved))
    np.testing.assert_array_equal(one, two)
    of_moved = em.spec.of(tuple(moved.columns))
    assert (of_moved.exposure, of_moved.family.place) == ("hours", 0)
    np.testing.assert_array_equal(of_moved.prior.beta, em.spec.prior.beta[[2, 0, 1]])
    array = mx.fit_em(mx.PMM(2, exposure=1), X.to_numpy(), start=em.params)
    assert array.log_posterior == pytest.approx(em.log_posterior, rel=1e-12)
    assert array.spec.exposure == "x1"


def test_simulated_rows_have_the_exposures_of_the_data():
    em, X = fitted(), rows()
    made = simulated(em, as_data(X))(np.random.default_rng(1)).values
    np.testing.assert_array_equal(made[:, 1], X["hours"])
    mean = made[:, [0, 2, 3]].sum(axis=0) / made[:, 1].sum()
    np.testing.assert_allclose(mean, em.params["alpha"] @ em.params["rate"], rtol=0.15)


# PyMC's side


def test_rows_in_a_users_model_are_scipys(no_c_compiler):
    X = rows(20)
    counts, hours = X[["jays", "wrens", "ducks"]].to_numpy(), X["hours"].to_numpy()
    rv = mx.PoissonMixture.dist([0.3, 0.7], RATES, exposure=hours)
    expected = logsumexp(scipy_log_joint(X, [0.3, 0.7], RATES), axis=0)
    np.testing.assert_allclose(pm.logp(rv, counts).eval(mode="FAST_COMPILE"), expected, rtol=1e-10)
    drawn = pm.draw(
        mx.PoissonMixture.dist([0.3, 0.7], RATES, exposure=np.repeat([1.0, 50.0], 2000)), random_seed=1
    )
    for part, e in ((drawn[:2000], 1), (drawn[2000:], 50)):
        mean = e * np.array([0.3, 0.7]) @ RATES
        variance = mean + e**2 * ([0.3, 0.7] @ RATES**2) - mean**2
        assert (np.abs(part.mean(axis=0) - mean) < 5 * np.sqrt(variance / 2000)).all()


def test_the_log_density_with_missing_cells_is_ems():
    X = with_holes(rows(40))
    em = mx.fit_em(SPEC, X, missing="integrate", start=PARAMS, max_iter=3)
    compiled = CompiledModel(mx.declare(em.spec, X, missing="integrate"))
    value, _ = compiled.value_and_grad(compiled.unconstrain(em.params))
    assert value == pytest.approx(em.log_posterior, rel=1e-10)


def test_a_model_of_ones_own_has_clusters_that_can_be_described():
    X = rows(40)
    counts, hours = X[["jays", "wrens", "ducks"]], X["hours"].to_numpy()
    walks = [f"walk {i}" for i in range(40)]
    with pm.Model(coords={"group": range(2), "bird": list(counts), "walk": walks}) as model:
        w = pm.Dirichlet("w", np.ones(2), dims="group")
        per_hour = pm.Gamma("per_hour", 2, 0.5, dims=("group", "bird"))
        how = {"exposure": hours, "observed": counts.to_numpy(), "dims": ("walk", "bird")}
        mx.PoissonMixture("seen", alpha=w, rate=per_hour, **how)
    tree = mx.sample(model, draws=20, tune=30, chains=1, random_seed=1, progressbar=False)
    assert "permutation" in tree["sample_stats"]
    within = mixture_within(CompiledModel(model), tree)
    draws = {"alpha": tree["posterior"]["w"].values[0], "rate": tree["posterior"]["per_hour"].values[0]}
    np.testing.assert_array_equal(within["posterior"]["rate"].values[0], draws["rate"])
    joint = [scipy_log_joint(X, *one) for one in zip(*draws.values(), strict=True)]
    expected = np.mean([softmax(one, axis=0).T for one in joint], axis=0)
    found = mx.responsibilities(within)
    np.testing.assert_allclose(found["responsibilities"], expected, rtol=1e-8)
    assert found["obs_id"].values.tolist() == walks
    assert "wrens" in str(mx.describe(within))


def test_the_certificate_holds_and_all_is_saved(tmp_path):
    X, cc = rows(), certified()
    assert cc.passed, cc
    assert "rate[0, jays]" in cc.table.index
    assert not any("hours" in name for name in cc.table.index)
    mx.save(cc, tmp_path / "cc.mix")
    again = mx.load(tmp_path / "cc.mix")
    assert again.em.spec == cc.em.spec
    assert again.em.spec.typical_exposure == cc.em.spec.typical_exposure
    page = mx.report(again, X, progressbar=False)
    assert "per unit of exposure" in page.html
    r = mx.responsibilities(cc.em.spec, X, cc.posterior)
    np.testing.assert_allclose(r["responsibilities"].sum("cluster"), 1)
    checks = mx.predictive_checks(cc.em.spec, X, cc.posterior, n_draws=50)
    assert np.isfinite(checks["p"]).all()
    assert "mean[hours]" not in checks.index
    assert checks.loc["correlation[jays, hours]", "p"] == pytest.approx(0.5, abs=0.49)


def test_a_sample_holds_the_rows_with_their_exposure():
    X, cc = rows(), certified()
    whole = mx.responsibilities(cc.em.spec, X, cc.posterior)
    xr.testing.assert_equal(mx.responsibilities(cc), whole)
    xr.testing.assert_equal(mx.responsibilities(cc.posterior, X[["ducks", "hours", "jays", "wrens"]]), whole)


def test_a_sample_alone_tells_its_columns():
    cc, X = certified(), rows()
    found = given(cc.posterior)
    assert (found.spec.exposure, found.spec.features) == ("hours", tuple(X.columns))
    alone = prediction_table(found, X)
    np.testing.assert_allclose(alone["cluster_0"], prediction_table(given(cc), X)["cluster_0"])
    told = " ".join(mx.describe(cc.posterior).sentences)
    assert "jays" in told
    assert "hours" not in told.replace("per unit of hours", "")


def test_the_log_density_of_blocks_of_rows_is_ems(monkeypatch):
    monkeypatch.setattr(streamed, "PIECE", 64)
    em, X = fitted(), rows()
    blocks = as_rows([X[:80], X[80:]])
    model = streamed.StreamedModel(em.spec, blocks, np.random.default_rng(0))
    value, slope = model.value_and_grad(model.unconstrain(em.params))
    assert value == pytest.approx(em.log_posterior, rel=1e-12)
    assert np.abs(slope).max() < 1e-3


def test_the_command_line(tmp_path):
    X = rows(150)
    X.to_csv(tmp_path / "walks.csv", index=False)
    few = ["--model", "pmm", "--exposure", "hours", "--n-init", 2, "--seed", 1, "--quiet"]
    code, out, err = run("select", tmp_path / "walks.csv", "--max-k", 3, "--json", *few)
    assert (code, err) == (0, "")
    assert json.loads(out)["recommended"] == 2
    code, out, err = run("predict", tmp_path / "walks.csv", "-k", 2, "--columns", "jays,ducks", *few)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 151
    code, _, err = run("select", tmp_path / "walks.csv", "--model", "gmm", "--exposure", "hours")
    assert code == 2
    assert "--exposure goes with --model pmm" in err


def test_the_clusterer_takes_an_exposure():
    X = rows()
    labels = mx.MixtureClusterer(SPEC, random_state=1).fit_predict(X)
    agreement = (labels == np.arange(200) % 2).mean()
    assert max(agreement, 1 - agreement) > 0.9
