"""Green, amber and red: a verdict says yes only on evidence that could have said no."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixtures as mx
from mixtures import GMM, InputError, crosscheck, fit_em, select
from mixtures.agreement import compare, modes
from mixtures.agreement.certificate import ARRIVED, INDEPENDENT
from mixtures.data.reading import as_data
from mixtures.families.covariance import COVARIANCES
from mixtures.families.doubts import doubts
from mixtures.posterior.target import MixtureTarget
from mixtures.results.headline import conclude
from mixtures.results.map import MAPFit
from mixtures.results.verdict import Check, Starts, State
from mixtures.selection.skewness import skewness_note

SHORT = {"n_init": 4, "random_seed": 1, "progressbar": False}
FEW = {**SHORT, "draws": 100, "tune": 100, "chains": 2}
QUIET = {"random_seed": 1, "progressbar": False}
FAITHFUL = mx.datasets.faithful()
MISFIT = "statistics of the data that the model does not produce"
BELOW = "probability below zero of columns that are never negative"
DOUBTFUL = "features of the data that make the fit doubtful"
PRIOR = "clusters that the prior dominates"


@pytest.fixture(scope="module")
def cc():
    return crosscheck(GMM(2), FAITHFUL, **SHORT)


def failing(cc):
    return {check.name for check in (*cc.certificate, *cc.convergence.checks) if not check.passed}


# Green, and what each part of it takes


def test_a_model_that_made_the_data_is_green(cc):
    assert cc.passed
    assert cc.headline.state is State.GREEN
    assert cc.headline.reasons == ()
    assert cc.headline.title == "EM, MAP and the posterior agree, and the sample can be relied on."
    assert (cc.starts.em, cc.starts.map) == ((4, 4), (4, 4))
    assert len(cc.starts.kinds) >= 3
    assert str(cc.headline).startswith("✓ EM, MAP")


def broken(cc, part, name):
    """Crosscheck with one line that fails."""
    checks = getattr(cc, part)
    lines = checks if part == "certificate" else checks.checks
    worse = tuple(replace(c, passed=False, note="broken") if c.name == name else c for c in lines)
    assert worse != lines
    return replace(cc, **{part: worse if part == "certificate" else replace(checks, checks=worse)})


@pytest.mark.parametrize("name", [MISFIT, BELOW, DOUBTFUL, PRIOR])
def test_a_line_that_asks_for_care_is_amber(cc, name):
    told = broken(cc, "convergence", name)
    assert told.passed  # EM, MAP and PyMC still agree
    assert told.convergence.passed  # and the sample can be believed
    assert told.headline.state is State.AMBER
    assert "can be relied on" not in told.headline.title
    assert told.headline.reasons[0].startswith("Broken")


def test_every_judged_line_makes_it_red(cc):
    for part, lines in (("certificate", cc.certificate), ("convergence", cc.convergence.checks)):
        for line in lines:
            if line.judged:
                assert broken(cc, part, line.name).headline.state is State.RED, line.name


def test_a_line_for_information_leaves_it_green(cc):
    told = broken(cc, "convergence", "prior sensitivity, largest").headline
    assert told.state is State.GREEN
    assert len(told.remarks) == 1


@pytest.mark.parametrize(
    ("state", "given"),
    [
        (State.GREEN, {}),
        (State.AMBER, {"posterior": None}),
        (State.AMBER, {"posterior": xr.DataTree(xr.Dataset(attrs={"method": "Laplace"}))}),
        (State.RED, {"confirmed": False}),
        (State.RED, {"interrupted": True}),
        (State.RED, {"certificate": (Check("a line", 1.0, 0.0, False),)}),
    ],
    ids=["nothing against it", "no sample", "approximation", "unconfirmed", "interrupted", "a line fails"],
)
def test_each_part_alone_decides_the_state(state, given):
    parts = {"certificate": (), "convergence": None, "posterior": xr.DataTree(), "notes": ("why",)}
    told = conclude(**parts | {"interrupted": False, "confirmed": True, "with_em": True} | given)
    assert told.state is state


def test_one_advice_for_several_lines_is_given_once():
    lines = tuple(Check(name, 1.0, 2.0, False, note="draw more") for name in ("R-hat", "ESS"))
    parts = {"certificate": lines, "convergence": None, "posterior": xr.DataTree(), "notes": ()}
    told = conclude(**parts, interrupted=False, confirmed=True, with_em=True)
    assert told.reasons == ("Draw more (R-hat: 1, limit 2; ESS: 1, limit 2).",)


# An optimum that no independent start confirms


@pytest.mark.parametrize(
    ("em", "by_map", "confirmed"),
    [
        ((1, 10), (0, 10), False),  # EM alone
        ((9, 10), (0, 10), False),  # many of one kind
        ((0, 10), (1, 10), False),  # MAP alone, once
        ((0, 10), (2, 10), True),
        ((1, 10), (1, 10), True),
        ((0, 0), (1, 3), False),  # a user's own model has no EM
        ((0, 0), (2, 3), True),
    ],
)
def test_an_optimum_is_confirmed_by_independent_starts(em, by_map, confirmed):
    assert Starts(em, by_map).confirmed is confirmed


def test_many_starts_of_one_kind_confirm_nothing():
    assert not Starts((9, 10), (9, 10), ("k-means",)).confirmed
    assert Starts((9, 10), (9, 10), ("k-means", "random rows")).confirmed
    assert not Starts((9, 10), (9, 10), ()).confirmed


def test_an_optimum_that_few_starts_reach_is_unconfirmed_whatever_their_kinds():
    kinds = ("k-means", "random rows")
    assert not Starts((20, 80), (2, 10), kinds, share=0.2).confirmed
    assert Starts((20, 80), (4, 10), kinds, share=0.4).confirmed


def test_kinds_are_told_where_all_are_of_one():
    alone = Starts((9, 10), (2, 10), ("k-means",))
    assert str(alone) == "EM 9 of 10, MAP 2 of 10, all of one kind: k-means"


def told_lower(fit):
    """The same fit, all of whose starts are said to have ended 5 lower."""
    if isinstance(fit, MAPFit):
        return replace(fit, log_posterior=fit.log_posterior - 5, log_posteriors=fit.log_posteriors - 5)
    lower = fit.log_posterior - 5
    restarts = replace(fit.restarts, log_posterior=fit.restarts.log_posterior - 5, best=lower)
    return replace(fit, log_posterior=lower, restarts=restarts)


@pytest.fixture
def em_misses(monkeypatch):
    """EM's own starts miss the optimum by 5; started there, it finds it."""
    fit = modes.fit_em

    def missing(*args, start=None, **kwargs):
        em = fit(*args, start=start, **kwargs)
        return told_lower(em) if start is None else em

    monkeypatch.setattr(modes, "fit_em", missing)


