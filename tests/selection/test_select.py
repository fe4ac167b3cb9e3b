"""Choosing the number of clusters: criteria, the law of nested models, the rule, occupied clusters."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from command import run
from conftest import every_spec, long, make_rows
from scipy import stats
from sklearn.mixture import GaussianMixture

import mixtures as mx
from mixtures import BMM, GMM, InputError, occupied_clusters, plot, select
from mixtures.data.reading import as_data
from mixtures.em.fit import fit_em
from mixtures.em.starts import split_starts
from mixtures.families.registry import resolve
from mixtures.selection.criteria import POINT, best_by, criteria_table, recommend
from mixtures.selection.select import _loo
from mixtures.trees import make_tree

FAITHFUL = mx.datasets.faithful()
QUIET = {"random_seed": 1, "progressbar": False}
SHORT = {"draws": 200, "tune": 200, "chains": 2}

pytestmark = pytest.mark.filterwarnings("ignore::mixtures.IdentifiabilityWarning")


@pytest.fixture(scope="module")
def flat():
    """Maximum likelihood on Old Faithful."""
    return select(GMM(1, prior=None), FAITHFUL, range(1, 4), **QUIET)


@pytest.fixture(scope="module")
def sampled():
    return select(GMM(5), FAITHFUL[["waiting"]], [1, 2], criteria="all", **SHORT, **QUIET)


# Criteria


def test_criteria_are_those_of_scikit_learn(flat):
    for k in (1, 2):
        theirs = GaussianMixture(k, n_init=5, tol=1e-9, max_iter=1000, reg_covar=0, random_state=0)
        theirs.fit(FAITHFUL.to_numpy())
        assert flat.table.loc[k, "bic"] == pytest.approx(theirs.bic(FAITHFUL.to_numpy()), abs=1e-3)
        assert flat.table.loc[k, "aic"] == pytest.approx(theirs.aic(FAITHFUL.to_numpy()), abs=1e-3)
        sure = np.log(theirs.predict_proba(FAITHFUL.to_numpy()).max(axis=1)).sum()
        assert flat.table.loc[k, "icl"] - flat.table.loc[k, "bic"] == pytest.approx(-2 * sure, abs=1e-3)


def test_the_recommendation_states_its_rule(flat):
    assert flat.recommended == 2
    assert flat.rule.startswith("lowest BIC: K = 2; AIC would take 3")
    assert flat.best == {"aic": 3, "bic": 2, "icl": 2}
    assert flat.notes == ()


def test_a_posterior_mode_is_named_as_such():
    """The criterion uses the plain likelihood, which is below its maximum."""
    found = select(GMM(1), FAITHFUL, [2], **QUIET)
    em = found.fits[2]
    assert em.log_posterior != em.log_likelihood
    assert found.table.loc[2, "bic"] == pytest.approx(-2 * em.log_likelihood + 11 * np.log(272))
    assert "posterior modes" in found.notes[0]


def test_penalties_are_those_of_their_authors():
    found = select(GMM(1, prior=None), FAITHFUL, [2], criteria=["bic", "caic", "sabic"], **QUIET)
    row, n = found.table.loc[2], len(FAITHFUL)
    deviance, p = -2 * row["log_likelihood"], 11
    assert row["caic"] == pytest.approx(deviance + p * (np.log(n) + 1))  # Bozdogan (1987), eq. 44
    assert row["sabic"] == pytest.approx(deviance + p * np.log((n + 2) / 24))  # Sclove (1987)
    assert found.criteria == ("bic", "caic", "sabic")
    assert "aic" not in found.table


def test_weights_are_repeated_rows():
    rows = FAITHFUL[::5]
    weights = np.arange(len(rows)) % 3 + 1
    weighted = select(GMM(1, prior=None), rows, [2], weights=weights, criteria=POINT, **QUIET).table
    expanded = rows.loc[rows.index.repeat(weights)]
    repeated = select(GMM(1, prior=None), expanded, [2], criteria=POINT, **QUIET).table
    figures = ["log_likelihood", *POINT]
    np.testing.assert_allclose(weighted[figures], repeated[figures], rtol=1e-7)


# More clusters are never worse


@every_spec
def test_a_start_from_a_split_has_the_height_of_one_cluster_fewer(spec):
    X, _ = make_rows(spec, 60)
    data = as_data(X)
    fewer = fit_em(resolve(type(spec)(spec.n_components - 1, **_variant(spec)), data), data, random_seed=1)
    starts = list(split_starts(resolve(spec, data), fewer.params, data, np.random.default_rng(0)))
    assert len(starts) == spec.n_components
    before = spec.log_likelihood(X, fewer.params).sum()
    assert spec.log_likelihood(X, starts[0]).sum() == pytest.approx(before, rel=1e-12)
    for start in starts:
        spec.check_params(start, data.n_features)


@every_spec
def test_a_split_leaves_the_other_clusters_their_rows(spec):
    """By weight: their shares, and that of the two parts together, are those of the responsibilities."""
    X, _ = make_rows(spec, 60, apart=1.0)
    weights = np.random.default_rng(0).integers(1, 9, len(X)).astype(float)
    data, k = as_data(X, weights), spec.n_components - 1
    fewer = fit_em(resolve(type(spec)(k, **_variant(spec)), data), data, random_seed=1, n_init=2)
    _, *splits = split_starts(resolve(spec, data), fewer.params, data, np.random.default_rng(0))
    share = weights @ fewer.spec.responsibilities(X, fewer.params) / weights.sum()
    assert len(splits) == k
    for cluster, start in enumerate(splits):
        *others, left, right = start["alpha"]
        np.testing.assert_allclose([*others, left + right], [*np.delete(share, cluster), share[cluster]])
        assert min(left, right) > 0


def test_a_cluster_is_split_between_its_own_rows():
    """Of rows at 0, 4 and 100 the first two are one cluster: all rows' gap is not the one to split at."""
    rng = np.random.default_rng(0)
    data = as_data(np.concatenate([rng.normal(centre, 0.1, size=(50, 1)) for centre in (0.0, 4.0, 100.0)]))
    fewer = fit_em(GMM(2, covariance_type="spherical"), data, n_init=2, random_seed=0)
    spec = resolve(GMM(3, covariance_type="spherical"), data)
    split = list(split_starts(spec, fewer.params, data, rng))[1 + int(np.argmax(fewer.params["alpha"]))]
    np.testing.assert_allclose(np.sort(split["mu"][-2:, 0]), [0.0, 4.0], atol=0.5)


