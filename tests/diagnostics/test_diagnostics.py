"""Verdicts on draws made up to be good or bad in one way each; figures against ArviZ's."""

import re
from dataclasses import replace
from types import SimpleNamespace

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy import stats

import mixtures as mx
from mixtures import BMM, GMM, InputError, align, diagnose, fit_em, resolve
from mixtures.data.reading import as_data
from mixtures.diagnostics.mixing import summarise
from mixtures.diagnostics.questions import QUESTIONS, Case
from mixtures.diagnostics.sensitivity import log_densities, prior_effects
from mixtures.results.headline import conclude, not_checked
from mixtures.results.verdict import Unchecked
from mixtures.tolerances import TOLERANCES
from mixtures.trees import make_tree

CHAINS, DRAWS, ROWS = 4, 1000, 12
PIVOT = {"alpha": np.array([0.4, 0.6]), "mu": np.array([[0.0], [8.0]]), "sigma2": np.array([[1.0], [2.0]])}
DIMS = GMM(2, covariance_type="diag").dims
LABELLED = ("R-hat of parameters, labels as drawn", "ESS of parameters, labels as drawn")
INVARIANT = ("R-hat of label-invariant quantities", "ESS of label-invariant quantities")


def good(seed=0):
    """Independent draws: arrays by group and name, as a sampler would leave them."""
    rng = np.random.default_rng(seed)
    posterior = {name: x + 0.01 * rng.normal(size=(CHAINS, DRAWS, *x.shape)) for name, x in PIVOT.items()}
    stats = {name: rng.normal(size=(CHAINS, DRAWS)) for name in ("lp", "energy")}
    for name in ("diverging", "reached_max_treedepth"):
        stats[name] = np.zeros((CHAINS, DRAWS), dtype=bool)
    rows = rng.normal(size=ROWS) + 0.1 * rng.normal(size=(CHAINS, DRAWS, ROWS))
    return {"posterior": posterior, "sample_stats": stats, "log_likelihood": {"x": rows}}


def tree_of(groups):
    return make_tree(groups, {**DIMS, "x": ("obs_id",)}, {"cluster": range(2), "feature": ["f"]})


def lines(groups):
    return {check.name: check for check in diagnose(tree_of(groups)).checks}


def failed(groups):
    return {name for name, check in lines(groups).items() if not check.passed}


def random_walk(size, seed=0):
    return np.random.default_rng(seed).normal(size=size).cumsum(axis=1)


def test_independent_draws_pass():
    groups = good()
    verdict = diagnose(tree_of(groups))
    assert verdict.passed
    assert str(verdict) == "converged"
    assert [check.name for check in verdict.checks] == [
        *LABELLED,
        *INVARIANT,
        "divergences",
        "E-BFMI",
        "saturated trajectories",
    ]
    assert all(check.note == "" for check in verdict.checks)
    worst = max(float(x.max()) for x in az.rhat(tree_of(groups)).data_vars.values())
    assert lines(groups)[LABELLED[0]].figure == pytest.approx(worst)
    tree = tree_of(groups)
    sizes = az.ess(tree, method="bulk"), az.ess(tree, method="tail", prob=(0.05, 0.95))
    fewest = min(float(x.min()) for size in sizes for x in size.data_vars.values())
    assert lines(groups)[LABELLED[1]].figure == pytest.approx(fewest)
    assert lines(groups)[LABELLED[1]].tolerance == TOLERANCES.ess_per_chain * CHAINS


def test_a_chain_elsewhere_fails():
    groups = good()
    groups["posterior"]["mu"][2, :, 1] += 0.05
    verdict = diagnose(tree_of(groups))
    assert not verdict.passed
    assert LABELLED[0] in failed(groups)
    assert not set(INVARIANT) & failed(groups)
    assert str(verdict).startswith("not to be trusted: R-hat of parameters")
    assert "draw more" in str(verdict)

    groups = good()
    groups["log_likelihood"]["x"][1] += 1.0
    assert INVARIANT[0] in failed(groups)
    assert not set(LABELLED) & failed(groups)


def test_a_chain_of_other_weights_fails_whatever_its_labels():
    groups = good()
    groups["posterior"]["alpha"][2] += [0.05, -0.05]
    assert INVARIANT[0] in failed(groups)