def test_an_unconfirmed_optimum_does_not_pass(monkeypatch):
    """EM finds it, and no start of MAP does."""
    search, calls = modes.best_mode, []

    def missing(*args, **kwargs):
        calls.append(args)
        mode = search(*args, **kwargs)
        return told_lower(mode) if len(calls) == 1 else mode

    monkeypatch.setattr(modes, "best_mode", missing)
    assert_unconfirmed(crosscheck(GMM(2), FAITHFUL, **FEW))


@pytest.mark.long
def test_an_optimum_of_iris_is_unconfirmed():
    """In three clusters: a swap of EM finds this optimum, and no start of MAP does."""
    few = {**SHORT, "n_init": 4, "draws": 100, "tune": 100, "random_seed": 6}
    assert_unconfirmed(crosscheck(GMM(3), mx.datasets.iris(), **few))


def assert_unconfirmed(cc):
    line = next(check for check in cc.certificate if not check.passed)
    assert cc.starts.map[0] == 0
    assert not cc.starts.confirmed
    assert (line.name, line.figure, line.tolerance) == ("MAP starts that reach the best optimum", 0, 1)
    assert not cc.passed
    assert "unconfirmed" in line.note
    assert cc.headline.state is State.RED
    assert "unconfirmed" in cc.headline.title
    assert "lower n_components" in cc.headline.reasons[0]