def _variant(spec):
    return {"covariance_type": spec.covariance_type} if hasattr(spec, "covariance_type") else {}


@pytest.fixture
def poor_starts(monkeypatch):
    """Starts from random responsibilities, without a selection of the best."""
    monkeypatch.setattr("mixtures.em.starts.SHORT_RUNS", 1)
    monkeypatch.setattr("mixtures.em.starts.SHORT_STEPS", 0)


@pytest.mark.parametrize("seed", [0, *long(1, 2)])
@pytest.mark.usefixtures("poor_starts")
def test_the_likelihood_never_falls_as_clusters_are_added(seed):
    """Bounded likelihood, one random start: only the splits can keep the law."""
    X = (np.random.default_rng(seed).random((40, 6)) < 0.5).astype(float)
    table = select(BMM(1, prior=None), X, range(1, 9), n_init=1, random_seed=seed, progressbar=False).table
    assert (np.diff(table["log_likelihood"]) > -1e-8).all()


@pytest.mark.usefixtures("poor_starts")
def test_the_law_needs_the_splits(monkeypatch):
    """Otherwise the test above would hold trivially."""
    monkeypatch.setattr("mixtures.selection.select.split_starts", lambda *_: iter(()))
    falls = []
    for seed in range(3):
        X = (np.random.default_rng(seed).random((40, 6)) < 0.5).astype(float)
        table = select(
            BMM(1, prior=None), X, range(1, 9), n_init=1, random_seed=seed, progressbar=False
        ).table
        falls.append(np.diff(table["log_likelihood"]).min())
    assert min(falls) < -1e-3


# What cannot be fitted


def test_a_number_that_cannot_be_fitted_keeps_its_row():
    found = select(GMM(1, prior=None), FAITHFUL[:5], range(1, 8), **QUIET)
    assert list(found.table.index) == list(range(1, 8))
    assert {1} <= set(found.fits) <= {1, 2}  # two equal clusters do not collapse, and are no better than one
    assert "all 80 starts collapsed" in found.table.loc[3, "notes"]
    assert "5 rows cannot hold n_components=7" in found.table.loc[7, "notes"]
    assert all(("11 parameters of 5 rows" in found.table.loc[k, "notes"]) is (k == 2) for k in found.fits)
    assert found.table.loc[3:, "bic"].isna().all()
    assert found.recommended == 1