def test_a_single_row_elsewhere_fails():
    """The row whose density stands out most is among the probes, though the sum hardly moves."""
    groups = good()
    highest = groups["log_likelihood"]["x"].mean(axis=(0, 1)).argmax()
    groups["log_likelihood"]["x"][0, :, highest] += 0.2
    assert INVARIANT[0] in failed(groups)


def test_swapped_labels_fail_until_they_are_aligned():
    groups = good()
    for x in groups["posterior"].values():
        x[1] = x[1, :, ::-1].copy()
    assert set(LABELLED) <= failed(groups)
    assert not set(INVARIANT) & failed(groups)
    assert diagnose(align(tree_of(groups), to=PIVOT)).passed


@pytest.mark.parametrize(
    ("statistic", "line"),
    [("diverging", "divergences"), ("reached_max_treedepth", "saturated trajectories")],
)
def test_draws_that_went_wrong_are_counted(statistic, line):
    groups = good()
    groups["sample_stats"][statistic][2, 5:8] = True
    assert failed(groups) == {line}
    assert lines(groups)[line].figure == 3
    assert "raise" in lines(groups)[line].note


def test_proposals_that_miss_the_posterior_fail():
    tree = tree_of(good())
    missing, rejected = ["Pareto k-hat of proposals"], ["acceptance of proposals"]
    for k, share, failing in ((0.45, 0.25, []), (0.55, 0.9, missing), (0.1, 0.15, rejected)):
        tree.attrs.update(pareto_k=k, acceptance=share)
        assert [check.name for check in diagnose(tree).checks if not check.passed] == failing


def test_energies_that_hardly_move_fail():
    groups = good()
    energy = groups["sample_stats"]["energy"] = random_walk((CHAINS, DRAWS))
    assert failed(groups) == {"E-BFMI"}
    by_hand = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
    assert lines(groups)["E-BFMI"].figure == pytest.approx(by_hand.min(), rel=0.01)


def test_slow_chains_have_too_few_effective_draws():
    groups = good()
    groups["sample_stats"]["lp"] = random_walk((CHAINS, DRAWS))
    assert set(INVARIANT) <= failed(groups)
    assert not set(LABELLED) & failed(groups)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", [("posterior", "mu"), ("sample_stats", "lp"), ("log_likelihood", "x")])
@pytest.mark.parametrize("which", [(0, 3), (slice(None), slice(None)), (1,)], ids=["one", "all", "a chain"])
def test_what_is_not_finite_never_passes(where, which, value):
    groups = good()
    group, name = where
    groups[group][name][which] = value
    expected = LABELLED if group == "posterior" else INVARIANT
    with np.errstate(invalid="ignore"):
        assert set(expected) <= failed(groups)
        assert not set(LABELLED + INVARIANT) - set(expected) & failed(groups)


def test_energy_that_is_not_finite_fails():
    groups = good()
    groups["sample_stats"]["energy"][0, 3] = np.nan
    assert failed(groups) == {"E-BFMI"}


def test_constants_are_no_failure():
    groups = good()
    groups["posterior"]["alpha"][...] = PIVOT["alpha"]
    groups["posterior"]["sigma2"][..., 1, :] = 1.0
    assert not failed(groups)
    for x in groups["posterior"].values():
        x[...] = x[0, 0]
    assert not failed(groups)
    assert not set(LABELLED) & set(lines(groups))


def test_a_chain_that_never_moves_fails():
    groups = good()
    for arrays in (groups["posterior"], groups["sample_stats"], groups["log_likelihood"]):
        for x in arrays.values():
            x[...] = x[:, :1]
    assert {LABELLED[0], INVARIANT[0], "E-BFMI"} <= failed(groups)