def test_a_fit_that_has_not_arrived_does_not_pass(monkeypatch):
    """EM stops at max_iter; the certificate says so, whatever the rest of it holds."""
    fit_em_ = modes.fit_em
    monkeypatch.setattr(
        modes, "fit_em", lambda *args, **kwargs: replace(fit_em_(*args, **kwargs), converged=False)
    )
    cc = crosscheck(GMM(2), FAITHFUL, **FEW)
    line = next(check for check in cc.certificate if check.name == ARRIVED)
    assert not line.passed
    assert "max_iter" in line.note
    assert not cc.passed
    assert cc.headline.state is State.RED


@pytest.mark.usefixtures("em_misses")
def test_the_counts_agree_wherever_they_are_told():
    """MAP is made to find what EM's starts missed: EM's record then counts against that optimum."""
    cc = crosscheck(GMM(2), FAITHFUL, **FEW)
    assert (cc.starts.em, cc.starts.map) == ((0, 4), (4, 4))
    assert str(cc.em.restarts) == "0 of 4 restarts reached the best optimum"
    share = next(c for c in cc.convergence.checks if c.name.startswith("EM restarts"))
    assert share.figure == 0
    assert str(cc.em.restarts) in share.note
    assert str(cc.starts) in next(c for c in cc.certificate if c.name == INDEPENDENT).note


# Figures that are not fit to judge by


def test_gaps_are_in_sds_of_the_curvature_where_the_chains_never_moved(monkeypatch, cc):
    draw = compare.draw

    def stuck(*args, **kwargs):
        tree = draw(*args, **kwargs)
        posterior = tree["posterior"].to_dataset()
        still = posterior.isel(draw=[0] * posterior.sizes["draw"], chain=[0] * posterior.sizes["chain"])
        for name, values in still.data_vars.items():
            posterior[name] = (values.dims, values.values)
        tree["posterior"] = posterior
        for group in ("sample_stats", "log_likelihood"):
            moved = tree[group].to_dataset()
            tree[group] = moved.map(lambda x: xr.full_like(x, 0) + x[0, 0] if x.dtype == float else x)
        return tree

    monkeypatch.setattr(compare, "draw", stuck)
    found = crosscheck(GMM(2), FAITHFUL, **FEW)
    assert found.passed  # EM and MAP agree as before
    assert found.table["gap"].max() < 1e-6
    assert np.isfinite(found.table["z"]).all()
    assert not found.convergence.passed
    assert found.headline.state is State.RED


# A model that could not have made the data, and data that make a fit doubtful


