"""The certificate holds where EM and PyMC agree; each of its lines fails where they are made to disagree."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

import mixtures as mx
from mixtures import BMM, GMM, InputError, crosscheck, priors
from mixtures.agreement import compare_model, modes
from mixtures.distributions import declare as declaration
from mixtures.tolerances import TOLERANCES

SHORT = {"n_init": 4, "draws": 200, "tune": 200, "chains": 2, "random_seed": 1, "progressbar": False}
QUICK = SHORT | {"n_init": 2, "draws": 20, "tune": 20}
LINES = (
    "log posterior at EM, NumPy against PyMC (relative)",
    "PyMC's gradient at EM, largest component",
    "smallest curvature there (positive: a maximum)",
    "directions that the data do not identify",
    "gap after MAP starts 0.5 sd away (posterior sds)",
    "best of independent MAP starts above it (nats)",
)
EQUAL, GRADIENT, CURVATURE, IDENTIFIED, GAP, ABOVE = LINES
FAITHFUL = mx.datasets.faithful()


def lines(cc):
    return {check.name: check for check in cc.certificate}


def failed(cc):
    return {check.name for check in cc.certificate if not check.passed}


@pytest.fixture(scope="module")
def faithful():
    return crosscheck(GMM(2), FAITHFUL, **SHORT)


def patched_em(monkeypatch, change):
    """Replace the result of the first call of EM in crosscheck."""
    fit_em, calls = modes.fit_em, []

    def patched(*args, **kwargs):
        em = fit_em(*args, **kwargs)
        calls.append(kwargs)
        return change(em) if len(calls) == 1 else em

    monkeypatch.setattr(modes, "fit_em", patched)
    return calls


def started(monkeypatch, module):
    """Record how far from a point each search for the mode starts."""
    best_mode, starts = module.best_mode, []

    def recorded(compiled, at, *args, **kwargs):
        starts.append(lambda params: np.linalg.norm(at[0] - compiled.unconstrain(params)))
        return best_mode(compiled, at, *args, **kwargs)

    monkeypatch.setattr(module, "best_mode", recorded)
    return starts


def mirrored(monkeypatch, module):
    """Exchange the labels of every mode but the first that is found."""
    best_mode, calls = module.best_mode, []

    def exchanged(*args, **kwargs):
        calls.append(best_mode(*args, **kwargs))
        back = {name: x[::-1] for name, x in calls[-1].params.items()}
        return replace(calls[-1], params=back) if len(calls) > 1 else calls[-1]

    monkeypatch.setattr(module, "best_mode", exchanged)
    return calls


# Where they agree


def test_the_certificate_of_faithful_holds(faithful):
    assert faithful.passed is True
    assert tuple(check.name for check in faithful.certificate) == LINES
    for name, tolerance in [
        (EQUAL, TOLERANCES.logp_relative),
        (GRADIENT, TOLERANCES.gradient),
        (GAP, TOLERANCES.gap_sd),
    ]:
        assert lines(faithful)[name].tolerance == tolerance
        assert 0 <= lines(faithful)[name].figure < tolerance
    assert lines(faithful)[CURVATURE].figure > 1
    assert lines(faithful)[IDENTIFIED].figure == 0
    assert lines(faithful)[ABOVE].figure == pytest.approx(0, abs=1e-6)
    assert lines(faithful)[ABOVE].note == "starts that reach the best optimum: EM 4 of 4, MAP 4 of 4"
    both = lines(faithful)[EQUAL].note.split(" and ")
    assert float(both[0]) == pytest.approx(faithful.em.log_posterior, rel=1e-8)
    assert both[0] == both[1]


def test_the_table_has_a_row_for_every_parameter(faithful):
    table, em, mode = faithful.table, faithful.em.params, faithful.mode.params
    columns = ["EM", "MAP", "gap", "mean", "sd", "2.5%", "97.5%", "z", "ess_bulk", "ess_tail", "r_hat"]
    assert list(table.columns) == columns
    names = ["alpha[{}]", "mu[{}, eruptions]", "mu[{}, waiting]"]
    names += [
        f"Sigma[{{}}, {pair}]" for pair in ("eruptions, eruptions", "waiting, eruptions", "waiting, waiting")
    ]
    assert sorted(table.index) == sorted(name.format(k) for name in names for k in (0, 1))
    posterior = faithful.posterior["posterior"]
    for k in (0, 1):
        for label, pick in [
            (f"alpha[{k}]", lambda p, k=k: p["alpha"][..., k]),
            (f"mu[{k}, waiting]", lambda p, k=k: p["mu"][..., k, 1]),
            (f"Sigma[{k}, waiting, eruptions]", lambda p, k=k: p["Sigma"][..., k, 1, 0]),
        ]:
            row, drawn = table.loc[label], pick({name: v.values for name, v in posterior.data_vars.items()})
            assert row["EM"] == pick(em)
            assert row["MAP"] == pick(mode)
            assert row["mean"] == pytest.approx(drawn.mean())
            assert row["sd"] == pytest.approx(drawn.std(ddof=1))
            assert [row["2.5%"], row["97.5%"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
            assert row["gap"] == pytest.approx(abs(row["EM"] - row["MAP"]) / row["sd"])
            assert row["z"] == pytest.approx((row["EM"] - row["mean"]) / row["sd"])
    assert table["gap"].max() == lines(faithful)[GAP].figure
    assert np.isfinite(table.to_numpy()).all()


def test_the_three_answers_come_along(faithful):
    assert faithful.em.converged
    assert faithful.mode.converged
    assert repr(faithful.em.spec) == repr(faithful.mode.spec)
    assert faithful.em.log_posterior == pytest.approx(faithful.mode.log_posterior, rel=1e-12)
    sizes = {"chain": 2, "draw": 200, "cluster": 2, "feature": 2, "feature_bis": 2}
    assert dict(faithful.posterior["posterior"].sizes) == sizes
    assert "permutation" in faithful.posterior["sample_stats"]
    assert str(faithful.convergence) == str(mx.diagnose(faithful.posterior))
    assert any("chi-squared with 11 degrees of freedom" in note for note in faithful.notes)


def test_the_seed_decides_the_table(faithful):
    again = crosscheck(GMM(2), FAITHFUL, **SHORT)
    np.testing.assert_array_equal(again.table.to_numpy(), faithful.table.to_numpy())


def test_intervals_have_the_probability_asked_for():
    cc = crosscheck(GMM(2), FAITHFUL, ci_prob=0.5, **QUICK)
    assert "25.0%" in cc.table.columns
    drawn = cc.posterior["posterior"]["alpha"].values[..., 0]
    assert cc.table.loc["alpha[0]", "75.0%"] == pytest.approx(np.quantile(drawn, 0.75))


def test_without_a_prior_nothing_is_sampled_and_the_certificate_holds():
    cc = crosscheck(GMM(2, prior=None), FAITHFUL, **SHORT)
    assert cc.passed
    assert cc.posterior is None
    assert cc.convergence is None
    assert cc.em.log_likelihood == pytest.approx(-1130.2639601848, abs=1e-7)
    assert list(cc.table.columns) == ["EM", "MAP", "gap", "sd"]
    assert any("improper" in note for note in cc.notes)
    alpha = cc.em.params["alpha"][0]
    binomial = np.sqrt(alpha * (1 - alpha) / len(FAITHFUL))  # the clusters hardly overlap
    assert cc.table.loc["alpha[0]", "sd"] == pytest.approx(binomial, rel=0.1)
    mean = np.sqrt(cc.em.params["Sigma"][0, 1, 1] / (alpha * len(FAITHFUL)))
    assert cc.table.loc["mu[0, waiting]", "sd"] == pytest.approx(mean, rel=0.1)


def test_probabilities_at_their_boundary_are_certified_by_their_slope():
    X = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]] * 10)
    X[3] = [0, 0, 1]
    cc = crosscheck(BMM(2, prior=None), X, **SHORT)
    p = cc.em.params["p"]
    assert (np.minimum(p, 1 - p) < 1e-6).any()
    slope = lines(cc)["slope inwards at the boundary (KKT)"]
    assert slope.passed
    assert slope.note == f"{int((np.minimum(p, 1 - p) < 1e-6).sum())} probabilities at 0 or 1"
    assert not failed(cc) - {IDENTIFIED}
    assert cc.posterior is not None  # flat on p is proper


# Where the data or the prior cannot tell


def test_coins_are_not_identified():
    with pytest.warns(mx.IdentifiabilityWarning, match="identifies only sum_k alpha_k p_k") as told:
        cc = crosscheck(BMM(2), mx.datasets.coins(), **SHORT)
    assert [each.filename for each in told] == [__file__]
    assert not cc.passed
    assert IDENTIFIED in failed(cc)
    assert EQUAL not in failed(cc)
    assert GRADIENT not in failed(cc)
    note = lines(cc)[IDENTIFIED].note
    assert "one flip per row identifies only sum_k alpha_k p_k" in note
    heads = (cc.em.params["alpha"] @ cc.em.params["p"]).item()
    assert f"{heads:.4f}" in note
    assert heads == pytest.approx(mx.datasets.coins().to_numpy().mean(), abs=0.01)


def test_a_prior_that_dominates_is_named(faithful):
    rng = np.random.default_rng(0)
    tight = np.repeat([[0.0, 0.0], [1.0, 1.0]], 136, axis=0) + 0.01 * rng.normal(size=(272, 2))
    cc = crosscheck(GMM(2), tight, **SHORT)
    assert cc.passed
    notes = [note for note in cc.notes if note.startswith("the prior makes up")]
    assert len(notes) == 2
    assert "prior=None" in notes[0]
    assert not any("the prior makes up" in note for note in faithful.notes)


# Where something is broken


@pytest.mark.parametrize("prior", ["default", None], ids=["default", "flat"])
def test_an_em_beside_the_mode_is_caught(monkeypatch, faithful, prior):
    """A hundredth of a posterior sd is enough."""
    sd = faithful.table.loc["mu[0, waiting]", "sd"]

    def shifted(em):
        mu = em.params["mu"].copy()
        mu[0, 1] += 0.01 * sd
        return replace(em, params=em.params | {"mu": mu})

    patched_em(monkeypatch, shifted)
    starts = started(monkeypatch, modes)
    cc = crosscheck(GMM(2, prior=prior), FAITHFUL, **QUICK)
    assert starts[1](cc.em.params) > 0.05  # half an sd along every axis: it had to come back
    assert not cc.passed
    assert failed(cc) == {GRADIENT, GAP}
    gap = 0.01 * sd / cc.table.loc["mu[0, waiting]", "sd"]  # in sds of these draws, which are few
    assert lines(cc)[GAP].figure == pytest.approx(gap, rel=1e-3)


def test_a_pymc_with_another_prior_is_caught(monkeypatch):
    declare = declaration.declare

    def another(spec, X):
        prior = spec.prior
        changed = priors.NormalInverseWishart(prior.mean, prior.kappa, prior.nu, 1.001 * prior.Psi)
        return declare(replace(spec, prior=changed), X)

    monkeypatch.setattr(declaration, "declare", another)
    cc = crosscheck(GMM(2), FAITHFUL, **QUICK)
    assert not cc.passed
    assert {EQUAL, GRADIENT, GAP} <= failed(cc)


def test_an_optimum_that_em_missed_is_taken_up(monkeypatch, faithful):
    def worse(em):
        away = {"alpha": np.array([0.9, 0.1])}
        return replace(em, params=em.params | away, log_posterior=em.log_posterior - 5)

    calls = patched_em(monkeypatch, worse)
    mirrored(monkeypatch, modes)
    cc = crosscheck(GMM(2), FAITHFUL, **QUICK)
    assert len(calls) == 2
    assert set(calls[1]["start"]) == {"alpha", "mu", "Sigma"}
    assert cc.passed
    assert cc.em.log_posterior == pytest.approx(faithful.em.log_posterior, rel=1e-12)
    assert np.sort(cc.em.params["alpha"]) == pytest.approx(np.sort(faithful.em.params["alpha"]), abs=1e-7)
    assert "EM had missed it by 5 and was started again there" in lines(cc)[ABOVE].note
    assert len(cc.em.restarts.log_posterior) == QUICK["n_init"]


def test_an_optimum_that_em_misses_twice_fails(monkeypatch, faithful):
    def worse(em):
        return replace(em, log_posterior=em.log_posterior - 5)

    fit_em = modes.fit_em
    monkeypatch.setattr(modes, "fit_em", lambda *args, **kwargs: worse(fit_em(*args, **kwargs)))
    cc = crosscheck(GMM(2), FAITHFUL, **QUICK)
    assert ABOVE in failed(cc)
    assert lines(cc)[ABOVE].figure == pytest.approx(5)


# A model of the user's own


def coins_of_the_users_own(X):
    with pm.Model(coords={"cluster": range(2), "side": ["left", "right"]}) as model:
        w = pm.Dirichlet("w", np.full(2, 2.0), dims="cluster")
        heads = pm.Beta("heads", 1.5, 2.0, dims=("cluster", "side"))
        pm.Deterministic("odds", heads / (1 - heads), dims=("cluster", "side"))
        mx.BernoulliMixture("x", alpha=w, p=heads, observed=np.array(X))
    return model


def test_a_model_of_the_users_own_is_held_against_its_posterior():
    X = [[1, 1], [1, 1], [1, 1], [0, 0], [0, 0], [0, 0], [1, 1]]
    model = coins_of_the_users_own(X)
    cc = crosscheck(model, **SHORT)
    assert cc.passed
    assert cc.em is None
    assert cc.mode.found == "a maximum"
    assert list(cc.table.columns[:3]) == ["MAP", "mean", "sd"]
    assert not {"EM", "MAP again", "gap"} & set(cc.table.columns)
    np.testing.assert_array_equal(cc.mixture["posterior"]["p"], cc.posterior["posterior"]["heads"])
    r = mx.responsibilities(cc)
    draws = {"alpha": cc.posterior["posterior"]["w"].values, "p": cc.posterior["posterior"]["heads"].values}
    each = [
        mx.responsibilities(mx.BMM(2), X, {name: x[c, s] for name, x in draws.items()})["responsibilities"]
        for c, s in np.ndindex(draws["alpha"].shape[:2])
    ]
    np.testing.assert_allclose(r["responsibilities"], np.mean(each, axis=0), rtol=1e-9)
    assert mx.plot.clusters(cc).get_xlabel() == "left"
    assert len(mx.describe(cc).words) == 2
    pairs = [f"[{k}, {side}]" for k in (0, 1) for side in ("left", "right")]
    rows = ["w[0]", "w[1]", *(name + pair for name in ("heads", "odds") for pair in pairs)]
    assert list(cc.table.index) == rows
    assert "PyMC's gradient at MAP, largest component" in lines(cc)
    assert EQUAL not in lines(cc)
    heads = cc.table.loc[["heads[0, left]", "heads[1, left]"]]
    assert np.diff(heads["MAP"]) * np.diff(heads["mean"]) > 0  # mode and draws have the same labels
    assert any("without EM" in note for note in cc.notes)
    for called in (("few", "many"), ("rare", "common")):
        cc = cc.named(called)
        assert [word.name for word in mx.describe(cc).words] == list(called)
        assert list(cc.table.index[1:3]) == [f"w[{called[1]}]", f"heads[{called[0]}, left]"]
    with pytest.raises(InputError, match="must be 2 different ones"):
        cc.named(["few"])
    occupied = mx.occupied_clusters(cc, random_seed=1)
    assert [check.name for check in occupied.verdict.checks if check.name.startswith("R-hat of label")]
    with pytest.raises(InputError, match=r"pass what crosscheck\(model\) returns"):
        mx.describe(cc.posterior)
    with pytest.raises(InputError, match="variables are w, heads, odds, is not known here"):
        mx.describe(replace(cc, mixture=None))
    with pytest.raises(InputError, match="none was found"):
        replace(cc, mixture=None).named(called)
    with pytest.raises(InputError, match="brings its own data"):
        crosscheck(model, FAITHFUL)
    with pytest.raises(InputError, match=r"crosscheck\(model\).named"):
        crosscheck(model, names=called)


def test_a_model_of_the_users_own_without_a_mode_is_refused_in_words():
    with pm.Model() as model:
        pm.Bernoulli("y", pm.Beta("p", 0.5, 0.5), observed=np.ones(3))
    with pytest.raises(mx.CollapseError, match=r"no highest point.*sample\(model\) needs no mode"):
        crosscheck(model, **QUICK)


def test_a_mode_that_returns_with_its_labels_exchanged_has_returned(monkeypatch):
    """Half an sd away may lie beyond the ridge between a mode and its mirror image."""
    calls = mirrored(monkeypatch, compare_model)
    starts = started(monkeypatch, compare_model)
    cc = crosscheck(coins_of_the_users_own([[1, 1], [1, 1], [1, 1], [0, 0], [0, 0], [0, 0], [1, 1]]), **QUICK)
    assert len(calls) == 2
    assert starts[1](calls[0].params) > 0.05
    assert lines(cc)[GAP].figure < TOLERANCES.gap_sd
    assert cc.passed


# What is refused, before anything is compiled


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (GMM(2, weight_concentration=0.5), {}, "no finite mode"),
        (BMM(2), {}, "not 0 or 1"),
        (GMM(300), {}, "272 rows cannot hold"),
        (GMM(2), {"sampler": "gibbs"}, "'gibbs' is not one of"),
        (GMM(2), {"draws": 0}, "draws"),
        (GMM(2), {"chains": 0}, "chains"),
        (GMM(2), {"tune": -1}, "tune"),
        (GMM(2), {"n_init": 0}, "n_init"),
        (GMM(2), {"ci_prob": 1.5}, "ci_prob"),
    ],
    ids=lambda x: str(x),
)
def test_bad_input_is_refused_before_anything_compiles(monkeypatch, spec, options, words):
    def compiled(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr("mixtures.density.compiled.compile_graph", compiled)
    with pytest.raises(InputError, match=words):
        crosscheck(spec, FAITHFUL, **QUICK | options)