def test_nothing_fitted_is_no_recommendation():
    found = select(GMM(1, prior=None), FAITHFUL[:5], [6, 7], **QUIET)
    assert found.recommended is None
    assert "no number of clusters could be fitted" in found.rule


def test_an_interrupt_keeps_what_is_done(monkeypatch):
    def fit(spec, *args, **kwargs):
        if spec.n_components == 3:
            raise KeyboardInterrupt
        return fit_em(spec, *args, **kwargs)

    monkeypatch.setattr("mixtures.selection.select.fit_em", fit)
    found = select(GMM(1), FAITHFUL, **QUIET)
    assert list(found.table.index) == [1, 2]
    assert found.notes[0].startswith("interrupted")


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (GMM(1), {"criteria": ["bci"]}, "'bci' is not one of.*did you mean 'bic'"),
        (GMM(1), {"criteria": []}, "no criteria"),
        (GMM(1), {"n_components": [0, 1]}, "at least 1"),
        (GMM(1), {"n_components": 3}, "range"),
        (GMM(1), {"n_init": 0}, "n_init"),
        (GMM(1), {"blrt": 0}, "blrt must be at least 1"),
        (GMM(1), {"criteria": "all", "draws": 50}, "draws=100"),
        (GMM(1, prior=None), {"criteria": "all"}, "no loo or evidence"),
        (GMM(1), {"criteria": "loo", "weights": np.full(272, 2.0)}, "LOO leaves out single rows"),
        (GMM(1, weight_concentration=0.1), {}, "no finite mode"),
        (BMM(1), {}, "not 0 or 1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_fitted(monkeypatch, spec, options, words):
    monkeypatch.setattr("mixtures.selection.select.fit_em", None)
    with pytest.raises(InputError, match=words):
        select(spec, FAITHFUL, **options)


# Criteria of the posterior


@pytest.mark.long
def test_evidence_and_loo_come_with_their_errors(sampled):
    table = sampled.table
    assert sampled.recommended == 2
    assert sampled.rule.startswith("highest log marginal likelihood: K = 2")
    assert table.loc[2, "elpd_loo"] == pytest.approx(-1038, abs=4)  # log-likelihood less five parameters
    assert (table["elpd_loo_se"] > 5).all()
    assert (table["log_evidence_se"] < 0.2).all()
    assert table.loc[2, "log_evidence"] - table.loc[1, "log_evidence"] > 30
    assert any("default prior, made from the data" in note for note in sampled.notes)
    assert set(sampled.samples) == {1, 2}


def test_a_pareto_k_that_is_no_number_is_bad():
    """LOO of the same row log-likelihoods, one row of which no draw explains twice."""
    rng = np.random.default_rng(0)
    values = rng.normal(-1, 0.1, size=(4, 250, 20))
    values[..., 3] = -(rng.pareto(0.5, size=(4, 250)))
    values[..., 5] = 0  # a row without an observed cell, which is in no doubt
    tree = make_tree(
        {"posterior": {"a": rng.normal(size=(4, 250))}, "log_likelihood": {"x": values}},
        {"x": ("obs_id",)},
        {"obs_id": np.arange(20)},
    )
    figures, notes = _loo(tree)
    assert figures["bad_pareto_k"] == 1
    assert "Pareto k of 1 of 20 rows" in notes[0]


# The rule


def rows(**figures):
    """Rows of K = 1, 2, 3 from columns."""
    return pd.DataFrame({**figures, "notes": ""}, index=[1, 2, 3]).to_dict("index")


def test_evidence_to_doubt_is_said_in_the_rule():
    figures = rows(log_evidence=[-9.0, -1.0, -8.0], log_evidence_se=[0.1] * 3)
    table = criteria_table(figures, ("evidence",))
    assert "doubtful" not in recommend(table, {"evidence": 2})[1]
    assert "the evidence of K = 3 is doubtful" in recommend(table, {"evidence": 2}, [3])[1]


@pytest.mark.parametrize(
    ("log_evidence", "recommended", "words"),
    [
        ([-10, -5, -4.2], 2, "K = 3; K = 2, 3 are indistinguishable"),
        ([-10, -5, -3], 3, "highest log marginal likelihood: K = 3; BIC would take 1"),
        ([np.nan, -5, np.nan], 2, "K = 2; BIC would take 1"),
        ([np.nan] * 3, 1, "lowest BIC: K = 1"),
    ],
)
def test_the_evidence_decides_where_it_can(log_evidence, recommended, words):
    criteria = ("bic", "evidence")
    table = criteria_table(
        rows(bic=[1.0, 2.0, 3.0], log_evidence=log_evidence, log_evidence_se=[0.1] * 3), criteria
    )
    best = {name: k for name in criteria if (k := best_by(table, name)) is not None}
    k, rule = recommend(table, best)
    assert k == recommended
    assert words in rule


# Occupied clusters


def one_cluster_or_two(n_rows=40, share=0.3, chains=4, draws=400, seed=0):
    """A sample made by hand: in some draws the second cluster has a weight that holds no row."""
    rng = np.random.default_rng(seed)
    both = rng.random((chains, draws)) < share
    alpha = np.where(both[..., None], [0.5, 0.5], [1 - 1e-9, 1e-9])
    p = np.broadcast_to([[0.5, 0.5], [0.5, 0.5]], (chains, draws, 2, 2))
    tree = make_tree(
        {"posterior": {"alpha": alpha, "p": p}, "sample_stats": {"lp": rng.normal(size=(chains, draws))}},
        BMM(2).dims,
        {"cluster": [0, 1], "feature": ["a", "b"]},
    )
    return tree, (rng.random((n_rows, 2)) < 0.5).astype(float), both


def test_clusters_are_counted_from_rows_dealt():
    tree, X, both = one_cluster_or_two()
    found = occupied_clusters(tree, BMM(2), X, random_seed=1)
    np.testing.assert_array_equal(found.draws, 1 + both)
    assert found.probabilities[2] == pytest.approx(both.mean())
    assert found.most_probable == 1
    assert found.verdict.passed
    lines = [line for line in found.verdict.checks if line.name.endswith("of the number")]
    assert [(line.source, line.note) for line in lines] == [("Vehtari et al. (2021)", "")] * 2
    assert str(found).startswith("1 occupied clusters with probability 0.7")


def test_a_small_weight_holds_rows_as_often_as_it_should():
    """Alpha 0.01 and 40 rows: a threshold would say never or always."""
    tree, X, _ = one_cluster_or_two()
    alpha = np.broadcast_to([0.99, 0.01], tree["posterior"]["alpha"].shape)
    tree["posterior"] = xr.DataTree(
        tree["posterior"].to_dataset().assign(alpha=(("chain", "draw", "cluster"), alpha))
    )
    found = occupied_clusters(tree, BMM(2), X, random_seed=1)
    at_least_one = 1 - 0.99**40
    error = stats.binom(1600, at_least_one).std() / 1600
    assert found.probabilities[2] == pytest.approx(at_least_one, abs=4 * error)
    doubled = occupied_clusters(tree, BMM(2), X, weights=np.full(40, 2), random_seed=1)
    assert doubled.probabilities[2] == pytest.approx(1 - 0.99**80, abs=4 * error)


def test_chains_that_do_not_agree_on_the_number_are_told_of():
    tree, X, _ = one_cluster_or_two(share=0.3)
    alpha = tree["posterior"]["alpha"].values.copy()
    alpha[0] = [0.5, 0.5]
    tree["posterior"] = xr.DataTree(
        tree["posterior"].to_dataset().assign(alpha=(("chain", "draw", "cluster"), alpha))
    )
    found = occupied_clusters(tree, BMM(2), X, random_seed=1)
    assert not found.verdict.passed
    assert "the chains did not mix: not to be trusted: R-hat of the number" in str(found)


def test_occupied_clusters_refuses_what_does_not_fit():
    tree, X, _ = one_cluster_or_two()
    with pytest.raises(InputError, match="the posterior is of 2 clusters, the model has n_components=3"):
        occupied_clusters(tree, BMM(3), X)
    with pytest.raises(InputError, match="whole numbers"):
        occupied_clusters(tree, BMM(2), X, weights=np.full(40, 0.5))


# The picture


def test_the_picture_shows_every_criterion():
    sampled = select(GMM(1), FAITHFUL, [1, 2], criteria="all", **SHORT, **QUIET)
    axes = plot.selection(sampled)
    assert [ax.get_ylabel().split(" (")[0] for ax in axes] == [
        "AIC",
        "BIC",
        "ICL",
        "CAIC",
        "SABIC",
        "LOO elpd",
        "log marginal likelihood",
    ]
    for name, column, ax in zip(
        sampled.criteria,
        ("aic", "bic", "icl", "caic", "sabic", "elpd_loo", "log_evidence"),
        axes,
        strict=True,
    ):
        (container,) = ax.containers
        np.testing.assert_allclose(container.lines[0].get_ydata(), sampled.table[column])
        assert f"best at K = {sampled.best[name]}" in ax.get_title()
    low, high = axes[5].containers[0].lines[1]
    height = high.get_ydata() - low.get_ydata()
    np.testing.assert_allclose(height, 4 * sampled.table["elpd_loo_se"])
    plt.close("all")


def test_the_picture_of_nothing_is_empty():
    four = ("aic", "bic", "icl", "caic")
    found = select(GMM(1, prior=None), FAITHFUL[:5], [6, 7], criteria=four, **QUIET)
    axes = plot.selection(found)
    assert axes[0].get_title() == "lower is better"
    places = [ax.get_subplotspec() for ax in axes]
    assert [(at.rowspan.start, at.colspan.start) for at in places] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    plt.close("all")


# The command line


def test_the_command_line_prints_table_and_rule():
    code, out, err = run("select", "faithful", "--max-k", 3, "--seed", 1, "--quiet", "--prior", "none")
    assert (code, err) == (0, "")
    assert "Take K = 2: lowest BIC: K = 2; AIC would take 3." in out
    assert "2322.19" in out
    assert "2 *" in out
    assert "lower is better" in out


def test_the_command_line_writes_for_machines(tmp_path):
    code, out, _ = run("select", "faithful", "--max-k", 2, "--seed", 1, "--json", "--csv", tmp_path / "k.csv")
    found = json.loads(out)
    assert code == 0
    assert found["recommended"] == 2
    assert [row["n_components"] for row in found["table"]] == [1, 2]
    assert pd.read_csv(tmp_path / "k.csv")["bic"].tolist() == pytest.approx(
        [row["bic"] for row in found["table"]]
    )


def test_options_reach_select(monkeypatch):
    calls = []

    def asked(spec, X, ks, **options):
        calls.append((spec, list(X.columns), ks, options))
        raise InputError("enough")

    monkeypatch.setattr("mixtures.selection.select.select", asked)
    options = "--min-k 2 --max-k 4 --criteria bic,evidence --covariance diag --n-init 3 --draws 7 --tune 8"
    options += " --missing integrate --blrt 20"
    code, _, _ = run(
        "select", "faithful", *options.split(), "--chains", 2, "--columns", "waiting", "--seed", 5
    )
    assert code == 2
    spec, columns, ks, passed = calls[0]
    assert (spec, columns, ks) == (GMM(1, covariance_type="diag"), ["waiting"], range(2, 5))
    assert passed == {
        "missing": "integrate",
        "weights": None,
        "labels": None,
        "criteria": ["bic", "evidence"],
        "blrt": 20,
        "n_init": 3,
        "draws": 7,
        "tune": 8,
        "chains": 2,
        "random_seed": 5,
        "progressbar": True,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("faithful --max-k 0", "--min-k"),
        ("faithful --criteria bci", "'bci' is not one of"),
        ("faithful --prior none --criteria all", "improper"),
        ("faithful --seed -1", "--seed"),
        ("nowhere.csv", "there is no file"),
    ],
)
def test_bad_input_exits_with_2(arguments, words):
    code, out, err = run("select", *arguments.split())
    assert (code, out) == (2, "")
    assert words in err


def test_nothing_fitted_exits_with_1(tmp_path):
    FAITHFUL[:5].to_csv(tmp_path / "few.csv", index=False)
    code, out, _ = run("select", tmp_path / "few.csv", "--min-k", 6, "--max-k", 7, "--quiet")
    assert code == 1
    assert "No recommendation" in out


def test_a_known_fit_of_other_rows_is_refused():
    """Without a prior the model is the same, whatever the rows."""
    X = mx.datasets.faithful()
    em = fit_em(GMM(2, prior=None), X[:100], n_init=1, random_seed=0)
    with pytest.raises(InputError, match="em is a fit of other data"):
        select(GMM(1, prior=None), X, [2], fits={2: em}, n_init=1, progressbar=False)


def test_criteria_and_fits_of_another_type_are_refused():
    with pytest.raises(InputError, match="criteria is a NoneType; it must be names"):
        select(GMM(1), mx.datasets.faithful(), [1], criteria=None)
    with pytest.raises(InputError, match="fits is a list; it must be a dictionary"):
        select(GMM(1), mx.datasets.faithful(), [1], fits=[1])