def test_predictive_checks_of_a_wrong_family_are_amber():
    """A single Gaussian fitted to data with a heavy corner: replicated data have other moments."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(272, 2)) ** 8  # a heavy corner that one Gaussian cannot have
    cc = crosscheck(GMM(1), X, **SHORT)
    assert MISFIT in failing(cc)
    assert BELOW in failing(cc)
    assert cc.passed
    assert cc.headline.state is State.AMBER


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_nothing_is_said_of_data_that_the_model_made(seed):
    """Replicates of the fit itself, whatever the seed: chance alone must not ask for care."""
    rng = np.random.default_rng(seed)
    X = np.r_[rng.normal(20, 1, size=(136, 2)), rng.normal(30, 3, size=(136, 2))]  # compiled for faithful
    em = fit_em(GMM(2), X, random_seed=1)
    verdict = mx.diagnose(
        mx.sample(em.spec, X, draws=200, tune=200, chains=2, em=em, **QUIET), spec=em.spec, X=X, em=em
    )
    lines = {check.name: check for check in verdict.checks}
    assert lines[MISFIT].passed, lines[MISFIT].note
    assert lines[BELOW].passed
    assert lines[DOUBTFUL].passed


def test_a_prior_that_makes_up_a_covariance_is_amber():
    rng = np.random.default_rng(0)
    tight = np.repeat([[0.0, 0.0], [1.0, 1.0]], 136, axis=0) + 0.01 * rng.normal(size=(272, 2))
    cc = crosscheck(GMM(2), tight, **SHORT)
    assert cc.passed
    assert cc.headline.state is State.AMBER
    assert any(reason.startswith("The prior makes up") for reason in cc.headline.reasons)


def doubt(X, k=2, **keywords):
    em = fit_em(GMM(k, **keywords), X, random_seed=1)
    return " ".join(doubts(em.spec, as_data(X), em.params))


@pytest.mark.parametrize("value", [1e3, -1e6, 1e12])
def test_a_row_that_makes_the_scale_of_the_prior_is_named(value):
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(200, 2)), columns=["a", "b"])
    X.loc[17, "b"] = value
    with pytest.warns(mx.DataWarning, match="row 17, column 'b'"):
        em = fit_em(GMM(2), X, random_seed=1)
    assert "row 17, column 'b'" in " ".join(em.notes)
    assert "state a prior" in " ".join(em.notes)
    assert "far from the others" not in doubt(X, 1, prior=None)  # there is no prior to be inflated
    X.loc[3, "a"] = value
    with pytest.warns(mx.DataWarning, match="cells lie far.*row 3, column 'a'.*row 17, column 'b'"):
        assert len(fit_em(GMM(2), X, n_init=1, random_seed=1).notes) == 1  # of both columns


def test_gaussian_columns_of_a_mixed_model_are_doubted():
    rng = np.random.default_rng(1)
    z = np.arange(200) % 2
    X = pd.DataFrame(
        {"n": rng.poisson(3 + 4 * z), "a": rng.normal(4.0 * z), "y": z, "b": rng.normal(size=200)}
    )
    spec = mx.Mixed(2, gaussian=["a", "b"], poisson=["n"], bernoulli=["y"])
    far, single = X.copy(), X.assign(a=np.where(z == 0, 1.0, X["a"].round(1) + 5))
    far.loc[17, "b"] = 1e6
    for rows, said in (
        (far, "row 17, column 'b' lies far from"),
        (single, r"single value.*\(cluster \d: a = 1\)"),
    ):
        with pytest.warns(mx.DataWarning, match=said):
            em = fit_em(spec, rows, n_init=2, random_seed=1)
        assert doubts(em.spec, as_data(rows), em.params) == em.notes
    assert fit_em(spec, X, n_init=2, random_seed=1).notes == ()


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_clusters_within_one_value_are_named(covariance_type):
    rng = np.random.default_rng(0)
    if covariance_type.startswith("tied") or covariance_type == "spherical":
        scores = rng.integers(1, 3, size=(60, 2)).astype(float)  # the structures of several columns
    else:
        scores = rng.integers(1, 6, size=(300, 1)).astype(float)
    with pytest.warns(mx.DataWarning, match="hold a single value"):
        em = fit_em(
            GMM(4 if scores.shape[1] > 1 else 5, covariance_type=covariance_type),
            scores,
            n_init=3,
            random_seed=1,
        )
    assert any("narrower than the data can resolve" in note for note in em.notes)


@pytest.mark.parametrize("name", ["faithful", "iris", "blobs"])
def test_nothing_is_doubted_in_ordinary_data(name):
    assert doubt(mx.datasets.load(name)) == ""


def test_em_that_does_not_arrive_says_so():
    with pytest.warns(mx.ConvergenceWarning, match="max_iter=3"):
        em = fit_em(GMM(3), mx.datasets.iris(), max_iter=3, random_seed=1)
    assert not em.converged
    assert any("has not converged after max_iter=3" in note for note in em.notes)


# How many clusters


def test_a_recommendation_at_the_edge_of_the_range_says_so():
    edge = select(GMM(1), mx.datasets.blobs(), range(1, 4), **QUIET)
    assert edge.recommended == 3
    assert edge.at_edge
    assert "K = 3 is the largest that was tried" in edge.rule
    inside = select(GMM(1), mx.datasets.blobs(), range(3, 6), **QUIET)
    assert inside.recommended == 4
    assert not inside.at_edge
    assert "largest" not in inside.rule
    assert not select(GMM(1), mx.datasets.blobs(), [2], **QUIET).at_edge  # nothing was compared


@pytest.mark.parametrize(
    ("make", "k"),
    [
        (lambda rng: np.exp(rng.normal(size=(400, 2))), 1),
        (lambda rng: -rng.gamma(2, size=(500, 1)), 1),
        (lambda rng: np.exp(np.r_[rng.normal(0, 0.5, (300, 1)), rng.normal(4, 0.5, (300, 1))]), 2),
    ],
    ids=["lognormal", "negative gamma", "two lognormals"],
)
def test_clusters_that_skewness_split_are_told(make, k):
    found = select(GMM(1), make(np.random.default_rng(3)), range(1, 5), n_init=4, **QUIET)
    assert found.recommended > k
    told = [note for note in found.notes if note.startswith("skewed columns")]
    assert len(told) == 1
    assert f"K = {k} describes the data better" in told[0]


def test_only_gaussian_columns_of_a_mixed_model_are_called_skewed():
    rng = np.random.default_rng(3)
    data = as_data(np.c_[rng.random(400) < 0.1, np.exp(rng.normal(size=400))])
    spec = mx.Mixed(2, bernoulli=[0], gaussian=[1])
    bic = (
        spec.parameter_count(2) * np.log(400) - 2 * fit_em(spec, data, n_init=2, random_seed=1).log_likelihood
    )
    assert skewness_note(spec, data, 2, bic, rng).startswith("skewed columns (x1): after a power")


def test_the_jacobian_of_the_transformation_is_counted():
    """A change of units changes nothing: it shifts both BICs by the same amount."""
    X = np.exp(np.random.default_rng(3).normal(size=(300, 1)))
    notes = [select(GMM(1), scale * X, range(1, 4), **QUIET).notes[-1] for scale in (1, 1000)]
    assert notes[0] == notes[1]


@pytest.mark.filterwarnings("ignore:clusters that hold a single value")
@pytest.mark.parametrize(
    "name", ["faithful", *(pytest.param(name, marks=pytest.mark.long) for name in ("iris", "blobs"))]
)
def test_no_skewness_is_told_where_clusters_are_real(name):
    found = select(GMM(1), mx.datasets.load(name), range(1, 6), n_init=4, **QUIET)
    assert not any(note.startswith("skewed") for note in found.notes)


# One spec, one data set, one best fit


def test_a_known_fit_that_is_higher_is_the_fit(cc, monkeypatch):
    monkeypatch.setattr(MixtureTarget, "check_same", lambda *_: None)  # its height is made up
    worse = replace(cc.em, log_posterior=cc.em.log_posterior + 3, log_likelihood=-1.0)
    found = select(GMM(1), FAITHFUL, range(1, 4), fits={2: worse}, **QUIET)
    assert found.fits[2].log_posterior == worse.log_posterior
    assert found.table.loc[2, "log_likelihood"] == -1.0
    assert found.table.loc[2, "n_best"] == 0
    assert not found.contradicts(worse)
    assert found.contradicts(cc.em)
    same = select(GMM(1), FAITHFUL, range(1, 4), fits={2: cc.em}, **QUIET)
    assert same.fits[2].log_likelihood == cc.em.log_likelihood
    with pytest.raises(InputError, match="another model or other data"):
        select(GMM(1), FAITHFUL, range(1, 4), fits={3: cc.em}, **QUIET)


def test_a_report_refuses_two_optima_of_one_model(cc):
    other = select(GMM(1), FAITHFUL, range(1, 3), **QUIET)
    other.fits[2] = replace(other.fits[2], log_posterior=cc.em.log_posterior + 3)
    with pytest.raises(InputError, match="different optima of the same model"):
        mx.report(cc, FAITHFUL, selection=other, progressbar=False)


@pytest.mark.usefixtures("em_misses")
def test_a_start_that_is_known_to_be_better_is_taken(cc):
    """Before MAP has to find it."""
    told = crosscheck(GMM(2), FAITHFUL, start=cc.em.params, **FEW)
    assert told.em.log_posterior == pytest.approx(cc.em.log_posterior, rel=1e-12)
    assert told.em.restarts.best == told.em.log_posterior
    assert told.starts.em[0] == 0
    line = next(check for check in told.certificate if "starts that reach" in check.note + check.name)
    assert "EM had missed it" not in line.note


def test_a_report_at_the_edge_is_not_green(cc):
    edge = select(GMM(1), FAITHFUL, range(1, 3), fits={2: cc.em}, **QUIET)
    page = mx.report(cc, FAITHFUL, selection=edge, progressbar=False)
    assert page.headline.state is State.AMBER
    assert "more may be better" in page.headline.reasons[-1]
    assert "can be relied on" not in page.html