def test_tails_visited_in_one_long_stay_have_too_few_effective_draws():
    """Centred draws whose spread is wide in one half of every chain: only the ESS of the tails sees it."""
    groups = good()
    groups["sample_stats"]["lp"][:, : DRAWS // 2] *= 0.01
    tree = tree_of(groups)
    bulk = float(az.ess(tree, group="sample_stats", var_names="lp", method="bulk")["lp"])
    tail = float(az.ess(tree, group="sample_stats", var_names="lp", method="tail", prob=(0.05, 0.95))["lp"])
    assert tail < TOLERANCES.ess_per_chain * CHAINS < bulk
    assert lines(groups)[INVARIANT[1]].figure == pytest.approx(tail)


def test_three_draws_cannot_be_believed():
    groups = {group: {name: x[:2, :3] for name, x in arrays.items()} for group, arrays in good().items()}
    assert set(LABELLED + INVARIANT) <= failed(groups)
    assert "of 4 draws at least" in lines(groups)[LABELLED[0]].note


def test_a_single_chain_is_told_that_it_needs_others():
    groups = {group: {name: x[:1] for name, x in arrays.items()} for group, arrays in good().items()}
    found = lines(groups)
    for name in (LABELLED[0], INVARIANT[0]):
        assert not found[name].passed
        assert "draw two or more" in found[name].note


def test_trees_of_other_samplers():
    groups = good()
    groups["sample_stats"] = {"logp": random_walk((CHAINS, DRAWS))}  # as nutpie calls it
    assert set(INVARIANT) <= failed(groups)
    assert set(lines(groups)) == {*LABELLED, *INVARIANT}
    del groups["log_likelihood"]
    assert set(INVARIANT) <= failed(groups)
    groups["sample_stats"] = {"energy": random_walk((CHAINS, DRAWS))}
    with pytest.raises(InputError, match="free of labels"):
        diagnose(tree_of(groups))


# What takes the model, the data or EM to check

SPEC = GMM(2, covariance_type="diag")
SWITCHES = "label switches within chains"
ALIKE = "draws that relabelling methods label alike"
SMALLEST = "rows of the smallest cluster, expected"
UNVISITED = "share of the posterior, with an empty cluster, that the sample lacks"
COLLAPSED = "draws with a collapsed cluster"
IDENTIFIED = "directions that the data do not identify"
BOUNDARY = "probabilities at 0 or 1 at the mode"
RESTARTS = "EM restarts that reach the best optimum, share"
DOMINATED = "clusters that the prior dominates"
SENSITIVE = "prior sensitivity, largest"
MISFIT = "statistics of the data that the model does not produce"
DOUBTFUL = "features of the data that make the fit doubtful"
CARE = {UNVISITED, DOMINATED, MISFIT, DOUBTFUL}
INFORMS = {SWITCHES, BOUNDARY, RESTARTS, SENSITIVE} | CARE


@pytest.fixture(scope="module")
def rows():
    """Rows of the model at the pivot, and EM's fit."""
    X, _ = SPEC.sample(PIVOT, 200, np.random.default_rng(1))
    return X, fit_em(SPEC, X, n_init=4, random_seed=1)


def asked(groups, rows, spec=SPEC, **given):
    """Verdict with model, data and EM, and its lines."""
    tree = tree_of(groups)
    tree = align(tree, to={name: x[0, 0] for name, x in groups["posterior"].items()})
    X, em = rows
    verdict = diagnose(tree, **({"spec": spec, "X": X, "em": em} | given))
    return verdict, {check.name: check for check in verdict.checks}


def test_thresholds_are_those_of_their_sources_and_of_the_pages():
    """To loosen one is to say less: each that a reader relies on is written down a second time."""
    published = {
        "rhat": 1.01,
        "ess_per_chain": 100,
        "bfmi": 0.3,
        "proposal_pareto_k": 0.5,
        "normal_pareto_k": 1,
    }
    ours = {
        "proposal_acceptance": 0.2,
        "proposal_without_rows": 0.1,
        "split_without_rows": 1e-3,
        "split_ess": 0.1,
    }
    ours |= {
        "logp_relative": 1e-8,
        "gradient": 1e-4,
        "gap_sd": 1e-4,
        "same_optimum": 1e-4,
        "empty_count": 0.5,
    }
    ours |= {"single_mode": 0.95, "labelled_alike": 0.95, "restarts_alike": 0.3, "displacement_sd": 0.5}
    ours |= {
        "prior_effect": 0.5,
        "misfit": 0.05,
        "below_zero": 0.01,
        "dominating_prior": 0.2,
        "evidence_se": 0.5,
    }
    for name, value in (published | ours).items():
        assert getattr(TOLERANCES, name) == value, name


def test_rows_of_unequal_weights_are_not_replicated():
    for weights, counted in (([1.0, 1.0], True), ([1.0, 2.0], False), ([3.0, 3.0], False)):
        data = as_data(np.zeros((2, 1)), np.array(weights))
        assert (Case(None, None, data, None).rows is not None) is counted


def test_what_the_posterior_has_beside_the_prior_is_the_likelihood():
    groups = good()
    prior = np.random.default_rng(1).normal(size=(CHAINS, DRAWS))
    groups["log_prior"] = {"mu": prior}
    groups["sample_stats"]["log_posterior"] = prior + 2 * groups["sample_stats"]["lp"]
    found = log_densities(tree_of(groups), None)
    np.testing.assert_allclose(found, [prior, 2 * groups["sample_stats"]["lp"]], atol=1e-9)


def test_every_check_is_made_and_holds(rows):
    verdict, found = asked(good(), rows)
    assert verdict.passed
    assert verdict.unchecked == ()
    assert str(verdict) == "converged"
    extra = [
        SWITCHES,
        ALIKE,
        SMALLEST,
        UNVISITED,
        COLLAPSED,
        IDENTIFIED,
        RESTARTS,
        DOMINATED,
        SENSITIVE,
        MISFIT,
        DOUBTFUL,
    ]
    assert list(found)[7:] == extra  # a Gaussian has no boundary
    assert all(check.passed for check in verdict.checks)
    assert {check.name for check in verdict.checks if not check.judged} == INFORMS - {BOUNDARY}
    assert {check.name for check in verdict.checks if check.caution} == CARE
    assert all(check.source for check in verdict.checks)
    assert "200 draws and 200 rows" in found[ALIKE].note
    frame = verdict.to_frame()
    assert list(frame.index) == list(found)
    assert list(frame.columns) == ["figure", "tolerance", "passed", "judged", "source", "note"]
    assert frame.loc["E-BFMI", "tolerance"] == TOLERANCES.bfmi


def test_weights_that_are_not_whole_numbers_are_told(rows):
    X, em = rows
    for weights, count in ((np.full(len(X), 2.0), 0), (np.r_[0.5, 1.25, np.ones(len(X) - 2)], 2)):
        told = [
            check
            for check in diagnose(tree_of(good()), X=X, weights=weights).checks
            if "weight" in check.name
        ]
        assert [check.figure for check in told] == [count] * (count > 0)
        notes = mx.fit_em(em.spec, X, weights=weights, n_init=1, random_seed=1).notes
        assert [note for note in notes if "weights" in note] == [check.note for check in told]
        assert all(f"those of {weights.sum():,.1f} rows" in check.note for check in told)
        assert not any(check.judged or check.caution for check in told)


def test_what_is_not_given_is_named(rows):
    X, em = rows
    tree = tree_of(good())
    names = [question.name for question in QUESTIONS]
    assert [line.split(" (needs")[0] for line in diagnose(tree).unchecked] == names
    assert diagnose(tree).unchecked[0] == "label switches (needs an aligned tree)"
    assert "empty clusters (needs X)" in diagnose(tree, spec=em.spec).unchecked
    assert not any("prior sensitivity" in line for line in diagnose(tree, spec=em.spec).unchecked)
    assert "empty clusters (needs spec)" in diagnose(tree, X=X).unchecked
    assert diagnose(tree, X=X, em=em).unchecked == ("label switches (needs an aligned tree)",)
    for spec in (None, SPEC):  # a default prior is no number before it has seen the data
        said = "prior sensitivity (needs log_prior and log_likelihood, or spec and X)"
        assert said in diagnose(tree, spec=spec).unchecked
    without = diagnose(tree, X=X)
    assert without.left_out[2] == Unchecked("empty clusters", ("spec",))
    assert not_checked(without)[0].startswith("Not checked, since a model of your own has no specification")
    for verdict in (without, diagnose(tree), diagnose(tree, spec=em.spec)):
        assert (
            tuple(map(Unchecked.told, verdict.unchecked)) == verdict.left_out
        )  # of files of earlier versions
    with pytest.raises(InputError, match="the posterior lacks p"):
        diagnose(tree, spec=BMM(2), X=X)


def test_label_switches_are_counted_and_fail_nothing(rows):
    groups = good()
    for x in groups["posterior"].values():
        x[1, 10:20] = x[1, 10:20, ::-1].copy()
        x[2] = x[2, :, ::-1].copy()
    verdict, found = asked(groups, rows)
    assert verdict.passed
    assert found[SWITCHES].figure == 2
    assert "2 labellings among 4 chains" in found[SWITCHES].note


def test_clusters_that_overlap_are_labelled_by_the_rule(rows):
    groups, rng = good(), np.random.default_rng(1)
    shape = (CHAINS, DRAWS, 2, 1)
    groups["posterior"]["mu"] = 4 + 2 * rng.normal(size=shape)
    groups["posterior"]["sigma2"] = np.exp(rng.normal(size=shape))
    verdict, found = asked(groups, rows)
    assert not found[ALIKE].passed
    assert found[ALIKE].figure < 0.9
    assert "conditional on the relabelling rule" in str(verdict)


@pytest.mark.parametrize("apart", [True, False])
def test_chains_in_two_modes_are_the_cause_of_what_fails_beside_them(rows, apart):
    """Both modes in every chain: clusters overlap. A mode for every two chains: these never met."""
    groups, rng = good(), np.random.default_rng(1)
    elsewhere = {"alpha": [0.05, 0.95], "mu": [[9.0], [5.0]], "sigma2": [[0.3], [16.0]]}
    there = np.arange(CHAINS)[:, None] >= 2 if apart else rng.random((CHAINS, DRAWS)) < 0.5
    there = np.broadcast_to(there, (CHAINS, DRAWS))
    for name, x in groups["posterior"].items():
        x[there] = np.array(elsewhere[name]) + 0.01 * rng.normal(size=x[there].shape)
    groups["log_likelihood"]["x"] -= 0.5 * there[..., None]
    verdict, found = asked(groups, rows)
    assert found[ALIKE].figure == pytest.approx(0.5, abs=0.1)
    assert [check.name for check in verdict.checks if check.cause and not check.passed] == [
        INVARIANT[0] if apart else ALIKE
    ]
    headline = conclude((), verdict, tree_of(groups), (), interrupted=False, confirmed=True, with_em=True)
    reason = "The chains sit in 2 modes (chains 0, 1; 2, 3)" if apart else "Clusters overlap (the methods"
    assert headline.reasons[0].startswith(reason)
    assert ("EM and MAP agree on the estimates" in headline.title) is apart
    assert ("clusters overlap" in str(verdict)) is not apart
    assert ("the clusters of one mode are not those of another" in found[ALIKE].note) is apart


def test_chains_that_are_slow_are_in_no_known_modes():
    """They wander, and have not met by the end: nothing tells that each of them has settled."""
    groups = good()
    groups["log_likelihood"]["x"] += (
        random_walk((CHAINS, DRAWS))[..., None] + 100 * np.arange(CHAINS)[:, None, None]
    )
    check = lines(groups)[INVARIANT[0]]
    assert not check.passed
    assert not check.cause
    assert check.note.startswith("slow mixing, or chains in different modes")


def test_an_empty_cluster_fails(rows):
    """With no row the weight's posterior is the prior's share: a / (n + K a) on average."""
    groups = good()
    rng = np.random.default_rng(1)
    groups["posterior"]["alpha"] = rng.dirichlet([201, 1], size=(CHAINS, DRAWS))
    found = asked(groups, rows)[1]
    assert not found[SMALLEST].passed
    assert 0 <= found[SMALLEST].figure <= 0.1
    assert "cluster 1 is empty" in found[SMALLEST].note
    groups["posterior"]["alpha"] = rng.dirichlet([200, 2], size=(CHAINS, DRAWS))
    one = asked(groups, rows)[1][SMALLEST]
    assert one.passed
    assert one.figure == pytest.approx(1, abs=0.1)


def test_a_collapsed_cluster_fails_in_units_of_the_data(rows):
    X, _ = rows
    for unit in (1e-6, 1.0):  # variances below 1e-12 are none the worse where the data's are as small
        groups = good()
        groups["posterior"]["mu"] *= unit
        groups["posterior"]["sigma2"] *= unit**2
        scaled = unit * X, None
        assert asked(groups, scaled)[1][COLLAPSED].passed
        groups["posterior"]["sigma2"][1, :, 0] = 1e-16 * unit**2
        check = asked(groups, scaled)[1][COLLAPSED]
        assert not check.passed
        assert check.figure == 250  # a chain, of the thousand draws looked at
        assert "cluster 0" in check.note


def test_one_flip_a_row_identifies_nothing():
    rng = np.random.default_rng(1)
    groups = good()
    del groups["posterior"]["mu"], groups["posterior"]["sigma2"]
    for d in (1, 3):
        groups["posterior"]["p"] = rng.uniform(0.2, 0.3, size=(CHAINS, DRAWS, 2, d)) + np.array([[0], [0.5]])
        coords = {"cluster": range(2), "feature": range(d)}
        tree = make_tree(groups, {**BMM(2).dims, "x": ("obs_id",)}, coords)
        verdict = diagnose(tree, spec=BMM(2), X=rng.integers(0, 2, size=(50, d)))
        check = {check.name: check for check in verdict.checks}[IDENTIFIED]
        assert check.passed is (d == 3)
    assert not check.note
    assert any("restarts of EM (needs em)" in line for line in verdict.unchecked)


@pytest.mark.parametrize("reasons", [("never", ""), ("", "not here"), ("", "")])
def test_either_reason_will_do_to_identify_nothing(reasons):
    never, here = reasons
    family = SimpleNamespace(never_identified=lambda *_: never, unidentified=lambda *_: here)
    (question,) = (each for each in QUESTIONS if each.name == "identification")
    check = question.check(None, SimpleNamespace(family=family, n_components=2), None, {})
    assert check.passed is not any(reasons)
    assert check.note == never + here


def test_probabilities_on_the_boundary_are_counted():
    X = np.random.default_rng(1).integers(0, 2, size=(50, 4))
    X[:, 0] = 0
    groups = good()
    groups["posterior"] = {
        "alpha": np.ones((CHAINS, DRAWS, 1)),
        "p": np.random.default_rng(0).uniform(0.1, 0.9, size=(CHAINS, DRAWS, 1, 4)),
    }
    tree = make_tree(groups, {**BMM(1).dims, "x": ("obs_id",)}, {"cluster": [0], "feature": range(4)})
    for prior, count in ((None, 1), ("default", 0)):
        verdict = diagnose(tree, X=X, em=fit_em(BMM(1, prior=prior), X))
        check = {check.name: check for check in verdict.checks}[BOUNDARY]
        assert check.figure == count
        assert check.passed is (count == 0)
        assert verdict.passed


def test_restarts_that_disagree_are_told(rows):
    _, em = rows
    reached = np.array([em.log_posterior, *[em.log_posterior - 3.0] * 9])
    lonely = replace(em, restarts=replace(em.restarts, log_posterior=reached, kinds=()))
    verdict, found = asked(good(), rows, em=lonely)
    assert found[RESTARTS].figure == pytest.approx(0.1)
    assert not found[RESTARTS].passed
    assert found[RESTARTS].note == "there may be a better optimum: raise n_init; " + str(lonely.restarts)
    assert verdict.passed
    all_missed = replace(em, restarts=replace(em.restarts, log_posterior=reached[1:], kinds=()))
    assert asked(good(), rows, em=all_missed)[1][RESTARTS].figure == 0
    kinds = ("k-means", "k-means", "random rows")
    of_one_kind = replace(em.restarts, log_posterior=reached[[0, 0, 1]], kinds=kinds)
    check = asked(good(), rows, em=replace(em, restarts=of_one_kind))[1][RESTARTS]
    assert check.figure == pytest.approx(2 / 3)
    assert not check.passed
    assert check.caution


def test_a_prior_that_dominates_is_told(rows):
    X = np.array([0.0, 8.0])[np.arange(40) % 2, None] + 1e-3 * np.random.default_rng(1).normal(size=(40, 1))
    _, found = asked(good(), (X, fit_em(SPEC, X, random_seed=1)))
    assert found[DOMINATED].figure == 2
    assert not found[DOMINATED].passed
    assert "the prior makes up" in found[DOMINATED].note


def test_a_posterior_that_moves_with_its_prior_is_told(rows):
    groups = good()
    mu = groups["posterior"]["mu"][..., 1, 0]
    pull = 10 * (mu - mu.mean()) / mu.std()
    groups["log_prior"] = {"mu": pull}
    groups["log_likelihood"]["x"] += 0.01 * np.random.default_rng(2).normal(size=(CHAINS, DRAWS, ROWS))
    verdict, found = asked(groups, rows)
    check = found[SENSITIVE]
    assert not check.passed
    assert check.note.startswith("the mean of f in cluster 1 moves by about 7.1 posterior sds")
    assert check.figure == pytest.approx(np.log(2) * 10, rel=0.1)
    assert verdict.passed
    table = mx.prior_sensitivity(tree_of(groups))
    assert table.index[0] == "mu[1, f]"
    assert check.figure == pytest.approx(table["effect"].iloc[0])
    fewer = {group: {name: x[:, :250] for name, x in arrays.items()} for group, arrays in groups.items()}
    tree = tree_of(fewer)  # of as many draws as are scaled: the other figures are ArviZ's
    figures = mx.prior_sensitivity(tree)["prior"]
    tree["log_prior"] = xr.DataTree(tree["log_prior"].to_dataset().expand_dims(term=1, axis=-1))
    theirs = az.psense(tree, group="prior")
    assert figures.max() == pytest.approx(max(float(x.max()) for x in theirs.data_vars.values()))


@pytest.mark.parametrize(("centre", "passes"), [(0.0, True), (3.0, False)])
def test_the_effect_of_a_prior_is_the_derivative_of_the_exact_posterior(centre, passes):
    """A normal mean under a normal prior is conjugate at every power of the prior."""
    n, mean, precision = 40, 0.2, 5.0

    def exact(power):
        total = n + power * precision
        return (n * mean + power * precision * centre) / total, np.sqrt(1 / total)

    (low, narrow), (at, sd), (high, wide) = exact(2**-1e-4), exact(1), exact(2**1e-4)
    m, s = (high - low) / sd / 2e-4, np.log(wide / narrow) / 2e-4
    draws = at + sd * np.random.default_rng(1).permutation(stats.norm.ppf((np.arange(4000) + 0.5) / 4000))
    mu = draws.reshape(4, 1000)
    posterior = xr.Dataset({"mu": (("chain", "draw"), mu)}, {"chain": range(4), "draw": range(1000)})
    found = prior_effects(posterior, -precision / 2 * (mu - centre) ** 2)["mu"]
    assert found == pytest.approx(np.hypot(m, np.sqrt(2) * s), rel=0.01)
    assert (found < TOLERANCES.prior_effect) is passes


def test_a_flat_prior_moves_nothing(rows):
    groups = good()
    groups["log_prior"] = {"mu": np.full((CHAINS, DRAWS), -3.0)}
    assert asked(groups, rows)[1][SENSITIVE].figure == 0


@pytest.mark.parametrize("broken", [np.nan, "slow"])
def test_a_prior_that_cannot_be_scaled_never_passes(rows, broken):
    groups = good()
    slow = random_walk((1, CHAINS * DRAWS)).reshape(CHAINS, DRAWS)
    groups["log_prior"] = {"mu": slow if broken == "slow" else np.full((CHAINS, DRAWS), broken)}
    check = asked(groups, rows)[1][SENSITIVE]
    assert not check.passed
    assert np.isnan(check.figure)
    assert "draw more" in check.note
    assert str(check).startswith(f"{SENSITIVE}: could not be computed: too few effective draws")


def test_no_sentence_holds_nan():
    """With one draw of a single chain hardly anything can be computed."""
    groups = {
        group: {name: x[:1, :1] for name, x in variables.items()} for group, variables in good().items()
    }
    groups["log_prior"] = {"mu": np.zeros((1, 1))}
    verdict = diagnose(tree_of(groups))
    assert sum(np.isnan(check.figure) for check in verdict.checks) > 1
    headline = conclude((), verdict, None, (), interrupted=False, confirmed=True, with_em=True)
    texts = [*map(str, verdict.checks), str(verdict), *headline.reasons, *headline.remarks]
    assert not [text for text in texts if re.search(r"\bnan\b", text)]
    assert any("could not be computed" in text for text in headline.reasons)


@pytest.mark.parametrize("which", [(0, 4), slice(None)], ids=["one", "all"])
@pytest.mark.parametrize("name", ["alpha", "mu", "sigma2"])
def test_draws_that_are_not_finite_are_judged_without_an_error(rows, name, which):
    groups = good()
    groups["posterior"][name][which] = np.nan
    X, em = rows
    for fit in (None, em):
        verdict = diagnose(tree_of(groups), spec=SPEC, X=X, em=fit)
        found = {check.name: check for check in verdict.checks}
        assert not verdict.passed
        assert not found[SENSITIVE].passed
        assert found[SMALLEST].passed is (name != "alpha")
        assert found[COLLAPSED].passed is (which == (0, 4))
        told = [str(check) for check in verdict.checks if np.isnan(check.figure)]
        assert all("could not be computed" in text and "cluster 0" not in text for text in told)
    unanswered = "identification (needs finite draws)" in diagnose(tree_of(groups), spec=SPEC, X=X).unchecked
    assert unanswered is (which != (0, 4))


def test_the_prior_in_numpy_is_the_prior_that_was_stored(rows):
    """Where the tree holds no log_prior, the model's own is taken."""
    groups, spec = good(), resolve(SPEC, rows[0])
    without = asked(groups, rows)[1][SENSITIVE].figure
    draws = groups["posterior"]
    total = [
        spec.log_prior({name: x[c, d] for name, x in draws.items()}) for c, d in np.ndindex(CHAINS, DRAWS)
    ]
    groups["log_prior"] = {"mu": np.reshape(total, (CHAINS, DRAWS))}
    assert asked(groups, rows)[1][SENSITIVE].figure == pytest.approx(without, rel=1e-6)


# The figures


@pytest.mark.parametrize("ci_prob", [0.5, 0.95])
def test_figures_are_those_of_arviz(ci_prob):
    rng = np.random.default_rng(1)
    draws = rng.standard_t(4, size=(CHAINS, 200, 3)) + 0.1 * random_walk((CHAINS, 200, 3))
    ours = summarise(draws, ci_prob)
    tree = az.from_dict({"posterior": {"q": draws}})
    theirs = az.summary(tree, ci_prob=ci_prob, ci_kind="eti", round_to="none")
    bounds = [name for name in theirs.columns if name.startswith("eti")]
    pairs = {"mean": "mean", "sd": "sd", "lower": bounds[0], "upper": bounds[1]}
    pairs |= {name: name for name in ("ess_bulk", "r_hat")}
    for name, column in pairs.items():
        np.testing.assert_allclose(ours[name], theirs[column], rtol=1e-10, err_msg=name)
    tail = az.ess(tree, method="tail", prob=(0.05, 0.95))["q"]
    np.testing.assert_allclose(ours["ess_tail"], tail, rtol=1e-10)


def test_figures_of_constants_and_of_nan():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(CHAINS, 100, 5))
    draws[:, ::2, 3], draws[:, 1::2, 3] = np.inf, -np.inf
    draws[..., 4] *= 1e200
    alone = summarise(draws[..., 1:2], 0.9)
    draws[..., 0] = np.where(draws[..., 0] < 0, 2.0, np.nextafter(2.0, 3.0))  # by rounding
    draws[0, 0, 2] = np.nan
    figures = summarise(draws, 0.9)
    for name, values in figures.items():
        assert values[1] == pytest.approx(alone[name][0], rel=1e-10), name
        assert np.isnan(values[2]), name
        assert not np.isfinite(values[3]), name
    assert np.isfinite(figures["r_hat"][4])
    for name in ("ess_bulk", "ess_tail", "r_hat"):
        assert np.isnan(figures[name][0])
    of_constant = [figures[name][0] for name in ("mean", "sd", "lower", "upper")]
    np.testing.assert_allclose(of_constant, [2, 0, 2, 2], atol=1e-14)
